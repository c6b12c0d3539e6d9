//! The reference page of the functions is what the tables say.

use std::{fmt::Write as _, path::Path};

use super::GROUPS;

/// Set to write the page anew.
const WRITE: &str = "CROSSDOCK_WRITE_REFERENCE";

fn page() -> String {
    let mut page = String::from(
        "# Functions\n\nThe functions of formulas. Those of the standard follow [XPath and XQuery Functions and Operators \
         3.1](https://www.w3.org/TR/xpath-functions-31/)\nand its error codes; they may be written with the prefix `fn:`. \
         What is missing: functions that read files or addresses, read a clock\nor chance, or take functions as \
         arguments. Texts are compared by code point.\n\nThis page is written from the tables in `src/xpath/function/`; \
         a test keeps it equal, and `CROSSDOCK_WRITE_REFERENCE=1 cargo nextest run\n--lib reference_page` writes it anew. \
         Every example is run by a test.\n\n",
    );
    for (group, _) in GROUPS {
        let anchor = group.to_lowercase().replace(',', "").replace(' ', "-");
        let _ = writeln!(page, "- [{group}](#{anchor})");
    }
    for (group, table) in GROUPS {
        let _ = write!(page, "\n## {group}\n");
        let mut functions: Vec<_> = table.iter().collect();
        functions.sort_by_key(|function| function.name);
        for function in functions {
            let _ =
                write!(page, "\n### {}\n\n```text\n{}\n```\n\n{}\n\n", function.name, function.signature, function.doc);
            for (formula, value) in function.examples {
                let value = if value.is_empty() { "nothing".to_owned() } else { format!("`{value}`") };
                let _ = writeln!(page, "- `{formula}` gives {value}");
            }
        }
    }
    page
}

#[test]
fn the_reference_page_says_what_the_tables_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/functions.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, page()).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(page().lines()).position(|(found, wanted)| found != wanted);
    assert!(found == page(), "{} differs from line {:?} on; set {WRITE}=1 to write it", file.display(), differs);
}
