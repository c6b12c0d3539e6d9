//! One message, several documents: a shop's order becomes an order and a receipt of its deposit, through two mappings.

use std::fs;

use serde_json::Value;

use crate::support::{Hub, Ran, Setup, crossdock_in, root, texts};

const FOLDER: &str = "tests/cases/documents";

fn setup() -> Setup {
    Setup::copy_of(&root().join(FOLDER))
}

fn order() -> String {
    setup().read("messages/order.xml")
}

/// Sends an order of the shop; the message's id.
fn send(hub: &Hub, order: &str) -> String {
    let reply = hub.send_as("shop", "shop/order", order.as_bytes().to_vec(), &[]);
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["message_id"].as_str().expect("an id").to_owned()
}

/// The files of the outbox, by the root element they hold.
fn outbox(hub: &Hub) -> Vec<(String, String)> {
    let files = fs::read_dir(hub.at("outbox")).expect("the outbox").map(|entry| entry.expect("an entry").path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "xml"));
    let read = |path| {
        let text = fs::read_to_string(path).expect("text");
        let root = text.rsplit("</").next().unwrap_or_default().trim_end().trim_end_matches('>').to_owned();
        (root, text)
    };
    let mut files: Vec<_> = files.map(read).collect();
    files.sort();
    files
}

/// The deliveries of a message: which document, how it stands, when it was first tried.
fn deliveries(message: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = message["deliveries"].as_array().expect("a list").iter();
    all.map(|one| (text(&one["document"]), text(&one["state"]), text(&one["attempts"][0]["started_at"]))).collect()
}

#[test]
fn one_order_is_delivered_as_an_order_and_then_its_receipt() {
    let hub = setup().start();
    let id = send(&hub, &order());
    let message = hub.await_standing(&id, "delivered");
    let [first, second] = deliveries(&message).try_into().expect("two deliveries");
    assert_eq!((first.0.as_str(), second.0.as_str()), ("order", "receipt"), "{message:#}");
    assert!(first.2 < second.2, "the receipt goes after the order: {message:#}");
    let [(receipt, of_receipt), (order, of_order)] = outbox(&hub).try_into().expect("two files");
    assert_eq!((receipt.as_str(), order.as_str()), ("receipt", "salesorder"));
    let of = |xml: &str, names: [&str; 2]| names.map(|name| texts(xml, name).concat());
    assert_eq!(of(&of_order, ["code", "amount"]), ["A-1", "12.1"], "{of_order}");
    assert_eq!(of(&of_receipt, ["for", "amount"]), ["A-1", "500"], "{of_receipt}");
}

#[test]
fn a_receipt_stays_behind_an_order_that_waits_for_a_code() {
    let mut hub = setup().start();
    let id = send(&hub, &order().replace("cash", "cheque"));
    let parked = hub.await_standing(&id, "parked");
    let [first, second] = deliveries(&parked).try_into().expect("two deliveries");
    assert_eq!((first.1.as_str(), second.2.as_str()), ("parked", ""), "the receipt was not tried: {parked:#}");
    assert!(outbox(&hub).is_empty());
    hub.write("codes/payment.csv", "value,target\ncash,01\ncheque,02\n");
    hub.signal("HUP");
    hub.await_standing(&id, "delivered");
    let [_, (_, order)] = outbox(&hub).try_into().expect("two files");
    assert_eq!(texts(&order, "paycode"), ["02"]);
}

#[test]
fn an_order_without_deposit_has_no_receipt_and_says_why() {
    let hub = setup().start();
    let id = send(&hub, &order().replace("<deposit>500</deposit>", ""));
    let message = hub.await_standing(&id, "delivered");
    let [_, receipt] = deliveries(&message).try_into().expect("two deliveries");
    assert_eq!(receipt.1, "filtered", "{message:#}");
    assert!(message["deliveries"][1].to_string().contains("document receipt of "), "{message:#}");
    assert_eq!(outbox(&hub).len(), 1);
}

/// `map` with both mappings of the route, and more arguments.
fn map(more: &[&str]) -> Ran {
    let mut all = vec!["map", "messages/order.xml", "-m", "shop/order-to-basket", "-m", "erp/basket-to-documents"];
    all.extend(more);
    crossdock_in(&root().join(FOLDER), &all, &[])
}

