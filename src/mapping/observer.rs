//! What a run tells about its rules: which ones were used (coverage), and what each gave (trace).

use std::{cell::RefCell, collections::BTreeSet};

use serde::Serialize;

use super::{Explanation, RulePlace};
use crate::xpath::{Failure, Frame, Item, TraceEvent, Value, string_of};

/// Characters of a value shown in a trace; the rest is cut off.
const SHOWN_CHARACTERS: usize = 80;
/// Items of a sequence shown in a trace.
const SHOWN_ITEMS: usize = 4;

/// What is to be recorded of a run, besides its output.
#[derive(Default)]
pub struct Recording<'a> {
    /// Filled with the origin of every field.
    pub explanation: Option<&'a mut Explanation>,
    /// Told of every rule used; makes runs slower.
    pub observer: Option<&'a dyn Observer>,
}

/// A formula or literal of a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleInfo {
    /// Where it stands.
    pub place: RulePlace,
    /// As written, `=` included.
    pub text: String,
}

/// Hears of every rule a run uses, in the order they are done: variables before the formula that asked for them.
pub trait Observer {
    /// A rule was used.
    fn used(&self, usage: &Usage<'_>);
}

/// One use of a rule.
pub struct Usage<'a> {
    /// The rule's place in its mapping.
    pub rule: RulePlace,
    /// Its formula without `=`; `None` for a literal.
    pub formula: Option<&'a str>,
    /// What it gave.
    pub value: Result<&'a Value, &'a Failure>,
    /// The context item.
    pub item: &'a Item,
    /// What was looked at.
    pub events: &'a [TraceEvent],
    /// The frame it was evaluated in: it has the documents the items are of.
    pub frame: &'a Frame<'a>,
}

/// The rules that were used, over any number of runs.
#[derive(Clone, Debug, Default)]
pub struct UsedRules(RefCell<BTreeSet<(String, u32, u32)>>);

impl UsedRules {
    /// Adds what other runs used.
    pub fn add(&self, other: &Self) {
        self.0.borrow_mut().extend(other.0.borrow().iter().cloned());
    }

    /// Whether a rule was used.
    #[must_use]
    pub fn contains(&self, rule: &RulePlace) -> bool {
        self.0.borrow().contains(&(rule.file.clone(), rule.line, rule.column))
    }
}

impl Observer for UsedRules {
    fn used(&self, usage: &Usage<'_>) {
        let rule = &usage.rule;
        self.0.borrow_mut().insert((rule.file.clone(), rule.line, rule.column));
    }
}

/// Every evaluation of one run. The serialized form is stable.
#[derive(Debug, Default)]
pub struct Evaluations(RefCell<Vec<Evaluation>>);

impl Evaluations {
    /// The evaluations, in order.
    #[must_use]
    pub fn into_vec(self) -> Vec<Evaluation> {
        self.0.into_inner()
    }
}

/// One evaluation of a formula.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// The rule.
    pub rule: RulePlace,
    /// Its formula without `=`.
    pub formula: String,
    /// Path of the context item in the source, when it is a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// What it gave, shortened; absent when it failed. Payload: never for logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How many items it gave.
    pub items: usize,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The nodes whose text was read, each once, with that text, shortened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<ReadNode>,
}

/// A node that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadNode {
    /// Its path.
    pub path: String,
    /// Its text, shortened.
    pub value: String,
}

impl Observer for Evaluations {
    fn used(&self, usage: &Usage<'_>) {
        let Some(formula) = usage.formula else { return };
        let path = |document: u16, node| usage.frame.document(document).map(|tree| tree.path(node));
        let mut reads: Vec<ReadNode> = Vec::new();
        for event in usage.events {
            if let TraceEvent::Read { document, node } = event
                && let Some(tree) = usage.frame.document(*document)
            {
                let path = tree.path(*node);
                if !reads.iter().any(|read| read.path == path) {
                    reads.push(ReadNode { path, value: shortened(&tree.string_value(*node)) });
                }
            }
        }
        let context = match usage.item {
            Item::Node(document, node) => path(*document, *node),
            _ => None,
        };
        self.0.borrow_mut().push(Evaluation {
            rule: usage.rule.clone(),
            formula: formula.trim().to_owned(),
            context,
            value: usage.value.ok().map(|value| shown(value, usage.frame)),
            items: usage.value.map_or(0, Value::len),
            failure: usage.value.err().map(|failure| failure.clone().problem().text),
            reads,
        });
    }
}

/// A value for people: its items, texts in quotes, shortened.
fn shown<'a>(value: &'a Value, frame: &Frame<'a>) -> String {
    let one = |item: &'a Item| match item {
        Item::Integer(_) | Item::Decimal(_) | Item::Double(_) | Item::Boolean(_) => string_of(item, frame).into(),
        Item::Node(document, node) => match frame.document(*document) {
            Some(tree) if tree.elements(*node).next().is_some() => format!("<{}>", tree.path(*node)),
            _ => format!("'{}'", shortened(&string_of(item, frame))),
        },
        _ => format!("'{}'", shortened(&string_of(item, frame))),
    };
    let items = value.items();
    match items {
        [only] => one(only),
        _ => {
            let more = if items.len() > SHOWN_ITEMS { ", …" } else { "" };
            let listed: Vec<String> = items.iter().take(SHOWN_ITEMS).map(one).collect();
            format!("({}{more})", listed.join(", "))
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
