//! Counting by letting a thread of a child process execute one instruction at a time, while all its other threads stand still:
//! no clock ticks, nothing is scheduled, and the count is of what the thread does.

#![allow(unsafe_code, reason = "tracing and signals have no safe form")]

use std::{fs, io, io::Write as _, process::Child, sync::mpsc, thread, time::Duration};

/// What a counted thread sends itself where counting begins and where it ends. Its tracer alone sees it.
const MARK: i32 = libc::SIGUSR1;

/// A thread that waits for one that stands still waits for ever: then the process is ended, and the test with it.
const HANG: Duration = Duration::from_secs(300);

/// System calls that only wait. A thread in another, or in none, may hold what the counted one needs.
const WAITING: [i64; 8] = [
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_poll,
    libc::SYS_ppoll,
];

/// The number of the calling thread.
pub(crate) fn this_thread() -> i32 {
    // SAFETY: it has no conditions.
    unsafe { libc::gettid() }
}

/// Does something that is counted: what lies between is all that is.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> T {
    mark();
    let done = work();
    mark();
    done
}

fn mark() {
    // SAFETY: it has no conditions; the tracer takes the signal away, and without one the process ends by it.
    unsafe { libc::raise(MARK) };
}

/// Lets a process that waits for a line go on, and counts what its thread executes in one [`counted`] work.
///
/// # Panics
/// When this system lets nobody trace its own children, or the thread stands still for ever.
pub(crate) fn count(child: &mut Child, thread: i32) -> u64 {
    let process = i32::try_from(child.id()).expect("a process's number");
    let (done, watched) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if watched.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
            // SAFETY: the process is a child that nobody has waited for.
            unsafe { libc::kill(process, libc::SIGKILL) };
        }
    });
    trace(libc::PTRACE_SEIZE, thread, 0).expect("a child can be traced");
    child.stdin.take().expect("its input is a pipe").write_all(b"\n").expect("it waits for a line");
    let steps = count_marked(process, thread);
    trace(libc::PTRACE_DETACH, thread, 0).expect("it stands still");
    drop(done);
    watch.join().expect("the watch ends");
    steps
}

/// From one mark to the next, at which the thread is left standing.
fn count_marked(process: i32, thread: i32) -> u64 {
    while stands(thread) != MARK {
        trace(libc::PTRACE_CONT, thread, 0).expect("it stands still");
    }
    let others = stop_others(process, thread);
    let (mut steps, mut signal) = (0, 0);
    loop {
        trace(libc::PTRACE_SINGLESTEP, thread, signal).expect("it stands still");
        signal = match stands(thread) {
            MARK => break,
            libc::SIGTRAP => 0,
            other => other,
        };
        steps += 1;
    }
    let_go(&others);
    steps
}

/// Stops all threads but this one, each where it waits: one that stood still with a lock taken would hold up the counted one.
fn stop_others(process: i32, thread: i32) -> Vec<i32> {
    loop {
        let others: Vec<i32> = threads(process).filter(|other| *other != thread && stop(*other)).collect();
        if others.iter().all(|other| waits(process, *other)) {
            return others;
        }
        let_go(&others);
        thread::yield_now();
    }
}

fn let_go(threads: &[i32]) {
    threads.iter().for_each(|other| trace(libc::PTRACE_DETACH, *other, 0).expect("it stands still"));
}

/// Whether a thread was stopped in a system call that waits for time or events.
fn waits(process: i32, thread: i32) -> bool {
    let call = fs::read_to_string(format!("/proc/{process}/task/{thread}/syscall")).unwrap_or_default();
    let number = call.split(' ').next().and_then(|number| number.parse().ok());
    number.is_some_and(|number: i64| WAITING.contains(&number))
}

fn threads(process: i32) -> impl Iterator<Item = i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process is there");
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
}

/// Stops a thread; `false` for one that has ended, as threads of a pool do that have nothing to do.
fn stop(thread: i32) -> bool {
    let seized = trace(libc::PTRACE_SEIZE, thread, 0).and_then(|()| trace(libc::PTRACE_INTERRUPT, thread, 0));
    seized.is_ok() && stopped(thread).is_some()
}

/// Waits until the counted thread stands still, and answers by which signal.
fn stands(thread: i32) -> i32 {
    stopped(thread).unwrap_or_else(|| panic!("the thread ended, or waited {HANG:?} for one that stands still"))
}

/// Waits until a thread stands still, and answers by which signal; `None` when it has ended.
fn stopped(thread: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the status is written to a place of this stack.
    let waited = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    (waited == thread && libc::WIFSTOPPED(status)).then(|| libc::WSTOPSIG(status))
}

fn trace(request: libc::c_uint, thread: i32, data: i32) -> io::Result<()> {
    // SAFETY: none of the requests used here reads or writes this process's memory.
    let answer = unsafe { libc::ptrace(request, thread, 0_usize, data as usize) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
