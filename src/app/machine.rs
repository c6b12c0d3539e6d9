//! The real machine: its clock, its chance, its environment. The only place that asks for them.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    base::{Clock, Random, Timestamp},
    catalog::Environment,
};

/// The system's clock.
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The process's source of chance. Good for ids and jitter, not for secrets.
#[derive(Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// The process's environment and files.
#[derive(Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn secret_file(&self, path: &Path) -> std::io::Result<String> {
        use std::os::unix::fs::MetadataExt as _;
        let mode = std::fs::metadata(path)?.mode();
        if mode & 0o077 != 0 {
            let text = format!("others may read it (mode {:o}); chmod 600 it", mode & 0o777);
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text));
        }
        std::fs::read_to_string(path)
    }

    fn text_file(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }
}
