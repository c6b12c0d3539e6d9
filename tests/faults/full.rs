//! F6: the disk is full.

use std::{thread, time::Duration};

use super::{
    check::{Expect, Figures},
    disk::Disk,
    load::Plan,
    row::Row,
    stage::{Design, Stage, StoreKind},
    support::{wait_until, wait_within},
};

fn on(disk: &Disk) -> Stage {
    let settings = "storage.soft = \"8MiB\"\nstorage.hard = \"4MiB\"\nstorage.ballast = \"4MiB\"\n".to_owned();
    Stage::build(Design { store: StoreKind::At(disk.mount.join("data")), settings, ..Design::default() })
}

#[test]
fn f6_small_blocks_are_refused_at_the_start() {
    let row = Row::begin("F6 blocks of 1024", "ext4 with blocks of 1024 bytes: refused at the start", 1, 1);
    let disk = match Disk::ext4(32, 1024) {
        Ok(disk) => disk,
        Err(why) => return row.skip(&why),
    };
    let mut stage = on(&disk);
    stage.node().launch();
    let status = stage.node().wait();
    assert!(!status.success());
    let log = stage.node().log();
    assert!(log.contains("has blocks of 1024 bytes; at least 4096 are needed"), "{log}");
    row.held(&Figures { faults: 1, ..Figures::default() }, "the hub says why and ends");
}

#[test]
fn f6_full_disk_with_blocks_of_4096() {
    play(
        Row::begin("F6 blocks of 4096", "disk full under load, killed while full, room made (ext4, 4096)", 1, 5),
        || Disk::ext4(48, 4096),
    );
}

#[test]
fn f6_full_disk_in_memory() {
    play(Row::begin("F6 tmpfs", "disk full under load, killed while full, room made (tmpfs)", 1, 5), || {
        Disk::tmpfs(32)
    });
}

fn play(mut row: Row, disk: impl Fn() -> Result<Disk, String>) {
    let mut total = Figures::default();
    for _ in 0..row.rounds {
        let disk = match disk() {
            Ok(disk) => disk,
            Err(why) => return row.skip(&why),
        };
        let mut stage = on(&disk);
        stage.node().start();
        let load = stage.load(Plan { pause: Duration::ZERO, ..Plan::default() });
        wait_until("some are acknowledged", || stage.ledger.acknowledged() > 50);
        thread::sleep(Duration::from_millis(row.chance.u64(0..500)));
        disk.fill();
        // until nothing is accepted any more
        let mut before = usize::MAX;
        wait_until("the hub takes nothing more", || {
            thread::sleep(Duration::from_millis(400));
            std::mem::replace(&mut before, stage.ledger.acknowledged()) == before
        });
        let alive = stage.node().is_running();
        if row.chance.bool() || !alive {
            stage.kill9();
            stage.node().launch();
            thread::sleep(Duration::from_millis(1500));
        }
        // what was sent without room for a record is sent again
        stage.hurt();
        disk.free();
        if !stage.node().is_running() {
            stage.hurt();
            stage.node().start();
        }
        let until = stage.ledger.acknowledged() + 100;
        wait_within(Duration::from_secs(60), "the hub takes notes again", || stage.ledger.acknowledged() > until);
        load.stop();
        let mut figures = stage.check(&Expect::default());
        figures.faults = 1;
        total.add(&figures);
        stage.node().kill9();
    }
    row.held(&total, "");
}
