//! A text of the form a pattern asks for: the first alternative, the first character, the fewest repetitions.

use std::{iter::Peekable, str::Chars};

/// Characters tried against a class that says what it is not.
const OTHERS: &str = "a1A -_.";
/// Groups nest and repeat at most so much.
const MAX_DEPTH: usize = 16;
const MOST_CHARACTERS: usize = 10_000;

/// A text of that form; `None` where the pattern uses more than is understood here. To be checked by the caller.
pub(super) fn example(pattern: &str) -> Option<String> {
    let mut chars = pattern.chars().peekable();
    alternatives(&mut chars, 0)
}

/// Reads up to the end of the group.
fn alternatives(chars: &mut Peekable<Chars<'_>>, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut first: Option<String> = None;
    let mut made = String::new();
    loop {
        let piece = match chars.peek().copied() {
            None | Some(')') => return Some(first.unwrap_or(made)),
            Some('|') => {
                chars.next();
                first.get_or_insert(std::mem::take(&mut made));
                made.clear();
                continue;
            }
            Some('(') => {
                chars.next();
                let group = alternatives(chars, depth + 1)?;
                chars.next_if_eq(&')')?;
                group
            }
            Some('[') => {
                chars.next();
                class(chars)?.to_string()
            }
            Some('\\') => {
                chars.next();
                escaped(chars)?.to_string()
            }
            Some('.') => {
                chars.next();
                "a".to_owned()
            }
            Some(other) => {
                chars.next();
                other.to_string()
            }
        };
        for _ in 0..repetitions(chars)? {
            if made.len() > MOST_CHARACTERS {
                return None;
            }
            made.push_str(&piece);
        }
    }
}

/// The fewest repetitions a quantifier allows; one without.
fn repetitions(chars: &mut Peekable<Chars<'_>>) -> Option<usize> {
    match chars.peek() {
        Some('?' | '*') => {
            chars.next();
            Some(0)
        }
        Some('+') => {
            chars.next();
            Some(1)
        }
        Some('{') => {
            chars.next();
            let mut written = String::new();
            for next in chars.by_ref() {
                if next == '}' {
                    break;
                }
                written.push(next);
            }
            written.split(',').next()?.trim().parse().ok()
        }
        _ => Some(1),
    }
}

/// A character of an escape (XSD 1.0 part 2 §F.1.1).
fn escaped(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match chars.next()? {
        'd' => '1',
        'w' | 'i' | 'c' | 'D' | 'S' => 'a',
        's' | 'W' => ' ',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'p' => {
            let name: String = chars.by_ref().take_while(|next| *next != '}').skip(1).collect();
            match name.chars().next()? {
                'L' if name == "Lu" => 'A',
                'L' => 'a',
                'N' => '1',
                'P' => '-',
                'Z' => ' ',
                _ => return None,
            }
        }
        other if other.is_ascii_alphabetic() => return None,
        other => other,
    })
}

/// A character of a class; subtraction is not understood.
fn class(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let is_negated = chars.next_if_eq(&'^').is_some();
    let mut ranges: Vec<(char, char)> = Vec::new();
    loop {
        let from = match chars.next()? {
            ']' => break,
            '[' => return None,
            '\\' => escaped(chars)?,
            other => other,
        };
        let mut ahead = chars.clone();
        let is_range = ahead.next() == Some('-') && !matches!(ahead.next(), Some(']' | '[') | None);
        let to = if is_range {
            chars.next();
            match chars.next()? {
                '\\' => escaped(chars)?,
                other => other,
            }
        } else {
            from
        };
        ranges.push((from, to));
    }
    if is_negated {
        return OTHERS.chars().find(|one| !ranges.iter().any(|(from, to)| (*from..=*to).contains(one)));
    }
    ranges.first().map(|(from, _)| *from)
}

#[cfg(test)]
mod tests {
    use super::example;
    use crate::schema::Pattern;

    #[test]
    fn the_text_has_the_form() {
        for pattern in [
            "[0-9]{4}",
            "a|b",
            "(ab|c){2,3}x?",
            "\\d{3}-\\d{2}",
            "[A-HJ-NPR-Z0-9]{17}",
            "[^ ]+",
            "\\i\\c*",
            "\\p{Lu}[a-z]+",
            "[a\\-b]+.",
            "\\+?[1-9][0-9]*",
        ] {
            let made = example(pattern).expect("an example");
            assert!(Pattern::new(&[pattern]).holds(&made), "{pattern}: {made}");
        }
        assert_eq!(example("[a-z-[aeiou]]"), None);
    }
}
