//! `crossdock send --split`: a batch file to single messages, in constant memory, going on after an interruption.

use std::{
    fs::File,
    io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Common, Exit, Failed,
    outcome::{out, print_json},
    send,
};
use crate::{
    base::{Limits, Problem, Sha256},
    format::{Charset, Piece, Records, Splitter},
};

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;
/// How often progress is kept and, without a terminal, told.
const KEPT_EVERY: Duration = Duration::from_secs(1);
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How many problems are shown one by one.
const SHOWN_PROBLEMS: usize = 20;

/// What `send` takes for batches.
#[derive(clap::Args)]
pub struct Batches {
    /// Split each file into single messages; where its records are: `/Batch/Customer`, `json`, `json:/data/rows`, `lines`.
    #[arg(long, value_name = "RECORDS", help_heading = "Batches")]
    split: Option<String>,
    /// Split and check only: nothing is sent, no hub is needed.
    #[arg(long, requires = "split", help_heading = "Batches")]
    dry_run: bool,
    /// How many records the batch must have (its control count).
    #[arg(long, value_name = "COUNT", requires = "split", help_heading = "Batches")]
    expect: Option<u64>,
    /// The batch's id, by which records sent before are recognised; default: made from the file's content.
    #[arg(long, value_name = "ID", requires = "split", help_heading = "Batches")]
    batch_id: Option<String>,
    /// The batch's character set, when the file does not say it and it is not UTF-8.
    #[arg(long, value_name = "NAME", requires = "split", help_heading = "Batches")]
    charset: Option<String>,
    /// Where progress is kept until the batch is done; default: the file's name with `.progress`.
    #[arg(long, value_name = "FILE", requires = "split", help_heading = "Batches")]
    progress: Option<PathBuf>,
}

/// Where messages go.
pub struct Target {
    pub client: Client,
    pub url: String,
    pub key: Option<String>,
}

impl Target {
    /// A message to be sent.
    pub fn post(&self, media_type: &str, bytes: Vec<u8>) -> RequestBuilder {
        let request = self.client.post(&self.url).header("content-type", media_type).body(bytes);
        match &self.key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }
}

impl Batches {
    /// Whether files are to be split.
    pub fn is_wanted(&self) -> bool {
        self.split.is_some()
    }

    /// Splits files one after the other and sends, or only checks, their records.
    pub async fn send(&self, common: &Common, files: &[PathBuf], target: &Target) -> Result<Exit, Failed> {
        let usage = |problem: Problem| Failed::new(Exit::Usage, problem);
        let records = Records::parse(self.split.as_deref().unwrap_or_default()).map_err(usage)?;
        let charset = match &self.charset {
            Some(label) => Some(
                Charset::for_label(label)
                    .ok_or_else(|| Failed::new(Exit::Usage, format!("unknown character set `{label}`")))?,
            ),
            None => None,
        };
        if files.len() > 1 && (self.batch_id.is_some() || self.progress.is_some() || self.expect.is_some()) {
            return Err(Failed::new(Exit::Usage, "--batch-id, --progress and --expect are about one file"));
        }
        let mut exit = Exit::Ok;
        let mut results = Vec::new();
        for file in files {
            let mut run = Run::new(self, file).map_err(|error| Failed::new(Exit::NotFound, error))?;
            let outcome = run.run(&records, charset, target, self.dry_run).await;
            run.bar.finish_and_clear();
            let outcome = outcome.and_then(|()| run.complete(self.expect));
            let ended = match &outcome {
                Ok(exit) => *exit,
                Err(failed) => failed.exit,
            };
            let mut result = run.result();
            if let Err(failed) = &outcome {
                result["error"] = json!(failed.text);
            }
            if !common.json {
                out(format_args!("{}", run.summary()));
            }
            results.push(result);
            if ended != Exit::Ok {
                exit = ended;
            }
            if let Err(failed) = outcome {
                if common.json {
                    print_json(&json!(results));
                }
                return Err(failed);
            }
        }
        if common.json {
            print_json(&json!(results));
        }
        Ok(exit)
    }
}

/// What is kept so that an interrupted batch goes on: all records up to the position are done.
#[derive(Serialize, Deserialize)]
struct Progress {
    batch: String,
    position: u64,
}

