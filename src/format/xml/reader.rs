//! XML text to a document.

use std::{borrow::Cow, sync::Arc};

use super::{
    character::{first_illegal, is_ncname, is_space},
    doctype,
    reference::{Located, check_no_section_end, expand_text, expand_value, normalize_line_ends},
    scope::{Mark, Scope},
    tag::{self, RawAttribute},
    tolerant,
};
use crate::{
    base::{Limits, Place, Problem},
    document::{Builder, Document, Name, NodeId, Shape, Text},
    format::{Doctype, ReadOptions, XSI, at_offset, code, limit_problem},
};

/// Reads a document from its decoded text.
///
/// With [`ReadOptions::tolerant`], text that is not well-formed is repaired first; the repairs come with the document.
/// What is well-formed is never touched.
pub(in crate::format) fn read(source: Arc<str>, options: &ReadOptions) -> Result<(Document, Vec<Problem>), Problem> {
    let strictly = read_strictly(source.clone(), options);
    if strictly.is_ok() || !options.tolerant {
        return strictly.map(|document| (document, Vec::new()));
    }
    let (repaired, repairs) = tolerant::repair(&source);
    if repaired.len() > options.limits.document_bytes {
        return Err(limit_problem("the repaired document has too many bytes", options.limits.document_bytes));
    }
    Ok((read_strictly(repaired.into(), options)?, repairs))
}

fn read_strictly(source: Arc<str>, options: &ReadOptions) -> Result<Document, Problem> {
    let text = source.clone();
    if let Some(at) = first_illegal(&text) {
        let bad = text[at..].chars().next().map_or(0, u32::from);
        let problem = Problem::new(code::XML_CHARACTER, format!("U+{bad:04X} is not allowed in XML, not even escaped"));
        return Err(at_offset(problem, &text, at).hint("the sender must remove control characters"));
    }
    let mut reading = Reading {
        source: &text,
        limits: &options.limits,
        doctype: options.doctype,
        builder: Builder::new(source),
        scope: Scope::new(),
        open: Vec::new(),
        attributes: Vec::new(),
        names: Vec::new(),
        scratch: String::new(),
        entities: Vec::new(),
        has_returns: memchr::memchr(b'\r', text.as_bytes()).is_some(),
        has_section_ends: memchr::memmem::find(text.as_bytes(), b"]]>").is_some(),
        root_seen: false,
        doctype_seen: false,
    };
    match reading.run() {
        Ok(()) => Ok(reading.builder.finish()),
        Err((at, problem)) => Err(reading.place(at, problem)),
    }
}

struct Open<'a> {
    raw: &'a str,
    node: NodeId,
    at: usize,
    mark: Mark,
    /// Has child nodes other than text.
    has_children: bool,
    /// Has text that is not white space.
    has_text: bool,
}

/// Character data not yet put into the document: texts, references and CDATA sections in a row.
#[derive(Default)]
struct Run {
    start: usize,
    end: usize,
    is_open: bool,
    has_references: bool,
    /// Has literal text that is not white space.
    has_text: bool,
    /// How many of the pieces are CDATA sections.
    sections: usize,
    pieces: usize,
}

impl Run {
    /// Goes on with the run, or begins one at `at`.
    #[inline]
    fn open(&mut self, at: usize) -> &mut Self {
        if !self.is_open {
            *self = Self { start: at, is_open: true, ..Self::default() };
        }
        self
    }
}

const SECTION: &[u8] = b"<![CDATA[";

#[derive(Clone, Copy, PartialEq)]
enum Next {
    End,
    Other,
}

struct Reading<'a> {
    source: &'a str,
    limits: &'a Limits,
    doctype: Doctype,
    builder: Builder,
    scope: Scope<'a>,
    open: Vec<Open<'a>>,
    attributes: Vec<RawAttribute<'a>>,
    names: Vec<(Name, u32)>,
    scratch: String,
    /// The entities a skipped DOCTYPE declares.
    entities: Vec<&'a str>,
    has_returns: bool,
    has_section_ends: bool,
    root_seen: bool,
    doctype_seen: bool,
}

