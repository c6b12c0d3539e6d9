//! `crossdock schema tree` and `schema show`: what documents of a type may hold.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::subject::Subject;
use crate::{
    base::suggest,
    cli::{
        Common, Exit, Failed,
        outcome::{out, print_json},
    },
    schema::{Attribute, Child, Model, Simple, SimpleKind, Type, TypeId},
};

/// What `schema tree` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock schema tree hub/sales-order@1\n  \
    crossdock schema tree ubl/2.4/Order --depth 2       a root element of a family that was added\n  \
    crossdock schema tree ./order.xsd --depth 9 --json")]
pub struct Tree {
    /// A document type, a .xsd file, or FAMILY/VERSION/ROOT.
    #[arg(value_name = "ROOT")]
    of: String,
    /// How many levels below the root.
    #[arg(long, default_value_t = 3, value_name = "N")]
    depth: usize,
}

/// What `schema show` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock schema show hub/sales-order@1 SalesOrder/Line/Quantity\n  \
    crossdock schema show ubl/2.4/Order Order/OrderLine/LineItem\n  \
    crossdock schema show ./order.xsd order/@number --json")]
pub struct Show {
    /// A document type, a .xsd file, or FAMILY/VERSION/ROOT.
    #[arg(value_name = "SCHEMA")]
    of: String,
    /// The path from the root element, as in SalesOrder/Line/@number; without it, the root elements.
    path: Option<String>,
}

/// The most lines of a tree; more help nobody.
const MOST_LINES: usize = 5000;

/// Prints the field tree.
pub fn tree(common: &Common, arguments: &Tree) -> Result<Exit, Failed> {
    let subject = Subject::find(common, &arguments.of)?;
    let mut drawing = Drawing { model: &subject.model, depth: arguments.depth, lines: Vec::new(), open: Vec::new() };
    let roots: Vec<Value> = subject.roots().into_iter().map(|root| drawing.element(root, 0)).collect();
    let is_cut = drawing.lines.len() >= MOST_LINES;
    if common.json {
        print_json(&json!({"schema": subject.name, "depth": arguments.depth, "cut": is_cut, "roots": roots}));
        return Ok(Exit::Ok);
    }
    let width = drawing.lines.iter().map(|(name, _, _)| name.chars().count()).max().unwrap_or_default().min(60);
    for (name, occurs, about) in &drawing.lines {
        let line = format!("{name:width$}  {occurs:>4}  {about}");
        out(format_args!("{}", line.trim_end()));
    }
    if is_cut {
        out(format_args!("… and more: at most {MOST_LINES} lines are shown; choose a smaller --depth"));
    }
    Ok(Exit::Ok)
}

/// A tree as it is drawn.
struct Drawing<'m> {
    model: &'m Model,
    depth: usize,
    /// Name with its indent, occurrence, what it is.
    lines: Vec<(String, String, String)>,
    /// The types around.
    open: Vec<TypeId>,
}

impl Drawing<'_> {
    fn element(&mut self, child: &Child, level: usize) -> Value {
        let of = self.model.get(child.of);
        let recurs = self.open.contains(&child.of) && !of.children.is_empty();
        let below = !of.children.is_empty() && level >= self.depth;
        let mut about = of_type(of);
        if recurs {
            about.push_str(" ↻ as above");
        } else if below {
            about.push_str(" …");
        }
        let occurs = if level == 0 { String::new() } else { occurs(child) };
        self.lines.push((format!("{}{}", "  ".repeat(level), child.name.local), occurs, about));
        let mut value = element_json(child, of);
        value.insert("recursive".to_owned(), json!(recurs));
        if recurs || level >= self.depth || self.lines.len() >= MOST_LINES {
            return Value::Object(value);
        }
        for attribute in &of.attributes {
            let occurs = if attribute.required { "1..1" } else { "0..1" };
            let name = format!("{}@{}", "  ".repeat(level + 1), attribute.name.local);
            self.lines.push((name, occurs.to_owned(), words(&attribute.value)));
        }
        self.open.push(child.of);
        let mut children = Vec::new();
        for child in &of.children {
            if self.lines.len() >= MOST_LINES {
                break;
            }
            children.push(self.element(child, level + 1));
        }
        self.open.pop();
        value.insert("attributes".to_owned(), of.attributes.iter().map(attribute_json).collect());
        value.insert("children".to_owned(), Value::Array(children));
        Value::Object(value)
    }
}

