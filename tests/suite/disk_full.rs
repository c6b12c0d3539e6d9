//! A disk that fills up: intake closes, deliveries go on, a start on the full disk works, and all opens by itself.
//!
//! It needs a file system of its own, and so root; elsewhere the test says that it was skipped.

#![expect(clippy::print_stderr, reason = "a skipped test must be seen")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{Erp, Hub, Setup, customer, message, wait_until};

const MIB: usize = 1 << 20;

/// 64 MiB in memory, mounted.
struct Disk(TempDir);

impl Disk {
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                eprintln!("skipped, a disk cannot be mounted: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("skipped, a disk cannot be mounted: {error}");
                None
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn filling(&self) -> PathBuf {
        self.0.path().join("filling")
    }

    /// Fills it until so many bytes are left, at most.
    fn fill(&self, left: usize) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filling()).expect("it can be opened");
        for step in [MIB, 64 << 10, 4 << 10] {
            while free(self.0.path()) >= left + step && file.write_all(&vec![b'x'; step]).is_ok() {}
        }
    }

    fn clear(&self) {
        fs::remove_file(self.filling()).expect("it can be removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn free(path: &Path) -> usize {
    let output = Command::new("df").args(["-B1", "--output=avail"]).arg(path).output().expect("df runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().nth(1).and_then(|line| line.trim().parse().ok()).expect("a number")
}

/// A hub whose journal lies on the disk and whose `crm` also drops files.
fn hub_on(disk: &Disk, south: &Erp, east: &Erp) -> Hub {
    let setup = Setup::between(south, east)
        .setting("hub.data", &format!("\"{}\"", disk.data().display()))
        .setting("storage.soft", "\"24MiB\"")
        .setting("storage.hard", "\"8MiB\"")
        .setting("storage.ballast", "\"12MiB\"")
        .setting("delivery.retry", "[\"200ms\", \"200ms\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]");
    fs::create_dir(setup.at("inbox")).expect("the folder");
    let file = "  file:\n    folder: inbox\n    pattern: \"*.xml\"\n    type: hub/customer\n    poll: 50ms\n    stable: 50ms\n";
    let crm = setup.read("systems/crm.yaml");
    setup.file("systems/crm.yaml", &format!("{crm}{file}")).start()
}

fn level(hub: &Hub) -> String {
    hub.operator("/api/v1/storage")["storage"]["level"].as_str().expect("a level").to_owned()
}

#[test]
fn a_full_disk_closes_intake_lets_deliveries_go_on_and_a_start_succeed() {
    let Some(disk) = Disk::mounted() else { return };
    let (mut south, east) = (Erp::absent(), Erp::u8());
    let mut hub = hub_on(&disk, &south, &east);
    let ballast = disk.data().join("crossdock.ballast");
    assert_eq!(fs::metadata(&ballast).expect("it is there from the start").len(), 12 << 20);
    assert_eq!(level(&hub), "enough");
    let waiting = hub.accept(message("customer-C-1001.xml"));

    disk.fill(20 * MIB);
    wait_until("people are warned", || level(&hub) == "low");
    hub.accept(customer("C-2001"));

    disk.fill(6 * MIB);
    wait_until("intake closes", || level(&hub) == "full");
    let refused = hub.send("", customer("C-2002"), &[]);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("30")));
    assert_eq!(refused.json()["code"], "XD-J011");
    assert_eq!(refused.json()["retryable"], true);
    fs::write(hub.at("inbox/later.xml"), customer("C-2003")).expect("written");
    south.run(&[]);
    hub.await_standing(&waiting, "delivered");
    assert!(hub.at("inbox/later.xml").exists(), "the file stays where it is");

    disk.fill(0);
    hub.kill9();
    hub.restart_closed();
    assert!(!ballast.exists(), "given up, so that the journal could be opened");
    let shown = hub.operator("/api/v1/storage");
    assert_eq!((shown["intake"].as_str(), shown["code"].as_str()), (Some("closed"), Some("XD-J011")), "{shown:#}");
    assert_eq!(hub.send("", customer("C-2002"), &[]).status, 503);
    assert_eq!(hub.message(&waiting)["standing"], "delivered");

    disk.clear();
    wait_until("intake opens by itself", || hub.operator("/api/v1/storage")["intake"] == "open");
    wait_until("the ballast is there again", || ballast.exists());
    wait_until("the file is taken", || !hub.at("inbox/later.xml").exists());
    hub.await_standing(&hub.accept(customer("C-2002")), "delivered");
    let counts = hub.operator("/api/v1/counts");
    assert_eq!((counts["total"].as_u64(), counts["unaccounted"].as_u64()), (Some(4), Some(0)), "{counts:#}");
}

#[test]
fn a_backlog_beyond_the_setting_closes_intake_until_it_is_worked_off() {
    let (mut south, east) = (Erp::absent(), Erp::u8());
    let setup = Setup::between(&south, &east)
        .setting("ingest.max_backlog", "3")
        .setting("delivery.retry", "[\"200ms\", \"200ms\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]");
    let hub = setup.start();
    let ids: Vec<_> = (0..4).map(|n| hub.accept(customer(&format!("C-300{n}")))).collect();
    wait_until("intake closes", || hub.operator("/api/v1/storage")["intake"] == "closed");
    let refused = hub.send("", customer("C-3009"), &[]);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("XD-D040")));
    south.run(&[]);
    ids.iter().for_each(|id| drop(hub.await_standing(id, "delivered")));
    wait_until("intake opens", || hub.operator("/api/v1/storage")["intake"] == "open");
    hub.accept(customer("C-3009"));
}
