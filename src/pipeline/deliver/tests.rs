//! Retries, breaker, read-back and calendar, with a clock of the test's own and a partner that says what it is told.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::*;
use crate::{
    base::{Clock, Ids, Limits, Random, Sha256},
    catalog::{Environment, Library},
    pipeline::{BreakerRules, RetrySchedule},
    store::{
        Act, Decision, DeliveryState, DeliveryView, NewDelivery, NewMessage, Plan, Release, SqliteStore, Start, Store,
        Transport, XrefKey,
    },
    transport::{Inquiry, Sink},
};

const PROFILE: &str = r#"
profile: t
documents:
  t/order: {root: order, business-key: =order/no, posting-date: =order/day}
outcomes: {409: retry, 422: unknown}
read-back:
  t/order:
    key: =order/no
    request: {method: GET, url: "='orders?no=' || $key"}
    found: =orders/order/no = $key
    not-found: =orders[not(order)]
    not-found-status: 404
    xref: {entity: order, target: "=orders/order[no = $key]/@id"}
"#;

/// A clock that goes only when told.
#[derive(Default)]
struct Hands {
    /// Microseconds of [`Clock::steady`].
    steady: AtomicI64,
    /// How far the wall clock is ahead of it.
    ahead: AtomicI64,
}

impl Hands {
    fn wait(&self, seconds: i64) {
        self.steady.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// Lets the wall clock jump.
    fn jump(&self, days: i64) {
        self.ahead.fetch_add(days * 86_400_000_000, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.steady.load(Ordering::Relaxed) + self.ahead.load(Ordering::Relaxed))
    }

    fn steady(&self) -> Timestamp {
        Timestamp(self.steady.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.steady.load(Ordering::Relaxed).unsigned_abs())
    }
}

struct Chance;

impl Random for Chance {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn secret_file(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn text_file(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// A partner with answers in line; without any it takes everything.
#[derive(Default)]
struct Partner {
    answers: Mutex<VecDeque<Answer>>,
    /// Delivery ids sent, and addresses asked.
    seen: Mutex<Vec<String>>,
}

impl Partner {
    fn answer(&self, seen: String) -> Answer {
        self.seen.lock().expect("no panic").push(seen);
        self.answers.lock().expect("no panic").pop_front().unwrap_or_else(|| status(200))
    }
}

#[async_trait]
impl Sink for Partner {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        self.answer(outgoing.delivery_id.trim_start_matches("dlv_").to_owned())
    }

    async fn ask(&self, inquiry: &Inquiry) -> Answer {
        self.answer(format!("{} {}", inquiry.method, inquiry.url.clone().unwrap_or_default()))
    }

    fn describe(&self) -> String {
        "http://partner/".to_owned()
    }
}

fn act() -> Act {
    Act {
        id: format!("act_{}", fastrand::u64(..)),
        verb: "release".into(),
        by: "chen".into(),
        why: "test".into(),
        query: String::new(),
        at: Timestamp::default(),
    }
}

fn status(status: u16) -> Answer {
    Answer::Response { status: Some(status), content_type: None, body: Bytes::new(), retry_after: None }
}

fn reply(text: &'static str) -> Answer {
    let body = Bytes::from_static(text.as_bytes());
    Answer::Response { status: Some(200), content_type: Some("application/xml".into()), body, retry_after: None }
}

fn refused() -> Answer {
    Answer::NotSent { why: "connection refused".to_owned() }
}

fn cut() -> Answer {
    Answer::Unknown { why: "connection reset".to_owned() }
}

/// The step under test, with all it works on.
struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<Hands>,
    partner: Arc<Partner>,
    store: Arc<dyn Store>,
    catalog: watch::Sender<Arc<Catalog>>,
    step: Arc<Delivering>,
    corrected: Option<Duration>,
    sinks: watch::Sender<Arc<std::collections::BTreeMap<String, Arc<dyn Sink>>>>,
}

impl Bench {
    /// A destination whose system's file says `more` besides; it fails three times and is then paused for 30 s, and
    /// deliveries are tried again after 10 s and 100 s.
    async fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("mappings/t/profile.yaml", PROFILE);
        let key = Sha256::of(b"key");
        write("systems/shop.yaml", &format!("profile: t\nin: {{http: {{key-sha256: {key}}}}}\n"));
        write("routes/orders.yaml", "from: {system: shop, type: t/order}\nto: {system: erp}\norder-by: =order/lane\n");
        write(
            "calendars/office.yaml",
            "zone: UTC\nhours: {from: \"08:00\", to: \"18:00\"}\nperiods: {closed: 2026-10}\n",
        );
        write("systems/erp.yaml", &format!("profile: t\nout: {{http: {{url: \"http://partner/\"}}}}\n{more}"));
        let clock = Arc::new(Hands::default());
        clock.steady.store(Timestamp::parse("2026-11-25T12:00:00Z").expect("a moment").micros(), Ordering::Relaxed);
        let store = SqliteStore::open(&folder.path().join("data"), "hub").await.expect("a store");
        let store: Arc<dyn Store> = Arc::new(store);
        let partner = Arc::new(Partner::default());
        let (catalog, catalog_seen) = watch::channel(Arc::new(content(folder.path())));
        let way_out: Arc<dyn Sink> = partner.clone();
        let (sinks, sinks_seen) = watch::channel(Arc::new([("erp".to_owned(), way_out)].into()));
        let (chance, hands): (Arc<dyn Random>, Arc<dyn Clock>) = (Arc::new(Chance), clock.clone());
        let hub = Hub {
            catalog: catalog_seen,
            store: store.clone(),
            sinks: sinks_seen,
            clock: hands.clone(),
            random: chance.clone(),
            ids: Ids::new(hands, chance),
            limits: Limits::default(),
        };
        let standard = Policy {
            schedule: RetrySchedule { waits: [10, 100].map(Duration::from_secs).to_vec(), jitter_percent: 0 },
            concurrency: 8,
            exhausted_frees_lane: false,
            breaker: BreakerRules { failures: 3, probe_every: Duration::from_secs(30) },
        };
        let step = Arc::new(Delivering::new(hub, "erp".to_owned(), standard));
        Self { folder, clock, partner, store, catalog, step, corrected: None, sinks }
    }

