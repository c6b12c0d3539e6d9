//! Regular expressions of XPath (F&O 3.1 §5.6.1) on a linear-time engine.

mod block;
mod syntax;

use regex::Regex;

use crate::xpath::Failure;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(in crate::xpath) struct Pattern {
    pub regex: Regex,
    /// Flag `q`: pattern and replacement are literal.
    pub literal: bool,
    /// For each group the group it lies in, 0 for none; the first entry is the whole match.
    pub within: Vec<usize>,
}

impl Pattern {
    /// Compiles a pattern with flags `s m i x q`.
    pub fn compile(pattern: &str, flags: &str) -> Result<Self, Failure> {
        if let Some(bad) = flags.chars().find(|flag| !"smixq".contains(*flag)) {
            return Err(Failure::error("FORX0001", format!("`{bad}` is no flag; flags are s, m, i, x, q")));
        }
        let has = |flag| flags.contains(flag);
        let literal = has('q');
        let (text, within) = if literal {
            (regex::escape(pattern), vec![0])
        } else {
            let flags = syntax::Flags { dot_all: has('s'), ignore_case: has('i'), ignore_space: has('x') };
            syntax::translate(pattern, flags)
                .map_err(|why| Failure::error("FORX0002", format!("the pattern is not a regular expression: {why}")))?
        };
        let regex = regex::RegexBuilder::new(&text)
            .multi_line(has('m') && !literal)
            .case_insensitive(has('i'))
            .size_limit(1 << 20)
            .build()
            .map_err(|error| {
                let why = match error {
                    regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
                    other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
                };
                Failure::error("FORX0002", format!("the pattern is not a regular expression: {why}"))
            })?;
        Ok(Self { regex, literal, within })
    }

    /// The replacement text of XPath (`$1`, `\$`, `\\`) in the engine's form.
    pub fn replacement(&self, text: &str) -> Result<String, Failure> {
        if self.literal {
            return Ok(text.replace('$', "$$"));
        }
        let groups = self.regex.captures_len() - 1;
        let mut made = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        let invalid = || Failure::error("FORX0004", "in a replacement, `$` needs a digit and `\\` needs `$` or `\\`");
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('$') => made.push_str("$$"),
                    Some('\\') => made.push('\\'),
                    _ => return Err(invalid()),
                },
                '$' => {
                    let first = chars.next().and_then(|digit| digit.to_digit(10)).ok_or_else(invalid)?;
                    let mut number = first as usize;
                    // as many digits as still name a group
                    while let Some(digit) = chars.peek().and_then(|digit| digit.to_digit(10)) {
                        let longer = number * 10 + digit as usize;
                        if longer > groups {
                            break;
                        }
                        number = longer;
                        chars.next();
                    }
                    if number <= groups {
                        made.push_str(&format!("${{{number}}}"));
                    }
                }
                other => made.push(other),
            }
        }
        Ok(made)
    }
}
