#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(orgtrail::cli::main(std::env::args_os()))
}
