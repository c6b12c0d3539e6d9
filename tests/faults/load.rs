//! The load: senders that send notes, key by key in sequence, until each is acknowledged, and keep the ledger.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    ledger::Ledger,
    note::{Kind, Note},
};

/// The API key of the load generator.
pub const API_KEY: &str = "fault-suite-key-0001";

/// Where the senders send to.
#[derive(Clone)]
pub enum Door {
    /// The ingest ports of the nodes.
    Http(Vec<u16>),
    /// A broker's address and a queue.
    Amqp(String, String),
}

/// How much is sent, and how.
#[derive(Clone)]
pub struct Plan {
    /// Keys have numbers from here.
    pub first_key: u32,
    /// Keys; the first one is shared by all senders, so that some of its sends overlap.
    pub keys: u32,
    /// Sends under way at once.
    pub senders: usize,
    /// Notes in all; without it until told to stop.
    pub notes: Option<usize>,
    /// A pause of each sender after each note.
    pub pause: Duration,
    /// What kind of note each is.
    pub kind: fn(Note) -> Kind,
}

impl Default for Plan {
    fn default() -> Self {
        Self { first_key: 0, keys: 24, senders: 8, notes: None, pause: Duration::from_millis(5), kind: |_| Kind::Plain }
    }
}

struct Shared {
    ledger: Arc<Ledger>,
    plan: Plan,
    numbers: Vec<AtomicU32>,
    begun: AtomicUsize,
    stop: AtomicBool,
}

/// Senders at work.
pub struct Load {
    shared: Arc<Shared>,
    senders: JoinSet<()>,
    runtime: Handle,
}

impl Load {
    /// Starts the senders.
    pub fn start(runtime: &Handle, ledger: &Arc<Ledger>, door: &Door, plan: Plan) -> Self {
        let numbers = (0..plan.keys).map(|_| AtomicU32::new(0)).collect();
        let (begun, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { ledger: ledger.clone(), plan, numbers, begun, stop });
        let mut senders = JoinSet::new();
        for sender in 0..shared.plan.senders {
            let shared = shared.clone();
            match door.clone() {
                Door::Http(ports) => senders.spawn_on(shared.over_http(sender, ports), runtime),
                Door::Amqp(address, queue) => senders.spawn_on(shared.over_amqp(sender, address, queue), runtime),
            };
        }
        Self { shared, senders, runtime: runtime.clone() }
    }

    /// How many notes were begun.
    pub fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// Lets every sender finish the note it is at.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.finish();
    }

    /// Waits until all notes are acknowledged.
    #[track_caller]
    pub fn finish(self) {
        let Self { senders, runtime, .. } = self;
        let all = async {
            let patience = Duration::from_secs(if senders.is_empty() { 0 } else { 900 });
            tokio::time::timeout(patience, senders.join_all()).await.expect("the senders come to their end");
        };
        runtime.block_on(all);
    }
}

impl Shared {
    /// The next note of a sender; `None` at the end.
    fn next(&self, sender: usize, turn: usize) -> Option<Note> {
        let plan = &self.plan;
        if self.stop.load(Ordering::SeqCst) {
            return None;
        }
        let before = self.begun.fetch_add(1, Ordering::SeqCst);
        if plan.notes.is_some_and(|notes| before >= notes) {
            self.begun.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        // the first key belongs to everybody, and every other one to one sender
        let own = (plan.keys as usize + plan.senders - 1 - sender) / plan.senders - usize::from(sender == 0);
        let nth = turn % (own + 1);
        let key = if nth == 0 { 0 } else { sender + plan.senders * (nth - usize::from(sender > 0)) };
        let number = self.numbers[key].fetch_add(1, Ordering::SeqCst);
        let note = Note { key: plan.first_key + u32::try_from(key).ok()?, number };
        self.ledger.begin(note, (plan.kind)(note));
        Some(note)
    }

    async fn over_http(self: Arc<Self>, sender: usize, ports: Vec<u16>) {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        let mut port = sender;
        for turn in 0.. {
            let Some(note) = self.next(sender, turn) else { return };
            // now and then a sender that saw the answer sends again all the same
            let times = if turn % 23 == 11 { 2 } else { 1 };
            for _ in 0..times {
                loop {
                    let url = format!("http://127.0.0.1:{}/in/source/note", ports[port % ports.len()]);
                    match self.post(&client, &url, note).await {
                        Some(id) => break self.ledger.acknowledge(note, Some(&id)),
                        None => port += 1,
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            tokio::time::sleep(self.plan.pause).await;
        }
    }

    /// One try; the message's id when it was acknowledged.
    async fn post(&self, client: &reqwest::Client, url: &str, note: Note) -> Option<String> {
        let body = note.body((self.plan.kind)(note));
        let request = client.post(url).header("x-api-key", API_KEY).header("idempotency-key", note.id());
        let response = request.header("content-type", "application/xml").body(body).send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        match status {
            200..=299 => {
                let value: serde_json::Value = serde_json::from_str(&text).ok()?;
                value["message_id"].as_str().map(str::to_owned)
            }
            408 | 429 | 500..=599 => {
                tokio::time::sleep(Duration::from_millis(80)).await;
                None
            }
            _ => {
                self.ledger.wrong(format!("{note:?} was answered {status}: {text}"));
                tokio::time::sleep(Duration::from_millis(200)).await;
                None
            }
        }
    }

    async fn over_amqp(self: Arc<Self>, sender: usize, address: String, queue: String) {
        let mut open: Option<(Connection, Channel)> = None;
        for turn in 0.. {
            let Some(note) = self.next(sender, turn) else { return };
            loop {
                if open.is_none() {
                    open = connect(&address).await;
                }
                if let Some((_, channel)) = &open
                    && self.publish(channel, &queue, note).await
                {
                    self.ledger.acknowledge(note, None);
                    break;
                }
                open = None;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            tokio::time::sleep(self.plan.pause).await;
        }
    }

    /// One try; whether the broker confirmed it.
    async fn publish(&self, channel: &Channel, queue: &str, note: Note) -> bool {
        let body = note.body((self.plan.kind)(note));
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(note.id().into())
            .with_content_type("application/xml".into())
            .with_type("note".into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let work = async {
            let sent = channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties).await;
            match sent {
                Ok(confirm) => matches!(confirm.await, Ok(answer) if answer.is_ack()),
                Err(_) => false,
            }
        };
        tokio::time::timeout(Duration::from_secs(20), work).await.unwrap_or(false)
    }
}

async fn connect(address: &str) -> Option<(Connection, Channel)> {
    let work = async {
        let connection = Connection::connect(address, ConnectionProperties::default()).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.ok()?;
        Some((connection, channel))
    };
    tokio::time::timeout(Duration::from_secs(10), work).await.ok().flatten()
}
