//! Takes files from a folder, by looking at it again and again, so that network folders work too.
//!
//! A file is taken once its size and time have stayed the same for a while, and its marker and checksum are there where
//! they are asked for, in order of modification time, then name. Whoever takes it holds a lock on it, which the system lifts
//! when the process ends, so that several nodes can look at one folder. After the intake has it safe, it is moved away; a crash in between makes the next run hand it in again under the same
//! key, which the intake recognises as a repetition. The key is the name and the digest: the same file put down twice is
//! one message. With `split` its records are messages instead of the file, see `file_split.rs`.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsString,
    fs,
    hash::Hash,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{Mutex, watch},
    task::spawn_blocking,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Arrival, FILE, FileInConfig, HttpProblem, Intake, Link, Periodic, Readiness, Refusal, Source, Verdict, code,
    file_name::{Companions, is_checksum_of, matches},
    file_split::{self, Batch, End},
};
use crate::base::{Language, Problem, Sha256};

/// A folder that files arrive in.
pub struct FileSource {
    config: FileInConfig,
    companions: Companions,
    seen: Mutex<Sightings<OsString>>,
    link: watch::Sender<Link>,
}

/// What a file looked like, and since when.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sight {
    size: u64,
    modified: SystemTime,
    since: Instant,
}

/// A file that may be taken.
pub(super) struct Candidate<N> {
    pub name: N,
    pub size: u64,
    pub modified: SystemTime,
}

/// What a folder looked like, so that only files that have stopped changing are taken.
pub(super) struct Sightings<N> {
    seen: HashMap<N, Sight>,
    /// Whether files were there that had not stopped changing for long enough.
    pub is_waiting: bool,
}

impl<N> Default for Sightings<N> {
    fn default() -> Self {
        Self { seen: HashMap::new(), is_waiting: false }
    }
}

impl<N: Clone + Eq + Hash + Ord> Sightings<N> {
    /// Remembers what the folder looks like, and picks the files that have not changed for long enough.
    pub(super) fn complete(
        &mut self,
        candidates: Vec<Candidate<N>>,
        now: Instant,
        stable: Duration,
    ) -> Vec<Candidate<N>> {
        let mut next = HashMap::new();
        let mut ready = Vec::new();
        for candidate in candidates {
            let (size, modified) = (candidate.size, candidate.modified);
            let since = match self.seen.get(&candidate.name) {
                Some(before) if (before.size, before.modified) == (size, modified) => before.since,
                _ => now,
            };
            next.insert(candidate.name.clone(), Sight { size, modified, since });
            if now.duration_since(since) >= stable {
                ready.push(candidate);
            }
        }
        self.is_waiting = ready.len() < next.len();
        self.seen = next;
        ready.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        ready
    }
}

/// A whole file as a message; recognised again by its name and digest.
pub(super) fn arrival(config: &FileInConfig, name: &str, bytes: Bytes) -> Arrival {
    let digest = Sha256::of(&bytes);
    Arrival {
        system: config.system.clone(),
        document_type: config.document_type.clone(),
        bytes,
        content_type: None,
        transport: FILE,
        key: Some(format!("file:{name}:{digest}")),
        attributes: [("file_name".to_owned(), name.to_owned())].into(),
        problem: None,
    }
}

/// Why a file beyond the limit is not taken.
pub(super) fn too_large(limit: u64) -> Refusal {
    let problem = Problem::new(code::FILE_TOO_LARGE, format!("the file has more than the {limit} bytes allowed here"));
    Refusal { status: 413, problem, retry_after: None, existing: None }
}

/// Why a file is not taken that is not what its checksum says.
pub(super) fn checksum_differs() -> Refusal {
    let problem = Problem::new(code::CHECKSUM_WRONG, "the file is not the one that its `.sha256` file was made of")
        .hint("put both down again, the checksum first");
    Refusal { status: 422, problem, retry_after: None, existing: None }
}

/// How a look at the folder ended.
pub(super) enum Look {
    /// Everything complete was taken.
    Done,
    /// The intake takes nothing now.
    Wait(Duration),
}

