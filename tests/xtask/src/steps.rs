//! What a person sees while a task runs: one line per step with its time, a spinner where there is a terminal.

use std::{
    cell::Cell,
    io::{self, IsTerminal},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

use crate::command;

/// Runs a task's steps and tells of each.
pub(crate) struct Steps {
    to_stderr: bool,
    started: Instant,
    count: Cell<usize>,
}

impl Steps {
    /// Finished steps go to stdout.
    pub(crate) fn on_stdout() -> Self {
        Self { to_stderr: false, started: Instant::now(), count: Cell::new(0) }
    }

    /// Finished steps go to stderr: stdout is for the task's result.
    pub(crate) fn on_stderr() -> Self {
        Self { to_stderr: true, ..Self::on_stdout() }
    }

    /// Does one step.
    ///
    /// # Errors
    ///
    /// What the work fails with, after a line that says so.
    pub(crate) fn step<T>(&self, name: &str, work: impl FnOnce(&Step) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let begun = Instant::now();
        let step = Step::begin(name);
        let result = work(&step);
        step.clear();
        self.count.set(self.count.get() + 1);
        self.tell(&format!(
            "{:>6} {name} ({})",
            if result.is_ok() { "ok" } else { "FAILED" },
            seconds(begun.elapsed())
        ));
        result
    }

    /// A step that is one command, its output shown only when it fails.
    ///
    /// # Errors
    ///
    /// A command that fails, with its output and the line to run it again.
    pub(crate) fn command(&self, name: &str, root: &Path, command: &mut Command) -> anyhow::Result<()> {
        self.step(name, |step| step.run(root, command))
    }

    /// A step that is one command, its output passed through as it comes.
    ///
    /// # Errors
    ///
    /// A command that fails, with the line to run it again.
    pub(crate) fn aloud(&self, name: &str, root: &Path, command: &mut Command) -> anyhow::Result<()> {
        self.step(name, |step| {
            step.clear();
            let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
            if status.success() { Ok(()) } else { Err(again(root, command)) }
        })
    }

    /// Says that all steps are done.
    pub(crate) fn done(&self) {
        self.tell(&format!("all {} steps passed in {}", self.count.get(), seconds(self.started.elapsed())));
    }

    fn tell(&self, line: &str) {
        if self.to_stderr { eprintln!("{line}") } else { println!("{line}") }
    }
}

/// A step that is going on.
pub(crate) struct Step {
    bar: Option<ProgressBar>,
}

impl Step {
    fn begin(name: &str) -> Self {
        if !io::stderr().is_terminal() {
            eprintln!("   ... {name}");
            return Self { bar: None };
        }
        let style = ProgressStyle::with_template("{spinner:>6} {prefix} [{elapsed}] {wide_msg:.dim}");
        let bar = ProgressBar::new_spinner().with_style(style.expect("the template is a valid one"));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar: Some(bar) }
    }

    /// Says how far it is.
    pub(crate) fn say(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.trim().to_owned());
        }
    }

    /// Says something that stays.
    pub(crate) fn keep(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("       {what}")),
            None => eprintln!("       {what}"),
        }
    }

    /// Runs a command, its last line shown beside the spinner.
    ///
    /// # Errors
    ///
    /// A command that fails, with its output and the line to run it again.
    pub(crate) fn run(&self, root: &Path, command: &mut Command) -> anyhow::Result<()> {
        let mut output = String::new();
        let status = command::run_by_line(command, |line| {
            self.say(line);
            output += line;
            output.push('\n');
        });
        let status = status.with_context(|| format!("cannot start {:?}", command.get_program()))?;
        if status.success() {
            return Ok(());
        }
        self.clear();
        eprint!("{output}");
        Err(again(root, command))
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn again(root: &Path, command: &Command) -> anyhow::Error {
    anyhow!("a command failed; run it again in {} with\n    {}", root.display(), command::shell_line(command, root))
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}
