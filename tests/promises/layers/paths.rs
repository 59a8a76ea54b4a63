//! Every path that a source file names, with its line: in `use` trees, in expressions and types, inside macros.

use std::str::FromStr;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// A path as it is resolved from the top of the crate, or from a foreign crate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// Segments; the first is `crate` or a foreign crate's name, or just any word.
    pub(super) path: Vec<String>,
    /// Counted from 1.
    pub(super) line: usize,
    /// Inside `#[cfg(test)] mod … { … }`.
    pub(super) test: bool,
}

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) mentions: Vec<Mention>,
    /// The modules that `#[cfg(test)] mod name;` keeps in files of their own, from the top of the crate.
    pub(super) test_files: Vec<Vec<String>>,
}

/// Reads a file whose module is `module`, from the top of the crate.
pub(super) fn read(text: &str, module: &[String]) -> Result<Said, String> {
    let tokens = TokenStream::from_str(text).map_err(|error| error.to_string())?;
    let mut said = Said::default();
    walk(tokens, &Scope { module: module.to_vec(), test: false }, &mut said);
    Ok(said)
}

struct Scope {
    module: Vec<String>,
    test: bool,
}

fn walk(tokens: TokenStream, scope: &Scope, said: &mut Said) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    // Whether the item that begins here is kept for tests: set by the attribute, spent by the item's end.
    let mut for_tests = false;
    let mut at = 0;
    while at < tokens.len() {
        let before = at;
        match &tokens[at] {
            TokenTree::Group(group) => {
                // Braces end an item, what it was kept for included.
                for_tests = group.delimiter() != Delimiter::Brace && (for_tests || is_cfg_test(group));
                walk(group.stream(), scope, said);
                at += 1;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => {
                for_tests = false;
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            TokenTree::Ident(word) if word == "mod" => {
                at = module(&tokens, at, scope, for_tests, said);
                for_tests = false;
            }
            TokenTree::Ident(word) => at = path(&tokens, at, word, scope, said),
        }
        debug_assert!(at > before, "the walk goes on");
    }
}

/// `[cfg(test)]`, the part of an attribute after its sign.
fn is_cfg_test(group: &Group) -> bool {
    let text = group.stream().to_string().replace(' ', "");
    group.delimiter() == Delimiter::Bracket && (text == "cfg(test)" || text.starts_with("cfg(all(test,"))
}

/// Reads `mod name { … }` or `mod name;` and answers with where it ends.
fn module(tokens: &[TokenTree], at: usize, scope: &Scope, for_tests: bool, said: &mut Said) -> usize {
    let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return at + 1 };
    let module: Vec<String> = scope.module.iter().cloned().chain([name.to_string()]).collect();
    match tokens.get(at + 2) {
        Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
            walk(body.stream(), &Scope { module, test: scope.test || for_tests }, said);
            at + 3
        }
        _ => {
            if for_tests {
                said.test_files.push(module);
            }
            at + 2
        }
    }
}

/// Reads the path that begins with `word`, its braces included, and answers with where it ends.
fn path(tokens: &[TokenTree], begin: usize, word: &Ident, scope: &Scope, said: &mut Said) -> usize {
    let mut segments = vec![word.to_string()];
    let mut at = begin + 1;
    while is_path_sign(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(next)) => segments.push(next.to_string()),
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => segments.push("*".to_owned()),
            Some(TokenTree::Group(branches)) if branches.delimiter() == Delimiter::Brace => {
                tree(branches.stream(), &segments, scope, said);
                return at + 3;
            }
            // A turbofish: what stands in it is read as any other tokens are.
            _ => break,
        }
        at += 3;
    }
    if segments.len() == 1 && begin.checked_sub(1).is_some_and(|before| is_use(&tokens[before])) {
        // A whole crate: said apart from a single word that is a variable or a field.
        segments.push("self".to_owned());
    }
    mention(segments, word.span().start().line, scope, said);
    at
}

/// Reads the branches of a `use` tree below `above`.
fn tree(branches: TokenStream, above: &[String], scope: &Scope, said: &mut Said) {
    let tokens: Vec<TokenTree> = branches.into_iter().collect();
    for branch in tokens.split(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ',')) {
        let mut segments = above.to_vec();
        let Some(first) = branch.first() else { continue };
        for token in branch {
            match token {
                // `as` gives a name for here: what is named is complete.
                TokenTree::Ident(word) if word == "as" => break,
                TokenTree::Ident(word) if word == "self" => {}
                TokenTree::Ident(word) => segments.push(word.to_string()),
                TokenTree::Punct(star) if star.as_char() == '*' => segments.push("*".to_owned()),
                TokenTree::Group(deeper) => {
                    tree(deeper.stream(), &segments, scope, said);
                    segments.clear();
                    break;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if !segments.is_empty() {
            mention(segments, first.span().start().line, scope, said);
        }
    }
}

fn is_use(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Ident(word) if word == "use")
}

/// Whether `::` stands here.
fn is_path_sign(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(sign)) if sign.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// Adds a path, with `super` and `self` at its beginning resolved.
fn mention(segments: Vec<String>, line: usize, scope: &Scope, said: &mut Said) {
    let supers =
        segments.iter().skip_while(|segment| *segment == "self").take_while(|segment| *segment == "super").count();
    let relative = supers > 0 || segments[0] == "self";
    let path = if relative {
        let rest = segments.into_iter().skip_while(|segment| segment == "self" || segment == "super");
        let parents = scope.module.len().saturating_sub(supers);
        ["crate".to_owned()].into_iter().chain(scope.module[..parents].iter().cloned()).chain(rest).collect()
    } else {
        segments
    };
    said.mentions.push(Mention { path, line, test: scope.test });
}
