//! Cases: finding them, running them, judging what came out.
//!
//! A case is a folder `mappings/<profile>/cases/<case>/` with `input.xml` or `input.json`, `expected.xml` or
//! `expected.json` (compared as documents), `context.yaml` (the mapping, codes, cross references, settings), and instead
//! of an expectation `problems.txt` for a case that must fail.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    app::SystemClock,
    base::{Clock as _, Limits},
    catalog::Catalog,
    cli::{
        context::{self, TrialHost},
        difference::{Blame, Mismatch},
        map::{in_file, input},
    },
    document::Document,
    format::{Layout, ReadOptions, Syntax, WriteOptions, read, write},
    mapping::{Context, Difference, Expectation, Explanation, Failure, Mapping, Recording, UsedRules, judge},
};

/// A case as found on disk.
pub struct Case {
    /// `profile/case`.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its context, or why there is none.
    context: Result<Context, Vec<String>>,
}

impl Case {
    /// The mapping it tests; empty when its context cannot be read.
    #[must_use]
    pub fn mapping(&self) -> &str {
        self.context.as_ref().map_or("", |context| &context.mapping)
    }
}

/// How a case ended.
pub enum Verdict {
    /// As expected.
    Passed,
    /// The expectation was written anew.
    Updated,
    /// Something came out, but not what was expected.
    Differs(Vec<Mismatch>),
    /// The case itself cannot be run.
    Broken(Vec<String>),
}

/// What one case gave.
pub struct Ran {
    /// `profile/case`.
    pub name: String,
    /// The mapping it tests.
    pub mapping: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

impl Ran {
    /// Whether it passed, or was made to pass.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Updated)
    }

    /// What is wrong, one line each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match &self.verdict {
            Verdict::Passed | Verdict::Updated => Vec::new(),
            Verdict::Broken(problems) => problems.clone(),
            Verdict::Differs(mismatches) => {
                mismatches.iter().map(|mismatch| mismatch.line(("expected", "got"))).collect()
            }
        }
    }
}

/// Every case below a folder of mappings, by name.
#[must_use]
pub fn find(mappings: &Path) -> Vec<Case> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        paths.sort();
        paths
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let case = |profile: &Path, folder: PathBuf| {
        let context = context::read(&folder.join("context.yaml"))
            .map_err(|problems| problems.0.iter().map(ToString::to_string).collect());
        Case { name: format!("{}/{}", name(profile), name(&folder)), folder, context }
    };
    let profiles = below(mappings);
    profiles
        .iter()
        .flat_map(|profile| below(&profile.join("cases")).into_iter().map(|found| case(profile, found)))
        .collect()
}

/// How cases are run.
pub struct Runs<'a> {
    /// The content they are run with.
    pub catalog: &'a Catalog,
    /// Write what comes out as the new expectation.
    pub update: bool,
    /// The limits of documents and evaluation.
    pub limits: &'a Limits,
    /// Where to note which rules were used.
    pub used: Option<&'a Mutex<UsedRules>>,
}

