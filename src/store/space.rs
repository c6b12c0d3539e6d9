//! Room on the disk with the data directory: two watermarks, and a ballast file that is given up in need.
//!
//! Below the soft mark people are warned. Below the hard mark intake stops, so that what was accepted can still be
//! delivered. Should the disk be full all the same, because something else fills it, the ballast file is deleted: the
//! writer has its room then. All figures count a ballast that is missing as used, so that intake opens only when there
//! is room for it again.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::{fs::FallocateFlags, io::Errno};
use tokio::sync::watch;

use super::code;
use crate::base::{Problem, Watermark};

/// The ballast's file name in the data directory.
const BALLAST: &str = "crossdock.ballast";

/// With less free space than this at the start the ballast is given up before the database is opened: opening may have
/// to recover a log and to bring the tables up to date.
const NEEDED_TO_OPEN: u64 = 8 << 20;

/// Marks and ballast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceConfig {
    /// Below: people are warned.
    pub soft: Watermark,
    /// Below: intake stops.
    pub hard: Watermark,
    /// Bytes of the ballast file; 0: none.
    pub ballast: u64,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Enough.
    #[default]
    Enough,
    /// Below the soft mark.
    Low,
    /// Below the hard mark, or was full and has not enough room again.
    Full,
}

impl Level {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enough => "enough",
            Self::Low => "low",
            Self::Full => "full",
        }
    }
}

/// What a look at the disk found; sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// In a word.
    pub level: Level,
    /// Free for this user, less a ballast that is missing.
    pub free: u64,
    /// The disk's size.
    pub total: u64,
    /// The soft mark on this disk.
    pub soft: u64,
    /// The hard mark on this disk.
    pub hard: u64,
    /// The ballast that is there.
    pub ballast: u64,
}

impl Room {
    /// Why nothing is accepted, below the hard mark.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        (self.level == Level::Full).then(|| {
            let text = format!(
                "the disk with the data directory has {} left; intake stops below {}, and begins again at {}",
                mib(self.free),
                mib(self.hard),
                mib(reopen(self.hard))
            );
            Problem::new(code::STORAGE_LOW, text).hint("free some space on it; deliveries go on meanwhile")
        })
    }

    /// The level that follows from these figures after `before`: a mark must be passed by a quarter before things are
    /// better again, so that nothing opens and closes all the time.
    fn level_after(&self, before: Level) -> Level {
        let below = |mark: u64, level: Level| self.free < if before >= level { reopen(mark) } else { mark };
        match () {
            () if below(self.hard, Level::Full) => Level::Full,
            () if below(self.soft.max(self.hard), Level::Low) => Level::Low,
            () => Level::Enough,
        }
    }
}

/// Where a mark that was passed counts as left behind.
fn reopen(mark: u64) -> u64 {
    mark.saturating_add(mark / 4)
}

/// The disk under the data directory, watched.
pub struct Space {
    dir: PathBuf,
    config: SpaceConfig,
    room: watch::Sender<Room>,
    /// Held while the ballast is made or given up.
    ballast: Mutex<()>,
}

impl Space {
    /// Over a data directory that exists; makes room for opening the database when there is a ballast and little else.
    #[must_use]
    pub fn new(dir: &Path, config: SpaceConfig) -> Self {
        let space =
            Self { dir: dir.to_owned(), config, room: watch::Sender::new(Room::default()), ballast: Mutex::default() };
        if space.free().is_ok_and(|(free, _)| free < NEEDED_TO_OPEN) {
            space.give_up();
        }
        space
    }

    /// What was found last; changes are seen by waiting on it.
    #[must_use]
    pub fn room(&self) -> watch::Receiver<Room> {
        self.room.subscribe()
    }

    /// Looks at the disk, makes the ballast when there is room for it, and tells what changed. Blocks for a moment.
    ///
    /// # Errors
    /// When the disk cannot be looked at, or the ballast not be made; the level is told all the same.
    pub fn look(&self) -> io::Result<()> {
        let _one = self.ballast.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.room.borrow().level;
        let mut room = self.measure()?;
        let mut made = Ok(());
        if room.ballast != self.config.ballast {
            let has_room = room.free >= reopen(room.hard);
            if room.ballast > self.config.ballast || has_room {
                made = self.make_ballast();
                room = self.measure()?;
            }
        }
        room.level = room.level_after(before);
        self.room.send_if_modified(|known| std::mem::replace(known, room) != room);
        made
    }

    /// The disk was found full: gives up the ballast. Whether there was one, so that trying again makes sense.
    pub fn ran_out(&self) -> bool {
        let _one = self.ballast.lock().unwrap_or_else(PoisonError::into_inner);
        let had = self.give_up();
        let mut room = self.measure().unwrap_or_else(|_| *self.room.borrow());
        room.level = Level::Full;
        self.room.send_if_modified(|known| std::mem::replace(known, room) != room);
        had
    }

