//! Where every field of an output came from.

use serde::Serialize;

use crate::{
    document::{Document, NodeId},
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
    /// One entry per output field, in output order.
    pub fields: Vec<FieldExplanation>,
}

impl Default for Explanation {
    fn default() -> Self {
        Self { format: FORMAT, mapping: String::new(), version: String::new(), fields: Vec::new() }
    }
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
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, new: T) {
    if !list.contains(&new) {
        list.push(new);
    }
}
