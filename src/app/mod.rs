//! Wiring: settings and content become a running hub; start, reload, drain, stop.
//!
//! It stands apart as the only place that knows concrete stores, sources and sinks, the real clock, the environment and
//! signals. It holds no logic of its own: what can be decided without the machine is decided below.

mod control;
mod machine;
mod pressure;
mod retention;
mod running;
mod wiring;

pub use control::control_socket;
pub use machine::{SystemClock, SystemEnvironment, SystemRandom};
pub use running::{Exit, Running, run};
pub use wiring::{StartError, load_catalog, open_reader, open_store, prepare_catalog};
