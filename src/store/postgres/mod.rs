//! The store in a PostgreSQL database, for one node or many.
//!
//! It stands apart so that nothing else depends on PostgreSQL's ways. Everything that decides who may do what is in the
//! database: claims, lanes, numbers of nodes. What a process keeps in memory may be wrong at any instant, and is never
//! believed without a row that says so. A change to the tables is a new script at the end of `schema.rs`.

mod act;
mod fault;
mod journal;
mod link;
mod node;
mod outbox;
mod read;
mod retain;
mod row;
mod schedule;
mod schema;
mod select;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use link::PostgresConfig;
pub use read::PostgresReader;

use self::{fault::opening, node::Node, writer::Writer};
use super::{
    ActView, Chosen, Counts, DeliveryState, KeptMapping, Leased, MappingVersion, MessageFilter, MessageView, Page,
    Pause, Reader, Run, Spot, StoreError, TypeCount, Verified, Work, XrefKey,
    command::{Backend, Command, Request},
    health::Health,
};
use crate::base::Timestamp;

/// Commands that may wait for a writer; beyond that callers wait to ask.
const QUEUE: usize = 2048;

/// A [`Store`](super::Store) in a schema of a PostgreSQL database.
pub struct PostgresStore {
    accepts: mpsc::Sender<Request>,
    works: mpsc::Sender<Request>,
    reader: PostgresReader,
    node: Arc<Node>,
    health: Arc<Health>,
    commits: Arc<AtomicU64>,
    compress_above: usize,
    hub_id: String,
    closing: CancellationToken,
    tasks: TaskTracker,
    writers: Mutex<Option<TaskTracker>>,
}

impl PostgresStore {
    /// Joins the store, making it or bringing it up to date if need be.
    ///
    /// `hub_id` names a new store; an existing one keeps its own, see [`Self::hub_id`]. Call it inside a Tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the server cannot be reached, does not flush what it commits, is a standby, or its
    /// tables are newer than this program.
    pub async fn open(config: &PostgresConfig, hub_id: &str) -> Result<Self, StoreError> {
        let options = link::options(config)?;
        let mut conn = link::connect(&options).await.map_err(|error| opening(&error))?;
        link::check(&mut conn).await?;
        let (found, hub_id) =
            schema::migrate(&mut conn, &config.schema, hub_id).await.map_err(|error| opening(&error))?;
        schema::refuse_newer(found)?;
        link::drop_hard(conn).await;
        let health = Arc::new(Health::new());
        let (node, pulse) = Node::join(&options, &config.node).await.map_err(|error| opening(&error))?;
        let reader = PostgresReader::new(&options, health.clone());
        let (closing, tasks, writers) = (CancellationToken::new(), TaskTracker::new(), TaskTracker::new());
        let commits = Arc::new(AtomicU64::new(0));
        let queue = || {
            let (sender, requests) = mpsc::channel(QUEUE);
            let writer = Writer {
                options: options.clone(),
                conn: None,
                requests,
                node: node.clone(),
                health: health.clone(),
                commits: commits.clone(),
                closing: None,
            };
            writers.spawn(writer.run());
            sender
        };
        let (accepts, works) = (queue(), queue());
        tasks.spawn(node.clone().live(pulse, closing.clone()));
        tasks.spawn(node.clone().announce(closing.clone()));
        tasks.spawn(node.clone().listen(reader.pool(), closing.clone()));
        let writers = Mutex::new(Some(writers));
        let compress_above = config.compress_above;
        Ok(Self { accepts, works, reader, node, health, commits, compress_above, hub_id, closing, tasks, writers })
    }

    /// The id this hub's store was given when it was made.
    #[must_use]
    pub fn hub_id(&self) -> &str {
        &self.hub_id
    }

    /// Transactions this node has committed since the store was opened. Far fewer than calls when it is busy.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Reader for PostgresStore {
    async fn xrefs(&self, keys: &[XrefKey]) -> Result<Vec<Option<String>>, StoreError> {
        self.reader.xrefs(keys).await
    }

    async fn xrefs_at(&self, keys: &[XrefKey], at: Timestamp) -> Result<Vec<Option<String>>, StoreError> {
        self.reader.xrefs_at(keys, at).await
    }

    async fn mapping(&self, hash: &str) -> Result<Option<MappingVersion>, StoreError> {
        self.reader.mapping(hash).await
    }

    async fn mapping_versions(&self, hash: &str) -> Result<Vec<KeptMapping>, StoreError> {
        self.reader.mapping_versions(hash).await
    }

    async fn message(&self, id: &str) -> Result<Option<MessageView>, StoreError> {
        self.reader.message(id).await
    }

    async fn messages(&self, filter: &MessageFilter, cursor: Option<i64>, limit: usize) -> Result<Page, StoreError> {
        self.reader.messages(filter, cursor, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.reader.counts().await
    }

    async fn types(&self, since: Timestamp) -> Result<Vec<TypeCount>, StoreError> {
        self.reader.types(since).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        self.reader.pauses().await
    }

    async fn select(
        &self,
        filter: &MessageFilter,
        states: &[DeliveryState],
        after: Option<Spot>,
        limit: usize,
    ) -> Result<Vec<Chosen>, StoreError> {
        self.reader.select(filter, states, after, limit).await
    }

    async fn acts(&self, before: Option<i64>, limit: usize) -> Result<Vec<ActView>, StoreError> {
        self.reader.acts(before, limit).await
    }

    async fn runs(&self, schedule: &str, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.reader.runs(schedule, limit).await
    }

    async fn mark(&self, source: &str) -> Result<Option<String>, StoreError> {
        self.reader.mark(source).await
    }

    async fn verify(&self, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<Verified, StoreError> {
        self.reader.verify(progress).await
    }

    async fn close(&self) {
        for queue in [&self.accepts, &self.works] {
            let (reply, _) = oneshot::channel();
            let _ = queue.send(Request { command: Command::Close, reply }).await;
        }
        if let Some(writers) = self.writers.lock().await.take() {
            writers.close();
            writers.wait().await;
        }
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.reader.close().await;
    }
}

#[async_trait]
impl Backend for PostgresStore {
    fn queue(&self, command: &Command) -> &mpsc::Sender<Request> {
        if matches!(command, Command::Accept { .. }) { &self.accepts } else { &self.works }
    }

    fn health(&self) -> &Health {
        &self.health
    }

    async fn works(&self, begun: &[(i64, bool)]) -> Result<Vec<Work>, StoreError> {
        let mut works = self.reader.works(begun).await?;
        // the table counts the times a node ended while it held a message; this time counts, too
        works.iter_mut().filter(|work| !work.exhausted).for_each(|work| work.message.parse_attempts += 1);
        Ok(works)
    }

    async fn leased(&self, seqs: &[i64]) -> Result<Vec<Leased>, StoreError> {
        let leased = self.reader.leased(seqs).await?;
        let mut held = self.node.held();
        Ok(leased
            .into_iter()
            .map(|(leased, one)| {
                held.insert(leased.id.clone(), one);
                leased
            })
            .collect())
    }

    fn take_back(&self, messages: &[i64], deliveries: &[i64]) {
        let mut returned = self.node.returned();
        returned.messages.extend(messages);
        returned.deliveries.extend(deliveries);
    }

    fn compress_above(&self) -> usize {
        self.compress_above
    }

    fn is_sure(&self) -> bool {
        self.node.is_sure()
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.reader.next_due(now).await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.node.changed()
    }
}
