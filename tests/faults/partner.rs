//! F12 and F13: the network to the partner is bad, and the partner answers badly.

use std::{thread, time::Duration};

use super::{
    check::{Expect, Figures},
    load::Plan,
    note::Note,
    proxy::{Proxy, Toxic},
    row::Row,
    sink::{Fault, Sink},
    stage::{Design, Stage},
    support::wait_until,
};

/// Everything after which the hub must try again.
const BAD_ANSWERS: &[Fault] = &[
    Fault::Late(Duration::from_millis(300)),
    Fault::Late(Duration::from_millis(1500)),
    Fault::Status(500, None),
    Fault::Status(502, None),
    Fault::Status(503, Some("1")),
    Fault::Status(429, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
    Fault::Status(503, Some("soon")),
    Fault::Status(503, Some("-7")),
    Fault::Status(408, None),
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::Reset,
    Fault::HalfAnswer,
    Fault::EndlessHead,
    Fault::Hang,
    Fault::SlowAnswer,
    Fault::Huge,
    Fault::Bomb,
    Fault::Garbage,
    Fault::SaysLater,
    Fault::Continue,
];

/// A choice that depends on the request's number only.
pub fn chosen(seed: u64, number: usize, bad_percent: u8) -> Fault {
    let mut chance = fastrand::Rng::with_seed(seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9));
    if chance.u8(..100) >= bad_percent { Fault::None } else { BAD_ANSWERS[chance.usize(..BAD_ANSWERS.len())] }
}

/// The sink answers badly, at random.
pub fn misbehave(sink: &Sink, seed: u64, bad_percent: u8) {
    sink.mood(move |number, _, _| chosen(seed, number, bad_percent));
}

#[test]
fn f13_a_partner_that_answers_badly() {
    let mut row = Row::begin("F13", "partner answers badly: 20 kinds, at random for a third of the requests", 1, 8);
    let mut total = Figures::default();
    for _ in 0..row.rounds {
        let mut stage = Stage::set(Design { timeout: "1s", ..Design::default() });
        let seed = row.chance.u64(..);
        misbehave(&stage.sink, seed, 33);
        let load = stage.load(Plan { keys: 60, notes: Some(300), ..Plan::default() });
        load.finish();
        wait_until("the sink was asked often", || stage.sink.asked() > 500);
        stage.sink.heal();
        let mut figures = stage.check(&Expect::default());
        figures.faults = (1..=stage.sink.asked()).filter(|number| chosen(seed, *number, 33) != Fault::None).count();
        total.add(&figures);
    }
    row.held(&total, "");
}

#[test]
fn f13_refusals_are_parked_and_released_in_order() {
    let row =
        Row::begin("F13 refusals", "partner refuses for good (301, 400, a reply that says no); released later", 1, 1);
    let mut stage = Stage::set(Design::default());
    stage.sink.mood(|_, target, note| match (target, note) {
        ("books", Some(Note { key: 1, number: 3.. })) => Fault::Status(301, None),
        ("books", Some(Note { key: 2, number: 3.. })) => Fault::Status(400, None),
        ("books", Some(Note { key: 3, number: 3.. })) => Fault::SaysNo,
        _ => Fault::None,
    });
    stage.load(Plan { keys: 9, notes: Some(120), ..Plan::default() }).finish();
    wait_until("three lanes are blocked, the others flow", || {
        let counts = stage.counts().unwrap_or_default();
        let rows = counts["deliveries"].as_array().cloned().unwrap_or_default();
        let books = |state: &str| {
            let found = rows.iter().find(|row| row["destination"] == "books" && row["state"] == state);
            found.and_then(|row| row["count"].as_u64()).unwrap_or_default()
        };
        let behind = stage.ledger.sent().keys().filter(|note| (1..=3).contains(&note.key) && note.number > 3).count();
        books("parked") == 3 && books("planned") == behind as u64
    });
    stage.sink.heal();
    assert_eq!(stage.release_parked(), 3);
    let mut figures = stage.check(&Expect::default());
    figures.faults = 3;
    row.held(&figures, "the lanes of the three waited, all others flowed");
}

#[test]
fn f12_a_bad_network_to_the_partner() {
    let mut row = Row::begin("F12", "bad network to the partner: slow, cut at byte n, sliced, half open, reset", 1, 8);
    let mut total = Figures::default();
    for _ in 0..row.rounds {
        let mut stage = Stage::build(Design { timeout: "1s", ..Design::default() });
        let proxy = stage.between();
        stage.node().start();
        let load = stage.load(Plan { keys: 60, ..Plan::default() });
        let mut faults = 0;
        for _ in 0..12 {
            let toxic = chosen_toxic(&mut row.chance);
            proxy.set(toxic);
            faults += 1;
            thread::sleep(Duration::from_millis(250));
            proxy.set(Toxic::None);
            thread::sleep(Duration::from_millis(100));
        }
        load.stop();
        let mut figures = stage.check(&Expect { network: true, ..Expect::default() });
        figures.faults = faults;
        total.add(&figures);
    }
    row.held(&total, "");
}

/// One of the ways a network can be bad.
pub fn chosen_toxic(chance: &mut fastrand::Rng) -> Toxic {
    match chance.u8(..8) {
        0 => Toxic::Latency(Duration::from_millis(chance.u64(50..900))),
        1 => Toxic::CutRequest(chance.usize(1..900)),
        2 => Toxic::CutAnswer(chance.usize(1..120)),
        3 => Toxic::Slices(chance.usize(1..40), Duration::from_millis(2)),
        4 => Toxic::HalfOpen,
        5 => Toxic::Reset,
        6 => Toxic::Close,
        _ => Toxic::Latency(Duration::from_millis(1500)),
    }
}

impl Stage {
    /// A proxy between the hub and the sinks; before the hub is started.
    pub fn between(&self) -> Proxy {
        let proxy = Proxy::start(self.runtime.handle(), self.sink.port);
        for system in ["books", "feed"] {
            let file = format!("systems/{system}.yaml");
            let text = self.setup.read(&file);
            let (direct, through) = (format!(":{}/", self.sink.port), format!(":{}/", proxy.port));
            assert!(text.contains(&direct) || self.design.amqp_out.is_some());
            self.setup.write(&file, &text.replace(&direct, &through));
        }
        proxy
    }

    /// Releases every parked delivery, with the hub stopped, and starts it again; how many.
    pub fn release_parked(&mut self) -> usize {
        let listed = self.node().command(&["messages", "list", "--state", "parked", "--limit", "100000", "--json"]);
        let listed = listed.expect(0).json();
        let items = listed["items"].as_array().expect("a list");
        let ids: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
        self.node().stop();
        for some in ids.chunks(200) {
            let words = ["messages", "release"].into_iter().chain(some.iter().copied());
            let words: Vec<&str> = words.chain(["--by", "suite", "--why", "the partner takes them now"]).collect();
            self.node().command(&words).expect(0);
        }
        self.node().start();
        ids.len()
    }
}
