//! `crossdock map`: one document through one mapping, with the origin of every field on request.

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use super::{
    Common, Exit, Failed,
    context::{self, TrialHost},
    difference::{Blame, Groups, shown},
    outcome::{out, print_json, problem_json, show_problems},
};
use crate::{
    app::{self, SystemClock},
    base::{Clock as _, Place, Problem, Problems},
    catalog::{Catalog, System},
    document::Document,
    format::{Charset, Layout, ReadOptions, Syntax, WriteOptions, read, write},
    mapping::{Difference, Environment, Evaluations, Explanation, FORMAT, Failure, Mapping, Recording, compare},
    pipeline::{Facts, RunHost},
};

/// What `map` takes.
#[derive(clap::Args)]
#[command(
    after_help = "The settings file is looked for beside FILE and in the folders above it, so that its code tables are \
    used.\nAn entity without a cross reference is taken to have the same id in the target system.\n\nExamples:\n  \
    crossdock map examples/dealer-group/messages/order-1.xml --mapping u8/hub-sales-order-to-saleorder\n  \
    crossdock map order.json --mapping u8/hub-sales-order-to-saleorder --explain\n  \
    crossdock map order.json --mapping u8/hub-sales-order-to-saleorder --trace\n  \
    crossdock map order.xml --mapping u8/hub-sales-order-to-saleorder --diff old/hub-sales-order-to-saleorder.yaml\n  \
    crossdock map order.xml --mapping u8/hub-sales-order-to-saleorder --system u8-east --envelope --raw > out.xml"
)]
pub struct Arguments {
    /// The document, XML or JSON.
    file: PathBuf,
    /// The mapping, as in u8/hub-sales-order-to-saleorder.
    #[arg(long, short)]
    mapping: String,
    /// One document of a mapping that makes several; default: all of them.
    #[arg(long, value_name = "NAME")]
    document: Option<String>,
    /// The target system, for its settings and codes; default: where the document's route leads.
    #[arg(long)]
    system: Option<String>,
    /// Codes, cross references and settings from a file, as in test cases.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Print, for every output field, its source fields, its rule and the code-table rows used.
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
    let mapping = usable(&catalog, &problems, &arguments.mapping)?;
    let context = match &arguments.context {
        Some(path) => Some(context::read(path).map_err(|problems| Failed::new(Exit::Usage, problems))?),
        None => None,
    };
    let bytes = std::fs::read(&arguments.file)
        .map_err(|error| Failed::new(Exit::NotFound, format!("{}: {error}", arguments.file.display())))?;
    let document = input(&catalog, &mapping, &bytes, &limits)
        .map_err(|problem| Failed::new(Exit::Problems, in_file(problem, &arguments.file)))?;
    let facts = facts(&catalog, &mapping, &document, &limits);
    let system = target(&catalog, &mapping, &document, arguments.system.as_deref())?;
    let setup = system.as_ref().map(|system| RunHost::new(&catalog, &facts, system, &()));
    let host = TrialHost::new(context.as_ref(), setup);
    let trial = Trial { common, arguments, catalog: &catalog, document: &document, host: &host, limits: &limits };
    let mut exit = Exit::Ok;
    for mapping in documents(&mapping, arguments.document.as_deref())? {
        if let Some(name) = mapping.document() {
            eprintln!("document {name}:");
        }
        let one = trial.map(&mapping, system.as_deref())?;
        exit = if exit == Exit::Ok { one } else { exit };
    }
    Ok(exit)
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

/// A document to be mapped, and with what.
struct Trial<'a> {
    common: &'a Common,
    arguments: &'a Arguments,
    catalog: &'a Catalog,
    document: &'a Document,
    host: &'a TrialHost<'a>,
    limits: &'a crate::base::Limits,
}

