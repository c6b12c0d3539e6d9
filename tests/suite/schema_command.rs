//! `crossdock schema`: what editors are told of mapping files agrees with the files there are, and with the compiler.

use std::{fs, path::PathBuf};

use crossdock::content::{Data, Yaml, parse};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::support::{crossdock, root};

#[test]
fn the_copies_in_the_documentation_are_those_of_this_program() {
    for (kind, file) in [("mapping-file", "mapping"), ("fragment-file", "fragment")] {
        let printed = crossdock(&["schema", kind]).expect(0).text();
        let copy = fs::read_to_string(root().join(format!("docs/reference/{file}.schema.json"))).expect("the copy");
        assert_eq!(copy, printed, "write it anew: crossdock schema {kind} > docs/reference/{file}.schema.json");
    }
}

#[test]
fn every_shipped_mapping_and_every_example_of_the_language_fits_its_schema() {
    let schema = crossdock(&["schema", "mapping-file"]).expect(0).json();
    let mut checked = 0;
    let mut files: Vec<(String, String)> = Vec::new();
    for profile in fs::read_dir(root().join("mappings")).expect("the mappings") {
        for entry in fs::read_dir(profile.expect("an entry").path()).into_iter().flatten() {
            let path: PathBuf = entry.expect("an entry").path();
            if path.to_str().is_some_and(|path| path.contains("-to-") && path.ends_with(".yaml")) {
                files.push((path.display().to_string(), fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    let page = fs::read_to_string(root().join("docs/reference/mapping-language.md")).unwrap_or_default();
    let blocks = page.split("```yaml\n").skip(1).enumerate();
    files.extend(blocks.map(|(at, text)| {
        let text = text.split("```").next().unwrap_or_default().to_owned();
        (format!("mapping-language.md, example {}", at + 1), text)
    }));
    for (name, text) in files {
        let value = value_of(&parse(&text, &name.as_str().into()).expect("YAML"));
        let problems = misfits(&schema, &schema, &value, "");
        assert!(problems.is_empty(), "{name}:\n{}", problems.join("\n"));
        checked += 1;
    }
    assert!(checked >= 4, "{checked}");
}

#[test]
fn what_the_compiler_refuses_the_schema_marks() {
    let schema = crossdock(&["schema", "mapping-file"]).expect(0).json();
    let base = json!({"from": "a/b", "to": "c/d", "output": {"doc": {"$each": "=a", "x": 1}}});
    assert_eq!(misfits(&schema, &schema, &base, ""), Vec::<String>::new());
    for (pointer, key, value) in [
        ("", "form", json!("a/b")),
        ("/output/doc", "$eech", json!("=a")),
        ("/output/doc", "$each", json!("a")),
        ("/output/doc", "$empty", json!("leave")),
        ("/output/doc", "$sort", json!({"by": "=a", "order": "up"})),
        ("/output/doc", "$choose", json!([{"when": "=a"}])),
        ("", "assert", json!([{"that": "=a"}])),
        ("", "documents", json!({"one": {"to": "c/d", "output": {"x": 1}}})),
    ] {
        let mut wrong = base.clone();
        wrong.pointer_mut(pointer).expect("a block")[key] = value;
        assert!(!misfits(&schema, &schema, &wrong, "").is_empty(), "{wrong}");
    }
}

/// A YAML tree as JSON.
fn value_of(node: &Yaml) -> Value {
    match &node.data {
        Data::Null => Value::Null,
        Data::Text { text, plain: true } => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Data::Text { text, plain: false } => json!(text),
        Data::List(items) => items.iter().map(value_of).collect(),
        Data::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.text.clone(), value_of(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// In what a value does not fit a schema, of the part of JSON Schema that ours uses.
fn misfits(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().expect("a schema") {
        let texts = || rule.as_array().into_iter().flatten().filter_map(Value::as_str);
        match word.as_str() {
            "$schema" | "title" | "description" | "definitions" => (),
            "$ref" => {
                let pointer = rule.as_str().expect("a reference").trim_start_matches('#');
                found.extend(misfits(root, root.pointer(pointer).expect("its definition"), value, path));
            }
            "type" => {
                let kind = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if !rule.as_str().into_iter().chain(texts()).any(|known| known == kind) {
                    found.push(format!("{path}: {kind} is not {rule}"));
                }
            }
            "enum" if !rule.as_array().expect("a list").contains(value) => found.push(format!("{path}: not of {rule}")),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().expect("a pattern")).expect("a pattern");
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    found.push(format!("{path}: not like {rule}"));
                }
            }
            "required" => {
                let missing = texts().filter(|name| value.is_object() && value.get(name).is_none());
                found.extend(missing.map(|name| format!("{path}: lacks {name}")));
            }
            "minItems" if value.as_array().is_some_and(|items| items.is_empty()) => {
                found.push(format!("{path}: empty"))
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(misfits(root, rule, item, &format!("{path}/{at}")));
                }
            }
            "allOf" => {
                for rule in rule.as_array().expect("a list") {
                    found.extend(misfits(root, rule, value, path));
                }
            }
            "anyOf" => {
                let tried = rule.as_array().expect("a list").iter().map(|rule| misfits(root, rule, value, path));
                let fewest = tried.min_by_key(Vec::len).unwrap_or_default();
                found.extend(fewest);
            }
            "oneOf" => {
                let tried: Vec<_> =
                    rule.as_array().expect("a list").iter().map(|rule| misfits(root, rule, value, path)).collect();
                match tried.iter().filter(|misfits| misfits.is_empty()).count() {
                    1 => (),
                    0 => found.extend(tried.into_iter().min_by_key(Vec::len).unwrap_or_default()),
                    several => found.push(format!("{path}: fits {several} of one")),
                }
            }
            "propertyNames" => {
                for name in value.as_object().into_iter().flat_map(Map::keys) {
                    found.extend(misfits(root, rule, &json!(name), &format!("{path}/{name}")));
                }
            }
            "additionalProperties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let path = format!("{path}/{name}");
                    let known = schema["properties"].get(name).cloned();
                    let patterns = schema["patternProperties"].as_object().into_iter().flatten();
                    let like = |pattern: &str| Regex::new(pattern).expect("a pattern").is_match(name);
                    let rule = known
                        .or_else(|| patterns.filter(|(pattern, _)| like(pattern)).map(|(_, rule)| rule.clone()).next())
                        .unwrap_or_else(|| rule.clone());
                    match rule {
                        Value::Bool(false) => found.push(format!("{path}: unknown")),
                        rule => found.extend(misfits(root, &rule, inner, &path)),
                    }
                }
            }
            "enum" | "minItems" | "properties" | "patternProperties" => (),
            other => panic!("the schema uses `{other}`, which this test does not know"),
        }
    }
    found
}
