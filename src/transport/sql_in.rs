//! Takes rows from a database, by asking again and again: each row, or each group of rows, becomes a message.
//!
//! How far it has read is a mark, kept beside the messages; it moves on after they are safe. What is read twice after a
//! crash in between is recognised by its key.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Arrival, Egress, FILE, Intake, Link, Periodic, Readiness, Source, SqlInConfig, Verdict, code,
    sql_link::{Dialect, SqlConnection, SqlFault, SqlLink, Statement},
};
use crate::base::Problem;

/// Where sources keep how far they have read.
#[async_trait]
pub trait Marks: Send + Sync {
    /// How far a source has read; `None` before its first time.
    async fn mark(&self, source: &str) -> Result<Option<String>, String>;
    /// Notes how far it has read, durably.
    async fn set_mark(&self, source: &str, value: &str) -> Result<(), String>;
}

/// A query whose rows are messages.
pub struct SqlSource {
    config: SqlInConfig,
    link: SqlLink,
    query: Statement,
    after: Option<Statement>,
    marks: Arc<dyn Marks>,
    /// The name its mark is kept under.
    name: String,
    current: Mutex<Option<SqlConnection>>,
    state: watch::Sender<Link>,
}

/// One row as it came.
struct Record {
    json: String,
    key: String,
    mark: String,
    group: String,
}

/// How a look ended.
enum Look {
    /// As many rows came as were asked for: there may be more.
    More,
    /// Everything there was is safe.
    Done,
    /// The intake takes nothing now.
    Wait(Duration),
}

impl SqlSource {
    /// A source over a query; connects only when it runs.
    ///
    /// # Errors
    /// `XD-T012`: the address cannot be used, or nothing says which rows are new or which row is which.
    pub fn new(config: &SqlInConfig, egress: &Arc<Egress>, name: &str, marks: Arc<dyn Marks>) -> Result<Self, Problem> {
        let unusable = |text: &str| Problem::new(code::BAD_SETTINGS, text);
        if config.mark.is_empty() && config.after.is_empty() {
            return Err(unusable("a database source needs `mark` or `after`, so that rows are taken once")
                .hint("`mark` is a column that grows; `after` a statement that notes that a row was taken"));
        }
        if config.mark.is_empty() && config.key.is_empty() {
            return Err(unusable("a database source needs `key`: the column that tells rows apart"));
        }
        let link = SqlLink::new(&config.url, egress, Duration::from_millis(config.timeout_ms))?;
        let dialect = link.dialect();
        let mut columns = Vec::new();
        for column in [config.key(), &config.mark, &config.group] {
            columns.push(match column {
                "" => "''".to_owned(),
                column => format!("CAST(r.\"{}\" AS TEXT)", column.replace('"', "\"\"")),
            });
        }
        let columns = columns.join(", ");
        let (query, batch) = (config.query.trim_end_matches([';', ' ', '\n']), config.batch);
        let query = match dialect {
            Dialect::Postgres => format!("SELECT {columns}, row_to_json(r)::text FROM ({query}) r LIMIT {batch}"),
            Dialect::Sqlite => format!("SELECT {columns}, r.* FROM ({query}) r LIMIT {batch}"),
        };
        let query = Statement::new(&query, dialect);
        if query.names.iter().any(|name| name != "mark") {
            return Err(unusable("the query has a `:name` other than `:mark`"));
        }
        let after = (!config.after.is_empty()).then(|| Statement::new(&config.after, dialect));
        if after.as_ref().is_some_and(|after| after.names.iter().any(|name| name != "key" && name != "mark")) {
            return Err(unusable("`after` has a `:name` other than `:key` and `:mark`"));
        }
        let state = watch::Sender::new(Link::down("the database has not been asked yet"));
        let (config, name) = (config.clone(), name.to_owned());
        Ok(Self { config, link, query, after, marks, name, current: Mutex::new(None), state })
    }

