//! Reads `profile.yaml`, and applies what it says about documents.

use std::{cell::RefCell, sync::Arc};

use super::{DocumentType, Facts, Inside, Profile, Setting, StatusTable, Title, code, read_back::ReadBack, reply};
use crate::{
    base::{Limits, Problem, Problems},
    content::{Fields, Key, Yaml, parse},
    document::{Document, NodeId, Shape},
    mapping::{Environment, Failure, Questions, Template, TemplateScope, default_namespace, namespaces},
    schema::{Formats, Model},
};

/// A document type with the questions asked of its documents.
#[derive(Debug)]
pub(super) struct Kind {
    pub of: DocumentType,
    /// Tells it from other versions with the same root element.
    when: Option<Questions>,
    facts: Questions,
    /// The numbers of the answers for business key, site, deduplication key, date and posting date.
    answers: [Option<usize>; 5],
}

impl Kind {
    /// Whether a document is of this version. A condition that cannot be judged does not hold.
    fn fits(&self, document: &Document, root: NodeId) -> bool {
        let Some(when) = &self.when else { return true };
        let inside = Inside { document_type: None, root }.document(document);
        when.ask(&inside, &[], &(), &Limits::default(), |answers| answers.holds(0)).unwrap_or_default()
    }

    /// Whether its documents carry a key of their own.
    pub(super) fn has_key(&self) -> bool {
        self.answers[2].is_some()
    }
}

/// Which documents are inside what was received.
#[derive(Debug)]
pub(super) struct Unwrap {
    /// Their type; `None`: each is known by its root element.
    of: Option<String>,
    /// The documents, and how many the envelope says there are.
    asked: Questions,
    is_counted: bool,
}

pub(super) fn profile(
    text: &str,
    file: &Arc<str>,
    models: &dyn Fn(&DocumentType) -> Option<Arc<Model>>,
) -> Result<Profile, Problems> {
    let root = parse(text, file)?;
    let problems = RefCell::default();
    let fields = Fields::new(&root, file, &problems);
    let name = fields.required_text("profile").unwrap_or_default().to_owned();
    let title = fields.block("title").map(title).unwrap_or_default();
    let settings = fields.entries("settings").iter().map(|(key, node)| setting(key, node, &fields)).collect();
    let namespaces = namespaces(&fields);
    let scope = TemplateScope {
        namespaces: &namespaces,
        default_element_namespace: default_namespace(&fields, &namespaces),
        ..TemplateScope::default()
    };
    let documents: Vec<Kind> =
        fields.entries("documents").iter().map(|(key, node)| kind(key, node, &fields, &scope, models)).collect();
    let envelope = fields.block("envelope").and_then(|envelope| {
        let (lets, output) = (envelope.get("let"), envelope.required("output"));
        let scope = TemplateScope { fragments: envelope.get("fragments"), ..scope };
        envelope.finish();
        Some(Template::compile(lets, output?, file, &scope, &problems))
    });
    let unwrap = fields.list("unwrap").into_iter().filter_map(|node| unwrap_rule(node, &fields, &scope, &documents));
    let unwrap = unwrap.collect();
    let reply = fields.block("reply").map(|reply| reply::Reply::compile(reply, &scope, &documents));
    let statuses = StatusTable::read(&fields, "outcomes");
    let read_backs = fields.entries("read-back").iter();
    let read_backs = read_backs.filter_map(|(key, node)| ReadBack::compile(key, node, &fields, &scope, &documents));
    let read_backs = read_backs.collect();
    fields.finish();
    let mut problems = problems.into_inner();
    problems.sort();
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(Profile { name, title, settings, documents, envelope, unwrap, reply, statuses, read_backs })
}

fn title(fields: Fields<'_>) -> Title {
    let text = |key| fields.text(key).unwrap_or_default().to_owned();
    let title = Title { en: text("en"), zh: text("zh") };
    fields.finish();
    title
}

fn setting(key: &Key, node: &Yaml, outer: &Fields<'_>) -> Setting {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let setting = Setting {
        name: key.text.clone(),
        required: fields.boolean("required").unwrap_or_default(),
        default: fields.text("default").map(str::to_owned),
        doc: fields.required_text("doc").unwrap_or_default().to_owned(),
        secret: fields.boolean("secret").unwrap_or_default(),
    };
    fields.finish();
    setting
}

