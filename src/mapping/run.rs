//! Runs templates: evaluates rules and writes the output front to back.

use super::{
    Failure, Made, Recording, RulePlace, Template, code,
    explanation::{Noted, copied, explain},
    merge::Step,
    plan::{Block, Expression, Field, LiteralKind, OnEmpty, Only, Part, Rule},
    repetition::{Turn, turns},
    scope::{Scope, with_scope},
    shape::shaped,
    template::Assertion,
};
use crate::{
    base::{Code, Limits, Place, Problem},
    document::{Builder, Document, Kind, NodeId, QName, Shape, Text},
    xpath::{Host, Item, TraceEvent, Value, string_of},
};

pub(super) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// How many source fields an error names at most.
const NAMED_SOURCES: usize = 4;

/// What became of a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// Nothing came out.
    Absent,
    /// Something was written.
    Written,
    /// A code or cross reference is missing: nothing was written, and that is known already.
    Missing,
}

impl Came {
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Written, _) | (_, Self::Written) => Self::Written,
            (Self::Missing, _) | (_, Self::Missing) => Self::Missing,
            _ => Self::Absent,
        }
    }
}

/// What a field is written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Attribute,
    Text,
    Element,
}

/// The output being written.
pub(super) struct Writing<'t> {
    pub template: &'t Template,
    pub builder: Builder,
    /// The open elements: index of the name, and number within a loop.
    pub path: Vec<(usize, Option<usize>)>,
    max_nodes: usize,
    explaining: bool,
    noted: Vec<Noted>,
}

impl<'t> Writing<'t> {
    pub fn run(
        template: &'t Template,
        input: &Document,
        given: &[Value],
        host: &dyn Host,
        limits: &Limits,
        recording: Recording<'_>,
    ) -> Result<Made, Failure> {
        let Recording { explanation, observer } = recording;
        let mut builder = Builder::with_names("".into(), template.table.names.clone());
        builder.shape(Shape::Object);
        let mut writing = Self {
            template,
            builder,
            path: Vec::new(),
            max_nodes: limits.nodes,
            explaining: explanation.is_some(),
            noted: Vec::new(),
        };
        let variables = (template.root.first_slot, template.root.lets.as_slice());
        let (file, symbols) = (&template.file, &template.symbols);
        let warnings = with_scope(file, symbols, variables, (input, given), (host, observer), limits, |scope| {
            let mut warnings = Vec::new();
            for assertion in &template.assertions {
                warnings.extend(assert(scope, assertion)?);
            }
            if let Some(condition) = &template.root.condition
                && scope.holds(condition)? == Some(false)
            {
                return Err(Failure::LeftOut { rule: String::new() });
            }
            writing.contents(scope, &template.root)?;
            scope.missing().map_or(Ok(warnings), Err)
        })?;
        let document = writing.builder.finish();
        if let Some(explanation) = explanation {
            let fields = writing.noted.iter().map(|noted| explain(noted, &document, input));
            explanation.fields.extend(fields);
        }
        Ok(Made { document, warnings })
    }

    fn contents(&mut self, scope: &Scope<'_>, block: &Block) -> Result<Came, Failure> {
        let mut came = Came::Absent;
        let chosen = choose(scope, block)?;
        for field in &block.attributes {
            came = came.and(self.field_if(scope, field, Form::Attribute, &chosen)?);
        }
        let merging = match self.merging(scope, block)? {
            Some(merging) => merging,
            None => {
                came = came.and(Came::Missing);
                None
            }
        };
        if let Some(merging) = &merging {
            came = came.and(self.merge_start(scope, block, merging)?);
        }
        for text in &block.texts {
            came = came.and(self.field_if(scope, text, Form::Text, &chosen)?);
        }
        let mut parts = vec![Came::Absent; block.parts.len()];
        let mut merged: Vec<QName> = Vec::new();
        if let Some(merging) = &merging {
            for step in self.schedule(scope, block, merging) {
                came = match step {
                    Step::Part(at) => {
                        parts[at] = self.part(scope, &block.parts[at], &chosen)?;
                        came.and(parts[at])
                    }
                    Step::Child(node) => {
                        let name = self.merge_child(scope, merging, node)?;
                        if !merged.contains(&name) {
                            merged.push(name);
                        }
                        Came::Written
                    }
                };
            }
        } else {
            for (part, became) in block.parts.iter().zip(&mut parts) {
                *became = self.part(scope, part, &chosen)?;
                came = came.and(*became);
            }
        }
        // A block in which nothing came out is no element, so nothing is required of it.
        if came == Came::Written || self.path.is_empty() || block.on_empty == OnEmpty::Keep {
            for (name, fillers) in block.required.iter().filter(|(name, _)| !merged.contains(name)) {
                if fillers.iter().all(|filler| parts.get(*filler) == Some(&Came::Absent)) {
                    return Err(self.absent(scope, block, &name.local, fillers));
                }
            }
        }
        Ok(came)
    }

