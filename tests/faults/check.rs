//! The one checker of all rows: after the faults are healed and everything has come to rest, it compares the senders'
//! ledger, the sinks' records and the hub's books.
//!
//! I1 every acknowledged note is in one final state. I2 nothing arrived that was not sent. I3 what arrived is what the
//! mapping makes of it, to the byte. I4 for a key, first arrivals are in accept order, where sends did not overlap, and
//! no note comes again after its successor was begun. I5 a repeat has the same delivery id, and only where the hub could
//! not know better. I6 the conservation law. I7 the journal's own check. I8 ready again within 5 s. I9 memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    note::{Kind, Note},
    sink::Arrival,
    stage::Stage,
};

const READY_WITHIN: Duration = Duration::from_secs(5);
const MEMORY_KIB: u64 = 300 << 10;

/// What a checked stage amounts to.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Notes acknowledged.
    pub acknowledged: usize,
    /// Faults done to the hub or its neighbours.
    pub faults: usize,
    /// Arrivals beyond the first, all under the first one's id.
    pub repeats: usize,
    /// Messages and deliveries that wait for a person, as they should.
    pub parked: usize,
    pub slowest_start: Duration,
    pub memory_kib: u64,
}

impl Figures {
    /// Adds another stage's figures.
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.faults += other.faults;
        self.repeats += other.repeats;
        self.parked += other.parked;
        self.slowest_start = self.slowest_start.max(other.slowest_start);
        self.memory_kib = self.memory_kib.max(other.memory_kib);
    }
}

/// How a stage is judged.
pub struct Expect {
    /// How long coming to rest may take.
    pub patience: Duration,
    /// A bad network lies between hub and sinks: an old request may come late, and what the sink answered says nothing
    /// about what the hub was told. Repeats are held against the attempts in the hub's books instead.
    pub network: bool,
    /// Whether senders gave up on notes, so that there are some nobody acknowledged.
    pub abandoned: bool,
    /// Messages beside the notes that are parked, as they must be.
    pub others_parked: u64,
}

impl Default for Expect {
    fn default() -> Self {
        Self { patience: Duration::from_secs(120), network: false, abandoned: false, others_parked: 0 }
    }
}

/// The sum of some deliveries in the hub's books.
fn deliveries(counts: &Value, holds: impl Fn(&Value) -> bool) -> u64 {
    let rows = counts["deliveries"].as_array().into_iter().flatten();
    rows.filter(|row| holds(row)).filter_map(|row| row["count"].as_u64()).sum()
}

