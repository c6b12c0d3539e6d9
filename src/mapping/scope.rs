//! What rules are evaluated in: variables, context item, and what is missing so far.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    Failure, MissingCode, MissingXref, Observer, RulePlace, Usage,
    plan::{Block, Expression, LiteralKind, Rule},
    repetition::Turn,
};
use crate::{
    base::{Limits, Place},
    document::{Document, NodeId},
    xpath::{self, Binding, Budget, Frame, Host, Item, SortAs, SortKey, Symbols, Trace, TraceEvent, Value, Variables},
};

/// How many missing codes or cross references one failure lists at most: more is no list for people, and finding
/// repeats stays cheap.
const MAX_MISSING: usize = 1000;

/// What all rules of one run share.
pub(super) struct Shared<'a> {
    pub file: &'a Arc<str>,
    pub documents: [&'a Document; 1],
    given: &'a [Value],
    binding: Binding,
    host: &'a dyn Host,
    observer: Option<&'a dyn Observer>,
    budget: Budget,
    /// The traces being recorded, innermost last; empty when nothing is explained.
    traces: RefCell<Vec<Rc<Trace>>>,
    codes: RefCell<Vec<MissingCode>>,
    xrefs: RefCell<Vec<MissingXref>>,
}

/// A variable's value, and what was looked at for it when that was recorded.
pub(super) struct Held {
    pub value: Result<Value, xpath::Failure>,
    pub events: Option<Vec<TraceEvent>>,
}

/// The variables and context item of one instance of a block.
pub(super) struct Scope<'r> {
    pub shared: &'r Shared<'r>,
    parent: Option<&'r Scope<'r>>,
    /// Values known beforehand: those of the slots before the variables.
    fixed: Option<[Rc<Held>; 2]>,
    first_slot: usize,
    lets: &'r [Rule],
    cells: Vec<OnceCell<Held>>,
    pub item: &'r Item,
    pub position: usize,
    pub size: usize,
}

