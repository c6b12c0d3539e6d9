//! AMQP sources and sinks against a real broker: order, settling, returns, loss and return of the broker.
//!
//! Needs `CROSSDOCK_TEST_AMQP` (a broker's address, used alone) and `CROSSDOCK_TEST_RABBITMQCTL` (a command that takes
//! `stop_app`, `start_app`, …); `make test` brings both.

use std::{
    collections::{BTreeSet, VecDeque},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::service;
use async_trait::async_trait;
use bytes::Bytes;
use crossdock::{
    base::{Clock, Problem, Secret, Timestamp},
    transport::{
        Access, AmqpDeclare, AmqpInConfig, AmqpOutConfig, AmqpSink, AmqpSource, Answer, Arrival, Intake, Outgoing,
        QueueConfig, Readiness, Refusal, Sink as _, Source as _, Verdict, code,
    },
};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The broker is stopped and alarmed by some tests, so that they take turns.
pub static TURN: AsyncMutex<()> = AsyncMutex::const_new(());

pub fn address() -> Secret {
    Secret::new(service("CROSSDOCK_TEST_AMQP"))
}

/// Runs a broker command.
fn control(arguments: &[&str]) {
    let output = Command::new(service("CROSSDOCK_TEST_RABBITMQCTL")).args(arguments).output();
    let status = output.expect("the broker's control command runs").status;
    assert!(status.success(), "{arguments:?}: {status}");
}

/// The broker's application stopped; it starts again when this is dropped, whatever became of the test.
pub struct Away;

impl Away {
    pub fn begin() -> Self {
        control(&["stop_app"]);
        Self
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // a broker that does not come back fails the test at its next step
        let _ = Command::new(service("CROSSDOCK_TEST_RABBITMQCTL")).arg("start_app").output();
    }
}

/// Remembers what came, in order; answers to order, else accepts.
pub struct Fake {
    seen: watch::Sender<Vec<Arrival>>,
    verdicts: Mutex<VecDeque<Verdict>>,
    is_closed: AtomicBool,
}

impl Fake {
    pub fn new(verdicts: impl Into<VecDeque<Verdict>>) -> Arc<Self> {
        Arc::new(Self {
            seen: watch::Sender::new(Vec::new()),
            verdicts: Mutex::new(verdicts.into()),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Waits until a condition holds for what came.
    pub async fn until(&self, condition: impl FnMut(&Vec<Arrival>) -> bool) -> Vec<Arrival> {
        let mut seen = self.seen.subscribe();
        let wait = seen.wait_for(condition);
        let seen = tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it comes within a minute");
        seen.expect("the fake lives").clone()
    }
}

#[async_trait]
impl Intake for Fake {
    async fn accept(&self, arrival: Arrival) -> Verdict {
        self.seen.send_modify(|seen| seen.push(arrival));
        // an answer takes a moment, so that several are under way at once
        tokio::task::yield_now().await;
        let ordered = self.verdicts.lock().expect("the list").pop_front();
        ordered.unwrap_or(Verdict::Accepted { message_id: "msg_1".to_owned(), duplicate: false })
    }

    fn authorize(&self, _: &str, _: Option<&Secret>) -> Access {
        Access::Denied
    }

    fn readiness(&self) -> Readiness {
        if self.is_closed.load(Ordering::SeqCst) {
            return Readiness::Closed {
                code: code::NOT_ACCEPTING,
                retry_after: Duration::from_secs(10),
                why: "storage low".to_owned(),
            };
        }
        Readiness::Open
    }

    async fn status(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        None
    }
}

pub struct Running {
    source: Arc<AmqpSource>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    pub fn start(url: &Secret, queue: &str, fake: Arc<Fake>) -> Self {
        let config = AmqpInConfig {
            url: url.clone(),
            queues: vec![queue.to_owned()],
            system: "crm".to_owned(),
            declare: declared(true),
            ..AmqpInConfig::default()
        };
        Self::of(&config, fake)
    }

    pub fn of(config: &AmqpInConfig, fake: Arc<Fake>) -> Self {
        let source = Arc::new(AmqpSource::new(config).expect("good settings"));
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let (running, token) = (source.clone(), stop.clone());
        tasks.spawn(async move { running.run(fake, token).await });
        Self { source, stop, tasks }
    }

    pub async fn until_up(&self, up: bool) {
        let mut link = self.source.connected();
        let wait = link.wait_for(|link| link.up == up);
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("within a minute").expect("it runs");
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.expect("one task").expect("it ends well");
    }
}

pub async fn admin(url: &Secret) -> (Connection, Channel) {
    let connection = Connection::connect(url.expose(), ConnectionProperties::default()).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

pub async fn waiting(url: &Secret, queue: &str) -> u32 {
    let (_connection, channel) = admin(url).await;
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), look, FieldTable::default()).await.expect("the queue").message_count()
}

/// Deletes a queue, if it is there; also before a test, for what an earlier run left behind.
pub async fn delete(url: &Secret, queue: &str) {
    let (_connection, channel) = admin(url).await;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
}

fn declared(yes: bool) -> AmqpDeclare {
    AmqpDeclare { queue: yes.then(QueueConfig::default), ..AmqpDeclare::default() }
}

/// A clock that stands still.
pub fn clock() -> Arc<dyn Clock> {
    struct Still;
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(1_764_000_000_000_000)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }
    Arc::new(Still)
}

pub fn sink(url: &Secret, queue: &str, declare: bool) -> AmqpSink {
    let config = AmqpOutConfig {
        url: url.clone(),
        routing_key: queue.to_owned(),
        declare: declared(declare),
        confirm_timeout_ms: 5_000,
        ..AmqpOutConfig::default()
    };
    AmqpSink::new(&config, clock()).expect("good settings")
}

pub fn outgoing(number: usize) -> Outgoing {
    Outgoing {
        delivery_id: format!("dlv_{number:05}"),
        message_id: format!("msg_{number:05}"),
        attempt: 1,
        bytes: Bytes::from(format!("<a>{number}</a>")),
        content_type: "application/xml".to_owned(),
        business_key: Some("SO-1".to_owned()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        document_type: "hub/sales-order@1".to_owned(),
    }
}

#[tokio::test]
async fn messages_pass_from_sink_to_source_in_queue_order_with_their_identity() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-order";
    delete(&url, queue).await;
    let sink = sink(&url, queue, true);
    for number in 0..500 {
        assert_eq!(sink.send(&outgoing(number)).await, Answer::Confirmed);
    }
    let fake = Fake::new([]);
    let running = Running::start(&url, queue, fake.clone());
    let seen = fake.until(|seen| seen.len() >= 500).await;
    running.stop().await;
    for (number, arrival) in seen.iter().enumerate() {
        let sent = outgoing(number);
        assert_eq!(arrival.bytes, sent.bytes);
        assert_eq!(arrival.key.as_deref(), Some(sent.delivery_id.as_str()));
        assert_eq!(arrival.content_type.as_deref(), Some("application/xml"));
        assert_eq!(arrival.document_type, sent.document_type);
        assert_eq!(arrival.attributes.get("traceparent"), sent.traceparent.as_ref());
    }
    assert_eq!(waiting(&url, queue).await, 0, "everything was settled before the source ended");
    delete(&url, queue).await;
}

#[tokio::test]
async fn many_sends_in_flight_are_each_confirmed() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-many";
    delete(&url, queue).await;
    let sink = Arc::new(sink(&url, queue, true));
    let mut sends = JoinSet::new();
    for number in 0..1000 {
        let sink = sink.clone();
        sends.spawn(async move { sink.send(&outgoing(number)).await });
    }
    for answer in sends.join_all().await {
        assert_eq!(answer, Answer::Confirmed);
    }
    assert_eq!(waiting(&url, queue).await, 1000);
    delete(&url, queue).await;
}

#[tokio::test]
async fn a_target_that_is_missing_refuses_and_one_that_vanishes_is_unroutable() {
    let url = address();
    let _turn = TURN.lock().await;
    let answer = sink(&url, "xd-missing", false).send(&outgoing(1)).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    let vanishing = sink(&url, "xd-vanishing", true);
    assert_eq!(vanishing.send(&outgoing(1)).await, Answer::Confirmed);
    delete(&url, "xd-vanishing").await;
    for _ in 0..3 {
        let answer = vanishing.send(&outgoing(2)).await;
        assert!(matches!(answer, Answer::Unroutable { .. }), "{answer:?}");
    }
    let config = AmqpOutConfig { url, exchange: "xd-no-exchange".to_owned(), ..AmqpOutConfig::default() };
    let answer = AmqpSink::new(&config, clock()).expect("good settings").send(&outgoing(1)).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
}

#[tokio::test]
async fn refused_messages_leave_the_queue_and_those_without_room_come_again() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-verdicts";
    delete(&url, queue).await;
    let sink = sink(&url, queue, true);
    for number in 0..3 {
        assert_eq!(sink.send(&outgoing(number)).await, Answer::Confirmed);
    }
    let problem = Problem::new(code::BODY_CUT, "no end");
    let refused = Verdict::Refused(Refusal { status: 400, problem, retry_after: None, existing: None });
    let accepted = || Verdict::Accepted { message_id: "msg".to_owned(), duplicate: false };
    let no_room = Verdict::Unavailable { retry_after: Duration::from_millis(10) };
    let fake = Fake::new([refused, no_room, accepted()]);
    let running = Running::start(&url, queue, fake.clone());
    let came = |seen: &[Arrival], key: &str| seen.iter().filter(|arrival| arrival.key.as_deref() == Some(key)).count();
    let seen = fake.until(|seen| came(seen, "dlv_00001") == 2 && came(seen, "dlv_00002") > 0).await;
    assert_eq!(came(&seen, "dlv_00000"), 1, "a refused message is settled");
    let again = |arrival: &&Arrival| arrival.attributes.contains_key("redelivered");
    assert!(seen.iter().filter(again).any(|arrival| arrival.key.as_deref() == Some("dlv_00001")));
    running.stop().await;
    assert_eq!(waiting(&url, queue).await, 0);
    delete(&url, queue).await;
}

