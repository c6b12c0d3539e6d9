//! The state machine of messages, deliveries and lanes: a small model and the real store live through the same random
//! histories, and must agree on every answer.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use crossdock::{
    base::Timestamp,
    store::{
        AcceptOutcome, Act, AttemptOutcome, Decision, DeliveryState, Hold, Leased, MessageState, NewAttempt,
        NewDelivery, NewMessage, NewXref, Next, Output, Pause, PauseKind, Plan, Reason, Release, SqliteStore, Start,
        Store, Transport, WaitKey, XrefKey,
    },
};

use super::{check::Figures, row::Row};

const STEPS: usize = 250;
const SUSPECT_FOR_LAST: u32 = crossdock::store::MAX_PARSE_ATTEMPTS;

#[derive(Clone)]
struct Message {
    id: String,
    key: Option<(u32, u32)>,
    state: MessageState,
    cause: String,
    handed: bool,
    parses: u32,
}

#[derive(Clone)]
struct Delivery {
    id: String,
    /// The message's place in accept order, and its own place in the plan.
    place: (usize, usize),
    destination: &'static str,
    lane: &'static str,
    blocks_when_parked: bool,
    freed: bool,
    state: DeliveryState,
    due_at: Timestamp,
    cause: String,
    waits_for: Option<u32>,
    attempts: u32,
    tries: u32,
    leased: bool,
    made: bool,
    sending: bool,
    unknown: bool,
}

impl Delivery {
    fn blocks(&self) -> bool {
        match self.state {
            DeliveryState::Planned | DeliveryState::Waiting => true,
            DeliveryState::Parked => self.blocks_when_parked && !self.freed,
            _ => false,
        }
    }

    fn become_state(&mut self, state: DeliveryState, cause: &str) {
        (self.state, self.leased, self.freed, self.waits_for) = (state, false, false, None);
        cause.clone_into(&mut self.cause);
    }

    fn release(&mut self, now: Timestamp) {
        let leased = self.leased;
        self.become_state(DeliveryState::Planned, "");
        (self.due_at, self.tries, self.leased) = (self.due_at.min(now), 0, leased);
    }

    fn attempt(&mut self, outcome: AttemptOutcome) {
        (self.attempts, self.tries, self.sending) = (self.attempts + 1, self.tries + 1, false);
        self.unknown |= outcome == AttemptOutcome::Unknown;
    }

    fn may_have_arrived(&self) -> bool {
        self.unknown || self.sending || (self.made && self.attempts == 0)
    }
}

#[derive(Default)]
struct Model {
    messages: Vec<Message>,
    deliveries: Vec<Delivery>,
    known: BTreeSet<u32>,
    gone: BTreeSet<&'static str>,
}

const DESTINATIONS: [&str; 2] = ["books", "feed"];
const LANES: [&str; 3] = ["", "L1", "L2"];
const CAUSES: [&str; 3] = ["mapping", "rejected", "calendar"];

fn reason(cause: &str) -> Reason {
    Reason { cause: cause.to_owned(), code: "XD-X001".to_owned(), text: "because".to_owned(), ..Reason::default() }
}

fn decided(verb: &str, step: usize, at: Timestamp) -> Act {
    let [verb, by, why] = [verb, "li.wei", "no need"].map(str::to_owned);
    Act { id: format!("act_{step}"), verb, by, why, query: String::new(), at }
}

fn xref(number: u32) -> XrefKey {
    let [entity, source_system, target_system] = ["customer", "crm", "books"].map(str::to_owned);
    XrefKey { entity, source_system, source_id: format!("C{number}"), target_system }
}

impl Model {
    /// Whether a delivery is where its lane begins, or has no lane.
    fn is_ready(&self, one: &Delivery) -> bool {
        let same = |other: &&Delivery| (other.destination, other.lane) == (one.destination, one.lane) && other.blocks();
        let head = self.deliveries.iter().filter(same).min_by_key(|other| other.place);
        one.state == DeliveryState::Planned && (one.lane.is_empty() || head.is_some_and(|head| head.id == one.id))
    }

