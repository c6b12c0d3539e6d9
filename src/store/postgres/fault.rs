//! What a database error means: the connection, the moment, this call, or the end.

use std::io;

use crate::{
    base::Problem,
    store::{
        StoreError, code,
        health::{Health, failed},
    },
};

/// How far an error of the database reaches.
pub enum Reach {
    /// The connection is gone or the server does not work at the moment; a new connection may.
    Link(StoreError),
    /// Two transactions stood in each other's way; the same one will pass.
    Again(StoreError),
    /// One call asked for something impossible.
    Call(StoreError),
    /// The store cannot be trusted any more.
    Store(StoreError),
}

impl Reach {
    /// The error, whatever it reaches.
    pub fn into_error(self) -> StoreError {
        let (Self::Link(error) | Self::Again(error) | Self::Call(error) | Self::Store(error)) = self;
        error
    }
}

/// Sorts an error by its SQLSTATE (PostgreSQL, Appendix A).
pub fn reach(error: &sqlx::Error) -> Reach {
    let link =
        || Reach::Link(StoreError::unavailable(format!("PostgreSQL does not answer: {error}"), "start it again"));
    let Some(database) = error.as_database_error() else {
        return match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Reach::Link(StoreError::unavailable(
                "no connection to PostgreSQL is free",
                "look whether it is running, and at its max_connections",
            )),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => link(),
            _ => Reach::Store(failed(&error.to_string())),
        };
    };
    let state = database.code().unwrap_or_default();
    match &*state {
        // idle_in_transaction_session_timeout ends the session
        "25P03" | "57P01" | "57P02" | "57P03" | "57P05" | "53300" => link(),
        "40001" | "40P01" | "55P03" | "57014" => {
            Reach::Again(StoreError::unavailable(format!("PostgreSQL is busy: {error}"), "try again"))
        }
        "25006" => Reach::Link(StoreError::unavailable(
            "PostgreSQL takes no changes: it is read-only, perhaps a standby",
            "point `[store] url` at the primary server",
        )),
        "53100" => Reach::Link(StoreError::unavailable("PostgreSQL's disk is full", "free some space on it")),
        "53200" | "53400" => {
            Reach::Link(StoreError::unavailable(format!("PostgreSQL: {error}"), "give it more memory"))
        }
        _ if state.starts_with("08") => link(),
        _ if state.starts_with("22") || state.starts_with("23") => {
            Reach::Call(StoreError::conflict(format!("the database refused this: {error}")))
        }
        _ => Reach::Store(failed(&error.to_string())),
    }
}

impl Health {
    /// As [`Health::note`], for an error of PostgreSQL.
    pub(super) fn note_postgres(&self, error: &sqlx::Error) -> StoreError {
        self.note(reach(error).into_error())
    }
}

/// The error of something that took too long.
pub fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(io::Error::from(io::ErrorKind::TimedOut))
}

/// An error while the store is being opened.
pub fn opening(error: &sqlx::Error) -> StoreError {
    match error.as_database_error().and_then(|error| error.code()).as_deref() {
        Some("57P03" | "53300") => reach(error).into_error(),
        _ => StoreError::Refused(Box::new(
            Problem::new(code::CANNOT_OPEN, format!("PostgreSQL cannot be used: {error}"))
                .hint("check `[store] url`, whether the server runs, and the account's rights"),
        )),
    }
}
