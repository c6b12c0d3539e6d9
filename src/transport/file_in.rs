//! Takes files from a folder, by looking at it again and again, so that network folders work too.
//!
//! A file is taken once its size and time have stayed the same for a while, in order of modification time, then name.
//! After the intake has it safe, it is moved away; a crash in between makes the next run hand it in again under the same
//! key, which the intake recognises as a repetition. The key is the name and the digest: the same file put down twice is
//! one message. With `split` its records are messages instead of the file, see `file_split.rs`.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
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
    Arrival, FILE, FileInConfig, HttpProblem, Intake, Link, Readiness, Refusal, Source, Verdict, code,
    file_split::{self, Batch, End},
};
use crate::base::{Language, Problem, Sha256};

/// A folder that files arrive in.
pub struct FileSource {
    config: FileInConfig,
    seen: Mutex<HashMap<OsString, Sight>>,
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
struct Candidate {
    name: OsString,
    size: u64,
    modified: SystemTime,
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
        let mut config = config.clone();
        for (place, name) in [(&mut config.done, "done"), (&mut config.failed, "failed")] {
            if place.as_os_str().is_empty() {
                *place = config.folder.join(name);
            }
        }
        let link = watch::Sender::new(Link::down("the folder has not been looked at yet"));
        Ok(Self { config, seen: Mutex::new(HashMap::new()), link })
    }

    /// Looks once and takes what is complete at `now`.
    pub(super) async fn look(
        &self,
        intake: &dyn Intake,
        now: Instant,
        shutdown: &CancellationToken,
    ) -> io::Result<Look> {
        if let Readiness::Closed { retry_after, .. } = intake.readiness() {
            return Ok(Look::Wait(retry_after));
        }
        let (folder, pattern) = (self.config.folder.clone(), self.config.pattern.clone());
        let candidates = blocking(move || list(&folder, &pattern)).await?;
        let ready = self.complete(candidates, now).await;
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

    /// Remembers what the folder looks like, and picks the files that have not changed for long enough.
    async fn complete(&self, candidates: Vec<Candidate>, now: Instant) -> Vec<Candidate> {
        let mut seen = self.seen.lock().await;
        let mut next = HashMap::new();
        let mut ready = Vec::new();
        for candidate in candidates {
            let (size, modified) = (candidate.size, candidate.modified);
            let since = match seen.get(&candidate.name) {
                Some(before) if (before.size, before.modified) == (size, modified) => before.since,
                _ => now,
            };
            next.insert(candidate.name.clone(), Sight { size, modified, since });
            if now.duration_since(since) >= Duration::from_millis(self.config.stable_ms) {
                ready.push(candidate);
            }
        }
        *seen = next;
        ready.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        ready
    }

    async fn take(
        &self,
        intake: &dyn Intake,
        candidate: Candidate,
        shutdown: &CancellationToken,
    ) -> io::Result<Option<Duration>> {
        let path = self.config.folder.join(&candidate.name);
        let name = candidate.name.to_string_lossy().into_owned();
        if candidate.size > self.config.max_file_bytes {
            let text =
                format!("the file has {} bytes, {} are allowed here", candidate.size, self.config.max_file_bytes);
            let refusal = Refusal {
                status: 413,
                problem: Problem::new(code::FILE_TOO_LARGE, text),
                retry_after: None,
                existing: None,
            };
            return self.put_aside(path, candidate.name, refusal).await.map(|()| None);
        }
        if let Some(split) = &self.config.split {
            let batch = Batch { path: path.clone(), name, size: candidate.size };
            return match file_split::hand_in(&self.config, split, &batch, intake, shutdown).await? {
                End::Done => self.put_away(path, candidate.name).await.map(|()| None),
                End::Left => Ok(None),
                End::Wait(wait) => Ok(Some(wait)),
                End::Refused(refusal) => self.put_aside(path, candidate.name, refusal).await.map(|()| None),
            };
        }
        let Some(bytes) = read(path.clone(), candidate.size).await? else {
            // it changed or went away while being read
            return Ok(None);
        };
        let digest = Sha256::of(&bytes);
        let arrival = Arrival {
            system: self.config.system.clone(),
            document_type: self.config.document_type.clone(),
            bytes,
            content_type: None,
            transport: FILE,
            key: Some(format!("file:{name}:{digest}")),
            attributes: [("file_name".to_owned(), name)].into(),
            problem: None,
        };
        match intake.accept(arrival).await {
            Verdict::Accepted { .. } => self.put_away(path, candidate.name).await.map(|()| None),
            Verdict::Refused(refusal) => self.put_aside(path, candidate.name, refusal).await.map(|()| None),
            Verdict::Unavailable { retry_after } => Ok(Some(retry_after)),
        }
    }

    /// Moves a file into `done`.
    async fn put_away(&self, path: PathBuf, name: OsString) -> io::Result<()> {
        let done = self.config.done.clone();
        blocking(move || move_into(&done, &path, &name).map(drop)).await
    }

    /// Moves a file into `failed` and says why beside it.
    async fn put_aside(&self, path: PathBuf, name: OsString, refusal: Refusal) -> io::Result<()> {
        let failed = self.config.failed.clone();
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
            fs::write(beside, format!("{:#}\n", problem.to_json()))
        })
        .await
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

fn list(folder: &Path, pattern: &str) -> io::Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if shown.starts_with('.') || !matches(pattern, &shown) {
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

/// Whether a name fits a pattern in which `*` stands for any text and `?` for one character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The whole file, if it still has the size it was seen with.
async fn read(path: PathBuf, size: u64) -> io::Result<Option<Bytes>> {
    blocking(move || {
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(size + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 == size).then(|| Bytes::from(bytes)))
    })
    .await
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

    use super::{FileSource, Look, matches};
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

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("*", "a.xml", true),
            ("*.xml", "a.xml", true),
            ("*.xml", "a.xml.part", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaybz", true),
            ("订单*.xml", "订单1.xml", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
