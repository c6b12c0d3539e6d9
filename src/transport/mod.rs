//! How bytes come in and go out: HTTP, AMQP 0.9.1, folders, SFTP and databases, as sources and sinks.
//!
//! It stands apart so that the rest of the program never sees a socket, a broker or a folder. A source turns what
//! arrived into an [`Arrival`] and hands it to an [`Intake`]; it tells its sender "yes" only after the intake did. A sink
//! sends one [`Outgoing`] and says truthfully what it knows about the fate of the bytes: an [`Answer`].
//!
//! It must never parse a payload (only split a batch file into its records, and read the values of a statement from a
//! document), know a mapping, a profile or a store, show a secret, or let a header choose behaviour:
//! only the headers named here become attributes.
//!
//! To add a source, write a file `<technology>_in.rs` with a config in `config.rs` and implement [`Source`]; to add a
//! sink, write `<technology>_out.rs` and implement [`Sink`], answering [`Answer::Unknown`] whenever the bytes may have
//! arrived.

mod amqp_in;
mod amqp_line;
mod amqp_link;
mod amqp_message;
mod amqp_out;
mod amqp_topology;
pub mod code;
mod config;
mod egress;
mod file_in;
mod file_name;
mod file_out;
mod file_split;
mod http_in;
mod http_out;
mod http_problem;
mod http_target;
mod http_token;
pub mod outcome;
mod schedule;
mod server;
mod sftp_in;
mod sftp_link;
mod sftp_out;
mod signature;
mod sql_in;
mod sql_link;
mod sql_out;
mod tls;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::{Code, Problem, Secret};

pub use amqp_in::AmqpSource;
pub use amqp_out::AmqpSink;
pub use code::{CODES, NOT_ACCEPTING};
pub use config::{
    AmqpDeclare, AmqpInConfig, AmqpOutConfig, BindingConfig, ExchangeConfig, FileInConfig, FileOutConfig, HttpAccess,
    HttpAuth, HttpInConfig, HttpOutConfig, HttpRequestConfig, OAuth2Config, Overflow, QueueConfig, QueueKind,
    SftpInConfig, SftpOutConfig, SftpPlace, SplitConfig, SqlInConfig, SqlOutConfig, SqlStep, TlsOutConfig,
};
pub use egress::{Egress, EgressConfig};
pub use file_in::FileSource;
pub use file_out::FileSink;
pub use http_in::router;
pub use http_out::HttpSink;
pub use http_problem::{HttpProblem, language_of};
pub use schedule::{Due, Missed, Schedule};
pub use server::{BodyError, BodyRoom, CertificateNames, read_body, serve, serve_tls};
pub use sftp_in::{SftpNode, SftpSource};
pub use sftp_out::SftpSink;
pub use signature::{
    HmacHash, HmacHeader, MomentText, Signature, SignatureConfig, SignatureForm, SignatureText, SignedRequest,
    TOLERANCE,
};
pub use sql_in::{Marks, SqlSource};
pub use sql_out::SqlSink;
pub use tls::{ClientCertificates, TlsInConfig, server_config};

/// The name of HTTP in [`Arrival::transport`].
pub const HTTP: &str = "http";
/// The name of AMQP in [`Arrival::transport`].
pub const AMQP: &str = "amqp";
/// The name of folders in [`Arrival::transport`].
pub const FILE: &str = "file";

/// What came in, before anybody looked inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The system that sent it, as named in the source's settings or the request's path.
    pub system: String,
    /// The document type the sender or the settings named; empty when it is to be identified from the content.
    pub document_type: String,
    /// The bytes, exactly as they came.
    pub bytes: Bytes,
    /// The media type the sender named.
    pub content_type: Option<String>,
    /// [`HTTP`], [`AMQP`] or [`FILE`].
    pub transport: &'static str,
    /// What makes a repetition recognisable: `Idempotency-Key`, `webhook-id`, `ce-source` + `ce-id`, the AMQP
    /// `message_id`, or a file's name and digest. Without it nothing is a repetition.
    pub key: Option<String>,
    /// An allow-list of what else is known: `traceparent`, `file_name`, `redelivered`, `remote_addr`, …
    pub attributes: BTreeMap<String, String>,
    /// Why it cannot go on, when the source knows already: it is kept, parked.
    pub problem: Option<Problem>,
}

/// What the intake says to an [`Arrival`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Committed to stable storage; the sender may forget it.
    Accepted {
        /// The message's id; the same one for every repetition.
        message_id: String,
        /// Whether an earlier arrival with the same key and bytes had been accepted already.
        duplicate: bool,
    },
    /// Not accepted, and sending the same again will not help (or only after [`Refusal::retry_after`]). The intake has
    /// kept what must be kept; a broker's message is not returned to its queue.
    Refused(Refusal),
    /// Nothing can be accepted now (storage low, stopping); the sender keeps it and tries again.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why an arrival was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status that says it best: 400, 404, 409, 415, 422, 429, …
    pub status: u16,
    /// What is wrong and what to do.
    pub problem: Problem,
    /// When sending again may help.
    pub retry_after: Option<Duration>,
    /// The id of the message that is in the way, e.g. the one accepted before under the same key.
    pub existing: Option<String>,
}

/// Whether a caller may send for a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The key belongs to the system.
    Granted,
    /// No system of that name takes messages over HTTP.
    UnknownSystem,
    /// The key is missing or wrong.
    Denied,
}

/// Whether messages can be taken at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Open,
    /// No; sources stop taking, and senders keep what they have.
    Closed {
        /// When to try again.
        retry_after: Duration,
        /// Why, as a code.
        code: Code,
        /// Why, for people.
        why: String,
    },
}

