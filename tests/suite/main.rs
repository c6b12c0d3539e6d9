//! The integration tests: one binary, a module per area.

mod transport_amqp;
