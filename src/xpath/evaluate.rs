//! Evaluation of the compiled form.

use smallvec::SmallVec;

use super::{
    Failure, Frame, Item, Value,
    ast::{Arithmetic, Comparison, NodeComparison, Occurrence, SetOperation, Span},
    cast::{AtomicType, cast, cast_value, decimal_failure},
    collection::atomized,
    conversion::convert,
    function::Call,
    is_numeric,
    op::{ItemTypeTest, Op, OpKind, Predicate, TypeTest},
    operate::{Number, arithmetic, general_comparison, number, value_comparison},
};
use crate::document::{Decimal, NodeId};

/// The context item and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Focus<'a> {
    pub item: Option<&'a Item>,
    pub position: usize,
    pub size: usize,
}

/// One evaluation.
pub(super) struct Run<'a> {
    pub frame: &'a Frame<'a>,
    pub locals: Vec<Value>,
}

/// A value, or what was raised; boxed, as values are handed from operation to operation.
pub(super) type Evaluated<T> = Result<T, Box<Raised>>;

/// A failure, and the start of the innermost operation that raised it.
pub(super) struct Raised {
    pub failure: Failure,
    pub at: u32,
}

/// What is raised at a place.
#[cold]
pub(super) fn raised(failure: Failure, at: u32) -> Box<Raised> {
    Box::new(Raised { failure, at })
}

