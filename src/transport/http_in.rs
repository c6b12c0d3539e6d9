//! Takes messages over HTTP: `POST /in/{system}/{document type}`, and tells what became of them.
//!
//! The caller is known before a byte of its body is read, and hears 202 only after the intake has the message safe.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use hyper::{Request, body::Body as _};
use metrics::counter;
use serde_json::json;

use super::{
    Access, Arrival, BodyError, BodyRoom, CertificateNames, HTTP, HttpInConfig, HttpProblem, Intake, Readiness,
    Signature, SignedRequest, Verdict, code, http_problem, http_target::encoded,
};
use crate::{
    base::{Clock, Code, Problem, Secret},
    telemetry::metric,
};

/// The longest key that makes a repetition recognisable.
const KEY_BYTES: usize = 255;
/// How long a sender waits when other bodies fill the memory set apart for them.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// Request headers that become attributes, with the attributes' names; every other header is ignored.
const ATTRIBUTES: [(&str, &str); 9] = [
    ("ce-id", "ce-id"),
    ("ce-source", "ce-source"),
    ("ce-type", "ce-type"),
    ("ce-subject", "ce-subject"),
    ("ce-time", "ce-time"),
    ("x-batch-id", "batch_id"),
    ("x-batch-position", "batch_position"),
    ("x-batch-count", "batch_count"),
    ("x-batch-offset", "batch_offset"),
];

#[derive(Clone)]
struct Door {
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    room: BodyRoom,
    max_body_bytes: usize,
}

/// The intake's HTTP surface, to be run by [`super::serve`] under the same settings.
pub fn router(intake: Arc<dyn Intake>, config: &HttpInConfig, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/in/{system}", post(post_untyped))
        .route("/in/{system}/{*document_type}", post(post_typed))
        .route("/in/{system}/messages/{message_id}", get(get_status))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Door {
            intake,
            clock,
            room: BodyRoom::new(config.max_in_flight_bytes),
            max_body_bytes: config.max_body_bytes,
        })
}

