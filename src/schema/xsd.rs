//! Reads XML Schema 1.0 into a [`Model`]: the declarations and the facets a mapping can be checked against.
//!
//! Identity constraints and substitution groups are passed over: they restrict documents, and this reader only
//! has to know what may stand where.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{
    Attribute, Child, Model, Pattern, Simple, SimpleKind, Type, TypeId, code,
    declaration::{Global, Loader, Site, Sources},
};
use crate::{
    base::Problems,
    document::{Decimal, QName},
};

pub(super) const XS: &str = "http://www.w3.org/2001/XMLSchema";
pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Derivations, groups and includes nest at most this deep; a cycle ends here.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn load(sources: &Sources<'_>, entry: &str) -> Result<Model, Problems> {
    let mut building = Building {
        loader: Loader::load(sources, entry),
        types: vec![Type::default()],
        known: HashMap::new(),
        simples: HashMap::new(),
        queue: VecDeque::new(),
    };
    building.roots();
    let mut problems = building.loader.problems;
    if problems.has_errors() {
        problems.sort();
        return Err(problems);
    }
    let (target_namespace, qualified) =
        building.loader.files.first().map(|file| (file.target.clone(), file.qualified)).unwrap_or_default();
    Ok(Model { types: building.types, target_namespace, qualified })
}

/// What the groups around a particle say about it.
#[derive(Clone, Copy, Default)]
struct Around {
    optional: bool,
    in_choice: bool,
    repeats: bool,
    /// Where the outermost group without order of its own stands.
    order: Option<u32>,
    depth: usize,
}

struct Building<'a> {
    loader: Loader<'a>,
    types: Vec<Type>,
    known: HashMap<Site, TypeId>,
    simples: HashMap<Site, Simple>,
    /// Types whose content is still to be read; a queue, so that nesting in the schema is not recursion here.
    queue: VecDeque<(Site, TypeId)>,
}

