//! What a sender hears over HTTP, and what becomes of bad messages.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crossdock::cli::codes;
use serde_json::Value;

use crate::support::{Erp, Http, Hub, KEY, PATIENCE, Reply, Setup, customer, message, message_text, wait_until};

/// A hub between two partners that do what they should.
fn hub() -> (Hub, Erp, Erp) {
    let (south, east) = (Erp::u8(), Erp::u8());
    (Setup::between(&south, &east).start(), south, east)
}

/// The answer as the RFC 9457 document it must be.
#[track_caller]
fn problem(reply: &Reply, status: u16, code: &str, instance: &str) -> Value {
    assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let body = reply.json();
    assert_eq!(body["code"], code, "{body:#}");
    assert_eq!(body["type"], format!("urn:crossdock:error:{code}"));
    assert_eq!(body["status"], status);
    assert_eq!(body["instance"], instance);
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body:#}");
    let code = codes().into_iter().find(|known| known.id == code).expect("a known code");
    assert!(body["title"] == code.title || body["title"] == code.title_zh, "{body:#}");
    body
}

/// Sends bytes as they are; what comes back until the connection ends or a whole head with its body is there.
fn raw(hub: &Hub, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", hub.ingest_port())).expect("the hub listens");
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // the hub may answer and close before it has read everything
    let _ = connection.write_all(request);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"}") {
        match connection.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A bad message is accepted and parked with its place; a good one behind it arrives.
#[track_caller]
fn parks_and_neighbours_flow(bad: Vec<u8>, headers: &[(&str, &str)]) -> Value {
    let (hub, south, _east) = hub();
    let reply = hub.send("hub/sales-order", bad, headers);
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    let id = reply.json()["message_id"].as_str().expect("an id").to_owned();
    hub.await_standing(&id, "parked");
    let shown = hub.command(&["messages", "show", &id, "--json"]).expect(0).json();
    let good = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&good, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001"]);
    shown
}

#[test]
fn a_good_message_reaches_its_destination() {
    let (hub, south, east) = hub();
    let reply = hub.send("hub/customer", message("customer-C-1001.xml"), &[]);
    assert_eq!(reply.status, 202);
    let body = reply.json();
    assert_eq!(body["duplicate"], false);
    assert_eq!(reply.header("location"), body["status_url"].as_str());
    hub.await_standing(body["message_id"].as_str().expect("an id"), "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001"]);
    assert!(east.received().is_empty());
}

#[test]
fn malformed_xml_is_parked_with_its_place_and_neighbours_flow() {
    let shown = parks_and_neighbours_flow(message("bad-malformed.xml"), &[]);
    let reason = &shown["reason"];
    assert!(reason["code"].as_str().is_some_and(|code| code.starts_with("XD-F")), "{shown:#}");
    assert_eq!((reason["line"].as_u64(), reason["column"].as_u64()), (Some(6), Some(24)), "{shown:#}");
    assert_eq!(shown["standing"], "parked");
}

#[test]
fn a_wrong_charset_is_parked_with_its_place_and_neighbours_flow() {
    let bytes = message("bad-charset.xml");
    let first_bad = bytes.iter().position(|byte| !byte.is_ascii()).expect("bytes beyond ASCII");
    let line = 1 + bytes[..first_bad].iter().filter(|byte| **byte == b'\n').count() as u64;
    let shown = parks_and_neighbours_flow(bytes, &[]);
    let reason = &shown["reason"];
    assert!(reason["code"].as_str().is_some_and(|code| code.starts_with("XD-F")), "{shown:#}");
    assert_eq!(reason["line"], line, "{shown:#}");
    assert!(reason["column"].as_u64().is_some_and(|column| column > 0), "{shown:#}");
}

#[test]
fn neither_xml_nor_json_is_parked_and_neighbours_flow() {
    let shown = parks_and_neighbours_flow(b"OrderNumber;Customer\r\n1;2\r\n".to_vec(), &[]);
    assert_eq!(shown["reason"]["code"], "XD-D003", "{shown:#}");
}

