//! Text to tokens (XPath 3.1 §A.2).

use std::sync::Arc;

use super::{
    ast::{Lexical, Span},
    code,
};
use crate::{base::Code, document::Decimal};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    String(Arc<str>),
    Integer(Decimal),
    Decimal(Decimal),
    Double(f64),
    Name(Lexical),
    /// `p:*`
    PrefixStar(Arc<str>),
    /// `*:n`
    StarName(Arc<str>),
    /// `Q{uri}*`
    BracedStar(Arc<str>),
    Symbol(&'static str),
    End,
}

/// What is wrong with the text, where.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub code: Code,
    pub text: String,
    pub span: Span,
}

impl SyntaxError {
    pub fn new(text: impl Into<String>, span: Span) -> Box<Self> {
        Box::new(Self { code: code::SYNTAX, text: text.into(), span })
    }
}

/// Longest first.
const SYMBOLS: &[&str] = &[
    "::", ":=", "..", "//", "||", "!=", "<=", ">=", "<<", ">>", "=>", "(", ")", "[", "]", ",", ".", "/", "|", "!", "=",
    "<", ">", "+", "-", "*", "$", "@", "?", "{", "}", ":", "#",
];

fn is_name_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || c.is_numeric()
        || matches!(c, '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Box<SyntaxError>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip()?;
        let start = lexer.at;
        let token = lexer.next()?;
        let end = token == Token::End;
        tokens.push((token, lexer.span(start)));
        if end {
            return Ok(tokens);
        }
    }
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn span(&self, start: usize) -> Span {
        let narrow = |wide: usize| u32::try_from(wide).unwrap_or(u32::MAX);
        Span { start: narrow(start), end: narrow(self.at) }
    }

    /// White space and comments, which nest.
    fn skip(&mut self) -> Result<(), Box<SyntaxError>> {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if !self.rest().starts_with("(:") {
                return Ok(());
            }
            let start = self.at;
            let mut open = 0;
            loop {
                let rest = self.rest();
                if rest.starts_with("(:") {
                    (open, self.at) = (open + 1, self.at + 2);
                } else if rest.starts_with(":)") {
                    (open, self.at) = (open - 1, self.at + 2);
                    if open == 0 {
                        break;
                    }
                } else if let Some(c) = rest.chars().next() {
                    self.at += c.len_utf8();
                } else {
                    self.at = start + 2;
                    return Err(SyntaxError::new("this comment is not closed with `:)`", self.span(start)));
                }
            }
        }
    }

    fn next(&mut self) -> Result<Token, Box<SyntaxError>> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if matches!(first, '"' | '\'') {
            return self.string(first);
        }
        let second = rest[first.len_utf8()..].chars().next();
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        if rest.starts_with("Q{") {
            return self.braced();
        }
        if is_name_start(first) {
            return Ok(self.name());
        }
        if let Some(after) = rest.strip_prefix("*:")
            && after.starts_with(is_name_start)
        {
            self.at += 2;
            return Ok(Token::StarName(self.ncname()));
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            self.at += symbol.len();
            return Ok(Token::Symbol(symbol));
        }
        let start = self.at;
        self.at += first.len_utf8();
        let advice = match first {
            '‘' | '’' | '“' | '”' | '「' | '」' => "; strings stand in 'straight' or \"double\" quotes",
            '（' | '）' | '，' | '＝' | '＋' | '＄' => "; it is a full-width character, use the ASCII one",
            '&' => "; use `and`, or `||` to join texts",
            '%' => "; use `mod`, or `div 100` for a percentage",
            _ => "",
        };
        Err(SyntaxError::new(format!("unexpected character `{first}`{advice}"), self.span(start)))
    }

    fn string(&mut self, quote: char) -> Result<Token, Box<SyntaxError>> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(length) = self.rest().find(quote) else {
                self.at = start + 1;
                return Err(SyntaxError::new(format!("this string is not closed with `{quote}`"), self.span(start)));
            };
            text.push_str(&self.text[self.at..self.at + length]);
            self.at += length + 1;
            if !self.rest().starts_with(quote) {
                return Ok(Token::String(text.into()));
            }
            text.push(quote);
            self.at += 1;
        }
    }

    fn digits(&mut self) {
        self.at += self.rest().bytes().take_while(u8::is_ascii_digit).count();
    }

    fn number(&mut self) -> Result<Token, Box<SyntaxError>> {
        let start = self.at;
        self.digits();
        let mut whole = true;
        if self.rest().starts_with('.') && !self.rest().starts_with("..") {
            whole = false;
            self.at += 1;
            self.digits();
        }
        let mut exact = true;
        if self.rest().starts_with(['e', 'E']) {
            exact = false;
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            let before = self.at;
            self.digits();
            if self.at == before {
                return Err(SyntaxError::new("the exponent has no digits", self.span(start)));
            }
        }
        if self.rest().starts_with(is_name_start) {
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            return Err(SyntaxError::new("a number must be followed by a space or an operator", self.span(start)));
        }
        let text = &self.text[start..self.at];
        if !exact {
            return text.parse().map(Token::Double).map_err(|_| SyntaxError::new("not a number", self.span(start)));
        }
        let value = Decimal::parse(text)
            .map_err(|error| SyntaxError::new(format!("this number {error} (FOAR0002)"), self.span(start)))?;
        Ok(if whole { Token::Integer(value) } else { Token::Decimal(value) })
    }

    fn ncname(&mut self) -> Arc<str> {
        let rest = self.rest();
        let length = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        let name = rest[..length].into();
        self.at += length;
        name
    }

    fn name(&mut self) -> Token {
        let first = self.ncname();
        let Some(after) = self.rest().strip_prefix(':') else { return Token::Name(Lexical::Plain(first)) };
        if after.starts_with('*') {
            self.at += 2;
            return Token::PrefixStar(first);
        }
        if after.starts_with(is_name_start) {
            self.at += 1;
            return Token::Name(Lexical::Prefixed(first, self.ncname()));
        }
        Token::Name(Lexical::Plain(first))
    }

    fn braced(&mut self) -> Result<Token, Box<SyntaxError>> {
        let start = self.at;
        self.at += 2;
        let Some(length) = self.rest().find('}') else {
            return Err(SyntaxError::new("`Q{` without `}`", self.span(start)));
        };
        let words: Vec<&str> = self.rest()[..length].split_ascii_whitespace().collect();
        let namespace = words.join(" ").into();
        if self.rest()[..length].contains('{') {
            return Err(SyntaxError::new("`{` inside `Q{…}`", self.span(start)));
        }
        self.at += length + 1;
        if self.rest().starts_with('*') {
            self.at += 1;
            return Ok(Token::BracedStar(namespace));
        }
        if !self.rest().starts_with(is_name_start) {
            return Err(SyntaxError::new("a name must follow `Q{…}`", self.span(start)));
        }
        Ok(Token::Name(Lexical::Braced(namespace, self.ncname())))
    }
}
