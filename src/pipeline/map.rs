//! From a decoded document to the bytes a partner gets: mappings in their order, envelope, encoding. Pure.

use super::{Decoded, Direction, Facts, Received, RunHost, Xrefs, code, decode, judge};
use crate::{
    base::{Limits, Problem},
    catalog::{Catalog, System, Target},
    document::Document,
    format::{WriteOptions, write},
    mapping::{Explanation, Failure, Recording},
    store::{Hold, MessageInfo, Reason, StoreError, WaitKey, XrefKey},
};

/// What a partner gets.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The exact bytes, envelope included.
    pub bytes: Vec<u8>,
    /// Their media type.
    pub content_type: String,
    /// The document type they are.
    pub document_type: String,
    /// The digest of the mappings used.
    pub mapping_hash: String,
    /// What was noticed and does not stop it: warnings of assertions, violations of the target's schema.
    pub notes: Vec<String>,
}

/// Why there are no bytes.
#[derive(Clone, Debug)]
pub enum Stop {
    /// Cross references could not be looked up: nothing is known yet.
    Store(StoreError),
    /// A cross reference is not there yet: wait for it.
    MissingXref {
        /// Which.
        key: XrefKey,
        /// For people.
        problem: Problem,
    },
    /// A code table lacks a row: a person adds it.
    MissingCode(Problem),
    /// The mapping makes no such document of this message; the rule's name.
    LeftOut(String),
    /// The document cannot be mapped; with the cause it is parked for.
    Problem(&'static str, Problem),
}

impl Stop {
    /// What a delivery that stopped so becomes.
    ///
    /// # Errors
    /// When nothing is known yet: the store could not be asked.
    pub fn into_hold(self) -> Result<Hold, StoreError> {
        let park = |cause: &str, problem: &Problem| Hold::Park { reason: Reason::of(cause, problem) };
        Ok(match self {
            Self::Store(error) => return Err(error),
            Self::MissingXref { key, problem } => {
                Hold::Wait { key: WaitKey::Xref(key), reason: Reason::of("xref", &problem) }
            }
            Self::MissingCode(problem) => park("code", &problem),
            Self::LeftOut(rule) => Hold::Filter { rule },
            Self::Problem(cause, problem) => park(cause, &problem),
        })
    }

    /// Why, for people.
    ///
    /// # Errors
    /// Those of [`Self::into_hold`].
    pub fn reason(self) -> Result<Reason, StoreError> {
        Ok(match self.into_hold()? {
            Hold::Wait { reason, .. } | Hold::Park { reason } => reason,
            Hold::Filter { rule } => Reason { cause: "filtered".into(), text: rule, ..Reason::default() },
            Hold::Later { .. } => Reason::default(),
        })
    }
}

/// A stored message on its way to one target: what a delivery would send, and where its fields come from.
#[derive(Clone, Copy)]
pub struct Dispatch<'a> {
    /// The content to map with.
    pub catalog: &'a Catalog,
    /// The message.
    pub message: &'a MessageInfo,
    /// Its bytes, as received.
    pub bytes: &'a [u8],
    /// The route that leads to the target.
    pub route: &'a str,
    /// Which document of a mapping that makes several; empty when it makes one.
    pub document: &'a str,
    /// The target system.
    pub system: &'a System,
    /// Where cross references are looked up.
    pub xrefs: &'a dyn Xrefs,
    /// The limits of documents and evaluation.
    pub limits: &'a Limits,
}

impl Dispatch<'_> {
    /// Reads the message and maps it: the bytes a delivery would send.
    ///
    /// # Errors
    /// See [`Stop`].
    pub fn map(&self) -> Result<Mapped, Stop> {
        let Self { catalog, system, xrefs, limits, .. } = *self;
        let Reading { decoded, facts, target } = self.read()?;
        map_document(catalog, target, system, &decoded.document, &facts, xrefs, limits)
    }

    /// Where the fields of [`Self::map`]'s document come from, through all mappings of the chain, envelope left out; `None`
    /// when no mapping made them or one of them stopped.
    #[must_use]
    pub fn explain(&self) -> Option<Explanation> {
        let Self { catalog, system, xrefs, limits, .. } = *self;
        let Reading { decoded, facts, target } = self.read().ok()?;
        let host = RunHost::new(catalog, &facts, system, xrefs);
        let mut current = decoded.document;
        let mut whole: Option<Explanation> = None;
        for mapping in &target.mappings {
            let mut explanation = Explanation::default();
            current = mapping.apply(&current, &host, limits, Some(&mut explanation)).ok()?;
            whole = Some(match whole {
                Some(before) => before.then(explanation),
                None => explanation,
            });
        }
        whole
    }

    fn read(&self) -> Result<Reading<'_>, Stop> {
        let Self { catalog, message, bytes, route, document, system, limits, .. } = *self;
        let gone = |text: String| Stop::Problem("no-route", Problem::new(code::GONE, text));
        let Some(source) = catalog.system(&message.system) else {
            return Err(gone(format!("system `{}` is not configured any more", message.system)));
        };
        let decoded = decode(catalog, source, Received::of(message, bytes), limits)
            .map_err(|problem| Stop::Problem("unreadable", problem))?;
        let Some(target) = catalog.target(route, &system.id, document) else {
            return Err(gone(format!("route `{route}` does not lead to `{}` any more", system.id)));
        };
        let facts = Facts { date: decoded.date.clone(), ..Facts::of(message) };
        Ok(Reading { decoded, facts, target })
    }
}

