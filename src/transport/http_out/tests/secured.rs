//! The HTTP sink against partners that ask who it is: certificates, tokens, keys, signatures, proxies.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes as Body,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::IntoResponse as _,
    routing::any,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{egress, outgoing};
use crate::{
    base::{Clock, Secret, Timestamp},
    transport::{
        Answer, ClientCertificates, Egress, EgressConfig, HttpAuth, HttpInConfig, HttpOutConfig, HttpRequestConfig,
        HttpSink, OAuth2Config, Signature, SignatureConfig, SignatureForm, SignedRequest, Sink as _, TOLERANCE,
        TlsInConfig, TlsOutConfig, serve_tls, server_config,
    },
};

/// A clock that a test moves, in seconds.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// What a partner saw: method, address, headers, body.
type Seen = Arc<Mutex<Vec<(Method, Uri, HeaderMap, Body)>>>;

struct Partner {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

async fn partner(router: Router, tls: Option<&TlsInConfig>) -> Partner {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let tls = tls.map(|files| watch::channel(server_config(files).expect("good files")).1);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let config = HttpInConfig::default();
        let served = serve_tls(listener, router, &config, tls, CancellationToken::new());
        served.await.expect("the server ends well");
    });
    Partner { address, _serving: serving }
}

/// Remembers every request and answers 200.
fn recorder() -> (Router, Seen) {
    let seen = Seen::default();
    let list = seen.clone();
    let router =
        Router::new().fallback(any(move |method: Method, uri: Uri, headers: HeaderMap, body: Body| async move {
            list.lock().expect("the list").push((method, uri, headers, body));
            "good"
        }));
    (router, seen)
}

fn sink(config: &HttpOutConfig) -> HttpSink {
    HttpSink::new(config, &Arc::new(egress()), Arc::new(Hand::default())).expect("good settings")
}

fn is_delivered(answer: &Answer) -> bool {
    matches!(answer, Answer::Response { status: Some(200), .. })
}

/// A private root, and a certificate and key for one name.
fn certificates(name: &str) -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &root).expect("a certificate");
    (root.pem(), leaf.pem(), key.serialize_pem())
}

#[tokio::test]
async fn certificates_of_a_private_root_are_trusted_and_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let (root, certificate, key) = certificates("localhost");
    let (client_root, client_certificate, client_key) = certificates("hub.example");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
        path
    };
    let files = TlsInConfig {
        certificate: file("server.pem", &certificate),
        key: file("server.key", &key),
        client_ca: file("clients.pem", &client_root),
        client: ClientCertificates::Required,
    };
    let (router, seen) = recorder();
    let partner = partner(router, Some(&files)).await;
    let url = format!("https://localhost:{}/in", partner.address.port());
    let config = |tls: TlsOutConfig| HttpOutConfig { url: url.clone(), tls, ..HttpOutConfig::default() };
    let shown = TlsOutConfig { ca: root.clone(), certificate: client_certificate, key: Secret::new(client_key) };
    let answer = sink(&config(shown.clone())).send(&outgoing()).await;
    assert!(is_delivered(&answer), "{answer:?}");
    let answer = sink(&config(TlsOutConfig { ca: root.clone(), ..TlsOutConfig::default() })).send(&outgoing()).await;
    assert!(matches!(answer, Answer::NotSent { .. } | Answer::Unknown { .. }), "without a certificate: {answer:?}");
    let answer = sink(&config(TlsOutConfig { ca: client_root, ..shown.clone() })).send(&outgoing()).await;
    assert!(matches!(answer, Answer::NotSent { .. }), "a root that did not sign the partner: {answer:?}");
    assert_eq!(seen.lock().expect("the list").len(), 1);
    for broken in [
        TlsOutConfig { ca: "no pem".to_owned(), ..TlsOutConfig::default() },
        TlsOutConfig { key: Secret::new(""), ..shown.clone() },
        TlsOutConfig { key: Secret::new("no pem"), ..shown },
    ] {
        let built = HttpSink::new(&config(broken), &Arc::new(egress()), Arc::new(Hand::default()));
        assert!(built.is_err_and(|problem| problem.code.id == "XD-T012"));
    }
}

/// A token endpoint that numbers its tokens, and a partner that takes only the token that `good` names.
struct Issuer {
    partner: Partner,
    issued: Arc<AtomicUsize>,
    good: Arc<AtomicUsize>,
    fails: Arc<AtomicUsize>,
    asked: Seen,
}

