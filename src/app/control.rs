//! The control socket: instructions for the running hub, from commands of the same user on the same machine.
//!
//! HTTP over a Unix domain socket in the data folder, mode 0600; the peer's user is asked of the kernel and must be the
//! hub's own or root. It stands apart from the operations listener, which anybody on the machine may read.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    pin::Pin,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State, connect_info::Connected, rejection::JsonRejection},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::IncomingStream,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    net::{UnixListener, unix::UCred},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{counts_json, error_json},
    base::Problem,
    pipeline::{Desk, DeskError, Hub, Instruction},
};

/// The socket's name in the data folder.
const SOCKET: &str = "control.sock";

/// What an instruction may weigh beside the content it carries, which is written twice as long.
const WORDS: usize = 1 << 20;

/// Where the control socket of a hub with this data folder is.
#[must_use]
pub fn control_socket(data: &Path) -> PathBuf {
    data.join(SOCKET)
}

/// Asks the hub to read its content again; answered with what is wrong with it.
pub type Reload = oneshot::Sender<Vec<Problem>>;

/// What the control socket acts on.
#[derive(Clone)]
pub(super) struct Control {
    pub hub: Hub,
    pub name: String,
    pub reloads: mpsc::Sender<Reload>,
    pub max_body: usize,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|credentials: UCred| credentials.uid()))
    }
}

/// Makes the socket; one that a hub left behind is replaced, as the journal has one owner.
pub(super) fn bind(data: &Path) -> io::Result<UnixListener> {
    std::fs::create_dir_all(data)?;
    let path = control_socket(data);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until `shutdown`, then removes the socket.
pub(super) async fn serve(listener: UnixListener, control: Control, data: PathBuf, shutdown: CancellationToken) {
    let limit = control.max_body.saturating_mul(2).saturating_add(WORDS);
    let router = Router::new()
        .route("/act", post(act))
        .route("/reload", post(reload))
        .route("/status", get(status))
        .layer(DefaultBodyLimit::max(limit))
        .layer(from_fn(own_user_only))
        .with_state(control);
    let service = router.into_make_service_with_connect_info::<Peer>();
    let served = axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!("the control socket ended: {error}");
    }
    drop(std::fs::remove_file(control_socket(&data)));
}

async fn own_user_only(ConnectInfo(Peer(user)): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    let own = rustix::process::geteuid().as_raw();
    if user.is_some_and(|user| user == own || user == 0) {
        return next.run(request).await;
    }
    tracing::warn!(?user, "a stranger spoke to the control socket");
    (StatusCode::FORBIDDEN, "only the hub's own user and root may do this").into_response()
}

/// Lines of JSON: `{"progress": n}` as often as there is room, then `{"report": …}` or `{"error": …}`. Who hangs up stops
/// the act between two pages.
async fn act(State(control): State<Control>, instruction: Result<Json<Instruction>, JsonRejection>) -> Response {
    let instruction = match instruction {
        Ok(Json(instruction)) => instruction,
        Err(rejection) => return (StatusCode::BAD_REQUEST, rejection.body_text()).into_response(),
    };
    let desk = Desk::of(&control.hub);
    let (told, progress) = mpsc::channel::<u64>(1);
    let work: Work = Box::pin(async move {
        // a full channel only means that the reader has an older number
        let tell = move |seen| {
            let _ = told.try_send(seen);
        };
        let answer = match desk.carry_out(&instruction, &tell).await {
            Ok(report) => {
                tracing::info!(
                    act = report.act,
                    verb = report.verb,
                    by = report.by,
                    deliveries = report.deliveries,
                    messages = report.messages,
                    "an operator acted: {}",
                    report.why
                );
                json!({"report": report})
            }
            Err(DeskError::Store(error)) => json!({"error": error_json(&error)}),
            Err(DeskError::Refused(problem)) => {
                json!({"error": {"kind": "refused", "code": problem.code.id, "text": problem.to_string()}})
            }
        };
        line(&answer)
    });
    let lines = futures_util::stream::unfold(Some((progress, work)), |state| async move {
        let (mut progress, mut work) = state?;
        tokio::select! {
            biased;
            Some(seen) = progress.recv() => Some((line(&json!({"progress": seen})), Some((progress, work)))),
            last = &mut work => Some((last, None)),
        }
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

type Work = Pin<Box<dyn Future<Output = Result<Bytes, std::convert::Infallible>> + Send>>;

fn line(value: &Value) -> Result<Bytes, std::convert::Infallible> {
    Ok(Bytes::from(format!("{value}\n")))
}

async fn reload(State(control): State<Control>) -> Response {
    let (reply, answer) = oneshot::channel();
    let asked = control.reloads.send(reply).await.is_ok();
    match answer.await {
        Ok(problems) if asked => {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Json(json!({"reloaded": told.is_empty(), "content": control.hub.catalog().hash().to_string(), "problems": told}))
                .into_response()
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the hub is stopping").into_response(),
    }
}

async fn status(State(control): State<Control>) -> Response {
    let failed = control.hub.store.failed().borrow().as_ref().map(|problem| problem.to_string());
    match control.hub.store.counts().await {
        Ok(counts) => Json(json!({
            "name": control.name,
            "version": env!("CARGO_PKG_VERSION"),
            "process": std::process::id(),
            "up_seconds": control.hub.clock.monotonic().as_secs(),
            "content": control.hub.catalog().hash().to_string(),
            "failed": failed,
            "counts": counts_json(&counts),
        }))
        .into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}
