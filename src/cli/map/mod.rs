//! `crossdock map`: one document through one mapping, with the origin of every field on request.

mod diff;
mod show;

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use super::{
    Common, Exit, Failed,
    context::{self, TrialHost},
    outcome::{print_json, problem_json, show_problems},
};
use crate::{
    app::{self, SystemClock},
    base::{Clock as _, Limits, Place, Problem, Problems},
    catalog::{Catalog, System},
    document::Document,
    format::{Charset, Layout, ReadOptions, Syntax, WriteOptions, read, write},
    mapping::{Evaluations, Explanation, Failure, Mapping, Recording},
    pipeline::{Facts, RunHost},
};
use diff::{compile, diff};
pub use show::show;
use show::show_trace;

/// What `map` takes.
#[derive(clap::Args)]
#[command(
    after_help = "The settings file is looked for beside FILE and in the folders above it, so that its code tables are \
    used.\nWithout --context an entity is taken to have the same id in the target system.\n\nExamples:\n  \
    crossdock map examples/dealer-group/messages/order-1.xml --mapping u8/hub-sales-order-to-saleorder\n  \
    crossdock map order.json --mapping u8/hub-sales-order-to-saleorder --explain\n  \
    crossdock map order.json --mapping u8/hub-sales-order-to-saleorder --trace\n  \
    crossdock map crm.xml --mapping crm/order-to-hub-sales-order --mapping u8/hub-sales-order-to-saleorder --explain\n  \
    crossdock map order.xml --mapping u8/hub-sales-order-to-saleorder --diff old/hub-sales-order-to-saleorder.yaml\n  \
    crossdock map order.xml --mapping u8/hub-sales-order-to-saleorder --system u8-east --envelope --raw > out.xml"
)]
pub struct Arguments {
    /// The document, XML or JSON.
    file: PathBuf,
    /// The mapping, as in u8/hub-sales-order-to-saleorder; several are run one after the other, as a route does.
    #[arg(long, short, required = true)]
    mapping: Vec<String>,
    /// One document of a mapping that makes several; default: all of them.
    #[arg(long, value_name = "NAME")]
    document: Option<String>,
    /// The target system, for its settings and codes; default: where the document's route leads.
    #[arg(long)]
    system: Option<String>,
    /// Codes, cross references and settings from a file, as in test cases.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Print, for every output field, its source fields, its rules and the code-table rows used.
    #[arg(long)]
    explain: bool,
    /// Print every evaluation: the formula, its place, what it gave, the fields it read.
    #[arg(long, conflicts_with = "explain")]
    trace: bool,
    /// Run an older mapping file too, and print the fields that differ, by the rules behind them.
    #[arg(long, value_name = "OLD", conflicts_with_all = ["explain", "trace", "envelope", "raw"])]
    diff: Option<PathBuf>,
    /// Put the partner's envelope around the document.
    #[arg(long)]
    envelope: bool,
    /// Write the exact bytes the partner would get: its character set, not indented.
    #[arg(long)]
    raw: bool,
}

/// Maps one file.
pub fn map_file(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let near = arguments.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let settings = common.settings_near(near)?;
    let limits = settings.limits.limits();
    let (catalog, problems) = app::load_catalog(&settings);
    let chain = chain(&catalog, &problems, &arguments.mapping)?;
    let Some(((first, last), before)) =
        chain.first().zip(chain.last()).zip(chain.split_last().map(|(_, before)| before))
    else {
        return Err(Failed::new(Exit::Usage, "no mapping is named"));
    };
    let context = match &arguments.context {
        Some(path) => Some(context::read(path).map_err(|problems| Failed::new(Exit::Usage, problems))?),
        None => None,
    };
    let bytes = std::fs::read(&arguments.file)
        .map_err(|error| Failed::new(Exit::NotFound, format!("{}: {error}", arguments.file.display())))?;
    let document = input(&catalog, first, &bytes, &limits)
        .map_err(|problem| Failed::new(Exit::Problems, in_file(problem, &arguments.file)))?;
    let facts = facts(&catalog, first, &document, &limits);
    let system = target(&catalog, last, &document, arguments.system.as_deref())?;
    let setup = system.as_ref().map(|system| RunHost::new(&catalog, &facts, system, &()));
    let host = TrialHost::new(&catalog, context.as_ref(), setup);
    let trial = Trial { common, arguments, catalog: &catalog, host: &host, limits: &limits };
    let Handed { document, explanation } = match trial.hand_over(before, document)? {
        Ok(handed) => handed,
        Err(exit) => return Ok(exit),
    };
    let mut exit = Exit::Ok;
    for mapping in documents(last, arguments.document.as_deref())? {
        if let Some(name) = mapping.document() {
            eprintln!("document {name}:");
        }
        let one = trial.map(&mapping, &document, explanation.clone(), system.as_deref())?;
        exit = if exit == Exit::Ok { one } else { exit };
    }
    Ok(exit)
}

