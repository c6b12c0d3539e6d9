//! Dates and times written after a picture (F&O 3.1 §9.8.4), with names in English and Chinese.

use jiff::civil;

use super::{
    date_picture::{DatePicture, Marker, Piece, invalid},
    numeral::{self, DigitPattern},
};
use crate::{document::is_ncname, xpath::Failure};

/// What is written; a missing half makes its components an error.
pub(super) struct Moment {
    pub day: Option<civil::Date>,
    pub time: Option<civil::Time>,
    /// Minutes east of UTC.
    pub offset: Option<i16>,
}

/// The language of names and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    English,
    Chinese,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const CHINESE_WEEKDAYS: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];

/// The calendars the standard names (F&O 3.1 §9.8.4.3).
const CALENDARS: &[&str] = &[
    "AD", "AH", "AME", "AM", "AP", "AS", "BE", "CB", "CE", "CL", "CS", "EE", "FE", "ISO", "JE", "KE", "KY", "ME", "MS",
    "NS", "OS", "RS", "SE", "SH", "SS", "TE", "VE", "VS",
];

/// Writes a moment. What the language or calendar asked for is not known is written in English by the Gregorian
/// calendar, with a mark before it that says so.
///
/// # Errors
/// `FOFD1340` for a picture or calendar that is none, `FOFD1350` for a component the value has not.
pub(super) fn format(
    picture: &DatePicture,
    moment: &Moment,
    language: Option<&str>,
    calendar: Option<&str>,
) -> Result<String, Failure> {
    let mut made = String::new();
    let primary = language.map(|language| language.split(['-', '_']).next().unwrap_or_default().to_lowercase());
    let language = match primary.as_deref() {
        None | Some("en" | "") => Language::English,
        Some("zh") => Language::Chinese,
        Some(_) => {
            made.push_str("[Language: en]");
            Language::English
        }
    };
    if !knows_calendar(calendar)? {
        made.push_str("[Calendar: AD]");
    }
    for piece in picture.pieces() {
        match piece {
            Piece::Literal(text) => made.push_str(text),
            Piece::Marker(marker) => write_component(&mut made, marker, moment, language)?,
        }
    }
    Ok(made)
}

/// Whether a calendar is the Gregorian one.
fn knows_calendar(name: Option<&str>) -> Result<bool, Failure> {
    let Some(name) = name else { return Ok(true) };
    let unknown = || invalid(format!("there is no calendar `{name}`"));
    let local = match name.trim().strip_prefix("Q{") {
        None => name.trim(),
        Some(rest) => match rest.split_once('}').ok_or_else(unknown)? {
            ("", local) => local,
            // calendars in a namespace are somebody's own
            (_, local) if is_ncname(local) => return Ok(false),
            _ => return Err(unknown()),
        },
    };
    if !CALENDARS.contains(&local) {
        return Err(unknown());
    }
    Ok(matches!(local, "AD" | "CE" | "ISO" | "NS"))
}

