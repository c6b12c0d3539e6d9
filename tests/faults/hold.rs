//! F7, F19 and F21: the hub is held up, doubled, reloaded and starved of file descriptors.

use std::{net::TcpStream, process::Command, thread, time::Duration};

use super::{
    check::{Expect, Figures},
    load::Plan,
    row::Row,
    stage::{Design, Stage},
    support::{wait_until, wait_within},
};

#[test]
fn f7_held_up_and_continued() {
    let mut row = Row::begin("F7", "the process is stopped for a while and goes on (SIGSTOP, SIGCONT)", 3, 30);
    let mut stage = Stage::set(Design { timeout: "1s", ..Design::default() });
    let load = stage.load(Plan::default());
    for round in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(50..600)));
        stage.node().signal("STOP");
        // longer than the timeouts of both sides, now and then much longer
        thread::sleep(Duration::from_millis(if round % 10 == 9 { 35_000 } else { row.chance.u64(300..2500) }));
        stage.hurt();
        stage.node().signal("CONT");
        stage.hurt();
    }
    load.stop();
    let mut figures = stage.check(&Expect::default());
    figures.faults = row.rounds;
    row.held(&figures, "");
}

#[test]
fn f19_a_second_daemon_and_reloads_under_load() {
    let mut row = Row::begin("F19", "a second daemon on the same journal, and reloads, under load", 3, 30);
    let mut stage = Stage::build(Design { nodes: 2, ..Design::default() });
    stage.node().start();
    let load = stage.load(Plan::default());
    for round in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(50..300)));
        let second = &mut stage.nodes[1];
        second.launch();
        let status = second.wait();
        assert!(!status.success(), "the second daemon must not run: {status}");
        assert!(second.log().contains("is in use by process"), "{}", second.log());
        stage.setup.write("routes/notes.yaml", &format!("{}# edit {round}\n", stage.setup.read("routes/notes.yaml")));
        stage.node().signal("HUP");
    }
    load.stop();
    assert!(stage.node().is_running());
    stage.nodes.truncate(1);
    let mut figures = stage.check(&Expect::default());
    figures.faults = 2 * row.rounds;
    row.held(&figures, "the second one ends and says who holds the journal; nobody notices the reloads");
}

#[test]
fn f21_no_file_descriptors_left() {
    let row = Row::begin("F21", "no file descriptors left (prlimit), clients that hold connections open", 1, 5);
    if Command::new("prlimit").arg("--version").output().is_err() {
        return row.skip("prlimit is not here");
    }
    let mut total = Figures::default();
    for _ in 0..row.rounds {
        let mut stage = Stage::set(Design::default());
        let load = stage.load(Plan::default());
        wait_until("some are acknowledged", || stage.ledger.acknowledged() > 50);
        let pid = stage.node().pid().to_string();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors can be seen").count();
        let limit = |most: usize| {
            let status = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={most}:")]).status();
            assert!(status.expect("prlimit runs").success());
        };
        limit(open + 10);
        let port = stage.node().ingest;
        let idle: Vec<TcpStream> = (0..60).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
        thread::sleep(Duration::from_secs(3));
        stage.hurt();
        limit(4096);
        drop(idle);
        let until = stage.ledger.acknowledged() + 50;
        if !stage.node().is_running() {
            stage.node().start();
        }
        wait_within(Duration::from_secs(30), "the hub takes notes again", || stage.ledger.acknowledged() > until);
        load.stop();
        let mut figures = stage.check(&Expect::default());
        figures.faults = 1;
        total.add(&figures);
    }
    row.held(&total, "");
}
