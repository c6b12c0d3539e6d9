//! Paths: where in the source type a step leads, and how many nodes it gives.

use std::sync::Arc;

use super::Inference;
use crate::{
    document::{Kind, QName},
    xpath::{
        SourceModel,
        ast::Axis,
        op::{AxisOp, NodeTest, Op, Predicate, StepOp},
        static_type::{Class, ItemType, Least, Occurs, Spot, StaticType},
    },
};

/// A place of the source type has at most so many descendants that are told apart.
const MAX_BELOW: usize = 500;

impl Inference<'_> {
    pub(super) fn predicates(&mut self, predicates: &[Predicate], mut known: StaticType) -> StaticType {
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

    pub(super) fn path(&mut self, rooted: bool, steps: &[StepOp], focus: &StaticType) -> StaticType {
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
pub(in crate::xpath) fn whereabouts(model: &dyn SourceModel, name: &QName) -> Option<String> {
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
