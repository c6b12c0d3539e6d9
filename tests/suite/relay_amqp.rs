//! Relay routes: from queue to queue without the journal, nothing lost while the hub is killed in the middle.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Confirmation,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::runtime::Runtime;

use super::{
    support::{Http, Hub, Setup, message_text, texts, wait_within},
    transport_amqp::{TURN, address, admin, delete, waiting},
};

const IN: &str = "xd-relay-in";
const OUT: &str = "xd-relay-out";
const DEAD: &str = "xd-relay-dead";
const CUSTOMERS: usize = 20;

const SHOP: &str = "\
system: shop
profile: hub
in:
  amqp:
    url: ADDRESS
    queue: xd-relay-in
    single-active-consumer: true
    declare: true
";
const ERP: &str = "\
system: erp
profile: u8
settings: {sender: '101', maker: hub, number-prefix: A}
out:
  amqp:
    url: ADDRESS
    routing-key: xd-relay-out
    declare: true
    confirm-timeout: 5s
";
const ROUTE: &str = "\
route: relayed
mode: relay
from: {system: shop, type: hub/customer@1}
to:
  - {system: erp, mapping: u8/hub-customer-to-customer, when: \"=not(Customer/SiteId = 'S99')\"}
order-by: =Customer/Id
";

fn setup(route: &str) -> Setup {
    let address = address();
    Setup::dealer_group()
        .file("systems/shop.yaml", &SHOP.replace("ADDRESS", address.expose()))
        .file("systems/erp.yaml", &ERP.replace("ADDRESS", address.expose()))
        .file("routes/relayed.yaml", route)
        .replace("codes/customer-class.csv", "零售,11,u8-east,,,,\n", "零售,11,u8-east,,,,\n零售,11,erp,,,,\n")
        .replace("codes/person.csv", "E017,117,u8-east,,,,\n", "E017,117,u8-east,,,,\nE017,117,erp,,,,\n")
        .setting("log.level", "\"warn\"")
}

/// A hub that consumes the shop's queue.
fn start(route: &str) -> Hub {
    let hub = setup(route).start();
    wait_within(Duration::from_secs(60), "the queue is consumed", || {
        metrics(&hub).contains("crossdock_source_up{source=\"shop/amqp\"} 1")
    });
    hub
}

fn metrics(hub: &Hub) -> String {
    let reply = Http::new().get(&format!("{}/metrics", hub.operations()), &[]).expect("an answer");
    String::from_utf8_lossy(&reply.body).into_owned()
}

fn fresh(runtime: &Runtime) {
    for queue in [IN, OUT, DEAD] {
        runtime.block_on(delete(&address(), queue));
    }
}

/// A customer's record number `number`; its name is the number.
fn customer(number: usize) -> String {
    message_text("customer-C-1001.xml")
        .replace("C-1001", &format!("K-{:03}", number % CUSTOMERS))
        .replace("王建国", &format!("N{number:06}"))
}

/// Publishes texts to the shop's queue, each confirmed, with ids from `prefix`.
async fn publish(prefix: &str, bodies: impl Iterator<Item = String>) {
    let (_connection, channel) = admin(&address()).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirmations");
    let mut confirms = Vec::new();
    for (number, body) in bodies.enumerate() {
        let properties = BasicProperties::default()
            .with_message_id(format!("{prefix}-{number}").into())
            .with_content_type("application/xml".into())
            .with_delivery_mode(2);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = channel.basic_publish("".into(), IN.into(), options, body.as_bytes(), properties).await;
        confirms.push(confirm.expect("published"));
    }
    for confirm in confirms {
        assert_eq!(confirm.await.expect("confirmed"), Confirmation::Ack(None));
    }
}

/// Everything in a queue: `message_id`, text and headers, in order.
async fn take(queue: &str) -> Vec<(String, String, BTreeMap<String, String>)> {
    let count = waiting(&address(), queue).await as usize;
    let (_connection, channel) = admin(&address()).await;
    channel.basic_qos(1000, BasicQosOptions::default()).await.expect("a prefetch");
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    let taken = consumer.expect("a consumer").take(count).collect::<Vec<_>>();
    let taken = tokio::time::timeout(Duration::from_secs(60), taken).await.expect("they come").into_iter();
    let entry = |delivery: lapin::message::Delivery| {
        let id = delivery.properties.message_id().as_ref().expect("an id").to_string();
        let headers =
            delivery.properties.headers().iter().flat_map(|table| table.inner()).filter_map(|header| match header {
                (name, AMQPValue::LongString(text)) => Some((name.to_string(), text.to_string())),
                _ => None,
            });
        (id, String::from_utf8(delivery.data).expect("UTF-8"), headers.collect())
    };
    taken.map(|delivery| entry(delivery.expect("a delivery"))).collect()
}

fn until_empty(runtime: &Runtime, hub: &Hub) {
    // what was handed out and not acknowledged is not counted as waiting: the hub stops first
    wait_within(Duration::from_secs(120), "the shop's queue is empty", || {
        runtime.block_on(waiting(&address(), IN)) == 0 && hub.operator("/api/v1/counts")["accepted"] == 0
    });
}

#[test]
fn amqp_relay_loses_nothing_and_keeps_each_customers_order_while_the_hub_is_killed() {
    const RECORDS: usize = 3000;
    let runtime = Runtime::new().expect("a runtime");
    let _turn = runtime.block_on(TURN.lock());
    fresh(&runtime);
    let mut hub = start(ROUTE);
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut moments: Vec<u32> = (0..6).map(|_| chance.u32(50..2900)).collect();
    moments.sort_unstable();
    let publisher = runtime.spawn(publish("relay", (0..RECORDS).map(customer)));
    for moment in moments {
        let arrived = || runtime.block_on(waiting(&address(), OUT)) >= moment;
        wait_within(Duration::from_secs(120), "records arrive", arrived);
        hub.kill9();
        hub.restart();
    }
    runtime.block_on(publisher).expect("all are published");
    until_empty(&runtime, &hub);
    assert!(hub.stop().success());
    assert_eq!(runtime.block_on(waiting(&address(), IN)), 0, "all were acknowledged");
    let arrived = runtime.block_on(take(OUT));
    let mut by_id: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut firsts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, body, _) in &arrived {
        let name = texts(body, "name")[0];
        if by_id.entry(id).or_default().insert(body) {
            firsts.entry(texts(body, "code")[0]).or_default().push(name);
        }
    }
    assert_eq!(by_id.len(), RECORDS, "every record arrived, each under an id of its own");
    assert!(by_id.values().all(|bodies| bodies.len() == 1), "what came again was the same");
    assert_eq!(firsts.len(), CUSTOMERS);
    for (customer, names) in firsts {
        assert!(names.is_sorted(), "{customer} is in order: {names:?}");
    }
    let verified = hub.command(&["messages", "verify", "--json"]).json();
    assert_eq!(verified["digests"], 0, "nothing was stored: {verified}");
    println!("{RECORDS} records, 6 kills: 0 lost, {} came again, 0 out of order", arrived.len() - RECORDS);
    fresh(&runtime);
}

