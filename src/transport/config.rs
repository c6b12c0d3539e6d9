//! The settings of sources and sinks, as plain data.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Deserializer};

use crate::{
    base::Secret,
    format::{Charset, Records},
};

/// The largest body, reply or file taken unless the settings say otherwise.
const BYTES: usize = 10 << 20;

/// An HTTP listener's address, deadlines and caps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HttpInConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Time for a request's complete head, from its first byte (from the connection's start for the first).
    pub header_timeout_ms: u64,
    /// Longest silence inside a request body, and longest time a client may refuse to read a response.
    pub body_idle_timeout_ms: u64,
    /// Time for a whole request.
    pub request_timeout_ms: u64,
    /// Longest silence between two requests of a connection.
    pub keep_alive_ms: u64,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once from one address.
    pub max_connections_per_ip: usize,
    /// Largest request head in bytes; at least 8192.
    pub max_header_bytes: usize,
    /// Header lines of one request.
    pub max_headers: usize,
}

impl Default for HttpInConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            header_timeout_ms: 10_000,
            body_idle_timeout_ms: 15_000,
            request_timeout_ms: 120_000,
            keep_alive_ms: 60_000,
            max_body_bytes: BYTES,
            max_connections: 4096,
            max_connections_per_ip: 256,
            max_header_bytes: 32 << 10,
            max_headers: 100,
        }
    }
}

/// How a sink proves who it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpAuth {
    /// `Authorization: Bearer …`.
    Bearer(#[serde(deserialize_with = "secret")] Secret),
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user name.
        user: String,
        /// The password.
        #[serde(deserialize_with = "secret")]
        password: Secret,
    },
}

/// An HTTP destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct HttpOutConfig {
    /// `http` or `https` address that payloads are posted to, without user or password.
    pub url: String,
    /// Time for name look-up, connection and TLS handshake.
    pub connect_timeout_ms: u64,
    /// Time for the whole exchange, reply included.
    pub timeout_ms: u64,
    /// Fixed headers added to every request.
    pub headers: BTreeMap<String, String>,
    /// Bytes of the reply that are read; the rest is left unread.
    pub response_limit: usize,
    /// How to prove who we are.
    pub auth: Option<HttpAuth>,
}

impl Default for HttpOutConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            connect_timeout_ms: 5_000,
            timeout_ms: 30_000,
            headers: BTreeMap::new(),
            response_limit: BYTES,
            auth: None,
        }
    }
}

/// A queue to take messages from.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AmqpInConfig {
    /// `amqp://user:password@host:port/vhost` or `amqps://…`.
    #[serde(deserialize_with = "secret")]
    pub url: Secret,
    /// The queue.
    pub queue: String,
    /// Messages the broker may hand out before they are acknowledged.
    pub prefetch: u16,
    /// The system the messages come from.
    pub system: String,
    /// Their document type; empty to take the message's `type` property, or else to identify by content.
    pub document_type: String,
    /// Whether to declare the queue (durable, quorum) when it is missing.
    pub declare: bool,
}

impl Default for AmqpInConfig {
    fn default() -> Self {
        Self {
            url: Secret::new(""),
            queue: String::new(),
            prefetch: 200,
            system: String::new(),
            document_type: String::new(),
            declare: false,
        }
    }
}

/// An exchange, or a queue behind the default exchange, to publish to.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AmqpOutConfig {
    /// `amqp://user:password@host:port/vhost` or `amqps://…`.
    #[serde(deserialize_with = "secret")]
    pub url: Secret,
    /// The exchange; empty for the default exchange.
    pub exchange: String,
    /// The routing key; with the default exchange, the queue's name.
    pub routing_key: String,
    /// Whether to declare the queue named by `routing_key` (durable, quorum; default exchange only) when it is missing.
    pub declare: bool,
    /// Time for the broker to confirm.
    pub confirm_timeout_ms: u64,
    /// Publications in flight at once; each has its own channel.
    pub max_in_flight: usize,
}

impl Default for AmqpOutConfig {
    fn default() -> Self {
        Self {
            url: Secret::new(""),
            exchange: String::new(),
            routing_key: String::new(),
            declare: false,
            confirm_timeout_ms: 30_000,
            max_in_flight: 64,
        }
    }
}

/// A folder to take files from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FileInConfig {
    /// The folder to watch; its sub-folders are not.
    pub folder: PathBuf,
    /// File names taken: `*` stands for any text, `?` for one character.
    pub pattern: String,
    /// The system the files come from.
    pub system: String,
    /// Their document type; empty to identify by content.
    pub document_type: String,
    /// Time between two looks at the folder.
    pub poll_ms: u64,
    /// How long size and modification time must stay the same before a file counts as complete.
    pub stable_ms: u64,
    /// Where accepted files go; must be on the same file system. Empty: `done` inside the folder.
    pub done: PathBuf,
    /// Where refused files go, each with a `.problem.json` beside it. Empty: `failed` inside the folder.
    pub failed: PathBuf,
    /// Largest file in bytes.
    pub max_file_bytes: u64,
    /// How its files are split into records, each to be a message of its own.
    #[serde(skip)]
    pub split: Option<SplitConfig>,
}

/// How batch files are split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitConfig {
    /// What the records are.
    pub records: Records,
    /// The files' character set, when they do not say it and it is not UTF-8.
    pub charset: Option<Charset>,
}

impl Default for FileInConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            pattern: "*".to_owned(),
            system: String::new(),
            document_type: String::new(),
            poll_ms: 1_000,
            stable_ms: 2_000,
            done: PathBuf::new(),
            failed: PathBuf::new(),
            max_file_bytes: BYTES as u64,
            split: None,
        }
    }
}

/// A folder to write files to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FileOutConfig {
    /// The folder; must exist.
    pub folder: PathBuf,
    /// The file name, with `{business_key}`, `{delivery_id}` and `{document_type}` filled in. Without `{delivery_id}` two
    /// deliveries may want the same name: the second one with other content is then refused.
    pub name: String,
    /// Whether to flush file and folder to stable storage before saying it is delivered.
    pub fsync: bool,
}

impl Default for FileOutConfig {
    fn default() -> Self {
        Self { folder: PathBuf::new(), name: "{delivery_id}.xml".to_owned(), fsync: true }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}
