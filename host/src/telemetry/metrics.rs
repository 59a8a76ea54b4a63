//! The metrics of one host, and the families its plugins' metrics come from.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use prometheus::{
    CounterVec, Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use super::{
    names::{self, Name},
    plugin_metrics::PluginMetrics,
    request_id::RequestId,
    tails::Tails,
};
use crate::failure::Code;

/// Upper bounds in seconds. From a warm native answer to the longest `limits.timeout` in ordinary use.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The metrics of one host. Each host has its own: tests run several in one process.
pub struct Metrics {
    registry: Registry,
    pub(super) families: Families,
    plugins: Mutex<HashMap<(String, String), Weak<PluginMetrics>>>,
    unrouted: IntCounterVec,
    slots: IntGaugeVec,
    slots_most: IntGaugeVec,
    connections: IntGaugeVec,
    accepted: IntCounterVec,
    accept_errors: IntCounterVec,
    connections_cut: IntCounterVec,
    certificate_reads: IntCounterVec,
    overload: IntGauge,
    overload_steps: IntCounterVec,
    panics: IntCounter,
    swaps: IntCounter,
    refused_loads: IntCounter,
    compile_seconds: Histogram,
    /// In dev mode alone.
    tails: OnceLock<Tails>,
}

/// What each plugin has one series of.
pub(super) struct Families {
    pub(super) requests: IntCounterVec,
    pub(super) request_seconds: HistogramVec,
    pub(super) queue_seconds: HistogramVec,
    pub(super) cpu_seconds: CounterVec,
    pub(super) fuel: IntCounterVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) waiting: IntGaugeVec,
    pub(super) background: IntGaugeVec,
    pub(super) idle_instances: IntGaugeVec,
    pub(super) instances: IntCounterVec,
    pub(super) background_ends: IntCounterVec,
    pub(super) outbound: IntCounterVec,
    pub(super) key_calls: IntCounterVec,
    pub(super) job_calls: IntCounterVec,
    pub(super) job_attempts: IntCounterVec,
    pub(super) jobs: IntGaugeVec,
    pub(super) sql_calls: IntCounterVec,
    pub(super) guest_lines_dropped: IntCounterVec,
}

/// What one listener counts. Resolved once, when the listener starts.
#[derive(Clone)]
pub struct ListenerMetrics {
    /// Connections open.
    pub connections: IntGauge,
    /// Connections accepted.
    pub accepted: IntCounter,
    /// Connections that could not be accepted.
    pub accept_errors: IntCounter,
    cut: IntCounterVec,
    certificate_reads: IntCounterVec,
    listener: &'static str,
}

impl ListenerMetrics {
    /// Counts a connection that the host ended, under one of a few fixed reasons.
    pub fn cut(&self, reason: &'static str) {
        self.cut.with_label_values(&[self.listener, reason]).inc();
    }

