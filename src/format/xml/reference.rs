//! Character and entity references, line ends, and attribute-value normalization (XML 1.0 §2.11, §3.3.3, §4.1).

use super::character::{is_char, is_ncname};
use crate::{base::Problem, format::code};

/// A problem and the byte offset it lies at.
pub(super) type Located = (usize, Problem);

/// Appends character data to `out`: references resolved, CDATA sections opened, line ends normalized.
pub(super) fn expand_text(raw: &str, at: usize, entities: &[&str], out: &mut String) -> Result<(), Located> {
    const OPEN: &str = "<![CDATA[";
    let bytes = raw.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memchr3(b'&', b'<', b'\r', &bytes[from..]) {
        let special = from + found;
        check_no_section_end(&raw[from..special], at + from)?;
        out.push_str(&raw[from..special]);
        from = match bytes[special] {
            b'\r' => line_end(bytes, special, out, '\n'),
            b'&' => reference(raw, special, at, entities, out)?,
            _ => {
                let start = special + OPEN.len();
                let length = memchr::memmem::find(bytes.get(start..).unwrap_or_default(), b"]]>");
                let end = length.map_or(bytes.len(), |length| start + length);
                normalize_line_ends(raw.get(start..end).unwrap_or_default(), out);
                (end + 3).min(bytes.len())
            }
        };
    }
    check_no_section_end(&raw[from..], at + from)?;
    out.push_str(&raw[from..]);
    Ok(())
}

/// Appends an attribute value to `out`: references resolved, every white space character a blank.
pub(super) fn expand_value(raw: &str, at: usize, entities: &[&str], out: &mut String) -> Result<(), Located> {
    let bytes = raw.as_bytes();
    let mut from = 0;
    let is_special = |byte: &u8| matches!(byte, b'&' | b'\t' | b'\n' | b'\r');
    while let Some(found) = bytes[from..].iter().position(is_special) {
        let special = from + found;
        out.push_str(&raw[from..special]);
        from = match bytes[special] {
            b'&' => reference(raw, special, at, entities, out)?,
            b'\r' => line_end(bytes, special, out, ' '),
            _ => {
                out.push(' ');
                special + 1
            }
        };
    }
    out.push_str(&raw[from..]);
    Ok(())
}

/// Appends text with `\r\n` and `\r` as `\n`.
pub(super) fn normalize_line_ends(raw: &str, out: &mut String) {
    let bytes = raw.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'\r', &bytes[from..]) {
        out.push_str(&raw[from..from + found]);
        from = line_end(bytes, from + found, out, '\n');
    }
    out.push_str(&raw[from..]);
}

/// `]]>` must not stand in text.
pub(super) fn check_no_section_end(raw: &str, at: usize) -> Result<(), Located> {
    let bytes = raw.as_bytes();
    match memchr::memchr_iter(b']', bytes).find(|found| bytes[*found..].starts_with(b"]]>")) {
        Some(found) => {
            let problem = Problem::new(code::XML_SYNTAX, "`]]>` stands in text").hint("write `]]&gt;`");
            Err((at + found, problem))
        }
        None => Ok(()),
    }
}

fn line_end(bytes: &[u8], at: usize, out: &mut String, written: char) -> usize {
    out.push(written);
    if bytes.get(at + 1) == Some(&b'\n') { at + 2 } else { at + 1 }
}

/// Resolves the reference at `raw[start..]`; `base` is the offset of `raw`. Returns where it ends.
fn reference(raw: &str, start: usize, base: usize, entities: &[&str], out: &mut String) -> Result<usize, Located> {
    let wrong = |text: String| (base + start, Problem::new(code::XML_REFERENCE, text));
    // The longest legal reference is short unless zeros are piled up; a name may be long.
    let Some(length) = memchr::memchr3(b';', b'&', b'<', &raw.as_bytes()[start + 1..]) else {
        return Err(wrong("`&` begins a reference that has no `;`".into()).hinted("write `&amp;`"));
    };
    let end = start + 1 + length;
    if raw.as_bytes()[end] != b';' {
        return Err(wrong("`&` begins a reference that has no `;`".into()).hinted("write `&amp;`"));
    }
    let name = &raw[start + 1..end];
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => match name.strip_prefix('#') {
            Some(number) => {
                let parsed = match number.strip_prefix('x') {
                    Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                        u32::from_str_radix(digits, 16)
                    }
                    None if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse(),
                    _ => return Err(wrong("a character reference is not `&#digits;` or `&#xdigits;`".into())),
                };
                let character = parsed.ok().and_then(char::from_u32).filter(|character| is_char(*character));
                character.ok_or_else(|| {
                    let text = "a character reference names no character that XML allows";
                    (base + start, Problem::new(code::XML_CHARACTER, text))
                })?
            }
            None if entities.contains(&name) => {
                return Err(wrong("the entity is declared in the DOCTYPE, which is skipped".into())
                    .hinted("the sender must write the text itself; declared entities are never expanded"));
            }
            None if is_ncname(name) && name.len() <= 64 => {
                return Err(wrong(format!("the entity `&{name};` is not defined"))
                    .hinted("only &amp; &lt; &gt; &quot; &apos; and character references are"));
            }
            None => return Err(wrong("`&` does not begin a reference".into()).hinted("write `&amp;`")),
        },
    };
    out.push(character);
    Ok(end + 1)
}

trait Hinted {
    fn hinted(self, hint: &str) -> Self;
}

impl Hinted for Located {
    fn hinted(self, hint: &str) -> Self {
        (self.0, self.1.hint(hint))
    }
}