/// Makes the outermost scope over a document and hands it on.
pub(super) fn with_scope<T>(
    file: &Arc<str>,
    symbols: &Symbols,
    (first_slot, lets): (usize, &[Rule]),
    (document, given): (&Document, &[Value]),
    (host, observer): (&dyn Host, Option<&dyn Observer>),
    limits: &Limits,
    go: impl FnOnce(&Scope<'_>) -> T,
) -> T {
    let documents = [document];
    let shared = Shared {
        file,
        binding: Binding::new(symbols, &documents),
        documents,
        given,
        host,
        observer,
        budget: Budget::new(limits.evaluation_steps),
        traces: RefCell::default(),
        codes: RefCell::default(),
        xrefs: RefCell::default(),
    };
    let item = Item::Node(0, NodeId::ROOT);
    go(&Scope::new(&shared, None, (first_slot, lets), &item, 1, 1))
}

impl<'r> Scope<'r> {
    pub fn new(
        shared: &'r Shared<'r>,
        parent: Option<&'r Scope<'r>>,
        (first_slot, lets): (usize, &'r [Rule]),
        item: &'r Item,
        position: usize,
        size: usize,
    ) -> Self {
        let cells = lets.iter().map(|_| OnceCell::new()).collect();
        Self { shared, parent, fixed: None, first_slot, lets, cells, item, position, size }
    }

    /// What all scopes of a run have in common.
    pub fn shared(&self) -> &'r Shared<'r> {
        self.shared
    }

    /// The scope of one turn of a block that repeats.
    pub fn of_turn(
        outer: &'r Scope<'r>,
        block: &Block,
        turn: &'r Turn,
        (position, size): (usize, usize),
        lets: &'r [Rule],
    ) -> Self {
        let inner = Self::new(outer.shared, Some(outer), (block.first_let(), lets), &turn.item, position, size);
        Self { fixed: turn.group.clone(), ..inner }
    }

    pub fn frame<'f>(&'f self, trace: Option<&'f Trace>) -> Frame<'f> {
        Frame {
            documents: &self.shared.documents,
            binding: &self.shared.binding,
            item: Some(self.item),
            position: self.position,
            size: self.size,
            variables: self,
            host: self.shared.host,
            budget: &self.shared.budget,
            trace,
        }
    }

    pub fn evaluate(&self, rule: &Rule) -> Result<Value, xpath::Failure> {
        if self.shared.observer.is_none() {
            return self.compute(rule);
        }
        let (value, events) = self.recorded(rule);
        // Whoever records around this sees what it would have seen.
        if let Some(outer) = self.shared.traces.borrow().last() {
            events.into_iter().for_each(|event| outer.push(event));
        }
        value
    }

    fn compute(&self, rule: &Rule) -> Result<Value, xpath::Failure> {
        let trace = self.shared.traces.borrow().last().cloned();
        match &rule.value {
            Expression::Formula(formula) => formula.evaluate(&self.frame(trace.as_deref())),
            Expression::Literal { text, .. } => Ok(Item::String(text.clone()).into()),
        }
    }

    fn tell(
        &self,
        observer: &dyn Observer,
        rule: &Rule,
        value: &Result<Value, xpath::Failure>,
        mut events: Vec<TraceEvent>,
    ) {
        let formula = match &rule.value {
            Expression::Formula(formula) => Some(formula.text()),
            Expression::Literal { .. } => None,
        };
        let frame = self.frame(None);
        for item in value.iter().flat_map(Value::items) {
            if let Item::Node(document, node) = item
                && frame.document(*document).is_some_and(|tree| tree.elements(*node).next().is_none())
            {
                events.push(TraceEvent::Read { document: *document, node: *node });
            }
        }
        observer.used(&Usage {
            rule: RulePlace::of(&rule.file, rule.line, rule.column),
            formula,
            value: value.as_ref(),
            item: self.item,
            events: &events,
            frame: &frame,
        });
    }

    /// Tells that a literal is written, which needs no evaluation.
    pub fn wrote_literal(&self, rule: &Rule) {
        if let Some(observer) = self.shared.observer {
            self.tell(observer, rule, &Ok(Value::Empty), Vec::new());
        }
    }

    /// Evaluates and records everything looked at.
    pub fn evaluate_traced(&self, rule: &Rule) -> (Result<Value, xpath::Failure>, Vec<TraceEvent>) {
        let trace = Rc::new(Trace::default());
        self.shared.traces.borrow_mut().push(trace.clone());
        let value = self.evaluate(rule);
        if let Ok(value) = &value {
            let frame = self.frame(Some(&trace));
            value.items().iter().for_each(|item| note(&frame, item));
        }
        self.shared.traces.borrow_mut().pop();
        (value, trace.take())
    }

    fn held(&self, at: usize, rule: &Rule) -> Result<Value, xpath::Failure> {
        let recording = self.shared.traces.borrow().last().cloned();
        let held = self.cells[at].get_or_init(|| {
            if recording.is_none() {
                return Held { value: self.evaluate(rule), events: None };
            }
            let (value, events) = self.recorded(rule);
            Held { value, events: Some(events) }
        });
        if let Some(trace) = recording {
            let again = if held.events.is_none() { Some(self.recorded(rule).1) } else { None };
            held.events.iter().chain(again.iter()).flatten().for_each(|event| trace.push(event.clone()));
        }
        held.value.clone()
    }

    /// Evaluates under a trace of its own. Nodes the value consists of are not read yet.
    fn recorded(&self, rule: &Rule) -> (Result<Value, xpath::Failure>, Vec<TraceEvent>) {
        let trace = Rc::new(Trace::default());
        self.shared.traces.borrow_mut().push(trace.clone());
        let value = self.compute(rule);
        self.shared.traces.borrow_mut().pop();
        let events = trace.take();
        if let Some(observer) = self.shared.observer {
            self.tell(observer, rule, &value, events.clone());
        }
        (value, events)
    }

    /// The key an item is sorted or grouped by.
    pub fn sort_key(&self, item: Option<&Item>, sort_as: SortAs) -> SortKey {
        self.frame(None).sort_key(item, sort_as)
    }

    /// Nodes replaced by their text.
    pub fn atomized(&self, value: &Value) -> Value {
        value.atomize(&self.frame(None))
    }

    /// Where in the source the rules of this scope stand.
    pub fn source_path(&self) -> String {
        match self.item {
            Item::Node(0, node) => self.shared.documents[0].path(*node),
            _ => self.parent.map_or_else(|| "/".to_owned(), Scope::source_path),
        }
    }

    /// Notes a missing code or cross reference and goes on; anything else ends the run.
    pub fn settle(&self, failure: xpath::Failure, rule: &Rule) -> Result<(), Failure> {
        match failure {
            xpath::Failure::MissingCode { table, value, place } => {
                let mut codes = self.shared.codes.borrow_mut();
                if codes.len() < MAX_MISSING
                    && !codes.iter().any(|known| *known.table == *table && *known.value == *value)
                {
                    let place = self.or_rule(*place, rule);
                    codes.push(MissingCode { table: table.to_string(), value: value.to_string(), place });
                }
                Ok(())
            }
            xpath::Failure::MissingXref { entity, id, system, place } => {
                let system = system.map(|system| system.to_string());
                let mut xrefs = self.shared.xrefs.borrow_mut();
                let same = |known: &MissingXref| *known.entity == *entity && *known.id == *id && known.system == system;
                if xrefs.len() < MAX_MISSING && !xrefs.iter().any(same) {
                    let place = self.or_rule(*place, rule);
                    xrefs.push(MissingXref { entity: entity.to_string(), id: id.to_string(), system, place });
                }
                Ok(())
            }
            other => {
                let mut problem = other.problem();
                problem.place = self.or_rule(problem.place, rule);
                Err(problem.into())
            }
        }
    }

    /// The formula's own place where it has one, else the rule's; always with the source path.
    fn or_rule(&self, place: Place, rule: &Rule) -> Place {
        let mut place = if place.line == 0 { Place { path: place.path, ..rule.place() } } else { place };
        place.file.get_or_insert_with(|| self.shared.file.clone());
        place.path.get_or_insert_with(|| self.source_path());
        place
    }

    /// The value; `None` when a code or cross reference is missing for it.
    pub fn value(&self, rule: &Rule) -> Result<Option<Value>, Failure> {
        match self.evaluate(rule) {
            Ok(value) => Ok(Some(value)),
            Err(failure) => self.settle(failure, rule).map(|()| None),
        }
    }

    pub fn holds(&self, rule: &Rule) -> Result<Option<bool>, Failure> {
        match self.value(rule)? {
            Some(value) => self.truth(&value, rule),
            None => Ok(None),
        }
    }

    fn truth(&self, value: &Value, rule: &Rule) -> Result<Option<bool>, Failure> {
        match &rule.value {
            // A literal condition is its word: as a text, `false` would count as true.
            Expression::Literal { kind: LiteralKind::Boolean, text } => Ok(Some(&**text == "true")),
            _ => match value.effective_boolean() {
                Ok(holds) => Ok(Some(holds)),
                Err(failure) => self.settle(failure, rule).map(|()| None),
            },
        }
    }

    pub fn missing(&self) -> Option<Failure> {
        let (codes, xrefs) = (self.shared.codes.take(), self.shared.xrefs.take());
        (!codes.is_empty() || !xrefs.is_empty()).then_some(Failure::Missing { codes, xrefs })
    }
}

/// Notes that an item's text is read, when it is a node.
fn note(frame: &Frame<'_>, item: &Item) {
    if let Item::Node(document, node) = item {
        frame.note_read(*document, *node);
    }
}

impl Variables for Scope<'_> {
    fn get(&self, slot: usize) -> Result<Value, xpath::Failure> {
        if let Some(fixed) = &self.fixed
            && let Some(held) = (slot + fixed.len()).checked_sub(self.first_slot).and_then(|at| fixed.get(at))
        {
            if let Some(trace) = self.shared.traces.borrow().last() {
                held.events.iter().flatten().for_each(|event| trace.push(event.clone()));
            }
            return held.value.clone();
        }
        let local = slot.checked_sub(self.first_slot).and_then(|at| Some((at, self.lets.get(at)?)));
        match (local, self.parent) {
            (Some((at, rule)), _) => self.held(at, rule),
            (None, Some(parent)) => parent.get(slot),
            (None, None) => Ok(self.shared.given.get(slot).cloned().unwrap_or_default()),
        }
    }
}

/// The answers of [`super::Questions`], evaluated when asked for.
pub struct Answers<'a> {
    scope: &'a Scope<'a>,
    rules: &'a [Rule],
}

