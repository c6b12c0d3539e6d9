//! XML 1.0 (Fifth Edition) and Namespaces in XML 1.0 (Third Edition), complete except for DOCTYPE, which is refused or
//! read past.
//!
//! One pass over the decoded text finds the markup and checks every rule (why not a library: decision 0007).

mod character;
mod doctype;
mod reader;
mod reference;
mod scope;
mod tag;
mod tolerant;
mod writer;

pub(super) use doctype::refused as doctype_refused;
pub(super) use reader::read;
pub(super) use tag::declarations;
pub(super) use writer::write;

/// The namespace of the prefix `xml`.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of the prefix `xmlns`.
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";
