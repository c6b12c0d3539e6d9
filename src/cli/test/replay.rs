//! `crossdock test --replay`: stored messages mapped again with the present content, compared with what was delivered.
//!
//! It reads the journal beside a running hub and sends nothing. Codes are those of the content at the document's date, cross
//! references those known when the delivery was made.

use std::{io::IsTerminal as _, sync::Arc};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::task::JoinSet;

use super::Arguments;
use crate::{
    app::{self, open_reader},
    base::{Limits, Place, Problem, Timestamp},
    catalog::Catalog,
    cli::{
        Common, Exit, Failed,
        difference::{Blame, Groups, Mismatch, RuleGroup, shown},
        messages::{failed, moment},
        outcome::{out, print_json},
    },
    config::Settings,
    document::Document,
    format::{ReadOptions, Syntax, charset_of_media_type, read},
    mapping::{Difference, Mapping, RulePlace, compare},
    pipeline::{Dispatch, Stop, Xrefs},
    store::{DeliveryState, DeliveryView, MessageFilter, MessageView, Output, Reader, StoreError, XrefKey},
};

/// Messages read from the journal at once.
const PAGE: usize = 500;
/// Reasons kept of deliveries that cannot be compared.
const MAX_REASONS: usize = 50;

/// How a delivery's output compares with what it would be now.
enum Compared {
    /// The same bytes.
    Same,
    /// The same fields in other bytes: layout, character set, order of attributes.
    Rewritten,
    /// Other fields, or none because the mapping stops.
    Differs(Vec<Mismatch>),
    /// It cannot be told, and why.
    Incomparable(String),
    /// The journal cannot be read.
    Failed(StoreError),
}

/// What all comparisons came to.
struct Tally {
    messages: usize,
    same: usize,
    rewritten: usize,
    differing: usize,
    groups: Groups,
    incomparable: Vec<(String, usize, String)>,
}

