//! Functions on nodes (F&O 3.1 §2, §10.2.5, §13, §14.5).

use std::sync::Arc;

use super::{Call, Function, Yields::Other, boolean, string, string::SPACE, uri};
use crate::{
    document::{Document, Kind, NodeId, QName},
    xpath::{Failure, Item, Qualified, Value, collection::atomized},
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "name",
        arity: (0, 1),
        signature: "name($node as node()? := .) as xs:string",
        doc: "The name of a node, with the prefix its document prefers.",
        examples: &[("name(())", "")],
        yields: Other,
        call: |call| {
            let Some((tree, node)) = tree(call, 0)? else { return string("") };
            match tree.qname(node) {
                None => string(""),
                Some(name) => match prefix_of(tree, &name.namespace) {
                    Some(prefix) if !prefix.is_empty() => string(format!("{prefix}:{}", name.local)),
                    _ => string(name.local.clone()),
                },
            }
        },
    },
    Function {
        name: "local-name",
        arity: (0, 1),
        signature: "local-name($node as node()? := .) as xs:string",
        doc: "The name of a node without prefix.",
        examples: &[("local-name(())", "")],
        yields: Other,
        call: |call| string(qname(call)?.map_or_else(|| "".into(), |name| name.local)),
    },
    Function {
        name: "namespace-uri",
        arity: (0, 1),
        signature: "namespace-uri($node as node()? := .) as xs:anyURI",
        doc: "The namespace of a node's name; empty for none.",
        examples: &[("namespace-uri(())", "")],
        yields: Other,
        call: |call| Ok(Item::Uri(qname(call)?.map_or_else(|| "".into(), |name| name.namespace)).into()),
    },
    Function {
        name: "data",
        arity: (0, 1),
        signature: "data($values as item()* := .) as xs:anyAtomicType*",
        doc: "The values without nodes: a node becomes its text as written.",
        examples: &[("data((1, 'a'))", "1 a")],
        yields: Other,
        call: |call| {
            let values = match call.has(0) {
                true => call.value(0).clone(),
                false => call.or_context(0)?.cloned().into(),
            };
            Ok(atomized(values)?.atomize(call.frame))
        },
    },
    Function {
        name: "root",
        arity: (0, 1),
        signature: "root($node as node()? := .) as node()?",
        doc: "The document a node belongs to.",
        examples: &[("count(root(()))", "0")],
        yields: Other,
        call: |call| Ok(node(call)?.map(|(document, _)| Item::Node(document, NodeId::ROOT)).into()),
    },
    Function {
        name: "is-null",
        arity: (0, 1),
        signature: "is-null($node as node()? := .) as xs:boolean",
        doc: "Whether a node is JSON null or has xsi:nil; false for an absent or empty one.",
        examples: &[("is-null(())", "false")],
        yields: Other,
        call: |call| {
            let null = node(call)?
                .is_some_and(|(document, node)| call.frame.document(document).is_some_and(|tree| tree.is_null(node)));
            Ok(Value::from(null))
        },
    },
    Function {
        name: "node-name",
        arity: (0, 1),
        signature: "node-name($node as node()? := .) as xs:QName?",
        doc: "The name of a node; nothing when it has none.",
        examples: &[("string(node-name(parse-xml('<a/>')/*))", "a")],
        yields: Other,
        call: |call| {
            let Some((tree, node)) = tree(call, 0)? else { return Ok(Value::Empty) };
            let Some(name) = tree.qname(node) else { return Ok(Value::Empty) };
            let prefix = prefix_of(tree, &name.namespace).unwrap_or_default();
            Ok(Item::QName(Arc::new(Qualified { name: name.clone(), prefix: prefix.into() })).into())
        },
    },
    Function {
        name: "has-children",
        arity: (0, 1),
        signature: "has-children($node as node()? := .) as xs:boolean",
        doc: "Whether a node has child nodes.",
        examples: &[("has-children(parse-xml('<a/>'))", "true"), ("has-children(parse-xml('<a/>')/*)", "false")],
        yields: Other,
        call: |call| {
            let holds = |kind| matches!(kind, Kind::Document | Kind::Element);
            let found = tree(call, 0)?;
            boolean(found.is_some_and(|(tree, node)| holds(tree.kind(node)) && tree.children(node).next().is_some()))
        },
    },
    Function {
        name: "path",
        arity: (0, 1),
        signature: "path($node as node()? := .) as xs:string?",
        doc: "A path that leads to the node, and to no other.",
        examples: &[("path(parse-xml('<a><b/><b x=\"1\"/></a>')//@x)", "/Q{}a[1]/Q{}b[2]/@x")],
        yields: Other,
        call: |call| match tree(call, 0)? {
            Some((tree, node)) => string(path(tree, node)),
            None => Ok(Value::Empty),
        },
    },
    Function {
        name: "generate-id",
        arity: (0, 1),
        signature: "generate-id($node as node()? := .) as xs:string",
        doc: "A name for a node that no other node of the run has.",
        examples: &[("generate-id(())", "")],
        yields: Other,
        call: |call| match node(call)? {
            Some((document, node)) => string(format!("d{document}n{}", node.index())),
            None => string(""),
        },
    },
    Function {
        name: "lang",
        arity: (1, 2),
        signature: "lang($language as xs:string?, $node as node() := .) as xs:boolean",
        doc: "Whether the `xml:lang` that holds for a node is the language or a variant of it.",
        examples: &[("lang('zh', parse-xml('<a xml:lang=\"zh-CN\"><b/></a>')//*:b)", "true")],
        yields: Other,
        call: |call| {
            let wanted = call.string(0)?.to_lowercase();
            let Some((tree, node)) = tree(call, 1)? else { return boolean(false) };
            let Some(name) = tree.names().find(XML, "lang") else { return boolean(false) };
            let found = std::iter::successors(Some(node), |node| tree.parent(*node))
                .find_map(|node| tree.attribute(node, name).filter(|_| tree.kind(node) == Kind::Element));
            let spoken = found.map(|found| tree.own_text(found).to_lowercase()).unwrap_or_default();
            let rest = spoken.strip_prefix(&wanted);
            boolean(found.is_some() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
        },
    },
    Function {
        name: "nilled",
        arity: (0, 1),
        signature: "nilled($node as node()? := .) as xs:boolean?",
        doc: "False for an element, which no schema has made nil, and nothing for other nodes; see `is-null`.",
        examples: &[("nilled(parse-xml('<a/>')/*)", "false")],
        yields: Other,
        call: |call| match tree(call, 0)? {
            Some((tree, node)) if tree.kind(node) == Kind::Element => boolean(false),
            _ => Ok(Value::Empty),
        },
    },
    Function {
        name: "base-uri",
        arity: (0, 1),
        signature: "base-uri($node as node()? := .) as xs:anyURI?",
        doc: "The `xml:base` that holds for a node; messages have no URI of their own.",
        examples: &[(
            "string(base-uri(parse-xml('<a xml:base=\"http://example.com/\"><b/></a>')//*:b))",
            "http://example.com/",
        )],
        yields: Other,
        call: |call| {
            let Some((tree, node)) = tree(call, 0)? else { return Ok(Value::Empty) };
            let Some(name) = tree.names().find(XML, "base") else { return Ok(Value::Empty) };
            let mut base: Option<String> = None;
            for node in std::iter::successors(Some(node), |node| tree.parent(*node)) {
                if let Some(found) = tree.attribute(node, name).filter(|_| tree.kind(node) == Kind::Element) {
                    let outer = tree.own_text(found);
                    base = Some(
                        base.map_or_else(|| outer.to_owned(), |inner| uri::resolve(&inner, outer).unwrap_or(inner)),
                    );
                }
            }
            Ok(base.map(|base| Item::Uri(base.into())).into())
        },
    },
    Function {
        name: "document-uri",
        arity: (0, 1),
        signature: "document-uri($node as node()? := .) as xs:anyURI?",
        doc: "Nothing: messages have no URI.",
        examples: &[("count(document-uri(parse-xml('<a/>')))", "0")],
        yields: Other,
        call: |call| node(call).map(|_| Value::Empty),
    },
    Function {
        name: "in-scope-prefixes",
        arity: (1, 1),
        signature: "in-scope-prefixes($element as element()) as xs:string*",
        doc: "The prefixes an element may use; taken from the whole document, which keeps one prefix a namespace.",
        examples: &[("sort(in-scope-prefixes(parse-xml('<p:a xmlns:p=\"urn:x\"/>')/*))", "p xml")],
        yields: Other,
        call: |call| {
            let Some((tree, node)) = tree(call, 0)? else { return Ok(Value::Empty) };
            Ok(in_scope(tree, node).into_iter().map(|(prefix, _)| Item::string(prefix)).collect())
        },
    },
    Function {
        name: "namespace-uri-for-prefix",
        arity: (2, 2),
        signature: "namespace-uri-for-prefix($prefix as xs:string?, $element as element()) as xs:anyURI?",
        doc: "The namespace a prefix stands for at an element; without prefix the default namespace.",
        examples: &[("string(namespace-uri-for-prefix('p', parse-xml('<p:a xmlns:p=\"urn:x\"/>')/*))", "urn:x")],
        yields: Other,
        call: |call| {
            let Some((tree, node)) = tree(call, 1)? else { return Ok(Value::Empty) };
            let prefix = call.string(0)?;
            let found = in_scope(tree, node).into_iter().find(|(known, _)| *known == prefix);
            Ok(found.map(|(_, namespace)| Item::Uri(namespace.into())).into())
        },
    },
    Function {
        name: "resolve-QName",
        arity: (2, 2),
        signature: "resolve-QName($name as xs:string?, $element as element()) as xs:QName?",
        doc: "The name a text stands for at an element, whose prefixes it uses.",
        examples: &[("string(resolve-QName('p:b', parse-xml('<p:a xmlns:p=\"urn:x\"/>')/*))", "p:b")],
        yields: Other,
        call: resolve_name,
    },
    Function {
        name: "id",
        arity: (1, 2),
        signature: "id($ids as xs:string*, $node as node() := .) as element()*",
        doc: "The elements whose `xml:id` is one of the ids.",
        examples: &[("id('x', parse-xml('<a><b xml:id=\"x\">1</b></a>'))", "1")],
        yields: Other,
        call: by_id,
    },
    Function {
        name: "element-with-id",
        arity: (1, 2),
        signature: "element-with-id($ids as xs:string*, $node as node() := .) as element()*",
        doc: "The elements whose `xml:id` is one of the ids.",
        examples: &[("element-with-id('x', parse-xml('<a><b xml:id=\"x\">1</b></a>'))", "1")],
        yields: Other,
        call: by_id,
    },
    Function {
        name: "idref",
        arity: (1, 2),
        signature: "idref($ids as xs:string*, $node as node() := .) as node()*",
        doc: "Nothing: only a DTD says what a reference is, and none is read.",
        examples: &[("count(idref('x', parse-xml('<a/>')))", "0")],
        yields: Other,
        call: |call| {
            tree(call, 1)?;
            Ok(Value::Empty)
        },
    },
];

