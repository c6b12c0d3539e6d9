//! Takes a block of keys apart, collecting every problem.

use std::{cell::RefCell, sync::Arc, time::Duration};

use super::{Data, Key, Yaml, code};
use crate::base::{Problem, Problems, parse_duration, parse_size};

/// One block of keys being read: every `get` names a key it knows; [`Fields::finish`] reports the rest.
pub struct Fields<'a> {
    node: &'a Yaml,
    file: &'a Arc<str>,
    problems: &'a RefCell<Problems>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// Begins to read a block. Anything but a block of keys is a problem, and reads as empty.
    #[must_use]
    pub fn new(node: &'a Yaml, file: &'a Arc<str>, problems: &'a RefCell<Problems>) -> Self {
        if !matches!(node.data, Data::Map(_)) {
            let text = format!("expected a block of keys, found {}", node.kind());
            problems.borrow_mut().push(Problem::new(code::WRONG_VALUE, text).at(node.place(file)));
        }
        Self { node, file, problems, known: RefCell::default() }
    }

    /// The block itself.
    #[must_use]
    pub fn node(&self) -> &'a Yaml {
        self.node
    }

    /// The file it is from.
    #[must_use]
    pub fn file(&self) -> &'a Arc<str> {
        self.file
    }

    /// Where problems go.
    #[must_use]
    pub fn problems(&self) -> &'a RefCell<Problems> {
        self.problems
    }

    /// Reports a problem.
    pub fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// The value of a key; `None` when absent or null.
    pub fn get(&self, key: &'static str) -> Option<&'a Yaml> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.node.get(key).filter(|value| value.data != Data::Null)
    }

    /// The value of a key that must be there.
    pub fn required(&self, key: &'static str) -> Option<&'a Yaml> {
        let value = self.get(key);
        if value.is_none() && matches!(self.node.data, Data::Map(_)) {
            let text = format!("key `{key}` is missing");
            self.report(Problem::new(code::MISSING_KEY, text).at(self.node.place(self.file)));
        }
        value
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<&'a str> {
        self.get(key).and_then(|value| self.as_text(key, value))
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &'static str) -> Option<&'a str> {
        self.required(key).and_then(|value| self.as_text(key, value))
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        self.parsed(key, "`true` or `false`", |text| text.parse().ok())
    }

    /// A whole number.
    pub fn number(&self, key: &'static str) -> Option<u64> {
        self.parsed(key, "a whole number", |text| text.parse().ok())
    }

    /// A duration with its unit: `250ms`, `30s`, `5m`, `2h`, `7d`.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration with its unit (`250ms`, `30s`, `5m`, `2h`, `7d`)", parse_duration)
    }

    /// A size with its unit: `512`, `64KiB`, `10MiB`, `1GiB`.
    pub fn size(&self, key: &'static str) -> Option<usize> {
        self.parsed(key, "a size with its unit (`64KiB`, `10MiB`, `1GiB`)", parse_size)
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let value = self.get(key)?;
        let written = self.as_text(key, value)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == written) {
            return Some(*meaning);
        }
        let list = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let text = format!("`{key}` is one of {list}; found `{written}`");
        let problem = Problem::new(code::WRONG_VALUE, text).at(value.place(self.file));
        self.report(problem.did_you_mean(written, words.iter().map(|(word, _)| *word)));
        None
    }

    /// A list; a single value counts as a list of one.
    pub fn list(&self, key: &'static str) -> Vec<&'a Yaml> {
        match self.get(key) {
            None => Vec::new(),
            Some(value) => match &value.data {
                Data::List(items) => items.iter().collect(),
                _ => vec![value],
            },
        }
    }

    /// A block of free keys; in file order.
    pub fn entries(&self, key: &'static str) -> &'a [(Key, Yaml)] {
        let Some(value) = self.get(key) else { return &[] };
        if !matches!(value.data, Data::Map(_)) {
            self.wrong(key, value, "a block of keys");
        }
        value.entries()
    }

    /// A nested block with known keys.
    pub fn block(&self, key: &'static str) -> Option<Self> {
        self.get(key).map(|value| Self::new(value, self.file, self.problems))
    }

    /// Reports every key that was not asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.node.entries() {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let problem = Problem::new(code::UNKNOWN_KEY, format!("unknown key `{}`", key.text))
                .at(key.place(self.file))
                .hint(format!("known here: {}", known.join(", ")))
                .did_you_mean(&key.text, known.iter().copied());
            self.report(problem);
        }
    }

    fn as_text(&self, key: &str, value: &'a Yaml) -> Option<&'a str> {
        let text = value.text();
        if text.is_none() {
            self.wrong(key, value, "a text");
        }
        text
    }

    fn parsed<T>(&self, key: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let parsed = value.text().and_then(parse);
        if parsed.is_none() {
            self.wrong(key, value, expected);
        }
        parsed
    }

    fn wrong(&self, key: &str, value: &Yaml, expected: &str) {
        let text = format!("`{key}` must be {expected}, found {}", value.kind());
        self.report(Problem::new(code::WRONG_VALUE, text).at(value.place(self.file)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::parse;

    #[test]
    fn every_problem_of_a_block_is_reported_at_once() {
        let file: Arc<str> = "s.yaml".into();
        let root = parse("nmae: x\nretry: soon\nmode: strikt\nsize: 2MiB\nwait: 30s\n", &file).expect("good YAML");
        let problems = RefCell::default();
        let fields = Fields::new(&root, &file, &problems);
        assert_eq!(fields.required_text("name"), None);
        assert_eq!(fields.number("retry"), None);
        assert_eq!(fields.word("mode", &[("strict", 1), ("off", 2)]), None);
        assert_eq!(fields.size("size"), Some(2 << 20));
        assert_eq!(fields.duration("wait"), Some(Duration::from_secs(30)));
        fields.finish();
        let shown: Vec<String> = problems.borrow().0.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "s.yaml:1:1: error XD-C003: key `name` is missing",
                "s.yaml:2:8: error XD-C004: `retry` must be a whole number, found a text",
                "s.yaml:3:7: error XD-C004: `mode` is one of `strict`, `off`; found `strikt` (did you mean `strict`?)",
                "s.yaml:1:1: error XD-C002: unknown key `nmae` (did you mean `name`?)",
            ]
        );
    }
}
