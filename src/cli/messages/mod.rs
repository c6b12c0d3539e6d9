//! `crossdock messages`: what came in and what became of it, straight from the journal, beside a running hub or without.

mod act;
mod explain;

use std::sync::Arc;

use comfy_table::{Table, presets};
use serde_json::json;

use super::{
    Common, Exit, Failed,
    outcome::{out, print_json},
    verify::verify,
};
use crate::{
    api::{counts_and_pauses_json, is_current, message_json, summary_json},
    app::{self, SystemClock, open_reader},
    base::{Clock as _, Timestamp, parse_duration},
    catalog::Catalog,
    config::Settings,
    store::{Counts, DeliveryState, MessageFilter, MessageView, Reader, Reason, Standing, StoreError},
};

/// The verbs of `messages`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// List messages, newest first.
    List(List),
    /// Show one message: what came in, what went out, every attempt and answer.
    Show(Show),
    /// The conservation law in numbers, by route and destination.
    Counts,
    /// Which document types each system sends, and when last: who still sends the old version.
    Types(Types),
    /// The same as `crossdock verify`.
    Verify,
    /// Let held messages and deliveries try again, by id or by query; with --dry-run say what would pass.
    Release(act::Release),
    /// Give up parked messages or held deliveries, by name and reason; their lanes go on.
    Skip(act::Skip),
    /// Deliver again what was delivered: a new delivery each, linked to the old one.
    Replay(act::Replay),
    /// Send a corrected copy of a message; it takes the old one's place.
    Resend(act::Resend),
    /// What operators decided: who, why, and what it changed.
    Acts(act::Acts),
}

/// What `messages list` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock messages list --state parked\n  \
    crossdock messages list --system crm --key SO-20261101-001\n  crossdock messages list --text 销售三部 --json\n  \
    crossdock messages list --held calendar")]
pub struct List {
    /// Only messages standing so: accepted, waiting, parked, in-flight, delivered, filtered, skipped, split.
    #[arg(long)]
    state: Option<String>,
    /// Only messages from this system.
    #[arg(long)]
    system: Option<String>,
    /// Only messages of this document type, as in hub/sales-order@1.
    #[arg(long = "type")]
    document_type: Option<String>,
    /// Only messages with this business key.
    #[arg(long)]
    key: Option<String>,
    /// Only messages with this text in id, keys, file name or reasons.
    #[arg(long)]
    text: Option<String>,
    /// Only messages held for this cause, themselves or a delivery of them: calendar, code, xref, rejected, ….
    #[arg(long, alias = "held")]
    cause: Option<String>,
    /// Only messages with a delivery by this route.
    #[arg(long)]
    route: Option<String>,
    /// Only messages with a delivery to this system.
    #[arg(long)]
    destination: Option<String>,
    /// Only messages received since a day or moment (2026-11-01) or within a time (7d, 12h).
    #[arg(long)]
    since: Option<String>,
    /// Only messages received before a day or moment, or longer ago than a time.
    #[arg(long)]
    until: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// What `messages types` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock messages types\n  crossdock messages types --since 30d --json")]
pub struct Types {
    /// Only messages received since a day or moment (2026-11-01) or within a time (7d, 12h).
    #[arg(long)]
    since: Option<String>,
}

/// What `messages show` takes.
#[derive(clap::Args)]
pub struct Show {
    /// A message's or a delivery's id; the beginning of a message's business key works too when only one fits.
    id: String,
    /// With the payloads: received, sent, answered.
    #[arg(long)]
    content: bool,
    /// Where each field of what a delivery sends comes from, by the present content.
    #[arg(long)]
    explain: bool,
    /// Only the bytes received, exactly: to be corrected and sent again with `messages resend`.
    #[arg(long, conflicts_with_all = ["content", "explain"])]
    received: bool,
}

/// Runs a verb.
pub async fn messages(common: &Common, command: &Command) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    match command {
        Command::Release(release) => return act::release(common, &settings, release).await,
        Command::Skip(skip) => return act::skip(common, &settings, skip).await,
        Command::Replay(replay) => return act::replay(common, &settings, replay).await,
        Command::Resend(resend) => return act::resend(common, &settings, resend).await,
        Command::Verify => return verify(common, &super::verify::Arguments {}).await,
        _ => {}
    }
    let reader: Arc<dyn Reader> = open_reader(&settings).await.map_err(|error| failed(&error))?;
    let exit = match command {
        Command::List(list) => self::list(common, &*reader, list).await,
        Command::Show(show) => self::show(common, &settings, &reader, show).await,
        Command::Types(types) => self::types(common, &*reader, types).await,
        Command::Acts(acts) => act::acts(common, &*reader, acts).await,
        _ => counts(common, &*reader).await,
    };
    reader.close().await;
    exit
}

