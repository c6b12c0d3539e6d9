//! Mappings as a whole: what they make, what they refuse, and where they say it is wrong.

mod hostile;
mod language;
mod merge;

use std::{fs, path::Path, sync::Arc};

use super::{Context, Environment, Evaluations, Expectation, Explanation, Failure, Mapping, Recording, compare, judge};
use crate::{
    base::Limits,
    document::Document,
    format::{ReadOptions, Syntax, WriteOptions, read, write},
    schema::Model,
};

const SOURCE: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:s" xmlns="urn:s" elementFormDefault="qualified">
  <xs:element name="Order"><xs:complexType><xs:sequence>
    <xs:element name="Number" type="xs:string"/>
    <xs:element name="Department" type="xs:string" minOccurs="0"/>
    <xs:element name="Note" type="xs:string" minOccurs="0" nillable="true"/>
    <xs:element name="Buyer" minOccurs="0"><xs:complexType><xs:sequence><xs:element name="Name" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Line" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="Item" type="xs:string"/><xs:element name="Quantity" type="xs:decimal"/><xs:element name="Price" type="xs:decimal"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element></xs:schema>"#;

const TARGET: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="doc"><xs:complexType><xs:sequence>
    <xs:element name="head"><xs:complexType><xs:sequence>
      <xs:element name="code" type="Code"/><xs:element name="dept" type="xs:string"/><xs:element name="memo" type="xs:string" minOccurs="0" nillable="true"/>
      <xs:element name="tag" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence><xs:attribute name="version" type="xs:int"/></xs:complexType></xs:element>
    <xs:element name="row" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="item" type="xs:string"/><xs:element name="sum" type="xs:decimal"/>
    </xs:sequence><xs:attribute name="no" type="xs:int" use="required"/></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
  <xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:maxLength value="6"/></xs:restriction></xs:simpleType></xs:schema>"#;

const HEAD: &str = "from: s/order\nto: t/doc\nnamespaces: {s: 'urn:s'}\ndefault-namespace: s\n";

const ORDER: &str = r#"<Order xmlns="urn:s"><Number>A-1</Number><Department>D1</Department>
  <Line><Item>x</Item><Quantity>2</Quantity><Price>1.10</Price></Line>
  <Line><Item>y</Item><Quantity>0</Quantity><Price>9</Price></Line>
  <Line><Item>z</Item><Quantity>3</Quantity><Price>0.1</Price></Line></Order>"#;

fn model(text: &str) -> Model {
    Model::load(&|_| Some(text.as_bytes().to_vec()), "x.xsd").expect("a good schema")
}

/// Compiles under [`HEAD`]; the body's first line is line 5.
fn compile(body: &str) -> Result<Mapping, Vec<String>> {
    let (source, target) = (model(SOURCE), model(TARGET));
    let tables = ["department".to_owned()];
    let environment = Environment {
        source: Some(&source),
        target: Some(&target),
        code_tables: Some(&tables),
        ..Environment::default()
    };
    Mapping::compile(&format!("{HEAD}{body}"), &"m.yaml".into(), &environment)
        .map_err(|problems| problems.0.iter().map(ToString::to_string).collect())
}

fn xml(text: &str) -> Document {
    read(text.as_bytes(), Syntax::Xml, &ReadOptions::default()).expect("well-formed").document
}

fn written(document: &Document, syntax: Syntax) -> String {
    let options = WriteOptions { declaration: false, ..WriteOptions::default() };
    String::from_utf8(write(document, syntax, &options).expect("writable")).expect("UTF-8")
}

fn context() -> Context {
    let text = "mapping: m\nsite: S1\nsettings: {maker: demo}\ncodes: {department: {D1: XS01}}\n";
    Context::parse(text, &"context.yaml".into()).expect("a good context")
}

fn apply(body: &str, input: &str) -> Result<Document, Failure> {
    compile(body).expect("a good mapping").apply(&xml(input), &context(), &Limits::default(), None)
}

fn failure(body: &str, input: &str) -> String {
    apply(body, input).expect_err("a failure").to_string()
}

