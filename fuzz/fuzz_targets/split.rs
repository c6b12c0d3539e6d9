//! Batches: the same pieces however the input is chopped.

#![no_main]

use crossdock::{
    base::Limits,
    format::{Piece, Records, Splitter},
};
use libfuzzer_sys::fuzz_target;

const RECORDS: [&str; 5] = ["/b/c", "/*/*/c", "json", "json:/b", "lines"];

fn split(records: &Records, bytes: &[u8], block: usize) -> (Vec<Piece>, Option<String>) {
    let mut splitter = Splitter::new(records, None, Limits::default());
    let mut pieces = Vec::new();
    let mut run = || {
        for block in bytes.chunks(block) {
            splitter.push(block)?;
            while let Some(piece) = splitter.piece()? {
                pieces.push(piece);
            }
        }
        splitter.finish()?;
        while let Some(piece) = splitter.piece()? {
            pieces.push(piece);
        }
        Ok(())
    };
    let ended: Result<(), crossdock::base::Problem> = run();
    (pieces, ended.err().map(|problem| problem.to_string()))
}

fuzz_target!(|input: &[u8]| {
    let [choice, block, bytes @ ..] = input else { return };
    let Ok(records) = Records::parse(RECORDS[usize::from(*choice) % RECORDS.len()]) else { return };
    let (pieces, ended) = split(&records, bytes, bytes.len().max(1));
    for pair in pieces.windows(2) {
        assert!(pair[0].offset < pair[1].offset && pair[0].line <= pair[1].line);
    }
    assert!(pieces.iter().all(|piece| piece.offset < bytes.len() as u64));
    assert_eq!(split(&records, bytes, usize::from(*block) + 1), (pieces, ended));
});
