//! What differs between two type models, and for whom it breaks something.

use std::collections::HashSet;

use serde::Serialize;

use super::{Attribute, Child, Model, Simple, SimpleKind, Type, TypeId};
use crate::document::QName;

/// What happened to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It must be there now.
    Required,
    /// It may be absent now.
    Optional,
    /// It may be there more or less often.
    Occurs,
    /// Its name is in another namespace.
    Namespace,
    /// Its values are of another type, or of another length, size or form.
    Type,
    /// The values it may have changed.
    Values,
    /// Its children come in another order.
    Order,
    /// It may hold other things than those named, or no longer.
    Open,
}

/// A difference of one field between an old model and a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelChange {
    /// The field: `/order/line/@no`, local names.
    pub path: String,
    /// What happened.
    pub change: Change,
    /// How it was, in words; empty where there is nothing to say.
    pub old: String,
    /// How it is.
    pub new: String,
    /// Whether who reads documents as the old model says may fail on new ones.
    pub breaks_readers: bool,
    /// Whether who writes documents as the old model says may write ones the new model refuses.
    pub breaks_writers: bool,
}

/// All differences, in the order of the old model. A type in several places is compared once, where it stands first.
#[must_use]
pub fn model_changes(old: &Model, new: &Model) -> Vec<ModelChange> {
    let mut comparing = Comparing { old, new, known: HashSet::new(), found: Vec::new() };
    let mut waiting = vec![(TypeId::DOCUMENT, TypeId::DOCUMENT, String::new())];
    // A stack with the first child on top: document order without recursion.
    while let Some((before, after, path)) = waiting.pop() {
        if comparing.known.insert((before, after)) {
            let below = comparing.types(before, after, &path);
            waiting.extend(below.into_iter().rev());
        }
    }
    comparing.found
}

struct Comparing<'a> {
    old: &'a Model,
    new: &'a Model,
    known: HashSet<(TypeId, TypeId)>,
    found: Vec<ModelChange>,
}

