//! Ports nobody else uses: below those the system gives to clients, each reserved by a lock on a file for as long as this
//! process lives, so that a hub finds its port free again when it restarts.

use std::{
    env, fs,
    fs::File,
    net::TcpListener,
    process,
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port for this process alone.
pub fn free_port() -> u16 {
    let folder = env::temp_dir().join("crossdock-test-ports");
    fs::create_dir_all(&folder).expect("the folder of port locks can be made");
    let start = u16::try_from(process::id().wrapping_mul(31) % u32::from(COUNT)).expect("below COUNT");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start.wrapping_add(step)) % COUNT;
        let lock = File::create(folder.join(port.to_string())).expect("a port's lock can be made");
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            HELD.lock().expect("no holder panics").push(lock);
            return port;
        }
    }
    panic!("no port is free")
}
