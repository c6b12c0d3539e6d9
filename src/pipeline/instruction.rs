//! What operators ask for and what they are told, in words that go through a socket.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    base::{Problem, Timestamp},
    store::{Act, DeliveryState, MessageFilter, Reason},
};

/// Groups of reasons told apart; what comes after them is counted together.
const MOST_GROUPS: usize = 50;

/// Failures told one by one; more are only counted.
const MOST_FAILURES: usize = 100;

/// Something to be done, by name and reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instruction {
    /// What.
    pub verb: Verb,
    /// Who decides.
    pub by: String,
    /// Why.
    pub why: String,
    /// Messages (`msg_…`) and deliveries (`dlv_…`) by id; a message stands for its deliveries.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Everything that matches; looked at only without ids.
    #[serde(default)]
    pub query: Query,
}

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verb {
    /// Held things try again.
    Release {
        /// Which of them, by a trial with the content in force.
        only: Only,
    },
    /// Held things are given up.
    Skip,
    /// Deliveries are made again.
    Replay {
        /// Due so many a second; 0 for all at once.
        per_second: f64,
        /// With which mapping.
        mapping: ReplayMapping,
        /// In their own lanes, not beside them.
        in_lane: bool,
    },
    /// One message is sent again with other content.
    Resend {
        /// The content.
        #[serde(with = "hexadecimal")]
        content: Bytes,
        /// Its media type; `None` for the old one's.
        content_type: Option<String>,
        /// The old message stays as it is.
        keep_old: bool,
        /// Accepted even when it would be held again.
        unchecked: bool,
    },
}

impl Verb {
    /// The word in the journal of acts.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Release { .. } => "release",
            Self::Skip => "skip",
            Self::Replay { .. } => "replay",
            Self::Resend { .. } => "resend",
        }
    }
}

/// Which held things are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// All, untried.
    All,
    /// Those that pass.
    Passing,
    /// Those that would not be held again for the very reason they are held for.
    Changed,
}

/// Which bytes a replay sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayMapping {
    /// The very bytes kept with the original.
    Original,
    /// Bytes mapped anew with the content in force.
    Current,
}

/// Which messages and deliveries; everything given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Held for this cause.
    pub cause: Option<String>,
    /// From this system.
    pub system: Option<String>,
    /// Of this document type.
    #[serde(rename = "type")]
    pub document_type: Option<String>,
    /// With this business key.
    pub key: Option<String>,
    /// With this text in ids, keys, attributes or reasons.
    pub text: Option<String>,
    /// By this route.
    pub route: Option<String>,
    /// To this system.
    pub destination: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Received at or after; microseconds since 1970.
    pub since: Option<i64>,
    /// Received before.
    pub until: Option<i64>,
}

impl Query {
    /// Whether it asks nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same for the store.
    ///
    /// # Errors
    /// The state when there is none of that name.
    pub fn filter(&self) -> Result<MessageFilter, &str> {
        let state = match self.state.as_deref() {
            None => None,
            Some(word) => Some(DeliveryState::parse(word).ok_or(word)?),
        };
        Ok(MessageFilter {
            delivery_state: state,
            system: self.system.clone(),
            document_type: self.document_type.clone(),
            business_key: self.key.clone(),
            text: self.text.clone(),
            since: self.since.map(Timestamp),
            until: self.until.map(Timestamp),
            held: self.cause.clone(),
            route: self.route.clone(),
            destination: self.destination.clone(),
            ..MessageFilter::default()
        })
    }
}

/// `cause=code system=crm since=2026-11-01T00:00:00Z`; `everything` when it asks nothing.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |at: Option<i64>| at.map(|at| Timestamp(at).to_string());
        let parts = [
            ("cause", self.cause.clone()),
            ("state", self.state.clone()),
            ("system", self.system.clone()),
            ("type", self.document_type.clone()),
            ("key", self.key.clone()),
            ("text", self.text.clone()),
            ("route", self.route.clone()),
            ("destination", self.destination.clone()),
            ("since", moment(self.since)),
            ("until", moment(self.until)),
        ];
        let given: Vec<String> =
            parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        if given.is_empty() { f.write_str("everything") } else { f.write_str(&given.join(" ")) }
    }
}

impl Instruction {
    /// Whether it takes content to carry it out.
    #[must_use]
    pub const fn needs_content(&self) -> bool {
        matches!(
            self.verb,
            Verb::Release { only: Only::Passing | Only::Changed } | Verb::Resend { unchecked: false, .. }
        )
    }
}

