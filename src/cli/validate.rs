//! `crossdock validate`: files held to the schemas and value rules of their document types.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    Common, Exit, Failed,
    outcome::{out, print_json},
};
use crate::{
    app,
    base::{Limits, Problem, Severity},
    catalog::{Catalog, System},
    document::{Document, NodeId},
    format::{ReadOptions, Syntax, read},
    pipeline::{Content, Received, open, violations},
    profile::Profile,
    schema::Violation,
};

/// What `validate` takes.
#[derive(clap::Args)]
#[command(
    after_help = "The settings file is looked for beside the first FILE and in the folders above it.\nThe document type \
    is found by the root element unless --type names it.\n\nExamples:\n  \
    crossdock validate examples/dealer-group/messages/order-1.xml\n  \
    crossdock validate inbox/*.xml --type hub/sales-order@1 --json\n  \
    crossdock validate lead.xml --system portal     read as that system's messages are\n\n\
    Exit code 7 when a file breaks a rule."
)]
pub struct Arguments {
    /// The documents, XML or JSON; messages with several documents are opened.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The document type, as in hub/sales-order@1.
    #[arg(long = "type", value_name = "TYPE")]
    document_type: Option<String>,
    /// Read as messages of this system are: its character set, its envelope, its tolerance.
    #[arg(long, value_name = "SYSTEM")]
    system: Option<String>,
}

/// One document of a file.
struct Found {
    document_type: String,
    violations: Vec<Violation>,
}

/// Validates files.
pub fn validate(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let first = arguments.files.first().and_then(|file| file.parent()).filter(|parent| !parent.as_os_str().is_empty());
    let settings = common.settings_near(first.unwrap_or(Path::new(".")))?;
    let limits = settings.limits.limits();
    let (catalog, _) = app::load_catalog(&settings);
    let as_read = match (&arguments.system, &arguments.document_type) {
        (Some(system), _) => As::System(known_system(&catalog, system)?),
        (None, Some(named)) => As::Profile(known_type(&catalog, named)?),
        (None, None) => As::Any,
    };
    let mut exit = Exit::Ok;
    let mut listed = Vec::new();
    for file in &arguments.files {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| Failed::new(Exit::NotFound, format!("{name}: {error}")))?;
        let named = arguments.document_type.as_deref().unwrap_or_default();
        let judged = as_read.documents(&catalog, named, &bytes, &limits);
        let is_bad = judged.as_ref().map_or(true, |found| found.iter().any(Found::is_bad));
        if is_bad {
            exit = Exit::Problems;
        }
        if common.json {
            listed.push(file_json(&name, !is_bad, judged));
        } else {
            show(&name, judged);
        }
    }
    if common.json {
        print_json(&json!({"ok": exit == Exit::Ok, "files": listed}));
    }
    Ok(exit)
}

impl Found {
    fn is_bad(&self) -> bool {
        self.violations.iter().any(|violation| violation.severity == Severity::Error)
    }
}

