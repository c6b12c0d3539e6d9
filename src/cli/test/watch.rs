//! `crossdock test --watch`: runs cases again when files change.
//!
//! Files are looked at twice a second: their number is small, and this works on every file system, network ones
//! included, where notices of changes do not arrive.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Arguments, Case, Loaded, Ran, run, tell};
use crate::{
    base::Limits,
    cli::{Common, Exit},
    config::Settings,
};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// Folders of content that cases depend on.
const FOLDERS: &[&str] = &["mappings", "schemas", "codes", "systems", "routes"];
/// Folders nested deeper than this are not looked into.
const MAX_DEPTH: usize = 16;

/// When a file was changed last, and its size.
type Seen = BTreeMap<PathBuf, (SystemTime, u64)>;

/// Runs affected cases after every change until Ctrl-C; the end is that of the last results.
pub async fn watch(
    common: &Common,
    arguments: &Arguments,
    settings: &Settings,
    limits: &Limits,
    first: Vec<Ran>,
) -> Exit {
    let content = settings.hub.content.clone();
    let mut results: BTreeMap<String, bool> = first.iter().map(|ran| (ran.name.clone(), ran.is_ok())).collect();
    let mut seen = look(&content);
    eprintln!("watching {} (Ctrl-C ends)", content.display());
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            () = tokio::time::sleep(INTERVAL) => (),
        }
        let now = look(&content);
        let changed = differing(&seen, &now);
        seen = now;
        if changed.is_empty() {
            continue;
        }
        changed.iter().for_each(|path| eprintln!("changed: {}", path.display()));
        let loaded = Loaded::new(settings, &arguments.filter);
        let (ran, covered) = run(&loaded, arguments, limits, &|case| is_affected(case, &changed, &content));
        if !ran.is_empty() {
            tell(common, arguments, &loaded, &ran, covered.as_deref());
        }
        results.retain(|name, _| loaded.cases.iter().any(|case| case.name == *name));
        results.extend(ran.iter().map(|ran| (ran.name.clone(), ran.is_ok())));
    }
    if results.values().all(|ok| *ok) { Exit::Ok } else { Exit::Problems }
}

/// Whether a change can alter how a case ends: its own files, its mapping, or what all mappings share.
fn is_affected(case: &Case, changed: &[PathBuf], content: &Path) -> bool {
    changed.iter().any(|path| {
        if path.components().any(|part| part.as_os_str() == "cases") {
            return path.starts_with(&case.folder);
        }
        match mapping_of(path, content) {
            Some(mapping) => mapping == case.mapping(),
            None => true,
        }
    })
}

/// The mapping a file holds; `None` for everything else.
fn mapping_of(path: &Path, content: &Path) -> Option<String> {
    let inside = path.strip_prefix(content.join("mappings")).ok()?;
    let name = inside.to_str()?.strip_suffix(".yaml")?.replace('\\', "/");
    let (_, stem) = name.split_once('/')?;
    (!matches!(stem, "profile" | "simulator" | "rules") && !stem.contains('/')).then_some(name)
}

fn look(content: &Path) -> Seen {
    let mut seen = Seen::new();
    FOLDERS.iter().for_each(|folder| walk(&content.join(folder), 0, &mut seen));
    seen
}

fn walk(folder: &Path, depth: usize, seen: &mut Seen) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() && depth < MAX_DEPTH => walk(&path, depth + 1, seen),
            Ok(about) if about.is_file() => {
                seen.insert(path, (about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len()));
            }
            _ => (),
        }
    }
}

/// Files that are new, gone or other than before.
fn differing(before: &Seen, after: &Seen) -> Vec<PathBuf> {
    let changed = after.iter().filter(|(path, about)| before.get(*path) != Some(about));
    let gone = before.iter().filter(|(path, _)| !after.contains_key(*path));
    changed.chain(gone).map(|(path, _)| path.clone()).collect()
}
