//! The language: every example of the reference page, and what each instruction refuses.

use std::{fs, path::Path, sync::Arc};

use crate::{
    base::{Limits, Problems},
    document::Document,
    format::{ReadOptions, Syntax, WriteOptions, read, write},
    mapping::{Context, Environment, Explanation, Failure, Fragment, Mapping, Recording, compare},
    schema::Model,
};

fn document(text: &str, syntax: Syntax) -> Document {
    read(text.as_bytes(), syntax, &ReadOptions::default())
        .unwrap_or_else(|problem| panic!("{problem}: {text}"))
        .document
}

fn context() -> Context {
    Context::parse("mapping: m\ncodes: {colour: {red: R}}\n", &"context.yaml".into()).expect("a good context")
}

/// Compiles a mapping, `from` and `to` put before it, with shared fragments.
fn compile(body: &str, fragments: &[(&str, &str)]) -> Result<Mapping, Problems> {
    let fragments: Vec<Fragment> = fragments
        .iter()
        .map(|(name, text)| Fragment::parse(name, text, &format!("fragments/{name}.yaml").into()).expect("a fragment"))
        .collect();
    let environment = Environment { fragments: &fragments, ..Environment::default() };
    let text = if body.starts_with("from:") { body.to_owned() } else { format!("from: a\nto: b\n{body}") };
    Mapping::compile(&text, &"m.yaml".into(), &environment)
}

/// What a mapping makes of an XML document, as XML; failures as text.
fn made(body: &str, input: &str) -> String {
    let mapping = compile(body, &[]).unwrap_or_else(|problems| panic!("{problems}\n{body}"));
    match mapping.apply(&document(input, Syntax::Xml), &context(), &Limits::default(), None) {
        Ok(output) => {
            let options = WriteOptions { declaration: false, ..WriteOptions::default() };
            String::from_utf8(write(&output, Syntax::Xml, &options).expect("writable")).expect("UTF-8")
        }
        Err(failure) => failure.to_string(),
    }
}

/// A fenced block of a page: the words behind the fence, and the text.
fn fences(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(words), None) => open = Some((words.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => (),
        }
    }
    found
}

#[test]
fn every_example_of_the_reference_page_gives_what_the_page_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = fs::read_to_string(docs.join("reference/mapping-language.md")).expect("the page");
    let chinese = fs::read_to_string(docs.join("zh/mapping-language.md")).expect("the page");
    assert_eq!(fences(&page), fences(&chinese), "the Chinese page has the same examples");
    let mut fragments: Vec<(String, String)> = Vec::new();
    let mut mapping: Option<(String, Mapping)> = None;
    let mut input: Option<Document> = None;
    let mut examples = 0;
    for (words, text) in fences(&page) {
        let syntax = if words.starts_with("json") { Syntax::Json } else { Syntax::Xml };
        match (words.split_once(' '), &mapping, input.take()) {
            (Some(("yaml", "documents")), ..) => {
                let mapping = compile(&text, &[]).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
                assert_eq!(mapping.documents().len(), 2);
            }
            (Some(("yaml", file)), ..) => {
                let name = file.trim_start_matches("fragments/").trim_end_matches(".yaml");
                fragments.push((name.to_owned(), text));
            }
            _ if words == "yaml" => {
                let shared: Vec<(&str, &str)> = fragments.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
                let compiled = compile(&text, &shared).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
                assert!(compiled.warnings().is_empty(), "{:?}", compiled.warnings());
                mapping = Some((text, compiled));
            }
            (_, Some(_), None) => input = Some(document(&text, syntax)),
            (_, Some((written, mapping)), Some(input)) => {
                let output = mapping.apply(&input, &context(), &Limits::default(), None);
                let output = output.unwrap_or_else(|failure| panic!("{failure}\n{written}"));
                let differences = compare(&document(&text, syntax), &output);
                assert!(differences.is_empty(), "{differences:?}\n{written}");
                examples += 1;
            }
            (_, None, _) => panic!("a document before the first mapping"),
        }
    }
    assert!(examples >= 12, "{examples} examples");
}

