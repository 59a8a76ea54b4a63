//! The metrics of one plugin: resolved once, so that a request looks up no label.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus::{Counter, Histogram, IntCounter, IntGauge};

use super::metrics::Metrics;
use crate::failure::{Code, TABLE};

/// How work after the response can end; the label `how`.
pub(super) const BACKGROUND_ENDS: [&str; 4] = ["done", "failed", "deadline", "no-permit"];

/// How an outbound request can end; the label `result`.
pub const OUTBOUND_RESULTS: [&str; 13] = [
    "ok",
    "denied",
    "prohibited",
    "bad-request",
    "name",
    "connect",
    "tls",
    "timeout",
    "too-large",
    "protocol",
    "limit",
    "loop",
    "failed",
];

/// How a call on a store of keys can end; the label `result`.
pub const KEY_RESULTS: [&str; 5] = ["ok", "denied", "quota", "invalid", "broken"];

/// What can become of a job that is handed in; the label `result`.
pub const JOB_RESULTS: [&str; 6] = ["ok", "known", "denied", "quota", "invalid", "broken"];

/// How an attempt of a job can end; the label `how`.
pub const JOB_ENDS: [&str; 6] = ["done", "retry", "dead", "unbegun", "cut-short", "cancelled"];

/// What a job can be at; the label `state`.
pub const JOB_STATES: [&str; 6] = ["waiting", "ready", "running", "dead", "done", "cancelled"];
/// How a call on an SQL database can end; the label `result`.
pub const SQL_RESULTS: [&str; 8] = ["ok", "denied", "quota", "too-large", "busy", "timeout", "invalid", "broken"];

/// The metrics of one plugin. Its series are removed when the last handle goes.
pub struct PluginMetrics {
    metrics: Arc<Metrics>,
    tenant: String,
    plugin: String,
    /// By row of the failure table; the last is "ok". Made at first use: a plugin shows only what happened to it.
    requests: [OnceLock<IntCounter>; TABLE.len() + 1],
    request_seconds: Histogram,
    queue_seconds: Histogram,
    cpu_seconds: Counter,
    fuel: IntCounter,
    in_flight: IntGauge,
    waiting: IntGauge,
    background: IntGauge,
    idle_instances: IntGauge,
    /// Instances made.
    pub instances: IntCounter,
    /// Lines of its output that were dropped.
    pub guest_lines_dropped: IntCounter,
}

impl PluginMetrics {
    pub(super) fn new(metrics: Arc<Metrics>, tenant: &str, plugin: &str) -> Self {
        let labels = &[tenant, plugin];
        let families = &metrics.families;
        Self {
            tenant: tenant.to_owned(),
            plugin: plugin.to_owned(),
            requests: [const { OnceLock::new() }; TABLE.len() + 1],
            request_seconds: families.request_seconds.with_label_values(labels),
            queue_seconds: families.queue_seconds.with_label_values(labels),
            cpu_seconds: families.cpu_seconds.with_label_values(labels),
            fuel: families.fuel.with_label_values(labels),
            in_flight: families.in_flight.with_label_values(labels),
            waiting: families.waiting.with_label_values(labels),
            background: families.background.with_label_values(labels),
            idle_instances: families.idle_instances.with_label_values(labels),
            instances: families.instances.with_label_values(labels),
            guest_lines_dropped: families.guest_lines_dropped.with_label_values(labels),
            metrics,
        }
    }

    pub(super) fn host(&self) -> &Metrics {
        &self.metrics
    }

    /// The plugin's owner.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The plugin's name.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Counts a finished request: how it failed, if it did, how long it took in all and how long it waited first.
    pub fn finished(&self, failure: Option<Code>, total: Duration, queue: Duration) {
        let (row, name) = failure.map_or((TABLE.len(), "ok"), |code| (code as usize, code.row().name));
        let make = || self.metrics.families.requests.with_label_values(&[&self.tenant, &self.plugin, name]);
        self.requests[row].get_or_init(make).inc();
        self.request_seconds.observe(total.as_secs_f64());
        self.queue_seconds.observe(queue.as_secs_f64());
    }

