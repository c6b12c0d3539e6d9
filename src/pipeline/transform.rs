//! Decides what is to become of each accepted message: reads it, names it, finds its routes, plans its deliveries.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::{
    Content, Decoded, Direction, Hub, Part, Received, code,
    intake::{document_key, key_conflict},
    judge, open,
};
use crate::{
    base::{IdKind, Ids, Limits, Place, Problem, Timestamp},
    catalog::{Catalog, Test},
    store::{
        AcceptOutcome, Accepted, Decision, MessageInfo, NewDelivery, NewMessage, NewPart, Plan, Reason, Start,
        StoreError, Work,
    },
    telemetry::metric,
    xpath::Budget,
};

/// Messages planned at once; their plans share commits.
const BATCH: usize = 128;

/// How long the store is left alone after it could not answer.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// The step from `accepted` to planned deliveries.
pub struct Transforming {
    hub: Hub,
}

impl Transforming {
    /// The step, to be run once.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }

    /// Works until `shutdown`, then finishes what it holds.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut changed = self.hub.store.changed();
        loop {
            changed.mark_unchanged();
            match self.turn().await {
                Ok(0) => tokio::select! {
                    () = shutdown.cancelled() => return,
                    woken = changed.changed() => if woken.is_err() { return },
                },
                Ok(_) if shutdown.is_cancelled() => return,
                Ok(_) => (),
                Err(error) => {
                    tracing::error!(code = error.problem().code.id, "planning stops: {}", error.problem().text);
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(PAUSE) => (),
                    }
                }
            }
        }
    }

    /// Plans one batch; how many there were.
    async fn turn(&self) -> Result<usize, StoreError> {
        let batch = self.hub.store.begin_transform(self.hub.clock.now(), BATCH).await?;
        let count = batch.len();
        if count == 0 {
            return Ok(0);
        }
        let hub = self.hub.clone();
        let planned = tokio::task::spawn_blocking(move || {
            let mut catalog = hub.catalog();
            loop {
                let planning =
                    Planning { catalog: &catalog, limits: &hub.limits, ids: &hub.ids, now: hub.clock.steady() };
                let plans: Vec<Plan> = batch.iter().map(|work| planning.plan(work)).collect();
                // what content that is not in force any more has parked, nobody would try again
                let current = hub.catalog();
                if Arc::ptr_eq(&catalog, &current) {
                    return plans.into_iter().zip(batch.into_iter().map(|work| work.message)).collect::<Vec<_>>();
                }
                catalog = current;
            }
        });
        let planned = planned.await.unwrap_or_default();
        let now = self.hub.clock.now();
        let stored = planned.into_iter().map(|(plan, message)| async move {
            match &plan.decision {
                Decision::Park(reason) => tell_parked(&message.id, reason),
                Decision::Split(parts) => {
                    let parked = |part: &NewPart| Some((part.message.id.clone(), part.message.parked.clone()?));
                    parts.iter().filter_map(parked).for_each(|(id, reason)| tell_parked(&id, &reason));
                }
                _ => (),
            }
            // A store that is full takes the plan when it can write again; until then its lanes wait.
            loop {
                match self.hub.store.plan(&message.id, plan.clone(), now).await {
                    Err(StoreError::Unavailable(_)) => tokio::time::sleep(PAUSE).await,
                    done => break done.map(|parts| tell_parts(&message, &parts)),
                }
            }
        });
        for result in futures_util::future::join_all(stored).await {
            match result {
                Err(StoreError::Conflict(problem) | StoreError::NotFound(problem)) => {
                    tracing::warn!(code = problem.code.id, "a plan was not needed any more: {}", problem.text);
                }
                other => other?,
            }
        }
        Ok(count)
    }
}

/// What it takes to decide upon messages.
#[derive(Clone, Copy)]
pub struct Planning<'a> {
    /// The content to decide with.
    pub catalog: &'a Catalog,
    /// The limits of documents and evaluation.
    pub limits: &'a Limits,
    /// Ids for deliveries and parts.
    pub ids: &'a Ids,
    /// The moment.
    pub now: Timestamp,
}

