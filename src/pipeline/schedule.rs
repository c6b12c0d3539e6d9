//! Looks at a source when its schedule says so: each moment once, on one node, never two runs at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    base::{Clock, Timestamp},
    store::{NewRun, Store, StoreError},
    transport::{Due, Intake, Periodic, Schedule},
};

/// A run gives a sign of life this often.
const SIGN: Duration = Duration::from_secs(20);
/// Without a sign of life for so long a run counts as ended.
const SILENCE: Duration = Duration::from_secs(60);
/// How long to wait before a run that failed is tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// The longest sleep, so that a clock that jumps is noticed.
const LONGEST: Duration = Duration::from_secs(30);
/// How long to wait while another node runs, or the store cannot answer.
const PAUSE: Duration = Duration::from_secs(2);

/// One source and its schedule.
pub struct Scheduling {
    /// The journal, which knows what was run.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The source's name, the same on every node.
    pub name: String,
    /// This process.
    pub node: String,
    /// When it looks.
    pub schedule: Schedule,
    /// What looks.
    pub source: Arc<dyn Periodic>,
}

impl Scheduling {
    /// Runs what is due until `shutdown`.
    pub async fn run(self, intake: Arc<dyn Intake>, shutdown: CancellationToken) {
        let began = self.clock.now();
        while !shutdown.is_cancelled() {
            let wait = match self.turn(began, &intake, &shutdown).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(schedule = self.name, code = error.problem().code.id, "{}", error.problem().text);
                    PAUSE
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => (),
            }
        }
    }

    /// Runs what is due now, if anything; how long to wait before looking again. `began` is since when a schedule counts
    /// that was never run.
    async fn turn(
        &self,
        began: Timestamp,
        intake: &Arc<dyn Intake>,
        shutdown: &CancellationToken,
    ) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let last = self.store.runs(&self.name, 1).await?.pop();
        let due = match &last {
            // its node died, or was stopped
            Some(run) if run.ended_at.is_none() => Some(Due { at: run.due_at, is_skipped: false }),
            Some(run) => self.schedule.due(run.due_at, now),
            None => self.schedule.due(began, now),
        };
        let Some(due) = due else {
            let next = self.schedule.after(now).map(|next| next.micros().saturating_sub(now.micros()));
            let wait = next.and_then(|micros| u64::try_from(micros).ok()).map_or(LONGEST, Duration::from_micros);
            return Ok(wait.min(LONGEST));
        };
        let run = NewRun {
            schedule: self.name.clone(),
            due_at: due.at,
            node: self.node.clone(),
            started_at: now,
            until: now.plus(SILENCE),
        };
        if !self.store.begin_run(&run).await? {
            return Ok(PAUSE);
        }
        let outcome = if due.is_skipped {
            Err("missed, and skipped as its schedule says".to_owned())
        } else {
            self.watched(&run, self.tried(due.at, intake, shutdown)).await
        };
        if shutdown.is_cancelled() && outcome.is_err() && !due.is_skipped {
            // the next process takes it over at once
            self.store.extend_run(&run, self.clock.now()).await?;
            return Ok(Duration::ZERO);
        }
        match &outcome {
            Ok(()) => tracing::info!(schedule = self.name, due_at = %due.at, "run"),
            Err(why) => tracing::warn!(schedule = self.name, due_at = %due.at, "not run to its end: {why}"),
        }
        let failure = outcome.err();
        self.store.end_run(&run, failure.as_deref(), self.clock.now()).await?;
        Ok(Duration::ZERO)
    }

    /// Runs once; what fails is tried again until the next moment is due.
    async fn tried(
        &self,
        due_at: Timestamp,
        intake: &Arc<dyn Intake>,
        shutdown: &CancellationToken,
    ) -> Result<(), String> {
        loop {
            let Err(why) = self.source.take_once(intake.clone(), shutdown.clone()).await else { return Ok(()) };
            let is_over = self.schedule.after(due_at).is_none_or(|next| next <= self.clock.now());
            if is_over || shutdown.is_cancelled() {
                return Err(why);
            }
            tracing::warn!(schedule = self.name, due_at = %due_at, "tried again: {why}");
            tokio::select! {
                () = shutdown.cancelled() => return Err(why),
                () = tokio::time::sleep(AGAIN) => (),
            }
        }
    }

    /// Waits for a run, giving signs of life.
    async fn watched(&self, run: &NewRun, work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                () = tokio::time::sleep(SIGN) => {
                    let until = self.clock.now().plus(SILENCE);
                    match self.store.extend_run(run, until).await {
                        Ok(true) => (),
                        Ok(false) => tracing::warn!(schedule = self.name, "another node has taken this run for ended"),
                        Err(error) => tracing::error!(schedule = self.name, "{}", error.problem().text),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicI64, AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use async_trait::async_trait;
    use tokio::sync::Notify;
    use tokio_util::sync::CancellationToken;

    use super::Scheduling;
    use crate::{
        base::{Clock, Secret, Timestamp},
        store::{SqliteStore, Store},
        transport::{Access, Arrival, Intake, Missed, Periodic, Readiness, Schedule, Verdict},
    };

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst) * 1_000_000)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    struct Nobody;

    #[async_trait]
    impl Intake for Nobody {
        async fn accept(&self, _: Arrival) -> Verdict {
            Verdict::Unavailable { retry_after: Duration::ZERO }
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

    /// Counts its runs; each waits until it is let go, and fails when told.
    #[derive(Default)]
    struct Counted {
        runs: AtomicUsize,
        begun: Notify,
        go: Notify,
        failure: Mutex<Option<String>>,
    }

    #[async_trait]
    impl Periodic for Counted {
        async fn take_once(&self, _: Arc<dyn Intake>, _: CancellationToken) -> Result<(), String> {
            self.runs.fetch_add(1, Ordering::SeqCst);
            self.begun.notify_one();
            self.go.notified().await;
            self.failure.lock().expect("the failure").take().map_or(Ok(()), Err)
        }
    }

    #[tokio::test]
    async fn a_moment_is_run_by_one_node_and_the_next_waits_for_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), "hub").await.expect("a store"));
        let (clock, source) = (Arc::new(Hand(AtomicI64::new(59))), Arc::new(Counted::default()));
        let node = |name: &str| Scheduling {
            store: store.clone(),
            clock: clock.clone(),
            name: "crm/file".to_owned(),
            node: name.to_owned(),
            schedule: Schedule::new("* * * * *", "UTC", Missed::Once).expect("a schedule"),
            source: source.clone(),
        };
        let (one, two) = (node("one"), node("two"));
        let (intake, stop): (Arc<dyn Intake>, _) = (Arc::new(Nobody), CancellationToken::new());
        let began = clock.now();
        let turn = async |node: &Scheduling| node.turn(began, &intake, &stop).await.expect("the store answers");
        assert_eq!(turn(&one).await, Duration::from_secs(1), "nothing is due before the minute is full");
        clock.0.store(60, Ordering::SeqCst);
        let second = async {
            source.begun.notified().await;
            assert_eq!(turn(&two).await, super::PAUSE, "the moment is being run");
            clock.0.store(119, Ordering::SeqCst);
            source.go.notify_one();
        };
        tokio::join!(turn(&one), second);
        clock.0.store(180, Ordering::SeqCst);
        let failing = async {
            source.begun.notified().await;
            clock.0.store(240, Ordering::SeqCst);
            *source.failure.lock().expect("the failure") = Some("no folder".to_owned());
            source.go.notify_one();
        };
        tokio::join!(turn(&two), failing);
        assert_eq!(source.runs.load(Ordering::SeqCst), 2, "two moments passed, one run is enough");
        let runs = store.runs("crm/file", 10).await.expect("listed");
        let shown: Vec<_> = runs
            .iter()
            .map(|run| (run.due_at.micros() / 1_000_000, run.node.as_str(), run.failure.as_deref()))
            .collect();
        assert_eq!(shown, [(180, "two", Some("no folder")), (60, "one", None)]);
        let stopping = async {
            source.begun.notified().await;
            *source.failure.lock().expect("the failure") = Some("stopped".to_owned());
            stop.cancel();
            source.go.notify_one();
        };
        tokio::join!(turn(&one), stopping);
        source.go.notify_one();
        turn(&two).await;
        let last = store.runs("crm/file", 1).await.expect("listed").pop().expect("a run");
        assert_eq!((last.due_at.micros(), last.node.as_str(), last.failure), (240_000_000, "two", None), "taken over");
    }
}
