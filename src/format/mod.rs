//! Bytes to [`Document`] and back: charsets, XML, JSON.
//!
//! It stands apart because bytes from outside are hostile until proven otherwise: everything that looks at them is here,
//! checks completely, and stops at the limits before doing work an attacker asked for. It is pure: no I/O, no logging,
//! and no resolver of any kind, so no document can make it fetch a file or a URL. A new syntax gets a folder with a
//! `read` and a `write`, a variant of [`Syntax`], and its codes in `code.rs`.

mod charset;
mod code;
mod json;
mod name_cache;
mod output;
mod split;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;

pub use charset::{Charset, charset_of_media_type, decode};
pub use code::CODES;
pub use split::{Piece, Records, Splitter};

use crate::{
    base::{Limits, Place, Problem},
    document::Document,
};

/// The namespace of `xsi:nil`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// How a document is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// XML 1.0 (Fifth Edition) with Namespaces in XML 1.0 (Third Edition), without DOCTYPE.
    Xml,
    /// JSON, RFC 8259.
    Json,
}

impl Syntax {
    /// The syntax a media type names, or else the one the first bytes look like; `None` when neither tells.
    #[must_use]
    pub fn sniff(content_type: Option<&str>, bytes: &[u8]) -> Option<Self> {
        let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        let subtype = media_type.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if subtype == "xml" || subtype.ends_with("+xml") {
            return Some(Self::Xml);
        }
        if subtype == "json" || subtype.ends_with("+json") {
            return Some(Self::Json);
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let skipped = |byte: &&u8| !matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n' | 0xFE | 0xFF);
        match bytes.iter().find(skipped)? {
            b'<' => Some(Self::Xml),
            b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Some(Self::Json),
            _ => None,
        }
    }

    /// The media type to announce.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/xml",
            Self::Json => "application/json",
        }
    }
}

/// What to do with a document type declaration. Whatever it says, nothing is fetched and nothing is expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doctype {
    /// Refuse the document.
    #[default]
    Refuse,
    /// Read past it; a reference to an entity it declares is a problem.
    Skip,
}

/// What to do with a member name that is there twice in one JSON object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Refuse the document.
    #[default]
    Refuse,
    /// The last one is taken, at its own place; the earlier ones are as if they were not there.
    LastWins,
}

/// How JSON stands for elements, attributes and text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convention {
    /// `@x` is an attribute, `#text` is text.
    #[default]
    Plain,
    /// UBL 2.x JSON, "model" binding: content under `_`, attributes beside it, arrays where the model repeats.
    UblModel,
    /// UBL 2.1 JSON, "legacy" binding: content under `_`, attributes beside it, everything an array.
    UblLegacy,
}

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// What the document may at most ask for.
    pub limits: Limits,
    /// The charset the transport named (HTTP `charset=`); must agree with what the bytes say.
    pub charset: Option<Charset>,
    /// The charset the sender's setting names; must agree too.
    pub agreed_charset: Option<Charset>,
    /// JSON only: the namespace given to all member names.
    pub namespace: Option<Arc<str>>,
    /// XML only: what to do with a DOCTYPE.
    pub doctype: Doctype,
    /// XML only: repair what partners are known to get wrong, and say so in [`Reading::repairs`].
    pub tolerant: bool,
    /// JSON only: what to do with a repeated member name.
    pub duplicates: Duplicates,
    /// JSON only: how the document is built from it.
    pub convention: Convention,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The document.
    pub document: Document,
    /// The charset its bytes were in.
    pub charset: Charset,
    /// What was repaired, as warnings with their places; empty unless [`ReadOptions::tolerant`].
    pub repairs: Vec<Problem>,
}

/// What to do with a character the output charset lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmappable {
    /// Refuse to write, naming the character and its path.
    #[default]
    Error,
    /// Write `&#x…;` in XML, `\u…` in JSON; still an error where neither is possible (names, comments).
    Reference,
}

/// How a document is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Nothing that need not be there.
    #[default]
    Compact,
    /// One element or member a line, two blanks a level; never inside mixed content.
    Pretty,
    /// The same bytes for the same document. XML: Canonical XML 1.0 with comments of what [`Self::Compact`] writes, always
    /// UTF-8. JSON: members sorted by name; numbers as they are.
    Canonical,
}

/// How to write.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The charset of the output.
    pub charset: Charset,
    /// How it is laid out.
    pub layout: Layout,
    /// XML only: begin with `<?xml …?>`.
    pub declaration: bool,
    /// What to do with a character the charset lacks.
    pub unmappable: Unmappable,
    /// JSON only: how the document is said in it.
    pub convention: Convention,
    /// JSON only: elements that are arrays however many there are; paths of local names from the root, `*` for any.
    pub arrays: Arc<[ArrayPath]>,
    /// UBL in JSON only: how deep elements may be nested.
    pub max_depth: usize,
}

/// The path of elements that are arrays: local names from the root, `*` for any.
pub type ArrayPath = Vec<String>;

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            charset: Charset::UTF_8,
            layout: Layout::Compact,
            declaration: true,
            unmappable: Unmappable::Error,
            convention: Convention::Plain,
            arrays: Arc::default(),
            max_depth: Limits::default().json_depth,
        }
    }
}

/// Reads a document.
///
/// # XML
/// Elements, attributes, texts, comments and processing instructions become nodes; namespace declarations do not (the
/// names table keeps the prefixes). Text next to text, references and CDATA sections are one node. White space written
/// between tags is dropped unless it is the whole content of its element, or follows other text in the same element:
/// these are data documents. `xsi:nil="true"` gives the element [`crate::document::Shape::Null`]; the attribute stays.
///
/// # JSON
/// The members of the root object are elements under the document node. `@x` with a string, number or boolean is an
/// attribute, `#text` with a scalar is text and gives the element the scalar's shape unless that is a string (both only
/// below the root object). An array is its items under the member's
/// name; an array without items is no node, and only a writer of JSON sees it. An array in an array is an element that
/// holds its items.
///
/// # Errors
/// The first problem, with line and column, and the path where there is one.
pub fn read(bytes: &[u8], syntax: Syntax, options: &ReadOptions) -> Result<Reading, Problem> {
    let (source, charset) = decode(bytes, syntax, options)?;
    let (document, repairs) = match syntax {
        Syntax::Xml => xml::read(source, options)?,
        Syntax::Json => (json::read(source, options)?, Vec::new()),
    };
    Ok(Reading { document, charset, repairs })
}

/// Writes a document.
///
/// # Errors
/// When the syntax has no form for the document or the charset lacks a character; with the path of the node.
pub fn write(document: &Document, syntax: Syntax, options: &WriteOptions) -> Result<Vec<u8>, Problem> {
    let text = match syntax {
        Syntax::Xml => xml::write(document, options)?,
        Syntax::Json => json::write(document, options)?,
    };
    let charset = if options.layout == Layout::Canonical { Charset::UTF_8 } else { options.charset };
    charset.encode(text)
}

/// "Too much of something": every limit speaks the same way.
fn limit_problem(what: &str, limit: usize) -> Problem {
    Problem::new(code::LIMIT, format!("{what}: the limit is {limit}"))
        .hint("raise the limit for this route if the document is legitimate")
}

fn at_offset(problem: Problem, source: &str, offset: usize) -> Problem {
    problem.at(Place::of_offset(source, offset))
}
