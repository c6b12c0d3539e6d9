//! Deliveries out: lease, output, hold, record, and the order of lanes.
//!
//! Whoever changes what stands in a lane holds the lane's lock until it commits: only so can two nodes agree on which
//! delivery is its first.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use sqlx::Row as _;

use super::{
    journal::joined,
    node::Held,
    writer::{Batch, Replies},
};
use crate::{
    base::{Sha256, Timestamp},
    store::{
        COMPRESS_ABOVE, DeliveryState, Hold, MAX_RESPONSE_BYTES, MappingVersion, NewAttempt, NewDelivery, NewXref,
        Next, Output, Pause, PauseKind, Reason, Recorded, StoreError, WaitKey, XrefKey,
        codec::Packed,
        command::{Command, Halt, Reply, Request},
        shared::{Budget, filtered_by, json},
    },
};

macro_rules! lease_sql {
    ($only:literal) => {
        concat!(
            "SELECT d.seq, (SELECT s.size FROM message s WHERE s.seq = d.message) AS size ",
            "FROM delivery d WHERE d.ready AND d.due_at <= $1 ",
            $only,
            "AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.delivery = d.seq) ",
            "AND d.destination NOT IN (SELECT p.destination FROM pause p WHERE p.kind = 'gone') ",
            "AND (d.lane_key = 0 OR NOT EXISTS (SELECT 1 FROM message m ",
            "WHERE m.state = 'accepted' AND m.system = d.system AND m.seq < d.message)) ",
            "ORDER BY d.due_at, d.message, d.position LIMIT $2 FOR UPDATE OF d SKIP LOCKED"
        )
    };
}

/// Due deliveries of all destinations. Bound: now, limit.
pub const LEASE_ANY: &str = lease_sql!("");
/// Due deliveries of one destination. Bound: now, limit, destination.
pub const LEASE_ONE: &str = lease_sql!("AND d.destination = $3 ");

pub(super) const RELEASE: &str = "UPDATE delivery SET state = 'planned', due_at = least(due_at, $1), tries = 0, \
    blocking = (lane_key <> 0), ready = (lane_key = 0), wait_key = NULL, cause = NULL, reason = NULL, finished_at = NULL ";

/// The same by a person's decision.
pub(super) const RELEASE_BY_HAND: &str = "UPDATE delivery SET state = 'planned', due_at = least(due_at, $1), tries = 0, \
    blocking = (lane_key <> 0), ready = (lane_key = 0), waived = (waived OR coalesce(cause = 'calendar', false)), \
    wait_key = NULL, cause = NULL, reason = NULL, finished_at = NULL ";

/// The number of a lane; 0 for none. Two lanes with one number would wait for each other, and nothing worse.
pub fn lane_key(route: &str, destination: &str, lane: &str) -> i64 {
    if lane.is_empty() { 0 } else { key_of(&["lane", route, destination, lane]) }
}

/// The lock on something that deliveries wait for.
pub fn wait_lock(key: &WaitKey) -> i64 {
    key_of(&["wait", &key.to_string()])
}

fn key_of(parts: &[&str]) -> i64 {
    let digest = Sha256::of(json(&parts).as_bytes()).0;
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first).max(i64::MIN + 1) | 1
}

/// A delivery to be stored.
pub struct NewRow<'a> {
    pub message: i64,
    pub system: String,
    pub position: i64,
    pub new: &'a NewDelivery,
    pub lane_key: i64,
    pub state: DeliveryState,
    pub due_at: Timestamp,
    pub wait_key: Option<String>,
    pub reason: Option<Reason>,
    pub now: Timestamp,
}

/// A lease that ends, and how.
pub(super) struct Ending<'a> {
    pub(super) at: usize,
    pub(super) id: &'a str,
    pub(super) held: Held,
    pub(super) attempt: Option<&'a NewAttempt>,
    pub(super) change: Change,
    pub(super) xrefs: &'a [NewXref],
}

