//! Writes documents into a database: all statements of a delivery in one transaction, once for its id.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::Mutex;

use super::{
    Answer, Egress, Outgoing, Sink, SqlOutConfig, code,
    sql_link::{SqlConnection, SqlFault, SqlLink, Statement},
};
use crate::{
    base::{Limits, Problem},
    document::{Document, NodeId},
    format::{ReadOptions, Syntax, read},
};

/// A database that deliveries are written into.
pub struct SqlSink {
    link: SqlLink,
    steps: Vec<Step>,
    ledger: Ledger,
    timeout: Duration,
    current: Mutex<Option<SqlConnection>>,
}

/// One statement, run once or for each of some elements.
struct Step {
    /// The path of the elements; empty for once.
    each: Vec<String>,
    statement: Statement,
}

/// The table that knows which deliveries were written.
struct Ledger {
    create: Option<Statement>,
    insert: Statement,
}

/// One statement with its values; `None` is NULL.
type Run<'a> = (&'a Statement, Vec<Option<String>>);

/// How a transaction ended.
enum Ended {
    /// It is there, now or from an earlier attempt.
    Written,
    /// Nothing of it is there.
    Not(SqlFault),
    /// It may be there.
    Unknown(String),
}

impl SqlSink {
    /// A sink for a database; connects only when sending.
    ///
    /// # Errors
    /// `XD-T012`: the address, the ledger's name or the statements cannot be used.
    pub fn new(config: &SqlOutConfig, egress: &Arc<Egress>) -> Result<Self, Problem> {
        let unusable = |text: String| Problem::new(code::BAD_SETTINGS, text);
        let timeout = Duration::from_millis(config.timeout_ms);
        let link = SqlLink::new(&config.url, egress, timeout)?;
        let table = &config.ledger;
        let is_name = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !part.starts_with(|c: char| c.is_ascii_digit())
        };
        if !table.split('.').all(is_name) || table.split('.').count() > 2 {
            return Err(unusable(format!("`ledger: {table}` is no table's name")));
        }
        if config.statements.is_empty() {
            return Err(unusable("a database destination needs `statements`".to_owned()));
        }
        let dialect = link.dialect();
        let steps = config.statements.iter().map(|step| Step {
            each: step.each.split('/').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect(),
            statement: Statement::new(&step.run, dialect),
        });
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (delivery_id VARCHAR(64) PRIMARY KEY, message_id VARCHAR(64) NOT NULL, \
             written_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
        );
        let insert = format!(
            "INSERT INTO {table} (delivery_id, message_id) VALUES (:delivery, :message) ON CONFLICT DO NOTHING"
        );
        let ledger = Ledger {
            create: config.declare.then(|| Statement::new(&create, dialect)),
            insert: Statement::new(&insert, dialect),
        };
        Ok(Self { steps: steps.collect(), link, ledger, timeout, current: Mutex::new(None) })
    }

    /// The statements of a delivery with their values.
    fn runs(&self, outgoing: &Outgoing) -> Result<Vec<Run<'_>>, String> {
        let syntax =
            Syntax::sniff(Some(&outgoing.content_type), &outgoing.bytes).ok_or("it is neither XML nor JSON")?;
        let options = ReadOptions { limits: Limits::default(), ..ReadOptions::default() };
        let document = read(&outgoing.bytes, syntax, &options).map_err(|problem| problem.text)?.document;
        let mut top = NodeId::ROOT;
        if syntax == Syntax::Xml {
            top = document.root_element().ok_or("the document has no root element")?;
        }
        let fixed = |name: &str| match name {
            "delivery_id" => Some(outgoing.delivery_id.clone()),
            "message_id" => Some(outgoing.message_id.clone()),
            "business_key" => outgoing.business_key.clone(),
            _ => None,
        };
        let mut runs = Vec::new();
        for step in &self.steps {
            let items = if step.each.is_empty() { vec![top] } else { below(&document, top, &step.each) };
            for item in items {
                let value = |name: &String| {
                    let path: Vec<String> = name.split('.').map(ToOwned::to_owned).collect();
                    let found = below(&document, item, &path).first().copied();
                    let found = found.or_else(|| below(&document, top, &path).first().copied());
                    match found {
                        Some(node) if document.is_null(node) => None,
                        Some(node) => Some(document.string_value(node).into_owned()),
                        None => fixed(name),
                    }
                };
                runs.push((&step.statement, step.statement.names.iter().map(value).collect()));
            }
        }
        Ok(runs)
    }
}

