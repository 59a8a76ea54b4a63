//! The path of a route, and how well a request's path fits it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A route's path, read by the attribute.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// As the author wrote it.
    pub text: &'static str,
    /// Its segments.
    pub segments: &'static [Segment],
}

/// One segment of a route's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(&'static str),
    /// Any text but an empty one.
    Parameter(&'static str),
    /// All that is left, slashes included, and at least one byte.
    Rest(&'static str),
}

impl Segment {
    /// Smaller is more specific.
    const fn rank(self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Rest(_) => 2,
        }
    }
}

/// What the parameters of a route are in one path, in the route's order.
pub(crate) type Captures = Vec<(Cow<'static, str>, String)>;

impl Pattern {
    /// The parameters' values, decoded, if the path fits. A value that is no UTF-8 does not fit.
    pub(crate) fn captures(&self, path: &str) -> Option<Captures> {
        let mut captures = Vec::new();
        let mut left = path.strip_prefix('/')?;
        // An empty path has no segments, where splitting would find an empty one.
        let mut more = !left.is_empty();
        for segment in self.segments {
            if !more {
                return None;
            }
            if let Segment::Rest(name) = segment {
                captures.push((Cow::Borrowed(*name), decoded(left)?.into_owned()));
                return Some(captures);
            }
            let (this, rest) = match left.split_once('/') {
                Some((this, rest)) => (this, rest),
                None => {
                    more = false;
                    (left, "")
                }
            };
            left = rest;
            let this = decoded(this)?;
            match segment {
                Segment::Literal(text) if this != *text => return None,
                Segment::Parameter(_) if this.is_empty() => return None,
                Segment::Parameter(name) => captures.push((Cow::Borrowed(*name), this.into_owned())),
                Segment::Literal(_) | Segment::Rest(_) => {}
            }
        }
        (!more).then_some(captures)
    }

    /// Whether this goes before another pattern that fits the same path.
    pub(crate) fn before(&self, other: &Self) -> bool {
        let rank = |pattern: &Self| pattern.segments.iter().map(|segment| segment.rank());
        rank(self).lt(rank(other))
    }

    /// Whether both fit exactly the same paths.
    pub(crate) const fn same(&self, other: &Self) -> bool {
        let (these, those) = (self.segments, other.segments);
        if these.len() != those.len() {
            return false;
        }
        let mut at = 0;
        while at < these.len() {
            match (these[at], those[at]) {
                (Segment::Literal(this), Segment::Literal(that)) if !same_text(this, that) => return false,
                (this, that) if this.rank() != that.rank() => return false,
                _ => {}
            }
            at += 1;
        }
        true
    }
}

/// `==` of texts, when the plugin is compiled.
pub(crate) const fn same_text(this: &str, that: &str) -> bool {
    let (this, that) = (this.as_bytes(), that.as_bytes());
    let mut at = 0;
    while at < this.len() && at < that.len() && this[at] == that[at] {
        at += 1;
    }
    at == this.len() && at == that.len()
}

/// Without percent-encoding.
pub(crate) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::{Segment::*, *};

    const fn pattern(segments: &'static [Segment]) -> Pattern {
        Pattern { text: "", segments }
    }

    fn captured(pattern: Pattern, path: &str) -> Option<Vec<String>> {
        Some(pattern.captures(path)?.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn a_path_fits_segment_by_segment() {
        let items = pattern(&[Literal("items"), Parameter("id")]);
        assert_eq!(captured(items, "/items/7"), Some(vec!["id=7".to_owned()]));
        assert_eq!(captured(items, "/items/a%2Fb"), Some(vec!["id=a/b".to_owned()]));
        for other in ["/items", "/items/", "/items/7/", "/items/7/x", "/item/7", "items/7", "/items/%ff", "/", ""] {
            assert_eq!(captured(items, other), None, "{other}");
        }
        assert_eq!(captured(pattern(&[]), "/"), Some(vec![]));
        assert_eq!(captured(pattern(&[]), "/x"), None);
        let files = pattern(&[Literal("files"), Rest("rest")]);
        assert_eq!(captured(files, "/files/a/b%20c/"), Some(vec!["rest=a/b c/".to_owned()]));
        assert_eq!(captured(files, "/files"), None);
        assert_eq!(captured(pattern(&[Literal("ü")]), "/%C3%BC"), Some(vec![]));
    }

    #[test]
    fn the_more_specific_goes_first() {
        let order = [
            pattern(&[Literal("a"), Literal("b")]),
            pattern(&[Literal("a"), Parameter("x")]),
            pattern(&[Literal("a"), Rest("x")]),
            pattern(&[Parameter("x"), Literal("b")]),
            pattern(&[Rest("x")]),
        ];
        for pair in order.windows(2) {
            assert!(pair[0].before(&pair[1]) && !pair[1].before(&pair[0]), "{pair:?}");
        }
    }

    #[test]
    fn names_of_parameters_do_not_tell_patterns_apart() {
        assert!(pattern(&[Literal("a"), Parameter("x")]).same(&pattern(&[Literal("a"), Parameter("y")])));
        assert!(!pattern(&[Literal("a")]).same(&pattern(&[Literal("ab")])));
        assert!(!pattern(&[Parameter("x")]).same(&pattern(&[Rest("x")])));
    }
}
