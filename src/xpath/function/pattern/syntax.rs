//! The regular expressions of XPath (F&O 3.1 §5.6.1 over XML Schema part 2 appendix F) in the engine's notation.

use std::{fmt::Write as _, iter::Peekable, str::Chars};

use super::block::BLOCKS;

/// The flags that change the notation itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// `s`: a dot is any character.
    pub dot_all: bool,
    /// `i`.
    pub ignore_case: bool,
    /// `x`: white space outside classes does not count.
    pub ignore_space: bool,
}

/// First characters of names (XML 1.0 §2.3), as the inside of a class.
const NAME_START: &str = ":A-Z_a-z\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{2FF}\\x{370}-\\x{37D}\\x{37F}-\\x{1FFF}\\x{200C}-\\x{200D}\
    \\x{2070}-\\x{218F}\\x{2C00}-\\x{2FEF}\\x{3001}-\\x{D7FF}\\x{F900}-\\x{FDCF}\\x{FDF0}-\\x{FFFD}\\x{10000}-\\x{EFFFF}";
/// What the other characters of names add.
const NAME_MORE: &str = "\\-.0-9\\x{B7}\\x{300}-\\x{36F}\\x{203F}-\\x{2040}";
/// Classes in classes deeper than this are refused.
const MAX_DEPTH: usize = 100;

/// The pattern for the engine, and for each group (from 1) the group it lies in; or why it is none.
pub(super) fn translate(pattern: &str, flags: Flags) -> Result<(String, Vec<usize>), String> {
    let plain;
    let pattern = if flags.ignore_space {
        plain = without_space(pattern);
        &plain
    } else {
        pattern
    };
    let mut translation =
        Translation { rest: pattern.chars().peekable(), made: String::with_capacity(pattern.len() * 2), flags };
    let within = translation.expression()?;
    Ok((translation.made, within))
}

/// Flag `x`: the pattern without white space outside classes.
fn without_space(pattern: &str) -> String {
    let (mut kept, mut depth, mut escaped) = (String::new(), 0_usize, false);
    for c in pattern.chars() {
        match c {
            ' ' | '\t' | '\n' | '\r' if depth == 0 => continue,
            '[' if !escaped => depth += 1,
            ']' if !escaped => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        kept.push(c);
    }
    kept
}

/// A character, or a set of them as the inside of a class.
enum Atom {
    One(char),
    Set(String),
}

struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    made: String,
    flags: Flags,
}

