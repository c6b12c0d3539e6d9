//! A running hub: its listeners, steps and sources, from start to stop.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    SystemClock, SystemRandom,
    control::{self, Reload},
    pressure, retention,
    wiring::{self, StartError, prepare_catalog},
};
use crate::{
    api,
    base::{Clock, IdKind, Ids, Problem, Random},
    catalog::{Catalog, Mode},
    config::Settings,
    pipeline::{
        Backlog, CALENDAR, Delivering, Desk, Hub, JournalIntake, Pressure, RelayIntake, Scheduling, StoredMarks,
        Transforming, automatic, ended_by_content,
    },
    store::{Act, PauseKind, Release, Room, Store},
    telemetry::{Metrics, metric},
    transport::{
        AmqpSink, AmqpSource, FileSource, HttpInConfig, Intake, Periodic, Schedule, SftpSource, Sink, Source,
        SqlSource, router, serve_tls, server_config,
    },
};

/// How long stopping may take before what is left is cut off; what is cut off is done again after the next start.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// How the hub ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Stopped,
    /// The journal failed: nothing can be promised any more.
    StoreFailed,
}

/// A running hub.
pub struct Running {
    /// Where systems send messages to.
    pub ingest: SocketAddr,
    /// Where operators look.
    pub operations: SocketAddr,
    /// The journal.
    pub store: Arc<dyn Store>,
    settings: Settings,
    intake: Arc<JournalIntake>,
    hub: Hub,
    catalog: watch::Sender<Arc<Catalog>>,
    sinks: watch::Sender<Arc<BTreeMap<String, Arc<dyn Sink>>>>,
    tasks: TaskTracker,
    listening: CancellationToken,
    working: CancellationToken,
    sources: CancellationToken,
    source_tasks: TaskTracker,
    destinations: BTreeSet<String>,
    tls: Option<watch::Sender<Arc<rustls::ServerConfig>>>,
    /// A name that no other process has.
    node: String,
    asks: mpsc::Sender<Reload>,
    reloads: mpsc::Receiver<Reload>,
}

