//! Where the fields of a stored message's deliveries come from.

use std::sync::Arc;

use super::failed;
use crate::{
    catalog::Catalog,
    cli::Failed,
    config::Settings,
    mapping::Explanation,
    pipeline::{Dispatch, StoredXrefs},
    store::{MessageView, Reader, Reason, StoreError},
};

/// A delivery's id, and its explanation or why it would be held now.
type Explained = (String, Result<Explanation, String>);

/// Maps each delivery with the present content, and explains it.
pub async fn explain(
    settings: &Settings,
    reader: &Arc<dyn Reader>,
    catalog: &Arc<Catalog>,
    view: &Arc<MessageView>,
) -> Result<Vec<Explained>, Failed> {
    let xrefs = StoredXrefs { reader: reader.clone(), runtime: tokio::runtime::Handle::current() };
    let (catalog, view, limits) = (catalog.clone(), view.clone(), settings.limits.limits());
    let run = tokio::task::spawn_blocking(move || {
        let one = |delivery: &crate::store::DeliveryView| -> Result<Explained, StoreError> {
            let bytes = view.bytes.as_ref();
            let explained = match (bytes, catalog.system(&delivery.destination)) {
                (None, _) => Err("retention has removed the message's bytes".to_owned()),
                (_, None) => Err(format!("system `{}` is not configured any more", delivery.destination)),
                (Some(bytes), Some(system)) => {
                    let dispatch = Dispatch {
                        catalog: &catalog,
                        message: &view.message,
                        bytes,
                        route: &delivery.route,
                        document: &delivery.document,
                        system,
                        xrefs: &xrefs,
                        limits: &limits,
                    };
                    match dispatch.map() {
                        Ok(_) => dispatch.explain().ok_or_else(|| "it goes as it is: no mapping makes it".to_owned()),
                        Err(stop) => Err(held(&stop.reason()?)),
                    }
                }
            };
            Ok((delivery.id.clone(), explained))
        };
        view.deliveries.iter().map(one).collect::<Result<Vec<_>, _>>()
    });
    match run.await {
        Ok(explained) => explained.map_err(|error| failed(&error)),
        Err(_) => {
            Err(Failed::new(crate::cli::Exit::Failed, "explaining it failed in a way the program did not foresee"))
        }
    }
}

fn held(reason: &Reason) -> String {
    super::why(reason)
}
