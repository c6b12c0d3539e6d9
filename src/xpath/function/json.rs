//! Functions on JSON (F&O 3.1 §17.5): to maps and arrays, to XML and back.

use std::{collections::HashSet, sync::Arc};

use super::{
    Call, FUNCTIONS, Function,
    Yields::Other,
    json_text::{self, Json},
    string,
    string::SPACE,
};
use crate::{
    document::{Builder, Decimal, Document, Kind, Name, NodeId, Text},
    xpath::{
        Failure, Item, Map, Value,
        cast::{AtomicType, cast},
    },
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "parse-json",
        arity: (1, 2),
        signature: "parse-json($text as xs:string?, $options as map(*)) as item()?",
        doc: "The value of a JSON text: maps, arrays, texts, booleans and doubles; null is nothing. Exact numbers: `json-to-xml`.",
        examples: &[
            ("parse-json('{\"a\": [1, 2]}')?a?2", "2"),
            ("parse-json('{\"a\": 1, \"a\": 2}', map{'duplicates': 'use-last'})?a", "2"),
        ],
        yields: Other,
        call: |call| {
            let Some(options) = Options::of(call, false)? else { return Ok(Value::Empty) };
            let Some(json) = read(call, &options)? else { return Ok(Value::Empty) };
            value_of(json, &options)
        },
    },
    Function {
        name: "json-to-xml",
        arity: (1, 2),
        signature: "json-to-xml($text as xs:string?, $options as map(*)) as document-node()?",
        doc: "A document in the namespace of functions that says what a JSON text says; numbers as written.",
        examples: &[("json-to-xml('{\"a\": 1.50}')/*:map/*:number[@key = 'a']", "1.50")],
        yields: Other,
        call: |call| {
            let Some(options) = Options::of(call, true)? else { return Ok(Value::Empty) };
            let Some(json) = read(call, &options)? else { return Ok(Value::Empty) };
            let mut builder = Builder::default();
            builder.names().prefer_prefix(FUNCTIONS, "");
            let names = Names::of(&mut builder);
            element(&mut builder, &names, json, None, &options)?;
            Ok(Item::Node(call.frame.add_document(builder.finish())?, NodeId::ROOT).into())
        },
    },
    Function {
        name: "xml-to-json",
        arity: (1, 2),
        signature: "xml-to-json($node as node()?, $options as map(*)) as xs:string?",
        doc: "The JSON text that a document made by `json-to-xml`, or one like it, says.",
        examples: &[("xml-to-json(json-to-xml('{ \"a\" : [1, null] }'))", "{\"a\":[1,null]}")],
        yields: Other,
        call: xml_to_json,
    },
];

/// What to do with a repeated name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duplicates {
    Reject,
    First,
    Last,
    Retain,
}

struct Options {
    duplicates: Duplicates,
    escape: bool,
}

