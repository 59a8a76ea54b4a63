//! `wasmbay jobs`: what a running host's jobs are at, and what an operator may do to them.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::{Exit, ask::ask, status::columns};
use crate::store::jobs::Tally;

/// What may be typed after `jobs`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct JobsArgs {
    #[command(subcommand)]
    act: Option<Act>,
    /// Where the operator's listener is.
    #[arg(long, value_name = "ADDR", env = "WASMBAY_ADMIN", default_value = "127.0.0.1:8081", global = true)]
    admin: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Act {
    /// List jobs, the newest first, how many there are, and the schedules. What `wasmbay jobs` alone does.
    List(Filter),
    /// Show one job with its request.
    Show {
        /// Its id, as a list or the answer to the plugin that handed it in has it.
        id: String,
    },
    /// Try dead jobs again: with all of their attempts, and as much time as at first.
    Requeue {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Call jobs off. An attempt that is under way goes on to its end, and nothing comes of it.
    Cancel {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(Clone, Debug, Default, Args)]
struct Filter {
    /// Only those in this state: waiting, ready, running, dead, done or cancelled.
    #[arg(long)]
    state: Option<String>,
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<String>,
    /// Only those for this plugin.
    #[arg(long)]
    plugin: Option<String>,
    /// Only those older than this one: the next page.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  wasmbay jobs                            the newest hundred, the counts, the schedules
  wasmbay jobs list --state dead          what was given up, and why
  wasmbay jobs show 01J9Z3M8WQ…           path, headers and body of one
  wasmbay jobs requeue 01J9Z3M8WQ…        try it again, once what was wrong is mended
  wasmbay jobs list --json --state dead | jq -r '.jobs[].id' | xargs wasmbay jobs requeue

A plugin with `jobs = true` under [grants] hands a job in by
  POST http://jobs.wasmbay.internal/<plugin>/<path>
A job is waiting (not due yet), ready, running, done (answered with 2xx), dead (given up) or cancelled.

Exit codes: 0 well, 1 a job is not there or cannot be, 64 wrong usage, 70 no host answers.";

/// A list as the host answers it. Newer hosts may say more.
#[derive(Deserialize)]
struct Listed {
    jobs: Vec<Value>,
    counts: Vec<Tally>,
    schedules: Vec<Value>,
}

/// Asks the host, and returns what to print and how to exit.
///
/// # Errors
/// When nobody answers, or something that is no host.
pub fn jobs(args: JobsArgs) -> anyhow::Result<(String, Exit)> {
    let JobsArgs { act, admin, json } = args;
    match act.unwrap_or(Act::List(Filter::default())) {
        Act::List(filter) => one(&admin, "GET", &format!("/jobs?{}", filter.query()), json, listed),
        Act::Show { id } => one(&admin, "GET", &format!("/jobs/{}", escaped(&id)), json, shown),
        Act::Requeue { ids } => each(&admin, &ids, "requeue", json),
        Act::Cancel { ids } => each(&admin, &ids, "cancel", json),
    }
}

fn escaped(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

impl Filter {
    fn query(&self) -> String {
        let named =
            [("state", &self.state), ("tenant", &self.tenant), ("plugin", &self.plugin), ("after", &self.after)];
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in named {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

fn one(
    admin: &str,
    method: &str,
    path: &str,
    json: bool,
    form: fn(&Value) -> anyhow::Result<String>,
) -> anyhow::Result<(String, Exit)> {
    let (status, text) = ask(admin, method, path)?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("what answers at {admin} is no wasmbay"))?;
    if status != 200 {
        return Ok((if json { text } else { format!("{}\n", string(&value["detail"])) }, Exit::Faults));
    }
    Ok((if json { text } else { form(&value)? }, Exit::Ok))
}

fn each(admin: &str, ids: &[String], what: &str, json: bool) -> anyhow::Result<(String, Exit)> {
    let (mut text, mut exit) = (String::new(), Exit::Ok);
    for id in ids {
        let done = |value: &Value| Ok(format!("{} {}\n", string(&value["id"]), string(&value["state"])));
        let (line, how) = one(admin, "POST", &format!("/jobs/{}/{what}", escaped(id)), json, done)?;
        text += &line;
        if how != Exit::Ok {
            exit = how;
        }
    }
    Ok((text, exit))
}

fn string(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The list for people: jobs, counts, schedules.
fn listed(value: &Value) -> anyhow::Result<String> {
    let Listed { jobs, counts, schedules } =
        Listed::deserialize(value).context("the host's answer is of another version")?;
    let mut text = String::new();
    if jobs.is_empty() {
        text += "no jobs\n";
    } else {
        let mut rows = vec![["ID", "STATE", "PLUGIN", "PATH", "ATTEMPT", "DUE", "WHY"].map(str::to_owned)];
        rows.extend(jobs.iter().map(row));
        text += &columns(&rows);
    }
    if !counts.is_empty() {
        let mut rows = vec![["PLUGIN", "STATE", "JOBS", "BYTES"].map(str::to_owned)];
        rows.extend(counts.iter().map(|tally| {
            let Tally { tenant, plugin, state, jobs, bytes } = tally;
            [format!("{tenant}/{plugin}"), state.name().to_owned(), jobs.to_string(), bytes.to_string()]
        }));
        write!(text, "\n{}", columns(&rows))?;
    }
    if !schedules.is_empty() {
        let mut rows = vec![["SCHEDULE", "CRON", "TIMEZONE", "PATH", "NEXT"].map(str::to_owned)];
        rows.extend(schedules.iter().map(|schedule| {
            let plugin = format!("{}/{}", string(&schedule["tenant"]), string(&schedule["plugin"]));
            let of = |name: &str| string(&schedule[name]);
            [plugin, of("cron"), of("timezone"), of("path"), of("next")]
        }));
        write!(text, "\n{}", columns(&rows))?;
    }
    Ok(text)
}

fn row(job: &Value) -> [String; 7] {
    let of = |name: &str| string(&job[name]);
    [
        of("id"),
        of("state"),
        format!("{}/{}", of("tenant"), of("plugin")),
        of("path"),
        format!("{}/{}", of("attempt"), of("attempts")),
        of("due"),
        of("why"),
    ]
}

/// One job for people: a line for each thing known, then the request.
fn shown(value: &Value) -> anyhow::Result<String> {
    let mut text = String::new();
    for name in
        ["id", "state", "tenant", "plugin", "by", "key", "path", "priority", "made", "due", "deadline", "ended", "why"]
    {
        if !value[name].is_null() {
            writeln!(text, "{name:9} {}", string(&value[name]))?;
        }
    }
    writeln!(text, "{:9} {} of {}", "attempt", string(&value["attempt"]), string(&value["attempts"]))?;
    for header in value["headers"].as_array().into_iter().flatten() {
        writeln!(text, "{:9} {}: {}", "header", string(&header[0]), string(&header[1]))?;
    }
    writeln!(text, "{:9} {} bytes\n{}", "body", string(&value["body_bytes"]), string(&value["body"]))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_has_jobs_counts_and_schedules() {
        let value = json!({
            "jobs": [{ "id": "A", "state": "dead", "tenant": "t", "plugin": "p", "path": "/x", "attempt": 3, "attempts": 3,
                       "due": "2026-01-01T00:00:00Z", "why": "status 500" }],
            "counts": [{ "tenant": "t", "plugin": "p", "state": "dead", "jobs": 1, "bytes": 9 }],
            "schedules": [{ "tenant": "t", "plugin": "p", "cron": "@daily", "timezone": "UTC", "path": "/tick", "next": null }],
        });
        let expected = "\
ID  STATE  PLUGIN  PATH  ATTEMPT  DUE                   WHY
A   dead   t/p     /x    3/3      2026-01-01T00:00:00Z  status 500

PLUGIN  STATE  JOBS  BYTES
t/p     dead   1     9

SCHEDULE  CRON    TIMEZONE  PATH   NEXT
t/p       @daily  UTC       /tick
";
        assert_eq!(listed(&value).expect("a list"), expected);
        let none = json!({ "jobs": [], "counts": [], "schedules": [] });
        assert_eq!(listed(&none).expect("a list"), "no jobs\n");
    }

    #[test]
    fn what_is_typed_cannot_leave_its_place() {
        assert_eq!(escaped("a/../x?y"), "a%2F%2E%2E%2Fx%3Fy");
        let filter = Filter { state: Some("dead".to_owned()), tenant: Some("a&b".to_owned()), ..Filter::default() };
        assert_eq!(filter.query(), "state=dead&tenant=a%26b");
    }
}
