//! SQLite's rows as the store's types.

crate::store::rows::rows!(sqlx::sqlite::SqliteRow);
