//! The one binary: daemon and client.

use clap::Parser;
use pinion::cli::{self, args::Cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(&Cli::parse())
}
