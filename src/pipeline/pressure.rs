//! Back pressure: why nothing is accepted at this moment, so that senders and brokers keep what they have.

use std::time::Duration;

use tokio::sync::watch;

use super::code;
use crate::{
    base::{Code, Problem},
    store::{Counts, DeliveryState, Room},
};

/// How long a sender should wait when the storage is low: space seldom returns faster.
const STORAGE_WAIT: Duration = Duration::from_secs(30);

/// How long a sender should wait when too much is undelivered.
const BACKLOG_WAIT: Duration = Duration::from_secs(10);

/// Things accepted and not done yet, against the most there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages not decided upon, and deliveries that are planned or waiting.
    pub open: u64,
    /// The most there may be; 0 for no limit.
    pub most: u64,
    /// Whether there are too many, or were and not a tenth less than the most are left.
    pub exceeded: bool,
}

impl Backlog {
    /// With a limit, before anything was counted.
    #[must_use]
    pub fn limited_to(most: u64) -> Self {
        Self { most, ..Self::default() }
    }

    /// What a new count makes of it.
    #[must_use]
    pub fn counted(self, counts: &Counts) -> Self {
        let undone = |state| matches!(state, DeliveryState::Planned | DeliveryState::Waiting);
        let deliveries: u64 = counts.deliveries.iter().filter(|row| undone(row.state)).map(|row| row.count).sum();
        let open = counts.accepted + deliveries;
        let limit = if self.exceeded { self.most - self.most / 10 } else { self.most };
        Self { open, exceeded: self.most > 0 && open > limit, ..self }
    }
}

/// What intake listens to before it takes anything.
#[derive(Clone)]
pub struct Pressure {
    room: watch::Receiver<Room>,
    backlog: watch::Receiver<Backlog>,
}

/// Why nothing is accepted.
#[derive(Clone, Debug)]
pub struct Closed {
    /// When to come again.
    pub retry_after: Duration,
    /// Why.
    pub problem: Problem,
}

impl Closed {
    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.problem.code
    }
}

impl Pressure {
    /// Over what a disk and a backlog are found to be.
    #[must_use]
    pub fn new(room: watch::Receiver<Room>, backlog: watch::Receiver<Backlog>) -> Self {
        Self { room, backlog }
    }

    /// None at all, for hubs that nobody watches.
    #[must_use]
    pub fn none() -> Self {
        Self { room: watch::channel(Room::default()).1, backlog: watch::channel(Backlog::default()).1 }
    }

    /// The disk.
    #[must_use]
    pub fn room(&self) -> Room {
        *self.room.borrow()
    }

    /// The backlog.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        *self.backlog.borrow()
    }

    /// Why nothing is accepted now.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        if let Some(problem) = self.room.borrow().problem() {
            return Some(Closed { retry_after: STORAGE_WAIT, problem });
        }
        let backlog = self.backlog();
        backlog.exceeded.then(|| {
            let text = format!(
                "{} messages and deliveries are not done yet; intake stops above {}",
                backlog.open, backlog.most
            );
            let hint = "see which destination does not take its deliveries: `crossdock messages counts`";
            Closed { retry_after: BACKLOG_WAIT, problem: Problem::new(code::BACKLOG, text).hint(hint) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DeliveryCount, Level};

    fn counts(accepted: u64, states: &[(DeliveryState, u64)]) -> Counts {
        let row = |(state, count): &(DeliveryState, u64)| DeliveryCount {
            route: "orders".into(),
            destination: "u".into(),
            state: *state,
            count: *count,
        };
        Counts { accepted, deliveries: states.iter().map(row).collect(), ..Counts::default() }
    }

    #[test]
    fn a_backlog_counts_what_is_not_done_and_is_left_behind_only_a_tenth_below() {
        let undone = [(DeliveryState::Planned, 40), (DeliveryState::Waiting, 50), (DeliveryState::Parked, 1000)];
        let backlog = Backlog::limited_to(100).counted(&counts(10, &undone));
        assert_eq!((backlog.open, backlog.exceeded), (100, false));
        let backlog = backlog.counted(&counts(11, &undone));
        assert!(backlog.exceeded);
        assert!(backlog.counted(&counts(1, &undone)).exceeded, "91 of 90");
        assert!(!backlog.counted(&counts(0, &undone)).exceeded);
        assert!(!Backlog::default().counted(&counts(1_000_000, &undone)).exceeded, "no limit");
    }

    #[test]
    fn pressure_says_why_and_the_worse_reason_first() {
        let room = watch::Sender::new(Room::default());
        let backlog = watch::Sender::new(Backlog::limited_to(1));
        let pressure = Pressure::new(room.subscribe(), backlog.subscribe());
        assert!(pressure.closed().is_none());
        backlog.send_modify(|backlog| *backlog = backlog.counted(&counts(2, &[])));
        assert_eq!(pressure.closed().expect("closed").code().id, "XD-D040");
        room.send_modify(|room| room.level = Level::Full);
        assert_eq!(pressure.closed().expect("closed").code().id, "XD-J011", "the worse one is told");
        assert!(Pressure::none().closed().is_none());
    }
}
