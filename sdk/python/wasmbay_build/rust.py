"""A Rust toolchain with the source of its standard library, which has to be compiled to lie at any address."""

import os
import shutil
import subprocess
from pathlib import Path

from .place import SDK, BuildError, say

SCRIPT = SDK / "wasmbay_build" / "rust-with-source.sh"


def toolchain(folder):
    """Variables that choose one: the active one, with its source fetched by rustup if it is not there, else one that is
    made in `folder`. Raises BuildError with what to install."""
    sysroot = _said("rustc", "--print", "sysroot")
    if sysroot is None:
        raise BuildError("compiling it takes Rust: install it from https://rustup.rs, then `rustup component add rust-src`")
    if _has_source(sysroot) or _fetched_by_rustup(sysroot):
        return {}
    say("rustup cannot fetch the library's source; making a toolchain of Debian's packages (130 MB)")
    made = subprocess.run(["bash", SCRIPT, folder], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if made.returncode != 0 or not _has_source(folder):
        raise BuildError("compiling it takes the source of Rust's standard library: `rustup component add rust-src`;\n"
                         f"Debian's packages, tried instead, say: {made.stdout.strip()}")
    return {"RUSTUP_TOOLCHAIN": str(folder)}


def _has_source(sysroot):
    return Path(sysroot, "lib/rustlib/src/rust/library/std/Cargo.toml").exists()


def _fetched_by_rustup(sysroot):
    if shutil.which("rustup") is None:
        return False
    say("rustup component add rust-src")
    # A network that answers nothing must not hold a build for longer.
    _said("timeout", "180", "rustup", "component", "add", "rust-src", RUSTUP_MAX_RETRIES="1")
    return _has_source(sysroot)


def _said(*command, **variables):
    try:
        done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, **variables})
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
