//! A stand-in for a partner's system, as data: for tests, demonstrations and training.

use std::{cell::RefCell, sync::Arc};

use super::code;
use crate::{
    base::{Limits, Problem, Problems},
    content::{Fields, Key, Yaml, parse},
    document::Document,
    mapping::{Failure, Questions, Template, TemplateScope, default_namespace, namespaces},
    xpath::{Host, Item},
};

/// The answer to a health request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The HTTP method asked with.
    pub method: String,
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What must be there before a document is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The kind of thing.
    pub entity: String,
    /// Its id.
    pub id: String,
    /// The reply when it is not there.
    pub otherwise: String,
}

/// A request as the simulator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedRequest {
    /// The document type.
    pub document_type: String,
    /// The kind of thing it brings.
    pub entity: String,
    /// The document's number.
    pub key: String,
    /// What must be there already.
    pub requires: Option<Requirement>,
    /// The reply when the key is known already.
    pub when_known: String,
    /// The reply when the key is new.
    pub when_new: String,
}

/// A question whether a document is there, as the simulator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedQuery {
    /// The document type.
    pub document_type: String,
    /// The kind of thing asked for.
    pub entity: String,
    /// The document's number.
    pub key: String,
    /// The reply when it is there; its formulas see the document that was written.
    pub when_found: String,
    /// The reply when it is not; its formulas see the question.
    pub when_missing: String,
}

/// A simulated reply.
#[derive(Clone, Debug)]
pub enum SimulatedReply {
    /// A document, to be written in the request's syntax.
    Document {
        /// The HTTP status.
        status: u16,
        /// The media type.
        content_type: String,
        /// The document.
        document: Box<Document>,
    },
    /// A fixed text.
    Text {
        /// The HTTP status.
        status: u16,
        /// The media type.
        content_type: String,
        /// The text.
        body: String,
    },
}

/// What the formulas of a reply see besides the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyValues<'a> {
    /// `$key`: the document's number.
    pub key: &'a str,
    /// `$message`: a text.
    pub message: &'a str,
    /// `$ledger`: the number the simulated system gives.
    pub ledger: &'a str,
}

/// The names of [`ReplyValues`] in formulas, in slot order.
const GIVEN: [&str; 3] = ["key", "message", "ledger"];

#[derive(Debug)]
struct Recognised {
    document_type: String,
    entity: String,
    /// `when`, `key`, and the id that is required.
    questions: Questions,
    /// Entity and reply of the requirement.
    requires: Option<(String, String)>,
}

#[derive(Debug)]
struct Query {
    document_type: String,
    entity: String,
    /// `when` and `key`.
    questions: Questions,
    found: String,
    missing: String,
}

#[derive(Debug)]
struct Choice {
    when: Questions,
    known: String,
    new: String,
}

#[derive(Debug)]
struct Reply {
    name: String,
    status: u16,
    content_type: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Template(Box<Template>),
    Text(String),
}

/// A compiled `simulator.yaml`.
#[derive(Debug)]
pub struct Simulator {
    profile: String,
    health: Option<Health>,
    documents: Vec<Recognised>,
    queries: Vec<Query>,
    choices: Vec<Choice>,
    replies: Vec<Reply>,
}

