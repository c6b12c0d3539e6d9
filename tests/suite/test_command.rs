//! `crossdock test`: the cases beside the mappings.

use std::{fs, path::Path};

use crate::support::{crossdock, crossdock_in, root};

#[test]
fn every_shipped_case_passes() {
    let ran = crossdock(&["test", "--json"]).expect(0).json();
    assert_eq!(ran["failed"], 0);
    let folders = fs::read_dir(root().join("mappings")).expect("the mappings").flat_map(|profile| {
        let cases = profile.expect("an entry").path().join("cases");
        fs::read_dir(cases).into_iter().flatten().count().checked_add(0)
    });
    let count = folders.sum::<usize>();
    assert!(count > 10);
    assert_eq!(ran["cases"].as_array().map(Vec::len), Some(count), "every folder of cases is run");
}

/// One case in a content folder of its own, with its expectation changed.
fn case(name: &str, file: &str, change: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (root().join("mappings/u8/cases").join(name), folder.path().join("mappings/u8/cases").join(name));
    fs::create_dir_all(&to).expect("a folder");
    for entry in fs::read_dir(&from).expect("the case") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.file_name() == Path::new(file).file_name() {
            let text = fs::read_to_string(&path).expect("a text");
            assert_ne!(change(&text), text, "the change changes something");
            fs::write(target, change(&text)).expect("written");
        } else {
            fs::copy(path, target).expect("copied");
        }
    }
    folder
}

#[test]
fn a_wrong_expectation_fails_with_the_field_that_differs() {
    let wrong = |text: &str| text.replacen("<quantity>1</quantity>", "<quantity>2</quantity>", 1);
    let folder = case("plain-order", "expected.xml", wrong);
    let ran = crossdock_in(folder.path(), &["test", "--json"], &[]).expect(7).json();
    assert_eq!((ran["passed"].as_u64(), ran["failed"].as_u64()), (Some(0), Some(1)));
    let case = &ran["cases"][0];
    assert_eq!((case["case"].as_str(), case["ok"].as_bool()), (Some("u8/plain-order"), Some(false)));
    let problems = case["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 1, "only what differs: {case:#}");
    let text = problems[0].as_str().expect("a text");
    assert!(text.contains("quantity") && text.contains("expected `2`") && text.contains("got `1`"), "{text}");
    let plain = crossdock_in(folder.path(), &["test"], &[]).expect(7).text();
    assert!(plain.contains("FAILED\tu8/plain-order") && plain.contains("0 passed, 1 failed"), "{plain}");
}

#[test]
fn a_case_that_should_stop_must_stop_for_its_reasons() {
    let folder = case("order-with-unmapped-department", "problems.txt", |text| text.replace("department", "person"));
    crossdock_in(folder.path(), &["test"], &[]).expect(7);
    let folder = case("order-with-unmapped-department", "context.yaml", |text| text.replace("codes:", "codes-of-old:"));
    let ran = crossdock_in(folder.path(), &["test"], &[]).expect(7).text();
    assert!(ran.contains("codes-of-old"), "an unknown key of a context is a mistake: {ran}");
}

#[test]
fn update_writes_what_comes_out_and_then_the_case_passes() {
    let wrong = |text: &str| text.replacen("<quantity>1</quantity>", "<quantity>2</quantity>", 1);
    let folder = case("plain-order", "expected.xml", wrong);
    crossdock_in(folder.path(), &["test", "--update", "u8/plain-order"], &[]).expect(0);
    crossdock_in(folder.path(), &["test"], &[]).expect(0);
}

#[test]
fn a_filter_chooses_cases_and_no_case_is_no_success() {
    let ran = crossdock(&["test", "--json", "person-customer"]).expect(0).json();
    let cases = ran["cases"].as_array().expect("a list");
    assert!(!cases.is_empty());
    assert!(cases.iter().all(|case| case["case"].as_str().is_some_and(|name| name.contains("person-customer"))));
    crossdock(&["test", "no-such-case"]).expect(3);
}
