//! F17 and F18: huge, tiny and many messages; clients that are slow on purpose.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{
    check::{Expect, Figures},
    load::{API_KEY, Plan},
    note::{Kind, Note},
    row::Row,
    stage::{Design, Stage},
    support::{Http, wait_within},
};

#[test]
fn f17_one_hot_key() {
    let row = Row::begin("F17 hot key", "all messages have one key (rounds: messages)", 400, 4_000);
    let mut stage = Stage::set(Design::default());
    let plan = Plan { keys: 1, notes: Some(row.rounds), pause: Duration::ZERO, ..Plan::default() };
    stage.load(plan).finish();
    let mut figures = stage.check(&Expect { patience: Duration::from_secs(600), ..Expect::default() });
    figures.faults = 0;
    row.held(&figures, "");
}

#[test]
fn f17_every_message_has_a_key_of_its_own() {
    let row = Row::begin("F17 keys", "every message has a key of its own (rounds: keys)", 2_000, 100_000);
    let mut stage = Stage::set(Design::default());
    let keys = u32::try_from(row.rounds).expect("few enough");
    let plan = Plan { keys: keys + 1, notes: Some(row.rounds), senders: 16, pause: Duration::ZERO, ..Plan::default() };
    stage.load(plan).finish();
    let figures = stage.check(&Expect { patience: Duration::from_secs(1800), ..Expect::default() });
    row.held(&figures, "");
}

#[test]
fn f17_sizes_up_to_the_limit_and_one_byte_more() {
    const LIMIT: usize = 2 << 20;
    let row = Row::begin("F17 sizes", "messages of every size up to the limit, and one byte more", 1, 1);
    let settings = format!("ingest.max_body = \"{LIMIT}B\"\nlimits.document = \"{LIMIT}B\"\n");
    let mut stage = Stage::set(Design { settings, timeout: "30s", ..Design::default() });
    let (http, url) = (Http::new(), format!("http://127.0.0.1:{}/in/source/note", stage.node().ingest));
    let send = |note: Note| {
        let headers = [("x-api-key", API_KEY), ("idempotency-key", &note.id())];
        let body = note.body(Kind::Plain).into_bytes();
        (body.len(), http.post(&url, &headers, body).expect("an answer"))
    };
    // the text that makes a body of just the limit
    let of_size = |size: usize| {
        let fits = |length: &u32| Note { key: 1_000_000 + length, number: 0 }.body(Kind::Plain).len() >= size;
        let most = u32::try_from(size).expect("small enough");
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low.midpoint(high);
            if fits(&middle) { high = middle } else { low = middle + 1 }
        }
        Note { key: 1_000_000 + low, number: 0 }
    };
    let mut largest = 0;
    for size in [200, 1_000, 4_095, 4_096, 65_535, 65_536, 1 << 20, LIMIT - 64] {
        let note = of_size(size);
        stage.ledger.begin(note, Kind::Plain);
        let (sent, reply) = send(note);
        assert!(reply.status < 300, "{sent}: {}", reply.status);
        largest = largest.max(sent);
        stage.ledger.acknowledge(note, reply.json()["message_id"].as_str());
    }
    let (sent, reply) = send(of_size(LIMIT + 1));
    assert!(sent > LIMIT && reply.status == 413, "{sent}: {}", reply.status);
    let mut figures = stage.check(&Expect::default());
    figures.faults = 1;
    row.held(&figures, &format!("up to {largest} bytes taken, {sent} refused with 413"));
}

/// A client that is slow on purpose; whether the hub cut it off in time.
fn drip(port: u16, start: &str, more: &str, for_so_long: Duration) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return true };
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let _ = stream.write_all(start.as_bytes());
    let began = Instant::now();
    let mut buffer = [0; 512];
    while began.elapsed() < for_so_long {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => (),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => (),
            Err(_) => return true,
        }
        if !more.is_empty() && stream.write_all(more.as_bytes()).is_err() {
            return true;
        }
    }
    false
}

#[test]
fn f18_clients_that_are_slow_on_purpose() {
    let row = Row::begin(
        "F18",
        "slow clients: head and body drip, idle and silent connections (rounds: connections of each kind)",
        20,
        60,
    );
    let settings = "ingest.header_timeout = \"1s\"\ningest.body_idle_timeout = \"1s\"\ningest.request_timeout = \"4s\"\n\
                    ingest.keep_alive = \"2s\"\ningest.max_connections_per_ip = 1024\n";
    let mut stage = Stage::set(Design { settings: settings.to_owned(), ..Design::default() });
    let load = stage.load(Plan::default());
    let port = stage.node().ingest;
    let head = format!("POST /in/source/note HTTP/1.1\r\nhost: x\r\nx-api-key: {API_KEY}\r\n");
    let body = format!("{head}content-length: 100000\r\n\r\n");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let kinds: [(&str, String, &str); 5] = [
        ("a head that drips", "POST /in/source HTTP/1.1\r\nhost: x\r\n".to_owned(), "a: b\r\n"),
        ("half a head", "POST /in/sou".to_owned(), ""),
        ("a body that drips", body.clone(), "x"),
        ("a body that never comes", body, ""),
        ("chunks that drip", chunked, "1\r\nx\r\n"),
    ];
    let clients: Vec<_> = (0..row.rounds)
        .flat_map(|_| kinds.clone())
        .map(|(name, start, more)| {
            std::thread::spawn(move || (name, drip(port, &start, more, Duration::from_secs(15))))
        })
        .collect();
    let until = stage.ledger.acknowledged() + 150;
    wait_within(Duration::from_secs(30), "the good ones are served beside them", || {
        stage.ledger.acknowledged() > until
    });
    let count = clients.len();
    for client in clients {
        let (name, cut) = client.join().expect("a client ends well");
        assert!(cut, "{name} was not cut off");
    }
    load.stop();
    let mut figures: Figures = stage.check(&Expect::default());
    figures.faults = count;
    row.held(&figures, "each was cut off in time");
}
