//! Reads and applies profiles.
use super::*;

#[derive(Debug)]
pub(super) struct Document {
    pub of: DocumentType,
}
type Tree = crate::document::Document;
pub(super) fn profile(
    _text: &str,
    _file: &Arc<str>,
    _models: &dyn Fn(&str) -> Option<Arc<Model>>,
) -> Result<Profile, Problems> {
    Err(Problems::default())
}
pub(super) fn wrap(_: &Profile, document: &Tree, _: &dyn Host, _: &Limits) -> Result<Tree, Failure> {
    Ok(document.clone())
}
pub(super) fn unwrap(_: &Profile, _: &Tree, _: &Limits) -> Result<Vec<(String, Tree)>, Failure> {
    Ok(Vec::new())
}
pub(super) fn identify<'a>(_: &'a Profile, _: &Tree) -> Option<&'a DocumentType> {
    None
}
pub(super) fn facts(_: &Profile, _: &str, _: &Tree, _: &Limits) -> Result<Facts, Failure> {
    Ok(Facts::default())
}
