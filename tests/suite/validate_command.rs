//! `crossdock validate`: what a person sees of a file that breaks its schema.

use std::fs;

use crate::support::{crossdock, crossdock_in, message_file, message_text, root};

#[test]
fn every_message_of_the_example_is_valid() {
    let folder = root().join("examples/dealer-group/messages");
    let mut files: Vec<String> = fs::read_dir(folder)
        .expect("the messages")
        .map(|entry| entry.expect("an entry").path().to_str().expect("a plain path").to_owned())
        .filter(|path| !path.contains("bad-"))
        .collect();
    files.sort();
    assert!(files.len() > 8);
    let mut arguments = vec!["validate"];
    arguments.extend(files.iter().map(String::as_str));
    let ran = crossdock(&arguments);
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.talk);
    assert!(ran.text().lines().all(|line| line.contains(": valid hub/")), "{}", ran.text());
}

#[test]
fn a_violation_is_told_with_file_line_path_rule_and_what_was_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("order.xml");
    let text = message_text("order-1.xml").replacen("<Quantity>", "<Quantity>x", 1);
    fs::write(&file, &text).expect("writable");
    let line = text.lines().position(|line| line.contains("<Quantity>x")).expect("the line") + 1;
    let path = file.to_str().expect("a plain path");
    let ran = crossdock(&["validate", path]);
    assert_eq!(ran.code, 7);
    let told = ran.text();
    assert!(told.starts_with(&format!("{path}:{line}:")), "{told}");
    assert!(told.contains("(/SalesOrder/Line[1]/Quantity): error XD-S010: "), "{told}");
    assert!(told.contains("[cvc-datatype-valid] (expected a decimal number)"), "{told}");
    let json = crossdock(&["validate", path, "--json"]).json();
    let violation = &json["files"][0]["documents"][0]["violations"][0];
    assert_eq!((&violation["rule"], &violation["line"]), (&"cvc-datatype-valid".into(), &line.into()), "{json:#}");
    assert_eq!(json["ok"], false);
}

#[test]
fn what_cannot_be_told_apart_or_is_not_there_is_said_so() {
    let order = message_file("order-1.xml");
    let order = order.to_str().expect("a plain path");
    let wrong = crossdock(&["validate", order, "--type", "hub/sale-order@1"]);
    assert_eq!(wrong.code, 3);
    assert!(wrong.talk.contains("did you mean `hub/sales-order@1`?"), "{}", wrong.talk);
    let other = crossdock(&["validate", order, "--type", "hub/customer@1"]);
    assert_eq!(other.code, 7, "{}", other.text());
    assert!(other.text().contains("XD-D004") && other.text().contains("the root `Customer`"), "{}", other.text());
    let gone = crossdock(&["validate", "nowhere.xml"]);
    assert_eq!(gone.code, 3);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.xml");
    fs::write(&file, "<Other/>").expect("writable");
    let unknown = crossdock(&["validate", file.to_str().expect("a plain path")]);
    assert_eq!(unknown.code, 7);
    assert!(unknown.text().contains("XD-D004") && unknown.text().contains("`Other`"), "{}", unknown.text());
}

#[test]
fn value_rules_catch_what_a_schema_lets_through() {
    let folder = root().join("tests/cases/rules");
    let mut files: Vec<String> = fs::read_dir(folder.join("documents"))
        .expect("the documents")
        .map(|entry| format!("documents/{}", entry.expect("an entry").file_name().to_string_lossy()))
        .collect();
    files.sort();
    let mut arguments = vec!["validate"];
    arguments.extend(files.iter().map(String::as_str));
    let ran = crossdock_in(&folder, &arguments, &[]);
    let expected = folder.join("expected.txt");
    if std::env::var_os("CROSSDOCK_WRITE_REFERENCE").is_some() {
        fs::write(&expected, ran.text()).expect("writable");
    }
    assert_eq!(ran.text(), fs::read_to_string(expected).unwrap_or_default(), "{}", ran.talk);
    assert_eq!(ran.code, 7);
    let quiet = crossdock_in(&folder, &["validate", "documents/acme-warning.xml", "documents/acme-valid.xml"], &[]);
    assert_eq!(quiet.code, 0, "warnings do not count: {}", quiet.text());
}

#[test]
fn rules_are_checked_before_they_run() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["crossdock.toml", "mappings/acme/profile.yaml", "schemas/acme/1/order.xsd"] {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("it can be made");
        fs::copy(root().join("tests/cases/rules").join(name), to).expect("copied");
    }
    let rules = "rules:
  - for: acme/ordr@1
    must: {}
  - must:
      moment:
        each: =ProcessOrder/ApplicationArea/CreatedDateTime
        that: =true()
        message: x
      moment-of-lines:
        each: =ProcessOrder/Line
        that: =Quantiti gt 0
        message: x
        colour: red
  - must:
      moment:
        message: x
";
    fs::write(folder.path().join("mappings/acme/rules.yaml"), rules).expect("written");
    let ran = crossdock_in(folder.path(), &["check", "--json"], &[]);
    assert_eq!(ran.code, 7, "{}", ran.talk);
    let problems = ran.json()["problems"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<(String, u64)> = problems
        .iter()
        .filter(|problem| problem["file"].as_str().is_some_and(|file| file.ends_with("rules.yaml")))
        .map(|problem| (problem["code"].as_str().expect("a code").to_owned(), problem["line"].as_u64().unwrap_or(0)))
        .collect();
    found.sort();
    let expected = [("XD-C002", 13), ("XD-C003", 16), ("XD-P003", 2), ("XD-P008", 15), ("XD-X006", 6), ("XD-X006", 11)];
    assert_eq!(found, expected.map(|(code, line)| (code.to_owned(), line)), "{:#}", ran.json());
}
