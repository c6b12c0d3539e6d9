//! JSON Schema validation of whole documents: drafts 7, 2019-09 and 2020-12, formats asserted unless a profile says otherwise.
//!
//! The validator is the crate `jsonschema`. Schemas are read from the bytes given, never from a disk or a network;
//! patterns run on the linear-time engine, so one that needs to look around is refused when the schema is loaded.

mod files;
#[cfg(test)]
mod tests;
mod value;
mod wording;

use std::fmt;

use jsonschema::{PatternOptions, ReferencingError, Registry, Retrieve, error::ValidationErrorKind};

pub(super) use self::files::{Files, Schema, unescaped};
use self::value::Index;
use super::{Validator, Violation, code};
use crate::{
    base::{Place, Problem, Problems, Severity},
    document::{Document, NodeId},
};

/// Violations looked at before they are put in the order of the document.
const MOST_SORTED: usize = 2_000;

/// Bytes one compiled pattern may take.
const PATTERN_BYTES: usize = 8 << 20;

/// What `format` says (JSON Schema Validation 2020-12 §7.2): drafts leave it to the implementation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Formats {
    /// A value must have the format.
    #[default]
    Asserted,
    /// It is a word for people.
    Annotations,
}

/// A compiled JSON Schema with all it refers to; immutable, usable from any thread.
pub struct JsonSchema {
    entry: String,
    files: usize,
    validator: jsonschema::Validator,
}

impl fmt::Debug for JsonSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonSchema").field("entry", &self.entry).field("files", &self.files).finish_non_exhaustive()
    }
}

impl JsonSchema {
    /// Compiles a schema and everything it refers to; `read` gives the bytes of a name inside the schema folder.
    ///
    /// A reference to another file is relative to the file or to its `$id`; any other address, `https://host/path`, is
    /// looked for as the file `host/path`.
    ///
    /// # Errors
    /// `XD-S001` for a file that is not there, `XD-S003` for a reference that leads nowhere, `XD-S011` for a file that is
    /// no valid JSON Schema.
    pub fn load(read: &dyn Fn(&str) -> Option<Vec<u8>>, entry: &str, formats: Formats) -> Result<Self, Problems> {
        let files = Files::of(read, entry)?;
        let schema = files.entry();
        loop {
            match build(&schema, &files, formats) {
                Ok(validator) => return Ok(Self { entry: entry.to_owned(), files: files.len(), validator }),
                Err(failure) => match files.missing() {
                    Some(address) => drop(files.schema(&address)?),
                    None => return Err(problems(&failure, &schema)),
                },
            }
        }
    }

    /// How many files it was made of.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files
    }
}

/// Why a schema cannot be compiled.
enum Failure {
    /// It breaks the schema of schemas, or a keyword of it cannot be compiled.
    Invalid(Vec<jsonschema::ValidationError<'static>>),
    /// A reference leads nowhere.
    Reference(ReferencingError),
}

impl From<ReferencingError> for Failure {
    fn from(error: ReferencingError) -> Self {
        Self::Reference(error)
    }
}

impl From<jsonschema::ValidationError<'_>> for Failure {
    fn from(error: jsonschema::ValidationError<'_>) -> Self {
        let error = error.to_owned();
        match error.kind() {
            ValidationErrorKind::Referencing(_) => match error.into_parts().kind {
                ValidationErrorKind::Referencing(error) => Self::Reference(error),
                _ => Self::Invalid(Vec::new()),
            },
            _ => Self::Invalid(vec![error]),
        }
    }
}

fn build(schema: &Schema, files: &Files<'_>, formats: Formats) -> Result<jsonschema::Validator, Failure> {
    let mut registry = Registry::new().retriever(files.retriever());
    let own = schema.own_dialect();
    if let Some(dialect) = own {
        let address = jsonschema::uri::from_str(dialect)?;
        let unretrievable = |source| ReferencingError::Unretrievable { uri: dialect.to_owned(), source };
        let described = files.retriever().retrieve(&address).map_err(unretrievable)?;
        registry = registry.add(dialect, described)?;
    }
    let registry = registry.prepare()?;
    if own.is_some() {
        jsonschema::meta::options().with_registry(&registry).validate(&schema.value)?;
    } else {
        let meta = jsonschema::meta::validator_for(&schema.value)?;
        let errors: Vec<_> = meta.iter_errors(&schema.value).map(jsonschema::ValidationError::to_owned).collect();
        if !errors.is_empty() {
            return Err(Failure::Invalid(errors));
        }
    }
    let validator = jsonschema::options()
        .with_registry(&registry)
        .with_retriever(files.retriever())
        .with_base_uri(schema.address.clone())
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
        .should_validate_formats(formats == Formats::Asserted)
        .build(&schema.value)?;
    Ok(validator)
}

/// What is wrong with a schema, where it stands.
fn problems(failure: &Failure, schema: &Schema) -> Problems {
    let errors = match failure {
        Failure::Reference(error) => {
            let text = format!("a reference cannot be followed: {error}");
            return Problem::new(code::UNKNOWN_REFERENCE, text).at(schema.reference("")).into();
        }
        Failure::Invalid(errors) => errors,
    };
    let mut found = Problems::default();
    for error in errors {
        let words = wording::words(error);
        let problem = Problem {
            hint: words.expected.map(|expected| format!("expected {expected}")),
            ..Problem::new(code::INVALID_SCHEMA, format!("{} [{}]", words.text, error.kind().keyword()))
        };
        found.push(problem.at(schema.place(error.instance_path())));
    }
    found
}

impl Validator for JsonSchema {
    fn validate(&self, document: &Document, most: usize) -> Vec<Violation> {
        let value = value::of_document(document);
        let mut errors = self.validator.iter_errors(&value).take(MOST_SORTED).peekable();
        if errors.peek().is_none() {
            return Vec::new();
        }
        let index = Index::of(document);
        let mut found = Vec::new();
        for error in errors {
            let words = wording::words(&error);
            let paths = match words.members.as_slice() {
                [] => vec![error.instance_path().clone()],
                members => members.iter().map(|member| error.instance_path().join(member.as_str())).collect(),
            };
            for path in paths {
                let (node, rest) = index.find(document, &path);
                found.push((node, rest, error.kind().keyword().to_owned(), words.text.clone(), words.expected.clone()));
            }
        }
        found.sort_by_key(|(node, ..)| *node);
        found.dedup();
        found.truncate(most);
        let violation =
            |(node, rest, rule, text, expected): (NodeId, String, String, String, Option<String>)| Violation {
                code: code::VIOLATION,
                rule,
                severity: Severity::Error,
                text,
                expected,
                place: place(document, node, &rest),
            };
        found.into_iter().map(violation).collect()
    }
}

/// Where a node stands, or what is not there below it; the document itself where its text begins.
fn place(document: &Document, node: NodeId, rest: &str) -> Place {
    let place = if node == NodeId::ROOT && !document.source().is_empty() {
        let source = document.source();
        Place::of_offset(source, source.len() - source.trim_start().len()).with_path("/")
    } else {
        document.place(node)
    };
    match (&place.path, rest) {
        (_, "") => place,
        (Some(path), _) => {
            let path = format!("{}{rest}", path.trim_end_matches('/'));
            place.with_path(path)
        }
        (None, _) => place.with_path(rest),
    }
}
