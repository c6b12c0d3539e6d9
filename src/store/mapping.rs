//! The mappings that deliveries used, as they were at the time.

use crate::base::{Sha256, Timestamp};

/// A mapping file, or a fragment it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingFile {
    /// The file, as problems name it.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl MappingFile {
    /// SHA-256 of the text.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.text.as_bytes())
    }
}

/// What an [`super::Output::mapping_hash`] stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingVersion {
    /// The digest kept with outputs.
    pub hash: String,
    /// The mappings in the order they ran, each followed by the fragments of other files it uses.
    pub files: Vec<MappingFile>,
}

/// A text of a mapping file that some delivery used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMapping {
    /// SHA-256 of the text, in hexadecimal.
    pub sha256: String,
    /// The file and its text.
    pub file: MappingFile,
    /// When a delivery used it first.
    pub first_used: Timestamp,
}
