//! Publishes to an AMQP exchange or queue and waits for the broker's word on each message.
//!
//! Every publication in flight has a channel of its own. On a shared channel the client library hands a returned
//! message to whichever confirmation comes next, not to the one it belongs to, so a routed message could be taken for
//! lost and an unroutable one for delivered.

use std::{
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, timeout},
};

use super::{
    AmqpOutConfig, Answer, Outgoing, Sink,
    amqp_link::{self, Broker, Fault},
    code,
};
use crate::base::Problem;

/// How long a failed connection speaks for the next senders, so that they do not queue up to try again.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);
/// The longest text AMQP has room for in names and ids.
const SHORT: usize = 255;

/// An exchange, or a queue behind the default exchange.
pub struct AmqpSink {
    broker: Broker,
    config: AmqpOutConfig,
    state: Mutex<State>,
    places: Semaphore,
}

#[derive(Default)]
struct State {
    live: Option<Arc<Live>>,
    failed: Option<(Instant, Fault)>,
}

/// A connection and its channels that nobody publishes on right now.
struct Live {
    connection: Connection,
    idle: SyncMutex<Vec<Channel>>,
}

impl AmqpSink {
    /// A sink for an exchange or queue; connects only when sending.
    ///
    /// # Errors
    /// The address cannot be read, or no target is named.
    pub fn new(config: &AmqpOutConfig) -> Result<Self, Problem> {
        let unusable = |text: &str| Err(Problem::new(code::BAD_SETTINGS, text));
        if config.exchange.is_empty() && config.routing_key.is_empty() {
            return unusable("an AMQP destination needs an exchange, or a queue's name as routing key");
        }
        if config.exchange.len() > SHORT || config.routing_key.len() > SHORT || config.max_in_flight == 0 {
            return unusable("exchange and routing key may have 255 bytes, and max_in_flight must be at least 1");
        }
        Ok(Self {
            broker: Broker::new(&config.url)?,
            config: config.clone(),
            state: Mutex::new(State::default()),
            places: Semaphore::new(config.max_in_flight),
        })
    }

    /// The live connection, made anew when there is none.
    async fn live(&self) -> Result<Arc<Live>, Fault> {
        let mut state = self.state.lock().await;
        if let Some(live) = &state.live
            && live.connection.status().connected()
        {
            return Ok(live.clone());
        }
        state.live = None;
        if let Some((at, fault)) = &state.failed
            && at.elapsed() < FAILURE_HOLDS
        {
            return Err(fault.clone());
        }
        match self.connect().await {
            Ok(live) => {
                state.failed = None;
                Ok(state.live.insert(live).clone())
            }
            Err(fault) => {
                state.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    async fn connect(&self) -> Result<Arc<Live>, Fault> {
        let connection = self.broker.connect(&format!("to {}", self.target())).await?;
        amqp_link::within(&self.target(), async {
            if self.config.exchange.is_empty() {
                amqp_link::ensure_queue(&connection, &self.config.routing_key, self.config.declare).await
            } else {
                amqp_link::ensure_exchange(&connection, &self.config.exchange).await
            }
        })
        .await?;
        Ok(Arc::new(Live { connection, idle: SyncMutex::new(Vec::new()) }))
    }

    fn target(&self) -> String {
        match self.config.exchange.as_str() {
            "" => format!("queue `{}`", self.config.routing_key),
            exchange => format!("exchange `{exchange}` with routing key `{}`", self.config.routing_key),
        }
    }

    async fn publish(&self, channel: &Channel, outgoing: &Outgoing) -> Result<Confirmation, Answer> {
        let properties = properties(outgoing)?;
        let unknown = |error: lapin::Error| {
            let why = format!("{}: {error}", self.target());
            if amqp_link::is_about_the_target(&error) { Answer::Refused { why } } else { Answer::Unknown { why } }
        };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.config.exchange.as_str().into(), self.config.routing_key.as_str().into());
        let work = async {
            let confirm = channel.basic_publish(exchange, key, options, &outgoing.bytes, properties).await;
            confirm.map_err(unknown)?.await.map_err(unknown)
        };
        match timeout(Duration::from_millis(self.config.confirm_timeout_ms), work).await {
            Ok(result) => result,
            Err(_) => {
                let why = format!("no confirmation within {} ms", self.config.confirm_timeout_ms);
                Err(Answer::Unknown { why })
            }
        }
    }
}

#[async_trait]
impl Sink for AmqpSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        let not_sent = |fault: Fault| match fault {
            Fault::Target(why) => Answer::Refused { why },
            Fault::Down(why) => Answer::NotSent { why },
        };
        let Ok(_place) = self.places.acquire().await else {
            return Answer::NotSent { why: "the sink is closed".to_owned() };
        };
        let live = match self.live().await {
            Ok(live) => live,
            Err(fault) => return not_sent(fault),
        };
        if live.connection.status().blocked() {
            return Answer::NotSent {
                why: format!("{}: the broker takes nothing now (alarm)", self.broker.describe()),
            };
        }
        let channel = match amqp_link::within("a channel", live.channel()).await {
            Ok(channel) => channel,
            Err(fault) => return not_sent(fault),
        };
        // a channel goes back only after its publication is settled; one that was given up is closed by its drop
        match self.publish(&channel, outgoing).await {
            Ok(Confirmation::Ack(None)) => {
                live.give_back(channel);
                Answer::Confirmed
            }
            Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                live.give_back(channel);
                Answer::Unroutable { why: format!("{}: {}", self.target(), returned.reply_text) }
            }
            Ok(Confirmation::Nack(None)) => {
                live.give_back(channel);
                Answer::Unknown { why: format!("{}: the broker could not take care of it", self.target()) }
            }
            Ok(Confirmation::NotRequested) => Answer::Unknown { why: "the broker does not confirm".to_owned() },
            Err(answer) => answer,
        }
    }

    fn describe(&self) -> String {
        format!("{} {}", self.broker.describe(), self.target())
    }
}

impl Live {
    /// A channel with confirmations on and nothing in flight.
    async fn channel(&self) -> Result<Channel, Fault> {
        while let Some(channel) = self.idle().pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = amqp_link::channel(&self.connection).await?;
        amqp_link::answered(channel.confirm_select(ConfirmSelectOptions::default()).await, "confirmations")?;
        Ok(channel)
    }

    fn give_back(&self, channel: Channel) {
        self.idle().push(channel);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn properties(outgoing: &Outgoing) -> Result<BasicProperties, Answer> {
    let short = |name: &str, text: &str| {
        if text.len() > SHORT {
            return Err(Answer::Refused { why: format!("`{name}` is longer than the {SHORT} bytes AMQP has for it") });
        }
        Ok(ShortString::from(text))
    };
    let mut headers = FieldTable::default();
    let mut put = |name: &str, text: &str| {
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    };
    put("crossdock-message-id", &outgoing.message_id);
    if let Some(parent) = &outgoing.traceparent {
        put("traceparent", parent);
    }
    if let Some(key) = &outgoing.business_key {
        put("crossdock-business-key", key);
    }
    Ok(BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(short("delivery id", &outgoing.delivery_id)?)
        .with_correlation_id(short("message id", &outgoing.message_id)?)
        .with_content_type(short("content type", &outgoing.content_type)?)
        .with_type(short("document type", &outgoing.document_type)?)
        .with_headers(headers))
}
