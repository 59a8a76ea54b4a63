//! The limits a compile child puts on itself: memory, CPU time, files, priority, system calls.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, nice, setrlimit};

/// The limits that differ from case to case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walls {
    pub(super) address_space: u64,
    pub(super) cpu_seconds: u64,
}

/// Descriptors: the three streams, and a few that the runtime holds.
const MAX_FILES: u64 = 16;

/// How far below the host the child runs: serving must not feel it.
const NICE: i32 = 10;

/// Limits this process for good. Nothing here can be taken back.
///
/// Where there is no `seccomp` (not Linux), the limits on resources stand alone.
pub(super) fn raise(walls: &Walls) -> anyhow::Result<()> {
    let limit = |resource, value: u64, name: &str| {
        let both = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource, both).with_context(|| format!("setting the limit on {name}"))
    };
    // One second between the signal that says why and the one that cannot be missed.
    let cpu = Rlimit { current: Some(walls.cpu_seconds), maximum: Some(walls.cpu_seconds + 1) };
    setrlimit(Resource::Cpu, cpu).context("setting the limit on CPU time")?;
    limit(Resource::Core, 0, "core dumps")?;
    limit(Resource::Fsize, 0, "file sizes")?;
    limit(Resource::Nofile, MAX_FILES, "open files")?;
    limit(Resource::As, walls.address_space, "address space")?;
    nice(NICE).context("lowering the priority")?;
    #[cfg(target_os = "linux")]
    system_calls::restrict().context("restricting system calls")?;
    Ok(())
}

#[cfg(target_os = "linux")]
mod system_calls {
    use std::collections::BTreeMap;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter_all_threads,
    };

    /// What compiling needs: memory, threads and their waiting, clocks, and the streams that are open already.
    /// Nothing here opens, connects, executes, signals another process or reads its memory.
    const ALLOWED: &[libc::c_long] = &[
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_poll,
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_get_robust_list,
        libc::SYS_rseq,
        libc::SYS_membarrier,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getcpu,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
        // Allowed here, and answered by the filter in front of this one.
        libc::SYS_clone3,
        libc::SYS_sysinfo,
        libc::SYS_uname,
    ];

    /// Refuses every other system call with `EPERM`, for every thread there is and will be. Sets `no_new_privs`.
    pub(super) fn restrict() -> anyhow::Result<()> {
        let mut rules: BTreeMap<_, _> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
        // Pages that run: compiling writes code and never runs it.
        let no_exec = SeccompCondition::new(2, Dword, MaskedEq(libc::PROT_EXEC as u64), 0)?;
        rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![no_exec.clone()])?]);
        rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![no_exec])?]);
        // Threads, not processes.
        let thread = libc::CLONE_THREAD as u64;
        let thread = SeccompCondition::new(0, Dword, MaskedEq(thread), thread)?;
        rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![thread])?]);
        // `abort` signals this very thread; which process the call names cannot be told apart otherwise.
        let own = SeccompCondition::new(0, Dword, seccompiler::SeccompCmpOp::Eq, u64::from(std::process::id()))?;
        rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![own])?]);
        // This call hides its flags from a filter. Told that it does not exist, libc falls back to `clone`. The
        // strictest answer of two filters holds; this one comes first because the other forbids adding more.
        let hidden = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        apply(hidden, SeccompAction::Allow, SeccompAction::Errno(errno(libc::ENOSYS)))?;
        apply(rules, SeccompAction::Errno(errno(libc::EPERM)), SeccompAction::Allow)
    }

    fn errno(code: i32) -> u32 {
        u32::try_from(code).expect("error numbers are positive")
    }

    fn apply(
        rules: BTreeMap<libc::c_long, Vec<SeccompRule>>,
        otherwise: SeccompAction,
        matched: SeccompAction,
    ) -> anyhow::Result<()> {
        let filter = SeccompFilter::new(rules, otherwise, matched, std::env::consts::ARCH.try_into()?)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(apply_filter_all_threads(&program)?)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
#[path = "walls_tests.rs"]
mod tests;
