//! `crossdock schema`: schemas of families of documents, drafts, examples, differences; and those of our own content
//! files for editors.

mod difference;
mod infer;
mod sample;

use super::{Common, Exit, Failed, outcome::print_json};
use crate::mapping::{fragment_file_schema, mapping_file_schema};

/// What `schema` does.
#[derive(clap::Subcommand)]
#[command(after_help = "Examples:\n  crossdock schema mapping-file > mapping.schema.json\n  \
    crossdock schema fragment-file > fragment.schema.json\n  \
    crossdock schema infer samples/*.xml --out order.xsd\n  crossdock schema sample hub/sales-order@1\n  \
    crossdock schema diff old/order.xsd order.xsd")]
pub enum Command {
    /// Print the JSON Schema of mapping files (`mappings/<profile>/<from>-to-<to>.yaml`), for editors.
    MappingFile,
    /// Print the JSON Schema of fragment files (`mappings/<profile>/fragments/<name>.yaml`), for editors.
    FragmentFile,
    /// Draft a schema from sample documents, with the evidence for each choice.
    Infer(infer::Arguments),
    /// Print a valid example document.
    Sample(sample::Arguments),
    /// Compare two schemas: what changed, and whom it breaks.
    Diff(difference::Arguments),
}

/// Carries out one of the commands.
pub fn schema(common: &Common, command: &Command) -> Result<Exit, Failed> {
    match command {
        Command::MappingFile => print_json(&mapping_file_schema()),
        Command::FragmentFile => print_json(&fragment_file_schema()),
        Command::Infer(arguments) => return infer::infer(common, arguments),
        Command::Sample(arguments) => return sample::sample(common, arguments),
        Command::Diff(arguments) => return difference::diff(common, arguments),
    }
    Ok(Exit::Ok)
}
