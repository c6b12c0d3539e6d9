//! Charsets: which one the bytes are in, strict decoding, encoding.

use std::{fmt, sync::Arc};

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

use super::{ReadOptions, Syntax, code, limit_problem};
use crate::base::{Place, Problem};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Utf8,
    /// UTF-16 whose byte order the bytes must tell.
    Utf16,
    Utf16Le,
    Utf16Be,
    Gb18030,
    Gbk,
    Big5,
    Windows1252,
}

/// A charset the hub reads and writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Charset(Kind);

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(Kind::Utf8);
    /// UTF-16 of either byte order; written little-endian with a byte order mark.
    pub const UTF_16: Self = Self(Kind::Utf16);
    /// UTF-16, little-endian; written with a byte order mark.
    pub const UTF_16LE: Self = Self(Kind::Utf16Le);
    /// UTF-16, big-endian; written with a byte order mark.
    pub const UTF_16BE: Self = Self(Kind::Utf16Be);
    /// GB 18030, the superset of GBK and GB 2312.
    pub const GB18030: Self = Self(Kind::Gb18030);
    /// GBK.
    pub const GBK: Self = Self(Kind::Gbk);
    /// Big5.
    pub const BIG5: Self = Self(Kind::Big5);
    /// windows-1252, the superset of ISO-8859-1 in use.
    pub const WINDOWS_1252: Self = Self(Kind::Windows1252);

    /// The charset with a label (WHATWG Encoding §4.2, those we allow). `GB2312` means its superset GBK, `ISO-8859-1`
    /// means windows-1252, `US-ASCII` means UTF-8.
    #[must_use]
    pub fn for_label(label: &str) -> Option<Self> {
        let label = label.trim();
        let is = |name: &str| label.eq_ignore_ascii_case(name);
        if is("utf-16") {
            return Some(Self::UTF_16);
        }
        if is("us-ascii") || is("ascii") {
            return Some(Self::UTF_8);
        }
        let encoding = Encoding::for_label(label.as_bytes())?;
        [Self::UTF_8, Self::UTF_16LE, Self::UTF_16BE, Self::GB18030, Self::GBK, Self::BIG5, Self::WINDOWS_1252]
            .into_iter()
            .find(|charset| charset.encoding() == encoding)
    }

    /// The name to declare.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Utf8 => "UTF-8",
            Kind::Utf16 => "UTF-16",
            Kind::Utf16Le => "UTF-16LE",
            Kind::Utf16Be => "UTF-16BE",
            Kind::Gb18030 => "GB18030",
            Kind::Gbk => "GBK",
            Kind::Big5 => "Big5",
            Kind::Windows1252 => "windows-1252",
        }
    }

    /// The name for an XML declaration: UTF-16 is always written with a byte order mark, whose label is `UTF-16`.
    pub(super) fn declared_name(self) -> &'static str {
        if self.is_utf_16() { "UTF-16" } else { self.name() }
    }

    /// Whether every character has a form in this charset.
    pub(super) fn is_universal(self) -> bool {
        self == Self::UTF_8 || self.is_utf_16()
    }

    /// Whether a character has a form in this charset that is read as the same character. GB18030 still writes some private
    /// characters (U+E78D …) with the bytes that have meant standard ones since its edition of 2022.
    pub(super) fn has(self, character: char) -> bool {
        if character.is_ascii() || self.is_universal() {
            return true;
        }
        let (mut utf_8, mut out) = ([0; 4], [0; 16]);
        let text = character.encode_utf8(&mut utf_8);
        let encoded = self.encoding().new_encoder().encode_from_utf8_without_replacement(text, &mut out, true);
        let (EncoderResult::InputEmpty, _, written) = encoded else { return false };
        let bytes = &out[..written];
        self.encoding().decode_without_bom_handling_and_without_replacement(bytes).as_deref() == Some(&*text)
    }

    /// How many bytes a character takes in a charset other than UTF-8 and UTF-16; of one it lacks, 1.
    pub(super) fn width(self, character: char) -> u8 {
        let (mut utf_8, mut out) = ([0; 4], [0; 16]);
        let text = character.encode_utf8(&mut utf_8);
        let (_, _, written) = self.encoding().new_encoder().encode_from_utf8_without_replacement(text, &mut out, true);
        u8::try_from(written.max(1)).unwrap_or(1)
    }

    /// The text in this charset.
    pub(super) fn encode(self, text: String) -> Result<Vec<u8>, Problem> {
        match self.0 {
            Kind::Utf8 => Ok(text.into_bytes()),
            Kind::Utf16 | Kind::Utf16Le => {
                let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
                Ok(units.flat_map(u16::to_le_bytes).collect())
            }
            Kind::Utf16Be => {
                let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
                Ok(units.flat_map(u16::to_be_bytes).collect())
            }
            _ => {
                let mut out = Vec::with_capacity(text.len() + 16);
                let mut encoder = self.encoding().new_encoder();
                let mut rest = text.as_str();
                loop {
                    let needed = encoder.max_buffer_length_from_utf8_without_replacement(rest.len());
                    out.reserve(needed.unwrap_or(rest.len()));
                    let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut out, true);
                    rest = &rest[read..];
                    match result {
                        EncoderResult::InputEmpty => return Ok(out),
                        EncoderResult::OutputFull => (),
                        EncoderResult::Unmappable(character) => return Err(self.unmappable(character)),
                    }
                }
            }
        }
    }

    pub(super) fn unmappable(self, character: char) -> Problem {
        let text = format!("U+{:04X} has no form in {}", u32::from(character), self.name());
        Problem::new(code::UNMAPPABLE, text).hint("write UTF-8 or GB18030, or allow references for such characters")
    }

    fn is_utf_16(self) -> bool {
        matches!(self.0, Kind::Utf16 | Kind::Utf16Le | Kind::Utf16Be)
    }

    fn is_gb(self) -> bool {
        matches!(self.0, Kind::Gb18030 | Kind::Gbk)
    }

    pub(super) fn encoding(self) -> &'static Encoding {
        match self.0 {
            Kind::Utf8 => encoding_rs::UTF_8,
            Kind::Utf16 | Kind::Utf16Le => encoding_rs::UTF_16LE,
            Kind::Utf16Be => encoding_rs::UTF_16BE,
            Kind::Gb18030 => encoding_rs::GB18030,
            Kind::Gbk => encoding_rs::GBK,
            Kind::Big5 => encoding_rs::BIG5,
            Kind::Windows1252 => encoding_rs::WINDOWS_1252,
        }
    }

    /// The charset that satisfies both declarations.
    fn merge(self, other: Self) -> Option<Self> {
        if self == other || (other == Self::UTF_16 && self.is_utf_16()) {
            Some(self)
        } else if self == Self::UTF_16 && other.is_utf_16() {
            Some(other)
        } else if self.is_gb() && other.is_gb() {
            Some(Self::GB18030)
        } else {
            None
        }
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The charset a `Content-Type` names; `None` when it names none.
#[must_use]
pub fn charset_of_media_type(content_type: &str) -> Option<Result<Charset, Problem>> {
    let value = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').trim())
    })?;
    Some(Charset::for_label(value).ok_or_else(|| unknown(value, "the media type")))
}

