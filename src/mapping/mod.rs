//! Mapping files: parse, check against the schemas of both sides, compile, run, explain.
//!
//! It stands apart so that "what does this message become?" is one pure function: a compiled [`Mapping`] and a document
//! in, a document or a [`Failure`] out. It never does I/O, never logs, and asks the outside only through
//! [`crate::xpath::Host`]. A new key of the mapping language is read in `compile.rs`, gets its place in the plan of
//! `plan.rs`, and is carried out in `run.rs`.

mod case;
mod check;
mod choice;
mod code;
mod compile;
mod conditions;
mod explanation;
mod failure;
mod field_use;
mod fragment;
mod grammar;
mod merge;
mod observer;
mod plan;
mod repetition;
mod run;
mod scope;
mod shape;
mod source;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use case::{Context, Difference, Expectation, compare, judge};
pub use code::CODES;
pub use conditions::{Conditions, Demand};
pub use explanation::{
    CodeUse, Explanation, FORMAT, FieldExplanation, MappingVersion, RulePlace, SourceField, XrefUse,
};
pub use failure::{Failure, MissingCode, MissingXref};
pub use field_use::{FieldCoverage, FieldGap};
pub use fragment::Fragment;
pub use grammar::{FILE_KEYS, GrammarKey, INSTRUCTION_KEYS, PARAMETERS_KEY, fragment_file_schema, mapping_file_schema};
pub use observer::{Evaluation, Evaluations, Observer, ReadNode, Recording, RuleInfo, Usage, UsedRules};
pub use scope::Answers;
pub use source::Source;
pub use template::{Made, Questions, Template, TemplateScope};

pub(crate) use compile::{default_namespace, namespaces};

use crate::{
    base::{Limits, Problem, Problems, Sha256},
    document::Document,
    schema::Model,
    xpath::Host,
};

/// What a mapping is checked against. Without a model nothing of that side is checked.
#[derive(Clone, Copy, Default)]
pub struct Environment<'a> {
    /// The schema of the `from` document type.
    pub source: Option<&'a Model>,
    /// The schema of the `to` document type.
    pub target: Option<&'a Model>,
    /// The names of all code tables.
    pub code_tables: Option<&'a [String]>,
    /// The fragments all mappings of the profile may use.
    pub fragments: &'a [Fragment],
    /// The schemas of document types, for a mapping that makes several documents: used instead of `target`.
    pub targets: &'a [(String, Arc<Model>)],
}

impl Environment<'_> {
    /// The environment of one target document type.
    fn of(&self, to: &str) -> Self {
        let named = self.targets.iter().find(|(known, _)| known == to).map(|(_, model)| &**model);
        Self { target: named.or(self.target), ..*self }
    }
}

/// A compiled mapping file; apply it as often as needed, from any thread.
#[derive(Debug)]
pub struct Mapping {
    from: String,
    to: String,
    /// Its name among the documents of a mapping that makes several.
    document: Option<Arc<str>>,
    hash: Sha256,
    files: Vec<SourceFile>,
    template: Template,
    /// The documents it makes, each as a mapping of its own; empty when it makes one.
    documents: Vec<Arc<Mapping>>,
    warnings: Problems,
}

/// A file a mapping was compiled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The file, as named when compiled.
    pub file: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

/// The document types a mapping file names, read without compiling it: to find the schemas it is compiled against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The `from` document type.
    pub from: String,
    /// The `to` document type; those of its documents when it makes several.
    pub to: Vec<String>,
}

impl Mapping {
    /// Reads `from` and `to` of a mapping file.
    ///
    /// # Errors
    /// When the file is no YAML or lacks one of them.
    pub fn ends(text: &str, file: &Arc<str>) -> Result<Ends, Problems> {
        compile::ends(text, file)
    }

    /// Compiles a mapping file.
    ///
    /// # Errors
    /// Every problem found, in file order, warnings included, when at least one is an error.
    pub fn compile(text: &str, file: &Arc<str>, environment: &Environment<'_>) -> Result<Self, Problems> {
        compile::mapping(text, file, environment)
    }

