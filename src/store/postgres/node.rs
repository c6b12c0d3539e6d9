//! This process among the others on the store: who it is, that it lives, and what becomes of those that do not.
//!
//! A node has a row in `node`, a session lock on its number while its connection lives, and a pulse. What it holds is
//! in `claim` and `work` under its number. A node whose lock is gone for [`GRACE`], or whose pulse has been silent for
//! [`LEASE`], is taken over by any other: its number and its claims go in one transaction, so that whatever it still
//! tries to record finds no claim. A node that was taken over by mistake (it stood still for too long) goes on under a
//! new number, and has nothing in hand.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    fault::{Reach, reach, timed_out},
    link::{connect, drop_hard},
};

/// Between two signs of life.
const PULSE: Duration = Duration::from_secs(1);

/// A node silent for so long has lost what it holds.
const LEASE: Duration = Duration::from_secs(15);

/// A node without its lock has lost what it holds after so long: time to connect again after the server was restarted.
const GRACE: Duration = Duration::from_secs(3);

/// So long before the end of its lease a node begins nothing any more.
const MARGIN: Duration = Duration::from_secs(5);

/// The least time between two announcements to the other nodes.
const ANNOUNCE: Duration = Duration::from_millis(20);

/// A delivery in hand.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub seq: i64,
    pub message: i64,
    pub lane_key: i64,
}

/// What came back without ever having been in anybody's hand.
#[derive(Clone, Default)]
pub struct Returned {
    pub messages: Vec<i64>,
    pub deliveries: Vec<i64>,
}

/// This process, as the database knows it.
pub struct Node {
    options: PgConnectOptions,
    name: String,
    id: AtomicI64,
    /// Tells locks of this store from those of another one in the same database.
    space: i64,
    pulse: Mutex<Option<Instant>>,
    held: Mutex<HashMap<String, Held>>,
    returned: Mutex<Returned>,
    changed: watch::Sender<u64>,
    announce: Notify,
}

impl Node {
    /// Joins the store, and takes over what an earlier process of the same name left.
    pub async fn join(options: &PgConnectOptions, name: &str) -> Result<(Arc<Self>, PgConnection), sqlx::Error> {
        let mut conn = connect(options).await?;
        let space: i64 =
            sqlx::query_scalar("SELECT current_schema()::regnamespace::oid::bigint").fetch_one(&mut conn).await?;
        let (changed, _) = watch::channel(0);
        let node = Self {
            options: options.clone(),
            name: name.to_owned(),
            id: AtomicI64::new(0),
            space,
            pulse: Mutex::default(),
            held: Mutex::default(),
            returned: Mutex::default(),
            changed,
            announce: Notify::new(),
        };
        node.register(&mut conn).await?;
        node.take_over(&mut conn).await?;
        Ok((Arc::new(node), conn))
    }

    /// Its number.
    pub fn id(&self) -> i64 {
        self.id.load(Ordering::Acquire)
    }

    /// The channel on which nodes of this store wake each other.
    pub fn channel(&self) -> String {
        format!("crossdock_{}", self.space)
    }

    /// The key of an advisory lock on something of this store.
    pub fn lock_key(&self, key: i64) -> i64 {
        key ^ self.space.wrapping_mul(0x5851_f42d_4c95_7f2d)
    }

    /// The deliveries in hand, by id.
    pub fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be given back with the next transaction; it stays here until one that did so was committed.
    pub fn returned(&self) -> MutexGuard<'_, Returned> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what it holds is surely still its own.
    pub fn is_sure(&self) -> bool {
        let pulse = *self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        pulse.is_some_and(|at| at.elapsed() < LEASE - MARGIN)
    }

    /// Wakes the workers of this process, and those of the others soon.
    pub fn wake(&self) {
        self.wake_here();
        self.announce.notify_one();
    }

