//! Connections: how they are set up, and what the server must promise.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::fault::{opening, timed_out};
use crate::{
    base::{Problem, Secret},
    store::{StoreError, code},
};

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long one transaction or question may take; a server that is silent for longer counts as gone.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The oldest server: it knows `pg_current_xact_id` (13).
const MIN_SERVER: i64 = 130_000;

/// Where the tables are.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`, with the options of libpq.
    pub url: Secret,
    /// The schema inside the database; made when it is missing.
    pub schema: String,
    /// What this process is called among the others on the store.
    pub node: String,
    /// Payloads and outputs of this size or more are kept compressed, when that makes them smaller.
    pub compress_above: usize,
}

/// What connections are made with.
///
/// # Errors
/// When the address cannot be read.
pub fn options(config: &PostgresConfig) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(config.url.expose()).map_err(|error| {
        StoreError::Refused(Box::new(
            Problem::new(code::CANNOT_OPEN, format!("`[store] url` cannot be read: {error}"))
                .hint("write postgres://user:password@host:5432/database"),
        ))
    })?;
    let name: String = format!("crossdock {}", config.node).chars().take(60).collect();
    Ok(options.application_name(&name).options([
        ("search_path", config.schema.as_str()),
        ("jit", "off"),
        // the tables begin empty: what the planner knows of them is old when it matters
        ("enable_seqscan", "off"),
        ("lock_timeout", "10s"),
        // a node that stops in the middle must not hold up the others
        ("idle_in_transaction_session_timeout", "10s"),
    ]))
}

/// One connection.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    tokio::time::timeout(CONNECT_WITHIN, options.connect()).await.unwrap_or_else(|_| Err(timed_out()))
}

/// A pool for reading.
pub fn pool(options: &PgConnectOptions, connections: u32) -> sqlx::PgPool {
    let options = options.clone().options([("default_transaction_read_only", "on"), ("enable_seqscan", "on")]);
    PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_WITHIN).connect_lazy_with(options)
}

/// Refuses a server that cannot keep what the store promises.
pub async fn check(conn: &mut PgConnection) -> Result<(), StoreError> {
    let row: (i64, String, String, String, String, bool) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::bigint, current_setting('fsync'), \
         current_setting('full_page_writes'), current_setting('synchronous_commit'), \
         current_setting('server_encoding'), pg_is_in_recovery()",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(|error| opening(&error))?;
    let (version, fsync, full_page_writes, synchronous_commit, encoding, is_standby) = row;
    let refuse = |text: String, hint: &str| Err(StoreError::refused(code::DATABASE_UNSAFE, text, hint));
    if version < MIN_SERVER {
        return refuse(format!("PostgreSQL {version} is too old; at least 13 is needed"), "upgrade the server");
    }
    if encoding != "UTF8" {
        return refuse(format!("the database's encoding is {encoding}"), "make one with `createdb --encoding UTF8`");
    }
    if is_standby {
        return refuse("the server is a standby and takes no changes".into(), "point `[store] url` at the primary");
    }
    for (setting, value) in [("fsync", &fsync), ("full_page_writes", &full_page_writes)] {
        if value != "on" {
            let text = format!("PostgreSQL runs with {setting} = {value}: a power cut would lose accepted messages");
            return refuse(text, "set it to on in postgresql.conf");
        }
    }
    if !["on", "remote_apply", "remote_write"].contains(&synchronous_commit.as_str()) {
        let text = format!("PostgreSQL commits with synchronous_commit = {synchronous_commit}");
        return refuse(text, "set it to on for this account: ALTER ROLE … SET synchronous_commit = on");
    }
    Ok(())
}

/// Closes a connection without waiting for the server.
pub async fn drop_hard(conn: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(1), conn.close_hard()).await;
}
