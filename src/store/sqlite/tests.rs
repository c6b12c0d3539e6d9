//! The contract for SQLite, and what only SQLite promises.

use std::{path::PathBuf, sync::Arc};

use futures_util::future::join_all;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{DATABASE, SqliteReader, SqliteStore, outbox, select};
use crate::{
    base::Timestamp,
    store::{
        AcceptOutcome, DeliveryState, MessageFilter, NewMessage, Reader as _, Store, StoreError,
        contract::{self, Place, contract_tests},
    },
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    async fn store(&self) -> SqliteStore {
        SqliteStore::open(self.0.path(), "hub-1").await.expect("opens")
    }

    fn database(&self) -> PathBuf {
        self.0.path().join(DATABASE)
    }

    /// A connection beside the store, as a careless person would open it.
    async fn raw(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.database()).connect().await.expect("opens")
    }
}

impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

contract_tests!(Folder::new());

#[tokio::test]
async fn a_second_open_is_refused_and_names_the_holder() {
    let folder = Folder::new();
    let store = folder.store().await;
    let second = SqliteStore::open(folder.0.path(), "hub-2").await;
    let Err(StoreError::Refused(problem)) = second else { panic!("must be refused") };
    assert_eq!(problem.code.id, "XD-J001");
    assert!(problem.text.contains(&std::process::id().to_string()), "{problem}");
    store.close().await;
    assert_eq!(folder.store().await.hub_id(), "hub-1", "a database keeps its id");
}

#[tokio::test]
async fn many_accepts_share_few_commits() {
    let folder = Folder::new();
    let store = folder.store().await;
    let answers = join_all((0..64).map(|n| store.accept(contract::message(&n.to_string())))).await;
    assert!(answers.iter().all(|one| one.as_ref().is_ok_and(|one| one.outcome == AcceptOutcome::New)));
    assert!(store.commits() < 16, "{} commits", store.commits());
    let order: Vec<i64> = answers.into_iter().map(|one| one.expect("accepted").seq).collect();
    assert!(order.is_sorted());
}

#[tokio::test]
async fn a_reader_sees_what_the_living_writer_commits() {
    let folder = Folder::new();
    let store = folder.store().await;
    let reader = SqliteReader::open(folder.0.path()).await.expect("opens");
    store.accept(contract::message("a")).await.expect("accepted");
    let view = reader.message("msg_a").await.expect("read").expect("there");
    assert_eq!(view.bytes.as_deref(), Some(&b"<order>a</order>"[..]));
    reader.close().await;
    store.close().await;
    let reader = SqliteReader::open(folder.0.path()).await.expect("opens without a daemon, too");
    assert_eq!(reader.counts().await.expect("read").total, 1);
}

#[tokio::test]
async fn a_flipped_byte_is_noticed_and_ends_the_store() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.accept(contract::message("a")).await.expect("accepted");
    store.accept(contract::message("b")).await.expect("accepted");
    let mut raw = folder.raw().await;
    sqlx::query("UPDATE payload SET bytes = CAST(replace(bytes, 'a<', 'x<') AS BLOB)")
        .execute(&mut raw)
        .await
        .expect("flipped");
    raw.close().await.expect("closed");
    let verified = store.verify(&|_| ()).await.expect("verified");
    assert_eq!(verified.faults, ["the payload of `msg_a` does not match its SHA-256"]);
    let read = store.begin_transform(Timestamp(1), 10).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    assert_eq!(store.failed().borrow().as_ref().expect("failed").code.id, "XD-J006");
    let after = store.accept(contract::message("c")).await;
    assert!(matches!(after, Err(StoreError::Failed(_))), "{after:?}");
}

