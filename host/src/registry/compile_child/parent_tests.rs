//! The parent against children of every temper; the children are scripts.

use std::io::Write;

use tempfile::TempDir;

use super::*;
use crate::units::ByteSize;

fn engine() -> EngineSettings {
    EngineSettings { wasi_http_03: false, max_memory: ByteSize(1 << 20), io_instances: 1, compute_instances: 1 }
}

/// A compiler whose child is this script.
fn scripted(script: &str, limits: CompileLimits) -> (TempDir, Compiler) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("child");
    // Written by another process: a file that this one holds open for writing cannot be executed meanwhile.
    let mut writer = std::process::Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
    (folder, Compiler::new(Some(path), engine(), limits).unwrap())
}

async fn compile(script: &str, limits: CompileLimits) -> Result<Vec<u8>, CompileFault> {
    let (_folder, compiler) = scripted(script, limits);
    compiler.compile(Lane::Io, Path::new("x.wasm"), b"component").await
}

async fn limit(script: &str, limits: CompileLimits) -> String {
    match compile(script, limits).await {
        Err(CompileFault::Limit(words)) => words,
        other => panic!("expected a limit, got {other:?}"),
    }
}

#[tokio::test]
async fn what_the_child_writes_is_the_artefact_and_its_surroundings_are_bare() {
    let written = compile("cat; echo \" $# $1 $3 ${HOME-none} ${CARGO_MANIFEST_DIR-none}\"", CompileLimits::default());
    assert_eq!(String::from_utf8(written.await.unwrap()).unwrap(), "component 17 compile io none none\n");
}

#[tokio::test]
async fn a_refusal_is_the_childs_own_words() {
    let fault = compile("echo 'unknown import' >&2; exit 3", CompileLimits::default()).await;
    assert_eq!(fault, Err(CompileFault::Refused("unknown import".to_owned())));
    let fault = compile("echo 'no walls' >&2; exit 4", CompileLimits::default()).await;
    assert_eq!(fault, Err(CompileFault::Broken("no walls".to_owned())));
}

#[tokio::test]
async fn a_limit_hit_is_named() {
    let usual = CompileLimits::default;
    let short = CompileLimits { wall: Duration::from_millis(50), ..usual() };
    assert_eq!(limit("while :; do :; done", short).await, "compiling needed more than 50ms by the clock");
    let small = CompileLimits { memory: 64 << 20, ..usual() };
    assert_eq!(
        limit("x=0123456789; while :; do x=$x$x; done", small).await,
        "compiling needed more than 64 MiB of memory"
    );
    let narrow = CompileLimits { output: 1 << 20, ..usual() };
    let words = limit("exec head -c 2000000 /dev/zero", narrow).await;
    assert_eq!(words, "compiling needed more than 1 MiB of compiled code");
    assert_eq!(
        limit("kill -XCPU $$", usual()).await,
        "compiling needed more than 20 s of CPU time, which is what its size allows"
    );
    let aborted = "echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$";
    assert_eq!(limit(aborted, usual()).await, "compiling needed more than 6 GiB of address space");
}

#[tokio::test]
async fn what_the_kernel_allows_grows_with_the_component() {
    let script = "cat > /dev/null; echo \"${15}\"";
    let usual = CompileLimits::default();
    let hasty = CompileLimits { cpu_base: Duration::ZERO, cpu_per_mib: Duration::from_millis(300), ..usual };
    for (limits, mib, seconds) in
        [(usual, 0, "20"), (usual, 3, "44"), (usual, 64, "180"), (hasty, 0, "1"), (hasty, 10, "3")]
    {
        let (_folder, compiler) = scripted(script, limits);
        let told = compiler.compile(Lane::Io, Path::new("x.wasm"), &vec![0; mib << 20]).await.unwrap();
        assert_eq!(String::from_utf8(told).unwrap().trim(), seconds, "{mib} MiB");
    }
}

#[tokio::test]
async fn a_crash_is_the_components_fault_and_a_missing_executable_the_hosts() {
    let fault = compile("kill -SEGV $$", CompileLimits::default()).await.unwrap_err();
    assert!(matches!(&fault, CompileFault::Refused(words) if words.contains("signal 11")), "{fault:?}");
    let missing = Compiler::new(Some("/nowhere/wasmbay".into()), engine(), CompileLimits::default()).unwrap();
    let fault = missing.compile(Lane::Io, Path::new("x.wasm"), b"").await.unwrap_err();
    assert!(matches!(&fault, CompileFault::Broken(words) if words.contains("/nowhere/wasmbay")), "{fault:?}");
}

#[tokio::test]
async fn a_child_that_neither_reads_nor_writes_does_not_stall_the_parent() {
    let (_folder, compiler) = scripted("exit 0", CompileLimits::default());
    // More than a pipe holds.
    let component = vec![0; 1 << 20];
    let fault = compiler.compile(Lane::Io, Path::new("x.wasm"), &component).await.unwrap_err();
    assert!(matches!(&fault, CompileFault::Broken(words) if words.ends_with("wrote no code")), "{fault:?}");
}

#[tokio::test]
async fn children_run_one_at_a_time() {
    let script = "cd \"${0%/*}\"; mkdir busy || exit 4; cat; rmdir busy";
    let (_folder, compiler) = scripted(script, CompileLimits::default());
    let component = vec![0; 1 << 18];
    let all = (0..8).map(|_| compiler.compile(Lane::Io, Path::new("x.wasm"), &component));
    for outcome in futures_util::future::join_all(all).await {
        assert_eq!(outcome.map(|artefact| artefact.len()), Ok(component.len()));
    }
}

#[tokio::test]
async fn dropping_the_call_ends_the_child() {
    let (folder, compiler) = scripted("echo $$ > \"$0.id\"; exec cat /dev/zero", CompileLimits::default());
    let id = folder.path().join("child.id");
    let written = || std::fs::read_to_string(&id).ok().filter(|text| text.ends_with('\n'));
    let started = async {
        while written().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = compiler.compile(Lane::Io, Path::new("x.wasm"), b"") => panic!("it must not end: {ended:?}"),
        () = started => {}
    }
    let process: u32 = written().unwrap().trim().parse().unwrap();
    while resident(process).is_some_and(|bytes| bytes > 0) {
        tokio::task::yield_now().await;
    }
}
