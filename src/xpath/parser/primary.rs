//! Primary expressions and what stands behind them: predicates, lookups, calls (XPath 3.1 §3.1, §3.2, §3.11).

use super::{Parsed, Parser, deepest};
use crate::xpath::{
    ast::{Expr, ExprKind, Key, Lexical, Named, Span},
    lexer::{SyntaxError, Token},
};

/// Names that cannot be those of functions (XPath 3.1 §A.3).
const RESERVED: &[&str] = &[
    "array",
    "attribute",
    "comment",
    "document-node",
    "element",
    "empty-sequence",
    "function",
    "if",
    "item",
    "map",
    "namespace-node",
    "node",
    "processing-instruction",
    "schema-attribute",
    "schema-element",
    "switch",
    "text",
    "typeswitch",
];
const NO_FUNCTION_ITEMS: &str = "functions as values are not available; call the function by its name";

impl Parser {
    pub(super) fn arrow(&mut self, left: Expr, start: Span) -> Parsed<Expr> {
        if self.is("$") || self.is("(") {
            let callee = Box::new(self.primary()?);
            self.expect("(")?;
            let mut arguments = vec![left];
            arguments.extend(self.arguments()?);
            let depth = deepest(&arguments).max(callee.depth);
            return self.node(ExprKind::Invoke(callee, arguments), start, depth);
        }
        let function = self.name("a function name")?;
        self.refuse_reserved(&function)?;
        self.expect("(")?;
        let mut arguments = vec![left];
        arguments.extend(self.arguments()?);
        let depth = deepest(&arguments);
        self.node(ExprKind::Call { function, arguments }, start, depth)
    }

    /// Names that are syntax cannot be called (XPath 3.1 §A.3).
    pub(super) fn refuse_reserved(&self, function: &Named) -> Parsed<()> {
        match &function.name {
            Lexical::Plain(word) if RESERVED.contains(&&**word) => {
                Err(SyntaxError::new(format!("`{word}` cannot be called here (XPST0003)"), function.span))
            }
            _ => Ok(()),
        }
    }

