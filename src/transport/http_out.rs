//! Posts payloads to a partner over HTTP and says exactly how far they came.

use std::{error::Error as _, fmt::Write as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

use super::{
    Answer, Egress, HttpAuth, HttpOutConfig, Inquiry, Outgoing, Sink, code,
    http_target::Targets,
    http_token::Tokens,
    outcome::LONGEST_WAIT,
    signature::{Signature, SignedRequest},
    tls,
};
use crate::base::{Clock, Problem, Secret, Timestamp};

/// Headers set from the delivery, which the settings cannot replace.
const OURS: [&str; 5] = ["idempotency-key", "webhook-id", "crossdock-message-id", "traceparent", "content-type"];

/// A partner's HTTP address.
pub struct HttpSink {
    client: Client,
    targets: Targets,
    headers: HeaderMap,
    /// An API key that goes into the query: its parameter and value.
    query_key: Option<(String, Secret)>,
    tokens: Option<Tokens>,
    signature: Option<Signature>,
    response_limit: usize,
    clock: Arc<dyn Clock>,
}

impl HttpSink {
    /// A sink for an address; connects only when sending.
    ///
    /// # Errors
    /// `XD-T012`: the address, a header, a certificate or a secret cannot be used. `XD-T015`: the address is not allowed.
    pub fn new(config: &HttpOutConfig, egress: &Arc<Egress>, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let targets = Targets::new(&config.url, &config.method, &config.requests)?;
        egress.judge_url(targets.origin())?;
        let headers = headers(config)?;
        let connect = Duration::from_millis(config.connect_timeout_ms);
        let client =
            tls::client(targets.origin(), &config.tls, egress, connect, Duration::from_millis(config.timeout_ms))?;
        let (mut query_key, mut tokens) = (None, None);
        match &config.auth {
            Some(HttpAuth::KeyInQuery { name, key }) => query_key = Some((name.clone(), key.clone())),
            Some(HttpAuth::OAuth2(oauth2)) => {
                tokens = Some(Tokens::new(oauth2, &config.tls, egress, connect, clock.clone())?);
            }
            _ => (),
        }
        let signature = config.signature.as_ref().map(Signature::new).transpose()?;
        let response_limit = config.response_limit;
        Ok(Self { client, targets, headers, query_key, tokens, signature, response_limit, clock })
    }

    fn request(&self, outgoing: &Outgoing, token: Option<&Secret>) -> Result<reqwest::RequestBuilder, Answer> {
        let (method, mut url) = self.targets.of(outgoing).map_err(|why| Answer::Refused { why })?;
        if let Some((name, key)) = &self.query_key {
            url.query_pairs_mut().append_pair(name, key.expose());
        }
        let mut headers = self.headers.clone();
        put(&mut headers, "idempotency-key", &outgoing.delivery_id)?;
        put(&mut headers, "webhook-id", &outgoing.delivery_id)?;
        put(&mut headers, "crossdock-message-id", &outgoing.message_id)?;
        put(&mut headers, "content-type", &outgoing.content_type)?;
        if let Some(parent) = &outgoing.traceparent {
            put(&mut headers, "traceparent", parent)?;
        }
        self.sign(&mut headers, &outgoing.delivery_id, &method, &url, &outgoing.bytes)?;
        bear(&mut headers, token)?;
        Ok(self.client.request(method, url).headers(headers).body(outgoing.bytes.clone()))
    }

    fn question(&self, inquiry: &Inquiry, token: Option<&Secret>) -> Result<reqwest::RequestBuilder, Answer> {
        let (method, mut url) = self.targets.of_inquiry(inquiry).map_err(|why| Answer::Refused { why })?;
        if let Some((name, key)) = &self.query_key {
            url.query_pairs_mut().append_pair(name, key.expose());
        }
        let mut headers = self.headers.clone();
        if let Some(content_type) = &inquiry.content_type {
            put(&mut headers, "content-type", content_type)?;
        }
        self.sign(&mut headers, "question", &method, &url, &inquiry.bytes)?;
        bear(&mut headers, token)?;
        Ok(self.client.request(method, url).headers(headers).body(inquiry.bytes.clone()))
    }

    fn sign(&self, headers: &mut HeaderMap, id: &str, method: &Method, url: &Url, body: &[u8]) -> Result<(), Answer> {
        let Some(signature) = &self.signature else { return Ok(()) };
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let signed = SignedRequest { id, method: method.as_str(), path: &path, body };
        signature.sign(&signed, self.clock.now()).into_iter().try_for_each(|(name, value)| put(headers, &name, &value))
    }

    /// Sends once; a token that the partner does not take any more is renewed once, as nothing was taken under it.
    async fn exchange(
        &self,
        request: &(dyn Fn(Option<&Secret>) -> Result<reqwest::RequestBuilder, Answer> + Sync),
    ) -> Answer {
        let mut is_renewed = false;
        loop {
            let token = match &self.tokens {
                Some(tokens) => match tokens.get().await {
                    Ok(token) => Some(token),
                    Err(why) => return Answer::NotSent { why },
                },
                None => None,
            };
            let request = match request(token.as_ref()) {
                Ok(request) => request,
                Err(answer) => return answer,
            };
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => {
                    let (is_builder, is_connect, why) = (error.is_builder(), error.is_connect(), causes(error));
                    return match (is_builder, is_connect) {
                        (true, _) => Answer::Refused { why },
                        (_, true) => Answer::NotSent { why },
                        _ => Answer::Unknown { why },
                    };
                }
            };
            match (&self.tokens, &token) {
                (Some(tokens), Some(token)) if response.status() == StatusCode::UNAUTHORIZED && !is_renewed => {
                    tokens.forget(token).await;
                    is_renewed = true;
                }
                _ => return self.read(response).await,
            }
        }
    }

    async fn read(&self, mut response: Response) -> Answer {
        let status = response.status();
        let content_type = text(response.headers(), &CONTENT_TYPE).map(str::to_owned);
        let retry_after = text(response.headers(), &RETRY_AFTER).and_then(|wish| delay(wish, self.clock.now()));
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = self.response_limit - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        break;
                    }
                }
                Ok(None) => break,
                // a refusal stands even when its explanation is cut; a success may be told only in the body
                Err(_) if !status.is_success() => break,
                Err(error) => {
                    let why = format!("the partner answered {status}, but its reply was cut: {}", causes(error));
                    return Answer::Unknown { why };
                }
            }
        }
        Answer::Response { status: Some(status.as_u16()), content_type, body: Bytes::from(body), retry_after }
    }
}

