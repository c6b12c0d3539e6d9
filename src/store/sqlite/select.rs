//! SQLite's queries of operators.

crate::store::selects::selects!(sqlx::Sqlite, sqlx::sqlite::SqliteRow, "m.attributes", "group_concat", "LIKE");
