//! Takes messages from AMQP queues and acknowledges each only after the intake has it safe.
//!
//! Order: each queue has one task, which hands messages to the intake in queue order (each accept is begun before the
//! next), up to `prefetch` at once, and settles them in that order. After a lost connection, or when the intake had no
//! room, the broker hands out unsettled messages again, which may put them behind later ones that were already accepted;
//! a message with a key is then recognised as a repetition, one without becomes a second message.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
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
    types::FieldTable,
};
use metrics::counter;
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    AMQP, AmqpInConfig, Arrival, Intake, Link, Readiness, Source, Verdict,
    amqp_link::{self, Broker, Fault},
    amqp_message::{self, Known},
    amqp_topology, code,
};
use crate::{base::Problem, telemetry::metric};

/// The first and the longest pause between two attempts to reach the broker.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// How often it is asked whether messages can be taken, while they are and while they are not.
const READINESS: Duration = Duration::from_millis(500);

/// Why nothing is consumed after the end.
const STOPPED: &str = "stopped";

/// Queues of a broker.
pub struct AmqpSource {
    broker: Broker,
    config: AmqpInConfig,
    /// How each queue stands.
    links: Mutex<Vec<Link>>,
    link: watch::Sender<Link>,
}

/// How a connection ended.
enum End {
    /// We were told to stop.
    Stopped,
    /// The intake takes nothing now; when to ask again, and why.
    Full(Duration, String),
    /// The broker took the queue or the consumer away.
    Cancelled,
    /// The broker went away, or closed the channel.
    Lost(String),
}

/// A connection that consumes one queue.
struct Session {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
}

type Accepting<'a> = Pin<Box<dyn Future<Output = (Acker, Verdict)> + Send + 'a>>;

impl AmqpSource {
    /// A source over queues; connects only when run.
    ///
    /// # Errors
    /// The address cannot be read, or queue or system are not named.
    pub fn new(config: &AmqpInConfig) -> Result<Self, Problem> {
        let is_named = !config.queues.is_empty() && config.queues.iter().all(|queue| !queue.is_empty());
        if !is_named || config.system.is_empty() || config.prefetch == 0 {
            let text = "an AMQP source needs a queue, the system it belongs to, and a prefetch of at least 1";
            return Err(Problem::new(code::BAD_SETTINGS, text));
        }
        let down = Link::down("not connected yet");
        Ok(Self {
            broker: Broker::new(&config.url)?,
            links: Mutex::new(vec![down.clone(); config.queues.len()]),
            link: watch::Sender::new(down),
            config: config.clone(),
        })
    }

