//! The rules for names, host names and relative paths, the same in manifests and settings.

use std::path::{Component, Path, PathBuf};

use super::fault::Wrong;

/// A name is also a label of a host name (`NAME.plugin.internal`), and a label has no more bytes.
const MAX_NAME: usize = 63;

/// A host name has no more bytes (RFC 1035).
const MAX_HOST: usize = 253;

/// Checks a plugin's or tenant's name: words of lower-case letters and digits, joined by single hyphens.
pub(super) fn kebab(name: &str) -> Result<(), Wrong> {
    if name.len() > MAX_NAME {
        return Err(Wrong::new(format!("is longer than {MAX_NAME} characters")).remedy("shorten it"));
    }
    if is_kebab(name) {
        return Ok(());
    }
    let wrong = Wrong::new(format!("= {name:?} is not kebab-case"));
    // A name of the same words that would be accepted.
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let better = Vec::from_iter(words).join("-").to_ascii_lowercase();
    Err(match name.is_ascii() && is_kebab(&better) {
        true => wrong.remedy(format!("write {better:?}")),
        false => wrong.remedy("use lower-case letters, digits and single hyphens between them"),
    })
}

fn is_kebab(name: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
    name.split('-').all(word)
}

/// Checks the name of a store, or of `what` it is else: lower-case letters, digits, hyphens and underscores.
pub(super) fn store(what: &str, name: &str) -> Result<(), Wrong> {
    let inside = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    match (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(inside) {
        true => Ok(()),
        false => Err(Wrong::new(format!("= {name:?} is no name of a {what}"))
            .remedy(format!("use up to {MAX_NAME} lower-case letters, digits, hyphens and underscores"))),
    }
}

/// Whether a store or a database may have this name.
pub(crate) fn is_store(name: &str) -> bool {
    store("store", name).is_ok()
}

/// Checks a variable's name as Spin has them: words of lower-case letters and digits, joined by single underscores,
/// beginning with a letter.
pub(super) fn variable(name: &str) -> Result<(), Wrong> {
    if name.len() > MAX_NAME {
        return Err(Wrong::new(format!("is longer than {MAX_NAME} characters")).remedy("shorten it"));
    }
    if is_variable(name) {
        return Ok(());
    }
    let wrong = Wrong::new("is no name of a variable");
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let better = Vec::from_iter(words).join("_").to_ascii_lowercase();
    Err(match name.is_ascii() && is_variable(&better) {
        true => wrong.remedy(format!("write {better:?}")),
        false => wrong.remedy("use lower-case letters, digits and single underscores between them, a letter first"),
    })
}

/// Whether a variable may have this name.
pub(crate) fn is_variable(name: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
    name.len() <= MAX_NAME && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('_').all(word)
}

/// Checks a secret's name, or that of a variable of the environment: letters, digits and underscores, no digit first.
pub(super) fn secret(name: &str) -> Result<(), Wrong> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    match first && name.len() <= MAX_NAME && name.bytes().all(inside) {
        true => Ok(()),
        false => Err(Wrong::new(format!("= {name:?} is no name of a secret"))
            .remedy("use letters, digits and underscores, such as \"API_KEY\"")),
    }
}

/// Checks a host name: lower case, no port, no wildcard.
pub(super) fn host(host: &str) -> Result<(), Wrong> {
    let wrong = |why: &str| Wrong::new(format!("= {host:?} {why}"));
    let label = |label: &str| {
        let inside = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        (1..=63).contains(&label.len()) && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(wrong("is not lower case").remedy(format!("write {:?}", host.to_ascii_lowercase())));
    }
    if host.contains([':', '/']) {
        let wrong = wrong("is more than a host name");
        let alone = host.split_once("://").map_or(host, |(_, rest)| rest).split([':', '/']).next().unwrap_or_default();
        return Err(match !alone.is_empty() && alone.split('.').all(label) {
            true => wrong.remedy(format!("write {alone:?}")),
            false => wrong.remedy("write the name without scheme, port and path"),
        });
    }
    if host.contains('*') {
        return Err(wrong("has a wildcard").remedy("name each host"));
    }
    if host.len() > MAX_HOST || !host.split('.').all(label) {
        return Err(wrong("is not a host name").remedy("write one such as \"img.example.com\""));
    }
    Ok(())
}

/// Checks that a path leads to something below the folder it is read from, and drops its `.` parts.
///
/// What a symbolic link inside the folder points to is for whoever opens the file to check.
pub(super) fn below(path: &Path) -> Result<PathBuf, Wrong> {
    let wrong = |why: &str| Wrong::new(format!("= {path:?} {why}"));
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err(wrong("leads outside its folder").remedy("write a path without `..`")),
            Component::RootDir | Component::Prefix(_) => {
                return Err(wrong("is absolute").remedy("write a path relative to this folder"));
            }
        }
    }
    Ok(clean)
}

/// As [`below`], for a path that has to name something else than the folder itself.
pub(super) fn inside(path: &Path) -> Result<PathBuf, Wrong> {
    let clean = below(path)?;
    if clean.as_os_str().is_empty() {
        let wrong = Wrong::new(format!("= {path:?} names nothing inside its folder"));
        return Err(wrong.remedy("write a path such as \"plugin.wasm\""));
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_joined_by_hyphens() {
        for good in ["a", "thumbs", "my-plugin-2", "2048", &"a".repeat(63)] {
            assert!(kebab(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a.b", "é", "a b", &"a".repeat(64)] {
            assert!(kebab(bad).is_err(), "{bad}");
        }
        let remedy = kebab("My_Plugin").expect_err("upper case is refused").remedy;
        assert_eq!(remedy.as_deref(), Some("write \"my-plugin\""));
    }

    #[test]
    fn a_variable_is_words_joined_by_underscores_and_a_secret_is_an_identifier() {
        for good in ["a", "api_key", "v2_url", &"a".repeat(63)] {
            assert!(variable(good).is_ok(), "{good}");
        }
        for bad in ["", "_a", "a_", "a__b", "A", "a-b", "2a", "é", "a b", "a\0", &"a".repeat(64)] {
            assert!(variable(bad).is_err() && !is_variable(bad), "{bad}");
        }
        let remedy = variable("API-Key").expect_err("upper case is refused").remedy;
        assert_eq!(remedy.as_deref(), Some("write \"api_key\""));
        for good in ["API_KEY", "_a", "db2"] {
            assert!(secret(good).is_ok(), "{good}");
        }
        for bad in ["", "2a", "A-B", "A=B", "A B", "é", &"A".repeat(64)] {
            assert!(secret(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_a_lower_case_name_alone() {
        for good in ["localhost", "img.example.com", "127.0.0.1", "xn--bcher-kva.example"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "a.", "a..b", "Example.com", "a:80", "http://a", "[::1]", "*.a", "-a", "a_b", "a/b", "ü.de"]
        {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_stays_below_its_folder() {
        assert_eq!(below(Path::new("./a/./b")).ok(), Some("a/b".into()));
        assert_eq!(below(Path::new(".")).ok(), Some("".into()));
        for bad in ["/a", "..", "a/../b"] {
            assert!(below(Path::new(bad)).is_err(), "{bad}");
        }
        assert!(inside(Path::new(".")).is_err());
    }
}
