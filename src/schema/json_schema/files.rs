//! The files of a schema: the entry, and what it refers to as far as it lies in the schema folder.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jsonschema::{Draft, Retrieve, Uri};
use serde_json::Value;

use super::value::Index;
use crate::{
    base::{Place, Problem, Problems},
    document::Document,
    format::{ReadOptions, Syntax, read},
    schema::code,
};

/// Where files without an address of their own are.
const FOLDER: &str = "schema:///";

/// The most files one schema may be made of.
const MOST_FILES: usize = 256;

/// A schema file.
pub(in crate::schema) struct Schema {
    pub name: Arc<str>,
    /// Its `$id` when that is absolute, else its place in the folder.
    pub address: String,
    pub value: Value,
    document: Document,
}

impl Schema {
    fn read(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let file: Arc<str> = name.into();
        let in_file = |mut problem: Problem| {
            problem.place.file = Some(file.clone());
            problem
        };
        let document = read(bytes, Syntax::Json, &ReadOptions::default()).map_err(in_file)?.document;
        // The document says where what stands; its form of a schema is not exact where members begin with `@`.
        let value: Value = serde_json::from_str(document.source()).map_err(|error| {
            let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
            let column = u32::try_from(error.column()).unwrap_or(u32::MAX);
            Problem::new(code::INVALID_SCHEMA, format!("the file cannot be read: {error}"))
                .at(Place::in_file(&file, line, column))
        })?;
        if !matches!(value, Value::Object(_) | Value::Bool(_)) {
            let problem = Problem::new(code::INVALID_SCHEMA, "a JSON Schema is an object, `true` or `false`");
            return Err(problem.at(Place::in_file(&file, 1, 1)));
        }
        let id = ["$id", "id"].iter().find_map(|key| value.get(key)?.as_str());
        let address = match id.map(|id| id.split('#').next().unwrap_or(id)) {
            Some(id) if scheme_of(id).is_some() => id.to_owned(),
            _ => format!("{FOLDER}{}", escaped(name)),
        };
        Ok(Self { name: file, address, value, document })
    }

    /// The address of the schema's own dialect, when it names none of the standard's drafts.
    pub fn own_dialect(&self) -> Option<&str> {
        let is_own = Draft::default().detect(&self.value) == Draft::Unknown;
        self.value.get("$schema").and_then(Value::as_str).filter(|_| is_own).map(|uri| uri.trim_end_matches('#'))
    }

    /// The address that one written in this schema means.
    pub fn resolve(&self, written: &str) -> Option<String> {
        let base = jsonschema::uri::from_str(&self.address).ok()?;
        let base = base.borrow();
        Some(jsonschema::uri::resolve_against(&base, written).ok()?.as_str().to_owned())
    }

    /// Where a part of the schema stands.
    pub fn place(&self, path: &jsonschema::paths::Location) -> Place {
        let (node, _) = Index::of(&self.document).find(&self.document, path);
        let mut place = self
            .document
            .offset(node)
            .map_or_else(|| Place::at(1, 1), |offset| Place::of_offset(self.document.source(), offset));
        place.file = Some(self.name.clone());
        place.with_path(if path.is_empty() { "/" } else { path.as_str() })
    }

    /// Where a reference to an address stands, as far as it can be told.
    pub fn reference(&self, address: &str) -> Place {
        let asks = |node: crate::document::NodeId| {
            let is_reference = self
                .document
                .qname(node)
                .is_some_and(|name| matches!(&*name.local, "$ref" | "$dynamicRef" | "$recursiveRef" | "$schema"));
            let text = self.document.string_value(node);
            let written = text.split('#').next().unwrap_or_default().trim_start_matches("./").trim_start_matches("../");
            is_reference && (text == address || (!written.is_empty() && address.ends_with(written)))
        };
        let mut nodes = (1..self.document.len()).filter_map(|index| self.document.node(index));
        let mut place = nodes
            .find(|node| asks(*node))
            .and_then(|node| self.document.offset(node))
            .map_or_else(Place::default, |offset| Place::of_offset(self.document.source(), offset));
        place.file = Some(self.name.clone());
        place
    }
}

/// The entry of a schema and what was fetched for it.
pub(in crate::schema) struct Files<'a> {
    read: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    entry: Arc<Schema>,
    fetched: Arc<Mutex<Fetched>>,
}

#[derive(Default)]
struct Fetched {
    files: HashMap<String, Arc<Schema>>,
    missing: Option<String>,
}

impl<'a> Files<'a> {
    pub fn of(read: &'a dyn Fn(&str) -> Option<Vec<u8>>, entry: &str) -> Result<Self, Problems> {
        let Some(bytes) = read(entry) else {
            let problem = Problem::new(code::MISSING_FILE, format!("the schema file `{entry}` cannot be found"));
            let place = Place { file: Some(entry.into()), ..Place::default() };
            return Err(problem.at(place).into());
        };
        let entry = Arc::new(Schema::read(entry, &bytes)?);
        Ok(Self { read, entry, fetched: Arc::default() })
    }

    pub fn entry(&self) -> Arc<Schema> {
        self.entry.clone()
    }

    pub fn len(&self) -> usize {
        1 + self.fetched.lock().unwrap_or_else(PoisonError::into_inner).files.len()
    }

