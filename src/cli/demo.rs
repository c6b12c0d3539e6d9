//! `crossdock demo`: the whole product in one minute, on one machine, with invented data.
//!
//! A hub with an embedded journal and two simulated ERPs run inside this process on free loopback ports; the messages of
//! the example set-up go in over HTTP as a CRM would send them. What is shown is read back from the journal, the answers
//! and the partners' own records; nothing is told that did not happen.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    time::Duration,
};

use comfy_table::{ContentArrangement, Table, presets};
use rust_embed::RustEmbed;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Common, Exit, Failed,
    messages::{held_because, shown},
    outcome::{out, print_json, say},
    send::summary,
    simulate::partner,
};
use crate::{
    app::{self, Running},
    base::Language,
    catalog::Library,
    config::{Layers, load},
    format::Syntax,
    simulator::{Fault, Faults, Partner},
    store::{DeliveryState, MessageView, Standing},
    telemetry,
    transport::{HttpInConfig, serve},
};

#[derive(RustEmbed)]
#[folder = "examples/dealer-group/"]
struct Example;

/// The key the example's CRM sends with; only its digest stands in `systems/crm.yaml`.
const KEY: &str = "demo-key-for-examples-only";

/// The message whose answer is cut off.
const CUT: &str = "order-3.xml";

/// What `demo` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock demo\n  crossdock demo --lang zh\n  crossdock demo --once --json")]
pub struct Arguments {
    /// Where the demo keeps its set-up and journal; emptied first when it is a demo's folder.
    #[arg(long, default_value = "target/demo", value_name = "FOLDER")]
    folder: PathBuf,
    /// End after the story even on a terminal.
    #[arg(long)]
    once: bool,
}

/// One step of the story.
struct Step {
    file: &'static str,
    what: (&'static str, &'static str),
    expect: Expect,
}

/// What must come of a step, or the demo fails.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Delivered,
    DeliveredAfterWaiting,
    Parked(&'static str),
    Refused(u16),
    Duplicate,
}

const STORY: &[Step] = &[
    Step { file: "customer-C-1001.xml", what: ("a person, XML", "个人客户，XML"), expect: Expect::Delivered },
    Step { file: "customer-C-1002.xml", what: ("a company, XML", "公司客户，XML"), expect: Expect::Delivered },
    Step { file: "customer-C-1003.json", what: ("a person, JSON", "个人客户，JSON"), expect: Expect::Delivered },
    Step {
        file: "customer-C-2001.json",
        what: ("a company of the east store (GB18030)", "华东店公司客户（GB18030）"),
        expect: Expect::Delivered,
    },
    Step {
        file: "order-1.xml",
        what: ("an order with four lines and three tax rates", "四行三种税率的销售订单"),
        expect: Expect::Delivered,
    },
    Step {
        file: "order-2.json",
        what: ("an order of the east store, JSON", "华东店销售订单，JSON"),
        expect: Expect::Delivered,
    },
    Step {
        file: "order-before-customer.xml",
        what: ("an order before its customer", "订单先于客户到达"),
        expect: Expect::DeliveredAfterWaiting,
    },
    Step {
        file: "customer-C-1009.xml",
        what: ("the customer the order waits for", "订单所等的客户"),
        expect: Expect::Delivered,
    },
    Step {
        file: "order-3.xml",
        what: ("an order; the ERP's answer is cut off once", "订单；ERP 的回复中断一次"),
        expect: Expect::Delivered,
    },
    Step {
        file: "order-unmapped-code.xml",
        what: ("an order with an unmapped department", "部门代码未映射的订单"),
        expect: Expect::Parked("XD-D009"),
    },
    Step {
        file: "service-order-1.xml",
        what: ("a repair order; no route takes it yet", "维修工单；暂无路由"),
        expect: Expect::Parked("XD-D006"),
    },
    Step { file: "bad-malformed.xml", what: ("malformed XML", "格式错误的 XML"), expect: Expect::Parked("XD-F") },
    Step {
        file: "bad-charset.xml",
        what: ("GBK bytes that claim to be UTF-8", "声称 UTF-8 的 GBK 字节"),
        expect: Expect::Parked("XD-F"),
    },
    Step { file: "order-1.xml", what: ("the first order again", "首张订单重发"), expect: Expect::Duplicate },
    Step {
        file: "order-1.json",
        what: ("its number with other bytes", "同号但内容不同"),
        expect: Expect::Refused(422),
    },
    Step { file: "order-2.json", what: ("a wrong API key", "错误的 API 密钥"), expect: Expect::Refused(401) },
];

