//! The writers: what waits is executed in one transaction of a few many-row statements, flushed once, then answered.
//!
//! There are two, so that accepting never waits for delivering: one for [`Command::Accept`], one for the rest. Other
//! nodes write at the same time; what must not happen twice is decided by row locks and by locks on lanes.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::{sync::mpsc, time::Instant};

use super::{
    fault::{Reach, reach, timed_out},
    link::{ANSWER_WITHIN, connect, drop_hard},
    node::{Node, Returned},
};
use crate::store::{
    StoreError,
    command::{Command, Halt, Reply, Request},
    health::{Health, failed},
};

/// Commands executed in one transaction.
const MAX_BATCH: usize = 1024;

/// Payload bytes after which a transaction takes no further command.
const MAX_BATCH_BYTES: usize = 32 << 20;

/// How long those who can ask again wait for a server that is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries to reach a server that is away.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the store may take to close while the server is away.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Transactions that stood in each other's way are tried again so often.
const AGAIN: u32 = 20;

/// What commands are answered with, at their places.
pub type Replies = Vec<Option<Result<Reply, StoreError>>>;

/// A transaction under way.
pub struct Batch<'a> {
    pub conn: &'a mut PgConnection,
    pub node: &'a Node,
    /// The number of this node when the transaction began.
    pub me: i64,
    /// Deliveries given back by it.
    pub ended: HashSet<String>,
    /// What it gave back that was never in anybody's hand.
    pub given_back: Option<Returned>,
    /// Whether there may be new work.
    pub woke: bool,
}

impl Batch<'_> {
    /// Takes locks on things of this store until the transaction ends; in one order, so that nobody waits in a circle.
    pub async fn lock(&mut self, mut keys: Vec<i64>) -> Result<(), sqlx::Error> {
        keys.retain(|key| *key != 0);
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<i64> = keys.into_iter().map(|key| self.node.lock_key(key)).collect();
        sqlx::query("SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest($1::bigint[]) AS key ORDER BY 1) AS keys")
            .bind(keys)
            .execute(&mut *self.conn)
            .await?;
        Ok(())
    }

    /// Executes all: in groups where a group is cheaper, then one by one.
    async fn execute_all(&mut self, requests: &[Request]) -> Result<Vec<Result<Reply, StoreError>>, sqlx::Error> {
        let mut replies: Replies = requests.iter().map(|_| None).collect();
        self.accept_all(requests, &mut replies).await?;
        self.plan_all(requests, &mut replies).await?;
        self.store_outputs(requests, &mut replies).await?;
        self.end_leases(requests, &mut replies).await?;
        // what is handed out comes last: it sees what the others did
        let is_last = |command: &Command| matches!(command, Command::BeginTransform { .. } | Command::Lease { .. });
        for last in [false, true] {
            for (request, reply) in requests.iter().zip(&mut replies) {
                if reply.is_none() && is_last(&request.command) == last {
                    *reply = Some(match self.execute(&request.command).await {
                        Ok(reply) => Ok(reply),
                        Err(Halt::Refused(error)) => Err(error),
                        Err(Halt::Sql(error)) => return Err(error),
                    });
                }
            }
        }
        let unanswered = || Err(failed("a command was not executed"));
        Ok(replies.into_iter().map(|reply| reply.unwrap_or_else(unanswered)).collect())
    }

    async fn execute(&mut self, command: &Command) -> Result<Reply, Halt> {
        match command {
            Command::Plan { message, plan, parts, .. } => self.plan_split(message, plan, parts).await,
            Command::KeepMapping { version, now } => self.keep_mapping(version, *now).await,
            Command::Release { what, act, now } => self.release(what, act, *now).await.map(Reply::Released),
            Command::Skip { id, act, now } => self.skip(id, act, *now).await,
            Command::Replay { replays, act, now } => self.replay(replays, act, *now).await.map(Reply::Replayed),
            Command::Resend { new, packed, of, skips, act, now } => {
                self.resend((new, packed), of, *skips, act, *now).await.map(Reply::Accepted)
            }
            Command::BeginTransform { limit } => self.begin_transform(*limit).await.map(Reply::Begun),
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
            // executed in groups
            Command::Accept { .. } | Command::StoreOutput { .. } | Command::Hold { .. } | Command::Record { .. } => {
                Err(failed("a command was left out of its group").into())
            }
            Command::BeginRun { run } => self.begin_run(run).await,
            Command::ExtendRun { run, until } => self.extend_run(run, *until).await,
            Command::EndRun { run, failure, now } => self.end_run(run, failure.as_deref(), *now).await,
            Command::SetMark { mark, now } => self.set_mark(mark, *now).await,
            Command::Close => Ok(Reply::Done),
        }
    }
}

