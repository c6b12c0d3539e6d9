//! Formulas at random, from a grammar with types: mostly they have a value, sometimes an error.

use fastrand::Rng;

use crate::sample::pick;

/// Around an operand that comes from the document and is calculated with.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// A generated formula.
#[derive(Clone, Debug)]
pub struct Generated(String);

impl Generated {
    /// The formula.
    pub fn text(&self) -> String {
        self.0.replace([OPEN, CLOSE], "")
    }

    /// The formula in which every untyped operand of a calculation is an `xs:double`, as XPath has it.
    pub fn with_doubles(&self) -> String {
        self.0.replace(OPEN, "((").replace(CLOSE, ")!xs:double(.))")
    }
}

/// What an expression yields.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Number,
    Text,
    Truth,
    Nodes,
    Date,
    DateTime,
    Time,
    DayTime,
    YearMonth,
    Many,
    Map,
    Array,
    /// Known by name only.
    Anything,
}

use Type::{Anything, Array, Date, DateTime, DayTime, Many, Map, Nodes, Number, Text, Time, Truth, YearMonth};

/// Makes formulas; the same for the same seed.
pub struct Generator {
    random: Rng,
    /// The variables in scope.
    variables: Vec<(String, Type)>,
    /// Whether the context item is a node, and not the document node.
    in_node: bool,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), variables: Vec::new(), in_node: false }
    }

    pub fn formula(&mut self) -> Generated {
        self.variables.clear();
        self.in_node = false;
        let of = match self.random.u8(0..100) {
            0..25 => Number,
            25..45 => Text,
            45..60 => Truth,
            60..72 => Nodes,
            72..88 => Many,
            88..91 => Date,
            91..94 => DateTime,
            94..96 => Time,
            96..98 => DayTime,
            _ => YearMonth,
        };
        Generated(self.expression(of, 4))
    }

    fn pick(&mut self, from: &[&str]) -> String {
        pick(&mut self.random, from).to_owned()
    }

    /// One of the templates, its placeholders filled: `{n}` a number, `{s}` text, and so on (see [`Self::filled`]).
    fn one_of(&mut self, templates: &[&str], depth: u8) -> String {
        let template = self.pick(templates);
        self.filled(&template, depth)
    }

    /// `{n}` number, `{u}` number from the document, `{s}` text, `{b}` truth, `{p}` path, `{d}` date, `{t}` dateTime,
    /// `{c}` time, `{D}` dayTimeDuration, `{Y}` yearMonthDuration, `{m}` many, `{M}` map, `{A}` array, `{i}` a small integer; `«»` are braces.
    fn filled(&mut self, template: &str, depth: u8) -> String {
        let mut made = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            made.push_str(before);
            let Some((key, after)) = after.split_once('}') else { break };
            let below = depth.saturating_sub(1);
            let part = match key {
                "n" => self.expression(Number, below),
                "u" => format!("{OPEN}{}{CLOSE}", self.number_path()),
                "s" => self.expression(Text, below),
                "b" => self.expression(Truth, below),
                "p" => self.path(below),
                "d" => self.expression(Date, below),
                "t" => self.expression(DateTime, below),
                "c" => self.expression(Time, below),
                "D" => self.expression(DayTime, below),
                "Y" => self.expression(YearMonth, below),
                "m" => self.expression(Many, below),
                "M" => self.expression(Map, below),
                "A" => self.expression(Array, below),
                "i" => self.pick(&["0", "1", "2", "3", "-1", "5"]),
                "e" => self.pick(&["=", "!=", "<", "<=", ">", ">="]),
                "v" => self.pick(&["eq", "ne", "lt", "le", "gt", "ge"]),
                other => format!("{{{other}}}"),
            };
            made.push_str(&part);
            rest = after;
        }
        made.push_str(rest);
        made.replace('«', "{").replace('»', "}")
    }

    fn expression(&mut self, of: Type, depth: u8) -> String {
        let known: Vec<_> =
            self.variables.iter().filter(|(_, kind)| *kind == of).map(|(name, _)| name.clone()).collect();
        if !known.is_empty() && self.random.u8(0..3) == 0 {
            return format!("${}", known[self.random.usize(0..known.len())]);
        }
        if depth == 0 {
            return self.leaf(of);
        }
        if depth > 1 && self.random.u8(0..12) == 0 {
            return self.around(of, depth);
        }
        match of {
            Nodes => self.path(depth),
            Number => self.one_of(NUMBERS, depth),
            Text => self.one_of(TEXTS, depth),
            Truth => self.one_of(TRUTHS, depth),
            Many => self.many(depth),
            Date => self.one_of(DATES, depth),
            DateTime => self.one_of(DATE_TIMES, depth),
            Time => self.one_of(TIMES, depth),
            DayTime => self.one_of(DAY_TIMES, depth),
            YearMonth => self.one_of(YEAR_MONTHS, depth),
            Map => self.one_of(MAPS, depth),
            Array => self.one_of(ARRAYS, depth),
            Anything => self.leaf(of),
        }
    }

    /// A conditional or a binding around an expression of any type.
    fn around(&mut self, of: Type, depth: u8) -> String {
        if self.random.bool() {
            let (test, then, other) =
                (self.expression(Truth, depth - 2), self.expression(of, depth - 1), self.expression(of, depth - 2));
            return format!("(if ({test}) then {then} else {other})");
        }
        let kinds = [Number, Text, Many, Date, Nodes];
        let kind = kinds[self.random.usize(0..kinds.len())];
        let value = self.expression(kind, depth - 2);
        let name = format!("v{}", self.variables.len());
        self.variables.push((name.clone(), kind));
        let body = self.expression(of, depth - 1);
        self.variables.pop();
        format!("(let ${name} := {value} return {body})")
    }

    fn leaf(&mut self, of: Type) -> String {
        match of {
            Number => match self.random.u8(0..4) {
                0 => format!("{OPEN}{}{CLOSE}", self.number_path()),
                _ => self.pick(&["0", "1", "2", "7", "10", "0.5", "1.25", "99.99", "3.0", "1e0", "2.5e1", "-4"]),
            },
            Text => self.pick(&["'a'", "'A1'", "''", "'Zhang San'", "'2024-02-29'", "' x  y '", "'12.50'", "'日本'"]),
            Truth => self.pick(&["true()", "false()", "exists(//qty)", "empty(//due)"]),
            Nodes => self.pick(&["//line", "/order", "//price", "//@no", "/order/customer/name"]),
            Date => self.pick(&[
                "xs:date('2024-02-29')",
                "xs:date('2023-12-31')",
                "xs:date('2000-01-01Z')",
                "xs:date(//@date[1])",
            ]),
            DateTime => self.pick(&[
                "xs:dateTime('2024-02-29T23:59:59')",
                "xs:dateTime('2024-03-01T00:00:00Z')",
                "xs:dateTime('2023-10-29T02:30:00.25+01:00')",
            ]),
            Time => self.pick(&["xs:time('10:30:00')", "xs:time('23:59:59.5Z')", "xs:time('00:00:00+02:00')"]),
            DayTime => self.pick(&[
                "xs:dayTimeDuration('P1D')",
                "xs:dayTimeDuration('PT36H')",
                "xs:dayTimeDuration('-PT1M30.5S')",
                "xs:dayTimeDuration('PT0S')",
            ]),
            YearMonth => self.pick(&[
                "xs:yearMonthDuration('P1M')",
                "xs:yearMonthDuration('P1Y6M')",
                "xs:yearMonthDuration('-P14M')",
            ]),
            Many => {
                self.pick(&["(1, 2, 3)", "()", "('b', 'a', 'b')", "(1 to 4)", "//sku", "(//line/@no)", "(2, 1.5, 2e0)"])
            }
            Map => self.pick(&["map { 'a': 1, 'b': (2, 3) }", "map { }", "map { 1: 'x', 2: 'y' }"]),
            Anything => "()".to_owned(),
            Array => self.pick(&["[1, 'b', (2, 3)]", "[]", "array { 1 to 3 }", "[[1], 2]"]),
        }
    }

    /// A path to something that should be a number.
    fn number_path(&mut self) -> String {
        if self.in_node && self.random.bool() {
            return self.pick(&["@no", "qty", "price", "position()", "last()"]);
        }
        self.pick(&["(//qty)[1]", "(//price)[1]", "/order/line[1]/@no", "(//line)[last()]/qty", "(//@no)[last()]"])
    }

    fn path(&mut self, depth: u8) -> String {
        let mut path = if self.in_node && self.random.u8(0..3) > 0 {
            self.pick(&[
                "sku",
                "qty",
                "..",
                "*",
                "@*",
                ".",
                "@no",
                "node()",
                "descendant-or-self::*",
                "following-sibling::line",
            ])
        } else {
            self.pick(&[
                "/order",
                "//line",
                "/order/line",
                "//*",
                "/order/*",
                "//price",
                "/",
                "//@*",
                "//node()",
                "//x:*",
                "//customer",
            ])
        };
        for _ in 0..self.random.u8(0..3) {
            if path == "/" {
                path.clear();
            }
            let step = self.pick(STEPS);
            path = format!("{path}/{step}");
        }
        if path != "/" && depth > 0 && self.random.bool() {
            path = format!("{path}[{}]", self.predicate(depth));
        }
        match self.random.u8(0..14) {
            0 => format!("({path})[{}]", self.pick(&["1", "2", "last()", "position() < 3"])),
            1 if depth > 1 => {
                let (operator, other) = (self.pick(&["union", "|", "intersect", "except"]), self.path(depth - 1));
                format!("({path} {operator} {other})")
            }
            _ => path,
        }
    }

    fn predicate(&mut self, depth: u8) -> String {
        let outside = std::mem::replace(&mut self.in_node, true);
        let made = self.one_of(PREDICATES, depth);
        self.in_node = outside;
        made
    }

    fn many(&mut self, depth: u8) -> String {
        match self.random.u8(0..8) {
            0 => {
                let over = self.expression(Many, depth - 1);
                let name = format!("v{}", self.variables.len());
                self.variables.push((name.clone(), Anything));
                let body = self.one_of(
                    &["string({var})", "concat({var}, '-')", "({var}, {s})", "string-length(string({var}))"],
                    depth - 1,
                );
                self.variables.pop();
                format!("(for ${name} in {over} return {})", body.replace("{var}", &format!("${name}")))
            }
            1 => {
                let over = self.path(depth - 1);
                let outside = std::mem::replace(&mut self.in_node, true);
                let body = self.one_of(
                    &["string(.)", "name(.)", "position()", "last()", "count(*)", "string({p})", "{n}", "(., 1)"],
                    depth - 1,
                );
                self.in_node = outside;
                format!("(({over}) ! {body})")
            }
            _ => self.one_of(MANIES, depth),
        }
    }
}