/// What came of a step.
struct Told {
    status: u16,
    answer: Value,
    waited: bool,
    view: Option<MessageView>,
}

/// Runs the demo.
pub async fn demo(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let content = unpack(&arguments.folder)?;
    let mut stage = Stage::set(common, &arguments.folder, &content).await?;
    let language = stage.language;
    if !common.json {
        out(format_args!(
            "{}\n",
            say(
                language,
                "Crossdock demo: a CRM sends customers and orders of three stores; two simulated U8 ERPs take them.",
                "Crossdock 演示：集团 CRM 发送三家门店的客户与订单，由两套模拟 U8 接收。"
            )
        ));
    }
    let mut told = Vec::new();
    for (at, step) in STORY.iter().enumerate() {
        if step.file == CUT {
            // The fault is for this message alone: what waited for a customer goes first.
            for (before, told) in STORY.iter().zip(&told) {
                stage.come_to_rest(before, told).await?;
            }
            stage.south.then(Fault::Cut);
        }
        told.push(stage.play(step, at + 1 == STORY.len()).await?);
    }
    for (step, told) in STORY.iter().zip(&mut told) {
        told.view = stage.come_to_rest(step, told).await?;
    }
    let wrong: Vec<&Step> =
        STORY.iter().zip(&told).filter(|(step, told)| !came_true(step.expect, told)).map(|(step, _)| step).collect();
    if common.json {
        print_json(&story_json(&told));
    } else {
        print_story(&stage, &content, &told);
    }
    let wrong: Vec<&str> = wrong.iter().map(|step| step.file).collect();
    if !common.json && wrong.is_empty() && !arguments.once && std::io::stdout().is_terminal() {
        out(format_args!(
            "{}",
            say(language, "The hub goes on serving; stop it with Ctrl-C.", "中枢继续运行，按 Ctrl-C 结束。")
        ));
        let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        let mut hangup = hangup.map_err(|error| Failed::new(Exit::Failed, error))?;
        let mut reloads = stage.hub.reloads();
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                _ = hangup.recv() => drop(stage.hub.reload().await),
                Some(reply) = reloads.recv() => stage.hub.reload_for(reply).await,
            }
        }
    }
    stage.strike().await;
    if wrong.is_empty() {
        Ok(Exit::Ok)
    } else {
        Err(Failed::new(Exit::Failed, format!("the story went wrong at: {}", wrong.join(", "))))
    }
}

