//! XML in every way it can be read: a document that holds together, or a problem.

#![no_main]

use crossdock::format::{Doctype, ReadOptions, Syntax, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let options = ReadOptions {
        doctype: if choice & 1 == 0 { Doctype::Refuse } else { Doctype::Skip },
        tolerant: choice & 2 != 0,
        ..ReadOptions::default()
    };
    let Ok(reading) = read(bytes, Syntax::Xml, &options) else { return };
    let document = &reading.document;
    assert_eq!(document.elements(crossdock::document::NodeId::ROOT).count(), 1);
    for node in (0..document.len()).filter_map(|index| document.node(index)) {
        assert!(document.end(node) > node.index() || document.is_empty());
        assert!(document.offset(node).is_none_or(|at| document.source().is_char_boundary(at)));
        let _ = document.own_text(node);
    }
    if let Some(last) = document.node(document.len() - 1) {
        let _ = document.place(last);
    }
});