const STEPS: &[&str] = &[
    "line",
    "sku",
    "qty",
    "price",
    "*",
    "@no",
    "@*",
    "..",
    ".",
    "node()",
    "text()",
    "comment()",
    "self::line",
    "parent::*",
    "ancestor::*",
    "ancestor-or-self::*",
    "descendant::*",
    "descendant::text()",
    "following-sibling::*",
    "preceding-sibling::*",
    "preceding-sibling::line",
    "following::*",
    "preceding::*",
    "processing-instruction()",
    "x:flag",
    "*:flag",
    "x:*",
    "child::line",
    "attribute::*",
    "element()",
    "element(line)",
    "self::node()",
];

const PREDICATES: &[&str] = &[
    "1",
    "2",
    "last()",
    "position() = 2",
    "position() > 1",
    "position() = last()",
    "@no",
    "@no = {i}",
    "@no {e} {n}",
    "qty",
    "qty {e} {i}",
    "sku = 'A1'",
    "not(qty)",
    "price/@cur = 'EUR'",
    "{b}",
    "contains(., '1')",
    ". = 'A1'",
    "self::line",
    "string-length(.) > {i}",
    "{i}",
    "sku eq 'A1'",
    "*",
    "ancestor::line",
    "name() = 'line'",
];

const NUMBERS: &[&str] = &[
    "({n} + {n})",
    "({n} - {n})",
    "({n} * {n})",
    "({n} div {n})",
    "({n} idiv {n})",
    "({n} mod {n})",
    "-{n}",
    "+{n}",
    "({u} + {n})",
    "({u} * {n})",
    "({n} - {u})",
    "({u} + {u})",
    "({u} div {n})",
    "count({p})",
    "count({m})",
    "string-length({s})",
    "abs({n})",
    "floor({n})",
    "ceiling({n})",
    "round({n})",
    "round({n}, {i})",
    "round-half-to-even({n}, {i})",
    "number({s})",
    "xs:integer({n})",
    "xs:decimal({n})",
    "xs:double({n})",
    "xs:float({n})",
    "sum((1, {n}, 2))",
    "avg(({n}, 3))",
    "max(({n}, {n}))",
    "min((0.5, {n}))",
    "sum({p}/@no/xs:integer(.))",
    "xs:integer({s})",
    "xs:decimal({s})",
    "({n}, 0)[1]",
    "year-from-date({d})",
    "month-from-date({d})",
    "day-from-date({d})",
    "hours-from-dateTime({t})",
    "seconds-from-dateTime({t})",
    "minutes-from-time({c})",
    "days-from-duration({D})",
    "hours-from-duration({D})",
    "seconds-from-duration({D})",
    "years-from-duration({Y})",
    "months-from-duration({Y})",
    "({D} div {D})",
    "({Y} div {Y})",
    "array:size({A})",
    "map:size({M})",
    "head((string-to-codepoints({s}), 0))",
    "compare({s}, {s})",
    "index-of((1, 2, 1), {n})[1]",
    "({n} cast as xs:integer)",
    "math:sqrt(abs({n}))",
    "math:pow({n}, 2)",
    "math:pi()",
    "number({p}[1])",
    "string-length(string({n}))",
];

