//! Whether a client would rather have a page than JSON (RFC 9110, section 12.5.1).

use http::{HeaderMap, header};

/// True when `Accept` gives HTML more weight than JSON: browsers do; programs that take anything do not.
pub(in crate::front) fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges: Vec<_> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(range)
        .collect();
    let json = weight(&ranges, "application", "problem+json").max(weight(&ranges, "application", "json"));
    weight(&ranges, "text", "html") > json
}

/// A media range and its weight in thousandths.
type Range<'a> = (&'a str, &'a str, u16);

fn range(text: &str) -> Range<'_> {
    let mut parts = text.split(';').map(str::trim);
    let (main, sub) = parts.next().and_then(|range| range.split_once('/')).unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0)).clamp(0.0, 1.0);
    (main, sub, (weight * 1000.0) as u16)
}

/// The weight of the range that matches most closely; without a header every type is as good as another.
fn weight(ranges: &[Range<'_>], main: &str, sub: &str) -> u16 {
    let is = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let closeness = |range: &&Range<'_>| match (range.0, range.1) {
        (of, kind) if is(of, main) && is(kind, sub) => 3,
        (of, "*") if is(of, main) => 2,
        ("*", "*") => 1,
        _ => 0,
    };
    let best = ranges.iter().filter(|range| closeness(range) > 0).max_by_key(|range| closeness(range));
    best.map_or(0, |(.., weight)| *weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_programs_get_json() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html", true),
            ("text/*, application/json;q=0.5", true),
            ("*/*", false),
            ("", false),
            ("application/json, text/plain, */*", false),
            ("application/problem+json, text/html;q=0.5", false),
            ("text/html, application/json", false),
            ("text/html;q=0", false),
            ("text/html;q=oops, */*;q=0.1", false),
            ("nonsense", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a header value"));
            assert_eq!(prefers_html(&headers), html, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