impl FileSource {
    /// A source over a folder; `done` and `failed` are created inside it unless they are named.
    ///
    /// # Errors
    /// The folder or the system is not named.
    pub fn new(config: &FileInConfig) -> Result<Self, Problem> {
        if config.folder.as_os_str().is_empty() || config.system.is_empty() {
            return Err(Problem::new(code::BAD_SETTINGS, "a file source needs a folder and the system it belongs to"));
        }
        let companions = Companions::new(&config.wait_for, config.checksum)?;
        let mut config = config.clone();
        for (place, name) in [(&mut config.done, "done"), (&mut config.failed, "failed")] {
            if place.as_os_str().is_empty() {
                *place = config.folder.join(name);
            }
        }
        let link = watch::Sender::new(Link::down("the folder has not been looked at yet"));
        Ok(Self { config, companions, seen: Mutex::default(), link })
    }

    /// Looks once and takes what is complete at `now`.
    pub(super) async fn look(
        &self,
        intake: &dyn Intake,
        now: Instant,
        shutdown: &CancellationToken,
    ) -> io::Result<Look> {
        if let Readiness::Closed { .. } = intake.readiness() {
            // asking again costs nothing
            return Ok(Look::Wait(Duration::from_millis(self.config.poll_ms)));
        }
        let (folder, pattern) = (self.config.folder.clone(), self.config.pattern.clone());
        let companions = self.companions.clone();
        let candidates = blocking(move || list(&folder, &pattern, &companions)).await?;
        let stable = Duration::from_millis(self.config.stable_ms);
        let ready = self.seen.lock().await.complete(candidates, now, stable);
        for candidate in ready {
            if shutdown.is_cancelled() {
                break;
            }
            if let Some(wait) = self.take(intake, candidate, shutdown).await? {
                return Ok(Look::Wait(wait));
            }
        }
        Ok(Look::Done)
    }

    async fn take(
        &self,
        intake: &dyn Intake,
        candidate: Candidate<OsString>,
        shutdown: &CancellationToken,
    ) -> io::Result<Option<Duration>> {
        let path = self.config.folder.join(&candidate.name);
        let name = candidate.name.to_string_lossy().into_owned();
        let claimed = path.clone();
        // held until the file is moved; another node has it, or had it, when there is none
        let Some(claim) = blocking(move || claim(&claimed)).await? else { return Ok(None) };
        if candidate.size > self.config.max_file_bytes {
            let refusal = too_large(self.config.max_file_bytes);
            return self.put_aside(path, candidate.name, refusal).await.map(|()| None);
        }
        if let Some(split) = &self.config.split {
            if let Some(text) = self.checksum(&name).await? {
                let (whole, size) = (path.clone(), candidate.size);
                match blocking(move || file_split::digest(&whole, size)).await? {
                    None => return Ok(None),
                    Some(digest) if is_checksum_of(&text, digest) => (),
                    Some(_) => return self.put_aside(path, candidate.name, checksum_differs()).await.map(|()| None),
                }
            }
            let batch = Batch { path: path.clone(), name, size: candidate.size };
            return match file_split::hand_in(&self.config, split, &batch, intake, shutdown).await? {
                End::Done => self.put_away(path, candidate.name).await.map(|()| None),
                End::Left => Ok(None),
                End::Wait(wait) => Ok(Some(wait)),
                End::Refused(refusal) => self.put_aside(path, candidate.name, refusal).await.map(|()| None),
            };
        }
        let (read, claim) = blocking(move || Ok((read(&claim, candidate.size)?, claim))).await?;
        let Some(bytes) = read else {
            // it changed while being read
            return Ok(None);
        };
        if let Some(text) = self.checksum(&name).await?
            && !is_checksum_of(&text, Sha256::of(&bytes))
        {
            return self.put_aside(path, candidate.name, checksum_differs()).await.map(|()| None);
        }
        let verdict = intake.accept(arrival(&self.config, &name, bytes)).await;
        let taken = match verdict {
            Verdict::Accepted { .. } => self.put_away(path, candidate.name).await.map(|()| None),
            Verdict::Refused(refusal) => self.put_aside(path, candidate.name, refusal).await.map(|()| None),
            Verdict::Unavailable { retry_after } => Ok(Some(retry_after)),
        };
        drop(claim);
        taken
    }

    /// The text of a file's checksum, where one is asked for.
    async fn checksum(&self, name: &str) -> io::Result<Option<String>> {
        let Some(beside) = self.companions.checksum(name) else { return Ok(None) };
        let path = self.config.folder.join(beside);
        blocking(move || {
            let mut text = Vec::new();
            fs::File::open(path)?.take(4096).read_to_end(&mut text)?;
            Ok(Some(String::from_utf8_lossy(&text).into_owned()))
        })
        .await
    }

