//! `$merge`: what a source node holds goes through, except what the block names and what a list names.

use std::sync::Arc;

use super::{
    Failure, code,
    compile::{Compiler, Filling, attribute_mark},
    plan::{Block, Rule},
    run::{Came, Writing, XSI},
    scope::Scope,
    shape::shaped,
};
use crate::{
    base::{Place, Problem},
    content::{Data, Fields, Yaml},
    document::{Document, Kind, NodeId, QName, Shape, Text},
    schema::{Child, Model, TypeId},
    xpath::{Item, TraceEvent, TypeRef},
};

/// How many names one warning lists at most.
const LISTED: usize = 8;

/// A compiled `$merge`.
#[derive(Debug)]
pub(super) struct Merge {
    /// Gives the node whose content goes through.
    pub from: Rule,
    /// Paths below the node that do not; an attribute is marked.
    except: Vec<Vec<QName>>,
    /// The type of the element that is filled.
    target: Option<(Arc<Model>, TypeId)>,
    /// How many parts of the block stand before it.
    at: usize,
    /// The names the block has rules for, attributes marked.
    pub named: Vec<QName>,
}

/// The names a `$merge` may fill.
pub(super) enum Fills {
    Anything,
    Only(Vec<QName>),
}

impl Fills {
    /// Whether it may fill a name.
    pub fn may(&self, name: &QName) -> bool {
        match self {
            Self::Anything => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Into which namespace names go.
struct Spaces {
    from: Arc<str>,
    to: Option<Arc<str>>,
}

impl Spaces {
    fn moved(&self, name: &QName) -> QName {
        match &self.to {
            Some(to) if name.namespace == self.from => QName::new(to.clone(), name.local.clone()),
            _ => name.clone(),
        }
    }
}

/// The child of a type that a name goes to: of the moved name, of its own, else of the same local name.
fn child_for<'m>(model: &'m Model, of: TypeId, name: &QName, moved: &QName) -> Option<&'m Child> {
    let target = model.get(of);
    let alike = || target.children.iter().find(|child| child.name.local == name.local);
    target.child(moved).or_else(|| target.child(name)).or_else(alike)
}

impl Compiler<'_> {
    /// Compiles `$merge: =node` or `$merge: {from: =node, except: […]}`.
    pub fn merge(&mut self, node: &Yaml, filling: &mut Filling<'_>, path: &str) {
        if filling.only.is_some() || filling.block.merge.is_some() {
            let text = "`$merge` stands once in a block, and in no branch of it";
            return self.report(Problem::new(code::WRONG_FORM, text).at(node.place(&self.file).with_path(path)));
        }
        let file = self.file.clone();
        let (from, listed) = match node.data {
            Data::Map(_) => {
                let fields = Fields::new(node, &file, self.problems);
                fields.required("from");
                fields.list("except");
                fields.finish();
                (node.get("from"), node.get("except"))
            }
            _ => (Some(node), None),
        };
        let Some(from) = from.and_then(|from| self.rule(from, &filling.context)) else { return };
        self.copied(&from, path);
        let source = from.static_type().type_ref();
        let listed: Vec<&Yaml> = match listed.map(|listed| (&listed.data, listed)) {
            None => Vec::new(),
            Some((Data::List(all), _)) => all.iter().collect(),
            Some((_, one)) => vec![one],
        };
        let except = listed.into_iter().filter_map(|node| self.exception(node, source)).collect();
        let model = self.scope.environment.target.map(|model| Arc::new(model.clone()));
        let target = model.zip(filling.target_id);
        filling.block.merge = Some(Merge { from, except, target, at: filling.block.parts.len(), named: Vec::new() });
    }

