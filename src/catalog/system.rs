//! Systems: one application instance each, from `systems/*.yaml`.

use std::{cell::RefCell, collections::BTreeMap, path::Path, path::PathBuf, sync::Arc, time::Duration};

use super::{
    Test, Titles, amqp, code,
    secret::{Environment, resolve},
};
use crate::{
    base::{Language, Place, Problem, Problems, Secret, parse_duration},
    content::{Fields, Yaml},
    format::{ArrayPath, Charset, Convention, Doctype, Duplicates, Layout, Syntax, Unmappable},
    profile::StatusTable,
    transport::{
        AmqpInConfig, AmqpOutConfig, FileInConfig, FileOutConfig, HttpAccess, HttpOutConfig, SftpInConfig,
        SftpOutConfig, SqlInConfig, SqlOutConfig,
    },
};

/// One application instance that takes part.
#[derive(Clone, Debug)]
pub struct System {
    /// Its id: the file's `system`.
    pub id: String,
    /// What people call it.
    pub titles: Titles,
    /// How it speaks.
    pub profile: String,
    /// The store or legal entity it belongs to.
    pub site: Option<String>,
    /// The system whose ids its documents use; itself unless set. A portal that sends the CRM's customer numbers has the
    /// CRM's id here, so that cross references are found.
    pub ids_of: String,
    /// The profile's settings, as written.
    pub settings: BTreeMap<String, String>,
    /// How documents come in.
    pub sources: Sources,
    /// How documents go out.
    pub sink: Option<SinkConfig>,
    /// How outgoing documents are written.
    pub encoding: Encoding,
    /// How its documents and replies are read.
    pub reading: ReadingConfig,
    /// How strictly its documents are held to their schemas.
    pub schema: SchemaConfig,
    /// How deliveries to it are treated, where that differs from the settings.
    pub delivery: DeliveryConfig,
    /// When it takes documents.
    pub calendar: Option<CalendarUse>,
    /// Whether a document is parsed before its acceptance is answered (HTTP only): the sender learns at once, and what
    /// cannot be read is not kept.
    pub check_before_accept: bool,
    /// How long its keys make repetitions recognisable, when not as long as the hub's settings say.
    pub remember_keys: Option<Duration>,
    /// Where its file is, for messages.
    pub place: Place,
    /// Where its settings are, for messages.
    pub setting_places: BTreeMap<String, Place>,
}

/// How deliveries to a system are treated, where that differs from the settings.
#[derive(Clone, Debug, Default)]
pub struct DeliveryConfig {
    /// Waits before the second, third, … attempt.
    pub retry: Option<Vec<Duration>>,
    /// Each wait is longer or shorter by up to this part, in percent.
    pub jitter_percent: Option<u8>,
    /// Deliveries at once.
    pub concurrency: Option<usize>,
    /// Whether a delivery whose attempts are used up lets its lane go on.
    pub exhausted_frees_lane: Option<bool>,
    /// Failures in a row that pause the destination; 0: none do.
    pub breaker_failures: Option<u32>,
    /// Time between two probes of a paused destination.
    pub breaker_probe: Option<Duration>,
    /// What HTTP statuses mean.
    pub outcomes: StatusTable,
}

/// The calendar a system goes by.
#[derive(Clone, Debug)]
pub struct CalendarUse {
    /// Its name.
    pub name: String,
    /// The posting date by document type, where the profile's is not the one.
    pub posting_dates: BTreeMap<String, Arc<Test>>,
}

/// How strictly a system's documents are held to their schemas and value rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaConfig {
    /// Documents it sends.
    pub incoming: SchemaMode,
    /// Documents it gets.
    pub outgoing: SchemaMode,
}

impl SchemaConfig {
    /// Whether any documents are looked at.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.incoming != SchemaMode::Off || self.outgoing != SchemaMode::Off
    }
}

/// What becomes of a document that breaks its schema. Real traffic does, so this is a system's own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaMode {
    /// It is parked.
    Strict,
    /// It flows on; violations are counted and shown with the message.
    #[default]
    Report,
    /// Nobody looks.
    Off,
}

/// How documents that come from a system are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadingConfig {
    /// XML: what to do with a DOCTYPE.
    pub doctype: Doctype,
    /// The character set it writes, when its documents do not say it themselves.
    pub charset: Option<Charset>,
    /// XML: repair what partners are known to get wrong.
    pub tolerant: bool,
    /// JSON: what to do with a repeated member name.
    pub duplicates: Duplicates,
    /// JSON: how the document is built from it.
    pub convention: Convention,
}