impl Running {
    /// Starts a hub: opens the journal, releases what waited for content that is there now, listens, works.
    ///
    /// # Errors
    /// When the journal will not open, an address is taken, or a sink cannot be built.
    pub async fn start(settings: Settings, catalog: Catalog, metrics: Option<Metrics>) -> Result<Self, StartError> {
        if !settings.operations.listen.ip().is_loopback() && !settings.operations.remote {
            return Err(StartError::Exposed(settings.operations.listen));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let ids = Ids::new(clock.clone(), random.clone());
        let sinks = wiring::sinks(&catalog, &settings, &clock)?;
        let tls = wiring::tls_in(&settings).map(|files| server_config(&files)).transpose();
        let tls = tls.map_err(|problem| StartError::Sink(Box::new(problem)))?.map(watch::Sender::new);
        let ingest = listen("messages", settings.ingest.listen).await?;
        let operations = listen("operations", settings.operations.listen).await?;
        let hub_id = ids.next(IdKind::Trace);
        let node = hub_id.clone();
        let store = wiring::open(&settings, &hub_id, &wiring::node_name(&settings), true).await?;
        let (catalog, catalog_seen) = watch::channel(Arc::new(catalog));
        let (sinks, sinks_seen) = watch::channel(Arc::new(sinks));
        let limits = settings.limits.limits();
        let hub = Hub { catalog: catalog_seen, store: store.clone(), sinks: sinks_seen, clock, random, ids, limits };
        let backlog = watch::Sender::new(Backlog::limited_to(settings.ingest.max_backlog));
        let space = store.space();
        if let Some(space) = &space {
            // before anything is taken
            pressure::look(space, &mut String::new()).await;
        }
        let room = space.as_ref().map_or_else(|| watch::channel(Room::default()).1, |space| space.room());
        let pressure = Pressure::new(room, backlog.subscribe());
        let intake = Arc::new(JournalIntake::under(hub.clone(), pressure.clone()));
        let address = |listener: &TcpListener, given| listener.local_addr().unwrap_or(given);
        let (asks, reloads) = mpsc::channel(1);
        let mut running = Self {
            ingest: address(&ingest, settings.ingest.listen),
            operations: address(&operations, settings.operations.listen),
            store: store.clone(),
            intake: intake.clone(),
            hub: hub.clone(),
            catalog,
            sinks,
            tasks: TaskTracker::new(),
            listening: CancellationToken::new(),
            working: CancellationToken::new(),
            sources: CancellationToken::new(),
            source_tasks: TaskTracker::new(),
            destinations: BTreeSet::new(),
            tls,
            node,
            asks,
            reloads,
            settings,
        };
        let retaining =
            retention::retain(running.hub.clone(), running.settings.retention.clone(), running.working.clone());
        running.tasks.spawn(retaining);
        if let Some(space) = space {
            running.tasks.spawn(pressure::watch_space(space, running.working.clone()));
        }
        if running.settings.ingest.max_backlog > 0 {
            running.tasks.spawn(pressure::watch_backlog(store.clone(), backlog, running.working.clone()));
        }
        running.release_calendar().await?;
        running.resume_changed().await?;
        let transforming = Transforming::new(hub);
        let token = running.working.clone();
        running.tasks.spawn(async move { transforming.run(token).await });
        running.start_destinations();
        // A system that is gone may have deliveries left; someone must say so.
        for row in running.store.counts().await?.deliveries {
            running.start_destination(&row.destination);
        }
        running.start_sources();
        running.release_held();
        running.serve_control();
        let http = wiring::http_in(&running.settings);
        let clock = running.hub.clock.clone();
        let tls = running.tls.as_ref().map(watch::Sender::subscribe);
        running.serve(ingest, router(intake, &http, clock.clone()), http.clone(), tls);
        let catalog = running.hub.catalog.clone();
        let operations_router = api::router(api::Operations { store, metrics, pressure, catalog, clock });
        running.serve(operations, operations_router, HttpInConfig { max_body_bytes: 64 << 10, ..http }, None);
        tracing::info!(ingest = %running.ingest, operations = %running.operations, "{} listens", running.settings.hub.name);
        Ok(running)
    }

    /// Reads content again. With errors the old content stays in force, and every problem is logged and returned.
    ///
    /// # Errors
    /// What is wrong with the new content.
    pub async fn reload(&mut self) -> Result<(), Vec<Problem>> {
        let (catalog, problems) = prepare_catalog(&self.settings);
        if problems.has_errors() {
            tracing::error!("reload: the content has errors; the old content stays in force");
            problems.0.iter().for_each(|problem| tracing::error!("reload: {problem}"));
            return Err(problems.0);
        }
        if let (Some(seen), Some(files)) = (&self.tls, wiring::tls_in(&self.settings)) {
            match server_config(&files) {
                Ok(config) => drop(seen.send_replace(config)),
                Err(problem) => tracing::error!("reload: {problem}; the old certificate stays in use"),
            }
        }
        match wiring::sinks(&catalog, &self.settings, &self.hub.clock) {
            Ok(sinks) => self.sinks.send_replace(Arc::new(sinks)),
            Err(error) => {
                tracing::error!("reload: {error}; the old content stays in force");
                return Err(match error {
                    StartError::Sink(problem) => vec![*problem],
                    other => vec![Problem::new(crate::catalog::UNREADABLE, other.to_string())],
                });
            }
        };
        self.catalog.send_replace(Arc::new(catalog));
        // What an old source holds goes back to its queue when it ends; a new one beside it could take later messages
        // first.
        self.sources.cancel();
        self.source_tasks.close();
        self.source_tasks.wait().await;
        self.source_tasks = TaskTracker::new();
        self.sources = CancellationToken::new();
        self.start_destinations();
        self.start_sources();
        self.release_held();
        if let Err(error) = self.release_calendar().await {
            tracing::error!("reload: {error}");
        }
        match self.store.resume(None, PauseKind::Gone).await {
            Ok(0) => (),
            Ok(count) => tracing::info!(count, "destinations whose address was gone are tried again"),
            Err(error) => tracing::error!("reload: {error}"),
        }
        tracing::info!("reload: new content is in force");
        Ok(())
    }

    /// Who asks over the control socket that content be read again; to be had once.
    pub fn reloads(&mut self) -> mpsc::Receiver<Reload> {
        let (_, nobody) = mpsc::channel(1);
        std::mem::replace(&mut self.reloads, nobody)
    }

    /// Reads content again for someone who asked.
    pub async fn reload_for(&mut self, reply: Reload) {
        let problems = self.reload().await.err().unwrap_or_default();
        // who asked may be gone
        let _ = reply.send(problems);
    }

    /// Instructions of the same user on this machine. Without the socket the hub works as well.
    fn serve_control(&self) {
        let listener = match control::bind(&self.settings.hub.data) {
            Ok(listener) => listener,
            Err(error) => {
                let path = control::control_socket(&self.settings.hub.data);
                tracing::warn!("no control socket at {}: {error}; commands cannot act on this hub", path.display());
                return;
            }
        };
        let control = control::Control {
            hub: self.hub.clone(),
            name: self.settings.hub.name.clone(),
            reloads: self.asks.clone(),
            max_body: self.settings.ingest.max_body,
        };
        let (data, token) = (self.settings.hub.data.clone(), self.listening.clone());
        self.tasks.spawn(control::serve(listener, control, data, token));
    }

    /// Waits until the journal fails; never returns while it works.
    pub async fn failure(&self) {
        let mut failed = self.store.failed();
        let seen = failed.wait_for(Option::is_some).await;
        if let Ok(problem) = seen
            && let Some(problem) = problem.as_ref()
        {
            tracing::error!(code = problem.code.id, "the journal failed: {}", problem.text);
        }
    }

    /// Stops: takes nothing more, finishes what is under way, closes the journal.
    pub async fn stop(self) {
        self.intake.close();
        self.sources.cancel();
        self.listening.cancel();
        self.working.cancel();
        self.tasks.close();
        self.source_tasks.close();
        let all = async { tokio::join!(self.tasks.wait(), self.source_tasks.wait()) };
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            tracing::warn!("some work did not end within {STOP_WITHIN:?}; it is done again after the next start");
        }
        self.store.close().await;
    }

