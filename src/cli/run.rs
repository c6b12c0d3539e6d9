//! `crossdock run`: the daemon.

use super::{Common, Exit, Failed, outcome::show_problems};
use crate::{
    app::{self, StartError},
    store::StoreError,
    telemetry,
};

/// What `run` takes.
#[derive(clap::Args)]
pub struct Arguments {}

/// Runs the hub.
pub async fn run(common: &Common, _: &Arguments) -> Result<Exit, Failed> {
    let settings = common.settings().map_err(|failed| Failed { exit: Exit::Configuration, ..failed })?;
    telemetry::start(&settings.log).map_err(|error| Failed::new(Exit::Configuration, error))?;
    let metrics = telemetry::install().map_err(|error| Failed::new(Exit::Failed, error))?;
    let (catalog, problems) = app::prepare_catalog(&settings);
    show_problems(&problems.0);
    if problems.has_errors() {
        return Err(Failed::new(Exit::Configuration, "the content has errors; nothing was started"));
    }
    match app::run(settings, catalog, Some(metrics)).await {
        Ok(app::Exit::Stopped) => Ok(Exit::Ok),
        Ok(app::Exit::StoreFailed) => Ok(Exit::Store),
        Err(error) => {
            let exit = match &error {
                StartError::Store(StoreError::Failed(_) | StoreError::Corrupt(_)) => Exit::Store,
                _ => Exit::Configuration,
            };
            Err(Failed::new(exit, error))
        }
    }
}
