//! One hub process under test, with its own settings file and ports; it can be started under another program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::support::{Http, Program, Ran, crossdock_in, free_port, wait_until};

/// How a hub is started: through another program, given with its arguments, and with additions to the environment.
#[derive(Clone, Default)]
pub struct Launch {
    pub through: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// A hub, running or not.
pub struct Node {
    program: Option<Program>,
    pub name: String,
    folder: PathBuf,
    pub ingest: u16,
    operations: u16,
    http: Http,
    pub launch: Launch,
    /// The longest time from start to ready.
    pub slowest_start: Duration,
    /// The most memory it had, over all its lives.
    pub memory_kib: u64,
}

impl Node {
    /// A hub that is not started yet; `settings` are lines of TOML.
    pub fn new(folder: &Path, name: &str, settings: &str) -> Self {
        let (ingest, operations) = (free_port(), free_port());
        let node = Self {
            program: None,
            name: name.to_owned(),
            folder: folder.to_owned(),
            ingest,
            operations,
            http: Http::new(),
            launch: Launch::default(),
            slowest_start: Duration::ZERO,
            memory_kib: 0,
        };
        let listen = format!(
            "hub.name = \"{name}\"\ningest.listen = \"127.0.0.1:{ingest}\"\n\
             operations.listen = \"127.0.0.1:{operations}\"\n{settings}"
        );
        fs::write(node.config(), listen).expect("the settings can be written");
        node
    }

    /// Its settings file.
    pub fn config(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// What it has said so far, in all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Starts the process and does not wait.
    pub fn launch(&mut self) {
        let config = self.config().to_str().expect("a plain path").to_owned();
        let words = self.launch.through.iter().map(String::as_str);
        let all: Vec<&str> = words.chain([env!("CARGO_BIN_EXE_crossdock"), "run", "--config", &config]).collect();
        let mut command = Command::new(all[0]);
        command.args(&all[1..]).envs(self.launch.environment.iter().map(|(key, value)| (key, value)));
        self.program = Some(Program::spawn(command, &self.log_path()));
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self) {
        let began = Instant::now();
        self.launch();
        wait_until("the hub is ready", || {
            if let Some(status) = self.ended() {
                panic!("the hub ended with {status}");
            }
            self.is_ready()
        });
        self.slowest_start = self.slowest_start.max(began.elapsed());
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|(status, _)| status == 200)
    }

    /// GET on the operations listener.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let reply = self.http.get(&format!("http://127.0.0.1:{}{path}", self.operations), &[])?;
        Some((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
    }

    /// The same as JSON, while it answers.
    pub fn json(&self, path: &str) -> Option<Value> {
        let (status, text) = self.get(path)?;
        if status == 200 { serde_json::from_str(&text).ok() } else { None }
    }

    /// Whether a process is there.
    pub fn is_running(&mut self) -> bool {
        self.program.is_some() && self.ended().is_none()
    }

    /// The end of the process, when it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.program.as_mut().and_then(Program::ended)
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.program.take().expect("the hub runs").wait()
    }

    /// The hub's own process, also when it was started through another program.
    pub fn pid(&self) -> u32 {
        let mut pid = self.program.as_ref().expect("the hub runs").pid();
        if !self.launch.through.is_empty() {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            pid = children.split_whitespace().next().and_then(|child| child.parse().ok()).unwrap_or(pid);
        }
        pid
    }

    /// Sends a signal to the hub's own process, as in `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Ends it at once.
    pub fn kill9(&mut self) {
        self.measure();
        if self.program.is_some() && !self.launch.through.is_empty() {
            self.signal("KILL");
        }
        if let Some(program) = &mut self.program {
            program.kill();
        }
        self.program = None;
    }

    /// Ends it as an operator would.
    pub fn stop(&mut self) -> ExitStatus {
        self.measure();
        self.signal("TERM");
        self.wait()
    }

    /// Notes its memory.
    pub fn measure(&mut self) {
        if self.program.is_none() {
            return;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        self.memory_kib = self.memory_kib.max(peak);
    }

    /// Runs a command with this hub's settings.
    pub fn command(&self, arguments: &[&str]) -> Ran {
        let config = self.config().to_str().expect("a plain path").to_owned();
        let all: Vec<&str> = arguments.iter().copied().chain(["--config", &config]).collect();
        crossdock_in(&self.folder, &all, &[])
    }
}

/// Sends a signal to a process.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(status.expect("kill runs").success(), "kill -{name} {pid}");
}
