//! The two schemas of each hub document say the same: names, order, what is required, what repeats.

use std::fs;

use crossdock::schema::{Model, TypeId};
use serde_json::Value;

use crate::support::root;

fn read(path: &str) -> Option<Vec<u8>> {
    fs::read(root().join("schemas").join(path)).ok()
}

/// A JSON Schema, with its references resolved on the way.
struct Json(Value);

impl Json {
    fn resolve<'a>(&'a self, mut node: &'a Value) -> &'a Value {
        while let Some(reference) = node["$ref"].as_str() {
            node = self
                .0
                .pointer(reference.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("{reference} leads nowhere"));
        }
        node
    }
}

/// Compares a type of the model with an object schema; every difference, by path.
fn compare(model: &Model, of: TypeId, json: &Json, node: &Value, path: &str, found: &mut Vec<String>) {
    let children = &model.get(of).children;
    let properties: Vec<_> = node["properties"].as_object().into_iter().flatten().collect();
    let in_xsd: Vec<_> = children.iter().map(|child| child.name.local.to_string()).collect();
    let in_json: Vec<_> = properties.iter().map(|(name, _)| (*name).clone()).collect();
    if in_xsd != in_json {
        found.push(format!("{path}: names or order: {in_xsd:?} and {in_json:?}"));
        return;
    }
    if node["additionalProperties"] != false {
        found.push(format!("{path}: the JSON schema takes any other name"));
    }
    let required: Vec<_> = node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let choice: Vec<_> =
        children.iter().filter(|child| child.in_choice).map(|child| child.name.local.to_string()).collect();
    let one_of = node["oneOf"].as_array().into_iter().flatten();
    let in_json: Vec<_> = one_of.filter_map(|one| one["required"][0].as_str().map(ToOwned::to_owned)).collect();
    if choice != in_json {
        found.push(format!("{path}: a choice of {choice:?} and of {in_json:?}"));
    }
    for (child, (name, property)) in children.iter().zip(properties) {
        let path = format!("{path}/{name}");
        if child.is_required() != required.contains(&name.as_str()) {
            found.push(format!("{path}: required in one only"));
        }
        let resolved = json.resolve(property);
        let repeats = resolved["type"] == "array";
        if child.repeats() != repeats {
            found.push(format!("{path}: repeats in one only"));
        }
        if repeats && child.is_required() && resolved["minItems"].as_u64() != Some(u64::from(child.min)) {
            found.push(format!("{path}: at least {} in XML, {} in JSON", child.min, resolved["minItems"]));
        }
        let item = if repeats { json.resolve(&resolved["items"]) } else { resolved };
        let is_object = item["type"] == "object";
        if model.get(child.of).is_simple() == is_object {
            found.push(format!("{path}: an element with children in one only"));
        } else if is_object {
            compare(model, child.of, json, item, &path, found);
        }
    }
}

/// Every difference between the two schemas of a document.
fn differences(xsd: &str, json: Json) -> Vec<String> {
    let model = Model::load(&read, xsd).unwrap_or_else(|problems| panic!("{problems}"));
    // a document is one of the roots in XML, the root in JSON
    let [root] = model.get(TypeId::DOCUMENT).children.as_slice() else { panic!("{xsd}: one root element") };
    let name = root.name.local.to_string();
    assert_eq!(json.0["required"], serde_json::json!([name]), "{xsd}");
    assert_eq!(json.0["properties"].as_object().map(serde_json::Map::len), Some(1), "{xsd}");
    let node = json.resolve(&json.0["properties"][&name]);
    let mut found = Vec::new();
    compare(&model, root.of, &json, node, &format!("/{name}"), &mut found);
    found
}

fn json(path: &str) -> Json {
    Json(serde_json::from_slice(&read(path).expect("the JSON schema")).expect("JSON"))
}

#[test]
fn the_xml_and_json_schemas_of_every_hub_document_agree() {
    for (xsd, path) in [
        ("hub/1/Customer.xsd", "hub/1/customer.schema.json"),
        ("hub/1/SalesOrder.xsd", "hub/1/sales-order.schema.json"),
        ("hub/1/ServiceOrder.xsd", "hub/1/service-order.schema.json"),
    ] {
        let found = differences(xsd, json(path));
        assert!(found.is_empty(), "{xsd}:\n{}", found.join("\n"));
    }
}

#[test]
fn a_drift_between_the_two_is_noticed() {
    type Drift = (&'static str, fn(&mut Value));
    let drifts: [Drift; 4] = [
        ("/Customer: names or order", |types| {
            let properties = types["CustomerType"]["properties"].as_object_mut().expect("properties");
            properties.shift_remove("Gender");
        }),
        ("/Customer/Name: required", |types| {
            types["CustomerType"]["required"] = serde_json::json!(["Id", "Kind", "SiteId"])
        }),
        ("/Customer/Contact: repeats", |types| {
            types["CustomerType"]["properties"]["Contact"] = serde_json::json!({"$ref": "#/$defs/ContactType"});
        }),
        ("/Customer/Address: the JSON schema takes any other name", |types| {
            types["AddressType"]["additionalProperties"] = true.into();
        }),
    ];
    for (expected, drift) in drifts {
        let mut json = json("hub/1/customer.schema.json");
        drift(&mut json.0["$defs"]);
        let found = differences("hub/1/Customer.xsd", json);
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn every_hub_document_has_both_schemas() {
    let mut names: Vec<_> = fs::read_dir(root().join("schemas/hub/1"))
        .expect("the folder")
        .map(|entry| {
            let name = entry.expect("an entry").file_name().to_string_lossy().to_lowercase();
            (name.ends_with(".xsd"), name.replace(".schema.json", "").replace(".xsd", "").replace('-', ""))
        })
        .filter(|(_, name)| name != "common")
        .collect();
    names.sort();
    let of = |xsd: bool| names.iter().filter(|(is, _)| *is == xsd).map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(of(true), of(false));
    assert!(of(true).len() >= 3);
}