const BODY: &str = "
output:
  doc:
    row:
      $each: =Order/Line
      $if: =Quantity ne 0
      $let: {amount: =Quantity * Price}
      sum: =round($amount, 2)
      item: =Item
      '@no': =position()
    head:
      dept: =code('department', Order/Department)
      code: =Order/Number
      memo: =Order/Note
      '@version': 1
";

#[test]
fn the_output_has_the_schemas_order_and_leaves_out_what_is_absent() {
    let output = apply(BODY, ORDER).expect("mapped");
    assert_eq!(
        written(&output, Syntax::Xml),
        "<doc><head version=\"1\"><code>A-1</code><dept>XS01</dept></head>\
         <row no=\"1\"><item>x</item><sum>2.2</sum></row><row no=\"3\"><item>z</item><sum>0.3</sum></row></doc>"
    );
}

#[test]
fn json_gets_arrays_and_numbers_as_the_schema_says() {
    let one_line = ORDER.replace("<Quantity>3<", "<Quantity>0<");
    let output = apply(BODY, &one_line).expect("mapped");
    assert_eq!(
        written(&output, Syntax::Json),
        r##"{"doc":{"head":{"@version":"1","code":"A-1","dept":"XS01"},"row":[{"@no":"1","item":"x","sum":2.2}]}}"##
    );
}

#[test]
fn json_gets_arrays_and_numbers_as_a_json_schema_says() {
    let schema = br#"{"properties": {"rows": {"type": "array", "items": {"properties": {
        "sum": {"type": "number"}, "code": {"type": "string"}, "paid": {"type": "boolean"}}}},
        "tags": {"type": "array", "items": {"type": "integer"}}, "one": {"type": "object"}}}"#;
    let model = Model::load_json(&|_| Some(schema.to_vec()), "a.json", "").expect("a schema");
    let body = "from: a\nto: b\noutput:\n  rows:\n    sum: =a/x\n    code: =a/x\n    paid: =a/y\n  tags: =a/n\n  one: {free: =a/x}\n";
    let environment = Environment { target: Some(&model), ..Environment::default() };
    let mapping = Mapping::compile(body, &"m.yaml".into(), &environment).expect("a good mapping");
    let input = xml("<a><x>1.50</x><y>true</y><n>7</n></a>");
    let output = mapping.apply(&input, &context(), &Limits::default(), None).expect("mapped");
    assert_eq!(
        written(&output, Syntax::Json),
        r#"{"rows":[{"sum":1.50,"code":"1.50","paid":true}],"tags":[7],"one":{"free":"1.50"}}"#
    );
}

#[test]
fn without_a_schema_the_file_decides_order_and_the_values_their_json_form() {
    let body = "from: a\nto: b\noutput:\n  n: 1\n  t: '1'\n  yes: true\n  list:\n    - =a/x\n    - two\n  q: =a/x * 2\n  none: =()\n  kept:\n    $empty: keep\n    e: =()\n  nil:\n    $empty: nil\n    e: =()\n  gone:\n    e: =a/none\n";
    let mapping = Mapping::compile(body, &"m.yaml".into(), &Environment::default()).expect("a good mapping");
    let output = mapping.apply(&xml("<a><x>1.50</x></a>"), &context(), &Limits::default(), None).expect("mapped");
    assert_eq!(
        written(&output, Syntax::Json),
        r#"{"n":1,"t":"1","yes":true,"list":["1.50","two"],"q":3,"kept":{"e":""},"nil":{"e":null}}"#
    );
}

