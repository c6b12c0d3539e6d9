//! Retention in the background: a little at a time, with pauses, so that delivery has the store for itself.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    base::Timestamp,
    config::Retention,
    pipeline::Hub,
    store::{Cut, Purged},
};

/// Things of each kind taken away in one transaction.
const AT_ONCE: usize = 100;

/// Between two transactions of one sweep.
const PAUSE: Duration = Duration::from_millis(200);

/// Between two sweeps, at most.
const EVERY: Duration = Duration::from_secs(600);

/// Takes away what is older than the settings say, until `shutdown`.
pub async fn retain(hub: Hub, settings: Retention, shutdown: CancellationToken) {
    let mut sweep = Purged::default();
    loop {
        let now = hub.clock.now();
        let catalog = hub.catalog();
        let own = catalog.systems().filter_map(|system| Some((system.id.clone(), system.remember_keys?)));
        let cut = cut(&settings, own, now);
        let wait = match hub.store.purge(&cut, AT_ONCE, now).await {
            Ok(purged) => {
                sweep = Purged {
                    payloads: sweep.payloads + purged.payloads,
                    attempts: sweep.attempts + purged.attempts,
                    records: sweep.records + purged.records,
                    keys: sweep.keys + purged.keys,
                    more: purged.more,
                };
                if purged.more { PAUSE } else { tell(&std::mem::take(&mut sweep), &settings) }
            }
            Err(error) => {
                tracing::warn!(code = error.problem().code.id, "retention pauses: {}", error.problem().text);
                EVERY
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(wait) => {}
        }
    }
}

/// What may go at a moment; a time of zero keeps for good.
fn cut(settings: &Retention, own: impl Iterator<Item = (String, Duration)>, now: Timestamp) -> Cut {
    let before = |kept: Duration| {
        let micros = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        (!kept.is_zero()).then(|| Timestamp(now.micros().saturating_sub(micros)))
    };
    Cut {
        payloads: before(settings.payloads),
        attempts: before(settings.attempts),
        records: before(settings.records),
        keys: before(settings.keys),
        keys_of: own.map(|(system, kept)| (system, before(kept))).collect(),
    }
}

/// The end of a sweep; how long until the next. Short times, as in a trial, are swept more often.
fn tell(sweep: &Purged, settings: &Retention) -> Duration {
    let Purged { payloads, attempts, records, keys, .. } = *sweep;
    if payloads + attempts + records + keys > 0 {
        tracing::info!(payloads, attempts, records, keys, "retention took away what was old enough");
    }
    let times = [settings.payloads, settings.attempts, settings.records, settings.keys];
    let shortest = times.into_iter().filter(|time| !time.is_zero()).min().unwrap_or(EVERY);
    (shortest / 10).clamp(Duration::from_secs(1), EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_zero_keeps_for_good_and_systems_have_their_own() {
        let day = Duration::from_secs(86_400);
        let settings = Retention { payloads: day, attempts: Duration::ZERO, records: day * 2, keys: day };
        let now = Timestamp(10 * 86_400 * 1_000_000);
        let own = [("crm".to_owned(), day * 3), ("dms".to_owned(), Duration::ZERO)].into_iter();
        let cut = cut(&settings, own, now);
        let days = |moment: Option<Timestamp>| moment.map(|moment| moment.micros() / (86_400 * 1_000_000));
        assert_eq!([cut.payloads, cut.attempts, cut.records, cut.keys].map(days), [Some(9), None, Some(8), Some(9)]);
        assert_eq!(["crm", "dms", "other"].map(|system| days(cut.keys_of(system))), [Some(7), None, Some(9)]);
    }
}
