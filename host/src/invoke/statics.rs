//! Files that the host serves itself (`[[static]]`): HTTP semantics of RFC 9110 over files that do not change.
//!
//! They pass no gate and take no instance: a file costs what it costs to send. What a name means, its tag and its codings were
//! worked out when the revision was loaded.

mod cached;

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use http_range_header::parse_range_header;
use percent_encoding::percent_decode_str;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    body::{
        self, Body,
        pieces::{Pace, Taken},
    },
    failure::{Code, Failure},
    registry::{Coding, Found, StaticFile, Statics},
};

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
    let pace = Pace::begin(request.extensions.get::<Taken>());
    let mut response = if is_known(&request.headers, file) {
        status(StatusCode::NOT_MODIFIED)
    } else {
        let size = file.sizes.get(&coding).copied().unwrap_or_default();
        match wanted(&request.headers, &tag, size) {
            Wanted::All => send(statics, file, coding, pace, (0, size)).await?,
            Wanted::Part(first, last) => {
                let mut response = send(statics, file, coding, pace, (first, last + 1 - first)).await?;
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
    pace: Pace,
    (first, length): (u64, u64),
) -> Result<Response<Body>, Failure> {
    let path = statics.path(file, coding).ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
    let end = first + length;
    let begun = first..first.saturating_add(pace.piece() as u64).min(end);
    let (kept, piece) = Kept::open(path, begun.clone()).await.map_err(unreadable)?;
    let body = if begun.end == end { body::full(piece) } else { streamed(kept, piece, begun.end..end, pace) };
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

/// A file that is read where it is wanted. Between two reads nothing of it is held.
#[derive(Clone)]
struct Kept(Arc<File>);

impl Kept {
    /// A file, and these bytes of it.
    async fn open(path: PathBuf, bytes: Range<u64>) -> io::Result<(Self, Bytes)> {
        if let Some(file) = cached::open(&path) {
            let kept = Self(Arc::new(file));
            let piece = kept.read(bytes).await?;
            return Ok((kept, piece));
        }
        let mut piece = room(&bytes)?;
        let opened = move || {
            let kept = Self(Arc::new(File::open(path)?));
            kept.0.read_exact_at(&mut piece, bytes.start)?;
            Ok((kept, piece.into()))
        };
        blocking(opened).await
    }

    async fn read(&self, bytes: Range<u64>) -> io::Result<Bytes> {
        let (kept, mut piece) = (self.clone(), room(&bytes)?);
        if cached::read(&kept.0, &mut piece, bytes.start) {
            return Ok(piece.into());
        }
        let read = move || {
            kept.0.read_exact_at(&mut piece, bytes.start)?;
            Ok(piece.into())
        };
        blocking(read).await
    }
}

/// Made where it is dropped: a thread that makes what others drop does not soon have it back.
fn room(bytes: &Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(bytes.end - bytes.start).map_err(io::Error::other)?;
    Ok(vec![0; length])
}

/// Visits to threads that may block, at once: each such thread holds memory of its own for a while.
static VISITS: Semaphore = Semaphore::const_new(8);

async fn blocking<T: Send + 'static>(visit: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let _permit = VISITS.acquire().await.expect("the semaphore is never closed");
    spawn_blocking(visit).await?
}

/// This piece of a file and what is `left` of it, read as it is asked for.
fn streamed(file: Kept, piece: Bytes, left: Range<u64>, pace: Pace) -> Body {
    let begun = (Some(piece), file, left, pace);
    let pieces = stream::try_unfold(begun, async |(piece, file, mut left, mut pace)| {
        let piece = match piece {
            Some(piece) => piece,
            None if left.is_empty() => return Ok(None),
            None => {
                let next = left.start..left.start.saturating_add(pace.piece() as u64).min(left.end);
                left.start = next.end;
                file.read(next).await.map_err(unreadable)?
            }
        };
        pace.took(piece.len());
        Ok::<_, Failure>(Some((Frame::data(piece), (None, file, left, pace))))
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

fn unreadable(error: io::Error) -> Failure {
    Failure::plain(Code::Unavailable).inside(format!("a kept file: {error}"))
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
