//! `train`: requests of each kind to a program that counts.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{
    stand::Progress,
    training::{self, Training},
};

/// What is trained.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The host's binary as it was linked
    #[arg(long, env = "WASMBAY_BIN", value_name = "FILE")]
    host: PathBuf,
    /// The same made to count, by `llvm-bolt -instrument`; it writes what it counted as it ends
    #[arg(long, value_name = "FILE")]
    counting: PathBuf,
    /// The folder of built test guests
    #[arg(long, env = "WASMBAY_GUESTS", value_name = "DIR")]
    guests: PathBuf,
    /// How long each kind of request is sent, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

/// Trains it.
///
/// # Errors
///
/// Seconds that are no time, a host that does not start, or one that answers wrongly.
pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let Options { host, counting, guests, seconds } = options;
    let training = Training { host, counting, guests, each: Duration::try_from_secs_f64(seconds)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(training::run(&training, &Progress::new()))
}
