//! Functions on strings (F&O 3.1 §5).

use std::borrow::Cow;

use super::{Call, Function, MANY, Yields::Other, boolean, integer, pattern::Pattern, string};
use crate::{
    document::Decimal,
    xpath::{Failure, Item, Value, operate},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "string",
        arity: (0, 1),
        signature: "string($value as item()? := .) as xs:string",
        doc: "The text of a value; a node's text as written.",
        examples: &[("string(1.50)", "1.5"), ("string(())", "")],
        yields: Other,
        call: |call| match call.or_context(0)? {
            None => string(""),
            Some(item) => string(&*call.frame.text_of(item)),
        },
    },
    Function {
        name: "concat",
        arity: (2, MANY),
        signature: "concat($value1 as xs:anyAtomicType?, $value2 as xs:anyAtomicType?, …) as xs:string",
        doc: "The texts of the values, one after the other; empty ones count as nothing.",
        examples: &[("concat('A', 1, (), 'z')", "A1z")],
        yields: Other,
        call: |call| {
            let mut joined = String::new();
            for at in 0..call.arguments.len() {
                joined.push_str(&call.any_text(at)?.unwrap_or_default());
            }
            string(joined)
        },
    },
    Function {
        name: "string-join",
        arity: (1, 2),
        signature: "string-join($values as item()*, $separator as xs:string := '') as xs:string",
        doc: "The texts of all items, with a separator between them.",
        examples: &[("string-join(('a', 'b', 'c'), ', ')", "a, b, c"), ("string-join(1 to 3)", "123")],
        yields: Other,
        call: |call| {
            let separator = call.string(1)?;
            let texts: Vec<Cow<'_, str>> = call.items(0).iter().map(|item| call.frame.text_of(item)).collect();
            let length = texts.iter().map(|text| text.len()).sum::<usize>() + separator.len() * texts.len();
            call.frame.budget.take_text(length)?;
            string(texts.join(&separator))
        },
    },
    Function {
        name: "substring",
        arity: (2, 3),
        signature: "substring($text as xs:string?, $start as xs:double, $length as xs:double) as xs:string",
        doc: "The characters from a position (from 1) on, at most so many.",
        examples: &[("substring('motor car', 6)", " car"), ("substring('metadata', 4, 3)", "ada")],
        yields: Other,
        call: substring,
    },
    Function {
        name: "string-length",
        arity: (0, 1),
        signature: "string-length($text as xs:string? := string(.)) as xs:integer",
        doc: "The number of characters.",
        examples: &[("string-length('辽A12345')", "7")],
        yields: Other,
        call: |call| {
            if call.has(0) {
                return integer(call.string(0)?.chars().count());
            }
            integer(call.or_context(0)?.map_or(0, |item| call.frame.text_of(item).chars().count()))
        },
    },
    Function {
        name: "normalize-space",
        arity: (0, 1),
        signature: "normalize-space($text as xs:string? := string(.)) as xs:string",
        doc: "The text without white space around it, inner white space as one space.",
        examples: &[("normalize-space('  a   b ')", "a b")],
        yields: Other,
        call: |call| {
            let text = if call.has(0) {
                call.string(0)?
            } else {
                call.or_context(0)?.map(|item| call.frame.text_of(item)).unwrap_or_default()
            };
            let words: Vec<&str> = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect();
            string(words.join(" "))
        },
    },
    Function {
        name: "upper-case",
        arity: (1, 1),
        signature: "upper-case($text as xs:string?) as xs:string",
        doc: "The text in capital letters.",
        examples: &[("upper-case('lsvAm')", "LSVAM")],
        yields: Other,
        call: |call| string(call.string(0)?.to_uppercase()),
    },
    Function {
        name: "lower-case",
        arity: (1, 1),
        signature: "lower-case($text as xs:string?) as xs:string",
        doc: "The text in small letters.",
        examples: &[("lower-case('ABc')", "abc")],
        yields: Other,
        call: |call| string(call.string(0)?.to_lowercase()),
    },
    Function {
        name: "translate",
        arity: (3, 3),
        signature: "translate($text as xs:string?, $from as xs:string, $to as xs:string) as xs:string",
        doc: "The text with characters replaced one by one; those without a counterpart are dropped.",
        examples: &[("translate('2013/06/18', '/', '-')", "2013-06-18"), ("translate('a b c', ' ', '')", "abc")],
        yields: Other,
        call: |call| {
            let (text, from, to) = (call.string(0)?, call.string(1)?, call.string(2)?);
            let mut map = std::collections::HashMap::new();
            let mut targets = to.chars();
            for source in from.chars() {
                let target = targets.next();
                map.entry(source).or_insert(target);
            }
            string(text.chars().filter_map(|c| map.get(&c).copied().unwrap_or(Some(c))).collect::<String>())
        },
    },
    Function {
        name: "contains",
        arity: (2, 2),
        signature: "contains($text as xs:string?, $part as xs:string?) as xs:boolean",
        doc: "Whether the text contains the part.",
        examples: &[("contains('tattoo', 'too')", "true")],
        yields: Other,
        call: |call| boolean(call.string(0)?.contains(&*call.string(1)?)),
    },
    Function {
        name: "starts-with",
        arity: (2, 2),
        signature: "starts-with($text as xs:string?, $part as xs:string?) as xs:boolean",
        doc: "Whether the text begins with the part.",
        examples: &[("starts-with('SO-2013', 'SO-')", "true")],
        yields: Other,
        call: |call| boolean(call.string(0)?.starts_with(&*call.string(1)?)),
    },
    Function {
        name: "ends-with",
        arity: (2, 2),
        signature: "ends-with($text as xs:string?, $part as xs:string?) as xs:boolean",
        doc: "Whether the text ends with the part.",
        examples: &[("ends-with('tattoo', 'too')", "true")],
        yields: Other,
        call: |call| boolean(call.string(0)?.ends_with(&*call.string(1)?)),
    },
    Function {
        name: "substring-before",
        arity: (2, 2),
        signature: "substring-before($text as xs:string?, $part as xs:string?) as xs:string",
        doc: "What stands before the first occurrence of the part; nothing when there is none.",
        examples: &[("substring-before('C-01', '-')", "C"), ("substring-before('C01', '-')", "")],
        yields: Other,
        call: |call| {
            let (text, part) = (call.string(0)?, call.string(1)?);
            string(text.find(&*part).map_or("", |at| &text[..at]))
        },
    },
    Function {
        name: "substring-after",
        arity: (2, 2),
        signature: "substring-after($text as xs:string?, $part as xs:string?) as xs:string",
        doc: "What stands after the first occurrence of the part; nothing when there is none.",
        examples: &[("substring-after('C-01', '-')", "01")],
        yields: Other,
        call: |call| {
            let (text, part) = (call.string(0)?, call.string(1)?);
            string(text.find(&*part).map_or("", |at| &text[at + part.len()..]))
        },
    },
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
                let words = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
                return Ok(words.map(Item::string).collect());
            }
            let pattern = with_pattern(call, 2)?;
            not_empty(&pattern)?;
            if text.is_empty() {
                return Ok(Value::Empty);
            }
            Ok(pattern.regex.split(&text).map(Item::string).collect())
        },
    },
    Function {
        name: "string-to-codepoints",
        arity: (1, 1),
        signature: "string-to-codepoints($text as xs:string?) as xs:integer*",
        doc: "The Unicode numbers of the characters.",
        examples: &[("string-to-codepoints('Aé')", "65 233")],
        yields: Other,
        call: |call| {
            Ok(call.string(0)?.chars().map(|c| Item::Integer(Decimal::from(i64::from(u32::from(c))))).collect())
        },
    },
    Function {
        name: "codepoints-to-string",
        arity: (1, 1),
        signature: "codepoints-to-string($numbers as xs:integer*) as xs:string",
        doc: "The text of these Unicode characters.",
        examples: &[("codepoints-to-string((65, 66))", "AB")],
        yields: Other,
        call: |call| {
            let mut text = String::new();
            for item in call.items(0) {
                let number = match operate::number(call.frame, item)? {
                    operate::Number::Integer(value) => value.to_i64(),
                    _ => None,
                };
                let found = number.and_then(|number| u32::try_from(number).ok()).and_then(char::from_u32);
                text.push(found.ok_or_else(|| Failure::error("FOCH0001", "there is no such character"))?);
            }
            string(text)
        },
    },
];

