//! One row of the evidence: its size, its chance, and what it leaves for the report.

use std::{fs, path::PathBuf, time::Instant};

use serde_json::{Value, json};

use super::{check::Figures, environment, support::root};

/// The rounds of kill -9 in the full size; every other row has its share of them.
const FULL: usize = 200;

/// A row while it is played.
pub struct Row {
    pub id: &'static str,
    what: &'static str,
    pub seed: u64,
    pub rounds: usize,
    pub chance: fastrand::Rng,
    began: Instant,
}

/// Where rows leave their results for the report.
pub fn results() -> PathBuf {
    root().join("target/faults")
}

impl Row {
    /// A row with so many rounds in `make test`, and so many in the full size.
    pub fn begin(id: &'static str, what: &'static str, quick: usize, full: usize) -> Self {
        let rounds = match environment("FAULT_ROUNDS").and_then(|rounds| rounds.parse::<usize>().ok()) {
            Some(scale) => (full * scale).div_ceil(FULL).max(1),
            None => quick,
        };
        let given = environment("FAULT_SEED").and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
        println!("{id} {what}: seed {seed}, {rounds} rounds");
        let row = Self { id, what, seed, rounds, chance: fastrand::Rng::with_seed(seed), began: Instant::now() };
        row.leave("failed", &Figures::default(), "it did not come to its end");
        row
    }

    /// All held.
    pub fn held(&self, figures: &Figures, note: &str) {
        println!("{} held: {figures:?} {note}", self.id);
        self.leave("held", figures, note);
    }

    /// This machine cannot play it.
    pub fn skip(&self, why: &str) {
        println!("{} SKIPPED: {why}", self.id);
        self.leave("skipped", &Figures::default(), why);
    }

    fn leave(&self, result: &str, figures: &Figures, note: &str) {
        let value: Value = json!({
            "id": self.id, "what": self.what, "seed": self.seed, "rounds": self.rounds, "result": result, "note": note,
            "seconds": self.began.elapsed().as_secs(), "acknowledged": figures.acknowledged,
            "faults": figures.faults, "repeats": figures.repeats, "parked": figures.parked,
            "start_ms": figures.slowest_start.as_millis(), "memory_kib": figures.memory_kib,
        });
        fs::create_dir_all(results()).expect("the folder of results can be made");
        let name = format!("{}.json", self.id.replace([' ', '/'], "-"));
        fs::write(results().join(name), value.to_string()).expect("a result can be kept");
    }
}
