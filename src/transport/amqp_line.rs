//! A channel with many publications in flight, and what the broker says to each.
//!
//! The broker confirms a message even when no queue took it, and hands it back just before (`basic.return`). The client
//! library attaches a returned message to whichever confirmation it completes next. So nothing follows from that one
//! confirmation alone: returned messages are matched by their `message_id`, and a publication counts as delivered only
//! when it is certain that its return, if there were one, would have been seen:
//!
//! - The library completes confirmations one after another, and each takes one returned message if any waits. A
//!   confirmation without one says that none waited, so that every message returned before is attached to a
//!   confirmation completed earlier. Those are all seen before anything is concluded: a completed confirmation rings
//!   before the next is completed, and rings are answered until there are no more.
//! - A confirmation that brought another publication's return may have left its own behind. No more than the messages
//!   returned and not yet confirmed can wait, so nothing is published until everything in flight is confirmed; then
//!   every return has been seen.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use lapin::{BasicProperties, Channel, Confirmation, ConnectionStatus, options::BasicPublishOptions};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, interval, timeout},
};

use super::{Answer, amqp_link};

/// A message on its way to the broker.
#[derive(Clone)]
pub(super) struct Publication {
    /// Its `message_id`.
    pub id: String,
    /// The exchange; empty for the default one.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The payload.
    pub bytes: Bytes,
    /// Everything else; its `message_id` is `id`.
    pub properties: BasicProperties,
}

/// Hears the broker's word; `None` when the channel was closed before anything was published.
type Reply = oneshot::Sender<Option<Answer>>;

/// The way to a channel's publisher.
pub(super) struct Line {
    queue: mpsc::Sender<(Publication, Reply)>,
    /// The broker closed the channel because of something published on it.
    offended: Arc<AtomicBool>,
    patience: Duration,
}

/// The publisher of one channel, to be run until its [`Line`] is gone.
pub(super) struct Publisher {
    channel: Channel,
    connection: ConnectionStatus,
    queue: mpsc::Receiver<(Publication, Reply)>,
    offended: Arc<AtomicBool>,
    window: usize,
    patience: Duration,
    next: u64,
    flights: BTreeMap<u64, Flight>,
    /// The ids of those without a confirmation: two with one id could not be told apart.
    ids: HashSet<String>,
    deadlines: VecDeque<(Instant, u64)>,
    rung: Arc<Rung>,
    /// Texts of returned messages that wait for their publication's confirmation, by `message_id`.
    returned: HashMap<String, String>,
    /// Publications whose confirmation is complete and about which nothing was concluded yet.
    complete: Vec<u64>,
    /// Publications without a confirmation; those that were given up among them.
    open: usize,
    given_up: usize,
    /// Some confirmation brought another publication's return.
    is_settling: bool,
    ended: bool,
}

struct Flight {
    id: String,
    target: String,
    confirmation: Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send>>,
    waker: Waker,
    reply: Option<Reply>,
    /// Whether the broker took it, once it said so.
    taken: Option<bool>,
    /// Its confirmation brought another publication's return.
    brought_another: bool,
}

/// The flights whose confirmation may be complete.
#[derive(Default)]
struct Rung {
    numbers: Mutex<Vec<u64>>,
    notify: Notify,
}

struct Bell {
    number: u64,
    rung: Arc<Rung>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.numbers.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
        self.rung.notify.notify_one();
    }
}

/// A line over a channel with confirmations on, and its publisher. At most `window` publications are in flight; one
/// that is not confirmed within `patience` is answered as unknown.
pub(super) fn line(
    channel: Channel,
    connection: ConnectionStatus,
    window: usize,
    patience: Duration,
) -> (Line, Publisher) {
    let (sender, queue) = mpsc::channel(window);
    let offended = Arc::new(AtomicBool::new(false));
    let publisher = Publisher {
        channel,
        connection,
        queue,
        offended: offended.clone(),
        window,
        patience,
        next: 0,
        flights: BTreeMap::new(),
        ids: HashSet::new(),
        deadlines: VecDeque::new(),
        rung: Arc::default(),
        returned: HashMap::new(),
        complete: Vec::new(),
        open: 0,
        given_up: 0,
        is_settling: false,
        ended: false,
    };
    (Line { queue: sender, offended, patience }, publisher)
}

