//! Static analysis: the syntax tree against a scope, every problem found, to the compiled form.

use std::{collections::HashSet, sync::Arc};

use super::{
    Scope, TypeRef, Value,
    ast::{Axis, AxisStep, Expr, ExprKind, ItemTest, Key, Lexical, Named, SequenceType, Span, Step, Test},
    cast::{AtomicType, Prefixes, TYPES},
    code,
    conversion::surely_fits,
    function::{self, Function, Prepared, Yields, date_picture::DatePicture, number_picture::NumberPicture, pattern},
    item::Item,
    op::{AxisOp, ItemTypeTest, NodeTest, Op, OpKind, Predicate, StepOp, TypeTest},
    signature::Parameter,
    static_type::StaticType,
};
use crate::{
    base::{Code, Place, Problem, suggest},
    document::{Kind, QName},
};

/// Properties `message()` knows.
const MESSAGE_PROPERTIES: &[&str] = &["id", "received", "system", "site", "type", "business-key"];

/// What is known about the nodes an expression yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Static {
    Unknown,
    Type(TypeRef),
    /// Any node at or below a type.
    Below(TypeRef),
}

impl Static {
    fn either(self, other: Self) -> Self {
        if self == other { self } else { Self::Unknown }
    }
}

impl From<Option<TypeRef>> for Static {
    fn from(known: Option<TypeRef>) -> Self {
        known.map_or(Self::Unknown, Self::Type)
    }
}

type Typed = (Op, Static);

pub(super) struct Compiler<'a> {
    text: &'a str,
    scope: &'a Scope<'a>,
    locals: Vec<(String, Static)>,
    pub problems: Vec<Problem>,
}

/// The place of a byte offset of a formula that begins at a line and column of its file.
pub(super) fn place(text: &str, offset: u32, file: Option<&Arc<str>>, line: u32, column: u32) -> Place {
    let mut place = Place::of_offset(text, offset as usize);
    if place.line == 1 {
        place.column += column.saturating_sub(1);
    }
    place.line += line.saturating_sub(1);
    place.file = file.cloned();
    place
}

impl<'a> Compiler<'a> {
    pub fn new(text: &'a str, scope: &'a Scope<'a>) -> Self {
        Self { text, scope, locals: Vec::new(), problems: Vec::new() }
    }

    pub fn place(&self, span: Span) -> Place {
        place(self.text, span.start, self.scope.file.as_ref(), self.scope.line, self.scope.column)
    }

    fn report(&mut self, code: Code, span: Span, text: String, hint: Option<String>) {
        let mut problem = Problem::new(code, text).at(self.place(span));
        problem.hint = hint;
        self.problems.push(problem);
    }

    fn namespace(&mut self, prefix: &str, span: Span) -> Option<String> {
        if let Some((_, uri)) = self.scope.namespaces.iter().find(|(known, _)| known == prefix) {
            return Some(uri.clone());
        }
        if let Some((_, uri)) = function::NAMESPACES.iter().find(|(known, _)| *known == prefix) {
            return Some((*uri).to_owned());
        }
        if prefix == "xml" {
            return Some("http://www.w3.org/XML/1998/namespace".to_owned());
        }
        let known = self.scope.namespaces.iter().map(|(known, _)| known.as_str());
        let hint = suggest(prefix, known).map(|best| format!("did you mean `{best}`?"));
        let hint = hint.or_else(|| Some("declare it under `namespaces`".to_owned()));
        self.report(code::UNKNOWN_PREFIX, span, format!("prefix `{prefix}` is not declared (XPST0081)"), hint);
        None
    }

    fn qname(&mut self, name: &Lexical, default: Option<&str>, span: Span) -> Option<QName> {
        if let Lexical::Braced(namespace, _) = name
            && &**namespace == "http://www.w3.org/2000/xmlns/"
        {
            let text = "no name is in the namespace of `xmlns` (XQST0070)".to_owned();
            self.report(code::UNKNOWN_PREFIX, span, text, None);
            return None;
        }
        Some(match name {
            Lexical::Plain(local) => QName::new(default.unwrap_or_default(), local.clone()),
            Lexical::Braced(namespace, local) => QName::new(namespace.clone(), local.clone()),
            Lexical::Prefixed(prefix, local) => QName::new(self.namespace(prefix, span)?, local.clone()),
        })
    }

    fn all(&mut self, all: &[Expr], context: Static) -> Vec<Op> {
        all.iter().map(|one| self.expr(one, context).0).collect()
    }

    fn boxed(&mut self, expr: &Expr, context: Static) -> Box<Op> {
        Box::new(self.expr(expr, context).0)
    }

