//! The ways of a system through folders: `file` and `sftp`, in and out.

use std::path::PathBuf;

use super::system::Reader;
use crate::{
    base::{Problem, Secret},
    content::Fields,
    format::{Charset, Records},
    transport::{FileInConfig, FileOutConfig, Missed, Schedule, SftpInConfig, SftpOutConfig, SftpPlace, SplitConfig},
};

/// How often a server is looked at, unless its settings say otherwise.
const SFTP_POLL_MS: u64 = 30_000;
/// After so long a claim is taken over.
const CLAIM_MS: u64 = 15 * 60 * 1000;

impl Reader<'_> {
    pub(super) fn file_in(&self, file: &Fields<'_>, system: &str, charset: Option<Charset>) -> FileInConfig {
        let config = files_in(file, system, charset);
        let folder = |key, required| self.folder_of(file, key, required);
        FileInConfig {
            folder: folder("folder", true),
            done: folder("done", false),
            failed: folder("failed", false),
            ..config
        }
    }

    pub(super) fn file_out(&self, file: &Fields<'_>) -> FileOutConfig {
        let config = files_out(file);
        let fsync = file.boolean("fsync").unwrap_or(config.fsync);
        FileOutConfig { folder: self.folder_of(file, "folder", true), fsync, ..config }
    }

    pub(super) fn sftp_in(&self, sftp: &Fields<'_>, system: &str, charset: Option<Charset>) -> SftpInConfig {
        let mut files = files_in(sftp, system, charset);
        if sftp.get("poll").is_none() {
            files.poll_ms = SFTP_POLL_MS;
        }
        let folder = |key| sftp.text(key).map(PathBuf::from).unwrap_or_default();
        SftpInConfig {
            place: self.sftp_place(sftp),
            files: FileInConfig { folder: folder("folder"), done: folder("done"), failed: folder("failed"), ..files },
            delete: sftp.word("after", &[("move", false), ("delete", true)]).unwrap_or_default(),
            claim_ms: millis(sftp, "claim").unwrap_or(CLAIM_MS),
        }
    }

    pub(super) fn sftp_out(&self, sftp: &Fields<'_>) -> SftpOutConfig {
        let folder = sftp.text("folder").map(PathBuf::from).unwrap_or_default();
        SftpOutConfig { place: self.sftp_place(sftp), files: FileOutConfig { folder, ..files_out(sftp) } }
    }

    fn sftp_place(&self, sftp: &Fields<'_>) -> SftpPlace {
        let standard = SftpPlace::default();
        let secret = |key| -> Option<Secret> { sftp.get(key).map(|_| self.required_secret(sftp, key)) };
        let keys = sftp.list("host-key").into_iter().filter_map(|key| key.text().map(ToOwned::to_owned));
        SftpPlace {
            host: sftp.required_text("host").unwrap_or_default().to_owned(),
            port: sftp.number("port").and_then(|port| port.try_into().ok()).unwrap_or(standard.port),
            user: sftp.required_text("user").unwrap_or_default().to_owned(),
            host_keys: keys.collect(),
            password: secret("password"),
            key: secret("key"),
            passphrase: secret("passphrase"),
            connect_timeout_ms: millis(sftp, "connect-timeout").unwrap_or(standard.connect_timeout_ms),
            timeout_ms: millis(sftp, "timeout").unwrap_or(standard.timeout_ms),
        }
    }
}

/// What folders have in common wherever they are; the folders themselves are left out.
fn files_in(file: &Fields<'_>, system: &str, charset: Option<Charset>) -> FileInConfig {
    let standard = FileInConfig::default();
    let split = file.get("split").and_then(|value| {
        let records = Records::parse(value.text().unwrap_or_default());
        let placed = |problem: Problem| file.report(problem.at(value.place(file.file())));
        records.map_err(placed).ok().map(|records| SplitConfig { records, charset })
    });
    // a batch is not held in memory, a document is
    let largest = if split.is_some() { u64::MAX } else { standard.max_file_bytes };
    FileInConfig {
        pattern: file.text("pattern").unwrap_or(&standard.pattern).to_owned(),
        system: system.to_owned(),
        document_type: file.text("type").unwrap_or_default().to_owned(),
        poll_ms: millis(file, "poll").unwrap_or(standard.poll_ms),
        stable_ms: millis(file, "stable").unwrap_or(standard.stable_ms),
        max_file_bytes: file.size("max-size").map_or(largest, |size| size as u64),
        wait_for: file.text("wait-for").unwrap_or_default().to_owned(),
        checksum: file.word("checksum", &[("none", false), ("sha256", true)]).unwrap_or_default(),
        schedule: file.block("schedule").and_then(schedule),
        split,
        ..standard
    }
}

/// `schedule: {cron: …, zone: …, missed: …}`.
pub(super) fn schedule(block: Fields<'_>) -> Option<Schedule> {
    let (cron, zone) = (block.required_text("cron"), block.required_text("zone"));
    let words = [("once", Missed::Once), ("all", Missed::All), ("skip", Missed::Skip)];
    let missed = block.word("missed", &words).unwrap_or_default();
    let placed = |problem: Problem| block.report(problem.at(block.node().place(block.file())));
    let schedule = cron.zip(zone).and_then(|(cron, zone)| Schedule::new(cron, zone, missed).map_err(placed).ok());
    block.finish();
    schedule
}

fn files_out(file: &Fields<'_>) -> FileOutConfig {
    let standard = FileOutConfig::default();
    FileOutConfig {
        name: file.text("name").unwrap_or(&standard.name).to_owned(),
        temporary: file.text("temporary").unwrap_or(&standard.temporary).to_owned(),
        checksum: file.word("checksum", &[("none", false), ("sha256", true)]).unwrap_or_default(),
        done: file.text("done").unwrap_or_default().to_owned(),
        ..standard
    }
}

pub(super) fn millis(fields: &Fields<'_>, key: &'static str) -> Option<u64> {
    fields.duration(key).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
