//! Deliveries out: lease, output, hold, record, and the order of lanes.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::writer::Batch;
use crate::{
    base::Timestamp,
    store::{
        AttemptOutcome, DeliveryState, Hold, MAX_RESPONSE_BYTES, MappingVersion, NewAttempt, NewXref, Next, Output,
        Pause, PauseKind, Reason, Recorded, StoreError, WaitKey,
        codec::Packed,
        command::{Halt, Reply},
        shared::{Budget, filtered_by, json},
    },
};

macro_rules! lease_sql {
    ($only:literal) => {
        concat!(
            "SELECT d.seq, (SELECT s.size FROM message s WHERE s.seq = d.message) AS size ",
            "FROM delivery d WHERE d.ready = 1 AND d.due_at <= ?1 ",
            $only,
            "AND d.seq NOT IN (SELECT value FROM json_each(?2)) ",
            "AND d.destination NOT IN (SELECT p.destination FROM pause p WHERE p.kind = 'gone') ",
            "AND (d.lane = '' OR NOT EXISTS (SELECT 1 FROM message m ",
            "WHERE m.state = 'accepted' AND m.system = d.system AND m.seq < d.message)) ",
            "ORDER BY d.due_at, d.message, d.position LIMIT ?3"
        )
    };
}

/// Due deliveries of all destinations. Bound: now, leased, limit.
pub const LEASE_ANY: &str = lease_sql!("");
/// Due deliveries of one destination. Bound: now, leased, limit, destination.
pub const LEASE_ONE: &str = lease_sql!("AND d.destination = ?4 ");

pub(super) const RELEASE: &str = "UPDATE delivery SET state = 'planned', due_at = min(due_at, ?1), tries = 0, blocking = (lane <> ''), \
    ready = (lane = ''), wait_key = NULL, cause = NULL, reason = NULL, finished_at = NULL ";

/// The same by a person's decision.
pub(super) const RELEASE_BY_HAND: &str = "UPDATE delivery SET state = 'planned', due_at = min(due_at, ?1), tries = 0, blocking = (lane <> ''), \
    ready = (lane = ''), waived = (waived OR cause = 'calendar'), wait_key = NULL, cause = NULL, reason = NULL, \
    finished_at = NULL ";

/// A delivery about to change.
pub(super) struct Present {
    pub(super) seq: i64,
    pub(super) message: i64,
    pub(super) position: i64,
    pub(super) attempts: u32,
    pub(super) lane: Lane,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) route: String,
    pub(super) destination: String,
    pub(super) lane: String,
}

impl Lane {
    pub(super) fn of(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { route: row.try_get("route")?, destination: row.try_get("destination")?, lane: row.try_get("lane")? })
    }
}

/// What a delivery becomes.
pub(super) struct Change {
    pub(super) state: DeliveryState,
    pub(super) due_at: Option<Timestamp>,
    pub(super) wait_key: Option<String>,
    pub(super) reason: Option<Reason>,
    pub(super) outcome: Option<AttemptOutcome>,
    /// Parked: the lane goes on, whatever the plan said.
    pub(super) frees_lane: bool,
    pub(super) now: Timestamp,
}

impl Change {
    pub(super) fn to(state: DeliveryState, now: Timestamp) -> Self {
        Self { state, due_at: None, wait_key: None, reason: None, outcome: None, frees_lane: false, now }
    }
}

