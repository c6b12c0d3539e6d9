//! Paths, their steps and node tests (XPath 3.1 §3.3, §2.5.5).

use super::{Parsed, Parser, deepest};
use crate::xpath::{
    ast::{Axis, AxisStep, Expr, ExprKind, Lexical, Span, Step, Test},
    lexer::{SyntaxError, Token},
};

impl Parser {
    pub(super) fn simple_map(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let left = self.path()?;
        if self.is("!") { self.mapped(left, start) } else { Ok(left) }
    }

    pub(super) fn mapped(&mut self, mut left: Expr, start: Span) -> Parsed<Expr> {
        while self.eat("!") {
            let right = self.path()?;
            let depth = left.depth.max(right.depth);
            left = self.node(ExprKind::Map(Box::new(left), Box::new(right)), start, depth)?;
        }
        Ok(left)
    }

    pub(super) fn path(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.is("/") || self.is("//") {
            return self.rooted();
        }
        match self.step()? {
            Step::Expr(only) if !self.is("/") && !self.is("//") => Ok(only),
            first => self.steps(vec![first], false, start),
        }
    }

    /// `/…` and `//…`.
    pub(super) fn rooted(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let mut steps = Vec::new();
        if self.eat("//") {
            steps.push(any_depth(start));
        } else {
            self.at += 1;
            if !self.starts_step() {
                return self.node(ExprKind::Path { rooted: true, steps }, start, 0);
            }
        }
        steps.push(self.step()?);
        self.steps(steps, true, start)
    }

    /// The steps behind the first ones.
    pub(super) fn steps(&mut self, mut steps: Vec<Step>, rooted: bool, start: Span) -> Parsed<Expr> {
        loop {
            if self.eat("//") {
                steps.push(any_depth(self.last_span()));
            } else if !self.eat("/") {
                break;
            }
            steps.push(self.step()?);
        }
        let depth = steps.iter().map(step_depth).max().unwrap_or(0);
        self.node(ExprKind::Path { rooted, steps }, start, depth)
    }

    pub(super) fn starts_step(&self) -> bool {
        match self.peek() {
            Token::End => false,
            Token::Symbol(symbol) => matches!(*symbol, "." | ".." | "@" | "*" | "(" | "$" | "?" | "["),
            _ => true,
        }
    }

    pub(super) fn step(&mut self) -> Parsed<Step> {
        let start = self.span();
        match self.axis()? {
            Some((axis, test)) => self.axis_step(axis, test, start),
            None => self.postfix().map(Step::Expr),
        }
    }

