//! Code tables: value ↔ value per system and site, with effective dates, from `codes/*.csv`.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use super::code;
use crate::base::{Place, Problem, Problems};

/// All code tables by name.
#[derive(Clone, Debug, Default)]
pub struct CodeTables {
    tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    file: Arc<str>,
    rows: BTreeMap<String, Vec<Row>>,
}

#[derive(Clone, Debug)]
struct Row {
    target: String,
    system: String,
    site: String,
    from: String,
    to: String,
    line: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    value: String,
    target: String,
    #[serde(default)]
    system: String,
    #[serde(default)]
    site: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for people")]
    note: String,
}

/// For whom and when a value is looked up.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The target system.
    pub system: &'a str,
    /// The site of the document.
    pub site: &'a str,
    /// The day, `YYYY-MM-DD`.
    pub date: &'a str,
}

/// A row that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The target value.
    pub target: &'a str,
    /// `codes/department.csv:7`.
    pub place: String,
}

impl CodeTables {
    /// Reads one table; `path` is what messages call the file.
    ///
    /// Columns: `value,target` and, optional, `system,site,from,to,note`. An empty system or site means any; dates are
    /// inclusive.
    pub fn add(&mut self, name: &str, path: &Arc<str>, bytes: &[u8], problems: &mut Problems) {
        if let Some(known) = self.tables.get(name) {
            let text = format!("code table `{name}` is read from {} already", known.file);
            problems.push(Problem::new(code::NAME, text).at(Place::in_file(path, 1, 1)));
            return;
        }
        let mut table = Table { file: path.clone(), rows: BTreeMap::new() };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(bytes);
        let mut raw = csv::StringRecord::new();
        let headers = reader.headers().cloned();
        let at = |line: u64| Place::in_file(path, u32::try_from(line).unwrap_or(u32::MAX), 1);
        let headers = match headers {
            Ok(headers) => headers,
            Err(error) => {
                problems.push(Problem::new(code::CODE_TABLE, error.to_string()).at(at(1)));
                return;
            }
        };
        loop {
            let line = reader.position().line();
            let record = match reader.read_record(&mut raw) {
                Ok(false) => break,
                Ok(true) => raw.deserialize::<Record>(Some(&headers)),
                Err(error) => Err(error),
            };
            let line = raw.position().map_or(line, csv::Position::line);
            match record {
                Err(error) => {
                    let known = "columns: value,target and optionally system,site,from,to,note";
                    problems.push(Problem::new(code::CODE_TABLE, text_of(&error)).at(at(line)).hint(known));
                    if matches!(error.kind(), csv::ErrorKind::Deserialize { .. }) && table.rows.is_empty() {
                        break;
                    }
                }
                Ok(record) => {
                    if let Some(bad) = [&record.from, &record.to].into_iter().find(|date| !is_date(date)) {
                        let text = format!("`{bad}` is not a date; write YYYY-MM-DD");
                        problems.push(Problem::new(code::CODE_TABLE, text).at(at(line)));
                        continue;
                    }
                    let Record { value, target, system, site, from, to, .. } = record;
                    let rows = table.rows.entry(value).or_default();
                    let twin = rows.iter().find(|row| {
                        row.system == system && row.site == site && overlap((&row.from, &row.to), (&from, &to))
                    });
                    if let Some(twin) = twin {
                        let text = format!("the same value, system and site stand in line {} already", twin.line);
                        problems.push(
                            Problem::new(code::CODE_TABLE, text)
                                .at(at(line))
                                .hint("give the rows effective dates that do not overlap"),
                        );
                        continue;
                    }
                    rows.push(Row { target, system, site, from, to, line });
                }
            }
        }
        self.tables.insert(name.to_owned(), table);
    }

    /// The names of all tables.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    /// Whether there is a table of that name.
    #[must_use]
    pub fn contains(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// The target of a value on an occasion: the row for the site before one for any site, the row for the system
    /// before one for any system.
    #[must_use]
    pub fn find(&self, table: &str, value: &str, occasion: Occasion<'_>) -> Option<Found<'_>> {
        let table = self.tables.get(table)?;
        let fits = |row: &&Row| {
            (row.system.is_empty() || row.system == occasion.system)
                && (row.site.is_empty() || row.site == occasion.site)
                && (row.from.is_empty() || row.from.as_str() <= occasion.date)
                && (row.to.is_empty() || row.to.as_str() >= occasion.date)
        };
        let row = table
            .rows
            .get(value)?
            .iter()
            .filter(fits)
            .max_by_key(|row| (!row.site.is_empty(), !row.system.is_empty(), !row.from.is_empty()))?;
        Some(Found { target: &row.target, place: format!("{}:{}", table.file, row.line) })
    }
}

fn text_of(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} fields, the header {expected_len}")
        }
        _ => error.to_string(),
    }
}

fn is_date(text: &str) -> bool {
    text.is_empty() || text.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == text)
}

fn overlap(a: (&str, &str), b: (&str, &str)) -> bool {
    let ends_before = |end: &str, start: &str| !end.is_empty() && !start.is_empty() && end < start;
    !(ends_before(a.1, b.0) || ends_before(b.1, a.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> (CodeTables, Problems) {
        let (mut tables, mut problems) = (CodeTables::default(), Problems::default());
        tables.add("department", &"codes/department.csv".into(), text.as_bytes(), &mut problems);
        (tables, problems)
    }

    #[test]
    fn the_most_specific_row_in_force_wins() {
        let (tables, problems) = table(
            "value,target,system,site,from,to,note\n一部,ANY,,,,,\n一部,SOUTH,south,,,,\n一部,S03,south,S03,,,\n\
             大客户部,OLD,south,,,2025-12-31,\n大客户部,NEW,south,,2026-01-01,,\n",
        );
        assert_eq!(problems, Problems::default());
        let find = |value, system, site, date| {
            tables.find("department", value, Occasion { system, site, date }).map(|found| found.target)
        };
        assert_eq!(find("一部", "south", "S03", "2026-05-01"), Some("S03"));
        assert_eq!(find("一部", "south", "S01", "2026-05-01"), Some("SOUTH"));
        assert_eq!(find("一部", "east", "S02", "2026-05-01"), Some("ANY"));
        assert_eq!(find("大客户部", "south", "S01", "2025-12-31"), Some("OLD"));
        assert_eq!(find("大客户部", "south", "S01", "2026-01-01"), Some("NEW"));
        assert_eq!(find("大客户部", "east", "S02", "2026-01-01"), None);
    }

    #[test]
    fn bad_rows_are_named_and_good_ones_stay() {
        let (tables, problems) =
            table("value,target,system,site,from,to,note\na,1,,,,,\na,2,,,,,\nb,1,,,2026-13-01,,\nc\nd,4,,,,,\n");
        let lines: Vec<u32> = problems.0.iter().map(|problem| problem.place.line).collect();
        assert_eq!(lines, [3, 4, 5], "{problems}");
        let occasion = Occasion { system: "", site: "", date: "2026-01-01" };
        assert_eq!(
            tables.find("department", "d", occasion).map(|found| found.place).as_deref(),
            Some("codes/department.csv:6")
        );
    }

    #[test]
    fn a_wrong_header_is_one_problem() {
        let (_, problems) = table("from_value,to_value\n1,2\n3,4\n");
        assert_eq!(problems.0.len(), 1, "{problems}");
    }
}
