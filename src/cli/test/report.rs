//! Results of cases: for people, for programs, and as JUnit XML for build servers.

use std::time::Duration;

use serde_json::{Value, json};

use super::case::{Ran, Verdict};
use crate::{
    base::Problem,
    cli::outcome::out,
    document::{Builder, Shape, Text},
    format::{Layout, Syntax, WriteOptions, write},
};

/// For people: one line a case, and a line for each field that differs.
pub fn show(ran: &[Ran]) {
    for case in ran {
        let word = match case.verdict {
            Verdict::Passed => "ok",
            Verdict::Updated => "updated",
            Verdict::Differs(_) | Verdict::Broken(_) => "FAILED",
        };
        out(format_args!("{word}\t{}", case.name));
        case.problems().iter().for_each(|problem| out(format_args!("\t{problem}")));
    }
    let failed = ran.iter().filter(|case| !case.is_ok()).count();
    out(format_args!("{} passed, {failed} failed", ran.len() - failed));
}

/// For programs.
#[must_use]
pub fn json(ran: &[Ran]) -> Value {
    let failed = ran.iter().filter(|case| !case.is_ok()).count();
    let one = |case: &Ran| {
        let differences = match &case.verdict {
            Verdict::Differs(mismatches) => mismatches.as_slice(),
            _ => &[],
        };
        json!({
            "case": case.name,
            "mapping": case.mapping,
            "ok": case.is_ok(),
            "updated": matches!(case.verdict, Verdict::Updated),
            "milliseconds": milliseconds(case.took),
            "problems": case.problems(),
            "differences": differences.iter().map(|mismatch| json!({
                "path": mismatch.difference.path,
                "expected": mismatch.difference.expected,
                "got": mismatch.difference.actual,
                "rule": mismatch.rules.first(),
            })).collect::<Vec<_>>(),
        })
    };
    json!({"passed": ran.len() - failed, "failed": failed, "cases": ran.iter().map(one).collect::<Vec<_>>()})
}

fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// JUnit's XML: one suite a mapping, one test case a case.
///
/// # Errors
/// When the document cannot be written.
pub fn junit(ran: &[Ran]) -> Result<Vec<u8>, Problem> {
    let mut suites: Vec<(&str, Vec<&Ran>)> = Vec::new();
    for case in ran {
        match suites.iter_mut().find(|(mapping, _)| *mapping == case.mapping) {
            Some((_, cases)) => cases.push(case),
            None => suites.push((&case.mapping, vec![case])),
        }
    }
    let mut builder = Builder::default();
    builder.shape(Shape::Object);
    open(&mut builder, "testsuites", &[("name", "crossdock test".to_owned()), totals(ran, true), totals(ran, false)]);
    for (mapping, cases) in suites {
        let cases = || cases.iter().copied();
        let failed = cases().filter(|case| !case.is_ok()).count();
        let took: Duration = cases().map(|case| case.took).sum();
        let attributes = [
            ("name", mapping.to_owned()),
            ("tests", cases().count().to_string()),
            ("failures", failed.to_string()),
            ("time", seconds(took)),
        ];
        open(&mut builder, "testsuite", &attributes);
        for case in cases() {
            let named = [("classname", mapping.to_owned()), ("name", case.name.clone()), ("time", seconds(case.took))];
            open(&mut builder, "testcase", &named);
            let problems = case.problems();
            if let Some(first) = problems.first() {
                open(&mut builder, "failure", &[("message", first.clone())]);
                builder.text(Text::Copied(&legal(&problems.join("\n"))), None);
                builder.end();
            }
            builder.end();
        }
        builder.end();
    }
    builder.end();
    let options = WriteOptions { layout: Layout::Pretty, ..WriteOptions::default() };
    write(&builder.finish(), Syntax::Xml, &options)
}

fn totals(ran: &[Ran], all: bool) -> (&'static str, String) {
    if all {
        return ("tests", ran.len().to_string());
    }
    ("failures", ran.iter().filter(|case| !case.is_ok()).count().to_string())
}

fn seconds(took: Duration) -> String {
    format!("{:.6}", took.as_secs_f64())
}

fn open(builder: &mut Builder, name: &str, attributes: &[(&str, String)]) {
    let name = builder.names().intern("", name);
    builder.start(name, None);
    for (name, value) in attributes {
        let name = builder.names().intern("", name);
        builder.attribute(name, Text::Copied(&legal(value)), None);
    }
}

/// Values may hold what XML cannot: JSON allows any character.
fn legal(text: &str) -> String {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if legal(c) { c } else { '\u{FFFD}' }).collect()
}
