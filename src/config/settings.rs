//! The settings themselves; `deploy/crossdock.toml` says what each means.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::base::{Language, Limits, Secret, Watermark, parse_duration, parse_size};

/// All settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[hub]`
    pub hub: Hub,
    /// `[store]`
    pub store: Store,
    /// `[storage]`
    pub storage: Storage,
    /// `[retention]`
    pub retention: Retention,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[operations]`
    pub operations: Operations,
    /// `[egress]`
    pub egress: Egress,
    /// `[delivery]`
    pub delivery: Delivery,
    /// `[limits]`
    pub limits: DocumentLimits,
    /// `[log]`
    pub log: Log,
}

/// `[hub]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// The hub's name.
    pub name: String,
    /// The journal's folder.
    pub data: PathBuf,
    /// The content folder.
    pub content: PathBuf,
    /// The language of messages to people.
    #[serde(deserialize_with = "language")]
    pub language: Language,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Address of a PostgreSQL database; empty for SQLite in the data folder.
    #[serde(deserialize_with = "secret")]
    pub url: Secret,
    /// The schema inside that database.
    pub schema: String,
    /// This process among the others on the store; empty for host and port.
    pub node: String,
}

impl Store {
    /// Whether the journal is in PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        !self.url.expose().is_empty()
    }
}

/// `[storage]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Free space below which people are warned.
    #[serde(deserialize_with = "watermark")]
    pub soft: Watermark,
    /// Free space below which intake stops.
    #[serde(deserialize_with = "watermark")]
    pub hard: Watermark,
    /// Bytes of the ballast file.
    #[serde(deserialize_with = "size")]
    pub ballast: usize,
    /// Size from which payloads are kept compressed.
    #[serde(deserialize_with = "size")]
    pub compress: usize,
}

/// `[retention]`; a time of zero keeps for good.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// How long bytes of finished messages are kept.
    #[serde(deserialize_with = "duration")]
    pub payloads: Duration,
    /// How long attempts and answers are kept.
    #[serde(deserialize_with = "duration")]
    pub attempts: Duration,
    /// How long finished messages are kept at all.
    #[serde(deserialize_with = "duration")]
    pub records: Duration,
    /// How long keys are remembered.
    #[serde(deserialize_with = "duration")]
    pub keys: Duration,
}

/// `[ingest]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    /// Address and port.
    pub listen: SocketAddr,
    /// Bytes of a body.
    #[serde(deserialize_with = "size")]
    pub max_body: usize,
    /// Bytes of a request head.
    #[serde(deserialize_with = "size")]
    pub max_header: usize,
    /// Header fields.
    pub max_headers: usize,
    /// Time for the head.
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Duration,
    /// Time between two bytes of the body.
    #[serde(deserialize_with = "duration")]
    pub body_idle_timeout: Duration,
    /// Time for the whole request.
    #[serde(deserialize_with = "duration")]
    pub request_timeout: Duration,
    /// Time an idle connection is kept.
    #[serde(deserialize_with = "duration")]
    pub keep_alive: Duration,
    /// Bytes of bodies held at once.
    #[serde(deserialize_with = "size")]
    pub max_in_flight: usize,
    /// Things not done above which intake stops; 0 for no limit.
    pub max_backlog: u64,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections from one address.
    pub max_connections_per_ip: usize,
    /// The certificate's file; empty for plain HTTP.
    pub tls_certificate: PathBuf,
    /// The key's file.
    pub tls_key: PathBuf,
    /// The file with the roots of senders' certificates.
    pub tls_client_ca: PathBuf,
    /// Whether senders are asked for certificates.
    pub tls_client: TlsClient,
}

/// Whether senders are asked for certificates.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TlsClient {
    /// They are not.
    Off,
    /// They may show one.
    Optional,
    /// They must.
    Required,
}

/// `[egress]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// What may be connected to besides public addresses.
    pub allow: Vec<String>,
    /// The proxy for `http` destinations.
    pub http_proxy: String,
    /// The proxy for `https` destinations.
    pub https_proxy: String,
    /// What is reached without a proxy.
    pub no_proxy: Vec<String>,
    /// Whether the environment's proxy variables count where no proxy is set.
    pub proxy_from_environment: bool,
}

/// `[operations]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// Address and port.
    pub listen: SocketAddr,
    /// Whether addresses other than loopback are allowed.
    pub remote: bool,
}

/// `[delivery]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Deliveries at once per destination.
    pub concurrency: usize,
    /// Waits before each further attempt.
    #[serde(deserialize_with = "durations")]
    pub retry: Vec<Duration>,
    /// Random part of a wait, in percent.
    pub jitter_percent: u8,
    /// What becomes of a lane whose delivery has used up its attempts.
    pub on_exhausted: OnExhausted,
    /// Failures in a row that pause a destination; 0: none do.
    pub breaker_failures: u32,
    /// Time between two probes of a paused destination.
    #[serde(deserialize_with = "duration")]
    pub breaker_probe: Duration,
}

/// What becomes of a lane whose delivery has used up its attempts.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum OnExhausted {
    /// Its route says: the lane waits, unless the route has `on-parked: continue`.
    BlockKey,
    /// The lane goes on.
    ParkAndContinue,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct DocumentLimits {
    /// Bytes of a document.
    #[serde(deserialize_with = "size")]
    pub document: usize,
    /// XML element depth.
    pub xml_depth: usize,
    /// Attributes of an element.
    pub xml_attributes: usize,
    /// JSON depth.
    pub json_depth: usize,
    /// Nodes of a document.
    pub nodes: usize,
    /// Steps of one mapping run.
    pub evaluation_steps: u64,
}

impl DocumentLimits {
    /// The limits for readers and evaluators; what has no setting keeps its shipped value.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            document_bytes: self.document,
            xml_depth: self.xml_depth,
            xml_attributes: self.xml_attributes,
            json_depth: self.json_depth,
            nodes: self.nodes,
            evaluation_steps: self.evaluation_steps,
            ..Limits::default()
        }
    }
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines are written.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

fn language<'de, D: Deserializer<'de>>(from: D) -> Result<Language, D::Error> {
    match String::deserialize(from)?.as_str() {
        "en" => Ok(Language::English),
        "zh" => Ok(Language::Chinese),
        _ => Err(D::Error::custom("expected \"en\" or \"zh\"")),
    }
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(from)?).ok_or_else(|| D::Error::custom(NOT_A_DURATION))
}

fn durations<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Duration>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| parse_duration(text).ok_or_else(|| D::Error::custom(NOT_A_DURATION))).collect()
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    parse_size(&String::deserialize(from)?)
        .ok_or_else(|| D::Error::custom("expected a size with its unit: \"64KiB\", \"10MiB\", \"1GiB\""))
}

fn watermark<'de, D: Deserializer<'de>>(from: D) -> Result<Watermark, D::Error> {
    Watermark::parse(&String::deserialize(from)?).ok_or_else(|| {
        D::Error::custom("expected a size, a part of the disk, or both: \"512MiB\", \"3%\", \"512MiB, 3%\"")
    })
}

const NOT_A_DURATION: &str = "expected a duration with its unit: \"250ms\", \"30s\", \"5m\", \"2h\", \"7d\"";