#[tokio::test]
async fn while_the_intake_is_closed_the_broker_keeps_the_messages_and_they_come_when_it_opens() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-closed";
    delete(&url, queue).await;
    let fake = Fake::new([]);
    let running = Running::start(&url, queue, fake.clone());
    running.until_up(true).await;
    fake.is_closed.store(true, Ordering::SeqCst);
    running.until_up(false).await;
    assert!(running.source.connected().borrow().why.contains("storage low"));
    let sink = sink(&url, queue, false);
    for number in 0..20 {
        assert_eq!(sink.send(&outgoing(number)).await, Answer::Confirmed);
    }
    let (_connection, channel) = admin(&url).await;
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), look, FieldTable::default()).await.expect("the queue");
    assert_eq!((found.consumer_count(), fake.seen.borrow().len()), (0, 0), "nobody consumes");
    fake.is_closed.store(false, Ordering::SeqCst);
    let seen = fake.until(|seen| seen.len() == 20).await;
    let keys: Vec<_> = seen.iter().filter_map(|arrival| arrival.key.as_deref()).collect();
    assert!(keys.is_sorted(), "in queue order: {keys:?}");
    running.stop().await;
    assert_eq!(waiting(&url, queue).await, 0);
    delete(&url, queue).await;
}

#[tokio::test]
async fn a_deleted_queue_shows_as_down_and_is_consumed_again_when_it_is_back() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-deleted";
    delete(&url, queue).await;
    let fake = Fake::new([]);
    let running = Running::start(&url, queue, fake.clone());
    running.until_up(true).await;
    let mut link = running.source.connected();
    link.mark_unchanged();
    delete(&url, queue).await;
    link.changed().await.expect("it runs");
    running.until_up(true).await;
    assert_eq!(sink(&url, queue, false).send(&outgoing(1)).await, Answer::Confirmed);
    fake.until(|seen| seen.len() == 1).await;
    running.stop().await;
    delete(&url, queue).await;
}

