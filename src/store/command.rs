//! What the writers of a store are asked to do, and what they answer.
//!
//! A [`Backend`] gives its queues, and is a [`Store`] by that: callers wait for the answer, which a writer gives after
//! its transaction is on stable storage.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Accepted, Act, Cut, Decision, Hold, Leased, MappingVersion, Mark, NewAttempt, NewMessage, NewPart, NewReplay,
    NewRun, Next, Output, Pause, PauseKind, Plan, Purged, Reader, Recorded, Release, Released, Space, Store,
    StoreError, Work,
    codec::Packed,
    health::{Health, failed},
};
use crate::base::{Problem, Timestamp};

/// Something to be written.
pub enum Command {
    Accept {
        new: NewMessage,
        packed: Packed,
    },
    BeginTransform {
        limit: usize,
    },
    /// `parts` are the packed bytes of the plan's parts.
    Plan {
        message: String,
        plan: Plan,
        parts: Vec<Packed>,
        now: Timestamp,
    },
    Lease {
        destination: Option<String>,
        now: Timestamp,
        limit: usize,
    },
    StoreOutput {
        delivery: String,
        output: Output,
        packed: Packed,
    },
    KeepMapping {
        version: MappingVersion,
        now: Timestamp,
    },
    Hold {
        delivery: String,
        hold: Hold,
        now: Timestamp,
    },
    Record {
        delivery: String,
        attempt: NewAttempt,
        next: Next,
    },
    Release {
        what: Release,
        act: Act,
        now: Timestamp,
    },
    Skip {
        id: String,
        act: Act,
        now: Timestamp,
    },
    Replay {
        replays: Vec<NewReplay>,
        act: Act,
        now: Timestamp,
    },
    Resend {
        new: NewMessage,
        packed: Packed,
        of: String,
        skips: bool,
        act: Act,
        now: Timestamp,
    },
    BeginAttempt {
        delivery: String,
    },
    BringForward {
        destination: String,
        now: Timestamp,
        latest: Timestamp,
    },
    Pause {
        pause: Pause,
    },
    Resume {
        destination: Option<String>,
        kind: PauseKind,
    },
    BeginRun {
        run: NewRun,
    },
    ExtendRun {
        run: NewRun,
        until: Timestamp,
    },
    EndRun {
        run: NewRun,
        failure: Option<String>,
        now: Timestamp,
    },
    SetMark {
        mark: Mark,
        now: Timestamp,
    },
    Purge {
        cut: Cut,
        limit: usize,
        now: Timestamp,
    },
    Close,
}

impl Command {
    /// Payload bytes it carries.
    pub fn size(&self) -> usize {
        match self {
            Self::Accept { packed, .. } | Self::StoreOutput { packed, .. } | Self::Resend { packed, .. } => {
                packed.bytes.len()
            }
            Self::Plan { parts, .. } => parts.iter().map(|part| part.bytes.len()).sum(),
            _ => 0,
        }
    }
}

/// What a command gives back.
pub enum Reply {
    Accepted(Accepted),
    /// What became of the parts of a split message; none for other plans.
    Planned(Vec<Accepted>),
    /// Messages by seq, each with whether it is exhausted.
    Begun(Vec<(i64, bool)>),
    /// Deliveries by seq.
    Leased(Vec<i64>),
    Recorded(Recorded),
    Released(Released),
    /// How many rows changed.
    Changed(u64),
    /// How many deliveries were made again.
    Replayed(u64),
    Purged(Purged),
    Done,
}

/// A command and who waits for its end.
pub struct Request {
    pub command: Command,
    pub reply: oneshot::Sender<Result<Reply, StoreError>>,
}

/// Why a command stopped: refused with nothing written, or an error of the database that undoes the transaction.
pub enum Halt {
    Refused(StoreError),
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Writers behind queues, and readers beside them.
#[async_trait]
pub trait Backend: Reader {
    /// The queue of the writer that executes a command.
    fn queue(&self, command: &Command) -> &mpsc::Sender<Request>;

    /// Whether the store can still be trusted.
    fn health(&self) -> &Health;

    /// Payloads and outputs of this size or more are packed compressed, by the caller, so that writers need not.
    fn compress_above(&self) -> usize;

    /// Messages handed out, by seq, each with whether it is exhausted; with their bytes, in accept order.
    async fn works(&self, begun: &[(i64, bool)]) -> Result<Vec<Work>, StoreError>;

    /// Deliveries handed out, by seq; with message and output, in the order given.
    async fn leased(&self, seqs: &[i64]) -> Result<Vec<Leased>, StoreError>;

