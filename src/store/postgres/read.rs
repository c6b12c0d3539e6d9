//! Reading: a pool of connections that cannot write, for the store itself and for commands beside running nodes.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{
    AssertSqlSafe, PgConnection, PgPool, Postgres, QueryBuilder, Row as _,
    postgres::{PgConnectOptions, PgRow},
};

use super::{
    PostgresConfig,
    fault::opening,
    link::{self, connect, options},
    node::Held,
    outbox::known_xrefs,
    row::{attempt_view, delivery_leased, delivery_view, digest, message_info, number, pause, word},
    schedule, schema, select,
};
use crate::{
    base::{Sha256, Timestamp},
    store::{
        ActView, AttemptView, Chosen, Counts, DeliveryCount, DeliveryState, KeptMapping, Leased, MappingFile,
        MappingVersion, MessageFilter, MessageInfo, MessageState, MessageSummary, MessageView, Output, Page, PartView,
        Pause, Reader, Run, Spot, Standing, StoreError, TypeCount, Verified, Work, XrefKey, code,
        codec::{Codec, unpack},
        health::{self, Health},
        shared::{self, FAULTS_TOLD},
    },
};

const READERS: u32 = 8;

/// Messages looked at together when only those of one standing are wanted.
const SIFTED: usize = 200;

macro_rules! message_columns {
    () => {
        "m.seq, m.id, m.system, m.document_type, m.site, m.dedup_key, m.sha256, m.size, m.content_type, m.transport, \
         m.received_at, m.attributes::text AS attributes, m.state, m.reason, m.parse_attempts, m.business_key, m.delivery_count, \
         (SELECT parent.id FROM message parent WHERE parent.seq = m.parent) AS parent_id, \
         (SELECT old.id FROM message old WHERE old.seq = m.edited_from) AS edited_id"
    };
}

const OUTPUT_COLUMNS: &str = "o.bytes AS output, o.codec AS output_codec, o.size AS output_size, o.sha256 AS output_sha256, o.content_type AS output_type, \
     o.document_type AS output_document, o.mapping_hash, o.notes";

/// A store opened for reading only; nodes may be writing at the same time.
#[derive(Clone)]
pub struct PostgresReader {
    pool: PgPool,
    health: Arc<Health>,
}

