//! Attack documents: each ends in a clear error, or is harmless and says why, within bounds of time and memory.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crossdock::{
    document::NodeId,
    format::{Doctype, Duplicates, ReadOptions, Syntax, read},
};

use super::corpora;

const FILE: &str = "CROSSDOCK_ATTACK_FILE";
const LENIENT: &str = "CROSSDOCK_ATTACK_LENIENT";
const MILLISECONDS: u128 = 50;
const KIBIBYTES: u64 = 64 << 10;

/// Accepted, and why that is right.
const HARMLESS: [(&str, &str); 20] = [
    ("bom-utf8.xml", "a byte order mark is legal"),
    ("cdata-split-value.xml", "text and CDATA sections are one text: nothing is hidden from a comparison"),
    ("comment-split-value.xml", "a value is all its text, the comment is a node between"),
    ("crlf-normalisation.xml", "line ends are normalized"),
    ("declared-latin1-bytes.xml", "the charset is declared and accepted"),
    ("json-bom.json", "a byte order mark is ignored (RFC 8259, section 8.1)"),
    ("json-nul-and-control.json", "escaped control characters are legal in JSON; writing them as XML is refused"),
    ("json-proto.json", "`__proto__` is a name like any other"),
    ("prefix-rebound.xml", "names are compared by namespace, never by prefix"),
    ("schemalocation-ssrf.xml", "`xsi:schemaLocation` is never followed"),
    ("utf16be-nobom.xml", "the byte order is plain"),
    ("utf16le-bom.xml", "the byte order is marked"),
    ("windows-1252-euro.xml", "the charset is declared and accepted"),
    ("wsu-id-wrapping.xml", "signatures are not supported, so none is trusted"),
    ("xinclude-file.xml", "XInclude is never processed"),
    ("xml-stylesheet-pi.xml", "a processing instruction is data"),
    ("simple-ns.xml", "an ordinary document"),
    ("simple.xml", "an ordinary document"),
    ("xalan_exec.xsl", "a stylesheet is data: nothing runs it"),
    ("xalan_write.xsl", "a stylesheet is data: nothing runs it"),
];

/// Accepted besides those only where a system is set to `doctype: skip` and `duplicates: last-wins`.
const HARMLESS_LENIENT: [(&str, &str); 5] = [
    ("dtd.xml", "the external DTD is not fetched, and no entity is referred to"),
    ("external-dtd.xml", "the external DTD is not fetched, and no entity is referred to"),
    ("json-dup-keys.json", "the last member is taken, as the setting says"),
    ("parameter-entity-laughs.xml", "parameter entities are not expanded, and no general one is referred to"),
    ("xxe-parameter-oob.xml", "parameter entities are not expanded, and nothing is fetched"),
];

#[test]
fn attacks() {
    if let Some(file) = std::env::var_os(FILE) {
        return attempt(Path::new(&file));
    }
    let Some(folder) = corpora::unpacked("xml-attacks/generated") else { return };
    let mut files = corpora::files(folder.path());
    let collected = corpora::folder().map(|folder| corpora::files(&folder.join("xml-attacks/defusedxml")));
    files.extend(collected.unwrap_or_default());
    files.retain(|file| file.extension().is_some_and(|end| matches!(end.to_str(), Some("xml" | "json" | "xsl"))));
    assert!(files.len() >= 50, "the collection is not complete: {}", files.len());
    let lenient: Vec<_> = HARMLESS.iter().chain(&HARMLESS_LENIENT).copied().collect();
    let mut wrong = run("attacks", &files, false, &HARMLESS);
    wrong.extend(run("attacks, DOCTYPE skipped, last member wins", &files, true, &lenient));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lets a process of its own read each file; what did not end as it must.
fn run(what: &str, files: &[PathBuf], is_lenient: bool, harmless: &[(&'static str, &'static str)]) -> Vec<String> {
    let (mut refused, mut accepted, mut slowest, mut largest) = (0, Vec::new(), (0, String::new()), (0, String::new()));
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["attacks::attacks", "--exact", "--nocapture"]).env(FILE, file);
        if is_lenient {
            command.env(LENIENT, "1");
        }
        let output = command.output().expect("this program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(line) = text.lines().find_map(|line| line.split_once("attack: ")).map(|(_, line)| line) else {
            wrong.push(format!("{what}: {name}: died"));
            continue;
        };
        let mut parts = line.splitn(3, ' ');
        let millis: u128 = parts.next().and_then(|part| part.parse().ok()).expect("milliseconds");
        let memory: u64 = parts.next().and_then(|part| part.parse().ok()).expect("KiB");
        let outcome = parts.next().unwrap_or_default();
        slowest = slowest.max((millis, name.clone()));
        largest = largest.max((memory, name.clone()));
        match (outcome, harmless.iter().find(|(known, _)| *known == name)) {
            (code, None) if code.starts_with("XD-") => refused += 1,
            ("accepted", Some((known, reason))) => accepted.push((*known, *reason)),
            _ => wrong.push(format!("{what}: {name}: {outcome}")),
        }
        if millis > MILLISECONDS || memory > KIBIBYTES {
            wrong.push(format!("{what}: {name}: {millis} ms, {memory} KiB"));
        }
    }
    println!("{what}: {refused} of {} refused, {} accepted as harmless", files.len(), accepted.len());
    accepted.iter().for_each(|(name, reason)| println!("  {name}: {reason}"));
    println!("  slowest {} ms ({}), largest {} KiB ({})", slowest.0, slowest.1, largest.0, largest.1);
    wrong
}

/// Reads one document and says what it cost; the peak of this process's memory is its own.
fn attempt(file: &Path) {
    let bytes = std::fs::read(file).expect("readable");
    let is_json = file.extension().is_some_and(|end| end == "json");
    let syntax = if is_json { Syntax::Json } else { Syntax::Xml };
    let options = match std::env::var_os(LENIENT) {
        None => ReadOptions::default(),
        Some(_) => ReadOptions { doctype: Doctype::Skip, duplicates: Duplicates::LastWins, ..ReadOptions::default() },
    };
    let began = processor_millis();
    let outcome = match read(&bytes, syntax, &options) {
        Ok(reading) if reading.document.string_value(NodeId::ROOT).len() > reading.document.source().len() => {
            "holds more text than was sent".to_owned()
        }
        Ok(_) => "accepted".to_owned(),
        Err(problem) => problem.code.id.to_owned(),
    };
    if std::env::var_os(LENIENT).is_some() {
        // What is broken may be repaired into something harmless; it must not cost more.
        drop(read(&bytes, syntax, &ReadOptions { tolerant: true, ..options }));
    }
    let millis = processor_millis() - began;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let peak: String = peak.chars().filter(char::is_ascii_digit).collect();
    println!("attack: {millis} {peak} {outcome}");
}

/// Processor time of this process: what other programs do at the same time does not count.
fn processor_millis() -> u128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u128::try_from(time.tv_sec).unwrap_or_default() * 1000
        + u128::try_from(time.tv_nsec).unwrap_or_default() / 1_000_000
}
