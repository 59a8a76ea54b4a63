//! `wasmbay status`: what a running host says of itself.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::ask::ask;
use crate::registry::{LiveStatus, PluginStatus, State, Status};

/// What `/status` answers, as far as it is shown. Newer hosts may say more.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    /// Whether wasi:http 0.3 plugins may load.
    wasi_http_03: bool,
    /// What the operator asked for and did not get.
    #[serde(default)]
    notes: Vec<String>,
    #[serde(flatten)]
    status: Status,
}

/// Asks the host at `admin`, and returns what to print.
///
/// # Errors
/// When nobody answers, or something that is no host.
pub fn status(admin: &str, json: bool) -> anyhow::Result<String> {
    let (status, text) = ask(admin, "GET", "/status")?;
    if status != 200 {
        bail!("what answers at {admin} says {status}");
    }
    if json {
        return Ok(text);
    }
    let shown = serde_json::from_str(&text).with_context(|| format!("what answers at {admin} is no wasmbay"))?;
    Ok(table(&shown))
}

/// The table for people: one line a plugin, then what is wrong.
pub(super) fn table(shown: &Shown) -> String {
    let status = &shown.status;
    let mut rows = vec![["PLUGIN", "STATE", "LANE", "KIND", "REVISION", "ROUTES"].map(str::to_owned)];
    rows.extend(status.plugins.iter().map(row));
    let mut text = columns(&rows);
    let mut say = |line: String| writeln!(text, "{line}").expect("memory does not fail");
    status.faults.iter().for_each(|fault| say(format!("\n{fault}")));
    for plugin in &status.plugins {
        for (what, lines) in [("refused", &plugin.faults), ("note", &plugin.notes)] {
            lines.iter().for_each(|line| say(format!("\n{}/{} {what}: {line}", plugin.tenant, plugin.name)));
        }
        let schedules = plugin.live.iter().flat_map(|live| &live.schedules);
        schedules.for_each(|line| say(format!("\n{}/{} schedule: {line}", plugin.tenant, plugin.name)));
    }
    shown.notes.iter().for_each(|note| say(format!("\nnote: {note}")));
    let allowed = if shown.wasi_http_03 { "on" } else { "off" };
    say(format!("\n{}; wasi:http 0.3 is {allowed}", if status.ready { "ready" } else { "starting" }));
    text
}

fn row(plugin: &PluginStatus) -> [String; 6] {
    let live = |of: fn(&LiveStatus) -> String| plugin.live.as_ref().map_or("-".to_owned(), of);
    [
        format!("{}/{}", plugin.tenant, plugin.name),
        state(plugin.state).to_owned(),
        live(|live| live.lane.clone()),
        live(|live| live.kind.clone()),
        live(|live| live.digest.chars().take(12).collect()),
        live(|live| live.routes.join(" ")),
    ]
}

/// The word for a state.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::Outdated => "outdated",
        State::Refused => "refused",
        State::Building => "building",
        State::Waiting => "waiting",
        State::Leaving => "leaving",
    }
}

/// Lines whose cells stand below each other.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
