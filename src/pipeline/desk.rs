//! Carries out what operators ask for: chooses page by page, acts, and reports. Everything is written down by the store.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::join_all;

use super::{
    Finding, Forecast, Hub, Instruction, Only, Query, ReplayMapping, Report, Trial, Verb, code,
    instruction::count_reason,
};
use crate::{
    base::{Clock, IdKind, Ids, Limits, Problem, Timestamp},
    catalog::Catalog,
    store::{
        Act, Chosen, ChosenDelivery, DeliveryState, MessageFilter, MessageState, MessageView, NewMessage, NewReplay,
        Reader, Reason, Release, Spot, Store, StoreError,
    },
};

/// Things chosen at once: bounds memory and the size of transactions.
const PAGE: usize = 200;

/// Things tried at once.
const FEW: usize = 20;

/// What is held.
pub const HELD: &[DeliveryState] = &[DeliveryState::Waiting, DeliveryState::Parked];

/// An instruction was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The store could not.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// It makes no sense, or its content would be held.
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl DeskError {
    fn refused(text: String, hint: &str) -> Self {
        Self::Refused(Box::new(Problem::new(code::BAD_INSTRUCTION, text).hint(hint)))
    }

    /// What is wrong, for people.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        match self {
            Self::Store(error) => error.problem(),
            Self::Refused(problem) => problem,
        }
    }
}

/// Told how many things were looked at so far.
pub type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// The place where instructions are carried out.
pub struct Desk {
    /// What survives a crash.
    pub store: Arc<dyn Store>,
    /// The content in force.
    pub catalog: Arc<Catalog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Ids,
    /// The limits of documents and evaluation.
    pub limits: Limits,
}

impl Desk {
    /// The place for a running hub, with the content in force now.
    #[must_use]
    pub fn of(hub: &Hub) -> Self {
        Self {
            store: hub.store.clone(),
            catalog: hub.catalog(),
            clock: hub.clock.clone(),
            ids: hub.ids.clone(),
            limits: hub.limits.clone(),
        }
    }

    /// Carries out one instruction.
    ///
    /// # Errors
    /// What could not be done for single things is in the report; an error means that it stopped. What was done before
    /// is in the journal of acts.
    pub async fn carry_out(&self, instruction: &Instruction, progress: Progress<'_>) -> Result<Report, DeskError> {
        let Instruction { verb, by, why, ids, query } = instruction;
        if by.trim().is_empty() || why.trim().is_empty() {
            let text = "an act needs a name and a reason".to_owned();
            return Err(DeskError::refused(text, "give --by and --why"));
        }
        if ids.is_empty() && query.is_empty() {
            let text = "everything is hardly meant".to_owned();
            return Err(DeskError::refused(text, "name messages or deliveries, or say which with --cause, --since, …"));
        }
        let act = Act {
            id: self.ids.next(IdKind::Act),
            verb: verb.word().to_owned(),
            by: by.clone(),
            why: why.clone(),
            query: if ids.is_empty() { query.to_string() } else { asked(ids) },
            at: self.clock.now(),
        };
        match verb {
            Verb::Release { only } => self.release(&act, instruction, *only, progress).await,
            Verb::Skip => self.skip(&act, instruction, progress).await,
            Verb::Replay { per_second, mapping, in_lane } => {
                let pace = Pace { start: act.at, per_second: *per_second, made: 0 };
                self.replay(&act, instruction, pace, *mapping, *in_lane, progress).await
            }
            Verb::Resend { .. } => self.resend(&act, instruction).await,
        }
    }

    async fn release(
        &self,
        act: &Act,
        instruction: &Instruction,
        only: Only,
        progress: Progress<'_>,
    ) -> Result<Report, DeskError> {
        let mut report = Report::of(act);
        let mut choice = Choice::new(&*self.store, instruction, released_states(instruction))?;
        let mut sieve = Sieve { trial: self.trial(), only, still: HashSet::new() };
        let mut seen = 0;
        while let Some(page) = choice.next().await? {
            seen += page.len() as u64;
            let ids = match only {
                Only::All => page.iter().map(|one| one.id().to_owned()).collect(),
                Only::Passing | Only::Changed => sieve.passes(&page, &mut report).await?,
            };
            if !ids.is_empty() {
                let released = self.store.release(Release::Ids(ids.clone()), act, self.clock.now()).await?;
                report.deliveries += released.deliveries;
                report.messages += released.messages;
            }
            if !instruction.ids.is_empty() {
                report.done.extend(ids);
            }
            progress(seen);
        }
        for id in choice.missing {
            report.fail(&id, &nothing(&id, "is parked or waiting"));
        }
        report.reasons.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(report)
    }

