//! `crossdock verify`: everything stored is checked: structure, digests, conservation.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    Common, Exit, Failed,
    messages::{failed, print_counts},
    outcome::{out, print_json},
};
use crate::{api::counts_json, app::open_reader};

/// What `verify` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Reads beside a running hub or without one, and changes nothing. Every payload and every output is\n\
    read and its SHA-256 compared; every message is counted with its deliveries.\n\nExamples:\n  \
    crossdock verify\n  crossdock verify --json"
)]
pub struct Arguments {}

/// Checks.
pub async fn verify(common: &Common, _: &Arguments) -> Result<Exit, Failed> {
    let settings = common.settings()?;
    let reader = open_reader(&settings).await.map_err(|error| failed(&error))?;
    let checked = async {
        let counts = reader.counts().await?;
        let bar = bar(counts.total + counts.planned);
        let verified = reader.verify(&|digests| bar.set_position(digests)).await;
        bar.finish_and_clear();
        Ok((counts, verified?))
    };
    let checked = checked.await;
    reader.close().await;
    let (counts, verified) = checked.map_err(|error| failed(&error))?;
    if common.json {
        print_json(&json!({"digests": verified.digests, "faults": verified.faults, "counts": counts_json(&counts)}));
    } else {
        print_counts(&counts);
        verified.faults.iter().for_each(|fault| out(format_args!("{fault}")));
        out(format_args!("{} digests compared, {} faults", verified.digests, verified.faults.len()));
    }
    Ok(if verified.faults.is_empty() { Exit::Ok } else { Exit::Problems })
}

fn bar(most: u64) -> ProgressBar {
    use std::io::IsTerminal as _;
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(most);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of at most {len} digests {per_sec} ETA {eta}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
