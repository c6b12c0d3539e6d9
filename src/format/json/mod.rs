//! JSON (RFC 8259), strictly: no duplicate names, no lone surrogates, numbers as written.

mod number;
mod reader;
mod string;
#[cfg(test)]
mod tests;
mod token;
mod ubl;
mod writer;

pub(super) use reader::read;
pub(super) use writer::write;
