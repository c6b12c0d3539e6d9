//! The store in one SQLite database: one writer with group commit, a few readers.
//!
//! It stands apart so that nothing else depends on SQLite's ways. A second writing connection must never be opened, the
//! settings read back in [`open_writer`] must never be weakened, and an error of the disk must never be answered by
//! going on. A change to the tables is a new script at the end of `schema.rs`.

mod act;
mod fault;
mod guard;
mod journal;
mod outbox;
mod read;
mod retain;
mod row;
mod schedule;
mod schema;
mod select;
mod tally;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions as _, Row as _, SqliteConnection,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinHandle,
};

pub use read::SqliteReader;

use self::writer::{Register, Writer};
use super::{
    ActView, COMPRESS_ABOVE, Chosen, Counts, DeliveryState, KeptMapping, Leased, MappingVersion, MessageFilter,
    MessageView, Page, Pause, Reader, Run, Space, SpaceConfig, Spot, StoreError, TypeCount, Verified, Work, XrefKey,
    code,
    command::{Backend, Command, Request},
    health::Health,
};
use crate::base::Timestamp;

/// The database's file name in the data directory.
const DATABASE: &str = "crossdock.db";

/// The oldest SQLite without the fault that damages databases when the write-ahead log restarts.
const MIN_SQLITE: [u32; 3] = [3, 51, 3];

/// Commands that may wait for the writer; beyond that callers wait to ask.
const QUEUE: usize = 512;

/// A [`Store`] in a data directory of its own.
pub struct SqliteStore {
    requests: mpsc::Sender<Request>,
    reader: SqliteReader,
    register: Register,
    health: Arc<Health>,
    changed: watch::Receiver<u64>,
    commits: Arc<AtomicU64>,
    hub_id: String,
    compress_above: usize,
    space: Option<Arc<Space>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How a store keeps things.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// Payloads and outputs of this size or more are kept compressed, when that makes them smaller.
    pub compress_above: usize,
    /// Watermarks and ballast; without them a full disk is only an answer to the call that met it.
    pub space: Option<SpaceConfig>,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { compress_above: COMPRESS_ABOVE, space: None }
    }
}

impl SqliteStore {
    /// Opens the store in a directory, creating both if need be, and brings an older database up to date.
    ///
    /// `hub_id` names a new database; an existing one keeps its own, see [`Self::hub_id`]. Call it inside a Tokio
    /// runtime; the writer is a task of it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another process uses the directory, the file system is not suitable, SQLite is too
    /// old or its settings do not hold, or the database is newer than the program.
    pub async fn open(dir: &Path, hub_id: &str) -> Result<Self, StoreError> {
        Self::open_with(dir, hub_id, &SqliteConfig::default()).await
    }

    /// The same, with settings.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_with(dir: &Path, hub_id: &str, config: &SqliteConfig) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|error| guard::not_made(dir, &error))?;
        guard::check_file_system(dir)?;
        let lock = guard::lock(dir)?;
        // from here on the directory is ours: a ballast that is in the way may be given up
        let space = config.space.clone().map(|space| Arc::new(Space::new(dir, space)));
        let health = Arc::new(Health::new());
        let path = dir.join(DATABASE);
        let (conn, hub_id) = match open_writer(&path, hub_id).await {
            Err(error) if is_no_room(&error) && space.as_ref().is_some_and(|space| space.ran_out()) => {
                open_writer(&path, hub_id).await?
            }
            opened => opened?,
        };
        guard::flush_folders(dir)?;
        let reader = SqliteReader::new(dir, health.clone()).await?;
        let (sender, requests) = mpsc::channel(QUEUE);
        let (announce, changed) = watch::channel(0);
        let register = Register::default();
        let commits = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            conn,
            requests,
            register: register.clone(),
            health: health.clone(),
            changed: announce,
            commits: commits.clone(),
            lock,
            space: space.clone(),
        };
        #[expect(clippy::disallowed_methods, reason = "`close` waits for it")]
        let writer = Mutex::new(Some(tokio::spawn(writer.run())));
        let compress_above = config.compress_above;
        Ok(Self { requests: sender, reader, register, health, changed, commits, hub_id, compress_above, space, writer })
    }

    /// The id this hub's database was given when it was made.
    #[must_use]
    pub fn hub_id(&self) -> &str {
        &self.hub_id
    }

    /// Transactions committed since the store was opened. Far fewer than calls when the store is busy.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Reader for SqliteStore {
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

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.reader.counts().await
    }

    async fn types(&self, since: Timestamp) -> Result<Vec<TypeCount>, StoreError> {
        self.reader.types(since).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        self.reader.pauses().await
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
        // readers first: the last connection to close folds the write-ahead log into the database
        self.reader.close().await;
        let (reply, _) = oneshot::channel();
        let _ = self.requests.send(Request { command: Command::Close, reply }).await;
        if let Some(writer) = self.writer.lock().await.take() {
            let _ = writer.await;
        }
    }
}

