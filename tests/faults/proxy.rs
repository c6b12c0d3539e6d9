//! A network between the hub and its partner that can be made bad: a TCP proxy in the test itself.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Handle,
    task::{JoinHandle, JoinSet},
};

use super::support::free_port;

/// What is wrong with the network. A connection keeps what it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toxic {
    None,
    /// Every piece arrives so much later.
    Latency(Duration),
    /// Reset after so many bytes to the partner.
    CutRequest(usize),
    /// Reset after so many bytes from the partner.
    CutAnswer(usize),
    /// In pieces of so many bytes, with pauses.
    Slices(usize, Duration),
    /// Accepted, and then nothing ever moves.
    HalfOpen,
    /// Reset at once.
    Reset,
    /// Closed in good order before anything moved.
    Close,
}

/// A running proxy; it ends when dropped.
pub struct Proxy {
    pub port: u16,
    toxic: Arc<Mutex<Toxic>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A good network to a local port.
    pub fn start(runtime: &Handle, to: u16) -> Self {
        let port = free_port();
        let toxic = Arc::new(Mutex::new(Toxic::None));
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).expect("the proxy's port is free");
        let current = toxic.clone();
        let task = runtime.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let toxic = *current.lock().unwrap_or_else(PoisonError::into_inner);
                connections.spawn(carry(stream, to, toxic));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, toxic, task }
    }

    /// New connections are treated so.
    pub fn set(&self, toxic: Toxic) {
        *self.toxic.lock().unwrap_or_else(PoisonError::into_inner) = toxic;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries one connection to its end.
async fn carry(client: TcpStream, to: u16, toxic: Toxic) {
    match toxic {
        Toxic::Reset => return drop(client.set_zero_linger()),
        Toxic::Close => return,
        Toxic::HalfOpen => {
            // nobody reads; the other side gives up
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        _ => (),
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let cuts = matches!(toxic, Toxic::CutRequest(_) | Toxic::CutAnswer(_));
    if cuts {
        // both ends learn of it by a reset
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = pass(from_client, to_server, toxic, if let Toxic::CutRequest(bytes) = toxic { Some(bytes) } else { None });
    let down =
        pass(from_server, to_client, toxic, if let Toxic::CutAnswer(bytes) = toxic { Some(bytes) } else { None });
    if cuts {
        tokio::select! { () = up => (), () = down => () }
    } else {
        tokio::join!(up, down);
    }
}

/// Passes bytes on until the end, or until so many were passed.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, toxic: Toxic, most: Option<usize>) {
    let mut left = most.unwrap_or(usize::MAX);
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read) = from.read(&mut buffer).await {
        let piece = &buffer[..read.min(left)];
        left -= piece.len();
        match toxic {
            Toxic::Latency(wait) => tokio::time::sleep(wait).await,
            Toxic::Slices(size, pause) => {
                for slice in piece.chunks(size) {
                    if to.write_all(slice).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            }
            _ => (),
        }
        let whole = matches!(toxic, Toxic::Slices(..)) || to.write_all(piece).await.is_ok();
        if read == 0 || left == 0 || !whole {
            break;
        }
    }
    let _ = to.shutdown().await;
}
