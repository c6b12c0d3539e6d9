//! Several documents in one message: each becomes a message of its own, once, in order, wholly or not at all.

use serde_json::Value;

use crate::support::{Erp, Hub, Setup, message, message_text, order, wait_for, wait_until};

/// A document's text inside an envelope: without declaration.
fn bare(document: Vec<u8>) -> String {
    let text = String::from_utf8(document).expect("UTF-8");
    text.split_once("?>").map_or(text.clone(), |(_, rest)| rest.trim().to_owned())
}

/// An envelope of hub documents in XML.
fn envelope(count: &str, documents: &[String]) -> Vec<u8> {
    let inside = documents.join("\n");
    format!("<Documents xmlns=\"urn:crossdock:hub:1\" count=\"{count}\">\n{inside}\n</Documents>").into_bytes()
}

/// What an order in JSON has under `SalesOrder`.
fn inner(order: &str) -> String {
    let (_, rest) = order.split_once(':').expect("a member");
    rest.trim_end().strip_suffix('}').expect("its end").to_owned()
}

fn parts(split: &Value) -> Vec<&Value> {
    split["parts"].as_array().into_iter().flatten().collect()
}

fn ids(split: &Value) -> Vec<String> {
    parts(split).into_iter().map(|part| part["id"].as_str().expect("an id").to_owned()).collect()
}

fn await_split(hub: &Hub, id: &str, standings: &[&str]) -> Value {
    wait_for("the parts' standings", || {
        let message = hub.message(id);
        let found: Vec<_> = parts(&message).into_iter().map(|part| part["standing"].clone()).collect();
        (found == standings).then_some(message)
    })
}

#[test]
fn three_orders_in_one_message_reach_two_stores_and_the_bad_one_is_parked_alone() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    for name in ["customer-C-1001.xml", "customer-C-2001.json"] {
        let id = hub.accept(message(name));
        hub.await_standing(&id, "delivered");
    }
    let (first, last) = (inner(&message_text("order-1.json")), inner(&message_text("order-2.json")));
    let batch = format!("{{\"SalesOrder\": [{first},\n  {{\"OrderNumber\": [\"A\", \"B\"]}},\n{last}]}}");
    let id = hub.accept(batch.clone().into_bytes());
    let split = await_split(&hub, &id, &["delivered", "parked", "delivered"]);
    assert_eq!(split["standing"], "split", "{split:#}");
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"]);
    assert_eq!(east.written(), ["u8/customer EC2001", "u8/saleorder ESO20260002"]);

    for part in [0, 2] {
        let part = hub.message(&ids(&split)[part]);
        assert!(part["attributes"]["violations"].is_null(), "a part is a document as its schema has it: {part:#}");
    }
    let bad = hub.message(&ids(&split)[1]);
    let line = batch.lines().position(|line| line.contains("\"A\"")).expect("its line") + 1;
    assert_eq!((&bad["reason"]["line"], &bad["reason"]["column"]), (&Value::from(line), &Value::from(3)), "{bad:#}");
    assert!(bad["reason"]["text"].as_str().is_some_and(|text| text.starts_with("document 2 of 3: ")), "{bad:#}");
    assert_eq!(bad["parent"], id);
    let attribute = |name: &str| bad["attributes"][name].as_str().unwrap_or_default().to_owned();
    let batch_of = (attribute("batch_id"), attribute("batch_position"), attribute("batch_count"));
    assert_eq!(batch_of, (id.clone(), "2".to_owned(), "3".to_owned()));

    let shown = hub.command(&["messages", "show", &id, "--content"]).expect(0).text();
    assert!(shown.contains("standing  split") && shown.contains(&batch), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("part      ")).count(), 3, "{shown}");
    let shown = hub.command(&["messages", "show", &ids(&split)[0]]).expect(0).text();
    assert!(shown.contains(&format!("part      1 of 3 of {id}")), "{shown}");
    let listed = hub.operator("/api/v1/messages?state=split");
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));

    // the same documents in another envelope are known; what has no key of its own is new
    let again = hub.accept(batch.replace("{\"SalesOrder\": [", "{ \"SalesOrder\" : [").into_bytes());
    let again = await_split(&hub, &again, &["delivered", "parked", "delivered"]);
    let duplicates: Vec<_> = parts(&again).into_iter().map(|part| part["duplicate"].clone()).collect();
    assert_eq!(duplicates, [true, false, true]);
    assert_eq!((&ids(&again)[0], &ids(&again)[2]), (&ids(&split)[0], &ids(&split)[2]));
    // a known order with other content is kept aside
    let changed = hub.accept(format!("{{\"SalesOrder\": [{first}, {}]}}", last.replacen("E5", "E6", 1)).into_bytes());
    let changed = await_split(&hub, &changed, &["delivered", "parked"]);
    assert_eq!(parts(&changed)[1]["reason"]["code"], "XD-D002");
    assert_eq!((south.written().len(), east.written().len()), (2, 2));

    let counts = hub.operator("/api/v1/counts");
    assert_eq!((&counts["split"], &counts["unaccounted"]), (&Value::from(3), &Value::from(0)), "{counts}");
    hub.command(&["messages", "verify"]).expect(0);
}

