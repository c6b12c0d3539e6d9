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
            Some(self.rule(&difference.path))
        };
        differences.into_iter().map(|difference| Mismatch { rule: rule(&difference), difference }).collect()
    }

    /// The rule behind one field.
    fn rule(&self, path: &str) -> RulePlace {
        let wanted = plain(path);
        let made = self.explanation.fields.iter().find(|field| wanted.ends_with(&plain(&field.path)));
        made.map_or_else(|| self.mapping.rule_of(path), |field| field.rule.clone())
    }
}

/// A path without the numbers that only one writer of paths gives.
fn plain(path: &str) -> String {
    path.replace("[1]", "")
}

/// Differences of one rule.
pub struct RuleGroup {
    /// The rule; none for what no rule has to do with.
    pub rule: Option<RulePlace>,
    /// The rule as written, when it is one of the mapping.
    pub text: Option<String>,
    /// Its differences, and what each is from.
    pub differences: Vec<(Difference, String)>,
}

/// Groups by rule, in file order; `from` says what the differences are from, such as a message's id.
#[derive(Default)]
pub struct Groups(Vec<RuleGroup>);

impl Groups {
    /// Adds differences that a mapping's rules are behind.
    pub fn add(&mut self, mapping: &Mapping, mismatches: Vec<Mismatch>, from: &str) {
        for Mismatch { difference, rule } in mismatches {
            let at = self.0.iter().position(|group| group.rule == rule).unwrap_or_else(|| {
                let known = mapping.rules().iter().find(|known| Some(&known.place) == rule.as_ref());
                let text = known.map(|known| known.text.trim().to_owned());
                self.0.push(RuleGroup { rule, text, differences: Vec::new() });
                self.0.len() - 1
            });
            self.0[at].differences.push((difference, from.to_owned()));
        }
    }

    /// The groups, in file order.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<RuleGroup> {
        self.0.sort_by(|a, b| a.rule.cmp(&b.rule));
        self.0
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
        json!({"rule": self.rule, "text": self.text, "count": self.differences.len()})
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
