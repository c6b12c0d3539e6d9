//! Takes start tags apart: names, attributes as written (XML 1.0 §3.1).

use super::{
    character::{is_name_char, is_name_start, is_space},
    reference::Located,
};
use crate::{
    base::{Limits, Problem},
    format::{code, limit_problem},
};

/// A qualified name as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawName<'a> {
    pub text: &'a str,
    /// Where the colon is; 0 for none (a name cannot begin with it).
    pub colon: usize,
}

impl<'a> RawName<'a> {
    /// Prefix (empty for none) and local part.
    pub fn split(self) -> (&'a str, &'a str) {
        if self.colon == 0 { ("", self.text) } else { (&self.text[..self.colon], &self.text[self.colon + 1..]) }
    }
}

/// An attribute as written, namespace declarations included.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawAttribute<'a> {
    pub name: RawName<'a>,
    /// Byte offset of the name in the source.
    pub at: usize,
    /// The value between the quotes, and its offset.
    pub value: &'a str,
    pub value_at: usize,
    /// Nothing in the value needs normalizing.
    pub is_plain: bool,
}

impl<'a> RawAttribute<'a> {
    /// The prefix this attribute declares; empty for the default namespace.
    #[inline]
    pub fn declares(&self) -> Option<&'a str> {
        let rest = self.name.text.strip_prefix("xmlns")?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
    }
}

const NAME: u8 = 1;
const COLON: u8 = 2;
const WIDE: u8 = 4;
const NOT_FIRST: u8 = 8;
const VALUE: u8 = 16;

/// What each byte may be part of.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => NAME,
            b'0'..=b'9' | b'-' | b'.' => NAME | NOT_FIRST,
            b':' => NAME | COLON | NOT_FIRST,
            0x80.. => NAME | WIDE,
            // Ends or spoils a plain attribute value.
            b'"' | b'\'' | b'<' | b'&' | b'\t' | b'\n' | b'\r' => VALUE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Takes the name at `source[at..]`, checking it completely.
#[inline]
pub(super) fn name<'a>(source: &'a str, at: usize, limits: &Limits) -> Result<RawName<'a>, Located> {
    let rest = &source.as_bytes()[at..];
    let (mut length, mut seen, mut colon) = (0, 0, 0);
    while let Some(byte) = rest.get(length) {
        let class = CLASS[*byte as usize];
        if class & NAME == 0 {
            break;
        }
        if class & COLON != 0 {
            if colon != 0 {
                return Err((at, Problem::new(code::XML_NAMESPACE, "a name has more than one colon")));
            }
            colon = length;
        }
        seen |= class;
        length += 1;
    }
    let first = rest.first().map_or(0, |byte| CLASS[*byte as usize]);
    if length == 0 || first & NOT_FIRST != 0 {
        return Err((at, Problem::new(code::XML_NAME, "a name was expected; it begins with a letter or `_`")));
    }
    if length > limits.name_bytes {
        return Err((at, limit_problem("a name has too many bytes", limits.name_bytes)));
    }
    let text = &source[at..at + length];
    if seen & (WIDE | COLON) != 0 {
        check_parts(text, at)?;
    }
    Ok(RawName { text, colon })
}

#[cold]
fn check_parts(text: &str, at: usize) -> Result<(), Located> {
    for part in text.split(':') {
        let mut characters = part.char_indices();
        match characters.next() {
            Some((_, first)) if is_name_start(first) => (),
            _ => {
                return Err((
                    at,
                    Problem::new(
                        code::XML_NAME,
                        "a name or its local part begins with a character that may not begin one",
                    ),
                ));
            }
        }
        if let Some((_, bad)) = characters.find(|(_, character)| !is_name_char(*character)) {
            let text = format!("U+{:04X} may not be part of a name", u32::from(bad));
            return Err((at, Problem::new(code::XML_NAME, text)));
        }
    }
    Ok(())
}

/// How a start tag ends.
pub(super) struct Close {
    /// With `/>`.
    pub is_empty: bool,
    /// Behind the `>`.
    pub end: usize,
}