async fn post_untyped(
    State(door): State<Door>,
    path: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Response {
    match path {
        Ok(Path(system)) => receive(door, system, String::new(), request).await,
        Err(_) => unknown_path(request.uri().clone(), request.headers().clone()).await,
    }
}

async fn post_typed(
    State(door): State<Door>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request<Body>,
) -> Response {
    match path {
        Ok(Path((system, document_type))) => receive(door, system, document_type, request).await,
        Err(_) => unknown_path(request.uri().clone(), request.headers().clone()).await,
    }
}

async fn receive(door: Door, system: String, document_type: String, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    match take(&door, system, document_type, &head, body).await {
        Ok(response) => response,
        Err(problem) => {
            let cut_off = matches!(problem.status, 408 | 413 | 503);
            let mut response = problem.into_response();
            if cut_off {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            if response.status() == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

async fn take(
    door: &Door,
    system: String,
    document_type: String,
    head: &Parts,
    body: Body,
) -> Result<Response, Box<HttpProblem>> {
    let headers = &head.headers;
    let refuse = |status, code, text: String| Box::new(problem(head, status, code, text));
    let signature = admit(door, &system, head)?;
    if let Readiness::Closed { retry_after, code, why } = door.intake.readiness() {
        return Err(turned_away(head, code, retry_after, format!("no messages are accepted now: {why}")));
    }
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(refuse(415, code::CONTENT_ENCODING, "send the body without Content-Encoding".to_owned()));
    }
    let too_large = || {
        let text = format!("the body is larger than the {} bytes allowed here", door.max_body_bytes);
        refuse(413, code::BODY_TOO_LARGE, text)
    };
    if body.size_hint().lower() > door.max_body_bytes as u64 {
        return Err(too_large());
    }
    let key = key(headers).map_err(|text| refuse(400, code::BAD_HEADER, text))?;
    let (bytes, held) = door.room.read(body).await.map_err(|error| match error {
        BodyError::TooLarge => too_large(),
        BodyError::TooSlow => refuse(408, code::BODY_TOO_SLOW, "the body did not arrive in time".to_owned()),
        BodyError::NoRoom => {
            let text = "too many bytes are on their way at this moment; send the message again".to_owned();
            turned_away(head, code::BUSY, BUSY_WAIT, text)
        }
        BodyError::Cut => refuse(400, code::BODY_CUT, "the body ended before its announced end".to_owned()),
    })?;
    if let Some(signature) = signature {
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let path = head.uri.path_and_query().map_or(head.uri.path(), |path| path.as_str());
        let signed = SignedRequest { id, method: head.method.as_str(), path, body: &bytes };
        let verified = signature.verify(headers, &signed, door.clock.now());
        verified.map_err(|why| refuse(401, code::SIGNATURE_WRONG, why))?;
    }
    let arrival = Arrival {
        system: system.clone(),
        document_type,
        bytes,
        content_type: headers.get(header::CONTENT_TYPE).and_then(text_of),
        transport: HTTP,
        key,
        attributes: attributes(head),
        problem: None,
    };
    let verdict = door.intake.accept(arrival).await;
    drop(held);
    match verdict {
        Verdict::Accepted { message_id, duplicate } => Ok(accepted(&system, &message_id, duplicate)),
        Verdict::Refused(refusal) => Err(Box::new(HttpProblem {
            retry_after: refusal.retry_after,
            existing: refusal.existing,
            ..HttpProblem::new(refusal.status, refusal.problem, headers, head.uri.path())
        })),
        Verdict::Unavailable { retry_after } => {
            let (code, why) = match door.intake.readiness() {
                Readiness::Closed { code, why, .. } => (code, format!(": {why}")),
                Readiness::Open => (code::NOT_ACCEPTING, String::new()),
            };
            let text = format!("the message was not accepted; send it again later{why}");
            Err(turned_away(head, code, retry_after, text))
        }
    }
}

/// 503: nothing is wrong with the message, and nothing was taken.
fn turned_away(head: &Parts, code: Code, retry_after: Duration, text: String) -> Box<HttpProblem> {
    counter!(metric::TURNED_AWAY, "code" => code.id).increment(1);
    Box::new(HttpProblem { retry_after: Some(retry_after), ..problem(head, 503, code, text) })
}

fn accepted(system: &str, message_id: &str, duplicate: bool) -> Response {
    let status_url = format!("/in/{}/messages/{}", encoded(system), encoded(message_id));
    let body = json!({ "message_id": message_id, "duplicate": duplicate, "status_url": status_url });
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&status_url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if duplicate {
        let replayed = HeaderName::from_static("idempotency-replayed");
        response.headers_mut().insert(replayed, HeaderValue::from_static("true"));
    }
    response
}

async fn get_status(
    State(door): State<Door>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request<Body>,
) -> Response {
    let (head, _) = request.into_parts();
    let Ok(Path((system, message_id))) = path else {
        return unknown_path(head.uri, head.headers).await;
    };
    match admit(&door, &system, &head) {
        Ok(None) => (),
        // no body, nothing signed
        Ok(Some(_)) => return denied(&system, &head).into_response(),
        Err(refused) => return refused.into_response(),
    }
    match door.intake.status(&system, &message_id).await {
        Some(status) => Json(status).into_response(),
        None => {
            let text = format!("system `{system}` has sent no message with this id");
            problem(&head, 404, code::UNKNOWN_MESSAGE, text).into_response()
        }
    }
}

/// Lets in a caller whose key or certificate belongs to the system, or one that signed its request, to be verified with
/// the body. Looks at nothing but path, headers and certificate.
fn admit(door: &Door, system: &str, head: &Parts) -> Result<Option<Arc<Signature>>, Box<HttpProblem>> {
    let key = api_key(&head.headers);
    match door.intake.authorize(system, key.as_ref()) {
        Access::Granted => return Ok(None),
        Access::UnknownSystem => {
            let text = format!("no system `{system}` takes messages over HTTP here");
            return Err(Box::new(problem(head, 404, code::UNKNOWN_SYSTEM, text)));
        }
        Access::Denied if key.is_some() => return Err(denied(system, head)),
        Access::Denied => (),
    }
    let names = head.extensions.get::<CertificateNames>();
    if names.is_some_and(|names| door.intake.admits_certificate(system, &names.0)) {
        return Ok(None);
    }
    let signature = door.intake.signature(system).filter(|signature| signature.is_there(&head.headers));
    signature.map(Some).ok_or_else(|| denied(system, head))
}

fn denied(system: &str, head: &Parts) -> Box<HttpProblem> {
    let text = format!("send the API key of system `{system}` as `Authorization: Bearer …` or `X-Api-Key`");
    Box::new(problem(head, 401, code::KEY_MISSING_OR_WRONG, text))
}

async fn unknown_path(uri: Uri, headers: HeaderMap) -> Response {
    let problem = Problem::new(code::UNKNOWN_PATH, "messages go to `POST /in/{system}/{document type}`");
    HttpProblem::new(404, problem, &headers, uri.path()).into_response()
}

async fn wrong_method(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let text = format!("this path does not take {method}; send messages with POST, ask for their status with GET");
    HttpProblem::new(405, Problem::new(code::METHOD_NOT_ALLOWED, text), &headers, uri.path()).into_response()
}

fn problem(head: &Parts, status: u16, code: Code, text: String) -> HttpProblem {
    HttpProblem::new(status, Problem::new(code, text), &head.headers, head.uri.path())
}

fn api_key(headers: &HeaderMap) -> Option<Secret> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let key = bearer.or_else(|| headers.get("x-api-key")?.to_str().ok().map(str::trim))?;
    (!key.is_empty()).then(|| Secret::new(key))
}

/// The first of `Idempotency-Key`, `webhook-id` and `ce-source` + `ce-id` that is there.
fn key(headers: &HeaderMap) -> Result<Option<String>, String> {
    for name in ["idempotency-key", "webhook-id"] {
        if let Some(key) = one(headers, name)? {
            // the draft standard writes the key as a quoted string, most callers as plain text
            let plain = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(&key);
            if plain.is_empty() {
                return Err(format!("the header `{name}` is empty; leave it out or give each message its own key"));
            }
            return Ok(Some(plain.to_owned()));
        }
    }
    let (source, id) = (one(headers, "ce-source")?, one(headers, "ce-id")?);
    Ok(source.zip(id).map(|(source, id)| format!("{source} {id}")))
}

fn one(headers: &HeaderMap, name: &str) -> Result<Option<String>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(format!("the header `{name}` is there more than once"));
    }
    match text_of(value) {
        Some(text) if text.len() <= KEY_BYTES => Ok(Some(text)),
        _ => Err(format!("the header `{name}` must be at most {KEY_BYTES} visible ASCII characters")),
    }
}

fn text_of(value: &HeaderValue) -> Option<String> {
    value.to_str().ok().map(|text| text.trim().to_owned())
}

fn attributes(head: &Parts) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    if let Some(parent) = http_problem::traceparent(&head.headers) {
        attributes.insert("traceparent".to_owned(), parent.to_owned());
    }
    if let Some(ConnectInfo(peer)) = head.extensions.get::<ConnectInfo<SocketAddr>>() {
        attributes.insert("remote_addr".to_owned(), peer.to_string());
    }
    for (header, name) in ATTRIBUTES {
        if let Some(text) = head.headers.get(header).and_then(text_of) {
            attributes.insert(name.to_owned(), text);
        }
    }
    attributes
}

#[cfg(test)]
mod tests;