#[test]
fn every_problem_of_a_bad_mapping_is_reported_where_it_stands() {
    let cases: &[(&str, &[&str])] = &[
        (
            "output:\n  doc:\n    head:\n      code: =Order/Numbr\n      dept: x\n",
            &["m.yaml:8:20: error XD-X006: ", "did you mean `Number`?"],
        ),
        (
            "output:\n  doc:\n    head:\n      cod: =Order/Number\n      code: x\n      dept: x\n",
            &["m.yaml:8:7 (output.doc.head.cod): error XD-M001: the target has no `cod` here (did you mean `code`?)"],
        ),
        (
            "output:\n  doc:\n    head:\n      code: x\n      dept: =code('departmnt', Order/Department)\n",
            &["m.yaml:9:", "error XD-X007: ", "did you mean `department`?"],
        ),
        ("output:\n  doc:\n   head: 1\n  - x\n", &["m.yaml:8:5: error XD-C001: the YAML cannot be read: "]),
        (
            "otput:\n  doc: {}\n",
            &[
                "m.yaml:1:1: error XD-C003: key `output` is missing",
                "m.yaml:5:1: error XD-C002: unknown key `otput` (did you mean `output`?)",
            ],
        ),
        (
            "output:\n  doc:\n    row:\n      $eech: =Order/Line\n      item: =Itm\n      sum: abc\n      '@no': 1\n    head: {code: =Order/Number, dept: =(, '@versoin': 1}\n",
            &[
                "m.yaml:8:7 (output.doc.row.$eech): error XD-M002: there is no instruction `$eech` (did you mean `$each`?)",
                "m.yaml:10:12 (output.doc.row.sum): error XD-M007: `abc` does not fit the target: it is not a decimal number",
                "m.yaml:12:",
                "error XD-X001: ",
                "(output.doc.head.@versoin): error XD-M001: the target has no `@versoin` here (did you mean `@version`?)",
            ],
        ),
        (
            "output:\n  doc:\n    row:\n      $each: =Order/Line\n      item: =Itm\n      sum: 1\n      '@no': 1\n    head: {code: x, dept: x}\n",
            &["m.yaml:9:14: error XD-X006: ", "did you mean `Item`?"],
        ),
        (
            "output:\n  doc:\n    x:head: {code: x}\n    row: =Order/Line\n    head:\n      code:\n      dept: x\n",
            &[
                "m.yaml:7:5 (output.doc.x:head): error XD-M005: the prefix `x` is not declared",
                "m.yaml:8:10 (output.doc.row): error XD-M006: `row` holds elements in the target, not a value (write a block with item, sum)",
                "m.yaml:10:11 (output.doc.head.code): error XD-M006: no value is given",
            ],
        ),
        (
            "output:\n  $each: =Order\n  doc: {head: {code: x, dept: x}}\n",
            &["m.yaml:6:3 (output): error XD-M006: `$each` cannot stand at the top"],
        ),
        (
            "output:\n  doc:\n    head:\n      code: x\n    row:\n      item: x\n      sum: 1\n",
            &[
                "m.yaml:8:7 (output.doc.head): error XD-M004: no rule fills `dept`, which the target requires (add a rule for `dept`)",
                "m.yaml:10:7 (output.doc.row): error XD-M004: no rule fills `@no`, which the target requires (add a rule for `@no`)",
            ],
        ),
        (
            "output:\n  doc:\n    head:\n      '@version': 1\n      $use: first\n      code: x\n      dept: x\nfragments:\n  first: {'@version': 2}\n",
            &[
                "m.yaml:13:23 (output.doc.head): error XD-M042: `@version` is made twice here (keep one of the two rules)",
            ],
        ),
        (
            "output:\n  doc: {$use: heda}\nfragments:\n  head: {head: {code: x, dept: x}}\n",
            &["m.yaml:6:15: error XD-M008: there is no fragment `heda` (did you mean `head`?)"],
        ),
        (
            "output:\n  doc: {$use: head}\nfragments:\n  head: {head: {$use: tail, code: x, dept: x}}\n  tail: {x: {$use: head}}\n",
            &["m.yaml:9:20: error XD-M008: the fragment `head` uses itself"],
        ),
    ];
    for (body, expected) in cases {
        let shown = compile(body).expect_err(body).join("\n");
        for part in *expected {
            assert!(shown.contains(part), "{body}\nexpected: {part}\nfound:\n{shown}");
        }
    }
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let body = "output:\n  doc:\n    head:\n      $each: =Order/Line\n      code: x\n      dept: x\n";
    let mapping = compile(body).expect("warnings only");
    let shown: Vec<String> = mapping.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "m.yaml:7:5 (output.doc.head): warning XD-M009: `head` may be there once only, and this can make it several times",
        ]
    );
}

