//! Retention: takes finished things away, few at a time.
//!
//! Only what is final goes, and only what is complete: a message that lacks a delivery stays, so that the loss is seen.
//! What to take is found by place in accept order: moments grow with it, so the end is found by halving. Nodes may purge
//! at the same time: each takes rows that no other holds.

use sqlx::Row as _;

use super::writer::Batch;
use crate::{
    base::Timestamp,
    store::{
        Cut, Purged,
        command::{Halt, Reply},
        shared::json,
    },
};

/// Places looked at for keys in one call.
const KEYS_AT_ONCE: i64 = 500;

/// A search by halving stops when so few places are left: the rows themselves decide then.
const NEAR: i64 = 1 << 20;

/// A message is finished before `$2`: final, with all its deliveries.
macro_rules! finished {
    ($m:literal) => {
        concat!(
            $m,
            ".received_at < $2 AND ",
            $m,
            ".state IN ('routed', 'filtered', 'skipped', 'split') AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message = ",
            $m,
            ".seq AND (d.finished_at IS NULL OR d.finished_at >= $2))"
        )
    };
}

/// The key of a message is not in force any more. `$4`: the moment for most systems, `$5`: those of the others.
macro_rules! key_is_free {
    ($m:literal) => {
        concat!(
            "(",
            $m,
            ".dedup_key IS NULL OR ",
            $m,
            ".received_at < coalesce(($5::jsonb ->> ",
            $m,
            ".system)::bigint, $4))"
        )
    };
}

/// A message has all its deliveries and parts, and no part of another message stands for it.
macro_rules! complete {
    ($m:literal) => {
        concat!(
            $m,
            ".delivery_count = (SELECT count(*) FROM delivery d WHERE d.message = ",
            $m,
            ".seq) AND ",
            $m,
            ".part_count = (SELECT count(*) FROM part p WHERE p.parent = ",
            $m,
            ".seq) AND NOT EXISTS (SELECT 1 FROM part p WHERE p.message = ",
            $m,
            ".seq AND p.parent <> coalesce(",
            $m,
            ".parent, ",
            $m,
            ".seq))"
        )
    };
}

/// Bound: end, before, limit.
const PAYLOADS: &str = concat!(
    "SELECT m.seq FROM payload b JOIN message m ON m.seq = b.message WHERE b.message < $1 AND ",
    finished!("m"),
    " ORDER BY b.message LIMIT $3 FOR UPDATE OF m SKIP LOCKED"
);

/// Bound: end, before, limit, the moments of keys. A message goes with all its parts, or not at all.
const RECORDS: &str = concat!(
    "SELECT m.seq FROM message m WHERE m.seq < $1 AND m.parent IS NULL AND ",
    key_is_free!("m"),
    " AND ",
    finished!("m"),
    " AND ",
    complete!("m"),
    " AND NOT EXISTS (SELECT 1 FROM message c WHERE c.parent = m.seq AND NOT (",
    key_is_free!("c"),
    " AND ",
    finished!("c"),
    " AND ",
    complete!("c"),
    ")) ORDER BY m.seq LIMIT $3 FOR UPDATE OF m SKIP LOCKED"
);

/// Bound: before, limit.
const ATTEMPTS: &str = "DELETE FROM attempt WHERE id IN (SELECT a.id FROM attempt a \
    JOIN delivery d ON d.seq = a.delivery WHERE a.ended_at < $1 AND d.finished_at < $1 \
    ORDER BY a.ended_at LIMIT $2 FOR UPDATE OF a SKIP LOCKED)";

