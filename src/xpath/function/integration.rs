//! Integration functions: code tables, cross references, the message, dealer-world dates and numbers, stable ids.

use std::sync::Arc;

use jiff::civil;

use super::{Call, Function, MANY, Yields::Other, boolean, date_picture, string, words};
use crate::{
    base::{Sha256, name_based_uuid},
    document::Decimal,
    xpath::{
        CodeAnswer, Date, DateTime, Failure, Item, ListAnswer, TraceEvent, Value,
        evaluate::only,
        operate::{Number, number},
    },
};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "code",
        arity: (2, 3),
        signature: "code($table as xs:string, $value as xs:anyAtomicType?, $default as item()*) as item()*",
        doc: "The target value of a code table; without a row the default, else the message parks until there is one.",
        examples: &[
            ("code('colour', 'red')", "01"),
            ("code('colour', 'pink', 'none')", "none"),
            ("code('colour', ())", ""),
        ],
        yields: Other,
        call: code,
    },
    Function {
        name: "in-code-list",
        arity: (2, 2),
        signature: "in-code-list($list as xs:string, $code as xs:anyAtomicType?) as xs:boolean",
        doc: "Whether a code is in a code list (`codelists/<list>.csv`); no code is in none.",
        examples: &[
            ("in-code-list('iso-4217', 'CNY')", "true"),
            ("in-code-list('iso-4217', 'XYZ')", "false"),
            ("in-code-list('iso-4217', ())", "false"),
        ],
        yields: Other,
        call: |call| boolean(listed(call, None)?.is_some()),
    },
    Function {
        name: "code-list-value",
        arity: (3, 3),
        signature: "code-list-value($list as xs:string, $code as xs:anyAtomicType?, $column as xs:string) as xs:string?",
        doc: "What a code list says of a code in one of its columns; nothing when the code is not in the list.",
        examples: &[
            ("code-list-value('iso-4217', 'JPY', 'decimals')", "0"),
            ("code-list-value('iso-4217', 'XYZ', 'decimals')", ""),
        ],
        yields: Other,
        call: |call| Ok(listed(call, Some(&call.string(2)?))?.map(Item::string).into()),
    },
    Function {
        name: "xref",
        arity: (2, 3),
        signature: "xref($entity as xs:string, $id as xs:anyAtomicType?, $system as xs:string?) as xs:string?",
        doc: "The id an entity has in the target system, or in the named one; unknown, the message parks until it is known.",
        examples: &[("xref('customer', 'C-01')", "001"), ("xref('customer', ())", "")],
        yields: Other,
        call: |call| {
            let Some(asked) = Reference::of(call)? else { return Ok(Value::Empty) };
            match asked.answer(call) {
                Some(id) => string(id),
                None => Err(Failure::MissingXref {
                    entity: asked.entity,
                    id: asked.id,
                    system: asked.system,
                    place: Box::default(),
                }),
            }
        },
    },
    Function {
        name: "has-xref",
        arity: (2, 3),
        signature: "has-xref($entity as xs:string, $id as xs:anyAtomicType?, $system as xs:string?) as xs:boolean",
        doc: "Whether the cross reference is known; never parks.",
        examples: &[("has-xref('customer', 'C-01')", "true"), ("has-xref('customer', 'C-99')", "false")],
        yields: Other,
        call: |call| boolean(Reference::of(call)?.and_then(|asked| asked.answer(call)).is_some()),
    },
    Function {
        name: "message",
        arity: (1, 1),
        signature: "message($property as xs:string) as xs:string?",
        doc: "A property of the message being mapped: id, received, system, site, type, business-key.",
        examples: &[("message('site')", "S01")],
        yields: Other,
        call: |call| Ok(call.frame.host.message(&call.string(0)?).map(Item::string).into()),
    },
    Function {
        name: "setting",
        arity: (1, 1),
        signature: "setting($name as xs:string) as xs:string?",
        doc: "A setting of the target system; nothing when it has none of that name.",
        examples: &[("setting('account')", "003")],
        yields: Other,
        call: |call| Ok(call.frame.host.setting(&call.string(0)?).map(Item::string).into()),
    },
    Function {
        name: "parse-date",
        arity: (1, MANY),
        signature: "parse-date($value as xs:string?, $picture as xs:string, …) as xs:anyAtomicType?",
        doc: "Reads a date as people write it; the first picture that fits decides. With a time, it is an xs:dateTime.",
        examples: &[
            ("parse-date('2010/1/5')", "2010-01-05"),
            ("parse-date('20130618')", "2013-06-18"),
            ("parse-date('２０１３年６月１８日')", "2013-06-18"),
            ("parse-date('2013-6-18 8:30')", "2013-06-18T08:30:00"),
            ("parse-date('18.06.13', '[D01].[M01].[Y01]')", "2013-06-18"),
        ],
        yields: Other,
        call: parse_date,
    },
    Function {
        name: "parse-number",
        arity: (1, 2),
        signature: "parse-number($value as xs:anyAtomicType?, $format as xs:string) as xs:decimal?",
        doc: "Reads a number as people write it: groups, currency signs, full-width digits; a format tells point from group.",
        examples: &[
            ("parse-number('1,234.50')", "1234.5"),
            ("parse-number('￥１２０')", "120"),
            ("parse-number('1.234,50', '#.##0,00')", "1234.5"),
            ("parse-number('12%')", "0.12"),
            ("parse-number('(1,200)')", "-1200"),
        ],
        yields: Other,
        call: parse_number,
    },
    Function {
        name: "uuid",
        arity: (1, 1),
        signature: "uuid($name as xs:anyAtomicType?) as xs:string",
        doc: "A UUID (version 5) made from a name: the same name gives the same UUID.",
        examples: &[("string-length(uuid('SO-1'))", "36"), ("uuid('a') eq uuid('a')", "true")],
        yields: Other,
        call: |call| string(name_based_uuid(&call.any_text(0)?.unwrap_or_default())),
    },
    Function {
        name: "hash",
        arity: (1, 1),
        signature: "hash($value as xs:anyAtomicType?) as xs:string",
        doc: "The SHA-256 digest of the value's UTF-8 text, in hexadecimal digits.",
        examples: &[("substring(hash('abc'), 1, 8)", "ba7816bf")],
        yields: Other,
        call: |call| string(Sha256::of(call.any_text(0)?.unwrap_or_default().as_bytes()).to_string()),
    },
    Function {
        name: "amount-in-words",
        arity: (1, 2),
        signature: "amount-in-words($amount as xs:numeric?, $language as xs:string := 'zh') as xs:string?",
        doc: "The amount as written on Chinese invoices.",
        examples: &[
            ("amount-in-words(1130, 'zh')", "壹仟壹佰叁拾元整"),
            ("amount-in-words(10005.06)", "壹万零伍元零陆分"),
            ("amount-in-words(0.5)", "伍角整"),
            ("amount-in-words(0)", "零元整"),
        ],
        yields: Other,
        call: |call| {
            if call.has(1) && call.string(1)? != "zh" {
                return Err(Failure::error("FORG0001", "amounts can be written out in the language `zh` only"));
            }
            let amount = match call.number(0)? {
                None => return Ok(Value::Empty),
                Some(Number::Integer(value) | Number::Decimal(value)) => Some(value),
                Some(number) => Decimal::from_f64(number.to_f64()),
            };
            let words = amount.and_then(words::chinese);
            string(words.ok_or_else(|| Failure::error("FOAR0002", "the amount is too large to be written out"))?)
        },
    },
];

