//! The commands of plugin authors: `new`, `build`, `test`.

mod build;
mod checks;
mod languages;
mod new;

use std::path::PathBuf;

use clap::Subcommand;

pub use self::languages::Language;
use super::{Exit, Signals};

/// What authors may type.
#[derive(Debug, Subcommand)]
pub enum AuthorCommand {
    /// Write a plugin that builds, runs and is tested, to begin from.
    #[command(after_long_help = NEW_EXAMPLES)]
    New {
        /// The plugin's name, kebab-case; also its folder's.
        name: String,
        /// The language it is written in.
        #[arg(long, value_enum)]
        lang: Language,
        /// The folder that its folder is made in.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Build a plugin as its manifest says, and make its component small.
    ///
    /// Looks for the toolchain first and says what is missing. A core module with handlers becomes a component; debugging sections
    /// are dropped, function names are kept: the log and the dev page show them. `wasmbay dev` builds by itself.
    Build {
        /// The plugin's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Keep what debuggers read in the component.
        #[arg(long)]
        keep_debug: bool,
    },
    /// Run plugins' own checks (checks/*.toml) against a host in this process. Exit code 1 if one fails.
    ///
    /// Builds what has a `[build]`, serves every plugin under the folder on a free port, and sends what the checks say.
    Test {
        /// A plugin's folder, or one that holds several: for plugins that call each other.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// The folder of compiled code [default: .wasmbay beside the folder].
        #[arg(long, value_name = "DIR", env = "WASMBAY_DATA")]
        data: Option<PathBuf>,
    },
}

const NEW_EXAMPLES: &str = "\
Examples:
  wasmbay new hello --lang text           one file of WebAssembly text; nothing to install
  wasmbay new greet --lang rust --dir my  in the folder my/greet
  cd my/greet && wasmbay test             builds it and runs its checks
  wasmbay dev my/greet                    serves it, and builds it again when you edit";

/// Does what the author typed. Ctrl-C ends it, and a build with everything it started.
///
/// # Errors
/// When the host in this process, or the signals, cannot be had.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn run(command: AuthorCommand) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let work = async {
        match command {
            AuthorCommand::New { name, lang, dir } => Ok(new::run(&name, lang, &dir)),
            AuthorCommand::Build { dir, keep_debug } => Ok(build::run(&dir, keep_debug).await),
            AuthorCommand::Test { dir, json, data } => checks::run(&dir, data, json).await,
        }
    };
    tokio::select! {
        exit = work => exit,
        () = signals.next() => Ok(Exit::Faults),
    }
}
