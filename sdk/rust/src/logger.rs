//! The `log` facade to standard error, which is the host's log.

use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("{} {}: {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}

/// Takes what is logged from now on, unless the plugin has a logger of its own: `info` and above, until the plugin calls
/// `log::set_max_level`.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&Stderr).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    });
}
