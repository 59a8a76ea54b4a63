//! The command line.

mod load;
mod measure;
mod train;

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{control, scenario::Scenario};

/// Measures the host beside a native control, in interleaved rounds, over loopback sockets alone.
#[derive(Debug, Parser)]
#[command(name = "wasmbay-bench", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  wasmbay-bench lanes --quick                 every case at the size of a smoke test
  wasmbay-bench lanes --only probe,spin       two cases in full
  wasmbay-bench swap --json > swap.json       figures for a machine
  wasmbay-bench control --listen 127.0.0.1:9000 &
  wasmbay-bench load http://127.0.0.1:9000/hello --connections 64 --seconds 3
  wasmbay-bench load http://127.0.0.1:9000/clock?ms=5 --rate 1000

Exit code: 0 when every aim was met, 1 when one was missed or could not be measured, 2 when the bench itself failed.
For figures that count: a release build, an idle machine, no --quick.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Waiting and computing at once, tenants beside each other, many requests at once
    #[command(after_help = measure::cases(Scenario::Lanes))]
    Lanes(measure::Options),
    /// A plugin replaced under load, again and again
    #[command(after_help = measure::cases(Scenario::Swap))]
    Swap(measure::Options),
    /// Each attack by a client: what it costs the host, against what it costs the client
    #[command(after_help = measure::cases(Scenario::Hostile))]
    Hostile(measure::Options),
    /// Each language's plugin: built, fresh and reused, beside FastAPI under uvicorn and workerd
    #[command(after_help = measure::cases(Scenario::Languages))]
    Languages(measure::Options),
    /// The same guests beside `wasmtime serve`, native hyper, workerd and FastAPI; bodies, memory, computing, starting
    #[command(after_help = measure::cases(Scenario::Peers))]
    Peers(measure::Options),
    /// Calls and queries awaited at once, beside FastAPI and native code; a client that keeps its connections
    #[command(after_help = measure::cases(Scenario::Io))]
    Io(measure::Options),
    /// What more plugins, more requests at once and more cores come to
    #[command(after_help = measure::cases(Scenario::Growth))]
    Growth(measure::Options),
    /// Send load to one address and print what came of it as JSON
    Load(load::Options),
    /// Send requests of each kind to a program that counts which way they go through it, for `cargo xtask dist`
    Train(train::Options),
    /// Serve /hello, /clock?ms=, /echo, /sink, /big, /work/KIND?n=, /primes/blocking?n= and /primes/pool?n= natively, without a sandbox
    Control {
        /// Where to listen; the address taken is printed as `ready listen=ADDRESS`
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// How far below the runtime's priority the threads of /primes/pool run, 0 to 19
        #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(0..=19))]
        nice: i32,
    },
}

/// Does what the command line says.
///
/// # Errors
///
/// When the bench itself fails; a missed aim is no error but an exit code.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    raise_open_files();
    match Arguments::parse().command {
        Command::Lanes(options) => measure::run(Scenario::Lanes, &options),
        Command::Swap(options) => measure::run(Scenario::Swap, &options),
        Command::Hostile(options) => measure::run(Scenario::Hostile, &options),
        Command::Languages(options) => measure::run(Scenario::Languages, &options),
        Command::Peers(options) => measure::run(Scenario::Peers, &options),
        Command::Io(options) => measure::run(Scenario::Io, &options),
        Command::Growth(options) => measure::run(Scenario::Growth, &options),
        Command::Load(options) => load::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Train(options) => train::run(options).map(|()| ExitCode::SUCCESS),
        Command::Control { listen, nice } => control::serve(listen, nice).map(|()| ExitCode::SUCCESS),
    }
}

/// As many open files as the system allows: ten thousand held requests are as many sockets. Children inherit it.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it cannot be raised, the cases that need it say so by their faults.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_teaches() {
        Arguments::command().debug_assert();
        let help = Arguments::command().render_long_help().to_string();
        let words =
            ["lanes", "swap", "hostile", "languages", "peers", "io", "load", "control", "Examples:", "Exit code"];
        for word in words {
            assert!(help.contains(word), "{word} is missing from:\n{help}");
        }
    }
}
