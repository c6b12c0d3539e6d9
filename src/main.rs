//! The command `crossdock`.

use std::process::ExitCode;

fn main() -> ExitCode {
    crossdock::cli::main()
}