fn text(call: &Call<'_>, at: usize) -> Result<Option<Arc<str>>, Failure> {
    Ok(call.any_text(at)?.map(|text| (&*text).into()))
}

fn code(call: &Call<'_>) -> Result<Value, Failure> {
    let table: Arc<str> = (&*call.string(0)?).into();
    let Some(value) = text(call, 1)? else { return Ok(Value::Empty) };
    let answer = call.frame.host.code(&table, &value);
    let note = |result: Option<&str>, row: Option<String>| {
        if let Some(trace) = call.frame.trace {
            let (table, value) = (table.clone(), value.clone());
            trace.push(TraceEvent::Code { table, value, result: result.map(Into::into), row });
        }
    };
    match answer {
        CodeAnswer::Found { value, place } => {
            note(Some(&value), place);
            string(value)
        }
        CodeAnswer::Missing if call.has(2) => {
            note(None, None);
            Ok(call.value(2).clone())
        }
        CodeAnswer::Missing => {
            note(None, None);
            Err(Failure::MissingCode { table, value, place: Box::default() })
        }
        CodeAnswer::NoTable => Err(Failure::error("FODC0002", format!("there is no code table `{table}`"))),
    }
}

/// What a code list says of the code in the second argument; `None` when it is not in the list.
fn listed(call: &Call<'_>, column: Option<&str>) -> Result<Option<String>, Failure> {
    let list = call.string(0)?;
    let Some(code) = text(call, 1)? else { return Ok(None) };
    let failed = |text: String| Err(Failure::error("FODC0002", text));
    match call.frame.host.code_list(&list, &code, column) {
        ListAnswer::Found(value) => Ok(Some(value)),
        ListAnswer::Missing => Ok(None),
        ListAnswer::NoColumn => {
            failed(format!("the code list `{list}` has no column `{}`", column.unwrap_or_default()))
        }
        ListAnswer::NoList => failed(format!("there is no code list `{list}`")),
    }
}

