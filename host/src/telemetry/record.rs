//! The record of one request: one line of the log and one count in the metrics, exactly once.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Metrics, PluginMetrics, RequestId};
use crate::failure::{Blame, Code, Failure};

/// What is known of one finished request.
#[derive(Clone)]
pub struct Record {
    /// Its id.
    pub request_id: RequestId,
    /// What started it: `http`, `plugin`, `job` or `schedule`.
    pub trigger: &'static str,
    /// Its method.
    pub method: http::Method,
    /// Its path as routed, without the query: a query may hold secrets.
    pub path: String,
    /// Its client: the other end of its connection, or whom a trusted proxy names; then the port may be 0.
    pub peer: Option<SocketAddr>,
    /// The plugin that served it, once one was found.
    pub plugin: Option<Arc<PluginMetrics>>,
    /// The revision's digest, shortened.
    pub revision: Option<Arc<str>>,
    /// The plugin's lane.
    pub lane: Option<&'static str>,
    /// The route that matched, as the manifest writes it.
    pub route: Option<Arc<str>>,
    /// The reply's status; 0 before there is one.
    pub status: u16,
    /// How it failed.
    pub failure: Option<Code>,
    /// The failure's words for the client.
    pub detail: Option<String>,
    /// What only the log and the operator may read of the failure.
    pub inside: Option<String>,
    /// Time in the plugin's queue.
    pub queue: Duration,
    /// CPU time used.
    pub cpu: Duration,
    /// From the request's head to the response's last byte.
    pub total: Duration,
    /// Fuel burned, where it is counted.
    pub fuel: Option<u64>,
    /// Requests the plugin sent to plugins and other servers.
    pub outbound: u64,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the response's body that were sent.
    pub bytes_out: u64,
}

impl Record {
    /// Notes a failure. The first one counts: what follows from it is not news.
    pub fn fail(&mut self, failure: &Failure) {
        if self.failure.is_none() {
            self.failure = Some(failure.code);
            self.detail = Some(failure.detail.clone().into_owned());
            self.inside = failure.inside.clone();
        }
    }

    /// Writes the line and counts the request. To be called once for each request.
    pub fn emit(&self, metrics: &Metrics) {
        match &self.plugin {
            Some(plugin) => {
                plugin.finished(self.failure, self.total, self.queue);
                plugin.spent(self.cpu, self.fuel.unwrap_or(0));
            }
            None => self.failure.into_iter().for_each(|code| metrics.unrouted(code)),
        }
        // The client's own mistakes are not the operator's concern; the guest's and the host's are.
        match self.failure.map(|code| code.row().blame) {
            Some(Blame::Guest | Blame::Host) => self.line_at_warn(),
            Some(Blame::Client) | None => self.line_at_info(),
        }
    }
}

/// The same fields at two levels: a level is part of an event's static description.
macro_rules! line {
    ($record:ident, $level:expr) => {
        tracing::event!(
            target: "wasmbay::request",
            $level,
            request_id = $record.request_id.as_str(),
            trigger = $record.trigger,
            tenant = $record.plugin.as_deref().map(PluginMetrics::tenant),
            plugin = $record.plugin.as_deref().map(PluginMetrics::plugin),
            revision = $record.revision.as_deref(),
            lane = $record.lane,
            method = $record.method.as_str(),
            path = $record.path,
            route = $record.route.as_deref(),
            status = $record.status,
            code = $record.failure.map(|code| code.row().name),
            detail = $record.detail.as_deref(),
            inside = $record.inside.as_deref(),
            queue_ms = milliseconds($record.queue),
            cpu_ms = milliseconds($record.cpu),
            total_ms = milliseconds($record.total),
            fuel = $record.fuel,
            outbound = $record.outbound,
            bytes_in = $record.bytes_in,
            bytes_out = $record.bytes_out,
            peer = $record.peer.map(tracing::field::display),
        )
    };
}

impl Record {
    fn line_at_warn(&self) {
        line!(self, tracing::Level::WARN);
    }

    fn line_at_info(&self) {
        line!(self, tracing::Level::INFO);
    }
}

/// Milliseconds with three decimals: enough for a person, no noise of nanoseconds.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// The record of a request under way. It is emitted once: by [`OpenRecord::close`], or else when the last clone goes.
///
/// `front` opens it and puts a clone into the request's extensions; whoever learns something notes it.
#[derive(Clone)]
pub struct OpenRecord(Arc<Open>);

