//! A PostgreSQL of a row's own, so that it can be stopped, killed and held up without disturbing other tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{Connection as _, Executor as _, postgres::PgConnectOptions};
use tempfile::TempDir;

use super::support::free_port;

/// A running cluster; stopped when dropped.
pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes and starts one; why not, where PostgreSQL is not installed.
    pub fn start() -> Result<Self, String> {
        let versions = fs::read_dir("/usr/lib/postgresql").map_err(|error| format!("no PostgreSQL here: {error}"))?;
        let bins = versions.flatten().map(|entry| entry.path().join("bin"));
        let bin = bins.filter(|bin| bin.join("initdb").is_file()).max().ok_or("no PostgreSQL here")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let cluster = Self { folder, bin, port: free_port() };
        if is_root() {
            // PostgreSQL refuses to run as root; it gets the package's own account
            let status = Command::new("chown").arg("postgres").arg(cluster.folder.path()).status();
            if !status.is_ok_and(|status| status.success()) {
                return Err("there is no account `postgres`".to_owned());
            }
        }
        let data = cluster.data();
        cluster.run("initdb", &["-D", path(&data), "-U", "crossdock", "-A", "trust", "-E", "UTF8", "--no-locale"])?;
        let settings = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nmax_connections = 100\n",
            cluster.port,
            path(cluster.folder.path())
        );
        let append = format!("cat >> {}/postgresql.conf <<'END'\n{settings}END", path(&data));
        cluster.shell(&append)?;
        cluster.control(&["start"])?;
        Ok(cluster)
    }

    /// Its address, as in `[store] url`.
    pub fn url(&self) -> String {
        format!("postgres://crossdock@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs `pg_ctl`, as in `restart -m immediate`.
    pub fn control(&self, words: &[&str]) -> Result<(), String> {
        let log = self.folder.path().join("log");
        let data = self.data();
        let mut all = vec!["-D", path(&data), "-l", path(&log), "-w", "-s"];
        all.extend(words);
        self.run("pg_ctl", &all)
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<(), String> {
        finished(as_account(self.bin.join(program).to_str().expect("a plain path")).args(words))
    }

    fn shell(&self, text: &str) -> Result<(), String> {
        finished(as_account("sh").args(["-c", text]))
    }

    /// The server's own process.
    pub fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).expect("the server runs");
        text.lines().next().and_then(|line| line.parse().ok()).expect("a process id")
    }

    /// The processes that serve connections, and the helpers beside them.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }

    /// Stops every process of it, or lets them go on.
    pub fn hold(&self, held: bool) {
        let name = if held { "STOP" } else { "CONT" };
        // those that have ended meanwhile need not be told
        for pid in [self.pid()].into_iter().chain(self.children()) {
            let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).output();
        }
    }

    /// Runs a statement as the owner.
    pub fn execute(&self, sql: &'static str) -> Result<(), String> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let options = self.url().parse::<PgConnectOptions>().map_err(|error| error.to_string())?;
            // also when others may only read
            let options = options.options([("default_transaction_read_only", "off")]);
            let mut connection = sqlx::PgConnection::connect_with(&options).await.map_err(|error| error.to_string())?;
            connection.execute(sql).await.map(drop).map_err(|error| error.to_string())
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").is_file() {
            self.hold(false);
        }
        let _ = self.control(&["stop", "-m", "immediate"]);
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_account(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups", program]);
    command.current_dir("/");
    command
}

fn finished(command: &mut Command) -> Result<(), String> {
    let output = command.stdout(std::process::Stdio::null()).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
