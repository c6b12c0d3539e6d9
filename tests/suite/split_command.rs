//! `crossdock send --split`: batches become messages, none twice, and an interruption costs nothing.

use std::{fmt::Write as _, path::Path};

use serde_json::Value;

use crate::support::{Erp, Hub, KEY, Program, Ran, Setup, crossdock_in, customer, wait_until};

fn send(folder: &Path, server: &str, arguments: &[&str]) -> Ran {
    let mut all = vec!["send", "crm", "batch.xml", "--server", server];
    all.extend(arguments);
    crossdock_in(folder, &all, &[("CROSSDOCK_KEY", KEY)])
}

/// A batch of customers; `broken` is the one whose record is not well-formed.
fn batch(count: usize, broken: Option<usize>) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Customers>\n");
    for number in 1..=count {
        let record = String::from_utf8(customer(&format!("B-{number}"))).expect("UTF-8");
        let begin = record.find("?>").map_or(0, |at| at + 2);
        let record = record[begin..].trim();
        let record = if broken == Some(number) { record.replacen("</", "<//", 1) } else { record.to_owned() };
        let _ = writeln!(text, "{record}");
    }
    text + "</Customers>\n"
}

fn hub() -> (Hub, Erp, Erp) {
    let (south, east) = (Erp::u8(), Erp::u8());
    (Setup::between(&south, &east).start(), south, east)
}

#[test]
fn every_record_is_a_message_and_the_malformed_one_is_parked_with_its_place() {
    let (hub, _south, _east) = hub();
    let folder = tempfile::tempdir().expect("a folder");
    let text = batch(5, Some(3));
    std::fs::write(folder.path().join("batch.xml"), &text).expect("written");
    let arguments = ["--split", "/Customers/Customer", "--batch-id", "b1", "--expect", "5", "--json"];
    let ran = send(folder.path(), &hub.ingest(), &arguments).expect(7).json();
    let result = &ran[0];
    assert_eq!((&result["records"], &result["accepted"], &result["malformed"]), (&5.into(), &5.into(), &1.into()));
    assert_eq!(result["problems"][0]["position"], 3);
    let offset = text.match_indices("<Customer ").nth(2).map(|(at, _)| at).expect("a third record");
    assert_eq!(result["problems"][0]["offset"], offset);
    let parked = || hub.operator("/api/v1/messages?state=parked")["items"].as_array().cloned().unwrap_or_default();
    wait_until("the malformed record is parked", || parked().len() == 1);
    let message = hub.message(parked()[0]["id"].as_str().expect("an id"));
    assert_eq!(message["attributes"]["batch_id"], "b1");
    assert_eq!(message["attributes"]["batch_position"], "3");
    assert_eq!(message["attributes"]["batch_offset"], offset.to_string());
    let again = send(folder.path(), &hub.ingest(), &arguments).expect(7).json();
    assert_eq!((&again[0]["accepted"], &again[0]["duplicates"]), (&5.into(), &5.into()));
}

#[test]
fn a_killed_sender_goes_on_where_it_was_and_doubles_nothing() {
    let (hub, _south, _east) = hub();
    let folder = tempfile::tempdir().expect("a folder");
    let count = 1_000;
    std::fs::write(folder.path().join("batch.xml"), batch(count, None)).expect("written");
    let file = folder.path().join("batch.xml").display().to_string();
    let server = hub.ingest();
    let mut arguments = vec!["send", "crm", &file, "--server", &server, "--split", "/Customers/Customer"];
    arguments.extend(["--batch-id", "b2"]);
    let environment = [("CROSSDOCK_KEY".to_owned(), KEY.to_owned())];
    let mut sender = Program::start(&arguments, &environment, &folder.path().join("sender.log"));
    let accepted = || hub.operator("/api/v1/counts")["total"].as_u64().unwrap_or_default();
    wait_until("some records are there", || accepted() >= 20);
    sender.kill();
    assert!(accepted() < count as u64, "the sender was done before it could be killed");
    let ran = send(folder.path(), &server, &["--split", "/Customers/Customer", "--batch-id", "b2", "--json"]);
    let ran = ran.expect(0).json();
    assert_eq!(ran[0]["records"], count);
    assert_eq!(accepted(), count as u64);
}

#[test]
fn a_dry_run_needs_no_hub_and_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("batch.xml"), batch(50, Some(7))).expect("written");
    let run = |arguments: &[&str], code| {
        let all = [&["--dry-run", "--json", "--split", "/Customers/Customer"], arguments].concat();
        send(folder.path(), "http://127.0.0.1:9", &all).expect(code)
    };
    let result: Value = run(&[], 7).json();
    assert_eq!((&result[0]["records"], &result[0]["malformed"]), (&50.into(), &1.into()));
    let wrong = run(&["--expect", "51"], 7);
    assert!(wrong.talk.contains("50 records, but 51 were expected"), "{}", wrong.talk);
    std::fs::write(folder.path().join("batch.xml.progress"), r#"{"batch":"b3","position":20}"#).expect("written");
    let result: Value = run(&["--batch-id", "b3"], 7).json();
    assert_eq!((&result[0]["records"], &result[0]["resumed_after"]), (&50.into(), &20.into()));
    assert!(!folder.path().join("batch.xml.progress").exists(), "a batch that is done keeps no progress");
    std::fs::write(folder.path().join("batch.xml"), batch(2, None)).expect("written");
    let none = send(folder.path(), "http://127.0.0.1:9", &["--dry-run", "--split", "/Customers/Order"]).expect(7);
    assert!(none.talk.contains("no record is at that path"), "{}", none.talk);
    send(folder.path(), "http://127.0.0.1:9", &["--dry-run", "--split", "Customer"]).expect(2);
}
