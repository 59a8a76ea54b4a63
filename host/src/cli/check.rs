//! `wasmbay check`: what is wrong and what is fine, for people and for programs.

use std::fmt::Write;

use serde_json::json;

use super::Exit;
use crate::{diagnostic::Diagnostic, registry::CheckReport};

/// What to print, and how to exit: faults are in the answer, so they are on standard output.
pub fn report(report: &CheckReport, json: bool) -> (String, Exit) {
    let exit = if report.faults.is_empty() { Exit::Ok } else { Exit::Faults };
    let text = if json { as_json(report) } else { as_text(report) };
    (text, exit)
}

fn as_json(report: &CheckReport) -> String {
    let list = |diagnostics: &[Diagnostic]| {
        let one = |diagnostic: &Diagnostic| {
            json!({
                "file": diagnostic.file,
                "line": diagnostic.line,
                "message": diagnostic.message,
                "remedy": diagnostic.remedy,
            })
        };
        diagnostics.iter().map(one).collect::<Vec<_>>()
    };
    let report = json!({ "good": report.good, "notes": list(&report.notes), "faults": list(&report.faults) });
    format!("{report:#}\n")
}

fn as_text(report: &CheckReport) -> String {
    let mut text = String::new();
    let mut say = |line: String| writeln!(text, "{line}").expect("memory does not fail");
    report.good.iter().for_each(|plugin| say(format!("fine   {plugin}")));
    report.notes.iter().for_each(|note| say(format!("note   {note}")));
    report.faults.iter().for_each(|fault| say(format!("fault  {fault}")));
    match (report.good.len(), report.faults.len()) {
        (0, 0) => say("no plugin found: a plugin is a folder with a plugin.toml".to_owned()),
        (good, faults) => say(format!("{good} fine, {faults} {}", if faults == 1 { "fault" } else { "faults" })),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> CheckReport {
        CheckReport {
            faults: vec![
                Diagnostic::new("a/plugin.toml", "unknown key \"lan\"").at(3).remedy("did you mean \"lane\"?"),
            ],
            notes: vec![Diagnostic::new("b/plugin.toml", "limits.cpu is capped")],
            good: vec!["default/b".to_owned()],
        }
    }

    #[test]
    fn faults_decide_the_exit_code() {
        assert_eq!(report(&found(), false).1, Exit::Faults);
        assert_eq!(report(&CheckReport { faults: Vec::new(), ..found() }, false).1, Exit::Ok);
    }

    #[test]
    fn people_see_what_is_fine_and_what_is_not() {
        let expected = "\
fine   default/b
note   b/plugin.toml: limits.cpu is capped
fault  a/plugin.toml:3: unknown key \"lan\" (did you mean \"lane\"?)
1 fine, 1 fault
";
        assert_eq!(report(&found(), false).0, expected);
    }

    #[test]
    fn programs_see_the_same() {
        let value: serde_json::Value = serde_json::from_str(&report(&found(), true).0).unwrap();
        assert_eq!(value["faults"][0]["line"], 3);
        assert_eq!(value["good"][0], "default/b");
        assert_eq!(value["notes"][0]["remedy"], serde_json::Value::Null);
    }
}
