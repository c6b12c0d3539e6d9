//! JSONTestSuite: what must be accepted, what must be refused, and what we chose where RFC 8259 leaves it open.

use crossdock::format::{Duplicates, ReadOptions, Syntax, read};

use super::corpora;

/// Accepted only by `duplicates: last-wins`; the default refuses them on purpose.
const DUPLICATES: [&str; 2] = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"];

#[test]
fn json_test_suite() {
    let Some(folder) = corpora::unpacked("JSONTestSuite") else { return };
    let (mut must, mut must_not, mut chosen, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for file in corpora::files(folder.path()) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).expect("readable");
        let with = |duplicates| {
            let options = ReadOptions { duplicates, ..ReadOptions::default() };
            read(&bytes, Syntax::Json, &options)
        };
        let (strict, lenient) = (with(Duplicates::Refuse), with(Duplicates::LastWins));
        match name.get(..2) {
            Some("y_") => {
                must += 1;
                let refused = strict.as_ref().err().map(|problem| problem.code.id);
                let expected = DUPLICATES.contains(&name.as_str()).then_some("XD-F033");
                if lenient.is_err() || refused != expected {
                    wrong.push(format!("{name}: {strict:?}"));
                }
            }
            Some("n_") => {
                must_not += 1;
                if strict.is_ok() || lenient.is_ok() {
                    wrong.push(format!("{name}: accepted"));
                }
            }
            Some("i_") => chosen.push((name, strict.err().map(|problem| problem.code.id))),
            _ => (),
        }
    }
    println!("JSONTestSuite: {must} y_ accepted ({} with last-wins), {must_not} n_ refused", DUPLICATES.len());
    for (name, code) in &chosen {
        println!("  {name}: {}", code.map_or_else(|| "accepted".to_owned(), |code| format!("refused, {code}")));
    }
    assert!(must > 90 && must_not > 180, "the suite is not complete: {must} y_, {must_not} n_");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
