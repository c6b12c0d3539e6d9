//! Finds the settings file and reads all layers.

use std::path::{Path, PathBuf};

use super::{Common, Exit, Failed};
use crate::{
    base::Language,
    config::{Layers, Settings, load},
};

/// The settings file's name.
pub const FILE: &str = "crossdock.toml";

impl Common {
    /// The settings of this process. Relative folders are relative to the settings file.
    pub fn settings(&self) -> Result<Settings, Failed> {
        self.settings_near(Path::new("."))
    }

    /// The same; without `--config`, the settings file is looked for in a folder and those above it.
    pub fn settings_near(&self, start: &Path) -> Result<Settings, Failed> {
        let path = self.config.clone().or_else(|| find(start));
        let file = match &path {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failed::new(Exit::Usage, format!("the settings file {} cannot be read: {error}", path.display()))
                })?;
                Some((path.to_string_lossy().into(), text))
            }
            None => None,
        };
        let mut flags = Vec::new();
        for set in &self.set {
            let Some((key, value)) = set.split_once('=') else {
                return Err(Failed::new(Exit::Usage, format!("--set {set}: expected KEY=VALUE")));
            };
            flags.push((key.to_owned(), value.to_owned()));
        }
        if let Some(language) = &self.lang {
            flags.push(("hub.language".to_owned(), language.clone()));
        }
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut settings =
            load(&Layers { file, environment, flags }).map_err(|problems| Failed::new(Exit::Usage, problems))?;
        let folder = path.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            settings.hub.data = plain(&folder.join(&settings.hub.data));
            settings.hub.content = plain(&folder.join(&settings.hub.content));
            let ingest = &mut settings.ingest;
            for file in [&mut ingest.tls_certificate, &mut ingest.tls_key, &mut ingest.tls_client_ca] {
                if !file.as_os_str().is_empty() {
                    *file = plain(&folder.join(&*file));
                }
            }
        }
        Ok(settings)
    }

    /// The language of messages, when nothing but messages is wanted.
    pub fn language(&self) -> Language {
        match self.lang.as_deref() {
            Some("zh") => Language::Chinese,
            Some(_) => Language::English,
            None => self.settings().map(|settings| settings.hub.language).unwrap_or_default(),
        }
    }
}

/// A path without `.` inside, as people write it.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

fn find(start: &Path) -> Option<PathBuf> {
    let start = start.canonicalize().ok()?;
    let here = std::env::current_dir().ok()?;
    let found = start.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file())?;
    // As the user would name it.
    Some(found.strip_prefix(&here).map_or_else(|_| found.clone(), Path::to_path_buf))
}
