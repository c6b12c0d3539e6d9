//! `$choose`: the first branch whose condition holds, for one element or for several rules of a block.

use super::{
    code,
    compile::{Compiler, Filling},
    fragment::Entry,
    plan::{Branch, Choice, Only, Rule},
};
use crate::{
    base::Problem,
    content::{Data, Fields, Yaml},
    schema::Child,
};

/// A branch as written.
struct Written<'y> {
    when: Option<&'y Yaml>,
    then: Option<&'y Yaml>,
}

impl Compiler<'_> {
    /// Takes the list of branches apart.
    fn written<'y>(&self, node: &'y Yaml, path: &str) -> Vec<Written<'y>> {
        let mut branches = Vec::new();
        let mut is_closed = false;
        if node.items().is_empty() {
            let problem =
                Problem::new(code::WRONG_FORM, "`$choose` is a list of `{when, then}`, the last `{otherwise}`");
            self.report(problem.at(node.place(&self.file).with_path(path)));
        }
        for item in node.items() {
            let fields = Fields::new(item, &self.file, self.problems);
            if is_closed {
                let problem = Problem::new(code::WRONG_FORM, "no document gets here: `otherwise` is the last branch");
                self.report(problem.at(item.place(&self.file).with_path(path)));
            }
            let is_last = fields.get("otherwise").is_some();
            if !is_last {
                fields.required("when");
                fields.required("then");
            }
            fields.finish();
            is_closed |= is_last;
            branches.push(match is_last {
                true => Written { when: None, then: item.get("otherwise") },
                false => Written { when: item.get("when"), then: item.get("then") },
            });
        }
        branches
    }

    /// `name: {$choose: …}`: each branch makes the element its way.
    pub fn branches(
        &mut self,
        (entry, path): (&Entry<'_>, &str),
        node: &Yaml,
        (index, child): (usize, Option<&Child>),
        filling: &Filling<'_>,
    ) -> Vec<Branch> {
        let mut branches = Vec::new();
        for Written { when, then } in self.written(node, path) {
            let when = when.and_then(|when| self.rule(when, &filling.context));
            let present = self.present.len();
            when.iter().for_each(|when| self.suppose(when));
            let mut parts = Vec::new();
            if let Some(then) = then {
                self.element_values((entry.key, path), then, (index, child), filling, &mut parts);
            }
            self.present.truncate(present);
            branches.push(Branch { when, parts });
        }
        branches
    }

    /// `$choose` among the keys of a block: each branch is a block of keys that join it.
    pub fn choose(&mut self, node: &Yaml, filling: &mut Filling<'_>, path: &str) {
        let choice = filling.block.choices.len();
        let inside = filling.only;
        filling.block.choices.push(Choice { inside, branches: Vec::new() });
        let before = filling.tried.clone();
        let mut tried = before.clone();
        for (branch, Written { when, then }) in self.written(node, path).into_iter().enumerate() {
            let when = when.map(|when| {
                let rule = self.rule(when, &filling.context);
                rule.unwrap_or_else(|| Rule::nothing(&self.file))
            });
            let present = self.present.len();
            when.iter().for_each(|when| self.suppose(when));
            filling.block.choices[choice].branches.push(when);
            let Some(then) = then else {
                self.present.truncate(present);
                continue;
            };
            if !matches!(then.data, Data::Map(_)) {
                let text = format!("a branch among keys is a block of keys, found {}", then.kind());
                self.report(Problem::new(code::WRONG_FORM, text).at(then.place(&self.file).with_path(path)));
                self.present.truncate(present);
                continue;
            }
            let entries = self.entries(then);
            for entry in &entries.list {
                if matches!(entry.key.text.as_str(), "$each" | "$if" | "$sort" | "$group-by" | "$empty" | "$null") {
                    let text = format!("`{}` cannot stand in a branch among keys", entry.key.text);
                    let problem = Problem::new(code::WRONG_FORM, text).at(entry.place().with_path(path));
                    self.report(problem.hint("put it into an element of the branch"));
                }
            }
            filling.only = Some(Only { choice, branch });
            filling.tried.clone_from(&before);
            self.variables_of(&entries, &filling.context.clone(), &mut filling.block);
            self.fill(&entries, filling, path);
            self.present.truncate(present);
            for name in filling.tried.drain(..) {
                if !tried.contains(&name) {
                    tried.push(name);
                }
            }
        }
        filling.only = inside;
        filling.tried = tried;
    }
}
