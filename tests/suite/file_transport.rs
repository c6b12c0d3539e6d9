//! Messages that come in as files and go out as files.

use std::{fs, path::Path};

use crate::support::{Erp, Hub, Setup, customer, message, order, texts, wait_for, wait_until};

/// A hub whose `crm` also drops files: customers into `inbox/`.
fn dropping(setup: Setup) -> Hub {
    fs::create_dir(setup.at("inbox")).expect("the folder");
    let file = "  file:\n    folder: inbox\n    pattern: \"*.xml\"\n    type: hub/customer\n    poll: 50ms\n    stable: 50ms\n    max-size: 64KiB\n";
    let crm = setup.read("systems/crm.yaml");
    setup.file("systems/crm.yaml", &format!("{crm}{file}")).start()
}

/// Drops a file as a careful sender does: under another name first.
fn drop_file(hub: &Hub, name: &str, bytes: &[u8]) {
    let hidden = hub.at("inbox").join(format!("{name}.part"));
    fs::write(&hidden, bytes).expect("written");
    fs::rename(hidden, hub.at("inbox").join(name)).expect("renamed");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_dropped_file_is_delivered_and_moved_to_done() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = dropping(Setup::between(&south, &east));
    drop_file(&hub, "customer.xml", &message("customer-C-1001.xml"));
    fs::write(hub.at("inbox/readme.txt"), "not for the hub").expect("written");
    wait_until("the customer is written", || south.written() == ["u8/customer AC1001"]);
    wait_until("the file is moved", || names(&hub.at("inbox/done")) == ["customer.xml"]);
    assert!(!hub.at("inbox/customer.xml").exists() && hub.at("inbox/readme.txt").exists());
    let page = hub.operator("/api/v1/messages");
    let listed = &page["items"][0];
    assert_eq!((listed["transport"].as_str(), listed["system"].as_str()), (Some("file"), Some("crm")), "{page:#}");
    assert_eq!(listed["type"], "hub/customer@1");
}

#[test]
fn an_unreadable_file_is_kept_parked_and_neighbours_flow() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = dropping(Setup::between(&south, &east));
    drop_file(&hub, "a-bad.xml", &message("bad-malformed.xml"));
    drop_file(&hub, "b-good.xml", &message("customer-C-1001.xml"));
    wait_until("the good one is written", || south.written() == ["u8/customer AC1001"]);
    let parked = wait_for("the bad one is parked", || {
        let page = hub.operator("/api/v1/messages?state=parked");
        page["items"].as_array().and_then(|items| items.first().cloned())
    });
    assert_eq!(parked["reason"]["line"], 6, "{parked:#}");
}

#[test]
fn a_refused_file_lands_in_failed_with_the_reason_beside_it() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = dropping(Setup::between(&south, &east));
    drop_file(&hub, "huge.xml", &vec![b' '; (64 << 10) + 1]);
    let reason = hub.at("inbox/failed/huge.xml.problem.json");
    wait_until("the reason is written", || reason.exists());
    assert!(hub.at("inbox/failed/huge.xml").exists() && !hub.at("inbox/huge.xml").exists());
    let text = wait_for("a whole document", || {
        fs::read(&reason).ok().filter(|text| text.ends_with(b"}") || text.ends_with(b"}\n"))
    });
    let problem: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some("XD-T013"), Some(413)), "{problem:#}");
    drop_file(&hub, "good.xml", &message("customer-C-1001.xml"));
    wait_until("the next one is written", || south.written() == ["u8/customer AC1001"]);
}

#[test]
fn mapped_documents_are_written_as_files() {
    let setup = Setup::dealer_group();
    fs::create_dir(setup.at("outbox")).expect("the folder");
    let south = setup.read("systems/u8-south.yaml");
    let (before, _) = south.split_once("out:\n").expect("a way out");
    let out = "out:\n  file:\n    folder: outbox\n    name: \"{business_key}-{delivery_id}.xml\"\n  encoding:\n    charset: GB18030\n";
    let hub = setup.file("systems/u8-south.yaml", &format!("{before}{out}")).start();
    let id = hub.accept(message("customer-C-1001.xml"));
    let delivered = hub.await_standing(&id, "delivered");
    let delivery = delivered["deliveries"][0]["id"].as_str().expect("an id");
    assert_eq!(names(&hub.at("outbox")), [format!("C-1001-{delivery}.xml")]);
    let bytes = fs::read(hub.at("outbox").join(format!("C-1001-{delivery}.xml"))).expect("the file");
    let text = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(&bytes).expect("GB18030");
    assert!(text.contains("encoding=\"GB18030\"") && text.contains("<ufinterface sender=\"101\""), "{text}");
    assert_eq!(texts(&text, "code"), ["AC1001"]);
}

