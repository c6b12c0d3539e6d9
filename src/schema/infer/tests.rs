//! A draft allows its samples and little else.

use std::{fs, path::Path};

use super::*;
use crate::{
    format::{ReadOptions, Syntax, read},
    schema::{Validator, XsdSet},
};

const FOLDER: &str = "tests/cases/schema/infer";

fn document(text: &str) -> Document {
    read(text.as_bytes(), Syntax::Xml, &ReadOptions::default()).expect("well-formed").document
}

fn sample(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join(name)).expect("readable")
}

fn inferred<'a>(samples: impl IntoIterator<Item = &'a str>) -> Vec<DraftFile> {
    let mut inference = Inference::default();
    samples.into_iter().for_each(|text| inference.add(&document(text)));
    inference.draft("draft.xsd")
}

fn set(files: &[DraftFile]) -> std::sync::Arc<XsdSet> {
    let read = |name: &str| files.iter().find(|file| file.name == name).map(|file| file.text.clone().into_bytes());
    let text = || files.iter().map(|file| file.text.as_str()).collect::<Vec<_>>().join("\n");
    XsdSet::load(&read, &["draft.xsd"], &[]).unwrap_or_else(|problems| panic!("{problems:?}\n{}", text()))
}

#[test]
fn a_draft_allows_its_samples_and_refuses_what_none_of_them_showed() {
    let samples = [sample("order-1.xml"), sample("order-2.xml")];
    let files = inferred(samples.iter().map(String::as_str));
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["draft.xsd", "draft-c.xsd", "draft-none.xsd"]);
    let set = set(&files);
    for text in &samples {
        let found = set.validate(&document(text), 5);
        assert!(found.is_empty(), "{found:?}");
    }
    for (what, from, to) in [
        ("a required child is gone", "<c:Date>2026-03-01</c:Date>", ""),
        ("an unknown element", "<o:Party>", "<o:Mood/><o:Party>"),
        ("a wrong type", "2026-03-01", "tomorrow"),
        ("a wrong number", ">10<", ">ten<"),
        (
            "another order",
            "<c:Id>008</c:Id>\n  <c:Date>2026-03-01</c:Date>",
            "<c:Date>2026-03-01</c:Date><c:Id>8</c:Id>",
        ),
        ("an extra attribute", "<o:Party>", "<o:Party kind=\"x\">"),
        ("an attribute is gone", " status=\"closed\"", ""),
    ] {
        let changed = samples[1].replacen(from, to, 1);
        assert_ne!(changed, samples[1], "{what}");
        assert!(!set.validate(&document(&changed), 5).is_empty(), "{what}");
    }
}

#[test]
fn each_choice_comes_with_its_evidence() {
    let samples = [sample("order-1.xml"), sample("order-2.xml")];
    let files = inferred(samples.iter().map(String::as_str));
    let all: String = files.iter().map(|file| file.text.as_str()).collect();
    for expected in [
        "A draft from 2 documents (roots: Order 2)",
        "Seen 3 times in 2 documents, in 1 parents.",
        "In 2 of 2, at most 2.",
        "2 values, 2 distinct, 0 empty; fit: boolean 0, integer 0, decimal 0, date 2, dateTime 0, time 0",
        "Not always in one order.",
        "1 times nil",
        "Text beside elements 1 times",
    ] {
        assert!(all.contains(expected), "{expected}:\n{all}");
    }
}

#[test]
fn values_decide_the_type_and_identifiers_are_text() {
    for (values, kind) in [
        (["1", "22"], "integer"),
        (["1", "2.5"], "decimal"),
        (["007", "8"], "string"),
        (["1234567890123456789", "1"], "string"),
        (["true", "false"], "boolean"),
        (["1", "0"], "integer"),
        (["2026-02-28", "2024-02-29Z"], "date"),
        (["2026-02-28", "2026-02-30"], "string"),
        (["2026-01-01T00:00:00Z", "2026-01-01T23:59:59"], "dateTime"),
        (["2026-01-01T00:00:00Z", "2026-01-01T23:61:59"], "string"),
        (["08:00:00", "23:59:59+08:00"], "time"),
        (["1", ""], "string"),
        (["zwei", "1"], "string"),
    ] {
        let text = format!("<a><b>{}</b><b>{}</b></a>", values[0], values[1]);
        let files = inferred([text.as_str()]);
        assert!(files[0].text.contains(&format!("base=\"xs:{kind}\"")), "{values:?} {kind}\n{}", files[0].text);
        assert!(set(&files).validate(&document(&text), 1).is_empty(), "{values:?}");
    }
}

#[test]
fn few_values_that_come_again_and_again_are_an_enumeration() {
    let line = |kinds: &[&str]| {
        let lines: Vec<String> = kinds.iter().map(|kind| format!("<l kind=\"{kind}\">{kind}</l>")).collect();
        format!("<o>{}</o>", lines.concat())
    };
    let many = line(&["new &amp; used", "sold"].repeat(10));
    let files = inferred([many.as_str()]);
    assert!(files[0].text.contains("<xs:enumeration value=\"new &amp; used\"/>"), "{}", files[0].text);
    let set = set(&files);
    assert!(set.validate(&document(&many), 1).is_empty());
    assert!(!set.validate(&document(&line(&["stolen"])), 1).is_empty());
    for open in [line(&["new", "sold"].repeat(3)), line(&["a", "b", "c", "d", "e", "f", "g", "h", "i"].repeat(9))] {
        assert!(!inferred([open.as_str()])[0].text.contains("enumeration"), "{open}");
    }
}

#[test]
fn odd_samples_make_valid_drafts_too() {
    for text in [
        "<a/>",
        "<a b=\"\"/>",
        "<a> </a>",
        "<a xmlns=\"urn:1\"><b xmlns=\"\"><c xmlns=\"urn:2\" xmlns:p=\"urn:3\" p:d=\"1\"/></b></a>",
        "<xsx:a xmlns:xsx=\"urn:&amp;&lt;\"><xsx:a/></xsx:a>",
        "<a xmlns:xs=\"urn:1\"><xs:b>x</xs:b></a>",
        "<a>text<b/>text</a>",
        "<a><b/><c/><b/><d/><c/></a>",
        "<单><号>一</号></单>",
    ] {
        let files = inferred([text]);
        let found = set(&files).validate(&document(text), 3);
        assert!(found.is_empty(), "{text}: {found:?}\n{}", files[0].text);
    }
}
