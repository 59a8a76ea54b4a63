#!/bin/sh
# Compiles the workspace's own crates with counters for libFuzzer: cargo calls it with rustc's command (RUSTC_WORKSPACE_WRAPPER).
# The crates from the registry stay as they are, so the engine is not built once more. Build scripts run without libFuzzer.
case " $* " in
*" build_script_"*) exec "$@" ;;
*" --crate-name libfuzzer "*) set -- "$@" -L "native=$WASMBAY_LIBFUZZER" -l static=fuzzer -l stdc++ ;;
esac
case " $* " in
# Queries about the compiler name no crate.
*" --crate-name "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Copt-level=1 -Cdebug-assertions=on -Coverflow-checks=on
    ;;
*) exec "$@" ;;
esac
