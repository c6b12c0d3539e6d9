//! What is stored, as JSON: the same for the API and for `--json` on the command line.

use serde_json::{Value, json};

use crate::{
    catalog::Catalog,
    pipeline::Pressure,
    store::{
        ActView, Counts, DeliveryCount, DeliveryState, DeliveryView, MessageInfo, MessageSummary, MessageView,
        PartView, StoreError,
    },
};

/// Whether the content would map a delivery with the very mappings that made its output; `None` without an output.
#[must_use]
pub fn is_current(delivery: &DeliveryView, catalog: &Catalog) -> Option<bool> {
    let output = delivery.output.as_ref()?;
    let target = catalog.target(&delivery.route, &delivery.destination, &delivery.document);
    Some(target.is_some_and(|target| target.mapping_hash().to_string() == output.mapping_hash))
}

/// One message with its deliveries and attempts. `content` adds the payloads, as text where they are UTF-8; `catalog` is
/// the content in force, to say whether it still holds the mappings that were used.
#[must_use]
pub fn message_json(view: &MessageView, content: bool, catalog: Option<&Catalog>) -> Value {
    let deliveries: Vec<Value> = view
        .deliveries
        .iter()
        .map(|delivery| {
            let attempts: Vec<Value> = delivery
                .attempts
                .iter()
                .map(|attempt| {
                    let mut value = json!({
                        "id": attempt.id,
                        "number": attempt.number,
                        "started_at": attempt.started_at.to_string(),
                        "ended_at": attempt.ended_at.to_string(),
                        "outcome": attempt.outcome.as_str(),
                        "status": attempt.status,
                        "detail": attempt.detail,
                    });
                    if content {
                        value["response"] = payload(&attempt.response);
                    }
                    value
                })
                .collect();
            let mut value = json!({
                "id": delivery.id,
                "route": delivery.route,
                "destination": delivery.destination,
                "document": delivery.document,
                "lane": delivery.lane,
                "replay_of": delivery.replay_of,
                "state": delivery.state.as_str(),
                "due_at": delivery.due_at.to_string(),
                "waits_for": delivery.wait_key,
                "reason": delivery.reason,
                "out_of_order": delivery.overtaken,
                "finished_at": delivery.finished_at.map(|at| at.to_string()),
                "type": delivery.output.as_ref().map(|output| &output.document_type),
                "mapping": delivery.output.as_ref().map(|output| &output.mapping_hash),
                "notes": delivery.output.as_ref().map(|output| &output.notes),
                "mapping_is_current": catalog.and_then(|catalog| is_current(delivery, catalog)),
                "sha256": delivery.output_sha256.map(|digest| digest.to_string()),
                "attempts": attempts,
            });
            if content {
                value["output"] = delivery.output.as_ref().map_or(Value::Null, |output| payload(&output.bytes));
            }
            value
        })
        .collect();
    let mut value = info_json(&view.message);
    value["standing"] = json!(view.standing.as_str());
    value["size"] = json!(view.size);
    value["content_removed_at"] = json!(view.bytes_removed_at.map(|at| at.to_string()));
    if content {
        value["content"] = view.bytes.as_ref().map_or(Value::Null, |bytes| payload(bytes));
    }
    value["deliveries"] = Value::Array(deliveries);
    value["edits"] = json!(view.edits);
    value["acts"] = view.acts.iter().map(act_json).collect();
    value["parts"] = view.parts.iter().map(part_json).collect();
    value
}

fn part_json(part: &PartView) -> Value {
    json!({
        "position": part.position,
        "id": part.message.id,
        "duplicate": part.is_duplicate,
        "standing": part.standing.as_str(),
        "type": part.message.document_type,
        "business_key": part.message.business_key,
        "reason": part.message.reason,
    })
}

/// One row of a list.
#[must_use]
pub fn summary_json(summary: &MessageSummary) -> Value {
    let mut value = info_json(&summary.message);
    value["standing"] = json!(summary.standing.as_str());
    value["size"] = json!(summary.size);
    value["deliveries"] = json!(summary.deliveries);
    value
}

