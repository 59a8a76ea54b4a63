//! The calling thread's CPU clock and its scheduling priority.

use std::io;

use rustix::{
    process::setpriority_process,
    thread::gettid,
    time::{ClockId, clock_gettime},
};

/// CPU time the calling thread has used since it started, in nanoseconds.
///
/// Only differences between two readings on one thread mean anything. Time in which the thread was not running, in
/// its process or outside it, is not counted.
pub(super) fn thread_cpu() -> u64 {
    let read = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(read.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(read.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Lowers the calling thread's scheduling priority: 0 is the default, 19 the lowest.
///
/// # Errors
/// What the kernel answers. Lowering is always permitted, unless the thread runs below `nice` already.
pub(super) fn renice(nice: u8) -> io::Result<()> {
    // On Linux a priority belongs to a thread, and a thread's id is accepted where a process's is asked for.
    setpriority_process(Some(gettid()), i32::from(nice)).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn the_clock_counts_this_threads_work_and_not_anothers() {
        let here = thread_cpu();
        let there = std::thread::spawn(|| {
            let start = thread_cpu();
            while thread_cpu() - start < 20_000_000 {}
            thread_cpu() - start
        })
        .join()
        .expect("the thread only reads its clock");
        assert!(there >= 20_000_000);
        assert!(thread_cpu() - here < there, "the other thread's time was counted here");
    }

    #[test]
    fn a_thread_lowers_itself_alone() {
        let before = getpriority_process(None).expect("the process may read its priority");
        let lowered = std::thread::spawn(|| {
            renice(19).expect("lowering is always permitted");
            getpriority_process(Some(gettid())).expect("a thread may read its priority")
        })
        .join()
        .expect("the thread only sets its priority");
        assert_eq!(lowered, 19);
        assert_eq!(getpriority_process(None).expect("as above"), before);
    }
}
