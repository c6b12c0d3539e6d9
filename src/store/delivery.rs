//! Deliveries and attempts: planned, leased, recorded, seen.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{MessageInfo, NewMessage, NewXref, Reason, WaitKey};
use crate::base::{Sha256, Timestamp};

/// What is to become of an accepted message.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The business key found in the document.
    pub business_key: Option<String>,
    /// The site; `None` keeps what was known at accept.
    pub site: Option<String>,
    /// The document type identified; `None` keeps what the sender named.
    pub document_type: Option<String>,
    /// Attributes learnt by reading it, put beside those it came with.
    pub attributes: BTreeMap<String, String>,
    /// The decision.
    pub decision: Decision,
}

/// Deliver, park, filter or split.
#[derive(Clone, Debug)]
pub enum Decision {
    /// To these destinations; at least one. A delivery may itself start filtered or parked.
    Deliver(Vec<NewDelivery>),
    /// Wait for a person: no route, not parseable, ….
    Park(Reason),
    /// A rule says no.
    Filter {
        /// The rule's name.
        rule: String,
    },
    /// Its documents go on as messages of their own; at least one, at most [`super::MAX_PARTS`].
    Split(Vec<NewPart>),
}

/// One document of a message that is split. Its position is its place in the plan, from 1.
#[derive(Clone, Debug)]
pub struct NewPart {
    /// The message it becomes, by the rules of [`super::Store::accept`].
    pub message: NewMessage,
    /// Why it is parked when its key is known with other content. It then enters without the key; the store adds which
    /// message has it.
    pub conflict: Reason,
}

/// One delivery of a plan. Its position is its place in the plan.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// A fresh `dlv_…` id, kept for the delivery's whole life and sent to the receiver.
    pub id: String,
    /// The route.
    pub route: String,
    /// The destination system.
    pub destination: String,
    /// Which document of a mapping that makes several; empty for the only one.
    pub document: String,
    /// The lane within route and destination; empty means unordered.
    pub lane: String,
    /// Whether this delivery holds up its lane while parked.
    pub blocks_when_parked: bool,
    /// How it starts.
    pub start: Start,
    /// The mapped bytes, when already made.
    pub output: Option<Output>,
}

/// How a delivery starts.
#[derive(Clone, Debug)]
pub enum Start {
    /// To be sent from this moment on.
    Due {
        /// The moment.
        at: Timestamp,
    },
    /// Something is missing.
    Wait {
        /// What.
        key: WaitKey,
        /// Why.
        reason: Reason,
    },
    /// Waits for a person.
    Park {
        /// Why.
        reason: Reason,
    },
    /// A rule of the route says no.
    Filter {
        /// The rule's name.
        rule: String,
    },
}

/// The mapped bytes of a delivery: what the receiver gets, every time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exact bytes.
    pub bytes: Bytes,
    /// Their media type.
    pub content_type: String,
    /// The document type they are.
    pub document_type: String,
    /// Digest of the mapping (and tables) that made them.
    pub mapping_hash: String,
    /// What was noticed while they were made and did not stop them, one line each: what assertions warn of, violations
    /// of the target's schema.
    pub notes: Vec<String>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Due at a moment.
    Planned,
    /// Waits for a cross reference or a code.
    Waiting,
    /// Waits for a person.
    Parked,
    /// Final: the receiver has it.
    Delivered,
    /// Final: a rule said no.
    Filtered,
    /// Final: a named person gave it up.
    Skipped,
}

impl DeliveryState {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Filtered | Self::Skipped)
    }

    /// Every value.
    pub const ALL: &[Self] =
        &[Self::Planned, Self::Waiting, Self::Parked, Self::Delivered, Self::Filtered, Self::Skipped];

    /// The word used in the database, the API and the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Skipped => "skipped",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

/// A delivery handed out to be sent.
#[derive(Clone, Debug)]
pub struct Leased {
    /// `dlv_…`: send it as the idempotency key.
    pub id: String,
    /// Its place in the plan.
    pub position: u32,
    /// The route.
    pub route: String,
    /// The destination system.
    pub destination: String,
    /// Which document of a mapping that makes several; empty for the only one.
    pub document: String,
    /// The lane; empty means unordered.
    pub lane: String,
    /// All attempts so far.
    pub attempts: u32,
    /// Attempts since it was planned or last released: the place in the retry schedule.
    pub tries: u32,
    /// An earlier attempt may have arrived without our knowing: it ended unknown, or the process ended between sending
    /// and recording.
    pub unknown_before: bool,
    /// A person lets it pass the calendar.
    pub waived: bool,
    /// The mapped bytes, when already made.
    pub output: Option<Output>,
    /// The message.
    pub message: MessageInfo,
    /// The message's bytes, checked.
    pub bytes: Bytes,
}

