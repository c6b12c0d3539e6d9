//! Repairs what partners are known to get wrong (ADF leads above all), and says what it did.
//!
//! The repaired text is read as strictly as any other: what is still wrong then is a problem. Repaired are: text before
//! the first tag and behind the root element; XML declarations that are malformed or not at the beginning; `&` that
//! begins no reference; `<` in attribute values; values without quotes; attributes without space between them; characters
//! XML does not allow.

use super::{
    character::{first_illegal, is_char, is_ncname, is_space},
    reader::declaration,
};
use crate::{
    base::{Place, Problem},
    format::code,
};

/// More repairs than this are only counted.
const MAX_REPAIRS: usize = 100;

/// Bytes looked at for the end of a reference.
const LONGEST_REFERENCE: usize = 32;

/// The text, repaired, and what was done to it.
pub(super) fn repair(source: &str) -> (String, Vec<Problem>) {
    let mut repair = Repair { source, out: String::with_capacity(source.len() + 64), noted: Vec::new(), more: 0 };
    repair.run();
    let Repair { out, mut noted, more, .. } = repair;
    noted.sort_by_key(|(at, _)| *at);
    // In the order of the text, so that each line and column goes on from the last.
    let (mut from, mut place) = (0, Place::at(1, 1));
    let problem = |(at, text): (usize, &'static str)| {
        let passed = &source[from..at];
        let step = Place::of_offset(passed, passed.len());
        let column = if step.line == 1 { place.column + step.column - 1 } else { step.column };
        place = Place::at(place.line + step.line - 1, column);
        from = at;
        Problem::new(code::XML_REPAIRED, text).warning().at(place.clone())
    };
    let mut repairs: Vec<Problem> = noted.into_iter().map(problem).collect();
    if more > 0 {
        repairs.push(Problem::new(code::XML_REPAIRED, format!("and {more} more repairs")).warning());
    }
    (out, repairs)
}

struct Repair<'a> {
    source: &'a str,
    out: String,
    /// Where and what.
    noted: Vec<(usize, &'static str)>,
    more: usize,
}

impl<'a> Repair<'a> {
    fn note(&mut self, at: usize, text: &'static str) {
        if self.noted.len() >= MAX_REPAIRS {
            self.more += 1;
        } else {
            self.noted.push((at, text));
        }
    }

    fn run(&mut self) {
        let source = self.source;
        let Some(begin) = memchr::memchr(b'<', source.as_bytes()) else {
            self.out.push_str(source);
            return;
        };
        if begin > 0 {
            self.note(0, "text before the document was left out");
        }
        let (mut at, mut depth, mut has_root) = (begin, 0_usize, false);
        while at < source.len() {
            let rest = &source[at..];
            if !rest.starts_with('<') {
                let end = rest.find('<').map_or(source.len(), |length| at + length);
                if depth > 0 {
                    self.text(at, end, false);
                } else if !source[at..end].trim().is_empty() {
                    self.note(
                        at,
                        if has_root {
                            "text behind the root element was left out"
                        } else {
                            "text before the root element was left out"
                        },
                    );
                }
                at = end;
                continue;
            }
            let to = |close: &str| rest.find(close).map_or(source.len(), |length| at + length + close.len());
            if rest.starts_with("<!--") || rest.starts_with("<![CDATA[") {
                let end = to(if rest.starts_with("<!--") { "-->" } else { "]]>" });
                self.plain(at, end);
                at = end;
            } else if rest.starts_with("<?") {
                let end = to("?>");
                self.instruction(at, end);
                at = end;
            } else if rest.starts_with("<!") {
                let end = super::doctype::skip(source, at).map_or_else(|_| to(">"), |skipped| skipped.end);
                self.plain(at, end);
                at = end;
            } else if rest.starts_with("</") {
                depth = depth.saturating_sub(1);
                let end = to(">");
                self.plain(at, end);
                at = end;
            } else if rest[1..].starts_with(|first: char| first.is_alphabetic() || matches!(first, '_' | ':')) {
                if depth == 0 && std::mem::replace(&mut has_root, true) {
                    self.note(at, "what follows the root element was left out");
                    return;
                }
                let (end, is_empty) = self.tag(at);
                depth += usize::from(!is_empty);
                at = end;
            } else {
                self.note(at, "`<` that begins no tag was written as `&lt;`");
                self.out.push_str("&lt;");
                at += 1;
            }
        }
    }

    /// An instruction as it is, unless it is an XML declaration that cannot stay.
    fn instruction(&mut self, at: usize, end: usize) {
        let whole = &self.source[at..end];
        let target = whole[2..].split([' ', '\t', '\r', '\n', '?']).next().unwrap_or_default();
        let is_declaration = target.eq_ignore_ascii_case("xml");
        let is_legal =
            || whole.starts_with("<?xml") && whole.ends_with("?>") && declaration(whole, 0, whole.len()).is_ok();
        if is_declaration && (!self.out.is_empty() || !is_legal()) {
            self.note(at, "an XML declaration that is malformed or not at the beginning was left out");
        } else if !is_declaration && !is_ncname(target) {
            self.note(at, "a processing instruction without a legal name was left out");
        } else {
            self.plain(at, end);
        }
    }