impl Batch<'_> {
    /// Takes away at most `limit` of each kind.
    pub(super) async fn purge(&mut self, cut: &Cut, limit: usize, now: Timestamp) -> Result<Reply, Halt> {
        let mut purged = Purged::default();
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        self.forget_keys(cut, &mut purged).await?;
        if let Some(before) = cut.payloads {
            let end = self.end(before).await?;
            let chosen = sqlx::query_scalar(PAYLOADS).bind(end).bind(before.micros()).bind(most);
            let seqs: Vec<i64> = chosen.fetch_all(&mut *self.conn).await?;
            purged.more |= seqs.len() >= limit;
            purged.payloads = seqs.len() as u64;
            self.remove_payloads(&seqs, now).await?;
        }
        if let Some(before) = cut.attempts {
            let gone = sqlx::query(ATTEMPTS).bind(before.micros()).bind(most).execute(&mut *self.conn).await?;
            purged.attempts = gone.rows_affected();
            purged.more |= purged.attempts >= most.unsigned_abs();
        }
        if let Some(before) = cut.records {
            let end = self.end(before).await?;
            let moment = |moment: &Option<Timestamp>| moment.map_or(i64::MIN, Timestamp::micros);
            let keys_of: std::collections::BTreeMap<&String, i64> =
                cut.keys_of.iter().map(|(system, of)| (system, moment(of))).collect();
            let chosen = sqlx::query_scalar(RECORDS)
                .bind(end)
                .bind(before.micros())
                .bind(most)
                .bind(moment(&cut.keys))
                .bind(json(&keys_of));
            let seqs: Vec<i64> = chosen.fetch_all(&mut *self.conn).await?;
            purged.more |= seqs.len() >= limit;
            purged.records = self.remove_records(&seqs).await?;
        }
        Ok(Reply::Purged(purged))
    }

    /// The first place in accept order whose moment is not before `before`, or one not far behind it.
    async fn end(&mut self, before: Timestamp) -> Result<i64, sqlx::Error> {
        let last: i64 =
            sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM message").fetch_one(&mut *self.conn).await?;
        let (mut low, mut high) = (0, last + 1);
        while high - low > NEAR {
            let middle = low + (high - low) / 2;
            let row = sqlx::query("SELECT seq, received_at FROM message WHERE seq >= $1 ORDER BY seq LIMIT 1")
                .bind(middle)
                .fetch_optional(&mut *self.conn)
                .await?;
            match row {
                Some(row) if row.try_get::<i64, _>(1)? < before.micros() => low = row.try_get::<i64, _>(0)? + 1,
                _ => high = middle,
            }
        }
        Ok(high)
    }

    /// A statement about a list of places.
    async fn about(&mut self, sql: &'static str, seqs: &[i64]) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(sql).bind(seqs).execute(&mut *self.conn).await?.rows_affected())
    }

    async fn remove_payloads(&mut self, seqs: &[i64], now: Timestamp) -> Result<(), sqlx::Error> {
        if seqs.is_empty() {
            return Ok(());
        }
        self.about("DELETE FROM payload WHERE message = ANY($1)", seqs).await?;
        self.about(
            "UPDATE output o SET codec = 2, bytes = '' FROM delivery d WHERE d.seq = o.delivery AND d.message = ANY($1)",
            seqs,
        )
        .await?;
        sqlx::query("UPDATE message SET bytes_removed_at = $2 WHERE seq = ANY($1)")
            .bind(seqs)
            .bind(now.micros())
            .execute(&mut *self.conn)
            .await?;
        Ok(())
    }

    /// Removes messages with all that belongs to them, and counts them; how many, parts included.
    async fn remove_records(&mut self, seqs: &[i64]) -> Result<u64, sqlx::Error> {
        const STEPS: [&str; 11] = [
            "INSERT INTO removed (route, destination, state, count) SELECT '', '', state, count(*) FROM message \
             WHERE seq = ANY($1) GROUP BY state \
             ON CONFLICT (route, destination, state) DO UPDATE SET count = removed.count + excluded.count",
            "INSERT INTO removed (route, destination, state, count) SELECT route, destination, state, count(*) \
             FROM delivery WHERE message = ANY($1) GROUP BY route, destination, state \
             ON CONFLICT (route, destination, state) DO UPDATE SET count = removed.count + excluded.count",
            "DELETE FROM act_on WHERE message = ANY($1)",
            "UPDATE message SET edited_from = NULL WHERE edited_from = ANY($1)",
            "UPDATE delivery r SET replay_of = NULL FROM delivery d WHERE r.replay_of = d.seq AND d.message = ANY($1) \
             AND r.message <> ALL($1)",
            "DELETE FROM attempt a USING delivery d WHERE d.seq = a.delivery AND d.message = ANY($1)",
            "DELETE FROM output o USING delivery d WHERE d.seq = o.delivery AND d.message = ANY($1)",
            "DELETE FROM delivery WHERE message = ANY($1)",
            "DELETE FROM payload WHERE message = ANY($1)",
            "DELETE FROM part WHERE parent = ANY($1)",
            "DELETE FROM message WHERE seq = ANY($1)",
        ];
        if seqs.is_empty() {
            return Ok(0);
        }
        let all: Vec<i64> = sqlx::query_scalar("SELECT seq FROM message WHERE seq = ANY($1) OR parent = ANY($1)")
            .bind(seqs)
            .fetch_all(&mut *self.conn)
            .await?;
        for step in STEPS {
            self.about(step, &all).await?;
        }
        Ok(all.len() as u64)
    }

    /// Goes on along the messages, and forgets the keys of final ones that are old enough. One that is under way when it
    /// is passed keeps its key as long as it is there.
    async fn forget_keys(&mut self, cut: &Cut, purged: &mut Purged) -> Result<(), sqlx::Error> {
        let others: Vec<String> = cut.keys_of.keys().cloned().collect();
        let mut groups: Vec<(String, Vec<String>, Option<Timestamp>)> = cut
            .keys_of
            .iter()
            .map(|(system, before)| (format!("keys:{system}"), vec![system.clone()], *before))
            .collect();
        groups.push(("keys".to_owned(), others, cut.keys));
        for (name, systems, before) in groups {
            let Some(before) = before else { continue };
            let known: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE key = $1")
                .bind(&name)
                .fetch_optional(&mut *self.conn)
                .await?;
            let from: i64 = known.and_then(|text| text.parse().ok()).unwrap_or(0);
            let end = self.end(before).await?;
            let to: Option<i64> = sqlx::query_scalar(
                "SELECT max(seq) FROM (SELECT seq FROM message WHERE seq > $1 AND seq < $2 AND received_at < $3 \
                 ORDER BY seq LIMIT $4) AS passed",
            )
            .bind(from)
            .bind(end)
            .bind(before.micros())
            .bind(KEYS_AT_ONCE)
            .fetch_one(&mut *self.conn)
            .await?;
            let Some(to) = to else { continue };
            let forgotten = sqlx::query(
                "UPDATE message m SET attributes = attributes || jsonb_build_object('former_key', dedup_key), \
                 dedup_key = NULL WHERE m.seq > $1 AND m.seq <= $3 AND m.dedup_key IS NOT NULL \
                 AND (m.system = ANY($4)) = $5 AND m.received_at < $2 \
                 AND m.state IN ('routed', 'filtered', 'skipped', 'split') \
                 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message = m.seq AND d.finished_at IS NULL)",
            )
            .bind(from)
            .bind(before.micros())
            .bind(to)
            .bind(&systems)
            .bind(name != "keys")
            .execute(&mut *self.conn)
            .await?;
            purged.keys += forgotten.rows_affected();
            sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2")
                .bind(name)
                .bind(to.to_string())
                .execute(&mut *self.conn)
                .await?;
            purged.more = true;
        }
        Ok(())
    }
}
