//! What documents of a type may look like: a type model read from XML Schema or JSON Schema, and the validators.
//!
//! It stands apart so that mappings can be checked against both their sides before a message arrives, without knowing
//! how types are written down. A [`Model`] answers "what may stand here?" and "does this text fit?", a [`Validator`]
//! judges whole documents. Nothing here does I/O: the caller resolves file names, so a schema cannot make it fetch
//! anything. A new schema language gets its own reader beside `xsd.rs` and `json_model.rs` that fills the same model.

mod code;
mod declaration;
mod difference;
mod head;
mod infer;
mod json_model;
mod json_schema;
mod model;
mod pattern;
mod sample;
mod simple;
#[cfg(test)]
mod tests;
mod violation;
mod xsd;
mod xsd_set;

pub use code::{CODES, FAMILY_CHANGED, FAMILY_CONFLICT, FAMILY_EMPTY, FAMILY_LICENCE, FAMILY_SOURCE, MISSING_FILE};
pub use difference::{Change, ModelChange, model_changes};
pub use head::{XsdHead, XsdReference};
pub use infer::{DraftFile, Inference};
pub use json_schema::{Formats, JsonSchema};
pub use model::{Attribute, Child, Model, ModelReader, Type, TypeId};
pub use pattern::Pattern;
pub use sample::example;
pub use simple::{Simple, SimpleKind};
pub use violation::{Validator, Violation};
pub use xsd_set::XsdSet;
