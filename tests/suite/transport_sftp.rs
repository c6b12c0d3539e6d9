//! SFTP sources and sinks against a real OpenSSH server, started here with keys of its own under a temporary folder.
//!
//! Needs `CROSSDOCK_TEST_SSHD` (the path of `sshd`); `make test` brings it.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener as PlainListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use super::service;
use async_trait::async_trait;
use bytes::Bytes;
use crossdock::{
    base::{Clock, Problem, Secret, Timestamp},
    format::Records,
    transport::{
        Access, Answer, Arrival, Egress, EgressConfig, FileInConfig, FileOutConfig, Intake, Link, Outgoing, Readiness,
        Refusal, SftpInConfig, SftpNode, SftpOutConfig, SftpPlace, SftpSink, SftpSource, Sink as _, Source as _,
        SplitConfig, Verdict, code,
    },
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// A server that this test started, and a folder that it shows.
struct Server {
    folder: TempDir,
    port: u16,
    user: String,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // one that has ended already is what was wanted
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("the command runs");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["host", "other", "user"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(name)));
        }
        fs::copy(at("user.pub"), at("authorized")).expect("copied");
        fs::create_dir(at("files")).expect("a folder");
        let port = PlainListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let shown = folder.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
        );
        fs::write(at("config"), config).expect("written");
        let log = fs::File::create(at("log")).expect("a log");
        let mut sshd = Command::new(service("CROSSDOCK_TEST_SSHD"));
        let process = sshd.args(["-D", "-e", "-f"]).arg(at("config")).stderr(log).spawn().expect("sshd starts");
        let server = Self { user: run(Command::new("id").arg("-un")), folder, port, process };
        let begun = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = fs::read_to_string(server.at("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(30), "sshd does not listen: {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self) -> PathBuf {
        self.at("files")
    }

    fn place(&self) -> SftpPlace {
        SftpPlace {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: self.user.clone(),
            host_keys: vec![fs::read_to_string(self.at("host.pub")).expect("the host key").trim().to_owned()],
            key: Some(Secret::new(fs::read_to_string(self.at("user")).expect("the key"))),
            ..SftpPlace::default()
        }
    }

    fn sink(&self, change: impl FnOnce(&mut SftpOutConfig)) -> SftpSink {
        let files =
            FileOutConfig { folder: self.files(), name: "{business_key}.xml".to_owned(), ..FileOutConfig::default() };
        let mut config = SftpOutConfig { place: self.place(), files };
        change(&mut config);
        SftpSink::new(&config, &egress()).expect("good settings")
    }

    fn source(&self, node: &str, change: impl FnOnce(&mut SftpInConfig)) -> Arc<SftpSource> {
        let files = FileInConfig {
            folder: self.files(),
            system: "crm".to_owned(),
            poll_ms: 50,
            stable_ms: 0,
            max_file_bytes: 1000,
            ..FileInConfig::default()
        };
        let mut config = SftpInConfig { place: self.place(), files, delete: false, claim_ms: 900_000 };
        change(&mut config);
        let node = SftpNode { name: node.to_owned(), scratch: self.at("scratch"), clock: Arc::new(Later) };
        Arc::new(SftpSource::new(&config, &egress(), node).expect("good settings"))
    }
}

fn egress() -> Arc<Egress> {
    Arc::new(Egress::new(&EgressConfig::default()).expect("good settings"))
}

/// A moment in 2023.
struct Later;

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Refuses files called `bad…`, accepts the rest.
#[derive(Default)]
struct Fake(watch::Sender<Vec<Arrival>>);

impl Fake {
    async fn until(&self, count: usize) -> Vec<Arrival> {
        let mut seen = self.0.subscribe();
        let wait = seen.wait_for(|seen| seen.len() >= count);
        let seen = tokio::time::timeout(Duration::from_secs(60), wait).await.expect("they come within a minute");
        seen.expect("the fake lives").clone()
    }
}

#[async_trait]
impl Intake for Fake {
    async fn accept(&self, arrival: Arrival) -> Verdict {
        let is_bad = arrival.attributes["file_name"].starts_with("bad");
        self.0.send_modify(|seen| seen.push(arrival));
        if is_bad {
            let problem = Problem::new(code::BODY_CUT, "no end");
            return Verdict::Refused(Refusal { status: 400, problem, retry_after: None, existing: None });
        }
        Verdict::Accepted { message_id: "msg_1".to_owned(), duplicate: false }
    }

    fn authorize(&self, _: &str, _: Option<&Secret>) -> Access {
        Access::Denied
    }

    fn readiness(&self) -> Readiness {
        Readiness::Open
    }

    async fn status(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        None
    }
}

/// Sources that run until they are stopped.
struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    fn start(sources: impl IntoIterator<Item = Arc<SftpSource>>, fake: &Arc<Fake>) -> Self {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        for source in sources {
            let (fake, stop) = (fake.clone(), stop.clone());
            tasks.spawn(async move { source.run(fake, stop).await });
        }
        Self { stop, tasks }
    }

    /// Lets every source finish what it has.
    async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("it ends well");
        }
    }
}