/// The one boolean of an option.
fn truth(call: &Call<'_>, value: &Value, name: &str) -> Result<bool, Failure> {
    let wrong = || Failure::error("XPTY0004", format!("option `{name}` must be true or false"));
    match value.items() {
        [item] => match cast(call.frame, item, AtomicType::Boolean) {
            Ok(Item::Boolean(truth)) if matches!(item.base(), Item::Boolean(_) | Item::Untyped(_) | Item::Node(..)) => {
                Ok(truth)
            }
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// The options' map.
fn options<'a>(call: &Call<'a>) -> Option<&'a Map> {
    match call.value(1).first() {
        Some(Item::Map(map)) => Some(map),
        _ => None,
    }
}

impl Options {
    /// `None` when there is no text to read.
    fn of(call: &Call<'_>, to_xml: bool) -> Result<Option<Self>, Failure> {
        let mut made = Self { duplicates: if to_xml { Duplicates::Retain } else { Duplicates::First }, escape: false };
        let Some(map) = options(call) else { return Ok((!call.value(0).is_empty()).then_some(made)) };
        let option = |name: &str| map.get(&Item::string(name));
        let wrong = |text: &str| Failure::error("FOJS0005", text);
        if let Some(value) = option("liberal") {
            truth(call, value, "liberal")?;
        }
        if let Some(value) = option("escape") {
            made.escape = truth(call, value, "escape")?;
        }
        if let Some(value) = option("validate")
            && to_xml
            && truth(call, value, "validate")?
        {
            return Err(Failure::error("FOJS0004", "there is no schema to validate with"));
        }
        if option("fallback").is_some() {
            let text = "there are no function items, so no option `fallback`";
            return Err(if made.escape { wrong(text) } else { Failure::error("XPTY0004", text) });
        }
        if let Some(value) = option("duplicates") {
            let [item] = value.items() else {
                return Err(Failure::error("XPTY0004", "option `duplicates` must be one text"));
            };
            if !matches!(item.base(), Item::String(_) | Item::Untyped(_) | Item::Node(..)) {
                return Err(Failure::error("XPTY0004", "option `duplicates` must be a text"));
            }
            made.duplicates = match &*call.frame.text_of(item) {
                "reject" => Duplicates::Reject,
                "use-first" => Duplicates::First,
                "use-last" if !to_xml => Duplicates::Last,
                "retain" if to_xml => Duplicates::Retain,
                _ => {
                    return Err(wrong("option `duplicates` is `reject`, `use-first`, or `use-last` (`retain` to XML)"));
                }
            };
        }
        Ok((!call.value(0).is_empty()).then_some(made))
    }
}

fn read(call: &Call<'_>, options: &Options) -> Result<Option<Json>, Failure> {
    let Some(text) = call.optional_string(0)? else { return Ok(None) };
    call.frame.budget.take(text.len() as u64 / 4)?;
    let read = json_text::parse(&text, options.escape);
    read.map(Some).map_err(|why| Failure::error("FOJS0001", format!("the text is no JSON: {why}")))
}

/// The members that count.
fn members(members: Vec<(String, Json)>, options: &Options) -> Result<Vec<(String, Json)>, Failure> {
    if options.duplicates == Duplicates::Retain {
        return Ok(members);
    }
    let name = |text: &str| if options.escape { json_text::unescaped(text) } else { text.to_owned() };
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(members.len());
    let last = options.duplicates == Duplicates::Last;
    let ordered: Box<dyn Iterator<Item = _>> =
        if last { Box::new(members.into_iter().rev()) } else { Box::new(members.into_iter()) };
    for (key, value) in ordered {
        if seen.insert(name(&key)) {
            kept.push((key, value));
        } else if options.duplicates == Duplicates::Reject {
            return Err(Failure::error("FOJS0003", "an object has a name twice"));
        }
    }
    if last {
        kept.reverse();
    }
    Ok(kept)
}

fn value_of(json: Json, options: &Options) -> Result<Value, Failure> {
    Ok(match json {
        Json::Null => Value::Empty,
        Json::Boolean(value) => value.into(),
        Json::Number(text) => Item::Double(text.parse().unwrap_or(f64::NAN)).into(),
        Json::String(text) => Item::string(text).into(),
        Json::Array(all) => {
            let members: Result<Vec<_>, _> = all.into_iter().map(|one| value_of(one, options)).collect();
            Item::Array(Arc::new(members?)).into()
        }
        Json::Object(all) => {
            let mut map = Map::default();
            for (key, value) in members(all, options)? {
                map.put(Item::string(key), value_of(value, options)?);
            }
            Item::Map(Arc::new(map)).into()
        }
    })
}

/// The names of JSON as XML.
struct Names {
    map: Name,
    array: Name,
    string: Name,
    number: Name,
    boolean: Name,
    null: Name,
    key: Name,
    escaped: Name,
    escaped_key: Name,
}

impl Names {
    fn of(builder: &mut Builder) -> Self {
        let mut name = |namespace, local| builder.names().intern(namespace, local);
        Self {
            map: name(FUNCTIONS, "map"),
            array: name(FUNCTIONS, "array"),
            string: name(FUNCTIONS, "string"),
            number: name(FUNCTIONS, "number"),
            boolean: name(FUNCTIONS, "boolean"),
            null: name(FUNCTIONS, "null"),
            key: name("", "key"),
            escaped: name("", "escaped"),
            escaped_key: name("", "escaped-key"),
        }
    }
}

fn element(
    builder: &mut Builder,
    names: &Names,
    json: Json,
    key: Option<&str>,
    options: &Options,
) -> Result<(), Failure> {
    let name = match &json {
        Json::Null => names.null,
        Json::Boolean(_) => names.boolean,
        Json::Number(_) => names.number,
        Json::String(_) => names.string,
        Json::Array(_) => names.array,
        Json::Object(_) => names.map,
    };
    builder.start(name, None);
    if let Some(key) = key {
        builder.attribute(names.key, Text::Copied(key), None);
        if options.escape && key.contains('\\') {
            builder.attribute(names.escaped_key, Text::Copied("true"), None);
        }
    }
    match json {
        Json::Null => {}
        Json::Boolean(value) => {
            builder.text(Text::Copied(if value { "true" } else { "false" }), None);
        }
        Json::Number(text) => {
            builder.text(Text::Copied(&text), None);
        }
        Json::String(text) => {
            if options.escape && text.contains('\\') {
                builder.attribute(names.escaped, Text::Copied("true"), None);
            }
            if !text.is_empty() {
                builder.text(Text::Copied(&text), None);
            }
        }
        Json::Array(all) => {
            for one in all {
                element(builder, names, one, None, options)?;
            }
        }
        Json::Object(all) => {
            for (key, value) in members(all, options)? {
                element(builder, names, value, Some(&key), options)?;
            }
        }
    }
    builder.end();
    Ok(())
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::error("FOJS0006", format!("the XML does not say JSON: {why}"))
}

fn xml_to_json(call: &Call<'_>) -> Result<Value, Failure> {
    if let Some(indent) = options(call).and_then(|map| map.get(&Item::string("indent"))) {
        truth(call, indent, "indent")?;
    }
    let Some(Item::Node(document, node)) = call.optional(0)? else { return Ok(Value::Empty) };
    let Some(tree) = call.frame.document(*document) else { return Ok(Value::Empty) };
    let root = match tree.kind(*node) {
        Kind::Element => Some(*node),
        Kind::Document => match content(tree, *node)?.as_slice() {
            [only] => Some(*only),
            _ => None,
        },
        _ => None,
    };
    let root = root.ok_or_else(|| invalid("one element is needed"))?;
    call.frame.budget.take((tree.end(root) - root.index()) as u64)?;
    let mut made = String::new();
    write(call, tree, root, &mut made, 0)?;
    string(made)
}

/// The child elements; between them may only be white space.
fn content(tree: &Document, node: NodeId) -> Result<Vec<NodeId>, Failure> {
    let text =
        |child: &NodeId| tree.kind(*child) == Kind::Text && !tree.own_text(*child).trim_matches(SPACE).is_empty();
    if tree.children(node).any(|child| text(&child)) {
        return Err(invalid("text stands between values"));
    }
    Ok(tree.elements(node).collect())
}

/// An attribute that is true or false.
fn flag(tree: &Document, node: NodeId, name: &str) -> Result<bool, Failure> {
    let found = tree.names().find("", name).and_then(|name| tree.attribute(node, name));
    match found.map(|found| tree.own_text(found).trim_matches(SPACE)) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(invalid(format!("`{name}` is neither true nor false"))),
    }
}

