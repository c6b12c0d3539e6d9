//! Log lines: to standard error, as JSON objects or for people.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is not a filter.
    #[error("log.level is not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
}

/// Starts logging for the process. A second start is without effect.
///
/// # Errors
/// When `log.level` cannot be read.
pub fn start(log: &Log) -> Result<(), LogError> {
    // the client of brokers warns of returned messages with their payload
    let filter = EnvFilter::try_new(&log.level)?.add_directive("lapin=error".parse()?);
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
    drop(started);
    Ok(())
}