fn write_component(made: &mut String, marker: &Marker, moment: &Moment, language: Language) -> Result<(), Failure> {
    let missing = |what: &str| {
        Failure::error("FOFD1350", format!("the picture asks for `{}`, but the value has no {what}", marker.component))
    };
    let day = || moment.day.ok_or_else(|| missing("date"));
    let time = || moment.time.ok_or_else(|| missing("time"));
    let chinese = language == Language::Chinese;
    let presentation = match (&*marker.presentation, marker.component) {
        ("", 'F' | 'P' | 'C' | 'E') => "n",
        ("", 'm' | 's') => "01",
        ("", 'Z' | 'z') => "01:01",
        ("", _) => "1",
        (written, _) => written,
    };
    let named = matches!(presentation, "N" | "n" | "Nn");
    let at = |names: &[&'static str], index: i8| {
        names.get(usize::from(index.unsigned_abs()).saturating_sub(1)).copied().unwrap_or_default()
    };
    let value = match marker.component {
        'Y' => i64::from(day()?.year().unsigned_abs()),
        'M' => {
            let month = day()?.month();
            if named {
                let text = match language {
                    Language::English => name(at(&MONTHS, month), presentation, marker, true),
                    Language::Chinese => format!("{}月", numeral::chinese(u32::from(month.unsigned_abs()))),
                };
                made.push_str(&text);
                return Ok(());
            }
            i64::from(month)
        }
        'D' => i64::from(day()?.day()),
        'd' => i64::from(day()?.day_of_year()),
        'F' => {
            let weekday = day()?.weekday().to_monday_one_offset();
            if named {
                let text = match language {
                    Language::English => name(at(&WEEKDAYS, weekday), presentation, marker, true),
                    Language::Chinese => format!("星期{}", at(&CHINESE_WEEKDAYS, weekday)),
                };
                made.push_str(&text);
                return Ok(());
            }
            i64::from(weekday)
        }
        'W' => i64::from(day()?.iso_week_date().week()),
        'w' => week_of_month(day()?),
        'H' => i64::from(time()?.hour()),
        'h' => i64::from((time()?.hour() + 11) % 12 + 1),
        'm' => i64::from(time()?.minute()),
        's' => i64::from(time()?.second()),
        'P' => {
            let text = match (time()?.hour() < 12, chinese) {
                (true, false) => "Am",
                (false, false) => "Pm",
                (true, true) => "上午",
                (false, true) => "下午",
            };
            made.push_str(&name(text, presentation, marker, false));
            return Ok(());
        }
        'C' => {
            day()?;
            made.push_str(&name(if chinese { "公历" } else { "Gregorian" }, presentation, marker, false));
            return Ok(());
        }
        'E' => {
            let text = match (day()?.year() > 0, chinese) {
                (true, false) => "AD",
                (false, false) => "BC",
                (true, true) => "公元",
                (false, true) => "公元前",
            };
            made.push_str(&if presentation == "n" { text.to_lowercase() } else { text.to_owned() });
            return Ok(());
        }
        'f' => {
            write_fraction(made, time()?.subsec_nanosecond(), presentation, marker.width);
            return Ok(());
        }
        _ => {
            write_zone(made, marker, presentation, moment.offset);
            return Ok(());
        }
    };
    match marker.plain {
        Some(digits) => write_digits(made, value.unsigned_abs(), digits, marker.component == 'Y'),
        None => made.push_str(&number(u32::try_from(value).unwrap_or_default(), presentation, marker, language)),
    }
    Ok(())
}

/// At least so many digits; a year is shortened to them from two on.
fn write_digits(made: &mut String, value: u64, digits: usize, is_year: bool) {
    let limit = u32::try_from(digits).ok().filter(|digits| is_year && *digits > 1).and_then(|n| 10_u64.checked_pow(n));
    let mut rest = limit.map_or(value, |limit| value % limit);
    let start = made.len();
    while rest > 0 || made.len() - start < digits {
        made.insert(start, char::from(b'0' + (rest % 10) as u8));
        rest /= 10;
    }
}

/// The week of the month: its first one is that with its first Thursday. The days before are of the last week of the
/// month before, the days after the last Thursday of this month's.
fn week_of_month(day: civil::Date) -> i64 {
    let to_thursday = 4 - i64::from(day.weekday().to_monday_one_offset());
    let thursday = day.checked_add(jiff::Span::new().days(to_thursday)).unwrap_or(day);
    if thursday.month() != day.month() && thursday > day {
        let before = thursday.checked_sub(jiff::Span::new().weeks(1)).unwrap_or(day);
        return i64::from((before.day() - 1) / 7 + 2);
    }
    i64::from((thursday.day() - 1) / 7 + 1)
}

fn number(value: u32, presentation: &str, marker: &Marker, language: Language) -> String {
    let pattern = DigitPattern::parse(presentation, false);
    // a year is shortened from the left to the width or, from two digits on, to the digits of the picture
    let most = match (marker.width, &pattern) {
        (Some((_, most)), _) if most != usize::MAX => Some(most),
        (None, Some(pattern)) if pattern.size() > 1 => Some(pattern.size()),
        _ => None,
    };
    let shortened =
        most.filter(|_| marker.component == 'Y').and_then(|most| 10_u32.checked_pow(u32::try_from(most).ok()?));
    let value = shortened.map_or(value, |limit| value % limit);
    let least = marker.width.map_or(1, |(least, _)| least);
    let ordinal = marker.second == Some('o');
    let chinese = language == Language::Chinese;
    let plain = value.to_string();
    let text = match presentation {
        "I" => numeral::roman(value).unwrap_or(plain),
        "i" => numeral::roman(value).map_or(plain, |text| text.to_lowercase()),
        "A" => numeral::letters(value).unwrap_or(plain),
        "a" => numeral::letters(value).map_or(plain, |text| text.to_lowercase()),
        "W" | "w" | "Ww" if chinese => {
            format!("{}{}", if ordinal { "第" } else { "" }, numeral::chinese(value))
        }
        "W" => numeral::english(&plain, ordinal).to_uppercase(),
        "w" => numeral::english(&plain, ordinal),
        "Ww" => capitalized(&numeral::english(&plain, ordinal)),
        _ => {
            let pattern =
                pattern.unwrap_or(DigitPattern { mandatory: 1, optional: 0, zero: '0', separators: Vec::new() });
            let least = least.max(pattern.mandatory);
            let digits = pattern.write(&format!("{value:0least$}"));
            return match (ordinal, chinese) {
                (false, _) => digits,
                (true, false) => format!("{digits}{}", numeral::english_suffix(&plain)),
                (true, true) => format!("第{digits}"),
            };
        }
    };
    padded(text, least)
}

