//! `crossdock demo`: the whole story in one command.

use std::process::Command;

use serde_json::Value;

use crate::support::{crossdock, root};

/// The demo's story.
fn story() -> (Vec<Value>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("demo");
    let ran = crossdock(&["demo", "--folder", path.to_str().expect("a plain path"), "--json"]).expect(0).json();
    (ran.as_array().expect("a list of steps").clone(), folder)
}

#[test]
fn the_demo_shows_delivery_waiting_parking_and_refusal() {
    let (steps, folder) = story();
    assert!(steps.iter().all(|step| step["as_expected"] == true), "{steps:#?}");
    let messages = steps.iter().filter(|step| !step["message"].is_null()).count();
    assert!(messages >= 8, "{messages} messages");
    let standing = |step: &&Value| step["message"]["standing"].as_str().unwrap_or_default().to_owned();
    assert!(steps.iter().filter(|step| standing(step) == "delivered").count() >= 6);
    let parked_for_code = steps.iter().filter(|step| {
        let deliveries = step["message"]["deliveries"].as_array();
        deliveries.into_iter().flatten().any(|delivery| delivery["reason"]["code"] == "XD-D009")
    });
    assert_eq!(parked_for_code.count(), 1);
    let refused: Vec<_> =
        steps.iter().filter_map(|step| step["status"].as_u64()).filter(|status| *status >= 400).collect();
    assert!(!refused.is_empty(), "{refused:?}");
    assert!(steps.iter().any(|step| step["waited"] == true && standing(&step) == "delivered"));
    // the journal it leaves behind is a journal like any other
    let folder = folder.path().join("demo");
    let config = find(&folder, "crossdock.toml");
    crossdock(&["messages", "counts", "--config", config.as_str()]).expect(0);
    crossdock(&["messages", "verify", "--config", config.as_str()]).expect(0);
}

/// A file somewhere below a folder.
fn find(folder: &std::path::Path, name: &str) -> String {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|found| found == name) {
                return path.to_str().expect("a plain path").to_owned();
            }
        }
    }
    panic!("{name} is nowhere below {}", folder.display())
}

#[test]
fn the_demo_speaks_chinese_too_and_can_be_run_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("demo");
    let path = path.to_str().expect("a plain path");
    for _ in 0..2 {
        let ran = crossdock(&["demo", "--folder", path, "--once", "--lang", "zh"]).expect(0);
        assert!(ran.text().contains("订单先于客户到达"), "{}", ran.text());
    }
}

#[test]
fn the_demo_touches_no_folder_that_is_not_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let precious = folder.path().join("precious.txt");
    std::fs::write(&precious, "mine").expect("written");
    let ran = crossdock(&["demo", "--folder", folder.path().to_str().expect("a plain path"), "--json"]);
    assert_ne!(ran.code, 0);
    assert_eq!(std::fs::read_to_string(precious).expect("still there"), "mine");
}

#[test]
fn without_arguments_the_help_is_shown() {
    let output = Command::new(env!("CARGO_BIN_EXE_crossdock")).current_dir(root()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("demo"), "{output:?}");
    crossdock(&["--help"]).expect(0);
}