    pub fn expr(&mut self, expr: &Expr, context: Static) -> Typed {
        let constant = |item: Item| (OpKind::Constant(Value::One(item)), Static::Unknown);
        let unknown = |kind: OpKind| (kind, Static::Unknown);
        let (kind, known) = match &expr.kind {
            ExprKind::String(text) => constant(Item::String(text.clone())),
            ExprKind::Integer(value) => constant(Item::Integer(*value)),
            ExprKind::Decimal(value) => constant(Item::Decimal(*value)),
            ExprKind::Double(value) => constant(Item::Double(*value)),
            ExprKind::Context => (OpKind::Context, context),
            ExprKind::Variable(name) => self.variable(name),
            ExprKind::Sequence(all) if all.is_empty() => unknown(OpKind::Constant(Value::Empty)),
            ExprKind::Sequence(all) => {
                let mut types = None;
                let mut ops = Vec::with_capacity(all.len());
                for one in all {
                    let (op, known) = self.expr(one, context);
                    types = Some(types.map_or(known, |before: Static| before.either(known)));
                    ops.push(op);
                }
                (OpKind::Sequence(ops), types.unwrap_or(Static::Unknown))
            }
            ExprKind::Range(a, b) => unknown(OpKind::Range(self.boxed(a, context), self.boxed(b, context))),
            ExprKind::Arithmetic(operation, a, b) => {
                unknown(OpKind::Arithmetic(*operation, self.boxed(a, context), self.boxed(b, context)))
            }
            ExprKind::Negate(a) => unknown(OpKind::Negate(self.boxed(a, context))),
            ExprKind::Plus(a) => unknown(OpKind::Plus(self.boxed(a, context))),
            ExprKind::Value(comparison, a, b) => {
                unknown(OpKind::Value(*comparison, self.boxed(a, context), self.boxed(b, context)))
            }
            ExprKind::General(comparison, a, b) => {
                unknown(OpKind::General(*comparison, self.boxed(a, context), self.boxed(b, context)))
            }
            ExprKind::Nodes(comparison, a, b) => {
                unknown(OpKind::Nodes(*comparison, self.boxed(a, context), self.boxed(b, context)))
            }
            ExprKind::And(all) => unknown(OpKind::And(self.all(all, context))),
            ExprKind::Or(all) => unknown(OpKind::Or(self.all(all, context))),
            ExprKind::Concat(all) => unknown(OpKind::Concat(self.all(all, context))),
            ExprKind::If(branches, otherwise) => {
                let (otherwise, mut known) = self.expr(otherwise, context);
                let mut ops = Vec::with_capacity(branches.len());
                for (condition, then) in branches {
                    let condition = self.expr(condition, context).0;
                    let (then, of) = self.expr(then, context);
                    known = known.either(of);
                    ops.push((condition, then));
                }
                (OpKind::If(ops, Box::new(otherwise)), known)
            }
            ExprKind::For(bindings, body) => {
                let (op, known) = self.bound(bindings, body, context, &OpKind::For);
                (op.kind, known)
            }
            ExprKind::Let(bindings, body) => {
                let (op, known) = self.bound(bindings, body, context, &OpKind::Let);
                (op.kind, known)
            }
            ExprKind::Quantified { every, bindings, body } => {
                let every = *every;
                let build = move |input, body| OpKind::Quantified { every, input, body };
                unknown(self.bound(bindings, body, context, &build).0.kind)
            }
            ExprKind::Map(input, body) => {
                let (input, each) = self.expr(input, context);
                let (body, known) = self.expr(body, each);
                (OpKind::Map(Box::new(input), Box::new(body)), known)
            }
            ExprKind::Set(operation, a, b) => {
                let ((a, left), (b, right)) = (self.expr(a, context), self.expr(b, context));
                (OpKind::Set(*operation, Box::new(a), Box::new(b)), left.either(right))
            }
            ExprKind::Cast { input, to, optional } => {
                let input = self.boxed(input, context);
                let Some(to) = self.concrete_type(to, "XPST0080") else { return nothing(expr.span) };
                let prefixes = self.prefixes(to);
                unknown(OpKind::Cast { input, to, optional: *optional, prefixes })
            }
            ExprKind::Castable { input, to, optional } => {
                let input = self.boxed(input, context);
                let Some(to) = self.concrete_type(to, "XPST0080") else { return nothing(expr.span) };
                let prefixes = self.prefixes(to);
                unknown(OpKind::Castable { input, to, optional: *optional, prefixes })
            }
            ExprKind::InstanceOf(input, to) => {
                let input = self.boxed(input, context);
                let Some(test) = self.sequence_type(to, expr.span) else { return nothing(expr.span) };
                unknown(OpKind::InstanceOf(input, test))
            }
            ExprKind::Treat(input, to) => {
                let (input, known) = self.expr(input, context);
                let Some(test) = self.sequence_type(to, expr.span) else { return nothing(expr.span) };
                (OpKind::Treat(Box::new(input), test), known)
            }
            ExprKind::Call { function, arguments } => match self.call(function, arguments, context) {
                Some(typed) => typed,
                None => return nothing(expr.span),
            },
            ExprKind::Path { rooted, steps } => self.path(*rooted, steps, context),
            ExprKind::Filter(input, predicates) => {
                let (input, known) = self.expr(input, context);
                let predicates = self.predicates(predicates, known);
                (OpKind::Filter(Box::new(input), predicates), known)
            }
            ExprKind::MapOf(entries) => {
                let mut pair = |(key, value): &(Expr, Expr)| (self.expr(key, context).0, self.expr(value, context).0);
                unknown(OpKind::MapOf(entries.iter().map(&mut pair).collect()))
            }
            ExprKind::ArrayOf(members) => unknown(OpKind::ArrayOf(self.all(members, context))),
            ExprKind::ArrayFrom(items) => unknown(OpKind::ArrayFrom(self.boxed(items, context))),
            ExprKind::Lookup(input, key) => {
                let span = expr.span;
                let input = match input {
                    Some(input) => self.boxed(input, context),
                    None => Box::new(Op { kind: OpKind::Context, span }),
                };
                let constant = |item| Some(Box::new(Op { kind: OpKind::Constant(Value::One(item)), span }));
                let key = match key {
                    Key::All => None,
                    Key::Name(name) => constant(Item::String(name.clone())),
                    Key::Position(position) => constant(Item::Integer(*position)),
                    Key::Expr(key) => Some(self.boxed(key, context)),
                };
                unknown(OpKind::Lookup(input, key))
            }
            ExprKind::Invoke(callee, arguments) => {
                unknown(OpKind::Invoke(self.boxed(callee, context), self.all(arguments, context)))
            }
        };
        (folded(Op { kind, span: expr.span }), known)
    }