/// Prints what may stand at a path.
pub fn show(common: &Common, arguments: &Show) -> Result<Exit, Failed> {
    let subject = Subject::find(common, &arguments.of)?;
    let path = arguments.path.as_deref().unwrap_or_default();
    let Some((first, rest)) = path.split_once('/').or((!path.is_empty()).then_some((path, ""))) else {
        return roots(common, &subject);
    };
    let roots = subject.roots();
    let root = roots.iter().find(|root| *root.name.local == *first);
    let Some(root) = root else {
        return Err(missing(first, &subject.name, roots.iter().map(|root| &*root.name.local)));
    };
    let mut at = *root;
    let mut walked = first.to_owned();
    for step in rest.split('/').filter(|step| !step.is_empty()) {
        let of = subject.model.get(at.of);
        if let Some(name) = step.strip_prefix('@') {
            let Some(attribute) = of.attributes.iter().find(|attribute| *attribute.name.local == *name) else {
                return Err(missing(step, &walked, of.attributes.iter().map(|known| &*known.name.local)));
            };
            return show_attribute(common, &subject.name, path, attribute);
        }
        let Some(child) = of.children.iter().find(|child| *child.name.local == *step) else {
            return Err(missing(step, &walked, of.children.iter().map(|child| &*child.name.local)));
        };
        at = child;
        let _ = write!(walked, "/{step}");
    }
    show_element(common, &subject, path, at);
    Ok(Exit::Ok)
}

fn roots(common: &Common, subject: &Subject) -> Result<Exit, Failed> {
    let roots = subject.roots();
    if common.json {
        let roots: Vec<Value> =
            roots.iter().map(|root| Value::Object(element_json(root, subject.model.get(root.of)))).collect();
        print_json(&json!({"schema": subject.name, "roots": roots}));
    } else {
        for root in roots {
            out(format_args!("{}  {}", root.name.local, of_type(subject.model.get(root.of))));
        }
    }
    Ok(Exit::Ok)
}

fn missing<'a>(step: &str, place: &str, known: impl Iterator<Item = &'a str> + Clone) -> Failed {
    let text = format!("`{place}` has no `{step}`");
    let hint = match suggest(step.trim_start_matches('@'), known.clone()) {
        Some(best) => format!("; did you mean `{best}`?"),
        None => {
            let names: Vec<&str> = known.take(20).collect();
            if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) }
        }
    };
    Failed::new(Exit::NotFound, format!("{text}{hint}"))
}

fn show_attribute(common: &Common, schema: &str, path: &str, attribute: &Attribute) -> Result<Exit, Failed> {
    if common.json {
        let mut value = attribute_json(attribute);
        value["schema"] = json!(schema);
        value["path"] = json!(path);
        print_json(&value);
        return Ok(Exit::Ok);
    }
    out(format_args!("{path}"));
    row("attribute", if attribute.required { "required" } else { "optional" });
    row("namespace", &attribute.name.namespace);
    row("value", &words(&attribute.value));
    rows_of(&attribute.value);
    row("says", attribute.doc.as_deref().unwrap_or_default());
    Ok(Exit::Ok)
}

fn show_element(common: &Common, subject: &Subject, path: &str, child: &Child) {
    let of = subject.model.get(child.of);
    if common.json {
        let mut value = element_json(child, of);
        value.insert("schema".to_owned(), json!(subject.name));
        value.insert("path".to_owned(), json!(path));
        value.insert("attributes".to_owned(), of.attributes.iter().map(attribute_json).collect());
        let children = of.children.iter().map(|child| Value::Object(element_json(child, subject.model.get(child.of))));
        value.insert("children".to_owned(), children.collect());
        return print_json(&Value::Object(value));
    }
    out(format_args!("{path}"));
    let mut about = occurs(child);
    for (holds, word) in [(child.in_choice, "in a choice"), (child.nillable, "may be nil"), (of.open, "open")] {
        if holds {
            let _ = write!(about, ", {word}");
        }
    }
    row("element", &about);
    row("namespace", &child.name.namespace);
    row("type", of.name.as_deref().unwrap_or_default());
    if let Some(value) = &of.value {
        row("value", &words(value));
        rows_of(value);
    }
    row("says", child.doc.as_deref().unwrap_or_default());
    for attribute in &of.attributes {
        let occurs = if attribute.required { "1..1" } else { "0..1" };
        row("attribute", &format!("@{}  {occurs}  {}", attribute.name.local, words(&attribute.value)));
    }
    for child in &of.children {
        let line = format!("{}  {}  {}", child.name.local, occurs(child), of_type(subject.model.get(child.of)));
        row("child", line.trim_end());
    }
}

