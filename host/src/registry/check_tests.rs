//! `check` names everything at once.

use std::fs;

use super::*;
use crate::registry::testing::{Served, Texts};

#[tokio::test]
async fn every_fault_of_every_plugin_is_reported_at_once() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    served.plugin("b", &["/b"], "bad");
    served.plugin("c", &["/c"], "one");
    served.manifest("c", "name=c\nnonsense");
    served.plugin("d", &["/a"], "one");
    served.plugin("e", &["/e"], "one");
    fs::remove_file(served.path("e/plugin.wat")).unwrap();
    let report = check(&served.settings(), &Texts::default()).await;
    let text: Vec<_> = report.faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        text,
        [
            "one reason",
            "another reason",
            "strange line `nonsense`",
            "the component plugin.wat does not exist",
            "the route `/a` (every method) belongs to the plugin `a`",
        ]
    );
    assert_eq!(report.good, ["default/a"]);
    assert!(report.notes.is_empty());
}

#[tokio::test]
async fn what_the_operator_caps_is_a_note_and_no_fault() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let mut settings = served.settings();
    settings.tenants[0].caps.cpu = Some(Duration::from_millis(1));
    let report = check(&settings, &Texts::default()).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let note = report.notes[0].to_string();
    assert!(
        note.ends_with(
            "a/plugin.toml: `limits.cpu` = 500ms is capped at 1ms by the operator's caps.cpu \
         (ask for 1ms at most, or raise caps.cpu of [tenant.default] in wasmbay.toml)"
        ),
        "{note}"
    );
    assert_eq!(report.good, ["default/a"]);
}
