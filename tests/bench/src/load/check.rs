//! Whether a reply's body is what it must be.

use super::plan::Body;

/// What a body turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As expected.
    Right,
    /// As expected, and of this revision.
    Revision(u64),
    /// Not as expected.
    Wrong,
}

/// Judges the body of a 2xx reply.
pub(crate) fn check(expected: &Body, body: &[u8]) -> Verdict {
    let right = match expected {
        Body::Any => true,
        Body::Exact(text) => body == text.as_bytes(),
        Body::Contains(text) => body.windows(text.len().max(1)).any(|window| window == text.as_bytes()),
        Body::Length(length) => body.len() == *length,
        Body::Marker => return revision(body).map_or(Verdict::Wrong, Verdict::Revision),
    };
    if right { Verdict::Right } else { Verdict::Wrong }
}

/// The revision a body is wholly made of; `None` when it is empty, torn or of two revisions.
fn revision(body: &[u8]) -> Option<u64> {
    let end = body.iter().position(|byte| *byte == b'\n')? + 1;
    let line = &body[..end];
    let whole = body.len().is_multiple_of(end) && body.chunks(end).all(|part| part == line);
    let digits = std::str::from_utf8(&line[..end - 1]).ok()?.strip_prefix('r')?;
    if whole { digits.parse().ok() } else { None }
}

/// The `code` of an `application/problem+json` body.
pub(crate) fn problem_code(body: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(document.get("code")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_one_revision_are_told_from_mixed_and_torn_ones() {
        let of = |text: &str| check(&Body::Marker, text.as_bytes());
        assert_eq!(of("r0017\nr0017\nr0017\n"), Verdict::Revision(17));
        assert_eq!(of("r0017\nr0017\nr0018\n"), Verdict::Wrong);
        assert_eq!(of("r0017\nr0017\nr00"), Verdict::Wrong);
        assert_eq!(of(""), Verdict::Wrong);
        assert_eq!(of("x\n"), Verdict::Wrong);
    }

    #[test]
    fn each_expectation_can_fail() {
        assert_eq!(check(&Body::Any, b""), Verdict::Right);
        for (expected, right, wrong) in [
            (Body::Exact("a".into()), "a", "ab"),
            (Body::Contains("bc".into()), "abcd", "acbd"),
            (Body::Length(2), "ab", "abc"),
        ] {
            assert_eq!(check(&expected, right.as_bytes()), Verdict::Right, "{expected:?}");
            assert_eq!(check(&expected, wrong.as_bytes()), Verdict::Wrong, "{expected:?}");
        }
    }

    #[test]
    fn a_problem_names_its_code() {
        assert_eq!(problem_code(br#"{"code":"queue-full"}"#).as_deref(), Some("queue-full"));
        assert_eq!(problem_code(b"busy"), None);
    }
}