#[test]
fn groups_come_in_the_order_their_keys_appear_whatever_the_keys_are() {
    let input = "<a><i k='2' n='1'/><i n='2'/><i k='1' n='3'/><i k='2' n='4'/><i k='' n='5'/><i k='2.0' n='6'/></a>";
    let cases = [
        ("=@k", "2:1 4|:2|1:3|:5|2.0:6"),
        ("{by: =@k, as: number}", "2:1 4 6|:2|1:3|:5"),
        ("=string(@k)", "2:1 4|:2 5|1:3|2.0:6"),
        ("=()", ":1 2 3 4 5 6"),
        ("=@n mod 2 = 0", "false:1 3 5|true:2 4 6"),
        ("[=string-length(@k), =xs:integer(@n) le 3]", "1 true:1 3|0 true:2|1 false:4|0 false:5|3 false:6"),
        ("=(2, 1)[$top]", ":1 2 3 4 5 6"),
    ];
    for (key, expected) in cases {
        let body = format!(
            "let: {{top: =3}}\noutput:\n  o:\n    g:\n      $each: =a/i\n      $group-by: {key}\n      \
             '#text': =string-join(current-grouping-key(), ' ') || ':' || string-join(current-group()/@n, ' ')\n"
        );
        let shown = made(&body, input);
        let shown = shown.trim_start_matches("<o><g>").trim_end_matches("</g></o>").replace("</g><g>", "|");
        assert_eq!(shown, expected, "{key}");
    }
}

#[test]
fn a_group_is_the_context_of_its_block() {
    let body = "output:\n  o:\n    g:\n      $each: =a/i\n      $group-by: =@k\n      $if: =count(current-group()) gt 1\n      \
                $sort: {by: =sum(current-group()/@n), order: descending}\n      $let: {all: =current-group()}\n      \
                first: =@n\n      at: =position() || '/' || last()\n      all: =string-join($all/@n, ',')\n";
    let input = "<a><i k='x' n='1'/><i k='y' n='2'/><i k='x' n='3'/><i k='y' n='9'/><i k='z' n='1'/></a>";
    assert_eq!(
        made(body, input),
        "<o><g><first>2</first><at>1/3</at><all>2,9</all></g><g><first>1</first><at>2/3</at><all>1,3</all></g></o>"
    );
}

#[test]
fn items_are_sorted_by_type_by_several_keys_and_stay_put_when_equal() {
    let input =
        "<a><i k='b' n='10' d='2024-02-01'/><i k='a' n='9' d='2023-12-31'/><i k='b' n='9.0' d=''/><i n='x'/></a>";
    let cases = [
        ("=@n", "10 9 9.0 x"),
        ("=@n cast as xs:string", "10 9 9.0 x"),
        ("{by: =@n, as: number}", "9 9.0 10 x"),
        ("{by: =@n, as: number, order: descending}", "x 10 9 9.0"),
        ("{by: =@d, as: date}", "x 9 10 9.0"),
        ("[=@k, {by: =@n, as: number, order: descending}]", "x 9 10 9.0"),
        ("{by: =@k, order: descending}", "10 9.0 9 x"),
        ("=if (@k) then 1 else 2.5", "10 9 9.0 x"),
        ("=-position()", "x 9.0 9 10"),
        ("=@k = 'a'", "10 9.0 x 9"),
    ];
    for (key, expected) in cases {
        let body = format!("output:\n  o:\n    i:\n      $each: =a/i\n      $sort: {key}\n      '#text': =@n\n");
        let shown = made(&body, input);
        let shown = shown.trim_start_matches("<o><i>").trim_end_matches("</i></o>").replace("</i><i>", " ");
        assert_eq!(shown, expected, "{key}");
    }
}

