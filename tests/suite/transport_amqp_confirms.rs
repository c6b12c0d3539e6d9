//! What the broker says to publications that share a channel: each answer belongs to its own message.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use crossdock::transport::{
    AmqpDeclare, AmqpOutConfig, AmqpSink, Answer, Outgoing, Overflow, QueueConfig, QueueKind, Sink as _,
};
use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::task::JoinSet;

use super::transport_amqp::{Away, TURN, address, admin, clock, delete, outgoing, sink, waiting};

/// An exchange whose messages are routed by business key: to a quorum queue, to a classic one, or nowhere.
const EXCHANGE: &str = "xd-mixed";
const QUEUES: [&str; 2] = ["xd-mixed-quorum", "xd-mixed-classic"];

async fn make_exchange() {
    let url = address();
    let (_connection, channel) = admin(&url).await;
    channel.exchange_delete(EXCHANGE.into(), ExchangeDeleteOptions::default()).await.expect("deleted");
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, durable, FieldTable::default());
    declared.await.expect("an exchange");
    for (queue, kind) in QUEUES.into_iter().zip(["quorum", "classic"]) {
        delete(&url, queue).await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), lapin::types::AMQPValue::LongString(kind.into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), durable, arguments).await.expect("a queue");
        let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.into(), EXCHANGE.into(), queue.into(), bind, none).await.expect("bound");
    }
}

async fn delete_exchange() {
    let (_connection, channel) = admin(&address()).await;
    channel.exchange_delete(EXCHANGE.into(), ExchangeDeleteOptions::default()).await.expect("deleted");
    for queue in QUEUES {
        delete(&address(), queue).await;
    }
}

fn mixed_sink() -> Arc<AmqpSink> {
    let config = AmqpOutConfig {
        url: address(),
        exchange: EXCHANGE.to_owned(),
        routing_key: "{business_key}".to_owned(),
        confirm_timeout_ms: 10_000,
        ..AmqpOutConfig::default()
    };
    Arc::new(AmqpSink::new(&config, clock()).expect("good settings"))
}

/// A payload for the quorum queue, the classic one, or nowhere, in no regular order.
fn mixed(number: usize) -> Outgoing {
    let key = match (number * 7919) % 10 {
        0..4 => QUEUES[0],
        4..7 => QUEUES[1],
        _ => "nowhere",
    };
    Outgoing { business_key: Some(key.to_owned()), ..outgoing(number) }
}

