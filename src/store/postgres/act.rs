//! Acts of operators: release, skip, replay, resend; each written down with what it changed.

use std::collections::HashMap;

use sqlx::{Row as _, postgres::PgRow};

use super::{
    journal::{Place, STEP, joined},
    node::Held,
    outbox::{Change, Ending, RELEASE, RELEASE_BY_HAND, lane_key},
    row::word,
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

const HELD_BY_KEY: &str = "WHERE state = 'waiting' AND starts_with(wait_key, $2)";
const HELD_BY_CAUSE: &str = "WHERE state IN ('waiting', 'parked', 'planned') AND cause = $2";
const HELD_BY_IDS: &str = "WHERE (state IN ('waiting', 'parked') OR (state = 'planned' AND cause IS NOT NULL)) \
    AND (id = ANY($2) OR message IN (SELECT seq FROM message WHERE id = ANY($2)))";
const RELEASED: &str = " RETURNING seq, message, lane_key";

/// What an act changed: message and delivery; 0 for the message itself.
type Changed = Vec<(i64, i64)>;

impl Batch<'_> {
    /// Lets waiting and parked things try again.
    pub(super) async fn release(&mut self, what: &Release, act: &Act, now: Timestamp) -> Result<Released, Halt> {
        const MESSAGES: &str = "UPDATE message SET state = 'accepted', cause = NULL, reason = NULL, \
            parse_attempts = 0 WHERE state = 'parked' ";
        const SEQ: &str = " RETURNING seq";
        let release = |how, condition| sqlx::query_as(joined(&[how, condition, RELEASED])).bind(now.micros());
        let messages = |condition| sqlx::query_scalar(joined(&[MESSAGES, condition, SEQ]));
        let (deliveries, messages): (Vec<(i64, i64, i64)>, Vec<i64>) = match what {
            Release::WaitKeyPrefix(prefix) => {
                (release(RELEASE, HELD_BY_KEY).bind(prefix).fetch_all(&mut *self.conn).await?, Vec::new())
            }
            Release::Cause(cause) => {
                let messages = messages("AND cause = $1").bind(cause).fetch_all(&mut *self.conn).await?;
                (release(RELEASE, HELD_BY_CAUSE).bind(cause).fetch_all(&mut *self.conn).await?, messages)
            }
            Release::Ids(ids) => {
                let messages = messages("AND id = ANY($1)").bind(ids).fetch_all(&mut *self.conn).await?;
                (release(RELEASE_BY_HAND, HELD_BY_IDS).bind(ids).fetch_all(&mut *self.conn).await?, messages)
            }
        };
        let released = Released { deliveries: deliveries.len() as u64, messages: messages.len() as u64 };
        self.woke |= released.deliveries + released.messages > 0;
        let lanes: Vec<i64> = deliveries.iter().map(|(_, _, lane)| *lane).collect();
        self.lock(lanes.clone()).await?;
        self.refresh_lanes(lanes).await?;
        let changed = deliveries.into_iter().map(|(seq, message, _)| (message, seq));
        self.note(act, changed.chain(messages.into_iter().map(|seq| (seq, 0))).collect()).await?;
        Ok(released)
    }

    /// Gives up a delivery or a parked message.
    pub(super) async fn skip(&mut self, id: &str, act: &Act, now: Timestamp) -> Result<Reply, Halt> {
        let reason = skipped_by(act);
        if let Some(seq) = self.skip_parked(id, &reason).await? {
            self.note(act, vec![(seq, 0)]).await?;
            return Ok(Reply::Done);
        }
        let message: Option<String> = sqlx::query_scalar("SELECT state FROM message WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *self.conn)
            .await?;
        if let Some(state) = message {
            return Err(
                StoreError::conflict(format!("message `{id}` is {state}; only a parked one can be skipped")).into()
            );
        }
        let row: Option<PgRow> = sqlx::query("SELECT seq, message, lane_key FROM delivery WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *self.conn)
            .await?;
        let row = row.ok_or_else(|| StoreError::not_found(id))?;
        let held = held(&row)?;
        self.lock(vec![held.lane_key]).await?;
        let (state, is_leased): (String, bool) = sqlx::query_as(
            "SELECT state, EXISTS (SELECT 1 FROM claim WHERE delivery = delivery.seq) FROM delivery WHERE seq = $1 \
             FOR UPDATE",
        )
        .bind(held.seq)
        .fetch_one(&mut *self.conn)
        .await?;
        if DeliveryState::parse(&state).is_none_or(DeliveryState::is_final) {
            return Err(StoreError::conflict(format!("delivery `{id}` is {state} already")).into());
        }
        if is_leased {
            return Err(StoreError::conflict(format!("delivery `{id}` is being sent at this moment")).into());
        }
        let changed = self.skip_deliveries(&[(held, id.to_owned(), reason)], now).await?;
        self.note(act, changed).await?;
        Ok(Reply::Done)
    }

    async fn skip_parked(&mut self, id: &str, reason: &Reason) -> Result<Option<i64>, sqlx::Error> {
        sqlx::query_scalar(
            "UPDATE message SET state = 'skipped', cause = $2, reason = $3 WHERE id = $1 AND state = 'parked' \
             RETURNING seq",
        )
        .bind(id)
        .bind(&reason.cause)
        .bind(json(reason))
        .fetch_optional(&mut *self.conn)
        .await
    }

    /// Gives up deliveries that are neither final nor leased, whose lanes are locked.
    async fn skip_deliveries(
        &mut self,
        given_up: &[(Held, String, Reason)],
        now: Timestamp,
    ) -> Result<Changed, sqlx::Error> {
        if given_up.is_empty() {
            return Ok(Changed::new());
        }
        let mut endings = Vec::with_capacity(given_up.len());
        for (held, id, reason) in given_up {
            let change = Change { reason: Some(reason.clone()), ..Change::to(DeliveryState::Skipped, now) };
            endings.push(Ending { at: 0, id, held: *held, attempt: None, change, xrefs: &[] });
        }
        self.change(&endings).await?;
        self.woke = true;
        self.refresh_lanes(given_up.iter().map(|(held, ..)| held.lane_key).collect()).await?;
        Ok(given_up.iter().map(|(held, ..)| (held.message, held.seq)).collect())
    }

    /// Makes deliveries again.
    pub(super) async fn replay(&mut self, replays: &[NewReplay], act: &Act, now: Timestamp) -> Result<u64, Halt> {
        let originals: Vec<&str> = replays.iter().map(|replay| replay.of.as_str()).collect();
        let places: HashMap<String, (String, String, i64)> = sqlx::query_as::<_, (String, String, String, i64)>(
            "SELECT id, route, destination, lane_key FROM delivery WHERE id = ANY($1)",
        )
        .bind(&originals)
        .fetch_all(&mut *self.conn)
        .await?
        .into_iter()
        .map(|(id, route, destination, lane)| (id, (route, destination, lane)))
        .collect();
        let lane_of = |replay: &NewReplay| {
            places.get(&replay.of).map(|(route, destination, _)| lane_key(route, destination, &replay.lane))
        };
        let lanes: Vec<i64> =
            replays.iter().filter_map(lane_of).chain(places.values().map(|(_, _, lane)| *lane)).collect();
        self.lock(lanes.clone()).await?;
        let rows = sqlx::query(
            "SELECT d.id, d.seq, d.message, d.lane_key, d.state, \
             EXISTS (SELECT 1 FROM output o WHERE o.delivery = d.seq AND o.codec <> $2) AS has_output \
             FROM delivery d JOIN message m ON m.seq = d.message \
             WHERE d.id = ANY($1) AND m.bytes_removed_at IS NULL AND d.state <> 'planned' ORDER BY d.seq \
             FOR UPDATE OF d",
        )
        .bind(&originals)
        .bind(Codec::Removed.number())
        .fetch_all(&mut *self.conn)
        .await?;
        let mut present: HashMap<String, (Held, DeliveryState, bool)> = HashMap::with_capacity(rows.len());
        for row in &rows {
            let state = word(row, "state", DeliveryState::parse)?;
            present.insert(row.try_get("id")?, (held(row)?, state, row.try_get("has_output")?));
        }
        let may = |replay: &&NewReplay| {
            present.get(&replay.of).is_some_and(|(_, _, has_output)| *has_output || !replay.keeps_output)
        };
        let made: Vec<&NewReplay> = replays.iter().filter(may).collect();
        if made.is_empty() {
            return Ok(0);
        }
        let given_up: Vec<(Held, String, Reason)> = made
            .iter()
            .filter_map(|replay| {
                let (held, state, _) = present.get(&replay.of)?;
                (!state.is_final()).then(|| (*held, replay.of.clone(), replaced_by(&replay.id, act)))
            })
            .collect();
        let mut changed = self.skip_deliveries(&given_up, now).await?;
        let new: Vec<(String, i64, i64, i64)> = sqlx::query_as(
            "INSERT INTO delivery (id, message, position, system, route, destination, document, lane, lane_key, \
             blocks_when_parked, state, due_at, blocking, ready, created_at, replay_of) \
             SELECT r.id, d.message, (SELECT max(p.position) FROM delivery p WHERE p.message = d.message) \
             + row_number() OVER (PARTITION BY d.message ORDER BY r.place), d.system, d.route, d.destination, \
             d.document, r.lane, r.lane_key, d.blocks_when_parked, 'planned', r.due_at, r.lane_key <> 0, \
             r.lane_key = 0, $6, d.seq FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) \
             WITH ORDINALITY AS r(id, original, lane, lane_key, due_at, place) JOIN delivery d ON d.id = r.original \
             RETURNING id, seq, message, replay_of",
        )
        .bind(made.iter().map(|replay| replay.id.as_str()).collect::<Vec<_>>())
        .bind(made.iter().map(|replay| replay.of.as_str()).collect::<Vec<_>>())
        .bind(made.iter().map(|replay| replay.lane.as_str()).collect::<Vec<_>>())
        .bind(made.iter().map(|replay| lane_of(replay).unwrap_or_default()).collect::<Vec<_>>())
        .bind(made.iter().map(|replay| replay.due_at.micros()).collect::<Vec<_>>())
        .bind(now.micros())
        .fetch_all(&mut *self.conn)
        .await?;
        sqlx::query(
            "UPDATE message m SET delivery_count = delivery_count + n.made \
             FROM (SELECT message, count(*) AS made FROM unnest($1::bigint[]) AS n(message) GROUP BY message) n \
             WHERE m.seq = n.message",
        )
        .bind(new.iter().map(|(_, _, message, _)| *message).collect::<Vec<_>>())
        .execute(&mut *self.conn)
        .await?;
        let keeps = |id: &str| made.iter().any(|replay| replay.id == id && replay.keeps_output);
        let kept: Vec<(i64, i64)> =
            new.iter().filter(|(id, ..)| keeps(id)).map(|(_, seq, _, of)| (*seq, *of)).collect();
        sqlx::query(
            "INSERT INTO output (delivery, sha256, content_type, document_type, mapping_hash, notes, bytes, codec, \
             size) SELECT k.delivery, o.sha256, o.content_type, o.document_type, o.mapping_hash, o.notes, o.bytes, \
             o.codec, o.size FROM unnest($1::bigint[], $2::bigint[]) AS k(delivery, original) \
             JOIN output o ON o.delivery = k.original",
        )
        .bind(kept.iter().map(|(seq, _)| *seq).collect::<Vec<_>>())
        .bind(kept.iter().map(|(_, of)| *of).collect::<Vec<_>>())
        .execute(&mut *self.conn)
        .await?;
        self.woke = true;
        self.refresh_lanes(lanes).await?;
        changed.extend(new.iter().map(|(_, seq, message, _)| (*message, *seq)));
        self.note(act, changed).await?;
        Ok(new.len() as u64)
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
        let row = sqlx::query("SELECT seq, state FROM message WHERE id = $1 FOR UPDATE")
            .bind(of)
            .fetch_optional(&mut *self.conn)
            .await?
            .ok_or_else(|| StoreError::not_found(of))?;
        let old: i64 = row.try_get("seq")?;
        match word(&row, "state", MessageState::parse)? {
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
        let last: i64 = sqlx::query_scalar("SELECT max(seq) FROM message WHERE seq >= $1 AND seq < $2")
            .bind(old)
            .bind(bound)
            .fetch_one(&mut *self.conn)
            .await?;
        if last + 1 >= bound {
            return Err(StoreError::conflict(format!("there is no place left behind message `{of}`")).into());
        }
        let mut changed = Changed::new();
        if skips {
            let lanes: Vec<i64> = sqlx::query_scalar("SELECT lane_key FROM delivery WHERE message = $1")
                .bind(old)
                .fetch_all(&mut *self.conn)
                .await?;
            self.lock(lanes).await?;
            let rows = sqlx::query(
                "SELECT id, seq, message, lane_key, EXISTS (SELECT 1 FROM claim WHERE delivery = delivery.seq) AS leased \
                 FROM delivery WHERE message = $1 AND state IN ('planned', 'waiting', 'parked') FOR UPDATE",
            )
            .bind(old)
            .fetch_all(&mut *self.conn)
            .await?;
            let mut given_up = Vec::with_capacity(rows.len());
            for row in &rows {
                let id: String = row.try_get("id")?;
                if row.try_get("leased")? {
                    return Err(StoreError::conflict(format!("delivery `{id}` is being sent at this moment")).into());
                }
                given_up.push((held(row)?, id, replaced_by(&new.id, act)));
            }
            let parked = self.skip_parked(of, &replaced_by(&new.id, act)).await?;
            changed.extend(parked.map(|seq| (seq, 0)));
            changed.extend(self.skip_deliveries(&given_up, now).await?);
        }
        let first = last + 1;
        self.insert_messages(&[(new, packed)], Place::Behind { first }, false).await?;
        sqlx::query("UPDATE message SET edited_from = $2 WHERE seq = $1")
            .bind(first)
            .bind(old)
            .execute(&mut *self.conn)
            .await?;
        changed.push((first, 0));
        self.note(act, changed).await?;
        Ok(Accepted { id: new.id.clone(), seq: first, outcome: AcceptOutcome::New })
    }

    /// Writes down an act with what it changed; nothing when it changed nothing.
    async fn note(&mut self, act: &Act, changed: Changed) -> Result<(), sqlx::Error> {
        if changed.is_empty() {
            return Ok(());
        }
        let messages = changed.iter().filter(|(_, delivery)| *delivery == 0).count();
        let seq: i64 = sqlx::query_scalar(
            "INSERT INTO act (id, verb, who, why, query, at, deliveries, messages) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
             deliveries = act.deliveries + excluded.deliveries, messages = act.messages + excluded.messages \
             RETURNING seq",
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
            "INSERT INTO act_on (act, message, delivery) SELECT $1, c.message, c.delivery \
             FROM unnest($2::bigint[], $3::bigint[]) AS c(message, delivery) ON CONFLICT DO NOTHING",
        )
        .bind(seq)
        .bind(changed.iter().map(|(message, _)| *message).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, delivery)| *delivery).collect::<Vec<_>>())
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }
}

fn held(row: &PgRow) -> Result<Held, sqlx::Error> {
    Ok(Held { seq: row.try_get("seq")?, message: row.try_get("message")?, lane_key: row.try_get("lane_key")? })
}
