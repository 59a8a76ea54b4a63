//! What is going on, on standard error: a spinner for a person, lines for a file.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::ProgressBar;

/// Says what is being done.
pub(crate) struct Progress {
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// A spinner on a terminal; it ticks four times a second, which no measurement feels.
    pub(crate) fn new() -> Self {
        let spinner = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        if let Some(spinner) = &spinner {
            spinner.enable_steady_tick(Duration::from_millis(250));
        }
        Self { spinner }
    }

    /// What is being done from now on.
    pub(crate) fn say(&self, what: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(what.to_owned()),
            None => eprintln!("{what}"),
        }
    }

    /// A line that stays.
    pub(crate) fn keep(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => spinner.println(line),
            None => eprintln!("{line}"),
        }
    }
}
