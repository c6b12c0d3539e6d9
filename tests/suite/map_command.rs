//! `crossdock map`: the document a partner would get, and where each field comes from.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{crossdock, texts};

const ORDER: &str = "examples/dealer-group/messages/order-1.xml";
const MAPPING: &str = "u8/hub-sales-order-to-saleorder";

/// `map` with the order and more arguments.
fn map(more: &[&str]) -> crate::support::Ran {
    let mut arguments = vec!["map", ORDER, "--mapping", MAPPING];
    arguments.extend(more);
    crossdock(&arguments)
}

/// The paths of all leaves of a document written as JSON, as explanations write them.
fn leaves(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Array(items) => {
                        for (index, item) in items.iter().enumerate() {
                            leaves(item, &format!("{path}/{name}[{}]", index + 1), into);
                        }
                    }
                    _ => leaves(value, &format!("{path}/{name}"), into),
                }
            }
        }
        _ => into.push(path.to_owned()),
    }
}

#[test]
fn an_order_is_printed_as_the_u8_document_to_the_fen() {
    let document = map(&[]).expect(0).text();
    assert_eq!(texts(&document, "code"), ["ASO20260001"]);
    assert_eq!(texts(&document, "money"), ["212389.38", "2654.87", "1415.07", "500"]);
    assert_eq!(texts(&document, "tax"), ["27610.62", "345.13", "84.9", "0"]);
    assert_eq!(texts(&document, "sum"), ["240000", "3000", "1499.97", "500"]);
    assert_eq!(texts(&document, "inventorycode"), ["0101001", "0301001", "0501001", "0601001"]);
}

#[test]
fn every_field_of_the_output_is_explained() {
    let document = map(&["--json"]).expect(0).json();
    let mut all = Vec::new();
    leaves(&document, "", &mut all);
    assert!(all.len() > 80, "{} leaves", all.len());
    let explanation = map(&["--explain", "--json"]).expect(0).json();
    assert!(explanation["mapping"].as_str().is_some_and(|name| name.ends_with(&format!("mappings/{MAPPING}.yaml"))));
    assert_eq!(explanation["version"].as_str().map(str::len), Some(64));
    let fields = explanation["fields"].as_array().expect("a list");
    let path = |field: &Value| field["path"].as_str().expect("a path").to_owned();
    assert_eq!(fields.len(), all.len());
    let explained: BTreeSet<_> = fields.iter().map(path).collect();
    assert_eq!(explained, all.into_iter().collect::<BTreeSet<_>>());
    for field in fields {
        let rule = &field["rule"];
        assert!(
            rule["file"].as_str().is_some_and(|file| file.ends_with("hub-sales-order-to-saleorder.yaml")),
            "{field:#}"
        );
        for key in ["line", "column"] {
            assert!(rule[key].as_u64().is_some_and(|number| number > 1), "{field:#}");
        }
        for source in field["sources"].as_array().into_iter().flatten() {
            assert!(source["path"].as_str().is_some_and(|path| path.starts_with("/SalesOrder/")), "{field:#}");
            assert!(source["line"].as_u64().is_some_and(|line| line > 1 && line < 120), "{field:#}");
        }
    }
    // settings alone, and a rate that the order does not name
    let bare = fields.iter().filter(|field| field["sources"].as_array().is_none_or(Vec::is_empty)).map(path);
    let of_settings =
        ["typecode", "maker", "businesstype", "currencyrate"].map(|name| format!("/saleorder/header/{name}"));
    assert_eq!(bare.collect::<BTreeSet<_>>(), of_settings.into_iter().collect());
}

#[test]
fn an_explanation_names_the_very_source_fields_and_code_rows() {
    let explanation = map(&["--explain", "--json"]).expect(0).json();
    let fields = explanation["fields"].as_array().expect("a list").clone();
    let field = |path: &str| fields.iter().find(|field| field["path"] == path).expect("the field").clone();
    let sources = |path: &str| -> BTreeSet<String> {
        let sources = field(path)["sources"].as_array().expect("sources").clone();
        sources.iter().map(|source| source["path"].as_str().expect("a path").to_owned()).collect()
    };
    let set = |paths: &[&str]| -> BTreeSet<String> { paths.iter().map(|path| (*path).to_owned()).collect() };
    assert_eq!(sources("/saleorder/header/code"), set(&["/SalesOrder/OrderNumber"]));
    assert_eq!(
        sources("/saleorder/body/entry[1]/tax"),
        set(&["Quantity", "UnitPrice", "Discount", "TaxRate"]
            .map(|name| format!("/SalesOrder/Line[1]/{name}"))
            .each_ref()
            .map(String::as_str))
    );
    assert_eq!(sources("/saleorder/body/entry[3]/quantity"), set(&["/SalesOrder/Line[3]/Quantity"]));
    let department = field("/saleorder/header/deptcode");
    let code = &department["codes"][0];
    assert_eq!(
        (code["table"].as_str(), code["value"].as_str(), code["result"].as_str()),
        (Some("department"), Some("销售一部"), Some("XS01"))
    );
    assert!(code["row"].as_str().is_some_and(|row| row.ends_with("codes/department.csv:2")), "{department:#}");
}

