//! Asks formulas at random in our engine and in another one, and compares the answers: `make oracle`.
//!
//! `--speed` compares the time of one small formula instead (`make formulas`).
//!
//! A difference is a mistake of ours, to be mended, or is explained in `differences.txt` by one of its rules.

mod answer;
mod differences;
mod generate;
mod ours;
mod sample;
mod speed;
mod theirs;

use std::collections::BTreeMap;

use answer::Answer;
use differences::Differences;
use generate::Generator;

/// Formulas, and how many are asked of one document.
const FORMULAS: u64 = 5_000;
const PER_DOCUMENT: u64 = 50;
/// The seed that `differences.txt` is about.
const SEED: u64 = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let work = move || match arguments.first().map(|word| word.parse()) {
        None => run(SEED),
        Some(Err(_)) if arguments[0] == "--speed" => speed::compare(),
        Some(Ok(seed)) => run(seed),
        Some(Err(_)) => ask(&arguments),
    };
    let thread = std::thread::Builder::new().stack_size(1 << 30).spawn(work).expect("a thread");
    std::process::exit(i32::from(!thread.join().unwrap_or(false)));
}

/// Asks some formulas of one order.
fn ask(formulas: &[String]) -> bool {
    let text = sample::order(&mut fastrand::Rng::with_seed(SEED));
    println!("{text}");
    let (document, mut held) = (ours::document(&text), theirs::document(&text));
    for formula in formulas {
        let (our, their) = (ours::answer(formula, &document), theirs::answer(formula, &mut held));
        println!("{formula}\n  ours    {our}\n  theirs  {their}");
    }
    true
}

fn run(seed: u64) -> bool {
    // A panic of the other engine is an answer, too.
    std::panic::set_hook(Box::new(|_| {}));
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut generator = Generator::new(seed);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut differences = Differences::load();
    let mut unexplained = 0;
    for _ in 0..FORMULAS / PER_DOCUMENT {
        let text = sample::order(&mut random);
        let document = ours::document(&text);
        let mut held = theirs::document(&text);
        for _ in 0..PER_DOCUMENT {
            let formula = generator.formula();
            let our = ours::answer(&formula.text(), &document);
            let their = theirs::answer(&formula.text(), &mut held);
            let end = if our.agrees(&their) {
                match our {
                    Answer::Error(_) => "agree on an error".to_owned(),
                    _ => "agree on a value".to_owned(),
                }
            } else if ours::answer(&formula.with_doubles(), &document).agrees(&their) {
                "differ: untyped is decimal, they agree once it is made a double".to_owned()
            } else if their == Answer::Panic {
                "differ: the other engine panics".to_owned()
            } else if let Some(rule) = differences.explained(&formula.text()) {
                format!("differ: {rule}")
            } else {
                unexplained += 1;
                println!("{}\n  ours    {our}\n  theirs  {their}", formula.text());
                "differ, unexplained".to_owned()
            };
            *counts.entry(end).or_default() += 1;
        }
    }
    for (end, count) in counts {
        println!("{count:6} {end}");
    }
    let stale = if seed == SEED { differences.stale() } else { Vec::new() };
    for formula in &stale {
        println!("explained in differences.txt, but the answers agree: {formula}");
    }
    unexplained == 0 && stale.is_empty()
}
