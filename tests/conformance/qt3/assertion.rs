//! Evaluates the expression of a test, and looks at what came out.

use std::{cell::RefCell, sync::Arc};

use crossdock::{
    base::{Limits, Problem},
    document::{Builder, Document, Kind, NodeId, Text},
    format::{Layout, Syntax, WriteOptions, write},
    pipeline::Xml,
    xpath::{Binding, Budget, Failure, Formula, Frame, Host, Item, Markup, Scope, Value, string_of},
};

use super::{suite::Assertion, tree};

/// Prefixes that assertions may use without declaring them.
const COMMON: &[(&str, &str)] = &[
    ("math", "http://www.w3.org/2005/xpath-functions/math"),
    ("map", "http://www.w3.org/2005/xpath-functions/map"),
    ("array", "http://www.w3.org/2005/xpath-functions/array"),
    ("j", "http://www.w3.org/2005/xpath-functions"),
];

/// What an expression sees.
#[derive(Default)]
pub struct Context {
    pub documents: Vec<Arc<Document>>,
    pub namespaces: Vec<(String, String)>,
    pub default_namespace: Option<String>,
    pub names: Vec<String>,
    pub values: Vec<Value>,
    pub item: Option<Item>,
}

/// The outside of an evaluation: XML as the hub reads and writes it.
struct Outside;

impl Host for Outside {
    fn markup(&self) -> Option<&dyn Markup> {
        Some(&Xml)
    }
}

/// An evaluation without a value.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The W3C codes; several when the expression has several mistakes.
    pub codes: Vec<String>,
    pub text: String,
}

impl Context {
    /// The value, and the documents the expression made: they follow those of the context.
    pub fn evaluate(&self, text: &str) -> Result<(Value, Vec<Arc<Document>>), Ended> {
        let symbols = RefCell::default();
        let scope = Scope {
            namespaces: &self.namespaces,
            default_element_namespace: self.default_namespace.as_deref(),
            variables: &self.names,
            ..Scope::new(&symbols)
        };
        let formula = Formula::compile(text, &scope).map_err(|problems| Ended {
            codes: problems.0.iter().map(code_of).collect(),
            text: problems.0.first().map(|problem| problem.text.clone()).unwrap_or_default(),
        })?;
        let documents: Vec<&Document> = self.documents.iter().map(AsRef::as_ref).collect();
        let binding = Binding::new(&symbols.borrow(), &documents);
        let frame = Frame {
            documents: &documents,
            binding: &binding,
            item: self.item.as_ref(),
            position: 1,
            size: 1,
            variables: &self.values,
            host: &Outside,
            budget: &Budget::new(Limits::default().evaluation_steps),
            trace: None,
        };
        let value = formula.evaluate(&frame).map_err(|failure| match failure {
            Failure::Error { w3c, problem } => Ended { codes: vec![w3c.into_owned()], text: problem.text },
            other => Ended { codes: vec![], text: other.problem().text },
        })?;
        Ok((value, binding.into_made().into_iter().map(Arc::new).collect()))
    }

    /// The context of assertions about a result.
    pub fn about(&self, result: &Value, made: Vec<Arc<Document>>) -> Self {
        let mut namespaces = self.namespaces.clone();
        for (prefix, uri) in COMMON {
            if !namespaces.iter().any(|(known, _)| known == prefix) {
                namespaces.push(((*prefix).to_owned(), (*uri).to_owned()));
            }
        }
        Self {
            documents: self.documents.iter().cloned().chain(made).collect(),
            namespaces,
            default_namespace: self.default_namespace.clone(),
            names: vec!["result".into(), "other".into()],
            values: vec![result.clone(), Value::Empty],
            item: None,
        }
    }

