//! Sequence types, and the signatures of functions (XPath 3.1 §2.5.4, F&O 3.1 §1.4).

use super::{Parsed, Parser, step::is_kind};
use crate::xpath::ast::{Declaration, Declared, ItemTest, Occurrence, SequenceType};

impl Parser {
    pub(super) fn sequence_type(&mut self) -> Parsed<SequenceType> {
        if self.is_word("empty-sequence") && self.ahead_is(1, "(") {
            self.at += 2;
            self.expect(")")?;
            return Ok(SequenceType { item: None, occurrence: Occurrence::Any });
        }
        let item = self.item_type()?;
        let occurrence = if self.eat("?") {
            Occurrence::Optional
        } else if self.eat("*") {
            Occurrence::Any
        } else if self.eat("+") {
            Occurrence::Some
        } else {
            Occurrence::One
        };
        Ok(SequenceType { item: Some(item), occurrence })
    }

    pub(super) fn item_type(&mut self) -> Parsed<ItemTest> {
        self.enter()?;
        let parsed = if self.eat("(") {
            let inner = self.item_type()?;
            self.expect(")").map(|()| inner)
        } else {
            self.named_item_type()
        };
        self.depth -= 1;
        parsed
    }

    pub(super) fn named_item_type(&mut self) -> Parsed<ItemTest> {
        let word = match (self.ahead_word(0), self.ahead_is(1, "(")) {
            (Some(word), true) => word.to_owned(),
            _ => return self.name("a type").map(ItemTest::Atomic),
        };
        let start = self.at;
        self.at += 2;
        let item = match &*word {
            "item" => ItemTest::Item,
            "map" if self.eat("*") => ItemTest::Map(None),
            "map" => {
                let key = self.name("the type of the keys")?;
                self.expect(",")?;
                ItemTest::Map(Some((key, Box::new(self.sequence_type()?))))
            }
            "array" if self.eat("*") => ItemTest::Array(None),
            "array" => ItemTest::Array(Some(Box::new(self.sequence_type()?))),
            "function" if self.eat("*") => ItemTest::Function(None),
            "function" => {
                let mut parameters = Vec::new();
                while !self.eat(")") {
                    if !parameters.is_empty() {
                        self.expect(",")?;
                    }
                    parameters.push(self.sequence_type()?);
                }
                self.expect_word("as")?;
                return Ok(ItemTest::Function(Some((parameters, Box::new(self.sequence_type()?)))));
            }
            word if is_kind(word) => return self.kind_test(word).map(ItemTest::Kind),
            _ => {
                self.at = start;
                return Err(self.unexpected("a type"));
            }
        };
        self.expect(")")?;
        Ok(item)
    }

    /// `name($parameter as type := default, …) as type`.
    pub(super) fn declaration(&mut self) -> Parsed<Declaration> {
        self.name("the function's name")?;
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.eat(")") {
            if !parameters.is_empty() {
                self.expect(",")?;
            }
            self.expect("$")?;
            let name = self.name("a parameter's name")?.name.local().clone();
            self.expect_word("as")?;
            let of = self.sequence_type()?;
            if self.eat(":=") {
                self.single()?;
            }
            parameters.push(Declared { name, of });
        }
        self.expect_word("as")?;
        Ok(Declaration { parameters, result: self.sequence_type()? })
    }
}
