//! The settings of sources and sinks, as plain data.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use serde::Deserialize;

use super::{
    schedule::Schedule,
    signature::{Signature, SignatureConfig},
};
use crate::{
    base::{Secret, Sha256},
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
    /// Bytes of request bodies held at once, until they are stored.
    pub max_in_flight_bytes: usize,
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
            max_in_flight_bytes: 256 << 20,
            max_connections: 4096,
            max_connections_per_ip: 256,
            max_header_bytes: 32 << 10,
            max_headers: 100,
        }
    }
}

/// How a sink proves who it is.
#[derive(Clone, Debug)]
pub enum HttpAuth {
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// An API key in a header.
    KeyInHeader {
        /// The header.
        name: String,
        /// The key.
        key: Secret,
    },
    /// An API key in the query.
    KeyInQuery {
        /// The parameter.
        name: String,
        /// The key.
        key: Secret,
    },
    /// An access token by client credentials.
    OAuth2(OAuth2Config),
}

/// Where and how access tokens are fetched (RFC 6749 §4.4).
#[derive(Clone, Debug)]
pub struct OAuth2Config {
    /// The token endpoint.
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scopes asked for, separated by blanks; empty for the server's own.
    pub scope: String,
    /// The audience asked for; empty for none.
    pub audience: String,
    /// Further parameters of the request.
    pub parameters: BTreeMap<String, String>,
    /// Whether id and secret go into the body instead of the `Authorization` header.
    pub in_body: bool,
    /// Time for the whole exchange.
    pub timeout_ms: u64,
}

/// What an HTTP client trusts and shows, PEM.
#[derive(Clone, Debug)]
pub struct TlsOutConfig {
    /// The roots it trusts instead of the system's; empty for the system's.
    pub ca: String,
    /// The certificate it shows, and those between it and its root; empty for none.
    pub certificate: String,
    /// The certificate's key.
    pub key: Secret,
}

impl Default for TlsOutConfig {
    fn default() -> Self {
        Self { ca: String::new(), certificate: String::new(), key: Secret::new("") }
    }
}

/// The request of one document type, where it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequestConfig {
    /// The type, or the beginning of types with `*`.
    pub document_type: String,
    /// The method; empty for the usual one.
    pub method: String,
    /// Path and query, with `{…}` as in [`HttpOutConfig::url`]; empty for the usual ones.
    pub path: String,
}

/// An HTTP destination.
#[derive(Clone, Debug)]
pub struct HttpOutConfig {
    /// `http` or `https` address that payloads are sent to, without user or password. `{business_key}`, `{delivery_id}`,
    /// `{message_id}` and `{document_type}` in path and query are filled in.
    pub url: String,
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Document types with requests of their own; the first that fits.
    pub requests: Vec<HttpRequestConfig>,
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
    /// What to trust and to show.
    pub tls: TlsOutConfig,
    /// How requests are signed.
    pub signature: Option<SignatureConfig>,
}

impl Default for HttpOutConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            method: "POST".to_owned(),
            requests: Vec::new(),
            connect_timeout_ms: 5_000,
            timeout_ms: 30_000,
            headers: BTreeMap::new(),
            response_limit: BYTES,
            auth: None,
            tls: TlsOutConfig::default(),
            signature: None,
        }
    }
}

/// Who may send for a system over HTTP.
#[derive(Clone, Debug, Default)]
pub struct HttpAccess {
    /// Digests of its API keys.
    pub keys: Vec<Sha256>,
    /// How its requests may be signed instead.
    pub signature: Option<Arc<Signature>>,
    /// Names of which a certificate that it shows must hold one.
    pub certificates: Vec<String>,
}

/// Queues to take messages from.
#[derive(Clone, Debug)]
pub struct AmqpInConfig {
    /// `amqp://user:password@host:port/vhost` or `amqps://…`.
    pub url: Secret,
    /// The queues; each has a consumer of its own.
    pub queues: Vec<String>,
    /// Messages the broker may hand out of each queue before they are acknowledged.
    pub prefetch: u16,
    /// The system the messages come from.
    pub system: String,
    /// Their document type; empty to take the message's `type` property, or else to identify by content.
    pub document_type: String,
    /// Whether each queue must let one consumer at a time have its messages, so that their order is kept.
    pub single_active_consumer: bool,
    /// What is declared; nothing unless set.
    pub declare: AmqpDeclare,
}

impl Default for AmqpInConfig {
    fn default() -> Self {
        Self {
            url: Secret::new(""),
            queues: Vec::new(),
            prefetch: 512,
            system: String::new(),
            document_type: String::new(),
            single_active_consumer: false,
            declare: AmqpDeclare::default(),
        }
    }
}

