//! Functions with regular expressions (F&O 3.1 §5.6): in linear time, so without back-references.

use std::{borrow::Cow, sync::Arc};

use regex::Captures;

use super::{Call, FUNCTIONS, Function, Prepared, Yields::Other, boolean, pattern::Pattern, string, string::SPACE};
use crate::{
    document::{Builder, Name, NodeId, Text},
    xpath::{Failure, Item, Value},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "matches",
        arity: (2, 3),
        signature: "matches($text as xs:string?, $pattern as xs:string, $flags as xs:string) as xs:boolean",
        doc: "Whether a part of the text matches a regular expression.",
        examples: &[("matches('SO-2013', '^SO-\\d+$')", "true"), ("matches('abc', 'B', 'i')", "true")],
        yields: Other,
        call: |call| boolean(with_pattern(call, 2)?.regex.is_match(&call.string(0)?)),
    },
    Function {
        name: "replace",
        arity: (3, 4),
        signature: "replace($text as xs:string?, $pattern as xs:string, $by as xs:string, $flags as xs:string) as xs:string",
        doc: "The text with every match of a regular expression replaced; `$1` is the first group.",
        examples: &[("replace('20130618', '^(\\d{4})(\\d\\d)(\\d\\d)$', '$1-$2-$3')", "2013-06-18")],
        yields: Other,
        call: |call| {
            let pattern = with_pattern(call, 3)?;
            not_empty(&pattern)?;
            let by = pattern.replacement(&call.string(2)?)?;
            let text = call.string(0)?;
            // every character may be replaced; groups repeat at most the whole text
            let groups = 1 + by.matches('$').count() * text.len() / 64;
            call.frame.budget.take_text(text.len().saturating_mul(by.len() + groups))?;
            string(&*pattern.regex.replace_all(&text, by.as_str()))
        },
    },
    Function {
        name: "tokenize",
        arity: (1, 3),
        signature: "tokenize($text as xs:string?, $pattern as xs:string, $flags as xs:string) as xs:string*",
        doc: "The parts between the matches of a regular expression; without one, the words.",
        examples: &[("string-join(tokenize('a, b,c', ',\\s*'), '|')", "a|b|c"), ("count(tokenize(' a  b '))", "2")],
        yields: Other,
        call: |call| {
            let text = call.string(0)?;
            if !call.has(1) {
                let words = text.split(SPACE).filter(|word| !word.is_empty());
                return Ok(words.map(Item::string).collect());
            }
            let pattern = with_pattern(call, 2)?;
            not_empty(&pattern)?;
            if text.is_empty() {
                return Ok(Value::Empty);
            }
            if text.is_empty() {
                return Ok(Value::Empty);
            }
            Ok(pattern.regex.split(&text).map(Item::string).collect())
        },
    },
    Function {
        name: "analyze-string",
        arity: (2, 3),
        signature: "analyze-string($text as xs:string?, $pattern as xs:string, $flags as xs:string) as element()",
        doc: "An element with the parts of the text that match (`fn:match`, with `fn:group`) and the others (`fn:non-match`).",
        examples: &[
            ("string-join(analyze-string('a1b22', '\\d+')/*:match, ' ')", "1 22"),
            ("analyze-string('SO-2013', '(\\w+)-(\\d+)')//*:group[@nr = 2]", "2013"),
        ],
        yields: Other,
        call: analyze_string,
    },
];

fn with_pattern<'a>(call: &Call<'a>, flags: usize) -> Result<Cow<'a, Pattern>, Failure> {
    match call.prepared {
        Some(Prepared::Pattern(pattern)) => Ok(Cow::Borrowed(pattern)),
        _ => {
            let pattern = call.string(1)?;
            // compiling costs far more than reading
            call.frame.budget.take(1_000 + 16 * pattern.len() as u64)?;
            Pattern::compile(&pattern, &call.string(flags)?).map(Cow::Owned)
        }
    }
}

fn not_empty(pattern: &Pattern) -> Result<(), Failure> {
    if pattern.regex.is_match("") {
        return Err(Failure::error("FORX0003", "the pattern matches the empty string"));
    }
    Ok(())
}

/// The prefix `fn`.
const PREFIX: &str = "fn";

/// The names of a result of `analyze-string`.
struct Names {
    matched: Name,
    group: Name,
    number: Name,
}

fn analyze_string(call: &Call<'_>) -> Result<Value, Failure> {
    let pattern = with_pattern(call, 2)?;
    not_empty(&pattern)?;
    let text = call.string(0)?;
    call.frame.budget.take_text(text.len())?;
    let mut builder = Builder::new(Arc::from(&*text));
    builder.names().prefer_prefix(FUNCTIONS, PREFIX);
    let root = builder.names().intern(FUNCTIONS, "analyze-string-result");
    let other = builder.names().intern(FUNCTIONS, "non-match");
    let names = Names {
        matched: builder.names().intern(FUNCTIONS, "match"),
        group: builder.names().intern(FUNCTIONS, "group"),
        number: builder.names().intern("", "nr"),
    };
    builder.start(root, None);
    let mut from = 0;
    let between = |builder: &mut Builder, from: usize, to: usize| {
        if from < to {
            builder.start(other, None);
            builder.text(Text::Source(from, to - from), None);
            builder.end();
        }
    };
    for found in pattern.regex.captures_iter(&text) {
        let Some(whole) = found.get(0) else { continue };
        between(&mut builder, from, whole.start());
        builder.start(names.matched, None);
        groups(&mut builder, &names, &pattern, &found, 0, (whole.start(), whole.end()));
        builder.end();
        from = whole.end();
        call.frame.budget.take_items(found.len())?;
    }
    between(&mut builder, from, text.len());
    builder.end();
    let made = call.frame.add_document(builder.finish())?;
    let root = call.frame.document(made).and_then(|document| document.root_element()).unwrap_or(NodeId::ROOT);
    Ok(Item::Node(made, root).into())
}

/// The text of a match or group, with the groups in it.
fn groups(
    builder: &mut Builder,
    names: &Names,
    pattern: &Pattern,
    found: &Captures<'_>,
    within: usize,
    (mut from, to): (usize, usize),
) {
    for group in (1..found.len()).filter(|group| pattern.within.get(*group) == Some(&within)) {
        let Some(inner) = found.get(group).filter(|inner| from <= inner.start() && inner.end() <= to) else { continue };
        if from < inner.start() {
            builder.text(Text::Source(from, inner.start() - from), None);
        }
        builder.start(names.group, None);
        builder.attribute(names.number, Text::Copied(&group.to_string()), None);
        groups(builder, names, pattern, found, group, (inner.start(), inner.end()));
        builder.end();
        from = inner.end();
    }
    if from < to {
        builder.text(Text::Source(from, to - from), None);
    }
}
