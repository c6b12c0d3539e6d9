//! Runs of schedules and marks of sources: known to every process on the store.

use super::{NOW, Place, at};
use crate::store::{Mark, NewRun, Store};

fn run(node: &str, due: u64, started: u64) -> NewRun {
    NewRun {
        schedule: "crm/file".to_owned(),
        due_at: at(due),
        node: node.to_owned(),
        started_at: at(started),
        until: at(started + 60),
    }
}

async fn begins(store: &dyn Store, run: &NewRun) -> bool {
    store.begin_run(run).await.expect("answered")
}

pub async fn a_moment_of_a_schedule_is_run_once_and_runs_never_overlap(place: &impl Place) {
    let store = place.open().await;
    let (first, rival) = (run("one", 100, 100), run("two", 100, 101));
    let (a, b) = tokio::join!(begins(&*store, &first), begins(&*store, &rival));
    assert!(a != b, "exactly one of two nodes runs it");
    let (first, rival) = if a { (first, rival) } else { (rival, first) };
    assert!(!begins(&*store, &run("three", 200, 150)).await, "the run before has not ended");
    assert!(store.extend_run(&first, at(400)).await.expect("answered"));
    assert!(!store.extend_run(&rival, at(400)).await.expect("answered"), "it is another node's");
    assert!(!begins(&*store, &run("three", 200, 399)).await);
    assert!(store.end_run(&first, Some("no folder"), at(300)).await.expect("answered"));
    assert!(!store.end_run(&first, None, at(301)).await.expect("answered"), "it has ended");
    assert!(!begins(&*store, &run("three", 100, 310)).await, "this moment was run");
    assert!(!begins(&*store, &run("three", 50, 310)).await, "a later moment was run");
    let other = NewRun { schedule: "crm/sftp".to_owned(), ..run("three", 100, 310) };
    assert!(begins(&*store, &other).await, "schedules are apart");
    assert!(begins(&*store, &run("three", 200, 310)).await);
    store.close().await;
    let store = place.open().await;
    let runs = store.runs("crm/file", 10).await.expect("listed");
    let shown: Vec<_> = runs.iter().map(|run| (run.due_at, run.ended_at, run.failure.as_deref())).collect();
    assert_eq!(shown, [(at(200), None, None), (at(100), Some(at(300)), Some("no folder"))]);
    assert_eq!(store.runs("crm/file", 1).await.expect("listed").len(), 1);
    assert!(!begins(&*store, &run("four", 200, 369)).await, "its node is alive");
    assert!(begins(&*store, &run("four", 200, 371)).await, "a run whose node died is taken over");
    assert!(
        !store.end_run(&run("three", 200, 310), None, at(372)).await.expect("answered"),
        "it is another node's now"
    );
    assert!(begins(&*store, &run("five", 300, 432)).await, "a node without a sign of life holds nothing up");
}

pub async fn a_mark_is_kept(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(store.mark("crm/sql").await.expect("answered"), None);
    for value in ["17", "18"] {
        store.set_mark(&Mark { source: "crm/sql".to_owned(), value: value.to_owned() }, NOW).await.expect("kept");
    }
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.mark("crm/sql").await.expect("answered").as_deref(), Some("18"));
    assert_eq!(store.mark("crm/other").await.expect("answered"), None);
}
