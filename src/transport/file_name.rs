//! Names of files: which are taken, how those written are called, and what stands beside them.

use super::{FileOutConfig, Outgoing, code};
use crate::base::{Problem, Sha256};

/// The longest file name written, in bytes; leaves room for the temporary name within the usual 255.
const NAME_BYTES: usize = 200;

/// The ending of a file that holds another file's SHA-256.
const CHECKSUM: &str = ".sha256";

/// The names of one delivery's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutName {
    /// The file.
    pub name: String,
    /// Its name until it is whole.
    pub temporary: String,
    /// The file with its SHA-256.
    pub checksum: Option<String>,
    /// The empty file that says it is whole.
    pub done: Option<String>,
}

/// How files are named that are written.
#[derive(Clone, Debug)]
pub(super) struct OutNames {
    name: String,
    temporary: String,
    checksum: bool,
    done: String,
}

impl OutNames {
    /// Reads the settings.
    ///
    /// # Errors
    /// `XD-T012`: a template has an unknown `{…}`, is no file name, or does not tell deliveries apart.
    pub(super) fn new(config: &FileOutConfig) -> Result<Self, Problem> {
        let (name, temporary, done) = (config.name.clone(), config.temporary.clone(), config.done.clone());
        known(&name, &["{business_key}", "{delivery_id}", "{document_type}"])?;
        known(&temporary, &["{name}", "{delivery_id}", "{attempt}"])?;
        if !temporary.contains("{name}") && !temporary.contains("{delivery_id}") || temporary == "{name}" {
            let text = format!("`temporary: {temporary}` does not tell a file that is being written from others");
            return Err(Problem::new(code::BAD_SETTINGS, text).hint("as in `{name}.part`"));
        }
        if !done.is_empty() {
            known(&done, &["{name}"])?;
            if !done.contains("{name}") || done == "{name}" {
                let text = format!("`done: {done}` does not name the file it stands for");
                return Err(Problem::new(code::BAD_SETTINGS, text).hint("as in `{name}.done`"));
            }
        }
        Ok(Self { name, temporary, checksum: config.checksum, done })
    }

    /// The names of one delivery.
    pub(super) fn of(&self, outgoing: &Outgoing) -> OutName {
        let business_key = outgoing.business_key.as_deref().unwrap_or(&outgoing.delivery_id);
        let delivery = outgoing.delivery_id.as_str();
        let values =
            [("business_key", business_key), ("delivery_id", delivery), ("document_type", &outgoing.document_type)];
        let name = sanitised(&fill(&self.name, &values));
        let attempt = outgoing.attempt.to_string();
        let temporary = fill(&self.temporary, &[("name", &name), ("delivery_id", delivery), ("attempt", &attempt)]);
        OutName {
            temporary: clean(&temporary),
            checksum: self.checksum.then(|| format!("{name}{CHECKSUM}")),
            done: (!self.done.is_empty()).then(|| fill(&self.done, &[("name", &name)])),
            name,
        }
    }

    /// The template, for people.
    pub(super) fn shown(&self) -> &str {
        &self.name
    }
}

/// The text of a file with a file's SHA-256, as `sha256sum` writes it.
pub(super) fn checksum_text(digest: Sha256, name: &str) -> String {
    format!("{digest}  {name}\n")
}

/// Whether the text of a checksum file, `sha256sum`'s or the digest alone, is of this digest.
pub(super) fn is_checksum_of(text: &str, digest: Sha256) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    Sha256::from_hex(&first.to_ascii_lowercase()).is_some_and(|said| said == digest)
}

/// What must stand beside a file before it is taken.
#[derive(Clone, Debug)]
pub(super) struct Companions {
    /// A marker's name with `{name}`; empty for none.
    wait_for: String,
    /// Whether a checksum must be there.
    checksum: bool,
}

impl Companions {
    /// Reads the settings.
    ///
    /// # Errors
    /// `XD-T012`: the marker does not name the file it stands for.
    pub(super) fn new(wait_for: &str, checksum: bool) -> Result<Self, Problem> {
        if !wait_for.is_empty() {
            known(wait_for, &["{name}"])?;
            if !wait_for.contains("{name}") || wait_for == "{name}" {
                let text = format!("`wait-for: {wait_for}` does not name the file it stands for");
                return Err(Problem::new(code::BAD_SETTINGS, text).hint("as in `{name}.done`"));
            }
        }
        Ok(Self { wait_for: wait_for.to_owned(), checksum })
    }

    /// The marker of a file.
    pub(super) fn marker(&self, name: &str) -> Option<String> {
        (!self.wait_for.is_empty()).then(|| fill(&self.wait_for, &[("name", name)]))
    }

    /// The checksum of a file.
    pub(super) fn checksum(&self, name: &str) -> Option<String> {
        self.checksum.then(|| format!("{name}{CHECKSUM}"))
    }

    /// Both, as far as they are asked for.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = String> {
        [self.marker(name), self.checksum(name)].into_iter().flatten()
    }
}

