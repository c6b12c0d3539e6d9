//! Compiles mapping files and output trees, collecting every problem.

use std::{cell::RefCell, sync::Arc};

use super::{
    Ends, Environment, Mapping, RuleInfo, RulePlace, Source, SourceFile, Template, TemplateScope, check, code,
    field_use::Touched,
    fragment::{Entries, Entry, Owned, Used},
    merge::Fills,
    plan::{Block, Expression, Field, LiteralKind, OnEmpty, Only, OutputName, Part, Policy, Rule},
    template::{Assertion, Rules},
};
use crate::{
    base::{Place, Problem, Problems, Sha256},
    content::{Data, Fields, Key, Yaml, parse},
    document::QName,
    schema::{Child, Simple, Type, TypeId},
    xpath::{Class, Formula, Most, Scope, Spot, StaticType, Symbols},
};

/// The instructions a block may hold.
const INSTRUCTIONS: &[&str] =
    &["$each", "$group-by", "$sort", "$if", "$choose", "$let", "$copy", "$merge", "$empty", "$null", "$use"];
/// How many names a hint lists at most.
const LISTED: usize = 16;

pub(super) fn ends(text: &str, file: &Arc<str>) -> Result<Ends, Problems> {
    let root = parse(text, file)?;
    let problems = RefCell::default();
    let fields = Fields::new(&root, file, &problems);
    let from = fields.required_text("from");
    let documents = fields.entries("documents");
    let to: Vec<String> = match documents {
        [] => fields.required_text("to").map(ToOwned::to_owned).into_iter().collect(),
        several => several.iter().filter_map(|(_, one)| Some(one.get("to")?.text()?.to_owned())).collect(),
    };
    drop(fields);
    match from {
        Some(from) if !to.is_empty() || !documents.is_empty() => Ok(Ends { from: from.to_owned(), to }),
        _ => Err(problems.into_inner()),
    }
}

pub(super) fn mapping(text: &str, file: &Arc<str>, environment: &Environment<'_>) -> Result<Mapping, Problems> {
    let root = parse(text, file)?;
    let problems = RefCell::default();
    let fields = Fields::new(&root, file, &problems);
    let from = fields.required_text("from").unwrap_or_default().to_owned();
    let documents = fields.entries("documents");
    let single = documents.is_empty();
    let to = if single { fields.required_text("to") } else { None }.unwrap_or_default().to_owned();
    let namespaces = namespaces(&fields);
    let scope = TemplateScope {
        environment: environment.of(&to),
        namespaces: &namespaces,
        default_element_namespace: default_namespace(&fields, &namespaces),
        given: &[],
        fragments: fields.get("fragments"),
    };
    let (lets, assertions) = (fields.get("let"), fields.list("assert"));
    let empty = Yaml { line: root.line, column: root.column, data: Data::Map(Vec::new()) };
    let output = if single { fields.required("output") } else { None }.unwrap_or(&empty);
    fields.finish();
    let rules = Rules { lets, assertions: &assertions, condition: None };
    let mut templates = Vec::new();
    if single {
        templates.push((None, to, Template::compile_with(&rules, output, file, &scope, &problems)));
    }
    for (key, node) in documents {
        let fields = Fields::new(node, file, &problems);
        let to = fields.required_text("to").unwrap_or_default().to_owned();
        let rules = Rules { condition: fields.get("$if"), ..rules };
        let output = fields.required("output").unwrap_or(&empty);
        fields.finish();
        if key.text.is_empty() || !key.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            let text = format!("`{}` is no name for a document: letters, digits, `-` and `_`", key.text);
            problems.borrow_mut().push(Problem::new(code::WRONG_FORM, text).at(key.place(file)));
        }
        let scope = TemplateScope { environment: environment.of(&to), ..scope };
        let template = Template::compile_with(&rules, output, file, &scope, &problems);
        templates.push((Some(key.text.as_str().into()), to, template));
    }
    check::names(&root, file, &problems);
    for (_, to, template) in &templates {
        check::plan(template, &environment.of(to), &problems);
    }
    let mut problems = problems.into_inner();
    problems.sort();
    problems.0.dedup();
    if problems.has_errors() {
        return Err(problems);
    }
    let mut shared: Vec<(String, SourceFile)> = Vec::new();
    for (name, file) in templates.iter().flat_map(|(_, _, template)| &template.shared) {
        if !shared.iter().any(|(known, _)| known == name) {
            shared.push((name.clone(), file.clone()));
        }
    }
    let hash = version(text, &shared);
    let own = SourceFile { file: file.clone(), text: text.into() };
    let files: Vec<SourceFile> = std::iter::once(own).chain(shared.into_iter().map(|(_, file)| file)).collect();
    let mut made: Vec<Mapping> = Vec::new();
    for (document, to, template) in templates {
        let (from, files, documents) = (from.clone(), files.clone(), Vec::new());
        made.push(Mapping { from, to, document, hash, files, template, documents, warnings: Problems::default() });
    }
    if single && let Some(mut only) = made.pop() {
        only.warnings = problems;
        return Ok(only);
    }
    let to = made.first().map(|first| first.to.clone()).unwrap_or_default();
    let template = Template::standing_for(file, made.iter().map(|mapping| &mapping.template));
    let documents = made.into_iter().map(Arc::new).collect();
    Ok(Mapping { from, to, document: None, hash, files, template, documents, warnings: problems })
}

