//! The document: the one tree that XML and JSON both become.
//!
//! An arena in document order: a node is a row, its attributes follow it, then its descendants, and `end` says where
//! they stop. So "next sibling" is one look, document order is index order, and dropping a document is dropping three
//! vectors, however deep it is. Text is a slice of the decoded input wherever nothing had to be unescaped; numbers stay
//! as written. It stands apart from `format` so that everything that reads or makes trees (formulas, mappings, schemas)
//! needs no parser. It never does I/O and never looks at bytes.

mod builder;
mod decimal;
mod name;
mod node;

pub use builder::Builder;
pub use decimal::{Decimal, DecimalError};
pub use name::{Name, NameTable, QName, is_name_char, is_name_start, is_ncname};
pub use node::{Document, Kind, NodeId, Shape, Text};
