//! Regular expressions of XPath (F&O 3.1 §5.6.1) on a linear-time engine.

use regex::Regex;

use crate::xpath::Failure;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(in crate::xpath) struct Pattern {
    pub regex: Regex,
    /// Flag `q`: pattern and replacement are literal.
    pub literal: bool,
}

impl Pattern {
    /// Compiles a pattern with flags `s m i x q`.
    pub fn compile(pattern: &str, flags: &str) -> Result<Self, Failure> {
        if let Some(bad) = flags.chars().find(|flag| !"smixq".contains(*flag)) {
            return Err(Failure::error("FORX0001", format!("`{bad}` is no flag; flags are s, m, i, x, q")));
        }
        let has = |flag| flags.contains(flag);
        let literal = has('q');
        let text = if literal { regex::escape(pattern) } else { translated(pattern)? };
        let regex = regex::RegexBuilder::new(&text)
            .dot_matches_new_line(has('s'))
            .multi_line(has('m'))
            .case_insensitive(has('i'))
            .ignore_whitespace(has('x') && !literal)
            .size_limit(1 << 20)
            .build()
            .map_err(|error| {
                let why = match error {
                    regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
                    other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
                };
                Failure::error("FORX0002", format!("the pattern is not a regular expression: {why}"))
            })?;
        Ok(Self { regex, literal })
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

/// XML Schema's notations in the engine's: name characters and subtraction; refuses what the engine adds.
fn translated(pattern: &str) -> Result<String, Failure> {
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
                Some(digit @ '1'..='9') => {
                    return Err(Failure::error("FORX0002", format!("back-references (`\\{digit}`) are not available")));
                }
                Some(escape) if "nrtdDsSwWpP\\|.-^?*+{}()[]$".contains(escape) => {
                    made.push('\\');
                    made.push(escape);
                }
                Some(other) => {
                    return Err(Failure::error("FORX0002", format!("`\\{other}` means nothing in a pattern")));
                }
                None => return Err(Failure::error("FORX0002", "the pattern ends with `\\`")),
            },
            '[' if class > 0 => return Err(Failure::error("FORX0002", "`[` inside `[…]` must be written `\\[`")),
            '[' => {
                class += 1;
                made.push('[');
                if chars.peek() == Some(&'^') {
                    chars.next();
                    made.push('^');
                }
            }
            ']' => {
                class = class.saturating_sub(1);
                made.push(']');
            }
            '-' if class > 0 && chars.peek() == Some(&'[') => {
                made.push_str("--[");
                chars.next();
                class += 1;
                if chars.peek() == Some(&'^') {
                    chars.next();
                    made.push('^');
                }
            }
            '&' | '~' if class > 0 => {
                made.push('\\');
                made.push(c);
            }
            '(' if chars.peek() == Some(&'?') => {
                let mut ahead = chars.clone();
                ahead.next();
                if ahead.peek() != Some(&':') {
                    return Err(Failure::error("FORX0002", "only `(?:` is available after `(`"));
                }
                made.push('(');
            }
            other => made.push(other),
        }
    }
    Ok(made)
}
