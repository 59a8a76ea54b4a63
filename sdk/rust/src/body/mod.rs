//! Bodies of requests and responses: bytes at hand, or pieces as they come.

mod writer;

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use serde::de::DeserializeOwned;

pub use self::writer::Writer;
use crate::{Error, Problem, Result};

/// A body, read once.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// /// Counts lines in constant memory, however long the body is.
/// #[post("/lines")]
/// async fn lines(mut body: Body) -> Result<String> {
///     let mut lines = 0;
///     while let Some(piece) = body.next().await {
///         lines += piece?.iter().filter(|byte| **byte == b'\n').count();
///     }
///     Ok(format!("{lines} lines"))
/// }
/// routes!(lines);
///
/// assert_eq!(wasmbay_sdk::testing::Client::new(PLUGIN).post("/lines", "a\nb\n").text(), "2 lines");
/// ```
#[derive(Default)]
pub struct Body(Inner);

enum Inner {
    Bytes(Bytes),
    Frames(Frames),
}

impl Default for Inner {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

/// Any body of the `http-body` crate. It is polled on the guest's one thread, so it need not be `Send`.
type Frames = Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error>>>;

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Pieces as a stream gives them; an error breaks the body off, so that nobody takes a part for the whole.
    ///
    /// ```
    /// use futures_util::stream;
    /// use wasmbay_sdk::prelude::*;
    ///
    /// #[get("/count")]
    /// async fn count() -> Body {
    ///     Body::from_stream(stream::iter(0..3).map(|number| Ok::<_, Error>(format!("{number}\n"))))
    /// }
    /// # use futures_util::StreamExt as _;
    /// routes!(count);
    ///
    /// assert_eq!(wasmbay_sdk::testing::Client::new(PLUGIN).get("/count").text(), "0\n1\n2\n");
    /// ```
    pub fn from_stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + 'static,
        B: Into<Bytes>,
        E: Into<Error>,
    {
        let frame = |piece: Result<B, E>| piece.map(|bytes| Frame::data(bytes.into())).map_err(Into::into);
        Self::frames(futures_util::StreamExt::map(stream, frame))
    }

    /// Pieces as an async closure writes them, after the head has been sent. It runs no faster than the pieces are taken.
    ///
    /// ```
    /// use wasmbay_sdk::prelude::*;
    ///
    /// #[get("/slowly")]
    /// async fn slowly() -> Body {
    ///     Body::writer(async |out| {
    ///         for number in 0..3 {
    ///             out.write(format!("{number}\n")).await;
    ///             sleep(Duration::from_secs(1)).await;
    ///         }
    ///         Ok(())
    ///     })
    /// }
    /// routes!(slowly);
    ///
    /// let answer = wasmbay_sdk::testing::Client::new(PLUGIN).get("/slowly");
    /// assert_eq!((answer.text(), answer.took()), ("0\n1\n2\n", Duration::from_secs(3)));
    /// ```
    pub fn writer<F>(write: F) -> Self
    where
        F: AsyncFnOnce(&mut Writer) -> Result<()> + 'static,
    {
        Self(Inner::Frames(Box::pin(writer::Written::new(write))))
    }

    /// Frames as a stream gives them: data, and at the end trailers.
    pub(crate) fn frames(stream: impl Stream<Item = Result<Frame<Bytes>>> + 'static) -> Self {
        Self(Inner::Frames(Box::pin(StreamOfFrames(Box::pin(stream)))))
    }

    /// Any body of the `http-body` crate, trailers included.
    pub fn from_http_body<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + 'static,
        B::Error: Into<Error>,
    {
        let mut body = Box::pin(body);
        let next =
            move |cx: &mut Context<'_>| body.as_mut().poll_frame(cx).map(|next| next.map(|it| it.map_err(Into::into)));
        Self::frames(futures_util::stream::poll_fn(next))
    }

    /// The next piece; `None` at the end. Trailers are passed over.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            match poll_fn(|cx| http_body::Body::poll_frame(Pin::new(self), cx)).await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_trailers) => continue,
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// All of it. The host's `limits.request_body` bounds how much a client can send.
    ///
    /// # Errors
    /// A body that breaks off.
    pub async fn bytes(mut self) -> Result<Bytes> {
        if let Inner::Bytes(bytes) = &mut self.0 {
            return Ok(mem::take(bytes));
        }
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await.transpose()? else { return Ok(first) };
        let mut all = BytesMut::from(&*first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.freeze())
    }

    /// All of it as text.
    ///
    /// # Errors
    /// A body that breaks off, or is no UTF-8: 400.
    pub async fn text(self) -> Result<String> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8(bytes.into()).map_err(|_| Problem::bad_request("the body is no UTF-8"))?)
    }

    /// All of it as JSON.
    ///
    /// # Errors
    /// A body that breaks off, is no JSON, or JSON of another shape.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        Ok(serde_json::from_slice(&self.bytes().await?)?)
    }

    /// How many bytes it has, where that is known before it is read.
    pub fn length(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Inner::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
            Inner::Frames(frames) => frames.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Bytes(bytes) => bytes.is_empty(),
            Inner::Frames(frames) => frames.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Frames(frames) => frames.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Inner::Frames(_) => f.write_str("Body(pieces)"),
        }
    }
}

struct StreamOfFrames<S>(Pin<Box<S>>);

impl<S: Stream<Item = Result<Frame<Bytes>>>> http_body::Body for StreamOfFrames<S> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.0.as_mut().poll_next(cx)
    }
}

macro_rules! from {
    ($($other:ty),*) => {
        $(
            impl From<$other> for Body {
                fn from(bytes: $other) -> Self {
                    Self(Inner::Bytes(bytes.into()))
                }
            }
        )*
    };
}

from!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}
