//! Signatures of HTTP requests with a shared secret: made for what goes out, checked on what comes in.
//!
//! Two forms: Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`), and one header of HMAC over a
//! text that the settings compose, as older interfaces want it.

use std::{fmt::Write as _, time::Duration};

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

use super::code;
use crate::base::{Problem, Secret, Timestamp};

/// The prefix of secrets of Standard Webhooks; what follows is base64.
const WHSEC: &str = "whsec_";

/// How far a signed moment may be from now, unless the settings say otherwise.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Which hash an HMAC (RFC 2104) is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HmacHash {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-1: sound as an HMAC, for partners that know nothing else.
    Sha1,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SignatureText {
    /// Lower-case hexadecimal; read in either case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MomentText {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

/// One header of HMAC.
#[derive(Clone, Debug)]
pub struct HmacHeader {
    /// The header with the signature.
    pub header: String,
    /// What stands before the signature in it, as in `sha256=…`.
    pub prefix: String,
    /// The hash.
    pub hash: HmacHash,
    /// How the signature is written.
    pub text: SignatureText,
    /// What is signed: plain text with `{body}`, `{timestamp}`, `{id}`, `{method}` and `{path}` filled in; `{path}`
    /// includes the query, and `{id}` is the header `webhook-id`.
    pub over: String,
    /// The header with the moment of signing; empty for none.
    pub timestamp_header: String,
    /// How that moment is written.
    pub moment: MomentText,
}

/// Which form signatures have.
#[derive(Clone, Debug)]
pub enum SignatureForm {
    /// Standard Webhooks 1.0, symmetric (`v1`).
    StandardWebhooks,
    /// One header of HMAC.
    Header(HmacHeader),
}

/// How requests are signed.
#[derive(Clone, Debug)]
pub struct SignatureConfig {
    /// The form.
    pub form: SignatureForm,
    /// The secrets: what goes out is signed with the first (Standard Webhooks: with each), what comes in may be signed
    /// with any, so that one can be replaced without a gap.
    pub secrets: Vec<Secret>,
    /// How far the moment of signing may be from now in what comes in.
    pub tolerance: Duration,
}

/// A request as it is signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// The checked settings, with their keys made.
pub struct Signature {
    form: SignatureForm,
    keys: Vec<hmac::Key>,
    over: Vec<Part>,
    tolerance: Duration,
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Body,
    Timestamp,
    Id,
    Method,
    Path,
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signature").field("form", &self.form).finish_non_exhaustive()
    }
}

impl Signature {
    /// Reads the settings.
    ///
    /// # Errors
    /// `XD-T012`: no secret, a secret of a form its use forbids, a header's name or the text to sign cannot be used.
    pub fn new(config: &SignatureConfig) -> Result<Self, Problem> {
        let (hash, over) = match &config.form {
            SignatureForm::StandardWebhooks => {
                (hmac::HMAC_SHA256, vec![Part::Id, dot(), Part::Timestamp, dot(), Part::Body])
            }
            SignatureForm::Header(header) => {
                let stamp = (!header.timestamp_header.is_empty()).then_some(&header.timestamp_header);
                for name in [&header.header].into_iter().chain(stamp) {
                    if name.parse::<axum::http::HeaderName>().is_err() {
                        return Err(unusable(format!("`{name}` is no name of an HTTP header")));
                    }
                }
                let over = parts(&header.over)?;
                if !over.contains(&Part::Body) {
                    return Err(unusable(format!(
                        "`over: {}` leaves the body unsigned; it needs `{{body}}`",
                        header.over
                    )));
                }
                if over.contains(&Part::Timestamp) && header.timestamp_header.is_empty() {
                    let text = "`over` has `{timestamp}` but no header carries it".to_owned();
                    return Err(unusable(text).hint("set `timestamp-header`"));
                }
                let hash = match header.hash {
                    HmacHash::Sha256 => hmac::HMAC_SHA256,
                    HmacHash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                };
                (hash, over)
            }
        };
        let mut keys = Vec::new();
        for secret in &config.secrets {
            let key = match (&config.form, secret.expose().strip_prefix(WHSEC)) {
                (SignatureForm::StandardWebhooks, Some(encoded)) => STANDARD
                    .decode(encoded)
                    .map_err(|_| unusable("the secret after `whsec_` is not base64".to_owned()))?,
                _ => secret.expose().as_bytes().to_vec(),
            };
            if key.len() < 16 {
                let text = "a secret for signatures has at least 16 bytes".to_owned();
                return Err(unusable(text).hint("make one with `openssl rand -base64 32`"));
            }
            keys.push(hmac::Key::new(hash, &key));
        }
        if keys.is_empty() {
            return Err(unusable("signatures need a secret".to_owned()));
        }
        Ok(Self { form: config.form.clone(), keys, over, tolerance: config.tolerance })
    }