fn number(counts: &Value, name: &str) -> u64 {
    counts[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {counts}"))
}

impl Stage {
    /// Waits until nothing is under way any more; the hub's books then.
    #[track_caller]
    fn at_rest(&self, expect: &Expect) -> Value {
        let until = Instant::now() + expect.patience;
        let least = self.ledger.acknowledged() as u64;
        loop {
            let counts = self.counts();
            if let Some(counts) = &counts
                && number(counts, "accepted") == 0
                && number(counts, "total") >= least
                && deliveries(counts, |row| row["state"] == "planned" || row["state"] == "waiting") == 0
            {
                return counts.clone();
            }
            assert!(
                Instant::now() < until,
                "not at rest within {:?}, {least} acknowledged: {counts:?}",
                expect.patience
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Compares all ledgers and asserts I1 to I9. The nodes must run, every fault must be healed.
    #[track_caller]
    pub fn check(&mut self, expect: &Expect) -> Figures {
        match self.verdict(expect) {
            Ok(figures) => figures,
            Err(wrong) => {
                let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
                panic!("{} violations:\n{shown}\n{:?}", wrong.len(), self.counts());
            }
        }
    }

    /// The same as a value: the figures, or every violation.
    pub fn verdict(&mut self, expect: &Expect) -> Result<Figures, Vec<String>> {
        let counts = self.at_rest(expect);
        let mut wrong = self.ledger.complaints();
        let mut figures = self.judge(&counts, expect, &mut wrong);
        self.check_books(&mut figures, &mut wrong);
        if wrong.is_empty() { Ok(figures) } else { Err(wrong) }
    }

    fn judge(&self, counts: &Value, expect: &Expect, wrong: &mut Vec<String>) -> Figures {
        let sent = self.ledger.sent();
        let second = if self.design.amqp_out.is_some() { "bus" } else { "feed" };
        let mut arrivals = self.sink.arrivals();
        if let Some((address, queue)) = &self.design.amqp_out {
            arrivals.extend(self.runtime.block_on(super::queue::drain(address, queue)));
        }
        let mut by_target: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::from([("books", vec![]), (second, vec![])]);
        for arrival in &arrivals {
            match (&arrival.note, by_target.get_mut(arrival.target.as_str())) {
                (Ok(note), Some(_)) if !sent.contains_key(note) => wrong.push(format!("I2: never sent: {arrival:?}")),
                (Ok(_), Some(list)) => list.push(arrival),
                _ => wrong.push(format!("I3: not what the mapping makes: {arrival:?}")),
            }
        }
        let mut figures = Figures { acknowledged: self.ledger.acknowledged(), ..Figures::default() };
        let of_kind = |kind: Kind| sent.values().filter(|sent| sent.to.is_some() && sent.kind == kind).count() as u64;
        for (target, list) in &by_target {
            let arrived: BTreeSet<Note> = list.iter().filter_map(|arrival| arrival.note.clone().ok()).collect();
            let due = |kind: Kind| kind == Kind::Plain || (kind == Kind::Refused && *target != "books");
            for (note, sent) in &sent {
                match (sent.to.is_some(), arrived.contains(note)) {
                    (true, false) if due(sent.kind) => {
                        wrong.push(format!("I1: acknowledged, and {target} never got it: {note:?} {sent:?}"));
                    }
                    (_, true) if !due(sent.kind) => wrong.push(format!("I2: {target} got what is parked: {note:?}")),
                    (false, _) if !expect.abandoned => wrong.push(format!("never acknowledged: {note:?}")),
                    _ => (),
                }
            }
            figures.repeats += self.judge_repeats(target, list, expect, wrong);
            self.judge_order(target, list, expect, wrong);
            let delivered = deliveries(counts, |row| row["destination"] == *target && row["state"] == "delivered");
            if delivered != arrived.len() as u64 {
                wrong.push(format!("I6: {target} got {} notes, the hub delivered {delivered}", arrived.len()));
            }
        }
        let states = ["accepted", "routed", "parked", "filtered", "skipped", "split"];
        let (total, sum) = (number(counts, "total"), states.iter().map(|state| number(counts, state)).sum::<u64>());
        let routed = number(counts, "routed");
        if total != sum || number(counts, "unaccounted") != 0 || deliveries(counts, |_| true) != 2 * routed {
            wrong.push(format!("I6: the books are out of balance: {counts}"));
        }
        let (least, most) = (figures.acknowledged as u64, sent.len() as u64);
        let (least, most) = (least + expect.others_parked, most + expect.others_parked);
        if !(least..=most).contains(&total) {
            wrong.push(format!("I6: {least} acknowledged, {most} sent, {total} in the journal"));
        }
        let parked = (number(counts, "parked"), deliveries(counts, |row| row["state"] == "parked"));
        if parked != (of_kind(Kind::Malformed) + expect.others_parked, of_kind(Kind::Refused)) {
            wrong.push(format!("I1: parked messages and deliveries are not those that should be: {parked:?}"));
        }
        figures.parked = usize::try_from(parked.0 + parked.1).unwrap_or_default();
        figures
    }

    /// I5: one delivery id a note; a repeat only after an arrival whose fate the hub could not know.
    fn judge_repeats(&self, target: &str, list: &[&Arrival], expect: &Expect, wrong: &mut Vec<String>) -> usize {
        let mut last: BTreeMap<Note, &Arrival> = BTreeMap::new();
        let mut repeats = 0;
        for arrival in list {
            let Ok(note) = arrival.note else { continue };
            let Some(before) = last.insert(note, arrival) else { continue };
            repeats += 1;
            if before.delivery != arrival.delivery || arrival.delivery.is_empty() {
                wrong.push(format!("I5: {target} got {note:?} as {} and as {}", before.delivery, arrival.delivery));
            }
            let hurt = match target {
                // a queue does not say when something came
                "bus" => !self.hurt.is_empty(),
                _ => self.hurt.iter().any(|(from, to)| *from <= arrival.at && before.at <= *to),
            };
            if expect.network {
                if !hurt && !self.doubted(&arrival.delivery) {
                    wrong.push(format!("I5: {target} got {note:?} again, and the hub had no doubt"));
                }
            } else if before.sure && !hurt {
                let apart = arrival.at - before.at;
                wrong.push(format!("I5: {target} got {note:?} again {apart:?} after the hub was told that it has it"));
            }
        }
        repeats
    }

    /// Whether the hub's books say why a delivery was sent again: an attempt that did not end well before the one that did.
    fn doubted(&self, delivery: &str) -> bool {
        let message = self.nodes[0].json(&format!("/api/v1/messages/{delivery}")).unwrap_or_default();
        let all = message["deliveries"].as_array().into_iter().flatten();
        let Some(found) = all.into_iter().find(|found| found["id"] == delivery) else { return false };
        let outcomes = found["attempts"].as_array().into_iter().flatten().map(|attempt| attempt["outcome"].as_str());
        let outcomes: Vec<&str> = outcomes.flatten().collect();
        matches!(outcomes.split_last(), Some((&"delivered", rest)) if !rest.is_empty() && !rest.contains(&"delivered"))
    }

    /// I4: first arrivals in accept order; nothing comes again once a later note of its key was begun.
    fn judge_order(&self, target: &str, list: &[&Arrival], expect: &Expect, wrong: &mut Vec<String>) {
        let sent = self.ledger.sent();
        let mut keys: BTreeMap<u32, Vec<Note>> = BTreeMap::new();
        for arrival in list {
            let Ok(note) = arrival.note else { continue };
            let seen = keys.entry(note.key).or_default();
            if seen.last() == Some(&note) {
                continue;
            }
            if seen.contains(&note) {
                if !expect.network {
                    wrong.push(format!("I4: {target} got {note:?} again after {:?}", seen.last()));
                }
                continue;
            }
            seen.push(note);
        }
        for firsts in keys.values() {
            // a note may not come before one that was acknowledged before its own sending began
            let mut latest: Option<(Note, Instant)> = None;
            for note in firsts {
                let Some(sent) = sent.get(note) else { continue };
                if let (Some((other, from)), Some(to)) = (latest, sent.to)
                    && to < from
                {
                    wrong.push(format!("I4: {target} got {other:?} before {note:?}"));
                }
                if latest.is_none_or(|(_, from)| sent.from > from) {
                    latest = Some((*note, sent.from));
                }
            }
        }
    }

    /// The metric, `messages verify`, starts and memory.
    fn check_books(&mut self, figures: &mut Figures, wrong: &mut Vec<String>) {
        for node in &mut self.nodes {
            node.measure();
            figures.slowest_start = figures.slowest_start.max(node.slowest_start);
            figures.memory_kib = figures.memory_kib.max(node.memory_kib);
            let metrics = node.get("/metrics").map(|(_, text)| text).unwrap_or_default();
            if !metrics.lines().any(|line| line == "crossdock_messages_unaccounted 0") {
                wrong.push(format!("I6: {} does not say that nothing is unaccounted for", node.name));
            }
            if node.slowest_start > READY_WITHIN {
                wrong.push(format!("I8: {} was ready after {:?}", node.name, node.slowest_start));
            }
            if node.memory_kib > MEMORY_KIB {
                wrong.push(format!("I9: {} had {} KiB", node.name, node.memory_kib));
            }
        }
        let verified = self.nodes[0].command(&["messages", "verify"]);
        if verified.code != 0 {
            wrong.push(format!("I7: messages verify: {}{}", verified.text(), verified.talk));
        }
    }
}
