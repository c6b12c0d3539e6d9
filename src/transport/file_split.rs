//! A batch file, record by record: each is handed in as a message of its own, in constant memory.
//!
//! The file is read twice, for its digest and for its records. Nothing is remembered between two runs: after a crash the
//! file is split again from its beginning, and the intake recognises by their keys the records it has.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{Arrival, FILE, FileInConfig, Intake, Refusal, SplitConfig, Verdict, code};
use crate::{
    base::{Limits, Problem, Sha256, Sha256Builder},
    format::{Piece, Records, Splitter},
};

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;
/// Records handed in together, so that they share a flush; few enough that they are asked for in order.
const TOGETHER: usize = 16;
/// Bytes of records after which no further one joins them.
const TOGETHER_BYTES: usize = 4 << 20;

/// A batch file.
pub(super) struct Batch {
    pub path: PathBuf,
    pub name: String,
    pub size: u64,
}

/// How far a batch file came.
pub(super) enum End {
    /// Every record is safe.
    Done,
    /// It changed or went away while being read, or the source is to stop: it stays where it is.
    Left,
    /// The intake takes nothing now; it stays where it is.
    Wait(Duration),
    /// It cannot be split to its end, or records of it were refused. The other records are safe.
    Refused(Refusal),
}

/// Hands in the records of a batch file.
pub(super) async fn hand_in(
    config: &FileInConfig,
    split: &SplitConfig,
    batch: &Batch,
    intake: &dyn Intake,
    shutdown: &CancellationToken,
) -> io::Result<End> {
    let (path, size) = (batch.path.clone(), batch.size);
    let digest = spawn_blocking(move || digest(&path, size)).await.map_err(io::Error::other)??;
    let Some(digest) = digest else { return Ok(End::Left) };
    let id = format!("file:{}:{digest}", batch.name);
    let (sender, mut chunks) = mpsc::channel(1);
    let (path, splitting) = (batch.path.clone(), split.clone());
    let reading = spawn_blocking(move || read(&path, &splitting, sender));
    let (mut records, mut refused, mut first) = (0_u64, 0_u64, None);
    while let Some(chunk) = chunks.recv().await {
        if shutdown.is_cancelled() {
            return Ok(End::Left);
        }
        let accepting = chunk.into_iter().map(|piece| {
            let position = piece.position;
            let arrival = arrival(config, &split.records, &batch.name, &id, piece);
            async move { (position, intake.accept(arrival).await) }
        });
        for (position, verdict) in join_all(accepting).await {
            records = position;
            match verdict {
                Verdict::Accepted { .. } => (),
                Verdict::Unavailable { retry_after } => return Ok(End::Wait(retry_after)),
                Verdict::Refused(refusal) => {
                    refused += 1;
                    first.get_or_insert((position, refusal));
                }
            }
        }
    }
    let (length, broken) = reading.await.map_err(io::Error::other)??;
    Ok(match (broken, first) {
        (None, _) if length != batch.size => End::Left,
        (Some(problem), _) => End::Refused(unusable(problem)),
        (None, Some((position, mut refusal))) => {
            let text = &refusal.problem.text;
            refusal.problem.text =
                format!("{refused} of {records} records were refused, the first is record {position}: {text}");
            End::Refused(refusal)
        }
        (None, None) if records == 0 => {
            let problem = Problem::new(code::NO_RECORDS, "no record is where the setting `split` says")
                .hint("compare `in.file.split` with the file");
            End::Refused(unusable(problem))
        }
        (None, None) => End::Done,
    })
}

fn unusable(problem: Problem) -> Refusal {
    Refusal { status: 422, problem, retry_after: None, existing: None }
}

fn arrival(config: &FileInConfig, records: &Records, name: &str, batch: &str, piece: Piece) -> Arrival {
    let media_type = if matches!(records, Records::Xml(_)) { "application/xml" } else { "application/json" };
    let attributes: BTreeMap<String, String> = [
        ("file_name", name.to_owned()),
        ("batch_id", batch.to_owned()),
        ("batch_position", piece.position.to_string()),
        ("batch_offset", piece.offset.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    Arrival {
        system: config.system.clone(),
        document_type: config.document_type.clone(),
        bytes: piece.bytes.into(),
        content_type: Some(format!("{media_type}; charset=utf-8")),
        transport: FILE,
        key: Some(format!("{batch}/{}", piece.position)),
        attributes,
        problem: piece.problem.map(|mut problem| {
            problem.text = format!("record {} at byte {}: {}", piece.position, piece.offset, problem.text);
            problem
        }),
    }
}

/// The digest of a file, if it still has the size it was seen with.
pub(super) fn digest(path: &Path, size: u64) -> io::Result<Option<Sha256>> {
    let mut input = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut builder, mut block, mut length) = (Sha256Builder::default(), vec![0; BLOCK], 0_u64);
    loop {
        let count = input.read(&mut block)?;
        if count == 0 {
            return Ok((length == size).then(|| builder.finish()));
        }
        builder.add(&block[..count]);
        length += count as u64;
    }
}

/// Splits a file as long as somebody takes its records: how many bytes were read, and what made it impossible to go on.
fn read(path: &Path, split: &SplitConfig, sender: mpsc::Sender<Vec<Piece>>) -> io::Result<(u64, Option<Problem>)> {
    let mut input = fs::File::open(path)?;
    let mut splitter = Splitter::new(&split.records, split.charset, Limits::default());
    let mut chunks = Chunks { sender, pieces: Vec::new(), bytes: 0 };
    let (mut block, mut length) = (vec![0; BLOCK], 0_u64);
    loop {
        let count = input.read(&mut block)?;
        length += count as u64;
        match advance(&mut splitter, &block[..count], &mut chunks) {
            Ok(goes_on) if goes_on && count > 0 => (),
            Ok(_) => {
                chunks.flush();
                return Ok((length, None));
            }
            Err(problem) => {
                chunks.flush();
                return Ok((length, Some(problem)));
            }
        }
    }
}

/// Takes the pieces a block completes; no bytes mean the end. Whether somebody still takes them.
fn advance(splitter: &mut Splitter, bytes: &[u8], chunks: &mut Chunks) -> Result<bool, Problem> {
    if bytes.is_empty() {
        splitter.finish()?;
    } else {
        splitter.push(bytes)?;
    }
    while let Some(piece) = splitter.piece()? {
        if !chunks.add(piece) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Pieces on their way to the intake.
struct Chunks {
    sender: mpsc::Sender<Vec<Piece>>,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Chunks {
    /// Whether somebody still takes them.
    fn add(&mut self, piece: Piece) -> bool {
        self.bytes += piece.bytes.len();
        self.pieces.push(piece);
        if self.pieces.len() < TOGETHER && self.bytes < TOGETHER_BYTES { true } else { self.flush() }
    }

    fn flush(&mut self) -> bool {
        self.bytes = 0;
        let pieces = std::mem::take(&mut self.pieces);
        pieces.is_empty() || self.sender.blocking_send(pieces).is_ok()
    }
}

#[cfg(test)]
mod tests;