#[test]
fn a_choice_among_keys_takes_one_branch_with_its_attributes_text_and_nested_choices() {
    let body = "output:\n  o:\n    first: 1\n    $choose:\n      - when: =a/@k = 'x'\n        then:\n          '@x': =a/@k\n          \
                one: 1\n          $choose:\n            - {when: =a/@n, then: {n: =a/@n}}\n            - otherwise: {none: true}\n      - when: =a/@k\n        \
                then: {two: [1, 2]}\n      - otherwise: {'#text': t}\n    last: 1\n";
    let cases = [
        ("<a k='x' n='5'/>", "<o x=\"x\"><first>1</first><one>1</one><n>5</n><last>1</last></o>"),
        ("<a k='x'/>", "<o x=\"x\"><first>1</first><one>1</one><none>true</none><last>1</last></o>"),
        ("<a k='y' n='5'/>", "<o><first>1</first><two>1</two><two>2</two><last>1</last></o>"),
        ("<a/>", "<o>t<first>1</first><last>1</last></o>"),
    ];
    for (input, expected) in cases {
        assert_eq!(made(body, input), expected, "{input}");
    }
}

#[test]
fn fragments_see_their_parameters_and_nobody_else_does() {
    let body = "
let: {who: top}
fragments:
  outer:
    $parameters: [x]
    $let: {local: =$x || '!'}
    a: =$x || $who
    b: =$local
    inner: {$use: {fragment: inner, with: {who: =$x || '?'}}}
  inner:
    $parameters: {who: , more: =$who || '+'}
    c: =$who
    d: =$more
  rows:
    $parameters: [items]
    row:
      $each: =$items
      $use: {fragment: cell, with: {at: =position()}}
  cell:
    $parameters: [at]
    '@at': =$at
    '#text': =.
  repeated:
    $parameters: [all]
    $each: =$all
    n: =. || '/' || last()
output:
  o:
    one: {$use: {fragment: outer, with: {x: 1}}}
    two: {$use: [{fragment: outer, with: {x: 2}}, {fragment: rows, with: {items: '=(7, 8)'}}], z: =$who}
    three: {$use: {fragment: repeated, with: {all: '=(5, 6)'}}}
";
    assert_eq!(
        made(body, "<a/>"),
        "<o><one><a>1top</a><b>1!</b><inner><c>1?</c><d>1?+</d></inner></one>\
         <two><a>2top</a><b>2!</b><inner><c>2?</c><d>2?+</d></inner><row at=\"1\">7</row><row at=\"2\">8</row><z>top</z></two>\
         <three><n>5/2</n></three><three><n>6/2</n></three></o>"
    );
}

#[test]
fn the_version_of_a_mapping_covers_the_shared_fragments_it_uses() {
    let body = "output: {o: {$use: used}}\n";
    let hash =
        |used: &str, other: &str| compile(body, &[("used", used), ("other", other)]).expect("good").content_hash();
    assert_eq!(hash("a: 1\n", "b: 1\n"), hash("a: 1\n", "b: 2\n"));
    assert_ne!(hash("a: 1\n", "b: 1\n"), hash("a: 2\n", "b: 1\n"));
    let own = compile("output: {o: {a: 1}}\n", &[("used", "a: 1\n")]).expect("good").content_hash();
    assert_eq!(own, crate::base::Sha256::of(b"from: a\nto: b\noutput: {o: {a: 1}}\n"));
}

#[test]
fn what_is_wrong_in_a_shared_fragment_is_said_with_its_file() {
    let problems =
        compile("output: {o: {$use: used}}\n", &[("used", "a: 1\nb: =Nmae(\n")]).expect_err("bad").to_string();
    assert!(problems.contains("fragments/used.yaml:2:"), "{problems}");
    let mapping = compile("output: {o: {$use: used}}\n", &[("used", "a: 1\nb: =a + 1\n")]).expect("good");
    let failure = mapping.apply(&document("<a>x</a>", Syntax::Xml), &context(), &Limits::default(), None);
    let failure = failure.expect_err("no number").to_string();
    assert!(failure.starts_with("fragments/used.yaml:2:"), "{failure}");
}

