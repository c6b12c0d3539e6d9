//! An HTTP/1.1 server that slow or greedy clients cannot hold: deadlines and caps around any router.
//!
//! Deadlines: the head of a request, silence inside its body, the whole request, silence between requests, and a client
//! that does not read. Caps: connections in total and per address, bytes and lines of a head, bytes of a body.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::{
    Request,
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{HttpInConfig, tls};

/// How long a closing connection goes on reading, so that the answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(1);
/// How long accepting pauses when the machine is out of file handles or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a request body could not be read to its end; found by downcasting the body's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing came for too long, or not everything in time.
    #[error("the request body came too slowly")]
    TooSlow,
    /// More bytes than [`HttpInConfig::max_body_bytes`].
    #[error("the request body is too large")]
    TooLarge,
    /// The connection ended inside the body.
    #[error("the request body ended early")]
    Cut,
    /// Other bodies fill the memory set apart for them.
    #[error("too many bytes are held at once")]
    NoRoom,
}

/// Names in the certificate that a sender showed; found among a request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateNames(pub Arc<[String]>);

/// Serves a router on a listener in plain HTTP, as [`serve_tls`] does.
///
/// # Errors
/// The listener itself is unusable.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &HttpInConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_tls(listener, router, config, None, shutdown).await
}

