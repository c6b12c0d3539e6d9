//! A problem: what is wrong, where, and what to do about it.

use std::{fmt, sync::Arc};

use super::Code;

/// Where a problem lies. Any part may be unknown; an unknown line is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user would name it.
    pub file: Option<Arc<str>>,
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column in characters, from 1; 0 when unknown.
    pub column: u32,
    /// The path inside a document (`/SalesOrder/Line[2]/Quantity`) or a file (`output.saleorder.header.code`).
    pub path: Option<String>,
}

impl Place {
    /// Somewhere in a text of unknown name.
    #[must_use]
    pub fn at(line: u32, column: u32) -> Self {
        Self { line, column, ..Self::default() }
    }

    /// A place in a file.
    #[must_use]
    pub fn in_file(file: &Arc<str>, line: u32, column: u32) -> Self {
        Self { file: Some(file.clone()), line, column, path: None }
    }

    /// The same place with a path inside the document.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Line and column (both from 1, column in characters) of a byte offset in a text.
    #[must_use]
    pub fn of_offset(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[start..].chars().count() + 1;
        Self::at(u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

/// `file:line:column`, leaving out what is unknown; then the path in parentheses.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(file) = &self.file {
            parts.push(file.to_string());
        }
        if self.line > 0 {
            parts.push(format!("{}:{}", self.line, self.column));
        }
        if let Some(path) = &self.path {
            parts.push(if parts.is_empty() { path.clone() } else { format!("({path})") });
        }
        let mut shown = parts.join(":");
        if let Some(at) = shown.find(":(") {
            shown.replace_range(at..=at, " ");
        }
        f.write_str(&shown)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, but probably not as meant.
    Warning,
    /// Cannot work.
    Error,
}

/// One problem, complete: what, where, why, what to do. Carries no payload value beyond names and short literals from
/// the user's own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of problem.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// One sentence for people: what is wrong and what was expected.
    pub text: String,
    /// Where.
    pub place: Place,
    /// What to do: "did you mean …", the next command.
    pub hint: Option<String>,
}

impl Problem {
    /// An error without a place.
    #[must_use]
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, text: text.into(), place: Place::default(), hint: None }
    }

    /// The same problem as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same problem at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The same problem with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem with "did you mean" when a candidate is close to what was written.
    #[must_use]
    pub fn did_you_mean<'a>(mut self, written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(best) = super::suggest(written, candidates) {
            self.hint = Some(format!("did you mean `{best}`?"));
        }
        self
    }
}

/// `file:line:column: error XD-M012: text (hint)`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity} {}: {}", self.code, self.text)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Every problem found, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether any is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Sorts by file, line and column, and drops repeats.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let key = |p: &Problem| (p.place.file.clone(), p.place.line, p.place.column, p.code.id, p.text.clone());
            key(a).cmp(&key(b))
        });
        self.0.dedup();
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// One a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::{Place, Problem};
    use crate::base::Code;

    const CODE: Code = Code::new("XD-Z001", "for this test", "测试");

    #[test]
    fn a_problem_reads_file_line_column_code_text_hint() {
        let place = Place { file: Some("a.yaml".into()), line: 3, column: 7, path: Some("output.x".into()) };
        let problem = Problem::new(CODE, "no such name `custmer`").at(place).did_you_mean("custmer", ["customer"]);
        assert_eq!(
            problem.to_string(),
            "a.yaml:3:7 (output.x): error XD-Z001: no such name `custmer` (did you mean `customer`?)"
        );
    }

    #[test]
    fn columns_count_characters() {
        let place = Place::of_offset("一\n二三x", "一\n二三".len());
        assert_eq!((place.line, place.column), (2, 3));
    }
}