    /// Adds CPU time and fuel that the plugin used. Called once for each request or piece of background work.
    pub fn spent(&self, cpu: Duration, fuel: u64) {
        self.cpu_seconds.inc_by(cpu.as_secs_f64());
        self.fuel.inc_by(fuel);
    }

    /// Shows how many requests it is working on, how many wait, and how much work goes on after its response.
    pub fn load(&self, in_flight: u32, waiting: u32, background: u32) {
        self.in_flight.set(in_flight.into());
        self.waiting.set(waiting.into());
        self.background.set(background.into());
    }

    /// Counts a panic in the host's own code.
    pub fn panicked(&self) {
        self.metrics.panicked();
    }

    /// Shows how many instances wait for their next request.
    pub fn idle(&self, instances: usize) {
        self.idle_instances.set(i64::try_from(instances).unwrap_or(i64::MAX));
    }

    /// Counts an outbound request by how it ended.
    ///
    /// # Panics
    /// In debug builds, on a word that is not one of [`OUTBOUND_RESULTS`]: its series would outlive the plugin.
    pub fn called_out(&self, result: &'static str) {
        debug_assert!(OUTBOUND_RESULTS.contains(&result), "{result} is not in the list");
        self.metrics.families.outbound.with_label_values(&[&self.tenant, &self.plugin, result]).inc();
    }

    /// Counts a call on a store of keys by how it ended.
    ///
    /// # Panics
    /// In debug builds, on a word that is not one of [`KEY_RESULTS`]: its series would outlive the plugin.
    pub fn kept(&self, result: &'static str) {
        debug_assert!(KEY_RESULTS.contains(&result), "{result} is not in the list");
        self.metrics.families.key_calls.with_label_values(&[&self.tenant, &self.plugin, result]).inc();
    }

    /// Counts a job that the plugin handed in, by what became of it.
    ///
    /// # Panics
    /// In debug builds, on a word that is not one of [`JOB_RESULTS`]: its series would outlive the plugin.
    pub fn handed_in(&self, result: &'static str) {
        debug_assert!(JOB_RESULTS.contains(&result), "{result} is not in the list");
        self.metrics.families.job_calls.with_label_values(&[&self.tenant, &self.plugin, result]).inc();
    }

    /// Counts an attempt of a job that ended.
    ///
    /// # Panics
    /// In debug builds, on a word that is not one of [`JOB_ENDS`]: its series would outlive the plugin.
    pub fn attempted(&self, how: &'static str) {
        debug_assert!(JOB_ENDS.contains(&how), "{how} is not in the list");
        self.metrics.families.job_attempts.with_label_values(&[&self.tenant, &self.plugin, how]).inc();
    }

    /// Shows how many of the plugin's jobs are at something.
    ///
    /// # Panics
    /// In debug builds, on a word that is not one of [`JOB_STATES`]: its series would outlive the plugin.
    pub fn jobs(&self, state: &'static str, jobs: u64) {
        debug_assert!(JOB_STATES.contains(&state), "{state} is not in the list");
        let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
        self.metrics.families.jobs.with_label_values(&[&self.tenant, &self.plugin, state]).set(jobs);
    }

    /// Counts a call on an SQL database by how it ended.
    ///
    /// # Panics
    /// In debug builds, on a word that is not one of [`SQL_RESULTS`]: its series would outlive the plugin.
    pub fn queried(&self, result: &'static str) {
        debug_assert!(SQL_RESULTS.contains(&result), "{result} is not in the list");
        self.metrics.families.sql_calls.with_label_values(&[&self.tenant, &self.plugin, result]).inc();
    }

    /// Counts work after the response that ended: "done", "failed", "deadline" or "no-permit".
    ///
    /// # Panics
    /// In debug builds, on any other word: its series would outlive the plugin.
    pub fn background_ended(&self, how: &'static str) {
        debug_assert!(BACKGROUND_ENDS.contains(&how), "{how} is not in the list");
        self.metrics.families.background_ends.with_label_values(&[&self.tenant, &self.plugin, how]).inc();
    }
}

impl fmt::Debug for PluginMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginMetrics({}/{})", self.tenant, self.plugin)
    }
}

impl Drop for PluginMetrics {
    fn drop(&mut self) {
        self.metrics.forget(self);
    }
}
