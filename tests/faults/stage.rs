//! The stage: nodes over one store, the recording sinks, the senders' ledger, and the moments at which the hub was hurt.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::runtime::Runtime;

use super::{
    ledger::Ledger,
    load::{Door, Load, Plan},
    node::Node,
    sink::Sink,
    support::{Setup, root},
};

/// How long after a hub's death a sink may still take up a request of its.
const LAG: Duration = Duration::from_secs(1);

/// Which store the nodes share.
#[derive(Clone, Default)]
pub enum StoreKind {
    /// SQLite in the stage's own folder.
    #[default]
    Folder,
    /// SQLite in this folder.
    At(PathBuf),
    /// PostgreSQL at this address.
    Postgres(String),
}

/// What a stage is made of.
#[derive(Clone)]
pub struct Design {
    pub store: StoreKind,
    pub nodes: usize,
    /// Where the HTTP sinks are to be reached, when not directly.
    pub through: Option<u16>,
    /// A broker and the queue that is consumed beside the HTTP door.
    pub amqp_in: Option<(String, String)>,
    /// A broker and the queue that the second target is instead of the HTTP sink.
    pub amqp_out: Option<(String, String)>,
    /// More settings, as lines of TOML.
    pub settings: String,
    /// How long the hub waits for a sink.
    pub timeout: &'static str,
    /// Edits of the content, as file, old and new text.
    pub edits: Vec<(&'static str, &'static str, &'static str)>,
}

impl Default for Design {
    fn default() -> Self {
        Self {
            store: StoreKind::default(),
            nodes: 1,
            through: None,
            amqp_in: None,
            amqp_out: None,
            settings: String::new(),
            timeout: "3s",
            edits: Vec::new(),
        }
    }
}

/// Everything under test and around it.
pub struct Stage {
    pub nodes: Vec<Node>,
    pub sink: Sink,
    pub ledger: Arc<Ledger>,
    /// From when to when a hub died, was held up or could not write, so that what it knew of a delivery may be lost.
    pub hurt: Vec<(Instant, Instant)>,
    pub design: Design,
    pub setup: Setup,
    pub runtime: Runtime,
}

impl Stage {
    /// Builds a stage; no node runs yet.
    pub fn build(design: Design) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        // another test of this process may have installed it
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sink = Sink::start(runtime.handle());
        let mut setup = Setup::copy_of(&root().join("tests/faults/content"));
        let port = design.through.unwrap_or(sink.port);
        for system in ["books", "feed"] {
            let file = format!("systems/{system}.yaml");
            setup = setup.replace(&file, "http://127.0.0.1:1/", &format!("http://127.0.0.1:{port}/")).replace(
                &file,
                "timeout: 2s",
                &format!("timeout: {}", design.timeout),
            );
        }
        if let Some((address, queue)) = &design.amqp_in {
            let source = setup.read("systems/source.yaml");
            setup.write("systems/source.yaml", &format!("{source}  amqp:\n    url: {address}\n    queue: {queue}\n"));
        }
        if let Some((address, queue)) = &design.amqp_out {
            let bus = format!(
                "system: bus\nprofile: line\nout:\n  amqp:\n    url: {address}\n    routing-key: {queue}\n    \
                 confirm-timeout: 5s\n  encoding: {{syntax: json}}\n"
            );
            setup.write("systems/bus.yaml", &bus);
            setup = setup.replace("routes/notes.yaml", "{system: feed,", "{system: bus,");
        }
        for (file, old, new) in &design.edits {
            setup = setup.replace(file, old, new);
        }
        let waits = ["50ms", "100ms", "200ms", "500ms"].into_iter().chain(std::iter::repeat_n("1s", 400));
        let waits: Vec<String> = waits.map(|wait| format!("\"{wait}\"")).collect();
        let mut settings = format!(
            "hub.content = \".\"\nlog.level = \"warn\"\ndelivery.jitter_percent = 0\ndelivery.breaker_probe = \"200ms\"\n\
             delivery.retry = [{}]\n",
            waits.join(", ")
        );
        match &design.store {
            StoreKind::Folder => settings.push_str("hub.data = \"data\"\n"),
            StoreKind::At(folder) => settings.push_str(&format!("hub.data = \"{}\"\n", folder.display())),
            StoreKind::Postgres(url) => settings.push_str(&format!("store.url = \"{url}\"\n")),
        }
        if !design.settings.contains("storage.") {
            // the disk of the machine that tests is not looked at
            settings.push_str("storage.soft = \"0B\"\nstorage.hard = \"0B\"\nstorage.ballast = \"0B\"\n");
        }
        settings.push_str(&design.settings);
        let nodes = (0..design.nodes).map(|node| {
            let own = match design.store {
                StoreKind::Postgres(_) => format!("store.node = \"node-{node}\"\nhub.data = \"data-{node}\"\n"),
                _ => String::new(),
            };
            Node::new(setup.path(), &format!("node-{node}"), &format!("{settings}{own}"))
        });
        let nodes = nodes.collect();
        Self { nodes, sink, ledger: Arc::default(), hurt: Vec::new(), design, setup, runtime }
    }

    /// Builds a stage and starts its nodes.
    pub fn set(design: Design) -> Self {
        let mut stage = Self::build(design);
        stage.nodes.iter_mut().for_each(Node::start);
        stage
    }

    /// Starts senders over HTTP.
    pub fn load(&self, plan: Plan) -> Load {
        let ports = self.nodes.iter().map(|node| node.ingest).collect();
        Load::start(self.runtime.handle(), &self.ledger, &Door::Http(ports), plan)
    }

    /// Starts senders to the queue the hub consumes.
    pub fn load_amqp(&self, plan: Plan) -> Load {
        let (address, queue) = self.design.amqp_in.clone().expect("a stage with a queue");
        Load::start(self.runtime.handle(), &self.ledger, &Door::Amqp(address, queue), plan)
    }

    /// The first node.
    pub fn node(&mut self) -> &mut Node {
        &mut self.nodes[0]
    }

    /// A hub dies or is held up now.
    pub fn hurt(&mut self) {
        self.hurt_since(Instant::now());
    }

    /// The hub was held up since a moment.
    pub fn hurt_since(&mut self, began: Instant) {
        self.hurt.push((began, Instant::now()));
    }

    /// Kills the first node with -9.
    pub fn kill9(&mut self) {
        self.kill9_of(0);
    }

    /// Kills a node with -9.
    pub fn kill9_of(&mut self, node: usize) {
        let began = Instant::now();
        self.nodes[node].kill9();
        // the sinks may come late to what the dead one had sent
        self.hurt.push((began, Instant::now() + LAG));
    }

    /// The hub's books, from whichever node answers.
    pub fn counts(&self) -> Option<Value> {
        self.nodes.iter().find_map(|node| node.json("/api/v1/counts"))
    }
}
