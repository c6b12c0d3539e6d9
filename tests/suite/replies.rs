//! What a partner's answer, or its silence, leads to.

use serde_json::Value;

use crate::support::{Erp, Hub, Setup, customer, message, message_text, wait_until};

/// A hub whose southern partner misbehaves at its second request: the customer is there, the order gets the fault.
fn order_meets(fault: &str, change: impl FnOnce(Setup) -> Setup) -> (Hub, Erp, String) {
    let south = Erp::with_faults(&[&format!("{fault}:2")]);
    let setup = Setup::dealer_group().partners(&south.url(), "http://127.0.0.1:9");
    let setup = setup.replace("systems/u8-south.yaml", "timeout: 60s", "timeout: 400ms");
    let hub = change(setup).start();
    let id = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&id, "delivered");
    let order = hub.accept(message("order-1.xml"));
    (hub, south, order)
}

fn unchanged(setup: Setup) -> Setup {
    setup
}

/// The outcomes of the attempts of a message's only delivery.
fn outcomes(message: &Value) -> Vec<&str> {
    let attempts = message["deliveries"][0]["attempts"].as_array().expect("attempts");
    attempts.iter().map(|attempt| attempt["outcome"].as_str().expect("an outcome")).collect()
}

/// The order's requests: their delivery ids must be one.
fn requests_for_the_order(south: &Erp) -> usize {
    let requests = south.received();
    let orders: Vec<_> = requests.iter().filter(|request| request["type"] == "u8/saleorder").collect();
    let first = orders.first().expect("a request");
    assert!(first["delivery_id"].as_str().is_some_and(|id| id.starts_with("dlv_")), "{first:#}");
    assert!(orders.iter().all(|request| request["delivery_id"] == first["delivery_id"]), "one delivery, one id");
    assert!(orders.iter().all(|request| request["sha256"] == first["sha256"]), "the same bytes each time");
    orders.len()
}

#[test]
fn a_refusal_parks_with_the_partners_words() {
    let (hub, south, order) = order_meets("error", unchanged);
    let parked = hub.await_standing(&order, "parked");
    let reason = &parked["deliveries"][0]["reason"];
    assert_eq!(reason["code"], "XD-D011", "{parked:#}");
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("部门编码非法")), "{parked:#}");
    assert_eq!(outcomes(&parked), ["rejected"]);
    assert_eq!(requests_for_the_order(&south), 1);
}

#[test]
fn success_without_a_key_is_no_success() {
    let (hub, south, order) = order_meets("hollow", unchanged);
    let parked = hub.await_standing(&order, "parked");
    assert_eq!(parked["deliveries"][0]["reason"]["code"], "XD-D011", "{parked:#}");
    assert_eq!(outcomes(&parked), ["rejected"]);
    assert_eq!(requests_for_the_order(&south), 1);
}

#[test]
fn a_number_the_partner_has_already_parks_when_it_was_not_ours() {
    let (hub, south, order) = order_meets("duplicate", unchanged);
    let parked = hub.await_standing(&order, "parked");
    assert_eq!(parked["deliveries"][0]["reason"]["code"], "XD-D015", "{parked:#}");
    assert_eq!(requests_for_the_order(&south), 1);
}

#[test]
fn an_error_page_says_nothing_and_the_order_is_sent_again() {
    let (hub, south, order) = order_meets("html", unchanged);
    let delivered = hub.await_standing(&order, "delivered");
    assert_eq!(outcomes(&delivered), ["unknown", "delivered"]);
    assert_eq!(requests_for_the_order(&south), 2);
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"]);
}

