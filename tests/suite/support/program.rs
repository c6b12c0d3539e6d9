//! A child process that never outlives its owner.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use super::wait_for;

/// A running `crossdock` whose output goes to a file.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `crossdock` with arguments; output is appended to `log`.
    pub fn start(arguments: &[&str], environment: &[(String, String)], log: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossdock"));
        command.args(arguments).envs(environment.iter().map(|(key, value)| (key, value)));
        Self::spawn(command, log)
    }

    /// Starts any command; output is appended to `log`.
    pub fn spawn(mut command: Command, log: &Path) -> Self {
        let output = || -> Stdio { append(log).into() };
        let child = command.stdin(Stdio::null()).stdout(output()).stderr(output()).spawn();
        Self { child: child.expect("the program starts"), log: log.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far, in all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends a signal, as in `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill runs").success(), "kill -{name}");
    }

    /// The end of the process, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be asked")
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the process ends", || self.ended())
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("the log can be written")
}

impl Drop for Program {
    #[expect(clippy::print_stderr, reason = "a failed test shows what its programs said")]
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
            eprintln!("--- {}\n{}", self.log.display(), &log[from..]);
        }
    }
}
