//! The plan: a compiled output tree.

use std::sync::Arc;

use super::merge::Merge;
use crate::{
    base::Place,
    document::{Name, NameTable, QName},
    schema::Simple,
    xpath::{Formula, SortAs},
};

/// A formula or literal with its place.
#[derive(Debug)]
pub(super) struct Rule {
    pub value: Expression,
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl Rule {
    pub fn place(&self) -> Place {
        Place::in_file(&self.file, self.line, self.column)
    }
}

/// One key of `$sort` or `$group-by`.
#[derive(Debug)]
pub(super) struct SortRule {
    pub by: Rule,
    pub sort_as: SortAs,
    pub descending: bool,
}

/// A `$choose` among the rules of a block: the first branch whose condition holds.
#[derive(Debug)]
pub(super) struct Choice {
    /// The branch it stands in.
    pub inside: Option<Only>,
    /// One condition a branch; none always holds.
    pub branches: Vec<Option<Rule>>,
}

/// A branch of a [`Choice`] of the block, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Only {
    pub choice: usize,
    pub branch: usize,
}

/// What gives a value.
#[derive(Debug)]
pub(super) enum Expression {
    Formula(Formula),
    Literal { text: Arc<str>, kind: LiteralKind },
}

/// What a literal is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LiteralKind {
    Text,
    Number,
    Boolean,
}

/// What an absent, empty or null value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum OnEmpty {
    /// Nothing.
    #[default]
    Omit,
    /// An empty element or attribute.
    Keep,
    /// An element with `xsi:nil`, `null` in JSON.
    Nil,
}

/// What the empty becomes in a block and below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub empty: OnEmpty,
    pub null: OnEmpty,
}

/// The content of an element: its variables, attributes and children, in the order they are written out.
#[derive(Debug)]
pub(super) struct Block {
    /// Slot of the first variable: those of `outside`, then group and grouping key, then `lets`.
    pub first_slot: usize,
    /// Parameters of fragments that bring `each`: evaluated around it.
    pub outside: Vec<Rule>,
    pub each: Option<Rule>,
    /// The keys the items of `each` are grouped by; empty for no grouping.
    pub group: Vec<SortRule>,
    /// The keys the items or groups are sorted by.
    pub sort: Vec<SortRule>,
    pub condition: Option<Rule>,
    pub lets: Vec<Rule>,
    pub choices: Vec<Choice>,
    pub attributes: Vec<Field>,
    pub texts: Vec<Field>,
    pub parts: Vec<Part>,
    /// Each part's place in the target's order.
    pub orders: Vec<u32>,
    pub merge: Option<Merge>,
    /// Required children of the target: their name, and the indexes of the parts that can fill them. Empty when a
    /// `$copy` may fill anything.
    pub required: Vec<(QName, Vec<usize>)>,
    /// What becomes of it when nothing came out.
    pub on_empty: OnEmpty,
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl Block {
    /// An empty block at a place.
    pub fn at(file: &Arc<str>, line: u32, column: u32) -> Self {
        Self {
            first_slot: 0,
            outside: Vec::new(),
            each: None,
            group: Vec::new(),
            sort: Vec::new(),
            condition: None,
            lets: Vec::new(),
            choices: Vec::new(),
            attributes: Vec::new(),
            texts: Vec::new(),
            parts: Vec::new(),
            orders: Vec::new(),
            merge: None,
            required: Vec::new(),
            on_empty: OnEmpty::default(),
            file: file.clone(),
            line,
            column,
        }
    }

    pub fn place(&self) -> Place {
        Place::in_file(&self.file, self.line, self.column)
    }

    /// Slot of the first of `lets`.
    pub fn first_let(&self) -> usize {
        let grouping = if self.group.is_empty() { 0 } else { 2 };
        self.first_slot + self.outside.len() + grouping
    }
}

/// One child rule.
#[derive(Debug)]
pub(super) enum Part {
    Field(Field),
    /// A nested element: index of its name, its content, and whether it is one of a list.
    Block {
        name: usize,
        block: Box<Block>,
        item: bool,
    },
    Copy(Rule),
    /// The first branch whose condition holds.
    Choice {
        name: usize,
        branches: Vec<Branch>,
    },
    /// A part of one branch of a choice of the block.
    Branch {
        only: Only,
        part: Box<Part>,
    },
}

impl Part {
    /// Index of the name it makes elements of; `None` when it may be any.
    pub fn name(&self) -> Option<usize> {
        match self {
            Self::Field(field) => Some(field.name),
            Self::Block { name, .. } | Self::Choice { name, .. } => Some(*name),
            Self::Copy(_) => None,
            Self::Branch { part, .. } => part.name(),
        }
    }
}

/// One branch of a choice.
#[derive(Debug)]
pub(super) struct Branch {
    /// Always, when there is none.
    pub when: Option<Rule>,
    pub parts: Vec<Part>,
}

/// A rule that makes an attribute, the text, or an element with text only.
#[derive(Debug)]
pub(super) struct Field {
    /// Index in the template's names; unused for text.
    pub name: usize,
    /// The branch an attribute or text belongs to.
    pub only: Option<Only>,
    pub rule: Rule,
    pub simple: Option<Simple>,
    pub required: bool,
    pub repeats: bool,
    pub item: bool,
    pub policy: Policy,
}

/// A name of the output, with the prefix it prefers.
#[derive(Clone, Debug)]
pub(super) struct OutputName {
    pub name: QName,
    pub prefix: Option<Arc<str>>,
}

/// The names of the output as every document made starts from them: shared, never built again.
#[derive(Debug, Default)]
pub(super) struct OutputTable {
    pub names: Arc<NameTable>,
    /// The number of each [`OutputName`], by its index.
    pub numbers: Vec<Name>,
}

impl OutputTable {
    pub fn new(outputs: &[OutputName]) -> Self {
        let mut names = NameTable::default();
        let mut numbers = Vec::with_capacity(outputs.len());
        for OutputName { name, prefix } in outputs {
            match prefix {
                Some(prefix) => names.prefer_prefix(&name.namespace, prefix),
                None if name.namespace.is_empty() => (),
                None => names.prefer_prefix(&name.namespace, ""),
            }
            numbers.push(names.intern(&name.namespace, &name.local));
        }
        Self { names: Arc::new(names), numbers }
    }
}
