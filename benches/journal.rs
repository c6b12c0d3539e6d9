//! How fast messages are accepted: HTTP in, answered after the flush, against what one writer with nothing else to do
//! flushes in groups of the same size, in one run: `cargo bench --bench journal`, or `make bench-hub`, which brings PostgreSQL.

#![allow(clippy::print_stdout, reason = "the table is what a bench is for")]
#![allow(clippy::disallowed_methods, reason = "where the servers are")]

#[path = "throughput/hub.rs"]
#[allow(dead_code, reason = "shared with the other bench")]
mod hub;
#[path = "throughput/limit.rs"]
#[allow(dead_code, reason = "shared with the other bench")]
mod limit;
#[path = "throughput/load.rs"]
#[allow(dead_code, reason = "shared with the other bench")]
mod load;
#[path = "mapping/orders.rs"]
mod orders;

use hub::{Hub, Journal, Target};

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("durable accept: HTTP in, answered after the flush (load generator on the same cores)");
    println!("journal     message  connections  messages/s      p50      p99   limit/s  ratio");
    for journal in Journal::all() {
        for (kind, size) in [("customer", 1_000), ("order", 5_000)] {
            for connections in [64, 256] {
                // nobody listens there: nothing is delivered while accepting is measured
                let target = Target::Http("http://127.0.0.1:9/".into());
                let hub = Hub::start(&journal, &target, "delivery.retry = [\"1h\"]\n");
                let path = format!("/in/crm/crm/{kind}");
                load::send(hub.ingest, &path, kind, connections, 0, 2_000);
                let measured = load::send(hub.ingest, &path, kind, connections, 2_000, 20_000);
                drop(hub);
                let limit = limit::rows(&runtime, &journal, load::message(kind, 1).len(), connections);
                println!(
                    "{:<11} {:>4} KB {connections:>12} {:>11.0} {:>8.1?} {:>8.1?} {limit:>9.0} {:>6.2}",
                    journal.name(),
                    size / 1000,
                    measured.rate,
                    measured.p50,
                    measured.p99,
                    measured.rate / limit
                );
            }
        }
    }
}
