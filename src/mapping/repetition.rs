//! `$each`, `$group-by` and `$sort`: over what a block is repeated, and in which order.

use std::{collections::HashMap, rc::Rc};

use super::{
    Failure, code,
    compile::Compiler,
    fragment::{Entries, Entry},
    plan::{Block, Rule, SortRule},
    scope::{Held, Scope},
};
use crate::{
    base::Problem,
    content::{Data, Fields, Yaml},
    xpath::{Class, Item, ItemType, Occurs, SortAs, SortKey, StaticType, Value},
};

/// The variable that holds the items of a group.
const GROUP: &str = "current-group()";
/// The variable that holds what they have in common.
const KEY: &str = "current-grouping-key()";

impl Compiler<'_> {
    /// Compiles what repeats a block; gives the type of its context item.
    pub fn repetition(
        &mut self,
        entries: &Entries<'_>,
        context: &StaticType,
        block: &mut Block,
        path: &str,
    ) -> StaticType {
        let group = self.once(entries, "$group-by", path);
        let sort = self.once(entries, "$sort", path);
        let Some(each) = self.once(entries, "$each", path) else {
            for (entry, what) in [(group, "groups"), (sort, "sorts")] {
                let Some(entry) = entry else { continue };
                let text = format!("`{}` {what} the items of `$each`, and there is none", entry.key.text);
                self.report(Problem::new(code::WRONG_FORM, text).at(entry.value_place().with_path(path)));
            }
            return context.clone();
        };
        block.each = self.rule_of(&each, context);
        let item = block.each.as_ref().map_or_else(StaticType::any, |each| each.static_type().each());
        let context = &item;
        if let Some(group) = group {
            block.group = self.keys(&group, context, path);
            if block.group.is_empty() {
                let by = Rule::nothing(&self.file);
                block.group.push(SortRule { by, sort_as: SortAs::Value, descending: false });
            }
            let using = std::mem::take(&mut self.using);
            self.declare(GROUP, context.clone().occurring(Occurs::SOME), Vec::new());
            self.declare(KEY, StaticType::any(), Vec::new());
            self.using = using;
        }
        if let Some(sort) = sort {
            block.sort = self.keys(&sort, context, path);
        }
        item
    }

    /// The keys of `$sort` or `$group-by`: one, or a list.
    fn keys(&mut self, entry: &Entry<'_>, context: &StaticType, path: &str) -> Vec<SortRule> {
        let stand = self.enter(entry);
        let written = match &entry.value.data {
            Data::List(all) => all.iter().collect(),
            _ => vec![entry.value],
        };
        let is_sort = entry.key.text == "$sort";
        let keys = written.into_iter().filter_map(|node| self.key(node, context, is_sort)).collect();
        if entry.value.data == Data::Null || entry.value.data == Data::List(Vec::new()) {
            let text = format!("`{}` names no key", entry.key.text);
            self.report(Problem::new(code::WRONG_FORM, text).at(entry.place().with_path(path)));
        }
        self.leave(stand);
        keys
    }

    fn key(&mut self, node: &Yaml, context: &StaticType, is_sort: bool) -> Option<SortRule> {
        if !matches!(node.data, Data::Map(_)) {
            let by = self.rule(node, context)?;
            let sort_as = self.sort_as(&by);
            return Some(SortRule { by, sort_as, descending: false });
        }
        let file = self.file.clone();
        let fields = Fields::new(node, &file, self.problems);
        let by = fields.required("by");
        let order = [("ascending", false), ("descending", true)];
        let descending = is_sort && fields.word("order", &order).unwrap_or_default();
        let sort_as = fields.word("as", &[("number", SortAs::Number), ("text", SortAs::Text), ("date", SortAs::Date)]);
        fields.finish();
        let by = by.and_then(|by| self.rule(by, context))?;
        let sort_as = sort_as.unwrap_or_else(|| self.sort_as(&by));
        Some(SortRule { by, sort_as, descending })
    }

    /// As what the schema says the values of a path are.
    fn sort_as(&self, by: &Rule) -> SortAs {
        let Some(model) = &self.source else { return SortAs::Value };
        let held = by.static_type();
        let classes: Option<Vec<Class>> = held
            .items
            .iter()
            .map(|item| match item {
                ItemType::Node(spot) => spot.text(model).map(|text| text.class),
                _ => None,
            })
            .collect();
        match classes.as_deref() {
            Some([first, rest @ ..]) if first.is_numeric() && rest.iter().all(|class| class.is_numeric()) => {
                SortAs::Number
            }
            Some([Class::Date | Class::DateTime, rest @ ..])
                if rest.iter().all(|class| matches!(class, Class::Date | Class::DateTime)) =>
            {
                SortAs::Date
            }
            _ => SortAs::Value,
        }
    }
}

