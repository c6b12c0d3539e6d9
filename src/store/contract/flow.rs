//! Retries, holds and pauses: what must be known after a crash, and what nobody may be handed.

use std::time::Duration;

use super::{
    DESTINATION, NOW, Place, at, attempt, decided, deliver, delivery, lease, message, output, plan_of, planned, reason,
    record, state,
};
use crate::store::{
    AttemptOutcome, DeliveryState, Hold, MessageFilter, NewDelivery, Next, Pause, PauseKind, Release, Standing, Store,
    StoreError,
};

/// Whether the delivery, handed out now, may have arrived before; it is due again at once.
async fn may_have_arrived(store: &dyn Store, name: &str) -> bool {
    let leased = store.lease(None, at(10), 10).await.expect("leased");
    let one = leased.iter().find(|one| one.id == format!("dlv_{name}")).expect("handed out");
    let unknown = one.unknown_before;
    store.hold(&one.id, Hold::Later { due_at: NOW, reason: None }, NOW).await.expect("held");
    unknown
}

pub async fn sending_again_is_remembered_until_it_is_recorded(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    assert!(!may_have_arrived(&*store, "a").await, "nothing was sent");
    lease(&*store, NOW).await;
    store.store_output("dlv_a", output("x")).await.expect("stored");
    record(&*store, "a", AttemptOutcome::Retry, Next::Retry { due_at: NOW }).await;
    assert!(!may_have_arrived(&*store, "a").await, "the attempt surely failed");
    let not_leased = store.begin_attempt("dlv_a").await;
    assert!(matches!(not_leased, Err(StoreError::Conflict(_))), "{not_leased:?}");
    lease(&*store, NOW).await;
    store.begin_attempt("dlv_a").await.expect("noted");
    store.close().await;
    let store = place.open().await;
    assert!(may_have_arrived(&*store, "a").await, "the process ended while it was sent");
    lease(&*store, NOW).await;
    record(&*store, "a", AttemptOutcome::Retry, Next::Retry { due_at: NOW }).await;
    assert!(!may_have_arrived(&*store, "a").await, "the next attempt told that it had not");
}

pub async fn bytes_planned_with_a_delivery_were_not_sent(place: &impl Place) {
    let store = place.open().await;
    for (name, made) in [("a", Some(output("x"))), ("b", None)] {
        let id = store.accept(message(name)).await.expect("accepted").id;
        let new = NewDelivery { output: made, ..delivery(name, "") };
        store.plan(&id, plan_of(vec![new]), NOW).await.expect("planned");
    }
    lease(&*store, NOW).await;
    store.store_output("dlv_b", output("x")).await.expect("stored");
    store.close().await;
    let store = place.open().await;
    let leased = store.lease(None, NOW, 10).await.expect("leased");
    let known: Vec<_> = leased.iter().map(|one| (&*one.id, one.unknown_before)).collect();
    assert_eq!(known, [("dlv_a", false), ("dlv_b", true)]);
}

pub async fn what_is_held_until_a_moment_is_listed_and_released_by_cause_or_by_hand(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        planned(&*store, name, name).await;
    }
    lease(&*store, NOW).await;
    for name in ["a", "b"] {
        let hold = Hold::Later { due_at: at(3600), reason: Some(reason("calendar")) };
        store.hold(&format!("dlv_{name}"), hold, NOW).await.expect("held");
    }
    store.hold("dlv_c", Hold::Later { due_at: at(3600), reason: None }, NOW).await.expect("held");
    let filter = MessageFilter { held: Some("calendar".into()), ..MessageFilter::default() };
    let held = store.messages(&filter, None, 10).await.expect("listed").items;
    let ids: Vec<_> = held.iter().map(|one| (&*one.message.id, one.standing)).collect();
    assert_eq!(ids, [("msg_b", Standing::Waiting), ("msg_a", Standing::Waiting)]);
    let view = store.message("msg_a").await.expect("read").expect("there");
    assert_eq!((view.standing, view.deliveries[0].due_at), (Standing::Waiting, at(3600)));
    assert_eq!(view.deliveries[0].reason, Some(reason("calendar")));
    assert!(lease(&*store, at(10)).await.is_empty());
    let by_hand = store
        .release(Release::Ids(vec!["dlv_a".into(), "dlv_c".into()]), &decided("release", "a test"), at(10))
        .await
        .expect("released");
    assert_eq!(by_hand.deliveries, 1, "what only waits for its turn is left alone");
    let leased = store.lease(None, at(10), 10).await.expect("leased");
    assert_eq!(leased.iter().map(|one| (&*one.id, one.waived, one.tries)).collect::<Vec<_>>(), [("dlv_a", true, 0)]);
    let by_cause = store
        .release(Release::Cause("calendar".into()), &decided("release", "a test"), at(20))
        .await
        .expect("released");
    assert_eq!(by_cause.deliveries, 1);
    let leased = store.lease(None, at(20), 10).await.expect("leased");
    assert_eq!(leased.iter().map(|one| (&*one.id, one.waived)).collect::<Vec<_>>(), [("dlv_b", false)]);
    let mut rest = lease(&*store, at(3600)).await;
    rest.sort();
    assert_eq!(rest, ["c"], "and at its moment what was left");
}