    /// Calls with a frame that has the documents and nothing else.
    fn with_frame<T>(&self, then: impl FnOnce(&Frame<'_>) -> T) -> T {
        let documents = self.trees();
        then(&Frame {
            documents: &documents,
            binding: &Binding::default(),
            item: None,
            position: 1,
            size: 1,
            variables: &(),
            host: &(),
            budget: &Budget::new(Limits::default().evaluation_steps),
            trace: None,
        })
    }

    fn text_of(&self, item: &Item) -> String {
        self.with_frame(|frame| string_of(item, frame).into_owned())
    }

    fn trees(&self) -> Vec<&Document> {
        self.documents.iter().map(AsRef::as_ref).collect()
    }

    /// Whether an expression about the result is true.
    fn holds(&self, text: &str) -> Result<(), String> {
        match self.evaluate(text) {
            Ok((value, _)) => match value.effective_boolean() {
                Ok(true) => Ok(()),
                Ok(false) => Err("false".to_owned()),
                Err(failure) => Err(failure.to_string()),
            },
            Err(ended) => Err(format!("the assertion failed: {} {}", ended.codes.join(" "), ended.text)),
        }
    }

    /// Checks a result; the error says what was found instead.
    pub fn check(&self, result: &Value, expected: &Assertion) -> Result<(), String> {
        let wrong = || Err(format!("wrong value: {}", self.show(result)));
        let holds = |text: &str| self.holds(text).map_err(|said| format!("{said}: {}", self.show(result)));
        match expected {
            Assertion::AllOf(all) => all.iter().try_for_each(|each| self.check(result, each)),
            Assertion::AnyOf(all) => {
                let mut last = Ok(());
                for each in all {
                    last = self.check(result, each);
                    if last.is_ok() {
                        break;
                    }
                }
                last
            }
            Assertion::Not(one) => match self.check(result, one) {
                Ok(()) => wrong(),
                Err(_) => Ok(()),
            },
            Assertion::Holds(text) => holds(text),
            Assertion::Equal(text) => holds(&format!("$result eq ({text}\n)")),
            Assertion::DeepEqual(text) => holds(&format!("deep-equal($result, ({text}\n))")),
            Assertion::Permutation(text) => self.permutation(result, text),
            Assertion::Type(text) => holds(&format!("$result instance of {text}")),
            Assertion::Count(text) if text.trim().parse() == Ok(result.len()) => Ok(()),
            Assertion::Empty if result.is_empty() => Ok(()),
            Assertion::True if matches!(result, Value::One(Item::Boolean(true))) => Ok(()),
            Assertion::False if matches!(result, Value::One(Item::Boolean(false))) => Ok(()),
            Assertion::Text(text, normalize) => {
                let found = self.with_frame(|frame| result.text(frame).into_owned());
                let plain = |text: &str| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
                let is_same = if *normalize { plain(&found) == plain(text) } else { found == *text };
                if is_same { Ok(()) } else { wrong() }
            }
            Assertion::Xml(text) => {
                let (found, wanted) = (self.as_tree(result), tree::parse(&format!("<r>{}</r>", without_header(text))));
                match wanted {
                    Ok(wanted) if is_same_xml(&found, &wanted) => Ok(()),
                    Ok(_) => wrong(),
                    Err(error) => Err(format!("the expected XML is none: {error}")),
                }
            }
            Assertion::Matches(pattern, flags) => {
                let found = Value::One(Item::string(self.serialized(result)?));
                let quoted = |text: &str| text.replace('\'', "''");
                let test = format!("matches($other, '{}', '{}')", quoted(pattern), quoted(flags));
                let values = vec![result.clone(), found];
                Self { values, names: self.names.clone(), documents: self.documents.clone(), ..Self::default() }
                    .holds(&test)
                    .or_else(|_| wrong())
            }
            Assertion::Error(code) => Err(format!("no error but {}, instead of {code}", self.show(result))),
            Assertion::Other(name) => Err(format!("the assertion `{name}` is not known")),
            _ => wrong(),
        }
    }

    /// Whether the items are those of an expression in any order.
    fn permutation(&self, result: &Value, text: &str) -> Result<(), String> {
        let (wanted, _) = self.evaluate(text).map_err(|ended| format!("the assertion failed: {}", ended.text))?;
        let mut left: Vec<Item> = wanted.items().to_vec();
        for item in result.items() {
            let equal = |other: &Item| {
                let values = vec![Value::One(item.clone()), Value::One(other.clone())];
                let context = Self { values, names: self.names.clone(), ..self.about(result, Vec::new()) };
                context.holds("deep-equal($result, $other)").is_ok()
            };
            match left.iter().position(equal) {
                Some(at) => drop(left.remove(at)),
                None => return Err(format!("wrong value: {}", self.show(result))),
            }
        }
        if left.is_empty() { Ok(()) } else { Err(format!("wrong value: {}", self.show(result))) }
    }

    /// The result as the content of an element (Serialization 3.1 §2, sequence normalization).
    fn as_tree(&self, result: &Value) -> Document {
        let documents = self.trees();
        let mut builder = Builder::default();
        let name = builder.names().intern("", "r");
        builder.start(name, None);
        let mut follows_atomic = false;
        for item in result.items() {
            match item {
                Item::Node(document, node) => {
                    let tree = documents[usize::from(*document)];
                    match tree.kind(*node) {
                        Kind::Document => tree.children(*node).for_each(|child| builder.copy(tree, child)),
                        _ => builder.copy(tree, *node),
                    }
                    follows_atomic = false;
                }
                other => {
                    if follows_atomic {
                        builder.text(Text::Copied(" "), None);
                    }
                    builder.text(Text::Copied(&self.text_of(other)), None);
                    follows_atomic = true;
                }
            }
        }
        builder.end();
        builder.finish()
    }

    fn serialized(&self, result: &Value) -> Result<String, String> {
        let options = WriteOptions { declaration: false, layout: Layout::Compact, ..WriteOptions::default() };
        let bytes = write(&self.as_tree(result), Syntax::Xml, &options).map_err(|problem| problem.to_string())?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        let inner = text.strip_prefix("<r>").and_then(|text| text.strip_suffix("</r>"));
        Ok(inner.unwrap_or_default().to_owned())
    }

    /// A value for people: at most some items of it.
    pub fn show(&self, value: &Value) -> String {
        let show = |item: &Item| match item {
            Item::Map(map) => {
                let entries: Vec<_> =
                    map.entries().map(|(key, value)| format!("{}: {}", self.text_of(key), self.show(value))).collect();
                format!("map{{{}}}", entries.join(", "))
            }
            Item::Array(array) => {
                format!("[{}]", array.iter().map(|value| self.show(value)).collect::<Vec<_>>().join(", "))
            }
            other => {
                let text: String = self.text_of(other).chars().take(200).collect();
                format!("{} {text:?}", other.type_name())
            }
        };
        let shown: Vec<_> = value.items().iter().take(20).map(show).collect();
        format!("({}{})", shown.join(", "), if value.len() > 20 { ", …" } else { "" })
    }
}

/// Whether an error is one of those expected.
pub fn is_expected_error(ended: &Ended, expected: &Assertion) -> bool {
    match expected {
        Assertion::AllOf(all) => all.iter().all(|each| is_expected_error(ended, each)),
        Assertion::AnyOf(all) => all.iter().any(|each| is_expected_error(ended, each)),
        Assertion::Not(one) => !is_expected_error(ended, one),
        Assertion::Error(code) => {
            let local = code.rsplit(['}', ':']).next().unwrap_or_default();
            !ended.codes.is_empty()
                && (code == "*" || ended.codes.iter().any(|found| found.rsplit('}').next() == Some(local)))
        }
        _ => false,
    }
}

/// The W3C code of a problem found beforehand: in its text, or the one its code stands for.
fn code_of(problem: &Problem) -> String {
    let is_code = |text: &str| {
        text.len() == 8 && text.is_char_boundary(4) && {
            let (letters, digits) = text.split_at(4);
            letters.bytes().all(|byte| byte.is_ascii_uppercase()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
    };
    let said = problem.text.split(['(', ')', ' ', '`']).find(|part| is_code(part));
    let usual = match problem.code.id {
        "XD-X001" => "XPST0003",
        "XD-X002" => "XPST0081",
        "XD-X003" => "XPST0008",
        "XD-X004" => "XPST0017",
        "XD-X005" => "XPST0051",
        "XD-X020" => "XPTY0004",
        "XD-X021" => "FORG0001",
        other => other,
    };
    said.unwrap_or(usual).to_owned()
}

fn without_header(text: &str) -> &str {
    let text = text.trim_start();
    match text.strip_prefix("<?xml ") {
        Some(rest) => rest.split_once("?>").map_or(text, |(_, rest)| rest),
        None => text,
    }
}

/// The same, but for blanks at both ends.
fn is_same_xml(found: &Document, wanted: &Document) -> bool {
    let content = |tree: &Document| -> Vec<NodeId> {
        let Some(root) = tree.root_element() else { return Vec::new() };
        let is_blank = |node: &NodeId| tree.kind(*node) == Kind::Text && tree.own_text(*node).trim().is_empty();
        let mut all: Vec<_> = tree.children(root).collect();
        while all.last().is_some_and(is_blank) {
            all.pop();
        }
        let from = all.iter().position(|node| !is_blank(node)).unwrap_or(all.len());
        all.split_off(from)
    };
    let (left, right) = (content(found), content(wanted));
    left.len() == right.len() && left.iter().zip(&right).all(|(a, b)| tree::is_same((found, *a), (wanted, *b)))
}
