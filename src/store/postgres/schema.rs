//! The database's tables: an ordered list of scripts, each applied once. Add the next at the end; never change one
//! that was released.

use sqlx::{Connection as _, PgConnection};

use crate::store::{StoreError, code};

const SCRIPTS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// The version this program reads and writes.
pub const VERSION: i64 = SCRIPTS.len() as i64;

/// Nodes that start together bring the tables up to date one after the other.
const LOCK: i64 = 0x6372_6f73_7364_6f63;

/// The version of a database; 0 for an empty one.
pub async fn version(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let is_there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'meta')",
    )
    .fetch_one(&mut *conn)
    .await?;
    if !is_there {
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

/// Applies the scripts a database lacks, all in one transaction, and returns the version found and the hub's id. A
/// newer database is left alone.
pub async fn migrate(conn: &mut PgConnection, schema: &str, hub_id: &str) -> Result<(i64, String), sqlx::Error> {
    let mut transaction = conn.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(&mut *transaction)
        .await?;
    if !is_there {
        let quoted = schema.replace('"', "\"\"");
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA \"{quoted}\""))).execute(&mut *transaction).await?;
    }
    let found = version(&mut transaction).await?;
    if found > VERSION {
        return Ok((found, String::new()));
    }
    if found < VERSION {
        for script in SCRIPTS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            sqlx::raw_sql(*script).execute(&mut *transaction).await?;
        }
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES ('schema_version', $1), ('hub_id', $2) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.key = 'schema_version'",
        )
        .bind(VERSION.to_string())
        .bind(hub_id)
        .execute(&mut *transaction)
        .await?;
    }
    let hub_id = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'hub_id'").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok((found, hub_id))
}