    /// Tries what is held for content that may be there now, and lets go what is not held for the same reason again.
    fn release_held(&self) {
        let (desk, token) = (Desk::of(&self.hub), self.working.clone());
        self.tasks.spawn(async move {
            let all = async {
                for cause in ended_by_content() {
                    match desk.carry_out(&automatic(cause), &|_| ()).await {
                        Ok(report) if report.deliveries + report.messages + report.left > 0 => tracing::info!(
                            cause,
                            deliveries = report.deliveries,
                            messages = report.messages,
                            left = report.left,
                            "held things were tried with the content in force"
                        ),
                        Ok(_) => (),
                        Err(error) => tracing::error!(cause, "held things could not be tried: {error}"),
                    }
                }
            };
            tokio::select! {
                () = token.cancelled() => (),
                () = all => (),
            }
        });
    }

    /// What the calendar holds is looked at again by the calendars in force.
    async fn release_calendar(&self) -> Result<(), StartError> {
        let act = Act {
            id: self.hub.ids.next(IdKind::Act),
            verb: "release".to_owned(),
            by: "crossdock".to_owned(),
            why: "content was read".to_owned(),
            query: format!("cause {CALENDAR}"),
            at: self.hub.clock.now(),
        };
        let held = Release::Cause(CALENDAR.to_owned());
        let released = self.store.release(held, &act, self.hub.clock.steady()).await?;
        if released.deliveries > 0 {
            tracing::info!(count = released.deliveries, "what the calendar held is looked at again");
        }
        Ok(())
    }

