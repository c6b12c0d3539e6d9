//! Pictures of dates and times (F&O 3.1 §9.8.4): written with them, and read with them for `parse-date`.

use jiff::civil;

use crate::xpath::Failure;

/// What is written; a missing half makes its components an error.
pub(in crate::xpath) struct Moment {
    pub day: Option<civil::Date>,
    pub time: Option<civil::Time>,
    pub offset: Option<i16>,
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

enum Piece<'a> {
    Literal(String),
    Marker(Marker<'a>),
}

struct Marker<'a> {
    component: char,
    presentation: &'a str,
    /// Least and most characters.
    width: Option<(usize, usize)>,
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::error("FOFD1340", format!("the date picture is not valid: {why}"))
}

fn pieces(picture: &str) -> Result<Vec<Piece<'_>>, Failure> {
    let (mut pieces, mut rest, mut literal) = (Vec::new(), picture, String::new());
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("[[") {
            literal.push('[');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("]]") {
            literal.push(']');
            rest = after;
        } else if c == ']' {
            return Err(invalid("`]` without `[`; write `]]` for the sign itself"));
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = after.find(']').ok_or_else(|| invalid("`[` without `]`"))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Marker(marker(&after[..end])?));
            rest = &after[end + 1..];
        } else {
            literal.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn marker(text: &str) -> Result<Marker<'_>, Failure> {
    let text = text.trim();
    let component = text.chars().next().ok_or_else(|| invalid("`[]` names no component"))?;
    if !"YMDdFWwHhPmsfZzCE".contains(component) {
        return Err(invalid(format!(
            "`{component}` is no component; Y year, M month, D day, H hour, m minute, s second"
        )));
    }
    let rest = &text[component.len_utf8()..];
    let (presentation, width) = match rest.split_once(',') {
        None => (rest, None),
        Some((presentation, width)) => {
            let (least, most) = width.split_once('-').unwrap_or((width, "*"));
            let read = |text: &str, any: usize| match text {
                "*" => Ok(any),
                digits => digits.parse().map_err(|_| invalid("a width is a number or `*`")),
            };
            (presentation, Some((read(least, 1)?, read(most, usize::MAX)?)))
        }
    };
    if width.is_some_and(|(least, most)| least > most || least > 100) {
        return Err(invalid("the width is not possible"));
    }
    if matches!(component, 'C' | 'E' | 'W' | 'w') {
        return Err(invalid(format!("component `{component}` is not available")));
    }
    Ok(Marker { component, presentation, width })
}

/// Checks a picture without a date.
pub(in crate::xpath) fn check(picture: &str) -> Result<(), Failure> {
    pieces(picture).map(|_| ())
}

pub(in crate::xpath) fn format(picture: &str, moment: &Moment) -> Result<String, Failure> {
    let mut made = String::new();
    for piece in pieces(picture)? {
        match piece {
            Piece::Literal(text) => made.push_str(&text),
            Piece::Marker(marker) => write_component(&mut made, &marker, moment)?,
        }
    }
    Ok(made)
}

fn write_component(made: &mut String, marker: &Marker<'_>, moment: &Moment) -> Result<(), Failure> {
    let missing = |what: &str| {
        Failure::error("FOFD1350", format!("the picture asks for `{}`, but the value has no {what}", marker.component))
    };
    let day = || moment.day.ok_or_else(|| missing("date"));
    let time = || moment.time.ok_or_else(|| missing("time"));
    let named = marker.presentation.starts_with(['N', 'n']);
    let value = match marker.component {
        'Y' => i64::from(day()?.year().unsigned_abs()),
        'M' => {
            let month = day()?.month();
            if named {
                made.push_str(&name(MONTHS[usize::from(month.unsigned_abs()).clamp(1, 12) - 1], marker));
                return Ok(());
            }
            i64::from(month)
        }
        'D' => i64::from(day()?.day()),
        'd' => i64::from(day()?.day_of_year()),
        'F' => {
            let weekday = day()?.weekday().to_monday_one_offset();
            if named || marker.presentation.is_empty() {
                made.push_str(&name(WEEKDAYS[usize::from(weekday.unsigned_abs()).clamp(1, 7) - 1], marker));
                return Ok(());
            }
            i64::from(weekday)
        }
        'H' => i64::from(time()?.hour()),
        'h' => i64::from((time()?.hour() + 11) % 12 + 1),
        'm' => i64::from(time()?.minute()),
        's' => i64::from(time()?.second()),
        'P' => {
            let half = if time()?.hour() < 12 { "am" } else { "pm" };
            made.push_str(&if marker.presentation == "N" { half.to_uppercase() } else { half.to_owned() });
            return Ok(());
        }
        'f' => {
            let nanos = format!("{:09}", time()?.subsec_nanosecond());
            let (least, most) = match marker.width {
                Some((least, most)) => (least, most),
                None if marker.presentation.len() > 1 => (marker.presentation.len(), marker.presentation.len()),
                None => (1, 9),
            };
            let mut digits = nanos[..most.min(9)].trim_end_matches('0').to_owned();
            while digits.len() < least {
                digits.push('0');
            }
            made.push_str(&digits);
            return Ok(());
        }
        _ => {
            let Some(offset) = moment.offset else { return Ok(()) };
            let sign = if offset < 0 { '-' } else { '+' };
            let prefix = if marker.component == 'z' { "GMT" } else { "" };
            let (hours, minutes) = (offset.unsigned_abs() / 60, offset.unsigned_abs() % 60);
            match (marker.presentation, offset) {
                ("Z", 0) => made.push('Z'),
                ("0000", _) => made.push_str(&format!("{prefix}{sign}{hours:02}{minutes:02}")),
                _ => made.push_str(&format!("{prefix}{sign}{hours:02}:{minutes:02}")),
            }
            return Ok(());
        }
    };
    made.push_str(&number(value, marker));
    Ok(())
}

