//! Disks to break: ext4 in a file, mounted through a loop device, and small file systems in memory. Both need root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A file system of its own; unmounted and deleted when dropped.
pub struct Disk {
    pub mount: PathBuf,
    image: Option<PathBuf>,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

impl Disk {
    fn place() -> Result<PathBuf, String> {
        let shared = Path::new("/dev/shm");
        let base = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = base.join(format!("crossdock-faults-{}-{number}", process::id()));
        fs::create_dir_all(place.join("mount")).map_err(|error| format!("{}: {error}", place.display()))?;
        Ok(place)
    }

    /// ext4 with so many mebibytes and this block size; why not, where this is not permitted.
    pub fn ext4(mebibytes: u64, block_size: u32) -> Result<Self, String> {
        let place = Self::place()?;
        let (image, mount) = (place.join("image"), place.join("mount"));
        let disk = Self { mount, image: Some(image.clone()) };
        run("truncate", &["-s", &format!("{mebibytes}M"), text(&image)])?;
        run("mkfs.ext4", &["-q", "-F", "-b", &block_size.to_string(), text(&image)])?;
        run("mount", &["-o", "loop", text(&image), text(&disk.mount)])?;
        run("sync", &["-f", text(&disk.mount)])?;
        Ok(disk)
    }

    /// A file system in memory.
    pub fn tmpfs(mebibytes: u64) -> Result<Self, String> {
        let mount = Self::place()?.join("mount");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs", text(&mount)])?;
        Ok(Self { mount, image: None })
    }

    /// What a power cut would leave at this moment: the image as it is, without what the kernel has not written yet.
    pub fn snapshot(&self) -> Result<Self, String> {
        let place = Self::place()?;
        let (image, mount) = (place.join("image"), place.join("mount"));
        let from = self.image.as_ref().ok_or("a file system in memory has no image")?;
        run("cp", &["--sparse=always", text(from), text(&image)])?;
        Ok(Self { mount, image: Some(image) })
    }

    /// Mounts a snapshot at a place of its own choice; the file system's journal is replayed.
    pub fn attach_at(mut self, mount: &Path) -> Result<Self, String> {
        let image = self.image.clone().ok_or("a file system in memory has no image")?;
        self.mount = mount.to_owned();
        run("mount", &["-o", "loop", text(&image), text(mount)])?;
        Ok(self)
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let file = fs::File::create(self.mount.join("filling")).expect("a file can be made");
        for step in [1 << 20, 64 << 10, 4 << 10, 1 << 10, 1] {
            let block = vec![b'x'; step];
            while std::io::Write::write_all(&mut (&file), &block).is_ok() {}
        }
        let _ = file.sync_all();
    }

    /// Makes the room that [`Disk::fill`] took.
    pub fn free(&self) {
        fs::remove_file(self.mount.join("filling")).expect("the filling can be removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &[text(&self.mount)]).or_else(|_| run("umount", &["-l", text(&self.mount)]));
        for place in [self.mount.parent(), self.image.as_deref().and_then(Path::parent)].into_iter().flatten() {
            let _ = fs::remove_dir_all(place);
        }
    }
}
