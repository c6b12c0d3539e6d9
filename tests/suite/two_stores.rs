//! Each store's orders reach its own account set, in that set's characters and codes.

use crate::support::{Erp, Setup, message, texts};

#[test]
fn each_store_goes_to_its_own_books_in_their_own_words() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    for name in ["customer-C-1001.xml", "customer-C-2001.json", "order-1.xml", "order-2.json"] {
        let id = hub.accept(message(name));
        hub.await_standing(&id, "delivered");
    }
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"]);
    assert_eq!(east.written(), ["u8/customer EC2001", "u8/saleorder ESO20260002"]);
    let body = |erp: &Erp| erp.received()[1]["body"].as_str().expect("a body").to_owned();
    let (of_south, of_east) = (body(&south), body(&east));
    assert!(of_south.contains("sender=\"101\"") && of_east.contains("sender=\"102\""), "{of_south}\n{of_east}");
    assert_eq!((texts(&of_south, "deptcode"), texts(&of_east, "deptcode")), (vec!["XS01"], vec!["0209"]));
    assert_eq!((texts(&of_south, "personcode"), texts(&of_east, "personcode")), (vec!["0017"], vec!["132"]));
    assert_eq!(texts(&of_south, "inventorycode"), ["0101001", "0301001", "0501001", "0601001"]);
    assert_eq!(texts(&of_east, "inventorycode"), ["CAR-E5-60", "CAR-E5-60", "JP-010"]);
    assert_eq!((texts(&of_south, "typecode"), texts(&of_east, "typecode")), (vec!["01"], vec!["1"]));
    assert_eq!((texts(&of_south, "custcode"), texts(&of_east, "custcode")), (vec!["AC1001"], vec!["EC2001"]));
    assert_eq!((texts(&of_south, "memo").len(), texts(&of_east, "memo")), (1, vec!["两台同批交付"]));
}

#[test]
fn the_east_really_gets_gb18030_and_the_south_utf_8() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    for (name, erp, charset) in [("customer-C-1001.xml", &south, "UTF-8"), ("customer-C-2001.json", &east, "GB18030")] {
        let id = hub.accept(message(name));
        hub.await_standing(&id, "delivered");
        let received = &erp.received()[0];
        assert_eq!(received["charset"].as_str().map(str::to_uppercase).as_deref(), Some(charset));
        let shown = hub.command(&["messages", "show", &id, "--content", "--json"]).expect(0).json();
        let delivery = &shown["deliveries"][0];
        assert_eq!(delivery["sha256"], received["sha256"], "the bytes kept are the bytes sent");
        match delivery["output"]["hex"].as_str() {
            None => assert!(delivery["output"].as_str().is_some_and(|text| text.contains("encoding=\"UTF-8\""))),
            Some(hex) => {
                let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
                let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
                let text = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(&bytes);
                let text = text.expect("GB18030");
                assert!(text.contains("encoding=\"GB18030\"") && text.contains("沪东示例物流有限公司"), "{text}");
                assert_eq!(charset, "GB18030");
            }
        }
    }
}