    fn field_if(&mut self, scope: &Scope<'_>, field: &Field, form: Form, chosen: &[Chosen]) -> Result<Came, Failure> {
        match field.only.map_or(Came::Written, |only| taken(chosen, only)) {
            Came::Written => self.field(scope, field, form),
            other => Ok(other),
        }
    }

    fn part(&mut self, scope: &Scope<'_>, part: &Part, chosen: &[Chosen]) -> Result<Came, Failure> {
        match part {
            Part::Branch { only, part } => match taken(chosen, *only) {
                Came::Written => self.part(scope, part, chosen),
                other => Ok(other),
            },
            Part::Field(field) => self.field(scope, field, Form::Element),
            Part::Block { name, block, item } => self.block(scope, block, *name, *item),
            Part::Copy(rule) => self.copy(scope, rule),
            Part::Choice { branches, .. } => {
                for branch in branches {
                    match branch.when.as_ref().map_or(Ok(Some(true)), |when| scope.holds(when))? {
                        Some(false) => (),
                        None => return Ok(Came::Missing),
                        Some(true) => {
                            let mut came = Came::Absent;
                            for part in &branch.parts {
                                came = came.and(self.part(scope, part, chosen)?);
                            }
                            return Ok(came);
                        }
                    }
                }
                Ok(Came::Absent)
            }
        }
    }

    fn block(&mut self, outer: &Scope<'_>, block: &Block, name: usize, is_item: bool) -> Result<Came, Failure> {
        if !block.outside.is_empty() {
            let variables = (block.first_slot, block.outside.as_slice());
            let around = Scope::new(outer.shared, Some(outer), variables, outer.item, outer.position, outer.size);
            return self.repeated(&around, block, name, is_item);
        }
        self.repeated(outer, block, name, is_item)
    }

    fn repeated(&mut self, outer: &Scope<'_>, block: &Block, name: usize, is_item: bool) -> Result<Came, Failure> {
        let Some(each) = &block.each else {
            if block.lets.is_empty() {
                return self.instance(outer, block, (name, None, is_item));
            }
            let variables = (block.first_let(), block.lets.as_slice());
            let scope = Scope::new(outer.shared, Some(outer), variables, outer.item, outer.position, outer.size);
            return self.instance(&scope, block, (name, None, is_item));
        };
        let Some(value) = outer.value(each)? else { return Ok(Came::Missing) };
        let mut came = Came::Absent;
        let mut written = 1;
        if block.group.is_empty() && block.sort.is_empty() {
            for (at, item) in value.items().iter().enumerate() {
                let variables = (block.first_let(), block.lets.as_slice());
                let scope = Scope::new(outer.shared, Some(outer), variables, item, at + 1, value.len());
                let part = self.instance(&scope, block, (name, Some(written), is_item))?;
                written += usize::from(part == Came::Written);
                came = came.and(part);
            }
            return Ok(came);
        }
        let Some(turns): Option<Vec<Turn>> = turns(outer, block, value.items())? else { return Ok(Came::Missing) };
        for (at, turn) in turns.iter().enumerate() {
            let scope = Scope::of_turn(outer, block, turn, (at + 1, turns.len()), &block.lets);
            let part = self.instance(&scope, block, (name, Some(written), is_item))?;
            written += usize::from(part == Came::Written);
            came = came.and(part);
        }
        Ok(came)
    }

    fn instance(
        &mut self,
        scope: &Scope<'_>,
        block: &Block,
        (name, number, is_item): (usize, Option<usize>, bool),
    ) -> Result<Came, Failure> {
        if let Some(condition) = &block.condition {
            match scope.holds(condition)? {
                Some(true) => (),
                Some(false) => return Ok(Came::Absent),
                None => return Ok(Came::Missing),
            }
        }
        self.check_size(scope, || block.place())?;
        let node = self.builder.start(self.template.table.numbers[name], None);
        if block.texts.is_empty() {
            self.builder.shape(Shape::Object);
        }
        if is_item {
            self.builder.item();
        }
        self.path.push((name, number));
        let mut came = self.contents(scope, block)?;
        self.path.pop();
        if came == Came::Written || (came == Came::Absent && block.on_empty == OnEmpty::Keep) {
            came = Came::Written;
            self.builder.end();
        } else if came == Came::Absent && block.on_empty == OnEmpty::Nil {
            came = Came::Written;
            self.nil();
            self.builder.end();
        } else {
            self.builder.abandon();
            self.noted.retain(|noted| noted.node < node);
        }
        Ok(came)
    }

