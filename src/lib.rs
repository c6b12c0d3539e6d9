//! Crossdock: an XML/JSON data-exchange hub.
pub mod base;
pub mod document;
/// Bytes to documents and back: charsets, XML, JSON.
pub mod format;
