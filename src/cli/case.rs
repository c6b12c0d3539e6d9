//! `crossdock test`: the cases beside the mappings.
//!
//! A case is a folder `mappings/<profile>/cases/<case>/` with `input.xml` or `input.json`, `expected.xml` or
//! `expected.json` (compared as documents), `context.yaml` (the mapping, codes, cross references, settings), and instead
//! of an expectation `problems.txt` for a case that must fail.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    Common, Exit, Failed, context,
    map::{in_file, input},
    outcome::{out, print_json},
};
use crate::{
    app,
    base::Limits,
    catalog::Catalog,
    format::{Layout, ReadOptions, Syntax, WriteOptions, read, write},
    mapping::{Difference, compare},
};

/// What `test` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock test\n  crossdock test u8/plain-order\n  crossdock test --update u8/")]
pub struct Arguments {
    /// Only cases whose name (profile/case) contains one of these.
    filter: Vec<String>,
    /// Write what comes out as the new expectation.
    #[arg(long)]
    update: bool,
}

/// What one case gave.
struct Ran {
    name: String,
    problems: Vec<String>,
    updated: bool,
}

/// Runs the cases.
pub fn test(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    let (catalog, problems) = app::load_catalog(&settings);
    let limits = settings.limits.limits();
    let folders = folders(&settings.hub.content.join("mappings"));
    let wanted = |name: &str| arguments.filter.is_empty() || arguments.filter.iter().any(|part| name.contains(part));
    let mut ran = Vec::new();
    for (name, folder) in folders.iter().filter(|(name, _)| wanted(name)) {
        let (problems, updated) = match run(&catalog, folder, arguments.update, &limits) {
            Ok(updated) => (Vec::new(), updated),
            Err(problems) => (problems, false),
        };
        ran.push(Ran { name: name.clone(), problems, updated });
    }
    let failed = ran.iter().filter(|case| !case.problems.is_empty()).count();
    if common.json {
        let cases: Vec<_> = ran
            .iter()
            .map(|case| json!({"case": case.name, "ok": case.problems.is_empty(), "problems": case.problems}))
            .collect();
        print_json(&json!({"passed": ran.len() - failed, "failed": failed, "cases": cases}));
    } else {
        if failed > 0 {
            super::outcome::show_problems(
                problems.0.iter().filter(|problem| problem.severity == crate::base::Severity::Error),
            );
        }
        for case in &ran {
            let word = match (case.problems.is_empty(), case.updated) {
                (true, true) => "updated",
                (true, false) => "ok",
                (false, _) => "FAILED",
            };
            out(format_args!("{word}\t{}", case.name));
            case.problems.iter().for_each(|problem| out(format_args!("\t{problem}")));
        }
        out(format_args!("{} passed, {failed} failed", ran.len() - failed));
    }
    if ran.is_empty() {
        let text = format!("no case found under {}", settings.hub.content.join("mappings").display());
        return Err(Failed::new(Exit::NotFound, text));
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::Problems })
}

/// Every case folder, with its name.
fn folders(mappings: &Path) -> Vec<(String, PathBuf)> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        paths.sort();
        paths
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    below(mappings)
        .iter()
        .flat_map(|profile| {
            let cases = below(&profile.join("cases"));
            cases.into_iter().map(|case| (format!("{}/{}", name(profile), name(&case)), case)).collect::<Vec<_>>()
        })
        .collect()
}

/// One of two files that may be there.
fn either(folder: &Path, stem: &str) -> Option<PathBuf> {
    ["xml", "json"].iter().map(|ending| folder.join(format!("{stem}.{ending}"))).find(|path| path.is_file())
}

/// Runs one case; whether an expectation was written.
fn run(catalog: &Catalog, folder: &Path, update: bool, limits: &Limits) -> Result<bool, Vec<String>> {
    let one = |text: String| vec![text];
    let context = context::read(&folder.join("context.yaml"))
        .map_err(|problems| problems.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let name = &context.mapping;
    let Some(mapping) = catalog.mapping(name) else {
        return Err(one(format!("there is no usable mapping `{name}`; see `crossdock check`")));
    };
    let Some(input_file) = either(folder, "input") else {
        return Err(one(format!("{}: no input.xml or input.json", folder.display())));
    };
    let bytes = std::fs::read(&input_file).map_err(|error| one(format!("{}: {error}", input_file.display())))?;
    let document =
        input(catalog, mapping, &bytes, limits).map_err(|problem| one(in_file(problem, &input_file).to_string()))?;
    let outcome = mapping.apply(&document, &context, limits, None);
    let problems_file = folder.join("problems.txt");
    match outcome {
        Err(failure) => {
            let lines = failure.lines();
            if update {
                let text = lines.join("\n") + "\n";
                return std::fs::write(&problems_file, text).map(|()| true).map_err(|error| one(error.to_string()));
            }
            let expected = std::fs::read_to_string(&problems_file).map_err(|_| {
                lines.iter().map(|line| format!("stopped, and there is no problems.txt: {line}")).collect::<Vec<_>>()
            })?;
            let expected: Vec<&str> = expected.lines().filter(|line| !line.trim().is_empty()).collect();
            if expected == lines { Ok(false) } else { Err(vec![format!("expected {expected:?}, got {lines:?}")]) }
        }
        Ok(mapped) => {
            let expected_file = either(folder, "expected");
            let syntax = match &expected_file {
                Some(path) if path.extension().is_some_and(|ending| ending == "json") => Syntax::Json,
                _ => Syntax::Xml,
            };
            if update {
                let path = expected_file.unwrap_or_else(|| folder.join("expected.xml"));
                let options = WriteOptions { layout: Layout::Pretty, ..WriteOptions::default() };
                let mut bytes = write(&mapped, syntax, &options).map_err(|problem| one(problem.to_string()))?;
                bytes.push(b'\n');
                return std::fs::write(path, bytes).map(|()| true).map_err(|error| one(error.to_string()));
            }
            if problems_file.is_file() {
                return Err(one("it should stop with the problems of problems.txt, but it went through".to_owned()));
            }
            let Some(path) = expected_file else {
                return Err(one("no expected.xml, expected.json or problems.txt; write one with --update".to_owned()));
            };
            let expected = std::fs::read(&path).map_err(|error| one(format!("{}: {error}", path.display())))?;
            let options = ReadOptions { limits: limits.clone(), ..ReadOptions::default() };
            let expected =
                read(&expected, syntax, &options).map_err(|problem| one(in_file(problem, &path).to_string()))?;
            let differences = compare(&expected.document, &mapped);
            if differences.is_empty() { Ok(false) } else { Err(differences.iter().map(shown).collect()) }
        }
    }
}

fn shown(difference: &Difference) -> String {
    let side = |text: &Option<String>| text.as_ref().map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
    format!("{}: expected {}, got {}", difference.path, side(&difference.expected), side(&difference.actual))
}
