//! `crossdock schema sample`: an example document.

use std::{path::Path, sync::Arc};

use serde_json::json;

use super::difference::{file_reader, model};
use crate::{
    app,
    catalog::Catalog,
    cli::{
        Common, Exit, Failed,
        outcome::{out, print_json},
    },
    document::{Document, QName},
    format::{Layout, Syntax, WriteOptions, write},
    schema::{Model, TypeId, Validator, Violation, XsdSet, example},
};

/// What `schema sample` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Without --all only what must be there is shown. The example is validated; what does not hold is told on \
    standard error.\n\nExamples:\n  \
    crossdock schema sample hub/sales-order@1\n  \
    crossdock schema sample hub/sales-order@1 --all > order.xml\n  \
    crossdock schema sample schemas/acme/1/order.xsd Order\n\n\
    Exit code 7 when the example is not valid: the schema says more than the generator knows."
)]
pub struct Arguments {
    /// A document type, as in hub/sales-order@1, or a schema file.
    of: String,
    /// The root element, where the schema has several.
    element: Option<String>,
    /// Show everything that may be there too.
    #[arg(long)]
    all: bool,
}

/// Prints an example.
pub fn sample(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let is_file = Path::new(&arguments.of).is_file();
    let catalog = if is_file { None } else { Some(app::load_catalog(&common.settings()?).0) };
    let model = model(catalog.as_ref(), &arguments.of)?;
    let root = root(&model, arguments.element.as_deref(), catalog.as_ref().and_then(|c| root_of(c, &arguments.of)))?;
    let document = example(&model, &root, arguments.all)
        .ok_or_else(|| Failed::new(Exit::NotFound, format!("the schema has no element `{root}`")))?;
    let options = WriteOptions { layout: Layout::Pretty, ..WriteOptions::default() };
    let bytes = write(&document, Syntax::Xml, &options).map_err(|problem| Failed::new(Exit::Failed, problem))?;
    let text = String::from_utf8_lossy(&bytes);
    let found = match &catalog {
        Some(catalog) => match catalog.validator(&arguments.of, Syntax::Xml) {
            Some(Ok(validator)) => validator.validate(&document, 10),
            _ => Vec::new(),
        },
        None => validated(&arguments.of, &model, &document)?,
    };
    if common.json {
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        print_json(&json!({"ok": found.is_empty(), "root": root.to_string(), "text": text, "violations": told}));
    } else {
        out(format_args!("{}", text.trim_end()));
        found.iter().for_each(|violation| eprintln!("{violation}"));
    }
    Ok(if found.is_empty() { Exit::Ok } else { Exit::Problems })
}

/// The root element a document type has.
fn root_of(catalog: &Catalog, of: &str) -> Option<QName> {
    let document = catalog.profile_of(of)?.document_type(of)?;
    Some(QName::new(document.namespace.as_str(), document.root.as_str()))
}

/// The root asked for, else the document type's, else the schema's only one.
fn root(model: &Model, named: Option<&str>, of_type: Option<QName>) -> Result<QName, Failed> {
    let roots = &model.get(TypeId::DOCUMENT).children;
    if let Some(name) = named {
        let found = roots.iter().find(|root| &*root.name.local == name);
        return found.map(|root| root.name.clone()).ok_or_else(|| {
            let known: Vec<&str> = roots.iter().map(|root| &*root.name.local).take(20).collect();
            Failed::new(Exit::NotFound, format!("the schema has no element `{name}`; it has {}", known.join(", ")))
        });
    }
    match (of_type, &roots[..]) {
        (Some(root), _) => Ok(root),
        (None, [root]) => Ok(root.name.clone()),
        (None, _) => Err(Failed::new(Exit::Usage, format!("the schema has {} root elements: name one", roots.len()))),
    }
}

/// What is wrong with a document by a schema file.
fn validated(file: &str, model: &Arc<Model>, document: &Document) -> Result<Vec<Violation>, Failed> {
    let (read, entry) = file_reader(Path::new(file)).map_err(|error| Failed::new(Exit::NotFound, error))?;
    let set = XsdSet::load(&read, &[&entry], std::slice::from_ref(model));
    Ok(set.map_err(|problems| Failed::new(Exit::Problems, problems))?.validate(document, 10))
}
