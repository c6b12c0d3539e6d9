//! What every store must do, written once and expanded for each backend with [`contract_tests!`].

mod act;
mod flow;
mod retain;
mod schedule;
mod split;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    AcceptOutcome, Act, AttemptOutcome, Decision, DeliveryState, Hold, MAX_HANDED_BYTES, MAX_PARSE_ATTEMPTS,
    MAX_RESPONSE_BYTES, MappingFile, MappingVersion, MessageFilter, MessageState, NewAttempt, NewDelivery, NewMessage,
    NewPart, NewXref, Next, Output, Plan, Reason, Release, Released, Standing, Start, Store, StoreError, Transport,
    WaitKey, XrefKey,
};
use crate::base::{Sha256, Timestamp};

pub use act::*;
pub use flow::*;
pub use retain::*;
pub use schedule::*;
pub use split::*;

/// A place where a store can be opened, closed and opened again.
pub trait Place {
    /// Opens the store; the one before is closed.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>>;
}

/// Expands the suite for one backend: an expression that makes a fresh [`Place`].
macro_rules! contract_tests {
    ($place:expr; $($name:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            crate::store::contract::$name(&$place).await;
        })+
    };
    ($place:expr) => {
        contract_tests! { $place;
            the_same_key_and_bytes_are_accepted_once,
            the_same_key_with_other_bytes_is_a_conflict_and_stores_nothing,
            the_same_key_at_the_same_time_makes_one_message,
            keys_are_apart_by_system_and_no_key_means_no_deduplication,
            a_message_may_enter_parked,
            work_is_handed_out_once_in_accept_order_and_again_after_reopening,
            neighbours_of_a_message_that_keeps_killing_the_process_are_not_blamed,
            after_one_crash_messages_go_in_groups_apart_from_new_ones,
            a_message_that_keeps_killing_the_process_is_flagged,
            a_plan_is_taken_once,
            the_documents_of_a_message_are_delivered_in_order_each_for_itself,
            a_lane_is_delivered_in_accept_order,
            lanes_of_other_keys_and_destinations_are_independent,
            a_lane_waits_for_earlier_messages_that_are_not_planned_yet,
            a_late_plan_of_an_earlier_message_takes_the_head_of_its_lane,
            a_parked_head_blocks_its_lane_unless_told_otherwise,
            a_filtered_or_skipped_head_frees_its_lane,
            an_unordered_route_never_blocks,
            a_retry_keeps_the_head_and_is_due_later,
            a_delivery_waits_for_a_cross_reference_and_is_released_with_it,
            waiting_for_what_has_arrived_makes_due_at_once,
            a_code_is_released_by_its_prefix,
            parked_messages_are_released_by_cause,
            release_gives_a_fresh_retry_budget,
            an_output_is_written_once,
            large_payloads_and_outputs_come_back_as_they_were,
            the_mappings_of_outputs_are_kept_once,
            leases_and_outputs_survive_as_promised_when_reopened,
            holding_later_costs_no_attempt,
            only_a_lease_can_be_recorded,
            an_unknown_outcome_is_remembered,
            a_long_response_is_cut,
            lists_are_newest_first_in_pages_and_filtered,
            counts_obey_the_conservation_law,
            types_are_counted_by_who_sends_them,
            changes_are_announced,
            little_is_handed_out_at_once_when_messages_are_large,
            a_refused_call_does_not_disturb_its_neighbours,
            a_closed_store_answers_unavailable,
            random_histories_agree_with_a_plain_model,
            a_split_message_becomes_messages_of_its_own_in_order,
            parts_keep_their_place_in_a_lane,
            a_part_that_is_known_is_not_stored_again_and_a_conflict_is_parked,
            a_split_happens_wholly_or_not_at_all,
            only_what_is_finished_and_old_enough_is_purged,
            a_message_whose_content_is_gone_says_so_and_keeps_its_history,
            records_go_wholly_and_stay_in_the_sums,
            a_split_message_goes_with_all_its_parts_or_not_at_all,
            a_key_is_forgotten_after_its_time_and_not_before_the_message_is_finished,
            a_purge_takes_no_more_than_told_at_once,
            sending_again_is_remembered_until_it_is_recorded,
            bytes_planned_with_a_delivery_were_not_sent,
            what_is_held_until_a_moment_is_listed_and_released_by_cause_or_by_hand,
            an_exhausted_head_frees_its_lane_when_told_and_is_marked_as_overtaken,
            moments_too_far_ahead_are_brought_forward,
            a_destination_that_is_gone_gets_nothing_until_it_is_resumed,
            an_act_is_written_down_with_what_it_changed,
            a_query_chooses_what_is_held_in_accept_order_and_in_pages,
            a_query_chooses_by_everything_a_filter_can_say,
            a_replay_is_a_new_delivery_outside_the_lane,
            a_replay_of_a_held_delivery_takes_its_place,
            replays_of_one_act_keep_their_order_and_their_pace,
            what_cannot_be_replayed_is_left_alone,
            a_corrected_copy_takes_the_place_of_the_old_message,
            a_corrected_copy_may_leave_the_old_message_alone,
            counts_follow_every_change,
            a_moment_of_a_schedule_is_run_once_and_runs_never_overlap,
            a_mark_is_kept,
        }
    };
}
pub(crate) use contract_tests;

const NOW: Timestamp = Timestamp(1_000_000);

/// Where every delivery of these tests goes to.
const DESTINATION: &str = "u8-south";

fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub fn message(name: &str) -> NewMessage {
    NewMessage {
        id: format!("msg_{name}"),
        system: "crm".into(),
        document_type: "crm/order".into(),
        site: None,
        dedup_key: Some(format!("key-{name}")),
        bytes: Bytes::from(format!("<order>{name}</order>")),
        content_type: "application/xml".into(),
        transport: Transport::Http,
        received_at: NOW,
        attributes: BTreeMap::from([("traceparent".to_owned(), format!("trace-{name}"))]),
        parked: None,
    }
}

