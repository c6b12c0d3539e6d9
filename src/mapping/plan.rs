//! The plan: a compiled output tree.

use std::sync::Arc;

use crate::{
    document::{Name, NameTable, QName},
    schema::Simple,
    xpath::Formula,
};

/// A formula or literal with its place in the file.
#[derive(Debug)]
pub(super) struct Rule {
    pub value: Expression,
    pub line: u32,
    pub column: u32,
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
#[derive(Debug, Default)]
pub(super) struct Block {
    pub each: Option<Rule>,
    /// The key the items of `each` are sorted by.
    pub sort: Option<Rule>,
    pub condition: Option<Rule>,
    /// Slot of the first variable.
    pub first_slot: usize,
    pub lets: Vec<Rule>,
    pub attributes: Vec<Field>,
    pub text: Option<Field>,
    pub parts: Vec<Part>,
    /// Required children of the target: their name, and the indexes of the parts that can fill them. Empty when a
    /// `$copy` may fill anything.
    pub required: Vec<(QName, Vec<usize>)>,
    /// What becomes of it when nothing came out.
    pub on_empty: OnEmpty,
    pub line: u32,
    pub column: u32,
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
}

impl Part {
    /// Index of the name it makes elements of; `None` when it may be any.
    pub fn name(&self) -> Option<usize> {
        match self {
            Self::Field(field) => Some(field.name),
            Self::Block { name, .. } | Self::Choice { name, .. } => Some(*name),
            Self::Copy(_) => None,
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
