//! `crossdock test`: the cases beside the mappings.

use std::{fs, path::Path};

use crate::support::{Program, crossdock, crossdock_in, root, wait_until};

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

#[test]
fn a_difference_names_the_rule_behind_it_also_where_nothing_came_out() {
    let wrong = |text: &str| {
        let text = text.replacen("<quantity>1</quantity>", "<quantity>2</quantity>", 1);
        text.replacen("<maker>", "<verifier>chen</verifier><maker>", 1)
    };
    let folder = case("plain-order", "expected.xml", wrong);
    let ran = crossdock_in(folder.path(), &["test", "--json"], &[]).expect(7).json();
    let case = &ran["cases"][0];
    assert_eq!(case["mapping"], "u8/hub-sales-order-to-saleorder");
    let differences = case["differences"].as_array().expect("a list");
    let mapping = fs::read_to_string(root().join("mappings/u8/hub-sales-order-to-saleorder.yaml")).expect("a text");
    let line =
        |of: &str| 1 + mapping.lines().position(|line| line.trim_start().starts_with(of)).expect("a line") as u64;
    let found: Vec<_> = differences
        .iter()
        .map(|one| (one["path"].as_str(), one["expected"].as_str(), one["got"].as_str(), one["rule"]["line"].as_u64()))
        .collect();
    assert_eq!(
        found,
        [
            (Some("/saleorder/header/verifier"), Some("chen"), None, Some(line("header:") + 1)),
            (Some("/saleorder/body/entry/quantity"), Some("2"), Some("1"), Some(line("quantity: =Quantity"))),
        ]
    );
}

#[test]
fn update_removes_the_expectation_of_the_other_kind() {
    let folder = case("order-with-unmapped-department", "context.yaml", |text| text.replace("销售一部", "网销部"));
    let files = |ran: &str| {
        let case = folder.path().join("mappings/u8/cases/order-with-unmapped-department");
        (ran.to_owned(), case.join("expected.xml").is_file(), case.join("problems.txt").is_file())
    };
    crossdock_in(folder.path(), &["test"], &[]).expect(7);
    crossdock_in(folder.path(), &["test", "--update"], &[]).expect(0);
    assert_eq!(files("updated"), ("updated".to_owned(), true, false));
    crossdock_in(folder.path(), &["test"], &[]).expect(0);
}

#[test]
fn a_filter_also_takes_the_name_of_a_mapping() {
    let ran = crossdock(&["test", "--json", "u8/saleorder-to-hub-sales-order"]).expect(0).json();
    let cases = ran["cases"].as_array().expect("a list");
    assert!(cases.len() > 1);
    assert!(cases.iter().all(|case| case["mapping"] == "u8/saleorder-to-hub-sales-order"), "{ran:#}");
}

#[test]
fn coverage_lists_the_rules_that_no_case_uses_with_their_place() {
    let whole = crossdock(&["test", "--coverage", "--json", "hub-sales-order-to-saleorder"]).expect(0).json();
    let all = whole["coverage"][0].clone();
    assert_eq!(
        (all["mapping"].as_str(), all["percent"].as_f64()),
        (Some("u8/hub-sales-order-to-saleorder"), Some(100.0))
    );
    // a case that stops for want of a code never gets as far as the assertions' neighbours
    let one = ["test", "--coverage", "--json", "u8/order-number-too-long"];
    let one = crossdock(&one).expect(0).json()["coverage"][0].clone();
    let (used, rules) = (one["used"].as_u64().expect("a number"), one["rules"].as_u64().expect("a number"));
    assert_eq!(Some(rules), all["rules"].as_u64());
    assert!(used > 0 && used < rules, "{used} of {rules}");
    let unused = one["unused"].as_array().expect("a list");
    assert_eq!(unused.len() as u64, rules - used);
    let memo = unused.iter().find(|rule| rule["rule"] == "=$order/Note").expect("the rule");
    let mapping = fs::read_to_string(root().join("mappings/u8/hub-sales-order-to-saleorder.yaml")).expect("a text");
    let line = mapping.lines().nth(memo["line"].as_u64().expect("a line") as usize - 1).expect("the line");
    assert_eq!(line.find("=$order/Note"), memo["column"].as_u64().map(|column| column as usize - 1), "{line}");
    let plain = ["test", "--coverage", "--min-coverage", "90", "u8/order-number-too-long"];
    let plain = crossdock(&plain).expect(7);
    assert!(plain.text().contains("no case uses `=$order/Note`"), "{}", plain.text());
}

#[test]
fn junit_has_a_suite_for_each_mapping_and_the_differences_as_failures() {
    let wrong = |text: &str| text.replacen("<quantity>1</quantity>", "<quantity>2</quantity>", 1);
    let folder = case("plain-order", "expected.xml", wrong);
    crossdock_in(folder.path(), &["test", "--junit", "report.xml"], &[]).expect(7);
    let text = fs::read_to_string(folder.path().join("report.xml")).expect("the report");
    let report = roxmltree::Document::parse(&text).expect("XML");
    let named = |name: &str| report.descendants().find(|node| node.has_tag_name(name)).expect("the element");
    assert_eq!(named("testsuites").attribute("failures"), Some("1"));
    assert_eq!(named("testsuite").attribute("name"), Some("u8/hub-sales-order-to-saleorder"));
    assert_eq!(named("testcase").attribute("name"), Some("u8/plain-order"));
    assert!(named("failure").text().is_some_and(|text| text.contains("expected `2`, got `1`")), "{text}");
}

#[test]
fn watching_runs_a_case_again_when_its_files_change_and_ends_on_ctrl_c() {
    let folder = case("plain-order", "context.yaml", |text| format!("{text}\n"));
    let log = folder.path().join("watch.log");
    let content = format!("hub.content={}", folder.path().display());
    let mut watching = Program::start(&["test", "--watch", "--set", &content], &[], &log);
    wait_until("the first run", || watching.log().contains("watching"));
    let expected = folder.path().join("mappings/u8/cases/plain-order/expected.xml");
    let text = fs::read_to_string(&expected).expect("a text");
    fs::write(&expected, text.replacen("<quantity>1</quantity>", "<quantity>2.0</quantity>", 1)).expect("written");
    wait_until("the second run", || watching.log().contains("expected `2.0`, got `1`"));
    watching.signal("INT");
    assert_eq!(watching.wait().code(), Some(7), "the last run failed");
    assert!(watching.log().contains("1 passed, 0 failed") && watching.log().contains("0 passed, 1 failed"));
}
