//! What a formula is evaluated against: the dynamic context (XPath 3.1 §2.1.2).

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{Binding, Failure, Item, Value, string_of};
use crate::{
    base::Problem,
    document::{Document, NodeId},
};

/// What the outside answers; nothing, unless an implementation says otherwise. Answers must not change within one run.
pub trait Host {
    /// The target value of a code table.
    fn code(&self, _table: &str, _value: &str) -> CodeAnswer {
        CodeAnswer::NoTable
    }
    /// The id an entity has in the target system, or in the named one.
    fn xref(&self, _entity: &str, _id: &str, _system: Option<&str>) -> Option<String> {
        None
    }
    /// A property of the message: `id`, `received`, `system`, `site`, `type`, `business-key`.
    fn message(&self, _name: &str) -> Option<String> {
        None
    }
    /// A setting of the target system.
    fn setting(&self, _name: &str) -> Option<String> {
        None
    }
    /// What a code list says of a code: its column of a name, or the code itself without one.
    fn code_list(&self, _list: &str, _code: &str, _column: Option<&str>) -> ListAnswer {
        ListAnswer::NoList
    }
    /// Who reads and writes XML for `parse-xml` and `serialize`. Nobody by default: those functions then fail.
    fn markup(&self) -> Option<&dyn Markup> {
        None
    }
}

/// Reads and writes XML text for formulas, lent by a floor that can.
pub trait Markup {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn read(&self, text: &str) -> Result<Document, Problem>;
    /// Writes a document, without XML declaration; indented, one element a line.
    ///
    /// # Errors
    /// When XML has no form for it.
    fn write(&self, document: &Document, indent: bool) -> Result<String, Problem>;
}

/// Nobody to ask: for formulas that look at a document alone.
impl Host for () {}

/// What a code list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListAnswer {
    /// The code is in the list; what its column holds.
    Found(String),
    /// The code is not in the list.
    Missing,
    /// The list has no such column.
    NoColumn,
    /// There is no such list.
    NoList,
}

/// What a code table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeAnswer {
    /// The table has a row.
    Found {
        /// The target value.
        value: String,
        /// Where the row stands (`codes/department.csv:7`), for provenance.
        place: Option<String>,
    },
    /// The table has no row for the value.
    Missing,
    /// There is no such table.
    NoTable,
}

/// The values of variables by slot; may be evaluated when first asked for.
pub trait Variables {
    /// The value in a slot.
    ///
    /// # Errors
    /// Whatever evaluating it raises.
    fn get(&self, slot: usize) -> Result<Value, Failure>;
}

/// Values known beforehand.
impl Variables for Vec<Value> {
    fn get(&self, slot: usize) -> Result<Value, Failure> {
        Ok(self.as_slice().get(slot).cloned().unwrap_or_default())
    }
}

/// No variables.
impl Variables for () {
    fn get(&self, _: usize) -> Result<Value, Failure> {
        Ok(Value::Empty)
    }
}

/// Values from a function.
impl<F: Fn(usize) -> Result<Value, Failure>> Variables for F {
    fn get(&self, slot: usize) -> Result<Value, Failure> {
        self(slot)
    }
}

/// The steps an evaluation may still take; shared by all formulas of one run. Memory counts too: items of a sequence and
/// text that is made cost steps.
#[derive(Debug)]
pub struct Budget {
    steps: Cell<u64>,
    /// Bytes of items and text that may still be made; what is dropped again is not given back.
    bytes: Cell<u64>,
}

/// Bytes of items and text one run may make. A large document needs a small part of it.
const MAX_MADE_BYTES: u64 = 256 << 20;

impl Budget {
    /// A budget of that many steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Self { steps: Cell::new(steps), bytes: Cell::new(MAX_MADE_BYTES) }
    }

    /// Takes steps.
    ///
    /// # Errors
    /// [`Failure::Budget`] when there are not enough left.
    pub fn take(&self, steps: u64) -> Result<(), Failure> {
        spend(&self.steps, steps)
    }

    /// Takes bytes of memory.
    fn take_bytes(&self, bytes: u64) -> Result<(), Failure> {
        spend(&self.bytes, bytes)
    }

    /// Takes what some items in memory cost.
    pub(super) fn take_items(&self, items: usize) -> Result<(), Failure> {
        self.take_bytes((items as u64).saturating_mul(size_of::<Item>() as u64))?;
        self.take((items as u64).saturating_mul(4))
    }

    /// Takes what some bytes of text in memory cost.
    pub(super) fn take_text(&self, bytes: usize) -> Result<(), Failure> {
        self.take_bytes(bytes as u64)?;
        self.take(bytes as u64 / 16)
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.steps.get()
    }
}

