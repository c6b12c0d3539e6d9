//! What the validator finds, in our words. No value of the document is repeated.

use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

/// What is said of one error.
pub(super) struct Words {
    pub text: String,
    pub expected: Option<String>,
    /// The members it is about, each a violation of its own.
    pub members: Vec<String>,
}

impl Words {
    fn say(text: impl Into<String>) -> Self {
        Self { text: text.into(), expected: None, members: Vec::new() }
    }

    fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    fn about(mut self, members: &[String]) -> Self {
        self.members = members.to_vec();
        self
    }
}

/// An error in words.
pub(super) fn words(error: &ValidationError<'_>) -> Words {
    let misfit = |why: String| Words::say(format!("the value does not fit: {why}"));
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            Words::say("the member is not allowed here").about(unexpected)
        }
        Kind::AdditionalItems { limit } => {
            Words::say("the array has more items than the schema describes").expected(format!("at most {limit}"))
        }
        Kind::UnevaluatedItems { .. } => Words::say("the array has more items than the schema describes"),
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            Words::say(format!("the required member `{name}` is missing")).expected(format!("`{name}`"))
        }
        Kind::Type { kind } => Words::say("the value is not of the required type").expected(types(kind)),
        Kind::Enum { options } => {
            let words = Words::say("the value is not one of the allowed ones");
            match options.as_array() {
                Some(options) => words.expected(list(options.iter().map(quoted))),
                None => words,
            }
        }
        Kind::Constant { expected_value } => {
            Words::say("the value differs from the one the schema fixes").expected(quoted(expected_value))
        }
        Kind::Format { format } => {
            Words::say(format!("the value does not have the format `{format}`")).expected_when(sample(format))
        }
        Kind::Pattern { pattern } => misfit(format!("it does not have the form `{pattern}`")),
        Kind::MinLength { limit } => misfit(format!("at least {limit} characters are needed")),
        Kind::MaxLength { limit } => misfit(format!("at most {limit} characters are allowed")),
        Kind::Minimum { limit } => misfit(format!("it must be at least {limit}")),
        Kind::Maximum { limit } => misfit(format!("it must be at most {limit}")),
        Kind::ExclusiveMinimum { limit } => misfit(format!("it must be greater than {limit}")),
        Kind::ExclusiveMaximum { limit } => misfit(format!("it must be less than {limit}")),
        Kind::MultipleOf { multiple_of } => misfit(format!("it must be a multiple of {multiple_of}")),
        Kind::MinItems { limit } => Words::say("the array has too few items").expected(format!("at least {limit}")),
        Kind::MaxItems { limit } => Words::say("the array has too many items").expected(format!("at most {limit}")),
        Kind::UniqueItems => Words::say("the items of the array are not all different"),
        Kind::Contains => Words::say("too few or too many items are as the schema asks"),
        Kind::MinProperties { limit } => {
            Words::say("the object has too few members").expected(format!("at least {limit}"))
        }
        Kind::MaxProperties { limit } => {
            Words::say("the object has too many members").expected(format!("at most {limit}"))
        }
        Kind::PropertyNames { error } => Words::say(format!("a member may not have this name: {}", words(error).text)),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(error, context),
        Kind::OneOfMultipleValid { .. } => Words::say("the value fits several alternatives, and may fit one only"),
        Kind::Not { .. } => Words::say("the value is as the schema forbids"),
        Kind::FalseSchema => Words::say("nothing may stand here"),
        Kind::ContentEncoding { content_encoding } => misfit(format!("it is not encoded as `{content_encoding}`")),
        Kind::FromUtf8 { .. } => misfit("what is encoded in it is not UTF-8".to_owned()),
        Kind::ContentMediaType { content_media_type } => misfit(format!("its content is not `{content_media_type}`")),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            Words::say("the pattern of the schema cannot be applied to the value")
        }
        Kind::Custom { .. } | Kind::Referencing(_) => Words::say("the value breaks a rule of the schema"),
    }
}

impl Words {
    fn expected_when(self, expected: Option<&str>) -> Self {
        match expected {
            Some(expected) => self.expected(expected),
            None => self,
        }
    }
}

/// None of several alternatives fits: the one that comes nearest says why.
fn alternatives(error: &ValidationError<'_>, branches: &[Vec<ValidationError<'static>>]) -> Words {
    let here = error.instance_path().as_str().len();
    let is_other_kind = |branch: &[ValidationError<'_>]| {
        branch.iter().any(|inner| {
            let is_here = inner.instance_path().as_str().len() <= here;
            is_here && matches!(inner.kind(), Kind::Type { .. } | Kind::Constant { .. } | Kind::FalseSchema)
        })
    };
    let words_of = |text: &str| Words::say(text.to_owned());
    let nearest = branches
        .iter()
        .filter(|branch| !branch.is_empty() && !is_other_kind(branch))
        .min_by_key(|branch| branch.len())
        .and_then(|branch| branch.first());
    if let Some(inner) = nearest {
        let below = inner.instance_path().as_str().get(here..).unwrap_or_default();
        let at = if below.is_empty() { String::new() } else { format!(" at `{below}`") };
        let said = words(inner);
        let text = format!("the value fits none of the alternatives; the nearest one{at}: {}", said.text);
        return Words { text, expected: said.expected, members: Vec::new() };
    }
    let types: Vec<String> = branches
        .iter()
        .flatten()
        .filter_map(|inner| match inner.kind() {
            Kind::Type { kind } if inner.instance_path().as_str().len() <= here => Some(types(kind)),
            _ => None,
        })
        .collect();
    let said = words_of("the value fits none of the alternatives");
    if types.len() == branches.len() { said.expected(list(types.into_iter())) } else { said }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => noun(*one).to_owned(),
        TypeKind::Multiple(several) => list(several.iter().map(|one| noun(one).to_owned())),
    }
}

fn noun(of: JsonType) -> &'static str {
    match of {
        JsonType::Array => "an array",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Null => "`null`",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a text",
    }
}

/// A value of the schema, as short as it can be said.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "an array of the schema".to_owned(),
        Value::Object(_) => "an object of the schema".to_owned(),
        other => format!("`{other}`"),
    }
}

/// `a`, `b` or `c`; many are cut short.
fn list(words: impl Iterator<Item = String>) -> String {
    const MOST: usize = 8;
    let mut words: Vec<String> = words.collect();
    words.dedup();
    if words.len() > MOST {
        return format!("one of {}, …", words[..MOST].join(", "));
    }
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// What a value of a format looks like.
fn sample(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "a date (`2026-01-31`)",
        "date-time" => "a date and time with its zone (`2026-01-31T08:00:00+08:00`)",
        "time" => "a time with its zone (`08:00:00+08:00`)",
        "duration" => "a duration (`P1DT2H`)",
        "email" | "idn-email" => "a mail address (`name@example.com`)",
        "uuid" => "a UUID (`2eb8aa08-aa98-11ea-b4aa-73b441d16380`)",
        "uri" | "iri" => "an absolute address (`https://example.com/`)",
        _ => return None,
    })
}
