//! When to try again.

use std::time::Duration;

use crate::base::Random;

/// The waits before each further attempt, and how much chance goes into them.
#[derive(Clone, Debug)]
pub struct RetrySchedule {
    /// Waits before the second, third, … attempt.
    pub waits: Vec<Duration>,
    /// Each wait is longer or shorter by up to this part, in percent.
    pub jitter_percent: u8,
}

impl RetrySchedule {
    /// The longest wait there can be.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let longest = self.waits.iter().max().copied().unwrap_or_default();
        longest.saturating_mul(100 + u32::from(self.jitter_percent.min(100))) / 100
    }

    /// The wait after `tries` attempts failed; a partner's own wish is never undercut. `None` when no attempt is left.
    #[must_use]
    pub fn after(&self, tries: u32, wished: Option<Duration>, random: &dyn Random) -> Option<Duration> {
        let at = usize::try_from(tries.max(1)).ok()? - 1;
        let wait = *self.waits.get(at)?;
        let spread = u128::from(self.jitter_percent.min(100));
        let chance = u128::from(random.next_u64() % 2001);
        // chance 0..=2000 stands for -spread..=+spread percent.
        let percent_thousandths = 100_000 + (chance * spread) - 1000 * spread;
        let nanos = wait.as_nanos() * percent_thousandths / 100_000;
        let jittered = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Some(wished.map_or(jittered, |wished| wished.max(jittered)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u64);

    impl Random for Always {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    fn schedule() -> RetrySchedule {
        RetrySchedule { waits: vec![Duration::from_secs(10), Duration::from_secs(100)], jitter_percent: 20 }
    }

    #[test]
    fn waits_grow_with_jitter_and_end() {
        let seconds = |tries, chance| schedule().after(tries, None, &Always(chance)).map(|wait| wait.as_secs_f64());
        assert_eq!(seconds(1, 0), Some(8.0));
        assert_eq!(seconds(1, 1000), Some(10.0));
        assert_eq!(seconds(1, 2000), Some(12.0));
        assert_eq!(seconds(2, 1000), Some(100.0));
        assert_eq!(seconds(3, 1000), None);
        assert_eq!(schedule().longest(), Duration::from_secs(120));
    }

    #[test]
    fn retry_after_header_overrides_a_shorter_wait() {
        let wish = Some(Duration::from_secs(60));
        assert_eq!(schedule().after(1, wish, &Always(1000)), wish);
        assert_eq!(schedule().after(2, wish, &Always(1000)), Some(Duration::from_secs(100)));
    }
}
