//! JSON text (RFC 8259) for formulas: read with the options of F&O 3.1 §17.5, and strings written.
//!
//! It stands apart from the reader of messages, which builds documents: here repeated names and escapes can be kept, and
//! what XML cannot hold is replaced.

use std::fmt::Write as _;

/// Values in values deeper than this are refused.
const MAX_DEPTH: usize = 256;

/// A JSON value. Numbers stay as written.
#[derive(Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Boolean(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// Members in order, repeated names among them.
    Object(Vec<(String, Json)>),
}

/// Reads a text; strings keep escapes of special characters when `escape` says so.
///
/// # Errors
/// What is wrong, with the offset in characters.
pub(super) fn parse(text: &str, escape: bool) -> Result<Json, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text, at: 0, escape };
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.wrong("nothing may follow the value")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    escape: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, why: &str) -> String {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        format!("{why}, at character {}", before.chars().count() + 1)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, sign: u8) -> bool {
        self.space();
        let found = self.peek() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: u8) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(self.wrong(&format!("`{}` is missing", char::from(sign)))) }
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(&format!("values lie deeper than {MAX_DEPTH}")));
        }
        self.space();
        Ok(match self.peek() {
            Some(b'{') => {
                self.at += 1;
                let mut members = Vec::new();
                if self.take(b'}') {
                    return Ok(Json::Object(members));
                }
                loop {
                    self.space();
                    if self.peek() != Some(b'"') {
                        return Err(self.wrong("a name in quotes is missing"));
                    }
                    let name = self.string()?;
                    self.expect(b':')?;
                    members.push((name, self.value(depth + 1)?));
                    if !self.take(b',') {
                        break;
                    }
                }
                self.expect(b'}')?;
                Json::Object(members)
            }
            Some(b'[') => {
                self.at += 1;
                let mut members = Vec::new();
                if self.take(b']') {
                    return Ok(Json::Array(members));
                }
                loop {
                    members.push(self.value(depth + 1)?);
                    if !self.take(b',') {
                        break;
                    }
                }
                self.expect(b']')?;
                Json::Array(members)
            }
            Some(b'"') => Json::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Json::Number(self.number()?),
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let words = [("null", Json::Null), ("true", Json::Boolean(true)), ("false", Json::Boolean(false))];
                let Some((word, value)) = words.into_iter().find(|(word, _)| rest.starts_with(word)) else {
                    return Err(self.wrong("a value is missing"));
                };
                self.at += word.len();
                value
            }
        })
    }

    fn digits(&mut self) -> Result<(), String> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from { Err(self.wrong("a digit is missing")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<String, String> {
        let from = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(self.text.get(from..self.at).unwrap_or_default().to_owned())
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut made = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(c) = rest.chars().next() else { return Err(self.wrong("a string does not end")) };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(made),
                '\\' => {
                    let code = self.escaped()?;
                    self.push(&mut made, code);
                }
                c if u32::from(c) < 0x20 => return Err(self.wrong("a control character must be escaped")),
                c => self.push(&mut made, u32::from(c)),
            }
        }
    }

    /// The code point behind a backslash; half of a surrogate pair when the other half is missing.
    fn escaped(&mut self) -> Result<u32, String> {
        let sign = self.peek();
        self.at += 1;
        Ok(match sign {
            Some(c @ (b'"' | b'\\' | b'/')) => u32::from(c),
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => 10,
            Some(b'r') => 13,
            Some(b't') => 9,
            Some(b'u') => {
                let high = self.hex()?;
                let follows = self.text.get(self.at..).unwrap_or_default().starts_with("\\u");
                if (0xD800..0xDC00).contains(&high) && follows {
                    let before = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xDC00..0xE000).contains(&low) {
                        return Ok(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
                    }
                    self.at = before;
                }
                high
            }
            _ => {
                self.at -= 1;
                return Err(self.wrong("that is no escape"));
            }
        })
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("`\\u` needs four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }

    /// A character as it is, escaped when it is special and escapes are kept, else replaced when XML cannot hold it.
    fn push(&self, made: &mut String, code: u32) {
        let allowed = char::from_u32(code).filter(|c| is_xml(*c));
        match allowed {
            Some(c) if !self.escape || !is_special(c) => made.push(c),
            None if !self.escape => made.push('\u{fffd}'),
            _ => push_escape(made, code),
        }
    }
}

/// Whether XML 1.0 can hold a character.
pub(super) fn is_xml(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

fn is_special(c: char) -> bool {
    c == '\\' || c.is_control()
}

fn push_escape(made: &mut String, code: u32) {
    match code {
        0x5C => made.push_str("\\\\"),
        8 => made.push_str("\\b"),
        9 => made.push_str("\\t"),
        10 => made.push_str("\\n"),
        12 => made.push_str("\\f"),
        13 => made.push_str("\\r"),
        _ => {
            let _ = write!(made, "\\u{code:04X}");
        }
    }
}

/// A text as a JSON string, in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut made = String::with_capacity(text.len() + 2);
    made.push('"');
    for c in text.chars() {
        match c {
            '"' => made.push_str("\\\""),
            '/' => made.push_str("\\/"),
            c if is_special(c) => push_escape(&mut made, u32::from(c)),
            c => made.push(c),
        }
    }
    made.push('"');
    made
}

/// A text in which escapes stand already, in quotes; `None` when one of them is none.
pub(super) fn quoted_escaped(text: &str) -> Option<String> {
    let mut made = String::from("\"");
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let sign = chars.next()?;
                made.push('\\');
                made.push(sign);
                match sign {
                    '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {}
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                            return None;
                        }
                        made.push_str(&digits);
                    }
                    _ => return None,
                }
            }
            '"' => made.push_str("\\\""),
            '/' => made.push_str("\\/"),
            c if is_special(c) => push_escape(&mut made, u32::from(c)),
            c => made.push(c),
        }
    }
    made.push('"');
    Some(made)
}

/// The text an escaped text stands for, to compare keys; the text itself when it has a wrong escape.
pub(super) fn unescaped(text: &str) -> String {
    let quoted = quoted_escaped(text).and_then(|quoted| parse(&quoted, false).ok());
    match quoted {
        Some(Json::String(plain)) => plain,
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, parse};

    #[test]
    fn escapes_are_kept_or_replaced() {
        for (text, escape, expected) in [
            (r#""\u0041\/\"\\""#, false, "A/\"\\"),
            (r#""\u0041\/\"\\""#, true, "A/\"\\\\"),
            (r#""\ud83d\udc4a""#, false, "👊"),
            (r#""\uDA00x""#, false, "\u{fffd}x"),
            (r#""\uDA00x""#, true, "\\uDA00x"),
            (r#""\u0007\t""#, true, "\\u0007\\t"),
            (r#""\u0007""#, false, "\u{fffd}"),
        ] {
            assert_eq!(parse(text, escape), Ok(Json::String(expected.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_and_nothing_nests_without_end() {
        for text in
            ["", "[", "[1,]", "{1:2}", "{\"a\"}", "01", "1.", "+1", "1e", "\"\t\"", "\"\\x\"", "nul", "1 2", "'a'"]
        {
            assert!(parse(text, false).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000), false).is_err());
    }
}
