//! `crossdock schema`: schemas of families of documents, drafts, examples, differences; and those of our own content
//! files for editors.

mod difference;
mod infer;
mod sample;

mod add;
mod list;
mod subject;
mod tree;

use super::{Common, Exit, Failed, outcome::print_json};
use crate::mapping::{fragment_file_schema, mapping_file_schema};

/// What `schema` does.
#[derive(clap::Subcommand)]
#[command(after_help = "Examples:\n  crossdock schema mapping-file > mapping.schema.json\n  \
    crossdock schema fragment-file > fragment.schema.json\n  \
    crossdock schema infer samples/*.xml --out order.xsd\n  crossdock schema sample hub/sales-order@1\n  \
    crossdock schema diff old/order.xsd order.xsd")]
pub enum Command {
    /// Bring a family of schemas: check an archive or folder and copy its schemas into the content folder.
    Add(add::Arguments),
    /// List the families of schemas, or the root elements of one.
    List(list::Arguments),
    /// Show what may stand at a path of a document type: type, occurrence, values, words.
    Show(tree::Show),
    /// Print the fields of a document type as a tree.
    Tree(tree::Tree),
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
        Command::Add(arguments) => return add::add(common, arguments),
        Command::List(arguments) => return list::list(common, arguments),
        Command::Show(arguments) => return tree::show(common, arguments),
        Command::Tree(arguments) => return tree::tree(common, arguments),
        Command::MappingFile => print_json(&mapping_file_schema()),
        Command::FragmentFile => print_json(&fragment_file_schema()),
        Command::Infer(arguments) => return infer::infer(common, arguments),
        Command::Sample(arguments) => return sample::sample(common, arguments),
        Command::Diff(arguments) => return difference::diff(common, arguments),
    }
    Ok(Exit::Ok)
}
