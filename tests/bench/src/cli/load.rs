//! `load`: the generator, by hand with flags or for the harness with a plan.

use std::{io::Read as _, net::SocketAddr, thread};

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::{sync::oneshot, task::LocalSet};

use crate::load::{self, Body, Group, LoadReport, Plan, Shape};

/// One measurement.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to ask for: http://ADDRESS:PORT/PATH, the address in digits
    #[arg(required_unless_present = "plan", value_name = "URL")]
    url: Option<String>,
    /// Connections; with --rate, at most so many requests at once
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long counts
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long load runs before anything counts, in seconds
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Open loop: so many requests a second, latency counted from when each was due
    #[arg(long, conflicts_with = "hold")]
    rate: Option<f64>,
    /// Hold: so many requests open at once, each on a connection of its own; ends with the last reply
    #[arg(long)]
    hold: Option<usize>,
    /// With --hold: start the requests over so many seconds
    #[arg(long, default_value_t = 1.0, requires = "hold")]
    ramp: f64,
    /// Count a 2xx reply with any other body as wrong
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// Read a plan from the first line of standard input; several groups of requests at once
    #[arg(long, hide_short_help = true)]
    plan: bool,
}

/// Runs the generator and prints its report.
///
/// # Errors
///
/// When the options or the plan cannot be understood, or the generator fails.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let plan = if options.plan { read_plan()? } else { plan(options)? };
    let stop = if plan.measure_ms.is_none() { Some(end_of_input()?) } else { None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report: LoadReport = runtime.block_on(LocalSet::new().run_until(load::run(plan, async {
        match stop {
            // An error means that the reading thread is gone, and with it the input.
            Some(stop) => drop(stop.await),
            None => std::future::pending().await,
        }
    })))?;
    let text =
        if options.plan { serde_json::to_string(&report)? } else { serde_json::to_string_pretty(&brief(report))? };
    println!("{text}");
    Ok(())
}

/// Without the histograms, which are for merging.
fn brief(mut report: LoadReport) -> LoadReport {
    for group in &mut report.groups {
        group.latency.histogram.clear();
        group.refusal_latency.histogram.clear();
    }
    report
}

fn read_plan() -> anyhow::Result<Plan> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    serde_json::from_str(&line).context("the plan cannot be understood")
}

/// Fires when standard input ends.
fn end_of_input() -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let read = move || {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    };
    thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
    Ok(end)
}

fn plan(options: &Options) -> anyhow::Result<Plan> {
    let (address, target) = split(options.url.as_deref().unwrap_or_default())?;
    let group = Group::closed("load", address, &target, options.connections);
    let group = group.body(options.body.clone().map_or(Body::Any, Body::Exact));
    let milliseconds = |seconds: f64| (seconds * 1_000.0) as u64;
    let shape = match (options.rate, options.hold) {
        (Some(rate), _) => Shape::Open { rate, connections: options.connections },
        (_, Some(requests)) => Shape::Hold { requests, ramp_ms: milliseconds(options.ramp) },
        _ => Shape::Closed { connections: options.connections },
    };
    let warmup = if options.hold.is_some() { 0.0 } else { options.warmup };
    let measure_ms = Some(milliseconds(options.seconds));
    Ok(Plan { groups: vec![group.shape(shape)], warmup_ms: milliseconds(warmup), measure_ms })
}

fn split(url: &str) -> anyhow::Result<(SocketAddr, String)> {
    let Some(rest) = url.strip_prefix("http://") else { bail!("{url:?} does not begin with http://") };
    let (authority, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address = authority.parse().with_context(|| format!("{authority:?} is not an address and a port in digits"))?;
    Ok((address, if target.is_empty() { "/".to_owned() } else { target.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_where_its_path_begins() -> anyhow::Result<()> {
        assert_eq!(split("http://127.0.0.1:80/a?b=/c")?, ("127.0.0.1:80".parse()?, "/a?b=/c".to_owned()));
        assert_eq!(split("http://127.0.0.1:80")?.1, "/");
        assert!(split("https://127.0.0.1:80/").is_err() && split("http://name/").is_err());
        Ok(())
    }
}