/// How a command ends that the journal did not serve.
pub fn failed(error: &StoreError) -> Failed {
    let exit = match error {
        StoreError::NotFound(_) => Exit::NotFound,
        StoreError::Conflict(_) => Exit::Conflict,
        StoreError::Corrupt(_) => Exit::Problems,
        _ => Exit::Unreachable,
    };
    Failed::new(exit, error)
}

async fn list(common: &Common, reader: &dyn Reader, list: &List) -> Result<Exit, Failed> {
    let wanted = match &list.state {
        None => None,
        Some(state) => Some(Standing::parse(state).ok_or_else(|| {
            let words: Vec<_> = Standing::ALL.iter().map(|standing| standing.as_str()).collect();
            Failed::new(Exit::Usage, format!("there is no state `{state}`; there is {}", words.join(", ")))
        })?),
    };
    let filter = MessageFilter {
        system: list.system.clone(),
        document_type: list.document_type.clone(),
        business_key: list.key.clone(),
        text: list.text.clone(),
        held: list.cause.clone(),
        route: list.route.clone(),
        destination: list.destination.clone(),
        since: list.since.as_deref().map(moment).transpose()?,
        until: list.until.as_deref().map(moment).transpose()?,
        standing: wanted,
        ..MessageFilter::default()
    };
    let page = reader.messages(&filter, None, list.limit).await.map_err(|error| failed(&error))?;
    let (rows, more) = (page.items, page.next.is_some());
    if common.json {
        let items: Vec<_> = rows.iter().map(summary_json).collect();
        print_json(&json!({"items": items, "more": more}));
        return Ok(Exit::Ok);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["received", "id", "system", "type", "key", "standing", "why"]);
    for row in &rows {
        let message = &row.message;
        let mut why = message.reason.as_ref().map_or_else(String::new, why);
        if why.is_empty() && matches!(row.standing, Standing::Parked | Standing::Waiting) {
            let view = reader.message(&message.id).await.map_err(|error| failed(&error))?;
            why = view.as_ref().map_or_else(String::new, held_because);
        }
        table.add_row([
            message.received_at.to_string().get(..19).unwrap_or_default().replace('T', " "),
            message.id.clone(),
            message.system.clone(),
            message.document_type.clone(),
            message.business_key.clone().unwrap_or_default(),
            row.standing.as_str().to_owned(),
            why,
        ]);
    }
    out(format_args!("{table}"));
    Ok(Exit::Ok)
}

/// A reason in one line.
pub fn why(reason: &Reason) -> String {
    let place = match (reason.line, &reason.path) {
        (0, Some(path)) => format!(" at {path}"),
        (0, None) => String::new(),
        (line, _) => format!(" at {line}:{}", reason.column),
    };
    format!("{}{place}: {}", reason.code, reason.text)
}

/// Why a message is held, in one line: its own reason, or that of its first held delivery; empty when it is not.
pub fn held_because(view: &MessageView) -> String {
    let own = view.message.reason.as_ref();
    let mut held = view.deliveries.iter().filter(|delivery| !delivery.state.is_final());
    own.or_else(|| held.find_map(|delivery| delivery.reason.as_ref())).map_or_else(String::new, why)
}

async fn show(common: &Common, settings: &Settings, reader: &Arc<dyn Reader>, show: &Show) -> Result<Exit, Failed> {
    let mut view = reader.message(&show.id).await.map_err(|error| failed(&error))?;
    if view.is_none() {
        let filter = MessageFilter { business_key: Some(show.id.clone()), ..MessageFilter::default() };
        let page = reader.messages(&filter, None, 2).await.map_err(|error| failed(&error))?;
        if let [only] = page.items.as_slice() {
            view = reader.message(&only.message.id).await.map_err(|error| failed(&error))?;
        }
    }
    let Some(view) = view else {
        let text = format!("there is no message, delivery or single business key `{}`", show.id);
        return Err(Failed::new(Exit::NotFound, text));
    };
    if show.received {
        use std::io::Write as _;
        let Some(bytes) = &view.bytes else {
            return Err(Failed::new(Exit::NotFound, "retention has removed the bytes of this message"));
        };
        let written = std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush());
        return written.map(|()| Exit::Ok).map_err(|error| Failed::new(Exit::Failed, error));
    }
    let (catalog, _) = app::load_catalog(settings);
    let (view, catalog) = (Arc::new(view), Arc::new(catalog));
    let explained = if show.explain { explain::explain(settings, reader, &catalog, &view).await? } else { Vec::new() };
    if common.json {
        let mut value = message_json(&view, show.content, Some(&catalog));
        if show.explain {
            let listed = explained.iter().map(|(id, explained)| match explained {
                Ok(explanation) => json!({"delivery": id, "explanation": explanation}),
                Err(why) => json!({"delivery": id, "held": why}),
            });
            value["explained"] = listed.collect();
        }
        print_json(&value);
        return Ok(Exit::Ok);
    }
    print_message(&view, show.content, &catalog);
    for (id, explained) in &explained {
        out(format_args!("\nexplained {id}, with the present content"));
        match explained {
            Ok(explanation) => super::map::show(common, explanation)?,
            Err(why) => out(format_args!("  held    {why}")),
        }
    }
    Ok(Exit::Ok)
}

