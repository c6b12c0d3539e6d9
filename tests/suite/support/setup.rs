//! A set-up folder: a copy of the dealer group's example, or of test data, to be changed and started.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{Erp, Hub, root};

/// A private folder with settings, systems, routes and codes.
pub struct Setup {
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Setup {
    /// A copy of the example; its U8 systems are where [`Setup::partners`] says.
    pub fn dealer_group() -> Self {
        Self::copy_of(&root().join("examples/dealer-group"))
    }

    /// A copy of a folder of the repository.
    pub fn copy_of(folder: &Path) -> Self {
        let setup = Self { folder: tempfile::tempdir().expect("a folder"), settings: Vec::new() };
        copy(folder, setup.path());
        // fast retries: a test waits for each of them
        setup
            .setting("delivery.retry", r#"["50ms", "100ms", "200ms", "200ms", "500ms", "500ms", "1s", "2s"]"#)
            .setting("delivery.breaker_probe", r#""100ms""#)
    }

    /// The example between two partners.
    pub fn between(south: &Erp, east: &Erp) -> Self {
        Self::dealer_group().partners(&south.url(), &east.url())
    }

    /// Where the U8 systems of the example are.
    pub fn partners(self, south: &str, east: &str) -> Self {
        self.replace("systems/u8-south.yaml", "http://127.0.0.1:18101", south).replace(
            "systems/u8-east.yaml",
            "http://127.0.0.1:18102",
            east,
        )
    }

    /// One more setting, `section.key`, with its value as in TOML.
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file of the set-up.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Replaces a text that a file of the set-up must contain.
    #[track_caller]
    pub fn replace(self, path: &str, old: &str, new: &str) -> Self {
        let text = self.read(path);
        assert!(text.contains(old), "{path} does not contain `{old}`");
        self.write(path, &text.replace(old, new));
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path below the folder.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// The settings file.
    pub fn config(&self) -> String {
        self.at("crossdock.toml").to_str().expect("a plain path").to_owned()
    }

    /// Reads a file of the set-up.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Writes a file of the set-up.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("its folder can be made");
        fs::write(path, text).expect("it can be written");
    }

    /// Starts a hub with this set-up and waits until it is ready.
    pub fn start(self) -> Hub {
        Hub::start(self)
    }

    /// Writes the settings file: the example's own values, the ports and what was set.
    pub(super) fn write_settings(&self, ingest: u16, operations: u16) {
        let mut settings = vec![
            ("hub.data".to_owned(), r#""data""#.to_owned()),
            ("hub.content".to_owned(), r#"".""#.to_owned()),
            ("ingest.listen".to_owned(), format!(r#""127.0.0.1:{ingest}""#)),
            ("operations.listen".to_owned(), format!(r#""127.0.0.1:{operations}""#)),
            ("delivery.jitter_percent".to_owned(), "0".to_owned()),
            // the tests' own disk is not looked at
            ("storage.soft".to_owned(), r#""0B""#.to_owned()),
            ("storage.hard".to_owned(), r#""0B""#.to_owned()),
            ("storage.ballast".to_owned(), r#""0B""#.to_owned()),
        ];
        settings.retain(|(key, _)| self.settings.iter().all(|(given, _)| given != key));
        settings.extend(self.settings.iter().cloned());
        let text: String = settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        self.write("crossdock.toml", &text);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().expect("its type").is_dir() {
            // the journal of somebody who tried the example
            true if entry.file_name() == "data" => (),
            true => copy(&from, &to),
            false => drop(fs::copy(from, to).expect("a file can be copied")),
        }
    }
}
