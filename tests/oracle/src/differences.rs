//! The differences that are explained, formula by formula, each under a rule with its reason.

use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/differences.txt");

/// The rule of each formula, and the formulas that were asked for so far.
pub struct Differences {
    rules: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Differences {
    /// Reads the file: `# rule: reason` heads the formulas it explains, one a line.
    pub fn load() -> Self {
        let mut rules = BTreeMap::new();
        let mut rule = String::new();
        for line in std::fs::read_to_string(FILE).unwrap_or_default().lines() {
            match line.strip_prefix("# ") {
                Some(heading) => rule = heading.split(':').next().unwrap_or_default().to_owned(),
                None if line.is_empty() => {}
                None => drop(rules.insert(line.to_owned(), rule.clone())),
            }
        }
        Self { rules, used: BTreeSet::new() }
    }

    /// The rule that explains why the answers to a formula differ.
    pub fn explained(&mut self, formula: &str) -> Option<String> {
        let rule = self.rules.get(formula).cloned();
        if rule.is_some() {
            self.used.insert(formula.to_owned());
        }
        rule
    }

    /// The formulas listed for which the answers no longer differ.
    pub fn stale(&self) -> Vec<&str> {
        self.rules.keys().filter(|formula| !self.used.contains(*formula)).map(String::as_str).collect()
    }
}
