//! What an engine says to a formula, in a form that can be compared.

use std::fmt;

/// A value, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Value(Vec<Found>),
    /// The W3C code.
    Error(String),
    /// The engine fell over.
    Panic,
}

/// An item: its type and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub kind: String,
    pub text: String,
}

impl Answer {
    /// Whether two engines agree: the same items, or errors of one class.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error(one), Self::Error(other)) => class(one) == class(other),
            _ => self == other,
        }
    }
}

/// The class of an error: engines may find another one first within it.
fn class(code: &str) -> &str {
    match code {
        "XPTY0004" | "XPTY0018" | "XPTY0019" | "XPTY0020" | "XPDY0050" | "FORG0003" | "FORG0004" | "FORG0005"
        | "FORG0006" | "FOTY0012" | "FOTY0013" | "FOTY0014" => "type",
        "FORG0001" | "FOCA0001" | "FOCA0002" | "FOCA0003" | "FOCA0005" => "conversion",
        "FOAR0001" | "FOAR0002" | "FODT0001" | "FODT0002" | "FODT0003" => "arithmetic",
        other => other,
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(items) => {
                let shown: Vec<_> = items.iter().map(|item| format!("{} {:?}", item.kind, item.text)).collect();
                write!(f, "({})", shown.join(", "))
            }
            Self::Error(code) => f.write_str(code),
            Self::Panic => f.write_str("panic"),
        }
    }
}
