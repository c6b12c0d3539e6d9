//! The life of a message, from arrival to answer: [`intake`](Intake) → [`transform`] → [`deliver`].
//!
//! It stands apart as the one place that knows the order of the steps. It knows `Store`, `Sink` and `Catalog` and never
//! a database or a broker. Two rules hold it together: a sender is told "accepted" only after the store returned, and a
//! partner gets a payload only after the store keeps exactly those bytes. A new step gets a file named by its verb.

mod breaker;
mod cause;
mod code;
mod decode;
mod deliver;
mod desk;
mod gate;
mod host;
mod instruction;
mod intake;
mod map;
mod marks;
mod policy;
mod pressure;
mod read_back;
mod relay;
mod retry;
mod schedule;
mod transform;
mod trial;
mod understand;
mod validate;

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

pub use breaker::{Breaker, BreakerRules, Contact, Turn};
pub use cause::{CAUSES, Cause, EndedBy, ended_by_content};
pub use code::{BAD_INSTRUCTION, CODES, NOT_IDENTIFIED};
pub use decode::{Content, Decoded, Part, Received, decode, open, resolve_type};
pub use deliver::Delivering;
pub use desk::{Choice, Desk, DeskError, HELD, automatic, released_states, replayed_states};
pub use gate::CALENDAR;
pub use host::{Facts, RuleHost, RunHost, StoredXrefs, Xml, Xrefs};
pub use instruction::{Failure, Forecast, Group, Instruction, Only, Query, ReplayMapping, Report, Verb};
pub use intake::JournalIntake;
pub use map::{Dispatch, Mapped, Stop};
pub use marks::StoredMarks;
pub use policy::Policy;
pub use pressure::{Backlog, Closed, Pressure};
pub use relay::RelayIntake;
pub use retry::RetrySchedule;
pub use schedule::Scheduling;
pub use transform::{Planning, Transforming};
pub use trial::{Finding, Trial};
pub use validate::{Direction, Judgement, judge, violations};

use crate::{
    base::{Clock, Ids, Limits, Random},
    catalog::Catalog,
    store::Store,
    transport::Sink,
};

/// What every step works with.
#[derive(Clone)]
pub struct Hub {
    /// The checked set in force; swapped whole.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// What survives a crash.
    pub store: Arc<dyn Store>,
    /// The ways out, by system.
    pub sinks: watch::Receiver<Arc<BTreeMap<String, Arc<dyn Sink>>>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Ids.
    pub ids: Ids,
    /// What a document may ask for.
    pub limits: Limits,
}

impl Hub {
    /// The checked set in force now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.borrow().clone()
    }

    /// The way out to a system.
    #[must_use]
    pub fn sink(&self, system: &str) -> Option<Arc<dyn Sink>> {
        self.sinks.borrow().get(system).cloned()
    }
}
