//! Batches of any size to single documents, in constant memory.
//!
//! The caller pushes bytes as they come and takes pieces; only the record being collected is held. Every piece is a
//! document of its own in UTF-8, checked like any other; a record that is malformed comes out with its problem, and the
//! batch goes on where it can still be told where records begin and end.

mod json;
#[cfg(test)]
mod tests;
mod window;
mod xml;

use self::window::{Origin, Window};
use super::{Charset, ReadOptions, Syntax, code, read};
use crate::base::{Limits, Place, Problem};

/// What the records of a batch are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// XML elements, by their path from the root: local names, `*` for any.
    Xml(Vec<String>),
    /// The items of a JSON array: at the root, or under these member names.
    JsonArray(Vec<String>),
    /// One JSON value a line (NDJSON, JSON Lines).
    Lines,
}

impl Records {
    /// Reads `/Batch/Customer`, `json`, `json:/data/customers`, `lines`.
    ///
    /// # Errors
    /// `XD-F051` with the forms there are.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let steps = |path: &str| -> Option<Vec<String>> {
            let steps: Vec<String> = path.strip_prefix('/')?.split('/').map(ToOwned::to_owned).collect();
            steps.iter().all(|step| !step.is_empty() && !step.contains([' ', '[', '@'])).then_some(steps)
        };
        let records = match text {
            "lines" => Some(Self::Lines),
            "json" => Some(Self::JsonArray(Vec::new())),
            _ => match text.strip_prefix("json:") {
                Some(path) => steps(path).map(Self::JsonArray),
                None => steps(text).filter(|steps| steps.len() > 1).map(Self::Xml),
            },
        };
        records.ok_or_else(|| {
            Problem::new(code::RECORDS, format!("`{text}` does not say where the records are"))
                .hint("write `/Batch/Customer` (XML, from the root), `json`, `json:/data/customers` or `lines`")
        })
    }

    fn syntax(&self) -> Syntax {
        if matches!(self, Self::Xml(_)) { Syntax::Xml } else { Syntax::Json }
    }
}

/// One record of a batch, as a document of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which record it is, from 1.
    pub position: u64,
    /// Where it begins in the input, in bytes.
    pub offset: u64,
    /// The line it begins on, from 1.
    pub line: u64,
    /// The document in UTF-8; of a malformed record what could be told to be its own.
    pub bytes: Vec<u8>,
    /// What is wrong with it; its place is a place of the batch.
    pub problem: Option<Problem>,
}

/// A record as a scanner finds it.
struct Found {
    origin: Origin,
    text: String,
    problem: Option<Problem>,
}

enum Scanner {
    Xml(xml::Scanner),
    Json(json::Scanner),
}

/// Splits one batch.
pub struct Splitter {
    scanner: Scanner,
    window: Window,
    syntax: Syntax,
    limits: Limits,
    pieces: u64,
}

impl Splitter {
    /// A splitter at the beginning of a batch; `charset` is what the sender's setting says, if it says anything.
    #[must_use]
    pub fn new(records: &Records, charset: Option<Charset>, limits: Limits) -> Self {
        let scanner = match records {
            Records::Xml(path) => Scanner::Xml(xml::Scanner::new(path.clone())),
            Records::JsonArray(path) => Scanner::Json(json::Scanner::array(path.clone())),
            Records::Lines => Scanner::Json(json::Scanner::lines()),
        };
        let syntax = records.syntax();
        Self { scanner, window: Window::new(syntax, charset), syntax, limits, pieces: 0 }
    }

    /// Takes more of the batch. Take all pieces before pushing again: what was pushed is held until then.
    ///
    /// # Errors
    /// Charsets that are unknown or disagree.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.window.push(bytes, false)
    }

    /// Says that the batch is complete; the last pieces may come now.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self) -> Result<(), Problem> {
        self.window.push(&[], true)
    }

    /// The next piece; `None` when more input is needed, or, after [`Self::finish`], when the batch is done.
    ///
    /// # Errors
    /// What makes it impossible to tell where records begin and end. The pieces so far stand.
    pub fn piece(&mut self) -> Result<Option<Piece>, Problem> {
        let found = match &mut self.scanner {
            Scanner::Xml(scanner) => scanner.next(&mut self.window, &self.limits)?,
            Scanner::Json(scanner) => scanner.next(&mut self.window, &self.limits)?,
        };
        let Some(found) = found else { return Ok(None) };
        self.pieces += 1;
        let bytes = found.text.into_bytes();
        let options = ReadOptions { limits: self.limits.clone(), ..ReadOptions::default() };
        let line = found.origin.line;
        let checked = || read(&bytes, self.syntax, &options).err().map(|problem| in_batch(problem, line));
        let problem = found.problem.map(|problem| problem.at(place(line))).or_else(checked);
        Ok(Some(Piece { position: self.pieces, offset: found.origin.offset, line, bytes, problem }))
    }

    /// How many pieces came out so far.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.pieces
    }
}

fn place(line: u64) -> Place {
    Place::at(u32::try_from(line).unwrap_or(u32::MAX), 1)
}

/// The problem of a record with its line in the batch. Declarations put on a record's first line move its columns.
fn in_batch(problem: Problem, line: u64) -> Problem {
    let within = u64::from(problem.place.line.max(1)) - 1;
    let column = if within == 0 { 1 } else { problem.place.column };
    let place = Place { column, ..place(line + within) };
    let path = problem.place.path.clone();
    problem.at(Place { path, ..place })
}

/// Bytes of the record that mean nothing in the charset.
fn undecodable(charset: Charset) -> Problem {
    Problem::new(code::CHARSET_MALFORMED, format!("bytes of this record are not {}", charset.name()))
        .hint("find out which charset the sender really writes; U+FFFD stands where they were")
}

/// The batch cannot be split further.
fn broken(text: impl Into<String>, origin: Origin) -> Problem {
    let text = format!("{} (byte {} of the batch)", text.into(), origin.offset);
    Problem::new(code::SPLIT, text).at(place(origin.line))
}
