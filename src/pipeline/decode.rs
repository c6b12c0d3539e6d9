//! From bytes to the documents a message carries, with what the hub must know about them.

use super::code;
use crate::{
    base::{Limits, Place, Problem},
    catalog::{Catalog, System},
    document::{Document, NodeId},
    format::{ReadOptions, Reading, Syntax, WriteOptions, charset_of_media_type, read, write},
    mapping::Failure,
    profile::{self, Inside, Profile},
    store::MessageInfo,
};

/// The parts of a message together may be so many times as long as a document: each declares its namespaces anew.
const PARTS_GROWTH: usize = 4;

/// What came in.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The document type as the sender named it, or as it is known; empty when not.
    pub document_type: &'a str,
    /// The media type, if any.
    pub content_type: Option<&'a str>,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether it is a document of a message that was split: no envelope is looked for.
    pub is_part: bool,
}

impl<'a> Received<'a> {
    /// A stored message.
    #[must_use]
    pub fn of(message: &'a MessageInfo, bytes: &'a [u8]) -> Self {
        Self {
            document_type: &message.document_type,
            content_type: (!message.content_type.is_empty()).then_some(message.content_type.as_str()),
            bytes,
            is_part: message.parent.is_some()
                || (message.edited_from.is_some() && message.attributes.contains_key("batch_position")),
        }
    }
}

/// What a message carries.
#[derive(Clone, Debug)]
pub enum Content {
    /// One document.
    One(Box<Decoded>),
    /// Several documents, each to become a message of its own.
    Several {
        /// The documents, in order.
        parts: Vec<Part>,
        /// What had to be repaired to read the message.
        repairs: Vec<Problem>,
    },
}

/// One of several documents of a message.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its bytes, written anew: compact, in UTF-8.
    pub bytes: Vec<u8>,
    /// Their media type.
    pub content_type: String,
    /// Its document type, when known.
    pub document_type: Option<String>,
    /// Its own key for recognising repetitions.
    pub dedup_key: Option<String>,
    /// Its place in the message.
    pub place: Place,
    /// Why it cannot go on.
    pub problem: Option<Problem>,
}

/// A message, read.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Its document type.
    pub document_type: String,
    /// How it was written.
    pub syntax: Syntax,
    /// The document, envelope removed.
    pub document: Document,
    /// The key people know it by.
    pub business_key: Option<String>,
    /// The site it belongs to.
    pub site: Option<String>,
    /// Its own key for recognising repetitions.
    pub dedup_key: Option<String>,
    /// Its own day, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// What had to be repaired to read it.
    pub repairs: Vec<Problem>,
}

/// The document type a sender named, completed: the version may be left out, and so may the family when the name alone
/// is clear.
///
/// # Errors
/// `XD-D001` with the types the system may send.
pub fn resolve_type(catalog: &Catalog, system: &System, named: &str) -> Result<String, Problem> {
    let types: Vec<String> = catalog.profile(&system.profile).map_or_else(Vec::new, |profile| names(profile));
    let without_version = |name: &str| name.split('@').next().unwrap_or_default().to_owned();
    let short = |name: &str| without_version(name).rsplit('/').next().unwrap_or_default().to_owned();
    let tests: [&dyn Fn(&str) -> bool; 3] =
        [&|known| known == named, &|known| without_version(known) == named, &|known| short(known) == named];
    for test in tests {
        let mut fitting = types.iter().filter(|known| test(known));
        if let (Some(only), None) = (fitting.next(), fitting.next()) {
            return Ok(only.clone());
        }
    }
    let text = format!("system `{}` sends no documents of type `{named}`", system.id);
    Err(Problem::new(code::UNKNOWN_TYPE, text)
        .hint(format!("it sends {}", types.join(", ")))
        .did_you_mean(named, types.iter().map(String::as_str)))
}

fn names(profile: &Profile) -> Vec<String> {
    profile.document_types().map(|known| known.name.clone()).collect()
}

/// Reads a message that carries one document: character set, syntax, envelope, type, facts.
///
/// # Errors
/// The first problem, with its place in the message.
pub fn decode(catalog: &Catalog, system: &System, received: Received<'_>, limits: &Limits) -> Result<Decoded, Problem> {
    match open(catalog, system, received, limits)? {
        Content::One(decoded) => Ok(*decoded),
        Content::Several { parts, .. } => {
            let text = format!("the message carries {} documents where it carried one", parts.len());
            Err(Problem::new(code::SEVERAL_DOCUMENTS, text).hint("the profile has changed since; send it again"))
        }
    }
}

/// Reads a message, however many documents it carries.
///
/// # Errors
/// The first problem, with its place in the message; those of one of several documents are with that document.
pub fn open(catalog: &Catalog, system: &System, received: Received<'_>, limits: &Limits) -> Result<Content, Problem> {
    let Some(profile) = catalog.profile(&system.profile) else {
        return Err(Problem::new(code::GONE, format!("there is no profile `{}` any more", system.profile)));
    };
    let (syntax, reading) = read_message(profile, system, received, limits)?;
    let document = &reading.document;
    let mut inside = if received.is_part {
        whole(profile, received.document_type, document)
    } else {
        profile.unwrap(document, limits).map_err(first)?
    };
    if inside.len() > 1 {
        let parts = take_apart(profile, system, received, syntax, document, &inside, limits)?;
        return Ok(Content::Several { parts, repairs: reading.repairs });
    }
    let Some(only) = inside.pop() else { return Err(not_identified(profile, document, document.root_element())) };
    let content = only.document(document);
    let (document_type, facts) = identify(profile, received, document, &only, &content, limits)?;
    Ok(Content::One(Box::new(Decoded {
        document_type,
        syntax,
        document: content,
        business_key: known(facts.business_key),
        site: known(facts.site),
        dedup_key: known(facts.dedup_key),
        date: known(facts.date),
        repairs: reading.repairs,
    })))
}

