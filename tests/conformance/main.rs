//! The official suites, scored: `make conformance`. Where the corpora are not present, says so and passes.
//!
//! Whatever a suite expects and the reader does not do is either listed here with its reason or a failure.

#![allow(clippy::print_stdout, reason = "the scores are what this is for")]

mod attacks;
mod corpora;
mod families;
mod infer;
mod json;
mod json_schema;
mod mutations;
mod qt3;
mod ubl;
mod xmlconf;
