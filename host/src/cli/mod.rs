//! The commands: what may be typed, what is printed, and the exit codes.
//!
//! Standard output is for the answer, standard error for people and the log.

mod ask;
pub mod author;
mod check;
mod dev;
#[cfg(test)]
mod docs;
mod jobs;
mod options;
mod schema;
mod signals;
mod status;
#[cfg(test)]
mod tests;

use std::{ffi::OsString, io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub use self::{
    check::report,
    dev::listing,
    jobs::{JobsArgs, jobs},
    options::{Options, ServeArgs, folder},
    schema::schema,
    signals::Signals,
    status::status,
};
use crate::diagnostic::Diagnostic;

/// How a command ends. The numbers are part of the host's contract; 64 and 70 are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// Faults were found in what was looked at.
    Faults = 1,
    /// The command line or the settings cannot be understood; nothing was begun.
    Usage = 64,
    /// The host failed.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A WebAssembly plugin host: an HTTP server whose handlers are sandboxed plugins, swapped while it serves.
#[derive(Debug, Parser)]
#[command(name = "wasmbay", version, max_term_width = 120, after_long_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  wasmbay new hello --lang rust write a plugin to begin from; then cd hello, wasmbay test
  wasmbay dev plugins           build, watch and serve every plugin under plugins/
  wasmbay check plugins         name every fault in manifests and components, serve nothing
  wasmbay serve plugins         serve, and swap a plugin in when its files change
  wasmbay status                ask the host on this machine what is live and what was refused
  wasmbay jobs                  ask it what its plugins' jobs are at

A plugin is a folder with a plugin.toml:
  manifest = 1
  name = \"hello\"
  version = \"0.1.0\"
  component = \"hello.wasm\"
  lane = \"io\"                   # \"io\" for work that waits, \"compute\" for work that computes

Each option is also a variable (WASMBAY_LISTEN) and a key of wasmbay.toml (listen); flag over variable over file.
WASMBAY_LOG chooses what is logged, for instance WASMBAY_LOG=warn,wasmbay=debug.

Exit codes: 0 well, 1 faults found, 64 wrong usage or settings, 70 the host failed.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve every plugin under a folder.
    #[command(after_long_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Build, watch and serve every plugin under a folder, and tell its author everything.
    ///
    /// Like serve, and besides: plugins with a `[build]` are built, again whenever their sources change; replies to
    /// failed requests tell what the log tells.
    Dev(ServeArgs),
    /// Name every fault in manifests and components at once; serve nothing. Exit code 1 if there is any.
    Check {
        /// The folder that holds the plugins' folders.
        dir: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// The settings, for tenants and caps.
        #[command(flatten)]
        options: Options,
    },
    /// The commands of plugin authors.
    #[command(flatten)]
    Author(author::AuthorCommand),
    /// Print a JSON schema, for editors.
    Schema {
        /// Of which file.
        #[arg(value_enum, default_value_t)]
        of: Schema,
    },
    /// Ask a running host what is live, what was refused, and why.
    Status {
        /// Where the operator's listener is.
        #[arg(long, value_name = "ADDR", env = "WASMBAY_ADMIN", default_value = "127.0.0.1:8081")]
        admin: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask a running host about the jobs of its plugins; try dead ones again, call others off.
    Jobs(JobsArgs),
    /// The host's own: compiles one component, from standard input to standard output.
    #[command(hide = true, name = crate::registry::COMPILE_COMMAND)]
    Compile {
        /// What the host that started it says.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
        words: Vec<String>,
    },
}

const SERVE_EXAMPLES: &str = "\
Examples:
  wasmbay serve plugins
  wasmbay serve plugins --listen 0.0.0.0:8080 --data /var/lib/wasmbay
  wasmbay serve plugins --strict          exit 1 instead of serving when any plugin is refused

Prints one line on standard output once every plugin is live or refused:
  ready listen=127.0.0.1:8080 admin=127.0.0.1:8081
Ctrl-C or SIGTERM drains: what was begun is finished. A second one exits at once.";

/// What a schema is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Schema {
    /// plugin.toml
    #[default]
    Manifest,
    /// wasmbay.toml
    Settings,
    /// checks/*.toml
    Checks,
}

/// Reads the command line; the first word is the program's.
///
/// # Errors
/// The exit code, after help, the version or the complaint was printed.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Exit> {
    Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| {
        // There is nobody left to tell when this fails.
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

/// Prints faults for a person, one a line, and passes the exit code on.
pub fn refuse(faults: &[Diagnostic], exit: Exit) -> Exit {
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    exit
}

/// Prints an answer on standard output, all of it before it returns, and passes the exit code on. A reader that
/// has gone had enough: that is no fault.
pub fn answer(text: &str, exit: Exit) -> Exit {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    exit
}
