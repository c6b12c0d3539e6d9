//! Destinations that fail, fall silent, are gone or closed: what waits, what is asked, and what flows on.

use serde_json::Value;

use crate::support::{Erp, Http, Hub, Setup, customer, message, wait_until};

fn outcomes(message: &Value) -> Vec<&str> {
    let attempts = message["deliveries"][0]["attempts"].as_array().expect("attempts");
    attempts.iter().map(|attempt| attempt["outcome"].as_str().expect("an outcome")).collect()
}

/// A hub that asks U8 back, whose southern partner misbehaves at its third request; two customers are there, the order
/// is on its way.
fn asked_back(fault: &str, timeout: &str) -> (Hub, Erp, String) {
    let south = Erp::with_faults(&[&format!("{fault}:3")]);
    let setup = Setup::dealer_group().partners(&south.url(), "http://127.0.0.1:9");
    let setup = setup.replace("systems/u8-south.yaml", "timeout: 60s", &format!("timeout: {timeout}"));
    let hub = setup.replace("systems/u8-south.yaml", "  sender:", "  read-back: \"Y\"\n  sender:").start();
    for name in ["customer-C-1001.xml", "customer-C-1002.xml"] {
        let id = hub.accept(message(name));
        hub.await_standing(&id, "delivered");
    }
    let order = hub.accept(message("order-1.xml"));
    (hub, south, order)
}

/// The partner's replies after the customers.
fn replies(south: &Erp) -> Vec<Value> {
    south.received().iter().skip(2).map(|request| request["reply"].clone()).collect()
}

#[test]
fn a_partner_that_writes_and_hangs_up_is_asked_and_gets_no_second_document() {
    for fault in ["cut", "silence"] {
        let (hub, south, order) = asked_back(fault, "400ms");
        let delivered = hub.await_standing(&order, "delivered");
        assert_eq!(outcomes(&delivered), ["unknown", "delivered"], "{fault}: {delivered:#}");
        let detail = delivered["deliveries"][0]["attempts"][1]["detail"].as_str().expect("a detail");
        assert!(detail.contains("was not sent again"), "{detail}");
        assert_eq!(replies(&south), [fault, "exported"]);
        let question = &south.received()[3];
        assert!(question["query"] == true && question["key"] == "ASO20260001", "{question:#}");
        assert_eq!(south.written()[2..], ["u8/saleorder ASO20260001"], "{fault}: written once");
    }
}

#[test]
fn a_partner_that_does_not_have_it_gets_it_again_under_the_same_id() {
    let (hub, south, order) = asked_back("html", "60s");
    let delivered = hub.await_standing(&order, "delivered");
    assert_eq!(outcomes(&delivered), ["unknown", "delivered"], "{delivered:#}");
    assert_eq!(replies(&south), ["html", "nothing", "ok"]);
    let received = south.received();
    assert_eq!(received[2]["delivery_id"], received[4]["delivery_id"]);
    assert_eq!(received[2]["sha256"], received[4]["sha256"]);
}

#[test]
fn what_was_under_way_when_the_hub_was_killed_is_asked_for_after_the_restart() {
    let (mut hub, south, order) = asked_back("silence", "60s");
    wait_until("the order is written, and not answered", || south.written().len() == 3);
    hub.kill9();
    hub.restart();
    let delivered = hub.await_standing(&order, "delivered");
    assert_eq!(outcomes(&delivered), ["delivered"], "{delivered:#}");
    assert_eq!(replies(&south), ["silence", "exported"]);
    assert_eq!(south.written()[2..], ["u8/saleorder ASO20260001"]);
}