fn kind(
    key: &Key,
    node: &Yaml,
    outer: &Fields<'_>,
    scope: &TemplateScope<'_>,
    models: &dyn Fn(&DocumentType) -> Option<Arc<Model>>,
) -> Kind {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let owned = |text: &str| text.to_owned();
    let of = DocumentType {
        name: key.text.clone(),
        schema: fields.text("schema").map(owned),
        json_schema: fields.text("json-schema").map(owned),
        formats: fields
            .word("formats", &[("asserted", Formats::Asserted), ("annotations", Formats::Annotations)])
            .unwrap_or_default(),
        namespace: fields.text("namespace").map(owned).unwrap_or_default(),
        root: fields.required_text("root").map(owned).unwrap_or_default(),
        entity: fields.text("entity").map(owned),
    };
    let model = models(&of);
    let scope = TemplateScope {
        environment: Environment { source: model.as_deref(), ..scope.environment },
        default_element_namespace: namespace_of(&of, scope),
        ..*scope
    };
    let mut asked = Vec::new();
    let answers = ["business-key", "site", "dedup-key", "date", "posting-date"].map(|name| {
        fields.get(name).map(|question| {
            asked.push(question);
            asked.len() - 1
        })
    });
    let compile = |asked| Questions::compile(None, asked, outer.file(), &scope, outer.problems());
    let when = fields.get("when").map(|when| compile(vec![when]));
    fields.finish();
    let facts = compile(asked);
    Kind { of, when, facts, answers }
}

/// The namespace of unprefixed names in formulas about a document type.
pub(super) fn namespace_of<'n>(of: &'n DocumentType, scope: &TemplateScope<'n>) -> Option<&'n str> {
    if of.namespace.is_empty() { scope.default_element_namespace } else { Some(&of.namespace) }
}

fn unwrap_rule(node: &Yaml, outer: &Fields<'_>, scope: &TemplateScope<'_>, documents: &[Kind]) -> Option<Unwrap> {
    let fields = Fields::new(node, outer.file(), outer.problems());
    let (of, each, count) = (fields.get("type"), fields.required("each"), fields.get("count"));
    fields.finish();
    let kind = match of {
        Some(of) => Some(known_type(of.text().unwrap_or_default(), documents, of, outer)?),
        None => None,
    };
    let namespace = kind.map_or(scope.default_element_namespace, |kind| namespace_of(&kind.of, scope));
    let scope = TemplateScope { default_element_namespace: namespace, ..*scope };
    let asked = Questions::compile(None, each.into_iter().chain(count), outer.file(), &scope, outer.problems());
    Some(Unwrap { of: kind.map(|kind| kind.of.name.clone()), asked, is_counted: count.is_some() })
}

/// The document type of that name; unknown ones are reported at `node`.
pub(super) fn known_type<'k>(name: &str, documents: &'k [Kind], node: &Yaml, fields: &Fields<'_>) -> Option<&'k Kind> {
    let found = documents.iter().find(|kind| kind.of.name == name);
    if found.is_none() {
        let problem = Problem::new(code::UNKNOWN_TYPE, format!("the profile has no document type `{name}`"));
        let known = documents.iter().map(|kind| kind.of.name.as_str());
        fields.report(problem.at(node.place(fields.file())).did_you_mean(name, known));
    }
    found
}

pub(super) fn identify<'p>(profile: &'p Profile, document: &Document) -> Option<&'p DocumentType> {
    identify_root(profile, document, document.root_element()?)
}

fn identify_root<'p>(profile: &'p Profile, document: &Document, node: NodeId) -> Option<&'p DocumentType> {
    let root = document.qname(node)?;
    let from_json = document.shape(NodeId::ROOT) != Shape::Markup;
    let has_root = |of: &DocumentType| *of.root == *root.local && (*of.namespace == *root.namespace || from_json);
    let mut kinds = profile.documents.iter().filter(|kind| has_root(&kind.of));
    Some(&kinds.find(|kind| kind.fits(document, node))?.of)
}

