//! The address and method of one HTTP request, filled in from the delivery: path segments and query values only.

use std::fmt::Write as _;

use reqwest::Method;
use url::Url;

use super::{HttpRequestConfig, Inquiry, Outgoing, code};
use crate::base::Problem;

/// What may stand in braces.
const NAMES: [&str; 4] = ["business_key", "delivery_id", "message_id", "document_type"];

/// An address with places for values.
#[derive(Clone, Debug)]
struct Template {
    /// The address up to the path.
    origin: Url,
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(&'static str),
}

/// Where documents go, by their type.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// Document types with requests of their own: a name, or its beginning with `*`.
    special: Vec<(String, Target)>,
    usual: Target,
}

/// One kind of request.
#[derive(Clone, Debug)]
struct Target {
    method: Method,
    template: Template,
}

impl Targets {
    /// Reads the settings.
    ///
    /// # Errors
    /// `XD-T012`: an address, a placeholder or a method cannot be used.
    pub(super) fn new(url: &str, method: &str, requests: &[HttpRequestConfig]) -> Result<Self, Problem> {
        let usual = Target { method: self::method(method)?, template: Template::new(url)? };
        let mut special = Vec::new();
        for request in requests {
            let template = match request.path.as_str() {
                "" => usual.template.clone(),
                path if path.starts_with('/') => {
                    let origin = usual.template.origin.as_str().trim_end_matches('/');
                    Template::new(&format!("{origin}{path}"))?
                }
                path => {
                    let text = format!("the path `{path}` of `{}` does not begin with `/`", request.document_type);
                    return Err(unusable(text));
                }
            };
            let method = if request.method.is_empty() { usual.method.clone() } else { self::method(&request.method)? };
            special.push((request.document_type.clone(), Target { method, template }));
        }
        Ok(Self { special, usual })
    }

    /// The address that every request begins with.
    pub(super) fn origin(&self) -> &Url {
        &self.usual.template.origin
    }

    /// The usual address for people, without its query.
    pub(super) fn shown(&self) -> String {
        let text = &self.usual.template.text;
        text.split('?').next().unwrap_or(text).to_owned()
    }

    /// Method and address of one delivery.
    ///
    /// # Errors
    /// A value that the address needs is missing, or would change the address's shape.
    pub(super) fn of(&self, outgoing: &Outgoing) -> Result<(Method, Url), String> {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => outgoing.document_type.starts_with(start),
            None => outgoing.document_type == pattern,
        };
        let found = self.special.iter().find(|(pattern, _)| fits(pattern)).map(|(_, target)| target);
        let target = found.unwrap_or(&self.usual);
        Ok((target.method.clone(), target.template.fill(outgoing)?))
    }
}

impl Targets {
    /// Method and address of a question, relative to the usual address up to its first placeholder.
    ///
    /// # Errors
    /// The method or the address cannot be used, or the address is at another host.
    pub(super) fn of_inquiry(&self, inquiry: &Inquiry) -> Result<(Method, Url), String> {
        let unusable = |what: &str| format!("the question's {what} cannot be used");
        let method = Method::from_bytes(inquiry.method.as_bytes()).map_err(|_| unusable("method"))?;
        let text = self.usual.template.text.split('{').next().unwrap_or_default();
        let base = Url::parse(text).map_err(|_| unusable("address"))?;
        let url = match &inquiry.url {
            Some(reference) => base.join(reference).map_err(|_| unusable("address"))?,
            None => base,
        };
        if url.origin() != self.origin().origin() {
            return Err("the question's address is at another host".to_owned());
        }
        Ok((method, url))
    }
}

fn method(text: &str) -> Result<Method, Problem> {
    match text {
        "POST" | "PUT" | "PATCH" | "DELETE" => Method::from_bytes(text.as_bytes()),
        _ => {
            return Err(
                unusable(format!("`{text}` is no method that sends documents")).hint("use POST, PUT, PATCH or DELETE")
            );
        }
    }
    .map_err(|error| unusable(error.to_string()))
}

fn unusable(text: String) -> Problem {
    Problem::new(code::BAD_SETTINGS, text)
}