/// A mapping's version: the digest of its text, and of the shared fragments it uses.
fn version(text: &str, fragments: &[(String, SourceFile)]) -> Sha256 {
    let own = Sha256::of(text.as_bytes());
    if fragments.is_empty() {
        return own;
    }
    let mut sorted: Vec<&(String, SourceFile)> = fragments.iter().collect();
    sorted.sort_by_key(|(name, _)| name);
    let digests: Vec<[u8; 32]> =
        sorted.iter().map(|(name, file)| Sha256::of_parts([name.as_bytes(), file.text.as_bytes()]).0).collect();
    Sha256::of_parts(std::iter::once(own.0.as_slice()).chain(digests.iter().map(<[u8; 32]>::as_slice)))
}

/// The `namespaces` of a file: prefix and namespace.
pub(crate) fn namespaces(fields: &Fields<'_>) -> Vec<(String, String)> {
    let pair = |(key, value): &(Key, Yaml)| Some((key.text.clone(), value.text()?.to_owned()));
    fields.entries("namespaces").iter().filter_map(pair).collect()
}

/// The `default-namespace` of a file, given as a prefix or as the namespace itself.
pub(crate) fn default_namespace<'n>(fields: &Fields<'n>, namespaces: &'n [(String, String)]) -> Option<&'n str> {
    let written = fields.text("default-namespace")?;
    Some(namespaces.iter().find(|(prefix, _)| prefix == written).map_or(written, |(_, namespace)| namespace))
}

/// What all rules of a template share.
pub(super) struct Compiled {
    pub symbols: Symbols,
    pub names: Vec<OutputName>,
    /// Every formula and literal, in file order, each once.
    pub rules: Vec<RuleInfo>,
    /// The fragments of other files that are used.
    pub shared: Vec<(String, SourceFile)>,
}

/// A block being filled.
pub(super) struct Filling<'t> {
    pub block: Block,
    target: Option<&'t Type>,
    pub target_id: Option<TypeId>,
    pub context: StaticType,
    policy: Policy,
    /// The branch that is being filled.
    pub only: Option<Only>,
    /// Each part's place in the target's order.
    orders: Vec<u32>,
    last_order: u32,
    /// The names rules were written for, even where a rule does not compile.
    pub tried: Vec<QName>,
}

impl Filling<'_> {
    /// Adds parts at a place of the target's order, the last one's when none is known.
    fn add(&mut self, parts: Vec<Part>, order: Option<u32>) {
        self.last_order = order.unwrap_or(self.last_order);
        for part in parts {
            self.block.parts.push(match self.only {
                Some(only) => Part::Branch { only, part: Box::new(part) },
                None => part,
            });
            self.orders.push(self.last_order);
        }
    }
}