#[test]
fn what_an_instruction_does_not_take_is_refused_where_it_stands() {
    let cases = [
        (
            "output: {o: {$group-by: =a}}\n",
            "m.yaml:3:25 (output.o): error XD-M006: `$group-by` groups the items of `$each`",
        ),
        ("output: {o: {$sort: =a}}\n", "`$sort` sorts the items of `$each`, and there is none"),
        ("output: {o: {x: =current-group()}}\n", "`current-group()` is only known in a block with `$group-by`"),
        ("output: {o: {$each: =a, $sort: []}}\n", "`$sort` names no key"),
        (
            "output: {o: {$each: =a, $sort: {by: =b, order: down}}}\n",
            "`order` is one of `ascending`, `descending`; found `down`",
        ),
        ("output: {o: {$each: =a, $sort: {key: =b}}}\n", "key `by` is missing"),
        ("output: {o: {$each: =a, $group-by: {by: =b, order: descending}}}\n", "unknown key `order`"),
        (
            "output: {o: {z: 1, $choose: [{when: =a, then: 1}]}}\n",
            "a branch among keys is a block of keys, found a text",
        ),
        ("output: {o: {z: 1, $choose: [{otherwise: {a: 1}}, {when: =a, then: {b: 1}}]}}\n", "no document gets here"),
        (
            "output: {o: {z: 1, $choose: [{when: =a, then: {$each: =b, c: 1}}]}}\n",
            "`$each` cannot stand in a branch among keys",
        ),
        ("output: {o: {z: 1, $choose: =a}}\n", "`$choose` is a list of `{when, then}`"),
        (
            "fragments: {f: {$parameters: [who], a: =$who}}\noutput: {o: {$use: f}}\n",
            "the fragment `f` needs the parameter `who`",
        ),
        (
            "fragments: {f: {$parameters: [who], a: =$who}}\noutput: {o: {$use: {fragment: f, with: {hwo: 1, who: 2}}}}\n",
            "m.yaml:4:41: error XD-M008: the fragment `f` has no parameter `hwo` (did you mean `who`?)",
        ),
        (
            "fragments: {f: {a: 1}}\noutput: {o: {$use: {fragment: f, with: {x: 1}}}}\n",
            "has no parameter `x` (it takes none",
        ),
        ("fragments: {f: {a: 1}}\noutput: {o: {$use: {fragment: g}}}\n", "there is no fragment `g`"),
        ("fragments: {f: {a: {$use: f}}}\noutput: {o: {$use: f}}\n", "the fragment `f` uses itself"),
        ("fragments: {f: {$if: =a, x: 1}}\noutput: {o: {$use: f, $if: =b}}\n", "`$if` stands here twice"),
        (
            "fragments: {f: {$parameters: [p], x: 1}}\noutput: {o: {$use: {fragment: f, with: {p: 1}}, y: =$p}}\n",
            "variable `$p` is not declared",
        ),
        ("output: {o: {$parameters: [p], x: 1}}\n", "there is no instruction `$parameters`"),
        (
            "assert: [{that: =a, message: m, severity: fatal}]\noutput: {o: {x: 1}}\n",
            "`severity` is one of `error`, `warning`",
        ),
    ];
    for (body, expected) in cases {
        let shown = compile(body, &[]).map(|_| ()).expect_err(body).to_string();
        assert!(shown.contains(expected), "{body}expected: {expected}\nfound: {shown}");
    }
}

#[test]
fn a_key_is_one_value() {
    for key in ["$group-by: =@k | @n", "$sort: =(1, 2)"] {
        let shown = made(
            &format!("output:\n  o:\n    i:\n      $each: =a/i\n      {key}\n      x: 1\n"),
            "<a><i k='1' n='2'/></a>",
        );
        assert!(shown.contains("error XD-M021: a key is one value, and its formula gave 2"), "{shown}");
    }
}

#[test]
fn an_assertion_may_compute_its_message_and_may_only_warn() {
    let body = "assert:\n  - {that: =a/b, message: ='no b in ' || a/@id}\n  - {that: =a/c, message: no c, severity: warning}\noutput: {o: {x: 1}}\n";
    let mapping = compile(body, &[]).expect("good");
    let run =
        |input: &str| mapping.make(&document(input, Syntax::Xml), &context(), &Limits::default(), Recording::default());
    assert_eq!(run("<a id='7'/>").expect_err("rejected").lines(), ["assertion: no b in 7"]);
    let made = run("<a id='7'><b/></a>").expect("made");
    let shown: Vec<String> = made.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["m.yaml:5:12 (/a): warning XD-M024: no c"]);
    assert!(run("<a><b/><c/></a>").expect("made").warnings.is_empty());
}

