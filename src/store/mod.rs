//! What must survive a crash: accepted messages, their deliveries and attempts, and the cross references learnt.
//!
//! It stands apart because the promise "accepted means not lost" is kept here and nowhere else: every method that
//! changes something returns only after the change is on stable storage, and everything above may forget what it knows
//! at any instant. It never parses a payload, never talks to a partner, never reads the clock (moments are parameters)
//! and never repairs a damaged database on its own. Libraries for databases are named here and in `transport` only.
//!
//! [`Store`] is the door, [`Reader`] the window beside it; [`SqliteStore`] (one process) and [`PostgresStore`] (many
//! nodes) stand behind it. To add a backend: a folder of its own with a `command::Backend`, and the behavioural suite of
//! `contract.rs` expanded for it.

mod act;
mod code;
mod codec;
mod command;
#[cfg(test)]
mod contract;
mod delivery;
mod error;
mod health;
mod mapping;
mod message;
mod pause;
mod postgres;
mod retention;
mod rows;
mod schedule;
mod selects;
mod shared;
mod space;
mod sqlite;
mod xref;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

pub use act::{Act, ActView, Chosen, ChosenDelivery, NewReplay, Spot};
pub use code::{CODES, NOT_FOUND, STORAGE_LOW};
pub use codec::COMPRESS_ABOVE;
pub use delivery::{
    AttemptOutcome, AttemptView, Decision, DeliveryState, DeliveryView, Hold, Leased, NewAttempt, NewDelivery, NewPart,
    Next, Output, Plan, Recorded, Release, Released, Start,
};
pub use error::StoreError;
pub use mapping::{KeptMapping, MappingFile, MappingVersion};
pub use message::{
    AcceptOutcome, Accepted, Counts, DeliveryCount, MessageFilter, MessageInfo, MessageState, MessageSummary,
    MessageView, NewMessage, Page, PartView, Reason, Standing, Transport, TypeCount, Verified, Way, Work,
};
pub use pause::{Pause, PauseKind};
pub use postgres::{PostgresConfig, PostgresReader, PostgresStore};
pub use retention::{Cut, Purged, Removed};
pub use schedule::{Mark, NewRun, Run};
pub use space::{Level, Room, Space, SpaceConfig};
pub use sqlite::{SqliteConfig, SqliteReader, SqliteStore};
pub use xref::{NewXref, WaitKey, XrefKey};

use crate::base::{Problem, Timestamp};

/// A message handed out this often without a decision is flagged [`Work::exhausted`]: it probably kills the process.
/// The first time it may have been a neighbour, and a machine killed again and again right after its start proves
/// nothing against the message at the head of the line, so that fewer would blame innocents.
pub const MAX_PARSE_ATTEMPTS: u32 = 6;

/// Message bytes handed out by one call of [`Store::begin_transform`] or [`Store::lease`]; one message may be larger.
/// Bounds memory when messages are large.
pub const MAX_HANDED_BYTES: usize = 32 << 20;

/// Parts a message may be split into: so many places follow each message in accept order, so that its parts come before
/// every message accepted after it.
pub const MAX_PARTS: usize = (1 << 16) - 1;

/// Bytes of a partner's response kept with an attempt; the rest is cut off.
pub const MAX_RESPONSE_BYTES: usize = 20 << 10;

/// What the store knows, without the right to change it: for the store itself, and for commands beside a running hub.
#[async_trait]
pub trait Reader: Send + Sync {
    /// The id that one entity has in the target system, if known.
    async fn xref(&self, key: &XrefKey) -> Result<Option<String>, StoreError> {
        Ok(self.xrefs(std::slice::from_ref(key)).await?.pop().flatten())
    }

    /// The same for many, in the order asked.
    async fn xrefs(&self, keys: &[XrefKey]) -> Result<Vec<Option<String>>, StoreError>;

    /// The same as known at a moment: those learnt later are `None`. One that has changed since is as old as its change.
    async fn xrefs_at(&self, keys: &[XrefKey], at: Timestamp) -> Result<Vec<Option<String>>, StoreError>;

    /// What an output's `mapping_hash` stands for; `None` when it was not kept.
    async fn mapping(&self, hash: &str) -> Result<Option<MappingVersion>, StoreError>;

    /// Every text of a mapping file that a delivery used, oldest first; with `hash` those whose digest begins so.
    async fn mapping_versions(&self, hash: &str) -> Result<Vec<KeptMapping>, StoreError>;

    /// One message with its bytes, deliveries and attempts; by message id or by the id of one of its deliveries.
    async fn message(&self, id: &str) -> Result<Option<MessageView>, StoreError>;

    /// Messages that match, newest first; `cursor` is the `next` of the page before.
    async fn messages(&self, filter: &MessageFilter, cursor: Option<i64>, limit: usize) -> Result<Page, StoreError>;

    /// Deliveries in one of these states that match, and parked messages when that is one of the states and the filter
    /// asks nothing of deliveries; in accept order, behind `after`. Needs no payload and no output, so that a page is
    /// small; [`MessageFilter::standing`] is not looked at.
    async fn select(
        &self,
        filter: &MessageFilter,
        states: &[DeliveryState],
        after: Option<Spot>,
        limit: usize,
    ) -> Result<Vec<Chosen>, StoreError>;