const TEXTS: &[&str] = &[
    "concat({s}, {s})",
    "({s} || {s})",
    "({s} || {n})",
    "substring({s}, {i})",
    "substring({s}, {i}, {i})",
    "substring({s}, {n})",
    "upper-case({s})",
    "lower-case({s})",
    "normalize-space({s})",
    "translate({s}, 'abA', 'xy')",
    "replace({s}, 'a', 'b')",
    "replace({s}, '([0-9])', '<$1>')",
    "replace({s}, '\\s+', '-')",
    "string-join({m} ! string(.), ',')",
    "substring-before({s}, 'a')",
    "substring-after({s}, '-')",
    "string({n})",
    "string({b})",
    "string({d})",
    "string({t})",
    "string({c})",
    "string({D})",
    "string({Y})",
    "string(({p})[1])",
    "name(({p})[1])",
    "local-name(({p})[1])",
    "namespace-uri(({p})[1])",
    "string-join(tokenize({s}), '|')",
    "string-join(tokenize({s}, 'a'), '|')",
    "codepoints-to-string(string-to-codepoints({s}))",
    "codepoints-to-string((65, 66))",
    "reverse(({s}, {s}))[1]",
    "xs:string({n})",
    "string-join(({s}, {s}), {s})",
    "({s}, 'z')[{i}]",
    "string({n} cast as xs:double)",
    "({n} cast as xs:string)",
    "encode-for-uri({s})",
    "normalize-unicode({s})",
    "string(array:get({A}, 1)[1])",
    "string(map:get({M}, 'a')[1])",
    "string({M}?b[1])",
    "string-join(sort(({s}, {s}, {s})), ' ')",
    "data(({p})[1])",
    "string-join(for $x in {p} return name($x), ' ')",
    "path(({p})[1])",
];

