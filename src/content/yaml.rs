//! The YAML tree and its reader.

use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::code;
use crate::base::{Place, Problem};

/// Nesting beyond this is refused; no content file comes near.
const MAX_DEPTH: usize = 100;

/// A YAML node with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yaml {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1. Of a text: where its first character stands, quotes excluded.
    pub column: u32,
    /// What it holds.
    pub data: Data,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar as written, unresolved: `1.10` stays `1.10`. `plain` is false for quoted and block scalars.
    Text {
        /// The text.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Yaml>),
    /// A mapping, in file order, keys unique.
    Map(Vec<(Key, Yaml)>),
}

/// A key of a mapping with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Key {
    /// Where the key stands.
    #[must_use]
    pub fn place(&self, file: &Arc<str>) -> Place {
        Place::in_file(file, self.line, self.column)
    }
}

impl Yaml {
    /// Where the node begins.
    #[must_use]
    pub fn place(&self, file: &Arc<str>) -> Place {
        Place::in_file(file, self.line, self.column)
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Key, Self)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a sequence; empty for anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(known, _)| known.text == key).map(|(_, value)| value)
    }

    /// What it is, for messages: "a text", "a list", …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Text { .. } => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a block of keys",
        }
    }
}

/// Reads one YAML document. An empty file is [`Data::Null`].
///
/// Aliases, tags and several documents in a file are refused: content needs none of them, and aliases can blow up.
///
/// # Errors
/// `XD-C001` with line and column.
pub fn parse(text: &str, file: &Arc<str>) -> Result<Yaml, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { file, stack: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let place = place(file, error.marker());
            let written = error.info().trim_end_matches('.').to_owned();
            Problem::new(code::SYNTAX, format!("the YAML cannot be read: {written}")).at(place).hint(
                "check the indentation, and quote values that begin with a special character or contain `: ` or ` #`",
            )
        })?;
        reader.take(event, span)?;
    }
    Ok(reader.root.unwrap_or(Yaml { line: 1, column: 1, data: Data::Null }))
}

struct Reader<'a> {
    file: &'a Arc<str>,
    stack: Vec<(Yaml, Option<Key>)>,
    root: Option<Yaml>,
}

fn place(file: &Arc<str>, marker: &Marker) -> Place {
    Place::in_file(file, narrow(marker.line()), narrow(marker.col() + 1))
}

fn narrow(wide: usize) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let here = &span.start;
        let refuse = |what: &str| Err(Problem::new(code::SYNTAX, what).at(place(self.file, here)));
        let open = |data| Yaml { line: narrow(here.line()), column: narrow(here.col() + 1), data };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                refuse("a content file holds one YAML document; a second one begins here")
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(_) => refuse("aliases (`*name`) are not supported; write the value out, or use a fragment"),
            Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) | Event::Scalar(_, _, _, Some(_)) => {
                refuse("tags (`!name`) are not supported")
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.stack.len() >= MAX_DEPTH => {
                refuse("nested deeper than 100 levels")
            }
            Event::SequenceStart(..) => {
                self.stack.push((open(Data::List(Vec::new())), None));
                Ok(())
            }
            Event::MappingStart(..) => {
                self.stack.push((open(Data::Map(Vec::new())), None));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some((node, _)) => self.put(node),
                None => Ok(()),
            },
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                let data = if plain && matches!(&*text, "" | "~" | "null") {
                    Data::Null
                } else {
                    Data::Text { text: text.into_owned(), plain }
                };
                let mut node = open(data);
                match style {
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => node.column += 1,
                    ScalarStyle::Literal | ScalarStyle::Folded => node.line += 1,
                    ScalarStyle::Plain => (),
                }
                self.put(node)
            }
        }
    }

    fn put(&mut self, node: Yaml) -> Result<(), Problem> {
        let Some((parent, pending)) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.data, pending.take()) {
            (Data::List(items), _) => items.push(node),
            (Data::Map(entries), Some(key)) => entries.push((key, node)),
            (Data::Map(entries), None) => {
                let Some(text) = node.text() else {
                    return Err(Problem::new(code::SYNTAX, format!("a key must be a text, not {}", node.kind()))
                        .at(node.place(self.file)));
                };
                if let Some((first, _)) = entries.iter().find(|(known, _)| known.text == text) {
                    return Err(Problem::new(
                        code::SYNTAX,
                        format!("key `{text}` is written twice, first in line {}", first.line),
                    )
                    .at(node.place(self.file)));
                }
                *pending = Some(Key { text: text.to_owned(), line: node.line, column: node.column });
            }
            _ => (),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Yaml, Problem> {
        parse(text, &"t.yaml".into())
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let root = read("a: 1.10\nb:\n  - x\n  - \"=y\"\n").expect("good YAML");
        assert_eq!(root.get("a").and_then(Yaml::text), Some("1.10"));
        let items = root.get("b").expect("b").items();
        assert_eq!((items[1].line, items[1].column, items[1].text()), (4, 6, Some("=y")));
        assert_eq!((root.entries()[1].0.line, root.entries()[1].0.column), (2, 1));
    }

    #[test]
    fn what_content_does_not_need_is_refused_with_its_place() {
        for (text, line, column) in [
            ("a: 1\na: 2\n", 2, 1),
            ("a: &x 1\nb: *x\n", 2, 4),
            ("a: !!str 1\n", 1, 4),
            ("a: [1\nb: 2\n", 2, 2),
            ("a: 1\n---\nb: 2\n", 2, 1),
        ] {
            let problem = read(text).expect_err("refused");
            assert_eq!((problem.place.line, problem.place.column), (line, column), "{text:?}: {problem}");
        }
        assert!(read(&"[".repeat(200)).is_err());
        assert_eq!(read("").expect("empty").data, Data::Null);
    }
}