/// The mappings by their names; each takes what the one before makes.
fn chain(catalog: &Catalog, problems: &Problems, names: &[String]) -> Result<Vec<Arc<Mapping>>, Failed> {
    let chain: Vec<_> = names.iter().map(|name| usable(catalog, problems, name)).collect::<Result<_, _>>()?;
    for (names, pair) in names.windows(2).zip(chain.windows(2)) {
        if pair[0].to() != pair[1].from() {
            let (made, taken) = (pair[0].to(), pair[1].from());
            let text = format!("`{}` makes {made}, and `{}` takes {taken}", names[0], names[1]);
            return Err(Failed::new(Exit::Usage, text));
        }
    }
    Ok(chain)
}

/// The documents to make: one, all of a mapping that makes several, or the named one of them.
fn documents(mapping: &Arc<Mapping>, named: Option<&str>) -> Result<Vec<Arc<Mapping>>, Failed> {
    let all = mapping.documents();
    let Some(named) = named else {
        return Ok(if all.is_empty() { vec![mapping.clone()] } else { all.to_vec() });
    };
    let names: Vec<&str> = all.iter().filter_map(|one| Some(&**one.document()?)).collect();
    match all.iter().find(|one| one.document().is_some_and(|name| **name == *named)) {
        Some(found) => Ok(vec![found.clone()]),
        None if names.is_empty() => Err(Failed::new(Exit::NotFound, "this mapping makes one document, without a name")),
        None => {
            let text = format!("this mapping makes no document `{named}`; it makes {}", names.join(", "));
            Err(Failed::new(Exit::NotFound, text))
        }
    }
}

/// With what a document is mapped.
struct Trial<'a> {
    common: &'a Common,
    arguments: &'a Arguments,
    catalog: &'a Catalog,
    host: &'a TrialHost<'a>,
    limits: &'a Limits,
}

/// What the last mapping of a chain takes.
struct Handed {
    document: Document,
    /// Where its fields came from, when it was made here and that is asked for.
    explanation: Option<Explanation>,
}

impl Trial<'_> {
    /// Runs the mappings before the last.
    fn hand_over(&self, before: &[Arc<Mapping>], document: Document) -> Result<Result<Handed, Exit>, Failed> {
        let mut handed = Handed { document, explanation: None };
        for mapping in before {
            let mut explanation = self.arguments.explain.then(Explanation::default);
            match self.run(mapping, &handed.document, explanation.as_mut())? {
                Ok(document) => handed.document = document,
                Err(failure) => return Ok(Err(self.tell(&failure))),
            }
            handed.explanation = match (handed.explanation, explanation) {
                (Some(earlier), Some(later)) => Some(earlier.then(later)),
                (_, own) => own,
            };
        }
        Ok(Ok(handed))
    }

    /// Runs one mapping, and shows its warnings and its trace when that is asked for.
    fn run(
        &self,
        mapping: &Mapping,
        document: &Document,
        explanation: Option<&mut Explanation>,
    ) -> Result<Result<Document, Failure>, Failed> {
        let evaluations = self.arguments.trace.then(Evaluations::default);
        let observer = evaluations.as_ref().map(|evaluations| evaluations as _);
        let made = mapping.make(document, self.host, self.limits, Recording { explanation, observer });
        if let Ok(made) = &made {
            show_problems(&made.warnings);
        }
        if let Some(evaluations) = evaluations {
            // Also of a run that failed: that is when it is wanted.
            show_trace(self.common, mapping, evaluations)?;
        }
        Ok(made.map(|made| made.document))
    }

    /// Tells why there is no document.
    fn tell(&self, failure: &Failure) -> Exit {
        if let Failure::LeftOut { rule } = failure {
            eprintln!("left out: the `$if` of {rule} does not hold");
            return Exit::Ok;
        }
        if self.common.json && !self.arguments.trace {
            let listed: Vec<_> = failure.problems().iter().map(problem_json).collect();
            print_json(&json!({"ok": false, "problems": listed}));
        } else {
            show_problems(&failure.problems());
            if matches!(failure, Failure::Missing { .. }) {
                failure.lines().iter().for_each(|line| eprintln!("  {line}"));
            }
        }
        Exit::Problems
    }

    fn map(
        &self,
        mapping: &Mapping,
        document: &Document,
        before: Option<Explanation>,
        system: Option<&System>,
    ) -> Result<Exit, Failed> {
        let Self { common, arguments, catalog, host, limits } = *self;
        if let Some(old) = &arguments.diff {
            let old = compile(catalog, old)?;
            let old = documents(&Arc::new(old), mapping.document().map(|name| &**name))?.swap_remove(0);
            return diff(common, &old, mapping, &|mapping, explanation| {
                mapping.apply(document, host, limits, Some(explanation))
            });
        }
        let mut explanation = arguments.explain.then(Explanation::default);
        let mapped = self.run(mapping, document, explanation.as_mut())?.and_then(|mapped| {
            match (arguments.envelope, catalog.profile_of(mapping.to())) {
                (true, Some(profile)) => profile.wrap(&mapped, host, limits),
                _ => Ok(mapped),
            }
        });
        let mapped = match mapped {
            Ok(_) if arguments.trace => return Ok(Exit::Ok),
            Ok(mapped) => mapped,
            Err(failure) => return Ok(self.tell(&failure)),
        };
        for assumed in host.assumed() {
            eprintln!("note: no cross reference for {assumed} here; its own id is shown");
        }
        if let Some(explanation) = explanation {
            let whole = match before {
                Some(before) => before.then(explanation),
                None => explanation,
            };
            show(common, &whole)?;
            return Ok(Exit::Ok);
        }
        let encoding = system.map(|system| system.encoding.clone()).unwrap_or_default();
        let options = WriteOptions {
            charset: if arguments.raw { encoding.charset } else { Charset::UTF_8 },
            layout: if arguments.raw { Layout::Compact } else { Layout::Pretty },
            unmappable: encoding.unmappable,
            ..WriteOptions::default()
        };
        let syntax = if common.json { Syntax::Json } else { encoding.syntax };
        let bytes = write(&mapped, syntax, &options).map_err(|problem| Failed::new(Exit::Failed, problem))?;
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes).map_err(|error| Failed::new(Exit::Failed, error))?;
        if !bytes.ends_with(b"\n") && (std::io::stdout().is_terminal() || !arguments.raw) {
            drop(out.write_all(b"\n"));
        }
        Ok(Exit::Ok)
    }
}

