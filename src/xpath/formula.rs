//! A compiled formula.

use std::sync::Arc;

use super::{
    Binding, Budget, Failure, Frame, Scope, Spot, StaticType, Value,
    compile::{self, Compiler},
    evaluate::{Focus, Run},
    infer::{self, Analysis},
    op::Op,
    parser,
};
use crate::base::{Place, Problem, Problems};

/// A compiled formula; evaluate it as often as needed, from any thread.
#[derive(Clone, Debug)]
pub struct Formula {
    text: Arc<str>,
    op: Op,
    analysis: Arc<Analysis>,
    file: Option<Arc<str>>,
    line: u32,
    column: u32,
}

impl Formula {
    /// Compiles the text after the `=`.
    ///
    /// # Errors
    /// Every problem found, each at its line and column: syntax (the first only), unknown functions, prefixes,
    /// variables, types, steps and code tables, patterns and pictures that can never work.
    pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Self, Problems> {
        let mut compiler = Compiler::new(text, scope);
        let tree =
            parser::parse(text).map_err(|error| Problem::new(error.code, error.text).at(compiler.place(error.span)))?;
        let (op, _) = compiler.expr(&tree, scope.context.type_ref().into());
        if !compiler.problems.is_empty() {
            let mut problems = Problems(compiler.problems);
            problems.sort();
            return Err(problems);
        }
        let analysis = if scope.checked { infer::analyse(text, &op, scope) } else { Analysis::default() };
        let mut problems = Problems(analysis.problems.clone());
        if problems.has_errors() {
            problems.sort();
            return Err(problems);
        }
        Ok(Self {
            text: text.into(),
            op,
            analysis: Arc::new(analysis),
            file: scope.file.clone(),
            line: scope.line,
            column: scope.column,
        })
    }

    /// The value in a frame.
    ///
    /// # Errors
    /// See [`Failure`]; its place is the part of the formula that failed.
    pub fn evaluate(&self, frame: &Frame<'_>) -> Result<Value, Failure> {
        let focus = Focus { item: frame.item, position: frame.position, size: frame.size };
        let mut run = Run { frame, locals: Vec::new() };
        run.eval(&self.op, focus).map_err(|raised| raised.failure.or_at(|| self.place_of(raised.at)))
    }

    /// The effective boolean value in a frame, for conditions.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn test(&self, frame: &Frame<'_>) -> Result<bool, Failure> {
        self.evaluate(frame)?.effective_boolean().map_err(|failure| failure.or_at(|| self.place()))
    }

    /// What is known of its value; nothing when it was compiled unchecked.
    #[must_use]
    pub fn static_type(&self) -> &StaticType {
        &self.analysis.value
    }

    /// What probably is not as meant.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.analysis.problems
    }

    /// Places of the source type whose text or presence it looks at, its value apart.
    #[must_use]
    pub fn reads(&self) -> &[Arc<Spot>] {
        &self.analysis.reads
    }

    /// Whether it may look at places of the source that are not told apart.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.analysis.blind
    }

    /// Slots of the scope's variables it uses.
    #[must_use]
    pub fn variables(&self) -> &[usize] {
        &self.analysis.variables
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it begins in its file.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place_of(0)
    }

    fn place_of(&self, offset: u32) -> Place {
        compile::place(&self.text, offset, self.file.as_ref(), self.line, self.column)
    }
}

/// The value of an operation on constants; `None` when it fails.
pub(super) fn constant_value(op: &Op) -> Option<Value> {
    constant_result(op).ok()
}

/// The value of an operation on constants.
pub(super) fn constant_result(op: &Op) -> Result<Value, Failure> {
    with_nothing(|frame| {
        let mut run = Run { frame, locals: Vec::new() };
        run.eval(op, Focus { item: None, position: 1, size: 1 }).map_err(|raised| raised.failure)
    })
}

/// Calls with a frame in which there is nothing.
pub(super) fn with_nothing<T>(then: impl FnOnce(&Frame<'_>) -> T) -> T {
    then(&Frame {
        documents: &[],
        binding: &Binding::default(),
        item: None,
        position: 1,
        size: 1,
        variables: &(),
        host: &(),
        budget: &Budget::new(1_000),
        trace: None,
    })
}
