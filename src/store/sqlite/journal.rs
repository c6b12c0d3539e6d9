//! Messages in: accept, hand out for transformation, plan.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::writer::Batch;
use crate::{
    base::Timestamp,
    store::{
        AcceptOutcome, Accepted, COMPRESS_ABOVE, Decision, DeliveryState, MAX_PARSE_ATTEMPTS, MAX_PARTS, MessageState,
        NewDelivery, NewMessage, NewPart, Plan, Start, StoreError, WaitKey,
        codec::Packed,
        command::{Halt, Reply},
        shared::{Budget, Known, filtered_by, json, outcome, together},
    },
};

/// Rows per statement when many are inserted: few shapes, so that the prepared statements stay few.
const CHUNKS: [usize; 4] = [64, 16, 4, 1];

/// From one message to the next in accept order; the places between are for its parts.
pub(super) const STEP: i64 = MAX_PARTS as i64 + 1;

/// Where new messages go in accept order.
#[derive(Clone, Copy)]
pub(super) struct SeqRow {
    /// The first one's place.
    pub(super) first: i64,
    /// From one to the next.
    pub(super) step: i64,
    /// The message they are split off.
    pub(super) parent: Option<i64>,
}

impl SeqRow {
    fn after(self, count: usize) -> Self {
        Self { first: self.first + self.step * i64::try_from(count).unwrap_or(i64::MAX), ..self }
    }
}