#[test]
fn the_plain_explanation_shows_rule_source_and_code_of_each_field() {
    let text = map(&["--explain"]).expect(0).text();
    for expected in [
        "/saleorder/header/deptcode = XS01",
        "source  /SalesOrder/Department (line 14, column 3)",
        "code    department: 销售一部 → XS01",
        "/saleorder/body/entry[4]/money = 500",
        "hub-sales-order-to-saleorder.yaml:24:13  =$number",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn raw_bytes_are_in_the_partners_characters_and_say_so() {
    let bytes = map(&["--raw", "--envelope", "--system", "u8-east"]).expect(0).out;
    assert!(bytes.starts_with(b"<?xml version=\"1.0\" encoding=\"GB18030\"?>"), "{}", String::from_utf8_lossy(&bytes));
    assert!(std::str::from_utf8(&bytes).is_err(), "GB18030 is not UTF-8");
    let text = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(&bytes).expect("GB18030");
    assert!(text.contains("<ufinterface sender=\"102\"") && text.contains("<cusname>王建国</cusname>"), "{text}");
    assert_eq!(texts(&text, "deptcode"), ["0201"], "the codes of the system named");
}

#[test]
fn what_is_not_there_is_told_with_a_suggestion() {
    let ran = crossdock(&["map", ORDER, "--mapping", "u8/hub-sales-order-to-saleordr"]).expect(3);
    assert!(ran.talk.contains("did you mean `u8/hub-sales-order-to-saleorder`?"), "{}", ran.talk);
    let ran = crossdock(&["map", "examples/dealer-group/messages/order-9.xml", "--mapping", MAPPING]).expect(3);
    assert!(ran.talk.contains("order-9.xml"), "{}", ran.talk);
    map(&["--system", "u8-west"]).expect(3);
}

#[test]
fn an_order_that_cannot_be_mapped_ends_with_the_reasons() {
    let unmapped = "examples/dealer-group/messages/order-unmapped-code.xml";
    let ran = crossdock(&["map", unmapped, "--mapping", MAPPING, "--json"]).expect(7).json();
    assert_eq!(ran["ok"], false);
    assert!(ran["problems"][0]["text"].as_str().is_some_and(|text| text.contains("department")), "{ran:#}");
    let malformed = "examples/dealer-group/messages/bad-malformed.xml";
    let ran = crossdock(&["map", malformed, "--mapping", MAPPING]).expect(7);
    assert!(ran.talk.contains("bad-malformed.xml:6:"), "{}", ran.talk);
}

#[test]
fn with_a_context_file_a_cross_reference_it_lacks_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let context = |xrefs: &str| {
        let path = folder.path().join("context.yaml");
        std::fs::write(&path, format!("mapping: {MAPPING}\nxrefs: [{xrefs}]\n")).expect("written");
        path.to_str().expect("a plain path").to_owned()
    };
    let without = map(&["--context", &context("")]).expect(7);
    assert!(without.talk.contains("unknown cross reference: customer C-1001"), "{}", without.talk);
    let known = map(&["--context", &context("{entity: customer, id: C-1001, target: '007'}")]).expect(0);
    assert_eq!(texts(&known.text(), "custcode"), ["007"]);
    assert!(!known.talk.contains("no cross reference"), "{}", known.talk);
    let assumed = map(&[]).expect(0);
    assert!(assumed.talk.contains("no cross reference for customer C-1001 here"), "{}", assumed.talk);
}

#[test]
fn the_trace_shows_each_evaluation_with_its_place_value_and_reads() {
    let trace = map(&["--trace", "--json"]).expect(0).json();
    assert_eq!(trace["format"], 1);
    let evaluations = trace["evaluations"].as_array().expect("a list");
    assert!(evaluations.len() > 100, "{}", evaluations.len());
    let of = |formula: &str| evaluations.iter().filter(|one| one["formula"] == formula).collect::<Vec<_>>();
    let department = of("code('department', $order/Department)");
    assert_eq!(department.len(), 1);
    assert_eq!((department[0]["value"].as_str(), department[0]["items"].as_u64()), (Some("'XS01'"), Some(1)));
    assert_eq!(department[0]["reads"][0]["path"], "/SalesOrder/Department");
    assert_eq!(department[0]["reads"][0]["value"], "销售一部");
    let lines = of("round($money * TaxRate div 100, 2)");
    assert_eq!(lines.len(), 4, "once a line, though two rules ask for it");
    assert_eq!(lines[2]["context"], "/SalesOrder/Line[3]");
    assert_eq!(lines[2]["value"], "84.9");
    let at = |formula: &str| evaluations.iter().position(|one| one["formula"] == formula).expect("evaluated");
    assert!(at("SalesOrder") < at("code('department', $order/Department)"), "variables come before their use");
    let plain = map(&["--trace"]).expect(0).text();
    for expected in [
        "hub-sales-order-to-saleorder.yaml:26:17  =code('department', $order/Department)  → 'XS01'",
        "    read  /SalesOrder/Department = '销售一部'",
    ] {
        assert!(plain.contains(expected), "{expected}\n{plain}");
    }
}

#[test]
fn the_trace_of_a_document_that_cannot_be_mapped_ends_with_what_failed() {
    let unmapped = "examples/dealer-group/messages/order-unmapped-code.xml";
    let trace = crossdock(&["map", unmapped, "--mapping", MAPPING, "--trace", "--json"]).expect(7).json();
    let evaluations = trace["evaluations"].as_array().expect("a list");
    let failed: Vec<_> = evaluations.iter().filter(|one| !one["failure"].is_null()).collect();
    assert!(!failed.is_empty() && failed.iter().all(|one| one["value"].is_null()), "{failed:#?}");
}

#[test]
fn two_versions_of_a_mapping_are_compared_by_the_rules_that_differ() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("old.yaml");
    let text =
        std::fs::read_to_string(crate::support::root().join(format!("mappings/{MAPPING}.yaml"))).expect("a text");
    let before = text
        .replace("quantity: =Quantity\n", "quantity: =Quantity + 1\n")
        .replace("      memo: =$order/Note\n", "      memo: \"old\"\n");
    assert_ne!(before, text);
    std::fs::write(&old, &before).expect("written");
    let old = old.to_str().expect("a path");
    let ran = map(&["--diff", old, "--json"]).expect(7).json();
    let rules = ran["rules"].as_array().expect("a list");
    let of = |text: &str| rules.iter().find(|rule| rule["text"] == text).unwrap_or_else(|| panic!("{text}: {ran:#}"));
    let quantity = of("=Quantity");
    assert_eq!(quantity["count"], 4, "one group for all lines");
    assert_eq!(
        quantity["differences"][0],
        serde_json::json!({
            "path": "/saleorder/body/entry[1]/quantity", "old": "2", "new": "1"
        })
    );
    assert_eq!(rules.len(), 2, "{ran:#}");
    let plain = map(&["--diff", old]).expect(7).text();
    assert!(plain.contains("=Quantity\n    /saleorder/body/entry[1]/quantity: old `2`, new `1`"), "{plain}");
    std::fs::write(old, &text).expect("written");
    assert!(map(&["--diff", old]).expect(0).text().contains("0 fields differ"));
}