#[test]
fn amqp_relay_leaves_what_it_cannot_relay_to_the_journal() {
    let runtime = Runtime::new().expect("a runtime");
    let _turn = runtime.block_on(TURN.lock());
    fresh(&runtime);
    let hub = start(ROUTE);
    let unknown_class = customer(1).replace("零售", "no such class");
    let filtered = customer(2).replace("S01", "S99");
    let bodies = [customer(0), "<Customer".to_owned(), unknown_class, filtered, customer(3)];
    runtime.block_on(publish("mixed", bodies.into_iter()));
    let parked = |cause: &str| {
        let page = hub.operator("/api/v1/messages");
        let messages = page["items"].as_array().expect("messages").clone();
        messages
            .iter()
            .filter(|message| hub.message(message["id"].as_str().expect("an id")).to_string().contains(cause))
            .count()
    };
    wait_within(Duration::from_secs(30), "two are in the journal", || {
        parked("unreadable") == 1 && parked("XD-D009") == 1
    });
    wait_within(Duration::from_secs(30), "the others are relayed", || runtime.block_on(waiting(&address(), OUT)) == 2);
    let metrics = metrics(&hub);
    assert!(metrics.contains("crossdock_messages_relayed_total{route=\"relayed\",outcome=\"relayed\"} 2"), "{metrics}");
    assert!(
        metrics.contains("crossdock_messages_relayed_total{route=\"relayed\",outcome=\"filtered\"} 1"),
        "{metrics}"
    );
    drop(hub);
    fresh(&runtime);
}

