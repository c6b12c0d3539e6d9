//! The recording sinks: a small HTTP server inside the test that keeps every request that came in whole, and answers as
//! badly as it is told to.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::JoinHandle,
};

use super::{note::Note, support::free_port};

/// How a request is answered. Everything except [`Fault::None`] and a short wait leaves the hub in doubt, or refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A good answer, late.
    Late(Duration),
    /// A status with a `Retry-After`, where one is given.
    Status(u16, Option<&'static str>),
    /// Cut off before the body was read: it did not arrive.
    CutBefore,
    /// Cut off after the body was read.
    CutAfter,
    /// A good answer, then a reset.
    Reset,
    /// A good head, half a body.
    HalfAnswer,
    /// A head that never ends.
    EndlessHead,
    /// No answer at all.
    Hang,
    /// A good answer, a byte at a time.
    SlowAnswer,
    /// A body that never ends.
    Huge,
    /// A small body that says it unpacks to a large one.
    Bomb,
    /// 200 with bytes that are no document.
    Garbage,
    /// 200, and the reply says no.
    SaysNo,
    /// 200, and the reply says later.
    SaysLater,
    /// An interim answer, then a good one.
    Continue,
}

/// A request that came in whole.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub at: Instant,
    /// `books`, `feed` or `bus`.
    pub target: String,
    pub delivery: String,
    /// The note it is, or what it was instead.
    pub note: Result<Note, String>,
    /// The hub was surely told that it arrived.
    pub sure: bool,
}

/// What decides over the answer: the number of the request, the target, the note.
pub type Mood = Arc<dyn Fn(usize, &str, Option<Note>) -> Fault + Send + Sync>;

struct Shared {
    arrivals: Mutex<Vec<Arrival>>,
    mood: Mutex<Mood>,
    asked: Mutex<usize>,
}

/// The server; it ends when dropped.
pub struct Sink {
    pub port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A good answer slower than this may have come too late for the hub.
const PROMPT: Duration = Duration::from_millis(800);

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    /// A sink that does what it should.
    pub fn start(runtime: &Handle) -> Self {
        let port = free_port();
        let shared = Arc::new(Shared {
            arrivals: Mutex::default(),
            mood: Mutex::new(Arc::new(|_, _, _| Fault::None)),
            asked: Mutex::new(0),
        });
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).expect("the sink's port is free");
        let serving = shared.clone();
        let task = runtime.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, serving.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, shared, task }
    }

    /// Changes its mood.
    pub fn mood(&self, mood: impl Fn(usize, &str, Option<Note>) -> Fault + Send + Sync + 'static) {
        *held(&self.shared.mood) = Arc::new(mood);
    }

    /// It does what it should again.
    pub fn heal(&self) {
        self.mood(|_, _, _| Fault::None);
    }

    /// Everything that came in so far, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        held(&self.shared.arrivals).clone()
    }

    /// Puts other records in place of its own, to try the checker.
    pub fn replace(&self, arrivals: Vec<Arrival>) {
        *held(&self.shared.arrivals) = arrivals;
    }

    /// How many requests came in whole.
    pub fn count(&self) -> usize {
        held(&self.shared.arrivals).len()
    }

    /// How many requests were answered badly or well.
    pub fn asked(&self) -> usize {
        *held(&self.shared.asked)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Request {
    target: String,
    delivery: String,
    length: usize,
}

/// Serves one connection until it ends or is cut.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some((request, head)) = read_head(&mut stream, &mut buffer).await {
        let number = {
            let mut asked = held(&shared.asked);
            *asked += 1;
            *asked
        };
        let mood = held(&shared.mood).clone();
        // only a fault that needs no note is decided before the body is there
        if mood(number, &request.target, None) == Fault::CutBefore {
            reset(stream);
            return;
        }
        while buffer.len() < head + request.length {
            match stream.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => (),
                _ => return,
            }
        }
        let body: Vec<u8> = buffer.drain(..head + request.length).skip(head).collect();
        let at = Instant::now();
        let note = judge(&request.target, &body);
        let fault = mood(number, &request.target, note.as_ref().ok().copied());
        let arrival = {
            let mut arrivals = held(&shared.arrivals);
            let (target, delivery) = (request.target.clone(), request.delivery);
            arrivals.push(Arrival { at, target, delivery, note, sure: false });
            arrivals.len() - 1
        };
        let Some(answered) = answer(stream, fault, &request.target).await else { return };
        stream = answered;
        let told = matches!(fault, Fault::None | Fault::Late(_) | Fault::SlowAnswer | Fault::Continue);
        held(&shared.arrivals)[arrival].sure = told && at.elapsed() < PROMPT;
    }
}