impl Line {
    /// Publishes and waits for the broker's word; `None` when the channel was closed before anything was published.
    pub(super) async fn publish(&self, publication: Publication) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        let sent = timeout(self.patience, self.queue.send((publication, reply))).await;
        match sent {
            Ok(Ok(())) => answer.await.unwrap_or_else(|_| {
                Some(Answer::Unknown { why: "the channel was closed before the broker's word came".to_owned() })
            }),
            Ok(Err(_)) => None,
            Err(_) => {
                let why = format!("no place among those in flight within {:?}", self.patience);
                Some(Answer::NotSent { why })
            }
        }
    }

    /// Whether it still publishes.
    pub(super) fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Whether the broker closed the channel because of something published on it.
    pub(super) fn is_offended(&self) -> bool {
        self.offended.load(Ordering::SeqCst)
    }
}

impl Publisher {
    /// Publishes and answers until the line is gone or the channel is of no more use.
    pub(super) async fn run(mut self) {
        let pace = (self.patience / 20).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut clock = interval(pace);
        let rung = self.rung.clone();
        while !self.ended {
            let has_room = self.open < self.window && !self.is_settling;
            tokio::select! {
                biased;
                () = rung.notify.notified() => self.listen(),
                asked = self.queue.recv(), if has_room => match asked {
                    Some((publication, reply)) => self.begin(publication, reply),
                    None => return,
                },
                _ = clock.tick() => self.give_up(),
            }
        }
        self.queue.close();
        while let Ok((_, reply)) = self.queue.try_recv() {
            let _ = reply.send(None);
        }
        // only publications that were given up can be left, and whoever waits hears "unknown"
    }

    fn begin(&mut self, publication: Publication, reply: Reply) {
        let not_sent = |why: &str| Some(Some(Answer::NotSent { why: why.to_owned() }));
        let refused = if self.connection.blocked() {
            not_sent("the broker takes nothing now (alarm)")
        } else if !self.channel.status().connected() {
            self.ended = self.open == 0;
            Some(None)
        } else if self.ids.contains(&publication.id) {
            not_sent("the broker has not yet spoken about an earlier attempt")
        } else {
            None
        };
        if let Some(answer) = refused {
            let _ = reply.send(answer);
            return;
        }
        let number = self.next;
        self.next += 1;
        let Publication { id, exchange, routing_key, bytes, properties } = publication;
        let target = match exchange.as_str() {
            "" => format!("queue `{routing_key}`"),
            exchange => format!("exchange `{exchange}` with routing key `{routing_key}`"),
        };
        let channel = self.channel.clone();
        let confirmation = Box::pin(async move {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let publishing = channel.basic_publish(exchange.into(), routing_key.into(), options, &bytes, properties);
            publishing.await?.await
        });
        self.ids.insert(id.clone());
        let flight = Flight {
            id,
            target,
            confirmation,
            waker: Waker::from(Arc::new(Bell { number, rung: self.rung.clone() })),
            reply: Some(reply),
            taken: None,
            brought_another: false,
        };
        self.flights.insert(number, flight);
        self.deadlines.push_back((Instant::now() + self.patience, number));
        self.open += 1;
        // the first poll hands the frames over, in this order
        self.look(number);
        self.listen();
    }

    /// Looks at everything that rang until nothing does, then concludes.
    fn listen(&mut self) {
        loop {
            let numbers = std::mem::take(&mut *self.rung.numbers.lock().unwrap_or_else(PoisonError::into_inner));
            if numbers.is_empty() {
                break;
            }
            numbers.into_iter().for_each(|number| self.look(number));
        }
        self.conclude();
    }

