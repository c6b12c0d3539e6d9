//! JSON tokens to a document.

use std::sync::Arc;

use super::{
    token::{Token, TokenKind, tokens},
    ubl,
};
use crate::{
    base::Problem,
    document::{Builder, Document, Name, Shape, Text},
    format::{Convention, ReadOptions, at_offset, limit_problem, name_cache::NameCache},
};

/// The element name of the items of a root array.
const ITEM: &str = "item";

/// Reads a document from its decoded text.
pub(in crate::format) fn read(source: Arc<str>, options: &ReadOptions) -> Result<Document, Problem> {
    if options.convention != Convention::Plain {
        return ubl::read(source, options);
    }
    let text = source.clone();
    let tokens = tokens(&text, &options.limits, options.duplicates)?;
    let mut reading = Reading {
        source: &text,
        tokens: &tokens,
        namespace: options.namespace.as_deref().unwrap_or_default(),
        builder: Builder::new(source),
        names: NameCache::new(),
        frames: Vec::new(),
    };
    reading.run()?;
    Ok(reading.builder.finish())
}

/// An object or array whose content is being built.
struct Frame {
    next: usize,
    end: usize,
    /// Arrays: the name of the items.
    items: Option<Name>,
    /// Whether an element was opened for it.
    is_element: bool,
}

struct Reading<'a> {
    source: &'a str,
    tokens: &'a [Token],
    namespace: &'a str,
    builder: Builder,
    names: NameCache<'a>,
    frames: Vec<Frame>,
}

impl<'a> Reading<'a> {
    fn run(&mut self) -> Result<(), Problem> {
        let Some(root) = self.tokens.first() else { return Ok(()) };
        match root.kind {
            TokenKind::Object => {
                self.builder.shape(Shape::Object);
                self.push_frame(0, None, false);
            }
            TokenKind::Array => {
                self.builder.shape(Shape::Array);
                let item = self.builder.names().intern(self.namespace, ITEM);
                self.push_frame(0, Some(item), false);
            }
            _ => self.scalar(root),
        }
        while let Some(frame) = self.frames.last_mut() {
            if frame.next >= frame.end {
                if frame.is_element {
                    self.builder.end();
                }
                self.frames.pop();
                continue;
            }
            let at = frame.next;
            let (items, is_element) = (frame.items, frame.is_element);
            let value = if items.is_some() { at } else { at + 1 };
            frame.next = self.tokens[value].next as usize;
            match items {
                Some(name) => self.element(name, value, value, true)?,
                None => self.member(at, value, is_element)?,
            }
        }
        Ok(())
    }

    fn member(&mut self, key: usize, value: usize, is_element: bool) -> Result<(), Problem> {
        let (source, tokens) = (self.source, self.tokens);
        let token = &tokens[key];
        if token.kind == TokenKind::Replaced {
            return Ok(());
        }
        if is_element && is_attribute(source, token, &tokens[value]) {
            return Ok(());
        }
        if is_element && is_scalar(tokens[value].kind) && token.text(source) == "#text" {
            match tokens[value].kind {
                TokenKind::String => self.text(&tokens[value]),
                _ => self.scalar(&tokens[value]),
            }
            return Ok(());
        }
        let (names, builder, namespace) = (&mut self.names, &mut self.builder, self.namespace);
        let name = if token.flag {
            builder.names().intern(namespace, &token.text(source))
        } else {
            let raw = token.raw(source);
            names.name(raw, 0, || Ok::<_, Problem>(builder.names().intern(namespace, raw)))?
        };
        self.element(name, key, value, false)
    }

    /// Builds the element of a value; `at` is the token its place is taken from.
    fn element(&mut self, name: Name, at: usize, value: usize, is_item: bool) -> Result<(), Problem> {
        let token = self.tokens[value];
        if token.kind == TokenKind::Array && !is_item {
            if token.next as usize == value + 1 {
                self.builder.empty_array(name);
            }
            self.push_frame(value, Some(name), false);
            return Ok(());
        }
        let at = &self.tokens[at];
        let quote = u32::from(matches!(at.kind, TokenKind::Key | TokenKind::String));
        self.builder.start(name, Some((at.start - quote) as usize));
        if is_item {
            self.builder.item();
        }
        match token.kind {
            TokenKind::Array => {
                self.builder.shape(Shape::Array);
                self.push_frame(value, Some(name), true);
            }
            TokenKind::Object => {
                self.builder.shape(Shape::Object);
                if token.flag {
                    self.attributes(value)?;
                }
                self.push_frame(value, None, true);
            }
            _ => {
                self.scalar(&token);
                self.builder.end();
            }
        }
        Ok(())
    }

    /// Adds the `@x` members of an object, wherever they stand, as attributes.
    fn attributes(&mut self, object: usize) -> Result<(), Problem> {
        let end = self.tokens[object].next as usize;
        let mut at = object + 1;
        while at < end {
            let (key, value) = (&self.tokens[at], &self.tokens[at + 1]);
            at = value.next as usize;
            if !is_attribute(self.source, key, value) {
                continue;
            }
            let name = key.text(self.source);
            let name = self.builder.names().intern("", name.strip_prefix('@').unwrap_or(&name));
            let text = value.text(self.source);
            let text = if value.flag {
                Text::Copied(&text)
            } else {
                Text::Source(value.start as usize, value.length as usize)
            };
            if self.builder.attribute(name, text, Some(key.start as usize - 1)).is_none() {
                let problem = limit_problem("an object has too many `@` members", usize::from(u16::MAX));
                return Err(at_offset(problem, self.source, key.start as usize));
            }
        }
        Ok(())
    }

    fn scalar(&mut self, token: &Token) {
        self.builder.shape(match token.kind {
            TokenKind::Number => Shape::Number,
            TokenKind::Boolean => Shape::Boolean,
            TokenKind::Null => Shape::Null,
            _ => Shape::String,
        });
        if token.kind != TokenKind::Null {
            self.text(token);
        }
    }

    fn text(&mut self, token: &Token) {
        let at = Some(token.start as usize);
        if token.flag {
            self.builder.text(Text::Copied(&token.text(self.source)), at);
        } else if token.length > 0 {
            self.builder.text(Text::Source(token.start as usize, token.length as usize), at);
        }
    }

    fn push_frame(&mut self, value: usize, items: Option<Name>, is_element: bool) {
        self.frames.push(Frame { next: value + 1, end: self.tokens[value].next as usize, items, is_element });
    }
}

fn is_scalar(kind: TokenKind) -> bool {
    !matches!(kind, TokenKind::Object | TokenKind::Array)
}

fn is_attribute(source: &str, key: &Token, value: &Token) -> bool {
    key.kind != TokenKind::Replaced && is_scalar(value.kind) && value.kind != TokenKind::Null && {
        let name = key.text(source);
        name.len() > 1 && name.starts_with('@')
    }
}
