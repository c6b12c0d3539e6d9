//! What an answer means: the transport's word first, then, on its "delivered", the profile's.

use std::time::Duration;

use super::{Facts, RunHost, breaker::Contact, code};
use crate::{
    base::{Code, Limits},
    catalog::{Catalog, System},
    document::Document,
    format::{ReadOptions, Syntax, charset_of_media_type, read},
    profile::{Meaning, Outcome as ReplyOutcome, Profile, StatusMeaning},
    store::{AttemptOutcome, Leased, NewXref, Output},
    transport::{
        Answer,
        outcome::{Outcome, of_answer, wish},
    },
};

/// What an answer comes to.
#[derive(Debug)]
pub(super) struct Verdict {
    pub outcome: AttemptOutcome,
    /// One sentence for people.
    pub why: String,
    /// When the partner wishes to be asked again.
    pub after: Option<Duration>,
    pub xref: Option<NewXref>,
    /// The code of a refusal.
    pub code: Code,
    /// The address is gone: the destination gets nothing more.
    pub gone: bool,
}

impl Verdict {
    pub fn of(outcome: AttemptOutcome, why: impl Into<String>) -> Self {
        Self { outcome, why: why.into(), after: None, xref: None, code: code::REJECTED, gone: false }
    }

    /// What it says about the destination's health.
    pub fn contact(&self) -> Contact {
        match self.outcome {
            _ if self.gone => Contact::Answered,
            AttemptOutcome::Delivered | AttemptOutcome::Rejected => Contact::Answered,
            AttemptOutcome::Retry | AttemptOutcome::Unknown => Contact::Failed { wished: self.after },
        }
    }
}

/// What is needed to understand an answer.
#[derive(Clone, Copy)]
pub(super) struct Understanding<'a> {
    pub catalog: &'a Catalog,
    pub system: &'a System,
    pub leased: &'a Leased,
    pub limits: &'a Limits,
}

impl Understanding<'_> {
    /// What the answer to a delivery means.
    pub fn of_delivery(&self, output: &Output, answer: &Answer) -> Verdict {
        let Self { catalog, system, leased, limits } = *self;
        let profile = catalog.profile(&system.profile);
        let mut verdict = self.of_transport(profile.map(|profile| &**profile), answer);
        let (AttemptOutcome::Delivered, Answer::Response { body, content_type, .. }) = (verdict.outcome, answer) else {
            return verdict;
        };
        let Some(profile) = profile.filter(|profile| profile.reads_replies()) else { return verdict };
        let facts = Facts::of(&leased.message);
        let host = RunHost::new(catalog, &facts, system, &());
        let reply = self.read_reply(content_type.as_deref(), body);
        let meaning = profile.read_reply(&output.document_type, reply.as_ref(), &host, limits);
        let Meaning { outcome, reason, xref } = meaning.unwrap_or_else(|failure| Meaning {
            outcome: ReplyOutcome::Unknown,
            reason: Some(format!("the reply could not be judged: {failure}")),
            xref: None,
        });
        verdict.why = reason.unwrap_or_default();
        verdict.outcome = match outcome {
            ReplyOutcome::Delivered => AttemptOutcome::Delivered,
            ReplyOutcome::Rejected => AttemptOutcome::Rejected,
            ReplyOutcome::Retry => AttemptOutcome::Retry,
            ReplyOutcome::Unknown => AttemptOutcome::Unknown,
            ReplyOutcome::Duplicate if leased.unknown_before => {
                verdict.why = format!("arrived with an earlier attempt: {}", verdict.why);
                AttemptOutcome::Delivered
            }
            ReplyOutcome::Duplicate => {
                verdict.code = code::NUMBER_TAKEN;
                AttemptOutcome::Rejected
            }
        };
        if verdict.outcome == AttemptOutcome::Delivered {
            verdict.xref = self.xref(xref);
        }
        verdict
    }

    /// The cross reference that a partner's id for the document makes.
    pub fn xref(&self, learnt: Option<(String, String)>) -> Option<NewXref> {
        let (entity, target_id) = learnt?;
        let source_id = self.leased.message.business_key.as_deref()?;
        let facts = Facts::of(&self.leased.message);
        let host = RunHost::new(self.catalog, &facts, self.system, &());
        Some(NewXref { key: host.xref_key(&entity, source_id, None), target_id })
    }

    /// The transport's word, with the meanings that the system or its profile gives to statuses.
    fn of_transport(&self, profile: Option<&Profile>, answer: &Answer) -> Verdict {
        let own = match answer {
            Answer::Response { status: Some(status), retry_after, .. } => {
                let own = self.system.delivery.outcomes.of(*status);
                let meaning = own.or_else(|| profile?.statuses().of(*status));
                meaning.map(|meaning| (meaning, *retry_after, format!("the partner answered {status}")))
            }
            _ => None,
        };
        let Some((meaning, retry_after, why)) = own else {
            return match of_answer(answer) {
                Outcome::Delivered => Verdict::of(AttemptOutcome::Delivered, ""),
                Outcome::Retry { after, why } => Verdict { after, ..Verdict::of(AttemptOutcome::Retry, why) },
                Outcome::Reject { why } => Verdict::of(AttemptOutcome::Rejected, why),
                Outcome::Gone { why } => Verdict { gone: true, ..Verdict::of(AttemptOutcome::Retry, why) },
                Outcome::Unknown { why } => Verdict::of(AttemptOutcome::Unknown, why),
            };
        };
        let after = wish(retry_after);
        match meaning {
            StatusMeaning::Delivered => Verdict::of(AttemptOutcome::Delivered, ""),
            StatusMeaning::Retry => Verdict { after, ..Verdict::of(AttemptOutcome::Retry, why) },
            StatusMeaning::Rejected => Verdict::of(AttemptOutcome::Rejected, why),
            StatusMeaning::Unknown => Verdict { after, ..Verdict::of(AttemptOutcome::Unknown, why) },
            StatusMeaning::Gone => Verdict { gone: true, ..Verdict::of(AttemptOutcome::Retry, why) },
        }
    }

    /// The reply as a document. Partners often name no character set: when the bytes are not what they seem, the one we
    /// speak to the system in is tried.
    pub fn read_reply(&self, content_type: Option<&str>, body: &[u8]) -> Option<Document> {
        let syntax = Syntax::sniff(None, body).or_else(|| Syntax::sniff(content_type, body))?;
        let named = content_type.and_then(charset_of_media_type).and_then(Result::ok);
        [named, None, Some(self.system.encoding.charset)].into_iter().find_map(|charset| {
            let options = ReadOptions { limits: self.limits.clone(), charset, ..ReadOptions::default() };
            read(body, syntax, &options).ok().map(|reading| reading.document)
        })
    }
}
