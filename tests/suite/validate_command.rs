//! `crossdock validate`: what a person sees of a file that breaks its schema.

use std::fs;

use crate::support::{crossdock, message_file, message_text, root};

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
