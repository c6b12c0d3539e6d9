//! Compiles mapping files and output trees, collecting every problem.

use std::{cell::RefCell, sync::Arc};

use super::{
    Ends, Environment, Mapping, RuleInfo, RulePlace, Source, SourceFile, Template, TemplateScope, check, code,
    field_use::Touched,
    plan::{Block, Branch, Expression, Field, LiteralKind, OnEmpty, OutputName, Part, Policy, Rule},
    template::Assertion,
};
use crate::{
    base::{Place, Problem, Problems, Sha256},
    content::{Data, Fields, Key, Yaml, parse},
    document::QName,
    schema::{Child, Simple, Type, TypeId},
    xpath::{Class, Formula, Most, Scope, Spot, StaticType, Symbols},
};

/// Instructions of a later version.
const LATER: &[&str] = &["$group-by", "$merge"];
/// Instructions of this version.
const INSTRUCTIONS: &[&str] = &["$each", "$sort", "$if", "$choose", "$let", "$copy", "$empty", "$null", "$use"];
/// Fragments in fragments nest at most this deep.
const MAX_FRAGMENTS: usize = 16;
/// How many names a hint lists at most.
const LISTED: usize = 16;

pub(super) fn ends(text: &str, file: &Arc<str>) -> Result<Ends, Problems> {
    let root = parse(text, file)?;
    let problems = RefCell::default();
    let fields = Fields::new(&root, file, &problems);
    let ends = fields.required_text("from").zip(fields.required_text("to"));
    drop(fields);
    match ends {
        Some((from, to)) => Ok(Ends { from: from.to_owned(), to: to.to_owned() }),
        None => Err(problems.into_inner()),
    }
}

pub(super) fn mapping(text: &str, file: &Arc<str>, environment: &Environment<'_>) -> Result<Mapping, Problems> {
    let root = parse(text, file)?;
    let problems = RefCell::default();
    let fields = Fields::new(&root, file, &problems);
    let from = fields.required_text("from").unwrap_or_default().to_owned();
    let to = fields.required_text("to").unwrap_or_default().to_owned();
    let namespaces = namespaces(&fields);
    let scope = TemplateScope {
        environment: *environment,
        namespaces: &namespaces,
        default_element_namespace: default_namespace(&fields, &namespaces),
        given: &[],
        fragments: fields.get("fragments"),
    };
    let (lets, assertions) = (fields.get("let"), fields.list("assert"));
    let empty = Yaml { line: root.line, column: root.column, data: Data::Map(Vec::new()) };
    let output = fields.required("output").unwrap_or(&empty);
    fields.finish();
    let template = Template::compile_asserting(lets, &assertions, output, file, &scope, &problems);
    check::names(&root, file, &problems);
    check::plan(&template, environment, &problems);
    let mut problems = problems.into_inner();
    problems.sort();
    if problems.has_errors() {
        return Err(problems);
    }
    let files = vec![SourceFile { file: file.clone(), text: text.into() }];
    Ok(Mapping { from, to, hash: Sha256::of(text.as_bytes()), files, template, warnings: problems })
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

/// One entry of a block, and the fragments it came through.
struct Entry<'y> {
    key: &'y Key,
    value: &'y Yaml,
    used: Vec<String>,
}

/// Compiles the parts of one file.
pub(super) struct Compiler<'a> {
    file: &'a Arc<str>,
    scope: TemplateScope<'a>,
    source: Option<Source<'a>>,
    problems: &'a RefCell<Problems>,
    symbols: RefCell<Symbols>,
    variables: Vec<String>,
    variable_types: Vec<StaticType>,
    /// The places of the source each variable looks at.
    variable_reads: Vec<Vec<Arc<Spot>>>,
    /// Places of the source that a condition around asked for.
    present: Vec<Arc<Spot>>,
    names: Vec<OutputName>,
    /// The fragments being inserted.
    using: Vec<String>,
    /// Every rule that compiled; one that is inserted several times stands here as often.
    rules: RefCell<Vec<RuleInfo>>,
    /// What of the source is read, and what of the target is filled.
    touched: RefCell<(Touched, Touched)>,
}

impl<'a> Compiler<'a> {
    pub fn new(file: &'a Arc<str>, scope: TemplateScope<'a>, problems: &'a RefCell<Problems>) -> Self {
        Self {
            file,
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
            rules: RefCell::default(),
            touched: RefCell::default(),
        }
    }

    /// What of the source is read, and what of the target is filled.
    pub fn touched(&self) -> (Touched, Touched) {
        self.touched.take()
    }