    /// Counts a certificate that has changed, and whether it could be taken up.
    pub fn certificate_read(&self, good: bool) {
        let result = if good { "ok" } else { "refused" };
        self.certificate_reads.with_label_values(&[self.listener, result]).inc();
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Arc<Self> {
        let registry = Registry::new();
        let make = Make(&registry);
        let families = Families::new(&make);
        Arc::new(Self {
            families,
            plugins: Mutex::default(),
            unrouted: make.counters(names::UNROUTED),
            slots: make.gauges(names::SLOTS),
            slots_most: make.gauges(names::SLOTS_MOST),
            connections: make.gauges(names::CONNECTIONS),
            accepted: make.counters(names::ACCEPTED),
            accept_errors: make.counters(names::ACCEPT_ERRORS),
            connections_cut: make.counters(names::CONNECTION_ENDS),
            certificate_reads: make.counters(names::CERTIFICATE_READS),
            overload: make.gauge(names::OVERLOAD),
            overload_steps: make.counters(names::OVERLOAD_STEPS),
            panics: make.counter(names::PANICS),
            swaps: make.counter(names::SWAPS),
            refused_loads: make.counter(names::REFUSED_LOADS),
            compile_seconds: make.histogram(names::COMPILE_SECONDS),
            tails: OnceLock::new(),
            registry,
        })
    }

    /// The handles of one plugin, for all its revisions: the same ones as long as somebody holds them. The series
    /// disappear with the last holder.
    pub fn plugin(self: &Arc<Self>, tenant: &str, plugin: &str) -> Arc<PluginMetrics> {
        let mut plugins = self.lock_plugins();
        let key = (tenant.to_owned(), plugin.to_owned());
        if let Some(known) = plugins.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let fresh = Arc::new(PluginMetrics::new(self.clone(), tenant, plugin));
        plugins.insert(key, Arc::downgrade(&fresh));
        fresh
    }

    /// Removes a plugin's series, unless a newer handle has taken them over. Called as the last handle goes.
    pub(super) fn forget(&self, going: &PluginMetrics) {
        let mut plugins = self.lock_plugins();
        let key = (going.tenant().to_owned(), going.plugin().to_owned());
        let ours = plugins.get(&key).is_some_and(|known| std::ptr::eq(known.as_ptr(), going));
        if ours {
            plugins.remove(&key);
            self.families.remove(going.tenant(), going.plugin());
        }
    }

    fn lock_plugins(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Weak<PluginMetrics>>> {
        // The map is whole at every instant: a panic elsewhere while it was locked does not spoil it.
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handles of one listener.
    pub fn listener(&self, listener: &'static str) -> ListenerMetrics {
        let labels = &[listener];
        ListenerMetrics {
            connections: self.connections.with_label_values(labels),
            accepted: self.accepted.with_label_values(labels),
            accept_errors: self.accept_errors.with_label_values(labels),
            cut: self.connections_cut.clone(),
            certificate_reads: self.certificate_reads.clone(),
            listener,
        }
    }

    /// Counts a request that failed before a plugin was found.
    pub fn unrouted(&self, code: Code) {
        self.unrouted.with_label_values(&[code.row().name]).inc();
    }

    /// Shows how many instance slots of a lane are taken.
    pub fn slots_taken(&self, lane: &'static str, taken: u32) {
        self.slots.with_label_values(&[lane]).set(taken.into());
    }

    /// Shows how many instance slots of a lane there are.
    pub fn slots(&self, lane: &'static str, most: u32) {
        self.slots_most.with_label_values(&[lane]).set(most.into());
    }

    /// Shows on which rung of the overload ladder the host stands, and counts the step to it.
    pub fn overload(&self, rung: i64, name: &'static str) {
        self.overload.set(rung);
        self.overload_steps.with_label_values(&[name]).inc();
    }

    /// Counts a panic in the host's own code.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// From now on keeps the last lines of guests' logs, for [`Metrics::take_tail`].
    pub fn keep_tails(&self) {
        self.tails.get_or_init(Tails::default);
    }

    /// The last lines that the guest of a request wrote, oldest first; nothing unless they are kept.
    pub fn take_tail(&self, request: RequestId) -> Vec<String> {
        self.tails.get().map_or_else(Vec::new, |tails| tails.take(request))
    }

    pub(super) fn tails(&self) -> Option<&Tails> {
        self.tails.get()
    }

    /// Counts a routing table made live.
    pub fn swapped(&self) {
        self.swaps.inc();
    }

    /// Counts a revision refused.
    pub fn load_refused(&self) {
        self.refused_loads.inc();
    }

    /// Counts a compilation that took `time`.
    pub fn compiled(&self, time: Duration) {
        self.compile_seconds.observe(time.as_secs_f64());
    }

    /// Shows the log writer's count of dropped lines among these metrics. To be called once, by the one host of a
    /// process that logs; a second call is without effect.
    pub fn watch_log(&self, log: &super::logs::Log) {
        // The only error is "already registered": the counter is shown then.
        let _ = self.registry.register(Box::new(log.dropped.clone()));
    }

    /// Everything, in Prometheus' text format.
    pub fn encode(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("writing to memory does not fail");
        String::from_utf8(text).expect("the text encoder writes UTF-8")
    }
}

impl Families {
    fn new(make: &Make<'_>) -> Self {
        Self {
            requests: make.counters(names::REQUESTS),
            request_seconds: make.histograms(names::REQUEST_SECONDS),
            queue_seconds: make.histograms(names::QUEUE_SECONDS),
            cpu_seconds: make.float_counters(names::CPU_SECONDS),
            fuel: make.counters(names::FUEL),
            in_flight: make.gauges(names::IN_FLIGHT),
            waiting: make.gauges(names::WAITING),
            background: make.gauges(names::BACKGROUND),
            idle_instances: make.gauges(names::IDLE_INSTANCES),
            instances: make.counters(names::INSTANCES),
            background_ends: make.counters(names::BACKGROUND_ENDS),
            outbound: make.counters(names::OUTBOUND),
            key_calls: make.counters(names::KEY_CALLS),
            job_calls: make.counters(names::JOB_CALLS),
            job_attempts: make.counters(names::JOB_ATTEMPTS),
            jobs: make.gauges(names::JOBS),
            sql_calls: make.counters(names::SQL_CALLS),
            guest_lines_dropped: make.counters(names::GUEST_LINES_DROPPED),
        }
    }

    /// Removes one plugin's series. A series that was never used is not there to be removed: no fault.
    fn remove(&self, tenant: &str, plugin: &str) {
        let key = &[tenant, plugin];
        let _ = self.request_seconds.remove_label_values(key);
        let _ = self.queue_seconds.remove_label_values(key);
        let _ = self.cpu_seconds.remove_label_values(key);
        for family in [&self.fuel, &self.instances, &self.guest_lines_dropped] {
            let _ = family.remove_label_values(key);
        }
        for family in [&self.in_flight, &self.waiting, &self.background, &self.idle_instances] {
            let _ = family.remove_label_values(key);
        }
        let codes = crate::failure::TABLE.iter().map(|row| row.name).chain(["ok"]);
        for code in codes {
            let _ = self.requests.remove_label_values(&[tenant, plugin, code]);
        }
        for result in super::plugin_metrics::OUTBOUND_RESULTS {
            let _ = self.outbound.remove_label_values(&[tenant, plugin, result]);
        }
        for result in super::plugin_metrics::KEY_RESULTS {
            let _ = self.key_calls.remove_label_values(&[tenant, plugin, result]);
        }
        for result in super::plugin_metrics::JOB_RESULTS {
            let _ = self.job_calls.remove_label_values(&[tenant, plugin, result]);
        }
        for how in super::plugin_metrics::JOB_ENDS {
            let _ = self.job_attempts.remove_label_values(&[tenant, plugin, how]);
        }
        for state in super::plugin_metrics::JOB_STATES {
            let _ = self.jobs.remove_label_values(&[tenant, plugin, state]);
        }
        for result in super::plugin_metrics::SQL_RESULTS {
            let _ = self.sql_calls.remove_label_values(&[tenant, plugin, result]);
        }
        for how in super::plugin_metrics::BACKGROUND_ENDS {
            let _ = self.background_ends.remove_label_values(&[tenant, plugin, how]);
        }
    }
}

/// Makes metrics from their names and registers them.
struct Make<'a>(&'a Registry);

impl Make<'_> {
    fn register<M: prometheus::core::Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("the names in the list are valid");
        self.0.register(Box::new(metric.clone())).expect("each name of the list is registered once");
        metric
    }

