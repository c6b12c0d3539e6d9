//! Databases as sources and destinations: SQLite in a file, and a real PostgreSQL.
//!
//! Needs `CROSSDOCK_TEST_POSTGRES` (an address); `make test` brings it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::service;
use async_trait::async_trait;
use bytes::Bytes;
use crossdock::{
    base::Secret,
    transport::{
        Access, Answer, Arrival, Egress, EgressConfig, Intake, Marks, Outgoing, Periodic as _, Readiness, Sink as _,
        SqlInConfig, SqlOutConfig, SqlSink, SqlSource, SqlStep, Verdict,
    },
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// One database to try both ways on.
struct Place {
    url: String,
    /// What the names of its tables begin with.
    prefix: &'static str,
    _folder: TempDir,
}

/// A SQLite file and a PostgreSQL database; `prefix` keeps tests apart.
fn places(prefix: &'static str) -> [Place; 2] {
    let folder = || tempfile::tempdir().expect("a folder");
    let file = folder();
    let sqlite = format!("sqlite:{}?mode=rwc", file.path().join("db").display());
    [
        Place { url: sqlite, prefix, _folder: file },
        Place { url: service("CROSSDOCK_TEST_POSTGRES"), prefix, _folder: folder() },
    ]
}

impl Place {
    fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    fn table(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    async fn run(&self, sql: &str) {
        let sql = sql.replace("{t}", self.prefix);
        if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("run");
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("a connection");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("run");
        }
    }

    /// The rows of a query of texts, columns joined by blanks.
    async fn rows(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.replace("{t}", self.prefix));
        let joined = |columns: Vec<String>| columns.join(" ");
        if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("rows");
            rows.iter().map(|row| joined((0..row.len()).map(|at| row.get(at)).collect())).collect()
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("a connection");
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("rows");
            rows.iter().map(|row| joined((0..row.len()).map(|at| row.get(at)).collect())).collect()
        }
    }
}

fn egress() -> Arc<Egress> {
    Arc::new(Egress::new(&EgressConfig::default()).expect("good settings"))
}

#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Marks for Kept {
    async fn mark(&self, source: &str) -> Result<Option<String>, String> {
        Ok(self.0.lock().expect("the marks").get(source).cloned())
    }

    async fn set_mark(&self, source: &str, value: &str) -> Result<(), String> {
        self.0.lock().expect("the marks").insert(source.to_owned(), value.to_owned());
        Ok(())
    }
}

/// Accepts as many as there is room for.
struct Fake {
    seen: Mutex<Vec<Arrival>>,
    room: Mutex<usize>,
}

impl Fake {
    fn new(room: usize) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), room: Mutex::new(room) })
    }

    fn bodies(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("the list");
        seen.iter().map(|one| String::from_utf8(one.bytes.to_vec()).expect("text")).collect()
    }
}

#[async_trait]
impl Intake for Fake {
    async fn accept(&self, arrival: Arrival) -> Verdict {
        let mut room = self.room.lock().expect("the room");
        if *room == 0 {
            return Verdict::Unavailable { retry_after: std::time::Duration::from_secs(3600) };
        }
        *room -= 1;
        self.seen.lock().expect("the list").push(arrival);
        Verdict::Accepted { message_id: "msg_1".to_owned(), duplicate: false }
    }

    fn authorize(&self, _: &str, _: Option<&Secret>) -> Access {
        Access::Denied
    }

    fn readiness(&self) -> Readiness {
        Readiness::Open
    }

    async fn status(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        None
    }
}

fn outgoing(delivery: &str, json: &str) -> Outgoing {
    Outgoing {
        delivery_id: delivery.to_owned(),
        message_id: "msg_1".to_owned(),
        attempt: 1,
        bytes: Bytes::from(json.to_owned()),
        content_type: "application/json".to_owned(),
        business_key: Some("SO-1".to_owned()),
        traceparent: None,
        document_type: "shop/order".to_owned(),
    }
}

