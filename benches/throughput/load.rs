//! The load: keep-alive connections that each send one message after the other, and a receiver that only counts.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::orders;

/// Latencies of a run, and how long it took.
pub struct Measured {
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
}

impl Measured {
    pub fn of(mut latencies: Vec<Duration>, took: Duration) -> Self {
        latencies.sort_unstable();
        let at = |part: usize| latencies[(latencies.len() * part / 100).min(latencies.len() - 1)];
        Self { rate: latencies.len() as f64 / took.as_secs_f64(), p50: at(50), p99: at(99) }
    }
}

/// A message of about a size: an order of 5 KB, or a customer of 1 KB.
pub fn message(kind: &str, number: usize) -> Vec<u8> {
    if kind == "order" { orders::order(number).into_bytes() } else { customer(number).into_bytes() }
}

fn customer(number: usize) -> String {
    let address = |kind: &str| {
        format!(
            "  <Address kind=\"{kind}\">\n    <City>杭州市滨江区</City>\n    <Street>江南大道{}号{}栋</Street>\n    \
             <Postcode>310051</Postcode>\n  </Address>\n",
            number % 900 + 1,
            number % 20 + 1
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Customer xmlns=\"urn:example:crm:order:1\" version=\"1.0\">\n  \
         <Code>C{number:07}</Code>\n  <Name>明远汽车贸易有限公司</Name>\n  <TaxNumber>91330100MA2{:07}X</TaxNumber>\n  \
         <Contact>王小明</Contact>\n  <Phone>1380000{:04}</Phone>\n  <Since>2026{:02}{:02}</Since>\n  \
         <CreditLimit>{}.00</CreditLimit>\n{}{}{}</Customer>\n",
        number % 9_999_999,
        number % 10_000,
        number % 12 + 1,
        number % 28 + 1,
        number % 90_000 + 10_000,
        address("invoice"),
        address("delivery"),
        address("workshop"),
    )
}

/// Sends `total` messages over `connections` connections; each must be answered with a 2xx.
pub fn send(port: u16, path: &str, kind: &'static str, connections: usize, first: usize, total: usize) -> Measured {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let senders: Vec<_> = (0..connections)
        .map(|_| {
            let (next, path) = (next.clone(), path.to_owned());
            thread::spawn(move || {
                let mut connection = Connection::open(port);
                let mut latencies = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return latencies;
                    }
                    let body = message(kind, first + number);
                    let sent = Instant::now();
                    let status = connection.post(&path, &body);
                    assert!((200..300).contains(&status), "answered {status}");
                    latencies.push(sent.elapsed());
                }
            })
        })
        .collect();
    let latencies: Vec<Duration> = senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect();
    Measured::of(latencies, began.elapsed())
}

/// One keep-alive connection.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a listener");
        stream.set_nodelay(true).expect("set");
        Self(BufReader::new(stream))
    }

    fn post(&mut self, path: &str, body: &[u8]) -> u16 {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: application/xml\r\n\
             content-length: {}\r\n\r\n",
            super::hub::KEY,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.0.get_mut().write_all(&request).expect("sent");
        let (head, length) = read_head(&mut self.0).expect("an answer");
        match length {
            Some(length) => {
                let mut rest = vec![0; length];
                self.0.read_exact(&mut rest).expect("the whole answer");
            }
            // in chunks, as some peers answer
            None => loop {
                let mut line = String::new();
                self.0.read_line(&mut line).expect("a chunk");
                let size = usize::from_str_radix(line.trim(), 16).expect("its size");
                let mut rest = vec![0; size + 2];
                self.0.read_exact(&mut rest).expect("the chunk");
                if size == 0 {
                    break;
                }
            },
        }
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// The first line, and the length when it is named.
fn read_head(from: &mut BufReader<TcpStream>) -> Option<(String, Option<usize>)> {
    let (mut first, mut length) = (String::new(), None);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Some((first, length));
        }
        if first.is_empty() {
            line.clone_into(&mut first);
        } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
}

/// A partner that answers 200 to everything, at once.
pub struct Receiver {
    pub url: String,
    received: Arc<AtomicUsize>,
    times: Arc<Mutex<Vec<Instant>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://127.0.0.1:{}/in", listener.local_addr().expect("an address").port());
        let (received, times) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counter, moments) = (received.clone(), times.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counter, moments) = (counter.clone(), moments.clone());
                thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let mut stream = BufReader::new(stream);
                    let mut body = Vec::new();
                    while let Some((_, length)) = read_head(&mut stream) {
                        body.resize(length.unwrap_or(0), 0);
                        if stream.read_exact(&mut body).is_err()
                            || stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err()
                        {
                            return;
                        }
                        counter.fetch_add(1, Ordering::Relaxed);
                        moments.lock().expect("unharmed").push(Instant::now());
                    }
                });
            }
        });
        Self { url, received, times }
    }

    pub fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }

    /// When each came in, in order; forgotten afterwards.
    pub fn take_times(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.times.lock().expect("unharmed"))
    }
}
