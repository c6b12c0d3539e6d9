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
    /// What both clocks said at the start.
    anchor: (Timestamp, Duration),
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now(), anchor: (wall(), since_boot()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Time since the machine was started, sleep included, which the monotonic clock leaves out.
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        wall()
    }

    fn steady(&self) -> Timestamp {
        self.anchor.0.plus(since_boot().saturating_sub(self.anchor.1))
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
