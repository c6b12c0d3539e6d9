//! Paths: walking axes over the arena (XPath 3.1 §3.3), in document order, without duplicates.

use super::{
    Failure, Item, Value,
    ast::Axis,
    evaluate::{Evaluated, Focus, Run, raised},
    op::{AxisOp, NodeTest, Op, Predicate, StepOp},
};
use crate::document::{Document, Kind, NodeId};

impl Run<'_> {
    pub(super) fn node_matches(&self, document: u16, node: NodeId, test: &NodeTest) -> bool {
        let Some(tree) = self.frame.document(document) else { return false };
        match test {
            NodeTest::Any => true,
            NodeTest::Kind(kind) => tree.kind(node) == *kind,
            NodeTest::Name(kind, symbol) => {
                let name = self.frame.binding.name(document, *symbol);
                name.is_some() && tree.name(node) == name && tree.kind(node) == *kind
            }
            NodeTest::Namespace(kind, namespace) => {
                tree.kind(node) == *kind && tree.qname(node).is_some_and(|name| name.namespace == *namespace)
            }
            NodeTest::Local(kind, local) => {
                tree.kind(node) == *kind && tree.qname(node).is_some_and(|name| name.local == *local)
            }
            NodeTest::DocumentOf(test) => {
                let mut elements = tree.elements(node);
                tree.kind(node) == Kind::Document
                    && elements.next().is_some_and(|only| self.node_matches(document, only, test))
                    && elements.next().is_none()
                    && !tree.children(node).any(|child| tree.kind(child) == Kind::Text)
            }
            NodeTest::Never => false,
        }
    }

    pub(super) fn path(&mut self, op: &Op, rooted: bool, steps: &[StepOp], focus: Focus<'_>) -> Evaluated<Value> {
        let at = |failure: Failure| raised(failure, op.span.start);
        let start;
        let (mut current, steps) = match (rooted, steps.split_first()) {
            (true, _) | (false, None) => {
                start = match focus.item {
                    Some(Item::Node(document, _)) => Item::Node(*document, NodeId::ROOT),
                    Some(_) => return Err(at(Failure::error("XPTY0020", "a path needs a node as context item"))),
                    None => return Err(at(Failure::error("XPDY0002", "there is no context item here"))),
                };
                (Value::One(start), steps)
            }
            (false, Some((StepOp::Op(first), rest))) => (self.eval(first, focus)?, rest),
            (false, Some((StepOp::Axis(_), _))) => match focus.item {
                Some(item @ Item::Node(..)) => (Value::One(item.clone()), steps),
                Some(item) => {
                    let text = format!("a path needs a node as context item, not a value of type {}", item.type_name());
                    return Err(at(Failure::error("XPTY0020", text)));
                }
                None => return Err(at(Failure::error("XPDY0002", "there is no context item here"))),
            },
        };
        let mut rest = steps;
        while let Some((step, after)) = rest.split_first() {
            if current.is_empty() {
                return Ok(current);
            }
            current = match step {
                StepOp::Axis(_) => {
                    // a run of plain child steps from one node needs no lists in between
                    let plain = if current.len() == 1 { plain_steps(rest) } else { 0 };
                    if let (true, Some(Item::Node(document, node))) = (plain > 0, current.first()) {
                        let mut found = Collected::Empty;
                        self.descend(*document, *node, &rest[..plain], &mut found).map_err(at)?;
                        rest = &rest[plain..];
                        current = found.into();
                        continue;
                    }
                    self.axis_step(op, step, &current)?
                }
                StepOp::Op(body) => self.expression_step(op, body, &current, after.is_empty())?,
            };
            rest = after;
        }
        Ok(current)
    }

    /// Children of children, depth first: document order by itself.
    fn descend(&self, document: u16, node: NodeId, steps: &[StepOp], found: &mut Collected) -> Result<(), Failure> {
        let Some((StepOp::Axis(step), rest)) = steps.split_first() else {
            found.push(Item::Node(document, node));
            return Ok(());
        };
        let Some(tree) = self.frame.document(document) else { return Ok(()) };
        if step.axis == Axis::Attribute {
            for attribute in tree.attributes(node) {
                if self.node_matches(document, attribute, &step.test) {
                    self.descend(document, attribute, rest, found)?;
                }
            }
            return Ok(());
        }
        let mut visited = 0;
        // The name is the same for all children: it is looked up once.
        if let NodeTest::Name(Kind::Element, symbol) = step.test {
            let Some(name) = self.frame.binding.name(document, symbol) else { return Ok(()) };
            for child in tree.children(node) {
                visited += 1;
                if tree.name(child) == Some(name) && tree.kind(child) == Kind::Element {
                    self.descend(document, child, rest, found)?;
                }
            }
            return self.frame.budget.take(visited);
        }
        for child in tree.children(node) {
            visited += 1;
            if self.node_matches(document, child, &step.test) {
                self.descend(document, child, rest, found)?;
            }
        }
        self.frame.budget.take(visited)
    }

    fn axis_step(&mut self, op: &Op, step: &StepOp, current: &Value) -> Evaluated<Value> {
        let StepOp::Axis(step) = step else { return Ok(Value::Empty) };
        let mut found = Collected::Empty;
        for item in current.items() {
            let Item::Node(document, node) = item else {
                let text = format!("a path step needs nodes, not a value of type {}", item.type_name());
                return Err(raised(Failure::error("XPTY0019", text), op.span.start));
            };
            let Some(tree) = self.frame.document(*document) else { continue };
            if step.predicates.is_empty() {
                let visited = self.walk(tree, *document, *node, step, &mut |item| {
                    found.push(item);
                    true
                });
                self.frame.budget.take(visited).map_err(|failure| raised(failure, op.span.start))?;
                continue;
            }
            let limit = match step.predicates.first() {
                Some(Predicate::Position(position)) => *position,
                _ => usize::MAX,
            };
            let mut here = Vec::new();
            let visited = self.walk(tree, *document, *node, step, &mut |item| {
                here.push(item);
                here.len() < limit
            });
            self.frame.budget.take(visited).map_err(|failure| raised(failure, op.span.start))?;
            self.filter(&mut here, &step.predicates)?;
            here.into_iter().for_each(|item| found.push(item));
        }
        Ok(in_document_order(found.into()))
    }

    /// The nodes of an axis from one node, in axis order, until `take` says enough; how many were looked at.
    fn walk(
        &self,
        tree: &Document,
        document: u16,
        node: NodeId,
        step: &AxisOp,
        take: &mut dyn FnMut(Item) -> bool,
    ) -> u64 {
        let mut visited = 0;
        let mut visit = |found: NodeId| {
            visited += 1;
            !self.node_matches(document, found, &step.test) || take(Item::Node(document, found))
        };
        let below = |index: usize| tree.node(index).filter(|node| tree.kind(*node) != Kind::Attribute);
        match step.axis {
            Axis::Child => {
                if !matches!(tree.kind(node), Kind::Attribute) {
                    let _ = tree.children(node).all(visit);
                }
            }
            Axis::Attribute => {
                let _ = tree.attributes(node).all(visit);
            }
            Axis::SelfNode => {
                visit(node);
            }
            Axis::Parent => {
                tree.parent(node).map(visit);
            }
            Axis::Descendant => {
                let _ = (node.index() + 1..tree.end(node)).filter_map(below).all(visit);
            }
            Axis::DescendantOrSelf => {
                if visit(node) {
                    let _ = (node.index() + 1..tree.end(node)).filter_map(below).all(visit);
                }
            }
            Axis::Following => {
                // of an attribute too: the content of its element follows it
                let first = if tree.kind(node) == Kind::Attribute { node.index() + 1 } else { tree.end(node) };
                let _ = (first..tree.len()).filter_map(below).all(visit);
            }
            Axis::Preceding => {
                let before = (0..node.index()).rev().filter_map(below);
                let _ = before.filter(|before| tree.end(*before) <= node.index()).all(visit);
            }
            Axis::Ancestor | Axis::AncestorOrSelf => {
                let first = if step.axis == Axis::Ancestor { tree.parent(node) } else { Some(node) };
                let _ = std::iter::successors(first, |node| tree.parent(*node)).all(visit);
            }
            Axis::FollowingSibling | Axis::PrecedingSibling => {
                let Some(parent) = tree.parent(node).filter(|_| tree.kind(node) != Kind::Attribute) else { return 0 };
                if step.axis == Axis::FollowingSibling {
                    let _ = tree.children(parent).filter(|sibling| *sibling > node).all(visit);
                } else {
                    let before: Vec<_> = tree.children(parent).take_while(|sibling| *sibling < node).collect();
                    let _ = before.into_iter().rev().all(visit);
                }
            }
        }
        visited
    }

    /// A step that is an expression: evaluated for each node (XPath 3.1 §3.3.1.1).
    fn expression_step(&mut self, op: &Op, body: &Op, current: &Value, last: bool) -> Evaluated<Value> {
        let size = current.len();
        let (mut items, mut nodes, mut atoms) = (Vec::new(), false, false);
        for (index, item) in current.items().iter().enumerate() {
            if !matches!(item, Item::Node(..)) {
                let text = format!("a path step needs nodes, not a value of type {}", item.type_name());
                return Err(raised(Failure::error("XPTY0019", text), op.span.start));
            }
            let value = self.eval(body, Focus { item: Some(item), position: index + 1, size })?;
            self.frame.budget.take_items(value.len()).map_err(|failure| raised(failure, body.span.start))?;
            for item in value.items() {
                match item {
                    Item::Node(..) => nodes = true,
                    _ => atoms = true,
                }
                items.push(item.clone());
            }
        }
        match (nodes, atoms) {
            (true, true) => Err(raised(
                Failure::error("XPTY0018", "a path step yields nodes and other values at once"),
                body.span.start,
            )),
            (false, true) if !last => {
                Err(raised(Failure::error("XPTY0019", "a path step yields values that are not nodes"), body.span.start))
            }
            (true, false) => Ok(in_document_order(items.into())),
            _ => Ok(items.into()),
        }
    }
}

