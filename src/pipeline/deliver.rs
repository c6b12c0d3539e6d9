//! Delivers: maps at the head of the lane, keeps the bytes, sends them, understands the answer, decides what follows.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::{counter, histogram};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Breaker, Contact, Dispatch, Hub, Mapped, Policy, Stop, StoredXrefs, Turn, code, gate,
    read_back::{ReadBack, read_back},
    understand::{Understanding, Verdict},
};
use crate::{
    base::{IdKind, Problem, Timestamp},
    catalog::{Catalog, System},
    store::{
        AttemptOutcome, Hold, Leased, MappingFile, MappingVersion, NewAttempt, Next, Output, Pause, PauseKind, Reason,
        StoreError,
    },
    telemetry::metric,
    transport::{Answer, Outgoing},
};

/// With nothing due, the longest wait before looking again.
const IDLE: Duration = Duration::from_secs(30);

/// How long the store is left alone after it could not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Time between two looks for moments that a wrong clock put too far ahead.
const CORRECTED_EVERY: Duration = Duration::from_secs(60);

/// The deliveries to one destination.
pub struct Delivering {
    hub: Hub,
    destination: String,
    standard: Policy,
    health: Mutex<Health>,
    /// The mapping versions whose texts this process has put into the store.
    kept: Mutex<HashSet<String>>,
}

/// How the destination does.
#[derive(Default)]
struct Health {
    breaker: Breaker,
    /// Since when the breaker is open.
    open_since: Timestamp,
}

/// How a delivery that was handed out ended.
struct Ended {
    contact: Contact,
    /// What went wrong.
    why: String,
}

impl Ended {
    fn unsent() -> Self {
        Self { contact: Contact::None, why: String::new() }
    }
}

impl Delivering {
    /// The step for one destination, to be run once. What its system's file does not say is as in `standard`.
    #[must_use]
    pub fn new(hub: Hub, destination: String, standard: Policy) -> Self {
        Self { hub, destination, standard, health: Mutex::default(), kept: Mutex::default() }
    }

    /// The rules in force now.
    fn policy(&self) -> Policy {
        let catalog = self.hub.catalog();
        let own = catalog.system(&self.destination).map(|system| &system.delivery);
        own.map_or_else(|| self.standard.clone(), |own| self.standard.with(own))
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until `shutdown`, then finishes what is under way.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut changed = self.hub.store.changed();
        let mut under_way = JoinSet::new();
        let mut corrected = None;
        loop {
            changed.mark_unchanged();
            let policy = self.policy();
            let wait = self.turn(&policy, &mut under_way, &mut corrected).await;
            let full = under_way.len() >= policy.concurrency;
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = under_way.join_next() => (),
                _ = changed.changed(), if !full => (),
                () = tokio::time::sleep(wait), if !full => (),
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Begins the deliveries that may go out now; how long to wait for more. `corrected` is when moments were corrected
    /// last.
    async fn turn(
        self: &Arc<Self>,
        policy: &Policy,
        under_way: &mut JoinSet<()>,
        corrected: &mut Option<Duration>,
    ) -> Duration {
        let (now, tick) = (self.hub.clock.steady(), self.hub.clock.monotonic());
        if corrected.is_none_or(|last| tick.saturating_sub(last) >= CORRECTED_EVERY) {
            *corrected = Some(tick);
            self.correct(now, policy).await;
        }
        let free = policy.concurrency.saturating_sub(under_way.len());
        let (allowed, probe_in) = {
            let health = self.health();
            (health.breaker.allows(free, tick), health.breaker.wait(tick))
        };
        let (leased, next_due) = match self.lease(now, allowed).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(code = error.problem().code.id, "delivering pauses: {}", error.problem().text);
                (Vec::new(), Some(now.plus(PAUSE)))
            }
        };
        for delivery in leased {
            let (this, policy) = (self.clone(), policy.clone());
            let probe = self.health().breaker.begin();
            under_way.spawn(async move { this.deliver(delivery, &policy, probe).await });
        }
        let wait = next_due.map_or(IDLE, |due| {
            let micros = u64::try_from(due.micros() - self.hub.clock.steady().micros()).unwrap_or_default();
            Duration::from_micros(micros).min(IDLE)
        });
        probe_in.filter(|probe_in| !probe_in.is_zero()).map_or(wait, |probe_in| wait.min(probe_in))
    }

