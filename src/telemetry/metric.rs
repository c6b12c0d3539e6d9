//! The metrics: their names, units and help, and the text Prometheus reads.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Messages accepted; label `system`, `transport`.
pub const ACCEPTED: &str = "crossdock_messages_accepted_total";
/// Arrivals that repeated an accepted message; label `system`.
pub const DUPLICATES: &str = "crossdock_messages_duplicates_total";
/// Arrivals refused; labels `system`, `code`.
pub const REFUSED: &str = "crossdock_messages_refused_total";
/// Messages parked before they had deliveries; label `code`.
pub const PARKED: &str = "crossdock_messages_parked_total";
/// Violations of schemas and value rules; labels `system`, `direction` (`in`, `out`), `code`.
pub const VIOLATIONS: &str = "crossdock_violations_total";
/// Time from arrival to durable.
pub const ACCEPT_SECONDS: &str = "crossdock_accept_duration_seconds";
/// Attempts; labels `destination`, `outcome`.
pub const ATTEMPTS: &str = "crossdock_delivery_attempts_total";
/// Time of an attempt; label `destination`.
pub const ATTEMPT_SECONDS: &str = "crossdock_delivery_duration_seconds";
/// Time from arrival to delivered; label `destination`.
pub const END_TO_END_SECONDS: &str = "crossdock_end_to_end_seconds";
/// Deliveries that were planned, and parts of split messages, that cannot be found. Must be 0.
pub const UNACCOUNTED: &str = "crossdock_messages_unaccounted";
/// Deliveries by state; labels `route`, `destination`, `state`.
pub const DELIVERIES: &str = "crossdock_deliveries";
/// Senders told to come again; label `code`.
pub const TURNED_AWAY: &str = "crossdock_turned_away_total";
/// Bytes free for the journal, less a ballast that is missing.
pub const STORAGE_FREE: &str = "crossdock_storage_free_bytes";
/// Size of the journal's disk.
pub const STORAGE_TOTAL: &str = "crossdock_storage_size_bytes";
/// Size of the ballast file that is there.
pub const STORAGE_BALLAST: &str = "crossdock_storage_ballast_bytes";
/// 0 enough, 1 below the soft mark, 2 below the hard mark.
pub const STORAGE_LEVEL: &str = "crossdock_storage_level";
/// Whether intake takes messages.
pub const INTAKE_OPEN: &str = "crossdock_intake_open";
/// Whether a destination gets nothing at the moment; labels `destination`, `kind` (`gone`, `breaker`).
pub const PAUSED: &str = "crossdock_destination_paused";
/// Whether a source reaches its peer; label `source`.
pub const SOURCE_UP: &str = "crossdock_source_up";
/// Times a queue's consumer was interrupted; labels `queue`, `cause` (`cancelled`, `lost`, `closed`).
pub const CONSUMER_INTERRUPTED: &str = "crossdock_consumer_interruptions_total";
/// Whether a broker blocks our publishing; label `target`.
pub const SINK_BLOCKED: &str = "crossdock_sink_blocked";
/// Messages relayed; labels `route`, `outcome` (`relayed`, `dead-letter`, `journal`, `filtered`, `later`).
pub const RELAYED: &str = "crossdock_messages_relayed_total";
/// Time from a message's arrival to all its confirmations; label `route`.
pub const RELAY_SECONDS: &str = "crossdock_relay_duration_seconds";

/// The collected numbers, for `/metrics`.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The text in Prometheus' exposition format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }
}

/// Starts collecting for the process, and describes every metric.
///
/// # Errors
/// When another recorder is installed already.
pub fn install() -> Result<Metrics, BuildError> {
    const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
    let handle = PrometheusBuilder::new().set_buckets(BUCKETS)?.install_recorder()?;
    describe_counter!(ACCEPTED, Unit::Count, "Messages accepted");
    describe_counter!(DUPLICATES, Unit::Count, "Arrivals that repeated an accepted message");
    describe_counter!(REFUSED, Unit::Count, "Arrivals refused");
    describe_counter!(PARKED, Unit::Count, "Messages parked before they had deliveries");
    describe_counter!(VIOLATIONS, Unit::Count, "Violations of schemas and value rules");
    describe_histogram!(ACCEPT_SECONDS, Unit::Seconds, "Time from arrival to durable");
    describe_counter!(ATTEMPTS, Unit::Count, "Delivery attempts");
    describe_histogram!(ATTEMPT_SECONDS, Unit::Seconds, "Time of one delivery attempt");
    describe_histogram!(END_TO_END_SECONDS, Unit::Seconds, "Time from arrival to delivered");
    describe_gauge!(
        UNACCOUNTED,
        Unit::Count,
        "Deliveries planned, or parts of split messages, that cannot be found; must be 0"
    );
    describe_gauge!(DELIVERIES, Unit::Count, "Deliveries by state");
    describe_counter!(TURNED_AWAY, Unit::Count, "Senders told to come again");
    describe_gauge!(STORAGE_FREE, Unit::Bytes, "Bytes free for the journal, less a ballast that is missing");
    describe_gauge!(STORAGE_TOTAL, Unit::Bytes, "Size of the journal's disk");
    describe_gauge!(STORAGE_BALLAST, Unit::Bytes, "Size of the ballast file that is there");
    describe_gauge!(STORAGE_LEVEL, Unit::Count, "0 enough, 1 below the soft mark, 2 below the hard mark");
    describe_gauge!(INTAKE_OPEN, Unit::Count, "1 when intake takes messages");
    describe_gauge!(PAUSED, Unit::Count, "1 when a destination is paused: its address is gone, or it keeps failing");
    describe_gauge!(SOURCE_UP, Unit::Count, "1 when a source reaches its peer");
    describe_counter!(CONSUMER_INTERRUPTED, Unit::Count, "Times the consumer of a queue was interrupted");
    describe_gauge!(SINK_BLOCKED, Unit::Count, "1 while a broker blocks our publishing (alarm)");
    describe_counter!(RELAYED, Unit::Count, "Messages relayed from broker to broker, by outcome");
    describe_histogram!(RELAY_SECONDS, Unit::Seconds, "Time from a relayed message's arrival to all its confirmations");
    Ok(Metrics(handle))
}
