//! What a partner's reply means.

use super::{Profile, read};
use crate::{
    base::Limits,
    content::{Fields, Yaml},
    document::Document,
    mapping::{Failure, Questions, TemplateScope},
    xpath::Host,
};

/// What became of a delivery, as the reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Delivered,
    /// Refused for good: parked until a person looks.
    Rejected,
    /// The partner has it already: as good as delivered.
    Duplicate,
    /// Not now: try again later.
    Retry,
    /// Nobody knows whether it was taken: try again with the same identity.
    Unknown,
}

impl Outcome {
    /// The words profiles use.
    const WORDS: &[(&'static str, Self)] = &[
        ("delivered", Self::Delivered),
        ("rejected", Self::Rejected),
        ("duplicate", Self::Duplicate),
        ("retry", Self::Retry),
        ("unknown", Self::Unknown),
    ];
}

/// What a reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What became of the delivery.
    pub outcome: Outcome,
    /// The partner's reason. May hold payload.
    pub reason: Option<String>,
    /// The entity and the id the partner gave it.
    pub xref: Option<(String, String)>,
}

/// One meaning a reply may have; numbers are those of the answers.
#[derive(Debug)]
struct Case {
    when: usize,
    outcome: Outcome,
    reason: Option<usize>,
    /// By document type: the entity, and the id the partner gave it.
    xrefs: Vec<(String, String, usize)>,
}

/// How to read replies.
#[derive(Debug)]
pub(super) struct Reply {
    not_parseable: Outcome,
    otherwise: Outcome,
    questions: Questions,
    cases: Vec<Case>,
}

impl Reply {
    pub fn compile(fields: Fields<'_>, scope: &TemplateScope<'_>, documents: &[read::Kind]) -> Self {
        let not_parseable = fields.word("not-parseable", Outcome::WORDS).unwrap_or(Outcome::Unknown);
        let otherwise = fields.word("otherwise", Outcome::WORDS).unwrap_or(Outcome::Unknown);
        let lets = fields.get("let");
        let mut asked = Vec::new();
        let cases =
            fields.list("cases").into_iter().filter_map(|node| case(node, &fields, documents, &mut asked)).collect();
        let questions = Questions::compile(lets, asked, fields.file(), scope, fields.problems());
        fields.finish();
        Self { not_parseable, otherwise, questions, cases }
    }
}

fn case<'y>(node: &'y Yaml, outer: &Fields<'y>, documents: &[read::Kind], asked: &mut Vec<&'y Yaml>) -> Option<Case> {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let mut ask = |question: &'y Yaml| {
        asked.push(question);
        asked.len() - 1
    };
    let when = fields.required("when").map(&mut ask);
    fields.required("outcome");
    let outcome = fields.word("outcome", Outcome::WORDS);
    let reason = fields.get("reason").map(&mut ask);
    let mut xrefs = Vec::new();
    for (key, xref) in fields.entries("xref") {
        read::known_type(&key.text, documents, xref, outer);
        let fields = Fields::new(xref, outer.file(), outer.problems());
        let (entity, target) = (fields.required_text("entity"), fields.required("target").map(&mut ask));
        fields.finish();
        xrefs.extend(entity.zip(target).map(|(entity, target)| (key.text.clone(), entity.to_owned(), target)));
    }
    fields.finish();
    Some(Case { when: when?, outcome: outcome?, reason, xrefs })
}

pub(super) fn read(
    profile: &Profile,
    document_type: &str,
    reply: Option<&Document>,
    host: &dyn Host,
    limits: &Limits,
) -> Result<Meaning, Failure> {
    let plain = |outcome| Meaning { outcome, reason: None, xref: None };
    let Some(rules) = &profile.reply else { return Ok(plain(Outcome::Unknown)) };
    let Some(reply) = reply else { return Ok(plain(rules.not_parseable)) };
    rules.questions.ask(reply, &[], host, limits, |answers| {
        for case in &rules.cases {
            if !answers.holds(case.when)? {
                continue;
            }
            let reason = case.reason.map_or(Ok(None), |reason| answers.text(reason))?;
            let xref = match case.xrefs.iter().find(|(of, ..)| of == document_type) {
                Some((_, entity, target)) => answers.text(*target)?.map(|id| (entity.clone(), id)),
                None => None,
            };
            return Ok(Meaning { outcome: case.outcome, reason, xref });
        }
        Ok(plain(rules.otherwise))
    })
}