/// Maps a document for a target: the bytes it would get.
///
/// # Errors
/// See [`Stop`].
pub(super) fn map_document(
    catalog: &Catalog,
    target: &Target,
    system: &System,
    document: &Document,
    facts: &Facts,
    xrefs: &dyn Xrefs,
    limits: &Limits,
) -> Result<Mapped, Stop> {
    let host = RunHost::new(catalog, facts, system, xrefs);
    let outcome = run(catalog, target, system, document, &host, limits);
    let outcome = outcome.unwrap_or_else(|failure| Err(stop(&failure, &host, system)));
    match host.failed() {
        Some(error) => Err(Stop::Store(error)),
        None => outcome,
    }
}

/// A stored message, read for a target.
struct Reading<'a> {
    decoded: Decoded,
    facts: Facts,
    target: &'a Target,
}

fn run(
    catalog: &Catalog,
    target: &Target,
    system: &System,
    document: &Document,
    host: &RunHost<'_>,
    limits: &Limits,
) -> Result<Result<Mapped, Stop>, Failure> {
    let mut current = std::borrow::Cow::Borrowed(document);
    let mut notes = Vec::new();
    for mapping in &target.mappings {
        let made = mapping.make(&current, host, limits, Recording::default())?;
        notes.extend(made.warnings.iter().map(ToString::to_string));
        current = std::borrow::Cow::Owned(made.document);
    }
    let encoding = &system.encoding;
    let judgement = judge(catalog, system, Direction::Out, &target.document_type, &current, encoding.syntax, limits);
    notes.extend(judgement.notes());
    if let Some((cause, problem)) = judgement.stop {
        return Ok(Err(Stop::Problem(cause, problem)));
    }
    if let Some(profile) = catalog.profile(&system.profile) {
        current = std::borrow::Cow::Owned(profile.wrap(&current, host, limits)?);
    }
    let options = WriteOptions {
        charset: encoding.charset,
        layout: encoding.layout,
        unmappable: encoding.unmappable,
        convention: encoding.convention,
        arrays: encoding.arrays.clone(),
        ..WriteOptions::default()
    };
    let bytes = write(&current, encoding.syntax, &options)?;
    Ok(Ok(Mapped {
        bytes,
        content_type: encoding.media_type(),
        document_type: target.document_type.clone(),
        mapping_hash: target.mapping_hash().to_string(),
        notes,
    }))
}

fn stop(failure: &Failure, host: &RunHost<'_>, system: &System) -> Stop {
    if let Failure::LeftOut { rule } = failure {
        return Stop::LeftOut(rule.clone());
    }
    let Failure::Missing { codes, xrefs } = failure else {
        let unknown = || Problem::new(code::POISON, "the mapping failed without a reason");
        return Stop::Problem("mapping", failure.problems().into_iter().next().unwrap_or_else(unknown));
    };
    if !codes.is_empty() {
        let wanted: Vec<String> =
            codes.iter().map(|missing| format!("`{}` in code table `{}`", missing.value, missing.table)).collect();
        let text = format!("no code for {} (system `{}`)", wanted.join(", "), system.id);
        let problem = Problem::new(code::MISSING_CODE, text)
            .at(codes.first().map(|missing| missing.place.clone()).unwrap_or_default())
            .hint("add the row to codes/, then reload (SIGHUP); it goes on by itself");
        return Stop::MissingCode(problem);
    }
    match xrefs.first() {
        Some(xref) => {
            let key = host.xref_key(&xref.entity, &xref.id, xref.system.as_deref());
            let text = format!(
                "`{}` does not know {} `{}` yet; it goes on by itself once it does",
                key.target_system, xref.entity, xref.id
            );
            let problem = Problem::new(code::MISSING_XREF, text).at(xref.place.clone());
            Stop::MissingXref { key, problem }
        }
        None => Stop::Problem("mapping", Problem::new(code::POISON, "the mapping misses something it does not name")),
    }
}
