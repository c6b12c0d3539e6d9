//! The fault suite: a hub under load is killed, starved, cut off and lied to, and one checker compares three ledgers: what
//! was acknowledged, what the recording sinks got, and the hub's own books.
//!
//! Each row stands for a fault. `make test` plays a few rounds of each; `make faults` plays them in full and writes
//! `docs/evidence.md`. `FAULT_SEED` replays a row's random choices, `FAULT_ROUNDS` scales all rows (200 is the full size).

#![expect(clippy::print_stdout, reason = "seeds and figures are part of the result")]

mod broker;
mod check;
mod combination;
mod corrupt;
mod disk;
mod full;
mod hold;
mod input_output;
mod kill;
mod ledger;
mod load;
mod model;
mod node;
mod nodes;
mod note;
mod partner;
mod poison;
mod postgres;
mod power;
mod proxy;
mod queue;
mod report;
mod row;
mod sink;
mod size;
mod stage;
#[path = "../suite/support/mod.rs"]
mod support;
mod teeth;

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