#[test]
fn reloads_while_files_come_in_lose_nothing_and_double_nothing() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = dropping(Setup::between(&south, &east));
    let count: usize = 40;
    for n in 0..count {
        drop_file(&hub, &format!("{n:02}.xml"), &customer(&format!("C-80{n:02}")));
        if n % 8 == 0 {
            hub.signal("HUP");
        }
    }
    wait_until("every file is moved", || names(&hub.at("inbox/done")).len() == count);
    wait_until("every customer is written", || south.written().len() >= count);
    let counts = hub.operator("/api/v1/counts");
    assert_eq!((counts["total"].as_u64(), counts["parked"].as_u64()), (Some(40), Some(0)), "{counts:#}");
    assert_eq!(south.received().len(), count);
    assert!(names(&hub.at("inbox/failed")).is_empty());
}

#[test]
fn a_file_that_comes_again_is_taken_once() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = dropping(Setup::between(&south, &east));
    for _ in 0..2 {
        drop_file(&hub, "customer.xml", &message("customer-C-1001.xml"));
        wait_until("the file is taken", || !hub.at("inbox/customer.xml").exists());
    }
    drop_file(&hub, "other.xml", &message("customer-C-1002.xml"));
    wait_until("the other one is written", || south.written().iter().any(|written| written == "u8/customer AC1002"));
    let total = hub.operator("/api/v1/counts")["total"].as_u64();
    assert_eq!(
        (total, names(&hub.at("inbox/done")).len()),
        (Some(2), 3),
        "the same name and bytes are the same message"
    );
}

#[test]
fn a_batch_file_is_split_record_by_record_and_a_kill_in_the_middle_doubles_nothing() {
    const RECORDS: usize = 300;
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    fs::create_dir(setup.at("inbox")).expect("the folder");
    let file = "  file:\n    folder: inbox\n    split: /Orders/SalesOrder\n    poll: 50ms\n    stable: 50ms\n";
    let crm = setup.read("systems/crm.yaml");
    let mut hub = setup.file("systems/crm.yaml", &format!("{crm}{file}")).start();
    // no store keeps this site's books: the orders are filtered
    let mut batch = "<Orders xmlns=\"urn:crossdock:hub:1\">\n".to_owned();
    for number in 0..RECORDS {
        let order = String::from_utf8(order(&format!("SO-{number}"), "C-1")).expect("UTF-8").replace(">S01<", ">S99<");
        let (_, order) = order.split_once("?>").expect("a declaration");
        let order = order.trim().to_owned();
        batch.push_str(&if number == 7 { order.replace("</SiteId>", "</Site>") } else { order });
        batch.push('\n');
    }
    batch.push_str("</Orders>\n");
    drop_file(&hub, "orders.xml", batch.as_bytes());
    wait_until("some records are safe", || hub.operator("/api/v1/counts")["total"].as_u64() >= Some(20));
    hub.kill9();
    hub.restart();
    wait_until("the file is moved", || names(&hub.at("inbox/done")) == ["orders.xml"]);
    wait_until("everything is decided", || hub.operator("/api/v1/counts")["accepted"] == 0);
    let counts = hub.operator("/api/v1/counts");
    let of = |state: &str| counts[state].as_u64().expect("a number");
    assert_eq!((of("total"), of("filtered"), of("parked")), (RECORDS as u64, RECORDS as u64 - 1, 1), "{counts}");
    let parked = hub.operator("/api/v1/messages?state=parked")["items"][0].clone();
    let begins = batch.match_indices("<SalesOrder").nth(7).expect("the eighth").0;
    assert_eq!(parked["attributes"]["batch_position"], "8", "{parked:#}");
    assert_eq!(parked["attributes"]["batch_offset"], begins.to_string());
    assert_eq!(parked["attributes"]["file_name"], "orders.xml");
    let text = parked["reason"]["text"].as_str().unwrap_or_default();
    assert!(text.starts_with(&format!("record 8 at byte {begins}: ")), "{parked:#}");
    assert!(parked["reason"]["line"].as_u64() > Some(200), "a line of the file: {parked:#}");
}