#[test]
fn a_required_field_that_came_out_absent_names_target_rule_and_source() {
    let shown = failure(&BODY.replace("code: =Order/Number", "code: =Order/Number[. != 'A-1']"), ORDER);
    assert!(shown.starts_with("m.yaml:17:13"), "{shown}");
    assert!(
        shown.contains("error XD-M020: `/doc/head/code` is required, and `=Order/Number[. != 'A-1']` gave nothing"),
        "{shown}"
    );
    assert!(shown.contains("/Order/Number"), "{shown}");
    let shown = failure(&BODY.replace("=Item", "=Item[. != 'z']"), ORDER);
    assert!(shown.contains("`/doc/row[2]/item` is required"), "{shown}");
    assert!(shown.contains("/Order/Line[3]/Item"), "{shown}");
}

#[test]
fn a_value_that_does_not_fit_names_target_rule_and_source_but_never_the_value() {
    let shown = failure(BODY, &ORDER.replace("A-1", "SECRET-NUMBER"));
    assert_eq!(
        shown,
        "m.yaml:17:13 (/Order/Number): error XD-M022: the value for `/doc/head/code` does not fit: it has 13 characters, \
         at most 6 are allowed"
    );
}

#[test]
fn several_values_and_elements_are_no_value() {
    let shown = failure(&BODY.replace("=Order/Number", "=Order/Line/Item"), ORDER);
    assert!(shown.contains("error XD-M021: `/doc/head/code` takes one value, and its formula gave 3"), "{shown}");
    let unchecked = format!("{HEAD}{}", BODY.replace("=Order/Number", "=Order/Line[1]"));
    let mapping = Mapping::compile(&unchecked, &"m.yaml".into(), &Environment::default()).expect("a good mapping");
    let refused = mapping.apply(&xml(ORDER), &context(), &Limits::default(), None).expect_err("a failure");
    let shown = refused.to_string();
    assert!(
        shown.contains("error XD-M023: `/doc/head/code` takes a value, and its formula gave `/Order/Line[1]`"),
        "{shown}"
    );
    let output = apply(&BODY.replace("memo: =Order/Note", "tag: =Order/Line/Item"), ORDER).expect("a repeating target");
    assert!(written(&output, Syntax::Xml).contains("<tag>x</tag><tag>y</tag><tag>z</tag>"));
}

#[test]
fn null_and_empty_become_what_the_mapping_says() {
    let nil = ORDER.replace(
        "</Department>",
        "</Department><Note xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:nil='true'/>",
    );
    let empty = ORDER.replace("</Department>", "</Department><Note></Note>");
    for (policy, input, expected) in [
        ("$empty: omit", &empty, "</dept></head>"),
        ("$empty: keep", &empty, "</dept><memo/></head>"),
        ("$empty: nil", &empty, "</dept><memo xsi:nil=\"true\"/></head>"),
        ("$empty: keep", &nil, "</dept></head>"),
        ("$null: keep", &nil, "</dept><memo/></head>"),
        ("$null: nil", &nil, "xsi:nil=\"true\"/></head>"),
    ] {
        let body = BODY.replace("      dept:", &format!("      {policy}\n      dept:"));
        let shown = written(&apply(&body, input).expect("mapped"), Syntax::Xml);
        assert!(shown.contains(expected), "{policy}: {shown}");
    }
}

#[test]
fn all_missing_codes_of_a_document_are_reported_at_once() {
    let body = BODY
        .replace("item: =Item", "item: =code('department', Item)")
        .replace("memo: =Order/Note", "memo: =xref('order', Order/Number)");
    let failure = apply(&body, ORDER).expect_err("missing codes");
    assert_eq!(
        failure.lines(),
        ["unmapped code: department x", "unmapped code: department z", "unknown cross reference: order A-1"]
    );
    assert!(!failure.to_string().contains("A-1"), "no payload in a problem: {failure}");
}

