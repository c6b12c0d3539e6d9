//! The operator's page: every command it shows is one the program takes, against a hub with something stuck.

use super::support::{Erp, Setup, message, root};

/// The commands of a page: lines of its blocks without the remarks, and where their output goes.
fn commands(page: &str) -> Vec<(String, Option<String>)> {
    let blocks = page.split("\n```").enumerate().filter(|(at, _)| at % 2 == 1).map(|(_, block)| block);
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("crossdock "));
    lines
        .map(|line| {
            let command = line.split("   ").next().unwrap_or_default().trim();
            match command.split_once(" > ") {
                Some((command, file)) => (command.to_owned(), Some(file.to_owned())),
                None => (command.to_owned(), None),
            }
        })
        .collect()
}

/// Words as a shell would see them; double quotes keep words together.
fn words(command: &str) -> Vec<String> {
    let quoted = command.split('"').enumerate();
    quoted
        .flat_map(|(at, part)| match at % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}

#[test]
fn every_command_of_the_operators_page_is_taken() {
    for (page, least) in [("docs/operating.md", 15), ("docs/zh/operating.md", 4)] {
        let text = std::fs::read_to_string(root().join(page)).expect("a page");
        let (south, east) = (Erp::u8(), Erp::u8());
        let hub = Setup::between(&south, &east).start();
        let known = hub.accept(message("customer-C-1001.xml"));
        hub.await_standing(&known, "delivered");
        let stuck = hub.accept(message("order-unmapped-code.xml"));
        hub.await_standing(&stuck, "parked");
        let commands = commands(&text);
        assert!(commands.len() >= least, "{page}: {commands:?}");
        for (command, file) in commands {
            let words: Vec<String> = words(&command).iter().map(|word| word.replace("<ID>", &stuck)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ran = hub.command(&words);
            // 7: something still fails, 8: nothing left to act upon
            assert!([0, 7, 8].contains(&ran.code), "{page}: {command}: {} {}", ran.code, ran.talk);
            if let Some(file) = file {
                std::fs::write(hub.at(&file), &ran.out).expect("written");
            }
        }
    }
}
