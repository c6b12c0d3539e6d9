//! Takes arrivals: identity, key, durability; only then the sender is told so.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use metrics::{counter, histogram};
use serde_json::json;

use super::{Closed, Content, Decoded, Direction, Hub, Pressure, Received, code, judge, open, resolve_type};
use crate::{
    base::{IdKind, Problem, Secret, Sha256},
    catalog::System,
    store::{AcceptOutcome, NewMessage, Reason, StoreError, Transport},
    telemetry::metric,
    transport::{AMQP, Access, Arrival, FILE, Intake, NOT_ACCEPTING, Readiness, Refusal, Signature, Verdict},
};

/// How long a sender should wait when nothing can be accepted.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

/// A document above this size is read on a thread that may block.
const INLINE_BYTES: usize = 64 << 10;

/// The intake that keeps every message in the journal.
pub struct JournalIntake {
    hub: Hub,
    closed: AtomicBool,
    pressure: Pressure,
}

impl JournalIntake {
    /// An intake that is open.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self::under(hub, Pressure::none())
    }

    /// An intake that closes under pressure.
    #[must_use]
    pub fn under(hub: Hub, pressure: Pressure) -> Self {
        Self { hub, closed: AtomicBool::new(false), pressure }
    }

    /// Stops accepting; senders are told to come again.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// What reading the document before accepting it says: its own key, or why it cannot be read.
    fn look(&self, system: &System, document_type: &str, arrival: &Arrival) -> Result<Option<String>, Problem> {
        let catalog = self.hub.catalog();
        if arrival.problem.is_some() {
            return Ok(None);
        }
        let wants_key = arrival.key.is_none() && catalog.has_document_keys(&system.profile);
        if !wants_key && !system.check_before_accept {
            return Ok(None);
        }
        let read = || {
            let content_type = arrival.content_type.as_deref();
            let received = Received { document_type, content_type, bytes: &arrival.bytes, is_part: false };
            match open(&catalog, system, received, &self.hub.limits)? {
                Content::One(decoded) => {
                    let Decoded { document_type, document, syntax, .. } = &*decoded;
                    if system.check_before_accept
                        && let Some((_, problem)) =
                            judge(&catalog, system, Direction::In, document_type, document, *syntax, &self.hub.limits)
                                .stop
                    {
                        return Err(problem);
                    }
                    Ok(decoded.dedup_key.map(|key| document_key(&decoded.document_type, &key)))
                }
                // Its documents have keys of their own.
                Content::Several { parts, .. } => parts.into_iter().find_map(|part| part.problem).map_or(Ok(None), Err),
            }
        };
        let read = || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| {
                Err(Problem::new(code::POISON, "reading this message failed in a way the program did not foresee"))
            })
        };
        // A schema judges on a thread of its own, which may be busy.
        let may_take_long = arrival.bytes.len() > INLINE_BYTES || system.check_before_accept;
        if may_take_long { tokio::task::block_in_place(read) } else { read() }
    }

    /// Keeps what cannot be processed where it is seen: a broker's or a folder's sender reads no answer. The message's id.
    pub(super) async fn park(&self, arrival: Arrival, problem: &Problem, cause: &str) -> Result<String, StoreError> {
        let mut message = self.message(arrival, None);
        message.parked = Some(Reason::of(cause, problem));
        self.hub.store.accept(message).await.map(|accepted| accepted.id)
    }

    fn message(&self, arrival: Arrival, dedup_key: Option<String>) -> NewMessage {
        NewMessage {
            id: self.hub.ids.next(IdKind::Message),
            system: arrival.system,
            document_type: arrival.document_type,
            site: None,
            dedup_key,
            bytes: arrival.bytes,
            content_type: arrival.content_type.unwrap_or_default(),
            transport: match arrival.transport {
                AMQP => Transport::Amqp,
                FILE => Transport::File,
                _ => Transport::Http,
            },
            received_at: self.hub.clock.now(),
            attributes: arrival.attributes,
            parked: arrival.problem.map(|problem| Reason::of("unreadable", &problem)),
        }
    }

    async fn refuse(&self, arrival: Arrival, status: u16, problem: Problem, existing: Option<String>) -> Verdict {
        counter!(metric::REFUSED, "system" => arrival.system.clone(), "code" => problem.code.id).increment(1);
        tracing::warn!(system = arrival.system, transport = arrival.transport, code = problem.code.id, "refused");
        if matches!(arrival.transport, AMQP | FILE) && self.park(arrival, &problem, "refused").await.is_err() {
            return Verdict::Unavailable { retry_after: RETRY_AFTER };
        }
        Verdict::Refused(Refusal { status, problem, retry_after: None, existing })
    }
}

/// The key of a message whose document says one.
pub(super) fn document_key(document_type: &str, key: &str) -> String {
    format!("document:{document_type}:{key}")
}

/// The key is known with other content.
pub(super) fn key_conflict() -> Problem {
    Problem::new(code::KEY_CONFLICT, "this key was used before with other content; nothing was stored over it")
}

