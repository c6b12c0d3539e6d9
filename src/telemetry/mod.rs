//! Logs and metrics: one spelling for every field and every number.
//!
//! It stands apart so that names of log fields and metrics are written down once, in [`metric`]. Payload
//! values, keys and secrets never go through here; ids, codes, names of systems and routes do. To add a metric, add its
//! constant to `metric.rs` and describe it in `install` with unit and help.

mod log;
pub mod metric;

pub use log::{LogError, start};
pub use metric::{Metrics, install};