/// The `message_id`s in a queue; takes them out.
async fn ids(queue: &str, count: usize) -> BTreeSet<String> {
    let (_connection, channel) = admin(&address()).await;
    channel.basic_qos(1000, BasicQosOptions::default()).await.expect("a prefetch");
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    let deliveries = consumer.expect("a consumer").take(count).collect::<Vec<_>>();
    let deliveries = tokio::time::timeout(Duration::from_secs(60), deliveries).await.expect("they come");
    let id = |properties: &BasicProperties| properties.message_id().as_ref().expect("an id").to_string();
    deliveries.into_iter().map(|delivery| id(&delivery.expect("a delivery").properties)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp_returns_belong_to_the_messages_that_had_no_queue() {
    let _turn = TURN.lock().await;
    make_exchange().await;
    let sink = mixed_sink();
    let mut sends = JoinSet::new();
    for number in 0..6000 {
        let sink = sink.clone();
        sends.spawn(async move { (number, sink.send(&mixed(number)).await) });
    }
    let mut confirmed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (number, answer) in sends.join_all().await {
        let sent = mixed(number);
        let key = sent.business_key.expect("a key");
        match answer {
            Answer::Confirmed if key != "nowhere" => drop(confirmed.entry(key).or_default().insert(sent.delivery_id)),
            Answer::Unroutable { .. } if key == "nowhere" => (),
            other => panic!("{number} for {key}: {other:?}"),
        }
    }
    for queue in QUEUES {
        let expected = &confirmed[queue];
        assert_eq!(waiting(&address(), queue).await as usize, expected.len());
        assert_eq!(&ids(queue, expected.len()).await, expected);
    }
    delete_exchange().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp_answers_stay_honest_when_the_broker_goes_in_the_middle_of_returns() {
    let _turn = TURN.lock().await;
    make_exchange().await;
    let sink = mixed_sink();
    let progress = tokio::sync::watch::Sender::new(0_usize);
    let mut workers = JoinSet::new();
    for worker in 0..32 {
        let (sink, progress) = (sink.clone(), progress.clone());
        workers.spawn(async move {
            let mut confirmed = Vec::new();
            for number in (worker * 100_000).. {
                let sent = mixed(number);
                let key = sent.business_key.clone().expect("a key");
                match sink.send(&sent).await {
                    Answer::Confirmed if key != "nowhere" => confirmed.push((key, sent.delivery_id)),
                    Answer::Unroutable { .. } if key == "nowhere" => (),
                    Answer::Unknown { .. } | Answer::NotSent { .. } => break,
                    other => panic!("{number} for {key}: {other:?}"),
                }
                progress.send_modify(|count| *count += 1);
            }
            confirmed
        });
    }
    progress.subscribe().wait_for(|count| *count > 2000).await.expect("the workers run");
    let away = Away::begin();
    let confirmed: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    drop(away);
    for queue in QUEUES {
        let kept = ids(queue, waiting(&address(), queue).await as usize).await;
        let missing: Vec<_> = confirmed.iter().filter(|(key, id)| key == queue && !kept.contains(id)).collect();
        assert!(missing.is_empty(), "confirmed and not in {queue}: {missing:?}");
    }
    delete_exchange().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp_messages_the_broker_does_not_take_are_unknown_and_their_neighbours_confirmed() {
    let (url, queue) = (address(), "xd-full");
    let _turn = TURN.lock().await;
    delete(&url, queue).await;
    let limited = QueueConfig {
        kind: QueueKind::Classic,
        max_length: Some(10),
        overflow: Some(Overflow::RejectPublish),
        ..QueueConfig::default()
    };
    let config = AmqpOutConfig {
        url: url.clone(),
        routing_key: queue.to_owned(),
        declare: AmqpDeclare { queue: Some(limited), ..AmqpDeclare::default() },
        ..AmqpOutConfig::default()
    };
    let sink = Arc::new(AmqpSink::new(&config, clock()).expect("good settings"));
    let mut sends = JoinSet::new();
    for number in 0..100 {
        let sink = sink.clone();
        sends.spawn(async move { (outgoing(number).delivery_id, sink.send(&outgoing(number)).await) });
    }
    let answers = sends.join_all().await;
    let of = |wanted: fn(&Answer) -> bool| {
        answers.iter().filter(|(_, answer)| wanted(answer)).map(|(id, _)| id.clone()).collect::<BTreeSet<_>>()
    };
    let confirmed = of(|answer| *answer == Answer::Confirmed);
    assert_eq!(confirmed.len() + of(|answer| matches!(answer, Answer::Unknown { .. })).len(), 100, "{answers:?}");
    assert_eq!(waiting(&url, queue).await as usize, confirmed.len());
    assert_eq!(ids(queue, confirmed.len()).await, confirmed);
    delete(&url, queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp_a_message_the_broker_closes_the_channel_for_is_found_and_refused() {
    let (url, queue) = (address(), "xd-poison");
    let _turn = TURN.lock().await;
    delete(&url, queue).await;
    let sink = Arc::new(sink(&url, queue, true));
    assert_eq!(sink.send(&outgoing(0)).await, Answer::Confirmed);
    // RabbitMQ takes messages of 128 MiB and closes the channel for larger ones
    let poison = Outgoing { bytes: Bytes::from(vec![b'x'; (128 << 20) + 1]), ..outgoing(1) };
    let answer = sink.send(&poison).await;
    assert!(matches!(answer, Answer::Refused { .. }), "alone in flight it is refused at once: {answer:?}");
    let mut tries = JoinSet::new();
    for number in 2..22 {
        let sink = sink.clone();
        tries.spawn(async move { sink.send(&outgoing(number)).await });
    }
    for answer in tries.join_all().await {
        assert_eq!(answer, Answer::Confirmed);
    }
    delete(&url, queue).await;
}
