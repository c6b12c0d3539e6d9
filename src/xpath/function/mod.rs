//! The functions of the formula language, each with its signature, its sentence and its examples in one table entry.
//!
//! A new function is an entry in the table of its file; the examples are run by a test and shown by the reference.

mod aggregate;
mod array;
mod collation;
mod date;
mod date_format;
pub(super) mod date_picture;
mod diagnostic;
mod equality;
mod format;
mod format_integer;
mod identity;
mod ietf_date;
mod integration;
mod json;
mod json_text;
mod map;
mod markup;
mod matching;
mod math;
mod node;
pub(super) mod number_picture;
mod numeral;
mod numeric;
pub(super) mod pattern;
mod qname;
mod sequence;
mod serialize;
mod string;
#[cfg(test)]
mod tests;
mod uri;
mod words;

use std::{borrow::Cow, sync::Arc};

use super::{
    Failure, Frame, Item, Value,
    evaluate::{Focus, only},
    operate::{self, Number},
};

/// Namespace of the types (`xs:`).
pub(super) const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
/// Namespace of the functions (`fn:`).
pub(super) const FUNCTIONS: &str = "http://www.w3.org/2005/xpath-functions";

/// The prefixes that need no declaration. Functions of `fn` stand in the tables without prefix, others with theirs.
pub(super) const NAMESPACES: &[(&str, &str)] = &[
    ("xs", SCHEMA),
    ("fn", FUNCTIONS),
    ("math", "http://www.w3.org/2005/xpath-functions/math"),
    ("map", "http://www.w3.org/2005/xpath-functions/map"),
    ("array", "http://www.w3.org/2005/xpath-functions/array"),
];

/// No upper bound of arguments.
const MANY: usize = usize::MAX;

/// A function of the formula language.
#[derive(Debug)]
pub struct Function {
    /// Its name; with prefix outside the namespace `fn`: `map:get`.
    pub name: &'static str,
    /// The least and the most arguments.
    pub arity: (usize, usize),
    /// How it is called, for people.
    pub signature: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Formulas and the text of their values.
    pub examples: &'static [(&'static str, &'static str)],
    pub(super) yields: Yields,
    pub(super) call: fn(&Call<'_>) -> Result<Value, Failure>,
}

/// What is known beforehand about a function's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Yields {
    /// Items of the first argument.
    First,
    Other,
}

/// The tables, each with what its functions are about.
pub const GROUPS: &[(&str, &[Function])] = &[
    ("Texts", string::TABLE),
    ("Regular expressions", matching::TABLE),
    ("URIs", uri::TABLE),
    ("Numbers", numeric::TABLE),
    ("Mathematics", math::TABLE),
    ("Numbers as text", format::TABLE),
    ("Sequences and conditions", sequence::TABLE),
    ("Aggregates", aggregate::TABLE),
    ("Comparing and sorting", equality::TABLE),
    ("Nodes", node::TABLE),
    ("Names", qname::TABLE),
    ("Maps", map::TABLE),
    ("Arrays", array::TABLE),
    ("XML as text", markup::TABLE),
    ("JSON", json::TABLE),
    ("Errors and the context", diagnostic::TABLE),
    ("Dates, times and durations", date::TABLE),
    ("Codes, cross references and the message", integration::TABLE),
    ("Numbers of persons, companies and vehicles", identity::TABLE),
];

/// Every function, table by table.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|(_, table)| *table)
}

pub(super) fn find(name: &str) -> Option<&'static Function> {
    functions().find(|function| function.name == name)
}

/// Whether a name belongs to an integration function and may not name a variable.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    integration::TABLE.iter().chain(identity::TABLE).any(|function| function.name == name)
}

/// One call: evaluated arguments and the context.
pub(super) struct Call<'a> {
    pub frame: &'a Frame<'a>,
    pub focus: Focus<'a>,
    pub arguments: &'a [Value],
    /// What the pattern or picture was compiled to, when it was a literal.
    pub prepared: Option<&'a Prepared>,
}

