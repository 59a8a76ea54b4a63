//! An answer, read to its end.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, response::Parts};
use serde::de::DeserializeOwned;

use crate::{Body, backend::native::now};

/// What a handler answered.
pub struct Answer {
    head: Parts,
    body: Bytes,
    broken: Option<String>,
    took: Duration,
}

impl Answer {
    pub(super) async fn read(head: Parts, mut body: Body, begun: Duration) -> Self {
        let (mut bytes, mut broken) = (BytesMut::new(), None);
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            }
        }
        Self { head, body: bytes.freeze(), broken, took: now().saturating_sub(begun) }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// What its body broke off with.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The bytes that came, also of a body that broke off.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Its body.
    ///
    /// # Panics
    /// When it broke off or is no UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        assert_eq!(self.broken, None, "the body broke off");
        str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// Its body as JSON.
    ///
    /// # Panics
    /// When it broke off, or is no such JSON.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_str(self.text()) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {self:?}"),
        }
    }

    /// How long the handler slept until the last byte.
    pub fn took(&self) -> Duration {
        self.took
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let mut answer = f.debug_struct("Answer");
        answer.field("status", &self.head.status).field("headers", &self.head.headers).field("body", &body);
        answer.field("broken", &self.broken).finish_non_exhaustive()
    }
}
