//! Takes files from a folder on an SFTP server, by looking at it again and again.
//!
//! A file is claimed by renaming it into a folder of claims, which only one of several nodes can do; then it is read,
//! handed in, and moved away or deleted. A claim whose node died is taken over after a while; the intake recognises by its
//! key what was handed in before.

use std::{
    collections::BTreeSet,
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Mutex, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Egress, Intake, Link, Periodic, Readiness, Refusal, SftpInConfig, Source, Verdict,
    file_in::{Candidate, Sightings, arrival, checksum_differs, too_large},
    file_name::{Companions, is_checksum_of, matches},
    file_split::{self, Batch, End},
    http_problem::HttpProblem,
    sftp_link::{SftpConnection, SftpFault, SftpLink},
};
use crate::base::{Clock, Language, Problem, Sha256};

/// What a process brings along for its SFTP sources.
#[derive(Clone)]
pub struct SftpNode {
    /// A name that no other process has; letters and digits.
    pub name: String,
    /// A private folder for batch files while they are split.
    pub scratch: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A folder on a server that files arrive in.
pub struct SftpSource {
    config: SftpInConfig,
    link: SftpLink,
    companions: Companions,
    node: SftpNode,
    seen: Mutex<Sightings<String>>,
    state: watch::Sender<Link>,
}

/// A file that this node alone may take.
struct Claim {
    name: String,
    path: String,
    size: u64,
}

/// Why a look ended early.
enum Stop {
    /// The server.
    Fault(SftpFault),
    /// The intake takes nothing now.
    Wait(Duration),
    /// The scratch folder.
    Scratch(io::Error),
}

impl From<SftpFault> for Stop {
    fn from(fault: SftpFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<russh_sftp::client::error::Error> for Stop {
    fn from(error: russh_sftp::client::error::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl SftpSource {
    /// A source over a folder on a server; `done`, `failed` and the folder of claims are made inside it when needed.
    ///
    /// # Errors
    /// `XD-T012`: the server's settings cannot work, or the system is not named.
    pub fn new(config: &SftpInConfig, egress: &Arc<Egress>, node: SftpNode) -> Result<Self, Problem> {
        let files = &config.files;
        if files.system.is_empty() {
            let text = "an SFTP source needs the system it belongs to";
            return Err(Problem::new(super::code::BAD_SETTINGS, text));
        }
        Ok(Self {
            link: SftpLink::new(&config.place, egress)?,
            companions: Companions::new(&files.wait_for, files.checksum)?,
            config: config.clone(),
            node,
            seen: Mutex::default(),
            state: watch::Sender::new(Link::down("the folder has not been looked at yet")),
        })
    }

    /// Looks once and takes what is complete at `now`; how long to wait when the intake takes nothing.
    async fn look(
        &self,
        intake: &dyn Intake,
        now: Instant,
        shutdown: &CancellationToken,
    ) -> Result<Option<Duration>, String> {
        if let Readiness::Closed { retry_after, .. } = intake.readiness() {
            return Ok(Some(retry_after));
        }
        let connection = self.link.get().await?;
        match self.take_all(&connection, intake, now, shutdown).await {
            Ok(()) => Ok(None),
            Err(Stop::Wait(wait)) => Ok(Some(wait)),
            Err(Stop::Scratch(error)) => Err(format!("{}: {error}", self.node.scratch.display())),
            Err(Stop::Fault(fault)) => {
                if matches!(fault, SftpFault::Lost(_)) {
                    self.link.forget(&connection).await;
                }
                Err(fault.to_string())
            }
        }
    }

    async fn take_all(
        &self,
        connection: &SftpConnection,
        intake: &dyn Intake,
        now: Instant,
        shutdown: &CancellationToken,
    ) -> Result<(), Stop> {
        let mut work = self.left_claims(connection).await?;
        work.reverse();
        let candidates = self.list(connection).await?;
        let ready =
            self.seen.lock().await.complete(candidates, now, Duration::from_millis(self.config.files.stable_ms));
        let mut ready = ready.into_iter();
        while !shutdown.is_cancelled() {
            let claim = match work.pop() {
                Some(claim) => claim,
                None => {
                    let Some(candidate) = ready.next() else { break };
                    let Some(claim) = self.claim(connection, candidate).await? else { continue };
                    claim
                }
            };
            self.take(connection, intake, claim, shutdown).await?;
        }
        Ok(())
    }

    async fn list(&self, connection: &SftpConnection) -> Result<Vec<Candidate<String>>, Stop> {
        let entries: Vec<_> = connection.files.read_dir(self.folder()).await?.collect();
        let names: BTreeSet<String> = entries.iter().map(|entry| entry.file_name()).collect();
        let companions: BTreeSet<String> = names.iter().flat_map(|name| self.companions.of(name)).collect();
        let mut candidates = Vec::new();
        for entry in entries {
            let (name, found) = (entry.file_name(), entry.metadata());
            // links are never followed; the server says what an entry itself is
            let is_wanted = found.file_type().is_file()
                && !name.starts_with('.')
                && !name.contains('/')
                && matches(&self.config.files.pattern, &name)
                && !companions.contains(&name)
                && self.companions.of(&name).all(|beside| names.contains(&beside));
            if is_wanted {
                let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                candidates.push(Candidate { name, size: found.len(), modified });
            }
        }
        Ok(candidates)
    }

    /// Claims of this node, left by a lost connection, and of nodes that have not finished for too long.
    async fn left_claims(&self, connection: &SftpConnection) -> Result<Vec<Claim>, Stop> {
        let entries = match connection.files.read_dir(self.claims()).await.map_err(SftpFault::from) {
            Ok(entries) => entries,
            Err(fault) if fault.is_missing() => return Ok(Vec::new()),
            Err(fault) => return Err(fault.into()),
        };
        let now = self.seconds();
        let mut claims = Vec::new();
        for entry in entries {
            let claimed = entry.file_name();
            let mut parts = claimed.splitn(3, '~');
            let (Some(since), Some(owner), Some(name)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let Ok(since) = since.parse::<i64>() else { continue };
            let (path, size) = (format!("{}/{claimed}", self.claims()), entry.metadata().len());
            if owner == self.node.name {
                claims.push(Claim { name: name.to_owned(), path, size });
            } else if now - since >= i64::try_from(self.config.claim_ms / 1000).unwrap_or(i64::MAX)
                && let Some(path) = self.rename_claim(connection, &path, name).await?
            {
                claims.push(Claim { name: name.to_owned(), path, size });
            }
        }
        Ok(claims)
    }

    async fn claim(&self, connection: &SftpConnection, candidate: Candidate<String>) -> Result<Option<Claim>, Stop> {
        let from = self.at(&candidate.name);
        let path = self.rename_claim(connection, &from, &candidate.name).await?;
        Ok(path.map(|path| Claim { name: candidate.name, path, size: candidate.size }))
    }

    /// Renames a file to a claim of this node; `None` when another node was quicker.
    async fn rename_claim(&self, connection: &SftpConnection, from: &str, name: &str) -> Result<Option<String>, Stop> {
        let path = format!("{}/{}~{}~{name}", self.claims(), self.seconds(), self.node.name);
        let renamed = connection.files.rename(from, &path).await.map_err(SftpFault::from);
        let renamed = match renamed {
            Err(SftpFault::Said(..)) => {
                if self.exists(connection, from).await? {
                    self.make_folder(connection, &self.claims()).await?;
                    connection.files.rename(from, &path).await.map_err(SftpFault::from)
                } else {
                    return Ok(None);
                }
            }
            other => other,
        };
        match renamed {
            Ok(()) => Ok(Some(path)),
            Err(fault @ SftpFault::Said(..)) => {
                if self.exists(connection, from).await? {
                    Err(fault.into())
                } else {
                    Ok(None)
                }
            }
            Err(fault) => Err(fault.into()),
        }
    }

    async fn take(
        &self,
        connection: &SftpConnection,
        intake: &dyn Intake,
        claim: Claim,
        shutdown: &CancellationToken,
    ) -> Result<(), Stop> {
        let files = &self.config.files;
        if claim.size > files.max_file_bytes {
            return self.put_aside(connection, claim, too_large(files.max_file_bytes)).await;
        }
        if let Some(split) = &files.split {
            let scratch = self.node.scratch.join(format!("{}.{}", self.node.name, Sha256::of(claim.path.as_bytes())));
            let fetched = self.fetch_to(connection, &claim, &scratch).await;
            let end = match fetched {
                Ok((digest, size)) if self.fits(connection, &claim, digest).await? => {
                    let batch = Batch { path: scratch.clone(), name: claim.name.clone(), size };
                    file_split::hand_in(files, split, &batch, intake, shutdown).await.map_err(Stop::Scratch)
                }
                Ok(_) => Ok(End::Refused(checksum_differs())),
                Err(stop) => Err(stop),
            };
            // a scratch file that stays is overwritten by the next try
            let _ = fs::remove_file(&scratch);
            return match end? {
                End::Done => self.put_away(connection, claim).await,
                End::Left => Ok(()),
                End::Wait(wait) => self.put_back(connection, claim, wait).await,
                End::Refused(refusal) => self.put_aside(connection, claim, refusal).await,
            };
        }
        let mut bytes = Vec::new();
        let file = connection.files.open(&claim.path).await?;
        file.take(files.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes).await.map_err(SftpFault::from)?;
        if bytes.len() as u64 > files.max_file_bytes {
            return self.put_aside(connection, claim, too_large(files.max_file_bytes)).await;
        }
        if !self.fits(connection, &claim, Sha256::of(&bytes)).await? {
            return self.put_aside(connection, claim, checksum_differs()).await;
        }
        match intake.accept(arrival(files, &claim.name, Bytes::from(bytes))).await {
            Verdict::Accepted { .. } => self.put_away(connection, claim).await,
            Verdict::Refused(refusal) => self.put_aside(connection, claim, refusal).await,
            Verdict::Unavailable { retry_after } => self.put_back(connection, claim, retry_after).await,
        }
    }

    async fn fetch_to(
        &self,
        connection: &SftpConnection,
        claim: &Claim,
        scratch: &PathBuf,
    ) -> Result<(Sha256, u64), Stop> {
        if let Some(folder) = scratch.parent() {
            fs::create_dir_all(folder).map_err(Stop::Scratch)?;
        }
        let mut local = tokio::fs::File::create(scratch).await.map_err(Stop::Scratch)?;
        let mut remote = connection.files.open(&claim.path).await?;
        let (mut digest, mut size) = (crate::base::Sha256Builder::default(), 0_u64);
        let mut block = vec![0_u8; 256 << 10];
        loop {
            let count = remote.read(&mut block).await.map_err(SftpFault::from)?;
            if count == 0 {
                break;
            }
            digest.add(&block[..count]);
            size += count as u64;
            local.write_all(&block[..count]).await.map_err(Stop::Scratch)?;
        }
        local.flush().await.map_err(Stop::Scratch)?;
        Ok((digest.finish(), size))
    }

    /// Whether a file is what its checksum says, where one is asked for.
    async fn fits(&self, connection: &SftpConnection, claim: &Claim, digest: Sha256) -> Result<bool, Stop> {
        let Some(beside) = self.companions.checksum(&claim.name) else { return Ok(true) };
        let mut text = Vec::new();
        let file = connection.files.open(self.at(&beside)).await?;
        file.take(4096).read_to_end(&mut text).await.map_err(SftpFault::from)?;
        Ok(is_checksum_of(&String::from_utf8_lossy(&text), digest))
    }

    async fn put_away(&self, connection: &SftpConnection, claim: Claim) -> Result<(), Stop> {
        if self.config.delete {
            connection.files.remove_file(&claim.path).await?;
        } else {
            self.move_into(connection, &claim, &self.done()).await?;
        }
        self.clear_companions(connection, &claim.name).await
    }

    /// Moves a file into `failed` and says why beside it.
    async fn put_aside(&self, connection: &SftpConnection, claim: Claim, refusal: Refusal) -> Result<(), Stop> {
        let moved = self.move_into(connection, &claim, &self.failed()).await?;
        let problem = HttpProblem {
            status: refusal.status,
            problem: refusal.problem,
            language: Language::English,
            instance: claim.name.clone(),
            trace_id: None,
            retry_after: None,
            existing: refusal.existing,
        };
        let mut beside = connection.files.create(format!("{moved}.problem.json")).await?;
        let text = format!("{:#}\n", problem.to_json());
        beside.write_all(text.as_bytes()).await.map_err(SftpFault::from)?;
        beside.close().await.map_err(SftpFault::from)?;
        self.clear_companions(connection, &claim.name).await
    }

    /// Gives a claim back, so that the file keeps its place in the order.
    async fn put_back(&self, connection: &SftpConnection, claim: Claim, wait: Duration) -> Result<(), Stop> {
        connection.files.rename(&claim.path, self.at(&claim.name)).await?;
        Err(Stop::Wait(wait))
    }

    async fn clear_companions(&self, connection: &SftpConnection, name: &str) -> Result<(), Stop> {
        for beside in self.companions.of(name) {
            match connection.files.remove_file(self.at(&beside)).await.map_err(SftpFault::from) {
                Err(fault @ SftpFault::Lost(_)) => return Err(fault.into()),
                // one that stays does no harm without its file
                Ok(()) | Err(SftpFault::Said(..)) => (),
            }
        }
        Ok(())
    }

    /// Moves a claimed file into a folder under its name, or its name and a number when that is taken.
    async fn move_into(&self, connection: &SftpConnection, claim: &Claim, folder: &str) -> Result<String, Stop> {
        let mut number = 1_u32;
        loop {
            let suffix = if number == 1 { String::new() } else { format!(".{number}") };
            let target = format!("{folder}/{}{suffix}", claim.name);
            if self.exists(connection, &target).await? {
                number += 1;
                continue;
            }
            match connection.files.rename(&claim.path, &target).await.map_err(SftpFault::from) {
                Ok(()) => return Ok(target),
                Err(fault @ SftpFault::Lost(_)) => return Err(fault.into()),
                Err(_) if self.exists(connection, &target).await? => number += 1,
                Err(fault) if self.exists(connection, folder).await? => return Err(fault.into()),
                Err(_) => self.make_folder(connection, folder).await?,
            }
        }
    }

    async fn make_folder(&self, connection: &SftpConnection, folder: &str) -> Result<(), Stop> {
        match connection.files.create_dir(folder).await.map_err(SftpFault::from) {
            Ok(()) => Ok(()),
            Err(SftpFault::Said(..)) if self.exists(connection, folder).await? => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn exists(&self, connection: &SftpConnection, path: &str) -> Result<bool, Stop> {
        match connection.files.metadata(path).await.map_err(SftpFault::from) {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_missing() => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    fn folder(&self) -> String {
        let folder = self.config.files.folder.to_string_lossy();
        match folder.trim_end_matches('/') {
            "" if folder.starts_with('/') => "/".to_owned(),
            "" => ".".to_owned(),
            folder => folder.to_owned(),
        }
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.folder().trim_end_matches('/'))
    }

    fn claims(&self) -> String {
        self.at(".crossdock")
    }

    fn done(&self) -> String {
        let named = &self.config.files.done;
        if named.as_os_str().is_empty() { self.at("done") } else { named.to_string_lossy().into_owned() }
    }

    fn failed(&self) -> String {
        let named = &self.config.files.failed;
        if named.as_os_str().is_empty() { self.at("failed") } else { named.to_string_lossy().into_owned() }
    }

    fn seconds(&self) -> i64 {
        self.node.clock.now().micros() / 1_000_000
    }
}

#[async_trait]
impl Periodic for SftpSource {
    async fn take_once(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) -> Result<(), String> {
        let taken = loop {
            let looked = self.look(&*intake, Instant::now(), &shutdown).await;
            self.state.send_replace(match &looked {
                Ok(None) => Link::up(),
                Ok(Some(_)) => Link::down("no messages are accepted now"),
                Err(why) => Link::down(format!("{}: {why}", self.describe())),
            });
            let wait = match looked {
                Ok(None) if !self.seen.lock().await.is_waiting => break Ok(()),
                Ok(None) => Duration::from_millis(self.config.files.poll_ms),
                Ok(Some(wait)) => wait,
                Err(why) => break Err(format!("{}: {why}", self.describe())),
            };
            tokio::select! {
                () = shutdown.cancelled() => break Err("stopped before its end".to_owned()),
                () = tokio::time::sleep(wait) => {}
            }
        };
        // the next run may be far
        self.link.close().await;
        taken
    }
}

#[async_trait]
impl Source for SftpSource {
    async fn run(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let poll = Duration::from_millis(self.config.files.poll_ms);
            let wait = match self.look(&*intake, Instant::now(), &shutdown).await {
                Ok(None) => {
                    self.state.send_if_modified(|link| !std::mem::replace(link, Link::up()).up);
                    poll
                }
                Ok(Some(wait)) => {
                    self.state.send_replace(Link::down("no messages are accepted now"));
                    wait
                }
                Err(why) => {
                    self.state.send_replace(Link::down(format!("{}: {why}", self.describe())));
                    poll
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.link.close().await;
        self.state.send_replace(Link::down("stopped"));
    }

    fn connected(&self) -> watch::Receiver<Link> {
        self.state.subscribe()
    }

    fn describe(&self) -> String {
        self.link.shown(&self.at(&self.config.files.pattern))
    }
}
