//! F2 and F5: the process dies at its n-th flush, write or network call, or the n-th flush or write fails.
//!
//! The calls are counted and struck by `strace`, so that every point between two of them is met in turn: before a commit,
//! after it and before the answer, after a send and before its record, in a checkpoint, while a new journal is made.

use std::{fs, time::Duration};

use super::{
    check::{Expect, Figures},
    load::{Load, Plan},
    row::Row,
    stage::{Design, Stage},
    support::{wait_until, wait_within},
};

/// Which n are tried in a short run; the full size tries each until nothing is hit any more.
const SOME: [usize; 7] = [1, 2, 3, 5, 8, 14, 30];
/// In a full run nothing has to be hit beyond this.
const MOST: usize = 120;
const NOTES: usize = 60;

#[test]
fn f5_a_flush_that_fails_ends_the_hub() {
    play(Row::begin("F5 flush", "EIO on the n-th fsync or fdatasync", SOME.len(), MOST), "fsync,fdatasync", EIO);
}

#[test]
fn f5_a_write_that_fails_ends_the_hub() {
    play(Row::begin("F5 write", "EIO on the n-th pwrite", SOME.len(), MOST), "pwrite64", EIO);
}

#[test]
fn f2_killed_at_a_call_to_the_disk() {
    let row = Row::begin("F2 disk", "kill -9 at the n-th flush or write of the journal", SOME.len(), MOST);
    play(row, "fsync,fdatasync,pwrite64", KILL);
}

#[test]
fn f2_killed_at_a_call_to_the_network() {
    let row = Row::begin("F2 network", "kill -9 at the n-th call that sends or receives", SOME.len(), MOST);
    play(row, "sendto,writev,recvfrom", KILL);
}

const EIO: &str = "error=EIO";
const KILL: &str = "signal=SIGKILL";

fn play(row: Row, calls: &str, what: &str) {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        return row.skip("strace is not here");
    }
    let mut total = Figures::default();
    let full = row.rounds > SOME.len();
    let tries: Vec<usize> = if full { (1..=row.rounds).collect() } else { SOME.to_vec() };
    let (mut last, mut passed_over) = (0, 0);
    for n in tries {
        let mut stage = Stage::build(Design::default());
        let trace = stage.setup.at("trace");
        let inject = format!("inject={calls}:{what}:when={n}");
        let trace_name = trace.to_str().expect("a plain path").to_owned();
        let arguments = ["strace", "-f", "-y", "-q", "-o", &trace_name, "-e", &format!("trace={calls}"), "-e", &inject];
        stage.node().launch.through = arguments.map(str::to_owned).to_vec();
        stage.node().launch();
        let node = stage.node();
        wait_within(Duration::from_secs(20), "ready or ended", || node.ended().is_some() || node.is_ready());
        let load = stage.load(Plan { notes: Some(NOTES), pause: Duration::ZERO, ..Plan::default() });
        let ended = wait_for_end(&mut stage, &load);
        let lines = fs::read_to_string(&trace).unwrap_or_default();
        let mut struck = lines.lines();
        let hit = struck.find(|line| line.contains("(INJECTED)") || line.contains("killed by SIGKILL"));
        if hit.is_some_and(|line| line.contains("/data>")) && !ended {
            // SQLite passes over a folder that will not be flushed; the hub flushes it again
            passed_over += 1;
            stage.kill9();
        } else if hit.is_some() {
            assert!(ended, "n = {n}: {what} must end the hub");
            let status = stage.node().wait();
            assert!(!status.success(), "n = {n}: {status}");
            total.faults += 1;
        } else {
            stage.kill9();
        }
        stage.hurt();
        stage.node().launch.through.clear();
        stage.node().start();
        load.finish();
        total.add(&stage.check(&Expect::default()));
        last = n;
        if hit.is_none() && full {
            break;
        }
    }
    let folder = if passed_over > 0 { ", but for SQLite's own flush of the folder, which ours repeats" } else { "" };
    row.held(&total, &format!("n up to {last}; every hit ended the hub{folder}"));
}

/// Waits until the hub has ended by itself or has done all its work; whether it ended.
fn wait_for_end(stage: &mut Stage, load: &Load) -> bool {
    let mut quiet = 0;
    let mut ended = false;
    wait_until("the hub ends or has done everything", || {
        ended = stage.node().ended().is_some();
        let counts = stage.counts();
        let at_rest = counts.is_some_and(|counts| counts["accepted"] == 0 && stage.sink.count() >= 2 * NOTES);
        quiet = if at_rest && load.begun() >= NOTES { quiet + 1 } else { 0 };
        ended || quiet > 30
    });
    ended
}
