//! Commands that end by themselves.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: Vec<u8>,
    pub talk: String,
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}\n{}", self.text(), self.talk))
    }

    /// The same, when it ended with this exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n{}\n{}", self.text(), self.talk);
        self
    }
}

/// Runs `crossdock` in the repository's root.
pub fn crossdock(arguments: &[impl AsRef<OsStr>]) -> Ran {
    crossdock_in(super::root(), arguments, &[])
}

/// Runs `crossdock` in a folder, with additions to the environment.
pub fn crossdock_in(folder: &Path, arguments: &[impl AsRef<OsStr>], environment: &[(&str, &str)]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_crossdock"))
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("crossdock runs");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: output.stdout,
        talk: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