struct Open {
    metrics: Arc<Metrics>,
    begun: Instant,
    /// `None` once emitted.
    record: Mutex<Option<Record>>,
}

impl OpenRecord {
    /// Opens the record of a request whose head has just arrived.
    pub fn open(
        metrics: Arc<Metrics>,
        request_id: RequestId,
        trigger: &'static str,
        method: http::Method,
        path: String,
        peer: Option<SocketAddr>,
    ) -> Self {
        let record = Record {
            request_id,
            trigger,
            method,
            path,
            peer,
            plugin: None,
            revision: None,
            lane: None,
            route: None,
            status: 0,
            failure: None,
            detail: None,
            inside: None,
            queue: Duration::ZERO,
            cpu: Duration::ZERO,
            total: Duration::ZERO,
            fuel: None,
            outbound: 0,
            bytes_in: 0,
            bytes_out: 0,
        };
        Self(Arc::new(Open { metrics, begun: Instant::now(), record: Mutex::new(Some(record)) }))
    }

    /// Notes what became known. Without effect once the record is emitted: then it answers `false`.
    pub fn note(&self, known: impl FnOnce(&mut Record)) -> bool {
        self.0.lock().as_mut().map(known).is_some()
    }

    /// Reads the record; `None` once it is emitted.
    pub fn read<T>(&self, look: impl FnOnce(&Record) -> T) -> Option<T> {
        self.0.lock().as_ref().map(look)
    }

    /// Emits the record: the response's last byte is out, or it broke.
    pub fn close(&self) {
        self.0.emit();
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Option<Record>> {
        // Each note is a plain assignment: a panic between two leaves a record that is incomplete, not wrong.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn emit(&self) {
        let Some(mut record) = self.lock().take() else { return };
        record.total = self.begun.elapsed();
        if record.status == 0 && record.failure.is_none() {
            // Nobody answered and nothing failed: the request was dropped because its client had left.
            record.fail(&Failure::plain(Code::ClientGone));
            record.status = Code::ClientGone.row().status;
        }
        record.emit(&self.metrics);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.emit();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::logs::tests::captured, *};

    fn open(metrics: &Arc<Metrics>) -> OpenRecord {
        OpenRecord::open(metrics.clone(), RequestId::generate(), "http", http::Method::GET, "/x".into(), None)
    }

    fn one_event(text: &str) -> serde_json::Value {
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(text).expect("a JSON object")
    }

    #[test]
    fn a_request_is_told_once_with_what_is_known() {
        let metrics = Metrics::new();
        let text = captured(|| {
            let record = open(&metrics);
            let second = record.clone();
            record.note(|record| {
                record.plugin = Some(metrics.plugin("acme", "hello"));
                record.status = 200;
                record.fuel = Some(12);
            });
            second.close();
            second.close();
            record.note(|record| record.status = 500);
        });
        let event = one_event(&text);
        assert_eq!(event["level"], "INFO");
        assert_eq!((&event["tenant"], &event["plugin"]), (&"acme".into(), &"hello".into()));
        assert_eq!((&event["status"], &event["fuel"]), (&200.into(), &12.into()));
        assert!(event.get("code").is_none());
    }

    #[test]
    fn a_failure_of_the_guest_is_a_warning_with_what_is_inside() {
        let metrics = Metrics::new();
        let plugin = metrics.plugin("acme", "hello");
        let text = captured(|| {
            let record = open(&metrics);
            record.note(|record| {
                record.plugin = Some(plugin.clone());
                record.fail(&Failure::plain(Code::Trap).inside("unreachable at frame 3"));
                record.fail(&Failure::plain(Code::Timeout));
                record.status = 500;
            });
        });
        let event = one_event(&text);
        assert_eq!(event["level"], "WARN");
        assert_eq!((&event["code"], &event["inside"]), (&"trap".into(), &"unreachable at frame 3".into()));
        assert!(metrics.encode().contains(r#"wasmbay_requests_total{code="trap",plugin="hello",tenant="acme"} 1"#));
    }

    #[test]
    fn a_request_dropped_without_an_answer_is_a_client_that_left() {
        let metrics = Metrics::new();
        let event = one_event(&captured(|| drop(open(&metrics))));
        assert_eq!((&event["code"], &event["status"]), (&"client-gone".into(), &499.into()));
        assert!(metrics.encode().contains(r#"wasmbay_unrouted_requests_total{code="client-gone"} 1"#));
    }
}