fn print_message(view: &MessageView, content: bool, catalog: &Catalog) {
    let message = &view.message;
    out(format_args!("message   {}", message.id));
    out(format_args!("standing  {}", view.standing.as_str()));
    out(format_args!("received  {} from {} over {}", message.received_at, message.system, message.transport.as_str()));
    out(format_args!("type      {}", message.document_type));
    out(format_args!("key       {}", message.business_key.as_deref().unwrap_or("-")));
    out(format_args!("bytes     {} (sha256 {})", view.size, message.sha256));
    if let Some(at) = view.bytes_removed_at {
        out(format_args!("content   removed {at} by the retention settings; digests and history are kept"));
    }
    if let Some(reason) = &message.reason {
        out(format_args!("why       {}", why(reason)));
    }
    for name in ["repairs", "violations"] {
        for line in message.attributes.get(name).iter().flat_map(|lines| lines.lines()) {
            out(format_args!("note      {line}"));
        }
    }
    if let Some(old) = &message.edited_from {
        out(format_args!("edited    a corrected copy of {old}"));
    }
    for copy in &view.edits {
        out(format_args!("edited    {copy} is a corrected copy of it"));
    }
    for view in &view.acts {
        let act = &view.act;
        out(format_args!("act       {} {} by {}: {} ({})", act.at, act.verb, act.by, act.why, act.id));
    }
    if let Some(parent) = &message.parent {
        let of = |name| message.attributes.get(name).map_or("?", String::as_str);
        out(format_args!("part      {} of {} of {parent}", of("batch_position"), of("batch_count")));
    }
    for part in &view.parts {
        let again = if part.is_duplicate { ", known before" } else { "" };
        let key = part.message.business_key.as_deref().unwrap_or("-");
        let why = part.message.reason.as_ref().map_or_else(String::new, |reason| format!(" {}", why(reason)));
        out(format_args!(
            "part      {} {} {key} {}{again}{why}",
            part.position,
            part.message.id,
            part.standing.as_str()
        ));
    }
    if let Some(bytes) = view.bytes.as_ref().filter(|_| content) {
        out(format_args!("--- received\n{}", String::from_utf8_lossy(bytes)));
    }
    for delivery in &view.deliveries {
        out(format_args!("\ndelivery  {} to {} by route {}", delivery.id, delivery.destination, delivery.route));
        if let Some(original) = &delivery.replay_of {
            out(format_args!("  replay  of {original}"));
        }
        out(format_args!("  state   {}", delivery.state.as_str()));
        if let (Some(output), Some(current)) = (&delivery.output, is_current(delivery, catalog)) {
            let word =
                if current { "the content's present version" } else { "changed since; `crossdock mapping versions`" };
            out(format_args!("  mapping {} ({word})", output.mapping_hash.get(..12).unwrap_or_default()));
        }
        for note in delivery.output.iter().flat_map(|output| &output.notes) {
            out(format_args!("  note    {note}"));
        }
        if let Some(reason) = &delivery.reason {
            out(format_args!("  why     {}", why(reason)));
        }
        if delivery.standing() != delivery.state {
            out(format_args!("  until   {}", delivery.due_at));
        }
        if delivery.overtaken {
            out(format_args!("  order   out of order: a later delivery of its lane was sent before it"));
        }
        if let Some(key) = &delivery.wait_key {
            out(format_args!("  waits   {key}"));
        }
        if usize::try_from(delivery.attempt_count).is_ok_and(|count| count > delivery.attempts.len()) {
            out(format_args!("  attempts {}, removed by the retention settings", delivery.attempt_count));
        }
        for attempt in &delivery.attempts {
            let status = attempt.status.map_or_else(String::new, |status| format!(" {status}"));
            out(format_args!(
                "  attempt {} {} {}{status} {}",
                attempt.number,
                attempt.ended_at,
                attempt.outcome.as_str(),
                attempt.detail
            ));
        }
        if content {
            if let Some(output) = &delivery.output {
                out(format_args!(
                    "--- sent ({}, {})\n{}",
                    output.document_type,
                    output.content_type,
                    shown(&output.bytes)
                ));
            }
            if let Some(attempt) = delivery.attempts.last() {
                out(format_args!("--- answered\n{}", shown(&attempt.response)));
            }
        }
    }
}

