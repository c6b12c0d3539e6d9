//! Constants, and operations on them, computed beforehand.

use super::Inference;
use crate::xpath::{
    Item, Value,
    ast::Span,
    code, compile, formula,
    op::{Op, OpKind},
    static_type::{Class, Constant, ItemType, Occurs, StaticType},
};

/// Functions whose value depends on nothing but their arguments, and that are worth computing beforehand.
const PURE: &[&str] = &[
    "abs",
    "boolean",
    "ceiling",
    "concat",
    "contains",
    "count",
    "empty",
    "ends-with",
    "exists",
    "floor",
    "lower-case",
    "matches",
    "normalize-space",
    "not",
    "number",
    "replace",
    "round",
    "starts-with",
    "string",
    "string-join",
    "string-length",
    "substring",
    "substring-after",
    "substring-before",
    "translate",
    "upper-case",
];

impl Inference<'_> {
    pub(super) fn constant(&self, value: &Value, span: Span) -> StaticType {
        let place = compile::place(self.text, span.start, self.scope.file.as_ref(), self.scope.line, self.scope.column);
        let item = |item: &Item| {
            let Some(class) = Class::named(item.type_name()) else { return ItemType::Any };
            let text = formula::with_nothing(|frame| crate::xpath::string_of(item, frame).into());
            ItemType::Constant(Constant { class, text, place: place.clone() })
        };
        let items: Vec<ItemType> = value.items().iter().map(item).collect();
        let occurs = match items.len() {
            0 => Occurs::EMPTY,
            1 => Occurs::ONE,
            _ => Occurs::SOME,
        };
        StaticType { items: Vec::new(), occurs }.with_items(&items)
    }

    /// The value of an operation on constants. One that fails will always fail; `told` when its problems are reported.
    pub(super) fn folded(&mut self, op: &Op, told: bool) -> Option<StaticType> {
        if matches!(op.kind, OpKind::Constant(_)) || !is_closed(op) {
            return None;
        }
        let parts_fail = |op: &Op| parts(op).iter().any(|part| formula::constant_result(part).is_err());
        match formula::constant_result(op) {
            Ok(value) => Some(self.constant(&value, op.span)),
            Err(_) if told || parts_fail(op) => None,
            Err(failure) => {
                let problem = failure.problem();
                let text = format!("`{}` always fails: {}", self.written(op.span), problem.text);
                self.error(code::ALWAYS_FAILS, op.span, text, problem.hint);
                None
            }
        }
    }
}

/// Whether an operation is made of constants only.
fn is_closed(op: &Op) -> bool {
    match &op.kind {
        OpKind::Constant(_) => true,
        OpKind::Arithmetic(..)
        | OpKind::Negate(_)
        | OpKind::Plus(_)
        | OpKind::Value(..)
        | OpKind::General(..)
        | OpKind::And(_)
        | OpKind::Or(_)
        | OpKind::Concat(_)
        | OpKind::Cast { .. }
        | OpKind::Castable { .. }
        | OpKind::If(..) => parts(op).into_iter().all(is_closed),
        OpKind::Call { function, arguments, .. } => {
            !arguments.is_empty() && PURE.contains(&function.name) && arguments.iter().all(is_closed)
        }
        _ => false,
    }
}

/// The operands of an operation that [`is_closed`] knows.
fn parts(op: &Op) -> Vec<&Op> {
    match &op.kind {
        OpKind::Arithmetic(_, a, b) | OpKind::Value(_, a, b) | OpKind::General(_, a, b) => vec![a, b],
        OpKind::Negate(a) | OpKind::Plus(a) => vec![a],
        OpKind::Cast { input, .. } | OpKind::Castable { input, .. } => vec![input],
        OpKind::And(all) | OpKind::Or(all) | OpKind::Concat(all) => all.iter().collect(),
        OpKind::If(branches, otherwise) => {
            branches.iter().flat_map(|(condition, then)| [condition, then]).chain([&**otherwise]).collect()
        }
        OpKind::Call { arguments, .. } => arguments.iter().collect(),
        _ => Vec::new(),
    }
}