#[test]
fn coverage_of_a_mapping_lists_fields_nobody_reads_or_fills() {
    let ran = crossdock(&["mapping", "coverage", MAPPING, "--json"]).expect(0).json();
    let paths = |side: &str| -> BTreeSet<String> {
        let gaps = ran[side]["gaps"].as_array().expect("a list").iter();
        gaps.map(|gap| gap["path"].as_str().expect("a path").to_owned()).collect()
    };
    let source = paths("source");
    assert!(source.contains("/SalesOrder/Vehicle/Colour"), "{ran:#}");
    assert!(!source.contains("/SalesOrder/Line/Quantity") && !source.contains("/SalesOrder/Vehicle"), "{ran:#}");
    assert!(!paths("target").contains("/saleorder/header/code"), "{ran:#}");
    for side in ["source", "target"] {
        let gaps: u64 =
            ran[side]["gaps"].as_array().into_iter().flatten().filter_map(|gap| gap["fields"].as_u64()).sum();
        let number = |key: &str| ran[side][key].as_u64().expect("a number");
        assert_eq!(number("fields"), number("touched") + gaps, "{side}");
    }
    let plain = crossdock(&["mapping", "coverage", MAPPING]).expect(0).text();
    assert!(plain.contains("  no formula reads /SalesOrder/Vehicle/Colour\n"), "{plain}");
    crossdock(&["mapping", "coverage", "u8/hub-sales-order-to-saleordr"]).expect(3);
}