#[test]
fn an_empty_body_is_parked_and_neighbours_flow() {
    let shown = parks_and_neighbours_flow(Vec::new(), &[]);
    assert!(shown["reason"]["code"].as_str().is_some_and(|code| code.starts_with("XD-")), "{shown:#}");
}

#[test]
fn a_wrong_charset_in_the_media_type_is_parked_and_neighbours_flow() {
    let headers = [("content-type", "application/xml; charset=no-such-charset")];
    let shown = parks_and_neighbours_flow(message("order-1.xml"), &headers);
    assert!(shown["reason"]["code"].as_str().is_some_and(|code| code.starts_with("XD-F")), "{shown:#}");
}

#[test]
fn an_unknown_root_element_is_parked_and_neighbours_flow() {
    let shown = parks_and_neighbours_flow(b"<?xml version='1.0'?><Invoice/>".to_vec(), &[]);
    assert!(shown["reason"]["code"].as_str().is_some_and(|code| code.starts_with("XD-D")), "{shown:#}");
}

#[test]
fn check_before_accept_tells_the_sender_at_once() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup =
        Setup::between(&south, &east).replace("systems/crm.yaml", "profile: hub", "profile: hub\ncheck: before-accept");
    let hub = setup.start();
    let reply = hub.send("hub/sales-order", message("bad-malformed.xml"), &[]);
    let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
    assert!(code.starts_with("XD-F"), "{code}");
    let body = problem(&reply, 422, &code, "/in/crm/hub/sales-order");
    assert_eq!(body["errors"][0]["line"], 6, "{body:#}");
    assert_eq!(body["errors"][0]["column"], 24, "{body:#}");
    assert_eq!(body["retryable"], false);
    assert_eq!(hub.operator("/api/v1/counts")["total"], 0);
    let id = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&id, "delivered");
}

#[test]
fn an_unknown_type_is_refused_with_a_hint() {
    let (hub, ..) = hub();
    let reply = hub.send("hub/sales-ordr", message("order-1.xml"), &[]);
    let body = problem(&reply, 404, "XD-D001", "/in/crm/hub/sales-ordr");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("hub/sales-order")), "{body:#}");
}

#[test]
fn an_unknown_system_is_refused() {
    let (hub, ..) = hub();
    let reply = hub.send_as("nobody", "hub/customer", message("customer-C-1001.xml"), &[]);
    problem(&reply, 404, "XD-T002", "/in/nobody/hub/customer");
    // a system that takes nothing over HTTP is as unknown as one that is not there
    let reply = hub.send_as("u8-south", "u8/customer", message("customer-C-1001.xml"), &[]);
    problem(&reply, 404, "XD-T002", "/in/u8-south/u8/customer");
}