pub fn delivery(name: &str, lane: &str) -> NewDelivery {
    NewDelivery {
        id: format!("dlv_{name}"),
        route: "orders".into(),
        destination: "u8-south".into(),
        document: String::new(),
        lane: lane.into(),
        blocks_when_parked: true,
        start: Start::Due { at: NOW },
        output: None,
    }
}

pub fn plan_of(deliveries: Vec<NewDelivery>) -> Plan {
    Plan {
        business_key: None,
        site: None,
        document_type: None,
        attributes: BTreeMap::new(),
        decision: Decision::Deliver(deliveries),
    }
}

fn reason(cause: &str) -> Reason {
    Reason { cause: cause.into(), code: "XD-X001".into(), text: format!("because of {cause}"), ..Reason::default() }
}

pub fn decided(verb: &str, why: &str) -> Act {
    Act {
        id: format!("act_{verb}_{}", fastrand::u64(..)),
        verb: verb.into(),
        by: "li.wei".into(),
        why: why.into(),
        query: "a test".into(),
        at: NOW,
    }
}

pub fn attempt(id: &str, outcome: AttemptOutcome) -> NewAttempt {
    NewAttempt {
        id: format!("att_{id}"),
        started_at: NOW,
        ended_at: at(1),
        outcome,
        status: Some(200),
        detail: "OK".into(),
        response: Bytes::from_static(b"<ok/>"),
        response_type: "application/xml".into(),
    }
}

pub fn output(text: &'static str) -> Output {
    Output {
        bytes: Bytes::from_static(text.as_bytes()),
        content_type: "application/xml".into(),
        document_type: "u8/saleorder".into(),
        mapping_hash: "abc".into(),
        notes: vec!["a warning".into(), "1:2 (/a): error XD-S010: 错误".into()],
    }
}

fn customer(id: &str) -> XrefKey {
    XrefKey {
        entity: "customer".into(),
        source_system: "crm".into(),
        source_id: id.into(),
        target_system: "u8-south".into(),
    }
}

pub async fn accepted(store: &dyn Store, name: &str) -> String {
    store.accept(message(name)).await.expect("accepted").id
}

/// Accepts a message and plans one delivery for it, of the same name.
pub async fn planned(store: &dyn Store, name: &str, lane: &str) {
    let id = accepted(store, name).await;
    store.plan(&id, plan_of(vec![delivery(name, lane)]), NOW).await.expect("planned");
}

async fn lease(store: &dyn Store, now: Timestamp) -> Vec<String> {
    let leased = store.lease(None, now, 100).await.expect("leased");
    leased.into_iter().map(|one| one.id.trim_start_matches("dlv_").to_owned()).collect()
}

async fn deliver(store: &dyn Store, name: &str) -> u64 {
    let next = Next::Delivered { xrefs: vec![] };
    record(store, name, AttemptOutcome::Delivered, next).await
}

async fn record(store: &dyn Store, name: &str, outcome: AttemptOutcome, next: Next) -> u64 {
    let attempt = NewAttempt { id: format!("att_{name}_{}", fastrand::u64(..)), ..attempt(name, outcome) };
    store.record(&format!("dlv_{name}"), attempt, next).await.expect("recorded").released
}

pub async fn state(store: &dyn Store, name: &str) -> DeliveryState {
    let view = store.message(&format!("dlv_{name}")).await.expect("read").expect("there");
    view.deliveries.iter().find(|one| one.id == format!("dlv_{name}")).expect("there").state
}

pub async fn the_same_key_and_bytes_are_accepted_once(place: &impl Place) {
    let store = place.open().await;
    let first = store.accept(message("a")).await.expect("accepted");
    assert_eq!((first.outcome, &*first.id), (AcceptOutcome::New, "msg_a"));
    let again = store.accept(NewMessage { id: "msg_b".into(), ..message("a") }).await.expect("known");
    assert_eq!((again.outcome, again.id, again.seq), (AcceptOutcome::Duplicate, first.id, first.seq));
    assert_eq!(store.counts().await.expect("counts").total, 1);
}

pub async fn the_same_key_with_other_bytes_is_a_conflict_and_stores_nothing(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    let other = NewMessage { id: "msg_b".into(), bytes: Bytes::from_static(b"other"), ..message("a") };
    let conflict = store.accept(other).await.expect("an answer");
    assert_eq!((conflict.outcome, &*conflict.id), (AcceptOutcome::Conflict, "msg_a"));
    assert!(store.message("msg_b").await.expect("read").is_none());
}

pub async fn the_same_key_at_the_same_time_makes_one_message(place: &impl Place) {
    let store = place.open().await;
    let all = (0..20).map(|n| store.accept(NewMessage { id: format!("msg_{n}"), ..message("a") }));
    let all = futures_util::future::join_all(all).await;
    let all: Vec<_> = all.into_iter().map(|one| one.expect("an answer")).collect();
    assert_eq!(all.iter().filter(|one| one.outcome == AcceptOutcome::New).count(), 1);
    assert!(all.iter().all(|one| one.id == all[0].id && one.outcome != AcceptOutcome::Conflict));
}

pub async fn keys_are_apart_by_system_and_no_key_means_no_deduplication(place: &impl Place) {
    let store = place.open().await;
    let variants = [
        message("a"),
        NewMessage { id: "msg_b".into(), system: "dms".into(), ..message("a") },
        NewMessage { id: "msg_c".into(), dedup_key: None, ..message("a") },
        NewMessage { id: "msg_d".into(), dedup_key: None, ..message("a") },
    ];
    for new in variants {
        assert_eq!(store.accept(new).await.expect("accepted").outcome, AcceptOutcome::New);
    }
}