impl Translation<'_> {
    fn expression(&mut self) -> Result<Vec<usize>, String> {
        let mut within = vec![0];
        // the groups that are open; 0 for one that does not count
        let mut open: Vec<usize> = Vec::new();
        while let Some(c) = self.rest.next() {
            match c {
                '|' => {
                    self.made.push('|');
                    continue;
                }
                '(' => {
                    if self.rest.next_if_eq(&'?').is_some() {
                        if self.rest.next_if_eq(&':').is_none() {
                            return Err("after `(?` only `:` may follow".to_owned());
                        }
                        self.made.push_str("(?:");
                        open.push(0);
                    } else {
                        self.made.push('(');
                        within.push(open.iter().rev().find(|group| **group > 0).copied().unwrap_or(0));
                        open.push(within.len() - 1);
                    }
                    continue;
                }
                ')' => {
                    if open.pop().is_none() {
                        return Err("`)` closes nothing".to_owned());
                    }
                    self.made.push(')');
                }
                '^' | '$' => {
                    // the engine repeats assertions in groups only
                    let _ = write!(self.made, "(?:{c})");
                }
                '.' if self.flags.dot_all => self.made.push_str("(?s:.)"),
                '.' => self.made.push_str("[^\\n\\r]"),
                '[' => {
                    let class = self.class(0)?;
                    self.made.push_str(&class);
                }
                '\\' => match self.escape()? {
                    Atom::One(c) => push_char(&mut self.made, c),
                    Atom::Set(set) if self.flags.ignore_case => {
                        let _ = write!(self.made, "(?-i:[{set}])");
                    }
                    Atom::Set(set) => {
                        let _ = write!(self.made, "[{set}]");
                    }
                },
                ']' | '}' | '{' => return Err(format!("`{c}` must be written `\\{c}`")),
                '*' | '+' | '?' => return Err(format!("`{c}` repeats nothing")),
                other => push_char(&mut self.made, other),
            }
            self.quantifier()?;
        }
        if !open.is_empty() {
            return Err("a `(` is not closed".to_owned());
        }
        Ok(within)
    }

    fn quantifier(&mut self) -> Result<(), String> {
        match self.rest.peek() {
            Some(c @ ('*' | '+' | '?')) => self.made.push(*c),
            Some('{') => {
                self.rest.next();
                let mut quantity = String::new();
                loop {
                    match self.rest.next() {
                        Some('}') => break,
                        Some(c) => quantity.push(c),
                        None => return Err("a `{` is not closed".to_owned()),
                    }
                }
                let bound = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>());
                let wrong = || format!("`{{{quantity}}}` is no quantity: it is {{n}}, {{n,}} or {{n,m}}");
                let (least, most) = quantity.split_once(',').unwrap_or((&quantity, &quantity));
                let least = bound(least).ok_or_else(wrong)?.map_err(|_| wrong())?;
                if !most.is_empty() && bound(most).ok_or_else(wrong)?.map_err(|_| wrong())? < least {
                    return Err(wrong());
                }
                let _ = write!(self.made, "{{{quantity}}}");
                return self.reluctant();
            }
            _ => return Ok(()),
        }
        self.rest.next();
        self.reluctant()
    }

    fn reluctant(&mut self) -> Result<(), String> {
        if self.rest.next_if_eq(&'?').is_some() {
            self.made.push('?');
        }
        match self.rest.peek() {
            Some(c @ ('*' | '+' | '?' | '{')) => Err(format!("`{c}` repeats a repetition")),
            _ => Ok(()),
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Atom, String> {
        let Some(c) = self.rest.next() else { return Err("it ends with `\\`".to_owned()) };
        Ok(match c {
            'n' => Atom::One('\n'),
            'r' => Atom::One('\r'),
            't' => Atom::One('\t'),
            '\\' | '|' | '.' | '-' | '^' | '?' | '*' | '+' | '{' | '}' | '(' | ')' | '[' | ']' | '$' => Atom::One(c),
            's' => Atom::Set(" \\t\\n\\r".to_owned()),
            'S' => Atom::Set("^ \\t\\n\\r".to_owned()),
            'i' => Atom::Set(NAME_START.to_owned()),
            'I' => Atom::Set(format!("^{NAME_START}")),
            'c' => Atom::Set(format!("{NAME_START}{NAME_MORE}")),
            'C' => Atom::Set(format!("^{NAME_START}{NAME_MORE}")),
            'd' => Atom::Set("\\p{Nd}".to_owned()),
            'D' => Atom::Set("^\\p{Nd}".to_owned()),
            'w' => Atom::Set("^\\p{P}\\p{Z}\\p{C}".to_owned()),
            'W' => Atom::Set("\\p{P}\\p{Z}\\p{C}".to_owned()),
            'p' => Atom::Set(self.property(false)?),
            'P' => Atom::Set(self.property(true)?),
            '1'..='9' => {
                return Err(format!("back-references (`\\{c}`) are not available: patterns run in linear time"));
            }
            other => return Err(format!("`\\{other}` means nothing")),
        })
    }

    /// `{Lu}` or `{IsBasicLatin}`.
    fn property(&mut self, negated: bool) -> Result<String, String> {
        if self.rest.next_if_eq(&'{').is_none() {
            return Err("`\\p` needs `{…}`".to_owned());
        }
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('}') => break,
                Some(c) => name.push(c),
                None => return Err("`\\p{` is not closed".to_owned()),
            }
        }
        let sign = if negated { "^" } else { "" };
        if let Some(block) = name.strip_prefix("Is") {
            let mut ranges = String::new();
            for (_, first, last) in BLOCKS.iter().filter(|(known, ..)| *known == block) {
                let _ = write!(ranges, "\\x{{{first:X}}}-\\x{{{last:X}}}");
            }
            if ranges.is_empty() {
                return Err(format!("there is no Unicode block `{block}`"));
            }
            return Ok(format!("{sign}{ranges}"));
        }
        let mut letters = name.chars();
        let minor = match letters.next() {
            Some('L') => "ultmo",
            Some('M') => "nce",
            Some('N') => "dlo",
            Some('P') => "cdseifo",
            Some('Z') => "slp",
            Some('S') => "mcko",
            Some('C') => "cfon",
            _ => "",
        };
        let known = !minor.is_empty() && letters.next().is_none_or(|c| minor.contains(c)) && letters.next().is_none();
        if !known {
            return Err(format!("there is no category `{name}`"));
        }
        Ok(format!("{sign}\\p{{{name}}}"))
    }

    /// The inside of `[…]`, its `[` read; the class for the engine.
    fn class(&mut self, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err("classes are nested too deep".to_owned());
        }
        let unclosed = || "a `[` is not closed".to_owned();
        let negated = self.rest.next_if_eq(&'^').is_some();
        let (mut set, mut less, mut ranged) = (String::new(), None, false);
        loop {
            let (first, after_range) = (set.is_empty(), std::mem::take(&mut ranged));
            let c = self.rest.next().ok_or_else(unclosed)?;
            let from = match c {
                ']' if first => return Err("`[]` has no character".to_owned()),
                ']' => break,
                '[' => return Err("`[` inside `[…]` must be written `\\[`".to_owned()),
                '-' if self.rest.peek() == Some(&'[') && !first => {
                    self.rest.next();
                    less = Some(self.class(depth + 1)?);
                    if self.rest.next() != Some(']') {
                        return Err("nothing may follow the class that is taken away".to_owned());
                    }
                    break;
                }
                // a hyphen stands for itself at the beginning, at the end, behind a range and before a subtraction
                '-' if !first && !after_range && self.rest.peek() != Some(&']') && !self.before_subtraction() => {
                    return Err("`-` must be written `\\-` there".to_owned());
                }
                '\\' => match self.escape()? {
                    Atom::One(c) => c,
                    Atom::Set(inside) => {
                        let _ = write!(set, "[{inside}]");
                        continue;
                    }
                },
                other => other,
            };
            push_char(&mut set, from);
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && !matches!(ahead.peek(), Some('[' | ']') | None) {
                // `a--[…]`: the hyphen itself, then a subtraction
                if ahead.peek() == Some(&'-') && ahead.clone().nth(1) == Some('[') {
                    continue;
                }
                self.rest.next();
                let to = match self.rest.next().ok_or_else(unclosed)? {
                    '\\' => match self.escape()? {
                        Atom::One(c) => c,
                        Atom::Set(_) => return Err("a range needs a character at both ends".to_owned()),
                    },
                    other => other,
                };
                if to < from {
                    return Err(format!("the range `{from}-{to}` is upside down"));
                }
                set.push('-');
                push_char(&mut set, to);
                ranged = true;
            }
        }
        let sign = if negated { "^" } else { "" };
        Ok(match less {
            None => format!("[{sign}{set}]"),
            Some(less) => format!("[[{sign}{set}]--{less}]"),
        })
    }

    /// Whether `-[` follows.
    fn before_subtraction(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next() == Some('-') && ahead.next() == Some('[')
    }
}

