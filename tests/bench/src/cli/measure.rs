//! Runs a scenario, prints it, keeps it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;

use crate::{
    report::{Document, markdown},
    scale::Scale,
    scenario::Scenario,
    stand::{Bench, Languages, Places},
};

/// Where figures that count are kept: beside the source they were measured by.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results");

/// How a scenario is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run just these cases, by name
    #[arg(long, value_delimiter = ',', value_name = "CASE,…")]
    only: Vec<String>,
    /// The size of a smoke test: one short round
    #[arg(long)]
    quick: bool,
    /// Valid rounds wanted of each case [default: 5, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: Option<u16>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Write SCENARIO.md and SCENARIO.json here [default: tests/bench/results for a full run, nowhere for a part or --quick]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The host's binary, built for release
    #[arg(long, env = "WASMBAY_BIN", value_name = "FILE")]
    host: PathBuf,
    /// The folder of built test guests: http02.wasm, http03.wasm
    #[arg(long, env = "WASMBAY_GUESTS", value_name = "DIR")]
    guests: PathBuf,
    /// The folder of example plugins, built
    #[arg(long, env = "WASMBAY_PLUGINS", value_name = "DIR")]
    plugins: PathBuf,
    /// The folder of fetched toolchains; `languages`, `peers` and `io` need it and the two below
    #[arg(long, env = "WASMBAY_LANGUAGES", value_name = "DIR")]
    languages: Option<PathBuf>,
    /// The folder of Python applications for tests
    #[arg(long, env = "WASMBAY_PYTHON", value_name = "DIR")]
    python: Option<PathBuf>,
    /// The folder of servers to measure beside
    #[arg(long, env = "WASMBAY_PEERS", value_name = "DIR")]
    peers: Option<PathBuf>,
    /// The program wasmtime, of the version that the host is made with; `peers` and `io` need it
    #[arg(long, env = "WASMBAY_WASMTIME", value_name = "FILE")]
    wasmtime: Option<PathBuf>,
    /// The bench's server in hyper and sqlx; `io` needs it
    #[arg(long, env = "WASMBAY_NATIVE", value_name = "FILE")]
    native: Option<PathBuf>,
}

/// The cases of a scenario, for its help.
pub(crate) fn cases(scenario: Scenario) -> String {
    let lines = scenario.cases().iter().map(|(name, title)| format!("\n  {name:<15} {title}"));
    format!("Cases:{}", lines.collect::<String>())
}

/// Runs a scenario.
///
/// # Errors
///
/// When an option names nothing that exists, the control does not start, or the results cannot be written.
pub(crate) fn run(scenario: Scenario, options: &Options) -> anyhow::Result<ExitCode> {
    check(scenario, options)?;
    let languages = match (&options.languages, &options.python, &options.peers) {
        (Some(toolchains), Some(python), Some(peers)) => {
            Some(Languages { toolchains: toolchains.clone(), python: python.clone(), peers: peers.clone() })
        }
        _ => None,
    };
    let (host, guests, plugins) = (options.host.clone(), options.guests.clone(), options.plugins.clone());
    let (wasmtime, native) = (options.wasmtime.clone(), options.native.clone());
    let places = Places { host, guests, plugins, languages, wasmtime, native };
    let mut scale = if options.quick { Scale::QUICK } else { scenario.scale() };
    scale.rounds = options.rounds.map_or(scale.rounds, usize::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(async {
        let bench = Bench::new(places, scale).await?;
        let document = scenario.run(&bench, &options.only, options.quick).await;
        bench.end().await;
        anyhow::Ok(document)
    })?;
    print(&document, options.json)?;
    if let Some(folder) = folder(options) {
        document.write(&folder)?;
    }
    Ok(if document.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(scenario: Scenario, options: &Options) -> anyhow::Result<()> {
    let names: Vec<&str> = scenario.cases().iter().map(|(name, _)| *name).collect();
    for only in &options.only {
        anyhow::ensure!(names.contains(&only.as_str()), "no case is called {only:?}; there are {}", names.join(", "));
    }
    for path in [&options.host, &options.guests, &options.plugins] {
        path.metadata().with_context(|| format!("cannot find {}", path.display()))?;
    }
    Ok(())
}

fn print(document: &Document, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string_pretty(document)? } else { markdown(document) };
    println!("{text}");
    Ok(())
}

/// Where the results go: a part of a scenario or a smoke test never replaces the record unasked.
fn folder(options: &Options) -> Option<PathBuf> {
    let record = options.only.is_empty() && !options.quick;
    options.out.clone().or_else(|| record.then(|| PathBuf::from(RESULTS)))
}