/// The message's document, whatever the system's settings call for.
fn read_message(
    profile: &Profile,
    system: &System,
    received: Received<'_>,
    limits: &Limits,
) -> Result<(Syntax, Reading), Problem> {
    // A tolerant system may write text before its XML.
    let fallback = || system.reading.tolerant.then_some(Syntax::Xml);
    let Some(syntax) = Syntax::sniff(received.content_type, received.bytes).or_else(fallback) else {
        let text = "the message begins neither like XML nor like JSON, and no media type says which it is";
        return Err(Problem::new(code::NO_SYNTAX, text).at(Place::at(1, 1)).hint("send a Content-Type"));
    };
    let charset = received.content_type.and_then(charset_of_media_type).transpose()?;
    let namespace = profile.json_namespace().map(Into::into);
    let options = ReadOptions {
        limits: limits.clone(),
        charset,
        agreed_charset: system.reading.charset,
        namespace,
        doctype: system.reading.doctype,
        tolerant: system.reading.tolerant,
        duplicates: system.reading.duplicates,
        convention: system.reading.convention,
    };
    Ok((syntax, read(received.bytes, syntax, &options)?))
}

/// A part is a document as it is.
fn whole(profile: &Profile, document_type: &str, document: &Document) -> Vec<Inside> {
    let named = (!document_type.is_empty()).then(|| document_type.to_owned());
    let document_type = named.or_else(|| profile.identify(document).map(|of| of.name.clone()));
    document.root_element().map(|root| Inside { document_type, root }).into_iter().collect()
}

/// The type and facts of one document found in a message.
fn identify(
    profile: &Profile,
    received: Received<'_>,
    message: &Document,
    inside: &Inside,
    content: &Document,
    limits: &Limits,
) -> Result<(String, profile::Facts), Problem> {
    let Some(found) = &inside.document_type else { return Err(not_identified(profile, message, Some(inside.root))) };
    if !received.document_type.is_empty() && received.document_type != found {
        let text = format!("sent as `{}`, but it is `{found}`", received.document_type);
        return Err(Problem::new(code::NOT_IDENTIFIED, text).at(message.place(inside.root)));
    }
    Ok((found.clone(), profile.facts(found, content, limits).map_err(first)?))
}

/// Makes messages of the documents of a message.
fn take_apart(
    profile: &Profile,
    system: &System,
    received: Received<'_>,
    syntax: Syntax,
    message: &Document,
    inside: &[Inside],
    limits: &Limits,
) -> Result<Vec<Part>, Problem> {
    let refused = |text: String| {
        let hint = "have the sender put fewer documents into one message, or send them with `crossdock send --split`";
        Problem::new(code::SEVERAL_DOCUMENTS, text).hint(hint)
    };
    if inside.len() > limits.parts {
        return Err(refused(format!("the message carries {} documents, more than {}", inside.len(), limits.parts)));
    }
    let options = WriteOptions { convention: system.reading.convention, ..WriteOptions::default() };
    let allowed = limits.document_bytes.saturating_mul(PARTS_GROWTH);
    let mut size = 0_usize;
    let mut parts = Vec::with_capacity(inside.len());
    for one in inside {
        let content = one.document(message);
        let place = message.place(one.root);
        let bytes = write(&content, syntax, &options).map_err(|problem| problem.at(place.clone()))?;
        size = size.saturating_add(bytes.len());
        if size > allowed {
            return Err(refused(format!("the message's documents are longer than {allowed} bytes together")));
        }
        let identified = identify(profile, received, message, one, &content, limits);
        let (facts, problem) = match identified {
            Ok((_, facts)) => (facts, None),
            Err(problem) => (profile::Facts::default(), Some(problem)),
        };
        parts.push(Part {
            bytes,
            content_type: format!("{}; charset=utf-8", syntax.media_type()),
            document_type: one.document_type.clone(),
            dedup_key: known(facts.dedup_key),
            place,
            problem,
        });
    }
    Ok(parts)
}

fn not_identified(profile: &Profile, document: &Document, root: Option<NodeId>) -> Problem {
    let shown = root.and_then(|root| document.qname(root)).map_or_else(String::new, ToString::to_string);
    let place = root.map_or_else(Place::default, |root| document.place(root));
    let versions = root.map(|root| profile.with_root(document, root)).unwrap_or_default();
    if !versions.is_empty() {
        let versions: Vec<&str> = versions.iter().map(|of| of.name.as_str()).collect();
        let text = format!("the document with the root `{shown}` is none of the versions {}", versions.join(", "));
        let hint = "the conditions `when` of profile.yaml tell them apart; send another version, or add this one";
        return Problem::new(code::NOT_IDENTIFIED, text).at(place).hint(hint);
    }
    let text = format!("the root `{shown}` is no document of profile `{}`", profile.name());
    Problem::new(code::NOT_IDENTIFIED, text).at(place).hint(format!("expected one of {}", names(profile).join(", ")))
}

fn known(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn first(failure: Failure) -> Problem {
    let fallback = || Problem::new(code::ROUTE_FORMULA, failure.to_string());
    failure.problems().into_iter().next().unwrap_or_else(fallback)
}
