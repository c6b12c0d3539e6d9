//! "Did you mean": the candidate closest to what was written.

/// The closest candidate, if it is close enough to be a slip of the hand: letter case aside, at most a third of the
/// letters differ.
#[must_use]
pub fn suggest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let allowed = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&written, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn suggests_slips_and_nothing_far_fetched() {
        assert_eq!(suggest("OrderNumbr", ["OrderDate", "OrderNumber"]), Some("OrderNumber"));
        assert_eq!(suggest("ordernumber", ["OrderNumber"]), Some("OrderNumber"));
        assert_eq!(suggest("zzz", ["OrderNumber"]), None);
    }
}