/// The namespace of `xml:`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The prefix a document prefers for a namespace.
fn prefix_of<'a>(tree: &'a Document, namespace: &str) -> Option<&'a str> {
    if namespace == XML { Some("xml") } else { tree.names().prefix_of(namespace) }
}

/// The node of an argument, or of the context when it was left out.
fn node_at(call: &Call<'_>, at: usize) -> Result<Option<(u16, NodeId)>, Failure> {
    match call.or_context(at)? {
        None => Ok(None),
        Some(Item::Node(document, node)) => Ok(Some((*document, *node))),
        Some(other) => {
            Err(Failure::error("XPTY0004", format!("a node is needed here, not a value of type {}", other.type_name())))
        }
    }
}

fn node(call: &Call<'_>) -> Result<Option<(u16, NodeId)>, Failure> {
    node_at(call, 0)
}

fn tree<'a>(call: &Call<'a>, at: usize) -> Result<Option<(&'a Document, NodeId)>, Failure> {
    let Some((document, node)) = node_at(call, at)? else { return Ok(None) };
    Ok(call.frame.document(document).map(|tree| (tree, node)))
}

fn qname(call: &Call<'_>) -> Result<Option<QName>, Failure> {
    Ok(tree(call, 0)?.and_then(|(tree, node)| tree.qname(node).cloned()))
}