    fn look(&mut self, number: u64) {
        let Some(flight) = self.flights.get_mut(&number).filter(|flight| flight.taken.is_none()) else { return };
        let polled = flight.confirmation.as_mut().poll(&mut Context::from_waker(&flight.waker));
        let (taken, returned) = match polled {
            Poll::Pending => return,
            Poll::Ready(Ok(Confirmation::Ack(returned))) => (true, returned),
            Poll::Ready(Ok(Confirmation::Nack(returned))) => (false, returned),
            Poll::Ready(Ok(Confirmation::NotRequested)) => (false, None),
            Poll::Ready(Err(error)) => return self.failed(number, &error),
        };
        flight.taken = Some(taken);
        self.ids.remove(&flight.id);
        if let Some(returned) = returned {
            let id = returned.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            flight.brought_another = id != flight.id;
            self.returned.insert(id, returned.reply_text.to_string());
        }
        self.open -= 1;
        self.given_up -= usize::from(flight.reply.is_none());
        self.complete.push(number);
    }

    fn conclude(&mut self) {
        let mut unsure = Vec::new();
        for number in std::mem::take(&mut self.complete) {
            let Some(flight) = self.flights.get_mut(&number) else { continue };
            let answer = match self.returned.remove(&flight.id) {
                Some(text) => Answer::Unroutable { why: format!("{}: {text}", flight.target) },
                None if flight.brought_another && self.open > 0 => {
                    unsure.push(number);
                    continue;
                }
                None if flight.taken == Some(true) => Answer::Confirmed,
                None => Answer::Unknown { why: format!("{}: the broker could not take care of it", flight.target) },
            };
            if let Some(reply) = flight.reply.take() {
                let _ = reply.send(Some(answer));
            }
            self.flights.remove(&number);
        }
        self.is_settling = !unsure.is_empty();
        self.complete = unsure;
        if self.open == 0 {
            self.returned.clear();
            self.ended |= !self.channel.status().connected();
        }
    }

    /// The broker or the connection closed the channel: it will not speak about what is in flight.
    fn failed(&mut self, number: u64, error: &lapin::Error) {
        let is_about_the_target = amqp_link::is_about_the_target(error);
        // alone in flight, it was this one the broker did not like; among others it may have been any
        let is_to_blame = is_about_the_target && self.open == 1 && !self.is_offended();
        if is_about_the_target {
            self.offended.store(true, Ordering::SeqCst);
        }
        self.open -= 1;
        let Some(flight) = self.flights.remove(&number) else { return };
        self.ids.remove(&flight.id);
        let why = format!("{}: {error}", flight.target);
        match flight.reply {
            None => self.given_up -= 1,
            Some(reply) => {
                let answer = if is_to_blame { Answer::Refused { why } } else { Answer::Unknown { why } };
                let _ = reply.send(Some(answer));
            }
        }
        self.ended |= self.open == 0;
    }

    fn is_offended(&self) -> bool {
        self.offended.load(Ordering::SeqCst)
    }

    /// Answers for those that waited too long. When nothing else is in flight any more, the channel is given up too.
    fn give_up(&mut self) {
        let now = Instant::now();
        while let Some((deadline, number)) = self.deadlines.front().copied()
            && (deadline <= now || !self.flights.contains_key(&number))
        {
            self.deadlines.pop_front();
            let Some(flight) = self.flights.get_mut(&number) else { continue };
            let Some(reply) = flight.reply.take() else { continue };
            let why = format!("{}: no confirmation within {} ms", flight.target, self.patience.as_millis());
            let _ = reply.send(Some(Answer::Unknown { why }));
            self.given_up += usize::from(flight.taken.is_none());
        }
        self.ended |= self.given_up >= self.window;
    }
}
