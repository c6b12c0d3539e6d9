//! Time and chance as parameters, so that every module below `app` is repeatable in tests.

use std::{fmt, time::Duration};

/// A moment in UTC, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment moved forward; saturates at the end of time.
    #[must_use]
    pub fn plus(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Reads an HTTP date (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, and the two obsolete forms,
    /// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
    #[must_use]
    pub fn of_http_date(text: &str) -> Option<Self> {
        let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
        let moment = forms.iter().find_map(|form| jiff::fmt::strtime::parse(form, text).ok()?.to_datetime().ok())?;
        Some(Self(jiff::tz::TimeZone::UTC.to_timestamp(moment).ok()?.as_microsecond()))
    }

    /// Reads a day in UTC, `2026-11-01`, or a moment of RFC 3339, `2026-11-01T08:00:00+08:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Some(Self(moment.as_microsecond()));
        }
        let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
        Some(Self(
            jiff::tz::TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()?.as_microsecond(),
        ))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0
    }
}

/// RFC 3339 in UTC with microseconds: `2026-11-24T02:05:29.000000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// Where the time comes from. The system's clock exists once, in `app`; tests bring their own.
pub trait Clock: Send + Sync {
    /// The wall clock. May jump; never decides order or duplication.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary start that never jumps; measures delays inside one run.
    fn monotonic(&self) -> Duration;
    /// The wall clock as it stood at the start of the run, moved on by a clock that never jumps: what waits are counted
    /// in, so that a jump of the wall clock moves none of them.
    fn steady(&self) -> Timestamp {
        self.now()
    }
}

/// Where chance comes from: ids and retry jitter.
pub trait Random: Send + Sync {
    /// The next 64 unpredictable bits.
    fn next_u64(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read_in_all_their_forms() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            let shown = Timestamp::of_http_date(text).map(|moment| moment.to_string());
            assert_eq!(shown.as_deref(), Some("1994-11-06T08:49:37.000000Z"), "{text}");
        }
        assert_eq!(Timestamp::of_http_date("soon"), None);
    }

    #[test]
    fn days_and_moments_are_read() {
        for (text, shown) in [
            ("2026-11-01", Some("2026-11-01T00:00:00.000000Z")),
            ("2026-11-01T08:00:00+08:00", Some("2026-11-01T00:00:00.000000Z")),
            ("2026-11-01T08:00:00.5Z", Some("2026-11-01T08:00:00.500000Z")),
            ("2026-13-01", None),
            ("yesterday", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(|moment| moment.to_string()).as_deref(), shown, "{text}");
        }
    }
}
