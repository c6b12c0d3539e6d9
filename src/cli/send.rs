//! `crossdock send`: files to a running hub, as a system would send them.

use std::{io::IsTerminal as _, path::PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{
    Common, Exit, Failed,
    outcome::{out, print_json},
    split::{Batches, Target},
};
use crate::format::Syntax;

/// What `send` takes.
#[derive(clap::Args)]
#[command(after_help = "The API key comes from --key or the environment variable CROSSDOCK_KEY.\n\nExamples:\n  \
    crossdock send crm order-1.xml\n  crossdock send crm --type hub/customer customers/*.json\n  \
    crossdock send crm order.xml --idempotency-key 7f0c…  --server http://hub.example:8080\n  \
    crossdock send crm --split /Customers/Customer --expect 500000 big.xml\n  \
    crossdock send crm --split lines --dry-run customers.ndjson\n\nA batch that was interrupted goes on where it was: \
    run the same command again.")]
pub struct Arguments {
    /// The system to send as.
    system: String,
    /// The files, XML or JSON; one message each.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The document type; default: recognised from the content.
    #[arg(long = "type")]
    document_type: Option<String>,
    /// The hub's address; default: the settings' `ingest.listen`.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The system's API key.
    #[arg(long, env = "CROSSDOCK_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The message's key for recognising a repetition; with one file only.
    #[arg(long)]
    idempotency_key: Option<String>,
    #[command(flatten)]
    batches: Batches,
}

/// Sends files in order.
pub async fn send(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    if arguments.idempotency_key.is_some() && arguments.files.len() > 1 {
        return Err(Failed::new(Exit::Usage, "--idempotency-key names one message; send one file at a time"));
    }
    let server = match &arguments.server {
        Some(server) => server.trim_end_matches('/').to_owned(),
        None => format!("http://{}", common.settings()?.ingest.listen),
    };
    let mut url = format!("{server}/in/{}", arguments.system);
    if let Some(document_type) = &arguments.document_type {
        url = format!("{url}/{document_type}");
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(std::time::Duration::from_secs(120))
        .build()
        .map_err(|error| Failed::new(Exit::Failed, error))?;
    let target = Target { client, url, key: arguments.key.clone() };
    if arguments.batches.is_wanted() {
        if arguments.idempotency_key.is_some() {
            return Err(Failed::new(Exit::Usage, "--split gives each record a key of its own; use --batch-id"));
        }
        return arguments.batches.send(common, &arguments.files, &target).await;
    }
    let bar = if std::io::stderr().is_terminal() && arguments.files.len() > 1 {
        let bar = ProgressBar::new(arguments.files.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
            bar.set_style(style);
        }
        bar
    } else {
        ProgressBar::hidden()
    };
    let mut results = Vec::new();
    for file in &arguments.files {
        let bytes =
            std::fs::read(file).map_err(|error| Failed::new(Exit::NotFound, format!("{}: {error}", file.display())))?;
        let media_type = Syntax::sniff(None, &bytes).map_or("application/octet-stream", Syntax::media_type);
        let mut request = target.post(media_type, bytes);
        if let Some(key) = &arguments.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let response = request
            .send()
            .await
            .map_err(|error| Failed::new(Exit::Unreachable, format!("{server} cannot be reached: {error}")))?;
        let status = response.status().as_u16();
        let body = response.text().await.unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| json!(body));
        if !common.json {
            bar.suspend(|| out(format_args!("{}\t{}", file.display(), summary(status, &body))));
        }
        results.push(json!({"file": file, "status": status, "answer": body}));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if common.json {
        print_json(&json!(results));
    }
    let accepted = results.iter().filter(|result| result["status"] == 202).count();
    let denied = results.iter().any(|result| result["status"] == 401);
    Ok(match accepted {
        _ if accepted == results.len() => Exit::Ok,
        0 if denied => Exit::Denied,
        0 => Exit::Failed,
        _ => Exit::Partly,
    })
}

/// An answer in one line.
pub fn summary(status: u16, body: &Value) -> String {
    if status == 202 {
        let duplicate = if body["duplicate"] == true { " (duplicate: known already)" } else { "" };
        return format!("{status} {}{duplicate}", body["message_id"].as_str().unwrap_or_default());
    }
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    format!("{status} {} {}", text("code"), text("detail"))
}
