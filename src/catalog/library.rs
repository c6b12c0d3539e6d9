//! Content files: the user's folder laid over the library that ships inside the program.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rust_embed::RustEmbed;

use super::code;
use crate::base::{Place, Problem};

#[derive(RustEmbed)]
#[folder = "mappings/"]
#[include = "*.yaml"]
#[include = "*.csv"]
#[exclude = "*/cases/*"]
struct ShippedMappings;

#[derive(RustEmbed)]
#[folder = "schemas/"]
#[include = "*.xsd"]
#[include = "*.json"]
struct ShippedSchemas;

#[derive(RustEmbed)]
#[folder = "codelists/"]
#[include = "*.csv"]
struct ShippedCodeLists;

/// Files by their path relative to the content folder, `/` between parts: `mappings/u8/profile.yaml`. A file of the
/// user's folder hides a shipped one of the same path.
#[derive(Clone, Debug)]
pub struct Library {
    folder: Option<PathBuf>,
}

impl Library {
    /// The shipped library alone.
    #[must_use]
    pub fn shipped() -> Self {
        Self { folder: None }
    }

    /// The user's content folder over the shipped library.
    #[must_use]
    pub fn over(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// The user's folder.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// How messages name a file: as the user would open it, or `(shipped) path`.
    #[must_use]
    pub fn shown(&self, path: &str) -> Arc<str> {
        match &self.folder {
            Some(folder) if folder.join(path).is_file() => {
                let full = folder.join(path);
                full.strip_prefix(".").unwrap_or(&full).to_string_lossy().into()
            }
            _ => format!("(shipped) {path}").into(),
        }
    }

    /// The bytes of a file; `None` when neither place has it.
    ///
    /// # Errors
    /// `XD-K001` when the user's file is there but cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Cow<'static, [u8]>>, Problem> {
        if let Some(folder) = &self.folder {
            match fs::read(folder.join(path)) {
                Ok(bytes) => return Ok(Some(bytes.into())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
                Err(error) => {
                    let place = Place { file: Some(self.shown(path)), ..Place::default() };
                    return Err(Problem::new(code::UNREADABLE, format!("cannot be read: {error}")).at(place));
                }
            }
        }
        let shipped = match path.split_once('/') {
            Some(("mappings", rest)) => ShippedMappings::get(rest),
            Some(("schemas", rest)) => ShippedSchemas::get(rest),
            Some(("codelists", rest)) => ShippedCodeLists::get(rest),
            _ => None,
        };
        Ok(shipped.map(|file| file.data))
    }

    /// Whether a file is the shipped one: there is one, and the user's folder has none of that path.
    #[must_use]
    pub fn is_shipped(&self, path: &str) -> bool {
        self.folder.as_ref().is_none_or(|folder| !folder.join(path).is_file())
    }

    /// The text of a file.
    ///
    /// # Errors
    /// `XD-K001` when it is missing, cannot be read or is not UTF-8.
    pub fn text(&self, path: &str) -> Result<String, Problem> {
        let place = || Place { file: Some(self.shown(path)), ..Place::default() };
        let Some(bytes) = self.read(path)? else {
            return Err(Problem::new(code::UNREADABLE, "there is no such file").at(place()));
        };
        String::from_utf8(bytes.into_owned()).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::new(code::UNREADABLE, format!("not UTF-8: the byte at offset {at} does not belong")).at(place())
        })
    }

    /// Every file below a folder whose name ends so, sorted.
    #[must_use]
    pub fn list(&self, below: &str, ending: &str) -> Vec<String> {
        let mut found = BTreeSet::new();
        let shipped = ShippedMappings::iter().map(|path| format!("mappings/{path}"));
        let shipped = shipped.chain(ShippedSchemas::iter().map(|path| format!("schemas/{path}")));
        let shipped = shipped.chain(ShippedCodeLists::iter().map(|path| format!("codelists/{path}")));
        found.extend(shipped.filter(|path| path.starts_with(&format!("{below}/")) && path.ends_with(ending)));
        if let Some(folder) = &self.folder {
            walk(&folder.join(below), below, 0, &mut |path| {
                if path.ends_with(ending) {
                    found.insert(path);
                }
            });
        }
        found.into_iter().collect()
    }
}

/// Folders nested deeper than this are not looked into.
const MAX_DEPTH: usize = 16;

fn walk(folder: &Path, name: &str, depth: usize, found: &mut dyn FnMut(String)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let Some(part) = file_name.to_str().filter(|part| !part.starts_with('.')) else { continue };
        let path = format!("{name}/{part}");
        if entry.path().is_dir() {
            if depth < MAX_DEPTH && part != "cases" {
                walk(&entry.path(), &path, depth + 1, found);
            }
        } else {
            found(path);
        }
    }
}
