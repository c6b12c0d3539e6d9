//! Holds the source tree to its floors: a module imports only what its row allows.
//!
//! The compiler accepts any cycle between modules of one crate; this test does not. It also keeps each library behind
//! its door and asks every module file for a first line that says what it does.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Each module, lowest first, with what it may import. A row names only rows above it, so no cycle can be written down.
const FLOORS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("document", &["base"]),
    ("config", &["base"]),
    ("content", &["base"]),
    ("telemetry", &["base", "config"]),
    ("format", &["base", "document"]),
    ("xpath", &["base", "document"]),
    ("schema", &["base", "document", "format"]),
    ("mapping", &["base", "content", "document", "xpath", "schema"]),
    ("profile", &["base", "content", "document", "xpath", "schema", "mapping"]),
    ("store", &["base", "config", "telemetry"]),
    // Statements take their values from documents.
    ("transport", &["base", "document", "config", "telemetry", "format"]),
    (
        "catalog",
        &["base", "content", "document", "config", "format", "xpath", "schema", "mapping", "profile", "transport"],
    ),
    (
        "pipeline",
        &[
            "base",
            "document",
            "telemetry",
            "format",
            "xpath",
            "schema",
            "mapping",
            "profile",
            "store",
            "transport",
            "catalog",
        ],
    ),
    ("simulator", &["base", "document", "format", "xpath", "mapping", "profile", "transport", "catalog"]),
    ("api", &["base", "telemetry", "store", "catalog", "pipeline"]),
    (
        "app",
        &["base", "config", "telemetry", "format", "store", "transport", "catalog", "pipeline", "simulator", "api"],
    ),
    (
        "cli",
        &[
            "base",
            "document",
            "config",
            "content",
            "telemetry",
            "format",
            "xpath",
            "schema",
            "mapping",
            "profile",
            "store",
            "transport",
            "catalog",
            "pipeline",
            "simulator",
            "api",
            "app",
        ],
    ),
];

