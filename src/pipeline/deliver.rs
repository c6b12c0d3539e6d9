//! Delivers: maps at the head of the lane, keeps the bytes, sends them, understands the answer, decides what follows.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{counter, histogram};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Dispatch, Facts, Hub, Mapped, RetrySchedule, RunHost, Stop, StoredXrefs, code};
use crate::{
    base::{IdKind, Problem},
    catalog::{Catalog, System},
    format::{ReadOptions, Syntax, charset_of_media_type, read},
    profile::{Meaning, Outcome as ReplyOutcome},
    store::{
        AttemptOutcome, Hold, Leased, MappingFile, MappingVersion, NewAttempt, NewXref, Next, Output, Reason,
        StoreError,
    },
    telemetry::metric,
    transport::{
        Answer, Outgoing,
        outcome::{Outcome, of_answer},
    },
};

/// With nothing due, the longest wait before looking again.
const IDLE: Duration = Duration::from_secs(30);

/// How long the store is left alone after it could not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The deliveries to one destination.
pub struct Delivering {
    hub: Hub,
    destination: String,
    schedule: RetrySchedule,
    concurrency: usize,
    /// The mapping versions whose texts this process has put into the store.
    kept: Mutex<HashSet<String>>,
}

impl Delivering {
    /// The step for one destination, to be run once.
    #[must_use]
    pub fn new(hub: Hub, destination: String, schedule: RetrySchedule, concurrency: usize) -> Self {
        Self { hub, destination, schedule, concurrency: concurrency.max(1), kept: Mutex::default() }
    }

