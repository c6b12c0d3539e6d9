//! Explanations and traces, for people and for programs.

use serde_json::json;

use crate::{
    cli::{
        Common, Exit, Failed,
        outcome::{out, print_json},
    },
    mapping::{Evaluations, Explanation, FORMAT, FieldExplanation, Mapping},
};

/// Prints an explanation.
pub fn show(common: &Common, explanation: &Explanation) -> Result<(), Failed> {
    if common.json {
        let value = serde_json::to_value(explanation).map_err(|error| Failed::new(Exit::Failed, error))?;
        print_json(&value);
        return Ok(());
    }
    let own = [(&explanation.mapping, &explanation.version)];
    let chain = explanation.chain.iter().map(|one| (&one.mapping, &one.version));
    let own = own.into_iter().filter(|_| explanation.chain.is_empty());
    for (mapping, version) in chain.chain(own) {
        out(format_args!("mapping {mapping} (version {})", version.get(..12).unwrap_or_default()));
    }
    for field in &explanation.fields {
        out(format_args!("{} = {}", field.path, field.value));
        out(format_args!("    rule    {}", rule(field)));
        field.through.iter().for_each(|before| show_through(before, 4));
        for source in &field.sources {
            out(format_args!("    source  {} (line {}, column {})", source.path, source.line, source.column));
        }
        for code in &field.codes {
            let row = code.row.as_deref().unwrap_or("-");
            out(format_args!(
                "    code    {}: {} → {} ({row})",
                code.table,
                code.value,
                code.result.as_deref().unwrap_or("none")
            ));
        }
        for xref in &field.xrefs {
            out(format_args!("    xref    {} {} → {}", xref.entity, xref.id, xref.result.as_deref().unwrap_or("none")));
        }
    }
    Ok(())
}

/// The rule of a field: its place, and its formula.
fn rule(field: &FieldExplanation) -> String {
    let formula = field.formula.as_ref().map_or_else(|| "literal".to_owned(), |formula| format!("={formula}"));
    format!("{}  {formula}", field.rule)
}

/// A field of a document in between, and the rule that made it.
fn show_through(field: &FieldExplanation, indent: usize) {
    out(format_args!("{:indent$}through {} = {}", "", field.path, field.value));
    out(format_args!("{:indent$}        {}", "", rule(field)));
    field.through.iter().for_each(|before| show_through(before, indent + 4));
}

/// Prints every evaluation of a mapping.
pub fn show_trace(common: &Common, mapping: &Mapping, evaluations: Evaluations) -> Result<(), Failed> {
    let evaluations = evaluations.into_vec();
    if common.json {
        let listed = serde_json::to_value(&evaluations).map_err(|error| Failed::new(Exit::Failed, error))?;
        print_json(&json!({
            "format": FORMAT,
            "mapping": **mapping.file(),
            "version": mapping.content_hash().to_string(),
            "evaluations": listed,
        }));
        return Ok(());
    }
    for evaluation in &evaluations {
        let gave = match (&evaluation.value, &evaluation.failure) {
            (Some(value), _) => format!("→ {value}"),
            (None, failure) => format!("failed: {}", failure.as_deref().unwrap_or_default()),
        };
        out(format_args!("{}  ={}  {gave}", evaluation.rule, evaluation.formula));
        if let Some(context) = evaluation.context.as_ref().filter(|context| *context != "/") {
            out(format_args!("    at    {context}"));
        }
        for read in &evaluation.reads {
            out(format_args!("    read  {} = '{}'", read.path, read.value));
        }
    }
    Ok(())
}