/// Compiles the parts of one file.
pub(super) struct Compiler<'a> {
    /// The mapping's own file.
    pub main_file: &'a Arc<str>,
    /// The file of what is being looked at: a fragment may be in another one.
    pub file: Arc<str>,
    pub scope: TemplateScope<'a>,
    pub source: Option<Source<'a>>,
    pub problems: &'a RefCell<Problems>,
    symbols: RefCell<Symbols>,
    pub variables: Vec<String>,
    pub variable_types: Vec<StaticType>,
    /// The places of the source each variable looks at.
    pub variable_reads: Vec<Vec<Arc<Spot>>>,
    /// Places of the source that a condition around asked for.
    pub present: Vec<Arc<Spot>>,
    names: Vec<OutputName>,
    /// The fragments being inserted.
    pub using: Vec<Used>,
    /// The variables of fragments.
    pub owned: Vec<Owned>,
    /// How many insertions there were.
    pub insertions: usize,
    /// The fragments of other files that are used.
    pub shared: Vec<(String, SourceFile)>,
    /// Every rule that compiled; one that is inserted several times stands here as often.
    rules: RefCell<Vec<RuleInfo>>,
    /// What of the source is read, and what of the target is filled.
    touched: RefCell<(Touched, Touched)>,
}

impl<'a> Compiler<'a> {
    pub fn new(file: &'a Arc<str>, scope: TemplateScope<'a>, problems: &'a RefCell<Problems>) -> Self {
        Self {
            main_file: file,
            file: file.clone(),
            scope,
            source: scope.environment.source.map(Source),
            problems,
            symbols: RefCell::default(),
            variables: scope.given.to_vec(),
            variable_types: vec![StaticType::any(); scope.given.len()],
            variable_reads: vec![Vec::new(); scope.given.len()],
            present: Vec::new(),
            names: Vec::new(),
            using: Vec::new(),
            owned: Vec::new(),
            insertions: 0,
            shared: Vec::new(),
            rules: RefCell::default(),
            touched: RefCell::default(),
        }
    }

    /// What of the source is read, and what of the target is filled.
    pub fn touched(&self) -> (Touched, Touched) {
        self.touched.take()
    }

    pub fn finish(self) -> Compiled {
        let mut rules = self.rules.into_inner();
        rules.sort_by(|a, b| a.place.cmp(&b.place));
        rules.dedup_by(|a, b| a.place == b.place);
        Compiled { symbols: self.symbols.into_inner(), names: self.names, rules, shared: self.shared }
    }

    /// The static type of the document node.
    pub fn root_type(&self) -> StaticType {
        self.source.map_or_else(StaticType::any, |source| StaticType::root(&source))
    }

    pub fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// A formula or literal; `None` when it is neither (reported).
    pub fn rule(&self, node: &Yaml, context: &StaticType) -> Option<Rule> {
        let Data::Text { text, plain } = &node.data else {
            let text = format!("expected a formula or a value, found {}", node.kind());
            self.report(Problem::new(code::WRONG_FORM, text).at(node.place(&self.file)));
            return None;
        };
        let value = match text.strip_prefix('=') {
            Some(formula) => Expression::Formula(self.formula(formula, node, context)?),
            None => Expression::Literal { text: text.as_str().into(), kind: literal_kind(text, *plain) },
        };
        if let Expression::Formula(formula) = &value {
            self.touched.borrow_mut().0.reads(formula);
        }
        let place = RulePlace::of(&self.file, node.line, node.column);
        self.rules.borrow_mut().push(RuleInfo { place, text: text.clone() });
        Some(Rule { value, file: self.file.clone(), line: node.line, column: node.column })
    }

    fn formula(&self, text: &str, node: &Yaml, context: &StaticType) -> Option<Formula> {
        let scope = Scope {
            namespaces: self.scope.namespaces,
            default_element_namespace: self.scope.default_element_namespace,
            variables: &self.variables,
            variable_types: &self.variable_types,
            model: self.source.as_ref().map(|source| source as _),
            present: &self.present,
            context: context.clone(),
            checked: true,
            code_tables: self.scope.environment.code_tables,
            symbols: &self.symbols,
            file: Some(self.file.clone()),
            line: node.line,
            column: node.column + 1,
        };
        match Formula::compile(text, &scope) {
            Ok(formula) => {
                self.problems.borrow_mut().0.extend(formula.warnings().iter().cloned());
                Some(formula)
            }
            Err(problems) => {
                self.problems.borrow_mut().0.extend(problems.0);
                None
            }
        }
    }

