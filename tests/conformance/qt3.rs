//! The W3C QT3 suite: how much of XPath 3.1 formulas speak.
//!
//! `QT3_ONLY=fn-abs,op-` runs only the test sets of these prefixes and shows each failure whole.

mod applicability;
mod assertion;
mod suite;
mod tree;

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crossdock::{
    document::{Document, NodeId},
    xpath::{Item, Value},
};

use self::{
    applicability::UNKNOWN,
    assertion::{Context, Ended, is_expected_error},
    suite::{Case, Catalogue, Environment},
};
use super::corpora;

thread_local! {
    /// Whether a test runs on this thread: what it panics with is its result, not printed.
    static IS_TESTED: Cell<bool> = const { Cell::new(false) };
}

/// How a test ended.
enum Verdict {
    Passed,
    /// What is wrong in kind, and in this case.
    Failed {
        group: String,
        got: String,
    },
    NotApplicable(String),
}

struct Outcome {
    set: String,
    case: Case,
    verdict: Verdict,
}

/// The documents of the suite, each read once.
#[derive(Default)]
struct Library(Mutex<HashMap<PathBuf, Result<Arc<Document>, String>>>);

impl Library {
    fn document(&self, file: &Path) -> Result<Arc<Document>, String> {
        let mut all = self.0.lock().expect("no panic while held");
        let read = || {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            tree::parse(&text).map(Arc::new)
        };
        all.entry(file.to_owned()).or_insert_with(read).clone()
    }
}

#[test]
fn qt3() {
    let Some(folder) = corpora::unpacked("qt3") else { return };
    let only = std::env::var_os("QT3_ONLY").unwrap_or_default().to_string_lossy().into_owned();
    let only: Vec<&str> = only.split(',').filter(|prefix| !prefix.is_empty()).collect();
    let mut catalogue = suite::catalogue(&folder.path().join("qt3"));
    catalogue.sets.retain(|(name, _)| only.is_empty() || only.iter().any(|prefix| name.starts_with(prefix)));
    let (there, missing): (Vec<_>, Vec<_>) = catalogue.sets.into_iter().partition(|(_, file)| file.exists());
    catalogue.sets = there;
    if !missing.is_empty() {
        let names: Vec<_> = missing.into_iter().map(|(name, _)| name).collect();
        println!("QT3, test sets missing in the archive: {}", names.join(", "));
    }
    let outcomes = run(&catalogue);
    report(&outcomes, !only.is_empty());
}

/// Runs every test set, on every core; in the order of the catalogue.
fn run(catalogue: &Catalogue) -> Vec<Outcome> {
    let (next, library) = (AtomicUsize::new(0), Library::default());
    let done: Mutex<BTreeMap<usize, Vec<Outcome>>> = Mutex::default();
    let usual = Arc::new(std::panic::take_hook());
    let loud = Arc::clone(&usual);
    std::panic::set_hook(Box::new(move |info| {
        if !IS_TESTED.get() {
            loud(info);
        }
    }));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            let work = || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, file)) = catalogue.sets.get(at) else { break };
                    let outcomes = run_set(name, file, catalogue, &library);
                    done.lock().expect("no panic while held").insert(at, outcomes);
                }
            };
            std::thread::Builder::new().stack_size(256 << 20).spawn_scoped(scope, work).expect("a thread");
        }
    });
    std::panic::set_hook(Box::new(move |info| usual(info)));
    done.into_inner().expect("no panic while held").into_values().flatten().collect()
}

fn run_set(name: &str, file: &Path, catalogue: &Catalogue, library: &Library) -> Vec<Outcome> {
    let verdict = |case: &Case| match applicability::not_applicable(case) {
        Some(reason) => Verdict::NotApplicable(reason),
        None => {
            IS_TESTED.set(true);
            let ended = catch_unwind(AssertUnwindSafe(|| run_case(case, library)));
            IS_TESTED.set(false);
            ended.unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Verdict::Failed { group: "panic".into(), got: text.unwrap_or_default() }
            })
        }
    };
    let outcome = |case: Case| Outcome { set: name.to_owned(), verdict: verdict(&case), case };
    suite::test_set(file, &catalogue.environments).cases.into_iter().map(outcome).collect()
}

fn run_case(case: &Case, library: &Library) -> Verdict {
    let context = match context(&case.environment, library) {
        Ok(context) => context,
        Err(text) => return Verdict::Failed { group: "environment".into(), got: text },
    };
    match context.evaluate(&case.test) {
        Ok((value, documents)) => match context.about(&value, documents).check(&value, &case.expected) {
            Ok(()) => Verdict::Passed,
            Err(got) => {
                let kind = got.split([':', '(']).next().unwrap_or_default().trim().to_owned();
                Verdict::Failed { group: kind, got }
            }
        },
        Err(ended) if is_expected_error(&ended, &case.expected) => Verdict::Passed,
        Err(Ended { codes, text }) => {
            let got = format!("{} {text}", codes.join(" "));
            Verdict::Failed { group: format!("error: {}", without_names(&got)), got }
        }
    }
}

