//! What was read is written and read again: the same document.

#![no_main]

use crossdock::{
    document::{Document, Kind},
    format::{Charset, ReadOptions, Syntax, Unmappable, WriteOptions, read, write},
};
use libfuzzer_sys::fuzz_target;

const CHARSETS: [Charset; 5] = [Charset::UTF_8, Charset::UTF_16LE, Charset::UTF_16BE, Charset::GB18030, Charset::GBK];

/// Everything a document says, node by node.
fn told(document: &Document) -> Vec<(Kind, String, String, bool)> {
    (0..document.len())
        .filter_map(|index| document.node(index))
        .map(|node| {
            let name = document.qname(node).map(ToString::to_string).unwrap_or_default();
            (document.kind(node), name, document.own_text(node).to_owned(), document.is_null(node))
        })
        .collect()
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let syntax = if choice & 1 == 0 { Syntax::Xml } else { Syntax::Json };
    let Ok(first) = read(bytes, syntax, &ReadOptions::default()) else { return };
    let charset =
        if syntax == Syntax::Xml { CHARSETS[usize::from(choice >> 1) % CHARSETS.len()] } else { Charset::UTF_8 };
    let options = WriteOptions { charset, unmappable: Unmappable::Reference, ..WriteOptions::default() };
    let Ok(written) = write(&first.document, syntax, &options) else { return };
    let again = read(&written, syntax, &ReadOptions::default()).expect("what we wrote can be read");
    if syntax == Syntax::Xml {
        let nil = |told: Vec<(Kind, String, String, bool)>| {
            told.into_iter().filter(|(_, name, ..)| !name.ends_with("instance}nil")).collect::<Vec<_>>()
        };
        assert_eq!(nil(told(&again.document)), nil(told(&first.document)));
    }
    let twice = write(&again.document, syntax, &options).expect("what was written once can be written again");
    assert_eq!(written, twice);
});