impl<'a> Reading<'a> {
    fn run(&mut self) -> Result<(), Located> {
        let source = self.source;
        let bytes = source.as_bytes();
        if source.starts_with('\u{FEFF}') {
            return Err((0, outside_root()));
        }
        let mut at = 0;
        if is_target(bytes, at, "xml") {
            at = find(source, at, "<?xml".len(), "?>", "the XML declaration")?;
            declaration(source, 0, at)?;
        }
        let mut run = Run::default();
        while at < bytes.len() {
            if bytes[at] != b'<' {
                let text = run.open(at);
                at = text_end(bytes, at, text);
                run.end = at;
                continue;
            }
            let next = bytes.get(at + 1).copied().unwrap_or_default();
            if next == b'!' && bytes[at..].starts_with(SECTION) {
                if self.open.is_empty() {
                    return Err((at, outside_root()));
                }
                let end = find(source, at, SECTION.len(), "]]>", "a CDATA section")?;
                let text = run.open(at);
                text.sections += 1;
                text.pieces += 1;
                text.end = end;
                at = end;
                continue;
            }
            if run.is_open {
                let next = if next == b'/' { Next::End } else { Next::Other };
                self.character_data(&run, next)?;
                run.is_open = false;
            }
            at = match next {
                b'/' => self.end_tag(at)?,
                b'?' => {
                    let end = find(source, at, "<?".len(), "?>", "a processing instruction")?;
                    if is_target(bytes, at, "xml") {
                        declaration(source, at, end)?;
                    }
                    self.instruction(at, end)?;
                    end
                }
                b'!' if bytes[at..].starts_with(b"<!--") => {
                    let end = find(source, at, "<!--".len(), "-->", "a comment")?;
                    self.comment(at, end)?;
                    end
                }
                b'!' => self.document_type(at)?,
                _ => self.start_tag(at)?,
            };
        }
        if run.is_open {
            self.character_data(&run, Next::Other)?;
        }
        self.finish()
    }

    /// Reads past a DOCTYPE, or refuses it.
    fn document_type(&mut self, at: usize) -> Result<usize, Located> {
        let rest = &self.source.as_bytes()[at + 2..];
        let is_doctype = rest.len() >= 7 && rest[..7].eq_ignore_ascii_case(b"DOCTYPE");
        if !is_doctype {
            let text = "`<!` begins neither a comment nor a CDATA section";
            return Err((at, Problem::new(code::XML_SYNTAX, text)));
        }
        if self.doctype == Doctype::Refuse {
            return Err((at, doctype::refused()));
        }
        if self.root_seen || self.doctype_seen {
            let text = "a DOCTYPE stands only once, before the root element";
            return Err((at, Problem::new(code::XML_DOCTYPE, text)));
        }
        self.doctype_seen = true;
        let skipped = doctype::skip(self.source, at)?;
        self.entities = skipped.entities;
        Ok(skipped.end)
    }

    /// Takes the start tag at `at`; returns where it ends.
    fn start_tag(&mut self, at: usize) -> Result<usize, Located> {
        match self.open.last_mut() {
            Some(parent) => parent.has_children = true,
            None if self.root_seen => {
                let problem = Problem::new(code::XML_ROOT, "a second root element begins here");
                return Err((at, problem.hint("send one document per message, or split them first")));
            }
            None => self.root_seen = true,
        }
        if self.open.len() >= self.limits.xml_depth {
            return Err((at, limit_problem("elements are nested too deep", self.limits.xml_depth)));
        }
        let name = tag::name(self.source, at + 1, self.limits)?;
        let after = at + 1 + name.text.len();
        let mark = self.scope.mark();
        let (node, is_empty, end) = if self.source.as_bytes().get(after) == Some(&b'>') {
            let resolved = self.scope.element(name, self.builder.names()).map_err(|problem| (at, problem))?;
            self.check_nodes(1, at)?;
            (self.builder.start(resolved, Some(at)), false, after + 1)
        } else {
            let mut attributes = std::mem::take(&mut self.attributes);
            let tagged = tag::attributes(self.source, at, after, self.limits, &mut attributes).and_then(|close| {
                let node = self.start_with(name, at, &attributes, mark)?;
                Ok((node, close.is_empty, close.end))
            });
            self.attributes = attributes;
            tagged?
        };
        if is_empty {
            self.builder.end();
            self.scope.back_to(mark);
        } else {
            self.open.push(Open { raw: name.text, node, at, mark, has_children: false, has_text: false });
        }
        Ok(end)
    }

