//! `wasmbay test`: plugins' own checks, against a host in this process.

mod ask;
mod judge;
mod report;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use self::report::{Outcome, Report, Subject};
use crate::{
    cli::{Exit, answer, folder, refuse},
    config::{CheckFile, Settings, Supplies},
    diagnostic::Diagnostic,
    host::{Host, Mode, Started},
    registry::PluginStatus,
    telemetry::logs::{self, Form},
};

/// The folder of a plugin's checks.
const FOLDER: &str = "checks";

/// Instance slots of each lane: checks run one by one, and plugins may call each other.
const SLOTS: u32 = 32;

/// What is logged: warnings, and the output of builds, which may take long.
const LOGGED: &str = "warn,wasmbay::build=info";

/// Serves what is under `dir` and runs every check.
///
/// # Errors
/// When the host cannot be had.
pub(super) async fn run(dir: &Path, data: Option<PathBuf>, json: bool) -> anyhow::Result<Exit> {
    if let Err(fault) = folder(dir) {
        return Ok(refuse(&[fault], Exit::Usage));
    }
    let filter = env::var("WASMBAY_LOG").unwrap_or_else(|_| LOGGED.to_owned());
    let _log = match logs::init(Some(&filter), Form::Human) {
        Ok(log) => log,
        Err(error) => return Ok(refuse(&[Diagnostic::new("WASMBAY_LOG", error.to_string())], Exit::Usage)),
    };
    let any = "127.0.0.1:0".parse()?;
    // Every run begins with empty stores, and leaves the author's own alone.
    let kept = tempfile::tempdir().context("a folder for what plugins keep cannot be made")?;
    let settings = Settings {
        listen: any,
        admin: any,
        data,
        io_instances: SLOTS,
        compute_instances: SLOTS,
        state: Some(kept.path().to_owned()),
        supplies: Supplies { stand_ins: true, ..Supplies::default() },
        ..Settings::default()
    };
    // In dev mode plugins are built, and an answer tells what is inside a failure.
    let Started::Serving(host) = Host::start(&settings, dir, Mode::Dev, false).await? else {
        unreachable!("only a strict host refuses to serve");
    };
    host.ready().await;
    host.behind().registry().settled().await;
    let status = host.behind().registry().status();
    let mut report = Report { faults: status.faults.clone(), subjects: Vec::new() };
    for plugin in &status.plugins {
        report.subjects.push(examine(plugin, &host).await);
    }
    host.drain(Duration::ZERO).await;
    let text = if json { report.as_json() } else { report.as_text() };
    Ok(answer(&text, report.exit()))
}

/// Runs the checks of one plugin.
async fn examine(plugin: &PluginStatus, host: &Host) -> Subject {
    let mut subject = Subject::new(plugin);
    let files = match files(Path::new(&plugin.folder)) {
        Ok(files) => files,
        Err(error) => {
            subject.faults.push(format!("the folder {FOLDER} cannot be read: {error}"));
            return subject;
        }
    };
    for file in files {
        match CheckFile::read(&file) {
            Err(faults) => subject.faults.extend(faults.iter().map(ToString::to_string)),
            Ok(read) if plugin.live.is_some() && plugin.faults.is_empty() => {
                for check in read.checks {
                    let begun = Instant::now();
                    let differences = match ask::ask(host.public(), &check).await {
                        Ok(answer) => judge::differences(&check.expect, &answer),
                        Err(error) => vec![format!("no whole answer: {error:#}")],
                    };
                    let (file, took) = (file.clone(), begun.elapsed());
                    subject.outcomes.push(Outcome { file, line: check.line, name: check.name, took, differences });
                }
            }
            // What does not serve cannot be asked: the plugin's own faults say why.
            Ok(_) => {}
        }
    }
    subject
}

/// The files of checks, by name. A plugin may have none.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}