/// Everything that runs during the demo.
struct Stage {
    hub: Running,
    south: Partner,
    east: Partner,
    client: reqwest::Client,
    messages: PathBuf,
    language: Language,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Stage {
    async fn set(common: &Common, folder: &Path, content: &Path) -> Result<Self, Failed> {
        let library = Library::over(content);
        let (south, east) =
            (partner(&library, "u8", Faults::default(), None)?, partner(&library, "u8", Faults::default(), None)?);
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        for (partner, system) in [(&south, "u8-south"), (&east, "u8-east")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| Failed::new(Exit::Failed, error))?;
            let address = listener.local_addr().map_err(|error| Failed::new(Exit::Failed, error))?;
            redirect(&content.join(format!("systems/{system}.yaml")), &address.to_string())?;
            let (router, token) = (partner.router(), shutdown.clone());
            tasks.spawn(async move { serve(listener, router, &HttpInConfig::default(), token).await });
        }
        let any = "127.0.0.1:0".to_owned();
        let mut flags = vec![
            ("ingest.listen".to_owned(), any.clone()),
            ("operations.listen".to_owned(), any),
            ("delivery.retry".to_owned(), "[\"200ms\", \"1s\", \"5s\"]".to_owned()),
            ("log.level".to_owned(), "error".to_owned()),
            // a folder that lives for a minute, on whatever disk there is
            ("storage.soft".to_owned(), "0B".to_owned()),
            ("storage.hard".to_owned(), "0B".to_owned()),
            ("storage.ballast".to_owned(), "0B".to_owned()),
            ("hub.data".to_owned(), folder.join("data").to_string_lossy().into_owned()),
            ("hub.content".to_owned(), content.to_string_lossy().into_owned()),
        ];
        if let Some(language) = &common.lang {
            flags.push(("hub.language".to_owned(), language.clone()));
        }
        let settings =
            load(&Layers { flags, ..Layers::default() }).map_err(|problems| Failed::new(Exit::Usage, problems))?;
        telemetry::start(&settings.log).map_err(|error| Failed::new(Exit::Usage, error))?;
        let language = settings.hub.language;
        let (catalog, problems) = app::prepare_catalog(&settings);
        if problems.has_errors() {
            return Err(Failed::new(Exit::Problems, problems));
        }
        let hub = Running::start(settings, catalog, telemetry::install().ok())
            .await
            .map_err(|error| Failed::new(Exit::Failed, error))?;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| Failed::new(Exit::Failed, error))?;
        Ok(Self { hub, south, east, client, messages: content.join("messages"), language, shutdown, tasks })
    }

    /// Sends one message as the CRM would, and waits until the hub has done with it what it can.
    async fn play(&self, step: &Step, wrong_key: bool) -> Result<Told, Failed> {
        let path = self.messages.join(step.file);
        let bytes =
            std::fs::read(&path).map_err(|error| Failed::new(Exit::Failed, format!("{}: {error}", path.display())))?;
        let media_type = Syntax::sniff(None, &bytes).map_or("application/octet-stream", Syntax::media_type);
        let key = if wrong_key { "not-the-key-of-this-system" } else { KEY };
        let response = self
            .client
            .post(format!("http://{}/in/crm", self.hub.ingest))
            .header("content-type", media_type)
            .header("x-api-key", key)
            .body(bytes)
            .send()
            .await
            .map_err(|error| Failed::new(Exit::Unreachable, error))?;
        let status = response.status().as_u16();
        let answer: Value = serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or(Value::Null);
        let mut told = Told { status, answer, waited: false, view: None };
        if let (202, Some(id)) = (status, told.answer["message_id"].as_str()) {
            let view = self.settle(id, step.expect == Expect::DeliveredAfterWaiting).await?;
            told.waited = view.is_some_and(|view| view.standing == Standing::Waiting);
        }
        Ok(told)
    }

    /// Where a step's message stands in the end.
    async fn come_to_rest(&self, step: &Step, told: &Told) -> Result<Option<MessageView>, Failed> {
        match (told.status, told.answer["message_id"].as_str()) {
            (202, Some(id)) => self.settle(id, matches!(step.expect, Expect::Parked(_))).await,
            _ => Ok(None),
        }
    }

    /// Waits until nothing more happens to a message by itself; a message that waits for another one rests when
    /// `waiting_is_rest`.
    async fn settle(&self, id: &str, waiting_is_rest: bool) -> Result<Option<MessageView>, Failed> {
        let mut changed = self.hub.store.changed();
        let until = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            changed.mark_unchanged();
            let view = self.hub.store.message(id).await.map_err(|error| Failed::new(Exit::Failed, error))?;
            let settled = view.as_ref().is_none_or(|view| match view.standing {
                Standing::Accepted | Standing::InFlight => false,
                Standing::Waiting => waiting_is_rest,
                _ => true,
            });
            if settled {
                return Ok(view);
            }
            if tokio::time::Instant::now() > until {
                return Err(Failed::new(Exit::Timeout, format!("message {id} did not come to rest within 30 s")));
            }
            // The journal says when something changed; the sleep is only the net below.
            tokio::select! {
                _ = changed.changed() => (),
                () = tokio::time::sleep(Duration::from_millis(100)) => (),
            }
        }
    }

    async fn strike(self) {
        self.hub.stop().await;
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn came_true(expect: Expect, told: &Told) -> bool {
    let standing = told.view.as_ref().map(|view| view.standing);
    match expect {
        Expect::Delivered => standing == Some(Standing::Delivered),
        Expect::DeliveredAfterWaiting => told.waited && standing == Some(Standing::Delivered),
        Expect::Parked(code) => {
            standing == Some(Standing::Parked)
                && told.view.as_ref().is_some_and(|view| held_because(view).contains(code))
        }
        Expect::Refused(status) => told.status == status,
        Expect::Duplicate => told.status == 202 && told.answer["duplicate"] == true,
    }
}

fn story_json(told: &[Told]) -> Value {
    let steps: Vec<Value> = STORY
        .iter()
        .zip(told)
        .map(|(step, told)| {
            json!({
                "file": step.file,
                "what": step.what.0,
                "status": told.status,
                "answer": told.answer,
                "waited": told.waited,
                "as_expected": came_true(step.expect, told),
                "message": told.view.as_ref().map(|view| crate::api::message_json(view, false, None)),
            })
        })
        .collect();
    json!(steps)
}

fn print_story(stage: &Stage, content: &Path, told: &[Told]) {
    let language = stage.language;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(200);
    }
    table.set_header([
        "",
        say(language, "came in", "收到"),
        say(language, "answer to the CRM", "对 CRM 的答复"),
        say(language, "went out", "发出"),
        say(language, "the ERP answered", "ERP 回复"),
        say(language, "stands", "状态"),
    ]);
    for (at, (step, told)) in STORY.iter().zip(told).enumerate() {
        let what = say(language, step.what.0, step.what.1);
        let (mut sent, mut answered) = (Vec::new(), Vec::new());
        for delivery in told.view.iter().flat_map(|view| &view.deliveries) {
            if let Some(output) = &delivery.output {
                sent.push(format!("{} → {}", output.document_type, delivery.destination));
            }
            for attempt in &delivery.attempts {
                let detail = if attempt.detail.is_empty() { String::new() } else { format!(": {}", attempt.detail) };
                answered.push(format!("{}. {}{detail}", attempt.number, attempt.outcome.as_str()));
            }
        }
        let stands = match &told.view {
            _ if told.answer["duplicate"] == true => say(language, "known already", "已有").to_owned(),
            None => say(language, "refused", "已拒绝").to_owned(),
            Some(view) => {
                let waited = say(language, " (waited for its customer)", "（曾等待其客户）");
                let why = held_because(view);
                let waited = if told.waited { waited } else { "" };
                format!("{}{waited} {why}", view.standing.as_str())
            }
        };
        let answer = match told.status {
            202 => "202".to_owned(),
            status => summary(status, &told.answer),
        };
        table.add_row([
            (at + 1).to_string(),
            format!("{}\n{what}", step.file),
            answer,
            sent.join("\n"),
            answered.join("\n"),
            stands,
        ]);
    }
    out(format_args!("{table}\n"));
    if let Some(order) = told.iter().zip(STORY).find(|(_, step)| step.file == "order-1.xml").map(|(told, _)| told) {
        print_example(language, &stage.messages.join("order-1.xml"), order);
    }
    let count = |partner: &Partner| partner.received().len();
    out(format_args!("{}", say(language, "What the ERPs themselves recorded:", "两套 ERP 自己的记录：")));
    out(format_args!("  u8-south {}, u8-east {}\n", count(&stage.south), count(&stage.east)));
    out(format_args!("{}", say(language, "Look at each:", "逐条查看：")));
    let program = std::env::args().next().unwrap_or_else(|| "crossdock".to_owned());
    let settings = content.join(super::settings::FILE);
    let base = format!("{program} --config {}", settings.display());
    out(format_args!("  {base} messages list"));
    out(format_args!("  {base} messages list --state parked"));
    for told in told {
        let Some(view) = &told.view else { continue };
        if told.answer["duplicate"] == true {
            continue;
        }
        let interesting = view.standing != Standing::Delivered || told.waited;
        if interesting {
            out(format_args!("  {base} messages show {} --content", view.message.id));
        }
    }
    out(format_args!("  {base} messages verify"));
    let parked = |view: &&MessageView| view.deliveries.iter().any(|delivery| delivery.state == DeliveryState::Parked);
    if told.iter().filter_map(|told| told.view.as_ref()).any(|view| parked(&view)) {
        out(format_args!(
            "\n{}",
            say(
                language,
                "To mend the unmapped department: add its row to codes/department.csv and reload (SIGHUP); the order goes on by itself.",
                "补全未映射的部门：在 codes/department.csv 中加一行并重新加载（SIGHUP），订单会自动继续。"
            )
        ));
        out(format_args!("  {}", content.join("codes/department.csv").display()));
    }
    out(format_args!("{} crossdock explain XD-D009", say(language, "About any code:", "错误代码说明：")));
}

