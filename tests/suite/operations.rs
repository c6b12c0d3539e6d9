//! What operators see: health, numbers, messages; by HTTP and from the journal, which must agree.

use crate::support::{Erp, Hub, Setup, message};

/// A hub with one delivered customer, one delivered order, one parked order and one unreadable message.
fn busy() -> (Hub, Erp, Erp, [String; 4]) {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).start();
    let names = ["customer-C-1001.xml", "order-1.xml", "order-unmapped-code.xml", "bad-malformed.xml"];
    let ids = names.map(|name| hub.accept(message(name)));
    for (id, standing) in ids.iter().zip(["delivered", "delivered", "parked", "parked"]) {
        hub.await_standing(id, standing);
    }
    (hub, south, east, ids)
}

#[test]
fn the_command_line_and_the_listener_show_the_same() {
    let (hub, _south, _east, ids) = busy();
    for id in &ids {
        let shown = hub.command(&["messages", "show", id, "--json"]).expect(0).json();
        assert_eq!(shown, hub.message(id));
    }
    let counts = hub.command(&["messages", "counts", "--json"]).expect(0).json();
    assert_eq!(counts, hub.operator("/api/v1/counts"));
    let of = |key: &str| counts[key].as_u64();
    assert_eq!((of("total"), of("routed"), of("parked"), of("unaccounted")), (Some(4), Some(3), Some(1), Some(0)));
}

#[test]
fn messages_are_listed_newest_first_and_filtered() {
    let (hub, _south, _east, ids) = busy();
    let list = |more: &[&str]| -> Vec<String> {
        let mut arguments = vec!["messages", "list", "--json"];
        arguments.extend(more);
        let listed = hub.command(&arguments).expect(0).json();
        let items = listed["items"].as_array().expect("a list").clone();
        items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    };
    let [customer, order, unmapped, malformed] = &ids;
    assert_eq!(list(&[]).iter().collect::<Vec<_>>(), [malformed, unmapped, order, customer]);
    assert_eq!(list(&["--limit", "1"]), std::slice::from_ref(malformed));
    assert_eq!(list(&["--state", "parked"]), [malformed.clone(), unmapped.clone()]);
    assert_eq!(list(&["--key", "SO-2026-0001"]), std::slice::from_ref(order));
    assert_eq!(list(&["--type", "hub/customer@1"]), std::slice::from_ref(customer));
    assert_eq!(list(&["--text", "网销部"]), std::slice::from_ref(unmapped), "reasons are searched too");
    assert!(list(&["--system", "nobody"]).is_empty());
    for (limit, more) in [("3", true), ("4", false)] {
        let listed = hub.command(&["messages", "list", "--json", "--limit", limit]).expect(0).json();
        assert_eq!(listed["more"], more, "limit {limit}");
    }
    let ran = hub.command(&["messages", "list", "--state", "lost"]).expect(2);
    assert!(ran.talk.contains("parked"), "{}", ran.talk);
}

#[test]
fn a_message_is_found_by_its_business_key_and_its_delivery() {
    let (hub, _south, _east, ids) = busy();
    let id = |found: serde_json::Value| found["id"].as_str().expect("an id").to_owned();
    assert_eq!(id(hub.command(&["messages", "show", "SO-2026-0001", "--json"]).expect(0).json()), ids[1]);
    let delivery = hub.message(&ids[1])["deliveries"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(id(hub.command(&["messages", "show", &delivery, "--json"]).expect(0).json()), ids[1]);
    hub.command(&["messages", "show", "SO-0000"]).expect(3);
    let text = hub.command(&["messages", "show", "SO-2026-0001", "--content"]).expect(0).text();
    for expected in ["客户要求周末交车", "<ufinterface", "succeed=\"0\"", "attempt 1"] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn the_journal_verifies_while_the_hub_runs_and_after_it_stopped() {
    let (mut hub, _south, _east, _ids) = busy();
    let verified = hub.command(&["messages", "verify", "--json"]).expect(0).json();
    assert!(verified["digests"].as_u64().is_some_and(|count| count >= 6), "{verified:#}");
    assert_eq!(hub.stop().code(), Some(0));
    let again = hub.command(&["messages", "verify", "--json"]).expect(0).json();
    assert_eq!(again, verified);
}

#[test]
fn health_and_metrics_are_told() {
    let (hub, _south, _east, _ids) = busy();
    assert_eq!(hub.operator("/livez")["status"], "ok");
    assert_eq!(hub.operator("/readyz")["status"], "ok");
    let metrics = crate::support::Http::new().get(&format!("{}/metrics", hub.operations()), &[]).expect("an answer");
    let text = String::from_utf8(metrics.body).expect("text");
    for expected in ["destination=\"u8-south\"", "state=\"delivered\"", "unaccounted"] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("王建国") && !text.contains("SO-2026"), "no payload in a metric");
}

#[test]
fn no_log_line_holds_a_payload_or_a_secret() {
    let (hub, _south, _east, _ids) = busy();
    let log = hub.log();
    for never in ["王建国", "13900000001", "440199", crate::support::KEY] {
        assert!(!log.contains(never), "{never}");
    }
}

#[test]
fn unknown_things_are_problem_documents() {
    let (hub, ..) = busy();
    let http = crate::support::Http::new();
    for (path, status) in [
        ("/api/v1/messages/msg_0", 404),
        ("/api/v1/message", 404),
        ("/api/v1/messages?state=lost", 400),
        ("/api/v1/messages?sate=parked", 400),
        ("/api/v1/messages?limit=many", 400),
    ] {
        let reply = http.get(&format!("{}{path}", hub.operations()), &[]).expect("an answer");
        assert_eq!((reply.status, reply.header("content-type")), (status, Some("application/problem+json")), "{path}");
        let body = reply.json();
        for key in ["type", "title", "status", "detail", "instance", "code"] {
            assert!(!body[key].is_null(), "{path}: no `{key}`: {body:#}");
        }
    }
}

#[test]
fn without_a_journal_there_is_nothing_to_show() {
    let setup = Setup::dealer_group();
    let ran = crate::support::crossdock(&["messages", "list", "--config", setup.config().as_str()]);
    assert!([3, 5].contains(&ran.code), "{ran:?}");
    assert!(!setup.at("data").exists(), "looking makes nothing");
}

#[test]
fn a_second_hub_on_the_same_journal_does_not_start() {
    let (hub, ..) = busy();
    let config = hub.config();
    let other =
        ["run", "--config", &config, "--set", "ingest.listen=127.0.0.1:0", "--set", "operations.listen=127.0.0.1:0"];
    let ran = crate::support::crossdock(&other);
    assert!([70, 78].contains(&ran.code), "{ran:?}");
    assert!(ran.talk.contains("XD-J") || ran.talk.contains("in use"), "{}", ran.talk);
    assert_eq!(hub.operator("/readyz")["status"], "ok");
}
