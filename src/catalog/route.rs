//! Routes: from a system and a document type, through mappings, to one or more systems; from `routes/*.yaml`.

use std::{cell::RefCell, sync::Arc};

use super::Titles;
use crate::{
    base::{Place, Problems, Sha256},
    content::{Data, Fields, Yaml},
    document::{Document, NodeId},
    mapping::Mapping,
    transport::{AmqpDeclare, AmqpOutConfig, QueueConfig},
    xpath::{Binding, Budget, Failure, Formula, Frame, Item, Symbols, Value, string_of},
};

/// How a route takes messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Stored first: everything the delivery contract promises.
    #[default]
    Journal,
    /// From broker to broker, nothing stored.
    Relay,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its id: the file's `route`.
    pub id: String,
    /// What people call it.
    pub titles: Titles,
    /// The system messages come from.
    pub from: String,
    /// The document type taken.
    pub document_type: String,
    /// Deliveries with equal keys stay in order; without it none are ordered.
    pub order_by: Option<Arc<Test>>,
    /// Whether a parked delivery holds up those behind it in its lane.
    pub blocks_when_parked: bool,
    /// How it takes messages.
    pub mode: Mode,
    /// Relay: where what cannot be relayed goes; to the journal without it.
    pub dead_letter: Option<AmqpOutConfig>,
    /// Where to, in order.
    pub targets: Vec<Target>,
}

/// One destination of a route.
#[derive(Clone, Debug)]
pub struct Target {
    /// The system.
    pub system: String,
    /// Which document of a mapping that makes several; empty for the only one. A system is a target once for each.
    pub document: String,
    /// Only documents for which this holds; all without it.
    pub when: Option<Arc<Test>>,
    /// The mappings in order; none passes the document on as it is.
    pub mappings: Vec<Arc<Mapping>>,
    /// The document type that leaves.
    pub document_type: String,
}

impl Target {
    /// The version of all its mappings together: kept with every output they make.
    #[must_use]
    pub fn mapping_hash(&self) -> Sha256 {
        let versions: Vec<[u8; 32]> = self.mappings.iter().map(|mapping| mapping.content_hash().0).collect();
        Sha256::of_parts(versions.iter().map(<[u8; 32]>::as_slice))
    }
}

/// A formula of a route, compiled against the route's document type.
#[derive(Clone, Debug)]
pub struct Test {
    /// The formula.
    pub formula: Formula,
    /// The names it uses.
    pub symbols: Symbols,
}

/// A route as written, before anything it names was looked up.
pub(super) struct Draft<'a> {
    pub file: Arc<str>,
    pub id: String,
    pub titles: Titles,
    pub from: Named<'a>,
    pub document_type: Named<'a>,
    pub order_by: Option<&'a Yaml>,
    pub blocks_when_parked: bool,
    pub on_parked: Option<Place>,
    pub mode: Mode,
    /// Without its broker's address, which is the source's.
    pub dead_letter: Option<(AmqpOutConfig, Place)>,
    pub targets: Vec<DraftTarget<'a>>,
}

pub(super) struct DraftTarget<'a> {
    pub system: Named<'a>,
    pub when: Option<&'a Yaml>,
    pub mappings: Vec<Named<'a>>,
    pub place: Place,
}

/// A name and where it stands.
#[derive(Clone)]
pub(super) struct Named<'a> {
    pub text: &'a str,
    pub place: Place,
}

impl<'a> Named<'a> {
    fn of(fields: &Fields<'a>, key: &'static str) -> Self {
        let value = fields.required(key);
        let place = value.unwrap_or_else(|| fields.node()).place(fields.file());
        Self { text: value.and_then(Yaml::text).unwrap_or_default(), place }
    }
}

pub(super) fn draft<'a>(node: &'a Yaml, file: &'a Arc<str>, stem: &str, problems: &'a RefCell<Problems>) -> Draft<'a> {
    let fields = Fields::new(node, file, problems);
    let id = fields.text("route").unwrap_or(stem).to_owned();
    super::check_name(&id, node, file, problems);
    let titles = Titles::read(&fields);
    let nowhere = || Named { text: "", place: node.place(file) };
    let (from, document_type) = match fields.required("from").map(|from| Fields::new(from, file, problems)) {
        Some(from) => {
            let names = (Named::of(&from, "system"), Named::of(&from, "type"));
            from.finish();
            names
        }
        None => (nowhere(), nowhere()),
    };
    let order_by = fields.get("order-by");
    let blocks_when_parked = fields.word("on-parked", &[("block-key", true), ("continue", false)]).unwrap_or(true);
    let on_parked = fields.get("on-parked").filter(|value| value.text() == Some("block-key"));
    let on_parked = on_parked.map(|value| value.place(file));
    let mode = fields.word("mode", &[("journal", Mode::Journal), ("relay", Mode::Relay)]).unwrap_or_default();
    let dead_letter = fields.block("dead-letter").map(|block| {
        let config = AmqpOutConfig {
            exchange: block.text("exchange").unwrap_or_default().to_owned(),
            routing_key: block.required_text("routing-key").unwrap_or_default().to_owned(),
            declare: AmqpDeclare {
                queue: block.boolean("declare").unwrap_or_default().then(QueueConfig::default),
                ..AmqpDeclare::default()
            },
            ..AmqpOutConfig::default()
        };
        let place = block.node().place(file);
        block.finish();
        (config, place)
    });
    fields.required("to");
    let targets = fields.list("to").into_iter().map(|target| {
        let target = Fields::new(target, file, problems);
        let mappings = target.list("mapping").into_iter().filter_map(|mapping| match &mapping.data {
            Data::Text { text, .. } => Some(Named { text, place: mapping.place(file) }),
            _ => None,
        });
        let draft = DraftTarget {
            system: Named::of(&target, "system"),
            when: target.get("when"),
            mappings: mappings.collect(),
            place: target.node().place(file),
        };
        target.finish();
        draft
    });
    let targets = targets.collect();
    fields.finish();
    Draft {
        file: file.clone(),
        id,
        titles,
        from,
        document_type,
        order_by,
        blocks_when_parked,
        on_parked,
        mode,
        dead_letter,
        targets,
    }
}

impl Test {
    /// The value as text; `None` items make an empty text, several are joined by a space.
    ///
    /// # Errors
    /// Whatever evaluating it raises.
    pub fn text(&self, document: &Document, budget: &Budget) -> Result<String, Failure> {
        self.evaluate(document, budget, |value, frame| {
            let texts: Vec<_> = value.items().iter().map(|item| string_of(item, frame).into_owned()).collect();
            Ok(texts.join(" "))
        })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Whatever evaluating it raises.
    pub fn holds(&self, document: &Document, budget: &Budget) -> Result<bool, Failure> {
        self.evaluate(document, budget, |value, _| value.effective_boolean())
    }

    fn evaluate<T>(
        &self,
        document: &Document,
        budget: &Budget,
        then: impl FnOnce(Value, &Frame<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let documents = [document];
        let binding = Binding::new(&self.symbols, &documents);
        let root = Item::Node(0, NodeId::ROOT);
        let frame = Frame {
            documents: &documents,
            binding: &binding,
            item: Some(&root),
            position: 1,
            size: 1,
            variables: &(),
            host: &(),
            budget,
            trace: None,
        };
        then(self.formula.evaluate(&frame)?, &frame)
    }
}
