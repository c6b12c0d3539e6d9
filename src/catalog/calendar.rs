//! Calendars: when a system takes documents, and which fiscal periods are closed; from `calendars/*.yaml`.

use std::{cell::RefCell, sync::Arc};

use jiff::{
    ToSpan as _,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

use super::code;
use crate::{
    base::{Problem, Problems, Timestamp},
    content::{Fields, Yaml},
};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Days looked ahead for an opening; a calendar that has none is looked at again then.
const HORIZON: i64 = 400;

/// When documents are taken. Moments are those of the wall clock, in the calendar's time zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    name: String,
    zone: TimeZone,
    /// Open at these times of the week; at all times without any.
    hours: Vec<Window>,
    /// Closed at these times of the week.
    quiet: Vec<Window>,
    /// Closed all day.
    closed: Vec<Days>,
    /// Worked although it is a weekend: these count as Mondays.
    work: Vec<Days>,
    /// Posting dates nobody may use.
    periods: Vec<Days>,
    /// The last posting date of everything that is closed for good.
    closed_through: Option<Date>,
}

/// Why nothing is taken, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The next opening.
    pub until: Timestamp,
    /// Which rule, and the opening as people there say it.
    pub why: String,
}

/// A time of the week: from a minute of the day to another one of the same day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// Monday first.
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl Window {
    fn contains(&self, weekday: Weekday, minute: u16) -> bool {
        self.days[index(weekday)] && (self.from..self.to).contains(&minute)
    }
}

/// Days from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Days {
    first: Date,
    last: Date,
}

impl Days {
    /// Reads `2026-10-01`, `2026-10` or two of them with `/` between.
    fn parse(text: &str) -> Option<Self> {
        let one = |text: &str| -> Option<Self> {
            if text.len() == 7 {
                let first: Date = format!("{text}-01").parse().ok()?;
                return Some(Self { first, last: first.last_of_month() });
            }
            let day: Date = text.parse().ok().filter(|_| text.len() == 10)?;
            Some(Self { first: day, last: day })
        };
        match text.split_once('/') {
            Some((from, to)) => {
                let days = Self { first: one(from.trim())?.first, last: one(to.trim())?.last };
                (days.first <= days.last).then_some(days)
            }
            None => one(text),
        }
    }

