//! Takes messages from an AMQP queue and acknowledges each only after the intake has it safe.
//!
//! Order: one task hands messages to the intake in queue order (each accept is begun before the next), up to `prefetch`
//! at once, and settles them in that order. After a lost connection, or when the intake had no room, the broker hands
//! out unsettled messages again, which may put them behind later ones that were already accepted; a message with a
//! `message_id` is then recognised as a repetition, one without becomes a second message.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future, stream::FuturesOrdered};
use lapin::{
    Acker, Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    AMQP, AmqpInConfig, Arrival, Intake, Link, Readiness, Source, Verdict,
    amqp_link::{self, Broker, Fault},
    code, http_problem,
};
use crate::base::Problem;

/// The first and the longest pause between two attempts to reach the broker.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// Message headers that become attributes; every other header is ignored.
const ATTRIBUTES: [&str; 5] = ["ce-id", "ce-source", "ce-type", "ce-subject", "ce-time"];

/// A queue of a broker.
pub struct AmqpSource {
    broker: Broker,
    config: AmqpInConfig,
    link: watch::Sender<Link>,
}

/// How a connection ended.
enum End {
    /// We were told to stop.
    Stopped,
    /// The intake takes nothing now.
    Full(Duration),
    /// The broker went away or took the queue away.
    Lost(String),
}

/// A connection that consumes.
struct Session {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
}

type Accepting<'a> = Pin<Box<dyn Future<Output = (Acker, Verdict)> + Send + 'a>>;

impl AmqpSource {
    /// A source over a queue; connects only when run.
    ///
    /// # Errors
    /// The address cannot be read, or queue or system are not named.
    pub fn new(config: &AmqpInConfig) -> Result<Self, Problem> {
        if config.queue.is_empty() || config.system.is_empty() || config.prefetch == 0 {
            let text = "an AMQP source needs a queue, the system it belongs to, and a prefetch of at least 1";
            return Err(Problem::new(code::BAD_SETTINGS, text));
        }
        let link = watch::Sender::new(Link::down("not connected yet"));
        Ok(Self { broker: Broker::new(&config.url)?, config: config.clone(), link })
    }

    /// Connects and begins to consume. Nothing is held yet, so this may be given up at any time.
    async fn open(&self) -> Result<Session, Fault> {
        let connection = self.broker.connect(&format!("from {}", self.config.queue)).await?;
        let what = format!("queue `{}`", self.config.queue);
        let begun = amqp_link::within(&what, self.begin_consuming(&connection, &what)).await;
        begun.map(|(channel, consumer)| Session { connection, channel, consumer })
    }

    async fn begin_consuming(&self, connection: &Connection, what: &str) -> Result<(Channel, Consumer), Fault> {
        amqp_link::ensure_queue(connection, &self.config.queue, self.config.declare).await?;
        let channel = amqp_link::channel(connection).await?;
        amqp_link::answered(channel.basic_qos(self.config.prefetch, BasicQosOptions::default()).await, what)?;
        let queue = self.config.queue.as_str().into();
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
        let consumer = amqp_link::answered(consumer, what)?;
        Ok((channel, consumer))
    }

    /// Consumes until the end.
    async fn consume(&self, mut session: Session, intake: &dyn Intake, shutdown: &CancellationToken) -> End {
        let end = self.drain(intake, &mut session.consumer, shutdown).await;
        if !matches!(end, End::Lost(_)) {
            // whatever was handed out and not settled goes back to the queue with the connection
            let farewell = async {
                let _ = session.channel.basic_cancel(session.consumer.tag(), BasicCancelOptions::default()).await;
                let _ = session.connection.close(200, "done".into()).await;
                Ok(())
            };
            let _ = amqp_link::within("closing", farewell).await;
        }
        end
    }