fn outgoing(bytes: &'static str) -> Outgoing {
    Outgoing {
        delivery_id: "dlv_1".to_owned(),
        message_id: "msg_1".to_owned(),
        attempt: 1,
        bytes: Bytes::from_static(bytes.as_bytes()),
        content_type: "application/xml".to_owned(),
        business_key: Some("SO-1".to_owned()),
        traceparent: None,
        document_type: "ubl/Order@2.1".to_owned(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Puts a file down as a careful sender does.
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let hidden = folder.join(format!(".{name}.part"));
    fs::write(&hidden, bytes).expect("written");
    fs::rename(hidden, folder.join(name)).expect("renamed");
}

#[tokio::test]
async fn sftp_files_appear_whole_with_their_companions_and_again_changes_nothing() {
    let server = Server::start().await;
    let sink = server.sink(|config| {
        config.files.checksum = true;
        config.files.done = "{name}.done".to_owned();
    });
    let expected = ["SO-1.xml", "SO-1.xml.done", "SO-1.xml.sha256"];
    for lost in ["", "SO-1.xml.done", "SO-1.xml.sha256"] {
        let _ = fs::remove_file(server.files().join(lost));
        assert_eq!(sink.send(&outgoing("<a/>")).await, Answer::Confirmed);
        assert_eq!(names(&server.files()), expected);
    }
    assert_eq!(fs::read(server.files().join("SO-1.xml")).expect("the file"), b"<a/>");
    for other in ["<b/>", "<longer/>"] {
        let answer = sink.send(&outgoing(other)).await;
        assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
    assert_eq!(names(&server.files()), expected);
    let lost = server.sink(|config| config.files.folder = server.at("nowhere"));
    let answer = lost.send(&outgoing("<a/>")).await;
    assert!(matches!(&answer, Answer::Refused { why } if why.contains("does not exist")), "{answer:?}");
}

#[tokio::test]
async fn an_sftp_server_with_another_key_or_a_refused_credential_gets_nothing() {
    let server = Server::start().await;
    let key = |name: &str| fs::read_to_string(server.at(name)).expect("a key").trim().to_owned();
    let fingerprint = |name: &str| {
        let shown = run(Command::new("ssh-keygen").args(["-l", "-f"]).arg(server.at(name)));
        shown.split(' ').nth(1).expect("a fingerprint").to_owned()
    };
    let right = server.sink(|config| config.place.host_keys = vec![fingerprint("host.pub")]);
    assert_eq!(right.send(&outgoing("<a/>")).await, Answer::Confirmed, "a fingerprint is as good as the key");
    fs::remove_file(server.files().join("SO-1.xml")).expect("removed");
    let other = server.sink(|config| config.place.host_keys = vec![key("other.pub")]);
    let answer = other.send(&outgoing("<a/>")).await;
    assert!(matches!(&answer, Answer::NotSent { why } if why.contains(&fingerprint("host.pub"))), "{answer:?}");
    let stranger = server.sink(|config| config.place.key = Some(Secret::new(key("other"))));
    let answer = stranger.send(&outgoing("<a/>")).await;
    assert!(matches!(&answer, Answer::NotSent { why } if why.contains("credential")), "{answer:?}");
    assert!(names(&server.files()).is_empty());
    let place = SftpPlace { host_keys: Vec::new(), ..server.place() };
    let unpinned = SftpSink::new(&SftpOutConfig { place, files: FileOutConfig::default() }, &egress());
    assert!(unpinned.is_err_and(|problem| problem.text.contains("host-key")));
}

#[tokio::test]
async fn two_nodes_on_one_sftp_folder_take_every_file_once() {
    let server = Server::start().await;
    // it comes first, so that it is done with when the others are
    put(&server.files(), "0big.xml", &[b'x'; 1001]);
    for number in 10..40 {
        put(&server.files(), &format!("{number}.xml"), number.to_string().as_bytes());
    }
    put(&server.files(), "bad.xml", b"<a");
    let fake = Arc::new(Fake::default());
    let running = Running::start([server.source("one", |_| ()), server.source("two", |_| ())], &fake);
    let seen = fake.until(31).await;
    running.stop().await;
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for arrival in &seen {
        *taken.entry(arrival.attributes["file_name"].clone()).or_default() += 1;
    }
    assert!(taken.values().all(|count| *count == 1) && taken.len() == 31, "{taken:?}");
    assert!(seen.iter().all(|one| one.key.as_deref().is_some_and(|key| key.starts_with("file:"))));
    let failed = server.files().join("failed");
    let wanted = ["0big.xml", "0big.xml.problem.json", "bad.xml", "bad.xml.problem.json"];
    assert_eq!(names(&failed), wanted);
    assert_eq!(names(&server.files().join("done")).len(), 30);
    assert!(names(&server.files().join(".crossdock")).is_empty());
}

#[tokio::test]
async fn a_claim_whose_node_died_is_taken_over_and_files_can_be_deleted_when_they_are_safe() {
    let server = Server::start().await;
    let claims = server.files().join(".crossdock");
    fs::create_dir(&claims).expect("a folder");
    fs::write(claims.join("1600000000~dead~a.xml"), "<a/>").expect("written");
    fs::write(claims.join("1699999999~alive~b.xml"), "<b/>").expect("written");
    let fake = Arc::new(Fake::default());
    let source = server.source("one", |config| config.delete = true);
    let running = Running::start([source.clone()], &fake);
    let seen = fake.until(1).await;
    put(&server.files(), "c.xml", b"<c/>");
    let after = fake.until(2).await;
    running.stop().await;
    assert_eq!((seen[0].attributes["file_name"].as_str(), &seen[0].bytes[..]), ("a.xml", b"<a/>".as_slice()));
    assert_eq!(after[1].attributes["file_name"], "c.xml");
    assert_eq!(names(&claims), ["1699999999~alive~b.xml"], "its node may still be at work");
    assert_eq!(names(&server.files()), [".crossdock"]);
}

#[tokio::test]
async fn an_sftp_batch_is_split_and_an_incomplete_checksum_is_waited_for() {
    let server = Server::start().await;
    let split = |config: &mut SftpInConfig| {
        let records = Records::parse("lines").expect("a way to split");
        config.files.split = Some(SplitConfig { records, charset: None });
        config.files.max_file_bytes = u64::MAX;
        config.files.checksum = true;
    };
    let batch: String = (0..500).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    put(&server.files(), "batch", batch.as_bytes());
    let fake = Arc::new(Fake::default());
    let source = server.source("one", split);
    let mut link = source.connected();
    let running = Running::start([source], &fake);
    let up = link.wait_for(|link| link.up);
    tokio::time::timeout(Duration::from_secs(60), up).await.expect("within a minute").expect("it runs");
    assert!(fake.0.borrow().is_empty(), "the checksum is missing");
    put(&server.files(), "batch.sha256", crossdock::base::Sha256::of(batch.as_bytes()).to_string().as_bytes());
    let seen = fake.until(500).await;
    running.stop().await;
    assert_eq!(&seen[499].bytes[..], b"{\"n\":499}");
    assert_eq!(names(&server.files()), [".crossdock", "done"]);
    assert!(names(&server.at("scratch")).is_empty());
}

/// Passes connections on to a server until they are cut.
struct Wire {
    address: SocketAddr,
    open: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (open, mut tasks) = (watch::Sender::new(true), JoinSet::new());
        let state = open.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut inner, _) = listener.accept().await.expect("a connection");
                let mut state = state.subscribe();
                connections.spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut outer) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => (),
                        _ = state.wait_for(|open| !open) => (),
                    }
                });
            }
        });
        Self { address, open, _tasks: tasks }
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_nothing_is_lost_or_taken_twice() {
    let server = Server::start().await;
    let wire = Wire::to(server.port).await;
    let fake = Arc::new(Fake::default());
    let source = server.source("one", |config| config.place.port = wire.address.port());
    let sink = server.sink(|config| {
        config.place.port = wire.address.port();
        config.files.folder = server.at("out");
    });
    fs::create_dir(server.at("out")).expect("a folder");
    let mut link = source.connected();
    let running = Running::start([source], &fake);
    put(&server.files(), "a.xml", b"<a/>");
    fake.until(1).await;
    assert_eq!(sink.send(&outgoing("<a/>")).await, Answer::Confirmed);
    let state = async |up: bool, link: &mut watch::Receiver<Link>| {
        let wait = link.wait_for(|link| link.up == up);
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("within a minute").expect("it runs");
    };
    state(true, &mut link).await;
    wire.open.send_replace(false);
    state(false, &mut link).await;
    let cut = sink.send(&Outgoing { business_key: Some("SO-2".to_owned()), ..outgoing("<b/>") }).await;
    assert!(matches!(cut, Answer::NotSent { .. }), "{cut:?}");
    put(&server.files(), "b.xml", b"<b/>");
    wire.open.send_replace(true);
    fake.until(2).await;
    state(true, &mut link).await;
    let again = sink.send(&Outgoing { business_key: Some("SO-2".to_owned()), ..outgoing("<b/>") }).await;
    assert_eq!(again, Answer::Confirmed);
    running.stop().await;
    let seen: Vec<String> = fake.0.borrow().iter().map(|one| one.attributes["file_name"].clone()).collect();
    assert_eq!(seen, ["a.xml", "b.xml"]);
    assert_eq!(names(&server.at("out")), ["SO-1.xml", "SO-2.xml"]);
}