pub async fn an_exhausted_head_frees_its_lane_when_told_and_is_marked_as_overtaken(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        planned(&*store, name, "SO-1").await;
    }
    assert_eq!(lease(&*store, NOW).await, ["a"]);
    let next = Next::Park { reason: reason("exhausted"), frees_lane: true };
    record(&*store, "a", AttemptOutcome::Retry, next).await;
    let overtaken = async |name: &str| {
        store.message(&format!("dlv_{name}")).await.expect("read").expect("there").deliveries[0].overtaken
    };
    assert!(!overtaken("a").await, "nothing went before it yet");
    assert_eq!(lease(&*store, NOW).await, ["b"]);
    deliver(&*store, "b").await;
    assert!(overtaken("a").await && !overtaken("b").await && !overtaken("c").await);
    let released =
        store.release(Release::Ids(vec!["dlv_a".into()]), &decided("release", "a test"), NOW).await.expect("released");
    assert_eq!(released.deliveries, 1);
    assert_eq!(lease(&*store, NOW).await, ["a"], "the lane has its head again");
    let next = Next::Park { reason: reason("rejected"), frees_lane: false };
    record(&*store, "a", AttemptOutcome::Rejected, next).await;
    assert!(lease(&*store, NOW).await.is_empty(), "parked for another cause it holds up its lane, as planned");
    store.skip("dlv_a", &decided("skip", "typed in by hand"), NOW).await.expect("skipped");
    assert_eq!(lease(&*store, NOW).await, ["c"]);
    assert!(overtaken("a").await);
}

pub async fn moments_too_far_ahead_are_brought_forward(place: &impl Place) {
    let store = place.open().await;
    let year = NOW.plus(Duration::from_secs(365 * 86_400));
    for name in ["never-tried", "tried", "held", "near"] {
        planned(&*store, name, "").await;
    }
    assert_eq!(lease(&*store, NOW).await.len(), 4);
    let later = |due_at, reason| Hold::Later { due_at, reason };
    store.hold("dlv_never-tried", later(year, None), NOW).await.expect("held");
    store.hold("dlv_held", later(year, Some(reason("calendar"))), NOW).await.expect("held");
    for (name, due_at) in [("tried", year), ("near", at(50))] {
        let retry = super::NewAttempt { id: format!("att_{name}"), ..attempt(name, AttemptOutcome::Retry) };
        store.record(&format!("dlv_{name}"), retry, Next::Retry { due_at }).await.expect("recorded");
    }
    assert_eq!(store.bring_forward("elsewhere", at(5), at(100)).await.expect("done"), 0);
    assert_eq!(store.bring_forward(DESTINATION, at(5), at(100)).await.expect("done"), 2);
    assert_eq!(lease(&*store, at(5)).await, ["never-tried"]);
    assert_eq!(lease(&*store, at(50)).await, ["near"]);
    assert_eq!(lease(&*store, at(100)).await, ["tried"]);
    assert!(lease(&*store, at(1000)).await.is_empty(), "a reason keeps its moment");
}

pub async fn a_destination_that_is_gone_gets_nothing_until_it_is_resumed(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    let pause = |destination: &str, kind, text: &str| Pause {
        destination: destination.into(),
        kind,
        since: at(1),
        until: (kind == PauseKind::Breaker).then(|| at(30)),
        address: text.into(),
        reason: reason("gone"),
    };
    store.pause(&pause("elsewhere", PauseKind::Gone, "x")).await.expect("noted");
    store.pause(&pause(DESTINATION, PauseKind::Breaker, "x")).await.expect("noted");
    assert_eq!(lease(&*store, NOW).await, ["a"], "neither another destination's nor a breaker's note holds it");
    store.hold("dlv_a", Hold::Later { due_at: NOW, reason: None }, NOW).await.expect("held");
    store.pause(&pause(DESTINATION, PauseKind::Gone, "x")).await.expect("noted");
    store.pause(&pause(DESTINATION, PauseKind::Gone, "y")).await.expect("replaced");
    store.close().await;
    let store = place.open().await;
    assert!(lease(&*store, NOW).await.is_empty());
    assert_eq!(state(&*store, "a").await, DeliveryState::Planned, "kept");
    let expected = [
        pause("elsewhere", PauseKind::Gone, "x"),
        pause(DESTINATION, PauseKind::Breaker, "x"),
        pause(DESTINATION, PauseKind::Gone, "y"),
    ];
    assert_eq!(store.pauses().await.expect("listed"), expected);
    assert_eq!(store.resume(Some(DESTINATION), PauseKind::Gone).await.expect("resumed"), 1);
    assert_eq!(lease(&*store, NOW).await, ["a"]);
    assert_eq!(store.resume(None, PauseKind::Breaker).await.expect("resumed"), 1);
    assert_eq!(store.pauses().await.expect("listed"), expected[..1]);
}