impl Batch<'_> {
    /// Stores messages in the order given, and finds the first one of each key known already.
    pub(super) async fn accept(
        &mut self,
        new: &[(&NewMessage, &Packed)],
    ) -> Result<Vec<Result<Reply, StoreError>>, sqlx::Error> {
        // the sequence, not the table: places are never given twice
        let last: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'message'")
            .fetch_optional(&mut *self.conn)
            .await?;
        let first = (last.unwrap_or(0) / STEP + 1) * STEP;
        self.insert(new, SeqRow { first, step: STEP, parent: None }).await
    }

    async fn insert(
        &mut self,
        new: &[(&NewMessage, &Packed)],
        mut row: SeqRow,
    ) -> Result<Vec<Result<Reply, StoreError>>, sqlx::Error> {
        let mut stored: HashMap<String, i64> = HashMap::with_capacity(new.len());
        let mut rest = new;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_of(rest.len()));
            rest = after;
            self.insert_messages(chunk, row, true, &mut stored).await?;
            row = row.after(chunk.len());
        }
        self.insert_payloads(new, &stored).await?;
        let known = if stored.len() < new.len() { self.known(new).await? } else { HashMap::new() };
        Ok(new
            .iter()
            .map(|(message, packed)| outcome(message, packed.sha256, &stored, &known).map(Reply::Accepted))
            .collect())
    }

    pub(super) async fn insert_payloads(
        &mut self,
        new: &[(&NewMessage, &Packed)],
        stored: &HashMap<String, i64>,
    ) -> Result<(), sqlx::Error> {
        let payloads: Vec<(i64, &Packed)> =
            new.iter().filter_map(|(message, packed)| Some((*stored.get(&message.id)?, *packed))).collect();
        let mut rest = payloads.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_of(rest.len()));
            rest = after;
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO payload (message, codec, bytes) ");
            insert.push_values(chunk, |mut row, (seq, packed)| {
                row.push_bind(*seq).push_bind(packed.codec.number()).push_bind(&*packed.bytes);
            });
            insert.build().execute(&mut *self.conn).await?;
        }
        self.woke |= !stored.is_empty();
        Ok(())
    }

    pub(super) async fn insert_messages(
        &mut self,
        chunk: &[(&NewMessage, &Packed)],
        row: SeqRow,
        skips_known: bool,
        stored: &mut HashMap<String, i64>,
    ) -> Result<(), sqlx::Error> {
        let mut seq = row.first;
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO message (seq, parent, id, system, document_type, site, dedup_key, sha256, size, content_type, transport, \
             received_at, attributes, state, cause, reason) ",
        );
        insert.push_values(chunk, |mut values, (message, packed)| {
            let state = if message.parked.is_some() { MessageState::Parked } else { MessageState::Accepted };
            values
                .push_bind(seq)
                .push_bind(row.parent)
                .push_bind(&message.id)
                .push_bind(&message.system)
                .push_bind(&message.document_type)
                .push_bind(&message.site)
                .push_bind(&message.dedup_key)
                .push_bind(packed.sha256.0.as_slice())
                .push_bind(i64::try_from(packed.size).unwrap_or(i64::MAX))
                .push_bind(&message.content_type)
                .push_bind(message.transport.as_str())
                .push_bind(message.received_at.micros())
                .push_bind(json(&message.attributes))
                .push_bind(state.as_str())
                .push_bind(message.parked.as_ref().map(|reason| reason.cause.clone()))
                .push_bind(message.parked.as_ref().map(json));
            seq += row.step;
        });
        insert.push(if skips_known { " ON CONFLICT DO NOTHING RETURNING seq, id" } else { " RETURNING seq, id" });
        for row in insert.build().fetch_all(&mut *self.conn).await? {
            stored.insert(row.try_get("id")?, row.try_get("seq")?);
        }
        Ok(())
    }

    /// The first message of each (system, key).
    async fn known(&mut self, new: &[(&NewMessage, &Packed)]) -> Result<HashMap<(String, String), Known>, sqlx::Error> {
        let keys: Vec<[&str; 2]> = new
            .iter()
            .filter_map(|(message, _)| Some([message.system.as_str(), message.dedup_key.as_deref()?]))
            .collect();
        let rows = sqlx::query(
            "SELECT m.seq, m.id, m.system, m.dedup_key, m.sha256 \
             FROM json_each(?1) k JOIN message m ON m.system = k.value ->> 0 AND m.dedup_key = k.value ->> 1 \
             WHERE m.dedup_key IS NOT NULL",
        )
        .bind(json(&keys))
        .fetch_all(&mut *self.conn)
        .await?;
        let mut known = HashMap::new();
        for row in rows {
            let first = Known { seq: row.try_get("seq")?, id: row.try_get("id")?, sha256: row.try_get("sha256")? };
            known.insert((row.try_get("system")?, row.try_get("dedup_key")?), first);
        }
        Ok(known)
    }

    /// Picks the oldest accepted messages not handed out yet, and counts the parse attempt.
    pub(super) async fn begin_transform(&mut self, limit: usize) -> Result<Vec<(i64, bool)>, Halt> {
        let handed = json(&self.register.lock().messages.iter().collect::<Vec<_>>());
        let rows = sqlx::query(
            "SELECT seq, size, parse_attempts FROM message \
             WHERE state = 'accepted' AND seq NOT IN (SELECT value FROM json_each(?1)) ORDER BY seq LIMIT ?2",
        )
        .bind(handed)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *self.conn)
        .await?;
        let mut begun = Vec::with_capacity(rows.len());
        let (mut budget, mut kind) = (Budget::default(), None);
        for row in rows {
            if !budget.takes(row.try_get("size")?) {
                break;
            }
            let attempts: i64 = row.try_get("parse_attempts")?;
            let company = together(attempts);
            if *kind.get_or_insert(company) != company || begun.len() >= company {
                break;
            }
            begun.push((row.try_get("seq")?, attempts >= i64::from(MAX_PARSE_ATTEMPTS)));
        }
        if begun.is_empty() {
            return Ok(begun);
        }
        let counted: Vec<i64> = begun.iter().filter(|(_, exhausted)| !exhausted).map(|(seq, _)| *seq).collect();
        sqlx::query(
            "UPDATE message SET parse_attempts = parse_attempts + 1 WHERE seq IN (SELECT value FROM json_each(?1))",
        )
        .bind(json(&counted))
        .execute(&mut *self.conn)
        .await?;
        self.taken.messages.extend(begun.iter().map(|(seq, _)| *seq));
        self.register.lock().messages.extend(begun.iter().map(|(seq, _)| *seq));
        Ok(begun)
    }

    /// Writes the decision on a message.
    pub(super) async fn plan(
        &mut self,
        id: &str,
        plan: &Plan,
        packed: &[Packed],
        now: Timestamp,
    ) -> Result<Reply, Halt> {
        let mut parts = [].as_slice();
        let (state, reason, deliveries) = match &plan.decision {
            Decision::Deliver(deliveries) if deliveries.is_empty() => {
                return Err(StoreError::conflict(format!("the plan of `{id}` names no delivery")).into());
            }
            Decision::Deliver(deliveries) => (MessageState::Routed, None, deliveries.as_slice()),
            Decision::Park(reason) => (MessageState::Parked, Some(reason.clone()), [].as_slice()),
            Decision::Filter { rule } => (MessageState::Filtered, Some(filtered_by(rule)), [].as_slice()),
            Decision::Split(split) if split.is_empty() || split.len() > MAX_PARTS => {
                let text = format!("the plan of `{id}` names {} parts, not 1 to {MAX_PARTS}", split.len());
                return Err(StoreError::conflict(text).into());
            }
            Decision::Split(split) => {
                parts = split.as_slice();
                (MessageState::Split, None, [].as_slice())
            }
        };
        let row = sqlx::query(
            "UPDATE message SET state = ?2, cause = ?3, reason = ?4, business_key = coalesce(?5, business_key), \
             site = coalesce(?6, site), document_type = coalesce(?7, document_type), delivery_count = ?8, \
             attributes = json_patch(attributes, ?9), part_count = ?10 \
             WHERE id = ?1 AND state = 'accepted' AND (?10 = 0 OR parent IS NULL) RETURNING seq, system",
        )
        .bind(id)
        .bind(state.as_str())
        .bind(reason.as_ref().map(|reason| reason.cause.as_str()))
        .bind(reason.as_ref().map(json))
        .bind(&plan.business_key)
        .bind(&plan.site)
        .bind(&plan.document_type)
        .bind(i64::try_from(deliveries.len()).unwrap_or(i64::MAX))
        .bind(json(&plan.attributes))
        .bind(i64::try_from(parts.len()).unwrap_or(i64::MAX))
        .fetch_optional(&mut *self.conn)
        .await?;
        let Some(row) = row else {
            let known: Option<String> = sqlx::query_scalar("SELECT state FROM message WHERE id = ?1")
                .bind(id)
                .fetch_optional(&mut *self.conn)
                .await?;
            return Err(Halt::Refused(match known {
                Some(state) => StoreError::conflict(format!("message `{id}` is {state}, it cannot be planned so")),
                None => StoreError::not_found(id),
            }));
        };
        let (seq, system): (i64, String) = (row.try_get("seq")?, row.try_get("system")?);
        for (position, delivery) in deliveries.iter().enumerate() {
            self.insert_delivery(seq, &system, position, delivery, now).await?;
        }
        let parts = self.insert_parts(seq, parts, packed).await?;
        self.ended.messages.insert(seq);
        // even without deliveries: later messages of the system may have waited for this plan
        self.woke = true;
        Ok(Reply::Planned(parts))
    }

    /// Accepts the documents of a message, in the places that follow it.
    async fn insert_parts(
        &mut self,
        parent: i64,
        parts: &[NewPart],
        packed: &[Packed],
    ) -> Result<Vec<Accepted>, sqlx::Error> {
        let row = SeqRow { first: parent + 1, step: 1, parent: Some(parent) };
        let new: Vec<(&NewMessage, &Packed)> = parts.iter().map(|part| &part.message).zip(packed).collect();
        let replies = self.insert(&new, row).await?;
        let mut accepted = Vec::with_capacity(parts.len());
        for (index, ((part, packed), reply)) in parts.iter().zip(packed).zip(replies).enumerate() {
            accepted.push(match reply {
                Ok(Reply::Accepted(known)) if known.outcome != AcceptOutcome::Conflict => known,
                Ok(Reply::Accepted(first)) => self.insert_parked(part, packed, &first.id, row.after(index)).await?,
                // an id used before: this insert fails, and the transaction with it
                _ => self.insert_parked(part, packed, "", row.after(index)).await?,
            });
        }
        let found: Vec<(usize, &Accepted)> = (1..).zip(&accepted).collect();
        let mut rest = found.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_of(rest.len()));
            rest = after;
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO part (parent, position, message, is_duplicate) ");
            insert.push_values(chunk, |mut row, (position, part)| {
                row.push_bind(parent)
                    .push_bind(i64::try_from(*position).unwrap_or(i64::MAX))
                    .push_bind(part.seq)
                    .push_bind(part.outcome == AcceptOutcome::Duplicate);
            });
            insert.build().execute(&mut *self.conn).await?;
        }
        Ok(accepted)
    }

    /// Stores a part without its key, which the message `first` has.
    async fn insert_parked(
        &mut self,
        part: &NewPart,
        packed: &Packed,
        first: &str,
        row: SeqRow,
    ) -> Result<Accepted, sqlx::Error> {
        let mut reason = part.conflict.clone();
        reason.text.push_str(&format!("; the first message is {first}"));
        let message = NewMessage { dedup_key: None, parked: Some(reason), ..part.message.clone() };
        let new = [(&message, packed)];
        let mut stored = HashMap::new();
        self.insert_messages(&new, row, false, &mut stored).await?;
        self.insert_payloads(&new, &stored).await?;
        Ok(Accepted { id: message.id, seq: row.first, outcome: AcceptOutcome::Conflict })
    }

    async fn insert_delivery(
        &mut self,
        message: i64,
        system: &str,
        position: usize,
        new: &NewDelivery,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let (mut state, mut due_at, mut wait_key, mut reason) = (DeliveryState::Planned, now, None, None);
        match &new.start {
            Start::Due { at } => due_at = *at,
            Start::Wait { key, reason: why } => {
                if !self.has_arrived(key).await? {
                    (state, wait_key, reason) = (DeliveryState::Waiting, Some(key.to_string()), Some(why.clone()));
                }
            }
            Start::Park { reason: why } => (state, reason) = (DeliveryState::Parked, Some(why.clone())),
            Start::Filter { rule } => (state, reason) = (DeliveryState::Filtered, Some(filtered_by(rule))),
        }
        let ordered = !new.lane.is_empty();
        let blocking = ordered
            && match state {
                DeliveryState::Planned | DeliveryState::Waiting => true,
                DeliveryState::Parked => new.blocks_when_parked,
                _ => false,
            };
        let seq: i64 = sqlx::query_scalar(
            "INSERT INTO delivery (id, message, position, system, route, destination, lane, blocks_when_parked, state, \
             due_at, blocking, ready, wait_key, cause, reason, created_at, finished_at, document, \
             output_planned) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) RETURNING seq",
        )
        .bind(&new.id)
        .bind(message)
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .bind(system)
        .bind(&new.route)
        .bind(&new.destination)
        .bind(&new.lane)
        .bind(new.blocks_when_parked)
        .bind(state.as_str())
        .bind(due_at.micros())
        .bind(blocking)
        .bind(!ordered && state == DeliveryState::Planned)
        .bind(wait_key)
        .bind(reason.as_ref().map(|reason| reason.cause.clone()))
        .bind(reason.as_ref().map(json))
        .bind(now.micros())
        .bind(state.is_final().then_some(now.micros()))
        .bind(&new.document)
        .bind(new.output.is_some())
        .fetch_one(&mut *self.conn)
        .await?;
        if let Some(output) = &new.output {
            self.insert_output(seq, output, &Packed::of(&output.bytes, COMPRESS_ABOVE)).await?;
        }
        if blocking {
            self.refresh_lane(&new.route, &new.destination, &new.lane).await?;
        }
        Ok(())
    }

    /// Whether what a delivery would wait for is there already.
    pub(super) async fn has_arrived(&mut self, key: &WaitKey) -> Result<bool, sqlx::Error> {
        let WaitKey::Xref(key) = key else { return Ok(false) };
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM xref \
             WHERE entity = ?1 AND source_system = ?2 AND source_id = ?3 AND target_system = ?4)",
        )
        .bind(&key.entity)
        .bind(&key.source_system)
        .bind(&key.source_id)
        .bind(&key.target_system)
        .fetch_one(&mut *self.conn)
        .await
    }
}

fn chunk_of(rows: usize) -> usize {
    CHUNKS.into_iter().find(|size| *size <= rows).unwrap_or(1)
}