#[test]
fn an_assertion_rejects_with_the_mappings_own_words() {
    let body = format!("assert:\n  - {{that: =count(Order/Line) le 2, message: more than two lines}}{BODY}");
    let failure = apply(&body, ORDER).expect_err("rejected");
    assert_eq!(failure.lines(), ["assertion: more than two lines"]);
    assert_eq!(failure.to_string(), "m.yaml:6:12 (/Order): error XD-M024: more than two lines");
}

#[test]
fn items_are_sorted_and_the_first_branch_that_holds_is_taken() {
    let body = BODY.replace("$if: =Quantity ne 0", "$sort: =number(Price)").replace(
        "code: =Order/Number",
        "code: {$choose: [{when: =Order/Note, then: N}, {when: =Order/Line, then: L}, {otherwise: O}]}",
    );
    let shown = written(&apply(&body, ORDER).expect("mapped"), Syntax::Xml);
    assert!(shown.contains("<code>L</code>"), "{shown}");
    let items: Vec<&str> = shown.split("<item>").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(items, ["z", "x", "y"]);
}

#[test]
fn copies_take_elements_as_they_are() {
    let body = "from: a\nto: b\nnamespaces: {s: 'urn:s'}\noutput:\n  all:\n    '@n': =count(*/s:Line)\n    $copy: =*/s:Line[1]\n";
    let mapping = Mapping::compile(body, &"m.yaml".into(), &Environment::default()).expect("a good mapping");
    let output = mapping.apply(&xml(ORDER), &context(), &Limits::default(), None).expect("mapped");
    let shown = written(&output, Syntax::Xml);
    assert!(shown.contains("n=\"3\"><ns1:Line><ns1:Item>x</ns1:Item>"), "{shown}");
}

#[test]
fn an_explanation_names_rule_source_and_code_of_every_field() {
    let mapping = compile(BODY).expect("a good mapping");
    let mut explanation = Explanation::default();
    mapping.apply(&xml(ORDER), &context(), &Limits::default(), Some(&mut explanation)).expect("mapped");
    let field = |path: &str| explanation.fields.iter().find(|field| field.path == path).expect(path);
    let sum = field("/doc/row[2]/sum");
    assert_eq!((sum.value.as_str(), sum.rule.line, sum.formula.as_deref()), ("0.3", 12, Some("round($amount, 2)")));
    let sources: Vec<&str> = sum.sources.iter().map(|source| source.path.as_str()).collect();
    assert_eq!(sources, ["/Order/Line[3]/Quantity", "/Order/Line[3]/Price"]);
    assert_eq!((sum.sources[0].line, sum.sources[0].column), (4, 23));
    let dept = field("/doc/head/dept");
    assert_eq!((dept.codes[0].value.as_str(), dept.codes[0].result.as_deref()), ("D1", Some("XS01")));
    assert_eq!(field("/doc/head/@version").formula, None);
    assert_eq!(explanation.fields.len(), 9);
}

#[test]
fn an_endless_loop_ends() {
    let body = "from: a\nto: b\noutput:\n  x:\n    $each: =1 to 100000000\n    y: =.\n";
    let mapping = Mapping::compile(body, &"m.yaml".into(), &Environment::default()).expect("a good mapping");
    let limits = Limits { evaluation_steps: 10_000, nodes: 10_000, ..Limits::default() };
    mapping.apply(&xml("<a/>"), &context(), &limits, None).expect_err("too much");
}

#[test]
fn documents_are_compared_field_by_field() {
    let (one, other) =
        (xml("<a x='1'><b>1</b><b>2</b><c/></a>"), xml("<a y='2'><c/><b>1</b><b>3</b><b>4</b><d>5</d></a>"));
    let shown: Vec<String> = compare(&one, &other)
        .into_iter()
        .map(|d| format!("{} {} {}", d.path, d.expected.unwrap_or("-".into()), d.actual.unwrap_or("-".into())))
        .collect();
    assert_eq!(shown, ["/a/@x 1 -", "/a/@y - 2", "/a/b[2] 2 3", "/a/b[3] - 4", "/a/d - 5"]);
    assert_eq!(compare(&one, &one), []);
}

