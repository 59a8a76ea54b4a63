//! The `wasmbay` binary: the whole life of a host on one screen.

use std::{env, path::Path, process::ExitCode};

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use wasmbay::{
    cli::{self, Command, Exit, Options, ServeArgs, Signals, answer, refuse},
    config::Settings,
    diagnostic::Diagnostic,
    host::{self, Host, Mode, Started},
    lanes::tell_waits,
    registry,
    telemetry::logs::{self, Form},
};

/// Faster than the system's under many short-lived allocations of many threads, which is what requests are.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(error) = host::forbid_core_dumps() {
        eprintln!("wasmbay: core dumps cannot be switched off, and would hold secrets: {error}");
        return Exit::Internal.into();
    }
    let done = match cli::parse(env::args_os()) {
        Err(exit) => Ok(exit),
        // Before anything is opened or started: the child walls itself in.
        Ok(Command::Compile { words }) => return registry::child_main(&words),
        Ok(Command::Serve(args)) => live(args, Mode::Serve),
        Ok(Command::Dev(args)) => live(args, Mode::Dev),
        Ok(Command::Check { dir, json, options }) => check(&dir, json, options),
        Ok(Command::Author(command)) => runtime().and_then(|runtime| runtime.block_on(cli::author::run(command))),
        Ok(Command::Schema { of }) => Ok(answer(&cli::schema(of), Exit::Ok)),
        Ok(Command::Jobs(args)) => cli::jobs(args).map(|(text, exit)| answer(&text, exit)),
        Ok(Command::Status { admin, json }) => cli::status(&admin, json).map(|text| answer(&text, Exit::Ok)),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("wasmbay: {error:#}");
            Exit::Internal.into()
        }
    }
}

/// The life of a host: log, settings, plugins, ready; then a signal, a drain, the end.
fn live(args: ServeArgs, mode: Mode) -> anyhow::Result<Exit> {
    host::hold_small_pages();
    let form = if args.json { Form::Json } else { Form::for_stderr() };
    let log = match logs::init(env::var("WASMBAY_LOG").ok().as_deref(), form) {
        Ok(log) => log,
        Err(error) => return Ok(refuse(&[Diagnostic::new("WASMBAY_LOG", error.to_string())], Exit::Usage)),
    };
    let settings = match understood(&args.dir, args.options) {
        Ok(settings) => settings,
        Err(faults) => return Ok(refuse(&faults, Exit::Usage)),
    };
    host::raise_open_files();
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let starting = async {
            let started = Host::start(&settings, &args.dir, mode, args.strict).await?;
            if let Started::Serving(host) = &started {
                host.metrics().watch_log(&log);
                host.ready().await;
            }
            anyhow::Ok(started)
        };
        let host = tokio::select! {
            () = signals.next() => return Ok(Exit::Ok),
            started = starting => match started? {
                Started::Refused(faults) => return Ok(refuse(&faults, Exit::Faults)),
                Started::Serving(host) => host,
            },
        };
        if mode == Mode::Dev {
            eprint!("{}", cli::listing(&host.behind().registry().status(), &settings, host.public()));
        }
        answer(&format!("ready listen={} admin={}\n", host.public(), host.admin()), Exit::Ok);
        signals.next().await;
        tracing::info!(deadline = ?settings.drain, "draining; a second signal ends it at once");
        tokio::select! {
            _ = host.drain(settings.drain) => {}
            () = signals.next() => tracing::warn!("ended by a second signal"),
        }
        Ok(Exit::Ok)
    });
    // Nothing that still runs may hold up the end: after a drain nothing does, after a second signal nobody waits.
    runtime.shutdown_background();
    exit
}

fn check(dir: &Path, json: bool, options: Options) -> anyhow::Result<Exit> {
    match understood(dir, options) {
        Err(faults) => Ok(refuse(&faults, Exit::Usage)),
        Ok(settings) => {
            let (text, exit) = cli::report(&runtime()?.block_on(host::check(&settings, dir))?, json);
            Ok(answer(&text, exit))
        }
    }
}

/// The settings, once the folder and everything that was typed or set make sense.
fn understood(dir: &Path, options: Options) -> Result<Settings, Vec<Diagnostic>> {
    cli::folder(dir).map_err(|fault| vec![fault])?;
    let cwd = env::current_dir().map_err(|error| vec![Diagnostic::new(".", error.to_string())])?;
    options.settings(&|name| env::var(name).ok(), &cwd)
}

fn runtime() -> anyhow::Result<Runtime> {
    tell_waits(Builder::new_multi_thread().enable_all()).build().context("the runtime could not be started")
}