    async fn look(&self, intake: &dyn Intake, shutdown: &CancellationToken) -> Result<Look, String> {
        if let Readiness::Closed { retry_after, .. } = intake.readiness() {
            return Ok(Look::Wait(retry_after));
        }
        let mark = match self.config.mark.as_str() {
            "" => None,
            _ => Some(self.marks.mark(&self.name).await?.unwrap_or_else(|| self.config.start.clone())),
        };
        let mut current = self.current.lock().await;
        let mut connection = match current.take() {
            Some(connection) => connection,
            None => self.link.connect().await?,
        };
        let limit = Duration::from_millis(self.config.timeout_ms);
        let late = |_| format!("no answer within {} ms", self.config.timeout_ms);
        let asked = tokio::time::timeout(limit, self.ask(&mut connection, mark.as_deref())).await.map_err(late)?;
        let records = asked.map_err(shown)?;
        let is_full = records.len() >= self.config.batch;
        let mut groups = self.groups(records, is_full)?;
        let mut reached = None;
        let mut end = if is_full { Look::More } else { Look::Done };
        groups.reverse();
        while let Some(group) = groups.pop() {
            if shutdown.is_cancelled() {
                break;
            }
            let Some(last) = group.last().map(|record| record.mark.clone()) else { continue };
            match intake.accept(self.arrival(&group)).await {
                // what is refused is kept parked by the intake
                Verdict::Accepted { .. } | Verdict::Refused(_) => (),
                Verdict::Unavailable { retry_after } => {
                    end = Look::Wait(retry_after);
                    break;
                }
            }
            if let Some(after) = &self.after {
                for record in &group {
                    let noted =
                        tokio::time::timeout(limit, note(&mut connection, after, record)).await.map_err(late)?;
                    noted.map_err(shown)?;
                }
            }
            reached = Some(last);
        }
        if let (Some(reached), false) = (reached, self.config.mark.is_empty()) {
            self.marks.set_mark(&self.name, &reached).await?;
        }
        *current = Some(connection);
        Ok(end)
    }

    /// Rows that belong together, in order. The last group of a full batch may go on in the next one: it waits.
    fn groups(&self, records: Vec<Record>, is_full: bool) -> Result<Vec<Vec<Record>>, String> {
        let mut groups: Vec<Vec<Record>> = Vec::new();
        for record in records {
            match groups.last_mut() {
                Some(group) if !self.config.group.is_empty() && group[0].group == record.group => group.push(record),
                _ => groups.push(vec![record]),
            }
        }
        if is_full && !self.config.group.is_empty() {
            groups.pop();
            if groups.is_empty() {
                let text = format!("one group has {} rows or more; set a larger `batch`", self.config.batch);
                return Err(text);
            }
        }
        Ok(groups)
    }

    fn arrival(&self, group: &[Record]) -> Arrival {
        let first = &group[0];
        let name = if self.config.group.is_empty() { &first.key } else { &first.group };
        let last = group.last().map_or("", |record| record.mark.as_str());
        let rows: Vec<&str> = group.iter().map(|record| record.json.as_str()).collect();
        let json = if self.config.group.is_empty() {
            first.json.clone()
        } else {
            format!("{{\"rows\":[{}]}}", rows.join(","))
        };
        Arrival {
            system: self.config.system.clone(),
            document_type: self.config.document_type.clone(),
            bytes: Bytes::from(json),
            content_type: Some("application/json".to_owned()),
            transport: FILE,
            key: Some(format!("sql:{name}/{last}")),
            attributes: [("sql_key".to_owned(), name.clone()), ("sql_mark".to_owned(), last.to_owned())].into(),
            problem: None,
        }
    }

