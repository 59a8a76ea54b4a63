//! Guests' standard output and error as labelled, bounded records of the log.
//!
//! A guest's text is never trusted: control characters are escaped, so it can neither forge a line of the log nor
//! drive a terminal; lines are cut and a request may write only so much.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{PluginMetrics, RequestId};

/// The longest line in bytes; what is beyond starts a new one, marked as going on.
pub const MAX_LINE: usize = 8 * 1024;

/// What one request may write in bytes, both streams together. Past it a chatty plugin would crowd out the others.
pub const MAX_REQUEST: u64 = 256 * 1024;

/// Which of a guest's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// What one request may still write: shared by its streams.
#[derive(Clone, Debug)]
pub struct LogBudget(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    left: AtomicU64,
    /// Whether the one line that says "truncated" was written.
    marked: AtomicBool,
}

impl LogBudget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(Budget { left: AtomicU64::new(bytes), marked: AtomicBool::new(false) }))
    }

    /// Takes a line's bytes; false when they are more than what is left.
    fn take(&self, bytes: usize) -> bool {
        let take = |left: u64| left.checked_sub(bytes as u64);
        self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// True for the first caller alone.
    fn mark(&self) -> bool {
        !self.0.marked.swap(true, Ordering::Relaxed)
    }
}

impl Default for LogBudget {
    fn default() -> Self {
        Self::new(MAX_REQUEST)
    }
}

/// One stream of one guest. An unfinished last line is written when this is dropped.
pub struct GuestLog {
    plugin: Arc<PluginMetrics>,
    request: RequestId,
    stream: Stream,
    budget: LogBudget,
    line: Vec<u8>,
}

impl GuestLog {
    /// A stream of the guest that serves `request`; give both of its streams clones of one budget.
    pub fn new(plugin: Arc<PluginMetrics>, request: RequestId, stream: Stream, budget: LogBudget) -> Self {
        Self { plugin, request, stream, budget, line: Vec::new() }
    }

    /// Takes bytes as the guest wrote them, in pieces of any size. Never blocks and never holds more than a line.
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = MAX_LINE - self.line.len();
            // One byte more than there is room for: a newline just behind a full line ends that line.
            let window = &bytes[..bytes.len().min(room + 1)];
            let newline = window.iter().position(|&byte| byte == b'\n');
            let taken = newline.unwrap_or(window.len().min(room));
            self.line.extend_from_slice(&window[..taken]);
            if newline.is_some() || window.len() > room {
                self.emit();
            }
            bytes = &bytes[taken + usize::from(newline.is_some())..];
        }
    }

    fn emit(&mut self) {
        let line = std::mem::take(&mut self.line);
        // An empty line costs a byte, or a guest could write them for nothing.
        if self.budget.take(line.len().max(1)) {
            self.event(&escape(&line), false);
        } else {
            self.plugin.guest_lines_dropped.inc();
            if self.budget.mark() {
                self.event("further output of this request is dropped", true);
            }
        }
    }

    fn event(&self, line: &str, truncated: bool) {
        if let Some(tails) = self.plugin.host().tails() {
            tails.push(self.request, line);
        }
        tracing::info!(
            target: "wasmbay::guest",
            tenant = self.plugin.tenant(),
            plugin = self.plugin.plugin(),
            request_id = self.request.as_str(),
            stream = self.stream.name(),
            truncated,
            "{line}"
        );
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.emit();
        }
    }
}

/// Text as it may stand in a log: every control character but the tab is written as `\u{..}`, and bytes that are no
/// UTF-8 become the replacement character.
fn escape(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::with_capacity(line.len());
    for character in String::from_utf8_lossy(line).chars() {
        if harmless(character) {
            text.push(character);
        } else {
            write!(text, "\\u{{{:x}}}", character as u32).expect("writing to a string does not fail");
        }
    }
    text
}

/// Control characters drive terminals; the bidirectional ones make a line read otherwise than it is.
fn harmless(character: char) -> bool {
    let bidirectional =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let line_break = matches!(character, '\u{2028}' | '\u{2029}');
    character == '\t' || !(character.is_control() || bidirectional || line_break)
}

#[cfg(test)]
mod tests {
    use super::{super::logs::tests::captured, *};
    use crate::telemetry::Metrics;

    fn lines(budget: u64, writes: &[&[u8]]) -> (Vec<String>, u64) {
        let metrics = Metrics::new();
        let plugin = metrics.plugin("acme", "chatty");
        let text = captured(|| {
            let mut log = GuestLog::new(plugin.clone(), RequestId::generate(), Stream::Stderr, LogBudget::new(budget));
            for bytes in writes {
                log.write(bytes);
            }
        });
        let lines = text
            .lines()
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).expect("one JSON object a line");
                assert_eq!((&event["plugin"], &event["stream"]), (&"chatty".into(), &"stderr".into()));
                event["message"].as_str().expect("a message").to_owned()
            })
            .collect();
        (lines, plugin.guest_lines_dropped.get())
    }

    #[test]
    fn lines_are_put_together_from_pieces_and_the_last_one_needs_no_newline() {
        let (lines, dropped) = lines(1000, &[b"one\ntw", b"o\r\n", b"", b"\nlast"]);
        assert_eq!((lines, dropped), (vec!["one".into(), "two".into(), "".into(), "last".into()], 0));
    }

    #[test]
    fn a_guest_cannot_drive_the_terminal_or_forge_a_line() {
        let (lines, _) = lines(1000, &[b"\x1b[2Jred\x07\t\xff\xc2\x9b", "\n\u{202e}x\u{2028}y\n".as_bytes()]);
        assert_eq!(lines, ["\\u{1b}[2Jred\\u{7}\t\u{fffd}\\u{9b}", "\\u{202e}x\\u{2028}y"]);
    }

    #[test]
    fn a_long_line_is_cut_and_nothing_is_lost() {
        let long = vec![b'a'; MAX_LINE * 2 + 3];
        let (lines, _) = lines(1 << 20, &[&long, b"\nb"]);
        let lengths: Vec<_> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, 3, 1]);
    }

    #[test]
    fn a_line_of_just_the_largest_size_is_one_line() {
        let (lines, _) = lines(1 << 20, &[&vec![b'a'; MAX_LINE], b"\nb\n"]);
        let lengths: Vec<_> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, 1]);
    }

    #[test]
    fn past_the_budget_lines_are_dropped_counted_and_said_once() {
        let (lines, dropped) = lines(10, &[b"12345\n12345\n\nmore\nmore\n"]);
        assert_eq!(lines, ["12345", "12345", "further output of this request is dropped"]);
        assert_eq!(dropped, 3);
    }
}
