//! Checks of the compiled plan: how many values, of what type, and conditions that are known beforehand.

use std::cell::RefCell;

use super::fit::fit;
use crate::{
    base::{Place, Problem, Problems, suggest},
    mapping::{
        Environment, Source, Template, code,
        plan::{Block, Branch, Expression, Field, OnEmpty, OutputName, Part, Rule},
    },
    schema::{Simple, SimpleKind},
    xpath::{Fit, Formula, ItemType, Least, Most, SourceModel, StaticType},
};

/// Checks everything a template makes.
pub fn plan(template: &Template, environment: &Environment<'_>, problems: &RefCell<Problems>) {
    let checks = Checks { names: &template.names, source: environment.source.map(Source), problems };
    for assertion in &template.assertions {
        checks.condition(&assertion.that, "assert");
    }
    checks.block(&template.root, "output");
}

struct Checks<'a> {
    names: &'a [OutputName],
    source: Option<Source<'a>>,
    problems: &'a RefCell<Problems>,
}

/// The formula of a rule, and what is known of its value.
fn formula(rule: &Rule) -> Option<(&Formula, &StaticType)> {
    match &rule.value {
        Expression::Formula(formula) => Some((formula, formula.static_type())),
        Expression::Literal { .. } => None,
    }
}

impl Checks<'_> {
    fn report(&self, problem: Problem, place: Place) {
        self.problems.borrow_mut().push(problem.at(place));
    }

    fn place(&self, rule: &Rule, path: &str) -> Place {
        rule.place().with_path(path)
    }

    fn model(&self) -> Option<&dyn SourceModel> {
        self.source.as_ref().map(|source| source as _)
    }

    fn block(&self, block: &Block, path: &str) {
        if let Some(each) = &block.each {
            self.each(each, path);
        }
        if let Some(condition) = &block.condition {
            self.condition(condition, path);
        }
        for (at, attribute) in block.attributes.iter().enumerate() {
            let twin = |earlier: &Field| earlier.name == attribute.name && earlier.only == attribute.only;
            if block.attributes[..at].iter().any(twin) {
                self.duplicate(attribute, path);
            }
            let name = format!("@{}", self.written(attribute.name));
            self.field(attribute, (&name, path), attribute.required);
        }
        for text in &block.texts {
            self.field(text, ("#text", path), false);
        }
        for choice in &block.choices {
            self.branches(choice.branches.iter().map(Option::as_ref), path);
        }
        for (at, part) in block.parts.iter().enumerate() {
            let required = block.required.iter().any(|(_, fillers)| fillers.as_slice() == [at]);
            self.part(part, path, required);
        }
    }

    /// A name as the file writes it.
    fn written(&self, name: usize) -> String {
        match self.names.get(name) {
            Some(OutputName { name, prefix: Some(prefix) }) => format!("{prefix}:{}", name.local),
            Some(OutputName { name, prefix: None }) => name.local.to_string(),
            None => String::new(),
        }
    }

    fn part(&self, part: &Part, path: &str, required: bool) {
        let name = part.name().map(|name| self.written(name)).unwrap_or_default();
        match part {
            Part::Field(field) => self.field(field, (&name, path), required),
            Part::Block { block, .. } => {
                let path = format!("{path}.{name}");
                if required && let Some(each) = &block.each {
                    self.absent(each, &name, &path, OnEmpty::Omit);
                }
                self.block(block, &path);
            }
            Part::Copy(_) => {}
            Part::Branch { part, .. } => self.part(part, path, required),
            Part::Choice { branches, .. } => {
                let inside = format!("{path}.{name}");
                self.branches(branches.iter().map(|branch| branch.when.as_ref()), &inside);
                branches.iter().flat_map(|Branch { parts, .. }| parts).for_each(|part| self.part(part, path, required));
            }
        }
    }

    /// Each branch must have a document that gets there.
    fn branches<'r>(&self, conditions: impl Iterator<Item = Option<&'r Rule>>, path: &str) {
        let mut earlier: Vec<&str> = Vec::new();
        let mut settled: Option<String> = None;
        for rule in conditions.flatten() {
            let Some((formula, known)) = formula(rule) else {
                self.condition(rule, path);
                continue;
            };
            let written = formula.text().trim();
            let unreachable = |why: &str| {
                let text = format!("no document gets to this branch: {why}");
                self.report(Problem::new(code::UNREACHABLE, text).warning(), self.place(rule, path));
            };
            if let Some(before) = &settled {
                unreachable(&format!("`{before}` above always holds"));
            } else if earlier.contains(&written) {
                unreachable("an earlier branch asks the same");
            } else if let Some((truth, why)) = known.truth() {
                if truth {
                    let text = format!("`{written}` always holds, so no later branch is taken: {why}");
                    self.report(Problem::new(code::CONSTANT_CONDITION, text).warning(), self.place(rule, path));
                    settled = Some(written.to_owned());
                } else {
                    unreachable(&why);
                }
            }
            earlier.push(written);
        }
    }

    /// A condition should hold for some documents, and not for others.
    fn condition(&self, rule: &Rule, path: &str) {
        let known = match formula(rule) {
            Some((formula, known)) => known.truth().map(|(truth, why)| (formula.text().trim(), truth, why)),
            None => match &rule.value {
                Expression::Literal { text, .. } => {
                    Some((&**text, &**text != "false" && !text.is_empty(), "it is no formula".to_owned()))
                }
                Expression::Formula(_) => None,
            },
        };
        if let Some((written, truth, why)) = known {
            let problem = Problem::new(code::CONSTANT_CONDITION, format!("`{written}` is always {truth}: {why}"));
            let problem = match &rule.value {
                Expression::Literal { .. } => problem.hint(format!("write `={written}`")),
                Expression::Formula(_) => problem,
            };
            self.report(problem.warning(), self.place(rule, path));
        }
    }

    fn each(&self, each: &Rule, path: &str) {
        let Some((formula, known)) = formula(each) else { return };
        let written = formula.text().trim();
        match known.occurs.most {
            Most::Many => {}
            Most::One => {
                let text = format!("`$each` repeats, and `{written}` gives one item at most");
                let hint = "the block needs no `$each`, or the path goes on to what repeats";
                self.report(Problem::new(code::EACH_ONE, text).warning().hint(hint), self.place(each, path));
            }
            Most::Nothing => {
                let text = format!("`$each` repeats, and `{written}` is always empty");
                self.report(Problem::new(code::EACH_ONE, text).warning(), self.place(each, path));
            }
        }
    }

    fn duplicate(&self, field: &Field, path: &str) {
        let text = format!("`@{}` is made twice here", self.written(field.name));
        let problem = Problem::new(code::DUPLICATE, text).hint("keep one of the two rules");
        self.report(problem, self.place(&field.rule, path));
    }

    /// A rule for a single value.
    fn field(&self, field: &Field, (name, path): (&str, &str), required: bool) {
        let path = &format!("{path}.{name}");
        let rule = &field.rule;
        if required {
            self.absent(rule, name, path, field.policy.empty);
        }
        let (Some((formula, known)), Some(simple)) = (formula(rule), &field.simple) else { return };
        let written = formula.text().trim();
        if known.occurs.most == Most::Many && !field.repeats && !known.is_unknown() {
            let text = format!("`{name}` takes one value, and `{written}` may give several");
            let hint = "choose one (`[1]`), or join them (`string-join(…)`)";
            self.report(Problem::new(code::MAY_BE_SEVERAL, text).warning().hint(hint), self.place(rule, path));
        }
        let model = self.model();
        let mut verdicts = Vec::new();
        for item in &known.items {
            match (fit(item, simple, model), item) {
                (Some(Fit::Never), ItemType::Constant(constant)) => {
                    let why = simple.misfit(&constant.text).unwrap_or_default();
                    let text = format!("`{}` does not fit `{name}`: {why}", constant.text);
                    let mut problem = Problem::new(code::WRONG_LITERAL, text);
                    let best = suggest(&constant.text, simple.enumeration.iter().map(|word| &**word));
                    problem.hint = best.map(|best| format!("did you mean `{best}`?"));
                    self.report(problem, constant.place.clone().with_path(path));
                }
                (Some(_), ItemType::Constant(_)) => {}
                (verdict, _) => verdicts.push(verdict),
            }
        }
        if verdicts.is_empty() {
            return;
        }
        if verdicts.iter().all(Option::is_none) {
            let text = format!("`{name}` takes a value, and `{written}` is an element with children");
            let hint = self.children(known).map(|children| format!("it holds {children}"));
            let mut problem = Problem::new(code::NO_VALUE, text);
            problem.hint = hint;
            return self.report(problem, self.place(rule, path));
        }
        let verdicts: Vec<Fit> = verdicts.into_iter().flatten().collect();
        if verdicts.iter().all(|fit| *fit == Fit::Never) {
            let text = format!("`{name}` is {}, and `{written}` {} never is", wanted(simple), self.what(known));
            self.report(Problem::new(code::NEVER_FITS, text), self.place(rule, path));
        } else if verdicts.iter().any(|fit| *fit != Fit::Always) {
            let text = format!("`{name}` is {}, and `{written}` {} may not be", wanted(simple), self.what(known));
            let problem = Problem::new(code::MAY_NOT_FIT, text).warning();
            let problem = match cast(simple.kind) {
                Some(cast) => problem.hint(format!("convert it: `{cast}`")),
                None => problem,
            };
            self.report(problem, self.place(rule, path));
        }
    }

    /// A required element or attribute whose source may lack it.
    fn absent(&self, rule: &Rule, name: &str, path: &str, on_empty: OnEmpty) {
        let Some((formula, known)) = formula(rule) else { return };
        if on_empty != OnEmpty::Omit || known.occurs.least != Least::Nothing {
            return;
        }
        let written = formula.text().trim();
        let lacks = if known.occurs.most == Most::Nothing { "is always empty" } else { "may be absent" };
        let text = format!("the target requires `{name}`, and `{written}` {lacks}");
        let hint =
            "give a default: `(…, 'default')[1]`; or `exactly-one(…)`, when a document without it is to be refused";
        self.report(Problem::new(code::MAY_BE_ABSENT, text).warning().hint(hint), self.place(rule, path));
    }

    /// What the items are, in parentheses.
    fn what(&self, known: &StaticType) -> String {
        let nouns = crate::xpath::nouns(&known.items, self.model());
        format!("({nouns})")
    }

    /// Some children of the nodes.
    fn children(&self, known: &StaticType) -> Option<String> {
        let (model, spot) = (self.model()?, known.spots().next()?);
        let names: Vec<String> =
            model.child_names(spot.of()).iter().take(8).map(|name| name.local.to_string()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

fn wanted(simple: &Simple) -> String {
    if !simple.enumeration.is_empty() {
        let words: Vec<String> = simple.enumeration.iter().take(8).map(|word| format!("`{word}`")).collect();
        return format!("one of {}", words.join(", "));
    }
    match simple.kind {
        SimpleKind::String => "a text",
        SimpleKind::Decimal => "a decimal number",
        SimpleKind::Integer => "a whole number",
        SimpleKind::Double => "a number",
        SimpleKind::Boolean => "a boolean",
        SimpleKind::Date => "a date",
        SimpleKind::DateTime => "a date with time",
        SimpleKind::Time => "a time",
    }
    .to_owned()
}

/// How text becomes a value of that kind.
fn cast(kind: SimpleKind) -> Option<&'static str> {
    match kind {
        SimpleKind::String => None,
        SimpleKind::Decimal => Some("xs:decimal(…)` or `parse-number(…)"),
        SimpleKind::Integer => Some("xs:integer(…)"),
        SimpleKind::Double => Some("number(…)"),
        SimpleKind::Boolean => Some("xs:boolean(…)"),
        SimpleKind::Date => Some("xs:date(…)` or `parse-date(…)"),
        SimpleKind::DateTime => Some("xs:dateTime(…)` or `parse-date(…)"),
        SimpleKind::Time => Some("xs:time(…)"),
    }
}
