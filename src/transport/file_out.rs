//! Writes payloads as files: whole or not at all, never over another file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{Answer, FileOutConfig, Outgoing, Sink, code};
use crate::base::Problem;

/// The longest file name written, in bytes; leaves room for the temporary name within the usual 255.
const NAME_BYTES: usize = 200;

/// A folder that a partner collects files from.
pub struct FileSink {
    folder: PathBuf,
    name: String,
    fsync: bool,
}

impl FileSink {
    /// A sink for a folder.
    ///
    /// # Errors
    /// The folder is not named, or the name template has an unknown `{…}`.
    pub fn new(config: &FileOutConfig) -> Result<Self, Problem> {
        if config.folder.as_os_str().is_empty() {
            return Err(Problem::new(code::BAD_SETTINGS, "a file destination needs a folder"));
        }
        let sink = Self { folder: config.folder.clone(), name: config.name.clone(), fsync: config.fsync };
        let known = ["{business_key}", "{delivery_id}", "{document_type}"];
        let left = known.iter().fold(config.name.clone(), |name, part| name.replace(part, ""));
        if left.contains(['{', '}', '/', '\\']) || config.name.is_empty() {
            let text = format!(
                "the file name `{}` is not usable; it may hold {} and plain text",
                config.name,
                known.join(", ")
            );
            return Err(Problem::new(code::BAD_SETTINGS, text));
        }
        Ok(sink)
    }

    fn file_name(&self, outgoing: &Outgoing) -> String {
        let business_key = outgoing.business_key.as_deref().unwrap_or(&outgoing.delivery_id);
        let filled = fill(
            &self.name,
            &[
                ("business_key", business_key),
                ("delivery_id", &outgoing.delivery_id),
                ("document_type", &outgoing.document_type),
            ],
        );
        sanitised(&filled)
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        let name = self.file_name(outgoing);
        let temporary = self.folder.join(format!(".{}.{}.part", sanitised(&outgoing.delivery_id), outgoing.attempt));
        let (folder, fsync, bytes) = (self.folder.clone(), self.fsync, outgoing.bytes.clone());
        match spawn_blocking(move || write(&folder, &temporary, &name, &bytes, fsync)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Unknown { why: "writing the file was interrupted".to_owned() },
        }
    }

    fn describe(&self) -> String {
        self.folder.join(&self.name).display().to_string()
    }
}

/// Puts values in place of `{names}`, in one pass, so that a value never acts as a template.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        filled.push_str(value);
        rest = after;
    }
    filled + rest
}

/// A text as a file name: separators, control characters and what Windows shares forbid become `_`, no leading dot.
fn sanitised(text: &str) -> String {
    let mut name: String =
        text.chars()
            .map(|c| {
                if c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') {
                    '_'
                } else {
                    c
                }
            })
            .collect();
    if name.starts_with('.') || name.is_empty() {
        name.insert(0, '_');
    }
    if name.len() > NAME_BYTES {
        // the end keeps the extension, the digest keeps long names apart
        let digest = crate::base::Sha256::of(name.as_bytes()).to_string();
        let mut start = name.len() - (NAME_BYTES - 17);
        while !name.is_char_boundary(start) {
            start += 1;
        }
        name = format!("{}_{}", &digest[..16], &name[start..]);
    }
    name
}

fn write(folder: &Path, temporary: &Path, name: &str, bytes: &Bytes, fsync: bool) -> Answer {
    let target = folder.join(name);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Answer::Refused { why: format!("{} is not a folder", folder.display()) },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Answer::Refused { why: format!("the folder {} does not exist", folder.display()) };
        }
        Err(error) => return Answer::NotSent { why: format!("the folder cannot be reached: {error}") },
    }
    let prepared = prepare(temporary, bytes, fsync);
    let linked = prepared.and_then(|()| link(temporary, &target));
    // a failure to remove only leaves a hidden file behind
    let _ = fs::remove_file(temporary);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::read(&target) {
            Ok(present) if present == *bytes => {}
            Ok(_) => return Answer::Refused { why: format!("another file {name} is there already") },
            Err(error) => {
                return Answer::NotSent { why: format!("a file {name} is there and cannot be read: {error}") };
            }
        },
        Err(error) => return Answer::NotSent { why: format!("the file cannot be written: {error}") },
    }
    let flushed = if fsync { File::open(folder).and_then(|folder| folder.sync_all()) } else { Ok(()) };
    match flushed {
        Ok(()) => Answer::Confirmed,
        Err(error) => Answer::Unknown { why: format!("the folder could not be flushed: {error}") },
    }
}

fn prepare(temporary: &Path, bytes: &Bytes, fsync: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(temporary)?;
    file.write_all(bytes)?;
    if fsync { file.sync_all() } else { Ok(()) }
}

/// Gives the finished file its name, failing when the name is taken.
fn link(temporary: &Path, target: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, temporary, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // some network file systems cannot rename without replacing; a hard link fails on a taken name everywhere
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(temporary, target)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;
    use tempfile::TempDir;

    use super::{FileSink, fill, sanitised};
    use crate::transport::{Answer, FileOutConfig, Outgoing, Sink as _};

    fn outgoing(bytes: &'static str) -> Outgoing {
        Outgoing {
            delivery_id: "dlv_1".to_owned(),
            message_id: "msg_1".to_owned(),
            attempt: 1,
            bytes: Bytes::from_static(bytes.as_bytes()),
            content_type: "application/xml".to_owned(),
            business_key: Some("../../etc/SO-1".to_owned()),
            traceparent: None,
            document_type: "ubl/Order@2.1".to_owned(),
        }
    }

    fn sink(folder: &TempDir) -> FileSink {
        let name = "{document_type}-{business_key}.xml".to_owned();
        let config = FileOutConfig { folder: folder.path().to_owned(), name, ..FileOutConfig::default() };
        FileSink::new(&config).expect("good settings")
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn a_file_appears_whole_under_a_safe_name_and_again_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let sink = sink(&folder);
        for _ in 0..2 {
            assert_eq!(sink.send(&outgoing("<a/>")).await, Answer::Confirmed);
            assert_eq!(names(&folder), ["ubl_Order@2.1-.._.._etc_SO-1.xml"]);
        }
        let answer = sink.send(&outgoing("<b/>")).await;
        assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
        assert_eq!(fs::read(folder.path().join(&names(&folder)[0])).expect("the file"), b"<a/>");
    }

    #[tokio::test]
    async fn a_missing_folder_refuses() {
        let folder = tempfile::tempdir().expect("a folder");
        let sink = sink(&folder);
        folder.close().expect("removed");
        let answer = sink.send(&outgoing("<a/>")).await;
        assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }

    #[test]
    fn names_are_safe_and_values_are_never_templates() {
        assert_eq!(fill("{a}-{b}", &[("a", "{b}"), ("b", "x")]), "{b}-x");
        for (text, name) in [("", "_"), (".x", "_.x"), ("a/b\\c\0d", "a_b_c_d"), ("..", "_.."), ("订单:1", "订单_1")]
        {
            assert_eq!(sanitised(text), name);
        }
        let long = sanitised(&format!("{}.xml", "单".repeat(300)));
        assert!(long.len() <= 200 && long.ends_with(".xml"), "{long}");
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        for name in ["{customer}.xml", "a/b.xml", "", "{delivery_id"] {
            let config = FileOutConfig { folder: "x".into(), name: name.to_owned(), fsync: true };
            assert!(FileSink::new(&config).is_err(), "{name}");
        }
    }
}
