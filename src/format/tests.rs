//! Documents in, documents out, and everything that must be refused.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::document::{Builder, NodeId, Shape, Text};

fn xml(text: &str) -> Result<Document, Problem> {
    read(text.as_bytes(), Syntax::Xml, &ReadOptions::default()).map(|reading| reading.document)
}

fn json(text: &str) -> Result<Document, Problem> {
    read(text.as_bytes(), Syntax::Json, &ReadOptions::default()).map(|reading| reading.document)
}

fn to_xml(document: &Document) -> String {
    let options = WriteOptions { declaration: false, ..WriteOptions::default() };
    let bytes = write(document, Syntax::Xml, &options).expect("writable as XML");
    String::from_utf8(bytes).expect("UTF-8")
}

fn to_json(document: &Document) -> String {
    let bytes = write(document, Syntax::Json, &WriteOptions::default()).expect("writable as JSON");
    String::from_utf8(bytes).expect("UTF-8")
}

/// The tree as text: one node a line, everything but prefixes and offsets.
fn outline(document: &Document) -> String {
    fn walk(document: &Document, node: NodeId, depth: usize, out: &mut String) {
        let name = document.qname(node).map(ToString::to_string).unwrap_or_default();
        let text = document.own_text(node);
        let item = if document.is_item(node) { " item" } else { "" };
        let (kind, shape) = (document.kind(node), document.shape(node));
        out.push_str(&format!("{:depth$}{kind:?} {name} {text:?} {shape:?}{item}\n", ""));
        document.attributes(node).for_each(|attribute| walk(document, attribute, depth + 1, out));
        document.children(node).for_each(|child| walk(document, child, depth + 1, out));
    }
    let mut out = String::new();
    walk(document, NodeId::ROOT, 0, &mut out);
    out
}

#[test]
fn malformed_xml_is_refused_at_its_place() {
    for (text, code, line, column) in [
        ("<a></b>", "XD-F013", 1, 4),
        ("<a/><b/>", "XD-F014", 1, 5),
        ("text", "XD-F014", 1, 1),
        ("<a b=1/>", "XD-F015", 1, 4),
        ("<a>&undefined;</a>", "XD-F017", 1, 4),
        ("<a>&#1;</a>", "XD-F011", 1, 4),
        ("<a b='<'/>", "XD-F015", 1, 7),
        ("<a><!-- -- --></a>", "XD-F020", 1, 4),
        ("<a>]]></a>", "XD-F010", 1, 4),
        ("<1a/>", "XD-F012", 1, 2),
        ("<x:a/>", "XD-F016", 1, 1),
        ("<a xmlns:p='u' xmlns:q='u' p:i='1' q:i='2'/>", "XD-F015", 1, 36),
        ("<a b='1' b='2'/>", "XD-F015", 1, 10),
        ("", "XD-F014", 1, 1),
        ("<a>\n<客户>\n", "XD-F013", 2, 1),
        ("<a>\n 客\u{1}", "XD-F011", 2, 3),
        ("<a>\u{FFFE}</a>", "XD-F011", 1, 4),
        ("<a b='1'c='2'/>", "XD-F015", 1, 9),
        ("<a b/>", "XD-F015", 1, 4),
        ("<a>& b</a>", "XD-F017", 1, 4),
        ("<a>&#xD800;</a>", "XD-F011", 1, 4),
        ("<a>&#x;</a>", "XD-F011", 1, 4),
        ("<a b='&lt'/>", "XD-F017", 1, 7),
        ("<a xmlns:xmlns='u'/>", "XD-F016", 1, 4),
        ("<a xmlns:xml='u'/>", "XD-F016", 1, 4),
        ("<a xmlns:p=''/>", "XD-F016", 1, 4),
        ("<a:b:c/>", "XD-F016", 1, 2),
        ("<a:/>", "XD-F012", 1, 2),
        ("<?xml version='1.0' encoding='UTF-8' bad='x'?><a/>", "XD-F019", 1, 1),
        ("<?xml encoding='UTF-8'?><a/>", "XD-F019", 1, 1),
        (" <?xml version='1.0'?><a/>", "XD-F019", 1, 2),
        ("<?XML version='1.0'?><a/>", "XD-F020", 1, 1),
        ("<a><?p:q x?></a>", "XD-F020", 1, 4),
        ("<a/><![CDATA[x]]>", "XD-F014", 1, 5),
        ("<a", "XD-F010", 1, 1),
        ("<a></a", "XD-F010", 1, 4),
        ("<a><![CDATA[x</a>", "XD-F010", 1, 4),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "XD-F018", 1, 1),
        ("\n<!DOCTYPE a SYSTEM 'file:///x", "XD-F018", 2, 1),
        ("<a></a><!DOCTYPE a>", "XD-F018", 1, 8),
    ] {
        let problem = xml(text).expect_err(text);
        assert_eq!(
            (problem.code.id, problem.place.line, problem.place.column),
            (code, line, column),
            "{text}: {problem}"
        );
    }
}