/// How many steps from the first on are child or attribute steps without predicates.
fn plain_steps(steps: &[StepOp]) -> usize {
    let plain = |step: &&StepOp| match step {
        StepOp::Axis(step) => matches!(step.axis, Axis::Child | Axis::Attribute) && step.predicates.is_empty(),
        StepOp::Op(_) => false,
    };
    steps.iter().take_while(plain).count()
}

/// Nodes found so far; one needs no vector.
enum Collected {
    Empty,
    One(Item),
    Many(Vec<Item>),
}

impl Collected {
    fn push(&mut self, item: Item) {
        *self = match std::mem::replace(self, Self::Empty) {
            Self::Empty => Self::One(item),
            Self::One(first) => Self::Many(vec![first, item]),
            Self::Many(mut items) => {
                items.push(item);
                Self::Many(items)
            }
        };
    }
}

impl From<Collected> for Value {
    fn from(found: Collected) -> Self {
        match found {
            Collected::Empty => Self::Empty,
            Collected::One(item) => Self::One(item),
            Collected::Many(items) => items.into(),
        }
    }
}

fn key(item: &Item) -> (u16, NodeId) {
    match item {
        Item::Node(document, node) => (*document, *node),
        _ => (u16::MAX, NodeId::ROOT),
    }
}

/// Sorts and drops repeats, unless it is in order already.
fn in_document_order(value: Value) -> Value {
    let Value::Many(items) = value else { return value };
    if items.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
        return Value::Many(items);
    }
    let mut items = std::sync::Arc::unwrap_or_clone(items);
    items.sort_unstable_by_key(key);
    items.dedup_by_key(|item| key(item));
    items.into()
}