fn number(value: i64, marker: &Marker<'_>) -> String {
    let written = marker.presentation.chars().filter(char::is_ascii_digit).count();
    let default = if matches!(marker.component, 'm' | 's') && marker.presentation.is_empty() { 2 } else { 1 };
    let least = marker.width.map_or(0, |(least, _)| least).max(written).max(default).min(100);
    let text = format!("{value:0least$}");
    // a year is shortened from the left to the width or, from two digits on, to the digits of the picture
    if marker.component == 'Y' {
        let most = match marker.width {
            Some((_, most)) if most != usize::MAX => most,
            None if written >= 2 => written,
            _ => usize::MAX,
        };
        if most >= 2 && text.len() > most {
            return text[text.len() - most..].to_owned();
        }
    }
    text
}

fn name(full: &str, marker: &Marker<'_>) -> String {
    let most = marker.width.map_or(usize::MAX, |(_, most)| most);
    let short: String = full.chars().take(most.max(3)).collect();
    match marker.presentation {
        "N" => short.to_uppercase(),
        "n" => short.to_lowercase(),
        _ => short,
    }
}

/// Reads a text written after a picture; `None` when it does not fit. Components: Y M D H h m s f P.
pub(in crate::xpath) fn read(picture: &str, text: &str) -> Result<Option<(civil::Date, Option<civil::Time>)>, Failure> {
    let pieces = pieces(picture)?;
    let mut rest = text;
    let (mut year, mut month, mut day) = (None, None, None);
    let (mut hour, mut minute, mut second, mut nanos, mut afternoon) = (None, 0, 0, 0_i64, None);
    for (index, piece) in pieces.iter().enumerate() {
        let marker = match piece {
            Piece::Literal(literal) => match rest.strip_prefix(literal.as_str()) {
                Some(after) => {
                    rest = after;
                    continue;
                }
                None => return Ok(None),
            },
            Piece::Marker(marker) => marker,
        };
        if marker.component == 'P' {
            let lower = rest.get(..2).unwrap_or_default().to_ascii_lowercase();
            afternoon = match lower.as_str() {
                "am" => Some(false),
                "pm" => Some(true),
                _ => return Ok(None),
            };
            rest = &rest[2..];
            continue;
        }
        // a number directly before another one has exactly the digits of its picture
        let written = marker.presentation.chars().filter(char::is_ascii_digit).count();
        let tight = matches!(pieces.get(index + 1), Some(Piece::Marker(_)));
        let natural = match marker.component {
            'Y' => 4,
            'f' => 9,
            _ => 2,
        };
        let most = if tight || written > 1 { written.max(1) } else { natural };
        let most = if tight && written <= 1 { natural } else { most };
        let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let Ok(value) = rest[..length].parse::<i64>() else { return Ok(None) };
        rest = &rest[length..];
        match marker.component {
            'Y' if length <= 2 => year = Some(2000 + value),
            'Y' => year = Some(value),
            'M' => month = Some(value),
            'D' => day = Some(value),
            'H' | 'h' => hour = Some(value),
            'm' => minute = value,
            's' => second = value,
            'f' => nanos = value * 10_i64.pow(9 - u32::try_from(length).unwrap_or(9).min(9)),
            other => return Err(invalid(format!("`{other}` cannot be read, only written"))),
        }
    }
    if !rest.is_empty() {
        return Ok(None);
    }
    let hour = match (hour, afternoon) {
        (Some(12), Some(false)) => Some(0),
        (Some(hour), Some(true)) if hour < 12 => Some(hour + 12),
        (hour, _) => hour,
    };
    let small = |value: i64| i8::try_from(value).unwrap_or(i8::MAX);
    let date = match (year, month, day) {
        (Some(year), Some(month), Some(day)) => {
            civil::Date::new(i16::try_from(year).unwrap_or(i16::MAX), small(month), small(day)).ok()
        }
        _ => return Err(invalid("reading a date needs year, month and day")),
    };
    let time =
        hour.map(|hour| civil::Time::new(small(hour), small(minute), small(second), i32::try_from(nanos).unwrap_or(0)));
    Ok(match (date, time) {
        (Some(date), None) => Some((date, None)),
        (Some(date), Some(Ok(time))) => Some((date, Some(time))),
        _ => None,
    })
}