#[async_trait]
impl Backend for SqliteStore {
    fn queue(&self, _command: &Command) -> &mpsc::Sender<Request> {
        &self.requests
    }

    fn health(&self) -> &Health {
        &self.health
    }

    fn compress_above(&self) -> usize {
        self.compress_above
    }

    fn space(&self) -> Option<Arc<Space>> {
        self.space.clone()
    }

    async fn works(&self, begun: &[(i64, bool)]) -> Result<Vec<Work>, StoreError> {
        self.reader.works(begun).await
    }

    async fn leased(&self, seqs: &[i64]) -> Result<Vec<Leased>, StoreError> {
        self.reader.leased(seqs).await
    }

    fn take_back(&self, messages: &[i64], deliveries: &[i64]) {
        let mut handed = self.register.lock();
        messages.iter().for_each(|seq| {
            handed.messages.remove(seq);
        });
        deliveries.iter().for_each(|seq| {
            handed.deliveries.remove(seq);
        });
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.reader.next_due(now).await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }
}

fn is_no_room(error: &StoreError) -> bool {
    error.problem().code.id == code::STORAGE_LOW.id
}

/// Opens the one connection that writes, and checks that it keeps what the store promises.
async fn open_writer(path: &Path, hub_id: &str) -> Result<(SqliteConnection, String), StoreError> {
    let refused = |error: sqlx::Error| fault::opening(path, &error);
    let mut conn = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("mmap_size", "0")
        .pragma("cache_size", "-32768")
        .pragma("wal_autocheckpoint", "4000")
        .connect()
        .await
        .map_err(refused)?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut conn).await.map_err(refused)?;
    let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    if parts.as_slice() < MIN_SQLITE.as_slice() {
        let text = format!("SQLite {version} can damage a database; at least {} is needed", "3.51.3");
        return Err(StoreError::refused(code::DATABASE_UNSAFE, text, "use a build with a newer SQLite"));
    }
    for (setting, wanted) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("mmap_size", "0")]
    {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA {setting}"));
        let row = sqlx::query(sql).fetch_optional(&mut conn).await.map_err(refused)?;
        // unchecked: some settings are read back as text, some as numbers, and one not at all when it is off for good
        let found: Option<String> = row.map(|row| row.try_get_unchecked(0)).transpose().map_err(refused)?;
        if found.as_deref().unwrap_or("0") != wanted {
            let text = format!("SQLite did not take the setting {setting} = {wanted}");
            return Err(StoreError::refused(code::DATABASE_UNSAFE, text, "use the SQLite built into this program"));
        }
    }
    let found = schema::version(&mut conn).await.map_err(refused)?;
    schema::refuse_newer(found)?;
    let hub_id = schema::migrate(&mut conn, found, hub_id).await.map_err(refused)?;
    Ok((conn, hub_id))
}