impl Building<'_> {
    fn roots(&mut self) {
        let mut roots = self.loader.elements();
        if roots.iter().any(|(_, site)| site.0 == 0) {
            roots.retain(|(_, site)| site.0 == 0);
        }
        for (order, (name, site)) in roots.into_iter().enumerate() {
            let of = self.element_type(site);
            let order = u32::try_from(order).unwrap_or(u32::MAX);
            let doc = self.loader.documentation(site);
            let child = Child { name, of, min: 0, max: Some(1), in_choice: true, nillable: false, order, doc };
            self.types[0].children.push(child);
        }
        while let Some((site, id)) = self.queue.pop_front() {
            let mut made = Type { name: self.loader.attribute(site, "name").map(Arc::from), ..Type::default() };
            match self.loader.kind(site) {
                "simpleType" => made.value = Some(self.simple(site, 0)),
                _ => self.complex(site, &mut made, 0),
            }
            self.types[id.0 as usize] = made;
        }
    }

    fn add(&mut self, made: Type) -> TypeId {
        self.types.push(made);
        TypeId(u32::try_from(self.types.len() - 1).unwrap_or(u32::MAX))
    }

    /// The type of an element declaration.
    fn element_type(&mut self, site: Site) -> TypeId {
        if let Some(written) = self.loader.attribute(site, "type").map(str::to_owned) {
            let name = self.loader.qname(&written, site);
            if &*name.namespace == XS {
                return self.built_in(&name.local, site);
            }
            return match self.loader.global(Global::Type, &name, site) {
                Some(definition) => self.type_at(definition),
                None => self.open(),
            };
        }
        match self.loader.first(site, &["complexType", "simpleType"]) {
            Some(definition) => self.type_at(definition),
            None => self.open(),
        }
    }

    fn type_at(&mut self, definition: Site) -> TypeId {
        if let Some(id) = self.known.get(&definition) {
            return *id;
        }
        let id = self.add(Type::default());
        self.known.insert(definition, id);
        self.queue.push_back((definition, id));
        id
    }

    fn open(&mut self) -> TypeId {
        self.add(Type { open: true, value: Some(Simple::default()), ..Type::default() })
    }

    fn built_in(&mut self, local: &str, site: Site) -> TypeId {
        if local == "anyType" {
            return self.open();
        }
        let value = self.built_in_simple(local, site);
        self.add(Type { value: Some(value), ..Type::default() })
    }

    fn built_in_simple(&mut self, local: &str, site: Site) -> Simple {
        let kind = match local {
            "decimal" => SimpleKind::Decimal,
            "integer" | "int" | "long" | "short" | "byte" | "nonNegativeInteger" | "positiveInteger"
            | "nonPositiveInteger" | "negativeInteger" | "unsignedInt" | "unsignedLong" | "unsignedShort"
            | "unsignedByte" => SimpleKind::Integer,
            "float" | "double" => SimpleKind::Double,
            "boolean" => SimpleKind::Boolean,
            "date" => SimpleKind::Date,
            "dateTime" => SimpleKind::DateTime,
            "time" => SimpleKind::Time,
            "string" | "normalizedString" | "token" | "language" | "Name" | "NCName" | "NMTOKEN" | "NMTOKENS"
            | "ID" | "IDREF" | "IDREFS" | "ENTITY" | "ENTITIES" | "QName" | "NOTATION" | "anyURI" | "base64Binary"
            | "hexBinary" | "duration" | "gYear" | "gYearMonth" | "gMonth" | "gMonthDay" | "gDay" | "anySimpleType" => {
                SimpleKind::String
            }
            _ => {
                let text = format!("XML Schema has no type `{local}`");
                self.loader.report(code::UNKNOWN_REFERENCE, text, site);
                SimpleKind::String
            }
        };
        let list = matches!(local, "NMTOKENS" | "IDREFS" | "ENTITIES");
        let bound = |at: i64| Some((Decimal::from(at), false));
        let (least, greatest) = match local {
            "positiveInteger" => (bound(1), None),
            "nonNegativeInteger" | "unsignedLong" => (bound(0), None),
            "negativeInteger" => (None, bound(-1)),
            "nonPositiveInteger" => (None, bound(0)),
            "long" => (bound(i64::MIN), bound(i64::MAX)),
            "int" => (bound(i64::from(i32::MIN)), bound(i64::from(i32::MAX))),
            "short" => (bound(i64::from(i16::MIN)), bound(i64::from(i16::MAX))),
            "byte" => (bound(i64::from(i8::MIN)), bound(i64::from(i8::MAX))),
            "unsignedInt" => (bound(0), bound(i64::from(u32::MAX))),
            "unsignedShort" => (bound(0), bound(i64::from(u16::MAX))),
            "unsignedByte" => (bound(0), bound(i64::from(u8::MAX))),
            _ => (None, None),
        };
        Simple { kind, list, least, greatest, ..Simple::default() }
    }

    fn complex(&mut self, site: Site, out: &mut Type, depth: usize) {
        if depth > MAX_DEPTH {
            return self.too_deep(site);
        }
        if self.loader.attribute(site, "mixed") == Some("true") {
            out.value = Some(Simple::default());
        }
        for child in self.loader.children(site) {
            match self.loader.kind(child) {
                "simpleContent" => self.simple_content(child, out, depth),
                "complexContent" => self.complex_content(child, out, depth),
                _ => self.content(child, out, depth),
            }
        }
    }

    /// A particle, attribute or attribute group directly in a type or derivation.
    fn content(&mut self, site: Site, out: &mut Type, depth: usize) {
        match self.loader.kind(site) {
            "sequence" | "choice" | "all" | "group" => {
                self.particle(site, Around { depth, ..Around::default() }, out);
            }
            "attribute" | "attributeGroup" => self.attribute(site, out, depth),
            "openContent" => out.open = true,
            _ => (),
        }
    }

    fn complex_content(&mut self, site: Site, out: &mut Type, depth: usize) {
        if self.loader.attribute(site, "mixed") == Some("true") {
            out.value = Some(Simple::default());
        }
        let Some(derivation) = self.loader.first(site, &["extension", "restriction"]) else { return };
        let is_restriction = self.loader.kind(derivation) == "restriction";
        let Some(written) = self.loader.attribute(derivation, "base").map(str::to_owned) else { return };
        let name = self.loader.qname(&written, derivation);
        if &*name.namespace == XS {
            out.open |= !is_restriction;
        } else if let Some(base) = self.loader.global(Global::Type, &name, derivation) {
            let mut inherited = Type::default();
            self.complex(base, &mut inherited, depth + 1);
            if is_restriction {
                inherited.children.clear();
                inherited.open = false;
            }
            out.children.append(&mut inherited.children);
            out.attributes.append(&mut inherited.attributes);
            out.open |= inherited.open;
            out.value = out.value.take().or(inherited.value);
        }
        for child in self.loader.children(derivation) {
            self.content(child, out, depth + 1);
        }
    }

    fn simple_content(&mut self, site: Site, out: &mut Type, depth: usize) {
        let Some(derivation) = self.loader.first(site, &["extension", "restriction"]) else { return };
        let Some(written) = self.loader.attribute(derivation, "base").map(str::to_owned) else { return };
        let name = self.loader.qname(&written, derivation);
        let mut value = if &*name.namespace == XS {
            self.built_in_simple(&name.local, derivation)
        } else {
            match self.loader.global(Global::Type, &name, derivation) {
                Some(base) if self.loader.kind(base) == "complexType" => {
                    let mut inherited = Type::default();
                    self.complex(base, &mut inherited, depth + 1);
                    out.attributes.append(&mut inherited.attributes);
                    inherited.value.unwrap_or_default()
                }
                Some(base) => self.simple(base, depth + 1),
                None => Simple::default(),
            }
        };
        self.facets(derivation, &mut value);
        out.value = Some(value);
        for child in self.loader.children(derivation) {
            self.content(child, out, depth + 1);
        }
    }

    fn particle(&mut self, site: Site, around: Around, out: &mut Type) {
        if around.depth > MAX_DEPTH {
            return self.too_deep(site);
        }
        let (min, max) = self.occurs(site);
        if max == Some(0) {
            return;
        }
        let here = u32::try_from(out.children.len()).unwrap_or(u32::MAX);
        let kind = self.loader.kind(site).to_owned();
        match kind.as_str() {
            "element" => self.element(site, around, out),
            "any" => out.open = true,
            "group" => {
                let Some(written) = self.loader.attribute(site, "ref").map(str::to_owned) else { return };
                let name = self.loader.qname(&written, site);
                let Some(group) = self.loader.global(Global::Group, &name, site) else { return };
                let repeats = around.repeats || max.is_none_or(|max| max > 1);
                let order = around.order.or(repeats.then_some(here));
                let optional = around.optional || min == 0;
                let inner = Around { optional, repeats, order, depth: around.depth + 1, ..around };
                for child in self.loader.children(group) {
                    self.particle(child, inner, out);
                }
            }
            "sequence" | "choice" | "all" => {
                let children = self.loader.children(site);
                let particles = children
                    .iter()
                    .filter(|child| {
                        matches!(self.loader.kind(**child), "element" | "any" | "group" | "sequence" | "choice")
                    })
                    .count();
                let repeats = around.repeats || max.is_none_or(|max| max > 1);
                let unordered = particles > 1 && (repeats || kind == "all");
                let inner = Around {
                    optional: around.optional || min == 0,
                    in_choice: around.in_choice || (kind == "choice" && particles > 1),
                    repeats,
                    order: around.order.or(unordered.then_some(here)),
                    depth: around.depth + 1,
                };
                for child in children {
                    self.particle(child, inner, out);
                }
            }
            _ => (),
        }
    }

    fn element(&mut self, site: Site, around: Around, out: &mut Type) {
        let (min, max) = self.occurs(site);
        let (name, declaration) = if let Some(written) = self.loader.attribute(site, "ref").map(str::to_owned) {
            let name = self.loader.qname(&written, site);
            let Some(declaration) = self.loader.global(Global::Element, &name, site) else { return };
            (name, declaration)
        } else {
            let Some(local) = self.loader.attribute(site, "name") else {
                return self.loader.report(code::UNSUPPORTED, "an element without `name` or `ref`".into(), site);
            };
            let file = &self.loader.files[site.0];
            let qualified = self.loader.attribute(site, "form").map_or(file.qualified, |form| form == "qualified");
            (if qualified { QName::new(file.target.clone(), local) } else { QName::local(local) }, site)
        };
        let of = self.element_type(declaration);
        let nillable = self.loader.attribute(declaration, "nillable") == Some("true");
        let min = if around.optional || around.in_choice { 0 } else { min };
        let max = if around.repeats { None } else { max };
        if let Some(twin) = out.children.iter_mut().find(|child| child.name == name) {
            twin.min = twin.min.saturating_add(min);
            twin.max = twin.max.zip(max).map(|(a, b)| a.saturating_add(b));
            return;
        }
        let order = around.order.unwrap_or(u32::try_from(out.children.len()).unwrap_or(u32::MAX));
        let doc = self.loader.documentation(site).or_else(|| self.loader.documentation(declaration));
        out.children.push(Child { name, of, min, max, in_choice: around.in_choice, nillable, order, doc });
    }

    fn attribute(&mut self, site: Site, out: &mut Type, depth: usize) {
        if depth > MAX_DEPTH {
            return self.too_deep(site);
        }
        if self.loader.kind(site) == "attributeGroup" {
            let Some(written) = self.loader.attribute(site, "ref").map(str::to_owned) else { return };
            let name = self.loader.qname(&written, site);
            let Some(group) = self.loader.global(Global::AttributeGroup, &name, site) else { return };
            for child in self.loader.children(group) {
                if matches!(self.loader.kind(child), "attribute" | "attributeGroup") {
                    self.attribute(child, out, depth + 1);
                }
            }
            return;
        }
        let usage = self.loader.attribute(site, "use").unwrap_or_default().to_owned();
        let (name, declaration) = if let Some(written) = self.loader.attribute(site, "ref").map(str::to_owned) {
            let name = self.loader.qname(&written, site);
            let declaration =
                if &*name.namespace == XML { None } else { self.loader.global(Global::Attribute, &name, site) };
            (name, declaration)
        } else {
            let Some(local) = self.loader.attribute(site, "name") else { return };
            let file = &self.loader.files[site.0];
            let qualified =
                self.loader.attribute(site, "form").map_or(file.attributes_qualified, |form| form == "qualified");
            (if qualified { QName::new(file.target.clone(), local) } else { QName::local(local) }, Some(site))
        };
        out.attributes.retain(|known| known.name != name);
        if usage == "prohibited" {
            return;
        }
        let value = declaration.map_or_else(Simple::default, |declaration| self.typed(declaration, "type", depth));
        let own = self.loader.documentation(site);
        let doc = own.or_else(|| self.loader.documentation(declaration?));
        out.attributes.push(Attribute { name, required: usage == "required", value, doc });
    }

    /// The simple type an attribute names, or the one written inside.
    fn typed(&mut self, site: Site, by: &str, depth: usize) -> Simple {
        if let Some(written) = self.loader.attribute(site, by).map(str::to_owned) {
            return self.simple_named(&written, site, depth);
        }
        match self.loader.first(site, &["simpleType"]) {
            Some(definition) => self.simple(definition, depth + 1),
            None => Simple::default(),
        }
    }

    fn simple_named(&mut self, written: &str, site: Site, depth: usize) -> Simple {
        let name = self.loader.qname(written, site);
        if &*name.namespace == XS {
            return self.built_in_simple(&name.local, site);
        }
        match self.loader.global(Global::Type, &name, site) {
            Some(definition) => self.simple(definition, depth + 1),
            None => Simple::default(),
        }
    }

    fn simple(&mut self, site: Site, depth: usize) -> Simple {
        if let Some(known) = self.simples.get(&site) {
            return known.clone();
        }
        let made = self.simple_anew(site, depth);
        self.simples.insert(site, made.clone());
        made
    }

    fn simple_anew(&mut self, site: Site, depth: usize) -> Simple {
        if depth > MAX_DEPTH {
            self.too_deep(site);
            return Simple::default();
        }
        let Some(derivation) = self.loader.first(site, &["restriction", "list", "union"]) else {
            return Simple::default();
        };
        match self.loader.kind(derivation) {
            "restriction" => {
                let mut value = self.typed(derivation, "base", depth);
                self.facets(derivation, &mut value);
                value
            }
            "list" => {
                let item = self.typed(derivation, "itemType", depth);
                Simple { kind: item.kind, list: true, ..Simple::default() }
            }
            _ => {
                let written = self.loader.attribute(derivation, "memberTypes").unwrap_or_default().to_owned();
                let mut members: Vec<Simple> =
                    written.split_ascii_whitespace().map(|name| self.simple_named(name, derivation, depth)).collect();
                for child in self.loader.children(derivation) {
                    if self.loader.kind(child) == "simpleType" {
                        members.push(self.simple(child, depth + 1));
                    }
                }
                let closed = members.iter().all(|member| !member.enumeration.is_empty());
                let words = members.into_iter().flat_map(|member| member.enumeration);
                Simple { enumeration: if closed { words.collect() } else { Vec::new() }, ..Simple::default() }
            }
        }
    }

    fn facets(&mut self, site: Site, value: &mut Simple) {
        let (mut words, mut patterns) = (Vec::new(), Vec::new());
        for facet in self.loader.children(site) {
            let Some(text) = self.loader.attribute(facet, "value") else { continue };
            let number = text.trim().parse().ok();
            match self.loader.kind(facet) {
                "enumeration" => words.push(Arc::from(text)),
                "pattern" => patterns.push(text),
                "minInclusive" => value.least = Decimal::parse(text.trim()).ok().map(|bound| (bound, false)),
                "minExclusive" => value.least = Decimal::parse(text.trim()).ok().map(|bound| (bound, true)),
                "maxInclusive" => value.greatest = Decimal::parse(text.trim()).ok().map(|bound| (bound, false)),
                "maxExclusive" => value.greatest = Decimal::parse(text.trim()).ok().map(|bound| (bound, true)),
                "length" => (value.min_length, value.max_length) = (number, number),
                "minLength" => value.min_length = number,
                "maxLength" => value.max_length = number,
                "totalDigits" => value.total_digits = number,
                "fractionDigits" => value.fraction_digits = number,
                _ => (),
            }
        }
        if !patterns.is_empty() {
            value.patterns.push(Pattern::new(&patterns));
        }
        if !words.is_empty() {
            value.enumeration = words;
        }
    }

    fn occurs(&mut self, site: Site) -> (u32, Option<u32>) {
        let min = self.loader.attribute(site, "minOccurs").and_then(|text| text.trim().parse().ok()).unwrap_or(1);
        let max = match self.loader.attribute(site, "maxOccurs").map(str::trim) {
            None => Some(1),
            Some("unbounded") => None,
            Some(text) => Some(text.parse().unwrap_or(1)),
        };
        (min, max)
    }

    fn too_deep(&mut self, site: Site) {
        let text = format!("derivations or groups nest deeper than {MAX_DEPTH}, or in a circle");
        self.loader.report(code::UNSUPPORTED, text, site);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(files: &[(&str, &str)]) -> Result<Model, Problems> {
        let owned: Vec<(String, String)> = files
            .iter()
            .map(|(name, body)| {
                let head = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema""#;
                ((*name).to_owned(), format!("{head} {body}</xs:schema>"))
            })
            .collect();
        let resolve =
            |name: &str| owned.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone().into_bytes());
        Model::load(&resolve, files[0].0)
    }

    fn shown(model: &Model, of: TypeId) -> Vec<String> {
        let show = |child: &Child| {
            let max = child.max.map_or("*".to_owned(), |max| max.to_string());
            format!("{} {}..{max}{}", child.name, child.min, if child.in_choice { " choice" } else { "" })
        };
        model.get(of).children.iter().map(show).collect()
    }

    #[test]
    fn children_are_known_with_order_and_number_through_includes_groups_and_extensions() {
        let model = model(&[
            (
                "a/main.xsd",
                r#"xmlns:t="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">
                <xs:include schemaLocation="../b/parts.xsd"/>
                <xs:element name="order" type="t:Order"/>
                <xs:complexType name="Order"><xs:complexContent><xs:extension base="t:Base">
                  <xs:sequence>
                    <xs:group ref="t:who"/>
                    <xs:choice><xs:element name="cash" type="xs:decimal"/><xs:element name="card" type="xs:string"/></xs:choice>
                    <xs:element name="line" maxOccurs="unbounded"><xs:complexType>
                      <xs:sequence minOccurs="0"><xs:element name="item" type="xs:string"/><xs:element ref="t:order" minOccurs="0"/></xs:sequence>
                      <xs:attributeGroup ref="t:marks"/>
                    </xs:complexType></xs:element>
                  </xs:sequence></xs:extension></xs:complexContent></xs:complexType>"#,
            ),
            (
                "b/parts.xsd",
                r#"elementFormDefault="qualified">
                <xs:complexType name="Base"><xs:sequence><xs:element name="id" type="Short"/></xs:sequence></xs:complexType>
                <xs:group name="who"><xs:sequence><xs:element name="name" type="xs:string" minOccurs="0"/></xs:sequence></xs:group>
                <xs:attributeGroup name="marks"><xs:attribute name="no" type="xs:int" use="required"/></xs:attributeGroup>
                <xs:simpleType name="Short"><xs:restriction base="xs:string"><xs:maxLength value="3"/></xs:restriction></xs:simpleType>"#,
            ),
        ])
        .expect("a good schema");
        let order = model.get(TypeId::DOCUMENT).children[0].of;
        assert_eq!(
            shown(&model, order),
            [
                "{urn:t}id 1..1",
                "{urn:t}name 0..1",
                "{urn:t}cash 0..1 choice",
                "{urn:t}card 0..1 choice",
                "{urn:t}line 1..*"
            ]
        );
        let line = model.get(order).child(&QName::new("urn:t", "line")).expect("a line").of;
        assert_eq!(shown(&model, line), ["{urn:t}item 0..1", "{urn:t}order 0..1"]);
        assert!(model.get(line).attribute(&QName::local("no")).expect("@no").required);
        let id = model.get(model.get(order).children[0].of);
        assert_eq!(id.value.as_ref().and_then(|value| value.max_length), Some(3));
        assert_eq!(model.descendants_named(TypeId::DOCUMENT, &QName::new("urn:t", "order")), [order]);
        assert_eq!(model.parent(line), Some(order));
    }

    #[test]
    fn values_attributes_and_wildcards_come_through_every_kind_of_derivation() {
        let model = model(&[(
            "main.xsd",
            r#"xmlns="urn:t" targetNamespace="urn:t">
            <xs:attribute name="lang" type="xs:string"/>
            <xs:simpleType name="Word"><xs:union><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="a"/></xs:restriction></xs:simpleType>
              <xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="b"/></xs:restriction></xs:simpleType></xs:union></xs:simpleType>
            <xs:simpleType name="Words"><xs:list itemType="Word"/></xs:simpleType>
            <xs:complexType name="Amount"><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="unit" type="Word" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
            <xs:complexType name="Money"><xs:simpleContent><xs:restriction base="Amount"><xs:fractionDigits value="2"/></xs:restriction></xs:simpleContent></xs:complexType>
            <xs:complexType name="Base"><xs:sequence><xs:element name="x" type="xs:string"/><xs:element name="y" type="xs:string" minOccurs="0"/></xs:sequence><xs:attribute name="k"/></xs:complexType>
            <xs:complexType name="Less"><xs:complexContent><xs:restriction base="Base"><xs:sequence><xs:element name="x" type="xs:string"/></xs:sequence><xs:attribute name="k" use="prohibited"/></xs:restriction></xs:complexContent></xs:complexType>
            <xs:element name="root"><xs:complexType mixed="true"><xs:all>
              <xs:element name="money" type="Money"/><xs:element name="less" type="Less" minOccurs="0"/></xs:all>
              <xs:attribute ref="lang" use="required"/><xs:attribute name="words" type="Words"/></xs:complexType></xs:element>
            <xs:element name="open"><xs:complexType><xs:sequence maxOccurs="unbounded"><xs:element name="p" type="xs:int"/><xs:element name="q" type="Base"/><xs:any/></xs:sequence></xs:complexType></xs:element>"#,
        )])
        .expect("a good schema");
        let child =
            |of: TypeId, name: &str| model.get(of).children.iter().find(|c| &*c.name.local == name).expect(name);
        let root = child(TypeId::DOCUMENT, "root").of;
        let money = model.get(child(root, "money").of);
        let value = money.value.as_ref().expect("a value");
        assert_eq!((value.kind, value.fraction_digits), (SimpleKind::Decimal, Some(2)));
        assert_eq!(money.attributes[0].value.misfit("c").as_deref(), Some("it is not one of `a`, `b`"));
        let less = model.get(child(root, "less").of);
        assert_eq!((less.children.len(), less.attributes.len(), less.is_simple()), (1, 0, false));
        let root = model.get(root);
        assert!(root.value.is_some(), "mixed content has text");
        assert!(root.attribute(&QName::new("urn:t", "lang")).expect("@lang").required);
        assert!(root.attribute(&QName::local("words")).expect("@words").value.list);
        assert_eq!(root.children[0].order, root.children[1].order, "all: any order");
        let open = child(TypeId::DOCUMENT, "open").of;
        assert!(model.get(open).open);
        assert_eq!(shown(&model, open), ["p 1..*", "q 1..*"]);
        assert_eq!(
            model.get(open).children[0].order,
            model.get(open).children[1].order,
            "a repeated sequence keeps its order"
        );
    }

    #[test]
    fn every_unknown_reference_is_reported_with_its_place() {
        let problems = model(&[(
            "main.xsd",
            r#">
            <xs:include schemaLocation="gone.xsd"/>
            <xs:element name="a" type="Tpye"/>
            <xs:simpleType name="Type"><xs:restriction base="xs:strng"/></xs:simpleType>
            <xs:element name="b" type="Type"/>"#,
        )])
        .expect_err("problems");
        let shown: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "main.xsd:2:13: error XD-S001: the schema file `gone.xsd` cannot be found",
                "main.xsd:3:13: error XD-S003: `Tpye` is not declared (did you mean `Type`?)",
                "main.xsd:4:40: error XD-S003: XML Schema has no type `strng`",
            ]
        );
    }

    #[test]
    fn circles_end_in_a_problem() {
        let problems = model(&[(
            "main.xsd",
            r#"><xs:element name="a" type="A"/>
            <xs:complexType name="A"><xs:complexContent><xs:extension base="A"/></xs:complexContent></xs:complexType>"#,
        )])
        .expect_err("a circle");
        assert_eq!(problems.0[0].code, code::UNSUPPORTED);
    }
}
