//! What retention takes away, and what it has taken.

use std::collections::BTreeMap;

use super::DeliveryCount;
use crate::base::Timestamp;

/// Everything finished before these moments may go; `None` keeps it for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of messages and of their outputs.
    pub payloads: Option<Timestamp>,
    /// Attempts, with what partners answered.
    pub attempts: Option<Timestamp>,
    /// Messages wholly, with deliveries and attempts; counted in [`Removed`].
    pub records: Option<Timestamp>,
    /// Keys of messages received before: the next message with such a key is a new one.
    pub keys: Option<Timestamp>,
    /// The same for systems with a moment of their own.
    pub keys_of: BTreeMap<String, Option<Timestamp>>,
}

impl Cut {
    /// The moment before which a system's keys may go.
    #[must_use]
    pub fn keys_of(&self, system: &str) -> Option<Timestamp> {
        self.keys_of.get(system).copied().unwrap_or(self.keys)
    }
}

/// What one call took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Messages whose bytes went, with those of their outputs.
    pub payloads: u64,
    /// Attempts.
    pub attempts: u64,
    /// Messages that went wholly.
    pub records: u64,
    /// Keys.
    pub keys: u64,
    /// Whether there may be more to do at once.
    pub more: bool,
}

/// What retention has removed wholly so far, so that the sums still say where everything went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Messages, parts included.
    pub messages: u64,
    /// Deliveries by route, destination and the state they ended in, in this order.
    pub deliveries: Vec<DeliveryCount>,
}