impl Template {
    fn new(text: &str) -> Result<Self, Problem> {
        let authority = text.find("://").map_or(0, |at| at + 3);
        let path = text[authority..].find(['/', '?', '#']).map_or(text.len(), |at| authority + at);
        if text[..path].contains(['{', '}']) {
            let problem = unusable("the address has a `{…}` before its path".to_owned());
            return Err(problem.hint("values may fill path segments and query values, never the host"));
        }
        let whole = Url::parse(text).map_err(|error| unusable(format!("the address cannot be read: {error}")))?;
        if !matches!(whole.scheme(), "http" | "https") {
            return Err(unusable(format!("the address has scheme `{}`; use http or https", whole.scheme())));
        }
        if !whole.username().is_empty() || whole.password().is_some() {
            return Err(unusable("the address contains a user or password".to_owned()).hint("set them as basic auth"));
        }
        if whole.fragment().is_some() {
            return Err(unusable("the address has a `#…`, which is never sent".to_owned()));
        }
        let mut origin = whole;
        origin.set_path("/");
        origin.set_query(None);
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            parts.push(Part::Text(rest[..start].to_owned()));
            let (name, after) = rest[start + 1..].split_once('}').unwrap_or_default();
            let Some(known) = NAMES.iter().find(|known| **known == name) else {
                let names = NAMES.map(|name| format!("{{{name}}}")).join(", ");
                return Err(unusable(format!("the address has `{{{name}}}`")).hint(format!("use {names}")));
            };
            parts.push(Part::Value(known));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { origin, text: text.to_owned(), parts })
    }

    fn fill(&self, outgoing: &Outgoing) -> Result<Url, String> {
        let mut filled = String::with_capacity(self.text.len() + 64);
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value(name) => {
                    let value = match *name {
                        "business_key" => outgoing.business_key.as_deref().unwrap_or_default(),
                        "delivery_id" => &outgoing.delivery_id,
                        "message_id" => &outgoing.message_id,
                        _ => &outgoing.document_type,
                    };
                    if value.is_empty() {
                        return Err(format!("the address needs `{{{name}}}`, which this delivery does not have"));
                    }
                    filled.push_str(&encoded(value));
                }
            }
        }
        let path = filled.split('?').next().unwrap_or(&filled);
        if self.parts.len() > 1 && path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("a value would climb out of the address's path".to_owned());
        }
        let url = Url::parse(&filled).map_err(|error| format!("the address cannot be filled in: {error}"))?;
        let same =
            (url.scheme(), url.host(), url.port()) == (self.origin.scheme(), self.origin.host(), self.origin.port());
        if same && url.username().is_empty() {
            Ok(url)
        } else {
            Err("a value would change the address's host".to_owned())
        }
    }
}

/// A path segment or query value, percent-encoded (RFC 3986 §2.1): only unreserved characters stay.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Targets;
    use crate::transport::{HttpRequestConfig, Outgoing};

    fn outgoing(key: &str) -> Outgoing {
        Outgoing {
            delivery_id: "dlv_1".to_owned(),
            message_id: "msg_1".to_owned(),
            attempt: 1,
            bytes: Bytes::new(),
            content_type: String::new(),
            business_key: (!key.is_empty()).then(|| key.to_owned()),
            traceparent: None,
            document_type: "ubl/Order@2.1".to_owned(),
        }
    }

    #[test]
    fn values_fill_segments_and_queries_and_never_change_the_address() {
        let targets = Targets::new(
            "https://erp.example:8443/orders/{business_key}/x?id={delivery_id}&t={document_type}",
            "PUT",
            &[],
        )
        .expect("good settings");
        for (key, expected) in [
            ("SO-1", Some("https://erp.example:8443/orders/SO-1/x?id=dlv_1&t=ubl%2FOrder%402.1")),
            ("a/../b", Some("https://erp.example:8443/orders/a%2F..%2Fb/x?id=dlv_1&t=ubl%2FOrder%402.1")),
            (
                "@evil.example/",
                Some("https://erp.example:8443/orders/%40evil.example%2F/x?id=dlv_1&t=ubl%2FOrder%402.1"),
            ),
            ("{delivery_id}", Some("https://erp.example:8443/orders/%7Bdelivery_id%7D/x?id=dlv_1&t=ubl%2FOrder%402.1")),
            ("订单?#", Some("https://erp.example:8443/orders/%E8%AE%A2%E5%8D%95%3F%23/x?id=dlv_1&t=ubl%2FOrder%402.1")),
            ("..", None),
            (".", None),
            ("", None),
        ] {
            let found = targets.of(&outgoing(key)).ok().map(|(_, url)| url.to_string());
            assert_eq!(found.as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn a_document_type_can_have_a_method_and_a_path_of_its_own() {
        let request = |document_type: &str, method: &str, path: &str| HttpRequestConfig {
            document_type: document_type.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
        };
        let found = |requests: &[HttpRequestConfig]| {
            let targets = Targets::new("http://erp.example/in", "POST", requests).expect("good settings");
            let (method, url) = targets.of(&outgoing("SO-1")).expect("an address");
            format!("{method} {url}")
        };
        assert_eq!(found(&[]), "POST http://erp.example/in");
        assert_eq!(found(&[request("ubl/Order@2.1", "PUT", "/o/{business_key}")]), "PUT http://erp.example/o/SO-1");
        assert_eq!(found(&[request("ubl/*", "", "/ubl")]), "POST http://erp.example/ubl");
        assert_eq!(
            found(&[request("ubl/Invoice*", "PUT", ""), request("ubl/O*", "PATCH", "")]),
            "PATCH http://erp.example/in"
        );
        assert!(Targets::new("http://a/", "POST", &[request("x", "", "relative")]).is_err());
    }

    #[test]
    fn addresses_that_values_could_turn_elsewhere_are_refused_at_load() {
        for url in [
            "http://{business_key}.example/",
            "http://a:{business_key}/",
            "{business_key}://a/",
            "http://{business_key}@a/",
            "http://a/{secret}",
            "http://a/{business_key",
            "http://a/#x",
            "http://u:p@a/",
            "ftp://a/",
            "",
        ] {
            assert!(Targets::new(url, "POST", &[]).is_err(), "{url}");
        }
        assert!(Targets::new("http://a/", "GET", &[]).is_err());
    }
}