/// How operators see a destination.
fn destination(hub: &Hub, name: &str) -> Value {
    let listed = hub.operator("/api/v1/destinations");
    let found = listed["destinations"].as_array().expect("a list").iter().find(|one| one["destination"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {listed:#}")).clone()
}

#[test]
fn a_destination_that_keeps_failing_is_paused_alone_and_everything_flows_when_it_comes() {
    let (mut south, east) = (Erp::absent(), Erp::u8());
    let setup = Setup::between(&south, &east).setting("delivery.breaker_failures", "3");
    let hub = setup.setting("delivery.breaker_probe", "\"300ms\"").start();
    let ids: Vec<_> = (0..6).map(|n| hub.accept(customer(&format!("C-300{n}")))).collect();
    wait_until("the breaker opens", || destination(&hub, "u8-south")["standing"] == "paused");
    let paused = destination(&hub, "u8-south");
    let pause = &paused["pauses"][0];
    assert!(pause["kind"] == "breaker" && pause["reason"]["code"] == "XD-D016", "{paused:#}");
    assert!(pause["until"].is_string(), "{paused:#}");
    assert!(hub.log().contains("XD-D016"), "{}", hub.log());
    let metrics = Http::new().get(&format!("{}/metrics", hub.operations()), &[]).expect("an answer").body;
    let metrics = String::from_utf8(metrics).expect("text");
    let line = "crossdock_destination_paused{destination=\"u8-south\",kind=\"breaker\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let shown = hub.command(&["messages", "counts"]).expect(0).text();
    assert!(shown.contains("u8-south gets nothing since"), "{shown}");
    let listed = hub.command(&["destinations", "list"]).expect(0).text();
    assert!(listed.contains("u8-south\tpaused\t") && listed.contains("u8-east\tflows"), "{listed}");

    let other = hub.accept(message("customer-C-2001.json"));
    hub.await_standing(&other, "delivered");
    south.run(&[]);
    ids.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
    wait_until("the pause ends", || destination(&hub, "u8-south")["standing"] == "flows");
    assert_eq!(south.written().len(), 6);
    assert_eq!(hub.operator("/api/v1/counts")["pauses"], Value::Array(vec![]));
}

#[test]
fn an_address_that_is_gone_keeps_its_deliveries_through_a_restart_until_a_reload() {
    let mut south = Erp::with_faults(&["status=410"]);
    let mut hub = Setup::dealer_group().partners(&south.url(), "http://127.0.0.1:9").start();
    let ids = [hub.accept(message("customer-C-1001.xml")), hub.accept(message("customer-C-1002.xml"))];
    wait_until("the destination is gone", || destination(&hub, "u8-south")["standing"] == "gone");
    assert!(hub.log().contains("XD-D017"), "{}", hub.log());
    south.run(&[]);
    assert!(hub.stop().success());
    hub.restart();
    assert_eq!(destination(&hub, "u8-south")["standing"], "gone", "the same address is not tried again");
    ids.iter().for_each(|id| drop(hub.await_standing(id, "in-flight")));
    assert!(south.received().is_empty());
    hub.signal("HUP");
    ids.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
    assert_eq!(destination(&hub, "u8-south")["standing"], "flows");
}

#[test]
fn a_person_resumes_a_destination_by_name() {
    let mut south = Erp::with_faults(&["status=410"]);
    let mut hub = Setup::dealer_group().partners(&south.url(), "http://127.0.0.1:9").start();
    let id = hub.accept(message("customer-C-1001.xml"));
    wait_until("the destination is gone", || destination(&hub, "u8-south")["standing"] == "gone");
    south.run(&[]);
    assert!(hub.stop().success());
    assert_eq!(hub.command(&["destinations", "resume", "u8-east"]).code, 8);
    assert_eq!(hub.command(&["destinations", "resume", "u8-south"]).expect(0).text(), "resumed\tu8-south\n");
    hub.restart();
    hub.await_standing(&id, "delivered");
}

#[test]
fn a_closed_calendar_holds_shows_and_lets_go() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    let system = setup.read("systems/u8-south.yaml");
    let setup = setup.file("systems/u8-south.yaml", &format!("{system}calendar: finance\n"));
    let closed = "zone: Asia/Shanghai\nclosed: 2020-01-01/2099-12-31\n";
    let mut hub = setup.file("calendars/finance.yaml", closed).start();
    let id = hub.accept(message("customer-C-1001.xml"));
    let held = hub.await_standing(&id, "waiting");
    let delivery = &held["deliveries"][0];
    assert!(delivery["reason"]["cause"] == "calendar" && delivery["reason"]["code"] == "XD-D018", "{held:#}");
    let other = hub.accept(message("customer-C-2001.json"));
    hub.await_standing(&other, "delivered");
    let listed = hub.command(&["messages", "list", "--held", "calendar"]).expect(0).text();
    assert!(listed.contains(&id) && listed.contains("closed on") && !listed.contains(&other), "{listed}");
    assert_eq!(hub.operator("/api/v1/messages?held=calendar")["items"][0]["id"], *id);
    assert_eq!(destination(&hub, "u8-south")["standing"], "closed");
    hub.write("calendars/finance.yaml", "zone: Asia/Shanghai\n");
    hub.signal("HUP");
    assert_eq!(outcomes(&hub.await_standing(&id, "delivered")), ["delivered"]);
}

#[test]
fn an_order_posted_into_a_closed_period_waits_for_a_person() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    let system = setup.read("systems/u8-south.yaml");
    let setup = setup.file("systems/u8-south.yaml", &format!("{system}calendar: finance\n"));
    let closed = "zone: Asia/Shanghai\nperiods: {closed-through: 2099-12-31}\n";
    let mut hub = setup.file("calendars/finance.yaml", closed).start();
    let customer = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&customer, "delivered");
    let order = hub.accept(message("order-1.xml"));
    let held = hub.await_standing(&order, "waiting");
    let delivery = &held["deliveries"][0];
    assert_eq!(delivery["reason"]["code"], "XD-D019", "{held:#}");
    assert!(delivery["waits_for"].as_str().is_some_and(|key| key.starts_with("period:finance:")), "{held:#}");
    assert!(hub.stop().success());
    hub.command(&["messages", "release", &order, "--by", "li.wei", "--why", "agreed with the accountant"]).expect(0);
    hub.restart();
    hub.await_standing(&order, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"]);
}

#[test]
fn mistakes_in_calendars_and_delivery_rules_are_told_where_they_stand() {
    let setup = Setup::dealer_group().file("calendars/finance.yaml", "zone: Asia/Shangai\n");
    let system = setup.read("systems/u8-south.yaml");
    let more = "calendar: finanse\ndelivery: {retry: [5], outcomes: {4x: retry, 409: later}, on-exhausted: stop}\n";
    let setup = setup.file("systems/u8-south.yaml", &format!("{system}{more}"));
    let config = setup.config();
    let ran = crate::support::crossdock(&["check", "--config", config.as_str()]).expect(7);
    for expected in [
        "calendars/finance.yaml:1:7: error XD-K013",
        "error XD-K014: there is no calendar `finanse` (did you mean `finance`?)",
        "error XD-K008: `retry` lists durations",
        "error XD-P009: `4x` is no status",
        "error XD-P009: a status means one of",
        "`on-exhausted` is one of `block-key`, `park-and-continue`",
    ] {
        assert!(
            ran.text().contains(expected) || ran.talk.contains(expected),
            "{expected}\n{}\n{}",
            ran.text(),
            ran.talk
        );
    }
}