/// Takes the attributes that follow the element's name, from `at` to the end of the tag that begins at `tag`.
pub(super) fn attributes<'a>(
    source: &'a str,
    tag: usize,
    mut at: usize,
    limits: &Limits,
    found: &mut Vec<RawAttribute<'a>>,
) -> Result<Close, Located> {
    let bytes = source.as_bytes();
    found.clear();
    let (mut plain, mut declarations) = (0, 0);
    loop {
        let gap = at;
        at = skip_space(bytes, at);
        match bytes.get(at) {
            Some(b'>') => return Ok(Close { is_empty: false, end: at + 1 }),
            Some(b'/') if bytes.get(at + 1) == Some(&b'>') => return Ok(Close { is_empty: true, end: at + 2 }),
            None => {
                let problem = Problem::new(code::XML_SYNTAX, "the document ends inside this start tag");
                return Err((tag, problem));
            }
            _ => (),
        }
        if at == gap {
            return Err((
                at,
                Problem::new(
                    code::XML_ATTRIBUTE,
                    "white space is missing before this attribute, or this character is not allowed in a tag",
                ),
            ));
        }
        let name_at = at;
        let name = name(source, at, limits).map_err(|(at, problem)| {
            let text = format!("an attribute was expected: {}", problem.text);
            (at, Problem { text, ..problem })
        })?;
        at = skip_space(bytes, at + name.text.len());
        if bytes.get(at) != Some(&b'=') {
            return Err((
                name_at,
                Problem::new(code::XML_ATTRIBUTE, format!("the attribute `{}` has no value", name.text)),
            ));
        }
        at = skip_space(bytes, at + 1);
        let Some(quote) = bytes.get(at).filter(|byte| matches!(byte, b'"' | b'\'')) else {
            let text = format!("the value of the attribute `{}` is not in quotes", name.text);
            return Err((name_at, Problem::new(code::XML_ATTRIBUTE, text)));
        };
        let value_at = at + 1;
        at = value_at;
        let mut is_plain = true;
        loop {
            let Some(byte) = bytes.get(at) else {
                let text = format!("the value of the attribute `{}` is not closed", name.text);
                return Err((name_at, Problem::new(code::XML_ATTRIBUTE, text)));
            };
            if CLASS[*byte as usize] & VALUE != 0 {
                if byte == quote {
                    break;
                }
                match byte {
                    b'<' => {
                        let text = format!("`<` stands in the value of the attribute `{}`", name.text);
                        return Err((at, Problem::new(code::XML_ATTRIBUTE, text).hint("write `&lt;`")));
                    }
                    b'"' | b'\'' => (),
                    _ => is_plain = false,
                }
            }
            at += 1;
        }
        let attribute = RawAttribute { name, at: name_at, value: &source[value_at..at], value_at, is_plain };
        at += 1;
        if attribute.declares().is_some() {
            declarations += 1;
            if declarations > limits.xml_namespace_declarations {
                let limit = limits.xml_namespace_declarations;
                return Err((name_at, limit_problem("an element has too many namespace declarations", limit)));
            }
        } else {
            plain += 1;
            if plain > limits.xml_attributes.min(usize::from(u16::MAX)) {
                return Err((name_at, limit_problem("an element has too many attributes", limits.xml_attributes)));
            }
        }
        found.push(attribute);
    }
}

/// The namespace declarations of a whole start tag: names and values as written.
pub(in crate::format) fn declarations(tag: &str, limits: &Limits) -> Result<Vec<(String, String)>, Problem> {
    let problem = |(_, problem): Located| problem;
    let name = name(tag, 1, limits).map_err(problem)?;
    let mut found = Vec::new();
    attributes(tag, 0, 1 + name.text.len(), limits, &mut found).map_err(problem)?;
    let declaring = found.iter().filter(|attribute| attribute.declares().is_some());
    Ok(declaring.map(|attribute| (attribute.name.text.to_owned(), attribute.value.to_owned())).collect())
}

#[inline]
fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| is_space(*byte)) {
        at += 1;
    }
    at
}