/// The path of a node (F&O 3.1 §14.9 `path`).
fn path(tree: &Document, node: NodeId) -> String {
    let mut steps = Vec::new();
    let mut at = node;
    while let Some(parent) = tree.parent(at) {
        let kind = tree.kind(at);
        let same = |other: &NodeId| tree.kind(*other) == kind && tree.name(*other) == tree.name(at);
        let position = || tree.children(parent).filter(same).take_while(|other| *other <= at).count();
        let name = tree.qname(at);
        steps.push(match (kind, name) {
            (Kind::Attribute, Some(name)) if name.namespace.is_empty() => format!("/@{}", name.local),
            (Kind::Attribute, Some(name)) => format!("/@Q{{{}}}{}", name.namespace, name.local),
            (Kind::Element, Some(name)) => format!("/Q{{{}}}{}[{}]", name.namespace, name.local, position()),
            (Kind::Instruction, Some(name)) => format!("/processing-instruction({})[{}]", name.local, position()),
            (Kind::Comment, _) => format!("/comment()[{}]", position()),
            _ => format!("/text()[{}]", position()),
        });
        at = parent;
    }
    if steps.is_empty() { "/".to_owned() } else { steps.into_iter().rev().collect() }
}

/// Prefixes and namespaces at an element, as far as the document remembers them.
fn in_scope(tree: &Document, node: NodeId) -> Vec<(&str, &str)> {
    let mut known: Vec<(&str, &str)> = vec![("xml", XML)];
    known.extend(tree.names().prefixes().filter(|(_, namespace)| *namespace != XML));
    let plain = tree.qname(node).is_some_and(|name| name.namespace.is_empty());
    // an element in no namespace shows that no default namespace holds for it
    known.retain(|(prefix, namespace)| !namespace.is_empty() && (!plain || !prefix.is_empty()));
    known
}

