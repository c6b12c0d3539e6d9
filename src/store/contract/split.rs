//! What every store must do with a message that carries several documents.

use super::{
    AcceptOutcome, Bytes, Decision, MessageState, NOW, NewMessage, Place, Plan, Standing, Store, StoreError, accepted,
    deliver, delivery, lease, message, plan_of, reason,
};
use crate::store::{MAX_PARTS, NewPart};

fn part(name: &str) -> NewPart {
    NewPart { message: message(name), conflict: reason("refused") }
}

fn split(parts: Vec<NewPart>) -> Plan {
    Plan { decision: Decision::Split(parts), ..plan_of(vec![]) }
}

async fn parts_of(store: &dyn Store, id: &str) -> Vec<(u32, String, bool, Standing)> {
    let view = store.message(id).await.expect("read").expect("there");
    let parts = view.parts.into_iter();
    parts.map(|part| (part.position, part.message.id, part.is_duplicate, part.standing)).collect()
}

pub async fn a_split_message_becomes_messages_of_its_own_in_order(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "batch").await;
    accepted(&*store, "later").await;
    let bad = NewPart { message: NewMessage { parked: Some(reason("unreadable")), ..message("b") }, ..part("b") };
    let done = store.plan("msg_batch", split(vec![part("a"), bad, part("c")]), NOW).await.expect("split");
    assert!(done.iter().all(|part| part.outcome == AcceptOutcome::New), "{done:?}");
    let view = store.message("msg_batch").await.expect("read").expect("there");
    assert_eq!((view.message.state, view.standing), (MessageState::Split, Standing::Split));
    assert_eq!(view.bytes.as_deref(), Some(&b"<order>batch</order>"[..]), "its own bytes stay");
    assert_eq!(
        parts_of(&*store, "msg_batch").await,
        [
            (1, "msg_a".to_owned(), false, Standing::Accepted),
            (2, "msg_b".to_owned(), false, Standing::Parked),
            (3, "msg_c".to_owned(), false, Standing::Accepted),
        ]
    );
    let shown = store.message("msg_a").await.expect("read").expect("there");
    assert_eq!(shown.message.parent.as_deref(), Some("msg_batch"));
    assert_eq!(shown.bytes.as_deref(), Some(&b"<order>a</order>"[..]));
    let work = store.begin_transform(NOW, 10).await.expect("work");
    let ids: Vec<&str> = work.iter().map(|work| &*work.message.id).collect();
    assert_eq!(ids, ["msg_a", "msg_c", "msg_later"], "parts come before what was accepted after them");
    let again = store.plan("msg_batch", split(vec![part("d")]), NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
}

pub async fn parts_keep_their_place_in_a_lane(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "batch").await;
    accepted(&*store, "later").await;
    store.begin_transform(NOW, 10).await.expect("work");
    store.plan("msg_later", plan_of(vec![delivery("later", "SO-1")]), NOW).await.expect("planned");
    assert!(lease(&*store, NOW).await.is_empty(), "the batch is not planned yet");
    store.plan("msg_batch", split(vec![part("a"), part("b")]), NOW).await.expect("split");
    assert!(lease(&*store, NOW).await.is_empty(), "its parts are not planned yet");
    for name in ["b", "a"] {
        store.plan(&format!("msg_{name}"), plan_of(vec![delivery(name, "SO-1")]), NOW).await.expect("planned");
    }
    for name in ["a", "b", "later"] {
        assert_eq!(lease(&*store, NOW).await, [name]);
        deliver(&*store, name).await;
    }
}

pub async fn a_part_that_is_known_is_not_stored_again_and_a_conflict_is_parked(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    accepted(&*store, "b").await;
    accepted(&*store, "batch").await;
    let named = |id: &str, part: NewPart| NewPart { message: NewMessage { id: id.into(), ..part.message }, ..part };
    let mut other = named("msg_2", part("b"));
    other.message.bytes = Bytes::from_static(b"<order>other</order>");
    let parts = vec![named("msg_1", part("a")), other, part("c"), named("msg_4", part("c"))];
    let done = store.plan("msg_batch", split(parts), NOW).await.expect("split");
    let outcomes: Vec<_> = done.iter().map(|part| (&*part.id, part.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            ("msg_a", AcceptOutcome::Duplicate),
            ("msg_2", AcceptOutcome::Conflict),
            ("msg_c", AcceptOutcome::New),
            ("msg_c", AcceptOutcome::Duplicate),
        ]
    );
    let parts = parts_of(&*store, "msg_batch").await;
    let duplicates: Vec<_> = parts.iter().map(|(_, id, is_duplicate, _)| (&**id, *is_duplicate)).collect();
    assert_eq!(duplicates, [("msg_a", true), ("msg_2", false), ("msg_c", false), ("msg_c", true)]);
    let parked = store.message("msg_2").await.expect("read").expect("there").message;
    let why = parked.reason.expect("a reason");
    assert_eq!((parked.state, &*why.cause, parked.dedup_key), (MessageState::Parked, "refused", None));
    assert!(why.text.ends_with("; the first message is msg_b"), "{}", why.text);
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.accepted, counts.parked, counts.split), (5, 3, 1, 1));
    assert_eq!(counts.unaccounted, 0);
    let verified = store.verify(&|_| ()).await.expect("verified");
    assert_eq!((verified.digests, verified.faults), (5, vec![]));
}

pub async fn a_split_happens_wholly_or_not_at_all(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "batch").await;
    accepted(&*store, "taken").await;
    // an id that another message has: not foreseen, so that the database refuses in the middle
    let taken = NewPart { message: NewMessage { dedup_key: None, ..message("taken") }, ..part("taken") };
    let refused = store.plan("msg_batch", split(vec![part("a"), taken, part("b")]), NOW).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    for wrong in [0, MAX_PARTS + 1] {
        let refused = store.plan("msg_batch", split(vec![part("a"); wrong]), NOW).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{wrong}");
    }
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.accepted, counts.split, counts.unaccounted), (2, 2, 0, 0));
    store.close().await;
    let store = place.open().await;
    let work = store.begin_transform(NOW, 1).await.expect("work");
    assert_eq!(work[0].message.id, "msg_batch", "after a restart it is handed out again");
    let many: Vec<NewPart> = (0..500).map(|n| part(&format!("n{n}"))).collect();
    store.plan("msg_batch", split(many), NOW).await.expect("split");
    store.close().await;
    let store = place.open().await;
    assert_eq!(parts_of(&*store, "msg_batch").await.len(), 500);
    let of_a_part = store.plan("msg_n7", split(vec![part("a")]), NOW).await;
    assert!(matches!(of_a_part, Err(StoreError::Conflict(_))), "a part is one document: {of_a_part:?}");
    assert_eq!(store.counts().await.expect("counts").unaccounted, 0);
}