    /// Takes back what was handed out to a caller who never got it.
    fn take_back(&self, messages: &[i64], deliveries: &[i64]);

    /// See [`Store::is_sure`].
    fn is_sure(&self) -> bool {
        true
    }

    /// See [`Store::next_due`].
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// See [`Store::space`].
    fn space(&self) -> Option<Arc<Space>> {
        None
    }

    /// See [`Store::changed`].
    fn changed(&self) -> watch::Receiver<u64>;
}

/// Asks a backend's writer and waits until it is done.
async fn ask(backend: &impl Backend, command: Command) -> Result<Reply, StoreError> {
    backend.health().check()?;
    let (reply, answer) = oneshot::channel();
    let queue = backend.queue(&command);
    queue.send(Request { command, reply }).await.map_err(|_| gone(backend))?;
    answer.await.map_err(|_| gone(backend))?
}

/// Asks, and returns how many rows changed.
async fn changed(backend: &impl Backend, command: Command) -> Result<u64, StoreError> {
    match ask(backend, command).await? {
        Reply::Changed(count) => Ok(count),
        _ => Err(unexpected()),
    }
}

/// The writer does not answer: it was closed, or it has ended by a fault.
fn gone(backend: &impl Backend) -> StoreError {
    match backend.health().check() {
        Ok(()) => StoreError::unavailable("the store is closing", "start the daemon again"),
        Err(error) => error,
    }
}

/// An answer of the wrong kind, which a writer never gives.
fn unexpected() -> StoreError {
    failed("the writer gave an answer of the wrong kind")
}

/// What was handed out to a caller who has not got it yet; taken back unless it arrives.
struct OnTheWay<'a, B: Backend> {
    backend: &'a B,
    messages: Vec<i64>,
    deliveries: Vec<i64>,
}

impl<B: Backend> OnTheWay<'_, B> {
    fn arrived(mut self) {
        self.messages.clear();
        self.deliveries.clear();
    }
}

impl<B: Backend> Drop for OnTheWay<'_, B> {
    fn drop(&mut self) {
        if !self.messages.is_empty() || !self.deliveries.is_empty() {
            self.backend.take_back(&self.messages, &self.deliveries);
        }
    }
}

#[async_trait]
impl<B: Backend> Store for B {
    async fn accept(&self, new: NewMessage) -> Result<Accepted, StoreError> {
        let packed = Packed::of(&new.bytes, self.compress_above());
        match ask(self, Command::Accept { new, packed }).await? {
            Reply::Accepted(accepted) => Ok(accepted),
            _ => Err(unexpected()),
        }
    }

    async fn begin_transform(&self, _now: Timestamp, limit: usize) -> Result<Vec<Work>, StoreError> {
        let Reply::Begun(begun) = ask(self, Command::BeginTransform { limit }).await? else { return Err(unexpected()) };
        let messages = begun.iter().map(|(seq, _)| *seq).collect();
        let on_the_way = OnTheWay { backend: self, messages, deliveries: Vec::new() };
        let works = if begun.is_empty() { Vec::new() } else { self.works(&begun).await? };
        on_the_way.arrived();
        Ok(works)
    }

    async fn plan(&self, message: &str, plan: Plan, now: Timestamp) -> Result<Vec<Accepted>, StoreError> {
        let packed = |part: &NewPart| Packed::of(&part.message.bytes, self.compress_above());
        let parts = match &plan.decision {
            Decision::Split(parts) => parts.iter().map(packed).collect(),
            _ => Vec::new(),
        };
        match ask(self, Command::Plan { message: message.to_owned(), plan, parts, now }).await? {
            Reply::Planned(parts) => Ok(parts),
            _ => Err(unexpected()),
        }
    }

    async fn lease(&self, destination: Option<&str>, now: Timestamp, limit: usize) -> Result<Vec<Leased>, StoreError> {
        let command = Command::Lease { destination: destination.map(str::to_owned), now, limit };
        let Reply::Leased(seqs) = ask(self, command).await? else { return Err(unexpected()) };
        let on_the_way = OnTheWay { backend: self, messages: Vec::new(), deliveries: seqs.clone() };
        let leased = if seqs.is_empty() { Vec::new() } else { self.leased(&seqs).await? };
        on_the_way.arrived();
        Ok(leased)
    }

    async fn store_output(&self, delivery: &str, output: Output) -> Result<(), StoreError> {
        let packed = Packed::of(&output.bytes, self.compress_above());
        ask(self, Command::StoreOutput { delivery: delivery.to_owned(), output, packed }).await.map(drop)
    }