/// Each word with a capital.
fn capitalized(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut start = true;
    for c in text.chars() {
        if start {
            made.extend(c.to_uppercase())
        } else {
            made.push(c)
        }
        start = matches!(c, ' ' | '-');
    }
    made
}

/// With spaces up to a width.
fn padded(mut text: String, least: usize) -> String {
    let length = text.chars().count();
    text.extend(std::iter::repeat_n(' ', least.saturating_sub(length)));
    text
}

/// A name in the case asked for, shortened to three letters where it is wider than allowed.
fn name(full: &str, presentation: &str, marker: &Marker, shortens: bool) -> String {
    let (least, most) = marker.width.unwrap_or((1, usize::MAX));
    let short: String = match full.chars().count() > most && shortens {
        true => full.chars().take(most.min(3)).collect(),
        false => full.to_owned(),
    };
    let text = match presentation {
        "N" => short.to_uppercase(),
        "n" => short.to_lowercase(),
        _ => short,
    };
    padded(text, least)
}

/// The fraction of the second: so many digits as the picture asks for, further ones cut off.
fn write_fraction(made: &mut String, nanos: i32, presentation: &str, width: Option<(usize, usize)>) {
    let pattern = DigitPattern::parse(presentation, true);
    let pattern = pattern.unwrap_or(DigitPattern { mandatory: 1, optional: 0, zero: '0', separators: Vec::new() });
    let natural = if pattern.size() == 1 { usize::MAX } else { pattern.size() };
    let (least, most) = match width {
        None => (pattern.mandatory, natural),
        Some((least, most)) => {
            let least = least.max(pattern.mandatory);
            (least, most.max(least))
        }
    };
    let all = format!("{nanos:09}");
    let mut digits = all.get(..most.min(9)).unwrap_or(&all).trim_end_matches('0').to_owned();
    while digits.len() < least {
        digits.push('0');
    }
    made.push_str(&pattern.write_fraction(&digits));
}

/// The time zone (F&O 3.1 §9.8.4.6).
fn write_zone(made: &mut String, marker: &Marker, presentation: &str, offset: Option<i16>) {
    if presentation == "Z" {
        // the letters of the military, without J, which means local time
        let letter = match offset {
            None => Some('J'),
            Some(offset) if offset % 60 != 0 => None,
            Some(offset) => match offset / 60 {
                0 => Some('Z'),
                hours @ 1..=12 => "ABCDEFGHIKLM".chars().nth(usize::from(hours.unsigned_abs()) - 1),
                hours @ -12..=-1 => "NOPQRSTUVWXY".chars().nth(usize::from(hours.unsigned_abs()) - 1),
                _ => None,
            },
        };
        if let Some(letter) = letter {
            made.push(letter);
            return;
        }
    }
    let Some(offset) = offset else { return };
    if marker.second == Some('t') && offset == 0 {
        made.push('Z');
        return;
    }
    let signs: Vec<char> = presentation.chars().collect();
    let zero = signs.iter().find_map(|sign| numeral::zero_of(*sign)).unwrap_or('0');
    let is_digit = |sign: &&char| numeral::zero_of(**sign).is_some();
    let digits = signs.iter().filter(is_digit).count();
    let before = signs.iter().take_while(is_digit).count();
    let mark: String = signs.iter().skip(before).take_while(|sign| !is_digit(sign)).collect();
    // digits of the hours, what stands between, and whether minutes are written when there are none
    let (hour_digits, mark, always) = match digits {
        0 => (2, ":".to_owned(), true),
        1 | 2 => (digits, ":".to_owned(), false),
        _ if before == digits => (digits - 2, String::new(), true),
        _ => (before, mark, true),
    };
    let (hours, minutes) = (offset.unsigned_abs() / 60, offset.unsigned_abs() % 60);
    let written = |value: u16, least: usize| -> String {
        let digits = format!("{value:0least$}");
        digits.chars().map(|digit| numeral::digit_of(zero, digit.to_digit(10).unwrap_or(0))).collect()
    };
    if marker.component == 'z' {
        made.push_str("GMT");
    }
    made.push(if offset < 0 { '-' } else { '+' });
    made.push_str(&written(hours, hour_digits.min(2)));
    if always || minutes != 0 {
        made.push_str(&mark);
        made.push_str(&written(minutes, 2));
    }
}
