//! The HTTP ways of a system: `in.http` and `out.http`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{code, system::Reader};
use crate::{
    base::{Problem, Secret, Sha256},
    content::{Fields, Yaml},
    transport::{
        HmacHash, HmacHeader, HttpAccess, HttpAuth, HttpOutConfig, HttpRequestConfig, MomentText, OAuth2Config,
        Signature, SignatureConfig, SignatureForm, SignatureText, TOLERANCE, TlsOutConfig,
    },
};

/// Short keys can be guessed.
const MIN_KEY_LENGTH: usize = 16;

impl Reader<'_> {
    pub(super) fn http_in(&self, http: &Fields<'_>, system: &str) -> HttpAccess {
        let mut access = HttpAccess::default();
        for value in http.list("key") {
            let secret = self.secret(value.text().unwrap_or_default(), value, http.file());
            if secret.expose().len() >= MIN_KEY_LENGTH {
                access.keys.push(Sha256::of(secret.expose().as_bytes()));
            } else {
                let text = format!("an API key has at least {MIN_KEY_LENGTH} characters");
                let hint = "make one with `openssl rand -base64 32`";
                http.report(Problem::new(code::SECRET, text).at(value.place(http.file())).hint(hint));
            }
        }
        for value in http.list("key-sha256") {
            match value.text().and_then(Sha256::from_hex) {
                Some(digest) => access.keys.push(digest),
                None => http.report(
                    Problem::new(code::SECRET, "`key-sha256` is 64 hexadecimal digits")
                        .at(value.place(http.file()))
                        .hint("printf %s KEY | sha256sum"),
                ),
            }
        }
        let names = http.list("certificate");
        access.certificates = names.into_iter().filter_map(|name| name.text().map(ToOwned::to_owned)).collect();
        let signature = http.block("signature");
        let is_signed = signature.is_some();
        access.signature = signature.and_then(|block| {
            let place = block.node().place(block.file());
            let checked = Signature::new(&self.signature(block)?);
            checked.map_err(|problem| http.report(problem.at(place))).ok().map(Arc::new)
        });
        if access.keys.is_empty() && access.certificates.is_empty() && !is_signed {
            let hint =
                "add `key: ${env:NAME}`, `key: ${file:/path}`, `key-sha256: …`, a `signature` or a `certificate`";
            let text = format!("system `{system}` takes messages over HTTP but nothing says who may send them");
            http.report(Problem::new(code::SECRET, text).at(http.node().place(http.file())).hint(hint));
        }
        access
    }

    pub(super) fn http_out(&self, http: &Fields<'_>) -> HttpOutConfig {
        let standard = HttpOutConfig::default();
        let headers = http.entries("headers").iter().map(|(name, value)| {
            let text = self.secret(value.text().unwrap_or_default(), value, http.file());
            (name.text.clone(), text.expose().to_owned())
        });
        let requests = http.list("requests").into_iter().map(|value| {
            let request = Fields::new(value, http.file(), http.problems());
            let text = |key| request.text(key).unwrap_or_default().to_owned();
            let document_type = request.required_text("type").unwrap_or_default().to_owned();
            let request_config = HttpRequestConfig { document_type, method: text("method"), path: text("path") };
            request.finish();
            request_config
        });
        HttpOutConfig {
            url: self.required_secret(http, "url").expose().to_owned(),
            method: http.text("method").map_or(standard.method, ToOwned::to_owned),
            requests: requests.collect(),
            connect_timeout_ms: millis(http, "connect-timeout").unwrap_or(standard.connect_timeout_ms),
            timeout_ms: millis(http, "timeout").unwrap_or(standard.timeout_ms),
            headers: headers.collect(),
            response_limit: http.size("response-limit").unwrap_or(standard.response_limit),
            auth: http.block("auth").and_then(|auth| self.auth(auth)),
            tls: http.block("tls").map(|tls| self.tls(tls)).unwrap_or_default(),
            signature: http.block("signature").and_then(|signature| self.signature(signature)),
        }
    }

    fn auth(&self, auth: Fields<'_>) -> Option<HttpAuth> {
        let mut ways = Vec::new();
        if auth.get("bearer").is_some() {
            ways.push(HttpAuth::Bearer(self.required_secret(&auth, "bearer")));
        }
        if let Some(basic) = auth.block("basic") {
            let user = basic.required_text("user").unwrap_or_default().to_owned();
            ways.push(HttpAuth::Basic { user, password: self.required_secret(&basic, "password") });
            basic.finish();
        }
        if let Some(block) = auth.block("api-key") {
            let (header, query) = (block.text("header"), block.text("query"));
            let key = self.required_secret(&block, "key");
            match (header, query) {
                (Some(name), None) => ways.push(HttpAuth::KeyInHeader { name: name.to_owned(), key }),
                (None, Some(name)) => ways.push(HttpAuth::KeyInQuery { name: name.to_owned(), key }),
                _ => {
                    let text = "`api-key` needs either `header` or `query`: the name the key goes under";
                    block.report(Problem::new(code::SECRET, text).at(block.node().place(block.file())));
                }
            }
            block.finish();
        }
        if let Some(block) = auth.block("oauth2") {
            let text = |key| block.text(key).unwrap_or_default().to_owned();
            let parameters: BTreeMap<_, _> = block
                .entries("parameters")
                .iter()
                .map(|(name, value)| (name.text.clone(), value.text().unwrap_or_default().to_owned()))
                .collect();
            ways.push(HttpAuth::OAuth2(OAuth2Config {
                token_url: block.required_text("token-url").unwrap_or_default().to_owned(),
                client_id: self.required_secret(&block, "client-id").expose().to_owned(),
                client_secret: self.required_secret(&block, "client-secret"),
                scope: text("scope"),
                audience: text("audience"),
                parameters,
                in_body: block.word("credentials", &[("header", false), ("body", true)]).unwrap_or_default(),
                timeout_ms: millis(&block, "timeout").unwrap_or(10_000),
            }));
            block.finish();
        }
        if ways.len() > 1 {
            let text = "`auth` names several ways; a request proves who it is in one";
            auth.report(Problem::new(code::SECRET, text).at(auth.node().place(auth.file())));
        }
        auth.finish();
        ways.pop()
    }

    fn tls(&self, tls: Fields<'_>) -> TlsOutConfig {
        let config = TlsOutConfig {
            ca: self.pem(&tls, "ca"),
            certificate: self.pem(&tls, "certificate"),
            key: tls.get("key").map_or_else(|| Secret::new(""), |_| self.required_secret(&tls, "key")),
        };
        tls.finish();
        config
    }

    /// A certificate that stands in a file of its own: no secret, so others may read it.
    fn pem(&self, fields: &Fields<'_>, key: &'static str) -> String {
        let Some(value) = fields.get(key) else { return String::new() };
        let text = value.text().unwrap_or_default();
        if text.contains("${") {
            return self.secret(text, value, fields.file()).expose().to_owned();
        }
        self.environment.text_file(&self.folder.join(Path::new(text))).unwrap_or_else(|error| {
            let problem = Problem::new(code::SECRET, format!("the file `{text}` cannot be used: {error}"));
            fields.report(problem.at(value.place(fields.file())));
            String::new()
        })
    }

    fn signature(&self, block: Fields<'_>) -> Option<SignatureConfig> {
        let secrets = |values: Vec<&Yaml>| -> Vec<Secret> {
            let secret = |value: &Yaml| self.secret(value.text().unwrap_or_default(), value, block.file());
            values.into_iter().map(secret).collect()
        };
        let tolerance = block.duration("tolerance").unwrap_or(TOLERANCE);
        let standard = block.list("standard-webhooks");
        let config = if standard.is_empty() {
            let text = |key| block.text(key).unwrap_or_default().to_owned();
            let header = block.required_text("header")?.to_owned();
            let form = SignatureForm::Header(HmacHeader {
                header,
                prefix: text("prefix"),
                hash: block.word("hash", &[("sha256", HmacHash::Sha256), ("sha1", HmacHash::Sha1)]).unwrap_or_default(),
                text: block
                    .word("text", &[("hex", SignatureText::Hex), ("base64", SignatureText::Base64)])
                    .unwrap_or_default(),
                over: block.text("over").unwrap_or("{body}").to_owned(),
                timestamp_header: text("timestamp-header"),
                moment: block
                    .word("timestamp", &[("seconds", MomentText::Seconds), ("millis", MomentText::Millis)])
                    .unwrap_or_default(),
            });
            SignatureConfig { form, secrets: secrets(block.list("secret")), tolerance }
        } else {
            SignatureConfig { form: SignatureForm::StandardWebhooks, secrets: secrets(standard), tolerance }
        };
        block.finish();
        Some(config)
    }
}

fn millis(fields: &Fields<'_>, key: &'static str) -> Option<u64> {
    fields.duration(key).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
