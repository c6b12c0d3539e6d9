//! The recipes of the cookbook give what their pages show.

use std::{fs, path::PathBuf, sync::Arc};

use crossdock::{
    base::Limits,
    document::Document,
    format::{ReadOptions, Syntax, WriteOptions, read, write},
    mapping::{Context, Environment, Expectation, Mapping, judge},
};

/// How many recipes there are at least.
const RECIPES: usize = 20;

fn docs(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).join(path)
}

/// The pages by file name, in order: name and text.
fn pages() -> Vec<(String, String)> {
    let files = fs::read_dir(docs("cookbook")).expect("a folder").map(|entry| entry.expect("a page").path());
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut pages: Vec<_> = files.map(|path| (name(&path), fs::read_to_string(&path).expect("text"))).collect();
    pages.retain(|(name, _)| name != "README.md");
    pages.sort();
    pages
}

/// The fenced block below a heading: its language and its text.
fn block<'p>(page: &'p str, heading: &str) -> Option<(&'p str, &'p str)> {
    let (_, below) = page.split_once(&format!("\n## {heading}\n\n```"))?;
    let (language, text) = below.split_once('\n')?;
    Some((language, text.split_once("\n```\n")?.0))
}

fn document(language: &str, text: &str) -> Result<Document, String> {
    let syntax = if language == "json" { Syntax::Json } else { Syntax::Xml };
    let read = read(text.as_bytes(), syntax, &ReadOptions::default());
    read.map(|read| read.document).map_err(|error| format!("{error:?}"))
}

/// In what a page is wrong.
fn run(page: &str) -> Result<(), String> {
    let part = |heading: &str| block(page, heading).ok_or_else(|| format!("no block under `{heading}`"));
    let (_, mapping) = part("Mapping")?;
    let mapping =
        Mapping::compile(mapping, &"recipe.yaml".into(), &Environment::default()).map_err(|e| e.to_string())?;
    if let Some(warning) = mapping.warnings().first() {
        return Err(warning.to_string());
    }
    let file: Arc<str> = "context.yaml".into();
    let context = block(page, "Context").map_or("mapping: recipe", |(_, text)| text);
    let context = Context::parse(context, &file).map_err(|e| e.to_string())?;
    let (language, input) = part("Input")?;
    let input = document(language, input)?;
    for mapping in mapping.documents() {
        let name = mapping.document().map_or("", |name| name);
        judged(mapping, &input, &context, part(&format!("Output of {name}"))?)?;
    }
    if !mapping.documents().is_empty() {
        return Ok(());
    }
    judged(&mapping, &input, &context, part("Output")?)
}

/// In what a page's output is not what its mapping makes.
fn judged(
    mapping: &Mapping,
    input: &Document,
    context: &Context,
    (language, output): (&str, &str),
) -> Result<(), String> {
    let result = mapping.apply(input, context, &Limits::default(), None);
    if language == "text" {
        let differences = judge(&result, Expectation::Failure(output));
        return if differences.is_empty() { Ok(()) } else { Err(format!("{differences:?}")) };
    }
    // Documents are compared without the kinds of JSON values; a page that shows JSON is about them.
    if language == "json" {
        let result = result.map_err(|error| error.to_string())?;
        let written = write(&result, Syntax::Json, &WriteOptions::default()).map_err(|error| format!("{error:?}"))?;
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).map_err(|e| e.to_string());
        let is_same = value(&written)? == value(output.as_bytes())?;
        return if is_same { Ok(()) } else { Err(String::from_utf8_lossy(&written).into_owned()) };
    }
    let expected = document(language, output)?;
    let differences = judge(&result, Expectation::Document(&expected));
    if differences.is_empty() { Ok(()) } else { Err(format!("{differences:?}")) }
}

#[test]
fn every_recipe_gives_the_output_its_page_shows() {
    let pages = pages();
    assert!(pages.len() >= RECIPES, "{} recipes", pages.len());
    let wrong: Vec<_> = pages
        .iter()
        .filter_map(|(name, page)| run(page).err().map(|problem| format!("docs/cookbook/{name}: {problem}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recipe_is_listed_under_its_title() {
    let summary = fs::read_to_string(docs("SUMMARY.md")).expect("text");
    let contents = fs::read_to_string(docs("cookbook/README.md")).expect("text");
    for (name, page) in pages() {
        let title = page.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        let question = page.lines().nth(2).unwrap_or_default();
        assert!(question.ends_with('?'), "{name}: {question}");
        assert!(summary.contains(&format!("[{title}](cookbook/{name})")), "{name} is missing in SUMMARY.md");
        assert!(contents.contains(&format!("- [{title}]({name}): {question}\n")), "{name} is missing in README.md");
    }
}
