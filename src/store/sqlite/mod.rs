//! The store in one SQLite database: one writer with group commit, a few readers.
//!
//! It stands apart so that nothing else depends on SQLite's ways. A second writing connection must never be opened, the
//! settings read back in [`open_writer`] must never be weakened, and an error of the disk must never be answered by
//! going on. A change to the tables is a new script at the end of `schema.rs`.

mod fault;
mod guard;
mod journal;
mod outbox;
mod read;
mod row;
mod schema;
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
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinHandle,
};

pub use read::SqliteReader;

use self::{
    guard::cannot_open,
    writer::{Command, Register, Reply, Request, Writer},
};
use super::{
    Accepted, Counts, Hold, KeptMapping, Leased, MappingVersion, MessageFilter, MessageView, NewAttempt, NewMessage,
    Next, Output, Page, Plan, Reader, Recorded, Release, Released, Store, StoreError, TypeCount, Verified, Work,
    XrefKey, code,
    health::{Health, failed},
};
use crate::base::{Problem, Sha256, Timestamp};

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
    writer: Mutex<Option<JoinHandle<()>>>,
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
        fs::create_dir_all(dir).map_err(|error| cannot_open(dir, &error.to_string()))?;
        guard::check_file_system(dir)?;
        let lock = guard::lock(dir)?;
        let health = Arc::new(Health::new());
        let (conn, hub_id) = open_writer(&dir.join(DATABASE), hub_id).await?;
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
        };
        #[expect(clippy::disallowed_methods, reason = "`close` waits for it")]
        let writer = Mutex::new(Some(tokio::spawn(writer.run())));
        Ok(Self { requests: sender, reader, register, health, changed, commits, hub_id, writer })
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

    async fn ask(&self, command: Command) -> Result<Reply, StoreError> {
        self.health.check()?;
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { command, reply }).await.map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// The writer does not answer: it was closed, or it has ended by a fault.
    fn gone(&self) -> StoreError {
        match self.health.check() {
            Ok(()) => StoreError::unavailable("the store is closing", "start the daemon again"),
            Err(error) => error,
        }
    }

    async fn done(&self, command: Command) -> Result<(), StoreError> {
        self.ask(command).await.map(|_| ())
    }
}

/// An answer of the wrong kind, which the writer never gives.
fn unexpected() -> StoreError {
    failed("the writer gave an answer of the wrong kind")
}

/// What was handed out to a caller who has not got it yet; taken back unless it arrives.
struct OnTheWay<'a> {
    register: &'a Register,
    messages: Vec<i64>,
    deliveries: Vec<i64>,
}

impl OnTheWay<'_> {
    fn arrived(mut self) {
        self.messages.clear();
        self.deliveries.clear();
    }
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        if self.messages.is_empty() && self.deliveries.is_empty() {
            return;
        }
        let mut handed = self.register.lock();
        self.messages.iter().for_each(|seq| {
            handed.messages.remove(seq);
        });
        self.deliveries.iter().for_each(|seq| {
            handed.deliveries.remove(seq);
        });
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

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.reader.counts().await
    }

    async fn types(&self, since: Timestamp) -> Result<Vec<TypeCount>, StoreError> {
        self.reader.types(since).await
    }

    async fn verify(&self) -> Result<Verified, StoreError> {
        self.health.check()?;
        self.reader.verify().await
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
impl Store for SqliteStore {
    async fn accept(&self, new: NewMessage) -> Result<Accepted, StoreError> {
        let sha256 = Sha256::of(&new.bytes);
        match self.ask(Command::Accept { new, sha256 }).await? {
            Reply::Accepted(accepted) => Ok(accepted),
            _ => Err(unexpected()),
        }
    }

    async fn begin_transform(&self, _now: Timestamp, limit: usize) -> Result<Vec<Work>, StoreError> {
        let Reply::Begun(begun) = self.ask(Command::BeginTransform { limit }).await? else { return Err(unexpected()) };
        let messages = begun.iter().map(|(seq, _)| *seq).collect();
        let on_the_way = OnTheWay { register: &self.register, messages, deliveries: Vec::new() };
        let works = if begun.is_empty() { Vec::new() } else { self.reader.works(&begun).await? };
        on_the_way.arrived();
        Ok(works)
    }

    async fn plan(&self, message: &str, plan: Plan, now: Timestamp) -> Result<Vec<Accepted>, StoreError> {
        match self.ask(Command::Plan { message: message.to_owned(), plan, now }).await? {
            Reply::Planned(parts) => Ok(parts),
            _ => Err(unexpected()),
        }
    }

    async fn lease(&self, destination: Option<&str>, now: Timestamp, limit: usize) -> Result<Vec<Leased>, StoreError> {
        let command = Command::Lease { destination: destination.map(str::to_owned), now, limit };
        let Reply::Leased(seqs) = self.ask(command).await? else { return Err(unexpected()) };
        let on_the_way = OnTheWay { register: &self.register, messages: Vec::new(), deliveries: seqs.clone() };
        let leased = if seqs.is_empty() { Vec::new() } else { self.reader.leased(&seqs).await? };
        on_the_way.arrived();
        Ok(leased)
    }

    async fn store_output(&self, delivery: &str, output: Output) -> Result<(), StoreError> {
        let sha256 = Sha256::of(&output.bytes);
        self.done(Command::StoreOutput { delivery: delivery.to_owned(), output, sha256 }).await
    }

    async fn keep_mapping(&self, version: &MappingVersion, now: Timestamp) -> Result<(), StoreError> {
        self.done(Command::KeepMapping { version: version.clone(), now }).await
    }

    async fn hold(&self, delivery: &str, hold: Hold, now: Timestamp) -> Result<(), StoreError> {
        self.done(Command::Hold { delivery: delivery.to_owned(), hold, now }).await
    }

    async fn record(&self, delivery: &str, attempt: NewAttempt, next: Next) -> Result<Recorded, StoreError> {
        match self.ask(Command::Record { delivery: delivery.to_owned(), attempt, next }).await? {
            Reply::Recorded(recorded) => Ok(recorded),
            _ => Err(unexpected()),
        }
    }

    async fn release(&self, what: Release, now: Timestamp) -> Result<Released, StoreError> {
        match self.ask(Command::Release { what, now }).await? {
            Reply::Released(released) => Ok(released),
            _ => Err(unexpected()),
        }
    }

    async fn skip(&self, id: &str, by: &str, why: &str, now: Timestamp) -> Result<(), StoreError> {
        self.done(Command::Skip { id: id.to_owned(), by: by.to_owned(), why: why.to_owned(), now }).await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.health.check()?;
        self.reader.next_due(now).await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    fn failed(&self) -> watch::Receiver<Option<Arc<Problem>>> {
        self.health.watch()
    }
}

/// Opens the one connection that writes, and checks that it keeps what the store promises.
async fn open_writer(path: &Path, hub_id: &str) -> Result<(SqliteConnection, String), StoreError> {
    let refused = |error: sqlx::Error| fault::opening(path, &error);
    let mut conn = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
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
