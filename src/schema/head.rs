//! What one schema file says of itself: its root elements and the files it leads to.

use super::{
    declaration::{attribute, beside, is_xs, schema_document},
    xsd::XML,
};
use crate::{
    base::{Place, Problem},
    document::QName,
};

/// The head of one XML Schema file.
#[derive(Clone, Debug, Default)]
pub struct XsdHead {
    /// The elements declared at its top.
    pub elements: Vec<QName>,
    /// The files it includes, imports or redefines.
    pub references: Vec<XsdReference>,
}

/// One `xs:include`, `xs:import` or `xs:redefine` with a location (XSD 1.0 part 1 §4.2).
#[derive(Clone, Debug)]
pub struct XsdReference {
    /// The location as written.
    pub written: String,
    /// The file it leads to, relative to where names are relative to; the location itself when it is an address.
    pub file: String,
    /// Whether the location is an address (`http://…`), which is never fetched.
    pub is_address: bool,
    /// Whether nothing is lost without it: the attributes of XML itself are known.
    pub is_dispensable: bool,
    /// Where it stands.
    pub place: Place,
}

impl XsdHead {
    /// Reads a schema file by its name.
    ///
    /// # Errors
    /// `XD-S002` when it is no XML Schema; a code of the XML reader when it is no XML.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let (document, root) = schema_document(file, bytes)?;
        let target = attribute(&document, root, "targetNamespace").unwrap_or_default();
        let mut head = Self::default();
        for child in document.elements(root) {
            if is_xs(&document, child, "element") {
                head.elements.extend(attribute(&document, child, "name").map(|name| QName::new(target, name)));
            }
            let leads = ["include", "import", "redefine"].iter().any(|kind| is_xs(&document, child, kind));
            let Some(location) = attribute(&document, child, "schemaLocation").filter(|_| leads) else { continue };
            let place = document.place(child);
            let place = Place { file: Some(file.into()), path: None, ..place };
            head.references.push(XsdReference {
                written: location.to_owned(),
                file: if location.contains(':') { location.to_owned() } else { beside(file, location) },
                is_address: location.contains(':'),
                is_dispensable: attribute(&document, child, "namespace") == Some(XML),
                place,
            });
        }
        Ok(head)
    }
}
