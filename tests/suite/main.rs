//! The integration tests: one binary, a module per area.

mod check_command;
mod equal_forms;
mod http_in;
mod map_command;
mod reload;
mod replies;
mod support;
mod transport_amqp;
mod two_stores;
mod waiting;
