//! F20: what is stored is changed behind the hub's back.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    check::{Expect, Figures},
    load::Plan,
    row::Row,
    sink::Fault,
    stage::{Design, Stage},
    support::{wait_until, wait_within},
};

/// The places of a text in the journal's files.
fn places(folder: &Path, text: &str) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for name in ["crossdock.db", "crossdock.db-wal"] {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        let hits = bytes.windows(text.len()).enumerate().filter(|(_, window)| *window == text.as_bytes());
        found.extend(hits.map(|(at, _)| (folder.join(name), at as u64)));
    }
    found
}

/// Turns one bit around; twice is as before.
fn flip(path: &Path, at: u64, bit: u8) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::File::options().read(true).write(true).open(path).expect("the journal's file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it can be read");
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).expect("it can be written");
}

#[test]
fn f20_a_flipped_bit_in_a_payload_is_found_named_and_never_sent() {
    let row = Row::begin(
        "F20 payload",
        "a bit flipped in a stored payload: found, named, never sent; turned back, all goes on",
        1,
        8,
    );
    let mut total = Figures::default();
    for _ in 0..row.rounds {
        let mut stage = Stage::set(Design::default());
        // the partner is away, so that everything is still to be sent
        stage.sink.mood(|_, _, _| Fault::Status(503, None));
        stage.load(Plan { notes: Some(60), ..Plan::default() }).finish();
        wait_until("all are planned", || stage.counts().is_some_and(|counts| counts["accepted"] == 0));
        let folder = stage.setup.at("data");
        stage.node().stop();
        // second in its lane, so that its output is not made yet
        let victim = "<Text>Note 1 of Key 4 &amp; more";
        let found = places(&folder, victim);
        assert_eq!(found.len(), 1, "{found:?}");
        flip(&found[0].0, found[0].1 + 11, 1);
        let verified = stage.node().command(&["messages", "verify"]);
        assert_ne!(verified.code, 0, "{}", verified.text());
        let said = format!("{}{}", verified.text(), verified.talk);
        assert!(said.contains("msg_") && said.contains("SHA-256"), "verify names the message: {said}");
        stage.sink.heal();
        stage.node().launch();
        wait_within(Duration::from_secs(30), "the hub stops", || !stage.node().is_running());
        let status = stage.node().wait();
        assert_eq!(status.code(), Some(70), "{}", stage.node().log());
        assert!(stage.node().log().contains("SHA-256"), "{}", stage.node().log());
        stage.hurt();
        flip(&found[0].0, found[0].1 + 11, 1);
        stage.node().start();
        // the checker would see a wrong byte that was sent
        let mut figures = stage.check(&Expect::default());
        figures.faults = 1;
        total.add(&figures);
    }
    row.held(&total, "exit 70, and the message is named");
}

#[test]
fn f20_damage_anywhere_is_survived_or_named() {
    let mut row =
        Row::begin("F20 file", "bits flipped anywhere, the log cut off, the file cut off (on copies)", 24, 240);
    let mut stage = Stage::set(Design::default());
    stage.load(Plan { notes: Some(200), ..Plan::default() }).finish();
    wait_until("all arrived", || stage.sink.count() >= 400);
    let copy = stage.setup.at("copy");
    let snapshot = |name: &str| {
        let to = stage.setup.at(name);
        fs::create_dir_all(&to).expect("a folder");
        for file in fs::read_dir(stage.setup.at("data")).expect("the journal").flatten() {
            // not the control socket
            if file.file_type().is_ok_and(|kind| kind.is_file()) {
                fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
            }
        }
        to
    };
    stage.nodes[0].kill9();
    let died = std::time::Instant::now();
    // what a killed hub leaves is mostly in the log, what a stopped one leaves is in the file
    let killed = snapshot("killed");
    stage.nodes[0].start();
    stage.nodes[0].stop();
    let stopped = snapshot("stopped");
    stage.hurt_since(died);
    let (mut named, mut shortened) = (0, 0);
    for round in 0..row.rounds {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(&copy).expect("a folder");
        let (from, pick) = match row.chance.u8(..4) {
            0 => (&killed, "crossdock.db-wal"),
            _ => (&stopped, "crossdock.db"),
        };
        for file in fs::read_dir(from).expect("the copy").flatten() {
            fs::copy(file.path(), copy.join(file.file_name())).expect("a copy");
        }
        let path = copy.join(pick);
        let length = fs::metadata(&path).expect("it is there").len().max(1);
        let at = row.chance.u64(..length);
        match round % 3 {
            0 => fs::File::options().write(true).open(&path).and_then(|file| file.set_len(at)).expect("it can be cut"),
            _ => (0..8).for_each(|_| flip(&path, row.chance.u64(..length), row.chance.u8(..8))),
        }
        let data = format!("hub.data={}", copy.display());
        let verified = stage.nodes[0].command(&["messages", "verify", "--set", &data]);
        // 0: what is left is whole; else it says what is wrong; never a crash
        assert!((0..100).contains(&verified.code), "{pick} at {at}: {} {}", verified.code, verified.talk);
        assert!(!verified.talk.contains("panicked"), "{}", verified.talk);
        named += usize::from(verified.code != 0);
        if verified.code == 0 {
            let counts = stage.nodes[0].command(&["messages", "counts", "--json", "--set", &data]).expect(0).json();
            shortened += usize::from(counts["total"].as_u64() < Some(200));
        }
    }
    stage.node().start();
    let mut figures = stage.check(&Expect::default());
    figures.faults = row.rounds;
    let rounds = row.rounds;
    let whole = "the others leave a journal that is whole";
    let short = "without its newest messages, as after a disk that lies about flushing";
    row.held(
        &figures,
        &format!("{named} of {rounds} named by `messages verify`, {whole}; {shortened} of these {short}"),
    );
}
