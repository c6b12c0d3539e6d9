//! What an operator decides by name: giving up, trying again, delivering again, correcting; while the hub runs or not.

use std::os::unix::fs::PermissionsExt as _;

use super::support::{Erp, Hub, Setup, customer, message, message_text, order, wait_until};

const DEPARTMENTS: &str = "codes/department.csv";

/// An order of C-1001 that names a department without a code.
fn unmapped(number: &str, department: &str) -> Vec<u8> {
    let text = message_text("order-unmapped-code.xml");
    let id_of = |text: &str| text.split("<Id>").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned);
    let other = id_of(&text).expect("a customer");
    text.replace(&other, "C-1001").replace("SO-2026-0004", number).replace("网销部", department).into_bytes()
}

fn add_department(hub: &Hub, department: &str) {
    let rows = hub.read(DEPARTMENTS);
    hub.write(DEPARTMENTS, &format!("{}\n{department},XS07,u8-south,,,,\n", rows.trim_end()));
}

fn delivery_of(hub: &Hub, message: &str) -> String {
    hub.message(message)["deliveries"][0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_running_hub_is_told_to_skip_and_to_release_over_its_control_socket() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    let mode = std::fs::metadata(hub.at("data/control.sock")).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let known = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&known, "delivered");
    let parked = hub.accept(unmapped("SO-2026-0004", "网销部"));
    hub.await_standing(&parked, "parked");
    let behind = hub.accept(message("order-1.xml"));
    hub.await_standing(&behind, "in-flight");

    let released = hub.command(&["messages", "release", &parked, "--by", "chen", "--why", "try again", "--json"]);
    let delivery = delivery_of(&hub, &parked);
    assert_eq!(released.expect(0).json()["done"][0], *delivery);
    hub.await_standing(&parked, "parked");
    let skipped = hub.command(&["messages", "skip", &delivery, "--by", "chen", "--why", "typed in by hand"]);
    assert_eq!(skipped.code, 0, "{}", skipped.talk);
    hub.await_standing(&behind, "delivered");
    let again = hub.command(&["messages", "skip", &delivery, "--by", "chen", "--why", "once more", "--json"]).expect(8);
    assert_eq!(again.json()["failed"][0]["code"], "XD-J009");

    let shown = hub.message(&parked);
    assert_eq!(shown["standing"], "skipped");
    let reason = shown["deliveries"][0]["reason"].to_string();
    assert!(reason.contains("chen") && reason.contains("typed in by hand"), "{reason}");
    let verbs: Vec<&str> =
        shown["acts"].as_array().expect("acts").iter().filter_map(|act| act["verb"].as_str()).collect();
    assert_eq!(verbs, ["release", "skip"]);

    assert!(hub.stop().success());
    assert!(!hub.at("data/control.sock").exists(), "a hub that stopped leaves no socket");
    let stopped =
        hub.command(&["messages", "skip", &delivery, "--by", "chen", "--why", "once more", "--json"]).expect(8);
    assert_eq!(stopped.json()["failed"], again.json()["failed"], "the same answer without a hub");
    let nobody = hub.command(&["messages", "release", "msg_nobody", "--why", "a test", "--json"]).expect(8);
    assert_eq!(nobody.json()["left"], 1);
}

