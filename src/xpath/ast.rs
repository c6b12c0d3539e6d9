//! The syntax tree: what was written, with spans, before names mean anything.

use std::{fmt, sync::Arc};

use crate::document::Decimal;

/// A byte range of the formula's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// A name as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lexical {
    Plain(Arc<str>),
    Prefixed(Arc<str>, Arc<str>),
    /// `Q{uri}local`
    Braced(Arc<str>, Arc<str>),
}

impl Lexical {
    pub fn local(&self) -> &Arc<str> {
        match self {
            Self::Plain(local) | Self::Prefixed(_, local) | Self::Braced(_, local) => local,
        }
    }
}

impl fmt::Display for Lexical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(local) => f.write_str(local),
            Self::Prefixed(prefix, local) => write!(f, "{prefix}:{local}"),
            Self::Braced(namespace, local) => write!(f, "Q{{{namespace}}}{local}"),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Named {
    pub name: Lexical,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    IntegerDivide,
    Modulo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeComparison {
    Is,
    Before,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetOperation {
    Union,
    Intersect,
    Except,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Child,
    Attribute,
    Parent,
    SelfNode,
    Descendant,
    DescendantOrSelf,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
    Following,
    Preceding,
}

/// A node test as written.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Name(Lexical),
    AnyName,
    /// `p:*`
    AnyLocal(Arc<str>),
    /// `*:n`
    AnyNamespace(Arc<str>),
    /// `Q{uri}*`
    AnyBraced(Arc<str>),
    Node,
    Text,
    Comment,
    Instruction(Option<Arc<str>>),
    /// Name and type.
    Element(Option<Lexical>, Option<Named>),
    /// Name and type.
    Attribute(Option<Lexical>, Option<Named>),
    /// `document-node()`, or the test of its only element.
    Document(Option<Box<Test>>),
    /// `namespace-node()`: there are none.
    Namespace,
    /// `schema-element(…)`, `schema-attribute(…)`: nothing is declared.
    Schema(Named),
}

#[derive(Clone, Debug)]
pub(super) struct AxisStep {
    pub axis: Axis,
    pub test: Test,
    pub span: Span,
    pub predicates: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Axis(AxisStep),
    Expr(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    One,
    Optional,
    Any,
    Some,
}

#[derive(Clone, Debug)]
pub(super) enum ItemTest {
    Item,
    Kind(Test),
    Atomic(Named),
    /// `map(*)`, or the types of keys and values.
    Map(Option<(Named, Box<SequenceType>)>),
    /// `array(*)`, or the type of every member.
    Array(Option<Box<SequenceType>>),
    /// `function(*)`, or the types of the parameters and of the result.
    Function(Option<(Vec<SequenceType>, Box<SequenceType>)>),
}

/// As it is written.
impl fmt::Display for SequenceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(item) = &self.item else { return f.write_str("empty-sequence()") };
        let sign = match self.occurrence {
            Occurrence::One => "",
            Occurrence::Optional => "?",
            Occurrence::Any => "*",
            Occurrence::Some => "+",
        };
        write!(f, "{item}{sign}")
    }
}

/// As it is written.
impl fmt::Display for ItemTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item => f.write_str("item()"),
            Self::Kind(test) => test.fmt(f),
            Self::Atomic(named) => named.name.fmt(f),
            Self::Map(None) => f.write_str("map(*)"),
            Self::Map(Some((key, value))) => write!(f, "map({}, {value})", key.name),
            Self::Array(None) => f.write_str("array(*)"),
            Self::Array(Some(member)) => write!(f, "array({member})"),
            Self::Function(None) => f.write_str("function(*)"),
            Self::Function(Some((parameters, result))) => {
                let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
                write!(f, "function({}) as {result}", parameters.join(", "))
            }
        }
    }
}