    fn field(&mut self, scope: &Scope<'_>, field: &Field, form: Form) -> Result<Came, Failure> {
        if let Expression::Literal { text, kind } = &field.rule.value {
            let shape = match kind {
                LiteralKind::Number => Shape::Number,
                LiteralKind::Boolean => Shape::Boolean,
                LiteralKind::Text => Shape::String,
            };
            let (shape, canonical) = shaped(text, shape, field.simple.as_ref());
            self.write(scope, field, form, canonical.as_deref().unwrap_or(text), shape, &[])?;
            scope.wrote_literal(&field.rule);
            return Ok(Came::Written);
        }
        let (value, events) = if self.explaining {
            scope.evaluate_traced(&field.rule)
        } else {
            (scope.evaluate(&field.rule), Vec::new())
        };
        let value = match value {
            Ok(value) => value,
            Err(failure) => return scope.settle(failure, &field.rule).map(|()| Came::Missing),
        };
        if value.len() > 1 && !(form == Form::Element && field.repeats) {
            return self.several(scope, field, form, &value, &events);
        }
        let mut came = Came::Absent;
        if value.is_empty() {
            came = self.empty(scope, field, form, field.policy.empty, &events)?;
        }
        for item in value.items() {
            came = came.and(self.single(scope, field, form, item, &events)?);
        }
        if came == Came::Absent && field.required {
            let name = format!("@{}", self.template.names[field.name].name.local);
            return Err(self.absent_rule(scope, &field.rule, &name));
        }
        Ok(came)
    }

    fn several(
        &mut self,
        scope: &Scope<'_>,
        field: &Field,
        form: Form,
        value: &Value,
        events: &[TraceEvent],
    ) -> Result<Came, Failure> {
        if field.simple.as_ref().is_some_and(|simple| simple.list) {
            let text = value.text(&scope.frame(None));
            self.write(scope, field, form, &text, Shape::String, events)?;
            return Ok(Came::Written);
        }
        let text = format!("`{}` takes one value, and its formula gave {}", self.shown(field, form), value.len());
        let hint = "choose one (`[1]`), join them (`string-join`), or make a block with `$each`";
        Err(self.wrong(scope, &field.rule, code::SEVERAL, text).hint(hint).into())
    }

    fn single(
        &mut self,
        scope: &Scope<'_>,
        field: &Field,
        form: Form,
        item: &Item,
        events: &[TraceEvent],
    ) -> Result<Came, Failure> {
        let frame = scope.frame(None);
        let mut own_shape = match item {
            Item::Integer(_) | Item::Decimal(_) | Item::Double(_) => Shape::Number,
            Item::Boolean(_) => Shape::Boolean,
            _ => Shape::String,
        };
        if let Item::Node(document, node) = item
            && let Some(tree) = frame.document(*document)
        {
            if tree.is_null(*node) {
                return self.empty(scope, field, form, field.policy.null, events);
            }
            if tree.elements(*node).next().is_some() {
                let text = format!(
                    "`{}` takes a value, and its formula gave `{}`, which holds elements",
                    self.shown(field, form),
                    tree.path(*node)
                );
                let hint = "name the child you mean, or insert the element with `$copy`";
                return Err(self.wrong(scope, &field.rule, code::NOT_A_TEXT, text).hint(hint).into());
            }
            if matches!(tree.shape(*node), Shape::Number | Shape::Boolean) {
                own_shape = tree.shape(*node);
            }
        }
        let text = string_of(item, &frame);
        if text.is_empty() {
            return self.empty(scope, field, form, field.policy.empty, events);
        }
        let (shape, canonical) = shaped(&text, own_shape, field.simple.as_ref());
        self.write(scope, field, form, canonical.as_deref().unwrap_or(&text), shape, events)?;
        Ok(Came::Written)
    }

    /// Writes what stands for nothing.
    fn empty(
        &mut self,
        scope: &Scope<'_>,
        field: &Field,
        form: Form,
        on_empty: OnEmpty,
        events: &[TraceEvent],
    ) -> Result<Came, Failure> {
        match (on_empty, form) {
            (OnEmpty::Omit, _) | (OnEmpty::Nil, Form::Attribute | Form::Text) => return Ok(Came::Absent),
            (OnEmpty::Keep, _) => self.write(scope, field, form, "", Shape::String, events)?,
            (OnEmpty::Nil, Form::Element) => {
                self.check_size(scope, || field.rule.place())?;
                let node = self.builder.start(self.template.table.numbers[field.name], None);
                if field.item {
                    self.builder.item();
                }
                self.nil();
                self.builder.end();
                self.note(node, &field.rule, events);
            }
        }
        Ok(Came::Written)
    }

