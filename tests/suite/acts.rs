//! What an operator decides by name: giving up a message that holds up its lane, and trying one again.

use super::support::{Erp, Setup, message, message_text};

#[test]
fn a_skipped_order_frees_its_lane_and_a_released_one_is_tried_again() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    let customer = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&customer, "delivered");
    let unmapped = message_text("order-unmapped-code.xml");
    let id_of = |text: &str| text.split("<Id>").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned);
    let other = id_of(&unmapped).expect("a customer");
    let parked = hub.accept(unmapped.replace(&other, "C-1001").into_bytes());
    hub.await_standing(&parked, "parked");
    let behind = hub.accept(message("order-1.xml"));
    hub.await_standing(&behind, "in-flight");

    let running = hub.command(&["messages", "skip", &parked, "--by", "chen", "--why", "typed in by hand"]);
    assert_eq!(running.code, 5, "the journal belongs to the running hub: {}", running.talk);

    assert!(hub.stop().success());
    let released = hub.command(&["messages", "release", &parked, "--by", "chen", "--why", "try again", "--json"]);
    assert_eq!(released.json()["done"][0], *parked, "{}", released.talk);
    hub.restart();
    hub.await_standing(&parked, "parked");

    assert!(hub.stop().success());
    let delivery = hub.command(&["messages", "show", &parked, "--json"]).json()["deliveries"][0]["id"].clone();
    let delivery = delivery.as_str().expect("an id").to_owned();
    let skipped = hub.command(&["messages", "skip", &delivery, "--by", "chen", "--why", "typed in by hand"]);
    assert_eq!(skipped.code, 0, "{}", skipped.talk);
    let again = hub.command(&["messages", "skip", &delivery, "--by", "chen", "--why", "once more"]);
    assert_eq!(again.code, 8, "{}", again.talk);
    hub.restart();
    hub.await_standing(&behind, "delivered");
    let shown = hub.message(&parked);
    assert_eq!(shown["standing"], "skipped");
    let reason = shown["deliveries"][0]["reason"].to_string();
    assert!(reason.contains("chen") && reason.contains("typed in by hand"), "{reason}");
}
