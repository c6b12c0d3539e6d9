//! Tries held things with the content at hand, without sending and without writing: what would go on, and what still
//! fails, and why.

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use tokio::{runtime::Handle, task::JoinSet};

use super::{Dispatch, Planning, StoredXrefs, code};
use crate::{
    base::{Ids, Limits, Problem, Timestamp},
    catalog::Catalog,
    store::{Chosen, Decision, Hold, MessageInfo, MessageView, NewMessage, Reader, Reason, StoreError, Work},
};

/// What became of a thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It goes on.
    Passes,
    /// Its bytes are made and kept: it goes out as it is.
    Kept,
    /// The message would have deliveries, of which one would be held.
    Moves(Reason),
    /// It would wait for another document.
    Waits(Reason),
    /// It would be held again.
    Fails(Reason),
}

/// A trial of held things.
pub struct Trial {
    /// Where they are.
    pub reader: Arc<dyn Reader>,
    /// The content to try them with.
    pub catalog: Arc<Catalog>,
    /// The limits of documents and evaluation.
    pub limits: Limits,
    /// Ids for plans that are thrown away.
    pub ids: Ids,
    /// The moment it happens.
    pub now: Timestamp,
}

impl Trial {
    /// Tries some, a few at a time, in memory for as many messages as there are processors; in the order given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all(self: &Arc<Self>, chosen: &[Chosen]) -> Result<Vec<Finding>, StoreError> {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let mut findings: Vec<Option<Finding>> = chosen.iter().map(|_| None).collect();
        let mut under_way = JoinSet::new();
        let mut rest = chosen.iter().cloned().enumerate();
        loop {
            while under_way.len() < most
                && let Some((at, one)) = rest.next()
            {
                let this = self.clone();
                under_way.spawn(async move { (at, this.one(one).await) });
            }
            match under_way.join_next().await {
                None => break,
                Some(Ok((at, finding))) => findings[at] = Some(finding?),
                Some(Err(_)) => (),
            }
        }
        Ok(findings.into_iter().map(|finding| finding.unwrap_or_else(unforeseen)).collect())
    }

    async fn one(self: Arc<Self>, chosen: Chosen) -> Result<Finding, StoreError> {
        let Some(view) = self.reader.message(&chosen.message).await? else {
            let problem = Problem::new(code::GONE, format!("message `{}` is not there any more", chosen.message));
            return Ok(Finding::Fails(Reason::of("no-route", &problem)));
        };
        let runtime = Handle::current();
        let tried = tokio::task::spawn_blocking(move || {
            std::panic::catch_unwind(AssertUnwindSafe(|| self.look(&chosen, &view, runtime)))
        });
        tried.await.ok().and_then(Result::ok).unwrap_or_else(|| Ok(unforeseen()))
    }

    /// What would become of a corrected copy of a message.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn copy(self: Arc<Self>, old: &MessageInfo, new: &NewMessage) -> Result<Finding, StoreError> {
        let info = MessageInfo {
            id: new.id.clone(),
            document_type: new.document_type.clone(),
            content_type: new.content_type.clone(),
            attributes: new.attributes.clone(),
            received_at: new.received_at,
            parent: None,
            edited_from: Some(old.id.clone()),
            business_key: None,
            ..old.clone()
        };
        let (bytes, runtime) = (new.bytes.clone(), Handle::current());
        let tried = tokio::task::spawn_blocking(move || {
            let xrefs = StoredXrefs { reader: self.reader.clone(), runtime };
            std::panic::catch_unwind(AssertUnwindSafe(|| self.whole(&info, &bytes, &xrefs)))
        });
        tried.await.ok().and_then(Result::ok).unwrap_or_else(|| Ok(unforeseen()))
    }

    fn look(&self, chosen: &Chosen, view: &MessageView, runtime: Handle) -> Result<Finding, StoreError> {
        let xrefs = StoredXrefs { reader: self.reader.clone(), runtime };
        let Some(bytes) = &view.bytes else {
            let problem = Problem::new(code::GONE, "retention has removed the message's bytes");
            return Ok(Finding::Fails(Reason::of("no-route", &problem)));
        };
        if let Some(delivery) = &chosen.delivery {
            let (route, destination, document) = (&delivery.route, &delivery.destination, &delivery.document);
            return self.map(&view.message, bytes, (route, destination, document), delivery.has_output, &xrefs);
        }
        self.whole(&view.message, bytes, &xrefs)
    }

    /// What would become of a message that is not decided upon.
    fn whole(&self, info: &MessageInfo, bytes: &Bytes, xrefs: &StoredXrefs) -> Result<Finding, StoreError> {
        let planning = Planning { catalog: &self.catalog, limits: &self.limits, ids: &self.ids, now: self.now };
        let plan = planning.plan(&Work { message: info.clone(), bytes: bytes.clone(), exhausted: false });
        let deliveries = match plan.decision {
            Decision::Park(reason) => return Ok(Finding::Fails(reason)),
            Decision::Filter { .. } | Decision::Split(_) => return Ok(Finding::Passes),
            Decision::Deliver(deliveries) => deliveries,
        };
        let message = &MessageInfo {
            business_key: plan.business_key.or_else(|| info.business_key.clone()),
            site: plan.site.or_else(|| info.site.clone()),
            document_type: plan.document_type.unwrap_or_else(|| info.document_type.clone()),
            ..info.clone()
        };
        for delivery in deliveries {
            let place = (&*delivery.route, &*delivery.destination, &*delivery.document);
            match self.map(message, bytes, place, false, xrefs)? {
                Finding::Fails(reason) => return Ok(Finding::Moves(reason)),
                Finding::Passes => {}
                other => return Ok(other),
            }
        }
        Ok(Finding::Passes)
    }

    fn map(
        &self,
        message: &MessageInfo,
        bytes: &[u8],
        (route, destination, document): (&str, &str, &str),
        has_output: bool,
        xrefs: &StoredXrefs,
    ) -> Result<Finding, StoreError> {
        let Some(system) = self.catalog.system(destination).filter(|system| system.sink.is_some()) else {
            let problem = Problem::new(code::GONE, format!("system `{destination}` has no way out any more"));
            return Ok(Finding::Fails(Reason::of("no-route", &problem)));
        };
        if has_output {
            return Ok(Finding::Kept);
        }
        let dispatch =
            Dispatch { catalog: &self.catalog, message, bytes, route, document, system, xrefs, limits: &self.limits };
        let hold = match dispatch.map() {
            Ok(_) => return Ok(Finding::Passes),
            Err(stop) => stop.into_hold()?,
        };
        Ok(match hold {
            Hold::Wait { reason, .. } => Finding::Waits(reason),
            Hold::Park { reason } => Finding::Fails(reason),
            Hold::Later { .. } | Hold::Filter { .. } => Finding::Passes,
        })
    }
}

fn unforeseen() -> Finding {
    let problem = Problem::new(code::POISON, "mapping this message failed in a way the program did not foresee");
    Finding::Fails(Reason::of("poison", &problem))
}