/// Compares and tells.
pub async fn replay(common: &Common, arguments: &Arguments, settings: &Settings) -> Result<Exit, Failed> {
    let since = arguments.since.as_deref().map(moment).transpose()?;
    let (catalog, problems) = app::load_catalog(settings);
    if problems.has_errors() {
        crate::cli::outcome::show_problems(&problems.0);
        return Err(Failed::new(Exit::Problems, "the content has errors; nothing was compared"));
    }
    if let Some(route) =
        arguments.route.as_ref().filter(|route| catalog.routes().iter().all(|known| known.id != **route))
    {
        return Err(Failed::new(Exit::NotFound, format!("there is no route `{route}`")));
    }
    let reader = open_reader(settings).await.map_err(|error| failed(&error))?;
    let tally = compare_all(&reader, Arc::new(catalog), arguments, since, &settings.limits.limits()).await;
    reader.close().await;
    Ok(tell(common, tally.map_err(|error| failed(&error))?))
}
async fn compare_all(
    reader: &Arc<dyn Reader>,
    catalog: Arc<Catalog>,
    arguments: &Arguments,
    since: Option<Timestamp>,
    limits: &Limits,
) -> Result<Tally, StoreError> {
    let ids = wanted(&**reader, since, arguments.limit).await?;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(ids.len() as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} messages {per_sec} ETA {eta}") {
        bar.set_style(style);
    }
    let mut tally = Tally {
        messages: ids.len(),
        same: 0,
        rewritten: 0,
        differing: 0,
        groups: Groups::keeping(1),
        incomparable: Vec::new(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut under_way: JoinSet<(MessageView, Vec<(usize, Compared)>)> = JoinSet::new();
    let mut ids = ids.into_iter();
    loop {
        while under_way.len() < cores
            && let Some(id) = ids.next()
        {
            let Some(view) = reader.message(&id).await? else { continue };
            let (catalog, reader, limits) = (catalog.clone(), reader.clone(), limits.clone());
            let (route, runtime) = (arguments.route.clone(), tokio::runtime::Handle::current());
            under_way.spawn_blocking(move || {
                let run = |delivery| Run { catalog: &catalog, view: &view, delivery, limits: &limits };
                let is_wanted = |delivery: &DeliveryView| {
                    delivery.state == DeliveryState::Delivered
                        && route.as_ref().is_none_or(|route| *route == delivery.route)
                };
                let wanted = view.deliveries.iter().enumerate().filter(|(_, delivery)| is_wanted(delivery));
                let compared = wanted.map(|(at, delivery)| (at, run(delivery).compare(&*reader, &runtime))).collect();
                (view, compared)
            });
        }
        let Some(done) = under_way.join_next().await else { break };
        bar.inc(1);
        let Ok((view, compared)) = done else { continue };
        for (at, compared) in compared {
            tally.add(&catalog, &view, &view.deliveries[at], compared)?;
        }
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// The ids of delivered messages, newest first.
async fn wanted(reader: &dyn Reader, since: Option<Timestamp>, limit: usize) -> Result<Vec<String>, StoreError> {
    let filter = MessageFilter { delivery_state: Some(DeliveryState::Delivered), since, ..MessageFilter::default() };
    let (mut ids, mut cursor) = (Vec::new(), None);
    while ids.len() < limit {
        let page = reader.messages(&filter, cursor, PAGE.min(limit - ids.len())).await?;
        ids.extend(page.items.into_iter().map(|item| item.message.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(ids)
}

/// One delivery, to be mapped again.
struct Run<'a> {
    catalog: &'a Catalog,
    view: &'a MessageView,
    delivery: &'a DeliveryView,
    limits: &'a Limits,
}

impl Run<'_> {
    fn compare(&self, reader: &dyn Reader, runtime: &tokio::runtime::Handle) -> Compared {
        let Some(output) = &self.delivery.output else {
            return Compared::Incomparable("the delivery has no output".to_owned());
        };
        // The bytes were made right before the first attempt.
        let made = self.delivery.attempts.first().map_or(Timestamp(i64::MAX), |attempt| attempt.started_at);
        let then = KnownXrefs { reader, runtime, at: made };
        let first = self.once(output, &then);
        if matches!(first, Compared::Differs(_)) {
            // A cross reference that has changed since is not known for then: as it is now it may have been.
            let now = self.once(output, &KnownXrefs { at: Timestamp(i64::MAX), ..then });
            if matches!(now, Compared::Same | Compared::Rewritten) {
                return now;
            }
        }
        first
    }

    fn once(&self, output: &Output, xrefs: &KnownXrefs<'_>) -> Compared {
        let Some(system) = self.catalog.system(&self.delivery.destination) else {
            return Compared::Incomparable(format!(
                "system `{}` is not configured any more",
                self.delivery.destination
            ));
        };
        let Some(bytes) = &self.view.bytes else {
            return Compared::Incomparable("its content was removed by the retention settings".to_owned());
        };
        let dispatch = Dispatch {
            catalog: self.catalog,
            message: &self.view.message,
            bytes,
            route: &self.delivery.route,
            document: &self.delivery.document,
            system,
            xrefs,
            limits: self.limits,
        };
        let mapped = match dispatch.map() {
            Ok(mapped) => mapped,
            Err(Stop::Store(error)) => return Compared::Failed(error),
            Err(Stop::LeftOut(rule)) => return Compared::Incomparable(format!("left out now: {rule}")),
            Err(Stop::Problem("no-route" | "unreadable", problem)) => return Compared::Incomparable(problem.text),
            Err(Stop::MissingXref { problem, .. } | Stop::MissingCode(problem) | Stop::Problem(_, problem)) => {
                return Compared::Differs(vec![stopped(&problem)]);
            }
        };
        if mapped.bytes == *output.bytes {
            return Compared::Same;
        }
        let known = self.document(&output.bytes, &output.content_type);
        let (known, new) = match (known, self.document(&mapped.bytes, &mapped.content_type)) {
            (Ok(known), Ok(new)) => (known, new),
            (Err(problem), _) | (_, Err(problem)) => return Compared::Incomparable(problem.text),
        };
        let differences = compare(&known, &new);
        if differences.is_empty() {
            return Compared::Rewritten;
        }
        let Some(mapping) = self.mappings().last() else {
            let plain = differences.into_iter().map(|difference| Mismatch { difference, rules: Vec::new() });
            return Compared::Differs(plain.collect());
        };
        let explanation = dispatch.explain().unwrap_or_default();
        Compared::Differs(Blame { mapping, explanation: &explanation, failure: None }.all(differences))
    }

    /// The mappings of its chain now.
    fn mappings(&self) -> &[Arc<Mapping>] {
        let DeliveryView { route, destination, document, .. } = self.delivery;
        self.catalog.target(route, destination, document).map_or(&[], |target| &target.mappings)
    }

    fn document(&self, bytes: &[u8], content_type: &str) -> Result<Document, Problem> {
        let syntax = Syntax::sniff(Some(content_type), bytes).unwrap_or(Syntax::Xml);
        let charset = charset_of_media_type(content_type).transpose()?;
        let options = ReadOptions { limits: self.limits.clone(), charset, ..ReadOptions::default() };
        read(bytes, syntax, &options).map(|reading| reading.document)
    }
}

/// A mapping that stops now, as a difference at the rule where it does.
fn stopped(problem: &Problem) -> Mismatch {
    let Place { file, line, column, .. } = &problem.place;
    let rules = file.iter().map(|file| RulePlace::of(file, *line, *column)).collect();
    let difference = Difference {
        path: "problems".to_owned(),
        expected: Some("a document".to_owned()),
        actual: Some(format!("{}: {}", problem.code.id, problem.text)),
    };
    Mismatch { difference, rules }
}

/// Cross references as they were known at a moment.
struct KnownXrefs<'a> {
    reader: &'a dyn Reader,
    runtime: &'a tokio::runtime::Handle,
    at: Timestamp,
}

impl Xrefs for KnownXrefs<'_> {
    fn find(&self, key: &XrefKey) -> Result<Option<String>, StoreError> {
        let mut found = self.runtime.block_on(self.reader.xrefs_at(std::slice::from_ref(key), self.at))?;
        Ok(found.pop().flatten())
    }
}

impl Tally {
    fn add(
        &mut self,
        catalog: &Catalog,
        view: &MessageView,
        delivery: &DeliveryView,
        compared: Compared,
    ) -> Result<(), StoreError> {
        let id = &view.message.id;
        match compared {
            Compared::Same => self.same += 1,
            Compared::Rewritten => self.rewritten += 1,
            Compared::Differs(mismatches) => {
                self.differing += 1;
                let target = catalog.target(&delivery.route, &delivery.destination, &delivery.document);
                let mappings = target.iter().flat_map(|target| &target.mappings).map(|mapping| &**mapping);
                self.groups.add(&mappings.collect::<Vec<_>>(), mismatches, id);
            }
            Compared::Incomparable(why) => {
                let why = if self.incomparable.len() < MAX_REASONS { why } else { "other reasons".to_owned() };
                match self.incomparable.iter().position(|(known, ..)| *known == why) {
                    Some(at) => self.incomparable[at].1 += 1,
                    None => self.incomparable.push((why, 1, id.clone())),
                }
            }
            Compared::Failed(error) => return Err(error),
        }
        Ok(())
    }
}

fn tell(common: &Common, tally: Tally) -> Exit {
    let Tally { messages, same, rewritten, differing, groups, incomparable } = tally;
    let groups = groups.into_vec();
    let left_out: usize = incomparable.iter().map(|(_, count, _)| count).sum();
    if common.json {
        let rule = |group: &RuleGroup| {
            let mut value = group.head_json();
            value["example"] = json!({
                "message": group.example,
                "path": group.differences.first().map(|first| &first.path),
                "delivered": group.differences.first().and_then(|first| first.expected.as_ref()),
                "now": group.differences.first().and_then(|first| first.actual.as_ref()),
            });
            value
        };
        print_json(&json!({
            "messages": messages,
            "same": same,
            "rewritten": rewritten,
            "differing": differing,
            "rules": groups.iter().map(rule).collect::<Vec<_>>(),
            "incomparable": incomparable.iter().map(|(why, count, example)| json!({
                "why": why, "count": count, "example": {"message": example},
            })).collect::<Vec<_>>(),
        }));
    } else {
        for group in &groups {
            out(format_args!("{}\n    {} fields differ, as in {}:", group.title(), group.count, group.example));
            for difference in &group.differences {
                out(format_args!("    {}", shown(difference, ("delivered", "now"))));
            }
        }
        for (why, count, example) in &incomparable {
            out(format_args!("not compared: {why}\n    {count} deliveries, as in {example}"));
        }
        out(format_args!(
            "{messages} messages: {same} deliveries the same, {rewritten} the same but written otherwise, {differing} differ, \
             {left_out} not compared"
        ));
    }
    match (differing, messages) {
        (0, 0) => Exit::NotFound,
        (0, _) => Exit::Ok,
        _ => Exit::Problems,
    }
}
