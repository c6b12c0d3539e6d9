//! Retention: takes finished things away, few at a time.
//!
//! Only what is final goes, and only what is complete: a message that lacks a delivery stays, so that the loss is seen.
//! What to take is found by place in accept order: moments grow with it, so the end is found by halving.

use std::collections::BTreeMap;

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

/// Unused pages that are always kept for new messages.
const SPARE: i64 = 4096;

/// A search by halving stops when so few places are left: the rows themselves decide then.
const NEAR: i64 = 1 << 20;

/// A message is finished before `?2`: final, with all its deliveries.
macro_rules! finished {
    ($m:literal) => {
        concat!(
            $m,
            ".received_at < ?2 AND ",
            $m,
            ".state IN ('routed', 'filtered', 'skipped', 'split') AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message = ",
            $m,
            ".seq AND (d.finished_at IS NULL OR d.finished_at >= ?2))"
        )
    };
}

/// A message is final, with all its deliveries.
macro_rules! over {
    ($m:literal) => {
        concat!(
            $m,
            ".state IN ('routed', 'filtered', 'skipped', 'split') AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message = ",
            $m,
            ".seq AND d.finished_at IS NULL)"
        )
    };
}

/// The key of a message is not in force any more. `?4`: the moment for most systems, `?5`: those of the others.
macro_rules! key_is_free {
    ($m:literal) => {
        concat!(
            "(",
            $m,
            ".dedup_key IS NULL OR ",
            $m,
            ".received_at < coalesce((SELECT j.value FROM json_each(?5) j WHERE j.key = ",
            $m,
            ".system), ?4))"
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
    "SELECT m.seq FROM payload b JOIN message m ON m.seq = b.message WHERE b.message < ?1 AND ",
    finished!("m"),
    " ORDER BY b.message LIMIT ?3"
);

/// Bound: end, before, limit, the moments of keys. A message goes with all its parts, or not at all.
const RECORDS: &str = concat!(
    "SELECT m.seq FROM message m WHERE m.seq < ?1 AND m.parent IS NULL AND ",
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
    ")) ORDER BY m.seq LIMIT ?3"
);

/// Bound: end, before, limit.
const ATTEMPTS: &str = "SELECT a.rowid FROM attempt a JOIN delivery d ON d.seq = a.delivery \
    WHERE a.rowid < ?1 AND a.ended_at < ?2 AND d.finished_at < ?2 ORDER BY a.rowid LIMIT ?3";

/// Where a place and its moment are read from when an end is searched.
#[derive(Clone, Copy)]
enum By {
    Message,
    Attempt,
}

impl By {
    /// The next row at or behind a place. Bound: place.
    const fn next(self) -> &'static str {
        match self {
            Self::Message => "SELECT seq, received_at FROM message WHERE seq >= ?1 ORDER BY seq LIMIT 1",
            Self::Attempt => "SELECT rowid, ended_at FROM attempt WHERE rowid >= ?1 ORDER BY rowid LIMIT 1",
        }
    }

    const fn last(self) -> &'static str {
        match self {
            Self::Message => "SELECT coalesce(max(seq), 0) FROM message",
            Self::Attempt => "SELECT coalesce(max(rowid), 0) FROM attempt",
        }
    }

    /// Places so near are not halved again.
    const fn near(self) -> i64 {
        match self {
            Self::Message => NEAR,
            Self::Attempt => 256,
        }
    }
}

