//! The rules for URL paths: those of routes, with parameters, and the prefixes of tenants, without.

use super::fault::Wrong;
use crate::server::path::normalise;

/// A parameter's name becomes part of a header's name; this is far above what anybody writes.
const MAX_PARAM: usize = 63;

/// What is wrong with a segment, and what to do.
type Reason<T> = (T, &'static str);

/// Checks a route's path.
///
/// An empty segment is allowed as the last one alone: `/a/` is a path of its own beside `/a`. Paths are matched as
/// clients send them, so what a client may not send unencoded is refused here.
pub(super) fn route(path: &str) -> Result<(), Wrong> {
    let wrong = |why: &str| Wrong::new(format!("= {path:?} {why}"));
    let Some(tail) = path.strip_prefix('/') else {
        return Err(wrong("does not begin with a slash").remedy(format!("write {:?}", format!("/{path}"))));
    };
    let segments: Vec<&str> = tail.split('/').collect();
    let mut params = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        if segment.is_empty() && !last {
            return Err(wrong("has an empty segment").remedy("write single slashes"));
        }
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(param) => check_param(param, last, &mut params).map_err(|(why, remedy)| wrong(&why).remedy(remedy))?,
            None => check_literal(segment).map_err(|(why, remedy)| wrong(why).remedy(remedy))?,
        }
    }
    Ok(())
}

/// Checks a path prefix: literal segments, no slash at the end.
pub(super) fn prefix(path: &str) -> Result<(), Wrong> {
    let wrong = |why: &str| Wrong::new(format!("= {path:?} {why}"));
    let Some(tail) = path.strip_prefix('/') else {
        return Err(wrong("does not begin with a slash").remedy(format!("write {:?}", format!("/{path}"))));
    };
    if tail.is_empty() {
        return Err(wrong("is every path").remedy("write one such as \"/acme\", or hosts instead"));
    }
    if path.ends_with('/') {
        return Err(wrong("ends with a slash").remedy(format!("write {:?}", path.trim_end_matches('/'))));
    }
    for segment in tail.split('/') {
        if segment.is_empty() {
            return Err(wrong("has an empty segment").remedy("write single slashes"));
        }
        check_literal(segment).map_err(|(why, remedy)| wrong(why).remedy(remedy))?;
    }
    Ok(())
}

/// Checks what stands between braces and that no earlier parameter has its name.
fn check_param(param: &str, last: bool, params: &mut Vec<String>) -> Result<(), Reason<String>> {
    let name = match param.strip_prefix('*') {
        Some(_) if !last => {
            return Err((format!("has {{{param}}} before its end"), "only the last segment can be a tail"));
        }
        Some(name) => name,
        None => param,
    };
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if !name.starts_with(|first: char| first.is_ascii_lowercase())
        || !name.bytes().all(letter)
        || name.len() > MAX_PARAM
    {
        return Err((
            format!("has a parameter {{{}}} that is no name", param.escape_debug()),
            "a name begins with a lower-case letter; letters, digits, - and _ follow, 63 in all",
        ));
    }
    // Headers reach CGI guests as variables, which know no hyphens.
    let name = name.replace('-', "_");
    if params.contains(&name) {
        return Err((format!("has two parameters named {name:?}"), "give each a name of its own"));
    }
    params.push(name);
    Ok(())
}

fn check_literal(segment: &str) -> Result<(), Reason<&'static str>> {
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    if decoded == "." || decoded == ".." {
        return Err(("has a dot segment", "write the path that it leads to"));
    }
    if segment.contains(['{', '}']) {
        return Err(("has a brace inside a segment", "a parameter is a whole segment: /{name}/"));
    }
    if segment.contains(['?', '#']) {
        return Err(("has a query or a fragment", "a route is a path alone"));
    }
    if !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte)) {
        return Err(("has a character that no path can hold", "percent-encode it"));
    }
    let escapes = segment.split('%').skip(1);
    if !escapes.into_iter().all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())) {
        return Err(("has a % that begins no escape", "write %25 for the sign itself"));
    }
    match normalise(&format!("/{segment}")) {
        Ok(spelled) if spelled[1..] == *segment => Ok(()),
        Ok(_) => Err((
            "is spelled as no request is when it is matched",
            "write letters, digits, - . _ and ~ as they are, and escapes in capitals",
        )),
        Err(_) => Err(("has an escape that no request may have", "write a path that clients can ask for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_whole_segments() {
        for good in ["/", "/a", "/a/", "/a/{x}/b", "/{*rest}", "/a/{x}/{*rest}", "/a.b/..c/%2F", "/{a-b}/{c_1}", "/~a"]
        {
            assert!(route(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "a",
            "//",
            "/a//b",
            "/.",
            "/a/..",
            "/%2e%2E/a",
            "/a{x}",
            "/{x}a",
            "/{",
            "/{}",
            "/{*}",
            "/{X}",
            "/{*a}/b",
            "/{a}/{a}",
            "/{a-b}/{a_b}",
            "/a?b",
            "/a#b",
            "/a b",
            "/ü",
            "/%",
            "/%4",
            "/%zz",
            "/{1}",
            "/{{a}}",
            "/a\n",
            "/{*a}/",
        ];
        for bad in bad {
            assert!(route(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_is_literal_and_ends_without_a_slash() {
        for good in ["/a", "/a/b.c"] {
            assert!(prefix(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a", "/a/", "//", "/a//b", "/{a}", "/a/..", "/a b"] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }
}
