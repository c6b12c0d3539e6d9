//! The settings a system of a profile has.

use super::code;
use crate::base::Problem;

/// A setting a system of the profile has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Must be given.
    pub required: bool,
    /// What it is when not given.
    pub default: Option<String>,
    /// What it means.
    pub doc: String,
    /// Never shown.
    pub secret: bool,
}

/// Unknown and missing settings.
pub(super) fn check<'a>(settings: &[Setting], given: impl IntoIterator<Item = &'a str>) -> Vec<Problem> {
    let given: Vec<&str> = given.into_iter().collect();
    let unknown = given.iter().filter(|name| settings.iter().all(|setting| setting.name != **name)).map(|name| {
        Problem::new(code::UNKNOWN_SETTING, format!("the profile has no setting `{name}`"))
            .hint(format!(
                "known: {}",
                settings.iter().map(|setting| setting.name.as_str()).collect::<Vec<_>>().join(", ")
            ))
            .did_you_mean(name, settings.iter().map(|setting| setting.name.as_str()))
    });
    let missing = settings
        .iter()
        .filter(|setting| setting.required && setting.default.is_none() && !given.contains(&setting.name.as_str()))
        .map(|setting| {
            Problem::new(code::MISSING_SETTING, format!("the setting `{}` must be given", setting.name))
                .hint(setting.doc.clone())
        });
    unknown.chain(missing).collect()
}