/// What a delivery becomes.
pub(super) struct Change {
    pub(super) state: DeliveryState,
    pub(super) due_at: Option<Timestamp>,
    pub(super) wait: Option<WaitKey>,
    pub(super) reason: Option<Reason>,
    /// Parked: the lane goes on, whatever the plan said.
    pub(super) frees_lane: bool,
    pub(super) now: Timestamp,
}

impl Change {
    pub(super) fn to(state: DeliveryState, now: Timestamp) -> Self {
        Self { state, due_at: None, wait: None, reason: None, frees_lane: false, now }
    }

    fn held(hold: &Hold, now: Timestamp) -> Self {
        let plain = Self::to(DeliveryState::Planned, now);
        match hold {
            Hold::Wait { key, reason } => {
                Self { state: DeliveryState::Waiting, wait: Some(key.clone()), reason: Some(reason.clone()), ..plain }
            }
            Hold::Park { reason } => Self { state: DeliveryState::Parked, reason: Some(reason.clone()), ..plain },
            Hold::Later { due_at, reason } => Self { due_at: Some(*due_at), reason: reason.clone(), ..plain },
            Hold::Filter { rule } => Self { state: DeliveryState::Filtered, reason: Some(filtered_by(rule)), ..plain },
        }
    }

    fn tried(next: &Next, now: Timestamp) -> Self {
        let plain = Self::to(DeliveryState::Planned, now);
        match next {
            Next::Delivered { .. } => Self { state: DeliveryState::Delivered, ..plain },
            Next::Retry { due_at } => Self { due_at: Some(*due_at), ..plain },
            Next::Park { reason, frees_lane } => {
                Self { state: DeliveryState::Parked, reason: Some(reason.clone()), frees_lane: *frees_lane, ..plain }
            }
        }
    }
}

