//! Checks of names: variables, fragments and prefixes nobody uses, reserved names, and where a name belongs.

use std::{cell::RefCell, sync::Arc};

use crate::{
    base::{Problem, Problems},
    content::{Data, Key, Yaml},
    mapping::code,
    schema::{Model, TypeId},
    xpath::is_reserved,
};

/// A search for where a name belongs looks at so many elements at most.
const MAX_SEARCHED: usize = 20_000;

/// Checks the names a mapping file declares.
pub fn names(root: &Yaml, file: &Arc<str>, problems: &RefCell<Problems>) {
    let names = Names { root, file, problems };
    names.prefixes();
    names.fragments();
    if let Some(lets) = root.get("let") {
        names.variables(lets, root);
    }
    names.blocks(root);
}

struct Names<'a> {
    root: &'a Yaml,
    file: &'a Arc<str>,
    problems: &'a RefCell<Problems>,
}

impl Names<'_> {
    fn unused(&self, code: crate::base::Code, what: &str, key: &Key) {
        let problem = Problem::new(code, format!("nothing uses the {what} `{}`", key.text)).warning();
        self.problems.borrow_mut().push(problem.at(key.place(self.file)).hint("remove it"));
    }

    fn prefixes(&self) {
        let Some(declared) = self.root.get("namespaces") else { return };
        let default = self.root.get("default-namespace").and_then(Yaml::text);
        for (key, value) in declared.entries() {
            let prefix = format!("{}:", key.text);
            let named = |text: &str, is_key: bool| {
                let is_formula = text.starts_with('=') && has_word(text, &prefix, false);
                // Paths of `except` are no formulas.
                let is_path = || text.split('/').any(|step| step.trim_start_matches('@').starts_with(&prefix));
                is_formula || (is_key && text.trim_start_matches('@').starts_with(&prefix)) || (!is_key && is_path())
            };
            let is_default = default.is_some_and(|default| default == key.text || Some(default) == value.text());
            if !is_default && !any_text(self.root, declared, &named) {
                self.unused(code::UNUSED_NAMESPACE, "prefix", key);
            }
        }
    }

    fn fragments(&self) {
        let Some(declared) = self.root.get("fragments") else { return };
        for (key, _) in declared.entries() {
            if !uses(self.root).iter().any(|used| used == &key.text) {
                self.unused(code::UNUSED_FRAGMENT, "fragment", key);
            }
        }
    }

    /// Variables of a block, which its own rules and the fragments it uses may name.
    fn variables(&self, lets: &Yaml, scope: &Yaml) {
        let declared = self.root.get("fragments").map(Yaml::entries).unwrap_or_default();
        let inserts = uses(scope);
        let elsewhere = inserts.iter().any(|used| !declared.iter().any(|(known, _)| known.text == *used));
        for (key, value) in lets.entries() {
            if is_reserved(&key.text) {
                let text = format!("`{}` is the name of an integration function, not a variable name", key.text);
                let problem = Problem::new(code::RESERVED_NAME, text).hint("choose another name");
                self.problems.borrow_mut().push(problem.at(key.place(self.file)));
            }
            let sign = format!("${}", key.text);
            let named = |text: &str, _: bool| text.starts_with('=') && has_word(text, &sign, true);
            let in_fragments =
                || !inserts.is_empty() && declared.iter().any(|(_, fragment)| any_text(fragment, value, &named));
            if !elsewhere && !any_text(scope, value, &named) && !in_fragments() {
                self.unused(code::UNUSED_VARIABLE, "variable", key);
            }
        }
    }

    fn blocks(&self, node: &Yaml) {
        if let Some(lets) = node.get("$let") {
            self.variables(lets, node);
        }
        match &node.data {
            Data::Map(entries) => entries.iter().for_each(|(_, value)| self.blocks(value)),
            Data::List(items) => items.iter().for_each(|item| self.blocks(item)),
            _ => {}
        }
    }
}

/// Whether a text names a word that is not part of a longer one.
fn has_word(text: &str, word: &str, whole: bool) -> bool {
    let continues = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(|c| continues(c) && !whole);
        let after = whole && text[at + word.len()..].chars().next().is_some_and(continues);
        !before && !after
    })
}

/// Whether a key or value below a node, one part apart, is as asked; keys are told apart.
fn any_text(node: &Yaml, except: &Yaml, asked: &dyn Fn(&str, bool) -> bool) -> bool {
    if std::ptr::eq(node, except) {
        return false;
    }
    match &node.data {
        Data::Text { text, .. } => asked(text, false),
        Data::List(items) => items.iter().any(|item| any_text(item, except, asked)),
        Data::Map(entries) => {
            entries.iter().any(|(key, value)| asked(&key.text, true) || any_text(value, except, asked))
        }
        Data::Null => false,
    }
}

/// The names of the fragments that are inserted below a node.
fn uses(node: &Yaml) -> Vec<String> {
    fn names(node: &Yaml, into: &mut Vec<String>) {
        match &node.data {
            Data::Text { text, .. } => into.push(text.clone()),
            Data::List(items) => items.iter().for_each(|item| names(item, into)),
            Data::Map(entries) => {
                let named = |key: &str| entries.iter().find(|(known, _)| known.text == key).map(|(_, value)| value);
                match named("fragment").or_else(|| named("name")).and_then(Yaml::text) {
                    Some(name) => into.push(name.to_owned()),
                    None => into.extend(entries.iter().map(|(key, _)| key.text.clone())),
                }
            }
            Data::Null => {}
        }
    }
    fn walk(node: &Yaml, into: &mut Vec<String>) {
        match &node.data {
            Data::List(items) => items.iter().for_each(|item| walk(item, into)),
            Data::Map(entries) => {
                for (key, value) in entries {
                    if key.text == "$use" {
                        names(value, into);
                    }
                    walk(value, into);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(node, &mut found);
    found
}

/// Where in the target an element or attribute of that name may stand: `saleorder.body.entry`.
pub fn belongs(model: &Model, written: &str) -> Option<String> {
    let (is_attribute, name) = match written.strip_prefix('@') {
        Some(name) => (true, name),
        None => (false, written),
    };
    let local = name.rsplit(':').next().unwrap_or(name);
    let mut seen = vec![TypeId::DOCUMENT];
    let mut next: Vec<(TypeId, String)> = vec![(TypeId::DOCUMENT, String::new())];
    let mut at = 0;
    while let Some((of, path)) = next.get(at).cloned() {
        at += 1;
        let held = model.get(of);
        let here = if is_attribute {
            held.attributes.iter().any(|attribute| &*attribute.name.local == local)
        } else {
            held.children.iter().any(|child| &*child.name.local == local)
        };
        if here && !path.is_empty() {
            return Some(path);
        }
        for child in &held.children {
            if !seen.contains(&child.of) && next.len() < MAX_SEARCHED {
                seen.push(child.of);
                let dot = if path.is_empty() { "" } else { "." };
                next.push((child.of, format!("{path}{dot}{}", child.name.local)));
            }
        }
    }
    None
}