#[test]
fn a_null_is_the_same_in_xml_and_json_and_not_the_same_as_empty() {
    let json = read(br#"{"a":{"b":null}}"#, Syntax::Json, &ReadOptions::default()).expect("JSON").document;
    let null = xml("<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><b i:nil='1'/></a>");
    let empty = xml("<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><b i:nil='false'/></a>");
    assert_eq!(compare(&json, &null), []);
    assert_eq!(compare(&null, &json), []);
    assert_eq!(compare(&empty, &xml("<a><b/></a>")), []);
    let differences = compare(&json, &empty);
    assert_eq!((differences.len(), differences[0].path.as_str()), (1, "/a/b/@nil"));
    let body = "from: a\nto: b\noutput: {a: {$empty: nil, b: =none}}\n";
    let mapping = Mapping::compile(body, &"m.yaml".into(), &Environment::default()).expect("a good mapping");
    let made = mapping.apply(&empty, &context(), &Limits::default(), None).expect("mapped");
    assert_eq!(compare(&json, &made), []);
}

pub(super) fn load(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The schema a document type of the shipped profiles has.
pub(super) fn shipped_model(root: &Path, document_type: &str) -> Option<Model> {
    let family = document_type.split('/').next()?;
    let file: Arc<str> = "profile.yaml".into();
    let profile = crate::content::parse(&load(&root.join("mappings").join(family).join("profile.yaml")), &file).ok()?;
    let schema = profile.get("documents")?.get(document_type)?.get("schema")?.text()?.to_owned();
    let files = |name: &str| fs::read(root.join("schemas").join(name)).ok();
    Some(Model::load(&files, &schema).unwrap_or_else(|problems| panic!("{problems}")))
}

fn shipped_namespace(document_type: &str) -> Option<Arc<str>> {
    document_type.starts_with("hub/").then(|| "urn:crossdock:hub:1".into())
}

#[test]
fn every_shipped_case_gives_what_it_expects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut count = 0;
    for profile in fs::read_dir(root.join("mappings")).expect("mappings") {
        let cases = profile.expect("a profile").path().join("cases");
        let Ok(cases) = fs::read_dir(cases) else { continue };
        for case in cases {
            let case = case.expect("a case").path();
            count += 1;
            if let Err(problem) = run_case(root, &case) {
                wrong.push(format!("{}: {problem}", case.display()));
            }
        }
    }
    assert!(count > 0, "no cases found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn run_case(root: &Path, case: &Path) -> Result<(), String> {
    let context =
        Context::parse(&load(&case.join("context.yaml")), &"context.yaml".into()).map_err(|e| e.to_string())?;
    let file: Arc<str> = format!("mappings/{}.yaml", context.mapping).into();
    let text = load(&root.join(&*file));
    let ends = Mapping::ends(&text, &file).map_err(|e| e.to_string())?;
    let (source, target) = (shipped_model(root, &ends.from), shipped_model(root, &ends.to[0]));
    let environment = Environment { source: source.as_ref(), target: target.as_ref(), ..Environment::default() };
    let mapping = Mapping::compile(&text, &file, &environment).map_err(|e| e.to_string())?;
    if let Some(warning) = mapping.warnings().first() {
        return Err(warning.to_string());
    }
    let read_file = |name: &str, namespace: Option<Arc<str>>| {
        let (bytes, syntax) = match fs::read(case.join(format!("{name}.xml"))) {
            Ok(bytes) => (bytes, Syntax::Xml),
            Err(_) => (fs::read(case.join(format!("{name}.json"))).ok()?, Syntax::Json),
        };
        let options = ReadOptions { namespace, ..ReadOptions::default() };
        Some(read(&bytes, syntax, &options).expect("a good file").document)
    };
    let input = read_file("input", shipped_namespace(&ends.from)).ok_or("no input")?;
    let result = mapping.apply(&input, &context, &Limits::default(), None);
    let expected = read_file("expected", shipped_namespace(&ends.to[0]));
    let differences = match &expected {
        Some(expected) => judge(&result, Expectation::Document(expected)),
        None => judge(&result, Expectation::Failure(&load(&case.join("problems.txt")))),
    };
    if differences.is_empty() { Ok(()) } else { Err(format!("{differences:?}")) }
}

#[test]
fn a_case_that_fails_otherwise_than_expected_shows_both_lines() {
    let failure = || Err(Failure::Assertion { message: "no".into(), place: Box::default() });
    assert_eq!(judge(&failure(), Expectation::Failure("assertion: no\n")), []);
    let differences = judge(&failure(), Expectation::Failure("assertion: yes\n"));
    assert_eq!(differences[0].expected.as_deref(), Some("assertion: yes"));
    assert_eq!(differences[0].actual.as_deref(), Some("assertion: no"));
    assert_eq!(judge(&failure(), Expectation::Document(&xml("<a/>"))).len(), 1);
    assert_eq!(judge(&Ok(xml("<a/>")), Expectation::Failure("assertion: no")).len(), 1);
}

#[test]
fn a_compiled_mapping_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Mapping>();
    shared::<crate::profile::Profile>();
    shared::<crate::profile::Simulator>();
}

#[test]
fn the_page_of_explanations_shows_what_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reference/explain-json.md")).unwrap();
    let block = |language: &str, title: &str| {
        let start = page.find(title).unwrap_or_else(|| panic!("{title}"));
        let fence = format!("```{language}\n");
        let start = start + page[start..].find(&fence).unwrap() + fence.len();
        page[start..start + page[start..].find("```").unwrap()].to_owned()
    };
    let (mapping, order) = (block("yaml", "The mapping"), block("xml", "The document"));
    let mapping = Mapping::compile(&mapping, &"order.yaml".into(), &Environment::default()).unwrap();
    let host = Context::parse(&block("yaml", "The context"), &"context.yaml".into()).unwrap();
    let document = xml(order.trim_end());
    let (mut explanation, evaluations) = (Explanation::default(), Evaluations::default());
    let recording = Recording { explanation: Some(&mut explanation), observer: Some(&evaluations) };
    let between = mapping.apply_recorded(&document, &host, &Limits::default(), recording).unwrap();
    let parsed = |title: &str| serde_json::from_str::<serde_json::Value>(&block("json", title)).unwrap();
    let shown = serde_json::to_value(&explanation).unwrap();
    assert_eq!(shown, parsed("## Explanation"), "{shown:#}");
    let slip = Mapping::compile(&block("yaml", "The second mapping"), &"slip.yaml".into(), &Environment::default());
    let mut of_slip = Explanation::default();
    slip.unwrap().apply(&between, &host, &Limits::default(), Some(&mut of_slip)).unwrap();
    let shown = serde_json::to_value(explanation.then(of_slip)).unwrap();
    assert_eq!(shown, parsed("## Through a chain"), "{shown:#}");
    let shown = serde_json::json!({
        "format": super::FORMAT, "mapping": "order.yaml", "version": mapping.content_hash().to_string(),
        "evaluations": evaluations.into_vec(),
    });
    assert_eq!(shown, parsed("## Trace"), "{shown:#}");
}

