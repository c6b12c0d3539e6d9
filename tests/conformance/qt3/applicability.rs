//! Which tests are about what formulas have: decided from the words of a test, never from its result.

use std::{cell::RefCell, collections::BTreeMap, sync::LazyLock};

use crossdock::xpath::{Formula, Scope, functions};

use super::suite::{Assertion, Case, Dependency};

/// Why formulas lack a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// It reads a clock.
    Clock,
    /// It reads files, addresses or the process's environment, or runs other languages.
    Outside,
    /// Chance.
    Chance,
    /// It takes or yields a function item.
    FunctionItem,
    /// It needs what the document model does not keep.
    Model,
    /// Not done.
    Undone,
}

impl Lack {
    pub fn text(self) -> &'static str {
        match self {
            Self::Clock => "reads a clock",
            Self::Outside => "reads from outside",
            Self::Chance => "uses chance",
            Self::FunctionItem => "takes or yields function items",
            Self::Model => "needs what documents do not keep",
            Self::Undone => "is not done",
        }
    }
}

/// The functions of F&O 3.1 by the name they are called with, those of `fn:` without prefix.
const STANDARD: &str = "abs adjust-date-to-timezone adjust-dateTime-to-timezone adjust-time-to-timezone analyze-string \
    apply available-environment-variables avg base-uri boolean ceiling codepoint-equal codepoints-to-string \
    collation-key collection compare concat contains contains-token count current-date current-dateTime current-time \
    data dateTime day-from-date day-from-dateTime days-from-duration deep-equal default-collation default-language \
    distinct-values doc doc-available document-uri element-with-id empty encode-for-uri ends-with environment-variable \
    error escape-html-uri exactly-one exists false filter floor fold-left fold-right for-each for-each-pair \
    format-date format-dateTime format-integer format-number format-time function-arity function-lookup function-name \
    generate-id has-children head hours-from-dateTime hours-from-duration hours-from-time id idref implicit-timezone \
    in-scope-prefixes index-of innermost insert-before iri-to-uri json-doc json-to-xml lang last \
    load-xquery-module local-name local-name-from-QName lower-case matches max min minutes-from-dateTime \
    minutes-from-duration minutes-from-time month-from-date month-from-dateTime months-from-duration name \
    namespace-uri namespace-uri-for-prefix namespace-uri-from-QName nilled node-name normalize-space \
    normalize-unicode not number one-or-more outermost parse-ietf-date parse-json parse-xml parse-xml-fragment path \
    position prefix-from-QName QName random-number-generator remove replace resolve-QName resolve-uri reverse root \
    round round-half-to-even seconds-from-dateTime seconds-from-duration seconds-from-time serialize sort starts-with \
    static-base-uri string string-join string-length string-to-codepoints subsequence substring substring-after \
    substring-before sum tail timezone-from-date timezone-from-dateTime timezone-from-time tokenize trace transform \
    translate true unordered unparsed-text unparsed-text-available unparsed-text-lines upper-case uri-collection \
    xml-to-json year-from-date year-from-dateTime years-from-duration zero-or-one \
    math:acos math:asin math:atan math:atan2 math:cos math:exp math:exp10 math:log math:log10 math:pi math:pow \
    math:sin math:sqrt math:tan \
    map:contains map:entry map:find map:for-each map:get map:keys map:merge map:put map:remove map:size \
    array:append array:filter array:flatten array:fold-left array:fold-right array:for-each array:for-each-pair \
    array:get array:head array:insert-before array:join array:put array:remove array:reverse array:size array:sort \
    array:subarray array:tail";

/// Why a function that is not there is not there.
fn lack(name: &str) -> Lack {
    match name {
        "current-date" | "current-dateTime" | "current-time" => Lack::Clock,
        "available-environment-variables"
        | "collection"
        | "doc"
        | "doc-available"
        | "environment-variable"
        | "json-doc"
        | "load-xquery-module"
        | "transform"
        | "unparsed-text"
        | "unparsed-text-available"
        | "unparsed-text-lines"
        | "uri-collection" => Lack::Outside,
        "random-number-generator" => Lack::Chance,
        "apply"
        | "filter"
        | "fold-left"
        | "fold-right"
        | "for-each"
        | "for-each-pair"
        | "function-arity"
        | "function-lookup"
        | "function-name"
        | "array:filter"
        | "array:fold-left"
        | "array:fold-right"
        | "array:for-each"
        | "array:for-each-pair"
        | "map:for-each" => Lack::FunctionItem,
        "id" | "idref" | "element-with-id" => Lack::Model,
        _ => Lack::Undone,
    }
}