    /// After `(`: arguments up to and including `)`.
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        let mut arguments = Vec::new();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            if self.is("?") && (self.ahead_is(1, ",") || self.ahead_is(1, ")")) {
                return Err(SyntaxError::new(NO_FUNCTION_ITEMS, self.span()));
            }
            arguments.push(self.single()?);
            if self.eat(")") {
                return Ok(arguments);
            }
            if !self.eat(",") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let base = self.primary()?;
        self.postfix_of(base, start)
    }

    /// Predicates, lookups and calls behind an expression.
    pub(super) fn postfix_of(&mut self, mut base: Expr, start: Span) -> Parsed<Expr> {
        while self.is("[") || self.is("?") || self.is("(") {
            base = self.postfix_once(base, start)?;
        }
        Ok(base)
    }

    pub(super) fn postfix_once(&mut self, base: Expr, start: Span) -> Parsed<Expr> {
        let (depth, base) = (base.depth, Box::new(base));
        let (kind, below) = if self.is("[") {
            let predicates = self.predicates()?;
            let below = deepest(&predicates);
            (ExprKind::Filter(base, predicates), below)
        } else if self.eat("?") {
            let key = self.key()?;
            let below = key_depth(&key);
            (ExprKind::Lookup(Some(base), key), below)
        } else {
            self.expect("(")?;
            let arguments = self.arguments()?;
            let below = deepest(&arguments);
            (ExprKind::Invoke(base, arguments), below)
        };
        self.node(kind, start, depth.max(below))
    }

    /// After `?`.
    pub(super) fn key(&mut self) -> Parsed<Key> {
        if let Token::Name(Lexical::Prefixed(key, local)) = self.peek().clone() {
            // no name has a colon here: it ends the key of an entry, `map {?key:value}`
            let span = self.span();
            self.tokens.splice(self.at..=self.at, [key, local].map(|name| (Token::Name(Lexical::Plain(name)), span)));
            self.tokens.insert(self.at + 1, (Token::Symbol(":"), span));
        }
        let key = match self.peek().clone() {
            Token::Name(Lexical::Plain(name)) => Key::Name(name),
            Token::Integer(position) => Key::Position(position),
            Token::Symbol("*") => Key::All,
            Token::Symbol("(") => {
                let inner = self.primary()?;
                return Ok(Key::Expr(Box::new(inner)));
            }
            _ => return Err(self.unexpected("a name, a position, `*` or `(` after `?`")),
        };
        self.at += 1;
        Ok(key)
    }

    /// After `map {` or `[`: what stands between commas, up to and including the closing sign.
    pub(super) fn listed<T>(
        &mut self,
        close: &'static str,
        mut one: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut all = Vec::new();
        if self.eat(close) {
            return Ok(all);
        }
        loop {
            all.push(one(self)?);
            if self.eat(close) {
                return Ok(all);
            }
            self.expect(",")?;
        }
    }

    pub(super) fn map_of(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 2;
        let entries = self.listed("}", |parser| {
            let key = parser.single()?;
            parser.expect(":")?;
            Ok((key, parser.single()?))
        })?;
        let depth = entries.iter().map(|(key, value)| key.depth.max(value.depth)).max().unwrap_or(0);
        self.node(ExprKind::MapOf(entries), start, depth)
    }

    pub(super) fn array_from(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 2;
        if self.eat("}") {
            return self.node(ExprKind::ArrayOf(Vec::new()), start, 0);
        }
        let inner = self.expr()?;
        self.expect("}")?;
        let depth = inner.depth;
        self.node(ExprKind::ArrayFrom(Box::new(inner)), start, depth)
    }

    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        match self.peek() {
            Token::Symbol("(") => self.parenthesized(),
            Token::Symbol("[") => self.square(),
            Token::Name(_) if self.ahead_is(1, "(") => self.named_call(),
            Token::Name(Lexical::Plain(word)) if self.ahead_is(1, "{") && &**word == "map" => self.map_of(),
            Token::Name(Lexical::Plain(word)) if self.ahead_is(1, "{") && &**word == "array" => self.array_from(),
            Token::Name(_) if self.ahead_is(1, "#") => Err(SyntaxError::new(NO_FUNCTION_ITEMS, self.span())),
            Token::Symbol("?") => self.unary_lookup(),
            _ => self.literal(),
        }
    }

    pub(super) fn parenthesized(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 1;
        if self.eat(")") {
            return self.node(ExprKind::Sequence(Vec::new()), start, 0);
        }
        let inner = self.expr()?;
        self.expect(")")?;
        Ok(inner)
    }

    pub(super) fn square(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 1;
        let members = self.listed("]", Self::single)?;
        let depth = deepest(&members);
        self.node(ExprKind::ArrayOf(members), start, depth)
    }

    pub(super) fn named_call(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.is_word("function") {
            return Err(SyntaxError::new(NO_FUNCTION_ITEMS, start));
        }
        let function = self.name("a function name")?;
        self.refuse_reserved(&function)?;
        self.at += 1;
        let arguments = self.arguments()?;
        let depth = deepest(&arguments);
        self.node(ExprKind::Call { function, arguments }, start, depth)
    }

    pub(super) fn unary_lookup(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 1;
        let key = self.key()?;
        let depth = key_depth(&key);
        self.node(ExprKind::Lookup(None, key), start, depth)
    }

    /// A literal, a variable or the context item.
    pub(super) fn literal(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let kind = match self.peek().clone() {
            Token::String(text) => ExprKind::String(text),
            Token::Integer(value) => ExprKind::Integer(value),
            Token::Decimal(value) => ExprKind::Decimal(value),
            Token::Double(value) => ExprKind::Double(value),
            Token::Symbol(".") => ExprKind::Context,
            Token::Symbol("$") => {
                self.at += 1;
                let Named { name, span } = self.name("a variable name")?;
                return self.node(ExprKind::Variable(Named { name, span: start.to(span) }), start, 0);
            }
            _ => return Err(self.unexpected("a value or a path")),
        };
        self.at += 1;
        self.node(kind, start, 0)
    }
}

fn key_depth(key: &Key) -> u16 {
    match key {
        Key::Expr(expr) => expr.depth,
        Key::Name(_) | Key::Position(_) | Key::All => 0,
    }
}
