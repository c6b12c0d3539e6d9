//! The W3C XML conformance suite: agreement on what is well-formed.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use crossdock::{
    base::Problem,
    format::{Doctype, ReadOptions, Syntax, decode, read},
};

use super::corpora;

/// Two attributes have one name only when a prefix's namespace is trimmed as the NMTOKEN the DOCTYPE says it is.
const NEEDS_TYPES: &str = "rmt-ns10-012";

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

    /// What is left out, one a line.
    fn listed(&self) -> String {
        let lines = |(reason, cases): (&&str, &Vec<String>)| {
            cases.iter().map(|case| format!("{reason}\t{case}\n")).collect::<String>()
        };
        self.excluded.iter().map(lines).collect()
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
            if !body.as_ref().is_ok_and(|text| at_doctype(text).is_some()) && !may_hide_doctype(&body, &bytes) {
                match beyond(&case, &outcome) {
                    Some(reason) if well_formed => plain.exclude(reason, &case),
                    _ => plain.count(&case, outcome.is_ok() == well_formed, &outcome),
                }
                continue;
            }
            refused.count(&case, outcome.is_err(), &outcome);
            let outcome = attempt(Doctype::Skip);
            let content = body.as_ref().ok().and_then(|text| behind_doctype(text));
            let needs_entity = content.is_some_and(names_entity);
            match (well_formed, &outcome) {
                (true, Err(problem)) if problem.code.id == "XD-F017" && needs_entity => {
                    skipped.exclude("an entity it declares is needed", &case);
                }
                (true, Err(_)) if beyond(&case, &outcome).is_some() => {
                    skipped.exclude(beyond(&case, &outcome).unwrap_or_default(), &case);
                }
                // What an entity stands for is not read, so its reference must never pass.
                (_, Ok(())) if needs_entity => skipped.count(&case, false, &outcome),
                (false, Ok(())) if case.id == NEEDS_TYPES => {
                    skipped.exclude("attribute values are normalized by types the DOCTYPE declares, not read", &case);
                }
                (false, Ok(())) if content.is_some_and(is_well_formed) => {
                    skipped.exclude("well-formed without its DOCTYPE: the mistake lies inside, not read", &case);
                }
                _ => skipped.count(&case, outcome.is_ok() == well_formed, &outcome),
            }
        }
    }
    plain.print("xmlconf without DOCTYPE");
    refused.print("xmlconf with DOCTYPE, refused by default");
    skipped.print("xmlconf with DOCTYPE, skipped");
    assert!(plain.total > 250 && refused.total > 1_500, "the suite is not complete");
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("xmlconf-left-out.txt");
    std::fs::write(&list, [&plain, &skipped].map(Score::listed).concat()).expect("the list of what is left out");
    println!("  all that is left out, by name: {}", list.display());
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

/// What follows the name of the DOCTYPE's markup, where the prolog has one.
fn at_doctype(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    loop {
        let close = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ => {
                let begin = rest.get(..9).filter(|begin| begin.eq_ignore_ascii_case("<!DOCTYPE"))?;
                return Some(&rest[begin.len()..]);
            }
        };
        rest = rest.split_once(close)?.1.trim_start();
    }
}

/// What follows the whole DOCTYPE. Found by a scan of its own, so that a reader that skips too much is found out.
fn behind_doctype(text: &str) -> Option<&str> {
    let mut rest = at_doctype(text)?;
    let (mut is_subset, mut is_declaration) = (false, false);
    loop {
        let at = rest.find(['"', '\'', '[', ']', '<', '>'])?;
        let here = &rest[at..];
        let close = match here.as_bytes()[0] {
            b'"' => "\"",
            b'\'' => "'",
            _ if here.starts_with("<!--") => "-->",
            _ if here.starts_with("<?") => "?>",
            _ => "",
        };
        if !close.is_empty() {
            rest = here[1..].split_once(close)?.1;
            continue;
        }
        rest = &here[1..];
        match here.as_bytes()[0] {
            b'<' => is_declaration = true,
            b'[' if !is_declaration => is_subset = true,
            b']' if !is_declaration => is_subset = false,
            b'>' if is_declaration => is_declaration = false,
            b'>' if !is_subset => return Some(rest),
            _ => (),
        }
    }
}

/// Whether what follows a DOCTYPE is a document of its own.
fn is_well_formed(content: &str) -> bool {
    read(content.as_bytes(), Syntax::Xml, &ReadOptions::default()).is_ok()
}

/// Bytes that cannot be decoded: whether they speak of a DOCTYPE is all that can be told.
fn may_hide_doctype(body: &Result<Arc<str>, Problem>, bytes: &[u8]) -> bool {
    let narrow: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    body.is_err() && narrow.windows(9).any(|window| window == b"<!DOCTYPE")
}

/// Whether a reference names an entity that is not predefined; comments, CDATA sections and instructions hold none.
fn names_entity(content: &str) -> bool {
    let mut rest = content;
    while let Some(at) = rest.find(['&', '<']) {
        let here = &rest[at..];
        let sections = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
        if let Some((_, close)) = sections.into_iter().find(|(begin, _)| here.starts_with(begin)) {
            rest = here.split_once(close).map_or("", |(_, after)| after);
            continue;
        }
        rest = &here[1..];
        let name = rest.split(';').next().unwrap_or_default();
        if here.starts_with('&') && !name.starts_with('#') && !matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
            return true;
        }
    }
    false
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
