//! The slow readings that the host's are compared with: written from the rules alone, with neither care for speed nor a
//! line of the host's.

/// The decoded segments of a path by the rules of `host/decisions/0020-paths.md`; `None` where it must be refused.
pub(crate) fn path(path: &str) -> Option<Vec<Vec<u8>>> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let pieces: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len();
        let segment = decode(piece)?;
        let parts: Vec<&[u8]> = segment.split(|byte| *byte == b'/' || *byte == b'\\').collect();
        let is_dots = |part: &[u8]| part == b"." || part == b"..";
        let refused = piece.contains('\\')
            || (piece.is_empty() && !last)
            || segment.iter().any(|byte| byte.is_ascii_control())
            || String::from_utf8(segment.clone()).is_err()
            || (parts.len() > 1 && parts.into_iter().any(is_dots));
        if refused {
            return None;
        }
        match segment.as_slice() {
            b"." => {}
            b".." => drop(segments.pop()),
            _ => {
                segments.push(segment);
                continue;
            }
        }
        if last {
            segments.push(Vec::new());
        }
    }
    Some(segments)
}

/// The decoded segments of a path that has one spelling.
pub(crate) fn decoded(path: &str) -> Vec<Vec<u8>> {
    path[1..].split('/').map(|piece| decode(piece).expect("each % begins an encoding")).collect()
}

/// The one spelling of these segments, as far as the rules tell: what is reserved may stand encoded or not, which the
/// sender chose. Encoded where it is here means encoded in the result.
pub(crate) fn spelled(segments: &[Vec<u8>], like: &str) -> String {
    let pieces = like[1..].split('/');
    let spelled = segments.iter().zip(pieces).map(|(segment, like)| {
        let mut like = like.bytes();
        let one = |byte: &u8| {
            let encoded = like.next() == Some(b'%');
            if encoded {
                like.nth(1);
            }
            let reserved = b"!$&'()*+,;=:@".contains(byte) && !encoded;
            match byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || reserved {
                true => char::from(*byte).to_string(),
                false => format!("%{byte:02X}"),
            }
        };
        segment.iter().map(one).collect::<String>()
    });
    format!("/{}", spelled.collect::<Vec<_>>().join("/"))
}

fn decode(piece: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = piece.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        let digits = std::str::from_utf8(digits).expect("digits are ASCII");
        bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
        rest = &after[2..];
    }
    Some(bytes)
}

/// Whether a route matches a path; the values of its parameters.
pub(crate) fn route(pattern: &str, path: &str) -> Option<Vec<String>> {
    fn walk(pattern: &[&str], path: &[&str]) -> Option<Vec<String>> {
        let Some((first, patterns)) = pattern.split_first() else { return path.is_empty().then(Vec::new) };
        if first.starts_with("{*") {
            return (!path.is_empty()).then(|| vec![path.join("/")]);
        }
        let (segment, below) = path.split_first()?;
        let values = walk(patterns, below)?;
        match first.starts_with('{') {
            true if segment.is_empty() => None,
            true => Some([vec![(*segment).to_owned()], values].concat()),
            false => (first == segment).then_some(values),
        }
    }
    walk(&pattern.split('/').collect::<Vec<_>>(), &path.split('/').collect::<Vec<_>>())
}

/// How specific a route is, segment by segment; the least goes first.
pub(crate) fn rank(pattern: &str) -> Vec<u8> {
    let kind = |segment: &str| match segment {
        tail if tail.starts_with("{*") => 2,
        param if param.starts_with('{') => 1,
        _ => 0,
    };
    pattern.split('/').map(kind).collect()
}

/// A host as it is looked up: without its port and final dot, in lower case.
pub(crate) fn host(authority: &str) -> String {
    let bare = match (authority.rfind(':'), authority.rfind(']')) {
        (Some(colon), bracket) if bracket.is_none_or(|bracket| bracket < colon) => &authority[..colon],
        _ => authority,
    };
    bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase()
}