/// What an operator decided.
#[must_use]
pub fn act_json(view: &ActView) -> Value {
    let act = &view.act;
    json!({
        "id": act.id,
        "seq": view.seq,
        "verb": act.verb,
        "by": act.by,
        "why": act.why,
        "query": act.query,
        "at": act.at.to_string(),
        "deliveries": view.deliveries,
        "messages": view.messages,
    })
}

/// Why the store could not, for whoever must know what to do about it.
#[must_use]
pub fn error_json(error: &StoreError) -> Value {
    let kind = match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Failed(_) => "failed",
        StoreError::Corrupt(_) => "corrupt",
        StoreError::NotFound(_) => "not-found",
        StoreError::Conflict(_) => "conflict",
        StoreError::Refused(_) => "refused",
    };
    json!({"kind": kind, "code": error.problem().code.id, "text": error.to_string()})
}

/// Whether intake is open, and the room and the backlog it depends on.
#[must_use]
pub fn storage_json(pressure: &Pressure) -> Value {
    let (room, backlog, closed) = (pressure.room(), pressure.backlog(), pressure.closed());
    let backlog = (backlog.most > 0).then(|| json!({"open": backlog.open, "most": backlog.most}));
    json!({
        "intake": if closed.is_none() { "open" } else { "closed" },
        "code": closed.as_ref().map(|closed| closed.code().id),
        "detail": closed.as_ref().map(|closed| &closed.problem.text),
        "storage": {
            "level": room.level.as_str(),
            "free_bytes": room.free,
            "size_bytes": room.total,
            "soft_bytes": room.soft,
            "hard_bytes": room.hard,
            "ballast_bytes": room.ballast,
        },
        "backlog": backlog,
    })
}

/// The conservation law in numbers.
#[must_use]
pub fn counts_json(counts: &Counts) -> Value {
    let deliveries: Vec<Value> = counts
        .deliveries
        .iter()
        .map(|row| {
            json!({"route": row.route, "destination": row.destination, "state": row.state.as_str(), "count": row.count})
        })
        .collect();
    let ways: Vec<Value> = counts
        .ways()
        .iter()
        .map(|way| {
            let mut value = json!({"route": way.route, "destination": way.destination, "planned": way.total()});
            for state in DeliveryState::ALL {
                let word = if *state == DeliveryState::Planned { "in_flight" } else { state.as_str() };
                value[word] = json!(way.of(*state));
            }
            value
        })
        .collect();
    json!({
        "ways": ways,
        "planned": counts.planned,
        "total": counts.total,
        "accepted": counts.accepted,
        "routed": counts.routed,
        "parked": counts.parked,
        "filtered": counts.filtered,
        "skipped": counts.skipped,
        "split": counts.split,
        "unaccounted": counts.unaccounted,
        "removed": {"messages": counts.removed.messages, "deliveries": rows_json(&counts.removed.deliveries)},
        "deliveries": deliveries,
    })
}

fn rows_json(rows: &[DeliveryCount]) -> Value {
    let row = |row: &DeliveryCount| json!({"route": row.route, "destination": row.destination, "state": row.state.as_str(), "count": row.count});
    rows.iter().map(row).collect()
}

fn info_json(message: &MessageInfo) -> Value {
    json!({
        "id": message.id,
        "seq": message.seq,
        "system": message.system,
        "type": message.document_type,
        "site": message.site,
        "business_key": message.business_key,
        "key": message.dedup_key,
        "transport": message.transport.as_str(),
        "content_type": message.content_type,
        "received_at": message.received_at.to_string(),
        "sha256": message.sha256.to_string(),
        "state": message.state.as_str(),
        "reason": message.reason,
        "attributes": message.attributes,
        "parent": message.parent,
        "edited_from": message.edited_from,
    })
}

fn payload(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
    }
}