impl Simulator {
    /// Compiles a `simulator.yaml`.
    ///
    /// # Errors
    /// Every problem found.
    pub fn compile(text: &str, file: &Arc<str>) -> Result<Self, Problems> {
        let root = parse(text, file)?;
        let problems = RefCell::default();
        let fields = Fields::new(&root, file, &problems);
        let profile = fields.required_text("profile").unwrap_or_default().to_owned();
        if let Some(title) = fields.block("title") {
            title.text("en");
            title.text("zh");
            title.finish();
        }
        let health = fields.block("health").map(health);
        let namespaces = namespaces(&fields);
        let given = GIVEN.map(str::to_owned);
        let scope = TemplateScope {
            namespaces: &namespaces,
            default_element_namespace: default_namespace(&fields, &namespaces),
            ..TemplateScope::default()
        };
        let content_type = fields.text("content-type").unwrap_or("application/xml").to_owned();
        let replying = TemplateScope { given: &given, fragments: fields.get("fragments"), ..scope };
        let replies: Vec<Reply> = fields
            .entries("replies")
            .iter()
            .filter_map(|entry| reply(entry, &fields, &replying, &content_type))
            .collect();
        let documents = fields
            .entries("documents")
            .iter()
            .filter_map(|entry| recognised(entry, &fields, &scope, &replies))
            .collect();
        let queries =
            fields.entries("queries").iter().filter_map(|entry| query(entry, &fields, &scope, &replies)).collect();
        let choices =
            fields.list("rules").into_iter().filter_map(|node| choice(node, &fields, &scope, &replies)).collect();
        fields.finish();
        let mut problems = problems.into_inner();
        problems.sort();
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self { profile, health, documents, queries, choices, replies })
    }

    /// The profile it stands in for.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The answer to a health request.
    #[must_use]
    pub fn health(&self) -> Option<&Health> {
        self.health.as_ref()
    }

    /// The names of all replies.
    pub fn replies(&self) -> impl Iterator<Item = &str> {
        self.replies.iter().map(|reply| reply.name.as_str())
    }

    /// The question a request asks, when it is one.
    ///
    /// # Errors
    /// When a formula fails.
    pub fn query(
        &self,
        request: &Document,
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<Option<SimulatedQuery>, Failure> {
        for query in &self.queries {
            let key = query.questions.ask(request, &[], host, limits, |answers| {
                if answers.holds(0)? { answers.text(1) } else { Ok(None) }
            })?;
            let Some(key) = key else { continue };
            return Ok(Some(SimulatedQuery {
                document_type: query.document_type.clone(),
                entity: query.entity.clone(),
                key,
                when_found: query.found.clone(),
                when_missing: query.missing.clone(),
            }));
        }
        Ok(None)
    }

    /// What a request asks for; `None` when no document is recognised in it or no rule holds.
    ///
    /// # Errors
    /// When a formula fails.
    pub fn read(
        &self,
        request: &Document,
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<Option<SimulatedRequest>, Failure> {
        let mut chosen = None;
        for choice in &self.choices {
            if choice.when.ask(request, &[], host, limits, |answers| answers.holds(0))? {
                chosen = Some(choice);
                break;
            }
        }
        let Some(choice) = chosen else { return Ok(None) };
        for document in &self.documents {
            let answer = document.questions.ask(request, &[], host, limits, |answers| {
                if !answers.holds(0)? {
                    return Ok(None);
                }
                Ok(Some((answers.text(1)?.unwrap_or_default(), answers.text(2)?.unwrap_or_default())))
            })?;
            let Some((key, id)) = answer else { continue };
            let requires = document.requires.clone().map(|(entity, otherwise)| Requirement { entity, id, otherwise });
            return Ok(Some(SimulatedRequest {
                document_type: document.document_type.clone(),
                entity: document.entity.clone(),
                key,
                requires,
                when_known: choice.known.clone(),
                when_new: choice.new.clone(),
            }));
        }
        Ok(None)
    }

    /// A reply by name; its formulas see the request and the values.
    ///
    /// # Errors
    /// When there is no such reply or a formula fails.
    pub fn reply(
        &self,
        name: &str,
        request: &Document,
        values: &ReplyValues<'_>,
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<SimulatedReply, Failure> {
        let Some(reply) = self.replies.iter().find(|reply| reply.name == name) else {
            let problem = Problem::new(code::UNKNOWN_REPLY, format!("the simulator has no reply `{name}`"));
            return Err(problem.did_you_mean(name, self.replies()).into());
        };
        let (status, content_type) = (reply.status, reply.content_type.clone());
        Ok(match &reply.body {
            Body::Text(body) => SimulatedReply::Text { status, content_type, body: body.clone() },
            Body::Template(template) => {
                let given = [values.key, values.message, values.ledger].map(|text| Item::string(text).into());
                let document = Box::new(template.apply(request, &given, host, limits)?);
                SimulatedReply::Document { status, content_type, document }
            }
        })
    }
}

fn health(fields: Fields<'_>) -> Health {
    let text = |key, default: &str| fields.text(key).unwrap_or(default).to_owned();
    let health = Health {
        method: text("method", "GET"),
        status: status(&fields),
        content_type: text("content-type", "text/plain; charset=utf-8"),
        body: text("body", ""),
    };
    fields.finish();
    health
}

fn status(fields: &Fields<'_>) -> u16 {
    fields.number("status").and_then(|status| u16::try_from(status).ok()).unwrap_or(200)
}

fn reply(
    (key, node): &(Key, Yaml),
    outer: &Fields<'_>,
    scope: &TemplateScope<'_>,
    content_type: &str,
) -> Option<Reply> {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let status = status(&fields);
    let content_type = fields.text("content-type").unwrap_or(content_type).to_owned();
    let (body, lets) = (fields.text("body").map(str::to_owned), fields.get("let"));
    let output = if body.is_some() { fields.get("output") } else { fields.required("output") };
    fields.finish();
    let body = match (body, output) {
        (Some(body), _) => Body::Text(body),
        (None, output) => {
            Body::Template(Box::new(Template::compile(lets, output?, outer.file(), scope, outer.problems())))
        }
    };
    Some(Reply { name: key.text.clone(), status, content_type, body })
}

fn recognised(
    (key, node): &(Key, Yaml),
    outer: &Fields<'_>,
    scope: &TemplateScope<'_>,
    replies: &[Reply],
) -> Option<Recognised> {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let (when, entity, number) = (fields.required("when"), fields.required_text("entity"), fields.required("key"));
    let mut required_id = None;
    let requires = fields.block("requires").and_then(|requires| {
        let (entity, otherwise) = (requires.required_text("entity"), reply_name("otherwise", &requires, replies));
        required_id = requires.required("id");
        requires.finish();
        Some((entity?.to_owned(), otherwise?))
    });
    fields.finish();
    let asked = [when?, number?].into_iter().chain(required_id);
    let questions = Questions::compile(None, asked, outer.file(), scope, outer.problems());
    Some(Recognised { document_type: key.text.clone(), entity: entity?.to_owned(), questions, requires })
}

fn query((key, node): &(Key, Yaml), outer: &Fields<'_>, scope: &TemplateScope<'_>, replies: &[Reply]) -> Option<Query> {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let (when, entity, number) = (fields.required("when"), fields.required_text("entity"), fields.required("key"));
    let (found, missing) = (reply_name("found", &fields, replies), reply_name("missing", &fields, replies));
    fields.finish();
    let questions = Questions::compile(None, [when?, number?], outer.file(), scope, outer.problems());
    let (entity, document_type) = (entity?.to_owned(), key.text.clone());
    Some(Query { document_type, entity, questions, found: found?, missing: missing? })
}

fn choice(node: &Yaml, outer: &Fields<'_>, scope: &TemplateScope<'_>, replies: &[Reply]) -> Option<Choice> {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let when = fields.required("when");
    let (known, new) = (reply_name("known", &fields, replies), reply_name("new", &fields, replies));
    fields.finish();
    let when = Questions::compile(None, when, outer.file(), scope, outer.problems());
    Some(Choice { when, known: known?, new: new? })
}

/// The name of a reply under a key; unknown ones are reported.
fn reply_name(key: &'static str, fields: &Fields<'_>, replies: &[Reply]) -> Option<String> {
    let name = fields.required_text(key)?;
    if !replies.iter().any(|reply| reply.name == name) {
        let place = fields.get(key).map(|node| node.place(fields.file())).unwrap_or_default();
        let problem = Problem::new(code::UNKNOWN_REPLY, format!("there is no reply `{name}`")).at(place);
        fields.report(problem.did_you_mean(name, replies.iter().map(|reply| reply.name.as_str())));
    }
    Some(name.to_owned())
}
