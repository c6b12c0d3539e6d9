//! What the machine itself allows, measured in the same run: rows flushed in groups, confirmed publications.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, sqlite::SqliteConnectOptions};
use tokio::runtime::Runtime;

use super::hub::Journal;

const SECONDS: Duration = Duration::from_secs(3);

/// Rows of a size written a second, `batch` of them in each flushed transaction, by one writer with nothing else to do.
pub fn rows(runtime: &Runtime, journal: &Journal, size: usize, batch: usize) -> f64 {
    let body = vec![b'x'; size];
    runtime.block_on(async {
        match journal {
            Journal::Sqlite => {
                let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).expect("a folder");
                let mut conn = SqliteConnectOptions::new()
                    .filename(folder.path().join("limit.db"))
                    .create_if_missing(true)
                    .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                    .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
                    .pragma("wal_autocheckpoint", "4000")
                    .connect()
                    .await
                    .expect("opens");
                sqlx::query("CREATE TABLE row (id INTEGER PRIMARY KEY, bytes BLOB)").execute(&mut conn).await.expect("made");
                let (began, mut written) = (Instant::now(), 0);
                while began.elapsed() < SECONDS {
                    sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.expect("begun");
                    for _ in 0..batch {
                        sqlx::query("INSERT INTO row (bytes) VALUES (?1)").bind(&body).execute(&mut conn).await.expect("in");
                    }
                    sqlx::query("COMMIT").execute(&mut conn).await.expect("flushed");
                    written += batch;
                }
                written as f64 / began.elapsed().as_secs_f64()
            }
            Journal::Postgres(url) => {
                let mut conn = PgConnection::connect(url).await.expect("a server");
                sqlx::raw_sql("DROP TABLE IF EXISTS bench_limit; CREATE TABLE bench_limit (id bigserial PRIMARY KEY, bytes bytea)")
                    .execute(&mut conn)
                    .await
                    .expect("made");
                let bodies = vec![body; batch];
                let (began, mut written) = (Instant::now(), 0);
                while began.elapsed() < SECONDS {
                    sqlx::query("INSERT INTO bench_limit (bytes) SELECT unnest($1::bytea[])")
                        .bind(&bodies)
                        .execute(&mut conn)
                        .await
                        .expect("flushed");
                    written += batch;
                }
                sqlx::raw_sql("DROP TABLE bench_limit").execute(&mut conn).await.expect("gone");
                written as f64 / began.elapsed().as_secs_f64()
            }
        }
    })
}

/// Messages of a size published persistently and confirmed a second, so many in flight, to a quorum queue.
pub fn confirms(runtime: &Runtime, url: &str, size: usize, window: usize) -> f64 {
    const ALL: usize = 20_000;
    runtime.block_on(async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let channel = connection.create_channel().await.expect("a channel");
        let queue = "bench-limit";
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("gone");
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), durable, arguments).await.expect("declared");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("selected");
        let body = vec![b'x'; size];
        let properties = BasicProperties::default().with_delivery_mode(2);
        let mut flight = FuturesUnordered::new();
        let began = Instant::now();
        for _ in 0..ALL {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sent = channel.basic_publish("".into(), queue.into(), options, &body, properties.clone()).await;
            flight.push(sent.expect("sent"));
            while flight.len() >= window {
                flight.next().await.expect("one").expect("confirmed");
            }
        }
        while let Some(confirmed) = flight.next().await {
            confirmed.expect("confirmed");
        }
        let rate = ALL as f64 / began.elapsed().as_secs_f64();
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("gone");
        rate
    })
}
