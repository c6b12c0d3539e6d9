//! The table of `docs/evidence.md`, written from what the rows left behind.

use std::{fs, process::Command};

use serde_json::Value;

use super::{environment, row::results, support::root};

/// Every row, in the order of the table.
const ROWS: &[&str] = &[
    "Model",
    "F1",
    "F1 PostgreSQL",
    "F2 disk",
    "F2 network",
    "F3",
    "F5 flush",
    "F5 write",
    "F6 blocks of 1024",
    "F6 blocks of 4096",
    "F6 tmpfs",
    "F7",
    "F8",
    "F9",
    "F10",
    "F11",
    "F12",
    "F13",
    "F13 refusals",
    "F16",
    "F16 broker",
    "F17 hot key",
    "F17 keys",
    "F17 sizes",
    "F18",
    "F19",
    "F20 payload",
    "F20 file",
    "F21",
    "F22",
    "Nodes 2",
    "Nodes 3",
    "Nodes held up",
];

const PAGE: &str = "docs/evidence.md";

/// The first line of what a command prints.
fn says(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn versions() -> String {
    let rabbit = environment("CROSSDOCK_TEST_RABBITMQCTL").map(|control| says(&control, &["version"]));
    let postgres = environment("CROSSDOCK_TEST_POSTGRES").map(|url| postgres(&url));
    [
        says(env!("CARGO_BIN_EXE_crossdock"), &["--version"]),
        format!(
            "commit {}",
            says("git", &["-C", root().to_str().expect("a plain path"), "rev-parse", "--short", "HEAD"])
        ),
        says("rustc", &["--version"]),
        format!("Linux {}", says("uname", &["-r"])),
        rabbit.map(|version| format!("RabbitMQ {version}")).unwrap_or_default(),
        postgres.unwrap_or_default(),
        format!("{} processors", says("nproc", &[])),
    ]
    .into_iter()
    .filter(|text| !text.is_empty())
    .collect::<Vec<_>>()
    .join(", ")
}

fn postgres(url: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(url).await.expect("PostgreSQL answers");
        let version: (String,) =
            sqlx::query_as("show server_version").fetch_one(&mut connection).await.expect("a version");
        format!("PostgreSQL {}", version.0)
    })
}

fn line(row: &Value) -> String {
    let text = |name: &str| match &row[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let memory = row["memory_kib"].as_u64().unwrap_or_default() / 1024;
    let result = match (text("result").as_str(), text("note").as_str()) {
        ("held", "") => "held".to_owned(),
        (result, note) => format!("{result}: {note}"),
    };
    let cells = [
        text("id"),
        text("what"),
        text("rounds"),
        text("faults"),
        text("acknowledged"),
        text("repeats"),
        text("parked"),
        text("start_ms"),
        memory.to_string(),
        text("seconds"),
        text("seed"),
        result,
    ];
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn the_evidence_has_every_row() {
    let kept = |id: &str| {
        let text = fs::read_to_string(results().join(format!("{}.json", id.replace([' ', '/'], "-")))).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    let path = root().join(PAGE);
    if environment("FAULT_REPORT").is_none() {
        let page = fs::read_to_string(&path).unwrap_or_default();
        for id in ROWS {
            assert!(page.contains(&format!("\n| {id} |")), "{PAGE} has no row {id}: run `make faults`");
        }
        return;
    }
    let rows: Vec<Value> = ROWS.iter().filter_map(|id| kept(id)).collect();
    let table: String = rows.iter().map(line).collect();
    let head = fs::read_to_string(root().join("tests/faults/evidence-head.md")).expect("the page's beginning");
    let today = says("date", &["-u", "+%Y-%m-%d"]);
    let page = format!(
        "{head}\nPlayed on {today}: {}. Debug build.\n\n\
         | row | fault | rounds | faults done | acknowledged | repeats | parked | slowest start, ms | most memory, MiB | \
         seconds | seed | result |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n{table}",
        versions()
    );
    println!("{page}");
    let missing: Vec<_> = ROWS.iter().filter(|id| kept(id).is_none()).collect();
    let failed: Vec<_> = rows.iter().filter(|row| row["result"] == "failed").map(|row| &row["id"]).collect();
    if missing.is_empty() && failed.is_empty() {
        fs::write(&path, page).expect("the page can be written");
    }
    assert!(missing.is_empty() && failed.is_empty(), "not played: {missing:?}; failed: {failed:?}");
}
