//! Functions that write numbers (F&O 3.1 §4.6, §4.7).

use super::{Call, Function, Prepared, Yields::Other, format_integer, number_picture::NumberPicture, string};
use crate::xpath::{Failure, Value, operate::Number};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "format-number",
        arity: (2, 3),
        signature: "format-number($value as xs:numeric?, $picture as xs:string, $format as xs:string?) as xs:string",
        doc: "The number written after a picture: `0` a digit, `#` a digit if needed, `,` groups, `.` the point, `e` an exponent, `%`.",
        examples: &[
            ("format-number(1234.5, '#,##0.00')", "1,234.50"),
            ("format-number(0.13, '0%')", "13%"),
            ("format-number(-5, '0.0;(0.0)')", "(5.0)"),
            ("format-number(7, '000')", "007"),
            ("format-number(12345, '0.00e0')", "1.23e4"),
        ],
        yields: Other,
        call: |call| {
            if let Some(name) = call.optional_string(2)? {
                return Err(Failure::error("FODF1280", format!("there is no decimal format `{name}`")));
            }
            let parsed;
            let picture = match call.prepared {
                Some(Prepared::Number(picture)) => picture,
                _ => {
                    parsed = NumberPicture::parse(&call.string(1)?)?;
                    &parsed
                }
            };
            string(match call.number(0)? {
                None => "NaN".to_owned(),
                Some(Number::Integer(value) | Number::Decimal(value)) => picture.format(value),
                Some(number) => picture.format_double(number.to_f64()),
            })
        },
    },
    Function {
        name: "format-integer",
        arity: (2, 3),
        signature: "format-integer($value as xs:integer?, $picture as xs:string, $language as xs:string?) as xs:string",
        doc: "The integer as digits, letters (`A`), Roman (`I`), words (`w`), signs (`①`, `一`); `;o` makes it an ordinal.",
        examples: &[
            ("format-integer(1234567, '#,##0')", "1,234,567"),
            ("format-integer(7, '000')", "007"),
            ("format-integer(28, 'A')", "AB"),
            ("format-integer(2013, 'I')", "MMXIII"),
            ("format-integer(21, 'w;o')", "twenty-first"),
            ("format-integer(23, '一')", "二十三"),
        ],
        yields: Other,
        call: format_integer,
    },
];

fn format_integer(call: &Call<'_>) -> Result<Value, Failure> {
    let picture = call.string(1)?;
    match call.number(0)? {
        None => string(""),
        Some(Number::Integer(value)) => string(format_integer::format(value, &picture)?),
        _ => Err(Failure::error("XPTY0004", "format-integer needs an integer")),
    }
}