impl Planning<'_> {
    /// The plan for one message; never panics, whatever the message does to the code below.
    #[must_use]
    pub fn plan(&self, work: &Work) -> Plan {
        let park = |cause: &str, problem: &Problem| Plan {
            business_key: None,
            site: None,
            document_type: None,
            attributes: BTreeMap::new(),
            decision: Decision::Park(Reason::of(cause, problem)),
        };
        if work.exhausted {
            let text = "the process ended several times while it worked on this message";
            let hint = "look at the message, and report it; release it after an upgrade";
            return park("poison", &Problem::new(code::POISON, text).hint(hint));
        }
        let attempt = std::panic::catch_unwind(AssertUnwindSafe(|| decide(self, work)));
        match attempt {
            Ok(Ok(plan)) => plan,
            Ok(Err((cause, problem))) => park(cause, &problem),
            Err(_) => {
                let text = "reading or routing this message failed in a way the program did not foresee";
                park("poison", &Problem::new(code::POISON, text).hint("report it with the message; others flow on"))
            }
        }
    }
}

fn decide(planning: &Planning<'_>, work: &Work) -> Result<Plan, (&'static str, Problem)> {
    let Planning { catalog, limits, ids, now } = *planning;
    let message = &work.message;
    let Some(system) = catalog.system(&message.system) else {
        let text = format!("system `{}` is not configured any more", message.system);
        return Err(("no-route", Problem::new(code::GONE, text)));
    };
    let content =
        open(catalog, system, Received::of(message, &work.bytes), limits).map_err(|problem| ("unreadable", problem))?;
    let decoded = match content {
        Content::One(decoded) => *decoded,
        Content::Several { parts, repairs } => return Ok(split(ids, message, parts, &repairs)),
    };
    let Decoded { document_type, document, syntax, .. } = &decoded;
    let judgement = judge(catalog, system, Direction::In, document_type, document, *syntax, limits);
    let mut attributes = lines_attribute("repairs", decoded.repairs.iter().map(shown));
    attributes.extend(lines_attribute("violations", judgement.notes().into_iter()));
    if message.attributes.contains_key("violations") {
        // It was judged before, and differently.
        attributes.entry("violations".to_owned()).or_default();
    }
    if let Some((cause, problem)) = judgement.stop {
        let Decoded { document_type, business_key, site, .. } = decoded;
        let decision = Decision::Park(Reason::of(cause, &problem));
        return Ok(Plan { business_key, site, document_type: Some(document_type), attributes, decision });
    }
    let routes: Vec<_> = catalog
        .routes()
        .iter()
        .filter(|route| route.from == message.system && route.document_type == decoded.document_type)
        .collect();
    if routes.is_empty() {
        let text = format!("no route takes `{}` from system `{}`", decoded.document_type, message.system);
        return Err(("no-route", Problem::new(code::NO_ROUTE, text).hint("add a file to routes/ and reload")));
    }
    let mut deliveries = Vec::new();
    let mut filtered_by = String::new();
    for route in routes {
        let evaluate = |test: &Option<Arc<Test>>| match test {
            None => Ok(None),
            Some(test) => test.text(&decoded.document, &Budget::new(limits.evaluation_steps)).map(Some),
        };
        let failed = |failure: crate::xpath::Failure| {
            let mut problem = failure.problem();
            problem = Problem { code: code::ROUTE_FORMULA, ..problem };
            problem.text = format!("route `{}`: {}", route.id, problem.text);
            ("mapping", problem)
        };
        let lane = evaluate(&route.order_by).map_err(failed)?.unwrap_or_default();
        for target in &route.targets {
            let wanted = match &target.when {
                None => true,
                Some(when) => when.holds(&decoded.document, &Budget::new(limits.evaluation_steps)).map_err(failed)?,
            };
            if !wanted {
                continue;
            }
            deliveries.push(NewDelivery {
                id: ids.next(IdKind::Delivery),
                route: route.id.clone(),
                destination: target.system.clone(),
                document: target.document.clone(),
                // The documents of one message stay in order even where nothing else does.
                lane: if lane.is_empty() && !target.document.is_empty() { message.id.clone() } else { lane.clone() },
                blocks_when_parked: route.blocks_when_parked,
                start: Start::Due { at: now },
                output: None,
            });
        }
        filtered_by.clone_from(&route.id);
    }
    let Decoded { document_type, business_key, site, .. } = decoded;
    let decision = if deliveries.is_empty() {
        Decision::Filter { rule: format!("route {filtered_by}: no target's `when` holds") }
    } else {
        Decision::Deliver(deliveries)
    };
    Ok(Plan { business_key, site, document_type: Some(document_type), attributes, decision })
}

