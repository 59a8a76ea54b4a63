//! What a CGI command writes: one response whatever the pieces, and nothing in it that belongs to the host.
//!
//! The first byte says how the output is cut into pieces, the second how many headers stand before the rest, which is the
//! output: none up to 0xBF, then 2 KiB of them more for each. Checked:
//! * the same answer in one piece, byte by byte and as cut;
//! * no header that belongs to the connection, no line end in a value, one length at most, a final status;
//! * the body is what follows the blank line, up to its length, and ends cleanly just when it is whole.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Response, header};
use wasmbay::guest::probe::cgi_response;

/// A head and all that stands before it has fewer bytes (the host's limit, as its documentation has it).
const MAX_HEAD: usize = 64 << 10;

/// Headers that no command may set (RFC 9110, section 7.6.1, and the ones that say who is spoken to).
pub(crate) const FORBIDDEN: [&str; 9] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

type Answer = Result<Response<(Bytes, bool)>, Option<String>>;

/// Runs one input.
///
/// # Panics
/// When one of the properties does not hold.
pub fn run(input: &[u8]) {
    let [cut, padding, written @ ..] = input else { return };
    let output = [&padded(usize::from(padding.saturating_sub(0xBF)) * 2048), written].concat();
    let whole = read(vec![Bytes::from(output.clone())]);
    let size = usize::from(*cut).max(1);
    let pieces = output.chunks(size).map(Bytes::copy_from_slice);
    same(&whole, &read(pieces.collect()));
    // The first piece ends anywhere: in the middle of a line end, too.
    let at = (usize::from(*cut) * output.len()) / 256;
    same(&whole, &read(vec![Bytes::copy_from_slice(&output[..at]), Bytes::copy_from_slice(&output[at..])]));
    match &whole {
        Ok(response) => check(response, &output),
        Err(None) => assert!(end_of_head(&output).is_none() && output.len() < MAX_HEAD, "the head is there"),
        Err(Some(reason)) => assert!(!reason.is_empty()),
    }
}

/// Headers of five bytes each, with names that differ.
fn padded(length: usize) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..length / 5 {
        write!(text, "{number:03x}").expect("a string takes all");
        text += ":\n";
    }
    text.into()
}

fn read(pieces: Vec<Bytes>) -> Answer {
    cgi_response(pieces).now_or_never().expect("all that is waited for is there")
}

fn same(one: &Answer, other: &Answer) {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            assert_eq!((one.status(), one.headers(), one.body()), (other.status(), other.headers(), other.body()));
        }
        (Err(one), Err(other)) => assert_eq!(one, other),
        _ => panic!("{one:?} in one piece, {other:?} in several"),
    }
}

fn check(response: &Response<(Bytes, bool)>, output: &[u8]) {
    assert!((200..=999).contains(&response.status().as_u16()), "{} is not final", response.status());
    for (name, value) in response.headers() {
        assert!(!FORBIDDEN.contains(&name.as_str()), "{name} reaches the client");
        assert_ne!(name, "status", "it is not a header of HTTP");
        assert!(!value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte)), "{name} splits the head");
    }
    let start = end_of_head(output).expect("there is a response");
    assert!(start <= MAX_HEAD, "the head has {start} bytes");
    let (body, clean) = response.body();
    let lengths: Vec<_> = response.headers().get_all(header::CONTENT_LENGTH).iter().collect();
    let length = match lengths.as_slice() {
        [] => None,
        [one] => Some(one.to_str().expect("digits").parse::<u64>().expect("a number")),
        several => panic!("{several:?}"),
    };
    let rest = &output[start..];
    let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX).min(rest.len());
    assert_eq!(body, &rest[..expected]);
    assert_eq!(*clean, length.is_none_or(|length| length <= rest.len() as u64), "{length:?} of {}", rest.len());
}

/// Where the body begins: behind the first line that is empty.
fn end_of_head(output: &[u8]) -> Option<usize> {
    let mut start = 0;
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        start += line.len();
        if line == b"\n" || line == b"\r\n" {
            return Some(start);
        }
    }
    None
}
