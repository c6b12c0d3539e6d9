//! `crossdock messages release`, `skip`, `replay`, `resend` and `acts`: what operators decide, by name and reason.

use std::{io::IsTerminal as _, path::PathBuf, sync::Arc};

use serde_json::json;

use super::{failed, moment};
use crate::{
    app::{self, SystemClock, SystemRandom, open_reader},
    base::{Clock, Ids},
    cli::{
        Common, Exit, Failed,
        control::{carry_out, counter},
        outcome::{out, print_json, show_problems},
    },
    config::Settings,
    pipeline::{
        CAUSES, Choice, DeskError, Forecast, Group, HELD, Instruction, Only, Query, ReplayMapping, Report, Trial, Verb,
        released_states, replayed_states,
    },
    store::{DeliveryState, Reader},
};

/// Who and why.
#[derive(clap::Args)]
pub struct Signed {
    /// Who decides; default: the account's name.
    #[arg(long, env = "USER", default_value = "")]
    by: String,
    /// Why.
    #[arg(long, required_unless_present = "dry_run")]
    why: Option<String>,
    /// Do not ask; needed for a query when nobody can be asked.
    #[arg(long)]
    yes: bool,
}

/// Which messages and deliveries.
#[derive(clap::Args)]
pub struct Which {
    /// Ids of messages or deliveries; a message stands for its deliveries.
    ids: Vec<String>,
    /// Held for this cause: xref, code, schema, rule, mapping, no-route, unreadable, refused, poison, rejected, exhausted,
    /// unknown, calendar.
    #[arg(long)]
    cause: Option<String>,
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
    /// Only deliveries by this route.
    #[arg(long)]
    route: Option<String>,
    /// Only deliveries to this system.
    #[arg(long)]
    destination: Option<String>,
    /// Only deliveries in this state: waiting, parked; for a replay also delivered, filtered, skipped.
    #[arg(long)]
    state: Option<String>,
    /// Only messages received since a day or moment (2026-11-01) or within a time (7d, 12h).
    #[arg(long)]
    since: Option<String>,
    /// Only messages received before a day or moment, or longer ago than a time.
    #[arg(long)]
    until: Option<String>,
}

impl Which {
    fn query(&self) -> Result<Query, Failed> {
        if let Some(cause) = self.cause.as_ref().filter(|cause| CAUSES.iter().all(|known| known.word != **cause)) {
            let words: Vec<&str> = CAUSES.iter().map(|cause| cause.word).collect();
            let text = format!("nothing is held for the cause `{cause}`; there is {}", words.join(", "));
            return Err(Failed::new(Exit::Usage, text));
        }
        let moment = |text: &Option<String>| text.as_deref().map(moment).transpose();
        let query = Query {
            cause: self.cause.clone(),
            system: self.system.clone(),
            document_type: self.document_type.clone(),
            key: self.key.clone(),
            text: self.text.clone(),
            route: self.route.clone(),
            destination: self.destination.clone(),
            state: self.state.clone(),
            since: moment(&self.since)?.map(|at| at.micros()),
            until: moment(&self.until)?.map(|at| at.micros()),
        };
        if query.is_empty() && self.ids.is_empty() {
            return Err(Failed::new(Exit::Usage, "name ids, or say which with --cause, --system, --since, …"));
        }
        let only_state = Query { state: self.state.clone(), ..Query::default() };
        if !self.ids.is_empty() && query != only_state {
            return Err(Failed::new(Exit::Usage, "give ids or conditions, not both"));
        }
        Ok(query)
    }
}

/// What `messages release` takes.
#[derive(clap::Args)]
#[command(
    after_help = "With --dry-run nothing is changed: every held item is mapped with the content on disk, and what\n\
    would happen is told. Works beside a running hub or without one.\n\nExamples:\n  \
    crossdock messages release --cause rejected --destination u8-south --dry-run\n  \
    crossdock messages release --cause exhausted --since 2d --why \"network repaired\"\n  \
    crossdock messages release msg_01a2… --why \"department added in U8\""
)]
pub struct Release {
    #[command(flatten)]
    which: Which,
    /// Change nothing: say what would pass, what would still fail, and why.
    #[arg(long)]
    dry_run: bool,
    /// Leave alone what would be held again with the content in force.
    #[arg(long)]
    only_passing: bool,
    #[command(flatten)]
    signed: Signed,
}

