//! Crossdock: an XML/JSON data-exchange hub.
pub mod base;
pub mod content;
pub mod document;
/// Bytes to documents and back: charsets, XML, JSON.
pub mod format;
/// Mapping files: parse, check against schemas, compile, run, explain.
pub mod mapping;
/// How a family of systems speaks: envelope, batches, replies, settings.
pub mod profile;
/// What documents of a type may look like, read from XSD.
pub mod schema;
pub mod xpath;