    /// Plans a delivery of an order with a number, in a lane, posted on a day.
    async fn order_on(&self, number: &str, lane: &str, day: &str) {
        let now = self.clock.steady();
        let new = NewMessage {
            id: format!("msg_{number}"),
            system: "shop".into(),
            document_type: "t/order".into(),
            site: None,
            dedup_key: None,
            bytes: format!("<order><no>{number}</no><lane>{lane}</lane><day>{day}</day></order>").into(),
            content_type: "application/xml".into(),
            transport: Transport::Http,
            received_at: now,
            attributes: std::collections::BTreeMap::new(),
            parked: None,
        };
        self.store.accept(new).await.expect("accepted");
        let delivery = NewDelivery {
            id: format!("dlv_{number}"),
            route: "orders".into(),
            destination: "erp".into(),
            document: String::new(),
            lane: lane.into(),
            blocks_when_parked: true,
            start: Start::Due { at: now },
            output: None,
        };
        let plan = Plan {
            business_key: Some(number.to_owned()),
            site: None,
            document_type: None,
            attributes: std::collections::BTreeMap::new(),
            decision: Decision::Deliver(vec![delivery]),
        };
        self.store.plan(&format!("msg_{number}"), plan, now).await.expect("planned");
    }

    async fn order(&self, number: &str) {
        self.order_on(number, "", "2026-11-25").await;
    }

    /// What the partner will answer next, in this order.
    fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.partner.answers.lock().expect("no panic").extend(answers);
    }

    /// Lets the step do what may be done now, and waits until it is done; what the partner saw of it.
    async fn turn(&mut self) -> Vec<String> {
        let mut under_way = JoinSet::new();
        let policy = self.step.policy();
        self.step.turn(&policy, &mut under_way, &mut self.corrected).await;
        while let Some(ended) = under_way.join_next().await {
            ended.expect("no panic");
        }
        std::mem::take(&mut *self.partner.seen.lock().expect("no panic"))
    }

