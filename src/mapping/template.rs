//! Compiled output trees and questions: the core of mappings, envelopes, replies and simulators.

use std::{cell::RefCell, sync::Arc};

use super::{
    Environment, Failure, RuleInfo, RulePlace, SourceFile,
    compile::{Compiled, Compiler},
    field_use::Touched,
    observer::Recording,
    plan::{Block, Field, OutputName, OutputTable, Part, Rule},
    run::Writing,
    scope::{Answers, with_scope},
};
use crate::{
    base::{Limits, Problem, Problems},
    content::Yaml,
    document::Document,
    xpath::{Host, Symbols, Value},
};

/// What the formulas and names of a template may refer to.
#[derive(Clone, Copy, Default)]
pub struct TemplateScope<'a> {
    /// The schemas and code tables.
    pub environment: Environment<'a>,
    /// Prefixes, for paths and output names.
    pub namespaces: &'a [(String, String)],
    /// Namespace of unprefixed element names in paths.
    pub default_element_namespace: Option<&'a str>,
    /// Variables whose values the caller gives to each run.
    pub given: &'a [String],
    /// Blocks that `$use` may insert.
    pub fragments: Option<&'a Yaml>,
}

/// A condition every input must meet.
#[derive(Debug)]
pub(super) struct Assertion {
    pub that: Rule,
    pub message: Rule,
    /// Whether the document is made all the same.
    pub is_warning: bool,
}

/// What belongs to an output tree besides it.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub lets: Option<&'a Yaml>,
    pub assertions: &'a [&'a Yaml],
    /// Without it there is no document.
    pub condition: Option<&'a Yaml>,
}

/// What a template made.
#[derive(Debug)]
pub struct Made {
    /// The output document.
    pub document: Document,
    /// Assertions of severity `warning` that do not hold.
    pub warnings: Vec<Problem>,
}

/// A compiled output tree; run it as often as needed, from any thread.
#[derive(Debug)]
pub struct Template {
    pub(super) file: Arc<str>,
    pub(super) symbols: Symbols,
    pub(super) names: Vec<OutputName>,
    pub(super) table: OutputTable,
    pub(super) root: Block,
    pub(super) assertions: Vec<Assertion>,
    pub(super) rules: Vec<RuleInfo>,
    /// What of the source is read, and what of the target is filled.
    pub(super) touched: (Touched, Touched),
    /// The fragments of other files that are used.
    pub(super) shared: Vec<(String, SourceFile)>,
}

impl Template {
    /// Compiles an output tree with its variables (`lets`); every problem goes to `problems`.
    #[must_use]
    pub fn compile(
        lets: Option<&Yaml>,
        output: &Yaml,
        file: &Arc<str>,
        scope: &TemplateScope<'_>,
        problems: &RefCell<Problems>,
    ) -> Self {
        let rules = Rules { lets, assertions: &[], condition: None };
        Self::compile_with(&rules, output, file, scope, problems)
    }

    pub(super) fn compile_with(
        rules: &Rules<'_>,
        output: &Yaml,
        file: &Arc<str>,
        scope: &TemplateScope<'_>,
        problems: &RefCell<Problems>,
    ) -> Self {
        let mut compiler = Compiler::new(file, *scope, problems);
        let root_type = compiler.root_type();
        let lets = rules.lets.map(|lets| compiler.lets(lets, &root_type)).unwrap_or_default();
        let assertions = rules.assertions.iter();
        let assertions = assertions.filter_map(|assertion| compiler.assertion(assertion, &root_type)).collect();
        let condition = rules.condition.and_then(|condition| compiler.rule(condition, &root_type));
        let mut root = compiler.root(output);
        root.lets.splice(0..0, lets);
        root.first_slot = scope.given.len();
        root.condition = condition;
        let touched = compiler.touched();
        let Compiled { symbols, names, rules, shared } = compiler.finish();
        let table = OutputTable::new(&names);
        Self { file: file.clone(), symbols, names, table, root, assertions, rules, touched, shared }
    }

