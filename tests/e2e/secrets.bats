load helpers

# Where passphrases and keys may be: in locked memory, and nowhere else. passphrase.bats has how they get there.
# secret-scan looks from outside, with the keys that tests/reference/unseal.py derives; secret-watch.c from inside.

need_reference() {
    "$PYTHON" -c 'import nacl, zstandard' 2>/dev/null || skip "needs python3-nacl and python3-zstandard"
}
need_watch() {
    command -v cc >/dev/null || skip "needs a C compiler"
    case $(ldd "$PMM_SEAL" 2>&1) in
    *asan*) skip "a preloaded library does not go with the address sanitizer" ;;
    *libsodium*) ;;
    *) skip "libsodium is not loaded but linked: nothing can be put between" ;;
    esac
    cc -O2 -fno-builtin -shared -fPIC -o "$T/watch.so" "$E2E/secret-watch.c" -ldl
    : >"$T/seals"
}
# A command under the watch: what it found is in $T/found.
watched() { LD_PRELOAD=$T/watch.so "$@" 9>>"$T/found" 7>>"$T/seals"; }
found_nothing() { # and the watch knew what to look for
    grep -q '^learnt [1-9]' "$T/found" || fail "the watch saw nothing: $(cat "$T/found")" || return 1
    ! grep -v '^learnt ' "$T/found" || fail "see above" || return 1
    rm "$T/found"
}
scan() { "$PYTHON" "$E2E/secret-scan" "$@"; }

