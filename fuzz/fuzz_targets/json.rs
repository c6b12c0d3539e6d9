//! JSON in every way it can be read: a document, or a problem; what was read can be written and read again.

#![no_main]

use crossdock::format::{Convention, Duplicates, ReadOptions, Syntax, WriteOptions, read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let strict = read(input, Syntax::Json, &ReadOptions::default());
    let lenient = ReadOptions { duplicates: Duplicates::LastWins, ..ReadOptions::default() };
    let lenient = read(input, Syntax::Json, &lenient);
    assert!(strict.is_err() || lenient.is_ok());
    for convention in [Convention::UblModel, Convention::UblLegacy] {
        let options = ReadOptions { convention, ..ReadOptions::default() };
        let Ok(reading) = read(input, Syntax::Json, &options) else { continue };
        let writing = WriteOptions { convention, ..WriteOptions::default() };
        let Ok(written) = write(&reading.document, Syntax::Json, &writing) else { continue };
        let again = read(&written, Syntax::Json, &options).expect("what we wrote can be read");
        assert_eq!(write(&again.document, Syntax::Json, &writing).expect("and written again"), written);
    }
    if let Ok(reading) = lenient {
        let _ = write(&reading.document, Syntax::Json, &WriteOptions::default());
        let _ = write(&reading.document, Syntax::Xml, &WriteOptions::default());
    }
});
