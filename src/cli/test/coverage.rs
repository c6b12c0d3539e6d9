//! Which rules of which mapping no case touches.

use serde_json::{Value, json};

use crate::{
    catalog::Catalog,
    cli::outcome::out,
    mapping::{RuleInfo, UsedRules},
};

/// The coverage of one mapping.
pub struct Covered {
    /// Its name.
    pub mapping: String,
    /// How many rules it has: formulas and literals, each once however often it is inserted.
    pub rules: usize,
    /// Those that no case used, in file order.
    pub unused: Vec<RuleInfo>,
}

impl Covered {
    /// Rules used, in tenths of a percent, rounded down; a mapping without rules is covered.
    #[must_use]
    pub fn tenths(&self) -> usize {
        let used = self.rules - self.unused.len();
        (used * 1000).checked_div(self.rules).unwrap_or(1000)
    }
}

/// Tenths as a percentage.
fn percent(tenths: usize) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The coverage of the mappings wanted: by default those that lie in the content folder or that a case tests.
#[must_use]
pub fn coverage(catalog: &Catalog, used: &UsedRules, tested: &[&str], whole: bool) -> Vec<Covered> {
    let wanted = catalog.mappings().filter(|(name, mapping)| {
        tested.contains(&name.as_str()) || (whole && !mapping.file().starts_with("(shipped)"))
    });
    wanted
        .map(|(name, mapping)| {
            let rules = mapping.rules();
            let unused = rules.iter().filter(|rule| !used.contains(&rule.place)).cloned().collect();
            Covered { mapping: name.clone(), rules: rules.len(), unused }
        })
        .collect()
}

/// For programs.
#[must_use]
pub fn json(covered: &[Covered]) -> Value {
    let one = |covered: &Covered| {
        json!({
            "mapping": covered.mapping,
            "rules": covered.rules,
            "used": covered.rules - covered.unused.len(),
            "percent": covered.tenths() as f64 / 10.0,
            "unused": covered.unused.iter().map(|rule| json!({
                "file": rule.place.file, "line": rule.place.line, "column": rule.place.column, "rule": rule.text,
            })).collect::<Vec<_>>(),
        })
    };
    covered.iter().map(one).collect()
}

/// For people.
pub fn show(covered: &[Covered]) {
    for covered in covered {
        let used = covered.rules - covered.unused.len();
        out(format_args!("{}\t{}% ({used} of {} rules)", covered.mapping, percent(covered.tenths()), covered.rules));
        for rule in &covered.unused {
            let text = rule.text.lines().next().unwrap_or_default();
            out(format_args!("\t{}: no case uses `{text}`", rule.place));
        }
    }
}
