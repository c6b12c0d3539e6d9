//! `crossdock schema infer`: a draft schema from samples.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    cli::{
        Common, Exit, Failed,
        outcome::{out, print_json, problem_json, show_problems},
    },
    format::{ReadOptions, Syntax, read},
    schema::Inference,
};

/// What `schema infer` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Every choice comes with what it rests on: how often an element was seen, in how many parents, and how many \
    values fit each type.\nSeveral namespaces make several files beside FILE.\n\nExamples:\n  \
    crossdock schema infer samples/*.xml > draft.xsd\n  \
    crossdock schema infer samples/*.xml --out schemas/acme/1/order.xsd\n\n\
    Exit code 7 when a sample cannot be read; then nothing is written."
)]
pub struct Arguments {
    /// Sample documents, XML; the more, the better the draft.
    #[arg(required = true)]
    samples: Vec<PathBuf>,
    /// Where to write the draft; files of further namespaces go beside it. Without it: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Infers a draft.
pub fn infer(common: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    let mut inference = Inference::default();
    let mut problems = Vec::new();
    for sample in &arguments.samples {
        let name = sample.display().to_string();
        let bytes = fs::read(sample).map_err(|error| Failed::new(Exit::NotFound, format!("{name}: {error}")))?;
        match read(&bytes, Syntax::Xml, &ReadOptions::default()) {
            Ok(reading) => inference.add(&reading.document),
            Err(mut problem) => {
                problem.place.file = Some(name.into());
                problems.push(problem);
            }
        }
    }
    if !problems.is_empty() {
        if common.json {
            let listed: Vec<_> = problems.iter().map(problem_json).collect();
            print_json(&json!({"ok": false, "problems": listed}));
        } else {
            show_problems(&problems);
        }
        return Ok(Exit::Problems);
    }
    let named = arguments.out.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let files = inference.draft(named.as_deref().unwrap_or("draft.xsd"));
    if let Some(target) = &arguments.out {
        let folder = target.parent().unwrap_or(Path::new(""));
        for file in &files {
            let path = folder.join(&file.name);
            fs::write(&path, &file.text)
                .map_err(|error| Failed::new(Exit::Failed, format!("{}: {error}", path.display())))?;
        }
    }
    if common.json {
        let roots: Vec<_> =
            inference.roots().map(|(root, times)| json!({"name": root.to_string(), "times": times})).collect();
        let files: Vec<_> = files
            .iter()
            .map(|file| json!({"name": file.name, "namespace": file.namespace, "text": file.text}))
            .collect();
        print_json(&json!({
            "ok": true,
            "documents": inference.documents(),
            "elements": inference.len(),
            "roots": roots,
            "files": files,
        }));
    } else if arguments.out.is_some() {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let (documents, elements) = (inference.documents(), inference.len());
        out(format_args!("{documents} documents, {elements} elements: {}", names.join(", ")));
    } else {
        for file in &files {
            if files.len() > 1 {
                out(format_args!("<!-- {} -->", file.name));
            }
            out(format_args!("{}", file.text.trim_end()));
        }
    }
    Ok(Exit::Ok)
}
