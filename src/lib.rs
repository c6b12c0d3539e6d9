//! Crossdock: an XML/JSON data-exchange hub.
pub mod base;
pub mod content;
pub mod document;
pub mod xpath;
