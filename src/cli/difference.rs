//! Differences between documents, each with the rule behind it.

use serde_json::{Value, json};

use crate::mapping::{Difference, Explanation, Failure, FieldExplanation, Mapping, RulePlace};

/// A field that is not as expected.
pub struct Mismatch {
    /// The field and both values.
    pub difference: Difference,
    /// The rule that made it or should have, then those of the mappings before it in a chain; none where no rule has to do
    /// with it.
    pub rules: Vec<RulePlace>,
}

impl Mismatch {
    /// For people: path, both values under the words given, and the rule.
    #[must_use]
    pub fn line(&self, words: (&str, &str)) -> String {
        let rule = self.rules.first().map_or_else(String::new, |rule| format!(" ({rule})"));
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
        let mut stop = |difference: &Difference| {
            difference.actual.as_ref()?;
            let place = stops.next()?;
            Some(RulePlace::of(place.file.as_deref()?, place.line, place.column))
        };
        let mut rules = |difference: &Difference| match difference.path.as_str() {
            "problems" => stop(difference).into_iter().collect(),
            path => self.rules(path).unwrap_or_default(),
        };
        differences.into_iter().map(|difference| Mismatch { rules: rules(&difference), difference }).collect()
    }

    /// The rules behind one field; none for a field of the envelope.
    fn rules(&self, path: &str) -> Option<Vec<RulePlace>> {
        let mut wanted = plain(path);
        if let Some(first) = self.explanation.fields.first() {
            let first = plain(&first.path);
            let root = first.split('/').nth(1).unwrap_or_default();
            let inside =
                wanted.find(&format!("/{root}/")).or_else(|| wanted.ends_with(&format!("/{root}")).then_some(0))?;
            wanted.drain(..inside);
        }
        let made = self.explanation.fields.iter().find(|field| wanted == plain(&field.path));
        Some(made.map_or_else(|| vec![self.mapping.rule_of(&wanted)], FieldExplanation::rules))
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

/// Differences of one rule, or of the same rules through a chain of mappings.
pub struct RuleGroup {
    /// The rule, then those of the mappings before it; none for what no rule has to do with.
    rules: Vec<RulePlace>,
    /// Each rule as written, when it is one of the mappings.
    texts: Vec<Option<String>>,
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

    /// Adds differences of what a chain of mappings made; `from` says what they are from, such as a message's id.
    pub fn add(&mut self, mappings: &[&Mapping], mismatches: Vec<Mismatch>, from: &str) {
        for Mismatch { difference, rules } in mismatches {
            let at = self.groups.iter().position(|group| group.rules == rules).unwrap_or_else(|| {
                let text = |rule: &RulePlace| {
                    let known = mappings.iter().flat_map(|mapping| mapping.rules()).find(|known| known.place == *rule);
                    known.map(|known| known.text.trim().to_owned())
                };
                let texts = rules.iter().map(text).collect();
                let example = from.to_owned();
                self.groups.push(RuleGroup { rules, texts, count: 0, differences: Vec::new(), example });
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
        self.groups.sort_by(|a, b| a.rules.cmp(&b.rules));
        self.groups
    }
}

impl RuleGroup {
    /// The rules for people, one a line: place and text.
    #[must_use]
    pub fn title(&self) -> String {
        if self.rules.is_empty() {
            return "no rule".to_owned();
        }
        let line = |(at, (rule, text)): (usize, (&RulePlace, &Option<String>))| {
            let text = text.as_ref().map_or_else(String::new, |text| format!("  {}", first_line(text)));
            format!("{}{rule}{text}", if at == 0 { "" } else { "  through " })
        };
        self.rules.iter().zip(&self.texts).enumerate().map(line).collect::<Vec<_>>().join("\n")
    }

    /// For programs: the rule and its text, and those of the mappings before in a chain.
    #[must_use]
    pub fn head_json(&self) -> Value {
        let mut value = json!({"rule": self.rules.first(), "text": self.texts.first(), "count": self.count});
        if self.rules.len() > 1 {
            let before = self.rules.iter().zip(&self.texts).skip(1);
            value["through"] = before.map(|(rule, text)| json!({"rule": rule, "text": text})).collect();
        }
        value
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