/// What `messages skip` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  crossdock messages skip dlv_01a2… --by chen --why \"typed in by hand, voucher 0017\"\n  \
    crossdock messages skip --cause unreadable --system crm --until 2026-11-01 --why \"test messages\" --yes"
)]
pub struct Skip {
    #[command(flatten)]
    which: Which,
    /// Change nothing: say how many would be given up.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signed: Signed,
}

/// Which bytes.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum MappingChoice {
    /// The very bytes that were sent.
    Original,
    /// Mapped again with the content in force.
    Current,
}

/// What `messages replay` takes.
#[derive(clap::Args)]
#[command(
    after_help = "A replay is a delivery of its own, with an id of its own, so that a partner that knows ids does\n\
    not take it for a repetition. Without --state, what was delivered is chosen. Replays keep their order\n\
    among themselves in each lane; new deliveries do not wait for them unless --in-lane is given. A held\n\
    delivery that is replayed is given up and the replay takes its place.\n\nExamples:\n  \
    crossdock messages replay --destination u8-south --since 2026-11-20 --until 2026-11-21 --dry-run\n  \
    crossdock messages replay --destination u8-south --since 2d --rate 50/s --why \"backup restored\"\n  \
    crossdock messages replay --cause rejected --state parked --mapping current --why \"mapping corrected\""
)]
pub struct Replay {
    #[command(flatten)]
    which: Which,
    /// Which bytes; default: original, and current for what is held.
    #[arg(long)]
    mapping: Option<MappingChoice>,
    /// So many at most: 50/s, 100/m, 5000/h.
    #[arg(long)]
    rate: Option<String>,
    /// In their own lanes: before everything of the lane that is not sent yet.
    #[arg(long)]
    in_lane: bool,
    /// Change nothing: say how many would be made, and with --mapping current what would fail.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signed: Signed,
}

/// What `messages resend` takes.
#[derive(clap::Args)]
#[command(
    after_help = "The file becomes a new message, linked to the old one; it takes the old one's place in order, and\n\
    what was held of the old one is given up. It is mapped first: what would be held again is not accepted.\n\nExamples:\n  \
    crossdock messages show msg_01a2… --received > order.xml\n  \
    crossdock messages resend msg_01a2… --edit order.xml --why \"price corrected by the dealer\""
)]
pub struct Resend {
    /// The message's id, or that of one of its deliveries.
    id: String,
    /// The file with the corrected document; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    edit: PathBuf,
    /// The file's media type; default: the old message's.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Leave the old message and its deliveries as they are.
    #[arg(long)]
    keep_old: bool,
    /// Accept it even when it would be held again.
    #[arg(long)]
    unchecked: bool,
    /// Who decides; default: the account's name.
    #[arg(long, env = "USER", default_value = "")]
    by: String,
    /// Why.
    #[arg(long)]
    why: String,
}

