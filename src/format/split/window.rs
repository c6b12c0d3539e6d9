//! The part of a batch that is in memory: decoded piece by piece, with the way back to bytes and lines of the input.

use std::collections::VecDeque;

use encoding_rs::{Decoder, DecoderResult};

use crate::{
    base::Problem,
    format::{
        Syntax,
        charset::{self, Charset},
        limit_problem,
    },
};

/// So many bytes tell the charset: byte order mark and XML declaration lie within.
const HEAD: usize = 1024;
/// Width of a character not looked up yet.
const UNKNOWN: u8 = 0;

/// Decoded text with what was consumed dropped. Positions named `at` are indexes into [`Self::text`].
pub(super) struct Window {
    syntax: Syntax,
    agreed: Option<Charset>,
    /// Bytes before the charset is known.
    head: Vec<u8>,
    decoding: Option<(Charset, Decoder)>,
    pub text: String,
    /// The last place asked for: index into the text, byte offset and line in the input.
    place: (usize, Origin),
    /// Where bytes meant nothing: index of the U+FFFD in their place, and how many bytes there were.
    malformed: VecDeque<(usize, u64)>,
    /// Bytes a character of the Basic Multilingual Plane takes in the charset.
    widths: Vec<u8>,
    pub is_finished: bool,
}

/// A place in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub offset: u64,
    pub line: u64,
}

/// A record being collected.
pub(super) struct Held {
    pub start: usize,
    pub origin: Origin,
    /// Larger than a document may be: its text is not kept.
    pub is_oversize: bool,
}

impl Held {
    pub fn new(start: usize, origin: Origin) -> Self {
        Self { start, origin, is_oversize: false }
    }
}

impl Window {
    pub fn new(syntax: Syntax, agreed: Option<Charset>) -> Self {
        Self {
            syntax,
            agreed,
            head: Vec::new(),
            decoding: None,
            text: String::new(),
            place: (0, Origin { offset: 0, line: 1 }),
            malformed: VecDeque::new(),
            widths: Vec::new(),
            is_finished: false,
        }
    }

    /// Decodes more of the input.
    pub fn push(&mut self, bytes: &[u8], is_last: bool) -> Result<(), Problem> {
        self.is_finished |= is_last;
        if self.decoding.is_some() {
            self.decode(bytes, is_last);
            return Ok(());
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() >= HEAD || is_last {
            let (charset, mark) = charset::detect(&self.head, self.syntax, None, self.agreed)?;
            self.place.1.offset = mark as u64;
            self.decoding = Some((charset, charset.encoding().new_decoder_without_bom_handling()));
            let head = std::mem::take(&mut self.head);
            self.decode(&head[mark..], is_last);
        }
        Ok(())
    }

    fn decode(&mut self, mut bytes: &[u8], is_last: bool) {
        let Some((_, decoder)) = &mut self.decoding else { return };
        self.text.reserve(decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len()));
        loop {
            let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut self.text, is_last);
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => self.text.reserve(bytes.len() * 3 + 64),
                DecoderResult::Malformed(length, _) => {
                    self.malformed.push_back((self.text.len(), u64::from(length)));
                    self.text.push('\u{FFFD}');
                }
            }
        }
    }

    /// Where `at` lies in the input. Places are asked for in order: never one before the last.
    pub fn origin(&mut self, at: usize) -> Origin {
        let (mut from, mut origin) = self.place;
        let passed = self.text.get(from..at).unwrap_or_default();
        origin.line += memchr::memchr_iter(b'\n', passed.as_bytes()).count() as u64;
        while let Some((bad, length)) = self.malformed.front().copied().filter(|(bad, _)| *bad < at) {
            self.malformed.pop_front();
            origin.offset += self.width(from, bad) + length;
            from = bad + '\u{FFFD}'.len_utf8();
        }
        origin.offset += self.width(from, at);
        self.place = (at, origin);
        origin
    }

    /// Whether bytes in a range meant nothing in the charset.
    pub fn has_malformed(&self, from: usize, to: usize) -> bool {
        self.malformed.iter().any(|(at, _)| (from..to).contains(at))
    }

    /// The charset of the input, once known.
    pub fn charset(&self) -> Charset {
        self.decoding.as_ref().map_or(Charset::UTF_8, |(charset, _)| *charset)
    }

    /// Forgets what is not needed any more: all before `at`, but not what belongs to a record that may still be a document.
    pub fn make_room(&mut self, at: &mut usize, held: Option<&mut Held>, limit: usize) {
        let mut keep = *at;
        if let Some(held) = held {
            held.is_oversize |= self.text.len() - held.start > limit;
            if !held.is_oversize {
                keep = held.start;
            }
            held.start = held.start.saturating_sub(keep);
        }
        self.drop_before(keep);
        *at -= keep;
    }

    /// Forgets the text before `at`.
    fn drop_before(&mut self, at: usize) {
        self.origin(at.max(self.place.0));
        self.text.drain(..at);
        self.place.0 -= at;
        self.malformed.iter_mut().for_each(|(bad, _)| *bad -= at);
    }

    /// How many bytes of input a part of the text came from.
    fn width(&mut self, from: usize, to: usize) -> u64 {
        let charset = self.charset();
        let text = self.text.get(from..to).unwrap_or_default();
        if charset == Charset::UTF_8 {
            return text.len() as u64;
        }
        if charset == Charset::UTF_16LE || charset == Charset::UTF_16BE {
            return text.chars().map(|character| character.len_utf16() as u64 * 2).sum();
        }
        if self.widths.is_empty() {
            self.widths = vec![UNKNOWN; 1 << 16];
        }
        let mut width = 0;
        for character in text.chars() {
            width += match self.widths.get_mut(character as usize) {
                _ if character.is_ascii() => 1,
                Some(known) => {
                    if *known == UNKNOWN {
                        *known = charset.width(character);
                    }
                    u64::from(*known)
                }
                None => u64::from(charset.width(character)),
            };
        }
        width
    }
}

/// Too much text without an end in sight.
pub(super) fn too_long(what: &str, limit: usize) -> Problem {
    limit_problem(&format!("{what} has too many bytes"), limit)
}
