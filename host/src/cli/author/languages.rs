//! The languages that there are templates for. A language is a folder of `sdk/templates` and a row here.

use clap::ValueEnum;

/// Every file of `sdk/templates` and of the libraries that templates bring along: its path below `sdk`, its text.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// WebAssembly text: nothing to install, one file.
    #[value(alias = "wat")]
    Text,
    /// Rust: handlers made with the SDK.
    #[value(alias = "rs")]
    Rust,
    /// C, as a CGI command.
    C,
    /// Zig, as a CGI command.
    Zig,
    /// AssemblyScript, as a CGI command.
    #[value(name = "assemblyscript", alias = "as")]
    AssemblyScript,
    /// Go: any net/http handler, as a CGI command.
    Go,
    /// JavaScript: a fetch handler.
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// TypeScript: a fetch handler.
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    /// Python: any ASGI or WSGI application; the template is FastAPI's.
    #[value(alias = "py")]
    Python,
}

impl Language {
    /// The folders of `sdk` that a plugin is made of, and where in the plugin each goes.
    fn folders(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Text => &[("templates/text/", "")],
            Self::Rust => &[("templates/rust/", ""), ("rust/", "wasmbay/")],
            Self::C => &[("templates/c/", "")],
            Self::Zig => &[("templates/zig/", "")],
            Self::AssemblyScript => &[("templates/assemblyscript/", "")],
            Self::Go => &[("templates/go/", ""), ("go/", "wasmbay/")],
            Self::JavaScript => &[("templates/javascript/", ""), ("js/", "wasmbay/")],
            Self::TypeScript => &[("templates/typescript/", ""), ("js/", "wasmbay/")],
            Self::Python => &[("templates/python/", ""), ("python/", "wasmbay/")],
        }
    }

    /// What is to be typed once in a new plugin's folder, before it is built.
    pub(super) fn install(self) -> Option<&'static str> {
        match self {
            Self::AssemblyScript | Self::JavaScript | Self::TypeScript => Some("npm install"),
            _ => None,
        }
    }

    /// What an author has to know before choosing to go on with the template.
    pub(super) fn note(self) -> Option<&'static str> {
        match self {
            Self::Python => Some(
                "an ASGI application speaks wasi:http 0.3: a host serves it where `wasi_http_03` is on, as it is with one tenant\n\
                 a WSGI application speaks 0.2 and is served everywhere: write `wsgi` for `asgi` in [build] of plugin.toml",
            ),
            _ => None,
        }
    }

    /// The files of a new plugin, by their paths in its folder.
    pub(super) fn files(self, name: &str) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (from, to) in self.folders() {
            for (path, text) in FILES {
                if let Some(rest) = path.strip_prefix(from) {
                    files.push((format!("{to}{rest}"), text.replace(NAME, name)));
                }
            }
        }
        files
    }
}

/// Stands for the plugin's name in templates.
const NAME: &str = "{{name}}";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{CheckFile, Manifest};

    #[test]
    fn every_template_is_a_plugin_with_checks_that_can_be_read() {
        for language in Language::value_variants() {
            let files = language.files("my-plugin");
            let text = |wanted: &str| files.iter().find(|(path, _)| path == wanted).map(|(_, text)| text.as_str());
            let manifest = text(Manifest::FILE).unwrap_or_else(|| panic!("{language:?} has no manifest"));
            let meant = Manifest::parse(manifest, Manifest::FILE).unwrap_or_else(|faults| panic!("{faults:#?}"));
            assert_eq!(meant.name, "my-plugin", "{language:?}");
            assert!(manifest.starts_with("#:schema "), "{language:?}");
            assert!(text("README.md").is_some(), "{language:?}");
            let checks: Vec<_> = files.iter().filter(|(path, _)| path.starts_with("checks/")).collect();
            assert!(!checks.is_empty(), "{language:?}");
            for (path, text) in checks {
                assert!(text.starts_with("#:schema "), "{language:?}");
                let read = CheckFile::parse(text, Path::new(path)).unwrap_or_else(|faults| panic!("{faults:#?}"));
                assert!(read.checks.iter().all(|check| check.path.starts_with("/my-plugin")), "{language:?}");
            }
            assert!(files.iter().all(|(_, text)| !text.contains(NAME)), "{language:?}");
            let names: std::collections::BTreeSet<_> = files.iter().map(|(path, _)| path).collect();
            assert_eq!(names.len(), files.len(), "{language:?}: two files have one name");
        }
    }
}