#[test]
fn silence_after_writing_is_sent_again_and_recognised_as_arrived() {
    for fault in ["silence", "cut"] {
        let (hub, south, order) = order_meets(fault, unchanged);
        let delivered = hub.await_standing(&order, "delivered");
        assert_eq!(outcomes(&delivered), ["unknown", "delivered"], "{fault}: {delivered:#}");
        assert_eq!(requests_for_the_order(&south), 2, "{fault}");
        let replies: Vec<_> = south.received().iter().map(|request| request["reply"].clone()).collect();
        assert_eq!(replies, ["ok", fault, "duplicate"]);
        assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"], "{fault}: written once");
    }
}

#[test]
fn an_overloaded_partner_gets_the_order_later() {
    let (hub, south, order) = order_meets("status=503", unchanged);
    let delivered = hub.await_standing(&order, "delivered");
    assert_eq!(outcomes(&delivered), ["retry", "delivered"]);
    assert_eq!(delivered["deliveries"][0]["attempts"][0]["status"], 503);
    assert_eq!(requests_for_the_order(&south), 2);
}

#[test]
fn an_absent_partner_gets_everything_when_it_comes() {
    let mut south = Erp::absent();
    let waits = format!("[{}]", vec![r#""50ms""#; 400].join(", "));
    let setup = Setup::dealer_group().partners(&south.url(), "http://127.0.0.1:9").setting("delivery.retry", &waits);
    let hub = setup.start();
    let ids = [hub.accept(message("customer-C-1001.xml")), hub.accept(message("order-1.xml"))];
    wait_until("an attempt", || {
        let attempts = &hub.message(&ids[0])["deliveries"][0]["attempts"];
        attempts.as_array().is_some_and(|attempts| attempts.len() >= 2)
    });
    south.run(&[]);
    ids.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"]);
}

#[test]
fn when_attempts_run_out_the_reason_says_whether_it_may_have_arrived() {
    let once = |setup: Setup| setup.setting("delivery.retry", "[]");
    let (hub, _south, order) = order_meets("silence", once);
    let parked = hub.await_standing(&order, "parked");
    assert_eq!(parked["deliveries"][0]["reason"]["code"], "XD-D013", "{parked:#}");
    let hub = once(Setup::dealer_group()).partners(&Erp::absent().url(), "http://127.0.0.1:9").start();
    let id = hub.accept(message("customer-C-1001.xml"));
    let parked = hub.await_standing(&id, "parked");
    assert_eq!(parked["deliveries"][0]["reason"]["code"], "XD-D012", "{parked:#}");
}

#[test]
fn a_customer_the_partner_knows_is_changed_and_not_added_again() {
    let south = Erp::u8();
    let hub = Setup::dealer_group().partners(&south.url(), "http://127.0.0.1:9").start();
    let versions = ["13900000001", "13900000002", "13900000003"];
    for (index, mobile) in versions.iter().enumerate() {
        let bytes = message_text("customer-C-1001.xml").replace("13900000001", mobile).into_bytes();
        let reply = hub.send("hub/customer", bytes, &[("idempotency-key", &format!("C-1001 version {index}"))]);
        assert_eq!(reply.status, 202);
        hub.await_standing(reply.json()["message_id"].as_str().expect("an id"), "delivered");
    }
    let received = south.received();
    let bodies: Vec<_> = received.iter().map(|request| request["body"].as_str().expect("a body")).collect();
    let procs: Vec<_> = bodies.iter().map(|body| body.contains("proc=\"Edit\"")).collect();
    assert_eq!(procs, [false, true, true]);
    assert!(bodies[0].contains("proc=\"Add\"") && bodies[2].contains("13900000003"), "{bodies:?}");
    assert_eq!(south.written().len(), 3);
}

#[test]
fn a_slow_partner_is_waited_for() {
    let south = Erp::with_faults(&["slow=300ms"]);
    let hub = Setup::dealer_group().partners(&south.url(), "http://127.0.0.1:9").start();
    let ids: Vec<_> = (0..4).map(|n| hub.accept(customer(&format!("C-300{n}")))).collect();
    ids.iter().for_each(|id| assert_eq!(outcomes(&hub.await_standing(id, "delivered")), ["delivered"]));
}
