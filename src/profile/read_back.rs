//! How to ask a partner whether it has a document, and what its answer means.

use super::{Profile, read};
use crate::{
    base::Limits,
    content::{Fields, Key, Yaml},
    document::Document,
    mapping::{Failure, Questions, Template, TemplateScope},
    xpath::{Host, Item},
};

/// The variable that stands for the document's key in the request and in formulas about the answer.
const KEY: &str = "key";

/// A question to a partner.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The HTTP method.
    pub method: String,
    /// Where to, relative to the system's address; `None` for the address itself.
    pub url: Option<String>,
    /// What is sent along.
    pub body: Option<Document>,
    /// The document's key in the partner's books.
    pub key: String,
}

/// What the answer to an [`Inquiry`] means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The partner has the document.
    Found {
        /// The entity and the id the partner gave it.
        xref: Option<(String, String)>,
    },
    /// It does not have it.
    NotFound,
    /// The answer says neither.
    NotSure,
}

/// How to ask for documents of a type.
#[derive(Debug)]
pub(super) struct ReadBack {
    of: String,
    /// Asked of the document that was sent: the key, and whether to ask at all.
    sent: Questions,
    /// The number of the answer for `when`.
    when: Option<usize>,
    /// The address, asked of the document that was sent.
    url: Option<Questions>,
    method: String,
    body: Option<Template>,
    /// Statuses that mean that there is none.
    missing: Vec<u16>,
    /// Asked of the answer: found, not found, the partner's id.
    answer: Questions,
    not_found: Option<usize>,
    entity: Option<(String, usize)>,
}

impl ReadBack {
    pub fn compile(
        key: &Key,
        node: &Yaml,
        outer: &Fields<'_>,
        scope: &TemplateScope<'_>,
        documents: &[read::Kind],
    ) -> Option<Self> {
        let known = read::known_type(&key.text, documents, node, outer);
        let fields = Fields::new(node, outer.file(), outer.problems());
        let given = [KEY.to_owned()];
        let about = TemplateScope { given: &given, ..*scope };
        let compile =
            |asked, scope| Questions::compile(None, asked as Vec<&Yaml>, fields.file(), scope, fields.problems());
        // Each question's number is its place in the list.
        let add = |asked: &mut Vec<_>, question| {
            asked.push(question);
            asked.len() - 1
        };
        let mut sent = Vec::from_iter(fields.required(KEY));
        let when = fields.get("when").map(|when| add(&mut sent, when));
        let (mut method, mut url, mut body) = (None, None, None);
        if let Some(request) = fields.block("request") {
            method = request.text("method").map(str::to_owned);
            url = request.get("url").map(|url| compile(vec![url], &about));
            let lets = request.get("let");
            let output = request.get("body");
            body = output.map(|output| Template::compile(lets, output, request.file(), &about, request.problems()));
            request.finish();
        }
        let mut asked = Vec::from_iter(fields.required("found"));
        let not_found = fields.get("not-found").map(|absent| add(&mut asked, absent));
        let entity = fields.block("xref").and_then(|xref| {
            let (entity, target) = (xref.required_text("entity"), xref.required("target"));
            xref.finish();
            Some((entity?.to_owned(), add(&mut asked, target?)))
        });
        let missing = fields.list("not-found-status");
        let missing = missing.into_iter().filter_map(|status| status.text()?.parse().ok()).collect();
        let (sent, answer) = (compile(sent, scope), compile(asked, &about));
        fields.finish();
        let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
        let of = known?.of.name.clone();
        Some(Self { of, sent, when, url, method, body, missing, answer, not_found, entity })
    }
}

/// How to ask for documents of a type.
pub(super) fn of<'p>(profile: &'p Profile, document_type: &str) -> Option<&'p ReadBack> {
    profile.read_backs.iter().find(|known| known.of == document_type)
}

pub(super) fn ask(
    profile: &Profile,
    document_type: &str,
    sent: &Document,
    host: &dyn Host,
    limits: &Limits,
) -> Result<Option<Inquiry>, Failure> {
    let Some(rules) = of(profile, document_type) else { return Ok(None) };
    let asked = rules.sent.ask(sent, &[], host, limits, |answers| {
        if !rules.when.map_or(Ok(true), |when| answers.holds(when))? {
            return Ok(None);
        }
        let Some(key) = answers.text(0)? else { return Ok(None) };
        Ok(Some(key))
    })?;
    let Some(key) = asked else { return Ok(None) };
    let given = [Item::string(key.as_str()).into()];
    let url = match &rules.url {
        Some(url) => url.ask(sent, &given, host, limits, |answers| answers.text(0))?,
        None => None,
    };
    let body = rules.body.as_ref().map(|body| body.apply(sent, &given, host, limits)).transpose()?;
    Ok(Some(Inquiry { method: rules.method.clone(), url, body, key }))
}

pub(super) fn understand(
    profile: &Profile,
    document_type: &str,
    key: &str,
    (status, reply): (u16, Option<&Document>),
    host: &dyn Host,
    limits: &Limits,
) -> Result<Finding, Failure> {
    let Some(rules) = of(profile, document_type) else { return Ok(Finding::NotSure) };
    if rules.missing.contains(&status) {
        return Ok(Finding::NotFound);
    }
    let (Some(reply), 200..=299) = (reply, status) else { return Ok(Finding::NotSure) };
    let given = [Item::string(key).into()];
    rules.answer.ask(reply, &given, host, limits, |answers| {
        if answers.holds(0)? {
            let xref = match &rules.entity {
                Some((entity, target)) => answers.text(*target)?.map(|id| (entity.clone(), id)),
                None => None,
            };
            return Ok(Finding::Found { xref });
        }
        let absent = rules.not_found.map_or(Ok(false), |absent| answers.holds(absent))?;
        Ok(if absent { Finding::NotFound } else { Finding::NotSure })
    })
}
