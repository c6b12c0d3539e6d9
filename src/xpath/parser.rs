//! Tokens to a syntax tree (XPath 3.1 §A.1): precedence climbing, bounded nesting.

use super::{
    ast::{
        Arithmetic, Axis, AxisStep, Comparison, Declaration, Declared, Expr, ExprKind, ItemTest, Key, Lexical, Named,
        NodeComparison, Occurrence, SequenceType, SetOperation, Span, Step, Test,
    },
    lexer::{SyntaxError, Token, tokens},
};

/// Levels a formula may nest: parsing, analysis and evaluation recurse, and fit a 2 MiB stack even unoptimised.
const NESTING: u16 = 64;
/// Levels the tree may have; a chain of operators makes one each.
const DEPTH: u16 = 128;

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

    fn arrow(&mut self, left: Expr, start: Span) -> Parsed<Expr> {
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
    fn refuse_reserved(&self, function: &Named) -> Parsed<()> {
        match &function.name {
            Lexical::Plain(word) if RESERVED.contains(&&**word) => {
                Err(SyntaxError::new(format!("`{word}` cannot be called here (XPST0003)"), function.span))
            }
            _ => Ok(()),
        }
    }

    /// After `(`: arguments up to and including `)`.
    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
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

    fn simple_map(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let left = self.path()?;
        if self.is("!") { self.mapped(left, start) } else { Ok(left) }
    }

    fn mapped(&mut self, mut left: Expr, start: Span) -> Parsed<Expr> {
        while self.eat("!") {
            let right = self.path()?;
            let depth = left.depth.max(right.depth);
            left = self.node(ExprKind::Map(Box::new(left), Box::new(right)), start, depth)?;
        }
        Ok(left)
    }

    fn path(&mut self) -> Parsed<Expr> {
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
    fn rooted(&mut self) -> Parsed<Expr> {
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
    fn steps(&mut self, mut steps: Vec<Step>, rooted: bool, start: Span) -> Parsed<Expr> {
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

    fn starts_step(&self) -> bool {
        match self.peek() {
            Token::End => false,
            Token::Symbol(symbol) => matches!(*symbol, "." | ".." | "@" | "*" | "(" | "$" | "?" | "["),
            _ => true,
        }
    }

    fn step(&mut self) -> Parsed<Step> {
        let start = self.span();
        match self.axis()? {
            Some((axis, test)) => self.axis_step(axis, test, start),
            None => self.postfix().map(Step::Expr),
        }
    }

    /// Axis and node test of a step; none for a step that is an expression.
    fn axis(&mut self) -> Parsed<Option<(Axis, Test)>> {
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

    fn axis_step(&mut self, axis: Axis, test: Test, start: Span) -> Parsed<Step> {
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

    fn predicates(&mut self) -> Parsed<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.eat("[") {
            predicates.push(self.expr()?);
            self.expect("]")?;
        }
        Ok(predicates)
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let base = self.primary()?;
        self.postfix_of(base, start)
    }

    /// Predicates, lookups and calls behind an expression.
    fn postfix_of(&mut self, mut base: Expr, start: Span) -> Parsed<Expr> {
        while self.is("[") || self.is("?") || self.is("(") {
            base = self.postfix_once(base, start)?;
        }
        Ok(base)
    }

    fn postfix_once(&mut self, base: Expr, start: Span) -> Parsed<Expr> {
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
    fn key(&mut self) -> Parsed<Key> {
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
    fn listed<T>(&mut self, close: &'static str, mut one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
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

    fn map_of(&mut self) -> Parsed<Expr> {
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

    fn array_from(&mut self) -> Parsed<Expr> {
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

    fn primary(&mut self) -> Parsed<Expr> {
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

    fn parenthesized(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 1;
        if self.eat(")") {
            return self.node(ExprKind::Sequence(Vec::new()), start, 0);
        }
        let inner = self.expr()?;
        self.expect(")")?;
        Ok(inner)
    }

    fn square(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 1;
        let members = self.listed("]", Self::single)?;
        let depth = deepest(&members);
        self.node(ExprKind::ArrayOf(members), start, depth)
    }

    fn named_call(&mut self) -> Parsed<Expr> {
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

    fn unary_lookup(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.at += 1;
        let key = self.key()?;
        let depth = key_depth(&key);
        self.node(ExprKind::Lookup(None, key), start, depth)
    }

    /// A literal, a variable or the context item.
    fn literal(&mut self) -> Parsed<Expr> {
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

    fn node_test(&mut self) -> Parsed<Test> {
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
    fn kind_test(&mut self, word: &str) -> Parsed<Test> {
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

    fn sequence_type(&mut self) -> Parsed<SequenceType> {
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

    fn item_type(&mut self) -> Parsed<ItemTest> {
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

    fn named_item_type(&mut self) -> Parsed<ItemTest> {
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
    fn declaration(&mut self) -> Parsed<Declaration> {
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

fn step_depth(step: &Step) -> u16 {
    match step {
        Step::Axis(step) => deepest(&step.predicates),
        Step::Expr(expr) => expr.depth,
    }
}

/// `//` is short for a step to any depth (XPath 3.1 §3.3.5).
fn any_depth(span: Span) -> Step {
    Step::Axis(AxisStep { axis: Axis::DescendantOrSelf, test: Test::Node, span, predicates: Vec::new() })
}

fn key_depth(key: &Key) -> u16 {
    match key {
        Key::Expr(expr) => expr.depth,
        Key::Name(_) | Key::Position(_) | Key::All => 0,
    }
}

fn is_kind(word: &str) -> bool {
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

fn axis_named(word: &str) -> Option<Axis> {
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