    /// Variables, each seeing the ones before it. They stay in scope until the caller truncates the list.
    pub fn lets(&mut self, node: &Yaml, context: &StaticType) -> Vec<Rule> {
        if !matches!(node.data, Data::Map(_)) {
            let text = format!("variables are a block of `name: value`, found {}", node.kind());
            self.report(Problem::new(code::WRONG_FORM, text).at(node.place(&self.file)));
        }
        let mut rules = Vec::new();
        for (key, value) in node.entries() {
            let rule = self.rule(value, context);
            let reads = rule.as_ref().map(Rule::reads).unwrap_or_default();
            let static_type = rule.as_ref().map_or_else(StaticType::any, Rule::static_type);
            // A variable that does not compile keeps its slot, so that its uses are not reported as well.
            rules.push(rule.unwrap_or_else(|| Rule::nothing(&self.file)));
            self.declare(&key.text, static_type, reads);
        }
        rules
    }

    pub fn assertion(&self, node: &Yaml, context: &StaticType) -> Option<Assertion> {
        let file = self.file.clone();
        let fields = Fields::new(node, &file, self.problems);
        let that = fields.required("that").and_then(|that| self.rule(that, context));
        let message = fields.required("message").and_then(|message| self.rule(message, context));
        let is_warning = fields.word("severity", &[("error", false), ("warning", true)]).unwrap_or_default();
        fields.finish();
        Some(Assertion { that: that?, message: message?, is_warning })
    }

    /// A block of the output; `target` is the type of the element it fills.
    pub fn block(
        &mut self,
        node: &Yaml,
        target: Option<TypeId>,
        context: &StaticType,
        policy: Policy,
        path: &str,
    ) -> Block {
        let target_type = target.zip(self.scope.environment.target).map(|(id, model)| model.get(id));
        if !matches!(node.data, Data::Map(_)) {
            let text = format!("expected a block of keys, found {}", node.kind());
            self.report(Problem::new(code::WRONG_FORM, text).at(node.place(&self.file).with_path(path)));
        }
        let first_slot = self.variables.len();
        let entries = self.entries(node);
        let mut block = Block { first_slot, ..Block::at(&self.file, node.line, node.column) };
        let mut policy = policy;
        self.outside(&entries, context, &mut block);
        let inner = self.repetition(&entries, context, &mut block, path);
        let context = &inner;
        self.variables_of(&entries, context, &mut block);
        block.condition = self.once(&entries, "$if", path).and_then(|entry| self.rule_of(&entry, context));
        let present = self.present.len();
        for rule in block.condition.iter().chain(&block.each) {
            self.suppose(rule);
        }
        if let Some(written) = self.once(&entries, "$empty", path).and_then(|entry| self.on_empty(entry.value)) {
            policy.empty = written;
        }
        if let Some(written) = self.once(&entries, "$null", path).and_then(|entry| self.on_empty(entry.value)) {
            policy.null = written;
        }
        block.on_empty = if node.entries().is_empty() { OnEmpty::Keep } else { policy.empty };

        let mut filling = Filling {
            block,
            target: target_type,
            target_id: target,
            context: inner,
            policy,
            only: None,
            orders: Vec::new(),
            last_order: 0,
            tried: Vec::new(),
        };
        self.fill(&entries, &mut filling, path);
        let Filling { mut block, orders, tried, .. } = filling;
        self.settle_order(&mut block, orders);
        if let Some(merge) = &mut block.merge {
            merge.named.clone_from(&tried);
        }
        let fills = self.check_merge(&block, path);
        if let Some(target) = target_type {
            self.requirements(&mut block, target, (&tried, fills.as_ref()), path);
        }
        self.forget(first_slot);
        self.present.truncate(present);
        block
    }

