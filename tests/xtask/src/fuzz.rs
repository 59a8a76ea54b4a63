//! The soak of the fuzz targets: libFuzzer drives each for a while, and what it finds is kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::Value;

use crate::{command, place::Place, steps::Steps, tasks::cargo};

/// The program that drives the targets, with the features that everything else in the target folder has: an example asks
/// for those of tests.
const BUILD: [&str; 6] = ["build", "--workspace", "--features", "wasmbay-fuzz/libfuzzer", "--example", "libfuzzer"];

/// Modules that wasm-smith makes for each minute of the target that runs them.
const MODULES_A_MINUTE: u64 = 100;

/// Seconds after which an input counts as one that hangs; the longest limit of a generated guest is far below.
const HANGS_AFTER: u32 = 60;

/// What is driven, and for how long.
pub(crate) struct Soak<'a> {
    /// One target, or all.
    pub(crate) target: Option<&'a str>,
    /// Minutes for each.
    pub(crate) minutes: u64,
}

/// What only a soak is built with.
struct Engine {
    /// The folder of `libfuzzer.a`.
    library: PathBuf,
    /// Makes modules.
    smith: PathBuf,
}

/// Builds all that is needed and drives the targets one after another.
///
/// # Errors
///
/// A target that fails on some input, with where it is and how to run it again, after all targets have had their time; or
/// what cannot be built.
pub(crate) fn soak(place: &Place, steps: &Steps, soak: &Soak<'_>) -> anyhow::Result<()> {
    let targets = targets(place, soak.target)?;
    let engine = engine(place, steps)?;
    let mut build = cargo(place);
    build.args(BUILD).env("WASMBAY_LIBFUZZER", &engine.library);
    build.env("RUSTC_WORKSPACE_WRAPPER", place.root.join("tests/fuzz/instrument.sh"));
    steps.command("fuzz targets (instrumented)", &place.root, &mut build)?;
    let mut findings = Vec::new();
    for target in targets {
        if target == "component" {
            generate(place, steps, &engine, soak.minutes)?;
        }
        if let Err(error) = drive(place, steps, &target, soak.minutes) {
            findings.push(format!("{error:#}"));
        }
    }
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

/// The names of the corpora, which are the targets'.
fn targets(place: &Place, only: Option<&str>) -> anyhow::Result<Vec<String>> {
    let folder = place.root.join("tests/fuzz/corpus");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<anyhow::Result<Vec<_>>>()?;
    names.sort();
    match only {
        None => Ok(names),
        Some(only) if names.iter().any(|name| name == only) => Ok(vec![only.to_owned()]),
        Some(only) => bail!("there is no fuzz target {only}; there are {}", names.join(", ")),
    }
}

/// What lies in the cache for a target: its finds, and below them the corpus that grows.
fn folder(place: &Place, target: &str) -> anyhow::Result<PathBuf> {
    let folder = place.cache.join("fuzz").join(target);
    let corpus = folder.join("corpus");
    fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    Ok(folder)
}

fn engine(place: &Place, steps: &Steps) -> anyhow::Result<Engine> {
    let source = place.root.join("tests/fuzz/engine");
    let target = place.cache.join("fuzz-target");
    let mut build = cargo(place);
    build.args(["build", "--locked", "--message-format=json-render-diagnostics", "--target-dir"]).arg(&target);
    let library = steps.step("libFuzzer and wasm-smith", |step| {
        let (mut library, mut said) = (None, String::new());
        let status = command::run_by_line(build.current_dir(&source), |line| match library_in(line) {
            Some(folder) => library = Some(folder),
            None if line.starts_with('{') => {}
            None => {
                step.say(line);
                said += &format!("{line}\n");
            }
        })?;
        ensure!(status.success(), "{said}{}", command::shell_line(&build, &place.root));
        library.context("cargo does not tell where libFuzzer was built")
    })?;
    Ok(Engine { library, smith: target.join("debug/smith") })
}

/// The folder that cargo's message says libFuzzer was built in.
fn library_in(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_libfuzzer = message["package_id"].as_str()?.contains("libfuzzer-sys");
    let folder =
        message["out_dir"].as_str().filter(|_| message["reason"] == "build-script-executed" && is_libfuzzer)?;
    Some(PathBuf::from(folder))
}

/// New modules each time: those of the last one that told something new are in the corpus that grows.
fn generate(place: &Place, steps: &Steps, engine: &Engine, minutes: u64) -> anyhow::Result<()> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut smith = Command::new(&engine.smith);
    smith.arg((MODULES_A_MINUTE * minutes.max(1)).to_string()).arg(seed.to_string());
    steps.command("generated modules", &place.root, smith.arg(folder(place, "component")?.join("corpus")))
}

