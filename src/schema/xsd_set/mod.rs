//! XML Schema validation of whole documents: a set of compiled schemas and the thread that judges with it.
//!
//! The validator is the crate `xsd-schema` (XSD 1.0). Its compiled set may not be used by two threads at once, and its
//! prepared content models borrow from the set; so one thread owns both for each set, and documents are handed to it
//! (`docs/decisions/0008-schema-thread.md`). Schemas are read from the bytes given, never from a disk or a network.

mod judge;
#[cfg(test)]
mod tests;
mod wording;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread,
};

use xsd_schema::{
    SchemaError, SchemaLoader, SchemaResolver, SchemaSet, SchemaSetBuilder,
    parser::location::SourceLocation,
    validation::{SchemaValidator, ValidationFlags},
};

use self::judge::Judge;
use super::{Model, Validator, Violation, code, declaration::beside};
use crate::{
    base::{Place, Problem, Problems, Severity, Sha256},
    document::Document,
};

/// The scheme under which the files of a set are known to the validator: nothing else can be read.
const SCHEME: &str = "schema:///";

/// Names a set may learn from documents before it is compiled anew.
const MOST_NAMES: usize = 50_000;

/// The stack of the thread that judges: schemas are bounded in nesting, documents cost no stack.
const STACK: usize = 8 << 20;

/// Sets already compiled in this process, by the digest of their files; and what is wrong with those that cannot be.
static KNOWN: Mutex<Option<HashMap<Sha256, Known>>> = Mutex::new(None);

/// What trying to compile a set came to.
#[derive(Clone)]
enum Known {
    Set(Weak<XsdSet>),
    Wrong(Problems),
}

/// Failures kept: content that is mended leaves its old failures behind.
const MOST_FAILURES: usize = 200;

/// Compiled XML Schemas with all they include and import; immutable, usable from any thread.
pub struct XsdSet {
    entries: Vec<String>,
    files: usize,
    jobs: mpsc::Sender<Job>,
}

/// A document to be judged.
struct Job {
    document: Document,
    most: usize,
    verdict: mpsc::SyncSender<Vec<Violation>>,
}

impl fmt::Debug for XsdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XsdSet").field("entries", &self.entries).field("files", &self.files).finish_non_exhaustive()
    }
}

impl XsdSet {
    /// Compiles schemas and everything they include or import; `read` gives the bytes of a name inside the schema
    /// folder. The `models` of the same files, as far as there are any, let violations say what was expected. Sets of
    /// the same files are shared within the process.
    ///
    /// # Errors
    /// `XD-S001` for a file that is not there, `XD-S011` for one that is no valid XML Schema.
    pub fn load(
        read: &dyn Fn(&str) -> Option<Vec<u8>>,
        entries: &[&str],
        models: &[Arc<Model>],
    ) -> Result<Arc<Self>, Problems> {
        let files = gather(read, entries)?;
        let digest = digest(entries, &files);
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().get(&digest).cloned();
        match known {
            Some(Known::Wrong(problems)) => return Err(problems),
            Some(Known::Set(set)) => {
                if let Some(set) = set.upgrade() {
                    return Ok(set);
                }
            }
            None => (),
        }
        let done = Self::start(files, entries, models).map(Arc::new);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        known.retain(|_, one| !matches!(one, Known::Set(set) if set.strong_count() == 0));
        let outcome = match &done {
            Ok(set) => Known::Set(Arc::downgrade(set)),
            Err(problems) => {
                if known.values().filter(|one| matches!(one, Known::Wrong(_))).count() >= MOST_FAILURES {
                    known.retain(|_, one| matches!(one, Known::Set(_)));
                }
                Known::Wrong(problems.clone())
            }
        };
        known.insert(digest, outcome);
        done
    }

    /// Compiles many schemas in as few sets as they fit in: what they share is compiled once, but two schemas may declare
    /// one name differently (STAR's nouns do). For each entry its set, or what is wrong with that entry alone.
    #[must_use]
    pub fn load_all(
        read: &dyn Fn(&str) -> Option<Vec<u8>>,
        entries: &[&str],
        models: &[Arc<Model>],
    ) -> Vec<Result<Arc<Self>, Problems>> {
        let bytes: RefCell<HashMap<String, Option<Vec<u8>>>> = RefCell::default();
        let once = |name: &str| bytes.borrow_mut().entry(name.to_owned()).or_insert_with(|| read(name)).clone();
        Self::load_fitting(&once, entries, models)
    }

    fn load_fitting(
        read: &dyn Fn(&str) -> Option<Vec<u8>>,
        entries: &[&str],
        models: &[Arc<Model>],
    ) -> Vec<Result<Arc<Self>, Problems>> {
        if entries.is_empty() {
            return Vec::new();
        }
        match Self::load(read, entries, models) {
            Ok(set) => vec![Ok(set); entries.len()],
            Err(problems) if entries.len() == 1 => vec![Err(problems)],
            Err(_) => {
                let (first, second) = entries.split_at(entries.len() / 2);
                let mut all = Self::load_fitting(read, first, models);
                all.extend(Self::load_fitting(read, second, models));
                all
            }
        }
    }