/// The types XML Schema and XPath have built in, without `xs:`.
const TYPES: &str = "anyAtomicType anySimpleType anyType anyURI base64Binary boolean byte date dateTime dateTimeStamp \
    dayTimeDuration decimal double duration ENTITIES ENTITY error float gDay gMonth gMonthDay gYear gYearMonth \
    hexBinary ID IDREF IDREFS int integer language long Name NCName negativeInteger NMTOKEN NMTOKENS \
    nonNegativeInteger nonPositiveInteger normalizedString NOTATION numeric positiveInteger QName short string time \
    token unsignedByte unsignedInt unsignedLong unsignedShort untyped untypedAtomic yearMonthDuration";

/// What formulas do not know of the standard's, by asking them: functions with why, types.
pub struct Unknown {
    pub functions: BTreeMap<&'static str, Lack>,
    pub types: Vec<&'static str>,
}

pub static UNKNOWN: LazyLock<Unknown> = LazyLock::new(|| {
    let is_known = |name: &str| functions().any(|function| function.name == name);
    let is_type = |name: &str| {
        let symbols = RefCell::default();
        let is_valid = |text: String| Formula::compile(&text, &Scope::new(&symbols)).is_ok();
        is_valid(format!("() instance of xs:{name}*")) || is_valid(format!("xs:{name}(())"))
    };
    Unknown {
        functions: STANDARD.split_whitespace().filter(|name| !is_known(name)).map(|name| (name, lack(name))).collect(),
        types: TYPES.split_whitespace().filter(|name| !is_type(name)).collect(),
    }
});

const FN: &str = "http://www.w3.org/2005/xpath-functions";
const XS: &str = "http://www.w3.org/2001/XMLSchema";

/// Why a test does not count; `None` when it does.
pub fn not_applicable(case: &Case) -> Option<String> {
    let dependencies = case.dependencies.iter();
    if let Some(reason) = dependencies.clone().find_map(language).or_else(|| dependencies.clone().find_map(needs)) {
        return Some(reason);
    }
    if case.has_modules {
        return Some("language: XQuery modules".to_owned());
    }
    let environment = &case.environment;
    if environment.sources.iter().any(|source| source.is_validated) {
        return Some("feature: schema-aware documents".to_owned());
    }
    if let Some(other) = environment.other.first() {
        return Some(format!("environment: {other}"));
    }
    let mut texts = vec![case.test.as_str()];
    texts.extend(environment.parameters.iter().map(|(_, select)| select.as_str()));
    texts.extend(environment.context.as_deref());
    let tested = texts.into_iter().find_map(|text| lacking(text, &environment.namespaces));
    tested.or_else(|| expressions(&case.expected).into_iter().find_map(|text| lacking(text, &environment.namespaces)))
}

/// The dependency on a language other than XPath 3.1.
fn language(on: &Dependency) -> Option<String> {
    let speaks = |word: &str| matches!(word, "XP20+" | "XP30+" | "XP31+" | "XP31");
    if on.kind != "spec" || on.value.split_whitespace().any(speaks) {
        return None;
    }
    let only = if on.value.contains("XP") { "an earlier XPath alone" } else { "XQuery or XSLT alone" };
    Some(format!("language: {only}"))
}

/// The dependency on a feature that formulas have not, or on the lack of one they have.
fn needs(on: &Dependency) -> Option<String> {
    let has = match (on.kind.as_str(), on.value.as_str()) {
        ("spec", _) => return None,
        ("feature", "serialization") => !UNKNOWN.functions.contains_key("serialize"),
        ("feature", _) => false,
        ("xml-version", version) => version.starts_with("1.0") && version != "1.0:4-",
        ("xsd-version", version) => version == "1.1",
        ("language" | "default-language", language) => language == "en",
        ("calendar", _) => false,
        ("limits", _) => true,
        ("unicode-normalization-form", form) => {
            matches!(form, "NFC" | "NFD" | "NFKC" | "NFKD") && !UNKNOWN.functions.contains_key("normalize-unicode")
        }
        ("unicode-version", _) => false,
        ("format-integer-sequence", sign) => "①⑴⒈Αα١".contains(sign),
        _ => false,
    };
    let lack = if on.satisfied { "" } else { "the lack of " };
    (has != on.satisfied).then(|| match on.kind.as_str() {
        "feature" => format!("feature: {lack}{}", on.value),
        kind => format!("{kind}: {lack}{}", on.value),
    })
}

/// The expressions in an assertion.
fn expressions(of: &Assertion) -> Vec<&str> {
    match of {
        Assertion::AllOf(all) | Assertion::AnyOf(all) => all.iter().flat_map(expressions).collect(),
        Assertion::Not(one) => expressions(one),
        Assertion::Holds(text) | Assertion::Equal(text) | Assertion::DeepEqual(text) | Assertion::Permutation(text) => {
            vec![text]
        }
        Assertion::Type(text) => vec![text],
        _ => Vec::new(),
    }
}

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
enum Word {
    /// A name with its prefix or `Q{…}`, without `$`.
    Name(String),
    Literal(String),
    Number,
    Mark(char),
}

