//! A document that breaks its schema: parked, reported or let through, as its system is set to.

use serde_json::Value;

use crate::support::{Erp, Http, Hub, Setup, customer, wait_until};

/// A customer whose schema is broken twice: a kind nobody knows, an element too many.
fn broken(id: &str) -> Vec<u8> {
    let text = String::from_utf8(customer(id)).expect("UTF-8");
    let changed =
        text.replace("<Kind>person</Kind>", "<Kind>alien</Kind>").replace("</Customer>", "<Mood/></Customer>");
    assert!(changed.contains("alien") && changed.contains("<Mood/>"), "{text}");
    changed.into_bytes()
}

/// Gives the CRM's file another `schema` and has the hub read it.
fn set(hub: &mut Hub, schema: &str) {
    let text = hub.read("systems/crm.yaml");
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("schema:")).collect();
    hub.write("systems/crm.yaml", &format!("{}\n{schema}\n", kept.join("\n")));
    let reloads = |hub: &Hub| hub.log().matches("new content is in force").count();
    let before = reloads(hub);
    hub.signal("HUP");
    wait_until("the reload is done", || reloads(hub) > before);
}

fn notes(message: &Value) -> Vec<String> {
    let lines = message["attributes"]["violations"].as_str().unwrap_or_default().lines();
    lines.map(ToOwned::to_owned).collect()
}

#[test]
fn strict_parks_report_shows_and_off_does_not_look() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();

    let reported = hub.accept(broken("C-7001"));
    let message = hub.await_standing(&reported, "delivered");
    let found = notes(&message);
    assert_eq!(found.len(), 2, "{message:#}");
    assert!(found[0].contains("/Customer/Kind") && found[0].contains("cvc-enumeration-valid"), "{found:?}");
    assert!(found[1].contains("/Customer/Mood") && found[1].contains("cvc-complex-type.2.4"), "{found:?}");
    let metrics = Http::new().get(&format!("{}/metrics", hub.operations()), &[]).expect("an answer");
    let metrics = String::from_utf8(metrics.body).expect("text");
    let counted = metrics.lines().find(|line| line.starts_with("crossdock_violations_total{")).expect("it is counted");
    assert!(counted.contains("system=\"crm\"") && counted.contains("XD-S010") && counted.ends_with(" 2"), "{counted}");

    set(&mut hub, "schema: strict");
    let parked = hub.accept(broken("C-7002"));
    let message = hub.await_standing(&parked, "parked");
    assert_eq!(message["reason"]["code"], "XD-S010", "{message:#}");
    assert_eq!(message["reason"]["cause"], "schema", "{message:#}");
    assert!(message["reason"]["line"].as_u64().is_some_and(|line| line > 1), "{message:#}");
    assert!(message["reason"]["text"].as_str().is_some_and(|text| text.contains("; 1 more")), "{message:#}");
    assert_eq!(notes(&message).len(), 2);
    let good = hub.accept(customer("C-7003"));
    hub.await_standing(&good, "delivered");

    // The cause goes, and the message goes on.
    set(&mut hub, "schema: {in: off}");
    let message = hub.await_standing(&parked, "delivered");
    assert!(notes(&message).is_empty(), "nobody looks any more: {message:#}");
}

#[test]
fn what_leaves_the_hub_is_held_to_the_receivers_schema() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    let lax = setup.read("systems/crm.yaml") + "\nschema: off\n";
    let portal = |mode: &str| {
        format!("system: portal\nprofile: hub\nsite: S01\nschema: {{out: {mode}}}\nout:\n  file:\n    folder: out\n")
    };
    let route = "route: portal\nfrom: {system: crm, type: hub/customer@1}\nto:\n  - {system: portal}\n";
    let mut hub = setup
        .file("systems/crm.yaml", &lax)
        .file("systems/portal.yaml", &portal("strict"))
        .file("routes/portal.yaml", route)
        .file("out/.keep", "")
        .start();
    let id = hub.accept(broken("C-7010"));
    let parked = hub.await_standing(&id, "parked");
    let to_portal = |message: &Value| {
        let deliveries = message["deliveries"].as_array().cloned().unwrap_or_default();
        deliveries.into_iter().find(|delivery| delivery["destination"] == "portal").expect("a delivery")
    };
    let reason = &to_portal(&parked)["reason"];
    assert_eq!((&reason["code"], &reason["cause"]), (&"XD-S010".into(), &"schema".into()), "{parked:#}");
    assert_eq!(reason["path"], "/Customer/Kind", "{parked:#}");

    hub.write("systems/portal.yaml", &portal("report"));
    hub.signal("HUP");
    let delivered = to_portal(&hub.await_standing(&id, "delivered"));
    let noted = delivered["notes"].as_array().cloned().unwrap_or_default();
    assert_eq!(noted.len(), 2, "{delivered:#}");
    assert!(noted[1].as_str().is_some_and(|note| note.contains("/Customer/Mood")), "{delivered:#}");
    let shown = hub.command(&["messages", "show", &id]);
    assert!(shown.text().contains("  note    "), "{}", shown.text());
}

#[test]
fn a_sender_whose_documents_are_checked_first_is_told_of_the_violation() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    let text = setup.read("systems/crm.yaml") + "\ncheck: before-accept\nschema: strict\n";
    let hub = setup.file("systems/crm.yaml", &text).start();
    let reply = hub.send("", broken("C-7020"), &[]);
    assert_eq!(reply.status, 422, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.json()["code"], "XD-S010");
    assert_eq!(hub.send("", customer("C-7021"), &[]).status, 202);
}
