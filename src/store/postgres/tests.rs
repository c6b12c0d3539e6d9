//! The contract for PostgreSQL, and what only it promises. They need a server: `make test` brings one.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection};

use super::{PostgresConfig, PostgresReader, PostgresStore};
use crate::{
    base::{Secret, Timestamp},
    store::{
        AcceptOutcome, AttemptOutcome, COMPRESS_ABOVE, Next, Reader as _, Store, StoreError,
        contract::{self, Place, contract_tests},
    },
};

const NOW: Timestamp = Timestamp(1_000_000);

/// A schema of its own in the test server's database.
struct Schema(PostgresConfig);

impl Schema {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(PostgresConfig {
            url: Secret::new(server()),
            schema: format!("contract_{}_{number}_{}", std::process::id(), fastrand::u32(..)),
            node: "one".into(),
            compress_above: COMPRESS_ABOVE,
        })
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.0, "hub-1").await.expect("opens")
    }

    /// The same store as another node has it.
    async fn node(&self, name: &str) -> PostgresStore {
        let config = PostgresConfig { node: name.into(), ..self.0.clone() };
        PostgresStore::open(&config, "hub-2").await.expect("opens")
    }

    /// A connection beside the nodes.
    async fn raw(&self) -> PgConnection {
        let mut conn = PgConnection::connect(self.0.url.expose()).await.expect("connects");
        let path = sqlx::AssertSqlSafe(format!("SET search_path = {}", self.0.schema));
        sqlx::query(path).execute(&mut conn).await.expect("set");
        conn
    }
}

#[expect(clippy::disallowed_methods, reason = "where the test server is")]
fn server() -> String {
    std::env::var("CROSSDOCK_TEST_POSTGRES").expect("CROSSDOCK_TEST_POSTGRES is set: run `make test`")
}

