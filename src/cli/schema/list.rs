//! `crossdock schema list`: the families of schemas there are.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::subject::library;
use crate::{
    base::suggest,
    catalog::{Family, State},
    cli::{
        Common, Exit, Failed,
        outcome::{out, print_json, problem_json, show_problems},
    },
};

/// What `schema list` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock schema list\n  \
    crossdock schema list ubl/2.4          its root elements and their files\n  \
    crossdock schema list --json | jq '.families[].roots | length'\n\n\
    Exit code 7 when files are not as they were added.")]
pub struct Arguments {
    /// One family's version: FAMILY/VERSION.
    #[arg(value_name = "FAMILY/VERSION")]
    one: Option<String>,
}

/// Lists families.
pub fn list(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let mut families = Family::all(&library(&common.settings()?));
    let name = |family: &Family| format!("{}/{}", family.family, family.version);
    if let Some(one) = &arguments.one {
        let names: Vec<String> = families.iter().map(name).collect();
        families.retain(|family| name(family) == *one);
        if families.is_empty() {
            let hint = suggest(one, names.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |best| format!("; did you mean `{best}`?"));
            return Err(Failed::new(Exit::NotFound, format!("there is no family `{one}`{hint}")));
        }
    }
    let is_changed = families.iter().any(|family| matches!(family.state, State::Changed(_)));
    let exit = if is_changed { Exit::Problems } else { Exit::Ok };
    if common.json {
        print_json(&json!({"ok": !is_changed, "families": families.iter().map(family_json).collect::<Vec<_>>()}));
        return Ok(exit);
    }
    let mut table = Table::new();
    if arguments.one.is_some() {
        table.load_style(presets::NOTHING).set_header(["root", "file", "namespace"]);
        for root in families.iter().flat_map(|family| &family.roots) {
            table.add_row([&root.element, &root.file, &root.namespace]);
        }
    } else {
        table.load_style(presets::NOTHING).set_header(["family", "version", "files", "roots", "added", "state"]);
        for family in &families {
            let added = family.manifest.as_ref().map_or("", |manifest| manifest.added.get(..10).unwrap_or_default());
            table.add_row([
                family.family.clone(),
                family.version.clone(),
                family.files.len().to_string(),
                family.roots.len().to_string(),
                added.to_owned(),
                state(&family.state).to_owned(),
            ]);
        }
    }
    for line in table.lines() {
        out(format_args!("{}", line.trim_end()));
    }
    for family in &families {
        if let State::Changed(differing) = &family.state {
            show_problems(differing);
        }
    }
    Ok(exit)
}

fn state(state: &State) -> &'static str {
    match state {
        State::Shipped => "shipped",
        State::AsAdded => "as added",
        State::NoManifest => "no manifest",
        State::Changed(_) => "changed",
    }
}

fn family_json(family: &Family) -> Value {
    let differing = match &family.state {
        State::Changed(differing) => differing.iter().map(problem_json).collect(),
        _ => Vec::new(),
    };
    json!({
        "family": family.family,
        "version": family.version,
        "state": state(&family.state),
        "files": family.files,
        "roots": family.roots,
        "manifest": family.manifest,
        "problems": differing,
    })
}