    async fn skip(&self, act: &Act, instruction: &Instruction, progress: Progress<'_>) -> Result<Report, DeskError> {
        let mut report = Report::of(act);
        // a delivery by its id may be given up before it is held
        let (deliveries, messages): (Vec<String>, Vec<String>) =
            instruction.ids.iter().cloned().partition(|id| id.starts_with("dlv_"));
        self.skip_all(act, &deliveries, &mut report).await?;
        if !instruction.ids.is_empty() {
            let skipped = report.failed.iter().map(|failure| &failure.id).collect::<Vec<_>>();
            report.done = deliveries.iter().filter(|id| !skipped.contains(id)).cloned().collect();
            if messages.is_empty() {
                return Ok(report);
            }
        }
        let rest = Instruction { ids: messages, ..instruction.clone() };
        let mut choice = Choice::new(&*self.store, &rest, HELD)?;
        let mut seen = 0;
        while let Some(page) = choice.next().await? {
            seen += page.len() as u64;
            let ids: Vec<String> = page.iter().map(|one| one.id().to_owned()).collect();
            let failed = report.failed.len();
            self.skip_all(act, &ids, &mut report).await?;
            if !instruction.ids.is_empty() {
                let skipped: Vec<&String> = report.failed[failed..].iter().map(|failure| &failure.id).collect();
                report.done.extend(ids.iter().filter(|id| !skipped.contains(id)).cloned());
            }
            progress(seen);
        }
        for id in choice.missing {
            report.fail(&id, &nothing(&id, "is parked or waiting"));
        }
        Ok(report)
    }

