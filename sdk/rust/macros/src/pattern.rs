//! The path of a route, read when the plugin is compiled.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Error, LitStr};

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    Parameter(String),
    Rest(String),
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }

    /// The segment as a value of the SDK's type.
    fn expression(&self) -> Tokens {
        match self {
            Self::Literal(text) => quote!(::wasmbay_sdk::__private::Segment::Literal(#text)),
            Self::Parameter(name) => quote!(::wasmbay_sdk::__private::Segment::Parameter(#name)),
            Self::Rest(name) => quote!(::wasmbay_sdk::__private::Segment::Rest(#name)),
        }
    }
}

/// Reads a path as `/items/{id}/{*rest}`.
///
/// # Errors
/// The first fault, at the literal.
pub(crate) fn parse(path: &LitStr) -> syn::Result<Vec<Segment>> {
    let text = path.value();
    let fault = |message: String| Error::new(path.span(), message);
    let Some(below) = text.strip_prefix('/') else {
        return Err(fault(format!("the path {text:?} must begin with a slash: \"/{text}\"")));
    };
    if let Some(mark) = text.chars().find(|mark| matches!(mark, '?' | '#' | '%') || mark.is_whitespace()) {
        return Err(fault(format!(
            "a path holds no {mark:?}: write it decoded, and take the query with an argument `Query<T>`"
        )));
    }
    let mut segments = Vec::new();
    for (at, segment) in below.split('/').enumerate().filter(|_| !below.is_empty()) {
        let segment = parse_segment(segment).map_err(fault)?;
        if matches!(segment, Segment::Rest(_)) && at + 1 < below.split('/').count() {
            return Err(fault("`{*rest}` takes all that is left: it must be the last segment".to_owned()));
        }
        if segments.iter().any(|other: &Segment| segment.name().is_some() && other.name() == segment.name()) {
            return Err(fault(format!("the parameter {{{}}} stands twice", segment.name().unwrap_or_default())));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn parse_segment(segment: &str) -> Result<Segment, String> {
    let Some(inner) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return match segment {
            "" => Err("an empty segment matches nothing: no double slash, no slash at the end".to_owned()),
            _ if segment.contains(['{', '}', '*', ':']) => Err(format!(
                "the segment {segment:?} is neither literal nor a parameter; a parameter is written {{name}}"
            )),
            _ => Ok(Segment::Literal(segment.to_owned())),
        };
    };
    let (name, rest) = inner.strip_prefix('*').map_or((inner, false), |name| (name, true));
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{name:?} is no parameter's name: letters, digits and _, such as {{id}}"));
    }
    Ok(if rest { Segment::Rest(name.to_owned()) } else { Segment::Parameter(name.to_owned()) })
}

/// The segments as a constant slice.
pub(crate) fn expression(segments: &[Segment]) -> Tokens {
    let segments = segments.iter().map(Segment::expression);
    quote!(&[#(#segments),*])
}