#[test]
fn xml_becomes_the_tree_it_says() {
    let text = "<?xml version='1.0'?><!--c--><o:Order xmlns:o='urn:o' xmlns='urn:d' id=' a&#10;b\n'>\r\n  \
                <Line n='1'>x &lt;<![CDATA[ <y> ]]>\r\nz</Line>\n  <Empty> </Empty><?p  q r?>\n</o:Order>";
    let document = xml(text).expect("well-formed");
    let expected = "Document  \"\" Markup\n Comment  \"c\" Markup\n Element {urn:o}Order \"\" Markup\n  \
                    Attribute id \" a\\nb \" Markup\n  Element {urn:d}Line \"\" Markup\n   Attribute n \"1\" Markup\n   \
                    Text  \"x < <y> \\nz\" Markup\n  Element {urn:d}Empty \"\" Markup\n   Text  \" \" Markup\n  \
                    Instruction p \"q r\" Markup\n";
    assert_eq!(outline(&document), expected);
    let line = document.root_element().and_then(|root| document.elements(root).next()).expect("a line");
    assert_eq!((document.place(line).line, document.place(line).column), (3, 3));
}

#[test]
fn untouched_text_is_not_copied() {
    let document = xml("<a b='1'>two<c><![CDATA[3 & 4]]></c></a>").expect("well-formed");
    let source = document.source().as_bytes().as_ptr_range();
    for node in (0..document.len()).filter_map(|index| document.node(index)) {
        let text = document.own_text(node);
        assert!(text.is_empty() || source.contains(&text.as_ptr()), "{text} was copied");
    }
}

