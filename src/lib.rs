//! Crossdock: an XML/JSON data-exchange hub.
pub mod base;
pub mod document;
pub mod xpath;
