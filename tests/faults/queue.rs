//! The recording queue: nobody consumes it while faults happen, so that it keeps every publication in order.

use std::time::Instant;

use futures_util::StreamExt as _;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};

use super::{note::Note, sink::Arrival};

async fn open(address: &str) -> (Connection, Channel) {
    let connection = Connection::connect(address, ConnectionProperties::default()).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

/// Makes an empty durable queue, of type `quorum` or `classic`, with more arguments where given.
pub async fn fresh(address: &str, queue: &str, kind: &str, more: &[(&str, AMQPValue)]) {
    let (_connection, channel) = open(address).await;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted, or was not there");
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
    for (name, value) in more {
        arguments.insert((*name).into(), value.clone());
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, arguments).await.expect("declared");
}

/// Deletes a queue.
pub async fn delete(address: &str, queue: &str) {
    let (_connection, channel) = open(address).await;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted, or was not there");
}

/// How many messages wait in a queue.
pub async fn waiting(address: &str, queue: &str) -> u32 {
    let (_connection, channel) = open(address).await;
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), look, FieldTable::default()).await.expect("the queue").message_count()
}

/// Takes everything out of a queue, in order.
pub async fn drain(address: &str, queue: &str) -> Vec<Arrival> {
    let count = waiting(address, queue).await as usize;
    let (_connection, channel) = open(address).await;
    let (name, options) = ("faults".into(), BasicConsumeOptions::default());
    let mut consumer =
        channel.basic_consume(queue.into(), name, options, FieldTable::default()).await.expect("a consumer");
    let mut arrivals = Vec::with_capacity(count);
    while arrivals.len() < count {
        let message = consumer.next().await.expect("a message").expect("the broker is well");
        let id = message.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
        let shown = || String::from_utf8_lossy(&message.data).into_owned();
        let note = Note::of(&message.data).ok_or_else(shown);
        let note =
            note.and_then(|note| if note.expected("bus").as_bytes() == message.data { Ok(note) } else { Err(shown()) });
        arrivals.push(Arrival { at: Instant::now(), target: "bus".to_owned(), delivery: id, note, sure: true });
        message.ack(BasicAckOptions::default()).await.expect("acknowledged");
    }
    arrivals
}
