//! Builds the parts from settings and content.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{SystemClock, SystemEnvironment};
use crate::{
    base::{Clock, Problem, Problems, Secret, Severity},
    catalog::{Catalog, Environment as _, Library, SinkConfig, resolve},
    config::{OnExhausted, Settings, TlsClient},
    pipeline::{BreakerRules, Policy, RetrySchedule},
    store::{
        PostgresConfig, PostgresReader, PostgresStore, Reader, SpaceConfig, SqliteConfig, SqliteReader, SqliteStore,
        Store, StoreError,
    },
    transport::{
        AmqpSink, AmqpSource, ClientCertificates, Egress, EgressConfig, FileSink, FileSource, HttpInConfig, HttpSink,
        Marks, SftpNode, SftpSink, SftpSource, Sink, SqlSink, SqlSource, TlsInConfig,
    },
};

/// The hub cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal will not open.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}: {error}")]
    Listen {
        /// What for.
        what: &'static str,
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The operations listener would be open to others.
    #[error(
        "operations.listen is {0}, which others may reach, and it shows business documents without asking who they are; \
         use a loopback address, or set operations.remote = true behind a proxy that asks"
    )]
    Exposed(std::net::SocketAddr),
    /// A sink cannot be built.
    #[error("{0}")]
    Sink(Box<Problem>),
}

/// Reads and checks all content, and tries to build every way in and out; problems include warnings.
#[must_use]
pub fn load_catalog(settings: &Settings) -> (Catalog, Problems) {
    let library = Library::over(&settings.hub.content);
    let (catalog, mut problems) = Catalog::load(&library, &SystemEnvironment);
    let egress = egress(settings).unwrap_or_else(|problem| {
        problems.push(*problem);
        Arc::default()
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    for system in catalog.systems() {
        let sources = &system.sources;
        let built = [
            system.sink.as_ref().and_then(|config| sink(config, &egress, &clock).err()),
            sources.amqp.as_ref().and_then(|config| AmqpSource::new(config).err()),
            sources.file.as_ref().and_then(|config| FileSource::new(config).err()),
            sources.sftp.as_ref().and_then(|config| {
                SftpSource::new(config, &egress, sftp_node(settings, String::new(), clock.clone())).err()
            }),
            sources.sql.as_ref().and_then(|config| SqlSource::new(config, &egress, "", Arc::new(NoMarks)).err()),
        ];
        // What is missing or no secret is reported where it stands already.
        let reported = |file: &Option<Arc<str>>| {
            problems.0.iter().any(|problem| problem.severity == Severity::Error && &problem.place.file == file)
        };
        if !reported(&system.place.file) {
            for problem in built.into_iter().flatten() {
                problems.push(Problem { place: system.place.clone(), ..problem });
            }
        }
    }
    problems.sort();
    (catalog, problems)
}

/// Reads and checks all content as [`load_catalog`] does, and compiles the schemas documents are held to.
#[must_use]
pub fn prepare_catalog(settings: &Settings) -> (Catalog, Problems) {
    let (catalog, mut problems) = load_catalog(settings);
    catalog.compile_schemas().0.into_iter().for_each(|problem| problems.push(problem));
    problems.sort();
    (catalog, problems)
}

/// Opens the journal for reading only, beside a running hub or without one.
///
/// # Errors
/// When there is no journal yet, or it cannot be read.
pub async fn open_reader(settings: &Settings) -> Result<Arc<dyn Reader>, StoreError> {
    Ok(if settings.store.is_postgres() {
        Arc::new(PostgresReader::open(&postgres(settings, "command")).await?)
    } else {
        Arc::new(SqliteReader::open(Path::new(&settings.hub.data)).await?)
    })
}

/// Opens the journal for acts of an operator: in SQLite as the only process on it, in PostgreSQL as one more node.
///
/// # Errors
/// When there is none, or a hub is running on one in SQLite.
pub async fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    // Opening for writing would make a new journal; an operator wants the one there is.
    open_reader(settings).await?.close().await;
    open(settings, "", &format!("command {}", std::process::id()), false).await
}

/// Opens the journal to work on it. `hub_id` names a new one; `watched`: its disk is looked at.
pub(super) async fn open(
    settings: &Settings,
    hub_id: &str,
    node: &str,
    watched: bool,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(if settings.store.is_postgres() {
        Arc::new(PostgresStore::open(&postgres(settings, node), hub_id).await?)
    } else {
        Arc::new(SqliteStore::open_with(&settings.hub.data, hub_id, &sqlite(settings, watched)).await?)
    })
}

/// What the hub of these settings is called among the nodes of its store.
pub(super) fn node_name(settings: &Settings) -> String {
    if !settings.store.node.is_empty() {
        return settings.store.node.clone();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), settings.ingest.listen.port())
}

fn postgres(settings: &Settings, node: &str) -> PostgresConfig {
    let store = &settings.store;
    PostgresConfig {
        url: store.url.clone(),
        schema: store.schema.clone(),
        node: node.to_owned(),
        compress_above: settings.storage.compress,
    }
}