#[tokio::test]
async fn sql_rows_become_messages_once_and_the_mark_moves_on() {
    for place in places("mark") {
        place.run("DROP TABLE IF EXISTS {t}_orders").await;
        place.run("CREATE TABLE {t}_orders (id INTEGER PRIMARY KEY, total NUMERIC(30,2), note TEXT)").await;
        place.run("INSERT INTO {t}_orders SELECT 1, 10.50, 'a\"b'").await;
        for id in 2..=7 {
            place.run(&format!("INSERT INTO {{t}}_orders SELECT {id}, {id}, NULL")).await;
        }
        let config = SqlInConfig {
            url: Secret::new(place.url.clone()),
            query: format!(
                "SELECT id, note FROM {} WHERE id > CAST(:mark AS INTEGER) ORDER BY id;",
                place.table("orders")
            ),
            mark: "id".to_owned(),
            start: "0".to_owned(),
            system: "dms".to_owned(),
            batch: 3,
            ..SqlInConfig::default()
        };
        let marks = Arc::new(Kept::default());
        let source = SqlSource::new(&config, &egress(), "dms/sql", marks.clone()).expect("good settings");
        let (full, stop) = (Fake::new(5), CancellationToken::new());
        let stopped = async {
            while full.seen.lock().expect("the list").len() < 5 {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(source.take_once(full.clone(), stop.clone()), stopped);
        assert!(ended.is_err(), "stopped while there was no room");
        assert_eq!(full.bodies()[0], r#"{"id":1,"note":"a\"b"}"#);
        let after = Fake::new(usize::MAX);
        source.take_once(after.clone(), CancellationToken::new()).await.expect("it ends well");
        let seen: Vec<String> = full.bodies().into_iter().chain(after.bodies()).collect();
        let ids: Vec<&str> = seen.iter().filter_map(|body| body.split([':', ',']).nth(1)).collect();
        assert!(["1", "2", "3", "4", "5", "6", "7"].iter().all(|id| ids.contains(id)), "{ids:?}");
        assert_eq!(marks.mark("dms/sql").await, Ok(Some("7".to_owned())));
        assert_eq!(
            after.seen.lock().expect("the list").last().and_then(|one| one.key.clone()).as_deref(),
            Some("sql:7/7")
        );
        let nothing = Fake::new(usize::MAX);
        source.take_once(nothing.clone(), CancellationToken::new()).await.expect("it ends well");
        assert!(nothing.bodies().is_empty());
    }
}

#[tokio::test]
async fn an_outbox_table_is_emptied_and_neighbouring_rows_can_be_one_message() {
    for place in places("outbox") {
        place.run("DROP TABLE IF EXISTS {t}_out").await;
        place.run("CREATE TABLE {t}_out (id INTEGER PRIMARY KEY, doc TEXT, sent INTEGER DEFAULT 0)").await;
        for (id, doc) in [(1, "A"), (2, "A"), (3, "B"), (4, "C"), (5, "C")] {
            place.run(&format!("INSERT INTO {{t}}_out (id, doc) VALUES ({id}, '{doc}')")).await;
        }
        let config = SqlInConfig {
            url: Secret::new(place.url.clone()),
            query: format!("SELECT id, doc FROM {} WHERE sent = 0 ORDER BY id", place.table("out")),
            key: "id".to_owned(),
            group: "doc".to_owned(),
            after: format!("UPDATE {} SET sent = 1 WHERE id = CAST(:key AS INTEGER)", place.table("out")),
            system: "dms".to_owned(),
            batch: 4,
            ..SqlInConfig::default()
        };
        let source = SqlSource::new(&config, &egress(), "dms/sql", Arc::new(Kept::default())).expect("good settings");
        let fake = Fake::new(usize::MAX);
        source.take_once(fake.clone(), CancellationToken::new()).await.expect("it ends well");
        let expected = [
            r#"{"rows":[{"id":1,"doc":"A"},{"id":2,"doc":"A"}]}"#,
            r#"{"rows":[{"id":3,"doc":"B"}]}"#,
            r#"{"rows":[{"id":4,"doc":"C"},{"id":5,"doc":"C"}]}"#,
        ];
        assert_eq!(fake.bodies(), expected);
        assert_eq!(place.rows("SELECT CAST(count(*) AS TEXT) FROM {t}_out WHERE sent = 0").await, ["0"]);
    }
}

#[tokio::test]
async fn a_delivery_is_written_wholly_and_once_into_a_database() {
    for place in places("written") {
        for table in ["orders", "lines", "ledger"] {
            place.run(&format!("DROP TABLE IF EXISTS {{t}}_{table}")).await;
        }
        place.run("CREATE TABLE {t}_orders (number TEXT PRIMARY KEY, total NUMERIC(30,10) CHECK (total < 1000000000000000000), count INTEGER)").await;
        place.run("CREATE TABLE {t}_lines (number TEXT, item TEXT, key TEXT)").await;
        let step = |each: &str, run: String| SqlStep { each: each.to_owned(), run };
        let orders = place.table("orders");
        let config = SqlOutConfig {
            url: Secret::new(place.url.clone()),
            statements: vec![
                step(
                    "",
                    format!(
                        "INSERT INTO {orders} (number, total, count) VALUES (:order.number, CAST(:order.total AS NUMERIC), 1) \
                         ON CONFLICT (number) DO UPDATE SET total = excluded.total, count = {orders}.count + 1"
                    ),
                ),
                step(
                    "order/lines",
                    format!("INSERT INTO {} VALUES (:order.number, :item, :business_key)", place.table("lines")),
                ),
            ],
            ledger: place.table("ledger"),
            declare: true,
            ..SqlOutConfig::default()
        };
        let sink = SqlSink::new(&config, &egress()).expect("good settings");
        let document = r#"{"order":{"number":"SO-1","total":12.5,"lines":[{"item":"x"},{"item":"y"}]}}"#;
        for _ in 0..3 {
            assert_eq!(sink.send(&outgoing("dlv_1", document)).await, Answer::Confirmed);
        }
        assert_eq!(sink.send(&outgoing("dlv_2", document)).await, Answer::Confirmed, "another delivery is an update");
        let orders = "SELECT number, CAST(count AS TEXT) FROM {t}_orders";
        assert_eq!(place.rows(orders).await, ["SO-1 2"]);
        let lines = "SELECT number, item, key FROM {t}_lines ORDER BY item";
        assert_eq!(place.rows(lines).await, ["SO-1 x SO-1", "SO-1 x SO-1", "SO-1 y SO-1", "SO-1 y SO-1"]);
        let refused = r#"{"order":{"number":"SO-2","total":9000000000000000000,"lines":[]}}"#;
        let answer = sink.send(&outgoing("dlv_3", refused)).await;
        assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
        assert_eq!(place.rows(orders).await, ["SO-1 2"]);
        let ledger = "SELECT delivery_id FROM {t}_ledger ORDER BY delivery_id";
        assert_eq!(place.rows(ledger).await, ["dlv_1", "dlv_2"]);
        let answer = sink.send(&outgoing("dlv_4", "no document")).await;
        assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
        assert_eq!(sink.send(&outgoing("dlv_3", document)).await, Answer::Confirmed, "nothing of it was noted");
    }
    let away = SqlOutConfig {
        url: Secret::new("postgres://u:hidden@127.0.0.1:1/db"),
        statements: vec![SqlStep { each: String::new(), run: "SELECT 1".to_owned() }],
        ..SqlOutConfig::default()
    };
    let answer = SqlSink::new(&away, &egress()).expect("good settings").send(&outgoing("dlv_1", "{}")).await;
    assert!(matches!(&answer, Answer::NotSent { why } if !why.contains("hidden")), "{answer:?}");
}
