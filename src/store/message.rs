//! Messages as they enter the store and as they are seen in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::DeliveryView;
use crate::base::{Problem, Sha256, Timestamp};

/// How a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// An HTTP request.
    Http,
    /// An AMQP delivery.
    Amqp,
    /// A file.
    File,
}

impl Transport {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Http, Self::Amqp, Self::File];

    /// The word used in the database, the API and the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Amqp => "amqp",
            Self::File => "file",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

/// Why something is parked, waits, or was filtered. Carries no payload value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The class it is released by: `mapping`, `no-route`, `conflict`, `rejected`, `exhausted`, `xref`, `code`, …
    pub cause: String,
    /// The error code; empty when none applies.
    pub code: String,
    /// One sentence for people.
    pub text: String,
    /// Line in the message or mapping, from 1; 0 when unknown.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// The path in the document, when known.
    pub path: Option<String>,
}

impl Reason {
    /// The reason a problem gives. Line and column are places in the message; a place in a content file (a mapping's
    /// rule) goes into the text.
    #[must_use]
    pub fn of(cause: &str, problem: &Problem) -> Self {
        let mut text = match &problem.hint {
            Some(hint) => format!("{} ({hint})", problem.text),
            None => problem.text.clone(),
        };
        let mut place = (problem.place.line, problem.place.column);
        if let Some(file) = &problem.place.file {
            text.push_str(&format!(" [{file}:{}:{}]", place.0, place.1));
            place = (0, 0);
        }
        Self {
            cause: cause.to_owned(),
            code: problem.code.id.to_owned(),
            text,
            line: place.0,
            column: place.1,
            path: problem.place.path.clone(),
        }
    }
}

/// A message to be accepted.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// A fresh `msg_…` id; not used when the message turns out to be known.
    pub id: String,
    /// The system it came from.
    pub system: String,
    /// The document type as the sender named it; empty when not named.
    pub document_type: String,
    /// The site, when known already.
    pub site: Option<String>,
    /// The sender's key for this message, unique within the system; `None` switches deduplication off.
    pub dedup_key: Option<String>,
    /// The exact bytes.
    pub bytes: Bytes,
    /// The media type as sent; empty when not sent.
    pub content_type: String,
    /// How it came.
    pub transport: Transport,
    /// When.
    pub received_at: Timestamp,
    /// Chosen headers: `traceparent`, file name, …
    pub attributes: BTreeMap<String, String>,
    /// Set when the message enters parked, such as an AMQP message that conflicts with its key.
    pub parked: Option<Reason>,
}

/// What became of an accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The message's id: its own when new, else that of the first one with the key.
    pub id: String,
    /// The place in accept order of that message.
    pub seq: i64,
    /// New, or known.
    pub outcome: AcceptOutcome,
}

/// Whether a message was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptOutcome {
    /// Stored.
    New,
    /// Known with the same bytes; nothing stored, the sender may be told "accepted".
    Duplicate,
    /// The key is known with other bytes; nothing stored.
    Conflict,
}

/// Where a message itself stands; what happened at its destinations is in its deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Stored, not yet decided upon.
    Accepted,
    /// Has deliveries.
    Routed,
    /// Waits for a person.
    Parked,
    /// A rule said no.
    Filtered,
    /// A named person gave it up.
    Skipped,
    /// Final: its documents went on as messages of their own.
    Split,
}

impl MessageState {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Accepted, Self::Routed, Self::Parked, Self::Filtered, Self::Skipped, Self::Split];

    /// The word used in the database, the API and the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Routed => "routed",
            Self::Parked => "parked",
            Self::Filtered => "filtered",
            Self::Skipped => "skipped",
            Self::Split => "split",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

/// Where a message stands with all its deliveries, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Not yet decided upon.
    Accepted,
    /// At least one delivery waits for a person, or the message does.
    Parked,
    /// At least one delivery waits for a code, a cross reference or the calendar, none for a person.
    Waiting,
    /// At least one delivery is under way, none waits.
    InFlight,
    /// Everything is final and something was delivered.
    Delivered,
    /// Everything is final, nothing was delivered, and a person gave something up.
    Skipped,
    /// Everything was filtered.
    Filtered,
    /// Its documents went on as messages of their own, each with a standing of its own.
    Split,
}

