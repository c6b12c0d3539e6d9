//! The formula language of mappings: XPath 3.1, a subset, with exact decimals.
//!
//! It stands apart so that formulas mean the same wherever they stand (mappings, profiles, routes, tests). A text goes
//! through lexer, parser, a tree with spans, static analysis and a compiled form to evaluation. It never does I/O, never
//! logs, never reads a clock or chance: what a formula learns comes from its [`Frame`]. Evaluation is bounded by a
//! [`Budget`], nesting by the parser.
//!
//! Deviation from XPath 3.1, by design: an untyped value in arithmetic, in a comparison with a number and in aggregates
//! is an `xs:decimal`, not an `xs:double`; without decimal form it is `FORG0001`. This language computes exactly.
//!
//! A new function is one entry in one of the tables under `function/`: name, arity, signature, a sentence, examples (run
//! by a test) and the Rust function.

mod ast;
mod atomic_type;
mod binary;
mod cast;
mod code;
mod collection;
mod compile;
mod conversion;
mod evaluate;
mod failure;
mod fit;
mod formula;
mod frame;
mod function;
mod infer;
mod item;
mod lexer;
mod lookup;
mod made;
mod op;
mod operate;
mod parser;
mod path;
mod scope;
mod signature;
mod sort_key;
mod static_type;
mod temporal;
mod temporal_text;
#[cfg(test)]
mod tests;
mod value;

pub use code::CODES;
pub use collection::{Array, Map};
pub use failure::Failure;
pub use fit::{Fit, lexical, nouns};
pub use formula::Formula;
pub use frame::{Budget, CodeAnswer, Frame, Host, ListAnswer, Markup, Trace, TraceEvent, Variables};
pub use function::{Function, functions, is_reserved};
pub use item::{BinaryKind, Derived, Item, Qualified, is_numeric, string_of};
pub use scope::{Binding, Scope, SourceModel, Symbols, TypeRef};
pub use sort_key::{SortAs, SortKey};
pub use static_type::{Class, Constant, ItemType, Least, Most, Occurs, Spot, StaticType, TextType};
pub use temporal::{Date, DateTime, Duration, DurationKind, Gregorian, GregorianKind, Time};
pub use value::Value;
