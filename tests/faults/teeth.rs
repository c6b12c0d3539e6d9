//! The checker itself: what is planted into the ledgers is found.

use std::time::Duration;

use super::{
    check::Expect,
    load::Plan,
    note::{Kind, Note},
    sink::Arrival,
    stage::{Design, Stage},
};

#[test]
fn the_checker_finds_what_is_planted() {
    let mut stage = Stage::set(Design::default());
    stage.load(Plan { keys: 3, notes: Some(30), senders: 1, ..Plan::default() }).finish();
    stage.check(&Expect::default());
    let good = stage.sink.arrivals();
    let of = |note: Note| {
        let here = |arrival: &Arrival| arrival.target == "books" && arrival.note == Ok(note);
        good.iter().position(here).expect("it arrived")
    };
    let (first, second) = (of(Note { key: 1, number: 0 }), of(Note { key: 1, number: 1 }));
    type Plant<'a> = (&'a str, Box<dyn Fn(&mut Vec<Arrival>) + 'a>);
    let plants: Vec<Plant> = vec![
        ("I1: acknowledged, and books never got it", Box::new(|all| drop(all.remove(first)))),
        ("I2: never sent", Box::new(|all| all[first].note = Ok(Note { key: 77, number: 0 }))),
        ("I3: not what the mapping makes", Box::new(|all| all[first].note = Err("<Entry/>".to_owned()))),
        ("I4: books got", Box::new(|all| all.swap(first, second))),
        ("I4: books got", Box::new(|all| all.push(all[first].clone()))),
        ("after the hub was told that it has it", Box::new(|all| all.insert(first, all[first].clone()))),
        (
            "I5: books got",
            Box::new(|all| {
                all.insert(first, Arrival { sure: false, delivery: "dlv_other".to_owned(), ..all[first].clone() });
            }),
        ),
        ("I6: books got 29 notes, the hub delivered 30", Box::new(|all| drop(all.remove(first)))),
    ];
    let patient = || Expect { patience: Duration::from_secs(1), ..Expect::default() };
    for (expected, plant) in plants {
        let mut all = good.clone();
        plant(&mut all);
        stage.sink.replace(all);
        let found = stage.verdict(&patient()).expect_err(expected);
        assert!(found.iter().any(|what| what.contains(expected)), "{expected}: {found:?}");
    }
    stage.sink.replace(good);
    stage.verdict(&patient()).expect("all is well again");
    let never = Note { key: 1, number: 500 };
    stage.ledger.begin(never, Kind::Plain);
    let found = stage.verdict(&patient()).expect_err("it was never acknowledged");
    assert!(found.iter().any(|what| what.contains("never acknowledged")), "{found:?}");
}