    /// Moves a file into `done`.
    async fn put_away(&self, path: PathBuf, name: OsString) -> io::Result<()> {
        let (done, beside) = (self.config.done.clone(), self.beside(&name));
        blocking(move || {
            move_into(&done, &path, &name)?;
            clear(beside);
            Ok(())
        })
        .await
    }

    /// Moves a file into `failed` and says why beside it.
    async fn put_aside(&self, path: PathBuf, name: OsString, refusal: Refusal) -> io::Result<()> {
        let (failed, companions) = (self.config.failed.clone(), self.beside(&name));
        let problem = HttpProblem {
            status: refusal.status,
            problem: refusal.problem,
            language: Language::English,
            instance: name.to_string_lossy().into_owned(),
            trace_id: None,
            retry_after: None,
            existing: refusal.existing,
        };
        blocking(move || {
            let mut beside = move_into(&failed, &path, &name)?.into_os_string();
            beside.push(".problem.json");
            fs::write(beside, format!("{:#}\n", problem.to_json()))?;
            clear(companions);
            Ok(())
        })
        .await
    }

    /// What stands beside a file and goes with it.
    fn beside(&self, name: &OsString) -> Vec<PathBuf> {
        self.companions.of(&name.to_string_lossy()).map(|beside| self.config.folder.join(beside)).collect()
    }
}