impl Run<'_> {
    /// The value of an operation. Every operation with locals of its own is a method: this frame stays small, formulas
    /// nest deep.
    pub fn eval(&mut self, op: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        let at = |failure: Failure| raised(failure, op.span.start);
        self.frame.budget.take(1).map_err(at)?;
        match &op.kind {
            OpKind::Constant(value) => Ok(value.clone()),
            OpKind::Local(slot) => Ok(self.locals.get(*slot).cloned().unwrap_or_default()),
            OpKind::Outer(slot) => self.frame.variables.get(*slot).map_err(at),
            OpKind::Context => match focus.item {
                Some(item) => Ok(Value::One(item.clone())),
                None => Err(at(no_context())),
            },
            OpKind::Sequence(all) => self.sequence(all, focus, op.span),
            OpKind::Range(from, to) => self.range(from, to, focus, op.span),
            OpKind::Arithmetic(operation, left, right) => self.calculated(*operation, left, right, focus, op.span),
            OpKind::Negate(input) => self.signed(input, true, focus, op.span),
            OpKind::Plus(input) => self.signed(input, false, focus, op.span),
            OpKind::Value(comparison, left, right) => self.compared(*comparison, left, right, focus, op.span),
            OpKind::General(comparison, left, right) => self.any_compared(*comparison, left, right, focus, op.span),
            OpKind::Nodes(comparison, left, right) => self.nodes_compared(*comparison, left, right, focus, op.span),
            OpKind::And(all) => self.junction(all, false, focus),
            OpKind::Or(all) => self.junction(all, true, focus),
            OpKind::Concat(all) => self.concat(all, focus, op.span),
            OpKind::If(branches, otherwise) => self.chosen(branches, otherwise, focus),
            OpKind::For(input, body) => self.each(input, body, focus, op.span),
            OpKind::Let(input, body) => self.bound(input, body, focus),
            OpKind::Quantified { every, input, body } => self.quantified(*every, input, body, focus),
            OpKind::Map(input, body) => self.mapped(input, body, focus, op.span),
            OpKind::Set(operation, left, right) => self.combined(*operation, left, right, focus, op.span),
            OpKind::Cast { .. } => self.cast(op, focus),
            OpKind::Castable { .. } => self.castable(op, focus),
            OpKind::InstanceOf(input, test) => self.instance(input, test, focus),
            OpKind::Treat(input, test) => self.treated(input, test, focus, op.span),
            OpKind::Call { .. } => self.called(op, focus),
            OpKind::MapOf(entries) => self.map_of(entries, focus, op.span),
            OpKind::ArrayOf(members) => self.array_of(members, focus, op.span),
            OpKind::ArrayFrom(items) => self.array_from(items, focus, op.span),
            OpKind::Lookup(input, key) => self.lookup(input, key.as_deref(), focus, op.span),
            OpKind::Invoke(callee, arguments) => self.invoke(callee, arguments, focus, op.span),
            OpKind::Path { rooted, steps } => self.path(op, *rooted, steps, focus),
            OpKind::Filter(input, predicates) => self.filtered(input, predicates, focus),
        }
    }

    fn sequence(&mut self, all: &[Op], focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let mut items = Vec::with_capacity(all.len());
        for one in all {
            let value = self.eval(one, focus)?;
            self.frame.budget.take_items(value.len()).map_err(|failure| raised(failure, span.start))?;
            append(&mut items, value);
        }
        Ok(items.into())
    }

    fn calculated(&mut self, by: Arithmetic, left: &Op, right: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let (left, right) = (self.atom(left, focus)?, self.atom(right, focus)?);
        arithmetic(self.frame, by, &left, &right).map_err(|failure| raised(failure, span.start))
    }

    /// Unary minus and plus.
    fn signed(&mut self, input: &Op, minus: bool, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let value = self.atom(input, focus)?;
        if value.is_empty() {
            return Ok(value);
        }
        let value =
            only(&value).and_then(|item| number(self.frame, item)).map_err(|failure| raised(failure, span.start))?;
        Ok(Value::One(if minus { value.map(Decimal::negate, |double| -double) } else { value }.item()))
    }

    fn compared(&mut self, by: Comparison, left: &Op, right: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let (left, right) = (self.atom(left, focus)?, self.atom(right, focus)?);
        value_comparison(self.frame, by, &left, &right).map_err(|failure| raised(failure, span.start))
    }

    fn any_compared(
        &mut self,
        by: Comparison,
        left: &Op,
        right: &Op,
        focus: Focus<'_>,
        span: Span,
    ) -> Evaluated<Value> {
        let left = self.atom(left, focus)?;
        if let OpKind::Range(from, to) = &right.kind
            && let Some(numbers) = exact_numbers(&left)
        {
            let Some((from, to)) = self.bounds(from, to, focus, right.span)? else { return Ok(false.into()) };
            return Ok(numbers.iter().any(|number| compared_with_range(by, *number, from, to)).into());
        }
        let right = self.atom(right, focus)?;
        Ok(general_comparison(self.frame, by, &left, &right).map_err(|failure| raised(failure, span.start))?.into())
    }

    fn nodes_compared(
        &mut self,
        by: NodeComparison,
        left: &Op,
        right: &Op,
        focus: Focus<'_>,
        span: Span,
    ) -> Evaluated<Value> {
        let at = |failure: Failure| raised(failure, span.start);
        let (left, right) = (self.eval(left, focus)?, self.eval(right, focus)?);
        if left.is_empty() || right.is_empty() {
            return Ok(Value::Empty);
        }
        let (a, b) = (only_node(&left).map_err(at)?, only_node(&right).map_err(at)?);
        Ok(match by {
            NodeComparison::Is => a == b,
            NodeComparison::Before => a < b,
            NodeComparison::After => a > b,
        }
        .into())
    }

    /// `and` ends at the first false, `or` at the first true.
    fn junction(&mut self, all: &[Op], ends_at: bool, focus: Focus<'_>) -> Evaluated<Value> {
        for one in all {
            if self.truth(one, focus)? == ends_at {
                return Ok(ends_at.into());
            }
        }
        Ok((!ends_at).into())
    }

    fn concat(&mut self, all: &[Op], focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let at = |failure: Failure| raised(failure, span.start);
        let mut joined = String::new();
        for one in all {
            let value = self.atom(one, focus)?;
            if !value.is_empty() {
                let before = joined.len();
                joined.push_str(&self.frame.text_of(only(&value).map_err(at)?));
                self.frame.budget.take_text(joined.len() - before).map_err(at)?;
            }
        }
        Ok(Value::One(Item::string(joined)))
    }

    /// The value behind the first condition that holds.
    fn chosen(&mut self, branches: &[(Op, Op)], otherwise: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        for (condition, then) in branches {
            if self.truth(condition, focus)? {
                return self.eval(then, focus);
            }
        }
        self.eval(otherwise, focus)
    }

    fn each(&mut self, input: &Op, body: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let input = self.eval(input, focus)?;
        let mut items = Vec::new();
        for item in input.items() {
            self.locals.push(Value::One(item.clone()));
            let value = self.eval(body, focus);
            self.locals.pop();
            let value = value?;
            self.frame.budget.take_items(value.len()).map_err(|failure| raised(failure, span.start))?;
            append(&mut items, value);
        }
        Ok(items.into())
    }

    fn bound(&mut self, input: &Op, body: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        let input = self.eval(input, focus)?;
        self.locals.push(input);
        let value = self.eval(body, focus);
        self.locals.pop();
        value
    }

    fn quantified(&mut self, every: bool, input: &Op, body: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        let input = self.eval(input, focus)?;
        for item in input.items() {
            self.locals.push(Value::One(item.clone()));
            let truth = self.truth(body, focus);
            self.locals.pop();
            if truth? != every {
                return Ok((!every).into());
            }
        }
        Ok(every.into())
    }

    fn mapped(&mut self, input: &Op, body: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let input = self.eval(input, focus)?;
        let size = input.len();
        let mut items = Vec::new();
        for (index, item) in input.items().iter().enumerate() {
            let value = self.eval(body, Focus { item: Some(item), position: index + 1, size })?;
            self.frame.budget.take_items(value.len()).map_err(|failure| raised(failure, span.start))?;
            append(&mut items, value);
        }
        Ok(items.into())
    }

    fn combined(&mut self, by: SetOperation, left: &Op, right: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let at = |failure: Failure| raised(failure, span.start);
        let (left, right) = (self.eval(left, focus)?, self.eval(right, focus)?);
        self.frame.budget.take((left.len() + right.len()) as u64).map_err(at)?;
        combine_sets(by, &left, &right).map_err(at)
    }

    fn cast(&mut self, op: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        let OpKind::Cast { input, to, optional, prefixes } = &op.kind else { return Ok(Value::Empty) };
        let value = self.atom(input, focus)?;
        let cast = cast_value(self.frame, &value, *to, *optional, prefixes.as_deref());
        cast.map_err(|failure| raised(failure, op.span.start))
    }

    fn castable(&mut self, op: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        let OpKind::Castable { input, to, optional, prefixes } = &op.kind else { return Ok(Value::Empty) };
        let value = self.atom(input, focus)?;
        Ok(cast_value(self.frame, &value, *to, *optional, prefixes.as_deref()).is_ok().into())
    }

    fn instance(&mut self, input: &Op, test: &TypeTest, focus: Focus<'_>) -> Evaluated<Value> {
        let value = self.eval(input, focus)?;
        Ok(self.matches_type(&value, test).into())
    }

    fn treated(&mut self, input: &Op, test: &TypeTest, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let value = self.eval(input, focus)?;
        if !self.matches_type(&value, test) {
            let failure = Failure::error("XPDY0050", format!("the value is not of type {}", test.text));
            return Err(raised(failure, span.start));
        }
        Ok(value)
    }

    fn called(&mut self, op: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        let OpKind::Call { function, arguments, conversions, prepared } = &op.kind else { return Ok(Value::Empty) };
        let at = |failure: Failure| raised(failure, op.span.start);
        let mut values: SmallVec<[Value; 3]> = SmallVec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let value = self.eval(argument, focus)?;
            values.push(match conversions.get(index) {
                Some(Some(parameter)) => {
                    convert(self.frame, value, parameter).map_err(|failure| raised(failure, argument.span.start))?
                }
                _ => value,
            });
        }
        let work: usize = values.iter().map(Value::len).sum();
        self.frame.budget.take(work as u64).map_err(at)?;
        let call = Call { frame: self.frame, focus, arguments: &values, prepared: prepared.as_deref() };
        let value = (function.call)(&call).map_err(at)?;
        if let Value::One(Item::String(text)) = &value {
            self.frame.budget.take_text(text.len()).map_err(at)?;
        }
        Ok(value)
    }

    fn filtered(&mut self, input: &Op, predicates: &[Predicate], focus: Focus<'_>) -> Evaluated<Value> {
        let mut items = match self.eval(input, focus)? {
            Value::Empty => return Ok(Value::Empty),
            Value::One(item) => vec![item],
            Value::Many(items) => std::sync::Arc::unwrap_or_clone(items),
        };
        self.filter(&mut items, predicates)?;
        Ok(items.into())
    }

    /// The value of an operand that is atomized: arrays are replaced by their members; nodes stay, to be read in place.
    pub fn atom(&mut self, op: &Op, focus: Focus<'_>) -> Evaluated<Value> {
        let value = self.eval(op, focus)?;
        match &value {
            Value::Empty | Value::One(Item::Node(..) | Item::Untyped(_) | Item::String(_)) => Ok(value),
            _ => atomized(value).map_err(|failure| raised(failure, op.span.start)),
        }
    }

    pub fn truth(&mut self, op: &Op, focus: Focus<'_>) -> Evaluated<bool> {
        let value = self.eval(op, focus)?;
        value.effective_boolean().map_err(|failure| raised(failure, op.span.start))
    }

    /// Keeps the items for which every predicate holds (XPath 3.1 §3.3.3).
    pub fn filter(&mut self, items: &mut Vec<Item>, predicates: &[Predicate]) -> Evaluated<()> {
        for predicate in predicates {
            let op = match predicate {
                Predicate::Position(position) => {
                    let kept = position.checked_sub(1).and_then(|index| items.get(index)).cloned();
                    items.clear();
                    items.extend(kept);
                    continue;
                }
                Predicate::Last => {
                    items.drain(..items.len().saturating_sub(1));
                    continue;
                }
                Predicate::Op(op) => op,
            };
            let size = items.len();
            let mut kept = Vec::new();
            for (index, item) in items.drain(..).enumerate() {
                let value = self.eval(op, Focus { item: Some(&item), position: index + 1, size })?;
                let keep = match &value {
                    Value::One(item) if is_numeric(item) => match number(self.frame, item) {
                        Ok(Number::Integer(position) | Number::Decimal(position)) => {
                            position == Decimal::from(i64::try_from(index + 1).unwrap_or(i64::MAX))
                        }
                        Ok(position) => position.to_f64() == (index + 1) as f64,
                        Err(failure) => return Err(raised(failure, op.span.start)),
                    },
                    other => other.effective_boolean().map_err(|failure| raised(failure, op.span.start))?,
                };
                if keep {
                    kept.push(item);
                }
            }
            *items = kept;
        }
        Ok(())
    }

    fn range(&mut self, from: &Op, to: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Value> {
        let at = |failure: Failure| raised(failure, span.start);
        let Some((from, to)) = self.bounds(from, to, focus, span)? else { return Ok(Value::Empty) };
        let last = to.subtract(from).ok().and_then(Decimal::to_i64).ok_or_else(|| at(Failure::Budget))?;
        self.frame.budget.take_items(usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1)).map_err(at)?;
        let items: Result<Vec<Item>, _> =
            (0..=last).map(|step| from.add(Decimal::from(step)).map(Item::Integer)).collect();
        Ok(items.map_err(|error| at(decimal_failure(error)))?.into())
    }

    /// The first and the last integer of a range; none of an empty one.
    fn bounds(&mut self, from: &Op, to: &Op, focus: Focus<'_>, span: Span) -> Evaluated<Option<(Decimal, Decimal)>> {
        let at = |failure: Failure| raised(failure, span.start);
        let (from, to) = (self.atom(from, focus)?, self.atom(to, focus)?);
        if from.is_empty() || to.is_empty() {
            return Ok(None);
        }
        let (from, to) = (self.bound_of_range(&from).map_err(at)?, self.bound_of_range(&to).map_err(at)?);
        Ok((from <= to).then_some((from, to)))
    }

    fn bound_of_range(&self, value: &Value) -> Result<Decimal, Failure> {
        let item = only(value)?;
        match item.base() {
            Item::Integer(whole) => Ok(*whole),
            Item::Node(..) | Item::Untyped(_) => match cast(self.frame, item, AtomicType::Integer)? {
                Item::Integer(whole) => Ok(whole),
                _ => Ok(Decimal::ZERO),
            },
            other => {
                let text = format!("the bounds of `to` must be integers, not of type {}", other.type_name());
                Err(Failure::error("XPTY0004", text))
            }
        }
    }

    fn matches_type(&self, value: &Value, test: &TypeTest) -> bool {
        let Some(item_test) = &test.item else { return value.is_empty() };
        let count = match test.occurrence {
            Occurrence::One => value.len() == 1,
            Occurrence::Optional => value.len() <= 1,
            Occurrence::Any => true,
            Occurrence::Some => !value.is_empty(),
        };
        count && value.items().iter().all(|item| self.item_matches(item, item_test))
    }

    fn item_matches(&self, item: &Item, test: &ItemTypeTest) -> bool {
        match (test, item) {
            (ItemTypeTest::Item, _) => true,
            (ItemTypeTest::Atomic(_), Item::Map(_) | Item::Array(_)) => false,
            (ItemTypeTest::Atomic(atomic), _) => atomic.covers(item),
            (ItemTypeTest::Node(test), Item::Node(document, node)) => self.node_matches(*document, *node, test),
            (ItemTypeTest::Map(None) | ItemTypeTest::Function(None), Item::Map(_)) => true,
            (ItemTypeTest::Array(None) | ItemTypeTest::Function(None), Item::Array(_)) => true,
            (ItemTypeTest::Map(Some((key, value))), Item::Map(map)) => {
                map.entries().all(|(found, of)| key.covers(found) && self.matches_type(of, value))
            }
            (ItemTypeTest::Array(Some(member)), Item::Array(array)) => {
                array.iter().all(|found| self.matches_type(found, member))
            }
            // a map is a function of any atomic key, an array one of an integer (XPath 3.1 §2.5.6.2)
            (ItemTypeTest::Function(Some((parameters, result))), Item::Map(map)) => {
                let [key] = parameters.as_slice() else { return false };
                key.occurrence == Occurrence::One
                    && matches!(key.item, Some(ItemTypeTest::Atomic(_)))
                    && self.matches_type(&Value::Empty, result)
                    && map.entries().all(|(_, of)| self.matches_type(of, result))
            }
            (ItemTypeTest::Function(Some((parameters, result))), Item::Array(array)) => {
                let [position] = parameters.as_slice() else { return false };
                position.occurrence == Occurrence::One
                    && matches!(position.item, Some(ItemTypeTest::Atomic(AtomicType::Integer)))
                    && array.iter().all(|found| self.matches_type(found, result))
            }
            _ => false,
        }
    }
}