async fn issuer() -> Issuer {
    let (issued, good, fails, asked) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(0)), Seen::default());
    let (numbers, failing, list) = (issued.clone(), fails.clone(), asked.clone());
    let token = move |method: Method, uri: Uri, headers: HeaderMap, body: Body| async move {
        list.lock().expect("the list").push((method, uri, headers, body));
        match failing.load(Ordering::SeqCst) {
            0 => {
                let number = numbers.fetch_add(1, Ordering::SeqCst) + 1;
                Json(json!({"access_token": format!("t{number}"), "token_type": "bearer", "expires_in": 100}))
                    .into_response()
            }
            status => {
                let status = StatusCode::from_u16(u16::try_from(status).expect("a status")).expect("a status");
                (status, Json(json!({"error": "invalid_client", "error_description": "secret hidden"}))).into_response()
            }
        }
    };
    let expected = good.clone();
    let guarded = move |headers: HeaderMap| async move {
        let wanted = format!("Bearer t{}", expected.load(Ordering::SeqCst));
        if headers["authorization"] == wanted { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
    };
    let router = Router::new().route("/token", any(token)).route("/in", any(guarded));
    Issuer { partner: partner(router, None).await, issued, good, fails, asked }
}

impl Issuer {
    fn sink(&self, clock: Arc<Hand>, change: impl FnOnce(&mut OAuth2Config)) -> HttpSink {
        let mut oauth2 = OAuth2Config {
            token_url: format!("http://{}/token", self.partner.address),
            client_id: "hub".to_owned(),
            client_secret: Secret::new("p:w?"),
            scope: "orders write".to_owned(),
            audience: "erp".to_owned(),
            parameters: [("resource".to_owned(), "urn:x".to_owned())].into(),
            in_body: false,
            timeout_ms: 5_000,
        };
        change(&mut oauth2);
        let config = HttpOutConfig {
            url: format!("http://{}/in", self.partner.address),
            auth: Some(HttpAuth::OAuth2(oauth2)),
            ..HttpOutConfig::default()
        };
        HttpSink::new(&config, &Arc::new(egress()), clock).expect("good settings")
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_for_many_sends_and_again_before_it_ends() {
    let issuer = issuer().await;
    let clock = Arc::new(Hand::default());
    let sink = issuer.sink(clock.clone(), |_| ());
    let sent = outgoing();
    let answers = futures_util::future::join_all((0..8).map(|_| sink.send(&sent))).await;
    assert!(answers.iter().all(is_delivered), "{answers:?}");
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 1, "eight sends share one token");
    let (_, _, headers, body) = issuer.asked.lock().expect("the list")[0].clone();
    assert_eq!(headers["authorization"], format!("Basic {}", STANDARD.encode("hub:p%3Aw%3F")));
    assert_eq!(body, "grant_type=client_credentials&scope=orders+write&audience=erp&resource=urn%3Ax");
    clock.0.store(79, Ordering::SeqCst);
    assert!(is_delivered(&sink.send(&sent).await));
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 1);
    clock.0.store(80, Ordering::SeqCst);
    issuer.good.store(2, Ordering::SeqCst);
    assert!(is_delivered(&sink.send(&sent).await));
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 2, "four fifths of its life are over");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_and_then_the_refusal_stands() {
    let issuer = issuer().await;
    let sink = issuer.sink(Arc::default(), |oauth2| oauth2.in_body = true);
    assert!(is_delivered(&sink.send(&outgoing()).await));
    let body = issuer.asked.lock().expect("the list")[0].3.clone();
    assert!(body.ends_with(b"&client_id=hub&client_secret=p%3Aw%3F"), "{body:?}");
    issuer.good.store(2, Ordering::SeqCst);
    assert!(is_delivered(&sink.send(&outgoing()).await), "revoked early: a new one is fetched");
    issuer.good.store(9, Ordering::SeqCst);
    let answer = sink.send(&outgoing()).await;
    assert!(matches!(answer, Answer::Response { status: Some(401), .. }), "{answer:?}");
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_a_reason_to_try_again_and_shows_no_secret() {
    let issuer = issuer().await;
    let sink = issuer.sink(Arc::default(), |_| ());
    for (status, expected) in
        [(401, "401 Unauthorized (invalid_client)"), (503, "503 Service Unavailable (invalid_client)")]
    {
        issuer.fails.store(status, Ordering::SeqCst);
        let answer = sink.send(&outgoing()).await;
        let Answer::NotSent { why } = &answer else { panic!("{answer:?}") };
        assert_eq!(why, &format!("no access token: the token endpoint answered {expected}"));
    }
    issuer.fails.store(0, Ordering::SeqCst);
    assert!(is_delivered(&sink.send(&outgoing()).await), "it works again when the endpoint does");
    let closed = issuer.sink(Arc::default(), |oauth2| oauth2.token_url = "http://127.0.0.1:1/token".to_owned());
    let answer = closed.send(&outgoing()).await;
    assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
}

#[tokio::test]
async fn keys_and_signatures_go_where_the_settings_say() {
    let (router, seen) = recorder();
    let partner = partner(router, None).await;
    let base = HttpOutConfig { url: format!("http://{}/in?a=1", partner.address), ..HttpOutConfig::default() };
    let key = |auth| HttpOutConfig { auth: Some(auth), ..base.clone() };
    let secret = || Secret::new("k 1&");
    let secrets = vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let signing = SignatureConfig { form: SignatureForm::StandardWebhooks, secrets, tolerance: TOLERANCE };
    let requests = vec![HttpRequestConfig {
        document_type: "ubl/Order*".to_owned(),
        method: "PUT".to_owned(),
        path: String::new(),
    }];
    for config in [
        key(HttpAuth::KeyInHeader { name: "X-Api-Key".to_owned(), key: secret() }),
        key(HttpAuth::KeyInQuery { name: "key".to_owned(), key: secret() }),
        HttpOutConfig { signature: Some(signing.clone()), requests, ..base.clone() },
    ] {
        assert!(is_delivered(&sink(&config).send(&outgoing()).await));
    }
    let seen = seen.lock().expect("the list");
    assert_eq!((seen[0].2["x-api-key"].as_bytes(), seen[0].1.to_string().as_str()), (b"k 1&".as_slice(), "/in?a=1"));
    assert_eq!(seen[1].1, "/in?a=1&key=k+1%26");
    let (method, uri, headers, body) = &seen[2];
    assert_eq!(method, Method::PUT);
    let id = headers["webhook-id"].to_str().expect("ASCII");
    let request = SignedRequest { id, method: "PUT", path: &uri.to_string(), body };
    let check = Signature::new(&signing).expect("good settings");
    assert_eq!(check.verify(headers, &request, Hand::default().now()), Ok(()));
}

#[tokio::test]
async fn a_proxy_is_used_when_the_settings_say_so_and_not_for_what_they_except() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = proxy.local_addr().expect("an address");
    let egress = Egress::new(&EgressConfig {
        http_proxy: Secret::new(format!("http://u:p@localhost:{}", address.port())),
        no_proxy: vec!["127.0.0.1".to_owned()],
        allow: vec!["127.0.0.1".to_owned()],
        ..EgressConfig::default()
    });
    let egress = Arc::new(egress.expect("good settings"));
    let sink = |url: &str| {
        let config = HttpOutConfig { url: url.to_owned(), ..HttpOutConfig::default() };
        HttpSink::new(&config, &egress, Arc::new(Hand::default())).expect("good settings")
    };
    let through = async {
        let (mut stream, _) = proxy.accept().await.expect("a connection");
        let mut seen = Vec::new();
        while !seen.ends_with(b"<a/>") {
            assert_ne!(stream.read_buf(&mut seen).await.expect("a request"), 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("written");
        String::from_utf8(seen).expect("ASCII")
    };
    let (sent, inner) = (outgoing(), sink("http://erp.invalid/in"));
    let (answer, seen) = tokio::join!(inner.send(&sent), through);
    assert!(is_delivered(&answer), "{answer:?}");
    assert!(
        seen.starts_with("POST http://erp.invalid/in HTTP/1.1") && seen.contains("proxy-authorization: Basic dTpw"),
        "{seen}"
    );
    let (router, direct) = recorder();
    let partner = partner(router, None).await;
    assert!(is_delivered(&sink(&format!("http://{}/", partner.address)).send(&sent).await));
    assert_eq!(direct.lock().expect("the list").len(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_never_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let closed =
        Arc::new(Egress::new(&EgressConfig { allow: Vec::new(), ..EgressConfig::default() }).expect("good settings"));
    let built = |url: String| {
        let config = HttpOutConfig { url, ..HttpOutConfig::default() };
        HttpSink::new(&config, &closed, Arc::new(Hand::default()))
    };
    let literal = built(format!("http://127.0.0.1:{port}/"));
    assert!(literal.is_err_and(|problem| problem.code.id == "XD-T015"));
    let named = built(format!("http://localhost:{port}/")).expect("a name is judged when it is resolved");
    let answer = named.send(&outgoing()).await;
    assert!(matches!(&answer, Answer::NotSent { why } if why.contains("loopback")), "{answer:?}");
}

#[tokio::test]
async fn a_compressed_reply_is_not_asked_for_and_not_unpacked() {
    let bomb = Router::new().fallback(any(|headers: HeaderMap| async move {
        assert_eq!(headers["accept-encoding"], "identity");
        ([("content-encoding", "gzip")], vec![0x1f_u8; 1 << 20])
    }));
    let partner = partner(bomb, None).await;
    let config =
        HttpOutConfig { url: format!("http://{}/", partner.address), response_limit: 1000, ..HttpOutConfig::default() };
    let answer = sink(&config).send(&outgoing()).await;
    assert!(matches!(&answer, Answer::Response { status: Some(200), body, .. } if body.len() == 1000), "{answer:?}");
}
