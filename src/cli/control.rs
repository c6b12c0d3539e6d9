//! The way to the running hub: instructions over its control socket, or carried out here when none runs.

use std::{io::IsTerminal as _, sync::Arc, time::Duration};

use indicatif::ProgressBar;
use serde_json::Value;

use super::{
    Common, Exit, Failed,
    messages::failed,
    outcome::{out, print_json, show_problems},
};
use crate::{
    app::{self, SystemClock, SystemRandom, control_socket},
    base::{Clock, Ids},
    config::Settings,
    pipeline::{BAD_INSTRUCTION, Desk, DeskError, Instruction, Report},
};

/// The connection to a running hub.
pub struct Control {
    client: reqwest::Client,
}

impl Control {
    /// The hub that runs with these settings; `None` when none does.
    ///
    /// # Errors
    /// When there is one that does not let us in.
    pub async fn find(settings: &Settings) -> Result<Option<Self>, Failed> {
        let path = control_socket(&settings.hub.data);
        match tokio::net::UnixStream::connect(&path).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let text = format!("{}: only the hub's own user and root may do this", path.display());
                return Err(Failed::new(Exit::Denied, text));
            }
            Err(_) => return Ok(None),
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .unix_socket(path)
            .build()
            .map_err(|error| Failed::new(Exit::Failed, error))?;
        Ok(Some(Self { client }))
    }

    /// What the hub says of itself.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, Failed> {
        let response = request.timeout(Duration::from_secs(300)).send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| unreachable(&error))?;
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| Failed::new(Exit::Failed, error))
    }

    async fn act(&self, instruction: &Instruction, bar: &ProgressBar) -> Result<Report, Failed> {
        let request = self.client.post("http://hub/act").json(instruction);
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            let body = response.bytes().await.map_err(|error| unreachable(&error))?;
            return Err(refused(status, &body));
        }
        let mut rest: Vec<u8> = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let line: Value = serde_json::from_slice(&line).map_err(|error| Failed::new(Exit::Failed, error))?;
                if let Some(seen) = line["progress"].as_u64() {
                    bar.set_position(seen);
                } else if line["report"].is_object() {
                    let report = serde_json::from_value(line["report"].clone());
                    return report.map_err(|error| Failed::new(Exit::Failed, error));
                } else {
                    let text = line["error"]["text"].as_str().unwrap_or("the hub gave no reason");
                    let word = |name: &str| line["error"][name].as_str().unwrap_or_default();
                    return Err(Failed::new(exit_of(word("kind"), word("code")), text));
                }
            }
        }
        Err(Failed::new(Exit::Unreachable, "the hub ended before it answered; look at `crossdock messages acts`"))
    }
}

/// Carries an instruction out: in the running hub, else here.
pub async fn carry_out(settings: &Settings, instruction: &Instruction) -> Result<Report, Failed> {
    let bar = counter();
    let report = match Control::find(settings).await? {
        Some(control) => control.act(instruction, &bar).await,
        None => here(settings, instruction, &bar).await,
    };
    bar.finish_and_clear();
    report
}

async fn here(settings: &Settings, instruction: &Instruction, bar: &ProgressBar) -> Result<Report, Failed> {
    let store: Arc<dyn crate::store::Store> = app::open_store(settings).await.map_err(|error| failed(&error))?;
    let (catalog, problems) = app::load_catalog(settings);
    if problems.has_errors() && instruction.needs_content() {
        store.close().await;
        show_problems(&problems.0);
        return Err(Failed::new(Exit::Problems, "the content has errors; nothing was done"));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let desk = Desk {
        store: store.clone(),
        catalog: Arc::new(catalog),
        ids: Ids::new(clock.clone(), Arc::new(SystemRandom)),
        clock,
        limits: settings.limits.limits(),
    };
    let report = desk.carry_out(instruction, &|seen| bar.set_position(seen)).await;
    store.close().await;
    report.map_err(|error| match &error {
        DeskError::Store(error) => failed(error),
        DeskError::Refused(problem) => Failed::new(exit_of("refused", problem.code.id), problem),
    })
}

/// A count on standard error while something long goes on; nothing when nobody looks.
pub fn counter() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = indicatif::ProgressStyle::with_template("{spinner} {pos} looked at, {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// `crossdock reload`.
#[derive(clap::Args)]
#[command(after_help = "The same as SIGHUP, but the answer says whether the new content is in force.\n\nExamples:\n  \
    crossdock check && crossdock reload")]
pub struct Reload {}

/// Lets the running hub read its content again.
pub async fn reload(common: &Common, _: &Reload) -> Result<Exit, Failed> {
    let control = running(common).await?;
    let answer = control.ask(control.client.post("http://hub/reload")).await?;
    let problems = answer["problems"].as_array().cloned().unwrap_or_default();
    if common.json {
        print_json(&answer);
    } else {
        problems.iter().filter_map(Value::as_str).for_each(|problem| eprintln!("{problem}"));
        if problems.is_empty() {
            out(format_args!("new content is in force: {}", answer["content"].as_str().unwrap_or_default()));
        } else {
            eprintln!("the content has errors; the old content stays in force");
        }
    }
    Ok(if problems.is_empty() { Exit::Ok } else { Exit::Problems })
}

/// `crossdock status`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock status\n  crossdock status --json")]
pub struct Status {}

/// What the running hub says of itself.
pub async fn status(common: &Common, _: &Status) -> Result<Exit, Failed> {
    let control = running(common).await?;
    let answer = control.ask(control.client.get("http://hub/status")).await?;
    if common.json {
        print_json(&answer);
    } else {
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        out(format_args!("hub         {} {}, process {}", text("name"), text("version"), answer["process"]));
        out(format_args!("running     {} s", answer["up_seconds"]));
        out(format_args!("content     {}", text("content")));
        if let Some(failed) = answer["failed"].as_str() {
            out(format_args!("failed      {failed}"));
        }
        let counts = &answer["counts"];
        out(format_args!(
            "messages    {} accepted, {} undecided, {} parked",
            counts["total"], counts["accepted"], counts["parked"]
        ));
        out(format_args!("unaccounted {}", counts["unaccounted"]));
    }
    Ok(if answer["failed"].is_null() { Exit::Ok } else { Exit::Store })
}

async fn running(common: &Common) -> Result<Control, Failed> {
    let settings = common.settings()?;
    let found = Control::find(&settings).await?;
    found.ok_or_else(|| {
        let path = control_socket(&settings.hub.data);
        Failed::new(Exit::Unreachable, format!("no hub runs here: nobody answers at {}", path.display()))
    })
}

fn unreachable(error: &reqwest::Error) -> Failed {
    Failed::new(Exit::Unreachable, format!("the hub does not answer: {error}"))
}

fn refused(status: reqwest::StatusCode, body: &[u8]) -> Failed {
    let text = String::from_utf8_lossy(body);
    let exit = match status.as_u16() {
        403 => Exit::Denied,
        400 | 413 | 422 => Exit::Usage,
        _ => Exit::Unreachable,
    };
    Failed::new(exit, text)
}

fn exit_of(kind: &str, code: &str) -> Exit {
    match kind {
        "refused" if code == BAD_INSTRUCTION.id => Exit::Usage,
        "not-found" => Exit::NotFound,
        "conflict" => Exit::Conflict,
        "corrupt" | "refused" => Exit::Problems,
        _ => Exit::Unreachable,
    }
}