    fn counter(&self, name: Name) -> IntCounter {
        self.register(IntCounter::new(name.name, name.help))
    }

    fn gauge(&self, name: Name) -> IntGauge {
        self.register(IntGauge::new(name.name, name.help))
    }

    fn counters(&self, name: Name) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name.name, name.help), name.labels))
    }

    fn float_counters(&self, name: Name) -> CounterVec {
        self.register(CounterVec::new(Opts::new(name.name, name.help), name.labels))
    }

    fn gauges(&self, name: Name) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name.name, name.help), name.labels))
    }

    fn histogram(&self, name: Name) -> Histogram {
        self.register(Histogram::with_opts(HistogramOpts::new(name.name, name.help).buckets(SECONDS.to_vec())))
    }

    fn histograms(&self, name: Name) -> HistogramVec {
        let options = HistogramOpts::new(name.name, name.help).buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(options, name.labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_list_is_shown_once_used() {
        let metrics = Metrics::new();
        let log = super::super::logs::Log::for_tests();
        metrics.watch_log(&log);
        let plugin = metrics.plugin("acme", "hello");
        plugin.finished(None, Duration::from_millis(3), Duration::ZERO);
        plugin.spent(Duration::from_millis(1), 7);
        plugin.background_ended("done");
        plugin.called_out("ok");
        plugin.kept("ok");
        plugin.handed_in("ok");
        plugin.attempted("done");
        plugin.jobs("ready", 1);
        plugin.queried("ok");
        let listener = metrics.listener("public");
        listener.cut("idle");
        listener.certificate_read(true);
        metrics.unrouted(Code::NoRoute);
        metrics.slots("io", 4);
        metrics.slots_taken("io", 1);
        metrics.overload(1, "close-idle");
        let text = metrics.encode();
        for name in names::ALL {
            assert!(text.contains(&format!("# HELP {} ", name.name)), "{} is not shown", name.name);
        }
    }

    #[test]
    fn a_plugins_series_go_with_its_last_handle() {
        let metrics = Metrics::new();
        let first = metrics.plugin("acme", "hello");
        let second = metrics.plugin("acme", "hello");
        first.finished(Some(Code::Trap), Duration::ZERO, Duration::ZERO);
        drop(first);
        assert!(metrics.encode().contains(r#"wasmbay_requests_total{code="trap",plugin="hello",tenant="acme"} 1"#));
        drop(second);
        assert!(!metrics.encode().contains("acme"), "{}", metrics.encode());
    }

    #[test]
    fn two_hosts_in_one_process_count_apart() {
        let (one, two) = (Metrics::new(), Metrics::new());
        one.panicked();
        assert!(one.encode().contains("wasmbay_panics_total 1"));
        assert!(two.encode().contains("wasmbay_panics_total 0"));
    }
}
