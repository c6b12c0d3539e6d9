//! Batches in, pieces out, however they are chopped.

use proptest::prelude::*;

use super::*;

/// A piece in short: byte offset, line, text, code of the problem.
type Short = (u64, u64, String, Option<&'static str>);

fn split(records: &str, bytes: &[u8], block: usize, limits: &Limits) -> (Vec<Short>, Option<Problem>) {
    let records = Records::parse(records).expect("a path to records");
    let mut splitter = Splitter::new(&records, None, limits.clone());
    let mut pieces = Vec::new();
    let mut drain = |splitter: &mut Splitter| {
        while let Some(piece) = splitter.piece()? {
            assert_eq!(piece.position, pieces.len() as u64 + 1);
            let text = String::from_utf8(piece.bytes).expect("UTF-8");
            pieces.push((piece.offset, piece.line, text, piece.problem.map(|problem| problem.code.id)));
        }
        Ok(())
    };
    let mut run = || {
        for block in bytes.chunks(block) {
            splitter.push(block)?;
            drain(&mut splitter)?;
        }
        splitter.finish()?;
        drain(&mut splitter)
    };
    let problem = run().err();
    (pieces, problem)
}

fn whole(records: &str, text: &str) -> (Vec<Short>, Option<&'static str>) {
    let limits = Limits::default();
    let (pieces, problem) = split(records, text.as_bytes(), usize::MAX, &limits);
    for block in [1, 2, 3, 7, 16, 61] {
        let (chopped, chopped_problem) = split(records, text.as_bytes(), block, &limits);
        assert_eq!(chopped, pieces, "blocks of {block}: {text}");
        assert_eq!(chopped_problem, problem, "blocks of {block}: {text}");
    }
    (pieces, problem.map(|problem| problem.code.id))
}

fn texts(records: &str, text: &str) -> Vec<String> {
    let (pieces, problem) = whole(records, text);
    assert_eq!(problem, None, "{text}");
    for piece in &pieces {
        assert_eq!(piece.3, None, "{piece:?}");
        let begin = &text[usize::try_from(piece.0).expect("small")..];
        assert_eq!(begin.bytes().next(), piece.2.bytes().next(), "{piece:?}");
        let line = text[..text.len() - begin.len()].matches('\n').count() as u64 + 1;
        assert_eq!(piece.1, line, "{piece:?}");
    }
    pieces.into_iter().map(|piece| piece.2).collect()
}

#[test]
fn records_are_found_where_they_are() {
    let cases: [(&str, &str, &[&str]); 15] = [
        ("/b/c", "<b><c>1</c><c/><d><c>no</c></d><c a='>'>2</c></b>", &["<c>1</c>", "<c/>", "<c a='>'>2</c>"]),
        ("/*/c", "\n<?xml-x?><!-- <c> -->\n<b>\n<c>\n1</c> text <c>2</c></b>\n", &["<c>\n1</c>", "<c>2</c>"]),
        ("/b/c/d", "<b><c><d/></c><e><d/></e><c><d>2</d></c></b>", &["<d/>", "<d>2</d>"]),
        ("/b/c", "<b><c><c>inner</c></c><c>2</c></b>", &["<c><c>inner</c></c>", "<c>2</c>"]),
        (
            "/b/c",
            "<b><c><![CDATA[</c>]]><!-- </c> --><?p </c>?></c></b>",
            &["<c><![CDATA[</c>]]><!-- </c> --><?p </c>?></c>"],
        ),
        (
            "/b/c",
            "<b xmlns='urn:b' xmlns:x=\"urn:'x'\"><c x:y='1'/><c xmlns='urn:c'>2</c></b>",
            &["<c xmlns=\"urn:b\" xmlns:x=\"urn:'x'\" x:y='1'/>", "<c xmlns:x=\"urn:'x'\" xmlns='urn:c'>2</c>"],
        ),
        ("/b/c", "<x:b xmlns:x='urn:x'><x:c/></x:b>", &["<x:c xmlns:x=\"urn:x\"/>"]),
        ("/e/*", "<e xmlns='urn:e'><order/><x xmlns=''>2</x></e>", &["<order xmlns=\"urn:e\"/>", "<x xmlns=''>2</x>"]),
        ("/b/c", "<b/>", &[]),
        ("json", "[1, {\"a\":\"],}\\\"\"},\n [2,[3]] , \"x\"]", &["1", "{\"a\":\"],}\\\"\"}", "[2,[3]]", "\"x\""]),
        ("json:/d/c", "{\"c\":[9],\"d\":{\"e\":[[8]],\"c\":[{\"c\":1},2]},\"f\":{}}", &["{\"c\":1}", "2"]),
        ("json", "[]", &[]),
        ("lines", "{\"a\":1}\r\n\n[2]\n\"三\"", &["{\"a\":1}", "[2]", "\"三\""]),
        ("lines", "1\n", &["1"]),
        ("lines", "", &[]),
    ];
    for (records, text, expected) in cases {
        assert_eq!(texts(records, text), expected, "{text}");
    }
}

#[test]
fn a_malformed_record_stays_alone() {
    for (records, text, expected) in [
        ("/b/c", "<b><c>1</c><c>\n&no;</c><c>3</c></b>", [None, Some("XD-F017"), None]),
        ("/b/c", "<b><c>1</c><c><d></c><c>3</c></b>", [None, Some("XD-F013"), None]),
        ("/b/c", "<b><c>1</c><c a=1/><c>3</c></b>", [None, Some("XD-F015"), None]),
        ("json", "[1,{\"a\":1,\"a\":2},3]", [None, Some("XD-F033"), None]),
        ("json", "[1,01,3]", [None, Some("XD-F032"), None]),
        ("lines", "1\n{\n3\n", [None, Some("XD-F030"), None]),
    ] {
        let (pieces, problem) = whole(records, text);
        assert_eq!(problem, None, "{text}");
        assert_eq!(pieces.iter().map(|piece| piece.3).collect::<Vec<_>>(), expected, "{text}");
    }
    let (pieces, problem) = whole("/b/c", "<b><c>1</c><c>2<d/></b>");
    assert_eq!((pieces.len(), pieces[1].3, problem), (2, Some("XD-F050"), None));
    assert_eq!(pieces[1].2, "<c>2<d/>");
}

#[test]
fn a_batch_that_is_cut_off_or_no_batch_says_so() {
    for (records, text, pieces) in [
        ("/b/c", "<b><c>1</c><c>2", 2),
        ("/b/c", "<b><c>1</c>", 1),
        ("/b/c", "<b><c/></b><b/>", 1),
        ("/b/c", "<b><c/></d>", 1),
        ("/b/c", "x<b/>", 0),
        ("/b/c", "<b/>x", 0),
        ("/b/c", "", 0),
        ("/b/c", "<b><c/", 0),
        ("json", "[1,2", 1),
        ("json", "[1,2]]", 2),
        ("json:/a", "{\"a\":[1]", 1),
    ] {
        let (found, problem) = whole(records, text);
        assert_eq!((found.len(), problem), (pieces, Some("XD-F050")), "{text}");
    }
    assert_eq!(whole("/b/c", "<!DOCTYPE b><b/>").1, Some("XD-F018"));
}

#[test]
fn offsets_count_bytes_of_the_input_in_every_charset() {
    let text = "<?xml version='1.0' encoding='NAME'?>\n<b 名='值'>前<c>客户</c>中间㐀𠀀<c>第二</c></b>";
    for (label, encoding) in
        [("GB18030", encoding_rs::GB18030), ("UTF-8", encoding_rs::UTF_8), ("gbk", encoding_rs::GBK)]
    {
        let text = text.replace("NAME", label).replace(if label == "gbk" { "㐀𠀀" } else { "\0" }, "");
        let bytes = encoding.encode(&text).0.into_owned();
        let expected: Vec<u64> =
            text.match_indices("<c>").map(|(at, _)| encoding.encode(&text[..at]).0.len() as u64).collect();
        for block in [1, 5, 4096] {
            let (pieces, problem) = split("/b/c", &bytes, block, &Limits::default());
            assert_eq!(problem, None);
            assert_eq!(pieces.iter().map(|piece| piece.0).collect::<Vec<_>>(), expected, "{label}");
            assert_eq!(pieces[1].2, "<c>第二</c>");
        }
    }
    let wide: Vec<u8> = "\u{FEFF}<b>前<c>𠀀</c><c/></b>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (pieces, _) = split("/b/c", &wide, 3, &Limits::default());
    assert_eq!(
        pieces.iter().map(|piece| (piece.0, piece.2.as_str())).collect::<Vec<_>>(),
        [(10, "<c>𠀀</c>"), (28, "<c/>")]
    );
}

#[test]
fn bytes_without_meaning_spoil_one_record_and_no_offset() {
    let bytes = b"<b><c>\xFF\xFE</c><c>2</c></b>";
    for block in [1, 100] {
        let (pieces, problem) = split("/b/c", bytes, block, &Limits::default());
        assert_eq!(problem, None);
        assert_eq!(
            pieces.iter().map(|piece| (piece.0, piece.3)).collect::<Vec<_>>(),
            [(3, Some("XD-F003")), (12, None)]
        );
    }
}

#[test]
fn a_record_over_the_limit_is_told_and_never_held() {
    let limits = Limits { document_bytes: 100, ..Limits::default() };
    let big = "x".repeat(5_000);
    for (records, text) in [
        ("/b/c", format!("<b><c>1</c><c>{big}</c><c>3</c></b>")),
        ("json", format!("[1,\"{big}\",3]")),
        ("lines", format!("1\n\"{big}\"\n3")),
    ] {
        let (pieces, problem) = split(records, text.as_bytes(), 50, &limits);
        assert_eq!(problem, None, "{records}");
        assert_eq!(pieces.iter().map(|piece| piece.3).collect::<Vec<_>>(), [None, Some("XD-F004"), None]);
    }
}

proptest! {
    #[test]
    fn any_bytes_split_the_same_however_they_are_chopped(
        bytes in prop::collection::vec(prop::sample::select(b"<>/bc='\"![]CDAT-?&;{},:1\\n \xE4\xBD\xA0".to_vec()), 0..120),
        block in 1_usize..20,
    ) {
        for records in ["/b/c", "json", "json:/b", "lines"] {
            let all = split(records, &bytes, usize::MAX, &Limits::default());
            prop_assert_eq!(split(records, &bytes, block, &Limits::default()), all);
        }
    }
}
