//! How a command ends.

use std::{fmt, process::ExitCode};

use serde_json::{Value, json};

use crate::base::{Problem, Severity};

/// The exit codes; frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Ok = 0,
    /// The operation failed.
    Failed = 1,
    /// Wrong words on the command line, or invalid settings.
    Usage = 2,
    /// What was asked for is not there.
    NotFound = 3,
    /// Not permitted.
    Denied = 4,
    /// Server, broker or store cannot be reached.
    Unreachable = 5,
    /// Some of it succeeded.
    Partly = 6,
    /// A check found problems.
    Problems = 7,
    /// A conflict or an unmet precondition.
    Conflict = 8,
    /// It took too long.
    Timeout = 9,
    /// Daemon: the journal failed; restart.
    Store = 70,
    /// Daemon: the configuration is bad; a restart does not help.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failed {
    /// The exit code.
    pub exit: Exit,
    /// What to tell.
    pub text: String,
}

impl Failed {
    /// A failure with an exit code.
    pub fn new(exit: Exit, text: impl fmt::Display) -> Self {
        Self { exit, text: text.to_string() }
    }
}

/// Problems on standard error, one a line.
pub fn show_problems<'a>(problems: impl IntoIterator<Item = &'a Problem>) {
    for problem in problems {
        eprintln!("{problem}");
    }
}

/// A problem as JSON.
#[must_use]
pub fn problem_json(problem: &Problem) -> Value {
    json!({
        "code": problem.code.id,
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "text": problem.text,
        "file": problem.place.file.as_deref(),
        "line": problem.place.line,
        "column": problem.place.column,
        "path": problem.place.path,
        "hint": problem.hint,
    })
}

/// A line on standard output. Whoever closed the pipe wants no more: the process ends quietly.
pub fn out(line: fmt::Arguments<'_>) {
    use std::io::Write as _;
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// JSON for people and programs: indented, one document.
pub fn print_json(value: &Value) {
    out(format_args!("{value:#}"));
}

/// A list in both languages picks by this.
#[must_use]
pub fn say<'a>(language: crate::base::Language, english: &'a str, chinese: &'a str) -> &'a str {
    match language {
        crate::base::Language::English => english,
        crate::base::Language::Chinese => chinese,
    }
}
