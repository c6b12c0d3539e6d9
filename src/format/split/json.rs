//! Finds the records of a JSON array or of lines.

use super::{
    Found, broken, undecodable,
    window::{Held, Window, too_long},
};
use crate::base::{Limits, Problem};

pub(super) struct Scanner {
    /// `None`: a record a line.
    path: Option<Vec<String>>,
    /// Open objects and arrays before the array of the records: the member being read; `None` for arrays.
    open: Vec<Option<String>>,
    is_name_next: bool,
    /// Whether the array of the records is open.
    is_inside: bool,
    was_inside: bool,
    record: Option<Record>,
    at: usize,
}

struct Record {
    held: Held,
    depth: usize,
    is_string: bool,
}

impl Record {
    fn new(start: usize, window: &mut Window) -> Self {
        let origin = window.origin(start);
        Self { held: Held::new(start, origin), depth: 0, is_string: false }
    }
}

impl Scanner {
    pub fn array(path: Vec<String>) -> Self {
        Self { path: Some(path), ..Self::lines() }
    }

    pub fn lines() -> Self {
        Self {
            path: None,
            open: Vec::new(),
            is_name_next: false,
            is_inside: false,
            was_inside: false,
            record: None,
            at: 0,
        }
    }

    pub fn next(&mut self, window: &mut Window, limits: &Limits) -> Result<Option<Found>, Problem> {
        let found = if self.path.is_none() {
            self.line(window, limits)
        } else {
            loop {
                if !self.is_inside {
                    if !self.before(window, limits)? {
                        break None;
                    }
                } else if let Some(found) = self.item(window, limits) {
                    break Some(found);
                } else if self.is_inside {
                    break None;
                }
            }
        };
        if found.is_none() {
            self.wait(window, limits)?;
        }
        Ok(found)
    }

    fn line(&mut self, window: &mut Window, limits: &Limits) -> Option<Found> {
        loop {
            let start = self.record.as_ref().map_or(self.at, |record| record.held.start);
            let rest = &window.text.as_bytes()[self.at..];
            let end = match memchr::memchr(b'\n', rest) {
                Some(length) => self.at + length,
                None if window.is_finished && !window.text[start..].is_empty() => window.text.len(),
                None => {
                    if self.record.is_none() {
                        self.record = Some(Record::new(start, window));
                    }
                    self.at = window.text.len();
                    return None;
                }
            };
            self.at = (end + 1).min(window.text.len());
            let record = self.record.take().unwrap_or_else(|| Record::new(start, window));
            if record.held.is_oversize || !window.text[start..end].trim().is_empty() {
                return Some(found(window, &record.held, end, limits));
            }
        }
    }

    /// Steps towards the array of the records; `false` when more input is needed.
    fn before(&mut self, window: &mut Window, limits: &Limits) -> Result<bool, Problem> {
        let bytes = window.text.as_bytes();
        let Some(byte) = bytes.get(self.at).copied() else { return Ok(false) };
        match byte {
            b'"' => {
                let Some(length) = string_length(&bytes[self.at..]) else {
                    if bytes.len() - self.at > limits.json_string_bytes {
                        return Err(broken("a string outside the records is too long", window.origin(self.at)));
                    }
                    return Ok(false);
                };
                if self.is_name_next
                    && let Some(Some(name)) = self.open.last_mut()
                {
                    name.clear();
                    name.push_str(&window.text[self.at + 1..self.at + length - 1]);
                    self.is_name_next = false;
                }
                self.at += length;
                return Ok(true);
            }
            b'{' | b'[' if self.open.len() >= limits.json_depth => {
                return Err(broken("values are nested too deep", window.origin(self.at)));
            }
            b'{' => {
                self.open.push(Some(String::new()));
                self.is_name_next = true;
            }
            b'[' if !self.was_inside && self.is_here() => {
                self.is_inside = true;
                self.was_inside = true;
            }
            b'[' => self.open.push(None),
            b'}' | b']' => {
                if self.open.pop().is_none_or(|open| open.is_some() != (byte == b'}')) {
                    return Err(broken("a bracket closes nothing that is open", window.origin(self.at)));
                }
                self.is_name_next = false;
            }
            b',' => self.is_name_next = matches!(self.open.last(), Some(Some(_))),
            _ => (),
        }
        self.at += 1;
        while !window.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        Ok(true)
    }

    fn is_here(&self) -> bool {
        let path = self.path.as_deref().unwrap_or_default();
        path.len() == self.open.len() && path.iter().zip(&self.open).all(|(step, open)| open.as_ref() == Some(step))
    }

    fn item(&mut self, window: &mut Window, limits: &Limits) -> Option<Found> {
        let length = window.text.len();
        while self.at < length {
            let byte = window.text.as_bytes()[self.at];
            let Some(record) = &mut self.record else {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' | b',' => self.at += 1,
                    b']' => {
                        self.is_inside = false;
                        self.at += 1;
                        return None;
                    }
                    _ => {
                        self.record = Some(Record::new(self.at, window));
                    }
                }
                continue;
            };
            if record.is_string {
                match memchr::memchr2(b'"', b'\\', &window.text.as_bytes()[self.at..]) {
                    None => self.at = length,
                    Some(skip) if window.text.as_bytes()[self.at + skip] == b'"' => {
                        record.is_string = false;
                        self.at += skip + 1;
                    }
                    // An escape that is not all there yet is looked at again.
                    Some(skip) if self.at + skip + 2 > length && !window.is_finished => {
                        self.at += skip;
                        return None;
                    }
                    Some(skip) => {
                        self.at = (self.at + skip + 2).min(length);
                        while !window.text.is_char_boundary(self.at) {
                            self.at += 1;
                        }
                    }
                }
                continue;
            }
            match byte {
                b'"' => record.is_string = true,
                b'{' | b'[' => record.depth += 1,
                b',' | b']' if record.depth == 0 => {
                    let record = self.record.take()?;
                    return Some(found(window, &record.held, self.at, limits));
                }
                b'}' | b']' => record.depth = record.depth.saturating_sub(1),
                _ => (),
            }
            self.at += 1;
        }
        None
    }

    /// Nothing more can be found: makes room, and says what the end of the batch means.
    fn wait(&mut self, window: &mut Window, limits: &Limits) -> Result<(), Problem> {
        self.at = self.at.min(window.text.len());
        if window.is_finished {
            let end = window.text.len();
            if self.path.is_some() && (self.is_inside || !self.open.is_empty()) {
                let origin = self.record.as_ref().map_or_else(|| window.origin(end), |record| record.held.origin);
                return Err(broken("the batch is cut off: an array or object is not closed", origin));
            }
            return Ok(());
        }
        let held = self.record.as_mut().map(|record| &mut record.held);
        window.make_room(&mut self.at, held, limits.document_bytes);
        Ok(())
    }
}

fn found(window: &Window, held: &Held, end: usize, limits: &Limits) -> Found {
    let is_oversize = held.is_oversize || end - held.start > limits.document_bytes;
    let problem = if is_oversize {
        Some(too_long("this record", limits.document_bytes))
    } else {
        window.has_malformed(held.start, end).then(|| undecodable(window.charset()))
    };
    let text = if is_oversize { String::new() } else { window.text[held.start..end].trim().to_owned() };
    Found { origin: held.origin, text, problem }
}

/// The length of the string at the beginning, its quotes included.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}
