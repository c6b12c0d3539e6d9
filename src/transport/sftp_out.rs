//! Writes payloads to an SFTP server: under a temporary name, then renamed, never over another file.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use russh_sftp::protocol::OpenFlags;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    Answer, Egress, Outgoing, SftpOutConfig, Sink,
    file_name::{OutNames, checksum_text},
    sftp_link::{SftpConnection, SftpFault, SftpLink},
};
use crate::base::{Problem, Sha256};

/// A folder on a server that a partner collects files from.
pub struct SftpSink {
    link: SftpLink,
    folder: String,
    names: OutNames,
}

/// How far one file came.
enum Written {
    /// It is there.
    Whole,
    /// It cannot be there: another file has its name, its folder is missing, or the account may not write.
    Refused(String),
    /// It is not there.
    Not(SftpFault),
    /// It may be there.
    Unknown(String),
}

impl SftpSink {
    /// A sink for a folder on a server; connects only when sending.
    ///
    /// # Errors
    /// `XD-T012`: the server's or the files' settings cannot work.
    pub fn new(config: &SftpOutConfig, egress: &Arc<Egress>) -> Result<Self, Problem> {
        let names = OutNames::new(&config.files)?;
        let folder = config.files.folder.to_string_lossy().trim_end_matches('/').to_owned();
        Ok(Self { link: SftpLink::new(&config.place, egress)?, folder, names })
    }

    fn at(&self, name: &str) -> String {
        if self.folder.is_empty() { name.to_owned() } else { format!("{}/{name}", self.folder) }
    }

    async fn write(&self, connection: &SftpConnection, outgoing: &Outgoing) -> Written {
        let names = self.names.of(outgoing);
        let checksum = names.checksum.map(|name| {
            let text = checksum_text(Sha256::of(&outgoing.bytes), &names.name);
            (name, Bytes::from(text))
        });
        let done = names.done.map(|name| (name, Bytes::new()));
        let main = (names.name, outgoing.bytes.clone());
        // a name that is taken is found before anything is written beside it
        match self.compare(connection, &main.0, &main.1).await {
            Ok(None | Some(true)) => (),
            Ok(Some(false)) => return Written::Refused(format!("another file {} is there already", main.0)),
            Err(fault) => return Written::Not(fault),
        }
        let mut is_there = false;
        for (number, (name, bytes)) in checksum.into_iter().chain([main]).chain(done).enumerate() {
            let temporary =
                format!("{}{}", names.temporary, if number == 0 { String::new() } else { format!(".{number}") });
            match self.place(connection, &self.at(&temporary), &name, &bytes).await {
                Written::Whole => is_there = true,
                // a companion may be all that is missing
                Written::Not(SftpFault::Lost(why)) if is_there => return Written::Unknown(why),
                other => return other,
            }
        }
        Written::Whole
    }

    async fn place(&self, connection: &SftpConnection, temporary: &str, name: &str, bytes: &Bytes) -> Written {
        let files = &connection.files;
        let target = self.at(name);
        match self.compare(connection, name, bytes).await {
            Ok(None) => (),
            Ok(Some(true)) => return Written::Whole,
            Ok(Some(false)) => return Written::Refused(format!("another file {name} is there already")),
            Err(fault) => return Written::Not(fault),
        }
        let uploaded = async {
            let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::WRITE;
            let mut file = files.open_with_flags(temporary, flags).await?;
            file.write_all(bytes).await?;
            file.flush().await?;
            // a server without this extension flushes when it likes
            match file.sync_all().await.map_err(SftpFault::from) {
                Ok(()) | Err(SftpFault::Said(..)) => (),
                Err(lost) => return Err(lost),
            }
            file.close().await?;
            let size = files.metadata(temporary).await?.len();
            if size == bytes.len() as u64 {
                return Ok(());
            }
            Err(SftpFault::Lost(format!("the server has {size} of {} bytes", bytes.len())))
        };
        match uploaded.await {
            Ok(()) => (),
            Err(fault) if fault.is_missing() => {
                return Written::Refused(format!("the folder {} does not exist", self.link.shown(&self.folder)));
            }
            Err(fault) if fault.is_forbidden() => return Written::Refused(fault.to_string()),
            Err(fault) => return Written::Not(fault),
        }
        match files.rename(temporary, &target).await.map_err(SftpFault::from) {
            Ok(()) => Written::Whole,
            Err(SftpFault::Lost(why)) => Written::Unknown(why),
            Err(said) => {
                // the name may have been taken a moment ago; what was uploaded is of no use then
                let there = self.compare(connection, name, bytes).await;
                let _ = files.remove_file(temporary).await;
                match there {
                    Ok(Some(true)) => Written::Whole,
                    Ok(Some(false)) => Written::Refused(format!("another file {name} is there already")),
                    Ok(None) if said.is_forbidden() => Written::Refused(said.to_string()),
                    Ok(None) => Written::Not(said),
                    Err(fault) => Written::Not(fault),
                }
            }
        }
    }

    /// Whether a file of this name is there and holds these bytes; `None` when there is none.
    async fn compare(&self, connection: &SftpConnection, name: &str, bytes: &Bytes) -> Result<Option<bool>, SftpFault> {
        let target = self.at(name);
        let found = match connection.files.metadata(&target).await.map_err(SftpFault::from) {
            Ok(found) => found,
            Err(fault) if fault.is_missing() => return Ok(None),
            Err(fault) => return Err(fault),
        };
        if found.len() != bytes.len() as u64 {
            return Ok(Some(false));
        }
        let file = connection.files.open(&target).await?;
        let mut present = Vec::with_capacity(bytes.len());
        file.take(bytes.len() as u64 + 1).read_to_end(&mut present).await?;
        Ok(Some(present == *bytes))
    }
}

#[async_trait]
impl Sink for SftpSink {
    async fn send(&self, outgoing: &Outgoing) -> Answer {
        let connection = match self.link.get().await {
            Ok(connection) => connection,
            Err(why) => return Answer::NotSent { why },
        };
        let (answer, is_lost) = match self.write(&connection, outgoing).await {
            Written::Whole => (Answer::Confirmed, false),
            Written::Refused(why) => (Answer::Refused { why }, false),
            Written::Not(fault) => {
                let is_lost = matches!(fault, SftpFault::Lost(_));
                (Answer::NotSent { why: fault.to_string() }, is_lost)
            }
            Written::Unknown(why) => (Answer::Unknown { why }, true),
        };
        if is_lost {
            self.link.forget(&connection).await;
        }
        answer
    }

    fn describe(&self) -> String {
        self.link.shown(&self.at(self.names.shown()))
    }
}