const TRUTHS: &[&str] = &[
    "({n} {e} {n})",
    "({n} {v} {n})",
    "({s} {e} {s})",
    "({s} {v} {s})",
    "({d} {v} {d})",
    "({t} {v} {t})",
    "({c} {v} {c})",
    "({D} {v} {D})",
    "({Y} {v} {Y})",
    "({b} and {b})",
    "({b} or {b})",
    "not({b})",
    "({u} {e} {n})",
    "({p} {e} {n})",
    "({p} {e} {s})",
    "({p} {e} {p})",
    "({m} = {m})",
    "exists({p})",
    "empty({m})",
    "contains({s}, {s})",
    "starts-with({s}, {s})",
    "ends-with({s}, {s})",
    "matches({s}, '^[a-z]+$')",
    "matches({s}, 'A', 'i')",
    "boolean({p})",
    "boolean({s})",
    "boolean({n})",
    "({s} castable as xs:integer)",
    "({s} castable as xs:date)",
    "({s} castable as xs:decimal)",
    "({n} instance of xs:integer)",
    "({n} instance of xs:decimal)",
    "({m} instance of xs:string*)",
    "({p} instance of element()*)",
    "({p} instance of node()+)",
    "({M} instance of map(*))",
    "({A} instance of array(*))",
    "deep-equal({m}, {m})",
    "deep-equal({p}, {p})",
    "(some $x in {m} satisfies string($x) = {s})",
    "(every $x in {m} satisfies string-length(string($x)) < 3)",
    "(some $x in {p} satisfies $x/@no)",
    "map:contains({M}, {s})",
    "((//line)[1] is (//line)[{i}])",
    "((//line)[1] << (//sku)[1])",
    "((//price)[last()] >> (//line)[1])",
    "xs:boolean({s})",
    "({b} = {b})",
    "({d} = xs:date('2024-02-29'))",
    "codepoint-equal({s}, {s})",
    "xs:boolean({n})",
    "contains-token({s}, 'a')",
    "has-children(({p})[1])",
];

