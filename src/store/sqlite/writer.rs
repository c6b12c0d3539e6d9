//! The one writer: everything that waits is executed in one transaction, flushed once, then answered.

use std::{
    collections::HashSet,
    fs::File,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, watch};

use super::fault::{Reach, is_full, reach};
use crate::store::{
    Space, StoreError,
    command::{Command, Halt, Reply, Request},
    health::{Health, failed},
};

/// Commands executed in one transaction.
const MAX_BATCH: usize = 256;

/// Payload bytes after which a transaction takes no further command.
const MAX_BATCH_BYTES: usize = 32 << 20;

/// What this process has handed out and not got back. Ends with the process.
#[derive(Clone, Default)]
pub struct Handed {
    pub messages: HashSet<i64>,
    pub deliveries: HashSet<i64>,
}

impl Handed {
    fn remove(&mut self, other: &Self) {
        self.messages.retain(|seq| !other.messages.contains(seq));
        self.deliveries.retain(|seq| !other.deliveries.contains(seq));
    }
}

/// The shared register of what is handed out.
#[derive(Clone, Default)]
pub struct Register(Arc<Mutex<Handed>>);

impl Register {
    /// A look at it, or a change to it.
    pub fn lock(&self) -> MutexGuard<'_, Handed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction under way.
pub struct Batch<'a> {
    pub conn: &'a mut SqliteConnection,
    pub register: &'a Register,
    /// Handed out by this transaction: taken back should it fail.
    pub taken: Handed,
    /// Given back by this transaction: free once it is committed.
    pub ended: Handed,
    /// Whether there may be new work.
    pub woke: bool,
}

impl Batch<'_> {
    async fn execute(&mut self, command: &Command) -> Result<Reply, Halt> {
        match command {
            Command::Accept { new, packed } => {
                let mut accepted = self.accept(&[(new, packed)]).await?;
                accepted.pop().unwrap_or_else(|| Err(StoreError::not_found(&new.id))).map_err(Halt::Refused)
            }
            Command::BeginTransform { limit } => self.begin_transform(*limit).await.map(Reply::Begun),
            Command::Plan { message, plan, parts, now } => self.plan(message, plan, parts, *now).await,
            Command::Lease { destination, now, limit } => {
                self.lease(destination.as_deref(), *now, *limit).await.map(Reply::Leased)
            }
            Command::BeginAttempt { delivery } => self.begin_attempt(delivery).await,
            Command::BringForward { destination, now, latest } => {
                self.bring_forward(destination, *now, *latest).await.map(Reply::Changed)
            }
            Command::Purge { cut, limit, now } => self.purge(cut, *limit, *now).await,
            Command::Pause { pause } => self.pause(pause).await,
            Command::Resume { destination, kind } => {
                self.resume(destination.as_deref(), *kind).await.map(Reply::Changed)
            }
            Command::StoreOutput { delivery, output, packed } => self.store_output(delivery, output, packed).await,
            Command::KeepMapping { version, now } => self.keep_mapping(version, *now).await,
            Command::Hold { delivery, hold, now } => self.hold(delivery, hold, *now).await,
            Command::Record { delivery, attempt, next } => {
                self.record(delivery, attempt, next).await.map(Reply::Recorded)
            }
            Command::Release { what, act, now } => self.release(what, act, *now).await.map(Reply::Released),
            Command::Skip { id, act, now } => self.skip(id, act, *now).await,
            Command::Replay { replays, act, now } => self.replay(replays, act, *now).await.map(Reply::Replayed),
            Command::Resend { new, packed, of, skips, act, now } => {
                self.resend((new, packed), of, *skips, act, *now).await.map(Reply::Accepted)
            }
            Command::BeginRun { run } => self.begin_run(run).await,
            Command::ExtendRun { run, until } => self.extend_run(run, *until).await,
            Command::EndRun { run, failure, now } => self.end_run(run, failure.as_deref(), *now).await,
            Command::SetMark { mark, now } => self.set_mark(mark, *now).await,
            Command::Close => Ok(Reply::Done),
        }
    }

    /// Executes all; accepts come first, in few statements, in the order they were asked.
    async fn execute_all(&mut self, requests: &[Request]) -> Result<Vec<Result<Reply, StoreError>>, sqlx::Error> {
        let mut replies: Vec<Option<Result<Reply, StoreError>>> = requests.iter().map(|_| None).collect();
        let mut accepts = Vec::new();
        let mut places = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            if let Command::Accept { new, packed } = &request.command {
                accepts.push((new, packed));
                places.push(at);
            }
        }
        if !accepts.is_empty() {
            for (at, reply) in places.into_iter().zip(self.accept(&accepts).await?) {
                replies[at] = Some(reply);
            }
        }
        let mut answered = Vec::with_capacity(requests.len());
        for (request, reply) in requests.iter().zip(replies) {
            answered.push(match reply {
                Some(reply) => reply,
                None => match self.execute(&request.command).await {
                    Ok(reply) => Ok(reply),
                    Err(Halt::Refused(error)) => Err(error),
                    Err(Halt::Sql(error)) => return Err(error),
                },
            });
        }
        Ok(answered)
    }
}