    async fn lease(&self, now: Timestamp, free: usize) -> Result<(Vec<Leased>, Option<Timestamp>), StoreError> {
        if free == 0 {
            return Ok((Vec::new(), None));
        }
        let leased = self.hub.store.lease(Some(&self.destination), now, free).await?;
        // what was handed out must be delivered even when nothing more can be learnt now
        let next_due = self.hub.store.next_due(now).await.unwrap_or_else(|error| {
            tracing::error!(code = error.problem().code.id, "{}", error.problem().text);
            Some(now.plus(PAUSE))
        });
        Ok((leased, next_due))
    }

    /// Brings forward what a clock that was wrong has put further ahead than any wait is long.
    async fn correct(&self, now: Timestamp, policy: &Policy) {
        let latest = now.plus(policy.longest_wait());
        match self.hub.store.bring_forward(&self.destination, now, latest).await {
            Ok(0) => (),
            Ok(count) => tracing::warn!(
                destination = self.destination,
                count,
                "deliveries were due at moments no wait leads to: the clock was wrong; they are brought forward"
            ),
            Err(error) => tracing::error!(code = error.problem().code.id, "{}", error.problem().text),
        }
    }

    async fn deliver(&self, leased: Leased, policy: &Policy, probe: bool) {
        let id = leased.id.clone();
        match self.step(leased, policy, probe).await {
            Ok(ended) => self.take_note(&ended, policy, probe).await,
            Err(error) => {
                self.take_note(&Ended::unsent(), policy, probe).await;
                self.give_back(&id, error).await;
            }
        }
    }

    /// Ends a lease whose outcome the store could not take.
    async fn give_back(&self, id: &str, mut error: StoreError) {
        tracing::error!(delivery = id, code = error.problem().code.id, "not recorded: {}", error.problem().text);
        // A store that is full gives the delivery back when it can write again; one that failed for good ends the
        // process, and the next one begins anew. Bytes that were sent without a record are kept, so that the next
        // attempt knows they may have arrived.
        while matches!(error, StoreError::Unavailable(_)) {
            tokio::time::sleep(PAUSE).await;
            match self.put_off(id).await {
                Ok(()) => return,
                Err(again) => error = again,
            }
        }
    }

    /// Ends a lease: the delivery is due again at once.
    async fn put_off(&self, id: &str) -> Result<(), StoreError> {
        let now = self.hub.clock.steady();
        self.hub.store.hold(id, Hold::Later { due_at: now, reason: None }, now).await
    }

    /// Tells the breaker how a delivery ended, and people when it opens or closes.
    async fn take_note(&self, ended: &Ended, policy: &Policy, probe: bool) {
        let hub = &self.hub;
        let (turn, since) = {
            let mut health = self.health();
            let turn = health.breaker.end(ended.contact, probe, policy.breaker, hub.clock.monotonic());
            if matches!(turn, Turn::Opened(_)) {
                health.open_since = hub.clock.now();
            }
            (turn, health.open_since)
        };
        let noted = match turn {
            Turn::Same => return,
            Turn::Closed => {
                tracing::warn!(destination = self.destination, "the destination answers again: deliveries go on");
                hub.store.resume(Some(&self.destination), PauseKind::Breaker).await.map(drop)
            }
            Turn::Opened(wait) | Turn::StaysOpen(wait) => {
                let text = format!("{} keeps failing: {}", self.destination, ended.why);
                let hint = "make it reachable; deliveries wait without using up attempts, and go on by themselves";
                let problem = Problem::new(code::BREAKER_OPEN, text).hint(hint);
                if matches!(turn, Turn::Opened(_)) {
                    let (destination, code) = (&self.destination, problem.code.id);
                    tracing::warn!(destination, code, "deliveries pause, one probes every {wait:?}: {}", problem.text);
                }
                let until = Some(hub.clock.now().plus(wait));
                let reason = Reason::of("breaker", &problem);
                hub.store.pause(&self.pause(PauseKind::Breaker, since, until, reason)).await
            }
        };
        if let Err(error) = noted {
            tracing::error!(code = error.problem().code.id, "{}", error.problem().text);
        }
    }