/// The ways in.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Who may send for this system over HTTP; `None` when it takes nothing over HTTP.
    pub http: Option<HttpAccess>,
    /// A queue.
    pub amqp: Option<AmqpInConfig>,
    /// A folder.
    pub file: Option<FileInConfig>,
    /// A folder on a server.
    pub sftp: Option<SftpInConfig>,
    /// A query.
    pub sql: Option<SqlInConfig>,
}

impl Sources {
    /// Whether there is any way in.
    #[must_use]
    pub fn any(&self) -> bool {
        self.http.is_some() || self.amqp.is_some() || self.file.is_some() || self.sftp.is_some() || self.sql.is_some()
    }
}

/// The way out.
#[derive(Clone, Debug)]
pub enum SinkConfig {
    /// Posted to an address.
    Http(Box<HttpOutConfig>),
    /// Published to a broker.
    Amqp(Box<AmqpOutConfig>),
    /// Written to a folder.
    File(FileOutConfig),
    /// Written to a folder on a server.
    Sftp(Box<SftpOutConfig>),
    /// Written into a database.
    Sql(SqlOutConfig),
}

/// How outgoing documents are written.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// XML or JSON.
    pub syntax: Syntax,
    /// The character set.
    pub charset: Charset,
    /// What becomes of characters it lacks.
    pub unmappable: Unmappable,
    /// JSON: how the document is said in it.
    pub convention: Convention,
    /// JSON: the elements that are arrays however many there are.
    pub arrays: Arc<[ArrayPath]>,
    /// How they are laid out.
    pub layout: Layout,
    /// The media type sent with them; the syntax's own unless set.
    pub content_type: Option<String>,
}

/// What reading a system needs besides its file.
pub(super) struct Reader<'a> {
    pub environment: &'a dyn Environment,
    pub folder: &'a Path,
    pub problems: &'a RefCell<Problems>,
}

