//! What every store must do when operators act: by query or by id, by name and reason.

use super::{
    AttemptOutcome, Bytes, Decision, DeliveryState, Hold, MessageFilter, MessageState, NOW, NewDelivery, NewMessage,
    Next, Place, Plan, Release, Released, Standing, Start, Store, StoreError, WaitKey, accepted, at, customer, decided,
    deliver, delivery, lease, message, output, plan_of, planned, reason, record, state,
};
use crate::store::{Chosen, NewPart, NewReplay, Spot};

/// A message whose one delivery is parked for a cause.
async fn parked(store: &dyn Store, name: &str, lane: &str, cause: &str) {
    let id = accepted(store, name).await;
    let start = Start::Park { reason: reason(cause) };
    store.plan(&id, plan_of(vec![NewDelivery { start, ..delivery(name, lane) }]), NOW).await.expect("planned");
}

fn replay(of: &str) -> NewReplay {
    NewReplay {
        id: format!("dlv_{of}2"),
        of: format!("dlv_{of}"),
        lane: String::new(),
        due_at: NOW,
        keeps_output: false,
    }
}

const HELD: &[DeliveryState] = &[DeliveryState::Waiting, DeliveryState::Parked];

async fn ids(store: &dyn Store, filter: &MessageFilter, states: &[DeliveryState]) -> Vec<String> {
    let chosen = store.select(filter, states, None, 100).await.expect("read");
    chosen.iter().map(|one| one.id().to_owned()).collect()
}

pub async fn an_act_is_written_down_with_what_it_changed(place: &impl Place) {
    let store = place.open().await;
    parked(&*store, "a", "", "rejected").await;
    parked(&*store, "b", "", "rejected").await;
    let act = decided("release", "the partner is repaired");
    let none = store.release(Release::Cause("code".into()), &act, NOW).await.expect("released");
    assert_eq!(none, Released::default());
    assert!(store.acts(None, 10).await.expect("read").is_empty(), "what changes nothing is not written down");
    for name in ["a", "b"] {
        store.release(Release::Ids(vec![format!("dlv_{name}")]), &act, NOW).await.expect("released");
    }
    store.skip("dlv_b", &decided("skip", "typed in by hand"), NOW).await.expect("skipped");
    let acts = store.acts(None, 10).await.expect("read");
    let shown: Vec<_> = acts.iter().map(|one| (one.act.verb.as_str(), one.deliveries, one.messages)).collect();
    assert_eq!(shown, [("skip", 1, 0), ("release", 2, 0)], "newest first, calls of one act add up");
    assert_eq!(acts[1].act, act);
    assert_eq!(store.acts(Some(acts[0].seq), 1).await.expect("read"), acts[1..]);
    let view = store.message("msg_b").await.expect("read").expect("there");
    assert_eq!(view.acts.iter().map(|one| &*one.act.verb).collect::<Vec<_>>(), ["release", "skip"]);
}

pub async fn a_query_chooses_what_is_held_in_accept_order_and_in_pages(place: &impl Place) {
    let store = place.open().await;
    parked(&*store, "a", "", "rejected").await;
    accepted(&*store, "b").await;
    store
        .plan("msg_b", Plan { decision: Decision::Park(reason("no-route")), ..plan_of(vec![]) }, NOW)
        .await
        .expect("parked");
    accepted(&*store, "c").await;
    let start = Start::Wait { key: WaitKey::Xref(customer("C-01")), reason: reason("xref") };
    let both = vec![NewDelivery { start, ..delivery("c1", "") }, delivery("c2", "")];
    store.plan("msg_c", plan_of(both), NOW).await.expect("planned");
    parked(&*store, "d", "", "rejected").await;
    planned(&*store, "e", "").await;
    let all = MessageFilter::default();
    assert_eq!(ids(&*store, &all, HELD).await, ["dlv_a", "msg_b", "dlv_c1", "dlv_d"]);
    let (mut paged, mut after): (Vec<Chosen>, Option<Spot>) = (Vec::new(), None);
    loop {
        let page = store.select(&all, HELD, after, 1).await.expect("read");
        let Some(last) = page.last() else { break };
        after = Some(last.spot);
        paged.extend(page);
    }
    assert_eq!(paged.iter().map(Chosen::id).collect::<Vec<_>>(), ["dlv_a", "msg_b", "dlv_c1", "dlv_d"]);
    assert_eq!(paged[1].reason, Some(reason("no-route")));
    assert_eq!((paged[1].spot.position, paged[1].delivery.is_none()), (-1, true));
    let first = paged[0].delivery.as_ref().expect("a delivery");
    assert_eq!((&*first.route, &*first.destination, first.has_output), ("orders", "u8-south", false));
    assert!(!first.is_replay);
    store.store_output("dlv_d", output("<d/>")).await.expect("kept");
    let last = store.select(&all, HELD, Some(paged[2].spot), 10).await.expect("read");
    assert!(last[0].delivery.as_ref().expect("a delivery").has_output);
}

