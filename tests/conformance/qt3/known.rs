//! The failures that are known, each under its reason, in a file beside this one.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

/// Begins a reason that is none yet.
pub const NOT_LOOKED_AT: &str = "not looked at";

/// Tests (`set/test`) by why they fail.
#[derive(Default)]
pub struct Known(BTreeMap<String, Vec<String>>);

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/qt3-known-failures.txt")
}

impl Known {
    /// Reads the file: a line `# reason` heads the tests that fail for it.
    pub fn load() -> Self {
        let mut known = Self::default();
        let mut reason = String::new();
        for line in std::fs::read_to_string(file()).unwrap_or_default().lines() {
            match line.strip_prefix("# ") {
                Some(heading) => heading.clone_into(&mut reason),
                None if line.is_empty() => {}
                None => known.0.entry(reason.clone()).or_default().push(line.to_owned()),
            }
        }
        known
    }

    pub fn reason(&self, test: &str) -> Option<&str> {
        self.0.iter().find(|(_, tests)| tests.iter().any(|known| known == test)).map(|(reason, _)| reason.as_str())
    }

    /// Every reason and how many tests fail for it.
    pub fn counted(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(reason, tests)| (reason.as_str(), tests.len()))
    }

    pub fn tests(&self) -> impl Iterator<Item = &str> {
        self.0.values().flatten().map(String::as_str)
    }

    /// The same, for these failures (test and kind): reasons that are known are kept.
    #[must_use]
    pub fn updated(&self, failures: &[(String, String)]) -> Self {
        let mut made = Self::default();
        for (test, kind) in failures {
            let reason = self.reason(test).map_or_else(|| usual_reason(kind), ToOwned::to_owned);
            made.0.entry(reason).or_default().push(test.clone());
        }
        made
    }

    pub fn save(&self) {
        let mut text = String::new();
        for (reason, tests) in &self.0 {
            let _ = writeln!(text, "# {reason}\n{}\n", tests.join("\n"));
        }
        std::fs::write(file(), text.trim_end().to_owned() + "\n").expect("the list can be written");
    }
}

/// Why a kind of failure is one; to be looked at when nothing fits.
fn usual_reason(kind: &str) -> String {
    const USUAL: &[(&str, &str)] = &[
        ("FOAR0002", "numbers of more than 28 digits: exact or an error, by design"),
        ("more steps than", "more steps or memory than an evaluation may take, by design"),
        ("back-references", "patterns run in linear time: no back-references, by design"),
        ("levels deep", "nested deeper than formulas may be, by design"),
        ("integration function", "a name that formulas keep for themselves, by design"),
    ];
    let usual = USUAL.iter().find(|(part, _)| kind.contains(part));
    usual.map_or_else(|| format!("{NOT_LOOKED_AT}: {kind}"), |(_, reason)| (*reason).to_owned())
}