#[tokio::test]
async fn large_payloads_take_little_room_and_a_flipped_byte_in_them_is_noticed() {
    let folder = Folder::new();
    let store = folder.store().await;
    let bytes = bytes::Bytes::from("<line>of an order</line>".repeat(1000));
    let size = i64::try_from(bytes.len()).expect("small");
    store.accept(NewMessage { bytes, ..contract::message("a") }).await.expect("accepted");
    let mut raw = folder.raw().await;
    let kept: i64 = sqlx::query_scalar("SELECT length(bytes) FROM payload").fetch_one(&mut raw).await.expect("read");
    assert!(kept < size / 50, "{kept} of {size}");
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
    sqlx::query("UPDATE payload SET bytes = CAST(substr(bytes, 1, 40) || x'00' || substr(bytes, 42) AS BLOB)")
        .execute(&mut raw)
        .await
        .expect("flipped");
    raw.close().await.expect("closed");
    let verified = store.verify(&|_| ()).await.expect("verified");
    assert_eq!(verified.faults, ["the payload of `msg_a` does not match its SHA-256"]);
    let read = store.message("msg_a").await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let folder = Folder::new();
    folder.store().await.close().await;
    let mut raw = folder.raw().await;
    sqlx::query("UPDATE meta SET value = '99' WHERE key = 'schema_version'").execute(&mut raw).await.expect("set");
    raw.close().await.expect("closed");
    let store = SqliteStore::open(folder.0.path(), "hub-1").await.err().expect("refused");
    let reader = SqliteReader::open(folder.0.path()).await.err().expect("refused");
    assert_eq!((store.problem().code.id, reader.problem().code.id), ("XD-J004", "XD-J004"));
}

#[tokio::test]
async fn something_that_is_no_database_is_not_opened() {
    let folder = Folder::new();
    let missing = SqliteReader::open(folder.0.path()).await.err().expect("nothing there");
    assert_eq!(missing.problem().code.id, "XD-J010");
    std::fs::write(folder.database(), vec![b'x'; 8192]).expect("written");
    let damaged = SqliteStore::open(folder.0.path(), "hub-1").await.err().expect("refused");
    assert!(matches!(damaged, StoreError::Failed(_)), "{damaged:?}");
}

#[tokio::test]
async fn what_was_handed_out_to_someone_gone_is_handed_out_again() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.accept(contract::message("a")).await.expect("accepted");
    // asked, then forgotten before the answer is there
    let mut asked = store.begin_transform(Timestamp(1), 10);
    assert!(futures_util::poll!(&mut asked).is_pending());
    drop(asked);
    // the writer answers in order, so the forgotten question is over when this one is answered
    store.accept(contract::message("b")).await.expect("accepted");
    // together or one after the other: the forgotten question may have seen both
    let mut handed = Vec::new();
    while handed.len() < 2 {
        let work = store.begin_transform(Timestamp(1), 10).await.expect("work");
        assert!(!work.is_empty(), "{handed:?}");
        handed.extend(work.into_iter().map(|work| work.message.id));
    }
    assert_eq!(handed, ["msg_a", "msg_b"]);
}

#[test]
fn a_store_whose_runtime_vanished_opens_again_with_everything_acknowledged() {
    let folder = Folder::new();
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let first = runtime();
    let store = first.block_on(async {
        let store = folder.store().await;
        store.accept(contract::message("a")).await.expect("accepted");
        store
    });
    first.shutdown_timeout(std::time::Duration::from_secs(5));
    assert_eq!(store.failed().borrow().as_ref().expect("failed").code.id, "XD-J005");
    drop(store);
    runtime().block_on(async {
        let store = folder.store().await;
        assert_eq!(store.begin_transform(Timestamp(1), 10).await.expect("work").len(), 1);
        store.close().await;
    });
}

#[tokio::test]
async fn leasing_walks_an_index_and_never_the_table() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut raw = folder.raw().await;
    for (sql, index) in [(outbox::LEASE_ANY, "delivery_due "), (outbox::LEASE_ONE, "delivery_due_by_destination ")] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = sqlx::query(explain).bind(1).bind("[]").bind(1).bind("x").fetch_all(&mut raw).await.expect("a plan");
        let steps: Vec<String> = rows.iter().map(|row| row.try_get("detail").expect("text")).collect();
        assert!(steps.iter().any(|step| step.starts_with("SEARCH d USING") && step.contains(index)), "{steps:?}");
        assert!(steps.iter().any(|step| step.contains("message_accepted_by_system")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.starts_with("SCAN d") || step.contains("TEMP B-TREE")), "{steps:?}");
    }
    raw.close().await.expect("closed");
    store.close().await;
}

