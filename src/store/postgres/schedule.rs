//! Runs of schedules and marks of sources, as PostgreSQL keeps them.

use sqlx::{PgPool, Row as _, postgres::PgRow};

use super::writer::Batch;
use crate::{
    base::Timestamp,
    store::{
        Mark, NewRun, Run,
        command::{Halt, Reply},
    },
};

impl Batch<'_> {
    /// Begins a run, or takes over one that its node has left, unless its moment is past or another run stands.
    pub(super) async fn begin_run(&mut self, run: &NewRun) -> Result<Reply, Halt> {
        // nodes that begin runs of one schedule take turns
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))")
            .bind(&run.schedule)
            .execute(&mut *self.conn)
            .await?;
        let begun = sqlx::query(
            "INSERT INTO schedule_run (schedule, due_at, node, started_at, until) \
             SELECT $1, $2::bigint, $3, $4::bigint, $5::bigint \
             WHERE NOT EXISTS (SELECT 1 FROM schedule_run WHERE schedule = $1 AND (due_at > $2 \
             OR (due_at = $2 AND ended_at IS NOT NULL) OR (ended_at IS NULL AND until > $4))) \
             ON CONFLICT (schedule, due_at) DO UPDATE \
             SET node = excluded.node, started_at = excluded.started_at, until = excluded.until",
        )
        .bind(&run.schedule)
        .bind(run.due_at.micros())
        .bind(&run.node)
        .bind(run.started_at.micros())
        .bind(run.until.micros())
        .execute(&mut *self.conn)
        .await?;
        Ok(Reply::Changed(begun.rows_affected()))
    }

    /// Notes a sign of life.
    pub(super) async fn extend_run(&mut self, run: &NewRun, until: Timestamp) -> Result<Reply, Halt> {
        let changed = sqlx::query(
            "UPDATE schedule_run SET until = $4 WHERE schedule = $1 AND due_at = $2 AND node = $3 AND ended_at IS NULL",
        )
        .bind(&run.schedule)
        .bind(run.due_at.micros())
        .bind(&run.node)
        .bind(until.micros())
        .execute(&mut *self.conn)
        .await?;
        Ok(Reply::Changed(changed.rows_affected()))
    }

    /// Ends a run.
    pub(super) async fn end_run(&mut self, run: &NewRun, failure: Option<&str>, now: Timestamp) -> Result<Reply, Halt> {
        let changed = sqlx::query(
            "UPDATE schedule_run SET ended_at = $4, failure = $5 \
             WHERE schedule = $1 AND due_at = $2 AND node = $3 AND ended_at IS NULL",
        )
        .bind(&run.schedule)
        .bind(run.due_at.micros())
        .bind(&run.node)
        .bind(now.micros())
        .bind(failure)
        .execute(&mut *self.conn)
        .await?;
        Ok(Reply::Changed(changed.rows_affected()))
    }

    /// Notes how far a source has read.
    pub(super) async fn set_mark(&mut self, mark: &Mark, now: Timestamp) -> Result<Reply, Halt> {
        let changed = sqlx::query(
            "INSERT INTO mark (source, value, changed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (source) DO UPDATE SET value = $2, changed_at = $3",
        )
        .bind(&mark.source)
        .bind(&mark.value)
        .bind(now.micros())
        .execute(&mut *self.conn)
        .await?;
        Ok(Reply::Changed(changed.rows_affected()))
    }
}

/// The runs of a schedule, the last one first.
pub(super) async fn runs(pool: &PgPool, schedule: &str, limit: usize) -> Result<Vec<Run>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM schedule_run WHERE schedule = $1 ORDER BY due_at DESC LIMIT $2")
        .bind(schedule)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    rows.iter().map(run).collect()
}

/// How far a source has read.
pub(super) async fn mark(pool: &PgPool, source: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM mark WHERE source = $1").bind(source).fetch_optional(pool).await
}

fn run(row: &PgRow) -> Result<Run, sqlx::Error> {
    Ok(Run {
        schedule: row.try_get("schedule")?,
        due_at: row.try_get("due_at").map(Timestamp)?,
        node: row.try_get("node")?,
        started_at: row.try_get("started_at").map(Timestamp)?,
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
        failure: row.try_get("failure")?,
    })
}
