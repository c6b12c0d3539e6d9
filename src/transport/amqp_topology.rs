//! Queues, exchanges and bindings: looked for when a connection is made, or declared where the settings say so.

use lapin::{
    Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    AmqpDeclare, ExchangeConfig, Overflow, QueueConfig, QueueKind,
    amqp_link::{Fault, answered, channel},
};

/// Makes sure that queues and an exchange are there, as declared.
///
/// Each is looked for on a channel of its own, since the broker closes a channel at a failed look.
pub(super) async fn ensure(
    connection: &Connection,
    queues: &[&str],
    exchange: &str,
    declare: &AmqpDeclare,
) -> Result<(), Fault> {
    match &declare.exchange {
        Some(config) => declare_exchange(connection, config).await?,
        None if exchange.is_empty() => (),
        None => {
            let look = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            let channel = channel(connection).await?;
            let table = FieldTable::default();
            let found = channel.exchange_declare(exchange.into(), ExchangeKind::Direct, look, table).await;
            answered(found, &format!("exchange `{exchange}`"))?;
        }
    }
    for queue in queues {
        let what = format!("queue `{queue}`");
        let (options, arguments) = match &declare.queue {
            Some(config) => declaration(config),
            None => (QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() }, FieldTable::default()),
        };
        let declared = channel(connection).await?.queue_declare((*queue).into(), options, arguments).await;
        answered(declared, &what)?;
    }
    for binding in &declare.bindings {
        let named = [binding.queue.as_str()];
        let bound: Vec<&str> = match queues {
            [] => named.into_iter().filter(|queue| !queue.is_empty()).collect(),
            _ => queues.iter().copied().filter(|queue| binding.queue.is_empty() || binding.queue == *queue).collect(),
        };
        for queue in bound {
            let (key, table) = (binding.key.as_str().into(), FieldTable::default());
            let channel = channel(connection).await?;
            let exchange = binding.exchange.as_str().into();
            let bound = channel.queue_bind(queue.into(), exchange, key, QueueBindOptions::default(), table).await;
            answered(bound, &format!("binding queue `{queue}` to exchange `{}`", binding.exchange))?;
        }
    }
    Ok(())
}

async fn declare_exchange(connection: &Connection, config: &ExchangeConfig) -> Result<(), Fault> {
    let kind = match config.kind.as_str() {
        "direct" => ExchangeKind::Direct,
        "topic" => ExchangeKind::Topic,
        "fanout" => ExchangeKind::Fanout,
        "headers" => ExchangeKind::Headers,
        other => ExchangeKind::Custom(other.to_owned()),
    };
    let options = ExchangeDeclareOptions { durable: config.durable, ..ExchangeDeclareOptions::default() };
    let channel = channel(connection).await?;
    let declared = channel.exchange_declare(config.name.as_str().into(), kind, options, FieldTable::default()).await;
    answered(declared, &format!("exchange `{}` of type {}", config.name, config.kind))
}

fn declaration(config: &QueueConfig) -> (QueueDeclareOptions, FieldTable) {
    let mut arguments = FieldTable::default();
    let mut put = |name: &str, value: AMQPValue| {
        arguments.insert(name.into(), value);
    };
    let text = |text: &str| AMQPValue::LongString(text.into());
    let number = |number: u64| AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX));
    let kind = match config.kind {
        QueueKind::Quorum => "quorum",
        QueueKind::Classic => "classic",
    };
    put("x-queue-type", text(kind));
    if let Some(exchange) = &config.dead_letter_exchange {
        put("x-dead-letter-exchange", text(exchange));
    }
    if let Some(key) = &config.dead_letter_routing_key {
        put("x-dead-letter-routing-key", text(key));
    }
    if let Some(length) = config.max_length {
        put("x-max-length", number(length.into()));
    }
    if let Some(bytes) = config.max_length_bytes {
        put("x-max-length-bytes", number(bytes));
    }
    if let Some(overflow) = config.overflow {
        let word = match overflow {
            Overflow::DropHead => "drop-head",
            Overflow::RejectPublish => "reject-publish",
            Overflow::RejectPublishDlx => "reject-publish-dlx",
        };
        put("x-overflow", text(word));
    }
    if let Some(limit) = config.delivery_limit {
        put("x-delivery-limit", number(limit.into()));
    }
    if config.single_active_consumer {
        put("x-single-active-consumer", AMQPValue::Boolean(true));
    }
    if let Some(priority) = config.max_priority {
        put("x-max-priority", number(priority.into()));
    }
    let options = QueueDeclareOptions { durable: config.durable, ..QueueDeclareOptions::default() };
    (options, arguments)
}

/// Says so when a queue may lose messages with a node, or when those that are handed out too often disappear.
pub(super) async fn warn_of_weak_queue(connection: &Connection, queue: &str, declare: &AmqpDeclare) {
    let (is_classic, has_dead_letters) = match &declare.queue {
        Some(config) => (config.kind == QueueKind::Classic, config.dead_letter_exchange.is_some()),
        None => match look_into(connection, queue, &QueueConfig::default()).await {
            Look::Same => (false, false),
            Look::Differs(text) => (text.contains("x-queue-type") || text.contains("'durable'"), true),
            Look::Unknown => return,
        },
    };
    if is_classic {
        tracing::warn!(queue, "a classic queue keeps its messages on one node only; a quorum queue keeps copies");
    } else if !has_dead_letters {
        let text = "the queue names no dead-letter exchange: a message handed out too often may be dropped, unless a \
                    policy of the broker says otherwise";
        tracing::warn!(queue, "{text}");
    }
}

/// Whether a queue lets one consumer at a time have its messages.
pub(super) async fn check_single_active_consumer(connection: &Connection, queue: &str) -> Result<(), Fault> {
    let expected = QueueConfig { single_active_consumer: true, ..QueueConfig::default() };
    match look_into(connection, queue, &expected).await {
        Look::Differs(text) if text.contains("x-single-active-consumer") => Err(Fault::Target(format!(
            "`single-active-consumer: true` needs queue `{queue}` to be declared so, and it is not: {text}"
        ))),
        _ => Ok(()),
    }
}

/// How a queue compares with what is expected.
enum Look {
    Same,
    /// The broker's words about the first argument that differs.
    Differs(String),
    /// We may not ask.
    Unknown,
}

/// A queue's arguments can only be asked for by declaring it with some: the broker changes nothing about one that is
/// there, and says which argument differs. Call it only for a queue that was found.
async fn look_into(connection: &Connection, queue: &str, expected: &QueueConfig) -> Look {
    let (options, arguments) = declaration(expected);
    let Ok(channel) = channel(connection).await else { return Look::Unknown };
    match channel.queue_declare(queue.into(), options, arguments).await {
        Ok(_) => Look::Same,
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(error) if error.get_message().as_str().contains("inequivalent arg") => {
                Look::Differs(error.get_message().to_string())
            }
            _ => Look::Unknown,
        },
    }
}
