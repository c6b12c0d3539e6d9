//! Ids: UUIDv7 (RFC 9562 §5.7) behind a prefix that says what they name.

use std::sync::Arc;

use super::{Clock, Random};

/// What an id names; its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// `msg_`: an accepted message.
    Message,
    /// `dlv_`: one message to one destination, the same for its whole life.
    Delivery,
    /// `att_`: one try of a delivery.
    Attempt,
    /// `act_`: one decision of an operator.
    Act,
    /// `trc_`: one HTTP request, to find its log lines.
    Trace,
}

impl IdKind {
    /// The prefix, underscore included.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Message => "msg_",
            Self::Delivery => "dlv_",
            Self::Attempt => "att_",
            Self::Act => "act_",
            Self::Trace => "trc_",
        }
    }
}

/// Makes ids from a clock and a source of chance.
#[derive(Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Ids {
    /// An id source over the given clock and chance.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random }
    }

    /// The next id: prefix + 32 hexadecimal digits, growing with time.
    #[must_use]
    pub fn next(&self, kind: IdKind) -> String {
        let millis = u64::try_from(self.clock.now().micros() / 1000).unwrap_or_default();
        let mut random = [0_u8; 10];
        random[..8].copy_from_slice(&self.random.next_u64().to_be_bytes());
        random[8..].copy_from_slice(&self.random.next_u64().to_be_bytes()[..2]);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        format!("{}{}", kind.prefix(), uuid.simple())
    }
}

/// A UUIDv5 (RFC 9562 §5.5) of a name, in a namespace of our own: the same name gives the same UUID on every replay.
#[must_use]
pub fn name_based_uuid(name: &str) -> String {
    let namespace = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, b"urn:crossdock:uuid");
    uuid::Uuid::new_v5(&namespace, name.as_bytes()).hyphenated().to_string()
}
