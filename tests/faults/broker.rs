//! F8 to F10: the broker goes away, is killed, pauses, raises an alarm, has no place for a message.
//!
//! The names of these tests contain `broker`: they take turns with everything else that uses the one broker.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use lapin::types::AMQPValue;
use serde_json::Value;

use super::{
    check::Expect,
    environment,
    load::Plan,
    node::signal,
    note::Kind,
    queue,
    row::Row,
    stage::{Design, Stage},
    support::{wait_until, wait_within},
};

const QUEUE_IN: &str = "xd-faults-in";
const QUEUE_OUT: &str = "xd-faults-out";

/// For everything to come to rest; clients of the broker wait up to 30 s between tries.
const PATIENCE: Duration = Duration::from_secs(150);

/// The one broker, its control command included.
pub struct Broker {
    address: String,
    control: String,
}

impl Broker {
    pub fn here() -> Self {
        let named = |name: &str| {
            environment(name)
                .unwrap_or_else(|| panic!("{name} is not set: run the tests with `make test` or `make faults`"))
        };
        Self { address: named("CROSSDOCK_TEST_AMQP"), control: named("CROSSDOCK_TEST_RABBITMQCTL") }
    }

    fn control(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.control).args(arguments).output().expect("the broker's control command runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn pid(&self) -> u32 {
        let file = Path::new(&self.control).with_file_name("pid");
        let text = fs::read_to_string(file).expect("the broker's process id");
        text.trim().parse().expect("a number")
    }

    /// Kills it with -9 and starts it again.
    fn kill9(&self, away: Duration) {
        signal(self.pid(), "KILL");
        thread::sleep(away);
        let log = fs::File::create(Path::new(&self.control).with_file_name("again.log")).expect("a log");
        let error = log.try_clone().expect("a log");
        // it stays when this test ends; whoever started the services stops it
        let mut start = Command::new("setsid");
        start.args([&self.control, "start"]).stdin(Stdio::null()).stdout(log).stderr(error);
        let mut started = start.spawn().expect("the broker starts");
        thread::spawn(move || started.wait());
        wait_within(Duration::from_secs(60), "the broker is back", || {
            let command = Command::new(&self.control).args(["await_startup", "--timeout", "5"]).output();
            command.is_ok_and(|output| output.status.success())
        });
    }

    /// A stage that takes from one queue and gives to the other, both empty. One consumer at a time: order is kept.
    pub fn stage(&self, design: Design) -> Stage {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let alone = [("x-single-active-consumer", AMQPValue::Boolean(true))];
        runtime.block_on(queue::fresh(&self.address, QUEUE_IN, "quorum", &alone));
        runtime.block_on(queue::fresh(&self.address, QUEUE_OUT, "quorum", &[]));
        Stage::set(Design {
            amqp_in: Some((self.address.clone(), QUEUE_IN.to_owned())),
            amqp_out: Some((self.address.clone(), QUEUE_OUT.to_owned())),
            ..design
        })
    }

    /// Takes the queues away.
    pub fn clean(&self, stage: &Stage) {
        stage.runtime.block_on(queue::delete(&self.address, QUEUE_IN));
        stage.runtime.block_on(queue::delete(&self.address, QUEUE_OUT));
    }
}

/// Keys of what goes over the queue.
fn over_amqp(pause: Duration) -> Plan {
    Plan { first_key: 1000, keys: 16, senders: 4, pause, ..Plan::default() }
}

fn over_http(pause: Duration) -> Plan {
    Plan { keys: 16, senders: 4, pause, ..Plan::default() }
}

#[test]
fn f8_broker_is_stopped_killed_and_paused() {
    let broker = Broker::here();
    let mut row =
        Row::begin("F8", "RabbitMQ stopped, killed with -9 and restarted, paused, under load both ways", 3, 30);
    let mut stage = broker.stage(Design::default());
    let pause = Duration::from_millis(20);
    let loads = [stage.load(over_http(pause)), stage.load_amqp(over_amqp(pause))];
    for round in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(300..1500)));
        stage.hurt();
        match round % 3 {
            0 => broker.kill9(Duration::from_millis(row.chance.u64(0..2000))),
            1 => {
                broker.control(&["stop_app"]);
                thread::sleep(Duration::from_millis(row.chance.u64(0..2000)));
                broker.control(&["start_app"]);
            }
            _ => {
                let pid = broker.pid();
                signal(pid, "STOP");
                thread::sleep(Duration::from_millis(row.chance.u64(1000..8000)));
                signal(pid, "CONT");
            }
        }
        stage.hurt();
    }
    loads.into_iter().for_each(super::load::Load::stop);
    // a paused broker may take an old connection's publication after the new one's
    let mut figures = stage.check(&Expect { patience: PATIENCE, network: true, ..Expect::default() });
    figures.faults = row.rounds;
    broker.clean(&stage);
    row.held(&figures, "");
}

