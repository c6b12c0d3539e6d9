//! Valid official instances, mutated at random: our verdict beside libxml2's (`lxml`), fifty mutations each.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crossdock::{
    format::{ReadOptions, Syntax, read},
    schema::Validator,
};
use serde_json::{Value, json};

use super::families::families;

/// The mutations are the same each time.
const SEED: &str = "20261125";
const EACH: &str = "50";

/// Mutated documents the two may judge differently, by what libxml2 says of them (or `valid`) and why we think it wrong.
const EXPLAINED: &[(&str, &str)] = &[];

/// A Python with lxml: the one `make bench` keeps, or the machine's own.
fn python() -> Option<String> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python3");
    let candidates = [kept.to_string_lossy().into_owned(), "python3".to_owned()];
    candidates.into_iter().find(|python| {
        Command::new(python).args(["-c", "import lxml.etree"]).output().is_ok_and(|done| done.status.success())
    })
}

#[test]
fn verdicts_on_mutated_documents_are_libxml2s() {
    let Some(python) = python() else {
        println!("mutations: lxml is not present (`make conformance` brings it)");
        return;
    };
    let (mut same, mut explained, mut wrong) = (0, BTreeMap::<&str, usize>::new(), Vec::new());
    let mut invalid = 0;
    for family in families() {
        let sets = family.load();
        let out = tempfile::tempdir().expect("a folder");
        let jobs: Vec<Value> = family
            .instances
            .iter()
            .enumerate()
            .map(|(number, instance)| {
                let path = out.path().join(format!("original-{number}.xml"));
                fs::write(&path, &instance.bytes).expect("writable");
                json!({"name": instance.root(), "schema": family.schema_of(&instance.root()), "instance": path})
            })
            .collect();
        let list = out.path().join("jobs.json");
        fs::write(&list, serde_json::to_vec(&jobs).expect("JSON")).expect("writable");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/mutate.py");
        let status = Command::new(&python).arg(script).arg(&list).arg(out.path()).args([SEED, EACH]).status();
        assert!(status.expect("python runs").success());
        let verdicts = fs::read_to_string(out.path().join("verdicts.jsonl")).expect("the verdicts");
        for line in verdicts.lines() {
            let verdict: Value = serde_json::from_str(line).expect("JSON");
            let bytes = fs::read(out.path().join(verdict["file"].as_str().expect("a file"))).expect("readable");
            let document = read(&bytes, Syntax::Xml, &ReadOptions::default()).expect("well-formed").document;
            let found = sets[verdict["name"].as_str().expect("a name")].validate(&document, 3);
            let why = verdict["why"].as_str().unwrap_or_default();
            invalid += usize::from(!found.is_empty());
            if found.is_empty() == verdict["valid"].as_bool().expect("a verdict") {
                same += 1;
                continue;
            }
            let ours = found.first().map_or_else(|| "valid".to_owned(), ToString::to_string);
            let both = format!("{why} | {ours}");
            match EXPLAINED.iter().find(|(pattern, _)| pattern.split('*').all(|part| both.contains(part))) {
                Some((_, reason)) => *explained.entry(reason).or_default() += 1,
                None => wrong.push(format!(
                    "{} {} {}: theirs {why:?}, ours {ours}",
                    family.name, verdict["name"], verdict["kind"]
                )),
            }
        }
    }
    let all = same + explained.values().sum::<usize>() + wrong.len();
    println!("mutations: {all} documents, {invalid} invalid; the same verdict on {same}");
    explained.iter().for_each(|(reason, count)| println!("  {count} differ: {reason}"));
    assert!(
        wrong.is_empty(),
        "{} of {all} differ without an explanation:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(60)].join("\n")
    );
    assert!(all == 0 || same * 1000 >= all * 995, "fewer than 99.5 % are the same");
}
