//! Messages in: accept, hand out for transformation, plan.

use std::collections::{HashMap, HashSet};

use sqlx::Row as _;

use super::{
    outbox::{NewRow, lane_key, wait_lock},
    writer::{Batch, Replies},
};
use crate::{
    base::Timestamp,
    store::{
        AcceptOutcome, Accepted, Decision, DeliveryState, MAX_PARSE_ATTEMPTS, MAX_PARTS, MessageState, NewDelivery,
        NewMessage, NewPart, Plan, Reason, Start, StoreError, WaitKey,
        codec::Packed,
        command::{Command, Halt, Reply, Request},
        shared::{Budget, Known, filtered_by, json, outcome, together},
    },
};

/// From one message to the next in accept order; the places between are for its parts and copies.
pub(super) const STEP: i64 = MAX_PARTS as i64 + 1;

/// Where new messages go in accept order.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// At the end.
    Last,
    /// After the message they are split off.
    After { parent: i64, first: i64 },
    /// In a place that is free.
    Behind { first: i64 },
}

/// What a plan does to its message.
struct Decided<'a> {
    at: usize,
    id: &'a str,
    plan: &'a Plan,
    now: Timestamp,
    state: MessageState,
    reason: Option<Reason>,
    deliveries: &'a [NewDelivery],
}

