//! Infers the static type of every part of a compiled formula, and reports what can never work or is probably not meant.

mod call;
mod constant;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(super) use step::whereabouts;

use super::{
    Scope, SourceModel,
    ast::{Arithmetic, Comparison, Occurrence, SetOperation, Span},
    code, compile,
    fit::{self, Fit},
    op::{ItemTypeTest, Op, OpKind, TypeTest},
    static_type::{Class, Least, Most, Occurs, Spot, StaticType},
};
use crate::base::{Code, Problem};

/// How much of a formula a message repeats.
const SHOWN: usize = 40;

/// What is known of a formula.
#[derive(Clone, Debug, Default)]
pub(super) struct Analysis {
    /// Its value.
    pub value: StaticType,
    /// Places of the source type whose text or presence it looks at, its value apart.
    pub reads: Vec<Arc<Spot>>,
    /// Whether it may look at places that are not told apart.
    pub blind: bool,
    /// Slots of the scope's variables it uses.
    pub variables: Vec<usize>,
    pub problems: Vec<Problem>,
}

/// Infers and checks a compiled formula.
pub(super) fn analyse(text: &str, op: &Op, scope: &Scope<'_>) -> Analysis {
    let mut inference =
        Inference { text, scope, locals: Vec::new(), present: scope.present.to_vec(), found: Analysis::default() };
    let focus = scope.context.clone();
    let value = inference.infer(op, &focus);
    let Inference { mut found, .. } = inference;
    found.value = value;
    found
}

pub(super) struct Inference<'a> {
    text: &'a str,
    pub scope: &'a Scope<'a>,
    locals: Vec<StaticType>,
    /// Places a condition asked for: where they are used, they are there.
    present: Vec<Arc<Spot>>,
    found: Analysis,
}

