//! Calls: whether arguments are what a function takes, and what it gives.

use std::sync::Arc;

use super::Inference;
use crate::{
    base::suggest,
    xpath::{
        ast::{Occurrence, Span},
        cast::AtomicType,
        code,
        fit::{self, Fit},
        function::{self, Function},
        op::{Op, OpKind},
        signature,
        static_type::{Class, ItemType, Least, Most, Occurs, Spot, StaticType},
    },
};

impl Inference<'_> {
    pub(super) fn call(&mut self, function: &Function, arguments: &[Op], focus: &StaticType) -> StaticType {
        let types = self.all(arguments, focus);
        if function.arity.0 == 0 && arguments.is_empty() {
            self.read(&focus.each());
        }
        let signature = function.types();
        for (at, (known, argument)) in types.iter().zip(arguments).enumerate() {
            if let Some(signature) = signature {
                let slot = signature.parameter(at).map_or(Slot::ANY, |parameter| Slot::of(parameter.of));
                self.argument(function, at, slot, known, argument.span);
            }
        }
        self.literals(function, arguments, &types);
        let mut present: Vec<Arc<Spot>> = Vec::new();
        if matches!(function.name, "exists" | "empty" | "not" | "boolean" | "count") {
            present.extend(types.iter().flat_map(|known| known.spots().cloned()));
        }
        self.present.extend(present);
        let own = signature.map_or(Slot::ANY, |known| Slot::of(known.result));
        let first = signature.and_then(|known| known.parameter(0)).map(|parameter| Slot::of(parameter.of));
        yields(function, &types, own, first)
    }

    fn argument(&mut self, function: &Function, at: usize, slot: Slot, known: &StaticType, span: Span) {
        let by = format!("argument {} of `{}`", at + 1, function.name);
        if slot.occurs.most == Most::One {
            self.one(known, span, &by);
        }
        if slot.occurs.least == Least::One && known.occurs.most == Most::Nothing {
            let text = format!("{by} needs a value, and `{}` is always empty", self.written(span));
            return self.error(code::NEVER_WORKS, span, text, Some(format!("signature: {}", function.signature)));
        }
        if known.occurs.most == Most::Nothing {
            return;
        }
        let model = self.scope.model;
        match slot.items {
            Accepts::Anything => {}
            Accepts::Node => {
                if !known.items.is_empty() && known.items.iter().all(|item| item.class().is_some()) {
                    let noun = fit::nouns(&known.items, model);
                    let text = format!("{by} needs a node, and `{}` is {noun}", self.written(span));
                    self.error(code::NEVER_WORKS, span, text, None);
                }
            }
            Accepts::Number => self.number(known, span, &by),
            Accepts::Of(class) if class.is_numeric() => self.number(known, span, &by),
            Accepts::Of(class) => {
                if fit::all(&known.items, |item| fit::argument(item, class, model)) == Fit::Never {
                    let noun = fit::nouns(&known.items, model);
                    let text = format!("{by} needs {}, and `{}` is {noun}", class.noun(), self.written(span));
                    let hint = (class == Class::String).then(|| format!("write `string({})`", self.written(span)));
                    self.error(code::NEVER_WORKS, span, text, hint);
                }
            }
        }
    }

    /// Patterns, pictures and tables given by a variable; literals are checked where names are resolved.
    fn literals(&mut self, function: &Function, arguments: &[Op], types: &[StaticType]) {
        let at = usize::from(function.name != "code");
        let (Some(known), Some(argument)) = (types.get(at), arguments.get(at)) else { return };
        let ([ItemType::Constant(constant)], OpKind::Local(_) | OpKind::Outer(_)) =
            (known.items.as_slice(), &argument.kind)
        else {
            return;
        };
        let wrong = match function.name {
            "matches" | "replace" | "tokenize" if arguments.len() == 2 + usize::from(function.name == "replace") => {
                function::pattern::Pattern::compile(&constant.text, "").err()
            }
            "format-date" | "format-dateTime" | "format-time" => {
                function::date_picture::DatePicture::parse(&constant.text).err()
            }
            "format-number" => function::number_picture::NumberPicture::parse(&constant.text).err(),
            _ => None,
        };
        if let Some(failure) = wrong {
            return self.error(code::BAD_LITERAL, argument.span, failure.problem().text, None);
        }
        if function.name == "code"
            && let Some(tables) = self.scope.code_tables
            && !tables.iter().any(|table| **table == *constant.text)
        {
            let hint = suggest(&constant.text, tables.iter().map(String::as_str));
            let hint = hint.map(|best| format!("did you mean `{best}`?"));
            let text = format!("there is no code table `{}`", constant.text);
            self.error(code::UNKNOWN_TABLE, argument.span, text, hint);
        }
    }
}