#[test]
fn the_key_of_a_group_is_explained_by_the_field_it_was_read_from() {
    let body = "output:\n  o:\n    g:\n      $each: =a/i\n      $group-by: =@k\n      k: =current-grouping-key()\n      n: =sum(current-group()/@n)\n";
    let mut explanation = Explanation::default();
    let input = document("<a><i k='x' n='1'/><i k='y' n='2'/><i k='x' n='3'/></a>", Syntax::Xml);
    let mapping = compile(body, &[]).expect("good");
    mapping.apply(&input, &context(), &Limits::default(), Some(&mut explanation)).expect("made");
    let sources = |path: &str| -> Vec<&str> {
        let field = explanation.fields.iter().find(|field| field.path == path).expect(path);
        field.sources.iter().map(|source| source.path.as_str()).collect()
    };
    assert_eq!(sources("/o/g[1]/k"), ["/a/i[1]/@k"]);
    assert_eq!(sources("/o/g[1]/n"), ["/a/i[1]/@n", "/a/i[3]/@n"]);
}

const DOCUMENTS: &str = "
from: a
let: {number: =a/@id}
assert:
  - {that: =a/@id, message: no id}
documents:
  order:
    to: b
    output: {order: {number: =$number}}
  receipt:
    to: c
    $if: =a/deposit
    output: {receipt: {for: =$number, amount: =a/deposit}}
";

#[test]
fn a_mapping_may_make_several_documents_in_declared_order() {
    let mapping = Mapping::compile(DOCUMENTS, &"m.yaml".into(), &Environment::default()).expect("good");
    let all: Vec<_> = mapping.documents().iter().map(|one| (one.document().map(|n| &**n), one.to())).collect();
    assert_eq!(all, [(Some("order"), "b"), (Some("receipt"), "c")]);
    let run = |at: usize, input: &str| {
        let document = document(input, Syntax::Xml);
        let made = mapping.documents()[at].apply(&document, &context(), &Limits::default(), None);
        made.map(|output| output.string_value(crate::document::NodeId::ROOT).into_owned())
    };
    let both = "<a id='7'><deposit>500</deposit></a>";
    assert_eq!((run(0, both), run(1, both)), (Ok("7".to_owned()), Ok("7500".to_owned())));
    let left_out = run(1, "<a id='7'/>").expect_err("no deposit");
    assert_eq!(left_out, Failure::LeftOut { rule: "document receipt of m.yaml".to_owned() });
    assert_eq!(run(1, "<a/>").expect_err("no id").lines(), ["assertion: no id"]);
    let failure =
        mapping.apply(&document(both, Syntax::Xml), &context(), &Limits::default(), None).expect_err("which?");
    assert!(failure.to_string().contains("error XD-M027: this mapping makes several documents: order, receipt"));
    assert_eq!(mapping.rules().len(), 7);
    assert_eq!(mapping.documents()[0].content_hash(), mapping.content_hash());
}

#[test]
fn documents_are_checked_each_with_its_own_schema_and_name() {
    let cases = [
        (DOCUMENTS.replace("  receipt:", "  re ceipt:"), "`re ceipt` is no name for a document"),
        (DOCUMENTS.replace("    to: c\n", ""), "m.yaml:11:5: error XD-C003: key `to` is missing"),
        (DOCUMENTS.replace("for: =$number", "for: =$nmber"), "did you mean `$number`?"),
        (format!("{DOCUMENTS}output: {{o: {{x: 1}}}}\n"), "unknown key `output`"),
    ];
    for (text, expected) in cases {
        let shown = Mapping::compile(&text, &"m.yaml".into(), &Environment::default()).expect_err(expected).to_string();
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let schema = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="receipt" type="xs:string"/></xs:schema>"#;
    let model = Model::load(&|_| Some(schema.as_bytes().to_vec()), "x.xsd").expect("a good schema");
    let targets = [("c".to_owned(), Arc::new(model))];
    let environment = Environment { targets: &targets, ..Environment::default() };
    let shown = Mapping::compile(DOCUMENTS, &"m.yaml".into(), &environment).expect_err("checked").to_string();
    assert!(shown.contains("(output.receipt.for): error XD-M001: the target has no `for` here"), "{shown}");
}