    /// Gives the validator what was fetched, and notes what was not.
    pub fn retriever(&self) -> Retriever {
        Retriever(self.fetched.clone())
    }

    /// The address the validator asked for in vain.
    pub fn missing(&self) -> Option<String> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).missing.take()
    }

    /// The file at an address, read the first time.
    pub fn schema(&self, address: &str) -> Result<Arc<Schema>, Problems> {
        if let Some(known) = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).files.get(address) {
            return Ok(known.clone());
        }
        let place = || self.entry.reference(address);
        let Some(name) = self.locate(address) else {
            let text = format!("`{address}` is no address of a file in the schema folder");
            return Err(Problem::new(code::UNKNOWN_REFERENCE, text).at(place()).into());
        };
        let Some(bytes) = (self.read)(&name) else {
            let text = format!("the schema file `{name}` cannot be found");
            let text = if address.starts_with(FOLDER) { text } else { format!("{text}: it would be `{address}`") };
            return Err(Problem::new(code::MISSING_FILE, text).at(place()).into());
        };
        if self.len() >= MOST_FILES {
            let text = format!("the schema refers to more than {MOST_FILES} files");
            return Err(Problem::new(code::UNSUPPORTED, text).at(place()).into());
        }
        let mut schema = Schema::read(&name, &bytes)?;
        address.clone_into(&mut schema.address);
        let schema = Arc::new(schema);
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.files.insert(address.to_owned(), schema.clone());
        Ok(schema)
    }

    /// The file of an address: relative to the entry's, as their addresses are; else `host/path`.
    fn locate(&self, address: &str) -> Option<String> {
        let name = match address.strip_prefix(FOLDER) {
            Some(name) => name.to_owned(),
            None => {
                let rest = address.split_once("://")?.1;
                let beside = || {
                    let own = self.entry.address.split_once("://")?.1;
                    beside(own, rest, &self.entry.name).filter(|name| (self.read)(name).is_some())
                };
                beside().unwrap_or_else(|| rest.to_owned())
            }
        };
        let name = unescaped(&name)?;
        let is_inside = name.split('/').all(|step| !step.is_empty() && step != "." && step != "..");
        is_inside.then_some(name)
    }
}

/// The file that lies to `file` as `wanted` to `own`, when both addresses share their host.
fn beside(own: &str, wanted: &str, file: &str) -> Option<String> {
    let (mut own, mut wanted): (Vec<&str>, Vec<&str>) = (own.split('/').collect(), wanted.split('/').collect());
    let mut folder: Vec<&str> = file.split('/').collect();
    own.pop();
    folder.pop();
    let shared = own.iter().zip(&wanted).take_while(|(own, wanted)| own == wanted).count();
    if shared == 0 {
        return None;
    }
    let kept = folder.len().checked_sub(own.len() - shared)?;
    folder.truncate(kept);
    folder.extend(wanted.drain(shared..));
    Some(folder.join("/"))
}

/// The scheme of an absolute address (RFC 3986 §3.1).
fn scheme_of(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some(scheme)
}

/// A file name as the path of an address (RFC 3986 §2.1).
fn escaped(name: &str) -> String {
    let mut made = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => made.push(char::from(byte)),
            _ => made.push_str(&format!("%{byte:02X}")),
        }
    }
    made
}

/// The path of an address as a file name, or a pointer.
pub(in crate::schema) fn unescaped(path: &str) -> Option<String> {
    let mut made = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        made.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit()? * 16 + digit()?
            }
            _ => byte,
        });
    }
    String::from_utf8(made).ok()
}

/// What the validator asks for files.
pub(in crate::schema) struct Retriever(Arc<Mutex<Fetched>>);

/// A file that was not fetched yet, or is not there.
#[derive(Debug)]
struct NotFetched;

impl fmt::Display for NotFetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file is not in the schema folder")
    }
}

impl std::error::Error for NotFetched {}

impl Retrieve for Retriever {
    fn retrieve(&self, address: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let mut fetched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = address.as_str().split('#').next().unwrap_or_default().to_owned();
        match fetched.files.get(&address) {
            Some(schema) => Ok(schema.value.clone()),
            None => {
                fetched.missing = Some(address);
                Err(Box::new(NotFetched))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{beside, escaped, unescaped};

    #[test]
    fn files_lie_to_each_other_as_their_addresses_do() {
        let own = "example.com/schemas/order/order.json";
        for (wanted, file) in [
            ("example.com/schemas/order/line.json", Some("acme/order/line.json")),
            ("example.com/schemas/common/types.json", Some("acme/common/types.json")),
            ("example.com/other.json", Some("other.json")),
            ("example.com/schemas/order/../x.json", Some("acme/order/../x.json")),
            ("elsewhere.org/schemas/order/line.json", None),
        ] {
            assert_eq!(beside(own, wanted, "acme/order/main.json").as_deref(), file, "{wanted}");
        }
    }

    #[test]
    fn file_names_survive_as_addresses() {
        for name in ["acme/订单 1.json", "a%b.json", "plain.json"] {
            assert_eq!(unescaped(&escaped(name)).as_deref(), Some(name));
        }
        assert_eq!(unescaped("%f"), None);
        assert_eq!(unescaped("%ff"), None);
    }
}