#[test]
fn f9_broker_under_alarm() {
    let broker = Broker::here();
    let mut row = Row::begin("F9", "RabbitMQ raises its memory or disk alarm under load both ways", 2, 12);
    let mut stage = broker.stage(Design::default());
    let pause = Duration::from_millis(20);
    let loads = [stage.load(over_http(pause)), stage.load_amqp(over_amqp(pause))];
    for round in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(300..1000)));
        let disk = round % 2 == 1;
        let (alarm, over) = match disk {
            true => (["set_disk_free_limit", "100000GB"], ["set_disk_free_limit", "50MB"]),
            false => (["set_vm_memory_high_watermark", "0"], ["set_vm_memory_high_watermark", "0.4"]),
        };
        stage.hurt();
        broker.control(&alarm);
        thread::sleep(Duration::from_millis(row.chance.u64(500..7000)));
        broker.control(&over);
        stage.hurt();
    }
    loads.into_iter().for_each(super::load::Load::stop);
    let mut figures = stage.check(&Expect { patience: PATIENCE, ..Expect::default() });
    figures.faults = row.rounds;
    broker.clean(&stage);
    row.held(&figures, "");
}

#[test]
fn f10_broker_has_no_place_for_a_message() {
    let broker = Broker::here();
    let row =
        Row::begin("F10", "RabbitMQ: target queue deleted (parked, then released), full with reject-publish", 1, 1);
    let mut stage = broker.stage(Design::default());
    let load = stage.load(over_http(Duration::from_millis(10)));
    wait_until("some are acknowledged", || stage.ledger.acknowledged() > 60);
    // full: the broker refuses, and says so with a nack
    let policy = r#"{"max-length":10,"overflow":"reject-publish"}"#;
    stage.hurt();
    broker.control(&["set_policy", "faults-full", &format!("^{QUEUE_OUT}$"), policy, "--apply-to", "queues"]);
    let until = stage.ledger.acknowledged() + 60;
    wait_until("more are acknowledged all the same", || stage.ledger.acknowledged() > until);
    let roomy = r#"{"max-length":1000000,"overflow":"reject-publish"}"#;
    broker.control(&["set_policy", "faults-full", &format!("^{QUEUE_OUT}$"), roomy, "--apply-to", "queues"]);
    stage.hurt();
    load.stop();
    let mut figures = stage.check(&Expect { patience: PATIENCE, ..Expect::default() });
    broker.control(&["clear_policy", "faults-full"]);
    // gone: what is published is returned, and must not count as delivered
    let drained = stage.runtime.block_on(queue::waiting(&broker.address, QUEUE_OUT));
    assert_eq!(drained, 0, "the checker took everything out");
    stage.runtime.block_on(queue::delete(&broker.address, QUEUE_OUT));
    let mut second = broker.stage_without_target();
    let load = second.load(over_http(Duration::from_millis(10)));
    wait_until("some are acknowledged", || second.ledger.acknowledged() > 100);
    load.stop();
    wait_within(PATIENCE, "each lane's first delivery is parked", || {
        let counts = second.counts().unwrap_or_default();
        let rows = counts["deliveries"].as_array().cloned().unwrap_or_default();
        let of = |state: &str| {
            let found = rows.iter().find(|row| row["destination"] == "bus" && row["state"] == state);
            found.and_then(|row| row["count"].as_u64()).unwrap_or_default()
        };
        of("parked") == 16 && of("delivered") == 0
    });
    second.runtime.block_on(queue::fresh(&broker.address, QUEUE_OUT, "quorum", &[]));
    assert_eq!(second.release_parked(), 16);
    figures.add(&second.check(&Expect { patience: PATIENCE, ..Expect::default() }));
    figures.faults = 2;
    broker.clean(&second);
    row.held(&figures, "");
}

impl Broker {
    /// A stage whose target queue is not there.
    fn stage_without_target(&self) -> Stage {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(queue::delete(&self.address, QUEUE_OUT));
        Stage::set(Design { amqp_out: Some((self.address.clone(), QUEUE_OUT.to_owned())), ..Design::default() })
    }
}

/// 10,000 messages in `make faults`, 1,500 in `make test`.
#[test]
fn one_malformed_message_in_the_middle_of_10000_on_amqp_does_not_stop_the_consumer() {
    let broker = Broker::here();
    let row =
        Row::begin("F16 broker", "one malformed message in the middle of a queue (rounds: messages)", 1_500, 10_000);
    let many = row.rounds.max(100);
    let mut stage = broker.stage(Design::default());
    // the key of the middle is its own, so that its place is the middle of the queue
    let half = |first_key| Plan {
        first_key,
        keys: 200,
        senders: 16,
        notes: Some(many / 2),
        pause: Duration::ZERO,
        ..Plan::default()
    };
    let bad =
        Plan { first_key: 9000, keys: 1, senders: 1, notes: Some(1), kind: |_| Kind::Malformed, ..Plan::default() };
    stage.load_amqp(half(1000)).finish();
    stage.load_amqp(bad).finish();
    stage.load_amqp(Plan { notes: Some(many - many / 2 - 1), ..half(2000) }).finish();
    let consuming = |stage: &Stage| {
        let text = stage.nodes[0].get("/metrics").map(|(_, text)| text).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("crossdock_source_up")).map(str::to_owned);
        line.is_some_and(|line| line.ends_with(" 1"))
    };
    wait_within(Duration::from_secs(280), "all are in the journal", || {
        assert!(consuming(&stage), "the consumer stopped");
        stage.counts().is_some_and(|counts: Value| counts["total"] == many)
    });
    let mut figures = stage.check(&Expect { patience: Duration::from_secs(280), ..Expect::default() });
    assert_eq!((figures.acknowledged, figures.parked, figures.repeats), (many, 1, 0));
    assert!(consuming(&stage));
    figures.faults = 1;
    broker.clean(&stage);
    row.held(&figures, "all others were delivered; the consumer never stopped");
}