/// How a transaction ended.
enum Outcome {
    Committed(Vec<Result<Reply, StoreError>>),
    Undone(sqlx::Error),
    /// The connection was lost while it was being committed.
    Unknown {
        transaction: String,
        replies: Vec<Result<Reply, StoreError>>,
        effects: Effects,
    },
}

/// What a committed transaction means for this process.
struct Effects {
    ended: HashSet<String>,
    given_back: Option<Returned>,
    woke: bool,
}

/// The task that owns a writing connection.
pub struct Writer {
    pub options: PgConnectOptions,
    pub conn: Option<PgConnection>,
    pub requests: mpsc::Receiver<Request>,
    pub node: Arc<Node>,
    pub health: Arc<Health>,
    pub commits: Arc<AtomicU64>,
    /// When the store began to close.
    pub closing: Option<Instant>,
}

impl Writer {
    /// Serves until it is told to close or nobody can ask any more.
    pub async fn run(mut self) {
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
                self.closing = Some(Instant::now());
            }
            self.serve(batch).await;
        }
        if let Some(conn) = self.conn.take() {
            drop_hard(conn).await;
        }
    }

    async fn serve(&mut self, mut batch: Vec<Request>) {
        let began = Instant::now();
        let mut again = 0;
        while !batch.is_empty() {
            if let Err(error) = self.health.check() {
                return answer_all(batch, &error);
            }
            let error = match self.commit(&batch).await {
                Outcome::Committed(replies) => return self.answer(batch, replies),
                Outcome::Unknown { transaction, replies, effects } => match self.settle(&transaction).await {
                    Ok(true) => {
                        self.take_effect(effects);
                        return self.answer(batch, replies);
                    }
                    Ok(false) => continue,
                    Err(error) => error,
                },
                Outcome::Undone(error) => error,
            };
            match reach(&error) {
                Reach::Link(error) => {
                    if let Some(conn) = self.conn.take() {
                        drop_hard(conn).await;
                    }
                    // What others wait for is told that there is nothing; what has happened must be written down.
                    let waits = began.elapsed() < PATIENCE;
                    let may_stay = self.closing.is_none_or(|since| since.elapsed() < CLOSE_WITHIN);
                    let (stay, go) = batch.into_iter().partition(|request| {
                        may_stay && (waits || must_stay(&request.command)) && !matches!(request.command, Command::Close)
                    });
                    answer_all(go, &error);
                    batch = stay;
                    tokio::time::sleep(PAUSE).await;
                }
                Reach::Again(error) => {
                    again += 1;
                    if again > AGAIN {
                        return answer_all(batch, &error);
                    }
                }
                Reach::Store(error) => return answer_all(batch, &self.health.note(error)),
                Reach::Call(error) if batch.len() == 1 => return answer_all(batch, &error),
                // one of them asked for something impossible: it must not spoil its neighbours
                Reach::Call(_) => {
                    for request in batch {
                        Box::pin(self.serve(vec![request])).await;
                    }
                    return;
                }
            }
        }
    }

    /// One transaction, from begin to flush.
    async fn commit(&mut self, batch: &[Request]) -> Outcome {
        if self.conn.is_none() {
            match connect(&self.options).await {
                Ok(conn) => self.conn = Some(conn),
                Err(error) => return Outcome::Undone(error),
            }
        }
        let Some(conn) = &mut self.conn else { return Outcome::Undone(timed_out()) };
        let me = self.node.id();
        let executed = async {
            let began = sqlx::raw_sql("BEGIN; SELECT pg_current_xact_id()::text AS transaction");
            let transaction: String = sqlx::Executor::fetch_one(&mut *conn, began).await?.try_get("transaction")?;
            let (ended, given_back) = (HashSet::new(), None);
            let mut work = Batch { conn: &mut *conn, node: &self.node, me, ended, given_back, woke: false };
            let replies = work.execute_all(batch).await?;
            let Batch { ended, given_back, woke, .. } = work;
            Ok((transaction, replies, Effects { ended, given_back, woke }))
        };
        let executed = tokio::time::timeout(ANSWER_WITHIN, executed).await.unwrap_or_else(|_| Err(timed_out()));
        let (transaction, replies, effects) = match executed {
            Ok(done) => done,
            Err(error) => {
                if !matches!(reach(&error), Reach::Link(_)) {
                    let undone = tokio::time::timeout(ANSWER_WITHIN, sqlx::raw_sql("ROLLBACK").execute(&mut *conn));
                    if !matches!(undone.await, Ok(Ok(_))) {
                        self.conn = None;
                    }
                }
                return Outcome::Undone(error);
            }
        };
        let commit = tokio::time::timeout(ANSWER_WITHIN, sqlx::raw_sql("COMMIT").execute(&mut *conn));
        match commit.await.unwrap_or_else(|_| Err(timed_out())) {
            Ok(_) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                self.take_effect(effects);
                Outcome::Committed(replies)
            }
            Err(error) => match reach(&error) {
                Reach::Link(_) => {
                    if let Some(conn) = self.conn.take() {
                        drop_hard(conn).await;
                    }
                    Outcome::Unknown { transaction, replies, effects }
                }
                _ => Outcome::Undone(error),
            },
        }
    }

    /// Whether a transaction was committed, asked on a new connection until the server says so.
    async fn settle(&mut self, transaction: &str) -> Result<bool, sqlx::Error> {
        let began = Instant::now();
        loop {
            let asked = async {
                let mut conn = connect(&self.options).await?;
                let status: Option<String> = sqlx::query_scalar("SELECT pg_xact_status($1::xid8)")
                    .bind(transaction)
                    .fetch_one(&mut conn)
                    .await?;
                Ok::<_, sqlx::Error>((conn, status))
            };
            match tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|_| Err(timed_out())) {
                Ok((conn, Some(status))) if status != "in progress" => {
                    self.conn = Some(conn);
                    return Ok(status == "committed");
                }
                Ok(_) => (),
                // a number the server never gave, as far as it knows after a crash: nothing of it was flushed
                Err(error) if is_in_the_future(&error) => return Ok(false),
                Err(error) if !matches!(reach(&error), Reach::Link(_)) => return Err(error),
                Err(_) => (),
            }
            if self.closing.is_some_and(|since| since.elapsed() > CLOSE_WITHIN) {
                return Err(timed_out());
            }
            if began.elapsed() > PATIENCE {
                tracing::warn!(
                    "PostgreSQL is away; whether the last transaction was committed is asked when it is back"
                );
                tokio::time::sleep(PATIENCE).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn take_effect(&self, effects: Effects) {
        let mut held = self.node.held();
        held.retain(|id, _| !effects.ended.contains(id));
        drop(held);
        let Returned { messages, deliveries } = effects.given_back.unwrap_or_default();
        if !(messages.is_empty() && deliveries.is_empty()) {
            let mut returned = self.node.returned();
            returned.messages.retain(|seq| !messages.contains(seq));
            returned.deliveries.retain(|seq| !deliveries.contains(seq));
        }
        if effects.woke {
            self.node.wake();
        }
    }

    /// Answers; what was handed out to someone who has gone is taken back.
    fn answer(&self, batch: Vec<Request>, replies: Vec<Result<Reply, StoreError>>) {
        for (request, reply) in batch.into_iter().zip(replies) {
            match request.reply.send(reply) {
                Err(Ok(Reply::Begun(messages))) => {
                    self.node.returned().messages.extend(messages.into_iter().map(|(seq, _)| seq));
                }
                Err(Ok(Reply::Leased(deliveries))) => self.node.returned().deliveries.extend(deliveries),
                _ => {}
            }
        }
    }
}

/// Whether the server says that it has not come to this transaction's number yet (`invalid_parameter_value`).
fn is_in_the_future(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|state| state == "22023")
}

/// What has happened outside and cannot be asked again.
fn must_stay(command: &Command) -> bool {
    matches!(
        command,
        Command::Record { .. } | Command::Hold { .. } | Command::Plan { .. } | Command::StoreOutput { .. }
    )
}

fn answer_all(batch: Vec<Request>, error: &StoreError) {
    for request in batch {
        let _ = request.reply.send(Err(error.clone()));
    }
}
