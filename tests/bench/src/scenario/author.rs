//! A plugin as its author makes it: `wasmbay new`, an edit, `wasmbay build`, with the fetched toolchains at hand.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::stand::{Bench, Languages};

/// The plugin's name.
pub(crate) const NAME: &str = "bench";

/// What is particular to a language.
pub(crate) struct Language {
    /// As `wasmbay new --lang` has it.
    template: &'static str,
    /// The source that is edited, by replacing the first text with the second.
    edit: (&'static str, &'static str, &'static str),
    /// Further changes before the first build: file, text, what stands for it.
    changes: &'static [(&'static str, &'static str, &'static str)],
    /// Whether an instance may serve many requests.
    pub(crate) reuse: bool,
    /// Whether it speaks wasi:http 0.3.
    pub(crate) service: bool,
    /// The route it is served under.
    pub(crate) route: &'static str,
    /// What is asked for.
    pub(crate) target: &'static str,
    /// What it answers, after the edit.
    pub(crate) says: &'static str,
}

const TEMPLATE: Language = Language {
    template: "",
    edit: ("", "hello ", "greetings "),
    changes: &[],
    reuse: false,
    service: false,
    route: "/bench/hello/{who}",
    target: "/bench/hello/Ada",
    says: "greetings Ada\n",
};

/// What makes a component of the template for Go.
const GO_COMPONENT: [(&str, &str, &str); 4] = [
    ("main.go", "func main() {\n", "func main() {}\n\nfunc init() {\n"),
    ("main.go", "\tif err := cgi.Serve(mux); err != nil {\n\t\tlog.Fatal(err)\n\t}\n", "\twasmbay.Handle(mux)\n"),
    ("main.go", "\t\"log\"\n\t\"net/http\"\n\t\"net/http/cgi\"\n", "\t\"net/http\"\n\t\"wasmbay\"\n"),
    (
        "plugin.toml",
        "go build -trimpath -ldflags=-w -o plugin.wasm .",
        "go build -buildmode=c-shared -trimpath -ldflags=-w -o plugin.wasm .",
    ),
];

/// An application for WSGI that answers as the template's does.
const FLASK: &str = "from flask import Flask, Response\n\napp = Flask(__name__)\n\n\n\
                     @app.get(\"/bench/hello/<who>\")\ndef hello(who):\n    \
                     return Response(f\"hello {who}\\n\", mimetype=\"text/plain\")\n";

/// A handler that needs nothing but the interpreter.
const WSGI: &str = "def app(environ, start_response):\n    who = environ[\"PATH_INFO\"].rsplit(\"/\", 1)[-1]\n    \
                    start_response(\"200 OK\", [(\"Content-Type\", \"text/plain; charset=utf-8\")])\n    \
                    return [f\"hello {who}\\n\".encode()]\n";

/// What makes a component for wasi:http 0.2 of the template for C, which is a CGI command.
const C_COMPONENT: [(&str, &str, &str); 2] = [
    ("src/main.c", "", include_str!("peers/hello.c")),
    ("plugin.toml", "-O2 -Wall -o", "-mexec-model=reactor -O2 -Wall -Wl,--no-entry -o"),
];

/// The language of a case.
pub(crate) fn language(case: &str) -> Language {
    let with = |template, file, edit: (&'static str, &'static str)| Language {
        template,
        edit: (file, edit.0, edit.1),
        ..TEMPLATE
    };
    let plain = ("hello ", "greetings ");
    match case {
        "text" => Language {
            reuse: true,
            route: "/bench",
            target: "/bench",
            says: "again from text!\n",
            ..with("text", "plugin.wat", ("hello from text!", "again from text!"))
        },
        "rust" => Language { reuse: true, ..with("rust", "src/lib.rs", ("hello {who}", "greetings {who}")) },
        "c" => with("c", "src/main.c", ("hello %s", "greetings %s")),
        "c-component" => Language {
            changes: &C_COMPONENT,
            route: "/bench",
            target: "/bench",
            says: "hello from c\n",
            ..with("c", "src/main.c", ("", ""))
        },
        "zig" => with("zig", "src/main.zig", ("hello {s}", "greetings {s}")),
        "assemblyscript" => with("assemblyscript", "src/main.ts", ("\"hello \"", "\"greetings \"")),
        "go" => with("go", "main.go", ("hello %s", "greetings %s")),
        "go-component" => {
            Language { reuse: true, changes: &GO_COMPONENT, ..with("go", "main.go", ("hello %s", "greetings %s")) }
        }
        "javascript" => {
            Language { reuse: true, ..with("javascript", "src/index.js", ("hello ${who}", "greetings ${who}")) }
        }
        "python" => Language {
            reuse: true,
            changes: &[("plugin.toml", "asgi main:app", "wsgi main:app"), ("main.py", "", WSGI)],
            ..with("python", "main.py", ("hello {who}", "greetings {who}"))
        },
        "python-wsgi" => Language {
            reuse: true,
            changes: &[("plugin.toml", "asgi main:app", "wsgi main:app"), ("main.py", "", FLASK)],
            ..with("python", "main.py", ("hello {who}", "greetings {who}"))
        },
        _ => Language { reuse: true, service: true, ..with("python", "main.py", plain) },
    }
}

