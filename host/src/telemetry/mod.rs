//! What the host tells of itself: metric names in one list, one record per request, guests' output, logs.
//!
//! The only module that names prometheus and tracing-subscriber. Everybody may emit `tracing` events; what becomes
//! of them is decided in [`logs`].

mod guest_log;
mod json_line;
pub mod logs;
mod metrics;
pub mod names;
mod plugin_metrics;
mod record;
mod request_id;
mod tails;

pub use guest_log::{GuestLog, LogBudget, MAX_LINE, MAX_REQUEST, Stream};
pub use metrics::{ListenerMetrics, Metrics};
pub use plugin_metrics::{
    JOB_ENDS, JOB_RESULTS, JOB_STATES, KEY_RESULTS, OUTBOUND_RESULTS, PluginMetrics, SQL_RESULTS,
};
pub use record::{OpenRecord, Record};
pub use request_id::RequestId;
