//! The compiled schemas of document types: made at first use, since most commands need none.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use super::Library;
use crate::{
    base::Problems,
    profile::Profile,
    schema::{Formats, JsonSchema, Model, Validator, XsdSet},
};

/// A compiled schema, or why there is none.
pub type Compiled = Result<Arc<dyn Validator>, Problems>;

/// The schemas of all document types.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    /// By the folder of the files: `ubl/2.4`.
    families: BTreeMap<String, Family>,
    /// Document type → folder, place among its files.
    places: BTreeMap<String, (String, usize)>,
    /// JSON Schemas by document type.
    json: BTreeMap<String, JsonFile>,
}

/// A JSON Schema file that a document type names.
#[derive(Debug)]
struct JsonFile {
    library: Library,
    entry: String,
    formats: Formats,
    compiled: OnceLock<Compiled>,
}

/// The schema files of one folder that document types name.
#[derive(Debug)]
struct Family {
    library: Library,
    entries: Vec<String>,
    models: Vec<Arc<Model>>,
    sets: OnceLock<Vec<Compiled>>,
}

impl Schemas {
    /// Knows every schema that a profile's document types name; compiles none yet.
    pub(super) fn of<'a>(
        library: &Library,
        profiles: impl Iterator<Item = &'a Arc<Profile>>,
        models: &BTreeMap<String, Arc<Model>>,
    ) -> Self {
        let mut schemas = Self::default();
        for document in profiles.flat_map(|profile| profile.document_types()) {
            if let Some(entry) = document.json_schema.clone() {
                let (library, formats) = (library.clone(), document.formats);
                let file = JsonFile { library, entry, formats, compiled: OnceLock::new() };
                schemas.json.insert(document.name.clone(), file);
            }
            let Some(file) = &document.schema else { continue };
            let folder: Vec<&str> = file.split('/').take(2).collect();
            let folder = if folder.len() == 2 { folder.join("/") } else { String::new() };
            let family = schemas.families.entry(folder.clone()).or_insert_with(|| Family {
                library: library.clone(),
                entries: Vec::new(),
                models: Vec::new(),
                sets: OnceLock::new(),
            });
            let place = family.entries.iter().position(|known| known == file).unwrap_or_else(|| {
                family.entries.push(file.clone());
                family.models.extend(models.get(file).cloned());
                family.entries.len() - 1
            });
            schemas.places.insert(document.name.clone(), (folder, place));
        }
        schemas
    }

    /// The compiled XML Schema of a document type, compiled with its family the first time; `None` without a schema.
    pub(super) fn xsd(&self, document_type: &str) -> Option<&Compiled> {
        let (folder, place) = self.places.get(document_type)?;
        self.families.get(folder)?.sets().get(*place)
    }

    /// The compiled JSON Schema of a document type, compiled the first time; `None` without one.
    pub(super) fn json(&self, document_type: &str) -> Option<&Compiled> {
        let file = self.json.get(document_type)?;
        Some(file.compiled.get_or_init(|| {
            let loaded = JsonSchema::load(&|path| read(&file.library, path), &file.entry, file.formats);
            loaded
                .map(|schema| Arc::new(schema) as Arc<dyn Validator>)
                .map_err(|problems| shown(&file.library, problems))
        }))
    }
}

/// The bytes of a schema file.
fn read(library: &Library, path: &str) -> Option<Vec<u8>> {
    library.read(&format!("schemas/{path}")).ok().flatten().map(std::borrow::Cow::into_owned)
}

/// Problems with the files as the user would open them.
fn shown(library: &Library, mut problems: Problems) -> Problems {
    for problem in &mut problems.0 {
        if let Some(file) = &problem.place.file {
            problem.place.file = Some(library.shown(&format!("schemas/{file}")));
        }
    }
    problems
}

impl Family {
    fn sets(&self) -> &[Compiled] {
        self.sets.get_or_init(|| {
            let entries: Vec<&str> = self.entries.iter().map(String::as_str).collect();
            let compiled = XsdSet::load_all(&|path| read(&self.library, path), &entries, &self.models);
            let set = |set: Arc<XsdSet>| set as Arc<dyn Validator>;
            compiled.into_iter().map(|one| one.map(set).map_err(|problems| shown(&self.library, problems))).collect()
        })
    }
}