pub async fn a_query_chooses_by_everything_a_filter_can_say(place: &impl Place) {
    let store = place.open().await;
    parked(&*store, "a", "", "rejected").await;
    let dms =
        NewMessage { system: "dms".into(), document_type: "dms/order".into(), received_at: at(60), ..message("b") };
    store.accept(dms).await.expect("accepted");
    let start = Start::Park { reason: reason("code") };
    let other = NewDelivery { route: "others".into(), destination: "u8-north".into(), start, ..delivery("b", "") };
    let plan = Plan { business_key: Some("SO-2".into()), ..plan_of(vec![other]) };
    store.plan("msg_b", plan, NOW).await.expect("planned");
    accepted(&*store, "c").await;
    store
        .plan("msg_c", Plan { decision: Decision::Park(reason("code")), ..plan_of(vec![]) }, NOW)
        .await
        .expect("parked");
    let some = |text: &str| Some(text.to_owned());
    let filter = MessageFilter::default;
    let cases = [
        (MessageFilter { held: some("code"), ..filter() }, vec!["dlv_b", "msg_c"]),
        (MessageFilter { held: some("code"), system: some("dms"), ..filter() }, vec!["dlv_b"]),
        (MessageFilter { document_type: some("dms/order"), ..filter() }, vec!["dlv_b"]),
        (MessageFilter { business_key: some("SO-2"), ..filter() }, vec!["dlv_b"]),
        (MessageFilter { destination: some("u8-south"), ..filter() }, vec!["dlv_a"]),
        (MessageFilter { route: some("others"), ..filter() }, vec!["dlv_b"]),
        (MessageFilter { text: some("dlv_b"), ..filter() }, vec!["dlv_b"]),
        (MessageFilter { since: Some(at(60)), ..filter() }, vec!["dlv_b"]),
        (MessageFilter { until: Some(at(60)), ..filter() }, vec!["dlv_a", "msg_c"]),
        (MessageFilter { delivery_state: Some(DeliveryState::Waiting), ..filter() }, vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(&*store, &filter, HELD).await, expected, "{filter:?}");
    }
    let listed = [
        (MessageFilter { held: some("code"), ..filter() }, vec!["msg_c", "msg_b"]),
        (MessageFilter { held: some("code"), destination: some("u8-north"), ..filter() }, vec!["msg_b"]),
        (MessageFilter { route: some("orders"), ..filter() }, vec!["msg_a"]),
        (MessageFilter { standing: Some(Standing::Parked), until: Some(at(60)), ..filter() }, vec!["msg_c", "msg_a"]),
        (MessageFilter { standing: Some(Standing::Waiting), ..filter() }, vec![]),
    ];
    for (filter, expected) in listed {
        let page = store.messages(&filter, None, 10).await.expect("read");
        assert_eq!(page.items.iter().map(|one| &*one.message.id).collect::<Vec<_>>(), expected, "{filter:?}");
    }
    assert_eq!(ids(&*store, &filter(), &[DeliveryState::Delivered]).await, Vec::<String>::new());
}

