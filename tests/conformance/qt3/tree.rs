//! Documents of the suite: read with every blank kept, which the hub's reader drops between tags.

use crossdock::document::{Builder, Document, Kind, NodeId, Text};

/// Reads XML text.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Document, String> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = roxmltree::Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
    let mut builder = Builder::default();
    for child in source.root().children() {
        add(&mut builder, child);
    }
    Ok(builder.finish())
}

fn add(builder: &mut Builder, node: roxmltree::Node<'_, '_>) {
    match node.node_type() {
        roxmltree::NodeType::Root => {}
        roxmltree::NodeType::Element => {
            for namespace in node.namespaces() {
                builder.names().prefer_prefix(namespace.uri(), namespace.name().unwrap_or_default());
            }
            let tag = node.tag_name();
            let name = builder.names().intern(tag.namespace().unwrap_or_default(), tag.name());
            builder.start(name, None);
            for attribute in node.attributes() {
                let name = builder.names().intern(attribute.namespace().unwrap_or_default(), attribute.name());
                builder.attribute(name, Text::Copied(attribute.value()), None);
            }
            for child in node.children() {
                add(builder, child);
            }
            builder.end();
        }
        roxmltree::NodeType::Text => {
            builder.text(Text::Copied(node.text().unwrap_or_default()), None);
        }
        roxmltree::NodeType::Comment => {
            builder.comment(Text::Copied(node.text().unwrap_or_default()), None);
        }
        roxmltree::NodeType::PI => {
            let Some(instruction) = node.pi() else { return };
            let name = builder.names().intern("", instruction.target);
            builder.instruction(name, Text::Copied(instruction.value.unwrap_or_default()), None);
        }
    }
}

/// Whether two nodes are the same tree; attributes in any order.
pub fn is_same(one: (&Document, NodeId), other: (&Document, NodeId)) -> bool {
    let ((left, a), (right, b)) = (one, other);
    if left.kind(a) != right.kind(b) || left.qname(a) != right.qname(b) {
        return false;
    }
    if !matches!(left.kind(a), Kind::Element | Kind::Document) {
        return left.own_text(a) == right.own_text(b);
    }
    let attributes = |document: &Document, of| {
        let mut all: Vec<_> = document
            .attributes(of)
            .map(|node| (document.qname(node).cloned(), document.own_text(node).to_owned()))
            .collect();
        all.sort_by_key(|(name, _)| name.as_ref().map(|name| (name.namespace.clone(), name.local.clone())));
        all
    };
    if attributes(left, a) != attributes(right, b) {
        return false;
    }
    let (children, others): (Vec<_>, Vec<_>) = (left.children(a).collect(), right.children(b).collect());
    children.len() == others.len()
        && children.iter().zip(&others).all(|(child, other)| is_same((left, *child), (right, *other)))
}