/// The ways out of every system that has one.
pub(super) fn sinks(
    catalog: &Catalog,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<BTreeMap<String, Arc<dyn Sink>>, StartError> {
    let egress = egress(settings).map_err(StartError::Sink)?;
    let mut sinks = BTreeMap::new();
    for system in catalog.systems() {
        if let Some(config) = &system.sink {
            let sink = sink(config, &egress, clock).map_err(|problem| StartError::Sink(Box::new(problem)))?;
            sinks.insert(system.id.clone(), sink);
        }
    }
    Ok(sinks)
}

fn sink(config: &SinkConfig, egress: &Arc<Egress>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Sink>, Problem> {
    Ok(match config {
        SinkConfig::Http(config) => Arc::new(HttpSink::new(config, egress, clock.clone())?),
        SinkConfig::Amqp(config) => Arc::new(AmqpSink::new(config, clock.clone())?),
        SinkConfig::File(config) => Arc::new(FileSink::new(config)?),
        SinkConfig::Sftp(config) => Arc::new(SftpSink::new(config, egress)?),
        SinkConfig::Sql(config) => Arc::new(SqlSink::new(config, egress)?),
    })
}

/// Marks for a source that is only checked, never run.
struct NoMarks;

#[async_trait::async_trait]
impl Marks for NoMarks {
    async fn mark(&self, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }

    async fn set_mark(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// What this process brings along for its SFTP sources; `name` is one that no other process has.
pub(super) fn sftp_node(settings: &Settings, name: String, clock: Arc<dyn Clock>) -> SftpNode {
    SftpNode { name, scratch: settings.hub.data.join("scratch"), clock }
}

/// Where the hub may connect to.
pub(super) fn egress(settings: &Settings) -> Result<Arc<Egress>, Box<Problem>> {
    let egress = &settings.egress;
    let from_environment = |name: &str| {
        let lower = name.to_ascii_lowercase();
        let found = SystemEnvironment.variable(name).or_else(|| SystemEnvironment.variable(&lower));
        found.filter(|_| egress.proxy_from_environment).unwrap_or_default()
    };
    let proxy = |set: &str, name: &str| {
        if set.is_empty() { Ok(Secret::new(from_environment(name))) } else { resolve(set, &SystemEnvironment) }
    };
    let mut no_proxy = egress.no_proxy.clone();
    if no_proxy.is_empty() {
        no_proxy.extend(from_environment("NO_PROXY").split(',').map(|host| host.trim().to_owned()));
    }
    let config = EgressConfig {
        allow: egress.allow.clone(),
        http_proxy: proxy(&egress.http_proxy, "HTTP_PROXY")?,
        https_proxy: proxy(&egress.https_proxy, "HTTPS_PROXY")?,
        no_proxy,
        operations: Some(settings.operations.listen),
    };
    Ok(Arc::new(Egress::new(&config)?))
}

/// The listener's certificate files; `None` for plain HTTP.
pub(super) fn tls_in(settings: &Settings) -> Option<TlsInConfig> {
    let ingest = &settings.ingest;
    (!ingest.tls_certificate.as_os_str().is_empty()).then(|| TlsInConfig {
        certificate: ingest.tls_certificate.clone(),
        key: ingest.tls_key.clone(),
        client_ca: ingest.tls_client_ca.clone(),
        client: match ingest.tls_client {
            TlsClient::Off => ClientCertificates::Off,
            TlsClient::Optional => ClientCertificates::Optional,
            TlsClient::Required => ClientCertificates::Required,
        },
    })
}

/// How destinations are treated whose systems say nothing else.
pub(super) fn policy(settings: &Settings) -> Policy {
    let delivery = &settings.delivery;
    Policy {
        schedule: RetrySchedule { waits: delivery.retry.clone(), jitter_percent: delivery.jitter_percent },
        concurrency: delivery.concurrency.max(1),
        exhausted_frees_lane: delivery.on_exhausted == OnExhausted::ParkAndContinue,
        breaker: BreakerRules { failures: delivery.breaker_failures, probe_every: delivery.breaker_probe },
    }
}

/// How a journal in SQLite keeps things. `watched`: a hub that watches the disk works on it.
pub(super) fn sqlite(settings: &Settings, watched: bool) -> SqliteConfig {
    let storage = &settings.storage;
    let space = SpaceConfig {
        soft: storage.soft,
        hard: storage.hard,
        ballast: u64::try_from(storage.ballast).unwrap_or(u64::MAX),
    };
    SqliteConfig { compress_above: storage.compress, space: watched.then_some(space) }
}

/// The listener's deadlines and caps.
pub(super) fn http_in(settings: &Settings) -> HttpInConfig {
    let ingest = &settings.ingest;
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    HttpInConfig {
        listen: ingest.listen,
        header_timeout_ms: millis(ingest.header_timeout),
        body_idle_timeout_ms: millis(ingest.body_idle_timeout),
        request_timeout_ms: millis(ingest.request_timeout),
        keep_alive_ms: millis(ingest.keep_alive),
        max_body_bytes: ingest.max_body,
        max_in_flight_bytes: ingest.max_in_flight,
        max_connections: ingest.max_connections,
        max_connections_per_ip: ingest.max_connections_per_ip,
        max_header_bytes: ingest.max_header,
        max_headers: ingest.max_headers,
    }
}
