//! How fast messages go through: HTTP in, journal, mapping, HTTP or AMQP out with confirm, recorded; against what the
//! machine allows and against peers, in one run: `make bench-hub` brings RabbitMQ, PostgreSQL and the peers.
//!
//! `cargo bench --bench throughput -- through | backlog [N] | peers` runs a part.

#![allow(clippy::print_stdout, reason = "the table is what a bench is for")]
#![allow(clippy::disallowed_methods, reason = "where the servers are")]

mod hub;
mod limit;
mod load;
#[path = "../mapping/orders.rs"]
mod orders;
mod peer;

use std::time::{Duration, Instant};

use hub::{Hub, Journal, Target, wait};
use load::{Measured, Receiver};

const CONNECTIONS: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let part = arguments.first().map_or("all", String::as_str);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let broker = std::env::var("CROSSDOCK_TEST_AMQP").ok();
    if ["all", "through"].contains(&part) {
        through(&runtime, broker.as_deref());
    }
    if ["all", "peers"].contains(&part)
        && let Some(broker) = &broker
    {
        peer::compare(&runtime, broker);
    }
    if ["all", "backlog"].contains(&part) {
        let all = arguments.get(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
        backlog(all);
    }
}

/// Sends messages and waits until all are delivered and recorded: the rate from first to last.
fn end_to_end(hub: &Hub, kind: &'static str, first: usize, total: usize) -> (f64, Measured) {
    let before = hub.deliveries("delivered");
    let began = Instant::now();
    let accepted = load::send(hub.ingest, &format!("/in/crm/crm/{kind}"), kind, CONNECTIONS, first, total);
    wait("all are delivered", || hub.deliveries("delivered") - before >= total as u64);
    (total as f64 / began.elapsed().as_secs_f64(), accepted)
}

fn through(runtime: &tokio::runtime::Runtime, broker: Option<&str>) {
    const ALL: usize = 15_000;
    println!("\nend to end: HTTP in, journal, mapping to JSON, out, recorded ({CONNECTIONS} connections)");
    println!("journal     message  out    messages/s  accept p50  accept p99   limit/s  ratio  CPU/message  memory");
    for journal in Journal::all() {
        for kind in ["customer", "order"] {
            let size = load::message(kind, 1).len();
            let receiver = Receiver::start();
            let mut targets = vec![("HTTP", Target::Http(receiver.url.clone()))];
            if let Some(url) = broker {
                targets.push((
                    "AMQP",
                    Target::Amqp { url: url.to_owned(), queue: format!("bench-{}", fastrand::u64(..)) },
                ));
            }
            for (out, target) in targets {
                let hub = Hub::start(&journal, &target, "");
                end_to_end(&hub, kind, 0, 1_000);
                let before = hub.processor();
                let (rate, accepted) = end_to_end(&hub, kind, 1_000, ALL);
                let processor = (hub.processor() - before) / ALL as f64;
                let memory = hub.memory();
                drop(hub);
                // an end-to-end message is at least one flushed row, and one confirmed publication when it goes out by AMQP
                let limit = match (out, broker) {
                    ("AMQP", Some(broker)) => limit::confirms(runtime, broker, size, 500),
                    _ => limit::rows(runtime, &journal, size, CONNECTIONS),
                };
                println!(
                    "{:<11} {:>4.1} KB  {out:<5} {rate:>11.0} {:>11.1?} {:>11.1?} {limit:>9.0} {:>6.2} {:>9.0} µs {memory:>4} MiB",
                    journal.name(),
                    size as f64 / 1000.0,
                    accepted.p50,
                    accepted.p99,
                    rate / limit,
                    processor * 1e6,
                );
            }
        }
    }
}

/// Messages pile up while the partner is away; then they drain. Compared with draining into an empty store.
fn backlog(all: usize) {
    const SMALL: usize = 10_000;
    println!("\nbacklog of {all} messages of 1 KB, partner away, then back");
    for journal in Journal::all() {
        let receiver = Receiver::start();
        let away = Target::Http("http://127.0.0.1:9/".into());
        let back = Target::Http(receiver.url.clone());
        let drained = |count: usize| {
            let mut hub = Hub::start(&journal, &away, "delivery.retry = [\"1s\", \"1s\", \"1s\", \"24h\"]\n");
            let began = Instant::now();
            let mut sent = 0;
            while sent < count {
                let step = (count - sent).min(50_000);
                load::send(hub.ingest, "/in/crm/crm/customer", "customer", CONNECTIONS, sent, step);
                sent += step;
            }
            let filled = began.elapsed();
            let memory = hub.memory();
            hub.stop();
            hub.redirect(&back);
            let (before, began) = (receiver.received(), Instant::now());
            hub.run();
            let first = |wanted: usize| {
                wait_long("it drains", || receiver.received() - before >= wanted);
                began.elapsed()
            };
            let half = first(count / 2);
            let took = first(count);
            let memory = memory.max(hub.memory());
            hub.stop();
            let _ = receiver.take_times();
            (
                count as f64 / took.as_secs_f64(),
                (count - count / 2) as f64 / (took - half).as_secs_f64(),
                filled,
                memory,
            )
        };
        let (empty, ..) = drained(SMALL);
        let (rate, second_half, filled, memory) = drained(all);
        println!(
            "{:<11} filled in {:.0?}; {rate:.0}/s from {all}, {second_half:.0}/s its second half, {empty:.0}/s from {SMALL}: ratio {:.2}; \
             at most {memory} MiB",
            journal.name(),
            filled,
            rate / empty
        );
    }
}

fn wait_long(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(3_600);
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within an hour");
        std::thread::sleep(Duration::from_millis(50));
    }
}