    /// One path of `except`: element names, the last may be an attribute.
    fn exception(&self, node: &Yaml, source: Option<TypeRef>) -> Option<Vec<QName>> {
        let written = node.text()?;
        let model = self.scope.environment.source;
        let mut at = source.map(|source| TypeId(source.0));
        let mut steps = Vec::new();
        for step in written.split('/') {
            let (is_attribute, name) = step.strip_prefix('@').map_or((false, step), |name| (true, name));
            let namespace = match name.split_once(':') {
                Some((prefix, _)) => {
                    self.scope.namespaces.iter().find(|(known, _)| known == prefix).map(|(_, ns)| ns.as_str())
                }
                None if is_attribute => Some(""),
                None => Some(self.scope.default_element_namespace.unwrap_or_default()),
            };
            let local = name.rsplit(':').next().unwrap_or_default();
            let Some(namespace) = namespace.filter(|_| !local.is_empty() && (!is_attribute || written.ends_with(step)))
            else {
                let text =
                    format!("`{written}` is no path: names divided by `/`, the last may be `@name`, prefixes declared");
                self.report(Problem::new(code::WRONG_FORM, text).at(node.place(&self.file)));
                return None;
            };
            let name = QName::new(namespace, local);
            if let Some((model, of)) = model.zip(at) {
                let held = model.get(of);
                let is_known = if is_attribute { held.attribute(&name).is_some() } else { held.child(&name).is_some() };
                if !is_known && !held.open {
                    let text = format!("no document of the source type has `{written}` here");
                    let known: Vec<String> = match is_attribute {
                        true => held.attributes.iter().map(|known| format!("@{}", known.name.local)).collect(),
                        false => held.children.iter().map(|known| known.name.local.to_string()).collect(),
                    };
                    let problem = Problem::new(code::UNKNOWN_NAME, text).at(node.place(&self.file));
                    self.report(problem.did_you_mean(step, known.iter().map(String::as_str)));
                    return None;
                }
                at = held.child(&name).map(|child| child.of);
            }
            steps.push(if is_attribute { attribute_mark(&name) } else { name });
        }
        Some(steps)
    }

    /// What a `$merge` may fill; warns of what the target cannot take.
    pub fn check_merge(&self, block: &Block, path: &str) -> Option<Fills> {
        let merge = block.merge.as_ref()?;
        let source = self.scope.environment.source.zip(merge.from.static_type().type_ref());
        let (Some((source, of)), Some((target, to))) = (source, &merge.target) else { return Some(Fills::Anything) };
        let of = TypeId(of.0);
        if source.get(of).open {
            return Some(Fills::Anything);
        }
        let spaces = self.spaces_of(source, of, target, *to);
        let mut lost = Vec::new();
        let mut seen = vec![(of, *to)];
        let mut filled = Vec::new();
        let except: Vec<&[QName]> = merge.except.iter().map(Vec::as_slice).collect();
        losses((source, of), (target, *to), &spaces, (&except, &merge.named), "", &mut seen, &mut lost);
        for child in &source.get(of).children {
            let is_out = except.iter().any(|path| **path == [child.name.clone()]);
            if let Some(found) = child_for(target, *to, &child.name, &spaces.moved(&child.name)).filter(|_| !is_out) {
                filled.push(found.name.clone());
            }
        }
        let attributes = source.get(of).attributes.iter().map(|attribute| attribute_mark(&attribute.name));
        filled.extend(attributes.filter(|name| !except.iter().any(|path| **path == [name.clone()])));
        if !lost.is_empty() {
            let more = if lost.len() > LISTED { ", …" } else { "" };
            let listed = lost.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let text = format!("`$merge` may bring {listed}{more}, which the target does not have");
            let problem = Problem::new(code::UNKNOWN_NAME, text).warning().at(merge.from.place().with_path(path));
            self.report(problem.hint("name it under `except`, or write a rule for it"));
        }
        Some(Fills::Only(filled))
    }

    /// The namespaces of the first children say which one becomes which.
    fn spaces_of(&self, source: &Model, of: TypeId, target: &Model, to: TypeId) -> Spaces {
        let first =
            |model: &Model, of: TypeId| model.get(of).children.first().map(|child| child.name.namespace.clone());
        Spaces { from: first(source, of).unwrap_or_default(), to: first(target, to) }
    }
}