    /// What operators decided, newest first; `before` is the last `seq` of the page before.
    async fn acts(&self, before: Option<i64>, limit: usize) -> Result<Vec<ActView>, StoreError>;

    /// How many messages and deliveries are in which state. Cheap: its cost does not grow with their number.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Which document types each system has sent since a moment, by system and type; split messages are counted by their
    /// parts.
    async fn types(&self, since: Timestamp) -> Result<Vec<TypeCount>, StoreError>;

    /// The destinations that get nothing at the moment, by name.
    async fn pauses(&self) -> Result<Vec<Pause>, StoreError>;

    /// The runs of a schedule, the last one first.
    async fn runs(&self, schedule: &str, limit: usize) -> Result<Vec<Run>, StoreError>;

    /// How far a source has read, in its own words.
    async fn mark(&self, source: &str) -> Result<Option<String>, StoreError>;

    /// Checks everything stored: the database's own structure, every digest, the conservation law message by message, and
    /// whether [`Self::counts`] says what is there. Slow; `progress` is told the digests compared so far.
    async fn verify(&self, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<Verified, StoreError>;

    /// Finishes what was asked before, then closes. Later calls are answered with [`StoreError::Unavailable`].
    async fn close(&self);
}

/// The durable state of the hub.
///
/// Guarantees of every implementation:
/// - A method that changes something returns `Ok` only when the change is committed and flushed to stable storage.
/// - A call that fails with [`StoreError::NotFound`] or [`StoreError::Conflict`] changed nothing and does not disturb
///   calls made at the same time.
/// - After the first [`StoreError::Failed`] or [`StoreError::Corrupt`] from a call that matters to delivery, every call
///   fails and [`Store::failed`] carries the reason: the process must end.
/// - Bytes are checked against their SHA-256 whenever they are read.
#[async_trait]
pub trait Store: Reader {
    /// Takes responsibility for a message. Only after this returned may the sender be told so.
    ///
    /// With a `dedup_key` already known for the same system: the same bytes give [`AcceptOutcome::Duplicate`] and the
    /// *first* message's id; other bytes give [`AcceptOutcome::Conflict`] and nothing is stored.
    async fn accept(&self, new: NewMessage) -> Result<Accepted, StoreError>;

    /// Hands out the oldest accepted messages that this process has not handed out yet, in accept order.
    ///
    /// Counts one more parse attempt for each, durably, before returning. Each must be answered with [`Store::plan`];
    /// after a restart the unanswered ones are handed out again: in small groups first, each alone after one more, so that
    /// only a message that really ends the process is counted again and again.
    async fn begin_transform(&self, now: Timestamp, limit: usize) -> Result<Vec<Work>, StoreError>;

    /// Records what is to become of an accepted message, with all its deliveries, in one transaction.
    ///
    /// A delivery that would wait for a cross reference which has arrived meanwhile is due at once.
    /// The parts of a split message are accepted in the same transaction, with places in accept order between it and
    /// the message after it; a part whose key is known with the same bytes is not stored again. The answer says what
    /// became of each part, [`AcceptOutcome::Conflict`] meaning that it entered parked; it is empty for other decisions.
    /// Conflict: the message is not in state `accepted`, the decision names no delivery or part at all, or too many
    /// parts, or a part is to be split.
    async fn plan(&self, message: &str, plan: Plan, now: Timestamp) -> Result<Vec<Accepted>, StoreError>;

    /// Hands out due deliveries, at most one per lane, oldest first; for one destination or for all.
    ///
    /// A delivery of an ordered lane is handed out only when every earlier delivery of the lane is in a final state
    /// (or parked with `blocks_when_parked == false`), and when no earlier message of the same system still waits for
    /// its plan. A destination that is [`PauseKind::Gone`] gets nothing. Leases live in this process only: each ends with
    /// [`Store::record`] or [`Store::hold`], and after a restart all are gone.
    async fn lease(&self, destination: Option<&str>, now: Timestamp, limit: usize) -> Result<Vec<Leased>, StoreError>;

    /// Keeps the mapped bytes of a delivery; call it before the first send. Written once: the same bytes again are
    /// accepted, others are a conflict. From then on a crash counts as a send whose outcome is not known.
    async fn store_output(&self, delivery: &str, output: Output) -> Result<(), StoreError>;

    /// Notes that bytes kept before are about to be sent; call it before every send that [`Store::store_output`] did not
    /// just precede. Until [`Store::record`], a crash counts as a send whose outcome is not known.
    /// Conflict: the delivery is not leased.
    async fn begin_attempt(&self, delivery: &str) -> Result<(), StoreError>;

    /// Keeps the texts of the mappings that an output's `mapping_hash` stands for; call it before
    /// [`Store::store_output`]. What is kept already stays as it is.
    async fn keep_mapping(&self, version: &MappingVersion, now: Timestamp) -> Result<(), StoreError>;