impl PostgresReader {
    /// Opens a store that some node has made.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there is none, or when its version is not this program's.
    pub async fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        let options = options(config)?;
        let mut conn = connect(&options).await.map_err(|error| opening(&error))?;
        let found = schema::version(&mut conn).await.map_err(|error| opening(&error))?;
        link::drop_hard(conn).await;
        schema::refuse_newer(found)?;
        let refuse = |text: String, hint: &str| Err(StoreError::refused(code::CANNOT_OPEN, text, hint));
        if found == 0 {
            return refuse("there is no journal yet: no hub has run with these settings".into(), "start one");
        }
        if found < schema::VERSION {
            let text =
                format!("the database has schema version {found}, this program reads version {}", schema::VERSION);
            return refuse(text, "start the hub once: it brings the database up to date");
        }
        Ok(Self::new(&options, Arc::new(Health::new())))
    }

    pub(super) fn new(options: &PgConnectOptions, health: Arc<Health>) -> Self {
        Self { pool: link::pool(options, READERS), health }
    }

    /// The pool, for listening.
    pub(super) fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    fn sql(&self, error: &sqlx::Error) -> StoreError {
        self.health.note_postgres(error)
    }

    /// Messages handed out, with their bytes, in accept order.
    pub(super) async fn works(&self, begun: &[(i64, bool)]) -> Result<Vec<Work>, StoreError> {
        let seqs: HashMap<i64, bool> = begun.iter().copied().collect();
        let rows = sqlx::query(concat!(
            "SELECT ",
            message_columns!(),
            ", p.bytes, p.codec FROM message m JOIN payload p ON p.message = m.seq \
             WHERE m.seq = ANY($1) ORDER BY m.seq"
        ))
        .bind(seqs.keys().copied().collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.sql(&error))?;
        let mut works = Vec::with_capacity(rows.len());
        for row in &rows {
            let message = message_info(row).map_err(|error| self.sql(&error))?;
            let bytes = self.payload(row, &message)?;
            let exhausted = seqs.get(&message.seq).copied().unwrap_or_default();
            works.push(Work { message, bytes, exhausted });
        }
        self.all_there(works.len(), begun.len())?;
        Ok(works)
    }

    /// Deliveries handed out, with message and output, in the order given.
    pub(super) async fn leased(&self, seqs: &[i64]) -> Result<Vec<(Leased, Held)>, StoreError> {
        let sql = format!(
            "SELECT {}, p.bytes, p.codec, {OUTPUT_COLUMNS}, d.id AS delivery_id, d.position, d.route, d.destination, d.document, d.lane, \
             d.attempts, d.tries, d.waived, (d.unknown_before OR d.sending \
             OR (o.delivery IS NOT NULL AND d.attempts = 0 AND NOT d.output_planned)) AS unknown_before, d.seq AS delivery_seq, d.lane_key \
             FROM unnest($1::bigint[]) WITH ORDINALITY AS j(seq, place) JOIN delivery d ON d.seq = j.seq \
             JOIN message m ON m.seq = d.message JOIN payload p ON p.message = m.seq \
             LEFT JOIN output o ON o.delivery = d.seq ORDER BY j.place",
            message_columns!()
        );
        let rows =
            sqlx::query(AssertSqlSafe(sql)).bind(seqs).fetch_all(&self.pool).await.map_err(|error| self.sql(&error))?;
        let mut leased = Vec::with_capacity(rows.len());
        for row in &rows {
            let message = message_info(row).map_err(|error| self.sql(&error))?;
            let bytes = self.payload(row, &message)?;
            let mut one = delivery_leased(row, message, bytes).map_err(|error| self.sql(&error))?;
            (one.output, _) = self.output(row, &one.id)?;
            let held = || -> Result<_, sqlx::Error> {
                Ok(Held {
                    seq: row.try_get("delivery_seq")?,
                    message: row.try_get("seq")?,
                    lane_key: row.try_get("lane_key")?,
                })
            };
            leased.push((one, held().map_err(|error| self.sql(&error))?));
        }
        self.all_there(leased.len(), seqs.len())?;
        Ok(leased)
    }

    /// A transaction that sees one moment.
    async fn snapshot(&self) -> Result<sqlx::Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    fn all_there(&self, found: usize, wanted: usize) -> Result<(), StoreError> {
        if found == wanted {
            return Ok(());
        }
        Err(self.health.note(health::failed(&format!("{wanted} rows were there, {found} could be read back"))))
    }

    fn payload(&self, row: &PgRow, message: &MessageInfo) -> Result<Bytes, StoreError> {
        let read = || -> Result<_, sqlx::Error> {
            let size = row.try_get::<i64, _>("size")?.unsigned_abs();
            Ok(unpack(row.try_get("codec")?, row.try_get("bytes")?, size, &message.sha256))
        };
        let bytes = read().map_err(|error| self.sql(&error))?;
        bytes.ok_or_else(|| self.health.note(health::corrupt("payload", &message.id)))
    }

    fn output(&self, row: &PgRow, id: &str) -> Result<(Option<Output>, Option<Sha256>), StoreError> {
        let read = || -> Result<_, sqlx::Error> {
            let Some(stored) = row.try_get::<Option<Vec<u8>>, _>("output")? else { return Ok(Some((None, None))) };
            let sha256 = digest(row, "output_sha256")?;
            let codec = row.try_get("output_codec")?;
            if Codec::of(codec) == Some(Codec::Removed) {
                return Ok(Some((None, Some(sha256))));
            }
            let size = row.try_get::<i64, _>("output_size")?.unsigned_abs();
            let Some(bytes) = unpack(codec, stored, size, &sha256) else { return Ok(None) };
            let output = Output {
                bytes,
                content_type: row.try_get("output_type")?,
                document_type: row.try_get("output_document")?,
                mapping_hash: row.try_get("mapping_hash")?,
                notes: row.try_get::<&str, _>("notes")?.lines().map(ToOwned::to_owned).collect(),
            };
            Ok(Some((Some(output), Some(sha256))))
        };
        let found = read().map_err(|error| self.sql(&error))?;
        found.ok_or_else(|| self.health.note(health::corrupt("output", id)))
    }

    async fn page(&self, filter: &MessageFilter, cursor: Option<i64>, limit: usize) -> Result<Page, sqlx::Error> {
        let mut select = matching(filter, cursor);
        select
            .push(" ORDER BY m.seq DESC LIMIT ")
            .push_bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        let mut snapshot = self.snapshot().await?;
        let mut rows = select.build().fetch_all(&mut *snapshot).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let size: i64 = row.try_get("size")?;
            let deliveries: i64 = row.try_get("delivery_count")?;
            items.push(MessageSummary {
                message: message_info(row)?,
                size: size.unsigned_abs(),
                deliveries: deliveries.unsigned_abs(),
                standing: Standing::Accepted,
            });
        }
        let seqs: Vec<i64> = items.iter().map(|item| item.message.seq).collect();
        let states = states(&mut snapshot, &seqs).await?;
        for item in &mut items {
            item.standing = standing(&item.message, &states);
        }
        let next = if more { seqs.last().copied() } else { None };
        Ok(Page { items, next })
    }

    async fn count(&self) -> Result<Counts, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT NULL AS route, NULL AS destination, state, count(*) AS count, \
             coalesce(sum(delivery_count), 0)::bigint AS planned, \
             count(*) FILTER (WHERE state = 'routed' AND delivery_count = 0 OR state = 'split' AND part_count = 0) \
             AS lost, coalesce(sum(part_count), 0)::bigint AS parts FROM message GROUP BY state UNION ALL \
             SELECT route, destination, state, count(*), 0, 0, 0 FROM delivery GROUP BY route, destination, state \
             UNION ALL SELECT NULL, NULL, NULL, count(*), 0, 0, 0 FROM part",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut counts = Counts::default();
        let (mut planned, mut lost, mut parts, mut parts_there) = (0, 0, 0, 0);
        for row in &rows {
            let count = row.try_get::<i64, _>("count")?.unsigned_abs();
            if let Some(route) = row.try_get("route")? {
                let destination = row.try_get("destination")?;
                let state = word(row, "state", DeliveryState::parse)?;
                counts.deliveries.push(DeliveryCount { route, destination, state, count });
                continue;
            }
            if row.try_get::<Option<&str>, _>("state")?.is_none() {
                parts_there = count;
                continue;
            }
            planned += row.try_get::<i64, _>("planned")?.unsigned_abs();
            parts += row.try_get::<i64, _>("parts")?.unsigned_abs();
            lost += row.try_get::<i64, _>("lost")?.unsigned_abs();
            counts.total += count;
            match word(row, "state", MessageState::parse)? {
                MessageState::Accepted => counts.accepted = count,
                MessageState::Routed => counts.routed = count,
                MessageState::Parked => counts.parked = count,
                MessageState::Filtered => counts.filtered = count,
                MessageState::Skipped => counts.skipped = count,
                MessageState::Split => counts.split = count,
            }
        }
        counts.sort();
        let there: u64 = counts.deliveries.iter().map(|delivery| delivery.count).sum();
        counts.planned = planned;
        counts.unaccounted = planned.abs_diff(there) + parts.abs_diff(parts_there) + lost;
        let rows =
            sqlx::query("SELECT route, destination, state, count FROM removed ORDER BY route, destination, state");
        for row in &rows.fetch_all(&self.pool).await? {
            let (route, count): (String, i64) = (row.try_get("route")?, row.try_get("count")?);
            let count = count.unsigned_abs();
            if route.is_empty() {
                counts.removed.messages += count;
                continue;
            }
            let (destination, state) = (row.try_get("destination")?, word(row, "state", DeliveryState::parse)?);
            counts.removed.deliveries.push(DeliveryCount { route, destination, state, count });
        }
        Ok(counts)
    }

    /// See [`crate::store::Store::next_due`].
    pub(super) async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar("SELECT min(due_at) FROM delivery WHERE ready AND due_at > $1")
            .bind(now.micros())
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.sql(&error))?;
        Ok(due.map(Timestamp))
    }

    async fn check_digests(
        &self,
        verified: &mut Verified,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), sqlx::Error> {
        const PAGE: i64 = 64;
        const QUERIES: [(&str, &str); 2] = [
            (
                "payload",
                "SELECT m.seq, m.id, m.sha256, m.size, p.codec, p.bytes FROM message m \
                 LEFT JOIN payload p ON p.message = m.seq \
                 WHERE m.seq > $1 AND (m.bytes_removed_at IS NULL OR p.bytes IS NOT NULL) ORDER BY m.seq LIMIT $2",
            ),
            (
                "output",
                "SELECT d.seq, d.id, o.sha256, o.size, o.codec, o.bytes FROM output o \
                 JOIN delivery d ON d.seq = o.delivery \
                 WHERE o.delivery > $1 AND o.codec <> 2 ORDER BY o.delivery LIMIT $2",
            ),
        ];
        for (what, sql) in QUERIES {
            let mut last = i64::MIN;
            loop {
                let rows = sqlx::query(sql).bind(last).bind(PAGE).fetch_all(&self.pool).await?;
                for row in &rows {
                    last = row.try_get("seq")?;
                    let id: &str = row.try_get("id")?;
                    verified.digests += 1;
                    let size = row.try_get::<i64, _>("size")?.unsigned_abs();
                    let sha256 = digest(row, "sha256")?;
                    let stored = row.try_get::<Option<Vec<u8>>, _>("bytes")?;
                    let codec = row.try_get::<Option<i64>, _>("codec")?.unwrap_or_default();
                    match stored.map(|stored| unpack(codec, stored, size, &sha256)) {
                        Some(Some(_)) => {}
                        Some(None) => verified.faults.push(format!("the {what} of `{id}` does not match its SHA-256")),
                        None => verified.faults.push(format!("the {what} of `{id}` is missing")),
                    }
                }
                progress(verified.digests);
                if rows.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Reader for PostgresReader {
    async fn close(&self) {
        self.pool.close().await;
    }

    async fn xrefs(&self, keys: &[XrefKey]) -> Result<Vec<Option<String>>, StoreError> {
        self.xrefs_at(keys, Timestamp(i64::MAX)).await
    }

    async fn xrefs_at(&self, keys: &[XrefKey], at: Timestamp) -> Result<Vec<Option<String>>, StoreError> {
        self.health.check()?;
        let keys: Vec<&XrefKey> = keys.iter().collect();
        let mut conn = self.pool.acquire().await.map_err(|error| self.sql(&error))?;
        known_xrefs(&mut conn, &keys, at).await.map_err(|error| self.sql(&error))
    }

    async fn mapping(&self, hash: &str) -> Result<Option<MappingVersion>, StoreError> {
        self.health.check()?;
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.file, v.text FROM mapping_chain c JOIN mapping_version v ON v.hash = c.version \
             WHERE c.hash = $1 ORDER BY c.position",
        )
        .bind(hash)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.sql(&error))?;
        let files: Vec<_> = rows.into_iter().map(|(file, text)| MappingFile { file, text }).collect();
        Ok((!files.is_empty()).then(|| MappingVersion { hash: hash.to_owned(), files }))
    }

    async fn mapping_versions(&self, hash: &str) -> Result<Vec<KeptMapping>, StoreError> {
        self.health.check()?;
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT hash, file, text, first_used FROM mapping_version WHERE starts_with(hash, $1) \
             ORDER BY first_used, hash",
        )
        .bind(hash)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.sql(&error))?;
        let kept = |(sha256, file, text, first_used): (String, String, String, i64)| KeptMapping {
            sha256,
            file: MappingFile { file, text },
            first_used: Timestamp(first_used),
        };
        Ok(rows.into_iter().map(kept).collect())
    }

    async fn message(&self, id: &str) -> Result<Option<MessageView>, StoreError> {
        self.health.check()?;
        // one transaction, so that message, deliveries and attempts are of one moment
        let mut snapshot = self.snapshot().await.map_err(|error| self.sql(&error))?;
        let row = sqlx::query(concat!(
            "SELECT ",
            message_columns!(),
            ", p.bytes, p.codec, m.bytes_removed_at FROM message m LEFT JOIN payload p ON p.message = m.seq \
             WHERE m.seq = coalesce((SELECT seq FROM message WHERE id = $1), \
             (SELECT message FROM delivery WHERE id = $1))"
        ))
        .bind(id)
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(|error| self.sql(&error))?;
        let Some(row) = row else { return Ok(None) };
        let message = message_info(&row).map_err(|error| self.sql(&error))?;
        let size = row.try_get::<i64, _>("size").map_err(|error| self.sql(&error))?.unsigned_abs();
        let removed: Option<i64> = row.try_get("bytes_removed_at").map_err(|error| self.sql(&error))?;
        let bytes_removed_at = removed.map(Timestamp);
        let bytes = if removed.is_none() { Some(self.payload(&row, &message)?) } else { None };
        let sql = format!(
            "SELECT d.*, {OUTPUT_COLUMNS}, (SELECT first.id FROM delivery first WHERE first.seq = d.replay_of) AS replay_id \
             FROM delivery d LEFT JOIN output o ON o.delivery = d.seq \
             WHERE d.message = $1 ORDER BY d.position"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(message.seq)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(|error| self.sql(&error))?;
        let attempts = sqlx::query(
            "SELECT a.* FROM attempt a JOIN delivery d ON d.seq = a.delivery WHERE d.message = $1 ORDER BY a.number",
        )
        .bind(message.seq)
        .fetch_all(&mut *snapshot)
        .await
        .map_err(|error| self.sql(&error))?;
        let mut tried: HashMap<i64, Vec<AttemptView>> = HashMap::new();
        for row in &attempts {
            let (delivery, attempt) = attempt_view(row).map_err(|error| self.sql(&error))?;
            tried.entry(delivery).or_default().push(attempt);
        }
        let mut deliveries = Vec::with_capacity(rows.len());
        for row in &rows {
            let (seq, mut view) = delivery_view(row).map_err(|error| self.sql(&error))?;
            (view.output, view.output_sha256) = self.output(row, &view.id)?;
            view.attempts = tried.remove(&seq).unwrap_or_default();
            deliveries.push(view);
        }
        let states: Vec<DeliveryState> = deliveries.iter().map(|delivery| delivery.standing()).collect();
        let standing = Standing::of(message.state, &states);
        let parts = match message.state {
            MessageState::Split => parts(&mut snapshot, message.seq).await.map_err(|error| self.sql(&error))?,
            _ => Vec::new(),
        };
        let edits = sqlx::query_scalar("SELECT id FROM message WHERE edited_from = $1 ORDER BY seq")
            .bind(message.seq)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(|error| self.sql(&error))?;
        let acts = select::acts_on(message.seq).build().fetch_all(&mut *snapshot).await;
        let acts = acts.and_then(|rows| rows.iter().map(select::act_view).collect());
        let acts = acts.map_err(|error| self.sql(&error))?;
        Ok(Some(MessageView { message, standing, size, bytes, bytes_removed_at, deliveries, parts, edits, acts }))
    }

    async fn messages(&self, filter: &MessageFilter, cursor: Option<i64>, limit: usize) -> Result<Page, StoreError> {
        self.health.check()?;
        let limit = limit.max(1);
        let Some(standing) = filter.standing else {
            return self.page(filter, cursor, limit).await.map_err(|error| self.sql(&error));
        };
        // A standing is computed from states, so pages are read and sifted until there are enough.
        let mut found = Page { items: Vec::new(), next: cursor };
        loop {
            let page = self.page(filter, found.next, limit.max(SIFTED)).await.map_err(|error| self.sql(&error))?;
            for item in page.items.into_iter().filter(|item| item.standing == standing) {
                if found.items.len() == limit {
                    found.next = found.items.last().map(|last: &MessageSummary| last.message.seq);
                    return Ok(found);
                }
                found.items.push(item);
            }
            found.next = page.next;
            if found.next.is_none() || found.items.len() == limit {
                return Ok(found);
            }
        }
    }

    async fn select(
        &self,
        filter: &MessageFilter,
        states: &[DeliveryState],
        after: Option<Spot>,
        limit: usize,
    ) -> Result<Vec<Chosen>, StoreError> {
        self.health.check()?;
        let rows = select::select(filter, states, after, limit).build().fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(select::chosen).collect()).map_err(|error| self.sql(&error))
    }

    async fn acts(&self, before: Option<i64>, limit: usize) -> Result<Vec<ActView>, StoreError> {
        self.health.check()?;
        let rows = select::acts(before, limit).build().fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(select::act_view).collect()).map_err(|error| self.sql(&error))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.health.check()?;
        self.count().await.map_err(|error| self.sql(&error))
    }

    async fn types(&self, since: Timestamp) -> Result<Vec<TypeCount>, StoreError> {
        self.health.check()?;
        let read = async {
            let rows = sqlx::query(
                "SELECT system, document_type, count(*) AS count, min(received_at) AS first, max(received_at) AS last \
                 FROM message WHERE received_at >= $1 AND state <> 'split' GROUP BY system, document_type \
                 ORDER BY system, document_type",
            )
            .bind(since.micros())
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(type_count).collect::<Result<Vec<_>, sqlx::Error>>()
        };
        read.await.map_err(|error| self.sql(&error))
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        self.health.check()?;
        let read = async {
            let rows = sqlx::query("SELECT * FROM pause ORDER BY destination, kind").fetch_all(&self.pool).await?;
            rows.iter().map(pause).collect::<Result<Vec<_>, sqlx::Error>>()
        };
        read.await.map_err(|error| self.sql(&error))
    }

    async fn runs(&self, schedule: &str, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.health.check()?;
        schedule::runs(&self.pool, schedule, limit).await.map_err(|error| self.sql(&error))
    }

    async fn mark(&self, source: &str) -> Result<Option<String>, StoreError> {
        self.health.check()?;
        schedule::mark(&self.pool, source).await.map_err(|error| self.sql(&error))
    }

    async fn verify(&self, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<Verified, StoreError> {
        self.health.check()?;
        let mut verified = Verified::default();
        self.check_digests(&mut verified, progress).await.map_err(|error| self.sql(&error))?;
        let unaccounted = self.count().await.map_err(|error| self.sql(&error))?.unaccounted;
        if unaccounted > 0 {
            verified.faults.push(format!("{unaccounted} planned deliveries or parts of split messages are not there"));
        }
        let incomplete = select::incomplete(FAULTS_TOLD).build_query_scalar::<String>().fetch_all(&self.pool).await;
        verified.faults.extend(incomplete.map_err(|error| self.sql(&error))?.iter().map(|id| shared::incomplete(id)));
        Ok(verified)
    }
}

