//! `crossdock mapping`: looking at mappings as such.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{
    Common, Exit, Failed,
    map::usable,
    messages::failed,
    outcome::{out, print_json},
};
use crate::{
    app::{self, open_reader},
    base::Sha256,
    mapping::FieldCoverage,
    store::KeptMapping,
};

/// The verbs of `mapping`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// List every text of a mapping file that a delivery used, or print one.
    Versions(Versions),
    /// List source fields that nobody reads, and target fields that nobody fills.
    Coverage(Coverage),
}

/// What `mapping versions` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  crossdock mapping versions\n  crossdock mapping versions --show 3f2a91 > old.yaml\n  \
    crossdock map order.xml -m u8/hub-sales-order-to-saleorder --diff old.yaml"
)]
pub struct Versions {
    /// Print the text whose digest begins so.
    #[arg(long, value_name = "HASH")]
    show: Option<String>,
}

/// Runs a verb.
pub async fn mapping(common: &Common, command: &Command) -> Result<Exit, Failed> {
    match command {
        Command::Versions(arguments) => versions(common, arguments).await,
        Command::Coverage(arguments) => coverage(common, arguments),
    }
}

async fn versions(common: &Common, arguments: &Versions) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    let reader = open_reader(&settings).await.map_err(|error| failed(&error))?;
    let hash = arguments.show.as_deref().unwrap_or_default().to_ascii_lowercase();
    let kept = reader.mapping_versions(&hash).await.map_err(|error| failed(&error));
    reader.close().await;
    let kept = kept?;
    let (catalog, _) = app::load_catalog(&settings);
    let current: BTreeSet<String> = catalog
        .mappings()
        .flat_map(|(_, mapping)| mapping.files())
        .map(|file| Sha256::of(file.text.as_bytes()).to_string())
        .collect();
    if arguments.show.is_some() {
        return show(common, &hash, &kept);
    }
    if common.json {
        let one = |kept: &KeptMapping| {
            json!({
                "hash": kept.sha256,
                "file": kept.file.file,
                "first_used": kept.first_used.to_string(),
                "current": current.contains(&kept.sha256),
            })
        };
        print_json(&json!({"versions": kept.iter().map(one).collect::<Vec<_>>()}));
        return Ok(Exit::Ok);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["hash", "first used", "", "file"]);
    for kept in &kept {
        table.add_row([
            kept.sha256.get(..12).unwrap_or_default(),
            kept.first_used.to_string().get(..19).unwrap_or_default(),
            if current.contains(&kept.sha256) { "current" } else { "old" },
            &kept.file.file,
        ]);
    }
    out(format_args!("{table}"));
    Ok(Exit::Ok)
}

fn show(common: &Common, hash: &str, kept: &[KeptMapping]) -> Result<Exit, Failed> {
    let [only] = kept else {
        let text = match kept.len() {
            0 => format!("no delivery used a mapping whose digest begins with `{hash}`"),
            several => format!("the digests of {several} mappings begin with `{hash}`; give more of it"),
        };
        return Err(Failed::new(Exit::NotFound, text));
    };
    if common.json {
        print_json(&json!({"hash": only.sha256, "file": only.file.file, "text": only.file.text}));
    } else {
        print!("{}", only.file.text);
    }
    Ok(Exit::Ok)
}

/// What `mapping coverage` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock mapping coverage u8/hub-sales-order-to-saleorder\n  \
    crossdock mapping coverage u8/customer-to-hub-customer --json | jq -r '.source.gaps[].path'")]
pub struct Coverage {
    /// The mapping, as in u8/hub-sales-order-to-saleorder.
    mapping: String,
}

fn coverage(common: &Common, arguments: &Coverage) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    let (catalog, problems) = app::load_catalog(&settings);
    let mapping = usable(&catalog, &problems, &arguments.mapping)?;
    let (source, target) = (catalog.model(mapping.from()), catalog.model(mapping.to()));
    let (source, target) =
        (source.map(|model| mapping.source_coverage(model)), target.map(|model| mapping.target_coverage(model)));
    if common.json {
        print_json(&json!({
            "mapping": arguments.mapping,
            "source": source.as_ref().map(|known| side_json(mapping.from(), known)),
            "target": target.as_ref().map(|known| side_json(mapping.to(), known)),
            "blind": mapping.is_blind(),
        }));
        return Ok(Exit::Ok);
    }
    side(("source", "read", "no formula reads"), mapping.from(), source.as_ref());
    if mapping.is_blind() {
        out(format_args!("  some formulas may read more than can be told beforehand"));
    }
    side(("target", "filled", "no rule fills"), mapping.to(), target.as_ref());
    Ok(Exit::Ok)
}

fn side_json(document_type: &str, known: &FieldCoverage) -> Value {
    json!({"type": document_type, "fields": known.fields, "touched": known.touched, "gaps": known.gaps})
}

fn side((side, done, undone): (&str, &str, &str), document_type: &str, known: Option<&FieldCoverage>) {
    let Some(known) = known else {
        out(format_args!("{side} {document_type}: it has no schema"));
        return;
    };
    out(format_args!("{side} {document_type}: {} of {} fields {done}", known.touched, known.fields));
    for gap in &known.gaps {
        let fields = if gap.fields == 1 { String::new() } else { format!(" ({} fields)", gap.fields) };
        let required = if gap.required && side == "target" { ", which is required" } else { "" };
        out(format_args!("  {undone} {}{fields}{required}", gap.path));
    }
}
