//! Patterns of simple types (XSD 1.0 part 2 appendix F) on a linear-time engine.

use std::fmt;

use regex::Regex;

/// A form a text must have, as a whole in XML Schema.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// Without one, every text passes: the pattern uses what the engine does not have.
    regex: Option<Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// The patterns of one derivation: one of them must hold.
    #[must_use]
    pub fn new(alternatives: &[&str]) -> Self {
        let text = alternatives.join("|");
        let engine: Vec<String> = alternatives.iter().map(|one| translated(one)).collect();
        let regex = regex::RegexBuilder::new(&format!("^(?:{})$", engine.join("|"))).size_limit(1 << 20).build().ok();
        Self { text, regex }
    }

    /// A pattern of JSON Schema: it must be found somewhere in the text.
    #[must_use]
    pub fn searched(pattern: &str) -> Self {
        Self { text: pattern.to_owned(), regex: regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().ok() }
    }

    /// Whether a text has the form.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.regex.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// XML Schema's notation in the engine's: name characters, subtraction, and signs that are letters in XML Schema.
fn translated(pattern: &str) -> String {
    const START: &str = "\\p{L}_:";
    const NAME: &str = "\\p{L}\\p{N}\\p{M}_:.\\-·";
    let mut made = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut class = 0_u32;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('i') if class > 0 => made.push_str(START),
                Some('i') => made.push_str(&format!("[{START}]")),
                Some('c') if class > 0 => made.push_str(NAME),
                Some('c') => made.push_str(&format!("[{NAME}]")),
                Some('I') => made.push_str(&format!("[^{START}]")),
                Some('C') => made.push_str(&format!("[^{NAME}]")),
                Some(other) => made.extend(['\\', other]),
                None => made.push('\\'),
            },
            '^' | '$' if class == 0 => made.extend(['\\', c]),
            '-' if class > 0 && chars.peek() == Some(&'[') => made.push_str("--"),
            '&' | '~' if class > 0 => made.extend(['\\', c]),
            '[' => {
                class += 1;
                made.push('[');
                if chars.peek() == Some(&'^') {
                    made.extend(chars.next());
                }
            }
            ']' => {
                class = class.saturating_sub(1);
                made.push(']');
            }
            other => made.push(other),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_hold_for_the_whole_text_in_the_notation_of_xml_schema() {
        for (pattern, text, holds) in [
            ("[0-9]{4}", "2026", true),
            ("[0-9]{4}", "2026x", false),
            ("a|b", "ab", false),
            ("[a-z-[aeiou]]+", "xyz", true),
            ("[a-z-[aeiou]]+", "xyze", false),
            ("\\i\\c*", "a-b.c", true),
            ("^a$", "a", false),
            ("^a$", "^a$", true),
            ("[^ ]+", "a b", false),
            ("\\p{IsNoBlockTheEngineHas}", "anything", true),
        ] {
            assert_eq!(Pattern::new(&[pattern]).holds(text), holds, "{pattern} {text}");
        }
    }
}