/// The words of an expression; comments and blanks left out, nothing checked.
fn words(text: &str) -> Vec<Word> {
    let letters: Vec<char> = text.chars().collect();
    let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let begins_name = |at: usize| letters.get(at).is_some_and(|letter| letter.is_alphabetic() || *letter == '_');
    let name_end = |from: usize| {
        letters[from..].iter().position(|letter| !is_name(*letter)).map_or(letters.len(), |length| from + length)
    };
    let until = |from: usize, close: char| {
        letters[from..].iter().position(|letter| *letter == close).map_or(letters.len(), |length| from + length)
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        if letter == '(' && letters.get(at + 1) == Some(&':') {
            let mut depth = 0;
            while at < letters.len() {
                match (letters[at], letters.get(at + 1)) {
                    ('(', Some(':')) => (depth, at) = (depth + 1, at + 2),
                    (':', Some(')')) => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if letter == '"' || letter == '\'' {
            let end = until(at + 1, letter);
            found.push(Word::Literal(letters[at + 1..end].iter().collect()));
            at = end + 1;
        } else if letter == 'Q' && letters.get(at + 1) == Some(&'{') {
            let end = name_end((until(at, '}') + 1).min(letters.len()));
            found.push(Word::Name(letters[at..end].iter().collect()));
            at = end;
        } else if begins_name(at) {
            let mut end = name_end(at);
            if letters.get(end) == Some(&':') && begins_name(end + 1) {
                end = name_end(end + 1);
            }
            found.push(Word::Name(letters[at..end].iter().collect()));
            at = end;
        } else if letter.is_ascii_digit() {
            at = name_end(at);
            found.push(Word::Number);
        } else {
            if !letter.is_whitespace() {
                found.push(Word::Mark(letter));
            }
            at += 1;
        }
    }
    found
}

/// What an expression uses that formulas have not.
fn lacking(text: &str, namespaces: &[(String, String)]) -> Option<String> {
    let words = words(text);
    let mark = |at: usize, mark: char| words.get(at) == Some(&Word::Mark(mark));
    let function_item = || Some("feature: higherOrderFunctions".to_owned());
    for (at, word) in words.iter().enumerate() {
        match word {
            Word::Literal(text) if is_other_collation(text) => {
                return Some("collation unknown to formulas".to_owned());
            }
            Word::Mark('?') => {
                let opens = at > 0 && (mark(at - 1, '(') || mark(at - 1, ','));
                if opens && (mark(at + 1, ',') || mark(at + 1, ')')) {
                    return function_item();
                }
            }
            Word::Name(name) if at == 0 || !mark(at - 1, '$') => {
                if mark(at + 1, '#') && words.get(at + 2) == Some(&Word::Number) {
                    return function_item();
                }
                if name == "namespace" && mark(at + 1, ':') && mark(at + 2, ':') {
                    return Some("feature: namespace-axis".to_owned());
                }
                let is_call = mark(at + 1, '(');
                if is_call && matches!(name.as_str(), "schema-element" | "schema-attribute") {
                    return Some("feature: schemaImport".to_owned());
                }
                if is_call && name == "namespace-node" {
                    return Some("feature: namespace-axis".to_owned());
                }
                let takes_none = mark(at + 2, ')') && words[at..].contains(&Word::Mark('{'));
                if is_call && name == "function" && (mark(at + 2, '$') || takes_none) {
                    return function_item();
                }
                let (namespace, local) = expanded(name, namespaces);
                if namespace == XS
                    && let Some(unknown) = UNKNOWN.types.iter().find(|known| **known == local)
                {
                    return Some(format!("type: xs:{unknown}"));
                }
                let key = match namespace.strip_prefix(FN) {
                    Some("") => local,
                    Some(part) => format!("{}:{local}", part.trim_start_matches('/')),
                    None => continue,
                };
                if is_call && let Some((unknown, why)) = UNKNOWN.functions.get_key_value(key.as_str()) {
                    return Some(format!("function: {unknown} ({})", why.text()));
                }
            }
            _ => {}
        }
    }
    None
}

fn is_other_collation(text: &str) -> bool {
    text.contains("/collation")
        && !text.ends_with("/collation/codepoint")
        && !text.ends_with("/collation/html-ascii-case-insensitive")
}

/// A name's namespace and local part; one without prefix as a function's.
fn expanded(name: &str, namespaces: &[(String, String)]) -> (String, String) {
    if let Some((namespace, local)) = name.strip_prefix("Q{").and_then(|rest| rest.split_once('}')) {
        return (namespace.trim().to_owned(), local.to_owned());
    }
    let Some((prefix, local)) = name.split_once(':') else { return (FN.to_owned(), name.to_owned()) };
    let declared = namespaces.iter().find(|(known, _)| known == prefix).map(|(_, uri)| uri.clone());
    let known = || match prefix {
        "fn" => FN.to_owned(),
        "xs" => XS.to_owned(),
        "map" | "array" | "math" => format!("{FN}/{prefix}"),
        _ => String::new(),
    };
    (declared.unwrap_or_else(known), local.to_owned())
}