pub async fn a_message_may_enter_parked(place: &impl Place) {
    let store = place.open().await;
    let parked = NewMessage { dedup_key: None, parked: Some(reason("conflict")), ..message("a") };
    store.accept(parked).await.expect("accepted");
    assert!(store.begin_transform(NOW, 10).await.expect("work").is_empty());
    let view = store.message("msg_a").await.expect("read").expect("there");
    assert_eq!((view.message.state, view.message.reason), (MessageState::Parked, Some(reason("conflict"))));
}

pub async fn work_is_handed_out_once_in_accept_order_and_again_after_reopening(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        accepted(&*store, name).await;
    }
    let first = store.begin_transform(NOW, 2).await.expect("work");
    let ids: Vec<&str> = first.iter().map(|work| &*work.message.id).collect();
    assert_eq!(ids, ["msg_a", "msg_b"]);
    assert_eq!((&*first[0].bytes, first[0].message.parse_attempts), (b"<order>a</order>".as_slice(), 1));
    assert_eq!(first[0].message.attributes["traceparent"], "trace-a");
    assert_eq!(store.begin_transform(NOW, 10).await.expect("work").len(), 1);
    assert!(store.begin_transform(NOW, 10).await.expect("work").is_empty());
    store.plan("msg_a", plan_of(vec![delivery("a", "")]), NOW).await.expect("planned");
    store.close().await;
    let store = place.open().await;
    let again = store.begin_transform(NOW, 10).await.expect("work");
    let ids: Vec<_> = again.iter().map(|work| (&*work.message.id, work.message.parse_attempts)).collect();
    assert_eq!(ids, [("msg_b", 2), ("msg_c", 2)]);
}

pub async fn neighbours_of_a_message_that_keeps_killing_the_process_are_not_blamed(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        accepted(&*store, name).await;
    }
    assert_eq!(store.begin_transform(NOW, 10).await.expect("work").len(), 3, "before any crash all go together");
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.begin_transform(NOW, 10).await.expect("work").len(), 3, "one may have been a chance");
    store.close().await;
    for _ in 2..MAX_PARSE_ATTEMPTS {
        let store = place.open().await;
        let suspects = store.begin_transform(NOW, 10).await.expect("work");
        assert_eq!(suspects.iter().map(|work| &*work.message.id).collect::<Vec<_>>(), ["msg_a"]);
        store.close().await;
    }
    let store = place.open().await;
    let flagged = store.begin_transform(NOW, 10).await.expect("work");
    let flags: Vec<_> = flagged.iter().map(|work| (&*work.message.id, work.exhausted)).collect();
    assert_eq!(flags, [("msg_a", true)]);
    for expected in ["msg_b", "msg_c"] {
        let innocent = store.begin_transform(NOW, 10).await.expect("work");
        let counted: Vec<_> = innocent.iter().map(|work| (&*work.message.id, work.message.parse_attempts)).collect();
        assert_eq!(counted, [(expected, 3)]);
    }
}

pub async fn after_one_crash_messages_go_in_groups_apart_from_new_ones(place: &impl Place) {
    let store = place.open().await;
    for number in 0..20 {
        accepted(&*store, &number.to_string()).await;
    }
    assert_eq!(store.begin_transform(NOW, 100).await.expect("work").len(), 20);
    store.close().await;
    let store = place.open().await;
    accepted(&*store, "new").await;
    for expected in [16, 4, 1, 0] {
        assert_eq!(store.begin_transform(NOW, 100).await.expect("work").len(), expected);
    }
}

pub async fn a_message_that_keeps_killing_the_process_is_flagged(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    store.close().await;
    for _ in 0..MAX_PARSE_ATTEMPTS {
        let store = place.open().await;
        assert!(!store.begin_transform(NOW, 10).await.expect("work")[0].exhausted);
        store.close().await;
    }
    let store = place.open().await;
    assert!(store.begin_transform(NOW, 10).await.expect("work")[0].exhausted);
}

pub async fn the_documents_of_a_message_are_delivered_in_order_each_for_itself(place: &impl Place) {
    let store = place.open().await;
    let id = accepted(&*store, "a").await;
    let document = |name: &str| NewDelivery { document: name.into(), ..delivery(name, "SO-1") };
    store.plan(&id, plan_of(vec![document("order"), document("receipt")]), NOW).await.expect("planned");
    let leased = store.lease(None, NOW, 10).await.expect("leased");
    assert_eq!(leased.iter().map(|one| one.document.as_str()).collect::<Vec<_>>(), ["order"]);
    deliver(&*store, "order").await;
    let leased = store.lease(None, NOW, 10).await.expect("leased");
    assert_eq!(leased.iter().map(|one| one.document.as_str()).collect::<Vec<_>>(), ["receipt"]);
    store.hold("dlv_receipt", Hold::Filter { rule: "no deposit".into() }, NOW).await.expect("held");
    let view = store.message(&id).await.expect("read").expect("there");
    let states: Vec<_> = view.deliveries.iter().map(|one| (one.document.as_str(), one.state)).collect();
    assert_eq!(states, [("order", DeliveryState::Delivered), ("receipt", DeliveryState::Filtered)]);
}

pub async fn a_plan_is_taken_once(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    let again = store.plan("msg_a", plan_of(vec![delivery("b", "")]), NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    accepted(&*store, "c").await;
    let empty = store.plan("msg_c", plan_of(vec![]), NOW).await;
    assert!(matches!(empty, Err(StoreError::Conflict(_))), "{empty:?}");
    let unknown = store.plan("msg_x", plan_of(vec![delivery("x", "")]), NOW).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))), "{unknown:?}");
    let taken = store.plan("msg_c", plan_of(vec![delivery("a", "")]), NOW).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
}

