//! One outside command: how it is run, and how a person would run it again.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

/// Runs a command and hands over each line it writes, to stdout or stderr, as it comes.
///
/// # Errors
///
/// A program that cannot be started.
pub(crate) fn run_by_line(command: &mut Command, mut each: impl FnMut(&str)) -> std::io::Result<ExitStatus> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (lines, received) = mpsc::channel();
    forward(child.stdout.take(), lines.clone());
    forward(child.stderr.take(), lines);
    received.iter().for_each(|line: String| each(&line));
    child.wait()
}

fn forward(stream: Option<impl Read + Send + 'static>, lines: mpsc::Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}

/// What a command writes to stdout.
///
/// # Errors
///
/// A program that cannot be started, that fails, or that writes no text.
pub(crate) fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).with_context(|| format!("{program} writes no text"))
}

/// Runs a command quietly. `false` when it fails, cannot be started, or takes longer than `limit` and is ended.
pub(crate) fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.spawn().is_ok_and(|child| finishes_within(child, limit))
}

fn finishes_within(mut child: Child, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
            _ => {
                // Nothing more is wanted of it; that it has ended already is as good.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// The command as a line for a shell in `root`.
pub(crate) fn shell_line(command: &Command, root: &Path) -> String {
    let folder = command.get_current_dir().filter(|folder| *folder != root);
    let folder =
        folder.map(|folder| format!("cd {} && ", quoted(folder.strip_prefix(root).unwrap_or(folder).as_os_str())));
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let variables = variables.map(|(name, value)| format!("{}={} ", name.to_string_lossy(), quoted(value)));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted);
    folder.into_iter().chain(variables).collect::<String>() + &words.collect::<Vec<_>>().join(" ")
}

/// One word for a shell.
pub(crate) fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@+%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_shown_as_a_person_would_type_it() {
        let mut command = Command::new("cargo");
        command.args(["test", "it's here"]).env("RUSTDOCFLAGS", "-D warnings").current_dir("/repo/plugins/clock");
        let line = shell_line(&command, Path::new("/repo"));
        assert_eq!(line, r"cd plugins/clock && RUSTDOCFLAGS='-D warnings' cargo test 'it'\''s here'");
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        assert!(!succeeds_within(Command::new("sleep").arg("600"), Duration::from_millis(1)));
        assert!(succeeds_within(&mut Command::new("true"), Duration::from_secs(600)));
    }

    #[test]
    fn both_streams_are_heard() {
        let mut lines = Vec::new();
        let status = run_by_line(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]), |line| {
            lines.push(line.to_owned());
        });
        lines.sort();
        assert_eq!((lines, status.unwrap().code()), (vec!["err".to_owned(), "out".to_owned()], Some(3)));
    }
}