/// What a parameter takes, or a function gives.
#[derive(Clone, Copy)]
struct Slot {
    items: Accepts,
    occurs: Occurs,
}

#[derive(Clone, Copy)]
enum Accepts {
    /// Anything, or types that are not told apart.
    Anything,
    Node,
    Number,
    Of(Class),
}

impl Slot {
    const ANY: Self = Self { items: Accepts::Anything, occurs: Occurs::ANY };

    fn of(known: signature::SequenceType) -> Self {
        let occurs = match known.occurrence {
            Occurrence::One => Occurs::ONE,
            Occurrence::Optional => Occurs::OPTIONAL,
            Occurrence::Any => Occurs { least: Least::Nothing, most: Most::Many },
            Occurrence::Some => Occurs::SOME,
        };
        let items = match known.item {
            signature::ItemType::Node(_) => Accepts::Node,
            signature::ItemType::Atomic(AtomicType::Numeric) => Accepts::Number,
            signature::ItemType::Atomic(atomic) => Class::named(atomic.name()).map_or(Accepts::Anything, Accepts::Of),
            _ => Accepts::Anything,
        };
        Self { items, occurs }
    }
}

/// What a call gives: the signature's result, made exact where the value comes from the arguments.
fn yields(function: &Function, types: &[StaticType], own: Slot, first: Option<Slot>) -> StaticType {
    let (any, empty) = (StaticType::any(), StaticType::empty());
    let arg = |at: usize| types.get(at).unwrap_or(&empty);
    let given = types.first().unwrap_or(&any);
    let like = |occurs: Occurs| given.clone().occurring(occurs);
    let numeric = |occurs: Occurs| {
        let all = |wanted: fn(Class) -> bool| given.items.iter().all(|item| item.class().is_some_and(wanted));
        if given.is_unknown() || given.items.iter().any(|item| item.class().is_some_and(Class::is_temporal)) {
            return StaticType::any().occurring(occurs);
        }
        let class = if all(|class| class == Class::Integer) {
            Class::Integer
        } else if given.items.iter().any(|item| item.class() == Some(Class::Double)) {
            Class::Double
        } else {
            Class::Decimal
        };
        StaticType::atomic(class, occurs)
    };
    match function.name {
        "data" | "distinct-values" | "reverse" | "unordered" => like(given.occurs),
        "head" => like(given.occurs.single()),
        "zero-or-one" => like(given.occurs.single()),
        "exactly-one" => like(Occurs::ONE),
        "one-or-more" => like(Occurs { least: Least::One, ..given.occurs }),
        "tail" | "subsequence" | "remove" => like(given.occurs.filtered()),
        "insert-before" => given.clone().then(arg(2)),
        "code" => {
            let found = StaticType::atomic(Class::String, arg(1).occurs.single());
            if types.len() > 2 { found.or(&arg(2).clone().occurring(arg(2).occurs.then(Occurs::EMPTY))) } else { found }
        }
        "xref" => StaticType::atomic(Class::String, arg(1).occurs.single()),
        "ceiling" | "floor" | "round" | "round-half-to-even" if types.len() == 1 => {
            let rounded = numeric(given.occurs.single());
            let exact = rounded.items == [ItemType::Atomic(Class::Decimal)];
            if exact { StaticType::atomic(Class::Integer, rounded.occurs) } else { rounded }
        }
        "abs" | "round" | "round-half-to-even" => numeric(given.occurs.single()),
        "min" | "max" if given.items.iter().all(|item| item.class().is_some()) => like(given.occurs.single()),
        "min" | "max" | "avg" => numeric(given.occurs.single()),
        "sum" => numeric(Occurs::ONE),
        _ => {
            let mut occurs = own.occurs;
            if occurs.least == Least::Nothing {
                // Functions that give nothing do so for an empty first argument; the others ask the host.
                let follows = first.is_some_and(|slot| slot.occurs == Occurs::OPTIONAL) && !types.is_empty();
                occurs.least = if follows { given.occurs.least } else { Least::Filtered };
            }
            match own.items {
                Accepts::Of(class) => StaticType::atomic(class, occurs),
                Accepts::Number => StaticType::atomic(Class::Decimal, occurs),
                Accepts::Anything | Accepts::Node => StaticType::any().occurring(occurs),
            }
        }
    }
}
