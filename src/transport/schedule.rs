//! When a source looks: a cron pattern in a time zone.

use std::{str::FromStr as _, time::Duration};

use croner::Cron;
use croner_jiff::{Timestamp as Instant, Zoned, tz::TimeZone};

use super::code;
use crate::base::{Problem, Timestamp};

/// A moment older than this was missed.
const LATE: Duration = Duration::from_secs(60);

/// What becomes of moments that passed while nobody was there to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Missed {
    /// One run for all of them.
    #[default]
    Once,
    /// A run for each.
    All,
    /// None; that they were missed is recorded.
    Skip,
}

/// A moment that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The moment.
    pub at: Timestamp,
    /// Whether it was missed and is not to be run any more.
    pub is_skipped: bool,
}

/// A cron pattern in a time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    text: String,
    missed: Missed,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.missed) == (&other.text, other.missed)
    }
}

impl Eq for Schedule {}

impl Schedule {
    /// Reads a pattern (minute, hour, day, month, weekday; with seconds before them when there are six) and the name of a
    /// time zone.
    ///
    /// # Errors
    /// `XD-T012`: the pattern or the zone is not known, or the pattern never comes.
    pub fn new(cron: &str, zone: &str, missed: Missed) -> Result<Self, Problem> {
        let unusable = |text: String| Problem::new(code::BAD_SETTINGS, text);
        let parsed = Cron::from_str(cron).map_err(|error| {
            unusable(format!("the cron pattern `{cron}` cannot be read: {error}"))
                .hint("as in `30 2 * * *`, daily at 2:30")
        })?;
        let zone_found = TimeZone::get(zone)
            .map_err(|_| unusable(format!("there is no time zone `{zone}`")).hint("as in `Asia/Shanghai` or `UTC`"))?;
        let schedule = Self { cron: parsed, zone: zone_found, text: format!("{cron} {zone}"), missed };
        if schedule.after(Timestamp(0)).is_none() {
            return Err(unusable(format!("the cron pattern `{cron}` never comes")));
        }
        Ok(schedule)
    }

    /// The next moment after one.
    #[must_use]
    pub fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&self.zoned(moment)?, false).ok()?;
        Some(Timestamp(next.timestamp().as_microsecond()))
    }

    /// The last moment up to one, itself included.
    fn up_to(&self, moment: Timestamp) -> Option<Timestamp> {
        let last = self.cron.find_previous_occurrence(&self.zoned(moment)?, true).ok()?;
        Some(Timestamp(last.timestamp().as_microsecond()))
    }

    /// What is due at `now`, when everything up to `since` was run.
    #[must_use]
    pub fn due(&self, since: Timestamp, now: Timestamp) -> Option<Due> {
        let at = match self.missed {
            Missed::All => self.after(since).filter(|next| *next <= now)?,
            Missed::Once | Missed::Skip => self.up_to(now).filter(|last| *last > since)?,
        };
        let is_late = u128::from(now.micros().abs_diff(at.micros())) > LATE.as_micros();
        Some(Due { at, is_skipped: is_late && self.missed == Missed::Skip })
    }

    fn zoned(&self, moment: Timestamp) -> Option<Zoned> {
        Some(Instant::from_microsecond(moment.micros()).ok()?.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Missed, Schedule};
    use crate::base::Timestamp;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<croner_jiff::Timestamp>().expect("a moment").as_microsecond())
    }

    #[test]
    fn moments_come_by_the_clock_on_the_wall_of_their_zone() {
        let daily = |zone| Schedule::new("30 2 * * *", zone, Missed::Once).expect("a schedule");
        for (zone, from, next) in [
            ("Asia/Shanghai", "2024-03-01T00:00:00Z", "2024-03-01T18:30:00Z"),
            ("UTC", "2024-03-01T02:30:00Z", "2024-03-02T02:30:00Z"),
            ("UTC", "2024-03-01T02:29:59Z", "2024-03-01T02:30:00Z"),
            ("Europe/Berlin", "2024-03-30T12:00:00Z", "2024-03-31T01:00:00Z"),
            ("Europe/Berlin", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z"),
            ("Europe/Berlin", "2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"),
        ] {
            let found = daily(zone).after(at(from)).expect("it comes");
            assert_eq!(found.to_string(), at(next).to_string(), "{zone} after {from}");
        }
    }

    #[test]
    fn missed_moments_are_run_once_each_or_not_as_set() {
        let hourly = |missed| Schedule::new("0 * * * *", "UTC", missed).expect("a schedule");
        let (since, now) = (at("2024-03-01T01:00:00Z"), at("2024-03-01T04:10:00Z"));
        let due = |text, is_skipped| Some(Due { at: at(text), is_skipped });
        assert_eq!(hourly(Missed::Once).due(since, now), due("2024-03-01T04:00:00Z", false));
        assert_eq!(hourly(Missed::All).due(since, now), due("2024-03-01T02:00:00Z", false));
        assert_eq!(hourly(Missed::Skip).due(since, now), due("2024-03-01T04:00:00Z", true));
        let sharp = at("2024-03-01T04:00:30Z");
        assert_eq!(hourly(Missed::Skip).due(since, sharp), due("2024-03-01T04:00:00Z", false));
        for missed in [Missed::Once, Missed::All, Missed::Skip] {
            assert_eq!(hourly(missed).due(at("2024-03-01T04:00:00Z"), now), None);
        }
    }

    #[test]
    fn patterns_and_zones_that_cannot_be_are_refused() {
        for (cron, zone) in
            [("", "UTC"), ("61 * * * *", "UTC"), ("* * *", "UTC"), ("0 0 30 2 *", "UTC"), ("0 0 * * *", "Mars/Base")]
        {
            assert!(Schedule::new(cron, zone, Missed::Once).is_err(), "{cron} {zone}");
        }
    }
}