impl Batch<'_> {
    /// Picks due deliveries that are first of their lane and not handed out.
    pub(super) async fn lease(
        &mut self,
        destination: Option<&str>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<i64>, Halt> {
        let leased = json(&self.register.lock().deliveries.iter().collect::<Vec<_>>());
        let rows = sqlx::query(if destination.is_some() { LEASE_ONE } else { LEASE_ANY })
            .bind(now.micros())
            .bind(leased)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(destination)
            .fetch_all(&mut *self.conn)
            .await?;
        let (mut picked, mut budget) = (Vec::with_capacity(rows.len()), Budget::default());
        for row in rows {
            if !budget.takes(row.try_get("size")?) {
                break;
            }
            picked.push(row.try_get("seq")?);
        }
        self.taken.deliveries.extend(&picked);
        self.register.lock().deliveries.extend(&picked);
        Ok(picked)
    }

    /// Writes the output of a delivery, once.
    pub(super) async fn store_output(&mut self, id: &str, output: &Output, packed: &Packed) -> Result<Reply, Halt> {
        let row = sqlx::query(
            "SELECT d.seq, d.state, o.sha256 FROM delivery d LEFT JOIN output o ON o.delivery = d.seq WHERE d.id = ?1",
        )
        .bind(id)
        .fetch_optional(&mut *self.conn)
        .await?
        .ok_or_else(|| StoreError::not_found(id))?;
        let known: Option<Vec<u8>> = row.try_get("sha256")?;
        match known {
            Some(known) if known == packed.sha256.0 => return Ok(Reply::Done),
            Some(_) => return Err(StoreError::conflict(format!("delivery `{id}` has another output already")).into()),
            None => {}
        }
        let state: String = row.try_get("state")?;
        if DeliveryState::parse(&state).is_none_or(DeliveryState::is_final) {
            return Err(StoreError::conflict(format!("delivery `{id}` is {state}, it takes no output")).into());
        }
        self.insert_output(row.try_get("seq")?, output, packed).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn insert_output(
        &mut self,
        delivery: i64,
        output: &Output,
        packed: &Packed,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO output (delivery, sha256, content_type, document_type, mapping_hash, notes, bytes, codec, \
             size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .bind(delivery)
        .bind(packed.sha256.0.as_slice())
        .bind(&output.content_type)
        .bind(&output.document_type)
        .bind(&output.mapping_hash)
        .bind(output.notes.join("\n"))
        .bind(&*packed.bytes)
        .bind(packed.codec.number())
        .bind(i64::try_from(packed.size).unwrap_or(i64::MAX))
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }

    /// Keeps the texts behind a mapping hash.
    pub(super) async fn keep_mapping(&mut self, version: &MappingVersion, now: Timestamp) -> Result<Reply, Halt> {
        for (position, file) in version.files.iter().enumerate() {
            let hash = file.sha256().to_string();
            sqlx::query(
                "INSERT INTO mapping_version (hash, file, text, first_used) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(&hash)
            .bind(&file.file)
            .bind(&file.text)
            .bind(now.micros())
            .execute(&mut *self.conn)
            .await?;
            sqlx::query(
                "INSERT INTO mapping_chain (hash, position, file, version) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(&version.hash)
            .bind(i64::try_from(position).unwrap_or(i64::MAX))
            .bind(&file.file)
            .bind(&hash)
            .execute(&mut *self.conn)
            .await?;
        }
        Ok(Reply::Done)
    }

    /// Ends a lease without an attempt.
    pub(super) async fn hold(&mut self, id: &str, hold: &Hold, now: Timestamp) -> Result<Reply, Halt> {
        let present = self.leased(id).await?;
        let mut change = Change::to(DeliveryState::Planned, now);
        match hold {
            Hold::Wait { key, reason } => {
                if self.has_arrived(key).await? {
                    change.due_at = Some(now);
                } else {
                    change.state = DeliveryState::Waiting;
                    change.wait_key = Some(key.to_string());
                    change.reason = Some(reason.clone());
                }
            }
            Hold::Park { reason } => {
                change.state = DeliveryState::Parked;
                change.reason = Some(reason.clone());
            }
            Hold::Later { due_at, reason } => {
                change.due_at = Some(*due_at);
                change.reason.clone_from(reason);
            }
            Hold::Filter { rule } => {
                change.state = DeliveryState::Filtered;
                change.reason = Some(filtered_by(rule));
            }
        }
        self.change(&present, &change).await?;
        Ok(Reply::Done)
    }

    /// Ends a lease with an attempt.
    pub(super) async fn record(&mut self, id: &str, attempt: &NewAttempt, next: &Next) -> Result<Recorded, Halt> {
        let present = self.leased(id).await?;
        let now = attempt.ended_at;
        let number = present.attempts + 1;
        let mut change = Change { outcome: Some(attempt.outcome), ..Change::to(DeliveryState::Planned, now) };
        let mut learnt: &[NewXref] = &[];
        match next {
            Next::Delivered { xrefs } => {
                change.state = DeliveryState::Delivered;
                learnt = xrefs;
            }
            Next::Retry { due_at } => change.due_at = Some(*due_at),
            Next::Park { reason, frees_lane } => {
                change.state = DeliveryState::Parked;
                change.reason = Some(reason.clone());
                change.frees_lane = *frees_lane;
            }
        }
        let response = &attempt.response[..attempt.response.len().min(MAX_RESPONSE_BYTES)];
        sqlx::query(
            "INSERT INTO attempt (delivery, number, id, started_at, ended_at, outcome, status, detail, response_type, \
             response) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .bind(present.seq)
        .bind(i64::from(number))
        .bind(&attempt.id)
        .bind(attempt.started_at.micros())
        .bind(attempt.ended_at.micros())
        .bind(attempt.outcome.as_str())
        .bind(attempt.status.map(i64::from))
        .bind(&attempt.detail)
        .bind(&attempt.response_type)
        .bind(response)
        .execute(&mut *self.conn)
        .await?;
        self.change(&present, &change).await?;
        self.overtake(&present).await?;
        let mut released = 0;
        for xref in learnt {
            released += self.learn(xref, present.message, now).await?;
        }
        Ok(Recorded { number, released })
    }

    /// Marks the parked deliveries that this one, just sent, has overtaken in its lane.
    async fn overtake(&mut self, present: &Present) -> Result<(), sqlx::Error> {
        if present.lane.lane.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE delivery SET overtaken = 1 WHERE state = 'parked' AND lane <> '' AND overtaken = 0 \
             AND route = ?1 AND destination = ?2 AND lane = ?3 AND (message, position) < (?4, ?5)",
        )
        .bind(&present.lane.route)
        .bind(&present.lane.destination)
        .bind(&present.lane.lane)
        .bind(present.message)
        .bind(present.position)
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }

    /// Notes that kept bytes are about to be sent.
    pub(super) async fn begin_attempt(&mut self, id: &str) -> Result<Reply, Halt> {
        let present = self.leased(id).await?;
        sqlx::query("UPDATE delivery SET sending = 1 WHERE seq = ?1")
            .bind(present.seq)
            .execute(&mut *self.conn)
            .await?;
        Ok(Reply::Done)
    }

    /// Corrects moments that lie too far ahead.
    pub(super) async fn bring_forward(
        &mut self,
        destination: &str,
        now: Timestamp,
        latest: Timestamp,
    ) -> Result<u64, Halt> {
        let changed = sqlx::query(
            "UPDATE delivery SET due_at = CASE tries WHEN 0 THEN ?2 ELSE ?3 END \
             WHERE ready = 1 AND destination = ?1 AND due_at > ?3 AND cause IS NULL",
        )
        .bind(destination)
        .bind(now.micros())
        .bind(latest.micros())
        .execute(&mut *self.conn)
        .await?
        .rows_affected();
        self.woke |= changed > 0;
        Ok(changed)
    }

    /// Notes a pause of a destination.
    pub(super) async fn pause(&mut self, pause: &Pause) -> Result<Reply, Halt> {
        sqlx::query(
            "INSERT INTO pause (destination, kind, since, until, address, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT DO UPDATE SET since = ?3, until = ?4, address = ?5, reason = ?6",
        )
        .bind(&pause.destination)
        .bind(pause.kind.as_str())
        .bind(pause.since.micros())
        .bind(pause.until.map(Timestamp::micros))
        .bind(&pause.address)
        .bind(json(&pause.reason))
        .execute(&mut *self.conn)
        .await?;
        Ok(Reply::Done)
    }

    /// Ends pauses.
    pub(super) async fn resume(&mut self, destination: Option<&str>, kind: PauseKind) -> Result<u64, Halt> {
        let ended = sqlx::query("DELETE FROM pause WHERE kind = ?1 AND destination = coalesce(?2, destination)")
            .bind(kind.as_str())
            .bind(destination)
            .execute(&mut *self.conn)
            .await?
            .rows_affected();
        self.woke |= ended > 0;
        Ok(ended)
    }

    /// Stores a cross reference and lets everything that waits for it go.
    async fn learn(&mut self, xref: &NewXref, message: i64, now: Timestamp) -> Result<u64, sqlx::Error> {
        sqlx::query(
            "INSERT INTO xref (entity, source_system, source_id, target_system, target_id, message, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT DO UPDATE SET target_id = ?5, message = ?6, created_at = ?7 WHERE target_id <> ?5",
        )
        .bind(&xref.key.entity)
        .bind(&xref.key.source_system)
        .bind(&xref.key.source_id)
        .bind(&xref.key.target_system)
        .bind(&xref.target_id)
        .bind(message)
        .bind(now.micros())
        .execute(&mut *self.conn)
        .await?;
        const WHERE: &str = "WHERE state = 'waiting' AND wait_key = ?2";
        Ok(self.let_go(RELEASE, WHERE, now, &WaitKey::Xref(xref.key.clone()).to_string()).await?.len() as u64)
    }

    pub(super) async fn present(&mut self, id: &str) -> Result<(Present, DeliveryState), Halt> {
        let row = sqlx::query(
            "SELECT seq, message, position, attempts, state, route, destination, lane FROM delivery WHERE id = ?1",
        )
        .bind(id)
        .fetch_optional(&mut *self.conn)
        .await?
        .ok_or_else(|| StoreError::not_found(id))?;
        let state: &str = row.try_get("state")?;
        let state = DeliveryState::parse(state).ok_or_else(|| super::row::unreadable("state"))?;
        let present = Present {
            seq: row.try_get("seq")?,
            message: row.try_get("message")?,
            position: row.try_get("position")?,
            attempts: row.try_get("attempts")?,
            lane: Lane::of(&row)?,
        };
        Ok((present, state))
    }

    /// A delivery that is handed out, so that its holder may end the lease.
    async fn leased(&mut self, id: &str) -> Result<Present, Halt> {
        let (present, state) = self.present(id).await?;
        let held =
            self.register.lock().deliveries.contains(&present.seq) && !self.ended.deliveries.contains(&present.seq);
        if state != DeliveryState::Planned || !held {
            return Err(StoreError::conflict(format!("delivery `{id}` is {}, not leased", state.as_str())).into());
        }
        Ok(present)
    }

    /// Moves a delivery to a state, and its lane with it.
    pub(super) async fn change(&mut self, present: &Present, change: &Change) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE delivery SET state = ?2, due_at = coalesce(?3, due_at), \
             blocking = (lane <> '' AND (?2 IN ('planned', 'waiting') \
             OR (?2 = 'parked' AND blocks_when_parked AND NOT ?9))), \
             ready = (lane = '' AND ?2 = 'planned'), wait_key = ?4, cause = ?5, reason = ?6, \
             finished_at = ?7, outcome = coalesce(?8, outcome), attempts = attempts + (?8 IS NOT NULL), \
             tries = tries + (?8 IS NOT NULL), unknown_before = max(unknown_before, ?8 IS 'unknown'), \
             sending = CASE WHEN ?8 IS NULL THEN sending ELSE 0 END WHERE seq = ?1",
        )
        .bind(present.seq)
        .bind(change.state.as_str())
        .bind(change.due_at.map(Timestamp::micros))
        .bind(&change.wait_key)
        .bind(change.reason.as_ref().map(|reason| reason.cause.as_str()))
        .bind(change.reason.as_ref().map(json))
        .bind(change.state.is_final().then_some(change.now.micros()))
        .bind(change.outcome.map(AttemptOutcome::as_str))
        .bind(change.frees_lane)
        .execute(&mut *self.conn)
        .await?;
        self.ended.deliveries.insert(present.seq);
        self.woke = true;
        let Lane { route, destination, lane } = &present.lane;
        self.refresh_lane(route, destination, lane).await
    }

    /// Marks the first delivery of a lane as ready, if it is planned, and no other.
    pub(super) async fn refresh_lane(&mut self, route: &str, destination: &str, lane: &str) -> Result<(), sqlx::Error> {
        if lane.is_empty() {
            return Ok(());
        }
        // two statements in one round trip to the database's thread
        sqlx::query(
            "UPDATE delivery SET ready = 0 \
             WHERE ready = 1 AND lane <> '' AND route = ?1 AND destination = ?2 AND lane = ?3; \
             UPDATE delivery SET ready = 1 WHERE state = 'planned' AND seq = (SELECT seq FROM delivery \
             WHERE blocking = 1 AND route = ?1 AND destination = ?2 AND lane = ?3 ORDER BY message, position LIMIT 1)",
        )
        .bind(route)
        .bind(destination)
        .bind(lane)
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }
}

/// Two fixed texts as one statement.
pub(super) fn joined(head: &'static str, tail: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("{head}{tail}"))
}
