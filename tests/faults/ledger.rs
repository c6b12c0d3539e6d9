//! The senders' ledger: every note that was sent, when its sending began, and when it was acknowledged.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::note::{Kind, Note};

/// One note in the ledger.
#[derive(Clone, Debug)]
pub struct Sent {
    pub kind: Kind,
    /// When the first try began.
    pub from: Instant,
    /// When it was acknowledged.
    pub to: Option<Instant>,
}

/// What was sent and what was acknowledged.
#[derive(Default)]
pub struct Ledger {
    sent: Mutex<BTreeMap<Note, Sent>>,
    ids: Mutex<BTreeMap<Note, String>>,
    wrong: Mutex<Vec<String>>,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// A note is about to be sent for the first time.
    pub fn begin(&self, note: Note, kind: Kind) {
        held(&self.sent).insert(note, Sent { kind, from: Instant::now(), to: None });
    }

    /// A note was acknowledged, over HTTP with the message's id. Every acknowledgement of a note must name the same one.
    pub fn acknowledge(&self, note: Note, message: Option<&str>) {
        if let Some(sent) = held(&self.sent).get_mut(&note) {
            sent.to.get_or_insert_with(Instant::now);
        }
        let Some(message) = message else { return };
        let mut ids = held(&self.ids);
        let first = ids.entry(note).or_insert_with(|| message.to_owned());
        if first != message {
            self.wrong(format!("{note:?} was acknowledged as {first} and as {message}"));
        }
    }

    /// Something a sender saw that must not happen.
    pub fn wrong(&self, what: String) {
        held(&self.wrong).push(what);
    }

    /// What the senders complained about.
    pub fn complaints(&self) -> Vec<String> {
        held(&self.wrong).clone()
    }

    /// A copy of the books.
    pub fn sent(&self) -> BTreeMap<Note, Sent> {
        held(&self.sent).clone()
    }

    /// How many notes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        held(&self.sent).values().filter(|sent| sent.to.is_some()).count()
    }
}
