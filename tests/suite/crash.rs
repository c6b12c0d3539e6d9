//! Nothing lost, nothing doubled, in order: 2,000 orders while the hub is killed with -9 ten times, over HTTP and over
//! AMQP with a broker restart in the middle.
//!
//! The test keeps its own ledger of what was acknowledged, the simulated ERPs keep theirs of what arrived, and one
//! checker compares the two: every acknowledged order arrived under one delivery id with one content, in accept order
//! per customer; the journal's own books are in balance.

#![expect(clippy::print_stdout, reason = "seed and figures are part of the result")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

use super::{
    service,
    support::{Erp, Http, Hub, KEY, Setup, message_text, texts, wait_until, wait_within},
};

const ORDERS: usize = 2000;
const CUSTOMERS: usize = 40;
const KILLS: usize = 10;

/// For the whole flood; it takes a small part of it.
const PATIENCE: Duration = Duration::from_secs(200);

#[test]
fn orders_over_http_survive_ten_kills() {
    let stage = Stage::set(Setup::between);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let url = format!("{}/in/crm", stage.hub.ingest());
    let senders: Vec<_> = (0..CUSTOMERS)
        .map(|customer| {
            let (url, acknowledged) = (url.clone(), acknowledged.clone());
            // One customer's orders go one after the other, so that their accept order is known.
            thread::spawn(move || {
                let http = Http::new();
                for number in (customer..ORDERS).step_by(CUSTOMERS) {
                    post_until_acknowledged(&http, &url, order(number), &format!("order-{number}"));
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let stage = stage.kill_while(&acknowledged, |_| {});
    for sender in senders {
        sender.join().expect("a sender ends well");
    }
    stage.check();
}

#[test]
fn orders_over_amqp_survive_ten_kills_and_a_broker_restart() {
    let address = service("CROSSDOCK_TEST_AMQP");
    let queue = "xd-crash-orders";
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(fresh_queue(&address, queue));
    let stage = Stage::set(|south, east| {
        let setup = Setup::between(south, east);
        let crm = setup.read("systems/crm.yaml");
        setup.file("systems/crm.yaml", &format!("{crm}  amqp:\n    url: {address}\n    queue: {queue}\n"))
    });
    let confirmed = Arc::new(AtomicUsize::new(0));
    let publisher = runtime.spawn(publish_all(address.clone(), queue, confirmed.clone()));
    let stage = stage.kill_while(&confirmed, |kill| {
        if kill == KILLS / 2 {
            control(&["stop_app"]);
            control(&["start_app"]);
        }
    });
    runtime.block_on(publisher).expect("the publisher ends well");
    let broker = || {
        let counters = control(&["list_queues", "name", "messages", "consumers", "--quiet", "--no-table-headers"]);
        let line = counters.lines().find(|line| line.starts_with(queue)).expect("the queue is there").to_owned();
        line.split_whitespace().skip(1).map(|count| count.parse::<u64>().expect("a count")).collect::<Vec<_>>()
    };
    wait_until("the broker says that the hub consumes the queue and left nothing in it", || broker() == [0, 1]);
    stage.check();
}

/// The hub and its two partners.
struct Stage {
    hub: Hub,
    south: Erp,
    east: Erp,
    chance: fastrand::Rng,
}

impl Stage {
    /// Starts everything, with every customer delivered.
    fn set(setup: impl FnOnce(&Erp, &Erp) -> Setup) -> Self {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let (south, east) = (Erp::u8(), Erp::u8());
        let hub = setup(&south, &east).setting("log.level", "\"warn\"").start();
        let template = message_text("customer-C-1001.xml");
        let (http, url) = (Http::new(), format!("{}/in/crm", hub.ingest()));
        for customer in 0..CUSTOMERS {
            let body = template.replace("C-1001", &customer_id(customer));
            post_until_acknowledged(&http, &url, body, &format!("customer-{customer}"));
        }
        let stage = Self { hub, south, east, chance: fastrand::Rng::with_seed(seed) };
        wait_until("the customers are delivered", || stage.in_state("delivered") == CUSTOMERS as u64);
        stage
    }

    fn counts(&self) -> Value {
        self.hub.operator("/api/v1/counts")
    }

    fn in_state(&self, state: &str) -> u64 {
        let counts = self.counts();
        let rows = counts["deliveries"].as_array().expect("rows");
        rows.iter().filter(|row| row["state"] == state).filter_map(|row| row["count"].as_u64()).sum()
    }

    /// Kills the hub with -9 at ten random moments of the senders' progress, and starts it again.
    fn kill_while(mut self, progress: &AtomicUsize, after_restart: impl Fn(usize)) -> Self {
        let mut moments: Vec<usize> = (0..KILLS).map(|_| self.chance.usize(20..ORDERS - 20)).collect();
        moments.sort_unstable();
        for (kill, moment) in moments.into_iter().enumerate() {
            wait_within(PATIENCE, "the senders get on", || progress.load(Ordering::SeqCst) >= moment);
            self.hub.kill9();
            self.hub.restart();
            after_restart(kill + 1);
        }
        self
    }

    /// Compares the ledgers.
    fn check(mut self) {
        let expected = (ORDERS + CUSTOMERS) as u64;
        wait_within(PATIENCE, "everything comes to rest", || {
            let counts = self.counts();
            counts["total"] == expected && counts["accepted"] == 0 && self.in_state("planned") == 0
        });
        let counts = self.counts();
        assert_eq!(self.in_state("delivered"), expected, "all are delivered: {counts}");
        assert_eq!((&counts["routed"], &counts["unaccounted"]), (&expected.into(), &0.into()), "{counts}");
        let mut arrived: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut firsts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for entry in self.south.received().into_iter().chain(self.east.received()) {
            if entry["type"] != "u8/saleorder" {
                continue;
            }
            let body = entry["body"].as_str().expect("a body").to_owned();
            let entries = arrived.entry(entry["key"].as_str().expect("a key").to_owned()).or_default();
            if entries.is_empty() {
                let number = texts(&body, "define10")[0].trim_start_matches("SO-").parse().expect("our number");
                firsts.entry(texts(&body, "custcode")[0].to_owned()).or_default().push(number);
            }
            entries.push(entry);
        }
        assert_eq!(arrived.len(), ORDERS, "every acknowledged order arrived, and no other");
        let mut repeated = 0;
        for (key, entries) in &arrived {
            let distinct = |field: &str| entries.iter().map(|entry| entry[field].to_string()).collect::<BTreeSet<_>>();
            let (ids, contents) = (distinct("delivery_id"), distinct("sha256"));
            assert_eq!((ids.len(), contents.len()), (1, 1), "{key} came under one id with one content");
            let written = entries.iter().filter(|entry| entry["written"] == true).count();
            assert_eq!(written, 1, "{key} stands in the partner's books once");
            repeated += entries.len() - 1;
        }
        assert_eq!(firsts.len(), CUSTOMERS);
        for (customer, numbers) in &firsts {
            assert!(numbers.is_sorted(), "the orders of {customer} arrived in order: {numbers:?}");
        }
        assert!(self.hub.stop().success(), "SIGTERM ends the hub with 0");
        let verified = self.hub.command(&["messages", "verify", "--json"]).json();
        assert_eq!(verified["faults"], serde_json::json!([]), "{verified}");
        println!("{ORDERS} orders, {KILLS} kills: 0 lost, {repeated} sent again under the same id, 0 out of order");
    }
}

fn customer_id(customer: usize) -> String {
    format!("K-{customer:03}")
}

/// The example's order, under a number of its own.
fn order(number: usize) -> String {
    message_text("order-1.xml")
        .replace("C-1001", &customer_id(number % CUSTOMERS))
        .replace("SO-2026-0001", &format!("SO-{number:06}"))
}

/// Sends until the hub says yes: whoever got no answer sends again with the same key.
fn post_until_acknowledged(http: &Http, url: &str, body: String, key: &str) {
    let headers = [("content-type", "application/xml"), ("x-api-key", KEY), ("idempotency-key", key)];
    wait_within(PATIENCE, "an acknowledgement", || match http.post(url, &headers, body.clone().into_bytes()) {
        Some(answer) if answer.status == 202 => true,
        None => false,
        Some(answer) => {
            assert_eq!(answer.status, 503, "{key}: {}", String::from_utf8_lossy(&answer.body));
            false
        }
    });
}

/// Publishes every order in number order, each confirmed before the next; again under the same id when the broker went
/// away before it confirmed.
async fn publish_all(address: String, queue: &'static str, confirmed: Arc<AtomicUsize>) {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    let mut number = 0;
    while number < ORDERS {
        pace.tick().await;
        let Ok(connection) = Connection::connect(&address, ConnectionProperties::default()).await else { continue };
        let Ok(channel) = connection.create_channel().await else { continue };
        if channel.confirm_select(ConfirmSelectOptions::default()).await.is_err() {
            continue;
        }
        while number < ORDERS {
            let properties = BasicProperties::default()
                .with_message_id(format!("order-{number}").into())
                .with_content_type("application/xml".into())
                .with_delivery_mode(2);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let body = order(number);
            let sent = channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties).await;
            let Ok(confirm) = sent else { break };
            match confirm.await {
                Ok(answer) if answer.is_ack() => (),
                _ => break,
            }
            number += 1;
            confirmed.store(number, Ordering::SeqCst);
        }
    }
}

/// An empty durable queue.
async fn fresh_queue(address: &str, queue: &str) {
    let connection = Connection::connect(address, ConnectionProperties::default()).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted, or was not there");
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, arguments).await.expect("declared");
}

/// Runs a broker command; what it printed.
fn control(arguments: &[&str]) -> String {
    let output = Command::new(service("CROSSDOCK_TEST_RABBITMQCTL")).args(arguments).output();
    let output = output.expect("the broker's control command runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