    /// What a lease must hand out.
    fn leasable(&self, destination: Option<&str>, now: Timestamp, limit: usize) -> Vec<usize> {
        let undecided = self.messages.iter().position(|message| message.state == MessageState::Accepted);
        let fits = |one: &Delivery| {
            self.is_ready(one)
                && !one.leased
                && one.due_at <= now
                && destination.is_none_or(|wanted| wanted == one.destination)
                && !self.gone.contains(one.destination)
                && (one.lane.is_empty() || undecided.is_none_or(|first| first >= one.place.0))
        };
        let mut found: Vec<usize> = (0..self.deliveries.len()).filter(|at| fits(&self.deliveries[*at])).collect();
        found.sort_by_key(|at| (self.deliveries[*at].due_at, self.deliveries[*at].place));
        found.truncate(limit);
        found
    }

    /// Which messages must be handed out for transformation: their places, and whether each is given up.
    fn work(&self, limit: usize) -> Vec<(usize, bool)> {
        let open = |message: &Message| message.state == MessageState::Accepted && !message.handed;
        let (mut found, mut kind) = (Vec::new(), None);
        for (at, message) in self.messages.iter().enumerate().filter(|(_, message)| open(message)).take(limit) {
            // after one crash a few together, after two each alone; never with those of another kind
            let company = match message.parses {
                1 => 16,
                2.. if message.parses < SUSPECT_FOR_LAST => 1,
                _ => usize::MAX,
            };
            if *kind.get_or_insert(company) != company || found.len() >= company {
                break;
            }
            found.push((at, message.parses >= SUSPECT_FOR_LAST));
        }
        found
    }

    fn learn(&mut self, number: u32, now: Timestamp) -> u64 {
        self.known.insert(number);
        let waiting = self.deliveries.iter_mut().filter(|one| one.waits_for == Some(number));
        waiting.map(|one| one.release(now)).count() as u64
    }
}

/// One history: a store, its model, and chance.
struct History {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    model: Model,
    chance: fastrand::Rng,
    now: Timestamp,
    step: usize,
}

async fn open(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(folder.path(), "hub").await.expect("the store opens"))
}