    /// A variable's name as it is compared: `name`, `Q{uri}name`; none when its prefix is not declared.
    fn variable_name(&mut self, name: &Named) -> Option<String> {
        let QName { namespace, local } = self.qname(&name.name, None, name.span)?;
        Some(if namespace.is_empty() { local.to_string() } else { format!("Q{{{namespace}}}{local}") })
    }

    fn variable(&mut self, name: &Named) -> (OpKind, Static) {
        let nothing = (OpKind::Constant(Value::Empty), Static::Unknown);
        let written = name.name.to_string();
        if let Some(slot) = self.scope.variables.iter().rposition(|known| *known == written)
            && !matches!(name.name, Lexical::Plain(_))
        {
            let known = self.scope.variable_types.get(slot).and_then(StaticType::type_ref);
            return (OpKind::Outer(slot), known.into());
        }
        let Some(written) = self.variable_name(name) else { return nothing };
        if let Some(at) = self.locals.iter().rposition(|(known, _)| *known == written) {
            return (OpKind::Local(at), self.locals[at].1);
        }
        if let Some(slot) = self.scope.variables.iter().rposition(|known| *known == written) {
            let known = self.scope.variable_types.get(slot).and_then(StaticType::type_ref);
            return (OpKind::Outer(slot), known.into());
        }
        let known: Vec<&str> = (self.locals.iter().map(|(known, _)| known.as_str()))
            .chain(self.scope.variables.iter().map(String::as_str))
            .filter(|known| !known.ends_with(')'))
            .collect();
        let hint = suggest(&written, known.iter().copied()).map(|best| format!("did you mean `${best}`?"));
        let hint = hint.or_else(|| (!known.is_empty()).then(|| format!("known here: ${}", known.join(", $"))));
        let text = format!("variable `${}` is not declared (XPST0008)", name.name);
        self.report(code::UNKNOWN_VARIABLE, name.span, text, hint);
        nothing
    }

    /// Bindings nest: each is in scope in the following ones and in the body.
    fn bound(
        &mut self,
        bindings: &[(Named, Expr)],
        body: &Expr,
        context: Static,
        build: &dyn Fn(Box<Op>, Box<Op>) -> OpKind,
    ) -> Typed {
        let Some(((name, input), rest)) = bindings.split_first() else { return self.expr(body, context) };
        let (input, known) = self.expr(input, context);
        let written = self.variable_name(name).unwrap_or_default();
        if function::is_reserved(&written) {
            let text = format!("`{written}` is the name of an integration function, not a variable name");
            self.report(code::UNKNOWN_VARIABLE, name.span, text, Some("choose another name".to_owned()));
        }
        self.locals.push((written, known));
        let (body, known) = self.bound(rest, body, context, build);
        self.locals.pop();
        let span = name.span;
        (Op { kind: build(Box::new(input), Box::new(body)), span }, known)
    }

    fn atomic_type(&mut self, name: &Named) -> Option<AtomicType> {
        let local = match &name.name {
            Lexical::Prefixed(prefix, local) if self.is_schema_prefix(prefix) => local,
            Lexical::Braced(namespace, local) if &**namespace == function::SCHEMA => local,
            _ => {
                self.declared(name)?;
                let text = format!("type `{}` is not known (XPST0051)", name.name);
                let hint = format!("types are written with the prefix xs: `xs:{}`", name.name.local());
                self.report(code::UNKNOWN_TYPE, name.span, text, Some(hint));
                return None;
            }
        };
        let found = TYPES.iter().find(|(known, _)| **known == **local).map(|(_, atomic)| *atomic);
        if found.is_none() {
            let hint = type_hint(local);
            self.report(
                code::UNKNOWN_TYPE,
                name.span,
                format!("type `{}` is not known (XPST0051)", name.name),
                Some(hint),
            );
        }
        found
    }