/// A kind test as it is written.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, of) = match self {
            Self::Name(name) => return name.fmt(f),
            Self::AnyName => return f.write_str("*"),
            Self::AnyLocal(prefix) => return write!(f, "{prefix}:*"),
            Self::AnyNamespace(local) => return write!(f, "*:{local}"),
            Self::AnyBraced(namespace) => return write!(f, "Q{{{namespace}}}*"),
            Self::Instruction(Some(target)) => return write!(f, "processing-instruction({target})"),
            Self::Document(Some(element)) => return write!(f, "document-node({element})"),
            Self::Schema(declaration) => return write!(f, "schema-element({})", declaration.name),
            Self::Element(name, of) => ("element", name, of),
            Self::Attribute(name, of) => ("attribute", name, of),
            Self::Node => return f.write_str("node()"),
            Self::Text => return f.write_str("text()"),
            Self::Comment => return f.write_str("comment()"),
            Self::Instruction(None) => return f.write_str("processing-instruction()"),
            Self::Document(None) => return f.write_str("document-node()"),
            Self::Namespace => return f.write_str("namespace-node()"),
        };
        let name = name.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
        match of {
            None if name == "*" => write!(f, "{kind}()"),
            None => write!(f, "{kind}({name})"),
            Some(of) => write!(f, "{kind}({name}, {})", of.name),
        }
    }
}

/// A function's declared parameter: `$name as type`, its default left out.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub name: Arc<str>,
    pub of: SequenceType,
}

/// A function's declaration: `name($parameter as type, …) as type`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub parameters: Vec<Declared>,
    pub result: SequenceType,
}

/// What a lookup asks for (XPath 3.1 §3.11.3).
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// `?name`
    Name(Arc<str>),
    /// `?1`
    Position(Decimal),
    /// `?*`
    All,
    /// `?(…)`
    Expr(Box<Expr>),
}

/// A sequence type; no item test is `empty-sequence()`.
#[derive(Clone, Debug)]
pub(super) struct SequenceType {
    pub item: Option<ItemTest>,
    pub occurrence: Occurrence,
}

#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub kind: ExprKind,
    pub span: Span,
    /// Levels of the tree below and including this one.
    pub depth: u16,
}

#[derive(Clone, Debug)]
pub(super) enum ExprKind {
    String(Arc<str>),
    Integer(Decimal),
    Decimal(Decimal),
    Double(f64),
    Variable(Named),
    Context,
    Sequence(Vec<Expr>),
    Range(Box<Expr>, Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Value(Comparison, Box<Expr>, Box<Expr>),
    General(Comparison, Box<Expr>, Box<Expr>),
    Nodes(NodeComparison, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Concat(Vec<Expr>),
    /// Conditions with their values (`else if` goes on in the list); the value when none holds.
    If(Vec<(Expr, Expr)>, Box<Expr>),
    For(Vec<(Named, Expr)>, Box<Expr>),
    Let(Vec<(Named, Expr)>, Box<Expr>),
    Quantified {
        every: bool,
        bindings: Vec<(Named, Expr)>,
        body: Box<Expr>,
    },
    Map(Box<Expr>, Box<Expr>),
    Set(SetOperation, Box<Expr>, Box<Expr>),
    Cast {
        input: Box<Expr>,
        to: Named,
        optional: bool,
    },
    Castable {
        input: Box<Expr>,
        to: Named,
        optional: bool,
    },
    InstanceOf(Box<Expr>, SequenceType),
    Treat(Box<Expr>, SequenceType),
    Call {
        function: Named,
        arguments: Vec<Expr>,
    },
    /// `rooted`: begins with `/`.
    Path {
        rooted: bool,
        steps: Vec<Step>,
    },
    Filter(Box<Expr>, Vec<Expr>),
    /// `map {key: value, …}`
    MapOf(Vec<(Expr, Expr)>),
    /// `[member, …]`
    ArrayOf(Vec<Expr>),
    /// `array {…}`: each item a member.
    ArrayFrom(Box<Expr>),
    /// `input?key`; without input, of the context item.
    Lookup(Option<Box<Expr>>, Key),
    /// `$map('key')`, `$array(1)`
    Invoke(Box<Expr>, Vec<Expr>),
}
