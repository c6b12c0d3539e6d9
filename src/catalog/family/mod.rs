//! Families of schemas in the content folder: `schemas/<family>/<version>/`, with a manifest of what was brought.

mod add;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use add::{AddError, Added, Addition, add};
pub use source::Source;

use super::Library;
use crate::{
    base::{Place, Problem, Sha256},
    document::QName,
    schema::{FAMILY_CHANGED, XsdHead},
};

/// The manifest's name inside the folder of a family's version.
pub const MANIFEST: &str = "family.json";

/// What was brought as a family, from where and when.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The family.
    pub family: String,
    /// Its version.
    pub version: String,
    /// When it was added: RFC 3339.
    pub added: String,
    /// The name of the archive or folder.
    pub source: String,
    /// The archive's SHA-256; absent for a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<String>,
    /// The licence files among `files`.
    #[serde(default)]
    pub licences: Vec<String>,
    /// The root elements of documents, with the schema files that declare them.
    pub roots: Vec<Root>,
    /// Path → SHA-256 of every file.
    pub files: BTreeMap<String, String>,
}

/// A root element of documents of a family.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Its local name.
    pub element: String,
    /// Its namespace; empty for none.
    pub namespace: String,
    /// The schema file, inside the folder of the version.
    pub file: String,
}

/// How the files of a family stand to its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Part of the program.
    Shipped,
    /// As they were added.
    AsAdded,
    /// Put there by hand: there is no manifest.
    NoManifest,
    /// Not as they were added: each difference.
    Changed(Vec<Problem>),
}

/// A family of schemas.
#[derive(Clone, Debug)]
pub struct Family {
    /// The family: the first folder under `schemas/`.
    pub family: String,
    /// Its version: the second.
    pub version: String,
    /// Its files, inside the folder of the version; without the manifest.
    pub files: Vec<String>,
    /// The root elements of documents.
    pub roots: Vec<Root>,
    /// What was recorded when it was added.
    pub manifest: Option<Manifest>,
    /// Whether the files are those.
    pub state: State,
}

impl Family {
    /// Every family of a library, the shipped ones too, by name and version; reads every file.
    #[must_use]
    pub fn all(library: &Library) -> Vec<Self> {
        let mut places: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for path in library.list("schemas", "") {
            let mut parts = path.splitn(4, '/').skip(1);
            if let (Some(family), Some(version), Some(file)) = (parts.next(), parts.next(), parts.next()) {
                places.entry((family.to_owned(), version.to_owned())).or_default().push(file.to_owned());
            }
        }
        places.into_iter().map(|((family, version), files)| Self::read(library, family, version, files)).collect()
    }

    fn read(library: &Library, family: String, version: String, mut files: Vec<String>) -> Self {
        let path = |file: &str| format!("schemas/{family}/{version}/{file}");
        let bytes = |file: &str| library.read(&path(file)).ok().flatten();
        let manifest: Option<Manifest> = bytes(MANIFEST).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        files.retain(|file| file != MANIFEST);
        let own = files.iter().any(|file| !library.is_shipped(&path(file)));
        let state = match &manifest {
            Some(manifest) => {
                let found: BTreeMap<&str, Sha256> =
                    files.iter().filter_map(|file| Some((file.as_str(), Sha256::of(&bytes(file)?)))).collect();
                let differing = differences(manifest, &found, &|file| library.shown(&path(file)));
                if differing.is_empty() { State::AsAdded } else { State::Changed(differing) }
            }
            None if own => State::NoManifest,
            None => State::Shipped,
        };
        let roots = match &manifest {
            Some(manifest) => manifest.roots.clone(),
            None => {
                let head = |file: &String| XsdHead::read(file, &bytes(file)?).ok();
                roots(&files.iter().filter_map(|file| Some((file.as_str(), head(file)?))).collect())
            }
        };
        Self { family, version, files, roots, manifest, state }
    }
}

fn differences(
    manifest: &Manifest,
    found: &BTreeMap<&str, Sha256>,
    shown: &dyn Fn(&str) -> std::sync::Arc<str>,
) -> Vec<Problem> {
    let names: BTreeSet<&str> = manifest.files.keys().map(String::as_str).chain(found.keys().copied()).collect();
    let told = |name: &str| {
        let text = match (manifest.files.get(name), found.get(name)) {
            (Some(known), Some(now)) if *known == now.to_string() => return None,
            (Some(_), Some(_)) => "the file is not as it was added",
            (Some(_), None) => "the file was added and is gone",
            _ => "the file was not added with the others",
        };
        let place = Place { file: Some(shown(name)), ..Place::default() };
        let hint = "add the family again with --replace, or under a version of its own";
        Some(Problem::new(FAMILY_CHANGED, text).warning().at(place).hint(hint))
    };
    names.into_iter().filter_map(told).collect()
}

/// A file of more elements than this, none of which is its name, is a dictionary, not a document.
const DICTIONARY: usize = 20;

/// The files of documents: those that no other file includes or imports; all, when each is.
fn entries<'a>(heads: &BTreeMap<&'a str, XsdHead>) -> Vec<&'a str> {
    let led_to: BTreeSet<&str> = heads
        .iter()
        .flat_map(|(file, head)| head.references.iter().map(move |reference| (*file, reference.file.as_str())))
        .filter(|(from, to)| from != to)
        .map(|(_, to)| to)
        .collect();
    let entries: Vec<&str> = heads.keys().copied().filter(|file| !led_to.contains(file)).collect();
    let has_elements = |file: &&str| heads.get(file).is_some_and(|head| !head.elements.is_empty());
    if entries.iter().any(has_elements) { entries } else { heads.keys().copied().collect() }
}

/// The root elements of documents, of each entry the element the file is named after; without one, all its elements,
/// unless they are many.
fn roots(heads: &BTreeMap<&str, XsdHead>) -> Vec<Root> {
    let mut roots = Vec::new();
    for file in entries(heads) {
        let Some(head) = heads.get(file) else { continue };
        let stem = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".xsd");
        let is_named = |name: &&QName| stem.split(['-', '_', '.']).any(|part| *part == *name.local);
        let named: Vec<&QName> = head.elements.iter().filter(is_named).collect();
        if !named.is_empty() {
            roots.extend(named.into_iter().map(|name| root(name, file)));
        } else if head.elements.len() <= DICTIONARY {
            roots.extend(head.elements.iter().map(|name| root(name, file)));
        }
    }
    roots.sort();
    roots
}

fn root(name: &QName, file: &str) -> Root {
    Root { element: name.local.to_string(), namespace: name.namespace.to_string(), file: file.to_owned() }
}
