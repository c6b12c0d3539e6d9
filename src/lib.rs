//! Crossdock: an XML/JSON data-exchange hub for dealership groups.
//!
//! Start with `ARCHITECTURE.md`, then read the life of a message: [`transport::Intake`] → [`pipeline`] → [`store`] →
//! [`mapping`] → [`transport::Sink`]. The modules below stand in no order; `tests/architecture.rs` holds the floors.

pub mod api;
pub mod app;
pub mod base;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod content;
pub mod document;
pub mod format;
pub mod mapping;
pub mod pipeline;
pub mod profile;
pub mod schema;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod xpath;