    /// How many files it was made of.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files
    }

    fn start(files: BTreeMap<String, Vec<u8>>, entries: &[&str], models: &[Arc<Model>]) -> Result<Self, Problems> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let (jobs, inbox) = mpsc::channel();
        let (ready, compiled) = mpsc::sync_channel(1);
        let count = files.len();
        let source = Source { files: Arc::new(files), entries: entries.clone(), models: models.to_vec() };
        let failed = |text: String| Problems::from(Problem::new(code::VALIDATOR_FAILED, text));
        thread::Builder::new()
            .name("schema".to_owned())
            .stack_size(STACK)
            .spawn(move || source.serve(&ready, &inbox))
            .map_err(|error| failed(format!("no thread for the schema validator: {error}")))?;
        match compiled.recv() {
            Ok(done) => done.map(|()| Self { entries, files: count, jobs }),
            Err(_) => Err(failed("the schema validator failed while it compiled the schema".to_owned())),
        }
    }
}

impl Validator for XsdSet {
    fn validate(&self, document: &Document, most: usize) -> Vec<Violation> {
        let (verdict, answer) = mpsc::sync_channel(1);
        let job = Job { document: document.clone(), most, verdict };
        let sent = self.jobs.send(job).is_ok();
        let answer = if sent { answer.recv().ok() } else { None };
        answer.unwrap_or_else(|| vec![failure("the schema validator failed on this document; report it")])
    }
}

/// A document nobody could judge.
fn failure(text: &str) -> Violation {
    Violation {
        code: code::VALIDATOR_FAILED,
        rule: "validator".to_owned(),
        severity: Severity::Error,
        text: text.to_owned(),
        expected: None,
        place: Place::default(),
    }
}

/// What the thread of a set is made from.
struct Source {
    files: Arc<BTreeMap<String, Vec<u8>>>,
    entries: Vec<String>,
    models: Vec<Arc<Model>>,
}

/// Why a compiled set is given up.
enum End {
    /// Nobody asks any more.
    Closed,
    /// It failed, or learned too many names; a fresh one goes on.
    Worn,
}

impl Source {
    fn serve(&self, ready: &mpsc::SyncSender<Result<(), Problems>>, inbox: &mpsc::Receiver<Job>) {
        let mut first = Some(ready);
        loop {
            let set = match self.compile() {
                Ok(set) => set,
                Err(problems) => {
                    if let Some(ready) = first {
                        let _ = ready.send(Err(problems));
                    }
                    return;
                }
            };
            match self.work(&set, first.take(), inbox) {
                End::Closed => return,
                End::Worn => (),
            }
        }
    }

    fn compile(&self) -> Result<SchemaSet, Problems> {
        let loader = Files(self.files.clone());
        let mut resolver = SchemaResolver::with_loader(Box::new(loader));
        resolver.catalog_mut().add_xml_catalog();
        let mut builder = SchemaSetBuilder::with_resolver(resolver, xsd_schema::XsdVersion::V1_0);
        for entry in &self.entries {
            builder.try_add(&format!("{SCHEME}{entry}")).map_err(|error| problem(&error, entry))?;
        }
        let first = self.entries.first().map(String::as_str).unwrap_or_default();
        let set = builder.compile().map_err(|error| problem(&error, first))?.into_schema_set();
        // The standard lets a type be missing until an element of it is met; an operator wants to know before.
        let missing = set.arenas.elements.values().filter_map(|element| element.deferred_type_error.as_ref());
        let missing: Vec<Problem> =
            missing.map(|error| invalid(&error.message, place(set.locate(error.source.as_ref()), first))).collect();
        if missing.is_empty() { Ok(set) } else { Err(Problems(missing)) }
    }

    fn work(
        &self,
        set: &SchemaSet,
        ready: Option<&mpsc::SyncSender<Result<(), Problems>>>,
        inbox: &mpsc::Receiver<Job>,
    ) -> End {
        let flags = ValidationFlags::default() & !ValidationFlags::BUILD_PSVI_TYPED_VALUES;
        let validator = SchemaValidator::new(set, flags);
        if let Some(ready) = ready {
            let failures = validator.content_model_failures();
            let done = match failures.first() {
                None => Ok(()),
                Some((_, reason)) => {
                    let text = format!("a content model of the schema is too large: {reason}");
                    Err(Problem::new(code::INVALID_SCHEMA, text).into())
                }
            };
            let usable = done.is_ok();
            if ready.send(done).is_err() || !usable {
                return End::Closed;
            }
        }
        let judge = Judge::new(set, &validator, &self.models, self.mentions_qnames());
        let names = set.name_table.len();
        while let Ok(job) = inbox.recv() {
            let judged =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge.judge(&job.document, job.most)));
            let failed = judged.is_err();
            let _ = job.verdict.send(judged.unwrap_or_else(|_| {
                vec![failure("the schema validator failed in a way the program did not foresee; report it")]
            }));
            if failed || set.name_table.len() > names + MOST_NAMES {
                return End::Worn;
            }
        }
        End::Closed
    }

    /// Whether values may be names with prefixes; then every element needs its namespaces.
    fn mentions_qnames(&self) -> bool {
        let mentions = |bytes: &Vec<u8>| {
            [&b"QName"[..], b"NOTATION"].iter().any(|word| memchr::memmem::find(bytes, word).is_some())
        };
        self.files.values().any(mentions)
    }
}

