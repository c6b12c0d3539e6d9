//! What is declared at a broker and what is only looked for; what messages say about themselves, both ways.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crossdock::transport::{
    AmqpDeclare, AmqpInConfig, AmqpOutConfig, AmqpSink, AmqpSource, Answer, BindingConfig, ExchangeConfig, Outgoing,
    QueueConfig, Sink as _, Source as _,
};
use lapin::{
    BasicProperties,
    options::{BasicGetOptions, BasicPublishOptions, ExchangeDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::transport_amqp::{Fake, Running, TURN, address, admin, clock, delete, outgoing, sink, waiting};

async fn delete_exchange(exchange: &str) {
    let (_connection, channel) = admin(&address()).await;
    channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.expect("deleted");
}

fn declaring(queue: &str, config: QueueConfig) -> AmqpSink {
    let config = AmqpOutConfig {
        url: address(),
        routing_key: queue.to_owned(),
        declare: AmqpDeclare { queue: Some(config), ..AmqpDeclare::default() },
        ..AmqpOutConfig::default()
    };
    AmqpSink::new(&config, clock()).expect("good settings")
}

#[tokio::test]
async fn amqp_targets_are_looked_for_before_anything_is_sent_and_a_different_one_is_named() {
    let (url, queue) = (address(), "xd-looked-for");
    let _turn = TURN.lock().await;
    delete(&url, queue).await;
    let problem = sink(&url, queue, false).check().await.expect_err("it is missing");
    assert!(problem.text.contains("no queue 'xd-looked-for'"), "{problem}");
    let limited = QueueConfig {
        max_length: Some(10),
        dead_letter_exchange: Some("xd-dead".to_owned()),
        delivery_limit: Some(7),
        ..QueueConfig::default()
    };
    declaring(queue, limited.clone()).check().await.expect("declared");
    declaring(queue, limited.clone()).check().await.expect("declared the same way again");
    sink(&url, queue, false).check().await.expect("it is there");
    let different = QueueConfig { max_length: Some(11), ..limited };
    let problem = declaring(queue, different).check().await.expect_err("it is different");
    assert!(problem.text.contains("inequivalent arg 'x-max-length'"), "{problem}");
    delete(&url, queue).await;
}

#[tokio::test]
async fn amqp_single_active_consumers_are_demanded_of_a_queue_that_is_not_declared() {
    let (url, queue) = (address(), "xd-single");
    let _turn = TURN.lock().await;
    delete(&url, queue).await;
    declaring(queue, QueueConfig::default()).check().await.expect("declared");
    let config = AmqpInConfig {
        url: url.clone(),
        queues: vec![queue.to_owned()],
        system: "crm".to_owned(),
        single_active_consumer: true,
        ..AmqpInConfig::default()
    };
    let source = Arc::new(AmqpSource::new(&config).expect("good settings"));
    let (stop, mut link) = (CancellationToken::new(), source.connected());
    let (running, token) = (source.clone(), stop.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { running.run(Fake::new([]), token).await });
    let refused = link.wait_for(|link| link.why.contains("x-single-active-consumer"));
    drop(tokio::time::timeout(Duration::from_secs(20), refused).await.expect("in time").expect("it runs"));
    delete(&url, queue).await;
    declaring(queue, QueueConfig { single_active_consumer: true, ..QueueConfig::default() }).check().await.expect("so");
    drop(tokio::time::timeout(Duration::from_secs(20), link.wait_for(|link| link.up)).await.expect("in time"));
    stop.cancel();
    tasks.join_all().await;
    delete(&url, queue).await;
}

#[tokio::test]
async fn amqp_exchange_and_bindings_are_declared_and_several_queues_are_consumed() {
    let (url, exchange, queues) = (address(), "xd-topic", ["xd-topic-a", "xd-topic-b"]);
    let _turn = TURN.lock().await;
    delete_exchange(exchange).await;
    for queue in queues {
        delete(&url, queue).await;
    }
    let topic = ExchangeConfig { name: exchange.to_owned(), kind: "topic".to_owned(), durable: true };
    let binding = |queue: &str, key: &str| BindingConfig {
        exchange: exchange.to_owned(),
        queue: queue.to_owned(),
        key: key.to_owned(),
    };
    let config = AmqpInConfig {
        url: url.clone(),
        queues: queues.map(str::to_owned).to_vec(),
        system: "crm".to_owned(),
        declare: AmqpDeclare {
            queue: Some(QueueConfig::default()),
            exchange: Some(topic),
            bindings: vec![binding(queues[0], "a.#"), binding(queues[1], "b.#"), binding("", "all")],
        },
        ..AmqpInConfig::default()
    };
    let fake = Fake::new([]);
    let running = Running::of(&config, fake.clone());
    running.until_up(true).await;
    let config = AmqpOutConfig {
        url: url.clone(),
        exchange: exchange.to_owned(),
        routing_key: "{business_key}".to_owned(),
        ..AmqpOutConfig::default()
    };
    let sink = AmqpSink::new(&config, clock()).expect("good settings");
    for (number, key) in ["a.1", "b.2", "all"].into_iter().enumerate() {
        let sent = Outgoing { business_key: Some(key.to_owned()), ..outgoing(number) };
        assert_eq!(sink.send(&sent).await, Answer::Confirmed);
    }
    let lost = Outgoing { business_key: Some("c.3".to_owned()), ..outgoing(9) };
    assert!(matches!(sink.send(&lost).await, Answer::Unroutable { .. }));
    let seen = fake.until(|seen| seen.len() == 4).await;
    let mut keys: Vec<_> = seen.into_iter().filter_map(|arrival| arrival.key).collect();
    keys.sort();
    assert_eq!(keys, ["dlv_00000", "dlv_00001", "dlv_00002", "dlv_00002"]);
    running.stop().await;
    delete_exchange(exchange).await;
    for queue in queues {
        delete(&url, queue).await;
    }
}

#[tokio::test]
async fn amqp_messages_say_what_they_are_on_the_way_out() {
    let (url, queue) = (address(), "xd-says");
    let _turn = TURN.lock().await;
    delete(&url, queue).await;
    let config = AmqpOutConfig {
        url: url.clone(),
        routing_key: queue.to_owned(),
        declare: AmqpDeclare { queue: Some(QueueConfig::default()), ..AmqpDeclare::default() },
        priority: Some(4),
        app_id: "hub-1".to_owned(),
        content_encoding: "utf-8".to_owned(),
        headers: BTreeMap::from([("region".to_owned(), "north-{business_key}".to_owned())]),
        event_source: "urn:hub:1".to_owned(),
        ..AmqpOutConfig::default()
    };
    let sink = AmqpSink::new(&config, clock()).expect("good settings");
    assert_eq!(sink.send(&outgoing(1)).await, Answer::Confirmed);
    let (_connection, channel) = admin(&url).await;
    let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.expect("an answer");
    let properties = got.expect("a message").delivery.properties;
    let headers: BTreeMap<String, String> = properties
        .headers()
        .iter()
        .flat_map(|table| table.inner())
        .filter(|(name, _)| !name.as_str().starts_with("x-"))
        .map(|(name, value)| match value {
            AMQPValue::LongString(text) => (name.to_string(), text.to_string()),
            other => panic!("{name}: {other:?}"),
        })
        .collect();
    assert_eq!(properties.message_id().as_ref().map(|id| id.as_str()), Some("dlv_00001"));
    assert_eq!(properties.correlation_id().as_ref().map(|id| id.as_str()), Some("msg_00001"));
    assert_eq!(properties.app_id().as_ref().map(|id| id.as_str()), Some("hub-1"));
    assert_eq!(properties.content_encoding().as_ref().map(|id| id.as_str()), Some("utf-8"));
    assert_eq!((*properties.delivery_mode(), *properties.priority()), (Some(2), Some(4)));
    assert_eq!(*properties.timestamp(), Some(1_764_000_000));
    for (name, value) in [
        ("region", "north-SO-1"),
        ("crossdock-message-id", "msg_00001"),
        ("crossdock-business-key", "SO-1"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("cloudEvents:specversion", "1.0"),
        ("cloudEvents:id", "dlv_00001"),
        ("cloudEvents:source", "urn:hub:1"),
        ("cloudEvents:type", "hub/sales-order@1"),
        ("cloudEvents:subject", "SO-1"),
        ("cloudEvents:time", "2025-11-24T16:00:00.000000Z"),
    ] {
        assert_eq!(headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    delete(&url, queue).await;
}

#[tokio::test]
async fn amqp_what_messages_say_about_themselves_is_kept_within_bounds() {
    let (url, queue) = (address(), "xd-heard");
    let _turn = TURN.lock().await;
    delete(&url, queue).await;
    let fake = Fake::new([]);
    let running = Running::start(&url, queue, fake.clone());
    running.until_up(true).await;
    let (_connection, channel) = admin(&url).await;
    let publish = async |properties: BasicProperties| {
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), queue.into(), options, b"<a/>", properties).await.expect("published");
    };
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("cloudEvents_id", text("7")),
        ("cloudEvents_source", text("urn:shop")),
        ("cloudEvents_type", text("order.created")),
        ("region", text("north")),
        ("tries", AMQPValue::LongInt(3)),
        ("table", AMQPValue::FieldTable(FieldTable::default())),
        ("long", text(&"é".repeat(500))),
        ("traceparent", text("not one")),
    ] {
        headers.insert(name.into(), value);
    }
    for number in 0..100 {
        headers.insert(format!("x{number}").into(), text("more"));
    }
    let properties = BasicProperties::default()
        .with_message_id("m-1".into())
        .with_correlation_id("c-1".into())
        .with_app_id("shop".into())
        .with_priority(3)
        .with_timestamp(1_764_000_000);
    publish(properties.clone().with_headers(headers)).await;
    publish(properties.with_content_encoding("gzip".into())).await;
    let seen = fake.until(|seen| seen.len() == 2).await;
    let attributes = &seen[0].attributes;
    assert_eq!(seen[0].key.as_deref(), Some("urn:shop 7"), "an event's identity comes before the message's id");
    for (name, value) in [
        ("ce-type", "order.created"),
        ("amqp_message_id", "m-1"),
        ("correlation_id", "c-1"),
        ("app_id", "shop"),
        ("priority", "3"),
        ("timestamp", "2025-11-24T16:00:00.000000Z"),
    ] {
        assert_eq!(attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(attributes.keys().filter(|name| name.starts_with("header.")).count(), 32);
    assert!(attributes.values().all(|value| value.len() <= 256));
    assert!(!attributes.contains_key("traceparent") && !attributes.contains_key("header.table"));
    assert_eq!(seen[1].key.as_deref(), Some("m-1"));
    assert!(seen[1].problem.is_some(), "a compressed message is kept aside");
    running.stop().await;
    assert_eq!(waiting(&url, queue).await, 0);
    delete(&url, queue).await;
}
