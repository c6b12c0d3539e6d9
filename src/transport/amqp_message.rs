//! What an AMQP message says about itself: properties and headers, to and from arrivals and payloads.
//!
//! CloudEvents in binary mode are read with the prefixes `cloudEvents:` and `cloudEvents_` (AMQP binding 1.0.2 §3.1.3)
//! and `ce-` (of HTTP, but met in queues), and written with the first.

use std::{collections::BTreeMap, sync::Arc};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{AmqpOutConfig, Outgoing, amqp_line::Publication, amqp_out::SHORT, code, file_name::fill, http_problem};
use crate::base::{Clock, Problem, Timestamp};

/// Context attributes of CloudEvents that become attributes, each as `ce-` and its name.
const EVENT_ATTRIBUTES: [&str; 5] = ["id", "source", "type", "subject", "time"];
/// How senders begin the names of a CloudEvents attribute's header.
const EVENT_PREFIXES: [&str; 3] = ["cloudEvents:", "cloudEvents_", "ce-"];
/// Headers that become attributes; the others are ignored.
const HEADERS: usize = 32;
/// The longest name and value of a header that becomes an attribute, in bytes; a longer value is cut off.
const HEADER_BYTES: (usize, usize) = (64, 256);
/// What stands in templates.
const PLACEHOLDERS: [&str; 4] = ["{business_key}", "{delivery_id}", "{document_type}", "{message_id}"];

/// What is known about an AMQP message besides its bytes.
pub(super) struct Known {
    /// CloudEvents source and id, or `message_id`.
    pub key: Option<String>,
    /// The type the sender named: the property `type`.
    pub kind: Option<String>,
    /// Its media type.
    pub content_type: Option<String>,
    /// A content encoding that would have to be undone first.
    pub encoding: Option<String>,
    /// Everything else.
    pub attributes: BTreeMap<String, String>,
}

/// Reads a message's properties and headers.
pub(super) fn read(properties: &BasicProperties, is_again: bool) -> Known {
    let text = |value: &Option<ShortString>| {
        value.as_ref().map(|text| cut(text.as_str())).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut attributes = BTreeMap::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            attributes.insert(name.to_owned(), value);
        }
    };
    put("redelivered", is_again.then(|| "true".to_owned()));
    put("amqp_message_id", text(properties.message_id()));
    put("correlation_id", text(properties.correlation_id()));
    put("reply_to", text(properties.reply_to()));
    put("app_id", text(properties.app_id()));
    put("content_encoding", text(properties.content_encoding()));
    put("priority", properties.priority().map(|priority| priority.to_string()));
    put("timestamp", properties.timestamp().and_then(moment));
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let mut kept = 0;
    for (name, value) in headers.into_iter().flatten() {
        let Some(value) = header_text(value) else { continue };
        let name = name.as_str();
        if name == "traceparent" {
            put(name, Some(value).filter(|parent| http_problem::is_traceparent(parent)));
        } else if let Some(attribute) = EVENT_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
            if EVENT_ATTRIBUTES.contains(&attribute) {
                put(&format!("ce-{attribute}"), Some(value));
            }
        } else if kept < HEADERS && name.len() <= HEADER_BYTES.0 && !name.chars().any(char::is_control) {
            kept += 1;
            put(&format!("header.{name}"), Some(cut(&value).to_owned()));
        }
    }
    let event = attributes.get("ce-source").zip(attributes.get("ce-id")).map(|(source, id)| format!("{source} {id}"));
    let encoding = text(properties.content_encoding())
        .filter(|encoding| ["gzip", "deflate", "br", "zstd", "compress"].contains(&encoding.to_lowercase().as_str()));
    Known {
        key: event.or_else(|| attributes.get("amqp_message_id").cloned()),
        kind: text(properties.kind()),
        content_type: text(properties.content_type()),
        encoding,
        attributes,
    }
}

/// A header's value as text; `None` for tables, arrays and bytes.
fn header_text(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok()?.to_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::ShortShortInt(value) => value.to_string(),
        AMQPValue::ShortShortUInt(value) => value.to_string(),
        AMQPValue::ShortInt(value) => value.to_string(),
        AMQPValue::ShortUInt(value) => value.to_string(),
        AMQPValue::LongInt(value) => value.to_string(),
        AMQPValue::LongUInt(value) => value.to_string(),
        AMQPValue::LongLongInt(value) => value.to_string(),
        AMQPValue::Timestamp(seconds) => moment(*seconds)?,
        _ => return None,
    })
}