#[test]
fn a_missing_or_wrong_key_is_refused() {
    let (hub, ..) = hub();
    for headers in [[("x-api-key", "wrong-key-of-some-length")], [("x-api-key", "")], [("authorization", "Basic eDp5")]]
    {
        let reply = hub.send("hub/customer", message("customer-C-1001.xml"), &headers);
        problem(&reply, 401, "XD-T001", "/in/crm/hub/customer");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let bearer = format!("Bearer {KEY}");
    let reply = hub.send("hub/customer", message("customer-C-1001.xml"), &[("authorization", &bearer)]);
    assert_eq!(reply.status, 202);
    assert_eq!(hub.operator("/api/v1/counts")["total"], 1);
}

#[test]
fn without_the_key_not_a_byte_of_the_body_is_waited_for() {
    let (hub, ..) = hub();
    let head = "POST /in/crm/hub/customer HTTP/1.1\r\nHost: hub\r\nContent-Type: application/xml\r\n\
                Content-Length: 1000000000000\r\n\r\n";
    let answer = raw(&hub, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("XD-T001"), "{answer}");
}

#[test]
fn an_oversize_body_is_refused_announced_or_not() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let hub = Setup::between(&south, &east).setting("ingest.max_body", r#""4KiB""#).start();
    let too_large = "XD-T007";
    let head = format!("POST /in/crm/hub/customer HTTP/1.1\r\nHost: hub\r\nX-Api-Key: {KEY}\r\n");
    let announced = raw(&hub, format!("{head}Content-Length: 4097\r\n\r\n").as_bytes());
    assert!(announced.starts_with("HTTP/1.1 413 ") && announced.contains(too_large), "{announced}");
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    let chunked = raw(&hub, format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n").as_bytes());
    assert!(chunked.starts_with("HTTP/1.1 413 ") && chunked.contains(too_large), "{chunked}");
    let reply = hub.send("hub/customer", vec![b' '; 4097], &[]);
    problem(&reply, 413, too_large, "/in/crm/hub/customer");
    assert_eq!(hub.operator("/api/v1/counts")["total"], 0);
    let id = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&id, "delivered");
}

/// Headers that name a message's key, each way there is.
const KEY_HEADERS: [&[(&str, &str)]; 4] = [
    &[("idempotency-key", "k-1")],
    &[("idempotency-key", "\"k-2\"")],
    &[("webhook-id", "k-3")],
    &[("ce-source", "crm"), ("ce-id", "k-4")],
];

#[test]
fn the_same_key_with_the_same_bytes_is_the_same_message() {
    let (hub, south, _east) = hub();
    for (index, headers) in KEY_HEADERS.iter().enumerate() {
        let bytes = message_text("customer-C-1001.xml").replace("C-1001", &format!("C-110{index}")).into_bytes();
        let first = hub.send("hub/customer", bytes.clone(), headers);
        assert_eq!((first.status, first.header("idempotency-replayed")), (202, None));
        let second = hub.send("hub/customer", bytes, headers);
        assert_eq!((second.status, second.header("idempotency-replayed")), (202, Some("true")));
        let (first, second) = (first.json(), second.json());
        assert_eq!((&first["duplicate"], &second["duplicate"]), (&Value::Bool(false), &Value::Bool(true)));
        assert_eq!(first["message_id"], second["message_id"]);
        hub.await_standing(first["message_id"].as_str().expect("an id"), "delivered");
    }
    assert_eq!(south.received().len(), KEY_HEADERS.len());
    assert_eq!(hub.operator("/api/v1/counts")["total"], KEY_HEADERS.len());
}

#[test]
fn the_same_key_with_other_bytes_is_refused_and_names_the_first() {
    let (hub, ..) = hub();
    for headers in KEY_HEADERS {
        let first = hub.send("hub/customer", message("customer-C-1001.xml"), headers).json();
        let second = hub.send("hub/customer", message("customer-C-1009.xml"), headers);
        let body = problem(&second, 422, "XD-D002", "/in/crm/hub/customer");
        assert_eq!(body["message_id"], first["message_id"]);
    }
    assert_eq!(hub.operator("/api/v1/counts")["total"], KEY_HEADERS.len());
}

#[test]
fn a_document_is_its_own_key_when_no_header_names_one() {
    let (hub, south, _east) = hub();
    hub.accept(message("customer-C-1001.xml"));
    let first = hub.send("", message("order-1.xml"), &[]).json();
    let second = hub.send("hub/sales-order", message("order-1.xml"), &[]);
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(second.json()["message_id"], first["message_id"]);
    let other_bytes = hub.send("", message("order-1.json"), &[]);
    let body = problem(&other_bytes, 422, "XD-D002", "/in/crm");
    assert_eq!(body["message_id"], first["message_id"]);
    hub.await_standing(first["message_id"].as_str().expect("an id"), "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260001"]);
}

