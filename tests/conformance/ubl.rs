//! UBL in JSON: the official instances in both bindings, read and written again.

use std::path::PathBuf;

use crossdock::{
    document::{Document, Kind, NodeId},
    format::{Convention, ReadOptions, Syntax, WriteOptions, read, write},
};

use super::corpora;

#[test]
fn ubl_json_instances() {
    let Some(folder) = corpora::unpacked("ubl") else { return };
    let (mut same, mut total, mut alike, mut pairs, mut wrong) = (0, 0, 0, 0, Vec::new());
    for file in corpora::files(folder.path()) {
        let path = file.to_string_lossy().into_owned();
        let is_instance = path.contains("/json-model/") || path.contains("/json-legacy/");
        if !is_instance || file.extension().is_none_or(|end| end != "json") {
            continue;
        }
        total += 1;
        let legacy = path.contains("/json-legacy/");
        let convention = if legacy { Convention::UblLegacy } else { Convention::UblModel };
        let bytes = std::fs::read(&file).expect("readable");
        let document = |bytes: &[u8]| {
            let options = ReadOptions { convention, ..ReadOptions::default() };
            read(bytes, Syntax::Json, &options).map(|reading| reading.document)
        };
        let options = WriteOptions { convention, ..WriteOptions::default() };
        let written = document(&bytes).and_then(|document| write(&document, Syntax::Json, &options));
        match written {
            Ok(written) if compact(&written) == compact(&bytes) => same += 1,
            Ok(_) => wrong.push(format!("{path}: written otherwise")),
            Err(problem) => wrong.push(format!("{path}: {problem}")),
        }
        if legacy {
            pairs += 1;
            let twin = std::fs::read(path.replace("/json-legacy/", "/json-model/")).expect("each has its twin");
            let as_xml = |bytes: &[u8]| {
                document(bytes).and_then(|document| write(&document, Syntax::Xml, &WriteOptions::default()))
            };
            match (as_xml(&bytes), as_xml(&twin)) {
                (Ok(legacy), Ok(model)) if legacy == model => alike += 1,
                (legacy, model) => wrong.push(format!("{path}: not its twin: {:?} {:?}", legacy.err(), model.err())),
            }
        }
    }
    println!(
        "UBL JSON: {same} of {total} instances come out as they went in; {alike} of {pairs} pairs are the same XML"
    );
    assert_eq!((total, pairs), (142, 71), "the collection is not complete");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// JSON without white space between tokens; strings stay as written.
fn compact(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)).into_owned();
    let (mut out, mut is_string, mut is_escaped) = (String::new(), false, false);
    for character in text.chars() {
        if is_string || !character.is_ascii_whitespace() {
            out.push(character);
        }
        match character {
            '"' if !is_escaped => is_string = !is_string,
            _ => (),
        }
        is_escaped = is_string && character == '\\' && !is_escaped;
    }
    out
}

/// Published with `_D`, `_A` and `_B` empty or taken from another prefix: read as they say, which is not what the XML says.
const WRONG_NAMESPACES: [&str; 4] = [
    "UBL-Invoice-2.0-Example-NS1",
    "UBL-Invoice-2.0-Example-NS2",
    "UBL-Invoice-2.0-Example-NS3",
    "UBL-Invoice-2.0-Example-NS4",
];

/// The JSON instances were made by others from XML ones: read by us, both are the same tree.
#[test]
fn ubl_json_is_the_xml_of_its_name() {
    let Some(folder) = corpora::unpacked("ubl") else { return };
    let files = corpora::files(folder.path());
    let editions = ["2.4/xml", "2.1/xml"].map(|below| folder.path().join("ubl").join(below));
    let with = ReadOptions { convention: Convention::UblLegacy, ..ReadOptions::default() };
    let as_json = WriteOptions { convention: Convention::UblLegacy, ..WriteOptions::default() };
    let (mut same, mut back, mut total, mut excepted, mut wrong) = (0, 0, 0, 0, Vec::new());
    for file in files.iter().filter(|file| file.to_string_lossy().contains("/json-legacy/")) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let json = std::fs::read(file).expect("readable");
        let from_json = read(&json, Syntax::Json, &with).expect("UBL in JSON").document;
        let xml_of = |edition: &PathBuf| std::fs::read(edition.join(format!("{name}.xml"))).ok();
        let instances: Vec<Document> = editions
            .iter()
            .filter_map(xml_of)
            .map(|xml| read(&xml, Syntax::Xml, &ReadOptions::default()).expect("UBL in XML").document)
            .collect();
        total += 1;
        let is_excepted = WRONG_NAMESPACES.contains(&name.as_str());
        let differences: Vec<_> = instances.iter().map(|xml| difference(&from_json, xml, is_excepted)).collect();
        match differences.contains(&None) {
            true if is_excepted => excepted += 1,
            true => same += 1,
            false => wrong.push(format!("{name}: {differences:?}")),
        }
        let Some(from_xml) = instances.first() else { continue };
        let again = write(from_xml, Syntax::Json, &as_json).and_then(|bytes| read(&bytes, Syntax::Json, &with));
        match again {
            Ok(again) if outline(&again.document) == outline(from_xml) => back += 1,
            Ok(_) => wrong.push(format!("{name}: XML comes back from JSON otherwise")),
            Err(problem) => wrong.push(format!("{name}: {problem}")),
        }
    }
    println!(
        "UBL JSON against the XML of its name: {same} of {total} are the same tree, {excepted} but for namespaces"
    );
    println!("  the published JSON says other namespaces than the XML: {}", WRONG_NAMESPACES.join(", "));
    println!("UBL XML through legacy JSON and back: {back} of {total} are the same tree");
    assert_eq!(same + excepted, 71, "{wrong:#?}");
    assert_eq!(excepted, WRONG_NAMESPACES.len(), "an exception is no longer needed");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The first two lines in which two documents differ, if any.
fn difference(json: &Document, xml: &Document, ignores_namespaces: bool) -> Option<(String, String)> {
    let (mut left, mut right) = (outline(json), outline(xml));
    if ignores_namespaces {
        left.iter_mut().chain(&mut right).for_each(|line| {
            if let (Some(from), Some(to)) = (line.find('{'), line.find('}')) {
                line.replace_range(from..=to, "");
            }
        });
    }
    let length = left.len().max(right.len());
    left.resize(length, "nothing".to_owned());
    right.resize(length, "nothing".to_owned());
    left.into_iter().zip(right).find(|(left, right)| left != right && !is_zone_only(left, right))
}

/// The published JSON says `2010-01-20Z` where the published XML says `2010-01-20`.
fn is_zone_only(json: &str, xml: &str) -> bool {
    let is_date = xml.len() == 10 && xml.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_date && json.strip_suffix('Z') == Some(xml)
}

/// Names, attributes and texts in order; prefixes, comments and `xsi:schemaLocation` are not part of what is said.
fn outline(document: &Document) -> Vec<String> {
    let nodes = (1..document.len()).filter_map(|index| document.node(index));
    let name = |node: NodeId| document.qname(node).map(ToString::to_string).unwrap_or_default();
    nodes
        .filter_map(|node| match document.kind(node) {
            Kind::Element => Some(format!("{} {}", document.path(node), name(node))),
            Kind::Attribute if name(node).ends_with("}schemaLocation") => None,
            Kind::Attribute => Some(format!("@{}={}", name(node), document.own_text(node))),
            Kind::Text => Some(document.own_text(node).to_owned()),
            _ => None,
        })
        .collect()
}
