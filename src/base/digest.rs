//! SHA-256 of payloads and secrets.

use std::fmt;

use sha2::Digest as _;

/// A SHA-256 digest (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of several parts, each prefixed by its length, so that parts never run together.
    #[must_use]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Equality in constant time, for secrets.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0_u8, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

/// A digest of bytes that come bit by bit.
#[derive(Clone, Default)]
pub struct Sha256Builder(sha2::Sha256);

impl Sha256Builder {
    /// Takes the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes taken.
    #[must_use]
    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Sha256, Sha256Builder};

    #[test]
    fn hex_round_trips_and_the_empty_digest_is_the_published_one() {
        let digest = Sha256::of(b"");
        let shown = digest.to_string();
        assert_eq!(shown, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Sha256::from_hex(&shown), Some(digest));
        assert_eq!(Sha256::from_hex("zz"), None);
        let mut builder = Sha256Builder::default();
        b"a batch".chunks(3).for_each(|bytes| builder.add(bytes));
        assert_eq!(builder.finish(), Sha256::of(b"a batch"));
    }

    #[test]
    fn parts_never_run_together() {
        let one = Sha256::of_parts([b"ab".as_slice(), b"c"]);
        let other = Sha256::of_parts([b"a".as_slice(), b"bc"]);
        assert!(!one.matches(&other));
    }
}
