//! Crossdock: an XML/JSON data-exchange hub.
pub mod base;
pub mod catalog;
pub mod config;
pub mod content;
pub mod document;
pub mod store;
pub mod telemetry;
/// Bytes to documents and back: charsets, XML, JSON.
pub mod format;
pub mod transport;
/// Mapping files: parse, check against schemas, compile, run, explain.
pub mod mapping;
/// How a family of systems speaks: envelope, batches, replies, settings.
pub mod profile;
/// What documents of a type may look like, read from XSD.
pub mod schema;
pub mod xpath;
