//! Crossdock: an XML/JSON data-exchange hub.
pub mod base;
pub mod document;
/// What must survive a crash: messages, deliveries, cross references.
pub mod store;
