//! Measures the host beside a native control, over loopback sockets alone.
//!
//! One binary with several lives: the scenarios, the load generator they start, and the control they start.

mod cli;
mod clock;
mod control;
mod figure;
mod http;
mod load;
mod report;
mod rounds;
mod scale;
mod scenario;
mod stand;
mod stats;
mod training;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run().unwrap_or_else(|error| {
        eprintln!("wasmbay-bench: {error:#}");
        ExitCode::from(2)
    })
}
