//! Mapping versions in the journal, and `crossdock test --replay`: what a change of content would have changed.

use crate::support::{Erp, Hub, Setup, message, root};

const MAPPING: &str = "mappings/u8/hub-sales-order-to-saleorder.yaml";

/// A hub that delivered a customer, the same customer again, and an order.
fn delivered() -> (Hub, [Erp; 2], Vec<String>) {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let ids: Vec<String> = ["customer-C-1001.xml", "order-1.xml"]
        .map(|name| {
            let id = hub.accept(message(name));
            hub.await_standing(&id, "delivered");
            id
        })
        .into();
    (hub, [south, east], ids)
}

/// The shipped mapping of sales orders, changed, as the set-up's own.
fn change(hub: &Hub, from: &str, to: &str) {
    let text = std::fs::read_to_string(root().join(MAPPING)).expect("a text");
    assert!(text.contains(from), "{from}");
    std::fs::create_dir_all(hub.path().join("mappings/u8")).expect("a folder");
    hub.write(MAPPING, &text.replace(from, to));
}

#[test]
fn deliveries_keep_the_mappings_they_used() {
    let (mut hub, _erps, ids) = delivered();
    let order = &ids[1];
    let delivery = |hub: &Hub| hub.message(order)["deliveries"][0].clone();
    assert_eq!(delivery(&hub)["mapping_is_current"], true);
    let listed = hub.command(&["mapping", "versions", "--json"]).expect(0).json();
    let versions = listed["versions"].as_array().expect("a list");
    assert_eq!(versions.len(), 2, "each mapping once: {listed:#}");
    assert!(versions.iter().all(|version| version["current"] == true), "{listed:#}");

    change(&hub, "define10: =$order/OrderNumber", "define10: =upper-case($order/OrderNumber)");
    hub.signal("HUP");
    crate::support::wait_until("the reload is done", || hub.log().contains("new content is in force"));
    assert_eq!(delivery(&hub)["mapping_is_current"], false, "the API says so");
    let shown = hub.command(&["messages", "show", order]).expect(0).text();
    assert!(shown.contains("(changed since; `crossdock mapping versions`)"), "{shown}");
    let plain = hub.command(&["mapping", "versions"]).expect(0).text();
    assert!(plain.contains("old") && plain.contains("current"), "{plain}");

    let old = versions.iter().find(|version| version["file"].as_str().is_some_and(|file| file.ends_with(MAPPING)));
    let hash = old.and_then(|old| old["hash"].as_str()).expect("the mapping");
    let text = hub.command(&["mapping", "versions", "--show", &hash[..12]]).expect(0).out;
    assert_eq!(text, std::fs::read(root().join(MAPPING)).expect("the shipped file"), "byte for byte");
    hub.command(&["mapping", "versions", "--show", "0000"]).expect(3);
}

#[test]
fn a_replay_of_unchanged_content_gives_the_same_bytes() {
    let (hub, _erps, _) = delivered();
    let ran = hub.command(&["test", "--replay", "--json"]).expect(0).json();
    // The customer was not known to the partner when it was delivered, and is now.
    assert_eq!((&ran["messages"], &ran["same"], &ran["differing"]), (&2.into(), &2.into(), &0.into()), "{ran:#}");
    let none = hub.command(&["test", "--replay", "--since", "2100-01-01"]);
    assert_eq!(none.code, 3, "{}", none.text());
    hub.command(&["test", "--replay", "--since", "soon"]).expect(2);
    hub.command(&["test", "--replay", "--route", "no-such-route"]).expect(3);
}

#[test]
fn a_replay_tells_what_a_change_would_have_changed_by_rule() {
    let (hub, erps, ids) = delivered();
    let sent = erps[0].received().len();
    change(&hub, "quantity: =Quantity\n", "quantity: =Quantity + 1\n");
    let ran = hub.command(&["test", "--replay", "--since", "1d", "--json"]).expect(7).json();
    assert_eq!((&ran["same"], &ran["differing"]), (&1.into(), &1.into()), "{ran:#}");
    let rules = ran["rules"].as_array().expect("a list");
    assert_eq!(rules.len(), 1, "{ran:#}");
    assert_eq!((&rules[0]["text"], &rules[0]["count"]), (&"=Quantity + 1".into(), &4.into()));
    let example = &rules[0]["example"];
    assert_eq!(example["message"], *ids[1]);
    assert_eq!((&example["delivered"], &example["now"]), (&"1".into(), &"2".into()), "{example:#}");
    let plain = hub.command(&["test", "--replay", "--route", "orders"]).expect(7).text();
    assert!(plain.contains("4 fields differ, as in msg_") && plain.contains("delivered `1`, now `2`"), "{plain}");

    change(&hub, "quantity: =Quantity\n", "quantity: =Quantity div 0\n");
    let ran = hub.command(&["test", "--replay", "--json"]).expect(7).json();
    assert_eq!(ran["rules"][0]["example"]["path"], "problems", "a mapping that stops now is a difference: {ran:#}");
    assert_eq!(erps[0].received().len(), sent, "nothing was sent");
}
