//! Holds what the destination's calendar does not let pass: times at which it takes nothing, closed fiscal periods.

use std::time::Duration;

use super::{Hub, code};
use crate::{
    base::Problem,
    catalog::{Calendar, Catalog, System},
    document::Document,
    format::{ReadOptions, read},
    mapping::Failure,
    store::{Hold, Leased, Output, Reason, WaitKey},
    xpath::Budget,
};

/// The cause of everything the calendar holds.
pub const CALENDAR: &str = "calendar";

/// The hold for a destination that takes nothing at this moment; `None` when it does, or when a person lets this
/// delivery pass.
pub(super) fn by_time(hub: &Hub, catalog: &Catalog, system: &System, leased: &Leased) -> Option<Hold> {
    let now = hub.clock.now();
    let closure = calendar(catalog, system, leased)?.closure(now)?;
    // The calendar goes by the wall clock, what is due by one that does not jump.
    let micros = u64::try_from(closure.until.micros() - now.micros()).unwrap_or_default();
    let due_at = hub.clock.steady().plus(Duration::from_micros(micros));
    let hint = "it goes on by itself then; releasing it lets it pass now";
    let problem = Problem::new(code::CLOSED, closure.why).hint(hint);
    Some(Hold::Later { due_at, reason: Some(Reason::of(CALENDAR, &problem)) })
}

/// The hold for a document whose posting date lies in a closed period; `None` when it does not, has none, or when a
/// person lets it pass.
pub(super) fn by_period(
    hub: &Hub,
    catalog: &Catalog,
    system: &System,
    leased: &Leased,
    output: &Output,
) -> Option<Hold> {
    let calendar = calendar(catalog, system, leased).filter(|calendar| calendar.has_periods())?;
    let park = |text: String| {
        let problem = Problem::new(code::POSTING_DATE, text).hint("correct the formula, then release it");
        Some(Hold::Park { reason: Reason::of(CALENDAR, &problem) })
    };
    let day = match posting_date(hub, catalog, system, output) {
        Ok(day) => day?,
        Err(why) => return park(format!("the posting date cannot be told: {why}")),
    };
    match calendar.is_period_closed(&day) {
        Some(false) => None,
        Some(true) => {
            let text = format!("calendar `{}`: the posting date {day} lies in a closed period", calendar.name());
            let hint = "open the period in the calendar and reload, or release it to let it pass";
            let reason = Reason::of(CALENDAR, &Problem::new(code::PERIOD_CLOSED, text).hint(hint));
            Some(Hold::Wait { key: WaitKey::Period { calendar: calendar.name().to_owned(), day }, reason })
        }
        None => park("the posting date is no date".to_owned()),
    }
}

fn calendar<'a>(catalog: &'a Catalog, system: &System, leased: &Leased) -> Option<&'a Calendar> {
    if leased.waived {
        return None;
    }
    catalog.calendar(&system.calendar.as_ref()?.name)
}

/// The posting date of a document as it leaves: by the system's formula, else by its profile's.
fn posting_date(hub: &Hub, catalog: &Catalog, system: &System, output: &Output) -> Result<Option<String>, String> {
    let Some(profile) = catalog.profile(&system.profile) else { return Ok(None) };
    let sent = read_output(catalog, system, output, hub)?;
    let first = |failure: Failure| failure.problems().into_iter().next().map_or_else(String::new, |one| one.text);
    let inside = profile.unwrap(&sent, &hub.limits).map_err(first)?;
    let inside = inside.iter().find(|one| one.document_type.as_deref() == Some(&output.document_type));
    let document = inside.map_or_else(|| sent.clone(), |inside| inside.document(&sent));
    let own = system.calendar.as_ref().and_then(|used| used.posting_dates.get(&output.document_type));
    let day = match own {
        Some(formula) => {
            let budget = Budget::new(hub.limits.evaluation_steps);
            Some(formula.text(&document, &budget).map_err(|failure| failure.problem().text)?)
        }
        None => profile.posting_date(&output.document_type, &document, &hub.limits).map_err(first)?,
    };
    Ok(day.map(|day| day.trim().to_owned()).filter(|day| !day.is_empty()))
}

/// An output as the document it was written from, envelope included.
pub(super) fn read_output(catalog: &Catalog, system: &System, output: &Output, hub: &Hub) -> Result<Document, String> {
    let namespace = catalog.profile(&system.profile).and_then(|profile| profile.json_namespace()).map(Into::into);
    let options = ReadOptions {
        limits: hub.limits.clone(),
        charset: Some(system.encoding.charset),
        namespace,
        convention: system.encoding.convention,
        ..ReadOptions::default()
    };
    read(&output.bytes, system.encoding.syntax, &options)
        .map(|reading| reading.document)
        .map_err(|problem| problem.text)
}
