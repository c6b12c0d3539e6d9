//! Batch files against an intake that remembers, refuses or has no room.

use std::{fs, path::Path, sync::Mutex, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    base::{Problem, Secret},
    format::Records,
    transport::{Access, Arrival, FileInConfig, FileSource, Intake, Readiness, Refusal, SplitConfig, Verdict, code},
};

/// Accepts; has no room for more than `room`; refuses what contains `refuse`.
struct Fake {
    taken: Mutex<Vec<Arrival>>,
    room: Mutex<usize>,
}

#[async_trait]
impl Intake for Fake {
    async fn accept(&self, arrival: Arrival) -> Verdict {
        if arrival.bytes.windows(6).any(|part| part == b"refuse") {
            let problem = Problem::new(code::BODY_CUT, "no");
            return Verdict::Refused(Refusal { status: 422, problem, retry_after: None, existing: None });
        }
        let mut taken = self.taken.lock().expect("the list");
        if taken.iter().any(|known| known.key == arrival.key) {
            return Verdict::Accepted { message_id: "msg_1".to_owned(), duplicate: true };
        }
        if taken.len() >= *self.room.lock().expect("the room") {
            return Verdict::Unavailable { retry_after: Duration::from_secs(3) };
        }
        taken.push(arrival);
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

fn fake(room: usize) -> Fake {
    Fake { taken: Mutex::default(), room: Mutex::new(room) }
}

/// Puts a batch into a folder and lets a source look until it would take it.
async fn put(folder: &Path, split: &str, batch: &str, fake: &Fake) -> FileSource {
    let records = Records::parse(split).expect("a path");
    let config = FileInConfig {
        folder: folder.to_owned(),
        system: "crm".to_owned(),
        stable_ms: 0,
        max_file_bytes: u64::MAX,
        split: Some(SplitConfig { records, charset: None }),
        ..FileInConfig::default()
    };
    let source = FileSource::new(&config).expect("good settings");
    fs::write(folder.join("batch"), batch).expect("written");
    look(&source, fake).await;
    source
}

async fn look(source: &FileSource, fake: &Fake) {
    source.look(fake, Instant::now(), &CancellationToken::new()).await.expect("the folder is there");
}

fn reason(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("failed/batch.problem.json")).expect("the reason")).expect("JSON")
}

#[tokio::test]
async fn each_record_is_a_message_of_its_own_and_a_malformed_one_comes_with_its_problem() {
    let (folder, fake) = (tempfile::tempdir().expect("a folder"), fake(usize::MAX));
    put(folder.path(), "/b/r", "<b>\n<r>1</r>\n<r><x></r>\n<r>3</r></b>", &fake).await;
    let taken = fake.taken.lock().expect("the list");
    let shown: Vec<(&[u8], &str, &str, bool)> = taken
        .iter()
        .map(|one| {
            let of = |name: &str| one.attributes[name].as_str();
            (&one.bytes[..], of("batch_position"), of("batch_offset"), one.problem.is_some())
        })
        .collect();
    let expected: [(&[u8], _, _, _); 3] =
        [(b"<r>1</r>", "1", "4", false), (b"<r><x></r>", "2", "13", true), (b"<r>3</r>", "3", "24", false)];
    assert_eq!(shown, expected);
    let problem = taken[1].problem.as_ref().expect("a problem");
    assert!(problem.text.starts_with("record 2 at byte 13: ") && problem.place.line == 3, "{problem:?}");
    let (batch, name) = (&taken[0].attributes["batch_id"], &taken[0].attributes["file_name"]);
    assert!(batch.starts_with("file:batch:") && name == "batch");
    assert_eq!(taken[2].key.as_ref(), Some(&format!("{batch}/3")));
    assert!(folder.path().join("done/batch").exists());
}

#[tokio::test]
async fn an_interrupted_batch_goes_on_and_is_moved_only_when_all_records_are_safe() {
    let lines: String = (0..100).map(|n| format!("{{\"r\":{n}}}\n")).collect();
    let (folder, fake) = (tempfile::tempdir().expect("a folder"), fake(37));
    let source = put(folder.path(), "lines", &lines, &fake).await;
    assert_eq!(fake.taken.lock().expect("the list").len(), 37);
    assert!(folder.path().join("batch").exists(), "not all of it is safe");
    *fake.room.lock().expect("the room") = usize::MAX;
    look(&source, &fake).await;
    let taken = fake.taken.lock().expect("the list");
    let positions: Vec<usize> =
        taken.iter().map(|one| one.attributes["batch_position"].parse().expect("a number")).collect();
    assert_eq!(positions, (1..=100).collect::<Vec<_>>());
    assert!(!folder.path().join("batch").exists() && folder.path().join("done/batch").exists());
}

#[tokio::test]
async fn a_batch_that_cannot_be_split_to_its_end_goes_to_failed_and_its_records_so_far_stand() {
    let cases = [
        ("/b/r", "<b><r>1</r><r>2</r>", 2, "XD-F050", ""),
        ("/b/other", "<b><r>1</r></b>", 0, "XD-T014", "no record"),
        (
            "/b/r",
            "<b><r>1</r><r>refuse</r><r>refuse</r></b>",
            1,
            "XD-T010",
            "2 of 3 records were refused, the first is record 2",
        ),
    ];
    for (split, batch, taken, code, text) in cases {
        let (folder, fake) = (tempfile::tempdir().expect("a folder"), fake(usize::MAX));
        put(folder.path(), split, batch, &fake).await;
        assert_eq!(fake.taken.lock().expect("the list").len(), taken, "{batch}");
        let reason = reason(folder.path());
        assert_eq!(reason["code"], code, "{reason}");
        assert!(reason["detail"].as_str().is_some_and(|detail| detail.contains(text)), "{reason}");
        assert!(folder.path().join("failed/batch").exists());
    }
}
