//! A breaker: after many failures in a row a destination is probed with one delivery at a time, and the others wait.

use std::time::Duration;

/// When a breaker opens, and how often an open one probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row that open it; 0: it never opens.
    pub failures: u32,
    /// Time between two probes.
    pub probe_every: Duration,
}

/// How a delivery that was handed out ended, as far as the destination's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The destination answered, be it with a refusal of this one document.
    Answered,
    /// It could not be reached, was not able to take it, or nobody knows.
    Failed {
        /// When it wishes to be asked again.
        wished: Option<Duration>,
    },
    /// Nothing was sent.
    None,
}

/// What became of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It stays as it was.
    Same,
    /// It opened; the next probe comes after this time.
    Opened(Duration),
    /// A probe failed; the next one comes after this time.
    StaysOpen(Duration),
    /// It closed.
    Closed,
}

/// The breaker of one destination. Moments are those of a clock that never jumps.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// `Some` while open.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    next_probe: Duration,
    probing: bool,
}

impl Breaker {
    /// Whether deliveries wait.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many of `wanted` deliveries may be handed out now; at most one while open, and then it is a probe.
    #[must_use]
    pub fn allows(&self, wanted: usize, now: Duration) -> usize {
        match &self.open {
            None => wanted,
            Some(open) if open.probing || now < open.next_probe => 0,
            Some(_) => wanted.min(1),
        }
    }

    /// How long until a delivery may be handed out; `None` when no moment is known.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        let open = self.open.as_ref()?;
        if open.probing { None } else { Some(open.next_probe.saturating_sub(now)) }
    }

    /// A delivery was handed out. Whether it is a probe.
    pub fn begin(&mut self) -> bool {
        match &mut self.open {
            None => false,
            Some(open) => {
                open.probing = true;
                true
            }
        }
    }

    /// A delivery came to its end. `probe` is what [`Self::begin`] said of it.
    pub fn end(&mut self, contact: Contact, probe: bool, rules: BreakerRules, now: Duration) -> Turn {
        let pause = |wished: Option<Duration>| rules.probe_every.max(wished.unwrap_or_default());
        match (contact, &mut self.open) {
            (Contact::Answered, None) => {
                self.failures = 0;
                Turn::Same
            }
            (Contact::Answered, Some(_)) => {
                *self = Self::default();
                Turn::Closed
            }
            (Contact::Failed { wished }, None) => {
                self.failures = self.failures.saturating_add(1);
                if rules.failures == 0 || self.failures < rules.failures {
                    return Turn::Same;
                }
                self.open = Some(Open { next_probe: now + pause(wished), probing: false });
                Turn::Opened(pause(wished))
            }
            (Contact::Failed { wished }, Some(open)) if probe => {
                *open = Open { next_probe: now + pause(wished), probing: false };
                Turn::StaysOpen(pause(wished))
            }
            // sent before it opened
            (Contact::Failed { .. }, Some(_)) | (Contact::None, None) => Turn::Same,
            (Contact::None, Some(open)) => {
                open.probing &= !probe;
                Turn::Same
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: BreakerRules = BreakerRules { failures: 3, probe_every: Duration::from_secs(30) };
    const FAILED: Contact = Contact::Failed { wished: None };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A breaker that opened at second 10.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            assert_eq!(breaker.end(FAILED, false, RULES, at(10)), Turn::Same);
        }
        assert_eq!(breaker.end(FAILED, false, RULES, at(10)), Turn::Opened(at(30)));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::default();
        for contact in [FAILED, FAILED, Contact::Answered, FAILED, Contact::None, FAILED] {
            assert_eq!(breaker.end(contact, false, RULES, at(1)), Turn::Same);
            assert_eq!((breaker.allows(8, at(1)), breaker.is_open()), (8, false));
        }
        assert_eq!(breaker.end(FAILED, false, RULES, at(1)), Turn::Opened(at(30)));
        assert_eq!(breaker.allows(8, at(1)), 0);
    }

    #[test]
    fn one_probe_at_a_time_goes_out_and_a_failed_one_starts_the_wait_again() {
        let mut breaker = opened();
        assert_eq!((breaker.allows(8, at(39)), breaker.wait(at(39))), (0, Some(at(1))));
        assert_eq!((breaker.allows(8, at(40)), breaker.allows(0, at(40))), (1, 0));
        assert!(breaker.begin(), "it is a probe");
        assert_eq!((breaker.allows(8, at(99)), breaker.wait(at(99))), (0, None));
        assert_eq!(breaker.end(FAILED, true, RULES, at(100)), Turn::StaysOpen(at(30)));
        assert_eq!((breaker.allows(8, at(129)), breaker.allows(8, at(130))), (0, 1));
    }

    #[test]
    fn an_answered_probe_closes_it_and_failures_are_counted_anew() {
        let mut breaker = opened();
        breaker.begin();
        assert_eq!(breaker.end(Contact::Answered, true, RULES, at(41)), Turn::Closed);
        assert_eq!((breaker.allows(8, at(41)), breaker.begin()), (8, false));
        for _ in 0..2 {
            assert_eq!(breaker.end(FAILED, false, RULES, at(42)), Turn::Same);
        }
    }

    #[test]
    fn a_probe_that_sent_nothing_lets_the_next_delivery_probe() {
        let mut breaker = opened();
        breaker.begin();
        assert_eq!(breaker.end(Contact::None, true, RULES, at(41)), Turn::Same);
        assert_eq!(breaker.allows(8, at(41)), 1);
    }

    #[test]
    fn what_was_on_its_way_when_it_opened_neither_prolongs_nor_replaces_the_probe() {
        let mut breaker = opened();
        assert_eq!(breaker.end(FAILED, false, RULES, at(35)), Turn::Same);
        assert_eq!(breaker.allows(8, at(40)), 1);
        breaker.begin();
        assert_eq!(breaker.end(Contact::None, false, RULES, at(41)), Turn::Same);
        assert_eq!(breaker.allows(8, at(41)), 0, "the probe is still out");
        assert_eq!(breaker.end(Contact::Answered, false, RULES, at(42)), Turn::Closed, "an answer is an answer");
        assert_eq!(breaker.end(FAILED, true, RULES, at(43)), Turn::Same, "one failure of many");
    }

    #[test]
    fn a_partners_wish_makes_the_wait_longer_and_never_shorter() {
        let mut breaker = opened();
        let wish = |seconds| Contact::Failed { wished: Some(at(seconds)) };
        assert_eq!(breaker.end(wish(600), true, RULES, at(40)), Turn::StaysOpen(at(600)));
        assert_eq!(breaker.end(wish(1), true, RULES, at(640)), Turn::StaysOpen(at(30)));
    }

    #[test]
    fn without_a_number_of_failures_it_never_opens() {
        let mut breaker = Breaker::default();
        for _ in 0..1000 {
            let rules = BreakerRules { failures: 0, ..RULES };
            assert_eq!(breaker.end(FAILED, false, rules, at(1)), Turn::Same);
        }
    }
}