/// The elements at the end of a path, by local names.
fn below(document: &Document, from: NodeId, path: &[String]) -> Vec<NodeId> {
    path.iter().fold(vec![from], |nodes, step| {
        let is_step = |node: &NodeId| document.qname(*node).is_some_and(|name| &*name.local == step.as_str());
        nodes.into_iter().flat_map(|node| document.elements(node).filter(is_step).collect::<Vec<_>>()).collect()
    })
}

/// Runs everything in one transaction on a connection of either kind.
macro_rules! transact {
    ($connection:expr, $ledger:expr, $outgoing:expr, $runs:expr) => {{
        let mut is_committing = false;
        let done = async {
            if let Some(create) = &$ledger.create {
                sqlx::query(AssertSqlSafe(create.text.as_str())).execute(&mut *$connection).await?;
            }
            let mut transaction = $connection.begin().await?;
            let fresh = sqlx::query(AssertSqlSafe($ledger.insert.text.as_str()))
                .bind(&$outgoing.delivery_id)
                .bind(&$outgoing.message_id)
                .execute(&mut *transaction)
                .await?;
            if fresh.rows_affected() == 0 {
                // an earlier attempt wrote it
                transaction.rollback().await?;
                return Ok::<_, sqlx::Error>(());
            }
            for (statement, values) in $runs {
                let query = sqlx::query(AssertSqlSafe(statement.text.as_str()));
                values.iter().fold(query, |query, value| query.bind(value.clone())).execute(&mut *transaction).await?;
            }
            is_committing = true;
            transaction.commit().await
        };
        let done = done.await;
        match done {
            Ok(()) => Ended::Written,
            Err(error) => match SqlFault::from(error) {
                SqlFault::Away(why) if is_committing => Ended::Unknown(why),
                fault => Ended::Not(fault),
            },
        }
    }};
}

#[async_trait]
impl Sink for SqlSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        let runs = match self.runs(outgoing) {
            Ok(runs) => runs,
            Err(why) => return Answer::Refused { why: format!("the document has no values for a database: {why}") },
        };
        let mut current = self.current.lock().await;
        let mut connection = match current.take() {
            Some(connection) => connection,
            None => match self.link.connect().await {
                Ok(connection) => connection,
                Err(why) => return Answer::NotSent { why },
            },
        };
        let ended = async {
            match &mut connection {
                SqlConnection::Postgres(connection) => transact!(connection, self.ledger, outgoing, &runs),
                SqlConnection::Sqlite(connection) => transact!(connection, self.ledger, outgoing, &runs),
            }
        };
        let late = || Ended::Unknown(format!("no answer within {} s", self.timeout.as_secs()));
        match tokio::time::timeout(self.timeout, ended).await.unwrap_or_else(|_| late()) {
            Ended::Written => {
                *current = Some(connection);
                Answer::Confirmed
            }
            Ended::Not(SqlFault::Refused(why)) => {
                *current = Some(connection);
                Answer::Refused { why }
            }
            // what is left of the transaction ends with the connection
            Ended::Not(SqlFault::Away(why)) => Answer::NotSent { why },
            Ended::Unknown(why) => Answer::Unknown { why },
        }
    }

    fn describe(&self) -> String {
        self.link.shown()
    }
}
