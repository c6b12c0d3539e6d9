//! JSON in every way it can be read: a document, or a problem; what serde_json refuses is refused.

#![no_main]

use crossdock::format::{Duplicates, ReadOptions, Syntax, read, write, WriteOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let strict = read(input, Syntax::Json, &ReadOptions::default());
    let lenient = ReadOptions { duplicates: Duplicates::LastWins, ..ReadOptions::default() };
    let lenient = read(input, Syntax::Json, &lenient);
    assert!(strict.is_err() || lenient.is_ok());
    if let Ok(reading) = lenient {
        let _ = write(&reading.document, Syntax::Json, &WriteOptions::default());
        let _ = write(&reading.document, Syntax::Xml, &WriteOptions::default());
    }
});
