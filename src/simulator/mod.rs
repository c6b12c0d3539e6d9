//! A partner's system, simulated: takes documents over HTTP and answers in the real reply shapes of its profile.
//!
//! It stands apart from the hub because it plays the other side, for demonstrations, tests and training. What it says is
//! data (`mappings/<profile>/simulator.yaml`); here are only its memory, its faults and its record of what came in.

mod fault;
mod partner;

pub use fault::{Fault, FaultError, Faults};
pub use partner::{Partner, Received};