    fn start_with(
        &mut self,
        name: tag::RawName<'a>,
        at: usize,
        attributes: &[RawAttribute<'a>],
        mark: Mark,
    ) -> Result<NodeId, Located> {
        for attribute in attributes {
            if let Some(prefix) = attribute.declares() {
                let namespace = self.value(attribute)?;
                self.scope
                    .declare(prefix, namespace, mark, self.limits, self.builder.names())
                    .map_err(|problem| (attribute.at, problem))?;
            }
        }
        let resolved = self.scope.element(name, self.builder.names()).map_err(|problem| (at, problem))?;
        self.check_nodes(1 + attributes.len(), at)?;
        let node = self.builder.start(resolved, Some(at));
        self.names.clear();
        for (index, attribute) in attributes.iter().enumerate() {
            if attribute.declares().is_some() {
                continue;
            }
            let name = self
                .scope
                .attribute(attribute.name, self.builder.names())
                .map_err(|problem| (attribute.at, problem))?;
            self.names.push((name, u32::try_from(index).unwrap_or(u32::MAX)));
            let text = if attribute.is_plain {
                Text::Source(attribute.value_at, attribute.value.len())
            } else {
                self.scratch.clear();
                expand_value(attribute.value, attribute.value_at, &self.entities, &mut self.scratch)?;
                Text::Copied(&self.scratch)
            };
            let is_nil = attribute.name.text.ends_with("nil") && {
                let name = self.builder.document().names().get(name);
                &*name.namespace == XSI && &*name.local == "nil"
            };
            if is_nil && matches!(attribute.value.trim(), "true" | "1") {
                self.builder.shape(Shape::Null);
            }
            self.builder.attribute(name, text, Some(attribute.at));
        }
        if let Some(twin) = self.twin_attribute() {
            let attribute = &attributes[twin];
            let text = format!("the attribute `{}` is there twice", attribute.name.text);
            return Err((attribute.at, Problem::new(code::XML_ATTRIBUTE, text)));
        }
        Ok(node)
    }

    /// The index of an attribute whose expanded name an earlier one has.
    fn twin_attribute(&mut self) -> Option<usize> {
        if self.names.len() <= 8 {
            let names = &self.names;
            return names.iter().enumerate().find_map(|(position, (name, index))| {
                names[..position].iter().any(|(earlier, _)| earlier == name).then_some(*index as usize)
            });
        }
        self.names.sort_unstable();
        self.names.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1 as usize)
    }

