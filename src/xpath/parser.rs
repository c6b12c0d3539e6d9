//! Tokens to a syntax tree (XPath 3.1 §A.1): precedence climbing, bounded nesting.

mod primary;
mod step;
mod types;

use super::{
    ast::{Arithmetic, Comparison, Declaration, Expr, ExprKind, Lexical, Named, NodeComparison, SetOperation, Span},
    lexer::{SyntaxError, Token, tokens},
};

/// Levels a formula may nest: parsing, analysis and evaluation recurse, and fit a 2 MiB stack even unoptimised.
const NESTING: u16 = 64;
/// Levels the tree may have; a chain of operators makes one each.
const DEPTH: u16 = 128;

type Parsed<T> = Result<T, Box<SyntaxError>>;

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: u16,
}

/// Parses a whole formula.
pub(super) fn parse(text: &str) -> Parsed<Expr> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    if parser.peek() == &Token::End {
        return Err(SyntaxError::new("the formula is empty; `()` yields nothing", parser.span()));
    }
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("an operator or the end of the formula")),
    }
}

/// Parses a function's declaration, as F&O 3.1 writes signatures.
pub(super) fn declaration(text: &str) -> Parsed<Declaration> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let declaration = parser.declaration()?;
    match parser.peek() {
        Token::End => Ok(declaration),
        _ => Err(parser.unexpected("the end of the signature")),
    }
}

/// A binary operator and its precedence; a higher one binds tighter.
#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    Value(Comparison),
    General(Comparison),
    Nodes(NodeComparison),
    Concat,
    Range,
    Arithmetic(Arithmetic),
    Set(SetOperation),
    InstanceOf,
    Treat,
    Castable,
    Cast,
    Arrow,
}

/// Precedence of unary minus: between `=>` and `!`.
const UNARY: u8 = 15;

