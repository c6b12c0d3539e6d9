//! `crossdock schema`: JSON Schemas of content files, for editors.

use super::{Common, Exit, Failed, outcome::print_json};
use crate::mapping::{fragment_file_schema, mapping_file_schema};

/// What `schema` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crossdock schema mapping-file > mapping.schema.json\n  \
    crossdock schema fragment-file > fragment.schema.json")]
pub struct Arguments {
    /// The kind of file.
    #[arg(value_enum)]
    kind: Kind,
}

/// The kinds of content files that have a schema.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Kind {
    /// `mappings/<profile>/<from>-to-<to>.yaml`
    MappingFile,
    /// `mappings/<profile>/fragments/<name>.yaml`
    FragmentFile,
}

/// Prints a schema.
pub fn schema(_: &Common, arguments: &Arguments) -> Result<Exit, Failed> {
    print_json(&match arguments.kind {
        Kind::MappingFile => mapping_file_schema(),
        Kind::FragmentFile => fragment_file_schema(),
    });
    Ok(Exit::Ok)
}
