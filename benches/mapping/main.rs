//! One mapping job against its peers, all in one run, one core each: `make bench` (or `cargo bench --bench mapping`).
//!
//! The job: an order of 5 KB with ten lines is restructured, dates are rewritten, quantities multiplied by prices in exact
//! decimals, item codes looked up in a table of 200 rows, line amounts summed; bytes in, bytes out, to XML and to JSON. A
//! hand-written program on quick-xml is the practical limit. The other peers run their own processes; the figures that
//! count are ratios. Every peer's first result is compared with ours before anything is measured.

#![allow(clippy::print_stdout, reason = "the table is what a bench is for")]

mod by_hand;
mod orders;

use std::{
    collections::HashMap,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use crossdock::{
    base::Limits,
    document::{Kind, NodeId},
    format::{ReadOptions, Syntax, WriteOptions, read, write},
    mapping::{Environment, Mapping},
    xpath::{CodeAnswer, Host},
};
use rustix::time::{ClockId, clock_gettime};

const DOCUMENTS: usize = 200;
const ROUNDS: usize = 9;
const SECONDS: f64 = 0.1;
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What is measured: work on one document.
type Task<'t> = &'t mut dyn FnMut(&[u8]);

/// The code table, as the hub asks it.
struct Codes(HashMap<String, String>);

impl Host for Codes {
    fn code(&self, table: &str, value: &str) -> CodeAnswer {
        match self.0.get(value) {
            Some(to) if table == "item" => CodeAnswer::Found { value: to.clone(), place: None },
            _ => CodeAnswer::Missing,
        }
    }
}

/// One direction of the job.
struct Job {
    name: &'static str,
    mapping: Mapping,
    target: Syntax,
    by_hand: fn(&[u8], &HashMap<String, String>) -> String,
    method: &'static str,
    /// Whether the stylesheet in XSLT 1.0 makes it.
    plain_xslt: bool,
}

fn main() {
    let documents: Vec<Vec<u8>> = (0..DOCUMENTS).map(|number| orders::order(number).into_bytes()).collect();
    let codes: HashMap<String, String> = orders::codes().into_iter().collect();
    let host = Codes(codes.clone());
    let bytes: usize = documents.iter().map(Vec::len).sum::<usize>() / DOCUMENTS;
    println!("{DOCUMENTS} orders of {bytes} bytes on average, ten lines each");
    let folder = tempfile::tempdir().expect("a folder for the peers");
    for (number, document) in documents.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number:04}.xml")), document).expect("writable");
    }
    let job = |name, file: &str, target, by_hand, method, plain_xslt| Job {
        name,
        mapping: compile(file),
        target,
        by_hand,
        method,
        plain_xslt,
    };
    for job in [
        job("XML to XML", "order-xml.yaml", Syntax::Xml, by_hand::to_xml as _, "xml", true),
        job("XML to JSON", "order-json.yaml", Syntax::Json, by_hand::to_json as _, "json", false),
    ] {
        run(&job, &documents, &host, folder.path());
    }
}

