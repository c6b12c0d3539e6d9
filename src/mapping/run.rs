//! Runs templates.
