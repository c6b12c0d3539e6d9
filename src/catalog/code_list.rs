//! Code lists: which codes there are, from `codelists/*.csv`. The first column is the code, others say more of it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::code;
use crate::{
    base::{Place, Problem, Problems},
    xpath::ListAnswer,
};

/// All code lists by name.
#[derive(Clone, Debug, Default)]
pub struct CodeLists {
    lists: BTreeMap<String, List>,
}

#[derive(Clone, Debug, Default)]
struct List {
    columns: Vec<String>,
    rows: HashMap<String, csv::StringRecord>,
}

impl CodeLists {
    /// Reads one list; `path` is what messages call the file. Lines beginning with `#` are for people.
    pub fn add(&mut self, name: &str, path: &Arc<str>, bytes: &[u8], problems: &mut Problems) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(bytes);
        let mut wrong = |line: u64, text: String| {
            let place = Place::in_file(path, u32::try_from(line).unwrap_or(u32::MAX), 1);
            problems.push(Problem::new(code::CODE_LIST, text).at(place).hint("the first line names the columns"));
        };
        let columns = match reader.headers() {
            Ok(headers) if headers.get(0).is_some_and(|first| !first.is_empty()) => {
                headers.iter().map(ToOwned::to_owned).collect()
            }
            Ok(_) => return wrong(1, "the list has no columns".to_owned()),
            Err(error) => return wrong(1, error.to_string()),
        };
        let mut list = List { columns, rows: HashMap::new() };
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let code = record.get(0).unwrap_or_default().to_owned();
                    if list.rows.contains_key(&code) {
                        wrong(line, format!("the code `{code}` is in the list twice"));
                    }
                    list.rows.insert(code, record);
                }
                Err(error) => wrong(error.position().map_or(0, csv::Position::line), error.to_string()),
            }
        }
        self.lists.insert(name.to_owned(), list);
    }

    /// What a list says of a code: its column of a name, or the code itself.
    #[must_use]
    pub fn find(&self, list: &str, code: &str, column: Option<&str>) -> ListAnswer {
        let Some(list) = self.lists.get(list) else { return ListAnswer::NoList };
        let at = match column {
            None => 0,
            Some(name) => match list.columns.iter().position(|known| known == name) {
                Some(at) => at,
                None => return ListAnswer::NoColumn,
            },
        };
        match list.rows.get(code) {
            Some(row) => ListAnswer::Found(row.get(at).unwrap_or_default().to_owned()),
            None => ListAnswer::Missing,
        }
    }

    /// The names of all lists.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lists.keys().map(String::as_str)
    }
}
