//! How far sources have read, kept in the journal.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    base::Clock,
    store::{Mark, Store},
    transport::Marks,
};

/// The marks of the journal.
pub struct StoredMarks {
    /// The journal.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Marks for StoredMarks {
    async fn mark(&self, source: &str) -> Result<Option<String>, String> {
        self.store.mark(source).await.map_err(|error| error.problem().text.clone())
    }

    async fn set_mark(&self, source: &str, value: &str) -> Result<(), String> {
        let mark = Mark { source: source.to_owned(), value: value.to_owned() };
        self.store.set_mark(&mark, self.clock.now()).await.map_err(|error| error.problem().text.clone())
    }
}
