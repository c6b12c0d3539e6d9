//! `$use`: blocks that are written once and inserted in several places, with parameters.

use std::sync::Arc;

use super::{
    SourceFile, code,
    compile::Compiler,
    plan::{Block, Rule},
};
use crate::{
    base::{Place, Problem, Problems},
    content::{Data, Fields, Key, Yaml, parse},
    xpath::{Spot, StaticType},
};

/// Fragments in fragments nest at most this deep.
const MAX_FRAGMENTS: usize = 16;
/// The name of a variable that is out of sight: no formula can write it.
const HIDDEN: &str = "(hidden)";

/// A fragment in a file of its own, shared by the mappings of a profile.
#[derive(Clone, Debug)]
pub struct Fragment {
    name: String,
    file: Arc<str>,
    root: Yaml,
    text: Arc<str>,
}

impl Fragment {
    /// Reads a fragment file: the block itself.
    ///
    /// # Errors
    /// When it is no YAML, or no block of keys.
    pub fn parse(name: &str, text: &str, file: &Arc<str>) -> Result<Self, Problems> {
        let root = parse(text, file)?;
        if !matches!(root.data, Data::Map(_)) {
            let text = format!("a fragment is a block of keys, found {}", root.kind());
            return Err(Problem::new(code::WRONG_FORM, text).at(root.place(file)).into());
        }
        Ok(Self { name: name.to_owned(), file: file.clone(), root, text: text.into() })
    }

    /// The name `$use` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A fragment being inserted: which of all insertions, and its name.
#[derive(Clone, Debug)]
pub(super) struct Used {
    id: usize,
    name: Arc<str>,
}

/// One entry of a block, and the fragments it came through.
#[derive(Clone)]
pub(super) struct Entry<'y> {
    pub key: &'y Key,
    pub value: &'y Yaml,
    file: Arc<str>,
    used: Vec<Used>,
}

impl Entry<'_> {
    /// Where the key stands.
    pub fn place(&self) -> Place {
        self.key.place(&self.file)
    }

    /// Where the value stands.
    pub fn value_place(&self) -> Place {
        self.value.place(&self.file)
    }
}

/// A parameter of a fragment: its name, and where its value stands.
struct Parameter<'y> {
    name: &'y str,
    /// `None` when nobody gave it, which is reported.
    value: Option<&'y Yaml>,
    is_default: bool,
}

/// A `$use` of a block.
struct Use<'y> {
    /// The chain that leads to the fragment, itself included.
    used: Vec<Used>,
    /// The file of the fragment, and the one that inserts it.
    files: (Arc<str>, Arc<str>),
    parameters: Vec<Parameter<'y>>,
}

/// The entries of a block, with every `$use` replaced by what it names.
pub(super) struct Entries<'y> {
    pub list: Vec<Entry<'y>>,
    uses: Vec<Use<'y>>,
}

impl Entries<'_> {
    /// The entries of a key.
    pub fn of(&self, key: &str) -> impl Iterator<Item = &Entry<'_>> {
        self.list.iter().filter(move |entry| entry.key.text == key)
    }

    /// Whether what a `$use` inserts holds an entry of that key.
    fn brings(&self, inserted: &Use<'_>, key: &str) -> bool {
        let id = inserted.used.last().map(|used| used.id);
        self.of(key).any(|entry| entry.used.iter().any(|used| Some(used.id) == id))
    }
}

/// A variable that only what a fragment inserted may see.
pub(super) struct Owned {
    slot: usize,
    name: String,
    owner: usize,
}

/// Where the compiler stood before it looked at an entry.
pub(super) struct Stand {
    file: Arc<str>,
    using: Vec<Used>,
}

impl<'a> Compiler<'a> {
    /// Goes to where an entry was written, with what can be seen from there.
    pub fn enter(&mut self, entry: &Entry<'_>) -> Stand {
        self.go(&entry.file, &entry.used)
    }

    fn go(&mut self, file: &Arc<str>, used: &[Used]) -> Stand {
        let stand = Stand {
            file: std::mem::replace(&mut self.file, file.clone()),
            using: std::mem::replace(&mut self.using, used.to_vec()),
        };
        self.look();
        stand
    }

    /// Goes back.
    pub fn leave(&mut self, stand: Stand) {
        self.file = stand.file;
        self.using = stand.using;
        self.look();
    }

    /// Hides the variables of fragments that are not being inserted.
    fn look(&mut self) {
        for Owned { slot, name, owner } in &self.owned {
            if let Some(variable) = self.variables.get_mut(*slot) {
                let seen = self.using.iter().any(|used| used.id == *owner);
                variable.clear();
                variable.push_str(if seen { name } else { HIDDEN });
            }
        }
    }

