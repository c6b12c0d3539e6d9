//! The checked set: systems, routes, profiles, mappings, schemas and code tables, read, compiled and checked together.
//!
//! It stands apart because correctness of content is a property of the whole: a route is right only if its systems,
//! types and mappings are. A [`Catalog`] is immutable and swapped whole. Loading reports every problem of every file at
//! once. It reads files and nothing else: sinks and sources are built in `app` from the plain data kept here.

mod amqp;
mod calendar;
mod code;
mod code_list;
mod code_table;
mod family;
mod library;
mod load;
mod relay;
mod route;
mod schemas;
mod secret;
mod system;
#[cfg(test)]
mod tests;
mod way_file;
mod way_http;
mod way_sql;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use calendar::{Calendar, Closure};
pub use code::{CODES, UNKNOWN_SYSTEM, UNREADABLE};
pub use code_list::CodeLists;
pub use code_table::{CodeTables, Found, Occasion};
pub use family::{AddError, Added, Addition, Family, MANIFEST, Manifest, Root, Source, State, add};
pub use library::Library;
pub use route::{Mode, Route, Target, Test};
pub use schemas::Compiled;
pub use secret::{Environment, resolve};
pub use system::{
    CalendarUse, DeliveryConfig, Encoding, ReadingConfig, SchemaConfig, SchemaMode, SinkConfig, Sources, System,
};

use crate::{
    base::{Language, Problem, Problems, Sha256},
    content::{Fields, Yaml},
    format::Syntax,
    mapping::Mapping,
    profile::{Profile, Rules},
    schema::Model,
};

/// The checked set.
#[derive(Debug, Default)]
pub struct Catalog {
    systems: BTreeMap<String, Arc<System>>,
    routes: Vec<Arc<Route>>,
    profiles: BTreeMap<String, Arc<Profile>>,
    mappings: BTreeMap<String, Arc<Mapping>>,
    models: BTreeMap<String, Arc<Model>>,
    schemas: schemas::Schemas,
    rules: BTreeMap<String, Arc<Rules>>,
    calendars: BTreeMap<String, Arc<Calendar>>,
    codes: CodeTables,
    lists: CodeLists,
    hash: Sha256,
}

impl Catalog {
    /// Reads and checks everything. The catalog is usable only when no problem is an error.
    #[must_use]
    pub fn load(library: &Library, environment: &dyn Environment) -> (Self, Problems) {
        load::load(library, environment)
    }

    /// A system.
    #[must_use]
    pub fn system(&self, id: &str) -> Option<&Arc<System>> {
        self.systems.get(id)
    }

    /// All systems, by id.
    pub fn systems(&self) -> impl Iterator<Item = &Arc<System>> {
        self.systems.values()
    }

    /// All routes, by file name.
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Where a route leads to in a system, with which document.
    #[must_use]
    pub fn target(&self, route: &str, system: &str, document: &str) -> Option<&Target> {
        let route = self.routes.iter().find(|known| known.id == route)?;
        route.targets.iter().find(|target| target.system == system && target.document == document)
    }

