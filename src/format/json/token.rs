//! JSON text to a flat list of tokens: everything the grammar demands is checked here.

use std::{borrow::Cow, collections::HashMap};

use super::{
    number::{MAX_DIGITS, Number, number},
    string::{measure, unescape},
};
use crate::{
    base::{Limits, Place, Problem},
    format::{Duplicates, code, limit_problem},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Object,
    Array,
    Key,
    /// The name of a member that a later one of the same name replaces.
    Replaced,
    String,
    Number,
    Boolean,
    Null,
}

/// A value, or the name of the member whose value follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub kind: TokenKind,
    /// Strings and names: has escapes. Objects: has members whose name begins with `@`.
    pub flag: bool,
    /// The text: of strings without quotes, of scalars as written.
    pub start: u32,
    pub length: u32,
    /// The token after this value.
    pub next: u32,
}

impl Token {
    /// The raw text.
    pub fn raw<'a>(&self, source: &'a str) -> &'a str {
        &source[self.start as usize..(self.start + self.length) as usize]
    }

    /// The text a string or name stands for.
    pub fn text<'a>(&self, source: &'a str) -> Cow<'a, str> {
        let raw = self.raw(source);
        if !self.flag {
            return Cow::Borrowed(raw);
        }
        let mut text = String::with_capacity(raw.len());
        unescape(raw, &mut text);
        Cow::Owned(text)
    }
}

/// An open object or array.
#[derive(Clone, Copy)]
struct Frame {
    token: usize,
    is_object: bool,
    /// Where its member names begin in `keys`.
    keys: usize,
}

/// Takes a whole JSON text apart.
pub(super) fn tokens(source: &str, limits: &Limits, duplicates: Duplicates) -> Result<Vec<Token>, Problem> {
    let mut tokenizer = Tokenizer {
        source,
        bytes: source.as_bytes(),
        limits,
        duplicates,
        at: 0,
        tokens: Vec::with_capacity((source.len() / 8).clamp(16, 1 << 20)),
        frames: Vec::new(),
        keys: Vec::new(),
    };
    if let Err((at, problem)) = tokenizer.run() {
        return Err(problem.at(Place::of_offset(source, at).with_path(tokenizer.path())));
    }
    Ok(tokenizer.tokens)
}

