//! What a relay route cannot do: each is a problem.

use std::{cell::RefCell, sync::Arc};

use super::{Mode, SinkConfig, System, code, route::Draft};
use crate::{
    base::{Place, Problem, Problems},
    transport::AmqpOutConfig,
};

/// Checks a route's `mode` and what depends on it; the place for dead letters, complete.
pub(super) fn check(
    catalog: &super::Catalog,
    draft: &Draft<'_>,
    source: Option<&Arc<System>>,
    problems: &RefCell<Problems>,
) -> Option<AmqpOutConfig> {
    let report = |place: &Place, text: String, hint: &str| {
        problems.borrow_mut().push(Problem::new(code::RELAY, text).at(place.clone()).hint(hint));
    };
    if draft.mode == Mode::Journal {
        if let Some((_, place)) = &draft.dead_letter {
            let text = "only a relay route has dead letters: the journal keeps what cannot be delivered".to_owned();
            report(place, text, "remove `dead-letter`, or write `mode: relay`");
        }
        return None;
    }
    if let Some(place) = &draft.on_parked {
        let text = "a relay route has no `on-parked: block-key`: nothing of it is stored that could hold up others";
        report(place, text.to_owned(), "leave it out, or use `mode: journal`");
    }
    for target in &draft.targets {
        if let Some(to) = catalog.system(target.system.text)
            && let Some(sink) = &to.sink
            && !matches!(sink, SinkConfig::Amqp(_))
        {
            let text = format!("a relay route leads to brokers, and system `{}` is not reached over AMQP", to.id);
            report(&target.system.place, text, "use `mode: journal` (the default) for it, in a route of its own");
        }
    }
    let source = source?;
    let Some(amqp) = &source.sources.amqp else {
        if source.sources.any() {
            let text = format!("a relay route begins at a broker, and system `{}` takes nothing over AMQP", source.id);
            report(&draft.from.place, text, "use `mode: journal` (the default)");
        }
        return None;
    };
    let sources = &source.sources;
    if sources.http.is_some() || sources.file.is_some() || sources.sftp.is_some() || sources.sql.is_some() {
        let text = format!(
            "a relay route stores nothing, and system `{}` takes messages in other ways than AMQP too",
            source.id
        );
        report(&draft.from.place, text, "give the queue a system of its own");
    }
    if let Some(order_by) = draft.order_by
        && !amqp.single_active_consumer
    {
        let text = format!(
            "a relay route with `order-by` needs `single-active-consumer: true` in the queue of system `{}`: with several \
             consumers nobody keeps the order",
            source.id
        );
        report(&order_by.place(&draft.file), text, "set it in `in: {amqp: …}`, or leave out `order-by`");
    }
    let (config, _) = draft.dead_letter.clone()?;
    Some(AmqpOutConfig { url: amqp.url.clone(), ..config })
}
