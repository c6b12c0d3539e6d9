//! Brings a family of schemas into the content folder: checked before anything is written, then put there at once.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::{
    MANIFEST, Manifest, Root, Source, entries, roots,
    source::{is_licence, is_schema},
};
use crate::{
    base::{Place, Problem, Problems, Sha256, Timestamp},
    catalog::Library,
    schema::{FAMILY_CONFLICT, FAMILY_EMPTY, Formats, JsonSchema, MISSING_FILE, XsdHead, XsdSet},
};

/// What shall be added, and how.
#[derive(Debug)]
pub struct Addition<'a> {
    /// The content folder.
    pub content: &'a Path,
    /// The family.
    pub family: &'a str,
    /// Its version.
    pub version: &'a str,
    /// A licence file from elsewhere.
    pub licence: Option<(String, Vec<u8>)>,
    /// Whether other content under the same version may be replaced.
    pub replace: bool,
    /// Now.
    pub now: Timestamp,
}

/// What came of it.
#[derive(Debug)]
pub struct Added {
    /// What was recorded.
    pub manifest: Manifest,
    /// The folder.
    pub folder: PathBuf,
    /// Whether the same files were there already; then nothing was written.
    pub was_there: bool,
    /// What is worth knowing: warnings.
    pub warnings: Problems,
}

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The schemas cannot be used.
    #[error("{0}")]
    Schemas(Problems),
    /// Other content is there.
    #[error("{0}")]
    Conflict(Problem),
    /// The folder cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// Which file or folder.
        path: String,
        /// Why.
        error: io::Error,
    },
}

/// Checks a source and puts its files under `schemas/<family>/<version>/`. `step` is told what goes on.
///
/// # Errors
/// [`AddError`]; then the content folder is as it was.
pub fn add(mut source: Source, addition: &Addition<'_>, step: &dyn Fn(&str)) -> Result<Added, AddError> {
    if let Some((name, bytes)) = &addition.licence {
        source.files.insert(name.clone(), bytes.clone());
    }
    step("reading the schemas");
    let roots = check(&source, step).map_err(AddError::Schemas)?;
    let mut warnings = Problems::default();
    let named = addition.licence.as_ref().map(|(name, _)| name.as_str());
    let licences: Vec<String> =
        source.files.keys().filter(|path| is_licence(path) || named == Some(path)).cloned().collect();
    if licences.is_empty() {
        let text = format!("`{}` has no file named like a licence", source.name);
        let hint = "say under which terms the schemas may be used: --licence FILE";
        warnings.push(Problem::new(crate::schema::FAMILY_LICENCE, text).warning().hint(hint));
    }
    let manifest = Manifest {
        family: addition.family.to_owned(),
        version: addition.version.to_owned(),
        added: addition.now.to_string(),
        source: source.name.clone(),
        source_sha256: source.sha256.map(|digest| digest.to_string()),
        licences,
        roots,
        files: source.files.iter().map(|(path, bytes)| (path.clone(), Sha256::of(bytes).to_string())).collect(),
    };
    let content: PathBuf = addition.content.components().filter(|part| *part != Component::CurDir).collect();
    let family = content.join("schemas").join(addition.family);
    let folder = family.join(addition.version);
    let was_there = is_there(&manifest, &folder, addition)?;
    if !was_there {
        step("writing");
        write(&source.files, &manifest, &family, &folder)?;
    }
    Ok(Added { manifest, folder, was_there, warnings })
}

/// Whether the very files are there already.
fn is_there(manifest: &Manifest, folder: &Path, addition: &Addition<'_>) -> Result<bool, AddError> {
    let name = format!("{}/{}", addition.family, addition.version);
    let shipped = Library::shipped().list(&format!("schemas/{name}"), "");
    if !shipped.is_empty() {
        let text = format!("`{name}` ships with the program");
        let problem = Problem::new(FAMILY_CONFLICT, text).hint("choose another name: --family, --version");
        return Err(AddError::Conflict(problem));
    }
    if !folder.exists() {
        return Ok(false);
    }
    let known = fs::read(folder.join(MANIFEST)).ok().and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
    let is_whole = |known: &Manifest| {
        known.files == manifest.files
            && known.files.iter().all(|(path, digest)| {
                fs::read(folder.join(path)).is_ok_and(|bytes| Sha256::of(&bytes).to_string() == *digest)
            })
    };
    if known.as_ref().is_some_and(is_whole) {
        return Ok(true);
    }
    if addition.replace {
        return Ok(false);
    }
    let text = match &known {
        Some(known) => format!("`{name}` is there already, added from `{}` at {}", known.source, known.added),
        None => format!("`{name}` is there already, without a manifest"),
    };
    let place = Place { file: Some(folder.to_string_lossy().into()), ..Place::default() };
    let hint = "choose another --version, or --replace what is there";
    Err(AddError::Conflict(Problem::new(FAMILY_CONFLICT, text).at(place).hint(hint)))
}