    /// Notes how a queue stands; the source is up when all are.
    fn note(&self, position: usize, link: Link) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links[position] != link {
            let (queue, system) = (self.config.queues[position].as_str(), self.config.system.as_str());
            if link.up {
                tracing::info!(system, queue, "consuming");
            } else if link.why == STOPPED {
                tracing::info!(system, queue, "stopped consuming");
            } else {
                tracing::warn!(system, queue, "not consuming: {}", link.why);
            }
            links[position] = link;
        }
        let down = links.iter().find(|link| !link.up);
        self.link.send_replace(down.cloned().unwrap_or_else(Link::up));
    }

    /// Connects and begins to consume. Nothing is held yet, so this may be given up at any time.
    async fn open(&self, queue: &str, is_first: bool) -> Result<Session, Fault> {
        let connection = self.broker.connect(&format!("from {queue}")).await?;
        let what = format!("queue `{queue}`");
        let begun = amqp_link::within(&what, self.begin_consuming(&connection, queue, is_first)).await;
        begun.map(|(channel, consumer)| Session { connection, channel, consumer })
    }

    async fn begin_consuming(
        &self,
        connection: &Connection,
        queue: &str,
        is_first: bool,
    ) -> Result<(Channel, Consumer), Fault> {
        let what = format!("queue `{queue}`");
        amqp_topology::ensure(connection, &[queue], "", &self.config.declare).await?;
        if self.config.single_active_consumer && self.config.declare.queue.is_none() {
            amqp_topology::check_single_active_consumer(connection, queue).await?;
        }
        if is_first {
            amqp_topology::warn_of_weak_queue(connection, queue, &self.config.declare).await;
        }
        let channel = amqp_link::channel(connection).await?;
        amqp_link::answered(channel.basic_qos(self.config.prefetch, BasicQosOptions::default()).await, &what)?;
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
        let consumer = amqp_link::answered(consumer, &what)?;
        Ok((channel, consumer))
    }

    /// Consumes until the end.
    async fn consume(&self, mut session: Session, intake: &dyn Intake, shutdown: &CancellationToken) -> End {
        let end = self.drain(intake, &mut session.consumer, shutdown).await;
        if !matches!(end, End::Lost(_) | End::Cancelled) {
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
        let mut pace = tokio::time::interval(READINESS);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                    None => break End::Cancelled,
                },
                _ = pace.tick() => if let Readiness::Closed { retry_after, why, .. } = intake.readiness() {
                    break End::Full(retry_after, why);
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
        let Known { key, kind, content_type, encoding, attributes } = amqp_message::read(&properties, redelivered);
        let document_type = match self.config.document_type.as_str() {
            "" => kind.unwrap_or_default(),
            fixed => fixed.to_owned(),
        };
        let problem = encoding.map(|encoding| {
            let text = format!("the message has the content encoding `{encoding}`, which is not undone here");
            Problem::new(code::CONTENT_ENCODING, text).hint("send it again without one")
        });
        let arrival = Arrival {
            system: self.config.system.clone(),
            document_type,
            bytes: Bytes::from(data),
            content_type,
            transport: AMQP,
            key,
            attributes,
            problem,
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
            end = Some(End::Full(retry_after, "the hub could not take a message".to_owned()));
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

impl AmqpSource {
    /// Consumes one queue until told to stop.
    async fn run_queue(&self, position: usize, intake: &dyn Intake, shutdown: &CancellationToken) {
        let queue = self.config.queues[position].as_str();
        let (mut pause, mut is_first) = (BACKOFF.0, true);
        let interrupted = |cause: &'static str| {
            counter!(metric::CONSUMER_INTERRUPTED, "queue" => queue.to_owned(), "cause" => cause).increment(1);
        };
        while !shutdown.is_cancelled() {
            let wait = if let Readiness::Closed { retry_after, why, .. } = intake.readiness() {
                self.note(position, Link::down(format!("no messages are accepted now: {why}")));
                retry_after.min(READINESS)
            } else {
                let opened = tokio::select! {
                    () = shutdown.cancelled() => break,
                    opened = self.open(queue, is_first) => opened,
                };
                match opened {
                    Ok(session) => {
                        (pause, is_first) = (BACKOFF.0, false);
                        self.note(position, Link::up());
                        let own = intake.session();
                        match self.consume(session, own.as_deref().unwrap_or(intake), shutdown).await {
                            End::Stopped => break,
                            End::Full(retry_after, why) => {
                                interrupted("closed");
                                self.note(position, Link::down(format!("no messages are accepted now: {why}")));
                                // one that is closed is asked again soon; one that could not take a message is left alone
                                if intake.readiness() == Readiness::Open { retry_after } else { READINESS }
                            }
                            End::Cancelled => {
                                interrupted("cancelled");
                                self.note(position, Link::down("the broker cancelled the consumer"));
                                pause
                            }
                            End::Lost(why) => {
                                interrupted("lost");
                                self.note(position, Link::down(why));
                                pause
                            }
                        }
                    }
                    Err(fault) => {
                        self.note(position, Link::down(fault.why()));
                        pause = (pause * 2).min(BACKOFF.1);
                        pause
                    }
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.note(position, Link::down(STOPPED));
    }
}

#[async_trait]
impl Source for AmqpSource {
    async fn run(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) {
        let queues = 0..self.config.queues.len();
        future::join_all(queues.map(|position| self.run_queue(position, &*intake, &shutdown))).await;
    }

    fn connected(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    fn describe(&self) -> String {
        format!("{} queue {}", self.broker.describe(), self.config.queues.join(", "))
    }
}