fn print_example(language: Language, input: &Path, order: &Told) {
    out(format_args!("{}", say(language, "One order, in and out:", "一张订单的来与去：")));
    let lines = |text: &str, most: usize| {
        let all: Vec<&str> = text.lines().collect();
        let mut shown = all.iter().take(most).map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
        if all.len() > most {
            shown.push_str("\n  …");
        }
        shown
    };
    let read = std::fs::read(input).unwrap_or_default();
    out(format_args!("--- CRM\n{}", lines(&shown(&read), 24)));
    if let Some(delivery) = order.view.as_ref().and_then(|view| view.deliveries.first()) {
        if let Some(output) = &delivery.output {
            out(format_args!(
                "--- {} ({})\n{}",
                delivery.destination,
                output.content_type,
                lines(&shown(&output.bytes), 48)
            ));
        }
        if let Some(attempt) = delivery.attempts.last() {
            out(format_args!(
                "--- {}\n{}",
                say(language, "its answer", "其回复"),
                lines(&shown(&attempt.response), 12)
            ));
        }
    }
    out(format_args!(""));
}

/// Puts the example set-up into the demo's folder; the content folder.
fn unpack(folder: &Path) -> Result<PathBuf, Failed> {
    let failed = |error: std::io::Error| Failed::new(Exit::Failed, format!("{}: {error}", folder.display()));
    let mark = folder.join("crossdock-demo");
    if folder.exists() {
        let empty = std::fs::read_dir(folder).map_err(failed)?.next().is_none();
        if !mark.is_file() && !empty {
            let text = format!("{} is there and is not a demo's folder; name another with --folder", folder.display());
            return Err(Failed::new(Exit::Conflict, text));
        }
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    let content = folder.join("dealer-group");
    std::fs::create_dir_all(&content).map_err(failed)?;
    std::fs::write(&mark, "This folder belongs to `crossdock demo` and is emptied by it.\n").map_err(failed)?;
    for name in Example::iter() {
        let Some(file) = Example::get(&name) else { continue };
        let path = content.join(&*name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&path, file.data).map_err(failed)?;
    }
    // The commands shown afterwards find the journal through this file.
    std::fs::write(content.join(super::settings::FILE), "[hub]\ndata = \"../data\"\n").map_err(failed)?;
    content.canonicalize().map_err(failed).map(|full| {
        let here = std::env::current_dir().unwrap_or_default();
        full.strip_prefix(&here).map_or_else(|_| full.clone(), Path::to_path_buf)
    })
}

/// Points a system's address to where its simulator listens.
fn redirect(path: &Path, address: &str) -> Result<(), Failed> {
    let failed = |error: std::io::Error| Failed::new(Exit::Failed, format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let lines = text.lines().map(|line| match line.find("http://127.0.0.1:") {
        Some(at) => {
            let rest = &line[at + "http://".len()..];
            let end = rest.find('/').unwrap_or(rest.len());
            format!("{}http://{address}{}", &line[..at], &rest[end..])
        }
        None => line.to_owned(),
    });
    std::fs::write(path, lines.collect::<Vec<_>>().join("\n") + "\n").map_err(failed)
}