/// What a target type cannot take of a source type, as paths.
fn losses(
    (source, of): (&Model, TypeId),
    (target, to): (&Model, TypeId),
    spaces: &Spaces,
    (except, named): (&[&[QName]], &[QName]),
    below: &str,
    seen: &mut Vec<(TypeId, TypeId)>,
    lost: &mut Vec<String>,
) {
    let (held, wanted) = (source.get(of), target.get(to));
    if wanted.open {
        return;
    }
    for attribute in &held.attributes {
        let mark = attribute_mark(&attribute.name);
        let is_out = except.iter().any(|path| **path == [mark.clone()]) || named.contains(&mark);
        if !is_out && wanted.attribute(&attribute.name).is_none() {
            lost.push(format!("{below}@{}", attribute.name.local));
        }
    }
    for child in &held.children {
        let moved = spaces.moved(&child.name);
        let found = child_for(target, to, &child.name, &moved);
        let is_named = named.contains(found.map_or(&moved, |found| &found.name));
        if is_named || except.iter().any(|path| **path == [child.name.clone()]) {
            continue;
        }
        let path = format!("{below}{}", child.name.local);
        let Some(found) = found else {
            lost.push(path);
            continue;
        };
        if !seen.contains(&(child.of, found.of)) {
            seen.push((child.of, found.of));
            let deeper = rest(except, &child.name);
            losses((source, child.of), (target, found.of), spaces, (&deeper, &[]), &format!("{path}/"), seen, lost);
        }
    }
}

/// What is left of the paths that begin with a name.
fn rest<'e>(except: &[&'e [QName]], name: &QName) -> Vec<&'e [QName]> {
    let after = |path: &&'e [QName]| path.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| rest);
    except.iter().filter_map(after).collect()
}

/// The source of a merge that is being carried out.
pub(super) struct Merging<'b> {
    merge: &'b Merge,
    document: u16,
    node: NodeId,
    spaces: Spaces,
}

/// What stands at one place of a block that merges.
pub(super) enum Step {
    Part(usize),
    Child(NodeId),
}

/// A node that goes through, and where to.
struct Passing<'e> {
    node: NodeId,
    target: Option<TypeId>,
    except: Vec<&'e [QName]>,
}