/// The task that owns the writing connection and the lock on the data directory.
pub struct Writer {
    pub conn: SqliteConnection,
    pub requests: mpsc::Receiver<Request>,
    pub register: Register,
    pub health: Arc<Health>,
    pub changed: watch::Sender<u64>,
    pub commits: Arc<AtomicU64>,
    pub lock: File,
    /// Asked for room when the disk is full.
    pub space: Option<Arc<Space>>,
}

impl Writer {
    /// Serves until it is told to close or nobody can ask any more; then closes the database and frees the directory.
    pub async fn run(mut self) {
        let mut watch = Watch { health: self.health.clone(), ended_well: false };
        while let Some(first) = self.requests.recv().await {
            let mut size = first.command.size();
            let mut batch = vec![first];
            while batch.len() < MAX_BATCH && size < MAX_BATCH_BYTES {
                let Ok(request) = self.requests.try_recv() else { break };
                size += request.command.size();
                batch.push(request);
            }
            if batch.iter().any(|request| matches!(request.command, Command::Close)) {
                self.requests.close();
            }
            self.serve(batch).await;
        }
        watch.ended_well = true;
        if let Err(error) = self.conn.close().await {
            self.health.note_sql(&error);
        }
        drop(self.lock);
    }

    async fn serve(&mut self, batch: Vec<Request>) {
        if batch.is_empty() {
            return;
        }
        let outcome = match self.health.check() {
            Ok(()) => self.commit_with_room(&batch).await,
            Err(error) => return answer_all(batch, &error),
        };
        match outcome {
            Ok(replies) => {
                for (request, reply) in batch.into_iter().zip(replies) {
                    self.answer(request, reply);
                }
            }
            Err(error) => match reach(&error) {
                Reach::Passing(error) => answer_all(batch, &error),
                Reach::Store(error) => answer_all(batch, &self.health.note(error)),
                Reach::Call(error) if batch.len() == 1 => answer_all(batch, &error),
                // one of them asked for something impossible: it must not spoil its neighbours
                Reach::Call(_) => {
                    for request in batch {
                        Box::pin(self.serve(vec![request])).await;
                    }
                }
            },
        }
    }

    /// One transaction; on a full disk once more after the ballast was given up.
    async fn commit_with_room(&mut self, batch: &[Request]) -> Result<Vec<Result<Reply, StoreError>>, sqlx::Error> {
        let outcome = self.commit(batch).await;
        match &outcome {
            Err(error) if is_full(error) && self.space.as_ref().is_some_and(|space| space.ran_out()) => {
                self.commit(batch).await
            }
            _ => outcome,
        }
    }

    /// One transaction, from begin to flush.
    async fn commit(&mut self, batch: &[Request]) -> Result<Vec<Result<Reply, StoreError>>, sqlx::Error> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.conn).await?;
        let mut transaction = Batch {
            conn: &mut self.conn,
            register: &self.register,
            taken: Handed::default(),
            ended: Handed::default(),
            woke: false,
        };
        let outcome = transaction.execute_all(batch).await;
        let Batch { taken, ended, woke, .. } = transaction;
        let outcome = match outcome {
            Ok(replies) => sqlx::query("COMMIT").execute(&mut self.conn).await.map(|_| replies),
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            // fails when SQLite has rolled back by itself, which is as good
            let _ = sqlx::query("ROLLBACK").execute(&mut self.conn).await;
            self.register.lock().remove(&taken);
            return outcome;
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.register.lock().remove(&ended);
        if woke {
            self.changed.send_modify(|count| *count += 1);
        }
        outcome
    }

    /// Answers; what was handed out to someone who has gone is taken back.
    fn answer(&self, request: Request, reply: Result<Reply, StoreError>) {
        match request.reply.send(reply) {
            Err(Ok(Reply::Begun(messages))) => {
                let messages = messages.into_iter().map(|(seq, _)| seq).collect();
                self.register.lock().remove(&Handed { messages, ..Handed::default() });
            }
            Err(Ok(Reply::Leased(deliveries))) => {
                let deliveries = deliveries.into_iter().collect();
                self.register.lock().remove(&Handed { deliveries, ..Handed::default() });
            }
            _ => {}
        }
    }
}

/// Tells everybody when the writer ends in any way but its own.
struct Watch {
    health: Arc<Health>,
    ended_well: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended_well {
            self.health.note(failed("the writer has ended"));
        }
    }
}

fn answer_all(batch: Vec<Request>, error: &StoreError) {
    for request in batch {
        let _ = request.reply.send(Err(error.clone()));
    }
}