    /// A type that items can be of (XPath 3.1 §2.5.4).
    fn item_type_named(&mut self, name: &Named) -> Option<AtomicType> {
        let found = self.atomic_type(name)?;
        if !found.is_item_type() {
            let text = format!("no single item is of type `{}` (XPST0051)", name.name);
            self.report(code::UNKNOWN_TYPE, name.span, text, None);
            return None;
        }
        Some(found)
    }

    /// Whether the prefix of a name is declared; reports it when not.
    fn declared(&mut self, name: &Named) -> Option<()> {
        match &name.name {
            Lexical::Prefixed(prefix, _) => self.namespace(prefix, name.span).map(|_| ()),
            _ => Some(()),
        }
    }

    fn is_schema_prefix(&self, prefix: &str) -> bool {
        match self.scope.namespaces.iter().find(|(known, _)| known == prefix) {
            Some((_, uri)) => uri == function::SCHEMA,
            None => prefix == "xs",
        }
    }

    /// A type that values can be cast to; else it is the W3C error given.
    fn concrete_type(&mut self, name: &Named, w3c: &str) -> Option<AtomicType> {
        let found = self.atomic_type(name)?;
        if !found.is_concrete() {
            let text = format!("nothing can be cast to the abstract type `{}` ({w3c})", name.name);
            self.report(code::UNKNOWN_TYPE, name.span, text, None);
            return None;
        }
        Some(found)
    }

    /// The prefixes a cast needs to know.
    fn prefixes(&self, to: AtomicType) -> Option<Arc<Prefixes>> {
        if to != AtomicType::QName {
            return None;
        }
        let predeclared =
            [("xs", function::SCHEMA), ("fn", function::FUNCTIONS), ("xml", "http://www.w3.org/XML/1998/namespace")];
        let default = self.scope.default_element_namespace.map(|uri| ("", uri));
        let declared = self.scope.namespaces.iter().map(|(prefix, uri)| (prefix.as_str(), uri.as_str()));
        let known = declared.chain(default).chain(predeclared).map(|(prefix, uri)| (prefix.into(), uri.into()));
        Some(Arc::new(Prefixes { known: known.collect() }))
    }

    fn sequence_type(&mut self, written: &SequenceType, span: Span) -> Option<TypeTest> {
        let item = match &written.item {
            None => None,
            Some(test) => Some(self.item_type(test, span)?),
        };
        Some(TypeTest { item, occurrence: written.occurrence, text: written.to_string().into() })
    }

    fn item_type(&mut self, written: &ItemTest, span: Span) -> Option<ItemTypeTest> {
        Some(match written {
            ItemTest::Item => ItemTypeTest::Item,
            ItemTest::Atomic(name) => ItemTypeTest::Atomic(self.item_type_named(name)?),
            ItemTest::Kind(test) => ItemTypeTest::Node(self.node_test(test, Kind::Element, span)?),
            ItemTest::Map(None) => ItemTypeTest::Map(None),
            ItemTest::Map(Some((key, value))) => {
                let key = self.atomic_type(key)?;
                ItemTypeTest::Map(Some((key, Box::new(self.sequence_type(value, span)?))))
            }
            ItemTest::Array(None) => ItemTypeTest::Array(None),
            ItemTest::Array(Some(member)) => ItemTypeTest::Array(Some(Box::new(self.sequence_type(member, span)?))),
            ItemTest::Function(None) => ItemTypeTest::Function(None),
            ItemTest::Function(Some((parameters, result))) => {
                let parameters: Option<Vec<_>> =
                    parameters.iter().map(|parameter| self.sequence_type(parameter, span)).collect();
                ItemTypeTest::Function(Some((parameters?, Box::new(self.sequence_type(result, span)?))))
            }
        })
    }

