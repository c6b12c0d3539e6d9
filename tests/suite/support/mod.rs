//! The real programs under test: a hub, partners, commands; started on free ports, killed and reaped when dropped.
//!
//! It stands apart from the areas so that each of them reads as what a user does. It must not assert anything about the
//! product beyond "it started". A new program gets a type that owns its [`Program`].

#![allow(dead_code, unused_imports, reason = "each area uses a part")]

mod command;
mod erp;
mod http;
mod hub;
mod port;
mod program;
mod setup;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

pub use command::{Ran, crossdock, crossdock_in};
pub use erp::Erp;
pub use http::{Http, Reply};
pub use hub::{Hub, KEY};
pub use port::free_port;
pub use program::Program;
pub use setup::Setup;

/// How long anything in these tests may take before it counts as not happening.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(15));
    }
}

/// Asks again and again until it is so.
#[track_caller]
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, holds);
}

/// The same with a patience of its own, for long work.
#[track_caller]
pub fn wait_within(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {patience:?}");
        thread::sleep(Duration::from_millis(15));
    }
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One of the example's messages.
pub fn message_file(name: &str) -> PathBuf {
    root().join("examples/dealer-group/messages").join(name)
}

/// The bytes of one of the example's messages.
pub fn message(name: &str) -> Vec<u8> {
    let path = message_file(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One of the example's messages, as text.
pub fn message_text(name: &str) -> String {
    String::from_utf8(message(name)).expect("the message is UTF-8")
}

/// The texts of the elements of a name without attributes, in order, as written in the XML.
pub fn texts<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close)).map(|(text, _)| text).collect()
}

/// An order for a customer of S01, told apart by its number.
pub fn order(number: &str, customer: &str) -> Vec<u8> {
    message_text("order-before-customer.xml").replace("SO-2026-0005", number).replace("C-1009", customer).into_bytes()
}

/// A customer of S01.
pub fn customer(id: &str) -> Vec<u8> {
    message_text("customer-C-1009.xml").replace("C-1009", id).into_bytes()
}
