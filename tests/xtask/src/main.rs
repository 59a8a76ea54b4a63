//! The project's own commands. `cargo xtask --help` tells what there is.

mod bolt;
mod command;
mod databases;
mod dist;
mod fuzz;
mod guests;
mod javascript;
mod kept;
mod languages;
mod peers;
mod place;
mod plugins;
mod python;
mod readme;
mod sdk;
mod steps;
mod tasks;
mod toolchain;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{fuzz::Soak, place::Place, steps::Steps};

/// Wasmbay's own commands: try it, check it, measure it.
///
/// Guests are built for wasm32-wasip1 and wasm32-wasip2. Where `rustup target add` works it is used; elsewhere a private
/// toolchain is made of Debian's packages, once per machine. What is fetched and built for guests is kept in
/// `$XDG_CACHE_HOME/wasmbay` (else `~/.cache/wasmbay`), keyed by what it was made from; that folder may be deleted at any
/// time.
///
/// Variables: `CI` keeps cargo's build cache in that folder too, so that a fresh clone is not a fresh build (one run at a
/// time works there); `WASMBAY_TOOLCHAIN=private` makes the private toolchain even where rustup has the targets.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Serve the example plugins: fetch, build, then `wasmbay dev plugins/`.
    Up {
        /// Passed on to `wasmbay dev`, for instance `-- --listen 127.0.0.1:9000`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check everything: format, lints, guests, plugins, docs, tests. Stops at the first failure.
    Test {
        /// Run just the tests whose names contain this.
        filter: Option<String>,
    },
    /// Check everything, with repetitions at their full counts (`WASMBAY_SOAK`) instead of the quick ones.
    ///
    /// A soak that was broken off goes on: rows that have passed are not run again while the sources stay as they are.
    ///
    /// The debug profile is kept: its overflow checks and assertions are what a long run is for. After the tests libFuzzer
    /// drives the fuzz targets (needs a C++ compiler); what it finds is kept in the cache, and fails the run.
    Soak {
        /// Run just the tests whose names contain this; `fuzz`: just the fuzz targets.
        filter: Option<String>,
        /// With `fuzz`: one target instead of all.
        #[arg(long)]
        target: Option<String>,
        /// Minutes for each fuzz target.
        #[arg(long, default_value_t = 5)]
        minutes: u64,
    },
    /// Build what tests need, and print the variables to export for running `cargo test` by hand.
    ///
    /// eval "$(cargo xtask guests)" && cargo test
    #[command(verbatim_doc_comment)]
    Guests,
    /// Fetch and build the servers that benches measure beside, and print the variables to export for running a bench by hand.
    Peers,
    /// Build the host as it is shipped: `target/shipped/wasmbay`.
    ///
    /// Linked with all optimisations, made to count which way requests go through it, asked for half a minute, and laid out anew by the
    /// counts. LLVM's BOLT does that: `llvm-bolt` and `merge-fdata` on PATH, else Debian's packages, which are unpacked into the
    /// cache. Where neither is possible, `cargo build --profile dist --bin wasmbay` is the same program as it was linked.
    Dist,
    /// Measure the host as it is shipped: `cargo xtask bench lanes`. Without a name, the bench program lists what there is.
    Bench {
        /// The bench's name and options, passed on to `wasmbay-bench`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let place = Place::find()?;
    let _alone = place.own_target()?;
    match task {
        Task::Up { args } => tasks::up(&place, &Steps::on_stdout(), &args),
        Task::Test { filter } => tasks::test(&place, &Steps::on_stdout(), filter.as_deref()),
        Task::Soak { filter, target, minutes } => {
            let soak = Soak { target: target.as_deref(), minutes };
            tasks::soak(&place, &Steps::on_stdout(), filter.as_deref(), &soak)
        }
        Task::Guests => tasks::guests(&place, &Steps::on_stderr()),
        Task::Peers => tasks::peers(&place, &Steps::on_stderr()),
        Task::Dist => tasks::dist(&place, &Steps::on_stdout()),
        Task::Bench { args } => tasks::bench(&place, &Steps::on_stdout(), &args),
    }
}