/// What `messages acts` takes.
#[derive(clap::Args)]
pub struct Acts {
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Releases, or says what a release would do.
pub async fn release(common: &Common, settings: &Settings, release: &Release) -> Result<Exit, Failed> {
    let verb = Verb::Release { only: if release.only_passing { Only::Passing } else { Only::All } };
    let instruction = instruction(verb, &release.which, &release.signed)?;
    if release.dry_run {
        let forecast = forecast(settings, &instruction, released_states(&instruction), false).await?;
        return Ok(tell_forecast(common, &instruction, &forecast));
    }
    confirm(settings, &instruction, released_states(&instruction), &release.signed, "let go").await?;
    Ok(tell(common, &carry_out(settings, &instruction).await?))
}

/// Gives up, or says how much that would be.
pub async fn skip(common: &Common, settings: &Settings, skip: &Skip) -> Result<Exit, Failed> {
    let instruction = instruction(Verb::Skip, &skip.which, &skip.signed)?;
    if skip.dry_run {
        return tell_count(common, settings, &instruction, HELD).await;
    }
    confirm(settings, &instruction, HELD, &skip.signed, "given up").await?;
    Ok(tell(common, &carry_out(settings, &instruction).await?))
}

/// Makes deliveries again, or says how many that would be.
pub async fn replay(common: &Common, settings: &Settings, replay: &Replay) -> Result<Exit, Failed> {
    let held = matches!(replay.which.state.as_deref(), Some("waiting" | "parked"));
    let mapping = match replay.mapping {
        Some(MappingChoice::Original) => ReplayMapping::Original,
        Some(MappingChoice::Current) => ReplayMapping::Current,
        None if held => ReplayMapping::Current,
        None => ReplayMapping::Original,
    };
    let per_second = replay.rate.as_deref().map(per_second).transpose()?.unwrap_or_default();
    let verb = Verb::Replay { per_second, mapping, in_lane: replay.in_lane };
    let instruction = instruction(verb, &replay.which, &replay.signed)?;
    let states = replayed_states(&instruction).map_err(desk_failed)?;
    if replay.dry_run && mapping == ReplayMapping::Current {
        let forecast = forecast(settings, &instruction, &states, true).await?;
        return Ok(tell_forecast(common, &instruction, &forecast));
    }
    if replay.dry_run {
        return tell_count(common, settings, &instruction, &states).await;
    }
    confirm(settings, &instruction, &states, &replay.signed, "delivered again").await?;
    Ok(tell(common, &carry_out(settings, &instruction).await?))
}

/// Sends a corrected copy.
pub async fn resend(common: &Common, settings: &Settings, resend: &Resend) -> Result<Exit, Failed> {
    let read = if resend.edit.as_os_str() == "-" {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(&resend.edit)
    };
    let content = read.map_err(|error| Failed::new(Exit::Usage, format!("{}: {error}", resend.edit.display())))?.into();
    let verb = Verb::Resend {
        content,
        content_type: resend.content_type.clone(),
        keep_old: resend.keep_old,
        unchecked: resend.unchecked,
    };
    let (by, why, ids) = (name(&resend.by), resend.why.clone(), vec![resend.id.clone()]);
    let instruction = Instruction { verb, by, why, ids, query: Query::default() };
    Ok(tell(common, &carry_out(settings, &instruction).await?))
}

/// What was decided, newest first.
pub async fn acts(common: &Common, reader: &dyn Reader, acts: &Acts) -> Result<Exit, Failed> {
    let found = reader.acts(None, acts.limit).await.map_err(|error| failed(&error))?;
    if common.json {
        print_json(&json!({"acts": found.iter().map(crate::api::act_json).collect::<Vec<_>>()}));
        return Ok(Exit::Ok);
    }
    for view in &found {
        let act = &view.act;
        out(format_args!(
            "{}\t{}\t{}\t{}\t{} deliveries, {} messages\t{}\t{}",
            act.at.to_string().get(..19).unwrap_or_default().replace('T', " "),
            act.id,
            act.verb,
            act.by,
            view.deliveries,
            view.messages,
            act.query,
            act.why
        ));
    }
    Ok(Exit::Ok)
}

/// Who decides: as given, else the number of the account.
fn name(given: &str) -> String {
    match given.trim() {
        "" => format!("user {}", rustix::process::geteuid().as_raw()),
        name => name.to_owned(),
    }
}

fn instruction(verb: Verb, which: &Which, signed: &Signed) -> Result<Instruction, Failed> {
    Ok(Instruction {
        verb,
        by: name(&signed.by),
        why: signed.why.clone().unwrap_or_default(),
        ids: which.ids.clone(),
        query: which.query()?,
    })
}

/// `50/s`, `100/m`, `5000/h`; a number alone is a second's.
fn per_second(text: &str) -> Result<f64, Failed> {
    let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let rate = count.trim().parse::<f64>().unwrap_or(f64::NAN) / seconds;
    if rate.is_finite() && rate > 0.0 {
        return Ok(rate);
    }
    Err(Failed::new(Exit::Usage, format!("`{text}` is no rate: write 50/s, 100/m or 5000/h")))
}

fn desk_failed(error: DeskError) -> Failed {
    match &error {
        DeskError::Store(error) => failed(error),
        DeskError::Refused(problem) => Failed::new(Exit::Usage, problem),
    }
}

/// Maps everything chosen with the content on disk, without sending.
async fn forecast(
    settings: &Settings,
    instruction: &Instruction,
    states: &[DeliveryState],
    maps_anew: bool,
) -> Result<Forecast, Failed> {
    let (catalog, problems) = app::prepare_catalog(settings);
    if problems.has_errors() {
        show_problems(&problems.0);
        return Err(Failed::new(Exit::Problems, "the content has errors; nothing was tried"));
    }
    let reader: Arc<dyn Reader> = open_reader(settings).await.map_err(|error| failed(&error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let trial = Arc::new(Trial {
        reader: reader.clone(),
        catalog: Arc::new(catalog),
        limits: settings.limits.limits(),
        now: clock.now(),
        ids: Ids::new(clock, Arc::new(SystemRandom)),
    });
    let bar = counter();
    let forecast = trial.forecast(instruction, states, maps_anew, &|seen| bar.set_position(seen)).await;
    bar.finish_and_clear();
    reader.close().await;
    forecast.map_err(desk_failed)
}

/// How many an instruction chooses.
async fn count(settings: &Settings, instruction: &Instruction, states: &[DeliveryState]) -> Result<u64, Failed> {
    let reader = open_reader(settings).await.map_err(|error| failed(&error))?;
    let counted = async {
        let mut choice = Choice::new(&*reader, instruction, states)?;
        let (bar, mut count) = (counter(), 0);
        while let Some(page) = choice.next().await? {
            count += page.len() as u64;
            bar.set_position(count);
        }
        bar.finish_and_clear();
        Ok(count)
    };
    let counted = counted.await;
    reader.close().await;
    counted.map_err(desk_failed)
}

/// A query may choose more than was meant: its number is told and asked about. Ids are what they are.
async fn confirm(
    settings: &Settings,
    instruction: &Instruction,
    states: &[DeliveryState],
    signed: &Signed,
    what: &str,
) -> Result<(), Failed> {
    if !instruction.ids.is_empty() || signed.yes {
        return Ok(());
    }
    let count = count(settings, instruction, states).await?;
    if count == 0 {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let text = format!("{count} would be {what} ({}); say --yes, or look first with --dry-run", instruction.query);
        return Err(Failed::new(Exit::Usage, text));
    }
    eprint!("{count} will be {what} ({}). Go on? [y/N] ", instruction.query);
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failed::new(Exit::Failed, "nothing was done")),
    }
}

async fn tell_count(
    common: &Common,
    settings: &Settings,
    instruction: &Instruction,
    states: &[DeliveryState],
) -> Result<Exit, Failed> {
    let count = count(settings, instruction, states).await?;
    if common.json {
        let (verb, query) = (instruction.verb.word(), instruction.query.to_string());
        print_json(&json!({"dry_run": true, "verb": verb, "query": query, "chosen": count}));
    } else {
        out(format_args!("{count} would be chosen"));
    }
    Ok(Exit::Ok)
}

fn tell_forecast(common: &Common, instruction: &Instruction, forecast: &Forecast) -> Exit {
    if common.json {
        let mut value = json!(forecast);
        value["dry_run"] = json!(true);
        value["verb"] = json!(instruction.verb.word());
        value["query"] = json!(instruction.query.to_string());
        print_json(&value);
    } else {
        print_groups(&forecast.reasons);
        let mut parts = vec![format!("{} would pass", forecast.pass)];
        if forecast.kept > 0 {
            parts.push(format!("{} would be sent again as they are", forecast.kept));
        }
        if forecast.wait > 0 {
            parts.push(format!("{} wait for another document", forecast.wait));
        }
        parts.push(format!("{} still fail", forecast.fail));
        out(format_args!("{}", parts.join(", ")));
    }
    if forecast.fail + forecast.wait > 0 { Exit::Problems } else { Exit::Ok }
}

fn print_groups(groups: &[Group]) {
    for group in groups {
        let head = [&*group.cause, &*group.code].join(" ");
        out(format_args!("{}\t{}\t{}, as in {}", group.count, head.trim(), group.text, group.example));
    }
}

fn tell(common: &Common, report: &Report) -> Exit {
    if common.json {
        print_json(&json!(report));
    } else {
        let word = match report.verb.as_str() {
            "release" => "released",
            "skip" => "skipped",
            "replay" => "replayed as",
            _ => "accepted",
        };
        report.done.iter().for_each(|id| out(format_args!("{word}\t{id}")));
        print_groups(&report.reasons);
        report.failed.iter().for_each(|failure| eprintln!("{}: {} {}", failure.id, failure.code, failure.text));
        out(format_args!(
            "{} deliveries and {} messages, {} left alone; act {}",
            report.deliveries, report.messages, report.left, report.act
        ));
    }
    match (report.deliveries + report.messages, report.left) {
        (_, 0) => Exit::Ok,
        (0, _) => Exit::Conflict,
        _ => Exit::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::per_second;

    #[test]
    fn a_rate_is_read_with_its_unit() {
        let read = |text| per_second(text).ok();
        assert_eq!(
            [read("50/s"), read("120/m"), read("3600/h"), read("5")],
            [Some(50.0), Some(2.0), Some(1.0), Some(5.0)]
        );
        assert_eq!([read("0/s"), read("-1/s"), read("fast"), read("5/d")], [None; 4]);
    }
}
