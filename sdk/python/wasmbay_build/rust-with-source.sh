#!/bin/bash
# rust-with-source.sh DIR
#
# Makes a Rust toolchain with the source of its standard library in DIR, for machines where rustup can fetch nothing but
# Debian's packages can be had. By hand:
#     RUSTUP_TOOLCHAIN=DIR RUSTC_BOOTSTRAP=1 cargo build -Zbuild-std --target wasm32-wasip1
#
# The compiler and the source come from Debian's rustc-web packages; cargo and rust-lld are the active toolchain's.
# Nothing is installed, nothing needs root. No version is pinned: the archive keeps only its newest.
set -euo pipefail
out=$(realpath -m "${1:?usage: rust-with-source.sh DIR}")
fail() { echo "$*" >&2; exit 1; }

export LC_ALL=C
for tool in apt-get apt-cache dpkg-deb rustup tar; do
    command -v $tool >/dev/null || fail "$tool is not on this machine"
done
host=$(rustc -vV | sed -n 's/^host: //p')
lld=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
[ -x "$lld" ] || fail "$lld is not there: update rustup's toolchain"

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{deb,x,lists/partial,cache/archives/partial}
# The working folder is this user's own; apt's unprivileged download user could not write there.
apt=(-qq -o APT::Sandbox::User="$(id -un)" -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache")
apt-get "${apt[@]}" update >"$work/apt.log" 2>&1 || apt=(-qq -o APT::Sandbox::User="$(id -un)")

# Companions carry versions in their names (libstd-rust-web-1.NN, libllvmNN): they are read from dependencies.
depends() { apt-cache "${apt[@]}" depends "$1" 2>>"$work/apt.log" | awk -v want="$2" '$0 ~ "Depends: " want {print $2; exit}'; }
libstd=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9]')
llvm=$(depends "${libstd:-none}" 'libllvm[0-9]')
[ -n "$llvm" ] || fail "Debian's archive offers no usable rustc-web: $(tail -n 3 "$work/apt.log")"
( cd "$work/deb" &&
  apt-get "${apt[@]}" download rustc-web "$libstd" libstd-rust-web-dev rust-web-src "$llvm" ) 2>"$work/apt.log" ||
    fail "Debian's archive gave no packages: $(tail -n 3 "$work/apt.log")"

unpack() { dpkg-deb --fsys-tarfile "$work"/deb/$1_*.deb | tar -x -C "$work/x" --wildcards "${@:2}"; }
unpack rustc-web './usr/bin/rustc'
unpack 'libstd-rust-web-[0-9]*' './usr/lib/*'
unpack libstd-rust-web-dev './usr/lib/rustlib/*'
unpack rust-web-src './usr/src/rustc-*/library/*'
unpack 'libllvm[0-9]*' './usr/lib/*'

mkdir -p "$out/bin" "$out/lib/rustlib/src/rust" "$out/lib/rustlib/$host/bin"
mv "$work/x/usr/bin/rustc" "$out/bin/"
mv "$work"/x/usr/lib/*-linux-gnu/librustc_driver-*.so "$out/lib/"
cp -L "$work"/x/usr/lib/*-linux-gnu/libLLVM*.so.* "$out/lib/"
mv "$work/x/usr/lib/rustlib/$host/lib" "$out/lib/rustlib/$host/"
mv "$work"/x/usr/src/rustc-*/library "$out/lib/rustlib/src/rust/"
ln -s "$lld" "$out/lib/rustlib/$host/bin/"
ln -s "$(rustup which cargo)" "$out/bin/cargo"
