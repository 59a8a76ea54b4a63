//! What libFuzzer runs: the target that `WASMBAY_FUZZ_TARGET` names.
//!
//! Built and run by `cargo xtask soak fuzz` alone, which also builds the engine whose `main` this program has.

#![no_main]
#![expect(unsafe_code, reason = "libFuzzer is C++: it calls by name and hands over a pointer")]

use std::{env, panic, process, slice, sync::OnceLock};

use wasmbay_fuzz::TARGETS;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

/// Called once, before everything else.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerInitialize(_: *const i32, _: *const *const *const u8) -> i32 {
    let name = env::var("WASMBAY_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("set WASMBAY_FUZZ_TARGET to one of {}", names.join(", "));
        process::exit(2);
    };
    RUN.get_or_init(|| target.run);
    // Panics that the host would catch are findings too, on whatever thread they are.
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        say(info);
        process::abort();
    }));
    0
}

/// Called for each input.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
    let run = RUN.get().expect("the initialiser was called");
    // SAFETY: libFuzzer's input lives for the call; it may be null when it is empty.
    run(if size == 0 { &[] } else { unsafe { slice::from_raw_parts(data, size) } });
    0
}
