//! How long one small formula takes in both engines: compiled before, the document read before, evaluation alone.

use std::{cell::RefCell, hint::black_box, time::Instant};

use crossdock::{
    document::NodeId,
    xpath::{Binding, Budget, Formula, Frame, Item, Scope},
};
use xee_xpath::{Itemable as _, Queries, Query as _};

use crate::{ours, theirs};

const FORMULA: &str = "upper-case(normalize-space(a/b))";
const DOCUMENT: &str = "<a><b> steel  bolt </b><c>4</c></a>";
const ANSWER: &str = "STEEL BOLT";
/// Rounds, of which the median counts, and evaluations in a round.
const ROUNDS: usize = 201;
const EVALUATIONS: u32 = 1_000;
/// What share of the other engine's time ours may take at most: one part of so many.
const BAR: f64 = 30.0;

/// Prints microseconds an evaluation and the ratio; whether the bar is met.
pub fn compare() -> bool {
    if cfg!(debug_assertions) {
        println!("a debug build: its times say nothing");
    }
    let document = ours::document(DOCUMENT);
    let symbols = RefCell::default();
    let formula = Formula::compile(FORMULA, &Scope::new(&symbols)).expect("a formula");
    let documents = [&document];
    let binding = Binding::new(&symbols.borrow(), &documents);
    let item = Item::Node(0, NodeId::ROOT);
    let evaluate = || {
        let budget = Budget::new(5_000_000);
        let frame = Frame {
            documents: &documents,
            binding: &binding,
            item: Some(&item),
            position: 1,
            size: 1,
            variables: &(),
            host: &(),
            budget: &budget,
            trace: None,
        };
        formula.evaluate(&frame).expect("a value")
    };
    assert!(matches!(evaluate().items(), [Item::String(text)] if **text == *ANSWER));

    let queries = Queries::default();
    let query = queries.sequence(FORMULA).expect("a formula");
    let (mut held, handle) = theirs::document(DOCUMENT).into_parts();
    let root = handle.to_item(&held).expect("the document node");
    let mut builder = query.dynamic_context_builder(&held);
    builder.context_item(root);
    let context = builder.build();
    let found = query.execute(&mut held, handle).expect("a value").one().expect("one item");
    assert_eq!(found.string_value(held.xot()).expect("a text"), ANSWER);

    // Taking turns, so that what else the machine does befalls all.
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(micros(|| drop(black_box(evaluate()))));
        times[1].push(micros(|| drop(black_box(query.execute_with_context(&mut held, &context)))));
        times[2].push(micros(|| drop(black_box(query.execute(&mut held, handle)))));
    }
    let [ours, prepared, plain] = times.map(median);
    println!("`{FORMULA}`, compiled, on a small document; median of {ROUNDS} rounds of {EVALUATIONS}");
    println!("{ours:8.3} µs ours");
    println!("{plain:8.3} µs xee, execute: ours takes 1/{:.0} (bar: 1/{BAR:.0})", plain / ours);
    println!("{prepared:8.3} µs xee, its dynamic context made beforehand: ours takes 1/{:.0}", prepared / ours);
    plain / ours >= BAR
}

/// Microseconds one evaluation takes in a round.
fn micros(mut evaluate: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..EVALUATIONS).for_each(|_| evaluate());
    began.elapsed().as_secs_f64() * 1e6 / f64::from(EVALUATIONS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