pub async fn a_replay_is_a_new_delivery_outside_the_lane(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "SO-1").await;
    store.store_output("dlv_a", output("<a/>")).await.expect("kept");
    lease(&*store, NOW).await;
    deliver(&*store, "a").await;
    planned(&*store, "b", "SO-1").await;
    let act = decided("replay", "the partner restored a backup");
    let kept = NewReplay { keeps_output: true, ..replay("a") };
    assert_eq!(store.replay(&[kept], &act, NOW).await.expect("replayed"), 1);
    let leased = store.lease(None, NOW, 10).await.expect("leased");
    let mut found: Vec<_> = leased.iter().map(|one| (&*one.id, one.output.clone(), one.attempts)).collect();
    found.sort_by_key(|one| one.0);
    assert_eq!(found, [("dlv_a2", Some(output("<a/>")), 0), ("dlv_b", None, 0)], "both go at once");
    deliver(&*store, "a2").await;
    let chosen = store.select(&MessageFilter::default(), &[DeliveryState::Delivered], None, 10).await.expect("read");
    let replays: Vec<_> = chosen.iter().filter_map(|one| one.delivery.as_ref()).map(|one| one.is_replay).collect();
    assert_eq!(replays, [false, true]);
    let view = store.message("msg_a").await.expect("read").expect("there");
    let shown: Vec<_> = view.deliveries.iter().map(|one| (&*one.id, one.replay_of.as_deref(), one.state)).collect();
    let delivered = DeliveryState::Delivered;
    assert_eq!(shown, [("dlv_a", None, delivered), ("dlv_a2", Some("dlv_a"), delivered)]);
    assert_eq!(view.acts.iter().map(|one| (&*one.act.why, one.deliveries)).collect::<Vec<_>>(), [(&*act.why, 1)]);
    assert_eq!(store.counts().await.expect("counts").unaccounted, 0);
}

pub async fn a_replay_of_a_held_delivery_takes_its_place(place: &impl Place) {
    let store = place.open().await;
    parked(&*store, "a", "SO-1", "rejected").await;
    planned(&*store, "b", "SO-1").await;
    assert!(lease(&*store, NOW).await.is_empty(), "the parked head blocks");
    let again = NewReplay { lane: "SO-1".into(), ..replay("a") };
    assert_eq!(store.replay(&[again], &decided("replay", "mapping corrected"), NOW).await.expect("replayed"), 1);
    assert_eq!(state(&*store, "a").await, DeliveryState::Skipped);
    let view = store.message("msg_a").await.expect("read").expect("there");
    let why = view.deliveries[0].reason.clone().expect("a reason").text;
    assert!(why.contains("dlv_a2") && why.contains("li.wei"), "{why}");
    for name in ["a2", "b"] {
        assert_eq!(lease(&*store, NOW).await, [name]);
        deliver(&*store, name).await;
    }
}

pub async fn replays_of_one_act_keep_their_order_and_their_pace(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        planned(&*store, name, "SO-1").await;
        lease(&*store, NOW).await;
        deliver(&*store, name).await;
    }
    let replays: Vec<_> = (0..)
        .zip(["a", "b", "c"])
        .map(|(n, of)| NewReplay { lane: "again:SO-1".into(), due_at: at(n), ..replay(of) })
        .collect();
    assert_eq!(store.replay(&replays, &decided("replay", "a test"), NOW).await.expect("replayed"), 3);
    assert_eq!(store.next_due(NOW).await.expect("read"), None, "the second waits for the first");
    for (n, name) in (0..).zip(["a2", "b2", "c2"]) {
        if n > 0 {
            assert!(lease(&*store, at(n - 1)).await.is_empty(), "not before its time");
        }
        assert_eq!(lease(&*store, at(n)).await, [name]);
        deliver(&*store, name).await;
    }
}

pub async fn what_cannot_be_replayed_is_left_alone(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    parked(&*store, "b", "", "code").await;
    let kept = NewReplay { keeps_output: true, ..replay("b") };
    let act = decided("replay", "a test");
    let none = store.replay(&[replay("a"), kept, replay("x")], &act, NOW).await.expect("an answer");
    assert_eq!(none, 0);
    assert_eq!(state(&*store, "b").await, DeliveryState::Parked);
    assert_eq!(store.counts().await.expect("counts").planned, 2);
    assert!(store.acts(None, 10).await.expect("read").is_empty());
}

fn corrected() -> NewMessage {
    let bytes = Bytes::from_static(b"<order>right</order>");
    NewMessage { id: "msg_right".into(), dedup_key: None, bytes, ..message("right") }
}

