//! An event as one line of JSON: what tracing-subscriber's own formatter writes, for a fraction of the time.
//!
//! Every request is a line, so what a line costs every request pays (`decisions/0083-what-a-request-pays.md`).

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

/// The format: time, level, the event's fields, its target, and the span it is in.
pub(super) struct JsonLine;

/// What one line is built in, kept for the thread's next.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    /// What is formatted before it is escaped.
    words: String,
}

thread_local! {
    static LINE: RefCell<Line> = RefCell::default();
    /// The last second that was written, and its text.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // Taken out: a value may log while it is formatted, and then finds another.
        let mut line = LINE.take();
        line.text.clear();
        line.begin(event);
        event.record(&mut line);
        line.entry("target", event.metadata().target());
        if let Some(span) = event.parent().and_then(|id| context.span(id)).or_else(|| context.lookup_current()) {
            line.span(span.name(), span.extensions().get::<FormattedFields<N>>().map_or("", |fields| fields));
        }
        line.text.extend_from_slice(b"}\n");
        let written = std::str::from_utf8(&line.text).map_err(|_| fmt::Error).and_then(|text| writer.write_str(text));
        LINE.set(line);
        written
    }
}

impl Line {
    fn begin(&mut self, event: &Event<'_>) {
        self.text.extend_from_slice(b"{\"timestamp\":\"");
        self.time(SystemTime::now());
        self.text.extend_from_slice(b"\",\"level\":\"");
        self.text.extend_from_slice(event.metadata().level().as_str().as_bytes());
        self.text.push(b'"');
    }

    /// RFC 3339, to the microsecond.
    fn time(&mut self, now: SystemTime) {
        // A clock before 1970 is a clock that was never set.
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != since.as_secs() {
                let shown =
                    i64::try_from(since.as_secs()).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
                *text = shown.unwrap_or_default().to_string();
                text.truncate(text.len() - 1);
                *second = since.as_secs();
            }
            self.text.extend_from_slice(text.as_bytes());
        });
        self.words.clear();
        let _ = write!(self.words, ".{:06}Z", since.subsec_micros());
        self.text.extend_from_slice(self.words.as_bytes());
    }

    fn entry<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.text.push(b',');
        self.value(key.strip_prefix("r#").unwrap_or(key));
        self.text.push(b':');
        self.value(value);
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        serde_json::to_writer(&mut self.text, value).expect("numbers and strings are JSON, and memory takes them");
    }

    /// `fields` are an object already.
    fn span(&mut self, name: &str, fields: &str) {
        self.text.extend_from_slice(b",\"span\":{");
        let inner = fields.strip_prefix('{').and_then(|fields| fields.strip_suffix('}')).unwrap_or_default();
        self.text.extend_from_slice(inner.as_bytes());
        if !inner.is_empty() {
            self.text.push(b',');
        }
        self.text.extend_from_slice(b"\"name\":");
        self.value(name);
        self.text.push(b'}');
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.entry(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.entry(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.entry(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        // What cannot be formatted is shown as far as it came.
        let _ = write!(words, "{value:?}");
        self.entry(field.name(), words.as_str());
        self.words = words;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex, PoisonError},
        time::Duration,
    };

    use serde_json::Value;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().expect("no test panics with it").clone()).expect("UTF-8");
            text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
        }
    }

    fn events() {
        let error = io::Error::other("with \"quotes\"\n\u{1}\u{7f} and é");
        tracing::info!(r#type = "odd", "a message of {} words", 4);
        tracing::warn!(a = 1, b = -2_i64, c = u64::MAX, d = 1.5, e = 12.0, f = f64::NAN, g = true, h = "text\\");
        tracing::error!(error = &error as &dyn std::error::Error, shown = %error, debugged = ?Some("x"), none = None::<u64>);
        let span = tracing::info_span!("outer", id = 7, name_of = "a\"b");
        let _inside = span.enter();
        tracing::info!(target: "elsewhere", empty = "");
        let _deeper = tracing::info_span!("inner").entered();
        tracing::info!(parent: &span, "a child of the outer one");
        tracing::info!("a child of the inner one");
    }

    #[test]
    fn a_line_says_what_the_usual_format_says() {
        let (ours, usual) = (Sink::default(), Sink::default());
        let (writer, other) = (ours.clone(), usual.clone());
        let builder = tracing_subscriber::fmt().fmt_fields(JsonFields::new()).event_format(JsonLine);
        tracing::subscriber::with_default(builder.with_writer(move || writer.clone()).finish(), events);
        let builder = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false);
        tracing::subscriber::with_default(builder.with_writer(move || other.clone()).finish(), events);
        let (ours, usual) = (ours.lines(), usual.lines());
        assert_eq!(ours.len(), 6);
        for (mut ours, mut usual) in ours.into_iter().zip(usual) {
            let times = [&mut ours, &mut usual].map(|line| line["timestamp"].take());
            assert_eq!(ours, usual);
            let [ours, usual] = times.map(|time| time.as_str().expect("a time").to_owned());
            assert_eq!((ours.len(), &ours[..14], &ours[26..]), (usual.len(), &usual[..14], &usual[26..]));
        }
    }

    #[test]
    fn times_are_written_to_the_microsecond() {
        let written = |nanos| {
            let mut line = Line::default();
            line.time(UNIX_EPOCH + Duration::from_nanos(nanos));
            String::from_utf8(line.text).expect("ASCII")
        };
        assert_eq!(written(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(1_796_000_000_000_001_999), "2026-11-30T00:53:20.000001Z");
        assert_eq!(written(1_796_000_000_999_999_999), "2026-11-30T00:53:20.999999Z");
    }

    #[test]
    fn a_value_that_logs_while_it_is_written_harms_neither_line() {
        struct Talks;
        impl fmt::Debug for Talks {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                LINE.with_borrow(|line| assert!(line.text.is_empty()));
                f.write_str("talked")
            }
        }
        let sink = Sink::default();
        let writer = sink.clone();
        let builder = tracing_subscriber::fmt().fmt_fields(JsonFields::new()).event_format(JsonLine);
        tracing::subscriber::with_default(builder.with_writer(move || writer.clone()).finish(), || {
            tracing::info!(before = 1, value = ?Talks, after = 2);
        });
        let lines = sink.lines();
        assert_eq!((&lines[0]["value"], &lines[0]["after"]), (&"talked".into(), &2.into()));
    }
}