/// What came of an instruction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The act's id in the journal of acts.
    pub act: String,
    /// What was done.
    pub verb: String,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
    /// What was asked for.
    pub query: String,
    /// Deliveries changed or made.
    pub deliveries: u64,
    /// Messages changed or made.
    pub messages: u64,
    /// The ids it was done to, when ids were given; the new message of a resend.
    pub done: Vec<String>,
    /// Chosen, and left alone.
    pub left: u64,
    /// What could not be done, one by one as far as there is room.
    pub failed: Vec<Failure>,
    /// Why things were left alone.
    pub reasons: Vec<Group>,
}

impl Report {
    /// A report of nothing yet.
    #[must_use]
    pub fn of(act: &Act) -> Self {
        Self {
            act: act.id.clone(),
            verb: act.verb.clone(),
            by: act.by.clone(),
            why: act.why.clone(),
            query: act.query.clone(),
            ..Self::default()
        }
    }

    /// Notes what could not be done.
    pub fn fail(&mut self, id: &str, problem: &Problem) {
        self.left += 1;
        if self.failed.len() < MOST_FAILURES {
            self.failed.push(Failure {
                id: id.to_owned(),
                code: problem.code.id.to_owned(),
                text: problem.text.clone(),
            });
        }
    }
}

/// Something that could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Of this message or delivery.
    pub id: String,
    /// The error code.
    pub code: String,
    /// One sentence for people.
    pub text: String,
}

/// What a trial of held things came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// Tried.
    pub chosen: u64,
    /// Would pass, mapped anew.
    pub pass: u64,
    /// Would be sent as they are: their bytes are made and kept.
    pub kept: u64,
    /// Would wait for another document.
    pub wait: u64,
    /// Would be held again.
    pub fail: u64,
    /// Why those that do not pass do not, most frequent first.
    pub reasons: Vec<Group>,
}

/// Things held for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The cause.
    pub cause: String,
    /// The error code.
    pub code: String,
    /// One sentence for people.
    pub text: String,
    /// How many.
    pub count: u64,
    /// One of them.
    pub example: String,
}

/// Counts one more thing held for a reason.
pub fn count_reason(groups: &mut Vec<Group>, reason: &Reason, id: &str) {
    let full = groups.len() >= MOST_GROUPS;
    let same =
        |group: &&mut Group| (&group.cause, &group.code, &group.text) == (&reason.cause, &reason.code, &reason.text);
    if let Some(known) = groups.iter_mut().find(same) {
        known.count += 1;
        return;
    }
    if full && let Some(last) = groups.iter_mut().find(|group| group.cause.is_empty()) {
        last.count += 1;
        return;
    }
    let (cause, code, text) = if full {
        (String::new(), String::new(), "other reasons".to_owned())
    } else {
        (reason.cause.clone(), reason.code.clone(), reason.text.clone())
    };
    groups.push(Group { cause, code, text, count: 1, example: id.to_owned() });
}

/// Bytes as hexadecimal digits.
mod hexadecimal {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            text.push(DIGITS[usize::from(byte >> 4)].into());
            text.push(DIGITS[usize::from(byte & 15)].into());
        }
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.map(Bytes::from).ok_or_else(|| D::Error::custom("not pairs of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_survives_the_way_through_a_socket() {
        let content = Bytes::from_static(b"\x00\xff<a/>");
        let verb = Verb::Resend { content: content.clone(), content_type: None, keep_old: false, unchecked: true };
        let query = Query { cause: Some("code".into()), since: Some(0), ..Query::default() };
        let sent = Instruction { verb, by: "li.wei".into(), why: "测试".into(), ids: vec!["msg_1".into()], query };
        let text = serde_json::to_string(&sent).expect("JSON");
        let read: Instruction = serde_json::from_str(&text).expect("an instruction");
        let Verb::Resend { content: read_content, .. } = &read.verb else { panic!("{read:?}") };
        assert_eq!((read_content, &read.query, &read.why), (&content, &sent.query, &sent.why));
        assert_eq!(sent.query.to_string(), "cause=code since=1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn reasons_beyond_the_room_are_counted_together() {
        let mut groups = Vec::new();
        for n in 0..200 {
            let reason = Reason { cause: "code".into(), text: format!("reason {n}"), ..Reason::default() };
            count_reason(&mut groups, &reason, "dlv_1");
        }
        assert_eq!((groups.len(), groups.last().map(|group| group.count)), (MOST_GROUPS + 1, Some(150)));
    }
}