    /// The headers that sign a request at a moment.
    #[must_use]
    pub fn sign(&self, request: &SignedRequest<'_>, now: Timestamp) -> Vec<(String, String)> {
        match &self.form {
            SignatureForm::StandardWebhooks => {
                let moment = written(now, MomentText::Seconds);
                let signed =
                    self.keys.iter().map(|key| format!("v1,{}", STANDARD.encode(self.tag(key, request, &moment))));
                let signed = signed.collect::<Vec<_>>().join(" ");
                vec![("webhook-timestamp".to_owned(), moment), ("webhook-signature".to_owned(), signed)]
            }
            SignatureForm::Header(header) => {
                let moment = written(now, header.moment);
                let mut signature = header.prefix.clone();
                if let Some(key) = self.keys.first() {
                    let tag = self.tag(key, request, &moment);
                    match header.text {
                        SignatureText::Base64 => signature.push_str(&STANDARD.encode(tag)),
                        SignatureText::Hex => tag.as_ref().iter().for_each(|byte| {
                            let _ = write!(signature, "{byte:02x}");
                        }),
                    }
                }
                let mut headers = vec![(header.header.clone(), signature)];
                if !header.timestamp_header.is_empty() {
                    headers.push((header.timestamp_header.clone(), moment));
                }
                headers
            }
        }
    }

    /// Whether a request that came in carries every header of a signature; look before its body is read.
    #[must_use]
    pub fn is_there(&self, headers: &HeaderMap) -> bool {
        let names: Vec<&str> = match &self.form {
            SignatureForm::StandardWebhooks => vec!["webhook-id", "webhook-timestamp", "webhook-signature"],
            SignatureForm::Header(header) if header.timestamp_header.is_empty() => vec![&header.header],
            SignatureForm::Header(header) => vec![&header.header, &header.timestamp_header],
        };
        names.iter().all(|name| one(headers, name).is_some())
    }

    /// Checks the signature of a request that came in; compares in constant time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, headers: &HeaderMap, request: &SignedRequest<'_>, now: Timestamp) -> Result<(), String> {
        let (header, stamp, moment) = match &self.form {
            SignatureForm::StandardWebhooks => ("webhook-signature", "webhook-timestamp", MomentText::Seconds),
            SignatureForm::Header(header) => (&*header.header, &*header.timestamp_header, header.moment),
        };
        let signature = one(headers, header).ok_or_else(|| format!("the header `{header}` is missing"))?;
        let mut signed_at = "";
        if !stamp.is_empty() {
            signed_at = one(headers, stamp).ok_or_else(|| format!("the header `{stamp}` is missing"))?;
            let micros = read(signed_at, moment).ok_or_else(|| format!("the header `{stamp}` is no moment"))?;
            if u128::from(now.micros().abs_diff(micros)) > self.tolerance.as_micros() {
                let limit = self.tolerance.as_secs();
                return Err(format!(
                    "it was signed more than {limit} s from now; send it again, and compare the clocks"
                ));
            }
        }
        let given: Vec<Vec<u8>> = match &self.form {
            SignatureForm::StandardWebhooks => {
                let versions = signature.split(' ').filter_map(|one| one.strip_prefix("v1,"));
                versions.filter_map(|text| STANDARD.decode(text).ok()).collect()
            }
            SignatureForm::Header(header) => {
                let text = signature.strip_prefix(&header.prefix).unwrap_or_default();
                let bytes = match header.text {
                    SignatureText::Base64 => STANDARD.decode(text).ok(),
                    SignatureText::Hex => hexadecimal(text),
                };
                bytes.into_iter().collect()
            }
        };
        let matches = |key: &hmac::Key| {
            let bytes = self.signed(request, signed_at);
            given.iter().any(|tag| hmac::verify(key, &bytes, tag).is_ok())
        };
        if self.keys.iter().any(matches) {
            Ok(())
        } else {
            Err(format!("the header `{header}` does not fit the request"))
        }
    }

    fn tag(&self, key: &hmac::Key, request: &SignedRequest<'_>, moment: &str) -> hmac::Tag {
        hmac::sign(key, &self.signed(request, moment))
    }

    fn signed(&self, request: &SignedRequest<'_>, moment: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(request.body.len() + 128);
        for part in &self.over {
            bytes.extend_from_slice(match part {
                Part::Text(text) => text.as_bytes(),
                Part::Body => request.body,
                Part::Timestamp => moment.as_bytes(),
                Part::Id => request.id.as_bytes(),
                Part::Method => request.method.as_bytes(),
                Part::Path => request.path.as_bytes(),
            });
        }
        bytes
    }
}