fn compile(file: &str) -> Mapping {
    let path = Path::new(ROOT).join("benches/mapping").join(file);
    let text = std::fs::read_to_string(&path).expect("the mapping is there");
    Mapping::compile(&text, &Arc::from(file), &Environment::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn mapped(job: &Job, host: &Codes, limits: &Limits, document: &[u8]) -> Vec<u8> {
    let source = read(document, Syntax::Xml, &ReadOptions::default()).expect("well-formed").document;
    let made = job.mapping.apply(&source, host, limits, None).expect("the order can be mapped");
    write(&made, job.target, &WriteOptions::default()).expect("writable")
}

fn run(job: &Job, documents: &[Vec<u8>], host: &Codes, folder: &Path) {
    let limits = Limits::default();
    for document in documents {
        let ours = mapped(job, host, &limits, document);
        let limit = (job.by_hand)(document, &host.0);
        assert!(
            told(&ours, job.target) == told(limit.as_bytes(), job.target),
            "the hand-written program does the same"
        );
    }
    println!("\n{}", job.name);
    let turns: &mut [Task<'_>] = &mut [
        &mut |document| drop(black_box((job.by_hand)(document, &host.0))),
        &mut |document| drop(black_box(mapped(job, host, &limits, document))),
        &mut |document| drop(black_box(read(document, Syntax::Xml, &ReadOptions::default()))),
    ];
    let [limit, ours, reading] = rates(documents, turns)[..] else { return };
    let source = read(&documents[0], Syntax::Xml, &ReadOptions::default()).expect("well-formed").document;
    let made = job.mapping.apply(&source, host, &limits, None).expect("mapped");
    let parts: &mut [Task<'_>] =
        &mut [&mut |_| drop(black_box(job.mapping.apply(&source, host, &limits, None))), &mut |_| {
            drop(black_box(write(&made, job.target, &WriteOptions::default())))
        }];
    let [applying, writing] = rates(documents, parts)[..] else { return };
    let counted = allocation_counter::measure(|| drop(black_box(mapped(job, host, &limits, &documents[0]))));
    println!("  written by hand   {limit:8.0} documents/s");
    println!(
        "  crossdock         {ours:8.0} documents/s, {:.1} µs each, {} allocations",
        1e6 / ours,
        counted.count_total
    );
    let micros = |rate: f64| 1e6 / rate;
    println!(
        "    of which: read {:.1} µs, map {:.1} µs, write {:.1} µs",
        micros(reading),
        micros(applying),
        micros(writing)
    );
    bar("by hand", Some(limit), ours, 0.4);
    let first = mapped(job, host, &limits, &documents[0]);
    let told_first = told(&first, job.target);
    let peer = |name: &str, wanted: f64, measure: &dyn Fn(&Path) -> Option<f64>| {
        let output = folder.join("result");
        let rate = measure(&output);
        if rate.is_some() {
            let theirs = std::fs::read(&output).unwrap_or_default();
            assert!(told(&theirs, job.target) == told_first, "{name} does the same");
        }
        bar(name, rate, ours, wanted);
    };
    if job.plain_xslt {
        let stylesheet = stylesheet("order.xsl", job.method, folder);
        peer("libxslt", 5.0, &|output| python("libxslt", &stylesheet, folder, output));
    }
    let stylesheet = stylesheet("order3.xsl", job.method, folder);
    peer("SaxonC-HE", 8.0, &|output| python("saxonc", &stylesheet, folder, output));
    peer("Saxon-HE", 3.0, &|output| java(&stylesheet, folder, output));
}

/// How many documents a second each task takes: the median of rounds in which they take turns.
fn rates(documents: &[Vec<u8>], tasks: &mut [Task<'_>]) -> Vec<f64> {
    let mut samples = vec![Vec::with_capacity(ROUNDS); tasks.len()];
    for _ in 0..ROUNDS {
        for (task, samples) in tasks.iter_mut().zip(&mut samples) {
            let (began, mut count) = (seconds(), 0);
            while seconds() - began < SECONDS {
                documents.iter().for_each(|document| task(document));
                count += documents.len();
            }
            samples.push(count as f64 / (seconds() - began));
        }
    }
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    samples.into_iter().map(median).collect()
}

/// This thread's time on a processor: what else the machine does is not counted, for no peer.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn bar(peer: &str, rate: Option<f64>, ours: f64, wanted: f64) {
    let Some(rate) = rate else {
        return println!("  against {peer:<10} not measured: it is not installed (`make bench` brings it)");
    };
    let ratio = ours / rate;
    let verdict = if ratio >= wanted { "reached" } else { "MISSED" };
    println!("  against {peer:<10} {ratio:6.2}x (bar: {wanted}, {verdict}); it makes {rate:.0} documents/s");
}

/// What a document says, to be compared: names, texts and attributes; numbers of JSON by their value.
fn told(bytes: &[u8], syntax: Syntax) -> Vec<String> {
    let document = read(bytes, syntax, &ReadOptions::default()).expect("a peer's result can be read").document;
    let line = |node: NodeId| -> Option<String> {
        let name = document.qname(node).map(ToString::to_string).unwrap_or_default();
        let text = document.own_text(node);
        let number = if syntax == Syntax::Json { text.parse::<f64>().ok() } else { None };
        match document.kind(node) {
            Kind::Text if text.trim().is_empty() => None,
            Kind::Text | Kind::Attribute => {
                Some(number.map_or_else(|| format!("{name}={text}"), |number| format!("{number}")))
            }
            _ => Some(name),
        }
    };
    let mut lines: Vec<String> =
        (0..document.len()).filter_map(|index| document.node(index)).filter_map(line).collect();
    if syntax == Syntax::Json {
        // members come in any order
        lines.sort();
    }
    lines
}

/// A stylesheet with the code table put in.
fn stylesheet(name: &str, method: &str, folder: &Path) -> PathBuf {
    let text =
        std::fs::read_to_string(Path::new(ROOT).join("benches/peers").join(name)).expect("the stylesheet is there");
    let rows: String =
        orders::codes().iter().map(|(from, to)| format!("<t:row from=\"{from}\" to=\"{to}\"/>")).collect();
    let entries: Vec<String> = orders::codes().iter().map(|(from, to)| format!("'{from}':'{to}'")).collect();
    let text = text.replace("<t:codes/>", &format!("<t:codes>{rows}</t:codes>"));
    let text = text.replace("CODES", &entries.join(",")).replace("METHOD", method);
    let path = folder.join(format!("{method}-{name}"));
    std::fs::write(&path, text).expect("writable");
    path
}

fn python(engine: &str, stylesheet: &Path, folder: &Path, output: &Path) -> Option<f64> {
    let own = Path::new(ROOT).join("target/peers/bin/python3");
    let python = if own.exists() { own } else { "python3".into() };
    let script = Path::new(ROOT).join("benches/peers/xslt.py");
    number(Command::new(python).arg(script).arg(engine).args([stylesheet, folder, output]))
}

fn java(stylesheet: &Path, folder: &Path, output: &Path) -> Option<f64> {
    let script = Path::new(ROOT).join("benches/peers/Saxon.java");
    let one_core = ["-c", "0", "java", "-XX:+UseSerialGC", "-cp", "/usr/share/java/Saxon-HE.jar"];
    number(Command::new("taskset").args(one_core).arg(script).args([stylesheet, folder, output]))
}

fn number(command: &mut Command) -> Option<f64> {
    String::from_utf8(command.output().ok()?.stdout).ok()?.trim().parse().ok()
}
