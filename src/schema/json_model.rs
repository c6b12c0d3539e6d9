//! JSON Schema as a type model: drafts 7 to 2020-12, as far as a document's shape goes.
//!
//! A JSON document is a tree of elements (see [`crate::format::read`]): an object's members are children, the items of an
//! array children of one name, `@x` an attribute, `#text` the text. Parts of `allOf` are one type; the alternatives of
//! `anyOf`, `oneOf`, `if` and `dependentSchemas` are one in which nothing is required that one of them does without.
//! What has no place in the model (`not`, `contains`, …) is left to the validator.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{
    Attribute, Child, Model, Pattern, Simple, SimpleKind, Type, TypeId, code,
    json_schema::{Files, Schema, unescaped},
};
use crate::{
    base::{Problem, Problems},
    document::{Decimal, QName},
};

/// How deep references and parts may lead into each other.
const MAX_DEPTH: usize = 64;

/// The most types one model may have.
const MAX_TYPES: usize = 50_000;

/// Reads the model of a schema; `namespace` is the one its names get when documents are read.
pub(super) fn load(files: &dyn Fn(&str) -> Option<Vec<u8>>, entry: &str, namespace: &str) -> Result<Model, Problems> {
    let files = Files::of(files, entry)?;
    let first = Site { file: files.entry(), pointer: String::new() };
    let mut reader = Reader {
        files,
        namespace: namespace.into(),
        types: Vec::new(),
        known: HashMap::new(),
        problems: Problems::default(),
    };
    reader.document(first);
    if reader.problems.has_errors() {
        return Err(reader.problems);
    }
    Ok(Model { types: reader.types, target_namespace: namespace.into(), qualified: true })
}

/// A part of a schema file.
#[derive(Clone)]
struct Site {
    file: Arc<Schema>,
    pointer: String,
}

impl Site {
    fn value(&self) -> Option<&Value> {
        self.file.value.pointer(&self.pointer)
    }

    fn below(&self, steps: &[&str]) -> Self {
        let mut pointer = self.pointer.clone();
        for step in steps {
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        Self { file: self.file.clone(), pointer }
    }

    /// The sites of the items of a list: `allOf`.
    fn list(&self, key: &str) -> Vec<Self> {
        let length = self.value().and_then(|value| value.get(key)?.as_array()).map_or(0, Vec::len);
        (0..length).map(|at| self.below(&[key, &at.to_string()])).collect()
    }

    /// The names of the members of an object: `properties`.
    fn names(&self, key: &str) -> Vec<String> {
        let members = self.value().and_then(|value| value.get(key)?.as_object());
        members.map(|members| members.keys().cloned().collect()).unwrap_or_default()
    }

    fn has(&self, key: &str) -> bool {
        self.value().is_some_and(|value| value.get(key).is_some())
    }

    fn key(&self) -> (String, String) {
        (self.file.address.clone(), self.pointer.clone())
    }
}

/// The parts that describe one value: all of them hold, or one does.
#[derive(Clone, Default)]
struct Described {
    sites: Vec<Site>,
    is_either: bool,
}

impl Described {
    fn has(&self, site: &Site) -> bool {
        self.sites.iter().any(|known| known.key() == site.key())
    }
}

/// A member of an object.
#[derive(Clone)]
struct Property {
    name: String,
    by: Described,
    /// Whether some alternatives require it, or describe it, and others do not.
    in_choice: bool,
}

/// What several parts of a schema say of one value.
#[derive(Clone, Default)]
struct Merged {
    /// In their order.
    properties: Vec<Property>,
    required: Vec<String>,
    /// The types it may have; `None` for any.
    types: Option<Vec<String>>,
    simple: Simple,
    /// What is said of items.
    items: Described,
    min_items: u64,
    max_items: Option<u64>,
    /// Whether other members are refused.
    closed: bool,
    /// Whether it says anything of the members at all.
    speaks: bool,
}

struct Reader<'a> {
    files: Files<'a>,
    namespace: Arc<str>,
    types: Vec<Type>,
    known: HashMap<(String, Vec<(String, String)>), TypeId>,
    problems: Problems,
}

