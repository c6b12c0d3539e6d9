//! The pages of the shipped document types are what their schemas say.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use super::{Catalog, Environment, Library};
use crate::{
    profile::DocumentType,
    schema::{Child, Model, Simple, SimpleKind, Type, TypeId},
};

/// Set to write the pages anew.
const WRITE: &str = "CROSSDOCK_WRITE_REFERENCE";

/// The shipped content asks for no secrets.
struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn secret_file(&self, path: &Path) -> std::io::Result<String> {
        Err(std::io::Error::other(path.display().to_string()))
    }

    fn text_file(&self, path: &Path) -> std::io::Result<String> {
        self.secret_file(path)
    }
}

/// One row of a page.
struct Row {
    path: String,
    occurs: String,
    kind: String,
    values: String,
    doc: String,
}

fn pages() -> BTreeMap<String, (String, String)> {
    let (catalog, problems) = Catalog::load(&Library::shipped(), &Nothing);
    assert!(problems.0.is_empty(), "{problems}");
    let types = catalog.profiles().flat_map(|profile| profile.document_types());
    let with_model = types.filter_map(|of| Some((of, catalog.model(&of.name)?)));
    with_model.map(|(of, model)| (file_of(of), (of.name.clone(), page(of, model)))).collect()
}

/// `hub/sales-order@1` → `hub-sales-order-1.md`.
fn file_of(of: &DocumentType) -> String {
    format!("{}.md", of.name.replace(['/', '@'], "-"))
}

fn page(of: &DocumentType, model: &Model) -> String {
    let mut page = format!("# {}\n\n", of.name);
    let roots = &model.get(TypeId::DOCUMENT).children;
    let root = roots.iter().find(|root| *root.name.local == *of.root).expect("the root is in the schema");
    if let Some(doc) = &root.doc {
        let _ = writeln!(page, "{doc}\n");
    }
    let _ = write!(page, "Root element `{}`", of.root);
    if !of.namespace.is_empty() {
        let _ = write!(page, " in the namespace `{}`", of.namespace);
    }
    let files = [("XML Schema", &of.schema), ("JSON Schema", &of.json_schema)];
    let files = files.into_iter().filter_map(|(what, file)| Some(format!("{what}: `schemas/{}`", file.as_ref()?)));
    let _ = write!(page, ". {}.\n\n", files.collect::<Vec<_>>().join(", "));
    page.push_str("| Field | Occurs | Type | Values | Meaning |\n|---|---|---|---|---|\n");
    let mut rows = Vec::new();
    below(model, root.of, "", &mut vec![root.of], &mut rows);
    for Row { path, occurs, kind, values, doc } in rows {
        let doc = doc.replace('|', "\\|");
        let _ = writeln!(page, "| `{path}` | {occurs} | {kind} | {values} | {doc} |");
    }
    page.push_str("\nThis page is written from the schema; `CROSSDOCK_WRITE_REFERENCE=1 cargo nextest run --lib catalog` writes it anew.\n");
    page
}

fn below(model: &Model, of: TypeId, path: &str, inside: &mut Vec<TypeId>, rows: &mut Vec<Row>) {
    let held = model.get(of);
    for attribute in &held.attributes {
        rows.push(Row {
            path: format!("{path}@{}", attribute.name.local),
            occurs: if attribute.required { "1" } else { "0..1" }.to_owned(),
            kind: kind(&attribute.value),
            values: values(&attribute.value),
            doc: attribute.doc.as_deref().unwrap_or_default().to_owned(),
        });
    }
    for child in &held.children {
        let path = format!("{path}{}", child.name.local);
        let below_it = model.get(child.of);
        rows.push(Row {
            path: path.clone(),
            occurs: occurs(child),
            kind: below_it.value.as_ref().map_or_else(|| "fields".to_owned(), kind),
            values: below_it.value.as_ref().map(values).unwrap_or_default(),
            doc: doc(child, below_it, inside.contains(&child.of)),
        });
        if !inside.contains(&child.of) {
            inside.push(child.of);
            below(model, child.of, &format!("{path}/"), inside, rows);
            inside.pop();
        }
    }
}

fn occurs(child: &Child) -> String {
    let most = child.max.map_or("n".to_owned(), |most| most.to_string());
    let range = if child.max == Some(child.min) { most } else { format!("{}..{most}", child.min) };
    if child.in_choice { format!("{range}, or another") } else { range }
}

fn doc(child: &Child, of: &Type, is_repeated: bool) -> String {
    let mut doc = child.doc.as_deref().unwrap_or_default().to_owned();
    if is_repeated {
        doc.push_str(" Holds what is told above of the same type.");
    }
    if child.nillable {
        doc.push_str(" May be null.");
    }
    if of.open {
        doc.push_str(" May hold more.");
    }
    doc.trim().to_owned()
}

fn kind(value: &Simple) -> String {
    let kind = match value.kind {
        SimpleKind::String => "text",
        SimpleKind::Decimal => "decimal",
        SimpleKind::Integer => "whole number",
        SimpleKind::Double => "number",
        SimpleKind::Boolean => "boolean",
        SimpleKind::Date => "date",
        SimpleKind::DateTime => "date and time",
        SimpleKind::Time => "time",
    };
    let mut told = vec![kind.to_owned()];
    match (value.min_length, value.max_length) {
        (Some(fewest), Some(most)) => told.push(format!("{fewest} to {most} characters")),
        (None, Some(most)) => told.push(format!("at most {most} characters")),
        (Some(fewest), None) => told.push(format!("at least {fewest} characters")),
        (None, None) => {}
    }
    told.extend(value.total_digits.map(|digits| format!("{digits} digits")));
    told.extend(value.fraction_digits.map(|digits| format!("{digits} after the point")));
    told.join(", ")
}

fn values(value: &Simple) -> String {
    let mut told: Vec<String> = value.enumeration.iter().map(|word| format!("`{word}`")).collect();
    if told.is_empty() {
        told.extend(value.patterns.iter().map(|pattern| format!("`{}`", pattern.to_string().replace('|', "\\|"))));
    }
    let bound = |bound: &Option<(crate::document::Decimal, bool)>, than: &str, at: &str| {
        bound.as_ref().map(|(bound, out)| format!("{} {bound}", if *out { than } else { at }))
    };
    told.extend(bound(&value.least, "more than", "at least"));
    told.extend(bound(&value.greatest, "less than", "at most"));
    told.join(", ")
}

#[test]
fn the_pages_of_document_types_say_what_the_schemas_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/documents");
    let pages = pages();
    assert!(pages.len() >= 5, "{:?}", pages.keys());
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        for (file, (_, page)) in &pages {
            fs::write(folder.join(file), page).expect("the page can be written");
        }
    }
    let summary = folder.join("../../SUMMARY.md");
    let summary = fs::read_to_string(summary).expect("the table of contents");
    for (file, (name, page)) in &pages {
        let found = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let differs = found.lines().zip(page.lines()).position(|(found, wanted)| found != wanted);
        assert!(found == *page, "{file} differs from line {differs:?} on; set {WRITE}=1 to write it");
        let line = format!("[{name}](reference/documents/{file})");
        assert!(summary.contains(&line), "docs/SUMMARY.md lacks {line}");
    }
    let known = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let stray: Vec<_> = known.filter(|name| !pages.contains_key(&*name.to_string_lossy())).collect();
    assert!(stray.is_empty(), "pages of no document type: {stray:?}");
}
