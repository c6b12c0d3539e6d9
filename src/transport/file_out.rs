//! Writes payloads as files: whole or not at all, never over another file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{
    Answer, FileOutConfig, Outgoing, Sink, code,
    file_name::{OutNames, checksum_text},
};
use crate::base::{Problem, Sha256};

/// A folder that a partner collects files from.
pub struct FileSink {
    folder: PathBuf,
    names: OutNames,
    fsync: bool,
}

/// One file to be written.
struct NewFile {
    name: String,
    temporary: PathBuf,
    bytes: Bytes,
}

impl FileSink {
    /// A sink for a folder.
    ///
    /// # Errors
    /// The folder is not named, or a name's template cannot be used.
    pub fn new(config: &FileOutConfig) -> Result<Self, Problem> {
        if config.folder.as_os_str().is_empty() {
            return Err(Problem::new(code::BAD_SETTINGS, "a file destination needs a folder"));
        }
        Ok(Self { folder: config.folder.clone(), names: OutNames::new(config)?, fsync: config.fsync })
    }

    /// The file and its companions: a checksum is there before its file, a marker after it.
    fn files(&self, outgoing: &Outgoing) -> Vec<NewFile> {
        let names = self.names.of(outgoing);
        let checksum = names.checksum.map(|name| {
            let text = checksum_text(Sha256::of(&outgoing.bytes), &names.name);
            (name, Bytes::from(text))
        });
        let done = names.done.map(|name| (name, Bytes::new()));
        let all = checksum.into_iter().chain([(names.name, outgoing.bytes.clone())]).chain(done);
        let temporary = |number| match number {
            0 => self.folder.join(&names.temporary),
            _ => self.folder.join(format!("{}.{number}", names.temporary)),
        };
        all.enumerate().map(|(number, (name, bytes))| NewFile { name, temporary: temporary(number), bytes }).collect()
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        let (files, folder, fsync) = (self.files(outgoing), self.folder.clone(), self.fsync);
        match spawn_blocking(move || write(&folder, &files, fsync)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Unknown { why: "writing the file was interrupted".to_owned() },
        }
    }

    fn describe(&self) -> String {
        self.folder.join(self.names.shown()).display().to_string()
    }
}

fn write(folder: &Path, files: &[NewFile], fsync: bool) -> Answer {
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Answer::Refused { why: format!("{} is not a folder", folder.display()) },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Answer::Refused { why: format!("the folder {} does not exist", folder.display()) };
        }
        Err(error) => return Answer::NotSent { why: format!("the folder cannot be reached: {error}") },
    }
    // a name that is taken is found before anything is written beside it
    for file in files {
        if let Err(answer) = is_there(folder, file) {
            return answer;
        }
    }
    for file in files {
        let linked =
            prepare(&file.temporary, &file.bytes, fsync).and_then(|()| link(&file.temporary, &folder.join(&file.name)));
        // a failure to remove only leaves a temporary file behind
        let _ = fs::remove_file(&file.temporary);
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if let Err(answer) = is_there(folder, file) {
                    return answer;
                }
            }
            Err(error) => return Answer::NotSent { why: format!("the file cannot be written: {error}") },
        }
    }
    let flushed = if fsync { File::open(folder).and_then(|folder| folder.sync_all()) } else { Ok(()) };
    match flushed {
        Ok(()) => Answer::Confirmed,
        Err(error) => Answer::Unknown { why: format!("the folder could not be flushed: {error}") },
    }
}

/// Whether a file is there already as it is to be; an error when its name is taken by another one.
fn is_there(folder: &Path, file: &NewFile) -> Result<bool, Answer> {
    let name = &file.name;
    match fs::read(folder.join(name)) {
        Ok(present) if present == file.bytes => Ok(true),
        Ok(_) => Err(Answer::Refused { why: format!("another file {name} is there already") }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Answer::NotSent { why: format!("a file {name} is there and cannot be read: {error}") }),
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

    use super::FileSink;
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

    #[tokio::test]
    async fn a_checksum_and_a_marker_stand_beside_the_file_and_an_interrupted_set_is_completed() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = FileOutConfig {
            folder: folder.path().to_owned(),
            name: "a.xml".to_owned(),
            temporary: "{name}.part".to_owned(),
            checksum: true,
            done: "{name}.done".to_owned(),
            ..FileOutConfig::default()
        };
        let sink = FileSink::new(&config).expect("good settings");
        for lost in ["", "a.xml.done", "a.xml.sha256"] {
            let _ = fs::remove_file(folder.path().join(lost));
            assert_eq!(sink.send(&outgoing("<a/>")).await, Answer::Confirmed);
            let mut names = names(&folder);
            names.sort();
            assert_eq!(names, ["a.xml", "a.xml.done", "a.xml.sha256"]);
        }
        let sum = fs::read_to_string(folder.path().join("a.xml.sha256")).expect("the checksum");
        assert!(sum.ends_with("  a.xml\n") && sum.len() == 64 + 8, "{sum}");
        assert!(matches!(sink.send(&outgoing("<b/>")).await, Answer::Refused { .. }));
        assert_eq!(fs::read_to_string(folder.path().join("a.xml.sha256")).expect("the checksum"), sum);
    }
}
