//! What must hold before the database is opened: a suitable file system, and nobody else in the data directory.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, FsWord, StatVfsMountFlags},
    io::Errno,
};

use super::fault::no_room;
use crate::store::{StoreError, code, health::failed};

const LOCK_FILE: &str = "crossdock.lock";

/// Below this, an out-of-space condition can kill the process inside the database's shared memory.
const MIN_BLOCK_SIZE: u64 = 4096;

/// File systems on which locks or flushes do not mean what the store needs, with the number `statfs` gives them.
const UNSUITABLE: &[(FsWord, &str)] = &[
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x7461_636f, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x1983_0326, "BeeGFS"),
    (0x4750_4653, "GPFS"),
    (0xaad7_aaea, "PanFS"),
    (0x786f_4256, "a folder shared by a virtual machine's host"),
    (0x6a65_6a63, "virtiofs"),
];

/// Refuses file systems that cannot keep the store's promise.
pub fn check_file_system(dir: &Path) -> Result<(), StoreError> {
    let shown = dir.display();
    let found = rustix::fs::statfs(dir).map_err(|error| cannot_open(dir, &error.to_string()))?;
    let flags = rustix::fs::statvfs(dir).map_err(|error| cannot_open(dir, &error.to_string()))?.f_flag;
    if flags.contains(StatVfsMountFlags::RDONLY) {
        return Err(cannot_open(dir, "its file system is mounted read-only"));
    }
    refuse(&shown.to_string(), found.f_type, u64::try_from(found.f_bsize).unwrap_or(0))
}

fn refuse(shown: &str, kind: FsWord, block_size: u64) -> Result<(), StoreError> {
    const HINT: &str = "use a local ext4 or XFS file system with blocks of at least 4096 bytes";
    if let Some((_, name)) = UNSUITABLE.iter().find(|(number, _)| *number == kind) {
        let text = format!("`{shown}` lies on {name}, where locking and flushing cannot be relied upon");
        return Err(StoreError::refused(code::FILE_SYSTEM, text, HINT));
    }
    if block_size < MIN_BLOCK_SIZE {
        let text = format!("`{shown}` has blocks of {block_size} bytes; at least {MIN_BLOCK_SIZE} are needed");
        return Err(StoreError::refused(code::FILE_SYSTEM, text, HINT));
    }
    Ok(())
}

/// Takes the data directory for this process, until the file is dropped or the process ends.
pub fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| not_made(&path, &error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let holder = match file.read_to_string(&mut holder) {
                Ok(_) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
                _ => "another process".to_owned(),
            };
            return Err(StoreError::refused(
                code::IN_USE,
                format!("`{}` is in use by {holder}", dir.display()),
                "stop that process, or give this one a data directory of its own",
            ));
        }
        Err(error) => return Err(cannot_open(&path, &error.to_string())),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    match written {
        // the lock holds without the number, which only tells people who has it
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(file),
        written => written.map(|()| file).map_err(|error| cannot_open(&path, &error.to_string())),
    }
}

/// The data directory or something in it could not be created.
pub fn not_made(path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull => no_room(path),
        _ => cannot_open(path, &error.to_string()),
    }
}

/// Flushes the data directory and, where it may be opened, the one above it, so that a database made just now has its
/// name after a power cut. SQLite flushes the directory too, but passes over an error.
pub fn flush_folders(dir: &Path) -> Result<(), StoreError> {
    let own = File::open(dir).map_err(|error| cannot_open(dir, &error.to_string()))?;
    let above = dir.canonicalize().ok().and_then(|dir| File::open(dir.parent()?).ok());
    let flushed = own.sync_all().and_then(|()| above.map_or(Ok(()), |above| above.sync_all()));
    flushed.map_err(|error| failed(&format!("flushing `{}`: {error}", dir.display())))
}

/// The data directory or something in it cannot be opened.
pub fn cannot_open(path: &Path, why: &str) -> StoreError {
    StoreError::refused(
        code::CANNOT_OPEN,
        format!("cannot open `{}`: {why}", path.display()),
        "check that the directory exists and that this user may write to it",
    )
}

#[cfg(test)]
mod tests {
    use super::{lock, refuse};

    #[test]
    fn network_file_systems_and_small_blocks_are_refused() {
        for (kind, block_size, accepted) in [
            (0xef53, 4096, true),
            (0x0102_1994, 4096, true),
            (0x6969, 4096, false),
            (0x6573_5546, 4096, false),
            (0xef53, 1024, false),
        ] {
            assert_eq!(refuse("data", kind, block_size).is_ok(), accepted, "{kind:#x} {block_size}");
        }
    }

    #[test]
    fn the_lock_names_its_holder_and_ends_with_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let held = lock(dir.path()).expect("free");
        let refused = lock(dir.path()).expect_err("held").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        lock(dir.path()).expect("free again");
    }
}
