//! The HTTP door for callers that sign or show a certificate instead of naming a key.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::Router;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use reqwest::{Certificate, Client, Identity};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::Noon;
use crate::{
    base::{Clock as _, Secret, Timestamp},
    transport::{
        Access, Arrival, ClientCertificates, HttpInConfig, Intake, Readiness, Signature, SignatureConfig,
        SignatureForm, SignedRequest, TOLERANCE, TlsInConfig, Verdict, router, serve_tls, server_config,
    },
};

/// Takes signed requests and the certificate `urn:crm` for system `crm`; no key is good.
struct Signed(Arc<Signature>);

#[async_trait]
impl Intake for Signed {
    async fn accept(&self, _: Arrival) -> Verdict {
        Verdict::Accepted { message_id: "msg_1".to_owned(), duplicate: false }
    }

    fn authorize(&self, system: &str, _: Option<&Secret>) -> Access {
        if system == "crm" { Access::Denied } else { Access::UnknownSystem }
    }

    fn admits_certificate(&self, _: &str, names: &[String]) -> bool {
        names.iter().any(|name| name == "urn:crm")
    }

    fn signature(&self, _: &str) -> Option<Arc<Signature>> {
        Some(self.0.clone())
    }

    fn readiness(&self) -> Readiness {
        Readiness::Open
    }

    async fn status(&self, _: &str, _: &str) -> Option<Value> {
        None
    }
}

fn signature() -> Arc<Signature> {
    let secrets = vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let config = SignatureConfig { form: SignatureForm::StandardWebhooks, secrets, tolerance: TOLERANCE };
    Arc::new(Signature::new(&config).expect("good settings"))
}

async fn start(tls: Option<watch::Receiver<Arc<rustls::ServerConfig>>>) -> (SocketAddr, JoinSet<()>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let config = HttpInConfig::default();
    let door = router(Arc::new(Signed(signature())), &config, Arc::new(Noon));
    (address, serving(listener, door, config, tls))
}

fn serving(
    listener: TcpListener,
    door: Router,
    config: HttpInConfig,
    tls: Option<watch::Receiver<Arc<rustls::ServerConfig>>>,
) -> JoinSet<()> {
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let served = serve_tls(listener, door, &config, tls, CancellationToken::new());
        served.await.expect("the server ends well");
    });
    serving
}

#[tokio::test]
async fn a_signed_request_needs_no_key_and_a_forged_one_is_refused() {
    let (address, _serving) = start(None).await;
    let send = async |body: &'static str, signed: &'static str, at: Timestamp, key: bool| {
        let request = SignedRequest { id: "msg_a", method: "POST", path: "/in/crm", body: signed.as_bytes() };
        let mut sent = Client::new().post(format!("http://{address}/in/crm")).body(body).header("webhook-id", "msg_a");
        for (name, value) in signature().sign(&request, at) {
            sent = sent.header(name, value);
        }
        if key {
            sent = sent.bearer_auth("wrong");
        }
        let answer = sent.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let problem: Value = answer.json().await.expect("JSON");
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    };
    let noon = Noon.now();
    assert_eq!(send("<a/>", "<a/>", noon, false).await.0, 202);
    assert_eq!(send("<b/>", "<a/>", noon, false).await, (401, "XD-T017".to_owned()));
    let earlier = Timestamp(noon.micros() - 301_000_000);
    assert_eq!(send("<a/>", "<a/>", earlier, false).await, (401, "XD-T017".to_owned()));
    assert_eq!(send("<a/>", "<a/>", noon, true).await, (401, "XD-T001".to_owned()), "a wrong key is not made good");
    let bare = Client::new().post(format!("http://{address}/in/crm")).body("<a/>").send().await.expect("an answer");
    assert_eq!(bare.status(), 401);
    let status = Client::new().get(format!("http://{address}/in/crm/messages/msg_1")).send().await.expect("an answer");
    assert_eq!(status.status(), 401);
}

struct Root(CertifiedIssuer<'static, KeyPair>);

impl Root {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root"))
    }

    fn issue(&self, name: SanType) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.subject_alt_names.push(name);
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }
}

#[tokio::test]
async fn a_certificate_proves_who_sends_and_new_files_are_used_without_a_restart() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
        path
    };
    let (old, new, senders) = (Root::new(), Root::new(), Root::new());
    let host = || SanType::DnsName("localhost".try_into().expect("a name"));
    let write = |root: &Root| {
        let (certificate, key) = root.issue(host());
        TlsInConfig {
            certificate: file("server.pem", &certificate),
            key: file("server.key", &key),
            client_ca: file("clients.pem", &senders.0.pem()),
            client: ClientCertificates::Optional,
        }
    };
    let files = write(&old);
    let (change, seen) = watch::channel(server_config(&files).expect("good files"));
    let (address, _serving) = start(Some(seen)).await;
    let url = format!("https://localhost:{}/in/crm", address.port());
    let post = async |root: &Root, shown: Option<SanType>| {
        let root = Certificate::from_pem(root.0.pem().as_bytes()).expect("a root");
        let mut client = Client::builder().tls_certs_only([root]).timeout(Duration::from_secs(10));
        if let Some(name) = shown {
            let (certificate, key) = senders.issue(name);
            client =
                client.identity(Identity::from_pem(format!("{key}{certificate}").as_bytes()).expect("an identity"));
        }
        let sent = client.build().expect("a client").post(&url).body("<a/>").send().await;
        sent.map(|answer| answer.status().as_u16()).ok()
    };
    let uri = |text: &str| SanType::URI(text.try_into().expect("a URI"));
    assert_eq!(post(&old, Some(uri("urn:crm"))).await, Some(202));
    assert_eq!(post(&old, Some(uri("urn:other"))).await, Some(401));
    assert_eq!(post(&old, None).await, Some(401));
    assert_eq!(post(&new, None).await, None, "not the root that signed the certificate");
    change.send_replace(server_config(&write(&new)).expect("good files"));
    assert_eq!(post(&new, Some(uri("urn:crm"))).await, Some(202));
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let open = server_config(&files).expect_err("others may read the key");
    assert_eq!(open.code.id, "XD-T016");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_is_cut_off() {
    use tokio::io::AsyncReadExt as _;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = Root::new().issue(SanType::DnsName("localhost".try_into().expect("a name")));
    let (certificate_file, key_file) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate_file, certificate).expect("written");
    std::fs::write(&key_file, key).expect("written");
    std::fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("private");
    let files = TlsInConfig { certificate: certificate_file, key: key_file, ..TlsInConfig::default() };
    let (_change, seen) = watch::channel(server_config(&files).expect("good files"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let config = HttpInConfig { header_timeout_ms: 100, keep_alive_ms: 100, ..HttpInConfig::default() };
    let door = router(Arc::new(Signed(signature())), &config, Arc::new(Noon));
    let _serving = serving(listener, door, config, Some(seen));
    let mut silent = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.expect("the server closes");
}
