//! `crossdock simulate`: a partner to try against.

use std::{fs::OpenOptions, net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Common, Exit, Failed};
use crate::{
    catalog::Library,
    profile::Simulator,
    simulator::{Faults, Partner},
    transport::{HttpInConfig, serve},
};

/// What `simulate` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Faults: the name of a reply in the profile's simulator.yaml (error, hollow, duplicate, html, …), \
    `silence`, `cut`, `slow=2s`, `status=503`.\n`:N` behind it means every Nth request.\n\nExamples:\n  \
    crossdock simulate u8 --listen 127.0.0.1:18101\n  \
    crossdock simulate u8 --fault hollow:10 --fault silence:25 --record received.jsonl\n  \
    curl http://127.0.0.1:18101/_received"
)]
pub struct Arguments {
    /// The profile to play, as in `u8`.
    profile: String,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:18101", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A fault, and when; may be repeated.
    #[arg(long, value_name = "FAULT[:N]")]
    fault: Vec<String>,
    /// Append every request to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Builds a partner from a profile's simulator file.
pub fn partner(
    library: &Library,
    profile: &str,
    faults: Faults,
    record: Option<std::fs::File>,
) -> Result<Partner, Failed> {
    let path = format!("mappings/{profile}/simulator.yaml");
    if library.read(&path).ok().flatten().is_none() {
        let known: Vec<String> = library
            .list("mappings", "/simulator.yaml")
            .iter()
            .filter_map(|path| path.split('/').nth(1).map(ToOwned::to_owned))
            .collect();
        let text = format!("profile `{profile}` has no simulator; there is one for {}", known.join(", "));
        return Err(Failed::new(Exit::NotFound, text));
    }
    let text = library.text(&path).map_err(|problem| Failed::new(Exit::Usage, problem))?;
    let file: Arc<str> = library.shown(&path);
    let simulator = Simulator::compile(&text, &file).map_err(|problems| Failed::new(Exit::Usage, problems))?;
    for name in faults.replies() {
        if !simulator.replies().any(|known| known == name) {
            let known: Vec<&str> = simulator.replies().collect();
            let text = format!("the simulator has no reply `{name}`; it has {}", known.join(", "));
            return Err(Failed::new(Exit::Usage, text));
        }
    }
    Ok(Partner::new(simulator, faults, record))
}

/// Plays a partner until interrupted.
pub async fn simulate(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    let mut faults = Faults::default();
    for fault in &arguments.fault {
        faults.add(fault).map_err(|error| Failed::new(Exit::Usage, error))?;
    }
    let record =
        match &arguments.record {
            Some(path) => Some(OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                Failed::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))
            })?),
            None => None,
        };
    let partner = partner(&Library::over(&settings.hub.content), &arguments.profile, faults, record)?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| Failed::new(Exit::Failed, format!("cannot listen on {}: {error}", arguments.listen)))?;
    let address = listener.local_addr().unwrap_or(arguments.listen);
    eprintln!("{} simulated on http://{address}/ — what came in: http://{address}/_received", arguments.profile);
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let config = HttpInConfig::default();
    let serving = serve(listener, partner.router(), &config, shutdown);
    tokio::select! {
        ended = serving => ended.map_err(|error| Failed::new(Exit::Failed, error))?,
        _ = tokio::signal::ctrl_c() => stop.cancel(),
    }
    Ok(Exit::Ok)
}