fn known(template: &str, names: &[&str]) -> Result<(), Problem> {
    let left = names.iter().fold(template.to_owned(), |left, name| left.replace(name, ""));
    if template.is_empty() || left.contains(['{', '}', '/', '\\']) {
        let text = format!("the file name `{template}` is not usable; it may hold {} and plain text", names.join(", "));
        return Err(Problem::new(code::BAD_SETTINGS, text));
    }
    Ok(())
}

/// Puts values in place of `{names}`, in one pass, so that a value never acts as a template.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        filled.push_str(value);
        rest = after;
    }
    filled + rest
}

/// A text without what separates folders or systems forbid in names.
fn clean(text: &str) -> String {
    let forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    text.chars().map(|c| if forbidden(c) { '_' } else { c }).collect()
}

/// A text as a file name: separators, control characters and what Windows shares forbid become `_`, no leading dot.
fn sanitised(text: &str) -> String {
    let mut name = clean(text);
    if name.starts_with('.') || name.is_empty() {
        name.insert(0, '_');
    }
    if name.len() > NAME_BYTES {
        // the end keeps the extension, the digest keeps long names apart
        let digest = Sha256::of(name.as_bytes()).to_string();
        let mut start = name.len() - (NAME_BYTES - 17);
        while !name.is_char_boundary(start) {
            start += 1;
        }
        name = format!("{}_{}", &digest[..16], &name[start..]);
    }
    name
}

/// Whether a name fits a pattern in which `*` stands for any text and `?` for one character.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Companions, OutNames, checksum_text, fill, is_checksum_of, matches, sanitised};
    use crate::{
        base::Sha256,
        transport::{FileOutConfig, Outgoing},
    };

    #[test]
    fn names_are_safe_and_values_are_never_templates() {
        assert_eq!(fill("{a}-{b}", &[("a", "{b}"), ("b", "x")]), "{b}-x");
        for (text, name) in [("", "_"), (".x", "_.x"), ("a/b\\c\0d", "a_b_c_d"), ("..", "_.."), ("订单:1", "订单_1")]
        {
            assert_eq!(sanitised(text), name);
        }
        let long = sanitised(&format!("{}.xml", "单".repeat(300)));
        assert!(long.len() <= 200 && long.ends_with(".xml"), "{long}");
    }

    #[test]
    fn a_delivery_has_a_name_a_temporary_name_and_companions() {
        let config = FileOutConfig {
            name: "{business_key}.xml".to_owned(),
            temporary: "{name}.part".to_owned(),
            checksum: true,
            done: "{name}.done".to_owned(),
            ..FileOutConfig::default()
        };
        let outgoing = Outgoing {
            delivery_id: "dlv_1".to_owned(),
            message_id: "msg_1".to_owned(),
            attempt: 2,
            bytes: Bytes::new(),
            content_type: String::new(),
            business_key: Some("a/{b}".to_owned()),
            traceparent: None,
            document_type: String::new(),
        };
        let name = OutNames::new(&config).expect("good settings").of(&outgoing);
        assert_eq!((name.name.as_str(), name.temporary.as_str()), ("a_{b}.xml", "a_{b}.xml.part"));
        assert_eq!(name.checksum.as_deref(), Some("a_{b}.xml.sha256"));
        assert_eq!(name.done.as_deref(), Some("a_{b}.xml.done"));
        let usual = OutNames::new(&FileOutConfig::default()).expect("good settings").of(&outgoing);
        assert_eq!((usual.name.as_str(), usual.temporary.as_str()), ("dlv_1.xml", ".dlv_1.2.part"));
        assert_eq!((usual.checksum, usual.done), (None, None));
    }

    #[test]
    fn templates_that_cannot_work_are_refused() {
        let with = |change: fn(&mut FileOutConfig)| {
            let mut config = FileOutConfig::default();
            change(&mut config);
            OutNames::new(&config).is_err()
        };
        assert!(!with(|_| ()));
        assert!(with(|config| config.name = "{customer}.xml".to_owned()));
        assert!(with(|config| config.name = "a/b.xml".to_owned()));
        assert!(with(|config| config.name = String::new()));
        assert!(with(|config| config.name = "{delivery_id".to_owned()));
        assert!(with(|config| config.temporary = "part".to_owned()));
        assert!(with(|config| config.temporary = "{name}".to_owned()));
        assert!(with(|config| config.done = "done".to_owned()));
        assert!(Companions::new("ready", false).is_err() && Companions::new("{name}", false).is_err());
        assert!(Companions::new("{name}.ok", true).is_ok());
    }

    #[test]
    fn checksums_are_read_as_they_are_written_and_as_a_digest_alone() {
        let digest = Sha256::of(b"x");
        for (text, right) in [
            (checksum_text(digest, "a.xml"), true),
            (digest.to_string().to_uppercase(), true),
            (format!("{} *a.xml\r\n", digest), true),
            (Sha256::of(b"y").to_string(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_checksum_of(&text, digest), right, "{text}");
        }
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("*", "a.xml", true),
            ("*.xml", "a.xml", true),
            ("*.xml", "a.xml.part", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaybz", true),
            ("订单*.xml", "订单1.xml", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