    fn call(&mut self, name: &Named, arguments: &[Expr], context: Static) -> Option<(OpKind, Static)> {
        let mut types = Vec::with_capacity(arguments.len());
        let mut ops = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let (op, known) = self.expr(argument, context);
            types.push(known);
            ops.push(op);
        }
        let Some(local) = self.function_name(name)? else { return self.constructor(name, ops) };
        let local = &*local;
        if matches!(local, "current-group" | "current-grouping-key") {
            return self.grouping(local, name, ops.len());
        }
        let Some(function) = function::find(local) else {
            self.unknown_function(name);
            return None;
        };
        let (least, most) = function.arity;
        if ops.len() < least || ops.len() > most {
            let text = format!("`{}` takes {}, not {} (XPST0017)", function.name, count(least, most), ops.len());
            let hint = Some(format!("signature: {}", function.signature));
            self.report(code::UNKNOWN_FUNCTION, name.span, text, hint);
            return None;
        }
        self.check_literals(function.name, arguments, &ops);
        let prepared = self.prepared(function.name, arguments, &ops);
        let known = match function.yields {
            Yields::Other => Static::Unknown,
            Yields::First => types.first().copied().unwrap_or(Static::Unknown),
        };
        let conversions = conversions(function, &ops);
        Some((OpKind::Call { function, arguments: ops, conversions, prepared }, known))
    }

    /// The name a function has in the tables: `count`, `map:get`; none for the constructor of a type.
    fn function_name(&mut self, name: &Named) -> Option<Option<String>> {
        let (namespace, local) = match &name.name {
            Lexical::Plain(local) => return Some(Some(local.to_string())),
            Lexical::Prefixed(prefix, local) => (self.namespace(prefix, name.span)?, local),
            Lexical::Braced(namespace, local) => (namespace.to_string(), local),
        };
        match function::NAMESPACES.iter().find(|(_, known)| *known == namespace) {
            Some(("xs", _)) => Some(None),
            Some(("fn", _)) => Some(Some(local.to_string())),
            Some((prefix, _)) => Some(Some(format!("{prefix}:{local}"))),
            None => {
                self.unknown_function(name);
                None
            }
        }
    }

    fn constructor(&mut self, name: &Named, mut ops: Vec<Op>) -> Option<(OpKind, Static)> {
        if !TYPES.iter().any(|(known, _)| **known == **name.name.local()) {
            let text = format!("type `{}` is not known (XPST0017)", name.name);
            self.report(code::UNKNOWN_TYPE, name.span, text, Some(type_hint(name.name.local())));
            return None;
        }
        let to = self.concrete_type(name, "XPST0017")?;
        if ops.len() != 1 {
            let text = format!("`{}` takes 1 argument, not {} (XPST0017)", name.name, ops.len());
            self.report(code::UNKNOWN_FUNCTION, name.span, text, None);
            return None;
        }
        let input = Box::new(ops.pop()?);
        let prefixes = self.prefixes(to);
        Some((OpKind::Cast { input, to, optional: true, prefixes }, Static::Unknown))
    }

    fn grouping(&mut self, local: &str, name: &Named, arguments: usize) -> Option<(OpKind, Static)> {
        let slot = self.scope.variables.iter().rposition(|known| known.strip_suffix("()") == Some(local));
        match slot {
            Some(slot) if arguments == 0 => {
                let known = self.scope.variable_types.get(slot).and_then(StaticType::type_ref);
                Some((OpKind::Outer(slot), known.into()))
            }
            Some(_) => {
                let text = format!("`{local}` takes no arguments, not {arguments} (XPST0017)");
                self.report(code::UNKNOWN_FUNCTION, name.span, text, None);
                None
            }
            None => {
                let text = format!("`{local}()` is only known in a block with `$group-by` (XPST0017)");
                self.report(code::UNKNOWN_FUNCTION, name.span, text, None);
                None
            }
        }
    }

    fn unknown_function(&mut self, name: &Named) {
        let local = name.name.local();
        let clock = matches!(&**local, "current-date" | "current-dateTime" | "current-time");
        let hint = if clock {
            Some("formulas read no clock; use `message('received')`".to_owned())
        } else {
            let names = function::functions().map(|function| function.name);
            suggest(local, names).map(|best| format!("did you mean `{best}`?"))
        };
        self.report(
            code::UNKNOWN_FUNCTION,
            name.span,
            format!("there is no function `{}` (XPST0017)", name.name),
            hint,
        );
    }

    /// Arguments whose literals can be checked now.
    fn check_literals(&mut self, function: &str, arguments: &[Expr], ops: &[Op]) {
        let literal = |at: usize| Some((literal(ops.get(at)?)?, arguments.get(at)?.span));
        match function {
            "code" => {
                if let (Some(tables), Some((table, span))) = (self.scope.code_tables, literal(0))
                    && !tables.iter().any(|known| **known == *table)
                {
                    let hint = suggest(&table, tables.iter().map(String::as_str));
                    let hint = hint.map_or_else(
                        || "add the table, or name an existing one".to_owned(),
                        |best| format!("did you mean `{best}`?"),
                    );
                    self.report(code::UNKNOWN_TABLE, span, format!("there is no code table `{table}`"), Some(hint));
                }
            }
            "message" => {
                if let Some((property, span)) = literal(0)
                    && !MESSAGE_PROPERTIES.contains(&&*property)
                {
                    let hint = suggest(&property, MESSAGE_PROPERTIES.iter().copied()).map_or_else(
                        || format!("known: {}", MESSAGE_PROPERTIES.join(", ")),
                        |best| format!("did you mean `{best}`?"),
                    );
                    let text = format!("a message has no property `{property}`");
                    self.report(code::BAD_LITERAL, span, text, Some(hint));
                }
            }
            _ => {}
        }
    }

    /// The pattern or picture of a function, compiled once when it is a literal.
    fn prepared(&mut self, function: &str, arguments: &[Expr], ops: &[Op]) -> Option<Arc<Prepared>> {
        let flags_at = match function {
            "matches" | "tokenize" | "analyze-string" => Some(2),
            "replace" => Some(3),
            // a string is no date: what the picture says does not matter then
            "format-date" | "format-dateTime" | "format-time" if ops.first().and_then(literal).is_some() => {
                return None;
            }
            "format-date" | "format-dateTime" | "format-time" | "parse-date" => None,
            "format-number" if ops.len() == 2 => None,
            _ => return None,
        };
        let text = literal(ops.get(1)?)?;
        let flags = match flags_at.and_then(|at| ops.get(at)) {
            Some(op) => literal(op)?,
            None => "".into(),
        };
        let prepared = match function {
            "format-number" => NumberPicture::parse(&text).map(|picture| Prepared::Number(Box::new(picture))),
            _ if flags_at.is_none() => DatePicture::parse(&text).map(Prepared::Date),
            _ => pattern::Pattern::compile(&text, &flags).map(Prepared::Pattern),
        };
        match prepared {
            Ok(prepared) => Some(Arc::new(prepared)),
            Err(failure) => {
                let span = arguments.get(1).map(|argument| argument.span).unwrap_or_default();
                self.report(code::BAD_LITERAL, span, failure.problem().text, None);
                None
            }
        }
    }

    fn predicates(&mut self, predicates: &[Expr], context: Static) -> Vec<Predicate> {
        predicates
            .iter()
            .map(|predicate| {
                let (op, _) = self.expr(predicate, context);
                match &op.kind {
                    OpKind::Constant(Value::One(Item::Integer(position))) => {
                        let position = position.to_i64().and_then(|position| usize::try_from(position).ok());
                        Predicate::Position(position.unwrap_or(0))
                    }
                    OpKind::Call { function, .. } if function.name == "last" => Predicate::Last,
                    _ => Predicate::Op(op),
                }
            })
            .collect()
    }

    fn path(&mut self, rooted: bool, steps: &[Step], context: Static) -> (OpKind, Static) {
        let mut known = match (rooted, context, self.scope.model) {
            (true, Static::Type(_) | Static::Below(_), Some(model)) => Static::Type(model.root()),
            (true, ..) => Static::Unknown,
            (false, ..) => context,
        };
        let mut ops = Vec::with_capacity(steps.len());
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            match step {
                Step::Expr(expr) => {
                    let (op, after) = self.expr(expr, known);
                    known = after;
                    ops.push(StepOp::Op(op));
                }
                Step::Axis(step) => {
                    // `//name` visits each node once when no predicate counts positions
                    if step.axis == Axis::DescendantOrSelf
                        && matches!(step.test, Test::Node)
                        && step.predicates.is_empty()
                        && let Some(Step::Axis(next)) = steps.peek()
                        && next.axis == Axis::Child
                        && next.predicates.iter().all(|predicate| self.is_boolean(predicate))
                    {
                        let merged = AxisStep { axis: Axis::Descendant, ..next.clone() };
                        known = self.axis_step(&merged, known, &mut ops);
                        steps.next();
                        continue;
                    }
                    known = self.axis_step(step, known, &mut ops);
                }
            }
        }
        (OpKind::Path { rooted, steps: ops }, known)
    }

    /// Whether a predicate surely neither is nor uses a position.
    fn is_boolean(&self, predicate: &Expr) -> bool {
        let boolean = matches!(
            predicate.kind,
            ExprKind::Value(..)
                | ExprKind::General(..)
                | ExprKind::And(_)
                | ExprKind::Or(_)
                | ExprKind::Path { .. }
                | ExprKind::Quantified { .. }
        );
        let text = self.text.get(predicate.span.start as usize..predicate.span.end as usize).unwrap_or("position");
        boolean && !text.contains("position") && !text.contains("last")
    }

    fn axis_step(&mut self, step: &AxisStep, context: Static, ops: &mut Vec<StepOp>) -> Static {
        let principal = if step.axis == Axis::Attribute { Kind::Attribute } else { Kind::Element };
        let Some(test) = self.node_test(&step.test, principal, step.span) else { return Static::Unknown };
        let known = self.check_step(step, &test, context);
        let predicates = self.predicates(&step.predicates, known);
        ops.push(StepOp::Axis(AxisOp { axis: step.axis, test, predicates }));
        known
    }

    fn node_test(&mut self, test: &Test, principal: Kind, span: Span) -> Option<NodeTest> {
        let default = self.scope.default_element_namespace;
        let named = |compiler: &mut Self, name: &Lexical, kind: Kind| {
            let default = if kind == Kind::Element { default } else { None };
            let name = compiler.qname(name, default, span)?;
            Some(NodeTest::Name(kind, compiler.scope.symbols.borrow_mut().intern(name)))
        };
        Some(match test {
            Test::Name(name) => named(self, name, principal)?,
            Test::Element(name, of) => {
                let admits = self.admits_untyped(of.as_ref(), false)?;
                match name {
                    _ if !admits => NodeTest::Never,
                    Some(name) => named(self, name, Kind::Element)?,
                    None => NodeTest::Kind(Kind::Element),
                }
            }
            Test::Attribute(name, of) => {
                let admits = self.admits_untyped(of.as_ref(), true)?;
                match name {
                    _ if !admits => NodeTest::Never,
                    Some(name) => named(self, name, Kind::Attribute)?,
                    None => NodeTest::Kind(Kind::Attribute),
                }
            }
            Test::AnyName => NodeTest::Kind(principal),
            Test::AnyLocal(prefix) => NodeTest::Namespace(principal, self.namespace(prefix, span)?.into()),
            Test::AnyBraced(namespace) => NodeTest::Namespace(principal, namespace.clone()),
            Test::AnyNamespace(local) => NodeTest::Local(principal, local.clone()),
            Test::Node => NodeTest::Any,
            Test::Text => NodeTest::Kind(Kind::Text),
            Test::Comment => NodeTest::Kind(Kind::Comment),
            Test::Instruction(None) => NodeTest::Kind(Kind::Instruction),
            Test::Instruction(Some(target)) => NodeTest::Local(Kind::Instruction, target.clone()),
            Test::Document(None) => NodeTest::Kind(Kind::Document),
            Test::Document(Some(element)) => NodeTest::DocumentOf(Box::new(self.node_test(element, principal, span)?)),
            Test::Namespace => NodeTest::Never,
            Test::Schema(declaration) => {
                self.declared(declaration)?;
                let text = format!("no schema declares `{}` (XPST0008)", declaration.name);
                self.report(code::UNKNOWN_TYPE, declaration.span, text, None);
                return None;
            }
        })
    }

    /// Whether nodes, which have no schema type, are of a type (XPath 3.1 §2.5.5.3, §2.5.5.5).
    fn admits_untyped(&mut self, of: Option<&Named>, attribute: bool) -> Option<bool> {
        let Some(of) = of else { return Some(true) };
        let schema = match &of.name {
            Lexical::Prefixed(prefix, _) => self.is_schema_prefix(prefix),
            Lexical::Braced(namespace, _) => **namespace == *function::SCHEMA,
            Lexical::Plain(_) => false,
        };
        match &**of.name.local() {
            "anyType" if schema => return Some(true),
            "untyped" if schema => return Some(!attribute),
            "anySimpleType" | "anyAtomicType" | "untypedAtomic" if schema => return Some(attribute),
            known if schema && TYPES.iter().any(|(name, _)| *name == known) => return Some(false),
            _ => {}
        }
        if !schema {
            self.declared(of)?;
        }
        self.report(code::UNKNOWN_TYPE, of.span, format!("type `{}` is not known (XPST0008)", of.name), None);
        None
    }

    /// What a step leads to; reports it when no document of the source type has it.
    fn check_step(&mut self, step: &AxisStep, test: &NodeTest, context: Static) -> Static {
        let Some(model) = self.scope.model else { return Static::Unknown };
        let name = match test {
            NodeTest::Name(_, symbol) => self.scope.symbols.borrow().names().get(*symbol as usize).cloned(),
            _ => None,
        };
        let (from, deep) = match context {
            Static::Unknown => return Static::Unknown,
            Static::Type(from) => (from, false),
            Static::Below(from) => (from, true),
        };
        match (step.axis, name) {
            (Axis::SelfNode, None) => context,
            (Axis::DescendantOrSelf, None) if matches!(test, NodeTest::Any) => Static::Below(from),
            (Axis::Parent, None) if !deep => model.parent(from).into(),
            (Axis::Child, None) if !deep && matches!(test, NodeTest::Kind(Kind::Element)) && !model.is_open(from) => {
                match model.child_names(from).as_slice() {
                    [only] => model.child(from, only).into(),
                    _ => Static::Unknown,
                }
            }
            (Axis::Child, Some(name)) if !deep => {
                let to = model.child(from, &name);
                if to.is_none() && !model.is_open(from) {
                    self.unknown_step("element", &name, step.span, &model.child_names(from));
                }
                to.into()
            }
            (Axis::Attribute, Some(name)) if !deep => {
                if !model.attribute(from, &name) && !model.is_open(from) {
                    self.unknown_step("attribute", &name, step.span, &model.attribute_names(from));
                }
                Static::Unknown
            }
            (Axis::Child | Axis::Descendant, Some(name)) => match model.descendant_named(from, &name).as_slice() {
                [] => {
                    if let Some(names) = self.closed_names(from) {
                        self.unknown_step("element", &name, step.span, &names);
                    }
                    Static::Unknown
                }
                [only] => Static::Type(*only),
                _ => Static::Unknown,
            },
            _ => Static::Unknown,
        }
    }

    /// Every element name below a type; `None` when anything may appear somewhere.
    fn closed_names(&self, from: TypeRef) -> Option<Vec<QName>> {
        let model = self.scope.model?;
        let (mut seen, mut open, mut names) = (HashSet::from([from]), vec![from], Vec::new());
        while let Some(at) = open.pop() {
            if model.is_open(at) {
                return None;
            }
            for name in model.child_names(at) {
                if let Some(child) = model.child(at, &name)
                    && seen.insert(child)
                {
                    open.push(child);
                }
                names.push(name);
            }
        }
        Some(names)
    }

    fn unknown_step(&mut self, kind: &str, name: &QName, span: Span, known: &[QName]) {
        let sign = if kind == "attribute" { "@" } else { "" };
        let shown: Vec<String> = known.iter().map(|name| format!("{sign}{}", self.written(name, kind))).collect();
        let written = format!("{sign}{}", self.written(name, kind));
        let twin = known.iter().position(|other| other.local == name.local);
        let hint = match (twin, suggest(&written, shown.iter().map(String::as_str))) {
            (Some(twin), _) => Some(format!("did you mean `{}`, which is in another namespace?", shown[twin])),
            (None, Some(best)) => Some(format!("did you mean `{best}`?")),
            (None, None) if let Some(place) = self.whereabouts(kind, name) => Some(format!("it stands in `{place}`")),
            (None, None) if shown.is_empty() => Some(format!("there are no {kind}s here")),
            (None, None) => {
                let more = if shown.len() > 8 { ", …" } else { "" };
                let some: Vec<&str> = shown.iter().take(8).map(String::as_str).collect();
                Some(format!("here can be: {}{more}", some.join(", ")))
            }
        };
        let text = format!("no document of the source type has an {kind} `{written}` here");
        self.report(code::UNKNOWN_STEP, span, text, hint);
    }

    /// Where in the source type an element of that name stands.
    fn whereabouts(&self, kind: &str, name: &QName) -> Option<String> {
        let model = self.scope.model.filter(|_| kind == "element")?;
        super::infer::whereabouts(model, name)
    }

    /// A name as this formula would write it.
    fn written(&self, name: &QName, kind: &str) -> String {
        let default = if kind == "element" { self.scope.default_element_namespace.unwrap_or_default() } else { "" };
        if *name.namespace == *default {
            return name.local.to_string();
        }
        match self.scope.namespaces.iter().find(|(_, uri)| **uri == *name.namespace) {
            Some((prefix, _)) => format!("{prefix}:{}", name.local),
            None => format!("Q{{{}}}{}", name.namespace, name.local),
        }
    }
}

