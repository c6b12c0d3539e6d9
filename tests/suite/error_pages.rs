//! Every error code has a page, and every page a code.

use std::collections::BTreeSet;

use crossdock::cli::{codes, page, pages};

use crate::support::crossdock;

#[test]
fn codes_are_unique_and_titled_in_both_languages() {
    let ids: Vec<_> = codes().iter().map(|code| code.id).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for code in codes() {
        let shape = code.id.strip_prefix("XD-").is_some_and(|rest| {
            rest.len() == 4
                && rest.starts_with(|c: char| c.is_ascii_uppercase())
                && rest[1..].bytes().all(|b| b.is_ascii_digit())
        });
        assert!(shape, "{}", code.id);
        assert!(!code.title.trim().is_empty() && !code.title_zh.trim().is_empty(), "{}", code.id);
        assert!(!code.title_zh.is_ascii(), "{}: {} is not Chinese", code.id, code.title_zh);
    }
}

#[test]
fn every_code_has_a_page_that_begins_with_its_title() {
    let wrong: Vec<_> = codes()
        .iter()
        .filter_map(|code| {
            let expected = format!("# {}: {}", code.id, code.title);
            match page(code.id) {
                None => Some(format!("{}: no page", code.id)),
                Some(page) if page.lines().next() != Some(&expected) => {
                    Some(format!("{}: `{}` is not `{expected}`", code.id, page.lines().next().unwrap_or_default()))
                }
                Some(_) => None,
            }
        })
        .collect();
    assert!(wrong.is_empty(), "{} pages:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_page_has_its_sections_and_a_chinese_paragraph() {
    let missing: Vec<_> = pages()
        .filter_map(|id| {
            let text = page(&id).unwrap_or_default();
            let missing: Vec<_> =
                ["## Meaning", "## What to do", "中文"].into_iter().filter(|part| !text.contains(part)).collect();
            (!missing.is_empty()).then(|| format!("{id}: {}", missing.join(", ")))
        })
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_page_has_a_code() {
    let known: BTreeSet<_> = codes().iter().map(|code| code.id.to_owned()).collect();
    let stray: Vec<_> = pages().filter(|id| !known.contains(id)).collect();
    assert!(stray.is_empty(), "{stray:?}");
}

#[test]
fn explain_shows_a_page_and_helps_with_a_slip() {
    let ran = crossdock(&["explain", "xd-f010"]).expect(0).text();
    assert!(ran.starts_with("# XD-F010: "), "{ran}");
    let ran = crossdock(&["explain", "XD-F01O"]).expect(3);
    assert!(ran.talk.contains("did you mean XD-F01"), "{}", ran.talk);
    let list = crossdock(&["explain", "--json"]).expect(0).json();
    assert_eq!(list.as_array().map(Vec::len), Some(codes().len()));
    assert!(crossdock(&["explain", "--lang", "zh"]).expect(0).text().contains("未知的单据类型"));
}
