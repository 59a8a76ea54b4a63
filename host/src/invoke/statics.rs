//! Files that the host serves itself (`[[static]]`): HTTP semantics of RFC 9110 over files that do not change.
//!
//! They pass no gate and take no instance: a file costs what it costs to send. What a name means, its tag and its codings were
//! worked out when the revision was loaded.

use std::{io, path::Path};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use http_range_header::parse_range_header;
use percent_encoding::percent_decode_str;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom},
};

use crate::{
    body::{self, Body},
    failure::{Code, Failure},
    registry::{Coding, Found, StaticFile, Statics},
};

/// Read at once: each read is a visit to a thread that may block.
const PIECE: usize = 64 << 10;

/// Ask again each time whether it is still the same: a new revision may have another.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// Answers with the file that the request's path means.
///
/// # Errors
/// `no-route` where there is no such file.
pub(super) async fn answer(found: &Found, request: &Parts) -> Result<Response<Body>, Failure> {
    let statics = &found.plugin.statics;
    let below = found.params.first().map_or("", |(_, value)| value);
    let below = percent_decode_str(below).decode_utf8().map_err(|_| Failure::plain(Code::NoRoute))?;
    let file = statics.find(found.route, &below).ok_or_else(|| Failure::plain(Code::NoRoute))?;
    let coding = choose(file, &request.headers);
    let tag = tag(file, coding);
    let mut response = if is_known(&request.headers, file) {
        status(StatusCode::NOT_MODIFIED)
    } else {
        let size = file.sizes.get(&coding).copied().unwrap_or_default();
        match wanted(&request.headers, &tag, size) {
            Wanted::All => send(statics, file, coding, 0, size).await?,
            Wanted::Part(first, last) => {
                let mut response = send(statics, file, coding, first, last + 1 - first).await?;
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                say(&mut response, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
                response
            }
            Wanted::Nothing => {
                let mut response = status(StatusCode::RANGE_NOT_SATISFIABLE);
                say(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
                response
            }
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hex and letters"));
    headers.insert(header::CACHE_CONTROL, CACHE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if file.sizes.len() > 1 {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    Ok(response)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response
}

fn say(response: &mut Response<Body>, name: HeaderName, value: &str) {
    response.headers_mut().insert(name, HeaderValue::from_str(value).expect("digits and letters"));
}

/// A strong tag: other codings are other bytes.
fn tag(file: &StaticFile, coding: Coding) -> String {
    match coding {
        Coding::Identity => format!("\"{}\"", file.tag),
        packed => format!("\"{}-{}\"", file.tag, packed.name()),
    }
}

/// Part of the file's bytes, read as they are sent.
async fn send(
    statics: &Statics,
    file: &StaticFile,
    coding: Coding,
    first: u64,
    length: u64,
) -> Result<Response<Body>, Failure> {
    let unreadable = |error: io::Error| Failure::plain(Code::Unavailable).inside(format!("a kept file: {error}"));
    let path = statics.path(file, coding).ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
    let body = match usize::try_from(length) {
        Ok(length) if length <= PIECE => body::full(piece(&path, first, length).await.map_err(unreadable)?),
        _ => streamed(open(&path, first).await.map_err(unreadable)?, length),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, file.content_type.clone());
    headers.insert(header::CONTENT_LENGTH, length.into());
    if coding == Coding::Identity {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    } else {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    Ok(response)
}

async fn open(path: &Path, first: u64) -> io::Result<File> {
    let mut file = File::open(path).await?;
    if first > 0 {
        file.seek(SeekFrom::Start(first)).await?;
    }
    Ok(file)
}

async fn piece(path: &Path, first: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    open(path, first).await?.read_exact(&mut bytes).await?;
    Ok(bytes.into())
}

fn streamed(mut file: File, length: u64) -> Body {
    file.set_max_buf_size(PIECE);
    let pieces = stream::try_unfold((file, length), async |(mut file, left)| {
        if left == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))];
        let broken = |error: io::Error| Failure::plain(Code::Unavailable).inside(format!("a kept file: {error}"));
        file.read_exact(&mut bytes).await.map_err(broken)?;
        let left = left - bytes.len() as u64;
        Ok::<_, Failure>(Some((Frame::data(Bytes::from(bytes)), (file, left))))
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

/// Whether the client has it already (RFC 9110, 13.1.2): in whichever coding.
fn is_known(headers: &HeaderMap, file: &StaticFile) -> bool {
    let tags = file.sizes.keys().map(|coding| tag(file, *coding)).collect::<Vec<_>>();
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut listed = listed.flat_map(|value| value.split(',')).map(str::trim);
    listed.any(|known| known == "*" || tags.iter().any(|tag| tag == known.strip_prefix("W/").unwrap_or(known)))
}

/// What of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// From this byte to that, both included.
    Part(u64, u64),
    /// Bytes that there are not.
    Nothing,
}

/// RFC 9110, 14.2. Several ranges at once are answered with the whole, as any may be.
fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let Some(range) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) else { return Wanted::All };
    // Half of an old file and half of a new one are no file.
    if headers.get(header::IF_RANGE).is_some_and(|condition| condition.as_bytes() != tag.as_bytes()) {
        return Wanted::All;
    }
    let Ok(parsed) = parse_range_header(range) else { return Wanted::All };
    match parsed.validate(size).as_deref() {
        Ok([range]) => Wanted::Part(*range.start(), *range.end()),
        Ok(_) => Wanted::All,
        Err(_) => Wanted::Nothing,
    }
}

/// The smallest coding that the client takes (RFC 9110, 12.5.3). A part of a file is a part of it as it is.
fn choose(file: &StaticFile, headers: &HeaderMap) -> Coding {
    if file.sizes.len() == 1 || headers.contains_key(header::RANGE) {
        return Coding::Identity;
    }
    let listed = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<&str> = listed.flat_map(|value| value.split(',')).map(str::trim).collect();
    let takes = |coding: &Coding| listed.iter().any(|one| is_taken(one, coding.name()));
    file.sizes
        .iter()
        .filter(|(coding, _)| **coding == Coding::Identity || takes(coding))
        .min_by_key(|(_, size)| **size)
        .map_or(Coding::Identity, |(coding, _)| *coding)
}

/// Whether one item of `Accept-Encoding` takes this coding. `*` is not read: who means a coding names it.
fn is_taken(item: &str, coding: &str) -> bool {
    let (name, weight) = item.split_once(';').unwrap_or((item, ""));
    let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q == 0.0));
    name.trim().eq_ignore_ascii_case(coding) && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn file() -> StaticFile {
        let sizes = [(Coding::Identity, 1000), (Coding::Brotli, 90), (Coding::Gzip, 100)].into();
        StaticFile::described("a.css", HeaderValue::from_static("text/css"), "0123", sizes)
    }

    #[test]
    fn the_smallest_coding_that_the_client_names_is_taken() {
        for (accepted, coding) in [
            ("gzip, br", Coding::Brotli),
            ("gzip, br;q=0", Coding::Gzip),
            ("GZIP;q=0.5", Coding::Gzip),
            ("gzip;q=0.000", Coding::Identity),
            ("*", Coding::Identity),
            ("brotli", Coding::Identity),
        ] {
            assert_eq!(choose(&file(), &headers(&[(header::ACCEPT_ENCODING, accepted)])), coding, "{accepted}");
        }
        let part = headers(&[(header::ACCEPT_ENCODING, "br"), (header::RANGE, "bytes=0-1")]);
        assert_eq!(choose(&file(), &part), Coding::Identity);
    }

    #[test]
    fn a_known_tag_is_known_in_every_coding_and_form() {
        for known in ["\"0123\"", "W/\"0123\"", "\"x\", \"0123-br\"", "*"] {
            assert!(is_known(&headers(&[(header::IF_NONE_MATCH, known)]), &file()), "{known}");
        }
        for other in ["\"012\"", "0123", "\"0123-zz\""] {
            assert!(!is_known(&headers(&[(header::IF_NONE_MATCH, other)]), &file()), "{other}");
        }
    }

    #[test]
    fn one_range_is_a_part_and_what_is_not_there_is_nothing() {
        let wanted = |pairs: &[(HeaderName, &'static str)]| wanted(&headers(pairs), "\"0123\"", 1000);
        let range = |value| wanted(&[(header::RANGE, value)]);
        assert_eq!(range("bytes=0-0"), Wanted::Part(0, 0));
        assert_eq!(range("bytes=990-"), Wanted::Part(990, 999));
        assert_eq!(range("bytes=-10"), Wanted::Part(990, 999));
        assert_eq!(range("bytes=900-9999"), Wanted::Part(900, 999));
        assert_eq!(range("bytes=1000-"), Wanted::Nothing);
        assert_eq!(range("bytes=0-1,5-6"), Wanted::All);
        assert_eq!(range("lines=0-1"), Wanted::All);
        assert_eq!(wanted(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"0123\"")]), Wanted::Part(0, 1));
        assert_eq!(wanted(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"old\"")]), Wanted::All);
    }
}