fn no_context() -> Failure {
    Failure::error("XPDY0002", "there is no context item here")
}

/// The one item of a value.
pub(super) fn only(value: &Value) -> Result<&Item, Failure> {
    match value {
        Value::One(item) => Ok(item),
        Value::Empty => Err(Failure::error("XPTY0004", "one value is needed here, not an empty sequence")),
        Value::Many(items) => {
            Err(Failure::error("XPTY0004", format!("one value is needed here, not a sequence of {}", items.len())))
        }
    }
}

/// The items as decimals, when all are integers or decimals.
fn exact_numbers(value: &Value) -> Option<Vec<Decimal>> {
    let exact = |item: &Item| match item.base() {
        Item::Integer(value) | Item::Decimal(value) => Some(*value),
        _ => None,
    };
    value.items().iter().map(exact).collect()
}

/// Whether a number compares so with any integer from one to another, none of which is made.
fn compared_with_range(by: Comparison, number: Decimal, from: Decimal, to: Decimal) -> bool {
    match by {
        Comparison::Equal => number.is_integer() && from <= number && number <= to,
        Comparison::NotEqual => from < to || number != from,
        Comparison::Less => number < to,
        Comparison::LessOrEqual => number <= to,
        Comparison::Greater => number > from,
        Comparison::GreaterOrEqual => number >= from,
    }
}

