//! The simulated partner: its memory, its answers, its record.

use std::{
    collections::HashMap,
    fs::File,
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::{Fault, Faults};
use crate::{
    base::{Limits, Sha256},
    document::Document,
    format::{ReadOptions, Syntax, WriteOptions, charset_of_media_type, read, write},
    profile::{ReplyValues, SimulatedReply, Simulator},
};

/// One request, as recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Received {
    /// Its number, from 1.
    pub number: u64,
    /// The delivery's id as the hub sent it.
    pub delivery_id: String,
    /// The document type; empty when none was recognised.
    #[serde(rename = "type")]
    pub document_type: String,
    /// The document's number.
    pub key: String,
    /// The character set it came in.
    pub charset: String,
    /// Digest of the body.
    pub sha256: String,
    /// The reply's name, or the fault.
    pub reply: String,
    /// Whether the document was written.
    pub written: bool,
    /// Whether it was a question for a document, not a document.
    pub query: bool,
    /// The body, as text.
    pub body: String,
}

/// A simulated partner; serve [`Partner::router`].
#[derive(Clone)]
pub struct Partner(Arc<Inner>);

struct Inner {
    simulator: Simulator,
    state: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// What was written, by kind and number.
    known: HashMap<String, HashMap<String, Document>>,
    received: Vec<Received>,
    faults: Faults,
    record: Option<File>,
}

impl Partner {
    /// A partner that knows nothing yet. Each request is appended to `record` as one JSON object a line.
    #[must_use]
    pub fn new(simulator: Simulator, faults: Faults, record: Option<File>) -> Self {
        let state = Mutex::new(Memory { faults, record, ..Memory::default() });
        Self(Arc::new(Inner { simulator, state }))
    }

    /// Takes documents by POST on every path, answers GET with the health text, and shows what came in on
    /// `GET /_received`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/_received", get(|State(partner): State<Self>| async move { Json(partner.received()) }))
            .fallback(handle)
            .with_state(self.clone())
    }

    /// Everything that came in so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.memory().received.clone()
    }

    /// Puts a fault in line for the next request.
    pub fn then(&self, fault: Fault) {
        self.memory().faults.then(fault);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is answered to one body; `None` for no answer at all.
    fn take(&self, headers: &HeaderMap, body: &[u8]) -> (Option<Fault>, Response) {
        let simulator = &self.0.simulator;
        let mut memory = self.memory();
        let number = memory.received.len() as u64 + 1;
        let fault = memory.faults.take(number);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = header("content-type");
        let mut entry = Received {
            number,
            delivery_id: header("idempotency-key").to_owned(),
            document_type: String::new(),
            key: String::new(),
            charset: String::new(),
            sha256: Sha256::of(body).to_string(),
            reply: String::new(),
            written: false,
            query: false,
            body: String::new(),
        };
        let limits = Limits::default();
        let charset = charset_of_media_type(content_type).and_then(Result::ok);
        let options = ReadOptions { limits: limits.clone(), charset, ..ReadOptions::default() };
        let syntax = Syntax::sniff(None, body).unwrap_or(Syntax::Xml);
        let reading = read(body, syntax, &options);
        let mut response = (StatusCode::BAD_REQUEST, "the document cannot be read\n").into_response();
        if let Ok(reading) = &reading {
            reading.charset.name().clone_into(&mut entry.charset);
            entry.body = write(&reading.document, syntax, &WriteOptions::default())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default();
            let reply = |name: &str, to: &Document, values: &ReplyValues<'_>| {
                let reply = simulator.reply(name, to, values, &(), &limits).map_err(|failure| failure.to_string());
                let rendered = reply.and_then(|reply| render(reply, syntax));
                rendered.unwrap_or_else(|text| (StatusCode::INTERNAL_SERVER_ERROR, text).into_response())
            };
            if let Ok(Some(query)) = simulator.query(&reading.document, &(), &limits) {
                let found = memory.known.get(&query.entity).and_then(|documents| documents.get(&query.key));
                let plain = if found.is_some() { query.when_found } else { query.when_missing };
                let name = match &fault {
                    Some(Fault::Reply(name)) => name.clone(),
                    _ => plain,
                };
                let values = ReplyValues { key: &query.key, ..ReplyValues::default() };
                response = reply(&name, found.unwrap_or(&reading.document), &values);
                (entry.document_type, entry.key, entry.reply, entry.query) =
                    (query.document_type, query.key, name, true);
            } else if let Ok(Some(request)) = simulator.read(&reading.document, &(), &limits) {
                let known = |entity: &str, id: &str| memory.known.get(entity).is_some_and(|ids| ids.contains_key(id));
                let missing = request.requires.filter(|required| !known(&required.entity, &required.id));
                let plain = match missing {
                    Some(required) => required.otherwise,
                    None if known(&request.entity, &request.key) => request.when_known,
                    None => request.when_new,
                };
                let name = match &fault {
                    Some(Fault::Reply(name)) => name.clone(),
                    _ => plain,
                };
                // Every reply but "ok" leaves the books as they were.
                let refused = matches!(fault, Some(Fault::Reply(_) | Fault::Status(_)));
                entry.written = name == "ok" && !refused;
                if entry.written {
                    let known = memory.known.entry(request.entity.clone()).or_default();
                    known.insert(request.key.clone(), reading.document.clone());
                }
                let ledger = number.to_string();
                let values = ReplyValues { key: &request.key, message: "", ledger: &ledger };
                response = reply(&name, &reading.document, &values);
                entry.document_type = request.document_type;
                entry.key = request.key;
                entry.reply = name;
            }
        }
        match &fault {
            Some(Fault::Status(status)) => {
                entry.reply = format!("status {status}");
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                response = (status, "fault on request\n").into_response();
            }
            Some(Fault::Silence) => "silence".clone_into(&mut entry.reply),
            Some(Fault::Cut) => "cut".clone_into(&mut entry.reply),
            _ => (),
        }
        if let (Some(file), Ok(line)) = (memory.record.as_mut(), serde_json::to_string(&entry)) {
            drop(writeln!(file, "{line}"));
        }
        memory.received.push(entry);
        (fault, response)
    }
}

fn render(reply: SimulatedReply, syntax: Syntax) -> Result<Response, String> {
    let status = |status| StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    Ok(match reply {
        SimulatedReply::Text { status: code, content_type, body } => {
            (status(code), [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        SimulatedReply::Document { status: code, content_type, document } => {
            let bytes = write(&document, syntax, &WriteOptions::default()).map_err(|problem| problem.to_string())?;
            (status(code), [(header::CONTENT_TYPE, content_type)], bytes).into_response()
        }
    })
}

/// Longer than any client waits.
const SILENCE: Duration = Duration::from_secs(3600);

async fn handle(State(partner): State<Partner>, method: Method, headers: HeaderMap, body: Body) -> Response {
    if method != Method::POST {
        return match partner.0.simulator.health() {
            Some(health) => {
                let status = StatusCode::from_u16(health.status).unwrap_or(StatusCode::OK);
                (status, [(header::CONTENT_TYPE, health.content_type.clone())], health.body.clone()).into_response()
            }
            None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        };
    }
    let Ok(body) = crate::transport::read_body(body).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let body: Bytes = body;
    let (fault, response) = partner.take(&headers, &body);
    match fault {
        Some(Fault::Silence) => {
            tokio::time::sleep(SILENCE).await;
            response
        }
        Some(Fault::Cut) => {
            // A body that fails makes the server cut the connection: the client sees a broken answer.
            let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut on request"))]);
            Response::new(Body::from_stream(broken))
        }
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            response
        }
        _ => response,
    }
}