/// Writes everything beside its place and renames it, so that no half family is ever seen.
fn write(files: &BTreeMap<String, Vec<u8>>, manifest: &Manifest, family: &Path, folder: &Path) -> Result<(), AddError> {
    let version = &manifest.version;
    let fresh = family.join(format!(".{version}.new"));
    let old = family.join(format!(".{version}.old"));
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| AddError::Write { path, error }
    };
    let clear = |path: &Path| match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    };
    clear(&fresh)?;
    clear(&old)?;
    let recorded = serde_json::to_vec_pretty(manifest).map_err(|error| failed(&fresh)(error.into()))?;
    let all = files.iter().map(|(path, bytes)| (path.as_str(), bytes)).chain([(MANIFEST, &recorded)]);
    let written = all.into_iter().try_for_each(|(path, bytes)| {
        let path = fresh.join(path);
        let parent = path.parent().unwrap_or(&fresh);
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, bytes)).map_err(failed(&path))
    });
    let placed = written.and_then(|()| {
        if folder.exists() {
            fs::rename(folder, &old).map_err(failed(folder))?;
        }
        fs::rename(&fresh, folder).map_err(|error| {
            let _ = fs::rename(&old, folder);
            failed(folder)(error)
        })
    });
    if placed.is_err() {
        let _ = clear(&fresh);
    }
    placed?;
    clear(&old)
}

/// Checks that the schemas can be used, and says which root elements their documents have.
fn check(source: &Source, step: &dyn Fn(&str)) -> Result<Vec<Root>, Problems> {
    let mut problems = Problems::default();
    let mut heads: BTreeMap<&str, XsdHead> = BTreeMap::new();
    if source.files.contains_key(MANIFEST) {
        let text = format!("`{MANIFEST}` is the name of our own record; the source has a file of that name");
        problems.push(Problem::new(crate::schema::FAMILY_SOURCE, text).hint("rename it"));
    }
    if !source.files.keys().any(|path| is_schema(path)) {
        let text = format!("`{}` has no schema files (.xsd, .json)", source.name);
        problems.push(Problem::new(FAMILY_EMPTY, text));
    }
    for (path, bytes) in source.files.iter().filter(|(path, _)| path.ends_with(".xsd")) {
        match XsdHead::read(path, bytes) {
            Ok(head) => drop(heads.insert(path, head)),
            Err(problem) => problems.push(problem),
        }
    }
    for reference in heads.values().flat_map(|head| &head.references) {
        if !source.files.contains_key(&reference.file) && !reference.is_dispensable {
            problems.push(missing(source, reference));
        }
    }
    let (roots, entries) = (roots(&heads), entries(&heads));
    if problems.has_errors() {
        return Err(shown(source, problems));
    }
    step(&format!("compiling {} schemas with all they include", entries.len()));
    let read = |path: &str| source.files.get(path).cloned();
    for loaded in XsdSet::load_all(&read, &entries, &[]) {
        if let Err(more) = loaded {
            problems.0.extend(more.0);
        }
    }
    for path in source.files.iter().filter(|(path, bytes)| path.ends_with(".json") && names_json_schema(bytes)) {
        if let Err(more) = JsonSchema::load(&read, path.0, Formats::default()) {
            problems.0.extend(more.0);
        }
    }
    if problems.has_errors() { Err(shown(source, problems)) } else { Ok(roots) }
}

/// Whether a JSON file says that it is a JSON Schema.
fn names_json_schema(bytes: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let dialect = value.as_ref().and_then(|value| value.get("$schema")?.as_str());
    dialect.is_some_and(|dialect| dialect.contains("json-schema.org"))
}

fn missing(source: &Source, reference: &crate::schema::XsdReference) -> Problem {
    let text = format!("the schema file `{}` cannot be found", reference.file);
    let problem = Problem::new(MISSING_FILE, text).at(reference.place.clone());
    let name = reference.file.rsplit('/').next().unwrap_or_default();
    let elsewhere = source.files.keys().find(|path| path.rsplit('/').next() == Some(name));
    if reference.is_address {
        return problem.hint("nothing is fetched: put a copy into the source and name it by a relative location");
    }
    match elsewhere {
        Some(path) => problem.hint(format!("there is `{path}`: name the folder or archive that keeps the paths")),
        None => problem.hint("name the folder or archive that holds it too"),
    }
}

/// Problems with the files as they lie in the source.
fn shown(source: &Source, mut problems: Problems) -> Problems {
    for problem in &mut problems.0 {
        if let Some(file) = &problem.place.file {
            problem.place.file = Some(format!("{}/{file}", source.name).into());
        }
    }
    problems.sort();
    problems
}