fn unusable(text: String) -> Problem {
    Problem::new(code::BAD_SETTINGS, text)
}

fn dot() -> Part {
    Part::Text(".".to_owned())
}

fn parts(over: &str) -> Result<Vec<Part>, Problem> {
    let mut parts = Vec::new();
    let mut rest = over;
    while let Some(start) = rest.find('{') {
        if start > 0 {
            parts.push(Part::Text(rest[..start].to_owned()));
        }
        let (name, after) = rest[start + 1..].split_once('}').unwrap_or_default();
        parts.push(match name {
            "body" => Part::Body,
            "timestamp" => Part::Timestamp,
            "id" => Part::Id,
            "method" => Part::Method,
            "path" => Part::Path,
            _ => {
                let text = format!("`over: {over}` has `{{{name}}}`");
                return Err(unusable(text).hint("use {body}, {timestamp}, {id}, {method} and {path}"));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn written(moment: Timestamp, text: MomentText) -> String {
    match text {
        MomentText::Seconds => (moment.micros() / 1_000_000).to_string(),
        MomentText::Millis => (moment.micros() / 1_000).to_string(),
    }
}

/// A written moment in microseconds since 1970.
fn read(moment: &str, text: MomentText) -> Option<i64> {
    let unit = match text {
        MomentText::Seconds => 1_000_000,
        MomentText::Millis => 1_000,
    };
    moment.parse::<i64>().ok()?.checked_mul(unit)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{HeaderMap, HeaderName};

    use super::{
        HmacHash, HmacHeader, MomentText, Signature, SignatureConfig, SignatureForm, SignatureText, SignedRequest,
        TOLERANCE,
    };
    use crate::base::{Secret, Timestamp};

    const REQUEST: SignedRequest<'static> = SignedRequest {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        method: "POST",
        path: "/in/crm?a=1",
        body: br#"{"test": 2432232314}"#,
    };

    fn standard(secrets: &[&str]) -> Signature {
        let secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        let config = SignatureConfig { form: SignatureForm::StandardWebhooks, secrets, tolerance: TOLERANCE };
        Signature::new(&config).expect("good settings")
    }

    fn header(change: impl FnOnce(&mut HmacHeader)) -> Result<Signature, crate::base::Problem> {
        let mut header = HmacHeader {
            header: "X-Hub-Signature-256".to_owned(),
            prefix: "sha256=".to_owned(),
            hash: HmacHash::Sha256,
            text: SignatureText::Hex,
            over: "{body}".to_owned(),
            timestamp_header: String::new(),
            moment: MomentText::Seconds,
        };
        change(&mut header);
        let secrets = vec![Secret::new("It's a Secret to Everybody")];
        Signature::new(&SignatureConfig { form: SignatureForm::Header(header), secrets, tolerance: TOLERANCE })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn headers(signed: Vec<(String, String)>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in signed {
            headers.insert(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        headers.insert("webhook-id", REQUEST.id.parse().expect("a value"));
        headers
    }

    #[test]
    fn the_published_example_of_standard_webhooks_is_met() {
        let signature = standard(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        let signed = signature.sign(&REQUEST, at(1_614_265_330));
        assert_eq!(signed[0], ("webhook-timestamp".to_owned(), "1614265330".to_owned()));
        assert_eq!(signed[1].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_published_example_of_a_hub_signature_is_met() {
        let signature = header(|_| ()).expect("good settings");
        let request = SignedRequest { body: b"Hello, World!", ..REQUEST };
        let signed = signature.sign(&request, at(0));
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(signed, [("X-Hub-Signature-256".to_owned(), expected.to_owned())]);
    }

    #[test]
    fn what_was_signed_is_known_again_until_anything_changes() {
        let forms = [
            standard(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
            header(|_| ()).expect("good settings"),
            header(|header| {
                header.over = "{method}\n{path}\n{timestamp}.{id}.{body}".to_owned();
                header.timestamp_header = "x-time".to_owned();
                header.moment = MomentText::Millis;
                header.text = SignatureText::Base64;
                header.hash = HmacHash::Sha1;
            })
            .expect("good settings"),
        ];
        for (place, form) in forms.iter().enumerate() {
            let now = at(1_700_000_000);
            let good = headers(form.sign(&REQUEST, now));
            assert!(form.is_there(&good));
            assert_eq!(form.verify(&good, &REQUEST, now), Ok(()), "{place}");
            let body = SignedRequest { body: b"{}", ..REQUEST };
            assert!(form.verify(&good, &body, now).is_err(), "{place}: another body");
            assert!(form.verify(&HeaderMap::new(), &REQUEST, now).is_err(), "{place}: no headers");
            if place != 1 {
                let id = SignedRequest { id: "msg_other", ..REQUEST };
                assert!(form.verify(&good, &id, now).is_err(), "{place}: another id");
                for (seconds, fresh) in [(299, true), (301, false), (-299, true), (-301, false)] {
                    assert_eq!(
                        form.verify(&good, &REQUEST, at(1_700_000_000 + seconds)).is_ok(),
                        fresh,
                        "{place} {seconds}"
                    );
                }
            }
        }
    }

    #[test]
    fn two_secrets_are_good_while_one_is_replaced() {
        let (old, new) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let (both, only_old, only_new) = (standard(&[new, old]), standard(&[old]), standard(&[new]));
        let now = at(1_700_000_000);
        let signed = headers(both.sign(&REQUEST, now));
        assert!(only_old.verify(&signed, &REQUEST, now).is_ok() && only_new.verify(&signed, &REQUEST, now).is_ok());
        assert!(both.verify(&headers(only_old.sign(&REQUEST, now)), &REQUEST, now).is_ok());
        assert!(only_new.verify(&headers(only_old.sign(&REQUEST, now)), &REQUEST, now).is_err());
    }

    #[test]
    fn signatures_that_cannot_be_right_are_refused_and_never_panic() {
        let form = header(|_| ()).expect("good settings");
        for text in ["", "sha256=", "sha256=0", "sha256=zz", "sha1=00", "sha256=é"] {
            let mut headers = HeaderMap::new();
            let Ok(value) = axum::http::HeaderValue::from_bytes(text.as_bytes()) else { continue };
            headers.insert("x-hub-signature-256", value);
            assert!(form.verify(&headers, &REQUEST, at(0)).is_err(), "{text}");
        }
        let standard = standard(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        let mut far = headers(standard.sign(&REQUEST, at(0)));
        far.insert("webhook-timestamp", i64::MAX.to_string().parse().expect("a value"));
        assert!(standard.verify(&far, &REQUEST, at(0)).is_err());
        assert!(header(|header| header.over = "{timestamp}".to_owned()).is_err());
        assert!(header(|header| header.over = "{timestamp}{body}".to_owned()).is_err());
        assert!(header(|header| header.over = "{body}{secret}".to_owned()).is_err());
        assert!(header(|header| header.over = "{body}{id".to_owned()).is_err());
        assert!(header(|header| header.header = "a b".to_owned()).is_err());
        let short = SignatureConfig {
            form: SignatureForm::StandardWebhooks,
            secrets: vec![Secret::new("short")],
            tolerance: Duration::ZERO,
        };
        assert!(Signature::new(&short).is_err());
    }
}
