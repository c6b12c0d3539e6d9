//! F16: a poisonous message in every stage, while good ones flow beside it.

use std::time::Duration;

use super::{
    check::Expect,
    load::{API_KEY, Plan},
    note::{Kind, Note},
    row::Row,
    sink::Fault,
    stage::{Design, Stage},
    support::Http,
};

/// Documents that cannot, or must not, be read.
fn poisons() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let xml = |name, body: String| (name, "application/xml", body.into_bytes());
    let json = |name, body: String| (name, "application/json", body.into_bytes());
    let entities: String =
        (1..20).map(|n| format!("<!ENTITY a{n} '{}'>", format!("&a{};", n - 1).repeat(10))).collect();
    let attributes: String = (0..20_000).map(|n| format!(" a{n}='x'")).collect();
    let namespaces: String = (0..20_000).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
    vec![
        ("no bytes", "application/xml", Vec::new()),
        ("zero bytes", "application/xml", vec![0; 5000]),
        (
            "random bytes",
            "application/xml",
            (0..=255).cycle().map(|byte: u8| byte.wrapping_mul(151)).take(9000).collect(),
        ),
        ("cut UTF-8", "application/xml", b"<Note><Key>\xe6\x95".to_vec()),
        ("wrong UTF-16", "application/xml", b"\xff\xfe<\0N\0\x00\xd8>\0".to_vec()),
        xml("unknown encoding", "<?xml version='1.0' encoding='X-KLINGON'?><Note/>".to_owned()),
        xml("wrong end", "<Note><Key>k1</Key></Nota>".to_owned()),
        xml("no end", "<Note><Key>k1".to_owned()),
        xml("deep nesting", "<Note>".repeat(100_000)),
        xml("huge attribute", format!("<Nota a='{}'><Key/></Nota>", "x".repeat(4_000_000))),
        xml("many attributes", format!("<Note{attributes}/>")),
        xml("many namespaces", format!("<Note{namespaces}/>")),
        xml("entities in entities", format!("<!DOCTYPE Note [<!ENTITY a0 'x'>{entities}]><Note>&a19;</Note>")),
        xml(
            "a file from outside",
            "<!DOCTYPE Note [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Note>&x;</Note>".to_owned(),
        ),
        xml("unknown root", "<Unknown/>".to_owned()),
        xml("many nodes", format!("<Nota>{}</Nota>", "<a/>".repeat(2_300_000))),
        json("deep JSON", "[".repeat(100_000)),
        json("a name twice", r#"{"Note":{"Key":"k1","Key":"k2"}}"#.to_owned()),
        json("a huge number", format!("{{\"Note\":{{\"Number\":1e{}}}}}", "9".repeat(400))),
        json("half a surrogate", r#"{"Note":{"Text":"\ud800"}}"#.to_owned()),
        json("no JSON", "{Note:1}".to_owned()),
    ]
}

fn kind(note: Note) -> Kind {
    match note.key {
        7 => Kind::Refused,
        11 => Kind::Malformed,
        _ => Kind::Plain,
    }
}

#[test]
fn f16_poison_in_every_stage() {
    let row = Row::begin(
        "F16",
        "poison in every stage: reading, mapping, reply; 21 documents, failing mappings, garbage replies",
        1,
        5,
    );
    // a refused note must not hold up those behind it: they are refused, too
    let edits = vec![("routes/notes.yaml", "order-by: =Note/Key", "order-by: =Note/Key\non-parked: continue")];
    let mut stage = Stage::set(Design { edits, ..Design::default() });
    // the reply to every second note of key 5 is garbage the first time
    stage.sink.mood(|number, target, note| match note {
        Some(Note { key: 5, .. }) if target == "books" && number.is_multiple_of(2) => Fault::Garbage,
        _ => Fault::None,
    });
    let load = stage.load(Plan { keys: 24, kind, pause: Duration::from_millis(10), ..Plan::default() });
    let (http, url) = (Http::new(), format!("http://127.0.0.1:{}/in/source/note", stage.node().ingest));
    let mut accepted = 0;
    for round in 0..row.rounds {
        for (name, content_type, body) in poisons() {
            let key = format!("poison-{round}-{name}");
            let headers = [("x-api-key", API_KEY), ("content-type", content_type), ("idempotency-key", &key)];
            let reply = http.post(&url, &headers, body).unwrap_or_else(|| panic!("{name}: no answer"));
            assert!((200..500).contains(&reply.status), "{name}: {}", reply.status);
            accepted += u64::from(reply.status < 300);
        }
    }
    load.stop();
    stage.sink.heal();
    let mut figures = stage.check(&Expect { others_parked: accepted, ..Expect::default() });
    figures.faults = row.rounds * poisons().len();
    row.held(&figures, "all neighbours flowed");
}
