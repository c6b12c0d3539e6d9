//! Acts of operators: release, skip, replay, resend; each written down with what it changed.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row as _;

use super::{
    journal::{STEP, SeqRow},
    outbox::{Change, Lane, RELEASE, RELEASE_BY_HAND, joined},
    writer::Batch,
};
use crate::{
    base::Timestamp,
    store::{
        AcceptOutcome, Accepted, Act, DeliveryState, MessageState, NewMessage, NewReplay, Reason, Release, Released,
        StoreError,
        codec::{Codec, Packed},
        command::{Halt, Reply},
        shared::{json, replaced_by, skipped_by},
    },
};

const HELD_BY_KEY: &str = "WHERE state = 'waiting' AND wait_key >= ?2 AND wait_key < ?2 || char(1114111)";
const HELD_BY_CAUSE: &str =
    "WHERE (state IN ('waiting', 'parked') AND cause = ?2) OR (state = 'planned' AND cause = ?2)";
const HELD_BY_IDS: &str = "WHERE (state IN ('waiting', 'parked') OR (state = 'planned' AND cause IS NOT NULL)) \
    AND seq IN (SELECT d.seq FROM json_each(?2) i JOIN delivery d ON d.id = i.value UNION \
    SELECT d.seq FROM json_each(?2) i JOIN message m ON m.id = i.value JOIN delivery d ON d.message = m.seq)";
const RELEASED: &str = " RETURNING seq, message, route, destination, lane";

/// What an act changed: message and delivery; 0 for the message itself.
type Changed = Vec<(i64, i64)>;

