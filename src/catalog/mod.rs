//! x
mod code;
mod code_table;
mod library;