pub async fn a_lane_is_delivered_in_accept_order(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        planned(&*store, name, "SO-1").await;
    }
    for name in ["a", "b", "c"] {
        assert_eq!(lease(&*store, NOW).await, [name]);
        assert!(lease(&*store, NOW).await.is_empty(), "a lease is not handed out twice");
        deliver(&*store, name).await;
    }
    assert!(lease(&*store, NOW).await.is_empty());
}

pub async fn lanes_of_other_keys_and_destinations_are_independent(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "SO-1").await;
    planned(&*store, "b", "SO-2").await;
    accepted(&*store, "c").await;
    let north = NewDelivery { destination: "u8-north".into(), ..delivery("c", "SO-1") };
    store.plan("msg_c", plan_of(vec![north]), NOW).await.expect("planned");
    let only = store.lease(Some("u8-north"), NOW, 10).await.expect("leased");
    assert_eq!((only.len(), &*only[0].id), (1, "dlv_c"));
    assert_eq!(lease(&*store, NOW).await, ["a", "b"]);
}

pub async fn a_lane_waits_for_earlier_messages_that_are_not_planned_yet(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    planned(&*store, "b", "SO-1").await;
    planned(&*store, "u", "").await;
    assert_eq!(lease(&*store, NOW).await, ["u"], "only the unordered one may overtake");
    let filter = Plan { decision: Decision::Filter { rule: "drafts".into() }, ..plan_of(vec![]) };
    store.plan("msg_a", filter, NOW).await.expect("filtered");
    assert_eq!(lease(&*store, NOW).await, ["b"]);
}

pub async fn a_late_plan_of_an_earlier_message_takes_the_head_of_its_lane(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    planned(&*store, "b", "SO-1").await;
    planned(&*store, "c", "SO-1").await;
    store.plan("msg_a", plan_of(vec![delivery("a", "SO-1")]), NOW).await.expect("planned");
    for name in ["a", "b", "c"] {
        assert_eq!(lease(&*store, NOW).await, [name]);
        deliver(&*store, name).await;
    }
}

pub async fn a_parked_head_blocks_its_lane_unless_told_otherwise(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "SO-1").await;
    planned(&*store, "b", "SO-1").await;
    accepted(&*store, "c").await;
    let going_on = NewDelivery { blocks_when_parked: false, ..delivery("c", "SO-2") };
    store.plan("msg_c", plan_of(vec![going_on]), NOW).await.expect("planned");
    planned(&*store, "d", "SO-2").await;
    assert_eq!(lease(&*store, NOW).await, ["a", "c"]);
    for name in ["a", "c"] {
        record(&*store, name, AttemptOutcome::Rejected, Next::Park { reason: reason("rejected"), frees_lane: false })
            .await;
    }
    assert_eq!(lease(&*store, NOW).await, ["d"]);
    let released =
        store.release(Release::Ids(vec!["dlv_a".into()]), &decided("release", "a test"), NOW).await.expect("released");
    assert_eq!(released, Released { deliveries: 1, messages: 0 });
    assert_eq!(lease(&*store, NOW).await, ["a"]);
    deliver(&*store, "a").await;
    assert_eq!(lease(&*store, NOW).await, ["b"]);
}

pub async fn a_filtered_or_skipped_head_frees_its_lane(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        planned(&*store, name, "SO-1").await;
    }
    assert_eq!(lease(&*store, NOW).await, ["a"]);
    let sending = store.skip("dlv_a", &decided("skip", "sent by hand"), NOW).await;
    assert!(matches!(sending, Err(StoreError::Conflict(_))), "{sending:?}");
    store.hold("dlv_a", Hold::Filter { rule: "drafts".into() }, NOW).await.expect("filtered");
    store.skip("dlv_b", &decided("skip", "sent by hand"), NOW).await.expect("skipped");
    assert_eq!(lease(&*store, NOW).await, ["c"]);
    let again = store.skip("dlv_b", &decided("skip", "sent by hand"), NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let view = store.message("msg_b").await.expect("read").expect("there");
    assert_eq!(view.standing, Standing::Skipped);
    let why = view.deliveries[0].reason.as_ref().expect("a reason");
    assert!(why.text.contains("li.wei"), "{why:?}");
}

pub async fn an_unordered_route_never_blocks(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    planned(&*store, "b", "").await;
    assert_eq!(lease(&*store, NOW).await, ["a", "b"]);
}

pub async fn a_retry_keeps_the_head_and_is_due_later(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "SO-1").await;
    planned(&*store, "b", "SO-1").await;
    assert_eq!(store.next_due(NOW).await.expect("read"), None);
    lease(&*store, NOW).await;
    record(&*store, "a", AttemptOutcome::Retry, Next::Retry { due_at: at(30) }).await;
    assert!(lease(&*store, at(29)).await.is_empty());
    assert_eq!(store.next_due(NOW).await.expect("read"), Some(at(30)));
    assert_eq!(lease(&*store, at(30)).await, ["a"]);
}

pub async fn a_delivery_waits_for_a_cross_reference_and_is_released_with_it(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "customer", "").await;
    planned(&*store, "order", "SO-1").await;
    planned(&*store, "later", "SO-1").await;
    accepted(&*store, "other").await;
    let start = Start::Wait { key: WaitKey::Xref(customer("C-02")), reason: reason("xref") };
    store.plan("msg_other", plan_of(vec![NewDelivery { start, ..delivery("other", "") }]), NOW).await.expect("planned");
    assert_eq!(lease(&*store, NOW).await, ["customer", "order"]);
    let wait = Hold::Wait { key: WaitKey::Xref(customer("C-01")), reason: reason("xref") };
    store.hold("dlv_order", wait, NOW).await.expect("held");
    assert!(lease(&*store, NOW).await.is_empty(), "a waiting head blocks its lane");
    let xrefs = vec![NewXref { key: customer("C-01"), target_id: "001".into() }];
    assert_eq!(record(&*store, "customer", AttemptOutcome::Delivered, Next::Delivered { xrefs }).await, 1);
    assert_eq!(store.xref(&customer("C-01")).await.expect("read").as_deref(), Some("001"));
    let both = store.xrefs(&[customer("C-02"), customer("C-01")]).await.expect("read");
    assert_eq!(both, [None, Some("001".to_owned())]);
    assert_eq!(lease(&*store, at(1)).await, ["order"]);
    assert_eq!(state(&*store, "other").await, DeliveryState::Waiting);
}

