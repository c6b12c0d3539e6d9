//! What HTTP statuses mean where a partner uses them in ways of its own.

use std::collections::BTreeMap;

use super::code;
use crate::{
    base::Problem,
    content::{Fields, Key, Yaml},
};

/// What a status means for a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusMeaning {
    /// Taken, unless the profile reads something else in the reply.
    Delivered,
    /// Not taken; worth another try.
    Retry,
    /// Refused for good.
    Rejected,
    /// It may have been taken.
    Unknown,
    /// The address is gone: the destination gets nothing until a person acts.
    Gone,
}

impl StatusMeaning {
    const WORDS: [(&'static str, Self); 5] = [
        ("delivered", Self::Delivered),
        ("retry", Self::Retry),
        ("rejected", Self::Rejected),
        ("unknown", Self::Unknown),
        ("gone", Self::Gone),
    ];
}

/// Meanings by status, or by class of statuses (`4xx`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusTable {
    statuses: BTreeMap<u16, StatusMeaning>,
    classes: BTreeMap<u16, StatusMeaning>,
}

impl StatusTable {
    /// Reads a block of statuses and classes: `{409: retry, 5xx: unknown}`.
    #[must_use]
    pub fn read(fields: &Fields<'_>, key: &'static str) -> Self {
        let mut table = Self::default();
        for (status, meaning) in fields.entries(key) {
            table.add(status, meaning, fields);
        }
        table
    }

    fn add(&mut self, key: &Key, value: &Yaml, fields: &Fields<'_>) {
        let word = value.text().unwrap_or_default();
        let words = StatusMeaning::WORDS;
        let Some((_, meaning)) = words.iter().find(|(known, _)| *known == word) else {
            let list = words.map(|(word, _)| format!("`{word}`")).join(", ");
            let problem = Problem::new(code::STATUS, format!("a status means one of {list}; found `{word}`"))
                .at(value.place(fields.file()));
            return fields.report(problem.did_you_mean(word, words.iter().map(|(word, _)| *word)));
        };
        let class = key.text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
        match (class, key.text.parse::<u16>()) {
            (Some(class @ 2..=5), _) => drop(self.classes.insert(class, *meaning)),
            (None, Ok(status @ 200..=599)) => drop(self.statuses.insert(status, *meaning)),
            _ => {
                let text = format!("`{}` is no status of an answer: 200 to 599, or `4xx` for a class", key.text);
                fields.report(Problem::new(code::STATUS, text).at(key.place(fields.file())));
            }
        }
    }

    /// What a status means, its own meaning before its class's; `None` when the table does not say.
    #[must_use]
    pub fn of(&self, status: u16) -> Option<StatusMeaning> {
        self.statuses.get(&status).or_else(|| self.classes.get(&(status / 100))).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, sync::Arc};

    use super::*;
    use crate::content::parse;

    fn table(text: &str) -> (StatusTable, Vec<String>) {
        let file: Arc<str> = "s.yaml".into();
        let root = parse(text, &file).expect("good YAML");
        let problems = RefCell::default();
        let fields = Fields::new(&root, &file, &problems);
        let table = StatusTable::read(&fields, "outcomes");
        let shown = problems.borrow().0.iter().map(ToString::to_string).collect();
        (table, shown)
    }

    #[test]
    fn a_status_is_looked_up_before_its_class() {
        let (table, problems) =
            table("outcomes: {409: retry, 4xx: rejected, 503: unknown, 410: gone, 207: delivered}\n");
        assert!(problems.is_empty(), "{problems:?}");
        for (status, meaning) in [
            (409, Some(StatusMeaning::Retry)),
            (404, Some(StatusMeaning::Rejected)),
            (410, Some(StatusMeaning::Gone)),
            (503, Some(StatusMeaning::Unknown)),
            (207, Some(StatusMeaning::Delivered)),
            (500, None),
            (200, None),
        ] {
            assert_eq!(table.of(status), meaning, "{status}");
        }
    }

    #[test]
    fn what_is_no_status_or_no_meaning_is_told_with_its_place() {
        let (_, problems) = table("outcomes: {99: retry, 6xx: retry, 409: retyr, x: gone}\n");
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[2].contains("did you mean `retry`?"), "{problems:?}");
    }
}
