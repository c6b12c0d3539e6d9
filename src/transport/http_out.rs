//! Posts payloads to a partner over HTTP and says exactly how far they came.

use std::{
    error::Error as _,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};

use super::{Answer, HttpAuth, HttpOutConfig, Outgoing, Sink, code};
use crate::base::{Clock, Problem, Timestamp};

/// Headers set from the delivery, which the settings cannot replace.
const OURS: [&str; 5] = ["idempotency-key", "webhook-id", "crossdock-message-id", "traceparent", "content-type"];

/// A partner's HTTP address.
pub struct HttpSink {
    client: Client,
    url: Url,
    headers: HeaderMap,
    response_limit: usize,
    clock: Arc<dyn Clock>,
}

impl HttpSink {
    /// A sink for an address; connects only when sending.
    ///
    /// # Errors
    /// The address, a header or the trust store cannot be used.
    pub fn new(config: &HttpOutConfig, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let url = address(&config.url)?;
        let headers = headers(config)?;
        // someone else may have chosen the process's provider already; it is the same one
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(GuardedResolver))
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .timeout(Duration::from_millis(config.timeout_ms))
            .user_agent(concat!("crossdock/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unusable(format!("no HTTP client: {}", causes(error))))?;
        Ok(Self { client, url, headers, response_limit: config.response_limit, clock })
    }

    fn request(&self, outgoing: &Outgoing) -> Result<reqwest::RequestBuilder, Answer> {
        let mut headers = self.headers.clone();
        let mut put = |name: &'static str, text: &str| match HeaderValue::from_str(text) {
            Ok(value) => {
                headers.insert(HeaderName::from_static(name), value);
                Ok(())
            }
            Err(_) => Err(Answer::Refused { why: format!("`{name}` cannot be sent as an HTTP header") }),
        };
        put("idempotency-key", &outgoing.delivery_id)?;
        put("webhook-id", &outgoing.delivery_id)?;
        put("crossdock-message-id", &outgoing.message_id)?;
        put("content-type", &outgoing.content_type)?;
        if let Some(parent) = &outgoing.traceparent {
            put("traceparent", parent)?;
        }
        Ok(self.client.post(self.url.clone()).headers(headers).body(outgoing.bytes.clone()))
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

#[async_trait]
impl Sink for HttpSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        let request = match self.request(outgoing) {
            Ok(request) => request,
            Err(answer) => return answer,
        };
        match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) if error.is_builder() => Answer::Refused { why: causes(error) },
            Err(error) if error.is_connect() => Answer::NotSent { why: causes(error) },
            Err(error) => Answer::Unknown { why: causes(error) },
        }
    }

    fn describe(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.to_string()
    }
}

fn unusable(text: String) -> Problem {
    Problem::new(code::BAD_SETTINGS, text)
}

fn address(text: &str) -> Result<Url, Problem> {
    let url = Url::parse(text).map_err(|error| unusable(format!("the address cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable(format!("the address has scheme `{}`; use http or https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable("the address contains a user or password".to_owned()).hint("set them as basic auth"));
    }
    let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    if literal.is_some_and(is_forbidden) {
        return Err(unusable("the address is link-local, multicast, unspecified or a metadata service".to_owned()));
    }
    Ok(url)
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
    let credential = match &config.auth {
        None => return Ok(headers),
        Some(HttpAuth::Bearer(token)) => format!("Bearer {}", token.expose()),
        Some(HttpAuth::Basic { user, password }) => {
            format!("Basic {}", base64(format!("{user}:{}", password.expose()).as_bytes()))
        }
    };
    let mut value =
        HeaderValue::from_str(&credential).map_err(|_| unusable("the credential is not visible ASCII".to_owned()))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds or a date.
fn delay(wish: &str, now: Timestamp) -> Option<Duration> {
    let wish = wish.trim();
    if let Ok(seconds) = wish.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let micros = Timestamp::of_http_date(wish)?.micros().saturating_sub(now.micros());
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
}

/// An error with all its causes and without the address, which may hold a secret query.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut shown = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(shown, ": {cause}");
        source = cause.source();
    }
    shown
}

/// Resolves names, leaving out addresses no delivery may go to.
struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| !is_forbidden(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name leads to no address that deliveries may go to".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Link-local (cloud metadata among them), multicast and unspecified addresses, also in their IPv6 disguises.
fn is_forbidden(address: IpAddr) -> bool {
    let v4 = |address: Ipv4Addr| {
        address.is_link_local() || address.is_multicast() || address.is_broadcast() || address.octets()[0] == 0
    };
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => {
            let segments = address.segments();
            let embedded = match segments {
                [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
                [0x2002, high, low, ..] => Some((high, low)),
                _ => None,
            };
            address.is_multicast()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || embedded.is_some_and(|(high, low)| v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))))
        }
    }
}

#[cfg(test)]
mod tests;