fn put(headers: &mut HeaderMap, name: &str, text: &str) -> Result<(), Answer> {
    let (Ok(key), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(text)) else {
        return Err(Answer::Refused { why: format!("`{name}` cannot be sent as an HTTP header") });
    };
    headers.insert(key, value);
    Ok(())
}

/// Puts an access token in.
fn bear(headers: &mut HeaderMap, token: Option<&Secret>) -> Result<(), Answer> {
    let Some(token) = token else { return Ok(()) };
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| Answer::NotSent { why: "the access token cannot be sent as an HTTP header".to_owned() })?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

#[async_trait]
impl Sink for HttpSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        self.exchange(&|token| self.request(outgoing, token)).await
    }

    async fn ask(&self, inquiry: &Inquiry) -> Answer {
        self.exchange(&|token| self.question(inquiry, token)).await
    }

    fn describe(&self) -> String {
        self.targets.shown()
    }
}

fn unusable(text: String) -> Problem {
    Problem::new(code::BAD_SETTINGS, text)
}

fn headers(config: &HttpOutConfig) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let (Ok(key), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) else {
            return Err(unusable(format!("the header `{name}` has a name or value that HTTP does not allow")));
        };
        if OURS.contains(&key.as_str()) {
            return Err(unusable(format!("the header `{name}` is set for every delivery and cannot be fixed")));
        }
        headers.insert(key, value);
    }
    // a compressed reply could be far larger than it looks
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let (name, credential) = match &config.auth {
        Some(HttpAuth::Bearer(token)) => (AUTHORIZATION, format!("Bearer {}", token.expose())),
        Some(HttpAuth::Basic { user, password }) => {
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
        }
        Some(HttpAuth::KeyInHeader { name, key }) => {
            let parsed = name.parse::<HeaderName>().ok().filter(|name| !OURS.contains(&name.as_str()));
            let name = parsed.ok_or_else(|| unusable(format!("`{name}` cannot be the header of an API key")))?;
            (name, key.expose().to_owned())
        }
        None | Some(HttpAuth::KeyInQuery { .. } | HttpAuth::OAuth2(_)) => return Ok(headers),
    };
    let mut value =
        HeaderValue::from_str(&credential).map_err(|_| unusable("the credential is not visible ASCII".to_owned()))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds or a date.
fn delay(wish: &str, now: Timestamp) -> Option<Duration> {
    let wish = wish.trim();
    if !wish.is_empty() && wish.bytes().all(|byte| byte.is_ascii_digit()) {
        // more digits than fit are longer than anybody waits
        return Some(wish.parse().map_or(LONGEST_WAIT, Duration::from_secs));
    }
    let micros = Timestamp::of_http_date(wish)?.micros().saturating_sub(now.micros());
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
}

/// An error with all its causes and without the address, which may hold a secret query.
pub(super) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut shown = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(shown, ": {cause}");
        source = cause.source();
    }
    shown
}

#[cfg(test)]
mod tests;