#[test]
fn a_bad_key_header_is_refused() {
    let (hub, ..) = hub();
    let long = "k".repeat(256);
    for (name, value) in [("idempotency-key", ""), ("idempotency-key", long.as_str()), ("webhook-id", "\"\"")] {
        let reply = hub.send("hub/customer", message("customer-C-1001.xml"), &[(name, value)]);
        let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
        let body = problem(&reply, 400, &code, "/in/crm/hub/customer");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{body:#}");
    }
}

#[test]
fn the_status_is_told_to_the_sender_and_nobody_else() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    let portal = setup.read("systems/crm.yaml").replace("system: crm", "system: portal");
    let hub = setup.file("systems/portal.yaml", &portal).start();
    let body = hub.send("hub/customer", message("customer-C-1001.xml"), &[]).json();
    let (id, url) = (body["message_id"].as_str().expect("an id"), body["status_url"].as_str().expect("an address"));
    hub.await_standing(id, "delivered");
    let told = hub.get(url, &[("x-api-key", KEY)]);
    assert_eq!(told.status, 200);
    let told = told.json();
    assert_eq!((&told["message_id"], &told["standing"]), (&body["message_id"], &Value::from("delivered")));
    assert_eq!(told["deliveries"][0]["destination"], "u8-south");
    problem(&hub.get(url, &[]), 401, "XD-T001", url);
    let elsewhere = url.replace("/in/crm/", "/in/portal/");
    let unknown = hub.get(&elsewhere, &[("x-api-key", KEY)]);
    let code = unknown.json()["code"].as_str().unwrap_or_default().to_owned();
    problem(&unknown, 404, &code, &elsewhere);
}

#[test]
fn titles_come_in_the_senders_language() {
    let (hub, ..) = hub();
    for (accepts, language, title) in [
        ("zh-CN,zh;q=0.9,en;q=0.5", "zh-CN", "未知的单据类型"),
        ("en-GB,zh;q=0.3", "en", "unknown document type"),
        ("de", "en", "unknown document type"),
    ] {
        let reply = hub.send("hub/nonsense", message("order-1.xml"), &[("accept-language", accepts)]);
        let body = problem(&reply, 404, "XD-D001", "/in/crm/hub/nonsense");
        assert_eq!((body["title"].as_str(), reply.header("content-language")), (Some(title), Some(language)));
    }
}

#[test]
fn every_other_refusal_is_a_problem_document_too() {
    let (hub, ..) = hub();
    let not_there = hub.get("/nowhere", &[]);
    let code = |reply: &Reply| reply.json()["code"].as_str().unwrap_or_default().to_owned();
    problem(&not_there, 404, &code(&not_there), "/nowhere");
    let wrong_method = hub.get("/in/crm/hub/customer", &[("x-api-key", KEY)]);
    problem(&wrong_method, 405, &code(&wrong_method), "/in/crm/hub/customer");
    let encoded = hub.send("hub/customer", vec![0x1f, 0x8b], &[("content-encoding", "gzip")]);
    problem(&encoded, 415, &code(&encoded), "/in/crm/hub/customer");
}

#[test]
fn many_senders_at_once_lose_nothing_and_double_nothing() {
    let (hub, south, _east) = hub();
    // every message is sent by two of the senders, under one key
    std::thread::scope(|scope| {
        for sender in 0..8 {
            let url = format!("{}/in/crm/hub/customer", hub.ingest());
            scope.spawn(move || {
                let http = Http::new();
                for n in 0..20 {
                    let id = format!("C-7{}{n:02}", sender / 2);
                    let headers = [("x-api-key", KEY), ("idempotency-key", id.as_str())];
                    let reply = http.post(&url, &headers, customer(&id)).expect("the hub answers");
                    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
                }
            });
        }
    });
    wait_until("all are delivered", || {
        let counts = hub.operator("/api/v1/counts");
        counts["deliveries"].as_array().is_some_and(|rows| rows.len() == 1 && rows[0]["state"] == "delivered")
            && counts["accepted"] == 0
    });
    assert_eq!(hub.operator("/api/v1/counts")["total"], 80);
    let written = south.written();
    assert_eq!((written.len(), written.iter().collect::<BTreeSet<_>>().len()), (80, 80));
}
