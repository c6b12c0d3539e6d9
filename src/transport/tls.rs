//! TLS on both sides: what HTTP clients trust and show, and what the listener shows and asks for.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::{Certificate, Client, Identity, redirect};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use url::Url;

use super::{Egress, TlsOutConfig, code, http_out::causes};
use crate::base::Problem;

/// Whether the listener asks senders for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// It does not ask.
    #[default]
    Off,
    /// A sender without one may prove who it is in another way.
    Optional,
    /// No connection without one.
    Required,
}

/// The listener's files, PEM.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsInConfig {
    /// The certificate and those between it and its root.
    pub certificate: PathBuf,
    /// Its key; readable by its owner only.
    pub key: PathBuf,
    /// The roots of senders' certificates.
    pub client_ca: PathBuf,
    /// Whether senders show certificates.
    pub client: ClientCertificates,
}

fn unusable(text: String) -> Problem {
    Problem::new(code::BAD_SETTINGS, text)
}

/// The process's provider of cryptography; someone else may have chosen it already, and it is the same one.
fn provider() -> Arc<CryptoProvider> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Arc::new(rustls::crypto::ring::default_provider())
}

/// An HTTP client for one address: no redirects, no proxy but the settings', no address that is not allowed.
///
/// # Errors
/// `XD-T012`: a certificate or key cannot be used.
pub(super) fn client(
    url: &Url,
    tls: &TlsOutConfig,
    egress: &Arc<Egress>,
    connect: Duration,
    total: Duration,
) -> Result<Client, Problem> {
    provider();
    let mut client = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .dns_resolver(Arc::new(egress.resolver(url)))
        .connect_timeout(connect)
        .timeout(total)
        .user_agent(concat!("crossdock/", env!("CARGO_PKG_VERSION")));
    for proxy in egress.proxies() {
        client = client.proxy(proxy);
    }
    if !tls.ca.is_empty() {
        let roots = Certificate::from_pem_bundle(tls.ca.as_bytes());
        let roots = roots.ok().filter(|roots| !roots.is_empty());
        client =
            client.tls_certs_only(roots.ok_or_else(|| unusable("`tls.ca` holds no certificate in PEM".to_owned()))?);
    }
    match (tls.certificate.is_empty(), tls.key.expose().is_empty()) {
        (true, true) => (),
        (false, false) => {
            let both = zeroize::Zeroizing::new(format!("{}\n{}", tls.key.expose(), tls.certificate));
            let identity = Identity::from_pem(both.as_bytes()).map_err(|_| {
                unusable("`tls.certificate` and `tls.key` are not a certificate and key in PEM".to_owned())
            })?;
            client = client.identity(identity);
        }
        _ => return Err(unusable("`tls.certificate` and `tls.key` go together".to_owned())),
    }
    client.build().map_err(|error| unusable(format!("no HTTP client: {}", causes(error))))
}

/// Reads the listener's files.
///
/// # Errors
/// `XD-T016`: a file is missing, open to others, or holds nothing that can be used.
pub fn server_config(config: &TlsInConfig) -> Result<Arc<ServerConfig>, Problem> {
    let wrong = |path: &Path, why: &str| {
        Problem::new(code::TLS_FILE, format!("{}: {why}", path.display()))
            .hint("check the files that `[ingest]` names; PEM, the key readable by its owner only")
    };
    let text = |path: &Path| fs::read(path).map_err(|error| wrong(path, &error.to_string()));
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, Problem> {
        let text = text(path)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        found.ok().filter(|found| !found.is_empty()).ok_or_else(|| wrong(path, "no certificate in PEM"))
    };
    private(&config.key).map_err(|error| wrong(&config.key, &error.to_string()))?;
    let key = zeroize::Zeroizing::new(text(&config.key)?);
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| wrong(&config.key, "no private key in PEM"))?;
    let chain = certificates(&config.certificate)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let builder = if config.client == ClientCertificates::Off {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for root in certificates(&config.client_ca)? {
            roots.add(root).map_err(|error| wrong(&config.client_ca, &error.to_string()))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier =
            if config.client == ClientCertificates::Optional { verifier.allow_unauthenticated() } else { verifier };
        let verifier = verifier.build().map_err(|error| wrong(&config.client_ca, &error.to_string()))?;
        builder.with_client_cert_verifier(verifier)
    };
    let mut server =
        builder.with_single_cert(chain, key).map_err(|error| wrong(&config.certificate, &error.to_string()))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

/// The names in a sender's certificate: its DNS names and URIs (RFC 5280 §4.2.1.6).
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(ToOwned::to_owned).collect()
}

/// Refuses a secret's file that others may read.
pub(super) fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = fs::metadata(path)?.mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let text = format!("others may read it (mode {:o}); chmod 600 it", mode & 0o777);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}