    /// What a condition asks for is there, in the rules that depend on it.
    pub fn suppose(&mut self, condition: &Rule) {
        let Expression::Formula(formula) = &condition.value else { return };
        self.present.extend(formula.reads().iter().cloned());
        self.present.extend(formula.static_type().spots().cloned());
        for slot in formula.variables() {
            self.present.extend(self.variable_reads.get(*slot).into_iter().flatten().cloned());
        }
    }

    /// The entry of an instruction that may stand once; a second one is reported.
    pub fn once<'e>(&self, entries: &'e Entries<'e>, key: &str, path: &str) -> Option<Entry<'e>> {
        let mut all = entries.of(key);
        let first = all.next();
        if let Some(second) = all.next() {
            let text = format!("`{key}` stands here twice: in the block, and in a fragment it uses");
            self.report(Problem::new(code::WRONG_FORM, text).at(second.place().with_path(path)));
        }
        first.cloned()
    }

    /// A rule, compiled where it was written.
    pub fn rule_of(&mut self, entry: &Entry<'_>, context: &StaticType) -> Option<Rule> {
        let stand = self.enter(entry);
        let rule = self.rule(entry.value, context);
        self.leave(stand);
        rule
    }

    /// Compiles the rules of a block, or of a branch of it.
    pub fn fill(&mut self, entries: &Entries<'_>, filling: &mut Filling<'_>, path: &str) {
        for entry in &entries.list {
            let stand = self.enter(entry);
            let path = format!("{path}.{}", entry.key.text);
            self.entry(entry, filling, &path);
            self.leave(stand);
        }
    }

    fn entry(&mut self, entry: &Entry<'_>, filling: &mut Filling<'_>, path: &str) {
        let (key, value) = (entry.key, entry.value);
        let target = filling.target;
        match key.text.as_str() {
            "$copy" => {
                if let Some(rule) = self.rule(value, &filling.context) {
                    self.copied(&rule, path);
                    filling.add(vec![Part::Copy(rule)], None);
                }
            }
            "$merge" => self.merge(value, filling, path),
            "$choose" => self.choose(value, filling, path),
            "#text" => {
                let simple = target.and_then(|target| target.value.clone());
                if target.is_some_and(|target| target.value.is_none() && !target.open) {
                    let text = "the target element holds elements only, no text";
                    self.report(Problem::new(code::WRONG_FORM, text).at(key.place(&self.file).with_path(path)));
                }
                if let Some(field) = self.field(0, value, simple, filling, path) {
                    filling.block.texts.push(field);
                }
            }
            text if text.starts_with('$') => self.instruction(key, path),
            text => match text.strip_prefix('@') {
                Some(name) => {
                    if let Some(field) = self.attribute(name, (key, path), value, filling) {
                        filling.block.attributes.push(field);
                    }
                }
                None => self.element(entry, filling, path),
            },
        }
    }

    /// The outermost block: it stands for the document, so it is there once and holds elements only.
    pub fn root(&mut self, node: &Yaml) -> Block {
        for (key, _) in node.entries() {
            if matches!(key.text.as_str(), "$each" | "$if" | "#text") || key.text.starts_with('@') {
                let text = format!("`{}` cannot stand at the top of the output", key.text);
                let problem = Problem::new(code::WRONG_FORM, text).at(key.place(&self.file).with_path("output"));
                self.report(problem.hint("put it into the root element"));
            }
        }
        let target = self.scope.environment.target.map(|_| TypeId::DOCUMENT);
        let context = self.root_type();
        self.block(node, target, &context, Policy::default(), "output")
    }

    /// Puts the parts in the target's order.
    fn settle_order(&self, block: &mut Block, orders: Vec<u32>) {
        let mut numbered: Vec<(u32, Part)> = orders.into_iter().zip(block.parts.drain(..)).collect();
        numbered.sort_by_key(|(order, _)| *order);
        (block.orders, block.parts) = numbered.into_iter().unzip();
    }

