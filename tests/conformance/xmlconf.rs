//! The W3C XML conformance suite: agreement on what is well-formed.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use crossdock::{
    base::Problem,
    format::{Doctype, ReadOptions, Syntax, decode, read},
};

use super::corpora;

struct Case {
    kind: String,
    id: String,
    uri: String,
    recommendation: String,
    version: String,
    edition: String,
    namespace: String,
}

#[derive(Default)]
struct Score {
    agreed: usize,
    total: usize,
    wrong: Vec<String>,
    /// Out of the comparison: the reason, and which.
    excluded: BTreeMap<&'static str, Vec<String>>,
}

impl Score {
    fn count(&mut self, case: &Case, agrees: bool, outcome: &Result<(), Problem>) {
        self.total += 1;
        self.agreed += usize::from(agrees);
        if !agrees {
            let said = outcome.as_ref().err().map_or_else(|| "accepted".to_owned(), ToString::to_string);
            self.wrong.push(format!("{} ({}, {}): {said}", case.id, case.kind, case.uri));
        }
    }

    fn exclude(&mut self, reason: &'static str, case: &Case) {
        self.excluded.entry(reason).or_default().push(case.id.clone());
    }

    fn print(&self, what: &str) {
        println!("{what}: {} of {} agree", self.agreed, self.total);
        for (reason, cases) in &self.excluded {
            let shown = if cases.len() <= 12 { format!(": {}", cases.join(", ")) } else { String::new() };
            println!("  {} left out, {reason}{shown}", cases.len());
        }
    }
}

#[test]
fn xmlconf() {
    let Some(folder) = corpora::unpacked("xmlconf") else { return };
    let (mut plain, mut refused, mut skipped) = (Score::default(), Score::default(), Score::default());
    for catalogue in corpora::files(folder.path()) {
        let Ok(text) = std::fs::read_to_string(&catalogue) else { continue };
        if catalogue.extension().is_none_or(|end| end != "xml") || !text.contains("<TEST ") {
            continue;
        }
        for case in cases(&text) {
            let file = catalogue.parent().unwrap_or(Path::new("")).join(&case.uri);
            let Ok(bytes) = std::fs::read(&file) else {
                plain.exclude("the file is missing in the archive", &case);
                continue;
            };
            if let Some(reason) = outside(&case) {
                plain.exclude(reason, &case);
                continue;
            }
            let attempt = |doctype| {
                let options = ReadOptions { doctype, ..ReadOptions::default() };
                read(&bytes, Syntax::Xml, &options).map(drop)
            };
            let outcome = attempt(Doctype::Refuse);
            let well_formed = case.kind != "not-wf";
            let body = decode(&bytes, Syntax::Xml, &ReadOptions::default()).map(|(text, _)| text);
            if !body.as_ref().is_ok_and(has_doctype) && !may_hide_doctype(&body, &bytes) {
                match beyond(&case, &outcome) {
                    Some(reason) if well_formed => plain.exclude(reason, &case),
                    _ => plain.count(&case, outcome.is_ok() == well_formed, &outcome),
                }
                continue;
            }
            refused.count(&case, outcome.is_err(), &outcome);
            let outcome = attempt(Doctype::Skip);
            match (well_formed, &outcome) {
                (true, Err(problem)) if problem.code.id == "XD-F017" && names_entity(&body) => {
                    skipped.exclude("an entity it declares is needed", &case);
                }
                (true, Err(_)) if beyond(&case, &outcome).is_some() => {
                    skipped.exclude(beyond(&case, &outcome).unwrap_or_default(), &case);
                }
                (false, Ok(())) => skipped.exclude("the mistake lies inside the DOCTYPE or an entity, not read", &case),
                _ => skipped.count(&case, outcome.is_ok() == well_formed, &outcome),
            }
        }
    }
    plain.print("xmlconf without DOCTYPE");
    refused.print("xmlconf with DOCTYPE, refused by default");
    skipped.print("xmlconf with DOCTYPE, skipped");
    assert!(plain.total > 250 && refused.total > 1_500, "the suite is not complete");
    for score in [plain, refused, skipped] {
        assert!(score.wrong.is_empty(), "{:#?}", score.wrong);
    }
}

/// Why a case is not about XML 1.0, Fifth Edition.
fn outside(case: &Case) -> Option<&'static str> {
    if case.recommendation.contains("1.1") || case.version == "1.1" {
        Some("XML 1.1")
    } else if !case.edition.is_empty() && !case.edition.contains('5') {
        Some("an edition before the fifth")
    } else {
        (case.kind == "error").then_some("a processor may report it or not")
    }
}

/// Why a well-formed document is refused on purpose.
fn beyond(case: &Case, outcome: &Result<(), Problem>) -> Option<&'static str> {
    match outcome.as_ref().err()?.code.id {
        "XD-F001" => Some("a charset that is not accepted"),
        "XD-F012" | "XD-F016" | "XD-F020" if case.namespace == "no" => Some("names that Namespaces in XML forbids"),
        "XD-F004" => Some("a limit"),
        _ => None,
    }
}

/// Whether the prolog has a DOCTYPE.
fn has_doctype(text: &Arc<str>) -> bool {
    let mut rest = text.trim_start();
    loop {
        let close = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ => return rest.get(..9).is_some_and(|begin| begin.eq_ignore_ascii_case("<!DOCTYPE")),
        };
        match rest.split_once(close) {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
}

/// Bytes that cannot be decoded: whether they speak of a DOCTYPE is all that can be told.
fn may_hide_doctype(body: &Result<Arc<str>, Problem>, bytes: &[u8]) -> bool {
    let narrow: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    body.is_err() && narrow.windows(9).any(|window| window == b"<!DOCTYPE")
}

/// Whether a reference names an entity that is not predefined.
fn names_entity(body: &Result<Arc<str>, Problem>) -> bool {
    let Ok(text) = body else { return false };
    text.split('&').skip(1).any(|after| {
        let name = after.split(';').next().unwrap_or_default();
        !name.starts_with('#') && !matches!(name, "amp" | "lt" | "gt" | "quot" | "apos")
    })
}

/// The `TEST` elements of a catalogue, which is itself only a fragment.
fn cases(text: &str) -> Vec<Case> {
    text.split("<TEST ")
        .skip(1)
        .map(|rest| {
            let attribute = |name: &str| {
                let head = rest.split_once('>').map_or(rest, |(head, _)| head);
                let after = head.split_once(&format!("{name}=")).map_or("", |(_, after)| after);
                let quote = after.chars().next().unwrap_or('"');
                after.trim_start_matches(quote).split(quote).next().unwrap_or_default().to_owned()
            };
            Case {
                kind: attribute("TYPE"),
                id: attribute("ID"),
                uri: attribute("URI"),
                recommendation: attribute("RECOMMENDATION"),
                version: attribute("VERSION"),
                edition: attribute("EDITION"),
                namespace: attribute("NAMESPACE"),
            }
        })
        .collect()
}