/// An exchange, or a queue behind the default exchange, to publish to.
#[derive(Clone, Debug)]
pub struct AmqpOutConfig {
    /// `amqp://user:password@host:port/vhost` or `amqps://…`.
    pub url: Secret,
    /// The exchange; empty for the default exchange.
    pub exchange: String,
    /// The routing key, a template; with the default exchange, the queue's name.
    pub routing_key: String,
    /// What is declared; nothing unless set.
    pub declare: AmqpDeclare,
    /// Time for the broker to confirm.
    pub confirm_timeout_ms: u64,
    /// Publications in flight at once.
    pub max_in_flight: usize,
    /// The property `app_id`.
    pub app_id: String,
    /// The property `content_encoding`; empty for none.
    pub content_encoding: String,
    /// The property `priority`.
    pub priority: Option<u8>,
    /// More headers: their texts are templates.
    pub headers: BTreeMap<String, String>,
    /// The `source` of CloudEvents headers; empty for none.
    pub event_source: String,
}

impl Default for AmqpOutConfig {
    fn default() -> Self {
        Self {
            url: Secret::new(""),
            exchange: String::new(),
            routing_key: String::new(),
            declare: AmqpDeclare::default(),
            confirm_timeout_ms: 30_000,
            max_in_flight: 500,
            app_id: "crossdock".to_owned(),
            content_encoding: String::new(),
            priority: None,
            headers: BTreeMap::new(),
            event_source: String::new(),
        }
    }
}

/// What is declared at a broker when a connection is made: made when missing, and an error when it is there and
/// different. What is not declared is only looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmqpDeclare {
    /// The queue, or each of several.
    pub queue: Option<QueueConfig>,
    /// The exchange published to, or bound to.
    pub exchange: Option<ExchangeConfig>,
    /// Where the queues get their messages from.
    pub bindings: Vec<BindingConfig>,
}

/// A queue to declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// How it is kept.
    pub kind: QueueKind,
    /// Whether it survives the broker; quorum queues always do.
    pub durable: bool,
    /// Where messages go that are rejected, too many, or delivered too often.
    pub dead_letter_exchange: Option<String>,
    /// With which routing key; their own without it.
    pub dead_letter_routing_key: Option<String>,
    /// Messages it holds at most.
    pub max_length: Option<u32>,
    /// Bytes it holds at most.
    pub max_length_bytes: Option<u64>,
    /// What becomes of the next one.
    pub overflow: Option<Overflow>,
    /// How often a message is handed out before it is dead.
    pub delivery_limit: Option<u32>,
    /// Whether one consumer at a time gets messages.
    pub single_active_consumer: bool,
    /// The highest priority; classic queues only.
    pub max_priority: Option<u8>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            kind: QueueKind::Quorum,
            durable: true,
            dead_letter_exchange: None,
            dead_letter_routing_key: None,
            max_length: None,
            max_length_bytes: None,
            overflow: None,
            delivery_limit: None,
            single_active_consumer: false,
            max_priority: None,
        }
    }
}

/// How a queue is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// On several nodes, flushed.
    Quorum,
    /// On one node.
    Classic,
}

/// What becomes of a message that a full queue should take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest is dropped for it.
    DropHead,
    /// It is not taken: the publisher hears so.
    RejectPublish,
    /// The same, and it becomes a dead letter.
    RejectPublishDlx,
}

/// An exchange to declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// Its name.
    pub name: String,
    /// `direct`, `topic`, `fanout`, `headers`, `x-consistent-hash`.
    pub kind: String,
    /// Whether it survives the broker.
    pub durable: bool,
}

/// A binding to declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingConfig {
    /// The exchange messages come from.
    pub exchange: String,
    /// The queue they go to; each of the queues when empty.
    pub queue: String,
    /// The binding key; with `x-consistent-hash` the queue's weight.
    pub key: String,
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
    /// The marker that must stand beside a file before it is taken, with `{name}`; empty for none.
    pub wait_for: String,
    /// Whether a `.sha256` must stand beside a file, and fit it.
    pub checksum: bool,
    /// When it looks, instead of all the time.
    #[serde(skip)]
    pub schedule: Option<Schedule>,
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
            wait_for: String::new(),
            checksum: false,
            schedule: None,
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
    /// The file's name until it is whole, with `{name}`, `{delivery_id}` and `{attempt}`.
    pub temporary: String,
    /// Whether a `.sha256` is put beside it, before it.
    pub checksum: bool,
    /// An empty file put beside it, after it, with `{name}`; empty for none.
    pub done: String,
    /// Whether to flush file and folder to stable storage before saying it is delivered.
    pub fsync: bool,
}