/// The note a body is, to the byte.
fn judge(target: &str, body: &[u8]) -> Result<Note, String> {
    let shown = || String::from_utf8_lossy(body).into_owned();
    let note = Note::of(body).ok_or_else(shown)?;
    if note.expected(target).as_bytes() == body { Ok(note) } else { Err(shown()) }
}

/// Reads until the head is complete; the request, and where its body begins.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Request, usize)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let field = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(':'));
                lines
                    .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim().to_owned())
                    .next()
            };
            let target = head.split_whitespace().nth(1)?.trim_start_matches('/').to_owned();
            let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let delivery = field("idempotency-key").unwrap_or_default();
            return Some((Request { target, delivery, length }, end + 4));
        }
        match stream.read_buf(buffer).await {
            Ok(read) if read > 0 => (),
            _ => return None,
        }
    }
}

fn reset(stream: TcpStream) {
    // nothing may linger: the kernel sends a reset
    let _ = stream.set_zero_linger();
}

fn good(target: &str) -> (&'static str, &'static str) {
    if target == "books" { ("application/xml", "<Reply ok=\"yes\"/>") } else { ("application/json", "{}") }
}

fn response(status: u16, extra: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Answer\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{extra}\r\n{body}")
}

/// Answers; the stream when it can be used again.
async fn answer(mut stream: TcpStream, fault: Fault, target: &str) -> Option<TcpStream> {
    let (content_type, body) = good(target);
    let plain = response(200, "", content_type, body);
    let endless = matches!(fault, Fault::EndlessHead | Fault::Huge);
    let text = match fault {
        Fault::None => plain,
        Fault::Late(wait) => {
            tokio::time::sleep(wait).await;
            plain
        }
        Fault::Status(status, retry_after) => {
            let extra = retry_after.map(|wish| format!("retry-after: {wish}\r\n")).unwrap_or_default();
            let extra = if status / 100 == 3 { "location: http://127.0.0.1:1/\r\n".to_owned() } else { extra };
            response(status, &extra, "text/plain", "no")
        }
        Fault::CutBefore | Fault::CutAfter => {
            reset(stream);
            return None;
        }
        Fault::Reset => {
            stream.write_all(plain.as_bytes()).await.ok()?;
            reset(stream);
            return None;
        }
        Fault::HalfAnswer => {
            let half = response(200, "", content_type, &" ".repeat(1000));
            stream.write_all(&half.as_bytes()[..half.len() - 500]).await.ok()?;
            return None;
        }
        Fault::EndlessHead => "HTTP/1.1 200 Answer\r\n".to_owned(),
        Fault::Hang => {
            // until the other side goes
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            return None;
        }
        Fault::SlowAnswer => {
            for byte in plain.as_bytes() {
                stream.write_all(&[*byte]).await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            return Some(stream);
        }
        Fault::Huge => "HTTP/1.1 200 Answer\r\ncontent-length: 10000000000\r\n\r\n".to_owned(),
        Fault::Bomb => response(200, "content-encoding: gzip\r\n", content_type, "\u{1f}not really packed"),
        Fault::Garbage => response(200, "", "application/xml", "<<<\u{1}& \u{fffd}"),
        Fault::SaysNo => response(200, "", "application/xml", "<Reply ok=\"no\">not wanted</Reply>"),
        Fault::SaysLater => response(200, "", "application/xml", "<Reply ok=\"later\"/>"),
        Fault::Continue => format!("HTTP/1.1 100 Continue\r\n\r\n{plain}"),
    };
    stream.write_all(text.as_bytes()).await.ok()?;
    let filler = if fault == Fault::EndlessHead { "x-more: and more\r\n".repeat(100) } else { " ".repeat(64 << 10) };
    if !endless {
        return Some(stream);
    }
    loop {
        stream.write_all(filler.as_bytes()).await.ok()?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