impl Inference<'_> {
    fn report(&mut self, problem: Problem, span: Span) {
        let place = compile::place(self.text, span.start, self.scope.file.as_ref(), self.scope.line, self.scope.column);
        self.found.problems.push(problem.at(place));
    }

    pub fn error(&mut self, code: Code, span: Span, text: String, hint: Option<String>) {
        let mut problem = Problem::new(code, text);
        problem.hint = hint;
        self.report(problem, span);
    }

    pub fn warn(&mut self, code: Code, span: Span, text: String, hint: Option<String>) {
        let mut problem = Problem::new(code, text).warning();
        problem.hint = hint;
        self.report(problem, span);
    }

    /// The part of the formula, shortened, for messages.
    pub fn written(&self, span: Span) -> String {
        let written = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let line = written.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= SHOWN {
            return line;
        }
        line.chars().take(SHOWN).chain(['…']).collect()
    }

    pub fn model(&self) -> Option<&dyn SourceModel> {
        self.scope.model
    }

    /// Notes that the nodes of a value are looked at.
    fn read(&mut self, of: &StaticType) {
        self.found.blind |= of.is_unknown() && self.scope.model.is_some();
        for spot in of.spots() {
            if !self.found.reads.contains(spot) {
                self.found.reads.push(spot.clone());
            }
        }
    }

    /// One operand whose items are looked at.
    fn operand(&mut self, op: &Op, focus: &StaticType) -> StaticType {
        let known = self.infer(op, focus);
        self.read(&known);
        known
    }

    fn all(&mut self, all: &[Op], focus: &StaticType) -> Vec<StaticType> {
        all.iter().map(|one| self.operand(one, focus)).collect()
    }

    /// Says so when there may be several items where one is needed.
    fn one(&mut self, of: &StaticType, span: Span, by: &str) {
        if of.occurs.most == Most::Many && !of.is_unknown() {
            let text = format!("{by} takes one value, and `{}` may give several", self.written(span));
            let hint = "choose one (`[1]`), or join or sum them".to_owned();
            self.warn(code::MAY_BE_SEVERAL, span, text, Some(hint));
        }
    }

    /// A condition: what it asks for is there where it holds, and it should not be known beforehand.
    fn condition(&mut self, op: &Op, focus: &StaticType) -> StaticType {
        let before = self.found.reads.len();
        let known = self.operand(op, focus);
        if let Some((truth, why)) = known.truth() {
            let text = format!("`{}` is always {truth}: {why}", self.written(op.span));
            self.warn(code::CONSTANT_CONDITION, op.span, text, None);
        }
        self.present.extend(self.found.reads[before.min(self.found.reads.len())..].iter().cloned());
        self.present.extend(known.spots().cloned());
        known
    }

    fn infer(&mut self, op: &Op, focus: &StaticType) -> StaticType {
        let boolean = StaticType::atomic(Class::Boolean, Occurs::ONE);
        let before = self.found.problems.len();
        let known = match &op.kind {
            OpKind::Constant(value) => self.constant(value, op.span),
            OpKind::Local(at) => self.locals.get(*at).cloned().unwrap_or_default(),
            OpKind::Outer(slot) => {
                if !self.found.variables.contains(slot) {
                    self.found.variables.push(*slot);
                }
                self.scope.variable_types.get(*slot).cloned().unwrap_or_default()
            }
            OpKind::Context => focus.each(),
            OpKind::Sequence(all) => {
                let types: Vec<StaticType> = all.iter().map(|one| self.infer(one, focus)).collect();
                types.iter().fold(StaticType::empty(), |before, one| before.then(one))
            }
            OpKind::Range(a, b) => {
                let (from, to) = (self.operand(a, focus), self.operand(b, focus));
                self.one(&from, a.span, "`to`");
                self.one(&to, b.span, "`to`");
                StaticType::atomic(Class::Integer, Occurs::ANY)
            }
            OpKind::Arithmetic(operation, a, b) => self.arithmetic(*operation, (a, b), focus, op.span),
            OpKind::Negate(a) | OpKind::Plus(a) => {
                let known = self.operand(a, focus);
                self.one(&known, a.span, "a sign");
                self.number(&known, a.span, "a sign");
                let class = if known.items.iter().all(|item| item.class() == Some(Class::Integer)) {
                    Class::Integer
                } else {
                    Class::Decimal
                };
                StaticType::atomic(class, known.occurs.single())
            }
            OpKind::Value(comparison, a, b) => {
                let (left, right) = (self.operand(a, focus), self.operand(b, focus));
                let by = format!("`{}`", value_sign(*comparison));
                self.one(&left, a.span, &by);
                self.one(&right, b.span, &by);
                fit::compare(self, *comparison, (&left, a.span), (&right, b.span), op.span);
                boolean.occurring(left.occurs.times(right.occurs).single())
            }
            OpKind::General(comparison, a, b) => {
                let (left, right) = (self.operand(a, focus), self.operand(b, focus));
                fit::compare(self, *comparison, (&left, a.span), (&right, b.span), op.span);
                boolean
            }
            OpKind::Nodes(_, a, b) => {
                let (left, right) = (self.operand(a, focus), self.operand(b, focus));
                boolean.occurring(left.occurs.times(right.occurs).single())
            }
            OpKind::And(all) | OpKind::Or(all) => {
                all.iter().for_each(|one| drop(self.condition(one, focus)));
                boolean
            }
            OpKind::Concat(all) => {
                for one in all {
                    let known = self.operand(one, focus);
                    self.one(&known, one.span, "`||`");
                }
                StaticType::atomic(Class::String, Occurs::ONE)
            }
            OpKind::If(branches, otherwise) => {
                let otherwise = self.infer(otherwise, focus);
                branches.iter().rev().fold(otherwise, |known, (condition, then)| {
                    self.condition(condition, focus);
                    self.infer(then, focus).or(&known)
                })
            }
            OpKind::For(input, body) => {
                let input = self.infer(input, focus);
                let body = self.with_local(input.each(), body, focus);
                let occurs = input.occurs.times(body.occurs);
                body.occurring(occurs)
            }
            OpKind::Let(input, body) => {
                let input = self.infer(input, focus);
                self.with_local(input, body, focus)
            }
            OpKind::Quantified { input, body, .. } => {
                let input = self.operand(input, focus);
                let body = self.with_local(input.each(), body, focus);
                self.read(&body);
                boolean
            }
            OpKind::Map(input, body) => {
                let input = self.infer(input, focus);
                let body = self.infer(body, &input.each());
                let occurs = input.occurs.times(body.occurs);
                body.occurring(occurs)
            }
            OpKind::Set(operation, a, b) => {
                let (left, right) = (self.infer(a, focus), self.infer(b, focus));
                match operation {
                    SetOperation::Union => left.then(&right),
                    SetOperation::Intersect | SetOperation::Except => {
                        self.read(&right);
                        let occurs = left.occurs.filtered();
                        left.occurring(occurs)
                    }
                }
            }
            OpKind::Cast { input, to, .. } => {
                let known = self.operand(input, focus);
                self.one(&known, input.span, "`cast`");
                Class::named(to.name()).map_or_else(StaticType::any, |class| {
                    fit::cast(self, &known, class, op.span);
                    StaticType::atomic(class, known.occurs.single())
                })
            }
            OpKind::Castable { input, .. } | OpKind::InstanceOf(input, _) => {
                self.operand(input, focus);
                boolean
            }
            OpKind::Treat(input, test) => {
                let known = self.infer(input, focus);
                let occurs = treated(known.occurs, test);
                known.occurring(occurs)
            }
            OpKind::Call { function, arguments, .. } => self.call(function, arguments, focus),
            OpKind::Path { rooted, steps } => self.path(*rooted, steps, focus),
            OpKind::Filter(input, predicates) => {
                let known = self.infer(input, focus);
                self.predicates(predicates, known)
            }
            OpKind::MapOf(entries) => {
                for (key, value) in entries {
                    let known = self.operand(key, focus);
                    self.one(&known, key.span, "a key");
                    self.operand(value, focus);
                }
                StaticType::any().occurring(Occurs::ONE)
            }
            OpKind::ArrayOf(members) => {
                self.all(members, focus);
                StaticType::any().occurring(Occurs::ONE)
            }
            OpKind::ArrayFrom(input) => {
                self.operand(input, focus);
                StaticType::any().occurring(Occurs::ONE)
            }
            OpKind::Lookup(input, key) => {
                self.found.blind = true;
                self.operand(input, focus);
                key.iter().for_each(|key| drop(self.operand(key, focus)));
                StaticType::any()
            }
            OpKind::Invoke(input, arguments) => {
                self.operand(input, focus);
                self.all(arguments, focus);
                StaticType::any()
            }
        };
        let told = self.found.problems.len() > before;
        self.folded(op, told).unwrap_or(known)
    }

    fn with_local(&mut self, local: StaticType, body: &Op, focus: &StaticType) -> StaticType {
        self.locals.push(local);
        let known = self.infer(body, focus);
        self.locals.pop();
        known
    }

    /// Says so when a value can never, or not always, be a number.
    fn number(&mut self, known: &StaticType, span: Span, by: &str) {
        match fit::all(&known.items, |item| fit::number(item, self.model())) {
            Fit::Always => {}
            Fit::Sometimes => {
                let text = format!("{by} needs a number, and `{}` may be something else", self.written(span));
                let hint = "read it with `parse-number(…)`, or cast it with `xs:decimal(…)`".to_owned();
                self.warn(code::DOUBTFUL, span, text, Some(hint));
            }
            Fit::Never => {
                let noun = fit::nouns(&known.items, self.model());
                let text = format!("{by} needs a number, and `{}` is {noun}", self.written(span));
                self.error(code::NEVER_WORKS, span, text, None);
            }
        }
    }

    fn arithmetic(&mut self, operation: Arithmetic, (a, b): (&Op, &Op), focus: &StaticType, span: Span) -> StaticType {
        let (left, right) = (self.operand(a, focus), self.operand(b, focus));
        let sign = arithmetic_sign(operation);
        self.one(&left, a.span, sign);
        self.one(&right, b.span, sign);
        let occurs = left.occurs.times(right.occurs).single();
        let temporal = |known: &StaticType| known.items.iter().any(|item| item.class().is_some_and(Class::is_temporal));
        if temporal(&left) || temporal(&right) {
            for (known, span) in [(&left, a.span), (&right, b.span)] {
                self.dated(known, span, sign);
            }
            return StaticType::any().occurring(occurs);
        }
        if left.occurs.most != Most::Nothing && right.occurs.most != Most::Nothing {
            self.number(&left, a.span, sign);
            self.number(&right, b.span, sign);
        } else {
            let text = format!("`{}` is always empty: one side is", self.written(span));
            self.warn(code::CONSTANT_CONDITION, span, text, None);
        }
        let items = || left.items.iter().chain(&right.items);
        let class = if operation == Arithmetic::IntegerDivide
            || (operation != Arithmetic::Divide && items().all(|item| item.class() == Some(Class::Integer)))
        {
            Class::Integer
        } else if items().any(|item| item.class() == Some(Class::Double)) {
            Class::Double
        } else {
            Class::Decimal
        };
        if left.is_unknown() || right.is_unknown() {
            return StaticType::any().occurring(occurs);
        }
        StaticType::atomic(class, occurs)
    }

    /// Text from the source is no date until it is cast.
    fn dated(&mut self, known: &StaticType, span: Span, sign: &str) {
        let Some(model) = self.scope.model else { return };
        let class = |spot: &Arc<Spot>| spot.text(model).map(|text| text.class).filter(|class| class.is_temporal());
        let classes: Vec<Option<Class>> = known.spots().map(class).collect();
        if let Some(Some(class)) = classes.first()
            && classes.len() == known.items.len()
            && classes.iter().all(|other| *other == Some(*class))
        {
            let name = if *class == Class::Date { "date" } else { "dateTime" };
            let text = format!("{sign} needs {}, and `{}` is text until it is cast", class.noun(), self.written(span));
            self.error(code::NEVER_WORKS, span, text, Some(format!("write `xs:{name}({})`", self.written(span))));
        }
    }
}

fn treated(occurs: Occurs, test: &TypeTest) -> Occurs {
    let Some(item) = &test.item else { return Occurs::EMPTY };
    let occurs = if matches!(item, ItemTypeTest::Item) { occurs } else { occurs.filtered() };
    match test.occurrence {
        Occurrence::One => Occurs::ONE,
        Occurrence::Optional => occurs.single(),
        Occurrence::Any => occurs,
        Occurrence::Some => Occurs { least: Least::One, ..occurs },
    }
}

fn arithmetic_sign(operation: Arithmetic) -> &'static str {
    match operation {
        Arithmetic::Add => "`+`",
        Arithmetic::Subtract => "`-`",
        Arithmetic::Multiply => "`*`",
        Arithmetic::Divide => "`div`",
        Arithmetic::IntegerDivide => "`idiv`",
        Arithmetic::Modulo => "`mod`",
    }
}

fn value_sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "eq",
        Comparison::NotEqual => "ne",
        Comparison::Less => "lt",
        Comparison::LessOrEqual => "le",
        Comparison::Greater => "gt",
        Comparison::GreaterOrEqual => "ge",
    }
}