#[test]
fn nil_is_null_and_survives() {
    let text = "<a xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><b xsi:nil=\"true\"/><c/></a>";
    let document = xml(text).expect("well-formed");
    let b = document.root_element().and_then(|root| document.elements(root).next()).expect("b");
    assert!(document.is_null(b));
    assert_eq!(to_xml(&document), text);
    assert_eq!(to_json(&document), r#"{"a":{"b":null,"c":""}}"#);
    let from_json = json(r#"{"a":{"b":null}}"#).expect("well-formed");
    assert_eq!(to_xml(&from_json), text.replace("<c/>", ""));
}

#[test]
fn prefixes_are_declared_once_and_never_collide() {
    for (text, written) in [
        ("<a xmlns='u'><b xmlns='v'/></a>", "<a xmlns=\"u\" xmlns:ns1=\"v\"><ns1:b/></a>"),
        ("<a><b xmlns='v' c='1'/></a>", "<a xmlns:ns1=\"v\"><ns1:b c=\"1\"/></a>"),
        (
            "<p:a xmlns:p='u'><p:b xmlns:p='v' p:c=''/></p:a>",
            "<p:a xmlns:p=\"u\" xmlns:ns1=\"v\"><ns1:b ns1:c=\"\"/></p:a>",
        ),
        (
            "<ns1:a xmlns:ns1='u'><b xmlns='v'><c xmlns=''/></b></ns1:a>",
            "<ns1:a xmlns:ns1=\"u\" xmlns:ns2=\"v\"><ns2:b><c/></ns2:b></ns1:a>",
        ),
        ("<a xmlns='u' xmlns:q='u' q:x='1'/>", "<a xmlns=\"u\" xmlns:ns1=\"u\" ns1:x=\"1\"/>"),
        ("<a xml:lang='zh' unused='' xmlns:z='z'/>", "<a xml:lang=\"zh\" unused=\"\"/>"),
    ] {
        let document = xml(text).expect(text);
        assert_eq!(to_xml(&document), written, "{text}");
        assert_eq!(outline(&xml(written).expect(written)), outline(&document), "{text}");
    }
}

#[test]
fn pretty_xml_leaves_mixed_content_alone() {
    let document = xml("<a><b>x</b><c>y <d><e/></d></c><f/></a>").expect("well-formed");
    let options = WriteOptions { layout: Layout::Pretty, ..WriteOptions::default() };
    let bytes = write(&document, Syntax::Xml, &options).expect("writable");
    let expected =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>x</b>\n  <c>y <d><e/></d></c>\n  <f/>\n</a>\n";
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    assert_eq!(outline(&xml(expected).expect("well-formed")), outline(&document));
}

#[test]
fn json_becomes_elements_attributes_and_items() {
    let text = r##"{"a":{"n":1.10,"@id":7,"#text":"t","l":[1,"x",null,[true]],"e":[],"o":{}},"b":"\u5ba2\n"}"##;
    let document = json(text).expect("well-formed");
    let expected = "Document  \"\" Object\n Element a \"\" Object\n  Attribute id \"7\" Markup\n  Element n \"\" Number\n   \
                    Text  \"1.10\" Markup\n  Text  \"t\" Markup\n  Element l \"\" Number item\n   Text  \"1\" Markup\n  \
                    Element l \"\" String item\n   Text  \"x\" Markup\n  Element l \"\" Null item\n  \
                    Element l \"\" Array item\n   Element l \"\" Boolean item\n    Text  \"true\" Markup\n  \
                    Element o \"\" Object\n Element b \"\" String\n  Text  \"客\\n\" Markup\n";
    assert_eq!(outline(&document), expected);
    let written = r##"{"a":{"@id":"7","#text":"t","n":1.10,"l":[1,"x",null,[true]],"e":[],"o":{}},"b":"客\n"}"##;
    assert_eq!(to_json(&document), written);
}

#[test]
fn json_of_any_root_comes_back() {
    for text in [
        "[]",
        "[[],[1]]",
        "{}",
        "\"x\"",
        "1.50",
        "null",
        "true",
        "[{\"a\":\"\"}]",
        "{\"\":{\"@\":1}}",
        "{\"@a\":1,\"#text\":[2]}",
    ] {
        assert_eq!(to_json(&json(text).expect(text)), text);
    }
    let text = r##"{"a":{"@c":"CNY","#text":1.50},"b":{"@x":"1","#text":null}}"##;
    assert_eq!(to_json(&json(text).expect(text)), text);
    let many: Vec<String> = (0..30).map(|number| format!("\"m{number}\":[{number},{number}]")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert_eq!(to_json(&json(&many).expect("many members")), many);
    let options = ReadOptions { namespace: Some("urn:n".into()), ..ReadOptions::default() };
    let reading = read(b"{\"a\":{\"@b\":\"1\"}}", Syntax::Json, &options).expect("well-formed");
    assert_eq!(to_xml(&reading.document), "<ns1:a xmlns:ns1=\"urn:n\" b=\"1\"/>");
}

#[test]
fn malformed_json_is_refused_at_its_place() {
    for (text, code, line, column) in [
        ("", "XD-F030", 1, 1),
        ("{\"a\":1,}", "XD-F030", 1, 8),
        ("[1,]", "XD-F030", 1, 4),
        ("[1 2]", "XD-F030", 1, 4),
        ("{\"a\":1}\n x", "XD-F030", 2, 2),
        ("{\"a\":1,\n\"\\u0061\":2}", "XD-F033", 2, 1),
        ("[01]", "XD-F032", 1, 2),
        ("[NaN]", "XD-F030", 1, 2),
        ("[-Infinity]", "XD-F032", 1, 3),
        ("[1e400]", "XD-F004", 1, 2),
        ("[\"\\ud800\"]", "XD-F031", 1, 3),
        ("[\"\\x\"]", "XD-F031", 1, 3),
        ("[\"a\tb\"]", "XD-F031", 1, 4),
        ("[/* c */1]", "XD-F030", 1, 2),
        ("[truex]", "XD-F030", 1, 6),
        ("[1.]", "XD-F032", 1, 4),
    ] {
        let problem = json(text).expect_err(text);
        assert_eq!(
            (problem.code.id, problem.place.line, problem.place.column),
            (code, line, column),
            "{text}: {problem}"
        );
    }
    let problem = json("{\"a\":1,\n\"a\":2}").expect_err("twice");
    assert!(problem.text.contains("1:2"), "{problem}");
}

#[test]
fn attacks_end_at_a_limit_before_they_cost() {
    let attributes: String = (0..160_000).map(|n| format!(" a{n}=''")).collect();
    let declarations: String = (0..50_000).map(|n| format!(" xmlns:a{n}='u'")).collect();
    let scopes: String = (0..200).map(|n| format!("<a xmlns:a{n}='u' xmlns:b{n}='v'>")).collect();
    let members: String = (0..20_000).map(|n| format!("\"a{n}\":1,")).collect();
    let attacks = [
        (Syntax::Xml, format!("<a{attributes}/>")),
        (Syntax::Xml, format!("<a{declarations}/>")),
        (Syntax::Xml, scopes),
        (Syntax::Xml, "<a>".repeat(1_000_000)),
        (Syntax::Xml, format!("<{}/>", "a".repeat(2_000_000))),
        (Syntax::Xml, "x".repeat(11 << 20)),
        (Syntax::Json, "[".repeat(1_000_000)),
        (Syntax::Json, "{\"a\":".repeat(1_000_000)),
        (Syntax::Json, format!("{{{members}\"z\":1}}")),
        (Syntax::Json, format!("[{}1]", "1,".repeat(5_100_000))),
    ];
    for (number, (syntax, text)) in attacks.iter().enumerate() {
        let begin = Instant::now();
        let problem = read(text.as_bytes(), *syntax, &ReadOptions::default()).expect_err("an attack");
        assert_eq!(problem.code, code::LIMIT, "attack {number}: {problem}");
        assert!(begin.elapsed() < Duration::from_secs(20), "attack {number} took {:?}", begin.elapsed());
    }
}

#[test]
fn limits_are_the_last_value_allowed() {
    let limits = Limits { nodes: 4, xml_depth: 2, xml_attributes: 1, json_depth: 2, ..Limits::default() };
    let options = ReadOptions { limits, ..ReadOptions::default() };
    for (syntax, within, beyond) in [
        (Syntax::Xml, "<a><b/><b/></a>", "<a><b/><b/><b/></a>"),
        (Syntax::Xml, "<a><b/></a>", "<a><b><c/></b></a>"),
        (Syntax::Xml, "<a b=''/>", "<a b='' c=''/>"),
        (Syntax::Json, "[[1]]", "[[[]]]"),
        (Syntax::Json, "[1,2,3]", "[1,2,3,4]"),
    ] {
        assert!(read(within.as_bytes(), syntax, &options).is_ok(), "{within}");
        assert_eq!(read(beyond.as_bytes(), syntax, &options).expect_err(beyond).code, code::LIMIT);
    }
}

#[test]
fn a_namespace_per_element_stays_linear() {
    let text: String = (0..100_000).map(|n| format!("<a xmlns='u{n}'/>")).collect();
    let begin = Instant::now();
    let document = xml(&format!("<r>{text}</r>")).expect("well-formed");
    assert_eq!(document.len(), 100_002);
    assert!(begin.elapsed() < Duration::from_secs(20), "took {:?}", begin.elapsed());
}

#[test]
fn what_a_syntax_cannot_say_is_refused_with_its_path() {
    let made = |build: fn(&mut Builder)| {
        let mut builder = Builder::default();
        let root = builder.names().intern("", "r");
        builder.start(root, None);
        build(&mut builder);
        builder.finish()
    };
    let refused = |document: &Document, syntax| {
        let problem = write(document, syntax, &WriteOptions::default()).expect_err("no form");
        (problem.code.id, problem.place.path.unwrap_or_default())
    };
    let control = made(|builder| {
        builder.text(Text::Copied("a\u{2}"), None);
    });
    assert_eq!(refused(&control, Syntax::Xml), ("XD-F040", "/r/text()".into()));
    let name = made(|builder| {
        let name = builder.names().intern("", "a b");
        builder.start(name, None);
    });
    assert_eq!(refused(&name, Syntax::Xml), ("XD-F040", "/r/a b".into()));
    let number = made(|builder| {
        builder.shape(Shape::Number);
        builder.text(Text::Copied("1,5"), None);
    });
    assert_eq!(refused(&number, Syntax::Json), ("XD-F041", "/r".into()));
    let twins = xml("<r><a/><a xmlns='u'/></r>").expect("well-formed");
    assert_eq!(refused(&twins, Syntax::Json), ("XD-F041", "/r/a".into()));
    assert_eq!(refused(&json("{\"a\":1,\"b\":2}").expect("well-formed"), Syntax::Xml), ("XD-F040", "/".into()));
    assert_eq!(refused(&json("5").expect("well-formed"), Syntax::Xml), ("XD-F040", "/".into()));
}

#[test]
fn depth_of_a_made_document_does_not_matter_to_the_stack() {
    let mut builder = Builder::default();
    let name = builder.names().intern("", "a");
    (0..100_000).for_each(|_| {
        builder.start(name, None);
    });
    let document = builder.finish();
    assert_eq!(to_xml(&document).len(), 100_000 * 7 - 3);
    assert_eq!(to_json(&document).len(), 100_000 * 6 + 2);
}

#[test]
fn charsets_are_written_as_declared() {
    let document = xml("<客户 n='\u{20BB7}'>é€</客户>").expect("well-formed");
    for charset in [Charset::UTF_8, Charset::UTF_16, Charset::UTF_16BE, Charset::GB18030] {
        let options = WriteOptions { charset, ..WriteOptions::default() };
        let bytes = write(&document, Syntax::Xml, &options).expect("writable");
        let reading = read(&bytes, Syntax::Xml, &ReadOptions::default()).expect("readable");
        assert_eq!(outline(&reading.document), outline(&document), "{charset:?}");
    }
    let mut options = WriteOptions { charset: Charset::GBK, ..WriteOptions::default() };
    let problem = write(&document, Syntax::Xml, &options).expect_err("not in GBK");
    assert_eq!((problem.code.id, problem.place.path.as_deref()), ("XD-F042", Some("/客户/@n")));
    assert!(problem.text.contains("U+20BB7"), "{problem}");
    options.unmappable = Unmappable::Reference;
    for syntax in [Syntax::Xml, Syntax::Json] {
        let bytes = write(&document, syntax, &options).expect("references");
        let read_options = ReadOptions { charset: Some(Charset::GBK), ..ReadOptions::default() };
        let again = read(&bytes, syntax, &read_options).expect("readable").document;
        assert!(outline(&again).contains('\u{20BB7}'), "{syntax:?}");
    }
    options.charset = Charset::WINDOWS_1252;
    assert_eq!(write(&document, Syntax::Xml, &options).expect_err("names").code.id, "XD-F042");
}

#[test]
fn syntax_is_sniffed_from_media_type_then_bytes() {
    for (content_type, bytes, expected) in [
        (Some("application/soap+xml; charset=utf-8"), &b"{}"[..], Some(Syntax::Xml)),
        (Some("application/problem+json"), b"<a/>", Some(Syntax::Json)),
        (Some("text/plain"), b" \n<a/>", Some(Syntax::Xml)),
        (None, b"\xFE\xFF\0<", Some(Syntax::Xml)),
        (None, b"\xEF\xBB\xBF[1]", Some(Syntax::Json)),
        (None, b"UNB+UNOA", None),
        (None, b"", None),
    ] {
        assert_eq!(Syntax::sniff(content_type, bytes), expected, "{content_type:?}");
    }
}

/// A tree both syntaxes could meet: names and texts are indexes and strings, nothing is adjoining text.
#[derive(Clone, Debug)]
enum Tree {
    Element { name: usize, attributes: Vec<(usize, String)>, shape: u8, children: Vec<Tree> },
    Text(String),
}

fn trees() -> impl Strategy<Value = Tree> {
    let text = proptest::string::string_regex("[ -~\t\n\r客é\u{20BB7}]{0,12}").expect("a pattern").boxed();
    let attributes = proptest::collection::vec((0_usize..6, text.clone()), 0..4);
    let leaf = (0_usize..6, attributes, 0_u8..2, text).prop_map(|(name, attributes, shape, text)| Tree::Element {
        name,
        attributes,
        shape,
        children: if text.is_empty() { vec![] } else { vec![Tree::Text(text)] },
    });
    leaf.prop_recursive(5, 40, 5, |inner| {
        (0_usize..6, proptest::collection::vec(inner, 0..5)).prop_map(|(name, children)| Tree::Element {
            name,
            attributes: vec![],
            shape: 0,
            children,
        })
    })
}

fn plant(builder: &mut Builder, tree: &Tree) {
    const NAMES: [(&str, &str); 6] =
        [("", "a"), ("urn:1", "a"), ("urn:1", "b"), ("urn:2", "客户"), ("", "c-1"), (XSI, "type")];
    match tree {
        Tree::Text(text) => {
            builder.text(Text::Copied(text), None);
        }
        Tree::Element { name, attributes, shape, children } => {
            let name = builder.names().intern(NAMES[*name].0, NAMES[*name].1);
            builder.start(name, None);
            let mut seen = Vec::new();
            for (attribute, text) in attributes {
                let name = builder.names().intern(NAMES[*attribute].0, NAMES[*attribute].1);
                if !seen.contains(&name) {
                    seen.push(name);
                    builder.attribute(name, Text::Copied(text), None);
                }
            }
            if *shape == 1 && children.is_empty() {
                let nil = builder.names().intern(XSI, "nil");
                builder.attribute(nil, Text::Copied("true"), None);
                builder.shape(Shape::Null);
            }
            children.iter().for_each(|child| plant(builder, child));
            builder.end();
        }
    }
}

fn json_values() -> impl Strategy<Value = String> {
    let string = proptest::string::string_regex("[ !#-\\[\\]-~客\u{20BB7}]{0,8}").expect("a pattern");
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        string.prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        let nonempty = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            nonempty.prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec(inner, 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().enumerate().map(|(n, value)| format!("\"客{n}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn written_xml_reads_back_the_same(tree in trees(), layout in layouts(), charset in 0_usize..3) {
        let mut builder = Builder::default();
        plant(&mut builder, &tree);
        let document = builder.finish();
        let charset = [Charset::UTF_8, Charset::UTF_16BE, Charset::GB18030][charset];
        let options = WriteOptions { charset, layout, ..WriteOptions::default() };
        let bytes = write(&document, Syntax::Xml, &options).expect("writable");
        let reading = read(&bytes, Syntax::Xml, &ReadOptions::default()).expect("readable");
        prop_assert_eq!(outline(&reading.document), outline(&document));
    }

    #[test]
    fn written_json_is_what_was_read(text in json_values(), layout in layouts()) {
        let document = json(&text).expect("well-formed");
        prop_assert_eq!(to_json(&document), text);
        let options = WriteOptions { layout, ..WriteOptions::default() };
        let bytes = write(&document, Syntax::Json, &options).expect("writable");
        let again = read(&bytes, Syntax::Json, &ReadOptions::default()).expect("readable").document;
        prop_assert_eq!(outline(&again), outline(&document));
    }

    #[test]
    fn no_bytes_bring_a_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in "[<>a&;:'\"=!?/\\[\\]{},0-9x# -]{0,40}") {
        for syntax in [Syntax::Xml, Syntax::Json] {
            for input in [&bytes[..], cut.as_bytes(), &[b"<a b='".as_slice(), &bytes].concat()] {
                if let Ok(reading) = read(input, syntax, &ReadOptions::default()) {
                    let _ = write(&reading.document, Syntax::Json, &WriteOptions::default());
                    let _ = write(&reading.document, Syntax::Xml, &WriteOptions::default());
                }
            }
        }
    }
}

#[test]
fn a_doctype_is_read_past_when_the_system_says_so() {
    let options = ReadOptions { doctype: Doctype::Skip, ..ReadOptions::default() };
    for legal in [
        "<!DOCTYPE a><a/>",
        "<?xml version='1.0'?><!-- x --><!DOCTYPE cXML SYSTEM \"http://x.example/a.dtd\"><a/>",
        "<!DOCTYPE a PUBLIC '-//X//EN' 'a.dtd' [ <!ENTITY b \"]>\"> <!-- ]> --> <?p ]> ?> %c; <!ATTLIST a b CDATA '>'> ] ><a/>",
    ] {
        let reading = read(legal.as_bytes(), Syntax::Xml, &options).expect(legal);
        assert_eq!(reading.document.elements(NodeId::ROOT).count(), 1, "{legal}");
        let refused = read(legal.as_bytes(), Syntax::Xml, &ReadOptions::default()).expect_err(legal);
        assert_eq!(refused.code.id, "XD-F018", "{legal}");
    }
    for (illegal, code) in [
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "XD-F017"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a d='&b;'/>", "XD-F017"),
        ("<!DOCTYPE a []><!DOCTYPE a []><a/>", "XD-F018"),
        ("<a/><!DOCTYPE a>", "XD-F018"),
        ("<a><!DOCTYPE a></a>", "XD-F018"),
        ("<!DOCTYPE a [ <!ENTITY b 'c> ]><a/>", "XD-F018"),
        ("<!doctype a><a/>", "XD-F018"),
        ("<!DOCTYPE a", "XD-F018"),
        ("<!DOCTYPE><a/>", "XD-F018"),
    ] {
        let problem = read(illegal.as_bytes(), Syntax::Xml, &options).expect_err(illegal);
        assert_eq!(problem.code.id, code, "{illegal}: {problem}");
    }
}

#[test]
fn the_last_of_two_members_wins_when_the_system_says_so() {
    let options = ReadOptions { duplicates: Duplicates::LastWins, ..ReadOptions::default() };
    for (given, expected) in [
        (r#"{"a":1,"b":2,"a":{"c":[3]}}"#, r#"{"b":2,"a":{"c":[3]}}"#),
        (r#"{"x":{"@i":"1","a":[1,2],"@i":"2","\u0061":4}}"#, r#"{"x":{"@i":"2","a":4}}"#),
        (r#"{"a":1,"a":2,"a":3,"b":{"a":4}}"#, r#"{"a":3,"b":{"a":4}}"#),
    ] {
        let document = read(given.as_bytes(), Syntax::Json, &options).expect(given).document;
        let expected = json(expected).expect(expected);
        let written = |document| write(document, Syntax::Json, &WriteOptions::default()).expect("writable");
        assert_eq!(written(&document), written(&expected), "{given}");
        assert_eq!(json(given).expect_err(given).code.id, "XD-F033");
    }
}

/// What comes, how it reads, and where something was repaired.
type Repaired = (&'static str, &'static str, &'static [(u32, u32)]);

#[test]
fn what_partners_get_wrong_is_repaired_and_told() {
    let options = ReadOptions { tolerant: true, doctype: Doctype::Skip, ..ReadOptions::default() };
    let cases: [Repaired; 9] = [
        ("<a b='1'>x &amp; y</a>", "<a b=\"1\">x &amp; y</a>", &[]),
        (
            "From: x\n\n <?ADF VERSION \"1.0\"?>\n<?XML VERSION \"1.0\"?>\n<adf/>",
            "<?ADF VERSION \"1.0\"?><adf/>",
            &[(1, 1), (4, 1)],
        ),
        ("<a>Smith & Son &nbsp; &#x20;&lt;</a>", "<a>Smith &amp; Son &amp;nbsp;  &lt;</a>", &[(1, 10), (1, 16)]),
        ("<a b=1 c=x/y/>", "<a b=\"1\" c=\"x/y\"/>", &[(1, 6), (1, 10)]),
        ("<a b='1'c=\"<&\"/>", "<a b=\"1\" c=\"&lt;&amp;\"/>", &[(1, 9), (1, 12), (1, 13)]),
        ("<a selected b = '2'/>", "<a selected=\"\" b=\"2\"/>", &[(1, 4)]),
        ("<a>1\u{1}2 < 3</a>\n-- \nsignature", "<a>12 &lt; 3</a>", &[(1, 5), (1, 8), (1, 15)]),
        ("<a/><b/>", "<a/>", &[(1, 5)]),
        ("<!DOCTYPE a [<!ENTITY b '>'>]> junk <a/>", "<a/>", &[(1, 31)]),
    ];
    for (given, expected, places) in cases {
        let reading = read(given.as_bytes(), Syntax::Xml, &options).expect(given);
        assert_eq!(to_xml(&reading.document), expected, "{given}");
        let found: Vec<_> = reading.repairs.iter().map(|repair| (repair.place.line, repair.place.column)).collect();
        assert_eq!(found, places, "{given}: {:#?}", reading.repairs);
    }
    for hopeless in
        ["", "=\"?>\n<?XM)?>\n<?XML\r", "<?xml?", "<?xml", "no markup", "<a>", "<a></b>", "<1/>", "<a b='1' b='2'/>"]
    {
        read(hopeless.as_bytes(), Syntax::Xml, &options).expect_err(hopeless);
    }
}

proptest! {
    #[test]
    fn a_tolerant_reader_never_fails_otherwise_than_with_a_problem(
        text in "[<>/a&;'\"=! \\[\\]\\-?xml#\u{1}客\n]{0,60}",
    ) {
        let strict = read(text.as_bytes(), Syntax::Xml, &ReadOptions::default());
        let options = ReadOptions { tolerant: true, ..ReadOptions::default() };
        let tolerant = read(text.as_bytes(), Syntax::Xml, &options);
        if let Ok(strict) = strict {
            let tolerant = tolerant.expect("what is well-formed stays so");
            prop_assert!(tolerant.repairs.is_empty());
            prop_assert_eq!(to_xml(&tolerant.document), to_xml(&strict.document));
        }
    }
}

#[test]
fn white_space_that_was_kept_is_kept_again() {
    for text in
        ["<a><![CDATA[ ]]><b/></a>", "<a>&#32;<b/> <c/>\n</a>", "<a><b/>&#10;\n</a>", "<a> </a>", "<a>x<b/> </a>"]
    {
        let first = to_xml(&xml(text).expect(text));
        let again = xml(&first).expect(text);
        assert_eq!(to_xml(&again), first, "{text}");
        assert_eq!(again.len(), xml(text).expect(text).len(), "{text}: {first}");
    }
}

const UBL: &str = "\"_D\":\"urn:oasis:names:specification:ubl:schema:xsd:Order-2\",\
    \"_A\":\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\",\
    \"_B\":\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\"";

fn ubl(text: &str) -> Result<Document, Problem> {
    let options = ReadOptions { convention: Convention::UblModel, ..ReadOptions::default() };
    read(text.replace('$', UBL).as_bytes(), Syntax::Json, &options).map(|reading| reading.document)
}

#[test]
fn ubl_in_json_is_the_same_document_in_both_bindings() {
    let model = "{$,\"Order\":{\"ID\":{\"_\":\"34\",\"schemeID\":\"P\"},\"Note\":[{\"_\":\"\"}],\"OrderLine\":[{\"Amount\":{\"_\":1.10}},{}]}}";
    let legacy = "{$,\"Order\":[{\"ID\":[{\"_\":\"34\",\"schemeID\":\"P\"}],\"Note\":[{\"_\":\"\"}],\
                  \"OrderLine\":[{\"Amount\":[{\"_\":1.10}]},{}]}]}";
    let expected = "<Order xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Order-2\" \
        xmlns:cbc=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\" \
        xmlns:cac=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\">\
        <cbc:ID schemeID=\"P\">34</cbc:ID><cbc:Note/>\
        <cac:OrderLine><cbc:Amount>1.10</cbc:Amount></cac:OrderLine><cac:OrderLine/></Order>";
    for (text, convention) in [(model, Convention::UblModel), (legacy, Convention::UblLegacy)] {
        let document = ubl(text).expect("UBL");
        assert_eq!(to_xml(&document), expected);
        let options = WriteOptions { convention, ..WriteOptions::default() };
        let written = write(&document, Syntax::Json, &options).expect("writable");
        assert_eq!(String::from_utf8(written).expect("UTF-8"), text.replace('$', UBL));
    }
    for wrong in [
        "[]",
        "{$}",
        "{$,\"Order\":{\"ID\":\"34\"}}",
        "{$,\"Order\":{\"ID\":{\"_\":\"34\",\"x\":{}}}}",
        "{$,\"A\":{},\"B\":{}}",
    ] {
        assert_eq!(ubl(wrong).expect_err(wrong).code.id, "XD-F034", "{wrong}");
    }
    let deep = format!("{{$,\"Order\":{}{}}}", "{\"Party\":".repeat(500), "{}".to_owned() + &"}".repeat(500));
    assert_eq!(ubl(&deep).expect_err("too deep").code.id, "XD-F004");
}

#[test]
fn arrays_are_what_is_listed_never_what_happens_to_be_there() {
    let document = xml("<o><line><n>1</n></line><to>x</to></o>").expect("well-formed");
    let paths = [vec!["o".to_owned(), "line".to_owned()], vec!["o".to_owned(), "*".to_owned(), "n".to_owned()]];
    let options = WriteOptions { arrays: paths.into(), ..WriteOptions::default() };
    let written = write(&document, Syntax::Json, &options).expect("writable");
    assert_eq!(written, br#"{"o":{"line":[{"n":["1"]}],"to":"x"}}"#);
    assert_eq!(to_json(&document), r#"{"o":{"line":{"n":"1"},"to":"x"}}"#);
}

#[test]
fn an_empty_array_is_an_empty_array() {
    for text in [
        r#"{"a":[],"b":1,"c":[]}"#,
        r#"{"a":{"b":[]},"c":[{"d":[]},{"d":[1]}],"e":{"@x":"1","f":[],"g":{}}}"#,
        "[[],[[]],{\"a\":[]}]",
        "[]",
    ] {
        let document = json(text).expect(text);
        assert_eq!(to_json(&document), text);
        let mut copy = Builder::default();
        copy.shape(document.shape(NodeId::ROOT));
        copy.copy(&document, NodeId::ROOT);
        assert_eq!(to_json(&copy.finish()), text);
        assert!(document.elements(NodeId::ROOT).all(|child| document.qname(child).is_some()));
    }
    assert_eq!(json(r#"{"a":[]}"#).expect("JSON").len(), 1, "no node stands for it");
}

#[test]
fn json_problems_say_the_path() {
    for (text, path) in [
        (r#"{"orders":[{"id":1},{"lines":[1,2,x]}]}"#, "/orders[2]/lines[3]"),
        (r#"{"a":{"b":1,"b":2,"c":3}}"#, "/a/b"),
        (r#"[[1,[2,"\x"]]]"#, "[1][2][2]"),
        ("x", "/"),
        (r#"{"a":1}}"#, "/"),
    ] {
        let problem = json(text).expect_err(text);
        assert_eq!(problem.place.path.as_deref(), Some(path), "{problem}");
    }
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop::sample::select(vec![Layout::Compact, Layout::Pretty])
}

#[test]
fn the_canonical_form_is_canonical_xml() {
    let options = WriteOptions { layout: Layout::Canonical, charset: Charset::GB18030, ..WriteOptions::default() };
    let canonical = |document: &Document| {
        let bytes = write(document, Syntax::Xml, &options).expect("writable");
        String::from_utf8(bytes).expect("UTF-8")
    };
    for (given, expected) in [
        ("<?xml version='1.0'?>\n<!-- c -->\n<a/>\n<?p  i ?>", "<!-- c -->\n<a></a>\n<?p i ?>"),
        (
            "<a b='2' xmlns:z='urn:a' a='1' xmlns:y='urn:z' y:a='3' z:b='4' xmlns='urn:d'/>",
            "<a xmlns=\"urn:d\" xmlns:y=\"urn:z\" xmlns:z=\"urn:a\" a=\"1\" b=\"2\" z:b=\"4\" y:a=\"3\"></a>",
        ),
        (
            "<a b='&#9;&#10;&#13;&quot;&lt;>&amp;'>&lt;>&amp;\"&#13;中\n</a>",
            "<a b=\"&#x9;&#xA;&#xD;&quot;&lt;>&amp;\">&lt;&gt;&amp;\"&#xD;中\n</a>",
        ),
        ("<a><![CDATA[ ]]><b/></a>", "<a> <b></b></a>"),
        (
            "<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:z='urn:z' z:b='1' i:nil='1' i:type='t'/>",
            "<a xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:z=\"urn:z\" i:nil=\"true\" i:type=\"t\" z:b=\"1\"></a>",
        ),
    ] {
        assert_eq!(canonical(&xml(given).expect(given)), expected, "{given}");
    }
    let one = xml("<x:a xmlns:x='urn:a' c='1' b='2'>t</x:a>").expect("well-formed");
    let other =
        xml("<?xml version='1.0'?><x:a b=\"2\"  c=\"1\"   xmlns:x='urn:a' ><![CDATA[t]]></x:a >").expect("well-formed");
    assert_eq!(canonical(&one), canonical(&other));
    let json_one = json(r#"{"b":1.10,"a":{"d":[2,1],"@c":"x"}}"#).expect("JSON");
    let written = write(&json_one, Syntax::Json, &options).expect("writable");
    assert_eq!(written, br#"{"a":{"@c":"x","d":[2,1]},"b":1.10}"#);
}

#[test]
fn what_is_written_again_declares_its_namespaces_in_the_same_order() {
    let first = to_xml(&xml("<r>t<a xmlns='urn:z' xmlns:b='urn:b'><b:c/></a></r>").expect("well-formed"));
    assert_eq!(first, "<r xmlns:ns1=\"urn:z\" xmlns:b=\"urn:b\">t<ns1:a><b:c/></ns1:a></r>");
    assert_eq!(to_xml(&xml(&first).expect("well-formed")), first);
}

#[test]
fn a_character_whose_bytes_would_be_read_as_another_is_a_reference() {
    let document = xml("<a>\u{E78D}客</a>").expect("well-formed");
    let gb = WriteOptions { charset: Charset::GB18030, ..WriteOptions::default() };
    let problem = write(&document, Syntax::Xml, &gb).expect_err("not the same character");
    assert!(problem.text.contains("U+E78D has no form in GB18030"), "{problem}");
    let referring = WriteOptions { unmappable: Unmappable::Reference, ..gb };
    let bytes = write(&document, Syntax::Xml, &referring).expect("a reference");
    let again = read(&bytes, Syntax::Xml, &ReadOptions::default()).expect("readable").document;
    assert_eq!(outline(&again), outline(&document));
}

#[test]
fn a_charset_can_be_agreed_and_then_nobody_may_say_another() {
    let agreed = |bytes: &[u8], charset| {
        let options = ReadOptions { agreed_charset: Some(Charset::GBK), charset, ..ReadOptions::default() };
        read(bytes, Syntax::Xml, &options)
    };
    let bytes = encoding_rs::GBK.encode("<a>客户</a>").0;
    let reading = agreed(&bytes, None).expect("as agreed");
    assert_eq!((to_xml(&reading.document).as_str(), reading.charset), ("<a>客户</a>", Charset::GBK));
    for (bytes, charset, other) in [
        (&b"<?xml version='1.0' encoding='UTF-8'?><a/>"[..], None, "the XML declaration says UTF-8"),
        (b"\xEF\xBB\xBF<a/>", None, "the byte order mark says UTF-8"),
        (b"<a/>", Some(Charset::BIG5), "the transport says Big5"),
    ] {
        let problem = agreed(bytes, charset).expect_err(other);
        assert_eq!(problem.code.id, "XD-F002");
        assert!(problem.text.contains(other) && problem.text.contains("the system's setting says GBK"), "{problem}");
    }
}
