//! The database's tables: an ordered list of scripts, each applied once. Add the next at the end; never change one
//! that was released.

use sqlx::{Connection as _, SqliteConnection};

use crate::store::{StoreError, code};

const SCRIPTS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
    include_str!("schema_9.sql"),
];

/// The version this program reads and writes.
pub const VERSION: i64 = SCRIPTS.len() as i64;

/// The version of a database; 0 for an empty one.
pub async fn version(conn: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'")
        .fetch_one(&mut *conn)
        .await?;
    if known == 0 {
        return Ok(0);
    }
    let version: Option<String> =
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'schema_version'").fetch_optional(&mut *conn).await?;
    Ok(version.and_then(|text| text.parse().ok()).unwrap_or(i64::MAX))
}

/// Refuses a database that a newer program wrote.
pub fn refuse_newer(found: i64) -> Result<(), StoreError> {
    if found <= VERSION {
        return Ok(());
    }
    Err(StoreError::refused(
        code::NEWER_DATABASE,
        format!("the database has schema version {found}, this program knows versions up to {VERSION}"),
        "start the newer program again, or restore the backup made before the upgrade",
    ))
}

/// Applies the scripts a database lacks, all in one transaction, and returns the hub's id.
pub async fn migrate(conn: &mut SqliteConnection, found: i64, hub_id: &str) -> Result<String, sqlx::Error> {
    let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await?;
    for script in SCRIPTS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(*script).execute(&mut *transaction).await?;
    }
    sqlx::query("INSERT INTO meta (key, value) VALUES ('schema_version', ?1) ON CONFLICT DO UPDATE SET value = ?1")
        .bind(VERSION.to_string())
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO meta (key, value) VALUES ('hub_id', ?1) ON CONFLICT DO NOTHING")
        .bind(hub_id)
        .execute(&mut *transaction)
        .await?;
    let hub_id = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'hub_id'").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(hub_id)
}
