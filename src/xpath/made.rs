//! Documents that formulas make while they run (`parse-xml`, `json-to-xml`, `analyze-string`).

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use crate::document::{Document, Name};

/// Chunk `n` has `2^n` places: 2^16 - 1 documents at most.
const CHUNKS: usize = 16;

/// A growing list of documents; those that are there never move, so nodes of them can be read while more come.
#[derive(Debug, Default)]
pub(super) struct Made {
    chunks: [OnceLock<Box<[OnceLock<Entry>]>>; CHUNKS],
    length: AtomicUsize,
}

#[derive(Debug)]
struct Entry {
    document: Document,
    /// The document's numbers for the names of the formulas.
    names: Vec<Option<Name>>,
}

/// Chunk and place in it.
fn place(index: usize) -> (usize, usize) {
    let chunk = (index + 1).ilog2();
    (chunk as usize, index + 1 - (1 << chunk))
}

impl Made {
    /// Adds a document; its index, or `None` when there are too many.
    pub fn push(&self, document: Document, names: Vec<Option<Name>>) -> Option<usize> {
        let index = self.length.fetch_add(1, Ordering::Relaxed);
        let (chunk, at) = place(index);
        let places = self.chunks.get(chunk)?.get_or_init(|| (0..1_usize << chunk).map(|_| OnceLock::new()).collect());
        places.get(at)?.set(Entry { document, names }).ok()?;
        Some(index)
    }

    pub fn into_documents(self) -> Vec<Document> {
        let places = self.chunks.into_iter().filter_map(OnceLock::into_inner).flat_map(Vec::from);
        places.filter_map(OnceLock::into_inner).map(|entry| entry.document).collect()
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        let (chunk, at) = place(index);
        self.chunks.get(chunk)?.get()?.get(at)?.get()
    }

    pub fn document(&self, index: usize) -> Option<&Document> {
        self.entry(index).map(|entry| &entry.document)
    }

    /// The document's number for a name of the formulas.
    pub fn name(&self, index: usize, symbol: u32) -> Option<Name> {
        self.entry(index)?.names.get(symbol as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Builder;

    #[test]
    fn documents_keep_their_index_until_there_are_too_many() {
        let made = Made::default();
        for index in 0..65_535 {
            assert_eq!(made.push(Builder::default().finish(), Vec::new()), Some(index));
        }
        assert_eq!(made.push(Builder::default().finish(), Vec::new()), None);
        assert!(made.document(0).is_some() && made.document(65_534).is_some() && made.document(65_535).is_none());
    }
}
