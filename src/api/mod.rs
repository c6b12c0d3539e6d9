//! HTTP for operators and programs: health, metrics, and what became of each message. Reads only.
//!
//! It stands apart from the way messages come in: another listener, by default on loopback, because whoever reaches it
//! may read business documents. It shows what the store says and decides nothing.

mod code;
mod destination;
mod router;
mod view;

pub use code::CODES;
pub use destination::{counts_and_pauses_json, destinations_json};
pub use router::{Operations, router};
pub use view::{act_json, counts_json, error_json, is_current, message_json, summary_json};