fn unknown(label: &str, who: &str) -> Problem {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    let shown = if label.len() <= 40 && label.bytes().all(is_name) { label } else { "(not a charset name)" };
    Problem::new(code::CHARSET_UNKNOWN, format!("{who} names the charset {shown}, which is not accepted"))
        .hint("accepted: UTF-8, UTF-16, GB18030, GBK, GB2312, Big5, ISO-8859-1, windows-1252")
}

/// Decodes bytes strictly: finds the charset (byte order mark, XML declaration, transport, pattern of null bytes, else
/// UTF-8), refuses disagreement, strips the byte order mark.
///
/// GB18030, GBK and GB2312 do not disagree: the superset decodes them all.
///
/// # Errors
/// Unknown or disagreeing charsets, bytes that mean nothing in the charset, more bytes than the limit.
pub fn decode(bytes: &[u8], syntax: Syntax, options: &ReadOptions) -> Result<(Arc<str>, Charset), Problem> {
    // Offsets in a document have 31 bits.
    let limit = options.limits.document_bytes.min(i32::MAX as usize);
    if bytes.len() > limit {
        return Err(limit_problem("the document has too many bytes", limit));
    }
    let (charset, mark) = detect(bytes, syntax, options.charset, options.agreed_charset)?;
    let body = &bytes[mark..];
    if charset == Charset::UTF_8 {
        return match std::str::from_utf8(body) {
            Ok(text) => Ok((Arc::from(text), charset)),
            Err(error) => {
                let good = &body[..error.valid_up_to()];
                Err(malformed(charset, mark + good.len(), std::str::from_utf8(good).unwrap_or_default()))
            }
        };
    }
    let mut decoder = charset.encoding().new_decoder_without_bom_handling();
    let mut text = String::with_capacity(body.len() + body.len() / 2 + 16);
    let mut read = 0;
    loop {
        let (result, consumed) = decoder.decode_to_string_without_replacement(&body[read..], &mut text, true);
        read += consumed;
        if text.len() > limit {
            return Err(limit_problem("the document has too many bytes when decoded to UTF-8", limit));
        }
        match result {
            DecoderResult::InputEmpty => return Ok((Arc::from(text), charset)),
            DecoderResult::OutputFull => text.reserve((body.len() - read).saturating_mul(2) + 64),
            DecoderResult::Malformed(bad, after) => {
                let offset = mark + read.saturating_sub(usize::from(bad) + usize::from(after));
                return Err(malformed(charset, offset, &text));
            }
        }
    }
}

