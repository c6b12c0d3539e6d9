//! The table of `docs/evidence.md`, written from what the rows left behind.
