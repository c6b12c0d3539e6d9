//! Which fields of the source a mapping reads, and which of the target it fills.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::{
    schema::{Model, Type, TypeId},
    xpath::{Formula, StaticType},
};

/// Elements nested deeper than this are not told apart.
const MAX_DEPTH: usize = 32;

/// What a mapping touches, by path with local names (`/order/line/@no`).
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// Fields.
    fields: BTreeSet<String>,
    /// Elements that are touched with everything below.
    whole: BTreeSet<String>,
    /// Whether formulas may read what is not told apart.
    pub is_blind: bool,
}

impl Touched {
    /// Notes what a formula reads, its value included.
    pub fn reads(&mut self, formula: &Formula) {
        self.is_blind |= formula.is_blind();
        let value = formula.static_type().spots();
        let paths = formula.reads().iter().chain(value).map(|spot| spot.to_string());
        self.fields.extend(paths.map(|path| path.trim_end_matches("/text()").to_owned()));
    }

    /// Adds what another touches.
    pub fn add(&mut self, other: &Self) {
        self.fields.extend(other.fields.iter().cloned());
        self.whole.extend(other.whole.iter().cloned());
        self.is_blind |= other.is_blind;
    }

    /// Notes that nodes are copied.
    pub fn copies(&mut self, value: &StaticType) {
        self.whole.extend(value.spots().map(|spot| spot.to_string()));
    }

    /// Notes that a rule fills a field, by the rule's path in its file: `output.order.h:line.@no`.
    pub fn fills(&mut self, rule: &str) {
        self.fields.insert(output_path(rule));
    }

    /// Notes that anything may be inserted into an element, by the path of its block.
    pub fn fills_all(&mut self, block: &str) {
        self.whole.insert(output_path(block));
    }

    /// Whether anything at or below an element is touched by a rule of its own.
    fn is_entered(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let within =
            |set: &BTreeSet<String>| set.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below));
        within(&self.fields) || within(&self.whole)
    }
}

/// The path of the output that a rule's path in its file stands for.
fn output_path(rule: &str) -> String {
    let steps = rule.split('.').skip(1).filter(|step| !step.starts_with('$') && *step != "#text");
    steps.fold(String::new(), |path, step| {
        let (mark, name) = step.strip_prefix('@').map_or(("", step), |name| ("@", name));
        format!("{path}/{mark}{}", name.rsplit(':').next().unwrap_or_default())
    })
}

/// A field, or an element with all its fields, that nobody touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldGap {
    /// Its path: `/order/line/@no`, local names.
    pub path: String,
    /// How many fields it is.
    pub fields: u64,
    /// Whether a valid document always has it where its parent is.
    pub required: bool,
}

/// How much of one side's fields a mapping touches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FieldCoverage {
    /// All fields of the schema: attributes, and elements with text. A type inside itself counts once.
    pub fields: u64,
    /// Those touched.
    pub touched: u64,
    /// The others, in the schema's order; an element of which nothing is touched stands for all below it.
    pub gaps: Vec<FieldGap>,
}

/// Compares what is touched with what a schema has.
pub(super) fn coverage(model: &Model, touched: &Touched) -> FieldCoverage {
    let mut walk = Walk { model, touched, counts: HashMap::new(), found: FieldCoverage::default() };
    for root in &model.get(TypeId::DOCUMENT).children {
        let path = format!("/{}", root.name.local);
        // Of several possible roots those that are not used at all are other documents.
        if walk.touched.is_entered(&path) || walk.touched.whole.contains(&path) || walk.touched.whole.contains("") {
            walk.element(root.of, &path, true, &mut Vec::new());
        }
    }
    walk.found
}

struct Walk<'a> {
    model: &'a Model,
    touched: &'a Touched,
    /// How many fields a type holds in all.
    counts: HashMap<TypeId, u64>,
    found: FieldCoverage,
}

impl Walk<'_> {
    fn element(&mut self, of: TypeId, path: &str, required: bool, around: &mut Vec<TypeId>) {
        let all = self.count(of, &mut around.clone());
        if self.touched.whole.contains(path) || (path.rfind('/') == Some(0) && self.touched.whole.contains("")) {
            self.found.fields += all;
            self.found.touched += all;
            return;
        }
        let entered = self.touched.is_entered(path);
        if !entered && !self.touched.fields.contains(path) {
            self.found.fields += all;
            self.gap(path.to_owned(), all, required);
            return;
        }
        let held = self.model.get(of);
        if is_field(held) {
            self.field(path.to_owned(), required);
        }
        for attribute in &held.attributes {
            self.field(format!("{path}/@{}", attribute.name.local), attribute.required);
        }
        if around.contains(&of) || around.len() >= MAX_DEPTH {
            return;
        }
        around.push(of);
        for child in &held.children {
            self.element(child.of, &format!("{path}/{}", child.name.local), child.is_required(), around);
        }
        around.pop();
    }

    fn field(&mut self, path: String, required: bool) {
        self.found.fields += 1;
        if self.touched.fields.contains(&path) {
            self.found.touched += 1;
        } else {
            self.gap(path, 1, required);
        }
    }

    fn gap(&mut self, path: String, fields: u64, required: bool) {
        if fields > 0 {
            self.found.gaps.push(FieldGap { path, fields, required });
        }
    }

    fn count(&mut self, of: TypeId, around: &mut Vec<TypeId>) -> u64 {
        if let Some(known) = self.counts.get(&of) {
            return *known;
        }
        let held = self.model.get(of);
        let mut count = u64::from(is_field(held)) + held.attributes.len() as u64;
        if !around.contains(&of) && around.len() < MAX_DEPTH {
            around.push(of);
            for child in &held.children {
                count = count.saturating_add(self.count(child.of, around));
            }
            around.pop();
        }
        self.counts.insert(of, count);
        count
    }
}

/// Whether elements of a type have text of their own.
fn is_field(held: &Type) -> bool {
    held.value.is_some() || (held.open && held.children.is_empty())
}
