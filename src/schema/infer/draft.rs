//! Writes what was seen as XML Schema 1.0, the evidence for each choice beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{AttributeSeen, ElementSeen, Inference, evidence::Values, ordered};
use crate::{
    document::{QName, is_ncname},
    schema::xsd::{XML, XS},
};

/// A schema file of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftFile {
    /// Its name; the files refer to one another by it.
    pub name: String,
    /// Its target namespace; empty for none.
    pub namespace: String,
    /// Its text.
    pub text: String,
}

/// The draft of what was seen.
pub(super) fn write(seen: &Inference, name: &str) -> Vec<DraftFile> {
    let first = seen.roots().next().map(|(root, _)| root.namespace.to_string()).unwrap_or_default();
    let mut namespaces: Vec<&str> = vec![&first];
    namespaces.extend(seen.namespaces.iter().map(String::as_str).filter(|one| *one != first && *one != XML));
    let stem = name.strip_suffix(".xsd").unwrap_or(name);
    let mut prefixes: BTreeMap<&str, String> = BTreeMap::new();
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for (at, namespace) in namespaces.iter().enumerate() {
        let wished = seen.prefixes.get(*namespace).filter(|prefix| is_ncname(prefix) && !is_reserved(prefix));
        let free = |prefix: &String| !prefixes.values().any(|used| used == prefix);
        let prefix = wished.filter(|prefix| free(prefix)).cloned().unwrap_or_else(|| format!("ns{}", at + 1));
        let file = if at == 0 {
            format!("{stem}.xsd")
        } else if namespace.is_empty() {
            format!("{stem}-none.xsd")
        } else {
            format!("{stem}-{prefix}.xsd")
        };
        prefixes.insert(namespace, prefix);
        files.insert(namespace, file);
    }
    let writer = Writer { seen, first: &first, prefixes, files };
    namespaces
        .iter()
        .map(|namespace| DraftFile {
            name: writer.files.get(namespace).cloned().unwrap_or_default(),
            namespace: (*namespace).to_owned(),
            text: writer.file(namespace),
        })
        .collect()
}

/// Whether a prefix may not be chosen freely (Namespaces in XML 1.0 §3), or is used for XML Schema here.
fn is_reserved(prefix: &str) -> bool {
    prefix.to_ascii_lowercase().starts_with("xml") || prefix == "xs"
}

struct Writer<'a> {
    seen: &'a Inference,
    /// The namespace of the first file.
    first: &'a str,
    prefixes: BTreeMap<&'a str, String>,
    files: BTreeMap<&'a str, String>,
}

