//! The connection to an SFTP server: made on demand, kept while it works, never without a known host key.

use std::{
    io,
    sync::{Arc, Mutex as PlainMutex, PoisonError},
    time::Duration,
};

use russh::{
    client::{self, AuthResult},
    keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, decode_secret_key},
};
use russh_sftp::{
    client::{Config, SftpSession, error::Error as SftpError},
    protocol::StatusCode,
};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};

use super::{Egress, SftpPlace, code};
use crate::base::Problem;

/// After so much silence the server is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What went wrong on a server.
#[derive(Debug, thiserror::Error)]
pub(super) enum SftpFault {
    /// It answered that it will not.
    #[error("{0}")]
    Said(String, StatusCode),
    /// The connection is of no use any more.
    #[error("{0}")]
    Lost(String),
}

impl From<SftpError> for SftpFault {
    fn from(error: SftpError) -> Self {
        match error {
            SftpError::Status(status) => {
                let text = format!("the server says: {} {}", status.status_code, status.error_message);
                Self::Said(text.trim_end().to_owned(), status.status_code)
            }
            error => Self::Lost(format!("the connection was lost: {error}")),
        }
    }
}

impl From<io::Error> for SftpFault {
    fn from(error: io::Error) -> Self {
        match error.downcast::<SftpError>() {
            Ok(error) => error.into(),
            Err(error) => Self::Lost(format!("the connection was lost: {error}")),
        }
    }
}

impl SftpFault {
    /// Whether the server says that there is no such file.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Said(_, StatusCode::NoSuchFile))
    }

    /// Whether the server says that this account may not.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Said(_, StatusCode::PermissionDenied))
    }
}

/// A session that stands.
pub(super) struct SftpConnection {
    /// The files.
    pub files: SftpSession,
    handle: client::Handle<Pinned>,
}

/// The way to one server.
pub(super) struct SftpLink {
    place: SftpPlace,
    egress: Arc<Egress>,
    /// Fingerprints of the host keys that are trusted, `SHA256:…`.
    known: Vec<String>,
    key: Option<Arc<PrivateKey>>,
    current: Mutex<Option<Arc<SftpConnection>>>,
}

impl SftpLink {
    /// Reads the settings; connects only when asked for.
    ///
    /// # Errors
    /// `XD-T012`: no host, user, host key or credential, or a key that cannot be read.
    pub(super) fn new(place: &SftpPlace, egress: &Arc<Egress>) -> Result<Self, Problem> {
        let unusable = |text: String| Problem::new(code::BAD_SETTINGS, text);
        if place.host.is_empty() || place.user.is_empty() {
            return Err(unusable("an SFTP server needs `host` and `user`".to_owned()));
        }
        let mut known = Vec::new();
        for text in &place.host_keys {
            let fingerprint = match text.starts_with("SHA256:") {
                true => Ok(text.trim_end_matches('=').to_owned()),
                false => PublicKey::from_openssh(text).map(|key| fingerprint(&key)),
            };
            known.push(fingerprint.map_err(|_| {
                unusable(format!("`host-key` is neither `SHA256:…` nor a public key: `{text}`"))
                    .hint("ssh-keyscan HOST | ssh-keygen -lf -, and compare it with what the partner says")
            })?);
        }
        if known.is_empty() {
            let text = "an SFTP server needs the `host-key` it is known by".to_owned();
            return Err(
                unusable(text).hint("ask the partner; `ssh-keyscan HOST | ssh-keygen -lf -` shows what it is now")
            );
        }
        let key = match (&place.key, &place.password) {
            (Some(key), None) => {
                let passphrase = place.passphrase.as_ref().map(|secret| secret.expose());
                let key = decode_secret_key(key.expose(), passphrase);
                Some(Arc::new(
                    key.map_err(|_| unusable("`key` is no private key, or needs another passphrase".to_owned()))?,
                ))
            }
            (None, Some(_)) => None,
            _ => return Err(unusable("an SFTP server needs either `password` or `key`".to_owned())),
        };
        Ok(Self { place: place.clone(), egress: egress.clone(), known, key, current: Mutex::new(None) })
    }

