# Loaded by every test file: load helpers
#
# A test gets a directory of its own, $T, a passphrase file $T/pass, and:
#   seal ...            the program
#   backup, restore ... the same with the passphrase, and cheap key derivation
#   expect N cmd ...    run it, insist on exit status N; output is in $T/said.out, $T/said.err
#   says TEXT           the last expected command said so on stderr
# Everything made in $T, every process noted with `mine PID`, is gone afterwards.

E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Debian's own: another one may come first in PATH.
# shellcheck disable=SC2034
PYTHON=/usr/bin/python3
PASSPHRASE='correct horse battery staple of Lviv 1852'
export LC_ALL=C.UTF-8

find_program() {
    local p
    for p in "${PMM_SEAL:-}" "$E2E/../../build-test/pmm-seal" "$E2E/../../build/pmm-seal" "$E2E/../../pmm-seal"; do
        if [ -n "$p" ] && [ -x "$p" ]; then
            PMM_SEAL=$(cd "$(dirname "$p")" && pwd)/$(basename "$p")
            return
        fi
    done
    echo "no pmm-seal found: set PMM_SEAL to the program" >&2
    return 1
}

setup() {
    find_program
    unset PMM_SEAL_PASSPHRASE PMM_SEAL_PASSPHRASE_FILE PMM_SEAL_PASSPHRASE_COMMAND
    unset PMM_SEAL_NEW_PASSPHRASE PMM_SEAL_NEW_PASSPHRASE_FILE PMM_SEAL_NEW_PASSPHRASE_COMMAND
    T=$(mktemp -d "${TMPDIR:-/tmp}/pmm-seal-e2e.XXXXXX")
    chmod 711 "$T"
    PIDS=
    write_secret "$T/pass" "$PASSPHRASE"
    write_secret "$T/other" 'an entirely different phrase, 1764 of them'
}

teardown() {
    local p
    for p in $PIDS; do
        kill -KILL "$p" 2>/dev/null || true
    done
    [ -n "${T:-}" ] || return 0
    chmod -R u+rwX "$T" 2>/dev/null || true
    rm -rf --one-file-system "$T"
}

mine() { PIDS="$PIDS $1"; }

write_secret() { # FILE TEXT: no newline at the end
    (umask 077 && printf %s "$2" >"$1")
}

root() { [ "$(id -u)" = 0 ]; }
need_root() { root || skip "needs root"; }

# A mount namespace of our own, for small or read-only file systems.
need_mounts() {
    need_root
    unshare -m true 2>/dev/null || skip "no private mount namespace here"
}

need_strace() {
    command -v strace >/dev/null || skip "needs strace"
    strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"
}

# strace over the program's threads. LeakSanitizer cannot work in a traced process.
traced() { ASAN_OPTIONS=detect_leaks=0 strace -f "$@"; }

# ---- the program ----

seal() { "$PMM_SEAL" "$@"; }
with_pass() { # COMMAND ARGS
    local c=$1
    shift
    "$PMM_SEAL" "$c" --passphrase-file "$T/pass" "$@"
}
backup() { with_pass backup --kdf interactive "$@"; }
restore() { with_pass restore "$@"; }
verify() { with_pass verify "$@"; }
list() { with_pass list "$@"; }
info() { with_pass info "$@"; }
diff_() { with_pass diff "$@"; }
rekey() { with_pass rekey --kdf interactive "$@"; }

# As an ordinary user: uid 1000, or whoever we are if that is not root.
as_user() {
    if root; then
        if [ ! -x "$T/bin/pmm-seal" ]; then
            mkdir -p "$T/bin" && cp "$PMM_SEAL" "$T/bin/pmm-seal" && chmod 755 "$T/bin" "$T/bin/pmm-seal"
            write_secret "$T/userpass" "$PASSPHRASE"
            chown 1000:1000 "$T/userpass"
        fi
        setpriv --reuid 1000 --regid 1000 --clear-groups "$@"
    else
        "$@"
    fi
}
user_seal() { # COMMAND ARGS
    local c=$1
    shift
    if root; then
        as_user true
        as_user "$T/bin/pmm-seal" "$c" --passphrase-file "$T/userpass" "$@"
    else
        with_pass "$c" "$@"
    fi
}
user_dir() { # DIR: one that the user owns
    mkdir -p "$1"
    if root; then chown 1000:1000 "$1"; fi
}

# ---- assertions ----

expect() {
    local want=$1 got=0
    shift
    "$@" >"$T/said.out" 2>"$T/said.err" || got=$?
    [ "$got" = "$want" ] && return 0
    echo "exit status $got, expected $want: $*"
    echo "--- stdout"; head -c 2000 "$T/said.out" | tr -d '\0'
    echo "--- stderr"; head -c 2000 "$T/said.err"
    return 1
}

# As expect, with stdin or a whole pipeline: expect_sh N 'commands' [arguments as $1 ...]
expect_sh() {
    local want=$1 text=$2
    shift 2
    expect "$want" run_text "$text" "$@"
}
run_text() {
    local text=$1
    shift
    eval "$text"
}

fail() { echo "$*"; return 1; }
says() { grep -qF -- "$1" "$T/said.err" || { echo "stderr does not say: $1"; cat "$T/said.err"; return 1; }; }
silent_about() { ! grep -qF -- "$1" "$T/said.err" || fail "stderr says: $1"; }
absent() {
    local f
    for f; do
        if [ -e "$f" ] || [ -L "$f" ]; then fail "is there: $f" || return 1; fi
    done
}
present() {
    local f
    for f; do [ -e "$f" ] || [ -L "$f" ] || fail "is not there: $f" || return 1; done
}
content() { # FILE TEXT
    [ "$(cat "$1")" = "$2" ] || fail "$1 holds: $(head -c 200 "$1"), expected: $2"
}
empty_dir() {
    local n
    n=$(ls -A "$1")
    [ -z "$n" ] || fail "$1 is not empty: $n"
}
same_trees() { "$E2E/compare-trees" "$@"; }
fact() { jq -r "$1" "$T/said.out"; } # of the --json object that the last command printed

# ---- another time ----

need_faketime() {
    FAKETIME_LIB=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
    [ -n "$FAKETIME_LIB" ] || skip "needs libfaketime"
    case $(ldd "$PMM_SEAL") in *asan*) skip "libfaketime does not go with the address sanitizer" ;; esac
}
# A program that believes it is another time (seconds since 1970).
at() {
    local when=$1
    shift
    FAKETIME="@$(date -u -d "@$when" '+%Y-%m-%d %H:%M:%S')" LD_PRELOAD=$FAKETIME_LIB FAKETIME_DONT_FAKE_MONOTONIC=1 \
        DONT_FAKE_MONOTONIC=1 TZ=UTC "$@"
}

# ---- trees ----

small_tree() { # DIR: a few entries of every common kind, under 100 KB
    mkdir -p "$1/nginx" "$1/logs/old" "$1/empty"
    echo hello >"$1/hello"
    echo 'server {}' >"$1/nginx/conf"
    seq 1 5000 >"$1/logs/pmm.log"
    seq 1 100 >"$1/logs/old/pmm.log.1"
    ln -s ../hello "$1/nginx/link"
    ln "$1/nginx/conf" "$1/nginx/conf.hard"
    : >"$1/zero"
}

random_file() { head -c "$2" /dev/urandom >"$1"; } # FILE BYTES

wait_for() { # SECONDS command...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $*" || return 1
        sleep 0.05
    done
}