    /// Destinations whose address was gone and is another one now are tried again; breakers begin closed.
    async fn resume_changed(&self) -> Result<(), StartError> {
        self.store.resume(None, PauseKind::Breaker).await?;
        for pause in self.store.pauses().await?.into_iter().filter(|pause| pause.kind == PauseKind::Gone) {
            let destination = pause.destination.as_str();
            match self.hub.sink(destination) {
                Some(sink) if sink.describe() == pause.address => {
                    tracing::error!(destination, code = pause.reason.code, "still paused: {}", pause.reason.text);
                }
                _ => drop(self.store.resume(Some(destination), PauseKind::Gone).await?),
            }
        }
        Ok(())
    }

    fn start_destinations(&mut self) {
        let catalog = self.hub.catalog();
        for (system, sink) in self.sinks.borrow().iter() {
            let (system, sink, token) = (system.clone(), sink.clone(), self.working.clone());
            self.tasks.spawn(async move {
                let checked = tokio::select! {
                    () = token.cancelled() => return,
                    checked = sink.check() => checked,
                };
                if let Err(problem) = checked {
                    tracing::error!(system, code = problem.code.id, "the destination cannot be used: {problem}");
                }
            });
        }
        for system in catalog.systems().filter(|system| system.sink.is_some()) {
            self.start_destination(&system.id);
        }
    }

    fn start_destination(&mut self, system: &str) {
        if !self.destinations.insert(system.to_owned()) {
            return;
        }
        let step = Delivering::new(self.hub.clone(), system.to_owned(), wiring::policy(&self.settings));
        self.tasks.spawn(Arc::new(step).run(self.working.clone()));
    }