/// A message without what it quotes, to count alike ones together.
fn without_names(text: &str) -> String {
    text.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "…" }).collect::<Vec<_>>().join("`")
}

fn context(environment: &Environment, library: &Library) -> Result<Context, String> {
    let mut made = Context::default();
    for (prefix, uri) in &environment.namespaces {
        match prefix.as_str() {
            "" => made.default_namespace = Some(uri.clone()),
            _ => made.namespaces.push((prefix.clone(), uri.clone())),
        }
    }
    for source in &environment.sources {
        if source.role.is_empty() {
            continue;
        }
        let at = u16::try_from(made.documents.len()).map_err(|error| error.to_string())?;
        made.documents.push(library.document(&source.file)?);
        let node = Item::Node(at, NodeId::ROOT);
        match source.role.strip_prefix('$') {
            Some(name) => {
                made.names.push(name.to_owned());
                made.values.push(Value::One(node));
            }
            None => made.item = Some(node),
        }
    }
    for (name, select) in &environment.parameters {
        let (value, documents) = made.evaluate(select).map_err(|ended| format!("${name}: {}", ended.text))?;
        made.documents.extend(documents);
        made.names.push(name.clone());
        made.values.push(value);
    }
    if let Some(select) = &environment.context {
        let (value, documents) = made.evaluate(select).map_err(|ended| format!("the context item: {}", ended.text))?;
        made.documents.extend(documents);
        made.item = value.first().cloned();
    }
    Ok(made)
}

/// Prints the score, and writes every test with its end.
fn report(outcomes: &[Outcome], in_full: bool) {
    let mut listing = String::new();
    let mut sets: Vec<(&str, usize, usize)> = Vec::new();
    let (mut groups, mut lacks): (BTreeMap<&str, Vec<&str>>, BTreeMap<&str, usize>) = Default::default();
    for Outcome { set, case, verdict } in outcomes {
        if sets.last().is_none_or(|(name, ..)| name != set) {
            sets.push((set, 0, 0));
        }
        let counted = sets.last_mut().expect("one was pushed");
        let (word, reason) = match verdict {
            Verdict::Passed => {
                (counted.1, counted.2) = (counted.1 + 1, counted.2 + 1);
                ("pass", "")
            }
            Verdict::Failed { group, got } => {
                counted.2 += 1;
                groups.entry(group).or_default().push(&case.name);
                if in_full {
                    println!(
                        "{set}/{}\n  test      {}\n  expected  {:?}\n  got       {got}",
                        case.name, case.test, case.expected
                    );
                }
                ("fail", got.as_str())
            }
            Verdict::NotApplicable(reason) => {
                *lacks.entry(reason).or_default() += 1;
                ("n/a", reason.as_str())
            }
        };
        let _ = writeln!(listing, "{set}\t{}\t{word}\t{}", case.name, reason.replace(['\n', '\r', '\t'], " "));
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("qt3-results.txt");
    std::fs::write(&file, listing).expect("target/tmp can be written");
    for (name, passed, counted) in &sets {
        if passed < counted {
            println!("  {name}: {passed} of {counted}");
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, cases)| std::cmp::Reverse(cases.len()));
    println!("QT3, failures by reason (all of them, and what was not applicable: {}):", file.display());
    for (group, cases) in groups.iter().take(if in_full { usize::MAX } else { 60 }) {
        println!(
            "  {:5} {group} ({}{})",
            cases.len(),
            cases[..cases.len().min(3)].join(", "),
            if cases.len() > 3 { ", …" } else { "" }
        );
    }
    println!("QT3, not applicable by reason:");
    let mut lacks: Vec<_> = lacks.into_iter().collect();
    lacks.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in lacks {
        println!("  {count:5} {reason}");
    }
    let functions: Vec<_> = UNKNOWN.functions.iter().map(|(name, why)| format!("{name} ({})", why.text())).collect();
    println!("functions of the standard that formulas have not: {}", functions.join(", "));
    println!("types: {}", UNKNOWN.types.join(", "));
    let (passed, counted) = sets.iter().fold((0, 0), |(a, b), (_, passed, counted)| (a + passed, b + counted));
    println!(
        "QT3: {passed} of {counted} applicable tests pass ({:.2} %); {} are not applicable",
        100.0 * passed as f64 / counted.max(1) as f64,
        outcomes.len() - counted
    );
}