fn drive(place: &Place, steps: &Steps, target: &str, minutes: u64) -> anyhow::Result<()> {
    let folder = folder(place, target)?;
    let mut fuzz = Command::new(place.target.join("debug/examples/libfuzzer"));
    fuzz.arg(format!("-max_total_time={}", minutes * 60)).arg(format!("-timeout={HANGS_AFTER}"));
    fuzz.arg(format!("-artifact_prefix={}/", folder.display())).args(["-print_final_stats=1", "-rss_limit_mb=4096"]);
    // The second folder is read alone: what is found goes to the first.
    fuzz.arg(folder.join("corpus")).arg(place.root.join("tests/fuzz/corpus").join(target));
    fuzz.env("WASMBAY_FUZZ_TARGET", target).current_dir(&place.root);
    let log = folder.join("log");
    steps.step(&format!("fuzz {target} for {minutes} min"), |step| {
        let mut said = String::new();
        let status = command::run_by_line(&mut fuzz, |line| {
            step.say(line);
            said += line;
            said.push('\n');
        });
        fs::write(&log, &said).with_context(|| format!("cannot write {}", log.display()))?;
        let status = status.with_context(|| format!("cannot start {}", fuzz.get_program().display()))?;
        if status.success() { Ok(()) } else { Err(finding(target, &said, &log)) }
    })
}

/// What was found, and how to run it again without libFuzzer.
fn finding(target: &str, said: &str, log: &Path) -> anyhow::Error {
    let marker = "Test unit written to ";
    let Some(input) = said.lines().find_map(|line| Some(line.split_once(marker)?.1.trim())) else {
        return anyhow!("libFuzzer ended in {target} without an input: see {}", log.display());
    };
    let input = command::quoted(input.as_ref());
    anyhow!(
        "{target} fails on an input; what was said is in {}. Run it again with\n    \
         WASMBAY_FUZZ_INPUT={input} cargo test --workspace --test fuzz {target}\n\
         and keep it, mended, in tests/fuzz/corpus/{target}",
        log.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_where_libfuzzer_is() {
        let line =
            r#"{"reason":"build-script-executed","package_id":"registry+x#libfuzzer-sys@0.4.13","out_dir":"/t/out"}"#;
        assert_eq!(library_in(line), Some(PathBuf::from("/t/out")));
        assert_eq!(library_in(&line.replace("libfuzzer-sys", "anyhow")), None);
        assert_eq!(library_in("   Compiling libfuzzer-sys v0.4.13"), None);
    }

    #[test]
    fn a_finding_names_its_input_and_the_command_for_it() {
        let said = "panicked\nartifact_prefix='/c/'; Test unit written to /c/crash-1\nBase64: eA==\n";
        let told = finding("path", said, Path::new("/c/log")).to_string();
        assert!(told.contains("WASMBAY_FUZZ_INPUT=/c/crash-1 cargo test --workspace --test fuzz path"), "{told}");
        assert!(finding("path", "killed", Path::new("/c/log")).to_string().contains("/c/log"));
    }
}
