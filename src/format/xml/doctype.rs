//! Reads past a document type declaration (XML 1.0 §2.8) without heeding it: nothing is fetched, nothing is expanded.
//!
//! Only where it ends, and which general entities it declares, is found out: a reference to one of them must be told from
//! a reference to an unknown one.

use super::{
    character::{is_name_char, is_name_start, is_space},
    reference::Located,
};
use crate::{base::Problem, format::code};

/// What was read past.
pub(super) struct Skipped<'a> {
    /// Behind the closing `>`.
    pub end: usize,
    /// The general entities it declares.
    pub entities: Vec<&'a str>,
}

/// Why a DOCTYPE is not accepted by default.
pub(in crate::format) fn refused() -> Problem {
    Problem::new(code::XML_DOCTYPE, "the document has a DOCTYPE, which is not read")
        .hint("the sender must leave it out, or the system must be set to `doctype: skip`; it is never expanded")
}

/// More entities than this are not remembered by name: they read as unknown ones.
const MAX_ENTITIES: usize = 256;

/// Reads past the DOCTYPE at `at`.
pub(super) fn skip(source: &str, at: usize) -> Result<Skipped<'_>, Located> {
    let mut scan = Scan { source, start: at, at: at + "<!DOCTYPE".len() };
    if !source[at..].starts_with("<!DOCTYPE") {
        return Err(scan.wrong("DOCTYPE is written in capitals"));
    }
    scan.demand_space()?;
    scan.name()?;
    let spaced = scan.space();
    if scan.take("SYSTEM") {
        scan.external(spaced, false)?;
    } else if scan.take("PUBLIC") {
        scan.external(spaced, true)?;
    }
    scan.space();
    let mut entities = Vec::new();
    if scan.take("[") {
        scan.subset(&mut entities)?;
        scan.space();
    }
    if scan.take(">") { Ok(Skipped { end: scan.at, entities }) } else { Err(scan.wrong("`>` was expected")) }
}

struct Scan<'a> {
    source: &'a str,
    start: usize,
    at: usize,
}

impl<'a> Scan<'a> {
    fn wrong(&self, text: &str) -> Located {
        let at = if self.at < self.source.len() { self.at } else { self.start };
        (at, Problem::new(code::XML_DOCTYPE, format!("the DOCTYPE is malformed: {text}")))
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn take(&mut self, text: &str) -> bool {
        let is_there = self.rest().starts_with(text);
        self.at += if is_there { text.len() } else { 0 };
        is_there
    }

    /// Skips white space; whether there was any.
    fn space(&mut self) -> bool {
        let length = self.rest().bytes().take_while(|byte| is_space(*byte)).count();
        self.at += length;
        length > 0
    }

    fn demand_space(&mut self) -> Result<(), Located> {
        if self.space() { Ok(()) } else { Err(self.wrong("white space was expected")) }
    }

    fn name(&mut self) -> Result<&'a str, Located> {
        let rest = self.rest();
        let is_part = |character: char| is_name_char(character) || character == ':';
        let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let name = &rest[..length];
        if !name.starts_with(|first| is_name_start(first) || first == ':') {
            return Err(self.wrong("a name was expected"));
        }
        self.at += length;
        Ok(name)
    }

    fn external(&mut self, is_spaced: bool, has_public_id: bool) -> Result<(), Located> {
        if !is_spaced {
            return Err(self.wrong("white space was expected before the external identifier"));
        }
        self.demand_space()?;
        if has_public_id {
            let id = self.literal()?;
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b" \r\n-'()+,./:=?;!*#@$_%".contains(&byte);
            if !id.bytes().all(is_legal) {
                return Err(self.wrong("the public identifier has a character that may not stand in one"));
            }
            self.demand_space()?;
        }
        self.literal().map(drop)
    }

    fn literal(&mut self) -> Result<&'a str, Located> {
        let quote = self.rest().chars().next().filter(|first| matches!(first, '"' | '\''));
        let inside = quote.and_then(|quote| self.rest()[1..].split_once(quote));
        let Some((text, _)) = inside else { return Err(self.wrong("a text in quotes was expected")) };
        self.at += text.len() + 2;
        Ok(text)
    }

    fn until(&mut self, close: &str, what: &str) -> Result<(), Located> {
        match self.rest().find(close) {
            Some(length) => {
                self.at += length + close.len();
                Ok(())
            }
            None => Err(self.wrong(what)),
        }
    }

    /// The internal subset, to behind its `]`.
    fn subset(&mut self, entities: &mut Vec<&'a str>) -> Result<(), Located> {
        loop {
            self.space();
            if self.take("]") {
                return Ok(());
            }
            if self.take("<!--") {
                self.until("-->", "a comment is not closed")?;
            } else if self.take("<?") {
                self.until("?>", "a processing instruction is not closed")?;
            } else if self.take("%") {
                self.name()?;
                if !self.take(";") {
                    return Err(self.wrong("a parameter entity reference has no `;`"));
                }
            } else if self.take("<!ENTITY") {
                self.demand_space()?;
                if !self.take("%") {
                    let name = self.name()?;
                    if entities.len() < MAX_ENTITIES {
                        entities.push(name);
                    }
                }
                self.declaration()?;
            } else if ["<!ELEMENT", "<!ATTLIST", "<!NOTATION"].iter().any(|begin| self.take(begin)) {
                self.declaration()?;
            } else {
                return Err(self.wrong("a declaration or `]` was expected"));
            }
        }
    }

    /// The rest of a markup declaration, whose literals may hold `>`.
    fn declaration(&mut self) -> Result<(), Located> {
        loop {
            let rest = self.rest().as_bytes();
            let Some(length) = rest.iter().position(|byte| matches!(byte, b'>' | b'"' | b'\'' | b'<')) else {
                self.at = self.source.len();
                return Err(self.wrong("a declaration is not closed"));
            };
            self.at += length;
            match rest[length] {
                b'>' => {
                    self.at += 1;
                    return Ok(());
                }
                b'<' => return Err(self.wrong("`<` stands in a declaration")),
                _ => drop(self.literal()?),
            }
        }
    }
}