/// The states of the deliveries of messages, by the messages' seq.
async fn states(conn: &mut PgConnection, messages: &[i64]) -> Result<HashMap<i64, Vec<DeliveryState>>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT DISTINCT message, CASE WHEN state = 'planned' AND cause IS NOT NULL THEN 'waiting' ELSE state END \
         AS state FROM delivery WHERE message = ANY($1)",
    )
    .bind(messages)
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<i64, Vec<DeliveryState>> = HashMap::new();
    for row in &rows {
        found.entry(row.try_get("message")?).or_default().push(word(row, "state", DeliveryState::parse)?);
    }
    Ok(found)
}

fn standing(message: &MessageInfo, states: &HashMap<i64, Vec<DeliveryState>>) -> Standing {
    Standing::of(message.state, states.get(&message.seq).map_or(&[][..], Vec::as_slice))
}

/// What the documents of a split message became.
async fn parts(conn: &mut PgConnection, parent: i64) -> Result<Vec<PartView>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        message_columns!(),
        ", p.position, p.is_duplicate FROM part p JOIN message m ON m.seq = p.message \
         WHERE p.parent = $1 ORDER BY p.position"
    ))
    .bind(parent)
    .fetch_all(&mut *conn)
    .await?;
    let mut parts = Vec::with_capacity(rows.len());
    for row in &rows {
        parts.push(PartView {
            position: number(row, "position")?,
            message: message_info(row)?,
            is_duplicate: row.try_get("is_duplicate")?,
            standing: Standing::Accepted,
        });
    }
    let seqs: Vec<i64> = parts.iter().map(|part| part.message.seq).collect();
    let states = states(conn, &seqs).await?;
    for part in &mut parts {
        part.standing = standing(&part.message, &states);
    }
    Ok(parts)
}

fn matching(filter: &MessageFilter, cursor: Option<i64>) -> QueryBuilder<Postgres> {
    let mut select = QueryBuilder::new(concat!("SELECT ", message_columns!(), " FROM message m WHERE true"));
    if let Some(cursor) = cursor {
        select.push(" AND m.seq < ").push_bind(cursor);
    }
    select::of_whole(&mut select, filter);
    select
}

fn type_count(row: &PgRow) -> Result<TypeCount, sqlx::Error> {
    Ok(TypeCount {
        system: row.try_get("system")?,
        document_type: row.try_get("document_type")?,
        count: row.try_get::<i64, _>("count")?.unsigned_abs(),
        first: Timestamp(row.try_get("first")?),
        last: Timestamp(row.try_get("last")?),
    })
}