#[tokio::test]
async fn nothing_is_lost_while_the_broker_is_away_and_both_ends_come_back_by_themselves() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-restart";
    delete(&url, queue).await;
    let fake = Fake::new([]);
    let running = Running::start(&url, queue, fake.clone());
    running.until_up(true).await;
    let sink = sink(&url, queue, true);
    assert_eq!(sink.send(&outgoing(0)).await, Answer::Confirmed);
    let away = Away::begin();
    running.until_up(false).await;
    let mut answer = sink.send(&outgoing(1)).await;
    if matches!(answer, Answer::Unknown { .. }) {
        // the sink learnt of the loss only by this send
        answer = sink.send(&outgoing(1)).await;
    }
    assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
    drop(away);
    running.until_up(true).await;
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    while matches!(answer, Answer::NotSent { .. }) {
        pace.tick().await;
        answer = sink.send(&outgoing(1)).await;
    }
    assert_eq!(answer, Answer::Confirmed);
    let seen = fake.until(|seen| seen.iter().any(|arrival| arrival.key.as_deref() == Some("dlv_00001"))).await;
    let keys: BTreeSet<_> = seen.iter().filter_map(|arrival| arrival.key.clone()).collect();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["dlv_00000", "dlv_00001"]);
    running.stop().await;
    assert_eq!(waiting(&url, queue).await, 0);
    delete(&url, queue).await;
}