#[test]
fn a_dry_run_says_what_would_pass_and_a_reload_lets_just_that_go() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).replace("routes/orders.yaml", "order-by", "#order-by").start();
    let known = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&known, "delivered");
    let held: Vec<String> = [("SO-1", "网销部"), ("SO-2", "网销部"), ("SO-3", "直播部")]
        .iter()
        .map(|(number, department)| hub.accept(unmapped(number, department)))
        .collect();
    held.iter().for_each(|id| drop(hub.await_standing(id, "parked")));
    add_department(&hub, "网销部");

    let tried = hub.command(&["messages", "release", "--cause", "code", "--dry-run", "--json"]).expect(7).json();
    assert_eq!((&tried["chosen"], &tried["pass"], &tried["fail"]), (&3.into(), &2.into(), &1.into()), "{tried:#}");
    let reason = &tried["reasons"][0];
    assert_eq!((&reason["cause"], &reason["count"]), (&"code".into(), &1.into()));
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("直播部")), "{reason:#}");
    assert_eq!(hub.message(&held[0])["standing"], "parked", "nothing is changed");
    let text = hub.command(&["messages", "release", "--cause", "code", "--dry-run"]).expect(7).text();
    assert!(text.contains("2 would pass, 1 still fail"), "{text}");

    let asked = hub.command(&["messages", "release", "--cause", "code", "--why", "a test"]).expect(2);
    assert!(asked.talk.contains("3 would be let go") && asked.talk.contains("--yes"), "{}", asked.talk);

    hub.command(&["reload"]).expect(0);
    hub.await_standing(&held[0], "delivered");
    hub.await_standing(&held[1], "delivered");
    wait_until("the rest was looked at", || hub.log().contains("left=1"));
    let left = hub.message(&held[2]);
    assert_eq!((&left["standing"], &left["acts"]), (&"parked".into(), &serde_json::json!([])), "left alone");
    let act = &hub.operator("/api/v1/acts")["items"][0];
    assert_eq!((&act["by"], &act["deliveries"], &act["query"]), (&"crossdock".into(), &2.into(), &"cause=code".into()));
}

#[test]
fn what_was_delivered_is_delivered_again_as_a_delivery_of_its_own() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let ids: Vec<String> = ["C-1010", "C-1011", "C-1012"].iter().map(|id| hub.accept(customer(id))).collect();
    ids.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));

    let everything = hub.command(&["messages", "replay", "--why", "a test"]).expect(2);
    assert!(everything.talk.contains("say which"), "{}", everything.talk);
    let which = ["messages", "replay", "--destination", "u8-south", "--since", "1h"];
    let counted = hub.command(&[&which[..], &["--dry-run", "--json"]].concat()).expect(0).json();
    assert_eq!(counted["chosen"], 3);
    let rest = ["--by", "chen", "--why", "the partner restored a backup", "--rate", "100/s", "--yes", "--json"];
    let report = hub.command(&[&which[..], &rest[..]].concat()).expect(0).json();
    assert_eq!(report["deliveries"], 3, "{report:#}");
    ids.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
    wait_until("all came again", || south.received().len() == 6);
    let all = south.received();
    let (first, again) = all.split_at(3);
    let of = |requests: &[serde_json::Value], name: &str| {
        let mut found: Vec<String> = requests.iter().map(|request| request[name].to_string()).collect();
        found.sort();
        found
    };
    assert_eq!(of(first, "sha256"), of(again, "sha256"), "the very bytes");
    assert!(of(first, "delivery_id").iter().all(|id| !of(again, "delivery_id").contains(id)), "other deliveries");
    let view = hub.message(&ids[0]);
    assert_eq!(view["deliveries"][1]["replay_of"], view["deliveries"][0]["id"], "{view:#}");
    assert_eq!(view["acts"][0]["why"], "the partner restored a backup");
    let shown = hub.command(&["messages", "show", &ids[0]]).expect(0).text();
    assert!(shown.contains("replay  of dlv_") && shown.contains("replay by chen"), "{shown}");

    let counted = hub.command(&[&which[..], &["--dry-run", "--json"]].concat()).expect(0).json();
    assert_eq!(counted["chosen"], 6, "replays are delivered, too");
    let report = hub.command(&[&which[..], &rest[..]].concat()).expect(0).json();
    assert_eq!(report["deliveries"], 3, "but only originals are repeated: {report:#}");
}