/// A mapping by its name; without one, its problems are shown, or a name that is like it.
pub fn usable(catalog: &Catalog, problems: &Problems, name: &str) -> Result<Arc<Mapping>, Failed> {
    if let Some(mapping) = catalog.mapping(name) {
        return Ok(mapping.clone());
    }
    let of_file = |file: &Arc<str>| file.ends_with(&format!("{name}.yaml"));
    show_problems(problems.0.iter().filter(|problem| problem.place.file.as_ref().is_some_and(of_file)));
    let names = catalog.mappings().map(|(name, _)| name.as_str());
    let hint = crate::base::suggest(name, names);
    let hint = hint.map_or_else(String::new, |best| format!("; did you mean `{best}`?"));
    Err(Failed::new(Exit::NotFound, format!("there is no usable mapping `{name}`{hint}")))
}

/// The document a mapping takes: envelope removed when there is one.
pub fn input(catalog: &Catalog, mapping: &Mapping, bytes: &[u8], limits: &Limits) -> Result<Document, Problem> {
    let syntax = Syntax::sniff(None, bytes).unwrap_or(Syntax::Xml);
    let profile = catalog.profile_of(mapping.from());
    let namespace = profile.and_then(|profile| profile.json_namespace()).map(Into::into);
    let reading = read(bytes, syntax, &ReadOptions { limits: limits.clone(), namespace, ..ReadOptions::default() })?;
    let inside = profile.and_then(|profile| profile.unwrap(&reading.document, limits).ok()).unwrap_or_default();
    let wanted = inside.into_iter().find(|inside| inside.document_type.as_deref() == Some(mapping.from()));
    Ok(match wanted {
        Some(inside) => inside.document(&reading.document),
        None => reading.document,
    })
}

/// What would be known about the message if it had come in.
fn facts(catalog: &Catalog, mapping: &Mapping, document: &Document, limits: &Limits) -> Facts {
    let found = catalog
        .profile_of(mapping.from())
        .and_then(|profile| profile.facts(mapping.from(), document, limits).ok())
        .unwrap_or_default();
    let route = catalog.routes().iter().find(|route| route.document_type == mapping.from());
    Facts {
        id: "msg_00000000000000000000000000000000".to_owned(),
        received: SystemClock::default().now(),
        system: route.map(|route| route.from.clone()).unwrap_or_default(),
        site: found.site,
        document_type: mapping.from().to_owned(),
        business_key: found.business_key,
        date: found.date,
    }
}

/// The target system: named, or where the first route that uses the mapping sends this document.
fn target(
    catalog: &Catalog,
    mapping: &Arc<Mapping>,
    document: &Document,
    named: Option<&str>,
) -> Result<Option<Arc<System>>, Failed> {
    if let Some(named) = named {
        let found = catalog.system(named).cloned();
        return match found {
            Some(system) => Ok(Some(system)),
            None if catalog.systems().next().is_none() => Ok(None),
            None => Err(Failed::new(Exit::NotFound, format!("there is no system `{named}`"))),
        };
    }
    let budget = crate::xpath::Budget::new(1_000_000);
    let targets = catalog.routes().iter().flat_map(|route| &route.targets);
    let is_it = |used: &Arc<Mapping>| {
        Arc::ptr_eq(used, mapping) || mapping.documents().iter().any(|document| Arc::ptr_eq(used, document))
    };
    let mut using = targets.filter(|target| target.mappings.iter().any(is_it));
    let leads = using.find(|target| target.when.as_ref().is_none_or(|when| when.holds(document, &budget) == Ok(true)));
    Ok(leads.and_then(|target| catalog.system(&target.system)).cloned())
}

/// The problem of a document, with the document's file.
pub fn in_file(problem: Problem, path: &Path) -> Problem {
    let place = Place { file: Some(path.to_string_lossy().into()), ..problem.place.clone() };
    problem.at(place)
}