/// A literal pattern or picture (the second argument), compiled with its formula.
#[derive(Debug)]
pub(super) enum Prepared {
    Pattern(pattern::Pattern),
    Number(Box<number_picture::NumberPicture>),
    Date(date_picture::DatePicture),
}

/// A picture that was compiled before, or just now.
pub(super) enum Picture<'a> {
    Prepared(&'a date_picture::DatePicture),
    Parsed(date_picture::DatePicture),
}

impl std::ops::Deref for Picture<'_> {
    type Target = date_picture::DatePicture;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Prepared(picture) => picture,
            Self::Parsed(picture) => picture,
        }
    }
}

impl<'a> Call<'a> {
    fn value(&self, at: usize) -> &'a Value {
        self.arguments.get(at).unwrap_or(&Value::Empty)
    }

    /// The date picture in an argument.
    fn date_picture(&self, at: usize) -> Result<Picture<'a>, Failure> {
        match self.prepared {
            Some(Prepared::Date(picture)) if at == 1 => Ok(Picture::Prepared(picture)),
            _ => date_picture::DatePicture::parse(&self.string(at)?).map(Picture::Parsed),
        }
    }

    fn items(&self, at: usize) -> &'a [Item] {
        self.value(at).items()
    }

    fn has(&self, at: usize) -> bool {
        at < self.arguments.len()
    }

    /// The argument's item, if it is not empty.
    fn optional(&self, at: usize) -> Result<Option<&'a Item>, Failure> {
        match self.value(at) {
            Value::Empty => Ok(None),
            value => only(value).map(Some),
        }
    }

    /// The text of any single item; `None` for an empty argument.
    fn any_text(&self, at: usize) -> Result<Option<Cow<'_, str>>, Failure> {
        Ok(self.optional(at)?.map(|item| self.frame.text_of(item)))
    }

    /// An `xs:string?` argument; an empty one is the empty string.
    fn string(&self, at: usize) -> Result<Cow<'_, str>, Failure> {
        Ok(self.optional_string(at)?.unwrap_or_default())
    }

    fn optional_string(&self, at: usize) -> Result<Option<Cow<'_, str>>, Failure> {
        match self.optional(at)? {
            None => Ok(None),
            Some(item) if matches!(item.base(), Item::Node(..) | Item::Untyped(_) | Item::String(_) | Item::Uri(_)) => {
                Ok(Some(self.frame.text_of(item)))
            }
            Some(other) => Err(Failure::error(
                "XPTY0004",
                format!(
                    "argument {} must be a string, not a value of type {}; use string(…)",
                    at + 1,
                    other.type_name()
                ),
            )),
        }
    }

    fn number(&self, at: usize) -> Result<Option<Number>, Failure> {
        self.optional(at)?.map(|item| operate::number(self.frame, item)).transpose()
    }

    /// A required integer argument; doubles and decimals are rounded.
    fn integer(&self, at: usize) -> Result<i64, Failure> {
        let item = only(self.value(at))?;
        let number = operate::number(self.frame, item)?;
        let whole = match number {
            Number::Integer(value) | Number::Decimal(value) => value.round(0).to_i64(),
            Number::Float(_) | Number::Double(_) if number.to_f64().is_nan() => None,
            // `as` saturates
            Number::Float(_) | Number::Double(_) => Some((number.to_f64() + 0.5).floor() as i64),
        };
        whole.ok_or_else(|| Failure::error("FOCA0002", format!("argument {} must be an integer", at + 1)))
    }

    /// The argument, or the context item when it was left out.
    fn or_context(&self, at: usize) -> Result<Option<&'a Item>, Failure> {
        if self.has(at) {
            return self.optional(at);
        }
        self.focus.item.map(Some).ok_or_else(|| Failure::error("XPDY0002", "there is no context item here"))
    }
}

fn string(text: impl Into<Arc<str>>) -> Result<Value, Failure> {
    Ok(Value::One(Item::String(text.into())))
}

fn boolean(value: bool) -> Result<Value, Failure> {
    Ok(value.into())
}

fn integer(value: usize) -> Result<Value, Failure> {
    Ok(Value::One(Item::integer(value)))
}
