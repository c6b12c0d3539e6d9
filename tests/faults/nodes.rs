//! F11, and several nodes on one PostgreSQL: the database goes away, nodes are killed and held up.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    broker::Broker,
    check::{Expect, Figures},
    load::{Load, Plan},
    node::signal,
    postgres::Postgres,
    row::Row,
    stage::{Design, Stage, StoreKind},
    support::wait_within,
};

/// Coming to rest includes that the leases of dead nodes run out.
const PATIENCE: Duration = Duration::from_secs(240);

fn on(postgres: &Postgres, nodes: usize) -> Design {
    Design { store: StoreKind::Postgres(postgres.url()), nodes, ..Design::default() }
}

impl Stage {
    /// Starts every node that has ended, as a supervisor would, until all are ready.
    pub fn supervise(&mut self) {
        for node in &mut self.nodes {
            if !node.is_running() {
                node.launch();
            }
        }
        wait_within(Duration::from_secs(60), "all nodes are ready", || {
            for node in &mut self.nodes {
                if !node.is_running() {
                    node.launch();
                }
            }
            self.nodes.iter().all(super::node::Node::is_ready)
        });
    }

    /// Kills a node with -9 and starts it again.
    pub fn replace(&mut self, node: usize) {
        self.kill9_of(node);
        self.nodes[node].start();
    }
}

#[test]
fn f1_kill_on_postgres() {
    let mut row = Row::begin("F1 PostgreSQL", "kill -9 at random moments, the journal in PostgreSQL", 4, 50);
    let postgres = match Postgres::start() {
        Ok(postgres) => postgres,
        Err(why) => return row.skip(&why),
    };
    let mut stage = Stage::set(on(&postgres, 1));
    let load = stage.load(Plan::default());
    for _ in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(50..1500)));
        stage.replace(0);
    }
    load.stop();
    let mut figures = stage.check(&Expect { patience: PATIENCE, ..Expect::default() });
    figures.faults = row.rounds;
    row.held(&figures, "");
}

#[test]
fn f11_postgres_goes_away() {
    let what =
        "PostgreSQL restarted (smart, fast, immediate), backends killed and terminated, held up, locked, read-only";
    let mut row = Row::begin("F11", what, 4, 48);
    let postgres = match Postgres::start() {
        Ok(postgres) => postgres,
        Err(why) => return row.skip(&why),
    };
    let mut stage = Stage::set(on(&postgres, 1));
    let load = stage.load(Plan { pause: Duration::from_millis(10), ..Plan::default() });
    let first = row.chance.usize(..8);
    for round in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(200..1200)));
        let began = Instant::now();
        damage(&postgres, (first + round) % 8, &mut row.chance);
        stage.supervise();
        stage.hurt_since(began);
    }
    stage.hurt();
    load.stop();
    let mut figures = stage.check(&Expect { patience: PATIENCE, ..Expect::default() });
    figures.faults = row.rounds;
    row.held(&figures, "");
}

/// One of eight ways a database can fail its clients.
fn damage(postgres: &Postgres, how: usize, chance: &mut fastrand::Rng) {
    let while_held = Duration::from_millis(chance.u64(500..3000));
    let well = |result: Result<(), String>| result.expect("PostgreSQL does as it is told");
    match how {
        0 => well(postgres.control(&["restart", "-m", "immediate"])),
        1 => well(postgres.control(&["restart", "-m", "fast"])),
        2 => {
            well(postgres.control(&["stop", "-m", "immediate"]));
            thread::sleep(while_held);
            well(postgres.control(&["start"]));
        }
        3 => {
            // the server restarts all of its processes when one of them dies so
            let backends = postgres.children();
            if let Some(backend) = chance.choice(backends) {
                signal(backend, "KILL");
            }
            thread::sleep(Duration::from_millis(300));
        }
        4 => {
            let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
                          AND backend_type = 'client backend'";
            for _ in 0..5 {
                let _ = postgres.execute(others);
                thread::sleep(Duration::from_millis(chance.u64(5..120)));
            }
        }
        5 => {
            postgres.hold(true);
            thread::sleep(while_held);
            postgres.hold(false);
        }
        6 => {
            let lock = "BEGIN; DO $$ DECLARE t text; BEGIN FOR t IN SELECT quote_ident(schemaname) || '.' || \
                        quote_ident(tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', \
                        'information_schema') LOOP EXECUTE 'LOCK TABLE ' || t; END LOOP; END $$; \
                        SELECT pg_sleep(1.5); COMMIT";
            let _ = postgres.execute(lock);
        }
        _ => {
            well(postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on"));
            well(postgres.execute("SELECT pg_reload_conf()"));
            thread::sleep(while_held);
            well(postgres.execute("ALTER SYSTEM RESET default_transaction_read_only"));
            well(postgres.execute("SELECT pg_reload_conf()"));
        }
    }
}

#[test]
fn two_nodes_and_one_is_killed_every_few_seconds() {
    let mut row = Row::begin("Nodes 2", "two nodes on one PostgreSQL, one killed every few seconds", 4, 40);
    let postgres = match Postgres::start() {
        Ok(postgres) => postgres,
        Err(why) => return row.skip(&why),
    };
    let mut stage = Stage::set(on(&postgres, 2));
    let load = stage.load(Plan { pause: Duration::from_millis(10), ..Plan::default() });
    for _ in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(1000..3000)));
        let node = row.chance.usize(..2);
        stage.replace(node);
    }
    load.stop();
    let mut figures = stage.check(&Expect { patience: PATIENCE, ..Expect::default() });
    figures.faults = row.rounds;
    row.held(&figures, "");
}

