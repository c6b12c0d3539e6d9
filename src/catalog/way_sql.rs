//! The ways of a system through databases: `sql`, in and out.

use super::{
    system::Reader,
    way_file::{millis, schedule},
};
use crate::{
    content::{Fields, Yaml},
    transport::{SqlInConfig, SqlOutConfig, SqlStep},
};

impl Reader<'_> {
    pub(super) fn sql_in(&self, sql: &Fields<'_>, system: &str) -> SqlInConfig {
        let standard = SqlInConfig::default();
        let text = |key| sql.text(key).unwrap_or_default().to_owned();
        SqlInConfig {
            url: self.required_secret(sql, "url"),
            query: sql.required_text("query").unwrap_or_default().to_owned(),
            mark: text("mark"),
            start: text("start"),
            key: text("key"),
            group: text("group"),
            after: text("after"),
            batch: sql.number("batch").and_then(|n| n.try_into().ok()).filter(|n| *n > 0).unwrap_or(standard.batch),
            system: system.to_owned(),
            document_type: text("type"),
            poll_ms: millis(sql, "poll").unwrap_or(standard.poll_ms),
            timeout_ms: millis(sql, "timeout").unwrap_or(standard.timeout_ms),
            schedule: sql.block("schedule").and_then(schedule),
        }
    }

    pub(super) fn sql_out(&self, sql: &Fields<'_>) -> SqlOutConfig {
        let standard = SqlOutConfig::default();
        let step = |value: &Yaml| match value.text() {
            Some(run) => SqlStep { each: String::new(), run: run.to_owned() },
            None => {
                let block = Fields::new(value, sql.file(), sql.problems());
                let each = block.text("for-each").unwrap_or_default().to_owned();
                let step = SqlStep { each, run: block.required_text("run").unwrap_or_default().to_owned() };
                block.finish();
                step
            }
        };
        SqlOutConfig {
            url: self.required_secret(sql, "url"),
            statements: sql.list("statements").into_iter().map(step).collect(),
            ledger: sql.text("ledger").map_or(standard.ledger, ToOwned::to_owned),
            declare: sql.boolean("declare").unwrap_or(standard.declare),
            timeout_ms: millis(sql, "timeout").unwrap_or(standard.timeout_ms),
        }
    }
}