#[tokio::test]
async fn one_lane_of_many_thousands_is_leased_from_its_head() {
    const MANY: i64 = 20_000;
    let folder = Folder::new();
    let store = folder.store().await;
    store.accept(contract::message("a")).await.expect("accepted");
    let mut raw = folder.raw().await;
    sqlx::raw_sql(
        "UPDATE message SET state = 'routed', delivery_count = 20000; \
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) \
         INSERT INTO delivery (id, message, position, system, route, destination, lane, blocks_when_parked, state, \
         due_at, blocking, ready, created_at) \
         SELECT 'dlv_' || i, (SELECT seq FROM message), i, 'crm', 'orders', 'u8', 'hot', 1, 'planned', 0, 1, i = 0, 0 FROM n",
    )
    .execute(&mut raw)
    .await
    .expect("inserted");
    raw.close().await.expect("closed");
    for head in 0..3 {
        let leased = store.lease(None, Timestamp(2), 100).await.expect("leased");
        assert_eq!((leased.len(), &*leased[0].id), (1, format!("dlv_{head}").as_str()));
        store.skip(&leased[0].id, &contract::decided("skip", "test"), Timestamp(2)).await.expect_err("being sent");
        let hold = crate::store::Hold::Filter { rule: "test".into() };
        store.hold(&leased[0].id, hold, Timestamp(2)).await.expect("filtered");
    }
    let counts = store.counts().await.expect("counts");
    assert_eq!(counts.deliveries.iter().map(|one| one.count as i64).sum::<i64>(), MANY);
    assert_eq!(counts.unaccounted, 0);
}

#[tokio::test]
async fn a_delivery_that_vanished_and_a_sum_that_lies_are_found() {
    let folder = Folder::new();
    let store = folder.store().await;
    for name in ["a", "b"] {
        contract::planned(&store, name, "").await;
    }
    let mut raw = folder.raw().await;
    sqlx::query("DELETE FROM delivery WHERE id = 'dlv_a'").execute(&mut raw).await.expect("deleted");
    assert_eq!(store.counts().await.expect("counts").unaccounted, 1);
    let faults = store.verify(&|_| ()).await.expect("verified").faults;
    let expected = [
        "1 planned deliveries or parts of split messages are not there",
        "message `msg_a` lacks a delivery or part it was planned to have",
    ];
    assert_eq!(faults, expected);
    sqlx::query("UPDATE delivery_tally SET delivered = delivered + 2").execute(&mut raw).await.expect("changed");
    raw.close().await.expect("closed");
    let faults = store.verify(&|_| ()).await.expect("verified").faults;
    assert!(
        faults[0].starts_with("2 deliveries by route `orders` to") && faults[0].ends_with("delivered, 0 are there")
    );
}

#[tokio::test]
async fn what_is_held_is_chosen_by_its_own_indexes() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut raw = folder.raw().await;
    let held = [DeliveryState::Waiting, DeliveryState::Parked];
    for (cause, index) in [(Some("code".to_owned()), "delivery_held "), (None, "delivery_held_in_order ")] {
        let filter = MessageFilter { held: cause, ..MessageFilter::default() };
        let query = select::select(&filter, &held, None, 10);
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", query.sql().as_str()));
        let rows = sqlx::query(explain).fetch_all(&mut raw).await.expect("a plan");
        let steps: Vec<String> = rows.iter().map(|row| row.try_get("detail").expect("text")).collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        assert!(!steps.iter().any(|step| step.starts_with("SCAN d ") || step.starts_with("SCAN m ")), "{steps:?}");
    }
    raw.close().await.expect("closed");
    store.close().await;
}
