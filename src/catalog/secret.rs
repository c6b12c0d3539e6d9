//! Where secrets come from: `${env:NAME}` or `${file:/path}`, never the content file itself.

use std::path::Path;

use super::code;
use crate::base::{Problem, Secret};

/// The outside that secrets are read from; a parameter, so that nothing here touches the real environment.
pub trait Environment {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of a secret's file.
    ///
    /// # Errors
    /// When it is missing, cannot be read, or others than its owner may read it.
    fn secret_file(&self, path: &Path) -> std::io::Result<String>;
    /// The text of a file that is no secret.
    ///
    /// # Errors
    /// When it is missing or cannot be read.
    fn text_file(&self, path: &Path) -> std::io::Result<String>;
}

/// Fills the one `${env:NAME}` or `${file:/path}` that a text holds. A text without one is taken as it is.
///
/// # Errors
/// `XD-K009`: the variable or file is not there; never says what a secret holds.
pub fn resolve(text: &str, environment: &dyn Environment) -> Result<Secret, Problem> {
    let Some(start) = text.find("${") else { return Ok(Secret::new(text)) };
    let Some(length) = text[start..].find('}') else {
        return Err(Problem::new(code::SECRET, "`${` without its `}`"));
    };
    if text[start + length..].contains("${") {
        return Err(Problem::new(code::SECRET, "at most one `${…}` in a text"));
    }
    let value = match text[start + 2..start + length].split_once(':') {
        Some(("env", name)) => environment.variable(name).ok_or_else(|| {
            Problem::new(code::SECRET, format!("the environment has no variable `{name}`"))
                .hint(format!("set {name} where the daemon starts"))
        })?,
        Some(("file", path)) => environment.secret_file(Path::new(path)).map_err(|error| {
            Problem::new(code::SECRET, format!("the secret's file `{path}` cannot be used: {error}"))
        })?,
        _ => {
            return Err(Problem::new(code::SECRET, "a secret is `${env:NAME}` or `${file:/path}`"));
        }
    };
    Ok(Secret::new(format!(
        "{}{}{}",
        &text[..start],
        value.trim_end_matches(['\n', '\r']),
        &text[start + length + 1..]
    )))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) struct Fixed;

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "KEY").then(|| "k1".to_owned())
        }

        fn secret_file(&self, path: &Path) -> std::io::Result<String> {
            if path == Path::new("/k") { Ok("k2\n".to_owned()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        }

        fn text_file(&self, path: &Path) -> std::io::Result<String> {
            self.secret_file(path)
        }
    }

    #[test]
    fn secrets_come_from_the_environment_or_a_file() {
        let text = |text| resolve(text, &Fixed).map(|secret| secret.expose().to_owned());
        assert_eq!(text("${env:KEY}").as_deref(), Ok("k1"));
        assert_eq!(text("amqp://u:${file:/k}@h").as_deref(), Ok("amqp://u:k2@h"));
        assert!(text("${env:NONE}").is_err_and(|problem| problem.text.contains("NONE")));
        assert!(text("${vault:x}").is_err());
        assert!(text("${env:KEY").is_err());
    }
}