    /// Makes the element just started null.
    fn nil(&mut self) {
        self.builder.names().prefer_prefix(XSI, "xsi");
        let nil = self.builder.names().intern(XSI, "nil");
        self.builder.attribute(nil, Text::Copied("true"), None);
        self.builder.shape(Shape::Null);
    }

    fn write(
        &mut self,
        scope: &Scope<'_>,
        field: &Field,
        form: Form,
        text: &str,
        shape: Shape,
        events: &[TraceEvent],
    ) -> Result<(), Failure> {
        if let Some(why) = field.simple.as_ref().and_then(|simple| simple.misfit(text)) {
            let text = format!("the value for `{}` does not fit: {why}", self.shown(field, form));
            return Err(self.wrong(scope, &field.rule, code::MISFIT, text).into());
        }
        self.check_size(scope, || field.rule.place())?;
        let node = match form {
            Form::Attribute => {
                self.builder.attribute(self.template.table.numbers[field.name], Text::Copied(text), None)
            }
            Form::Text => Some(self.builder.text(Text::Copied(text), None)),
            Form::Element => {
                let node = self.builder.start(self.template.table.numbers[field.name], None);
                self.builder.shape(shape);
                if field.item {
                    self.builder.item();
                }
                if !text.is_empty() {
                    self.builder.text(Text::Copied(text), None);
                }
                self.builder.end();
                Some(node)
            }
        };
        if let Some(node) = node {
            self.note(node, &field.rule, events);
        }
        Ok(())
    }

    pub fn note(&mut self, node: NodeId, rule: &Rule, events: &[TraceEvent]) {
        if self.explaining {
            let formula = match &rule.value {
                Expression::Formula(formula) => Some(formula.text().to_owned()),
                Expression::Literal { .. } => None,
            };
            let rule = RulePlace::of(&rule.file, rule.line, rule.column);
            self.noted.push(Noted { node, rule, formula, events: events.to_vec() });
        }
    }

    fn copy(&mut self, scope: &Scope<'_>, rule: &Rule) -> Result<Came, Failure> {
        let Some(value) = scope.value(rule)? else { return Ok(Came::Missing) };
        let mut came = Came::Absent;
        for item in value.items() {
            let before = self.builder.len();
            let Item::Node(document, node) = item else {
                let text = "`$copy` inserts nodes, and its formula gave a value";
                return Err(self.wrong(scope, rule, code::MISPLACED_COPY, text.into()).into());
            };
            let Some(tree) = scope.frame(None).document(*document) else { continue };
            let kind = tree.kind(*node);
            if self.builder.len().saturating_add(tree.end(*node) - node.index()) > self.max_nodes {
                return Err(self.too_large(scope, rule.place()));
            }
            self.builder.copy(tree, *node);
            // The builder takes no attribute behind content or at the top.
            let refused = kind == Kind::Attribute && self.builder.len() == before;
            if refused || (kind == Kind::Text && self.path.is_empty()) {
                let text = "an attribute or text was to be copied where none may stand: at the top, or behind content";
                return Err(self.wrong(scope, rule, code::MISPLACED_COPY, text.into()).into());
            }
            if self.explaining {
                for (made, node) in copied(self.builder.document(), before, tree, *node) {
                    self.note(made, rule, &[TraceEvent::Read { document: *document, node }]);
                }
            }
            came = Came::Written;
        }
        Ok(came)
    }

    pub fn check_size(&self, scope: &Scope<'_>, place: impl FnOnce() -> Place) -> Result<(), Failure> {
        if self.builder.len() >= self.max_nodes { Err(self.too_large(scope, place())) } else { Ok(()) }
    }

    fn too_large(&self, scope: &Scope<'_>, place: Place) -> Failure {
        let text = format!("the output has more than {} nodes, the limit", self.max_nodes);
        let place = place.with_path(scope.source_path());
        Problem::new(code::TOO_LARGE, text).at(place).hint("look for an `$each` over too much").into()
    }

    /// The path of the open element, as messages show it.
    pub fn open_path(&self) -> String {
        self.path.iter().fold(String::new(), |path, (name, number)| {
            let local = &self.template.names[*name].name.local;
            number.map_or_else(|| format!("{path}/{local}"), |number| format!("{path}/{local}[{number}]"))
        })
    }

