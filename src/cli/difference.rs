//! Differences between documents, each with the rule behind it.

use serde_json::{Value, json};

use crate::mapping::{Difference, Explanation, Failure, Mapping, RulePlace};

/// A field that is not as expected.
pub struct Mismatch {
    /// The field and both values.
    pub difference: Difference,
    /// The rule that made it or should have; none where no rule has to do with it.
    pub rule: Option<RulePlace>,
}

impl Mismatch {
    /// For people: path, both values under the words given, and the rule.
    #[must_use]
    pub fn line(&self, words: (&str, &str)) -> String {
        let rule = self.rule.as_ref().map_or_else(String::new, |rule| format!(" ({rule})"));
        format!("{}{rule}", shown(&self.difference, words))
    }
}

/// Path and both values, under the words given.
#[must_use]
pub fn shown(difference: &Difference, (expected, got): (&str, &str)) -> String {
    let side = |text: &Option<String>| text.as_ref().map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
    let Difference { path, expected: one, actual: other } = difference;
    format!("{path}: {expected} {}, {got} {}", side(one), side(other))
}

/// Finds the rules behind fields.
pub struct Blame<'a> {
    /// The mapping that ran last.
    pub mapping: &'a Mapping,
    /// Where its fields came from; empty when it stopped.
    pub explanation: &'a Explanation,
    /// Why it stopped.
    pub failure: Option<&'a Failure>,
}

impl Blame<'_> {
    /// The rule behind each difference. A path may have an envelope's elements in front.
    #[must_use]
    pub fn all(&self, differences: Vec<Difference>) -> Vec<Mismatch> {
        let problems = self.failure.map(Failure::problems).unwrap_or_default();
        let mut stops = problems.iter().map(|problem| &problem.place);
        let mut rule = |difference: &Difference| {
            if difference.path == "problems" {
                difference.actual.as_ref()?;
                let place = stops.next()?;
                return Some(RulePlace::of(place.file.as_deref()?, place.line, place.column));
            }
            self.rule(&difference.path)
        };
        differences.into_iter().map(|difference| Mismatch { rule: rule(&difference), difference }).collect()
    }

    /// The rule behind one field; none for a field of the envelope.
    fn rule(&self, path: &str) -> Option<RulePlace> {
        let mut wanted = plain(path);
        if let Some(first) = self.explanation.fields.first() {
            let first = plain(&first.path);
            let root = first.split('/').nth(1).unwrap_or_default();
            let inside =
                wanted.find(&format!("/{root}/")).or_else(|| wanted.ends_with(&format!("/{root}")).then_some(0))?;
            wanted.drain(..inside);
        }
        let made = self.explanation.fields.iter().find(|field| wanted == plain(&field.path));
        Some(made.map_or_else(|| self.mapping.rule_of(&wanted), |field| field.rule.clone()))
    }
}

/// A path without prefixes, and without the numbers that only one writer of paths gives.
fn plain(path: &str) -> String {
    let step = |step: &str| {
        let step = step.trim_end_matches("[1]");
        let (mark, name) = step.strip_prefix('@').map_or(("", step), |name| ("@", name));
        format!("{mark}{}", name.rsplit(':').next().unwrap_or_default())
    };
    path.split('/').map(step).collect::<Vec<_>>().join("/")
}

/// Differences of one rule.
pub struct RuleGroup {
    /// The rule; none for what no rule has to do with.
    pub rule: Option<RulePlace>,
    /// The rule as written, when it is one of the mapping.
    pub text: Option<String>,
    /// How many differences it has.
    pub count: usize,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// What the first is from.
    pub example: String,
}

/// Differences by rule.
pub struct Groups {
    groups: Vec<RuleGroup>,
    keep: usize,
}

impl Groups {
    /// None yet; of each group the first `keep` differences are kept, all are counted.
    #[must_use]
    pub fn keeping(keep: usize) -> Self {
        Self { groups: Vec::new(), keep }
    }

    /// Adds differences; `from` says what they are from, such as a message's id.
    pub fn add(&mut self, mapping: Option<&Mapping>, mismatches: Vec<Mismatch>, from: &str) {
        for Mismatch { difference, rule } in mismatches {
            let at = self.groups.iter().position(|group| group.rule == rule).unwrap_or_else(|| {
                let rules = mapping.map(Mapping::rules).unwrap_or_default();
                let known = rules.iter().find(|known| Some(&known.place) == rule.as_ref());
                let text = known.map(|known| known.text.trim().to_owned());
                let example = from.to_owned();
                self.groups.push(RuleGroup { rule, text, count: 0, differences: Vec::new(), example });
                self.groups.len() - 1
            });
            let group = &mut self.groups[at];
            group.count += 1;
            if group.differences.len() < self.keep {
                group.differences.push(difference);
            }
        }
    }

    /// The groups, in file order.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<RuleGroup> {
        self.groups.sort_by(|a, b| a.rule.cmp(&b.rule));
        self.groups
    }
}

impl RuleGroup {
    /// The rule for people: place and text.
    #[must_use]
    pub fn title(&self) -> String {
        let place = self.rule.as_ref().map_or_else(|| "no rule".to_owned(), ToString::to_string);
        let text = self.text.as_ref().map_or_else(String::new, |text| format!("  {}", first_line(text)));
        format!("{place}{text}")
    }

    /// For programs: rule and its text.
    #[must_use]
    pub fn head_json(&self) -> Value {
        json!({"rule": self.rule, "text": self.text, "count": self.count})
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
