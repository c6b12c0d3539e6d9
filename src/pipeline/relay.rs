//! Relays: maps what a queue brings and publishes it, before the queue hears that it was taken. Nothing is stored.
//!
//! The promise is weaker than the journal's: the two brokers keep the message, at least once, and nobody recognises a
//! repetition. What cannot be relayed is handed to the journal, which takes its usual way with the same route, or
//! becomes a dead letter where the route names an exchange for those; only then the queue hears so.
//!
//! Order: a session hands in a queue's messages in queue order. Those with equal keys (`order-by`) go one after another:
//! each waits until the one before it is confirmed, and fails with it. Messages that failed come again in a new session.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use metrics::{counter, histogram};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    Content, Decoded, Direction, Facts, Hub, JournalIntake, Mapped, Received, Stop, StoredXrefs, code, judge,
    map::map_document, open, resolve_type,
};
use crate::{
    base::{IdKind, Problem, Secret, name_based_uuid},
    catalog::{Catalog, Mode, Route, System},
    telemetry::metric,
    transport::{
        Access, Answer, Arrival, Intake, Outgoing, Readiness, Sink, Verdict,
        outcome::{Outcome, of_answer},
    },
    xpath::Budget,
};

/// Waits between attempts to publish before the message is left to its queue.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];
/// How long the queue is left alone when a destination takes nothing.
const LATER: Duration = Duration::from_secs(2);

/// The lane of all messages.
const EVERYTHING: &str = "\0";
/// Lanes that are remembered before those at rest are forgotten.
const LANES: usize = 1024;

/// The intake of a system that has relay routes. Messages of other routes go to the journal.
pub struct RelayIntake {
    hub: Hub,
    journal: Arc<JournalIntake>,
    /// Where dead letters go, by route.
    dead_letters: Arc<BTreeMap<String, Arc<dyn Sink>>>,
    order: Mutex<Order>,
}

/// Who goes after whom.
#[derive(Default)]
struct Order {
    /// Tells when the message handed in last knows its lane.
    placed: Option<oneshot::Receiver<()>>,
    /// Tells how the last message of each lane ended: `true` when the queue may forget it.
    lanes: HashMap<String, oneshot::Receiver<bool>>,
}

/// A payload and the system it goes to.
type Addressed = (String, Outgoing);

/// What is to become of a message.
enum Plan {
    /// The journal's usual way.
    Journal,
    /// No target wants it.
    Filtered { route: String },
    /// Published to these, one after another.
    Relay { route: String, lane: String, outgoing: Vec<Addressed> },
    /// It cannot be relayed.
    Fail { route: String, problem: Problem },
}

impl RelayIntake {
    /// An intake for one session of a source; a message that it takes elsewhere goes to `journal`.
    #[must_use]
    pub fn new(hub: Hub, journal: Arc<JournalIntake>, dead_letters: Arc<BTreeMap<String, Arc<dyn Sink>>>) -> Self {
        Self { hub, journal, dead_letters, order: Mutex::default() }
    }