/// How files are read.
enum As<'a> {
    /// As messages of a system.
    System(&'a System),
    /// As documents of a profile.
    Profile(&'a Profile),
    /// As documents of whichever profile knows them.
    Any,
}

impl As<'_> {
    fn documents(&self, catalog: &Catalog, named: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Found>, Problem> {
        match self {
            Self::System(system) => of_system(catalog, system, named, bytes, limits),
            Self::Profile(profile) => of_profile(catalog, profile, named, bytes, limits),
            Self::Any => {
                let mut last = None;
                let mut fitting = Vec::new();
                for profile in catalog.profiles() {
                    match of_profile(catalog, profile, "", bytes, limits) {
                        Ok(found) => fitting.push((profile.name(), found)),
                        Err(problem) => last = Some(problem),
                    }
                }
                match fitting.len() {
                    0 => Err(last.unwrap_or_else(|| unknown("there is no profile"))),
                    1 => Ok(fitting.swap_remove(0).1),
                    _ => {
                        let names: Vec<&str> = fitting.iter().map(|(name, _)| *name).collect();
                        let text = format!("several profiles know such a document: {}", names.join(", "));
                        Err(unknown(&text).hint("name its type: --type"))
                    }
                }
            }
        }
    }
}

fn of_system(
    catalog: &Catalog,
    system: &System,
    named: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Vec<Found>, Problem> {
    let received = Received { document_type: named, content_type: None, bytes, is_part: false };
    let judged = |decoded: &crate::pipeline::Decoded| Found {
        document_type: decoded.document_type.clone(),
        violations: violations(catalog, &decoded.document_type, &decoded.document, decoded.syntax, limits),
    };
    match open(catalog, system, received, limits)? {
        Content::One(decoded) => Ok(vec![judged(&decoded)]),
        Content::Several { parts, .. } => {
            let mut found = Vec::new();
            for part in parts {
                let document_type = part.document_type.as_deref().unwrap_or_default();
                let content_type = Some(part.content_type.as_str());
                let received = Received { document_type, content_type, bytes: &part.bytes, is_part: true };
                if let Content::One(decoded) = open(catalog, system, received, limits)? {
                    found.push(judged(&decoded));
                }
            }
            Ok(found)
        }
    }
}

/// The documents of a profile in a file, of one type when it is named.
fn of_profile(
    catalog: &Catalog,
    profile: &Profile,
    named: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Vec<Found>, Problem> {
    let syntax = Syntax::sniff(None, bytes).unwrap_or(Syntax::Xml);
    let namespace = profile.json_namespace().map(Into::into);
    let options = ReadOptions { limits: limits.clone(), namespace, ..ReadOptions::default() };
    let document = read(bytes, syntax, &options)?.document;
    let inside = profile.unwrap(&document, limits).unwrap_or_default();
    let judged = |document_type: &str, document: &Document| Found {
        document_type: document_type.to_owned(),
        violations: violations(catalog, document_type, document, syntax, limits),
    };
    let found: Vec<Found> = inside
        .iter()
        .filter_map(|one| Some((one.document_type.as_deref()?, one)))
        .filter(|(of, _)| named.is_empty() || *of == named)
        .map(|(of, one)| judged(of, &one.document(&document)))
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let root = document.root_element();
    let written = root.and_then(|root| document.qname(root)).map_or_else(String::new, ToString::to_string);
    let text = match profile.document_type(named) {
        Some(wanted) => format!("the root is `{written}`; a document of type `{named}` has the root `{}`", wanted.root),
        None => format!("no profile knows a document with the root `{written}`"),
    };
    Err(unknown(&text).at(document.place(root.unwrap_or(NodeId::ROOT))))
}

fn unknown(text: &str) -> Problem {
    Problem::new(crate::pipeline::NOT_IDENTIFIED, text)
}

fn known_system<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a System, Failed> {
    catalog.system(id).map(|system| &**system).ok_or_else(|| {
        let hint = crate::base::suggest(id, catalog.systems().map(|system| system.id.as_str()));
        let hint = hint.map_or_else(String::new, |best| format!("; did you mean `{best}`?"));
        Failed::new(Exit::NotFound, format!("there is no system `{id}`{hint}"))
    })
}

fn known_type<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Profile, Failed> {
    catalog.profile_of(name).map(|profile| &**profile).ok_or_else(|| {
        let types = catalog.profiles().flat_map(|profile| profile.document_types());
        let hint = crate::base::suggest(name, types.map(|of| of.name.as_str()));
        let hint = hint.map_or_else(String::new, |best| format!("; did you mean `{best}`?"));
        Failed::new(Exit::NotFound, format!("there is no document type `{name}`{hint}"))
    })
}

fn show(name: &str, judged: Result<Vec<Found>, Problem>) {
    let shown = |mut problem: Problem| {
        problem.place.file = Some(name.into());
        problem
    };
    match judged {
        Err(problem) => out(format_args!("{}", shown(problem))),
        Ok(found) => {
            for one in &found {
                for violation in &one.violations {
                    out(format_args!("{}", shown(violation.problem())));
                }
                if !one.is_bad() {
                    out(format_args!("{name}: valid {}", one.document_type));
                }
            }
        }
    }
}

fn file_json(name: &str, ok: bool, judged: Result<Vec<Found>, Problem>) -> Value {
    match judged {
        Err(problem) => json!({"file": name, "ok": ok, "problem": super::outcome::problem_json(&problem)}),
        Ok(found) => {
            let documents: Vec<Value> = found
                .iter()
                .map(|one| {
                    let violations: Vec<Value> = one.violations.iter().map(violation_json).collect();
                    json!({"type": one.document_type, "valid": !one.is_bad(), "violations": violations})
                })
                .collect();
            json!({"file": name, "ok": ok, "documents": documents})
        }
    }
}

fn violation_json(violation: &Violation) -> Value {
    json!({
        "code": violation.code.id,
        "rule": violation.rule,
        "severity": match violation.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "text": violation.text,
        "expected": violation.expected,
        "line": violation.place.line,
        "column": violation.place.column,
        "path": violation.place.path,
    })
}
