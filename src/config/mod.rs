//! The daemon's settings as plain data, from four layers; builds nothing.
//!
//! The reference file `deploy/crossdock.toml` is embedded: it is the documentation, the defaults and the list of known
//! keys at once, so none of the three can drift. Later layers win: reference < the user's file < environment < flags.
//! A key that the reference does not have is an error with its place and a "did you mean". To add a setting, add it to
//! the reference file with its comment and to [`Settings`]; a test holds the two together.

mod code;
mod layer;
mod settings;

pub use code::CODES;
pub use layer::{Layers, REFERENCE, load};
pub use settings::{
    Delivery, DocumentLimits, Egress, Hub, Ingest, Log, LogFormat, OnExhausted, Operations, Retention, Settings,
    Storage, TlsClient,
};
