//! Functions on URIs (F&O 3.1 §6; resolution after RFC 3986 §5.2).

use std::fmt::Write as _;

use super::{Call, Function, Yields::Other, string};
use crate::xpath::{Failure, Item, Value};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "encode-for-uri",
        arity: (1, 1),
        signature: "encode-for-uri($text as xs:string?) as xs:string",
        doc: "The text as a part of a URI: everything but letters, digits and `-_.~` of ASCII is escaped.",
        examples: &[("encode-for-uri('a b/é')", "a%20b%2F%C3%A9")],
        yields: Other,
        call: |call| escaped(call, |byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)),
    },
    Function {
        name: "iri-to-uri",
        arity: (1, 1),
        signature: "iri-to-uri($iri as xs:string?) as xs:string",
        doc: "The IRI as a URI: characters that may not stand in a URI are escaped.",
        examples: &[("iri-to-uri('http://example.com/é?a=b')", "http://example.com/%C3%A9?a=b")],
        yields: Other,
        call: |call| escaped(call, |byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte)),
    },
    Function {
        name: "escape-html-uri",
        arity: (1, 1),
        signature: "escape-html-uri($uri as xs:string?) as xs:string",
        doc: "The URI as HTML user agents escape it: everything outside printable ASCII.",
        examples: &[("escape-html-uri('http://example.com/a b é')", "http://example.com/a b %C3%A9")],
        yields: Other,
        call: |call| escaped(call, |byte| byte.is_ascii_graphic() || byte == b' '),
    },
    Function {
        name: "resolve-uri",
        arity: (1, 2),
        signature: "resolve-uri($relative as xs:string?, $base as xs:string) as xs:anyURI?",
        doc: "The URI that a relative reference means against a base; an absolute one stays as it is.",
        examples: &[("string(resolve-uri('../c?x', 'http://example.com/a/b/d'))", "http://example.com/a/c?x")],
        yields: Other,
        call: resolve_uri,
    },
    Function {
        name: "static-base-uri",
        arity: (0, 0),
        signature: "static-base-uri() as xs:anyURI?",
        doc: "Nothing: formulas have no base URI.",
        examples: &[("count(static-base-uri())", "0")],
        yields: Other,
        call: |_| Ok(Value::Empty),
    },
];

fn escaped(call: &Call<'_>, kept: fn(u8) -> bool) -> Result<Value, Failure> {
    let text = call.string(0)?;
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(c).ok().filter(|byte| byte.is_ascii() && kept(*byte)) {
            Some(_) => made.push(c),
            None => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
                let _ = write!(made, "%{byte:02X}");
            }),
        }
    }
    string(made)
}

/// A URI reference in its five parts (RFC 3986 appendix B).
struct Reference<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// `None` when a character may not stand in an IRI or an escape is broken.
    fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let wrong = |(at, c): (usize, char)| match c {
            '%' => !bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            c => c.is_ascii_control() || " <>\"{}|\\^`".contains(c),
        };
        if text.char_indices().any(wrong) {
            return None;
        }
        let (rest, fragment) = match text.split_once('#') {
            Some((_, fragment)) if fragment.contains('#') => return None,
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (text, None),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let first = rest.split('/').next().unwrap_or_default();
        let (scheme, rest) = match first.split_once(':') {
            Some((scheme, _)) if is_scheme(scheme) => (Some(scheme), &rest[scheme.len() + 1..]),
            // a colon in the first segment is a scheme, or nothing
            Some(_) => return None,
            None => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Some(Self { scheme, authority, path, query, fragment })
    }

    fn written(&self, path: &str) -> String {
        let mut text = String::new();
        if let Some(scheme) = self.scheme {
            let _ = write!(text, "{scheme}:");
        }
        if let Some(authority) = self.authority {
            let _ = write!(text, "//{authority}");
        }
        text.push_str(path);
        if let Some(query) = self.query {
            let _ = write!(text, "?{query}");
        }
        if let Some(fragment) = self.fragment {
            let _ = write!(text, "#{fragment}");
        }
        text
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn resolve_uri(call: &Call<'_>) -> Result<Value, Failure> {
    let Some(relative) = call.optional_string(0)? else { return Ok(Value::Empty) };
    let invalid = |text: &str| Failure::error("FORG0002", format!("`{text}` is no URI reference"));
    let reference = Reference::parse(&relative).ok_or_else(|| invalid(&relative))?;
    let uri = |text: &str| Ok(Item::Uri(text.into()).into());
    if reference.scheme.is_some() {
        return uri(&relative);
    }
    if !call.has(1) {
        return Err(Failure::error("FONS0005", "formulas have no base URI; give one as second argument"));
    }
    let base_text = call.string(1)?;
    let base = Reference::parse(&base_text).filter(|base| base.scheme.is_some() && base.fragment.is_none());
    let base =
        base.ok_or_else(|| Failure::error("FORG0002", format!("`{base_text}` is no absolute URI to resolve against")))?;
    uri(&resolved(&reference, &base))
}

/// The URI a reference means against an absolute one.
pub(super) fn resolve(reference: &str, base: &str) -> Option<String> {
    let (reference, base) = (Reference::parse(reference)?, Reference::parse(base)?);
    match (reference.scheme, base.scheme) {
        (Some(_), _) => Some(reference.written(reference.path)),
        (None, Some(_)) => Some(resolved(&reference, &base)),
        (None, None) => None,
    }
}

/// RFC 3986 §5.2.2.
fn resolved(reference: &Reference<'_>, base: &Reference<'_>) -> String {
    let whole = |authority, path: &str, query| {
        Reference { scheme: base.scheme, authority, path: "", query, fragment: reference.fragment }.written(path)
    };
    if reference.authority.is_some() {
        return whole(reference.authority, &without_dots(reference.path), reference.query);
    }
    if reference.path.is_empty() {
        return whole(base.authority, base.path, reference.query.or(base.query));
    }
    if reference.path.starts_with('/') {
        return whole(base.authority, &without_dots(reference.path), reference.query);
    }
    let merged = match base.path.rfind('/') {
        _ if base.path.is_empty() && base.authority.is_some() => format!("/{}", reference.path),
        Some(slash) => format!("{}{}", &base.path[..=slash], reference.path),
        None => reference.path.to_owned(),
    };
    whole(base.authority, &without_dots(&merged), reference.query)
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                // the empty segment before the first slash stays
                if segment == ".." && (kept.len() > 1 || kept.first().is_some_and(|first| !first.is_empty())) {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::{Reference, resolved};

    #[test]
    fn references_resolve_as_the_standard_shows() {
        // RFC 3986 §5.4
        let base = Reference::parse("http://a/b/c/d;p?q").expect("a base");
        for (relative, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g/../h", "http://a/b/c/h"),
        ] {
            let reference = Reference::parse(relative).expect(relative);
            assert_eq!(resolved(&reference, &base), expected, "{relative}");
        }
    }
}
