//! The validator's rules in words for people; nothing here repeats a value of the document.

use xsd_schema::SchemaError;

use super::super::Simple;

/// The rule about which children stand where (XSD 1.0 part 1 §3.4.4).
pub(super) const CONTENT: &str = "cvc-complex-type.2.4";

/// Names listed before "…".
const MOST_LISTED: usize = 8;

/// What to tell about a broken rule.
pub(super) struct Wording {
    pub text: String,
    pub expected: Option<String>,
}

/// Whether a rule is about the text of an element or attribute (XSD 1.0 part 2 §4, part 1 §3.14.4).
pub(super) fn is_about_a_value(rule: &str) -> bool {
    rule.starts_with("cvc-datatype-valid")
        || rule.starts_with("cvc-simple-type")
        || (rule.starts_with("cvc-") && rule.ends_with("-valid"))
}

/// A value that does not fit, in the words of its type when that is known.
pub(super) fn of_value(rule: &str, simple: Option<&Simple>, value: &str) -> Wording {
    let misfit = simple.and_then(|simple| simple.misfit(value));
    let expected = simple.and_then(|simple| {
        let allowed: Vec<String> = simple.enumeration.iter().map(|value| format!("`{value}`")).collect();
        list(&allowed).or_else(|| simple.kind_in_words().map(ToOwned::to_owned))
    });
    let text = match (misfit, rule) {
        (Some(_), "cvc-enumeration-valid") | (None, "cvc-enumeration-valid") => {
            "the value is not one of the allowed ones".to_owned()
        }
        (Some(misfit), _) => format!("the value does not fit: {misfit}"),
        (None, "cvc-pattern-valid") => "the value does not have the required form".to_owned(),
        (None, "cvc-maxLength-valid") => "the value is too long".to_owned(),
        (None, "cvc-minLength-valid") => "the value is too short".to_owned(),
        (None, "cvc-length-valid") => "the value does not have the required length".to_owned(),
        (None, "cvc-totalDigits-valid" | "cvc-fractionDigits-valid") => "the value has too many digits".to_owned(),
        (None, "cvc-minInclusive-valid" | "cvc-minExclusive-valid") => "the value is too small".to_owned(),
        (None, "cvc-maxInclusive-valid" | "cvc-maxExclusive-valid") => "the value is too great".to_owned(),
        (None, _) => "the value is not of the required type".to_owned(),
    };
    Wording { text, expected }
}

/// Anything else; `missing` is the child an element lacks. Of the validator's message only a quoted name is used, which
/// is the schema's.
pub(super) fn of_structure(rule: &str, message: Option<&str>, missing: Option<&str>) -> Wording {
    let quoted = || message.and_then(|message| message.split('\'').nth(1)).unwrap_or_default();
    let ends = message.is_some_and(|message| message.contains("incomplete"));
    let text = match rule {
        CONTENT => match missing {
            Some(missing) if ends => format!("the required element `{missing}` is missing"),
            _ if ends => "required elements are missing at its end".to_owned(),
            _ => "the element may not stand here".to_owned(),
        },
        "cvc-complex-type.4" => format!("the required attribute `{}` is missing", quoted()),
        "cvc-complex-type.3" => "the attribute is there twice".to_owned(),
        "cvc-complex-type.2.1" => "the element must be empty".to_owned(),
        "cvc-complex-type.2.2" => "the element may hold text only, no elements".to_owned(),
        "cvc-complex-type.2.3" => "the element may hold elements only, no text".to_owned(),
        "cvc-elt.1" => "the element is not declared in the schema".to_owned(),
        "cvc-elt.2" => "the element is abstract: one that substitutes it must stand here".to_owned(),
        "cvc-type.2" => "the type is abstract: `xsi:type` must name one derived from it".to_owned(),
        "cvc-elt.3.1" => "the element may not have `xsi:nil`".to_owned(),
        "cvc-elt.3.2.1" => "the element is nil (`xsi:nil`) and has content nevertheless".to_owned(),
        _ if rule.starts_with("cvc-elt.4") => "`xsi:type` does not name a type that may be used here".to_owned(),
        _ if rule.starts_with("cvc-complex-type.3.2") => "the attribute is not allowed here".to_owned(),
        _ if rule.starts_with("cvc-elt.5") || rule == "cvc-attribute.4" || rule.starts_with("cvc-elt.3.2.2") => {
            "the value differs from the one the schema fixes".to_owned()
        }
        _ if rule.starts_with("cvc-identity-constraint.4.3") => {
            format!("a value refers to none of the key `{}`", quoted())
        }
        _ if rule.starts_with("cvc-identity-constraint") => {
            format!("the values of `{}` are not unique, or one is missing", quoted())
        }
        "cvc-id.1" => "a reference (IDREF) leads to no ID of the document".to_owned(),
        "cvc-id.2" => "the ID is in the document twice".to_owned(),
        "validation-resource-limit" | "validation-preparation-failed" => {
            "the content model is too large to judge the element".to_owned()
        }
        _ => "a rule of the schema is broken".to_owned(),
    };
    let expected = missing.filter(|_| ends).map(|missing| format!("`{missing}`"));
    Wording { text, expected }
}

/// "`a`, `b` or `c`", the first few; `None` for an empty list.
pub(super) fn list(names: &[String]) -> Option<String> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name.as_str()) {
            seen.push(name);
        }
    }
    match seen[..] {
        [] => None,
        [only] => Some(only.to_owned()),
        [.., last] if seen.len() <= MOST_LISTED => Some(format!("{} or {last}", seen[..seen.len() - 1].join(", "))),
        _ => Some(format!("{}, … ({} in all)", seen[..MOST_LISTED].join(", "), seen.len())),
    }
}

/// A schema's own error without its place.
pub(super) fn of_schema_error(error: &SchemaError) -> String {
    match error {
        SchemaError::XmlError { message, .. }
        | SchemaError::NamespaceError { message, .. }
        | SchemaError::FeatureError { message, .. }
        | SchemaError::ResolutionError { message } => message.clone(),
        SchemaError::StructuralError { constraint, message, .. } => format!("{message} [{constraint}]"),
        SchemaError::LimitExceeded { limit, max, message, .. } => format!("{limit}: {message}, the limit is {max}"),
        other => other.to_string(),
    }
}