/// Characters at positions p with round(start) ≤ p < round(start) + round(length) (F&O 3.1 §5.4.3).
fn substring(call: &Call<'_>) -> Result<Value, Failure> {
    let text = call.string(0)?;
    let number = |at| match call.number(at)? {
        Some(number) => Ok((number.to_f64() + 0.5).floor()),
        None => Err(Failure::error("XPTY0004", format!("argument {} must be a number", at + 1))),
    };
    let start = number(1)?;
    let end = if call.has(2) { start + number(2)? } else { f64::INFINITY };
    let inside = |index: usize| {
        let position = (index + 1) as f64;
        position >= start && position < end
    };
    string(text.chars().enumerate().filter(|(index, _)| inside(*index)).map(|(_, c)| c).collect::<String>())
}

fn with_pattern<'a>(call: &Call<'a>, flags: usize) -> Result<Cow<'a, Pattern>, Failure> {
    match call.pattern {
        Some(pattern) => Ok(Cow::Borrowed(pattern)),
        None => Pattern::compile(&call.string(1)?, &call.string(flags)?).map(Cow::Owned),
    }
}

fn not_empty(pattern: &Pattern) -> Result<(), Failure> {
    if pattern.regex.is_match("") {
        return Err(Failure::error("FORX0003", "the pattern matches the empty string"));
    }
    Ok(())
}