    fn contain(self, day: Date) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

fn index(weekday: Weekday) -> usize {
    usize::try_from(weekday.to_monday_zero_offset()).unwrap_or_default()
}

impl Calendar {
    /// Reads a calendar; every problem goes to `problems`.
    #[must_use]
    pub(super) fn read(node: &Yaml, file: &Arc<str>, stem: &str, problems: &RefCell<Problems>) -> Self {
        let fields = Fields::new(node, file, problems);
        let name = fields.text("calendar").unwrap_or(stem).to_owned();
        super::check_name(&name, node, file, problems);
        drop(super::Titles::read(&fields));
        let zone = fields.required_text("zone").and_then(|zone| match TimeZone::get(zone) {
            Ok(found) => Some(found),
            Err(_) => {
                let text = format!("there is no time zone `{zone}`");
                let place = fields.get("zone").map(|value| value.place(file)).unwrap_or_default();
                fields.report(Problem::new(code::CALENDAR, text).at(place).hint("write it as in `Asia/Shanghai`"));
                None
            }
        });
        let (hours, quiet) = (windows("hours", &fields), windows("quiet", &fields));
        let (closed, work) = (days("closed", &fields), days("work", &fields));
        let (mut periods, mut closed_through) = (Vec::new(), None);
        if let Some(block) = fields.block("periods") {
            periods = days("closed", &block);
            closed_through = block.get("closed-through").and_then(|value| day(value, &block)).map(|days| days.last);
            block.finish();
        }
        fields.finish();
        let zone = zone.unwrap_or(TimeZone::UTC);
        let calendar = Self { name, zone, hours, quiet, closed, work, periods, closed_through };
        if !calendar.ever_opens() {
            let text = format!("calendar `{}` never opens", calendar.name);
            problems.borrow_mut().push(Problem::new(code::CALENDAR, text).at(node.place(file)));
        }
        calendar
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether any posting dates are closed.
    #[must_use]
    pub fn has_periods(&self) -> bool {
        self.closed_through.is_some() || !self.periods.is_empty()
    }

    /// Whether a posting date, `YYYY-MM-DD` perhaps with a time behind it, lies in a closed period; `None` when it is no
    /// date.
    #[must_use]
    pub fn is_period_closed(&self, day: &str) -> Option<bool> {
        let day: Date = day.get(..10)?.parse().ok()?;
        let through = self.closed_through.is_some_and(|last| day <= last);
        Some(through || self.periods.iter().any(|period| period.contain(day)))
    }

    /// Why nothing is taken at a moment; `None` when it is.
    #[must_use]
    pub fn closure(&self, now: Timestamp) -> Option<Closure> {
        let now = jiff::Timestamp::from_microsecond(now.micros()).ok()?;
        let why = self.shut(self.zone.to_datetime(now))?;
        let opening = self.opening(now);
        let until = Timestamp(opening.as_microsecond());
        let shown = self.zone.to_datetime(opening).strftime("%Y-%m-%d %H:%M").to_string();
        let zone = self.zone.iana_name().unwrap_or("UTC");
        Some(Closure { until, why: format!("calendar `{}`: {why}, until {shown} ({zone})", self.name) })
    }

    /// Why it is closed at a moment.
    fn shut(&self, at: DateTime) -> Option<String> {
        let day = at.date();
        if self.closed.iter().any(|days| days.contain(day)) {
            return Some(format!("closed on {day}"));
        }
        let is_work = self.work.iter().any(|days| days.contain(day));
        let weekday = if is_work { Weekday::Monday } else { day.weekday() };
        let minute = u16::try_from(i16::from(at.hour()) * 60 + i16::from(at.minute())).unwrap_or_default();
        if !self.hours.is_empty() && !self.hours.iter().any(|window| window.contains(weekday, minute)) {
            return Some("outside its hours".to_owned());
        }
        let quiet = self.quiet.iter().any(|window| window.contains(weekday, minute));
        quiet.then(|| "a quiet time".to_owned())
    }

    /// The next moment that is not closed, or the end of the horizon.
    fn opening(&self, now: jiff::Timestamp) -> jiff::Timestamp {
        let mut minutes: Vec<u16> =
            self.hours.iter().chain(&self.quiet).flat_map(|window| [window.from, window.to]).collect();
        minutes.push(0);
        minutes.retain(|minute| *minute < DAY);
        minutes.sort_unstable();
        minutes.dedup();
        let today = self.zone.to_datetime(now).date();
        for ahead in 0..=HORIZON {
            let Ok(day) = today.checked_add(ahead.days()) else { break };
            for time in minutes.iter().copied().filter_map(clock_time) {
                // A time the clocks leap over is the one as long after it.
                let Ok(at) = self.zone.to_timestamp(day.to_datetime(time)) else { continue };
                if at > now && self.shut(self.zone.to_datetime(at)).is_none() {
                    return at;
                }
            }
        }
        now.checked_add((24 * HORIZON).hours()).unwrap_or(now)
    }

    /// Whether there is a time of the week at which documents are taken.
    fn ever_opens(&self) -> bool {
        let open = |at| self.shut(self.zone.to_datetime(at)).is_none();
        open(jiff::Timestamp::UNIX_EPOCH) || open(self.opening(jiff::Timestamp::UNIX_EPOCH))
    }
}

fn clock_time(minute: u16) -> Option<Time> {
    Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()
}

fn wrong(value: &Yaml, fields: &Fields<'_>, text: String, hint: &str) {
    fields.report(Problem::new(code::CALENDAR, text).at(value.place(fields.file())).hint(hint));
}

fn days(key: &'static str, fields: &Fields<'_>) -> Vec<Days> {
    fields.list(key).into_iter().filter_map(|value| day(value, fields)).collect()
}

fn day(value: &Yaml, fields: &Fields<'_>) -> Option<Days> {
    let text = value.text().unwrap_or_default();
    let found = Days::parse(text);
    if found.is_none() {
        let hint = "write `2026-10-01`, `2026-10` or `2026-10-01/2026-10-07`";
        wrong(value, fields, format!("`{text}` is neither a day, a month nor days from one to another"), hint);
    }
    found
}

fn windows(key: &'static str, fields: &Fields<'_>) -> Vec<Window> {
    let mut found = Vec::new();
    for value in fields.list(key) {
        let window = Fields::new(value, fields.file(), fields.problems());
        let listed = window.list("days");
        let mut weekdays = [listed.is_empty(); 7];
        for value in listed {
            match weekdays_of(value.text().unwrap_or_default()) {
                Some(days) => weekdays.iter_mut().zip(days).for_each(|(day, more)| *day |= more),
                None => {
                    let text = format!("`{}` is no day of the week", value.text().unwrap_or_default());
                    wrong(value, &window, text, "write `mon`, `mon-fri`, `sat`, …");
                }
            }
        }
        let minute = |key, default| match window.get(key) {
            None => Some(default),
            Some(value) => {
                let minute = minute_of(value.text().unwrap_or_default());
                if minute.is_none() {
                    let text = format!("`{}` is no time of the day", value.text().unwrap_or_default());
                    wrong(value, &window, text, "write \"08:30\", in quotes; \"24:00\" is the end of the day");
                }
                minute
            }
        };
        let (from, to) = (minute("from", 0), minute("to", DAY));
        window.finish();
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from < to {
            found.push(Window { days: weekdays, from, to });
            continue;
        }
        // over midnight: the evening of its days and the morning after
        let mut mornings = weekdays;
        mornings.rotate_right(1);
        found.push(Window { days: weekdays, from, to: DAY });
        found.push(Window { days: mornings, from: 0, to });
    }
    found
}

/// `08:30` as minutes of the day.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

/// `mon`, `mon-fri` or `sat-mon` as days of the week, Monday first.
fn weekdays_of(text: &str) -> Option<[bool; 7]> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let at = |name: &str| NAMES.iter().position(|known| *known == name);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (at(first)?, at(last)?),
        None => (at(text)?, at(text)?),
    };
    let mut days = [false; 7];
    let mut day = first;
    days[day] = true;
    while day != last {
        day = (day + 1) % 7;
        days[day] = true;
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::parse;

    fn read(text: &str) -> (Calendar, Vec<String>) {
        let file: Arc<str> = "calendars/finance.yaml".into();
        let root = parse(text, &file).expect("good YAML");
        let problems = RefCell::default();
        let calendar = Calendar::read(&root, &file, "finance", &problems);
        let shown = problems.borrow().0.iter().map(ToString::to_string).collect();
        (calendar, shown)
    }

    #[track_caller]
    fn good(text: &str) -> Calendar {
        let (calendar, problems) = read(text);
        assert!(problems.is_empty(), "{problems:?}");
        calendar
    }

    /// What a calendar says at moments, each with the next opening or `open`.
    #[track_caller]
    fn expect(calendar: &Calendar, cases: &[(&str, &str)]) {
        for (now, expected) in cases {
            let closure = calendar.closure(Timestamp::parse(now).expect("a moment"));
            let found = closure.as_ref().map_or("open".to_owned(), |closure| closure.until.to_string());
            let expected = Timestamp::parse(expected).map_or((*expected).to_owned(), |moment| moment.to_string());
            assert_eq!(found, expected, "{now}: {closure:?}");
        }
    }

    const FINANCE: &str = r#"
zone: Asia/Shanghai
hours:
  - {days: mon-fri, from: "08:30", to: "17:30"}
quiet:
  - {from: "12:00", to: "12:30"}
closed: [2026-10-01/2026-10-07, 2026-12-31]
work: 2026-10-10
"#;

    #[test]
    fn after_the_cut_off_the_next_opening_is_waited_for() {
        let calendar = good(FINANCE);
        expect(
            &calendar,
            &[
                ("2026-11-25T17:29:59+08:00", "open"),
                ("2026-11-25T17:30:00+08:00", "2026-11-26T08:30:00+08:00"),
                ("2026-11-25T08:29:59+08:00", "2026-11-25T08:30:00+08:00"),
                ("2026-11-25T08:30:00+08:00", "open"),
                ("2026-11-25T12:10:00+08:00", "2026-11-25T12:30:00+08:00"),
                ("2026-11-27T18:00:00+08:00", "2026-11-30T08:30:00+08:00"),
            ],
        );
    }

    #[test]
    fn holidays_are_closed_and_a_weekend_that_is_worked_is_open() {
        let calendar = good(FINANCE);
        expect(
            &calendar,
            &[
                ("2026-09-30T18:00:00+08:00", "2026-10-08T08:30:00+08:00"),
                ("2026-10-03T10:00:00+08:00", "2026-10-08T08:30:00+08:00"),
                ("2026-10-09T17:30:00+08:00", "2026-10-10T08:30:00+08:00"),
                ("2026-10-10T10:00:00+08:00", "open"),
                ("2026-10-11T10:00:00+08:00", "2026-10-12T08:30:00+08:00"),
                ("2026-12-31T10:00:00+08:00", "2027-01-01T08:30:00+08:00"),
            ],
        );
    }

    #[test]
    fn quiet_times_may_last_over_midnight_and_whole_days() {
        let calendar = good(
            "zone: Asia/Shanghai\nquiet:\n  - {from: \"01:00\", to: \"03:00\"}\n  - {days: sun}\n  \
             - {days: fri, from: \"22:00\", to: \"00:30\"}\n",
        );
        expect(
            &calendar,
            &[
                ("2026-11-25T02:00:00+08:00", "2026-11-25T03:00:00+08:00"),
                ("2026-11-25T03:00:00+08:00", "open"),
                ("2026-11-27T21:59:00+08:00", "open"),
                ("2026-11-27T23:00:00+08:00", "2026-11-28T00:30:00+08:00"),
                ("2026-11-28T00:10:00+08:00", "2026-11-28T00:30:00+08:00"),
                // Sunday ends, and the night's quiet time begins an hour later
                ("2026-11-29T00:00:00+08:00", "2026-11-30T00:00:00+08:00"),
            ],
        );
    }

    #[test]
    fn summer_time_moves_the_opening_with_the_clocks() {
        let calendar = good("zone: Europe/Berlin\nhours: {from: \"02:30\", to: \"17:00\"}\n");
        expect(
            &calendar,
            &[
                ("2026-03-28T20:00:00+01:00", "2026-03-29T03:30:00+02:00"),
                ("2026-10-24T20:00:00+02:00", "2026-10-25T02:30:00+02:00"),
                ("2026-07-01T20:00:00+02:00", "2026-07-02T02:30:00+02:00"),
            ],
        );
    }

    #[test]
    fn periods_are_months_days_and_everything_through_a_day() {
        let calendar = good(
            "zone: Asia/Shanghai\nperiods:\n  closed-through: 2026-06-30\n  \
             closed: [2026-09, 2026-11-26/2026-12-25]\n",
        );
        for (day, closed) in [
            ("2020-01-01", Some(true)),
            ("2026-06-30", Some(true)),
            ("2026-07-01", Some(false)),
            ("2026-09-30T08:00:00", Some(true)),
            ("2026-10-01", Some(false)),
            ("2026-12-25", Some(true)),
            ("2026-12-26 00:00:00", Some(false)),
            ("26.12.2026", None),
            ("2026-02-30", None),
            ("", None),
        ] {
            assert_eq!(calendar.is_period_closed(day), closed, "{day}");
        }
        assert!(calendar.has_periods() && calendar.closure(Timestamp(0)).is_none());
    }

    #[test]
    fn the_reason_names_rule_moment_and_zone() {
        let closure = good(FINANCE).closure(Timestamp::parse("2026-11-25T18:00:00+08:00").expect("a moment"));
        assert_eq!(
            closure.expect("closed").why,
            "calendar `finance`: outside its hours, until 2026-11-26 08:30 (Asia/Shanghai)"
        );
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let (_, problems) = read(
            "zone: Asia/Shangai\nhours: [{days: mon-fry, from: \"8:30\", to: \"25:00\"}]\nclosed: [2026-13, \
             2026-10-07/2026-10-01]\nwrok: 2026-10-10\n",
        );
        let places: Vec<_> =
            problems.iter().map(|problem| problem.split(": error").next().unwrap_or_default()).collect();
        let at = |line: u32, column: u32| format!("calendars/finance.yaml:{line}:{column}");
        assert_eq!(
            places,
            [at(1, 7), at(2, 16), at(2, 32), at(2, 44), at(3, 10), at(3, 19), at(4, 1)],
            "{problems:#?}"
        );
    }

    #[test]
    fn a_calendar_that_never_opens_is_a_mistake() {
        let (calendar, problems) = read("zone: UTC\nquiet: {days: mon-sun}\n");
        assert!(problems[0].contains("never opens"), "{problems:?}");
        let closure = calendar.closure(Timestamp(0)).expect("closed");
        assert_eq!(closure.until.to_string(), "1971-02-05T00:00:00.000000Z");
    }
}
