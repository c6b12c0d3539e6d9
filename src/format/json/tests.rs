//! JSON where the details are: repeated members, paths of problems, UBL that is not as it should be.

use proptest::prelude::*;

use crate::{
    base::{Limits, Problem},
    document::{Document, NodeId},
    format::{Convention, Duplicates, ReadOptions, Syntax, WriteOptions, read, write},
};

fn parsed(text: &str, options: &ReadOptions) -> Result<Document, Problem> {
    read(text.as_bytes(), Syntax::Json, options).map(|reading| reading.document)
}

fn written(document: &Document, convention: Convention) -> String {
    let options = WriteOptions { convention, ..WriteOptions::default() };
    String::from_utf8(write(document, Syntax::Json, &options).expect("writable")).expect("UTF-8")
}

#[test]
fn a_replaced_member_leaves_nothing_behind() {
    let options = ReadOptions { duplicates: Duplicates::LastWins, ..ReadOptions::default() };
    for (given, kept) in [
        (r#"{"a":[],"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
        (r#"{"a":1,"a":[]}"#, r#"{"a":[]}"#),
        (r#"{"o":{"@x":"1","y":1,"@x":"2"}}"#, r#"{"o":{"@x":"2","y":1}}"#),
        (r#"{"o":{"@x":"1","y":1,"@x":{"z":1}}}"#, r#"{"o":{"y":1,"@x":{"z":1}}}"#),
        (r#"{"o":{"@x":{"z":1},"y":1,"@x":"1"}}"#, r#"{"o":{"@x":"1","y":1}}"#),
        (r##"{"o":{"#text":"1","@x":"2","#text":"3"}}"##, r##"{"o":{"@x":"2","#text":"3"}}"##),
        (r#"{"a":{"b":{"c":1},"b":{"d":[1,2]}},"a":{"e":3}}"#, r#"{"a":{"e":3}}"#),
        (r#"{"a":1,"\u0061":2,"a":3}"#, r#"{"a":3}"#),
    ] {
        let document = parsed(given, &options).expect(given);
        assert_eq!(written(&document, Convention::Plain), kept, "{given}");
        assert_eq!(parsed(given, &ReadOptions::default()).expect_err(given).code.id, "XD-F033", "{given}");
    }
}

#[test]
fn what_ubl_cannot_be_is_refused_with_its_path() {
    let options = ReadOptions { convention: Convention::UblModel, ..ReadOptions::default() };
    for (text, path) in [
        ("[]", "/"),
        (r#"{"_D":"d","_A":"a","_B":"b"}"#, "/"),
        (r#"{"_D":"d","Order":{"ID":"34"}}"#, "/Order/ID"),
        (r#"{"_D":"d","Order":{"Line":[{"ID":{"_":"1"}},{"ID":[{"_":"2"},{"_":[]}]}]}}"#, "/Order/Line[2]/ID[2]/_"),
        (r#"{"_D":"d","Order":{"ID":{"_":"34","x":{}}}}"#, "/Order/ID/x"),
        (r#"{"_D":"d","Order":{},"Invoice":{}}"#, "/Invoice"),
        (r#"{"_D":"d","Order":[{},{}]}"#, "/Order"),
    ] {
        let problem = parsed(text, &options).expect_err(text);
        assert_eq!((problem.code.id, problem.place.path.as_deref()), ("XD-F034", Some(path)), "{problem}");
        assert_eq!(problem.place.line, 1, "{problem}");
    }
}

#[test]
fn ubl_of_any_depth_that_is_allowed_does_not_matter_to_the_stack() {
    let options = ReadOptions { convention: Convention::UblModel, ..ReadOptions::default() };
    let depth = Limits::default().json_depth;
    let nested = |depth: usize| format!("{{\"_D\":\"\",\"A\":{}{{}}{}}}", "{\"A\":".repeat(depth), "}".repeat(depth));
    let document = parsed(&nested(depth - 2), &options).expect("the deepest that is allowed");
    assert_eq!(document.len(), depth);
    assert_eq!(parsed(&nested(depth - 1), &options).expect_err("too deep").code.id, "XD-F004");
    let unlimited = Limits { json_depth: usize::MAX, ..Limits::default() };
    let options = ReadOptions { limits: unlimited, ..options };
    assert_eq!(parsed(&nested(depth - 2), &options).expect("the deepest that is possible").len(), depth);
    assert_eq!(parsed(&nested(100_000), &options).expect_err("too deep").code.id, "XD-F004");
    let document = read(
        format!("{}{}", "<A>".repeat(2_000), "</A>".repeat(2_000)).as_bytes(),
        Syntax::Xml,
        &ReadOptions { limits: Limits { xml_depth: usize::MAX, ..Limits::default() }, ..ReadOptions::default() },
    )
    .expect("well-formed")
    .document;
    let deep = WriteOptions { convention: Convention::UblModel, max_depth: usize::MAX, ..WriteOptions::default() };
    assert_eq!(write(&document, Syntax::Json, &deep).expect_err("too deep").code.id, "XD-F041");
}

/// UBL of any shape: an aggregate of basic components and aggregates.
fn aggregates() -> impl Strategy<Value = String> {
    let basic = ("[a-z \\\\\"é]{0,6}", any::<bool>()).prop_map(|(text, has_attribute)| {
        let text = serde_json::Value::from(text);
        format!("{{\"_\":{text}{}}}", if has_attribute { ",\"schemeID\":\"S\"" } else { "" })
    });
    let member = |value: BoxedStrategy<String>| {
        proptest::collection::vec(proptest::collection::vec(value, 1..3), 0..4).prop_map(|members| {
            let member = |(at, values): (usize, &Vec<String>)| format!("\"N{at}\":[{}]", values.join(","));
            format!("{{{}}}", members.iter().enumerate().map(member).collect::<Vec<_>>().join(","))
        })
    };
    member(basic.boxed()).prop_recursive(4, 40, 4, move |inner| member(inner.boxed()))
}

proptest! {
    #[test]
    fn ubl_is_written_as_it_was_read(body in aggregates()) {
        let text = format!("{{\"_D\":\"urn:d\",\"_A\":\"urn:a\",\"_B\":\"urn:b\",\"Order\":[{body}]}}");
        let options = ReadOptions { convention: Convention::UblLegacy, ..ReadOptions::default() };
        let document = parsed(&text, &options).expect("UBL");
        prop_assert_eq!(document.elements(NodeId::ROOT).count(), 1);
        let again = parsed(&written(&document, Convention::UblLegacy), &options).expect("UBL again");
        prop_assert_eq!(written(&again, Convention::UblLegacy), written(&document, Convention::UblLegacy));
        prop_assert_eq!(again.len(), document.len());
        prop_assert_eq!(again.string_value(NodeId::ROOT), document.string_value(NodeId::ROOT));
    }
}
