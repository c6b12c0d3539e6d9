//! HTTP errors as RFC 9457 problem documents, titled in the caller's language.

use std::time::Duration;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::base::{Language, Problem};

/// One refusal on its way to an HTTP caller.
#[derive(Clone, Debug)]
pub struct HttpProblem {
    /// The status.
    pub status: u16,
    /// What is wrong.
    pub problem: Problem,
    /// The language of the title.
    pub language: Language,
    /// The request's path.
    pub instance: String,
    /// The trace the request belongs to.
    pub trace_id: Option<String>,
    /// When sending again may help.
    pub retry_after: Option<Duration>,
    /// The id of a message that is in the way.
    pub existing: Option<String>,
}

impl HttpProblem {
    /// The answer to a request with these headers and this path.
    #[must_use]
    pub fn new(status: u16, problem: Problem, headers: &HeaderMap, path: &str) -> Self {
        Self {
            status,
            problem,
            language: language_of(headers),
            instance: path.to_owned(),
            trace_id: traceparent(headers).map(|parent| parent[3..35].to_owned()),
            retry_after: None,
            existing: None,
        }
    }

    /// The problem document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let problem = &self.problem;
        let detail = match &problem.hint {
            Some(hint) => format!("{} ({hint})", problem.text),
            None => problem.text.clone(),
        };
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("type", json!(format!("urn:crossdock:error:{}", problem.code.id)));
        put("title", json!(problem.code.title_in(self.language)));
        put("status", json!(self.status));
        put("detail", json!(detail));
        put("instance", json!(self.instance));
        put("code", json!(problem.code.id));
        put("retryable", json!(matches!(self.status, 408 | 425 | 429 | 500..=599)));
        if let Some(trace_id) = &self.trace_id {
            put("trace_id", json!(trace_id));
        }
        if let Some(existing) = &self.existing {
            put("message_id", json!(existing));
        }
        let place = &problem.place;
        if place.line > 0 || place.path.is_some() {
            let mut error = Map::new();
            if let Some(path) = &place.path {
                error.insert("pointer".to_owned(), json!(path));
            }
            if place.line > 0 {
                error.insert("line".to_owned(), json!(place.line));
                error.insert("column".to_owned(), json!(place.column));
            }
            error.insert("code".to_owned(), json!(problem.code.id));
            error.insert("detail".to_owned(), json!(problem.text));
            put("errors", json!([error]));
        }
        Value::Object(body)
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(
            header::CONTENT_LANGUAGE,
            HeaderValue::from_static(match self.language {
                Language::English => "en",
                Language::Chinese => "zh-CN",
            }),
        );
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_up(wait)));
        }
        response
    }
}

/// Whole seconds, rounded up: coming back earlier than asked never helps.
fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The language a caller prefers: Chinese when `Accept-Language` (RFC 9110 §12.5.4) ranks it above English.
#[must_use]
pub fn language_of(headers: &HeaderMap) -> Language {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let weight = |prefix: &str| {
        wanted
            .split(',')
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
                let named = tag == prefix || tag.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-'));
                let weight =
                    parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
                named.then_some(weight)
            })
            .fold(0.0_f32, f32::max)
    };
    let (chinese, english) = (weight("zh"), weight("en"));
    let first = |prefix: &str| wanted.to_ascii_lowercase().find(prefix);
    if chinese > english || (chinese > 0.0 && chinese == english && first("zh") < first("en")) {
        Language::Chinese
    } else {
        Language::English
    }
}

/// A well-formed W3C `traceparent` of version 00 with a non-zero trace id.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    is_traceparent(text).then_some(text)
}

/// Whether a text is a W3C `traceparent` of version 00.
pub(super) fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2])
        && parts.iter().all(|part| hex(part))
        && parts[0] == "00"
        && parts[1].bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{is_traceparent, language_of};
    use crate::base::Language;

    #[test]
    fn titles_follow_accept_language() {
        for (wanted, language) in [
            ("", Language::English),
            ("zh", Language::Chinese),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB,en;q=0.9,zh;q=0.8", Language::English),
            ("en,zh", Language::English),
            ("fr, zh-Hant;q=0.1", Language::Chinese),
            ("zh;q=0", Language::English),
            ("zhx", Language::English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("accept-language", wanted.parse().expect("a header value"));
            assert_eq!(language_of(&headers), language, "{wanted}");
        }
    }

    #[test]
    fn only_well_formed_trace_parents_are_taken() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for bad in ["", "00", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-\u{e9}-1-01"] {
            assert!(!is_traceparent(bad), "{bad}");
        }
        assert!(!is_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
    }
}
