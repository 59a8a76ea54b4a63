//! One spelling for each path: what is routed is what the guest sees, and nothing can be said in two ways.
//!
//! The rules (`decisions/0020-paths.md`):
//! * `%XX` of an unreserved character becomes the character; every other `%XX` stays, in upper case;
//! * what should have been encoded and is harmless (`{`, `"`, non-ASCII) becomes encoded;
//! * `.` and `..` are resolved; `..` at the root stays at the root (RFC 3986, section 5.2.4);
//! * an empty segment (`//`), a backslash, a control character in any spelling, bytes that are no UTF-8, and dot
//!   segments hidden behind an encoded separator (`..%2F`) are refused;
//! * an encoded slash or backslash is otherwise part of its segment and stays encoded.

use std::{borrow::Cow, fmt::Write};

/// Why a path has no one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It does not start at the root.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// Two slashes in a row.
    #[error("the path has an empty segment (two slashes in a row)")]
    EmptySegment,
    /// A backslash as it is.
    #[error("the path has a backslash")]
    Backslash,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a percent sign without two hexadecimal digits")]
    BadEncoding,
    /// A control character, encoded or not.
    #[error("the path has a control character")]
    Control,
    /// Encoded bytes that are no UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// `..%2F` and its kin.
    #[error("the path hides a dot segment behind an encoded separator")]
    HiddenDots,
}

/// The one spelling of `path`, which has no query.
///
/// # Errors
/// When different readers could take the path for different things.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathFault> {
    let Some(rest) = path.strip_prefix('/') else { return Err(PathFault::NotAbsolute) };
    if is_normal(rest) {
        return Ok(Cow::Borrowed(path));
    }
    let mut segments: Vec<Cow<'_, str>> = Vec::new();
    let mut pieces = rest.split('/').peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        let segment = canonical(piece)?;
        match &*segment {
            "" if !last => return Err(PathFault::EmptySegment),
            "." => {}
            ".." => drop(segments.pop()),
            _ => {
                segments.push(segment);
                continue;
            }
        }
        // A path that ends in a dot segment names a folder: it ends with a slash.
        if last && segments.last().is_none_or(|end| !end.is_empty()) {
            segments.push(Cow::Borrowed(""));
        }
    }
    Ok(Cow::Owned(format!("/{}", segments.join("/"))))
}

/// Whether nothing would change, decided without allocating: the common case.
fn is_normal(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let segment_starts = |index: usize| index == 0 || bytes[index - 1] == b'/';
    bytes.iter().enumerate().all(|(index, &byte)| match byte {
        b'/' => !segment_starts(index),
        b'.' => !segment_starts(index),
        _ => is_plain(byte),
    })
}

/// Characters that stand for themselves in a segment (RFC 3986, `pchar` without the encoded ones).
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The one spelling of a segment.
fn canonical(piece: &str) -> Result<Cow<'_, str>, PathFault> {
    if piece.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(piece));
    }
    let mut spelled = String::with_capacity(piece.len());
    let mut meant = Vec::with_capacity(piece.len());
    let mut bytes = piece.bytes();
    while let Some(byte) = bytes.next() {
        let (value, encoded) = match byte {
            b'%' => (hex(bytes.next(), bytes.next())?, true),
            b'\\' => return Err(PathFault::Backslash),
            byte => (byte, false),
        };
        if value < 0x20 || value == 0x7f {
            return Err(PathFault::Control);
        }
        meant.push(value);
        if is_unreserved(value) || (is_plain(value) && !encoded) {
            spelled.push(char::from(value));
        } else {
            write!(spelled, "%{value:02X}").expect("writing to a string does not fail");
        }
    }
    let meant = std::str::from_utf8(&meant).map_err(|_| PathFault::NotUtf8)?;
    let mut parts = meant.split(['/', '\\']).peekable();
    let first = parts.next();
    // A whole segment that is a dot segment is resolved by the caller; one beside an encoded separator is a trick.
    if parts.peek().is_some() && first.into_iter().chain(parts).any(|part| part == "." || part == "..") {
        return Err(PathFault::HiddenDots);
    }
    Ok(Cow::Owned(spelled))
}

fn hex(high: Option<u8>, low: Option<u8>) -> Result<u8, PathFault> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok((high * 16 + low) as u8),
        _ => Err(PathFault::BadEncoding),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_rule_by_example() {
        for (written, meant) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/%61%2d%7e", "/a-~"),
            ("/a%2fb%5cc", "/a%2Fb%5Cc"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/c", "/c"),
            ("/..", "/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/{id}", "/%7Bid%7D"),
            ("/%21!", "/%21!"),
            ("/a%252e", "/a%252e"),
            ("/a;b=c,d", "/a;b=c,d"),
        ] {
            assert_eq!(normalise(written).as_deref(), Ok(meant), "{written}");
        }
    }

    #[test]
    fn what_has_no_one_meaning_is_refused() {
        for (written, fault) in [
            ("", PathFault::NotAbsolute),
            ("*", PathFault::NotAbsolute),
            ("//evil", PathFault::EmptySegment),
            ("/a//b", PathFault::EmptySegment),
            ("/a//", PathFault::EmptySegment),
            ("/.//evil", PathFault::EmptySegment),
            ("/a\\b", PathFault::Backslash),
            ("/%", PathFault::BadEncoding),
            ("/%4", PathFault::BadEncoding),
            ("/%zz", PathFault::BadEncoding),
            ("/%00", PathFault::Control),
            ("/a%0d%0ab", PathFault::Control),
            ("/%7f", PathFault::Control),
            ("/%c0%af", PathFault::NotUtf8),
            ("/%ed%a0%80", PathFault::NotUtf8),
            ("/..%2fetc", PathFault::HiddenDots),
            ("/a%2f%2e%2e%2fb", PathFault::HiddenDots),
            ("/..%5c", PathFault::HiddenDots),
        ] {
            assert_eq!(normalise(written), Err(fault), "{written}");
        }
    }

    /// Paths made of the pieces that tricks are made of, so that the cases meet.
    fn tricky() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "/", "/", "/", ".", "..", "a", "B", "%2e", "%2E", "%2f", "%5C", "%25", "%", "%41", "%c3%a9", "%00", "\\",
            "{", "\u{e9}", ";", "~", "%7e",
        ]);
        prop::collection::vec(pieces, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn any_text_is_normal_after_once_or_refused(path in "\\PC{0,40}") {
            once_is_enough(&path)?;
        }

        #[test]
        fn tricks_are_normal_after_once_or_refused(path in tricky()) {
            once_is_enough(&path)?;
        }
    }

    fn once_is_enough(path: &str) -> Result<(), TestCaseError> {
        let Ok(normal) = normalise(path) else { return Ok(()) };
        prop_assert_eq!(normalise(&normal), Ok(normal.clone()), "{} is not stable", path);
        prop_assert!(normal.starts_with('/') && !normal.contains("//"), "{normal}");
        prop_assert!(!normal.split('/').any(|segment| segment == "." || segment == ".."), "{normal}");
        prop_assert!(normal.bytes().all(|byte| is_plain(byte) || byte == b'/' || byte == b'%'), "{normal}");
        Ok(())
    }
}
