//! What every store must do when finished things are taken away.

use super::{
    AcceptOutcome, Decision, NOW, NewPart, Place, Plan, Standing, Store, accepted, at, deliver, delivery, lease,
    message, output, plan_of, planned, reason,
};
use crate::store::{Cut, Purged};

/// Everything received or finished before so many seconds may go, apart from keys.
fn before(seconds: u64) -> Cut {
    let moment = Some(at(seconds));
    Cut { payloads: moment, attempts: moment, records: moment, ..Cut::default() }
}

async fn purge(store: &dyn Store, cut: &Cut) -> Purged {
    let mut all = Purged::default();
    loop {
        let one = store.purge(cut, 10, at(1000)).await.expect("purged");
        all.payloads += one.payloads;
        all.attempts += one.attempts;
        all.records += one.records;
        all.keys += one.keys;
        if !one.more {
            return all;
        }
    }
}

/// A message of this name delivered at second 1, with an output.
async fn delivered(store: &dyn Store, name: &str) {
    planned(store, name, "").await;
    store.store_output(&format!("dlv_{name}"), output("<sent/>")).await.expect("kept");
    lease(store, NOW).await;
    deliver(store, name).await;
}

pub async fn only_what_is_finished_and_old_enough_is_purged(place: &impl Place) {
    let store = place.open().await;
    delivered(&*store, "done").await;
    accepted(&*store, "accepted").await;
    accepted(&*store, "parked").await;
    let park = Plan { decision: Decision::Park(reason("mapping")), ..plan_of(Vec::new()) };
    store.plan("msg_parked", park, NOW).await.expect("parked");
    accepted(&*store, "half").await;
    store.plan("msg_half", plan_of(vec![delivery("one", ""), delivery("two", "")]), NOW).await.expect("planned");
    lease(&*store, NOW).await;
    deliver(&*store, "one").await;
    assert_eq!(purge(&*store, &before(1)).await, Purged::default(), "finished at second 1, not before");
    let purged = purge(&*store, &before(2)).await;
    assert_eq!((purged.payloads, purged.attempts, purged.records), (1, 2, 0), "its key is still in force");
    for name in ["accepted", "parked", "half"] {
        let view = store.message(&format!("msg_{name}")).await.expect("read").expect("there");
        assert!(view.bytes.is_some() && view.bytes_removed_at.is_none(), "{name}");
    }
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
}

pub async fn a_message_whose_content_is_gone_says_so_and_keeps_its_history(place: &impl Place) {
    let store = place.open().await;
    delivered(&*store, "a").await;
    let before_it = store.message("msg_a").await.expect("read").expect("there");
    let cut = Cut { payloads: Some(at(2)), ..Cut::default() };
    assert_eq!(purge(&*store, &cut).await.payloads, 1);
    assert_eq!(purge(&*store, &cut).await, Purged::default(), "once");
    let view = store.message("dlv_a").await.expect("read").expect("there");
    assert_eq!((view.bytes.as_ref(), view.bytes_removed_at), (None, Some(at(1000))));
    assert_eq!((view.size, view.message.sha256), (before_it.size, before_it.message.sha256));
    assert_eq!(view.standing, Standing::Delivered);
    let (now, then) = (&view.deliveries[0], &before_it.deliveries[0]);
    assert_eq!((now.output.as_ref(), now.output_sha256), (None, then.output_sha256));
    assert_eq!(now.attempts, then.attempts);
    let again = store.accept(message("a")).await.expect("answered");
    assert_eq!(again.outcome, AcceptOutcome::Duplicate, "its key is known as before");
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
}

pub async fn records_go_wholly_and_stay_in_the_sums(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        delivered(&*store, name).await;
    }
    accepted(&*store, "filtered").await;
    let filter = Plan { decision: Decision::Filter { rule: "r".into() }, ..plan_of(Vec::new()) };
    store.plan("msg_filtered", filter, NOW).await.expect("filtered");
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.removed.messages), (4, 0));
    let cut = Cut { keys: Some(at(1)), ..before(2) };
    let purged = purge(&*store, &cut).await;
    assert_eq!((purged.keys, purged.records), (4, 4));
    assert!(
        store.message("msg_a").await.expect("read").is_none() && store.message("dlv_b").await.expect("read").is_none()
    );
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.unaccounted, counts.removed.messages), (0, 0, 4));
    let removed = &counts.removed.deliveries;
    assert_eq!(removed.iter().map(|row| (&*row.route, row.count)).collect::<Vec<_>>(), [("orders", 3)]);
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
    delivered(&*store, "d").await;
    assert_eq!(store.counts().await.expect("counts").total, 1);
}

pub async fn a_split_message_goes_with_all_its_parts_or_not_at_all(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "batch").await;
    let part = |name: &str| NewPart { message: message(name), conflict: reason("refused") };
    let split = Plan { decision: Decision::Split(vec![part("x"), part("y")]), ..plan_of(Vec::new()) };
    store.plan("msg_batch", split, NOW).await.expect("split");
    for name in ["x", "y"] {
        store.plan(&format!("msg_{name}"), plan_of(vec![delivery(name, "")]), NOW).await.expect("planned");
    }
    lease(&*store, NOW).await;
    deliver(&*store, "x").await;
    let cut = Cut { keys: Some(at(1)), ..before(100) };
    assert_eq!(purge(&*store, &cut).await.records, 0, "a part is under way");
    deliver(&*store, "y").await;
    assert_eq!(purge(&*store, &Cut { keys: Some(at(1)), ..before(0) }).await.records, 0, "too young");
    assert!(store.message("msg_x").await.expect("read").is_some());
    // the key of `y` was passed while it was under way, and goes with the message
    let purged = purge(&*store, &cut).await;
    assert_eq!(purged.records, 3);
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.unaccounted, counts.removed.messages), (0, 0, 3));
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
}

pub async fn a_key_is_forgotten_after_its_time_and_not_before_the_message_is_finished(place: &impl Place) {
    let store = place.open().await;
    delivered(&*store, "a").await;
    accepted(&*store, "b").await;
    let of_crm = |moment| [("crm".to_owned(), Some(moment))].into();
    let own = Cut { keys: Some(at(1000)), keys_of: of_crm(NOW), ..Cut::default() };
    assert_eq!(purge(&*store, &own).await.keys, 0, "the system's own time counts");
    assert_eq!(store.accept(message("a")).await.expect("answered").outcome, AcceptOutcome::Duplicate);
    assert_eq!(purge(&*store, &Cut { keys_of: of_crm(at(1)), ..Cut::default() }).await.keys, 1);
    let mut again = message("a");
    again.id = "msg_a2".into();
    assert_eq!(store.accept(again).await.expect("answered").outcome, AcceptOutcome::New, "forgotten");
    assert_eq!(store.accept(message("b")).await.expect("answered").outcome, AcceptOutcome::Duplicate, "not finished");
    let view = store.message("msg_a").await.expect("read").expect("there");
    assert_eq!(view.message.dedup_key, None);
    assert_eq!(view.message.attributes.get("former_key").map(String::as_str), Some("key-a"));
}

pub async fn a_purge_takes_no_more_than_told_at_once(place: &impl Place) {
    let store = place.open().await;
    for number in 0..25 {
        delivered(&*store, &number.to_string()).await;
    }
    let cut = Cut { payloads: Some(at(2)), ..Cut::default() };
    let first = store.purge(&cut, 10, at(3)).await.expect("purged");
    assert_eq!((first.payloads, first.more), (10, true));
    assert_eq!(purge(&*store, &cut).await.payloads, 15);
}