impl Standing {
    /// The standing of a message in a state, with deliveries in the states given.
    #[must_use]
    pub fn of(state: MessageState, deliveries: &[super::DeliveryState]) -> Self {
        use super::DeliveryState as D;
        let any = |wanted: D| deliveries.contains(&wanted);
        match state {
            MessageState::Accepted => Self::Accepted,
            MessageState::Parked => Self::Parked,
            MessageState::Filtered => Self::Filtered,
            MessageState::Skipped => Self::Skipped,
            MessageState::Split => Self::Split,
            MessageState::Routed if any(D::Parked) => Self::Parked,
            MessageState::Routed if any(D::Waiting) => Self::Waiting,
            MessageState::Routed if any(D::Planned) => Self::InFlight,
            MessageState::Routed if any(D::Delivered) => Self::Delivered,
            MessageState::Routed if any(D::Skipped) => Self::Skipped,
            MessageState::Routed => Self::Filtered,
        }
    }

    /// Every value.
    pub const ALL: &[Self] = &[
        Self::Accepted,
        Self::Parked,
        Self::Waiting,
        Self::InFlight,
        Self::Delivered,
        Self::Skipped,
        Self::Filtered,
        Self::Split,
    ];

    /// The word used in the API and the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::InFlight => "in-flight",
            Self::Delivered => "delivered",
            Self::Skipped => "skipped",
            Self::Filtered => "filtered",
            Self::Split => "split",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == text)
    }
}

/// A message without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageInfo {
    /// Place in accept order.
    pub seq: i64,
    /// `msg_…`.
    pub id: String,
    /// The system it came from.
    pub system: String,
    /// The document type: as named by the sender, or as identified when planned. May be empty.
    pub document_type: String,
    /// The site, when known.
    pub site: Option<String>,
    /// The sender's key.
    pub dedup_key: Option<String>,
    /// The digest of the bytes.
    pub sha256: Sha256,
    /// The media type as sent.
    pub content_type: String,
    /// How it came.
    pub transport: Transport,
    /// When.
    pub received_at: Timestamp,
    /// Chosen headers.
    pub attributes: BTreeMap<String, String>,
    /// Where the message itself stands.
    pub state: MessageState,
    /// Why it is parked, filtered or skipped.
    pub reason: Option<Reason>,
    /// How often it was handed out since it was accepted or released.
    pub parse_attempts: u32,
    /// The business key found when planned.
    pub business_key: Option<String>,
    /// The message it was a document of, when it is a part of a split one.
    pub parent: Option<String>,
    /// The message it is a corrected copy of.
    pub edited_from: Option<String>,
}

/// A message handed out for transformation.
#[derive(Clone, Debug)]
pub struct Work {
    /// The message.
    pub message: MessageInfo,
    /// Its bytes, checked.
    pub bytes: Bytes,
    /// Handed out [`super::MAX_PARSE_ATTEMPTS`] times before without a decision: park it without parsing.
    pub exhausted: bool,
}

/// Which messages to list. Everything given must match.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// The message's own state.
    pub state: Option<MessageState>,
    /// Having a delivery in this state.
    pub delivery_state: Option<super::DeliveryState>,
    /// Standing so with all its deliveries.
    pub standing: Option<Standing>,
    /// From this system.
    pub system: Option<String>,
    /// Of this document type.
    pub document_type: Option<String>,
    /// With exactly this business key.
    pub business_key: Option<String>,
    /// Held for this cause, itself or a delivery of it: `code`, `calendar`, `exhausted`, ….
    pub held: Option<String>,
    /// With this text somewhere in id, business key, sender's key, attributes or reasons.
    pub text: Option<String>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Having a delivery of this route.
    pub route: Option<String>,
    /// Having a delivery to this system. With `route`, `held` and `delivery_state`: one delivery meets all of them.
    pub destination: Option<String>,
}

/// One row of a list of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSummary {
    /// The message.
    pub message: MessageInfo,
    /// Size of the message in bytes.
    pub size: u64,
    /// Number of deliveries.
    pub deliveries: u64,
    /// All in one word.
    pub standing: Standing,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages, newest first.
    pub items: Vec<MessageSummary>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<i64>,
}

/// A message with all that is known about it.
#[derive(Clone, Debug)]
pub struct MessageView {
    /// The message.
    pub message: MessageInfo,
    /// All in one word.
    pub standing: Standing,
    /// How many bytes it had.
    pub size: u64,
    /// Its bytes, checked; `None` after retention removed them.
    pub bytes: Option<Bytes>,
    /// When retention removed its bytes and those of its outputs.
    pub bytes_removed_at: Option<Timestamp>,
    /// Its deliveries, in order of position.
    pub deliveries: Vec<DeliveryView>,
    /// What its documents became when it was split, in order of position.
    pub parts: Vec<PartView>,
    /// The corrected copies made of it, oldest first.
    pub edits: Vec<String>,
    /// What operators decided about it or its deliveries, oldest first.
    pub acts: Vec<super::ActView>,
}

