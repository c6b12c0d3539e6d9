//! Infers the static type of every part of a compiled formula, and reports what can never work or is probably not meant.

use std::sync::Arc;

use super::{
    Item, Scope, SourceModel, Value,
    ast::{Arithmetic, Axis, Comparison, Occurrence, SetOperation, Span},
    cast::AtomicType,
    code, compile,
    fit::{self, Fit},
    formula,
    function::{self, Function},
    op::{AxisOp, ItemTypeTest, NodeTest, Op, OpKind, Predicate, StepOp, TypeTest},
    signature,
    static_type::{Class, Constant, ItemType, Least, Most, Occurs, Spot, StaticType},
};
use crate::{
    base::{Code, Problem, suggest},
    document::{Kind, QName},
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
/// A place of the source type has at most so many descendants that are told apart.
const MAX_BELOW: usize = 500;
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

    fn constant(&self, value: &Value, span: Span) -> StaticType {
        let place = compile::place(self.text, span.start, self.scope.file.as_ref(), self.scope.line, self.scope.column);
        let item = |item: &Item| {
            let Some(class) = Class::named(item.type_name()) else { return ItemType::Any };
            let text = formula::with_nothing(|frame| super::string_of(item, frame).into());
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
    fn folded(&mut self, op: &Op, told: bool) -> Option<StaticType> {
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

    fn call(&mut self, function: &Function, arguments: &[Op], focus: &StaticType) -> StaticType {
        let types = self.all(arguments, focus);
        if function.arity.0 == 0 && arguments.is_empty() {
            self.read(&focus.each());
        }
        let signature = function.types();
        for (at, (known, argument)) in types.iter().zip(arguments).enumerate() {
            if let Some(signature) = signature {
                let slot = signature.parameter(at).map_or(Slot::ANY, |parameter| Slot::of(parameter.of));
                self.argument(function, at, slot, known, argument.span);
            }
        }
        self.literals(function, arguments, &types);
        let mut present: Vec<Arc<Spot>> = Vec::new();
        if matches!(function.name, "exists" | "empty" | "not" | "boolean" | "count") {
            present.extend(types.iter().flat_map(|known| known.spots().cloned()));
        }
        self.present.extend(present);
        let own = signature.map_or(Slot::ANY, |known| Slot::of(known.result));
        let first = signature.and_then(|known| known.parameter(0)).map(|parameter| Slot::of(parameter.of));
        yields(function, &types, own, first)
    }

    fn argument(&mut self, function: &Function, at: usize, slot: Slot, known: &StaticType, span: Span) {
        let by = format!("argument {} of `{}`", at + 1, function.name);
        if slot.occurs.most == Most::One {
            self.one(known, span, &by);
        }
        if slot.occurs.least == Least::One && known.occurs.most == Most::Nothing {
            let text = format!("{by} needs a value, and `{}` is always empty", self.written(span));
            return self.error(code::NEVER_WORKS, span, text, Some(format!("signature: {}", function.signature)));
        }
        if known.occurs.most == Most::Nothing {
            return;
        }
        let model = self.scope.model;
        match slot.items {
            Accepts::Anything => {}
            Accepts::Node => {
                if !known.items.is_empty() && known.items.iter().all(|item| item.class().is_some()) {
                    let noun = fit::nouns(&known.items, model);
                    let text = format!("{by} needs a node, and `{}` is {noun}", self.written(span));
                    self.error(code::NEVER_WORKS, span, text, None);
                }
            }
            Accepts::Number => self.number(known, span, &by),
            Accepts::Of(class) if class.is_numeric() => self.number(known, span, &by),
            Accepts::Of(class) => {
                if fit::all(&known.items, |item| fit::argument(item, class, model)) == Fit::Never {
                    let noun = fit::nouns(&known.items, model);
                    let text = format!("{by} needs {}, and `{}` is {noun}", class.noun(), self.written(span));
                    let hint = (class == Class::String).then(|| format!("write `string({})`", self.written(span)));
                    self.error(code::NEVER_WORKS, span, text, hint);
                }
            }
        }
    }

    /// Patterns, pictures and tables given by a variable; literals are checked where names are resolved.
    fn literals(&mut self, function: &Function, arguments: &[Op], types: &[StaticType]) {
        let at = usize::from(function.name != "code");
        let (Some(known), Some(argument)) = (types.get(at), arguments.get(at)) else { return };
        let ([ItemType::Constant(constant)], OpKind::Local(_) | OpKind::Outer(_)) =
            (known.items.as_slice(), &argument.kind)
        else {
            return;
        };
        let wrong = match function.name {
            "matches" | "replace" | "tokenize" if arguments.len() == 2 + usize::from(function.name == "replace") => {
                function::pattern::Pattern::compile(&constant.text, "").err()
            }
            "format-date" | "format-dateTime" | "format-time" => {
                function::date_picture::DatePicture::parse(&constant.text).err()
            }
            "format-number" => function::number_picture::NumberPicture::parse(&constant.text).err(),
            _ => None,
        };
        if let Some(failure) = wrong {
            return self.error(code::BAD_LITERAL, argument.span, failure.problem().text, None);
        }
        if function.name == "code"
            && let Some(tables) = self.scope.code_tables
            && !tables.iter().any(|table| **table == *constant.text)
        {
            let hint = suggest(&constant.text, tables.iter().map(String::as_str));
            let hint = hint.map(|best| format!("did you mean `{best}`?"));
            let text = format!("there is no code table `{}`", constant.text);
            self.error(code::UNKNOWN_TABLE, argument.span, text, hint);
        }
    }

    fn predicates(&mut self, predicates: &[Predicate], mut known: StaticType) -> StaticType {
        for predicate in predicates {
            let occurs = known.occurs;
            let narrowed = match predicate {
                Predicate::Position(1) | Predicate::Last => occurs.single(),
                Predicate::Position(_) => occurs.single().filtered(),
                Predicate::Op(op) => {
                    let asked = self.infer_quietly(op, &known.each());
                    let numeric = |item: &ItemType| item.class().is_some_and(Class::is_numeric);
                    if !asked.items.is_empty() && asked.items.iter().all(numeric) {
                        self.operand(op, &known.each());
                        occurs.single().filtered()
                    } else {
                        self.condition(op, &known.each());
                        occurs.filtered()
                    }
                }
            };
            known = known.occurring(narrowed);
        }
        known
    }

    /// The type alone: nothing is noted or reported.
    fn infer_quietly(&mut self, op: &Op, focus: &StaticType) -> StaticType {
        let found = std::mem::take(&mut self.found);
        let present = self.present.len();
        let known = self.infer(op, focus);
        self.present.truncate(present);
        self.found = found;
        known
    }

    fn path(&mut self, rooted: bool, steps: &[StepOp], focus: &StaticType) -> StaticType {
        let mut known = if rooted { rooted_at(focus) } else { focus.each() };
        for step in steps {
            known = match step {
                StepOp::Op(op) => {
                    let after = self.infer(op, &known.each());
                    let occurs = known.occurs.times(after.occurs);
                    after.occurring(occurs)
                }
                StepOp::Axis(step) => {
                    let occurs = known.occurs;
                    let after = self.step(step, &known);
                    let after = self.predicates(&step.predicates, after);
                    let occurs = match step.axis {
                        Axis::Parent => Occurs { least: occurs.least, most: occurs.most },
                        _ => occurs.times(after.occurs),
                    };
                    after.occurring(occurs)
                }
            };
        }
        known
    }

    /// Where a step leads from one of some nodes.
    fn step(&mut self, step: &AxisOp, from: &StaticType) -> StaticType {
        let Some(model) = self.scope.model else { return StaticType::any() };
        let mut found: Option<StaticType> = None;
        for item in &from.items {
            let ItemType::Node(spot) = item else { return StaticType::any() };
            let Some(next) = self.leads(model, spot, step) else { return StaticType::any() };
            found = Some(match found {
                None => next,
                Some(before) => before.or(&next),
            });
        }
        found.unwrap_or_else(StaticType::empty)
    }

    /// Where a step leads from a place; `None` when that is not known.
    fn leads(&self, model: &dyn SourceModel, spot: &Arc<Spot>, step: &AxisOp) -> Option<StaticType> {
        let of = spot.of();
        let is_inner = matches!(spot.kind(), Kind::Element | Kind::Document);
        let node = |spot: Arc<Spot>| StaticType { items: vec![ItemType::Node(spot)], occurs: Occurs::ONE };
        match step.axis {
            Axis::Child if !is_inner => Some(StaticType::empty()),
            Axis::Child => match self.test(&step.test) {
                Test::Name(name) if matches!(step.test, NodeTest::Name(Kind::Element, _)) => {
                    let to = model.child(of, &name)?;
                    let child = spot.child(name.clone(), to);
                    let occurs = self.guarded(&child, model.occurs(of, &name));
                    Some(node(child).occurring(occurs))
                }
                Test::Text => Some(node(spot.text_node()).occurring(Occurs::ANY)),
                Test::Unknown => None,
                test if model.is_open(of) && test != Test::Text => None,
                test => {
                    let mut found = StaticType::empty();
                    for name in model.child_names(of) {
                        if test.holds(&name) {
                            let child = spot.child(name.clone(), model.child(of, &name)?);
                            let occurs = self.guarded(&child, model.occurs(of, &name));
                            found = found.then(&node(child).occurring(occurs));
                        }
                    }
                    Some(found)
                }
            },
            Axis::Attribute => {
                let test = self.test(&step.test);
                if !is_inner || model.is_open(of) || matches!(test, Test::Unknown | Test::Text) {
                    return None;
                }
                let mut found = StaticType::empty();
                for name in model.attribute_names(of) {
                    if test.holds(&name) {
                        let attribute = spot.attribute(name.clone());
                        let least = if model.requires_attribute(of, &name) { Occurs::ONE } else { Occurs::OPTIONAL };
                        let occurs = self.guarded(&attribute, least);
                        found = found.then(&node(attribute).occurring(occurs));
                    }
                }
                Some(found)
            }
            Axis::SelfNode => {
                let occurs = if matches!(step.test, NodeTest::Any) { Occurs::ONE } else { Occurs::ONE.filtered() };
                Some(node(spot.clone()).occurring(occurs))
            }
            Axis::Parent => {
                let occurs = if matches!(step.test, NodeTest::Any) { Occurs::ONE } else { Occurs::ONE.filtered() };
                Some(spot.up().map_or_else(StaticType::empty, |up| node(up.clone()).occurring(occurs)))
            }
            Axis::Descendant => {
                let test = self.test(&step.test);
                if matches!(test, Test::Unknown | Test::Text) {
                    return None;
                }
                let (below, open) = below(model, spot)?;
                if open && !matches!(test, Test::Name(_)) {
                    return None;
                }
                let wanted = below.iter().filter(|spot| spot.name().is_some_and(|name| test.holds(name)));
                let items: Vec<ItemType> = wanted.cloned().map(ItemType::Node).collect();
                (!items.is_empty() || !open)
                    .then(|| StaticType { items: Vec::new(), occurs: Occurs::ANY }.with_items(&items))
            }
            Axis::DescendantOrSelf if matches!(step.test, NodeTest::Any) => {
                let (below, open) = below(model, spot)?;
                if open {
                    return None;
                }
                let mut items: Vec<ItemType> = below.into_iter().map(ItemType::Node).collect();
                items.push(ItemType::Node(spot.clone()));
                Some(StaticType { items: Vec::new(), occurs: Occurs::SOME }.with_items(&items))
            }
            _ => None,
        }
    }

    /// An optional place that a condition asked for is there.
    fn guarded(&self, spot: &Arc<Spot>, occurs: Occurs) -> Occurs {
        if occurs.least == Least::Nothing && self.present.iter().any(|asked| asked.is_within(spot)) {
            return Occurs { least: Least::Filtered, ..occurs };
        }
        occurs
    }

    fn test(&self, test: &NodeTest) -> Test {
        match test {
            NodeTest::Name(_, symbol) => {
                let symbols = self.scope.symbols.borrow();
                symbols.names().get(*symbol as usize).cloned().map_or(Test::Unknown, Test::Name)
            }
            NodeTest::Kind(Kind::Element | Kind::Attribute) | NodeTest::Any => Test::Every,
            NodeTest::Kind(Kind::Text) => Test::Text,
            NodeTest::Kind(_) | NodeTest::DocumentOf(_) | NodeTest::Never => Test::Unknown,
            NodeTest::Namespace(_, namespace) => Test::Namespace(namespace.clone()),
            NodeTest::Local(Kind::Element | Kind::Attribute, local) => Test::Local(local.clone()),
            NodeTest::Local(..) => Test::Unknown,
        }
    }
}

/// What a parameter takes, or a function gives.
#[derive(Clone, Copy)]
struct Slot {
    items: Accepts,
    occurs: Occurs,
}

#[derive(Clone, Copy)]
enum Accepts {
    /// Anything, or types that are not told apart.
    Anything,
    Node,
    Number,
    Of(Class),
}

impl Slot {
    const ANY: Self = Self { items: Accepts::Anything, occurs: Occurs::ANY };

    fn of(known: signature::SequenceType) -> Self {
        let occurs = match known.occurrence {
            Occurrence::One => Occurs::ONE,
            Occurrence::Optional => Occurs::OPTIONAL,
            Occurrence::Any => Occurs { least: Least::Nothing, most: Most::Many },
            Occurrence::Some => Occurs::SOME,
        };
        let items = match known.item {
            signature::ItemType::Node(_) => Accepts::Node,
            signature::ItemType::Atomic(AtomicType::Numeric) => Accepts::Number,
            signature::ItemType::Atomic(atomic) => Class::named(atomic.name()).map_or(Accepts::Anything, Accepts::Of),
            _ => Accepts::Anything,
        };
        Self { items, occurs }
    }
}

/// Which names a step takes.
#[derive(PartialEq)]
enum Test {
    Name(QName),
    Every,
    Namespace(Arc<str>),
    Local(Arc<str>),
    Text,
    Unknown,
}

impl Test {
    fn holds(&self, name: &QName) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Every => true,
            Self::Namespace(namespace) => *name.namespace == **namespace,
            Self::Local(local) => *name.local == **local,
            Self::Text | Self::Unknown => false,
        }
    }
}

/// Every element below a place, and whether others may stand there; `None` when there are too many, or no end.
fn below(model: &dyn SourceModel, spot: &Arc<Spot>) -> Option<(Vec<Arc<Spot>>, bool)> {
    let (mut found, mut next, mut open) = (vec![spot.clone()], 0, false);
    while let Some(at) = found.get(next).cloned() {
        next += 1;
        open |= model.is_open(at.of());
        if found.len() > MAX_BELOW {
            return None;
        }
        for name in model.child_names(at.of()) {
            let Some(to) = model.child(at.of(), &name) else { continue };
            let child = at.child(name, to);
            let mut up = child.up();
            let mut repeats = false;
            while let Some(above) = up {
                repeats |= above.of() == to && above.name() == child.name();
                up = above.up();
            }
            if repeats {
                return None;
            }
            found.push(child);
        }
    }
    found.remove(0);
    Some((found, open))
}

/// The path of an element whose child has a name: `/SalesOrder/Line`.
pub(super) fn whereabouts(model: &dyn SourceModel, name: &QName) -> Option<String> {
    let (below, _) = below(model, &Spot::document(model.root()))?;
    let found = below.iter().find(|spot| spot.name() == Some(name))?;
    found.up().filter(|up| up.kind() == Kind::Element).map(|up| up.to_string())
}

fn rooted_at(focus: &StaticType) -> StaticType {
    let mut found: Option<Arc<Spot>> = None;
    for item in &focus.items {
        let ItemType::Node(spot) = item else { return StaticType::any() };
        let mut top = spot.clone();
        while let Some(up) = top.up().cloned() {
            top = up;
        }
        if found.as_ref().is_some_and(|known| **known != *top) {
            return StaticType::any();
        }
        found = Some(top);
    }
    found.map_or_else(StaticType::any, |top| StaticType { items: vec![ItemType::Node(top)], occurs: Occurs::ONE })
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

/// What a call gives: the signature's result, made exact where the value comes from the arguments.
fn yields(function: &Function, types: &[StaticType], own: Slot, first: Option<Slot>) -> StaticType {
    let (any, empty) = (StaticType::any(), StaticType::empty());
    let arg = |at: usize| types.get(at).unwrap_or(&empty);
    let given = types.first().unwrap_or(&any);
    let like = |occurs: Occurs| given.clone().occurring(occurs);
    let numeric = |occurs: Occurs| {
        let all = |wanted: fn(Class) -> bool| given.items.iter().all(|item| item.class().is_some_and(wanted));
        if given.is_unknown() || given.items.iter().any(|item| item.class().is_some_and(Class::is_temporal)) {
            return StaticType::any().occurring(occurs);
        }
        let class = if all(|class| class == Class::Integer) {
            Class::Integer
        } else if given.items.iter().any(|item| item.class() == Some(Class::Double)) {
            Class::Double
        } else {
            Class::Decimal
        };
        StaticType::atomic(class, occurs)
    };
    match function.name {
        "data" | "distinct-values" | "reverse" | "unordered" => like(given.occurs),
        "head" => like(given.occurs.single()),
        "zero-or-one" => like(given.occurs.single()),
        "exactly-one" => like(Occurs::ONE),
        "one-or-more" => like(Occurs { least: Least::One, ..given.occurs }),
        "tail" | "subsequence" | "remove" => like(given.occurs.filtered()),
        "insert-before" => given.clone().then(arg(2)),
        "code" => {
            let found = StaticType::atomic(Class::String, arg(1).occurs.single());
            if types.len() > 2 { found.or(&arg(2).clone().occurring(arg(2).occurs.then(Occurs::EMPTY))) } else { found }
        }
        "xref" => StaticType::atomic(Class::String, arg(1).occurs.single()),
        "ceiling" | "floor" | "round" | "round-half-to-even" if types.len() == 1 => {
            let rounded = numeric(given.occurs.single());
            let exact = rounded.items == [ItemType::Atomic(Class::Decimal)];
            if exact { StaticType::atomic(Class::Integer, rounded.occurs) } else { rounded }
        }
        "abs" | "round" | "round-half-to-even" => numeric(given.occurs.single()),
        "min" | "max" if given.items.iter().all(|item| item.class().is_some()) => like(given.occurs.single()),
        "min" | "max" | "avg" => numeric(given.occurs.single()),
        "sum" => numeric(Occurs::ONE),
        _ => {
            let mut occurs = own.occurs;
            if occurs.least == Least::Nothing {
                // Functions that give nothing do so for an empty first argument; the others ask the host.
                let follows = first.is_some_and(|slot| slot.occurs == Occurs::OPTIONAL) && !types.is_empty();
                occurs.least = if follows { given.occurs.least } else { Least::Filtered };
            }
            match own.items {
                Accepts::Of(class) => StaticType::atomic(class, occurs),
                Accepts::Number => StaticType::atomic(Class::Decimal, occurs),
                Accepts::Anything | Accepts::Node => StaticType::any().occurring(occurs),
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