impl History {
    async fn begin(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, chance) = (open(&folder).await, fastrand::Rng::with_seed(seed));
        Self { folder, store, model: Model::default(), chance, now: Timestamp(1_000_000_000), step: 0 }
    }

    async fn step(&mut self) {
        self.step += 1;
        self.now = self.now.plus(Duration::from_millis(self.chance.u64(0..1500)));
        match self.chance.u8(..100) {
            0..18 => self.accept().await,
            18..34 => self.transform().await,
            34..52 => self.lease().await,
            52..80 => self.end_a_lease().await,
            80..86 => self.release().await,
            86..90 => self.skip().await,
            90..94 => self.pause().await,
            94..96 => self.bring_forward().await,
            96..98 => self.open_again().await,
            _ => self.compare().await,
        }
    }

    async fn accept(&mut self) {
        let key = self.chance.bool().then(|| (self.chance.u32(..12), self.chance.u32(..2)));
        let (id, at) = (format!("msg_{}", self.model.messages.len()), self.step);
        let parked = self.chance.u8(..12) == 0;
        let new = NewMessage {
            id: id.clone(),
            system: "crm".to_owned(),
            document_type: String::new(),
            site: None,
            dedup_key: key.map(|(key, _)| key.to_string()),
            bytes: Bytes::from(key.map_or(format!("<a>{id}</a>"), |(key, body)| format!("<a>{key} {body}</a>"))),
            content_type: String::new(),
            transport: Transport::Http,
            received_at: self.now,
            attributes: std::collections::BTreeMap::new(),
            parked: parked.then(|| reason("mapping")),
        };
        let known = self
            .model
            .messages
            .iter()
            .find(|known| key.is_some() && known.key.map(|key| key.0) == key.map(|key| key.0));
        let expected = match known {
            Some(known) if known.key == key => (known.id.clone(), AcceptOutcome::Duplicate),
            Some(known) => (known.id.clone(), AcceptOutcome::Conflict),
            None => (id.clone(), AcceptOutcome::New),
        };
        let accepted = self.store.accept(new).await.expect("accepted");
        assert_eq!((accepted.id, accepted.outcome), expected, "step {at}");
        if expected.1 == AcceptOutcome::New {
            let (state, cause) = if parked { (MessageState::Parked, "mapping") } else { (MessageState::Accepted, "") };
            self.model.messages.push(Message { id, key, state, cause: cause.to_owned(), handed: false, parses: 0 });
        }
    }

    async fn transform(&mut self) {
        let limit = self.chance.usize(1..4);
        let expected = self.model.work(limit);
        let works = self.store.begin_transform(self.now, limit).await.expect("begun");
        let found: Vec<_> = works.iter().map(|work| (work.message.id.clone(), work.exhausted)).collect();
        let named: Vec<_> =
            expected.iter().map(|(at, given_up)| (self.model.messages[*at].id.clone(), *given_up)).collect();
        assert_eq!(found, named, "step {}", self.step);
        for (at, given_up) in expected {
            let message = &mut self.model.messages[at];
            (message.handed, message.parses) = (true, message.parses + u32::from(!given_up));
            // some stay undecided, as when the process is slow
            if self.chance.u8(..5) > 0 {
                self.plan(at).await;
            }
        }
    }

    async fn plan(&mut self, at: usize) {
        let decision = match self.chance.u8(..10) {
            0 => Decision::Park(reason("mapping")),
            1 => Decision::Filter { rule: "r".to_owned() },
            _ => {
                let count = self.chance.usize(1..4);
                let lane = LANES[self.chance.usize(..3)];
                Decision::Deliver((0..count).map(|position| self.new_delivery(at, position, lane)).collect())
            }
        };
        let message = &mut self.model.messages[at];
        (message.state, message.cause) = match &decision {
            Decision::Park(_) => (MessageState::Parked, "mapping".to_owned()),
            Decision::Filter { .. } => (MessageState::Filtered, "filtered".to_owned()),
            _ => (MessageState::Routed, String::new()),
        };
        message.handed = false;
        let plan = Plan {
            business_key: None,
            site: None,
            document_type: None,
            attributes: std::collections::BTreeMap::new(),
            decision,
        };
        self.store.plan(&message.id.clone(), plan.clone(), self.now).await.expect("planned");
        let again = self.store.plan(&self.model.messages[at].id, plan, self.now).await;
        assert!(again.is_err(), "step {}: a plan is taken once", self.step);
    }

    /// A delivery with a random start, in the model too.
    fn new_delivery(&mut self, message: usize, position: usize, lane: &'static str) -> NewDelivery {
        let id = format!("dlv_{message}_{position}_{}", self.step);
        let destination = DESTINATIONS[self.chance.usize(..2)];
        let blocks_when_parked = self.chance.bool();
        let customer = self.chance.u32(..6);
        let mut one = Delivery {
            id: id.clone(),
            place: (message, position),
            destination,
            lane,
            blocks_when_parked,
            freed: false,
            state: DeliveryState::Planned,
            due_at: self.now,
            cause: String::new(),
            waits_for: None,
            attempts: 0,
            tries: 0,
            leased: false,
            made: false,
            sending: false,
            unknown: false,
        };
        let start = match self.chance.u8(..10) {
            0 => {
                (one.state, one.cause) = (DeliveryState::Parked, "rejected".to_owned());
                Start::Park { reason: reason("rejected") }
            }
            1 => {
                (one.state, one.cause) = (DeliveryState::Filtered, "filtered".to_owned());
                Start::Filter { rule: "r".to_owned() }
            }
            2 | 3 => {
                if !self.model.known.contains(&customer) {
                    (one.state, one.cause, one.waits_for) = (DeliveryState::Waiting, "xref".to_owned(), Some(customer));
                }
                Start::Wait { key: WaitKey::Xref(xref(customer)), reason: reason("xref") }
            }
            _ => {
                one.due_at = self.now.plus(Duration::from_millis(self.chance.u64(..3000)));
                Start::Due { at: one.due_at }
            }
        };
        self.model.deliveries.push(one);
        NewDelivery {
            id,
            route: "notes".to_owned(),
            destination: destination.to_owned(),
            document: String::new(),
            lane: lane.to_owned(),
            blocks_when_parked,
            start,
            output: None,
        }
    }

    async fn lease(&mut self) {
        let destination = self.chance.bool().then(|| DESTINATIONS[self.chance.usize(..2)]);
        let limit = self.chance.usize(1..5);
        let expected = self.model.leasable(destination, self.now, limit);
        let leased = self.store.lease(destination, self.now, limit).await.expect("leased");
        let seen = |one: &Leased| (one.id.clone(), one.attempts, one.tries, one.unknown_before, one.output.is_some());
        let found: Vec<_> = leased.iter().map(seen).collect();
        let model = |at: &usize| {
            let one = &self.model.deliveries[*at];
            (one.id.clone(), one.attempts, one.tries, one.may_have_arrived(), one.made)
        };
        let wanted: Vec<_> = expected.iter().map(model).collect();
        assert_eq!(found, wanted, "step {}", self.step);
        expected.into_iter().for_each(|at| self.model.deliveries[at].leased = true);
    }

    async fn end_a_lease(&mut self) {
        let leased: Vec<usize> =
            (0..self.model.deliveries.len()).filter(|at| self.model.deliveries[*at].leased).collect();
        let Some(at) = self.chance.choice(leased) else { return };
        let id = self.model.deliveries[at].id.clone();
        if !self.model.deliveries[at].made && self.chance.bool() {
            let bytes = Bytes::from(format!("<out>{id}</out>"));
            let [content_type, document_type, mapping_hash] = ["application/xml", "out", "h"].map(str::to_owned);
            let output = Output { bytes, content_type, document_type, mapping_hash, notes: Vec::new() };
            self.store.store_output(&id, output).await.expect("stored");
            self.model.deliveries[at].made = true;
        } else if self.chance.bool() {
            self.store.begin_attempt(&id).await.expect("noted");
            self.model.deliveries[at].sending = true;
        }
        let customer = self.chance.u32(..6);
        let later = self.now.plus(Duration::from_millis(self.chance.u64(..4000)));
        match self.chance.u8(..12) {
            0..4 => self.record(at, AttemptOutcome::Delivered, customer, later).await,
            4 => self.record(at, AttemptOutcome::Retry, customer, later).await,
            5 => self.record(at, AttemptOutcome::Unknown, customer, later).await,
            6 => self.record(at, AttemptOutcome::Rejected, customer, later).await,
            7 => {
                let one = &mut self.model.deliveries[at];
                if self.model.known.contains(&customer) {
                    one.become_state(DeliveryState::Planned, "");
                    one.due_at = self.now;
                } else {
                    one.become_state(DeliveryState::Waiting, "xref");
                    one.waits_for = Some(customer);
                }
                let hold = Hold::Wait { key: WaitKey::Xref(xref(customer)), reason: reason("xref") };
                self.store.hold(&id, hold, self.now).await.expect("held");
            }
            8 => {
                self.model.deliveries[at].become_state(DeliveryState::Parked, "mapping");
                self.store.hold(&id, Hold::Park { reason: reason("mapping") }, self.now).await.expect("held");
            }
            9 | 10 => {
                let why = self.chance.bool().then(|| reason("calendar"));
                let one = &mut self.model.deliveries[at];
                one.become_state(DeliveryState::Planned, if why.is_some() { "calendar" } else { "" });
                one.due_at = later;
                self.store.hold(&id, Hold::Later { due_at: later, reason: why }, self.now).await.expect("held");
            }
            _ => {
                self.model.deliveries[at].become_state(DeliveryState::Filtered, "filtered");
                self.store.hold(&id, Hold::Filter { rule: "r".to_owned() }, self.now).await.expect("held");
            }
        }
        let twice = self.store.hold(&id, Hold::Park { reason: reason("mapping") }, self.now).await;
        assert!(twice.is_err(), "step {}: a lease ends once", self.step);
    }

    async fn record(&mut self, at: usize, outcome: AttemptOutcome, customer: u32, later: Timestamp) {
        let one = &mut self.model.deliveries[at];
        one.attempt(outcome);
        let id = one.id.clone();
        let mut released = 0;
        let next = match outcome {
            AttemptOutcome::Delivered => {
                one.become_state(DeliveryState::Delivered, "");
                let learnt = customer < 2;
                if learnt {
                    released = self.model.learn(customer, self.now);
                }
                let xrefs = learnt.then(|| NewXref { key: xref(customer), target_id: format!("T{customer}") });
                Next::Delivered { xrefs: xrefs.into_iter().collect() }
            }
            AttemptOutcome::Rejected => {
                let frees_lane = customer < 3;
                one.become_state(DeliveryState::Parked, "rejected");
                one.freed = frees_lane;
                Next::Park { reason: reason("rejected"), frees_lane }
            }
            _ => {
                one.become_state(DeliveryState::Planned, "");
                one.due_at = later;
                Next::Retry { due_at: later }
            }
        };
        let attempt = NewAttempt {
            id: format!("att_{}", self.step),
            started_at: self.now,
            ended_at: self.now,
            outcome,
            status: None,
            detail: String::new(),
            response: Bytes::new(),
            response_type: String::new(),
        };
        let recorded = self.store.record(&id, attempt, next).await.expect("recorded");
        let wanted = (self.model.deliveries[at].attempts, released);
        assert_eq!((recorded.number, recorded.released), wanted, "step {}", self.step);
    }

    async fn release(&mut self) {
        let held = |one: &Delivery| {
            matches!(one.state, DeliveryState::Waiting | DeliveryState::Parked)
                || (one.state == DeliveryState::Planned && !one.cause.is_empty())
        };
        let what = match self.chance.u8(..3) {
            0 => Release::Cause(CAUSES[self.chance.usize(..3)].to_owned()),
            1 => Release::WaitKeyPrefix("xref:customer:".to_owned()),
            _ => {
                let message = self.chance.usize(..self.model.messages.len().max(1));
                Release::Ids(vec![format!("msg_{message}")])
            }
        };
        let (mut deliveries, mut messages) = (0, 0);
        for one in &mut self.model.deliveries {
            let meant = match &what {
                Release::Cause(cause) => held(one) && one.cause == *cause,
                Release::WaitKeyPrefix(_) => one.state == DeliveryState::Waiting,
                Release::Ids(ids) => held(one) && ids[0] == format!("msg_{}", one.place.0),
            };
            if meant {
                one.release(self.now);
                deliveries += 1;
            }
        }
        for message in &mut self.model.messages {
            let meant = match &what {
                Release::Cause(cause) => message.cause == *cause,
                Release::WaitKeyPrefix(_) => false,
                Release::Ids(ids) => ids[0] == message.id,
            };
            if meant && message.state == MessageState::Parked {
                (message.state, message.parses) = (MessageState::Accepted, 0);
                message.cause.clear();
                messages += 1;
            }
        }
        let released = self
            .store
            .release(what.clone(), &decided("release", self.step, self.now), self.now)
            .await
            .expect("released");
        assert_eq!((released.deliveries, released.messages), (deliveries, messages), "step {}: {what:?}", self.step);
    }

    async fn skip(&mut self) {
        if self.chance.bool() {
            let Some(one) = self.chance.choice(self.model.deliveries.iter_mut()) else { return };
            let may = !one.state.is_final() && !one.leased;
            let skipped = self.store.skip(&one.id, &decided("skip", self.step, self.now), self.now).await;
            assert_eq!(skipped.is_ok(), may, "step {}: {skipped:?}", self.step);
            if may {
                one.become_state(DeliveryState::Skipped, "skipped");
            }
        } else {
            let Some(message) = self.chance.choice(self.model.messages.iter_mut()) else { return };
            let may = message.state == MessageState::Parked;
            let skipped = self.store.skip(&message.id, &decided("skip", self.step, self.now), self.now).await;
            assert_eq!(skipped.is_ok(), may, "step {}: {skipped:?}", self.step);
            if may {
                (message.state, message.cause) = (MessageState::Skipped, "skipped".to_owned());
            }
        }
    }

    async fn pause(&mut self) {
        let destination = DESTINATIONS[self.chance.usize(..2)];
        if self.model.gone.remove(destination) {
            self.store.resume(Some(destination), PauseKind::Gone).await.expect("resumed");
        } else {
            self.model.gone.insert(destination);
            let pause = Pause {
                destination: destination.to_owned(),
                kind: PauseKind::Gone,
                since: self.now,
                until: None,
                address: String::new(),
                reason: reason("gone"),
            };
            self.store.pause(&pause).await.expect("paused");
        }
    }

    async fn bring_forward(&mut self) {
        let destination = DESTINATIONS[self.chance.usize(..2)];
        let latest = self.now.plus(Duration::from_millis(self.chance.u64(..2000)));
        let model = &self.model;
        let meant = |one: &Delivery| {
            model.is_ready(one) && one.destination == destination && one.due_at > latest && one.cause.is_empty()
        };
        let meant: Vec<usize> = (0..model.deliveries.len()).filter(|at| meant(&model.deliveries[*at])).collect();
        let changed = self.store.bring_forward(destination, self.now, latest).await.expect("brought forward");
        assert_eq!(changed, meant.len() as u64, "step {}", self.step);
        for at in meant {
            let one = &mut self.model.deliveries[at];
            one.due_at = if one.tries == 0 { self.now } else { latest };
        }
    }

    async fn open_again(&mut self) {
        self.store.close().await;
        self.store = open(&self.folder).await;
        self.model.deliveries.iter_mut().for_each(|one| one.leased = false);
        self.model.messages.iter_mut().for_each(|message| message.handed = false);
    }

    /// Everything, one by one.
    async fn compare(&mut self) {
        for (at, message) in self.model.messages.iter().enumerate() {
            let view = self.store.message(&message.id).await.expect("read").expect("it is there");
            let cause = view.message.reason.map(|reason| reason.cause).unwrap_or_default();
            assert_eq!(
                (view.message.state, &cause),
                (message.state, &message.cause),
                "{} at {}",
                message.id,
                self.step
            );
            let mut of_it: Vec<&Delivery> = self.model.deliveries.iter().filter(|one| one.place.0 == at).collect();
            of_it.sort_by_key(|one| one.place);
            let found: Vec<_> =
                view.deliveries.iter().map(|one| (one.id.clone(), one.state, one.attempt_count)).collect();
            let wanted: Vec<_> = of_it.iter().map(|one| (one.id.clone(), one.state, one.attempts)).collect();
            assert_eq!(found, wanted, "step {}", self.step);
        }
        let counts = self.store.counts().await.expect("counts");
        assert_eq!((counts.total, counts.unaccounted), (self.model.messages.len() as u64, 0), "step {}", self.step);
    }
}

#[test]
fn random_histories_of_the_store_agree_with_the_model() {
    let row = Row::begin(
        "Model",
        "random histories: the store against a model of messages, deliveries, lanes (rounds: histories of 250 steps)",
        12,
        400,
    );
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut figures = Figures::default();
    for round in 0..row.rounds {
        let seed = row.seed.wrapping_add(round as u64);
        let history = async {
            let mut history = History::begin(seed).await;
            for _ in 0..STEPS {
                history.step().await;
            }
            history.compare().await;
            let verified = history.store.verify(&|_| ()).await.expect("verified");
            assert!(verified.faults.is_empty(), "{:?}", verified.faults);
            history.store.close().await;
            history.model.messages.len()
        };
        println!("history {seed}");
        figures.acknowledged += runtime.block_on(history);
    }
    row.held(&figures, "");
}
