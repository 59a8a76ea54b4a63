#!/bin/bash
# private-toolchain.sh DIR TARGET...
#
# Makes a Rust toolchain that can build for the wasm TARGETs in DIR, for machines where `rustup target add` can
# fetch nothing but Debian's packages can be had. `cargo xtask` runs it; by hand it works just as well:
#     RUSTUP_TOOLCHAIN=DIR cargo build --target wasm32-wasip2
#
# The compiler, its libraries and std's source come from Debian's rustc-web packages, wasi-libc from Debian too;
# cargo, rust-lld and wasm-component-ld are the ones of the base toolchain (BASE_TOOLCHAIN, default: the active one).
# std is built once per target and put where a prebuilt one would be. Nothing is installed, nothing needs root.
# Each step prints one line on stdout. No version is pinned: the archive keeps only its newest.
set -euo pipefail

usage="usage: private-toolchain.sh DIR TARGET..."
out=$(realpath -m "${1:?$usage}"); shift
[ $# -gt 0 ] || { echo "$usage" >&2; exit 2; }
fail() { echo "$*" >&2; exit 1; }

export LC_ALL=C
for tool in apt-get apt-cache dpkg-deb rustup tar; do
    command -v $tool >/dev/null || fail "$tool is not on this machine"
done
rustc=$(rustup which ${BASE_TOOLCHAIN:+--toolchain "$BASE_TOOLCHAIN"} rustc)
cargo=$(rustup which ${BASE_TOOLCHAIN:+--toolchain "$BASE_TOOLCHAIN"} cargo)
host=$("$rustc" -vV | sed -n 's/^host: //p')
base_bin=$("$rustc" --print sysroot)/lib/rustlib/$host/bin
[ -x "$base_bin/wasm-component-ld" ] || fail "$base_bin has no wasm-component-ld: update rustup's toolchain"

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{deb,x,seed/src,lists/partial,cache/archives/partial}
# The working folder is this user's own; apt's unprivileged download user could not write there.
apt=(-qq -o APT::Sandbox::User="$(id -un)" -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache")

# Fresh lists, kept in the working folder: the machine's may be months old, and changing them needs root.
echo "fetching Debian's package lists"
apt-get "${apt[@]}" update >"$work/apt.log" 2>&1 || apt=(-qq -o APT::Sandbox::User="$(id -un)")

# rustc-web's companions carry versions in their names (libstd-rust-web-1.NN, libllvmNN): they are read from dependencies.
depends() { apt-cache "${apt[@]}" depends "$1" 2>>"$work/apt.log" | awk -v want="$2" '$0 ~ "Depends: " want {print $2; exit}'; }
libstd=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9]')
llvm=$(depends "${libstd:-none}" 'libllvm[0-9]')
[ -n "$llvm" ] || fail "Debian's archive offers no usable rustc-web: $(tail -n 3 "$work/apt.log")"
echo "fetching rustc-web, $libstd, rust-web-src, $llvm, wasi-libc from Debian's archive (about 130 MB)"
( cd "$work/deb" &&
  apt-get "${apt[@]}" download rustc-web "$libstd" libstd-rust-web-dev rust-web-src "$llvm" wasi-libc ) 2>"$work/apt.log" ||
    fail "Debian's archive gave no packages: $(tail -n 3 "$work/apt.log")"

echo "unpacking $(ls "$work"/deb/rustc-web_*.deb | sed 's/.*_\(.*\)_.*/rustc \1/; s/%3a/:/')"
unpack() { dpkg-deb --fsys-tarfile "$work"/deb/$1_*.deb | tar -x -C "$work/x" --wildcards "${@:2}"; }
unpack rustc-web './usr/bin/rustc'
unpack 'libstd-rust-web-[0-9]*' './usr/lib/*'
unpack libstd-rust-web-dev './usr/lib/rustlib/*'
unpack rust-web-src './usr/src/rustc-*/library/*'
unpack 'libllvm[0-9]*' './usr/lib/*'
unpack wasi-libc './usr/lib/wasm32-wasi/*'

rm -rf "$out"
mkdir -p "$out/bin" "$out/lib/rustlib/src/rust" "$out/lib/rustlib/$host/bin"
mv "$work/x/usr/bin/rustc" "$out/bin/"
mv "$work"/x/usr/lib/*-linux-gnu/librustc_driver-*.so "$out/lib/"
cp -L "$work"/x/usr/lib/*-linux-gnu/libLLVM*.so.* "$out/lib/"
mv "$work/x/usr/lib/rustlib/$host/lib" "$out/lib/rustlib/$host/"
mv "$work"/x/usr/src/rustc-*/library "$out/lib/rustlib/src/rust/"
ln -s "$base_bin/rust-lld" "$base_bin/wasm-component-ld" "$out/lib/rustlib/$host/bin/"
ln -s "$cargo" "$out/bin/cargo"

printf '#![no_std]\n' >"$work/seed/src/lib.rs"
cat >"$work/seed/Cargo.toml" <<'TOML'
[package]
name = "seed"
version = "0.0.0"
edition = "2021"
[profile.release]
panic = "abort"
[workspace]
TOML
for target in "$@"; do
    echo "building std for $target"
    # RUSTC_BOOTSTRAP: -Zbuild-std is what builds a std; bitcode lets a guest ask for link-time optimisation.
    ( cd "$work/seed" && unset CARGO_TARGET_DIR CARGO_BUILD_TARGET &&
      RUSTUP_TOOLCHAIN=$out RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Cembed-bitcode=yes' cargo build --quiet --release \
          -Zbuild-std=std,panic_abort -Zbuild-std-features= --target "$target" )
    lib=$out/lib/rustlib/$target/lib
    mkdir -p "$lib/self-contained"
    cp "$work/seed/target/$target/release/deps"/lib*.rlib "$lib/"
    rm -f "$lib"/libseed-*
    case $target in *wasi*) cp -L "$work"/x/usr/lib/wasm32-wasi/{libc.a,crt1-command.o,crt1-reactor.o} "$lib/self-contained/";; esac
done
# Only building std needed it.
rm -rf "$out/lib/rustlib/src"
echo "made $(du -sh "$out" | cut -f1) of toolchain"