/// Where sources hand in what arrived.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Takes an arrival; returns only after its bytes, identity and place in the order are on stable storage, or with
    /// the reason why not. Accept order is the order in which these futures are first polled.
    async fn accept(&self, arrival: Arrival) -> Verdict;

    /// Whether a caller holding `key` may send for `system`. Called before any byte of a body is read; compares in
    /// constant time and does no I/O.
    fn authorize(&self, system: &str, key: Option<&Secret>) -> Access;

    /// Whether a caller that showed a certificate with these names may send for `system`. Does no I/O.
    fn admits_certificate(&self, _system: &str, _names: &[String]) -> bool {
        false
    }

    /// How requests for `system` may be signed, by callers without a key. Does no I/O.
    fn signature(&self, _system: &str) -> Option<Arc<Signature>> {
        None
    }

    /// Whether messages can be taken now. Does no I/O.
    fn readiness(&self) -> Readiness;

    /// What became of a message of this system, as the body of its status page; `None` when there is no such message of
    /// this system.
    async fn status(&self, system: &str, message_id: &str) -> Option<serde_json::Value>;

    /// An intake of its own for one session of a source that hands in in order: it begins with nothing under way, and
    /// what it could not take is handed in again in the next session. `None` when this one serves all sessions.
    fn session(&self) -> Option<Box<dyn Intake>> {
        None
    }
}

/// One delivery's payload on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The delivery's id: the same for every attempt, so a receiver can recognise a repetition.
    pub delivery_id: String,
    /// The message it came from.
    pub message_id: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// What is sent, byte for byte.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: String,
    /// The business key its lane is ordered by.
    pub business_key: Option<String>,
    /// W3C trace context to pass on.
    pub traceparent: Option<String>,
    /// Its document type, `family/name@version`.
    pub document_type: String,
}

/// A question to a destination: whether it has a document, for instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The HTTP method.
    pub method: String,
    /// Where to, relative to the destination's address; `None` for the address itself. Never another host.
    pub url: Option<String>,
    /// The media type of what is sent along; `None` when nothing is.
    pub content_type: Option<String>,
    /// What is sent along.
    pub bytes: Bytes,
}

/// What a sink knows about the fate of one [`Outgoing`]. [`outcome::of_answer`] says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The partner answered, completely.
    Response {
        /// The HTTP status; `None` where the transport has none.
        status: Option<u16>,
        /// The reply's media type.
        content_type: Option<String>,
        /// The reply, cut at the response limit.
        body: Bytes,
        /// The partner's `Retry-After`, as a delay.
        retry_after: Option<Duration>,
    },
    /// The receiver has it safely: the broker confirmed it and did not return it; the file is in place and flushed.
    Confirmed,
    /// Surely nothing arrived: no address, no connection, no TLS, no broker before publishing.
    NotSent {
        /// What happened, without secrets.
        why: String,
    },
    /// The bytes may have arrived: timeout or cut connection after sending began.
    Unknown {
        /// What happened, without secrets.
        why: String,
    },
    /// The broker took it and found no queue for it.
    Unroutable {
        /// Exchange and routing key.
        why: String,
    },
    /// It can never arrive this way: the target does not exist, another file of that name is there.
    Refused {
        /// What is in the way.
        why: String,
    },
}

/// Sends outgoing payloads to one destination. Many sends may be in flight at once.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Sends once and tells what is known; never tries again by itself. Dropping the future leaves the outcome unknown.
    async fn send(&self, outgoing: &Outgoing) -> Answer;

    /// The same, with more headers where the transport has them: what a dead letter died of.
    async fn send_with(&self, outgoing: &Outgoing, headers: &[(&str, &str)]) -> Answer {
        let _ = headers;
        self.send(outgoing).await
    }

    /// Looks whether the destination can be used, before there is anything to send. A destination that cannot be reached
    /// now is no problem: it may be later.
    ///
    /// # Errors
    /// It is missing or not what the settings say.
    async fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// Asks the destination something, once. [`Answer::Refused`] when it cannot be asked this way.
    async fn ask(&self, _inquiry: &Inquiry) -> Answer {
        Answer::Refused { why: "this way out carries no questions".to_owned() }
    }

    /// The destination for people: address without user, password or query.
    fn describe(&self) -> String;
}

/// Takes arrivals from one place until told to stop.
#[async_trait]
pub trait Source: Send + Sync {
    /// Runs until `shutdown`: recovers from every loss of its peer by itself, and returns after what it holds is settled.
    /// Called once.
    async fn run(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken);

    /// Whether arrivals can come in now, for readiness and metrics.
    fn connected(&self) -> watch::Receiver<Link>;

    /// The place for people: address without user or password.
    fn describe(&self) -> String;
}

/// A source that can also be asked to take what is there, once, when a schedule says so.
#[async_trait]
pub trait Periodic: Send + Sync {
    /// Takes everything that is there and returns when it is safe, or with the reason why not.
    async fn take_once(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) -> Result<(), String>;
}

/// Whether a source reaches its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether arrivals can come in.
    pub up: bool,
    /// Why not, when down; without secrets.
    pub why: String,
}

impl Link {
    /// The state in which arrivals come in.
    #[must_use]
    pub fn up() -> Self {
        Self { up: true, why: String::new() }
    }

    /// The state in which none do, with the reason.
    #[must_use]
    pub fn down(why: impl Into<String>) -> Self {
        Self { up: false, why: why.into() }
    }
}
