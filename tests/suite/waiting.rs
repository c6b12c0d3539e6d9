//! What needs another document waits for it, in order, and holds up nobody else.

use crate::support::{Erp, Setup, customer, message, order};

#[test]
fn an_order_waits_for_its_customer_and_then_goes_once() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let early = hub.accept(message("order-before-customer.xml"));
    let waiting = hub.await_standing(&early, "waiting");
    let delivery = &waiting["deliveries"][0];
    assert_eq!(delivery["reason"]["code"], "XD-D010", "{waiting:#}");
    assert!(delivery["waits_for"].as_str().is_some_and(|key| key.contains("C-1009")), "{waiting:#}");
    assert!(south.received().is_empty(), "nothing is sent on trial");
    let awaited = hub.accept(message("customer-C-1009.xml"));
    hub.await_standing(&awaited, "delivered");
    hub.await_standing(&early, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1009", "u8/saleorder ASO20260005"]);
    assert_eq!(south.received().len(), 2, "each of them once");
}

#[test]
fn orders_of_one_customer_stay_in_order_and_hold_up_no_other() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let other = hub.accept(customer("C-1020"));
    hub.await_standing(&other, "delivered");
    let numbers = ["SO-2026-0109", "SO-2026-0101", "SO-2026-0105", "SO-2026-0103", "SO-2026-0107"];
    let held: Vec<_> = numbers.iter().map(|number| hub.accept(order(number, "C-1010"))).collect();
    hub.await_standing(&held[0], "waiting");
    let free: Vec<_> = (0..5).map(|n| hub.accept(order(&format!("SO-2026-020{n}"), "C-1020"))).collect();
    free.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
    let before = south.written();
    let free_ones: Vec<_> = (0..5).map(|n| format!("u8/saleorder ASO2026020{n}")).collect();
    assert_eq!(before[1..], free_ones, "of another customer, in order, and none of the one that is missing");
    hub.accept(customer("C-1010"));
    held.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
    let expected: Vec<_> = numbers.iter().map(|number| format!("u8/saleorder A{}", number.replace('-', ""))).collect();
    let after = south.written();
    assert_eq!(after[before.len()], "u8/customer AC1010");
    assert_eq!(after[before.len() + 1..], expected, "in the order they were accepted");
    assert_eq!(south.received().len(), after.len(), "nothing was sent twice");
}

#[test]
fn a_parked_order_holds_up_later_orders_of_its_customer_only() {
    let (south, east) = (Erp::with_faults(&["error:3"]), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    for id in ["C-1010", "C-1020"] {
        let id = hub.accept(customer(id));
        hub.await_standing(&id, "delivered");
    }
    let refused = hub.accept(order("SO-2026-0101", "C-1010"));
    hub.await_standing(&refused, "parked");
    let behind = hub.accept(order("SO-2026-0102", "C-1010"));
    let other = hub.accept(order("SO-2026-0201", "C-1020"));
    hub.await_standing(&other, "delivered");
    let held = hub.message(&behind);
    assert!(held["deliveries"][0]["attempts"].as_array().is_some_and(Vec::is_empty), "{held:#}");
    assert_eq!(south.written(), ["u8/customer AC1010", "u8/customer AC1020", "u8/saleorder ASO20260201"]);
}

#[test]
fn what_waits_survives_a_restart() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    let early = hub.accept(message("order-before-customer.xml"));
    hub.await_standing(&early, "waiting");
    assert_eq!(hub.stop().code(), Some(0));
    hub.restart();
    hub.await_standing(&early, "waiting");
    hub.accept(message("customer-C-1009.xml"));
    hub.await_standing(&early, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1009", "u8/saleorder ASO20260005"]);
}

#[test]
fn an_order_that_is_tried_again_is_not_overtaken() {
    for fault in ["status=503:2", "html:2", "cut:2"] {
        let (south, east) = (Erp::with_faults(&[fault]), Erp::u8());
        let hub = Setup::between(&south, &east).start();
        let known = hub.accept(customer("C-1010"));
        hub.await_standing(&known, "delivered");
        let numbers: Vec<_> = (0..6).map(|n| format!("SO-2026-010{n}")).collect();
        let ids: Vec<_> = numbers.iter().map(|number| hub.accept(order(number, "C-1010"))).collect();
        ids.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
        let expected: Vec<_> =
            numbers.iter().map(|number| format!("u8/saleorder A{}", number.replace('-', ""))).collect();
        assert_eq!(south.written()[1..], expected, "{fault}");
    }
}