#[test]
fn map_prints_all_documents_or_the_named_one() {
    let both = map(&[]).expect(0);
    assert!(both.text().contains("<salesorder>") && both.text().contains("<receipt>"), "{}", both.text());
    assert!(both.talk.contains("document order:") && both.talk.contains("document receipt:"), "{}", both.talk);
    let one = map(&["--document", "receipt"]).expect(0).text();
    assert!(!one.contains("<salesorder>"), "{one}");
    assert_eq!(texts(&one, "code"), ["A-1-D"]);
    let none = map(&["--document", "invoice"]).expect(3);
    assert!(none.talk.contains("it makes order, receipt"), "{}", none.talk);
    let swapped = ["map", "messages/order.xml", "-m", "erp/basket-to-documents", "-m", "shop/order-to-basket"];
    let swapped = crossdock_in(&root().join(FOLDER), &swapped, &[]).expect(2);
    assert!(swapped.talk.contains("`shop/order-to-basket` takes shop/order"), "{}", swapped.talk);
}

#[test]
fn a_field_is_explained_down_to_the_original_document() {
    let explanation = map(&["--document", "order", "--explain", "--json"]).expect(0).json();
    let chain: Vec<_> = explanation["chain"].as_array().expect("a chain").iter().map(|one| &one["mapping"]).collect();
    assert!(chain[0].as_str().is_some_and(|file| file.ends_with("order-to-basket.yaml")), "{chain:?}");
    assert_eq!(*chain[1], explanation["mapping"]);
    let fields = explanation["fields"].as_array().expect("a list");
    let field = |path: &str| fields.iter().find(|field| field["path"] == path).expect("the field");
    let sources = |path: &str| -> Vec<(&str, u64)> {
        let sources = field(path)["sources"].as_array().expect("sources").iter();
        sources.map(|one| (one["path"].as_str().unwrap_or(""), one["line"].as_u64().unwrap_or(0))).collect()
    };
    assert_eq!(sources("/salesorder/code"), [("/order/number", 2)]);
    assert_eq!(sources("/salesorder/paycode"), [("/order/payment", 4)]);
    let parts = ["line[1]/quantity", "line[1]/price", "line[2]/quantity", "line[2]/price"];
    let found = sources("/salesorder/amount").into_iter().map(|(path, _)| path.to_owned());
    assert_eq!(found.collect::<Vec<_>>(), parts.map(|part| format!("/order/{part}")));
    assert_eq!(field("/salesorder/paycode")["codes"][0]["result"], "01");
    let through = &field("/salesorder/code")["through"][0];
    assert_eq!((&through["path"], &through["formula"]), (&"/basket/no".into(), &"upper-case(order/number)".into()));
    let plain = map(&["--document", "order", "--explain"]).expect(0).text();
    for expected in
        ["through /basket/no = A-1", "order-to-basket.yaml:5:9  =upper-case(order/number)", "source  /order/number"]
    {
        assert!(plain.contains(expected), "{expected}: {plain}");
    }
}

#[test]
fn cases_expect_a_file_for_each_document() {
    let setup = setup();
    let test = |more: &[&str]| crossdock_in(setup.path(), &[&["test"], more].concat(), &[]);
    assert!(test(&[]).expect(0).text().contains("2 passed, 0 failed"));
    let file = "mappings/erp/cases/with-deposit/expected.receipt.xml";
    let right = setup.read(file);
    setup.write(file, &right.replace("500", "400"));
    let wrong = test(&[]).expect(7).text();
    assert!(wrong.contains("/receipt/amount: expected `400`, got `500` (") && wrong.contains(":19:17)"), "{wrong}");
    let extra = "mappings/erp/cases/without-deposit/expected.receipt.xml";
    setup.write(extra, &right);
    let wrong = test(&["without-deposit"]).expect(7).text();
    assert!(wrong.contains("FAILED\terp/without-deposit"), "{wrong}");
    test(&["--update"]).expect(0);
    assert!(setup.read(file).contains("<amount>500</amount>"));
    assert!(!setup.at(extra).exists(), "a document that is left out has no file");
    test(&[]).expect(0);
}

#[test]
fn a_replay_names_the_rules_of_all_mappings_of_the_chain() {
    let hub = setup().start();
    let id = send(&hub, &order());
    hub.await_standing(&id, "delivered");
    let text = fs::read_to_string(hub.at("mappings/shop/order-to-basket.yaml")).expect("text");
    hub.write("mappings/shop/order-to-basket.yaml", &text.replace("=upper-case(order/number)", "='X' || order/number"));
    let ran = hub.command(&["test", "--replay", "--json"]).expect(7).json();
    assert_eq!(ran["differing"], 2, "{ran:#}");
    let rules = ran["rules"].as_array().expect("a list");
    assert_eq!(rules.len(), 3, "code of the order, code of the receipt, its order: {ran:#}");
    for group in rules {
        assert_eq!(group["through"][0]["text"], "='X' || order/number", "{group:#}");
    }
    let plain = hub.command(&["test", "--replay"]).expect(7).text();
    assert!(
        plain.contains("  through ") && plain.contains("order-to-basket.yaml:5:9  ='X' || order/number"),
        "{plain}"
    );
}
