//! Documents and what is wrong with each: `tests/cases/schema/xsd`.

use std::{fs, path::PathBuf, sync::Arc};

use super::{XsdSet, gather};
use crate::{
    base::Problems,
    document::Document,
    format::{ReadOptions, Syntax, read},
    schema::{Model, Validator},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/schema/xsd")
}

fn file(name: &str) -> Option<Vec<u8>> {
    fs::read(folder().join(name)).ok()
}

fn orders() -> Arc<XsdSet> {
    let model = Model::load(&file, "order.xsd").expect("a schema");
    XsdSet::load(&file, &["order.xsd"], &[Arc::new(model)]).expect("a schema")
}

fn document(bytes: &[u8]) -> Document {
    read(bytes, Syntax::Xml, &ReadOptions::default()).expect("well-formed").document
}

fn inline(schema: &'static str) -> Result<Arc<XsdSet>, Problems> {
    XsdSet::load(&move |_| Some(schema.as_bytes().to_vec()), &["a.xsd"], &[])
}

#[test]
fn every_violation_is_told_with_line_path_rule_and_what_was_expected() {
    let set = orders();
    let mut names: Vec<_> = fs::read_dir(folder())
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "xml"))
        .collect();
    names.sort();
    assert!(names.len() > 20);
    let mut told = String::new();
    for name in names {
        told.push_str(&format!("{}\n", name.file_stem().unwrap_or_default().to_string_lossy()));
        for violation in set.validate(&document(&fs::read(&name).expect("readable")), 100) {
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
fn a_document_made_by_a_mapping_has_paths_and_no_lines() {
    let mut builder = crate::document::Builder::default();
    let root = builder.names().intern("urn:example:order", "Order");
    builder.start(root, None);
    builder.end();
    let found = orders().validate(&builder.finish(), 10);
    assert_eq!(found[0].place.path.as_deref(), Some("/Order"));
    assert_eq!(found[0].place.line, 0);
    assert_eq!(found[0].expected.as_deref(), Some("`Id`"));
}

#[test]
fn no_more_violations_are_told_than_asked_for() {
    let lines = "<Line><Item/><Hours>x</Hours></Line>".repeat(1000);
    let text =
        fs::read_to_string(folder().join("valid.xml")).expect("the case").replace("</Order>", &lines) + "</Order>";
    assert_eq!(orders().validate(&document(text.as_bytes()), 7).len(), 7);
}

/// What is not told must not be paid for again and again.
#[test]
fn a_document_wrong_in_one_way_many_times_is_judged_in_one_pass() {
    let valid = fs::read_to_string(folder().join("valid.xml")).expect("the case");
    let many = |part: &str| part.repeat(30_000);
    let misplaced = valid.replace("</Order>", &(many("<x/>") + "</Order>"));
    assert_eq!(orders().validate(&document(misplaced.as_bytes()), 100).len(), 1);
    let stamps = many("<Line no=\"1\"><Item/><Hours>1</Hours><Stamp>QU JD</Stamp></Line>");
    let stamped = valid.replace("</Order>", &(stamps + "</Order>"));
    assert_eq!(orders().validate(&document(stamped.as_bytes()), 3).len(), 3, "the numbers are not unique");
    let commented = valid.replace("<Item>x</Item>", &format!("<Item>{}</Item>", many(" <!-- -->")));
    assert_eq!(orders().validate(&document(commented.as_bytes()), 100), []);
}

#[test]
fn names_of_documents_do_not_pile_up_in_a_set() {
    let set = orders();
    for round in 0..200 {
        let text =
            format!("<Order xmlns='urn:example:order'><Id>1</Id><a{round} b{round}='1' xmlns='urn:{round}'/></Order>");
        assert!(!set.validate(&document(text.as_bytes()), 10).is_empty());
    }
    let set = inline(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='a' type='xs:QName'/></xs:schema>",
    );
    let set = set.expect("a schema");
    for round in 0..super::MOST_NAMES + 10 {
        if round % 500 == 0 {
            assert!(
                set.validate(&document(format!("<a xmlns:p{round}='urn:a'>p{round}:x</a>").as_bytes()), 10).is_empty()
            );
        }
    }
}

#[test]
fn schemas_that_are_wrong_say_where() {
    let told = |schema: &'static str| inline(schema).expect_err("wrong").to_string();
    let missing =
        told("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>\n<xs:element name='a' type='b'/></xs:schema>");
    assert!(missing.starts_with("a.xsd:2:1: error XD-S011: the schema is not valid"), "{missing}");
    let broken = told("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>\n<xs:element");
    assert!(broken.contains("XD-S011"), "{broken}");
    let nobody = XsdSet::load(&|_| None, &["b.xsd"], &[]).expect_err("not there").to_string();
    assert!(nobody.contains("XD-S001") && nobody.contains("b.xsd"), "{nobody}");
}

#[test]
fn hostile_schemas_are_refused_and_read_nothing_from_elsewhere() {
    let deep = "<xs:sequence>".repeat(5000);
    let text: &'static str = Box::leak(
        format!("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:complexType name='t'>{deep}")
            .into_boxed_str(),
    );
    assert!(inline(text).is_err());
    let asked = std::cell::RefCell::new(Vec::new());
    let schema = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>\
        <xs:import namespace='urn:a' schemaLocation='http://127.0.0.1:1/a.xsd'/>\
        <xs:import namespace='urn:b' schemaLocation='../../../../etc/passwd'/>\
        <xs:import namespace='urn:c' schemaLocation='file:///etc/passwd'/><xs:element name='r'/></xs:schema>";
    let read = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        (name == "x/a.xsd").then(|| schema.as_bytes().to_vec())
    };
    let files = gather(&read, &["x/a.xsd"]).expect("read");
    assert_eq!(files.len(), 1);
    assert_eq!(*asked.borrow(), ["x/a.xsd", "etc/passwd"], "names stay inside the schema folder");
    assert!(XsdSet::load(&read, &["x/a.xsd"], &[]).is_ok());
}

#[test]
fn sets_of_the_same_files_are_shared_and_schemas_that_do_not_fit_together_are_split() {
    assert!(Arc::ptr_eq(&orders(), &orders()));
    let read = |name: &str| {
        let kind = if name == "b.xsd" { "xs:date" } else { "xs:decimal" };
        Some(
            format!("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='a' type='{kind}'/></xs:schema>")
                .into_bytes(),
        )
    };
    let sets: Vec<_> =
        XsdSet::load_all(&read, &["a.xsd", "b.xsd"], &[]).into_iter().map(|set| set.expect("valid")).collect();
    let day = document(b"<a>2026-01-31</a>");
    assert_eq!((sets[0].validate(&day, 9).len(), sets[1].validate(&day, 9).len()), (1, 0));
}
