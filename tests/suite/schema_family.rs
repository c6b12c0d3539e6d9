//! `crossdock schema add`, `list`, `show`, `tree`: a family of one's own, good and bad.

use std::{fs, io::Write as _, path::Path};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::{Ran, crossdock_in};

const ORDER: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:acme" targetNamespace="urn:acme" elementFormDefault="qualified">
  <xs:include schemaLocation="../common/parts.xsd"/>
  <xs:element name="Order"><xs:complexType><xs:sequence>
    <xs:element name="Number" type="xs:string"><xs:annotation><xs:documentation>As the
      buyer counts.</xs:documentation></xs:annotation></xs:element>
    <xs:element name="Line" type="Line" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>
"#;
const PARTS: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:acme" targetNamespace="urn:acme" elementFormDefault="qualified">
  <xs:element name="Note" type="xs:string"/>
  <xs:complexType name="Line"><xs:sequence>
    <xs:element name="Quantity"><xs:simpleType><xs:restriction base="xs:decimal"><xs:minExclusive value="0"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="Line" type="Line" minOccurs="0"/>
  </xs:sequence><xs:attribute name="unit" use="required"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="EA"/><xs:enumeration value="KG"/></xs:restriction></xs:simpleType></xs:attribute></xs:complexType>
</xs:schema>
"#;

/// Path and text of the files of an archive.
type Files<'a> = &'a [(&'a str, &'a str)];

/// The files of a good family.
const GOOD: Files<'_> =
    &[("docs/order.xsd", ORDER), ("common/parts.xsd", PARTS), ("LICENSE.txt", "free\n"), ("readme.html", "<p>")];

fn archive(folder: &Path, name: &str, files: Files<'_>) {
    let mut writer = ZipWriter::new(fs::File::create(folder.join(name)).expect("a file"));
    for (path, text) in files {
        writer.start_file(*path, SimpleFileOptions::default()).expect("an entry");
        writer.write_all(text.as_bytes()).expect("written");
    }
    writer.finish().expect("an archive");
}

fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let mut all = vec!["schema"];
    all.extend(arguments);
    all.extend(["--set", "hub.content=."]);
    crossdock_in(folder, &all, &[])
}

fn add(folder: &Path, from: &str, more: &[&str]) -> Ran {
    let mut all = vec!["add", from, "--family", "acme", "--version", "2"];
    all.extend(more);
    run(folder, &all)
}

#[test]
fn a_family_is_added_once_listed_shown_and_guarded_against_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    archive(here, "acme.zip", GOOD);
    let added = add(here, "acme.zip", &["--json"]).expect(0).json();
    let manifest = &added["manifest"];
    assert_eq!(added["written"], true);
    assert_eq!(manifest["roots"][0]["element"], "Order", "an included file has no roots of its own");
    assert_eq!(manifest["roots"].as_array().map(Vec::len), Some(1));
    assert_eq!(manifest["licences"][0], "LICENSE.txt");
    assert_eq!(manifest["source_sha256"].as_str().map(str::len), Some(64));
    assert!(
        here.join("schemas/acme/2/common/parts.xsd").is_file() && !here.join("schemas/acme/2/readme.html").exists()
    );
    assert_eq!(add(here, "acme.zip", &["--json"]).expect(0).json()["written"], false, "once more is no error");

    let listed = run(here, &["list", "--json"]).expect(0).json();
    let states: Vec<_> =
        listed["families"].as_array().expect("a list").iter().map(|one| (&one["family"], &one["state"])).collect();
    assert!(states.iter().any(|(family, state)| *family == "acme" && *state == "as added"), "{states:?}");
    assert!(states.iter().any(|(family, state)| *family == "hub" && *state == "shipped"), "{states:?}");

    let shown = run(here, &["show", "acme/2/Order", "Order/Line/Quantity", "--json"]).expect(0).json();
    assert_eq!(shown["value"]["kind"], "decimal");
    assert_eq!(shown["value"]["least"]["exclusive"], true);
    let shown = run(here, &["show", "schemas/acme/2/docs/order.xsd", "Order/Line/@unit"]).expect(0).text();
    assert!(shown.contains("required") && shown.contains("`EA`, `KG`"), "{shown}");
    let shown = run(here, &["show", "acme/2/Order", "Order/Number"]).expect(0).text();
    assert!(shown.contains("As the buyer counts."), "{shown}");
    let near = run(here, &["show", "acme/2/Order", "Order/Line/Quantiti"]).expect(3);
    assert!(near.talk.contains("did you mean `Quantity`?"), "{}", near.talk);
    let tree = run(here, &["tree", "acme/2/Order", "--depth", "9"]).expect(0).text();
    assert!(tree.contains("↻"), "recursion is marked: {tree}");

    fs::write(here.join("schemas/acme/2/docs/order.xsd"), ORDER.replace("Number", "No")).expect("changed");
    let changed = run(here, &["list"]).expect(7);
    assert!(changed.talk.contains("schemas/acme/2/docs/order.xsd: warning XD-S034"), "{}", changed.talk);
    let refused = add(here, "acme.zip", &[]).expect(8);
    assert!(refused.talk.contains("XD-S033"), "{}", refused.talk);
    add(here, "acme.zip", &["--replace"]).expect(0);
    run(here, &["list"]).expect(0);
    let left: Vec<_> = fs::read_dir(here.join("schemas/acme")).expect("a folder").collect();
    assert_eq!(left.len(), 1, "no temporary folder is left: {left:?}");
}