    /// Publishes to one system until it is confirmed; `Err(None)` when it should be tried again later, and with the
    /// reason when it never will arrive.
    async fn publish(&self, system: &str, outgoing: &Outgoing) -> Result<(), Option<Problem>> {
        let Some(sink) = self.hub.sink(system) else {
            let text = format!("system `{system}` has no way out any more");
            return Err(Some(Problem::new(code::GONE, text)));
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            let why = match of_answer(&sink.send(outgoing).await) {
                Outcome::Delivered => return Ok(()),
                Outcome::Reject { why } | Outcome::Gone { why } => {
                    let problem = Problem::new(code::REJECTED, format!("{system}: {why}"));
                    return Err(Some(problem.hint("make the queue or binding, then release it")));
                }
                Outcome::Retry { why, .. } | Outcome::Unknown { why } => why,
            };
            let Some(pause) = pauses.next() else {
                tracing::warn!(system, message_id = outgoing.message_id, "not relayed, left to its queue: {why}");
                return Err(None);
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Plans on a thread that may block.
    async fn plan(&self, arrival: &Arrival) -> Plan {
        let (hub, arrival, catalog) = (self.hub.clone(), arrival.clone(), self.hub.catalog());
        let xrefs = StoredXrefs { reader: hub.store.clone(), runtime: tokio::runtime::Handle::current() };
        let planned = tokio::task::spawn_blocking(move || {
            // whatever goes wrong here goes wrong again in the journal, which keeps the message and says so
            std::panic::catch_unwind(AssertUnwindSafe(|| plan(&hub, &catalog, &xrefs, &arrival)))
                .unwrap_or(Plan::Journal)
        });
        planned.await.unwrap_or(Plan::Journal)
    }

    /// A dead letter, if the route has a place for them; else the journal's usual way.
    async fn give_up(&self, arrival: Arrival, route: &str, problem: &Problem) -> Verdict {
        tracing::warn!(route, system = arrival.system, code = problem.code.id, "not relayed: {}", problem.text);
        let Some(sink) = self.dead_letters.get(route) else {
            counted(route, "journal");
            return self.journal.accept(arrival).await;
        };
        let outgoing = outgoing_as_it_came(&self.hub, &arrival);
        let given = arrival.attributes.iter();
        let mut headers: Vec<(&str, &str)> =
            given.filter_map(|(name, value)| Some((name.strip_prefix("header.")?, value.as_str()))).collect();
        let text = problem.text.clone();
        headers.extend([
            ("crossdock-route", route),
            ("crossdock-reason-code", problem.code.id),
            ("crossdock-reason", text.as_str()),
        ]);
        match sink.send_with(&outgoing, &headers).await {
            Answer::Confirmed => {
                counted(route, "dead-letter");
                Verdict::Accepted { message_id: outgoing.message_id, duplicate: false }
            }
            Answer::NotSent { why } | Answer::Unknown { why } => {
                tracing::warn!(route, "the dead letter is left to its queue: {why}");
                counted(route, "later");
                Verdict::Unavailable { retry_after: LATER }
            }
            other => {
                tracing::error!(
                    route,
                    code = problem.code.id,
                    "dead letters have no place, the journal keeps it: {other:?}"
                );
                counted(route, "journal");
                self.keep(arrival, problem).await
            }
        }
    }

    /// Parks a message in the journal, so that a person decides: it may have reached some targets.
    async fn keep(&self, arrival: Arrival, problem: &Problem) -> Verdict {
        match self.journal.park(arrival, problem, "rejected").await {
            Ok(message_id) => Verdict::Accepted { message_id, duplicate: false },
            Err(_) => Verdict::Unavailable { retry_after: LATER },
        }
    }

    /// Publishes in the lane's order.
    async fn relay(&self, arrival: Arrival, plan: Plan) -> Verdict {
        let (route, outgoing) = match plan {
            Plan::Journal => return self.journal.accept(arrival).await,
            Plan::Filtered { route } => {
                counted(&route, "filtered");
                return Verdict::Accepted { message_id: self.hub.ids.next(IdKind::Message), duplicate: false };
            }
            Plan::Fail { route, problem } => return self.give_up(arrival, &route, &problem).await,
            Plan::Relay { route, outgoing, .. } => (route, outgoing),
        };
        let mut message_id = String::new();
        for (system, outgoing) in &outgoing {
            match self.publish(system, outgoing).await {
                Ok(()) => message_id.clone_from(&outgoing.message_id),
                Err(None) => {
                    counted(&route, "later");
                    return Verdict::Unavailable { retry_after: LATER };
                }
                Err(Some(problem)) => return self.give_up_sent(arrival, &route, &problem).await,
            }
        }
        counted(&route, "relayed");
        Verdict::Accepted { message_id, duplicate: false }
    }

    /// A dead letter, or parked: trying again by itself would not help.
    async fn give_up_sent(&self, arrival: Arrival, route: &str, problem: &Problem) -> Verdict {
        if self.dead_letters.contains_key(route) {
            return self.give_up(arrival, route, problem).await;
        }
        tracing::warn!(route, system = arrival.system, code = problem.code.id, "not relayed: {}", problem.text);
        counted(route, "journal");
        self.keep(arrival, problem).await
    }
}

fn counted(route: &str, outcome: &'static str) {
    counter!(metric::RELAYED, "route" => route.to_owned(), "outcome" => outcome).increment(1);
}

/// What the routes say; never panics on purpose, and does no I/O but the look-up of cross references.
fn plan(hub: &Hub, catalog: &Arc<Catalog>, xrefs: &StoredXrefs, arrival: &Arrival) -> Plan {
    let Some(system) = catalog.system(&arrival.system) else { return Plan::Journal };
    let document_type = match arrival.document_type.as_str() {
        "" => String::new(),
        named => match resolve_type(catalog, system, named) {
            Ok(resolved) => resolved,
            Err(_) => return Plan::Journal,
        },
    };
    let received = Received {
        document_type: &document_type,
        content_type: arrival.content_type.as_deref(),
        bytes: &arrival.bytes,
        is_part: false,
    };
    let Ok(Content::One(decoded)) = open(catalog, system, received, &hub.limits) else { return Plan::Journal };
    let routes: Vec<&Arc<Route>> = catalog
        .routes()
        .iter()
        .filter(|route| route.from == arrival.system && route.document_type == decoded.document_type)
        .collect();
    // one journal route is enough: the message is stored, and all its routes take it from there
    let [route, ..] = routes[..] else { return Plan::Journal };
    if routes.iter().any(|route| route.mode != Mode::Relay) {
        return Plan::Journal;
    }
    let id = route.id.clone();
    match follow(hub, catalog, xrefs, arrival, system, &decoded, &routes) {
        Ok((_, outgoing)) if outgoing.is_empty() => Plan::Filtered { route: id },
        Ok((lane, outgoing)) => Plan::Relay { route: id, lane, outgoing },
        Err(Some(problem)) => Plan::Fail { route: id, problem },
        Err(None) => Plan::Journal,
    }
}

/// The lane and everything to publish; an error without a problem when the journal must look itself.
fn follow(
    hub: &Hub,
    catalog: &Catalog,
    xrefs: &StoredXrefs,
    arrival: &Arrival,
    system: &System,
    decoded: &Decoded,
    routes: &[&Arc<Route>],
) -> Result<(String, Vec<Addressed>), Option<Problem>> {
    let Decoded { document_type, document, syntax, .. } = decoded;
    let judgement = judge(catalog, system, Direction::In, document_type, document, *syntax, &hub.limits);
    if let Some((_, problem)) = judgement.stop {
        return Err(Some(problem));
    }
    let budget = || Budget::new(hub.limits.evaluation_steps);
    let identity =
        |of: &str| arrival.key.as_ref().map(|key| name_based_uuid(&format!("{}\0{key}\0{of}", arrival.system)));
    let message_id =
        identity("").map_or_else(|| hub.ids.next(IdKind::Message), |uuid| format!("msg_{}", uuid.replace('-', "")));
    let facts = Facts {
        id: message_id.clone(),
        received: hub.clock.now(),
        system: arrival.system.clone(),
        site: decoded.site.clone(),
        document_type: document_type.clone(),
        business_key: decoded.business_key.clone(),
        date: decoded.date.clone(),
    };
    let mut lane = String::new();
    let mut all = Vec::new();
    for route in routes {
        if let Some(order_by) = &route.order_by {
            lane = order_by.text(document, &budget()).map_err(|failure| Some(failure.problem()))?;
            if routes.len() > 1 {
                // two routes may order by different keys: then one goes after another
                EVERYTHING.clone_into(&mut lane);
            }
        }
        for target in &route.targets {
            if let Some(when) = &target.when
                && !when.holds(document, &budget()).map_err(|failure| Some(failure.problem()))?
            {
                continue;
            }
            let Some(to) = catalog.system(&target.system) else { return Err(None) };
            let mapped = match map_document(catalog, target, to, document, &facts, xrefs, &hub.limits) {
                Ok(mapped) => mapped,
                Err(Stop::LeftOut(_)) => continue,
                Err(Stop::Store(_) | Stop::MissingXref { .. }) => return Err(None),
                Err(Stop::MissingCode(problem) | Stop::Problem(_, problem)) => return Err(Some(problem)),
            };
            let Mapped { bytes, content_type, document_type, .. } = mapped;
            let delivery = identity(&format!("{}\0{}\0{}", route.id, target.system, target.document));
            let outgoing = Outgoing {
                delivery_id: delivery
                    .map_or_else(|| hub.ids.next(IdKind::Delivery), |uuid| format!("dlv_{}", uuid.replace('-', ""))),
                message_id: message_id.clone(),
                attempt: 1,
                bytes: bytes.into(),
                content_type,
                business_key: decoded.business_key.clone(),
                traceparent: arrival.attributes.get("traceparent").cloned(),
                document_type,
            };
            all.push((target.system.clone(), outgoing));
        }
    }
    Ok((lane, all))
}

/// An arrival, to be published as it is, under its own id.
fn outgoing_as_it_came(hub: &Hub, arrival: &Arrival) -> Outgoing {
    let id = arrival.attributes.get("amqp_message_id").cloned().unwrap_or_else(|| hub.ids.next(IdKind::Message));
    Outgoing {
        delivery_id: id.clone(),
        message_id: arrival.attributes.get("correlation_id").cloned().unwrap_or(id),
        attempt: 1,
        bytes: arrival.bytes.clone(),
        content_type: arrival.content_type.clone().unwrap_or_default(),
        business_key: None,
        traceparent: arrival.attributes.get("traceparent").cloned(),
        document_type: arrival.document_type.clone(),
    }
}

#[async_trait]
impl Intake for RelayIntake {
    async fn accept(&self, arrival: Arrival) -> Verdict {
        let began = self.hub.clock.monotonic();
        // taken at the first poll, which is in queue order
        let (place, mine) = oneshot::channel();
        let before = self.order.lock().unwrap_or_else(PoisonError::into_inner).placed.replace(mine);
        if let Readiness::Closed { retry_after, .. } = self.journal.readiness() {
            return Verdict::Unavailable { retry_after };
        }
        let plan = if arrival.problem.is_some() { Plan::Journal } else { self.plan(&arrival).await };
        if let Some(before) = before {
            // one that was dropped is as good as placed: it holds nothing back
            let _ = before.await;
        }
        let route = match &plan {
            Plan::Relay { route, .. } => Some(route.clone()),
            _ => None,
        };
        let lane = match &plan {
            Plan::Relay { lane, .. } if !lane.is_empty() => Some(lane.clone()),
            _ => None,
        };
        let turn = lane.map(|lane| {
            let (done, end) = oneshot::channel();
            let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            if order.lanes.len() >= LANES && order.lanes.len().is_power_of_two() {
                order.lanes.retain(|_, end| end.try_recv() != Ok(true));
            }
            (order.lanes.insert(lane, end), done)
        });
        let _ = place.send(());
        let (earlier, done) = turn.map_or((None, None), |(earlier, done)| (earlier, Some(done)));
        let may_go = match earlier {
            Some(earlier) => earlier.await.unwrap_or(false),
            None => true,
        };
        let verdict =
            if may_go { self.relay(arrival, plan).await } else { Verdict::Unavailable { retry_after: LATER } };
        if let Some(done) = done {
            let _ = done.send(!matches!(verdict, Verdict::Unavailable { .. }));
        }
        if let (Some(route), Verdict::Accepted { .. }) = (route, &verdict) {
            let seconds = self.hub.clock.monotonic().saturating_sub(began).as_secs_f64();
            histogram!(metric::RELAY_SECONDS, "route" => route).record(seconds);
        }
        verdict
    }

    fn authorize(&self, system: &str, key: Option<&Secret>) -> Access {
        self.journal.authorize(system, key)
    }

    fn readiness(&self) -> Readiness {
        self.journal.readiness()
    }

    async fn status(&self, system: &str, message_id: &str) -> Option<Value> {
        self.journal.status(system, message_id).await
    }

    fn session(&self) -> Option<Box<dyn Intake>> {
        let (hub, journal) = (self.hub.clone(), self.journal.clone());
        Some(Box::new(Self::new(hub, journal, self.dead_letters.clone())))
    }
}