    fn start_sources(&self) {
        let catalog = self.hub.catalog();
        let relays: Vec<_> = catalog.routes().iter().filter(|route| route.mode == Mode::Relay).collect();
        let relayed: Vec<&str> = relays.iter().map(|route| route.from.as_str()).collect();
        let dead_letters = relays.iter().filter_map(|route| {
            let built = AmqpSink::new(route.dead_letter.as_ref()?, self.hub.clock.clone());
            let told = |problem: &_| tracing::error!(route = route.id, "dead letters have no place: {problem}");
            Some((route.id.clone(), Arc::new(built.inspect_err(told).ok()?) as Arc<dyn Sink>))
        });
        let dead_letters: Arc<BTreeMap<String, Arc<dyn Sink>>> = Arc::new(dead_letters.collect());
        for system in catalog.systems() {
            let mut ways: Vec<(&'static str, Result<Way, Problem>)> = Vec::new();
            if let Some(config) = &system.sources.amqp {
                ways.push(("amqp", AmqpSource::new(config).map(|source| Way::always(Arc::new(source)))));
            }
            if let Some(config) = &system.sources.file {
                let source = FileSource::new(config).map(Arc::new);
                ways.push(("file", source.map(|source| Way::by(source, config.schedule.as_ref()))));
            }
            if let Some(config) = &system.sources.sftp {
                let node = wiring::sftp_node(&self.settings, self.node.clone(), self.hub.clock.clone());
                let egress = wiring::egress(&self.settings).map_err(|problem| *problem);
                let source = egress.and_then(|egress| SftpSource::new(config, &egress, node)).map(Arc::new);
                ways.push(("sftp", source.map(|source| Way::by(source, config.files.schedule.as_ref()))));
            }
            if let Some(config) = &system.sources.sql {
                let marks = Arc::new(StoredMarks { store: self.store.clone(), clock: self.hub.clock.clone() });
                let name = format!("{}/sql", system.id);
                let egress = wiring::egress(&self.settings).map_err(|problem| *problem);
                let source = egress.and_then(|egress| SqlSource::new(config, &egress, &name, marks)).map(Arc::new);
                ways.push(("sql", source.map(|source| Way::by(source, config.schedule.as_ref()))));
            }
            for (kind, way) in ways {
                let Way { source, scheduled } = match way {
                    Ok(way) => way,
                    Err(problem) => {
                        tracing::error!(system = system.id, "the {kind} source cannot start: {problem}");
                        continue;
                    }
                };
                let is_relayed = kind == "amqp" && relayed.contains(&system.id.as_str());
                let intake: Arc<dyn Intake> = if is_relayed {
                    Arc::new(RelayIntake::new(self.hub.clone(), self.intake.clone(), dead_letters.clone()))
                } else {
                    self.intake.clone()
                };
                let (token, id) = (self.sources.clone(), system.id.clone());
                let mut link = source.connected();
                let watched = token.clone();
                self.source_tasks.spawn(async move {
                    let gauge = metrics::gauge!(metric::SOURCE_UP, "source" => format!("{id}/{kind}"));
                    loop {
                        gauge.set(if link.borrow_and_update().up { 1.0 } else { 0.0 });
                        tokio::select! {
                            () = watched.cancelled() => return,
                            changed = link.changed() => if changed.is_err() { return },
                        }
                    }
                });
                let Some((source, schedule)) = scheduled else {
                    self.source_tasks.spawn(async move { source.run(intake, token).await });
                    continue;
                };
                let scheduling = Scheduling {
                    store: self.store.clone(),
                    clock: self.hub.clock.clone(),
                    name: format!("{}/{kind}", system.id),
                    node: self.node.clone(),
                    schedule,
                    source,
                };
                self.source_tasks.spawn(async move { scheduling.run(intake, token).await });
            }
        }
    }

    fn serve(
        &self,
        listener: TcpListener,
        router: axum::Router,
        config: HttpInConfig,
        tls: Option<watch::Receiver<Arc<rustls::ServerConfig>>>,
    ) {
        let token = self.listening.clone();
        self.tasks.spawn(async move {
            if let Err(error) = serve_tls(listener, router, &config, tls, token).await {
                tracing::error!("a listener ended: {error}");
            }
        });
    }
}

/// A way in, and how it is run.
struct Way {
    source: Arc<dyn Source>,
    scheduled: Option<(Arc<dyn Periodic>, Schedule)>,
}

impl Way {
    fn always(source: Arc<dyn Source>) -> Self {
        Self { source, scheduled: None }
    }

    fn by<S: Source + Periodic + 'static>(source: Arc<S>, schedule: Option<&Schedule>) -> Self {
        let scheduled = schedule.map(|schedule| (source.clone() as Arc<dyn Periodic>, schedule.clone()));
        Self { source, scheduled }
    }
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { what, address, error })
}

/// Runs a hub until SIGTERM, SIGINT or a failure of the journal; SIGHUP reloads content.
///
/// # Errors
/// When it cannot start.
pub async fn run(settings: Settings, catalog: Catalog, metrics: Option<Metrics>) -> Result<Exit, StartError> {
    use tokio::signal::unix::{SignalKind, signal};
    // before anything listens: a signal that comes at once must not end the process the hard way
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        tracing::error!("signals cannot be received");
        return Ok(Exit::Stopped);
    };
    let mut running = Running::start(settings, catalog, metrics).await?;
    let mut reloads = running.reloads();
    let exit = loop {
        tokio::select! {
            _ = terminate.recv() => break Exit::Stopped,
            _ = interrupt.recv() => break Exit::Stopped,
            // what is wrong is in the log
            _ = hangup.recv() => drop(running.reload().await),
            Some(reply) = reloads.recv() => running.reload_for(reply).await,
            () = running.failure() => break Exit::StoreFailed,
        }
    };
    if exit == Exit::Stopped {
        tracing::info!("stopping");
        running.stop().await;
    }
    Ok(exit)
}
