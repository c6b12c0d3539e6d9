//! Qualified names, interned: a name is a number, equal names have equal numbers within one document.

use std::{fmt, sync::Arc};

use foldhash::HashMap;

/// A name within one [`NameTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub(super) u32);

impl Name {
    /// The number: names of one table count from 0 without gaps.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An expanded name (Namespaces in XML 1.0 §2.1): namespace and local part. The prefix is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QName {
    /// Namespace; empty for none.
    pub namespace: Arc<str>,
    /// Local part.
    pub local: Arc<str>,
}

impl QName {
    /// A name in a namespace; an empty namespace is none.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), local: local.into() }
    }

    /// A name in no namespace.
    #[must_use]
    pub fn local(local: impl Into<Arc<str>>) -> Self {
        Self::new("", local)
    }
}

/// The local part alone, or `{namespace}local`.
impl fmt::Display for QName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.local)
        } else {
            write!(f, "{{{}}}{}", self.namespace, self.local)
        }
    }
}

/// Room made for names at once: most documents have fewer of a namespace.
const USUAL_NAMES: usize = 48;

/// Interns names, and remembers the prefix each namespace was first seen with (for writers and messages only).
#[derive(Clone, Debug, Default)]
pub struct NameTable {
    names: Vec<QName>,
    /// Namespace → local → name; two levels so that a look-up needs no owned key.
    index: HashMap<Arc<str>, HashMap<Arc<str>, Name>>,
    prefixes: HashMap<Arc<str>, Arc<str>>,
}

impl NameTable {
    /// The number of a name, made if new.
    pub fn intern(&mut self, namespace: &str, local: &str) -> Name {
        if let Some(name) = self.find(namespace, local) {
            return name;
        }
        let namespace: Arc<str> = match self.index.get_key_value(namespace) {
            Some((known, _)) => known.clone(),
            None => namespace.into(),
        };
        let local: Arc<str> = local.into();
        let name = Name(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        if self.names.is_empty() {
            self.names.reserve(USUAL_NAMES);
        }
        self.names.push(QName { namespace: namespace.clone(), local: local.clone() });
        let in_namespace = self.index.entry(namespace).or_default();
        if in_namespace.is_empty() {
            in_namespace.reserve(USUAL_NAMES);
        }
        in_namespace.insert(local, name);
        name
    }

    /// The number of a name, if the table has it.
    #[must_use]
    pub fn find(&self, namespace: &str, local: &str) -> Option<Name> {
        self.index.get(namespace)?.get(local).copied()
    }

    /// The name behind a number.
    ///
    /// # Panics
    /// When the number came from another table.
    #[must_use]
    pub fn get(&self, name: Name) -> &QName {
        &self.names[name.0 as usize]
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Remembers a prefix for a namespace; the first one stays.
    pub fn prefer_prefix(&mut self, namespace: &str, prefix: &str) {
        if self.prefix_of(namespace).is_none() {
            self.prefixes.insert(namespace.into(), prefix.into());
        }
    }

    /// Every preferred prefix with its namespace, in the order of the prefixes.
    pub fn prefixes(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut all: Vec<(&str, &str)> =
            self.prefixes.iter().map(|(namespace, prefix)| (&**prefix, &**namespace)).collect();
        all.sort_unstable();
        all.into_iter()
    }

    /// The preferred prefix of a namespace; an empty prefix is the default namespace.
    #[must_use]
    pub fn prefix_of(&self, namespace: &str) -> Option<&str> {
        self.prefixes.get(namespace).map(|prefix| &**prefix)
    }
}

/// `NameStartChar` of XML 1.0 §2.3, without the colon.
#[must_use]
pub fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// `NameChar` of XML 1.0 §2.3, without the colon.
#[must_use]
pub fn is_name_char(character: char) -> bool {
    is_name_start(character)
        || matches!(character, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// `NCName` of Namespaces in XML 1.0 §3.
#[must_use]
pub fn is_ncname(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_char)
}