impl Trial<'_> {
    fn map(&self, mapping: &Mapping, system: Option<&System>) -> Result<Exit, Failed> {
        let Self { common, arguments, catalog, document, host, limits } = *self;
        if let Some(old) = &arguments.diff {
            let old = compile(catalog, old)?;
            let old = documents(&Arc::new(old), mapping.document().map(|name| &**name))?.swap_remove(0);
            return diff(common, &old, mapping, &|mapping, explanation| {
                mapping.apply(document, host, limits, Some(explanation))
            });
        }
        let mut explanation = arguments.explain.then(Explanation::default);
        let evaluations = arguments.trace.then(Evaluations::default);
        let recording = Recording {
            explanation: explanation.as_mut(),
            observer: evaluations.as_ref().map(|evaluations| evaluations as _),
        };
        let mapped = mapping.make(document, host, limits, recording).and_then(|made| {
            show_problems(&made.warnings);
            let mapped = made.document;
            match (arguments.envelope, catalog.profile_of(mapping.to())) {
                (true, Some(profile)) => profile.wrap(&mapped, host, limits),
                _ => Ok(mapped),
            }
        });
        if let Some(evaluations) = evaluations {
            // Also of a run that failed: that is when it is wanted.
            show_trace(common, mapping, evaluations)?;
        }
        let mapped = match mapped {
            Ok(_) if arguments.trace => return Ok(Exit::Ok),
            Ok(mapped) => mapped,
            Err(Failure::LeftOut { rule }) => {
                eprintln!("left out: the `$if` of {rule} does not hold");
                return Ok(Exit::Ok);
            }
            Err(failure) => {
                if common.json && !arguments.trace {
                    let listed: Vec<_> = failure.problems().iter().map(problem_json).collect();
                    print_json(&json!({"ok": false, "problems": listed}));
                } else {
                    show_problems(&failure.problems());
                    if matches!(failure, Failure::Missing { .. }) {
                        failure.lines().iter().for_each(|line| eprintln!("  {line}"));
                    }
                }
                return Ok(Exit::Problems);
            }
        };
        for assumed in host.assumed() {
            eprintln!("note: no cross reference for {assumed} here; its own id is shown");
        }
        if let Some(explanation) = explanation {
            show(common, &explanation)?;
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
pub fn input(
    catalog: &Catalog,
    mapping: &Mapping,
    bytes: &[u8],
    limits: &crate::base::Limits,
) -> Result<Document, Problem> {
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
fn facts(catalog: &Catalog, mapping: &Mapping, document: &Document, limits: &crate::base::Limits) -> Facts {
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

fn show(common: &Common, explanation: &Explanation) -> Result<(), Failed> {
    if common.json {
        let value = serde_json::to_value(explanation).map_err(|error| Failed::new(Exit::Failed, error))?;
        print_json(&value);
        return Ok(());
    }
    out(format_args!(
        "mapping {} (version {})",
        explanation.mapping,
        explanation.version.get(..12).unwrap_or_default()
    ));
    for field in &explanation.fields {
        out(format_args!("{} = {}", field.path, field.value));
        let formula = field.formula.as_ref().map_or_else(|| "literal".to_owned(), |formula| format!("={formula}"));
        out(format_args!("    rule    {}:{}:{}  {formula}", field.rule.file, field.rule.line, field.rule.column));
        for source in &field.sources {
            out(format_args!("    source  {} (line {}, column {})", source.path, source.line, source.column));
        }
        for code in &field.codes {
            let row = code.row.as_deref().unwrap_or("-");
            out(format_args!(
                "    code    {}: {} → {} ({row})",
                code.table,
                code.value,
                code.result.as_deref().unwrap_or("none")
            ));
        }
        for xref in &field.xrefs {
            out(format_args!("    xref    {} {} → {}", xref.entity, xref.id, xref.result.as_deref().unwrap_or("none")));
        }
    }
    Ok(())
}

/// Compiles a mapping file that is no part of the content.
fn compile(catalog: &Catalog, path: &Path) -> Result<Mapping, Failed> {
    let file: Arc<str> = path.to_string_lossy().into();
    let text =
        std::fs::read_to_string(path).map_err(|error| Failed::new(Exit::NotFound, format!("{file}: {error}")))?;
    let compiled = Mapping::ends(&text, &file).and_then(|ends| {
        let source = catalog.model(&ends.from).cloned();
        let targets: Vec<_> = ends.to.iter().filter_map(|to| Some((to.clone(), catalog.model(to)?.clone()))).collect();
        let environment = Environment { source: source.as_deref(), targets: &targets, ..Environment::default() };
        Mapping::compile(&text, &file, &environment)
    });
    compiled.map_err(|problems| {
        show_problems(&problems.0);
        Failed::new(Exit::Problems, format!("{file} has errors"))
    })
}

/// Runs two versions of a mapping and shows the fields in which their documents differ.
fn diff(
    common: &Common,
    old: &Mapping,
    new: &Mapping,
    apply: &dyn Fn(&Mapping, &mut Explanation) -> Result<Document, Failure>,
) -> Result<Exit, Failed> {
    let (mut old_origins, mut origins) = (Explanation::default(), Explanation::default());
    let (before, after) = (apply(old, &mut old_origins), apply(new, &mut origins));
    let differences = match (&before, &after) {
        (Ok(before), Ok(after)) => compare(before, after),
        _ => lines(&before, &after),
    };
    // What the new one does not make any more is the old one's rule.
    let (gone, other): (Vec<_>, Vec<_>) = differences.into_iter().partition(|difference| difference.actual.is_none());
    let mut groups = Groups::keeping(usize::MAX);
    let blame = Blame { mapping: new, explanation: &origins, failure: after.as_ref().err() };
    groups.add(Some(new), blame.all(other), "new");
    let blame = Blame { mapping: old, explanation: &old_origins, failure: None };
    groups.add(Some(old), blame.all(gone), "old");
    let groups = groups.into_vec();
    let count: usize = groups.iter().map(|group| group.count).sum();
    if common.json {
        let listed = groups.iter().map(|group| {
            let mut value = group.head_json();
            value["differences"] = group
                .differences
                .iter()
                .map(|found| json!({"path": found.path, "old": found.expected, "new": found.actual}))
                .collect();
            value
        });
        print_json(&json!({
            "old": {"mapping": **old.file(), "version": old.content_hash().to_string()},
            "new": {"mapping": **new.file(), "version": new.content_hash().to_string()},
            "differences": count,
            "rules": listed.collect::<Vec<_>>(),
        }));
    } else {
        for group in &groups {
            out(format_args!("{}", group.title()));
            for difference in &group.differences {
                out(format_args!("    {}", shown(difference, ("old", "new"))));
            }
        }
        out(format_args!("{count} fields differ"));
    }
    Ok(if count == 0 { Exit::Ok } else { Exit::Problems })
}

/// How two runs differ of which at least one stopped.
fn lines(before: &Result<Document, Failure>, after: &Result<Document, Failure>) -> Vec<Difference> {
    let text = |result: &Result<Document, Failure>| match result {
        Ok(_) => "a document".to_owned(),
        Err(failure) => failure.lines().join("; "),
    };
    let (before, after) = (text(before), text(after));
    if before == after {
        return Vec::new();
    }
    vec![Difference { path: "problems".to_owned(), expected: Some(before), actual: Some(after) }]
}

fn show_trace(common: &Common, mapping: &Mapping, evaluations: Evaluations) -> Result<(), Failed> {
    let evaluations = evaluations.into_vec();
    if common.json {
        let listed = serde_json::to_value(&evaluations).map_err(|error| Failed::new(Exit::Failed, error))?;
        print_json(&json!({
            "format": FORMAT,
            "mapping": **mapping.file(),
            "version": mapping.content_hash().to_string(),
            "evaluations": listed,
        }));
        return Ok(());
    }
    for evaluation in &evaluations {
        let gave = match (&evaluation.value, &evaluation.failure) {
            (Some(value), _) => format!("→ {value}"),
            (None, failure) => format!("failed: {}", failure.as_deref().unwrap_or_default()),
        };
        out(format_args!("{}  ={}  {gave}", evaluation.rule, evaluation.formula));
        if let Some(context) = evaluation.context.as_ref().filter(|context| *context != "/") {
            out(format_args!("    at    {context}"));
        }
        for read in &evaluation.reads {
            out(format_args!("    read  {} = '{}'", read.path, read.value));
        }
    }
    Ok(())
}
