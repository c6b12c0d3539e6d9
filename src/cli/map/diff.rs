//! `crossdock map --diff`: two versions of a mapping, and the fields in which their documents differ.

use std::{path::Path, sync::Arc};

use serde_json::json;

use crate::{
    catalog::Catalog,
    cli::{
        Common, Exit, Failed,
        difference::{Blame, Groups, shown},
        outcome::{out, print_json, show_problems},
    },
    document::Document,
    mapping::{Difference, Environment, Explanation, Failure, Mapping, compare},
};

/// Compiles a mapping file that is no part of the content.
pub fn compile(catalog: &Catalog, path: &Path) -> Result<Mapping, Failed> {
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
pub fn diff(
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
    groups.add(&[new], blame.all(other), "new");
    let blame = Blame { mapping: old, explanation: &old_origins, failure: None };
    groups.add(&[old], blame.all(gone), "old");
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
