//! Where every field of an output came from.

use std::{collections::BTreeMap, ops::Bound};

use serde::Serialize;

use crate::{
    document::{Document, Kind, NodeId},
    xpath::TraceEvent,
};

/// The form of serialized explanations and traces. It grows when a key is renamed, removed or means something else; keys
/// may be added without.
pub const FORMAT: u32 = 1;

/// The origin of every field of one output document. The serialized form is stable, see `docs/reference/explain-json.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// [`FORMAT`].
    pub format: u32,
    /// The mapping file.
    pub mapping: String,
    /// SHA-256 of the mapping file.
    pub version: String,
    /// All mappings of a chain, the first one first; empty when it was one alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<MappingVersion>,
    /// One entry per output field, in output order.
    pub fields: Vec<FieldExplanation>,
}

impl Default for Explanation {
    fn default() -> Self {
        Self { format: FORMAT, mapping: String::new(), version: String::new(), chain: Vec::new(), fields: Vec::new() }
    }
}

/// A mapping of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MappingVersion {
    /// The mapping file.
    pub mapping: String,
    /// SHA-256 of the mapping file.
    pub version: String,
}

/// The origin of one output field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldExplanation {
    /// Its path in the output: `/order/line[2]/@id`.
    pub path: String,
    /// Its value. Payload: for people with the right to see it, never for logs.
    pub value: String,
    /// The rule that made it.
    pub rule: RulePlace,
    /// The rule's formula without `=`; absent for literals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// The source fields read for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceField>,
    /// The code table rows used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<CodeUse>,
    /// The cross references used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub xrefs: Vec<XrefUse>,
    /// In a chain, the fields of the document in between that it was made from, each with its own origin; `sources`,
    /// `codes` and `xrefs` above are then those of the whole chain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<FieldExplanation>,
}

impl FieldExplanation {
    /// Every rule that had a part in it: its own, then those of the mappings before, each once.
    #[must_use]
    pub fn rules(&self) -> Vec<RulePlace> {
        let mut rules = vec![self.rule.clone()];
        for rule in self.through.iter().flat_map(Self::rules) {
            push_new(&mut rules, rule);
        }
        rules
    }
}

impl Explanation {
    /// The explanation of a chain: `self` is that of the document which the mapping of `later` took as its source.
    #[must_use]
    pub fn then(self, mut later: Self) -> Self {
        let mut made: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, field) in self.fields.iter().enumerate() {
            made.entry(&field.path).or_default().push(at);
        }
        for field in &mut later.fields {
            let read = std::mem::take(&mut field.sources);
            let (codes, xrefs) = (std::mem::take(&mut field.codes), std::mem::take(&mut field.xrefs));
            for at in read.iter().flat_map(|source| behind(&made, &source.path)) {
                let origin = &self.fields[at];
                if field.through.contains(origin) {
                    continue;
                }
                origin.sources.iter().for_each(|source| push_new(&mut field.sources, source.clone()));
                origin.codes.iter().for_each(|code| push_new(&mut field.codes, code.clone()));
                origin.xrefs.iter().for_each(|xref| push_new(&mut field.xrefs, xref.clone()));
                field.through.push(origin.clone());
            }
            codes.into_iter().for_each(|code| push_new(&mut field.codes, code));
            xrefs.into_iter().for_each(|xref| push_new(&mut field.xrefs, xref));
        }
        let own = |explanation: &Self| MappingVersion {
            mapping: explanation.mapping.clone(),
            version: explanation.version.clone(),
        };
        let before = if self.chain.is_empty() { vec![own(&self)] } else { self.chain.clone() };
        later.chain = before.into_iter().chain([own(&later)]).collect();
        later
    }
}

/// The numbers of the fields that were made at a path: that one, or those below it when an element was read as a whole.
fn behind(made: &BTreeMap<&str, Vec<usize>>, path: &str) -> Vec<usize> {
    if let Some(fields) = made.get(path) {
        return fields.clone();
    }
    let below = format!("{}/", path.trim_end_matches('/'));
    let from = (Bound::Excluded(below.as_str()), Bound::Unbounded);
    let found = made.range::<str, _>(from).take_while(|(path, _)| path.starts_with(&below));
    // the text of an element has no part of its attributes
    let found = found.filter(|(path, _)| !path.contains("/@"));
    let mut fields: Vec<usize> = found.flat_map(|(_, fields)| fields.iter().copied()).collect();
    fields.sort_unstable();
    fields
}

