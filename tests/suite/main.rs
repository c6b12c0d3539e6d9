//! The integration tests: one binary, a module per area.

mod crash;
mod transport_amqp;

/// A service's address from the environment.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`, which starts it"))
}
