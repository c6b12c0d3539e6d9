//! The hub documents have an XML Schema and a JSON Schema each: both describe the same documents.

use std::{fs, path::Path, sync::Arc};

use super::{JsonSchema, Model, Simple, TypeId, Validator, XsdSet};
use crate::{
    document::Document,
    format::{ReadOptions, Syntax, WriteOptions, read, write},
};

const NAMESPACE: &str = "urn:crossdock:hub:1";

/// XML Schema, JSON Schema and a document that uses every field.
const HUB: [(&str, &str, &str); 3] = [
    ("hub/1/Customer.xsd", "hub/1/customer.schema.json", "customer"),
    ("hub/1/SalesOrder.xsd", "hub/1/sales-order.schema.json", "sales-order"),
    ("hub/1/ServiceOrder.xsd", "hub/1/service-order.schema.json", "service-order"),
];

fn file(name: &str) -> Option<Vec<u8>> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name)).ok()
}

fn models(xsd: &str, json: &str) -> (Model, Model) {
    let from_xsd = Model::load(&file, xsd).unwrap_or_else(|problems| panic!("{problems}"));
    let from_json = Model::load_json(&file, json, NAMESPACE).unwrap_or_else(|problems| panic!("{problems}"));
    (from_xsd, from_json)
}

/// Names, numbers, kinds, words and lengths, one line for each field.
fn fields(model: &Model) -> Vec<String> {
    let mut told = Vec::new();
    let mut next = vec![(TypeId::DOCUMENT, String::new())];
    while let Some((of, path)) = next.pop() {
        for child in &model.get(of).children {
            let path = format!("{path}/{}", child.name.local);
            let below = model.get(child.of);
            // Of the roots of XML Schema one is there.
            let (min, in_choice) = if of == TypeId::DOCUMENT { (1, false) } else { (child.min, child.in_choice) };
            let value = below.value.as_ref().map(|value| {
                let Simple { kind, enumeration, min_length, max_length, fraction_digits, .. } = value;
                format!("{kind:?} {enumeration:?} {min_length:?}..{max_length:?} .{fraction_digits:?}")
            });
            let value = value.unwrap_or_default();
            told.push(format!("{path} {min}..{:?} choice={in_choice} open={} {value}", child.max, below.open));
            next.push((child.of, path));
        }
    }
    told.sort();
    told
}

#[test]
fn the_hub_documents_are_the_same_in_xml_schema_and_json_schema() {
    for (xsd, json, _) in HUB {
        let (from_xsd, from_json) = models(xsd, json);
        let (xsd, json) = (fields(&from_xsd), fields(&from_json));
        assert!(xsd.len() > 30);
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|line| !those.contains(line)).cloned().collect()
        };
        assert_eq!((only(&xsd, &json), only(&json, &xsd)), (Vec::new(), Vec::new()));
    }
}

/// The paths of the fields that repeat, which JSON says as arrays.
fn arrays(model: &Model) -> Arc<[Vec<String>]> {
    let mut found = Vec::new();
    let mut next = vec![(TypeId::DOCUMENT, Vec::new())];
    while let Some((of, path)) = next.pop() {
        for child in &model.get(of).children {
            let mut path: Vec<String> = path.clone();
            path.push(child.name.local.to_string());
            if child.repeats() {
                found.push(path.clone());
            }
            next.push((child.of, path));
        }
    }
    found.into()
}

/// Every field of a document, without positions.
fn used(document: &Document) -> Vec<String> {
    let nodes = (1..document.len()).filter_map(|index| document.node(index));
    let elements = nodes.filter(|node| document.kind(*node) == crate::document::Kind::Element);
    let bare =
        |path: String| path.split('/').map(|step| step.split('[').next().unwrap_or(step)).collect::<Vec<_>>().join("/");
    elements.map(|node| bare(document.path(node))).collect()
}

#[test]
fn a_hub_document_is_valid_in_both_syntaxes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/schema/hub");
    for (xsd, json, name) in HUB {
        let (model, _) = models(xsd, json);
        let by_xsd = XsdSet::load(&file, &[xsd], &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let by_json =
            JsonSchema::load(&file, json, super::Formats::default()).unwrap_or_else(|problems| panic!("{problems}"));
        let bytes = fs::read(folder.join(format!("{name}.xml"))).expect("the document");
        let from_xml = read(&bytes, Syntax::Xml, &ReadOptions::default()).expect("well-formed").document;
        let unused: Vec<String> = fields(&model)
            .into_iter()
            .filter(|line| !used(&from_xml).iter().any(|path| line.starts_with(&format!("{path} "))))
            .collect();
        assert!(unused.iter().all(|line| line.contains("choice=true")), "{name}.xml does not use {unused:#?}");
        let told = |found: Vec<super::Violation>| {
            found.iter().map(|violation| format!("{name}: {violation}\n")).collect::<String>()
        };
        assert_eq!(told(by_xsd.validate(&from_xml, 20)), "");
        let options = WriteOptions { arrays: arrays(&model), ..WriteOptions::default() };
        let written = write(&from_xml, Syntax::Json, &options).expect("writable");
        let options = ReadOptions { namespace: Some(NAMESPACE.into()), ..ReadOptions::default() };
        let from_json = read(&written, Syntax::Json, &options).expect("well-formed").document;
        assert_eq!(told(by_json.validate(&from_json, 20)), "", "{}", String::from_utf8_lossy(&written));
        assert_eq!(told(by_xsd.validate(&from_json, 20)), "");
    }
}