impl Comparing<'_> {
    fn note(&mut self, path: &str, change: Change, (old, new): (String, String), (readers, writers): (bool, bool)) {
        let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        self.found.push(ModelChange { path, change, old, new, breaks_readers: readers, breaks_writers: writers });
    }

    /// Compares two types; says which types below them are to be compared.
    fn types(&mut self, before: TypeId, after: TypeId, path: &str) -> Vec<(TypeId, TypeId, String)> {
        let (before, after) = (self.old.get(before), self.new.get(after));
        self.values(path, before.value.as_ref(), after.value.as_ref());
        if before.open != after.open {
            let words = |open: bool| if open { "anything else" } else { "nothing else" }.to_owned();
            self.note(path, Change::Open, (words(before.open), words(after.open)), (false, before.open));
        }
        self.attributes(path, before, after);
        let mut pairs: Vec<(&Child, &Child)> = Vec::new();
        for child in &before.children {
            let at = format!("{path}/{}", child.name.local);
            let twin = after.child(&child.name).or_else(|| moved(child, before, after));
            match twin {
                Some(twin) => {
                    self.child(&at, child, twin);
                    pairs.push((child, twin));
                }
                None => self.note(&at, Change::Removed, <_>::default(), (true, true)),
            }
        }
        for child in &after.children {
            if !pairs.iter().any(|(_, twin)| twin.name == child.name) {
                let at = format!("{path}/{}", child.name.local);
                self.note(&at, Change::Added, (String::new(), occurs(child)), (false, child.is_required()));
            }
        }
        if !path.is_empty() && is_reordered(&pairs) {
            let names = |side: Vec<&Child>| {
                let mut side = side;
                side.sort_by_key(|child| child.order);
                side.iter().map(|child| &*child.name.local).collect::<Vec<_>>().join(", ")
            };
            let old = names(pairs.iter().map(|(old, _)| *old).collect());
            let new = names(pairs.iter().map(|(_, new)| *new).collect());
            self.note(path, Change::Order, (old, new), (false, true));
        }
        pairs.into_iter().map(|(old, new)| (old.of, new.of, format!("{path}/{}", old.name.local))).collect()
    }

    fn child(&mut self, path: &str, old: &Child, new: &Child) {
        if old.name != new.name {
            let words = (old.name.namespace.to_string(), new.name.namespace.to_string());
            self.note(path, Change::Namespace, words, (true, true));
        }
        let words = (occurs(old), occurs(new));
        match (old.is_required(), new.is_required()) {
            (true, false) => self.note(path, Change::Optional, words.clone(), (true, false)),
            (false, true) => self.note(path, Change::Required, words.clone(), (false, true)),
            _ => (),
        }
        let most = |child: &Child| child.max.unwrap_or(u32::MAX);
        let more = most(new) > most(old);
        let fewer = most(new) < most(old);
        let least = old.is_required() && new.is_required() && old.min != new.min;
        if more || fewer || least {
            self.note(path, Change::Occurs, words, (more || new.min < old.min, fewer || (least && new.min > old.min)));
        }
    }

    fn attributes(&mut self, path: &str, before: &Type, after: &Type) {
        for old in &before.attributes {
            let at = format!("{path}/@{}", old.name.local);
            let Some(new) = after.attribute(&old.name) else {
                self.note(&at, Change::Removed, <_>::default(), (true, true));
                continue;
            };
            let words = || (required(old), required(new));
            match (old.required, new.required) {
                (true, false) => self.note(&at, Change::Optional, words(), (true, false)),
                (false, true) => self.note(&at, Change::Required, words(), (false, true)),
                _ => (),
            }
            self.values(&at, Some(&old.value), Some(&new.value));
        }
        for new in after.attributes.iter().filter(|new| before.attribute(&new.name).is_none()) {
            let at = format!("{path}/@{}", new.name.local);
            self.note(&at, Change::Added, (String::new(), required(new)), (false, new.required));
        }
    }

    fn values(&mut self, path: &str, old: Option<&Simple>, new: Option<&Simple>) {
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) => (old, new),
            (None, None) => return,
            (Some(_), None) => {
                return self.note(path, Change::Type, ("text".into(), "no text".into()), (true, true));
            }
            (None, Some(_)) => {
                return self.note(path, Change::Type, ("no text".into(), "text".into()), (true, false));
            }
        };
        let gone = missing(&old.enumeration, &new.enumeration);
        let come = missing(&new.enumeration, &old.enumeration);
        if !gone.is_empty() || !come.is_empty() {
            let opened = new.enumeration.is_empty();
            let closed = old.enumeration.is_empty();
            let words = |names: Vec<&str>, any: bool| if any { "any value".to_owned() } else { names.join(", ") };
            let readers = opened || (!closed && !come.is_empty());
            let writers = closed || (!opened && !gone.is_empty());
            self.note(path, Change::Values, (words(gone, closed), words(come, opened)), (readers, writers));
        }
        let (more, less) = facets(old, new);
        if old.kind == new.kind && old.list == new.list {
            if more || less {
                self.note(path, Change::Type, (limits(old), limits(new)), (more, less));
            }
            return;
        }
        let wider = old.list == new.list && is_wider(new.kind, old.kind);
        let narrower = old.list == new.list && is_wider(old.kind, new.kind);
        self.note(path, Change::Type, (kind(old), kind(new)), (!narrower || more, !wider || less));
    }
}

/// The child of the same local name in another namespace, when the old name is gone and that one is new.
fn moved<'n>(child: &Child, before: &Type, after: &'n Type) -> Option<&'n Child> {
    let is_new = |name: &QName| before.child(name).is_none();
    after.children.iter().find(|other| other.name.local == child.name.local && is_new(&other.name))
}

