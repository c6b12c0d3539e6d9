//! The hub under measurement: a process of its own, over content written for it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::orders;

/// The key senders show.
pub const KEY: &str = "bench-key-of-the-load-generator";

/// How long anything may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where the journal is.
#[derive(Clone, Debug)]
pub enum Journal {
    Sqlite,
    /// The address of a server; every hub gets a schema of its own.
    Postgres(String),
}

impl Journal {
    /// The journals that can be measured here.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Sqlite];
        all.extend(std::env::var("CROSSDOCK_TEST_POSTGRES").ok().map(Self::Postgres));
        all
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// Where orders and customers go.
#[derive(Clone, Debug)]
pub enum Target {
    /// Posted to this address.
    Http(String),
    /// Published to a queue of this broker.
    Amqp { url: String, queue: String },
}

/// A running hub; killed when dropped.
pub struct Hub {
    child: Option<Child>,
    folder: PathBuf,
    pub ingest: u16,
    operations: u16,
}

impl Hub {
    /// Starts a hub and waits until it is ready.
    pub fn start(journal: &Journal, target: &Target, settings: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench").join(format!("{}", fastrand::u64(..)));
        let mut hub = Self { child: None, folder, ingest: free_port(), operations: free_port() };
        hub.write_content(target);
        let store = match journal {
            Journal::Sqlite => String::new(),
            Journal::Postgres(url) => {
                format!("store.url = \"{url}\"\nstore.schema = \"bench_{}\"\n", fastrand::u64(..))
            }
        };
        hub.write(
            "crossdock.toml",
            &format!(
                "hub.data = \"data\"\nhub.content = \".\"\ningest.listen = \"127.0.0.1:{}\"\n\
                 operations.listen = \"127.0.0.1:{}\"\nlog.level = \"warn\"\n{store}{settings}",
                hub.ingest, hub.operations
            ),
        );
        hub.run();
        hub
    }

    /// Starts the process; its folder is there.
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("hub.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_crossdock"))
            .args(["run", "--config"])
            .arg(self.folder.join("crossdock.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the hub starts");
        self.child = Some(child);
        wait("the hub is ready", || get(self.operations, "/readyz").is_some());
    }

    /// Changes where things go; takes effect with the next start.
    pub fn redirect(&self, target: &Target) {
        self.write_content(target);
    }

    /// Ends the process.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    /// Deliveries in a state.
    pub fn deliveries(&self, state: &str) -> u64 {
        let counts = get(self.operations, "/api/v1/counts").unwrap_or_default();
        let counts: serde_json::Value = serde_json::from_str(&counts).unwrap_or_default();
        let rows = counts["deliveries"].as_array().cloned().unwrap_or_default();
        rows.iter().filter(|row| row["state"] == state).filter_map(|row| row["count"].as_u64()).sum()
    }

    /// The most memory it had, in MiB.
    pub fn memory(&self) -> u64 {
        let id = self.child.as_ref().map_or(0, Child::id);
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
    }

    /// Processor seconds it has used.
    pub fn processor(&self) -> f64 {
        let id = self.child.as_ref().map_or(0, Child::id);
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        ticks as f64 / 100.0
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }

    fn write_content(&self, target: &Target) {
        let out = match target {
            Target::Http(url) => format!("  http:\n    url: {url}\n    timeout: 10s\n"),
            Target::Amqp { url, queue } => {
                format!("  amqp:\n    url: {url}\n    routing-key: {queue}\n    declare: true\n")
            }
        };
        self.write("systems/crm.yaml", &format!("system: crm\nprofile: crm\nin:\n  http:\n    key: {KEY}\n"));
        self.write(
            "systems/parts.yaml",
            &format!("system: parts\nprofile: parts\nout:\n{out}  encoding: {{syntax: json}}\n"),
        );
        for (kind, mapping) in [("order", "order-json"), ("customer", "customer-json")] {
            self.write(
                &format!("routes/{kind}s.yaml"),
                &format!(
                    "route: {kind}s\nfrom: {{system: crm, type: crm/{kind}}}\nto:\n  - {{system: parts, mapping: parts/{mapping}}}\n"
                ),
            );
        }
        self.write(
            "mappings/crm/profile.yaml",
            "profile: crm\ntitle: {en: CRM, zh: CRM}\nnamespaces: {o: \"urn:example:crm:order:1\"}\ndocuments:\n  \
             crm/order:\n    root: SalesOrder\n    namespace: \"urn:example:crm:order:1\"\n    business-key: =o:SalesOrder/o:Header/o:DocNo\n  \
             crm/customer:\n    root: Customer\n    namespace: \"urn:example:crm:order:1\"\n    business-key: =o:Customer/o:Code\n",
        );
        self.write(
            "mappings/parts/profile.yaml",
            "profile: parts\ntitle: {en: Parts, zh: 配件}\ndocuments:\n  parts/purchase-order-json: {root: object}\n  \
             parts/customer-json: {root: object}\n",
        );
        let order = include_str!("../mapping/order-json.yaml");
        self.write("mappings/parts/order-json.yaml", order);
        self.write("mappings/parts/customer-json.yaml", include_str!("customer-json.yaml"));
        let rows: String = orders::codes().iter().map(|(value, target)| format!("{value},{target},parts\n")).collect();
        self.write("codes/item.csv", &format!("value,target,system\n{rows}"));
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port nobody listens on.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Asks again until it is so.
pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// GET; the body of a 200.
pub fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}
