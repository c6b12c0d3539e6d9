//! Messages that come in as files and go out as files.

use std::{fs, path::Path};

use crate::support::{Erp, Hub, Setup, message, texts, wait_for, wait_until};

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
