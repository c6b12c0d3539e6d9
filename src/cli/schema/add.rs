//! `crossdock schema add`: brings a family of schemas into the content folder.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::ProgressBar;
use serde_json::json;

use crate::{
    app::SystemClock,
    base::{Clock as _, Problems},
    catalog::{self, AddError, Addition, Source},
    cli::{
        Common, Exit, Failed,
        outcome::{out, print_json, problem_json, show_problems},
    },
};

/// What `schema add` takes.
#[derive(clap::Args)]
#[command(after_help = "Copied are .xsd and .json files and what is named like a licence, with their paths, to\n\
    schemas/<family>/<version>/ of the content folder, when all schemas can be compiled. Nothing is fetched.\n\n\
    Examples:\n  crossdock schema add UBL-2.4.zip --family ubl --version 2.4\n  \
    crossdock schema add ./acme-schemas --family acme --version 2 --licence terms.txt\n  \
    crossdock schema add ./acme-schemas --family acme --version 2 --replace\n\n\
    Exit codes: 7 the schemas cannot be used, 8 other schemas are there under that version.")]
pub struct Arguments {
    /// A zip archive or a folder.
    #[arg(value_name = "ZIP|FOLDER")]
    from: PathBuf,
    /// The family: lower-case letters, digits, `-`.
    #[arg(long, value_parser = family)]
    family: String,
    /// The version: letters, digits, `.`, `_`, `-`.
    #[arg(long, value_parser = version)]
    version: String,
    /// The file that says under which terms the schemas may be used, when it is not among them.
    #[arg(long, value_name = "FILE")]
    licence: Option<PathBuf>,
    /// Replace other schemas under the same version.
    #[arg(long)]
    replace: bool,
}

fn family(text: &str) -> Result<String, String> {
    let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if is_name { Ok(text.to_owned()) } else { Err("lower-case letters, digits and `-`, a letter first".to_owned()) }
}

fn version(text: &str) -> Result<String, String> {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if is_name { Ok(text.to_owned()) } else { Err("letters, digits, `.`, `_` and `-`; not a mark first".to_owned()) }
}

/// Adds a family.
pub fn add(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    if !arguments.from.exists() {
        return Err(Failed::new(Exit::NotFound, format!("there is no `{}`", arguments.from.display())));
    }
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(Duration::from_millis(100));
    let step = |text: &str| bar.set_message(text.to_owned());
    step("reading");
    let licence = arguments.licence.as_deref().map(licence).transpose()?;
    let added = Source::read(&arguments.from).map_err(|problem| AddError::Schemas(problem.into())).and_then(|source| {
        let addition = Addition {
            content: &settings.hub.content,
            family: &arguments.family,
            version: &arguments.version,
            licence,
            replace: arguments.replace,
            now: SystemClock::default().now(),
        };
        catalog::add(source, &addition, &step)
    });
    bar.finish_and_clear();
    let added = match added {
        Ok(added) => added,
        Err(AddError::Schemas(problems)) => return Ok(refused(common, &problems, Exit::Problems)),
        Err(AddError::Conflict(problem)) => return Ok(refused(common, &problem.into(), Exit::Conflict)),
        Err(error @ AddError::Write { .. }) => return Err(Failed::new(Exit::Failed, error)),
    };
    let manifest = &added.manifest;
    if common.json {
        print_json(&json!({
            "ok": true,
            "folder": added.folder.display().to_string(),
            "written": !added.was_there,
            "manifest": manifest,
            "problems": added.warnings.0.iter().map(problem_json).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Ok);
    }
    show_problems(&added.warnings.0);
    let name = format!("{}/{}", manifest.family, manifest.version);
    let (files, roots) = (manifest.files.len(), manifest.roots.len());
    if added.was_there {
        out(format_args!("{name}: the same {files} files are there already"));
    } else {
        out(format_args!("{name}: {files} files in {}, {roots} root elements", added.folder.display()));
    }
    for licence in &manifest.licences {
        out(format_args!("  licence: {licence}"));
    }
    for root in manifest.roots.iter().take(MOST_ROOTS) {
        out(format_args!("  {}  {}", root.element, root.file));
    }
    if roots > MOST_ROOTS {
        out(format_args!("  … and {} more: crossdock schema list {name}", roots - MOST_ROOTS));
    }
    Ok(Exit::Ok)
}

/// The most root elements shown after adding.
const MOST_ROOTS: usize = 10;

fn licence(path: &Path) -> Result<(String, Vec<u8>), Failed> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failed::new(Exit::NotFound, format!("the licence {}: {error}", path.display())))?;
    let name = path.file_name().map_or_else(|| "LICENCE".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok((name, bytes))
}

fn refused(common: &Common, problems: &Problems, exit: Exit) -> Exit {
    if common.json {
        let listed: Vec<_> = problems.0.iter().map(problem_json).collect();
        print_json(&json!({"ok": false, "problems": listed}));
    } else {
        show_problems(&problems.0);
    }
    exit
}