fn spend(from: &Cell<u64>, amount: u64) -> Result<(), Failure> {
    match from.get().checked_sub(amount) {
        Some(rest) => {
            from.set(rest);
            Ok(())
        }
        None => {
            from.set(0);
            Err(Failure::Budget)
        }
    }
}

/// What an evaluation looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceEvent {
    /// A node's text was read.
    Read {
        /// Index of the document.
        document: u16,
        /// The node.
        node: NodeId,
    },
    /// A code table was asked.
    Code {
        /// The table.
        table: Arc<str>,
        /// The value looked up.
        value: Arc<str>,
        /// The answer; `None` when there was no row.
        result: Option<Arc<str>>,
        /// Where the row stands.
        row: Option<String>,
    },
    /// A cross reference was asked for.
    Xref {
        /// The kind of thing.
        entity: Arc<str>,
        /// Its id in the source.
        id: Arc<str>,
        /// The answer.
        result: Option<Arc<str>>,
    },
}

/// Collects what an evaluation looked at, for `--explain`.
#[derive(Debug, Default)]
pub struct Trace(RefCell<Vec<TraceEvent>>);

impl Trace {
    /// Adds an event.
    pub fn push(&self, event: TraceEvent) {
        self.0.borrow_mut().push(event);
    }

    /// The events so far, leaving none behind.
    #[must_use]
    pub fn take(&self) -> Vec<TraceEvent> {
        self.0.take()
    }
}

/// What a formula is evaluated against. Copy it and change `item`, `position` and `size` for each item of a loop.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The documents given; `Item::Node` says which by index. [`Frame::document`] also finds those that formulas make.
    pub documents: &'a [&'a Document],
    /// The formulas' names, resolved against `documents`.
    pub binding: &'a Binding,
    /// The context item.
    pub item: Option<&'a Item>,
    /// `position()`, from 1.
    pub position: usize,
    /// `last()`.
    pub size: usize,
    /// The variables of the scope.
    pub variables: &'a dyn Variables,
    /// The outside.
    pub host: &'a dyn Host,
    /// The steps left.
    pub budget: &'a Budget,
    /// Where to note what was looked at.
    pub trace: Option<&'a Trace>,
}

impl<'a> Frame<'a> {
    /// The document of a node.
    #[must_use]
    pub fn document(&self, document: u16) -> Option<&'a Document> {
        match self.documents.get(usize::from(document)) {
            Some(given) => Some(given),
            None => self.binding.made(document),
        }
    }

    /// Takes a document in that a formula made; the index its nodes have.
    pub(super) fn add_document(&self, document: Document) -> Result<u16, Failure> {
        self.budget.take_items(document.len())?;
        self.binding
            .add(document)
            .ok_or_else(|| Failure::error("FODC0002", "the formulas of one run make too many documents"))
    }
    /// Notes that a node's text is read; the caller reads it.
    pub fn note_read(&self, document: u16, node: NodeId) {
        if let Some(trace) = self.trace {
            trace.push(TraceEvent::Read { document, node });
        }
    }

    /// The item's text; a node's reading is traced.
    pub(super) fn text_of<'b>(&self, item: &'b Item) -> Cow<'b, str>
    where
        'a: 'b,
    {
        if let Item::Node(document, node) = item {
            self.note_read(*document, *node);
        }
        string_of(item, self)
    }

    /// The item, a node replaced by its untyped text as written.
    pub(super) fn atomize_item(&self, item: &Item) -> Item {
        match item {
            Item::Node(..) => Item::Untyped((&*self.text_of(item)).into()),
            other => other.clone(),
        }
    }

    /// What an item is, for messages: a node by its path, anything else by its type.
    pub(super) fn describe(&self, item: &Item) -> String {
        match item {
            Item::Node(document, node) => match self.document(*document) {
                Some(tree) => format!("the text of {}", tree.path(*node)),
                None => "a node".to_owned(),
            },
            other => format!("the value of type {}", other.type_name()),
        }
    }
}
