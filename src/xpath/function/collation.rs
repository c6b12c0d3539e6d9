//! Collations (F&O 3.1 §5.3): by code point, and the same without regard to the case of ASCII letters.

use std::borrow::Cow;

use super::Call;
use crate::xpath::Failure;

/// The default: by code point.
const CODEPOINT: &str = "http://www.w3.org/2005/xpath-functions/collation/codepoint";
const ASCII_CASE_INSENSITIVE: &str = "http://www.w3.org/2005/xpath-functions/collation/html-ascii-case-insensitive";

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::xpath) enum Collation {
    Codepoint,
    AsciiCaseInsensitive,
}

impl Collation {
    /// The collation an argument names; by code point when it was left out or is empty.
    ///
    /// # Errors
    /// `FOCH0002` for any other.
    pub fn of(call: &Call<'_>, at: usize) -> Result<Self, Failure> {
        match call.optional_string(at)?.as_deref() {
            None | Some(CODEPOINT) => Ok(Self::Codepoint),
            Some(ASCII_CASE_INSENSITIVE) => Ok(Self::AsciiCaseInsensitive),
            Some(other) => Err(Failure::error(
                "FOCH0002",
                format!("there is no collation `{other}`; known are {CODEPOINT} and {ASCII_CASE_INSENSITIVE}"),
            )),
        }
    }

    /// The text to compare by code point instead; as long as the text, byte by byte.
    pub fn key(self, text: Cow<'_, str>) -> Cow<'_, str> {
        match self {
            Self::AsciiCaseInsensitive if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Cow::Owned(text.to_ascii_lowercase())
            }
            _ => text,
        }
    }

    /// The argument as text to compare; empty for none.
    pub fn text<'c>(self, call: &'c Call<'_>, at: usize) -> Result<Cow<'c, str>, Failure> {
        Ok(self.key(call.string(at)?))
    }
}