    fn shown(&self, field: &Field, form: Form) -> String {
        let open = self.open_path();
        match form {
            Form::Text => format!("{open}/text()"),
            Form::Attribute => format!("{open}/@{}", self.template.names[field.name].name.local),
            Form::Element => format!("{open}/{}", self.template.names[field.name].name.local),
        }
    }

    /// An error at a rule, with the source fields its formula reads.
    pub fn wrong(&self, scope: &Scope<'_>, rule: &Rule, code: Code, text: String) -> Problem {
        let (_, events) = scope.evaluate_traced(rule);
        let mut paths: Vec<String> = Vec::new();
        for event in &events {
            if let TraceEvent::Read { document: 0, node } = event {
                let path = scope.shared.documents[0].path(*node);
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        let more = if paths.len() > NAMED_SOURCES { ", …" } else { "" };
        paths.truncate(NAMED_SOURCES);
        let path = if paths.is_empty() { scope.source_path() } else { format!("{}{more}", paths.join(", ")) };
        Problem::new(code, text).at(rule.place().with_path(path))
    }

    fn absent(&self, scope: &Scope<'_>, block: &Block, name: &str, fillers: &[usize]) -> Failure {
        let rule = fillers.iter().find_map(|filler| match block.parts.get(*filler) {
            Some(Part::Field(field)) => Some(&field.rule),
            Some(Part::Block { block, .. }) => block.each.as_ref().or(block.condition.as_ref()),
            _ => None,
        });
        if let Some(rule) = rule {
            return self.absent_rule(scope, rule, name);
        }
        let text = format!("`{}/{name}` is required, and nothing came out for it", self.open_path());
        let place = block.place().with_path(scope.source_path());
        let hint = if fillers.is_empty() { "add a rule for it" } else { "the rules below it gave nothing" };
        Problem::new(code::ABSENT, text).at(place).hint(hint).into()
    }

    fn absent_rule(&self, scope: &Scope<'_>, rule: &Rule, name: &str) -> Failure {
        let formula = match &rule.value {
            Expression::Formula(formula) => formula.text().trim(),
            Expression::Literal { .. } => "",
        };
        let text = format!("`{}/{name}` is required, and `={formula}` gave nothing", self.open_path());
        let hint = "the source lacks it: have it sent, or give a default in the formula";
        self.wrong(scope, rule, code::ABSENT, text).hint(hint).into()
    }
}

/// Judges an assertion; gives the problem when it only warns.
fn assert(scope: &Scope<'_>, assertion: &Assertion) -> Result<Option<Problem>, Failure> {
    // True, or unknown for want of a code or cross reference, which is noted.
    if scope.holds(&assertion.that)? != Some(false) {
        return Ok(None);
    }
    let document = scope.shared.documents[0];
    let path = document.root_element().map_or_else(|| "/".to_owned(), |root| document.path(root));
    let place = assertion.that.place().with_path(path);
    let Some(message) = scope.value(&assertion.message)? else { return Ok(None) };
    let message = message.text(&scope.frame(None)).into_owned();
    if assertion.is_warning {
        return Ok(Some(Problem::new(code::ASSERTION, message).warning().at(place)));
    }
    Err(Failure::Assertion { message, place: Box::new(place) })
}

/// The branch a choice takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    None,
    Branch(usize),
    /// A code or cross reference is missing for a condition.
    Missing,
}

/// What every choice of a block comes to.
fn choose(scope: &Scope<'_>, block: &Block) -> Result<Vec<Chosen>, Failure> {
    let mut chosen: Vec<Chosen> = Vec::with_capacity(block.choices.len());
    for choice in &block.choices {
        let mut taken_branch = Chosen::None;
        match choice.inside.map_or(Came::Written, |only| taken(&chosen, only)) {
            Came::Absent => (),
            Came::Missing => taken_branch = Chosen::Missing,
            Came::Written => {
                for (branch, when) in choice.branches.iter().enumerate() {
                    taken_branch = match when.as_ref().map_or(Ok(Some(true)), |when| scope.holds(when))? {
                        Some(true) => Chosen::Branch(branch),
                        Some(false) => continue,
                        None => Chosen::Missing,
                    };
                    break;
                }
            }
        }
        chosen.push(taken_branch);
    }
    Ok(chosen)
}

/// Whether a branch is the one taken.
fn taken(chosen: &[Chosen], only: Only) -> Came {
    match chosen.get(only.choice) {
        Some(Chosen::Branch(branch)) if *branch == only.branch => Came::Written,
        Some(Chosen::Missing) => Came::Missing,
        _ => Came::Absent,
    }
}
