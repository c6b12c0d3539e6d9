//! Content files: YAML as a tree in which every key and value knows its line and column.
//!
//! Systems, routes, profiles and mappings are written by people; what they get wrong must be shown where they wrote it.
//! Serde loses positions and stops at the first error, so content is read into this tree and taken apart with
//! [`Fields`], which collects every problem, unknown keys included. It never does I/O: the caller brings the text.

mod code;
mod fields;
mod yaml;

pub use code::CODES;
pub use fields::Fields;
pub use yaml::{Data, Key, Yaml, parse};