/// A place in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RulePlace {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl RulePlace {
    /// A place in a file.
    #[must_use]
    pub fn of(file: &str, line: u32, column: u32) -> Self {
        Self { file: file.to_owned(), line, column }
    }
}

impl std::fmt::Display for RulePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A source field that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceField {
    /// Its path in the source document.
    pub path: String,
    /// Its line, from 1; 0 when unknown.
    pub line: u32,
    /// Its column, from 1; 0 when unknown.
    pub column: u32,
}

/// A code table row that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeUse {
    /// The code table.
    pub table: String,
    /// The value looked up.
    pub value: String,
    /// The answer; absent when there was no row.
    pub result: Option<String>,
    /// Where the row stands.
    pub row: Option<String>,
}

/// A cross reference that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct XrefUse {
    /// The kind of thing.
    pub entity: String,
    /// Its id in the source system.
    pub id: String,
    /// Its id in the target system; absent when unknown.
    pub result: Option<String>,
}

/// An output node with its rule, for the explanation.
pub(super) struct Noted {
    pub node: NodeId,
    pub rule: RulePlace,
    pub formula: Option<String>,
    pub events: Vec<TraceEvent>,
}

/// The explanation of one output node.
pub(super) fn explain(noted: &Noted, output: &Document, input: &Document) -> FieldExplanation {
    let (mut sources, mut codes, mut xrefs) = (Vec::new(), Vec::new(), Vec::new());
    for event in &noted.events {
        match event {
            // what formulas made themselves (`parse-xml`) has no place in the source
            TraceEvent::Read { document: 1.., .. } => {}
            TraceEvent::Read { node, .. } => {
                let place = input.place(*node);
                let path = place.path.unwrap_or_default();
                push_new(&mut sources, SourceField { path, line: place.line, column: place.column });
            }
            TraceEvent::Code { table, value, result, row } => push_new(
                &mut codes,
                CodeUse {
                    table: table.to_string(),
                    value: value.to_string(),
                    result: result.as_ref().map(ToString::to_string),
                    row: row.clone(),
                },
            ),
            TraceEvent::Xref { entity, id, result } => push_new(
                &mut xrefs,
                XrefUse {
                    entity: entity.to_string(),
                    id: id.to_string(),
                    result: result.as_ref().map(ToString::to_string),
                },
            ),
        }
    }
    FieldExplanation {
        path: output.path(noted.node),
        value: output.string_value(noted.node).into_owned(),
        rule: noted.rule.clone(),
        formula: noted.formula.clone(),
        sources,
        codes,
        xrefs,
        through: Vec::new(),
    }
}

/// The fields of a node that was copied to `made` from index `first` on, each with the node it is a copy of: attributes,
/// and elements that hold text.
pub(super) fn copied(made: &Document, first: usize, from: &Document, node: NodeId) -> Vec<(NodeId, NodeId)> {
    let (copy, node) = if from.kind(node) == Kind::Document {
        let nodes = (first..made.len()).filter_map(|at| made.node(at));
        (nodes.into_iter().find(|node| made.kind(*node) == Kind::Element), from.root_element())
    } else {
        (made.node(first), Some(node))
    };
    let mut pairs = Vec::new();
    let mut open: Vec<_> = copy.zip(node).into_iter().collect();
    while let Some((copy, node)) = open.pop() {
        let holds_text = |child| from.kind(child) == Kind::Text && !from.own_text(child).trim().is_empty();
        pairs.extend(made.attributes(copy).zip(from.attributes(node)));
        if from.elements(node).next().is_some() && !from.children(node).any(holds_text) {
            open.extend(made.elements(copy).zip(from.elements(node)));
        } else if matches!(from.kind(node), Kind::Element | Kind::Attribute | Kind::Text) {
            pairs.push((copy, node));
        }
    }
    pairs.sort_by_key(|(copy, _)| *copy);
    pairs
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, new: T) {
    if !list.contains(&new) {
        list.push(new);
    }
}
