//! The other engine: xee.

use std::panic::{AssertUnwindSafe, catch_unwind};

use xee_xpath::{Atomic, DocumentHandle, Documents, Item, Queries, Query, context::StaticContextBuilder};

use crate::{
    answer::{Answer, Found},
    sample::EXTENSION,
};

/// A document in the other engine.
pub struct Held {
    documents: Documents,
    handle: DocumentHandle,
}

impl Held {
    pub fn into_parts(self) -> (Documents, DocumentHandle) {
        (self.documents, self.handle)
    }
}

pub fn document(text: &str) -> Held {
    let mut documents = Documents::new();
    let handle = documents.add_string_without_uri(text).expect("a well-formed sample");
    Held { documents, handle }
}

/// What a formula yields on a document.
pub fn answer(formula: &str, held: &mut Held) -> Answer {
    catch_unwind(AssertUnwindSafe(|| asked(formula, held))).unwrap_or(Answer::Panic)
}

fn asked(formula: &str, held: &mut Held) -> Answer {
    let mut context = StaticContextBuilder::default();
    context.add_namespace("x", EXTENSION);
    let queries = Queries::new(context);
    let result = queries.sequence(formula).and_then(|query| query.execute(&mut held.documents, held.handle));
    match result {
        Ok(sequence) => Answer::Value(sequence.iter().map(|item| found(&item, &held.documents)).collect()),
        Err(error) => Answer::Error(error.error.code()),
    }
}

fn found(item: &Item, documents: &Documents) -> Found {
    let xot = documents.xot();
    let text = match item {
        Item::Atomic(Atomic::Double(value)) => format!("{:?}", value.0),
        Item::Atomic(Atomic::Float(value)) => format!("{:?}", value.0),
        other => other.string_value(xot).unwrap_or_default(),
    };
    let kind = match item {
        Item::Node(node) => match format!("{:?}", xot.value_type(*node)).as_str() {
            "Document" => "document-node()",
            "Element" => "element()",
            "Attribute" => "attribute()",
            "Text" => "text()",
            "Comment" => "comment()",
            "ProcessingInstruction" => "processing-instruction()",
            _ => "node()",
        }
        .to_owned(),
        Item::Atomic(atomic) => format!("xs:{}", type_of(atomic)),
        Item::Function(_) if item.to_map().is_ok() => "map(*)".to_owned(),
        Item::Function(_) if item.to_array().is_ok() => "array(*)".to_owned(),
        Item::Function(_) => "function(*)".to_owned(),
    };
    Found { kind, text }
}

fn type_of(atomic: &Atomic) -> String {
    let lower = |name: String| {
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    };
    match atomic {
        Atomic::Untyped(_) => "untypedAtomic".into(),
        Atomic::String(of, _) => lower(format!("{of:?}")),
        Atomic::Integer(of, _) => lower(format!("{of:?}")),
        Atomic::Float(_) => "float".into(),
        Atomic::Double(_) => "double".into(),
        Atomic::Decimal(_) => "decimal".into(),
        Atomic::Duration(_) => "duration".into(),
        Atomic::YearMonthDuration(_) => "yearMonthDuration".into(),
        Atomic::DayTimeDuration(_) => "dayTimeDuration".into(),
        Atomic::DateTime(_) => "dateTime".into(),
        Atomic::Time(_) => "time".into(),
        Atomic::Date(_) => "date".into(),
        Atomic::Boolean(_) => "boolean".into(),
        Atomic::QName(_) => "QName".into(),
        other => format!("{other:?}"),
    }
}
