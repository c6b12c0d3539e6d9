//! Queries of operators, for any database: what a filter chooses, and what was decided.

/// The queries for one database, as a module's content: its kind, its rows, and how it writes attributes as text, joins
/// texts, and compares without regard to case.
macro_rules! selects {
    ($database:ty, $row:ty, $attributes:literal, $joined:literal, $like:literal) => {
        use sqlx::{QueryBuilder, Row as _};

        use super::row::{reason, word};
        use crate::{
            base::Timestamp,
            store::{Act, ActView, Chosen, ChosenDelivery, DeliveryState, MessageFilter, Spot, Standing},
        };

        type Query = QueryBuilder<$database>;

        const MESSAGE: &str = "m.seq, m.id, m.system, m.document_type, m.business_key";

        /// What a parked message has in the columns of a delivery.
        const NO_DELIVERY: &str = "-1, CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text), \
            CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS boolean), CAST(NULL AS boolean)";

        /// Deliveries and parked messages that match, in accept order.
        pub(super) fn select(
            filter: &MessageFilter,
            states: &[DeliveryState],
            after: Option<Spot>,
            limit: usize,
        ) -> Query {
            let after = after.unwrap_or(Spot { seq: i64::MIN, position: -1 });
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let held_only = states.iter().all(|state| matches!(state, DeliveryState::Waiting | DeliveryState::Parked));
            let mut select = Query::new("SELECT * FROM (SELECT ");
            select.push(MESSAGE).push(
                ", d.position, d.id AS delivery_id, d.route, d.destination, d.document, d.lane, \
                 d.state AS delivery_state, \
                 EXISTS (SELECT 1 FROM output o WHERE o.delivery = d.seq AND o.codec <> 2) AS has_output, \
                 d.replay_of IS NOT NULL AS is_replay, d.reason \
                 FROM delivery d JOIN message m ON m.seq = d.message WHERE (d.message, d.position) > (",
            );
            select.push_bind(after.seq).push(", ").push_bind(after.position).push(")");
            // as the partial indexes have it
            if held_only {
                select.push(" AND d.state IN ('waiting', 'parked')");
            } else if states == [DeliveryState::Planned] && filter.held.is_some() {
                select.push(" AND d.state = 'planned' AND d.cause IS NOT NULL");
            }
            select.push(" AND d.state IN (''");
            states.iter().for_each(|state| {
                select.push(", '").push(state.as_str()).push("'");
            });
            select.push(")");
            of_delivery(&mut select, filter);
            of_message(&mut select, filter);
            select.push(" ORDER BY d.message, d.position LIMIT ").push_bind(limit).push(") AS deliveries");
            if states.contains(&DeliveryState::Parked) && !asks_of_deliveries(filter) {
                select.push(" UNION ALL SELECT * FROM (SELECT ").push(MESSAGE).push(", ").push(NO_DELIVERY);
                select.push(", m.reason FROM message m WHERE m.state = 'parked' AND m.seq > ").push_bind(after.seq);
                if let Some(cause) = &filter.held {
                    select.push(" AND m.cause = ").push_bind(cause.clone());
                }
                of_message(&mut select, filter);
                select.push(" ORDER BY m.seq LIMIT ").push_bind(limit).push(") AS messages");
            }
            select.push(" ORDER BY seq, position LIMIT ").push_bind(limit);
            select
        }

        /// Whether a filter asks something that only a delivery can meet.
        fn asks_of_deliveries(filter: &MessageFilter) -> bool {
            filter.route.is_some() || filter.destination.is_some() || filter.delivery_state.is_some()
        }

        /// What a filter asks of one delivery `d`.
        fn of_delivery(select: &mut Query, filter: &MessageFilter) {
            let asked =
                [("cause", &filter.held), ("route", &filter.route), ("destination", &filter.destination)];
            for (column, wanted) in asked {
                if let Some(wanted) = wanted {
                    select.push(" AND d.").push(column).push(" = ").push_bind(wanted.clone());
                }
            }
            if let Some(state) = filter.delivery_state {
                select.push(" AND d.state = '").push(state.as_str()).push("'");
            }
        }

        /// What a filter asks of the message `m` itself.
        fn of_message(select: &mut Query, filter: &MessageFilter) {
            if let Some(state) = filter.state {
                select.push(" AND m.state = '").push(state.as_str()).push("'");
            }
            for (column, wanted) in [
                ("system", &filter.system),
                ("document_type", &filter.document_type),
                ("business_key", &filter.business_key),
            ] {
                if let Some(wanted) = wanted {
                    select.push(" AND m.").push(column).push(" = ").push_bind(wanted.clone());
                }
            }
            if let Some(since) = filter.since {
                select.push(" AND m.received_at >= ").push_bind(since.micros());
            }
            if let Some(until) = filter.until {
                select.push(" AND m.received_at < ").push_bind(until.micros());
            }
            if let Some(text) = &filter.text {
                let pattern = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                select.push(concat!(
                    " AND (coalesce(m.id, '') || ' ' || coalesce(m.business_key, '') || ' ' || ",
                    "coalesce(m.dedup_key, '') || ' ' || ",
                    $attributes,
                    " || ' ' || coalesce(m.reason, '') || ' ' || coalesce((SELECT ",
                    $joined,
                    "(t.id || ' ' || coalesce(t.reason, ''), ' ') FROM delivery t WHERE t.message = m.seq), '')) ",
                    $like,
                    " ",
                ));
                select.push_bind(format!("%{pattern}%")).push(" ESCAPE '\\'");
            }
        }

        /// What a filter asks of the message `m` and its deliveries together.
        pub(super) fn of_whole(select: &mut Query, filter: &MessageFilter) {
            of_message(select, filter);
            // what is held is rare: it is found by its own indexes, not message by message
            match filter.standing {
                Some(Standing::Parked) => {
                    select.push(" AND m.seq IN (SELECT seq FROM message WHERE state = 'parked' UNION ");
                    select.push("SELECT message FROM delivery WHERE state IN ('waiting', 'parked') AND state = 'parked')");
                }
                Some(Standing::Waiting) => {
                    select.push(" AND m.seq IN (SELECT message FROM delivery ");
                    select.push("WHERE state IN ('waiting', 'parked') AND state = 'waiting' UNION ");
                    select.push("SELECT message FROM delivery WHERE state = 'planned' AND cause IS NOT NULL)");
                }
                _ => {}
            }
            let asks_of_deliveries = asks_of_deliveries(filter);
            if let Some(cause) = &filter.held {
                for (at, held) in
                    ["state IN ('waiting', 'parked')", "state = 'planned' AND d.cause IS NOT NULL"].iter().enumerate()
                {
                    select.push(if at == 0 { " AND m.seq IN (" } else { " UNION " });
                    select.push("SELECT d.message FROM delivery d WHERE d.").push(held);
                    of_delivery(select, filter);
                }
                if !asks_of_deliveries {
                    select.push(" UNION SELECT seq FROM message WHERE state = 'parked' AND cause = ");
                    select.push_bind(cause.clone());
                }
                select.push(")");
            } else if asks_of_deliveries {
                select.push(" AND EXISTS (SELECT 1 FROM delivery d WHERE d.message = m.seq");
                of_delivery(select, filter);
                select.push(")");
            }
        }

        /// A row of [`select`].
        pub(super) fn chosen(row: &$row) -> Result<Chosen, sqlx::Error> {
            let delivery = match row.try_get::<Option<String>, _>("delivery_id")? {
                None => None,
                Some(id) => Some(ChosenDelivery {
                    id,
                    route: row.try_get("route")?,
                    destination: row.try_get("destination")?,
                    document: row.try_get("document")?,
                    lane: row.try_get("lane")?,
                    state: word(row, "delivery_state", DeliveryState::parse)?,
                    has_output: row.try_get("has_output")?,
                    is_replay: row.try_get("is_replay")?,
                }),
            };
            Ok(Chosen {
                spot: Spot { seq: row.try_get("seq")?, position: row.try_get("position")? },
                message: row.try_get("id")?,
                system: row.try_get("system")?,
                document_type: row.try_get("document_type")?,
                business_key: row.try_get("business_key")?,
                delivery,
                reason: reason(row)?,
            })
        }

        /// Acts, newest first.
        pub(super) fn acts(before: Option<i64>, limit: usize) -> Query {
            let mut select = Query::new("SELECT * FROM act WHERE seq < ");
            select.push_bind(before.unwrap_or(i64::MAX)).push(" ORDER BY seq DESC LIMIT ");
            select.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
            select
        }

        /// Acts on one message or its deliveries, oldest first.
        pub(super) fn acts_on(message: i64) -> Query {
            let mut select = Query::new("SELECT * FROM act WHERE seq IN (SELECT act FROM act_on WHERE message = ");
            select.push_bind(message).push(") ORDER BY seq");
            select
        }

        /// A row of [`acts`].
        pub(super) fn act_view(row: &$row) -> Result<ActView, sqlx::Error> {
            let count = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
            Ok(ActView {
                seq: row.try_get("seq")?,
                act: Act {
                    id: row.try_get("id")?,
                    verb: row.try_get("verb")?,
                    by: row.try_get("who")?,
                    why: row.try_get("why")?,
                    query: row.try_get("query")?,
                    at: Timestamp(row.try_get("at")?),
                },
                deliveries: count("deliveries")?,
                messages: count("messages")?,
            })
        }

        /// Messages without all their deliveries or parts, some of them.
        pub(super) fn incomplete(most: i64) -> Query {
            let mut select = Query::new(
                "SELECT m.id FROM message m WHERE \
                 m.delivery_count <> (SELECT count(*) FROM delivery d WHERE d.message = m.seq) OR \
                 m.part_count <> (SELECT count(*) FROM part p WHERE p.parent = m.seq) LIMIT ",
            );
            select.push_bind(most);
            select
        }
    };
}
pub(crate) use selects;
