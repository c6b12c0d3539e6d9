//! `crossdock test`: the cases beside the mappings.

mod case;
mod coverage;
mod replay;
mod report;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    Common, Exit, Failed,
    outcome::{print_json, show_problems},
};
use crate::{
    app,
    base::{Limits, Problems, Severity},
    catalog::Catalog,
    config::Settings,
    mapping::UsedRules,
};
use case::{Case, Ran, Runs};
use coverage::Covered;

/// What `test` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock test\n  crossdock test u8/plain-order\n  \
    crossdock test hub-sales-order-to-saleorder\n  crossdock test --coverage --junit target/mappings.xml\n  \
    crossdock test --watch u8/\n  crossdock test --update u8/\n  crossdock test --replay --since 7d --route orders")]
pub struct Arguments {
    /// Only cases whose name (profile/case) or mapping contains one of these.
    filter: Vec<String>,
    /// Write what comes out as the new expectation.
    #[arg(long)]
    update: bool,
    /// Stay, and run cases again when files they depend on change; ends on Ctrl-C.
    #[arg(long, conflicts_with_all = ["update", "junit"])]
    watch: bool,
    /// Also write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also tell which rules of the mappings no case uses.
    #[arg(long)]
    coverage: bool,
    /// With --coverage: fail when a mapping has a lower percentage.
    #[arg(long, value_name = "PERCENT", requires = "coverage", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Instead of cases: map stored messages again, and compare with what was delivered. Nothing is sent.
    #[arg(long, conflicts_with_all = ["update", "watch", "junit", "coverage", "filter"])]
    replay: bool,
    /// With --replay: only messages received since a day or moment (2026-11-01) or within a time (7d, 12h).
    #[arg(long, value_name = "WHEN", requires = "replay")]
    since: Option<String>,
    /// With --replay: only deliveries by this route.
    #[arg(long, requires = "replay")]
    route: Option<String>,
    /// With --replay: how many messages at most, the newest first.
    #[arg(long, requires = "replay", default_value_t = 10_000)]
    limit: usize,
}

/// Content, and the cases wanted.
struct Loaded {
    catalog: Catalog,
    problems: Problems,
    cases: Vec<Case>,
}

impl Loaded {
    fn new(settings: &Settings, filter: &[String]) -> Self {
        let (catalog, problems) = app::load_catalog(settings);
        let wanted = |case: &Case| {
            filter.is_empty() || filter.iter().any(|part| case.name.contains(part) || case.mapping().contains(part))
        };
        let cases = case::find(&mappings(settings)).into_iter().filter(wanted).collect();
        Self { catalog, problems, cases }
    }
}

fn mappings(settings: &Settings) -> PathBuf {
    settings.hub.content.join("mappings")
}

/// Runs the cases.
pub async fn test(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    let limits = settings.limits.limits();
    if arguments.replay {
        return replay::replay(common, arguments, &settings).await;
    }
    let loaded = Loaded::new(&settings, &arguments.filter);
    let (ran, covered) = run(&loaded, arguments, &limits, &|_| true);
    tell(common, arguments, &loaded, &ran, covered.as_deref());
    if let Some(path) = &arguments.junit {
        write_junit(path, &ran)?;
    }
    if arguments.watch {
        return Ok(watch::watch(common, arguments, &settings, &limits, ran).await);
    }
    if ran.is_empty() {
        let text = format!("no case found under {}", mappings(&settings).display());
        return Err(Failed::new(Exit::NotFound, text));
    }
    let thin =
        |covered: &Covered| arguments.min_coverage.is_some_and(|least| covered.tenths() < usize::from(least) * 10);
    for covered in covered.iter().flatten().filter(|covered| thin(covered)) {
        eprintln!("{}: fewer rules are covered than --min-coverage asks for", covered.mapping);
    }
    let all_well = ran.iter().all(Ran::is_ok) && !covered.iter().flatten().any(thin);
    Ok(if all_well { Exit::Ok } else { Exit::Problems })
}

/// Runs those of the cases that are `wanted`; with the coverage, when asked for.
fn run(
    loaded: &Loaded,
    arguments: &Arguments,
    limits: &Limits,
    wanted: &dyn Fn(&Case) -> bool,
) -> (Vec<Ran>, Option<Vec<Covered>>) {
    let used = arguments.coverage.then(Mutex::<UsedRules>::default);
    let cases: Vec<&Case> = loaded.cases.iter().filter(|case| wanted(case)).collect();
    let runs = Runs { catalog: &loaded.catalog, update: arguments.update, limits, used: used.as_ref() };
    let ran = runs.all(&cases);
    let covered = used.map(|used| {
        let tested: Vec<&str> = cases.iter().map(|case| case.mapping()).collect();
        let used = used.into_inner().unwrap_or_else(PoisonError::into_inner);
        coverage::coverage(&loaded.catalog, &used, &tested, arguments.filter.is_empty())
    });
    (ran, covered)
}

fn tell(common: &Common, arguments: &Arguments, loaded: &Loaded, ran: &[Ran], covered: Option<&[Covered]>) {
    if common.json {
        let mut value = report::json(ran);
        if let Some(covered) = covered {
            value["coverage"] = coverage::json(covered);
        }
        // A stream of runs is one JSON document a line.
        if arguments.watch {
            super::outcome::out(format_args!("{value}"))
        } else {
            print_json(&value)
        }
        return;
    }
    if ran.iter().any(|case| !case.is_ok()) {
        show_problems(loaded.problems.0.iter().filter(|problem| problem.severity == Severity::Error));
    }
    report::show(ran);
    coverage::show(covered.unwrap_or_default());
}

fn write_junit(path: &Path, ran: &[Ran]) -> Result<(), Failed> {
    let bytes = report::junit(ran).map_err(|problem| Failed::new(Exit::Failed, problem))?;
    std::fs::write(path, bytes).map_err(|error| Failed::new(Exit::Failed, format!("{}: {error}", path.display())))
}
