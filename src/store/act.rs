//! What operators decide, by name and reason, and what they choose to decide upon.

use super::{DeliveryState, Reason};
use crate::base::Timestamp;

/// A decision of a person, or of the hub itself when content is read again. Kept for good with whatever it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// A fresh `act_…` id. Several calls with one id are one act: their counts add up.
    pub id: String,
    /// `release`, `skip`, `replay`, `resend`.
    pub verb: String,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
    /// What was asked for: ids, or the conditions of a query.
    pub query: String,
    /// When it was decided.
    pub at: Timestamp,
}

/// An act and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActView {
    /// Place in the journal of acts.
    pub seq: i64,
    /// The act.
    pub act: Act,
    /// Deliveries changed or made by it.
    pub deliveries: u64,
    /// Messages changed or made by it.
    pub messages: u64,
}

/// A place in the order in which deliveries were accepted: the message's, then the delivery's within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The message's place in accept order.
    pub seq: i64,
    /// The delivery's position; -1 for the message itself.
    pub position: i64,
}

/// A delivery, or a parked message, that a query chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its place; give the last one's to go on behind it.
    pub spot: Spot,
    /// The message's id.
    pub message: String,
    /// The system it came from.
    pub system: String,
    /// Its document type.
    pub document_type: String,
    /// Its business key.
    pub business_key: Option<String>,
    /// The delivery; `None` when the message itself is parked.
    pub delivery: Option<ChosenDelivery>,
    /// Why it is held.
    pub reason: Option<Reason>,
}

impl Chosen {
    /// The id to act upon: the delivery's, else the message's.
    #[must_use]
    pub fn id(&self) -> &str {
        self.delivery.as_ref().map_or(&self.message, |delivery| &delivery.id)
    }
}

/// A delivery that a query chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenDelivery {
    /// `dlv_…`.
    pub id: String,
    /// The route.
    pub route: String,
    /// The destination system.
    pub destination: String,
    /// Which document of a mapping that makes several; empty for the only one.
    pub document: String,
    /// The lane; empty means unordered.
    pub lane: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Whether its bytes are made and kept.
    pub has_output: bool,
    /// Whether it repeats another one.
    pub is_replay: bool,
}

/// A delivery made again: a new one of the same message, on the same route, to the same destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReplay {
    /// A fresh `dlv_…` id.
    pub id: String,
    /// The delivery it repeats.
    pub of: String,
    /// Its lane; empty means unordered.
    pub lane: String,
    /// When it is due.
    pub due_at: Timestamp,
    /// Whether it takes over the bytes kept with the original; else it is mapped again.
    pub keeps_output: bool,
}