#[test]
fn a_document_of_no_known_type_is_parked_alone_and_a_wrong_count_parks_the_whole() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let documents = [bare(message("customer-C-1001.xml")), "<Odd/>".to_owned()];
    let id = hub.accept(envelope("2", &documents));
    let split = await_split(&hub, &id, &["delivered", "parked"]);
    let reason = &parts(&split)[1]["reason"];
    let line = documents[0].lines().count() + 2;
    assert_eq!((&reason["code"], &reason["line"]), (&Value::from("XD-D004"), &Value::from(line)), "{split:#}");

    let id = hub.accept(envelope("3", &documents));
    let reason = hub.await_standing(&id, "parked")["reason"].clone();
    assert_eq!(reason["code"], "XD-P005");
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("says 3 documents, there are 2")), "{reason}");

    let many = vec!["<Odd/>".to_owned(); 10_001];
    let id = hub.accept(envelope("", &many));
    let reason = hub.await_standing(&id, "parked")["reason"].clone();
    assert_eq!(reason["code"], "XD-D005");
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("10001 documents, more than 10000")), "{reason}");
}

#[test]
fn the_documents_of_a_message_stay_in_order_before_what_came_later() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let id = hub.accept(message("customer-C-1009.xml"));
    hub.await_standing(&id, "delivered");
    let orders: Vec<String> = (1..=20).map(|n| bare(order(&format!("SO-2026-7{n:03}"), "C-1009"))).collect();
    hub.accept(envelope("20", &orders));
    let later = hub.accept(order("SO-2026-7999", "C-1009"));
    hub.await_standing(&later, "delivered");
    let mut expected: Vec<String> = (1..=20).map(|n| format!("u8/saleorder ASO20267{n:03}")).collect();
    expected.push("u8/saleorder ASO20267999".to_owned());
    assert_eq!(south.written()[1..], expected);
}

#[test]
fn a_hub_killed_while_it_splits_has_split_each_message_wholly() {
    const BATCHES: usize = 4;
    const ORDERS: usize = 100;
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    // no store keeps this site's books: the orders are filtered, so that only splitting is at work
    let elsewhere = |number: &str| bare(order(number, "C-1")).replace(">S01<", ">S99<");
    let mut accepted = Vec::new();
    for batch in 0..BATCHES {
        let orders: Vec<String> = (0..ORDERS).map(|n| elsewhere(&format!("SO-{batch}-{n}"))).collect();
        accepted.push(hub.accept(envelope(&ORDERS.to_string(), &orders)));
        hub.kill9();
        let counted = hub.command(&["messages", "counts", "--json"]).expect(0).json();
        let whole = counted["total"].as_u64().expect("a number") - (batch as u64 + 1);
        assert_eq!(whole % ORDERS as u64, 0, "all documents of a message or none: {counted}");
        hub.restart();
    }
    wait_until("everything is decided", || hub.operator("/api/v1/counts")["accepted"] == 0);
    for id in &accepted {
        let split = hub.message(id);
        assert_eq!((&split["standing"], parts(&split).len()), (&Value::from("split"), ORDERS));
        assert!(parts(&split).iter().all(|part| part["standing"] == "filtered" && part["duplicate"] == false));
    }
    let counts = hub.operator("/api/v1/counts");
    assert_eq!(counts["total"], BATCHES * (ORDERS + 1));
    assert_eq!(counts["unaccounted"], 0);
}