#[test]
fn a_chain_is_explained_down_to_the_first_document() {
    let steps = [
        "let: {lines: =a/i}\noutput: {h: {head: {no: =a/@no, kind: X}, row: {$each: =$lines, $copy: =.}, $copy: =a/note}}",
        "output: {m: {$merge: =h, all: =normalize-space(h/head), first: '=h/row[1]/i/n'}}",
        "output: {t: {id: =m/head/no, lot: =sum(m/row/i/n), all: =m/all, first: =m/first, b: =m/note/b, n: =count(m/row)}}",
    ];
    let mut document = xml("<a no='7'><i><n>1</n></i><i><n>2</n></i><note p='q'><b>x</b></note></a>");
    let mut whole: Option<Explanation> = None;
    for (at, body) in steps.iter().enumerate() {
        let text = format!("from: a\nto: b\n{body}\n");
        let mapping = Mapping::compile(&text, &format!("{at}.yaml").into(), &Environment::default()).unwrap();
        let mut own = Explanation::default();
        document = mapping.apply(&document, &Context::default(), &Limits::default(), Some(&mut own)).unwrap();
        whole = Some(match whole {
            Some(before) => before.then(own),
            None => own,
        });
    }
    let whole = whole.unwrap();
    assert_eq!(whole.chain.iter().map(|one| one.mapping.as_str()).collect::<Vec<_>>(), ["0.yaml", "1.yaml", "2.yaml"]);
    let shown = whole.fields.iter().map(|field| {
        let sources: Vec<_> = field.sources.iter().map(|source| source.path.as_str()).collect();
        let rules: Vec<_> = field.rules().iter().map(|rule| format!("{}:{}", &rule.file[..1], rule.column)).collect();
        format!("{} = {} < {} | {}", field.path, field.value, sources.join(" "), rules.join(" "))
    });
    let expected = [
        "/t/id = 7 < /a/@no | 2:18 1:22 0:25",
        "/t/lot = 3 < /a/i[1]/n /a/i[2]/n | 2:35 1:22 0:72",
        "/t/all = 7X < /a/@no | 2:57 1:31 0:25 0:39",
        "/t/first = 1 < /a/i[1]/n | 2:72 1:65 0:72",
        "/t/b = x < /a/note/b | 2:85 1:22 0:84",
        "/t/n = 2 <  | 2:99",
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

#[test]
fn editors_are_told_of_the_keys_the_compiler_knows() {
    let problems = compile("output: {doc: {$nope: 1}}").unwrap_err();
    let told =
        problems.iter().find_map(|problem| problem.split("known: ").nth(1)).unwrap_or_else(|| panic!("{problems:?}"));
    let names: Vec<&str> = super::INSTRUCTION_KEYS.iter().map(|key| key.name).collect();
    for known in told.split(|c: char| c != '$' && c != '-' && !c.is_alphanumeric()).filter(|word| word.starts_with('$'))
    {
        assert!(names.contains(&known), "`{known}` has no entry in grammar.rs");
    }
    for key in super::INSTRUCTION_KEYS {
        let body = format!("output: {{doc: {{{}: {}}}}}", key.name, key.example);
        let problems = compile(&body).err().unwrap_or_default();
        assert!(!problems.iter().any(|problem| problem.contains("XD-M002")), "{}: {problems:?}", key.name);
    }
    for key in super::FILE_KEYS {
        let text = format!("{}: {}\n", key.name, key.example);
        let problems = Mapping::compile(&text, &"m.yaml".into(), &Environment::default()).err().unwrap_or_default();
        let unknown = |problem: &&crate::base::Problem| problem.code.id == "XD-C002";
        assert_eq!(problems.0.iter().find(unknown), None, "{}", key.name);
    }
}

#[test]
fn fields_nobody_reads_or_fills_are_listed_by_their_place() {
    let shown = |coverage: super::FieldCoverage| {
        let gaps = coverage.gaps.iter().map(|gap| format!("{} {}", gap.path, gap.fields)).collect::<Vec<_>>();
        (coverage.touched, coverage.fields, gaps.join(", "))
    };
    let (source, target) = (model(SOURCE), model(TARGET));
    let mapping = compile(BODY_OF_FIELDS).unwrap();
    let gaps = "/Order/Note 1, /Order/Buyer 1, /Order/Line/Price 1";
    assert_eq!(shown(mapping.source_coverage(&source)), (4, 7, gaps.to_owned()));
    let gaps = "/doc/head/@version 1, /doc/head/memo 1, /doc/head/tag 1";
    assert_eq!(shown(mapping.target_coverage(&target)), (5, 8, gaps.to_owned()));
    let copied = compile("output: {doc: {head: {code: =Order/Number, dept: x, $copy: =Order/Line}}}").unwrap();
    let gaps = "/Order/Department 1, /Order/Note 1, /Order/Buyer 1";
    assert_eq!(shown(copied.source_coverage(&source)), (4, 7, gaps.to_owned()));
    assert_eq!(shown(copied.target_coverage(&target)), (5, 8, "/doc/row 3".to_owned()));
}

const BODY_OF_FIELDS: &str = "
let: {order: =Order}
output:
  doc:
    head: {code: =$order/Number, dept: \"=code('department', $order/Department)\"}
    row:
      $each: =$order/Line
      '@no': =position()
      item: =Item
      sum: =Quantity
";