impl Batch<'_> {
    /// Gives back what was handed out and reached nobody.
    pub(super) async fn give_back(&mut self) -> Result<(), sqlx::Error> {
        if self.given_back.is_some() {
            // what was handed out since in this very transaction must stay
            return Ok(());
        }
        let returned = self.node.returned().clone();
        for (sql, seqs) in [
            ("DELETE FROM claim WHERE delivery = ANY($1) AND node = $2", &returned.deliveries),
            ("DELETE FROM work WHERE message = ANY($1) AND node = $2", &returned.messages),
        ] {
            if !seqs.is_empty() {
                sqlx::query(sql).bind(seqs).bind(self.me).execute(&mut *self.conn).await?;
            }
        }
        self.given_back = Some(returned);
        Ok(())
    }

    /// Picks due deliveries that are first of their lane and that no node has in hand.
    pub(super) async fn lease(
        &mut self,
        destination: Option<&str>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<i64>, Halt> {
        self.give_back().await?;
        let query = sqlx::query(if destination.is_some() { LEASE_ONE } else { LEASE_ANY })
            .bind(now.micros())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let query = match destination {
            Some(destination) => query.bind(destination),
            None => query,
        };
        let rows = query.fetch_all(&mut *self.conn).await?;
        let (mut picked, mut budget): (Vec<i64>, _) = (Vec::with_capacity(rows.len()), Budget::default());
        for row in rows {
            if !budget.takes(row.try_get("size")?) {
                break;
            }
            picked.push(row.try_get("seq")?);
        }
        if picked.is_empty() {
            return Ok(picked);
        }
        let taken: HashSet<i64> = sqlx::query_scalar(
            "INSERT INTO claim (delivery, node) SELECT unnest($1::bigint[]), $2 ON CONFLICT DO NOTHING \
             RETURNING delivery",
        )
        .bind(&picked)
        .bind(self.me)
        .fetch_all(&mut *self.conn)
        .await?
        .into_iter()
        .collect();
        picked.retain(|seq| taken.contains(seq));
        Ok(picked)
    }

    /// Writes the outputs among the requests, each once.
    pub(super) async fn store_outputs(
        &mut self,
        requests: &[Request],
        replies: &mut Replies,
    ) -> Result<(), sqlx::Error> {
        let mut outputs = BTreeMap::new();
        for (at, request) in requests.iter().enumerate() {
            if let Command::StoreOutput { delivery, output, packed } = &request.command {
                outputs.insert(at, (delivery.as_str(), output, packed));
            }
        }
        if outputs.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = outputs.values().map(|(id, ..)| *id).collect();
        let rows: Vec<(String, i64, String, Option<Vec<u8>>)> = sqlx::query_as(
            "SELECT d.id, d.seq, d.state, o.sha256 FROM delivery d LEFT JOIN output o ON o.delivery = d.seq \
             WHERE d.id = ANY($1)",
        )
        .bind(ids)
        .fetch_all(&mut *self.conn)
        .await?;
        let found: HashMap<String, (i64, String, Option<Vec<u8>>)> =
            rows.into_iter().map(|(id, seq, state, sha256)| (id, (seq, state, sha256))).collect();
        let mut new: BTreeMap<i64, (&Output, Cow<'_, Packed>)> = BTreeMap::new();
        for (at, (id, output, packed)) in outputs {
            let refused = match found.get(id) {
                None => Some(StoreError::not_found(id)),
                Some((_, _, Some(known))) if *known == packed.sha256.0 => None,
                Some((_, _, Some(_))) => {
                    Some(StoreError::conflict(format!("delivery `{id}` has another output already")))
                }
                Some((_, state, None)) if DeliveryState::parse(state).is_none_or(DeliveryState::is_final) => {
                    Some(StoreError::conflict(format!("delivery `{id}` is {state}, it takes no output")))
                }
                Some((seq, _, None)) => {
                    new.insert(*seq, (output, Cow::Borrowed(packed)));
                    None
                }
            };
            replies[at] = Some(refused.map_or(Ok(Reply::Done), Err));
        }
        self.insert_outputs(&new).await
    }

    async fn insert_outputs(&mut self, new: &BTreeMap<i64, (&Output, Cow<'_, Packed>)>) -> Result<(), sqlx::Error> {
        if new.is_empty() {
            return Ok(());
        }
        let texts = |of: fn(&Output) -> &str| new.values().map(|(output, _)| of(output)).collect::<Vec<_>>();
        sqlx::query(
            "INSERT INTO output (delivery, sha256, content_type, document_type, mapping_hash, notes, bytes, codec, \
             size) SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], \
             $7::bytea[], $8::bigint[], $9::bigint[])",
        )
        .bind(new.keys().copied().collect::<Vec<_>>())
        .bind(new.values().map(|(_, packed)| packed.sha256.0.as_slice()).collect::<Vec<_>>())
        .bind(texts(|output| &output.content_type))
        .bind(texts(|output| &output.document_type))
        .bind(texts(|output| &output.mapping_hash))
        .bind(new.values().map(|(output, _)| output.notes.join("\n")).collect::<Vec<_>>())
        .bind(new.values().map(|(_, packed)| &*packed.bytes).collect::<Vec<&[u8]>>())
        .bind(new.values().map(|(_, packed)| packed.codec.number()).collect::<Vec<_>>())
        .bind(new.values().map(|(_, packed)| i64::try_from(packed.size).unwrap_or(i64::MAX)).collect::<Vec<_>>())
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }

    /// Keeps the texts behind a mapping hash.
    pub(super) async fn keep_mapping(&mut self, version: &MappingVersion, now: Timestamp) -> Result<Reply, Halt> {
        for (position, file) in version.files.iter().enumerate() {
            let hash = file.sha256().to_string();
            sqlx::query(
                "INSERT INTO mapping_version (hash, file, text, first_used) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(&hash)
            .bind(&file.file)
            .bind(&file.text)
            .bind(now.micros())
            .execute(&mut *self.conn)
            .await?;
            sqlx::query(
                "INSERT INTO mapping_chain (hash, position, file, version) VALUES ($1, $2, $3, $4) \
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

    /// Ends the leases among the requests, with or without an attempt.
    pub(super) async fn end_leases(&mut self, requests: &[Request], replies: &mut Replies) -> Result<(), sqlx::Error> {
        let mut endings: Vec<Ending<'_>> = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            let (id, attempt, change, xrefs): (_, _, _, &[NewXref]) = match &request.command {
                Command::Hold { delivery, hold, now } => (delivery, None, Change::held(hold, *now), &[]),
                Command::Record { delivery, attempt, next } => {
                    let xrefs = match next {
                        Next::Delivered { xrefs } => xrefs.as_slice(),
                        _ => &[],
                    };
                    (delivery, Some(attempt), Change::tried(next, attempt.ended_at), xrefs)
                }
                _ => continue,
            };
            let held = self.node.held().get(id.as_str()).copied();
            match held.filter(|_| endings.iter().all(|ending| ending.id != id)) {
                Some(held) => endings.push(Ending { at, id, held, attempt, change, xrefs }),
                None => replies[at] = Some(Err(self.not_leased(id).await?)),
            }
        }
        if endings.is_empty() {
            return Ok(());
        }
        let claimed: HashSet<i64> =
            sqlx::query_scalar("DELETE FROM claim WHERE delivery = ANY($1) AND node = $2 RETURNING delivery")
                .bind(endings.iter().map(|ending| ending.held.seq).collect::<Vec<_>>())
                .bind(self.me)
                .fetch_all(&mut *self.conn)
                .await?
                .into_iter()
                .collect();
        self.ended.extend(endings.iter().map(|ending| ending.id.to_owned()));
        let (mut endings, lost): (Vec<_>, Vec<_>) =
            endings.into_iter().partition(|ending| claimed.contains(&ending.held.seq));
        for ending in lost {
            replies[ending.at] = Some(Err(self.not_leased(ending.id).await?));
        }
        let waits: Vec<WaitKey> = endings.iter().filter_map(|ending| ending.change.wait.clone()).collect();
        let learnt = endings.iter().flat_map(|ending| ending.xrefs).map(|xref| WaitKey::Xref(xref.key.clone()));
        let lanes: Vec<i64> = endings.iter().map(|ending| ending.held.lane_key).collect();
        let locks = lanes.iter().copied().chain(waits.iter().map(wait_lock)).chain(learnt.map(|key| wait_lock(&key)));
        self.lock(locks.collect()).await?;
        let arrived = self.arrived(&waits).await?;
        for ending in &mut endings {
            if ending.change.wait.as_ref().is_some_and(|key| arrived.contains(&key.to_string())) {
                let now = ending.change.now;
                ending.change = Change { due_at: Some(now), ..Change::to(DeliveryState::Planned, now) };
            }
        }
        let numbers = self.change(&endings).await?;
        self.insert_attempts(&endings, &numbers).await?;
        self.overtake(&endings).await?;
        let mut lanes = lanes;
        for ending in &endings {
            let mut released = 0;
            for xref in ending.xrefs {
                released += self.learn(xref, ending.held.message, ending.change.now, &mut lanes).await?;
            }
            replies[ending.at] = Some(Ok(match (ending.attempt, numbers.get(&ending.held.seq)) {
                (Some(_), Some(number)) => Reply::Recorded(Recorded { number: *number, released }),
                _ => Reply::Done,
            }));
        }
        self.woke |= !endings.is_empty();
        self.refresh_lanes(lanes).await
    }

    /// Why a lease cannot end: there is none.
    async fn not_leased(&mut self, id: &str) -> Result<StoreError, sqlx::Error> {
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM delivery WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *self.conn)
            .await?;
        Ok(match state {
            Some(state) => StoreError::conflict(format!("delivery `{id}` is {state}, not leased by this node")),
            None => StoreError::not_found(id),
        })
    }

    /// Moves deliveries to their states; the number of attempts of each after it.
    pub(super) async fn change(&mut self, endings: &[Ending<'_>]) -> Result<HashMap<i64, u32>, sqlx::Error> {
        let changes = || endings.iter().map(|ending| &ending.change);
        let reasons = || changes().map(|change| change.reason.as_ref());
        let outcomes = endings.iter().map(|ending| ending.attempt.map(|attempt| attempt.outcome.as_str()));
        let finished = changes().map(|change| change.state.is_final().then_some(change.now.micros()));
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "UPDATE delivery d SET state = c.state, due_at = coalesce(c.due_at, d.due_at), \
             blocking = (d.lane_key <> 0 AND (c.state IN ('planned', 'waiting') \
             OR (c.state = 'parked' AND d.blocks_when_parked AND NOT c.frees_lane))), \
             ready = (d.lane_key = 0 AND c.state = 'planned'), wait_key = c.wait_key, cause = c.cause, \
             reason = c.reason, finished_at = c.finished_at, outcome = coalesce(c.outcome, d.outcome), \
             attempts = d.attempts + (c.outcome IS NOT NULL)::int, tries = d.tries + (c.outcome IS NOT NULL)::int, \
             unknown_before = d.unknown_before OR coalesce(c.outcome = 'unknown', false), \
             sending = d.sending AND c.outcome IS NULL \
             FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
             $8::text[], $9::bool[]) \
             AS c(seq, state, due_at, wait_key, cause, reason, finished_at, outcome, frees_lane) \
             WHERE d.seq = c.seq RETURNING d.seq, d.attempts",
        )
        .bind(endings.iter().map(|ending| ending.held.seq).collect::<Vec<_>>())
        .bind(changes().map(|change| change.state.as_str()).collect::<Vec<_>>())
        .bind(changes().map(|change| change.due_at.map(Timestamp::micros)).collect::<Vec<_>>())
        .bind(changes().map(|change| change.wait.as_ref().map(ToString::to_string)).collect::<Vec<_>>())
        .bind(reasons().map(|reason| reason.map(|reason| reason.cause.as_str())).collect::<Vec<_>>())
        .bind(reasons().map(|reason| reason.map(json)).collect::<Vec<_>>())
        .bind(finished.collect::<Vec<_>>())
        .bind(outcomes.collect::<Vec<_>>())
        .bind(changes().map(|change| change.frees_lane).collect::<Vec<_>>())
        .fetch_all(&mut *self.conn)
        .await?;
        Ok(rows.into_iter().map(|(seq, attempts)| (seq, attempts.try_into().unwrap_or(u32::MAX))).collect())
    }

    async fn insert_attempts(
        &mut self,
        endings: &[Ending<'_>],
        numbers: &HashMap<i64, u32>,
    ) -> Result<(), sqlx::Error> {
        let tried: Vec<(i64, u32, &NewAttempt)> = endings
            .iter()
            .filter_map(|ending| Some((ending.held.seq, *numbers.get(&ending.held.seq)?, ending.attempt?)))
            .collect();
        if tried.is_empty() {
            return Ok(());
        }
        let attempts = || tried.iter().map(|(_, _, attempt)| *attempt);
        let responses = attempts().map(|attempt| &attempt.response[..attempt.response.len().min(MAX_RESPONSE_BYTES)]);
        sqlx::query(
            "INSERT INTO attempt (delivery, number, id, started_at, ended_at, outcome, status, detail, response_type, \
             response) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], \
             $6::text[], $7::bigint[], $8::text[], $9::text[], $10::bytea[])",
        )
        .bind(tried.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>())
        .bind(tried.iter().map(|(_, number, _)| i64::from(*number)).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt.id.as_str()).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt.started_at.micros()).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt.ended_at.micros()).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt.outcome.as_str()).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt.status.map(i64::from)).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt.detail.as_str()).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt.response_type.as_str()).collect::<Vec<_>>())
        .bind(responses.collect::<Vec<&[u8]>>())
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }

    /// Marks the parked deliveries that those just sent have overtaken in their lanes.
    async fn overtake(&mut self, endings: &[Ending<'_>]) -> Result<(), sqlx::Error> {
        let sent: Vec<&Held> =
            endings.iter().filter(|one| one.attempt.is_some() && one.held.lane_key != 0).map(|one| &one.held).collect();
        if sent.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE delivery d SET overtaken = true FROM unnest($1::bigint[], $2::bigint[]) AS s(lane_key, seq) \
             JOIN delivery later ON later.seq = s.seq WHERE d.state = 'parked' AND d.lane_key <> 0 \
             AND NOT d.overtaken AND d.lane_key = s.lane_key \
             AND (d.message, d.position) < (later.message, later.position)",
        )
        .bind(sent.iter().map(|held| held.lane_key).collect::<Vec<_>>())
        .bind(sent.iter().map(|held| held.seq).collect::<Vec<_>>())
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }

    /// Notes that kept bytes are about to be sent.
    pub(super) async fn begin_attempt(&mut self, id: &str) -> Result<Reply, Halt> {
        let held = self.node.held().get(id).copied();
        let noted = sqlx::query(
            "UPDATE delivery SET sending = true WHERE seq = $1 \
             AND EXISTS (SELECT 1 FROM claim WHERE delivery = $1 AND node = $2)",
        )
        .bind(held.map_or(0, |held| held.seq))
        .bind(self.me)
        .execute(&mut *self.conn)
        .await?;
        if noted.rows_affected() == 0 {
            return Err(self.not_leased(id).await?.into());
        }
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
            "UPDATE delivery SET due_at = CASE tries WHEN 0 THEN $2 ELSE $3 END \
             WHERE ready AND destination = $1 AND due_at > $3 AND cause IS NULL",
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
            "INSERT INTO pause (destination, kind, since, until, address, reason) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (destination, kind) DO UPDATE SET since = $3, until = $4, address = $5, reason = $6",
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
        let ended = sqlx::query("DELETE FROM pause WHERE kind = $1 AND destination = coalesce($2, destination)")
            .bind(kind.as_str())
            .bind(destination)
            .execute(&mut *self.conn)
            .await?
            .rows_affected();
        self.woke |= ended > 0;
        Ok(ended)
    }

    /// Which of these cross references are there already, as wait keys in text.
    pub(super) async fn arrived(&mut self, keys: &[WaitKey]) -> Result<HashSet<String>, sqlx::Error> {
        let xrefs: Vec<&XrefKey> = keys
            .iter()
            .filter_map(|key| match key {
                WaitKey::Xref(key) => Some(key),
                WaitKey::Code { .. } | WaitKey::Period { .. } => None,
            })
            .collect();
        if xrefs.is_empty() {
            return Ok(HashSet::new());
        }
        let known = known_xrefs(&mut *self.conn, &xrefs, Timestamp(i64::MAX)).await?;
        let there = xrefs.into_iter().zip(known).filter(|(_, known)| known.is_some());
        Ok(there.map(|(key, _)| WaitKey::Xref(key.clone()).to_string()).collect())
    }

    /// Stores a cross reference and lets everything that waits for it go.
    async fn learn(
        &mut self,
        xref: &NewXref,
        message: i64,
        now: Timestamp,
        lanes: &mut Vec<i64>,
    ) -> Result<u64, sqlx::Error> {
        sqlx::query(
            "INSERT INTO xref (entity, source_system, source_id, target_system, target_id, message, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (entity, source_system, source_id, target_system) \
             DO UPDATE SET target_id = $5, message = $6, created_at = $7 WHERE xref.target_id <> $5",
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
        const WHERE: &str = "WHERE state = 'waiting' AND wait_key = $2 RETURNING lane_key";
        let key = WaitKey::Xref(xref.key.clone()).to_string();
        let released: Vec<i64> = sqlx::query_scalar(joined(&[RELEASE, WHERE]))
            .bind(now.micros())
            .bind(key)
            .fetch_all(&mut *self.conn)
            .await?;
        lanes.extend(&released);
        Ok(released.len() as u64)
    }

    /// Stores deliveries; their lanes must be locked, and refreshed afterwards.
    pub(super) async fn insert_rows(&mut self, rows: &[NewRow<'_>]) -> Result<(), sqlx::Error> {
        let blocks = |row: &NewRow<'_>| match row.state {
            DeliveryState::Planned | DeliveryState::Waiting => row.lane_key != 0,
            DeliveryState::Parked => row.lane_key != 0 && row.new.blocks_when_parked,
            _ => false,
        };
        let is_ready = |row: &NewRow<'_>| row.lane_key == 0 && row.state == DeliveryState::Planned;
        let texts = |of: fn(&NewDelivery) -> &str| rows.iter().map(|row| of(row.new)).collect::<Vec<_>>();
        let finished = rows.iter().map(|row| row.state.is_final().then_some(row.now.micros()));
        let seqs: Vec<(String, i64)> = sqlx::query_as(
            "INSERT INTO delivery (id, message, position, system, route, destination, document, lane, lane_key, \
             blocks_when_parked, state, due_at, blocking, ready, wait_key, cause, reason, created_at, finished_at, \
             output_planned) \
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], \
             $7::text[], $8::text[], $9::bigint[], $10::bool[], $11::text[], $12::bigint[], $13::bool[], $14::bool[], \
             $15::text[], $16::text[], $17::text[], $18::bigint[], $19::bigint[], $20::bool[]) RETURNING id, seq",
        )
        .bind(texts(|new| &new.id))
        .bind(rows.iter().map(|row| row.message).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.system.as_str()).collect::<Vec<_>>())
        .bind(texts(|new| &new.route))
        .bind(texts(|new| &new.destination))
        .bind(texts(|new| &new.document))
        .bind(texts(|new| &new.lane))
        .bind(rows.iter().map(|row| row.lane_key).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.new.blocks_when_parked).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.due_at.micros()).collect::<Vec<_>>())
        .bind(rows.iter().map(blocks).collect::<Vec<_>>())
        .bind(rows.iter().map(is_ready).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.wait_key.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.reason.as_ref().map(|reason| reason.cause.as_str())).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.reason.as_ref().map(json)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.now.micros()).collect::<Vec<_>>())
        .bind(finished.collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.new.output.is_some()).collect::<Vec<_>>())
        .fetch_all(&mut *self.conn)
        .await?;
        let seqs: HashMap<String, i64> = seqs.into_iter().collect();
        let outputs = rows.iter().filter_map(|row| {
            let output = row.new.output.as_ref()?;
            let packed = Packed::of(&output.bytes, COMPRESS_ABOVE);
            Some((*seqs.get(&row.new.id)?, (output, Cow::Owned(packed))))
        });
        self.insert_outputs(&outputs.collect()).await
    }

    /// Marks the first delivery of each lane as ready, if it is planned, and no other.
    pub(super) async fn refresh_lanes(&mut self, mut lanes: Vec<i64>) -> Result<(), sqlx::Error> {
        lanes.retain(|lane| *lane != 0);
        lanes.sort_unstable();
        lanes.dedup();
        if lanes.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "WITH first AS MATERIALIZED (SELECT head.seq, head.state FROM unnest($1::bigint[]) AS lane(key) \
             CROSS JOIN LATERAL (SELECT seq, state FROM delivery WHERE blocking AND lane_key = lane.key \
             ORDER BY message, position LIMIT 1) AS head), \
             later AS (UPDATE delivery SET ready = false WHERE ready AND lane_key <> 0 AND lane_key = ANY($1) \
             AND seq NOT IN (SELECT seq FROM first WHERE state = 'planned')) \
             UPDATE delivery d SET ready = true FROM first f \
             WHERE d.seq = f.seq AND f.state = 'planned' AND NOT d.ready",
        )
        .bind(&lanes)
        .execute(&mut *self.conn)
        .await?;
        Ok(())
    }
}

/// The target ids of cross references as known at a moment, in the order asked.
pub async fn known_xrefs(
    conn: &mut sqlx::PgConnection,
    keys: &[&XrefKey],
    at: Timestamp,
) -> Result<Vec<Option<String>>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT x.target_id FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY \
         AS k(entity, source_system, source_id, target_system, place) LEFT JOIN xref x ON x.entity = k.entity \
         AND x.source_system = k.source_system AND x.source_id = k.source_id AND x.target_system = k.target_system \
         AND x.created_at <= $5 ORDER BY k.place",
    )
    .bind(keys.iter().map(|key| key.entity.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.source_system.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.source_id.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.target_system.as_str()).collect::<Vec<_>>())
    .bind(at.micros())
    .fetch_all(conn)
    .await
}
