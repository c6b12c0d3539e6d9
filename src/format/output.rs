//! The text being written, aware of what its charset lacks.

use std::collections::HashMap;

use super::{Layout, Unmappable, WriteOptions};
use crate::base::Problem;

/// Output text that will be encoded at the end.
pub(super) struct Output<'o> {
    pub text: String,
    options: &'o WriteOptions,
    lacking: HashMap<char, bool>,
}

impl<'o> Output<'o> {
    pub fn new(options: &'o WriteOptions, capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), options, lacking: HashMap::new() }
    }

    /// A new line, indented, when pretty.
    pub fn line(&mut self, depth: usize) {
        if self.options.layout == Layout::Pretty {
            self.text.push('\n');
            (0..depth).for_each(|_| self.text.push_str("  "));
        }
    }

    /// A blank, when pretty.
    pub fn space(&mut self) {
        if self.options.layout == Layout::Pretty {
            self.text.push(' ');
        }
    }

    /// The first character of `text` the charset lacks.
    fn lacking(&mut self, text: &str) -> Option<(usize, char)> {
        let charset = self.options.charset;
        if charset.is_universal() || text.is_ascii() || self.options.layout == Layout::Canonical {
            return None;
        }
        text.char_indices().find(|(_, character)| {
            !character.is_ascii() && *self.lacking.entry(*character).or_insert_with(|| !charset.has(*character))
        })
    }

    /// Adds text that must be written as it is.
    pub fn verbatim(&mut self, text: &str) -> Result<(), Problem> {
        if let Some((_, character)) = self.lacking(text) {
            return Err(self.options.charset.unmappable(character));
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Adds text without anything to escape, asking `reference` for the form of what the charset lacks.
    pub fn plain(&mut self, mut text: &str, reference: impl Fn(&mut String, char)) -> Result<(), Problem> {
        while let Some((at, character)) = self.lacking(text) {
            if self.options.unmappable == Unmappable::Error {
                return Err(self.options.charset.unmappable(character));
            }
            self.text.push_str(&text[..at]);
            reference(&mut self.text, character);
            text = &text[at + character.len_utf8()..];
        }
        self.text.push_str(text);
        Ok(())
    }
}
