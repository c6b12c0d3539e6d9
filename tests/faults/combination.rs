//! F22: several faults at once, by chance from a seed.

use std::{thread, time::Duration};

use super::{
    check::{Expect, Figures},
    load::Plan,
    partner::{chosen_toxic, misbehave},
    proxy::Toxic,
    row::Row,
    stage::{Design, Stage},
};

/// Rounds of one hub before its books are compared and a new one is taken.
const A_STAGE: usize = 10;

#[test]
fn f22_several_faults_at_once() {
    let mut row =
        Row::begin("F22", "two or three faults at once: kill, pause, reload, bad partner, bad network", 8, 80);
    let mut total = Figures::default();
    for first in (0..row.rounds).step_by(A_STAGE) {
        let mut stage = Stage::build(Design { timeout: "1s", ..Design::default() });
        let proxy = stage.between();
        stage.node().start();
        let load = stage.load(Plan { keys: 60, ..Plan::default() });
        for _ in 0..A_STAGE.min(row.rounds - first) {
            for _ in 0..row.chance.usize(2..4) {
                let wait = Duration::from_millis(row.chance.u64(50..700));
                match row.chance.u8(..5) {
                    0 => {
                        thread::sleep(wait);
                        stage.kill9();
                        stage.node().start();
                    }
                    1 => {
                        stage.hurt();
                        stage.node().signal("STOP");
                        thread::sleep(wait);
                        stage.node().signal("CONT");
                        stage.hurt();
                    }
                    2 => stage.node().signal("HUP"),
                    3 => misbehave(&stage.sink, row.chance.u64(..), 40),
                    _ => proxy.set(chosen_toxic(&mut row.chance)),
                }
                total.faults += 1;
            }
            thread::sleep(Duration::from_millis(row.chance.u64(100..600)));
            proxy.set(Toxic::None);
            stage.sink.heal();
        }
        load.stop();
        total.add(&stage.check(&Expect { network: true, ..Expect::default() }));
    }
    row.held(&total, "");
}
