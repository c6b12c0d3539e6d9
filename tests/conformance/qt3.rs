//! The W3C QT3 suite: how much of XPath 3.1 formulas speak.
//!
//! `QT3_ONLY=fn-abs,op-` runs only the test sets of these prefixes and shows each failure whole. `CROSSDOCK_QT3_UPDATE=1`
//! writes the known failures and the page of the scores anew; a failure without a reason gets one by hand.

mod applicability;
mod assertion;
mod known;
mod report;
mod suite;
mod tree;

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
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
    assertion::{Context, Ended, is_expected_error},
    known::Known,
    report::Score,
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
    let score = Score::new(&outcomes);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("qt3-results.txt");
    score.save(&file);
    if only.is_empty() {
        score.print();
        println!("  every test with its end: {}", file.display());
        guard(&score);
    } else {
        score.print_failures();
        score.print();
    }
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

/// Holds a run against the failures that are known and the documentation, or brings both up to date.
fn guard(score: &Score<'_>) {
    let known = Known::load();
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference/conformance.md");
    let text = std::fs::read_to_string(&page).expect("the page of the scores");
    let (before, rest) = text.split_once("<!-- qt3 -->\n").expect("the page has a part for this suite");
    let (part, after) = rest.split_once("<!-- /qt3 -->").expect("the part ends");
    let failed = score.failed();
    if std::env::var_os("CROSSDOCK_QT3_UPDATE").is_some() {
        let known = known.updated(&failed);
        known.save();
        let made = format!("{before}<!-- qt3 -->\n{}<!-- /qt3 -->{after}", score.page(&known));
        std::fs::write(&page, made).expect("the page can be written");
        return;
    }
    let unexplained = known.counted().find(|(reason, _)| reason.starts_with(known::NOT_LOOKED_AT));
    assert_eq!(unexplained, None, "failures without a reason");
    let new: Vec<_> =
        failed.iter().map(|(test, _)| test.as_str()).filter(|test| known.reason(test).is_none()).collect();
    let mended: Vec<_> = known.tests().filter(|test| !failed.iter().any(|(failed, _)| failed == test)).collect();
    assert!(new.is_empty(), "these tests fail and are not among the known failures: {new:#?}");
    assert!(mended.is_empty(), "take these out of the known failures, they pass: {mended:#?}");
    assert_eq!(part, score.page(&known), "the page is out of date: run with CROSSDOCK_QT3_UPDATE=1");
    let bar = score.applicable >= 10_000 && score.passed * 100 >= score.applicable * 98;
    assert!(bar, "{} of {} pass", score.passed, score.applicable);
}
