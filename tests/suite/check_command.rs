//! `crossdock check`: every mistake of a set-up at once, each where it is.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Setup, crossdock, crossdock_in, root};

/// The set-ups with planted mistakes: a folder each, with what must be found in `expected.json`.
fn cases() -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(root().join("tests/cases/check")).expect("the cases are there");
    let cases: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    assert!(!cases.is_empty());
    cases
}

fn expected(case: &Path) -> Vec<Value> {
    let text = fs::read(case.join("expected.json")).expect("the expectation is there");
    serde_json::from_slice(&text).expect("a list of problems")
}

#[test]
fn planted_mistakes_are_all_reported_at_once_each_in_its_place() {
    for case in cases() {
        let ran = crossdock_in(&case, &["check", "--json"], &[]).expect(7).json();
        assert_eq!(ran["ok"], false);
        let found = ran["problems"].as_array().expect("a list");
        let expected = expected(&case);
        assert_eq!(found.len(), expected.len(), "{}: {ran:#}", case.display());
        for (found, expected) in found.iter().zip(&expected) {
            for (key, wanted) in expected.as_object().expect("an object") {
                let matches = found[key] == *wanted;
                assert!(matches, "{}: {key}: expected {wanted}, found {found:#}", case.display());
            }
            assert!(found["text"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }
}

#[test]
fn the_plain_output_names_file_line_column_code_and_suggestion() {
    for case in cases() {
        let ran = crossdock_in(&case, &["check"], &[]).expect(7);
        for expected in expected(&case) {
            let text = |key: &str| expected[key].as_str().expect("a text").to_owned();
            let place = format!("{}:{}:{}", text("file"), expected["line"], expected["column"]);
            let line = ran.talk.lines().find(|line| line.contains(&place) && line.contains(&text("code")));
            assert!(line.is_some_and(|line| line.contains(&text("hint"))), "{place}\n{}", ran.talk);
        }
        let errors = expected(&case).iter().filter(|problem| problem["severity"] == "error").count();
        assert!(ran.text().contains(&format!("{errors} errors")), "{}", ran.text());
    }
}

#[test]
fn the_example_and_the_shipped_library_are_clean() {
    let example = "examples/dealer-group/crossdock.toml";
    let ran = crossdock(&["check", "--json", "--deny-warnings", "--config", example]).expect(0).json();
    assert_eq!((ran["ok"].as_bool(), ran["problems"].as_array().map(Vec::len)), (Some(true), Some(0)));
    assert_eq!((ran["systems"].as_u64(), ran["routes"].as_u64()), (Some(3), Some(2)));
    let empty = tempfile::tempdir().expect("a folder");
    let ran = crossdock_in(empty.path(), &["check", "--json", "--deny-warnings"], &[]).expect(0).json();
    assert_eq!((ran["ok"].as_bool(), ran["problems"].as_array().map(Vec::len)), (Some(true), Some(0)));
    assert!(ran["mappings"].as_u64().is_some_and(|count| count >= 4), "{ran:#}");
}

#[test]
fn warnings_fail_only_when_asked_to() {
    let setup = Setup::dealer_group();
    let mapping = fs::read_to_string(root().join("mappings/u8/hub-sales-order-to-saleorder.yaml")).expect("shipped");
    let with_more = mapping.replacen("\nlet:\n", "\nlet:\n  nobody-needs-it: =SalesOrder/Note\n", 1);
    setup.write("mappings/u8/hub-sales-order-to-saleorder.yaml", &with_more);
    let config = setup.config();
    let ran = crossdock(&["check", "--config", &config, "--json"]).expect(0).json();
    assert_eq!(ran["problems"][0]["severity"], "warning", "{ran:#}");
    crossdock(&["check", "--config", &config, "--deny-warnings"]).expect(7);
}

#[test]
fn an_unknown_setting_is_refused_wherever_it_comes_from() {
    let setup = Setup::dealer_group().file("crossdock.toml", "[ingest]\nlistn = \"127.0.0.1:1\"\n");
    let in_file = crossdock(&["check", "--config", setup.config().as_str()]).expect(2);
    assert!(in_file.talk.contains("crossdock.toml:2:1"), "{}", in_file.talk);
    let environment = [("CROSSDOCK__INGEST__LISTN", "127.0.0.1:1")];
    let in_environment = crossdock_in(root(), &["check"], &environment).expect(2);
    assert!(in_environment.talk.contains("CROSSDOCK__INGEST__LISTN"), "{}", in_environment.talk);
    let in_flag = crossdock(&["check", "--set", "ingest.listn=127.0.0.1:1"]).expect(2);
    for ran in [in_file, in_environment, in_flag] {
        assert!(ran.talk.contains("did you mean `ingest.listen`?"), "{}", ran.talk);
        assert!(ran.talk.contains("XD-G002"), "{}", ran.talk);
    }
}

#[test]
fn later_layers_win_file_then_environment_then_flag() {
    let setup = Setup::dealer_group().file("crossdock.toml", "[ingest]\nlisten = \"127.0.0.1:1\"\n");
    let order = root().join("examples/dealer-group/messages/order-1.xml");
    let (config, order) = (setup.config(), order.to_str().expect("a plain path").to_owned());
    let plain = ["send", "crm", &order, "--config", &config];
    let mut flagged = plain.to_vec();
    flagged.extend(["--set", "ingest.listen=127.0.0.1:3"]);
    let environment = [("CROSSDOCK__INGEST__LISTEN", "127.0.0.1:2")];
    for (arguments, environment, address) in [
        (plain.as_slice(), [].as_slice(), "127.0.0.1:1"),
        (&plain, &environment, "127.0.0.1:2"),
        (&flagged, &environment, "127.0.0.1:3"),
    ] {
        let ran = crossdock_in(root(), arguments, environment).expect(5);
        assert!(ran.talk.contains(&format!("http://{address} ")), "{address}: {}", ran.talk);
    }
}

#[test]
fn the_reference_of_all_settings_is_itself_a_settings_file() {
    let setup = Setup::dealer_group();
    setup.write("crossdock.toml", &crossdock(&["check", "--reference"]).expect(0).text());
    crossdock(&["check", "--config", setup.config().as_str()]).expect(0);
}

#[test]
fn a_settings_file_that_is_not_there_is_named() {
    let ran = crossdock(&["check", "--config", "no/such.toml"]).expect(2);
    assert!(ran.talk.contains("no/such.toml"), "{}", ran.talk);
}

#[test]
fn an_address_that_can_never_be_used_is_found_before_the_first_message() {
    let setup = Setup::dealer_group().replace(
        "systems/u8-east.yaml",
        "http://127.0.0.1:18102/U8EAI/import.asp",
        "ftp://127.0.0.1/import",
    );
    let config = setup.at("crossdock.toml");
    let ran = crossdock(&["check", "--json", "--config", config.to_str().expect("a plain path")]);
    assert_eq!(ran.code, 7, "{}", ran.talk);
    let problems = ran.json()["problems"].clone();
    let file = problems[0]["file"].as_str().expect("a file");
    assert!(file.ends_with("systems/u8-east.yaml"), "{problems}");
    assert_eq!(problems.as_array().map(Vec::len), Some(1), "{problems}");
}

#[test]
fn the_content_digest_changes_with_every_file() {
    let digest = |setup: &Setup| {
        let config = setup.at("crossdock.toml");
        let ran = crossdock(&["check", "--json", "--config", config.to_str().expect("a plain path")]);
        ran.json()["content"].as_str().expect("a digest").to_owned()
    };
    let one = Setup::dealer_group();
    let other = Setup::dealer_group();
    assert_eq!(digest(&one), digest(&other));
    let codes = other.read("codes/currency.csv");
    let other = other.file("codes/currency.csv", &format!("{codes}EUR,欧元,u8-south,,,,\n"));
    assert_ne!(digest(&one), digest(&other));
}
