//! A simulated partner.

use serde_json::Value;
use tempfile::TempDir;

use super::{Http, Program, free_port, wait_until};

/// `crossdock simulate`, running.
pub struct Erp {
    // dropped before the folder it writes to
    program: Option<Program>,
    folder: TempDir,
    port: u16,
    http: Http,
}

impl Erp {
    /// A U8 that does what it should.
    pub fn u8() -> Self {
        Self::with_faults(&[])
    }

    /// A U8 that misbehaves, as in `hollow:2`.
    pub fn with_faults(faults: &[&str]) -> Self {
        let mut erp = Self::absent();
        erp.run(faults);
        erp
    }

    /// A U8 that is not there (yet): its port is reserved, nobody listens.
    pub fn absent() -> Self {
        Self { program: None, folder: tempfile::tempdir().expect("a folder"), port: free_port(), http: Http::new() }
    }

    /// Starts it, with an empty memory.
    pub fn run(&mut self, faults: &[&str]) {
        self.stop();
        let listen = format!("127.0.0.1:{}", self.port);
        let mut arguments = vec!["simulate", "u8", "--listen", &listen];
        faults.iter().for_each(|fault| arguments.extend(["--fault", fault]));
        self.program = Some(Program::start(&arguments, &[], &self.folder.path().join("erp.log")));
        wait_until("the partner answers", || self.http.get(&self.received_url(), &[]).is_some());
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// Its address, without a path.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn received_url(&self) -> String {
        format!("{}/_received", self.url())
    }

    /// Every request so far, in order: `number`, `delivery_id`, `type`, `key`, `charset`, `sha256`, `reply`, `written`,
    /// `body`.
    pub fn received(&self) -> Vec<Value> {
        let reply = self.http.get(&self.received_url(), &[]).expect("the partner answers");
        reply.json().as_array().expect("a list").clone()
    }

    /// What was written into the books, as `type key`, in order.
    pub fn written(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let written = self.received().into_iter().filter(|request| request["written"] == true);
        written.map(|request| format!("{} {}", text(&request["type"]), text(&request["key"]))).collect()
    }
}
