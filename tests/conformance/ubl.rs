//! UBL in JSON: the official instances in both bindings, read and written again.

use crossdock::format::{Convention, ReadOptions, Syntax, WriteOptions, read, write};

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