pub async fn waiting_for_what_has_arrived_makes_due_at_once(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "customer", "").await;
    planned(&*store, "order", "").await;
    assert_eq!(lease(&*store, NOW).await.len(), 2);
    let xrefs = vec![NewXref { key: customer("C-01"), target_id: "001".into() }];
    record(&*store, "customer", AttemptOutcome::Delivered, Next::Delivered { xrefs }).await;
    let key = WaitKey::Xref(customer("C-01"));
    let wait = Hold::Wait { key: key.clone(), reason: reason("xref") };
    store.hold("dlv_order", wait, NOW).await.expect("held");
    accepted(&*store, "next").await;
    let start = Start::Wait { key, reason: reason("xref") };
    store.plan("msg_next", plan_of(vec![NewDelivery { start, ..delivery("next", "") }]), NOW).await.expect("planned");
    assert_eq!(lease(&*store, NOW).await, ["order", "next"]);
}

pub async fn a_code_is_released_by_its_prefix(place: &impl Place) {
    let store = place.open().await;
    for (name, value) in [("a", "销售三部"), ("b", "销售四部")] {
        accepted(&*store, name).await;
        let key = WaitKey::Code { table: "department".into(), value: value.into(), target_system: "u8-south".into() };
        let start = Start::Wait { key, reason: reason("code") };
        store
            .plan(&format!("msg_{name}"), plan_of(vec![NewDelivery { start, ..delivery(name, "") }]), NOW)
            .await
            .expect("planned");
    }
    let some = store
        .release(Release::WaitKeyPrefix("code:department:销售三部".into()), &decided("release", "a test"), at(5))
        .await
        .expect("released");
    assert_eq!(some.deliveries, 1);
    assert_eq!(lease(&*store, at(5)).await, ["a"]);
    let none = store
        .release(Release::WaitKeyPrefix("xref:".into()), &decided("release", "a test"), at(5))
        .await
        .expect("released");
    assert_eq!(none.deliveries, 0);
    assert_eq!(
        store
            .release(Release::WaitKeyPrefix("code:".into()), &decided("release", "a test"), at(5))
            .await
            .expect("released")
            .deliveries,
        1
    );
}

pub async fn parked_messages_are_released_by_cause(place: &impl Place) {
    let store = place.open().await;
    for (name, cause) in [("a", "no-route"), ("b", "mapping")] {
        accepted(&*store, name).await;
        store.begin_transform(NOW, 1).await.expect("work");
        let park = Plan { decision: Decision::Park(reason(cause)), ..plan_of(vec![]) };
        store.plan(&format!("msg_{name}"), park, NOW).await.expect("parked");
    }
    let released =
        store.release(Release::Cause("no-route".into()), &decided("release", "a test"), NOW).await.expect("released");
    assert_eq!(released, Released { deliveries: 0, messages: 1 });
    let work = store.begin_transform(NOW, 10).await.expect("work");
    assert_eq!((work.len(), &*work[0].message.id, work[0].message.parse_attempts), (1, "msg_a", 1));
    store.skip("msg_b", &decided("skip", "a test"), NOW).await.expect("skipped");
    assert_eq!(store.counts().await.expect("counts").skipped, 1);
}

pub async fn release_gives_a_fresh_retry_budget(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    for _ in 0..2 {
        lease(&*store, NOW).await;
        record(&*store, "a", AttemptOutcome::Retry, Next::Retry { due_at: NOW }).await;
    }
    let leased = store.lease(None, NOW, 1).await.expect("leased");
    assert_eq!((leased[0].attempts, leased[0].tries), (2, 2));
    record(&*store, "a", AttemptOutcome::Retry, Next::Park { reason: reason("exhausted"), frees_lane: false }).await;
    store.release(Release::Cause("exhausted".into()), &decided("release", "a test"), NOW).await.expect("released");
    let leased = store.lease(None, NOW, 1).await.expect("leased");
    assert_eq!((leased[0].attempts, leased[0].tries), (3, 0));
}

pub async fn an_output_is_written_once(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    store.store_output("dlv_a", output("<one/>")).await.expect("stored");
    store.store_output("dlv_a", output("<one/>")).await.expect("the same again");
    let other = store.store_output("dlv_a", output("<two/>")).await;
    assert!(matches!(other, Err(StoreError::Conflict(_))), "{other:?}");
    accepted(&*store, "b").await;
    let made = NewDelivery { output: Some(output("<b/>")), ..delivery("b", "") };
    store.plan("msg_b", plan_of(vec![made]), NOW).await.expect("planned");
    let leased = store.lease(None, NOW, 10).await.expect("leased");
    let outputs: Vec<_> = leased.into_iter().map(|one| one.output).collect();
    assert_eq!(outputs, [Some(output("<one/>")), Some(output("<b/>"))]);
}