/// Somebody with a plugin. Its folder goes with it.
pub(crate) struct Author<'a> {
    _dir: TempDir,
    plugin: PathBuf,
    language: &'a Language,
    host: PathBuf,
    languages: Languages,
}

impl<'a> Author<'a> {
    /// Has `wasmbay new` write it, and what it depends on at hand.
    pub(crate) async fn begins(bench: &Bench, language: &'a Language) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let languages = bench.places.languages.clone().context("built languages are not named")?;
        let (plugin, host) = (dir.path().join(NAME), bench.places.host.canonicalize()?);
        let author = Self { plugin, language, host, languages, _dir: dir };
        let folder = author.plugin.parent().context("it lies in the folder")?;
        run(author.wasmbay().args(["new", NAME, "--lang", language.template]).current_dir(folder)).await?;
        author.has_dependencies()?;
        for (file, from, to) in language.changes {
            author.replaces(file, from, to)?;
        }
        // What is kept by content is built in earnest all the same.
        author.marks()?;
        Ok(author)
    }

    /// The versions that are fetched already, as after a first `npm install` or resolution.
    fn has_dependencies(&self) -> anyhow::Result<()> {
        let has = |file: &str| self.plugin.join(file).exists();
        if has("package.json") {
            symlink(self.languages.toolchains.join("node_modules"), self.plugin.join("node_modules"))?;
        }
        if has("Cargo.toml") {
            let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/items/Cargo.lock");
            fs::copy(lock, self.plugin.join("Cargo.lock"))?;
        }
        if has("requirements.txt") {
            let application = if self.language.service { "fastapi" } else { "wsgi" };
            let built = &self.languages.python;
            fs::copy(built.join(application).join("requirements.txt"), self.plugin.join("requirements.txt"))?;
            fs::create_dir_all(self.plugin.join("target"))?;
            fs::copy(built.join(format!("{application}.lock")), self.plugin.join("target/requirements.lock"))?;
        }
        Ok(())
    }

    /// A comment that no other run has.
    fn marks(&self) -> anyhow::Result<()> {
        let (file, ..) = self.language.edit;
        let comment = match Path::new(file).extension().and_then(|ending| ending.to_str()) {
            Some("py") => "#",
            Some("wat") => ";;",
            _ => "//",
        };
        let path = self.plugin.join(file);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        Ok(fs::write(&path, format!("{}\n{comment} {now}\n", fs::read_to_string(&path)?))?)
    }

    /// The edit.
    pub(crate) fn edits(&self) -> anyhow::Result<()> {
        let (file, from, to) = self.language.edit;
        self.replaces(file, from, to)
    }

    /// Changes a file; from nothing, all of it.
    fn replaces(&self, file: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.plugin.join(file);
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(from), "{file} has no {from:?}");
        let text = if from.is_empty() { to.to_owned() } else { text.replace(from, to) };
        Ok(fs::write(&path, text)?)
    }

    /// `wasmbay build`. The seconds it took.
    pub(crate) async fn builds(&self) -> anyhow::Result<f64> {
        let begun = Instant::now();
        run(self.wasmbay().arg("build").arg(&self.plugin)).await?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// What was built.
    pub(crate) fn component(&self) -> PathBuf {
        let manifest = fs::read_to_string(self.plugin.join("plugin.toml")).unwrap_or_default();
        let component = manifest.lines().find_map(|line| line.strip_prefix("component = \"")?.split('"').next());
        self.plugin.join(component.unwrap_or("plugin.wasm"))
    }

    fn wasmbay(&self) -> Command {
        let mut command = Command::new(&self.host);
        let toolchains = &self.languages.toolchains;
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [toolchains.join("bin")].into_iter().chain(env::split_paths(&path));
        command.env("PATH", env::join_paths(folders).expect("folders of a PATH"));
        command.env("PYTHONPATH", toolchains.join("python"));
        command.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
        if let Ok(rust) = toolchains.join("rust").canonicalize() {
            command.env("RUSTUP_TOOLCHAIN", rust);
        }
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER"]
        {
            command.env_remove(name);
        }
        command
    }
}

/// Runs a command to its end.
async fn run(command: &mut Command) -> anyhow::Result<()> {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("cannot run the host")?;
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    ensure!(output.status.success(), "{told}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_edited_is_in_the_templates() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/templates");
        let cases = crate::scenario::languages::CASES.iter().map(|(case, _)| *case);
        let built = cases.filter(|case| !["native", "uvicorn", "workerd"].contains(case));
        for case in built.chain(["c-component", "python"]) {
            let language = language(case);
            let written = |file: &str| fs::read_to_string(templates.join(language.template).join(file)).unwrap();
            let (file, from, _) = language.edit;
            assert!(written(file).contains(from), "{case}: {file} has no {from:?}");
            for (file, from, _) in language.changes {
                assert!(written(file).contains(from), "{case}: {file} has no {from:?}");
            }
        }
    }
}
