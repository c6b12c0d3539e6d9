//! Judges a document by its schema and its profile's value rules, as strictly as its system is set to.

use metrics::counter;

use super::RuleHost;
use crate::{
    base::{Limits, Problem, Severity},
    catalog::{Catalog, SchemaMode, System},
    document::Document,
    format::Syntax,
    profile::{RULE_BROKEN, RULE_FAILED},
    schema::Violation,
    telemetry::metric,
};

/// The most violations kept of one document.
const MOST: usize = 50;

/// Which way a document goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the system to the hub.
    In,
    /// From the hub to the system.
    Out,
}

/// What is wrong with a document.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Everything found, in document order.
    pub violations: Vec<Violation>,
    /// Why the document stops, with the cause it is parked for; `None` when it may go on.
    pub stop: Option<(&'static str, Problem)>,
}

impl Judgement {
    /// The violations, one line each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.violations.iter().map(ToString::to_string).collect()
    }
}

/// Judges a document that comes from or goes to a system.
#[must_use]
pub fn judge(
    catalog: &Catalog,
    system: &System,
    direction: Direction,
    document_type: &str,
    document: &Document,
    syntax: Syntax,
    limits: &Limits,
) -> Judgement {
    let (mode, word) = match direction {
        Direction::In => (system.schema.incoming, "in"),
        Direction::Out => (system.schema.outgoing, "out"),
    };
    if mode == SchemaMode::Off {
        return Judgement::default();
    }
    let violations = violations(catalog, document_type, document, syntax, limits);
    let errors = violations.iter().filter(|violation| violation.severity == Severity::Error);
    for violation in &violations {
        let (system, code) = (system.id.clone(), violation.code.id);
        counter!(metric::VIOLATIONS, "system" => system, "direction" => word, "code" => code).increment(1);
    }
    let stop = match (mode, errors.clone().next()) {
        (SchemaMode::Strict, Some(first)) => {
            let more = errors.count() - 1;
            let mut problem = first.problem();
            if more > 0 {
                problem.text.push_str(&format!("; {more} more"));
            }
            let by_rule = [RULE_BROKEN.id, RULE_FAILED.id].contains(&first.code.id);
            Some((if by_rule { "rule" } else { "schema" }, problem))
        }
        _ => None,
    };
    Judgement { violations, stop }
}

/// Everything wrong with a document, by its schema and by its profile's value rules, as far as its type has any.
#[must_use]
pub fn violations(
    catalog: &Catalog,
    document_type: &str,
    document: &Document,
    syntax: Syntax,
    limits: &Limits,
) -> Vec<Violation> {
    let mut found = by_schema(catalog, document_type, document, syntax);
    let profile = catalog.profile_of(document_type).and_then(|profile| catalog.rules(profile.name()));
    if let Some(rules) = profile {
        let room = MOST.saturating_sub(found.len());
        found.extend(rules.violations(document_type, document, &RuleHost(catalog), limits, room));
    }
    found
}

fn by_schema(catalog: &Catalog, document_type: &str, document: &Document, syntax: Syntax) -> Vec<Violation> {
    match catalog.validator(document_type, syntax) {
        None => Vec::new(),
        Some(Ok(validator)) => validator.validate(document, MOST),
        Some(Err(problems)) => {
            let unusable = |problem: &Problem| Violation {
                code: problem.code,
                rule: "schema".to_owned(),
                severity: Severity::Error,
                text: format!("the schema of `{document_type}` cannot be used: {}", problem.text),
                expected: None,
                place: problem.place.clone(),
            };
            problems.0.iter().take(1).map(unusable).collect()
        }
    }
}
