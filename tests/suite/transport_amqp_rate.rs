//! How many confirmed publications a second an AMQP sink makes, and how many deliveries an AMQP source takes.
//!
//! Run it alone to see the figures: `tests/support/services.sh run cargo nextest run --test suite amqp_rate --no-capture`.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use crossdock::transport::{Answer, Outgoing, Sink as _};
use tokio::task::JoinSet;

use super::transport_amqp::{Fake, Running, TURN, address, delete, outgoing, sink, waiting};

/// Bytes of a message, about a business document.
const BYTES: usize = 5 << 10;
/// Senders at once.
const SENDERS: usize = 500;
/// Publications of each.
const EACH: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn amqp_rate_of_confirmed_publications() {
    let url = address();
    let _turn = TURN.lock().await;
    let queue = "xd-rate-out";
    delete(&url, queue).await;
    let sink = Arc::new(sink(&url, queue, true));
    assert_eq!(sink.send(&outgoing(0)).await, Answer::Confirmed);
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let sink = sink.clone();
        senders.spawn(async move {
            for number in 0..EACH {
                let mut outgoing = outgoing(1 + sender * EACH + number);
                outgoing.bytes = Bytes::from(vec![b'x'; BYTES]);
                assert_eq!(sink.send(&outgoing).await, Answer::Confirmed);
            }
        });
    }
    senders.join_all().await;
    let count = SENDERS * EACH;
    println!("{count} confirmed publications of {BYTES} bytes: {:.0}/s", count as f64 / began.elapsed().as_secs_f64());
    delete(&url, queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp_rate_of_taken_deliveries() {
    let (url, queue) = (address(), "xd-rate-in");
    let _turn = TURN.lock().await;
    delete(&url, queue).await;
    let sink = Arc::new(sink(&url, queue, true));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let sink = sink.clone();
        senders.spawn(async move {
            for number in 0..EACH {
                let bytes = Bytes::from(vec![b'x'; BYTES]);
                let sent = Outgoing { bytes, ..outgoing(sender * EACH + number) };
                assert_eq!(sink.send(&sent).await, Answer::Confirmed);
            }
        });
    }
    senders.join_all().await;
    let (count, fake) = (SENDERS * EACH, Fake::new([]));
    let began = Instant::now();
    let running = Running::start(&url, queue, fake.clone());
    fake.until(|seen| seen.len() >= count).await;
    println!("{count} deliveries of {BYTES} bytes taken: {:.0}/s", count as f64 / began.elapsed().as_secs_f64());
    running.stop().await;
    assert_eq!(waiting(&url, queue).await, 0, "all were acknowledged");
    delete(&url, queue).await;
}
