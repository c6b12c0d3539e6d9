//! The same job through another program: HTTP in, XML to JSON, RabbitMQ with confirm, then the answer; no journal.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tokio::runtime::Runtime;

use super::{
    CONNECTIONS, end_to_end,
    hub::{Hub, Journal, Target, free_port, wait},
    limit, load, orders,
};

const ALL: usize = 10_000;
const NODE_RED: &str = "4.1.1";

/// Every peer that can be had, beside the hub with its journal on.
pub fn compare(runtime: &Runtime, broker: &str) {
    println!(
        "\nbeside peers: HTTP in, orders of 5 KB, XML to JSON, RabbitMQ (quorum queue) with confirm, {CONNECTIONS} connections"
    );
    let mut rates = Vec::new();
    for journal in Journal::all() {
        let target = Target::Amqp { url: broker.to_owned(), queue: format!("bench-{}", fastrand::u64(..)) };
        let hub = Hub::start(&journal, &target, "");
        end_to_end(&hub, "order", 0, 1_000);
        let (rate, _) = end_to_end(&hub, "order", 1_000, ALL);
        rates.push((format!("this hub, journal in {}", journal.name()), rate));
    }
    match NodeRed::start(broker) {
        Ok(peer) => {
            load::send(peer.port, "/order", "order", CONNECTIONS, 0, 500);
            let rate = load::send(peer.port, "/order", "order", CONNECTIONS, 500, ALL / 3).rate;
            rates.push((format!("Node-RED {NODE_RED}, no journal"), rate));
        }
        Err(why) => println!("Node-RED is left out: {why}"),
    }
    let ours = rates.first().map_or(1.0, |(_, rate)| *rate);
    for (name, rate) in &rates {
        println!("{name:<34} {rate:>7.0}/s   we are {:>5.2} times as fast", ours / rate);
    }
    let limit = limit::confirms(runtime, broker, load::message("order", 1).len(), 500);
    println!("{:<34} {limit:>7.0}/s", "the broker's confirms alone");
}

/// Node-RED from npm, with one flow.
struct NodeRed {
    child: Child,
    port: u16,
}

impl NodeRed {
    fn start(broker: &str) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder: PathBuf = root.join("target/peers/node-red");
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        if !folder.join("node_modules/node-red/red.js").is_file() {
            let packages = [format!("node-red@{NODE_RED}"), "amqplib@0.10.9".to_owned()];
            let installed = Command::new("npm")
                .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
                .arg(&folder)
                .args(packages)
                .status();
            if !installed.is_ok_and(|status| status.success()) {
                return Err("npm could not install it".into());
            }
        }
        let codes: serde_json::Map<String, serde_json::Value> =
            orders::codes().into_iter().map(|(value, target)| (value, target.into())).collect();
        let file = folder.join("codes.json");
        fs::write(&file, serde_json::Value::from(codes).to_string()).map_err(|error| error.to_string())?;
        let (port, queue) = (free_port(), format!("peer-{}", fastrand::u64(..)));
        let made = Command::new("node")
            .arg(root.join("benches/peers/node-red.js"))
            .arg(&folder)
            .args([broker, &queue])
            .arg(&file)
            .arg(port.to_string())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            return Err("its flow could not be written".into());
        }
        let child = Command::new("node")
            .arg(folder.join("node_modules/node-red/red.js"))
            .args(["--settings"])
            .arg(folder.join("settings.js"))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let peer = Self { child, port };
        wait("Node-RED answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        // the flow starts a little after the listener, and its channel after that
        wait("its flow is there", || probe(port));
        Ok(peer)
    }
}

/// Whether one order goes through.
fn probe(port: u16) -> bool {
    std::panic::catch_unwind(|| load::send(port, "/order", "order", 1, 0, 1)).is_ok()
}

impl Drop for NodeRed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