    /// Waits, then the same.
    async fn after(&mut self, seconds: i64) -> Vec<String> {
        self.clock.wait(seconds);
        self.turn().await
    }

    async fn delivery(&self, number: &str) -> DeliveryView {
        let view = self.store.message(&format!("dlv_{number}")).await.expect("read").expect("there");
        view.deliveries.into_iter().next().expect("a delivery")
    }

    /// State, cause and outcomes of a delivery.
    async fn story(&self, number: &str) -> (DeliveryState, String, Vec<&'static str>) {
        let view = self.delivery(number).await;
        let outcomes = view.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
        (view.state, view.reason.map(|reason| reason.cause).unwrap_or_default(), outcomes)
    }

    /// Changes a content file and loads content again.
    async fn reload(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join(path), text).expect("written");
        self.catalog.send_replace(Arc::new(content(self.folder.path())));
        let now = self.clock.steady();
        self.store.release(Release::Cause(gate::CALENDAR.to_owned()), &act(), now).await.expect("released");
    }
}

fn content(folder: &Path) -> Catalog {
    let (catalog, problems) = Catalog::load(&Library::over(folder), &Nothing);
    assert!(!problems.has_errors(), "{problems}");
    catalog
}

const NONE: [&str; 0] = [];

#[tokio::test]
async fn retries_keep_to_the_schedule_whatever_the_wall_clock_does() {
    let mut bench = Bench::new("").await;
    bench.order("1").await;
    bench.answers([refused(), refused(), refused()]);
    assert_eq!(bench.turn().await, ["1"]);
    bench.clock.jump(365);
    assert_eq!(bench.after(9).await, NONE);
    assert_eq!(bench.after(1).await, ["1"]);
    bench.clock.jump(-730);
    assert_eq!(bench.after(99).await, NONE);
    assert_eq!(bench.after(1).await, ["1"]);
    let exhausted = (DeliveryState::Parked, "exhausted".to_owned(), vec!["retry", "retry", "retry"]);
    assert_eq!(bench.story("1").await, exhausted);
}

#[tokio::test]
async fn a_moment_set_by_a_clock_that_was_a_year_ahead_strands_nothing() {
    let mut bench = Bench::new("").await;
    bench.clock.wait(365 * 86_400);
    bench.answers([refused()]);
    bench.order("1").await;
    assert_eq!(bench.turn().await, ["1"]);
    bench.order("2").await;
    // the next run begins with the right time
    bench.clock.wait(-365 * 86_400);
    bench.corrected = None;
    assert_eq!(bench.turn().await, ["2"], "what was never tried goes at once");
    assert_eq!(bench.after(86_400 - 1).await, NONE);
    assert_eq!(bench.after(1).await, ["1"], "after the longest wait there is");
}

#[tokio::test]
async fn statuses_mean_what_the_system_says_then_what_the_profile_says_then_the_usual() {
    let cases = [
        ("404", 404, "retry"),
        ("409", 409, "rejected"),
        ("422", 422, "unknown"),
        ("425", 425, "retry"),
        ("400", 400, "rejected"),
        ("301", 301, "rejected"),
        ("503", 503, "retry"),
        ("507", 507, "rejected"),
    ];
    let more = "delivery: {breaker: {failures: 0}, outcomes: {404: retry, 409: rejected, 507: rejected}}\n";
    let mut bench = Bench::new(more).await;
    for (number, answer, outcome) in cases {
        bench.order(number).await;
        bench.answers([status(answer)]);
        assert_eq!(bench.turn().await, [number]);
        assert_eq!(bench.story(number).await.2, [outcome], "{answer}");
    }
}

