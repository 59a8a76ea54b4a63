//! How often a request has been sent on by hosts like this one: `CDN-Loop` (RFC 8586), which others leave as it is.
//!
//! Plugin calls are counted in process; this carries the count through servers in between, so that a plugin whose call
//! comes back to it by way of others is cut like one that calls itself.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that says it.
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// How hosts like this one call themselves there.
const OURS: &str = "wasmbay";

/// How many hops lie behind a request that came over a socket. A client that says too many refuses itself.
pub fn behind(headers: &HeaderMap) -> u8 {
    let texts = headers.get_all(CDN_LOOP).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).filter_map(hop).max().unwrap_or(0)
}

/// The hop of one entry, if it is ours. One without a number was sent on at least once.
fn hop(entry: &str) -> Option<u8> {
    let mut parts = entry.split(';').map(str::trim);
    parts.next().filter(|name| name.eq_ignore_ascii_case(OURS))?;
    let number = parts.find_map(|part| part.strip_prefix("hop="));
    // Too large for a hop is as many as there can be.
    Some(number.map_or(1, |number| number.parse().unwrap_or(u8::MAX)))
}

/// Adds that the request has been sent on once more.
pub(super) fn stamp(headers: &mut HeaderMap, hop: u8) {
    let entry = format!("{OURS}; hop={hop}");
    headers.append(CDN_LOOP, HeaderValue::try_from(entry).expect("visible ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&'static str]) -> u8 {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(CDN_LOOP, HeaderValue::from_static(text));
        }
        behind(&headers)
    }

    #[test]
    fn the_highest_of_ours_counts() {
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&["other; hop=7, cdn.example"]), 0);
        assert_eq!(of(&["wasmbay; hop=3, other", "Wasmbay; x=1; hop=2"]), 3);
        assert_eq!(of(&["wasmbay"]), 1);
        assert_eq!(of(&["wasmbay; hop=999"]), u8::MAX);
    }

    #[test]
    fn what_is_stamped_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(CDN_LOOP, HeaderValue::from_static("wasmbay; hop=1"));
        stamp(&mut headers, 4);
        assert_eq!((behind(&headers), headers.get_all(CDN_LOOP).iter().count()), (4, 2));
    }
}