    /// A template that makes nothing and knows the rules of others.
    pub(super) fn standing_for<'t>(file: &Arc<str>, others: impl Iterator<Item = &'t Self>) -> Self {
        let mut rules: Vec<RuleInfo> = Vec::new();
        let mut touched = <(Touched, Touched)>::default();
        for (at, other) in others.enumerate() {
            rules.extend(other.rules.iter().cloned());
            touched.0.add(&other.touched.0);
            if at == 0 {
                touched.1.add(&other.touched.1);
            }
        }
        rules.sort_by(|a, b| a.place.cmp(&b.place));
        rules.dedup_by(|a, b| a.place == b.place);
        Self {
            file: file.clone(),
            symbols: Symbols::default(),
            names: Vec::new(),
            table: OutputTable::new(&[]),
            root: Block::at(file, 1, 1),
            assertions: Vec::new(),
            rules,
            touched,
            shared: Vec::new(),
        }
    }

    /// The file it is from.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Makes the output document.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn apply(
        &self,
        input: &Document,
        given: &[Value],
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<Document, Failure> {
        Writing::run(self, input, given, host, limits, Recording::default()).map(|made| made.document)
    }

    /// The rule that makes a field, by the field's path in the output; without one of its own, the block around it.
    #[must_use]
    pub fn rule_of(&self, path: &str) -> RulePlace {
        let steps: Vec<&str> = path
            .split('/')
            .filter(|step| !step.is_empty())
            .map(|step| step.split('[').next().unwrap_or_default())
            .map(|step| step.rsplit(':').next().unwrap_or_default())
            .collect();
        rule_below(self, &self.root, &steps).unwrap_or_else(|| of_block(&self.root))
    }

    /// Every formula and literal of the file, in file order, each once.
    #[must_use]
    pub fn rules(&self) -> &[RuleInfo] {
        &self.rules
    }
}

fn of_rule(rule: &Rule) -> RulePlace {
    RulePlace::of(&rule.file, rule.line, rule.column)
}

fn of_block(block: &Block) -> RulePlace {
    RulePlace::of(&block.file, block.line, block.column)
}

/// The rule a path leads to below a block: the deepest one found.
fn rule_below(template: &Template, block: &Block, steps: &[&str]) -> Option<RulePlace> {
    let (step, deeper) = steps.split_first()?;
    if let Some(attribute) = step.strip_prefix('@') {
        let named = |field: &&Field| &*template.names[field.name].name.local == attribute;
        return block.attributes.iter().find(named).map(|field| of_rule(&field.rule));
    }
    let named = |part: &&Part| part.name().is_some_and(|name| &*template.names[name].name.local == *step);
    let found = block.parts.iter().filter(named).find_map(|part| rule_in(template, part, deeper));
    let copied =
        || block.parts.iter().find_map(|part| if let Part::Copy(rule) = part { Some(of_rule(rule)) } else { None });
    found.or_else(copied).or_else(|| block.merge.as_ref().map(|merge| of_rule(&merge.from)))
}

fn rule_in(template: &Template, part: &Part, deeper: &[&str]) -> Option<RulePlace> {
    match part {
        Part::Field(field) => Some(of_rule(&field.rule)),
        Part::Block { block, .. } => {
            let own = block.texts.first().map_or_else(|| of_block(block), |text| of_rule(&text.rule));
            rule_below(template, block, deeper).or(Some(own))
        }
        Part::Choice { branches, .. } => {
            branches.iter().flat_map(|branch| &branch.parts).find_map(|part| rule_in(template, part, deeper))
        }
        Part::Branch { part, .. } => rule_in(template, part, deeper),
        Part::Copy(_) => None,
    }
}

/// Several formulas with common variables, asked of one document.
#[derive(Debug)]
pub struct Questions {
    file: Arc<str>,
    symbols: Symbols,
    first_slot: usize,
    lets: Vec<Rule>,
    rules: Vec<Rule>,
}

impl Questions {
    /// Compiles formulas or literals, with their variables; every problem goes to `problems`. A question that does not
    /// compile is left out, so the answers' numbers are only right when there are no problems.
    #[must_use]
    pub fn compile<'y>(
        lets: Option<&Yaml>,
        questions: impl IntoIterator<Item = &'y Yaml>,
        file: &Arc<str>,
        scope: &TemplateScope<'_>,
        problems: &RefCell<Problems>,
    ) -> Self {
        let mut compiler = Compiler::new(file, *scope, problems);
        let root_type = compiler.root_type();
        let lets = lets.map(|lets| compiler.lets(lets, &root_type)).unwrap_or_default();
        let rules = questions.into_iter().filter_map(|question| compiler.rule(question, &root_type)).collect();
        let Compiled { symbols, .. } = compiler.finish();
        Self { file: file.clone(), symbols, first_slot: scope.given.len(), lets, rules }
    }

    /// Asks a document; `use_answers` gets the answers by number, in the order compiled.
    ///
    /// # Errors
    /// Whatever `use_answers` returns.
    pub fn ask<T>(
        &self,
        document: &Document,
        given: &[Value],
        host: &dyn Host,
        limits: &Limits,
        use_answers: impl FnOnce(&Answers<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        with_scope(
            &self.file,
            &self.symbols,
            (self.first_slot, &self.lets),
            (document, given),
            (host, None),
            limits,
            |scope| use_answers(&Answers::new(scope, &self.rules)),
        )
    }
}