    pub fn finish(self) -> (Symbols, Vec<OutputName>, Vec<RuleInfo>) {
        let mut rules = self.rules.into_inner();
        rules.sort_by(|a, b| a.place.cmp(&b.place));
        rules.dedup_by(|a, b| a.place == b.place);
        (self.symbols.into_inner(), self.names, rules)
    }

    /// The static type of the document node.
    pub fn root_type(&self) -> StaticType {
        self.source.map_or_else(StaticType::any, |source| StaticType::root(&source))
    }

    fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// A formula or literal; `None` when it is neither (reported).
    pub fn rule(&self, node: &Yaml, context: &StaticType) -> Option<Rule> {
        let Data::Text { text, plain } = &node.data else {
            let text = format!("expected a formula or a value, found {}", node.kind());
            self.report(Problem::new(code::WRONG_FORM, text).at(node.place(self.file)));
            return None;
        };
        let value = match text.strip_prefix('=') {
            Some(formula) => Expression::Formula(self.formula(formula, node, context)?),
            None => Expression::Literal { text: text.as_str().into(), kind: literal_kind(text, *plain) },
        };
        if let Expression::Formula(formula) = &value {
            self.touched.borrow_mut().0.reads(formula);
        }
        let place = RulePlace::of(self.file, node.line, node.column);
        self.rules.borrow_mut().push(RuleInfo { place, text: text.clone() });
        Some(Rule { value, line: node.line, column: node.column })
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
            self.report(Problem::new(code::WRONG_FORM, text).at(node.place(self.file)));
        }
        let mut rules = Vec::new();
        for (key, value) in node.entries() {
            let rule = self.rule(value, context);
            let reads = rule.as_ref().map(Rule::reads).unwrap_or_default();
            let static_type = rule.as_ref().map_or_else(StaticType::any, |rule| rule.static_type(self.file));
            // A variable that does not compile keeps its slot, so that its uses are not reported as well.
            rules.push(rule.unwrap_or_else(|| Rule::literal("", value)));
            self.variables.push(key.text.clone());
            self.variable_types.push(static_type);
            self.variable_reads.push(reads);
        }
        rules
    }

    pub fn assertion(&self, node: &Yaml, context: &StaticType) -> Option<Assertion> {
        let fields = Fields::new(node, self.file, self.problems);
        let that = fields.required("that").and_then(|that| self.rule(that, context));
        let message = fields.required_text("message");
        fields.finish();
        Some(Assertion { that: that?, message: message?.into() })
    }

    /// The entries of a block with `$use` replaced by what it names.
    fn entries<'y>(&mut self, node: &'y Yaml) -> Vec<Entry<'y>>
    where
        'a: 'y,
    {
        let mut entries = Vec::new();
        for (key, value) in node.entries() {
            if key.text != "$use" {
                entries.push(Entry { key, value, used: self.using.clone() });
                continue;
            }
            let name = value.text().unwrap_or_default();
            let fragments = self.scope.fragments.map(Yaml::entries).unwrap_or_default();
            let Some((_, fragment)) = fragments.iter().find(|(known, _)| known.text == name) else {
                let problem = Problem::new(code::UNKNOWN_FRAGMENT, format!("there is no fragment `{name}`"));
                let known = fragments.iter().map(|(known, _)| known.text.as_str());
                self.report(problem.at(value.place(self.file)).did_you_mean(name, known));
                continue;
            };
            let why = if self.using.iter().any(|used| used == name) {
                "uses itself"
            } else if self.using.len() >= MAX_FRAGMENTS {
                "is nested too deep in others"
            } else {
                self.using.push(name.to_owned());
                entries.extend(self.entries(fragment));
                self.using.pop();
                continue;
            };
            let text = format!("the fragment `{name}` {why}");
            self.report(Problem::new(code::UNKNOWN_FRAGMENT, text).at(value.place(self.file)));
        }
        entries
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
            self.report(Problem::new(code::WRONG_FORM, text).at(node.place(self.file).with_path(path)));
        }
        let outer_variables = self.variables.len();
        let entries = self.entries(node);
        let mut block = Block { line: node.line, column: node.column, first_slot: outer_variables, ..Block::default() };
        let mut policy = policy;
        let get = |name: &str| entries.iter().find(|entry| entry.key.text == name).map(|entry| entry.value);
        let mut inner = context.clone();
        if let Some(each) = get("$each") {
            block.each = self.rule(each, context);
            inner = block.each.as_ref().map_or_else(StaticType::any, |each| each.static_type(self.file).each());
            block.sort = get("$sort").and_then(|sort| self.rule(sort, &inner));
        } else if let Some(sort) = get("$sort") {
            let problem = Problem::new(code::WRONG_FORM, "`$sort` sorts the items of `$each`, and there is none");
            self.report(problem.at(sort.place(self.file).with_path(path)));
        }
        let context = &inner;
        if let Some(lets) = get("$let") {
            block.lets = self.lets(lets, context);
        }
        block.condition = get("$if").and_then(|condition| self.rule(condition, context));
        let present = self.present.len();
        for rule in block.condition.iter().chain(&block.each) {
            self.suppose(rule);
        }
        if let Some(written) = get("$empty").and_then(|node| self.on_empty(node)) {
            policy.empty = written;
        }
        if let Some(written) = get("$null").and_then(|node| self.on_empty(node)) {
            policy.null = written;
        }
        block.on_empty = if node.entries().is_empty() { OnEmpty::Keep } else { policy.empty };

        let mut orders = Vec::new();
        let mut last_order = 0;
        // The names rules were written for, even where a rule does not compile.
        let mut tried: Vec<QName> = Vec::new();
        let used = std::mem::take(&mut self.using);
        for Entry { key, value, used } in &entries {
            let (key, value) = (*key, *value);
            self.using.clone_from(used);
            let path = format!("{path}.{}", key.text);
            if key.text.starts_with('$') {
                if key.text == "$copy" {
                    if let Some(rule) = self.rule(value, context) {
                        self.copied(&rule, &path);
                        block.parts.push(Part::Copy(rule));
                        orders.push(last_order);
                    }
                } else {
                    self.instruction(key, &path);
                }
            } else if let Some(name) = key.text.strip_prefix('@') {
                let place = (key, path.as_str());
                block.attributes.extend(self.attribute(name, place, value, target_type, (context, policy), &mut tried));
            } else if key.text == "#text" {
                let simple = target_type.and_then(|target| target.value.clone());
                if target_type.is_some_and(|target| target.value.is_none() && !target.open) {
                    let text = "the target element holds elements only, no text";
                    self.report(Problem::new(code::WRONG_FORM, text).at(key.place(self.file).with_path(&path)));
                }
                block.text = self.field(0, value, simple, context, policy, &path);
            } else {
                let before = block.parts.len();
                let place = (key, path.as_str());
                let into = (&mut block.parts, &mut tried);
                let order = self.element(place, value, target_type, (context, policy), into);
                last_order = order.unwrap_or(last_order);
                orders.resize(orders.len() + block.parts.len() - before, last_order);
            }
        }
        self.using = used;
        self.settle_order(&mut block, orders);
        if let Some(target) = target_type {
            self.requirements(&mut block, target, &tried, path);
        }
        self.variables.truncate(outer_variables);
        self.variable_types.truncate(outer_variables);
        self.variable_reads.truncate(outer_variables);
        self.present.truncate(present);
        block
    }

    /// What a condition asks for is there, in the rules that depend on it.
    fn suppose(&mut self, condition: &Rule) {
        let Expression::Formula(formula) = &condition.value else { return };
        self.present.extend(formula.reads().iter().cloned());
        self.present.extend(formula.static_type().spots().cloned());
        for slot in formula.variables() {
            self.present.extend(self.variable_reads.get(*slot).into_iter().flatten().cloned());
        }
    }

    /// The outermost block: it stands for the document, so it is there once and holds elements only.
    pub fn root(&mut self, node: &Yaml) -> Block {
        for (key, _) in node.entries() {
            if matches!(key.text.as_str(), "$each" | "$if" | "#text") || key.text.starts_with('@') {
                let text = format!("`{}` cannot stand at the top of the output", key.text);
                let problem = Problem::new(code::WRONG_FORM, text).at(key.place(self.file).with_path("output"));
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
        block.parts = numbered.into_iter().map(|(_, part)| part).collect();
    }

    /// Notes what the target requires, and warns about what nobody fills.
    fn requirements(&self, block: &mut Block, target: &Type, tried: &[QName], path: &str) {
        if block.parts.iter().any(|part| matches!(part, Part::Copy(_))) {
            return;
        }
        let place = Place::in_file(self.file, block.line, block.column).with_path(path);
        for child in target.children.iter().filter(|child| child.is_required()) {
            let fills = |part: &Part| part.name().is_none_or(|name| self.names[name].name == child.name);
            let parts: Vec<usize> =
                block.parts.iter().enumerate().filter(|(_, part)| fills(part)).map(|(at, _)| at).collect();
            if !tried.contains(&child.name) {
                self.unfilled(&child.name.local, place.clone());
            }
            block.required.push((child.name.clone(), parts));
        }
        for attribute in target.attributes.iter().filter(|attribute| attribute.required) {
            if !tried.contains(&attribute_mark(&attribute.name)) {
                self.unfilled(&format!("@{}", attribute.name.local), place.clone());
            }
        }
    }

    fn unfilled(&self, name: &str, place: Place) {
        let problem = Problem::new(code::UNFILLED, format!("no rule fills `{name}`, which the target requires"));
        self.report(problem.at(place).hint(format!("add a rule for `{name}`")));
    }

    fn instruction(&self, key: &Key, path: &str) {
        let place = key.place(self.file).with_path(path);
        if key.text == "$choose" {
            let problem = Problem::new(code::WRONG_FORM, "`$choose` stands alone behind the name of an element");
            return self.report(problem.at(place).hint("write `name: {$choose: [{when, then}, …, {otherwise}]}`"));
        }
        if INSTRUCTIONS.contains(&key.text.as_str()) {
            return;
        }
        if LATER.contains(&key.text.as_str()) {
            let text = format!("`{}` is not supported yet", key.text);
            let hint = match key.text.as_str() {
                "$merge" => "insert what passes through with `$copy`",
                _ => "it belongs to a later version",
            };
            return self.report(Problem::new(code::NOT_SUPPORTED, text).at(place).hint(hint));
        }
        let known = INSTRUCTIONS.iter().chain(LATER).copied();
        let problem = Problem::new(code::UNKNOWN_INSTRUCTION, format!("there is no instruction `{}`", key.text));
        self.report(
            problem.at(place).hint(format!("known: {}", INSTRUCTIONS.join(", "))).did_you_mean(&key.text, known),
        );
    }

    /// Notes that a `$copy` reads all of its nodes, and that what it makes is not known beforehand.
    fn copied(&self, rule: &Rule, path: &str) {
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
                self.report(problem.at(node.place(self.file)));
                None
            }
        }
    }

    fn attribute(
        &mut self,
        name: &str,
        (key, path): (&Key, &str),
        value: &Yaml,
        target: Option<&Type>,
        (context, policy): (&StaticType, Policy),
        tried: &mut Vec<QName>,
    ) -> Option<Field> {
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
        tried.push(attribute_mark(&qname));
        let index = self.output_name(qname, prefix);
        let simple = declared.map(|declared| declared.value.clone());
        let mut field = self.field(index, value, simple, context, policy, path)?;
        field.required = declared.is_some_and(|declared| declared.required);
        Some(field)
    }

    /// One element rule; a list makes several. Gives the place in the target's order.
    fn element(
        &mut self,
        (key, path): (&Key, &str),
        value: &Yaml,
        target: Option<&Type>,
        (context, policy): (&StaticType, Policy),
        (parts, tried): (&mut Vec<Part>, &mut Vec<QName>),
    ) -> Option<u32> {
        let (qname, prefix) = self.name(&key.text, key, path)?;
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
        if tried.contains(&qname) && child.is_some_and(|child| !child.repeats()) {
            self.too_many(key, path);
        }
        tried.push(qname.clone());
        let index = self.output_name(qname, prefix);
        let place = (key, path);
        match value.entries() {
            [(only, branches)] if only.text == "$choose" => {
                let branches = self.branches(place, branches, (index, child), (context, policy));
                parts.push(Part::Choice { name: index, branches });
            }
            _ => self.element_values(place, value, (index, child), (context, policy), parts),
        }
        child.map(|child| child.order)
    }

    /// The branches of a `$choose`.
    fn branches(
        &mut self,
        (key, path): (&Key, &str),
        node: &Yaml,
        (index, child): (usize, Option<&Child>),
        (context, policy): (&StaticType, Policy),
    ) -> Vec<Branch> {
        let mut branches = Vec::new();
        let mut is_closed = false;
        if node.items().is_empty() {
            let problem =
                Problem::new(code::WRONG_FORM, "`$choose` is a list of `{when, then}`, the last `{otherwise}`");
            self.report(problem.at(node.place(self.file).with_path(path)));
        }
        for item in node.items() {
            let fields = Fields::new(item, self.file, self.problems);
            if is_closed {
                let problem = Problem::new(code::WRONG_FORM, "no document gets here: `otherwise` is the last branch");
                self.report(problem.at(item.place(self.file).with_path(path)));
            }
            let otherwise = fields.get("otherwise");
            let (when, then) = match otherwise {
                Some(otherwise) => (None, Some(otherwise)),
                None => (fields.required("when"), fields.required("then")),
            };
            fields.finish();
            is_closed |= otherwise.is_some();
            let when = when.and_then(|when| self.rule(when, context));
            let present = self.present.len();
            when.iter().for_each(|when| self.suppose(when));
            let mut parts = Vec::new();
            if let Some(then) = then {
                self.element_values((key, path), then, (index, child), (context, policy), &mut parts);
            }
            self.present.truncate(present);
            branches.push(Branch { when, parts });
        }
        branches
    }

    /// What stands behind the name of an element: a value, a block, or a list of them.
    fn element_values(
        &mut self,
        (key, path): (&Key, &str),
        value: &Yaml,
        (index, child): (usize, Option<&Child>),
        (context, policy): (&StaticType, Policy),
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
                let block = self.block(value, child.map(|child| child.of), context, policy, path);
                let repeats_here =
                    block.each.as_ref().is_some_and(|each| each.static_type(self.file).occurs.most == Most::Many);
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
            if let Some(mut field) = self.field(index, value, simple, context, policy, path) {
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
            let problem = Problem::new(code::WRONG_FORM, text).at(value.place(self.file).with_path(path));
            self.report(problem.hint(format!("write a block with {}", known.join(", "))));
        }
        for attribute in held.attributes.iter().filter(|attribute| attribute.required) {
            self.unfilled(&format!("@{}", attribute.name.local), key.place(self.file).with_path(path));
        }
    }

    fn field(
        &mut self,
        name: usize,
        value: &Yaml,
        simple: Option<Simple>,
        context: &StaticType,
        policy: Policy,
        path: &str,
    ) -> Option<Field> {
        if value.data == Data::Null {
            let problem =
                Problem::new(code::WRONG_FORM, "no value is given").at(value.place(self.file).with_path(path));
            self.report(problem.hint("write `\"\"` for an empty value, or `=()` with `$empty: nil` for null"));
            return None;
        }
        let rule = self.rule(value, context)?;
        self.touched.borrow_mut().1.fills(path);
        if let (Expression::Literal { text, .. }, Some(simple)) = (&rule.value, &simple)
            && let Some(why) = simple.misfit(text)
        {
            let problem = Problem::new(code::WRONG_LITERAL, format!("`{text}` does not fit the target: {why}"));
            let hint = "a value that begins with `=` is a formula";
            let problem = problem.at(value.place(self.file).with_path(path)).hint(hint);
            self.report(problem.did_you_mean(text, simple.enumeration.iter().map(|word| &**word)));
        }
        Some(Field { name, rule, simple, required: false, repeats: false, item: false, policy })
    }

    /// The expanded name of an output key, and the prefix it was written with.
    fn name(&self, written: &str, key: &Key, path: &str) -> Option<(QName, Option<Arc<str>>)> {
        let Some((prefix, local)) = written.split_once(':') else { return Some((QName::local(written), None)) };
        let known = self.scope.namespaces.iter().find(|(known, _)| known == prefix);
        let Some((prefix, namespace)) = known else {
            let text = format!("the prefix `{prefix}` is not declared");
            let problem = Problem::new(code::UNKNOWN_PREFIX, text).at(key.place(self.file).with_path(path));
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
            .at(key.place(self.file).with_path(path));
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
        self.report(Problem::new(code::TOO_MANY, text).warning().at(key.place(self.file).with_path(path)));
    }
}

/// An attribute's name as it is remembered among the names of elements.
fn attribute_mark(name: &QName) -> QName {
    QName::new(name.namespace.clone(), format!("@{}", name.local))
}

impl Rule {
    fn literal(text: &str, node: &Yaml) -> Self {
        let value = Expression::Literal { text: text.into(), kind: LiteralKind::Text };
        Self { value, line: node.line, column: node.column }
    }

    /// The places of the source it looks at.
    fn reads(&self) -> Vec<Arc<Spot>> {
        match &self.value {
            Expression::Formula(formula) => formula.reads().to_vec(),
            Expression::Literal { .. } => Vec::new(),
        }
    }

    /// What is known of its value.
    pub fn static_type(&self, file: &Arc<str>) -> StaticType {
        match &self.value {
            Expression::Formula(formula) => formula.static_type().clone(),
            Expression::Literal { text, .. } => {
                StaticType::literal(Class::String, text, Place::in_file(file, self.line, self.column))
            }
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
