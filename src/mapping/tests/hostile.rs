//! Mappings that would never end, or fill the memory: each is stopped where the budget ends.

use std::time::{Duration, Instant};

use super::{context, xml};
use crate::{
    base::Limits,
    mapping::{Environment, Mapping},
};

/// Far above what a debug build on a busy machine needs; without a budget none of these would end within hours.
const GENEROUS: Duration = Duration::from_secs(20);

/// What a mapping with this body ends with; `text` stands for an input of many letters.
fn ends_with(body: &str, limits: &Limits) -> String {
    let text = format!("from: a\nto: b\n{body}");
    let mapping = match Mapping::compile(&text, &"m.yaml".into(), &Environment::default()) {
        Ok(mapping) => mapping,
        Err(problems) => return problems.0.first().map(|problem| problem.code.id.to_owned()).unwrap_or_default(),
    };
    let input = xml(&format!("<a><t>{}!</t></a>", "a".repeat(5_000)));
    let began = Instant::now();
    let ended = mapping.apply(&input, &context(), limits, None);
    assert!(began.elapsed() < GENEROUS, "{body}: {:?}", began.elapsed());
    match ended {
        Ok(_) => "made".to_owned(),
        Err(failure) => failure.problems().first().map(|problem| problem.code.id.to_owned()).unwrap_or_default(),
    }
}

#[test]
fn hostile_mappings_end_where_the_budget_does() {
    let limits = Limits { evaluation_steps: 200_000, nodes: 50_000, ..Limits::default() };
    let doubling: String = (1..60).map(|n| format!("  v{n}: =$v{} || $v{}\n", n - 1, n - 1)).collect();
    let cases = [
        ("output: {x: '=sum((1 to 1000000000) ! (. + 1))'}".to_owned(), "XD-X032"),
        ("output: {x: '=count((1 to 1000000000)[. mod 2 = 0])'}".to_owned(), "XD-X032"),
        ("output: {x: '=string-join((1 to 1000000000) ! string(.))'}".to_owned(), "XD-X032"),
        ("output: {x: '=some $i in 1 to 100000, $j in 1 to 100000 satisfies $i + $j = 0'}".to_owned(), "XD-X032"),
        ("output: {r: {x: {$each: '=1 to 100000', y: {$each: '=1 to 100000', z: =.}}}}".to_owned(), "XD-X032"),
        ("output: {x: \"=for $i in 1 to 100000 return replace(a/t, 'a', 'bbbbbbbb')\"}".to_owned(), "XD-X032"),
        (format!("let:\n  v0: =a/t\n{doubling}output: {{x: =string-length($v59)}}\n"), "XD-X032"),
        (format!("output: {{x: '={}1{}'}}", "(".repeat(500), ")".repeat(500)), "XD-X001"),
        ("output: {x: =$x}".to_owned(), "XD-X003"),
        ("let: {v: =$w, w: =$v}\noutput: {x: =$v}".to_owned(), "XD-X003"),
        ("fragments: {f: {y: {$use: f}}}\noutput: {x: {$use: f}}".to_owned(), "XD-M008"),
    ];
    let ended: Vec<_> = cases.iter().map(|(body, _)| ends_with(body, &limits)).collect();
    let expected: Vec<_> = cases.iter().map(|(_, code)| (*code).to_owned()).collect();
    assert_eq!(ended, expected);
}

#[test]
fn regular_expressions_take_linear_time() {
    let limits = Limits::default();
    for pattern in ["(a+)+$", "(a|a)*$", "(.*a){12}$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let body = format!("output: {{x: \"=string(matches(a/t, '{pattern}'))\"}}");
        assert_eq!(ends_with(&body, &limits), "made", "{pattern}");
    }
}

#[test]
fn memory_ends_before_the_steps_do() {
    // each round makes a text of 20 kB, a million times
    let limits = Limits { evaluation_steps: u64::MAX, ..Limits::default() };
    let body = "output: {x: '=string-join(for $i in 1 to 1000000 return string-join((/a/t, /a/t, /a/t, /a/t)))'}";
    assert_eq!(ends_with(body, &limits), "XD-X032");
}
