//! Planted mistakes, each found where it stands; and mappings without one, about which nothing is said.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use crate::{
    base::{Problems, Severity},
    mapping::{
        Environment, Mapping,
        tests::{load, shipped_model},
    },
    schema::Model,
};

/// The code tables the mappings may name.
const TABLES: &[&str] = &["currency", "customer-class", "department", "item", "person"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The schema of a shipped document type, or of one that has a JSON Schema only: `json/order`.
fn model(document_type: &str) -> Option<Model> {
    let Some(name) = document_type.strip_prefix("json/") else { return shipped_model(root(), document_type) };
    let files = |name: &str| fs::read(root().join("tests/cases/mapping/bad/json").join(name)).ok();
    let model = Model::load_json(&files, &format!("{name}.schema.json"), "");
    Some(model.unwrap_or_else(|problems| panic!("{problems}")))
}

/// Everything that is said of a mapping, errors and warnings.
fn problems(text: &str, file: &Arc<str>) -> Problems {
    let ends = Mapping::ends(text, file).unwrap_or_else(|problems| panic!("{problems}"));
    let (source, target) = (model(&ends.from), model(&ends.to[0]));
    let tables: Vec<String> = TABLES.iter().map(|table| (*table).to_owned()).collect();
    let environment = Environment {
        source: source.as_ref(),
        target: target.as_ref(),
        code_tables: Some(&tables),
        ..Environment::default()
    };
    match Mapping::compile(text, file, &environment) {
        Ok(mapping) => Problems(mapping.warnings().to_vec()),
        Err(problems) => problems,
    }
}

/// The mistakes: name, mapping, and where what is expected stands.
fn planted() -> Vec<(String, String, std::path::PathBuf)> {
    let folder = root().join("tests/cases/mapping/bad");
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .expect("the mistakes are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let expected = folder.join(format!("{name}.expected"));
            (name, load(&path), expected)
        })
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_planted_mistake_is_found_with_line_column_code_text_and_suggestion() {
    let cases = planted();
    assert!(cases.len() >= 30, "{} mistakes", cases.len());
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let found = problems(&text, &format!("{name}.yaml").into());
        let shown: String = found.0.iter().map(|problem| format!("{problem}\n")).collect();
        if std::env::var_os("CROSSDOCK_WRITE_EXPECTED").is_some() {
            fs::write(&expected, &shown).expect("writable");
        }
        let expected = load(&expected);
        if shown != expected || shown.is_empty() {
            wrong.push(format!("{name}:\nexpected:\n{expected}found:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_mistakes_of_one_file_are_all_told_in_the_order_of_the_file() {
    let (_, text, _) = planted().into_iter().find(|(name, ..)| name == "several-mistakes").expect("it is there");
    let found = problems(&text, &"several-mistakes.yaml".into());
    let places: Vec<(u32, u32)> = found.0.iter().map(|problem| (problem.place.line, problem.place.column)).collect();
    assert!(places.len() >= 8 && places.is_sorted(), "{places:?}");
}

#[test]
fn nothing_is_said_about_the_shipped_mappings() {
    let mut count = 0;
    for profile in fs::read_dir(root().join("mappings")).expect("mappings") {
        let folder = profile.expect("a profile").path();
        for file in fs::read_dir(&folder).into_iter().flatten() {
            let path = file.expect("a file").path();
            let text =
                if path.extension().is_some_and(|extension| extension == "yaml") { load(&path) } else { continue };
            let file: Arc<str> = path.display().to_string().into();
            if Mapping::ends(&text, &file).is_err() {
                continue;
            }
            count += 1;
            let found = problems(&text, &file);
            assert!(found.0.is_empty(), "{found}");
        }
    }
    assert!(count >= 4, "{count} mappings");
}

/// Codes that the schemas of the planted mistakes cannot show: no attribute stands in them.
const ELSEWHERE: &[&str] = &["XD-M003", "XD-M042"];

#[test]
fn every_check_has_a_planted_mistake_and_a_row_in_the_reference() {
    let mut rows: BTreeMap<&str, String> = BTreeMap::new();
    for (name, text, _) in planted() {
        for problem in problems(&text, &format!("{name}.yaml").into()).0 {
            let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
            let line = text.lines().nth(problem.place.line.saturating_sub(1) as usize).unwrap_or_default().trim();
            let hint = problem.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            let cell = |text: &str| text.replace('|', "\\|");
            let row = format!(
                "| [{0}](errors/{0}.md) | {severity} | {1} | `` {2} `` | {3} |\n",
                problem.code.id,
                problem.code.title,
                cell(line),
                cell(&format!("{}{hint}", problem.text))
            );
            rows.entry(problem.code.id).or_insert(row);
        }
    }
    let formulas = crate::xpath::CODES.iter().filter(|code| !("XD-X009".."XD-X040").contains(&code.id));
    let rules = crate::mapping::CODES.iter().filter(|code| !("XD-M020".."XD-M030").contains(&code.id));
    let missing: Vec<&str> = formulas
        .chain(rules)
        .map(|code| code.id)
        .filter(|id| !rows.contains_key(id) && !ELSEWHERE.contains(id))
        .collect();
    assert!(missing.is_empty(), "no mistake is planted for {missing:?}");
    let page = root().join("docs/reference/checks.md");
    let (begin, end) = ("<!-- checks: begin -->\n", "<!-- checks: end -->");
    let text = load(&page);
    let (before, rest) = text.split_once(begin).expect("the table begins");
    let (table, after) = rest.split_once(end).expect("the table ends");
    let head = "| code | severity | what | example | told |\n|---|---|---|---|---|\n";
    let wanted = format!("{head}{}", rows.into_values().collect::<String>());
    if std::env::var_os("CROSSDOCK_WRITE_EXPECTED").is_some() {
        fs::write(&page, format!("{before}{begin}{wanted}{end}{after}")).expect("writable");
    } else {
        assert_eq!(table, wanted, "docs/reference/checks.md");
    }
}