#[tokio::test]
async fn sends_caught_in_a_broker_stop_are_unknown_or_not_sent_and_never_confirmed_wrongly() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-storm";
    delete(&url, queue).await;
    let sink = Arc::new(sink(&url, queue, true));
    assert_eq!(sink.send(&outgoing(0)).await, Answer::Confirmed);
    let confirmed = watch::Sender::new(1_u32);
    let mut workers = JoinSet::new();
    for worker in 1..=16_usize {
        let (sink, confirmed) = (sink.clone(), confirmed.clone());
        workers.spawn(async move {
            for number in 0.. {
                match sink.send(&outgoing(worker * 100_000 + number)).await {
                    Answer::Confirmed => confirmed.send_modify(|count| *count += 1),
                    Answer::Unknown { .. } | Answer::NotSent { .. } => return,
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    confirmed.subscribe().wait_for(|count| *count > 200).await.expect("the workers run");
    let away = Away::begin();
    while let Some(worker) = workers.join_next().await {
        worker.expect("only honest answers");
    }
    drop(away);
    assert!(waiting(&url, queue).await >= *confirmed.borrow(), "what was confirmed is there");
    delete(&url, queue).await;
}

#[tokio::test]
async fn a_broker_under_alarm_is_not_sent_to_and_is_used_again_afterwards() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-alarm";
    delete(&url, queue).await;
    let config = AmqpOutConfig {
        url: url.clone(),
        routing_key: queue.to_owned(),
        declare: declared(true),
        confirm_timeout_ms: 1_000,
        ..AmqpOutConfig::default()
    };
    let sink = AmqpSink::new(&config, clock()).expect("good settings");
    assert_eq!(sink.send(&outgoing(0)).await, Answer::Confirmed);
    control(&["set_vm_memory_high_watermark", "0"]);
    // the broker blocks a connection at its first publication under alarm: that one's fate is unknown
    let first = sink.send(&outgoing(1)).await;
    assert!(matches!(first, Answer::Unknown { .. }), "{first:?}");
    let second = sink.send(&outgoing(2)).await;
    assert!(matches!(second, Answer::NotSent { .. }), "{second:?}");
    control(&["set_vm_memory_high_watermark", "0.4"]);
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    let mut answer = second;
    while matches!(answer, Answer::NotSent { .. }) {
        pace.tick().await;
        answer = sink.send(&outgoing(2)).await;
    }
    assert_eq!(answer, Answer::Confirmed);
    delete(&url, queue).await;
}

#[tokio::test]
async fn without_a_broker_nothing_is_sent() {
    let url = Secret::new("amqp://127.0.0.1:1/%2f");
    let answer = sink(&url, "any", false).send(&outgoing(0)).await;
    assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
}
