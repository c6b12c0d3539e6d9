//! The HTTP door over real sockets, with an intake that answers to order.

mod secured;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    base::{Clock, Problem, Secret, Timestamp},
    transport::{Access, Arrival, HttpInConfig, Intake, Readiness, Refusal, Verdict, code, router, serve},
};

/// Accepts everything for system `crm` with key `good`, unless told otherwise.
#[derive(Default)]
struct Fake {
    seen: Mutex<Vec<Arrival>>,
    verdicts: Mutex<VecDeque<Verdict>>,
    closed: bool,
    held: Option<(Notify, Notify)>,
}

#[async_trait]
impl Intake for Fake {
    async fn accept(&self, arrival: Arrival) -> Verdict {
        if let Some((reached, go_on)) = &self.held {
            reached.notify_one();
            go_on.notified().await;
        }
        self.seen.lock().expect("the list").push(arrival);
        let ordered = self.verdicts.lock().expect("the list").pop_front();
        ordered.unwrap_or(Verdict::Accepted { message_id: "msg_1".to_owned(), duplicate: false })
    }

    fn authorize(&self, system: &str, key: Option<&Secret>) -> Access {
        match (system, key.map(Secret::expose)) {
            ("crm", Some("good")) => Access::Granted,
            ("crm", _) => Access::Denied,
            _ => Access::UnknownSystem,
        }
    }

    fn readiness(&self) -> Readiness {
        if self.closed {
            let why = "storage is low".to_owned();
            Readiness::Closed { retry_after: Duration::from_millis(4500), code: code::NOT_ACCEPTING, why }
        } else {
            Readiness::Open
        }
    }

    async fn status(&self, _: &str, message_id: &str) -> Option<Value> {
        (message_id == "msg_1").then(|| serde_json::json!({ "state": "delivered" }))
    }
}

/// Noon of some day.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::of_http_date("Sun, 06 Nov 1994 12:00:00 GMT").expect("a date")
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

async fn start(fake: Arc<Fake>, config: HttpInConfig) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let token = shutdown.clone();
    tasks.spawn(async move {
        let router = router(fake, &config, Arc::new(Noon));
        serve(listener, router, &config, token).await.expect("the server ends well");
    });
    Running { address, shutdown, tasks }
}

fn config() -> HttpInConfig {
    HttpInConfig { max_body_bytes: 10, ..HttpInConfig::default() }
}

/// Short deadlines, each for the test that waits for it.
fn hasty() -> HttpInConfig {
    HttpInConfig { header_timeout_ms: 100, body_idle_timeout_ms: 100, keep_alive_ms: 100, ..config() }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends text and returns everything that comes until the server closes.
    async fn exchange(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.expect("written");
        rest(&mut stream).await
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).await.expect("the server closes in order");
    String::from_utf8(seen).expect("UTF-8")
}

const HEAD: &str = "host: a\r\nconnection: close\r\nauthorization: Bearer good\r\n";

