//! Functions on strings (F&O 3.1 §5).

use std::{borrow::Cow, sync::Arc};

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::{Call, Function, MANY, Yields::Other, boolean, collation::Collation, integer, string};
use crate::{
    document::Decimal,
    xpath::{BinaryKind, Failure, Item, Value, operate},
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
            Some(Item::Map(_) | Item::Array(_)) => Err(Failure::error("FOTY0014", "a map or an array has no text")),
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
        signature: "string-join($values as xs:anyAtomicType*, $separator as xs:string := '') as xs:string",
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
            string(&*normalized(&text))
        },
    },
    Function {
        name: "upper-case",
        arity: (1, 1),
        signature: "upper-case($text as xs:string?) as xs:string",
        doc: "The text in capital letters.",
        examples: &[("upper-case('lsvAm')", "LSVAM")],
        yields: Other,
        call: |call| string(in_case(&call.string(0)?, str::make_ascii_uppercase, str::to_uppercase)),
    },
    Function {
        name: "lower-case",
        arity: (1, 1),
        signature: "lower-case($text as xs:string?) as xs:string",
        doc: "The text in small letters.",
        examples: &[("lower-case('ABc')", "abc")],
        yields: Other,
        call: |call| string(in_case(&call.string(0)?, str::make_ascii_lowercase, str::to_lowercase)),
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
        arity: (2, 3),
        signature: "contains($text as xs:string?, $part as xs:string?, $collation as xs:string) as xs:boolean",
        doc: "Whether the text contains the part.",
        examples: &[("contains('tattoo', 'too')", "true")],
        yields: Other,
        call: |call| with_part(call, |text, part| boolean(text.contains(part))),
    },
    Function {
        name: "starts-with",
        arity: (2, 3),
        signature: "starts-with($text as xs:string?, $part as xs:string?, $collation as xs:string) as xs:boolean",
        doc: "Whether the text begins with the part.",
        examples: &[("starts-with('SO-2013', 'SO-')", "true")],
        yields: Other,
        call: |call| with_part(call, |text, part| boolean(text.starts_with(part))),
    },
    Function {
        name: "ends-with",
        arity: (2, 3),
        signature: "ends-with($text as xs:string?, $part as xs:string?, $collation as xs:string) as xs:boolean",
        doc: "Whether the text ends with the part.",
        examples: &[("ends-with('tattoo', 'too')", "true")],
        yields: Other,
        call: |call| with_part(call, |text, part| boolean(text.ends_with(part))),
    },
    Function {
        name: "substring-before",
        arity: (2, 3),
        signature: "substring-before($text as xs:string?, $part as xs:string?, $collation as xs:string) as xs:string",
        doc: "What stands before the first occurrence of the part; nothing when there is none.",
        examples: &[("substring-before('C-01', '-')", "C"), ("substring-before('C01', '-')", "")],
        yields: Other,
        call: |call| {
            let whole = call.string(0)?;
            with_part(call, |text, part| string(text.find(part).map_or("", |at| &whole[..at])))
        },
    },
    Function {
        name: "substring-after",
        arity: (2, 3),
        signature: "substring-after($text as xs:string?, $part as xs:string?, $collation as xs:string) as xs:string",
        doc: "What stands after the first occurrence of the part; nothing when there is none.",
        examples: &[("substring-after('C-01', '-')", "01")],
        yields: Other,
        call: |call| {
            let whole = call.string(0)?;
            with_part(call, |text, part| string(text.find(part).map_or("", |at| &whole[at + part.len()..])))
        },
    },
    Function {
        name: "contains-token",
        arity: (2, 3),
        signature: "contains-token($texts as xs:string*, $token as xs:string, $collation as xs:string) as xs:boolean",
        doc: "Whether a word of the texts is the token; white space around the token does not count.",
        examples: &[
            ("contains-token('red green blue', ' green ')", "true"),
            ("contains-token('reddish', 'red')", "false"),
        ],
        yields: Other,
        call: |call| {
            let collation = Collation::of(call, 2)?;
            let token = collation.text(call, 1)?;
            let token = token.trim_matches(SPACE);
            let has = |text: Cow<'_, str>| collation.key(text).split(SPACE).any(|word| word == token);
            boolean(!token.is_empty() && call.items(0).iter().any(|item| has(call.frame.text_of(item))))
        },
    },
    Function {
        name: "compare",
        arity: (2, 3),
        signature: "compare($text1 as xs:string?, $text2 as xs:string?, $collation as xs:string) as xs:integer?",
        doc: "-1, 0 or 1: whether the first text comes before the second, is equal, or comes after it, by code point.",
        examples: &[("compare('A1', 'A2')", "-1"), ("compare('a', 'a')", "0"), ("compare('a', ())", "")],
        yields: Other,
        call: |call| {
            let collation = Collation::of(call, 2)?;
            let (Some(a), Some(b)) = (call.optional_string(0)?, call.optional_string(1)?) else {
                return Ok(Value::Empty);
            };
            Ok(Item::Integer(Decimal::from(collation.key(a).cmp(&collation.key(b)) as i64)).into())
        },
    },
    Function {
        name: "codepoint-equal",
        arity: (2, 2),
        signature: "codepoint-equal($text1 as xs:string?, $text2 as xs:string?) as xs:boolean?",
        doc: "Whether two texts have the same characters; nothing when one is absent.",
        examples: &[("codepoint-equal('abc', 'abc')", "true"), ("codepoint-equal('abc', ())", "")],
        yields: Other,
        call: |call| match (call.optional_string(0)?, call.optional_string(1)?) {
            (Some(a), Some(b)) => boolean(a == b),
            _ => Ok(Value::Empty),
        },
    },
    Function {
        name: "collation-key",
        arity: (1, 2),
        signature: "collation-key($text as xs:string, $collation as xs:string) as xs:base64Binary",
        doc: "A key that is equal for texts a collation takes for equal, and that sorts as they do.",
        examples: &[("string(collation-key('abc'))", "YWJj")],
        yields: Other,
        call: |call| {
            let key = Collation::of(call, 1)?.text(call, 0)?;
            Ok(Item::Binary(BinaryKind::Base64, key.as_bytes().into()).into())
        },
    },
    Function {
        name: "normalize-unicode",
        arity: (1, 2),
        signature: "normalize-unicode($text as xs:string?, $form as xs:string := 'NFC') as xs:string",
        doc: "The text in a Unicode normalization form: NFC, NFD, NFKC or NFKD; an empty form leaves it as it is.",
        examples: &[
            ("normalize-unicode('１２Ａ', 'NFKC')", "12A"),
            ("string-length(normalize-unicode('é', 'NFD'))", "2"),
        ],
        yields: Other,
        call: normalize_unicode,
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
                let allowed = |c: &char| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
                let found =
                    number.and_then(|number| u32::try_from(number).ok()).and_then(char::from_u32).filter(allowed);
                text.push(found.ok_or_else(|| Failure::error("FOCH0001", "there is no such character"))?);
            }
            string(text)
        },
    },
];

