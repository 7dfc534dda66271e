load helpers

# Code that got in through an archive tries what such code tries (escape.c), and finds that it can do nothing.

need_preload() {
    command -v cc >/dev/null || skip "needs a C compiler"
    case $(ldd "$PMM_SEAL" 2>&1) in
    *asan*) skip "a preloaded library does not go with the address sanitizer" ;;
    *'not a dynamic'*) skip "nothing is preloaded into a static program" ;;
    esac
}

# The version of the kernel's Landlock; 0: none.
landlock() {
    "$PYTHON" -c 'import ctypes; print(max(0, ctypes.CDLL(None).syscall(444, None, 0, 1)))'
}
need_landlock() { [ "$(landlock)" -ge "$1" ] || skip "needs Landlock $1, here is $(landlock)"; }

make_escape() {
    need_landlock 6
    need_preload
    cc -shared -fPIC -o "$T/escape.so" "$E2E/escape.c" -ldl
    mkdir "$T/d" "$T/src" "$T/cwd" "$T/in" "$T/elsewhere"
    small_tree "$T/src"
    cp /bin/true "$T/setuid"
    chmod 4755 "$T/setuid"
    backup -q -o "$T/d/" "$T/src"
    A=$(ls "$T"/d/*.pmmseal)
    ln "$A" "$T/d/archive"
    echo precious >"$T/d/victim"
    export ESCAPE_DIR=$T/d ESCAPE_OTHER=$T/elsewhere ESCAPE_SETUID=$T/setuid
}

# COMMAND ...: as with_pass, with the library and from $T/cwd; the attempts are in $T/tried.
attacked() {
    (cd "$T/cwd" && LD_PRELOAD=$T/escape.so with_pass "$@") 9>"$T/tried"
}

all_refused() { # but the attempts named
    [ "$(wc -l <"$T/tried")" = 20 ] || fail "not all was tried: $(cat "$T/tried")" || return 1
    awk '{ print $1, ($2 == "EACCES" || $2 == "EPERM" || $2 == "EXDEV") ? "no" : $2 }' "$T/tried" | grep -v ' no$' |
        grep -vxF -e "$(printf '%s done\n' none "$@")" >"$T/allowed" || true
    [ ! -s "$T/allowed" ] || fail "not refused: $(cat "$T/allowed")" || return 1
    for f in "$@"; do grep -qx "$f done" "$T/tried" || fail "refused: $f" || return 1; done
    content "$T/d/victim" precious
    absent "$T/d/escaped" "$T/elsewhere/escaped"
    empty_dir "$T/cwd"
}

@test "the attempts succeed where nothing is confined" {
    make_escape
    cc -o "$T/without" "$E2E/without-landlock.c"
    (cd "$T/cwd" && LD_PRELOAD=$T/escape.so with_pass verify "$A" 9>"$T/tried" >/dev/null)
    all_refused
    rm -rf "$T/cwd" && mkdir "$T/cwd"
    (cd "$T/cwd" && LD_PRELOAD=$T/escape.so "$T/without" 38 "$PMM_SEAL" verify -q --passphrase-file "$T/pass" "$A" 9>"$T/tried")
    grep -qx 'read-etc-passwd done' "$T/tried"
    for what in write-here write-beside-archive write-archive truncate unlink rename symlink mkdir mkfifo run-setuid run-shell; do
        grep -qx "$what done" "$T/tried" || fail "$what is no attempt: $(cat "$T/tried")"
    done
    grep -qx 'new-privileges EPERM' "$T/tried" # also where there is no Landlock
}

@test "verify, list, info and diff can open nothing else, write nothing, run nothing" {
    make_escape
    for command in "verify $A" "list $A" "info $A" "diff $A $T/src"; do
        expect 0 attacked $command
        all_refused
    done
    expect_sh 0 'attacked verify - <"$A"'
    all_refused
    expect_sh 0 'attacked list - <"$A"'
    all_refused
}

@test "a restore can write nothing but what is beside its target, and run nothing" {
    make_escape
    for options in "" --replace --dry-run; do
        expect 0 attacked restore $options "$A" "$T/in/new"
        all_refused
        same_trees "$T/src" "$T/in/new"
    done
    expect 0 attacked restore --replace "$A" "$T/in/new" nginx
    all_refused
    expect_sh 0 'attacked restore --replace - "$T/in/new" <"$A"'
    all_refused
    same_trees "$T/src" "$T/in/new"
    expect 0 attacked restore --salvage "$A" "$T/in/salvaged"
    all_refused
    same_trees "$T/src" "$T/in/salvaged"
}

# bats test_tags=full
@test "a restore into a mount can write nothing but what is in it" {
    need_mounts
    make_escape
    mkdir "$T/in/mounted"
    export A T PMM_SEAL
    export -f attacked with_pass
    expect 0 unshare -m bash -ec '
        mount -t tmpfs none "$T/in/mounted"
        mkdir "$T/in/mounted/nginx"
        mount -t tmpfs none "$T/in/mounted/nginx"
        echo old >"$T/in/mounted/old"
        attacked restore -q --replace "$A" "$T/in/mounted"
        cmp "$T/src/hello" "$T/in/mounted/hello"
        cmp "$T/src/nginx/conf" "$T/in/mounted/nginx/conf"
        [ ! -e "$T/in/mounted/old" ]'
    all_refused
}

# bats test_tags=full
@test "a directory is verified and its proofs are kept, but nothing in it can be changed or removed" {
    make_escape
    for command in verify list; do
        expect 0 attacked $command "$T/d"
        all_refused read-neighbour # this is for reading, and that is all
        grep -q pmmseal "$T/d/.pmm-seal.verified"
    done
    chmod 0 "$T/d/.pmm-seal.lock" # held by another run, that is
    exec 7<"$T/d/.pmm-seal.lock"
    flock 7
    expect 0 verify "$T/d"
    says proof-not-kept
    exec 7<&-
}

# bats test_tags=full
@test "metrics are written after all, and nothing but the metrics' directory can be" {
    make_escape
    mkdir "$T/metrics"
    expect 0 attacked verify --metrics-file "$T/metrics/pmm-seal.prom" "$A"
    all_refused
    grep -q '^pmm_seal_last_exit_code{.*verify.* 0' "$T/metrics/pmm-seal.prom"
}

@test "-v and JSON say that it was confined, or why not: no Landlock, switched off, kept away" {
    need_landlock 2
    small_tree "$T/src"
    backup -q -o "$T/a.pmmseal" "$T/src"
    cc -o "$T/without" "$E2E/without-landlock.c" || skip "needs a C compiler"
    expect 0 verify -v "$T/a.pmmseal"
    says 'confined: '
    silent_about 'not confined'
    expect 0 verify "$T/a.pmmseal"
    silent_about confined
    expect 0 verify --json "$T/a.pmmseal"
    [ "$(fact .confined)" = true ]
    without() { # ERRNO COMMAND ARGS
        "$T/without" "$1" "$PMM_SEAL" "$2" --passphrase-file "$T/pass" "${@:3}"
    }
    for e in 38:ENOSYS 95:EOPNOTSUPP 1:EPERM 22:Invalid; do
        expect 0 without ${e%:*} restore -v "$T/a.pmmseal" "$T/new"
        says 'not confined: '
        says "${e#*:}"
        same_trees "$T/src" "$T/new"
        rm -rf "$T/new"
    done
    for command in list verify; do
        expect 0 without 1 $command -v "$T/a.pmmseal"
        says 'not confined: '
    done
    expect 0 without 38 info --json "$T/a.pmmseal"
    [ "$(fact .confined)" = false ]
    case $(fact .confined_why) in *ENOSYS*) ;; *) fail "no reason: $(fact .confined_why)" ;; esac
}

# bats test_tags=full
@test "a signal ends a confined run as any other" {
    need_landlock 1
    mkdir "$T/src"
    random_file "$T/src/big" 30000000
    backup -q -o "$T/a.pmmseal" "$T/src"
    mkfifo "$T/fifo"
    "$PMM_SEAL" verify --passphrase-file "$T/pass" - <"$T/fifo" >/dev/null 2>&1 &
    pid=$!
    mine $pid
    exec 8>"$T/fifo"
    head -c 10000000 "$T/a.pmmseal" >&8
    wait_for 20 grep -q '^NoNewPrivs:.1' /proc/$pid/status
    kill -TERM $pid
    rc=0
    wait $pid || rc=$?
    exec 8>&-
    [ $rc = 143 ]
}
