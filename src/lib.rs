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