/// The path of a value or name, in the form of [`crate::document::Document::path`]; an item of an array has its position.
pub(super) fn path_of(source: &str, tokens: &[Token], wanted: usize) -> String {
    let (mut path, mut at) = (String::new(), 0);
    while at < wanted && at < tokens.len() {
        let is_object = tokens[at].kind == TokenKind::Object;
        let (mut child, mut position) = (at + 1, 1);
        // The member or item that holds what is wanted.
        loop {
            let value = if is_object { child + 1 } else { child };
            let Some(next) = tokens.get(value).map(|token| token.next as usize) else { return path };
            if wanted < next {
                if is_object {
                    path.push('/');
                    path.extend(tokens[child].text(source).chars().take(60));
                } else {
                    path.push_str(&format!("[{position}]"));
                }
                at = value;
                break;
            }
            child = next;
            position += 1;
        }
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

type Located = (usize, Problem);

struct Tokenizer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    limits: &'a Limits,
    duplicates: Duplicates,
    at: usize,
    tokens: Vec<Token>,
    frames: Vec<Frame>,
    /// Token numbers of the member names of all open objects.
    keys: Vec<u32>,
}

impl Tokenizer<'_> {
    fn run(&mut self) -> Result<(), Located> {
        self.skip_space();
        while !self.value()? || self.another()? {}
        self.skip_space();
        if self.at < self.bytes.len() {
            return Err((
                self.at,
                Problem::new(code::JSON_SYNTAX, "something follows the JSON value")
                    .hint("send one document per message, or split them first"),
            ));
        }
        Ok(())
    }

    /// The path of the value being read, in the form of [`crate::document::Document::path`].
    fn path(&self) -> String {
        let mut path = String::new();
        for (depth, frame) in self.frames.iter().enumerate() {
            let below = self.frames.get(depth + 1);
            if frame.is_object {
                let keys = &self.keys[frame.keys..below.map_or(self.keys.len(), |below| below.keys)];
                if let Some(key) = keys.last() {
                    path.push('/');
                    path.extend(self.tokens[*key as usize].text(self.source).chars().take(60));
                }
                continue;
            }
            let (mut at, mut position) = (frame.token + 1, 1);
            while at < below.map_or(self.tokens.len(), |below| below.token) {
                position += 1;
                at = self.tokens[at].next as usize;
            }
            path.push_str(&format!("[{position}]"));
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }

    /// Takes what follows a complete value; `false` when that is the end of the outermost one.
    fn another(&mut self) -> Result<bool, Located> {
        while let Some(frame) = self.frames.last() {
            let is_object = frame.is_object;
            self.skip_space();
            match (self.bytes.get(self.at), is_object) {
                (Some(b','), _) => {
                    self.at += 1;
                    self.skip_space();
                    if is_object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close()?,
                (_, true) => return Err(self.unexpected("`,` or `}`")),
                (_, false) => return Err(self.unexpected("`,` or `]`")),
            }
        }
        Ok(false)
    }

    /// Takes a value; `false` when it is an object or array whose first content follows.
    fn value(&mut self) -> Result<bool, Located> {
        let start = self.at;
        let (kind, length) = match self.bytes.get(start) {
            Some(b'{' | b'[') => return self.open(),
            Some(b'"') => {
                self.string(TokenKind::String)?;
                return Ok(true);
            }
            Some(b'-' | b'0'..=b'9') => match number(&self.bytes[start..]) {
                Number::Legal(length) => (TokenKind::Number, length),
                Number::TooLarge => {
                    return Err((start, limit_problem("a number has too many digits written out", MAX_DIGITS)));
                }
                Number::Illegal(offset) => {
                    let text = "a number is not digits without leading zeros, `.` and digits, exponent";
                    return Err((start + offset, Problem::new(code::JSON_NUMBER, text)));
                }
            },
            _ => {
                let rest = &self.bytes[start..];
                let literal = [("true", TokenKind::Boolean), ("false", TokenKind::Boolean), ("null", TokenKind::Null)];
                match literal.into_iter().find(|(word, _)| rest.starts_with(word.as_bytes())) {
                    Some((word, kind)) => (kind, word.len()),
                    None => return Err(self.unexpected("a value")),
                }
            }
        };
        if self.bytes.get(start + length).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.') {
            self.at = start + length;
            return Err(self.unexpected("the end of the value"));
        }
        self.push(kind, false, start, length)?;
        self.at = start + length;
        Ok(true)
    }

    fn open(&mut self) -> Result<bool, Located> {
        if self.frames.len() >= self.limits.json_depth {
            return Err((self.at, limit_problem("values are nested too deep", self.limits.json_depth)));
        }
        let is_object = self.bytes[self.at] == b'{';
        let kind = if is_object { TokenKind::Object } else { TokenKind::Array };
        self.push(kind, false, self.at, 1)?;
        self.frames.push(Frame { token: self.tokens.len() - 1, is_object, keys: self.keys.len() });
        self.at += 1;
        self.skip_space();
        match (self.bytes.get(self.at), is_object) {
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.close()?;
                Ok(true)
            }
            (_, true) => {
                self.key()?;
                Ok(false)
            }
            (_, false) => Ok(false),
        }
    }

    fn close(&mut self) -> Result<(), Located> {
        self.at += 1;
        if let Some(frame) = self.frames.last().copied() {
            self.tokens[frame.token].next = narrow(self.tokens.len());
            if frame.is_object {
                self.check_names(&frame)?;
                self.keys.truncate(frame.keys);
            }
            self.frames.pop();
        }
        Ok(())
    }

    /// Takes a member's name and the colon, and stands before the value.
    fn key(&mut self) -> Result<(), Located> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.unexpected("a member name in double quotes"));
        }
        let at = self.at;
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let (token, members) = (frame.token, self.keys.len() - frame.keys);
        if members >= self.limits.json_members {
            return Err((at, limit_problem("an object has too many members", self.limits.json_members)));
        }
        let key = self.string(TokenKind::Key)?;
        if key.length as usize > self.limits.name_bytes {
            return Err((at, limit_problem("a member name has too many bytes", self.limits.name_bytes)));
        }
        self.tokens[token].flag |= key.text(self.source).starts_with('@');
        self.keys.push(narrow(self.tokens.len() - 1));
        self.skip_space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn string(&mut self, kind: TokenKind) -> Result<Token, Located> {
        let start = self.at + 1;
        let found = measure(&self.bytes[start..])
            .map_err(|(offset, text)| (start + offset, Problem::new(code::JSON_STRING, text)))?;
        if found.length > self.limits.json_string_bytes {
            return Err((self.at, limit_problem("a string has too many bytes", self.limits.json_string_bytes)));
        }
        self.at = start + found.length + 1;
        self.push(kind, found.has_escapes, start, found.length)
    }

    fn push(&mut self, kind: TokenKind, flag: bool, start: usize, length: usize) -> Result<Token, Located> {
        if self.tokens.len() >= self.limits.nodes {
            return Err((start, limit_problem("the document has too many values and names", self.limits.nodes)));
        }
        let next = narrow(self.tokens.len() + 1);
        let token = Token { kind, flag, start: narrow(start), length: narrow(length), next };
        self.tokens.push(token);
        Ok(token)
    }

    /// No two members of an object have the same name, unless the last one is to be taken.
    fn check_names(&mut self, frame: &Frame) -> Result<(), Located> {
        let keys = &self.keys[frame.keys..];
        let token = |key: u32| &self.tokens[key as usize];
        let is_simple = keys.iter().all(|key| !token(*key).flag);
        let mut replaced = Vec::new();
        if keys.len() <= 8 && is_simple {
            for (position, key) in keys.iter().enumerate() {
                let raw = token(*key).raw(self.source);
                let twins = keys[..position].iter().rev();
                if let Some(first) = twins.into_iter().find(|earlier| token(**earlier).raw(self.source) == raw) {
                    replaced.push((*first, *key));
                }
            }
        } else {
            let mut seen = HashMap::with_capacity(keys.len());
            for key in keys {
                if let Some(first) = seen.insert(token(*key).text(self.source), *key) {
                    replaced.push((first, *key));
                }
            }
        }
        for (first, second) in replaced {
            if self.duplicates == Duplicates::Refuse {
                // The path of the problem ends with the second name.
                self.keys.truncate(self.keys.iter().position(|key| *key == second).map_or(0, |at| at + 1));
                return Err(self.twice(first, second));
            }
            self.tokens[first as usize].kind = TokenKind::Replaced;
        }
        Ok(())
    }

    fn twice(&self, first: u32, second: u32) -> Located {
        let (first, second) = (&self.tokens[first as usize], &self.tokens[second as usize]);
        let name: String = second.text(self.source).chars().take(60).flat_map(char::escape_debug).collect();
        let place = Place::of_offset(self.source, first.start as usize - 1);
        let text = format!("the member name `{name}` is already used at {place}");
        (second.start as usize - 1, Problem::new(code::JSON_DUPLICATE, text))
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn unexpected(&self, expected: &str) -> Located {
        let found = match self.bytes.get(self.at) {
            None => "the document ends here".to_owned(),
            Some(byte @ 0x21..=0x7E) => format!("`{}` stands here", char::from(*byte)),
            Some(byte) if byte.is_ascii() => format!("U+{byte:04X} stands here"),
            Some(_) => "another character stands here".to_owned(),
        };
        (self.at, Problem::new(code::JSON_SYNTAX, format!("{expected} was expected, but {found}")))
    }
}

fn narrow(wide: usize) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}
