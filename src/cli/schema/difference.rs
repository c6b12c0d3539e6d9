//! `crossdock schema diff`: what changed between two schemas, and whom it breaks.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value, json};

use crate::{
    app,
    catalog::Catalog,
    cli::{
        Common, Exit, Failed,
        outcome::{out, print_json},
    },
    mapping::Mapping,
    schema::{Change, Model, ModelChange, model_changes},
};

/// What `schema diff` takes.
#[derive(clap::Args)]
#[command(
    after_help = "OLD and NEW are schema files or document types.\nReaders are those that take in documents made for NEW \
    and know OLD; writers make documents for OLD that must hold for NEW.\n\nExamples:\n  \
    crossdock schema diff old/order.xsd schemas/acme/1/order.xsd\n  \
    crossdock schema diff hub/sales-order@1 new/SalesOrder.xsd --mappings\n\n\
    Exit code 7 when something breaks."
)]
pub struct Arguments {
    /// The schema as it was: a file, or a document type as in hub/sales-order@1.
    old: String,
    /// The schema as it is or will be.
    new: String,
    /// Show which mappings from or to the document type OLD are touched.
    #[arg(long)]
    mappings: bool,
}

/// A mapping that a change touches.
struct Touched {
    mapping: String,
    /// `reads`, `fills`, `does not fill`.
    how: &'static str,
    /// File and line of the rule, or the file.
    place: String,
}

/// Compares two schemas.
pub fn diff(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let is_file = |word: &String| Path::new(word).is_file();
    let catalog = if is_file(&arguments.old) && is_file(&arguments.new) && !arguments.mappings {
        None
    } else {
        Some(app::load_catalog(&common.settings()?).0)
    };
    let old = model(catalog.as_ref(), &arguments.old)?;
    let new = model(catalog.as_ref(), &arguments.new)?;
    let changes = model_changes(&old, &new);
    let breaking = changes.iter().filter(|change| change.breaks_readers || change.breaks_writers).count();
    let touched = |change: &ModelChange| match &catalog {
        Some(catalog) if arguments.mappings => touched(catalog, &arguments.old, (&old, &new), change),
        _ => Vec::new(),
    };
    if common.json {
        let listed: Vec<Value> = changes.iter().map(|change| change_json(change, &touched(change))).collect();
        print_json(&json!({"ok": breaking == 0, "breaking": breaking, "changes": listed}));
    } else {
        for change in &changes {
            show(change);
            for one in touched(change) {
                out(format_args!("    {} {} it: {}", one.mapping, one.how, one.place));
            }
        }
        out(format_args!("{} changes, {breaking} breaking", changes.len()));
    }
    Ok(if breaking > 0 { Exit::Problems } else { Exit::Ok })
}

fn show(change: &ModelChange) {
    let word = serde_json::to_value(change.change).ok();
    let word = word.as_ref().and_then(Value::as_str).unwrap_or_default();
    let broken = match (change.breaks_readers, change.breaks_writers) {
        (true, true) => " [breaks readers and writers]",
        (true, false) => " [breaks readers]",
        (false, true) => " [breaks writers]",
        (false, false) => "",
    };
    let detail = match (change.old.as_str(), change.new.as_str()) {
        ("", "") => String::new(),
        ("", new) => format!(": {new}"),
        (old, "") => format!(": was {old}"),
        (old, new) => format!(": {old} → {new}"),
    };
    out(format_args!("{} {word}{detail}{broken}", change.path));
}

fn change_json(change: &ModelChange, touched: &[Touched]) -> Value {
    let mut made = serde_json::to_value(change).unwrap_or_default();
    let listed = touched.iter().map(|one| json!({"mapping": one.mapping, "how": one.how, "place": one.place}));
    made["mappings"] = listed.collect();
    made
}

/// The model of a file or a document type.
pub(super) fn model(catalog: Option<&Catalog>, word: &str) -> Result<Arc<Model>, Failed> {
    if Path::new(word).is_file() {
        let (read, entry) = file_reader(Path::new(word)).map_err(|error| Failed::new(Exit::NotFound, error))?;
        return Model::load(&read, &entry).map(Arc::new).map_err(|problems| Failed::new(Exit::Problems, problems));
    }
    let known = catalog.and_then(|catalog| catalog.model(word)).cloned();
    known.ok_or_else(|| {
        Failed::new(Exit::NotFound, format!("`{word}` is neither a schema file nor a document type with a schema"))
    })
}

/// Gives the bytes of a schema file by its name.
pub(super) type ReadFile = Box<dyn Fn(&str) -> Option<Vec<u8>>>;

/// What gives the schema files beside a file, and that file's name in it. Names inside a schema may lead to folders
/// above it; nothing but schema files is read.
pub(super) fn file_reader(file: &Path) -> std::io::Result<(ReadFile, String)> {
    let entry = fs::canonicalize(file)?.to_string_lossy().trim_start_matches('/').to_owned();
    let is_schema = |name: &str| Path::new(name).extension().is_some_and(|ending| ending == "xsd");
    let read = move |name: &str| fs::read(Path::new("/").join(name)).ok().filter(|_| is_schema(name));
    Ok((Box::new(read), entry))
}

/// The mappings a breaking change touches.
fn touched(catalog: &Catalog, of: &str, (old, new): (&Model, &Model), change: &ModelChange) -> Vec<Touched> {
    let mut found = Vec::new();
    for (name, mapping) in catalog.mappings() {
        let mut add = |how, place: String| found.push(Touched { mapping: name.clone(), how, place });
        if change.breaks_readers && mapping.from() == of && reads(mapping, old, &change.path) {
            add("reads", mapping.file().to_string());
        }
        if !change.breaks_writers || mapping.to() != of {
            continue;
        }
        let is_new = matches!(change.change, Change::Added | Change::Required);
        let model = if change.change == Change::Added { new } else { old };
        match (is_new, is_gap(&mapping.target_coverage(model), &change.path)) {
            (true, true) => add("does not fill", mapping.file().to_string()),
            (false, false) => add("fills", mapping.rule_of(&change.path).to_string()),
            _ => (),
        }
    }
    found
}

fn reads(mapping: &Mapping, model: &Model, path: &str) -> bool {
    mapping.is_blind() || !is_gap(&mapping.source_coverage(model), path)
}

/// Whether nothing touches a field.
fn is_gap(coverage: &crate::mapping::FieldCoverage, path: &str) -> bool {
    let covers = |gap: &str| path.strip_prefix(gap).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    coverage.gaps.iter().any(|gap| covers(&gap.path))
}