    /// Hands in and settles until the end; what the intake has begun is always awaited and settled.
    async fn drain(&self, intake: &dyn Intake, consumer: &mut Consumer, shutdown: &CancellationToken) -> End {
        let mut accepting: FuturesOrdered<Accepting<'_>> = FuturesOrdered::new();
        let end = loop {
            let room = accepting.len() < usize::from(self.config.prefetch);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break End::Stopped,
                Some(first) = accepting.next() => {
                    if let Some(end) = settle(first, &mut accepting).await {
                        break end;
                    }
                }
                delivery = consumer.next(), if room => match delivery {
                    Some(Ok(delivery)) => accepting.push_back(self.begin(intake, delivery).await),
                    Some(Err(error)) => break End::Lost(error.to_string()),
                    None => break End::Lost("the broker cancelled the consumer".to_owned()),
                },
            }
        };
        while let Some((acker, verdict)) = accepting.next().await {
            if !matches!(verdict, Verdict::Unavailable { .. }) {
                // one by one: an earlier message may be unsettled; on a lost connection the broker asks again anyway
                let _ = acknowledge(&acker, BasicAckOptions::default()).await;
            }
        }
        end
    }

    /// Begins to accept: polls once, which fixes the message's place in the order.
    async fn begin<'a>(&self, intake: &'a dyn Intake, delivery: Delivery) -> Accepting<'a> {
        let (arrival, acker) = self.arrival(delivery);
        let mut accept: Accepting<'a> = Box::pin(async move { (acker, intake.accept(arrival).await) });
        match poll_fn(|context| Poll::Ready(accept.as_mut().poll(context))).await {
            Poll::Ready(settled) => Box::pin(future::ready(settled)),
            Poll::Pending => accept,
        }
    }

    fn arrival(&self, delivery: Delivery) -> (Arrival, Acker) {
        let Delivery { properties, data, acker, redelivered, .. } = delivery;
        let header = |name: &str| properties.headers().as_ref().and_then(|table| text(table.inner().get(name)?));
        let mut attributes = BTreeMap::new();
        if let Some(parent) = header("traceparent").filter(|parent| http_problem::is_traceparent(parent)) {
            attributes.insert("traceparent".to_owned(), parent);
        }
        if redelivered {
            attributes.insert("redelivered".to_owned(), "true".to_owned());
        }
        for name in ATTRIBUTES {
            // CloudEvents over AMQP writes `cloudEvents:id`, over HTTP `ce-id`; both are met in queues
            let value = header(name).or_else(|| header(&name.replace("ce-", "cloudEvents:")));
            if let Some(value) = value {
                attributes.insert(name.to_owned(), value);
            }
        }
        let event = || Some(format!("{} {}", attributes.get("ce-source")?, attributes.get("ce-id")?));
        let key =
            properties.message_id().as_ref().map(ToString::to_string).filter(|key| !key.is_empty()).or_else(event);
        let document_type = match self.config.document_type.as_str() {
            "" => properties.kind().as_ref().map(ToString::to_string).unwrap_or_default(),
            fixed => fixed.to_owned(),
        };
        let arrival = Arrival {
            system: self.config.system.clone(),
            document_type,
            bytes: Bytes::from(data),
            content_type: properties.content_type().as_ref().map(ToString::to_string),
            transport: AMQP,
            key,
            attributes,
            problem: None,
        };
        (arrival, acker)
    }
}

/// Settles the first result and every further one that is ready, with one acknowledgement for all of them.
async fn settle(first: (Acker, Verdict), accepting: &mut FuturesOrdered<Accepting<'_>>) -> Option<End> {
    let mut last: Option<Acker> = None;
    let mut end = None;
    let mut next = Some(first);
    while let Some((acker, verdict)) = next {
        if let Verdict::Unavailable { retry_after } = verdict {
            end = Some(End::Full(retry_after));
            break;
        }
        last = Some(acker);
        next = accepting.next().now_or_never().flatten();
    }
    if let Some(acker) = last
        && let Err(fault) = acknowledge(&acker, BasicAckOptions { multiple: true }).await
    {
        return Some(End::Lost(fault.why()));
    }
    end
}

async fn acknowledge(acker: &Acker, options: BasicAckOptions) -> Result<(), Fault> {
    let ack = async { amqp_link::answered(acker.ack(options).await, "an acknowledgement").map(drop) };
    amqp_link::within("an acknowledgement", ack).await
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

#[async_trait]
impl Source for AmqpSource {
    async fn run(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) {
        let mut pause = BACKOFF.0;
        while !shutdown.is_cancelled() {
            let wait = match intake.readiness() {
                Readiness::Closed { retry_after, why } => {
                    self.link.send_replace(Link::down(format!("no messages are accepted now: {why}")));
                    retry_after
                }
                Readiness::Open => {
                    let opened = tokio::select! {
                        () = shutdown.cancelled() => break,
                        opened = self.open() => opened,
                    };
                    match opened {
                        Ok(session) => {
                            pause = BACKOFF.0;
                            self.link.send_replace(Link::up());
                            match self.consume(session, &*intake, &shutdown).await {
                                End::Stopped => break,
                                End::Full(retry_after) => {
                                    self.link.send_replace(Link::down("no messages are accepted now"));
                                    retry_after
                                }
                                End::Lost(why) => {
                                    self.link.send_replace(Link::down(why));
                                    pause
                                }
                            }
                        }
                        Err(fault) => {
                            self.link.send_replace(Link::down(fault.why()));
                            pause = (pause * 2).min(BACKOFF.1);
                            pause
                        }
                    }
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.link.send_replace(Link::down("stopped"));
    }

    fn connected(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    fn describe(&self) -> String {
        format!("{} queue {}", self.broker.describe(), self.config.queue)
    }
}