/// One document of a split message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartView {
    /// Its place in the split message, from 1.
    pub position: u32,
    /// The message it became, or the earlier one it repeats.
    pub message: MessageInfo,
    /// Whether it repeats a message that was there already.
    pub is_duplicate: bool,
    /// Where that message stands.
    pub standing: Standing,
}

/// How many deliveries of a route to a destination are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryCount {
    /// The route.
    pub route: String,
    /// The destination system.
    pub destination: String,
    /// The state.
    pub state: super::DeliveryState,
    /// How many.
    pub count: u64,
}

/// How often a system has sent a document type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCount {
    /// The system.
    pub system: String,
    /// The document type; empty for messages that could not be read or were not yet.
    pub document_type: String,
    /// How many messages.
    pub count: u64,
    /// When the first of them was received.
    pub first: Timestamp,
    /// When the last of them was received.
    pub last: Timestamp,
}

/// The conservation law in numbers: everything accepted is in exactly one of these places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All messages ever accepted.
    pub total: u64,
    /// Messages not yet decided upon.
    pub accepted: u64,
    /// Messages that have deliveries.
    pub routed: u64,
    /// Messages that wait for a person.
    pub parked: u64,
    /// Messages a rule filtered.
    pub filtered: u64,
    /// Messages a person gave up.
    pub skipped: u64,
    /// Messages whose documents went on as messages of their own.
    pub split: u64,
    /// Deliveries that messages were planned to have.
    pub planned: u64,
    /// Deliveries by route, destination and state, in this order; only those there are.
    pub deliveries: Vec<DeliveryCount>,
    /// Deliveries that were planned, and parts of split messages, that are not there. Must be 0.
    pub unaccounted: u64,
    /// What retention removed wholly; not in the sums above.
    pub removed: super::Removed,
}

/// The deliveries of a route to a destination, by state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way<'a> {
    /// The route.
    pub route: &'a str,
    /// The destination system.
    pub destination: &'a str,
    counts: BTreeMap<&'static str, u64>,
}

impl Way<'_> {
    /// How many are in a state.
    #[must_use]
    pub fn of(&self, state: super::DeliveryState) -> u64 {
        self.counts.get(state.as_str()).copied().unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl Counts {
    /// Puts the deliveries in their order.
    pub(super) fn sort(&mut self) {
        self.deliveries.sort_by(|one, other| {
            let key = |count: &DeliveryCount| (count.route.clone(), count.destination.clone(), count.state.as_str());
            key(one).cmp(&key(other))
        });
    }

    /// The deliveries by route and destination.
    #[must_use]
    pub fn ways(&self) -> Vec<Way<'_>> {
        let mut ways: BTreeMap<(&str, &str), Way<'_>> = BTreeMap::new();
        for row in &self.deliveries {
            let way = Way { route: &row.route, destination: &row.destination, counts: BTreeMap::new() };
            let way = ways.entry((&row.route, &row.destination)).or_insert(way);
            way.counts.insert(row.state.as_str(), row.count);
        }
        ways.into_values().collect()
    }

    /// Where sums differ from those kept, one sentence each.
    #[must_use]
    pub fn differences(&self, kept: &Self) -> Vec<String> {
        let messages = |counts: &Self| {
            [
                ("accepted", counts.accepted),
                ("routed", counts.routed),
                ("parked", counts.parked),
                ("filtered", counts.filtered),
                ("skipped", counts.skipped),
                ("split", counts.split),
            ]
        };
        let mut differences = Vec::new();
        for ((state, found), (_, kept)) in messages(self).into_iter().zip(messages(kept)) {
            if found != kept {
                differences.push(format!("{kept} messages are counted as {state}, {found} are there"));
            }
        }
        let mut rows: BTreeMap<(&str, &str, &str), (u64, u64)> = BTreeMap::new();
        for row in &self.deliveries {
            rows.entry((&row.route, &row.destination, row.state.as_str())).or_default().0 = row.count;
        }
        for row in &kept.deliveries {
            rows.entry((&row.route, &row.destination, row.state.as_str())).or_default().1 = row.count;
        }
        for ((route, destination, state), (found, kept)) in rows {
            if found != kept {
                differences.push(format!(
                    "{kept} deliveries by route `{route}` to `{destination}` are counted as {state}, {found} are there"
                ));
            }
        }
        differences
    }
}

/// What a check of everything stored found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Messages and outputs whose digest was compared.
    pub digests: u64,
    /// What is wrong, one sentence each; empty when all is well.
    pub faults: Vec<String>,
}