impl Place for Schema {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

contract_tests!(Schema::new());

fn delivered(name: &str) -> (String, crate::store::NewAttempt, Next) {
    let attempt = contract::attempt(&format!("{name}_{}", fastrand::u64(..)), AttemptOutcome::Delivered);
    (format!("dlv_{name}"), attempt, Next::Delivered { xrefs: vec![] })
}

/// Asks again whenever there may be news, until there is an answer.
async fn eventually<T>(store: &PostgresStore, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut changed = store.changed();
    let found = async {
        loop {
            changed.mark_unchanged();
            if let Some(found) = ask().await {
                return found;
            }
            changed.changed().await.expect("the node lives");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("within 30 s")
}

#[tokio::test]
async fn many_accepts_share_few_commits() {
    let schema = Schema::new();
    let store = schema.store().await;
    let answers = join_all((0..100).map(|n| store.accept(contract::message(&n.to_string())))).await;
    assert!(answers.iter().all(|one| one.as_ref().is_ok_and(|one| one.outcome == AcceptOutcome::New)));
    assert!(store.commits() < 20, "{} commits", store.commits());
    let order: Vec<i64> = answers.into_iter().map(|one| one.expect("accepted").seq).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn nodes_of_one_store_never_hold_the_same_thing() {
    let schema = Schema::new();
    let nodes = [schema.store().await, schema.node("two").await, schema.node("three").await];
    assert!(nodes.iter().all(|node| node.hub_id() == "hub-1"), "a store keeps its id");
    for n in 0..60 {
        contract::planned(&nodes[n % 3], &n.to_string(), "").await;
    }
    let nodes_of = |n: usize| &nodes[n % 3];
    join_all((60..120).map(|n| async move { contract::accepted(nodes_of(n), &n.to_string()).await })).await;
    let leased = join_all(nodes.iter().map(|node| node.lease(None, NOW, 100))).await;
    let ids: Vec<_> = leased.into_iter().flat_map(|leased| leased.expect("leased")).map(|one| one.id).collect();
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (60, 60));
    let works = join_all(nodes.iter().map(|node| node.begin_transform(NOW, 100))).await;
    let ids: Vec<_> = works.into_iter().flat_map(|works| works.expect("work")).map(|one| one.message.id).collect();
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (60, 60));
}

#[tokio::test]
async fn a_lane_keeps_its_order_across_nodes() {
    const LANES: usize = 7;
    const ALL: usize = 210;
    let schema = Schema::new();
    let nodes = [schema.store().await, schema.node("two").await, schema.node("three").await];
    let order: std::sync::Mutex<BTreeMap<String, Vec<usize>>> = std::sync::Mutex::default();
    let done = AtomicU64::new(0);
    let plan = async {
        for n in 0..ALL {
            contract::planned(&nodes[n % 3], &n.to_string(), &format!("lane-{}", n % LANES)).await;
        }
    };
    let work = nodes.iter().map(|node| async {
        while done.load(Ordering::SeqCst) < ALL as u64 {
            let mut changed = node.changed();
            changed.mark_unchanged();
            let leased = node.lease(None, NOW, 5).await.expect("leased");
            if leased.is_empty() {
                let _ = tokio::time::timeout(Duration::from_secs(5), changed.changed()).await;
            }
            for one in leased {
                let name = one.id.trim_start_matches("dlv_").to_owned();
                let number = name.parse().expect("a number");
                order.lock().expect("unharmed").entry(one.lane).or_default().push(number);
                let (id, attempt, next) = delivered(&name);
                node.record(&id, attempt, next).await.expect("recorded");
                done.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    tokio::join!(plan, join_all(work));
    let order = order.into_inner().expect("unharmed");
    assert_eq!(order.values().map(Vec::len).sum::<usize>(), ALL);
    for (lane, numbers) in order {
        assert!(numbers.is_sorted(), "{lane}: {numbers:?}");
    }
    assert_eq!(nodes[0].counts().await.expect("counts").unaccounted, 0);
}

#[tokio::test]
async fn what_a_dead_node_held_goes_on_and_may_have_been_sent() {
    let schema = Schema::new();
    let (dead, living) = (schema.store().await, schema.node("two").await);
    contract::planned(&dead, "sent", "").await;
    contract::planned(&dead, "mapped-never", "").await;
    contract::accepted(&dead, "read").await;
    assert_eq!(dead.lease(None, NOW, 10).await.expect("leased").len(), 2);
    assert_eq!(dead.begin_transform(NOW, 10).await.expect("work").len(), 1);
    dead.store_output("dlv_sent", contract::output("<one/>")).await.expect("stored");
    dead.close().await;
    let mut taken = eventually(&living, async || {
        let leased = living.lease(None, NOW, 10).await.expect("leased");
        (!leased.is_empty()).then_some(leased)
    })
    .await;
    taken.sort_by(|a, b| a.id.cmp(&b.id));
    let doubts: Vec<_> = taken.iter().map(|one| (one.id.as_str(), one.unknown_before)).collect();
    assert_eq!(doubts, [("dlv_mapped-never", false), ("dlv_sent", true)]);
    let again = living.begin_transform(NOW, 10).await.expect("work");
    assert_eq!((again.len(), again[0].message.parse_attempts), (1, 2));
}

#[tokio::test]
async fn a_node_that_was_taken_over_records_nothing_and_joins_again() {
    let schema = Schema::new();
    let (slow, other) = (schema.store().await, schema.node("two").await);
    contract::planned(&slow, "a", "SO-1").await;
    assert_eq!(slow.lease(None, NOW, 10).await.expect("leased").len(), 1);
    // what another node does with one that is silent
    let mut raw = schema.raw().await;
    sqlx::raw_sql("BEGIN; DELETE FROM node WHERE name = 'one'; DELETE FROM claim; COMMIT")
        .execute(&mut raw)
        .await
        .expect("taken over");
    assert_eq!(other.lease(None, NOW, 10).await.expect("leased").len(), 1);
    let (id, attempt, next) = delivered("a");
    let late = slow.record(&id, attempt, next).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    let (id, attempt, next) = delivered("a");
    other.record(&id, attempt, next).await.expect("the new holder records");
    contract::planned(&other, "b", "SO-1").await;
    other.close().await;
    let leased = eventually(&slow, async || {
        let leased = slow.lease(None, NOW, 10).await.expect("leased");
        (!leased.is_empty()).then_some(leased)
    })
    .await;
    let (id, attempt, next) = delivered("b");
    assert_eq!(leased[0].id, id);
    // a lease taken under a number that is gone ends without a record, and is had again under the new one
    if slow.record(&id, attempt, next).await.is_err() {
        eventually(&slow, async || {
            slow.lease(None, NOW, 10).await.expect("leased").pop()?;
            let (id, attempt, next) = delivered("b");
            slow.record(&id, attempt, next).await.ok()
        })
        .await;
    }
    assert_eq!(contract::state(&slow, "b").await, crate::store::DeliveryState::Delivered);
}

#[tokio::test]
async fn connections_that_are_cut_lose_and_double_nothing() {
    let schema = Schema::new();
    let store = Arc::new(schema.node("cut").await);
    let mut raw = schema.raw().await;
    let mut answers = Vec::new();
    for round in 0..8 {
        let accepts = (0..50).map(|n| {
            let (store, name) = (store.clone(), format!("{round}-{n}"));
            async move {
                let accepted = store.accept(contract::message(&name)).await.expect("accepted in the end");
                assert_eq!((accepted.outcome, accepted.id), (AcceptOutcome::New, format!("msg_{name}")));
                store
                    .plan(&format!("msg_{name}"), contract::plan_of(vec![contract::delivery(&name, "L")]), NOW)
                    .await
                    .expect("planned in the end");
            }
        });
        let cut = sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE pid <> pg_backend_pid() AND application_name = 'crossdock cut' AND state <> 'idle' AND query NOT LIKE '%pg_advisory_lock(%'",
        );
        let (all, _) = tokio::join!(join_all(accepts), cut.execute(&mut raw));
        answers.extend(all);
    }
    assert_eq!(answers.len(), 400);
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.routed, counts.unaccounted), (400, 400, 0));
}

#[tokio::test]
async fn a_flipped_byte_is_noticed_and_ends_the_store() {
    let schema = Schema::new();
    let store = schema.store().await;
    contract::accepted(&store, "a").await;
    let mut raw = schema.raw().await;
    sqlx::query("UPDATE payload SET bytes = set_byte(bytes, 0, 33)").execute(&mut raw).await.expect("flipped");
    let verified = store.verify(&|_| ()).await.expect("verified");
    assert_eq!(verified.faults, ["the payload of `msg_a` does not match its SHA-256"]);
    let read = store.begin_transform(NOW, 10).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    assert_eq!(store.failed().borrow().as_ref().expect("failed").code.id, "XD-J006");
}

#[tokio::test]
async fn a_newer_database_and_an_absent_one_are_refused() {
    let schema = Schema::new();
    let absent = PostgresReader::open(&schema.0).await.err().expect("refused");
    assert_eq!(absent.problem().code.id, "XD-J010");
    schema.store().await.close().await;
    let mut raw = schema.raw().await;
    sqlx::query("UPDATE meta SET value = '99' WHERE key = 'schema_version'").execute(&mut raw).await.expect("set");
    let store = PostgresStore::open(&schema.0, "hub-1").await.err().expect("refused");
    let reader = PostgresReader::open(&schema.0).await.err().expect("refused");
    assert_eq!((store.problem().code.id, reader.problem().code.id), ("XD-J004", "XD-J004"));
    let nowhere = PostgresConfig { url: Secret::new("postgres://nobody@127.0.0.1:1/x"), ..schema.0.clone() };
    let nowhere = PostgresStore::open(&nowhere, "hub-1").await.err().expect("refused");
    assert!(nowhere.problem().hint.as_deref().unwrap_or_default().contains("[store] url"), "{nowhere}");
}