#[async_trait]
impl Intake for JournalIntake {
    async fn accept(&self, mut arrival: Arrival) -> Verdict {
        if let Readiness::Closed { retry_after, .. } = self.readiness() {
            return Verdict::Unavailable { retry_after };
        }
        let began = self.hub.clock.monotonic();
        let catalog = self.hub.catalog();
        let Some(system) = catalog.system(&arrival.system).cloned() else {
            let text = format!("there is no system `{}`", arrival.system);
            let problem = Problem::new(crate::catalog::UNKNOWN_SYSTEM, text);
            return self.refuse(arrival, 404, problem, None).await;
        };
        if !arrival.document_type.is_empty() {
            match resolve_type(&catalog, &system, &arrival.document_type) {
                Ok(resolved) => arrival.document_type = resolved,
                Err(problem) => return self.refuse(arrival, 404, problem, None).await,
            }
        }
        let own_key = match self.look(&system, &arrival.document_type, &arrival) {
            Ok(own_key) => own_key,
            Err(problem) if system.check_before_accept => return self.refuse(arrival, 422, problem, None).await,
            // Unreadable: accepted all the same, and parked with its reason by the next step.
            Err(_) => None,
        };
        let dedup_key = arrival.key.clone().or(own_key);
        let (system_id, transport) = (arrival.system.clone(), arrival.transport);
        match self.hub.store.accept(self.message(arrival.clone(), dedup_key)).await {
            Ok(accepted) if accepted.outcome == AcceptOutcome::Conflict => {
                let problem = key_conflict()
                    .hint(format!("the first message is {}; send changed content under a new key", accepted.id));
                self.refuse(arrival, 422, problem, Some(accepted.id)).await
            }
            Ok(accepted) => {
                let duplicate = accepted.outcome == AcceptOutcome::Duplicate;
                let seconds = self.hub.clock.monotonic().saturating_sub(began).as_secs_f64();
                histogram!(metric::ACCEPT_SECONDS).record(seconds);
                if duplicate {
                    counter!(metric::DUPLICATES, "system" => system_id).increment(1);
                } else {
                    counter!(metric::ACCEPTED, "system" => system_id, "transport" => transport).increment(1);
                }
                if let Some(problem) = arrival.problem.filter(|_| !duplicate) {
                    counter!(metric::PARKED, "code" => problem.code.id).increment(1);
                    tracing::warn!(message_id = accepted.id, code = problem.code.id, "parked: {}", problem.text);
                }
                tracing::debug!(message_id = accepted.id, duplicate, "accepted");
                Verdict::Accepted { message_id: accepted.id, duplicate }
            }
            Err(error) => {
                tracing::error!(code = error.problem().code.id, "cannot accept: {}", error.problem().text);
                Verdict::Unavailable { retry_after: RETRY_AFTER }
            }
        }
    }

    fn authorize(&self, system: &str, key: Option<&Secret>) -> Access {
        let catalog = self.hub.catalog();
        let Some(access) = catalog.system(system).and_then(|system| system.sources.http.as_ref()) else {
            return Access::UnknownSystem;
        };
        let Some(key) = key else { return Access::Denied };
        let given = Sha256::of(key.expose().as_bytes());
        let known = access.keys.iter().fold(false, |known, digest| known | digest.matches(&given));
        if known { Access::Granted } else { Access::Denied }
    }

    fn admits_certificate(&self, system: &str, names: &[String]) -> bool {
        let catalog = self.hub.catalog();
        let access = catalog.system(system).and_then(|system| system.sources.http.as_ref());
        access.is_some_and(|access| access.certificates.iter().any(|known| names.contains(known)))
    }

    fn signature(&self, system: &str) -> Option<Arc<Signature>> {
        self.hub.catalog().system(system)?.sources.http.as_ref()?.signature.clone()
    }

    fn readiness(&self) -> Readiness {
        if self.closed.load(Ordering::SeqCst) {
            let why = "the hub is stopping".to_owned();
            return Readiness::Closed { retry_after: RETRY_AFTER, code: NOT_ACCEPTING, why };
        }
        if let Some(problem) = self.hub.store.failed().borrow().as_ref() {
            return Readiness::Closed { retry_after: RETRY_AFTER, code: NOT_ACCEPTING, why: problem.text.clone() };
        }
        match self.pressure.closed() {
            Some(Closed { retry_after, problem }) => {
                Readiness::Closed { retry_after, code: problem.code, why: problem.text }
            }
            None => Readiness::Open,
        }
    }

    async fn status(&self, system: &str, message_id: &str) -> Option<serde_json::Value> {
        let view = self.hub.store.message(message_id).await.ok()??;
        (view.message.system == system && view.message.id == message_id).then(|| {
            let deliveries: Vec<_> = view
                .deliveries
                .iter()
                .map(|delivery| {
                    json!({"id": delivery.id, "destination": delivery.destination, "state": delivery.state.as_str(),
                           "attempts": delivery.attempt_count, "reason": delivery.reason})
                })
                .collect();
            let parts: Vec<_> = view
                .parts
                .iter()
                .map(|part| {
                    json!({"position": part.position, "message_id": part.message.id, "duplicate": part.is_duplicate,
                           "standing": part.standing.as_str(), "reason": part.message.reason})
                })
                .collect();
            json!({
                "message_id": view.message.id,
                "type": view.message.document_type,
                "received_at": view.message.received_at.to_string(),
                "business_key": view.message.business_key,
                "standing": view.standing.as_str(),
                "reason": view.message.reason,
                "deliveries": deliveries,
                "parts": parts,
                "parent": view.message.parent,
            })
        })
    }
}