const MANIES: &[&str] = &[
    "({m}, {m})",
    "({n}, {s})",
    "({s}, {d})",
    "reverse({m})",
    "subsequence({m}, {i})",
    "subsequence({m}, {i}, {i})",
    "sort(distinct-values({m} ! string(.)))",
    "insert-before({m}, {i}, {s})",
    "remove({m}, {i})",
    "head({m})",
    "tail({m})",
    "(1 to {i})",
    "({i} to 3)",
    "tokenize({s})",
    "tokenize({s}, '[ -]')",
    "string-to-codepoints({s})",
    "sort(({n}, {n}, 1))",
    "sort({m} ! string(.))",
    "{m}[{i}]",
    "{m}[. = {s}]",
    "data({p})",
    "index-of({m}, {s})",
    "index-of((1, 2, 3, 2), {n})",
    "array:flatten({A})",
    "{A}?*",
    "{A}?1",
    "{A}(2)",
    "sort(map:keys({M}))",
    "{M}?a",
    "map:get({M}, 1)",
    "array:head({A})",
    "{p}",
    "({m} ! string(.))",
    "({m} ! position())",
    "(for $x in 1 to {i} return $x * {n})",
    "(for $x in ({m}), $y in (1, 2) return concat($x, $y))",
    "one-or-more(({m}, 1))",
    "zero-or-one(({m})[1])",
    "unordered({m})[{i}]",
    "min({m} ! string(.))",
    "max(({s}, {s}))",
    "({m} => reverse())",
    "({s} => tokenize('a'))",
    "outermost({p})",
    "innermost({p})",
    "root(({p})[1])/order/@id",
    "adjust-date-to-timezone({d}, xs:dayTimeDuration('PT2H'))",
    "timezone-from-dateTime({t})",
    "({p}/name())",
];

const DATES: &[&str] = &[
    "({d} + {D})",
    "({d} - {D})",
    "({d} + {Y})",
    "({d} - {Y})",
    "xs:date({t})",
    "adjust-date-to-timezone({d}, ())",
    "xs:date(string({d}))",
    "max(({d}, {d}))",
    "({d}, {d})[1]",
];

const DATE_TIMES: &[&str] = &[
    "({t} + {D})",
    "({t} - {D})",
    "({t} + {Y})",
    "dateTime({d}, xs:time('12:00:00'))",
    "xs:dateTime({d})",
    "adjust-dateTime-to-timezone({t}, xs:dayTimeDuration('PT8H'))",
    "adjust-dateTime-to-timezone({t}, ())",
    "xs:dateTime(string({t}))",
    "min(({t}, {t}))",
];

const TIMES: &[&str] = &[
    "({c} + {D})",
    "({c} - {D})",
    "xs:time({t})",
    "adjust-time-to-timezone({c}, xs:dayTimeDuration('-PT5H'))",
    "xs:time(string({c}))",
];

const DAY_TIMES: &[&str] = &[
    "({d} - {d})",
    "({t} - {t})",
    "({c} - {c})",
    "({D} + {D})",
    "({D} * {n})",
    "({D} div 2)",
    "sum(({D}, {D}))",
    "xs:dayTimeDuration(string({D}))",
    "(-1 * {D})",
    "avg(({D}, {D}))",
];

const YEAR_MONTHS: &[&str] =
    &["({Y} + {Y})", "({Y} - {Y})", "({Y} * 2)", "({Y} div 3)", "sum(({Y}, {Y}))", "xs:yearMonthDuration(string({Y}))"];

const MAPS: &[&str] = &[
    "map:put({M}, {s}, {m})",
    "map:remove({M}, {s})",
    "map:merge(({M}, {M}))",
    "map « 'a': {m}, 'b': {n} »",
    "map:entry({s}, {m})",
    "map « {n}: 'x', 'a': {s} »",
];

const ARRAYS: &[&str] = &[
    "array:append({A}, {m})",
    "array:reverse({A})",
    "array:join(({A}, {A}))",
    "[{n}, {s}, {m}]",
    "array « {m} »",
    "array:put({A}, 1, {s})",
    "array:insert-before({A}, 1, {m})",
    "array:subarray({A}, 1)",
    "array:tail([1, {n}])",
    "array:remove({A}, 1)",
];