#[test]
fn amqp_relay_sends_dead_letters_where_the_route_says() {
    let runtime = Runtime::new().expect("a runtime");
    let _turn = runtime.block_on(TURN.lock());
    fresh(&runtime);
    let hub = start(&format!("{ROUTE}dead-letter: {{routing-key: {DEAD}, declare: true}}\n"));
    let unknown_class = customer(1).replace("零售", "no such class");
    runtime.block_on(publish("dead", [customer(0), unknown_class.clone()].into_iter()));
    wait_within(Duration::from_secs(30), "one is relayed", || runtime.block_on(waiting(&address(), OUT)) == 1);
    until_empty(&runtime, &hub);
    wait_within(Duration::from_secs(30), "one is dead", || runtime.block_on(waiting(&address(), DEAD)) == 1);
    let dead = runtime.block_on(take(DEAD));
    let (id, body, headers) = &dead[0];
    assert_eq!((id.as_str(), body), ("dead-1", &unknown_class), "it is as it came");
    assert_eq!(headers["crossdock-route"], "relayed");
    assert_eq!(headers["crossdock-reason-code"], "XD-D009");
    assert!(headers["crossdock-reason"].contains("no such class"), "{headers:?}");
    assert_eq!(hub.operator("/api/v1/counts")["total"], 0, "nothing was stored");
    drop(hub);
    fresh(&runtime);
}

#[test]
fn amqp_relay_says_how_many_messages_a_second_it_passes_on() {
    const RECORDS: usize = 5000;
    let runtime = Runtime::new().expect("a runtime");
    let _turn = runtime.block_on(TURN.lock());
    fresh(&runtime);
    let unordered = ROUTE.replace("order-by: =Customer/Id\n", "");
    let hub = start(&unordered);
    runtime.block_on(publish("warm", (0..1).map(customer)));
    wait_within(Duration::from_secs(30), "it flows", || runtime.block_on(waiting(&address(), OUT)) == 1);
    let began = Instant::now();
    let publisher = runtime.spawn(publish("rate", (0..RECORDS).map(customer)));
    wait_within(Duration::from_secs(120), "all are relayed", || {
        runtime.block_on(waiting(&address(), OUT)) as usize == RECORDS + 1
    });
    let rate = RECORDS as f64 / began.elapsed().as_secs_f64();
    runtime.block_on(publisher).expect("published");
    println!("{RECORDS} messages of {} bytes published, mapped and relayed: {rate:.0}/s", customer(0).len());
    drop(hub);
    fresh(&runtime);
}

#[test]
fn amqp_relay_routes_that_cannot_work_are_found_by_check() {
    for (old, new, expected) in [
        ("single-active-consumer: true", "prefetch: 10", "needs `single-active-consumer: true`"),
        (
            "  amqp:\n    url",
            "  http: {key: 'a-key-of-20-characters'}\n  amqp:\n    url",
            "takes messages in other ways than AMQP too",
        ),
    ] {
        let shop = SHOP.replace(old, new);
        assert_ne!(shop, SHOP);
        let setup = setup(ROUTE).file("systems/shop.yaml", &shop.replace("ADDRESS", "amqp://localhost"));
        finds(&setup, expected);
    }
    for (old, new, expected) in [
        ("system: erp", "system: u8-south", "is not reached over AMQP"),
        ("order-by:", "on-parked: block-key\norder-by:", "`on-parked: block-key`"),
        ("mode: relay", "dead-letter: {routing-key: x}", "only a relay route"),
    ] {
        let route = ROUTE.replace(old, new);
        assert_ne!(route, ROUTE);
        finds(&setup(&route), expected);
    }
}

fn finds(setup: &Setup, expected: &str) {
    setup.write("crossdock.toml", "[hub]\ndata = \"data\"\ncontent = \".\"\n");
    let ran = super::support::crossdock_in(setup.path(), &["check"], &[]);
    let said = format!("{}{}", ran.text(), ran.talk);
    assert!(said.contains("XD-K020") && said.contains(expected), "expected `{expected}`:\n{said}");
}
