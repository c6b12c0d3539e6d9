//! `$merge`: positions, namespaces, exceptions, the schemas of both sides.

use super::{apply, compile, context, failure, written, xml};
use crate::{
    base::{Limits, Problems},
    format::Syntax,
    mapping::{Environment, Explanation, Mapping},
    schema::Model,
};

fn made(body: &str, input: &str) -> String {
    let text = format!("from: a\nto: b\nnamespaces: {{s: 'urn:s', t: 'urn:t'}}\n{body}");
    let mapping = Mapping::compile(&text, &"m.yaml".into(), &Environment::default());
    let mapping = mapping.unwrap_or_else(|problems| panic!("{problems}\n{body}"));
    match mapping.apply(&xml(input), &context(), &Limits::default(), None) {
        Ok(output) => written(&output, Syntax::Xml),
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn what_the_block_names_stands_where_the_source_has_it() {
    let input = "<a><x>1</x><y>2</y><z>3</z><y>4</y></a>";
    let cases = [
        ("{$merge: =a}", "<o><x>1</x><y>2</y><z>3</z><y>4</y></o>"),
        ("{n: 0, $merge: =a, m: 9}", "<o><n>0</n><x>1</x><y>2</y><z>3</z><y>4</y><m>9</m></o>"),
        ("{z: =a/z * 2, $merge: =a}", "<o><x>1</x><y>2</y><z>6</z><y>4</y></o>"),
        ("{$merge: =a, y: =sum(a/y)}", "<o><x>1</x><y>6</y><z>3</z></o>"),
        ("{$merge: =a, y: =()}", "<o><x>1</x><z>3</z></o>"),
        ("{$merge: {from: =a, except: y}, x: {$merge: =a/x, '@k': 1}}", "<o><x k=\"1\">1</x><z>3</z></o>"),
        ("{k: 1, $merge: {from: =a, except: [x, y, z]}}", "<o><k>1</k></o>"),
        ("{$merge: =a/none, m: 1}", "<o><m>1</m></o>"),
    ];
    for (block, expected) in cases {
        let shown = made(&format!("output: {{o: {block}}}\n"), input);
        assert_eq!(shown, expected, "{block}");
    }
}

#[test]
fn attributes_text_and_mixed_content_go_through_and_names_change_namespace_with_the_element() {
    let cases = [
        ("{o: {$merge: =a}}", "<a k='1' l='2'>text</a>", "<o k=\"1\" l=\"2\">text</o>"),
        ("{o: {'@k': 9, $merge: {from: =a, except: ['@l']}}}", "<a k='1' l='2'>text</a>", "<o k=\"9\">text</o>"),
        ("{o: {$merge: =a}}", "<a>one <b>two</b> three</a>", "<o>one <b>two</b> three</o>"),
        ("{o: {$merge: =s:a}}", "<a xmlns='urn:s'><b><c k='1'/></b></a>", "<o><b><c k=\"1\"/></b></o>"),
        (
            "{'t:o': {$merge: =s:a}}",
            "<a xmlns='urn:s'><b><f xmlns='urn:f'>1</f></b></a>",
            "<t:o xmlns:t=\"urn:t\" xmlns=\"urn:f\"><t:b><f>1</f></t:b></t:o>",
        ),
        (
            "{o: {$merge: {from: =s:a, except: [s:b/s:c, 's:d/@k']}}}",
            "<a xmlns='urn:s'><b><c/><e/></b><d k='1'>x</d></a>",
            "<o><b><e/></b><d>x</d></o>",
        ),
        (
            "{o: {$merge: =a}}",
            "<a xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='x y'><b xsi:nil='true'/></a>",
            "<o xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><b xsi:nil=\"true\"/></o>",
        ),
    ];
    for (output, input, expected) in cases {
        assert_eq!(made(&format!("output: {output}\n"), input), expected, "{output}");
    }
}

#[test]
fn one_node_is_merged() {
    assert!(
        made("output: {o: {$merge: =a/b}}\n", "<a><b/><b/></a>").contains("error XD-M021: `$merge` takes one node")
    );
    assert!(made("output: {o: {$merge: ='x'}}\n", "<a/>").contains("error XD-M026: `$merge` takes a node"));
    let made = made("output: {o: {$merge: =json-to-xml(a)/*}}\n", "<a>[1]</a>");
    assert!(made.contains("error XD-M026: `$merge` takes a node of the source, and its formula made one"), "{made}");
}

/// The target of the tests, with names of the source: rows after heads.
const HEAD: &str =
    "output:\n  doc:\n    row:\n      $each: =Order/Line\n      '@no': 1\n      sum: 1\n      item: =Item\n    head:\n";

#[test]
fn a_merge_that_brings_what_the_target_lacks_is_warned_of_and_stops_the_document() {
    let body = format!("{HEAD}      $merge: =Order/Buyer\n      code: x\n      dept: y\n");
    let mapping = compile(&body).expect("warnings only");
    let shown: Vec<String> = mapping.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["m.yaml:13:15 (output.doc.head): warning XD-M001: `$merge` may bring `Name`, which the target does not have \
          (name it under `except`, or write a rule for it)"]
    );
    let order = "<Order xmlns='urn:s'><Number>1</Number><Buyer><Name>N</Name></Buyer></Order>";
    assert!(failure(&body, order).contains("(/Order/Buyer/Name): error XD-M026: `$merge` brings `Name`"));
    let body = body.replace("$merge: =Order/Buyer", "$merge: {from: =Order/Buyer, except: [Name]}");
    assert!(compile(&body).expect("good").warnings().is_empty());
    assert_eq!(
        written(&apply(&body, order).expect("made"), Syntax::Xml),
        "<doc><head><code>x</code><dept>y</dept></head></doc>"
    );
    let wrong = body.replace("[Name]", "[Nmae]");
    let shown = compile(&wrong).expect_err("unknown").join("\n");
    assert!(
        shown.contains(
            "m.yaml:13:45: error XD-M001: no document of the source type has `Nmae` here (did you mean `Name`?)"
        ),
        "{shown}"
    );
}

const FROM: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:s" xmlns="urn:s" elementFormDefault="qualified">
  <xs:element name="a"><xs:complexType><xs:sequence>
    <xs:element name="n" type="xs:decimal"/><xs:element name="m" type="xs:string"/>
    <xs:element name="b" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="q" type="xs:decimal"/><xs:element name="p" type="xs:string" minOccurs="0"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element></xs:schema>"#;

const TO: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns="urn:t" elementFormDefault="qualified">
  <xs:element name="o"><xs:complexType><xs:sequence>
    <xs:element name="b" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="p" type="xs:string" minOccurs="0"/><xs:element name="q" type="xs:decimal"/>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="m"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="3"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="n" type="xs:decimal"/><xs:element name="k" type="xs:string"/>
  </xs:sequence></xs:complexType></xs:element></xs:schema>"#;

fn typed(block: &str) -> Mapping {
    compiled(block).unwrap_or_else(|problems| panic!("{problems}\n{block}"))
}

fn compiled(block: &str) -> Result<Mapping, Problems> {
    let model = |text: &str| Model::load(&|_| Some(text.as_bytes().to_vec()), "x.xsd").expect("a good schema");
    let (source, target) = (model(FROM), model(TO));
    let environment = Environment { source: Some(&source), target: Some(&target), ..Environment::default() };
    let text = format!("from: a\nto: b\nnamespaces: {{s: 'urn:s'}}\ndefault-namespace: s\noutput: {{o: {block}}}\n");
    Mapping::compile(&text, &"m.yaml".into(), &environment)
}

const INPUT: &str = "<a xmlns='urn:s'><n>1.50</n><m>xyz</m><b><q>2</q><p>P</p></b></a>";

#[test]
fn the_targets_order_types_and_arrays_hold_at_every_depth() {
    let mapping = typed("{$merge: =a, k: K}");
    assert_eq!(mapping.warnings(), []);
    let output = mapping.apply(&xml(INPUT), &context(), &Limits::default(), None).expect("made");
    assert_eq!(
        written(&output, Syntax::Xml),
        "<o xmlns=\"urn:t\"><b><p>P</p><q>2</q></b><m>xyz</m><n>1.50</n><k>K</k></o>"
    );
    assert_eq!(written(&output, Syntax::Json), r#"{"o":{"b":[{"p":"P","q":2}],"m":"xyz","n":1.50,"k":"K"}}"#);
}

#[test]
fn a_merge_fills_what_the_target_requires_and_its_values_are_checked() {
    let problems = compiled("{$merge: {from: =a, except: [m]}, k: K}").expect_err("m is required").to_string();
    assert!(problems.contains("error XD-M004: no rule fills `m`"), "{problems}");
    let without = INPUT.replace("<m>xyz</m>", "");
    let failure =
        typed("{$merge: =a, k: K}").apply(&xml(&without), &context(), &Limits::default(), None).expect_err("no m");
    assert!(failure.to_string().contains("error XD-M020: `/o/m` is required"), "{failure}");
    let long = INPUT.replace("xyz", "SECRET");
    let failure =
        typed("{$merge: =a, k: K}").apply(&xml(&long), &context(), &Limits::default(), None).expect_err("long");
    assert_eq!(
        failure.to_string(),
        "m.yaml:5:22 (/a/m): error XD-M022: a value that goes through below `/o` does not fit: it has 6 characters, at most 3 \
         are allowed (name it under `except` and write a rule for it)"
    );
}

#[test]
fn every_field_that_goes_through_is_explained() {
    let mut explanation = Explanation::default();
    typed("{$merge: =a, k: K}")
        .apply(&xml(INPUT), &context(), &Limits::default(), Some(&mut explanation))
        .expect("made");
    let shown: Vec<String> = explanation
        .fields
        .iter()
        .map(|field| format!("{} {}", field.path, field.sources.first().map_or("-", |source| &source.path)))
        .collect();
    assert_eq!(shown, ["/o/b/p /a/b/p", "/o/b/q /a/b/q", "/o/m /a/m", "/o/n /a/n", "/o/k -"]);
}

#[test]
fn a_merge_stands_once_and_in_no_branch() {
    for (block, expected) in [
        ("{$merge: {form: =a}}", "key `from` is missing"),
        ("{$merge: {from: =a, except: ['x:y']}}", "`x:y` is no path"),
        ("{$merge: {from: =a, except: ['@x/y']}}", "`@x/y` is no path"),
        ("{z: 1, $choose: [{otherwise: {$merge: =a}}]}", "`$merge` stands once in a block, and in no branch of it"),
    ] {
        let text = format!("from: a\nto: b\noutput: {{o: {block}}}\n");
        let problems = Mapping::compile(&text, &"m.yaml".into(), &Environment::default()).expect_err(block);
        assert!(problems.to_string().contains(expected), "{block}: {problems}");
    }
}