impl Reader<'_> {
    pub(super) fn system(&self, node: &Yaml, file: &Arc<str>, stem: &str) -> System {
        let fields = Fields::new(node, file, self.problems);
        let id = fields.text("system").unwrap_or(stem).to_owned();
        super::check_name(&id, node, file, self.problems);
        let mut setting_places = BTreeMap::new();
        let mut settings = BTreeMap::new();
        for (key, value) in fields.entries("settings") {
            setting_places.insert(key.text.clone(), key.place(file));
            match value.text() {
                Some(text) => {
                    drop(settings.insert(key.text.clone(), self.secret(text, value, file).expose().to_owned()))
                }
                None => drop(settings.insert(key.text.clone(), String::new())),
            }
        }
        let titles = Titles::read(&fields);
        let profile = fields.required_text("profile").unwrap_or_default().to_owned();
        let site = fields.text("site").map(ToOwned::to_owned);
        let ids_of = fields.text("ids-of").unwrap_or(&id).to_owned();
        let check_before_accept =
            fields.word("check", &[("before-accept", true), ("after-accept", false)]).unwrap_or_default();
        let remember_keys = fields.duration("remember-keys");
        let schema = schema(&fields);
        let delivery = fields.block("delivery").map(delivery).unwrap_or_default();
        // read where formulas can be compiled
        fields.get("calendar");
        let reading = fields.block("reading").map(reading).unwrap_or_default();
        let sources = fields.block("in").map(|ways| self.sources(ways, &id, reading.charset)).unwrap_or_default();
        let (sink, encoding) = match fields.block("out") {
            Some(ways) => self.sink(ways),
            None => (None, Encoding::default()),
        };
        fields.finish();
        let place = node.place(file);
        System {
            id,
            titles,
            profile,
            site,
            ids_of,
            settings,
            sources,
            sink,
            encoding,
            reading,
            schema,
            delivery,
            calendar: None,
            check_before_accept,
            remember_keys,
            place,
            setting_places,
        }
    }

    fn sources(&self, ways: Fields<'_>, system: &str, charset: Option<Charset>) -> Sources {
        let mut sources = Sources::default();
        if let Some(http) = ways.block("http") {
            sources.http = Some(self.http_in(&http, system));
            http.finish();
        }
        sources.amqp = ways.block("amqp").map(|amqp| amqp::source(self, amqp, system));
        if let Some(file) = ways.block("file") {
            sources.file = Some(self.file_in(&file, system, charset));
            file.finish();
        }
        if let Some(sftp) = ways.block("sftp") {
            sources.sftp = Some(self.sftp_in(&sftp, system, charset));
            sftp.finish();
        }
        if let Some(sql) = ways.block("sql") {
            sources.sql = Some(self.sql_in(&sql, system));
            sql.finish();
        }
        ways.finish();
        sources
    }

    fn sink(&self, ways: Fields<'_>) -> (Option<SinkConfig>, Encoding) {
        let mut sinks = Vec::new();
        let mut encoding = Encoding::default();
        if let Some(http) = ways.block("http") {
            encoding.content_type = http.text("content-type").map(ToOwned::to_owned);
            sinks.push(SinkConfig::Http(Box::new(self.http_out(&http))));
            http.finish();
        }
        sinks.extend(ways.block("amqp").map(|amqp| SinkConfig::Amqp(Box::new(amqp::sink(self, amqp)))));
        if let Some(file) = ways.block("file") {
            sinks.push(SinkConfig::File(self.file_out(&file)));
            file.finish();
        }
        if let Some(sftp) = ways.block("sftp") {
            sinks.push(SinkConfig::Sftp(Box::new(self.sftp_out(&sftp))));
            sftp.finish();
        }
        if let Some(sql) = ways.block("sql") {
            sinks.push(SinkConfig::Sql(self.sql_out(&sql)));
            sql.finish();
        }
        if let Some(block) = ways.block("encoding") {
            encoding.syntax =
                block.word("syntax", &[("xml", Syntax::Xml), ("json", Syntax::Json)]).unwrap_or(Syntax::Xml);
            encoding.charset = charset(&block).unwrap_or(encoding.charset);
            let choices = [("error", Unmappable::Error), ("reference", Unmappable::Reference)];
            encoding.unmappable = block.word("unmappable", &choices).unwrap_or(Unmappable::Error);
            let conventions = [
                ("plain", Convention::Plain),
                ("ubl-model", Convention::UblModel),
                ("ubl-legacy", Convention::UblLegacy),
            ];
            encoding.convention = block.word("json", &conventions).unwrap_or_default();
            encoding.arrays = block.list("arrays").into_iter().filter_map(|value| array_path(&block, value)).collect();
            let layouts = [("compact", Layout::Compact), ("pretty", Layout::Pretty), ("canonical", Layout::Canonical)];
            encoding.layout = block.word("layout", &layouts).unwrap_or_default();
            block.finish();
        }
        if sinks.len() != 1 {
            let text =
                format!("`out` names {} ways out; it needs exactly one of http, amqp, file, sftp, sql", sinks.len());
            ways.report(Problem::new(code::NO_ENDPOINT, text).at(ways.node().place(ways.file())));
        }
        ways.finish();
        (sinks.pop(), encoding)
    }

    /// A text with its secret filled in; a problem reads as an empty secret.
    pub(super) fn secret(&self, text: &str, value: &Yaml, file: &Arc<str>) -> Secret {
        resolve(text, self.environment).unwrap_or_else(|problem| {
            self.problems.borrow_mut().push(problem.at(value.place(file)));
            Secret::new("")
        })
    }

    pub(super) fn required_secret(&self, fields: &Fields<'_>, key: &'static str) -> Secret {
        match fields.required(key) {
            Some(value) => self.secret(value.text().unwrap_or_default(), value, fields.file()),
            None => Secret::new(""),
        }
    }

    pub(super) fn folder_of(&self, fields: &Fields<'_>, key: &'static str, required: bool) -> PathBuf {
        let text = if required { fields.required_text(key) } else { fields.text(key) };
        text.map(|text| self.folder.join(text)).unwrap_or_default()
    }
}

