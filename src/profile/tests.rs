//! Profiles as a whole, generic and as shipped.

use std::{fs, path::Path};

use super::{Outcome, Profile, ReplyValues, SimulatedReply, Simulator};
use crate::{
    base::Limits,
    document::Document,
    format::{ReadOptions, Syntax, WriteOptions, read, write},
    mapping::Context,
    profile::DocumentType,
};

const PROFILE: &str = r#"
profile: p
title: {en: P, zh: 甲}
settings:
  sender: {required: true, doc: who sends}
  version: {default: "2.0", doc: the version}
documents:
  p/order@1: {root: order, namespace: "urn:p", business-key: =order/no, site: =order/@site, dedup-key: =order/no || '/1'}
  p/note: {root: note, business-key: =note/id}
namespaces: {p: "urn:p"}
envelope:
  let: {n: =count(*/*)}
  output:
    env:
      "@sender": =setting('sender')
      "@n": =$n
      $copy: =*
unwrap:
  - {type: p/order@1, each: =batch/order}
  - {type: p/note, each: =batch/note}
reply:
  not-parseable: unknown
  cases:
    - {when: "=answer/@code = '0'", outcome: delivered, xref: {p/order@1: {entity: order, target: =answer/@id}}}
    - {when: "=answer/@code = '7'", outcome: duplicate}
    - {when: =answer/@code, outcome: rejected, reason: =answer/text}
  otherwise: retry
"#;

fn xml(text: &str) -> Document {
    read(text.as_bytes(), Syntax::Xml, &ReadOptions::default()).expect("well-formed").document
}

fn written(document: &Document) -> String {
    let options = WriteOptions { declaration: false, ..WriteOptions::default() };
    String::from_utf8(write(document, Syntax::Xml, &options).expect("writable")).expect("UTF-8")
}

fn profile(text: &str) -> Profile {
    Profile::compile(text, &"profile.yaml".into(), &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
}

fn host(text: &str) -> Context {
    Context::parse(text, &"context.yaml".into()).expect("a good context")
}

fn limits() -> Limits {
    Limits::default()
}

#[test]
fn an_envelope_goes_around_and_a_batch_comes_apart() {
    let profile = profile(PROFILE);
    let wrapped =
        profile.wrap(&xml("<note><id>1</id></note>"), &host("mapping: m\nsettings: {sender: '001'}\n"), &limits());
    assert_eq!(written(&wrapped.expect("wrapped")), r#"<env sender="001" n="1"><note><id>1</id></note></env>"#);

    let batch = xml("<batch xmlns:p='urn:p'><note><id>1</id></note><p:order/><note><id>2</id></note></batch>");
    let found = profile.unwrap(&batch, &limits()).expect("unwrapped");
    let shown: Vec<String> = found
        .iter()
        .map(|inside| {
            let of = inside.document_type.as_deref().unwrap_or("?");
            format!("{of} {}", written(&inside.document(&batch)))
        })
        .collect();
    assert_eq!(shown, ["p/note <note><id>1</id></note>", "p/note <note><id>2</id></note>"]);
    let alone = profile.unwrap(&xml("<order xmlns='urn:p'/>"), &limits()).expect("unwrapped");
    assert_eq!(alone.len(), 1);
    assert_eq!(alone[0].document_type.as_deref(), Some("p/order@1"));
    assert!(profile.unwrap(&xml("<other/>"), &limits()).expect("unwrapped").is_empty());
    assert!(profile.identify(&xml("<order/>")).is_none(), "another namespace is another document");
}

#[test]
fn a_control_count_that_is_not_the_number_of_documents_is_a_problem_with_both_numbers() {
    let rule = "- {type: p/note, each: =batch/note}";
    let profile = profile(&PROFILE.replace(rule, "- {each: =batch/*, count: =batch/@count}"));
    let cases = [
        ("<batch count='2'><note/><odd/></batch>", Ok(vec![Some("p/note"), None])),
        ("<batch><note/></batch>", Ok(vec![Some("p/note")])),
        ("<batch count='3'><note/></batch>", Err("the envelope says 3 documents, there are 1")),
        ("<batch count='1'/>", Err("the envelope says 1 documents, there are 0")),
        (
            "<batch count='many'><note/></batch>",
            Err("the envelope's control count is no number; there are 1 documents"),
        ),
    ];
    for (batch, expected) in cases {
        match (profile.unwrap(&xml(batch), &limits()), expected) {
            (Ok(found), Ok(types)) => {
                assert_eq!(found.iter().map(|one| one.document_type.as_deref()).collect::<Vec<_>>(), types, "{batch}");
            }
            (Err(failure), Err(text)) => {
                let problem = failure.problems().into_iter().next().expect("a problem");
                assert_eq!((problem.code.id, &*problem.text), ("XD-P005", text), "{batch}");
                assert_eq!((problem.place.line, problem.place.column), (1, 1));
            }
            (found, _) => panic!("{batch}: {found:?}"),
        }
    }
}

#[test]
fn facts_are_what_the_profile_says_they_are() {
    let profile = profile(PROFILE);
    let order = xml("<order xmlns='urn:p' site='S1'><no>7</no></order>");
    let facts = profile.facts("p/order@1", &order, &limits()).expect("facts");
    assert_eq!((facts.business_key.as_deref(), facts.site.as_deref()), (Some("7"), Some("S1")));
    assert_eq!(facts.dedup_key.as_deref(), Some("7/1"));
    let problem = profile.facts("p/ordr@1", &order, &limits()).expect_err("no such type").to_string();
    assert!(problem.contains("did you mean `p/order@1`?"), "{problem}");
}

#[test]
fn the_first_case_that_holds_says_what_a_reply_means() {
    let profile = profile(PROFILE);
    let host = host("mapping: m\n");
    let cases = [
        (Some("<answer code='0' id='K1'/>"), Outcome::Delivered, None, Some("K1")),
        (Some("<answer code='7'/>"), Outcome::Duplicate, None, None),
        (Some("<answer code='9'><text>no</text></answer>"), Outcome::Rejected, Some("no"), None),
        (Some("<wait/>"), Outcome::Retry, None, None),
        (None, Outcome::Unknown, None, None),
    ];
    for (reply, outcome, reason, target) in cases {
        let document = reply.map(xml);
        let meaning = profile.read_reply("p/order@1", document.as_ref(), &host, &limits()).expect("a meaning");
        let found = (meaning.outcome, meaning.reason.as_deref(), meaning.xref.as_ref().map(|(_, id)| id.as_str()));
        assert_eq!(found, (outcome, reason, target), "{reply:?}");
    }
}

#[test]
fn settings_are_checked_by_name() {
    let profile = profile(PROFILE);
    let shown: Vec<String> = profile.check_settings(["sendr"]).iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "error XD-P001: the profile has no setting `sendr` (did you mean `sender`?)",
            "error XD-P002: the setting `sender` must be given (who sends)",
        ]
    );
    assert_eq!(profile.default_setting("version"), Some("2.0"));
}

#[test]
fn every_problem_of_a_profile_is_reported_where_it_stands() {
    let text = PROFILE
        .replace("- {type: p/note, each", "- {type: p/nte, each")
        .replace("outcome: duplicate", "outcome: dublicate")
        .replace("reason: =answer/text", "resaon: =answer/(")
        .replace("\"@n\": =$n", "\"@n\": =$m");
    let problems = Profile::compile(&text, &"profile.yaml".into(), &|_| None).expect_err("problems").to_string();
    for expected in [
        "profile.yaml:16:14: error XD-X003: ",
        "profile.yaml:20:12: error XD-P003: the profile has no document type `p/nte` (did you mean `p/note`?)",
        "profile.yaml:25:46: error XD-C004: `outcome` is one of `delivered`, `rejected`, `duplicate`, `retry`, `unknown`; \
         found `dublicate` (did you mean `duplicate`?)",
        "profile.yaml:26:48: error XD-C002: unknown key `resaon` (did you mean `reason`?)",
    ] {
        assert!(problems.contains(expected), "expected {expected}\nfound:\n{problems}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped(name: &str) -> Profile {
    let text = fs::read_to_string(root().join("mappings").join(name).join("profile.yaml")).expect("a profile");
    let files = |name: &str| fs::read(root().join("schemas").join(name)).ok();
    let models = |of: &DocumentType| {
        Some(std::sync::Arc::new(of.model(&files)?.unwrap_or_else(|problems| panic!("{problems}"))))
    };
    Profile::compile(&text, &"profile.yaml".into(), &models).unwrap_or_else(|problems| panic!("{name}: {problems}"))
}

#[test]
fn the_shipped_profiles_compile_and_read_their_own_documents() {
    let hub = shipped("hub");
    assert_eq!(hub.json_namespace(), Some("urn:crossdock:hub:1"));
    let order =
        "<SalesOrder xmlns='urn:crossdock:hub:1'><OrderNumber>SO-1</OrderNumber><SiteId>S01</SiteId></SalesOrder>";
    let found = hub.unwrap(&xml(order), &limits()).expect("unwrapped");
    assert_eq!(found[0].document_type.as_deref(), Some("hub/sales-order@1"));
    let facts = hub.facts("hub/sales-order@1", &found[0].document(&xml(order)), &limits()).expect("facts");
    assert_eq!(facts.dedup_key.as_deref(), Some("SO-1/1"));

    let u8 = shipped("u8");
    let host = host(
        "mapping: m\nid: msg_0192abcdef0192abcdef0192abcdef01\nbusiness-key: SO-1\nsettings: {sender: '001', receiver: u8, proc-add: Add, \
         codeexchanged: Y, exportneedexch: N, version: '2.0', billtype: ''}\n",
    );
    let wrapped = u8.wrap(&xml("<saleorder><header/></saleorder>"), &host, &limits()).expect("wrapped");
    assert_eq!(
        written(&wrapped),
        "<ufinterface sender=\"001\" receiver=\"u8\" roottag=\"saleorder\" docid=\"019201234501920123\" proc=\"Add\" \
         codeexchanged=\"Y\" exportneedexch=\"N\" version=\"2.0\"><saleorder><header/></saleorder></ufinterface>"
    );
    let found = u8.unwrap(&wrapped, &limits()).expect("unwrapped");
    assert_eq!(found[0].document_type.as_deref(), Some("u8/saleorder"));
}

#[test]
fn the_shipped_simulator_and_the_shipped_profile_understand_each_other() {
    let text = fs::read_to_string(root().join("mappings/u8/simulator.yaml")).expect("a simulator");
    let simulator =
        Simulator::compile(&text, &"simulator.yaml".into()).unwrap_or_else(|problems| panic!("simulator: {problems}"));
    let u8 = shipped("u8");
    let host = host("mapping: m\n");
    let request = xml(
        "<ufinterface sender='001' receiver='u8' roottag='saleorder' proc='Add' docid='1'><saleorder><header><code>A7</code>\
         <custcode>C1</custcode></header></saleorder></ufinterface>",
    );
    let read = simulator.read(&request, &host, &limits()).expect("read").expect("recognised");
    assert_eq!((read.document_type.as_str(), read.key.as_str()), ("u8/saleorder", "A7"));
    assert_eq!(read.requires.map(|requires| requires.id).as_deref(), Some("C1"));
    assert_eq!((read.when_new.as_str(), read.when_known.as_str()), ("ok", "duplicate"));
    let meanings = [
        ("ok", Outcome::Delivered),
        ("duplicate", Outcome::Duplicate),
        ("error", Outcome::Rejected),
        ("hollow", Outcome::Rejected),
        ("unknown-customer", Outcome::Rejected),
        ("html", Outcome::Unknown),
    ];
    for (name, outcome) in meanings {
        let values = ReplyValues { key: "A7", ..ReplyValues::default() };
        let reply = simulator.reply(name, &request, &values, &host, &limits()).expect("a reply");
        let document = match reply {
            SimulatedReply::Document { document, .. } => Some(document),
            SimulatedReply::Text { .. } => None,
        };
        let meaning = u8.read_reply("u8/saleorder", document.as_deref(), &host, &limits()).expect("a meaning");
        assert_eq!(meaning.outcome, outcome, "{name}: {:?}", document.map(|document| written(&document)));
    }
    assert!(simulator.reply("oops", &request, &ReplyValues::default(), &host, &limits()).is_err());
}
