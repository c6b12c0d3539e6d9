//! What a person brings as a family of schemas: a zip archive or a folder, read whole and with limits.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use zip::{ZipArchive, result::ZipError};

use crate::{
    base::{Place, Problem, Sha256, Sha256Builder},
    schema::FAMILY_SOURCE,
};

/// The most files of a source that are looked at.
const MOST_FILES: usize = 20_000;
/// The most bytes of one file; the largest official schema has 5 MB.
const FILE_BYTES: u64 = 64 << 20;
/// The most bytes of all files together, unpacked.
const ALL_BYTES: u64 = 512 << 20;
/// Folders nest at most this deep.
const MAX_DEPTH: usize = 12;

/// The schema files of a source and its licences.
#[derive(Debug, Default)]
pub struct Source {
    /// What was given, as its own name says: `schemas.zip`.
    pub name: String,
    /// The digest of the archive; `None` for a folder.
    pub sha256: Option<Sha256>,
    /// The bytes by path, `/` between parts.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Source {
    /// Reads a zip archive or a folder: the files that [`is_kept`] names. Nothing is written.
    ///
    /// # Errors
    /// `XD-S030`: it cannot be read, leads outside itself or is larger than the limits.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let shown = path.display().to_string();
        let name = path.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
        let mut source = Self { name, ..Self::default() };
        let mut left = Budget { files: MOST_FILES, bytes: ALL_BYTES };
        let refused = |text: String| {
            let place = Place { file: Some(shown.as_str().into()), ..Place::default() };
            Problem::new(FAMILY_SOURCE, text).at(place)
        };
        if path.is_dir() {
            source.folder(path, "", 0, &mut left).map_err(refused)?;
        } else {
            source.sha256 = Some(digest(path).map_err(|error| refused(format!("cannot be read: {error}")))?);
            source.archive(path, &mut left).map_err(refused)?;
        }
        Ok(source)
    }

    fn folder(&mut self, folder: &Path, name: &str, depth: usize, left: &mut Budget) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("folders nest deeper than {MAX_DEPTH}: `{name}`"));
        }
        let unreadable = |error: io::Error| format!("`{name}` cannot be read: {error}");
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let part = entry.file_name().into_string().map_err(|part| format!("a file name is not UTF-8: {part:?}"))?;
            let path = if name.is_empty() { part } else { format!("{name}/{part}") };
            // A link is not followed: it may lead outside.
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() && !is_hidden(&path) {
                self.folder(&entry.path(), &path, depth + 1, left)?;
            } else if kind.is_file() && is_kept(&path) {
                let file = File::open(entry.path()).map_err(unreadable)?;
                self.take(path, file, left)?;
            }
        }
        Ok(())
    }

    fn archive(&mut self, path: &Path, left: &mut Budget) -> Result<(), String> {
        let no_archive = |error: ZipError| format!("is no zip archive that can be read: {error}");
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(no_archive)?;
        if archive.len() > MOST_FILES {
            return Err(format!("has {} entries; at most {MOST_FILES} are read", archive.len()));
        }
        for at in 0..archive.len() {
            let entry = archive.by_index(at).map_err(no_archive)?;
            let written = entry.name().map_err(no_archive)?.replace('\\', "/");
            if written.starts_with('/') || written.contains(':') || written.split('/').any(|part| part == "..") {
                return Err(format!("has an entry that leads outside: `{written}`"));
            }
            let parts: Vec<&str> = written.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
            let path = parts.join("/");
            if entry.is_dir() || entry.is_symlink() || !is_kept(&path) {
                continue;
            }
            if parts.len() > MAX_DEPTH {
                return Err(format!("folders nest deeper than {MAX_DEPTH}: `{path}`"));
            }
            if self.files.contains_key(&path) {
                return Err(format!("has two entries named `{path}`"));
            }
            self.take(path, entry, left)?;
        }
        Ok(())
    }

    fn take(&mut self, path: String, from: impl Read, left: &mut Budget) -> Result<(), String> {
        let most = FILE_BYTES.min(left.bytes);
        let mut bytes = Vec::new();
        from.take(most + 1).read_to_end(&mut bytes).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
        let size = bytes.len() as u64;
        if size > most {
            let mib = |bytes: u64| bytes >> 20;
            return Err(format!(
                "`{path}` is too large: one file may have {} MiB, all together {} MiB",
                mib(FILE_BYTES),
                mib(ALL_BYTES)
            ));
        }
        left.bytes -= size;
        left.files = left.files.checked_sub(1).ok_or_else(|| format!("has more than {MOST_FILES} files"))?;
        self.files.insert(path, bytes);
        Ok(())
    }
}

/// What may still be read.
struct Budget {
    files: usize,
    bytes: u64,
}

/// Whether a file of a source is kept: schemas (`.xsd`, `.json`) and what is named like a licence.
#[must_use]
pub fn is_kept(path: &str) -> bool {
    !is_hidden(path) && (is_schema(path) || is_licence(path))
}

/// Whether a file's name says that it is a schema.
#[must_use]
pub fn is_schema(path: &str) -> bool {
    path.ends_with(".xsd") || path.ends_with(".json")
}

/// Whether a file's name says that it is a licence.
#[must_use]
pub fn is_licence(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
    !is_schema(&name) && ["licen", "copying", "notice", "ipr", "terms"].iter().any(|word| stem.contains(word))
}

fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

fn digest(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut all = Sha256Builder::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(all.finish()),
            count => all.add(&buffer[..count]),
        }
    }
}