impl Default for FileOutConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            name: "{delivery_id}.xml".to_owned(),
            temporary: ".{delivery_id}.{attempt}.part".to_owned(),
            checksum: false,
            done: String::new(),
            fsync: true,
        }
    }
}

/// A query whose rows are messages.
#[derive(Clone, Debug)]
pub struct SqlInConfig {
    /// `postgres://user:password@host:port/database` or `sqlite:/path`.
    pub url: Secret,
    /// The query; `:mark` in it is how far it was read, a text.
    pub query: String,
    /// The column that grows from row to row; empty when `after` notes what was taken.
    pub mark: String,
    /// The mark before the first time.
    pub start: String,
    /// The column that tells rows apart; empty for the mark's.
    pub key: String,
    /// The column that rows of one message share; empty for a message from each row.
    pub group: String,
    /// A statement run after a row is safe, with `:key` and `:mark`; empty for none.
    pub after: String,
    /// Rows taken at a time.
    pub batch: usize,
    /// The system the rows come from.
    pub system: String,
    /// Their document type; empty to identify by content.
    pub document_type: String,
    /// Time between two looks.
    pub poll_ms: u64,
    /// Time for each answer.
    pub timeout_ms: u64,
    /// When it looks, instead of all the time.
    pub schedule: Option<Schedule>,
}

impl SqlInConfig {
    /// The column that tells rows apart.
    #[must_use]
    pub fn key(&self) -> &str {
        if self.key.is_empty() { &self.mark } else { &self.key }
    }
}

impl Default for SqlInConfig {
    fn default() -> Self {
        Self {
            url: Secret::new(""),
            query: String::new(),
            mark: String::new(),
            start: String::new(),
            key: String::new(),
            group: String::new(),
            after: String::new(),
            batch: 500,
            system: String::new(),
            document_type: String::new(),
            poll_ms: 10_000,
            timeout_ms: 30_000,
            schedule: None,
        }
    }
}

/// One statement of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlStep {
    /// The path of the elements that it is run for, each; empty for once.
    pub each: String,
    /// The statement, with `:names` of elements.
    pub run: String,
}

/// A database that deliveries are written into.
#[derive(Clone, Debug)]
pub struct SqlOutConfig {
    /// As in [`SqlInConfig`].
    pub url: Secret,
    /// What is run, in order, in one transaction.
    pub statements: Vec<SqlStep>,
    /// The table that knows which deliveries were written.
    pub ledger: String,
    /// Whether to create that table when it is missing.
    pub declare: bool,
    /// Time for the whole transaction.
    pub timeout_ms: u64,
}

impl Default for SqlOutConfig {
    fn default() -> Self {
        Self {
            url: Secret::new(""),
            statements: Vec::new(),
            ledger: "crossdock_delivery".to_owned(),
            declare: false,
            timeout_ms: 30_000,
        }
    }
}

/// An SFTP server and the account there.
#[derive(Clone, Debug)]
pub struct SftpPlace {
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The account.
    pub user: String,
    /// The host keys it is known by: `SHA256:…` or public keys as `known_hosts` has them.
    pub host_keys: Vec<String>,
    /// The account's password.
    pub password: Option<Secret>,
    /// The account's private key, OpenSSH, PKCS#8 or PEM.
    pub key: Option<Secret>,
    /// What the private key is encrypted with.
    pub passphrase: Option<Secret>,
    /// Time for each step of connecting.
    pub connect_timeout_ms: u64,
    /// Time for each answer.
    pub timeout_ms: u64,
}

impl Default for SftpPlace {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 22,
            user: String::new(),
            host_keys: Vec::new(),
            password: None,
            key: None,
            passphrase: None,
            connect_timeout_ms: 10_000,
            timeout_ms: 30_000,
        }
    }
}

/// A folder on an SFTP server to take files from.
#[derive(Clone, Debug)]
pub struct SftpInConfig {
    /// The server.
    pub place: SftpPlace,
    /// The folder there, and what is taken; folders are as the server sees them.
    pub files: FileInConfig,
    /// Whether files that are safe are deleted instead of moved to `done`.
    pub delete: bool,
    /// After so long another node takes over what a node has claimed.
    pub claim_ms: u64,
}

/// A folder on an SFTP server to write files to.
#[derive(Clone, Debug)]
pub struct SftpOutConfig {
    /// The server.
    pub place: SftpPlace,
    /// The folder there and the names; files are flushed where the server can.
    pub files: FileOutConfig,
}
