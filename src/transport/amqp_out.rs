//! Publishes to an AMQP exchange or queue and waits for the broker's word on each message.

use std::{pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{Stream, StreamExt as _};
use lapin::{Connection, Event, options::ConfirmSelectOptions};
use tokio::{sync::Mutex, task::JoinSet, time::Instant};

use super::{
    AmqpOutConfig, Answer, Outgoing, Sink,
    amqp_line::{Line, line},
    amqp_link::{self, Broker, Fault},
    amqp_message::Shape,
    amqp_topology, code,
};
use crate::{
    base::{Clock, Problem},
    telemetry::metric,
};

/// How long a failed connection speaks for the next senders, so that they do not queue up to try again.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);
/// How long one message at a time is sent after the broker closed a channel because of a message: the next time it is
/// known which one it was, and its neighbours are not left in doubt again.
const CAREFUL: Duration = Duration::from_secs(60);
/// The longest text AMQP has room for in names and ids.
pub(super) const SHORT: usize = 255;

/// An exchange, or a queue behind the default exchange.
pub struct AmqpSink {
    broker: Broker,
    config: AmqpOutConfig,
    shape: Shape,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Arc<Live>>,
    failed: Option<(Instant, Fault)>,
    careful_until: Option<Instant>,
    is_checked: bool,
}

/// A connection and the channel that is published on.
struct Live {
    connection: Connection,
    line: Line,
    /// One message at a time, until then.
    careful_until: Option<Instant>,
    _publisher: JoinSet<()>,
}

impl AmqpSink {
    /// A sink for an exchange or queue; connects only when sending.
    ///
    /// # Errors
    /// The address cannot be read, no target is named, or a template has an unknown `{…}`.
    pub fn new(config: &AmqpOutConfig, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let unusable = |text: &str| Err(Problem::new(code::BAD_SETTINGS, text));
        if config.exchange.is_empty() && config.routing_key.is_empty() {
            return unusable("an AMQP destination needs an exchange, or a queue's name as routing key");
        }
        if config.exchange.len() > SHORT || config.routing_key.len() > SHORT || config.max_in_flight == 0 {
            return unusable("exchange and routing key may have 255 bytes, and `in-flight` must be at least 1");
        }
        Ok(Self {
            broker: Broker::new(&config.url)?,
            config: config.clone(),
            shape: Shape::new(config, clock)?,
            state: Mutex::new(State::default()),
        })
    }

    /// The live connection, made anew when there is none.
    async fn live(&self) -> Result<Arc<Live>, Fault> {
        let mut state = self.state.lock().await;
        if let Some(live) = &state.live {
            let is_careful = live.careful_until.is_some_and(|until| until > Instant::now());
            let is_over = live.careful_until.is_some() && !is_careful;
            if live.connection.status().connected() && live.line.is_open() && !is_over {
                return Ok(live.clone());
            }
            if live.line.is_offended() {
                state.careful_until = Some(Instant::now() + CAREFUL);
            }
        }
        state.live = None;
        if let Some((at, fault)) = &state.failed
            && at.elapsed() < FAILURE_HOLDS
        {
            return Err(fault.clone());
        }
        let careful_until = state.careful_until.filter(|until| *until > Instant::now());
        match self.connect(careful_until, !state.is_checked).await {
            Ok(live) => {
                (state.failed, state.is_checked) = (None, true);
                Ok(state.live.insert(Arc::new(live)).clone())
            }
            Err(fault) => {
                state.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    async fn connect(&self, careful_until: Option<Instant>, is_first: bool) -> Result<Live, Fault> {
        let connection = self.broker.connect(&format!("to {}", self.target())).await?;
        let channel = amqp_link::within(&self.target(), async {
            let queue = Some(self.config.routing_key.as_str())
                .filter(|_| self.config.exchange.is_empty() && !self.shape.has_routes());
            amqp_topology::ensure(&connection, queue.as_slice(), &self.config.exchange, &self.config.declare).await?;
            if is_first && let Some(queue) = queue {
                amqp_topology::warn_of_weak_queue(&connection, queue, &self.config.declare).await;
            }
            let channel = amqp_link::channel(&connection).await?;
            amqp_link::answered(channel.confirm_select(ConfirmSelectOptions::default()).await, "confirmations")?;
            Ok(channel)
        })
        .await?;
        let window = if careful_until.is_some() { 1 } else { self.config.max_in_flight };
        let patience = Duration::from_millis(self.config.confirm_timeout_ms);
        let (line, publisher) = line(channel, connection.status().clone(), window, patience);
        // ended with the connection it belongs to, which nobody holds then
        let mut tasks = JoinSet::new();
        tasks.spawn(publisher.run());
        tasks.spawn(watch(connection.events_listener(), self.describe()));
        Ok(Live { connection, line, careful_until, _publisher: tasks })
    }

    fn target(&self) -> String {
        match self.config.exchange.as_str() {
            "" => format!("queue `{}`", self.config.routing_key),
            exchange => format!("exchange `{exchange}` with routing key `{}`", self.config.routing_key),
        }
    }
}

/// Tells of the broker's alarms: while it blocks the connection nothing is sent.
async fn watch(events: impl Stream<Item = Event>, destination: String) {
    let gauge = metrics::gauge!(metric::SINK_BLOCKED, "target" => destination.clone());
    gauge.set(0.0);
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(why) => {
                gauge.set(1.0);
                tracing::warn!(destination, "the broker takes nothing now (alarm): {why}");
            }
            Event::ConnectionUnblocked => {
                gauge.set(0.0);
                tracing::info!(destination, "the broker takes messages again");
            }
            _ => (),
        }
    }
}

#[async_trait]
impl Sink for AmqpSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        self.send_with(outgoing, &[]).await
    }

    async fn send_with(&self, outgoing: &Outgoing, headers: &[(&str, &str)]) -> Answer {
        let publication = match self.shape.publication(outgoing, headers) {
            Ok(publication) => publication,
            Err(why) => return Answer::Refused { why },
        };
        // a channel may be closed while a message is on its way to it; that one goes over the next
        for _ in 0..3 {
            let live = match self.live().await {
                Ok(live) => live,
                Err(Fault::Target(why)) => return Answer::Refused { why },
                Err(Fault::Down(why)) => return Answer::NotSent { why },
            };
            if let Some(answer) = live.line.publish(publication.clone()).await {
                return answer;
            }
        }
        Answer::NotSent { why: "the channel was closed".to_owned() }
    }

    async fn check(&self) -> Result<(), Problem> {
        match self.live().await {
            Err(Fault::Target(why)) => {
                let hint = "make it, correct the name, or let `declare` make it; until then deliveries are parked";
                Err(Problem::new(code::BROKER_TARGET, format!("{}: {why}", self.broker.describe())).hint(hint))
            }
            Ok(_) | Err(Fault::Down(_)) => Ok(()),
        }
    }

    fn describe(&self) -> String {
        format!("{} {}", self.broker.describe(), self.target())
    }
}
