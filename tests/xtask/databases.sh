#!/bin/bash
# databases.sh DIR
#
# Puts the programs of PostgreSQL and MariaDB into DIR, with every library they need and a fresh data folder of each,
# for tests to copy. `cargo xtask` runs it. They come from Debian's (or Ubuntu's) packages, which are unpacked: nothing
# is installed, nothing needs root. Each step prints one line on stdout. No version is pinned: the archive keeps only
# its newest.
#
#     postgresql/bin   initdb, postgres, psql; they find the rest of usr/ from where they are
#     mariadb/bin      mariadbd and the client mariadb; --basedir is mariadb/
#     lib              the libraries, for LD_LIBRARY_PATH
#     postgresql.data  a cluster whose superuser `postgres` comes in by the local socket alone
#     mariadb.data     the same for `root`
set -euo pipefail

out=$(realpath -m "${1:?usage: databases.sh DIR}")
fail() { echo "$*" >&2; exit 1; }

export LC_ALL=C
for tool in apt-get apt-cache dpkg-deb ldd setpriv; do
    command -v $tool >/dev/null || fail "$tool is not on this machine"
done

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{deb,x,lists/partial,cache/archives/partial}
# The working folder is this user's own; apt's unprivileged download user could not write there.
apt=(-qq -o APT::Sandbox::User="$(id -un)" -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache")

# Fresh lists, kept in the working folder: the machine's may be months old, and changing them needs root.
echo "fetching the package lists"
apt-get "${apt[@]}" update >"$work/apt.log" 2>&1 || apt=(-qq -o APT::Sandbox::User="$(id -un)")

# The dependencies of packages, one a line. The server's version is in its name, so that is read from them as well.
depends() { apt-cache "${apt[@]}" depends "$@" 2>>"$work/apt.log" | sed -nE 's/^[ |]*(Pre)?Depends: ([a-z])/\2/p' | sort -u; }
postgresql=$(depends postgresql | grep -xE 'postgresql-[0-9]+' | head -n 1 || true)
[ -n "$postgresql" ] || fail "the archive offers no postgresql: $(tail -n 3 "$work/apt.log")"
packages=("$postgresql" "${postgresql/-/-client-}" mariadb-server-core mariadb-client-core)

# The libraries, and those that they need. Not the C library: every program on the machine already runs with the one that
# fits its loader. Neither what only a compiler of queries or Perl would use.
wanted=$(printf '%s\n' "${packages[@]}" | sort)
more=$wanted
while [ -n "$more" ]; do
    # shellcheck disable=SC2086
    found=$(depends $more | grep -E '^lib' | grep -vxE 'lib(c6|c-bin|llvm.*|perl.*|.*-perl)' || true)
    more=$(comm -13 <(echo "$wanted") <(echo "$found"))
    wanted=$(printf '%s\n%s\n' "$wanted" "$more" | sed '/^$/d' | sort -u)
done
# Of two that provide the same library the archive may have only one.
# shellcheck disable=SC2086
wanted=$(apt-cache "${apt[@]}" --no-all-versions show $wanted 2>>"$work/apt.log" | sed -n 's/^Package: //p' | sort -u)

echo "fetching ${packages[*]} and their libraries (about 45 MB)"
# shellcheck disable=SC2086
( cd "$work/deb" && apt-get "${apt[@]}" download "${packages[@]}" $wanted ) 2>"$work/apt.log" ||
    fail "the archive gave no packages: $(tail -n 3 "$work/apt.log")"

echo "unpacking"
for deb in "$work"/deb/*.deb; do dpkg-deb -x "$deb" "$work/x"; done
version=${postgresql#postgresql-}
tree=$work/tree
mkdir -p "$tree/lib" "$tree/mariadb/bin" "$tree/usr/lib/postgresql/$version"/{bin,lib} "$tree/usr/share/postgresql/$version/extension"
find "$work/x"/{usr/lib,lib}/*-linux-gnu -maxdepth 1 -name '*.so.*' -exec cp -P {} "$tree/lib/" \; 2>/dev/null
from=$work/x/usr/lib/postgresql/$version
cp "$from"/bin/{initdb,postgres,psql} "$tree/usr/lib/postgresql/$version/bin/"
cp "$from"/lib/{plpgsql,dict_snowball}.so "$tree/usr/lib/postgresql/$version/lib/"
from=$work/x/usr/share/postgresql/$version
cp -r "$from"/{timezonesets,tsearch_data} "$from"/*.{bki,sql,sample,txt} "$tree/usr/share/postgresql/$version/"
cp "$from"/extension/plpgsql* "$tree/usr/share/postgresql/$version/extension/"
ln -s "usr/lib/postgresql/$version" "$tree/postgresql"
cp "$work/x/usr/sbin/mariadbd" "$work/x/usr/bin/mariadb" "$tree/mariadb/bin/"
mkdir -p "$tree/mariadb/share"
cp -r "$work/x/usr/share/mysql"/{charsets,english} "$tree/mariadb/share/"

export LD_LIBRARY_PATH=$tree/lib
for program in "$tree"/postgresql/bin/* "$tree"/mariadb/bin/*; do
    ! ldd "$program" | grep 'not found' >&2 || fail "$program lacks these libraries"
done

# Neither server runs as root; then it is nobody who must reach them.
chmod -R a+rX "$work"
as=(); mkdir "$work/data"
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown 65534:65534 "$work/data"
fi

echo "making PostgreSQL's first data folder"
cd "$work/data"
"${as[@]}" "$tree/postgresql/bin/initdb" -D postgresql.data -U postgres -E UTF8 --locale=C.UTF-8 --wal-segsize=1 \
    --auth-local=trust --auth-host=scram-sha-256 --no-sync --no-instructions

echo "making MariaDB's first data folder"
"${as[@]}" mkdir mariadb.data
scripts=$work/x/usr/share/mysql
{
    # A statement a line.
    printf '%s;\n' "CREATE DATABASE mysql" "USE mysql" "SET @auth_root_socket = NULL"
    cat "$scripts"/{mysql_system_tables,mysql_performance_tables,mysql_system_tables_data}.sql
    # No account to come in by but root's, and that from the local socket alone; mariadb.sys is locked and owns views.
    printf '%s;\n' "DELETE FROM mysql.global_priv WHERE User NOT IN ('root', 'mariadb.sys') OR Host <> 'localhost'" \
        "FLUSH PRIVILEGES" "ALTER USER root@localhost IDENTIFIED BY ''"
} >"$work/bootstrap.sql"
"${as[@]}" "$tree/mariadb/bin/mariadbd" --no-defaults --bootstrap --basedir="$tree/mariadb" --datadir="$work/data/mariadb.data" \
    --lc-messages-dir="$tree/mariadb/share" --character-sets-dir="$tree/mariadb/share/charsets" \
    --innodb-log-file-size=4M --innodb-data-file-path=ibdata1:5M:autoextend --innodb-autoextend-increment=1 \
    --log-warnings=0 <"$work/bootstrap.sql" || fail "MariaDB does not take its own system tables"

rm -rf "$out"
mkdir -p "$out"
cp -r --preserve=mode "$tree"/. "$work/data/postgresql.data" "$work/data/mariadb.data" "$out/"
echo "made $(du -sh "$out" | cut -f1) of database servers"
