//! The integration tests: one binary, a module per area.

mod acts;
mod bad_messages;
mod check_command;
mod cookbook;
mod crash;
mod delivery;
mod demo_command;
mod disk_full;
mod documents;
mod envelopes;
mod equal_forms;
mod error_pages;
mod file_transport;
mod http_in;
mod map_command;

mod operating;
mod operations;
mod relay_amqp;
mod reload;
mod replay_command;
mod replies;
mod schema_command;
mod schema_drafts;
mod schema_family;
mod schema_modes;
mod schemas;
mod send_command;
mod split_command;
mod support;
mod test_command;
mod transport_amqp;
mod transport_amqp_confirms;
mod transport_amqp_rate;
mod transport_amqp_topology;
mod transport_sftp;
mod transport_sql;
mod transports_page;
mod tutorial;
mod two_stores;
mod validate_command;
mod versions;
mod waiting;

/// A service's address from the environment.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`, which starts it"))
}