fn row(name: &str, text: &str) {
    if !text.is_empty() {
        out(format_args!("  {name:<10} {text}"));
    }
}

/// The facets that are lists.
fn rows_of(value: &Simple) {
    if !value.enumeration.is_empty() {
        let words: Vec<String> = value.enumeration.iter().map(|word| format!("`{word}`")).collect();
        row("one of", &words.join(", "));
    }
    for pattern in &value.patterns {
        row("form", &pattern.to_string());
    }
}

fn occurs(child: &Child) -> String {
    match child.max {
        Some(max) => format!("{}..{max}", child.min),
        None => format!("{}..*", child.min),
    }
}

/// What an element holds, in a few words.
fn of_type(of: &Type) -> String {
    let mut text = match (&of.value, &of.name) {
        (Some(value), _) if of.children.is_empty() => words(value),
        (_, Some(name)) => name.to_string(),
        _ => String::new(),
    };
    if of.open {
        text.push_str(if text.is_empty() { "anything" } else { ", and anything" });
    }
    text
}

/// The name of a kind as in XML Schema.
fn kind(kind: SimpleKind) -> &'static str {
    match kind {
        SimpleKind::String => "string",
        SimpleKind::Decimal => "decimal",
        SimpleKind::Integer => "integer",
        SimpleKind::Double => "double",
        SimpleKind::Boolean => "boolean",
        SimpleKind::Date => "date",
        SimpleKind::DateTime => "dateTime",
        SimpleKind::Time => "time",
    }
}

/// A simple type in a few words: `decimal, at most 2 digits after the point`.
fn words(value: &Simple) -> String {
    let mut parts =
        vec![if value.list { format!("list of {}", kind(value.kind)) } else { kind(value.kind).to_owned() }];
    match (value.min_length, value.max_length) {
        (Some(least), Some(most)) if least == most => parts.push(format!("{most} characters")),
        (Some(least), Some(most)) => parts.push(format!("{least} to {most} characters")),
        (None, Some(most)) => parts.push(format!("at most {most} characters")),
        (Some(least), None) => parts.push(format!("at least {least} characters")),
        (None, None) => (),
    }
    if let Some(most) = value.total_digits {
        parts.push(format!("at most {most} digits"));
    }
    if let Some(most) = value.fraction_digits {
        parts.push(format!("at most {most} digits after the point"));
    }
    if let Some((least, out)) = &value.least {
        parts.push(format!("{} {least}", if *out { "greater than" } else { "at least" }));
    }
    if let Some((most, out)) = &value.greatest {
        parts.push(format!("{} {most}", if *out { "less than" } else { "at most" }));
    }
    match value.enumeration.len() {
        0 => (),
        few @ 1..=4 => {
            let listed: Vec<String> = value.enumeration.iter().take(few).map(|word| format!("`{word}`")).collect();
            parts.push(listed.join(" | "));
        }
        many => parts.push(format!("one of {many} words")),
    }
    if !value.patterns.is_empty() {
        parts.push("of a form".to_owned());
    }
    parts.join(", ")
}

fn element_json(child: &Child, of: &Type) -> Map<String, Value> {
    let value = json!({
        "name": &*child.name.local,
        "namespace": &*child.name.namespace,
        "min": child.min,
        "max": child.max,
        "choice": child.in_choice,
        "nillable": child.nillable,
        "type": of.name.as_deref(),
        "open": of.open,
        "value": of.value.as_ref().map(simple_json),
        "documentation": child.doc.as_deref(),
    });
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn attribute_json(attribute: &Attribute) -> Value {
    json!({
        "name": &*attribute.name.local,
        "namespace": &*attribute.name.namespace,
        "required": attribute.required,
        "value": simple_json(&attribute.value),
        "documentation": attribute.doc.as_deref(),
    })
}

fn simple_json(value: &Simple) -> Value {
    let bound = |bound: &Option<(crate::document::Decimal, bool)>| {
        bound.as_ref().map(|(at, out)| json!({"value": at.to_string(), "exclusive": out}))
    };
    json!({
        "kind": kind(value.kind),
        "list": value.list,
        "enumeration": value.enumeration.iter().map(|word| &**word).collect::<Vec<_>>(),
        "patterns": value.patterns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "min_length": value.min_length,
        "max_length": value.max_length,
        "total_digits": value.total_digits,
        "fraction_digits": value.fraction_digits,
        "least": bound(&value.least),
        "greatest": bound(&value.greatest),
    })
}
