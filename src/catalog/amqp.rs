//! A system's queues and exchanges: `in: {amqp: …}` and `out: {amqp: …}`.

use std::collections::BTreeMap;

use super::system::{Reader, millis};
use crate::{
    content::{Fields, Yaml},
    transport::{
        AmqpDeclare, AmqpInConfig, AmqpOutConfig, BindingConfig, ExchangeConfig, Overflow, QueueConfig, QueueKind,
    },
};

/// `in.amqp`.
pub(super) fn source(reader: &Reader<'_>, amqp: Fields<'_>, system: &str) -> AmqpInConfig {
    let standard = AmqpInConfig::default();
    let mut queues = texts(&amqp, "queues");
    if queues.is_empty() {
        queues.extend(amqp.required_text("queue").map(ToOwned::to_owned));
    } else {
        queues.extend(amqp.text("queue").map(ToOwned::to_owned));
    }
    let single_active_consumer = amqp.boolean("single-active-consumer").unwrap_or_default();
    let mut declare = declare(&amqp);
    if let Some(queue) = &mut declare.queue {
        queue.single_active_consumer |= single_active_consumer;
    }
    let config = AmqpInConfig {
        url: reader.required_secret(&amqp, "url"),
        queues,
        prefetch: amqp.number("prefetch").and_then(|n| n.try_into().ok()).unwrap_or(standard.prefetch),
        system: system.to_owned(),
        document_type: amqp.text("type").unwrap_or_default().to_owned(),
        single_active_consumer: single_active_consumer
            || declare.queue.as_ref().is_some_and(|queue| queue.single_active_consumer),
        declare,
    };
    amqp.finish();
    config
}

/// `out.amqp`.
pub(super) fn sink(reader: &Reader<'_>, amqp: Fields<'_>) -> AmqpOutConfig {
    let standard = AmqpOutConfig::default();
    let mut headers = BTreeMap::new();
    for (name, value) in amqp.entries("headers") {
        let text = reader.secret(value.text().unwrap_or_default(), value, amqp.file());
        headers.insert(name.text.clone(), text.expose().to_owned());
    }
    let text = |key| amqp.text(key).map(ToOwned::to_owned);
    let config = AmqpOutConfig {
        url: reader.required_secret(&amqp, "url"),
        exchange: text("exchange").unwrap_or_default(),
        routing_key: amqp.required_text("routing-key").unwrap_or_default().to_owned(),
        declare: declare(&amqp),
        confirm_timeout_ms: millis(&amqp, "confirm-timeout").unwrap_or(standard.confirm_timeout_ms),
        max_in_flight: amqp.number("in-flight").and_then(|n| n.try_into().ok()).unwrap_or(standard.max_in_flight),
        app_id: text("app-id").unwrap_or(standard.app_id),
        content_encoding: text("content-encoding").unwrap_or_default(),
        priority: amqp.number("priority").map(|n| n.try_into().unwrap_or(u8::MAX)),
        headers,
        event_source: text("cloud-events").unwrap_or_default(),
    };
    amqp.finish();
    config
}

/// `declare: true`, or what is declared.
fn declare(amqp: &Fields<'_>) -> AmqpDeclare {
    let Some(value) = amqp.get("declare") else { return AmqpDeclare::default() };
    if value.entries().is_empty() {
        let is_on = amqp.boolean("declare").unwrap_or_default();
        return AmqpDeclare { queue: is_on.then(QueueConfig::default), ..AmqpDeclare::default() };
    }
    let Some(block) = amqp.block("declare") else { return AmqpDeclare::default() };
    let queue = block.block("queue").map(queue);
    let exchange = block.block("exchange").map(|exchange| {
        let kinds = ["direct", "topic", "fanout", "headers", "x-consistent-hash"].map(|kind| (kind, kind));
        let config = ExchangeConfig {
            name: exchange.required_text("name").unwrap_or_default().to_owned(),
            kind: exchange.word("type", &kinds).unwrap_or("direct").to_owned(),
            durable: exchange.boolean("durable").unwrap_or(true),
        };
        exchange.finish();
        config
    });
    let bindings = block.list("bindings").into_iter().map(|node| {
        let binding = Fields::new(node, block.file(), block.problems());
        let config = BindingConfig {
            exchange: binding.required_text("exchange").unwrap_or_default().to_owned(),
            queue: binding.text("queue").unwrap_or_default().to_owned(),
            key: binding.text("key").unwrap_or_default().to_owned(),
        };
        binding.finish();
        config
    });
    let bindings = bindings.collect();
    block.finish();
    AmqpDeclare { queue, exchange, bindings }
}

fn queue(block: Fields<'_>) -> QueueConfig {
    let overflows = [
        ("drop-head", Overflow::DropHead),
        ("reject-publish", Overflow::RejectPublish),
        ("reject-publish-dlx", Overflow::RejectPublishDlx),
    ];
    let small = |key| block.number(key).and_then(|n| n.try_into().ok());
    let text = |key| block.text(key).map(ToOwned::to_owned);
    let config = QueueConfig {
        kind: block
            .word("type", &[("quorum", QueueKind::Quorum), ("classic", QueueKind::Classic)])
            .unwrap_or(QueueKind::Quorum),
        durable: block.boolean("durable").unwrap_or(true),
        dead_letter_exchange: text("dead-letter-exchange"),
        dead_letter_routing_key: text("dead-letter-routing-key"),
        max_length: small("max-length"),
        max_length_bytes: block.size("max-size").and_then(|size| size.try_into().ok()),
        overflow: block.word("overflow", &overflows),
        delivery_limit: small("delivery-limit"),
        single_active_consumer: block.boolean("single-active-consumer").unwrap_or_default(),
        max_priority: block.number("max-priority").map(|n| n.try_into().unwrap_or(u8::MAX)),
    };
    block.finish();
    config
}

fn texts(fields: &Fields<'_>, key: &'static str) -> Vec<String> {
    fields.list(key).into_iter().filter_map(Yaml::text).map(ToOwned::to_owned).collect()
}
