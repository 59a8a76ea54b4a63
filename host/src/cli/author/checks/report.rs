//! What the checks showed, for people and for programs.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{cli::Exit, registry::PluginStatus};

/// Everything that was found.
pub(super) struct Report {
    /// What is wrong with no plugin in particular.
    pub(super) faults: Vec<String>,
    /// The plugins, in the order of their folders.
    pub(super) subjects: Vec<Subject>,
}

/// One plugin.
pub(super) struct Subject {
    name: String,
    folder: PathBuf,
    /// Why it does not serve, and what is wrong with its files of checks.
    pub(super) faults: Vec<String>,
    /// Its checks.
    pub(super) outcomes: Vec<Outcome>,
}

/// One check.
pub(super) struct Outcome {
    /// The file that it stands in.
    pub(super) file: PathBuf,
    /// And the line.
    pub(super) line: Option<usize>,
    /// What it shows.
    pub(super) name: String,
    /// From the connection to the answer's end.
    pub(super) took: Duration,
    /// What is otherwise than expected; none when it passed.
    pub(super) differences: Vec<String>,
}

impl Subject {
    pub(super) fn new(plugin: &PluginStatus) -> Self {
        let (name, folder) = (plugin.name.clone(), PathBuf::from(&plugin.folder));
        Self { name, folder, faults: plugin.faults.clone(), outcomes: Vec::new() }
    }

    /// A file as the reader of the report would name it.
    fn short<'f>(&self, file: &'f Path) -> std::path::Display<'f> {
        file.strip_prefix(&self.folder).unwrap_or(file).display()
    }
}

impl Report {
    fn counts(&self) -> (usize, usize) {
        let outcomes = self.subjects.iter().flat_map(|subject| &subject.outcomes);
        let (passed, failed): (Vec<_>, Vec<_>) = outcomes.partition(|outcome| outcome.differences.is_empty());
        (passed.len(), failed.len())
    }

    /// Well only if something was checked and nothing is wrong.
    pub(super) fn exit(&self) -> Exit {
        let (passed, failed) = self.counts();
        let faulty = !self.faults.is_empty() || self.subjects.iter().any(|subject| !subject.faults.is_empty());
        if passed > 0 && failed == 0 && !faulty { Exit::Ok } else { Exit::Faults }
    }

    pub(super) fn as_text(&self) -> String {
        let mut text = String::new();
        let mut say = |line: String| writeln!(text, "{line}").expect("memory does not fail");
        self.faults.iter().for_each(|fault| say(format!("fault  {fault}")));
        for subject in &self.subjects {
            say(subject.name.clone());
            subject.faults.iter().for_each(|fault| say(format!("  fault  {fault}")));
            if subject.outcomes.is_empty() && subject.faults.is_empty() {
                say("  no checks: write some in checks/*.toml".to_owned());
            }
            for outcome in &subject.outcomes {
                let Outcome { file, line, name, took, differences } = outcome;
                if differences.is_empty() {
                    say(format!("  ok     {name} ({} ms)", took.as_millis()));
                    continue;
                }
                let line = line.map_or_else(String::new, |line| format!(":{line}"));
                say(format!("  FAILED {name} ({}{line})", subject.short(file)));
                differences.iter().for_each(|difference| say(format!("           {difference}")));
            }
        }
        let (passed, failed) = self.counts();
        match passed + failed {
            0 => say("nothing was checked".to_owned()),
            _ => say(format!("{passed} passed, {failed} failed")),
        }
        text
    }

    pub(super) fn as_json(&self) -> String {
        let (passed, failed) = self.counts();
        let plugins: Vec<_> = self.subjects.iter().map(Subject::as_json).collect();
        let report = json!({ "passed": passed, "failed": failed, "faults": self.faults, "plugins": plugins });
        format!("{report:#}\n")
    }
}

impl Subject {
    fn as_json(&self) -> Value {
        let check = |outcome: &Outcome| {
            json!({
                "name": outcome.name,
                "file": outcome.file,
                "line": outcome.line,
                "ms": outcome.took.as_secs_f64() * 1000.0,
                "passed": outcome.differences.is_empty(),
                "differences": outcome.differences,
            })
        };
        let checks: Vec<_> = self.outcomes.iter().map(check).collect();
        json!({ "name": self.name, "folder": self.folder, "faults": self.faults, "checks": checks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(differences: &[&str], faults: &[&str]) -> Report {
        let outcome = Outcome {
            file: "/p/a/checks/x.toml".into(),
            line: Some(3),
            name: "GET /a".to_owned(),
            took: Duration::from_millis(2),
            differences: differences.iter().map(ToString::to_string).collect(),
        };
        let faults = faults.iter().map(ToString::to_string).collect();
        let subject = Subject { name: "a".to_owned(), folder: "/p/a".into(), faults, outcomes: vec![outcome] };
        Report { faults: Vec::new(), subjects: vec![subject] }
    }

    #[test]
    fn people_read_what_passed_and_what_differs() {
        assert_eq!(report(&[], &[]).as_text(), "a\n  ok     GET /a (2 ms)\n1 passed, 0 failed\n");
        let failed = report(&["status: 500, expected 200"], &["no lane"]).as_text();
        let expected = "a\n  fault  no lane\n  FAILED GET /a (checks/x.toml:3)\n           status: 500, expected 200\n\
                        0 passed, 1 failed\n";
        assert_eq!(failed, expected);
    }

    #[test]
    fn it_is_well_only_when_something_was_checked_and_nothing_is_wrong() {
        assert_eq!(report(&[], &[]).exit(), Exit::Ok);
        assert_eq!(report(&["x"], &[]).exit(), Exit::Faults);
        assert_eq!(report(&[], &["x"]).exit(), Exit::Faults);
        assert_eq!(Report { faults: Vec::new(), subjects: Vec::new() }.exit(), Exit::Faults);
    }

    #[test]
    fn programs_read_the_same() {
        let value: Value = serde_json::from_str(&report(&["x"], &[]).as_json()).expect("JSON");
        assert_eq!(value["failed"], 1);
        assert_eq!(value["plugins"][0]["checks"][0]["differences"][0], "x");
    }
}