#[tokio::test]
async fn an_accepted_message_is_answered_with_its_id_and_where_to_ask() {
    let fake = Arc::new(Fake::default());
    let server = start(fake.clone(), config()).await;
    let answer = server
        .exchange(&format!(
            "POST /in/crm/hub/sales-order@1 HTTP/1.1\r\n{HEAD}content-type: application/xml\r\nidempotency-key: \"k1\"\r\n\
             x-ignored: 1\r\nce-type: t\r\ncontent-length: 4\r\n\r\n<a/>"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.contains("location: /in/crm/messages/msg_1\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"message_id":"msg_1","duplicate":false,"status_url":"/in/crm/messages/msg_1"}"#));
    let seen = fake.seen.lock().expect("the list");
    assert_eq!(seen[0].document_type, "hub/sales-order@1");
    assert_eq!(seen[0].bytes, "<a/>");
    assert_eq!(seen[0].key.as_deref(), Some("k1"));
    assert_eq!(seen[0].content_type.as_deref(), Some("application/xml"));
    let names: Vec<_> = seen[0].attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["ce-type", "remote_addr"]);
}

#[tokio::test]
async fn bodies_beyond_the_memory_set_apart_for_them_are_told_to_come_again() {
    let fake = Arc::new(Fake { held: Some((Notify::new(), Notify::new())), ..Fake::default() });
    let config = HttpInConfig { max_body_bytes: 4096, max_in_flight_bytes: 4096, ..HttpInConfig::default() };
    let server = start(fake.clone(), config).await;
    let post = |framing: &str, body: &str| format!("POST /in/crm HTTP/1.1\r\n{HEAD}{framing}\r\n\r\n{body}");
    let body = "x".repeat(3000);
    let first = post("content-length: 3000", &body);
    let first = server.exchange(&first);
    let others = async {
        let (reached, go_on) = fake.held.as_ref().expect("it holds");
        reached.notified().await;
        let chunked = format!("bb8\r\n{body}\r\n0\r\n\r\n");
        for request in [post("content-length: 3000", &body), post("transfer-encoding: chunked", &chunked)] {
            let answer = server.exchange(&request).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("retry-after: 1\r\n") && answer.contains("XD-T025"), "{answer}");
        }
        go_on.notify_one();
        // it holds the next one, too
        go_on.notify_one();
    };
    let (first, ()) = tokio::join!(first, others);
    assert!(first.starts_with("HTTP/1.1 202 "), "{first}");
    let request = post("content-length: 3000", &body);
    let again = server.exchange(&request);
    let go_on = async {
        let (reached, go_on) = fake.held.as_ref().expect("it holds");
        reached.notified().await;
        go_on.notify_one();
    };
    let (again, ()) = tokio::join!(again, go_on);
    assert!(again.starts_with("HTTP/1.1 202 "), "the room is given back: {again}");
}

#[tokio::test]
async fn a_repetition_says_so() {
    let fake = Arc::new(Fake::default());
    let again = Verdict::Accepted { message_id: "msg_1".to_owned(), duplicate: true };
    fake.verdicts.lock().expect("the list").push_back(again);
    let server = start(fake, config()).await;
    let answer = server.exchange(&format!("POST /in/crm HTTP/1.1\r\n{HEAD}content-length: 1\r\n\r\nx")).await;
    assert!(answer.contains("idempotency-replayed: true\r\n") && answer.contains(r#""duplicate":true"#), "{answer}");
}

#[tokio::test]
async fn every_refusal_is_a_problem_document_with_its_status_and_code() {
    let server = start(Arc::new(Fake::default()), config()).await;
    for (request, status, id) in [
        ("POST /in/crm/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx", 401, "XD-T001"),
        (
            "POST /in/crm/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-api-key: bad\r\ncontent-length: 1\r\n\r\nx",
            401,
            "XD-T001",
        ),
        (&format!("POST /in/erp/a HTTP/1.1\r\n{HEAD}content-length: 1\r\n\r\nx"), 404, "XD-T002"),
        (&format!("POST /elsewhere HTTP/1.1\r\n{HEAD}content-length: 1\r\n\r\nx"), 404, "XD-T003"),
        (&format!("GET /in/crm/messages/msg_9 HTTP/1.1\r\n{HEAD}\r\n"), 404, "XD-T004"),
        (&format!("DELETE /in/crm/a HTTP/1.1\r\n{HEAD}\r\n"), 405, "XD-T005"),
        (&format!("POST /in/crm/a HTTP/1.1\r\n{HEAD}content-length: 11\r\n\r\n12345678901"), 413, "XD-T007"),
        (
            &format!(
                "POST /in/crm/a HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n"
            ),
            413,
            "XD-T007",
        ),
        (
            &format!("POST /in/crm/a HTTP/1.1\r\n{HEAD}content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx"),
            415,
            "XD-T008",
        ),
        (&format!("POST /in/crm/a HTTP/1.1\r\n{HEAD}idempotency-key:\r\ncontent-length: 1\r\n\r\nx"), 400, "XD-T011"),
    ] {
        let answer = server.exchange(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(id), Some(status)), "{request}");
    }
}

#[tokio::test]
async fn a_body_is_not_read_before_the_caller_is_known() {
    let server = start(Arc::new(Fake::default()), config()).await;
    let answer = server
        .exchange("POST /in/crm/a HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "no 100 Continue comes first: {answer}");
}

#[tokio::test]
async fn a_conflict_names_the_message_in_the_way_and_titles_follow_the_language() {
    let fake = Arc::new(Fake::default());
    fake.verdicts.lock().expect("the list").push_back(Verdict::Refused(Refusal {
        status: 422,
        problem: Problem::new(code::BAD_HEADER, "the same key came with other bytes"),
        retry_after: None,
        existing: Some("msg_0".to_owned()),
    }));
    let server = start(fake, config()).await;
    let request = format!("POST /in/crm/a HTTP/1.1\r\n{HEAD}accept-language: zh-CN\r\ncontent-length: 1\r\n\r\nx");
    let answer = server.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 422 ") && answer.contains("请求头无效"), "{answer}");
    assert!(answer.contains(r#""message_id":"msg_0""#) && answer.contains(r#""retryable":false"#), "{answer}");
}

#[tokio::test]
async fn a_closed_intake_says_when_to_come_back() {
    let server = start(Arc::new(Fake { closed: true, ..Fake::default() }), config()).await;
    let answer = server.exchange(&format!("POST /in/crm/a HTTP/1.1\r\n{HEAD}content-length: 1\r\n\r\nx")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5\r\n"), "{answer}");
    assert!(answer.contains("XD-T009") && answer.contains(r#""retryable":true"#), "{answer}");
}

#[tokio::test]
async fn the_status_page_of_a_message_is_for_its_own_system_only() {
    let server = start(Arc::new(Fake::default()), config()).await;
    let answer = server.exchange(&format!("GET /in/crm/messages/msg_1 HTTP/1.1\r\n{HEAD}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"state":"delivered"}"#), "{answer}");
    let stranger = server.exchange("GET /in/crm/messages/msg_1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(stranger.starts_with("HTTP/1.1 401 "), "{stranger}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let server = start(Arc::new(Fake::default()), hasty()).await;
    assert_eq!(server.exchange("").await, "");
    assert_eq!(server.exchange("POST /in/crm/a HTTP/1.1\r\nhost:").await, "");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_408_and_closed() {
    let server = start(Arc::new(Fake::default()), hasty()).await;
    let answer =
        server.exchange("POST /in/crm/a HTTP/1.1\r\nhost: a\r\nx-api-key: good\r\ncontent-length: 9\r\n\r\n123").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("XD-T006"), "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_forever_is_cut_off_at_the_requests_deadline() {
    let config = HttpInConfig { request_timeout_ms: 200, max_body_bytes: 1 << 20, ..HttpInConfig::default() };
    let server = start(Arc::new(Fake::default()), config).await;
    let (mut read, mut write) = server.connect().await.into_split();
    let head = b"POST /in/crm/a HTTP/1.1\r\nhost: a\r\nx-api-key: good\r\ncontent-length: 1000000\r\n\r\n";
    write.write_all(head).await.expect("written");
    let drip = async {
        let mut drops = tokio::time::interval(Duration::from_millis(10));
        while write.write_all(b"1").await.is_ok() {
            drops.tick().await;
        }
    };
    let mut answer = vec![0_u8; 12];
    tokio::select! {
        read = read.read_exact(&mut answer) => assert_eq!(read.expect("an answer"), 12),
        () = drip => panic!("the connection ended without an answer"),
    }
    assert_eq!(answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(Arc::new(Fake::default()), hasty()).await;
    let answer = server.exchange("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn heads_beyond_the_caps_are_refused() {
    let server =
        start(Arc::new(Fake::default()), HttpInConfig { max_header_bytes: 8192, max_headers: 20, ..config() }).await;
    let many: String = (0..30).map(|n| format!("x{n}: 1\r\n")).collect();
    for extra in [many, format!("x: {}\r\n", "y".repeat(9000))] {
        let answer = server.exchange(&format!("POST /in/crm/a HTTP/1.1\r\n{HEAD}{extra}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn one_address_gets_only_its_share_of_connections() {
    let server = start(Arc::new(Fake::default()), HttpInConfig { max_connections_per_ip: 1, ..config() }).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
    let mut status = [0_u8; 12];
    first.read_exact(&mut status).await.expect("an answer");
    assert_eq!(rest(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn stopping_finishes_the_request_in_flight_and_closes_silent_connections_at_once() {
    let fake = Arc::new(Fake { held: Some((Notify::new(), Notify::new())), ..Fake::default() });
    let mut server = start(fake.clone(), config()).await;
    let mut silent = server.connect().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /in/crm/a HTTP/1.1\r\nhost: a\r\nx-api-key: good\r\ncontent-length: 1\r\n\r\nx")
        .await
        .expect("written");
    let (reached, go_on) = fake.held.as_ref().expect("held");
    reached.notified().await;
    server.shutdown.cancel();
    assert_eq!(rest(&mut silent).await, "");
    go_on.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    drop((silent, stream));
    server.tasks.join_next().await.expect("the server").expect("it ended");
    assert!(TcpStream::connect(server.address).await.is_err());
}