/// What `xref` asks for.
struct Reference {
    entity: Arc<str>,
    id: Arc<str>,
    system: Option<Arc<str>>,
}

impl Reference {
    fn of(call: &Call<'_>) -> Result<Option<Self>, Failure> {
        let entity = (&*call.string(0)?).into();
        let Some(id) = text(call, 1)? else { return Ok(None) };
        Ok(Some(Self { entity, id, system: text(call, 2)? }))
    }

    fn answer(&self, call: &Call<'_>) -> Option<String> {
        let answer = call.frame.host.xref(&self.entity, &self.id, self.system.as_deref());
        if let Some(trace) = call.frame.trace {
            let result = answer.as_deref().map(Into::into);
            trace.push(TraceEvent::Xref { entity: self.entity.clone(), id: self.id.clone(), result });
        }
        answer
    }
}

/// Full-width letters, digits and signs as their ASCII twins; the ideographic space as a space.
pub(super) fn narrowed(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{3000}' | '\u{a0}' => ' ',
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            other => other,
        })
        .collect()
}

fn parse_date(call: &Call<'_>) -> Result<Value, Failure> {
    let item = match call.value(0) {
        Value::Empty => return Ok(Value::Empty),
        value => only(value)?,
    };
    if matches!(item, Item::Date(_) | Item::DateTime(_)) {
        return Ok(item.clone().into());
    }
    let text = narrowed(&call.frame.text_of(item));
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::Empty);
    }
    let mut found = if call.has(1) { None } else { usual_date(text) };
    for at in 1..call.arguments.len() {
        let picture = call.date_picture(at)?;
        found = date_picture::read(&picture, text)?;
        if found.is_some() {
            break;
        }
    }
    let (day, time) = found.ok_or_else(|| {
        Failure::error("FORG0001", format!("{} is not a date in a form known here", call.frame.describe(item)))
    })?;
    Ok(match time {
        None => Item::Date(Date { day, offset: None }),
        Some(time) => Item::DateTime(DateTime { local: day.to_datetime(time), offset: None }),
    }
    .into())
}

