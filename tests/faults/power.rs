//! F3: the power goes. What counts is what had reached the disk: the hub is stopped in mid-step, the disk's image is
//! copied without what the kernel still holds, and the next life of the hub begins on the copy.

use std::{thread, time::Duration};

use super::{
    check::{Expect, Figures},
    disk::Disk,
    load::Plan,
    row::Row,
    stage::{Design, Stage, StoreKind},
};

/// Power cuts of one hub before its books are compared and a new one is taken.
const CUTS_A_STAGE: usize = 10;

#[test]
fn f3_power_loss_by_image_snapshot() {
    let mut row = Row::begin("F3", "power loss (image of the disk at that moment)", 5, 50);
    let mut total = Figures::default();
    for first in (0..row.rounds).step_by(CUTS_A_STAGE) {
        let mut disk = match Disk::ext4(64, 4096) {
            Ok(disk) => disk,
            Err(why) => return row.skip(&why),
        };
        let folder = disk.mount.join("data");
        let mut stage = Stage::set(Design { store: StoreKind::At(folder), ..Design::default() });
        let load = stage.load(Plan { pause: Duration::ZERO, ..Plan::default() });
        let cuts = CUTS_A_STAGE.min(row.rounds - first);
        for _ in 0..cuts {
            thread::sleep(Duration::from_millis(row.chance.u64(100..1200)));
            stage.node().measure();
            stage.node().signal("STOP");
            let left = disk.snapshot().expect("the image can be copied");
            stage.kill9();
            let at = disk.mount.clone();
            drop(disk);
            // the same place in the tree, the other disk
            std::fs::create_dir_all(&at).expect("the place can be made again");
            disk = left.attach_at(&at).expect("what is left can be mounted");
            stage.node().start();
        }
        load.stop();
        let mut figures = stage.check(&Expect::default());
        figures.faults = cuts;
        total.add(&figures);
        stage.node().kill9();
    }
    row.held(&total, "");
}
