//! Finds the records of an XML batch.

use super::{
    Found, broken, undecodable,
    window::{Held, Window, too_long},
};
use crate::{
    base::{Limits, Problem},
    format::xml::{declarations, doctype_refused},
};

/// An open element outside the records.
struct Ancestor {
    name: String,
    /// Namespace declarations: attribute name and value as written.
    declarations: Vec<(String, String)>,
    /// Whether its path is the beginning of the records' path.
    is_on_path: bool,
}

struct Record {
    held: Held,
    name: String,
    /// Open elements of the same name, itself included.
    depth: usize,
}

pub(super) struct Scanner {
    path: Vec<String>,
    open: Vec<Ancestor>,
    record: Option<Record>,
    at: usize,
    has_root: bool,
}

enum Markup {
    Start,
    Empty,
    End,
    Other,
}

impl Scanner {
    pub fn new(path: Vec<String>) -> Self {
        Self { path, open: Vec::new(), record: None, at: 0, has_root: false }
    }

    pub fn next(&mut self, window: &mut Window, limits: &Limits) -> Result<Option<Found>, Problem> {
        loop {
            let Some((start, end, markup)) = self.markup(window, limits)? else {
                return self.wait(window, limits);
            };
            let found = match (&self.record, &markup) {
                (Some(_), _) => self.inside(window, start, end, &markup, limits),
                (None, Markup::Start | Markup::Empty) => {
                    self.outside(window, start, end, matches!(markup, Markup::Empty), limits)?
                }
                (None, Markup::End) => {
                    let name = name_at(&window.text, start + 2);
                    match self.open.pop() {
                        Some(open) if open.name == name => None,
                        _ => {
                            let text = format!("the end tag of `{name}` has no start tag here");
                            return Err(broken(text, window.origin(start)));
                        }
                    }
                }
                (None, Markup::Other) => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// The next markup: where it begins and ends. `None`: it is not all there yet. Stands behind it afterwards.
    fn markup(&mut self, window: &mut Window, limits: &Limits) -> Result<Option<(usize, usize, Markup)>, Problem> {
        let bytes = window.text.as_bytes();
        let Some(length) = memchr::memchr(b'<', &bytes[self.at..]) else {
            let text = &window.text[self.at..];
            let is_stray = self.record.is_none() && self.open.is_empty() && !is_blank(text);
            if is_stray {
                let origin = window.origin(self.at);
                return Err(broken("text stands outside the root element", origin));
            }
            self.at = bytes.len();
            return Ok(None);
        };
        let start = self.at + length;
        if self.record.is_none() && self.open.is_empty() && !is_blank(&window.text[self.at..start]) {
            let origin = window.origin(self.at);
            return Err(broken("text stands outside the root element", origin));
        }
        self.at = start;
        let rest = &bytes[start..];
        if rest.len() < "<![CDATA[".len() && !window.is_finished {
            return Ok(None);
        }
        let find = |skip: usize, close: &str| {
            memchr::memmem::find(rest.get(skip..).unwrap_or_default(), close.as_bytes())
                .map(|found| skip + found + close.len())
        };
        let (length, markup) = match rest {
            [b'<', b'!', b'-', b'-', ..] => (find(4, "-->"), Markup::Other),
            [b'<', b'?', ..] => (find(2, "?>"), Markup::Other),
            [b'<', b'/', ..] => (find(2, ">"), Markup::End),
            _ if rest.starts_with(b"<![CDATA[") => (find(9, "]]>"), Markup::Other),
            [b'<', b'!', ..] if self.record.is_none() => {
                let origin = window.origin(start);
                return Err(doctype_refused().at(super::place(origin.line)));
            }
            _ => {
                let length = tag_length(rest);
                let is_empty = length.is_some_and(|length| rest[..length].ends_with(b"/>"));
                (length, if is_empty { Markup::Empty } else { Markup::Start })
            }
        };
        match length {
            Some(length) => {
                self.at = start + length;
                Ok(Some((start, self.at, markup)))
            }
            None if rest.len() > limits.document_bytes => {
                let origin = window.origin(start);
                Err(broken("markup begins here and does not end within the limit of a document", origin))
            }
            None => Ok(None),
        }
    }

    /// Nothing more can be found: makes room, and says what the end of the batch means.
    fn wait(&mut self, window: &mut Window, limits: &Limits) -> Result<Option<Found>, Problem> {
        if window.is_finished {
            if let Some(record) = self.record.take() {
                let text = window.text[record.held.start..].to_owned();
                self.at = window.text.len();
                let problem = broken("the batch ends inside this record", record.held.origin);
                return Ok(Some(Found { origin: record.held.origin, text, problem: Some(problem) }));
            }
            let end = window.text.len();
            if let Some(open) = self.open.last() {
                let text = format!("the batch ends inside `{}`, which is not closed: it is cut off", open.name);
                return Err(broken(text, window.origin(end)));
            }
            if self.at < end {
                return Err(broken("the batch ends inside markup: it is cut off", window.origin(end)));
            }
            if !self.has_root {
                return Err(broken("the batch has no root element", window.origin(end)));
            }
            return Ok(None);
        }
        let held = self.record.as_mut().map(|record| &mut record.held);
        window.make_room(&mut self.at, held, limits.document_bytes);
        Ok(None)
    }

    /// A start tag outside the records: one of their ancestors, a record, or something else.
    fn outside(
        &mut self,
        window: &mut Window,
        start: usize,
        end: usize,
        is_empty: bool,
        limits: &Limits,
    ) -> Result<Option<Found>, Problem> {
        let name = name_at(&window.text, start + 1).to_owned();
        if self.open.is_empty() && std::mem::replace(&mut self.has_root, true) {
            return Err(broken("a second root element begins here", window.origin(start)));
        }
        let local = name.rsplit(':').next().unwrap_or_default();
        let step = self.path.get(self.open.len());
        let fits = step.is_some_and(|step| step == "*" || step == local);
        let is_on_path = fits && self.open.last().is_none_or(|parent| parent.is_on_path);
        if is_on_path && self.open.len() + 1 == self.path.len() {
            let origin = window.origin(start);
            let record = Record { held: Held::new(start, origin), name, depth: 1 };
            if is_empty {
                return Ok(Some(self.found(window, &record, end, None)));
            }
            self.record = Some(record);
            return Ok(None);
        }
        if is_empty {
            return Ok(None);
        }
        if self.open.len() >= limits.xml_depth {
            return Err(broken("elements are nested too deep", window.origin(start)));
        }
        let declarations = match declarations(&window.text[start..end], limits) {
            Ok(declarations) => declarations,
            Err(problem) => {
                let origin = window.origin(start);
                return Err(problem.at(super::place(origin.line)));
            }
        };
        self.open.push(Ancestor { name, declarations, is_on_path });
        Ok(None)
    }

    /// Markup inside a record: only elements of its own name can end it, so what is wrong inside stays inside.
    fn inside(
        &mut self,
        window: &mut Window,
        start: usize,
        end: usize,
        markup: &Markup,
        limits: &Limits,
    ) -> Option<Found> {
        let record = self.record.as_mut()?;
        match markup {
            Markup::Start if name_at(&window.text, start + 1) == record.name => record.depth += 1,
            Markup::End => {
                let name = name_at(&window.text, start + 2);
                let is_parent = self.open.last().is_some_and(|parent| parent.name == name) && name != record.name;
                if name == record.name {
                    record.depth -= 1;
                }
                if is_parent {
                    let record = self.record.take()?;
                    self.at = start;
                    let problem = broken("this record is not closed before its parent ends", record.held.origin);
                    return Some(self.found(window, &record, start, Some(problem)));
                }
                if record.depth == 0 {
                    let record = self.record.take()?;
                    let is_oversize = record.held.is_oversize || end - record.held.start > limits.document_bytes;
                    let problem = is_oversize.then(|| too_long("this record", limits.document_bytes));
                    return Some(self.found(window, &record, end, problem));
                }
            }
            _ => (),
        }
        None
    }

    fn found(&self, window: &Window, record: &Record, end: usize, problem: Option<Problem>) -> Found {
        let problem =
            problem.or_else(|| window.has_malformed(record.held.start, end).then(|| undecodable(window.charset())));
        if record.held.is_oversize {
            return Found { origin: record.held.origin, text: String::new(), problem };
        }
        let raw = &window.text[record.held.start..end];
        let behind_name = 1 + record.name.len();
        let tag = tag_length(raw.as_bytes()).and_then(|length| raw.get(behind_name..length)).unwrap_or_default();
        let mut text = String::with_capacity(raw.len() + 64);
        text.push_str(&raw[..behind_name]);
        let mut known: Vec<&str> = Vec::new();
        for (name, value) in self.open.iter().rev().flat_map(|open| &open.declarations) {
            let is_own = || tag.split(['=', ' ', '\t', '\r', '\n']).any(|part| part == name);
            if known.contains(&name.as_str()) || is_own() {
                continue;
            }
            known.push(name);
            let quote = if value.contains('"') { '\'' } else { '"' };
            text.extend([" ", name, "="]);
            text.push(quote);
            text.push_str(value);
            text.push(quote);
        }
        text.push_str(&raw[behind_name..]);
        Found { origin: record.held.origin, text, problem }
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn name_at(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let end = rest.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or(rest.len());
    &rest[..end]
}

/// The length of a start tag, `>` in quotes not counted.
fn tag_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', &bytes[at..])?;
        if bytes[at] == b'>' {
            return Some(at + 1);
        }
        at += 1 + memchr::memchr(bytes[at], &bytes[at + 1..])? + 1;
    }
}
