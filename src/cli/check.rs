//! `crossdock check`: everything that can be known before the first message.

use serde_json::json;

use super::{
    Common, Exit, Failed,
    outcome::{out, print_json, problem_json, show_problems},
};
use crate::{app, config};

/// What `check` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  crossdock check\n  crossdock check --config examples/dealer-group/crossdock.toml\n  \
    crossdock check --json | jq '.problems[].text'\n  crossdock check --reference > crossdock.toml"
)]
pub struct Arguments {
    /// Treat warnings as errors.
    #[arg(long)]
    deny_warnings: bool,
    /// Print the commented reference of all settings, and check nothing.
    #[arg(long)]
    reference: bool,
}

/// Checks settings and content.
pub fn check(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    if arguments.reference {
        print!("{}", config::REFERENCE);
        return Ok(Exit::Ok);
    }
    let settings = common.settings()?;
    let (catalog, problems) = app::prepare_catalog(&settings);
    let found = if arguments.deny_warnings { !problems.0.is_empty() } else { problems.has_errors() };
    let counted = (catalog.systems().count(), catalog.routes().len(), catalog.mappings().count());
    if common.json {
        let listed: Vec<_> = problems.0.iter().map(problem_json).collect();
        print_json(&json!({
            "ok": !found,
            "systems": counted.0,
            "routes": counted.1,
            "mappings": counted.2,
            "content": catalog.hash().to_string(),
            "problems": listed,
        }));
    } else {
        show_problems(&problems.0);
        let errors = problems.0.iter().filter(|problem| problem.severity == crate::base::Severity::Error).count();
        out(format_args!(
            "{} systems, {} routes, {} mappings: {errors} errors, {} warnings",
            counted.0,
            counted.1,
            counted.2,
            problems.0.len() - errors
        ));
    }
    Ok(if found { Exit::Problems } else { Exit::Ok })
}