impl Writing<'_> {
    /// The node to merge: `None` when it is absent. The outer `None` says that a code or cross reference is missing.
    pub fn merging<'b>(&mut self, scope: &Scope<'_>, block: &'b Block) -> Result<Option<Option<Merging<'b>>>, Failure> {
        let Some(merge) = &block.merge else { return Ok(Some(None)) };
        let Some(value) = scope.value(&merge.from)? else { return Ok(None) };
        let (document, node) = match value.items() {
            [] => return Ok(Some(None)),
            [Item::Node(document, node)] => (*document, *node),
            [_] => {
                let text = "`$merge` takes a node, and its formula gave a value".to_owned();
                return Err(self.wrong(scope, &merge.from, code::MISPLACED_COPY, text).into());
            }
            many => {
                let text = format!("`$merge` takes one node, and its formula gave {}", many.len());
                let problem = self.wrong(scope, &merge.from, code::SEVERAL, text);
                return Err(problem.hint("choose one (`[1]`), or make a block with `$each`").into());
            }
        };
        let Some(tree) = scope.shared.documents.get(usize::from(document)) else {
            let text = "`$merge` takes a node of the source, and its formula made one".to_owned();
            let problem = self.wrong(scope, &merge.from, code::MISPLACED_COPY, text);
            return Err(problem.hint("insert it with `$copy`").into());
        };
        let own = tree.qname(node).or_else(|| tree.qname(tree.root_element()?));
        let from = own.map(|name| name.namespace.clone()).unwrap_or_default();
        let to = self.path.last().map(|(name, _)| self.template.names[*name].name.namespace.clone());
        Ok(Some(Some(Merging { merge, document, node, spaces: Spaces { from, to } })))
    }

    /// The parts of a block and the children that go through, in the order they are written.
    pub fn schedule(&self, scope: &Scope<'_>, block: &Block, merging: &Merging<'_>) -> Vec<Step> {
        let all = 0..block.parts.len();
        let tree = scope.shared.documents[usize::from(merging.document)];
        let merge = merging.merge;
        let is_mixed = tree.elements(merging.node).next().is_some();
        let goes = |node: &NodeId| match tree.kind(*node) {
            Kind::Element => true,
            Kind::Text => is_mixed && !tree.own_text(*node).trim().is_empty(),
            _ => false,
        };
        let target_name = |node: NodeId| {
            let name = tree.qname(node)?;
            let moved = merging.spaces.moved(name);
            let found = merge.target.as_ref().and_then(|(model, of)| child_for(model, *of, name, &moved));
            Some((found.map_or(moved, |found| found.name.clone()), found.map(|found| found.order)))
        };
        let children: Vec<(NodeId, QName, Option<u32>)> = tree
            .children(merging.node)
            .filter(goes)
            .map(|node| {
                let (name, order) = target_name(node).unwrap_or_else(|| (QName::local(""), None));
                (node, name, order)
            })
            .collect();
        let part_name = |at: usize| block.parts[at].name().map(|name| &self.template.names[name].name);
        let mut steps: Vec<(u32, Step)> = Vec::new();
        let is_there = |at: usize| part_name(at).is_some_and(|name| children.iter().any(|(_, known, _)| known == name));
        let order_of = |at: usize| block.orders.get(at).copied().unwrap_or_default();
        let mut written: Vec<usize> = Vec::new();
        for at in all.clone().filter(|at| *at < merge.at && !is_there(*at)) {
            steps.push((order_of(at), Step::Part(at)));
            written.push(at);
        }
        let mut last = 0;
        for (node, name, order) in &children {
            if merge.named.contains(name) {
                for at in all.clone().filter(|at| part_name(*at) == Some(name)) {
                    if !written.contains(&at) {
                        steps.push((order_of(at), Step::Part(at)));
                        written.push(at);
                    }
                }
                continue;
            }
            if !merge.except.iter().any(|path| path.len() == 1 && tree.qname(*node) == path.first()) {
                last = order.unwrap_or(last);
                steps.push((last, Step::Child(*node)));
            }
        }
        steps.extend(all.filter(|at| !written.contains(at)).map(|at| (order_of(at), Step::Part(at))));
        if merge.target.is_some() {
            steps.sort_by_key(|(order, _)| *order);
        }
        steps.into_iter().map(|(_, step)| step).collect()
    }

    /// Writes the attributes and, when there are no elements, the text that go through.
    pub fn merge_start(&mut self, scope: &Scope<'_>, block: &Block, merging: &Merging<'_>) -> Result<Came, Failure> {
        let tree = scope.shared.documents[usize::from(merging.document)];
        let except: Vec<&[QName]> = merging.merge.except.iter().map(Vec::as_slice).collect();
        let target = merging.merge.target.as_ref().map(|(_, of)| *of);
        let passing = Passing { node: merging.node, target, except };
        let mut came = self.pass_attributes(scope, merging, &passing, &merging.merge.named)?;
        if block.texts.is_empty() && tree.elements(merging.node).next().is_none() {
            let text = tree.string_value(merging.node);
            if !text.is_empty() {
                self.pass_text(scope, merging, &passing, &text)?;
                came = Came::Written;
            }
        }
        Ok(came)
    }

    /// Writes one child that goes through, and gives its name in the target.
    pub fn merge_child(&mut self, scope: &Scope<'_>, merging: &Merging<'_>, node: NodeId) -> Result<QName, Failure> {
        let tree = scope.shared.documents[usize::from(merging.document)];
        if tree.kind(node) == Kind::Text {
            self.check_size(scope, || merging.merge.from.place())?;
            self.builder.text(Text::Copied(tree.own_text(node)), None);
            return Ok(QName::local(""));
        }
        let own = tree.qname(node).cloned().unwrap_or_else(|| QName::local(""));
        let except: Vec<&[QName]> = merging.merge.except.iter().map(Vec::as_slice).collect();
        let target = merging.merge.target.as_ref().map(|(_, of)| *of);
        self.pass(scope, merging, &Passing { node, target, except: rest(&except, &own) })
    }

    /// Writes an element; `passing.target` is the type of its parent.
    fn pass(&mut self, scope: &Scope<'_>, merging: &Merging<'_>, passing: &Passing<'_>) -> Result<QName, Failure> {
        self.check_size(scope, || merging.merge.from.place())?;
        let tree = scope.shared.documents[usize::from(merging.document)];
        let node = passing.node;
        let own = tree.qname(node).cloned().unwrap_or_else(|| QName::local(""));
        let moved = merging.spaces.moved(&own);
        let model = merging.merge.target.as_ref().map(|(model, _)| model.clone());
        let known = model.as_deref().zip(passing.target);
        let child = known.and_then(|(model, of)| child_for(model, of, &own, &moved));
        if let Some((model, of)) = known
            && child.is_none()
            && !model.get(of).open
        {
            return Err(self.refused(merging, tree, node));
        }
        let name = child.map_or(moved, |child| child.name.clone());
        if let Some(prefix) = tree.names().prefix_of(&own.namespace).filter(|_| name.namespace == own.namespace) {
            self.builder.names().prefer_prefix(&own.namespace, prefix);
        }
        let interned = self.builder.names().intern(&name.namespace, &name.local);
        self.builder.start(interned, None);
        let has_elements = tree.elements(node).next().is_some();
        self.builder.shape(if has_elements { Shape::Object } else { tree.shape(node) });
        if tree.is_item(node) || child.is_some_and(Child::repeats) {
            self.builder.item();
        }
        let below = Passing { node, target: child.map(|child| child.of), except: passing.except.clone() };
        self.pass_attributes(scope, merging, &below, &[])?;
        if has_elements {
            let order = |node: &NodeId| {
                let (model, of) = model.as_deref().zip(below.target)?;
                let name = tree.qname(*node)?;
                Some(child_for(model, of, name, &merging.spaces.moved(name))?.order)
            };
            let mut children: Vec<NodeId> = tree.children(node).collect();
            if below.target.is_some() && !children.iter().any(|child| is_words(tree, *child)) {
                children.retain(|child| tree.kind(*child) == Kind::Element);
                children.sort_by_key(order);
            }
            for child in children {
                match tree.kind(child) {
                    Kind::Element => {
                        let own = tree.qname(child).cloned().unwrap_or_else(|| QName::local(""));
                        if below.except.iter().any(|path| **path == [own.clone()]) {
                            continue;
                        }
                        let except = rest(&below.except, &own);
                        self.pass(scope, merging, &Passing { node: child, target: below.target, except })?;
                    }
                    Kind::Text if is_words(tree, child) => {
                        self.builder.text(Text::Copied(tree.own_text(child)), None);
                    }
                    _ => (),
                }
            }
        } else {
            let text = tree.string_value(node);
            if !text.is_empty() {
                self.pass_text(scope, merging, &below, &text)?;
            }
        }
        self.builder.end();
        Ok(name)
    }

    fn pass_attributes(
        &mut self,
        scope: &Scope<'_>,
        merging: &Merging<'_>,
        passing: &Passing<'_>,
        named: &[QName],
    ) -> Result<Came, Failure> {
        let tree = scope.shared.documents[usize::from(merging.document)];
        let target = merging.merge.target.as_ref().map(|(model, _)| model.clone());
        let target = target.as_deref().zip(passing.target).map(|(model, of)| model.get(of));
        let mut came = Came::Absent;
        for attribute in tree.attributes(passing.node) {
            let Some(name) = tree.qname(attribute).cloned() else { continue };
            let mark = attribute_mark(&name);
            let of_schema = &*name.namespace == XSI && &*name.local != "nil";
            if of_schema || named.contains(&mark) || passing.except.iter().any(|path| **path == [mark.clone()]) {
                continue;
            }
            let declared = target.and_then(|target| target.attribute(&name));
            let text = tree.own_text(attribute);
            if target.is_some_and(|target| declared.is_none() && !target.open) && &*name.namespace != XSI {
                return Err(self.refused(merging, tree, attribute));
            }
            if let Some(why) = declared.and_then(|declared| declared.value.misfit(text)) {
                return Err(self.misfit(merging, tree, attribute, &why));
            }
            self.check_size(scope, || merging.merge.from.place())?;
            if let Some(prefix) = tree.names().prefix_of(&name.namespace) {
                self.builder.names().prefer_prefix(&name.namespace, prefix);
            }
            let interned = self.builder.names().intern(&name.namespace, &name.local);
            if let Some(made) = self.builder.attribute(interned, Text::Copied(text), None) {
                let event = TraceEvent::Read { document: merging.document, node: attribute };
                self.note(made, &merging.merge.from, &[event]);
                came = Came::Written;
            }
        }
        Ok(came)
    }

    /// Writes the text of the element just started, or of the one that merges.
    fn pass_text(
        &mut self,
        scope: &Scope<'_>,
        merging: &Merging<'_>,
        passing: &Passing<'_>,
        text: &str,
    ) -> Result<(), Failure> {
        let tree = scope.shared.documents[usize::from(merging.document)];
        let model = merging.merge.target.as_ref().map(|(model, _)| model.clone());
        let simple = model.as_deref().zip(passing.target).and_then(|(model, of)| model.get(of).value.as_ref());
        if let Some(why) = simple.and_then(|simple| simple.misfit(text)) {
            return Err(self.misfit(merging, tree, passing.node, &why));
        }
        let (shape, canonical) = shaped(text, tree.shape(passing.node), simple);
        if simple.is_some() || tree.shape(passing.node) != Shape::Markup {
            self.builder.shape(shape);
        }
        let text = if shape == Shape::Number { canonical.as_deref().unwrap_or(text) } else { text };
        self.builder.text(Text::Copied(text), None);
        if let Some(made) = self.builder.open_node() {
            let event = TraceEvent::Read { document: merging.document, node: passing.node };
            self.note(made, &merging.merge.from, &[event]);
        }
        Ok(())
    }

    fn refused(&self, merging: &Merging<'_>, tree: &Document, node: NodeId) -> Failure {
        let mark = if tree.kind(node) == Kind::Attribute { "@" } else { "" };
        let local = tree.qname(node).map(|name| name.local.clone()).unwrap_or_default();
        let text = format!("`$merge` brings `{mark}{local}`, which the target does not have there");
        let place: Place = merging.merge.from.place().with_path(tree.path(node));
        Problem::new(code::MISPLACED_COPY, text).at(place).hint("name it under `except`, or write a rule for it").into()
    }

    fn misfit(&self, merging: &Merging<'_>, tree: &Document, node: NodeId, why: &str) -> Failure {
        let text = format!("a value that goes through below `{}` does not fit: {why}", self.open_path());
        let place = merging.merge.from.place().with_path(tree.path(node));
        Problem::new(code::MISFIT, text).at(place).hint("name it under `except` and write a rule for it").into()
    }
}

fn is_words(tree: &Document, node: NodeId) -> bool {
    tree.kind(node) == Kind::Text && !tree.own_text(node).trim().is_empty()
}