    /// Text without markup to repair, characters aside.
    fn plain(&mut self, at: usize, end: usize) {
        let mut from = at;
        while let Some(length) = first_illegal(&self.source[from..end]) {
            let bad = from + length;
            self.out.push_str(&self.source[from..bad]);
            self.note(bad, "a character XML does not allow was left out");
            from = bad + self.source[bad..].chars().next().map_or(1, char::len_utf8);
        }
        self.out.push_str(&self.source[from..end]);
    }

    /// Character data or an attribute value.
    fn text(&mut self, at: usize, end: usize, is_value: bool) {
        let mut from = at;
        while let Some(length) = memchr::memchr2(b'&', b'<', &self.source.as_bytes()[from..end]) {
            let special = from + length;
            self.plain(from, special);
            from = special + 1;
            if self.source.as_bytes()[special] == b'<' {
                self.note(special, "`<` in an attribute value was written as `&lt;`");
                self.out.push_str("&lt;");
            } else if is_reference(&self.source[from..end]) {
                self.out.push('&');
            } else {
                self.note(special, "`&` that begins no reference was written as `&amp;`");
                self.out.push_str("&amp;");
            }
        }
        if is_value {
            // A value without quotes gets double ones.
            let rest = &self.source[from..end];
            self.out.push_str(&rest.replace('"', "&quot;"));
        } else {
            self.plain(from, end);
        }
    }

    /// A start tag; where it ends and whether it is empty.
    fn tag(&mut self, at: usize) -> (usize, bool) {
        let bytes = self.source.as_bytes();
        let is_end = |byte: u8| is_space(byte) || matches!(byte, b'>' | b'/' | b'=');
        let skip = |from: usize, stop: &dyn Fn(u8) -> bool| {
            from + bytes[from..].iter().position(|byte| stop(*byte)).unwrap_or(bytes.len() - from)
        };
        let mut from = skip(at + 1, &is_end);
        self.plain(at, from);
        loop {
            let gap = from;
            from = skip(from, &|byte| !is_space(byte));
            match bytes.get(from) {
                None => return (from, false),
                Some(b'>') => {
                    self.out.push('>');
                    return (from + 1, false);
                }
                Some(b'/') if bytes.get(from + 1) == Some(&b'>') => {
                    self.out.push_str("/>");
                    return (from + 2, true);
                }
                Some(b'/' | b'=') => {
                    self.note(from, "a character that may not stand in a tag was left out");
                    from += 1;
                    continue;
                }
                Some(_) => (),
            }
            if gap == from {
                self.note(from, "white space was put before an attribute");
            }
            self.out.push(' ');
            let name = from;
            from = skip(from, &is_end);
            self.plain(name, from);
            let equals = skip(from, &|byte| !is_space(byte));
            self.out.push('=');
            if bytes.get(equals) != Some(&b'=') {
                self.note(name, "an attribute without value got an empty one");
                self.out.push_str("\"\"");
                continue;
            }
            let value = skip(equals + 1, &|byte| !is_space(byte));
            match bytes.get(value) {
                Some(quote @ (b'"' | b'\'')) => {
                    let end = skip(value + 1, &|byte| byte == *quote);
                    self.out.push(char::from(*quote));
                    self.quoted(value + 1, end);
                    self.out.push(char::from(*quote));
                    from = (end + 1).min(bytes.len());
                }
                _ => {
                    let end = skip(value, &|byte| is_space(byte) || byte == b'>');
                    let is_closing = end > value && bytes[end - 1] == b'/' && bytes.get(end) == Some(&b'>');
                    let end = if is_closing { end - 1 } else { end };
                    self.note(value, "a value without quotes was put into quotes");
                    self.out.push('"');
                    self.text(value, end, true);
                    self.out.push('"');
                    from = end;
                }
            }
        }
    }

    fn quoted(&mut self, at: usize, end: usize) {
        self.text(at, end, false);
    }
}

/// Whether a legal reference follows the `&`.
fn is_reference(rest: &str) -> bool {
    // No legal reference is longer, zeros piled up aside.
    let rest = rest.get(..rest.floor_char_boundary(LONGEST_REFERENCE)).unwrap_or(rest);
    let Some((name, _)) = rest.split_once(';') else { return false };
    let number =
        |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).is_some_and(is_char);
    match name.strip_prefix('#') {
        Some(hex) if hex.starts_with('x') => number(&hex[1..], 16),
        Some(digits) => number(digits, 10),
        None => matches!(name, "amp" | "lt" | "gt" | "quot" | "apos"),
    }
}