/// Serves a router on a listener until `shutdown`; then stops accepting, lets requests in flight finish, and returns.
///
/// With `tls`, every connection is handshaken under the configuration in force when it came, within the head's deadline.
/// Handlers find the peer as `ConnectInfo<SocketAddr>`, its certificate's names as [`CertificateNames`], and read bodies that end with a [`BodyError`] at a deadline or cap.
///
/// # Errors
/// The listener itself is unusable. A full file table is waited out, not an error.
pub async fn serve_tls(
    listener: TcpListener,
    router: Router,
    config: &HttpInConfig,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(millis(config.header_timeout_ms.max(config.keep_alive_ms)))
        .max_headers(config.max_headers)
        .max_header_size(config.max_header_bytes.max(8192));
    let places = Arc::new(Semaphore::new(config.max_connections));
    let peers = Arc::new(Peers { open: Mutex::new(HashMap::new()), limit: config.max_connections_per_ip });
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let outcome = loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break Ok(()),
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_peer(&error) => continue,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break Err(error),
            Err(_) => {
                tokio::select! {
                    () = shutdown.cancelled() => break Ok(()),
                    () = sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        let Some(seat) = peers.clone().enter(peer.ip()) else { continue };
        // without it answers wait for the peer's delayed acknowledgement; a socket that refuses is already gone
        let _ = stream.set_nodelay(true);
        let phase = Arc::new(Phase(AtomicU8::new(Phase::HEAD)));
        let stream = Guarded::new(stream, phase.clone(), config, &shutdown);
        let (router, limits) = (router.clone(), BodyLimits::of(config));
        let service = move |names: Option<CertificateNames>| {
            service_fn(move |mut request: Request<Incoming>| {
                phase.set(Phase::REQUEST);
                let (router, phase) = (router.clone(), phase.clone());
                if let Some(names) = &names {
                    request.extensions_mut().insert(names.clone());
                }
                async move {
                    let response = answer(router, request, peer, limits).await;
                    phase.set(Phase::IDLE);
                    Ok::<_, Infallible>(response)
                }
            })
        };
        // a connection's end, good or bad, concerns only its peer
        match tls.as_ref().map(|tls| TlsAcceptor::from(tls.borrow().clone())) {
            None => {
                let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service(None)));
                connections.spawn(async move {
                    let _ = connection.await;
                    drop((place, seat));
                });
            }
            Some(acceptor) => {
                let (http, watcher) = (http.clone(), graceful.watcher());
                connections.spawn(async move {
                    // a handshake that does not end fails at the head's deadline
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                        let names = shown.map(|certificate| CertificateNames(tls::names(certificate).into()));
                        let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service(names))).await;
                    }
                    drop((place, seat));
                });
            }
        }
    };
    drop(listener);
    graceful.shutdown().await;
    while connections.join_next().await.is_some() {}
    outcome
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn answer(router: Router, request: Request<Incoming>, peer: SocketAddr, limits: BodyLimits) -> Response {
    let (head, body) = request.into_parts();
    let body = Deadlined::new(body, limits);
    let mut request = Request::from_parts(head, Body::new(UnsyncBoxBody::new(body)));
    request.extensions_mut().insert(ConnectInfo(peer));
    match timeout(limits.request, TowerToHyperService::new(router).call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => (hyper::StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")]).into_response(),
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn millis(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// Open connections by address.
struct Peers {
    open: Mutex<HashMap<IpAddr, usize>>,
    limit: usize,
}

impl Peers {
    fn enter(self: Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Seat { peers: self, peer })
    }
}

/// One connection's entry in [`Peers`].
struct Seat {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// What a connection is doing, shared between its socket and its service.
struct Phase(AtomicU8);

impl Phase {
    /// Between two requests.
    const IDLE: u8 = 0;
    /// Bytes of a head are due.
    const HEAD: u8 = 1;
    /// A request is being answered.
    const REQUEST: u8 = 2;

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Release);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

/// A socket with a deadline for heads and for clients that do not read, closed without losing the last answer.
struct Guarded {
    stream: TcpStream,
    phase: Arc<Phase>,
    header_timeout: Duration,
    write_timeout: Duration,
    head: Option<Pin<Box<Sleep>>>,
    write: Option<Pin<Box<Sleep>>>,
    linger: Option<Pin<Box<Sleep>>>,
    /// Until the first byte: the server's end, at which a connection that never spoke is closed at once.
    silent: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Guarded {
    fn new(stream: TcpStream, phase: Arc<Phase>, config: &HttpInConfig, shutdown: &CancellationToken) -> Self {
        let header_timeout = millis(config.header_timeout_ms);
        Self {
            stream,
            phase,
            header_timeout,
            write_timeout: millis(config.body_idle_timeout_ms),
            head: Some(Box::pin(sleep(header_timeout))),
            write: None,
            linger: None,
            silent: Some(Box::pin(shutdown.clone().cancelled_owned())),
        }
    }

    /// Notes progress or waits for it: an error once the client has not read for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write = None;
            return result;
        }
        let write_timeout = self.write_timeout;
        let deadline = self.write.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.phase.get() == Phase::REQUEST {
            self.head = None;
            return read;
        }
        if read.is_ready() {
            self.silent = None;
        } else if let Some(end) = &mut self.silent
            && end.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        if read.is_ready() && buffer.filled().len() > before && self.phase.get() == Phase::IDLE {
            self.phase.set(Phase::HEAD);
            self.head = Some(Box::pin(sleep(self.header_timeout)));
        }
        if self.phase.get() == Phase::HEAD
            && let Some(deadline) = &mut self.head
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends our side, then reads what the peer still sends for a moment: closing with unread bytes would reset the
    /// connection and could destroy the answer on its way.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.linger = Some(Box::pin(sleep(LINGER)));
        }
        let mut scratch = [0_u8; 4096];
        loop {
            if let Some(linger) = &mut self.linger
                && linger.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[derive(Clone, Copy)]
struct BodyLimits {
    bytes: usize,
    idle: Duration,
    request: Duration,
}

impl BodyLimits {
    fn of(config: &HttpInConfig) -> Self {
        Self {
            bytes: config.max_body_bytes,
            idle: millis(config.body_idle_timeout_ms),
            request: millis(config.request_timeout_ms),
        }
    }
}

/// A request body under deadlines and a byte cap.
struct Deadlined {
    body: Incoming,
    left: usize,
    idle: Duration,
    quiet: Pin<Box<Sleep>>,
    end: Instant,
}

impl Deadlined {
    fn new(body: Incoming, limits: BodyLimits) -> Self {
        let end = Instant::now() + limits.request;
        let quiet = Box::pin(sleep(limits.idle.min(limits.request)));
        Self { body, left: limits.bytes, idle: limits.idle, quiet, end }
    }
}

impl hyper::body::Body for Deadlined {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                ready!(self.quiet.as_mut().poll(cx));
                Poll::Ready(Some(Err(BodyError::TooSlow)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(BodyError::Cut))),
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let now = Instant::now();
                if now >= self.end {
                    return Poll::Ready(Some(Err(BodyError::TooSlow)));
                }
                let Some(left) = self.left.checked_sub(bytes) else {
                    return Poll::Ready(Some(Err(BodyError::TooLarge)));
                };
                self.left = left;
                let next = (now + self.idle).min(self.end);
                self.quiet.as_mut().reset(next);
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Memory set apart for request bodies, all connections together.
#[derive(Clone)]
pub struct BodyRoom(Arc<Semaphore>);

impl BodyRoom {
    /// One permit of the semaphore stands for so many bytes.
    const UNIT: usize = 1024;

    /// Room for so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(Self::UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// As [`read_body`], with the room that the body takes; give it back when the bytes are let go.
    ///
    /// # Errors
    /// The [`BodyError`] that ended it; [`BodyError::NoRoom`] before the first byte when its announced size does not fit.
    pub async fn read(&self, mut body: Body) -> Result<(Bytes, OwnedSemaphorePermit), BodyError> {
        let mut taken = self.take(0)?;
        let (mut chunks, mut length) = (Vec::new(), 0);
        let announced = usize::try_from(hyper::body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
        if announced.div_ceil(Self::UNIT) > self.0.available_permits() {
            return Err(BodyError::NoRoom);
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(why)?;
            let Ok(chunk) = frame.into_data() else { continue };
            length += chunk.len();
            let missing = length.div_ceil(Self::UNIT).saturating_sub(taken.num_permits());
            taken.merge(self.take(missing)?);
            chunks.push(chunk);
        }
        let whole = match chunks.as_mut_slice() {
            [only] => std::mem::take(only),
            several => several.concat().into(),
        };
        Ok((whole, taken))
    }

    fn take(&self, permits: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let permits = u32::try_from(permits).map_err(|_| BodyError::NoRoom)?;
        self.0.clone().try_acquire_many_owned(permits).map_err(|_| BodyError::NoRoom)
    }
}

/// Reads a body to its end, or says why it cannot be.
///
/// # Errors
/// The [`BodyError`] that ended it.
pub async fn read_body(body: Body) -> Result<Bytes, BodyError> {
    match body.collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) => Err(why(error)),
    }
}

fn why(error: axum::Error) -> BodyError {
    error.into_inner().downcast_ref::<BodyError>().copied().unwrap_or(BodyError::Cut)
}
