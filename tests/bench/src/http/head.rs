//! A response head: found in a buffer, read for what decides where the body ends.

/// How a reply's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(usize),
    /// After the chunk of size zero and its trailers.
    Chunked,
    /// When the server closes.
    UntilClose,
}

/// What a response head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// Whether the server closes after this reply.
    pub(crate) close: bool,
    /// Bytes of the head, its empty line included.
    pub(crate) bytes: usize,
}

/// The head at the start of `buffer`; `None` while it is incomplete.
///
/// # Errors
///
/// A sentence saying what is wrong with it.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Head>, &'static str> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if buffer.len() > 64 * 1024 { Err("the head has no end") } else { Ok(None) };
    };
    let text = std::str::from_utf8(&buffer[..end]).map_err(|_| "the head is not text")?;
    let mut lines = text.split("\r\n");
    let status = status(lines.next().unwrap_or_default())?;
    let mut head = Head { status, framing: Framing::UntilClose, close: false, bytes: end + 4 };
    if matches!(status, 204 | 304) {
        head.framing = Framing::Length(0);
    }
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
        header(&mut head, name, value.trim())?;
    }
    head.close |= head.framing == Framing::UntilClose;
    Ok(Some(head))
}

fn status(line: &str) -> Result<u16, &'static str> {
    let rest = line.strip_prefix("HTTP/1.1 ").ok_or("the reply is not HTTP/1.1")?;
    let digits = rest.get(..3).ok_or("the status is missing")?;
    digits.parse().map_err(|_| "the status is not a number")
}

fn header(head: &mut Head, name: &str, value: &str) -> Result<(), &'static str> {
    if name.eq_ignore_ascii_case("content-length") {
        head.framing = Framing::Length(value.parse().map_err(|_| "the length is not a number")?);
    } else if name.eq_ignore_ascii_case("transfer-encoding") {
        if !value.eq_ignore_ascii_case("chunked") {
            return Err("an unknown transfer coding");
        }
        head.framing = Framing::Chunked;
    } else if name.eq_ignore_ascii_case("connection") {
        head.close = value.eq_ignore_ascii_case("close");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let whole = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nconnection: close\r\n\r\nbody";
        assert_eq!(parse(&whole[..40]), Ok(None));
        let expected = Head { status: 503, framing: Framing::Length(12), close: true, bytes: whole.len() - 4 };
        assert_eq!(parse(whole), Ok(Some(expected)));
    }

    #[test]
    fn chunks_and_missing_lengths_are_told_apart() {
        let framing = |text: &str| parse(text.as_bytes()).map(|head| head.map(|head| (head.framing, head.close)));
        assert_eq!(
            framing("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
            Ok(Some((Framing::Chunked, false)))
        );
        assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n"), Ok(Some((Framing::UntilClose, true))));
        assert_eq!(framing("HTTP/1.1 204 No Content\r\n\r\n"), Ok(Some((Framing::Length(0), false))));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        assert!(parse(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 2x0 OK\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
    }
}
