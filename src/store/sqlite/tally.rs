//! The conservation law: counted as things change, and counted again from the things themselves.

use sqlx::{Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::select;
use crate::store::{
    Counts, DeliveryCount, DeliveryState, Removed,
    shared::{self, FAULTS_TOLD},
};

/// The sums kept by triggers. One row of messages, then rows of deliveries by route and destination. The messages not
/// decided upon are counted by an index that holds nothing else.
const KEPT: &str = "SELECT NULL AS route, NULL AS destination, \
    (SELECT count(*) FROM message WHERE state = 'accepted') AS accepted, routed, parked, filtered, skipped, split, \
    planned, parts, present, lost, 0 AS waiting, 0 AS delivered FROM message_tally UNION ALL \
    SELECT route, destination, 0, 0, parked, filtered, skipped, 0, planned, 0, 0, 0, waiting, delivered \
    FROM delivery_tally";

/// The same from all messages and deliveries.
const FOUND: &str = "SELECT NULL AS route, NULL AS destination, coalesce(sum(state = 'accepted'), 0) AS accepted, \
    coalesce(sum(state = 'routed'), 0) AS routed, coalesce(sum(state = 'parked'), 0) AS parked, \
    coalesce(sum(state = 'filtered'), 0) AS filtered, coalesce(sum(state = 'skipped'), 0) AS skipped, \
    coalesce(sum(state = 'split'), 0) AS split, coalesce(sum(delivery_count), 0) AS planned, \
    coalesce(sum(part_count), 0) AS parts, (SELECT count(*) FROM part) AS present, \
    coalesce(sum(state = 'routed' AND delivery_count = 0 OR state = 'split' AND part_count = 0), 0) AS lost, \
    0 AS waiting, 0 AS delivered FROM message UNION ALL \
    SELECT route, destination, 0, 0, sum(state = 'parked'), sum(state = 'filtered'), sum(state = 'skipped'), 0, \
    sum(state = 'planned'), 0, 0, 0, sum(state = 'waiting'), sum(state = 'delivered') FROM delivery \
    GROUP BY route, destination";

/// The sums as kept; costs the same for any number of messages.
pub async fn kept(conn: impl SqliteExecutor<'_>) -> Result<Counts, sqlx::Error> {
    counts(&sqlx::query(KEPT).fetch_all(conn).await?)
}

/// What is wrong with the sums, one sentence each. Looks at everything.
pub async fn faults(conn: &mut sqlx::SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let (kept, found) = (kept(&mut *conn).await?, counts(&sqlx::query(FOUND).fetch_all(&mut *conn).await?)?);
    let mut faults = found.differences(&kept);
    if found.unaccounted > 0 {
        faults.push(format!("{} planned deliveries or parts of split messages are not there", found.unaccounted));
    }
    let incomplete = select::incomplete(FAULTS_TOLD).build_query_scalar::<String>().fetch_all(&mut *conn).await?;
    faults.extend(incomplete.iter().map(|id| shared::incomplete(id)));
    Ok(faults)
}

fn counts(rows: &[SqliteRow]) -> Result<Counts, sqlx::Error> {
    let mut counts = Counts::default();
    for row in rows {
        let number = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
        if let Some(route) = row.try_get::<Option<String>, _>("route")? {
            let destination: String = row.try_get("destination")?;
            for state in DeliveryState::ALL {
                let count = number(state.as_str())?;
                if count > 0 {
                    let (route, destination) = (route.clone(), destination.clone());
                    counts.deliveries.push(DeliveryCount { route, destination, state: *state, count });
                }
            }
            continue;
        }
        counts.accepted = number("accepted")?;
        counts.routed = number("routed")?;
        counts.parked = number("parked")?;
        counts.filtered = number("filtered")?;
        counts.skipped = number("skipped")?;
        counts.split = number("split")?;
        counts.unaccounted = number("parts")?.abs_diff(number("present")?) + number("lost")?;
        counts.planned = number("planned")?;
    }
    counts.total = counts.accepted + counts.routed + counts.parked + counts.filtered + counts.skipped + counts.split;
    let there: u64 = counts.deliveries.iter().map(|delivery| delivery.count).sum();
    counts.unaccounted += counts.planned.abs_diff(there);
    counts.sort();
    Ok(counts)
}

/// What retention removed wholly.
pub async fn removed(conn: impl SqliteExecutor<'_>) -> Result<Removed, sqlx::Error> {
    let rows = sqlx::query("SELECT route, destination, state, count FROM removed ORDER BY route, destination, state");
    let mut removed = Removed::default();
    for row in rows.fetch_all(conn).await? {
        let (route, count): (String, i64) = (row.try_get("route")?, row.try_get("count")?);
        let count = count.unsigned_abs();
        if route.is_empty() {
            removed.messages += count;
            continue;
        }
        let (destination, state) =
            (row.try_get("destination")?, super::row::word(&row, "state", DeliveryState::parse)?);
        removed.deliveries.push(DeliveryCount { route, destination, state, count });
    }
    Ok(removed)
}