# bats test_tags=full
@test "no block that is freed, no page that is given back, no comparison and no memory at the end has a secret" {
    need_watch
    small_tree "$T/src"
    random_file "$T/src/big" 5000000
    for command in "backup --kdf interactive -o $T/d/ $T/src" "verify $T/d" "list $T/d" "prune --keep-last 1 $T/d"; do
        mkdir -p "$T/d"
        expect 0 watched with_pass $command
        found_nothing
    done
    A=$(ls "$T"/d/*.pmmseal)
    for command in "verify $A" "list $A" "info $A" "restore $A $T/new" "diff $A $T/new" "restore --replace $A $T/new nginx" \
        "rekey --kdf interactive --new-passphrase-file $T/other $A"; do
        expect 0 watched with_pass $command
        found_nothing
    done
    expect 4 watched with_pass verify "$A" # the old passphrase
    found_nothing
    expect_sh 0 'watched "$PMM_SEAL" verify --passphrase-file "$T/other" - <"$A"'
    found_nothing
    PMM_SEAL_PASSPHRASE=$(cat "$T/other") expect 0 watched seal verify "$A"
    found_nothing
    expect 0 watched seal verify --passphrase-command "cat '$T/other'" "$A"
    found_nothing
}

@test "the watch finds what is left in freed memory, in unmapped memory, on the stack and in a comparison" {
    need_watch
    cat >"$T/leaky.c" <<'END'
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
int main(void)
{
    static unsigned char key[32], copy[64];
    char *block = malloc(100), *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const unsigned char salt[16] = {1};
    if (sodium_init() < 0 || crypto_pwhash(key, 32, "a passphrase to leak", 20, salt, 2, 1 << 26, 2) != 0)
        return 1;
    memcpy(block + 7, key, 32);
    free(block);
    strcpy(page + 5000, "a passphrase to leak");
    munmap(page, 8192);
    memcpy(copy + 1, key, 32);
    return memcmp(copy + 1, key, 32);
}
END
    cc -O0 -o "$T/leaky" "$T/leaky.c" -lsodium || skip "needs libsodium-dev"
    expect 0 watched "$T/leaky"
    grep -q '^free key-of-the-passphrase' "$T/found"
    grep -q '^munmap passphrase' "$T/found"
    grep -q '^memcmp key-of-the-passphrase' "$T/found"
    grep -q '^end key-of-the-passphrase' "$T/found"
}

# bats test_tags=full
@test "in the middle of a run there is no secret outside of locked memory" {
    need_root
    need_reference
    random_file "$T/big" 30000000
    mkdir "$T/src"
    mv "$T/big" "$T/src"
    small_tree "$T/src"
    mkfifo "$T/fifo"
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE
    "$PMM_SEAL" backup --kdf interactive -q -o "$T/fifo" "$T/src" >/dev/null 2>&1 &
    pid=$!
    mine $pid
    exec 8<"$T/fifo"
    head -c 4096 <&8 >"$T/head"
    expect 1 scan locked $pid "$T/head" "$T/pass" # where they are
    expect 0 scan memory $pid "$T/head" "$T/pass"
    exec 8<&-
    wait $pid || true
    backup -q -o "$T/a.pmmseal" "$T/src"
    for command in "verify -" "restore - $T/new"; do
        "$PMM_SEAL" $command <"$T/fifo" >/dev/null 2>&1 &
        pid=$!
        mine $pid
        exec 8>"$T/fifo"
        head -c 10000000 "$T/a.pmmseal" >&8
        wait_for 20 grep -q '^NoNewPrivs:.1' /proc/$pid/status
        wait_for 20 scan_finds $pid "$T/a.pmmseal"
        expect 0 scan memory $pid "$T/a.pmmseal" "$T/pass"
        exec 8>&-
        wait $pid || true
    done
}
scan_finds() { scan locked "$1" "$2" "$T/pass" | grep -q 'subkey'; }

# bats test_tags=full
@test "no process that runs beside has a passphrase in its environment or its arguments" {
    need_root
    small_tree "$T/src"
    cat >"$T/look" <<'END'
#!/bin/sh
# What the processes of this run show, in a file of that name.
env >"$1"
for p in /proc/[0-9]*; do
    grep -qs pmm-seal "$p/comm" || [ "$p" = "/proc/$$" ] || continue
    echo "looked at $(cat "$p/comm")"
    tr '\0' '\n' <"$p/environ"
    tr '\0' '\n' <"$p/cmdline"
done >>"$1" 2>/dev/null
END
    chmod 755 "$T/look"
    export PMM_SEAL_PASSPHRASE=$PASSPHRASE PMM_SEAL_NEW_PASSPHRASE='a new one of several words, 1991'
    expect 0 seal backup --kdf interactive --before "$T/look $T/before" --after "$T/look $T/after" -o "$T/a.pmmseal" "$T/src"
    unset PMM_SEAL_PASSPHRASE
    expect 0 seal verify --passphrase-command "$T/look $T/command; cat $T/pass" "$T/a.pmmseal"
    for f in before after command; do
        grep -q '^looked at pmm-seal' "$T/$f"
        ! grep -F -e "$PASSPHRASE" -e 'a new one' "$T/$f" || fail "see above, from --$f"
    done
    grep -q '^looked at pmm-seal-guard' "$T/before"
}

# bats test_tags=full
@test "nothing that is said or written repeats a passphrase or a key" {
    need_reference
    small_tree "$T/src"
    mkdir "$T/d" "$T/out"
    n=0
    run_all() { # each command with -v and with --json
        for options in -v --json '-v --progress lines'; do
            n=$((n + 1))
            "$PMM_SEAL" "$@" $options >"$T/out/$n.out" 2>"$T/out/$n.err" || true
        done
    }
    (umask 077; printf 'wrong but worth keeping, 5 of it' >"$T/wrong")
    P="--passphrase-file $T/pass"
    run_all backup $P --kdf interactive --metrics-file "$T/out/metrics.prom" -o "$T/d/" "$T/src"
    A=$(ls "$T"/d/*.pmmseal | head -n 1)
    cp "$A" "$T/cut" && truncate -s -5000 "$T/cut"
    for command in verify list info "restore --replace" diff; do
        target=
        case $command in restore*) target=$T/new ;; diff) target=$T/src ;; esac
        run_all $command $P "$A" $target
        run_all $command $P "$T/cut" $target
        run_all $command --passphrase-file "$T/wrong" "$A" $target
    done
    run_all verify $P "$T/d"
    run_all list $P "$T/d"
    run_all prune $P --keep-last 9 "$T/d"
    cp "$A" "$T/b"
    "$PMM_SEAL" rekey $P --kdf interactive --add --new-passphrase-file "$T/other" -v "$T/b" >"$T/out/rekey.out" 2>"$T/out/rekey.err"
    [ $n -gt 50 ]
    grep -q key_check "$T/out/1.out" || grep -q 'key check' "$T/out/1.out"
    scan files "$A" "$T/pass" "$T"/out/* "$T"/d/.pmm-seal.* "$T"/d/*.pmmseal
    scan files "$T/b" "$T/other" "$T"/out/* "$T/b"
    ! grep -F 'worth keeping' "$T"/out/* || fail "see above"
    # The scan finds one that is there, in each of its forms.
    key=$(scan keys "$A" "$T/pass" | awk '/file-key/ { print $2 }')
    echo "x$key" >"$T/hex"
    echo "$key" | "$PYTHON" -c 'import base64, sys; print(base64.b64encode(b"??" + bytes.fromhex(input())).decode())' >"$T/base64"
    for f in hex base64; do expect 1 scan files "$A" "$T/pass" "$T/$f"; done
}

@test "no core is written, and who is the same user cannot look in" {
    need_root
    user_dir "$T/d"
    mkdir "$T/src"
    random_file "$T/src/big" 20000000
    chmod -R a+rX "$T/src"
    mkfifo "$T/d/fifo"
    chown 1000:1000 "$T/d/fifo"
    as_user true
    cat >"$T/bin/aborts" <<'END'
import os, resource, signal, subprocess, sys, time
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
os.chdir(sys.argv[1])
p = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)
fd = os.open("fifo", os.O_RDONLY)
assert len(os.read(fd, 4096)) > 0
limits = open("/proc/%d/limits" % p.pid).read() if os.access("/proc/%d/limits" % p.pid, os.R_OK) else ""
for name in "environ", "mem", "maps":
    try:
        open("/proc/%d/%s" % (p.pid, name), "rb").read(1)
        sys.exit("can be read: " + name)
    except PermissionError:
        pass
os.kill(p.pid, signal.SIGABRT)
pid, status = os.waitpid(p.pid, 0)
assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT, status
assert not os.WCOREDUMP(status), "there is a core"
print(limits)
END
    chmod 644 "$T/bin/aborts"
    ulimit -c unlimited 2>/dev/null || true
    expect 0 as_user "$PYTHON" "$T/bin/aborts" "$T/d" "$T/bin/pmm-seal" backup --kdf interactive -q \
        --passphrase-file "$T/userpass" -o fifo "$T/src"
    [ "$(ls -A "$T/d")" = fifo ] || fail "is left: $(ls -A "$T/d")"
}

@test "without a right, and without memory that may be locked, all works, and secrets are wiped all the same" {
    need_root
    need_watch
    user_dir "$T/d"
    small_tree "$T/src"
    chmod -R a+rX "$T/src"
    as_user true
    : >"$T/found"
    chmod 666 "$T/found" "$T/seals"
    bare() {
        watched prlimit --memlock=0 setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set -all --inh-caps -all \
            "$T/bin/pmm-seal" "$@" --passphrase-file "$T/userpass"
    }
    chmod 755 "$T/watch.so"
    expect 0 bare backup --kdf interactive -q -o "$T/d/a.pmmseal" "$T/src"
    expect 0 bare verify "$T/d/a.pmmseal"
    [ "$(stat -c %a:%u "$T/d/a.pmmseal")" = 600:1000 ]
    expect 3 bare restore "$T/d/a.pmmseal" "$T/d/new" # owners are not for an ordinary user to give
    says owner
    found_nothing
}

pairs_are_new() {
    # Records: no pair of key and nonce twice. A wrapped key has no nonce but a key of its own; the same again is
    # the same slot written again.
    awk '$1 != "seal" { print "not a sealing: " $0; bad = 1 }
         { pair = $2 " " $3; zero = $3 ~ /^0+$/
           if (pair in out && !(zero && out[pair] == $4)) { print "twice: " $0; bad = 1 }
           out[pair] = $4 }
         END { exit bad }' "$T/seals"
}

# bats test_tags=full
@test "no key seals twice with one nonce: runs one after another, at once, cut off, rekeyed" {
    need_watch
    small_tree "$T/src"
    random_file "$T/src/big" 9000000
    mkdir "$T/d"
    for i in 1 2; do expect 0 watched with_pass backup --kdf interactive -q -o "$T/d/" "$T/src"; done
    watched with_pass backup --kdf interactive -q --name one -o "$T/d/" "$T/src" &
    watched with_pass backup --kdf interactive -q --no-verify -o "$T/two.pmmseal" "$T/src"
    wait
    # Cut off, and again to the same name.
    mkfifo "$T/fifo"
    watched "$PMM_SEAL" backup --kdf interactive -q --passphrase-file "$T/pass" -o "$T/fifo" "$T/src" >/dev/null 2>&1 &
    pid=$!
    mine $pid
    head -c 3000000 "$T/fifo" >/dev/null
    wait $pid || true
    rm "$T/fifo"
    expect 0 watched with_pass backup --kdf interactive -q -o "$T/fifo" "$T/src"
    A=$(ls "$T"/d/pmm-data-*.pmmseal | head -n 1)
    expect 0 watched with_pass rekey --kdf interactive --add --new-passphrase-file "$T/other" "$A"
    write_secret "$T/third" 'a third one, of 1648 and later'
    expect 0 watched with_pass rekey --kdf interactive --new-passphrase-file "$T/third" "$A"
    expect 0 watched seal rekey --kdf interactive --passphrase-file "$T/other" --remove "$A"
    expect 0 watched seal rekey --kdf interactive --passphrase-file "$T/third" --heal "$A"
    expect 0 watched seal verify --passphrase-file "$T/third" "$A"
    found_nothing
    [ "$(wc -l <"$T/seals")" -gt 50 ]
    pairs_are_new
    # The check sees a repetition.
    line=$(grep -m 1 'seal [0-9a-f]* 01' "$T/seals")
    echo "$line" >>"$T/seals"
    if pairs_are_new >/dev/null; then fail "a pair that came twice was not noticed"; fi
}

@test "what compares keys and tags takes constant time" {
    src=$E2E/../../src
    [ -d "$src/seal" ] || skip "no sources beside the tests"
    # Commitment of a slot, key check and MAC of a header; the tag of a record.
    [ "$(grep -c 'sodium_memcmp(' "$src/seal/keys.c")" = 3 ]
    grep -q 'sodium_memcmp(w->commitment, ' "$src/seal/keys.c"
    grep -q 'sodium_memcmp(k->check, ' "$src/seal/keys.c"
    grep -q 'sodium_memcmp(mac, ' "$src/seal/keys.c"
    grep -q 'crypto_verify_16(tag, ' "$src/seal/aead.c"
    # What else is compared there is public: a salt, the checksum of a header, a word.
    [ "$(grep -rhoE '\b(mem|str|strn)cmp\([^,]*,' "$src/seal" "$src/secret" | sort)" = "memcmp(d->salt,
memcmp(list,
memcmp(raw + size - HEADER_CHECKSUM_SIZE - HEADER_MAC_SIZE,
strcmp(name,
strncmp(line,
strncmp(real," ] || fail "compared: $(grep -rhoE '\b(mem|str|strn)cmp\([^,]*,' "$src/seal" "$src/secret" | sort)"
    # And elsewhere no key is.
    ! grep -rnE '\bmemcmp\([^;]*(key|mac|tag|kek|pass)' "$src" | grep -v 'key_check' || fail "see above"
}