    fn value(&self, attribute: &RawAttribute<'a>) -> Result<Cow<'a, str>, Located> {
        if attribute.is_plain {
            return Ok(Cow::Borrowed(attribute.value));
        }
        let mut value = String::new();
        expand_value(attribute.value, attribute.value_at, &self.entities, &mut value)?;
        Ok(Cow::Owned(value))
    }

    /// Takes the end tag at `at`; returns where it ends.
    fn end_tag(&mut self, at: usize) -> Result<usize, Located> {
        let bytes = self.source.as_bytes();
        let Some(open) = self.open.last() else {
            return Err((at, Problem::new(code::XML_TAGS, "an end tag has no start tag")));
        };
        let mut end = at + "</".len() + open.raw.len();
        let is_same = bytes.get(at + "</".len()..end) == Some(open.raw.as_bytes());
        while bytes.get(end).is_some_and(|byte| is_space(*byte)) {
            end += 1;
        }
        if is_same && end == bytes.len() {
            return Err((at, Problem::new(code::XML_SYNTAX, "the document ends inside this end tag")));
        }
        if !is_same || bytes.get(end) != Some(&b'>') {
            let place = Place::of_offset(self.source, open.at);
            let text = format!("the end tag of `{}` (opened at {place}) was expected here", open.raw);
            return Err((at, Problem::new(code::XML_TAGS, text)));
        }
        self.scope.back_to(open.mark);
        self.builder.end();
        self.open.pop();
        Ok(end + 1)
    }

    fn character_data(&mut self, run: &Run, next: Next) -> Result<(), Located> {
        let raw = &self.source[run.start..run.end];
        let is_literal = run.sections == 0 && !run.has_references;
        let is_blank = is_literal && !run.has_text;
        let Some(open) = self.open.last_mut() else {
            if is_blank {
                return Ok(());
            }
            let skipped = raw.bytes().take_while(|byte| is_space(*byte)).count();
            return Err((run.start + skipped, outside_root()));
        };
        if is_blank {
            let is_whole = next == Next::End && !open.has_children;
            if !is_whole && !open.has_text {
                return Ok(());
            }
        } else {
            open.has_text = true;
        }
        self.check_nodes(1, run.start)?;
        let has_returns = self.has_returns && memchr::memchr(b'\r', raw.as_bytes()).is_some();
        if is_literal && !has_returns {
            if self.has_section_ends {
                check_no_section_end(raw, run.start)?;
            }
            self.builder.text(Text::Source(run.start, raw.len()), Some(run.start));
        } else if run.sections == 1 && run.pieces == 1 && !has_returns {
            let (start, length) = (run.start + "<![CDATA[".len(), raw.len() - "<![CDATA[]]>".len());
            if length > 0 {
                self.builder.text(Text::Source(start, length), Some(run.start));
            }
        } else {
            self.scratch.clear();
            expand_text(raw, run.start, &self.entities, &mut self.scratch)?;
            if !self.scratch.is_empty() {
                self.builder.text(Text::Copied(&self.scratch), Some(run.start));
            }
        }
        Ok(())
    }

    fn comment(&mut self, at: usize, end: usize) -> Result<(), Located> {
        let raw = self.source.get(at + "<!--".len()..end - "-->".len());
        let Some(content) =
            raw.filter(|raw| !raw.ends_with('-') && memchr::memmem::find(raw.as_bytes(), b"--").is_none())
        else {
            return Err((at, Problem::new(code::XML_MISC, "a comment contains `--` or ends with `-`")));
        };
        self.child(at)?;
        let text = normalized(self.has_returns, content, at + "<!--".len(), &mut self.scratch);
        self.builder.comment(text, Some(at));
        Ok(())
    }

    fn instruction(&mut self, at: usize, end: usize) -> Result<(), Located> {
        let content = &self.source[at + "<?".len()..end - "?>".len()];
        let length = content.bytes().position(is_space).unwrap_or(content.len());
        let (target, rest) = content.split_at(length);
        if target.eq_ignore_ascii_case("xml") {
            let problem = Problem::new(code::XML_MISC, "a processing instruction cannot be named `xml`");
            return Err((at, problem));
        }
        if !is_ncname(target) {
            let text = "a processing instruction's target is not a name without colon";
            return Err((at, Problem::new(code::XML_MISC, text)));
        }
        if target.len() > self.limits.name_bytes {
            return Err((at, limit_problem("a name has too many bytes", self.limits.name_bytes)));
        }
        self.child(at)?;
        let text_at = at + "<?".len() + length + rest.bytes().take_while(|byte| is_space(*byte)).count();
        let name = self.builder.names().intern("", target);
        let text = normalized(self.has_returns, &self.source[text_at..end - "?>".len()], text_at, &mut self.scratch);
        self.builder.instruction(name, text, Some(at));
        Ok(())
    }

    /// A comment or instruction is about to be added.
    fn child(&mut self, at: usize) -> Result<(), Located> {
        if let Some(parent) = self.open.last_mut() {
            parent.has_children = true;
        }
        self.check_nodes(1, at)
    }

    fn finish(&self) -> Result<(), Located> {
        if let Some(open) = self.open.last() {
            let text = format!("the document ends inside the element `{}`, which is not closed", open.raw);
            return Err((open.at, Problem::new(code::XML_TAGS, text)));
        }
        if !self.root_seen {
            return Err((self.source.len(), Problem::new(code::XML_ROOT, "the document has no root element")));
        }
        Ok(())
    }

    #[inline]
    fn check_nodes(&self, more: usize, at: usize) -> Result<(), Located> {
        if self.builder.len() + more > self.limits.nodes {
            return Err((at, limit_problem("the document has too many nodes", self.limits.nodes)));
        }
        Ok(())
    }

    /// The problem with its place, and the path of the innermost open element.
    fn place(&self, at: usize, problem: Problem) -> Problem {
        let place = Place::of_offset(self.source, at);
        problem.at(match self.open.last() {
            Some(open) => place.with_path(self.builder.document().path(open.node)),
            None => place,
        })
    }
}

fn normalized<'s>(has_returns: bool, raw: &str, at: usize, scratch: &'s mut String) -> Text<'s> {
    if !has_returns {
        return Text::Source(at, raw.len());
    }
    scratch.clear();
    normalize_line_ends(raw, scratch);
    Text::Copied(scratch)
}