fn malformed(charset: Charset, offset: usize, good: &str) -> Problem {
    Problem::new(code::CHARSET_MALFORMED, format!("byte {offset} begins a sequence that is not {}", charset.name()))
        .at(Place::of_offset(good, good.len()))
        .hint("find out which charset the sender really writes, and let it say so")
}

/// The charset and the length of the byte order mark.
pub(super) fn detect(
    bytes: &[u8],
    syntax: Syntax,
    transport: Option<Charset>,
    agreed: Option<Charset>,
) -> Result<(Charset, usize), Problem> {
    let utf_32 = [&b"\xFF\xFE\0\0"[..], b"\0\0\xFE\xFF", b"\0\0\0<", b"<\0\0\0", b"\0\0\0{", b"{\0\0\0"];
    if utf_32.iter().any(|start| bytes.starts_with(start)) {
        return Err(unknown("UTF-32", "the byte order"));
    }
    let (marked, mark) = match bytes {
        [0xEF, 0xBB, 0xBF, ..] => (Some(Charset::UTF_8), 3),
        [0xFF, 0xFE, ..] => (Some(Charset::UTF_16LE), 2),
        [0xFE, 0xFF, ..] => (Some(Charset::UTF_16BE), 2),
        _ => (None, 0),
    };
    let pattern = match &bytes[mark..] {
        [0, second, ..] if *second != 0 && mark == 0 => Some(Charset::UTF_16BE),
        [first, 0, ..] if *first != 0 && mark == 0 => Some(Charset::UTF_16LE),
        _ => None,
    };
    let declared = match syntax {
        Syntax::Xml => match declared_label(&bytes[mark..], marked.or(pattern).is_some_and(Charset::is_utf_16)) {
            Some(label) => Some(
                Charset::for_label(&label).ok_or_else(|| unknown(&label, "the XML declaration").at(Place::at(1, 1)))?,
            ),
            None => None,
        },
        Syntax::Json => None,
    };
    let said = [
        ("the byte order mark", marked),
        ("the pattern of null bytes", pattern),
        ("the XML declaration", declared),
        ("the transport", transport),
        ("the system's setting", agreed),
    ];
    let mut decided: Option<(&str, Charset)> = None;
    for (who, charset) in said.into_iter().filter_map(|(who, charset)| Some((who, charset?))) {
        decided = Some(match decided {
            None => (who, charset),
            Some((first, known)) => match known.merge(charset) {
                Some(merged) => (first, merged),
                None => {
                    let text = format!("{first} says {}, but {who} says {}", known.name(), charset.name());
                    return Err(Problem::new(code::CHARSET_CONFLICT, text)
                        .at(Place::at(1, 1))
                        .hint("the sender must name the charset it really writes, the same everywhere"));
                }
            },
        });
    }
    let charset = decided.map_or(Charset::UTF_8, |(_, charset)| charset);
    Ok((if charset == Charset::UTF_16 { Charset::UTF_16LE } else { charset }, mark))
}

