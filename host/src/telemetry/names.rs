//! Every metric of the host: one list of names, labels and help texts.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// One metric, as `/metrics` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// The full name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// One sentence for the person who reads `/metrics`.
    pub help: &'static str,
}

macro_rules! names {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: Name =
            Name { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// Every metric there is.
        pub const ALL: &[Name] = &[$($constant),*];
    };
}

names! {
    REQUESTS Counter "wasmbay_requests_total" ["tenant" "plugin" "code"] "Requests finished, by failure code; \"ok\" is a complete response of any status.";
    REQUEST_SECONDS Histogram "wasmbay_request_seconds" ["tenant" "plugin"] "From a request's head to its response's last byte, in seconds.";
    QUEUE_SECONDS Histogram "wasmbay_queue_seconds" ["tenant" "plugin"] "Time a request waited in its plugin's queue, in seconds.";
    CPU_SECONDS Counter "wasmbay_plugin_cpu_seconds_total" ["tenant" "plugin"] "CPU time spent by a plugin, instantiation included, in seconds.";
    FUEL Counter "wasmbay_fuel_total" ["tenant" "plugin"] "Fuel units burned by a plugin.";
    IN_FLIGHT Gauge "wasmbay_in_flight" ["tenant" "plugin"] "Requests that a plugin is working on.";
    WAITING Gauge "wasmbay_waiting" ["tenant" "plugin"] "Requests that wait in a plugin's queue.";
    BACKGROUND Gauge "wasmbay_background" ["tenant" "plugin"] "Work of a plugin that goes on after its response.";
    IDLE_INSTANCES Gauge "wasmbay_idle_instances" ["tenant" "plugin"] "Instances that wait for their next request, those made ahead of need included.";
    INSTANCES Counter "wasmbay_instances_created_total" ["tenant" "plugin"] "Instances made.";
    BACKGROUND_ENDS Counter "wasmbay_background_ends_total" ["tenant" "plugin" "how"] "Work after the response that ended, by how it ended.";
    OUTBOUND Counter "wasmbay_outbound_requests_total" ["tenant" "plugin" "result"] "Requests that a plugin sent to plugins and other servers, by result; \"ok\" is a response of any status.";
    KEY_CALLS Counter "wasmbay_key_calls_total" ["tenant" "plugin" "result"] "Calls of a plugin on the stores of keys it is granted, by result.";
    JOB_CALLS Counter "wasmbay_job_calls_total" ["tenant" "plugin" "result"] "Jobs that a plugin handed in, by result.";
    JOB_ATTEMPTS Counter "wasmbay_job_attempts_total" ["tenant" "plugin" "how"] "Attempts of a plugin's jobs and schedules that ended, by how.";
    JOBS Gauge "wasmbay_jobs" ["tenant" "plugin" "state"] "Jobs for a plugin, by what they are at.";
    SQL_CALLS Counter "wasmbay_sql_calls_total" ["tenant" "plugin" "result"] "Calls of a plugin on the SQL databases it is granted, by result.";
    GUEST_LINES_DROPPED Counter "wasmbay_guest_log_lines_dropped_total" ["tenant" "plugin"] "Lines of a plugin's output past its limit for one request.";
    SLOTS Gauge "wasmbay_instance_slots_taken" ["lane"] "Instance slots taken, those of plugin calls included.";
    SLOTS_MOST Gauge "wasmbay_instance_slots" ["lane"] "Instance slots there are: what the operator asks for, or what the machine holds of it.";
    UNROUTED Counter "wasmbay_unrouted_requests_total" ["code"] "Requests that failed before a plugin was found, by failure code.";
    CONNECTIONS Gauge "wasmbay_connections" ["listener"] "Connections open.";
    ACCEPTED Counter "wasmbay_connections_accepted_total" ["listener"] "Connections accepted.";
    ACCEPT_ERRORS Counter "wasmbay_accept_errors_total" ["listener"] "Connections that could not be accepted.";
    CONNECTION_ENDS Counter "wasmbay_connections_cut_total" ["listener" "reason"] "Connections that the host ended, by reason.";
    CERTIFICATE_READS Counter "wasmbay_certificate_reads_total" ["listener" "result"] "Changed certificates that were taken up (\"ok\") or left aside for the former one (\"refused\").";
    OVERLOAD Gauge "wasmbay_overload" [] "What the host does about its load: 0 nothing, 1 closes idle connections, 2 sheds tenants over their share, 3 refuses, 4 accepts nobody.";
    OVERLOAD_STEPS Counter "wasmbay_overload_steps_total" ["rung"] "Steps to a rung of the overload ladder, up or down.";
    PANICS Counter "wasmbay_panics_total" [] "Panics in the host's own code. Each is a defect of the host.";
    LOG_LINES_DROPPED Counter "wasmbay_log_lines_dropped_total" [] "Lines of the host's log dropped because its sink was too slow.";
    SWAPS Counter "wasmbay_swaps_total" [] "Routing tables made live.";
    REFUSED_LOADS Counter "wasmbay_refused_loads_total" [] "Revisions refused, with their reasons in the log and in the status.";
    COMPILE_SECONDS Histogram "wasmbay_compile_seconds" [] "Time to compile one revision, in seconds.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        let mut seen = HashSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} is there twice", metric.name);
            assert!(metric.name.starts_with("wasmbay_"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