    /// Notes what the target requires, and warns about what nobody fills.
    fn requirements(&self, block: &mut Block, target: &Type, (tried, fills): (&[QName], Option<&Fills>), path: &str) {
        if block.parts.iter().any(|part| matches!(part, Part::Copy(_))) {
            return;
        }
        let place = block.place().with_path(path);
        let is_filled = |name: &QName| tried.contains(name) || fills.is_some_and(|fills| fills.may(name));
        for child in target.children.iter().filter(|child| child.is_required()) {
            let fills = |part: &Part| part.name().is_none_or(|name| self.names[name].name == child.name);
            let parts: Vec<usize> =
                block.parts.iter().enumerate().filter(|(_, part)| fills(part)).map(|(at, _)| at).collect();
            if !is_filled(&child.name) {
                self.unfilled(&child.name.local, place.clone());
            }
            block.required.push((child.name.clone(), parts));
        }
        for attribute in target.attributes.iter().filter(|attribute| attribute.required) {
            if !is_filled(&attribute_mark(&attribute.name)) {
                self.unfilled(&format!("@{}", attribute.name.local), place.clone());
            }
        }
    }

    fn unfilled(&self, name: &str, place: Place) {
        let problem = Problem::new(code::UNFILLED, format!("no rule fills `{name}`, which the target requires"));
        self.report(problem.at(place).hint(format!("add a rule for `{name}`")));
    }

    fn instruction(&self, key: &Key, path: &str) {
        let place = key.place(&self.file).with_path(path);
        if INSTRUCTIONS.contains(&key.text.as_str()) {
            return;
        }
        let problem = Problem::new(code::UNKNOWN_INSTRUCTION, format!("there is no instruction `{}`", key.text));
        let hint = format!("known: {}", INSTRUCTIONS.join(", "));
        self.report(problem.at(place).hint(hint).did_you_mean(&key.text, INSTRUCTIONS.iter().copied()));
    }

    /// Notes that a `$copy` reads all of its nodes, and that what it makes is not known beforehand.
    pub fn copied(&self, rule: &Rule, path: &str) {
        let (source, target) = &mut *self.touched.borrow_mut();
        if let Expression::Formula(formula) = &rule.value {
            source.copies(formula.static_type());
        }
        target.fills_all(path);
    }

    fn on_empty(&self, node: &Yaml) -> Option<OnEmpty> {
        match node.text() {
            Some("omit") => Some(OnEmpty::Omit),
            Some("keep") => Some(OnEmpty::Keep),
            Some("nil") => Some(OnEmpty::Nil),
            _ => {
                let problem = Problem::new(code::WRONG_FORM, "expected `omit`, `keep` or `nil`");
                self.report(problem.at(node.place(&self.file)));
                None
            }
        }
    }

    fn attribute(
        &mut self,
        name: &str,
        (key, path): (&Key, &str),
        value: &Yaml,
        filling: &mut Filling<'_>,
    ) -> Option<Field> {
        let target = filling.target;
        let (mut qname, prefix) = self.name(name, key, path)?;
        let mut declared = None;
        if let Some(target) = target {
            let found = target
                .attributes
                .iter()
                .find(|known| known.name == qname || (prefix.is_none() && known.name.local == qname.local));
            if found.is_none() && !target.open {
                let known = target.attributes.iter().map(|known| format!("@{}", known.name.local)).collect();
                self.unknown_name(&key.text, known, key, path);
            }
            if let Some(found) = found {
                qname = found.name.clone();
            }
            declared = found;
        }
        filling.tried.push(attribute_mark(&qname));
        let index = self.output_name(qname, prefix);
        let simple = declared.map(|declared| declared.value.clone());
        let mut field = self.field(index, value, simple, filling, path)?;
        field.required = declared.is_some_and(|declared| declared.required);
        Some(field)
    }

