//! What is said about a run: on the screen, in `target/tmp`, in the documentation.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::{
    Outcome, Verdict,
    applicability::{Lack, UNKNOWN},
    known::Known,
};

/// How often something was found, the most frequent first.
type Counts<'a> = Vec<(&'a str, Vec<&'a str>)>;

/// The score of a run.
pub struct Score<'a> {
    outcomes: &'a [Outcome],
    /// Name, passed, applicable.
    sets: Vec<(&'a str, usize, usize)>,
    pub passed: usize,
    pub applicable: usize,
    failures: Counts<'a>,
    lacks: Counts<'a>,
}

impl<'a> Score<'a> {
    pub fn new(outcomes: &'a [Outcome]) -> Self {
        let mut sets: Vec<(&str, usize, usize)> = Vec::new();
        let mut failures: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut lacks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for Outcome { set, case, verdict } in outcomes {
            if sets.last().is_none_or(|(name, ..)| name != set) {
                sets.push((set, 0, 0));
            }
            let counted = sets.last_mut().expect("one was pushed");
            match verdict {
                Verdict::Passed => (counted.1, counted.2) = (counted.1 + 1, counted.2 + 1),
                Verdict::Failed { group, .. } => {
                    counted.2 += 1;
                    failures.entry(group).or_default().push(&case.name);
                }
                Verdict::NotApplicable(reason) => lacks.entry(reason).or_default().push(&case.name),
            }
        }
        let frequent = |counts: BTreeMap<&'a str, Vec<&'a str>>| {
            let mut counts: Counts<'_> = counts.into_iter().collect();
            counts.sort_by_key(|(_, tests)| std::cmp::Reverse(tests.len()));
            counts
        };
        Self {
            outcomes,
            passed: sets.iter().map(|(_, passed, _)| passed).sum(),
            applicable: sets.iter().map(|(.., applicable)| applicable).sum(),
            sets,
            failures: frequent(failures),
            lacks: frequent(lacks),
        }
    }

    /// Test (`set/test`) and kind of every failure, in the order of the suite.
    pub fn failed(&self) -> Vec<(String, String)> {
        let failed = |outcome: &Outcome| match &outcome.verdict {
            Verdict::Failed { group, .. } => Some((format!("{}/{}", outcome.set, outcome.case.name), group.clone())),
            _ => None,
        };
        self.outcomes.iter().filter_map(failed).collect()
    }

    /// Every failure whole.
    pub fn print_failures(&self) {
        for Outcome { set, case, verdict } in self.outcomes {
            if let Verdict::Failed { got, .. } = verdict {
                println!("{set}/{}\n  test      {}\n  expected  {:?}", case.name, case.test, case.expected);
                println!("  got       {got}");
            }
        }
    }

    /// Every test with its end, a line each, to a file.
    pub fn save(&self, file: &Path) {
        let mut listing = String::new();
        for Outcome { set, case, verdict } in self.outcomes {
            let (word, reason) = match verdict {
                Verdict::Passed => ("pass", ""),
                Verdict::Failed { got, .. } => ("fail", got.as_str()),
                Verdict::NotApplicable(reason) => ("n/a", reason.as_str()),
            };
            let _ = writeln!(listing, "{set}\t{}\t{word}\t{}", case.name, reason.replace(['\n', '\r', '\t'], " "));
        }
        std::fs::write(file, listing).expect("target/tmp can be written");
    }

    pub fn print(&self) {
        for (name, passed, applicable) in self.sets.iter().filter(|(_, passed, applicable)| passed < applicable) {
            println!("  {name}: {passed} of {applicable}");
        }
        println!("QT3, failures by what came out:");
        for (group, tests) in &self.failures {
            let more = if tests.len() > 3 { ", …" } else { "" };
            println!("  {:5} {group} ({}{more})", tests.len(), tests[..tests.len().min(3)].join(", "));
        }
        println!("QT3, not applicable by reason:");
        for (reason, tests) in &self.lacks {
            println!("  {:5} {reason}", tests.len());
        }
        println!(
            "QT3: {} of {} applicable tests pass ({:.2} %); {} are not applicable",
            self.passed,
            self.applicable,
            100.0 * self.passed as f64 / self.applicable.max(1) as f64,
            self.outcomes.len() - self.applicable
        );
    }

    /// The score as a part of a page.
    pub fn page(&self, known: &Known) -> String {
        let mut page = String::from("| Tests | |\n|--:|---|\n");
        let mut row = |count: usize, text: &str| writeln!(page, "| {} | {text} |", grouped(count));
        let _ = row(self.passed, "pass");
        let mut reasons: Vec<_> = known.counted().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (reason, count) in reasons {
            let _ = row(count, &format!("fail: {reason}"));
        }
        let _ = row(self.outcomes.len() - self.applicable, "are not applicable:");
        let mut merged: BTreeMap<String, usize> = BTreeMap::new();
        for (reason, tests) in &self.lacks {
            let reason = match reason.split_once(": ") {
                Some(("function", rest)) => {
                    format!("a function that {}", rest.split_once('(').map_or("", |(_, why)| why.trim_end_matches(')')))
                }
                Some(("type", _)) => "a type formulas have not".to_owned(),
                Some(("feature", name)) => format!("feature `{name}`"),
                Some(("language", text)) if text.len() > 3 => format!("written for {text}"),
                Some((kind, value)) => format!("{kind} `{value}`"),
                None => (*reason).to_owned(),
            };
            *merged.entry(reason).or_default() += tests.len();
        }
        let mut merged: Vec<_> = merged.into_iter().collect();
        merged.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (reason, count) in merged {
            let _ = row(count, &format!("– {reason}"));
        }
        page.push_str("\nWhat the standard has and formulas have not:\n\n| | |\n|---|---|\n");
        let mut whys: BTreeMap<Lack, Vec<&str>> = BTreeMap::new();
        for (name, why) in &UNKNOWN.functions {
            whys.entry(*why).or_default().push(name);
        }
        for (why, names) in whys {
            let _ = writeln!(page, "| a function that {} | `{}` |", why.text(), names.join("`, `"));
        }
        let types: Vec<_> = UNKNOWN.types.iter().map(|name| format!("`xs:{name}`")).collect();
        let _ = writeln!(page, "| types | {} |", types.join(", "));
        page
    }
}

/// A count with commas.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let part = |(at, digit): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        [comma.then_some(','), Some(digit)]
    };
    digits.chars().enumerate().flat_map(part).flatten().collect()
}