/// A duration in milliseconds.
pub(super) fn millis(fields: &Fields<'_>, key: &'static str) -> Option<u64> {
    fields.duration(key).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn charset(block: &Fields<'_>) -> Option<Charset> {
    let label = block.text("charset")?;
    let charset = Charset::for_label(label);
    if charset.is_none() {
        block.report(
            Problem::new(code::NAME, format!("unknown character set `{label}`"))
                .at(block.node().place(block.file()))
                .did_you_mean(label, ["UTF-8", "GB18030", "GBK", "GB2312", "UTF-16LE", "Big5", "ISO-8859-1"]),
        );
    }
    charset
}

/// `/Order/OrderLine` as steps.
fn array_path(block: &Fields<'_>, value: &Yaml) -> Option<ArrayPath> {
    let text = value.text().unwrap_or_default();
    let steps: ArrayPath = text.strip_prefix('/').unwrap_or_default().split('/').map(ToOwned::to_owned).collect();
    if steps.iter().all(|step| !step.is_empty() && !step.contains([' ', '[', '@', ':'])) {
        return Some(steps);
    }
    let text = format!("`{text}` is not a path of element names from the root");
    let hint = "write `/Order/OrderLine`; `*` stands for any name";
    block.report(Problem::new(code::NAME, text).at(value.place(block.file())).hint(hint));
    None
}

/// `schema: strict`, or one word for each direction.
fn schema(fields: &Fields<'_>) -> SchemaConfig {
    const MODES: &[(&str, SchemaMode)] =
        &[("strict", SchemaMode::Strict), ("report", SchemaMode::Report), ("off", SchemaMode::Off)];
    let Some(value) = fields.get("schema") else { return SchemaConfig::default() };
    if value.entries().is_empty() {
        let mode = fields.word("schema", MODES).unwrap_or_default();
        return SchemaConfig { incoming: mode, outgoing: mode };
    }
    let Some(ways) = fields.block("schema") else { return SchemaConfig::default() };
    let mode = |key| ways.word(key, MODES).unwrap_or_default();
    let config = SchemaConfig { incoming: mode("in"), outgoing: mode("out") };
    ways.finish();
    config
}

fn delivery(block: Fields<'_>) -> DeliveryConfig {
    let waits = block.get("retry").map(|_| {
        let waits = block.list("retry").into_iter().filter_map(|value| {
            let wait = value.text().and_then(parse_duration);
            if wait.is_none() {
                let text = "`retry` lists durations with their unit: [5s, 30s, 2m]";
                block.report(Problem::new(code::SETTING, text).at(value.place(block.file())));
            }
            wait
        });
        waits.collect()
    });
    let narrow = |key, most| {
        let number = block.number(key)?;
        let place = || block.get(key).map(|value| value.place(block.file())).unwrap_or_default();
        if number > most {
            block.report(Problem::new(code::SETTING, format!("`{key}` is at most {most}")).at(place()));
        }
        Some(number.min(most))
    };
    let jitter_percent = narrow("jitter", 100).and_then(|number| number.try_into().ok());
    let concurrency = narrow("concurrency", 10_000).and_then(|number| number.try_into().ok());
    let words = [("block-key", false), ("park-and-continue", true)];
    let exhausted_frees_lane = block.word("on-exhausted", &words);
    let (mut breaker_failures, mut breaker_probe) = (None, None);
    if let Some(breaker) = block.block("breaker") {
        breaker_failures = breaker.number("failures").and_then(|number| number.try_into().ok());
        breaker_probe = breaker.duration("probe");
        breaker.finish();
    }
    let outcomes = StatusTable::read(&block, "outcomes");
    block.finish();
    DeliveryConfig {
        retry: waits,
        jitter_percent,
        concurrency,
        exhausted_frees_lane,
        breaker_failures,
        breaker_probe,
        outcomes,
    }
}

fn reading(block: Fields<'_>) -> ReadingConfig {
    let doctype = block.word("doctype", &[("refuse", Doctype::Refuse), ("skip", Doctype::Skip)]);
    let duplicates = block.word("duplicates", &[("refuse", Duplicates::Refuse), ("last-wins", Duplicates::LastWins)]);
    let convention = block.word("json", &[("plain", Convention::Plain), ("ubl", Convention::UblModel)]);
    let charset = charset(&block);
    let tolerant = block.boolean("tolerant").unwrap_or_default();
    block.finish();
    ReadingConfig {
        charset,
        tolerant,
        doctype: doctype.unwrap_or_default(),
        duplicates: duplicates.unwrap_or_default(),
        convention: convention.unwrap_or_default(),
    }
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            syntax: Syntax::Xml,
            charset: Charset::UTF_8,
            unmappable: Unmappable::Error,
            convention: Convention::Plain,
            arrays: Arc::default(),
            layout: Layout::Compact,
            content_type: None,
        }
    }
}

impl Encoding {
    /// The media type, with the character set where the type has such a parameter.
    #[must_use]
    pub fn media_type(&self) -> String {
        match (&self.content_type, self.syntax) {
            (Some(given), _) => given.clone(),
            (None, Syntax::Json) => self.syntax.media_type().to_owned(),
            (None, Syntax::Xml) => format!("{}; charset={}", self.syntax.media_type(), self.charset.name()),
        }
    }
}

impl System {
    /// Its name in a language.
    #[must_use]
    pub fn title(&self, language: Language) -> &str {
        self.titles.get(language).unwrap_or(&self.id)
    }
}