struct Run {
    file: PathBuf,
    batch: String,
    kept: PathBuf,
    size: u64,
    read: u64,
    /// Records done by an earlier run.
    resumed: u64,
    records: u64,
    accepted: u64,
    duplicates: u64,
    malformed: u64,
    problems: Vec<Value>,
    refused: u64,
    began: Instant,
    last_kept: Instant,
    last_told: Instant,
    bar: ProgressBar,
}

impl Run {
    fn new(batches: &Batches, file: &Path) -> Result<Self, String> {
        let shown = |error: std::io::Error| format!("{}: {error}", file.display());
        let size = std::fs::metadata(file).map_err(shown)?.len();
        let batch = match &batches.batch_id {
            Some(id) => id.clone(),
            None => fingerprint(file, size).map_err(shown)?,
        };
        let kept = batches.progress.clone().unwrap_or_else(|| {
            let mut name = file.as_os_str().to_owned();
            name.push(".progress");
            name.into()
        });
        let known = std::fs::read(&kept).ok().and_then(|bytes| serde_json::from_slice::<Progress>(&bytes).ok());
        let resumed = known.filter(|known| known.batch == batch).map_or(0, |known| known.position);
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(size) } else { ProgressBar::hidden() };
        let template = "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} ETA {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if resumed > 0 {
            tell(&bar, &format!("{}: going on after record {resumed}", file.display()));
        }
        let now = Instant::now();
        Ok(Self {
            file: file.to_owned(),
            batch,
            kept,
            size,
            read: 0,
            resumed,
            records: 0,
            accepted: 0,
            duplicates: 0,
            malformed: 0,
            problems: Vec::new(),
            refused: 0,
            began: now,
            last_kept: now,
            last_told: now,
            bar,
        })
    }

    async fn run(
        &mut self,
        records: &Records,
        charset: Option<Charset>,
        target: &Target,
        is_dry: bool,
    ) -> Result<(), Failed> {
        let name: Arc<str> = self.file.display().to_string().into();
        let in_file = |mut problem: Problem| {
            problem.place.file = Some(name.clone());
            Failed::new(Exit::Failed, problem)
        };
        let mut input = File::open(&self.file).map_err(|error| Failed::new(Exit::NotFound, error))?;
        let mut splitter = Splitter::new(records, charset, Limits::default());
        let mut block = vec![0; BLOCK];
        loop {
            let length = input
                .read(&mut block)
                .map_err(|error| Failed::new(Exit::Failed, format!("{}: {error}", self.file.display())))?;
            if length == 0 {
                splitter.finish().map_err(in_file)?;
            } else {
                splitter.push(&block[..length]).map_err(in_file)?;
            }
            while let Some(piece) = splitter.piece().inspect_err(|_| self.keep()).map_err(in_file)? {
                self.take(piece, records, target, is_dry).await.inspect_err(|_| self.keep())?;
            }
            self.read += length as u64;
            self.show();
            if length == 0 {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, piece: Piece, records: &Records, target: &Target, is_dry: bool) -> Result<(), Failed> {
        if let Some(problem) = &piece.problem {
            self.malformed += 1;
            if self.problems.len() < SHOWN_PROBLEMS {
                self.problems.push(json!({
                    "position": piece.position, "offset": piece.offset, "line": piece.line,
                    "code": problem.code.id, "text": problem.text,
                }));
                tell(&self.bar, &format!("record {} at byte {}: {problem}", piece.position, piece.offset));
            }
        }
        if piece.position > self.resumed && !is_dry {
            self.deliver(&piece, records, target).await?;
        }
        self.records = piece.position;
        if self.last_kept.elapsed() >= KEPT_EVERY {
            self.keep();
        }
        Ok(())
    }

    async fn deliver(&mut self, piece: &Piece, records: &Records, target: &Target) -> Result<(), Failed> {
        let media_type = if matches!(records, Records::Xml(_)) { "application/xml" } else { "application/json" };
        let response = target
            .post(media_type, piece.bytes.clone())
            .header("idempotency-key", format!("{}:{}", self.batch, piece.position))
            .header("x-batch-id", &self.batch)
            .header("x-batch-position", piece.position)
            .header("x-batch-offset", piece.offset)
            .send()
            .await
            .map_err(|error| {
                let text = format!("{} cannot be reached: {error}; run the same command again to go on", target.url);
                Failed::new(Exit::Unreachable, text)
            })?;
        let status = response.status().as_u16();
        let body = response.text().await.unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| json!(body));
        match status {
            202 => {
                self.accepted += 1;
                self.duplicates += u64::from(body["duplicate"] == true);
            }
            401 | 404 => return Err(Failed::new(Exit::Denied, send::summary(status, &body))),
            429 | 500.. => {
                let text = format!("{}; run the same command again to go on", send::summary(status, &body));
                return Err(Failed::new(Exit::Unreachable, text));
            }
            _ => {
                self.refused += 1;
                let shown = format!("record {}: {}", piece.position, send::summary(status, &body));
                tell(&self.bar, &shown);
            }
        }
        Ok(())
    }

    /// Keeps the position so that a later run goes on behind it. Failing to is told, and costs only time: the hub
    /// recognises records it has.
    fn keep(&mut self) {
        self.last_kept = Instant::now();
        let position = self.records.max(self.resumed);
        let progress = Progress { batch: self.batch.clone(), position };
        let mut made = self.kept.clone().into_os_string();
        made.push(".new");
        let made = PathBuf::from(made);
        let written = serde_json::to_vec(&progress).map_err(Into::into).and_then(|bytes| {
            let mut file = File::create(&made)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&made, &self.kept)
        });
        if let Err(error) = written {
            tell(&self.bar, &format!("progress cannot be kept in {}: {error}", self.kept.display()));
        }
    }

    fn show(&mut self) {
        self.bar.set_position(self.read);
        self.bar.set_message(format!("{} records", self.records));
        if self.bar.is_hidden() && self.last_told.elapsed() >= TOLD_EVERY {
            self.last_told = Instant::now();
            let seconds = self.began.elapsed().as_secs_f64();
            let rest = seconds * (self.size.saturating_sub(self.read)) as f64 / self.read.max(1) as f64;
            eprintln!(
                "{}: {} of {} MiB, {} records, {:.0} records/s, about {rest:.0} s to go",
                self.file.display(),
                self.read >> 20,
                self.size >> 20,
                self.records,
                self.records as f64 / seconds.max(0.001),
            );
        }
    }

    /// What the end of the batch means.
    fn complete(&mut self, expected: Option<u64>) -> Result<Exit, Failed> {
        if let Some(expected) = expected.filter(|expected| *expected != self.records) {
            self.keep();
            let text = format!("{}: {} records, but {expected} were expected", self.file.display(), self.records);
            return Err(Failed::new(Exit::Problems, text));
        }
        if self.records == 0 && expected.is_none() {
            let text = format!("{}: no record is at that path; `--expect 0` if that is right", self.file.display());
            return Err(Failed::new(Exit::Problems, text));
        }
        drop(std::fs::remove_file(&self.kept));
        Ok(match (self.malformed, self.refused) {
            (0, 0) => Exit::Ok,
            (_, 0) => Exit::Problems,
            _ => Exit::Partly,
        })
    }

    fn result(&self) -> Value {
        json!({
            "file": self.file, "batch_id": self.batch, "records": self.records, "resumed_after": self.resumed,
            "accepted": self.accepted, "duplicates": self.duplicates, "refused": self.refused,
            "malformed": self.malformed, "problems": self.problems, "bytes": self.read,
            "seconds": self.began.elapsed().as_secs_f64(),
        })
    }

    fn summary(&self) -> String {
        format!(
            "{}\tbatch {}: {} records, {} accepted ({} known already), {} refused, {} malformed",
            self.file.display(),
            self.batch,
            self.records,
            self.accepted,
            self.duplicates,
            self.refused,
            self.malformed
        )
    }
}

fn tell(bar: &ProgressBar, text: &str) {
    bar.suspend(|| eprintln!("{text}"));
}

/// An id that is the same for the same file: its size, beginning and end.
fn fingerprint(file: &Path, size: u64) -> std::io::Result<String> {
    const PART: u64 = 1 << 20;
    let mut input = File::open(file)?;
    let mut begin = Vec::new();
    (&mut input).take(PART).read_to_end(&mut begin)?;
    input.seek(SeekFrom::Start(size.saturating_sub(PART)))?;
    let mut end = Vec::new();
    input.take(PART).read_to_end(&mut end)?;
    let digest = Sha256::of_parts([&size.to_be_bytes()[..], &begin, &end]).to_string();
    Ok(format!("batch-{}", digest.get(..24).unwrap_or(&digest)))
}