    /// Ends a lease without an attempt: the delivery waits, is parked, or is due later.
    ///
    /// Waiting for a cross reference that has arrived meanwhile makes the delivery due at once.
    async fn hold(&self, delivery: &str, hold: Hold, now: Timestamp) -> Result<(), StoreError>;

    /// Ends a lease with an attempt and what follows from it, in one transaction.
    ///
    /// Storing a cross reference makes every delivery that waits for it due at once, in the same transaction. Earlier
    /// deliveries of its lane that are parked are marked as overtaken.
    async fn record(&self, delivery: &str, attempt: NewAttempt, next: Next) -> Result<Recorded, StoreError>;

    /// Lets waiting and parked things, and what the calendar holds, try again. Deliveries keep their output and become due,
    /// at `now` or when they were before, with a fresh retry budget; parked messages are
    /// transformed again. Things in any other state are left alone.
    ///
    /// The act is written down with what it changed, in the same transaction; one that changed nothing is not.
    async fn release(&self, what: Release, act: &Act, now: Timestamp) -> Result<Released, StoreError>;

    /// Gives up a delivery, or a parked message, by a person's decision.
    /// Conflict: already in a final state, or being sent at this moment.
    async fn skip(&self, id: &str, act: &Act, now: Timestamp) -> Result<(), StoreError>;

    /// Makes deliveries again, all in one transaction; how many were made.
    ///
    /// An original in a final state stays as it is. One that is held is given up by the act, and the new one, when it has
    /// the same lane, takes its place there. An original in any other state, one of an unknown id, one without output when the
    /// output is to be kept, and one whose message has lost its bytes to retention is left alone.
    async fn replay(&self, replays: &[NewReplay], act: &Act, now: Timestamp) -> Result<u64, StoreError>;

    /// Accepts a corrected copy of a message. With `skips` the old one, or what of its deliveries is not final, is given
    /// up in the same transaction.
    ///
    /// The copy takes the place behind the old message in accept order, before every message accepted later, so that it
    /// takes over its place in lanes; its key must be `None`.
    /// Conflict: the old message is not decided upon yet or is split, a delivery to be given up is being sent at this
    /// moment, or there is no place left behind it.
    async fn resend(
        &self,
        new: NewMessage,
        of: &str,
        skips: bool,
        act: &Act,
        now: Timestamp,
    ) -> Result<Accepted, StoreError>;

    /// Whether what was handed out to this process is surely still its own. False after a standstill so long that another
    /// node may have taken it over: then nothing is to be sent, and what is recorded finds no lease.
    fn is_sure(&self) -> bool;

    /// Takes away what is finished and old enough, at most `limit` of each kind, in one transaction.
    ///
    /// Only what is final goes. Bytes go with those of the outputs made of them; digests and history stay. A message goes
    /// wholly only when it has all its deliveries and parts, together with its parts, and when its key is not in force any
    /// more; [`Counts::removed`] counts it. Cross references and texts of mappings stay.
    async fn purge(&self, cut: &Cut, limit: usize, now: Timestamp) -> Result<Purged, StoreError>;

    /// The earliest moment after `now` at which a delivery becomes due; for timers. Deliveries due already are not
    /// considered: lease them.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Makes deliveries due by `latest` that would be later, and those never tried by then due at `now`: their moments
    /// were reckoned by a clock that was wrong. What is held for a reason keeps its moment. How many there were.
    async fn bring_forward(&self, destination: &str, now: Timestamp, latest: Timestamp) -> Result<u64, StoreError>;

    /// Notes that a destination gets nothing at the moment.
    async fn pause(&self, pause: &Pause) -> Result<(), StoreError>;

    /// Ends the pauses of a kind, of one destination or of all; how many there were.
    async fn resume(&self, destination: Option<&str>, kind: PauseKind) -> Result<u64, StoreError>;

    /// Begins a run of a schedule, or takes over one that has not ended and gives no sign of life; `false`, and nothing is
    /// stored, when this moment's run has ended, a later moment was run, or another run stands.
    async fn begin_run(&self, run: &NewRun) -> Result<bool, StoreError>;

    /// A sign of life of a run; `false` when it is not this node's or has ended.
    async fn extend_run(&self, run: &NewRun, until: Timestamp) -> Result<bool, StoreError>;

    /// Ends a run, with what went wrong; `false` as for [`Store::extend_run`].
    async fn end_run(&self, run: &NewRun, failure: Option<&str>, now: Timestamp) -> Result<bool, StoreError>;

    /// Notes how far a source has read.
    async fn set_mark(&self, mark: &Mark, now: Timestamp) -> Result<(), StoreError>;

    /// A number that grows after every commit that may have created work, so that workers need not poll.
    fn changed(&self) -> watch::Receiver<u64>;

    /// The disk it writes to, when that is this machine's and the settings told to watch it; the caller lets it look.
    fn space(&self) -> Option<Arc<Space>>;

    /// `Some` from the moment the store has failed for good; the process must then end with exit code 70.
    fn failed(&self) -> watch::Receiver<Option<Arc<Problem>>>;
}
