//! Nothing lost, nothing doubled, in order: 2,000 orders while the hub is killed with -9 ten times, over HTTP and over
//! AMQP with a broker restart in the middle.
//!
//! The test keeps its own ledger of what was acknowledged, the simulated ERPs keep theirs of what arrived, and one
//! checker compares the two: every acknowledged order arrived under one delivery id with one content, in accept order
//! per customer; the journal's own books are in balance.

#![expect(clippy::print_stdout, reason = "seed and figures are part of the result")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;
use tokio::task::JoinSet;

use super::service;

const ORDERS: usize = 2000;
const CUSTOMERS: usize = 40;
const KILLS: usize = 10;
const KEY: &str = "demo-key-for-examples-only";

/// Longer than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn orders_over_http_survive_ten_kills() {
    let stage = Stage::set("http", None).await;
    stage.customers().await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for customer in 0..CUSTOMERS {
        let (client, url, acknowledged) = (stage.client.clone(), stage.ingest(), acknowledged.clone());
        senders.spawn(async move {
            // One customer's orders go one after the other, so that their accept order is known.
            for number in (customer..ORDERS).step_by(CUSTOMERS) {
                post_until_acknowledged(&client, &url, &order(number), &format!("order-{number}")).await;
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let stage = stage.kill_while(&acknowledged, |_| {}).await;
    while let Some(sender) = senders.join_next().await {
        sender.expect("a sender ends well");
    }
    stage.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_over_amqp_survive_ten_kills_and_a_broker_restart() {
    let address = service("CROSSDOCK_TEST_AMQP");
    let queue = "xd-crash-orders";
    let stage = Stage::set("amqp", Some((&address, queue))).await;
    stage.customers().await;
    let confirmed = Arc::new(AtomicUsize::new(0));
    let mut publisher = JoinSet::new();
    publisher.spawn(publish_all(address.clone(), queue, confirmed.clone()));
    let restart = |kill: usize| {
        if kill == KILLS / 2 {
            for verb in ["stop_app", "start_app"] {
                let output = Command::new(service("CROSSDOCK_TEST_RABBITMQCTL")).arg(verb).output();
                assert!(output.expect("the broker's control command runs").status.success(), "{verb}");
            }
        }
    };
    let stage = stage.kill_while(&confirmed, restart).await;
    publisher.join_next().await.expect("a publisher").expect("it ends well");
    stage.check().await;
    let (ready, consumed) = queue_counters(queue);
    assert_eq!((ready, consumed), (0, 1), "nothing is left in the queue, and the hub consumes it");
}

/// The hub, its two partners, and their folder.
struct Stage {
    folder: tempfile::TempDir,
    hub: Option<Process>,
    partners: Vec<(Process, String)>,
    ports: [u16; 2],
    client: reqwest::Client,
    seed: u64,
}

impl Stage {
    async fn set(name: &str, amqp: Option<(&str, &str)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let content = folder.path().join("content");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dealer-group"), &content);
        let mut partners = Vec::new();
        for system in ["u8-south", "u8-east"] {
            let port = free_port();
            let file = content.join(format!("systems/{system}.yaml"));
            let text = fs::read_to_string(&file).expect("the system's file");
            let text = text.replace("127.0.0.1:18101", &format!("127.0.0.1:{port}"));
            let text = text.replace("127.0.0.1:18102", &format!("127.0.0.1:{port}"));
            fs::write(&file, text).expect("written");
            let arguments = ["simulate", "u8", "--listen", &format!("127.0.0.1:{port}")].map(ToOwned::to_owned);
            partners.push((Process::start(&arguments, folder.path(), system), format!("http://127.0.0.1:{port}")));
        }
        if let Some((address, queue)) = amqp {
            delete_queue(address, queue).await;
            let file = content.join("systems/crm.yaml");
            let text = fs::read_to_string(&file).expect("the system's file");
            let text = format!("{text}  amqp:\n    url: {address}\n    queue: {queue}\n    declare: true\n");
            fs::write(&file, text).expect("written");
        }
        // Failed attempts are tried again soon, and a circle of kills leaves some deliveries with several.
        let settings = "[delivery]\nretry = [\"100ms\", \"200ms\", \"500ms\", \"1s\", \"1s\", \"1s\", \"2s\", \"2s\", \
                        \"2s\", \"2s\", \"2s\"]\n[log]\nlevel = \"warn\"\n";
        fs::write(content.join("crossdock.toml"), settings).expect("written");
        // The process has one TLS provider; a second installation is without effect.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        let seed = fastrand::u64(..);
        println!("{name}: seed {seed}");
        let ports = [free_port(), free_port()];
        let mut stage = Self { folder, hub: None, partners, ports, client, seed };
        stage.start().await;
        stage
    }

    fn ingest(&self) -> String {
        format!("http://127.0.0.1:{}/in/crm", self.ports[0])
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let content = self.folder.path().join("content/crossdock.toml");
        let mut all = vec!["--config".to_owned(), content.to_string_lossy().into_owned()];
        for (key, port) in [("ingest", self.ports[0]), ("operations", self.ports[1])] {
            all.extend(["--set".to_owned(), format!("{key}.listen=127.0.0.1:{port}")]);
        }
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all
    }

    async fn start(&mut self) {
        self.hub = Some(Process::start(&self.arguments(&["run"]), self.folder.path(), "hub"));
        let url = format!("http://127.0.0.1:{}/readyz", self.ports[1]);
        until("the hub is ready", async || {
            self.client.get(&url).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }

    /// Every customer, delivered before the first order.
    async fn customers(&self) {
        let template = fs::read_to_string(self.message("customer-C-1001.xml")).expect("the message");
        for customer in 0..CUSTOMERS {
            let body = template.replace("C-1001", &customer_id(customer));
            post_until_acknowledged(&self.client, &self.ingest(), &body, &format!("customer-{customer}")).await;
        }
        until("the customers are delivered", async || self.delivered().await == CUSTOMERS).await;
    }

    fn message(&self, name: &str) -> PathBuf {
        self.folder.path().join("content/messages").join(name)
    }

    async fn counts(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/counts", self.ports[1]);
        match self.client.get(url).send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    /// The first messages that are not delivered, for the reader of a failure.
    fn held(&self) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_crossdock"))
            .args(self.arguments(&["messages", "list", "--state", "parked", "--limit", "3", "--json"]))
            .output()
            .expect("list runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn delivered(&self) -> usize {
        let counts = self.counts().await;
        let rows = counts["deliveries"].as_array().cloned().unwrap_or_default();
        let delivered = rows.iter().filter(|row| row["state"] == "delivered").filter_map(|row| row["count"].as_u64());
        usize::try_from(delivered.sum::<u64>()).expect("a small number")
    }

    /// Kills the hub with -9 at ten random moments of the senders' progress, and starts it again.
    async fn kill_while(mut self, progress: &AtomicUsize, between: impl Fn(usize)) -> Self {
        let mut chance = fastrand::Rng::with_seed(self.seed);
        let mut moments: Vec<usize> = (0..KILLS).map(|_| chance.usize(20..ORDERS - 20)).collect();
        moments.sort_unstable();
        for (kill, moment) in moments.into_iter().enumerate() {
            until("the senders get on", async || progress.load(Ordering::SeqCst) >= moment).await;
            self.hub.take().expect("a running hub").kill();
            self.start().await;
            between(kill + 1);
        }
        self
    }

    /// Compares the ledgers.
    async fn check(mut self) {
        let expected = ORDERS + CUSTOMERS;
        // At rest: nothing undecided, and every delivery final or held.
        until("everything comes to rest", async || {
            let counts = self.counts().await;
            let moving = |row: &Value| row["state"] == "planned";
            counts["accepted"] == 0 && counts["deliveries"].as_array().is_some_and(|rows| !rows.iter().any(moving))
        })
        .await;
        let counts = self.counts().await;
        assert_eq!(self.delivered().await, expected, "all are delivered: {counts}; {}", self.held());
        assert_eq!(counts["total"], expected, "one message per acknowledged send: {counts}");
        assert_eq!(counts["unaccounted"], 0);
        assert_eq!(counts["routed"], expected, "nothing parked: {counts}");
        let mut arrived: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut first_seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (_, url) in &self.partners {
            let url = format!("{url}/_received");
            let received: Vec<Value> =
                self.client.get(url).send().await.expect("the record").json().await.expect("JSON");
            for entry in received {
                if entry["type"] != "u8/saleorder" {
                    continue;
                }
                let key = entry["key"].as_str().expect("a key").to_owned();
                let body = entry["body"].as_str().expect("a body");
                let customer = between(body, "<custcode>", "</custcode>").to_owned();
                let number = between(body, "<define10>", "</define10>");
                let number: usize = number.trim_start_matches("SO-").parse().expect("our number");
                let entries = arrived.entry(key).or_default();
                if entries.is_empty() {
                    first_seen.entry(customer).or_default().push(number);
                }
                entries.push(entry);
            }
        }
        assert_eq!(arrived.len(), ORDERS, "every acknowledged order arrived, and no other");
        let mut repeated = 0;
        for (key, entries) in &arrived {
            let ids: BTreeSet<_> = entries.iter().map(|entry| entry["delivery_id"].to_string()).collect();
            let contents: BTreeSet<_> = entries.iter().map(|entry| entry["sha256"].to_string()).collect();
            assert_eq!((ids.len(), contents.len()), (1, 1), "{key} came under one id with one content");
            let written = entries.iter().filter(|entry| entry["written"] == true).count();
            assert_eq!(written, 1, "{key} stands in the partner's books once");
            repeated += entries.len() - 1;
        }
        assert_eq!(first_seen.len(), CUSTOMERS);
        for (customer, numbers) in &first_seen {
            assert!(numbers.is_sorted(), "the orders of {customer} arrived in order: {numbers:?}");
        }
        self.hub.take().expect("a running hub").stop();
        let verified = Command::new(env!("CARGO_BIN_EXE_crossdock"))
            .args(self.arguments(&["messages", "verify", "--json"]))
            .output()
            .expect("verify runs");
        let verified: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
        assert_eq!(verified["faults"], serde_json::json!([]), "{verified}");
        println!("{ORDERS} orders, {KILLS} kills: 0 lost, {repeated} sent again under the same id, 0 out of order");
    }
}

/// A child process; killed and reaped when dropped.
struct Process(Child);

impl Process {
    fn start(arguments: &[String], folder: &Path, name: &str) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.log")));
        let child = Command::new(env!("CARGO_BIN_EXE_crossdock"))
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn();
        Self(child.expect("the program starts"))
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("reaped");
    }

    /// SIGTERM, and a clean end.
    fn stop(mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(asked.expect("kill runs").success());
        assert!(self.0.wait().expect("reaped").success(), "SIGTERM ends the hub with 0");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn customer_id(customer: usize) -> String {
    format!("K-{customer:03}")
}

/// The example's order, under a number of its own.
fn order(number: usize) -> String {
    let template = include_str!("../../examples/dealer-group/messages/order-1.xml");
    template.replace("C-1001", &customer_id(number % CUSTOMERS)).replace("SO-2026-0001", &format!("SO-{number:06}"))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).expect("the start is there");
    rest.split_once(end).expect("the end is there").0
}

/// Sends until the hub says yes: whoever got no answer sends again with the same key.
async fn post_until_acknowledged(client: &reqwest::Client, url: &str, body: &str, key: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = client
            .post(url)
            .header("content-type", "application/xml")
            .header("x-api-key", KEY)
            .header("idempotency-key", key)
            .body(body.to_owned());
        match request.send().await {
            Ok(answer) if answer.status() == 202 => return,
            Ok(answer) if answer.status() == 503 => (),
            Ok(answer) => panic!("{key}: {} {}", answer.status(), answer.text().await.unwrap_or_default()),
            Err(_) => (),
        }
        assert!(Instant::now() < deadline, "{key} was not acknowledged in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Publishes every order in number order, each confirmed before the next; again under the same id when the broker went
/// away before it confirmed.
async fn publish_all(address: String, queue: &'static str, confirmed: Arc<AtomicUsize>) {
    let deadline = Instant::now() + PATIENCE;
    let mut number = 0;
    while number < ORDERS {
        assert!(Instant::now() < deadline, "the orders were not published in time");
        let Ok(connection) = Connection::connect(&address, ConnectionProperties::default()).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
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

async fn delete_queue(address: &str, queue: &str) {
    let connection = Connection::connect(address, ConnectionProperties::default()).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted, or was not there");
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, arguments).await.expect("declared");
}

/// What the broker itself says: messages waiting, consumers.
fn queue_counters(queue: &str) -> (u64, u64) {
    let output = Command::new(service("CROSSDOCK_TEST_RABBITMQCTL"))
        .args(["list_queues", "name", "messages", "consumers", "--quiet", "--no-table-headers"])
        .output()
        .expect("the broker's control command runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with(queue)).unwrap_or_else(|| panic!("{queue} in {text}"));
    let mut numbers = line.split_whitespace().skip(1).map(|number| number.parse().expect("a number"));
    (numbers.next().expect("messages"), numbers.next().expect("consumers"))
}

/// Waits until a condition holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("readable") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}
