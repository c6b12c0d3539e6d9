//! Reading and writing against the peers, all in one run: `cargo bench --bench format` (or `make bench`, which brings lxml).
//!
//! The figures that count are ratios; megabytes a second depend on the machine. Peers: the bare event loop of quick-xml
//! (finds markup, checks little, builds nothing), roxmltree (a tree, borrowed), libxml2's tree through Python's lxml.

#![allow(clippy::print_stdout, reason = "the table is what a bench is for")]

use std::{fmt::Write as _, hint::black_box, path::Path, process::Command, time::Instant};

use crossdock::format::{Charset, Layout, ReadOptions, Syntax, WriteOptions, read, write};

/// Bytes each measured round works through.
const ROUND: usize = 8_000_000;
const ROUNDS: usize = 9;

fn main() {
    let options = ReadOptions::default();
    for (what, lines) in [("5 KB order", 14), ("200 KB order", 620)] {
        let text = order(lines);
        let bytes = text.as_bytes();
        let declared = text.replace("UTF-8", "GB18030");
        let in_gb = encode(&declared);
        let document = read(bytes, Syntax::Xml, &options).expect("the order is well-formed").document;
        let written = write(&document, Syntax::Xml, &WriteOptions::default()).expect("the order can be written");
        let json = write(&document, Syntax::Json, &WriteOptions::default()).expect("the order has a form in JSON");
        let times = measure(
            ROUND / bytes.len(),
            &mut [
                &mut || events(&text),
                &mut || drop(black_box(roxmltree::Document::parse(&text))),
                &mut || drop(black_box(read(bytes, Syntax::Xml, &options))),
                &mut || drop(black_box(read(&in_gb, Syntax::Xml, &options))),
                &mut || drop(black_box(write(&document, Syntax::Xml, &WriteOptions::default()))),
                &mut || drop(black_box(read(&json, Syntax::Json, &options))),
                &mut || drop(black_box(write(&document, Syntax::Json, &WriteOptions::default()))),
            ],
        );
        let [quick, rox, ours, gb, writing, json_reading, json_writing] = times[..] else { return };
        let rate = |length: usize, seconds: f64| length as f64 / seconds / 1e6;
        println!("{what}, {} bytes", bytes.len());
        println!("  quick-xml, events only   {:7.0} MB/s", rate(bytes.len(), quick));
        println!("  roxmltree                {:7.0} MB/s", rate(bytes.len(), rox));
        println!("  read                     {:7.0} MB/s", rate(bytes.len(), ours));
        bar("    against quick-xml", quick / ours, 0.6);
        bar("    against roxmltree", rox / ours, 1.15);
        match lxml(bytes) {
            Some(peer) => bar("    against lxml", rate(bytes.len(), ours) / peer, 2.0),
            None => println!("    against lxml           not measured: no python3 with lxml (`make bench` brings it)"),
        }
        bar("  GB18030 against UTF-8", ours / gb, 0.85);
        println!("  write                    {:7.0} MB/s (bar: 300)", rate(written.len(), writing));
        println!("  read JSON                {:7.0} MB/s", rate(json.len(), json_reading));
        println!("  write JSON               {:7.0} MB/s", rate(json.len(), json_writing));
    }
}

/// The median seconds of one repetition of each task; the tasks take turns, so that a noisy moment hits all.
fn measure(repetitions: usize, tasks: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut samples = vec![Vec::with_capacity(ROUNDS); tasks.len()];
    for _ in 0..ROUNDS {
        for (task, samples) in tasks.iter_mut().zip(&mut samples) {
            let began = Instant::now();
            (0..repetitions).for_each(|_| task());
            samples.push(began.elapsed().as_secs_f64() / repetitions as f64);
        }
    }
    samples
        .into_iter()
        .map(|mut samples| {
            samples.sort_by(f64::total_cmp);
            samples[samples.len() / 2]
        })
        .collect()
}

fn events(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event().expect("the order is well-formed") {
            quick_xml::events::Event::Eof => break,
            event => drop(black_box(event)),
        }
    }
}

fn lxml(bytes: &[u8]) -> Option<f64> {
    let folder = tempfile::tempdir().ok()?;
    let file = folder.path().join("order.xml");
    std::fs::write(&file, bytes).ok()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("target/peers/bin/python3");
    let python = if own.exists() { own } else { "python3".into() };
    let output = Command::new(python).arg(root.join("benches/peers/lxml_tree.py")).arg(file).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn bar(what: &str, ratio: f64, wanted: f64) {
    let verdict = if ratio >= wanted { "reached" } else { "MISSED" };
    println!("{what:<25}   {ratio:5.2}x (bar: {wanted}, {verdict})");
}

fn encode(text: &str) -> Vec<u8> {
    let document = read(text.replace("GB18030", "UTF-8").as_bytes(), Syntax::Xml, &ReadOptions::default());
    let options = WriteOptions { charset: Charset::GB18030, layout: Layout::Pretty, ..WriteOptions::default() };
    write(&document.expect("well-formed").document, Syntax::Xml, &options).expect("GB18030 has every character")
}

/// A sales order as a CRM writes it, indented, with Chinese texts.
fn order(lines: usize) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SalesOrder xmlns=\"urn:example:order\" \
         xmlns:x=\"urn:example:extra\" version=\"1\">\n  <Header>\n    <OrderNumber>SO-2026-000123</OrderNumber>\n    \
         <OrderDate>2026-11-24</OrderDate>\n    <Customer code=\"C000871\">\n      <Name>杭州明远汽车贸易有限公司</Name>\n      \
         <Phone type=\"mobile\">13800001234</Phone>\n    </Customer>\n    <Currency>CNY</Currency>\n  </Header>\n  \
         <Lines>\n",
    );
    for number in 1..=lines {
        let _ = write!(
            text,
            "    <Line number=\"{number}\" x:kind=\"goods\">\n      <ItemCode>BRK-{:05}</ItemCode>\n      \
             <Description>前制动片 &amp; 附件 (set)</Description>\n      <Quantity unit=\"PCS\">2.00</Quantity>\n      \
             <UnitPrice currency=\"CNY\">318.50</UnitPrice>\n      <TaxRate>13</TaxRate>\n      \
             <Amount currency=\"CNY\">637.00</Amount>\n    </Line>\n",
            number * 7
        );
    }
    text.push_str("  </Lines>\n</SalesOrder>\n");
    text
}