impl Writer<'_> {
    fn file(&self, namespace: &str) -> String {
        let of = |name: &&QName| &*name.namespace == namespace;
        let elements: Vec<(&QName, &ElementSeen)> = self.seen.elements.iter().filter(|(name, _)| of(name)).collect();
        let mut attributes: BTreeMap<&QName, Vec<&AttributeSeen>> = BTreeMap::new();
        for (name, seen) in self.seen.elements.values().flat_map(|element| &element.attributes) {
            if of(&name) && !namespace.is_empty() {
                attributes.entry(name).or_default().push(seen);
            }
        }
        let used: BTreeSet<&str> = elements
            .iter()
            .flat_map(|(_, seen)| {
                let children = seen.children.iter().map(|(name, _)| &*name.namespace);
                let qualified = |name: &&QName| !name.namespace.is_empty();
                children.chain(seen.attributes.keys().filter(qualified).map(|name| &*name.namespace))
            })
            .filter(|used| *used != namespace)
            .collect();
        let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xs:schema xmlns:xs=\"{XS}\"");
        for one in used.iter().copied().chain([namespace]).filter(|one| !one.is_empty() && *one != XML) {
            let prefix = self.prefixes.get(one).map_or("ns", String::as_str);
            let _ = write!(text, "\n    xmlns:{prefix}=\"{}\"", escaped(one));
        }
        if !namespace.is_empty() {
            let _ = write!(text, "\n    targetNamespace=\"{}\"", escaped(namespace));
        }
        text.push_str(">\n");
        let roots: Vec<String> = self.seen.roots().map(|(root, times)| format!("{} {times}", root.local)).collect();
        let about = format!(
            "A draft from {} documents (roots: {}). Read it before you rely on it: what no document showed, it does not \
             allow. Every element is global, so each may also be a root.",
            self.seen.documents,
            roots.join(", ")
        );
        text.push_str(&documented(1, &about));
        // The first file leads to all others: each root is found through it.
        let is_first = self.first == namespace;
        let all = self.files.keys().copied().filter(|one| is_first && *one != namespace);
        for one in all.chain(used).collect::<BTreeSet<_>>() {
            text.push_str(&match (one, self.files.get(one)) {
                ("", Some(file)) => format!("  <xs:import schemaLocation=\"{}\"/>\n", escaped(file)),
                (_, Some(file)) => {
                    format!("  <xs:import namespace=\"{}\" schemaLocation=\"{}\"/>\n", escaped(one), escaped(file))
                }
                (_, None) => format!("  <xs:import namespace=\"{}\"/>\n", escaped(one)),
            });
        }
        for (name, seen) in elements {
            self.element(&mut text, name, seen);
        }
        for (name, seen) in attributes {
            // Seen on several elements, its values may differ in kind: text, unless all agree.
            let one = seen.first().filter(|_| seen.len() == 1).map(|seen| &seen.values);
            attribute(&mut text, 1, &format!("name=\"{}\"", escaped(&name.local)), "", one);
        }
        text.push_str("</xs:schema>\n");
        text
    }

    /// How a name is written where it is referred to.
    fn reference(&self, name: &QName) -> String {
        match (&*name.namespace, self.prefixes.get(&*name.namespace)) {
            ("", _) => escaped(&name.local),
            (XML, _) => format!("xml:{}", escaped(&name.local)),
            (_, prefix) => format!("{}:{}", prefix.map_or("ns", String::as_str), escaped(&name.local)),
        }
    }

    fn element(&self, text: &mut String, name: &QName, seen: &ElementSeen) {
        let nillable = if seen.nulls > 0 { " nillable=\"true\"" } else { "" };
        let _ = writeln!(text, "  <xs:element name=\"{}\"{nillable}>", escaped(&name.local));
        let mut about =
            format!("Seen {} times in {} documents, in {} parents", seen.times, seen.documents, seen.parents.len());
        if seen.root > 0 {
            let _ = write!(about, ", {} times as the root", seen.root);
        }
        if seen.nulls > 0 {
            let _ = write!(about, ", {} times nil", seen.nulls);
        }
        let _ = write!(about, ".");
        if seen.children.is_empty() {
            let _ = write!(about, " Text: {}.", seen.values.evidence());
        } else if seen.mixed > 0 || seen.values.is_text() {
            let _ =
                write!(about, " Text beside elements {} times, text alone: {}.", seen.mixed, seen.values.evidence());
        }
        text.push_str(&documented(2, &about));
        if seen.children.is_empty() {
            self.simple_content(text, seen);
        } else {
            let mixed = if seen.mixed > 0 || seen.values.is_text() { " mixed=\"true\"" } else { "" };
            let _ = writeln!(text, "    <xs:complexType{mixed}>");
            self.children(text, seen);
            self.attributes(text, 3, seen);
            text.push_str("    </xs:complexType>\n");
        }
        text.push_str("  </xs:element>\n");
    }

    fn simple_content(&self, text: &mut String, seen: &ElementSeen) {
        if seen.attributes.is_empty() {
            return text.push_str(&simple_type(2, &seen.values));
        }
        text.push_str("    <xs:complexType>\n");
        if seen.values.is_text() {
            let kind = seen.values.kind();
            let _ = writeln!(text, "      <xs:simpleContent>\n        <xs:extension base=\"xs:{kind}\">");
            self.attributes(text, 5, seen);
            text.push_str("        </xs:extension>\n      </xs:simpleContent>\n");
        } else {
            self.attributes(text, 3, seen);
        }
        text.push_str("    </xs:complexType>\n");
    }

    fn children(&self, text: &mut String, seen: &ElementSeen) {
        // Parents without any element count too: nothing is required of them.
        let parents = seen.times - seen.nulls;
        text.push_str("      <xs:sequence>\n");
        for group in ordered(seen) {
            if let [alone] = group[..] {
                let (name, child) = &seen.children[alone];
                let mut occurs = String::new();
                if child.parents < parents {
                    occurs.push_str(" minOccurs=\"0\"");
                }
                if child.most > 1 {
                    occurs.push_str(" maxOccurs=\"unbounded\"");
                }
                self.child(
                    text,
                    4,
                    name,
                    &occurs,
                    &format!("In {} of {parents}, at most {}.", child.parents, child.most),
                );
                continue;
            }
            let always = group.iter().any(|at| seen.children[*at].1.parents == parents);
            let least = if always { "" } else { " minOccurs=\"0\"" };
            let _ = writeln!(text, "        <xs:choice{least} maxOccurs=\"unbounded\">");
            text.push_str(&documented(5, "Not always in one order."));
            for at in group {
                let (name, child) = &seen.children[at];
                self.child(text, 5, name, "", &format!("In {} of {parents}, at most {}.", child.parents, child.most));
            }
            text.push_str("        </xs:choice>\n");
        }
        text.push_str("      </xs:sequence>\n");
    }

    fn child(&self, text: &mut String, depth: usize, name: &QName, occurs: &str, about: &str) {
        let pad = "  ".repeat(depth);
        let _ = writeln!(text, "{pad}<xs:element ref=\"{}\"{occurs}>", self.reference(name));
        text.push_str(&documented(depth + 1, about));
        let _ = writeln!(text, "{pad}</xs:element>");
    }

    fn attributes(&self, text: &mut String, depth: usize, seen: &ElementSeen) {
        for (name, attributes) in &seen.attributes {
            let required = attributes.elements == seen.times;
            let usage = if required { " use=\"required\"" } else { "" };
            let about = format!("On {} of {}; {}.", attributes.elements, seen.times, attributes.values.evidence());
            if name.namespace.is_empty() {
                let named = format!("name=\"{}\"{usage}", escaped(&name.local));
                attribute(text, depth, &named, &about, Some(&attributes.values));
            } else {
                let pad = "  ".repeat(depth);
                let _ = writeln!(text, "{pad}<xs:attribute ref=\"{}\"{usage}>", self.reference(name));
                text.push_str(&documented(depth + 1, &about));
                let _ = writeln!(text, "{pad}</xs:attribute>");
            }
        }
    }
}