    /// Works until `shutdown`, then finishes what is under way.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut changed = self.hub.store.changed();
        let mut under_way = JoinSet::new();
        loop {
            changed.mark_unchanged();
            let now = self.hub.clock.now();
            let free = self.concurrency - under_way.len();
            let (leased, next_due) = match self.lease(now, free).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(code = error.problem().code.id, "delivering pauses: {}", error.problem().text);
                    (Vec::new(), Some(now.plus(PAUSE)))
                }
            };
            for delivery in leased {
                let this = self.clone();
                under_way.spawn(async move { this.deliver(delivery).await });
            }
            let wait = next_due.map_or(IDLE, |due| {
                let micros = u64::try_from(due.micros() - self.hub.clock.now().micros()).unwrap_or_default();
                Duration::from_micros(micros).min(IDLE)
            });
            let full = under_way.len() >= self.concurrency;
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = under_way.join_next() => (),
                _ = changed.changed(), if !full => (),
                () = tokio::time::sleep(wait), if !full => (),
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn lease(
        &self,
        now: crate::base::Timestamp,
        free: usize,
    ) -> Result<(Vec<Leased>, Option<crate::base::Timestamp>), StoreError> {
        if free == 0 {
            return Ok((Vec::new(), None));
        }
        let leased = self.hub.store.lease(Some(&self.destination), now, free).await?;
        let next_due = self.hub.store.next_due(now).await?;
        Ok((leased, next_due))
    }

    async fn deliver(&self, leased: Leased) {
        let id = leased.id.clone();
        let Err(mut error) = self.step(leased).await else { return };
        tracing::error!(delivery = id, code = error.problem().code.id, "not recorded: {}", error.problem().text);
        // A store that is full gives the delivery back when it can write again; one that failed for good ends the
        // process, and the next one begins anew. Bytes that were sent without a record are kept, so that the next
        // attempt knows they may have arrived.
        while matches!(error, StoreError::Unavailable(_)) {
            tokio::time::sleep(PAUSE).await;
            let now = self.hub.clock.now();
            match self.hub.store.hold(&id, Hold::Later { due_at: now, reason: None }, now).await {
                Ok(()) => return,
                Err(again) => error = again,
            }
        }
    }

    async fn step(&self, leased: Leased) -> Result<(), StoreError> {
        let hub = &self.hub;
        let catalog = hub.catalog();
        let (Some(system), Some(sink)) = (catalog.system(&leased.destination).cloned(), hub.sink(&leased.destination))
        else {
            let text = format!("system `{}` has no way out any more", leased.destination);
            let reason = Reason::of("no-route", &Problem::new(code::GONE, text).hint("restore it, then reload"));
            return hub.store.hold(&leased.id, Hold::Park { reason }, hub.clock.now()).await;
        };
        // Bytes kept without a recorded attempt may have been sent by a run that ended before it could record: then a
        // partner that knows the number already has this very document.
        let may_have_arrived = leased.unknown_before || (leased.output.is_some() && leased.attempts == 0);
        let output = match leased.output.clone() {
            Some(output) => output,
            None => match self.make_output(&catalog, &system, &leased).await? {
                Ok(mapped) => {
                    let output = Output {
                        bytes: mapped.bytes.into(),
                        content_type: mapped.content_type,
                        document_type: mapped.document_type,
                        mapping_hash: mapped.mapping_hash,
                        notes: mapped.notes,
                    };
                    self.keep_mapping(&catalog, &leased, &output.mapping_hash).await?;
                    hub.store.store_output(&leased.id, output.clone()).await?;
                    output
                }
                Err(_) if !Arc::ptr_eq(&catalog, &hub.catalog()) => {
                    // by content that is not in force any more: what that held, nobody would try again
                    let now = hub.clock.now();
                    return hub.store.hold(&leased.id, Hold::Later { due_at: now, reason: None }, now).await;
                }
                Err(hold) => {
                    if let Hold::Wait { reason, .. } | Hold::Park { reason } = &hold {
                        tracing::warn!(
                            delivery = leased.id,
                            message_id = leased.message.id,
                            destination = leased.destination,
                            code = reason.code,
                            "held: {}",
                            reason.text
                        );
                    }
                    return hub.store.hold(&leased.id, hold, hub.clock.now()).await;
                }
            },
        };
        let outgoing = Outgoing {
            delivery_id: leased.id.clone(),
            message_id: leased.message.id.clone(),
            attempt: leased.attempts + 1,
            bytes: output.bytes.clone(),
            content_type: output.content_type.clone(),
            business_key: leased.message.business_key.clone(),
            traceparent: leased.message.attributes.get("traceparent").cloned(),
            document_type: output.document_type.clone(),
        };
        if !hub.store.is_sure() {
            // This process stood still for so long that another may have taken the delivery over.
            let now = hub.clock.now();
            return hub.store.hold(&leased.id, Hold::Later { due_at: now, reason: None }, now).await;
        }
        let (started_at, began) = (hub.clock.now(), hub.clock.monotonic());
        let answer = sink.send(&outgoing).await;
        let took = hub.clock.monotonic().saturating_sub(began);
        histogram!(metric::ATTEMPT_SECONDS, "destination" => self.destination.clone()).record(took.as_secs_f64());
        let understood = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.understand(&catalog, &system, &leased, &output, &answer, may_have_arrived)
        }));
        let verdict = understood.unwrap_or_else(|_| Verdict {
            outcome: AttemptOutcome::Unknown,
            why: "reading the reply failed in a way the program did not foresee".to_owned(),
            after: None,
            xref: None,
            code: code::POISON,
        });
        self.record(&leased, &system, started_at, answer, verdict).await
    }

    /// Puts the texts of the mappings used into the store, once for each version.
    async fn keep_mapping(&self, catalog: &Catalog, leased: &Leased, hash: &str) -> Result<(), StoreError> {
        let Some(target) = catalog.target(&leased.route, &leased.destination, &leased.document) else { return Ok(()) };
        let is_kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains(hash);
        if is_kept || target.mappings.is_empty() {
            return Ok(());
        }
        let files = target.mappings.iter().flat_map(|mapping| mapping.files());
        let files = files.map(|known| MappingFile { file: known.file.to_string(), text: known.text.to_string() });
        let version = MappingVersion { hash: hash.to_owned(), files: files.collect() };
        self.hub.store.keep_mapping(&version, self.hub.clock.now()).await?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(version.hash);
        Ok(())
    }

    /// Maps the message on a thread that may block; what is missing becomes a hold.
    async fn make_output(
        &self,
        catalog: &Arc<Catalog>,
        system: &Arc<System>,
        leased: &Leased,
    ) -> Result<Result<Mapped, Hold>, StoreError> {
        let (catalog, system, limits) = (catalog.clone(), system.clone(), self.hub.limits.clone());
        let (message, bytes) = (leased.message.clone(), leased.bytes.clone());
        let (route, document) = (leased.route.clone(), leased.document.clone());
        let xrefs = StoredXrefs { reader: self.hub.store.clone(), runtime: tokio::runtime::Handle::current() };
        let run = tokio::task::spawn_blocking(move || {
            Dispatch {
                catalog: &catalog,
                message: &message,
                bytes: &bytes,
                route: &route,
                document: &document,
                system: &system,
                xrefs: &xrefs,
                limits: &limits,
            }
            .map()
        });
        let stop = match run.await {
            Ok(Ok(mapped)) => {
                if !mapped.notes.is_empty() {
                    let (delivery, message_id) = (&leased.id, &leased.message.id);
                    tracing::warn!(
                        delivery,
                        message_id,
                        notes = mapped.notes.len(),
                        "made with notes; see the message"
                    );
                }
                return Ok(Ok(mapped));
            }
            Ok(Err(stop)) => stop,
            Err(_) => {
                let text = "mapping this message failed in a way the program did not foresee";
                let problem = Problem::new(code::POISON, text).hint("report it with the message; others flow on");
                Stop::Problem("poison", problem)
            }
        };
        stop.into_hold().map(Err)
    }

    /// What the answer means: the transport's word first, then, on its "delivered", the profile's.
    fn understand(
        &self,
        catalog: &Catalog,
        system: &System,
        leased: &Leased,
        output: &Output,
        answer: &Answer,
        may_have_arrived: bool,
    ) -> Verdict {
        let (after, why, outcome) = match of_answer(answer) {
            Outcome::Delivered => (None, String::new(), AttemptOutcome::Delivered),
            Outcome::Retry { after, why } => (after, why, AttemptOutcome::Retry),
            Outcome::Reject { why } => (None, why, AttemptOutcome::Rejected),
            Outcome::Unknown { why } => (None, why, AttemptOutcome::Unknown),
        };
        let mut verdict = Verdict { outcome, why, after, xref: None, code: code::REJECTED };
        let (AttemptOutcome::Delivered, Answer::Response { body, content_type, .. }) = (outcome, answer) else {
            return verdict;
        };
        let Some(profile) = catalog.profile(&system.profile).filter(|profile| profile.reads_replies()) else {
            return verdict;
        };
        let facts = Facts::of(&leased.message);
        let host = RunHost::new(catalog, &facts, system, &());
        let reply = self.read_reply(system, content_type.as_deref(), body);
        let meaning = profile.read_reply(&output.document_type, reply.as_ref(), &host, &self.hub.limits);
        let Meaning { outcome, reason, xref } = meaning.unwrap_or_else(|failure| Meaning {
            outcome: ReplyOutcome::Unknown,
            reason: Some(format!("the reply could not be judged: {failure}")),
            xref: None,
        });
        verdict.why = reason.unwrap_or_default();
        verdict.outcome = match outcome {
            ReplyOutcome::Delivered => AttemptOutcome::Delivered,
            ReplyOutcome::Rejected => AttemptOutcome::Rejected,
            ReplyOutcome::Retry => AttemptOutcome::Retry,
            ReplyOutcome::Unknown => AttemptOutcome::Unknown,
            ReplyOutcome::Duplicate if may_have_arrived => {
                verdict.why = format!("arrived with an earlier attempt: {}", verdict.why);
                AttemptOutcome::Delivered
            }
            ReplyOutcome::Duplicate => {
                verdict.code = code::NUMBER_TAKEN;
                AttemptOutcome::Rejected
            }
        };
        if verdict.outcome == AttemptOutcome::Delivered
            && let (Some((entity, target_id)), Some(source_id)) = (xref, leased.message.business_key.as_deref())
        {
            verdict.xref = Some(NewXref { key: host.xref_key(&entity, source_id, None), target_id });
        }
        verdict
    }

    /// The reply as a document. Partners often name no character set: when the bytes are not what they seem, the one we
    /// speak to the system in is tried.
    fn read_reply(
        &self,
        system: &System,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Option<crate::document::Document> {
        let syntax = Syntax::sniff(None, body).or_else(|| Syntax::sniff(content_type, body))?;
        let named = content_type.and_then(charset_of_media_type).and_then(Result::ok);
        [named, None, Some(system.encoding.charset)].into_iter().find_map(|charset| {
            let options = ReadOptions { limits: self.hub.limits.clone(), charset, ..ReadOptions::default() };
            read(body, syntax, &options).ok().map(|reading| reading.document)
        })
    }

    async fn record(
        &self,
        leased: &Leased,
        system: &System,
        started_at: crate::base::Timestamp,
        answer: Answer,
        verdict: Verdict,
    ) -> Result<(), StoreError> {
        let hub = &self.hub;
        let now = hub.clock.now();
        let (status, response, response_type) = match answer {
            Answer::Response { status, content_type, body, .. } => (status, body, content_type.unwrap_or_default()),
            _ => (None, bytes::Bytes::new(), String::new()),
        };
        let park = |cause: &str, code, text: String, hint: &str| Next::Park {
            reason: Reason::of(cause, &Problem::new(code, text).hint(hint)),
            frees_lane: false,
        };
        let next = match verdict.outcome {
            AttemptOutcome::Delivered => Next::Delivered { xrefs: verdict.xref.into_iter().collect() },
            AttemptOutcome::Rejected => {
                let hint = "correct it at the partner, then release it; or send a corrected document and skip this one";
                park("rejected", verdict.code, format!("{}: {}", system.id, verdict.why), hint)
            }
            AttemptOutcome::Retry | AttemptOutcome::Unknown => {
                match self.schedule.after(leased.tries + 1, verdict.after, &*hub.random) {
                    Some(wait) => Next::Retry { due_at: now.plus(wait) },
                    None if verdict.outcome == AttemptOutcome::Unknown || leased.unknown_before => {
                        let hint = "look at the partner whether it has the document, then release or skip it";
                        park("unknown", code::UNKNOWN_OUTCOME, verdict.why.clone(), hint)
                    }
                    None => {
                        let hint = "release it when the partner can be reached again";
                        park("exhausted", code::EXHAUSTED, verdict.why.clone(), hint)
                    }
                }
            }
        };
        let delivered = matches!(next, Next::Delivered { .. });
        let attempt = NewAttempt {
            id: hub.ids.next(IdKind::Attempt),
            started_at,
            ended_at: now,
            outcome: verdict.outcome,
            status,
            detail: verdict.why,
            response,
            response_type,
        };
        counter!(metric::ATTEMPTS, "destination" => self.destination.clone(), "outcome" => attempt.outcome.as_str())
            .increment(1);
        tracing::info!(
            delivery = leased.id,
            message_id = leased.message.id,
            destination = leased.destination,
            outcome = attempt.outcome.as_str(),
            "attempt {}",
            leased.attempts + 1
        );
        let recorded = hub.store.record(&leased.id, attempt, next).await?;
        if delivered {
            let micros = u64::try_from(now.micros() - leased.message.received_at.micros()).unwrap_or_default();
            histogram!(metric::END_TO_END_SECONDS, "destination" => self.destination.clone())
                .record(Duration::from_micros(micros).as_secs_f64());
        }
        if recorded.released > 0 {
            tracing::info!(released = recorded.released, "deliveries that waited for this one go on");
        }
        Ok(())
    }
}

/// What an answer comes to.
struct Verdict {
    outcome: AttemptOutcome,
    why: String,
    after: Option<Duration>,
    xref: Option<NewXref>,
    code: crate::base::Code,
}
