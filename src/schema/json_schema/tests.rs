//! Documents and what is wrong with each: `tests/cases/schema/json`; and schemas that are none, or mean harm.

use std::{fs, path::PathBuf, time::Instant};

use serde_json::Value;

use super::{Formats, JsonSchema, value};
use crate::{
    base::Problems,
    document::Document,
    format::{ReadOptions, Syntax, WriteOptions, read, write},
    schema::Validator,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/schema/json")
}

fn file(name: &str) -> Option<Vec<u8>> {
    fs::read(folder().join(name)).ok()
}

fn document(bytes: &[u8]) -> Document {
    read(bytes, Syntax::Json, &ReadOptions::default()).expect("well-formed").document
}

/// The documents, by name.
fn documents() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder())
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(path).expect("readable"))
        })
        .filter(|(name, _)| !name.ends_with(".schema"))
        .collect();
    found.sort();
    found
}

fn inline(schema: &str) -> Result<JsonSchema, Problems> {
    JsonSchema::load(&|name| (name == "a.json").then(|| schema.as_bytes().to_vec()), "a.json", Formats::default())
}

fn told(result: Result<JsonSchema, Problems>) -> String {
    match result {
        Ok(schema) => format!("{schema:?}"),
        Err(problems) => problems.0.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

#[test]
fn every_violation_is_told_with_line_path_rule_and_what_was_expected() {
    let schema = JsonSchema::load(&file, "order.schema.json", Formats::default()).expect("a schema");
    assert_eq!(schema.files(), 3);
    let cases = documents();
    assert!(cases.len() > 12);
    let mut told = String::new();
    for (name, bytes) in cases {
        told.push_str(&format!("{name}\n"));
        for violation in schema.validate(&document(&bytes), 100) {
            told.push_str(&format!("  {violation}\n"));
        }
    }
    let expected = folder().join("expected.txt");
    if std::env::var_os("CROSSDOCK_WRITE_REFERENCE").is_some() {
        fs::write(&expected, &told).expect("writable");
    }
    assert_eq!(told, fs::read_to_string(expected).unwrap_or_default());
}

#[test]
fn the_json_that_is_judged_is_the_one_that_was_read_and_the_one_that_is_written() {
    for (name, bytes) in documents() {
        let read: Value = serde_json::from_slice(&bytes).expect("JSON");
        let document = document(&bytes);
        let judged = value::of_document(&document);
        assert_eq!(judged, read, "{name}");
        let written = write(&document, Syntax::Json, &WriteOptions::default()).expect("writable");
        assert_eq!(judged, serde_json::from_slice::<Value>(&written).expect("JSON"), "{name}");
    }
}

#[test]
fn a_document_from_xml_is_judged_as_the_json_it_would_be_written_as() {
    let xml = br#"<Order version="1"><Id>SO1</Id><Line><Item>A</Item></Line><Line><Item>B</Item>text</Line></Order>"#;
    let document = read(xml, Syntax::Xml, &ReadOptions::default()).expect("well-formed").document;
    let written = write(&document, Syntax::Json, &WriteOptions::default()).expect("writable");
    assert_eq!(value::of_document(&document), serde_json::from_slice::<Value>(&written).expect("JSON"));
}

#[test]
fn no_more_violations_are_told_than_asked_for() {
    let schema = inline(r#"{"items": {"type": "string"}}"#).expect("a schema");
    let document = document(format!("[{}1]", "1,".repeat(20_000)).as_bytes());
    let found = schema.validate(&document, 7);
    assert_eq!(found.len(), 7);
    assert_eq!(found[0].place.path.as_deref(), Some("/item[1]"));
}

#[test]
fn a_schema_that_is_none_is_refused_with_every_place() {
    let cases = [
        (
            r#"{"type": "objekt",
             "properties": {"a": {"minLength": -1}}}"#,
            "a.json:1:2 (/type)",
        ),
        (r#"{"pattern": "(?=a)b"}"#, "a.json:1:2 (/pattern)"),
        (r#"{"pattern": "["}"#, "a.json:1:2 (/pattern)"),
        (r#"{"a": 1, "a": 2}"#, "XD-F033"),
        ("[]", "a JSON Schema is an object"),
        (r##"{"$ref": "#/nowhere"}"##, "XD-S003"),
        (
            r#"{"properties": {"a":
            {"$ref": "b.json"}}}"#,
            "a.json:2:14: error XD-S001: the schema file `b.json` cannot be found",
        ),
        (r#"{"$ref": "../../etc/passwd"}"#, "error XD-S001: the schema file `etc/passwd` cannot be found"),
        (r#"{"$ref": "https://example.com/a/b.json"}"#, "`example.com/a/b.json`"),
        (r#"{"$ref": "file:///etc/passwd"}"#, "XD-S003"),
        (r#"{"$ref": "urn:example:other"}"#, "XD-S003"),
        (r#"{"$schema": "https://example.com/own"}"#, "`example.com/own`"),
    ];
    for (schema, expected) in cases {
        let told = told(inline(schema));
        assert!(told.contains(expected), "{schema}: {told}");
    }
}

#[test]
fn references_are_followed_as_addresses_inside_the_folder_only() {
    let files = [
        (
            "acme/order/main.json",
            r#"{"$id": "https://acme.example/schemas/order/main.json",
            "properties": {"a": {"$ref": "../common/types.json#/$defs/a"}, "b": {"$ref": "https://other.example/b.json"}}}"#,
        ),
        ("acme/common/types.json", r#"{"$defs": {"a": {"type": "string"}}}"#),
        ("other.example/b.json", r#"{"type": "integer"}"#),
    ];
    let read = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_bytes().to_vec());
    let schema = JsonSchema::load(&read, "acme/order/main.json", Formats::default())
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(schema.files(), 3);
    assert_eq!(schema.validate(&document(br#"{"a": 1, "b": "x"}"#), 9).len(), 2);
}

#[test]
fn hostile_schemas_and_documents_end() {
    let begun = Instant::now();
    let chain: Vec<String> = (0..300).map(|at| format!(r##""c{at}": {{"$ref": "#/$defs/c{}"}}"##, at + 1)).collect();
    let schemas = [
        r##"{"$ref": "#"}"##.to_owned(),
        r##"{"allOf": [{"$ref": "#"}]}"##.to_owned(),
        r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##.to_owned(),
        r##"{"anyOf": [{"$ref": "#"}, {"properties": {"a": {"$ref": "#"}}}], "minProperties": 1}"##.to_owned(),
        format!("{}true{}", r#"{"not": "#.repeat(120), "}".repeat(120)),
        format!("{}true{}", r#"{"not": "#.repeat(100_000), "}".repeat(100_000)),
        format!(r##"{{"$defs": {{{}, "c300": {{"type": "string"}}}}, "$ref": "#/$defs/c0"}}"##, chain.join(",")),
        r#"{"pattern": "^(a+)+$"}"#.to_owned(),
        r#"{"pattern": "((((a{1,100}){1,100}){1,100}){1,100})"}"#.to_owned(),
        format!(r#"{{"pattern": "{}"}}"#, "(".repeat(100_000)),
    ];
    let documents: Vec<Document> = [
        format!("{}1{}", r#"{"a": "#.repeat(100), "}".repeat(100)),
        format!("\"{}!\"", "a".repeat(50_000)),
        "{}".to_owned(),
    ]
    .iter()
    .map(|text| document(text.as_bytes()))
    .collect();
    for schema in schemas {
        let Ok(compiled) = inline(&schema) else { continue };
        for document in &documents {
            compiled.validate(document, 10);
        }
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