impl Reader<'_> {
    fn document(&mut self, entry: Site) {
        self.types.push(Type::default());
        let merged = self.merge(&Described { sites: vec![entry], is_either: false });
        if merged.may_be("array") && !merged.may_be("object") {
            let item = self.items(&merged, "item");
            let child = self.child("item", item, u32::from(merged.min_items > 0), None);
            self.types[0].children.push(child);
        } else {
            self.fill(TypeId::DOCUMENT, &merged);
        }
    }

    /// The type of a value that several parts describe; `name` is the element's, for arrays inside it.
    fn type_of(&mut self, name: &str, by: &Described, merged: &Merged) -> TypeId {
        let is_list = merged.may_be("array") && !merged.may_be("object");
        let mut key: Vec<(String, String)> = by.sites.iter().map(|site| self.target(site).key()).collect();
        key.sort();
        key.dedup();
        // Items of an array in an array have the array's name.
        let key = (if is_list { name.to_owned() } else { String::new() }, key);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        if self.types.len() >= MAX_TYPES {
            return id;
        }
        let definition = named(self.target_of(&by.sites).as_ref());
        self.types.push(Type { name: definition, ..Type::default() });
        self.known.insert(key, id);
        if is_list {
            let item = self.items(merged, name);
            let child = self.child(name, item, u32::from(merged.min_items > 0), None);
            self.types[id.0 as usize].children.push(child);
        } else {
            self.fill(id, merged);
        }
        id
    }

    fn target_of(&mut self, sites: &[Site]) -> Option<Site> {
        match sites {
            [only] => Some(self.target(only)),
            _ => None,
        }
    }

    /// The type of an array's items, and whether one may be null.
    fn items(&mut self, array: &Merged, name: &str) -> (TypeId, bool) {
        let merged = self.merge(&array.items);
        (self.type_of(name, &array.items, &merged), merged.may_be_null())
    }

    fn child(&self, name: &str, (of, nillable): (TypeId, bool), min: u32, max: Option<u32>) -> Child {
        Child {
            name: QName::new(self.namespace.clone(), name),
            of,
            min,
            max,
            in_choice: false,
            nillable,
            order: 0,
            doc: None,
        }
    }

    /// Fills a type that holds members, a text, or both.
    fn fill(&mut self, id: TypeId, merged: &Merged) {
        let mut made = Type { name: self.types[id.0 as usize].name.clone(), ..Type::default() };
        let scalars = ["string", "number", "integer", "boolean"];
        let anything = merged.types.is_none() && !merged.speaks && merged.simple == Simple::default();
        let holds_text = match &merged.types {
            Some(_) => scalars.iter().any(|scalar| merged.may_be(scalar)),
            None => anything || merged.simple != Simple::default(),
        };
        made.value = holds_text.then(|| merged.simple.clone());
        made.open = anything || (merged.may_be("object") && !merged.closed && (merged.speaks || made.value.is_none()));
        for Property { name, by, in_choice } in &merged.properties {
            let property = self.merge(by);
            if property.types.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let required = merged.required.contains(name);
            if id != TypeId::DOCUMENT && property.is_scalar() {
                if name == "#text" {
                    made.value = Some(property.simple.clone());
                    continue;
                }
                if let Some(local) = name.strip_prefix('@').filter(|local| !local.is_empty()) {
                    let name = QName::local(local);
                    made.attributes.push(Attribute {
                        name,
                        required,
                        value: property.simple.clone(),
                        doc: self.doc(by),
                    });
                    continue;
                }
            }
            let mut child = if property.may_be("array") && property.types.is_some() && !property.may_be("object") {
                let item = self.items(&property, name);
                // An array of one item is an array still.
                let most = property.max_items.and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 1);
                let least =
                    if property.may_be_null() { 0 } else { u32::try_from(property.min_items).unwrap_or(u32::MAX) };
                self.child(name, item, if required { least } else { 0 }, most)
            } else {
                let of = self.type_of(name, by, &property);
                self.child(name, (of, property.may_be_null()), u32::from(required), Some(1))
            };
            child.in_choice = *in_choice && !required;
            child.doc = self.doc(by);
            made.children.push(child);
        }
        self.types[id.0 as usize] = made;
    }

    /// The first description among the parts, else among what they refer to.
    fn doc(&mut self, by: &Described) -> Option<Arc<str>> {
        let said = |site: &Site| {
            let text: Vec<&str> = site.value()?.get("description")?.as_str()?.split_whitespace().collect();
            (!text.is_empty()).then(|| Arc::from(text.join(" ")))
        };
        let own = by.sites.iter().find_map(said);
        own.or_else(|| by.sites.iter().find_map(|site| said(&self.target(site))))
    }

    /// What all the parts say together.
    fn merge(&mut self, by: &Described) -> Merged {
        let mut merged = Merged::default();
        let mut path = Vec::new();
        if by.is_either && by.sites.len() > 1 {
            self.alternatives(&by.sites, &mut merged, &mut path);
        } else {
            by.sites.iter().for_each(|site| self.part(site, &mut merged, &mut path));
        }
        merged.settle();
        merged
    }

    /// Adds what one part says; `path` holds the parts it was reached through.
    fn part(&mut self, site: &Site, into: &mut Merged, path: &mut Vec<(String, String)>) {
        let key = site.key();
        if path.contains(&key) || path.len() > MAX_DEPTH {
            return;
        }
        let Some(value) = site.value() else { return };
        let members = match value {
            Value::Bool(false) => {
                into.types = Some(Vec::new());
                return;
            }
            Value::Object(members) => members,
            _ => return,
        };
        path.push(key);
        for reference in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(target) = members.get(reference).and_then(Value::as_str).and_then(|to| self.follow(site, to)) {
                self.part(&target, into, path);
            }
        }
        into.types(members.get("type"));
        into.values(members);
        for name in site.names("properties") {
            let found = site.below(&["properties", &name]);
            into.property(&name, found);
        }
        let required = members.get("required").and_then(Value::as_array).into_iter().flatten();
        into.required.extend(required.filter_map(Value::as_str).map(str::to_owned));
        into.speaks |= ["properties", "patternProperties", "additionalProperties", "required", "propertyNames"]
            .iter()
            .any(|key| members.contains_key(*key));
        let is_false = |key: &str| members.get(key) == Some(&Value::Bool(false));
        into.closed |= (is_false("additionalProperties") || is_false("unevaluatedProperties"))
            && !members.contains_key("patternProperties");
        let more = ["items", "additionalItems"].iter().filter(|key| members.get(**key).is_some_and(Value::is_object));
        let items = site.list("prefixItems").into_iter().chain(site.list("items"));
        into.items(items.chain(more.map(|key| site.below(&[key]))).collect());
        let count = |key: &str| members.get(key).and_then(Value::as_u64);
        into.min_items = into.min_items.max(count("minItems").unwrap_or_default());
        into.max_items = into.max_items.into_iter().chain(count("maxItems")).min();
        for part in site.list("allOf") {
            self.part(&part, into, path);
        }
        for key in ["anyOf", "oneOf"] {
            let parts = site.list(key);
            if !parts.is_empty() {
                self.alternatives(&parts, into, path);
            }
        }
        let conditional = ["then", "else"].iter().filter(|key| site.has(key)).map(|key| site.below(&[key]));
        let dependent = ["dependentSchemas", "dependencies"]
            .iter()
            .flat_map(|key| site.names(key).into_iter().map(|name| site.below(&[key, &name])));
        for part in conditional.chain(dependent.collect::<Vec<_>>()) {
            let mut other = Merged::default();
            self.part(&part, &mut other, path);
            into.add_optional(&other);
        }
        path.pop();
    }

    /// Adds what the alternatives have in common, and the rest as optional.
    fn alternatives(&mut self, parts: &[Site], into: &mut Merged, path: &mut Vec<(String, String)>) {
        let branches: Vec<Merged> = parts
            .iter()
            .map(|part| {
                let mut branch = Merged::default();
                self.part(part, &mut branch, path);
                branch
            })
            .collect();
        let Some((first, rest)) = branches.split_first() else { return };
        for branch in &branches {
            into.add_optional(branch);
        }
        into.required.extend(
            first.required.iter().filter(|name| rest.iter().all(|branch| branch.required.contains(name))).cloned(),
        );
        for property in &mut into.properties {
            let requires = |branch: &&Merged| branch.required.contains(&property.name);
            match branches.iter().filter(requires).count() {
                0 => {}
                all => property.in_choice = all < branches.len(),
            }
        }
        if branches.iter().all(|branch| branch.types.is_some()) {
            let all: Vec<String> =
                branches.iter().flat_map(|branch| branch.types.clone().unwrap_or_default()).collect();
            into.narrow(all);
        }
        let texts: Vec<&Merged> = branches.iter().filter(|branch| branch.is_text_like()).collect();
        if let Some((first, rest)) = texts.split_first() {
            let simple = if rest.iter().all(|branch| branch.simple == first.simple) {
                first.simple.clone()
            } else {
                let is_closed = texts.iter().all(|branch| !branch.simple.enumeration.is_empty());
                let words = texts.iter().flat_map(|branch| branch.simple.enumeration.iter().cloned());
                let same = rest.iter().all(|branch| branch.simple.kind == first.simple.kind);
                let kind = if same { first.simple.kind } else { SimpleKind::String };
                Simple { kind, enumeration: if is_closed { words.collect() } else { Vec::new() }, ..Simple::default() }
            };
            if into.simple == Simple::default() {
                into.simple = simple;
            }
        }
        let objects: Vec<&Merged> = branches.iter().filter(|branch| branch.speaks).collect();
        into.closed |= !objects.is_empty() && objects.iter().all(|branch| branch.closed);
    }

    /// The site a chain of bare references ends at.
    fn target(&mut self, site: &Site) -> Site {
        let mut at = site.clone();
        for _ in 0..MAX_DEPTH {
            let Some(Value::Object(members)) = at.value() else { break };
            let is_bare =
                members.keys().all(|key| matches!(key.as_str(), "$ref" | "title" | "description" | "$comment"));
            let Some(next) = members.get("$ref").and_then(Value::as_str).filter(|_| is_bare).map(str::to_owned) else {
                break;
            };
            match self.follow(&at, &next) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    /// The part a reference names; what cannot be followed is reported once, or left open.
    fn follow(&mut self, from: &Site, reference: &str) -> Option<Site> {
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let file = if address.is_empty() || address == from.file.address {
            from.file.clone()
        } else {
            let address = from.file.resolve(address)?;
            if address == from.file.address {
                from.file.clone()
            } else {
                match self.files.schema(&address) {
                    Ok(file) => file,
                    Err(problems) => {
                        let is_new = |problem: &Problem| !self.problems.0.contains(problem);
                        let new: Vec<Problem> = problems.0.into_iter().filter(is_new).collect();
                        self.problems.0.extend(new);
                        return None;
                    }
                }
            }
        };
        let fragment = unescaped(fragment)?;
        let pointer = if fragment.is_empty() || fragment.starts_with('/') {
            fragment
        } else {
            anchor(&file.value, &fragment, &mut String::new())?
        };
        let found = Site { file, pointer };
        if found.value().is_none() {
            let text = format!("`{reference}` leads nowhere");
            let problem = Problem::new(code::UNKNOWN_REFERENCE, text).at(from.file.reference(reference));
            if !self.problems.0.contains(&problem) {
                self.problems.push(problem);
            }
            return None;
        }
        Some(found)
    }
}

/// The pointer to the part with an anchor (`$anchor`, `$dynamicAnchor`; in draft 7 `$id` with a fragment only).
fn anchor(value: &Value, name: &str, at: &mut String) -> Option<String> {
    match value {
        Value::Object(members) => {
            let is = |key: &str| members.get(key).and_then(Value::as_str);
            let is_here = is("$anchor") == Some(name)
                || is("$dynamicAnchor") == Some(name)
                || is("$id").and_then(|id| id.strip_prefix('#')) == Some(name);
            if is_here {
                return Some(at.clone());
            }
            members.iter().find_map(|(key, below)| {
                let length = at.len();
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                let found = anchor(below, name, at);
                at.truncate(length);
                found
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(index, below)| {
            let length = at.len();
            at.push_str(&format!("/{index}"));
            let found = anchor(below, name, at);
            at.truncate(length);
            found
        }),
        _ => None,
    }
}

/// The name a definition has: `#/$defs/Name`.
fn named(site: Option<&Site>) -> Option<Arc<str>> {
    let site = site?;
    let (folder, name) = site.pointer.rsplit_once('/')?;
    matches!(folder.rsplit('/').next(), Some("$defs" | "definitions")).then(|| name.into())
}

impl Merged {
    fn may_be(&self, of: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|known| known == of))
    }

    fn may_be_null(&self) -> bool {
        self.types.as_ref().is_some_and(|types| types.iter().any(|known| known == "null"))
    }

    /// Whether it is a text, number or boolean and nothing else.
    fn is_scalar(&self) -> bool {
        match &self.types {
            Some(types) => types.iter().all(|known| !matches!(known.as_str(), "object" | "array")),
            None => self.simple != Simple::default(),
        }
    }

    fn is_text_like(&self) -> bool {
        match &self.types {
            Some(types) => types.iter().any(|known| !matches!(known.as_str(), "object" | "array" | "null")),
            None => self.simple != Simple::default(),
        }
    }

    fn types(&mut self, written: Option<&Value>) {
        let types: Vec<String> = match written {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => return,
        };
        self.narrow(types);
    }

    /// Only these types are left; a whole number is a number.
    fn narrow(&mut self, types: Vec<String>) {
        self.types = Some(match self.types.take() {
            None => types,
            Some(known) => {
                let is = |list: &[String], of: &str| list.iter().any(|one| one == of);
                let fits = |of: &String| is(&types, of) || (of == "integer" && is(&types, "number"));
                let mut kept: Vec<String> = known.iter().filter(|of| fits(of)).cloned().collect();
                if is(&known, "number") && is(&types, "integer") && !is(&kept, "integer") {
                    kept.push("integer".to_owned());
                }
                kept
            }
        });
    }

    /// What is said of texts and numbers.
    fn values(&mut self, members: &serde_json::Map<String, Value>) {
        let simple = &mut self.simple;
        let count = |key: &str| members.get(key).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        let number = |key: &str| match members.get(key) {
            Some(Value::Number(number)) => Decimal::parse(&number.to_string()).ok(),
            _ => None,
        };
        simple.min_length = simple.min_length.max(count("minLength"));
        simple.max_length = simple.max_length.into_iter().chain(count("maxLength")).min();
        for (key, out) in [("minimum", false), ("exclusiveMinimum", true)] {
            let bound = number(key).map(|bound| (bound, out));
            simple.least = simple.least.into_iter().chain(bound).max_by(|a, b| a.0.cmp(&b.0));
        }
        for (key, out) in [("maximum", false), ("exclusiveMaximum", true)] {
            let bound = number(key).map(|bound| (bound, out));
            simple.greatest = simple.greatest.into_iter().chain(bound).min_by(|a, b| a.0.cmp(&b.0));
        }
        if let Some(Value::Number(step)) = members.get("multipleOf") {
            let step = step.to_string();
            if let Some(zeros) = step.strip_prefix("0.").and_then(|digits| digits.strip_suffix('1'))
                && zeros.bytes().all(|digit| digit == b'0')
            {
                simple.fraction_digits = u32::try_from(zeros.len() + 1).ok();
            }
        }
        if let Some(pattern) = members.get("pattern").and_then(Value::as_str) {
            simple.patterns.push(Pattern::searched(pattern));
        }
        match members.get("format").and_then(Value::as_str) {
            Some("date" | "xs:date") => simple.kind = SimpleKind::Date,
            Some("date-time" | "xs:dateTime") => simple.kind = SimpleKind::DateTime,
            Some("time" | "xs:time") => simple.kind = SimpleKind::Time,
            Some("decimal" | "xs:decimal") => simple.kind = SimpleKind::Decimal,
            Some("xs:integer") => simple.kind = SimpleKind::Integer,
            Some("xs:boolean") => simple.kind = SimpleKind::Boolean,
            _ => {}
        }
        let fixed = members.get("const").map(std::slice::from_ref);
        let words = fixed.or_else(|| members.get("enum").and_then(Value::as_array).map(Vec::as_slice));
        let Some(words) = words else { return };
        if self.types.is_none() {
            let mut kinds: Vec<String> = words.iter().map(|word| kind_of(word).to_owned()).collect();
            kinds.dedup();
            self.types = Some(kinds);
        }
        let mut texts: Vec<Arc<str>> = words.iter().filter_map(text_of).collect();
        texts.retain({
            let mut seen = Vec::new();
            move |text| {
                !seen.contains(text) && {
                    seen.push(text.clone());
                    true
                }
            }
        });
        let narrowed: Vec<Arc<str>> =
            texts.iter().filter(|text| self.simple.enumeration.contains(text)).cloned().collect();
        self.simple.enumeration = if narrowed.is_empty() { texts } else { narrowed };
    }

    fn property(&mut self, name: &str, site: Site) {
        match self.properties.iter_mut().find(|known| known.name == name) {
            Some(Property { by, .. }) if by.has(&site) => {}
            // Of alternatives and what holds beside them the latter is taken.
            Some(Property { by, .. }) if by.is_either => *by = Described { sites: vec![site], is_either: false },
            Some(Property { by, .. }) => by.sites.push(site),
            None => self.properties.push(Property {
                name: name.to_owned(),
                by: Described { sites: vec![site], is_either: false },
                in_choice: false,
            }),
        }
    }

    fn items(&mut self, sites: Vec<Site>) {
        for site in sites {
            if !self.items.has(&site) {
                self.items.sites.push(site);
            }
        }
        self.items.is_either = true;
    }

    /// Adds the properties and items of a part that does not always hold.
    fn add_optional(&mut self, other: &Self) {
        for Property { name, by, .. } in &other.properties {
            match self.properties.iter_mut().find(|known| known.name == *name) {
                // What is described beside the alternatives is only narrowed by them.
                Some(Property { in_choice: false, by: known, .. }) if !known.is_either => {}
                Some(Property { by: known, .. }) => {
                    known.is_either = true;
                    let new: Vec<Site> = by.sites.iter().filter(|site| !known.has(site)).cloned().collect();
                    known.sites.extend(new);
                }
                None => {
                    let by = Described { is_either: true, ..by.clone() };
                    self.properties.push(Property { name: name.clone(), by, in_choice: true });
                }
            }
        }
        if self.items.sites.is_empty() {
            self.items = other.items.clone();
        }
        self.speaks |= other.speaks;
    }

    /// The kind of text that the types allow.
    fn settle(&mut self) {
        let Some(types) = &self.types else { return };
        let is = |of: &str| types.iter().any(|known| known == of);
        let simple = &mut self.simple;
        if simple.kind == SimpleKind::String && !is("string") {
            simple.kind = match (is("number"), is("integer"), is("boolean")) {
                (true, _, false) => SimpleKind::Decimal,
                (false, true, false) => SimpleKind::Integer,
                (false, false, true) => SimpleKind::Boolean,
                _ => SimpleKind::String,
            };
        }
        if simple.kind == SimpleKind::Boolean && simple.enumeration.iter().any(|word| &**word == "true") {
            let all = ["true", "false"].iter().all(|word| simple.enumeration.iter().any(|known| **known == **word));
            if all {
                simple.enumeration.clear();
            }
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A word of an enumeration as the text of an element.
fn text_of(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(truth.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<Model, Problems> {
        let read =
            |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_bytes().to_vec());
        super::load(&read, files[0].0, "urn:t")
    }

    fn model(schema: &str) -> Model {
        load(&[("a.json", schema)]).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// A type with all below it, one line each; a type inside itself is told once.
    fn outline(model: &Model) -> Vec<String> {
        fn walk(model: &Model, of: TypeId, depth: usize, inside: &mut Vec<TypeId>, told: &mut Vec<String>) {
            let held = model.get(of);
            let indent = "  ".repeat(depth);
            for attribute in &held.attributes {
                let must = if attribute.required { "!" } else { "" };
                told.push(format!("{indent}@{}{must} {:?}", attribute.name.local, attribute.value.kind));
            }
            for child in &held.children {
                let below = model.get(child.of);
                let max = child.max.map_or("*".to_owned(), |max| max.to_string());
                let mut line = format!("{indent}{} {}..{max}", child.name.local, child.min);
                for (flag, word) in [(child.in_choice, " choice"), (child.nillable, " null"), (below.open, " open")] {
                    line.push_str(if flag { word } else { "" });
                }
                if let Some(value) = &below.value {
                    line.push_str(&format!(" {:?}", value.kind));
                    if !value.enumeration.is_empty() {
                        line.push_str(&format!(" {}", value.enumeration.join("|")));
                    }
                }
                told.push(line);
                if !inside.contains(&child.of) {
                    inside.push(child.of);
                    walk(model, child.of, depth + 1, inside, told);
                    inside.pop();
                }
            }
        }
        let mut told = Vec::new();
        walk(model, TypeId::DOCUMENT, 0, &mut vec![TypeId::DOCUMENT], &mut told);
        told
    }

    #[test]
    fn members_arrays_attributes_and_values_become_children() {
        let model = model(
            r##"{"type": "object", "required": ["order"], "additionalProperties": false, "properties": {"order": {
                "type": "object", "required": ["id", "lines", "total", "tags"], "additionalProperties": false, "properties": {
                    "@version": {"const": "1"},
                    "id": {"type": "string", "maxLength": 3},
                    "date": {"type": ["string", "null"], "format": "date"},
                    "total": {"type": "number", "multipleOf": 0.01, "minimum": 0},
                    "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}},
                    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 1},
                    "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
                    "amount": {"type": "object", "properties": {"@unit": {"type": "string"}, "#text": {"type": "number"}}, "required": ["@unit"], "additionalProperties": false},
                    "any": {}, "map": {"type": "object", "additionalProperties": {"type": "string"}}}}},
               "$defs": {"line": {"type": "object", "properties": {"no": {"type": "integer"}, "sub": {"$ref": "#/$defs/line"}}, "additionalProperties": false}}}"##,
        );
        assert_eq!(
            outline(&model),
            [
                "order 1..1",
                "  @version String",
                "  id 1..1 String",
                "  date 0..1 null Date",
                "  total 1..1 Decimal",
                "  lines 1..*",
                "    no 0..1 Integer",
                "    sub 0..1",
                "  tags 0..* String",
                "  grid 0..*",
                "    grid 0..* Integer",
                "  amount 0..1 Decimal",
                "    @unit! String",
                "  any 0..1 open String",
                "  map 0..1 open",
            ]
        );
        let order = model.get(TypeId::DOCUMENT).children[0].of;
        let total = model.get(model.get(order).child(&QName::new("urn:t", "total")).expect("total").of);
        let value = total.value.as_ref().expect("a number");
        assert_eq!(value.misfit("1.234").as_deref(), Some("it has 3 digits after the point, at most 2 are allowed"));
        assert!(value.misfit("-1").is_some());
    }

    #[test]
    fn parts_are_one_type_and_alternatives_require_what_they_share() {
        let model = model(
            r##"{"allOf": [{"$ref": "#/definitions/base"}, {"properties": {"b": {"maxLength": 2}}, "required": ["b"]}],
               "properties": {"b": {"type": "string"}},
               "oneOf": [
                 {"properties": {"kind": {"const": "x"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
                 {"properties": {"kind": {"const": "y"}, "y": {"type": "boolean"}}, "required": ["kind"]}],
               "if": {"required": ["a"]}, "then": {"properties": {"late": {"type": "string"}}, "required": ["late"]},
               "unevaluatedProperties": false,
               "definitions": {"base": {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}}"##,
        );
        assert_eq!(
            outline(&model),
            [
                "b 1..1 String",
                "a 0..1 null String",
                "kind 1..1 String x|y",
                "x 0..1 choice Integer",
                "y 0..1 choice Boolean",
                "late 0..1 choice String"
            ]
        );
        assert!(!model.get(TypeId::DOCUMENT).open);
    }

    #[test]
    fn references_lead_into_other_files_and_every_broken_one_is_reported() {
        let files = [
            (
                "acme/a.json",
                r##"{"properties": {"p": {"$ref": "parts/b.json#/$defs/p"}, "q": {"$ref": "parts/b.json#named"}}}"##,
            ),
            (
                "acme/parts/b.json",
                r##"{"$defs": {"p": {"$ref": "#/$defs/q"}, "q": {"$anchor": "named", "enum": ["1", 2]}}}"##,
            ),
        ];
        let model = load(&files).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(outline(&model), ["p 0..1 String 1|2", "q 0..1 String 1|2"]);
        let problems = load(&[(
            "a.json",
            "{\"properties\": {\n\"p\": {\"$ref\": \"gone.json\"},\n\"q\": {\"$ref\": \"#/$defs/gone\"}}}",
        )])
        .expect_err("broken");
        assert_eq!(
            problems
                .to_string()
                .lines()
                .map(|line| line.split_once(": error").expect("an error").0)
                .collect::<Vec<_>>(),
            ["a.json:2:7", "a.json:3:7"]
        );
    }

    #[test]
    fn schemas_inside_themselves_end() {
        for schema in [
            r##"{"$ref": "#"}"##,
            r##"{"allOf": [{"$ref": "#"}], "properties": {"a": {"$ref": "#"}}}"##,
            r##"{"type": "array", "items": {"$ref": "#"}}"##,
            r##"{"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}}, "properties": {"a": {"$ref": "#/$defs/a"}}}"##,
        ] {
            assert!(model(schema).len() < 5, "{schema}");
        }
    }
}