pub async fn large_payloads_and_outputs_come_back_as_they_were(place: &impl Place) {
    let store = place.open().await;
    let large = |name: &str| Bytes::from(format!("<order>{}</order>", format!("<line>{name}</line>").repeat(2000)));
    let mut first = NewMessage { bytes: large("a"), ..message("a") };
    store.accept(first.clone()).await.expect("accepted");
    let again = store.accept(first.clone()).await.expect("known");
    assert_eq!(again.outcome, AcceptOutcome::Duplicate, "digests are those of the bytes themselves");
    first.bytes = large("b");
    assert_eq!(store.accept(first).await.expect("answered").outcome, AcceptOutcome::Conflict);
    let work = store.begin_transform(NOW, 1).await.expect("work");
    assert_eq!(work[0].bytes, large("a"));
    let part = |name: &str| NewPart {
        message: NewMessage { bytes: large(name), parked: Some(reason("test")), ..message(name) },
        conflict: reason("refused"),
    };
    let split = Plan { decision: Decision::Split(vec![part("c"), part("d")]), ..plan_of(Vec::new()) };
    store.plan("msg_a", split, NOW).await.expect("split");
    store.accept(message("e")).await.expect("accepted");
    store.begin_transform(NOW, 1).await.expect("work");
    let output = Output { bytes: large("output"), ..output("x") };
    let made = NewDelivery { output: Some(output.clone()), ..delivery("made", "") };
    store.plan("msg_e", plan_of(vec![made, delivery("e", "")]), NOW).await.expect("planned");
    store.store_output("dlv_e", output.clone()).await.expect("stored");
    store.store_output("dlv_e", output.clone()).await.expect("the same");
    for leased in store.lease(None, NOW, 2).await.expect("leased") {
        assert_eq!(leased.output.as_ref(), Some(&output), "{}", leased.id);
    }
    for name in ["a", "c", "d"] {
        let view = store.message(&format!("msg_{name}")).await.expect("read").expect("there");
        assert_eq!((view.size, view.bytes.as_ref()), (large(name).len() as u64, Some(&large(name))));
    }
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
}

pub async fn the_mappings_of_outputs_are_kept_once(place: &impl Place) {
    let store = place.open().await;
    let file = |name: &str, text: &str| MappingFile { file: name.into(), text: text.into() };
    let one = MappingVersion { hash: "abc".into(), files: vec![file("a.yaml", "from: a"), file("b.yaml", "from: b")] };
    // the same text under another name, and twice in one chain
    let other =
        MappingVersion { hash: "def".into(), files: vec![file("c.yaml", "from: b"), file("d.yaml", "from: b")] };
    store.keep_mapping(&one, NOW).await.expect("kept");
    store.keep_mapping(&other, NOW).await.expect("kept");
    store.keep_mapping(&one, at(5)).await.expect("the same again");
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.mapping("abc").await.expect("read"), Some(one));
    assert_eq!(store.mapping("def").await.expect("read"), Some(other));
    assert_eq!(store.mapping("ab").await.expect("read"), None);
}

pub async fn leases_and_outputs_survive_as_promised_when_reopened(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "SO-1").await;
    planned(&*store, "b", "SO-1").await;
    lease(&*store, NOW).await;
    store.store_output("dlv_a", output("<one/>")).await.expect("stored");
    store.close().await;
    let store = place.open().await;
    let leased = store.lease(None, NOW, 10).await.expect("leased");
    assert_eq!((leased.len(), &*leased[0].id, &leased[0].output), (1, "dlv_a", &Some(output("<one/>"))));
    assert_eq!(&*leased[0].bytes, b"<order>a</order>");
}

pub async fn holding_later_costs_no_attempt(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    lease(&*store, NOW).await;
    store.hold("dlv_a", Hold::Later { due_at: at(30), reason: None }, NOW).await.expect("held");
    assert!(lease(&*store, at(29)).await.is_empty());
    let leased = store.lease(None, at(30), 10).await.expect("leased");
    assert_eq!((leased.len(), leased[0].attempts), (1, 0));
}

pub async fn only_a_lease_can_be_recorded(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    let next = || Next::Delivered { xrefs: vec![] };
    let early = store.record("dlv_a", attempt("a", AttemptOutcome::Delivered), next()).await;
    assert!(matches!(early, Err(StoreError::Conflict(_))), "{early:?}");
    lease(&*store, NOW).await;
    deliver(&*store, "a").await;
    let twice = store.record("dlv_a", attempt("b", AttemptOutcome::Delivered), next()).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    let unknown = store.record("dlv_x", attempt("c", AttemptOutcome::Delivered), next()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))), "{unknown:?}");
}

pub async fn an_unknown_outcome_is_remembered(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    for outcome in [AttemptOutcome::Unknown, AttemptOutcome::Retry] {
        lease(&*store, NOW).await;
        record(&*store, "a", outcome, Next::Retry { due_at: NOW }).await;
    }
    let leased = store.lease(None, NOW, 10).await.expect("leased");
    assert!(leased[0].unknown_before);
    let view = store.message("dlv_a").await.expect("read").expect("there");
    assert_eq!(view.deliveries[0].last_outcome, Some(AttemptOutcome::Retry));
    assert_eq!(view.deliveries[0].attempts.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
}

pub async fn a_long_response_is_cut(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "a", "").await;
    lease(&*store, NOW).await;
    let long =
        NewAttempt { response: vec![b'x'; MAX_RESPONSE_BYTES + 1].into(), ..attempt("a", AttemptOutcome::Delivered) };
    store.record("dlv_a", long, Next::Delivered { xrefs: vec![] }).await.expect("recorded");
    let view = store.message("msg_a").await.expect("read").expect("there");
    assert_eq!(view.deliveries[0].attempts[0].response.len(), MAX_RESPONSE_BYTES);
    assert_eq!(view.standing, Standing::Delivered);
    assert_eq!(view.message.sha256, Sha256::of(view.bytes.as_deref().unwrap_or_default()));
}

