//! `crossdock send`: files to a running hub, with exit codes a script can trust.

use crate::support::{Erp, Hub, KEY, Ran, Setup, crossdock_in, free_port, message_file, root};

fn hub() -> (Hub, Erp, Erp) {
    let (south, east) = (Erp::u8(), Erp::u8());
    (Setup::between(&south, &east).start(), south, east)
}

/// `send` with the example's key in the environment.
fn send(hub: &Hub, arguments: &[&str]) -> Ran {
    let server = hub.ingest();
    let mut all = vec!["send", "--server", &server];
    all.extend(arguments);
    crossdock_in(root(), &all, &[("CROSSDOCK_KEY", KEY)])
}

fn file(name: &str) -> String {
    message_file(name).to_str().expect("a plain path").to_owned()
}

#[test]
fn all_accepted_is_0() {
    let (hub, south, _east) = hub();
    let files = [file("customer-C-1001.xml"), file("order-1.xml")];
    let ran = send(&hub, &["crm", &files[0], &files[1], "--json"]).expect(0).json();
    let results = ran.as_array().expect("a list").clone();
    assert_eq!(results.len(), 2);
    for (result, file) in results.iter().zip(&files) {
        assert_eq!((result["file"].as_str(), result["status"].as_u64()), (Some(file.as_str()), Some(202)));
        hub.await_standing(result["answer"]["message_id"].as_str().expect("an id"), "delivered");
    }
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"]);
    let again = send(&hub, &["crm", &files[1]]).expect(0).text();
    assert!(again.contains("202 msg_") && again.contains("duplicate"), "{again}");
}

#[test]
fn a_wrong_key_is_4() {
    let (hub, ..) = hub();
    let file = file("customer-C-1001.xml");
    let ran = send(&hub, &["crm", &file, "--key", "wrong-key-of-some-length", "--json"]).expect(4).json();
    assert_eq!(ran[0]["status"], 401);
    assert_eq!(ran[0]["answer"]["code"], "XD-T001");
}

#[test]
fn nobody_there_is_5() {
    let server = format!("http://127.0.0.1:{}", free_port());
    let file = file("customer-C-1001.xml");
    let ran = crossdock_in(root(), &["send", "crm", &file, "--server", &server], &[]).expect(5);
    assert!(ran.talk.contains(&server), "{}", ran.talk);
}

#[test]
fn some_accepted_is_6_and_none_is_1() {
    let (hub, ..) = hub();
    send(&hub, &["crm", &file("order-1.xml")]).expect(0);
    // the same number in other bytes
    let (conflicting, good) = (file("order-1.json"), file("customer-C-1001.xml"));
    let ran = send(&hub, &["crm", &conflicting, &good, "--json"]).expect(6).json();
    assert_eq!((ran[0]["status"].as_u64(), ran[1]["status"].as_u64()), (Some(422), Some(202)));
    let ran = send(&hub, &["crm", &conflicting]).expect(1).text();
    assert!(ran.contains("422 XD-D002"), "{ran}");
}

#[test]
fn a_type_and_a_key_can_be_named() {
    let (hub, ..) = hub();
    let file = file("customer-C-1001.xml");
    let named = ["crm", &file, "--type", "hub/customer", "--idempotency-key", "c-1", "--json"];
    let first = send(&hub, &named).expect(0).json();
    let second = send(&hub, &named).expect(0).json();
    assert_eq!(first[0]["answer"]["message_id"], second[0]["answer"]["message_id"]);
    assert_eq!(second[0]["answer"]["duplicate"], true);
    send(&hub, &["crm", &file, &file, "--idempotency-key", "c-2"]).expect(2);
    let ran = send(&hub, &["crm", &file, "--type", "hub/custmer", "--json"]).expect(1).json();
    assert_eq!(ran[0]["answer"]["code"], "XD-D001");
}

#[test]
fn a_file_that_is_not_there_is_3() {
    let (hub, ..) = hub();
    let ran = send(&hub, &["crm", "no-such-file.xml"]).expect(3);
    assert!(ran.talk.contains("no-such-file.xml"), "{}", ran.talk);
}
