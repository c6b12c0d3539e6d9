//! A compiled formula.

use std::sync::Arc;

use super::{
    Binding, Budget, Failure, Frame, Scope, TypeRef, Value,
    compile::{self, Compiler, Static},
    evaluate::{Focus, Run},
    op::Op,
    parser,
};
use crate::base::{Place, Problem, Problems};

/// A compiled formula; evaluate it as often as needed, from any thread.
#[derive(Clone, Debug)]
pub struct Formula {
    text: Arc<str>,
    op: Op,
    static_type: Option<TypeRef>,
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
        let (op, known) = compiler.expr(&tree, scope.context.into());
        if !compiler.problems.is_empty() {
            let mut problems = Problems(compiler.problems);
            problems.sort();
            return Err(problems);
        }
        let static_type = match known {
            Static::Type(known) => Some(known),
            _ => None,
        };
        Ok(Self {
            text: text.into(),
            op,
            static_type,
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
        run.eval(&self.op, focus).map_err(|(failure, at)| failure.or_at(|| self.place_of(at)))
    }

    /// The effective boolean value in a frame, for conditions.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn test(&self, frame: &Frame<'_>) -> Result<bool, Failure> {
        self.evaluate(frame)?.effective_boolean().map_err(|failure| failure.or_at(|| self.place()))
    }

    /// The type of the nodes the formula yields, when it is a path the model knows.
    #[must_use]
    pub fn static_type(&self) -> Option<TypeRef> {
        self.static_type
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
    let frame = Frame {
        documents: &[],
        binding: &Binding::default(),
        item: None,
        position: 1,
        size: 1,
        variables: &(),
        host: &(),
        budget: &Budget::new(1_000),
        trace: None,
    };
    let mut run = Run { frame: &frame, locals: Vec::new() };
    run.eval(op, Focus { item: None, position: 1, size: 1 }).ok()
}
