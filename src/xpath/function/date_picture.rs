//! Pictures of dates and times (F&O 3.1 §9.8.4): their parts, and reading by them for `parse-date`.

use jiff::civil;

use super::numeral::DigitPattern;
use crate::xpath::Failure;

/// A picture, read.
#[derive(Debug)]
pub(in crate::xpath) struct DatePicture(Vec<Piece>);

/// A part of a picture.
#[derive(Debug)]
pub(super) enum Piece {
    Literal(String),
    Marker(Marker),
}

/// A variable marker: `[Y0001]`, `[MNn,3-3]`.
#[derive(Debug)]
pub(super) struct Marker {
    pub component: char,
    /// The first presentation modifier; empty when it was left out.
    pub presentation: String,
    /// The second presentation modifier: `o` ordinal, `c` cardinal, `t` traditional, `a` alphabetic.
    pub second: Option<char>,
    /// Least and most characters.
    pub width: Option<(usize, usize)>,
    /// The number of digits, when the presentation is nothing but ASCII digits: `0001`.
    pub plain: Option<usize>,
}

/// `FOFD1340`: the picture or what goes with it is not valid.
pub(super) fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::error("FOFD1340", format!("the date picture is not valid: {why}"))
}

impl DatePicture {
    /// Reads a picture.
    ///
    /// # Errors
    /// `FOFD1340`.
    pub fn parse(picture: &str) -> Result<Self, Failure> {
        pieces(picture).map(Self)
    }

    /// Its parts.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

fn pieces(picture: &str) -> Result<Vec<Piece>, Failure> {
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

fn marker(text: &str) -> Result<Marker, Failure> {
    let text = text.replace([' ', '\t', '\n', '\r'], "");
    let component = text.chars().next().ok_or_else(|| invalid("`[]` names no component"))?;
    if !"YMDdFWwHhPmsfZzCE".contains(component) {
        return Err(invalid(format!(
            "`{component}` is no component; Y year, M month, D day, H hour, m minute, s second"
        )));
    }
    let cut = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    let comma = text.rfind(',');
    let end = comma.unwrap_or(text.len());
    let width = comma.and_then(|at| text.get(at + 1..)).map(width).transpose()?;
    let mut presentation = cut(component.len_utf8(), end);
    let mut second = None;
    let single = presentation.chars().count() == 1;
    if let Some(last) = presentation.chars().last().filter(|last| matches!(last, 'o' | 'c' | 't' | 'a'))
        && !(single && last == 'a')
    {
        second = Some(last);
        presentation = cut(component.len_utf8(), end - 1);
    }
    let has_digits = presentation.contains(|c: char| c == '#' || super::numeral::zero_of(c).is_some());
    let zone = matches!(component, 'Z' | 'z');
    if has_digits && !zone && DigitPattern::parse(&presentation, component == 'f').is_none() {
        return Err(invalid(format!("`{presentation}` is no pattern of digits")));
    }
    let digits = !presentation.is_empty() && presentation.bytes().all(|byte| byte.is_ascii_digit());
    let plain = (digits && second.is_none() && width.is_none()).then_some(presentation.len());
    Ok(Marker { component, presentation, second, width, plain })
}

/// `3`, `3-5`, `*-2`.
fn width(text: &str) -> Result<(usize, usize), Failure> {
    let (least, most) = text.split_once('-').unwrap_or((text, "*"));
    let read = |text: &str, any: usize| match text {
        "*" => Ok(any),
        digits => match digits.parse() {
            Ok(0) | Err(_) => Err(invalid("a width is a number from 1 on, or `*`")),
            Ok(width) => Ok(width),
        },
    };
    let (least, most) = (read(least, 1)?, read(most, usize::MAX)?);
    if least > most || least > 100 {
        return Err(invalid("the width is not possible"));
    }
    Ok((least, most))
}

/// Reads a text written after a picture; `None` when it does not fit. Components: Y M D H h m s f P.
pub(super) fn read(picture: &DatePicture, text: &str) -> Result<Option<(civil::Date, Option<civil::Time>)>, Failure> {
    let pieces = picture.pieces();
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
