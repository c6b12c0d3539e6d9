//! How a destination is treated: when to try again, how much at once, when to pause it.

use std::time::Duration;

use super::{BreakerRules, RetrySchedule};
use crate::{catalog::DeliveryConfig, transport::outcome::LONGEST_WAIT};

/// The rules for the deliveries to one destination.
#[derive(Clone, Debug)]
pub struct Policy {
    /// When to try again.
    pub schedule: RetrySchedule,
    /// Deliveries at once.
    pub concurrency: usize,
    /// A delivery whose attempts are used up lets its lane go on.
    pub exhausted_frees_lane: bool,
    /// When to pause the destination.
    pub breaker: BreakerRules,
}

impl Policy {
    /// These rules with a system's own in front.
    #[must_use]
    pub fn with(&self, own: &DeliveryConfig) -> Self {
        let standard = &self.schedule;
        Self {
            schedule: RetrySchedule {
                waits: own.retry.clone().unwrap_or_else(|| standard.waits.clone()),
                jitter_percent: own.jitter_percent.unwrap_or(standard.jitter_percent),
            },
            concurrency: own.concurrency.unwrap_or(self.concurrency).max(1),
            exhausted_frees_lane: own.exhausted_frees_lane.unwrap_or(self.exhausted_frees_lane),
            breaker: BreakerRules {
                failures: own.breaker_failures.unwrap_or(self.breaker.failures),
                probe_every: own.breaker_probe.unwrap_or(self.breaker.probe_every),
            },
        }
    }

    /// The longest anything may have to wait for its next attempt: a moment beyond it is a clock's mistake.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        self.schedule.longest().max(LONGEST_WAIT)
    }
}
