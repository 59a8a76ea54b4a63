//! Server-sent events (the HTML standard, section 9.2).

use std::{fmt::Write as _, time::Duration};

use futures_core::Stream;
use http::{HeaderValue, header};
use serde::Serialize;

use super::{IntoResponse, with_type};
use crate::{Body, Error, Response, Result, body::Writer};

/// A stream of events that a browser's `EventSource` reads.
///
/// The manifest's `limits.stream_idle` bounds the time between two events; [`Event::comment`] keeps a quiet stream open.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[get("/ticks")]
/// async fn ticks() -> Sse {
///     Sse::new(async |events| {
///         for number in 1..=2 {
///             events.send(Event::new(format!("tick {number}")).id(number.to_string())).await;
///             sleep(Duration::from_secs(1)).await;
///         }
///         Ok(())
///     })
/// }
/// routes!(ticks);
///
/// let answer = wasmbay_sdk::testing::Client::new(PLUGIN).get("/ticks");
/// assert_eq!(answer.text(), "id: 1\ndata: tick 1\n\nid: 2\ndata: tick 2\n\n");
/// ```
#[derive(Debug)]
pub struct Sse(Body);

impl Sse {
    /// Events as an async closure sends them, after the head has gone out.
    pub fn new<F>(send: F) -> Self
    where
        F: AsyncFnOnce(&mut Events<'_>) -> Result<()> + 'static,
    {
        Self(Body::writer(async move |out| send(&mut Events(out)).await))
    }

    /// Events as a stream gives them; an error breaks the response off.
    pub fn from_stream<E: Into<Error>>(events: impl Stream<Item = Result<Event, E>> + 'static) -> Self {
        Self(Body::from_stream(futures_util::StreamExt::map(events, |event| event.map(Event::into_text))))
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        let mut response = with_type("text/event-stream", self.0);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// Takes the events of an [`Sse`].
pub struct Events<'a>(&'a mut Writer);

impl Events<'_> {
    /// Sends an event, once the one before has been taken. A client that left is no error: the code is dropped instead.
    pub async fn send(&mut self, event: Event) {
        self.0.write(event.into_text()).await;
    }
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    text: String,
    data: Option<String>,
}

impl Event {
    /// An event with this text, which may have several lines.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: Some(data.into()), ..Self::default() }
    }

    /// An event with JSON.
    ///
    /// # Errors
    /// A value that cannot be written as JSON.
    pub fn json(data: &impl Serialize) -> Result<Self> {
        Ok(Self::new(serde_json::to_string(data)?))
    }

    /// No event: a line that browsers pass over, which keeps a quiet connection open.
    pub fn comment(text: &str) -> Self {
        let mut event = Self::default();
        event.field("", text);
        event
    }

    /// Names the kind of the event, for `addEventListener`.
    #[must_use]
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.field("event", name.as_ref());
        self
    }

    /// Names the event: a browser that connects anew says the last one in `Last-Event-ID`.
    #[must_use]
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.field("id", id.as_ref());
        self
    }

    /// Says how long a browser waits before it connects anew, in whole milliseconds.
    #[must_use]
    pub fn retry(mut self, wait: Duration) -> Self {
        self.field("retry", &wait.as_millis().to_string());
        self
    }

    /// A field that has one line: what follows a line's end would be read as another field.
    fn field(&mut self, name: &str, value: &str) {
        let value = value.split(['\r', '\n', '\0']).next().unwrap_or_default();
        writeln!(self.text, "{name}: {value}").expect("memory does not fail");
    }

    fn into_text(mut self) -> String {
        if let Some(data) = self.data.take() {
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            data.split('\n').for_each(|line| self.field("data", line));
        }
        self.text.push('\n');
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_forge_a_field_or_another_event() {
        let event = Event::new("one\r\ntwo\n\ndata: three\rfour").name("greet\nid: 9").id("7");
        assert_eq!(
            event.into_text(),
            "event: greet\nid: 7\ndata: one\ndata: two\ndata: \ndata: data: three\ndata: four\n\n"
        );
        assert_eq!(Event::comment("still here").into_text(), ": still here\n\n");
        assert_eq!(Event::default().retry(Duration::from_secs(2)).into_text(), "retry: 2000\n\n");
    }
}