fn only_node(value: &Value) -> Result<(u16, NodeId), Failure> {
    match only(value)? {
        Item::Node(document, node) => Ok((*document, *node)),
        other => Err(Failure::error("XPTY0004", format!("a node is needed here, not a {}", other.type_name()))),
    }
}

pub(super) fn append(items: &mut Vec<Item>, value: Value) {
    match value {
        Value::Empty => {}
        Value::One(item) => items.push(item),
        Value::Many(more) => items.extend(more.iter().cloned()),
    }
}

fn combine_sets(operation: SetOperation, left: &Value, right: &Value) -> Result<Value, Failure> {
    let nodes = |value: &Value| -> Result<Vec<(u16, NodeId)>, Failure> {
        let mut nodes = Vec::with_capacity(value.len());
        for item in value.items() {
            match item {
                Item::Node(document, node) => nodes.push((*document, *node)),
                other => {
                    return Err(Failure::error(
                        "XPTY0004",
                        format!("union, intersect and except need nodes, not a {}", other.type_name()),
                    ));
                }
            }
        }
        nodes.sort_unstable();
        nodes.dedup();
        Ok(nodes)
    };
    let (mut left, right) = (nodes(left)?, nodes(right)?);
    match operation {
        SetOperation::Union => {
            left.extend(right);
            left.sort_unstable();
            left.dedup();
        }
        SetOperation::Intersect => left.retain(|node| right.binary_search(node).is_ok()),
        SetOperation::Except => left.retain(|node| right.binary_search(node).is_err()),
    }
    Ok(left.into_iter().map(|(document, node)| Item::Node(document, node)).collect())
}