#[test]
fn what_cannot_be_used_is_refused_and_nothing_is_written() {
    let broken = ORDER.replace("type=\"Line\"", "type=\"Lien\"");
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("outside", &[("../order.xsd", PARTS)], "XD-S030"),
        ("absolute", &[("/order.xsd", PARTS)], "XD-S030"),
        ("windows", &[("a\\..\\..\\order.xsd", PARTS)], "XD-S030"),
        ("ours", &[("parts.xsd", PARTS), ("family.json", "{}")], "XD-S030"),
        ("nothing", &[("readme.html", "<p>")], "XD-S031"),
        ("missing", &[("docs/order.xsd", ORDER)], "missing.zip/docs/order.xsd:2:3: error XD-S001"),
        ("no-schema", &[("order.xsd", "<order/>")], "no-schema.zip/order.xsd: error XD-S002"),
        ("broken", &[("docs/order.xsd", &broken), ("common/parts.xsd", PARTS)], "XD-S011"),
        ("json", &[("a.json", r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": 1}"#)], "XD-S0"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (name, files, expected) in cases {
        archive(folder.path(), &format!("{name}.zip"), files);
        let refused = add(folder.path(), &format!("{name}.zip"), &[]).expect(7);
        assert!(refused.talk.contains(expected), "{name}: {}", refused.talk);
        assert!(!folder.path().join("schemas").exists(), "{name}");
    }
    fs::write(folder.path().join("no.zip"), "PK").expect("a file");
    assert!(add(folder.path(), "no.zip", &[]).expect(7).talk.contains("XD-S030"));
    add(folder.path(), "gone.zip", &[]).expect(3);
    archive(folder.path(), "hub.zip", GOOD);
    let shipped = run(folder.path(), &["add", "hub.zip", "--family", "hub", "--version", "1", "--replace"]).expect(8);
    assert!(shipped.talk.contains("ships with the program"), "{}", shipped.talk);
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = ZipWriter::new(fs::File::create(folder.path().join("bomb.zip")).expect("a file"));
    writer.start_file("bomb.xsd", SimpleFileOptions::default()).expect("an entry");
    let block = vec![b' '; 1 << 20];
    for _ in 0..65 {
        writer.write_all(&block).expect("written");
    }
    writer.finish().expect("an archive");
    let refused = add(folder.path(), "bomb.zip", &[]).expect(7);
    assert!(refused.talk.contains("too large"), "{}", refused.talk);
}
