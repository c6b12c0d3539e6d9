//! OAuth 2.0 access tokens by client credentials (RFC 6749 §4.4), fetched once and shared by all sends.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, header};
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::{Egress, OAuth2Config, TlsOutConfig, code, http_out::causes, tls};
use crate::base::{Clock, Problem, Secret};

/// The largest answer of a token endpoint.
const MOST_BYTES: usize = 64 << 10;
/// How long a token is used whose life the server does not tell.
const UNTOLD_LIFE: Duration = Duration::from_secs(300);
/// The longest life that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The tokens of one destination.
pub(super) struct Tokens {
    client: Client,
    url: Url,
    config: OAuth2Config,
    clock: Arc<dyn Clock>,
    /// Held while a token is fetched, so that it is fetched once however many sends wait for it.
    current: Mutex<Option<Token>>,
}

/// A token and until when it is used: four fifths of its life.
#[derive(Clone)]
struct Token {
    text: Secret,
    until: Duration,
}

impl Tokens {
    /// Reads the settings.
    ///
    /// # Errors
    /// `XD-T012` or `XD-T015`: the token endpoint's address cannot be used.
    pub(super) fn new(
        config: &OAuth2Config,
        tls: &TlsOutConfig,
        egress: &Arc<Egress>,
        connect: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Problem> {
        let unusable = |text: String| Problem::new(code::BAD_SETTINGS, text);
        let url =
            Url::parse(&config.token_url).map_err(|error| unusable(format!("`token-url` cannot be read: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("`token-url` is http or https, without user or password".to_owned()));
        }
        if config.client_id.is_empty() || config.client_secret.expose().is_empty() {
            return Err(unusable("oauth2 needs `client-id` and `client-secret`".to_owned()));
        }
        egress.judge_url(&url)?;
        let client = tls::client(&url, tls, egress, connect, Duration::from_millis(config.timeout_ms))?;
        Ok(Self { client, url, config: config.clone(), clock, current: Mutex::new(None) })
    }

    /// The token to send with; fetched when there is none, or most of its life is over.
    ///
    /// # Errors
    /// Why there is none, without secrets.
    pub(super) async fn get(&self) -> Result<Secret, String> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| self.clock.monotonic() < token.until) {
            return Ok(token.text.clone());
        }
        let asked = self.clock.monotonic();
        let (text, life) = self.fetch().await.map_err(|why| format!("no access token: {why}"))?;
        *current = Some(Token { text: text.clone(), until: asked + life.mul_f32(0.8) });
        Ok(text)
    }

    /// Forgets a token that the partner did not take, unless another send has fetched a new one already.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.text.expose() == refused.expose()) {
            *current = None;
        }
    }

    fn request(&self) -> Result<reqwest::RequestBuilder, String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &self.config.scope), ("audience", &self.config.audience)] {
            if !value.is_empty() {
                form.append_pair(name, value);
            }
        }
        for (name, value) in &self.config.parameters {
            form.append_pair(name, value);
        }
        let (id, secret) = (&self.config.client_id, self.config.client_secret.expose());
        let mut request = self
            .client
            .post(self.url.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if self.config.in_body {
            form.append_pair("client_id", id).append_pair("client_secret", secret);
        } else {
            // RFC 6749 §2.3.1: both are form-encoded before they become basic credentials
            let escaped = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", escaped(id), escaped(secret));
            let mut value = header::HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
                .map_err(|_| "the client's credentials cannot be sent".to_owned())?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        Ok(request.body(form.finish()))
    }

    async fn fetch(&self) -> Result<(Secret, Duration), String> {
        let response = self.request()?.send().await;
        let mut response = response.map_err(|error| format!("the token endpoint did not answer: {}", causes(error)))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| format!("the token endpoint's answer was cut: {}", causes(error)))?
        {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(format!("the token endpoint's answer is larger than {MOST_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() {
            // RFC 6749 §5.2; the description may say more than a log should
            let known = answer["error"].as_str().filter(|error| {
                error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            });
            let error = known.map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(format!("the token endpoint answered {status}{error}"));
        }
        let token = answer["access_token"]
            .as_str()
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let Some(token) = token else {
            return Err("the token endpoint's answer has no `access_token` that can be sent".to_owned());
        };
        if !answer["token_type"].as_str().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err("the token endpoint's `token_type` is not `Bearer`".to_owned());
        }
        // some servers write the number as a text
        let told = &answer["expires_in"];
        let seconds = told.as_u64().or_else(|| told.as_str()?.parse().ok());
        Ok((Secret::new(token), seconds.map_or(UNTOLD_LIFE, Duration::from_secs).min(LONGEST_LIFE)))
    }
}