/// Libraries kept behind doors: only these modules may name them.
const DOORS: &[(&str, &[&str])] = &[
    ("sqlx", &["store", "transport"]),
    ("zstd", &["store"]),
    ("lapin", &["transport"]),
    ("reqwest", &["transport", "cli"]),
    ("russh", &["transport"]),
    ("russh_sftp", &["transport"]),
    ("ring", &["transport"]),
    ("tokio_rustls", &["transport"]),
    ("hyper", &["transport"]),
    ("hyper_util", &["transport"]),
    ("axum", &["transport", "api", "simulator", "app"]),
    ("encoding_rs", &["format"]),
    ("rust_decimal", &["document"]),
    // Both have patterns of XML Schema: formulas in their functions, schemas in their facets.
    ("regex", &["schema", "xpath"]),
    ("xsd_schema", &["schema"]),
    ("jsonschema", &["schema"]),
    ("saphyr_parser", &["content"]),
    ("toml", &["config"]),
    ("zip", &["catalog"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("comfy_table", &["cli"]),
    ("anyhow", &["app", "cli", "main"]),
    ("tracing_subscriber", &["telemetry"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
];

/// Words that belong into `mappings/` only: a partner is data.
const PARTNERS: &[&str] = &["yonyou", "用友", "kingdee", "金蝶", "ufinterface", "saleorder", "\"u8"];

#[test]
fn floors_are_written_lowest_first() {
    for (row, (module, allowed)) in FLOORS.iter().enumerate() {
        for below in *allowed {
            let is_above = FLOORS[..row].iter().any(|(name, _)| name == below);
            assert!(is_above, "`{module}` may not list `{below}`: it is not in a row above");
        }
    }
}

#[test]
fn modules_import_only_what_their_row_allows() {
    let problems = check(&source_folder());
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn no_partner_is_named_in_the_program() {
    let mut problems = Vec::new();
    for file in rust_files(&source_folder()) {
        // The commands name the example set-up in their help, and the demo plays it.
        if is_test_only(&file) || file.starts_with(source_folder().join("cli")) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("source file is readable UTF-8");
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (line, text) in without_comments(program).lines().enumerate() {
            let lower = text.to_lowercase();
            for partner in PARTNERS.iter().filter(|partner| lower.contains(**partner)) {
                problems.push(format!("{}:{}: names `{partner}`", file.display(), line + 1));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn the_rules_themselves_bite() {
    let folder = std::env::temp_dir().join(format!("crossdock-floors-{}", std::process::id()));
    fs::create_dir_all(folder.join("base")).expect("a folder");
    fs::write(folder.join("base/mod.rs"), "use crate::{document::Kind, base::Code};\nuse sqlx::Row;\n")
        .expect("a file");
    let problems = check(&folder);
    fs::remove_dir_all(&folder).expect("removed");
    assert_eq!(
        problems,
        [
            "base/mod.rs:1: `base` may not import `document`",
            "base/mod.rs:1: no module doc (`//!`) on the first line",
            "base/mod.rs:2: `base` names `sqlx`",
        ]
    );
}

/// Files that are compiled for tests only may use any floor.
fn is_test_only(file: &Path) -> bool {
    let in_tests = file.parent().is_some_and(|folder| folder.ends_with("tests") || folder.ends_with("contract"));
    in_tests || file.file_stem().is_some_and(|stem| stem == "tests" || stem == "contract" || stem == "conformance")
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn check(src: &Path) -> Vec<String> {
    let allowed_for: BTreeMap<&str, &[&str]> = FLOORS.iter().copied().collect();
    let mut problems = Vec::new();
    for file in rust_files(src) {
        let relative = file.strip_prefix(src).expect("file lies under src");
        let shown = relative.display();
        let text = fs::read_to_string(&file).expect("source file is readable UTF-8");
        if !text.starts_with("//!") {
            problems.push(format!("{shown}:1: no module doc (`//!`) on the first line"));
        }
        let top = relative.components().next().expect("path is not empty");
        let module = top.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let code = without_comments(&text);
        for (library, doors) in DOORS {
            let named = |line: &str| {
                line.match_indices(&format!("{library}::"))
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
            };
            let hit = code.lines().position(named);
            if let (Some(line), false) = (hit, doors.contains(&module.as_str())) {
                problems.push(format!("{shown}:{}: `{module}` names `{library}`", line + 1));
            }
        }
        if matches!(module.as_str(), "lib" | "main") || is_test_only(&file) {
            continue;
        }
        let Some(allowed) = allowed_for.get(module.as_str()) else {
            problems.push(format!("{shown}:1: module `{module}` has no row"));
            continue;
        };
        for (line, target) in imports(&code) {
            if target != module && !allowed.contains(&target.as_str()) {
                problems.push(format!("{shown}:{line}: `{module}` may not import `{target}`"));
            }
        }
    }
    problems.sort();
    problems
}

/// Every module named by `crate::x`, nested groups included, with its line.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.extend(module_name(rest).map(|name| (line, name)));
            continue;
        };
        let (mut depth, mut at_item_start) = (0_u32, true);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => at_item_start = true,
                c if c.is_whitespace() => (),
                _ if depth == 0 && at_item_start => {
                    let line = line + group[..i].matches('\n').count();
                    found.extend(module_name(&group[i..]).map(|name| (line, name)));
                    at_item_start = false;
                }
                _ => (),
            }
        }
    }
    found
}

/// The leading lower-case identifier: modules are lower case, types are not.
fn module_name(text: &str) -> Option<String> {
    let is_part = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
    let name: String = text.chars().take_while(is_part).collect();
    (!name.is_empty()).then_some(name)
}

/// Drops comments and keeps line numbers.
fn without_comments(text: &str) -> String {
    let kept: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    kept.join("\n")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("directory is readable") {
        let path = entry.expect("entry is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
