//! The head of a CGI response (RFC 3875, section 6): header lines, then the body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, WasiBody};

/// Bytes of header lines a command may write: as much as a front server accepts of a client.
pub(in crate::guest) const MAX_HEAD: usize = 64 << 10;

/// Why there is no head.
#[derive(Debug, PartialEq)]
pub(in crate::guest) enum Malformed {
    /// The output ended before the head did.
    Ended,
    /// It is not a head; the text says why, for the log.
    Broken(String),
}

impl From<String> for Malformed {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

/// Reads the head from a command's output and leaves the rest of it as the body.
///
/// # Errors
/// What is wrong with the output, for the log.
pub(in crate::guest) async fn read(mut output: mpsc::Receiver<Bytes>) -> Result<Response<WasiBody>, Malformed> {
    let (mut seen, mut lines) = (BytesMut::new(), Lines::default());
    loop {
        // The same head for the same bytes, however they were written: what lies beyond the limit is not looked at.
        let within = seen.len().min(MAX_HEAD);
        if let Some((length, rest)) = lines.blank(&seen[..within]) {
            let response = parse(&seen[..length])?;
            let left = seen.split_off(rest).freeze();
            let length = content_length(&response)?;
            return Ok(response.map(|()| Output { first: Some(left), output, left: length }.boxed_unsync()));
        }
        if seen.len() >= MAX_HEAD {
            return Err(format!("no blank line within the first {MAX_HEAD} bytes").into());
        }
        match output.recv().await {
            Some(chunk) => seen.extend_from_slice(&chunk),
            None => return Err(Malformed::Ended),
        }
    }
}

/// Looks for the blank line. Remembers how far it is: a command may write byte by byte.
#[derive(Default)]
struct Lines {
    /// Where the line begins that has not ended yet.
    line: usize,
    /// What was looked at.
    looked: usize,
}

impl Lines {
    /// Where the header lines end and where the body begins. Lines end in LF or CR LF. `seen` has grown since the last
    /// call.
    fn blank(&mut self, seen: &[u8]) -> Option<(usize, usize)> {
        while let Some(ahead) = seen[self.looked..].iter().position(|byte| *byte == b'\n') {
            let (line, end) = (self.line, self.looked + ahead);
            (self.line, self.looked) = (end + 1, end + 1);
            if matches!(&seen[line..end], b"" | b"\r") {
                return Some((line, end + 1));
            }
        }
        self.looked = seen.len();
        None
    }
}

fn parse(head: &[u8]) -> Result<Response<()>, String> {
    let mut response = Response::new(());
    let mut status = None;
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let shown = || String::from_utf8_lossy(line).into_owned();
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or_else(|| format!("no colon in the header line {:?}", shown()))?;
        let value = line[colon + 1..].trim_ascii();
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| format!("no header name in {:?}", shown()))?;
        if name == "status" {
            let code = value.get(..3).ok_or_else(|| format!("no status in {:?}", shown()))?;
            let code = StatusCode::from_bytes(code).ok().filter(|code| code.as_u16() >= 200);
            status = Some(code.ok_or_else(|| format!("no final status in {:?}", shown()))?);
        } else if !DEFAULT_FORBIDDEN_HEADERS.contains(&name) {
            let value = HeaderValue::from_bytes(value).map_err(|_| format!("no header value in {:?}", shown()))?;
            response.headers_mut().append(name, value);
        }
    }
    let redirects = response.headers().contains_key(header::LOCATION);
    if status.is_none() && !redirects && !response.headers().contains_key(header::CONTENT_TYPE) {
        return Err("neither Content-Type, Location nor Status among the headers".to_owned());
    }
    *response.status_mut() = status.unwrap_or(if redirects { StatusCode::FOUND } else { StatusCode::OK });
    Ok(response)
}

