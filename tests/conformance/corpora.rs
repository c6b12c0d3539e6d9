//! Where the suites lie.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of the corpora: `CROSSDOCK_CORPORA`, else beside the checkout; `None` when it is not there.
pub fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("CROSSDOCK_CORPORA").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// An archive whose path begins so, unpacked into a folder that lives as long as the answer.
pub fn unpacked(begin: &str) -> Option<tempfile::TempDir> {
    let Some(folder) = folder() else {
        println!("{begin}: the corpora are not present (set CROSSDOCK_CORPORA)");
        return None;
    };
    let (folder, begin) =
        begin.split_once('/').map_or((folder.clone(), begin), |(below, name)| (folder.join(below), name));
    let names = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(begin) && name.contains(".tar")
    };
    let archive = names.into_iter().find(is_wanted).expect("the archive is among the corpora");
    let target = tempfile::tempdir().expect("a folder");
    let status = Command::new("tar").arg("xf").arg(&archive).arg("-C").arg(target.path()).status().expect("tar runs");
    assert!(status.success(), "{} cannot be unpacked", archive.display());
    Some(target)
}

/// Every file below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