fn moment(seconds: u64) -> Option<String> {
    Some(Timestamp(i64::try_from(seconds).ok()?.checked_mul(1_000_000)?).to_string())
}

/// At most as long as an attribute may be.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(HEADER_BYTES.1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// How payloads are dressed for one destination.
pub(super) struct Shape {
    config: AmqpOutConfig,
    clock: Arc<dyn Clock>,
}

impl Shape {
    /// # Errors
    /// A template has an unknown `{…}`, a name is too long, or the priority is above 255.
    pub(super) fn new(config: &AmqpOutConfig, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let templates = config.headers.iter().map(|(name, text)| (name.as_str(), text));
        for (name, text) in [("routing-key", &config.routing_key)].into_iter().chain(templates) {
            let left = PLACEHOLDERS.iter().fold(text.clone(), |text, part| text.replace(part, ""));
            if left.contains(['{', '}']) || name.len() > SHORT || text.len() > SHORT {
                let text = format!(
                    "`{name}: {text}` is not usable; it may hold {} and plain text, {SHORT} bytes in all",
                    PLACEHOLDERS.join(", ")
                );
                return Err(Problem::new(code::BAD_SETTINGS, text));
            }
        }
        for (name, text) in [
            ("app-id", &config.app_id),
            ("content-encoding", &config.content_encoding),
            ("cloud-events", &config.event_source),
        ] {
            if text.len() > SHORT {
                let text = format!("`{name}` is longer than the {SHORT} bytes AMQP has for it");
                return Err(Problem::new(code::BAD_SETTINGS, text));
            }
        }
        Ok(Self { config: config.clone(), clock })
    }

    /// Whether each message has a routing key of its own.
    pub(super) fn has_routes(&self) -> bool {
        self.config.routing_key.contains('{')
    }

    /// The message for a payload, with more headers.
    ///
    /// # Errors
    /// An id or name is longer than AMQP has room for; with the reason.
    pub(super) fn publication(&self, outgoing: &Outgoing, more: &[(&str, &str)]) -> Result<Publication, String> {
        let values = [
            ("business_key", outgoing.business_key.as_deref().unwrap_or_default()),
            ("delivery_id", &outgoing.delivery_id),
            ("document_type", &outgoing.document_type),
            ("message_id", &outgoing.message_id),
        ];
        let routing_key = fill(&self.config.routing_key, &values);
        let short = |name: &str, text: &str| {
            if text.len() > SHORT {
                return Err(format!("`{name}` is longer than the {SHORT} bytes AMQP has for it"));
            }
            Ok(ShortString::from(text))
        };
        let seconds = u64::try_from(self.clock.now().micros() / 1_000_000).unwrap_or_default();
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
        for (name, text) in &self.config.headers {
            put(name, &fill(text, &values));
        }
        for (name, text) in more {
            put(name, text);
        }
        if !self.config.event_source.is_empty() {
            let time = Timestamp(i64::try_from(seconds).unwrap_or_default().saturating_mul(1_000_000)).to_string();
            for (name, text) in [
                ("specversion", "1.0"),
                ("id", &outgoing.delivery_id),
                ("source", &self.config.event_source),
                ("type", &outgoing.document_type),
                ("time", &time),
            ] {
                put(&format!("cloudEvents:{name}"), text);
            }
            if let Some(key) = &outgoing.business_key {
                put("cloudEvents:subject", key);
            }
        }
        let mut properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_timestamp(seconds)
            .with_message_id(short("delivery id", &outgoing.delivery_id)?)
            .with_correlation_id(short("message id", &outgoing.message_id)?)
            .with_content_type(short("content type", &outgoing.content_type)?)
            .with_type(short("document type", &outgoing.document_type)?)
            .with_app_id(ShortString::from(self.config.app_id.as_str()))
            .with_headers(headers);
        if !self.config.content_encoding.is_empty() {
            properties = properties.with_content_encoding(ShortString::from(self.config.content_encoding.as_str()));
        }
        if let Some(priority) = self.config.priority {
            properties = properties.with_priority(priority);
        }
        short("routing key", &routing_key)?;
        Ok(Publication {
            id: outgoing.delivery_id.clone(),
            exchange: self.config.exchange.clone(),
            routing_key,
            bytes: outgoing.bytes.clone(),
            properties,
        })
    }
}