    fn wake_here(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// A number that grows when there may be work.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes a new number, with nothing in hand.
    async fn register(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        let began = Instant::now();
        let id: i64 = sqlx::query_scalar("INSERT INTO node (name) VALUES ($1) RETURNING id")
            .bind(&self.name)
            .fetch_one(&mut *conn)
            .await?;
        self.lock(conn, id).await?;
        self.held().clear();
        self.id.store(id, Ordering::Release);
        *self.pulse.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        Ok(())
    }

    /// Holds the lock that says "its connection lives" until the connection ends.
    async fn lock(&self, conn: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_advisory_lock($1::oid::int, $2::int)").bind(self.space).bind(id).execute(conn).await?;
        Ok(())
    }

    /// Says that it lives; false when others think it does not.
    async fn beat(&self, conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let began = Instant::now();
        let beat = sqlx::query("UPDATE node SET seen_at = clock_timestamp() WHERE id = $1")
            .bind(self.id())
            .execute(conn)
            .await?;
        let lives = beat.rows_affected() > 0;
        if lives {
            *self.pulse.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        }
        Ok(lives)
    }

    /// Frees what nodes hold that are gone: closed, without a lock, silent, or an earlier life of this very one.
    async fn take_over(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut transaction = conn.begin().await?;
        let gone: Vec<(i64, String)> = sqlx::query_as(
            "WITH alive AS (SELECT objid::bigint AS id FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND objsubid = 2 AND classid::bigint = $2 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) \
             SELECT id, name FROM node WHERE id <> $1 AND (closed \
             OR seen_at < clock_timestamp() - make_interval(secs => $3) \
             OR (id NOT IN (SELECT id FROM alive) \
             AND (name = $5 OR seen_at < clock_timestamp() - make_interval(secs => $4)))) \
             FOR UPDATE SKIP LOCKED",
        )
        .bind(self.id())
        .bind(self.space)
        .bind(LEASE.as_secs_f64())
        .bind(GRACE.as_secs_f64())
        .bind(&self.name)
        .fetch_all(&mut *transaction)
        .await?;
        let ids: Vec<i64> = gone.iter().map(|(id, _)| *id).collect();
        sqlx::query("DELETE FROM node WHERE id = ANY($1)").bind(&ids).execute(&mut *transaction).await?;
        // also of nodes that were gone when they took it
        let freed: Vec<i64> = sqlx::query_scalar(
            "DELETE FROM claim WHERE node = ANY($1) OR node NOT IN (SELECT id FROM node) RETURNING delivery",
        )
        .bind(&ids)
        .fetch_all(&mut *transaction)
        .await?;
        let suspects: Vec<i64> = sqlx::query_scalar(
            "DELETE FROM work WHERE node = ANY($1) OR node NOT IN (SELECT id FROM node) RETURNING message",
        )
        .bind(&ids)
        .fetch_all(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE message SET parse_attempts = parse_attempts + 1 WHERE seq = ANY($1) AND state = 'accepted'",
        )
        .bind(&suspects)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        for (id, name) in &gone {
            tracing::warn!(node = id, "node `{name}` is gone; what it held goes on here or elsewhere");
        }
        if !freed.is_empty() || !suspects.is_empty() {
            self.wake();
        }
        Ok(())
    }

    /// One round of signs of life and take-over.
    async fn round(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.beat(conn).await? {
            tracing::warn!(node = self.id(), "this node stood still for too long and was taken over; it joins again");
            self.register(conn).await?;
        }
        self.take_over(conn).await
    }

    /// Lives until `closing`; then leaves.
    pub async fn live(self: Arc<Self>, conn: PgConnection, closing: CancellationToken) {
        let mut conn = Some(conn);
        loop {
            tokio::select! {
                () = closing.cancelled() => break,
                () = tokio::time::sleep(PULSE) => (),
            }
            let outcome = match &mut conn {
                Some(conn) => tokio::time::timeout(LEASE, self.round(conn)).await.unwrap_or_else(|_| Err(timed_out())),
                None => match connect(&self.options).await {
                    Ok(mut fresh) => {
                        let locked = self.lock(&mut fresh, self.id()).await;
                        conn = Some(fresh);
                        locked
                    }
                    Err(error) => Err(error),
                },
            };
            match outcome {
                // the net under the announcements of others
                Ok(()) => self.wake_here(),
                // two nodes stood in each other's way: the next round passes
                Err(error) if matches!(reach(&error), Reach::Again(_)) => (),
                Err(error) => {
                    tracing::warn!("no sign of life can be given to PostgreSQL: {error}");
                    if let Some(conn) = conn.take() {
                        drop_hard(conn).await;
                    }
                }
            }
        }
        if let Some(mut conn) = conn {
            let leave = sqlx::query("UPDATE node SET closed = true WHERE id = $1").bind(self.id()).execute(&mut conn);
            let _ = tokio::time::timeout(PULSE, leave).await;
            drop_hard(conn).await;
        }
    }

    /// Tells the other nodes that there is work, not more often than is of use.
    pub async fn announce(self: Arc<Self>, closing: CancellationToken) {
        let mut conn = None;
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                () = self.announce.notified() => (),
            }
            if conn.is_none() {
                conn = connect(&self.options).await.ok();
            }
            if let Some(link) = &mut conn {
                let told = sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(self.channel())
                    .bind(self.id().to_string())
                    .execute(link);
                if !matches!(tokio::time::timeout(PULSE, told).await, Ok(Ok(_))) {
                    conn = None;
                }
            }
            tokio::time::sleep(ANNOUNCE).await;
        }
    }

    /// Hears the other nodes.
    pub async fn listen(self: Arc<Self>, pool: sqlx::PgPool, closing: CancellationToken) {
        loop {
            let heard = async {
                let mut listener = sqlx::postgres::PgListener::connect_with(&pool).await?;
                listener.ignore_pool_close_event(true);
                listener.listen(&self.channel()).await?;
                loop {
                    let notification = listener.recv().await?;
                    if notification.payload() != self.id().to_string() {
                        self.wake_here();
                    }
                }
            };
            let heard: Result<(), sqlx::Error> = tokio::select! {
                () = closing.cancelled() => return,
                heard = heard => heard,
            };
            if let Err(error) = heard {
                tracing::debug!("the announcements of other nodes are not heard: {error}");
            }
            tokio::select! {
                () = closing.cancelled() => return,
                () = tokio::time::sleep(PULSE) => (),
            }
        }
    }
}
