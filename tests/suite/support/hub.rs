//! A running hub.

use std::{ops::Deref, process::ExitStatus};

use serde_json::Value;

use super::{Http, Program, Ran, Reply, Setup, crossdock_in, free_port, wait_for, wait_until};

/// The key of the example's `crm`.
pub const KEY: &str = "demo-key-for-examples-only";

/// `crossdock run`, ready; its set-up can be read and changed through it.
pub struct Hub {
    // dropped before the folder it writes to
    program: Option<Program>,
    setup: Setup,
    ingest: u16,
    operations: u16,
    http: Http,
}

impl Deref for Hub {
    type Target = Setup;

    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl Hub {
    /// Starts a hub and waits until it is ready.
    pub fn start(setup: Setup) -> Self {
        let mut hub = Self { program: None, setup, ingest: free_port(), operations: free_port(), http: Http::new() };
        hub.setup.write_settings(hub.ingest, hub.operations);
        hub.run();
        hub
    }

    /// Starts the program again after [`Hub::kill9`] or [`Hub::stop`]: same folder, same ports.
    pub fn restart(&mut self) {
        self.program = None;
        self.run();
    }

    /// Starts the program again, and waits only until operators can look: intake may be closed.
    pub fn restart_closed(&mut self) {
        self.launch();
        let url = format!("http://127.0.0.1:{}/livez", self.operations);
        wait_until("the hub lives", || self.http.get(&url, &[]).is_some_and(|reply| reply.status == 200));
    }

    fn launch(&mut self) -> &mut Program {
        let config = self.config();
        let program = Program::start(&["run", "--config", &config], &[], &self.at("hub.log"));
        self.program.insert(program)
    }

    fn run(&mut self) {
        self.launch();
        let program = self.program.as_mut().expect("launched");
        let url = format!("http://127.0.0.1:{}/readyz", self.operations);
        wait_until("the hub is ready", || {
            if let Some(status) = program.ended() {
                panic!("the hub ended with {status}");
            }
            self.http.get(&url, &[]).is_some_and(|reply| reply.status == 200)
        });
    }

    fn program(&mut self) -> &mut Program {
        self.program.as_mut().expect("the hub runs")
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        self.program().kill();
        self.program = None;
    }

    /// Ends it as an operator would (SIGTERM).
    pub fn stop(&mut self) -> ExitStatus {
        self.program().signal("TERM");
        let status = self.program().wait();
        self.program = None;
        status
    }

    /// Sends it a signal.
    pub fn signal(&mut self, name: &str) {
        self.program().signal(name);
    }

    /// What it has said so far, in all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.at("hub.log")).unwrap_or_default()
    }

    /// Where systems send messages to, without a path.
    pub fn ingest(&self) -> String {
        format!("http://127.0.0.1:{}", self.ingest)
    }

    /// The port behind [`Hub::ingest`].
    pub fn ingest_port(&self) -> u16 {
        self.ingest
    }

    /// Where operators look, without a path.
    pub fn operations(&self) -> String {
        format!("http://127.0.0.1:{}", self.operations)
    }

    /// Sends a message as a system, with the example's key unless the headers hold one.
    pub fn send_as(&self, system: &str, document_type: &str, bytes: Vec<u8>, headers: &[(&str, &str)]) -> Reply {
        self.try_send_as(system, document_type, bytes, headers).expect("the hub answers")
    }

    /// The same; `None` when there is no answer.
    pub fn try_send_as(
        &self,
        system: &str,
        document_type: &str,
        bytes: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Option<Reply> {
        let slash = if document_type.is_empty() { "" } else { "/" };
        let url = format!("{}/in/{system}{slash}{document_type}", self.ingest());
        let mut headers = headers.to_vec();
        if !headers.iter().any(|(name, _)| ["x-api-key", "authorization"].contains(name)) {
            headers.push(("x-api-key", KEY));
        }
        self.http.post(&url, &headers, bytes)
    }

    /// Sends a message as `crm`; an empty type lets the hub recognise it.
    pub fn send(&self, document_type: &str, bytes: Vec<u8>, headers: &[(&str, &str)]) -> Reply {
        self.send_as("crm", document_type, bytes, headers)
    }

    /// Sends a message as `crm` that must be accepted; its id.
    #[track_caller]
    pub fn accept(&self, bytes: Vec<u8>) -> String {
        let reply = self.send("", bytes, &[]);
        assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
        reply.json()["message_id"].as_str().expect("an id").to_owned()
    }

    /// GET on the intake.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.http.get(&format!("{}{path}", self.ingest()), headers).expect("the hub answers")
    }

    /// GET on the operations listener, as JSON.
    pub fn operator(&self, path: &str) -> Value {
        self.http.get(&format!("{}{path}", self.operations()), &[]).expect("the hub answers").json()
    }

    /// The message as operators see it.
    pub fn message(&self, id: &str) -> Value {
        self.operator(&format!("/api/v1/messages/{id}"))
    }

    /// Waits until a message stands so; the message.
    #[track_caller]
    pub fn await_standing(&self, id: &str, standing: &str) -> Value {
        let mut last = Value::Null;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for("the message's standing", || {
                last = self.message(id);
                (last["standing"] == standing).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("waited for `{standing}`, it stands so: {last:#}"))
    }

    /// Runs a command with this hub's settings.
    pub fn command(&self, arguments: &[&str]) -> Ran {
        let mut all = arguments.to_vec();
        let config = self.config();
        all.extend(["--config", &config]);
        crossdock_in(self.path(), &all, &[])
    }
}
