//! `error`, `trace` and what the context is like (F&O 3.1 §3, §15).

use super::{
    Call, Function,
    Yields::{First, Other},
    string,
};
use crate::xpath::{
    Failure, Item,
    cast::{AtomicType, cast},
};

/// The namespace of the standard's error codes.
const ERRORS: &str = "http://www.w3.org/2005/xqt-errors";

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "error",
        arity: (0, 3),
        signature: "error($code as xs:QName?, $description as xs:string, $values as item()*) as item()*",
        doc: "Fails, with a code and a text of your own.",
        examples: &[("if (1 = 1) then 'fine' else error((), 'never')", "fine")],
        yields: Other,
        call: |call| Err(raised(call)?),
    },
    Function {
        name: "trace",
        arity: (1, 2),
        signature: "trace($values as item()*, $label as xs:string) as item()*",
        doc: "The value as it is; to see values, use `crossdock map --trace`.",
        examples: &[("trace(1 + 1, 'sum')", "2")],
        yields: First,
        call: |call| Ok(call.value(0).clone()),
    },
    Function {
        name: "default-collation",
        arity: (0, 0),
        signature: "default-collation() as xs:string",
        doc: "The URI of the collation by code point: texts are always compared so unless a function is told otherwise.",
        examples: &[("ends-with(default-collation(), 'codepoint')", "true")],
        yields: Other,
        call: |_| string("http://www.w3.org/2005/xpath-functions/collation/codepoint"),
    },
    Function {
        name: "default-language",
        arity: (0, 0),
        signature: "default-language() as xs:language",
        doc: "The language of dates and numbers in words unless a function is told otherwise: `en`.",
        examples: &[("default-language()", "en")],
        yields: Other,
        call: |call| Ok(cast(call.frame, &Item::string("en"), AtomicType::Language)?.into()),
    },
];

fn raised(call: &Call<'_>) -> Result<Failure, Failure> {
    let code = match call.optional(0)?.map(Item::base) {
        Some(Item::QName(name)) if &*name.name.namespace == ERRORS => name.name.local.to_string(),
        Some(Item::QName(name)) => format!("Q{{{}}}{}", name.name.namespace, name.name.local),
        _ => "FOER0000".to_owned(),
    };
    let text = if call.has(1) { call.string(1)? } else { "the formula raises an error".into() };
    Ok(Failure::error(code, text))
}
