#!/bin/bash
# bolt.sh DIR
#
# Puts LLVM's BOLT into DIR: bin/llvm-bolt, bin/merge-fdata, and the libraries they need in lib/. `cargo xtask` runs it where
# there is none on the machine. It comes from Debian's (or Ubuntu's) packages, which are unpacked: nothing is installed, nothing
# needs root. Each step prints one line on stdout. The newest is taken; older than 17 does not know the order that is asked for.
set -euo pipefail

out=$(realpath -m "${1:?usage: bolt.sh DIR}")
fail() { echo "$*" >&2; exit 1; }

export LC_ALL=C
for tool in apt-get apt-cache dpkg-deb ldd; do
    command -v $tool >/dev/null || fail "$tool is not on this machine"
done

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{deb,x,lists/partial,cache/archives/partial}
# The working folder is this user's own; apt's unprivileged download user could not write there.
apt=(-qq -o APT::Sandbox::User="$(id -un)" -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache")

# Fresh lists, kept in the working folder: the machine's may be months old, and changing them needs root.
echo "fetching the package lists"
apt-get "${apt[@]}" update >"$work/apt.log" 2>&1 || apt=(-qq -o APT::Sandbox::User="$(id -un)")

bolt=$(apt-cache "${apt[@]}" search --names-only '^bolt-[0-9]+$' | cut -d' ' -f1 | sort -t- -k2n | tail -n 1)
[ -n "$bolt" ] && [ "${bolt#bolt-}" -ge 17 ] || fail "the archive offers no bolt-17 or newer: $(tail -n 3 "$work/apt.log")"
# Not the C library: every program on the machine already runs with the one that fits its loader.
libraries=$(apt-cache "${apt[@]}" depends "$bolt" | sed -nE 's/^[ |]*(Pre)?Depends: ([a-z])/\2/p' | grep -vxE 'libc6' | sort -u)

echo "fetching $bolt and its libraries (about 20 MB)"
# shellcheck disable=SC2086
( cd "$work/deb" && apt-get "${apt[@]}" download "$bolt" $libraries ) 2>"$work/apt.log" ||
    fail "the archive gave no packages: $(tail -n 3 "$work/apt.log")"

echo "unpacking"
for deb in "$work"/deb/*.deb; do dpkg-deb -x "$deb" "$work/x"; done
mkdir -p "$work/tree"/{bin,lib}
from=$work/x/usr/lib/llvm-${bolt#bolt-}
cp "$from"/bin/{llvm-bolt,merge-fdata} "$work/tree/bin/"
# What counting programs are linked with is looked for beside bin/.
cp "$from"/lib/libbolt_rt_*.a "$work/tree/lib/"
find "$work/x"/{usr/lib,lib}/*-linux-gnu -maxdepth 1 -name '*.so.*' -exec cp -P {} "$work/tree/lib/" \; 2>/dev/null || true

export LD_LIBRARY_PATH=$work/tree/lib
for program in "$work"/tree/bin/*; do
    ! ldd "$program" | grep 'not found' >&2 || fail "$program lacks these libraries"
done

rm -rf "$out"
mkdir -p "$out"
cp -r --preserve=mode,links "$work/tree"/. "$out/"
echo "made $(du -sh "$out" | cut -f1) of BOLT"