/// An attribute declaration; any text without values.
fn attribute(text: &mut String, depth: usize, named: &str, about: &str, values: Option<&Values>) {
    let pad = "  ".repeat(depth);
    let _ = writeln!(text, "{pad}<xs:attribute {named}>");
    if !about.is_empty() {
        text.push_str(&documented(depth + 1, about));
    }
    match values {
        Some(values) => text.push_str(&simple_type(depth + 1, values)),
        None => {
            let _ = writeln!(text, "{pad}  <xs:simpleType><xs:restriction base=\"xs:string\"/></xs:simpleType>");
        }
    }
    let _ = writeln!(text, "{pad}</xs:attribute>");
}

fn simple_type(depth: usize, values: &Values) -> String {
    let pad = "  ".repeat(depth);
    let kind = values.kind();
    let enumeration = values.enumeration();
    if enumeration.is_empty() {
        return format!("{pad}<xs:simpleType><xs:restriction base=\"xs:{kind}\"/></xs:simpleType>\n");
    }
    let mut text = format!("{pad}<xs:simpleType>\n{pad}  <xs:restriction base=\"xs:{kind}\">\n");
    for value in enumeration {
        let _ = writeln!(text, "{pad}    <xs:enumeration value=\"{}\"/>", escaped(value));
    }
    let _ = writeln!(text, "{pad}  </xs:restriction>\n{pad}</xs:simpleType>");
    text
}

fn documented(depth: usize, about: &str) -> String {
    let pad = "  ".repeat(depth);
    let about = escaped(about);
    format!("{pad}<xs:annotation><xs:documentation>{about}</xs:documentation></xs:annotation>\n")
}

/// Text as it stands in an attribute or element (XML 1.0 §2.4).
fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(made, "&#{};", u32::from(character));
            }
            other => made.push(other),
        }
    }
    made
}
