//! `crossdock destinations`: whether deliveries flow to each destination, and what holds them up.

use serde_json::json;

use super::{
    Common, Exit, Failed,
    messages::failed,
    outcome::{out, print_json},
};
use crate::{
    api::destinations_json,
    app::{self, SystemClock, open_reader},
    base::Clock as _,
    store::PauseKind,
};

/// The verbs of `destinations`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// List destinations: which flow, which are paused, closed by their calendar, or gone.
    List,
    /// Deliver again to a destination whose address was gone. Stop the hub first; a reload does the same for all.
    Resume(Resume),
}

/// What `destinations resume` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock destinations list\n  crossdock destinations resume u8-south")]
pub struct Resume {
    /// The destination system.
    destination: String,
}

/// Runs a verb.
pub async fn destinations(common: &Common, command: &Command) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    if let Command::Resume(resume) = command {
        let store = app::open_store(&settings).await.map_err(|error| failed(&error))?;
        let ended = store.resume(Some(&resume.destination), PauseKind::Gone).await;
        store.close().await;
        if ended.map_err(|error| failed(&error))? == 0 {
            return Err(Failed::new(Exit::Conflict, format!("`{}` is not paused as gone", resume.destination)));
        }
        if common.json {
            print_json(&json!({"act": "resumed", "destination": resume.destination}));
        } else {
            out(format_args!("resumed\t{}", resume.destination));
        }
        return Ok(Exit::Ok);
    }
    let reader = open_reader(&settings).await.map_err(|error| failed(&error))?;
    let read = async { Ok((reader.counts().await?, reader.pauses().await?)) };
    let found = read.await.map_err(|error| failed(&error));
    reader.close().await;
    let (counts, pauses) = found?;
    let (catalog, _) = app::load_catalog(&settings);
    let listed = destinations_json(&catalog, &counts, &pauses, SystemClock::default().now());
    if common.json {
        print_json(&json!({"destinations": listed}));
        return Ok(Exit::Ok);
    }
    for one in listed.as_array().into_iter().flatten() {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let states = one["deliveries"].as_object().into_iter().flatten();
        let states: Vec<String> = states.map(|(state, count)| format!("{count} {state}")).collect();
        out(format_args!("{}\t{}\t{}", text(&one["destination"]), text(&one["standing"]), states.join(", ")));
        for pause in one["pauses"].as_array().into_iter().flatten() {
            let until = pause["until"].as_str().map_or_else(String::new, |until| format!(", next probe {until}"));
            let reason = &pause["reason"];
            out(format_args!(
                "  {} since {}{until}: {} {}",
                text(&pause["kind"]),
                text(&pause["since"]),
                text(&reason["code"]),
                text(&reason["text"])
            ));
        }
        if let Some(why) = one["calendar"]["why"].as_str() {
            out(format_args!("  {why}"));
        }
    }
    Ok(Exit::Ok)
}