/// Whether two children that had a fixed order, or none, now must come in another.
fn is_reordered(pairs: &[(&Child, &Child)]) -> bool {
    let pairs_after = |at: usize| pairs.iter().skip(at + 1);
    pairs.iter().enumerate().any(|(at, (old, new))| {
        pairs_after(at).any(|(old_next, new_next)| {
            let (was, is) = (old.order.cmp(&old_next.order), new.order.cmp(&new_next.order));
            is.is_ne() && was != is
        })
    })
}

fn missing<'a>(these: &'a [std::sync::Arc<str>], there: &[std::sync::Arc<str>]) -> Vec<&'a str> {
    these.iter().filter(|value| !there.contains(value)).map(|value| &**value).collect()
}

/// Whether every text of one kind is of another.
fn is_wider(wide: SimpleKind, narrow: SimpleKind) -> bool {
    match wide {
        SimpleKind::String => true,
        SimpleKind::Double => matches!(narrow, SimpleKind::Decimal | SimpleKind::Integer),
        SimpleKind::Decimal => narrow == SimpleKind::Integer,
        _ => false,
    }
}

/// Whether the new facets let more through, and whether they let less through.
fn facets(old: &Simple, new: &Simple) -> (bool, bool) {
    let (mut more, mut less) = (false, false);
    let mut at_most = |old: Option<u32>, new: Option<u32>| {
        let (old, new) = (old.unwrap_or(u32::MAX), new.unwrap_or(u32::MAX));
        more |= new > old;
        less |= new < old;
    };
    at_most(old.max_length, new.max_length);
    at_most(old.total_digits, new.total_digits);
    at_most(old.fraction_digits, new.fraction_digits);
    let (was, is) = (old.min_length.unwrap_or(0), new.min_length.unwrap_or(0));
    more |= is < was;
    less |= is > was;
    if old.patterns != new.patterns {
        more |= !old.patterns.is_empty();
        less |= !new.patterns.is_empty();
    }
    match (old.least, new.least) {
        (None, Some(_)) => less = true,
        (Some(_), None) => more = true,
        (Some(was), Some(is)) => {
            more |= is < was;
            less |= is > was;
        }
        (None, None) => (),
    }
    match (old.greatest, new.greatest) {
        (None, Some(_)) => less = true,
        (Some(_), None) => more = true,
        (Some((was, was_out)), Some((is, is_out))) => {
            more |= is > was || (is == was && was_out && !is_out);
            less |= is < was || (is == was && is_out && !was_out);
        }
        (None, None) => (),
    }
    (more, less)
}

fn occurs(child: &Child) -> String {
    let most = child.max.map_or_else(|| "n".to_owned(), |most| most.to_string());
    format!("{}..{most}", child.min)
}

fn required(attribute: &Attribute) -> String {
    if attribute.required { "1..1" } else { "0..1" }.to_owned()
}

fn kind(value: &Simple) -> String {
    let one = value.kind_in_words().unwrap_or("any text");
    if value.list { format!("a list, each {one}") } else { one.to_owned() }
}