    async fn ask(&self, connection: &mut SqlConnection, mark: Option<&str>) -> Result<Vec<Record>, SqlFault> {
        let query = AssertSqlSafe(self.query.text.as_str());
        let wants = !self.query.names.is_empty();
        let text = |value: Option<String>| value.unwrap_or_default();
        match connection {
            SqlConnection::Postgres(connection) => {
                let mut query = sqlx::query(query);
                if wants {
                    query = query.bind(mark);
                }
                let mut records = Vec::new();
                for row in query.fetch_all(connection).await? {
                    let (key, mark, group) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                    let json: String = row.try_get(3)?;
                    records.push(Record { json, key: text(key), mark: text(mark), group: text(group) });
                }
                Ok(records)
            }
            SqlConnection::Sqlite(connection) => {
                let mut query = sqlx::query(query);
                if wants {
                    query = query.bind(mark);
                }
                let mut records = Vec::new();
                for row in query.fetch_all(connection).await? {
                    let (key, mark, group) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                    let json = sqlite_json(&row)?;
                    records.push(Record { json, key: text(key), mark: text(mark), group: text(group) });
                }
                Ok(records)
            }
        }
    }

    /// Looks, and says how it went to whoever watches; how long to wait, `None` when there may be more at once.
    async fn watched(&self, intake: &dyn Intake, shutdown: &CancellationToken) -> Result<Look, String> {
        let looked = self.look(intake, shutdown).await;
        let link = match &looked {
            Ok(Look::Wait(_)) => Link::down("no messages are accepted now"),
            Ok(_) => Link::up(),
            Err(why) => Link::down(format!("{}: {why}", self.describe())),
        };
        self.state.send_if_modified(|before| std::mem::replace(before, link.clone()) != link);
        looked
    }
}

fn shown(fault: SqlFault) -> String {
    match fault {
        SqlFault::Away(why) | SqlFault::Refused(why) => why,
    }
}

/// Runs the statement that notes that a row was taken.
async fn note(connection: &mut SqlConnection, after: &Statement, record: &Record) -> Result<(), SqlFault> {
    let values = after.names.iter().map(|name| if name == "key" { record.key.clone() } else { record.mark.clone() });
    let text = AssertSqlSafe(after.text.as_str());
    match connection {
        SqlConnection::Postgres(connection) => {
            values.fold(sqlx::query(text), |query, value| query.bind(value)).execute(connection).await.map(drop)?;
        }
        SqlConnection::Sqlite(connection) => {
            values.fold(sqlx::query(text), |query, value| query.bind(value)).execute(connection).await.map(drop)?;
        }
    }
    Ok(())
}

/// A row as a JSON object; the three columns before it are ours.
fn sqlite_json(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let mut object = Map::new();
    for (at, column) in row.columns().iter().enumerate().skip(3) {
        let raw = row.try_get_raw(at)?;
        let value = if raw.is_null() {
            Value::Null
        } else {
            match raw.type_info().name() {
                "INTEGER" => Value::from(row.try_get_unchecked::<i64, _>(at)?),
                "REAL" => Value::from(row.try_get_unchecked::<f64, _>(at)?),
                "BLOB" => {
                    use base64::Engine as _;
                    let bytes = row.try_get_unchecked::<Vec<u8>, _>(at)?;
                    Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))
                }
                _ => Value::from(row.try_get_unchecked::<String, _>(at)?),
            }
        };
        object.insert(column.name().to_owned(), value);
    }
    Ok(Value::Object(object).to_string())
}

#[async_trait]
impl Periodic for SqlSource {
    async fn take_once(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) -> Result<(), String> {
        loop {
            let wait = match self.watched(&*intake, &shutdown).await? {
                Look::Done => return Ok(()),
                Look::More => Duration::ZERO,
                Look::Wait(wait) => wait,
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err("stopped before its end".to_owned()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

#[async_trait]
impl Source for SqlSource {
    async fn run(&self, intake: Arc<dyn Intake>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let wait = match self.watched(&*intake, &shutdown).await {
                Ok(Look::More) => Duration::ZERO,
                Ok(Look::Wait(wait)) => wait,
                Ok(Look::Done) | Err(_) => Duration::from_millis(self.config.poll_ms),
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        if let Some(connection) = self.current.lock().await.take() {
            connection.close().await;
        }
        self.state.send_replace(Link::down("stopped"));
    }

    fn connected(&self) -> watch::Receiver<Link> {
        self.state.subscribe()
    }

    fn describe(&self) -> String {
        self.link.shown()
    }
}
