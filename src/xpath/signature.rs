//! The functions' signatures as types: what arguments a function takes, and what it yields.
//!
//! Each function's text is parsed once, by the parser of formulas. Calls convert their arguments by it, and checks of
//! mappings ask it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use super::{
    Function,
    ast::{self, ItemTest, Lexical, Occurrence, Test},
    cast::{AtomicType, TYPES},
    function, parser,
};
use crate::document::Kind;

/// A function's signature.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub parameters: Vec<Parameter>,
    /// Whether the last parameter may be repeated (`…`).
    pub repeats: bool,
    pub result: SequenceType,
}

/// A parameter.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Without `$`.
    pub name: Arc<str>,
    pub of: SequenceType,
}

/// A sequence type (XPath 3.1 §2.5.4) as signatures need it: names of nodes, and types of keys and members, left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceType {
    pub item: ItemType,
    pub occurrence: Occurrence,
}

/// An item type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemType {
    /// `empty-sequence()`.
    Nothing,
    Item,
    /// Of one kind, or `node()`.
    Node(Option<Kind>),
    Atomic(AtomicType),
    Map,
    Array,
    /// `function(*)`: a map or an array.
    Function,
}

impl Signature {
    /// The parameter an argument is for, counted from 0.
    pub fn parameter(&self, at: usize) -> Option<&Parameter> {
        let last = if self.repeats { self.parameters.last() } else { None };
        self.parameters.get(at).or(last)
    }
}

impl Function {
    /// The signature as types; `None` when its text is not one (a test proves there is none such).
    pub(crate) fn types(&self) -> Option<&'static Signature> {
        static ALL: LazyLock<HashMap<&'static str, Signature>> = LazyLock::new(|| {
            let parsed = |function: &'static Function| Some((function.name, parse(function.signature).ok()?));
            function::functions().filter_map(parsed).collect()
        });
        ALL.get(self.name)
    }
}

/// Reads `name($parameter as type := default, …) as type`.
///
/// # Errors
/// What is wrong with the text.
fn parse(text: &str) -> Result<Signature, String> {
    let (plain, repeats) = match text.split_once(", …") {
        Some((before, after)) => (format!("{before}{after}"), true),
        None => (text.to_owned(), false),
    };
    let declaration = parser::declaration(&plain).map_err(|error| error.text)?;
    let parameter =
        |declared: &ast::Declared| Ok(Parameter { name: declared.name.clone(), of: SequenceType::of(&declared.of)? });
    Ok(Signature {
        parameters: declaration.parameters.iter().map(parameter).collect::<Result<_, String>>()?,
        repeats,
        result: SequenceType::of(&declaration.result)?,
    })
}

impl SequenceType {
    /// The type of any value.
    pub const ANY: Self = Self { item: ItemType::Item, occurrence: Occurrence::Any };

    fn of(written: &ast::SequenceType) -> Result<Self, String> {
        let item = match &written.item {
            None => ItemType::Nothing,
            Some(ItemTest::Item) => ItemType::Item,
            Some(ItemTest::Map(_)) => ItemType::Map,
            Some(ItemTest::Array(_)) => ItemType::Array,
            Some(ItemTest::Function(_)) => ItemType::Function,
            Some(ItemTest::Atomic(named)) => {
                let Lexical::Prefixed(prefix, local) = &named.name else {
                    return Err(format!("type `{}` is not known", named.name));
                };
                if &**prefix != "xs" {
                    return Err(format!("type `{}` is not known", named.name));
                }
                let known = TYPES.iter().find(|(known, _)| **known == **local);
                ItemType::Atomic(known.map_or(AtomicType::AnyAtomic, |(_, atomic)| *atomic))
            }
            Some(ItemTest::Kind(test)) => ItemType::Node(match test {
                Test::Element(..) => Some(Kind::Element),
                Test::Attribute(..) => Some(Kind::Attribute),
                Test::Text => Some(Kind::Text),
                Test::Comment => Some(Kind::Comment),
                Test::Instruction(_) => Some(Kind::Instruction),
                Test::Document(_) => Some(Kind::Document),
                _ => None,
            }),
        };
        Ok(Self { item, occurrence: written.occurrence })
    }
}

impl fmt::Display for SequenceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.item {
            ItemType::Nothing => return f.write_str("empty-sequence()"),
            ItemType::Item => "item()",
            ItemType::Node(None) => "node()",
            ItemType::Node(Some(Kind::Element)) => "element()",
            ItemType::Node(Some(Kind::Attribute)) => "attribute()",
            ItemType::Node(Some(Kind::Text)) => "text()",
            ItemType::Node(Some(Kind::Comment)) => "comment()",
            ItemType::Node(Some(Kind::Instruction)) => "processing-instruction()",
            ItemType::Node(Some(Kind::Document)) => "document-node()",
            ItemType::Atomic(atomic) => atomic.qualified_name(),
            ItemType::Map => "map(*)",
            ItemType::Array => "array(*)",
            ItemType::Function => "function(*)",
        })?;
        f.write_str(match self.occurrence {
            Occurrence::One => "",
            Occurrence::Optional => "?",
            Occurrence::Any => "*",
            Occurrence::Some => "+",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_is_one_and_fits_the_arity() {
        for function in function::functions() {
            let signature = match parse(function.signature) {
                Ok(signature) => signature,
                Err(error) => panic!("{}: {error}", function.signature),
            };
            let most = if signature.repeats { usize::MAX } else { signature.parameters.len() };
            assert_eq!(most, function.arity.1, "{}", function.signature);
            assert!(signature.parameters.len() >= function.arity.0, "{}", function.signature);
        }
    }

    #[test]
    fn a_signature_says_types_and_occurrences() {
        let round = function::find("round").and_then(Function::types).expect("a signature");
        assert_eq!(round.parameters[0].of.item, ItemType::Atomic(AtomicType::Numeric));
        assert_eq!(round.parameters[0].of.occurrence, Occurrence::Optional);
        assert_eq!(&*round.parameters[1].name, "places");
        assert_eq!(round.result.item, ItemType::Atomic(AtomicType::Numeric));
        let concat = function::find("concat").and_then(Function::types).expect("a signature");
        assert!(concat.repeats && concat.parameter(7).is_some());
        assert!(round.parameter(2).is_none());
    }
}