    fn path(&self) -> PathBuf {
        self.dir.join(BALLAST)
    }

    /// Free bytes for this user, and all bytes.
    fn free(&self) -> io::Result<(u64, u64)> {
        let found = rustix::fs::statvfs(&self.dir)?;
        Ok((found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize)))
    }

    fn measure(&self) -> io::Result<Room> {
        let (free, total) = self.free()?;
        let ballast = fs::metadata(self.path()).map_or(0, |found| found.len());
        let missing = self.config.ballast.saturating_sub(ballast);
        Ok(Room {
            level: Level::Enough,
            free: free.saturating_sub(missing),
            total,
            soft: self.config.soft.on(total),
            hard: self.config.hard.on(total),
            ballast,
        })
    }

    fn give_up(&self) -> bool {
        fs::remove_file(self.path()).is_ok()
    }

    /// Brings the ballast to the size it should have; leaves none when that fails.
    fn make_ballast(&self) -> io::Result<()> {
        let size = self.config.ballast;
        if size == 0 {
            self.give_up();
            return Ok(());
        }
        let made = (|| {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(self.path())?;
            match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
                Ok(()) => Ok(()),
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    io::copy(&mut io::Read::take(io::repeat(0), size), &mut file).and_then(|_| file.flush())
                }
                Err(error) => Err(error.into()),
            }
        })();
        if made.is_err() {
            self.give_up();
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn mark(bytes: u64) -> Watermark {
        Watermark { bytes, percent: 0 }
    }

    fn config(ballast: u64) -> SpaceConfig {
        SpaceConfig { soft: mark(2), hard: mark(1), ballast }
    }

    #[test]
    fn levels_get_better_only_a_quarter_beyond_their_mark() {
        for (free, before, after) in [
            (1000, Level::Enough, Level::Enough),
            (999, Level::Enough, Level::Low),
            (1000, Level::Low, Level::Low),
            (1249, Level::Low, Level::Low),
            (1250, Level::Low, Level::Enough),
            (400, Level::Low, Level::Low),
            (399, Level::Enough, Level::Full),
            (400, Level::Full, Level::Full),
            (499, Level::Full, Level::Full),
            (500, Level::Full, Level::Low),
            (5000, Level::Full, Level::Enough),
        ] {
            let room = Room { free, soft: 1000, hard: 400, ..Room::default() };
            assert_eq!(room.level_after(before), after, "{free} after {before:?}");
        }
        let room = Room { free: 500, soft: 100, hard: 400, ..Room::default() };
        assert_eq!(
            room.level_after(Level::Full),
            Level::Enough,
            "a soft mark below the hard one counts as the hard one"
        );
    }

    #[test]
    fn the_ballast_is_really_allocated_given_up_in_need_and_made_again() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let space = Space::new(dir.path(), config(3 * MIB));
        space.look().expect("looked");
        let room = *space.room().borrow();
        assert_eq!((room.level, room.ballast), (Level::Enough, 3 * MIB));
        let file = fs::metadata(dir.path().join(BALLAST)).expect("there");
        assert!(file.blocks() * 512 >= 3 * MIB, "{} blocks", file.blocks());
        assert!(space.ran_out(), "there was one");
        assert!(!dir.path().join(BALLAST).exists());
        let room = *space.room().borrow();
        assert_eq!(room.level, Level::Full);
        assert_eq!(room.problem().expect("a reason").code.id, "XD-J011");
        assert!(!space.ran_out(), "there is none any more");
        space.look().expect("looked");
        assert_eq!((space.room().borrow().level, space.room().borrow().ballast), (Level::Enough, 3 * MIB));
    }

    #[test]
    fn a_ballast_of_another_size_is_brought_to_the_size_wanted() {
        let dir = tempfile::tempdir().expect("a folder");
        for size in [2 * MIB, MIB, 0, MIB] {
            let space = Space::new(dir.path(), config(size));
            space.look().expect("looked");
            assert_eq!(fs::metadata(dir.path().join(BALLAST)).map_or(0, |file| file.len()), size);
        }
    }

    #[test]
    fn a_disk_without_room_for_the_ballast_is_full() {
        let dir = tempfile::tempdir().expect("a folder");
        let (_, total) = Space::new(dir.path(), SpaceConfig::default()).free().expect("a disk");
        let space = Space::new(dir.path(), config(total));
        space.look().expect("looked");
        assert_eq!((space.room().borrow().level, space.room().borrow().free), (Level::Full, 0));
        assert!(!dir.path().join(BALLAST).exists());
    }
}