#[async_trait]
impl Periodic for FileSource {
    async fn take_once(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) -> Result<(), String> {
        loop {
            let looked = self.look(&*intake, Instant::now(), &shutdown).await;
            self.link.send_replace(match &looked {
                Ok(Look::Done) => Link::up(),
                Ok(Look::Wait(_)) => Link::down("no messages are accepted now"),
                Err(error) => Link::down(format!("{}: {error}", self.describe())),
            });
            let wait = match looked {
                Ok(Look::Done) if !self.seen.lock().await.is_waiting => return Ok(()),
                Ok(Look::Done) => Duration::from_millis(self.config.poll_ms),
                Ok(Look::Wait(wait)) => wait,
                Err(error) => return Err(format!("{}: {error}", self.describe())),
            };
            tokio::select! {
                () = shutdown.cancelled() => return Err("stopped before its end".to_owned()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

#[async_trait]
impl Source for FileSource {
    async fn run(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let poll = Duration::from_millis(self.config.poll_ms);
            let wait = match self.look(&*intake, Instant::now(), &shutdown).await {
                Ok(Look::Done) => {
                    self.link.send_if_modified(|link| !std::mem::replace(link, Link::up()).up);
                    poll
                }
                Ok(Look::Wait(wait)) => {
                    self.link.send_replace(Link::down("no messages are accepted now"));
                    wait
                }
                Err(error) => {
                    self.link.send_replace(Link::down(format!("{}: {error}", self.describe())));
                    poll
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.link.send_replace(Link::down("stopped"));
    }

    fn connected(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    fn describe(&self) -> String {
        self.config.folder.join(&self.config.pattern).display().to_string()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

fn list(folder: &Path, pattern: &str, companions: &Companions) -> io::Result<Vec<Candidate<OsString>>> {
    let entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    let names: BTreeSet<String> =
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let beside: BTreeSet<String> = names.iter().flat_map(|name| companions.of(name)).collect();
    let mut candidates = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if shown.starts_with('.')
            || !matches(pattern, &shown)
            || beside.contains(&*shown)
            || companions.of(&shown).any(|beside| !names.contains(&beside))
        {
            continue;
        }
        // a file may be gone again; a symbolic link is never followed
        let Ok(found) = entry.metadata() else { continue };
        if found.is_file() {
            candidates.push(Candidate { name, size: found.len(), modified: found.modified()? });
        }
    }
    Ok(candidates)
}

/// Opens a file and locks it; `None` when another node holds the lock or has moved the file.
///
/// On a file system that knows no locks two nodes may hand in the same file; the intake takes it once.
fn claim(path: &Path) -> io::Result<Option<fs::File>> {
    use std::os::unix::fs::MetadataExt as _;
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lock = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    if lock == Err(rustix::io::Errno::WOULDBLOCK) {
        return Ok(None);
    }
    let (mine, there) = (file.metadata()?, fs::symlink_metadata(path));
    let is_there = there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino()));
    Ok(is_there.then_some(file))
}

/// The whole file, if it still has the size it was seen with.
fn read(file: &fs::File, size: u64) -> io::Result<Option<Bytes>> {
    let mut bytes = Vec::new();
    file.take(size + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 == size).then(|| Bytes::from(bytes)))
}

/// Removes what stood beside a file; what stays does no harm without it.
fn clear(beside: Vec<PathBuf>) {
    for path in beside {
        let _ = fs::remove_file(path);
    }
}

/// Moves a file into a folder under its name, or its name and a number when that is taken.
fn move_into(folder: &Path, path: &Path, name: &OsString) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut target = folder.join(name);
    let mut number = 1_u32;
    while target.try_exists()? {
        number += 1;
        let mut numbered = name.clone();
        numbered.push(format!(".{number}"));
        target = folder.join(numbered);
    }
    fs::rename(path, &target)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use async_trait::async_trait;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::{FileSource, Look, claim};
    use crate::{
        base::{Problem, Secret},
        transport::{Access, Arrival, FileInConfig, Intake, Link, Readiness, Refusal, Source as _, Verdict, code},
    };

    /// Refuses files called `bad…`, has no room for `later…`, accepts the rest.
    #[derive(Default)]
    struct Fake(Mutex<Vec<Arrival>>);

    #[async_trait]
    impl Intake for Fake {
        async fn accept(&self, arrival: Arrival) -> Verdict {
            let name = arrival.attributes["file_name"].clone();
            self.0.lock().expect("the list").push(arrival);
            if name.starts_with("bad") {
                let problem = Problem::new(code::BODY_CUT, "no end");
                return Verdict::Refused(Refusal { status: 400, problem, retry_after: None, existing: None });
            }
            if name.starts_with("later") {
                return Verdict::Unavailable { retry_after: Duration::from_secs(3) };
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

    fn source(folder: &Path) -> FileSource {
        let config = FileInConfig {
            folder: folder.to_owned(),
            pattern: "*.xml".to_owned(),
            system: "crm".to_owned(),
            stable_ms: 1000,
            max_file_bytes: 10,
            ..FileInConfig::default()
        };
        FileSource::new(&config).expect("good settings")
    }

    async fn look(source: &FileSource, fake: &Fake, at: Instant) -> Look {
        source.look(fake, at, &CancellationToken::new()).await.expect("the folder is there")
    }

    #[tokio::test]
    async fn a_file_is_taken_once_it_has_stopped_changing_and_then_moved_to_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, fake, start) = (source(folder.path()), Fake::default(), Instant::now());
        let file = folder.path().join("a.xml");
        fs::write(&file, "<a").expect("written");
        fs::write(folder.path().join("a.txt"), "other").expect("written");
        look(&source, &fake, start).await;
        fs::write(&file, "<a/>").expect("written");
        look(&source, &fake, start + Duration::from_millis(999)).await;
        look(&source, &fake, start + Duration::from_millis(1998)).await;
        assert!(fake.0.lock().expect("the list").is_empty(), "it changed less than a second ago");
        look(&source, &fake, start + Duration::from_millis(1999)).await;
        let seen = fake.0.lock().expect("the list");
        assert_eq!(seen.len(), 1);
        assert_eq!((&seen[0].bytes[..], seen[0].system.as_str()), (b"<a/>".as_slice(), "crm"));
        assert!(seen[0].key.as_deref().expect("a key").starts_with("file:a.xml:"));
        assert!(!file.exists() && folder.path().join("done/a.xml").exists() && folder.path().join("a.txt").exists());
    }

    #[tokio::test]
    async fn refused_and_oversized_files_go_to_failed_with_the_reason_beside_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, fake, start) = (source(folder.path()), Fake::default(), Instant::now());
        for round in 1..=2 {
            fs::write(folder.path().join("bad.xml"), "<a").expect("written");
            fs::write(folder.path().join("big.xml"), "0123456789x").expect("written");
            look(&source, &fake, start + Duration::from_secs(round * 2)).await;
            look(&source, &fake, start + Duration::from_secs(round * 2 + 1)).await;
        }
        for (name, code) in [("bad.xml", "XD-T010"), ("big.xml", "XD-T013"), ("bad.xml.2", "XD-T010")] {
            assert!(folder.path().join("failed").join(name).exists(), "{name}");
            let reason = fs::read(folder.path().join(format!("failed/{name}.problem.json"))).expect("the reason");
            let reason: serde_json::Value = serde_json::from_slice(&reason).expect("JSON");
            assert_eq!(reason["code"], code);
        }
    }

    #[tokio::test]
    async fn an_intake_without_room_leaves_the_file_and_those_after_it_where_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, fake, start) = (source(folder.path()), Fake::default(), Instant::now());
        for name in ["later.xml", "z.xml"] {
            let file = fs::File::create(folder.path().join(name)).expect("created");
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("dated");
        }
        look(&source, &fake, start).await;
        let end = look(&source, &fake, start + Duration::from_secs(1)).await;
        assert!(matches!(end, Look::Wait(wait) if wait == Duration::from_secs(3)));
        assert_eq!(fake.0.lock().expect("the list").len(), 1);
        assert!(folder.path().join("later.xml").exists() && folder.path().join("z.xml").exists());
    }

    #[tokio::test]
    async fn a_missing_folder_shows_as_down_and_stopping_ends_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = source(&folder.path().join("missing"));
        let mut link = source.connected();
        let stop = CancellationToken::new();
        let run = source.run(Arc::new(Fake::default()), stop.clone());
        let watch = async {
            link.changed().await.expect("the source lives");
            let down: Link = link.borrow_and_update().clone();
            assert!(!down.up && down.why.contains("missing"), "{down:?}");
            stop.cancel();
        };
        tokio::join!(run, watch);
    }

    #[tokio::test]
    async fn a_file_waits_for_its_marker_and_its_checksum_which_go_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = FileInConfig {
            folder: folder.path().to_owned(),
            system: "crm".to_owned(),
            stable_ms: 0,
            wait_for: "{name}.done".to_owned(),
            checksum: true,
            ..FileInConfig::default()
        };
        let (source, fake) = (FileSource::new(&config).expect("good settings"), Fake::default());
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        let names = || {
            let entries =
                fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
            let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
            names.sort();
            names
        };
        put("a.xml", "<a/>");
        put("b.xml", "<b/>");
        for (name, text) in [("a.xml", "<a/>"), ("b.xml", "<other/>")] {
            let digest = crate::base::Sha256::of(text.as_bytes());
            put(&format!("{name}.sha256"), &format!("{digest}  {name}\n"));
        }
        look(&source, &fake, Instant::now()).await;
        assert!(fake.0.lock().expect("the list").is_empty(), "no marker is there");
        put("a.xml.done", "");
        put("b.xml.done", "");
        look(&source, &fake, Instant::now()).await;
        assert_eq!(fake.0.lock().expect("the list").len(), 1);
        assert_eq!(names(), ["done", "failed"]);
        let reason = fs::read_to_string(folder.path().join("failed/b.xml.problem.json")).expect("the reason");
        assert!(reason.contains("XD-T018"), "{reason}");
    }