    /// One element rule; a list makes several.
    fn element(&mut self, entry: &Entry<'_>, filling: &mut Filling<'_>, path: &str) {
        let (key, value, target) = (entry.key, entry.value, filling.target);
        let Some((qname, prefix)) = self.name(&key.text, key, path) else { return };
        let child = target.and_then(|target| {
            target
                .child(&qname)
                .or_else(|| target.children.iter().find(|child| prefix.is_none() && child.name.local == qname.local))
        });
        if let Some(target) = target
            && child.is_none()
            && !target.open
        {
            let shown = |child: &Child| match &prefix {
                Some(prefix) => format!("{prefix}:{}", child.name.local),
                None => child.name.local.to_string(),
            };
            self.unknown_name(&key.text, target.children.iter().map(shown).collect(), key, path);
        }
        let qname = child.map_or(qname, |child| child.name.clone());
        if filling.tried.contains(&qname) && child.is_some_and(|child| !child.repeats()) {
            self.too_many(key, path);
        }
        filling.tried.push(qname.clone());
        let index = self.output_name(qname, prefix);
        let mut parts = Vec::new();
        match value.entries() {
            [(only, branches)] if only.text == "$choose" => {
                let branches = self.branches((entry, path), branches, (index, child), filling);
                parts.push(Part::Choice { name: index, branches });
            }
            _ => self.element_values((key, path), value, (index, child), filling, &mut parts),
        }
        filling.add(parts, child.map(|child| child.order));
    }

    /// What stands behind the name of an element: a value, a block, or a list of them.
    pub fn element_values(
        &mut self,
        (key, path): (&Key, &str),
        value: &Yaml,
        (index, child): (usize, Option<&Child>),
        filling: &Filling<'_>,
        parts: &mut Vec<Part>,
    ) {
        let items: Vec<&Yaml> = match &value.data {
            Data::List(items) => items.iter().collect(),
            _ => vec![value],
        };
        let is_list = matches!(value.data, Data::List(_));
        let unconditional = items.iter().filter(|item| item.get("$if").is_none()).count();
        if items.len() > 1 && unconditional > 0 && child.is_some_and(|child| !child.repeats()) {
            self.too_many(key, path);
        }
        for value in items {
            let repeats = child.is_some_and(Child::repeats);
            let child_type = child.zip(self.scope.environment.target).map(|(child, model)| model.get(child.of));
            if matches!(value.data, Data::Map(_)) {
                let block = self.block(value, child.map(|child| child.of), &filling.context, filling.policy, path);
                let repeats_here = block.each.as_ref().is_some_and(|each| each.static_type().occurs.most == Most::Many);
                if repeats_here && child.is_some_and(|child| !child.repeats()) {
                    self.too_many(key, path);
                }
                let item = repeats || is_list || block.each.is_some();
                parts.push(Part::Block { name: index, block: Box::new(block), item });
                continue;
            }
            if let Some(held) = child_type {
                self.check_leaf(held, key, value, path);
            }
            let simple = child_type.and_then(|held| held.value.clone());
            if let Some(mut field) = self.field(index, value, simple, filling, path) {
                field.only = None;
                field.repeats = repeats;
                field.item = repeats || is_list;
                parts.push(Part::Field(field));
            }
        }
    }

    /// Whether a single value can fill an element of that type.
    fn check_leaf(&self, held: &Type, key: &Key, value: &Yaml, path: &str) {
        if held.value.is_none() && !held.open {
            let text = format!("`{}` holds elements in the target, not a value", key.text);
            let known: Vec<&str> = held.children.iter().map(|child| &*child.name.local).take(LISTED).collect();
            let problem = Problem::new(code::WRONG_FORM, text).at(value.place(&self.file).with_path(path));
            self.report(problem.hint(format!("write a block with {}", known.join(", "))));
        }
        for attribute in held.attributes.iter().filter(|attribute| attribute.required) {
            self.unfilled(&format!("@{}", attribute.name.local), key.place(&self.file).with_path(path));
        }
    }

    fn field(
        &mut self,
        name: usize,
        value: &Yaml,
        simple: Option<Simple>,
        filling: &Filling<'_>,
        path: &str,
    ) -> Option<Field> {
        if value.data == Data::Null {
            let problem =
                Problem::new(code::WRONG_FORM, "no value is given").at(value.place(&self.file).with_path(path));
            self.report(problem.hint("write `\"\"` for an empty value, or `=()` with `$empty: nil` for null"));
            return None;
        }
        let rule = self.rule(value, &filling.context)?;
        self.touched.borrow_mut().1.fills(path);
        if let (Expression::Literal { text, .. }, Some(simple)) = (&rule.value, &simple)
            && let Some(why) = simple.misfit(text)
        {
            let problem = Problem::new(code::WRONG_LITERAL, format!("`{text}` does not fit the target: {why}"));
            let hint = "a value that begins with `=` is a formula";
            let problem = problem.at(value.place(&self.file).with_path(path)).hint(hint);
            self.report(problem.did_you_mean(text, simple.enumeration.iter().map(|word| &**word)));
        }
        let (only, policy) = (filling.only, filling.policy);
        Some(Field { name, only, rule, simple, required: false, repeats: false, item: false, policy })
    }