pub async fn lists_are_newest_first_in_pages_and_filtered(place: &impl Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        accepted(&*store, name).await;
    }
    let attributes = BTreeMap::from([("repairs".to_owned(), "1:1 x".to_owned())]);
    let plan = Plan { business_key: Some("SO_1%".into()), attributes, ..plan_of(vec![delivery("b", "")]) };
    store.plan("msg_b", plan, NOW).await.expect("planned");
    let ids = |page: &super::Page| page.items.iter().map(|one| one.message.id.clone()).collect::<Vec<_>>();
    let first = store.messages(&MessageFilter::default(), None, 2).await.expect("read");
    assert_eq!(ids(&first), ["msg_c", "msg_b"]);
    let view = store.message("msg_b").await.expect("read").expect("there");
    assert_eq!(view.message.attributes["repairs"], "1:1 x");
    assert!(view.message.attributes.len() > 1, "attributes it came with stay");
    assert_eq!((first.items[1].standing, first.items[1].deliveries), (Standing::InFlight, 1));
    let rest = store.messages(&MessageFilter::default(), first.next, 2).await.expect("read");
    assert_eq!((ids(&rest), rest.next), (vec!["msg_a".to_owned()], None));
    let only_b = [
        MessageFilter { state: Some(MessageState::Routed), ..Default::default() },
        MessageFilter { delivery_state: Some(DeliveryState::Planned), ..Default::default() },
        MessageFilter { business_key: Some("SO_1%".into()), ..Default::default() },
        MessageFilter { text: Some("O_1%".into()), ..Default::default() },
        MessageFilter { text: Some("trace-b".into()), system: Some("crm".into()), ..Default::default() },
        MessageFilter { text: Some("dlv_b".into()), since: Some(NOW), ..Default::default() },
    ];
    for filter in only_b {
        assert_eq!(ids(&store.messages(&filter, None, 10).await.expect("read")), ["msg_b"], "{filter:?}");
    }
    let nothing = MessageFilter { document_type: Some("other".into()), ..Default::default() };
    assert!(store.messages(&nothing, None, 10).await.expect("read").items.is_empty());
}

pub async fn counts_obey_the_conservation_law(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    planned(&*store, "b", "").await;
    planned(&*store, "c", "").await;
    lease(&*store, NOW).await;
    deliver(&*store, "c").await;
    accepted(&*store, "d").await;
    let filter = Plan { decision: Decision::Filter { rule: "drafts".into() }, ..plan_of(vec![]) };
    store.plan("msg_d", filter, NOW).await.expect("filtered");
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.accepted, counts.routed, counts.filtered), (4, 1, 2, 1));
    let deliveries: Vec<_> = counts.deliveries.iter().map(|one| (one.state, one.count)).collect();
    assert_eq!(deliveries, [(DeliveryState::Delivered, 1), (DeliveryState::Planned, 1)]);
    assert_eq!(counts.unaccounted, 0);
    let verified = store.verify(&|_| ()).await.expect("verified");
    assert_eq!((verified.digests, verified.faults), (4, vec![]));
}

pub async fn types_are_counted_by_who_sends_them(place: &impl Place) {
    let store = place.open().await;
    accepted(&*store, "a").await;
    accepted(&*store, "b").await;
    let types = store.types(Timestamp::default()).await.expect("types");
    assert_eq!(types.len(), 1, "{types:?}");
    assert_eq!((&*types[0].system, types[0].count), (&*message("a").system, 2));
    assert_eq!(types[0].document_type, message("a").document_type);
    assert_eq!((types[0].first, types[0].last), (message("a").received_at, message("b").received_at));
    let later = message("b").received_at.plus(Duration::from_secs(1));
    assert!(store.types(later).await.expect("types").is_empty());
}

pub async fn changes_are_announced(place: &impl Place) {
    let store = place.open().await;
    let mut changed = store.changed();
    changed.mark_unchanged();
    accepted(&*store, "a").await;
    assert!(changed.has_changed().expect("open"), "accept");
    changed.mark_unchanged();
    store.plan("msg_a", plan_of(vec![delivery("a", "SO-1")]), NOW).await.expect("planned");
    assert!(changed.has_changed().expect("open"), "plan");
    changed.mark_unchanged();
    lease(&*store, NOW).await;
    assert!(!changed.has_changed().expect("open"), "a lease makes no work");
    deliver(&*store, "a").await;
    assert!(changed.has_changed().expect("open"), "the end of a lane's head");
}

pub async fn little_is_handed_out_at_once_when_messages_are_large(place: &impl Place) {
    let store = place.open().await;
    let large = Bytes::from(vec![b'x'; MAX_HANDED_BYTES / 2 + 1]);
    for name in ["a", "b", "c"] {
        store.accept(NewMessage { bytes: large.clone(), ..message(name) }).await.expect("accepted");
    }
    for name in ["a", "b", "c"] {
        let work = store.begin_transform(NOW, 10).await.expect("work");
        assert_eq!(work.iter().map(|one| &*one.message.id).collect::<Vec<_>>(), [format!("msg_{name}")]);
        store.plan(&work[0].message.id, plan_of(vec![delivery(name, "")]), NOW).await.expect("planned");
    }
    assert_eq!(lease(&*store, NOW).await, ["a"]);
    assert_eq!(lease(&*store, NOW).await, ["b"]);
}

pub async fn a_refused_call_does_not_disturb_its_neighbours(place: &impl Place) {
    let store = place.open().await;
    planned(&*store, "taken", "").await;
    for name in ["a", "b", "c"] {
        accepted(&*store, name).await;
    }
    // `b` asks for a delivery id that is taken; all three wait for the writer at the same time
    let plans = [("a", "a"), ("b", "taken"), ("c", "c")]
        .map(|(message, name)| (format!("msg_{message}"), plan_of(vec![delivery(name, "")])));
    let plans = futures_util::future::join_all(plans.iter().map(|(id, plan)| store.plan(id, plan.clone(), NOW)));
    let (leased, answers) = tokio::join!(lease(&*store, NOW), plans);
    assert_eq!(leased, ["taken"], "what an undone transaction handed out is handed out again");
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(StoreError::Conflict(_))), "{answers:?}");
    let view = store.message("msg_b").await.expect("read").expect("there");
    assert_eq!((view.message.state, view.deliveries.len()), (MessageState::Accepted, 0));
    assert!(store.failed().borrow().is_none());
}

