//! Asks a partner whether it has a document that may have arrived, before the document is sent again.

use super::{
    Facts, Hub, RunHost,
    gate::read_output,
    understand::{Understanding, Verdict},
};
use crate::{
    catalog::{Catalog, System},
    format::{WriteOptions, write},
    profile::Finding,
    store::{AttemptOutcome, Leased, Output},
    transport::{Answer, Inquiry, Sink, outcome::LONGEST_WAIT},
};

/// What asking came to.
pub(super) enum ReadBack {
    /// The partner does not have it, or cannot be asked: it is to be sent.
    Send,
    /// It has it, or nobody knows yet: an attempt, with the partner's answer.
    Settled(Box<Verdict>, Answer),
}

/// Asks the partner, when its profile knows how.
pub(super) async fn read_back(
    hub: &Hub,
    catalog: &Catalog,
    system: &System,
    leased: &Leased,
    output: &Output,
    sink: &dyn Sink,
) -> ReadBack {
    let Some((inquiry, key)) = inquiry(hub, catalog, system, leased, output) else { return ReadBack::Send };
    let answer = sink.ask(&inquiry).await;
    let not_sure = |why: &str| Verdict::of(AttemptOutcome::Unknown, format!("asked whether it has it: {why}"));
    let verdict = match &answer {
        Answer::Response { status, content_type, body, retry_after } => {
            let understanding = Understanding { catalog, system, leased, limits: &hub.limits };
            let reply = understanding.read_reply(content_type.as_deref(), body);
            let facts = Facts::of(&leased.message);
            let host = RunHost::new(catalog, &facts, system, &());
            let judged = catalog.profile(&system.profile).map(|profile| {
                let status = status.unwrap_or(200);
                profile.read_finding(&output.document_type, &key, (status, reply.as_ref()), &host, &hub.limits)
            });
            match judged {
                Some(Ok(Finding::NotFound)) => return ReadBack::Send,
                Some(Ok(Finding::Found { xref })) => Verdict {
                    xref: understanding.xref(xref),
                    ..Verdict::of(
                        AttemptOutcome::Delivered,
                        "the partner was asked and has it: it arrived with an earlier attempt, and was not sent again",
                    )
                },
                Some(Err(failure)) => not_sure(&format!("the answer cannot be judged: {failure}")),
                Some(Ok(Finding::NotSure)) | None => {
                    let text = format!("its answer says neither yes nor no (status {})", status.unwrap_or_default());
                    Verdict { after: retry_after.map(|wish| wish.min(LONGEST_WAIT)), ..not_sure(&text) }
                }
            }
        }
        Answer::Refused { .. } => return ReadBack::Send,
        Answer::NotSent { why } | Answer::Unknown { why } | Answer::Unroutable { why } => not_sure(why),
        Answer::Confirmed => not_sure("it gave no answer"),
    };
    ReadBack::Settled(Box::new(verdict), answer)
}

/// The question about a document that was sent; `None` when there is none to ask.
fn inquiry(
    hub: &Hub,
    catalog: &Catalog,
    system: &System,
    leased: &Leased,
    output: &Output,
) -> Option<(Inquiry, String)> {
    let profile = catalog.profile(&system.profile).filter(|profile| profile.asks_back(&output.document_type))?;
    let told = |why: String| {
        let (delivery, message_id) = (&leased.id, &leased.message.id);
        tracing::warn!(delivery, message_id, "the partner cannot be asked whether it has it: {why}");
    };
    let sent = read_output(catalog, system, output, hub).map_err(told).ok()?;
    let facts = Facts::of(&leased.message);
    let host = RunHost::new(catalog, &facts, system, &());
    let asked = profile.ask_back(&output.document_type, &sent, &host, &hub.limits);
    let asked = asked.map_err(|failure| told(failure.to_string())).ok()??;
    let encoding = &system.encoding;
    let options = WriteOptions {
        charset: encoding.charset,
        unmappable: encoding.unmappable,
        convention: encoding.convention,
        arrays: encoding.arrays.clone(),
        ..WriteOptions::default()
    };
    let bytes = match &asked.body {
        Some(body) => write(body, encoding.syntax, &options).map_err(|problem| told(problem.text)).ok()?,
        None => Vec::new(),
    };
    let content_type = asked.body.is_some().then(|| encoding.media_type());
    Some((Inquiry { method: asked.method, url: asked.url, content_type, bytes: bytes.into() }, asked.key))
}
