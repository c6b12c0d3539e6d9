//! Namespace declarations in scope (Namespaces in XML 1.0 §3, §6).

use std::borrow::Cow;

use super::{XML_NAMESPACE, XMLNS_NAMESPACE, tag::RawName};
use crate::{
    base::{Limits, Problem},
    document::{Name, NameTable},
    format::{code, limit_problem, name_cache::NameCache},
};

/// The declarations in scope, and what each name as written means under them.
pub(super) struct Scope<'a> {
    bindings: Vec<(&'a str, Cow<'a, str>)>,
    cache: NameCache<'a>,
    /// Changes with every element that declares something, so that cached names of another scope do not match.
    current: u32,
    made: u32,
}

/// What to go back to when an element ends.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    bindings: u32,
    current: u32,
}

impl<'a> Scope<'a> {
    pub fn new() -> Self {
        Self { bindings: Vec::new(), cache: NameCache::new(), current: 0, made: 0 }
    }

    pub fn mark(&self) -> Mark {
        Mark { bindings: u32::try_from(self.bindings.len()).unwrap_or(u32::MAX), current: self.current }
    }

    pub fn back_to(&mut self, mark: Mark) {
        self.bindings.truncate(mark.bindings as usize);
        self.current = mark.current;
    }

    /// Declares a prefix (empty: the default namespace) for the element that starts.
    pub fn declare(
        &mut self,
        prefix: &'a str,
        namespace: Cow<'a, str>,
        since: Mark,
        limits: &Limits,
        names: &mut NameTable,
    ) -> Result<(), Problem> {
        let wrong = |text: String| Err(Problem::new(code::XML_NAMESPACE, text));
        if self.bindings.len() >= limits.xml_namespaces_in_scope {
            return Err(limit_problem("too many namespace declarations in scope", limits.xml_namespaces_in_scope));
        }
        if prefix == "xmlns" || namespace == XMLNS_NAMESPACE {
            return wrong("the prefix `xmlns` and its namespace cannot be declared".into());
        }
        if (prefix == "xml") != (namespace == XML_NAMESPACE) {
            return wrong(format!("the prefix `xml` belongs to {XML_NAMESPACE} and to nothing else"));
        }
        if namespace.is_empty() && !prefix.is_empty() {
            return wrong(format!("the prefix `{prefix}` is declared with an empty namespace"));
        }
        if self.bindings[since.bindings as usize..].iter().any(|(known, _)| *known == prefix) {
            let text = if prefix.is_empty() { "xmlns".into() } else { format!("xmlns:{prefix}") };
            return Err(Problem::new(code::XML_ATTRIBUTE, format!("the attribute `{text}` is there twice")));
        }
        if !namespace.is_empty() && prefix != "xml" {
            names.prefer_prefix(&namespace, prefix);
        }
        self.bindings.push((prefix, namespace));
        if self.current == since.current {
            self.made = self.made.saturating_add(2);
            self.current = self.made;
        }
        Ok(())
    }

    /// The name an element name stands for.
    #[inline]
    pub fn element(&mut self, raw: RawName<'a>, names: &mut NameTable) -> Result<Name, Problem> {
        let bindings = &self.bindings;
        self.cache.name(raw.text, self.current, || {
            let (prefix, local) = raw.split();
            Ok(names.intern(namespace_of(bindings, prefix)?, local))
        })
    }

    /// The name an attribute name stands for: without prefix it is in no namespace.
    #[inline]
    pub fn attribute(&mut self, raw: RawName<'a>, names: &mut NameTable) -> Result<Name, Problem> {
        let bindings = &self.bindings;
        self.cache.name(raw.text, self.current + 1, || {
            let (prefix, local) = raw.split();
            Ok(names.intern(if prefix.is_empty() { "" } else { namespace_of(bindings, prefix)? }, local))
        })
    }
}

fn namespace_of<'b>(bindings: &'b [(&str, Cow<'_, str>)], prefix: &str) -> Result<&'b str, Problem> {
    if let Some((_, namespace)) = bindings.iter().rev().find(|(known, _)| *known == prefix) {
        return Ok(namespace);
    }
    match prefix {
        "" => Ok(""),
        "xml" => Ok(XML_NAMESPACE),
        "xmlns" => Err(Problem::new(code::XML_NAMESPACE, "the prefix `xmlns` is reserved for namespace declarations")),
        _ => Err(Problem::new(code::XML_NAMESPACE, format!("the prefix `{prefix}` is not declared"))
            .hint(format!("declare it: xmlns:{prefix}=\"…\""))),
    }
}