    /// Axis and node test of a step; none for a step that is an expression.
    pub(super) fn axis(&mut self) -> Parsed<Option<(Axis, Test)>> {
        let start = self.span();
        Ok(Some(match self.peek().clone() {
            Token::Symbol("..") => {
                self.at += 1;
                (Axis::Parent, Test::Node)
            }
            Token::Symbol("@") => {
                self.at += 1;
                (Axis::Attribute, self.node_test()?)
            }
            Token::Symbol("*") | Token::PrefixStar(_) | Token::StarName(_) | Token::BracedStar(_) => {
                (Axis::Child, self.node_test()?)
            }
            Token::Name(Lexical::Plain(word)) if word.as_ref() == "namespace" && self.ahead_is(1, "::") => {
                return Err(SyntaxError::new("the namespace axis is not available (XPST0010)", start));
            }
            Token::Name(Lexical::Plain(word)) if self.ahead_is(1, "::") => {
                let Some(axis) = axis_named(&word) else {
                    return Err(SyntaxError::new(
                        format!(
                            "there is no axis `{word}` here; axes are child, attribute, parent, self, descendant, descendant-or-self, ancestor, ancestor-or-self, following-sibling, preceding-sibling, following, preceding"
                        ),
                        start,
                    ));
                };
                self.at += 2;
                (axis, self.node_test()?)
            }
            Token::Name(Lexical::Plain(word)) if self.ahead_is(1, "(") && is_kind(&word) => {
                let attribute = matches!(&*word, "attribute" | "schema-attribute");
                (if attribute { Axis::Attribute } else { Axis::Child }, self.node_test()?)
            }
            Token::Name(Lexical::Plain(word)) if matches!(&*word, "map" | "array") && self.ahead_is(1, "{") => {
                return Ok(None);
            }
            Token::Name(_) if !self.ahead_is(1, "(") && !self.ahead_is(1, "#") => (Axis::Child, self.node_test()?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn axis_step(&mut self, axis: Axis, test: Test, start: Span) -> Parsed<Step> {
        let span = start.to(self.last_span());
        let predicates = self.predicates()?;
        let step = Step::Axis(AxisStep { axis, test, span, predicates });
        if !self.is("?") {
            return Ok(step);
        }
        // a lookup behind a name: `order?lines` for the members of a JSON document
        let depth = step_depth(&step);
        let base = self.node(ExprKind::Path { rooted: false, steps: vec![step] }, start, depth)?;
        self.postfix_of(base, start).map(Step::Expr)
    }

    pub(super) fn predicates(&mut self) -> Parsed<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.eat("[") {
            predicates.push(self.expr()?);
            self.expect("]")?;
        }
        Ok(predicates)
    }

    pub(super) fn node_test(&mut self) -> Parsed<Test> {
        let test = match self.peek().clone() {
            Token::Symbol("*") => Test::AnyName,
            Token::PrefixStar(prefix) => Test::AnyLocal(prefix),
            Token::StarName(local) => Test::AnyNamespace(local),
            Token::BracedStar(namespace) => Test::AnyBraced(namespace),
            Token::Name(Lexical::Plain(word)) if self.ahead_is(1, "(") && is_kind(&word) => {
                self.at += 2;
                return self.kind_test(&word);
            }
            Token::Name(name) => Test::Name(name),
            _ => return Err(self.unexpected("a name, `*` or a kind of node")),
        };
        self.at += 1;
        Ok(test)
    }

    /// After `word(`.
    pub(super) fn kind_test(&mut self, word: &str) -> Parsed<Test> {
        let test = match word {
            "node" => Test::Node,
            "text" => Test::Text,
            "comment" => Test::Comment,
            "namespace-node" => Test::Namespace,
            "document-node" => match (self.ahead_word(0), self.ahead_is(1, "(")) {
                (Some(word), true) if matches!(word, "element" | "schema-element") => {
                    let word = word.to_owned();
                    self.at += 2;
                    Test::Document(Some(Box::new(self.kind_test(&word)?)))
                }
                _ => Test::Document(None),
            },
            "processing-instruction" => match self.peek().clone() {
                Token::Name(Lexical::Plain(name)) => {
                    self.at += 1;
                    Test::Instruction(Some(name))
                }
                Token::String(text) => {
                    self.at += 1;
                    Test::Instruction(Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").into()))
                }
                _ => Test::Instruction(None),
            },
            "schema-element" | "schema-attribute" => Test::Schema(self.name("the name of a declaration")?),
            _ => {
                let name = match self.peek().clone() {
                    Token::Name(name) => {
                        self.at += 1;
                        Some(Some(name))
                    }
                    Token::Symbol("*") => {
                        self.at += 1;
                        Some(None)
                    }
                    _ => None,
                };
                let of = if name.is_some() && self.eat(",") { Some(self.name("a type")?) } else { None };
                if word == "attribute" {
                    Test::Attribute(name.flatten(), of)
                } else {
                    if of.is_some() {
                        self.eat("?");
                    }
                    Test::Element(name.flatten(), of)
                }
            }
        };
        self.expect(")")?;
        Ok(test)
    }
}

pub(super) fn step_depth(step: &Step) -> u16 {
    match step {
        Step::Axis(step) => deepest(&step.predicates),
        Step::Expr(expr) => expr.depth,
    }
}

/// `//` is short for a step to any depth (XPath 3.1 §3.3.5).
pub(super) fn any_depth(span: Span) -> Step {
    Step::Axis(AxisStep { axis: Axis::DescendantOrSelf, test: Test::Node, span, predicates: Vec::new() })
}

pub(super) fn is_kind(word: &str) -> bool {
    matches!(
        word,
        "node"
            | "text"
            | "comment"
            | "document-node"
            | "processing-instruction"
            | "element"
            | "attribute"
            | "namespace-node"
            | "schema-element"
            | "schema-attribute"
    )
}

pub(super) fn axis_named(word: &str) -> Option<Axis> {
    Some(match word {
        "child" => Axis::Child,
        "attribute" => Axis::Attribute,
        "parent" => Axis::Parent,
        "self" => Axis::SelfNode,
        "descendant" => Axis::Descendant,
        "descendant-or-self" => Axis::DescendantOrSelf,
        "ancestor" => Axis::Ancestor,
        "ancestor-or-self" => Axis::AncestorOrSelf,
        "following-sibling" => Axis::FollowingSibling,
        "preceding-sibling" => Axis::PrecedingSibling,
        "following" => Axis::Following,
        "preceding" => Axis::Preceding,
        _ => return None,
    })
}