    async fn begin_attempt(&self, delivery: &str) -> Result<(), StoreError> {
        ask(self, Command::BeginAttempt { delivery: delivery.to_owned() }).await.map(drop)
    }

    async fn keep_mapping(&self, version: &MappingVersion, now: Timestamp) -> Result<(), StoreError> {
        ask(self, Command::KeepMapping { version: version.clone(), now }).await.map(drop)
    }

    async fn hold(&self, delivery: &str, hold: Hold, now: Timestamp) -> Result<(), StoreError> {
        ask(self, Command::Hold { delivery: delivery.to_owned(), hold, now }).await.map(drop)
    }

    async fn record(&self, delivery: &str, attempt: NewAttempt, next: Next) -> Result<Recorded, StoreError> {
        match ask(self, Command::Record { delivery: delivery.to_owned(), attempt, next }).await? {
            Reply::Recorded(recorded) => Ok(recorded),
            _ => Err(unexpected()),
        }
    }

    async fn release(&self, what: Release, act: &Act, now: Timestamp) -> Result<Released, StoreError> {
        match ask(self, Command::Release { what, act: act.clone(), now }).await? {
            Reply::Released(released) => Ok(released),
            _ => Err(unexpected()),
        }
    }

    async fn skip(&self, id: &str, act: &Act, now: Timestamp) -> Result<(), StoreError> {
        ask(self, Command::Skip { id: id.to_owned(), act: act.clone(), now }).await.map(drop)
    }

    async fn replay(&self, replays: &[NewReplay], act: &Act, now: Timestamp) -> Result<u64, StoreError> {
        match ask(self, Command::Replay { replays: replays.to_vec(), act: act.clone(), now }).await? {
            Reply::Replayed(made) => Ok(made),
            _ => Err(unexpected()),
        }
    }

    async fn resend(
        &self,
        new: NewMessage,
        of: &str,
        skips: bool,
        act: &Act,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        let packed = Packed::of(&new.bytes, self.compress_above());
        match ask(self, Command::Resend { new, packed, of: of.to_owned(), skips, act: act.clone(), now }).await? {
            Reply::Accepted(accepted) => Ok(accepted),
            _ => Err(unexpected()),
        }
    }

    async fn bring_forward(&self, destination: &str, now: Timestamp, latest: Timestamp) -> Result<u64, StoreError> {
        changed(self, Command::BringForward { destination: destination.to_owned(), now, latest }).await
    }

    async fn pause(&self, pause: &Pause) -> Result<(), StoreError> {
        ask(self, Command::Pause { pause: pause.clone() }).await.map(drop)
    }

    async fn resume(&self, destination: Option<&str>, kind: PauseKind) -> Result<u64, StoreError> {
        changed(self, Command::Resume { destination: destination.map(str::to_owned), kind }).await
    }

    fn is_sure(&self) -> bool {
        Backend::is_sure(self)
    }

    async fn begin_run(&self, run: &NewRun) -> Result<bool, StoreError> {
        Ok(changed(self, Command::BeginRun { run: run.clone() }).await? > 0)
    }

    async fn extend_run(&self, run: &NewRun, until: Timestamp) -> Result<bool, StoreError> {
        Ok(changed(self, Command::ExtendRun { run: run.clone(), until }).await? > 0)
    }

    async fn end_run(&self, run: &NewRun, failure: Option<&str>, now: Timestamp) -> Result<bool, StoreError> {
        let failure = failure.map(ToOwned::to_owned);
        Ok(changed(self, Command::EndRun { run: run.clone(), failure, now }).await? > 0)
    }

    async fn set_mark(&self, mark: &Mark, now: Timestamp) -> Result<(), StoreError> {
        changed(self, Command::SetMark { mark: mark.clone(), now }).await.map(drop)
    }

    async fn purge(&self, cut: &Cut, limit: usize, now: Timestamp) -> Result<Purged, StoreError> {
        match ask(self, Command::Purge { cut: cut.clone(), limit, now }).await? {
            Reply::Purged(purged) => Ok(purged),
            _ => Err(unexpected()),
        }
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.health().check()?;
        Backend::next_due(self, now).await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        Backend::changed(self)
    }

    fn space(&self) -> Option<Arc<Space>> {
        Backend::space(self)
    }

    fn failed(&self) -> watch::Receiver<Option<Arc<Problem>>> {
        self.health().watch()
    }
}
