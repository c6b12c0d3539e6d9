//! The tutorial works as written: its files are made, its commands are run, and they answer what the page shows.

use std::{fs, path::Path, process::Command};

use crate::support::root;

/// Runs a line of a console block; everything it printed, in lines.
fn shell(folder: &Path, line: &str) -> Vec<String> {
    let programs = Path::new(env!("CARGO_BIN_EXE_crossdock")).parent().expect("a folder");
    let ran = Command::new("sh")
        .args(["-c", line])
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .current_dir(folder)
        .output()
        .expect("a shell");
    let text = [ran.stderr, ran.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    text.lines().filter(|line| !line.trim().is_empty()).map(uncounted).collect()
}

/// A line without the number of mappings, of which more ship with every version.
fn uncounted(line: &str) -> String {
    let counts = |part: &str| part.strip_suffix(" mappings").is_some_and(|n| n.parse::<u32>().is_ok());
    let Some((before, after)) = line.split_once(": ") else { return line.to_owned() };
    let kept: Vec<_> = before.split(", ").filter(|part| !counts(part)).collect();
    if kept.len() == before.split(", ").count() { line.to_owned() } else { format!("{}: {after}", kept.join(", ")) }
}

/// Follows a page in a new folder; how many commands it ran.
fn follow(page: &str) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let page = fs::read_to_string(root().join(page)).expect("a page");
    let mut lines = page.lines();
    let (mut file, mut commands) = (None, 0);
    while let Some(line) = lines.next() {
        let named = ["`:", "`："].iter().find_map(|end| line.strip_prefix('`')?.strip_suffix(end));
        file = named.or(file);
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language == "console" {
            commands += run(folder.path(), &block);
        } else if let Some(file) = file.take() {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
            fs::write(path, format!("{}\n", block.join("\n"))).expect("a file");
        }
    }
    commands
}

/// Runs the commands of a console block and compares what they print.
fn run(folder: &Path, block: &[&str]) -> usize {
    let starts: Vec<usize> = (0..block.len()).filter(|at| block[*at].starts_with("$ ")).collect();
    for (at, start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(block.len());
        let expected: Vec<String> = block[start + 1..end].iter().map(|line| uncounted(line)).collect();
        assert_eq!(shell(folder, &block[*start][2..]), expected, "{}", block[*start]);
    }
    starts.len()
}

#[test]
fn the_tutorial_does_what_it_says_in_both_languages() {
    assert!(follow("docs/tutorial.md") >= 10);
    assert!(follow("docs/zh/tutorial.md") >= 10);
}

#[test]
fn a_family_of_schemas_is_brought_as_its_page_says() {
    assert_eq!(follow("docs/schemas.md"), 5);
}