impl Batch<'_> {
    /// Executes the accepts among the requests, in their order.
    pub(super) async fn accept_all(&mut self, requests: &[Request], replies: &mut Replies) -> Result<(), sqlx::Error> {
        let (mut new, mut places) = (Vec::new(), Vec::new());
        for (at, request) in requests.iter().enumerate() {
            if let Command::Accept { new: message, packed } = &request.command {
                new.push((message, packed));
                places.push(at);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        for (at, accepted) in places.into_iter().zip(self.insert(&new, Place::Last).await?) {
            replies[at] = Some(accepted.map(Reply::Accepted));
        }
        Ok(())
    }

    /// Stores messages in the order given, and finds the first one of each key known already.
    async fn insert(
        &mut self,
        new: &[(&NewMessage, &Packed)],
        place: Place,
    ) -> Result<Vec<Result<Accepted, StoreError>>, sqlx::Error> {
        let stored = self.insert_messages(new, place, true).await?;
        let known = if stored.len() < new.len() { self.known(new).await? } else { HashMap::new() };
        Ok(new.iter().map(|(message, packed)| outcome(message, packed.sha256, &stored, &known)).collect())
    }

    pub(super) async fn insert_messages(
        &mut self,
        new: &[(&NewMessage, &Packed)],
        place: Place,
        skips_known: bool,
    ) -> Result<HashMap<String, i64>, sqlx::Error> {
        let texts = |of: fn(&NewMessage) -> &str| new.iter().map(|(message, _)| of(message)).collect::<Vec<_>>();
        let optional = |of: fn(&NewMessage) -> Option<&str>| new.iter().map(|(m, _)| of(m)).collect::<Vec<_>>();
        let state = |message: &NewMessage| match message.parked {
            Some(_) => MessageState::Parked.as_str(),
            None => MessageState::Accepted.as_str(),
        };
        let (parent, first) = match place {
            Place::Last => (None, None),
            Place::After { parent, first } => (Some(parent), Some(first)),
            Place::Behind { first } => (None, Some(first)),
        };
        let insert = concat!(
            "WITH new AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], ",
            "$6::bytea[], $7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], ",
            "$14::text[], $15::bytea[], $18::bigint[]) WITH ORDINALITY AS n(id, system, document_type, site, dedup_key, sha256, size, ",
            "content_type, transport, received_at, attributes, state, cause, reason, bytes, codec, place)), ",
            "stored AS (INSERT INTO message (seq, parent, id, system, document_type, site, dedup_key, sha256, size, ",
            "content_type, transport, received_at, attributes, state, cause, reason) ",
            "SELECT coalesce($17::bigint + place - 1, nextval('message_seq')), $16::bigint, id, system, document_type, ",
            "site, dedup_key, sha256, size, content_type, transport, received_at, attributes::jsonb, state, cause, reason ",
            "FROM (SELECT * FROM new ORDER BY place) AS ordered ",
        );
        let keep = concat!(
            "RETURNING seq, id), kept AS (INSERT INTO payload (message, codec, bytes) ",
            "SELECT stored.seq, new.codec, new.bytes FROM stored JOIN new USING (id) RETURNING message) ",
            "SELECT seq, id FROM stored",
        );
        let sql =
            if skips_known { joined(&[insert, "ON CONFLICT DO NOTHING ", keep]) } else { joined(&[insert, keep]) };
        let rows = sqlx::query(sql)
            .bind(texts(|message| &message.id))
            .bind(texts(|message| &message.system))
            .bind(texts(|message| &message.document_type))
            .bind(optional(|message| message.site.as_deref()))
            .bind(optional(|message| message.dedup_key.as_deref()))
            .bind(new.iter().map(|(_, packed)| packed.sha256.0.as_slice()).collect::<Vec<_>>())
            .bind(new.iter().map(|(_, packed)| i64::try_from(packed.size).unwrap_or(i64::MAX)).collect::<Vec<_>>())
            .bind(texts(|message| &message.content_type))
            .bind(texts(|message| message.transport.as_str()))
            .bind(new.iter().map(|(message, _)| message.received_at.micros()).collect::<Vec<_>>())
            .bind(new.iter().map(|(message, _)| json(&message.attributes)).collect::<Vec<_>>())
            .bind(new.iter().map(|(message, _)| state(message)).collect::<Vec<_>>())
            .bind(optional(|message| message.parked.as_ref().map(|reason| reason.cause.as_str())))
            .bind(new.iter().map(|(message, _)| message.parked.as_ref().map(json)).collect::<Vec<_>>())
            .bind(new.iter().map(|(_, packed)| &*packed.bytes).collect::<Vec<&[u8]>>())
            .bind(parent)
            .bind(first)
            .bind(new.iter().map(|(_, packed)| packed.codec.number()).collect::<Vec<_>>())
            .fetch_all(&mut *self.conn)
            .await?;
        let mut stored = HashMap::with_capacity(rows.len());
        for row in rows {
            stored.insert(row.try_get("id")?, row.try_get("seq")?);
        }
        self.woke |= !stored.is_empty();
        Ok(stored)
    }

    /// The first message of each (system, key).
    async fn known(&mut self, new: &[(&NewMessage, &Packed)]) -> Result<HashMap<(String, String), Known>, sqlx::Error> {
        let keyed: Vec<(&str, &str)> =
            new.iter().filter_map(|(m, _)| Some((m.system.as_str(), m.dedup_key.as_deref()?))).collect();
        let rows = sqlx::query(
            "SELECT m.seq, m.id, m.system, m.dedup_key, m.sha256 FROM unnest($1::text[], $2::text[]) AS k(system, key) \
             JOIN message m ON m.system = k.system AND m.dedup_key = k.key WHERE m.dedup_key IS NOT NULL",
        )
        .bind(keyed.iter().map(|(system, _)| *system).collect::<Vec<_>>())
        .bind(keyed.iter().map(|(_, key)| *key).collect::<Vec<_>>())
        .fetch_all(&mut *self.conn)
        .await?;
        let mut known = HashMap::new();
        for row in rows {
            let first = Known { seq: row.try_get("seq")?, id: row.try_get("id")?, sha256: row.try_get("sha256")? };
            known.insert((row.try_get("system")?, row.try_get("dedup_key")?), first);
        }
        Ok(known)
    }

    /// Picks the oldest accepted messages that no node has in hand.
    pub(super) async fn begin_transform(&mut self, limit: usize) -> Result<Vec<(i64, bool)>, Halt> {
        self.give_back().await?;
        let rows = sqlx::query(
            "SELECT m.seq, m.size, m.parse_attempts FROM message m WHERE m.state = 'accepted' \
             AND NOT EXISTS (SELECT 1 FROM work w WHERE w.message = m.seq) ORDER BY m.seq LIMIT $1 \
             FOR UPDATE OF m SKIP LOCKED",
        )
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
        let taken: HashSet<i64> = sqlx::query_scalar(
            "INSERT INTO work (message, node) SELECT unnest($1::bigint[]), $2 ON CONFLICT DO NOTHING RETURNING message",
        )
        .bind(begun.iter().map(|(seq, _)| *seq).collect::<Vec<_>>())
        .bind(self.me)
        .fetch_all(&mut *self.conn)
        .await?
        .into_iter()
        .collect();
        begun.retain(|(seq, _)| taken.contains(seq));
        Ok(begun)
    }

    /// Executes the plans among the requests, except those that split.
    pub(super) async fn plan_all(&mut self, requests: &[Request], replies: &mut Replies) -> Result<(), sqlx::Error> {
        let mut decided: Vec<Decided<'_>> = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            let Command::Plan { message, plan, now, .. } = &request.command else { continue };
            let (state, reason, deliveries) = match &plan.decision {
                Decision::Deliver(deliveries) if deliveries.is_empty() => {
                    let text = format!("the plan of `{message}` names no delivery");
                    replies[at] = Some(Err(StoreError::conflict(text)));
                    continue;
                }
                Decision::Deliver(deliveries) => (MessageState::Routed, None, deliveries.as_slice()),
                Decision::Park(reason) => (MessageState::Parked, Some(reason.clone()), [].as_slice()),
                Decision::Filter { rule } => (MessageState::Filtered, Some(filtered_by(rule)), [].as_slice()),
                Decision::Split(_) => continue,
            };
            decided.push(Decided { at, id: message, plan, now: *now, state, reason, deliveries });
        }
        if decided.is_empty() {
            return Ok(());
        }
        let planned = self.decide(&decided).await?;
        let mut rows = Vec::new();
        for decided in &decided {
            let Some((seq, system)) = planned.get(decided.id) else {
                replies[decided.at] = Some(Err(self.cannot_be_planned(decided.id).await?));
                continue;
            };
            replies[decided.at] = Some(Ok(Reply::Planned(Vec::new())));
            for (position, delivery) in (0..).zip(decided.deliveries) {
                rows.push(new_row(*seq, system, position, delivery, decided.now));
            }
        }
        self.insert_deliveries(rows).await?;
        // even without deliveries: later messages of the system may have waited for this plan
        self.woke |= !planned.is_empty();
        Ok(())
    }

    /// Writes decisions on accepted messages; seq and system of those that were taken.
    async fn decide(&mut self, decided: &[Decided<'_>]) -> Result<HashMap<String, (i64, String)>, sqlx::Error> {
        let plans = || decided.iter().map(|one| one.plan);
        let rows = sqlx::query(
            "UPDATE message m SET state = p.state, cause = p.cause, reason = p.reason, \
             business_key = coalesce(p.business_key, m.business_key), site = coalesce(p.site, m.site), \
             document_type = coalesce(p.document_type, m.document_type), delivery_count = p.delivery_count, \
             attributes = m.attributes || p.attributes::jsonb FROM unnest($1::text[], $2::text[], $3::text[], \
             $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[]) \
             AS p(id, state, cause, reason, business_key, site, document_type, delivery_count, attributes) \
             WHERE m.id = p.id AND m.state = 'accepted' RETURNING m.seq, m.id, m.system",
        )
        .bind(decided.iter().map(|one| one.id).collect::<Vec<_>>())
        .bind(decided.iter().map(|one| one.state.as_str()).collect::<Vec<_>>())
        .bind(decided.iter().map(|one| one.reason.as_ref().map(|reason| reason.cause.as_str())).collect::<Vec<_>>())
        .bind(decided.iter().map(|one| one.reason.as_ref().map(json)).collect::<Vec<_>>())
        .bind(plans().map(|plan| plan.business_key.as_deref()).collect::<Vec<_>>())
        .bind(plans().map(|plan| plan.site.as_deref()).collect::<Vec<_>>())
        .bind(plans().map(|plan| plan.document_type.as_deref()).collect::<Vec<_>>())
        .bind(decided.iter().map(|one| i64::try_from(one.deliveries.len()).unwrap_or(i64::MAX)).collect::<Vec<_>>())
        .bind(plans().map(|plan| json(&plan.attributes)).collect::<Vec<_>>())
        .fetch_all(&mut *self.conn)
        .await?;
        let mut planned = HashMap::with_capacity(rows.len());
        let mut seqs = Vec::with_capacity(rows.len());
        for row in rows {
            let seq: i64 = row.try_get("seq")?;
            seqs.push(seq);
            planned.insert(row.try_get("id")?, (seq, row.try_get("system")?));
        }
        self.end_work(&seqs).await?;
        Ok(planned)
    }

    async fn end_work(&mut self, messages: &[i64]) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM work WHERE message = ANY($1)").bind(messages).execute(&mut *self.conn).await?;
        Ok(())
    }

    /// Why a message takes no plan.
    async fn cannot_be_planned(&mut self, id: &str) -> Result<StoreError, sqlx::Error> {
        let known: Option<String> = sqlx::query_scalar("SELECT state FROM message WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *self.conn)
            .await?;
        Ok(match known {
            Some(state) => StoreError::conflict(format!("message `{id}` is {state}, it cannot be planned so")),
            None => StoreError::not_found(id),
        })
    }

    /// Writes the decision to split a message, and accepts its documents in the places that follow it.
    pub(super) async fn plan_split(&mut self, id: &str, plan: &Plan, packed: &[Packed]) -> Result<Reply, Halt> {
        let Decision::Split(parts) = &plan.decision else {
            return Err(StoreError::conflict(format!("the plan of `{id}` is not taken")).into());
        };
        if parts.is_empty() || parts.len() > MAX_PARTS {
            let text = format!("the plan of `{id}` names {} parts, not 1 to {MAX_PARTS}", parts.len());
            return Err(StoreError::conflict(text).into());
        }
        let seq: Option<i64> = sqlx::query_scalar(
            "UPDATE message SET state = 'split', business_key = coalesce($2, business_key), \
             site = coalesce($3, site), document_type = coalesce($4, document_type), part_count = $5, \
             attributes = attributes || $6::jsonb WHERE id = $1 AND state = 'accepted' AND parent IS NULL RETURNING seq",
        )
        .bind(id)
        .bind(&plan.business_key)
        .bind(&plan.site)
        .bind(&plan.document_type)
        .bind(i64::try_from(parts.len()).unwrap_or(i64::MAX))
        .bind(json(&plan.attributes))
        .fetch_optional(&mut *self.conn)
        .await?;
        let Some(seq) = seq else { return Err(self.cannot_be_planned(id).await?.into()) };
        self.end_work(&[seq]).await?;
        let accepted = self.insert_parts(seq, parts, packed).await?;
        self.woke = true;
        Ok(Reply::Planned(accepted))
    }

    async fn insert_parts(
        &mut self,
        parent: i64,
        parts: &[NewPart],
        packed: &[Packed],
    ) -> Result<Vec<Accepted>, sqlx::Error> {
        let new: Vec<(&NewMessage, &Packed)> = parts.iter().map(|part| &part.message).zip(packed).collect();
        let replies = self.insert(&new, Place::After { parent, first: parent + 1 }).await?;
        let mut accepted = Vec::with_capacity(parts.len());
        for (place, ((part, packed), reply)) in (parent + 1..).zip(parts.iter().zip(packed).zip(replies)) {
            accepted.push(match reply {
                Ok(known) if known.outcome != AcceptOutcome::Conflict => known,
                Ok(first) => self.insert_parked(part, packed, &first.id, parent, place).await?,
                // an id used before: this insert fails, and the transaction with it
                Err(_) => self.insert_parked(part, packed, "", parent, place).await?,
            });
        }
        sqlx::query(
            "INSERT INTO part (parent, position, message, is_duplicate) \
             SELECT $1, place, message, is_duplicate \
             FROM unnest($2::bigint[], $3::bool[]) WITH ORDINALITY AS p(message, is_duplicate, place)",
        )
        .bind(parent)
        .bind(accepted.iter().map(|part| part.seq).collect::<Vec<_>>())
        .bind(accepted.iter().map(|part| part.outcome == AcceptOutcome::Duplicate).collect::<Vec<_>>())
        .execute(&mut *self.conn)
        .await?;
        Ok(accepted)
    }

    /// Stores a part without its key, which the message `first` has.
    async fn insert_parked(
        &mut self,
        part: &NewPart,
        packed: &Packed,
        first: &str,
        parent: i64,
        place: i64,
    ) -> Result<Accepted, sqlx::Error> {
        let mut reason = part.conflict.clone();
        reason.text.push_str(&format!("; the first message is {first}"));
        let message = NewMessage { dedup_key: None, parked: Some(reason), ..part.message.clone() };
        let new = [(&message, packed)];
        self.insert_messages(&new, Place::After { parent, first: place }, false).await?;
        Ok(Accepted { id: message.id, seq: place, outcome: AcceptOutcome::Conflict })
    }

    /// Stores planned deliveries, and puts them in their lanes.
    async fn insert_deliveries(&mut self, mut rows: Vec<NewRow<'_>>) -> Result<(), sqlx::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let waits: Vec<WaitKey> = rows
            .iter()
            .filter_map(|row| match &row.new.start {
                Start::Wait { key, .. } => Some(key.clone()),
                _ => None,
            })
            .collect();
        let lanes: Vec<i64> = rows.iter().map(|row| row.lane_key).collect();
        self.lock(lanes.iter().copied().chain(waits.iter().map(wait_lock)).collect()).await?;
        let arrived = self.arrived(&waits).await?;
        for row in &mut rows {
            if let Start::Wait { key, .. } = &row.new.start
                && arrived.contains(&key.to_string())
            {
                (row.state, row.wait_key, row.reason) = (DeliveryState::Planned, None, None);
            }
        }
        self.insert_rows(&rows).await?;
        self.refresh_lanes(lanes).await
    }
}

fn new_row<'a>(message: i64, system: &str, position: i64, new: &'a NewDelivery, now: Timestamp) -> NewRow<'a> {
    let (mut state, mut due_at, mut wait_key, mut reason) = (DeliveryState::Planned, now, None, None);
    match &new.start {
        Start::Due { at } => due_at = *at,
        Start::Wait { key, reason: why } => {
            (state, wait_key, reason) = (DeliveryState::Waiting, Some(key.to_string()), Some(why.clone()));
        }
        Start::Park { reason: why } => (state, reason) = (DeliveryState::Parked, Some(why.clone())),
        Start::Filter { rule } => (state, reason) = (DeliveryState::Filtered, Some(filtered_by(rule))),
    }
    let lane_key = lane_key(&new.route, &new.destination, &new.lane);
    NewRow { message, system: system.to_owned(), position, new, lane_key, state, due_at, wait_key, reason, now }
}

/// Fixed texts as one statement.
pub(super) fn joined(texts: &[&'static str]) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(texts.concat())
}