/// The label in the XML declaration, whose syntax is checked later.
fn declared_label(bytes: &[u8], wide: bool) -> Option<String> {
    let head = &bytes[..bytes.len().min(1024)];
    let head: Vec<u8> = if wide { head.iter().copied().filter(|byte| *byte != 0).collect() } else { head.to_vec() };
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = declaration.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let rest = &declaration[declaration.find("encoding")? + "encoding".len()..];
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(label, _)| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_xml(bytes: &[u8], transport: Option<Charset>) -> Result<(Arc<str>, Charset), Problem> {
        decode(bytes, Syntax::Xml, &ReadOptions { charset: transport, ..ReadOptions::default() })
    }

    /// What is sent, what the transport says, and the charset or error code expected.
    type Case = (&'static str, Vec<u8>, Option<Charset>, Result<Charset, &'static str>);

    #[test]
    fn every_way_of_saying_the_charset_is_heard() {
        let text = |label: &str| format!("<?xml version='1.0' encoding='{label}'?><a>客户</a>");
        let wide = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let with = |mark: &[u8], rest: Vec<u8>| [mark.to_vec(), rest].concat();
        let gbk = |label: &str| encoding_rs::GBK.encode(&text(label)).0.into_owned();
        let cases: [Case; 17] = [
            ("nothing said", b"<a/>".to_vec(), None, Ok(Charset::UTF_8)),
            ("declared", text("UTF-8").into_bytes(), None, Ok(Charset::UTF_8)),
            ("mark", with(b"\xEF\xBB\xBF", text("utf-8").into_bytes()), None, Ok(Charset::UTF_8)),
            ("gbk", gbk("GBK"), None, Ok(Charset::GBK)),
            ("gb2312", gbk("gb2312"), None, Ok(Charset::GBK)),
            ("gb18030 in http", gbk("GBK"), Some(Charset::GB18030), Ok(Charset::GB18030)),
            (
                "utf-16 little, mark",
                with(b"\xFF\xFE", wide(&text("UTF-16"), u16::to_le_bytes)),
                None,
                Ok(Charset::UTF_16LE),
            ),
            (
                "utf-16 big, mark",
                with(b"\xFE\xFF", wide(&text("UTF-16"), u16::to_be_bytes)),
                None,
                Ok(Charset::UTF_16BE),
            ),
            ("utf-16 little, no mark", wide(&text("UTF-16"), u16::to_le_bytes), None, Ok(Charset::UTF_16LE)),
            ("utf-16 big, no mark", wide("<a/>", u16::to_be_bytes), Some(Charset::UTF_16), Ok(Charset::UTF_16BE)),
            ("http only", gbk("gb2312"), Some(Charset::GBK), Ok(Charset::GBK)),
            (
                "latin",
                b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>".to_vec(),
                None,
                Ok(Charset::WINDOWS_1252),
            ),
            ("mark against declaration", with(b"\xEF\xBB\xBF", text("GBK").into_bytes()), None, Err("XD-F002")),
            ("http against declaration", text("UTF-8").into_bytes(), Some(Charset::GBK), Err("XD-F002")),
            ("utf-7", text("UTF-7").into_bytes(), None, Err("XD-F001")),
            ("utf-32", b"\xFF\xFE\0\0<\0\0\0".to_vec(), None, Err("XD-F001")),
            ("gbk said utf-8", gbk("UTF-8"), None, Err("XD-F003")),
        ];
        for (case, bytes, transport, expected) in cases {
            let found = decode_xml(&bytes, transport);
            match expected {
                Ok(charset) => {
                    let (text, found) = found.unwrap_or_else(|problem| panic!("{case}: {problem}"));
                    assert_eq!(found, charset, "{case}");
                    assert!(text.starts_with('<') && text.ends_with('>'), "{case}: {text}");
                }
                Err(code) => assert_eq!(found.expect_err(case).code.id, code, "{case}"),
            }
        }
    }

    #[test]
    fn malformed_bytes_are_named_by_offset_and_line() {
        for (bytes, charset, offset) in [
            (&b"<a>\nx\xFF</a>"[..], Charset::UTF_8, 5),
            (b"<a>\nx\xC0\xAF</a>", Charset::UTF_8, 5),
            (b"<a>\nx\xED\xA0\x80</a>", Charset::UTF_8, 5),
            (b"<a>\nx\xFF</a>", Charset::GB18030, 5),
            (b"<\0a\0\n\0\0\xD8x\0", Charset::UTF_16LE, 6),
        ] {
            let problem = decode_xml(bytes, Some(charset)).expect_err("malformed");
            assert_eq!((problem.code, problem.place.line), (code::CHARSET_MALFORMED, 2), "{charset:?}");
            assert!(problem.text.contains(&format!("byte {offset} ")), "{charset:?}: {}", problem.text);
        }
    }

    #[test]
    fn a_media_type_names_its_charset() {
        let of = |value| charset_of_media_type(value).map(|found| found.map_err(|problem| problem.code.id));
        assert_eq!(of("text/xml"), None);
        assert_eq!(of("text/xml; charset=\"GB2312\""), Some(Ok(Charset::GBK)));
        assert_eq!(of("application/json;Charset=utf-8"), Some(Ok(Charset::UTF_8)));
        assert_eq!(of("text/xml; charset=utf-7"), Some(Err("XD-F001")));
    }
}