/// What the arguments of a call must be converted to, where that can change or refuse anything.
fn conversions(function: &Function, arguments: &[Op]) -> Box<[Option<&'static Parameter>]> {
    let Some(signature) = function.types() else { return Box::default() };
    let needed = |(at, op): (usize, &Op)| {
        let parameter = signature.parameter(at)?;
        (!surely_fits(op, parameter.of)).then_some(parameter)
    };
    let mut needed: Vec<_> = arguments.iter().enumerate().map(needed).collect();
    let used = needed.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    needed.truncate(used);
    needed.into()
}

fn type_hint(local: &str) -> String {
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    let best = suggest(local, names.iter().copied()).map(|best| format!("did you mean `xs:{best}`?"));
    best.unwrap_or_else(|| format!("known: xs:{}", names.join(", xs:")))
}

fn nothing(span: Span) -> Typed {
    (Op { kind: OpKind::Constant(Value::Empty), span }, Static::Unknown)
}

fn literal(op: &Op) -> Option<Arc<str>> {
    match &op.kind {
        OpKind::Constant(Value::One(Item::String(text))) => Some(text.clone()),
        _ => None,
    }
}

fn count(least: usize, most: usize) -> String {
    match (least, most) {
        (0, 0) => "no arguments".to_owned(),
        (1, 1) => "1 argument".to_owned(),
        (least, most) if least == most => format!("{least} arguments"),
        (least, usize::MAX) => format!("at least {least} arguments"),
        (least, most) => format!("{least} to {most} arguments"),
    }
}

/// The value instead of the operation, when its operands are constants and it succeeds.
fn folded(op: Op) -> Op {
    let constant = |op: &Op| matches!(op.kind, OpKind::Constant(_));
    let all_constant = match &op.kind {
        OpKind::Arithmetic(_, a, b) => constant(a) && constant(b),
        OpKind::Negate(a) | OpKind::Plus(a) => constant(a),
        OpKind::Cast { input, .. } => constant(input),
        OpKind::Concat(all) => all.iter().all(constant),
        OpKind::Call { function, .. } => matches!(function.name, "true" | "false"),
        _ => false,
    };
    match all_constant.then(|| super::formula::constant_value(&op)).flatten() {
        Some(value) => Op { kind: OpKind::Constant(value), span: op.span },
        None => op,
    }
}
