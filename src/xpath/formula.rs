//! A compiled formula.

use std::sync::Arc;

use super::{Failure, Frame, Scope, TypeRef, Value};
use crate::base::Problems;

/// A compiled formula; evaluate it as often as needed, from any thread.
#[derive(Clone, Debug)]
pub struct Formula {
    text: Arc<str>,
    static_type: Option<TypeRef>,
}

impl Formula {
    /// Compiles the text after the `=`.
    ///
    /// # Errors
    /// Every problem found, each at its line and column.
    pub fn compile(text: &str, _scope: &Scope<'_>) -> Result<Self, Problems> {
        Ok(Self { text: text.into(), static_type: None })
    }

    /// The value in a frame.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn evaluate(&self, _frame: &Frame<'_>) -> Result<Value, Failure> {
        Ok(Value::Empty)
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
}
