//! Whatever comes in: it is kept, told where and why it stopped, and nobody behind it notices.

use std::fs;

use serde_json::Value;

use crate::support::{Erp, Setup, customer, message, message_text, root, wait_for};

#[test]
fn every_bad_message_stands_as_expected_with_code_and_place_and_the_good_ones_flow() {
    let folder = root().join("tests/cases/bad-messages");
    let expected: Vec<Value> =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).expect("the expectation")).expect("a list");
    let files = fs::read_dir(&folder).expect("the cases").count() - 1;
    assert_eq!(files, expected.len(), "every file has its expectation");
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let mut wrong = Vec::new();
    for (index, case) in expected.iter().enumerate() {
        let name = case["file"].as_str().expect("a file");
        // each order has a customer of its own: a parked one holds up its customer's
        if let Some(known) = case["after"].as_str() {
            let known = hub.accept(customer(known));
            hub.await_standing(&known, "delivered");
        }
        let id = hub.accept(fs::read(folder.join(name)).expect("the message"));
        let settled = wait_for("a decision", || {
            let message = hub.message(&id);
            let standing = message["standing"].as_str().unwrap_or_default();
            ["parked", "filtered", "delivered", "waiting"].contains(&standing).then_some(message)
        });
        let reason = if settled["reason"].is_null() { &settled["deliveries"][0]["reason"] } else { &settled["reason"] };
        let found = serde_json::json!({
            "file": name,
            "after": case["after"],
            "standing": settled["standing"],
            "code": reason["code"],
            "line": reason["line"],
            "column": reason["column"],
        });
        if found.as_object().into_iter().flatten().any(|(key, value)| case[key] != *value) {
            wrong.push(format!("{found},  // {}", reason["text"]));
        }
        let good = hub.accept(customer(&format!("C-4{index:03}")));
        hub.await_standing(&good, "delivered");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(hub.operator("/api/v1/counts")["unaccounted"], 0);
}

/// Documents made to cost more than they are worth.
#[test]
fn documents_beyond_a_limit_are_parked_with_the_limit() {
    let namespace = "xmlns=\"urn:crossdock:hub:1\"";
    let deep =
        |depth: usize| format!("<Customer {namespace}>{}{}</Customer>", "<a>".repeat(depth), "</a>".repeat(depth));
    let attributes: String = (0..300).map(|n| format!(" a{n}=\"\"")).collect();
    let namespaces: String = (0..100).map(|n| format!(" xmlns:n{n}=\"urn:{n}\"")).collect();
    let messages = [
        ("deep XML", deep(300)),
        ("very deep XML", deep(200_000)),
        ("deep JSON", format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))),
        ("deep JSON objects", format!("{}1{}", "{\"a\":".repeat(150), "}".repeat(150))),
        ("many attributes", format!("<Customer {namespace}{attributes}/>")),
        ("many namespaces", format!("<Customer {namespace}{namespaces}/>")),
        ("a long name", format!("<{}/>", "a".repeat(2000))),
        (
            "many members",
            format!("{{\"Customer\":{{{}\"z\":1}}}}", (0..10_001).map(|n| format!("\"m{n}\":1,")).collect::<String>()),
        ),
        ("many nodes", format!("<Customer {namespace}>{}</Customer>", "<a/>".repeat(60_000))),
    ];
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).setting("limits.nodes", "50000").start();
    for (index, (what, text)) in messages.into_iter().enumerate() {
        let id = hub.accept(text.into_bytes());
        let parked = hub.await_standing(&id, "parked");
        assert_eq!(parked["reason"]["code"], "XD-F004", "{what}: {:#}", parked["reason"]);
        let good = hub.accept(customer(&format!("C-4{index:03}")));
        hub.await_standing(&good, "delivered");
    }
}

#[test]
fn a_mapping_that_would_take_too_long_is_parked() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).setting("limits.evaluation_steps", "300").start();
    let id = hub.accept(message("order-1.xml"));
    let parked = hub.await_standing(&id, "parked");
    assert_eq!(parked["deliveries"][0]["reason"]["code"], "XD-X032", "{parked:#}");
}

#[test]
fn a_system_says_how_its_documents_are_read() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    let crm = setup.read("systems/crm.yaml");
    let hub = setup
        .file(
            "systems/crm.yaml",
            &format!("{crm}reading:\n  doctype: skip\n  tolerant: true\n  duplicates: last-wins\n"),
        )
        .start();
    let with_doctype = message_text("customer-C-1001.xml").replacen(
        "<Customer ",
        "<!DOCTYPE Customer SYSTEM \"http://127.0.0.1:9/never.dtd\">\n<Customer ",
        1,
    );
    let id = hub.accept(with_doctype.into_bytes());
    hub.await_standing(&id, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001"]);
    let junk = format!("Received: by mail\n\n{}", message_text("customer-C-1009.xml").replace("李思雨", "李 & 思雨"));
    let id = hub.accept(junk.into_bytes());
    let repairs = hub.await_standing(&id, "delivered")["attributes"]["repairs"].clone();
    let repairs = repairs.as_str().expect("repairs are kept").lines().collect::<Vec<_>>();
    assert_eq!(repairs.len(), 2, "{repairs:?}");
    assert!(repairs[1].starts_with("7:") && repairs[1].contains("`&`"), "{repairs:?}");
    let order = message_text("order-1.json");
    let repeated = order.replacen("\"Revision\": 1", "\"Revision\": 9, \"Revision\": 1", 1);
    let reply = hub.send_as("crm", "hub/sales-order", repeated.into_bytes(), &[("content-type", "application/json")]);
    assert_eq!(reply.status, 202, "{reply:?}");
    let id = reply.json()["message_id"].as_str().expect("an id").to_owned();
    let reason = hub.await_standing(&id, "delivered")["reason"].clone();
    assert!(reason.is_null(), "{reason:#}");
}