/// The text without white space around it, inner white space as one space; borrowed when it is so already.
fn normalized(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(SPACE);
    let bytes = text.as_bytes();
    let space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let is_so = bytes.windows(2).all(|pair| !space(pair[1]) || (pair[1] == b' ' && !space(pair[0])));
    if is_so {
        return Cow::Borrowed(text);
    }
    let mut made = String::with_capacity(text.len());
    for word in text.split(SPACE).filter(|word| !word.is_empty()) {
        if !made.is_empty() {
            made.push(' ');
        }
        made.push_str(word);
    }
    Cow::Owned(made)
}

/// The text in one case; that of ASCII is changed in place.
fn in_case(text: &str, ascii: fn(&mut str), any: fn(&str) -> String) -> Arc<str> {
    let mut made: Arc<str> = text.into();
    match Arc::get_mut(&mut made) {
        Some(made) if made.is_ascii() => ascii(made),
        _ => return any(text).into(),
    }
    made
}

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

/// White space of XML.
pub(super) const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Calls with text and part as the collation compares them.
fn with_part<T>(call: &Call<'_>, then: impl FnOnce(&str, &str) -> Result<T, Failure>) -> Result<T, Failure> {
    if !call.has(2) {
        return then(&call.string(0)?, &call.string(1)?);
    }
    let collation = Collation::of(call, 2)?;
    then(&collation.text(call, 0)?, &collation.text(call, 1)?)
}

fn normalize_unicode(call: &Call<'_>) -> Result<Value, Failure> {
    let (text, form) = (call.string(0)?, if call.has(1) { call.string(1)? } else { "NFC".into() });
    string(&*match form.trim_matches(SPACE).to_uppercase().as_str() {
        "" => text,
        "NFC" => ComposingNormalizerBorrowed::new_nfc().normalize(&text),
        "NFKC" => ComposingNormalizerBorrowed::new_nfkc().normalize(&text),
        "NFD" => DecomposingNormalizerBorrowed::new_nfd().normalize(&text),
        "NFKD" => DecomposingNormalizerBorrowed::new_nfkd().normalize(&text),
        other => {
            return Err(Failure::error(
                "FOCH0003",
                format!("there is no normalization form `{other}`; known are NFC, NFD, NFKC and NFKD"),
            ));
        }
    })
}