    /// A profile.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Arc<Profile>> {
        self.profiles.get(name)
    }

    /// All profiles, by name.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.values()
    }

    /// The profile that speaks a document type.
    #[must_use]
    pub fn profile_of(&self, document_type: &str) -> Option<&Arc<Profile>> {
        self.profiles.values().find(|profile| profile.document_type(document_type).is_some())
    }

    /// A mapping by its name: `profile/from-to-to`.
    #[must_use]
    pub fn mapping(&self, name: &str) -> Option<&Arc<Mapping>> {
        self.mappings.get(name)
    }

    /// All mappings, by name.
    pub fn mappings(&self) -> impl Iterator<Item = (&String, &Arc<Mapping>)> {
        self.mappings.iter()
    }

    /// The type model of a document type, when its profile names a schema.
    #[must_use]
    pub fn model(&self, document_type: &str) -> Option<&Arc<Model>> {
        let of = self.profile_of(document_type)?.document_type(document_type)?;
        self.models.get(&load::model_key(of)?)
    }

    /// The compiled schema of a document type for documents in a syntax, or why it cannot be used; compiled the first
    /// time it is asked for. `None` when the profile names no schema for that syntax.
    #[must_use]
    pub fn validator(&self, document_type: &str, syntax: Syntax) -> Option<&Compiled> {
        match syntax {
            Syntax::Xml => self.schemas.xsd(document_type),
            Syntax::Json => self.schemas.json(document_type),
        }
    }

    /// Compiles the schemas of every document type that systems exchange and that are to be validated. Documents would
    /// have them compiled one by one, and the first ones wait.
    #[must_use]
    pub fn compile_schemas(&self) -> Problems {
        let validated = self.systems().filter(|system| system.schema.is_on());
        let profiles: BTreeSet<&str> = validated.map(|system| system.profile.as_str()).collect();
        let types =
            profiles.into_iter().filter_map(|name| self.profile(name)).flat_map(|profile| profile.document_types());
        let mut found = Problems::default();
        for document in types {
            for syntax in [Syntax::Xml, Syntax::Json] {
                if let Some(Err(problems)) = self.validator(&document.name, syntax) {
                    problems.0.iter().cloned().for_each(|problem| found.push(problem));
                }
            }
        }
        found.0.dedup();
        found
    }

    /// The value rules of a profile, when it has any.
    #[must_use]
    pub fn rules(&self, profile: &str) -> Option<&Arc<Rules>> {
        self.rules.get(profile)
    }

    /// A calendar.
    #[must_use]
    pub fn calendar(&self, name: &str) -> Option<&Calendar> {
        self.calendars.get(name).map(|calendar| &**calendar)
    }

    /// The code lists.
    #[must_use]
    pub fn lists(&self) -> &CodeLists {
        &self.lists
    }

    /// The code tables.
    #[must_use]
    pub fn codes(&self) -> &CodeTables {
        &self.codes
    }

    /// A setting of a system: its own, else its profile's default.
    #[must_use]
    pub fn setting(&self, system: &System, name: &str) -> Option<String> {
        let own = system.settings.get(name).cloned();
        own.or_else(|| self.profile(&system.profile)?.default_setting(name).map(ToOwned::to_owned))
    }

    /// Whether a profile's documents carry a key of their own.
    #[must_use]
    pub fn has_document_keys(&self, profile: &str) -> bool {
        self.profile(profile).is_some_and(|profile| profile.has_document_keys())
    }

    /// The digest of all content files: which content is in force.
    #[must_use]
    pub fn hash(&self) -> Sha256 {
        self.hash
    }
}

/// A name in both languages; either may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Titles {
    en: Option<String>,
    zh: Option<String>,
}

impl Titles {
    /// The name in a language, else in the other one.
    #[must_use]
    pub fn get(&self, language: Language) -> Option<&str> {
        let (first, second) = match language {
            Language::English => (&self.en, &self.zh),
            Language::Chinese => (&self.zh, &self.en),
        };
        first.as_deref().or(second.as_deref())
    }

    /// Reads `title: text` or `title: {en: …, zh: …}`.
    fn read(fields: &Fields<'_>) -> Self {
        let Some(title) = fields.get("title") else { return Self::default() };
        if let Some(text) = title.text() {
            return Self { en: Some(text.to_owned()), zh: None };
        }
        let fields = Fields::new(title, fields.file(), fields.problems());
        let read = |key| fields.text(key).map(ToOwned::to_owned);
        let titles = Self { en: read("en"), zh: read("zh") };
        fields.finish();
        titles
    }
}

/// Ids stand in URLs, file names and lane keys: letters, digits, `-`, `_` and `.` only.
fn check_name(name: &str, node: &Yaml, file: &Arc<str>, problems: &RefCell<Problems>) {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fine) || name.starts_with('.') {
        let text = format!("`{name}` is no usable name: 1 to 64 letters, digits, `-`, `_` and `.`");
        problems.borrow_mut().push(Problem::new(code::NAME, text).at(node.place(file)));
    }
}