#[test]
fn a_refused_delivery_is_replayed_with_a_corrected_mapping_in_its_place() {
    let (south, east) = (Erp::with_faults(&["error:3"]), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    for known in ["C-1010", "C-1020"] {
        let known = hub.accept(customer(known));
        hub.await_standing(&known, "delivered");
    }
    let refused = hub.accept(order("SO-2026-0101", "C-1010"));
    hub.await_standing(&refused, "parked");
    let behind = hub.accept(order("SO-2026-0102", "C-1010"));
    let which = ["messages", "replay", "--cause", "rejected", "--state", "parked"];
    let tried = hub.command(&[&which[..], &["--dry-run", "--json"]].concat()).expect(0).json();
    assert_eq!((&tried["chosen"], &tried["pass"]), (&1.into(), &1.into()), "{tried:#}");
    hub.command(&[&which[..], &["--why", "the partner's fault is repaired", "--yes"]].concat()).expect(0);
    hub.await_standing(&behind, "delivered");
    let view = hub.message(&refused);
    let states: Vec<&str> =
        view["deliveries"].as_array().expect("a list").iter().filter_map(|one| one["state"].as_str()).collect();
    assert_eq!(states, ["skipped", "delivered"], "{view:#}");
    let orders = ["u8/saleorder ASO20260101", "u8/saleorder ASO20260102"];
    assert_eq!(south.written()[2..], orders, "in order");
}

#[test]
fn a_corrected_copy_takes_the_place_of_a_parked_message() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let known = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&known, "delivered");
    let parked = hub.accept(unmapped("SO-2026-0004", "网销部"));
    hub.await_standing(&parked, "parked");
    let behind = hub.accept(message("order-1.xml"));
    let received = hub.command(&["messages", "show", &parked, "--received"]).expect(0);
    assert_eq!(received.out, unmapped("SO-2026-0004", "网销部"), "byte for byte");
    hub.write("edited.xml", &received.text());
    let edited = hub.at("edited.xml");
    let resend = ["messages", "resend", &parked, "--by", "chen", "--edit", edited.to_str().expect("a path"), "--json"];

    let same = hub.command(&[&resend[..], &["--why", "unchanged"]].concat()).expect(7);
    assert!(same.talk.contains("XD-D031") && same.talk.contains("网销部"), "{}", same.talk);
    hub.write("edited.xml", &received.text().replace("网销部", "销售一部"));
    let done = hub.command(&[&resend[..], &["--why", "the department was misspelt"]].concat()).expect(0).json();
    let copy = done["done"][0].as_str().expect("an id").to_owned();
    hub.await_standing(&copy, "delivered");
    hub.await_standing(&behind, "delivered");
    let old = hub.message(&parked);
    assert_eq!((&old["standing"], &old["edits"][0]), (&"skipped".into(), &copy.clone().into()), "{old:#}");
    assert_eq!(hub.message(&copy)["edited_from"], *parked);
    let orders: Vec<String> = south.written().into_iter().filter(|one| one.contains("saleorder")).collect();
    assert_eq!(orders[0], "u8/saleorder ASO20260004", "before the one that came after the old message: {orders:?}");
    let shown = hub.command(&["messages", "show", &copy, "--explain"]).expect(0).text();
    assert!(
        shown.contains("a corrected copy of") && shown.contains("deptcode") && shown.contains("code    department"),
        "{shown}"
    );
}

#[test]
fn counts_are_told_by_route_and_destination_and_verified() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    let known = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&known, "delivered");
    let parked = hub.accept(unmapped("SO-2026-0004", "网销部"));
    hub.await_standing(&parked, "parked");
    let counts = hub.operator("/api/v1/counts");
    let way = counts["ways"].as_array().expect("ways").iter().find(|way| way["parked"] == 1).expect("a way");
    assert_eq!((&way["planned"], &way["delivered"], &way["destination"]), (&1.into(), &0.into(), &"u8-south".into()));
    assert_eq!(counts["unaccounted"], 0);
    let text = hub.command(&["messages", "counts"]).expect(0).text();
    assert!(text.contains("2 accepted = 0 undecided + 2 routed") && text.contains("unaccounted 0"), "{text}");
    let status = hub.command(&["status", "--json"]).expect(0).json();
    assert_eq!(status["counts"]["total"], 2, "{status:#}");
    let verified = hub.command(&["verify", "--json"]).expect(0).json();
    assert_eq!((&verified["digests"], &verified["faults"]), (&3.into(), &serde_json::json!([])));
    hub.stop();
    hub.command(&["status"]).expect(5);
    hub.command(&["reload"]).expect(5);
    assert!(hub.command(&["verify"]).expect(0).text().contains("3 digests compared, 0 faults"));
}
