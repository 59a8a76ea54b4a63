//! Each complaint stands at the words of the author that it is about.

use crate::{handler, routes};
use proc_macro2::{Span, TokenStream as Tokens};

/// The message of an expansion that fails, and the text that it points at in `source`.
fn complaint(source: &str, expanded: syn::Result<Tokens>) -> (String, String) {
    let error = expanded.expect_err("the expansion fails");
    (error.to_string(), text_at(source, error.span()))
}

fn text_at(source: &str, span: Span) -> String {
    let (start, end) = (span.start(), span.end());
    assert_eq!((start.line, end.line), (1, 1), "one line each");
    source.chars().skip(start.column).take(end.column - start.column).collect()
}

/// What `#[get(PATH)] FUNCTION` is told, where the source is `PATH FUNCTION`.
fn refused(source: &str) -> (String, String) {
    let tokens: Tokens = source.parse().expect("tokens");
    let mut tokens = tokens.into_iter();
    let path = tokens.next().into_iter().collect();
    complaint(source, handler::route("get", Some("GET"), path, tokens.collect()))
}

#[test]
fn a_path_that_is_none_is_pointed_at() {
    for (path, message) in [
        (r#""items""#, "must begin with a slash"),
        (r#""/items/""#, "empty segment"),
        (r#""/a//b""#, "empty segment"),
        (r#""/{id}/{id}""#, "{id} stands twice"),
        (r#""/{*rest}/x""#, "must be the last segment"),
        (r#""/{1d}""#, "no parameter's name"),
        (r#""/:id""#, "written {name}"),
        (r#""/a?b=1""#, "`Query<T>`"),
    ] {
        let source = format!("{path} async fn item() {{}}");
        let (said, at) = refused(&source);
        assert!(said.contains(message), "{path}: {said}");
        assert_eq!(at, path);
    }
    let (said, at) = refused("7 async fn item() {}");
    assert_eq!((said.as_str(), at.as_str()), ("`#[get]` takes one text: #[get(\"/items/{id}\")]", "7"));
}

#[test]
fn a_function_that_is_no_handler_is_pointed_at() {
    for (item, message, at) in [
        ("struct Item;", "a handler is a function", "struct"),
        ("async fn item<T>(x: T) {}", "no type or lifetime parameters", "T"),
        ("unsafe fn item() {}", "no `unsafe fn`", "unsafe"),
        ("const fn item() {}", "no `const fn`", "const"),
        ("async fn item(&self) {}", "not a method", "&self"),
        ("async fn item(name: &str) {}", "take them by value", "&str"),
        ("fn item(x: impl Copy) {}", "named types", "impl Copy"),
    ] {
        let source = format!(r#""/item" {item}"#);
        let (said, pointed) = refused(&source);
        assert!(said.contains(message), "{item}: {said}");
        assert_eq!(pointed, at, "{item}");
    }
}

#[test]
fn what_is_listed_wrongly_is_pointed_at() {
    let source = "list, item, list";
    let (said, at) = complaint(source, routes::expand(source.parse().expect("tokens")));
    assert_eq!((said.as_str(), at.as_str()), ("the handler is listed twice", "list"));
    let source = "list item";
    let (said, at) = complaint(source, routes::expand(source.parse().expect("tokens")));
    assert!(said.contains("lists handlers by their names"), "{said}");
    assert_eq!(at, "item");
    assert!(routes::expand(Tokens::new()).expect_err("nothing is listed").to_string().contains("at least one"));
}

#[test]
fn the_whole_handler_takes_no_path() {
    let source = r#""/x""#;
    let (said, at) = complaint(source, handler::whole(source.parse().expect("tokens"), Tokens::new()));
    assert!(said.contains("takes no arguments"), "{said}");
    assert_eq!(at, source);
}

/// A type that the SDK cannot take from a request is rejected by the compiler, at the span that the expansion gave.
#[test]
fn the_code_for_an_argument_and_for_the_answer_stands_where_their_types_do() {
    let source = r#""/x" fn item(first: Query<u8>, other: Mistake) -> Strange { todo!() }"#;
    let mut tokens = source.parse::<Tokens>().expect("tokens").into_iter();
    let path = tokens.next().into_iter().collect();
    let expanded = handler::route("get", Some("GET"), path, tokens.collect()).expect("it expands");
    let spans = spans_of(expanded, &["from_request", "into_response", "takes_what_is_left"]);
    let at: Vec<_> = spans.into_iter().map(|(name, span)| (name, text_at(source, span))).collect();
    let has = |name: &str, text: &str| at.iter().any(|(ident, place)| ident == name && place == text);
    assert!(has("from_request", "Query<u8>") && has("from_request", "Mistake"), "{at:?}");
    assert!(has("into_response", "Strange") && has("takes_what_is_left", "Mistake"), "{at:?}");
}

fn spans_of(tokens: Tokens, wanted: &[&str]) -> Vec<(String, Span)> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Group(group) => found.extend(spans_of(group.stream(), wanted)),
            proc_macro2::TokenTree::Ident(ident) if wanted.iter().any(|name| ident == name) => {
                // What carries the call's own span has none in the text.
                let span = ident.span();
                if span.start() != Span::call_site().start() || span.end() != Span::call_site().end() {
                    found.push((ident.to_string(), span));
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn an_expansion_is_rust() {
    for source in [r#""/a/{b}/{*c}" async fn item(b: Path<String>) -> String { b.0 }"#, r#""/" pub fn item() {}"#] {
        let mut tokens = source.parse::<Tokens>().expect("tokens").into_iter();
        let path = tokens.next().into_iter().collect();
        let expanded = handler::route("get", None, path, tokens.collect()).expect("it expands");
        let file: syn::File = syn::parse2(expanded).expect("items");
        assert!(file.items.len() >= 3, "the function, its type and its route");
    }
}
