//! What a mapping says that can never work, or is probably not meant, beyond what compiling it finds.
//!
//! Two passes: over the compiled plan, with the static types of its formulas and the simple types of the target; and
//! over the file as written, for names nobody uses. A new check is a code, its page, a function here, and a mistake
//! planted in `tests/cases/mapping/bad/`.

mod fit;
mod name;
mod plan;
#[cfg(test)]
mod tests;

pub(super) use name::{belongs, names};
pub(super) use plan::plan;