impl Batch<'_> {
    /// Lets waiting and parked things try again.
    pub(super) async fn release(&mut self, what: &Release, act: &Act, now: Timestamp) -> Result<Released, Halt> {
        const MESSAGES: &str = "UPDATE message SET state = 'accepted', cause = NULL, reason = NULL, \
            parse_attempts = 0 WHERE state = 'parked' ";
        let (deliveries, messages) = match what {
            Release::WaitKeyPrefix(prefix) => (self.let_go(RELEASE, HELD_BY_KEY, now, prefix).await?, Changed::new()),
            Release::Cause(cause) => {
                let messages = sqlx::query(joined(MESSAGES, "AND cause = ?1 RETURNING seq")).bind(cause);
                let messages = messages.fetch_all(&mut *self.conn).await?;
                (self.let_go(RELEASE, HELD_BY_CAUSE, now, cause).await?, seqs(&messages)?)
            }
            Release::Ids(ids) => {
                let ids = json(ids);
                let condition = "AND id IN (SELECT value FROM json_each(?1)) RETURNING seq";
                let messages = sqlx::query(joined(MESSAGES, condition)).bind(&ids).fetch_all(&mut *self.conn).await?;
                (self.let_go(RELEASE_BY_HAND, HELD_BY_IDS, now, &ids).await?, seqs(&messages)?)
            }
        };
        self.woke |= !messages.is_empty();
        let released = Released { deliveries: deliveries.len() as u64, messages: messages.len() as u64 };
        self.note(act, deliveries.into_iter().chain(messages)).await?;
        Ok(released)
    }

    /// Makes waiting or parked deliveries due now; the condition's parameter is `?2`.
    pub(super) async fn let_go(
        &mut self,
        release: &'static str,
        condition: &'static str,
        now: Timestamp,
        parameter: &str,
    ) -> Result<Changed, sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(format!("{release}{condition}{RELEASED}"));
        let rows = sqlx::query(sql).bind(now.micros()).bind(parameter).fetch_all(&mut *self.conn).await?;
        let lanes = rows.iter().map(Lane::of).collect::<Result<BTreeSet<_>, _>>()?;
        for Lane { route, destination, lane } in &lanes {
            self.refresh_lane(route, destination, lane).await?;
        }
        self.woke |= !rows.is_empty();
        rows.iter().map(|row| Ok((row.try_get("message")?, row.try_get("seq")?))).collect()
    }

    /// Gives up a delivery or a parked message.
    pub(super) async fn skip(&mut self, id: &str, act: &Act, now: Timestamp) -> Result<Reply, Halt> {
        let reason = skipped_by(act);
        let changed = sqlx::query(
            "UPDATE message SET state = 'skipped', cause = ?2, reason = ?3 WHERE id = ?1 AND state = 'parked' \
             RETURNING seq",
        )
        .bind(id)
        .bind(&reason.cause)
        .bind(json(&reason))
        .fetch_all(&mut *self.conn)
        .await?;
        if !changed.is_empty() {
            self.note(act, seqs(&changed)?).await?;
            return Ok(Reply::Done);
        }
        let message: Option<String> = sqlx::query_scalar("SELECT state FROM message WHERE id = ?1")
            .bind(id)
            .fetch_optional(&mut *self.conn)
            .await?;
        if let Some(state) = message {
            return Err(
                StoreError::conflict(format!("message `{id}` is {state}; only a parked one can be skipped")).into()
            );
        }
        let changed = self.skip_delivery(id, reason, now).await?;
        self.note(act, [changed]).await?;
        Ok(Reply::Done)
    }

    async fn skip_delivery(&mut self, id: &str, reason: Reason, now: Timestamp) -> Result<(i64, i64), Halt> {
        let (present, state) = self.present(id).await?;
        if state.is_final() {
            return Err(StoreError::conflict(format!("delivery `{id}` is {} already", state.as_str())).into());
        }
        if self.register.lock().deliveries.contains(&present.seq) {
            return Err(StoreError::conflict(format!("delivery `{id}` is being sent at this moment")).into());
        }
        self.change(&present, &Change { reason: Some(reason), ..Change::to(DeliveryState::Skipped, now) }).await?;
        Ok((present.message, present.seq))
    }

    /// Makes deliveries again.
    pub(super) async fn replay(&mut self, replays: &[NewReplay], act: &Act, now: Timestamp) -> Result<u64, Halt> {
        let (mut made, mut changed) = (0, Changed::new());
        for replay in replays {
            let row = sqlx::query(
                "SELECT d.state, d.route, d.destination, d.lane, \
                 EXISTS (SELECT 1 FROM output o WHERE o.delivery = d.seq AND o.codec <> ?2) AS has_output \
                 FROM delivery d JOIN message m ON m.seq = d.message \
                 WHERE d.id = ?1 AND m.bytes_removed_at IS NULL",
            )
            .bind(&replay.of)
            .bind(Codec::Removed.number())
            .fetch_optional(&mut *self.conn)
            .await?;
            let Some(row) = row else { continue };
            let state = super::row::word(&row, "state", DeliveryState::parse)?;
            if state == DeliveryState::Planned || replay.keeps_output && !row.try_get::<bool, _>("has_output")? {
                continue;
            }
            if !state.is_final() {
                let reason = replaced_by(&replay.id, act);
                changed.push(self.skip_delivery(&replay.of, reason, now).await?);
            }
            let place = Lane { lane: replay.lane.clone(), ..Lane::of(&row)? };
            changed.push(self.insert_replay(replay, &place, now).await?);
            made += 1;
        }
        self.note(act, changed).await?;
        Ok(made)
    }

    async fn insert_replay(&mut self, replay: &NewReplay, place: &Lane, now: Timestamp) -> Result<(i64, i64), Halt> {
        let row = sqlx::query(
            "INSERT INTO delivery (id, message, position, system, route, destination, document, lane, \
             blocks_when_parked, state, due_at, blocking, ready, created_at, replay_of) \
             SELECT ?1, d.message, (SELECT max(position) + 1 FROM delivery WHERE message = d.message), d.system, \
             d.route, d.destination, d.document, ?3, d.blocks_when_parked, 'planned', ?4, ?3 <> '', ?3 = '', ?5, d.seq \
             FROM delivery d WHERE d.id = ?2 RETURNING seq, message, replay_of",
        )
        .bind(&replay.id)
        .bind(&replay.of)
        .bind(&replay.lane)
        .bind(replay.due_at.micros())
        .bind(now.micros())
        .fetch_one(&mut *self.conn)
        .await?;
        let (seq, message, of): (i64, i64, i64) =
            (row.try_get("seq")?, row.try_get("message")?, row.try_get("replay_of")?);
        sqlx::query("UPDATE message SET delivery_count = delivery_count + 1 WHERE seq = ?1")
            .bind(message)
            .execute(&mut *self.conn)
            .await?;
        if replay.keeps_output {
            sqlx::query(
                "INSERT INTO output (delivery, sha256, content_type, document_type, mapping_hash, notes, bytes, codec, \
                 size) SELECT ?1, sha256, content_type, document_type, mapping_hash, notes, bytes, codec, size \
                 FROM output WHERE delivery = ?2",
            )
            .bind(seq)
            .bind(of)
            .execute(&mut *self.conn)
            .await?;
        }
        self.woke = true;
        self.refresh_lane(&place.route, &place.destination, &place.lane).await?;
        Ok((message, seq))
    }

    /// Accepts a corrected copy of a message behind it.
    pub(super) async fn resend(
        &mut self,
        (new, packed): (&NewMessage, &Packed),
        of: &str,
        skips: bool,
        act: &Act,
        now: Timestamp,
    ) -> Result<Accepted, Halt> {
        let row = sqlx::query("SELECT seq, state FROM message WHERE id = ?1")
            .bind(of)
            .fetch_optional(&mut *self.conn)
            .await?
            .ok_or_else(|| StoreError::not_found(of))?;
        let old: i64 = row.try_get("seq")?;
        match super::row::word(&row, "state", MessageState::parse)? {
            MessageState::Accepted => {
                return Err(StoreError::conflict(format!("message `{of}` is not decided upon yet")).into());
            }
            MessageState::Split => {
                let text = format!("message `{of}` was split: its documents are messages of their own");
                return Err(StoreError::conflict(text).into());
            }
            _ => {}
        }
        let bound = (old / STEP + 1) * STEP;
        let last: i64 = sqlx::query_scalar("SELECT max(seq) FROM message WHERE seq >= ?1 AND seq < ?2")
            .bind(old)
            .bind(bound)
            .fetch_one(&mut *self.conn)
            .await?;
        if last + 1 >= bound {
            return Err(StoreError::conflict(format!("there is no place left behind message `{of}`")).into());
        }
        let mut changed = Changed::new();
        if skips {
            let reason = replaced_by(&new.id, act);
            let open: Vec<(i64, String)> = sqlx::query_as(
                "SELECT seq, id FROM delivery WHERE message = ?1 AND state IN ('planned', 'waiting', 'parked')",
            )
            .bind(old)
            .fetch_all(&mut *self.conn)
            .await?;
            let sent = open.iter().find(|(seq, _)| self.register.lock().deliveries.contains(seq));
            if let Some((_, id)) = sent {
                return Err(StoreError::conflict(format!("delivery `{id}` is being sent at this moment")).into());
            }
            let parked = sqlx::query(
                "UPDATE message SET state = 'skipped', cause = ?2, reason = ?3 WHERE seq = ?1 AND state = 'parked' \
                 RETURNING seq",
            )
            .bind(old)
            .bind(&reason.cause)
            .bind(json(&reason))
            .fetch_all(&mut *self.conn)
            .await?;
            changed.extend(seqs(&parked)?);
            for (_, id) in &open {
                changed.push(self.skip_delivery(id, reason.clone(), now).await?);
            }
        }
        let place = SeqRow { first: last + 1, step: 1, parent: None };
        let fresh = [(new, packed)];
        let mut stored = HashMap::new();
        self.insert_messages(&fresh, place, false, &mut stored).await?;
        self.insert_payloads(&fresh, &stored).await?;
        sqlx::query("UPDATE message SET edited_from = ?2 WHERE seq = ?1")
            .bind(place.first)
            .bind(old)
            .execute(&mut *self.conn)
            .await?;
        changed.push((place.first, 0));
        self.note(act, changed).await?;
        Ok(Accepted { id: new.id.clone(), seq: place.first, outcome: AcceptOutcome::New })
    }

    /// Writes down an act with what it changed; nothing when it changed nothing.
    async fn note(&mut self, act: &Act, changed: impl IntoIterator<Item = (i64, i64)>) -> Result<(), sqlx::Error> {
        let changed: Vec<(i64, i64)> = changed.into_iter().collect();
        if changed.is_empty() {
            return Ok(());
        }
        let messages = changed.iter().filter(|(_, delivery)| *delivery == 0).count();
        let seq: i64 = sqlx::query_scalar(
            "INSERT INTO act (id, verb, who, why, query, at, deliveries, messages) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO UPDATE SET \
             deliveries = deliveries + excluded.deliveries, messages = messages + excluded.messages RETURNING seq",
        )
        .bind(&act.id)
        .bind(&act.verb)
        .bind(&act.by)
        .bind(&act.why)
        .bind(&act.query)
        .bind(act.at.micros())
        .bind(i64::try_from(changed.len() - messages).unwrap_or(i64::MAX))
        .bind(i64::try_from(messages).unwrap_or(i64::MAX))
        .fetch_one(&mut *self.conn)
        .await?;
        sqlx::query(
            "INSERT INTO act_on (act, message, delivery) \
             SELECT ?1, c.value ->> 0, c.value ->> 1 FROM json_each(?2) c WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(seq)
        .bind(json(&changed))
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }
}

fn seqs(rows: &[sqlx::sqlite::SqliteRow]) -> Result<Changed, sqlx::Error> {
    rows.iter().map(|row| Ok((row.try_get("seq")?, 0))).collect()
}