/// Whether `<?` and a target that ends there stand at `at`.
fn is_target(bytes: &[u8], at: usize, target: &str) -> bool {
    let rest = bytes[at..].strip_prefix(b"<?").and_then(|rest| rest.strip_prefix(target.as_bytes()));
    rest.is_some_and(|rest| rest.first().is_some_and(|byte| is_space(*byte) || *byte == b'?'))
}

/// Where the markup that begins at `at` ends: behind `close`.
fn find(source: &str, at: usize, skip: usize, close: &str, what: &str) -> Result<usize, Located> {
    let from = at + skip;
    match memchr::memmem::find(&source.as_bytes()[from..], close.as_bytes()) {
        Some(length) => Ok(from + length + close.len()),
        None => {
            let problem = Problem::new(code::XML_SYNTAX, format!("{what} begins here and is never closed"));
            Err((at, problem.hint(format!("`{close}` is missing"))))
        }
    }
}

/// Where the character data at `at` ends, noting what is in it.
#[inline]
fn text_end(bytes: &[u8], at: usize, run: &mut Run) -> usize {
    run.pieces += 1;
    let mut end = at;
    // White space between tags is the most frequent text of all.
    while let Some(byte) = bytes.get(end)
        && is_space(*byte)
    {
        end += 1;
    }
    if bytes.get(end).is_none_or(|byte| *byte == b'<') {
        return end;
    }
    run.has_text = true;
    while let Some(byte) = bytes.get(end)
        && *byte != b'<'
    {
        run.has_references |= *byte == b'&';
        end += 1;
    }
    end
}

fn outside_root() -> Problem {
    Problem::new(code::XML_ROOT, "text stands outside the root element")
}

/// Checks the XML declaration (XML 1.0 §2.8).
pub(super) fn declaration(source: &str, at: usize, end: usize) -> Result<(), Located> {
    let wrong = |text: &str| Err((at, Problem::new(code::XML_DECLARATION, text)));
    if at != 0 {
        return wrong("the XML declaration is not at the very beginning")
            .map_err(|(at, problem)| (at, problem.hint("remove what stands before `<?xml`")));
    }
    let mut rest = &source["<?xml".len()..end - "?>".len()];
    let mut seen = [false; 3];
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if trimmed.is_empty() {
            break;
        }
        let name_length = trimmed.bytes().take_while(u8::is_ascii_lowercase).count();
        let (name, after) = trimmed.split_at(name_length);
        let value = after.trim_start_matches([' ', '\t', '\r', '\n']).strip_prefix('=');
        let value = value.map(|value| value.trim_start_matches([' ', '\t', '\r', '\n']));
        let quoted = value.and_then(|value| {
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            value[1..].split_once(quote)
        });
        let (Some((value, after)), true) = (quoted, rest.len() > trimmed.len()) else {
            return wrong("the XML declaration is not `version=\"1.0\"`, then `encoding`, then `standalone`");
        };
        rest = after;
        let (position, is_legal) = match name {
            "version" => {
                let minor = value.strip_prefix("1.").unwrap_or_default();
                (0, !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit()))
            }
            "encoding" => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                (1, value.starts_with(|first: char| first.is_ascii_alphabetic()) && value.bytes().all(is_part))
            }
            "standalone" => (2, matches!(value, "yes" | "no")),
            _ => return wrong("the XML declaration knows only `version`, `encoding` and `standalone`"),
        };
        let is_in_order = seen[position..].iter().all(|later| !later) && (position == 0 || seen[0]);
        if !is_in_order || !is_legal {
            return wrong("the XML declaration is not `version=\"1.0\"`, then `encoding`, then `standalone`");
        }
        seen[position] = true;
    }
    if seen[0] { Ok(()) } else { wrong("the XML declaration has no version") }
}
