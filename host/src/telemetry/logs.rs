//! The binary's log: what is written, in which form, and that a slow sink never slows a request.
//!
//! Events are formatted where they happen and handed to a thread of its own over a bounded channel. When the sink
//! does not keep up, lines are dropped and counted; nobody waits. The thread gathers what arrives within a few
//! milliseconds into one write: to wake it for each line would cost a request more than to format the line.

use std::{
    io::{self, IsTerminal, Write},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread,
    time::Duration,
};

use prometheus::IntCounter;
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::JsonFields},
};

use super::{json_line::JsonLine, names::LOG_LINES_DROPPED};

/// Lines that may wait for the sink. At a few hundred bytes each this is a few megabytes at most.
const QUEUE: usize = 8192;

/// How long lines may wait to be written together.
const GATHER: Duration = Duration::from_millis(5);

/// How long [`Log`] waits at the end for the sink to take what is left.
const FLUSH: Duration = Duration::from_secs(2);

/// What is logged without `WASMBAY_LOG`: everything from "info" up. hyper's and h2's own events stay out.
const DEFAULT_FILTER: &str = "warn,wasmbay=info";

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Form {
    /// For people on a terminal, JSON otherwise.
    pub fn for_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Human } else { Self::Json }
    }
}

/// The log of this process. When dropped, it waits up to two seconds for the sink to take what is left.
pub struct Log {
    pub(super) dropped: IntCounter,
    done: Receiver<()>,
    lines: Lines,
}

/// Starts the log on standard error and makes it the process's.
///
/// `filter` is what `WASMBAY_LOG` says, in `tracing`'s filter language.
///
/// # Errors
/// When the filter cannot be understood, or the process has a log already.
pub fn init(filter: Option<&str>, form: Form) -> Result<Log, Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER))?;
    let (lines, done) = start_writer(io::stderr());
    let dropped = lines.dropped.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone());
    match form {
        Form::Human => builder.with_ansi(io::stderr().is_terminal()).try_init()?,
        Form::Json => builder.fmt_fields(JsonFields::new()).event_format(JsonLine).try_init()?,
    }
    Ok(Log { dropped, done, lines })
}

impl Drop for Log {
    fn drop(&mut self) {
        // The subscriber keeps its sender for the process's life, so the end is told by an empty line. A full queue
        // means that the sink is stuck: then what is left is given up.
        if self.lines.sender.try_send(Vec::new()).is_ok() {
            let _ = self.done.recv_timeout(FLUSH);
        }
    }
}

/// Where formatted lines go: a queue that never blocks.
#[derive(Clone)]
struct Lines {
    sender: SyncSender<Vec<u8>>,
    dropped: IntCounter,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> &'a Lines {
        self
    }
}

impl Write for &Lines {
    /// Takes one whole line: the formatter writes each event with a single call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !line.is_empty() && self.sender.try_send(line.to_vec()).is_err() {
            self.dropped.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start_writer(sink: impl Write + Send + 'static) -> (Lines, Receiver<()>) {
    let (sender, queue) = sync_channel(QUEUE);
    let (finished, done) = sync_channel(1);
    let dropped = IntCounter::new(LOG_LINES_DROPPED.name, LOG_LINES_DROPPED.help).expect("the list's names are valid");
    let write = move || {
        write_lines(&queue, sink);
        let _ = finished.send(());
    };
    thread::Builder::new().name("log".into()).spawn(write).expect("a process that starts has room for one thread");
    (Lines { sender, dropped }, done)
}

/// Writes lines until the empty one, flushing whenever none is waiting. A sink that fails loses the line, no more.
fn write_lines(queue: &Receiver<Vec<u8>>, sink: impl Write) {
    let mut sink = io::BufWriter::with_capacity(64 * 1024, sink);
    loop {
        let line = match queue.try_recv() {
            Err(TryRecvError::Empty) => {
                let _ = sink.flush();
                next_line(queue)
            }
            Err(TryRecvError::Disconnected) => Vec::new(),
            Ok(line) => line,
        };
        if line.is_empty() {
            let _ = sink.flush();
            return;
        }
        let _ = sink.write_all(&line);
    }
}

/// Waits for a line; one of a stream of them is waited for without being woken.
fn next_line(queue: &Receiver<Vec<u8>>) -> Vec<u8> {
    thread::sleep(GATHER);
    queue.try_recv().or_else(|_| queue.recv()).unwrap_or_default()
}

#[cfg(test)]
impl Log {
    /// A log that nobody writes to: for its counter.
    pub(super) fn for_tests() -> Self {
        let (lines, done) = start_writer(io::sink());
        Self { dropped: lines.dropped.clone(), done, lines }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What `action` logs on this thread, one JSON object a line.
    pub(crate) fn captured(action: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Sink(Arc<Mutex<Vec<u8>>>);
        impl Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, action);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// A sink that takes nothing until it is let go.
    struct Stuck {
        gate: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.gate.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_sink_blocks_nobody_and_what_is_dropped_is_counted() {
        let (open, gate) = sync_channel::<()>(0);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (lines, done) = start_writer(Stuck { gate, written: written.clone() });
        // So long that the writer's own buffer holds just a few.
        let line = [b'x'; 1 << 10];
        // Returns although nothing is taken: that is the promise.
        for _ in 0..4 * QUEUE {
            (&lines).write_all(&line).unwrap();
        }
        assert!(lines.dropped.get() >= 2 * QUEUE as u64, "{}", lines.dropped.get());
        let kept = 4 * QUEUE as u64 - lines.dropped.get();
        drop(open);
        lines.sender.send(Vec::new()).unwrap();
        done.recv().unwrap();
        assert_eq!(written.lock().unwrap().len() as u64, kept * line.len() as u64);
    }

    #[test]
    fn what_is_in_the_queue_is_written_before_the_log_ends() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (open, gate) = sync_channel::<()>(0);
        drop(open);
        let (lines, done) = start_writer(Stuck { gate, written: written.clone() });
        (&lines).write_all(b"last words\n").unwrap();
        drop(Log { dropped: lines.dropped.clone(), done, lines });
        assert_eq!(*written.lock().unwrap(), b"last words\n");
    }
}