/// The files of one set, and nothing else.
#[derive(Debug)]
struct Files(Arc<BTreeMap<String, Vec<u8>>>);

impl SchemaLoader for Files {
    fn load(&self, location: &str) -> Result<String, SchemaError> {
        if !location.starts_with(SCHEME) {
            return xsd_schema::parser::resolver::EmbeddedLoader::new().load(location);
        }
        let bytes = self.0.get(&location[SCHEME.len()..]).cloned();
        match bytes {
            Some(bytes) => xsd_schema::parser::resolver::decode_xml_bytes(bytes),
            None => Err(SchemaError::resolution(format!("there is no `{}`", &location[SCHEME.len()..]))),
        }
    }

    fn can_load(&self, location: &str) -> bool {
        location.starts_with(SCHEME) || location.starts_with("embedded://")
    }
}

/// The files of a set by name: the entries and whatever a `schemaLocation` in them leads to. A location that leads
/// nowhere is a hint that failed (XSD 1.0 part 1 §4.3.2), unless it is of an entry.
fn gather(read: &dyn Fn(&str) -> Option<Vec<u8>>, entries: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, Problems> {
    let mut files = BTreeMap::new();
    let mut problems = Problems::default();
    let mut wanted: Vec<String> = Vec::new();
    for entry in entries {
        match read(entry) {
            Some(bytes) => {
                wanted.extend(locations(entry, &bytes));
                files.insert((*entry).to_owned(), bytes);
            }
            None => {
                let text = format!("the schema file `{entry}` cannot be found");
                let place = Place { file: Some((*entry).into()), ..Place::default() };
                problems.push(Problem::new(code::MISSING_FILE, text).at(place));
            }
        }
    }
    while let Some(name) = wanted.pop() {
        if files.contains_key(&name) {
            continue;
        }
        let Some(bytes) = read(&name) else { continue };
        wanted.extend(locations(&name, &bytes));
        files.insert(name, bytes);
    }
    if problems.0.is_empty() { Ok(files) } else { Err(problems) }
}

/// The names of the files that the `schemaLocation`s of a file lead to; too many rather than too few.
fn locations(file: &str, bytes: &[u8]) -> Vec<String> {
    const ATTRIBUTE: &[u8] = b"schemaLocation";
    let found = memchr::memmem::find_iter(bytes, ATTRIBUTE).filter_map(|at| {
        let rest = bytes[at + ATTRIBUTE.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let quote = *rest.first().filter(|first| matches!(first, b'"' | b'\''))?;
        let end = memchr::memchr(quote, &rest[1..])?;
        let location = std::str::from_utf8(&rest[1..=end]).ok()?.trim();
        (!location.contains(':')).then(|| beside(file, location))
    });
    found.collect()
}

fn digest(entries: &[&str], files: &BTreeMap<String, Vec<u8>>) -> Sha256 {
    let mut all = crate::base::Sha256Builder::default();
    for entry in entries {
        all.add(entry.as_bytes());
        all.add(&[0]);
    }
    for (name, bytes) in files {
        all.add(name.as_bytes());
        all.add(&[0]);
        all.add(&bytes.len().to_le_bytes());
        all.add(bytes);
    }
    all.finish()
}

/// What is wrong with a schema, where the validator knows it.
fn problem(error: &SchemaError, entry: &str) -> Problems {
    use SchemaError as E;
    let at = match error {
        E::XmlError { location, .. }
        | E::StructuralError { location, .. }
        | E::NamespaceError { location, .. }
        | E::FeatureError { location, .. }
        | E::LimitExceeded { location, .. } => location.as_ref(),
        _ => None,
    };
    invalid(&wording::of_schema_error(error), place(at.cloned(), entry)).into()
}

fn invalid(text: &str, place: Place) -> Problem {
    Problem::new(code::INVALID_SCHEMA, format!("the schema is not valid: {text}")).at(place)
}

/// A place as the validator knows it; else the file the set began with.
fn place(at: Option<SourceLocation>, entry: &str) -> Place {
    let Some(at) = at else { return Place { file: Some(entry.into()), ..Place::default() } };
    let number = |n: usize| u32::try_from(n).unwrap_or_default();
    Place::in_file(&at.base_uri.trim_start_matches(SCHEME).into(), number(at.line), number(at.column))
}