#[tokio::test]
async fn a_partners_wish_makes_the_wait_longer_up_to_a_day() {
    let mut bench = Bench::new("delivery: {breaker: {failures: 0}}\n").await;
    let wish = |seconds| Answer::Response {
        status: Some(429),
        content_type: None,
        body: Bytes::new(),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    bench.order("1").await;
    bench.answers([wish(60), wish(u64::MAX)]);
    assert_eq!(bench.turn().await, ["1"]);
    assert_eq!((bench.after(59).await, bench.after(1).await), (vec![], vec!["1".to_owned()]));
    assert_eq!((bench.after(86_399).await, bench.after(1).await), (vec![], vec!["1".to_owned()]));
    assert_eq!(bench.story("1").await.0, DeliveryState::Delivered);
}

#[tokio::test]
async fn an_open_breaker_lets_one_delivery_probe_and_costs_the_others_no_attempt() {
    let mut bench = Bench::new("delivery: {concurrency: 1}\n").await;
    for number in ["1", "2", "3", "4", "5"] {
        bench.order(number).await;
    }
    bench.answers([refused(), status(504), status(503), refused()]);
    for number in ["1", "2", "3"] {
        assert_eq!(bench.turn().await, [number]);
    }
    let pauses = bench.store.pauses().await.expect("listed");
    assert_eq!((pauses.len(), pauses[0].kind, &*pauses[0].reason.code), (1, PauseKind::Breaker, "XD-D016"));
    assert_eq!(pauses[0].until, Some(bench.clock.now().plus(Duration::from_secs(30))));
    assert_eq!(bench.after(29).await, NONE);
    assert_eq!(bench.after(1).await.len(), 1, "a probe, which fails");
    assert_eq!(bench.after(29).await, NONE);
    assert_eq!(bench.after(1).await.len(), 1, "a probe, which is answered");
    assert!(bench.store.pauses().await.expect("listed").is_empty());
    while !bench.after(100).await.is_empty() {}
    for number in ["1", "2", "3", "4", "5"] {
        let (state, _, outcomes) = bench.story(number).await;
        assert_eq!(state, DeliveryState::Delivered, "{number}");
        assert!(outcomes.len() <= 3, "{number}: {outcomes:?}");
    }
    assert_eq!(bench.story("5").await.2, ["delivered"], "the one behind waited without an attempt");
}

#[tokio::test]
async fn deliveries_made_ready_while_the_breaker_opens_are_not_sent() {
    let mut bench = Bench::new("").await;
    for number in ["1", "2", "3", "4"] {
        bench.order(number).await;
    }
    let leased = bench.store.lease(Some("erp"), bench.clock.steady(), 4).await.expect("leased");
    let policy = bench.step.policy();
    bench.answers([refused(), refused(), refused()]);
    for one in leased {
        bench.step.deliver(one, &policy, false).await;
    }
    assert_eq!(bench.partner.seen.lock().expect("no panic").len(), 3);
    assert_eq!(bench.story("4").await, (DeliveryState::Planned, String::new(), vec![]));
    assert_eq!(bench.turn().await, ["1", "2", "3"], "seen before; nothing new");
    assert_eq!(bench.after(30).await, ["4"]);
}

#[tokio::test]
async fn an_address_that_is_gone_keeps_its_deliveries_until_it_is_resumed() {
    let mut bench = Bench::new("").await;
    bench.order("1").await;
    bench.answers([status(410)]);
    assert_eq!(bench.turn().await, ["1"]);
    bench.order("2").await;
    assert_eq!(bench.after(100_000).await, NONE);
    let pauses = bench.store.pauses().await.expect("listed");
    assert_eq!(
        (pauses[0].kind, &*pauses[0].address, &*pauses[0].reason.code),
        (PauseKind::Gone, "http://partner/", "XD-D017")
    );
    assert_eq!(bench.story("1").await, (DeliveryState::Planned, String::new(), vec!["retry"]));
    bench.store.resume(Some("erp"), PauseKind::Gone).await.expect("resumed");
    let mut sent = bench.turn().await;
    sent.sort();
    assert_eq!(sent, ["1", "2"]);
}

#[tokio::test]
async fn what_may_have_arrived_is_asked_for_before_it_is_sent_again() {
    let mut bench = Bench::new("delivery: {breaker: {failures: 0}}\n").await;
    for number in ["1", "2", "3", "4"] {
        bench.order(number).await;
        bench.answers([cut()]);
        assert_eq!(bench.turn().await, [number]);
    }
    bench.clock.wait(10);
    bench.answers([
        reply("<orders><order id='77'><no>1</no></order></orders>"),
        reply("<orders/>"),
        status(200),
        status(404),
        status(200),
        reply("<html>busy</html>"),
    ]);
    let policy = bench.step.policy();
    for one in bench.store.lease(Some("erp"), bench.clock.steady(), 9).await.expect("leased") {
        bench.step.deliver(one, &policy, false).await;
    }
    let seen = bench.turn().await;
    let asked = |number: &str| format!("GET orders?no={number}");
    let expected = [asked("1"), asked("2"), "2".to_owned(), asked("3"), "3".to_owned(), asked("4")];
    assert_eq!(seen, expected);
    assert_eq!(bench.story("1").await.2, ["unknown", "delivered"]);
    let found = bench.delivery("1").await;
    assert!(found.attempts[1].detail.contains("was not sent again"), "{:?}", found.attempts);
    let key = XrefKey {
        entity: "order".into(),
        source_system: "shop".into(),
        source_id: "1".into(),
        target_system: "erp".into(),
    };
    assert_eq!(bench.store.xref(&key).await.expect("read").as_deref(), Some("77"));
    assert_eq!(bench.story("2").await.2, ["unknown", "delivered"]);
    assert_eq!(bench.story("3").await.2, ["unknown", "delivered"]);
    assert_eq!(bench.story("4").await.2, ["unknown", "unknown"]);
    bench.answers([reply("<html>busy</html>")]);
    assert_eq!(bench.after(100).await, [asked("4")]);
    assert_eq!(bench.story("4").await.1, "unknown", "parked for a person to look");
}

#[tokio::test]
async fn bytes_under_way_when_the_process_ended_are_asked_for_too() {
    let mut bench = Bench::new("").await;
    bench.order("1").await;
    let now = bench.clock.steady();
    let leased = bench.store.lease(Some("erp"), now, 1).await.expect("leased").remove(0);
    let made =
        bench.step.make_output(&bench.step.hub.catalog(), &erp(&bench), &leased).await.expect("asked").expect("made");
    bench.store.store_output(&leased.id, made).await.expect("stored");
    bench.step.put_off(&leased.id).await.expect("given back");
    bench.answers([reply("<orders><order id='77'><no>1</no></order></orders>")]);
    assert_eq!(bench.turn().await, ["GET orders?no=1"]);
    assert_eq!(bench.story("1").await.2, ["delivered"]);
}

fn erp(bench: &Bench) -> Arc<System> {
    bench.step.hub.catalog().system("erp").expect("there").clone()
}

#[tokio::test]
async fn outside_its_hours_a_destination_gets_nothing_and_attempts_are_not_used_up() {
    let mut bench = Bench::new("calendar: office\n").await;
    bench.clock.wait(6 * 3600);
    for number in ["1", "2"] {
        bench.order(number).await;
    }
    assert_eq!(bench.turn().await, NONE);
    let held = bench.delivery("1").await;
    assert_eq!(held.due_at.to_string(), "2026-11-26T08:00:00.000000Z");
    let reason = held.reason.expect("a reason");
    assert_eq!((&*reason.cause, &*reason.code), ("calendar", "XD-D018"));
    assert!(reason.text.contains("until 2026-11-26 08:00 (UTC)"), "{}", reason.text);
    let by_hand = Release::Ids(vec!["dlv_2".into()]);
    bench.store.release(by_hand, &act(), bench.clock.steady()).await.expect("released");
    assert_eq!(bench.turn().await, ["2"], "a person lets it pass");
    assert_eq!(bench.after(14 * 3600 - 1).await, NONE);
    assert_eq!(bench.after(1).await, ["1"]);
    assert_eq!(bench.story("1").await.2, ["delivered"]);
}

#[tokio::test]
async fn a_changed_calendar_lets_go_what_it_held() {
    let mut bench = Bench::new("calendar: office\n").await;
    bench.clock.wait(6 * 3600);
    bench.order("1").await;
    assert_eq!(bench.turn().await, NONE);
    bench.reload("calendars/office.yaml", "zone: UTC\nhours: {from: \"08:00\", to: \"20:00\"}\n").await;
    assert_eq!(bench.turn().await, ["1"]);
}

#[tokio::test]
async fn a_document_of_a_closed_period_waits_until_the_period_is_opened_or_a_person_lets_it_pass() {
    let mut bench = Bench::new("calendar: office\n").await;
    for (number, day) in [("1", "2026-10-31"), ("2", "2026-11-01"), ("3", "2026-10-01"), ("4", "soon"), ("5", "")] {
        bench.order_on(number, number, day).await;
    }
    let mut sent = bench.turn().await;
    sent.sort();
    assert_eq!(sent, ["2", "5"], "the open period, and what has no posting date");
    let held = bench.delivery("1").await;
    assert_eq!((held.state, held.wait_key.as_deref()), (DeliveryState::Waiting, Some("period:office:2026-10-31")));
    assert_eq!(held.reason.expect("a reason").code, "XD-D019");
    assert_eq!(bench.story("4").await, (DeliveryState::Parked, "calendar".to_owned(), vec![]));
    let by_hand = Release::Ids(vec!["dlv_3".into()]);
    bench.store.release(by_hand, &act(), bench.clock.steady()).await.expect("released");
    assert_eq!(bench.turn().await, ["3"]);
    bench.reload("calendars/office.yaml", "zone: UTC\n").await;
    let mut sent = bench.turn().await;
    sent.sort();
    assert_eq!(sent, ["1", "4"], "without a closed period nobody asks for the date");
}

#[tokio::test]
async fn a_system_may_say_itself_where_the_posting_date_is() {
    let more = "calendar: {use: office, posting-date: {t/order: \"='2026-10-01'\"}}\n";
    let mut bench = Bench::new(more).await;
    bench.order("1").await;
    assert_eq!(bench.turn().await, NONE);
    assert_eq!(bench.story("1").await.0, DeliveryState::Waiting);
}

#[tokio::test]
async fn a_failing_key_waits_alone_and_exhausted_it_frees_its_lane_only_when_told() {
    for (more, expected) in [
        ("delivery: {concurrency: 1, breaker: {failures: 0}, retry: [10s]}\n", vec![]),
        (
            "delivery: {concurrency: 1, breaker: {failures: 0}, retry: [10s], on-exhausted: park-and-continue}\n",
            vec!["2", "3"],
        ),
    ] {
        let mut bench = Bench::new(more).await;
        for (number, lane) in [("1", "A"), ("2", "A"), ("3", "A"), ("9", "B")] {
            bench.order_on(number, lane, "2026-11-25").await;
        }
        bench.answers([refused(), status(200), refused()]);
        assert_eq!((bench.turn().await, bench.turn().await), (vec!["1".to_owned()], vec!["9".to_owned()]));
        assert_eq!(bench.turn().await, NONE, "nobody overtakes");
        assert_eq!(bench.after(10).await, ["1"]);
        assert_eq!(bench.story("1").await.1, "exhausted");
        let mut rest = bench.turn().await;
        rest.extend(bench.turn().await);
        assert_eq!(rest, expected, "{more}");
        assert_eq!(bench.delivery("1").await.overtaken, !expected.is_empty());
        bench.store.release(Release::Ids(vec!["dlv_1".into()]), &act(), bench.clock.steady()).await.expect("released");
        let mut rest = Vec::new();
        for _ in 0..3 {
            rest.extend(bench.turn().await);
        }
        let expected: &[&str] = if expected.is_empty() { &["1", "2", "3"] } else { &["1"] };
        assert_eq!(rest, expected, "in order again");
    }
}

#[tokio::test]
async fn a_system_without_a_way_out_parks_what_is_for_it() {
    let mut bench = Bench::new("").await;
    bench.order("1").await;
    bench.sinks.send_replace(Arc::default());
    assert_eq!(bench.turn().await, NONE);
    assert_eq!(bench.story("1").await.1, "no-route");
}
