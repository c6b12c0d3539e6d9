//! PostgreSQL's queries of operators.

crate::store::selects::selects!(sqlx::Postgres, sqlx::postgres::PgRow, "m.attributes::text", "string_agg", "ILIKE");