/// The plan for a message with several documents.
fn split(ids: &Ids, message: &MessageInfo, parts: Vec<Part>, repairs: &[Problem]) -> Plan {
    let count = parts.len();
    let mut inherited = message.attributes.clone();
    inherited.remove("batch_offset");
    inherited.insert("batch_id".to_owned(), message.id.clone());
    inherited.insert("batch_count".to_owned(), count.to_string());
    let conflict = Reason::of("refused", &key_conflict());
    let parts = (1..).zip(parts).map(|(position, part)| {
        let mut attributes = inherited.clone();
        attributes.insert("batch_position".to_owned(), position.to_string());
        let document_type = part.document_type.unwrap_or_default();
        let dedup_key = match &part.dedup_key {
            Some(key) => document_key(&document_type, key),
            None => format!("{}/{position}", message.id),
        };
        let parked = part.problem.map(|problem| in_message(&problem, &part.place, position, count));
        let message = NewMessage {
            id: ids.next(IdKind::Message),
            system: message.system.clone(),
            document_type,
            site: message.site.clone(),
            dedup_key: Some(dedup_key),
            bytes: part.bytes.into(),
            content_type: part.content_type,
            transport: message.transport,
            received_at: message.received_at,
            attributes,
            parked,
        };
        NewPart { message, conflict: conflict.clone() }
    });
    let decision = Decision::Split(parts.collect());
    let attributes = lines_attribute("repairs", repairs.iter().map(shown));
    Plan { business_key: None, site: None, document_type: None, attributes, decision }
}

/// Why a document of a message is parked; line and column are those of the message, where the document begins unless
/// more is known.
fn in_message(problem: &Problem, place: &Place, position: usize, count: usize) -> Reason {
    let mut reason = Reason::of("unreadable", problem);
    reason.text = format!("document {position} of {count}: {}", reason.text);
    if reason.line == 0 {
        (reason.line, reason.column) = (place.line, place.column);
    }
    reason
}

fn tell_parked(message: &str, reason: &Reason) {
    counter!(metric::PARKED, "code" => reason.code.clone()).increment(1);
    tracing::warn!(message_id = message, code = reason.code, "parked: {}", reason.text);
}

/// Counts what became of the documents of a message.
fn tell_parts(message: &MessageInfo, parts: &[Accepted]) {
    for part in parts {
        if part.outcome == AcceptOutcome::Duplicate {
            counter!(metric::DUPLICATES, "system" => message.system.clone()).increment(1);
        } else {
            let transport = message.transport.as_str();
            counter!(metric::ACCEPTED, "system" => message.system.clone(), "transport" => transport).increment(1);
        }
        if part.outcome == AcceptOutcome::Conflict {
            tell_parked(&part.id, &Reason::of("refused", &key_conflict()));
        }
    }
    if !parts.is_empty() {
        tracing::info!(message_id = message.id, parts = parts.len(), "split");
    }
}

/// An attribute of a message that keeps lines; none without lines.
fn lines_attribute(name: &str, lines: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { BTreeMap::new() } else { [(name.to_owned(), lines.join("\n"))].into() }
}

/// A repair in a line.
fn shown(repair: &Problem) -> String {
    format!("{} {}", repair.place, repair.text)
}