    /// The address for people.
    pub(super) fn shown(&self, folder: &str) -> String {
        format!("sftp://{}:{}/{}", self.place.host, self.place.port, folder.trim_start_matches('/'))
    }

    /// The connection, made when there is none.
    ///
    /// # Errors
    /// Why there is none, without secrets.
    pub(super) async fn get(&self) -> Result<Arc<SftpConnection>, String> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.handle.is_closed()) {
            return Ok(connection.clone());
        }
        *current = None;
        let made = Arc::new(self.connect().await?);
        *current = Some(made.clone());
        Ok(made)
    }

    /// Gives up a connection that failed, unless another one stands already.
    pub(super) async fn forget(&self, failed: &Arc<SftpConnection>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, failed)) {
            *current = None;
        }
    }

    /// Ends the connection in order.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.current.lock().await.take() {
            // a server that is gone needs no farewell
            let _ = connection.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
        }
    }

    async fn connect(&self) -> Result<SftpConnection, String> {
        let place = &self.place;
        let limit = Duration::from_millis(place.connect_timeout_ms);
        let late = |_| format!("no connection within {} ms", place.connect_timeout_ms);
        let addresses = self.egress.resolve(&place.host, place.port);
        let addresses = timeout(limit, addresses).await.map_err(late)?.map_err(|error| error.to_string())?;
        let mut stream = Err("the name leads to no address".to_owned());
        for address in addresses {
            stream = match timeout(limit, TcpStream::connect(address)).await {
                Ok(connected) => connected.map_err(|error| format!("no connection: {error}")),
                Err(elapsed) => Err(late(elapsed)),
            };
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream?;
        // it only makes small answers quicker
        let _ = stream.set_nodelay(true);
        let config = client::Config { keepalive_interval: Some(KEEPALIVE), nodelay: true, ..client::Config::default() };
        let seen = Arc::new(PlainMutex::new(None));
        let pinned = Pinned { known: self.known.clone(), seen: seen.clone() };
        let session = timeout(limit, client::connect_stream(Arc::new(config), stream, pinned)).await.map_err(late)?;
        let mut handle = session.map_err(|error| {
            let unknown = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
            unknown.map_or_else(
                || format!("no SSH connection: {error}"),
                |fingerprint| {
                    format!("the server shows the host key {fingerprint}, which is not the one in the settings")
                },
            )
        })?;
        let proved = timeout(limit, self.prove(&mut handle)).await.map_err(late)?;
        match proved.map_err(|error| format!("no SSH connection: {error}"))? {
            AuthResult::Success => (),
            AuthResult::Failure { .. } => {
                return Err(format!("the server does not take the credential of `{}`", place.user));
            }
        }
        let opened = async {
            let channel = handle.channel_open_session().await?;
            channel.request_subsystem(true, "sftp").await?;
            Ok::<_, russh::Error>(channel)
        };
        let channel = timeout(limit, opened).await.map_err(late)?.map_err(|error| format!("no SFTP: {error}"))?;
        let config = Config { request_timeout_secs: place.timeout_ms.div_ceil(1000).max(1), ..Config::default() };
        let files = SftpSession::new_with_config(channel.into_stream(), config);
        let files = timeout(limit, files).await.map_err(late)?.map_err(|error| format!("no SFTP: {error}"))?;
        Ok(SftpConnection { files, handle })
    }

    async fn prove(&self, handle: &mut client::Handle<Pinned>) -> Result<AuthResult, russh::Error> {
        let user = self.place.user.clone();
        match (&self.key, &self.place.password) {
            (Some(key), _) => {
                let hash = handle.best_supported_rsa_hash().await?.flatten();
                handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key.clone(), hash)).await
            }
            (None, password) => {
                let password = password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default();
                handle.authenticate_password(user, password).await
            }
        }
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Takes no server but those whose keys are known.
struct Pinned {
    known: Vec<String>,
    /// The key that was refused, for people.
    seen: Arc<PlainMutex<Option<String>>>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let fingerprint = fingerprint(&shown.public_key());
        let is_known = self.known.contains(&fingerprint);
        if !is_known {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        }
        Ok(is_known)
    }
}
