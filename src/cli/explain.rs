//! `crossdock explain`: the page of an error code.

use rust_embed::RustEmbed;
use serde_json::json;

use super::{
    Common, Exit, Failed,
    outcome::{out, print_json},
};
use crate::base::{Code, suggest};

#[derive(RustEmbed)]
#[folder = "docs/reference/errors/"]
#[include = "XD-*.md"]
struct Pages;

/// What `explain` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock explain XD-F010\n  crossdock explain         list all codes")]
pub struct Arguments {
    /// The code, as in XD-M012; without it, all codes are listed.
    code: Option<String>,
}

/// Every code of the program.
#[must_use]
pub fn codes() -> Vec<Code> {
    let mut all: Vec<Code> = [
        crate::api::CODES,
        crate::catalog::CODES,
        crate::config::CODES,
        crate::content::CODES,
        crate::format::CODES,
        crate::mapping::CODES,
        crate::pipeline::CODES,
        crate::profile::CODES,
        crate::schema::CODES,
        crate::store::CODES,
        crate::transport::CODES,
        crate::xpath::CODES,
    ]
    .concat();
    all.sort_by_key(|code| code.id);
    all
}

/// The page of a code, in Markdown.
#[must_use]
pub fn page(id: &str) -> Option<String> {
    let file = Pages::get(&format!("{id}.md"))?;
    String::from_utf8(file.data.into_owned()).ok()
}

/// The ids that have a page.
pub fn pages() -> impl Iterator<Item = String> {
    Pages::iter().map(|name| name.trim_end_matches(".md").to_owned())
}

/// Prints a page, or the list.
pub fn explain(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let language = common.language();
    let Some(wanted) = &arguments.code else {
        if common.json {
            let list: Vec<_> = codes()
                .iter()
                .map(|code| json!({"code": code.id, "title": code.title, "title_zh": code.title_zh}))
                .collect();
            print_json(&json!(list));
        } else {
            codes().iter().for_each(|code| out(format_args!("{}\t{}", code.id, code.title_in(language))));
        }
        return Ok(Exit::Ok);
    };
    let wanted = wanted.to_uppercase();
    let known = codes();
    let (Some(code), Some(page)) = (known.iter().find(|code| code.id == wanted), page(&wanted)) else {
        let hint = suggest(&wanted, known.iter().map(|code| code.id));
        let hint = hint.map_or_else(String::new, |best| format!("; did you mean {best}?"));
        return Err(Failed::new(Exit::NotFound, format!("there is no code {wanted}{hint}")));
    };
    if common.json {
        print_json(&json!({"code": code.id, "title": code.title, "title_zh": code.title_zh, "page": page}));
    } else {
        out(format_args!("{page}"));
    }
    Ok(Exit::Ok)
}
