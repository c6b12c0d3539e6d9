//! Texts that fit a simple type.

use super::pattern;
use crate::{
    document::Decimal,
    schema::{Simple, SimpleKind},
};

/// Texts of forms that are often asked for; tried in this order.
const KNOWN: [&str; 16] = [
    "text",
    "1",
    "A",
    "CNY",
    "CN",
    "en",
    "en-US",
    "2026-01-31",
    "2026",
    "08:00",
    "13800000000",
    "+8613800000000",
    "a@example.com",
    "https://example.com/",
    "11111111111111111",
    "00000000-0000-4000-8000-000000000000",
];

/// A text that fits, as far as one can be found.
pub(super) fn example(of: &Simple) -> String {
    let fits = |text: &String| of.misfit(text).is_none();
    if let Some(known) = of.enumeration.iter().map(ToString::to_string).find(fits) {
        return known;
    }
    let usual = match of.kind {
        SimpleKind::String => KNOWN[0],
        SimpleKind::Decimal | SimpleKind::Integer | SimpleKind::Double => "1",
        SimpleKind::Boolean => "true",
        SimpleKind::Date => "2026-01-31",
        SimpleKind::DateTime => "2026-01-31T08:00:00Z",
        SimpleKind::Time => "08:00:00",
    };
    let candidates = std::iter::once(usual.to_owned())
        .chain(numbers(of))
        .chain(KNOWN.iter().map(|known| (*known).to_owned()))
        .chain(lengths(of))
        .chain(of.patterns.iter().filter_map(|form| pattern::example(&form.to_string())));
    let mut candidates = candidates.filter(fits);
    candidates.next().unwrap_or_else(|| usual.to_owned())
}

/// Numbers at and beside the bounds.
fn numbers(of: &Simple) -> Vec<String> {
    let bounds = [of.least, of.greatest].into_iter().flatten().map(|(bound, _)| bound);
    let one = Decimal::from(1);
    let beside = bounds.flat_map(|bound| [Some(bound), bound.add(one).ok(), bound.subtract(one).ok()]);
    let mut made: Vec<String> = beside.flatten().map(|number| number.to_string()).collect();
    made.extend(["0", "0.5", "-1", "0.01"].map(str::to_owned));
    made
}

/// Texts as long as they must be at least, and at most.
fn lengths(of: &Simple) -> Vec<String> {
    let lengths = [of.min_length, of.max_length.filter(|most| *most < 4)];
    let of_length = |length: u32| ["x", "1"].map(|one| one.repeat(length.min(10_000) as usize));
    lengths.into_iter().flatten().flat_map(of_length).collect()
}