    /// The expanded name of an output key, and the prefix it was written with.
    fn name(&self, written: &str, key: &Key, path: &str) -> Option<(QName, Option<Arc<str>>)> {
        let Some((prefix, local)) = written.split_once(':') else { return Some((QName::local(written), None)) };
        let known = self.scope.namespaces.iter().find(|(known, _)| known == prefix);
        let Some((prefix, namespace)) = known else {
            let text = format!("the prefix `{prefix}` is not declared");
            let problem = Problem::new(code::UNKNOWN_PREFIX, text).at(key.place(&self.file).with_path(path));
            let problem = problem.hint("declare it under `namespaces`");
            self.report(problem.did_you_mean(prefix, self.scope.namespaces.iter().map(|(known, _)| known.as_str())));
            return None;
        };
        Some((QName::new(namespace.as_str(), local), Some(prefix.as_str().into())))
    }

    fn output_name(&mut self, name: QName, prefix: Option<Arc<str>>) -> usize {
        let known = self.names.iter().position(|known| known.name == name);
        known.unwrap_or_else(|| {
            self.names.push(OutputName { name, prefix });
            self.names.len() - 1
        })
    }

    fn unknown_name(&self, written: &str, known: Vec<String>, key: &Key, path: &str) {
        let mut problem = Problem::new(code::UNKNOWN_NAME, format!("the target has no `{written}` here"))
            .at(key.place(&self.file).with_path(path));
        let listed = known.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if known.len() > LISTED { ", …" } else { "" };
        let hint =
            if known.is_empty() { "nothing may stand here".into() } else { format!("known here: {listed}{more}") };
        problem = problem.hint(hint);
        let elsewhere = self.scope.environment.target.and_then(|target| check::belongs(target, written));
        problem = match elsewhere {
            Some(place) => problem.hint(format!("it belongs into `{place}`")),
            None => problem,
        };
        self.report(problem.did_you_mean(written, known.iter().map(String::as_str)));
    }

    fn too_many(&self, key: &Key, path: &str) {
        let text = format!("`{}` may be there once only, and this can make it several times", key.text);
        self.report(Problem::new(code::TOO_MANY, text).warning().at(key.place(&self.file).with_path(path)));
    }
}

/// An attribute's name as it is remembered among the names of elements.
pub(super) fn attribute_mark(name: &QName) -> QName {
    QName::new(name.namespace.clone(), format!("@{}", name.local))
}

impl Rule {
    /// Stands for a rule that did not compile.
    pub fn nothing(file: &Arc<str>) -> Self {
        let value = Expression::Literal { text: "".into(), kind: LiteralKind::Text };
        Self { value, file: file.clone(), line: 0, column: 0 }
    }

    /// The places of the source it looks at.
    pub fn reads(&self) -> Vec<Arc<Spot>> {
        match &self.value {
            Expression::Formula(formula) => formula.reads().to_vec(),
            Expression::Literal { .. } => Vec::new(),
        }
    }

    /// What is known of its value.
    pub fn static_type(&self) -> StaticType {
        match &self.value {
            Expression::Formula(formula) => formula.static_type().clone(),
            Expression::Literal { text, .. } => StaticType::literal(Class::String, text, self.place()),
        }
    }
}

fn literal_kind(text: &str, plain: bool) -> LiteralKind {
    match text {
        _ if !plain => LiteralKind::Text,
        "true" | "false" => LiteralKind::Boolean,
        _ if super::shape::is_json_number(text) => LiteralKind::Number,
        _ => LiteralKind::Text,
    }
}