fn resolve_name(call: &Call<'_>) -> Result<Value, Failure> {
    let Some(text) = call.optional_string(0)? else { return Ok(Value::Empty) };
    let Some((tree, node)) = tree(call, 1)? else { return Ok(Value::Empty) };
    let text = text.trim_matches(SPACE);
    let (prefix, local) = text.split_once(':').unwrap_or(("", text));
    let is_name = |part: &str| {
        let letter = |c: char| c.is_alphabetic() || c == '_';
        part.starts_with(letter) && part.chars().all(|c| letter(c) || c.is_numeric() || matches!(c, '-' | '.' | '·'))
    };
    if !is_name(local) || (text.contains(':') && !is_name(prefix)) {
        return Err(Failure::error("FOCA0002", "the text has not the form of a name"));
    }
    let known = in_scope(tree, node);
    let namespace = known.iter().find(|(known, _)| *known == prefix).map(|(_, namespace)| *namespace);
    let namespace = match namespace {
        Some(namespace) => namespace,
        None if prefix.is_empty() => "",
        None => return Err(Failure::error("FONS0004", format!("prefix `{prefix}` stands for nothing there"))),
    };
    Ok(Item::QName(Arc::new(Qualified { name: QName::new(namespace, local), prefix: prefix.into() })).into())
}

fn by_id(call: &Call<'_>) -> Result<Value, Failure> {
    let Some((document, _)) = node_at(call, 1)? else { return Ok(Value::Empty) };
    let Some(tree) = call.frame.document(document) else { return Ok(Value::Empty) };
    let texts: Vec<_> = call.items(0).iter().map(|item| call.frame.text_of(item)).collect();
    let mut wanted: Vec<&str> = texts.iter().flat_map(|text| text.split(SPACE)).filter(|id| !id.is_empty()).collect();
    let Some(name) = tree.names().find(XML, "id") else { return Ok(Value::Empty) };
    call.frame.budget.take(tree.len() as u64)?;
    let mut found = Vec::new();
    for node in (0..tree.len()).filter_map(|index| tree.node(index)).filter(|node| tree.kind(*node) == Kind::Element) {
        let Some(id) = tree.attribute(node, name).map(|id| tree.own_text(id).trim_matches(SPACE)) else { continue };
        // the first element with an id has it
        if wanted.contains(&id) {
            wanted.retain(|wanted| *wanted != id);
            found.push(Item::Node(document, node));
        }
    }
    Ok(found.into())
}
