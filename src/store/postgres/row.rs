//! PostgreSQL's rows as the store's types.

crate::store::rows::rows!(sqlx::postgres::PgRow);