/// The facets in words.
fn limits(value: &Simple) -> String {
    let mut words = Vec::new();
    let mut say = |what: &str, number: Option<u32>| words.extend(number.map(|number| format!("{what} {number}")));
    say("length at least", value.min_length);
    say("length at most", value.max_length);
    say("digits at most", value.total_digits);
    say("digits after the point at most", value.fraction_digits);
    words.extend(value.patterns.iter().map(|pattern| format!("form {pattern}")));
    let strictly = |out: bool| if out { "" } else { " or equal to" };
    words.extend(value.least.map(|(least, out)| format!("greater than{} {least}", strictly(out))));
    words.extend(value.greatest.map(|(greatest, out)| format!("less than{} {greatest}", strictly(out))));
    if words.is_empty() { "no limits".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(body: &str) -> Model {
        let text = format!("<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">{body}</xs:schema>");
        Model::load(&|_| Some(text.clone().into_bytes()), "a.xsd").expect("a schema")
    }

    /// An element `o` with this content.
    fn order(content: &str) -> Model {
        model(&format!("<xs:element name=\"o\"><xs:complexType>{content}</xs:complexType></xs:element>"))
    }

    fn told(old: &Model, new: &Model) -> Vec<String> {
        let line = |change: ModelChange| {
            let readers = if change.breaks_readers { " readers" } else { "" };
            let writers = if change.breaks_writers { " writers" } else { "" };
            format!("{} {:?}{readers}{writers}", change.path, change.change)
        };
        model_changes(old, new).into_iter().map(line).collect()
    }

    #[test]
    fn each_difference_says_whom_it_breaks() {
        let one = |attributes: &str| format!("<xs:sequence><xs:element name=\"a\" {attributes}/></xs:sequence>");
        let kind = |name: &str| one(&format!("type=\"xs:{name}\""));
        let two = |first: &str, second: &str| {
            format!("<xs:sequence><xs:element name=\"{first}\"/><xs:element name=\"{second}\"/></xs:sequence>")
        };
        let facet = |facets: &str| {
            format!(
                "<xs:attribute name=\"k\"><xs:simpleType><xs:restriction base=\"xs:string\">{facets}</xs:restriction>\
                 </xs:simpleType></xs:attribute>"
            )
        };
        let values = |names: &[&str]| {
            let all: String = names.iter().map(|name| format!("<xs:enumeration value=\"{name}\"/>")).collect();
            facet(&all)
        };
        let nothing: [&str; 0] = [];
        for (old, new, expected) in [
            (one(""), one(""), &nothing[..]),
            (two("a", "b"), one(""), &["/o/b Removed readers writers"]),
            (one(""), two("a", "b"), &["/o/b Added writers"]),
            (one("minOccurs=\"0\""), one(""), &["/o/a Required writers"]),
            (one(""), one("minOccurs=\"0\""), &["/o/a Optional readers"]),
            (one(""), one("maxOccurs=\"unbounded\""), &["/o/a Occurs readers"]),
            (one("maxOccurs=\"3\""), one("maxOccurs=\"2\""), &["/o/a Occurs writers"]),
            (kind("int"), kind("decimal"), &["/o/a Type readers"]),
            (kind("string"), kind("date"), &["/o/a Type writers"]),
            (kind("date"), kind("dateTime"), &["/o/a Type readers writers"]),
            (two("a", "b"), two("b", "a"), &["/o Order writers"]),
            (values(&["x", "y"]), values(&["x"]), &["/o/@k Values writers"]),
            (values(&["x"]), values(&["x", "y"]), &["/o/@k Values readers"]),
            (values(&["x"]), values(&["y"]), &["/o/@k Values readers writers"]),
            (values(&["x"]), facet(""), &["/o/@k Values readers"]),
            (facet(""), facet("<xs:maxLength value=\"3\"/>"), &["/o/@k Type writers"]),
            (facet("<xs:pattern value=\"a\"/>"), facet(""), &["/o/@k Type readers"]),
            (one(""), format!("{}<xs:attribute name=\"k\" use=\"required\"/>", one("")), &["/o/@k Added writers"]),
        ] {
            assert_eq!(told(&order(&old), &order(&new)), expected, "{old} → {new}");
        }
    }

    #[test]
    fn a_type_inside_itself_is_compared_once() {
        let tree = |kind: &str| {
            model(&format!(
                "<xs:element name=\"n\" type=\"n\"/><xs:complexType name=\"n\"><xs:sequence>\
                 <xs:element name=\"n\" type=\"n\" minOccurs=\"0\"/></xs:sequence>\
                 <xs:attribute name=\"v\" type=\"xs:{kind}\"/></xs:complexType>"
            ))
        };
        assert_eq!(told(&tree("int"), &tree("string")), ["/n/@v Type readers"]);
    }
}
