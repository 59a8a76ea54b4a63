//! Where a request stands in a distributed trace (W3C Trace Context, version 00).

use std::hash::{BuildHasher as _, RandomState};

use http::{HeaderMap, HeaderValue};

use crate::telemetry::RequestId;

/// The header that says it.
pub(super) const TRACEPARENT: &str = "traceparent";

/// The trace that a request belongs to: its caller's, or one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    id: u128,
    flags: u8,
}

impl Trace {
    /// The trace that the headers name. Without one, or with one that cannot be read, it is made from the request's id,
    /// and is not sampled.
    pub fn of(headers: &HeaderMap, request: &RequestId) -> Self {
        let named = headers.get(TRACEPARENT).and_then(|value| parse(value.to_str().ok()?));
        named.unwrap_or_else(|| Self { id: request.bits(), flags: 0 })
    }

    /// What a request sent on its behalf says: the same trace, and a parent of its own.
    pub(super) fn header(&self) -> HeaderValue {
        // Never zero, which would mean that there is no parent.
        let parent = RandomState::new().hash_one(self.id) | 1;
        let text = format!("00-{:032x}-{parent:016x}-{:02x}", self.id, self.flags);
        HeaderValue::try_from(text).expect("hexadecimal digits and hyphens")
    }
}

fn parse(text: &str) -> Option<Trace> {
    let mut fields = text.split('-');
    let mut field = |length: usize| {
        let field = fields.next().filter(|field| field.len() == length)?;
        let is_plain = field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_plain.then(|| u128::from_str_radix(field, 16).ok()).flatten()
    };
    let (version, id, parent, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    // Later versions may say more behind; what they share stands first.
    let is_whole = version != 0 || fields.next().is_none();
    let flags = u8::try_from(flags).ok()?;
    (version != 0xff && id != 0 && parent != 0 && is_whole).then_some(Trace { id, flags: flags & 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, text.parse().expect("a value"));
        let id = RequestId::generate();
        let trace = Trace::of(&headers, &id);
        (trace.id != id.bits()).then(|| trace.header().to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn the_trace_goes_on_with_another_parent() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let next = of(text).expect("a trace");
        assert_eq!((&next[..36], &next[52..]), (&text[..36], &text[52..]));
        assert_ne!(next, text);
        assert_eq!(parse(&next).map(|trace| trace.flags), Some(1));
    }

    #[test]
    fn what_is_no_trace_is_passed_over() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn without_one_the_request_is_a_trace_of_its_own() {
        let id = RequestId::generate();
        let trace = Trace::of(&HeaderMap::new(), &id);
        let header = trace.header();
        let parsed = parse(header.to_str().expect("ASCII")).expect("a trace");
        assert_eq!((parsed.id, parsed.flags), (id.bits(), 0));
    }
}
