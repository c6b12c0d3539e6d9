//! `crossdock schema infer`, `sample` and `diff`: from samples to a draft, from a schema to an example, from two schemas to
//! what breaks.

use std::fs;

use crate::support::{crossdock, root};

/// The document types with an XML Schema that are shipped.
const TYPES: [&str; 5] = ["hub/sales-order@1", "hub/service-order@1", "hub/customer@1", "u8/customer", "u8/saleorder"];

fn samples() -> Vec<String> {
    let folder = root().join("tests/cases/schema/infer");
    ["order-1.xml", "order-2.xml"].iter().map(|name| folder.join(name).to_str().expect("plain").to_owned()).collect()
}

#[test]
fn a_draft_is_written_beside_the_file_named_and_takes_its_samples() {
    let folder = tempfile::tempdir().expect("a folder");
    let draft = folder.path().join("order.xsd");
    let samples = samples();
    let mut arguments = vec!["schema", "infer", "--out", draft.to_str().expect("plain")];
    arguments.extend(samples.iter().map(String::as_str));
    let ran = crossdock(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.talk);
    assert_eq!(ran.text().trim(), "2 documents, 11 elements: order.xsd, order-c.xsd, order-none.xsd");
    for name in ["order.xsd", "order-c.xsd", "order-none.xsd"] {
        assert!(folder.path().join(name).is_file(), "{name}");
    }
    let json = crossdock(&["schema", "infer", &samples[0], "--json"]).json();
    assert_eq!((&json["documents"], &json["files"][0]["name"]), (&1.into(), &"draft.xsd".into()), "{json:#}");

    // The draft is a schema like any other.
    let ran = crossdock(&["schema", "sample", draft.to_str().expect("plain"), "Order", "--all"]);
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.talk);
    assert!(ran.text().contains("status="), "{}", ran.text());
}

#[test]
fn a_sample_that_cannot_be_read_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bad, draft) = (folder.path().join("bad.xml"), folder.path().join("draft.xsd"));
    fs::write(&bad, "<a><b></a>").expect("writable");
    let ran = crossdock(&["schema", "infer", bad.to_str().expect("plain"), "--out", draft.to_str().expect("plain")]);
    assert_eq!(ran.code, 7, "{}", ran.talk);
    assert!(ran.talk.contains("bad.xml:1"), "{}", ran.talk);
    assert!(!draft.exists());
    assert_eq!(crossdock(&["schema", "infer", "no-such-file.xml"]).code, 3);
}

#[test]
fn examples_of_the_shipped_document_types_are_valid_with_and_without_all() {
    for document_type in TYPES {
        let least = crossdock(&["schema", "sample", document_type]);
        assert_eq!(least.code, 0, "{document_type}: {}{}", least.text(), least.talk);
        let most = crossdock(&["schema", "sample", document_type, "--all"]);
        assert_eq!(most.code, 0, "{document_type}: {}{}", most.text(), most.talk);
        assert!(most.text().lines().count() > least.text().lines().count(), "{document_type}");
    }
    assert_eq!(crossdock(&["schema", "sample", "hub/no-such-type@1"]).code, 3);
}

#[test]
fn what_breaks_is_told_with_the_mappings_it_touches() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = root().join("schemas/hub/1");
    for entry in fs::read_dir(&hub).expect("the schemas") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let (old, new) = (hub.join("SalesOrder.xsd"), folder.path().join("SalesOrder.xsd"));
    let (old, new) = (old.to_str().expect("plain").to_owned(), new.to_str().expect("plain").to_owned());
    let same = crossdock(&["schema", "diff", &old, &new]);
    assert_eq!((same.code, same.text().trim()), (0, "0 changes, 0 breaking"), "{}", same.talk);

    let text = fs::read_to_string(&new).expect("readable");
    let changed = text.replacen("name=\"OrderDate\"", "name=\"DateOfOrder\"", 1);
    assert_ne!(changed, text);
    fs::write(&new, changed).expect("writable");
    let ran = crossdock(&["schema", "diff", &old, &new]);
    assert_eq!(ran.code, 7, "{}", ran.talk);
    assert!(ran.text().contains("/SalesOrder/OrderDate removed [breaks readers and writers]"), "{}", ran.text());
    assert!(ran.text().contains("/SalesOrder/DateOfOrder added: 1..1 [breaks writers]"), "{}", ran.text());

    let json = crossdock(&["schema", "diff", "hub/sales-order@1", &new, "--mappings", "--json"]).json();
    let changes = json["changes"].as_array().expect("a list");
    let number = changes.iter().find(|change| change["path"] == "/SalesOrder/OrderDate").expect("the change");
    let touched = number["mappings"].as_array().expect("a list");
    assert!(
        touched.iter().any(|one| one["how"] == "reads" && one["mapping"] == "u8/hub-sales-order-to-saleorder"),
        "{json:#}"
    );
}