pub async fn a_corrected_copy_takes_the_place_of_the_old_message(place: &impl Place) {
    let store = place.open().await;
    parked(&*store, "a", "SO-1", "rejected").await;
    planned(&*store, "b", "SO-1").await;
    let act = decided("resend", "the price was wrong");
    let copy = store.resend(corrected(), "msg_a", true, &act, NOW).await.expect("resent");
    assert_eq!(state(&*store, "a").await, DeliveryState::Skipped);
    assert!(lease(&*store, NOW).await.is_empty(), "later ones of the lane wait for the copy's plan");
    let work = store.begin_transform(NOW, 10).await.expect("work");
    assert_eq!(work.iter().map(|one| &*one.message.id).collect::<Vec<_>>(), ["msg_right"]);
    assert_eq!((&*work[0].bytes, work[0].message.seq), (b"<order>right</order>".as_slice(), copy.seq));
    assert_eq!(work[0].message.edited_from.as_deref(), Some("msg_a"));
    store.plan("msg_right", plan_of(vec![delivery("right", "SO-1")]), NOW).await.expect("planned");
    for name in ["right", "b"] {
        assert_eq!(lease(&*store, NOW).await, [name]);
        deliver(&*store, name).await;
    }
    let old = store.message("msg_a").await.expect("read").expect("there");
    assert_eq!((old.standing, old.edits.as_slice()), (Standing::Skipped, &["msg_right".to_owned()][..]));
    assert_eq!(old.acts.iter().map(|one| (one.deliveries, one.messages)).collect::<Vec<_>>(), [(1, 1)]);
    assert_eq!(store.message("msg_right").await.expect("read").expect("there").acts, old.acts);
    let again = store.resend(NewMessage { id: "msg_more".into(), ..corrected() }, "msg_right", false, &act, NOW).await;
    assert_eq!(again.expect("a copy of a copy").seq, copy.seq + 1);
}

pub async fn a_corrected_copy_may_leave_the_old_message_alone(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    let act = decided("resend", "a test");
    let early = store.resend(corrected(), "msg_a", false, &act, NOW).await;
    assert!(matches!(early, Err(StoreError::Conflict(_))), "{early:?}");
    let none = store.resend(corrected(), "msg_x", false, &act, NOW).await;
    assert!(matches!(none, Err(StoreError::NotFound(_))), "{none:?}");
    store.plan("msg_a", plan_of(vec![delivery("a", "")]), NOW).await.expect("planned");
    lease(&*store, NOW).await;
    let sending = store.resend(corrected(), "msg_a", true, &act, NOW).await;
    assert!(matches!(sending, Err(StoreError::Conflict(_))), "{sending:?}");
    store.hold("dlv_a", Hold::Park { reason: reason("code") }, NOW).await.expect("parked");
    store.resend(corrected(), "msg_a", false, &act, NOW).await.expect("resent");
    assert_eq!(state(&*store, "a").await, DeliveryState::Parked);
    accepted(&*store, "batch").await;
    let part = NewPart { message: message("part"), conflict: reason("refused") };
    let split = Plan { decision: Decision::Split(vec![part]), ..plan_of(vec![]) };
    store.plan("msg_batch", split, NOW).await.expect("split");
    let batch = store.resend(NewMessage { id: "msg_y".into(), ..corrected() }, "msg_batch", false, &act, NOW).await;
    assert!(matches!(batch, Err(StoreError::Conflict(_))), "{batch:?}");
}

pub async fn counts_follow_every_change(place: &impl Place) {
    let store = place.open().await;
    for (name, cause) in [("a", "rejected"), ("b", "code")] {
        parked(&*store, name, "", cause).await;
    }
    planned(&*store, "c", "").await;
    accepted(&*store, "d").await;
    let filter = Plan { decision: Decision::Filter { rule: "drafts".into() }, ..plan_of(vec![]) };
    store.plan("msg_d", filter, NOW).await.expect("filtered");
    accepted(&*store, "e").await;
    store
        .plan("msg_e", Plan { decision: Decision::Park(reason("no-route")), ..plan_of(vec![]) }, NOW)
        .await
        .expect("parked");
    store.skip("msg_e", &decided("skip", "a test"), NOW).await.expect("skipped");
    store.skip("dlv_a", &decided("skip", "a test"), NOW).await.expect("skipped");
    store.release(Release::Cause("code".into()), &decided("release", "a test"), NOW).await.expect("released");
    lease(&*store, NOW).await;
    deliver(&*store, "c").await;
    record(&*store, "b", AttemptOutcome::Retry, Next::Retry { due_at: at(9) }).await;
    store.replay(&[replay("c")], &decided("replay", "a test"), NOW).await.expect("replayed");
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.routed, counts.filtered, counts.skipped), (5, 3, 1, 1));
    let found: Vec<_> = counts.deliveries.iter().map(|one| (one.state.as_str(), one.count)).collect();
    assert_eq!(found, [("delivered", 1), ("planned", 2), ("skipped", 1)]);
    assert_eq!((counts.planned, counts.unaccounted), (4, 0));
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
    assert_eq!(store.message("msg_e").await.expect("read").expect("there").message.state, MessageState::Skipped);
}
