//! The layers and how they become one.

use std::sync::Arc;

use config::{Config, ConfigError, File, FileFormat, Value, ValueKind};
use toml::{Spanned, de::DeTable, de::DeValue};

use super::{Settings, code};
use crate::base::{Place, Problem, Problems};

/// The commented reference file: every setting with its default.
pub const REFERENCE: &str = include_str!("../../deploy/crossdock.toml");

/// What is laid over the reference.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The user's settings file: how they would name it, and its text.
    pub file: Option<(Arc<str>, String)>,
    /// The environment's variables, all of them; only `CROSSDOCK__SECTION__KEY` counts.
    pub environment: Vec<(String, String)>,
    /// Flags, as dotted keys: `ingest.listen` → `127.0.0.1:9000`.
    pub flags: Vec<(String, String)>,
}

/// Reads all layers into settings.
///
/// # Errors
/// Every problem found: syntax (`XD-G001`), unknown keys (`XD-G002`), wrong values (`XD-G003`).
pub fn load(layers: &Layers) -> Result<Settings, Problems> {
    let mut problems = Problems::default();
    let known = keys_of(REFERENCE);
    let mut places = Vec::new();
    let mut builder = Config::builder().add_source(File::from_str(REFERENCE, FileFormat::Toml));
    if let Some((name, text)) = &layers.file {
        match DeTable::parse(text) {
            Err(error) => {
                let place = error.span().map_or_else(Place::default, |span| Place::of_offset(text, span.start));
                problems.push(
                    Problem::new(code::SYNTAX, format!("not valid TOML: {}", error.message()))
                        .at(Place { file: Some(name.clone()), ..place }),
                );
            }
            Ok(table) => {
                flatten(table.get_ref(), "", &mut places);
                for (key, offset) in &places {
                    let place = Place { file: Some(name.clone()), ..Place::of_offset(text, *offset) };
                    check_known(key, &known, "", &place, &mut problems);
                }
                builder = builder.add_source(File::from_str(text, FileFormat::Toml));
            }
        }
    }
    for (variable, value) in &layers.environment {
        let Some(key) = variable.strip_prefix("CROSSDOCK__") else { continue };
        let key = key.to_lowercase().replace("__", ".");
        let place = Place::default().with_path(format!("environment variable {variable}"));
        if check_known(&key, &known, variable, &place, &mut problems) {
            builder = set(builder, &key, value, variable)?;
        }
    }
    for (key, value) in &layers.flags {
        let place = Place::default().with_path(format!("--set {key}"));
        if check_known(key, &known, "", &place, &mut problems) {
            builder = set(builder, key, value, "a flag")?;
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    let settings = builder.build().and_then(Config::try_deserialize::<Settings>);
    settings.map_err(|error| {
        let key = key_of(&error);
        let place = match (&layers.file, places.iter().find(|(known, _)| Some(known) == key.as_ref())) {
            (Some((name, text)), Some((_, offset))) => {
                Place { file: Some(name.clone()), ..Place::of_offset(text, *offset) }
            }
            _ => Place::default(),
        };
        Problem::new(code::WRONG_VALUE, error.to_string()).at(place).into()
    })
}

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn set(builder: Builder, key: &str, value: &str, origin: &str) -> Result<Builder, Problems> {
    let kind = if value.starts_with('[') {
        let items = value.trim_matches(['[', ']']).split(',').map(|item| item.trim().trim_matches('"'));
        ValueKind::Array(items.filter(|item| !item.is_empty()).map(Value::from).collect())
    } else {
        ValueKind::String(value.to_owned())
    };
    let value = Value::new(Some(&origin.to_owned()), kind);
    builder.set_override(key, value).map_err(|error| Problem::new(code::WRONG_VALUE, error.to_string()).into())
}

/// Every leaf key of a TOML text, dotted.
fn keys_of(text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        flatten(table.get_ref(), "", &mut keys);
    }
    keys.into_iter().map(|(key, _)| key).collect()
}

fn flatten(table: &DeTable<'_>, prefix: &str, into: &mut Vec<(String, usize)>) {
    for (key, value) in table {
        let dotted = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match Spanned::get_ref(value) {
            DeValue::Table(inner) => flatten(inner, &dotted, into),
            _ => into.push((dotted, key.span().start)),
        }
    }
}

fn check_known(key: &str, known: &[String], written: &str, place: &Place, problems: &mut Problems) -> bool {
    if known.iter().any(|known| known == key) {
        return true;
    }
    let shown = if written.is_empty() { key } else { written };
    problems.push(
        Problem::new(code::UNKNOWN, format!("unknown setting `{shown}`"))
            .at(place.clone())
            .hint("`crossdock check --reference` prints every setting")
            .did_you_mean(key, known.iter().map(String::as_str)),
    );
    false
}

fn key_of(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::Type { key, .. } => key.clone(),
        ConfigError::At { key, .. } => key.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<Settings, Problems> {
        load(&Layers { file: Some(("c.toml".into(), text.to_owned())), ..Layers::default() })
    }

    #[test]
    fn the_reference_alone_is_complete() {
        let settings = load(&Layers::default()).expect("the reference is complete");
        assert_eq!(settings.ingest.listen.port(), 8080);
        assert_eq!(settings.limits.limits(), crate::base::Limits::default());
        assert_eq!(settings.delivery.retry.len(), 11);
    }

    #[test]
    fn later_layers_win() {
        let layers = Layers {
            file: Some(("c.toml".into(), "[ingest]\nlisten = \"127.0.0.1:1\"\n[hub]\nname = \"file\"\n".into())),
            environment: vec![
                ("CROSSDOCK__INGEST__LISTEN".into(), "127.0.0.1:2".into()),
                ("CROSSDOCK__DELIVERY__CONCURRENCY".into(), "3".into()),
                ("PATH".into(), "ignored".into()),
            ],
            flags: vec![
                ("ingest.listen".into(), "127.0.0.1:3".into()),
                ("delivery.retry".into(), "[\"1s\", \"2s\"]".into()),
            ],
        };
        let settings = load(&layers).expect("good layers");
        assert_eq!(settings.ingest.listen.port(), 3);
        assert_eq!(settings.hub.name, "file");
        assert_eq!(settings.delivery.concurrency, 3);
        assert_eq!(settings.delivery.retry.len(), 2);
    }

    #[test]
    fn unknown_keys_are_refused_with_their_place_and_a_suggestion() {
        let problems = with_file("[ingest]\nlisten = \"127.0.0.1:1\"\nmax_boddy = \"1MiB\"\n").expect_err("refused");
        assert_eq!(
            problems.to_string(),
            "c.toml:3:1: error XD-G002: unknown setting `ingest.max_boddy` (did you mean `ingest.max_body`?)"
        );
        let environment = vec![("CROSSDOCK__HUB__NAM".to_owned(), "x".to_owned())];
        let problems = load(&Layers { environment, ..Layers::default() }).expect_err("refused");
        assert!(problems.to_string().contains("did you mean `hub.name`?"), "{problems}");
        let flags = vec![("hub.nmae".to_owned(), "x".to_owned())];
        let problems = load(&Layers { flags, ..Layers::default() }).expect_err("refused");
        assert!(problems.to_string().contains("did you mean `hub.name`?"), "{problems}");
    }

    #[test]
    fn wrong_values_and_bad_toml_say_where() {
        let problems = with_file("[ingest]\nmax_body = \"much\"\n").expect_err("refused");
        assert!(problems.to_string().starts_with("c.toml:2:1: error XD-G003"), "{problems}");
        let problems = with_file("[ingest\n").expect_err("refused");
        assert!(problems.to_string().starts_with("c.toml:1:8: error XD-G001"), "{problems}");
    }
}