impl Runs<'_> {
    /// Runs cases on all cores; the results come in the order of the cases.
    #[must_use]
    pub fn all(&self, cases: &[&Case]) -> Vec<Ran> {
        let clock = SystemClock::default();
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Ran)>> = Mutex::default();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(at) else { return };
                let began = clock.monotonic();
                let verdict = self.one(case).unwrap_or_else(Verdict::Broken);
                let took = clock.monotonic().saturating_sub(began);
                let ran = Ran { name: case.name.clone(), mapping: case.mapping().to_owned(), verdict, took };
                done.lock().unwrap_or_else(PoisonError::into_inner).push((at, ran));
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(cases.len());
        std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, ran)| ran).collect()
    }

    fn one(&self, case: &Case) -> Result<Verdict, Vec<String>> {
        let one = |text: String| vec![text];
        let context = case.context.as_ref().map_err(Clone::clone)?;
        let Some(mapping) = self.catalog.mapping(&context.mapping) else {
            return Err(one(format!("there is no usable mapping `{}`; see `crossdock check`", context.mapping)));
        };
        let Some(file) = either(&case.folder, "input") else {
            return Err(one(format!("{}: no input.xml or input.json", case.folder.display())));
        };
        let bytes = fs::read(&file).map_err(|error| one(format!("{}: {error}", file.display())))?;
        let document = input(self.catalog, mapping, &bytes, self.limits)
            .map_err(|problem| one(in_file(problem, &file).to_string()))?;
        if mapping.documents().is_empty() {
            return self.judged(case, mapping, (context, &document), "expected");
        }
        let mut verdict = Verdict::Passed;
        for mapping in mapping.documents() {
            let stem = format!("expected.{}", mapping.document().map(|name| &**name).unwrap_or_default());
            let one = self.judged(case, mapping, (context, &document), &stem)?;
            verdict = match (verdict, one) {
                (Verdict::Differs(mut all), Verdict::Differs(more)) => {
                    all.extend(more);
                    Verdict::Differs(all)
                }
                (Verdict::Passed, one) => one,
                (verdict, _) => verdict,
            };
        }
        Ok(verdict)
    }

    /// Runs one mapping, and judges it by the expectation of a stem: `expected`, or `expected.<document>`.
    fn judged(
        &self,
        case: &Case,
        mapping: &Mapping,
        (context, document): (&Context, &Document),
        stem: &str,
    ) -> Result<Verdict, Vec<String>> {
        let host = TrialHost::new(self.catalog, Some(context), None);
        let used = UsedRules::default();
        let observer = self.used.is_some().then_some(&used as _);
        let result = mapping.apply_recorded(document, &host, self.limits, Recording { explanation: None, observer });
        if let Some(all) = self.used {
            all.lock().unwrap_or_else(PoisonError::into_inner).add(&used);
        }
        if self.update {
            return update(&case.folder, stem, &result).map(|()| Verdict::Updated);
        }
        let differences = self.judge(&case.folder, stem, &result)?;
        if differences.is_empty() {
            return Ok(Verdict::Passed);
        }
        // Only now, as it costs: which rule made what.
        let mut explanation = Explanation::default();
        drop(mapping.apply(document, &host, self.limits, Some(&mut explanation)));
        let blame = Blame { mapping, explanation: &explanation, failure: result.as_ref().err() };
        Ok(Verdict::Differs(blame.all(differences)))
    }

    /// In what a result differs from the expectation beside the case.
    fn judge(
        &self,
        folder: &Path,
        stem: &str,
        result: &Result<Document, Failure>,
    ) -> Result<Vec<Difference>, Vec<String>> {
        let one = |text: String| vec![text];
        let problems = folder.join("problems.txt");
        if problems.is_file() {
            let text =
                fs::read_to_string(&problems).map_err(|error| one(format!("{}: {error}", problems.display())))?;
            return Ok(judge(result, Expectation::Failure(&text)));
        }
        let Some(path) = either(folder, stem) else {
            if matches!(result, Err(Failure::LeftOut { .. })) {
                return Ok(Vec::new());
            }
            if let Err(failure) = result {
                let lines = failure.lines();
                return Err(lines
                    .iter()
                    .map(|line| format!("stopped, and there is no problems.txt: {line}"))
                    .collect());
            }
            return Err(one(format!("no {stem}.xml, {stem}.json or problems.txt; write one with --update")));
        };
        let bytes = fs::read(&path).map_err(|error| one(format!("{}: {error}", path.display())))?;
        let options = ReadOptions { limits: self.limits.clone(), ..ReadOptions::default() };
        let expected =
            read(&bytes, syntax_of(&path), &options).map_err(|problem| one(in_file(problem, &path).to_string()))?;
        Ok(judge(result, Expectation::Document(&expected.document)))
    }
}

/// One of two files that may be there.
fn either(folder: &Path, stem: &str) -> Option<PathBuf> {
    ["xml", "json"].iter().map(|ending| folder.join(format!("{stem}.{ending}"))).find(|path| path.is_file())
}

fn syntax_of(path: &Path) -> Syntax {
    if path.extension().is_some_and(|ending| ending == "json") { Syntax::Json } else { Syntax::Xml }
}

/// Writes what came out as the expectation, and removes the expectation of the other kind.
fn update(folder: &Path, stem: &str, result: &Result<Document, Failure>) -> Result<(), Vec<String>> {
    let problems = folder.join("problems.txt");
    let expected = either(folder, stem);
    let (path, bytes, stale) = match result {
        Err(Failure::LeftOut { .. }) => {
            return expected.map_or(Ok(()), |path| fs::remove_file(&path).map_err(|error| vec![error.to_string()]));
        }
        Err(failure) => (problems, (failure.lines().join("\n") + "\n").into_bytes(), expected),
        Ok(document) => {
            let path = expected.unwrap_or_else(|| folder.join(format!("{stem}.xml")));
            let options = WriteOptions { layout: Layout::Pretty, ..WriteOptions::default() };
            let mut bytes = write(document, syntax_of(&path), &options).map_err(|problem| vec![problem.to_string()])?;
            bytes.push(b'\n');
            (path, bytes, Some(problems).filter(|path| path.is_file()))
        }
    };
    let shown = |path: &Path, error: std::io::Error| vec![format!("{}: {error}", path.display())];
    fs::write(&path, bytes).map_err(|error| shown(&path, error))?;
    stale.map_or(Ok(()), |path| fs::remove_file(&path).map_err(|error| shown(&path, error)))
}
