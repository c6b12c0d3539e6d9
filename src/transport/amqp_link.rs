//! Reaching an AMQP 0.9.1 broker, and what its errors mean.

use std::time::Duration;

use lapin::{
    Channel, Connection, ConnectionProperties, Error, ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
    uri::{AMQPScheme, AMQPUri},
};
use tokio::time::timeout;

use super::code;
use crate::base::{Problem, Secret};

/// Time for connection, TLS and login; and for each exchange of words with the broker, which may never end when the
/// connection is lost in the middle of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bounds an exchange with the broker.
pub(super) async fn within<T>(what: &str, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(Fault::Down(format!("{what}: no answer within {} s", PATIENCE.as_secs()))))
}

/// Why a queue or exchange cannot be used now.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The broker says it does not exist, is something else, or is not ours to use.
    Target(String),
    /// The broker cannot be reached or does not answer.
    Down(String),
}

impl Fault {
    pub(super) fn why(self) -> String {
        match self {
            Self::Target(why) | Self::Down(why) => why,
        }
    }
}

/// A broker's address and login.
pub(super) struct Broker {
    url: Secret,
    shown: String,
}

impl Broker {
    pub(super) fn new(url: &Secret) -> Result<Self, Problem> {
        let uri: AMQPUri = url.expose().parse().map_err(|_| {
            Problem::new(code::BAD_SETTINGS, "the broker's address cannot be read")
                .hint("write amqp://user:password@host:5672/%2f, or amqps:// for TLS")
        })?;
        let scheme = if uri.scheme == AMQPScheme::AMQPS { "amqps" } else { "amqp" };
        let shown =
            format!("{scheme}://{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        Ok(Self { url: url.clone(), shown })
    }

    /// Scheme, host, port and virtual host.
    pub(super) fn describe(&self) -> &str {
        &self.shown
    }

    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, Fault> {
        // someone else may have chosen the process's provider already; it is the same one
        let _ = rustls::crypto::ring::default_provider().install_default();
        let properties = ConnectionProperties::default().with_connection_name(format!("crossdock {purpose}").into());
        within(&self.shown, async {
            let connected = Connection::connect(self.url.expose(), properties).await;
            connected.map_err(|error| Fault::Down(format!("{}: {error}", self.shown)))
        })
        .await
    }
}

/// A new channel.
pub(super) async fn channel(connection: &Connection) -> Result<Channel, Fault> {
    answered(connection.create_channel().await, "a channel")
}

pub(super) fn answered<T>(result: Result<T, Error>, what: &str) -> Result<T, Fault> {
    result.map_err(|error| {
        let why = format!("{what}: {error}");
        if is_about_the_target(&error) { Fault::Target(why) } else { Fault::Down(why) }
    })
}

/// Whether the broker said that what was named does not exist, is something else, or is not ours to use.
pub(super) fn is_about_the_target(error: &Error) -> bool {
    use AMQPSoftError::{ACCESSREFUSED, NOTFOUND, PRECONDITIONFAILED};
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            matches!(error.kind(), AMQPErrorKind::Soft(NOTFOUND | ACCESSREFUSED | PRECONDITIONFAILED))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Broker;
    use crate::base::Secret;

    #[test]
    fn an_address_is_shown_without_login_and_a_bad_one_is_not_repeated() {
        let broker = Broker::new(&Secret::new("amqps://me:hidden@mq.example/orders?heartbeat=10")).expect("an address");
        assert_eq!(broker.describe(), "amqps://mq.example:5671/orders");
        let problem = Broker::new(&Secret::new("http://me:hidden@mq")).err().expect("not an AMQP address");
        assert!(!problem.to_string().contains("hidden"));
    }
}
