//! Destinations: whether deliveries to them flow, and what holds them up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::view::counts_json;
use crate::{
    base::Timestamp,
    catalog::Catalog,
    store::{Counts, Pause, PauseKind},
};

/// A pause of a destination.
fn pause_json(pause: &Pause) -> Value {
    json!({
        "destination": pause.destination,
        "kind": pause.kind.as_str(),
        "since": pause.since.to_string(),
        "until": pause.until.map(|until| until.to_string()),
        "address": pause.address,
        "reason": pause.reason,
    })
}

/// The conservation law in numbers, and the destinations that get nothing at the moment.
#[must_use]
pub fn counts_and_pauses_json(counts: &Counts, pauses: &[Pause]) -> Value {
    let mut value = counts_json(counts);
    value["pauses"] = pauses.iter().map(pause_json).collect();
    value
}

/// Every destination there is, or has deliveries: whether they flow, its pauses, its calendar, and how many are in which
/// state.
#[must_use]
pub fn destinations_json(catalog: &Catalog, counts: &Counts, pauses: &[Pause], now: Timestamp) -> Value {
    let configured = catalog.systems().filter(|system| system.sink.is_some()).map(|system| system.id.as_str());
    let names: BTreeSet<&str> =
        configured.chain(counts.deliveries.iter().map(|row| row.destination.as_str())).collect();
    let one = |name: &str| {
        let system = catalog.system(name).filter(|system| system.sink.is_some());
        let calendar = system.and_then(|system| catalog.calendar(&system.calendar.as_ref()?.name));
        let closure = calendar.and_then(|calendar| calendar.closure(now));
        let paused: Vec<&Pause> = pauses.iter().filter(|pause| pause.destination == name).collect();
        let has = |kind| paused.iter().any(|pause| pause.kind == kind);
        let standing = match system {
            None => "unknown",
            Some(_) if has(PauseKind::Gone) => "gone",
            Some(_) if has(PauseKind::Breaker) => "paused",
            Some(_) if closure.is_some() => "closed",
            Some(_) => "flows",
        };
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for row in counts.deliveries.iter().filter(|row| row.destination == name) {
            *states.entry(row.state.as_str()).or_default() += row.count;
        }
        json!({
            "destination": name,
            "standing": standing,
            "pauses": paused.into_iter().map(pause_json).collect::<Vec<_>>(),
            "calendar": calendar.map(|calendar| json!({
                "name": calendar.name(),
                "closed": closure.is_some(),
                "until": closure.as_ref().map(|closure| closure.until.to_string()),
                "why": closure.as_ref().map(|closure| &closure.why),
            })),
            "deliveries": states,
        })
    };
    Value::Array(names.into_iter().map(one).collect())
}