    /// The `from` document type.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The `to` document type; the first document's when it makes several.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The documents it makes, in declared order, each as a mapping of its own; empty when it makes just one.
    #[must_use]
    pub fn documents(&self) -> &[Arc<Mapping>] {
        &self.documents
    }

    /// Its name among the documents of the mapping it is of.
    #[must_use]
    pub fn document(&self) -> Option<&Arc<str>> {
        self.document.as_ref()
    }

    /// The file, as named when compiled.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        self.template.file()
    }

    /// SHA-256 of the file's text and of the shared fragments it uses: the mapping's version.
    #[must_use]
    pub fn content_hash(&self) -> Sha256 {
        self.hash
    }

    /// The texts its version covers: the file itself, then the fragments of other files it uses.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// What probably is not as meant.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings.0
    }

    /// Makes the target document; fills `trace` with the origin of every field when given.
    ///
    /// # Errors
    /// See [`Failure`]. All missing codes and cross references of the document are reported at once.
    pub fn apply(
        &self,
        input: &Document,
        host: &dyn Host,
        limits: &Limits,
        trace: Option<&mut Explanation>,
    ) -> Result<Document, Failure> {
        self.apply_recorded(input, host, limits, Recording { explanation: trace, observer: None })
    }

    /// The same, with more to record.
    ///
    /// # Errors
    /// Those of [`Self::apply`]; what was recorded until then stays.
    pub fn apply_recorded(
        &self,
        input: &Document,
        host: &dyn Host,
        limits: &Limits,
        recording: Recording<'_>,
    ) -> Result<Document, Failure> {
        self.make(input, host, limits, recording).map(|made| made.document)
    }

    /// The same, with what the mapping's assertions warn of.
    ///
    /// # Errors
    /// Those of [`Self::apply`]; what was recorded until then stays.
    pub fn make(
        &self,
        input: &Document,
        host: &dyn Host,
        limits: &Limits,
        mut recording: Recording<'_>,
    ) -> Result<Made, Failure> {
        if let Some(explanation) = recording.explanation.as_deref_mut() {
            explanation.mapping = self.template.file().to_string();
            explanation.version = self.hash.to_string();
        }
        if !self.documents.is_empty() {
            let names: Vec<&str> = self.documents.iter().filter_map(|one| one.document.as_deref()).collect();
            let text = format!("this mapping makes several documents: {}", names.join(", "));
            let place = crate::base::Place::in_file(self.file(), 1, 1);
            return Err(Problem::new(code::SEVERAL_DOCUMENTS, text).at(place).hint("say which one").into());
        }
        run::Writing::run(&self.template, input, &[], host, limits, recording).map_err(|failure| match failure {
            Failure::LeftOut { .. } => {
                let name = self.document.as_deref().unwrap_or_default();
                Failure::LeftOut { rule: format!("document {name} of {}", self.file()) }
            }
            other => other,
        })
    }

    /// Every formula and literal of the file, in file order, each once.
    #[must_use]
    pub fn rules(&self) -> &[RuleInfo] {
        self.template.rules()
    }

    /// Which fields of the source's schema its formulas read.
    #[must_use]
    pub fn source_coverage(&self, model: &Model) -> FieldCoverage {
        field_use::coverage(model, &self.template.touched.0)
    }

    /// Which fields of the target's schema its rules fill.
    #[must_use]
    pub fn target_coverage(&self, model: &Model) -> FieldCoverage {
        field_use::coverage(model, &self.template.touched.1)
    }

    /// Whether formulas may read source fields that cannot be told beforehand.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.template.touched.0.is_blind
    }

    /// The rule that makes a field, by the field's path in the output; without one of its own, the block around it.
    #[must_use]
    pub fn rule_of(&self, path: &str) -> RulePlace {
        self.template.rule_of(path)
    }
}