impl Operator {
    fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Value(_) | Self::General(_) | Self::Nodes(_) => 3,
            Self::Concat => 4,
            Self::Range => 5,
            Self::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => 6,
            Self::Arithmetic(_) => 7,
            Self::Set(SetOperation::Union) => 8,
            Self::Set(_) => 9,
            Self::InstanceOf => 10,
            Self::Treat => 11,
            Self::Castable => 12,
            Self::Cast => 13,
            Self::Arrow => 14,
        }
    }

    /// Comparisons, ranges and operators on types do not chain (`a < b < c` is an error).
    fn chains(self) -> bool {
        !matches!(
            self,
            Self::Value(_)
                | Self::General(_)
                | Self::Nodes(_)
                | Self::Range
                | Self::InstanceOf
                | Self::Treat
                | Self::Castable
                | Self::Cast
        )
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> &Token {
        self.tokens.get(self.at + by).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map(|(_, span)| *span).unwrap_or_default()
    }

    fn last_span(&self) -> Span {
        self.tokens.get(self.at.saturating_sub(1)).map(|(_, span)| *span).unwrap_or_default()
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    fn ahead_is(&self, by: usize, symbol: &str) -> bool {
        matches!(self.ahead(by), Token::Symbol(found) if *found == symbol)
    }

    fn ahead_word(&self, by: usize) -> Option<&str> {
        match self.ahead(by) {
            Token::Name(Lexical::Plain(word)) => Some(word),
            _ => None,
        }
    }

    fn is_word(&self, word: &str) -> bool {
        self.ahead_word(0) == Some(word)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Parsed<()> {
        if self.eat(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.is_word(word) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(&format!("`{word}`")))
    }

    fn unexpected(&self, wanted: &str) -> Box<SyntaxError> {
        let found = match self.peek() {
            Token::End => "the formula ends here".to_owned(),
            Token::String(_) => "found a string".to_owned(),
            Token::Integer(_) | Token::Decimal(_) | Token::Double(_) => "found a number".to_owned(),
            Token::Name(name) => format!("found `{name}`"),
            Token::PrefixStar(prefix) => format!("found `{prefix}:*`"),
            Token::StarName(local) => format!("found `*:{local}`"),
            Token::BracedStar(namespace) => format!("found `Q{{{namespace}}}*`"),
            Token::Symbol(symbol) => format!("found `{symbol}`"),
        };
        SyntaxError::new(format!("expected {wanted}, but {found} (XPST0003)"), self.span())
    }

    fn node(&self, kind: ExprKind, start: Span, below: u16) -> Parsed<Expr> {
        let span = start.to(self.last_span());
        if below >= DEPTH {
            return Err(SyntaxError::new("too many operators in one chain; use `let` to split the formula", span));
        }
        Ok(Expr { kind, span, depth: below + 1 })
    }

    fn enter(&mut self) -> Parsed<()> {
        if self.depth >= NESTING {
            return Err(SyntaxError::new(
                format!("nested more than {NESTING} levels deep; use `let` to split the formula"),
                self.span(),
            ));
        }
        self.depth += 1;
        Ok(())
    }

    fn expr(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let first = self.single()?;
        if self.is(",") { self.listed_after(first, start) } else { Ok(first) }
    }

    fn listed_after(&mut self, first: Expr, start: Span) -> Parsed<Expr> {
        let mut all = vec![first];
        while self.eat(",") {
            all.push(self.single()?);
        }
        let depth = deepest(&all);
        self.node(ExprKind::Sequence(all), start, depth)
    }

    fn single(&mut self) -> Parsed<Expr> {
        self.enter()?;
        let parsed = match (self.ahead_word(0), self.ahead(1)) {
            (Some("for"), Token::Symbol("$")) => self.binding_expr("for"),
            (Some("let"), Token::Symbol("$")) => self.binding_expr("let"),
            (Some("some"), Token::Symbol("$")) => self.binding_expr("some"),
            (Some("every"), Token::Symbol("$")) => self.binding_expr("every"),
            (Some("if"), Token::Symbol("(")) => self.conditional(),
            _ => self.binary(1),
        };
        self.depth -= 1;
        parsed
    }

    fn binding_expr(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.span();
        self.at += 1;
        let mut bindings = Vec::new();
        loop {
            self.expect("$")?;
            let name = self.name("a variable name")?;
            if word == "let" {
                self.expect(":=")?;
            } else {
                self.expect_word("in")?;
            }
            bindings.push((name, self.single()?));
            if bindings.len() > usize::from(NESTING) {
                return Err(self.unexpected("fewer variables"));
            }
            if !self.eat(",") {
                break;
            }
        }
        self.expect_word(if matches!(word, "for" | "let") { "return" } else { "satisfies" })?;
        let body = self.single()?;
        let count = u16::try_from(bindings.len()).unwrap_or(u16::MAX);
        let depth = bindings.iter().map(|(_, expr)| expr.depth).chain([body.depth]).max().unwrap_or(0) + count;
        let body = Box::new(body);
        let kind = match word {
            "for" => ExprKind::For(bindings, body),
            "let" => ExprKind::Let(bindings, body),
            _ => ExprKind::Quantified { every: word == "every", bindings, body },
        };
        self.node(kind, start, depth)
    }

    fn conditional(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let (mut branches, mut depth) = (Vec::new(), 0);
        loop {
            self.at += 2;
            let condition = self.expr()?;
            self.expect(")")?;
            self.expect_word("then")?;
            let then = self.single()?;
            self.expect_word("else")?;
            depth = depth.max(condition.depth).max(then.depth);
            branches.push((condition, then));
            if !(self.is_word("if") && self.ahead_is(1, "(")) {
                break;
            }
        }
        let otherwise = self.single()?;
        depth = depth.max(otherwise.depth);
        self.node(ExprKind::If(branches, Box::new(otherwise)), start, depth)
    }

    /// The operator at the current token, and how many tokens it takes.
    fn operator(&self) -> Option<(Operator, usize)> {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let operator = match self.peek() {
            Token::Symbol(symbol) => match *symbol {
                "||" => Operator::Concat,
                "=" => Operator::General(Equal),
                "!=" => Operator::General(NotEqual),
                "<" => Operator::General(Less),
                "<=" => Operator::General(LessOrEqual),
                ">" => Operator::General(Greater),
                ">=" => Operator::General(GreaterOrEqual),
                "<<" => Operator::Nodes(NodeComparison::Before),
                ">>" => Operator::Nodes(NodeComparison::After),
                "+" => Operator::Arithmetic(Arithmetic::Add),
                "-" => Operator::Arithmetic(Arithmetic::Subtract),
                "*" => Operator::Arithmetic(Arithmetic::Multiply),
                "|" => Operator::Set(SetOperation::Union),
                "=>" => Operator::Arrow,
                _ => return None,
            },
            Token::Name(Lexical::Plain(word)) => match &**word {
                "or" => Operator::Or,
                "and" => Operator::And,
                "eq" => Operator::Value(Equal),
                "ne" => Operator::Value(NotEqual),
                "lt" => Operator::Value(Less),
                "le" => Operator::Value(LessOrEqual),
                "gt" => Operator::Value(Greater),
                "ge" => Operator::Value(GreaterOrEqual),
                "is" => Operator::Nodes(NodeComparison::Is),
                "to" => Operator::Range,
                "div" => Operator::Arithmetic(Arithmetic::Divide),
                "idiv" => Operator::Arithmetic(Arithmetic::IntegerDivide),
                "mod" => Operator::Arithmetic(Arithmetic::Modulo),
                "union" => Operator::Set(SetOperation::Union),
                "intersect" => Operator::Set(SetOperation::Intersect),
                "except" => Operator::Set(SetOperation::Except),
                "instance" if self.ahead_word(1) == Some("of") => return Some((Operator::InstanceOf, 2)),
                "treat" if self.ahead_word(1) == Some("as") => return Some((Operator::Treat, 2)),
                "castable" if self.ahead_word(1) == Some("as") => return Some((Operator::Castable, 2)),
                "cast" if self.ahead_word(1) == Some("as") => return Some((Operator::Cast, 2)),
                _ => return None,
            },
            _ => return None,
        };
        Some((operator, 1))
    }

    fn binary(&mut self, lowest: u8) -> Parsed<Expr> {
        let start = self.span();
        let left = self.unary()?;
        if self.operator().is_some() { self.operated(left, lowest, start) } else { Ok(left) }
    }

    /// The operators behind an operand, from a precedence on.
    fn operated(&mut self, mut left: Expr, lowest: u8, start: Span) -> Parsed<Expr> {
        let mut ceiling = u8::MAX;
        while let Some((operator, length)) = self.operator() {
            let precedence = operator.precedence();
            if precedence < lowest || precedence > ceiling {
                break;
            }
            self.at += length;
            left = match operator {
                Operator::InstanceOf | Operator::Treat | Operator::Cast | Operator::Castable => {
                    self.typed(operator, left, start)?
                }
                Operator::Arrow => self.arrow(left, start)?,
                _ => {
                    let right = self.binary(precedence + 1)?;
                    self.join(operator, left, right, start)?
                }
            };
            ceiling = if operator.chains() { precedence } else { precedence - 1 };
        }
        if ceiling == 2 && self.operator().is_some_and(|(operator, _)| operator.precedence() == 3) {
            return Err(self.unexpected("`and`, `or` or the end: comparisons do not chain"));
        }
        Ok(left)
    }

    /// Behind `instance of`, `treat as`, `cast as` or `castable as`.
    fn typed(&mut self, operator: Operator, left: Expr, start: Span) -> Parsed<Expr> {
        let (depth, input) = (left.depth, Box::new(left));
        let kind = match operator {
            Operator::InstanceOf => ExprKind::InstanceOf(input, self.sequence_type()?),
            Operator::Treat => ExprKind::Treat(input, self.sequence_type()?),
            _ => {
                let to = self.name("a type name")?;
                let optional = self.eat("?");
                match operator {
                    Operator::Cast => ExprKind::Cast { input, to, optional },
                    _ => ExprKind::Castable { input, to, optional },
                }
            }
        };
        self.node(kind, start, depth)
    }

    fn join(&self, operator: Operator, left: Expr, right: Expr, start: Span) -> Parsed<Expr> {
        let depth = left.depth.max(right.depth);
        let kind = match operator {
            Operator::Or => ExprKind::Or(joined(left, right, |kind| match kind {
                ExprKind::Or(all) => Ok(all),
                other => Err(other),
            })),
            Operator::And => ExprKind::And(joined(left, right, |kind| match kind {
                ExprKind::And(all) => Ok(all),
                other => Err(other),
            })),
            Operator::Concat => ExprKind::Concat(joined(left, right, |kind| match kind {
                ExprKind::Concat(all) => Ok(all),
                other => Err(other),
            })),
            Operator::Value(comparison) => ExprKind::Value(comparison, Box::new(left), Box::new(right)),
            Operator::General(comparison) => ExprKind::General(comparison, Box::new(left), Box::new(right)),
            Operator::Nodes(comparison) => ExprKind::Nodes(comparison, Box::new(left), Box::new(right)),
            Operator::Range => ExprKind::Range(Box::new(left), Box::new(right)),
            Operator::Arithmetic(operation) => ExprKind::Arithmetic(operation, Box::new(left), Box::new(right)),
            Operator::Set(operation) => ExprKind::Set(operation, Box::new(left), Box::new(right)),
            Operator::InstanceOf | Operator::Treat | Operator::Castable | Operator::Cast | Operator::Arrow => {
                return Err(self.unexpected("an operand"));
            }
        };
        let flat = match &kind {
            ExprKind::Or(all) | ExprKind::And(all) | ExprKind::Concat(all) => Some(deepest(all)),
            _ => None,
        };
        self.node(kind, start, flat.unwrap_or(depth))
    }

    fn unary(&mut self) -> Parsed<Expr> {
        if self.is("-") || self.is("+") { self.signed() } else { self.simple_map() }
    }

    fn signed(&mut self) -> Parsed<Expr> {
        let (start, minus) = (self.span(), self.is("-"));
        self.at += 1;
        self.enter()?;
        let operand = Box::new(self.binary(UNARY)?);
        self.depth -= 1;
        let depth = operand.depth;
        self.node(if minus { ExprKind::Negate(operand) } else { ExprKind::Plus(operand) }, start, depth)
    }

    fn name(&mut self, wanted: &str) -> Parsed<Named> {
        let span = self.span();
        match self.peek().clone() {
            Token::Name(name) => {
                self.at += 1;
                Ok(Named { name, span })
            }
            _ => Err(self.unexpected(wanted)),
        }
    }
}

/// The operands of an associative operator in one list, so that long chains stay flat.
fn joined(left: Expr, right: Expr, operands: impl Fn(ExprKind) -> Result<Vec<Expr>, ExprKind>) -> Vec<Expr> {
    let Expr { kind, span, depth } = left;
    let mut all = match operands(kind) {
        Ok(all) => all,
        Err(kind) => vec![Expr { kind, span, depth }],
    };
    all.push(right);
    all
}

fn deepest(all: &[Expr]) -> u16 {
    all.iter().map(|expr| expr.depth).max().unwrap_or(0)
}
