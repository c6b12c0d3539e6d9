//! Error codes: a stable name for a kind of problem, with its title in both languages.

use std::fmt;

/// The languages the program speaks to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// 简体中文.
    Chinese,
}

/// A stable, documented name for one kind of problem: `XD-` + the area's letter + three digits.
///
/// Every code has a page `docs/reference/errors/<id>.md`, shown by `crossdock explain <id>`.
#[derive(Clone, Copy)]
pub struct Code {
    /// `XD-M012`.
    pub id: &'static str,
    /// What is wrong, in English, without detail.
    pub title: &'static str,
    /// The same in Chinese.
    pub title_zh: &'static str,
}

impl Code {
    /// Names a code; used for constants only.
    #[must_use]
    pub const fn new(id: &'static str, title: &'static str, title_zh: &'static str) -> Self {
        Self { id, title, title_zh }
    }

    /// The title in a language.
    #[must_use]
    pub fn title_in(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.title,
            Language::Chinese => self.title_zh,
        }
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