pub async fn a_closed_store_answers_unavailable(place: &impl Place) {
    let store = place.open().await;
    store.close().await;
    let late = store.accept(message("a")).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    let late = store.message("msg_a").await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert!(store.failed().borrow().is_none());
}

/// What the store should know about one delivery, kept as plainly as possible.
struct Modelled {
    name: String,
    seq: usize,
    lane: &'static str,
    blocks_when_parked: bool,
    state: DeliveryState,
    due_at: Timestamp,
    leased: bool,
}

impl Modelled {
    fn blocks(&self) -> bool {
        match self.state {
            DeliveryState::Planned | DeliveryState::Waiting => true,
            DeliveryState::Parked => self.blocks_when_parked,
            _ => false,
        }
    }
}

/// The rules of a lease, word for word.
fn leasable(model: &[Modelled], unplanned: &[usize], now: Timestamp) -> Vec<String> {
    let mut due: Vec<&Modelled> = model
        .iter()
        .filter(|one| one.state == DeliveryState::Planned && !one.leased && one.due_at <= now)
        .filter(|one| {
            let earlier = |other: &Modelled| other.lane == one.lane && other.seq < one.seq && other.blocks();
            one.lane.is_empty() || !(unplanned.iter().any(|seq| *seq < one.seq) || model.iter().any(earlier))
        })
        .collect();
    due.sort_by_key(|one| (one.due_at, one.seq));
    due.into_iter().map(|one| one.name.clone()).collect()
}

pub async fn random_histories_agree_with_a_plain_model(place: &impl Place) {
    let mut store = place.open().await;
    let mut random = fastrand::Rng::with_seed(20_261_124);
    let (mut model, mut unplanned, mut next, mut now): (Vec<Modelled>, Vec<usize>, usize, _) = (vec![], vec![], 0, NOW);
    for step in 0..600 {
        now = now.plus(Duration::from_secs(1));
        match random.u32(..100) {
            0..20 => {
                accepted(&*store, &next.to_string()).await;
                unplanned.push(next);
                next += 1;
            }
            20..45 if !unplanned.is_empty() => {
                let seq = unplanned.swap_remove(random.usize(..unplanned.len()));
                let lane = ["", "SO-1", "SO-2"][random.usize(..3)];
                let new = NewDelivery {
                    blocks_when_parked: random.bool(),
                    start: Start::Due { at: now },
                    ..delivery(&seq.to_string(), lane)
                };
                let (name, blocks_when_parked) = (seq.to_string(), new.blocks_when_parked);
                store.plan(&format!("msg_{seq}"), plan_of(vec![new]), now).await.expect("planned");
                let state = DeliveryState::Planned;
                model.push(Modelled { name, seq, lane, blocks_when_parked, state, due_at: now, leased: false });
            }
            45..60 => {
                let expected = leasable(&model, &unplanned, now);
                assert_eq!(lease(&*store, now).await, expected, "step {step}");
                model.iter_mut().filter(|one| expected.contains(&one.name)).for_each(|one| one.leased = true);
            }
            60..85 => {
                let leased: Vec<usize> = (0..model.len()).filter(|at| model[*at].leased).collect();
                let Some(at) = random.choice(leased) else { continue };
                end_lease(&*store, &mut model[at], random.u32(..5), now).await;
            }
            85..95 => {
                let Some(one) = random.choice(model.iter_mut()) else { continue };
                let id = format!("dlv_{}", one.name);
                if random.bool() {
                    let held = matches!(one.state, DeliveryState::Waiting | DeliveryState::Parked);
                    let released = store
                        .release(Release::Ids(vec![id]), &decided("release", "a test"), now)
                        .await
                        .expect("released");
                    assert_eq!(released.deliveries, u64::from(held), "step {step}");
                    if held {
                        (one.state, one.due_at) = (DeliveryState::Planned, one.due_at.min(now));
                    }
                } else {
                    let skipped = store.skip(&id, &decided("skip", "test"), now).await;
                    assert_eq!(skipped.is_ok(), !one.leased && !one.state.is_final(), "step {step}");
                    if skipped.is_ok() {
                        one.state = DeliveryState::Skipped;
                    }
                }
            }
            95..97 => {
                store.close().await;
                store = place.open().await;
                model.iter_mut().for_each(|one| one.leased = false);
            }
            _ => {}
        }
    }
    assert!(model.iter().filter(|one| one.state == DeliveryState::Delivered).count() > 10, "the history was dull");
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.total, counts.unaccounted), (next as u64, 0));
    assert_eq!(store.verify(&|_| ()).await.expect("verified").faults, Vec::<String>::new());
    for one in &model {
        assert_eq!(state(&*store, &one.name).await, one.state, "{}", one.name);
    }
}

async fn end_lease(store: &dyn Store, one: &mut Modelled, how: u32, now: Timestamp) {
    let id = format!("dlv_{}", one.name);
    one.leased = false;
    match how {
        0 | 1 => {
            deliver(store, &one.name).await;
            one.state = DeliveryState::Delivered;
        }
        2 => {
            one.due_at = now.plus(Duration::from_secs(5));
            record(store, &one.name, AttemptOutcome::Retry, Next::Retry { due_at: one.due_at }).await;
        }
        3 => {
            record(
                store,
                &one.name,
                AttemptOutcome::Rejected,
                Next::Park { reason: reason("rejected"), frees_lane: false },
            )
            .await;
            one.state = DeliveryState::Parked;
        }
        _ => {
            let wait = Hold::Wait { key: WaitKey::Xref(customer("never")), reason: reason("xref") };
            store.hold(&id, wait, now).await.expect("held");
            one.state = DeliveryState::Waiting;
        }
    }
}
