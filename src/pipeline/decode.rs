//! From bytes to the one document a message carries, with what the hub must know about it.

use super::code;
use crate::{
    base::{Limits, Place, Problem},
    catalog::{Catalog, System},
    document::Document,
    format::{ReadOptions, Syntax, charset_of_media_type, read},
    mapping::Failure,
    profile::Profile,
};

/// A message, read.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Its document type.
    pub document_type: String,
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

/// Reads a message: character set, syntax, envelope, type, facts.
///
/// # Errors
/// The first problem, with its place in the message.
pub fn decode(
    catalog: &Catalog,
    system: &System,
    document_type: &str,
    content_type: Option<&str>,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Decoded, Problem> {
    let Some(profile) = catalog.profile(&system.profile) else {
        return Err(Problem::new(code::GONE, format!("there is no profile `{}` any more", system.profile)));
    };
    // A tolerant system may write text before its XML.
    let fallback = || system.reading.tolerant.then_some(Syntax::Xml);
    let Some(syntax) = Syntax::sniff(content_type, bytes).or_else(fallback) else {
        let text = "the message begins neither like XML nor like JSON, and no media type says which it is";
        return Err(Problem::new(code::NO_SYNTAX, text).at(Place::at(1, 1)).hint("send a Content-Type"));
    };
    let charset = content_type.and_then(charset_of_media_type).transpose()?;
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
    let reading = read(bytes, syntax, &options)?;
    let mut documents = profile.unwrap(&reading.document, limits).map_err(first)?;
    if documents.len() > 1 {
        let text = format!("the message carries {} documents", documents.len());
        return Err(Problem::new(code::SEVERAL_DOCUMENTS, text)
            .hint("send each document as a message of its own; `crossdock send --split` does it"));
    }
    let Some((found, document)) = documents.pop() else {
        let root = reading.document.root_element();
        let shown = root.and_then(|root| reading.document.qname(root)).map_or_else(String::new, ToString::to_string);
        let place = root.map_or_else(Place::default, |root| reading.document.place(root));
        let text = format!("the root `{shown}` is no document of profile `{}`", profile.name());
        return Err(Problem::new(code::NOT_IDENTIFIED, text)
            .at(place)
            .hint(format!("expected one of {}", names(profile).join(", "))));
    };
    if !document_type.is_empty() && document_type != found {
        let place = document.root_element().map_or_else(Place::default, |root| document.place(root));
        let text = format!("sent as `{document_type}`, but it is `{found}`");
        return Err(Problem::new(code::NOT_IDENTIFIED, text).at(place));
    }
    let facts = profile.facts(&found, &document, limits).map_err(first)?;
    let known = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Decoded {
        document_type: found,
        document,
        business_key: known(facts.business_key),
        site: known(facts.site),
        dedup_key: known(facts.dedup_key),
        date: known(facts.date),
        repairs: reading.repairs,
    })
}

fn first(failure: Failure) -> Problem {
    let fallback = || Problem::new(code::ROUTE_FORMULA, failure.to_string());
    failure.problems().into_iter().next().unwrap_or_else(fallback)
}