/// A text in quotes, its escapes kept when it says so.
fn quoted(text: &str, escaped: bool) -> Result<String, Failure> {
    if !escaped {
        return Ok(json_text::quoted(text));
    }
    json_text::quoted_escaped(text).ok_or_else(|| Failure::error("FOJS0007", "an escape of the text is none in JSON"))
}

fn write(call: &Call<'_>, tree: &Document, node: NodeId, made: &mut String, depth: usize) -> Result<(), Failure> {
    /// Elements in elements deeper than this are refused.
    const MAX_DEPTH: usize = 256;
    if depth > MAX_DEPTH {
        return Err(invalid(format!("values lie deeper than {MAX_DEPTH}")));
    }
    let name = tree.qname(node).filter(|name| &*name.namespace == FUNCTIONS).map(|name| &*name.local);
    let name = name.ok_or_else(|| invalid(format!("`{}` is not in the namespace of functions", tree.path(node))))?;
    for attribute in tree.attributes(node) {
        let Some(attribute) = tree.qname(attribute) else { continue };
        let known = match &*attribute.local {
            "key" | "escaped-key" => true,
            "escaped" => name == "string",
            _ => false,
        };
        if (attribute.namespace.is_empty() && !known) || &*attribute.namespace == FUNCTIONS {
            return Err(invalid(format!("attribute `{}` means nothing", attribute.local)));
        }
    }
    flag(tree, node, "escaped-key")?;
    if matches!(name, "string" | "number" | "boolean" | "null") && tree.elements(node).next().is_some() {
        return Err(invalid(format!("a `{name}` holds elements")));
    }
    let text = tree.string_value(node);
    match name {
        "null" if text.trim_matches(SPACE).is_empty() => made.push_str("null"),
        "null" => return Err(invalid("a `null` holds text")),
        "boolean" => made.push_str(match text.trim_matches(SPACE) {
            "true" | "1" => "true",
            "false" | "0" => "false",
            _ => return Err(invalid("a `boolean` is neither true nor false")),
        }),
        "number" => made.push_str(&number(call, &text)?),
        "string" => made.push_str(&quoted(&text, flag(tree, node, "escaped")?)?),
        "array" => {
            made.push('[');
            for (at, child) in content(tree, node)?.into_iter().enumerate() {
                if at > 0 {
                    made.push(',');
                }
                write(call, tree, child, made, depth + 1)?;
            }
            made.push(']');
        }
        "map" => {
            made.push('{');
            let key = tree.names().find("", "key");
            let mut seen = HashSet::new();
            for (at, child) in content(tree, node)?.into_iter().enumerate() {
                if at > 0 {
                    made.push(',');
                }
                let key = key.and_then(|key| tree.attribute(child, key)).map(|key| tree.own_text(key));
                let key = key.ok_or_else(|| invalid("a member of a `map` has no `key`"))?;
                let escaped = flag(tree, child, "escaped-key")?;
                if !seen.insert(if escaped { json_text::unescaped(key) } else { key.to_owned() }) {
                    return Err(invalid("a `map` has a key twice"));
                }
                made.push_str(&quoted(key, escaped)?);
                made.push(':');
                write(call, tree, child, made, depth + 1)?;
            }
            made.push('}');
        }
        other => return Err(invalid(format!("there is no value `{other}`"))),
    }
    Ok(())
}

/// A number: exactly when it is a decimal, else as a double is written.
fn number(call: &Call<'_>, text: &str) -> Result<String, Failure> {
    if let Ok(exact) = Decimal::parse(text) {
        return Ok(exact.to_string());
    }
    let double = cast(call.frame, &Item::Untyped(text.into()), AtomicType::Double).ok();
    match double {
        Some(item @ Item::Double(value)) if value.is_finite() => Ok(call.frame.text_of(&item).into_owned()),
        _ => Err(invalid("a `number` is none")),
    }
}