    async fn skip_all(&self, act: &Act, ids: &[String], report: &mut Report) -> Result<(), DeskError> {
        for some in ids.chunks(PAGE) {
            let now = self.clock.now();
            let answers = join_all(some.iter().map(|id| self.store.skip(id, act, now))).await;
            for (id, answer) in some.iter().zip(answers) {
                match answer {
                    Ok(()) if id.starts_with("dlv_") => report.deliveries += 1,
                    Ok(()) => report.messages += 1,
                    Err(StoreError::NotFound(problem) | StoreError::Conflict(problem)) => report.fail(id, &problem),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    async fn replay(
        &self,
        act: &Act,
        instruction: &Instruction,
        mut pace: Pace,
        mapping: ReplayMapping,
        in_lane: bool,
        progress: Progress<'_>,
    ) -> Result<Report, DeskError> {
        if !pace.per_second.is_finite() || pace.per_second < 0.0 {
            let text = format!("{} a second is no pace", pace.per_second);
            return Err(DeskError::refused(text, "give --rate as in 50/s, or leave it out"));
        }
        let keeps_output = mapping == ReplayMapping::Original;
        let mut report = Report::of(act);
        let states = replayed_states(instruction)?;
        let mut choice = Choice::new(&*self.store, instruction, &states)?;
        let mut seen = 0;
        while let Some(page) = choice.next().await? {
            seen += page.len() as u64;
            let mut replays = Vec::with_capacity(page.len());
            for chosen in &page {
                let Some(delivery) = &chosen.delivery else { continue };
                if delivery.is_replay && !instruction.ids.contains(&delivery.id) {
                    continue;
                }
                if keeps_output && !delivery.has_output {
                    let text = "no bytes are kept with it; replay it with `--mapping current`";
                    report.fail(&delivery.id, &Problem::new(code::BAD_INSTRUCTION, text));
                    continue;
                }
                replays.push(NewReplay {
                    id: self.ids.next(IdKind::Delivery),
                    of: delivery.id.clone(),
                    lane: replay_lane(act, delivery, in_lane),
                    due_at: pace.next(),
                    keeps_output,
                });
            }
            let made = self.store.replay(&replays, act, self.clock.now()).await?;
            report.deliveries += made;
            report.left += (replays.len() as u64).saturating_sub(made);
            if !instruction.ids.is_empty() {
                report.done.extend(replays.into_iter().map(|replay| replay.id));
            }
            progress(seen);
        }
        for id in choice.missing {
            let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
            report.fail(&id, &nothing(&id, &format!("is {}", states.join(" or "))));
        }
        Ok(report)
    }

    async fn resend(&self, act: &Act, instruction: &Instruction) -> Result<Report, DeskError> {
        let Verb::Resend { content, content_type, keep_old, unchecked } = &instruction.verb else {
            return Err(DeskError::refused("this is no resend".to_owned(), "report it"));
        };
        let [id] = instruction.ids.as_slice() else {
            return Err(DeskError::refused("a corrected copy is made of one message".to_owned(), "name one id"));
        };
        let view = self.store.message(id).await?.ok_or_else(|| nothing_there(id))?;
        let old = &view.message;
        let mut attributes = old.attributes.clone();
        for own in ["repairs", "violations", "batch_offset"] {
            attributes.remove(own);
        }
        let new = NewMessage {
            id: self.ids.next(IdKind::Message),
            system: old.system.clone(),
            document_type: old.document_type.clone(),
            site: old.site.clone(),
            dedup_key: None,
            bytes: content.clone(),
            content_type: content_type.clone().unwrap_or_else(|| old.content_type.clone()),
            transport: old.transport,
            received_at: act.at,
            attributes,
            parked: None,
        };
        if !unchecked {
            let finding = self.trial().copy(old, &new).await?;
            if let Finding::Fails(reason) | Finding::Moves(reason) = finding {
                let text = format!("the corrected document would be held again: {}: {}", reason.code, reason.text);
                let hint = "correct it, or send it all the same with --unchecked";
                return Err(DeskError::Refused(Box::new(Problem::new(code::STILL_HELD, text).hint(hint))));
            }
        }
        let accepted = self.store.resend(new, &old.id, !keep_old, act, self.clock.now()).await?;
        let replaced = view.deliveries.iter().filter(|delivery| !keep_old && !delivery.state.is_final()).count();
        let parked = !keep_old && old.state == MessageState::Parked;
        Ok(Report {
            deliveries: replaced as u64,
            messages: 1 + u64::from(parked),
            done: vec![accepted.id],
            ..Report::of(act)
        })
    }

    fn trial(&self) -> Arc<Trial> {
        Arc::new(Trial {
            reader: self.store.clone(),
            catalog: self.catalog.clone(),
            limits: self.limits.clone(),
            ids: self.ids.clone(),
            now: self.clock.now(),
        })
    }
}

impl Trial {
    /// What would become of everything an instruction chooses, were it released; with `maps_anew`, were it mapped again
    /// even where bytes are kept.
    ///
    /// # Errors
    /// When the store cannot be read, or the instruction makes no sense.
    pub async fn forecast(
        self: &Arc<Self>,
        instruction: &Instruction,
        states: &[DeliveryState],
        maps_anew: bool,
        progress: Progress<'_>,
    ) -> Result<Forecast, DeskError> {
        let mut forecast = Forecast::default();
        let mut choice = Choice::new(&*self.reader, instruction, states)?;
        while let Some(mut page) = choice.next().await? {
            if maps_anew {
                page.iter_mut().filter_map(|one| one.delivery.as_mut()).for_each(|one| one.has_output = false);
            }
            for (one, finding) in page.iter().zip(self.all(&page).await?) {
                forecast.chosen += 1;
                match finding {
                    Finding::Passes => forecast.pass += 1,
                    Finding::Kept => forecast.kept += 1,
                    Finding::Waits(reason) => {
                        forecast.wait += 1;
                        count_reason(&mut forecast.reasons, &reason, one.id());
                    }
                    Finding::Fails(reason) | Finding::Moves(reason) => {
                        forecast.fail += 1;
                        count_reason(&mut forecast.reasons, &reason, one.id());
                    }
                }
            }
            progress(forecast.chosen);
        }
        forecast.reasons.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(forecast)
    }
}

/// What is let go of what was tried.
struct Sieve {
    trial: Arc<Trial>,
    only: Only,
    /// Reasons that hold for everything they are given for, by route and destination: a code that is not there is not
    /// there for anybody.
    still: HashSet<(String, String)>,
}

impl Sieve {
    /// The ids of those that may go; the others are counted by their reasons.
    async fn passes(&mut self, page: &[Chosen], report: &mut Report) -> Result<Vec<String>, StoreError> {
        let (mut passing, mut rest) = (Vec::with_capacity(page.len()), page.iter());
        loop {
            // few at a time, so that what holds for all is learnt from some
            let mut some = Vec::with_capacity(FEW);
            for one in rest.by_ref() {
                match (&one.reason, Self::common(one)) {
                    (Some(reason), Some(common)) if self.still.contains(&common) => leave(report, reason, one),
                    _ => some.push(one.clone()),
                }
                if some.len() == FEW {
                    break;
                }
            }
            if some.is_empty() {
                return Ok(passing);
            }
            for (one, finding) in some.iter().zip(self.trial.all(&some).await?) {
                let reason = match finding {
                    Finding::Passes | Finding::Kept => None,
                    Finding::Fails(reason) if self.only == Only::Changed && !is_same(&reason, one) => None,
                    Finding::Moves(_) | Finding::Waits(_) if self.only == Only::Changed && !waits(one) => None,
                    Finding::Fails(reason) | Finding::Waits(reason) | Finding::Moves(reason) => Some(reason),
                };
                match reason {
                    None => passing.push(one.id().to_owned()),
                    Some(reason) => {
                        if is_same(&reason, one) {
                            self.still.extend(Self::common(one));
                        }
                        leave(report, &reason, one);
                    }
                }
            }
        }
    }

    /// What stands for everything held for the same reason on the same way.
    fn common(one: &Chosen) -> Option<(String, String)> {
        let reason = one.reason.as_ref().filter(|reason| matches!(reason.cause.as_str(), "code" | "no-route"))?;
        let way = match &one.delivery {
            Some(delivery) => format!("{} {} {}", delivery.route, delivery.destination, delivery.document),
            None => format!("{} {}", one.system, one.document_type),
        };
        Some((way, reason.text.clone()))
    }
}

fn leave(report: &mut Report, reason: &Reason, one: &Chosen) {
    count_reason(&mut report.reasons, reason, one.id());
    report.left += 1;
}

/// Whether it would be held for the reason it is held for. What was kept says more where a batch's record was parked: its
/// place in the batch stands in front.
fn is_same(reason: &Reason, one: &Chosen) -> bool {
    one.reason.as_ref().is_some_and(|held| held.cause == reason.cause && held.text.ends_with(&reason.text))
}

fn waits(one: &Chosen) -> bool {
    one.delivery.as_ref().is_some_and(|delivery| delivery.state == DeliveryState::Waiting)
}

/// The states a release chooses from: what is held; by the calendar's cause, what it keeps for later.
#[must_use]
pub fn released_states(instruction: &Instruction) -> &'static [DeliveryState] {
    match instruction.query.cause.as_deref() {
        Some("calendar") => &[DeliveryState::Planned],
        _ => HELD,
    }
}

/// The states a replay chooses from: delivered, unless the query names another.
///
/// # Errors
/// When the query names a state that cannot be replayed.
pub fn replayed_states(instruction: &Instruction) -> Result<Vec<DeliveryState>, DeskError> {
    match instruction.query.state.as_deref() {
        None => Ok(vec![DeliveryState::Delivered]),
        Some(word) => match DeliveryState::parse(word) {
            Some(DeliveryState::Planned) | None => {
                let text = format!("deliveries in state `{word}` cannot be replayed");
                Err(DeskError::refused(text, "take delivered, skipped, filtered, parked or waiting"))
            }
            Some(state) => Ok(vec![state]),
        },
    }
}

/// The lane of a replay: that of a held delivery, whose place it takes, or on request; else one of the act's own, so that
/// replays keep their order among themselves and new deliveries do not wait for them.
fn replay_lane(act: &Act, delivery: &ChosenDelivery, in_lane: bool) -> String {
    if in_lane || !delivery.state.is_final() || delivery.lane.is_empty() {
        return delivery.lane.clone();
    }
    format!("{}:{}", act.id, delivery.lane)
}

/// When the next of many is due.
struct Pace {
    start: Timestamp,
    per_second: f64,
    made: u32,
}

impl Pace {
    fn next(&mut self) -> Timestamp {
        let at = self.made;
        self.made = self.made.saturating_add(1);
        if self.per_second <= 0.0 {
            return self.start;
        }
        self.start.plus(std::time::Duration::try_from_secs_f64(f64::from(at) / self.per_second).unwrap_or_default())
    }
}

/// What an instruction chooses, page by page, in accept order.
pub struct Choice<'a> {
    reader: &'a dyn Reader,
    states: &'a [DeliveryState],
    what: What<'a>,
    /// Ids of which nothing is in the states.
    pub missing: Vec<String>,
}

enum What<'a> {
    Ids(&'a [String]),
    Query { filter: Box<MessageFilter>, after: Option<Spot>, is_over: bool },
}

impl<'a> Choice<'a> {
    /// From the beginning.
    ///
    /// # Errors
    /// When the query names a state there is not.
    pub fn new(
        reader: &'a dyn Reader,
        instruction: &'a Instruction,
        states: &'a [DeliveryState],
    ) -> Result<Self, DeskError> {
        let what = if instruction.ids.is_empty() {
            let filter = instruction.query.filter().map_err(|word| {
                let words: Vec<&str> = DeliveryState::ALL.iter().map(|state| state.as_str()).collect();
                DeskError::refused(format!("there is no state `{word}`"), &format!("take {}", words.join(", ")))
            })?;
            What::Query { filter: Box::new(filter), after: None, is_over: false }
        } else {
            What::Ids(&instruction.ids)
        };
        Ok(Self { reader, states, what, missing: Vec::new() })
    }

    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Chosen>>, StoreError> {
        match &mut self.what {
            What::Query { is_over: true, .. } => Ok(None),
            What::Query { filter, after, is_over } => {
                let page = self.reader.select(filter, self.states, *after, PAGE).await?;
                *after = page.last().map(|last| last.spot);
                *is_over = page.len() < PAGE;
                Ok((!page.is_empty()).then_some(page))
            }
            What::Ids([]) => Ok(None),
            What::Ids(ids) => {
                let (some, rest) = ids.split_at(PAGE.min(ids.len()));
                *ids = rest;
                let mut page = Vec::with_capacity(some.len());
                for id in some {
                    let found = match self.reader.message(id).await? {
                        Some(view) => chosen_of(&view, id, self.states),
                        None => Vec::new(),
                    };
                    if found.is_empty() {
                        self.missing.push(id.clone());
                    }
                    page.extend(found);
                }
                page.sort_by_key(|one: &Chosen| one.spot);
                page.dedup_by_key(|one| one.spot);
                Ok(Some(page))
            }
        }
    }
}

/// What an id stands for: a delivery, or a message's deliveries, or a parked message.
fn chosen_of(view: &MessageView, id: &str, states: &[DeliveryState]) -> Vec<Chosen> {
    let message = &view.message;
    let chosen = |position: i64, delivery, reason: &Option<Reason>| Chosen {
        spot: Spot { seq: message.seq, position },
        message: message.id.clone(),
        system: message.system.clone(),
        document_type: message.document_type.clone(),
        business_key: message.business_key.clone(),
        delivery,
        reason: reason.clone(),
    };
    if message.id == id && message.state == MessageState::Parked && states.contains(&DeliveryState::Parked) {
        return vec![chosen(-1, None, &message.reason)];
    }
    let wanted = view.deliveries.iter().filter(|delivery| {
        let is_held = delivery.state == DeliveryState::Planned && delivery.reason.is_some() && states == HELD;
        (is_held || states.contains(&delivery.state)) && (message.id == id || delivery.id == id)
    });
    wanted
        .map(|delivery| {
            let found = ChosenDelivery {
                id: delivery.id.clone(),
                route: delivery.route.clone(),
                destination: delivery.destination.clone(),
                document: delivery.document.clone(),
                lane: delivery.lane.clone(),
                state: delivery.state,
                has_output: delivery.output.is_some(),
                is_replay: delivery.replay_of.is_some(),
            };
            chosen(i64::from(delivery.position), Some(found), &delivery.reason)
        })
        .collect()
}

/// Ids in a line, not without end.
fn asked(ids: &[String]) -> String {
    const MOST: usize = 10;
    let more = ids.len().saturating_sub(MOST);
    let named = ids.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(" ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

fn nothing(id: &str, state: &str) -> Problem {
    Problem::new(code::BAD_INSTRUCTION, format!("nothing of `{id}` {state}"))
}

fn nothing_there(id: &str) -> DeskError {
    DeskError::Store(StoreError::NotFound(Box::new(
        Problem::new(crate::store::NOT_FOUND, format!("there is no message or delivery `{id}`"))
            .hint("ids start with `msg_` or `dlv_`; list them with `crossdock messages list`"),
    )))
}

/// The act by which the hub itself lets things go after content was read.
#[must_use]
pub fn automatic(cause: &str) -> Instruction {
    Instruction {
        verb: Verb::Release { only: Only::Changed },
        by: "crossdock".to_owned(),
        why: "content was read".to_owned(),
        ids: Vec::new(),
        query: Query { cause: Some(cause.to_owned()), ..Query::default() },
    }
}
