//! Rows of a database as the store's types, for any kind of row. A value this program never writes is an error, not a
//! guess.

/// The readers of one kind of row, as a module's content.
macro_rules! rows {
    ($row:ty) => {
        use bytes::Bytes;
        use sqlx::Row as _;

        use crate::{
            base::{Sha256, Timestamp},
            store::{
                AttemptOutcome, AttemptView, DeliveryState, DeliveryView, Leased, MessageInfo, MessageState, Pause,
                PauseKind, Reason, Transport,
            },
        };

        type Row = $row;

        /// Why a row is held, filtered or skipped.
        pub(super) fn reason(row: &Row) -> Result<Option<Reason>, sqlx::Error> {
            from_json(row, "reason")
        }

        /// A column holds something this program never writes.
        pub(super) fn unreadable(column: &str) -> sqlx::Error {
            sqlx::Error::ColumnDecode { index: column.to_owned(), source: "unknown value".into() }
        }

        pub(super) fn word<T>(row: &Row, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
            parse(row.try_get(column)?).ok_or_else(|| unreadable(column))
        }

        pub(super) fn digest(row: &Row, column: &str) -> Result<Sha256, sqlx::Error> {
            let bytes: &[u8] = row.try_get(column)?;
            bytes.try_into().map(Sha256).map_err(|_| unreadable(column))
        }

        fn from_json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>, sqlx::Error> {
            let Some(text) = row.try_get::<Option<&str>, _>(column)? else { return Ok(None) };
            serde_json::from_str(text).map(Some).map_err(|_| unreadable(column))
        }

        pub(super) fn number(row: &Row, column: &str) -> Result<u32, sqlx::Error> {
            row.try_get::<i64, _>(column)?.try_into().map_err(|_| unreadable(column))
        }

        fn moment(row: &Row, column: &str) -> Result<Timestamp, sqlx::Error> {
            row.try_get(column).map(Timestamp)
        }

        pub(super) fn message_info(row: &Row) -> Result<MessageInfo, sqlx::Error> {
            Ok(MessageInfo {
                seq: row.try_get("seq")?,
                id: row.try_get("id")?,
                system: row.try_get("system")?,
                document_type: row.try_get("document_type")?,
                site: row.try_get("site")?,
                dedup_key: row.try_get("dedup_key")?,
                sha256: digest(row, "sha256")?,
                content_type: row.try_get("content_type")?,
                transport: word(row, "transport", Transport::parse)?,
                received_at: moment(row, "received_at")?,
                attributes: from_json(row, "attributes")?.unwrap_or_default(),
                state: word(row, "state", MessageState::parse)?,
                reason: from_json(row, "reason")?,
                parse_attempts: number(row, "parse_attempts")?,
                business_key: row.try_get("business_key")?,
                parent: row.try_get("parent_id")?,
                edited_from: row.try_get("edited_id")?,
            })
        }

        pub(super) fn delivery_leased(row: &Row, message: MessageInfo, bytes: Bytes) -> Result<Leased, sqlx::Error> {
            Ok(Leased {
                id: row.try_get("delivery_id")?,
                position: number(row, "position")?,
                route: row.try_get("route")?,
                destination: row.try_get("destination")?,
                document: row.try_get("document")?,
                lane: row.try_get("lane")?,
                attempts: number(row, "attempts")?,
                tries: number(row, "tries")?,
                unknown_before: row.try_get("unknown_before")?,
                waived: row.try_get("waived")?,
                output: None,
                message,
                bytes,
            })
        }

        pub(super) fn delivery_view(row: &Row) -> Result<(i64, DeliveryView), sqlx::Error> {
            let last_outcome = match row.try_get::<Option<&str>, _>("outcome")? {
                Some(text) => Some(AttemptOutcome::parse(text).ok_or_else(|| unreadable("outcome"))?),
                None => None,
            };
            let view = DeliveryView {
                id: row.try_get("id")?,
                position: number(row, "position")?,
                route: row.try_get("route")?,
                destination: row.try_get("destination")?,
                document: row.try_get("document")?,
                lane: row.try_get("lane")?,
                state: word(row, "state", DeliveryState::parse)?,
                due_at: moment(row, "due_at")?,
                attempt_count: number(row, "attempts")?,
                wait_key: row.try_get("wait_key")?,
                reason: from_json::<Reason>(row, "reason")?,
                last_outcome,
                unknown_before: row.try_get("unknown_before")?,
                waived: row.try_get("waived")?,
                overtaken: row.try_get("overtaken")?,
                created_at: moment(row, "created_at")?,
                finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Timestamp),
                output: None,
                output_sha256: None,
                attempts: Vec::new(),
                replay_of: row.try_get("replay_id")?,
            };
            Ok((row.try_get("seq")?, view))
        }

        pub(super) fn attempt_view(row: &Row) -> Result<(i64, AttemptView), sqlx::Error> {
            let view = AttemptView {
                id: row.try_get("id")?,
                number: number(row, "number")?,
                started_at: moment(row, "started_at")?,
                ended_at: moment(row, "ended_at")?,
                outcome: word(row, "outcome", AttemptOutcome::parse)?,
                status: match row.try_get::<Option<i64>, _>("status")? {
                    Some(status) => Some(status.try_into().map_err(|_| unreadable("status"))?),
                    None => None,
                },
                detail: row.try_get("detail")?,
                response: row.try_get::<Vec<u8>, _>("response")?.into(),
                response_type: row.try_get("response_type")?,
            };
            Ok((row.try_get("delivery")?, view))
        }

        pub(super) fn pause(row: &Row) -> Result<Pause, sqlx::Error> {
            Ok(Pause {
                destination: row.try_get("destination")?,
                kind: word(row, "kind", PauseKind::parse)?,
                since: moment(row, "since")?,
                until: row.try_get::<Option<i64>, _>("until")?.map(Timestamp),
                address: row.try_get("address")?,
                reason: from_json(row, "reason")?.unwrap_or_default(),
            })
        }
    };
}
pub(super) use rows;
