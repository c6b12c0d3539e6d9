//! Reading and validating in one pass against libxml2's parse and validate (Python's lxml), in one run:
//! `cargo bench --bench schema` (or `make bench`, which brings lxml).
//!
//! The UBL order and its schemas come from the corpora (`CROSSDOCK_CORPORA`); without them only our own order is measured.

#![allow(clippy::print_stdout, reason = "the table is what a bench is for")]

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crossdock::{
    format::{ReadOptions, Syntax, read},
    schema::{Validator, XsdSet},
};
use rustix::time::{ClockId, clock_gettime};

/// Bytes each measured round works through.
const ROUND: usize = 4_000_000;
const ROUNDS: usize = 7;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = fs::read(root.join("examples/dealer-group/messages/order-1.xml")).expect("the example's order");
    compare("hub sales order", &root.join("schemas/hub/1"), "SalesOrder.xsd", &own);
    match corpora("ubl") {
        None => println!("UBL orders: the corpora are not present (set CROSSDOCK_CORPORA)"),
        Some(folder) => {
            let ubl = folder.path().join("ubl/2.4");
            for name in ["UBL-Order-2.0-Example-International.xml", "UBL-Order-2.1-Example.xml"] {
                let order = fs::read(ubl.join("xml").join(name)).expect("the official order");
                compare(name, &ubl.join("xsdrt"), "maindoc/UBL-Order-2.4.xsd", &order);
            }
        }
    }
    families();
}

/// How long a whole family takes to compile, and to be found again.
fn families() {
    let unpacked = [("ubl", "ubl/2.4/xsdrt", "maindoc"), ("ubl", "ubl/2.1/xsdrt", "maindoc")].into_iter().chain([
        ("oagis-10.1", "oagis/10_1/10_1/Model", "BODs"),
        ("star-5.5.4", "star/star5-5.5.4/Rev5.5.4", "BODs/Developer"),
    ]);
    for (archive, schemas, documents) in unpacked {
        let Some(folder) = corpora(archive) else { continue };
        let schemas = folder.path().join(schemas);
        let mut entries: Vec<String> = fs::read_dir(schemas.join(documents))
            .expect("the documents")
            .map(|entry| format!("{documents}/{}", entry.expect("an entry").file_name().to_string_lossy()))
            .filter(|entry| entry.ends_with(".xsd"))
            .collect();
        entries.sort();
        let names: Vec<&str> = entries.iter().map(String::as_str).collect();
        let files = |name: &str| fs::read(schemas.join(name)).ok();
        let began = Instant::now();
        let sets = XsdSet::load_all(&files, &names, &[]);
        let cold = began.elapsed();
        let wrong = sets.iter().filter(|set| set.is_err()).count();
        let mut distinct: Vec<_> = sets.iter().flatten().map(std::sync::Arc::as_ptr).collect();
        distinct.dedup();
        let began = Instant::now();
        drop(XsdSet::load_all(&files, &names, &[]));
        println!(
            "{archive}: {} document types in {} sets ({wrong} not valid) compiled in {cold:.2?}, known in {:.0?}",
            names.len(),
            distinct.len(),
            began.elapsed()
        );
    }
}

fn corpora(archive: &str) -> Option<tempfile::TempDir> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("CROSSDOCK_CORPORA").map_or(beside, PathBuf::from);
    let target = tempfile::tempdir().ok()?;
    let archive = folder.join(format!("{archive}.tar.xz"));
    let done = Command::new("tar").arg("xf").arg(archive).arg("-C").arg(target.path()).output().ok()?;
    done.status.success().then_some(target)
}

fn compare(what: &str, schemas: &Path, entry: &str, bytes: &[u8]) {
    let files = |name: &str| fs::read(schemas.join(name)).ok();
    let began = Instant::now();
    let set = XsdSet::load(&files, &[entry], &[]).expect("the schema is valid");
    let cold = began.elapsed();
    let began = Instant::now();
    drop(XsdSet::load(&files, &[entry], &[]).expect("it is known"));
    let known = began.elapsed();
    let options = ReadOptions::default();
    let document = read(bytes, Syntax::Xml, &options).expect("well-formed").document;
    let found = set.validate(&document, 5);
    assert!(found.is_empty(), "{what} is not valid: {}", found[0]);
    let rounds = ROUND / bytes.len();
    let reading = measure(rounds, &mut || drop(black_box(read(bytes, Syntax::Xml, &options))));
    let both = measure(rounds, &mut || {
        let document = read(bytes, Syntax::Xml, &options).expect("well-formed").document;
        drop(black_box(set.validate(&document, 5)));
    });
    let rate = |time: Duration| bytes.len() as f64 / time.as_secs_f64() / 1e6;
    println!(
        "{what}, {} bytes; {} schema files compiled in {cold:.0?}, known in {known:.0?}",
        bytes.len(),
        set.files()
    );
    println!("  read                     {:7.1} MB/s", rate(reading));
    println!(
        "  read and validate        {:7.1} MB/s, {:.1} µs of processor time",
        rate(both),
        both.as_secs_f64() * 1e6
    );
    match lxml(&schemas.join(entry), bytes) {
        Some(peer) => {
            let ratio = rate(both) / peer;
            let verdict = if ratio >= 1.0 { "reached" } else { "MISSED" };
            println!("  lxml parse and validate  {peer:7.1} MB/s");
            println!("  against lxml             {ratio:7.2}x (bar: 1, {verdict})");
        }
        None => println!("  against lxml             not measured: no python3 with lxml (`make bench` brings it)"),
    }
}

/// The median processor time of the whole process for one repetition: the validator works on a thread of its own.
fn measure(repetitions: usize, task: &mut dyn FnMut()) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
    };
    let mut samples: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = now();
            (0..repetitions).for_each(|_| task());
            (now() - began) / u32::try_from(repetitions).unwrap_or(u32::MAX)
        })
        .collect();
    samples.sort();
    samples[samples.len() / 2]
}

fn lxml(schema: &Path, bytes: &[u8]) -> Option<f64> {
    let folder = tempfile::tempdir().ok()?;
    let file = folder.path().join("document.xml");
    fs::write(&file, bytes).ok()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("target/peers/bin/python3");
    let python = if own.exists() { own } else { "python3".into() };
    let output =
        Command::new(python).arg(root.join("benches/peers/lxml_validate.py")).arg(schema).arg(file).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
