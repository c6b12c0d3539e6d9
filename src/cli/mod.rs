//! The commands. Data goes to standard output, talk to standard error; `--json` gives every result as JSON.
//!
//! It stands apart as the edge to people: it parses words, calls what is below, and shows what came back. Exit codes are
//! frozen (see [`Exit`]). A new command gets a file named by its verb, a variant of [`Command`] and a test.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to people")]

mod check;
mod context;
mod control;
mod demo;
mod destinations;
mod difference;
mod explain;
mod map;
mod mapping;
mod messages;
mod outcome;
mod run;
mod schema;
mod send;
mod settings;
mod simulate;
mod split;
mod test;
mod validate;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use explain::{codes, page, pages};
pub use outcome::{Exit, Failed};

/// Takes XML and JSON messages in, keeps them safe, maps them, delivers them in order, and shows what became of each.
#[derive(Parser)]
#[command(
    name = "crossdock",
    version,
    max_term_width = 120,
    after_help = "Examples:\n  \
    crossdock demo                               see it work, with two simulated ERPs\n  \
    crossdock check                              check settings, routes, mappings, schemas and code tables\n  \
    crossdock map order.xml --mapping u8/hub-sales-order-to-saleorder --explain\n  \
    crossdock run                                run the hub with ./crossdock.toml\n  \
    crossdock messages list --state parked       what is stuck, and why\n\n\
    Exit codes: 0 ok, 1 failed, 2 usage or settings, 3 not found, 4 permission, 5 unreachable, 6 partly succeeded,\n\
    7 problems found, 8 conflict, 9 timeout, 70 journal failure, 78 bad configuration"
)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args, Clone)]
pub struct Common {
    /// The settings file. Default: ./crossdock.toml when there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// Overrides one setting, as in `--set ingest.listen=127.0.0.1:9000`; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// The language of messages; default: the settings'.
    #[arg(long, global = true, value_parser = ["en", "zh"])]
    lang: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub until SIGTERM; SIGHUP reads content again.
    Run(run::Arguments),
    /// Check settings and all content; every problem at once, with file, line and column.
    Check(check::Arguments),
    /// Map one document and print the result.
    Map(map::Arguments),
    /// Look at mappings: the versions deliveries used.
    #[command(subcommand)]
    Mapping(mapping::Command),
    /// Run the cases beside the mappings.
    Test(test::Arguments),
    /// Send files to a running hub.
    Send(send::Arguments),
    /// Look at messages and act on them: list, show, release, skip, replay, resend.
    #[command(subcommand)]
    Messages(messages::Command),
    /// What the running hub says of itself.
    Status(control::Status),
    /// Let the running hub read its content again.
    Reload(control::Reload),
    /// Check everything stored: structure, digests, conservation.
    Verify(verify::Arguments),
    /// Look at destinations: which flow, which are paused, closed or gone.
    #[command(subcommand)]
    Destinations(destinations::Command),
    /// Play a partner: answer in a profile's reply shapes, with faults on request.
    Simulate(simulate::Arguments),
    /// Show the hub at work with two simulated ERPs and sample messages.
    Demo(demo::Arguments),
    /// Hold files to the schemas and value rules of their document types.
    Validate(validate::Arguments),
    /// Look at schemas of documents, bring your own; print those of mapping files, for editors.
    #[command(subcommand)]
    Schema(schema::Command),
    /// Explain an error code.
    Explain(explain::Arguments),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            drop(error.print());
            return exit.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("crossdock: {error}");
            return Exit::Failed.into();
        }
    };
    // TLS needs one provider for the process; a second installation is without effect.
    drop(rustls::crypto::ring::default_provider().install_default());
    let common = arguments.common;
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Run(arguments) => run::run(&common, &arguments).await,
            Command::Check(arguments) => check::check(&common, &arguments),
            Command::Map(arguments) => map::map_file(&common, &arguments),
            Command::Mapping(command) => mapping::mapping(&common, &command).await,
            Command::Test(arguments) => test::test(&common, &arguments).await,
            Command::Send(arguments) => send::send(&common, &arguments).await,
            Command::Messages(command) => messages::messages(&common, &command).await,
            Command::Status(arguments) => control::status(&common, &arguments).await,
            Command::Reload(arguments) => control::reload(&common, &arguments).await,
            Command::Verify(arguments) => verify::verify(&common, &arguments).await,
            Command::Destinations(command) => destinations::destinations(&common, &command).await,
            Command::Simulate(arguments) => simulate::simulate(&common, &arguments).await,
            Command::Demo(arguments) => demo::demo(&common, &arguments).await,
            Command::Validate(arguments) => validate::validate(&common, &arguments),
            Command::Schema(command) => schema::schema(&common, &command),
            Command::Explain(arguments) => explain::explain(&common, &arguments),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(exit) => exit.into(),
        Err(failed) => {
            eprintln!("crossdock: {}", failed.text);
            failed.exit.into()
        }
    }
}
