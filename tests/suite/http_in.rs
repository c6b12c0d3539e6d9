//! What a sender hears over HTTP, and what becomes of bad messages.

use crate::support::{Erp, Setup, message};

#[test]
fn a_good_message_reaches_its_destination() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let id = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&id, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001"]);
    assert!(east.received().is_empty());
}