fn push_char(made: &mut String, c: char) {
    if c.is_alphanumeric() {
        made.push(c);
    } else {
        let _ = write!(made, "\\x{{{:X}}}", u32::from(c));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;

    fn matches(pattern: &str, flags: &str, text: &str) -> bool {
        Pattern::compile(pattern, flags).expect(pattern).regex.is_match(text)
    }

    #[test]
    fn classes_subtract_and_name_blocks_and_categories() {
        for (pattern, text, expected) in [
            ("^[a-z-[aeiou]]+$", "xyz", true),
            ("^[a-z-[aeiou]]+$", "xaz", false),
            ("^[^a-z-[5]]$", "5", false),
            ("^[^a-z-[5]]$", "6", true),
            ("^[\\c-[\\i]]$", "-", true),
            ("^\\p{IsBasicLatin}$", "é", false),
            ("^\\P{IsGreek}$", "é", true),
            ("^\\i\\c*$", "a:b-1", true),
            ("^[-a]$", "-", true),
            ("^[a-]$", "-", true),
            ("^[a-c-1-4]+$", "b-3", true),
            ("^[+--[+]]$", "-", true),
            ("^[&&~]$", "~", true),
            ("^.$", "\r", false),
            ("^\\s$", "\u{a0}", false),
        ] {
            assert_eq!(matches(pattern, "", text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn flags_change_the_notation() {
        assert!(matches("^a b$", "x", "ab"));
        assert!(matches("^[ ]$", "x", " "));
        assert!(matches("a#b", "x", "a#b"));
        assert!(matches("^.$", "s", "\n"));
        assert!(!matches("^\\p{Lu}$", "i", "a"));
        assert!(matches("^[A-Z-[IO]]$", "i", "b") && !matches("^[A-Z-[IO]]$", "i", "o"));
        assert!(matches("a.b", "q", "a.b") && !matches("a.b", "q", "axb"));
        assert!(matches("^b$", "m", "a\nb\nc") && !matches("^b$", "", "a\nb"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [
            "a**",
            "*",
            "a{2,1}",
            "a{,3}",
            "a{x}",
            "a{2",
            "(",
            ")",
            "[",
            "[]",
            "]",
            "}",
            "[\\d-z]",
            "[b-a]",
            "[[]",
            "(a)\\1",
            "\\y",
            "\\",
            "\\p{Xx}",
            "\\p{IsNowhere}",
            "\\pL",
            "(?i)",
            "(?=a)",
            "[\\d-z]x[",
            "{2}",
        ] {
            assert!(Pattern::compile(pattern, "").is_err(), "{pattern}");
        }
    }
}