/// Bytes for a terminal: documents in any character set are shown as UTF-8.
pub fn shown(bytes: &[u8]) -> String {
    use crate::format::{Layout, ReadOptions, Syntax, WriteOptions, read, write};
    let readable = Syntax::sniff(None, bytes).and_then(|syntax| {
        let reading = read(bytes, syntax, &ReadOptions::default()).ok()?;
        let options = WriteOptions { layout: Layout::Pretty, declaration: false, ..WriteOptions::default() };
        String::from_utf8(write(&reading.document, syntax, &options).ok()?).ok()
    });
    readable.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}

async fn counts(common: &Common, reader: &dyn Reader) -> Result<Exit, Failed> {
    let counts = reader.counts().await.map_err(|error| failed(&error))?;
    let pauses = reader.pauses().await.map_err(|error| failed(&error))?;
    if common.json {
        print_json(&counts_and_pauses_json(&counts, &pauses));
    } else {
        print_counts(&counts);
        for pause in &pauses {
            let until = pause.until.map_or_else(String::new, |until| format!(", next probe {until}"));
            let since = pause.since;
            out(format_args!("{} gets nothing since {since}{until}: {}", pause.destination, why(&pause.reason)));
        }
    }
    Ok(if counts.unaccounted == 0 { Exit::Ok } else { Exit::Problems })
}

/// The conservation law as two tables: messages, then deliveries by route and destination.
pub fn print_counts(counts: &Counts) {
    out(format_args!(
        "messages  {} accepted = {} undecided + {} routed + {} parked + {} filtered + {} skipped + {} split",
        counts.total, counts.accepted, counts.routed, counts.parked, counts.filtered, counts.skipped, counts.split
    ));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "route",
        "destination",
        "planned",
        "= delivered",
        "+ in flight",
        "+ waiting",
        "+ parked",
        "+ filtered",
        "+ skipped",
    ]);
    for way in counts.ways() {
        let mut row = vec![way.route.to_owned(), way.destination.to_owned(), way.total().to_string()];
        let states = [
            DeliveryState::Delivered,
            DeliveryState::Planned,
            DeliveryState::Waiting,
            DeliveryState::Parked,
            DeliveryState::Filtered,
            DeliveryState::Skipped,
        ];
        row.extend(states.map(|state| way.of(state).to_string()));
        table.add_row(row);
    }
    if counts.planned > 0 {
        out(format_args!("{table}"));
    }
    if counts.removed.messages > 0 {
        let deliveries: u64 = counts.removed.deliveries.iter().map(|row| row.count).sum();
        out(format_args!(
            "removed   {} messages with {deliveries} deliveries, by the retention settings; not in the sums above",
            counts.removed.messages
        ));
    }
    out(format_args!("unaccounted {}", counts.unaccounted));
}

/// A day, a moment, or how long ago, as `--since` takes it.
pub fn moment(text: &str) -> Result<Timestamp, Failed> {
    let ago = || {
        let micros = i64::try_from(parse_duration(text)?.as_micros()).ok()?;
        Some(Timestamp(SystemClock::default().now().micros().saturating_sub(micros)))
    };
    Timestamp::parse(text).or_else(ago).ok_or_else(|| {
        Failed::new(Exit::Usage, format!("`{text}` is no time: write 2026-11-01, 2026-11-01T08:00:00Z, 7d or 12h"))
    })
}

async fn types(common: &Common, reader: &dyn Reader, arguments: &Types) -> Result<Exit, Failed> {
    let since = arguments.since.as_deref().map(moment).transpose()?.unwrap_or_default();
    let types = reader.types(since).await.map_err(|error| failed(&error))?;
    if common.json {
        let listed: Vec<_> = types
            .iter()
            .map(|one| {
                let (first, last) = (one.first.to_string(), one.last.to_string());
                json!({"system": one.system, "type": one.document_type, "count": one.count, "first": first, "last": last})
            })
            .collect();
        print_json(&json!({"types": listed}));
        return Ok(Exit::Ok);
    }
    for one in &types {
        let name = if one.document_type.is_empty() { "-" } else { &one.document_type };
        out(format_args!("{}\t{name}\t{}\tlast {}", one.system, one.count, one.last));
    }
    Ok(Exit::Ok)
}
