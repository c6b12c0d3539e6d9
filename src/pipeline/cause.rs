//! Why things are held: every cause, who ends it, and what a person does about it.

/// What lets a held thing go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// New content: a code, a mapping, a schema, a route. Tried by itself whenever content is read.
    Content,
    /// Another document: goes on by itself when it is delivered.
    Document,
    /// A person: releases it, skips it, or sends a corrected copy.
    Person,
}

/// A cause, and who ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The word in [`crate::store::Reason::cause`].
    pub word: &'static str,
    /// What lets it go on.
    pub ended_by: EndedBy,
    /// What happened, in a few words.
    pub meaning: &'static str,
}

const fn cause(word: &'static str, ended_by: EndedBy, meaning: &'static str) -> Cause {
    Cause { word, ended_by, meaning }
}

/// Every cause there is.
pub const CAUSES: &[Cause] = &[
    cause("xref", EndedBy::Document, "the target does not know an entity yet"),
    cause("code", EndedBy::Content, "a code table has no row for a value"),
    cause("schema", EndedBy::Content, "the document breaks its schema"),
    cause("rule", EndedBy::Content, "the document breaks a value rule"),
    cause("mapping", EndedBy::Content, "a mapping or a route's formula stopped"),
    cause("no-route", EndedBy::Content, "no route takes it, or its route or system is gone"),
    cause("unreadable", EndedBy::Content, "it cannot be read"),
    cause("calendar", EndedBy::Person, "the calendar keeps it for later"),
    cause("refused", EndedBy::Person, "its key is known with other content"),
    cause("poison", EndedBy::Person, "working on it ended in a way nobody foresaw"),
    cause("rejected", EndedBy::Person, "the partner refused it for good"),
    cause("exhausted", EndedBy::Person, "all attempts failed"),
    cause("unknown", EndedBy::Person, "nobody knows whether it arrived"),
];

/// The causes that new content may end.
pub fn ended_by_content() -> impl Iterator<Item = &'static str> {
    CAUSES.iter().filter(|cause| cause.ended_by == EndedBy::Content).map(|cause| cause.word)
}
