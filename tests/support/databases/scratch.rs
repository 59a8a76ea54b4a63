//! Where this process keeps its servers: one folder, which goes when the process goes, and an account that may do nothing.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{LazyLock, mpsc},
    thread,
};

/// The variable that names the folder of unpacked servers.
const DATABASES: &str = "WASMBAY_DATABASES";

/// `nobody`, whatever a system calls it: servers refuse to run as root.
const NOBODY: &str = "65534";

/// Removes the folder when the process that holds the other end of its input is gone, even if it was killed. The servers
/// end at the same moment, so a first try may meet a file of theirs.
const SWEEP: &str = r#"read -r _; n=0; until rm -rf "$0" 2>/dev/null || [ $n = 100 ]; do n=$((n+1)); sleep 0.1; done"#;

/// This process's own.
pub(super) static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::make);

/// The folder of this process.
pub(super) struct Scratch {
    /// For data folders, one a server.
    pub(super) folder: PathBuf,
    /// The unpacked servers, where the account that runs them reaches them.
    pub(super) programs: PathBuf,
    as_root: bool,
    spawner: mpsc::Sender<(Command, mpsc::Sender<Child>)>,
    _sweeper: ChildStdin,
}

impl Scratch {
    fn make() -> Self {
        let kept = std::env::var_os(DATABASES)
            .unwrap_or_else(|| panic!("{DATABASES} is not set: eval \"$(cargo xtask guests)\""));
        let as_root = fs::metadata("/proc/self").expect("a process looks at itself").uid() == 0;
        let folder = tempfile::Builder::new().prefix("wasmbay-").tempdir().expect("a folder").keep();
        let mut sweeper = Command::new("sh");
        sweeper.args(["-c", SWEEP]).arg(&folder).stdin(Stdio::piped()).process_group(0);
        let sweeper = sweeper.spawn().expect("a shell").stdin.take().expect("piped");
        let mut programs = PathBuf::from(kept);
        if as_root {
            // Root's cache is for root's eyes alone; a link in another folder is as good as the file.
            fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("its own folder");
            let reached = folder.join("programs");
            let copy =
                |how| Command::new("cp").args(["-r", "--preserve=mode", how]).arg(&programs).arg(&reached).output();
            let done =
                |output: std::io::Result<std::process::Output>| output.is_ok_and(|output| output.status.success());
            if !done(copy("--link")) {
                let _ = fs::remove_dir_all(&reached);
                assert!(
                    done(copy("--dereference")) || done(copy("--no-dereference")),
                    "{} cannot be copied",
                    programs.display()
                );
            }
            programs = reached;
        }
        Self { folder, programs, as_root, spawner: spawner(), _sweeper: sweeper }
    }

    /// A command of one of the programs, in this folder, that runs as an account without rights, and ends by `signal` with
    /// this process.
    pub(super) fn program(&self, program: &str, signal: &str, cwd: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", signal]);
        if self.as_root {
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        }
        // Said last: `setpriv` itself is the machine's, and keeps to the machine's libraries.
        command.arg("env").arg(format!("LD_LIBRARY_PATH={}", self.programs.join("lib").display()));
        command.arg(self.programs.join(program)).current_dir(cwd).stdin(Stdio::null()).process_group(0);
        command
    }

    /// Gives a folder to the account that runs servers.
    pub(super) fn give(&self, folder: &Path) {
        if self.as_root {
            let given = Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(folder).status();
            assert!(given.is_ok_and(|status| status.success()), "{} cannot be given away", folder.display());
        }
    }

    /// Starts a command whose process lasts until it is ended or this process ends. It would go with the thread that
    /// starts it, and a test's threads end before others are done with a server they share.
    pub(super) fn start(&self, command: Command) -> Child {
        let (started, child) = mpsc::channel();
        self.spawner.send((command, started)).expect("the thread never ends");
        child.recv().expect("setpriv starts")
    }
}

fn spawner() -> mpsc::Sender<(Command, mpsc::Sender<Child>)> {
    let (commands, received) = mpsc::channel::<(Command, mpsc::Sender<Child>)>();
    thread::spawn(move || {
        for (mut command, started) in received {
            if let Ok(child) = command.spawn() {
                let _ = started.send(child);
            }
        }
    });
    commands
}