impl<'a> Answers<'a> {
    pub(super) fn new(scope: &'a Scope<'a>, rules: &'a [Rule]) -> Self {
        Self { scope, rules }
    }

    fn value(&self, number: usize) -> Result<Option<(Value, &'a Rule)>, Failure> {
        let Some(rule) = self.rules.get(number) else { return Ok(None) };
        let value = self.scope.value(rule)?;
        match self.scope.missing() {
            Some(missing) => Err(missing),
            None => Ok(value.map(|value| (value, rule))),
        }
    }

    /// The text of an answer; `None` when it is absent or empty. Several items are joined by a blank.
    ///
    /// # Errors
    /// When the formula fails.
    pub fn text(&self, number: usize) -> Result<Option<String>, Failure> {
        let value = self.value(number)?;
        Ok(value.map(|(value, _)| value.text(&self.scope.frame(None)).into_owned()).filter(|text| !text.is_empty()))
    }

    /// Whether an answer is true.
    ///
    /// # Errors
    /// When the formula fails or gives neither true nor false.
    pub fn holds(&self, number: usize) -> Result<bool, Failure> {
        let Some((value, rule)) = self.value(number)? else { return Ok(false) };
        Ok(self.scope.truth(&value, rule)?.unwrap_or_default())
    }

    /// The nodes of the asked document an answer consists of; other items are left out.
    ///
    /// # Errors
    /// When the formula fails.
    pub fn nodes(&self, number: usize) -> Result<Vec<NodeId>, Failure> {
        let value = self.value(number)?;
        let node = |item: &Item| match item {
            Item::Node(_, node) => Some(*node),
            _ => None,
        };
        Ok(value.map(|(value, _)| value.items().iter().filter_map(node).collect()).unwrap_or_default())
    }
}
