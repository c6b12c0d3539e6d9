//! The connection to a database that messages are read from or written to, and statements with named values.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::time::timeout;

use super::{Egress, code};
use crate::base::{Problem, Secret};

/// How long a database that is locked is waited for.
const LOCKED: Duration = Duration::from_secs(5);

/// Which language a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

/// A connection that stands.
pub(super) enum SqlConnection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// The way to one database.
pub(super) struct SqlLink {
    options: Options,
    egress: Arc<Egress>,
    timeout: Duration,
}

enum Options {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl SqlLink {
    /// Reads the address; connects only when asked for.
    ///
    /// # Errors
    /// `XD-T012`: the address is none of PostgreSQL or SQLite.
    pub(super) fn new(url: &Secret, egress: &Arc<Egress>, timeout: Duration) -> Result<Self, Problem> {
        let unusable = || {
            Problem::new(code::BAD_SETTINGS, "the database's `url` cannot be used")
                .hint("write `postgres://user:password@host:port/database` or `sqlite:/path/to/file`")
        };
        let text = url.expose();
        let options = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(text).map_err(|_| unusable())?;
            Options::Postgres(Box::new(options.application_name("crossdock").disable_statement_logging()))
        } else if text.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(text).map_err(|_| unusable())?;
            Options::Sqlite(Box::new(options.busy_timeout(LOCKED).disable_statement_logging()))
        } else {
            return Err(unusable());
        };
        Ok(Self { options, egress: egress.clone(), timeout })
    }

    /// Which language it speaks.
    pub(super) fn dialect(&self) -> Dialect {
        match self.options {
            Options::Postgres(_) => Dialect::Postgres,
            Options::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The address for people.
    pub(super) fn shown(&self) -> String {
        match &self.options {
            Options::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                format!("postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
            Options::Sqlite(options) => format!("sqlite:{}", options.get_filename().display()),
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Why there is none, without secrets.
    pub(super) async fn connect(&self) -> Result<SqlConnection, String> {
        let late = |_| format!("no connection within {} s", self.timeout.as_secs());
        match &self.options {
            Options::Sqlite(options) => {
                let connected = timeout(self.timeout, options.connect()).await.map_err(late)?;
                Ok(SqlConnection::Sqlite(connected.map_err(|error| format!("the database cannot be opened: {error}"))?))
            }
            Options::Postgres(options) => {
                let mut why = "the name leads to no address".to_owned();
                let found = timeout(self.timeout, self.egress.resolve(options.get_host(), options.get_port())).await;
                for address in found.map_err(late)?.map_err(|error| error.to_string())? {
                    // the address that was checked is the one that is connected to
                    let checked = (**options).clone().host(&address.ip().to_string());
                    match timeout(self.timeout, checked.connect()).await.map_err(late)? {
                        Ok(connection) => return Ok(SqlConnection::Postgres(connection)),
                        Err(error) => why = format!("no connection: {error}"),
                    }
                }
                Err(why)
            }
        }
    }
}

impl SqlConnection {
    /// Ends in order.
    pub(super) async fn close(self) {
        // a server that is gone needs no farewell
        let _ = match self {
            Self::Postgres(connection) => connection.close().await,
            Self::Sqlite(connection) => connection.close().await,
        };
    }
}

/// A statement whose `:names` have become the database's own placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub text: String,
    /// The name behind each placeholder, the first one's first.
    pub names: Vec<String>,
}

impl Statement {
    /// Reads a statement; texts, quoted names and comments are left alone.
    pub(super) fn new(sql: &str, dialect: Dialect) -> Self {
        let mark = if dialect == Dialect::Postgres { '$' } else { '?' };
        let (mut text, mut names) = (String::with_capacity(sql.len()), Vec::<String>::new());
        let mut rest = sql;
        while let Some(first) = rest.chars().next() {
            let taken = match first {
                '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
                '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                ':' => {
                    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                    let name: String = rest[1..].chars().take_while(|c| is_part(*c)).collect();
                    if name.is_empty() {
                        1
                    } else {
                        let number = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                            names.push(name.clone());
                            names.len() - 1
                        });
                        text.push_str(&format!("{mark}{}", number + 1));
                        rest = &rest[1 + name.len()..];
                        continue;
                    }
                }
                other => other.len_utf8(),
            };
            text.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
        Self { text, names }
    }
}

/// What an error of a statement means for what was to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SqlFault {
    /// The database is not there, or busy: worth another try.
    Away(String),
    /// It will never do this.
    Refused(String),
}

impl From<sqlx::Error> for SqlFault {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(told) = &error else {
            return Self::Away(format!("the connection was lost: {error}"));
        };
        let why = format!("the database says: {}", told.message());
        let code = told.code().unwrap_or_default();
        // SQLSTATE: connection, rollback for others' sake, resources, operator, lock; SQLite: busy, locked
        let passing = ["08", "40", "53", "57"].iter().any(|class| code.len() == 5 && code.starts_with(class));
        let sqlite_code = code.parse::<i32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
        if passing || code == "55P03" || matches!(sqlite_code, Some(5 | 6)) {
            Self::Away(why)
        } else {
            Self::Refused(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Statement};

    #[test]
    fn names_become_placeholders_and_texts_casts_and_comments_stay() {
        for (sql, postgres, names) in [
            ("SELECT 1", "SELECT 1", vec![]),
            ("a = :x AND b = :y OR c = :x", "a = $1 AND b = $2 OR c = $1", vec!["x", "y"]),
            ("CAST(:a.b AS text)", "CAST($1 AS text)", vec!["a.b"]),
            ("x::text, ':no', \":no\" -- :no\n:yes", "x::text, ':no', \":no\" -- :no\n$1", vec!["yes"]),
            ("'it''s :no' :a", "'it''s :no' $1", vec!["a"]),
            ("单:价", "单$1", vec!["价"]),
            ("a : b '", "a : b '", vec![]),
        ] {
            let statement = Statement::new(sql, Dialect::Postgres);
            assert_eq!(
                (statement.text.as_str(), statement.names),
                (postgres, names.into_iter().map(str::to_owned).collect())
            );
        }
        assert_eq!(Statement::new(":a", Dialect::Sqlite).text, "?1");
    }
}
