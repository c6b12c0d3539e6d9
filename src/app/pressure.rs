//! Watches what intake listens to: the disk and the backlog, each once a second.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use tokio::{sync::watch, time::interval};
use tokio_util::sync::CancellationToken;

use crate::{
    pipeline::Backlog,
    store::{Level, Room, Space, Store},
    telemetry::metric,
};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at the disk until `shutdown`, and tells people when its level changes.
pub async fn watch_space(space: Arc<Space>, shutdown: CancellationToken) {
    let mut ticks = interval(EVERY);
    let (mut known, mut complained) = (Level::Enough, String::new());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        look(&space, &mut complained).await;
        let room = *space.room().borrow();
        show(&room);
        if room.level != known {
            tell(&room);
            known = room.level;
        }
    }
}

/// Looks once; a look that fails in the same way again is not told again.
pub async fn look(space: &Arc<Space>, complained: &mut String) {
    let watched = space.clone();
    let looked = tokio::task::spawn_blocking(move || watched.look()).await;
    let error = match looked {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    if !error.is_empty() && error != *complained {
        tracing::warn!("the disk with the data directory cannot be looked at, or its ballast not be made: {error}");
    }
    *complained = error;
}

fn tell(room: &Room) {
    let (free, soft) = (room.free >> 20, room.soft >> 20);
    match room.level {
        Level::Enough => tracing::info!(free_mib = free, "the disk with the data directory has enough room again"),
        Level::Low => {
            tracing::warn!(free_mib = free, soft_mib = soft, "the disk with the data directory is getting full");
        }
        Level::Full => {
            let problem = room.problem().map(|problem| problem.text).unwrap_or_default();
            tracing::error!(code = crate::store::STORAGE_LOW.id, "intake stops: {problem}");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn show(room: &Room) {
    gauge!(metric::STORAGE_FREE).set(room.free as f64);
    gauge!(metric::STORAGE_TOTAL).set(room.total as f64);
    gauge!(metric::STORAGE_BALLAST).set(room.ballast as f64);
    gauge!(metric::STORAGE_LEVEL).set(f64::from(room.level as u8));
}

/// Counts what is not done until `shutdown`.
pub async fn watch_backlog(store: Arc<dyn Store>, backlog: watch::Sender<Backlog>, shutdown: CancellationToken) {
    let mut ticks = interval(EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // a store that cannot be asked closes the intake by itself
        let Ok(counts) = store.counts().await else { continue };
        let (before, now) = (*backlog.borrow(), backlog.borrow().counted(&counts));
        backlog.send_replace(now);
        match (before.exceeded, now.exceeded) {
            (false, true) => tracing::warn!(open = now.open, most = now.most, "intake stops: too much is not done yet"),
            (true, false) => tracing::info!(open = now.open, "intake goes on"),
            _ => (),
        }
    }
}