    #[tokio::test]
    async fn two_nodes_on_one_folder_take_every_file_once() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..50 {
            fs::write(folder.path().join(format!("{number}.xml")), number.to_string()).expect("written");
        }
        let fake = Fake::default();
        let nodes: Vec<FileSource> = (0..4).map(|_| source(folder.path())).collect();
        let start = Instant::now();
        for later in [0, 1, 2] {
            let at = start + Duration::from_secs(later);
            futures_util::future::join_all(nodes.iter().map(|node| look(node, &fake, at))).await;
        }
        let mut taken: Vec<String> =
            fake.0.lock().expect("the list").iter().map(|one| one.attributes["file_name"].clone()).collect();
        assert_eq!(taken.len(), 50);
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), 50);
        assert_eq!(fs::read_dir(folder.path().join("done")).expect("the folder").count(), 50);
    }

    #[test]
    fn a_file_that_another_process_holds_is_left_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.xml");
        fs::write(&path, "<a/>").expect("written");
        let first = claim(&path).expect("readable");
        assert!(first.is_some() && claim(&path).expect("readable").is_none());
        drop(first);
        assert!(claim(&path).expect("readable").is_some());
        fs::remove_file(&path).expect("removed");
        assert!(claim(&path).expect("readable").is_none());
    }
}
