//! The integration tests: one binary, a module per area.

mod http_in;
mod support;
mod transport_amqp;