    fn pause(&self, kind: PauseKind, since: Timestamp, until: Option<Timestamp>, reason: Reason) -> Pause {
        let address = self.hub.sink(&self.destination).map_or_else(String::new, |sink| sink.describe());
        Pause { destination: self.destination.clone(), kind, since, until, address, reason }
    }

    async fn step(&self, leased: Leased, policy: &Policy, probe: bool) -> Result<Ended, StoreError> {
        let hub = &self.hub;
        let catalog = hub.catalog();
        let (Some(system), Some(sink)) = (catalog.system(&leased.destination).cloned(), hub.sink(&leased.destination))
        else {
            let text = format!("system `{}` has no way out any more", leased.destination);
            let reason = Reason::of("no-route", &Problem::new(code::GONE, text).hint("restore it, then reload"));
            return self.hold(&leased, Hold::Park { reason }).await;
        };
        if let Some(hold) = gate::by_time(hub, &catalog, &system, &leased) {
            return self.hold(&leased, hold).await;
        }
        let (output, is_kept) = match leased.output.clone() {
            Some(output) => (output, true),
            None => match self.make_output(&catalog, &system, &leased).await? {
                Ok(output) => (output, false),
                Err(_) if !Arc::ptr_eq(&catalog, &hub.catalog()) => {
                    // by content that is not in force any more: what that held, nobody would try again
                    self.put_off(&leased.id).await?;
                    return Ok(Ended::unsent());
                }
                Err(hold) => return self.hold(&leased, hold).await,
            },
        };
        if let Some(hold) = gate::by_period(hub, &catalog, &system, &leased, &output) {
            return self.hold(&leased, hold).await;
        }
        if !probe && self.health().breaker.is_open() {
            self.put_off(&leased.id).await?;
            return Ok(Ended::unsent());
        }
        if is_kept {
            hub.store.begin_attempt(&leased.id).await?;
        } else {
            self.keep_mapping(&catalog, &leased, &output.mapping_hash).await?;
            hub.store.store_output(&leased.id, output.clone()).await?;
        }
        if !hub.store.is_sure() {
            // This process stood still for so long that another may have taken the delivery over.
            self.put_off(&leased.id).await?;
            return Ok(Ended::unsent());
        }
        let (started_at, began) = (hub.clock.now(), hub.clock.monotonic());
        let read_back = match leased.unknown_before {
            true => read_back(hub, &catalog, &system, &leased, &output, &*sink).await,
            false => ReadBack::Send,
        };
        let (verdict, answer) = match read_back {
            ReadBack::Settled(verdict, answer) => (*verdict, answer),
            ReadBack::Send => {
                let answer = sink.send(&outgoing(&leased, &output)).await;
                let took = hub.clock.monotonic().saturating_sub(began);
                let destination = self.destination.clone();
                histogram!(metric::ATTEMPT_SECONDS, "destination" => destination).record(took.as_secs_f64());
                let understanding =
                    Understanding { catalog: &catalog, system: &system, leased: &leased, limits: &hub.limits };
                let understood = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    understanding.of_delivery(&output, &answer)
                }));
                let verdict = understood.unwrap_or_else(|_| Verdict {
                    code: code::POISON,
                    ..Verdict::of(
                        AttemptOutcome::Unknown,
                        "reading the reply failed in a way the program did not foresee",
                    )
                });
                (verdict, answer)
            }
        };
        let ended = Ended { contact: verdict.contact(), why: verdict.why.clone() };
        self.record(&leased, &system, policy, started_at, answer, verdict).await?;
        Ok(ended)
    }

    /// Ends a lease without an attempt, and says why.
    async fn hold(&self, leased: &Leased, hold: Hold) -> Result<Ended, StoreError> {
        let reason = match &hold {
            Hold::Wait { reason, .. } | Hold::Park { reason } => Some(reason),
            Hold::Later { reason, .. } => reason.as_ref(),
            Hold::Filter { .. } => None,
        };
        if let Some(reason) = reason {
            tracing::warn!(
                delivery = leased.id,
                message_id = leased.message.id,
                destination = leased.destination,
                code = reason.code,
                "held: {}",
                reason.text
            );
        }
        self.hub.store.hold(&leased.id, hold, self.hub.clock.steady()).await?;
        Ok(Ended::unsent())
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
    ) -> Result<Result<Output, Hold>, StoreError> {
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
                let Mapped { bytes, content_type, document_type, mapping_hash, notes } = mapped;
                return Ok(Ok(Output { bytes: bytes.into(), content_type, document_type, mapping_hash, notes }));
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

    /// Notes that the address is gone: nothing is handed out for it until a person acts.
    async fn disable(&self, why: &str) -> Result<(), StoreError> {
        let text = format!("{}: {why}", self.destination);
        let hint = "set the new address and reload; until then its deliveries wait, and none is lost";
        let problem = Problem::new(code::ADDRESS_GONE, text).hint(hint);
        let (destination, code) = (&self.destination, problem.code.id);
        tracing::error!(destination, code, "deliveries stop: {}", problem.text);
        let reason = Reason::of("gone", &problem);
        self.hub.store.pause(&self.pause(PauseKind::Gone, self.hub.clock.now(), None, reason)).await
    }

    async fn record(
        &self,
        leased: &Leased,
        system: &System,
        policy: &Policy,
        started_at: Timestamp,
        answer: Answer,
        verdict: Verdict,
    ) -> Result<(), StoreError> {
        let hub = &self.hub;
        let now = hub.clock.now();
        let (status, response, response_type) = match answer {
            Answer::Response { status, content_type, body, .. } => (status, body, content_type.unwrap_or_default()),
            _ => (None, bytes::Bytes::new(), String::new()),
        };
        let park = |cause: &str, code, text: String, hint: &str, frees_lane| Next::Park {
            reason: Reason::of(cause, &Problem::new(code, text).hint(hint)),
            frees_lane,
        };
        let next = match verdict.outcome {
            AttemptOutcome::Delivered => Next::Delivered { xrefs: verdict.xref.into_iter().collect() },
            AttemptOutcome::Rejected => {
                let hint = "correct it at the partner, then release it; or send a corrected document and skip this one";
                park("rejected", verdict.code, format!("{}: {}", system.id, verdict.why), hint, false)
            }
            AttemptOutcome::Retry if verdict.gone => {
                self.disable(&verdict.why).await?;
                Next::Retry { due_at: hub.clock.steady() }
            }
            AttemptOutcome::Retry | AttemptOutcome::Unknown => {
                match policy.schedule.after(leased.tries + 1, verdict.after, &*hub.random) {
                    Some(wait) => Next::Retry { due_at: hub.clock.steady().plus(wait) },
                    None if verdict.outcome == AttemptOutcome::Unknown || leased.unknown_before => {
                        let hint = "look at the partner whether it has the document, then release or skip it";
                        let frees_lane = policy.exhausted_frees_lane;
                        park("unknown", code::UNKNOWN_OUTCOME, verdict.why.clone(), hint, frees_lane)
                    }
                    None => {
                        let hint = "release it when the partner can be reached again";
                        park("exhausted", code::EXHAUSTED, verdict.why.clone(), hint, policy.exhausted_frees_lane)
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

/// What goes out.
fn outgoing(leased: &Leased, output: &Output) -> Outgoing {
    Outgoing {
        delivery_id: leased.id.clone(),
        message_id: leased.message.id.clone(),
        attempt: leased.attempts + 1,
        bytes: output.bytes.clone(),
        content_type: output.content_type.clone(),
        business_key: leased.message.business_key.clone(),
        traceparent: leased.message.attributes.get("traceparent").cloned(),
        document_type: output.document_type.clone(),
    }
}

#[cfg(test)]
mod tests;