#[test]
fn two_nodes_and_one_is_held_up() {
    let mut row = Row::begin(
        "Nodes held up",
        "two nodes on one PostgreSQL, one stopped until its leases ran out, and continued",
        1,
        8,
    );
    let postgres = match Postgres::start() {
        Ok(postgres) => postgres,
        Err(why) => return row.skip(&why),
    };
    let mut stage = Stage::set(on(&postgres, 2));
    let load = stage.load(Plan { pause: Duration::from_millis(10), ..Plan::default() });
    for _ in 0..row.rounds {
        thread::sleep(Duration::from_millis(row.chance.u64(500..1500)));
        let node = row.chance.usize(..2);
        stage.hurt();
        stage.nodes[node].signal("STOP");
        stage.hurt();
        thread::sleep(Duration::from_secs(row.chance.u64(15..35)));
        stage.nodes[node].signal("CONT");
        stage.hurt();
    }
    thread::sleep(Duration::from_secs(1));
    stage.hurt();
    stage.supervise();
    load.stop();
    // what a held-up node had begun to send may come late
    let mut figures = stage.check(&Expect { patience: PATIENCE, network: true, ..Expect::default() });
    figures.faults = row.rounds;
    row.held(&figures, "");
}

/// 20,000 messages in `make faults`, 1,000 in `make test`; half over HTTP, half over a quorum queue, out to another.
#[test]
fn three_nodes_on_postgres_and_broker_while_nodes_are_killed() {
    let what = "three nodes on one PostgreSQL, RabbitMQ quorum queues in and out, 500 keys, nodes killed at random (rounds: messages)";
    let mut row = Row::begin("Nodes 3", what, 1_000, 20_000);
    let broker = Broker::here();
    let postgres = match Postgres::start() {
        Ok(postgres) => postgres,
        Err(why) => return row.skip(&why),
    };
    let mut stage = broker.stage(on(&postgres, 3));
    let half = |first_key| Plan {
        first_key,
        keys: 250,
        senders: 6,
        notes: Some(row.rounds / 2),
        pause: Duration::ZERO,
        ..Plan::default()
    };
    let loads: Vec<Load> = vec![stage.load(half(0)), stage.load_amqp(half(1000))];
    let mut kills = 0;
    while stage.ledger.acknowledged() < row.rounds / 2 * 2 {
        thread::sleep(Duration::from_millis(row.chance.u64(1000..3000)));
        let node = row.chance.usize(..3);
        stage.replace(node);
        kills += 1;
    }
    loads.into_iter().for_each(Load::finish);
    // and on, while they work through what is left
    for _ in 0..row.rounds / 1000 {
        thread::sleep(Duration::from_millis(row.chance.u64(1000..3000)));
        let node = row.chance.usize(..3);
        stage.replace(node);
        kills += 1;
    }
    let mut figures: Figures = stage.check(&Expect { patience: Duration::from_secs(900), ..Expect::default() });
    figures.faults = kills;
    broker.clean(&stage);
    row.held(&figures, "");
}
