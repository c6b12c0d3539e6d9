//! JSON-Schema-Test-Suite: drafts 7, 2019-09 and 2020-12, through the same door as documents of partners.

use std::{collections::BTreeMap, fs, path::Path};

use crossdock::{
    format::{ReadOptions, Syntax, read},
    schema::{Formats, JsonSchema, Validator},
};
use serde_json::Value;

use super::corpora;

/// The drafts, with the address of their schema of schemas.
const DRAFTS: [(&str, &str); 3] = [
    ("draft7", "http://json-schema.org/draft-07/schema#"),
    ("draft2019-09", "https://json-schema.org/draft/2019-09/schema"),
    ("draft2020-12", "https://json-schema.org/draft/2020-12/schema"),
];

/// Required tests that a format asserts nothing: a profile may say so, ours do not.
const FORMATS_SAY_NOTHING: &str = "format.json";

/// The tests of one kind and how they ended.
#[derive(Default)]
struct Score {
    passed: usize,
    /// Test and what came instead.
    failed: Vec<(String, String)>,
}

#[test]
fn json_schema_test_suite() {
    let Some(folder) = corpora::unpacked("JSON-Schema-Test-Suite") else { return };
    let mut wrong = Vec::new();
    for (draft, dialect) in DRAFTS {
        let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
        let tests = folder.path().join("tests").join(draft);
        for file in corpora::files(&tests) {
            let name = file.strip_prefix(&tests).expect("below").to_string_lossy().into_owned();
            let kind = match name.as_str() {
                _ if name.starts_with("optional/format/") => "optional formats",
                _ if name.starts_with("optional/") => "optional",
                _ => "required",
            };
            let remotes = folder.path().join("remotes");
            run(&file, &format!("{draft}/{name}"), dialect, &remotes, scores.entry(kind).or_default());
        }
        for (kind, score) in &scores {
            let total = score.passed + score.failed.len();
            println!("JSON-Schema-Test-Suite, {draft}, {kind}: {} of {total}", score.passed);
            wrong.extend(score.failed.iter().map(|(test, got)| format!("{test}: {got}")));
        }
        let required = scores.get("required").map_or(0, |score| score.passed);
        assert!(required > 800, "{draft} is not complete: {required}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Runs the tests of a file; `remotes` holds what lies under `http://localhost:1234`.
fn run(file: &Path, name: &str, dialect: &str, remotes: &Path, score: &mut Score) {
    let groups: Vec<Value> = serde_json::from_slice(&fs::read(file).expect("readable")).expect("JSON");
    for group in groups {
        let mut schema = group["schema"].clone();
        if let Some(members) = schema.as_object_mut().filter(|members| !members.contains_key("$schema")) {
            members.insert("$schema".to_owned(), dialect.into());
        }
        let bytes = serde_json::to_vec(&schema).expect("JSON");
        let files = |asked: &str| match asked {
            "test.json" => Some(bytes.clone()),
            _ => fs::read(remotes.join(asked.strip_prefix("localhost:1234/")?)).ok(),
        };
        let says_nothing = file.ends_with(FORMATS_SAY_NOTHING) && !name.contains("optional");
        let formats = if says_nothing { Formats::Annotations } else { Formats::Asserted };
        let schema = JsonSchema::load(&files, "test.json", formats);
        for test in group["tests"].as_array().expect("tests") {
            let title = |value: &Value| value["description"].as_str().unwrap_or_default().replace(['\t', '\n'], " ");
            let id = format!("{name}: {}: {}", title(&group), title(test));
            let expected = test["valid"].as_bool().expect("a verdict");
            let data = serde_json::to_vec(&test["data"]).expect("JSON");
            let got = match (&schema, read(&data, Syntax::Json, &ReadOptions::default())) {
                (Err(problems), _) => Err(problems.to_string()),
                (_, Err(problem)) => Err(problem.to_string()),
                (Ok(schema), Ok(reading)) => {
                    let found = schema.validate(&reading.document, 3);
                    match found.is_empty() == expected {
                        true => Ok(()),
                        false => Err(found.first().map_or_else(|| "accepted".to_owned(), ToString::to_string)),
                    }
                }
            };
            match got {
                Ok(()) => score.passed += 1,
                Err(got) => score.failed.push((id, got)),
            }
        }
    }
}
