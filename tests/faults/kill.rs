//! F1: the hub is killed with -9 at random moments.

use std::{thread, time::Duration};

use super::{
    check::{Expect, Figures},
    load::Plan,
    row::Row,
    stage::{Design, Stage},
};

/// Kills of one hub before its books are compared and a new one is taken.
const KILLS_A_STAGE: usize = 20;

#[test]
fn f1_kill_at_random_moments() {
    let mut row = Row::begin("F1", "kill -9 at random moments", 20, 200);
    let mut total = Figures::default();
    for first in (0..row.rounds).step_by(KILLS_A_STAGE) {
        let mut stage = Stage::set(Design::default());
        let load = stage.load(Plan::default());
        let kills = KILLS_A_STAGE.min(row.rounds - first);
        for _ in 0..kills {
            // mostly soon after the start, when it recovers; sometimes after a while
            let wait = if row.chance.u8(..10) < 8 { row.chance.u64(50..700) } else { row.chance.u64(700..3000) };
            thread::sleep(Duration::from_millis(wait));
            stage.kill9();
            stage.node().start();
        }
        load.stop();
        let mut figures = stage.check(&Expect::default());
        figures.faults = kills;
        total.add(&figures);
    }
    row.held(&total, "");
}