impl Batch<'_> {
    /// Takes away at most `limit` of each kind.
    pub(super) async fn purge(&mut self, cut: &Cut, limit: usize, now: Timestamp) -> Result<Reply, Halt> {
        let mut purged = Purged::default();
        self.forget_keys(cut, &mut purged).await?;
        if let Some(before) = cut.payloads {
            let seqs = self.chosen(PAYLOADS, By::Message, before, limit, cut).await?;
            purged.more |= seqs.len() >= limit;
            purged.payloads = seqs.len() as u64;
            self.remove_payloads(&seqs, now).await?;
        }
        if let Some(before) = cut.attempts {
            let rows = self.chosen(ATTEMPTS, By::Attempt, before, limit, cut).await?;
            purged.more |= rows.len() >= limit;
            purged.attempts = rows.len() as u64;
            self.run("DELETE FROM attempt WHERE rowid IN (SELECT value FROM json_each(?1))", &json(&rows)).await?;
        }
        if let Some(before) = cut.records {
            let seqs = self.chosen(RECORDS, By::Message, before, limit, cut).await?;
            purged.more |= seqs.len() >= limit;
            purged.records = self.remove_records(&seqs).await?;
        }
        purged.more |= self.shrink().await?;
        Ok(Reply::Purged(purged))
    }

    /// Gives pages nobody uses back to the disk, few at a time; whether there are more. Some are kept for new messages.
    async fn shrink(&mut self) -> Result<bool, sqlx::Error> {
        let row =
            sqlx::query("SELECT f.freelist_count, p.page_count FROM pragma_freelist_count f, pragma_page_count p")
                .fetch_one(&mut *self.conn)
                .await?;
        let (unused, all): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if unused <= SPARE.max(all / 10) {
            return Ok(false);
        }
        sqlx::query("PRAGMA incremental_vacuum(1000)").execute(&mut *self.conn).await?;
        let left: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *self.conn).await?;
        // an older database was made without the way to do this
        Ok(left < unused)
    }

    /// The first place whose moment is not before `before`, or one not far behind it.
    async fn end(&mut self, by: By, before: Timestamp) -> Result<i64, sqlx::Error> {
        let last: i64 = sqlx::query_scalar(by.last()).fetch_one(&mut *self.conn).await?;
        let (mut low, mut high) = (0, last + 1);
        while high - low > by.near() {
            let middle = low + (high - low) / 2;
            let row = sqlx::query(by.next()).bind(middle).fetch_optional(&mut *self.conn).await?;
            match row {
                Some(row) if row.try_get::<i64, _>(1)? < before.micros() => low = row.try_get::<i64, _>(0)? + 1,
                _ => high = middle,
            }
        }
        Ok(high)
    }

    async fn chosen(
        &mut self,
        sql: &'static str,
        by: By,
        before: Timestamp,
        limit: usize,
        cut: &Cut,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let end = self.end(by, before).await?;
        let moment = |moment: &Option<Timestamp>| moment.map_or(i64::MIN, Timestamp::micros);
        let keys_of: BTreeMap<&String, i64> = cut.keys_of.iter().map(|(system, of)| (system, moment(of))).collect();
        sqlx::query_scalar(sql)
            .bind(end)
            .bind(before.micros())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(moment(&cut.keys))
            .bind(json(&keys_of))
            .fetch_all(&mut *self.conn)
            .await
    }

    /// A statement about a list, bound as JSON text.
    async fn run(&mut self, sql: &'static str, list: &str) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(sql).bind(list).execute(&mut *self.conn).await?.rows_affected())
    }

    async fn remove_payloads(&mut self, seqs: &[i64], now: Timestamp) -> Result<(), sqlx::Error> {
        if seqs.is_empty() {
            return Ok(());
        }
        let list = json(&seqs);
        self.run("DELETE FROM payload WHERE message IN (SELECT value FROM json_each(?1))", &list).await?;
        self.run(
            "UPDATE output SET codec = 2, bytes = x'' WHERE delivery IN \
             (SELECT d.seq FROM json_each(?1) j JOIN delivery d ON d.message = j.value)",
            &list,
        )
        .await?;
        sqlx::query("UPDATE message SET bytes_removed_at = ?2 WHERE seq IN (SELECT value FROM json_each(?1))")
            .bind(list)
            .bind(now.micros())
            .execute(&mut *self.conn)
            .await?;
        Ok(())
    }

    /// Removes messages with all that belongs to them, and counts them; how many, parts included.
    async fn remove_records(&mut self, seqs: &[i64]) -> Result<u64, sqlx::Error> {
        const ALL: &str = "SELECT seq FROM message WHERE seq IN (SELECT value FROM json_each(?1)) \
            UNION SELECT c.seq FROM json_each(?1) j JOIN message c ON c.parent = j.value";
        /// In an order in which nothing refers to what is gone; what goes with a message refers to its own only.
        const STEPS: [&str; 11] = [
            "INSERT INTO removed (route, destination, state, count) SELECT '', '', state, count(*) FROM message \
             WHERE seq IN (SELECT value FROM json_each(?1)) GROUP BY state \
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
            "INSERT INTO removed (route, destination, state, count) SELECT route, destination, state, count(*) \
             FROM delivery WHERE message IN (SELECT value FROM json_each(?1)) GROUP BY route, destination, state \
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
            "DELETE FROM act_on WHERE message IN (SELECT value FROM json_each(?1))",
            "UPDATE message SET edited_from = NULL WHERE edited_from IN (SELECT value FROM json_each(?1))",
            "DELETE FROM attempt WHERE delivery IN \
             (SELECT d.seq FROM json_each(?1) j JOIN delivery d ON d.message = j.value)",
            "DELETE FROM output WHERE delivery IN \
             (SELECT d.seq FROM json_each(?1) j JOIN delivery d ON d.message = j.value)",
            "UPDATE delivery SET replay_of = NULL WHERE replay_of IN \
             (SELECT d.seq FROM json_each(?1) j JOIN delivery d ON d.message = j.value)",
            "DELETE FROM delivery WHERE message IN (SELECT value FROM json_each(?1))",
            "DELETE FROM payload WHERE message IN (SELECT value FROM json_each(?1))",
            "DELETE FROM part WHERE parent IN (SELECT value FROM json_each(?1))",
            "DELETE FROM message WHERE parent IN (SELECT value FROM json_each(?1))",
        ];
        if seqs.is_empty() {
            return Ok(0);
        }
        let all: Vec<i64> = sqlx::query_scalar(ALL).bind(json(&seqs)).fetch_all(&mut *self.conn).await?;
        let list = json(&all);
        for step in STEPS {
            self.run(step, &list).await?;
        }
        self.run("DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?1))", &list).await?;
        Ok(all.len() as u64)
    }

    /// Goes on along the messages, and forgets the keys of finished ones that are old enough. One that is unfinished when
    /// it is passed keeps its key as long as it is there.
    async fn forget_keys(&mut self, cut: &Cut, purged: &mut Purged) -> Result<(), sqlx::Error> {
        let others: Vec<&String> = cut.keys_of.keys().collect();
        let mut groups: Vec<(String, Vec<&String>, Option<Timestamp>)> =
            cut.keys_of.iter().map(|(system, before)| (format!("keys:{system}"), vec![system], *before)).collect();
        groups.push(("keys".to_owned(), others, cut.keys));
        for (name, systems, before) in groups {
            let Some(before) = before else { continue };
            let known: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?1")
                .bind(&name)
                .fetch_optional(&mut *self.conn)
                .await?;
            let from: i64 = known.and_then(|text| text.parse().ok()).unwrap_or(0);
            let end = self.end(By::Message, before).await?;
            let to: Option<i64> = sqlx::query_scalar(
                "SELECT max(seq) FROM (SELECT seq FROM message WHERE seq > ?1 AND seq < ?2 AND received_at < ?3 \
                 ORDER BY seq LIMIT ?4)",
            )
            .bind(from)
            .bind(end)
            .bind(before.micros())
            .bind(KEYS_AT_ONCE)
            .fetch_one(&mut *self.conn)
            .await?;
            let Some(to) = to else { continue };
            let forgotten = sqlx::query(concat!(
                "UPDATE message AS m SET attributes = json_set(attributes, '$.former_key', dedup_key), dedup_key = NULL \
                 WHERE m.seq > ?1 AND m.seq <= ?3 AND m.dedup_key IS NOT NULL AND \
                 (m.system IN (SELECT value FROM json_each(?4))) = ?5 AND m.received_at < ?2 AND ",
                over!("m")
            ))
            .bind(from)
            .bind(before.micros())
            .bind(to)
            .bind(json(&systems))
            .bind(name != "keys")
            .execute(&mut *self.conn)
            .await?;
            purged.keys += forgotten.rows_affected();
            sqlx::query("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")
                .bind(name)
                .bind(to.to_string())
                .execute(&mut *self.conn)
                .await?;
            purged.more = true;
        }
        Ok(())
    }
}