/// An item of a repetition: the context item, and the group it stands for.
pub(super) struct Turn {
    pub item: Item,
    /// The group and its key.
    pub group: Option<[Rc<Held>; 2]>,
}

/// The turns of a block that repeats, in order; `None` when a code or cross reference is missing for a key.
pub(super) fn turns(scope: &Scope<'_>, block: &Block, items: &[Item]) -> Result<Option<Vec<Turn>>, Failure> {
    let mut turns = if block.group.is_empty() {
        items.iter().map(|item| Turn { item: item.clone(), group: None }).collect()
    } else {
        match groups(scope, block, items)? {
            Some(groups) => groups,
            None => return Ok(None),
        }
    };
    if block.sort.is_empty() {
        return Ok(Some(turns));
    }
    let size = turns.len();
    let mut keyed = Vec::with_capacity(size);
    for (at, turn) in turns.drain(..).enumerate() {
        let inner = Scope::of_turn(scope, block, &turn, (at + 1, size), &[]);
        let Some((keys, _)) = keys_of(&inner, &block.sort)? else { return Ok(None) };
        keyed.push((keys, turn));
    }
    keyed.sort_by(|(a, _), (b, _)| {
        let each = a.iter().zip(b).zip(&block.sort);
        let mut orders = each.map(|((a, b), rule)| if rule.descending { b.cmp(a) } else { a.cmp(b) });
        orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(Some(keyed.into_iter().map(|(_, turn)| turn).collect()))
}

/// One turn for each distinct key, in the order of first appearance; empty keys are one group.
fn groups(scope: &Scope<'_>, block: &Block, items: &[Item]) -> Result<Option<Vec<Turn>>, Failure> {
    let mut index: HashMap<Vec<SortKey>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Item>, Held)> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let inner = Scope::new(scope.shared, Some(scope), (block.first_slot, &[]), item, at + 1, items.len());
        let Some((keys, held)) = keys_of(&inner, &block.group)? else { return Ok(None) };
        let at = *index.entry(keys).or_insert_with(|| {
            groups.push((Vec::new(), held));
            groups.len() - 1
        });
        groups[at].0.push(item.clone());
    }
    let turn = |(items, key): (Vec<Item>, Held)| {
        let item = items[0].clone();
        let group = Held { value: Ok(items.into()), events: None };
        Turn { item, group: Some([Rc::new(group), Rc::new(key)]) }
    };
    Ok(Some(groups.into_iter().map(turn).collect()))
}

/// The keys of one item, and their values as formulas see them.
fn keys_of(scope: &Scope<'_>, rules: &[SortRule]) -> Result<Option<(Vec<SortKey>, Held)>, Failure> {
    let mut keys = Vec::with_capacity(rules.len());
    let mut values: Vec<Item> = Vec::with_capacity(rules.len());
    let mut events = Vec::new();
    for rule in rules {
        let (value, read) = scope.evaluate_traced(&rule.by);
        let value = match value {
            Ok(value) => value,
            Err(failure) => return scope.settle(failure, &rule.by).map(|()| None),
        };
        if value.len() > 1 {
            let text = format!("a key is one value, and its formula gave {}", value.len());
            let place = rule.by.place().with_path(scope.source_path());
            let hint = "choose one (`[1]`), join them (`string-join`), or write a list of keys";
            return Err(Problem::new(code::SEVERAL, text).at(place).hint(hint).into());
        }
        keys.push(scope.sort_key(value.first(), rule.sort_as));
        values.extend(scope.atomized(&value).items().iter().cloned());
        events.extend(read);
    }
    let held = Held { value: Ok(Value::from(values)), events: Some(events) };
    Ok(Some((keys, held)))
}