fn content_length(response: &Response<()>) -> Result<Option<u64>, String> {
    let mut values = response.headers().get_all(header::CONTENT_LENGTH).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let digits =
                value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| "Content-Length is no number".to_owned())
        }
        _ => Err("two Content-Length headers".to_owned()),
    }
}

/// What a command writes behind its head: until its `Content-Length` is reached, else until it exits.
struct Output {
    first: Option<Bytes>,
    output: mpsc::Receiver<Bytes>,
    left: Option<u64>,
}

impl Output {
    /// The part of a chunk that belongs to the response.
    fn cut(&mut self, mut chunk: Bytes) -> Bytes {
        if let Some(left) = &mut self.left {
            chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len()));
            *left -= chunk.len() as u64;
        }
        chunk
    }
}

impl http_body::Body for Output {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if self.left == Some(0) {
                return Poll::Ready(None);
            }
            let chunk = match self.first.take() {
                Some(first) => Some(first),
                None => std::task::ready!(self.output.poll_recv(cx)),
            };
            match chunk {
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => return Poll::Ready(Some(Ok(Frame::data(self.cut(chunk))))),
                None if self.left.is_some() => {
                    return Poll::Ready(Some(Err(wasmtime_wasi_http::Error::HttpResponseIncomplete)));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(chunks: &[&'static str]) -> Result<(StatusCode, String), Malformed> {
        let (sender, receiver) = mpsc::channel(chunks.len() + 1);
        for chunk in chunks {
            sender.send(Bytes::from_static(chunk.as_bytes())).await.expect("room for every chunk");
        }
        drop(sender);
        let response = read(receiver).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }

    #[tokio::test]
    async fn heads_good_and_bad() {
        let good = answer(&["Content-Ty", "pe: text/plain\r\n\r", "\nhello"]).await;
        assert_eq!(good, Ok((StatusCode::OK, "hello".to_owned())));
        let redirect = answer(&["Location: /x\n\n"]).await;
        assert_eq!(redirect, Ok((StatusCode::FOUND, String::new())));
        let status = answer(&["Status: 404 Not Found\nContent-Type: a/b\n\nno"]).await;
        assert_eq!(status, Ok((StatusCode::NOT_FOUND, "no".to_owned())));
        assert_eq!(answer(&["hello"]).await, Err(Malformed::Ended));
        assert!(answer(&["X: 1\n\nhello"]).await.is_err());
        assert!(answer(&["Status: 100\n\n"]).await.is_err());
        assert!(answer(&["Content-Type: a/b\nContent-Length: +1\n\nx"]).await.is_err());
    }

    /// A map of headers panics when it gets too large; a head within the limit does not make it so large.
    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused_however_it_is_written() {
        let letters = ('a'..='z').chain('0'..='9').collect::<Vec<_>>();
        let mut head = String::from("Content-Type: a/b\n");
        for number in 0..36 * 36 * 36 {
            let letter = |power: usize| letters[number / power % letters.len()];
            head.extend([letter(1296), letter(36), letter(1), ':', '\n']);
        }
        head += "\n";
        for length in [MAX_HEAD / 2, MAX_HEAD, head.len()] {
            let (first, second) = head.split_at(length);
            let (sender, receiver) = mpsc::channel(2);
            sender.try_send(Bytes::copy_from_slice(first.as_bytes())).expect("room");
            sender.try_send(Bytes::copy_from_slice(second.as_bytes())).expect("room");
            drop(sender);
            assert!(matches!(read(receiver).await, Err(Malformed::Broken(_))), "{length}");
        }
    }

    #[tokio::test]
    async fn content_length_ends_the_body_and_a_short_one_is_no_clean_end() {
        assert_eq!(
            answer(&["Status: 200\nContent-Length: 2\n\nabc", "def"]).await,
            Ok((StatusCode::OK, "ab".to_owned()))
        );
        assert!(answer(&["Status: 200\nContent-Length: 9\n\nabc"]).await.is_err());
    }
}
