//! The compiled form: names are numbers, functions are functions, constants are values.

use std::sync::Arc;

use super::{
    Value,
    ast::{Arithmetic, Axis, Comparison, NodeComparison, Occurrence, SetOperation, Span},
    cast::{AtomicType, Prefixes},
    function::{Function, Prepared},
    signature::Parameter,
};
use crate::document::Kind;

#[derive(Clone, Debug)]
pub(super) struct Op {
    pub kind: OpKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum OpKind {
    Constant(Value),
    /// A variable of this formula, by its place on the stack.
    Local(usize),
    /// A variable of the scope.
    Outer(usize),
    Context,
    Sequence(Vec<Op>),
    Range(Box<Op>, Box<Op>),
    Arithmetic(Arithmetic, Box<Op>, Box<Op>),
    Negate(Box<Op>),
    Plus(Box<Op>),
    Value(Comparison, Box<Op>, Box<Op>),
    General(Comparison, Box<Op>, Box<Op>),
    Nodes(NodeComparison, Box<Op>, Box<Op>),
    And(Vec<Op>),
    Or(Vec<Op>),
    Concat(Vec<Op>),
    /// Conditions with their values; the value when none holds.
    If(Vec<(Op, Op)>, Box<Op>),
    For(Box<Op>, Box<Op>),
    Let(Box<Op>, Box<Op>),
    Quantified {
        every: bool,
        input: Box<Op>,
        body: Box<Op>,
    },
    Map(Box<Op>, Box<Op>),
    Set(SetOperation, Box<Op>, Box<Op>),
    Cast {
        input: Box<Op>,
        to: AtomicType,
        optional: bool,
        /// For a cast to `xs:QName`.
        prefixes: Option<Arc<Prefixes>>,
    },
    Castable {
        input: Box<Op>,
        to: AtomicType,
        optional: bool,
        prefixes: Option<Arc<Prefixes>>,
    },
    InstanceOf(Box<Op>, TypeTest),
    Treat(Box<Op>, TypeTest),
    Call {
        function: &'static Function,
        arguments: Vec<Op>,
        /// What each argument is converted to; shorter than `arguments` when the rest needs no conversion.
        conversions: Box<[Option<&'static Parameter>]>,
        prepared: Option<Arc<Prepared>>,
    },
    Path {
        rooted: bool,
        steps: Vec<StepOp>,
    },
    Filter(Box<Op>, Vec<Predicate>),
    MapOf(Vec<(Op, Op)>),
    ArrayOf(Vec<Op>),
    ArrayFrom(Box<Op>),
    /// Without a key, everything.
    Lookup(Box<Op>, Option<Box<Op>>),
    Invoke(Box<Op>, Vec<Op>),
}

#[derive(Clone, Debug)]
pub(super) enum StepOp {
    Axis(AxisOp),
    Op(Op),
}

#[derive(Clone, Debug)]
pub(super) struct AxisOp {
    pub axis: Axis,
    pub test: NodeTest,
    pub predicates: Vec<Predicate>,
}

#[derive(Clone, Debug)]
pub(super) enum Predicate {
    /// `[3]`
    Position(usize),
    /// `[last()]`
    Last,
    Op(Op),
}

#[derive(Clone, Debug)]
pub(super) enum NodeTest {
    Any,
    Kind(Kind),
    Name(Kind, u32),
    Namespace(Kind, Arc<str>),
    Local(Kind, Arc<str>),
    /// A document whose only element passes a test.
    DocumentOf(Box<NodeTest>),
    /// No node passes.
    Never,
}

#[derive(Clone, Debug)]
pub(super) struct TypeTest {
    /// `None`: `empty-sequence()`.
    pub item: Option<ItemTypeTest>,
    pub occurrence: Occurrence,
    /// As written, for messages.
    pub text: Arc<str>,
}

#[derive(Clone, Debug)]
pub(super) enum ItemTypeTest {
    Item,
    Node(NodeTest),
    Atomic(AtomicType),
    /// The type of the keys and of the values.
    Map(Option<(AtomicType, Box<TypeTest>)>),
    /// The type of the members.
    Array(Option<Box<TypeTest>>),
    /// The types of the parameters and of the result.
    Function(Option<(Vec<TypeTest>, Box<TypeTest>)>),
}
