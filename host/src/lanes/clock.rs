//! The calling thread's CPU clock and its scheduling priority.

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};

use rustix::{
    process::setpriority_process,
    thread::gettid,
    time::{ClockId, clock_gettime},
};

/// How far ahead of the thread's clock a reading may be, where the thread tells when it waits.
///
/// The kernel keeps that clock, and to ask costs as much as a tenth of a short request. What has passed since it was last asked
/// costs next to nothing, and is CPU time unless the thread was made to wait.
const AHEAD: Duration = Duration::from_micros(200);

thread_local! {
    static KNOWN: Cell<Known> = const { Cell::new(Known::Nothing) };
}

/// What a thread knows of its clock.
#[derive(Clone, Copy)]
enum Known {
    /// Nothing, and it may wait at any time: the clock is asked each time.
    Nothing,
    /// Nothing since it last waited.
    Waited,
    /// It said this then, and the thread has not waited since.
    At { cpu: u64, when: Instant },
}

/// CPU time the calling thread has used since it started, in nanoseconds.
///
/// Only differences between two readings on one thread mean anything. Time in which the thread was not running, in
/// its process or outside it, is not counted; on a thread that tells when it waits ([`thread_waits`]), up to [`AHEAD`] of
/// time in which it was kept from running may be, until the next look at the clock.
pub(super) fn thread_cpu() -> u64 {
    KNOWN.with(|known| match known.get() {
        Known::Nothing => ask(),
        Known::At { cpu, when } => {
            let since = when.elapsed();
            if since < AHEAD { cpu + since.as_nanos() as u64 } else { look(known) }
        }
        Known::Waited => look(known),
    })
}

/// To be called by a thread each time before it waits for something to do. From then on its clock is asked seldom.
pub(super) fn thread_waits() {
    KNOWN.set(Known::Waited);
}

fn look(known: &Cell<Known>) -> u64 {
    // Before it: so what is read from now on is never behind.
    let when = Instant::now();
    let cpu = ask();
    known.set(Known::At { cpu, when });
    cpu
}

fn ask() -> u64 {
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

    /// Uses so much of this thread's CPU time.
    fn work(nanos: u64) {
        let start = ask();
        while ask() - start < nanos {}
    }

    #[test]
    fn a_thread_that_tells_when_it_waits_is_ahead_by_little_at_most() {
        std::thread::spawn(|| {
            let mut furthest = 0;
            for round in 0..2000_u64 {
                thread_cpu();
                work(round % 7 * 10_000);
                if round % 3 == 0 {
                    thread_waits();
                    std::thread::yield_now();
                }
                let before = ask();
                let read = thread_cpu();
                assert!(read >= before, "it never falls behind: {read}, {before}");
                furthest = furthest.max(read.saturating_sub(ask()));
            }
            assert!(furthest <= AHEAD.as_nanos() as u64, "{furthest}");
        })
        .join()
        .expect("what was asserted holds");
    }

    #[test]
    fn what_a_thread_waits_is_not_counted_once_it_told() {
        std::thread::spawn(|| {
            thread_waits();
            let (mut waited, begun) = (Duration::ZERO, thread_cpu());
            while waited < AHEAD * 50 {
                thread_waits();
                let since = Instant::now();
                std::thread::sleep(AHEAD / 4);
                waited += since.elapsed();
                thread_cpu();
            }
            let counted = Duration::from_nanos(thread_cpu() - begun);
            assert!(counted < waited / 2 + AHEAD, "{counted:?} of {waited:?}");
        })
        .join()
        .expect("what was asserted holds");
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
