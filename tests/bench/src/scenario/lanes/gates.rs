//! Every gate narrow, plugins that call each other: nobody waits for ever.

use std::fmt::Write as _;

use crate::{
    figure::{Spec, at_least, never_above, none_of, percent},
    load::{Body, Group, LoadReport},
    report::Section,
    rounds::Sample,
    scenario::{Case, collected::Collected},
    stand::{Bench, Host, Plugin, Served},
};

/// How wide each gate is, one host for each.
const WIDTHS: std::ops::RangeInclusive<u32> = 1..=4;

/// Connections of either load: twice the widest gate.
const CONNECTIONS: usize = 8;

/// `queue_timeout` of both plugins.
const QUEUE_TIMEOUT: &str = "200ms";

/// The histogram's bucket that holds every wait up to [`QUEUE_TIMEOUT`], with 50 ms for a late timer.
const WITHIN: &str = "0.25";

/// Three waits in turn (A, B and A again), and 50 ms for each timer and hop.
const LONGEST_MS: f64 = 750.0;

const OVERDUE: &str = "waits longer than queue_timeout";
const UNANSWERED: &str = "requests without an answer";
const TIMED_OUT: &str = "requests that ran into limits.timeout";
const LONGEST: &str = "longest reply, three waits in turn";
const GOOD: &str = "answered with 2xx, all widths";

const FIGURES: &[Spec] = &[
    none_of(OVERDUE),
    none_of(UNANSWERED),
    none_of(TIMED_OUT),
    never_above(LONGEST, "ms", LONGEST_MS),
    // Gates that refuse everything would meet the rest.
    at_least(GOOD, "%", 1.0),
];

/// Runs the case.
pub(crate) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    let mut hosts = Vec::new();
    for width in WIDTHS {
        hosts.push((width, start(bench, width).await?));
    }
    let mut collected = Collected::default();
    let round = async |n: usize| {
        let mut sample = Sample::new();
        for (width, host) in &hosts {
            let before = waits(host).await?;
            let report = bench.load(groups(host)).await?;
            add(&mut sample, &report, waits(host).await? - before)?;
            for group in &report.groups {
                collected.keep(&format!("width {width}, {}", group.name), n, group);
            }
            host.trim_log();
        }
        let [good, all] = [GOOD, ALL].map(|name| sample.remove(name).unwrap_or_default());
        sample.insert(GOOD, percent(good, all));
        Ok(sample)
    };
    let mut section = bench.section(case, FIGURES, round).await?;
    collected.add_to(&mut section);
    section
        .notes
        .push("At width 1 no `call` can succeed: A's one permit is its own caller's. It is refused in time.".into());
    for (_, host) in hosts {
        host.stop().await;
    }
    Ok(section)
}

/// Counts of all replies while a round adds up; no figure.
const ALL: &str = "all";

async fn start(bench: &Bench, width: u32) -> anyhow::Result<Host> {
    let limits = format!("max_concurrent = {width}\nqueue = 64\nqueue_timeout = {QUEUE_TIMEOUT:?}\ntimeout = \"5s\"\n");
    let guest = || bench.places.guest("http02");
    let a = Plugin::io("a", guest()).limits(&limits).more("\n[grants]\nplugins = [\"b\"]\n");
    let b = Plugin::io("b", guest()).limits(&limits).more("\n[grants]\nplugins = [\"a\"]\n");
    // Only calls reach B: they match its paths whatever its host name.
    let b = b.route_of("b.example", "/{*rest}");
    let served = Served::new()?.tenant("t", &format!("caps = {{ max_concurrent = {width} }}"));
    // A quarter of the instances is kept for calls: as many as the gate is wide.
    let served = served.setting(&format!("max_concurrent = {width}\nio_instances = {}", 4 * width));
    Host::start(&bench.places.host, served.plugin("t", &a)?.plugin("t", &b)?).await
}

fn groups(host: &Host) -> Vec<Group> {
    let hello = "http://a.plugin.internal/hello";
    let through_b = format!("http://b.plugin.internal/call?url={}", encode(hello));
    let call = format!("/t/call?url={}", encode(&through_b));
    let fan = format!("/t/fan?n=8&url={}", encode("http://b.plugin.internal/hello"));
    [("call", call), ("fan", fan)]
        .map(|(name, target)| Group::closed(name, host.listen, &target, CONNECTIONS).body(Body::Any))
        .into()
}

/// Waits that were longer than they may be, since the host began.
async fn waits(host: &Host) -> anyhow::Result<f64> {
    let metrics = host.metrics().await?;
    let count = metrics.sum("wasmbay_queue_seconds_count", &[]).unwrap_or_default();
    let within = metrics.sum("wasmbay_queue_seconds_bucket", &[("le", WITHIN)]).unwrap_or_default();
    Ok(count - within)
}

fn add(sample: &mut Sample, report: &LoadReport, overdue: f64) -> anyhow::Result<()> {
    *sample.entry(OVERDUE).or_default() += overdue;
    for name in ["call", "fan"] {
        let group = report.group(name)?;
        let timeouts = group.problems.get("timeout").copied().unwrap_or(0);
        *sample.entry(UNANSWERED).or_default() += group.errors.values().sum::<u64>() as f64;
        *sample.entry(TIMED_OUT).or_default() += timeouts as f64;
        *sample.entry(GOOD).or_default() += (group.requests - group.non_2xx) as f64;
        *sample.entry(ALL).or_default() += group.requests as f64;
        let longest = sample.entry(LONGEST).or_default();
        *longest = longest.max(group.latency.max_ms).max(group.refusal_latency.max_ms);
    }
    Ok(())
}

/// `text` as a query value.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_a_url_in_a_url_survives() {
        assert_eq!(encode("http://b/call?url=x"), "http%3A%2F%2Fb%2Fcall%3Furl%3Dx");
        assert_eq!(encode(&encode("a/b")), "a%252Fb");
    }
}
