//! The HTTP sink against partners that answer, cut, reset and hang.

mod secured;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::{HttpSink, delay};
use crate::{
    base::{Clock, Secret, Timestamp},
    transport::{Answer, Egress, EgressConfig, HttpAuth, HttpOutConfig, Outgoing, Sink as _},
};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::of_http_date("Sun, 06 Nov 1994 12:00:00 GMT").expect("a date")
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn outgoing() -> Outgoing {
    Outgoing {
        delivery_id: "dlv_1".to_owned(),
        message_id: "msg_1".to_owned(),
        attempt: 1,
        bytes: Bytes::from_static(b"<a/>"),
        content_type: "application/xml".to_owned(),
        business_key: None,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        document_type: "ubl/Order@2.1".to_owned(),
    }
}

fn egress() -> Egress {
    Egress::new(&EgressConfig::default()).expect("good settings")
}

fn sink(url: String) -> HttpSink {
    let config =
        HttpOutConfig { url, timeout_ms: 300, connect_timeout_ms: 300, response_limit: 8, ..Default::default() };
    HttpSink::new(&config, &Arc::new(egress()), Arc::new(Noon)).expect("good settings")
}

/// Reads one request with the body `<a/>`.
async fn request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"<a/>") {
        assert_ne!(stream.read_buf(&mut seen).await.expect("a request"), 0, "the request ended early");
    }
    String::from_utf8(seen).expect("ASCII")
}

/// What the sink says when the partner reads the request, writes `reply` and ends (or resets) the connection.
async fn told(reply: &'static str, reset: bool) -> (Answer, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let sink = sink(format!("http://{}/in?key=hidden", listener.local_addr().expect("an address")));
    let partner = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let seen = request(&mut stream).await;
        stream.write_all(reply.as_bytes()).await.expect("written");
        if reset {
            stream.set_zero_linger().expect("linger");
        }
        seen
    };
    let sent = outgoing();
    tokio::join!(sink.send(&sent), partner)
}

#[tokio::test]
async fn a_delivery_carries_its_identity_and_the_reply_comes_back_capped() {
    let reply = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 12\r\n\r\n123456789012";
    let (answer, seen) = told(reply, false).await;
    let expected = Answer::Response {
        status: Some(200),
        content_type: Some("text/plain".to_owned()),
        body: Bytes::from_static(b"12345678"),
        retry_after: None,
    };
    assert_eq!(answer, expected);
    for header in [
        "POST /in?key=hidden HTTP/1.1",
        "idempotency-key: dlv_1",
        "webhook-id: dlv_1",
        "crossdock-message-id: msg_1",
        "content-type: application/xml",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert!(seen.contains(header), "{header} is missing in {seen}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (answer, _) =
        told("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", false).await;
    assert!(matches!(answer, Answer::Response { status: Some(302), .. }), "{answer:?}");
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    for (wish, expected) in [
        ("7", Some(7)),
        ("Sun, 06 Nov 1994 12:01:00 GMT", Some(60)),
        ("Sun, 06 Nov 1994 11:59:00 GMT", Some(0)),
        ("soon", None),
        ("-5", None),
        ("Sunday, 06-Nov-94 12:01:00 GMT", Some(60)),
        ("99999999999999999999999", Some(86_400)),
    ] {
        assert_eq!(delay(wish, Noon.now()), expected.map(Duration::from_secs), "{wish}");
    }
    let (answer, _) = told("HTTP/1.1 503 Busy\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n", false).await;
    assert!(matches!(answer, Answer::Response { retry_after: Some(wait), .. } if wait.as_secs() == 9), "{answer:?}");
}

#[tokio::test]
async fn a_connection_cut_or_reset_after_the_request_is_unknown() {
    for (reply, reset) in [("", false), ("", true), ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123", false)] {
        let (answer, _) = told(reply, reset).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{reply}: {answer:?}");
        assert!(!format!("{answer:?}").contains("hidden"));
    }
}

#[tokio::test]
async fn a_refusal_stands_though_its_explanation_is_cut() {
    let (answer, _) = told("HTTP/1.1 400 Bad\r\ncontent-length: 9\r\n\r\n123", false).await;
    assert!(matches!(&answer, Answer::Response { status: Some(400), body, .. } if body == "123"), "{answer:?}");
}

#[tokio::test]
async fn a_partner_that_hangs_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let sink = sink(format!("http://{}/", listener.local_addr().expect("an address")));
    let (done, finished) = oneshot::channel::<()>();
    let partner = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        request(&mut stream).await;
        finished.await.expect("the sink gave up");
    };
    let send = async {
        let answer = sink.send(&outgoing()).await;
        done.send(()).expect("the partner waits");
        answer
    };
    let (answer, ()) = tokio::join!(send, partner);
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
}

#[tokio::test]
async fn nobody_listening_no_such_name_and_failed_tls_are_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let free = listener.local_addr().expect("an address");
    drop(listener);
    for url in [format!("http://{free}/"), "http://nowhere.invalid/".to_owned()] {
        let answer = sink(url.clone()).send(&outgoing()).await;
        assert!(matches!(answer, Answer::NotSent { .. }), "{url}: {answer:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let sink = sink(format!("https://{}/", listener.local_addr().expect("an address")));
    let partner = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(b"not TLS at all").await.expect("written");
    };
    let sent = outgoing();
    let (answer, ()) = tokio::join!(sink.send(&sent), partner);
    assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    for url in [
        "",
        "ftp://a/",
        "http://u:p@a/",
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.1.1]/",
        "http://0.0.0.0/",
    ] {
        let config = HttpOutConfig { url: url.to_owned(), ..HttpOutConfig::default() };
        assert!(HttpSink::new(&config, &Arc::new(egress()), Arc::new(Noon)).is_err(), "{url}");
    }
    let mut config = HttpOutConfig { url: "http://a/".to_owned(), ..HttpOutConfig::default() };
    config.headers.insert("Webhook-Id".to_owned(), "mine".to_owned());
    assert!(HttpSink::new(&config, &Arc::new(egress()), Arc::new(Noon)).is_err());
}

#[test]
fn a_sink_describes_itself_without_secrets() {
    let config = HttpOutConfig {
        url: "https://erp.example/in?token=hidden".to_owned(),
        auth: Some(HttpAuth::Bearer(Secret::new("hidden"))),
        ..HttpOutConfig::default()
    };
    let sink = HttpSink::new(&config, &Arc::new(egress()), Arc::new(Noon)).expect("good settings");
    assert_eq!(sink.describe(), "https://erp.example/in");
    assert!(!format!("{config:?}").contains("Secret(\"hidden"));
}
