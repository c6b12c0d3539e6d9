//! One order in four forms is one U8 document, to the fen.

use std::str::FromStr as _;

use rust_decimal::Decimal;

use crate::support::{Erp, Setup, message, message_text, texts};

/// What U8 gets for an order in some form, without what names the message itself.
fn u8_document(order: Vec<u8>, content_type: &str) -> String {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    hub.accept(message("customer-C-1001.xml"));
    let reply = hub.send("", order, &[("content-type", content_type)]);
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    hub.await_standing(reply.json()["message_id"].as_str().expect("an id"), "delivered");
    let received = south.received().pop().expect("the order");
    assert_eq!((received["type"].as_str(), received["written"].as_bool()), (Some("u8/saleorder"), Some(true)));
    let body = received["body"].as_str().expect("a text");
    let (before, rest) = body.split_once(" docid=\"").expect("a docid");
    let (_, after) = rest.split_once('"').expect("its end");
    format!("{before}{after}")
}

/// Text in UTF-16 with a byte order mark, declared so.
fn utf16(text: &str) -> Vec<u8> {
    let text = text.replace("encoding=\"UTF-8\"", "encoding=\"UTF-16\"");
    assert!(text.contains("UTF-16"), "the declaration names a character set");
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn one_order_in_four_forms_is_one_u8_document() {
    let utf8 = u8_document(message("order-1.xml"), "application/xml");
    assert_eq!(u8_document(message("order-1-gb18030.xml"), "text/xml"), utf8, "GB18030");
    assert_eq!(u8_document(utf16(&message_text("order-1.xml")), "application/xml"), utf8, "UTF-16");
    assert_eq!(u8_document(message("order-1.json"), "application/json"), utf8, "JSON");
}

#[test]
fn every_line_adds_up_to_the_fen_and_the_document_is_the_sum_of_its_lines() {
    let document = u8_document(message("order-1.xml"), "application/xml");
    let amounts = |name: &str| -> Vec<Decimal> {
        texts(&document, name).iter().map(|text| Decimal::from_str(text).expect("an amount")).collect()
    };
    let decimals = |texts: &[&str]| -> Vec<Decimal> {
        texts.iter().map(|text| Decimal::from_str(text).expect("an amount")).collect()
    };
    let (money, tax, sum) = (amounts("money"), amounts("tax"), amounts("sum"));
    assert_eq!(money, decimals(&["212389.38", "2654.87", "1415.07", "500.00"]));
    assert_eq!(tax, decimals(&["27610.62", "345.13", "84.90", "0.00"]));
    assert_eq!(sum, decimals(&["240000.00", "3000.00", "1499.97", "500.00"]));
    for (index, sum) in sum.iter().enumerate() {
        assert_eq!(money[index] + tax[index], *sum, "line {}", index + 1);
    }
    let totals = [&money, &tax, &sum].map(|column| column.iter().sum::<Decimal>());
    assert_eq!(totals.to_vec(), decimals(&["216959.32", "28040.65", "244999.97"]));
    let (natmoney, nattax, natsum) = (amounts("natmoney"), amounts("nattax"), amounts("natsum"));
    assert_eq!((natmoney, nattax, natsum), (money, tax, sum), "in local currency at rate 1");
}

#[test]
fn what_a_person_wrote_arrives_as_it_was() {
    let document = u8_document(message("order-1-gb18030.xml"), "application/xml");
    assert_eq!(texts(&document, "cusname"), ["王建国"]);
    assert_eq!(texts(&document, "memo"), ["客户要求周末交车；赠送脚垫 &lt;一套&gt; &amp; 车载吸尘器"]);
    assert_eq!(texts(&document, "define10"), ["SO-2026-0001"]);
}