/// How a lease ends without an attempt.
#[derive(Clone, Debug)]
pub enum Hold {
    /// Something is missing. Whether a code has arrived meanwhile the store cannot know: release again after tables
    /// were loaded while deliveries were leased.
    Wait {
        /// What.
        key: WaitKey,
        /// Why.
        reason: Reason,
    },
    /// Waits for a person.
    Park {
        /// Why.
        reason: Reason,
    },
    /// Not now; costs no attempt.
    Later {
        /// When it is due again.
        due_at: Timestamp,
        /// Why, when people should see it held: the calendar. It can then be released before its time.
        reason: Option<Reason>,
    },
    /// A rule says no after all.
    Filter {
        /// The rule's name.
        rule: String,
    },
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// The receiver has it.
    Delivered,
    /// Surely not received; worth trying again.
    Retry,
    /// Refused for good.
    Rejected,
    /// Sent, and no answer came.
    Unknown,
}

impl AttemptOutcome {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Delivered, Self::Retry, Self::Rejected, Self::Unknown];

    /// The word used in the database, the API and the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

/// One try of a delivery, finished.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// A fresh `att_…` id.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    pub outcome: AttemptOutcome,
    /// The status code, when the receiver gave one.
    pub status: Option<u16>,
    /// One sentence for people.
    pub detail: String,
    /// What the receiver answered; kept up to [`super::MAX_RESPONSE_BYTES`].
    pub response: Bytes,
    /// The answer's media type; empty when unknown.
    pub response_type: String,
}

/// What follows from an attempt.
#[derive(Clone, Debug)]
pub enum Next {
    /// Final.
    Delivered {
        /// Cross references found in the answer.
        xrefs: Vec<NewXref>,
    },
    /// Due again.
    Retry {
        /// When.
        due_at: Timestamp,
    },
    /// Waits for a person.
    Park {
        /// Why.
        reason: Reason,
        /// Its lane goes on, whatever the plan said.
        frees_lane: bool,
    },
}

/// What recording an attempt caused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The attempt's number, from 1.
    pub number: u32,
    /// Deliveries that waited for a cross reference stored with it and are due now.
    pub released: u64,
}

/// What to release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// Deliveries whose wait key starts with this text: `code:`, `xref:customer:`.
    WaitKeyPrefix(String),
    /// Deliveries and messages held for this cause.
    Cause(String),
    /// Deliveries (`dlv_…`) and messages (`msg_…`) by id. A routed message stands for its held deliveries. What the
    /// calendar held passes it from now on: a person decided.
    Ids(Vec<String>),
}

/// How much was released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Deliveries.
    pub deliveries: u64,
    /// Messages.
    pub messages: u64,
}

/// A delivery with all that is known about it.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// `dlv_…`.
    pub id: String,
    /// Its place in the plan.
    pub position: u32,
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
    /// When it is or was due.
    pub due_at: Timestamp,
    /// Number of attempts.
    pub attempt_count: u32,
    /// What it waits for, in text.
    pub wait_key: Option<String>,
    /// Why it is held, filtered or skipped.
    pub reason: Option<Reason>,
    /// How the last attempt ended.
    pub last_outcome: Option<AttemptOutcome>,
    /// An attempt may have arrived without our knowing.
    pub unknown_before: bool,
    /// A person lets it pass the calendar.
    pub waived: bool,
    /// A later delivery of its lane was sent while it was parked: released now, it arrives out of order.
    pub overtaken: bool,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
    /// What the receiver gets, checked; `None` before it is made, and after retention removed it.
    pub output: Option<Output>,
    /// The digest of the output, also of a removed one.
    pub output_sha256: Option<Sha256>,
    /// The attempts, in order.
    pub attempts: Vec<AttemptView>,
    /// The delivery it repeats.
    pub replay_of: Option<String>,
}

impl DeliveryView {
    /// The state that counts for the message's standing: what is held until a moment waits.
    #[must_use]
    pub fn standing(&self) -> DeliveryState {
        match (self.state, &self.reason) {
            (DeliveryState::Planned, Some(_)) => DeliveryState::Waiting,
            (state, _) => state,
        }
    }
}

/// One try of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptView {
    /// `att_…`.
    pub id: String,
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    pub outcome: AttemptOutcome,
    /// The status code.
    pub status: Option<u16>,
    /// One sentence for people.
    pub detail: String,
    /// What the receiver answered, perhaps cut off.
    pub response: Bytes,
    /// The answer's media type.
    pub response_type: String,
}