/// The document types with the root element of a node, whether or not the document is of that version.
pub(super) fn with_root<'p>(profile: &'p Profile, document: &Document, node: NodeId) -> Vec<&'p DocumentType> {
    let Some(root) = document.qname(node) else { return Vec::new() };
    profile.document_types().filter(|of| *of.root == *root.local && *of.namespace == *root.namespace).collect()
}

pub(super) fn unwrap(profile: &Profile, document: &Document, limits: &Limits) -> Result<Vec<Inside>, Failure> {
    let mut found: Vec<(NodeId, Option<&str>)> = Vec::new();
    for rule in &profile.unwrap {
        let nodes = rule.asked.ask(document, &[], &(), limits, |answers| {
            let nodes = answers.nodes(0)?;
            let said = if rule.is_counted { answers.text(1)? } else { None };
            check_count(said.as_deref(), nodes.len(), document)?;
            Ok(nodes)
        })?;
        found.extend(nodes.into_iter().map(|node| (node, rule.of.as_deref())));
    }
    if found.is_empty() {
        let itself = identify(profile, document).zip(document.root_element());
        let inside = itself.map(|(of, root)| Inside { document_type: Some(of.name.clone()), root });
        return Ok(inside.into_iter().collect());
    }
    // In document order; of several rules for one node the first counts.
    found.sort_by_key(|(node, _)| *node);
    found.dedup_by_key(|(node, _)| *node);
    let inside = found.into_iter().map(|(root, of)| {
        let document_type = of.or_else(|| identify_root(profile, document, root).map(|of| of.name.as_str()));
        Inside { document_type: document_type.map(str::to_owned), root }
    });
    Ok(inside.collect())
}

/// Compares an envelope's control count, when it says one, with the number of documents found.
fn check_count(said: Option<&str>, found: usize, document: &Document) -> Result<(), Problem> {
    let Some(said) = said.map(str::trim).filter(|said| !said.is_empty()) else { return Ok(()) };
    if said.parse() == Ok(found) {
        return Ok(());
    }
    let text = match said.parse::<u64>() {
        Ok(said) => format!("the envelope says {said} documents, there are {found}"),
        Err(_) => format!("the envelope's control count is no number; there are {found} documents"),
    };
    let place = document.root_element().map(|root| document.place(root)).unwrap_or_default();
    let hint = "ask the sender which is right, and have the whole message sent again";
    Err(Problem::new(code::COUNT_DIFFERS, text).at(place).hint(hint))
}

/// A document type of the profile.
fn kind_of<'p>(profile: &'p Profile, document_type: &str) -> Result<&'p Kind, Problem> {
    profile.documents.iter().find(|kind| kind.of.name == document_type).ok_or_else(|| {
        let text = format!("the profile `{}` has no document type `{document_type}`", profile.name);
        let known = profile.document_types().map(|of| of.name.as_str());
        Problem::new(code::UNKNOWN_TYPE, text).did_you_mean(document_type, known)
    })
}

pub(super) fn posting_date(
    profile: &Profile,
    document_type: &str,
    document: &Document,
    limits: &Limits,
) -> Result<Option<String>, Failure> {
    let kind = kind_of(profile, document_type)?;
    let [.., date, posting_date] = kind.answers;
    let Some(number) = posting_date.or(date) else { return Ok(None) };
    kind.facts.ask(document, &[], &(), limits, |answers| answers.text(number))
}

pub(super) fn facts(
    profile: &Profile,
    document_type: &str,
    document: &Document,
    limits: &Limits,
) -> Result<Facts, Failure> {
    let kind = kind_of(profile, document_type)?;
    kind.facts.ask(document, &[], &(), limits, |answers| {
        let answer = |number: Option<usize>| number.map_or(Ok(None), |number| answers.text(number));
        let [business_key, site, dedup_key, date, _] = kind.answers;
        Ok(Facts {
            business_key: answer(business_key)?,
            site: answer(site)?,
            dedup_key: answer(dedup_key)?,
            date: answer(date)?,
        })
    })
}
