//! The integration tests: one binary, a module per area.

mod bad_messages;
mod check_command;
mod demo_command;
mod equal_forms;
mod error_pages;
mod file_transport;
mod http_in;
mod map_command;

mod operations;
mod reload;
mod replies;
mod schemas;
mod send_command;
mod support;
mod test_command;
mod transport_amqp;
mod two_stores;
mod waiting;