/// Year, month, day with `-`, `/`, `.` or `年月日` between them, or eight digits; then perhaps a time.
fn usual_date(text: &str) -> Option<(civil::Date, Option<civil::Time>)> {
    let number = |text: &str| text.parse::<i16>().ok();
    if text.bytes().all(|byte| byte.is_ascii_digit()) && matches!(text.len(), 8 | 14) {
        let small = |from: usize| text[from..from + 2].parse::<i8>().ok();
        let day = civil::Date::new(number(&text[..4])?, small(4)?, small(6)?).ok()?;
        let time = match text.len() {
            14 => Some(civil::Time::new(small(8)?, small(10)?, small(12)?, 0).ok()?),
            _ => None,
        };
        return Some((day, time));
    }
    let split = text.find(['T', ' ', '日']).unwrap_or(text.len());
    let (date, rest) = text.split_at(split);
    let rest = rest.trim_start_matches(['T', ' ', '日']).trim();
    let parts: Vec<&str> = date.split(['-', '/', '.', '年', '月']).collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let plain = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if year.len() != 4 || !parts.iter().all(plain) || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let day = civil::Date::new(number(year)?, month.parse().ok()?, day.parse().ok()?).ok()?;
    if rest.is_empty() {
        return Some((day, None));
    }
    let (clock, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut clock = clock.split(':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next().unwrap_or("0"));
    if clock.next().is_some() || ![hour, minute, second].iter().all(plain) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let time = civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?, nanos.parse().ok()?);
    Some((day, Some(time.ok()?)))
}

fn parse_number(call: &Call<'_>) -> Result<Value, Failure> {
    let item = match call.value(0) {
        Value::Empty => return Ok(Value::Empty),
        value => only(value)?,
    };
    if crate::xpath::is_numeric(item) {
        return Ok(number(call.frame, item)?.item().into());
    }
    let text = narrowed(&call.frame.text_of(item));
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::Empty);
    }
    let (point, group) = separators(&call.string(1)?);
    let value = usual_number(text, point, group).ok_or_else(|| {
        Failure::error("FORG0001", format!("{} is not a number in a form known here", call.frame.describe(item)))
    })?;
    Ok(Item::Decimal(value).into())
}

/// Which sign is the point and which the group separator, by an example or a picture.
fn separators(format: &str) -> (char, char) {
    match (format.rfind(','), format.rfind('.')) {
        (Some(comma), Some(point)) if comma > point => (',', '.'),
        (Some(comma), None) if format.len() - comma != 4 => (',', '.'),
        _ => ('.', ','),
    }
}

fn usual_number(text: &str, point: char, group: char) -> Option<Decimal> {
    let (text, percent) = text.strip_suffix('%').map_or((text, false), |rest| (rest, true));
    let mut plain = String::new();
    let bracketed = text.starts_with('(') && text.ends_with(')');
    if text.contains(['(', ')']) && !bracketed {
        return None;
    }
    let negative = bracketed || text.starts_with('-') || text.ends_with('-');
    let body = text.trim_matches(['-', '+', '(', ')', ' ', '¥', '￥', '$', '€', '元']);
    if text.chars().filter(|c| matches!(c, '-' | '+')).count() > 1 {
        return None;
    }
    let (whole, fraction) = body.split_once(point).unwrap_or((body, ""));
    let groups: Vec<&str> = whole.split([group, ' ']).collect();
    let even = groups.iter().skip(1).all(|digits| digits.len() == 3);
    if !even || (groups.len() > 1 && !matches!(groups.first().map(|digits| digits.len()), Some(1..=3))) {
        return None;
    }
    plain.extend(groups);
    if !fraction.is_empty() {
        plain.push('.');
        plain.push_str(fraction);
    }
    if !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let value = Decimal::parse(&plain).ok()?;
    let value = if percent { value.divide(Decimal::from(100)).ok()? } else { value };
    Some(if negative { value.negate() } else { value })
}