    /// Adds a variable. One of a fragment is seen by what the fragment inserted only.
    pub fn declare(&mut self, name: &str, static_type: StaticType, reads: Vec<Arc<Spot>>) {
        if let Some(used) = self.using.last() {
            self.owned.push(Owned { slot: self.variables.len(), name: name.to_owned(), owner: used.id });
        }
        self.variables.push(name.to_owned());
        self.variable_types.push(static_type);
        self.variable_reads.push(reads);
    }

    /// Forgets the variables from a slot on.
    pub fn forget(&mut self, slot: usize) {
        self.variables.truncate(slot);
        self.variable_types.truncate(slot);
        self.variable_reads.truncate(slot);
        self.owned.retain(|owned| owned.slot < slot);
    }

    /// The entries of a block with `$use` replaced by what it names.
    pub fn entries<'y>(&mut self, node: &'y Yaml) -> Entries<'y>
    where
        'a: 'y,
    {
        let mut entries = Entries { list: Vec::new(), uses: Vec::new() };
        self.collect(node, false, &mut entries);
        entries
    }

    fn collect<'y>(&mut self, node: &'y Yaml, is_fragment: bool, into: &mut Entries<'y>)
    where
        'a: 'y,
    {
        for (key, value) in node.entries() {
            match key.text.as_str() {
                "$parameters" if is_fragment => (),
                "$use" => match &value.data {
                    Data::List(all) => all.iter().for_each(|one| self.insert(one, into)),
                    _ => self.insert(value, into),
                },
                _ => into.list.push(Entry { key, value, file: self.file.clone(), used: self.using.clone() }),
            }
        }
    }

    fn insert<'y>(&mut self, node: &'y Yaml, into: &mut Entries<'y>)
    where
        'a: 'y,
    {
        let (at, with) = match &node.data {
            Data::Text { .. } => (Some(node), None),
            _ => {
                let file = self.file.clone();
                let fields = Fields::new(node, &file, self.problems);
                fields.required("fragment");
                fields.get("with");
                fields.finish();
                (node.get("fragment"), node.get("with"))
            }
        };
        let Some((at, name)) = at.and_then(|at| Some((at, at.text()?))) else { return };
        let Some((fragment, file)) = self.find_fragment(name, at) else { return };
        let why = if self.using.iter().any(|used| &*used.name == name) {
            Some("uses itself")
        } else if self.using.len() >= MAX_FRAGMENTS {
            Some("is nested too deep in others")
        } else {
            None
        };
        if let Some(why) = why {
            let text = format!("the fragment `{name}` {why}");
            return self.report(Problem::new(code::UNKNOWN_FRAGMENT, text).at(at.place(&self.file)));
        }
        let parameters = self.parameters(name, fragment, &file, with, at);
        self.insertions += 1;
        let mut used = self.using.clone();
        used.push(Used { id: self.insertions, name: name.into() });
        let files = (file.clone(), self.file.clone());
        into.uses.push(Use { used: used.clone(), files, parameters });
        let stand = self.go(&file, &used);
        self.collect(fragment, true, into);
        self.leave(stand);
    }

    /// The fragment of a name and its file: of the mapping itself, else of the profile.
    fn find_fragment(&mut self, name: &str, at: &Yaml) -> Option<(&'a Yaml, Arc<str>)> {
        let own = self.scope.fragments.map(Yaml::entries).unwrap_or_default();
        if let Some((_, fragment)) = own.iter().find(|(known, _)| known.text == name) {
            return Some((fragment, self.main_file.clone()));
        }
        let shared = self.scope.environment.fragments;
        if let Some(found) = shared.iter().find(|known| known.name == name) {
            if !self.shared.iter().any(|(known, _)| *known == found.name) {
                let file = SourceFile { file: found.file.clone(), text: found.text.clone() };
                self.shared.push((found.name.clone(), file));
            }
            return Some((&found.root, found.file.clone()));
        }
        let known = own.iter().map(|(known, _)| known.text.as_str()).chain(shared.iter().map(Fragment::name));
        let problem = Problem::new(code::UNKNOWN_FRAGMENT, format!("there is no fragment `{name}`"));
        let problem = problem.at(at.place(&self.file)).did_you_mean(name, known);
        self.report(problem);
        None
    }

    /// What a fragment takes, and what it is given.
    fn parameters<'y>(
        &self,
        fragment: &str,
        node: &'y Yaml,
        file: &Arc<str>,
        with: Option<&'y Yaml>,
        at: &Yaml,
    ) -> Vec<Parameter<'y>> {
        let declared: Vec<(&str, Option<&Yaml>)> = match node.get("$parameters").map(|node| (node, &node.data)) {
            None => Vec::new(),
            Some((_, Data::List(names))) => names.iter().filter_map(|name| Some((name.text()?, None))).collect(),
            Some((_, Data::Map(all))) => {
                let default = |value| if matches!(value, &Yaml { data: Data::Null, .. }) { None } else { Some(value) };
                all.iter().map(|(key, value)| (key.text.as_str(), default(value))).collect()
            }
            Some((node, _)) => {
                let text = "`$parameters` is a list of names, or a block `name: default`";
                self.report(Problem::new(code::WRONG_FORM, text).at(node.place(file)));
                Vec::new()
            }
        };
        let given = with.map(Yaml::entries).unwrap_or_default();
        for (key, _) in given {
            if !declared.iter().any(|(name, _)| *name == key.text) {
                let text = format!("the fragment `{fragment}` has no parameter `{}`", key.text);
                let names: Vec<&str> = declared.iter().map(|(name, _)| *name).collect();
                let hint = if names.is_empty() {
                    "it takes none; declare them in the fragment: `$parameters: [name]`".to_owned()
                } else {
                    format!("it takes {}", names.join(", "))
                };
                let problem = Problem::new(code::UNKNOWN_FRAGMENT, text).at(key.place(&self.file)).hint(hint);
                self.report(problem.did_you_mean(&key.text, names.iter().copied()));
            }
        }
        let value = |(name, default): (&'y str, Option<&'y Yaml>)| {
            let given = given.iter().find(|(key, _)| key.text == name).map(|(_, value)| value);
            if given.or(default).is_none() {
                let text = format!("the fragment `{fragment}` needs the parameter `{name}`");
                let problem = Problem::new(code::UNKNOWN_FRAGMENT, text).at(at.place(&self.file));
                self.report(problem.hint(format!("`$use: {{fragment: {fragment}, with: {{{name}: =…}}}}`")));
            }
            Parameter { name, value: given.or(default), is_default: given.is_none() }
        };
        declared.into_iter().map(value).collect()
    }

    /// Compiles the parameters of fragments that bring `$each`: they are evaluated around it.
    pub fn outside(&mut self, entries: &Entries<'_>, context: &StaticType, block: &mut Block) {
        for inserted in entries.uses.iter().filter(|inserted| entries.brings(inserted, "$each")) {
            self.pass(inserted, context, &mut block.outside);
        }
    }

    /// Compiles the variables of a block, its own first, then those of the fragments it inserts.
    pub fn variables_of(&mut self, entries: &Entries<'_>, context: &StaticType, block: &mut Block) {
        let depth = self.using.len();
        let lets: Vec<&Entry<'_>> = entries.of("$let").collect();
        for entry in lets.iter().filter(|entry| entry.used.len() == depth) {
            let stand = self.enter(entry);
            let rules = self.lets(entry.value, context);
            block.lets.extend(rules);
            self.leave(stand);
        }
        for inserted in &entries.uses {
            if !entries.brings(inserted, "$each") {
                self.pass(inserted, context, &mut block.lets);
            }
            let id = inserted.used.last().map(|used| used.id);
            for entry in lets.iter().filter(|entry| entry.used.last().map(|used| used.id) == id) {
                let stand = self.enter(entry);
                let rules = self.lets(entry.value, context);
                block.lets.extend(rules);
                self.leave(stand);
            }
        }
    }

    /// Compiles what a fragment is given.
    fn pass(&mut self, inserted: &Use<'_>, context: &StaticType, into: &mut Vec<Rule>) {
        let around = &inserted.used[..inserted.used.len().saturating_sub(1)];
        for parameter in &inserted.parameters {
            let (file, used) = match parameter.is_default {
                true => (&inserted.files.0, inserted.used.as_slice()),
                false => (&inserted.files.1, around),
            };
            let stand = self.go(file, used);
            let rule = parameter.value.and_then(|value| self.rule(value, context));
            self.leave(stand);
            let static_type = rule.as_ref().map_or_else(StaticType::any, Rule::static_type);
            let reads = rule.as_ref().map(Rule::reads).unwrap_or_default();
            let stand = self.go(&inserted.files.0, &inserted.used);
            into.push(rule.unwrap_or_else(|| Rule::nothing(file)));
            self.declare(parameter.name, static_type, reads);
            self.leave(stand);
        }
    }
}
