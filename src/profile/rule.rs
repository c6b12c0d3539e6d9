//! Value rules: what must hold in a profile's documents and no schema can say, from `rules.yaml`.

use std::{cell::RefCell, sync::Arc};

use super::{DocumentType, Profile, code, read};
use crate::{
    base::{Code, Limits, Place, Problem, Problems, Severity},
    content::{Fields, Key, Yaml, parse},
    document::{Document, NodeId},
    mapping::{Conditions, Demand, Environment, Failure, TemplateScope, default_namespace, namespaces},
    schema::{Model, Violation},
    xpath::Host,
};

/// The compiled rules of a profile; immutable, usable from any thread.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    /// The conditions of each group for each document type it is for.
    conditions: Vec<(String, Conditions)>,
}

/// A rule, but for its formulas.
#[derive(Debug)]
struct Rule {
    name: String,
    severity: Severity,
    message: String,
    expected: Option<String>,
}

/// A rule as written.
struct Draft<'y> {
    rule: Rule,
    each: Option<&'y Yaml>,
    that: Option<&'y Yaml>,
}

impl Rules {
    /// Compiles a `rules.yaml` against the schemas of the document types; `models` gives the schema model of a document
    /// type, when it names a schema.
    ///
    /// # Errors
    /// Every problem found.
    pub fn compile(
        text: &str,
        file: &Arc<str>,
        profile: &Profile,
        models: &dyn Fn(&DocumentType) -> Option<Arc<Model>>,
    ) -> Result<Self, Problems> {
        let root = parse(text, file)?;
        let problems = RefCell::default();
        let fields = Fields::new(&root, file, &problems);
        let namespaces = namespaces(&fields);
        let scope = TemplateScope {
            namespaces: &namespaces,
            default_element_namespace: default_namespace(&fields, &namespaces),
            ..TemplateScope::default()
        };
        fields.list("rules");
        let groups = root.get("rules").map(Yaml::items).unwrap_or_default();
        fields.finish();
        let (mut rules, mut conditions) = (Vec::new(), Vec::new());
        for node in groups {
            let group = Fields::new(node, file, &problems);
            let kinds = kinds(&group, profile);
            let _ = (group.get("let"), group.required("must"));
            let drafts = node.get("must").map(Yaml::entries).unwrap_or_default();
            let drafts: Vec<Draft<'_>> = drafts.iter().map(|(key, node)| draft(key, node, &group, &rules)).collect();
            group.finish();
            let first = rules.len();
            let mut demands = Vec::new();
            for (at, draft) in drafts.iter().enumerate() {
                demands.extend(draft.that.map(|that| Demand { number: first + at, each: draft.each, that }));
            }
            for kind in kinds {
                let model = models(&kind.of);
                let scope = TemplateScope {
                    environment: Environment { source: model.as_deref(), ..scope.environment },
                    default_element_namespace: read::namespace_of(&kind.of, &scope),
                    ..scope
                };
                let compiled = Conditions::compile(node.get("let"), &demands, file, &scope, &problems);
                conditions.push((kind.of.name.clone(), compiled));
            }
            rules.extend(drafts.into_iter().map(|draft| draft.rule));
        }
        let mut problems = problems.into_inner();
        problems.sort();
        problems.0.dedup();
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self { rules, conditions })
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What a document breaks, in the rules' order, `most` at most.
    #[must_use]
    pub fn violations(
        &self,
        document_type: &str,
        document: &Document,
        host: &dyn Host,
        limits: &Limits,
        most: usize,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        for (_, conditions) in self.conditions.iter().filter(|(known, _)| known == document_type) {
            conditions.unmet(document, host, limits, &mut |number, outcome| {
                let Some(rule) = self.rules.get(number) else { return true };
                found.push(match outcome {
                    Ok(node) => rule.broken(place(document, node)),
                    Err(failure) => rule.failed(&failure),
                });
                found.len() < most
            });
        }
        found.truncate(most);
        found
    }
}

impl Rule {
    fn broken(&self, place: Place) -> Violation {
        self.violation(code::RULE_BROKEN, self.message.clone(), place)
    }

    /// A rule that has no answer for a document is no reason to trust the document.
    fn failed(&self, failure: &Failure) -> Violation {
        let problem = failure.problems().into_iter().next();
        let why = problem.as_ref().map_or_else(|| failure.to_string(), |problem| problem.text.clone());
        let path = problem.and_then(|problem| problem.place.path);
        let text = format!("{} (the rule could not be judged: {why})", self.message);
        self.violation(code::RULE_FAILED, text, Place { path, ..Place::default() })
    }

    fn violation(&self, code: Code, text: String, place: Place) -> Violation {
        let (rule, severity, expected) = (self.name.clone(), self.severity, self.expected.clone());
        Violation { code, rule, severity, text, expected, place }
    }
}

/// The place of a node; of a rule about the whole document, its root element's.
fn place(document: &Document, node: NodeId) -> Place {
    let node = if node == NodeId::ROOT { document.root_element().unwrap_or(node) } else { node };
    document.place(node)
}

/// The document types a group of rules is for: all of the profile unless it names them.
fn kinds<'p>(group: &Fields<'_>, profile: &'p Profile) -> Vec<&'p read::Kind> {
    let named = group.list("for");
    if named.is_empty() {
        return profile.documents.iter().collect();
    }
    let known = |value: &&Yaml| read::known_type(value.text().unwrap_or_default(), &profile.documents, value, group);
    named.iter().filter_map(known).collect()
}

fn draft<'y>(key: &Key, node: &'y Yaml, outer: &Fields<'_>, known: &[Rule]) -> Draft<'y> {
    if known.iter().any(|rule| rule.name == key.text) {
        let text = format!("there is a rule `{}` already", key.text);
        outer.report(Problem::new(code::RULE_TWICE, text).at(key.place(outer.file())));
    }
    let fields = Fields::new(node, outer.file(), outer.problems());
    let severities = [("error", Severity::Error), ("warning", Severity::Warning)];
    let rule = Rule {
        name: key.text.clone(),
        severity: fields.word("severity", &severities).unwrap_or(Severity::Error),
        message: message(&fields),
        expected: fields.text("expected").map(ToOwned::to_owned),
    };
    let _ = (fields.get("each"), fields.required("that"));
    fields.finish();
    Draft { rule, each: node.get("each"), that: node.get("that") }
}

/// `message: text`, or one for each language; shown together, as it is not known who reads.
fn message(fields: &Fields<'_>) -> String {
    let Some(written) = fields.required("message") else { return String::new() };
    if let Some(text) = written.text() {
        return text.to_owned();
    }
    let Some(languages) = fields.block("message") else { return String::new() };
    let texts = [languages.required_text("en"), languages.text("zh")];
    let text = texts.into_iter().flatten().collect::<Vec<_>>().join(" / ");
    languages.finish();
    text
}
